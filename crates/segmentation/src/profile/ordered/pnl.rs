//! What an account realised: the drawdown of its P&L, and how it trades after a loss.

use crate::error::Result;
use crate::profile::codec::{malformed, Reader, Sink};
use crate::profile::money;
use crate::statistics::drawdown::Drawdown;

/// Realised P&L by instant. The P&L of one instant is summed before it counts, so trades at one instant have no order;
/// those of the outermost instants are kept apart because a neighbouring fragment may share them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pnl {
    /// Fills that say what they realised, and those of them that say other than zero.
    pub given: u64,
    pub closes: u64,
    first: i128,
    between: Drawdown,
    /// 0 while there is one instant only.
    last: i128,
}

impl Pnl {
    /// P&L of the fills of one instant.
    pub fn instant(given: u64, closes: u64, sum: i128) -> Self {
        Pnl { given, closes, first: sum, ..Pnl::default() }
    }

    fn count(&mut self, given: u64, closes: u64) {
        self.given = self.given.saturating_add(given);
        self.closes = self.closes.saturating_add(closes);
    }

    /// Followed by the fills of one later instant: the same as appending it. `long` as there.
    #[inline]
    pub fn push(&mut self, long: bool, given: u64, closes: u64, sum: i128) {
        self.count(given, closes);
        // Most fills realise nothing, and add nothing.
        if long && self.last != 0 {
            self.between = self.between.then(Drawdown::of(self.last));
        }
        self.last = sum;
    }

    /// Followed by `next`. `long` and `next_long` tell whether there is more than one instant in each, `shared`
    /// whether the last instant here is also the first one there.
    pub fn append(&mut self, long: bool, next: &Pnl, next_long: bool, shared: bool) {
        if !shared {
            self.push(long, next.given, next.closes, next.first);
        } else {
            self.count(next.given, next.closes);
            let end = if long { &mut self.last } else { &mut self.first };
            *end = end.saturating_add(next.first);
        }
        if next_long {
            // The instant that is now last here is no longer the last, unless it is also the first.
            if long || !shared {
                self.between = self.between.then(Drawdown::of(self.last));
            }
            self.between = self.between.then(next.between);
            self.last = next.last;
        }
    }

    /// Largest fall of the cumulated P&L from an earlier high, or from the start; money units.
    pub fn drawdown(&self) -> i128 {
        Drawdown::of(self.first).then(self.between).then(Drawdown::of(self.last)).drawdown
    }

    pub fn write(&self, long: bool, out: &mut impl Sink) {
        out.var(self.given);
        if self.given == 0 {
            return;
        }
        out.var(self.closes);
        out.signed(self.first);
        if long {
            let d = self.between;
            [self.last, d.total, d.max_prefix, d.min_prefix, d.drawdown].iter().for_each(|&v| out.signed(v));
        }
    }

    pub fn read(long: bool, r: &mut Reader) -> Result<Self> {
        let mut pnl = Pnl { given: r.var()?, ..Pnl::default() };
        if pnl.given == 0 {
            return Ok(pnl);
        }
        pnl.closes = r.var()?;
        pnl.first = r.signed()?;
        if long {
            pnl.last = r.signed()?;
            pnl.between = Drawdown {
                total: r.signed()?,
                max_prefix: r.signed()?,
                min_prefix: r.signed()?,
                drawdown: r.signed()?,
            };
        }
        let d = pnl.between;
        if pnl.closes > pnl.given
            || d.max_prefix < 0
            || d.min_prefix > 0
            || d.drawdown < 0
            || d.total > d.max_prefix
            || d.total < d.min_prefix
        {
            return Err(malformed("a drawdown is out of range"));
        }
        Ok(pnl)
    }
}

/// How much more, or less, is traded after a losing close than after a winning one. The fills of one instant count as
/// one trade, as fills of one order are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Chase {
    /// Notional of the first instant, 0 where it is not known.
    first: i128,
    /// Notional of the last instant where that was a close, negative for a loss; else 0.
    pending: i128,
    lost: Ratios,
    won: Ratios,
}

