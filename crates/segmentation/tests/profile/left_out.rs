//! What is left out of a feature: options without the price of their underlying, trades of an account with itself, and
//! underlyings that nobody named.

use allocator_api2::alloc::Global;
use segmentation::profile::days::DAY;
use segmentation::profile::features::{index_of, values};
use segmentation::profile::trade::{with_mark, Mark, Num, Text, Trade};
use segmentation::profile::State;

#[test]
fn an_option_without_the_price_of_its_underlying_is_unpriced() {
    let mut t = Trade { executed_at: Some(0), ..Trade::default() };
    t.set(Num::Quantity, 2.0);
    t.set(Num::Price, 0.05);
    t.set(Num::Strike, 100_000.0);
    t.set_text(Text::Kind, "option");
    let mut s = State::new(Global);
    let mut b = Vec::new();
    t.encode(&mut b);
    s.add_trade(&b).unwrap();
    let v = values(&mut s, None, None);
    assert_eq!(v[index_of("trades").unwrap()].value, Some(1.0));
    for feature in ["volume_usd", "put_share", "premium_bps", "net_premium_share", "moneyness", "days_to_expiry"] {
        assert_eq!(v[index_of(feature).unwrap()].reason, Some("missing:underlying_price"), "{feature}");
    }
    assert_eq!(v[index_of("unpriced_trades").unwrap()].value, Some(1.0));
    // Its premium is known, and only the side is not.
    assert_eq!(v[index_of("long_premium").unwrap()].reason, Some("missing:side"));
    t.marks = with_mark(0, Mark::Side, Some(true));
    b.clear();
    t.encode(&mut b);
    let mut sold = State::new(Global);
    sold.add_trade(&b).unwrap();
    let v = values(&mut sold, None, None);
    assert_eq!(v[index_of("long_premium").unwrap()].value, Some(-1.0));
    assert_eq!(v[index_of("premium_sold_share").unwrap()].value, Some(1.0));
}

#[test]
fn a_trade_with_itself_is_volume_and_activity_and_nothing_that_has_a_side() {
    let trade = |at: i64, sell: bool, own: bool| {
        let mut t = Trade { executed_at: Some(at), ..Trade::default() };
        for (field, value) in [
            (Num::Quantity, 2.0),
            (Num::Price, 0.05),
            (Num::Strike, 100_000.0),
            (Num::UnderlyingPrice, 90_000.0),
            (Num::Expiry, 30.0 * DAY as f64),
            (Num::ImpliedVolatility, 0.6),
            (Num::RealisedPnlUsd, 1.0),
        ] {
            t.set(field, value);
        }
        t.set_text(Text::Kind, "option");
        t.set_text(Text::Instrument, "C");
        t.marks = with_mark(with_mark(0, Mark::Side, Some(sell)), Mark::OptionType, Some(false));
        t.marks = with_mark(with_mark(t.marks, Mark::SelfTrade, Some(own)), Mark::Maker, Some(sell));
        let mut b = Vec::new();
        t.encode(&mut b);
        b
    };
    let profile = |rows: &[Vec<u8>]| {
        let mut s = State::new(Global);
        rows.iter().for_each(|b| s.add_trade(b).unwrap());
        values(&mut s, Some(DAY), None)
    };
    let theirs = [trade(0, false, false), trade(7, true, false)];
    let mixed = [&theirs[..], &[trade(3, true, true), trade(3, false, true), trade(4, true, true)]].concat();
    let (without, with) = (profile(&theirs), profile(&mixed));
    let at = |name: &str| index_of(name).unwrap();
    let counted =
        ["trades", "volume_usd", "count_share_option", "active_days", "trades_per_active_day", "decayed_trades"];
    assert_eq!((without[at("trades")].value, with[at("trades")].value), (Some(2.0), Some(5.0)));
    assert_eq!(with[at("volume_usd")].value, Some(5.0 * 180_000.0));
    assert_eq!((with[at("self_trades")].value, without[at("self_trades")].value), (Some(3.0), Some(0.0)));
    assert!(counted.iter().all(|name| with[at(name)].value.is_some()));
    for name in [
        "order_flow_imbalance",
        "maker_ratio",
        "taker_imbalance",
        "decayed_order_flow_imbalance",
        "holding_hours",
        "holding_hours_fifo",
        "open_share",
        "position_flips",
        "adding_to_losers",
        "short_options_opened",
        "disposition",
        "long_vol",
        "long_premium",
        "premium_sold_share",
        "net_premium_share",
        "vega_sold",
        "gamma_sold",
        "theta_sold",
        "tail_selling_share",
    ] {
        assert_eq!(with[at(name)], without[at(name)], "{name}");
    }
    assert_eq!(without[at("holding_hours")].value, Some(7.0 / 3.6e9));
    // With nobody else there is no flow.
    let alone = profile(&mixed[2..]);
    for name in [
        "order_flow_imbalance",
        "maker_ratio",
        "taker_imbalance",
        "flow_share",
        "long_premium",
        "holding_hours",
        "markout_5m",
    ] {
        assert_eq!(alone[at(name)].reason, Some("self_trades"), "{name}");
    }
    assert_eq!(alone[at("long_vol")].reason, Some("no_greeks"));
}

#[test]
fn an_instrument_does_not_say_what_it_is_made_of() {
    let profile = |underlying: Option<&str>| {
        let mut t = Trade { executed_at: Some(0), ..Trade::default() };
        t.set(Num::Quantity, 2.0);
        t.set(Num::Price, 5.0);
        t.set_text(Text::Instrument, "BTC-PERPETUAL");
        underlying.into_iter().for_each(|u| t.set_text(Text::Underlying, u));
        let mut b = Vec::new();
        t.encode(&mut b);
        b
    };
    let read = |rows: &[Vec<u8>]| {
        let mut s = State::new(Global);
        rows.iter().for_each(|b| s.add_trade(b).unwrap());
        values(&mut s, None, None)
    };
    let unnamed = read(&[profile(None)]);
    for name in ["share_btc", "share_eth", "share_stablecoin"] {
        assert_eq!(unnamed[index_of(name).unwrap()].reason, Some("missing:underlying"), "{name}");
    }
    assert_eq!(unnamed[index_of("hhi").unwrap()].value, Some(1.0));
    // Of the volume whose underlying is named.
    let named = read(&[profile(None), profile(Some("XBT")), profile(Some("SOL"))]);
    assert_eq!(named[index_of("share_btc").unwrap()].value, Some(0.5));
}
