//! One fill of one account, as a value: what `trade(...)` makes and `account_profile` reads.
//!
//! Bytes: version (1), presence (u64, one bit a field), marks (u16), time (i64 microseconds since 2000-01-01 UTC),
//! then the present numbers (f64, 8 bytes each) and the present texts (u16 length, UTF-8), both in the order below.

use crate::error::{Error, Kind, Result};
use crate::profile::codec::{malformed, Reader, Sink};

/// Version byte of the trade format.
pub const VERSION: u8 = 1;

/// The numeric fields, in the order of their presence bits. `Expiry` holds microseconds since 2000-01-01 UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Num {
    Quantity,
    Price,
    NotionalUsd,
    QuoteUsd,
    FeeUsd,
    ContractSize,
    Strike,
    Expiry,
    UnderlyingPrice,
    ImpliedVolatility,
    TokenFactor,
    Leverage,
    RealisedPnlUsd,
    Mid,
    Mid1s,
    Mid10s,
    Mid1m,
    Mid5m,
    Mid1h,
    UnderlyingReturn1h,
    UnderlyingReturn1d,
    UnderlyingReturn7d,
    OwnFlowUsd,
    OthersFlowUsd,
}
pub const NUMS: usize = 24;

/// The text fields; their presence bits follow the numbers'. A profile keeps the first [`SYMBOLS`] of them, as hashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Text {
    Instrument,
    Underlying,
    Venue,
    Collateral,
    OrderId,
    Counterparty,
    Kind,
    OrderType,
    ComboId,
    TradeId,
}
pub const TEXTS: usize = 10;
pub const SYMBOLS: usize = 6;

/// Longest text field in bytes; longer ones are refused, not cut.
pub const TEXT_LIMIT: usize = 1024;

const KNOWN: u64 = (1 << (NUMS + TEXTS)) - 1;

/// Two-bit marks: 0 unknown, 1 no (or buy, or call), 2 yes (or sell, or put).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum Mark {
    Side = 0,
    Maker = 2,
    Inverse = 4,
    Liquidation = 6,
    OptionType = 8,
    /// Fell into a volume bucket whose VPIN is above its 90th percentile.
    Toxic = 10,
    /// The counterparty is the account itself.
    SelfTrade = 12,
}
pub const MARK_BITS: u16 = (1 << 14) - 1;

/// Sets a two-valued mark; `None` leaves it unknown.
pub fn with_mark(marks: u16, mark: Mark, value: Option<bool>) -> u16 {
    marks | value.map_or(0, |v| if v { 2 } else { 1 }) << mark as u16
}

/// Reads a mark: `Some(true)` for yes, sell or put.
pub fn mark(marks: u16, mark: Mark) -> Option<bool> {
    match (marks >> mark as u16) & 3 {
        1 => Some(false),
        2 => Some(true),
        _ => None,
    }
}

/// `Some(true)` for a sale. Accepts buy, sell, b, s, bid, ask, long, short, 1, -1, +1 in any case.
pub fn parse_side(text: &str) -> Result<bool> {
    // The common spellings first: this runs once a row.
    match text {
        "buy" | "BUY" | "Buy" | "b" | "B" => return Ok(false),
        "sell" | "SELL" | "Sell" | "s" | "S" => return Ok(true),
        _ => (),
    }
    match text.trim().to_ascii_lowercase().as_str() {
        "buy" | "b" | "bid" | "long" | "1" | "+1" => Ok(false),
        "sell" | "s" | "ask" | "short" | "-1" => Ok(true),
        _ => Err(Error::invalid(format!("side \"{}\" is neither a purchase nor a sale", shorten(text)))
            .hint("allowed are buy, b, bid, long, 1 and sell, s, ask, short, -1; a segmentation leaves the column out with columns => '{\"side\": null}'")),
    }
}

/// `Some(true)` for a put. Accepts call, put, c, p in any case.
pub fn parse_option_type(text: &str) -> Result<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "call" | "c" => Ok(false),
        "put" | "p" => Ok(true),
        _ => Err(Error::invalid(format!("option type \"{}\" is neither a call nor a put", shorten(text)))
            .hint("allowed are call, c, put, p")),
    }
}

fn shorten(text: &str) -> String {
    text.chars().take(40).collect()
}

