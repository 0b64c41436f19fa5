//! Small histories whose figures are worked out by hand.

use super::*;

fn close_to(value: Value, want: f64) {
    assert!((value.unwrap() - want).abs() < 1e-11, "{value:?}, not {want}");
}

#[test]
fn a_position_closed_in_two_steps() {
    // 200 USD for 10 h and 100 USD for 20 h: 4000 USD h over 200 USD closed. Lots: 10 h and 30 h.
    let o = folded(&[fill(0.0, 1, 2.0, 100.0), fill(10.0, 1, -1.0, 110.0), fill(30.0, 1, -1.0, 90.0)]);
    close_to(o.holding_hours(), 20.0);
    close_to(o.holding_hours_fifo(), 20.0);
    close_to(o.open_share(), 0.0);
    close_to(o.position_flips(), 0.0);
    assert_eq!(o.adding_to_losers(), Err("zero_volume"));
    // One gain and one loss realised, no other position: 1/1 - 1/1.
    close_to(o.disposition(), 0.0);
    assert_eq!(o.short_options_opened(), Err("zero_volume"));
}

#[test]
fn average_cost_and_first_in_first_out_differ_while_something_is_open() {
    // 100 USD for 10 h, 400 USD for 10 h: 5000 USD h over 200 USD closed. FIFO closes the lot of 100 USD, 20 h old.
    let o = folded(&[fill(0.0, 1, 1.0, 100.0), fill(10.0, 1, 1.0, 300.0), fill(20.0, 1, -1.0, 200.0)]);
    close_to(o.holding_hours(), 25.0);
    close_to(o.holding_hours_fifo(), 20.0);
    close_to(o.open_share(), 0.5);
    close_to(o.adding_to_losers(), 0.0);
    // Closed at its average cost: neither a gain nor a loss.
    assert_eq!(o.disposition(), Err("no_closes"));
}

#[test]
fn a_fill_through_zero_closes_all_and_opens_the_rest() {
    // 1 long of 100 USD for 1 h, then 2 short of 200 USD, open for 3 h: 100 + 600 USD h over 100 USD closed.
    let o = folded(&[fill(0.0, 1, 1.0, 100.0), fill(1.0, 1, -3.0, 100.0), fill(4.0, 2, 1.0, 1.0)]);
    close_to(o.position_flips(), 1.0);
    close_to(o.holding_hours(), 7.0);
    close_to(o.holding_hours_fifo(), 1.0);
    close_to(o.open_share(), 201.0 / 301.0);
}

#[test]
fn adding_to_a_loser_is_below_cost_for_longs_and_above_for_shorts() {
    // Long at 100: 300 USD added at 100 × 3 (the same), 90 below, 120 above the average. Short at 10: 40 above, 9 below.
    let long = [(1.0, 100.0), (3.0, 100.0), (1.0, 90.0), (1.0, 120.0)];
    let short = [(-1.0, 10.0), (-2.0, 20.0), (-1.0, 9.0)];
    let mut events = Vec::new();
    for (key, fills) in [(1, &long[..]), (2, &short[..])] {
        events.extend(fills.iter().enumerate().map(|(i, &(q, p))| fill(i as f64, key, q, p)));
    }
    close_to(folded(&events).adding_to_losers(), (90.0 + 40.0) / (300.0 + 90.0 + 120.0 + 40.0 + 9.0));
}

#[test]
fn quantities_that_floating_point_does_not_add_up_close_a_position() {
    let o = folded(&[fill(0.0, 1, 0.1, 10.0), fill(0.0, 1, 0.2, 10.0), fill(2.0, 1, -0.3, 10.0)]);
    assert_ne!(0.1 + 0.2 - 0.3, 0.0);
    close_to(o.open_share(), 0.0);
    close_to(o.position_flips(), 0.0);
    close_to(o.holding_hours_fifo(), 2.0);
    let mut events = vec![fill(0.0, 1, 1000.1, 7.0)];
    events.extend((1..=10_001).map(|i| fill(i as f64, 1, -0.1, 7.0)));
    close_to(folded(&events).open_share(), 0.0);
}

