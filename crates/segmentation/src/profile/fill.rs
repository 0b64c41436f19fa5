//! A fill as the profile keeps it: a trade whose texts are hashes or codes, and that passed the checks.

use crate::error::Result;
use crate::profile::codec::{malformed, Reader, Sink};
use crate::profile::money;
use crate::profile::symbol::{self, key40};
use crate::profile::trade::{self, Head, Mark, Num, Text, MARK_BITS, NUMS, SYMBOLS, TEXTS};

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

/// Fields of a fill: the numbers of a trade, then the symbols that a profile keeps.
pub const FIELDS: usize = NUMS + SYMBOLS;
/// Marks of a fill: those of a trade in the low bits, above them codes of what a trade says in words.
const KIND_SHIFT: u32 = 14;
const KIND_MASK: u32 = 7;
/// 0 unknown, 1 no, 2 yes, as the marks of a trade.
const STOP_SHIFT: u32 = 17;
const COMBO_SHIFT: u32 = 19;
const MARKS_LIMIT: u32 = 1 << 21;

/// Bytes of a record before its fields: presence, marks, which numbers are short, time.
const RECORD_HEAD: usize = 4 + 3 + 3 + 8;
/// Bytes of the largest record.
pub const LARGEST_RECORD: usize = RECORD_HEAD + 8 * NUMS + SYMBOL_BYTES * SYMBOLS;
/// The same, and what the last field may be put down with too much: fields are written and read eight bytes at a time.
pub const RECORD_ROOM: usize = LARGEST_RECORD + 8;
/// A symbol is the leading 40 bits of its hash.
pub const SYMBOL_BYTES: usize = 5;
const NUM_BITS: u32 = (1 << NUMS) - 1;

/// Amounts of money among the numbers; beyond the limit they reject a fill.
const MONEY: [Num; 4] = [Num::FeeUsd, Num::RealisedPnlUsd, Num::OwnFlowUsd, Num::OthersFlowUsd];

/// Mids: near the price, so that they mostly share its leading 16 bits. Short ones leave those out.
const MIDS: u32 = 1 << Num::Mid as u32
    | 1 << Num::Mid1s as u32
    | 1 << Num::Mid10s as u32
    | 1 << Num::Mid1m as u32
    | 1 << Num::Mid5m as u32
    | 1 << Num::Mid1h as u32;
/// Standardised returns; a profile keeps them as f32, and clips them when it uses them.
const RETURNS: [Num; 3] = [Num::UnderlyingReturn1h, Num::UnderlyingReturn1d, Num::UnderlyingReturn7d];
/// Flows of the account and of the others; a profile keeps their signs, for nothing else of them counts.
const FLOWS: [Num; 2] = [Num::OwnFlowUsd, Num::OthersFlowUsd];
/// Only of use with an option. An expiry ends a position in whatever has one.
const OF_OPTIONS: u32 = 1 << Num::Strike as u32 | 1 << Num::UnderlyingPrice as u32 | 1 << Num::ImpliedVolatility as u32;

/// A checked fill. Times are finite, numbers are finite, `present` tells which fields are set.
#[derive(Clone, Copy, Debug)]
pub struct Fill {
    pub at: i64,
    pub present: u32,
    pub marks: u32,
    /// Numbers that a record holds in fewer bytes, without loss: mids, see [`MIDS`], and others that are an f32.
    pub(super) short: u32,
    pub nums: [f64; NUMS],
    /// Leading 40 bits of each hash, left aligned.
    pub symbols: [u64; SYMBOLS],
}

impl Default for Fill {
    fn default() -> Self {
        Fill { at: 0, present: 0, marks: 0, short: 0, nums: [0.0; NUMS], symbols: [0; SYMBOLS] }
    }
}

impl Fill {
    /// Reads and checks the bytes of a trade (see `trade.rs`). The rules are those of the documentation's table of
    /// inputs; the inner error says which one rejects it. An outer error means bytes that are no trade.
    ///
    /// This runs once a row, so it goes straight from bytes to fill: texts are hashed where they lie, and the fill is not
    /// moved. What it was before does not matter.
    pub fn read_trade(&mut self, bytes: &[u8]) -> Result<Result<(), Rejection>> {
        let fill = self;
        let mut r = Reader::new(bytes);
        let head = Head::read(&mut r)?;
        let Some(at) = head.executed_at.filter(|&t| t != i64::MAX) else { return Ok(Err(Rejection::Time)) };
        let present = head.present as u32 & NUM_BITS;
        fill.at = at;
        fill.present = present;
        fill.marks = u32::from(head.marks);
        let (words, _) = r.take(8 * present.count_ones() as usize)?.as_chunks::<8>();
        let (mut bits, mut infinite) = (present, 0u32);
        for &word in words {
            let i = bits.trailing_zeros();
            bits &= bits - 1;
            let value = f64::from_le_bytes(word);
            infinite |= u32::from(!value.is_finite()) << i;
            // -0 and 0 are equal but not byte-equal.
            fill.nums[i as usize] = value + 0.0;
        }
        let quantity = 1 << Num::Quantity as u32;
        if infinite & quantity != 0 || present & quantity != 0 && fill.nums[Num::Quantity as usize] < 0.0 {
            return Ok(Err(Rejection::Quantity));
        }
        if infinite != 0 {
            return Ok(Err(Rejection::Number));
        }
        let mut texts = (head.present >> NUMS) as u32;
        while texts != 0 {
            let i = texts.trailing_zeros() as usize;
            texts &= texts - 1;
            let text = trade::read_text(&mut r)?;
            if i < SYMBOLS {
                fill.present |= 1 << (NUMS + i);
                fill.symbols[i] = key40(symbol::hash(text));
            } else if i == Text::Kind as usize {
                fill.marks |= (parse_kind(text) as u32 + 1) << KIND_SHIFT;
            } else if i == Text::OrderType as usize {
                fill.marks |= if is_stop(text) { 2 } else { 1 } << STOP_SHIFT;
            } else if i == Text::ComboId as usize {
                fill.marks |= if text.is_empty() { 1 } else { 2 } << COMBO_SHIFT;
            }
        }
        const { assert!(TEXTS <= 32) };
        if fill.beyond_limit() {
            return Ok(Err(Rejection::TooLarge));
        }
        fill.shorten();
        Ok(Ok(()))
    }

