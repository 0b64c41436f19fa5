//! A fill as the profile keeps it: a trade whose texts are hashes, whose kind is a code, and that passed the checks.

use crate::error::Result;
use crate::profile::codec::{malformed, Reader, Sink};
use crate::profile::money;
use crate::profile::symbol;
use crate::profile::trade::{self, Head, Mark, Num, Text, NUMS, TEXTS};

/// Kind of instrument. `Other` is any kind given that is none of the five.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Kind {
    Spot,
    Future,
    Perpetual,
    Option,
    LeveragedToken,
    Other,
}
pub const KINDS: usize = 6;

/// The kind a venue's word means, in any case; words not listed are [`Kind::Other`].
pub fn parse_kind(text: &[u8]) -> Kind {
    let is = |words: &[&str]| words.iter().any(|w| text.trim_ascii().eq_ignore_ascii_case(w.as_bytes()));
    if is(&["spot"]) {
        Kind::Spot
    } else if is(&["perpetual", "perp", "swap", "perpetual_future"]) {
        Kind::Perpetual
    } else if is(&["option", "options"]) {
        Kind::Option
    } else if is(&["future", "futures", "dated_future"]) {
        Kind::Future
    } else if is(&["leveraged_token", "leveraged token", "leveraged-token"]) {
        Kind::LeveragedToken
    } else {
        Kind::Other
    }
}

/// Why a trade is not counted. The order is that of the counters in a profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Rejection {
    /// No time, or an infinite one.
    Time,
    /// A quantity below zero, NaN or infinite.
    Quantity,
    /// Another number that is NaN or infinite.
    Number,
    /// A notional or a fee beyond [`money::LIMIT_USD`].
    TooLarge,
}
pub const REJECTIONS: usize = 4;
/// What each counter is called in reports.
pub const REJECTION_NAMES: [&str; REJECTIONS] =
    ["no finite time", "quantity negative or not finite", "a number not finite", "amount beyond 1e20 USD"];

/// Marks of a fill: those of a trade in the low bits, above them 1 + the kind (0 where no kind was given).
const KIND_SHIFT: u16 = 12;
const MARKS_LIMIT: u64 = ((KINDS as u64) + 1) << KIND_SHIFT;

/// A checked fill. Times are finite, numbers are finite, `present` tells which fields are set.
#[derive(Clone, Copy, Debug)]
pub struct Fill {
    pub at: i64,
    pub present: u32,
    pub marks: u16,
    pub nums: [f64; NUMS],
    pub symbols: [u64; TEXTS],
}

impl Default for Fill {
    fn default() -> Self {
        Fill { at: 0, present: 0, marks: 0, nums: [0.0; NUMS], symbols: [0; TEXTS] }
    }
}

impl Fill {
    /// Reads and checks the bytes of a trade (see `trade.rs`). The rules are those of the documentation's table of
    /// inputs; the inner error says which one rejects it. An outer error means bytes that are no trade.
    ///
    /// This runs once a row, so it goes straight from bytes to fill: texts are hashed where they lie.
    pub fn of_trade(bytes: &[u8]) -> Result<Result<Fill, Rejection>> {
        let mut r = Reader::new(bytes);
        let head = Head::read(&mut r)?;
        let Some(at) = head.executed_at.filter(|&t| t != i64::MAX) else { return Ok(Err(Rejection::Time)) };
        let mut fill = Fill { at, present: head.present, marks: head.marks, ..Fill::default() };
        let mut bits = head.present;
        while bits != 0 {
            let i = bits.trailing_zeros() as usize;
            bits &= bits - 1;
            if i < NUMS {
                let value = r.f64()?;
                if !value.is_finite() || (i == Num::Quantity as usize && value < 0.0) {
                    // Quantity is the first number, so it is judged before the others.
                    let quantity = i == Num::Quantity as usize;
                    return Ok(Err(if quantity { Rejection::Quantity } else { Rejection::Number }));
                }
                // -0 and 0 are equal but not byte-equal.
                fill.nums[i] = value + 0.0;
                continue;
            }
            let text = trade::read_text(&mut r)?;
            if i - NUMS == Text::Kind as usize {
                fill.marks |= (parse_kind(text) as u16 + 1) << KIND_SHIFT;
                fill.present &= !(1 << i);
            } else {
                fill.symbols[i - NUMS] = symbol::hash(text);
            }
        }
        let beyond = |usd: f64| !money::within_limit(usd);
        if fill.notional_usd().is_some_and(beyond) || fill.num(Num::FeeUsd).is_some_and(beyond) {
            return Ok(Err(Rejection::TooLarge));
        }
        Ok(Ok(fill))
    }

