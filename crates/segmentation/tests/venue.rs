//! The simulated venue is a venue: contracts, profits, quotes, snapshots and a crash fit together.

use segmentation::simulate::{
    instruments, prices, quotes, snapshots, trades, Archetype, Counterparty, Params, SimQuote, SimSnapshot, SimTrade,
};
use std::collections::{BTreeMap, BTreeSet};

const SECOND: i64 = 1_000_000;
const HOUR: i64 = 3_600 * SECOND;
const DAY: i64 = 24 * HOUR;
/// 2024-01-01 00:00 UTC.
const START: i64 = 8_766 * DAY;
const YEAR: f64 = 365.0 * DAY as f64;

fn venue(crash_day: Option<u32>) -> Params {
    Params { accounts: 120, crash_day, ..Params::default() }
}

fn all(params: &Params) -> Vec<SimTrade> {
    trades(params).unwrap().collect()
}

fn mean(values: impl IntoIterator<Item = f64>) -> f64 {
    let (mut sum, mut n) = (0.0, 0.0);
    values.into_iter().for_each(|x| {
        sum += x;
        n += 1.0;
    });
    sum / n
}

#[test]
fn every_trade_is_in_a_listed_instrument() {
    for (days, seed, noise) in [(60, 1, 0.0), (90, 9, 10.0), (1, 2, 0.0), (400, 3, 0.5)] {
        let list: BTreeMap<String, _> = instruments(days, seed).unwrap().map(|i| (i.instrument.clone(), i)).collect();
        assert_eq!(list.len(), instruments(days, seed).unwrap().count(), "names are unique");
        for crash_day in [None, Some(1), Some(days)] {
            for t in trades(&Params { accounts: 60, days, seed, noise, crash_day }).unwrap() {
                let i = list.get(&t.instrument).unwrap_or_else(|| panic!("{} is not listed", t.instrument));
                assert_eq!((i.kind, i.underlying, i.inverse), (t.kind, t.underlying, t.inverse));
                assert_eq!((i.strike, i.expiry, i.option_type), (t.strike, t.expiry, t.option_type));
                assert_eq!((i.contract_size, i.token_factor), (t.contract_size, t.token_factor));
            }
        }
    }
}

#[test]
fn fields_belong_to_their_kind() {
    let mut own = 0;
    let list = all(&venue(Some(30)));
    for t in &list {
        let (option, token) = (t.kind == "option", t.kind == "leveraged_token");
        assert_eq!(option, t.strike.is_some() && t.option_type.is_some() && t.implied_volatility.is_some(), "{t:?}");
        assert_eq!(option || t.kind == "future", t.expiry.is_some());
        assert_eq!(token, t.token_factor.is_some());
        assert_eq!(t.leverage.is_none(), t.kind == "spot" || token);
        assert!(t.leverage.is_none_or(|l| (1.0..=100.0).contains(&l)));
        assert!(t.expiry.is_none_or(|e| e > t.executed_at));
        assert!(t.combo.is_none() || option);
        assert!(t.underlying_price > 0.0 && t.realised_pnl_usd.is_none_or(f64::is_finite));
        assert!(!t.inverse || t.collateral == t.underlying && t.quantity.fract() == 0.0 && t.contract_size > 1.0);
        assert!(!t.is_liquidation || t.order_type == "market" && !t.is_maker && t.realised_pnl_usd.is_some());
        assert!(!t.is_maker || t.order_type == "limit");
        match t.counterparty {
            Counterparty::Account(other) if other == t.account => own += 1,
            Counterparty::Account(other) => assert!(other < t.account),
            Counterparty::MarketMaker(_) => {}
        }
    }
    assert!(own > 0 && own * 1_000 < list.len(), "{own} self-trades of {}", list.len());
    let names = |of: fn(&SimTrade) -> &'static str| list.iter().map(of).collect::<BTreeSet<_>>();
    assert_eq!(names(|t| t.venue).len(), 3);
    assert_eq!(names(|t| t.collateral), BTreeSet::from(["USD", "USDC", "BTC", "ETH"]));
    assert_eq!(names(|t| t.order_type), BTreeSet::from(["limit", "market", "stop", "stop_limit"]));
    assert!(list.iter().any(|t| t.inverse) && list.iter().any(|t| t.kind == "perpetual" && !t.inverse));

    let mut orders: BTreeMap<String, Vec<&SimTrade>> = BTreeMap::new();
    list.iter().for_each(|t| orders.entry(t.order_id()).or_default().push(t));
    assert!(orders.values().filter(|fills| fills.len() > 1).count() * 20 > orders.len());
    for fills in orders.values() {
        let first = fills[0];
        for t in fills {
            assert_eq!((t.account, t.is_maker, t.venue), (first.account, first.is_maker, first.venue));
            assert_eq!((t.combo_id(), t.underlying, t.expiry), (first.combo_id(), first.underlying, first.expiry));
            assert!(t.executed_at - first.executed_at < 10 * SECOND);
            assert!(t.combo.is_some() || t.instrument == first.instrument && t.is_buy == first.is_buy);
        }
        assert!(first.combo.is_none() || fills.len() == 2 && first.instrument != fills[1].instrument);
    }
}

