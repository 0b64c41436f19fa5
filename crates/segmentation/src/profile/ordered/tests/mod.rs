//! Hand-made examples, an oracle that steps through time, random histories cut and merged at random, forged bytes.

mod bytes;
mod carrying;
mod examples;
mod merging;
mod oracle;

use super::*;
use allocator_api2::alloc::Global;

pub const HOUR: i64 = 3_600_000_000;

pub fn usd(amount: f64) -> Option<i128> {
    money::from_usd(amount)
}

/// A fill of `quantity` at `price` in an instrument, at an hour.
pub fn fill(hour: f64, instrument: u64, quantity: f64, price: f64) -> Event {
    Event {
        at: (hour * HOUR as f64) as i64,
        key: Some(instrument.wrapping_mul(0x9E37_79B9_7F4A_7C15)),
        quantity: Some(quantity),
        notional: usd(quantity.abs() * price),
        ..Event::default()
    }
}

pub fn log_of(events: &[Event]) -> Log<Global> {
    let mut log = Log::new(Global);
    events.iter().for_each(|e| log.push(e));
    log
}

/// Folded, from records and from the events themselves.
pub fn folded(events: &[Event]) -> Ordered {
    let mut plain = Log::plain(Global, events.len());
    events.iter().for_each(|e| plain.push(e));
    let folded = log_of(events).fold();
    assert_eq!(plain.fold(), folded);
    folded
}

pub fn stored(ordered: &Log<Global>) -> Vec<u8> {
    let mut bytes = Vec::new();
    ordered.write_folded(&mut bytes);
    bytes
}

/// The state that several stored ones are merged to, as it is stored again.
pub fn merged(parts: &[Vec<u8>]) -> Vec<u8> {
    let mut log = Log::new(Global);
    for part in parts {
        let mut r = Reader::new(part);
        log.absorb_folded(&mut r).unwrap();
        assert!(r.is_empty());
    }
    stored(&log)
}

pub fn read(bytes: &[u8]) -> Ordered {
    let mut log = Log::new(Global);
    log.absorb_folded(&mut Reader::new(bytes)).unwrap();
    log.fold()
}

pub fn values(o: &Ordered) -> [Value; 14] {
    [
        o.burstiness(),
        o.memory(),
        o.holding_hours(),
        o.holding_hours_fifo(),
        o.open_share(),
        o.position_flips(),
        o.adding_to_losers(),
        o.short_options_opened(),
        o.disposition(),
        o.loss_chasing(),
        o.pnl_drawdown_usd(),
        o.funding_share(),
        o.leveraged_token_time(),
        o.holding_hours_fifo_median(),
    ]
}

/// SplitMix64.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i as u64 + 1) as usize);
        }
    }
}