#[test]
fn sales_of_options_that_open_or_increase_a_short_position() {
    let option =
        |hour, q: f64, n: f64, price| Event { notional: usd(n), price, class: Class::Option, ..fill(hour, 1, q, 0.0) };
    // Opens 100, adds 300 (both short), then buys 6 through zero to 2 long, sells 4: half of 400 USD closes them.
    let events = |p| {
        [
            option(0.0, -1.0, 100.0, p),
            option(1.0, -3.0, 300.0, p),
            option(2.0, 6.0, 600.0, p),
            option(3.0, -4.0, 400.0, p),
            Event { class: Class::Other, ..fill(4.0, 2, -5.0, 1.0) },
        ]
    };
    let o = folded(&events(None));
    close_to(o.short_options_opened(), (100.0 + 300.0 + 200.0) / 800.0);
    close_to(o.position_flips(), 2.0);
    // An option's notional per unit is the underlying's price, so without a price it gains and loses nothing.
    assert_eq!(o.disposition(), Err("no_closes"));
    // Sold at 5 and at 3, so 3.5 on average; bought back at 4.
    let mut priced = events(Some(3.0));
    priced[0].price = Some(5.0);
    priced[2].price = Some(4.0);
    priced[3].price = Some(9.0);
    // Realised: a loss (4 > 3.5), then a gain (9 > 4).
    let o = folded(&priced);
    close_to(o.disposition(), 0.0);
    // Sold for less than the first sale: adding to a winner would be a sale at less than 5, and so it is.
    close_to(o.adding_to_losers(), 0.0);
}

#[test]
fn disposition_counts_the_other_open_positions() {
    let events = [
        // 1 is long at 100, last traded at 120: a paper gain. 2 is short at 100, last traded at 130: a paper loss.
        fill(0.0, 1, 1.0, 100.0),
        fill(1.0, 1, 1.0, 120.0),
        fill(2.0, 2, -1.0, 100.0),
        fill(3.0, 2, -1.0, 130.0),
        // 3 gains: RG 1, PG 1, PL 1. 4 loses: RL 1, PG 2, PL 2.
        fill(4.0, 3, 1.0, 10.0),
        fill(5.0, 3, -1.0, 11.0),
        fill(6.0, 4, 1.0, 10.0),
        fill(7.0, 4, -1.0, 9.0),
        // 2 is closed at a gain (average 115): RG 2, PG 3; its own paper loss does not count.
        fill(8.0, 2, 2.0, 90.0),
    ];
    // PGR = 2/(2+3), PLR = 1/(1+2).
    close_to(folded(&events).disposition(), 0.4 - 1.0 / 3.0);
    // After the first close: PGR = 1/2, PLR = 0/1. Without a loss on paper or realised there is no PLR.
    close_to(folded(&events[..6]).disposition(), 0.5);
    assert_eq!(folded(&[&events[..2], &events[4..6]].concat()).disposition(), Err("undefined"));
}

#[test]
fn drawdown_and_loss_chasing() {
    let pnl = [100.0, -50.0, 30.0, -200.0, 80.0, 60.0, -10.0, -90.0, 150.0];
    let sizes = [100.0, 200.0, 400.0, 100.0, 800.0, 100.0, 100.0, 300.0, 100.0];
    let events: Vec<Event> =
        (0..9).map(|i| Event { at: i as i64, pnl: usd(pnl[i]), notional: usd(sizes[i]), ..Event::default() }).collect();
    let o = folded(&events);
    close_to(o.pnl_drawdown_usd(), 220.0);
    // After losses × 2, × 8, × 3, × 1/3; after wins × 2, × 1/4, × 1/8, × 1. The last close has nothing after it.
    close_to(o.loss_chasing(), 16f64.ln() / 4.0 - (1f64 / 16.0).ln() / 4.0);
    assert_eq!(o.holding_hours(), Err("missing:side"));
    assert_eq!(folded(&events[..1]).loss_chasing(), Err("no_closes"));
    close_to(folded(&events[..1]).pnl_drawdown_usd(), 0.0);
    let silent: Vec<Event> = events.iter().map(|e| Event { pnl: None, ..*e }).collect();
    assert_eq!(folded(&silent).loss_chasing(), Err("missing:realised_pnl_usd"));
    assert_eq!(folded(&silent).pnl_drawdown_usd(), Err("missing:realised_pnl_usd"));
}

