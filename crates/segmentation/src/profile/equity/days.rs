//! The last days of an account's equity, for its daily returns: of each UTC day the last equity (class M) and the sums
//! of the flows (class G).
//!
//! A day's numbers are kept coarsely enough to be small and finely enough not to matter: instants to 5.4 ms (of two
//! snapshots within that, the one with the larger number wins), equity in cents with 33 leading bits (exact up to
//! 85 million USD, and to 1.2e-10 of it above), flows in cents, returns of the market in units of 1e-6 up to ±8.

use crate::error::Result;
use crate::profile::codec::{malformed, Reader, Sink};
use crate::profile::days::{day_of, DAY};
use crate::profile::snapshot::{Field, Snapshot};
use allocator_api2::alloc::Allocator;
use allocator_api2::vec::Vec;

/// Days kept, counted back from the day of the last snapshot: enough for 100 returns.
pub const KEPT_DAYS: i32 = 112;

/// Largest sum of all |flows| of an account in cents, about 700 billion USD. It bounds every sum of a day. Beyond it
/// there are no days and no returns.
const FLOWS_LIMIT: u128 = 1 << 46;

const TICK: i64 = 5_400;
const EQUITY_BITS: u32 = 33;
const MARKET_LIMIT: f64 = 8.0;
const MARKET_UNITS: f64 = 1e6;

/// The last snapshot of a day that carries equity; all 0 where there is none. Its order decides between two.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Last {
    tick: u64,
    /// 1 + the code of the equity.
    equity: u64,
    /// 1 + the code of the return, 0 where it was not given.
    markets: [u64; 2],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Day {
    day: i32,
    last: Last,
    /// Σ flow, and Σ flow · share of the day that is left, in cents.
    flow: i64,
    weighted: i64,
}

/// One day's return and those of the markets, where the last snapshot of the day gave them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DayReturn {
    /// Days since 2000-01-01.
    pub day: i32,
    pub r: f64,
    pub market: Option<f64>,
    pub second: Option<f64>,
}

pub struct Days<A: Allocator + Clone> {
    /// Day of the last snapshot, whatever it carries; `i32::MIN` before the first.
    newest: i32,
    /// Σ |flow| of all snapshots, in cents.
    flows: u128,
    days: Vec<Day, A>,
}

fn zigzag(v: i64) -> u64 {
    ((v << 1) ^ (v >> 63)) as u64
}

fn unzigzag(v: u64) -> i64 {
    (v >> 1) as i64 ^ -((v & 1) as i64)
}

/// A tiny float of cents: bits below the leading 33 (the exponent), those 33, sign; small for small amounts.
fn equity_code(usd: f64) -> u64 {
    let cents = libm::rint(usd * 100.0) as i128;
    let size = cents.unsigned_abs();
    let mut shift = (u128::BITS - size.leading_zeros()).saturating_sub(EQUITY_BITS);
    let mut leading = if shift == 0 { size } else { (size + (1 << (shift - 1))) >> shift };
    if leading >> EQUITY_BITS != 0 {
        leading >>= 1;
        shift += 1;
    }
    (u64::from(shift) << EQUITY_BITS | leading as u64) << 1 | u64::from(cents < 0)
}

/// Equity in cents; `None` for a code that [`equity_code`] does not give.
fn equity_of(code: u64) -> Option<i128> {
    let (shift, leading) = (code >> (EQUITY_BITS + 1), code >> 1 & ((1 << EQUITY_BITS) - 1));
    // 41 bits more reach 1e20 USD.
    if shift > 41 || (shift > 0 && leading >> (EQUITY_BITS - 1) == 0) || code == 1 {
        return None;
    }
    let size = i128::from(leading) << shift;
    Some(if code & 1 == 1 { -size } else { size })
}

fn market_code(r: f64) -> u64 {
    1 + zigzag(libm::rint(r.clamp(-MARKET_LIMIT, MARKET_LIMIT) * MARKET_UNITS) as i64)
}

fn market_of(code: u64) -> Option<f64> {
    Some(unzigzag(code.checked_sub(1)?) as f64 / MARKET_UNITS)
}