/// Black's formula once more, from the row alone.
fn premium(t: &SimTrade) -> f64 {
    let (strike, volatility) = (t.strike.unwrap(), t.implied_volatility.unwrap());
    let deviation = volatility * ((t.expiry.unwrap() - t.executed_at) as f64 / YEAR).sqrt();
    let sign = if t.option_type == Some("call") { 1.0 } else { -1.0 };
    let d1 = (t.underlying_price / strike).ln() / deviation + 0.5 * deviation;
    let below = |x: f64| 0.5 * libm::erfc(-x / 2f64.sqrt());
    sign * (t.underlying_price * below(sign * d1) - strike * below(sign * (d1 - deviation)))
}

#[test]
fn options_cost_what_their_volatility_says() {
    for t in all(&venue(Some(30))).iter().filter(|t| t.kind == "option") {
        let (spot, strike) = (t.underlying_price, t.strike.unwrap());
        let call = t.option_type == Some("call");
        let room = if t.is_liquidation { 0.06 } else { 0.02 };
        // The index is rounded to a tick, which the price of a far option feels.
        let tolerance = room * t.price + 1e-4 * spot;
        assert!((t.price - premium(t)).abs() < tolerance, "{t:?} {}", premium(t));
        let intrinsic = if call { spot - strike } else { strike - spot };
        assert!(t.price > intrinsic - tolerance && t.price < if call { spot } else { strike }, "{t:?}");
        assert!((0.3..3.0).contains(&t.implied_volatility.unwrap()), "{t:?}");
    }
}

/// The open fills of an instrument as a list; a close takes the same share of each.
#[test]
fn realised_profit_is_from_average_cost() {
    let mut open: BTreeMap<(u32, String), Vec<(f64, f64)>> = BTreeMap::new();
    let (mut closes, mut worst) = (0, 0.0f64);
    for t in all(&venue(Some(30))) {
        let lots = open.entry((t.account, t.instrument.clone())).or_default();
        let units = t.quantity * t.contract_size * if t.is_buy { 1.0 } else { -1.0 };
        let held: f64 = lots.iter().map(|l| l.0).sum();
        let flat = held.abs() < 1e-9 * units.abs();
        if flat || held * units > 0.0 {
            if flat {
                lots.clear();
            }
            assert_eq!(t.realised_pnl_usd, None, "{t:?}");
            lots.push((units, t.price));
            continue;
        }
        let part = (units / held).abs().min(1.0);
        // A dollar of an inverse face bought at p0 gains p / p0 - 1, a unit of anything else p - p0.
        let gain = |&(u, p0): &(f64, f64)| u * part * if t.inverse { t.price / p0 - 1.0 } else { t.price - p0 };
        let expected: f64 = lots.iter().map(gain).sum();
        let error = (t.realised_pnl_usd.unwrap_or_else(|| panic!("{t:?}")) - expected).abs();
        worst = worst.max(error / (t.notional_usd + expected.abs()));
        lots.iter_mut().for_each(|l| l.0 *= 1.0 - part);
        if units.abs() > held.abs() * (1.0 + 1e-9) {
            *lots = vec![(held + units, t.price)];
        }
        closes += 1;
    }
    assert!(closes > 3_000 && worst < 1e-9, "{closes} closes, worst error {worst:e}");
}

