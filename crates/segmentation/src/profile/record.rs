//! A fill as the bytes of its record: what a trade's value holds, and what waits in a state to be summed up.
//!
//! Bytes: presence (u32), marks (u32), which numbers are short (u32), time (i64), the present numbers, the present symbols
//! (5 bytes each, high first). A number takes 8 bytes; 4 where it is an f32; a mid 6 where it shares the leading 16 bits
//! of the price, which are left out. Nothing is lost by that, and each fill has one form. Numbers of one length stand
//! together, those of 8 bytes first and the mids, which need the price, last: so none is asked for its length.

use crate::error::Result;
use crate::profile::codec::{Reader, Sink};
use crate::profile::fill::{Fill, NUM_BITS};
use crate::profile::symbol::key40;
use crate::profile::trade::{Num, NUMS, SYMBOLS};

/// Bytes of a record before its fields.
const HEAD: usize = 4 + 4 + 4 + 8;
/// A symbol is the leading 40 bits of its hash.
const SYMBOL_BYTES: usize = 5;
/// Of a number that is an f32, and of a mid that leaves out what the price tells.
const SINGLE_BYTES: usize = 4;
const MID_BYTES: usize = 6;
/// Bytes of the largest record.
pub const LARGEST_RECORD: usize = HEAD + 8 * NUMS + SYMBOL_BYTES * SYMBOLS;
/// The same, and what the last field may be put down with too much: fields are written and read eight bytes at a time.
pub const RECORD_ROOM: usize = LARGEST_RECORD + 8;

/// Mids: near the price, so that they mostly share its leading 16 bits. Short ones leave those out.
const MIDS: u32 = 1 << Num::Mid as u32
    | 1 << Num::Mid1s as u32
    | 1 << Num::Mid10s as u32
    | 1 << Num::Mid1m as u32
    | 1 << Num::Mid5m as u32
    | 1 << Num::Mid1h as u32;

/// The places of the bits that are set, lowest first.
#[inline(always)]
fn bits_of(mut bits: u32) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let next = (bits != 0).then_some(bits.trailing_zeros() as usize);
        bits &= bits.wrapping_sub(1);
        next
    })
}

impl Fill {
    /// Writes the record; [`Fill::read`] reads it back.
    pub fn write(&self, out: &mut impl Sink) {
        let mut room = [0u8; RECORD_ROOM];
        let end = self.record(&mut room);
        out.put(&room[..end]);
    }

    /// The same into the beginning of `room`; answers how many bytes it took.
    ///
    /// Each field is put down with eight bytes, of which the next one overwrites what was too much.
    #[inline]
    pub fn record(&self, room: &mut [u8; RECORD_ROOM]) -> usize {
        self.put(room, true)
    }

    /// A record of which no number is short, as nobody writes it.
    #[cfg(test)]
    pub(super) fn write_long(&self, out: &mut impl Sink) {
        let mut room = [0u8; RECORD_ROOM];
        let end = self.put(&mut room, false);
        out.put(&room[..end]);
    }

    #[inline(always)]
    fn put(&self, room: &mut [u8; RECORD_ROOM], shorten: bool) -> usize {
        let price = match self.num(Num::Price) {
            Some(price) => price.to_bits(),
            None => 0,
        };
        let present = self.present & NUM_BITS;
        let mut shorts = 0u32;
        for i in bits_of(if shorten { present & !MIDS } else { 0 }) {
            let value = self.nums[i];
            shorts |= u32::from(f64::from(value as f32).to_bits() == value.to_bits()) << i;
        }
        for i in bits_of(if shorten { present & MIDS } else { 0 }) {
            shorts |= u32::from((self.nums[i].to_bits() ^ price) >> 48 == 0) << i;
        }
        let mut end = HEAD;
        let mut write = |word: u64, size: usize| {
            room[end..end + 8].copy_from_slice(&word.to_le_bytes());
            end += size;
        };
        bits_of(present & !shorts).for_each(|i| write(self.nums[i].to_bits(), 8));
        bits_of(shorts & !MIDS).for_each(|i| write(u64::from((self.nums[i] as f32).to_bits()), SINGLE_BYTES));
        bits_of(shorts & MIDS).for_each(|i| write(self.nums[i].to_bits(), MID_BYTES));
        bits_of(self.present >> NUMS).for_each(|i| write(self.symbols[i].swap_bytes(), SYMBOL_BYTES));
        room[..4].copy_from_slice(&self.present.to_le_bytes());
        room[4..8].copy_from_slice(&self.marks.to_le_bytes());
        room[8..12].copy_from_slice(&shorts.to_le_bytes());
        room[12..HEAD].copy_from_slice(&self.at.to_le_bytes());
        end
    }

