//! The set of UTC days with a trade (class M): bitmaps of 64 days, exact up to [`WORDS`] of them.
//!
//! 48 bitmaps hold more than 8 years without a gap. Longer or more scattered histories are counted
//! approximately: the set turns into HyperLogLog so that its size stays bounded whatever the input.

use crate::error::Result;
use crate::profile::codec::{malformed, Reader, Sink};
use crate::profile::distinct::Distinct;
use crate::profile::symbol;
use allocator_api2::alloc::Allocator;
use allocator_api2::vec::Vec;

/// Largest number of 64-day bitmaps.
pub const WORDS: usize = 48;

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
    symbol::hash(&day.to_le_bytes())
}

fn days_of(word: i32, bits: u64) -> impl Iterator<Item = i32> {
    let bits = std::iter::successors(Some(bits), |b| Some(b & b.wrapping_sub(1))).take_while(|&b| b != 0);
    bits.map(move |b| word * 64 + b.trailing_zeros() as i32)
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
            self.estimated();
        }
    }

    /// The number of days; estimated once there are more bitmaps than [`WORDS`].
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
        self.estimated().absorb(r)
    }

    /// The estimating set, of the days so far if they were exact until now.
    fn estimated(&mut self) -> &mut Distinct<A> {
        if let Days::Exact(words) = self {
            let mut set = Distinct::new(words.allocator().clone());
            words.iter().flat_map(|&(w, b)| days_of(w, b)).for_each(|d| set.insert(key(d)));
            *self = Days::Estimated(set);
        }
        match self {
            Days::Estimated(set) => set,
            Days::Exact(_) => unreachable!("it was turned into a set above"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::distinct::MOST_BYTES;
    use crate::profile::testing::{any_tree, bytes, harm, hostile, merged, merges};
    use allocator_api2::alloc::Global;
    use proptest::prelude::*;

    fn set(days: &[i32]) -> Days<Global> {
        let mut d = Days::new(Global);
        days.iter().for_each(|&day| d.insert(day));
        d
    }

    #[test]
    fn days_of_a_word() {
        assert_eq!(days_of(-1, 1 << 63 | 1).collect::<std::vec::Vec<_>>(), [-64, -1]);
        assert_eq!(days_of(2, 0b110).collect::<std::vec::Vec<_>>(), [129, 130]);
        assert_eq!(days_of(2, 0).count(), 0);
    }

    #[test]
    fn eight_years_are_exact() {
        let days: std::vec::Vec<i32> = (9_000..9_000 + 365 * 8).collect();
        let d = set(&days);
        assert_eq!(d.count(), 365.0 * 8.0);
        assert!(bytes(&d).len() < 1 + WORDS * 10);
        assert!(matches!(d, Days::Exact(_)));
    }

    #[test]
    fn scattered_days_stay_bounded() {
        let mut d = Days::new(Global);
        (0..3_000).for_each(|i| d.insert(i * 64 + i % 7));
        assert!((d.count() / 3_000.0 - 1.0).abs() < 4.0 * 0.0325);
        assert!(bytes(&d).len() <= 1 + MOST_BYTES);
        assert_eq!(day_of(i64::MAX) as i64, i64::MAX / DAY);
        let ends = set(&[day_of(i64::MIN), 0, day_of(i64::MAX)]);
        assert_eq!(bytes(&merged(set(&[]), &[&bytes(&ends)]).unwrap()), bytes(&ends));
        assert_eq!(ends.count(), 3.0);
    }

    proptest! {
        #[test]
        fn any_tree_of_merges_gives_the_same_bytes(
            days in prop_oneof![
                prop::collection::vec(-2_000i32..2_000, 0..300),
                // Near the bound of bitmaps, and far beyond it.
                prop::collection::vec((0i32..50).prop_map(|w| w * 64 + w % 5), 0..400),
                prop::collection::vec(-1_000_000i32..1_000_000, 0..300),
            ],
            merges in merges(),
        ) {
            let whole = set(&days);
            if let Days::Exact(_) = whole {
                prop_assert_eq!(whole.count(), days.iter().collect::<std::collections::BTreeSet<_>>().len() as f64);
            }
            any_tree(&days, &merges, set)?;
        }

        #[test]
        fn hostile_bytes_are_errors_or_days(n in 0i32..60, harm in harm()) {
            let whole = set(&(0..n).map(|i| i * 65).collect::<std::vec::Vec<_>>());
            hostile(&whole, &harm, || set(&[]), || set(&[1, 70, 3_000]), |d| {
                prop_assert!(d.count().is_finite() && bytes(d).len() <= 1 + MOST_BYTES);
                Ok(())
            })?;
        }
    }
}