#[test]
fn quotes_bracket_the_trades_and_go_on_after_them() {
    let params = Params { accounts: 40, ..venue(Some(30)) };
    let list = all(&params);
    let mut by_name: BTreeMap<String, Vec<SimQuote>> = BTreeMap::new();
    let mut count = 0;
    for q in quotes(&params).unwrap() {
        assert!(0.0 < q.bid && q.bid <= q.ask && q.quoted_at >= START, "{q:?}");
        by_name.entry(q.instrument.clone()).or_default().push(q);
        count += 1;
    }
    assert!(count <= 8 * list.len(), "{count}");
    for quotes in by_name.values_mut() {
        quotes.sort_by_key(|q| q.quoted_at);
        // The same moment, the same quote: whoever traded then, and whatever.
        assert!(quotes.windows(2).all(|w| w[0].quoted_at < w[1].quoted_at || w[0] == w[1]));
    }
    for t in &list {
        let quotes = &by_name[&t.instrument];
        let last = |at: i64| quotes[..quotes.partition_point(|q| q.quoted_at <= at)].last();
        let before = last(t.executed_at).unwrap();
        assert!(t.executed_at - before.quoted_at <= 60 * SECOND);
        if !t.is_liquidation {
            let room = if t.kind == "option" { 0.01 } else { 1e-4 } * t.price + 1e-8;
            assert!((before.bid - room..=before.ask + room).contains(&t.price), "{t:?} {before:?}");
        }
        for (after, stale) in
            [(1, 1), (10, 10), (60, 60), (300, 60), (3_600, 60)].map(|(a, s)| (a * SECOND, s * SECOND))
        {
            let at = t.executed_at + after;
            if t.expiry.is_none_or(|expiry| at < expiry) {
                assert!(at - last(at).unwrap().quoted_at < stale.max(1));
            }
        }
    }
}

#[test]
fn more_accounts_change_no_snapshot_and_no_quote() {
    let [few, many] = [7, 20].map(|accounts| Params { accounts, ..venue(Some(30)) });
    let (a, b): (Vec<_>, Vec<_>) = (snapshots(&few).unwrap().collect(), snapshots(&many).unwrap().collect());
    assert_eq!(a[..], b[..a.len()]);
    let (a, b): (Vec<_>, Vec<_>) = (quotes(&few).unwrap().collect(), quotes(&many).unwrap().collect());
    assert_eq!(a[..], b[..a.len()]);
}

#[test]
fn snapshots_are_daily_and_consistent() {
    let params = venue(None);
    let mut first: BTreeMap<u32, i64> = BTreeMap::new();
    for t in trades(&params).unwrap() {
        first.entry(t.account).or_insert(t.executed_at / DAY);
    }
    let mut last: Option<SimSnapshot> = None;
    for s in snapshots(&params).unwrap() {
        assert_eq!(s.taken_at % DAY, DAY - 60 * SECOND);
        match &last {
            Some(last) if last.account == s.account => assert_eq!(s.taken_at, last.taken_at + DAY),
            _ => assert!(s.taken_at / DAY - first[&s.account] <= 1 && s.flow_usd > 0.0, "{s:?}"),
        }
        assert!(s.net_delta_usd.abs() <= s.delta_usd * (1.0 + 1e-12), "{s:?}");
        assert!(s.delta_usd <= s.gross_delta_usd * (1.0 + 1e-12) && s.equity_usd.is_finite(), "{s:?}");
        assert!(0.0 <= s.maintenance_margin_usd && s.maintenance_margin_usd <= s.initial_margin_usd, "{s:?}");
        assert!(s.liquidation_distance.is_none_or(|d| (0.0..1.0).contains(&d)), "{s:?}");
        last = Some(s);
    }
    assert!(last.is_some_and(|s| s.taken_at / DAY == START / DAY + 59));
}

