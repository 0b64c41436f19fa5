//! A second way to the figures: every unit its own lot, every second its own step, plain floating point.

use super::*;
use std::collections::{BTreeMap, VecDeque};

pub struct Trade {
    pub second: i64,
    pub instrument: u64,
    pub units: i64,
    pub price: f64,
    pub option: bool,
    pub pnl: f64,
    /// The second at which the instrument ends, after its trades.
    pub expiry: Option<i64>,
}

impl Trade {
    pub fn event(&self) -> Event {
        Event {
            at: self.second * 1_000_000,
            pnl: usd(self.pnl),
            class: self.class(),
            price: self.option.then_some(self.price),
            expiry: self.expiry.map(|second| second * 1_000_000),
            ..fill(0.0, self.instrument, self.units as f64, self.price)
        }
    }

    fn class(&self) -> Class {
        match self.instrument % 4 {
            1 => Class::Perpetual,
            3 => Class::LeveragedToken,
            _ => Class::Option,
        }
    }

    fn notional(&self) -> f64 {
        self.units.abs() as f64 * self.price
    }
}

/// Five minutes before the first time of funding.
const START: i64 = 8 * 3600 - 300;

/// A random history with distinct times; with `flat` it is cut into parts that each end with no position.
pub fn history(random: &mut Random, trades: usize, instruments: u64, flat_every: Option<usize>) -> Vec<Trade> {
    let mut held: BTreeMap<u64, i64> = BTreeMap::new();
    let mut all: Vec<Trade> = Vec::new();
    let mut second = START;
    let mut push = |all: &mut Vec<Trade>, random: &mut Random, instrument: u64, units: i64| {
        second += 1 + random.below(20) as i64;
        let price = 90.0 + random.below(20) as f64;
        let pnl = if random.below(3) == 0 { random.below(21) as f64 - 10.0 } else { 0.0 };
        let expiry = [None, Some(START + 150), Some(START + 400), None][instrument as usize % 4];
        all.push(Trade { second, instrument, units, price, option: instrument & 1 == 0, pnl, expiry });
    };
    for i in 1..=trades {
        let instrument = random.below(instruments);
        let units = (1 + random.below(5) as i64) * if random.below(2) == 0 { 1 } else { -1 };
        *held.entry(instrument).or_default() += units;
        push(&mut all, random, instrument, units);
        if flat_every.is_some_and(|n| i % n == 0) {
            for (instrument, units) in std::mem::take(&mut held).into_iter().filter(|h| h.1 != 0) {
                push(&mut all, random, instrument, -units);
            }
        }
    }
    all
}

#[derive(Default)]
struct Position {
    /// Time and cost of every single unit, oldest first.
    lots: VecDeque<(i64, f64)>,
    long: bool,
    basis: f64,
    last_price: f64,
    expiry: Option<i64>,
    token: bool,
}

impl Position {
    fn gain(&self, price: f64) -> f64 {
        let average = self.basis / self.lots.len() as f64;
        let gain = if self.long { price - average } else { average - price };
        if gain.abs() < 1e-7 {
            0.0
        } else {
            gain
        }
    }
}