    /// Leaves out what says nothing: factors of 1, what an option has of a fill that is none, sizes of flows. Then finds
    /// the numbers that fit in fewer bytes.
    fn shorten(&mut self) {
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
            *z = f64::from((*z as f32).clamp(f32::MIN, f32::MAX));
        }
        for flow in FLOWS {
            let flow = &mut self.nums[flow as usize];
            *flow = f64::from(i8::from(*flow > 0.0) - i8::from(*flow < 0.0));
        }
        self.short = 0;
        let price = self.num(Num::Price).unwrap_or(0.0).to_bits();
        let mut bits = self.present & NUM_BITS;
        while bits != 0 {
            let i = bits.trailing_zeros();
            bits &= bits - 1;
            let value = self.nums[i as usize];
            let fits = if MIDS >> i & 1 == 1 {
                (value.to_bits() ^ price) >> 48 == 0
            } else {
                f64::from(value as f32) == value
            };
            self.short |= u32::from(fits) << i;
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
        trade::mark(self.marks as u16 & MARK_BITS, mark)
    }

    /// The kind as an index below [`KINDS`]; `None` where the trade gave none.
    pub fn kind(&self) -> Option<usize> {
        ((self.marks >> KIND_SHIFT & KIND_MASK) as usize).checked_sub(1)
    }

    pub fn is_option(&self) -> bool {
        self.kind() == Some(Kind::Option as usize)
    }

    /// Whether the order was a stop order.
    pub fn is_stop(&self) -> Option<bool> {
        trade::mark((self.marks >> STOP_SHIFT) as u16 & 3, Mark::Side)
    }

