//! States that need the order of time (class O): gaps between trades, P&L in its course, positions.
//!
//! Parallel workers and late rows deliver trades in no order. So while a profile is being aggregated the events are
//! only collected ([`Log`]); the final function sorts them and folds them into one [`Fragment`]. Fragments of profiles
//! that were stored are kept apart until then too. Fragments that do not overlap in time fold exactly; overlapping ones
//! cannot (the trades inside are gone), and the state becomes [`Ordered::Overlap`]: its features are NULL with the
//! reason `overlap` until the profile is rebuilt from trades. It never answers with a wrong number.
//!
//! Trades at the same microsecond are one event for gaps, P&L and loss chasing, as fills of one order are. For
//! positions they are taken one after the other in an order that depends only on what they say, purchases first.
//!
//! Positions are carried over: a fragment knows what was open at its beginning, by a mark, and at its end, and fragments
//! add up where the two agree. Profiles that are made in the course of an account's days take what they begin with from
//! the day before ([`Openings`]); any other begins with nothing open.
//!
//! Two fragments may meet in one instant. Gaps and P&L take it as one; positions and loss chasing would need to know
//! which fills were whose, and become unknown.

mod ages;
mod book;
mod carried;
mod event;
mod fold;
mod gaps;
mod log;
mod openings;
mod pnl;
mod positions;
#[cfg(test)]
mod tests;

use crate::error::Result;
use crate::profile::codec::{malformed, Reader, Sink};
use crate::profile::money;
pub use carried::{FLAT, UNKNOWN};
pub use event::{Class, Event};
pub use fold::Closing;
use gaps::Gaps;
pub use log::{Log, LOG_LIMIT};
pub use openings::{Claim, Openings};
use pnl::{Chase, Pnl};
use positions::{Figures, Positions};

/// A stretch of time whose events are folded. Every sum is an integer, so folding is associative to the bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fragment {
    first: i64,
    gaps: Gaps,
    pnl: Pnl,
    /// `None` once two fragments met in one instant.
    chase: Option<Chase>,
    positions: Positions,
}

impl Fragment {
    /// Fills of one instant, of which there is at least one, but for their positions.
    fn instant(events: &[Event]) -> Self {
        let Instant { given, closes, pnl, notional } = Instant::of(events);
        Fragment {
            first: events[0].at,
            gaps: Gaps::default(),
            pnl: Pnl::instant(given, closes, pnl),
            chase: Some(Chase::instant(notional, pnl)),
            positions: Positions::Open,
        }
    }

    /// Followed by the fills of one instant that is later than all here: the same as appending the fragment of it.
    fn push(&mut self, events: &[Event]) {
        let Instant { given, closes, pnl, notional } = Instant::of(events);
        let gap = events[0].at.abs_diff(self.last());
        self.pnl.push(self.gaps.count > 0, given, closes, pnl);
        if let Some(chase) = &mut self.chase {
            chase.push(notional, pnl);
        }
        self.gaps.push(gap);
    }

    /// Time of the last event.
    fn last(&self) -> i64 {
        self.first.saturating_add_unsigned(self.gaps.sum)
    }

    /// Time of the first and of the last event.
    fn ends(&self) -> (i64, i64) {
        (self.first, self.last())
    }

    pub fn positions_known(&self) -> bool {
        matches!(self.positions, Positions::Known(_))
    }

    /// Followed by `next`, but for its positions; `false`, and nothing done, where they overlap.
    fn append(&mut self, next: &Fragment) -> bool {
        if next.first < self.last() {
            return false;
        }
        let gap = next.first.abs_diff(self.last());
        let shared = gap == 0;
        self.pnl.append(self.gaps.count > 0, &next.pnl, next.gaps.count > 0, shared);
        match (&mut self.chase, &next.chase) {
            (Some(chase), Some(next)) if !shared => chase.append(next),
            _ => self.chase = None,
        }
        if !shared {
            self.gaps.push(gap);
        }
        self.gaps.append(&next.gaps);
        true
    }