/// A trade before it is encoded, or after it was decoded. An unset number is NaN with its presence bit off.
#[derive(Clone, Debug, PartialEq)]
pub struct Trade<'a> {
    pub executed_at: Option<i64>,
    pub marks: u16,
    pub present: u64,
    pub nums: [f64; NUMS],
    pub texts: [&'a str; TEXTS],
}

impl Default for Trade<'_> {
    fn default() -> Self {
        Trade { executed_at: None, marks: 0, present: 0, nums: [0.0; NUMS], texts: [""; TEXTS] }
    }
}

/// A trade without a time is kept as one at this instant, which no clock can give, and rejected by the profile.
const NO_TIME: i64 = i64::MIN;

impl<'a> Trade<'a> {
    pub fn set(&mut self, field: Num, value: f64) {
        self.present |= 1 << field as usize;
        self.nums[field as usize] = value;
    }

    pub fn set_text(&mut self, field: Text, value: &'a str) {
        self.present |= 1 << (NUMS + field as usize);
        self.texts[field as usize] = value;
    }

    pub fn num(&self, field: Num) -> Option<f64> {
        (self.present & (1 << field as usize) != 0).then_some(self.nums[field as usize])
    }

    pub fn text(&self, field: Text) -> Option<&'a str> {
        (self.present & (1 << (NUMS + field as usize)) != 0).then_some(self.texts[field as usize])
    }

    /// Writes the bytes. Errors: 54000 for a text beyond [`TEXT_LIMIT`] bytes.
    pub fn encode(&self, out: &mut impl Sink) -> Result<()> {
        let mut numbers = Numbers::new(self.executed_at);
        let mut bits = self.present & ((1 << NUMS) - 1);
        while bits != 0 {
            let i = bits.trailing_zeros() as usize;
            bits &= bits - 1;
            numbers.put(i, Some(self.nums[i]));
        }
        let given = |i: usize| (self.present >> (NUMS + i) & 1 == 1).then_some(self.texts[i]);
        numbers.encode(self.marks, &std::array::from_fn(given), out)
    }

    /// Reads the bytes, checking every length and every bit.
    pub fn decode(bytes: &'a [u8]) -> Result<Trade<'a>> {
        let mut r = Reader::new(bytes);
        let head = Head::read(&mut r)?;
        let mut trade =
            Trade { executed_at: head.executed_at, marks: head.marks, present: head.present, ..Trade::default() };
        let mut bits = trade.present;
        while bits != 0 {
            let i = bits.trailing_zeros() as usize;
            bits &= bits - 1;
            if i < NUMS {
                trade.nums[i] = r.f64()?;
            } else {
                trade.texts[i - NUMS] =
                    std::str::from_utf8(read_text(&mut r)?).map_err(|_| malformed("a text of a trade is not UTF-8"))?;
            }
        }
        r.end()?;
        Ok(trade)
    }
}

const HEAD: usize = 19;

/// Time and numbers of a trade that is being written. The numbers come in the order of [`Num`], which is how their bytes
/// lie: this runs once a row, and nothing is moved twice.
pub struct Numbers {
    bytes: [u8; HEAD + 8 * NUMS],
    end: usize,
    present: u64,
}

impl Numbers {
    pub fn new(executed_at: Option<i64>) -> Self {
        let mut bytes = [0u8; HEAD + 8 * NUMS];
        bytes[0] = VERSION;
        bytes[11..HEAD].copy_from_slice(&executed_at.unwrap_or(NO_TIME).to_le_bytes());
        Numbers { bytes, end: HEAD, present: 0 }
    }

    /// The number with this index in [`Num`], after those before it.
    #[inline]
    pub fn put(&mut self, field: usize, value: Option<f64>) {
        debug_assert!(self.present >> field == 0, "number {field} comes after a later one");
        if let Some(value) = value {
            self.bytes[self.end..self.end + 8].copy_from_slice(&value.to_bits().to_le_bytes());
            self.end += 8;
            self.present |= 1 << field;
        }
    }

