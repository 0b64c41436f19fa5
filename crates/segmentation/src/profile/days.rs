//! The set of UTC days with a trade (class M): bitmaps of 64 days, exact up to [`WORDS`] of them.
//!
//! 256 bitmaps hold 44 years without a gap. Timestamps scattered further than that are not a trading history; the
//! set then turns into HyperLogLog so that its size stays bounded whatever the input.

use crate::error::Result;
use crate::profile::codec::{malformed, Reader, Sink};
use crate::profile::distinct::Distinct;
use allocator_api2::alloc::Allocator;
use allocator_api2::vec::Vec;

/// Largest number of 64-day bitmaps.
pub const WORDS: usize = 256;

/// Microseconds in a day of 86,400 s, the only day this project knows.
pub const DAY: i64 = 86_400_000_000;

pub enum Days<A: Allocator + Clone> {
    /// (day / 64, bitmap), in order.
    Exact(Vec<(i32, u64), A>),
    Estimated(Distinct<A>),
}

/// Day number of an instant, 0 for 2000-01-01; the days of all 64-bit instants fit in 28 bits.
pub fn day_of(at: i64) -> i32 {
    at.div_euclid(DAY) as i32
}

fn key(day: i32) -> u64 {
    xxhash_rust::xxh3::xxh3_64(&day.to_le_bytes())
}

fn days_of(word: i32, bits: u64) -> impl Iterator<Item = i32> {
    (0..64).filter(move |i| bits >> i & 1 == 1).map(move |i| word * 64 + i)
}

impl<A: Allocator + Clone> Days<A> {
    pub fn new(alloc: A) -> Self {
        Days::Exact(Vec::new_in(alloc))
    }

    pub fn insert(&mut self, day: i32) {
        self.insert_word(day.div_euclid(64), 1 << day.rem_euclid(64));
    }

    fn insert_word(&mut self, word: i32, bits: u64) {
        let words = match self {
            Days::Exact(words) => words,
            Days::Estimated(set) => return days_of(word, bits).for_each(|d| set.insert(key(d))),
        };
        // Trades mostly arrive in the order of time, so the last word is the one.
        match words.last_mut() {
            Some(last) if last.0 == word => last.1 |= bits,
            Some(last) if last.0 < word => words.push((word, bits)),
            None => words.push((word, bits)),
            _ => match words.binary_search_by_key(&word, |w| w.0) {
                Ok(i) => words[i].1 |= bits,
                Err(i) => words.insert(i, (word, bits)),
            },
        }
        if words.len() > WORDS {
            let mut set = Distinct::new(words.allocator().clone());
            words.iter().flat_map(|&(w, b)| days_of(w, b)).for_each(|d| set.insert(key(d)));
            *self = Days::Estimated(set);
        }
    }

    pub fn count(&self) -> f64 {
        match self {
            Days::Exact(words) => words.iter().map(|w| w.1.count_ones()).sum::<u32>() as f64,
            Days::Estimated(set) => set.count(),
        }
    }

    pub fn write(&self, out: &mut impl Sink) {
        match self {
            Days::Exact(words) => {
                out.var(words.len() as u64);
                let mut before = 0i128;
                for &(word, bits) in words {
                    out.signed(i128::from(word) - before);
                    out.u64(bits);
                    before = i128::from(word);
                }
            }
            Days::Estimated(set) => {
                out.var(WORDS as u64 + 1);
                set.write(out);
            }
        }
    }

    /// Adds what [`Days::write`] wrote.
    pub fn absorb(&mut self, r: &mut Reader) -> Result<()> {
        let n = r.below(WORDS as u64 + 2, "a number of days")?;
        if n <= WORDS {
            let mut word = 0i128;
            for i in 0..n {
                let step = r.signed()?;
                let bits = r.u64()?;
                word = word
                    .checked_add(step)
                    .filter(|w| w.abs() < 1 << 24)
                    .ok_or_else(|| malformed("a day is out of range"))?;
                if bits == 0 || (i > 0 && step <= 0) {
                    return Err(malformed("days are not in order"));
                }
                self.insert_word(word as i32, bits);
            }
            return Ok(());
        }
        if let Days::Exact(words) = self {
            let mut set = Distinct::new(words.allocator().clone());
            words.iter().flat_map(|&(w, b)| days_of(w, b)).for_each(|d| set.insert(key(d)));
            *self = Days::Estimated(set);
        }
        match self {
            Days::Estimated(set) => set.absorb(r),
            Days::Exact(_) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use allocator_api2::alloc::Global;

    #[test]
    fn counts_days_in_any_order() {
        let days: std::vec::Vec<i32> = (0..500).map(|i| (i * 7919) % 1009 - 300).collect();
        let distinct: std::collections::BTreeSet<_> = days.iter().collect();
        let (mut a, mut b) = (Days::new(Global), Days::new(Global));
        days.iter().for_each(|&d| a.insert(d));
        days.iter().rev().for_each(|&d| b.insert(d));
        assert_eq!(a.count(), distinct.len() as f64);
        let (mut x, mut y) = (std::vec::Vec::new(), std::vec::Vec::new());
        a.write(&mut x);
        b.write(&mut y);
        assert_eq!(x, y);
        let mut c = Days::new(Global);
        c.absorb(&mut Reader::new(&x)).unwrap();
        assert_eq!(c.count(), a.count());
    }

    #[test]
    fn scattered_days_stay_bounded() {
        let mut d = Days::new(Global);
        (0..3_000).for_each(|i| d.insert(i * 64 + i % 7));
        assert!((d.count() / 3_000.0 - 1.0).abs() < 0.08);
        let mut bytes = std::vec::Vec::new();
        d.write(&mut bytes);
        assert!(bytes.len() < 3_100);
        assert_eq!(day_of(i64::MAX) as i64, i64::MAX / DAY);
    }
}