    /// Writes it, with the bytes of what it leaves open where those are known.
    fn write(&self, carried: &[u8], out: &mut impl Sink) {
        out.i64(self.first);
        self.gaps.write(out);
        self.pnl.write(self.gaps.count > 0, out);
        out.u8(u8::from(self.chase.is_some()));
        if let Some(chase) = &self.chase {
            chase.write(out);
        }
        self.positions.write(carried, out);
    }

    /// Reads what [`Fragment::write`] wrote.
    fn read<'a>(r: &mut Reader<'a>) -> Result<(Self, &'a [u8])> {
        let first = r.i64()?;
        let gaps = Gaps::read(r)?;
        if first.checked_add_unsigned(gaps.sum).is_none() {
            return Err(malformed("a fragment ends out of range"));
        }
        let pnl = Pnl::read(gaps.count > 0, r)?;
        let chase = if r.below(2, "a flag")? == 1 { Some(Chase::read(r)?) } else { None };
        let (positions, carried) = Positions::read(r)?;
        Ok((Fragment { first, gaps, pnl, chase, positions }, carried))
    }
}

/// What the fills of one instant say together.
struct Instant {
    /// Fills that say what they realised, and those of them that say other than zero.
    given: u64,
    closes: u64,
    pnl: i128,
    notional: i128,
}

impl Instant {
    #[inline]
    fn of(events: &[Event]) -> Self {
        let mut all = Instant { given: 0, closes: 0, pnl: 0, notional: 0 };
        for event in events {
            all.given += u64::from(event.pnl.is_some());
            all.closes += u64::from(event.pnl.is_some_and(|p| p != 0));
            all.pnl = all.pnl.saturating_add(event.pnl.unwrap_or(0));
            all.notional = all.notional.saturating_add(event.notional.unwrap_or(0));
        }
        all
    }
}

/// What is known about the order of an account's trades.
// There is one at a time, on the stack.
#[allow(clippy::large_enum_variant)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ordered {
    Whole(Fragment),
    Overlap,
}

/// A feature, or the reason why it is NULL.
pub type Value = std::result::Result<f64, &'static str>;

/// Gaps needed for their distribution to mean anything.
const MIN_GAPS: u64 = 10;

const MICROSECONDS_PER_HOUR: f64 = 3.6e9;