impl Last {
    fn is_valid(&self) -> bool {
        if self.equity == 0 {
            return *self == Last::default();
        }
        let most = 1 + zigzag(-(MARKET_LIMIT * MARKET_UNITS) as i64).max(zigzag((MARKET_LIMIT * MARKET_UNITS) as i64));
        self.tick <= (DAY / TICK) as u64
            && equity_of(self.equity - 1).is_some()
            && self.markets.iter().all(|&m| m <= most)
    }

    fn equity(&self) -> Option<i128> {
        equity_of(self.equity.checked_sub(1)?)
    }
}

impl<A: Allocator + Clone> Days<A> {
    pub fn new(alloc: A) -> Self {
        Days { newest: i32::MIN, flows: 0, days: Vec::new_in(alloc) }
    }

    pub fn add(&mut self, at: i64, s: &Snapshot) {
        let day = day_of(at);
        let in_day = at.rem_euclid(DAY);
        let flow = s.get(Field::FlowUsd);
        let cents = flow.map_or(0.0, |f| f * 100.0);
        let left = (DAY - in_day) as f64 / DAY as f64;
        let mut next = Day {
            day,
            last: Last::default(),
            flow: libm::rint(cents) as i64,
            weighted: libm::rint(cents * left) as i64,
        };
        if let Some(equity) = s.get(Field::EquityUsd) {
            next.last = Last {
                tick: (in_day / TICK) as u64,
                equity: 1 + equity_code(equity),
                markets: [Field::MarketReturn, Field::SecondMarketReturn].map(|f| s.get(f).map_or(0, market_code)),
            };
        }
        self.advance(day, u128::from(next.flow.unsigned_abs()));
        if flow.is_some() || next.last.equity > 0 {
            self.merge(next);
        }
    }

    /// Takes note of a last day and of more flows; drops what is then not kept any longer.
    fn advance(&mut self, newest: i32, flows: u128) {
        self.newest = self.newest.max(newest);
        self.flows = self.flows.saturating_add(flows);
        if self.flows > FLOWS_LIMIT {
            self.days.clear();
        }
        let oldest = self.oldest();
        let outdated = self.days.partition_point(|d| d.day < oldest);
        self.days.drain(..outdated);
    }

    fn oldest(&self) -> i32 {
        self.newest.saturating_sub(KEPT_DAYS - 1)
    }

    fn merge(&mut self, next: Day) {
        if self.flows > FLOWS_LIMIT || next.day < self.oldest() {
            return;
        }
        let place = self.days.partition_point(|d| d.day < next.day);
        match self.days.get_mut(place).filter(|d| d.day == next.day) {
            Some(day) => {
                day.last = day.last.max(next.last);
                day.flow += next.flow;
                day.weighted += next.weighted;
            }
            None => self.days.insert(place, next),
        }
    }

    /// Whether all flows are known; without them there are no returns.
    pub fn flows_are_known(&self) -> bool {
        self.flows <= FLOWS_LIMIT
    }

    /// Daily returns by modified Dietz, (E - E' - F) / (E' + W): of the days before that of `as_of` whose day before
    /// has equity E' too; none where E' + W is not above 0.
    pub fn returns(&self, as_of: Option<i64>) -> std::vec::Vec<DayReturn> {
        let end = as_of.map_or(i32::MAX, day_of);
        let of_pair = |pair: &[Day]| {
            let (before, day) = (&pair[0], &pair[1]);
            if before.day + 1 != day.day || day.day >= end {
                return None;
            }
            let (start, equity) = (before.last.equity()?, day.last.equity()?);
            let base = start + i128::from(day.weighted);
            let gain = equity - start - i128::from(day.flow);
            let [market, second] = day.last.markets.map(market_of);
            (base > 0).then(|| DayReturn { day: day.day, r: gain as f64 / base as f64, market, second })
        };
        self.days.windows(2).filter_map(of_pair).collect()
    }