    pub fn num(&self, field: Num) -> Option<f64> {
        (self.present & (1 << field as usize) != 0).then_some(self.nums[field as usize])
    }

    pub fn symbol(&self, field: Text) -> Option<u64> {
        (self.present & (1 << (NUMS + field as usize)) != 0).then_some(self.symbols[field as usize])
    }

    pub fn mark(&self, mark: Mark) -> Option<bool> {
        trade::mark(self.marks, mark)
    }

    /// The kind as an index below [`KINDS`]; `None` where the trade gave none.
    pub fn kind(&self) -> Option<usize> {
        usize::from(self.marks >> KIND_SHIFT).checked_sub(1)
    }

    /// Absolute USD notional: `notional_usd` where given; else, with multiplier c (1 where not given), q·c·S for an
    /// option (S the price of the underlying), q·c for an inverse contract (its face is in USD), q·c·p otherwise.
    /// `None` where a factor is missing: the strike or the premium never stands in for S.
    pub fn notional_usd(&self) -> Option<f64> {
        if let Some(n) = self.num(Num::NotionalUsd) {
            return Some(n.abs());
        }
        let face = self.num(Num::Quantity)? * self.num(Num::ContractSize).unwrap_or(1.0);
        if self.kind() == Some(Kind::Option as usize) {
            return Some((face * self.num(Num::UnderlyingPrice)?).abs());
        }
        if self.mark(Mark::Inverse) == Some(true) {
            return Some(face.abs());
        }
        Some((face * self.num(Num::Price)?).abs())
    }

    /// Hash of what concentration is measured over: the underlying, or the instrument where none was given.
    pub fn underlying(&self) -> Option<u64> {
        self.symbol(Text::Underlying).or_else(|| self.symbol(Text::Instrument))
    }

    /// Bytes that [`Fill::write`] writes.
    pub fn size(&self) -> usize {
        14 + 8 * self.present.count_ones() as usize
    }

    /// The same for the record that `bytes` begin with.
    pub fn size_of_record(bytes: &[u8]) -> usize {
        let present = bytes.iter().take(4).map(|b| b.count_ones()).sum::<u32>();
        14 + 8 * present as usize
    }

    /// Writes the fill as working bytes; [`Fill::read`] reads them back.
    pub fn write(&self, out: &mut impl Sink) {
        out.put(&self.present.to_le_bytes());
        out.put(&self.marks.to_le_bytes());
        out.i64(self.at);
        let mut bits = self.present;
        while bits != 0 {
            let i = bits.trailing_zeros() as usize;
            bits &= bits - 1;
            if i < NUMS {
                out.f64(self.nums[i]);
            } else {
                out.u64(self.symbols[i - NUMS]);
            }
        }
    }

    pub fn read(r: &mut Reader) -> Result<Fill> {
        let head = r.take(6)?;
        let mut fill = Fill {
            present: u32::from_le_bytes([head[0], head[1], head[2], head[3]]),
            marks: u16::from_le_bytes([head[4], head[5]]),
            at: r.i64()?,
            ..Fill::default()
        };
        if fill.at == i64::MIN || fill.at == i64::MAX {
            return Err(malformed("a time is infinite"));
        }
        fill.read_fields(|r| r.u64(), r)?;
        Ok(fill)
    }

    /// Reads the present fields; `symbol` reads one symbol, inline or through a dictionary.
    pub fn read_fields<'a>(
        &mut self,
        mut symbol: impl FnMut(&mut Reader<'a>) -> Result<u64>,
        r: &mut Reader<'a>,
    ) -> Result<()> {
        if self.present >> (NUMS + TEXTS) != 0 || u64::from(self.marks) >= MARKS_LIMIT {
            return Err(malformed("a fill has unknown fields"));
        }
        let mut bits = self.present;
        while bits != 0 {
            let i = bits.trailing_zeros() as usize;
            bits &= bits - 1;
            if i < NUMS {
                self.nums[i] = r.f64()?;
                if !self.nums[i].is_finite() {
                    return Err(malformed("a fill has a number that is not finite"));
                }
            } else {
                self.symbols[i - NUMS] = symbol(r)?;
            }
        }
        if self.notional_usd().is_some_and(|n| n > money::LIMIT_USD)
            || self.num(Num::FeeUsd).is_some_and(|f| f.abs() > money::LIMIT_USD)
        {
            return Err(malformed("a fill has an amount beyond the limit"));
        }
        Ok(())
    }
}
