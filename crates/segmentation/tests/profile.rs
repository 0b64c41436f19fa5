//! Merge laws of the profile, and its features against plain arithmetic over the same trades.

#[path = "profile/course.rs"]
mod course;
#[path = "profile/left_out.rs"]
mod left_out;
#[path = "profile/size.rs"]
mod size;

use allocator_api2::alloc::Global;
use proptest::prelude::*;
use segmentation::profile::days::{day_of, DAY};
use segmentation::profile::features::{index_of, values};
use segmentation::profile::trade::{with_mark, Mark, Num, Text, Trade};
use segmentation::profile::{State, FEATURES};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Clone, Debug)]
struct Row {
    at: i64,
    quantity: f64,
    price: f64,
    sell: Option<bool>,
    maker: Option<bool>,
    fee: Option<f64>,
    instrument: u16,
    kind: usize,
    /// What only some trades carry; the bits of `extras` say which.
    extras: u16,
    x: f64,
}

const KINDS: [&str; 6] = ["spot", "future", "perp", "option", "leveraged_token", "index"];

const UNDERLYINGS: [&str; 6] = ["BTC", "ETH", "SOL", "USDC", "XBT", "ADA"];

impl Row {
    fn bytes(&self) -> Vec<u8> {
        let name = format!("I{}", self.instrument);
        let mut t = Trade { executed_at: Some(self.at), ..Trade::default() };
        t.set(Num::Quantity, self.quantity);
        t.set(Num::Price, self.price);
        t.set(Num::UnderlyingPrice, self.price);
        if let Some(fee) = self.fee {
            t.set(Num::FeeUsd, fee);
        }
        t.set_text(Text::Instrument, &name);
        t.set_text(Text::Kind, KINDS[self.kind]);
        t.marks = with_mark(with_mark(0, Mark::Side, self.sell), Mark::Maker, self.maker);
        let order = format!("O{}", self.at / 7);
        let has = |bit: u16| self.extras >> bit & 1 == 1;
        let (x, p) = (self.x, self.price);
        for (bit, field, value) in [
            (0, Num::Strike, p * (0.5 + x)),
            (0, Num::Expiry, self.at as f64 + x * 50.0 * DAY as f64),
            (1, Num::ImpliedVolatility, 0.1 + x),
            (2, Num::Leverage, 100.0 * x),
            (3, Num::RealisedPnlUsd, 1e4 * (x - 0.5)),
            (4, Num::Mid, p * (1.0 + 0.01 * (x - 0.5))),
            (4, Num::Mid1s, p * (1.0 + 0.011 * (x - 0.5))),
            (4, Num::Mid10s, p * (1.0 + 0.013 * (x - 0.5))),
            (4, Num::Mid1m, p * (1.0 + 0.017 * (x - 0.5))),
            (4, Num::Mid5m, p * (1.0 - 0.02 * (x - 0.5))),
            (4, Num::Mid1h, p * (1.0 - 0.023 * (x - 0.5))),
            (1, Num::ImpliedVolatility1m, 0.1 + x * 1.01),
            (1, Num::ImpliedVolatility5m, 0.1 + x * 0.98),
            (4, Num::UnderlyingPrice1m, p * (1.0 + 0.004 * (x - 0.4))),
            (4, Num::UnderlyingPrice5m, p * (1.0 - 0.006 * (x - 0.4))),
            (5, Num::UnderlyingReturn1h, 7.0 * (x - 0.6)),
            (5, Num::UnderlyingReturn1d, 8.0 * (x - 0.5)),
            (5, Num::UnderlyingReturn7d, 9.0 * (x - 0.4)),
            (6, Num::TokenFactor, -3.0 * x),
            (7, Num::ContractSize, 0.1),
            (7, Num::QuoteUsd, 1.25),
            (15, Num::NotionalUsd, self.quantity * p * (1.0 + x)),
            (8, Num::OwnFlowUsd, x - 0.5),
            (8, Num::OthersFlowUsd, 0.3 - x),
        ] {
            if has(bit) {
                t.set(field, value);
            }
        }
        if has(9) {
            t.set_text(Text::OrderId, &order);
            t.set_text(Text::OrderType, if x > 0.5 { "Stop-Limit" } else { "market" });
        }
        if has(10) {
            t.set_text(Text::Venue, if x > 0.5 { "north" } else { "south" });
            t.set_text(Text::Counterparty, &name);
        }
        if has(11) {
            t.set_text(Text::ComboId, if x > 0.5 { "c1" } else { "" });
            t.set_text(Text::Collateral, if x > 0.3 { "USDC" } else { "BTC" });
        }
        if has(12) {
            t.set_text(Text::MarginMode, if x > 0.6 { "ISOLATED" } else { "cross" });
        }
        if has(15) {
            t.set_text(Text::Underlying, UNDERLYINGS[usize::from(self.instrument) % UNDERLYINGS.len()]);
        }
        t.marks = with_mark(t.marks, Mark::Inverse, has(7).then_some(x > 0.7));
        t.marks = with_mark(t.marks, Mark::OptionType, has(0).then_some(x > 0.6));
        t.marks = with_mark(t.marks, Mark::Liquidation, has(12).then_some(x > 0.8));
        t.marks = with_mark(t.marks, Mark::Toxic, has(13).then_some(x > 0.4));
        t.marks = with_mark(t.marks, Mark::SelfTrade, has(14).then_some(x > 0.9));
        let mut out = Vec::new();
        t.encode(&mut out);
        out
    }
}