    /// Writes the bytes of the trade. Errors: 54000 for a text beyond [`TEXT_LIMIT`] bytes.
    pub fn encode(&mut self, marks: u16, texts: &[Option<&str>; TEXTS], out: &mut impl Sink) -> Result<()> {
        let mut present = self.present;
        for (i, text) in texts.iter().enumerate() {
            let Some(text) = text else { continue };
            if text.len() > TEXT_LIMIT {
                return Err(Error::new(
                    Kind::LimitExceeded,
                    format!("a text of {} bytes is beyond the limit of {TEXT_LIMIT} bytes of a trade", text.len()),
                )
                .hint("pass a shorter key, such as a hash of it"));
            }
            present |= 1 << (NUMS + i);
        }
        self.bytes[1..9].copy_from_slice(&present.to_le_bytes());
        self.bytes[9..11].copy_from_slice(&marks.to_le_bytes());
        out.put(&self.bytes[..self.end]);
        for text in texts.iter().flatten() {
            out.put(&(text.len() as u16).to_le_bytes());
            out.put(text.as_bytes());
        }
        Ok(())
    }
}

/// What a trade's bytes begin with.
pub struct Head {
    pub executed_at: Option<i64>,
    pub present: u64,
    pub marks: u16,
}

impl Head {
    pub fn read(r: &mut Reader) -> Result<Head> {
        let head = r.take(HEAD)?;
        if head[0] != VERSION {
            return Err(Error::new(Kind::Corrupted, format!("trade of unknown version {}", head[0]))
                .hint(format!("this version of pg_segmentation reads version {VERSION}")));
        }
        let word = |at: usize| {
            let mut word = [0u8; 8];
            word.copy_from_slice(&head[at..at + 8]);
            word
        };
        let present = u64::from_le_bytes(word(1));
        let marks = u16::from_le_bytes([head[9], head[10]]);
        // Both bits of a mark at once mean nothing.
        if present & !KNOWN != 0 || marks & !MARK_BITS != 0 || marks & (marks >> 1) & 0x1555 != 0 {
            return Err(malformed("a trade has unknown fields"));
        }
        Ok(Head { executed_at: Some(i64::from_le_bytes(word(11))).filter(|&t| t != NO_TIME), present, marks })
    }
}

/// The next text of a trade, as bytes.
pub fn read_text<'a>(r: &mut Reader<'a>) -> Result<&'a [u8]> {
    let len = r.take(2)?;
    let len = usize::from(u16::from_le_bytes([len[0], len[1]]));
    if len > TEXT_LIMIT {
        return Err(malformed("a text of a trade is too long"));
    }
    r.take(len)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_round_trip() {
        let mut t = Trade { executed_at: Some(-5), ..Trade::default() };
        t.set(Num::Quantity, 1.5);
        t.set(Num::Mid5m, f64::NAN);
        t.set_text(Text::Instrument, "BTC-PERPETUAL");
        t.set_text(Text::ComboId, "");
        t.marks = with_mark(with_mark(0, Mark::Side, Some(true)), Mark::Maker, Some(false));
        let mut bytes = Vec::new();
        t.encode(&mut bytes).unwrap();
        let back = Trade::decode(&bytes).unwrap();
        assert_eq!(back.num(Num::Quantity), Some(1.5));
        assert!(back.num(Num::Mid5m).unwrap().is_nan());
        assert_eq!(back.num(Num::Price), None);
        assert_eq!(back.text(Text::Instrument), Some("BTC-PERPETUAL"));
        assert_eq!(back.text(Text::ComboId), Some(""));
        assert_eq!((mark(back.marks, Mark::Side), mark(back.marks, Mark::Inverse)), (Some(true), None));
        let mut again = Vec::new();
        back.encode(&mut again).unwrap();
        assert_eq!(bytes, again);
        for n in 0..bytes.len() {
            assert!(Trade::decode(&bytes[..n]).is_err());
        }
    }

    #[test]
    fn long_texts_are_refused() {
        let long = "x".repeat(TEXT_LIMIT + 1);
        let mut t = Trade::default();
        t.set_text(Text::Venue, &long);
        assert_eq!(t.encode(&mut Vec::new()).unwrap_err().kind, Kind::LimitExceeded);
    }

    #[test]
    fn sides() {
        assert!(parse_side("ASK").unwrap() && !parse_side(" long ").unwrap());
        assert!(parse_side("hold").unwrap_err().hint.is_some());
    }
}