/// The last one is the exact median.
pub fn oracle(trades: &[Trade]) -> [f64; 12] {
    let mut positions: BTreeMap<u64, Position> = BTreeMap::new();
    let (mut held, mut closed, mut aged, mut closed_fifo, mut flips) = (0.0, 0.0, 0.0, 0.0, 0.0);
    let (mut added, mut losing, mut sold, mut opened) = (0.0, 0.0, 0.0, 0.0);
    let (mut rg, mut rl, mut pg, mut pl) = (0.0, 0.0, 0.0, 0.0);
    let (mut perpetual, mut funded, mut with_token) = (0.0, 0.0, 0.0);
    let mut ages: Vec<(i64, f64)> = Vec::new();
    let mut ratios: [Vec<f64>; 2] = Default::default();
    let mut cumulated = vec![0.0f64];
    let mut next = trades.iter().enumerate().peekable();
    for second in trades[0].second..=trades[trades.len() - 1].second {
        for p in positions.values_mut().filter(|p| p.expiry == Some(second - 1)) {
            closed += std::mem::take(&mut p.basis);
            for (since, cost) in p.lots.drain(..) {
                closed_fifo += cost;
                aged += cost * (second - 1 - since) as f64;
                ages.push((second - 1 - since, cost));
            }
        }
        with_token += f64::from(positions.values().any(|p| p.token && !p.lots.is_empty()));
        held += positions.values().map(|p| p.basis).sum::<f64>();
        let Some((i, t)) = next.next_if(|(_, t)| t.second == second) else { continue };
        cumulated.push(cumulated[i] + t.pnl);
        if let (true, Some(after)) = (t.pnl != 0.0, trades.get(i + 1)) {
            ratios[usize::from(t.pnl > 0.0)].push((after.notional() / t.notional()).ln());
        }
        if t.expiry.is_some_and(|at| at < second) {
            continue;
        }
        let (buy, size) = (t.units > 0, t.units.unsigned_abs() as usize);
        let others: Vec<f64> = positions
            .iter()
            .filter(|(&k, p)| k != t.instrument && !p.lots.is_empty())
            .map(|(_, p)| p.gain(p.last_price))
            .collect();
        let p = positions.entry(t.instrument).or_default();
        let was_open = !p.lots.is_empty();
        let mut opening = size;
        if was_open && p.long != buy {
            match p.gain(t.price) {
                g if g > 0.0 => rg += 1.0,
                g if g < 0.0 => rl += 1.0,
                _ => (),
            }
            pg += others.iter().filter(|&&g| g > 0.0).count() as f64;
            pl += others.iter().filter(|&&g| g < 0.0).count() as f64;
            let closing = size.min(p.lots.len());
            let part = p.basis * closing as f64 / p.lots.len() as f64;
            p.basis -= part;
            closed += part;
            for (since, cost) in p.lots.drain(..closing) {
                closed_fifo += cost;
                aged += cost * (second - since) as f64;
                ages.push((second - since, cost));
                if t.class() == Class::Perpetual {
                    perpetual += cost;
                    funded += if (since + 1..=second).any(|s| s % (8 * 3600) == 0) { cost } else { 0.0 };
                }
            }
            opening -= closing;
            if opening > 0 {
                flips += 1.0;
            }
        } else if was_open {
            added += t.notional();
            if p.gain(t.price) < 0.0 {
                losing += t.notional();
            }
        }
        if p.lots.is_empty() {
            p.basis = 0.0;
        }
        if opening > 0 {
            p.long = buy;
            p.expiry = t.expiry;
            p.token = t.class() == Class::LeveragedToken;
            p.basis += opening as f64 * t.price;
            p.lots.extend(std::iter::repeat_n((second, t.price), opening));
        }
        if t.option && !buy {
            sold += t.notional();
            opened += opening as f64 * t.price;
        }
        p.last_price = t.price;
    }
    let open: f64 = positions.values().map(|p| p.basis).sum();
    let mean = |v: &Vec<f64>| v.iter().sum::<f64>() / v.len() as f64;
    ages.sort_unstable_by_key(|a| a.0);
    let mut below = 0.0;
    let median = ages.iter().find(|(_, cost)| {
        below += cost;
        2.0 * below >= closed_fifo
    });
    let mut fall = 0.0f64;
    for i in 0..cumulated.len() {
        for j in i..cumulated.len() {
            fall = fall.max(cumulated[i] - cumulated[j]);
        }
    }
    [
        held / closed / 3600.0,
        aged / closed_fifo / 3600.0,
        open / (open + closed),
        flips,
        losing / added,
        opened / sold,
        rg / (rg + pg) - rl / (rl + pl),
        mean(&ratios[0]) - mean(&ratios[1]),
        fall,
        funded / perpetual,
        with_token / (trades[trades.len() - 1].second - trades[0].second) as f64,
        median.map_or(f64::NAN, |m| m.0 as f64 / 3600.0),
    ]
}

#[test]
fn figures_agree_with_the_oracle() {
    let mut random = Random(1);
    for round in 0..60 {
        let (size, instruments) = (40 + random.below(200) as usize, 2 + random.below(6));
        let trades = history(&mut random, size, instruments, (round % 3 == 0).then_some(17));
        let mut events: Vec<Event> = trades.iter().map(Trade::event).collect();
        if round % 2 == 0 {
            random.shuffle(&mut events);
        }
        agrees(&folded(&events), &trades);
    }
}

/// What is folded from trades is what the oracle says of them.
pub fn agrees(folded: &Ordered, trades: &[Trade]) {
    let want = oracle(trades);
    let got = values(folded);
    for (i, (got, want)) in got[2..].iter().zip(want).enumerate() {
        match got {
            // Nothing was closed.
            Err(reason) => assert!(want.is_nan() && *reason == "no_closes", "figure {i}: {reason}, not {want}"),
            // The median, from half octaves.
            Ok(got) if i == 11 => {
                assert!((got / want).ln().abs() <= 2f64.sqrt().ln(), "median: {got}, not {want}")
            }
            Ok(got) => assert!((got - want).abs() <= 1e-9 * (1.0 + want.abs()), "figure {i}: {got}, not {want}"),
        }
    }
}
