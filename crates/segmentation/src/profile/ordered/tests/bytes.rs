//! What is stored and sent: round trips, sizes, limits, forged bytes.

use super::oracle::{history, Trade};
use super::*;

fn extremes() -> Vec<Event> {
    let numbers = [0.0, -0.0, 1.0, 1e-30, -1e30, 1e31, f64::NAN, f64::INFINITY];
    let amounts = [0, 1, -1, money::from_usd(1e20).unwrap(), i128::MAX, i128::MIN];
    let mut all = Vec::new();
    for (i, at) in [5, i64::MIN, i64::MAX, 0, i64::MIN + 1, i64::MAX - 1].into_iter().enumerate() {
        for (j, &number) in numbers.iter().enumerate() {
            for (k, &amount) in amounts.iter().enumerate() {
                all.push(Event {
                    at,
                    key: (k > 0).then_some([0, u64::MAX, 7 << 40][(i + j) % 3]),
                    quantity: Some(number),
                    notional: Some(amount),
                    pnl: Some(amounts[(i + j + k) % 6]),
                    price: (j % 2 == 0).then_some(number),
                    class: [Class::Option, Class::Other, Class::Perpetual, Class::LeveragedToken][k % 4],
                    expiry: [None, Some(0), Some(i64::MAX), Some(i64::MIN)][j % 4],
                });
            }
        }
    }
    all
}

fn finite(o: &Ordered) {
    values(o).iter().for_each(|v| assert!(v.is_err() || v.unwrap().is_finite(), "{v:?}"));
}

#[test]
fn collected_bytes_round_trip() {
    let mut log = log_of(&extremes());
    log.absorb_folded(&mut Reader::new(&stored(&log_of(&[fill(1.0, 1, 1.0, 1.0)])))).unwrap();
    let mut bytes = Vec::new();
    log.write_collected(&mut bytes);
    let mut back = Log::new(Global);
    let mut r = Reader::new(&bytes);
    back.absorb_collected(&mut r).unwrap();
    assert!(r.is_empty());
    assert_eq!(back.fold(), log.fold());
    finite(&log.fold());
    let mut again = Vec::new();
    back.write_collected(&mut again);
    assert_eq!(again, bytes);
    for n in 0..bytes.len() {
        assert!(Log::new(Global).absorb_collected(&mut Reader::new(&bytes[..n])).is_err());
    }
}

#[test]
fn numbers_out_of_range_count_as_not_given() {
    finite(&folded(&extremes()));
    let odd = Event { quantity: Some(f64::NAN), ..fill(0.0, 1, 1.0, 1.0) };
    assert_eq!(folded(&[odd]).open_share(), Err("missing:side"));
    let odd = Event { notional: Some(-1), pnl: Some(i128::MAX), ..fill(0.0, 1, 1.0, 1.0) };
    assert_eq!(folded(&[odd]).open_share(), Err("missing:side"));
    assert_eq!(folded(&[odd]).pnl_drawdown_usd(), Err("missing:realised_pnl_usd"));
}

#[test]
fn forged_bytes_are_errors_or_finite_numbers() {
    let mut random = Random(5);
    let events: Vec<Event> = history(&mut random, 60, 5, Some(9)).iter().map(Trade::event).collect();
    let (folded, mut collected) = (stored(&log_of(&events)), Vec::new());
    let mut log = log_of(&events);
    log.absorb_folded(&mut Reader::new(&stored(&log_of(&[fill(-9.0, 1, 1.0, 1.0)])))).unwrap();
    log.write_collected(&mut collected);
    for n in 0..folded.len() {
        assert!(Log::new(Global).absorb_folded(&mut Reader::new(&folded[..n])).is_err());
    }
    for round in 0..20_000 {
        let mut bytes = if round % 4 == 0 { collected.clone() } else { folded.clone() };
        for _ in 0..=random.below(3) {
            let i = random.below(bytes.len() as u64) as usize;
            bytes[i] = match random.below(3) {
                0 => random.next() as u8,
                1 => 0xFF,
                _ => bytes[i] ^ 1 << random.below(8),
            };
        }
        let mut log = Log::new(Global);
        let mut r = Reader::new(&bytes);
        let read = if round % 4 == 0 { log.absorb_collected(&mut r) } else { log.absorb_folded(&mut r) };
        if read.is_ok() {
            let mut twice = Log::new(Global);
            twice.absorb_folded(&mut Reader::new(&stored(&log))).unwrap();
            assert_eq!(twice.fold(), log.fold());
            // Together with trades on both sides.
            events.iter().for_each(|e| log.push(e));
            finite(&log.fold());
            finite(&twice.fold());
        }
    }
}

