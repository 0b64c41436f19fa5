//! What a stretch of time says about positions, and when two stretches add up.

use crate::error::Result;
use crate::profile::codec::{malformed, Reader, Sink};
use crate::profile::ordered::ages::Ages;
use crate::profile::ordered::carried::{Carried, Mark, FLAT, UNKNOWN};

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
    pub ages: Ages,
    /// The same basis of perpetuals alone, and of that what was held over a time of funding.
    pub perpetual_closed: i128,
    pub perpetual_funded: i128,
    /// Microseconds in which a leveraged token was held.
    pub token_held: u64,
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
    /// Whether some of what was closed had lots that are not known: then neither is `closed_fifo`.
    pub lots_unknown: bool,
}

impl Figures {
    fn amounts(&mut self) -> [&mut i128; 11] {
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
            &mut self.perpetual_closed,
            &mut self.perpetual_funded,
        ]
    }

    fn counts(&mut self) -> [&mut u64; 7] {
        [
            &mut self.positions,
            &mut self.flips,
            &mut self.gains,
            &mut self.losses,
            &mut self.paper_gains,
            &mut self.paper_losses,
            &mut self.token_held,
        ]
    }

    /// Followed by `next`, which begins when this one ends, with what is open then.
    pub fn append(&mut self, mut next: Figures) {
        (self.open, self.positions) = (0, 0);
        self.lots_unknown |= next.lots_unknown;
        self.fills = self.fills.saturating_add(next.fills);
        self.ages.append(&next.ages);
        for (sum, more) in self.amounts().into_iter().zip(next.amounts()) {
            *sum = sum.saturating_add(*more);
        }
        for (sum, more) in self.counts().into_iter().zip(next.counts()) {
            *sum = sum.saturating_add(*more);
        }
    }

    /// Where nothing was open at either end, no fill means that there is nothing else.
    fn write(&self, flat: bool, out: &mut impl Sink) {
        let mut all = *self;
        // The two ways of counting what is closed agree while nothing is open: the difference is short.
        all.closed_fifo = self.closed_fifo.wrapping_sub(self.closed);
        out.var(self.fills);
        if self.fills > 0 || !flat {
            all.amounts().into_iter().for_each(|v| out.signed(*v));
            all.counts().into_iter().for_each(|v| out.var(*v));
            all.ages.write(out);
        }
    }

    fn read(flat: bool, r: &mut Reader) -> Result<Self> {
        let mut all = Figures { fills: r.var()?, ..Figures::default() };
        if all.fills > 0 || !flat {
            for v in all.amounts() {
                *v = r.signed()?;
            }
            for v in all.counts() {
                *v = r.var()?;
            }
            all.ages = Ages::read(r)?;
        }
        all.closed_fifo = all.closed_fifo.wrapping_add(all.closed);
        let negative = all.amounts().into_iter().any(|v| *v < 0);
        if (all.positions == 0 && all.open != 0)
            || negative
            || all.added_losing > all.added
            || all.sold_opening > all.sold
            || all.perpetual_funded > all.perpetual_closed
        {
            return Err(malformed("an amount of positions is out of range"));
        }
        Ok(all)
    }
}

/// The figures between two instants, and what was open at both. Their `open` and `positions` are those of the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch {
    pub figures: Figures,
    pub opening: Mark,
    pub closing: Mark,
}

/// The figures, or why they cannot be known. Two stretches add up where the second begins with what the first one leaves.
// It lies in a fragment, of which there are few.
#[allow(clippy::large_enum_variant)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Positions {
    Known(Stretch),
    /// Something was open where two stretches meet, and the second one does not know what.
    Open,
    /// Two stretches share an instant, whose fills can no longer be put in order.
    Shared,
}

/// How positions are stored; a version before the first release knew no others than the first three.
const KNOWN_FLAT: u8 = 0;
const OPEN: u8 = 1;
const SHARED: u8 = 2;
const KNOWN: u8 = 3;

/// What follows in the stored form of [`KNOWN`].
const HAS_OPENING: usize = 1;
const HAS_CLOSING: usize = 2;
const LOTS_UNKNOWN: usize = 4;

impl Positions {
    pub fn figures(&self) -> std::result::Result<&Figures, &'static str> {
        match self {
            Positions::Known(stretch) if stretch.figures.fills == 0 => Err("missing:side"),
            Positions::Known(stretch) => Ok(&stretch.figures),
            Positions::Open => Err("open_position"),
            Positions::Shared => Err("overlap"),
        }
    }

    /// Writes them with the bytes of what they leave open, where those are known.
    pub fn write(&self, carried: &[u8], out: &mut impl Sink) {
        match self {
            Positions::Known(s) if (s.opening, s.closing, s.figures.lots_unknown) == (FLAT, FLAT, false) => {
                out.u8(KNOWN_FLAT);
                s.figures.write(true, out);
            }
            Positions::Known(s) => {
                out.u8(KNOWN);
                let (opened, open) = (s.opening != FLAT, s.closing != FLAT);
                let lots = if s.figures.lots_unknown { LOTS_UNKNOWN } else { 0 };
                out.u8((usize::from(opened) * HAS_OPENING + usize::from(open) * HAS_CLOSING + lots) as u8);
                s.figures.write(false, out);
                if opened {
                    out.u64(s.opening);
                }
                if open {
                    out.var(carried.len() as u64);
                    out.put(carried);
                    if carried.is_empty() {
                        out.u64(s.closing);
                    }
                }
            }
            Positions::Open => out.u8(OPEN),
            Positions::Shared => out.u8(SHARED),
        }
    }

    /// Reads what [`Positions::write`] wrote, with the bytes of what is left open.
    pub fn read<'a>(r: &mut Reader<'a>) -> Result<(Self, &'a [u8])> {
        let nothing: &[u8] = &[];
        let (flat, flags) = match r.below(4, "the state of positions")? as u8 {
            KNOWN_FLAT => (true, 0),
            OPEN => return Ok((Positions::Open, nothing)),
            SHARED => return Ok((Positions::Shared, nothing)),
            _ => (false, r.below(8, "flags of positions")?),
        };
        let mut figures = Figures::read(flat, r)?;
        figures.lots_unknown = flags & LOTS_UNKNOWN != 0;
        let opening = if flags & HAS_OPENING != 0 { r.u64()? } else { FLAT };
        let (mut closing, mut carried) = (FLAT, nothing);
        if flags & HAS_CLOSING != 0 {
            let length = r.below(1 << 16, "a number of bytes")?;
            carried = r.take(length)?;
            closing = if carried.is_empty() { r.u64()? } else { closing_of(carried, &figures)? };
        } else if figures.positions > 0 {
            // Written before positions were carried over.
            closing = UNKNOWN;
        }
        if (closing == FLAT) != (figures.positions == 0) {
            return Err(malformed("it is not clear whether a position is open"));
        }
        Ok((Positions::Known(Stretch { figures, opening, closing }), carried))
    }
}

/// The mark of what is left open, which has to be what the figures say.
fn closing_of(carried: &[u8], figures: &Figures) -> Result<Mark> {
    let (mark, carried) = Carried::unpack(carried)?;
    let open = carried.positions.iter().fold(0, |sum, p| i128::saturating_add(sum, p.basis));
    if (open, carried.positions.len() as u64) != (figures.open, figures.positions) {
        return Err(malformed("carried positions are not those of the figures"));
    }
    Ok(mark)
}