    /// Writes Σ |flow|, then a bit for each day back from the last one, then a column a number.
    pub fn write(&self, out: &mut impl Sink) {
        out.var128(self.flows);
        out.var128(self.days.iter().fold(0, |bits, d| bits | 1 << self.newest.abs_diff(d.day)));
        self.write_column(|d| d.last.tick, out);
        self.write_column(|d| d.last.equity, out);
        self.write_column(|d| zigzag(d.flow), out);
        self.write_column(|d| zigzag(d.weighted), out);
        self.write_column(|d| d.last.markets[0], out);
        self.write_column(|d| d.last.markets[1], out);
    }

    /// A column is the bytes that its largest number needs, then all of them in that many.
    fn write_column(&self, number: impl Fn(&Day) -> u64, out: &mut impl Sink) {
        let width = width_of(self.days.iter().map(&number));
        out.u8(width as u8);
        self.days.iter().for_each(|d| out.put(&number(d).to_le_bytes()[..width]));
    }

    /// Adds what [`Days::write`] wrote, for a part whose last snapshot was at `last`.
    pub fn absorb(&mut self, last: i64, r: &mut Reader) -> Result<()> {
        let newest = day_of(last);
        let flows = r.var128()?;
        let bits = r.var128()?;
        let n = bits.count_ones() as usize;
        if bits >> KEPT_DAYS != 0 || (flows > FLOWS_LIMIT && n > 0) {
            return Err(malformed("days of equity are not among those kept"));
        }
        let mut columns = [[0u64; KEPT_DAYS as usize]; 6];
        for column in &mut columns {
            read_column(&mut column[..n], r)?;
        }
        self.advance(newest, flows);
        // Bits from the highest are days from the oldest.
        let days = (0..KEPT_DAYS).rev().filter(|i| bits >> i & 1 == 1).map(|i| newest.saturating_sub(i));
        for (i, day) in days.enumerate() {
            let [tick, equity, flow, weighted, market, second] = columns.map(|c| c[i]);
            let last = Last { tick, equity, markets: [market, second] };
            let (flow, weighted) = (unzigzag(flow), unzigzag(weighted));
            let within = |sum: i64| u128::from(sum.unsigned_abs()) <= flows;
            if !last.is_valid() || !within(flow) || !within(weighted) {
                return Err(malformed("a day of equity has a number out of range"));
            }
            self.merge(Day { day, last, flow, weighted });
        }
        Ok(())
    }
}

fn width_of(numbers: impl Iterator<Item = u64>) -> usize {
    (u64::BITS - numbers.fold(0, |all, v| all | v).leading_zeros()).div_ceil(8) as usize
}

fn read_column(column: &mut [u64], r: &mut Reader) -> Result<()> {
    let width = usize::from(r.u8()?);
    if width > 8 {
        return Err(malformed("a column is too wide"));
    }
    for number in column.iter_mut() {
        let mut bytes = [0u8; 8];
        bytes[..width].copy_from_slice(r.take(width)?);
        *number = u64::from_le_bytes(bytes);
    }
    if width != width_of(column.iter().copied()) {
        return Err(malformed("a column is wider than its numbers"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equity_is_exact_in_cents_or_close() {
        for usd in [0.0, 0.01, -0.01, 1234.56, -85_899_345.91, 85_899_345.92, 1e8 + 0.01, -3.3e15, 1e20, -1e20] {
            let code = equity_code(usd);
            let cents = equity_of(code).unwrap();
            assert!(code < 1 << 40 && (cents as f64 / 100.0 - usd).abs() <= usd.abs() * 1.2e-10, "{usd}");
            assert_eq!(equity_code(cents as f64 / 100.0), code);
            assert!(usd.abs() > 8.5e7 || cents as f64 / 100.0 == usd);
        }
        for code in [1, 1 << 40, (1 << 34) | 2, u64::MAX] {
            assert_eq!(equity_of(code), None);
        }
        for r in [0.0, -0.39, 7.999999, -8.0, 8.0] {
            let last = Last { tick: 0, equity: 1, markets: [market_code(r), 0] };
            assert!(last.is_valid() && market_code(r) < 1 << 24);
            assert_eq!(market_of(market_code(r)), Some(r));
        }
        assert_eq!((market_code(1e300), market_of(0)), (market_code(8.0), None));
        for v in [0, -1, 1, i64::MAX, i64::MIN] {
            assert_eq!(unzigzag(zigzag(v)), v);
        }
    }
}
