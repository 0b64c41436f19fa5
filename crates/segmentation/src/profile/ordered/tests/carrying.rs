//! Positions carried from one stretch to the next: any cut gives the bytes of one pass.

use super::oracle::{agrees, history, Trade};
use super::*;
use crate::profile::ordered::carried::{Carried, Lot, Position, MOST_BYTES};

/// What is stored of a stretch that begins with what another one leaves open.
#[derive(Clone)]
struct Day {
    bytes: Vec<u8>,
    claim: Claim,
    opening: Vec<u8>,
    events: Vec<Event>,
}

fn closing(log: &Log<Global>) -> (u64, Vec<u8>) {
    log.with_folded(|_, closing| (closing.mark, closing.bytes.to_vec()))
}

fn opened(events: &[Event], claim: Claim, opening: &[u8]) -> Log<Global> {
    let mut log = log_of(events);
    log.openings.add(claim, opening);
    log
}

/// Cuts events, in the order of time, before those places.
fn days(random: &mut Random, events: &[Event], cuts: &[usize]) -> Vec<Day> {
    let (mut mark, mut opening) = (FLAT, Vec::new());
    let mut from = 0;
    let mut days = Vec::new();
    for &to in cuts.iter().chain([&events.len()]) {
        let claim = Claim { at: events[from].at, mark };
        let mut part = events[from..to].to_vec();
        random.shuffle(&mut part);
        let log = opened(&part, claim, &opening);
        days.push(Day { bytes: stored(&log), claim, opening, events: part });
        (mark, opening) = closing(&log);
        from = to;
    }
    days
}

/// Each day as it is stored, or as its trades with what was open before them.
fn rolled_up(random: &mut Random, days: &[Day]) -> Log<Global> {
    let mut order: Vec<&Day> = days.iter().collect();
    random.shuffle(&mut order);
    let mut log = Log::new(Global);
    for day in order {
        if random.below(2) == 0 {
            log.absorb_folded(&mut Reader::new(&day.bytes)).unwrap();
        } else {
            day.events.iter().for_each(|e| log.push(e));
            log.openings.add(day.claim, &day.opening);
        }
    }
    log
}

fn cuts(random: &mut Random, events: &[Event], each: u64) -> Vec<usize> {
    let apart = |i: usize| events[i - 1].at < events[i].at;
    (1..events.len()).filter(|&i| apart(i) && random.below(each) == 0).collect()
}

#[test]
fn days_in_their_course_are_one_pass() {
    let mut random = Random(11);
    for round in 0..200 {
        let mut trades = history(&mut random, 80, 4, (round % 4 == 0).then_some(13));
        // Stretches in which nothing is bought or sold, but in which positions are held and expire.
        let quiet = |t: &Trade| round % 5 == 0 && (200..500).contains(&t.second);
        if round % 3 == 0 {
            trades.iter_mut().for_each(|t| t.second /= 25);
        }
        let event = |t: &Trade| Event { key: t.event().key.filter(|_| !quiet(t)), ..t.event() };
        let events: Vec<Event> = trades.iter().map(event).collect();
        let whole = stored(&log_of(&events));
        let cuts = cuts(&mut random, &events, 6);
        let days = days(&mut random, &events, &cuts);
        let log = rolled_up(&mut random, &days);
        assert_eq!(stored(&log), whole, "round {round}");
        // Through the bytes of a worker, and with neighbours put together first.
        let mut bytes = Vec::new();
        log.write_collected(&mut bytes);
        let mut sent = Log::new(Global);
        sent.openings.add_all(&log.openings);
        sent.absorb_collected(&mut Reader::new(&bytes)).unwrap();
        assert_eq!(stored(&sent), whole);
        let middle = random.below(days.len() as u64) as usize;
        let halves = [&days[..middle], &days[middle..]].map(|half| stored(&rolled_up(&mut random, half)));
        if middle > 0 {
            assert_eq!(merged(&halves), whole);
        }
    }
}

