//! What a stretch of time says about positions, and when two stretches add up.

use crate::error::Result;
use crate::profile::codec::{malformed, Reader, Sink};

/// Sums over the position-taking of an account, all of them integers: amounts in money units at cost, times in
/// microseconds. They saturate, far beyond any history of trades.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Fills with an instrument, a side, a quantity and a notional. Only these count here.
    pub fills: u64,
    /// Basis of the open positions, integrated over time.
    pub held: i128,
    /// Basis closed, at average cost, and basis still open at the end.
    pub closed: i128,
    pub open: i128,
    /// Positions still open at the end: the basis alone does not tell, as a fill may be worth nothing.
    pub positions: u64,
    /// Basis closed first in, first out, and the same times its age.
    pub closed_fifo: i128,
    pub aged: i128,
    /// Times that a position went through zero to the other side in one fill.
    pub flips: u64,
    /// Notional of fills that increase a position, and of those of them at a losing price.
    pub added: i128,
    pub added_losing: i128,
    /// Notional of sales of options, and of what of them opens or increases a short position.
    pub sold: i128,
    pub sold_opening: i128,
    /// Closing fills that realise a gain, and a loss; and the other open positions at such times that show one.
    pub gains: u64,
    pub losses: u64,
    pub paper_gains: u64,
    pub paper_losses: u64,
}

impl Figures {
    fn amounts(&mut self) -> [&mut i128; 9] {
        [
            &mut self.held,
            &mut self.closed,
            &mut self.open,
            &mut self.closed_fifo,
            &mut self.aged,
            &mut self.added,
            &mut self.added_losing,
            &mut self.sold,
            &mut self.sold_opening,
        ]
    }

    fn counts(&mut self) -> [&mut u64; 6] {
        [
            &mut self.positions,
            &mut self.flips,
            &mut self.gains,
            &mut self.losses,
            &mut self.paper_gains,
            &mut self.paper_losses,
        ]
    }

    fn add(&mut self, mut next: Figures) {
        self.fills = self.fills.saturating_add(next.fills);
        for (sum, more) in self.amounts().into_iter().zip(next.amounts()) {
            *sum = sum.saturating_add(*more);
        }
        for (sum, more) in self.counts().into_iter().zip(next.counts()) {
            *sum = sum.saturating_add(*more);
        }
    }

    fn write(&self, out: &mut impl Sink) {
        let mut all = *self;
        // The two ways of counting what is closed agree while nothing is open: the difference is short.
        all.closed_fifo = self.closed_fifo.wrapping_sub(self.closed);
        out.var(self.fills);
        if self.fills > 0 {
            all.amounts().into_iter().for_each(|v| out.signed(*v));
            all.counts().into_iter().for_each(|v| out.var(*v));
        }
    }

    fn read(r: &mut Reader) -> Result<Self> {
        let mut all = Figures { fills: r.var()?, ..Figures::default() };
        if all.fills > 0 {
            for v in all.amounts() {
                *v = r.signed()?;
            }
            for v in all.counts() {
                *v = r.var()?;
            }
        }
        all.closed_fifo = all.closed_fifo.wrapping_add(all.closed);
        let negative = all.amounts().into_iter().any(|v| *v < 0);
        if (all.positions == 0 && all.open != 0)
            || negative
            || all.added_losing > all.added
            || all.sold_opening > all.sold
        {
            return Err(malformed("an amount of positions is out of range"));
        }
        Ok(all)
    }
}

/// The figures, or why they cannot be known. Every stretch begins with no position; so two add up only where the first
/// also ends with none.
// It lies in a fragment, of which there are few.
#[allow(clippy::large_enum_variant)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Positions {
    Known(Figures),
    /// Something was open where two stretches meet.
    Open,
    /// Two stretches share an instant, whose fills can no longer be put in order.
    Shared,
}

impl Positions {
    /// Followed by `next`. Which reason wins depends on what is joined, not in which order it is.
    pub fn append(&mut self, next: &Positions, shared: bool) {
        *self = match (*self, *next) {
            _ if shared => Positions::Shared,
            (Positions::Shared, _) | (_, Positions::Shared) => Positions::Shared,
            (Positions::Known(mut sum), Positions::Known(figures)) if sum.positions == 0 => {
                sum.add(figures);
                Positions::Known(sum)
            }
            _ => Positions::Open,
        }
    }

    pub fn figures(&self) -> std::result::Result<&Figures, &'static str> {
        match self {
            Positions::Known(figures) if figures.fills == 0 => Err("missing:side"),
            Positions::Known(figures) => Ok(figures),
            Positions::Open => Err("open_position"),
            Positions::Shared => Err("overlap"),
        }
    }

    pub fn write(&self, out: &mut impl Sink) {
        match self {
            Positions::Known(figures) => {
                out.u8(0);
                figures.write(out);
            }
            Positions::Open => out.u8(1),
            Positions::Shared => out.u8(2),
        }
    }

    pub fn read(r: &mut Reader) -> Result<Self> {
        Ok(match r.below(3, "the state of positions")? {
            0 => Positions::Known(Figures::read(r)?),
            1 => Positions::Open,
            _ => Positions::Shared,
        })
    }
}