/// Logarithms of ratios, in units of 1e-12: integers, so that the sum does not depend on where a history is cut.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Ratios {
    count: u64,
    sum: i128,
}

const RATIO_UNITS: f64 = 1e12;

impl Ratios {
    fn add(&mut self, other: Ratios) {
        self.count = self.count.saturating_add(other.count);
        self.sum = self.sum.saturating_add(other.sum);
    }

    fn mean(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum as f64 / self.count as f64 / RATIO_UNITS)
    }
}

/// A close's notional, negative for a loss; 0 for what is no close.
fn pending(notional: i128, pnl: i128) -> i128 {
    match pnl {
        0 => 0,
        1.. => notional,
        _ => notional.saturating_neg(),
    }
}

impl Chase {
    /// The trades of one instant: their notional (0 where unknown) and the P&L they realised.
    pub fn instant(notional: i128, pnl: i128) -> Self {
        Chase { first: notional, pending: pending(notional, pnl), ..Chase::default() }
    }

    /// Followed by the trades of one later instant: the same as appending it.
    #[inline]
    pub fn push(&mut self, notional: i128, pnl: i128) {
        self.follow(notional);
        self.pending = pending(notional, pnl);
    }

    /// What is traded after what this ends with.
    #[inline]
    fn follow(&mut self, notional: i128) {
        if self.pending != 0 && notional > 0 {
            let ratio = libm::log(money::nearest(notional) / money::nearest(self.pending).abs());
            let one = Ratios { count: 1, sum: money::whole(ratio * RATIO_UNITS) };
            if self.pending < 0 { &mut self.lost } else { &mut self.won }.add(one);
        }
    }

    /// Followed by `next`, which begins later than this ends.
    pub fn append(&mut self, next: &Chase) {
        self.follow(next.first);
        self.lost.add(next.lost);
        self.won.add(next.won);
        self.pending = next.pending;
    }

    /// Mean ln(next trade / close) after losing closes minus that after winning ones; `None` while either is missing.
    pub fn value(&self) -> Option<f64> {
        Some(self.lost.mean()? - self.won.mean()?)
    }

    pub fn write(&self, out: &mut impl Sink) {
        out.var128(self.first.unsigned_abs());
        out.signed(self.pending);
        for ratios in [&self.lost, &self.won] {
            out.var(ratios.count);
            if ratios.count > 0 {
                out.signed(ratios.sum);
            }
        }
    }

    pub fn read(r: &mut Reader) -> Result<Self> {
        let first = i128::try_from(r.var128()?).map_err(|_| malformed("a notional is out of range"))?;
        let pending = r.signed()?;
        let mut ratios = || {
            let count = r.var()?;
            Ok(Ratios { count, sum: if count > 0 { r.signed()? } else { 0 } })
        };
        Ok(Chase { first, pending, lost: ratios()?, won: ratios()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_shared_by_two_stretches_counts_once() {
        // Instants 5, (-8 and +3), 2: cumulated 5, 0, 2. Were -8 and +3 apart, the fall would be 8 instead of 5.
        let mut a = Pnl::instant(1, 1, 5);
        a.append(false, &Pnl::instant(1, 1, -8), false, false);
        let mut b = Pnl::instant(1, 1, 3);
        b.append(false, &Pnl::instant(1, 1, 2), false, false);
        a.append(true, &b, true, true);
        assert_eq!((a.drawdown(), a.given, a.closes), (5, 4, 4));
        let mut one = Pnl::instant(1, 1, -8);
        one.append(false, &Pnl::instant(1, 1, 3), false, true);
        assert_eq!(one.drawdown(), 5);
    }

    #[test]
    fn loss_chasing_by_hand() {
        // A loss of 100 USD is followed by 200, a win of 200 by 50: ln 2 - ln(1/4) = ln 8. The last close is pending.
        let mut c = Chase::instant(100, -1);
        for (notional, pnl) in [(200, 7), (50, 0), (50, -3)] {
            c.append(&Chase::instant(notional, pnl));
        }
        assert!((c.value().unwrap() - 8f64.ln()).abs() < 2e-12);
        assert_eq!(c.pending, -50);
        assert_eq!(Chase::instant(100, -1).value(), None);
    }
}
