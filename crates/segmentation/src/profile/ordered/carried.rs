//! Open positions as bytes: what a stretch of time leaves to the next one.
//!
//! They begin with how many fills there were since nothing was open and when the last one was, so that equal positions of
//! two accounts are told apart, and hold what [`Book`](super::book::Book) needs to go on as if nothing had been cut: quantity, largest size,
//! basis, cost, whether the last price showed a gain, and the expiry. The lots of the first-in-first-out age follow where there is
//! room for them.

use crate::error::Result;
use crate::profile::codec::{malformed, Reader, Sink};
use crate::profile::ordered::event::NEVER;
use crate::profile::symbol::{self, read_key40, write_key40};
use std::vec::Vec;

/// Most bytes of carried positions; those that take more are known by their mark alone, and cannot be gone on with.
/// 70 to 140 positions.
pub const MOST_BYTES: usize = 2750;

/// Most bytes where lots are carried, too: 40 to 60 of them.
const MOST_WITH_LOTS: usize = 1024;

/// Bounds on what is carried, far beyond any position, so that nothing overflows in what follows: amounts of one trade
/// stay below 2^97, quantities and prices below 1e30.
const LARGEST_BASIS: u128 = 1 << 112;
const LARGEST_QUANTITY: f64 = 1e38;
const LARGEST_COST: f64 = 1e31;

/// In a position's first byte: the sign of its paper gain and 1, and what follows.
const PAPER: u8 = 3;
const SHRUNK: u8 = 4;
const EXPIRING: u8 = 8;
const WHOLE_SECONDS: u8 = 16;
const TOKEN: u8 = 32;
const SECOND: i64 = 1_000_000;

/// Names what is open at an instant: [`FLAT`] for nothing, [`UNKNOWN`] for what nobody knows, else a hash.
pub type Mark = u64;
pub const FLAT: Mark = 0;
pub const UNKNOWN: Mark = u64::MAX;

/// A part of a position that was opened at one time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lot {
    pub at: i64,
    pub quantity: f64,
    pub basis: i128,
}

/// One open position.
#[derive(Clone, Debug, PartialEq)]
pub struct Position {
    /// The 40 leading bits of the instrument's hash.
    pub key: u64,
    pub quantity: f64,
    pub peak: f64,
    pub basis: i128,
    pub cost: f64,
    pub paper: i8,
    /// [`NEVER`] for none.
    pub expiry: i64,
    /// Of a leveraged token.
    pub token: bool,
    /// `None` where they were too many to carry.
    pub lots: Option<Vec<Lot>>,
}

/// What is open after a number of fills since nothing was.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Carried {
    pub fills: u64,
    /// Time of the last of them.
    pub last: i64,
    /// In the order of their keys.
    pub positions: Vec<Position>,
}

impl Carried {
    /// All but the lots.
    fn write_head(&self, out: &mut impl Sink) {
        out.var(self.fills);
        out.i64(self.last);
        out.var(self.positions.len() as u64);
        for p in &self.positions {
            write_key40(p.key, out);
            let (shrunk, expiring) = (p.peak != p.quantity.abs(), p.expiry != NEVER);
            let whole = expiring && p.expiry % SECOND == 0;
            let flag = |set: bool, flag: u8| if set { flag } else { 0 };
            let expiry = flag(expiring, EXPIRING) | flag(whole, WHOLE_SECONDS);
            out.u8((p.paper + 1) as u8 | flag(shrunk, SHRUNK) | expiry | flag(p.token, TOKEN));
            out.decimal(p.quantity);
            if shrunk {
                out.decimal(p.peak);
            }
            out.var128(p.basis.unsigned_abs());
            out.decimal(p.cost);
            if expiring {
                out.signed(i128::from(if whole { p.expiry / SECOND } else { p.expiry }));
            }
        }
    }

    fn write_lots(&self, out: &mut impl Sink) {
        for p in &self.positions {
            let Some(lots) = &p.lots else {
                out.var(0);
                continue;
            };
            out.var(1 + lots.len() as u64);
            for lot in lots {
                out.signed(i128::from(self.last) - i128::from(lot.at));
                out.decimal(lot.quantity);
                out.var128(lot.basis.unsigned_abs());
            }
        }
    }

