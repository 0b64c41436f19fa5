//! One fill of one account, as a value: what `trade(...)` makes and `account_profile` reads.
//!
//! Bytes: version (1), verdict (1: 0, or one more than the index of the [`Rejection`](crate::profile::fill::Rejection) under which a profile counts it), and
//! of a trade that counts the record of its fill, see `record.rs`. So a trade holds what a profile keeps of it and no more:
//! names as hashes, of flows their signs, nothing that is the same as not given. Making it is the work that would be
//! done when it is aggregated; then it is only taken over.

use crate::error::{Error, Kind, Result};
use crate::profile::codec::{malformed, Reader, Sink};
use crate::profile::fill::{Draft, Fill, REJECTIONS};
use crate::profile::record::{size_of_record, RECORD_ROOM};

/// Version byte of the trade format.
pub const VERSION: u8 = 1;

/// Bytes before the record.
const HEAD: usize = 2;
/// Room for the bytes of any trade.
pub const TRADE_ROOM: usize = HEAD + RECORD_ROOM;

/// The number inputs, in the order of their presence bits. `Expiry` holds microseconds since 2000-01-01 UTC. A record has
/// the first [`NUMS`] of them.
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
    ImpliedVolatility1m,
    ImpliedVolatility5m,
    UnderlyingPrice1m,
    UnderlyingPrice5m,
    /// Of the flows only the signs are kept, among the marks.
    OwnFlowUsd,
    OthersFlowUsd,
}
pub const NUMS: usize = 26;
/// With the two flows.
pub const NUMBER_INPUTS: usize = 28;

/// The text inputs. The first [`SYMBOLS`] are kept as hashes, and their presence bits follow those of the numbers; of the
/// others a code is kept among the marks.
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
    MarginMode,
}
pub const TEXTS: usize = 10;
pub const SYMBOLS: usize = 6;

/// Two-bit marks: 0 unknown, 1 no (or buy, or call), 2 yes (or sell, or put).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
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
    /// A stop order, by its type.
    Stop = 14,
    /// A leg of a combination: its combo_id is not empty.
    Leg = 16,
    /// Isolated margin, by its mode.
    Isolated = 18,
}
/// Bits of all marks.
pub const MARK_BITS: u32 = 20;

/// Sets a two-valued mark; `None` leaves it unknown.
pub fn with_mark(marks: u32, mark: Mark, value: Option<bool>) -> u32 {
    marks | value.map_or(0, |v| if v { 2 } else { 1 }) << mark as u32
}

/// Reads a mark: `Some(true)` for yes, sell or put.
pub fn mark(marks: u32, mark: Mark) -> Option<bool> {
    match (marks >> mark as u32) & 3 {
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

/// The inputs of a trade by name, where they do not come in the order of a call.
#[derive(Clone, Debug, PartialEq)]
pub struct Trade<'a> {
    pub executed_at: Option<i64>,
    pub marks: u32,
    pub nums: [Option<f64>; NUMBER_INPUTS],
    pub texts: [Option<&'a str>; TEXTS],
}

impl Default for Trade<'_> {
    fn default() -> Self {
        Trade { executed_at: None, marks: 0, nums: [None; NUMBER_INPUTS], texts: [None; TEXTS] }
    }
}

impl<'a> Trade<'a> {
    pub fn set(&mut self, field: Num, value: f64) {
        self.nums[field as usize] = Some(value);
    }

    pub fn set_text(&mut self, field: Text, value: &'a str) {
        self.texts[field as usize] = Some(value);
    }

    /// Writes the bytes of its value.
    pub fn encode(&self, out: &mut impl Sink) {
        let mut draft = Draft::new(self.executed_at);
        draft.marks(self.marks);
        for (i, value) in self.nums.iter().enumerate() {
            draft.number(i, value.is_some(), value.unwrap_or(0.0));
        }
        for (i, text) in self.texts.iter().enumerate() {
            draft.text(i, text.map(str::as_bytes));
        }
        let mut room = [0; TRADE_ROOM];
        let end = write(&mut draft, &mut room);
        out.put(&room[..end]);
    }
}

/// Writes a trade's bytes to the beginning of `room`; answers how many they are.
pub fn write(draft: &mut Draft, room: &mut [u8; TRADE_ROOM]) -> usize {
    room[0] = VERSION;
    match draft.finish() {
        Ok(fill) => {
            room[1] = 0;
            HEAD + room.last_chunk_mut().map_or(0, |rest| fill.record(rest))
        }
        Err(reason) => {
            room[1] = 1 + reason as u8;
            HEAD
        }
    }
}

/// What the bytes of a trade are to a profile.
pub enum Verdict<'a> {
    /// The record of its fill.
    Counts(&'a [u8]),
    /// Index of the [`Rejection`](crate::profile::fill::Rejection) that it is counted under.
    Rejected(usize),
}

/// Reads a trade that comes from one of our functions or from a table: what is looked at are its version and its length.
#[inline]
pub fn read(bytes: &[u8]) -> Result<Verdict<'_>> {
    match bytes {
        [VERSION, 0, record @ ..] if size_of_record(record) == record.len() => Ok(Verdict::Counts(record)),
        [VERSION, reason] if (1..=REJECTIONS).contains(&usize::from(*reason)) => {
            Ok(Verdict::Rejected(usize::from(*reason) - 1))
        }
        [VERSION, ..] | [] => Err(malformed("it is no trade")),
        [version, ..] => Err(Error::new(Kind::Corrupted, format!("trade of unknown version {version}"))
            .hint(format!("this version of pg_segmentation reads version {VERSION}"))),
    }
}