    /// Bytes of the record.
    pub fn size(&self) -> usize {
        let mut room = [0u8; RECORD_ROOM];
        self.record(&mut room)
    }

    /// Reads the record that `bytes` begin with, which this process wrote: nothing is checked. Answers its length; one
    /// beyond that of `bytes` says that it was no record.
    pub fn read_own(&mut self, bytes: &[u8]) -> usize {
        let mut padded = [0u8; RECORD_ROOM];
        // Fields are read eight bytes at a time, the last one, too.
        let room = if bytes.len() >= RECORD_ROOM || size_of_record(bytes) <= bytes.len().saturating_sub(8) {
            bytes
        } else {
            padded[..bytes.len()].copy_from_slice(bytes);
            &padded[..]
        };
        let word = |at: usize| {
            let mut word = [0u8; 8];
            word.copy_from_slice(&room[at..at + 8]);
            u64::from_le_bytes(word)
        };
        let fill = self;
        fill.present = word(0) as u32;
        fill.marks = (word(0) >> 32) as u32;
        let short = word(8) as u32;
        fill.at = word(12) as i64;
        let present = fill.present & NUM_BITS;
        let short = short & present;
        let mut at = HEAD;
        let mut next = |size: usize| {
            let word = word(at);
            at += size;
            word
        };
        bits_of(present & !short).for_each(|i| fill.nums[i] = f64::from_bits(next(8)));
        bits_of(short & !MIDS).for_each(|i| fill.nums[i] = f64::from(f32::from_bits(next(SINGLE_BYTES) as u32)));
        let price = fill.num(Num::Price).map_or(0, f64::to_bits);
        let mid = |word: u64| f64::from_bits(word & (!0 >> 16) | price & !0 << 48);
        bits_of(short & MIDS).for_each(|i| fill.nums[i] = mid(next(MID_BYTES)));
        bits_of(fill.present >> NUMS).for_each(|i| fill.symbols[i] = key40(next(SYMBOL_BYTES).swap_bytes()));
        at
    }

    /// Reads a record that another process wrote.
    pub fn read(r: &mut Reader) -> Result<Fill> {
        let record = r.take(size_of_record(r.rest()))?;
        let mut fill = Fill::default();
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
        for i in bits_of(self.present & NUM_BITS) {
            self.nums[i] = num(i, r)?;
        }
        for i in bits_of(self.present >> NUMS) {
            self.symbols[i] = key(r)?;
        }
        self.check()
    }
}

/// Bytes of the record that `bytes` begin with; more than there are where they are none.
#[inline]
pub fn size_of_record(bytes: &[u8]) -> usize {
    let Some(head) = bytes.first_chunk::<HEAD>() else { return usize::MAX };
    let word = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
    let (present, short) = (word(0), word(8));
    let nums = present & NUM_BITS;
    let short = short & nums;
    HEAD + 8 * nums.count_ones() as usize
        - (8 - SINGLE_BYTES) * (short & !MIDS).count_ones() as usize
        - (8 - MID_BYTES) * (short & MIDS).count_ones() as usize
        + SYMBOL_BYTES * (present >> NUMS).count_ones() as usize
}