#[test]
fn a_crash_changes_its_day_and_what_follows() {
    let day = 45;
    let (calm, crash) = (venue(None), venue(Some(day)));
    let from = START + (i64::from(day) - 1) * DAY;
    let path = |crash_day| {
        let mut paths: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
        for p in prices(60, 1, crash_day).unwrap() {
            let path = paths.entry(p.underlying).or_default();
            assert_eq!(p.priced_at, START + path.len() as i64 * HOUR);
            path.push(p.price);
        }
        paths
    };
    let (quiet, fallen) = (path(None), path(Some(day)));
    let open = (day as usize - 1) * 24;
    assert!(quiet.len() == 12 && quiet.values().all(|p| p.len() == 60 * 24 + 1));
    for (name, prices) in &fallen {
        assert_eq!(prices[..=open + 6], quiet[name][..=open + 6], "{name}");
        let today = &prices[open..=open + 24];
        let fall = today.windows(5).map(|w| 1.0 - w[4] / w[0]).fold(0.0, f64::max);
        assert!((0.12..0.31).contains(&fall), "{name} {fall}");
        let low = today.iter().copied().fold(f64::INFINITY, f64::min);
        assert!(today[24] > low * 1.01, "{name} comes back");
    }

    // Numbers of trades go on after the crash of the account before, and so do not count.
    let before = |list: Vec<SimTrade>| -> Vec<SimTrade> {
        let mut list: Vec<SimTrade> = list.into_iter().filter(|t| t.executed_at < from).collect();
        list.iter_mut().for_each(|t| t.trade_id = 0);
        list
    };
    let (a, b) = (all(&calm), all(&crash));
    assert_ne!(a, b);
    let forced = |list: &[SimTrade], days: i64| {
        let within = |t: &&SimTrade| t.is_liquidation && (from..from + days * DAY).contains(&t.executed_at);
        list.iter().filter(within).map(|t| t.archetype).collect::<Vec<_>>()
    };
    let (rare, many) = (forced(&a, 1), forced(&b, 1));
    let leveraged = many.iter().filter(|&&a| a == Archetype::LeveragedPerp).count();
    assert!(rare.len() < 10 && many.len() > 20 && leveraged * 4 > many.len() * 3, "{} {}", rare.len(), many.len());
    assert_eq!(before(a), before(b));
    let held = |p: &Params| snapshots(p).unwrap().filter(|s| s.taken_at < from).collect::<Vec<_>>();
    assert_eq!(held(&calm), held(&crash));
    let lost = snapshots(&Params { accounts: 300, ..crash }).unwrap().filter(|s| s.equity_usd < 0.0).map(|s| s.account);
    let lost = lost.collect::<BTreeSet<_>>().len();
    assert!((1..30).contains(&lost), "{lost} accounts with negative equity");
}

#[test]
fn archetypes_show_in_what_they_do() {
    let params = Params::default();
    let list = all(&params);
    let of = |a: Archetype| list.iter().filter(move |t| t.archetype == a);
    let leverage = |a| mean(of(a).filter_map(|t| t.leverage));
    assert!(leverage(Archetype::LeveragedPerp) > 2.0 * leverage(Archetype::TrendBot));
    assert!(leverage(Archetype::SpotHolder) < 2.5);
    let stops = |a| mean(of(a).map(|t| if t.order_type.contains("stop") { 1.0 } else { 0.0 }));
    assert!(stops(Archetype::LeveragedPerp) < 0.05 && stops(Archetype::TrendBot) > 0.1);
    let options = |a| of(a).filter(|t| t.kind == "option");
    let days = |a| mean(options(a).map(|t| (t.expiry.unwrap() - t.executed_at) as f64 / DAY as f64));
    assert!(days(Archetype::OptionSeller) < 10.0 && days(Archetype::MarketMaker) > 12.0);
    let premium = |t: &SimTrade| t.price * t.quantity * t.contract_size;
    let sold: f64 = options(Archetype::OptionSeller).filter(|t| !t.is_buy).map(premium).sum();
    assert!(sold > 0.6 * options(Archetype::OptionSeller).map(premium).sum::<f64>());

    // Trend score: side times the return of the day before, from the index.
    let mut index: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    prices(60, 1, None).unwrap().for_each(|p| index.entry(p.underlying).or_default().push(p.price));
    let trend = |a| {
        mean(of(a).filter(|t| t.executed_at >= START + DAY).map(|t| {
            let hour = ((t.executed_at - START) / HOUR) as usize;
            let path = &index[t.underlying];
            (path[hour] / path[hour - 24] - 1.0) * if t.is_buy { 1.0 } else { -1.0 }
        }))
    };
    assert!(trend(Archetype::TrendBot) > 0.005 && trend(Archetype::SpotHolder) < 0.0);

    // Spread capture of makers, from the quotes; positions of market makers are small beside their volume.
    let quoted = quotes(&params).unwrap().map(|q| ((q.instrument, q.quoted_at), 0.5 * (q.bid + q.ask)));
    let mids: BTreeMap<(String, i64), f64> = quoted.collect();
    let captured = |t: &SimTrade| {
        let mid = mids.get(&(t.instrument.clone(), t.executed_at - SECOND))?;
        Some((mid / t.price - 1.0) * if t.is_buy { 1.0 } else { -1.0 })
    };
    let makers = of(Archetype::MarketMaker).filter(|t| t.is_maker && t.kind != "option").filter_map(captured);
    assert!(mean(makers) > 0.5e-4);
    let takers = of(Archetype::TrendBot).filter(|t| !t.is_maker && t.kind != "option").filter_map(captured);
    assert!(mean(takers) < -0.5e-4);
}