    fn in_range(&self) -> bool {
        let amount = |v: i128| (0..LARGEST_BASIS as i128).contains(&v);
        self.positions.iter().all(|p| {
            amount(p.basis)
                && p.paper.abs() <= 1
                && p.quantity != 0.0
                && p.peak >= p.quantity.abs()
                && p.peak <= LARGEST_QUANTITY
                && p.expiry >= self.last
                && (p.cost.is_nan() || p.cost.abs() <= LARGEST_COST)
                && p.lots.iter().flatten().all(|lot| amount(lot.basis) && (0.0..=p.peak).contains(&lot.quantity))
        })
    }

    /// The mark, and the bytes unless they are more than [`MOST_BYTES`]. Lots go first where there is no room: of all
    /// positions, so that what is carried depends on nothing but what is open.
    pub fn pack(&self) -> (Mark, Option<Vec<u8>>) {
        if self.positions.is_empty() {
            return (FLAT, Some(Vec::new()));
        }
        let mut bytes = Vec::new();
        self.write_head(&mut bytes);
        let mark = mark_of(&bytes);
        if bytes.len() + 1 > MOST_BYTES || !self.in_range() {
            return (mark, None);
        }
        let head = bytes.len();
        bytes.push(1);
        self.write_lots(&mut bytes);
        if bytes.len() > MOST_WITH_LOTS || self.positions.iter().all(|p| p.lots.is_none()) {
            bytes.truncate(head);
            bytes.push(0);
        }
        (mark, Some(bytes))
    }

    /// Reads what [`Carried::pack`] gave; of no bytes, no positions.
    pub fn unpack(bytes: &[u8]) -> Result<(Mark, Carried)> {
        if bytes.is_empty() {
            return Ok((FLAT, Carried::default()));
        }
        if bytes.len() > MOST_BYTES {
            return Err(malformed("carried positions are too long"));
        }
        let mut r = Reader::new(bytes);
        let mut carried = Carried { fills: r.var()?, last: r.i64()?, positions: Vec::new() };
        let n = r.below(MOST_BYTES as u64, "a number of positions")?;
        for _ in 0..n {
            let key = read_key40(&mut r)? | 1;
            let flags = r.u8()?;
            let quantity = r.decimal()?;
            let peak = if flags & SHRUNK != 0 { r.decimal()? } else { quantity.abs() };
            let basis = amount(&mut r)?;
            let cost = r.decimal()?;
            let expiry = match flags & (EXPIRING | WHOLE_SECONDS) {
                0 => NEVER,
                unit => instant(&mut r, if unit & WHOLE_SECONDS != 0 { SECOND } else { 1 })?,
            };
            let paper = (flags & PAPER) as i8 - 1;
            if carried.positions.last().is_some_and(|p| p.key >= key) {
                return Err(malformed("positions are not in order"));
            }
            let token = flags & TOKEN != 0;
            carried.positions.push(Position { key, quantity, peak, basis, cost, paper, expiry, token, lots: None });
        }
        let mark = mark_of(&bytes[..bytes.len() - r.rest().len()]);
        if r.below(2, "a flag")? == 1 {
            let last = carried.last;
            for p in &mut carried.positions {
                p.lots = lots(&mut r, last)?;
            }
        }
        // Its only form, and within range.
        if n == 0 || carried.fills == 0 || carried.pack().1.as_deref() != Some(bytes) {
            return Err(malformed("a carried position is out of range"));
        }
        Ok((mark, carried))
    }
}

fn lots(r: &mut Reader, last: i64) -> Result<Option<Vec<Lot>>> {
    let n = r.below(MOST_BYTES as u64, "a number of lots")?;
    let Some(n) = n.checked_sub(1) else { return Ok(None) };
    let mut lots = Vec::new();
    for _ in 0..n {
        let at = i128::from(last).checked_sub(r.signed()?).and_then(|at| i64::try_from(at).ok());
        let at = at.ok_or_else(|| malformed("the time of a lot is out of range"))?;
        lots.push(Lot { at, quantity: r.decimal()?, basis: amount(r)? });
    }
    Ok(Some(lots))
}

fn instant(r: &mut Reader, unit: i64) -> Result<i64> {
    let at = r.signed()?.checked_mul(i128::from(unit)).and_then(|at| i64::try_from(at).ok());
    at.ok_or_else(|| malformed("an expiry is out of range"))
}

fn amount(r: &mut Reader) -> Result<i128> {
    i128::try_from(r.var128()?).map_err(|_| malformed("an amount is out of range"))
}

/// Neither [`FLAT`] nor [`UNKNOWN`].
fn mark_of(head: &[u8]) -> Mark {
    symbol::hash(head).clamp(FLAT + 1, UNKNOWN - 1)
}