/// NULL for every feature: `overlap`. For those of positions: `missing:side` where no fill has an instrument, a side, a
/// quantity and a notional; `open_position` where profiles were merged of which a later one does not begin with what is open
/// then.
impl Ordered {
    fn fragment(&self) -> std::result::Result<&Fragment, &'static str> {
        match self {
            Ordered::Whole(fragment) => Ok(fragment),
            Ordered::Overlap => Err("overlap"),
        }
    }

    fn positions(&self) -> std::result::Result<&Figures, &'static str> {
        self.fragment()?.positions.figures()
    }

    fn gaps(&self) -> std::result::Result<&Gaps, &'static str> {
        let gaps = &self.fragment()?.gaps;
        if gaps.count < MIN_GAPS {
            return Err("too_few_trades");
        }
        Ok(gaps)
    }

    /// Finite-size burstiness of the gaps between trades, -1 to 1 (Kim and Jo 2016). `too_few_trades` below 10 gaps.
    pub fn burstiness(&self) -> Value {
        Ok(self.gaps()?.burstiness())
    }

    /// Correlation of a gap with the next one, -1 to 1 (Goh and Barabási 2008). `too_few_trades` below 10 gaps,
    /// `undefined` where the gaps are all equal.
    pub fn memory(&self) -> Value {
        self.gaps()?.memory().ok_or("undefined")
    }

    /// Hours a position is held: its basis integrated over time / basis closed (Little's law). `no_closes`.
    pub fn holding_hours(&self) -> Value {
        let f = self.positions()?;
        Ok(money::ratio(f.held, f.closed).ok_or("no_closes")? / MICROSECONDS_PER_HOUR)
    }

    /// Mean age in hours of what is closed, first in first out, weighted by its cost. `no_closes`; `open_position` also where
    /// there were too many lots to carry over from one profile to the next.
    pub fn holding_hours_fifo(&self) -> Value {
        let f = self.positions()?;
        if f.lots_unknown {
            return Err("open_position");
        }
        Ok(money::ratio(f.aged, f.closed_fifo).ok_or("no_closes")? / MICROSECONDS_PER_HOUR)
    }

    /// Median age in hours of what is closed, first in first out, weighted by its cost: within the half octave that it lies
    /// in. Reasons as for the mean.
    pub fn holding_hours_fifo_median(&self) -> Value {
        let f = self.positions()?;
        if f.lots_unknown {
            return Err("open_position");
        }
        Ok(f.ages.median().ok_or("no_closes")? / MICROSECONDS_PER_HOUR)
    }

    /// Share of the closed basis of perpetuals that was held over a time at which funding is paid. `no_closes`;
    /// `open_position` as for ages.
    pub fn funding_share(&self) -> Value {
        let f = self.positions()?;
        if f.lots_unknown {
            return Err("open_position");
        }
        money::ratio(f.perpetual_funded, f.perpetual_closed).ok_or("no_closes")
    }

    /// Share of the time between first and last fill in which a leveraged token was held. `too_few_trades` where there is
    /// no time between them.
    pub fn leveraged_token_time(&self) -> Value {
        let held = self.positions()?.token_held;
        money::ratio(i128::from(held), i128::from(self.fragment()?.gaps.sum)).ok_or("too_few_trades")
    }

    /// Basis still open at the last fill / basis open at first or opened since. `zero_volume`.
    pub fn open_share(&self) -> Value {
        let f = self.positions()?;
        money::ratio(f.open, f.open.saturating_add(f.closed)).ok_or("zero_volume")
    }

    /// Fills that turn a long position into a short one or the reverse.
    pub fn position_flips(&self) -> Value {
        Ok(self.positions()?.flips as f64)
    }

    /// Share of the notional added to open positions that was added at a losing price. `zero_volume`: nothing added.
    pub fn adding_to_losers(&self) -> Value {
        let f = self.positions()?;
        money::ratio(f.added_losing, f.added).ok_or("zero_volume")
    }

    /// Share of the notional of options sold that opens or increases a short position. `zero_volume`: none sold.
    pub fn short_options_opened(&self) -> Value {
        let f = self.positions()?;
        money::ratio(f.sold_opening, f.sold).ok_or("zero_volume")
    }

    /// Disposition effect, -1 to 1: share of gains that are realised - share of losses that are (Odean 1998).
    /// `no_closes` without a close at a gain or a loss, `undefined` where there never was a gain, or never a loss.
    pub fn disposition(&self) -> Value {
        let f = self.positions()?;
        if f.gains == 0 && f.losses == 0 {
            return Err("no_closes");
        }
        let share = |realised: u64, paper: u64| {
            money::ratio(i128::from(realised), i128::from(realised) + i128::from(paper)).ok_or("undefined")
        };
        Ok(share(f.gains, f.paper_gains)? - share(f.losses, f.paper_losses)?)
    }

    /// Mean ln(notional of the next trade / of the close) after losing closes minus that after winning ones.
    /// `missing:realised_pnl_usd`; `no_closes` while there is not one of each with a trade after it; `overlap` also
    /// where profiles were merged that share an instant.
    pub fn loss_chasing(&self) -> Value {
        self.pnl()?;
        self.fragment()?.chase.as_ref().ok_or("overlap")?.value().ok_or("no_closes")
    }

    /// Largest fall of the cumulated realised P&L, USD. `missing:realised_pnl_usd`.
    pub fn pnl_drawdown_usd(&self) -> Value {
        Ok(money::to_usd(self.pnl()?.drawdown()))
    }

    fn pnl(&self) -> std::result::Result<&Pnl, &'static str> {
        let pnl = &self.fragment()?.pnl;
        if pnl.given == 0 {
            return Err("missing:realised_pnl_usd");
        }
        Ok(pnl)
    }
}
