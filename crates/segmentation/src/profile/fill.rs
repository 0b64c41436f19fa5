//! A fill as the profile keeps it: a trade whose texts are hashes or codes, and that passed the checks.

use crate::error::Result;
use crate::profile::codec::malformed;
use crate::profile::money;
use crate::profile::symbol::{self, key40};
use crate::profile::trade::{self, with_mark, Mark, Num, Text, MARK_BITS, NUMBER_INPUTS, NUMS, SYMBOLS};

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
/// What each is called: the first of the words that mean it.
pub const KIND_NAMES: [&str; KINDS] = ["spot", "future", "perpetual", "option", "leveraged_token", "other"];

/// The kind a venue's word means, in any case; words not listed are [`Kind::Other`].
pub fn parse_kind(text: &[u8]) -> Kind {
    // Our own names first: this runs once a row.
    match text {
        b"spot" => return Kind::Spot,
        b"perpetual" => return Kind::Perpetual,
        b"option" => return Kind::Option,
        b"future" => return Kind::Future,
        b"leveraged_token" => return Kind::LeveragedToken,
        _ => (),
    }
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

/// Whether a venue's word for an order type means a stop order: it contains "stop", in any case.
fn is_stop(text: &[u8]) -> bool {
    text.windows(4).any(|w| w[0] | 0x20 == b's' && w.eq_ignore_ascii_case(b"stop"))
}

/// Whether a venue's word for a margin mode means isolated margin, in any case.
fn is_isolated(text: &[u8]) -> bool {
    let text = text.trim_ascii();
    text.eq_ignore_ascii_case(b"isolated") || text.eq_ignore_ascii_case(b"isolated_margin")
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
    /// An amount of money beyond [`money::LIMIT_USD`].
    TooLarge,
}
pub const REJECTIONS: usize = 4;
/// What each counter is called in reports.
pub const REJECTION_NAMES: [&str; REJECTIONS] =
    ["no finite time", "quantity negative or not finite", "a number not finite", "amount beyond 1e20 USD"];

/// Fields of a fill: the numbers of a trade, then the symbols that a profile keeps. One presence bit each.
pub const FIELDS: usize = NUMS + SYMBOLS;
const _: () = assert!(FIELDS == 32, "presence is a u32 of which every bit has a meaning");
pub(super) const NUM_BITS: u32 = (1 << NUMS) - 1;

/// Above the marks of a trade are codes: the kind, 0 for unknown, and the signs of two flows, 0 for unknown, then negative,
/// zero, positive.
const KIND_SHIFT: u32 = MARK_BITS;
const KIND_MASK: u32 = 7;
const OWN_FLOW_SHIFT: u32 = KIND_SHIFT + 3;
const OTHERS_FLOW_SHIFT: u32 = OWN_FLOW_SHIFT + 2;
const MARKS_LIMIT: u32 = 1 << (OTHERS_FLOW_SHIFT + 2);

fn flow(code: u32) -> Option<i8> {
    ((code & 3) as i8).checked_sub(2).filter(|&sign| sign > -2)
}

/// Amounts of money among the numbers; beyond the limit they reject a fill, and so do the flows.
const MONEY: [Num; 2] = [Num::FeeUsd, Num::RealisedPnlUsd];
/// Standardised returns; a profile keeps them as f32, and clips them when it uses them.
const RETURNS: [Num; 3] = [Num::UnderlyingReturn1h, Num::UnderlyingReturn1d, Num::UnderlyingReturn7d];
/// Only of use with an option. An expiry ends a position in whatever has one.
const OF_OPTIONS: u32 = 1 << Num::Strike as u32
    | 1 << Num::UnderlyingPrice as u32
    | 1 << Num::ImpliedVolatility as u32
    | 1 << Num::ImpliedVolatility1m as u32
    | 1 << Num::ImpliedVolatility5m as u32
    | 1 << Num::UnderlyingPrice1m as u32
    | 1 << Num::UnderlyingPrice5m as u32;

/// A checked fill. Times are finite, numbers are finite, `present` tells which fields are set.
#[derive(Clone, Copy, Debug)]
pub struct Fill {
    pub at: i64,
    pub present: u32,
    pub marks: u32,
    pub nums: [f64; NUMS],
    /// Leading 40 bits of each hash, left aligned.
    pub symbols: [u64; SYMBOLS],
}

impl Default for Fill {
    fn default() -> Self {
        Fill { at: 0, present: 0, marks: 0, nums: [0.0; NUMS], symbols: [0; SYMBOLS] }
    }
}

/// A fill while its inputs are put in. This runs once a row: each input goes straight to its place, texts are hashed where
/// they lie, and what breaks a rule is noted and looked at once, at the end.
pub struct Draft {
    fill: Fill,
    /// Which number inputs are given, and the two that are no numbers of a fill, 0 where they are not.
    given: u32,
    flows: [f64; NUMBER_INPUTS - NUMS],
}
const _: () = assert!(NUMBER_INPUTS <= 32);

impl Draft {
    /// A time of `None`, or one at either end of its range, rejects the fill.
    pub fn new(at: Option<i64>) -> Self {
        let fill = Fill { at: at.unwrap_or(i64::MIN), ..Fill::default() };
        Draft { fill, given: 0, flows: [0.0; NUMBER_INPUTS - NUMS] }
    }

    /// Adds marks of a trade.
    #[inline(always)]
    pub fn marks(&mut self, marks: u32) {
        self.fill.marks |= marks & ((1 << MARK_BITS) - 1);
    }

    /// Puts in the number input with this index in [`Num`], where it is given.
    #[inline(always)]
    pub fn number(&mut self, i: usize, given: bool, value: f64) {
        self.given |= u32::from(given) << i;
        // -0 and 0 are equal but not byte-equal.
        let value = if given { value + 0.0 } else { 0.0 };
        match i.checked_sub(NUMS) {
            None => self.fill.nums[i] = value,
            Some(flow) => self.flows[flow] = value,
        }
    }

    /// Puts in the text input with this index in [`Text`].
    #[inline(always)]
    pub fn text(&mut self, i: usize, text: Option<&[u8]>) {
        let Some(text) = text else { return };
        let fill = &mut self.fill;
        if i < SYMBOLS {
            fill.present |= 1 << (NUMS + i);
            fill.symbols[i] = key40(symbol::hash(text));
        } else if i == Text::Kind as usize {
            fill.marks |= (parse_kind(text) as u32 + 1) << KIND_SHIFT;
        } else if i == Text::OrderType as usize {
            fill.marks = with_mark(fill.marks, Mark::Stop, Some(is_stop(text)));
        } else if i == Text::ComboId as usize {
            fill.marks = with_mark(fill.marks, Mark::Leg, Some(!text.is_empty()));
        } else if i == Text::MarginMode as usize {
            fill.marks = with_mark(fill.marks, Mark::Isolated, Some(is_isolated(text)));
        }
    }

    /// The fill, or why it does not count. The rules are those of the documentation's table of inputs.
    #[inline(always)]
    pub fn finish(&mut self) -> std::result::Result<&Fill, Rejection> {
        let fill = &mut self.fill;
        if fill.at == i64::MIN || fill.at == i64::MAX {
            return Err(Rejection::Time);
        }
        if !(0.0..f64::INFINITY).contains(&fill.nums[Num::Quantity as usize]) {
            return Err(Rejection::Quantity);
        }
        // The exponents of NaN and infinity are all ones.
        const EXPONENT: u64 = 0x7FF << 52;
        let infinite = |bad: u64, v: &f64| bad | u64::from(v.to_bits() & EXPONENT == EXPONENT);
        if fill.nums.iter().fold(self.flows.iter().fold(0, infinite), infinite) != 0 {
            return Err(Rejection::Number);
        }
        fill.present |= self.given & NUM_BITS;
        let mut large = false;
        for (i, (value, shift)) in self.flows.into_iter().zip([OWN_FLOW_SHIFT, OTHERS_FLOW_SHIFT]).enumerate() {
            large |= value.abs() > money::LIMIT_USD;
            let code = u32::from(value > 0.0) + 2 - u32::from(value < 0.0);
            fill.marks |= ((self.given >> (NUMS + i) & 1) * code) << shift;
        }
        if large || fill.beyond_limit() {
            return Err(Rejection::TooLarge);
        }
        fill.tidy();
        Ok(fill)
    }
}

impl Fill {
    /// Leaves out what says nothing: factors of 1, and what an option has of a fill that is none.
    fn tidy(&mut self) {
        for factor in [Num::ContractSize, Num::QuoteUsd] {
            if self.num(factor) == Some(1.0) {
                self.present &= !(1 << factor as u32);
            }
        }
        if !self.is_option() {
            self.present &= !OF_OPTIONS;
        }
        for z in RETURNS {
            let z = &mut self.nums[z as usize];
            // What is too small for an f32 is 0, not -0.
            *z = f64::from((*z as f32).clamp(f32::MIN, f32::MAX)) + 0.0;
        }
    }

    fn beyond_limit(&self) -> bool {
        self.notional_usd().is_some_and(|n| !money::within_limit(n))
            || MONEY.iter().any(|&m| self.num(m).is_some_and(|usd| !money::within_limit(usd)))
    }

    pub fn num(&self, field: Num) -> Option<f64> {
        (self.present & (1 << field as usize) != 0).then_some(self.nums[field as usize])
    }

    /// Key of one of the first [`SYMBOLS`] texts.
    pub fn symbol(&self, field: Text) -> Option<u64> {
        (self.present & (1 << (NUMS + field as usize)) != 0).then_some(self.symbols[field as usize])
    }

    pub fn mark(&self, mark: Mark) -> Option<bool> {
        trade::mark(self.marks, mark)
    }

    /// The kind as an index below [`KINDS`]; `None` where the trade gave none.
    pub fn kind(&self) -> Option<usize> {
        ((self.marks >> KIND_SHIFT & KIND_MASK) as usize).checked_sub(1)
    }

    pub fn is_option(&self) -> bool {
        self.kind() == Some(Kind::Option as usize)
    }

    /// Sign of the account's flow in the bin of the trade.
    pub fn own_flow(&self) -> Option<i8> {
        flow(self.marks >> OWN_FLOW_SHIFT)
    }

    /// Sign of the flow of all others in it.
    pub fn others_flow(&self) -> Option<i8> {
        flow(self.marks >> OTHERS_FLOW_SHIFT)
    }

    /// +1 for a purchase, -1 for a sale.
    pub fn sign(&self) -> Option<f64> {
        self.mark(Mark::Side).map(|sell| if sell { -1.0 } else { 1.0 })
    }

    /// Quantity times contract size (1 where not given).
    pub fn face(&self) -> Option<f64> {
        Some(self.num(Num::Quantity)? * self.num(Num::ContractSize).unwrap_or(1.0))
    }

    /// Absolute USD notional: `notional_usd` where given; else, with the face f = q·c, f·S for an option (S the price of
    /// the underlying), f for an inverse contract (its face is in USD), f·p·(USD of the quote currency) otherwise.
    /// `None` where a factor is missing: the strike or the premium never stands in for S.
    pub fn notional_usd(&self) -> Option<f64> {
        if let Some(n) = self.num(Num::NotionalUsd) {
            return Some(n.abs());
        }
        let face = self.face()?;
        if self.is_option() {
            return Some((face * self.num(Num::UnderlyingPrice)?).abs());
        }
        if self.mark(Mark::Inverse) == Some(true) {
            return Some(face.abs());
        }
        Some((face * self.num(Num::Price)? * self.num(Num::QuoteUsd).unwrap_or(1.0)).abs())
    }

    /// Hash of what concentration is measured over: the underlying, or the instrument where none was given.
    pub fn underlying(&self) -> Option<u64> {
        self.symbol(Text::Underlying).or_else(|| self.symbol(Text::Instrument))
    }

    /// Checks what holds of every fill that was made from a trade, and tidies.
    pub(super) fn check(&mut self) -> Result<()> {
        if self.at == i64::MIN || self.at == i64::MAX {
            return Err(malformed("a time is infinite"));
        }
        const TWICE: u32 = 0x5_5555;
        // Both bits of a mark at once mean nothing.
        if self.marks >= MARKS_LIMIT || self.marks & (self.marks >> 1) & TWICE != 0 {
            return Err(malformed("a fill has unknown fields"));
        }
        let mut bits = self.present & NUM_BITS;
        while bits != 0 {
            let i = bits.trailing_zeros() as usize;
            bits &= bits - 1;
            if !self.nums[i].is_finite() {
                return Err(malformed("a fill has a number that is not finite"));
            }
            self.nums[i] += 0.0;
        }
        if self.beyond_limit() || self.kind().is_some_and(|k| k >= KINDS) {
            return Err(malformed("a fill has an amount beyond the limit"));
        }
        if self.num(Num::Quantity).is_some_and(|q| q < 0.0) {
            return Err(malformed("a fill has a quantity below zero"));
        }
        self.tidy();
        Ok(())
    }
}