#[test]
fn fills_of_one_instant_are_one_event() {
    // At 1: -30 and +10, of 50 USD each. So 100 USD that lose 20, followed by 200 USD that win, followed by 100 USD.
    let e = |at, pnl, n| Event { at, pnl: usd(pnl), notional: usd(n), ..Event::default() };
    let o = folded(&[e(2, 5.0, 200.0), e(1, -30.0, 50.0), e(3, 0.0, 100.0), e(1, 10.0, 50.0)]);
    close_to(o.pnl_drawdown_usd(), 20.0);
    close_to(o.loss_chasing(), 4f64.ln());
    // Sold and bought at one instant: the purchase comes first, so nothing turns short.
    let o = folded(&[fill(1.0, 1, -1.0, 10.0), fill(1.0, 1, 1.0, 10.0)]);
    close_to(o.position_flips(), 0.0);
    close_to(o.open_share(), 0.0);
    close_to(o.holding_hours(), 0.0);
}

#[test]
fn gaps_need_eleven_instants() {
    let at = |t| Event { at: t, ..Event::default() };
    let mut events: Vec<Event> = [61, 0, 300, 1, 2, 60, 3, 62, 62].map(at).to_vec();
    assert_eq!(folded(&events).burstiness(), Err("too_few_trades"));
    assert_eq!(folded(&events).memory(), Err("too_few_trades"));
    let Ordered::Whole(f) = folded(&events) else { panic!() };
    assert_eq!((f.first, f.last(), f.gaps.count), (0, 300, 7));
    assert_eq!(f.gaps.squares, 1 + 1 + 1 + 57 * 57 + 1 + 1 + 238 * 238);
    assert!((f.gaps.memory().unwrap() + 0.252_183_122_252).abs() < 1e-12);
    events.extend([301, 302, 303].map(at));
    assert!(folded(&events).burstiness().is_ok());
    assert!(folded(&events).memory().is_ok());
    let even: Vec<Event> = (0..20).map(at).collect();
    assert_eq!(folded(&even).memory(), Err("undefined"));
    close_to(folded(&even).burstiness(), -1.0);
    assert_eq!(Log::new(Global).fold(), Ordered::Overlap);
    assert_eq!(Ordered::Overlap.memory(), Err("overlap"));
}

#[test]
fn a_position_ends_with_its_instrument() {
    let expiring = |hour: f64, quantity: f64| Event {
        expiry: Some(10 * HOUR),
        class: Class::Option,
        ..fill(hour, 1, quantity, 100.0)
    };
    // 200 USD for 10 h, of which nothing is left when another 50 USD are opened.
    let o = folded(&[expiring(0.0, -2.0), fill(30.0, 2, 1.0, 50.0)]);
    close_to(o.holding_hours(), 10.0);
    close_to(o.holding_hours_fifo(), 10.0);
    close_to(o.open_share(), 50.0 / 250.0);
    // What it was settled at is not known.
    assert_eq!(o.disposition(), Err("no_closes"));
    // One that was closed before, one at its end, and a trade that comes too late.
    let o = folded(&[expiring(0.0, -2.0), expiring(4.0, 2.0), fill(30.0, 2, 1.0, 50.0)]);
    close_to(o.holding_hours(), 4.0);
    let cheaper = fill(0.0, 1, 1.0, 90.0);
    let o = folded(&[expiring(0.0, -2.0), Event { price: Some(1.0), ..expiring(10.0, 2.0) }, fill(30.0, 2, 1.0, 50.0)]);
    close_to(o.open_share(), 50.0 / 250.0);
    assert_eq!(o.disposition(), Err("no_closes"), "the price of the first one is not known");
    let first = Event { expiry: Some(10 * HOUR), quantity: Some(-1.0), ..cheaper };
    let o = folded(&[
        first,
        Event { at: 10 * HOUR, quantity: Some(1.0), notional: usd(80.0), ..first },
        fill(30.0, 2, 1.0, 50.0),
    ]);
    close_to(o.disposition().or(Ok::<f64, &str>(1.0)), 1.0);
    close_to(o.holding_hours(), 10.0);
    let o = folded(&[expiring(0.0, 1.0), expiring(12.0, 1.0), fill(14.0, 2, 1.0, 1.0)]);
    close_to(o.holding_hours(), 10.0);
    close_to(o.open_share(), 1.0 / 101.0);
}