#[test]
fn own_flow_is_the_sum_of_a_bin() {
    const BIN: i64 = 300 * SECOND;
    let list = all(&venue(Some(30)));
    let mut own: BTreeMap<(u32, &str, i64), f64> = BTreeMap::new();
    let signed = |t: &SimTrade| if t.is_buy { t.notional_usd } else { -t.notional_usd };
    for t in &list {
        *own.entry((t.account, &t.instrument, t.executed_at / BIN)).or_default() += signed(t);
    }
    let mut others: BTreeMap<(&str, i64), &SimTrade> = BTreeMap::new();
    let mut shared = 0;
    for t in &list {
        let bin = t.executed_at / BIN;
        assert_eq!(t.own_flow_usd, own[&(t.account, t.instrument.as_str(), bin)], "{t:?}");
        // The crowd is the same for whoever trades then.
        if let Some(other) = others.insert((&t.instrument, bin), t) {
            assert_eq!((t.others_flow_usd, t.is_toxic), (other.others_flow_usd, other.is_toxic), "{t:?}");
            shared += usize::from(t.account != other.account);
        }
        assert!(t.others_flow_usd.abs() < 3e7, "{t:?}");
    }
    let several = list.iter().filter(|t| t.own_flow_usd != signed(t)).count();
    assert!(several * 10 > list.len() && shared > 100, "{several} and {shared} of {}", list.len());
}

#[test]
fn trend_followers_herd_and_market_makers_do_not() {
    for (seed, crash_day) in [(1, None), (2, None), (3, Some(30))] {
        let list = all(&Params { seed, crash_day, ..Params::default() });
        let herding = |archetype| {
            let of = |flow: fn(&SimTrade) -> f64| -> f64 {
                let sign = |t: &SimTrade| if flow(t) == 0.0 { 0.0 } else { flow(t).signum() };
                let signed = |t: &SimTrade| if t.is_buy { t.notional_usd } else { -t.notional_usd };
                list.iter().filter(|t| t.archetype == archetype).map(|t| signed(t) * sign(t)).sum()
            };
            of(|t| t.others_flow_usd) / of(|t| t.own_flow_usd)
        };
        let (bot, maker) = (herding(Archetype::TrendBot), herding(Archetype::MarketMaker));
        let takers = list.iter().filter(|t| !t.is_maker);
        let toxic = mean(takers.map(|t| if t.is_toxic { 1.0 } else { 0.0 }));
        println!("seed {seed}: trend_bot {bot:.3}, market_maker {maker:.3}, toxic {toxic:.3}");
        assert!(bot > 0.1 && maker < 0.0 && bot > maker + 0.15, "{bot} {maker}");
        assert!((0.07..0.13).contains(&toxic), "{toxic}");
    }
}