/// Trades as an active account makes them: 10,000 USD each, a year long, all inputs given.
fn active(n: usize) -> Vec<Event> {
    let mut random = Random(6);
    (0..n)
        .map(|i| {
            let side = if i % 2 == 0 { 1.0 } else { -1.0 };
            let gap = 365 * 24 * HOUR / n as i64;
            Event {
                at: i as i64 * gap + random.below(gap as u64) as i64,
                pnl: usd(if i % 2 == 0 { 0.0 } else { random.below(20_001) as f64 / 100.0 - 100.0 }),
                ..fill(0.0, 1 + (i as u64 / 2) % 5, side * (1.0 + random.below(999) as f64 / 7.0), 137.23)
            }
        })
        .collect()
}

#[test]
fn sizes() {
    let per_trade = |events: &[Event]| {
        let mut bytes = Vec::new();
        log_of(events).write_collected(&mut bytes);
        bytes.len() as f64 / events.len() as f64
    };
    let events = active(10_000);
    assert!(per_trade(&events) < 26.0, "{}", per_trade(&events));
    let bare: Vec<Event> = events.iter().map(|e| Event { at: e.at, ..Event::default() }).collect();
    assert!(per_trade(&bare) < 7.5, "{}", per_trade(&bare));
    for n in [33, 10_000, 100_000] {
        let mut events = active(n);
        let open = stored(&log_of(&events)).len();
        // Five positions, and of the 33 trades their lots.
        assert!(open <= if n == 33 { 640 } else { 600 }, "{n} trades, {open} bytes with what is open");
        events.extend(flat(&events));
        let bytes = stored(&log_of(&events)).len();
        assert!(bytes <= 380, "{n} trades, {bytes} bytes");
    }
    assert!(stored(&log_of(&bare)).len() <= 64);
    assert!(std::mem::size_of::<Log<Global>>() <= 256);
}

/// Fills that close all positions.
fn flat(events: &[Event]) -> Vec<Event> {
    let mut held = std::collections::BTreeMap::<u64, f64>::new();
    for e in events {
        *held.entry(e.key.unwrap()).or_default() += e.quantity.unwrap();
    }
    let last = events[events.len() - 1];
    held.into_iter().map(|(key, q)| Event { at: last.at + 1, key: Some(key), quantity: Some(-q), ..last }).collect()
}

#[test]
fn a_fragment_of_the_largest_amounts() {
    let wide = |sign: f64| (0..12).map(move |i| (i, sign));
    let events: Vec<Event> = wide(1.0)
        .chain(wide(-1.0))
        .enumerate()
        .map(|(i, (k, sign))| Event {
            at: if i == 0 { i64::MIN } else { i64::MAX - 30 + i as i64 },
            pnl: usd(sign * 1e20),
            notional: usd(1e20),
            class: Class::Option,
            price: Some(1.0 + k as f64),
            ..fill(0.0, k % 2, sign * 1.5, 0.0)
        })
        .collect();
    let bytes = stored(&log_of(&events)).len();
    assert!(bytes <= 400, "{bytes}");
}

#[test]
fn beyond_the_limit_the_order_is_unknown() {
    let mut log = Log::new(Global);
    // 53 bytes each, or a little fewer.
    let long = Event { pnl: usd(1e20), price: Some(1.0), ..fill(0.0, 1, 1.0, 1e20) };
    let mut push = |n: usize| {
        (0..n).for_each(|i| log.push(&Event { at: if i % 2 == 0 { i64::MAX } else { 0 }, ..long }));
        log.fold()
    };
    assert_ne!(push(LOG_LIMIT / 60), Ordered::Overlap);
    assert_eq!(push(LOG_LIMIT / 45 - LOG_LIMIT / 60), Ordered::Overlap);
    assert_eq!(stored(&log), [0]);
}
