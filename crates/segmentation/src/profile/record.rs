//! A fill as the bytes of its record: what a trade's value holds, and what waits in a state to be summed up.
//!
//! Bytes: presence (u32), marks (u32), which numbers are short (u32), time (i64), the present numbers, the present symbols
//! (5 bytes each, high first). A number takes 8 bytes; 4 where it is an f32; a mid 6 where it shares the leading 16 bits
//! of the price, which are left out. Nothing is lost by that, and each fill has one form.

use crate::error::Result;
use crate::profile::codec::{Reader, Sink};
use crate::profile::fill::{Fill, NUM_BITS};
use crate::profile::symbol::key40;
use crate::profile::trade::{Num, NUMS, SYMBOLS};

/// Bytes of a record before its fields.
const HEAD: usize = 4 + 4 + 4 + 8;
/// A symbol is the leading 40 bits of its hash.
const SYMBOL_BYTES: usize = 5;
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

impl Fill {
    /// Writes the record; [`Fill::read`] reads it back.
    pub fn write(&self, out: &mut impl Sink) {
        let mut room = [0u8; RECORD_ROOM];
        let end = self.record(&mut room);
        out.put(&room[..end]);
    }

    /// The same into the beginning of `room`; answers how many bytes it took.
    ///
    /// Each field is put down with eight bytes, of which the next one overwrites what was too much: which fields are
    /// short differs from fill to fill, and no processor foresees it.
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
        let (mut end, mut shorts) = (HEAD, 0u32);
        let mut bits = self.present & NUM_BITS;
        while bits != 0 {
            let i = bits.trailing_zeros();
            let bit = bits & bits.wrapping_neg();
            bits ^= bit;
            let value = self.nums[i as usize];
            let whole = value.to_bits();
            let single = (value as f32).to_bits();
            let is_mid = MIDS & bit != 0;
            let fits = if is_mid { (whole ^ price) >> 48 == 0 } else { f64::from(value as f32).to_bits() == whole };
            let short = fits && shorten;
            let word = if short && !is_mid { u64::from(single) } else { whole };
            room[end..end + 8].copy_from_slice(&word.to_le_bytes());
            end += 8 - usize::from(short) * if is_mid { 2 } else { 4 };
            shorts |= if short { bit } else { 0 };
        }
        let mut bits = self.present >> NUMS;
        while bits != 0 {
            let i = bits.trailing_zeros() as usize;
            bits &= bits - 1;
            room[end..end + 8].copy_from_slice(&self.symbols[i].to_be_bytes());
            end += SYMBOL_BYTES;
        }
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
            u64::from_le_bytes(word)
        };
        let fill = self;
        fill.present = word(0) as u32;
        fill.marks = (word(0) >> 32) as u32;
        let short = word(8) as u32;
        fill.at = word(12) as i64;
        let mut at = HEAD;
        let mut read = |bits: u32, nums: &mut [f64; NUMS], price: u64| {
            let mut bits = bits;
            while bits != 0 {
                let i = bits.trailing_zeros();
                let bit = bits & bits.wrapping_neg();
                bits ^= bit;
                let whole = word(at);
                let (is_short, is_mid) = (short & bit != 0, MIDS & bit != 0);
                let single = f64::from(f32::from_bits(whole as u32));
                let shortened = if is_mid { f64::from_bits(whole & (!0 >> 16) | price & !0 << 48) } else { single };
                nums[i as usize] = if is_short { shortened } else { f64::from_bits(whole) };
                at += 8 - usize::from(is_short) * if is_mid { 2 } else { 4 };
            }
        };
        // The price comes before the mids, which may be told by it.
        const UNTIL_PRICE: u32 = (2 << Num::Price as u32) - 1;
        read(fill.present & UNTIL_PRICE, &mut fill.nums, 0);
        let price = fill.num(Num::Price).map_or(0, f64::to_bits);
        read(fill.present & NUM_BITS & !UNTIL_PRICE, &mut fill.nums, price);
        let mut bits = fill.present >> NUMS;
        while bits != 0 {
            let i = bits.trailing_zeros() as usize;
            bits &= bits - 1;
            fill.symbols[i] = key40(word(at).swap_bytes());
            at += SYMBOL_BYTES;
        }
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
        - 4 * (short & !MIDS).count_ones() as usize
        - 2 * (short & MIDS).count_ones() as usize
        + SYMBOL_BYTES * (present >> NUMS).count_ones() as usize
}