/// What was open before a window counts in it: the sums are those of everything less those of what was before.
#[test]
fn a_window_begins_with_what_is_open() {
    let mut random = Random(12);
    for _ in 0..60 {
        let mut trades = history(&mut random, 80, 3, None);
        // What expires between two days is of neither.
        trades.iter_mut().for_each(|t| t.expiry = None);
        let events: Vec<Event> = trades.iter().map(Trade::event).collect();
        let cuts = cuts(&mut random, &events, 8);
        let days = days(&mut random, &events, &cuts);
        let figures = |log: &Log<Global>| {
            let Ordered::Whole(f) = log.fold() else { panic!() };
            (*f.positions.figures().unwrap(), f.first, f.last())
        };
        let whole = figures(&log_of(&events)).0;
        for first in 1..days.len() {
            let (before, _, end) = figures(&log_of(&events[..cuts[first - 1]]));
            let (got, begin, _) = figures(&rolled_up(&mut random, &days[first..]));
            let idle = before.open * i128::from(begin - end);
            assert_eq!(got.held, whole.held - before.held - idle);
            assert_eq!(got.closed, whole.closed - before.closed);
            assert_eq!(got.closed_fifo, whole.closed_fifo - before.closed_fifo);
            assert_eq!(got.aged, whole.aged - before.aged);
            assert_eq!((got.open, got.positions), (whole.open, whole.positions));
            assert_eq!(got.flips, whole.flips - before.flips);
            assert_eq!(got.added_losing, whole.added_losing - before.added_losing);
            assert_eq!(got.sold_opening, whole.sold_opening - before.sold_opening);
            assert_eq!(
                (got.gains, got.paper_losses),
                (whole.gains - before.gains, whole.paper_losses - before.paper_losses)
            );
        }
        // And everything is what the other way to it gives.
        agrees(&rolled_up(&mut random, &days).fold(), &trades);
    }
}

#[test]
fn what_does_not_follow_is_unknown() {
    let buy = |h: f64| fill(h, 1, 2.0, 100.0);
    let sell = |h: f64| fill(h, 1, -1.0, 110.0);
    let mut random = Random(13);
    let all = days(&mut random, &[buy(0.0), sell(1.0), sell(2.0), buy(3.0)], &[1, 2, 3]);
    assert!(read(&merged(&all.iter().map(|d| d.bytes.clone()).collect::<Vec<_>>())).holding_hours().is_ok());
    // A day between is missing, or another account's; both as bytes and as trades.
    for gone in 1..3 {
        let mut some = all.clone();
        some.remove(gone);
        for _ in 0..8 {
            assert_eq!(rolled_up(&mut random, &some).fold().open_share(), Err("open_position"));
        }
    }
    // The same position of another account: opened at another time, or by other fills.
    let other = days(&mut random, &[buy(0.5), sell(1.0)], &[1]);
    let mixed = [all[0].clone(), other[1].clone()];
    let split = [fill(-1.0, 1, 1.0, 100.0), fill(0.0, 1, 1.0, 100.0), sell(1.0)];
    let split = [all[0].clone(), days(&mut random, &split, &[2])[1].clone()];
    // Nobody knows what was open.
    let mut unknown = all.clone();
    unknown[1].claim.mark = UNKNOWN;
    unknown[1].bytes = stored(&opened(&unknown[1].events, unknown[1].claim, &[]));
    for wrong in [&mixed[..], &split[..], &unknown[..], &unknown[1..]] {
        for _ in 0..8 {
            assert_eq!(rolled_up(&mut random, wrong).fold().open_share(), Err("open_position"));
        }
    }
    // Gaps and P&L do not care.
    assert_eq!(rolled_up(&mut random, &unknown).fold().burstiness(), Err("too_few_trades"));
}