fn row() -> impl Strategy<Value = Row> {
    (
        0i64..90 * DAY,
        0.0..1e4f64,
        0.01..1e5f64,
        any::<Option<bool>>(),
        any::<Option<bool>>(),
        proptest::option::of(-5.0..50.0f64),
        0u16..400,
        0usize..6,
        any::<u16>(),
        0.0..1.0f64,
    )
        .prop_map(|(at, quantity, price, sell, maker, fee, instrument, kind, extras, x)| Row {
            at,
            quantity,
            price,
            sell,
            maker,
            fee,
            instrument,
            kind,
            extras,
            x,
        })
}

fn one_pass(rows: &[Row]) -> State {
    let mut s = State::new(Global);
    rows.iter().for_each(|r| s.add_trade(&r.bytes()).unwrap());
    s
}

fn bytes(s: &mut State) -> Vec<u8> {
    let mut out = Vec::new();
    s.write(&mut out);
    out
}

fn unfinished(s: &mut State) -> Vec<u8> {
    let mut out = Vec::new();
    s.write_unfinished(&mut out);
    out
}

/// Merges parts in a random tree, through the bytes that travel between workers.
fn merge_tree(mut parts: Vec<State>, picks: &[prop::sample::Index]) -> State {
    for pick in picks.iter().cycle() {
        if parts.len() == 1 {
            break;
        }
        let mut other = parts.swap_remove(pick.index(parts.len()));
        let into = pick.index(parts.len());
        parts[into].absorb(&unfinished(&mut other)).unwrap();
    }
    parts.pop().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_partition_order_and_tree_equals_one_pass(
        rows in prop::collection::vec(row(), 1..300),
        shuffled in any::<prop::sample::Index>(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
        picks in prop::collection::vec(any::<prop::sample::Index>(), 1..8),
    ) {
        let whole = bytes(&mut one_pass(&rows));
        let mut mixed = rows.clone();
        let turn = shuffled.index(rows.len());
        mixed.rotate_left(turn);
        mixed.sort_by_key(|r| (r.at as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15 ^ turn as u64));
        let mut at: Vec<usize> = cuts.iter().map(|c| c.index(mixed.len())).chain([0, mixed.len()]).collect();
        at.sort_unstable();
        let parts = at.windows(2).map(|w| one_pass(&mixed[w[0]..w[1]])).collect();
        let mut merged = merge_tree(parts, &picks);
        prop_assert_eq!(&bytes(&mut merged), &whole);
        // And the stored value survives a round trip.
        prop_assert_eq!(bytes(&mut State::read(&whole, Global).unwrap()), whole);
    }

    #[test]
    fn taking_away_what_was_added_gives_the_sums_back(
        a in prop::collection::vec(row(), 0..200),
        b in prop::collection::vec(row(), 1..200),
    ) {
        let part = bytes(&mut one_pass(&b));
        let mut both = one_pass(&a);
        both.absorb(&part).unwrap();
        both.subtract(&part).unwrap();
        let mut alone = one_pass(&a);
        if both.is_sparse() {
            prop_assert_eq!(bytes(&mut both), bytes(&mut alone));
            return Ok(());
        }
        let as_of = Some(100 * DAY);
        let (left, want) = (values(&mut both, as_of, None), values(&mut alone, as_of, None));
        for ((f, l), w) in FEATURES.iter().zip(left).zip(want) {
            if l.reason != Some("subtracted") {
                prop_assert!(matches!(f.class, 'G' | 'J') || l.value.is_none(), "{} is no group", f.name);
                // The sections of class G are equal to the bit.
                if a.is_empty() {
                    prop_assert!(l.value.is_none() || l.value == Some(0.0), "{}", f.name);
                } else {
                    prop_assert_eq!(l, w, "{}", f.name);
                }
            } else {
                let collapsed = matches!(f.name, "median_trade_usd" | "p95_trade_usd" | "trade_size_gini") || f.name.contains("leverage");
                let coarse = f.group == "allocation";
                // The days before the last ones are not kept, and come back where the last ones go.
                let days = f.name.starts_with("volume_") || f.name.ends_with("_on_volume");
                prop_assert!(f.class != 'G' || collapsed || coarse || days, "{} was lost", f.name);
            }
        }
    }

    #[test]
    fn parts_can_be_taken_away_one_after_the_other(rows in prop::collection::vec(row(), 300..500)) {
        // Of more underlyings than have sums of their own.
        let parts: Vec<Vec<u8>> = rows.chunks(100).map(|part| bytes(&mut one_pass(part))).collect();
        let mut left = one_pass(&rows);
        for part in &parts[1..] {
            left.subtract(part).unwrap();
            left = State::read(&bytes(&mut left), Global).unwrap();
        }
        let (left, want) = (values(&mut left, None, None), values(&mut one_pass(&rows[..100]), None, None));
        for name in ["volume_usd", "trades", "fee_bps", "order_flow_imbalance", "share_option", "hour_entropy"] {
            let i = index_of(name).unwrap();
            prop_assert_eq!(left[i], want[i], "{}", name);
        }
    }

    #[test]
    fn stored_days_roll_up_to_the_whole(rows in prop::collection::vec(row(), 1..300), seed in any::<u64>()) {
        let mut days: BTreeMap<i32, Vec<Row>> = BTreeMap::new();
        rows.iter().for_each(|r| days.entry(day_of(r.at)).or_default().push(r.clone()));
        let mut stored: Vec<Vec<u8>> = days.values().map(|d| bytes(&mut one_pass(d))).collect();
        stored.sort_by_key(|b| xxhash_rust::xxh3::xxh3_64_with_seed(b, seed));
        let mut rolled = State::new(Global);
        stored.iter().for_each(|b| rolled.absorb(b).unwrap());
        prop_assert_eq!(bytes(&mut rolled), bytes(&mut one_pass(&rows)));
    }

    #[test]
    fn malformed_bytes_never_panic(
        rows in prop::collection::vec(row(), 0..80),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut b = bytes(&mut one_pass(&rows));
        let i = at.index(b.len());
        b[i] = byte;
        if let Ok(mut s) = State::read(&b, Global) {
            values(&mut s, Some(0), None);
            State::read(&bytes(&mut s), Global).unwrap();
        }
        b.truncate(cut.index(b.len()));
        if let Ok(mut s) = State::read(&b, Global) {
            values(&mut s, None, None);
        }
    }

    #[test]
    fn features_equal_plain_arithmetic(rows in prop::collection::vec(row(), 1..120)) {
        let mut rows = rows;
        rows.iter_mut().for_each(|r| r.extras &= !(1 << 7 | 1 << 14 | 1 << 15));
        let as_of = 91 * DAY + 5;
        let got = values(&mut one_pass(&rows), Some(as_of), None);
        let n = rows.len() as f64;
        // Amounts are rounded to 1e-9 USD and summed exactly: fees of both signs may cancel to almost nothing.
        let usd = |r: &Row| r.quantity * r.price;
        let units = |usd: f64| (usd * 1e9).round() as i128;
        let exact = |amounts: &mut dyn Iterator<Item = f64>| amounts.map(units).sum::<i128>() as f64 / 1e9;
        let volume = exact(&mut rows.iter().map(usd));
        let sum_if = |f: &dyn Fn(&Row) -> Option<f64>| exact(&mut rows.iter().filter_map(f));
        let mut want: BTreeMap<&str, Option<f64>> = BTreeMap::new();
        want.insert("volume_usd", Some(volume));
        want.insert("trades", Some(n));
        want.insert("average_trade_usd", Some(volume / n));
        let per = |a: f64, b: f64| (b > 0.0).then(|| a / b);
        want.insert("fee_bps", per(1e4 * sum_if(&|r| r.fee), sum_if(&|r| r.fee.map(|_| usd(r)))));
        want.insert("order_flow_imbalance", per(
            sum_if(&|r| r.sell.map(|s| if s { -usd(r) } else { usd(r) })), sum_if(&|r| r.sell.map(|_| usd(r)))));
        want.insert("maker_ratio", per(
            sum_if(&|r| r.maker.filter(|&m| m).map(|_| usd(r))), sum_if(&|r| r.maker.map(|_| usd(r)))));
        want.insert("instruments", Some(rows.iter().map(|r| r.instrument).collect::<BTreeSet<_>>().len() as f64));
        // Shares too, or the only instrument of an account would have one of almost 1.
        let mut by: BTreeMap<u16, i128> = BTreeMap::new();
        rows.iter().for_each(|r| *by.entry(r.instrument).or_default() += units(usd(r)));
        let shares: Vec<f64> = by.values().filter(|&&v| v > 0).map(|&v| v as f64 / 1e9 / volume).collect();
        want.insert("hhi", (volume > 0.0).then(|| shares.iter().map(|w| w * w).sum()));
        want.insert("entropy", (volume > 0.0).then(|| shares.iter().map(|w| -w * w.ln()).sum()));
        let mut hours = [0.0f64; 24];
        rows.iter().for_each(|r| hours[(r.at / 3_600_000_000 % 24) as usize] += 1.0);
        want.insert("hour_entropy", Some(
            hours.iter().filter(|&&h| h > 0.0).map(|h| -(h / n) * (h / n).ln()).sum::<f64>() / 24f64.ln()));
        want.insert("weekend_share", Some(rows.iter().filter(|r| (r.at / DAY) % 7 < 2).count() as f64 / n));
        want.insert("active_days", Some(rows.iter().map(|r| r.at / DAY).collect::<BTreeSet<_>>().len() as f64));
        let (first, last) = (rows.iter().map(|r| r.at).min().unwrap(), rows.iter().map(|r| r.at).max().unwrap());
        want.insert("tenure_days", Some((as_of - first) as f64 / DAY as f64));
        want.insert("recency_days", Some((as_of - last) as f64 / DAY as f64));
        for (i, kind) in ["spot", "future", "perpetual", "option", "leveraged_token", "other"].iter().enumerate() {
            let name = FEATURES.iter().map(|f| f.name).find(|f| f.strip_prefix("share_") == Some(*kind)).unwrap();
            want.insert(name, per(sum_if(&|r| (r.kind == i).then(|| usd(r))), volume));
        }
        let exact_keys = by.len() <= 128;
        for (name, want) in want {
            if !exact_keys && matches!(name, "hhi" | "entropy") || by.len() > 128 && name == "instruments" {
                continue;
            }
            let got = got[index_of(name).unwrap()].value;
            match (got, want) {
                (Some(g), Some(w)) => prop_assert!((g - w).abs() <= 1e-9 * w.abs().max(1e-6), "{name}: {g} {w}"),
                _ => prop_assert_eq!(got.is_some(), want.is_some(), "{}", name),
            }
        }
    }

    #[test]
    fn fills_at_or_after_as_of_have_no_influence(rows in prop::collection::vec(row(), 1..9), cut in 0i64..90 * DAY) {
        let kept: Vec<Row> = rows.iter().filter(|r| r.at < cut).cloned().collect();
        prop_assert_eq!(values(&mut one_pass(&rows), Some(cut), None), values(&mut one_pass(&kept), Some(cut), None));
    }
}

#[test]
fn rejected_trades_are_counted_and_change_nothing_else() {
    let good = Row {
        at: 5,
        quantity: 1.0,
        price: 2.0,
        sell: None,
        maker: None,
        fee: None,
        instrument: 1,
        kind: 0,
        extras: 0,
        x: 0.5,
    };
    let mut s = one_pass(std::slice::from_ref(&good));
    let features = values(&mut s, Some(10), None);
    for bad in [
        Row { at: i64::MAX, ..good.clone() },
        Row { quantity: -1.0, ..good.clone() },
        Row { quantity: f64::NAN, ..good.clone() },
        Row { quantity: f64::INFINITY, ..good.clone() },
        Row { price: f64::NAN, ..good.clone() },
        Row { fee: Some(f64::NEG_INFINITY), ..good.clone() },
        Row { fee: Some(1e21), ..good.clone() },
        Row { quantity: 1e200, price: 1e200, ..good.clone() },
        Row { quantity: 1e10, price: 1.1e10, ..good.clone() },
    ] {
        s.add_trade(&bad.bytes()).unwrap();
    }
    assert_eq!(s.rejected(), [1, 3, 2, 3]);
    assert_eq!(values(&mut s, Some(10), None), features);
    assert_eq!(State::read(&bytes(&mut s), Global).unwrap().rejected(), s.rejected());
}
