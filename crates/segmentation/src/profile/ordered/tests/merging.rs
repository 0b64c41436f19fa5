//! Any partition into stretches of time, merged by any tree, gives the bytes of one pass, or says that it cannot.

use super::oracle::{history, Trade};
use super::*;

/// Merges parts in a random tree: neighbours or not, two or three at a time, in any order.
fn tree(random: &mut Random, mut parts: Vec<Vec<u8>>) -> Vec<u8> {
    while parts.len() > 1 {
        // Only neighbours can be merged early: others would overlap with what lies between them.
        let i = random.below(parts.len() as u64 - 1) as usize;
        let n = 2 + random.below(2) as usize;
        let mut group: Vec<Vec<u8>> = parts.drain(i..(i + n).min(parts.len())).collect();
        random.shuffle(&mut group);
        parts.insert(i, merged(&group));
    }
    parts.remove(0)
}

fn cut(random: &mut Random, events: &[Event], at: &[usize]) -> Vec<Vec<u8>> {
    let mut parts = Vec::new();
    let mut from = 0;
    for &to in at.iter().chain([&events.len()]) {
        let mut part = events[from..to].to_vec();
        random.shuffle(&mut part);
        parts.push(stored(&log_of(&part)));
        from = to;
    }
    parts
}

/// Everything but positions.
fn exact(bytes: &[u8]) -> Fragment {
    let Ordered::Whole(f) = read(bytes) else { panic!() };
    Fragment { positions: Positions::Open, ..f }
}

#[test]
fn random_partitions_under_random_trees() {
    let mut random = Random(2);
    for round in 0..200 {
        let flat_every = 5 + random.below(20) as usize;
        let mut trades = history(&mut random, 120, 4, Some(flat_every));
        // So that what is held is what was bought less what was sold.
        trades.iter_mut().for_each(|t| t.expiry = None);
        let events: Vec<Event> = trades.iter().map(Trade::event).collect();
        let whole = stored(&log_of(&events));
        // Every cut where nothing is open, or anywhere.
        let mut held = std::collections::BTreeMap::<u64, i64>::new();
        let mut cuts = Vec::new();
        let mut all_flat = true;
        for (i, t) in trades.iter().enumerate() {
            *held.entry(t.instrument).or_default() += t.units;
            let flat = held.values().all(|&q| q == 0);
            let here = random.below(4) == 0 && (flat || (round % 2 == 0 && random.below(3) == 0));
            if here && i + 1 < trades.len() {
                cuts.push(i + 1);
                all_flat &= flat;
            }
        }
        let parts = cut(&mut random, &events, &cuts);
        let (a, b) = (tree(&mut random, parts.clone()), tree(&mut random, parts.clone()));
        assert_eq!(a, b);
        assert_eq!(merged(&parts), a);
        if all_flat {
            assert_eq!(a, whole);
        } else {
            assert_eq!(exact(&a), exact(&whole));
            assert_eq!(read(&a).holding_hours(), Err("open_position"));
            assert_eq!(read(&a).pnl_drawdown_usd(), read(&whole).pnl_drawdown_usd());
        }
    }
}

#[test]
fn stretches_that_meet_in_an_instant() {
    let mut random = Random(3);
    for _ in 0..200 {
        // About three fills an instant, cut anywhere, also more than once within an instant.
        let mut trades = history(&mut random, 40, 3, None);
        for t in &mut trades {
            t.second /= 30;
        }
        let events: Vec<Event> = trades.iter().map(Trade::event).collect();
        let whole = stored(&log_of(&events));
        let cuts: Vec<usize> = (1..events.len()).filter(|_| random.below(3) == 0).collect();
        let shared = cuts.iter().any(|&i| events[i - 1].at == events[i].at);
        let parts = cut(&mut random, &events, &cuts);
        // Neighbours that share an instant with a stretch of no length between them have one order: as given.
        let (a, b) = (in_order(&mut random, parts.clone()), in_order(&mut random, parts.clone()));
        assert_eq!(a, b);
        let (Ordered::Whole(got), Ordered::Whole(want)) = (&a, read(&whole)) else { panic!() };
        assert_eq!((got.first, got.gaps, got.pnl), (want.first, want.gaps, want.pnl));
        assert_eq!(got.chase, (!shared).then_some(want.chase).flatten());
        if shared {
            assert_eq!(read(&merged(&parts)).holding_hours(), Err("overlap"));
            assert_eq!(a.loss_chasing(), Err("overlap"));
        }
    }
}

fn in_order(random: &mut Random, parts: Vec<Vec<u8>>) -> Ordered {
    let mut fragments: Vec<Fragment> = parts
        .iter()
        .map(|p| match read(p) {
            Ordered::Whole(f) => f,
            Ordered::Overlap => panic!(),
        })
        .collect();
    while fragments.len() > 1 {
        let i = random.below(fragments.len() as u64 - 1) as usize;
        let next = fragments.remove(i + 1);
        assert!(fragments[i].append(&next));
    }
    Ordered::Whole(fragments[0])
}

#[test]
fn overlapping_stretches_say_so() {
    let part = |hours: &[f64]| stored(&log_of(&hours.iter().map(|&h| fill(h, 1, 1.0, 1.0)).collect::<Vec<_>>()));
    assert_eq!(merged(&[part(&[0.0, 60.0]), part(&[3.0, 300.0])]), [0]);
    assert_eq!(merged(&[part(&[0.0, 60.0]), part(&[30.0])]), [0]);
    assert_eq!(merged(&[part(&[0.0, 60.0]), vec![0]]), [0]);
    assert_ne!(merged(&[part(&[0.0, 60.0]), part(&[60.0, 70.0])]), [0]);
    // Trades next to a stored stretch: before, after, at its ends, within.
    for (hour, fits) in [(-1.0, true), (0.0, true), (1.0, false), (60.0, true), (61.0, true)] {
        let mut log = log_of(&[fill(hour, 1, 1.0, 1.0)]);
        log.absorb_folded(&mut Reader::new(&part(&[0.0, 60.0]))).unwrap();
        assert_eq!(log.fold() != Ordered::Overlap, fits, "{hour}");
    }
}

#[test]
fn trades_around_a_stored_stretch_fold_as_one() {
    // Flat after each pair: trades before and after the stored stretch are runs of their own.
    let pair = |h: f64| [fill(h, 1, 1.0, 100.0), fill(h + 1.0, 1, -1.0, 110.0)];
    let all: Vec<Event> = [0.0, 10.0, 20.0].iter().flat_map(|&h| pair(h)).collect();
    let mut log = log_of(&[&pair(20.0)[..], &pair(0.0)[..]].concat());
    log.absorb_folded(&mut Reader::new(&stored(&log_of(&pair(10.0))))).unwrap();
    assert_eq!(log.fold(), folded(&all));
}

#[test]
fn order_of_arrival_does_not_matter() {
    let mut random = Random(4);
    for _ in 0..100 {
        let mut trades = history(&mut random, 60, 3, None);
        trades.iter_mut().for_each(|t| t.second /= 25);
        let mut events: Vec<Event> = trades.iter().map(Trade::event).collect();
        let want = stored(&log_of(&events));
        for _ in 0..4 {
            random.shuffle(&mut events);
            assert_eq!(stored(&log_of(&events)), want);
            // As parallel workers bring it.
            let mut log = Log::new(Global);
            for part in events.chunks(13) {
                let mut bytes = Vec::new();
                log_of(part).write_collected(&mut bytes);
                log.absorb_collected(&mut Reader::new(&bytes)).unwrap();
            }
            assert_eq!(stored(&log), want);
        }
    }
}