    /// Whether the fill is a leg of a combination; an empty combo_id says that it is not.
    pub fn is_leg(&self) -> Option<bool> {
        trade::mark((self.marks >> COMBO_SHIFT) as u16 & 3, Mark::Side)
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

    /// Bytes that [`Fill::write`] writes.
    pub fn size(&self) -> usize {
        size_of(self.present, self.short)
    }

    /// The same for the record that `bytes` begin with.
    pub fn size_of_record(bytes: &[u8]) -> usize {
        let mut head = [0u8; 10];
        let n = bytes.len().min(head.len());
        head[..n].copy_from_slice(&bytes[..n]);
        let word = |b: [u8; 4]| u32::from_le_bytes(b);
        size_of(word([head[0], head[1], head[2], head[3]]), word([head[7], head[8], head[9], 0]))
    }

    /// Writes the fill as working bytes; [`Fill::read`] reads them back.
    pub fn write(&self, out: &mut impl Sink) {
        let mut room = [0u8; RECORD_ROOM];
        let end = self.record(&mut room);
        out.put(&room[..end]);
    }

    /// The same into the beginning of `room`; answers how many bytes it took.
    ///
    /// Each field is put down with eight bytes, of which the next one overwrites what was too much: which fields are
    /// short differs from fill to fill, and no processor foresees it.
    pub fn record(&self, room: &mut [u8; RECORD_ROOM]) -> usize {
        room[..4].copy_from_slice(&self.present.to_le_bytes());
        room[4..7].copy_from_slice(&self.marks.to_le_bytes()[..3]);
        room[7..10].copy_from_slice(&self.short.to_le_bytes()[..3]);
        room[10..RECORD_HEAD].copy_from_slice(&self.at.to_le_bytes());
        let mut end = RECORD_HEAD;
        let mut bits = self.present & NUM_BITS;
        while bits != 0 {
            let i = bits.trailing_zeros();
            bits &= bits - 1;
            let value = self.nums[i as usize];
            let (single, mid) = shortness(self.short, i);
            let word = if single { u64::from((value as f32).to_bits()) } else { value.to_bits() };
            room[end..end + 8].copy_from_slice(&word.to_le_bytes());
            end += 8 - 4 * usize::from(single) - 2 * usize::from(mid);
        }
        let mut bits = self.present >> NUMS;
        while bits != 0 {
            let i = bits.trailing_zeros() as usize;
            bits &= bits - 1;
            room[end..end + 8].copy_from_slice(&self.symbols[i].to_be_bytes());
            end += SYMBOL_BYTES;
        }
        end
    }

    /// Reads the record that `bytes` begin with, which this process wrote: nothing is checked. Answers its length; one
    /// beyond that of `bytes` says that it was no record.
    pub fn read_own(&mut self, bytes: &[u8]) -> usize {
        let mut padded = [0u8; RECORD_ROOM];
        let room = match bytes.first_chunk() {
            Some(room) => room,
            None => {
                padded[..bytes.len()].copy_from_slice(bytes);
                &padded
            }
        };
        let word = |at: usize| {
            let mut word = [0u8; 8];
            word.copy_from_slice(&room[at..at + 8]);
            word
        };
        let fill = self;
        fill.present = u64::from_le_bytes(word(0)) as u32 & (!0 >> (32 - FIELDS));
        fill.marks = u64::from_le_bytes(word(4)) as u32 & 0xFF_FFFF;
        fill.short = u64::from_le_bytes(word(7)) as u32 & 0xFF_FFFF;
        fill.at = i64::from_le_bytes(word(10));
        let (mut at, mut price) = (RECORD_HEAD, 0u64);
        let mut bits = fill.present & NUM_BITS;
        while bits != 0 {
            let i = bits.trailing_zeros();
            bits &= bits - 1;
            let whole = u64::from_le_bytes(word(at));
            let (single, mid) = shortness(fill.short, i);
            let mut value = if mid { whole & (!0 >> 16) | price & !0 << 48 } else { whole };
            if single {
                value = f64::from(f32::from_bits(whole as u32)).to_bits();
            }
            if i == Num::Price as u32 {
                price = value;
            }
            fill.nums[i as usize] = f64::from_bits(value);
            at += 8 - 4 * usize::from(single) - 2 * usize::from(mid);
        }
        let mut bits = fill.present >> NUMS;
        while bits != 0 {
            let i = bits.trailing_zeros() as usize;
            bits &= bits - 1;
            fill.symbols[i] = key40(u64::from_be_bytes(word(at)));
            at += SYMBOL_BYTES;
        }
        at
    }

    /// Reads a record that another process wrote.
    pub fn read(r: &mut Reader) -> Result<Fill> {
        let record = r.take(Fill::size_of_record(r.rest()))?;
        let mut fill = Fill::default();
        if record[3] >> (FIELDS - 24) != 0 {
            return Err(malformed("a fill has unknown fields"));
        }
        fill.read_own(record);
        fill.check()?;
        Ok(fill)
    }

    /// Reads the present fields, each number by `num` and each symbol by `key`.
    pub fn read_fields<'a>(
        &mut self,
        mut num: impl FnMut(usize, &mut Reader<'a>) -> Result<f64>,
        mut key: impl FnMut(&mut Reader<'a>) -> Result<u64>,
        r: &mut Reader<'a>,
    ) -> Result<()> {
        if self.present >> FIELDS != 0 {
            return Err(malformed("a fill has unknown fields"));
        }
        let mut bits = self.present & NUM_BITS;
        while bits != 0 {
            let i = bits.trailing_zeros() as usize;
            bits &= bits - 1;
            self.nums[i] = num(i, r)?;
        }
        let mut bits = self.present >> NUMS;
        while bits != 0 {
            let i = bits.trailing_zeros() as usize;
            bits &= bits - 1;
            self.symbols[i] = key(r)?;
        }
        self.check()
    }

    /// What holds of every fill that was made from a trade. Finds the short numbers anew.
    fn check(&mut self) -> Result<()> {
        if self.at == i64::MIN || self.at == i64::MAX {
            return Err(malformed("a time is infinite"));
        }
        if self.marks >= MARKS_LIMIT {
            return Err(malformed("a fill has unknown fields"));
        }
        let mut bits = self.present & NUM_BITS;
        while bits != 0 {
            let i = bits.trailing_zeros() as usize;
            bits &= bits - 1;
            if !self.nums[i].is_finite() {
                return Err(malformed("a fill has a number that is not finite"));
            }
        }
        if self.beyond_limit() || self.kind().is_some_and(|k| k >= KINDS) {
            return Err(malformed("a fill has an amount beyond the limit"));
        }
        self.shorten();
        Ok(())
    }
}

/// Whether a record holds a number as an f32, and whether as a mid without its leading 16 bits.
fn shortness(short: u32, i: u32) -> (bool, bool) {
    ((short & !MIDS) >> i & 1 == 1, (short & MIDS) >> i & 1 == 1)
}

fn size_of(present: u32, short: u32) -> usize {
    let nums = present & NUM_BITS;
    let short = short & nums;
    RECORD_HEAD + 8 * nums.count_ones() as usize
        - 4 * (short & !MIDS).count_ones() as usize
        - 2 * (short & MIDS).count_ones() as usize
        + SYMBOL_BYTES * (present >> NUMS).count_ones() as usize
}