/// The only form of a trade's bytes that come from outside, after a look at all of them.
pub fn canonical(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut out = bytes.to_vec();
    if let Verdict::Counts(record) = read(bytes)? {
        let mut r = Reader::new(record);
        let fill = Fill::read(&mut r)?;
        r.end()?;
        out.truncate(HEAD);
        fill.write(&mut out);
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::fill::Rejection;

    fn trade() -> Trade<'static> {
        let mut t = Trade { executed_at: Some(-5), ..Trade::default() };
        t.set(Num::Quantity, 1.5);
        t.set(Num::Price, 100.0);
        t.set(Num::Mid5m, 100.1);
        t.set(Num::OwnFlowUsd, -3.0);
        t.set_text(Text::Instrument, "BTC-PERPETUAL");
        t.set_text(Text::ComboId, "");
        t.set_text(Text::MarginMode, "Isolated");
        t.marks = with_mark(with_mark(0, Mark::Side, Some(true)), Mark::Maker, Some(false));
        t
    }

    fn bytes(t: &Trade) -> Vec<u8> {
        let mut bytes = Vec::new();
        t.encode(&mut bytes);
        bytes
    }

    #[test]
    fn a_trade_is_the_record_of_its_fill() {
        let all = bytes(&trade());
        let Verdict::Counts(record) = read(&all).unwrap() else { panic!("it counts") };
        let fill = Fill::read(&mut Reader::new(record)).unwrap();
        assert_eq!((fill.at, fill.num(Num::Quantity), fill.num(Num::Mid5m)), (-5, Some(1.5), Some(100.1)));
        assert_eq!((fill.num(Num::Mid), fill.mark(Mark::Side), fill.mark(Mark::Inverse)), (None, Some(true), None));
        assert_eq!((fill.mark(Mark::Leg), fill.mark(Mark::Isolated)), (Some(false), Some(true)));
        assert_eq!((fill.own_flow(), fill.others_flow()), (Some(-1), None));
        assert_eq!(canonical(&all).unwrap(), all);
        for n in 0..all.len() {
            assert!(canonical(&all[..n]).is_err(), "{n}");
        }
        assert!(canonical(&[2, 0]).is_err_and(|e| e.kind == Kind::Corrupted));
    }

    #[test]
    fn equal_trades_have_equal_bytes() {
        let mut t = trade();
        let plain = bytes(&t);
        t.set(Num::ContractSize, 1.0);
        t.set(Num::Strike, 5.0);
        t.set(Num::OwnFlowUsd, -7e9);
        assert_eq!(bytes(&t), plain);
        // A number that would fit in fewer bytes is put so.
        let mut fill = Fill::default();
        let Verdict::Counts(record) = read(&plain).unwrap() else { panic!("it counts") };
        fill.read_own(record);
        let mut long = vec![VERSION, 0];
        fill.write_long(&mut long);
        assert!(long.len() > plain.len());
        assert_eq!(canonical(&long).unwrap(), plain);
    }

    #[test]
    fn a_rejected_trade_is_its_reason() {
        for (number, value, reason) in [
            (Num::Quantity, -1.0, Rejection::Quantity),
            (Num::Quantity, f64::NAN, Rejection::Quantity),
            (Num::Mid1h, f64::INFINITY, Rejection::Number),
            (Num::OthersFlowUsd, f64::NAN, Rejection::Number),
            (Num::OwnFlowUsd, 2e20, Rejection::TooLarge),
            (Num::Price, 1e20, Rejection::TooLarge),
        ] {
            let mut t = trade();
            t.set(number, value);
            assert_eq!(bytes(&t), [VERSION, 1 + reason as u8], "{number:?}");
        }
        let timeless = Trade { executed_at: Some(i64::MAX), ..trade() };
        assert_eq!(bytes(&timeless), [VERSION, 1 + Rejection::Time as u8]);
        assert_eq!(canonical(&bytes(&timeless)).unwrap(), bytes(&timeless));
        assert!(canonical(&[VERSION, 9]).is_err());
    }

    #[test]
    fn sides() {
        assert!(parse_side("ASK").unwrap() && !parse_side(" long ").unwrap());
        assert!(parse_side("hold").unwrap_err().hint.is_some());
    }
}