#[test]
fn positions_beyond_the_bytes() {
    let mut random = Random(14);
    // 250 positions: known by their mark, but nothing goes on from them.
    let mut events: Vec<Event> = (0..250).map(|i| fill(i as f64, i, 1.0, 3.0)).collect();
    events.extend((0..250).map(|i| fill(300.0 + i as f64, i, -1.0, 4.0)));
    let many = days(&mut random, &events, &[250]);
    assert!(many[1].opening.is_empty() && many[1].claim.mark != FLAT);
    assert_eq!(read(&merged(&[many[0].bytes.clone()])).open_share(), Ok(1.0));
    let mut log = Log::new(Global);
    log.absorb_folded(&mut Reader::new(&many[0].bytes)).unwrap();
    many[1].events.iter().for_each(|e| log.push(e));
    assert_eq!(log.fold().open_share(), Err("open_position"));
    // 200 lots of one: all is known but the age of the first in.
    let mut events: Vec<Event> = (0..200).map(|i| fill(i as f64, 1, 1.0, 3.0 + i as f64)).collect();
    events.push(fill(300.0, 1, -7.0, 4.0));
    let lots = days(&mut random, &events, &[200]);
    let (got, whole) = (rolled_up(&mut random, &lots).fold(), folded(&events));
    assert_eq!(got.holding_hours_fifo(), Err("open_position"));
    assert_eq!(got.holding_hours().unwrap(), whole.holding_hours().unwrap());
    assert_eq!(got.disposition(), whole.disposition());
    // Flat again, the lots are known again for what follows.
    events.push(fill(301.0, 1, -193.0, 5.0));
    events.extend([fill(302.0, 1, 1.0, 5.0), fill(304.0, 1, -1.0, 5.0)]);
    let lots = days(&mut random, &events, &[200, 202]);
    assert_eq!(read(&lots[2].bytes).holding_hours_fifo(), Ok(2.0));
}

fn some() -> Carried {
    let lots = Some(vec![Lot { at: -5, quantity: 1.0, basis: 70 }, Lot { at: 9, quantity: 1.5, basis: 0 }]);
    let first = Position {
        key: 1 << 24 | 1,
        quantity: -2.5,
        peak: 3.0,
        basis: 70,
        cost: 0.1,
        paper: -1,
        expiry: 12,
        token: true,
        lots,
    };
    let second =
        Position { key: 9 << 24 | 1, quantity: 1.0, cost: f64::NAN, paper: 0, expiry: i64::MAX, ..first.clone() };
    Carried { fills: 7, last: 9, positions: vec![first, second] }
}

#[test]
fn carried_positions_as_bytes() {
    let (mark, bytes) = some().pack();
    let bytes = bytes.unwrap();
    let (again, read) = Carried::unpack(&bytes).unwrap();
    assert_eq!((again, read.pack().1.unwrap()), (mark, bytes.clone()));
    assert_eq!((read.positions[0].clone(), read.fills), (some().positions[0].clone(), 7));
    assert_eq!(Carried::unpack(&[]).unwrap(), (FLAT, Carried::default()));
    for n in 1..bytes.len() {
        assert!(Carried::unpack(&bytes[..n]).is_err());
    }
    let mut random = Random(15);
    for _ in 0..50_000 {
        let mut harmed = bytes.clone();
        for _ in 0..=random.below(3) {
            let i = random.below(harmed.len() as u64) as usize;
            harmed[i] ^= 1 << random.below(8);
        }
        if let Ok((mark, read)) = Carried::unpack(&harmed) {
            assert_eq!(read.pack(), (mark, Some(harmed)));
        }
    }
    assert!(Carried::unpack(&[1; MOST_BYTES + 1]).is_err());
    // Out of range: known by their mark alone.
    let harms: [fn(&mut Position); 5] =
        [|p| p.basis = 1 << 113, |p| p.peak = 0.5, |p| p.cost = 1e32, |p| p.quantity = f64::NAN, |p| p.expiry = 8];
    for harm in harms {
        let mut wrong = some();
        harm(&mut wrong.positions[1]);
        assert_eq!(wrong.pack().1, None);
    }
}
