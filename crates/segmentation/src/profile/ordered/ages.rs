//! How old what is closed was, by basis: a histogram in half octaves of time, for a median.
//!
//! Bin 0 is below a second; bin 1 + h begins at 2^(h/2) seconds, and the last one, from 2^25 seconds (388 days) on, has no end.
//! Each close counts with its basis in whole units of 1e-4 USD, so that sums do not depend on where a history is cut.

use crate::error::Result;
use crate::profile::codec::{malformed, Reader, Sink};

const BINS: usize = 52;
const SECOND: u64 = 1_000_000;
/// Units of money in 1e-4 USD.
const UNIT: i128 = 100_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ages {
    /// Basis by bin, in 1e-4 USD.
    bins: [u64; BINS],
}

impl Default for Ages {
    fn default() -> Self {
        Ages { bins: [0; BINS] }
    }
}

/// The bin of an age in microseconds.
fn bin(age: u64) -> usize {
    let Some(octave) = (age / SECOND).checked_ilog2() else { return 0 };
    let half = age as f64 / (SECOND << octave) as f64 >= std::f64::consts::SQRT_2;
    (1 + 2 * octave as usize + usize::from(half)).min(BINS - 1)
}

/// Where a bin begins, in microseconds.
fn begins(bin: usize) -> f64 {
    match bin.checked_sub(1) {
        None => 0.0,
        Some(h) => SECOND as f64 * libm::exp2(h as f64 / 2.0),
    }
}

impl Ages {
    /// Adds basis (money units, not below 0) of an age in microseconds.
    pub fn add(&mut self, age: u64, basis: i128) {
        let units = match u64::try_from(basis + UNIT / 2) {
            Ok(small) => small / UNIT as u64,
            Err(_) => u64::try_from((basis + UNIT / 2) / UNIT).unwrap_or(u64::MAX),
        };
        let slot = &mut self.bins[bin(age)];
        *slot = slot.saturating_add(units);
    }

    pub fn append(&mut self, next: &Ages) {
        self.bins.iter_mut().zip(next.bins).for_each(|(mine, more)| *mine = mine.saturating_add(more));
    }

    /// The age in microseconds that half of the basis does not exceed, on the assumption that within its bin basis is spread
    /// evenly over the logarithm of age (over age, in bin 0). `None` where there is no basis.
    pub fn median(&self) -> Option<f64> {
        let half = self.bins.iter().map(|&n| n as f64).sum::<f64>() / 2.0;
        let mut below = 0.0;
        for (bin, &n) in self.bins.iter().enumerate().filter(|(_, &n)| n > 0) {
            let n = n as f64;
            if below + n < half {
                below += n;
                continue;
            }
            let (low, within) = (begins(bin), (half - below) / n);
            return Some(match bin {
                0 => within * SECOND as f64,
                _ if bin == BINS - 1 => low,
                _ => low * libm::exp2(within / 2.0),
            });
        }
        None
    }

    /// A map of the bins that are not empty, and what is in them.
    pub fn write(&self, out: &mut impl Sink) {
        let map = (0..BINS).filter(|&i| self.bins[i] > 0).fold(0u64, |map, i| map | 1 << i);
        out.var(map);
        self.bins.iter().filter(|&&n| n > 0).for_each(|&n| out.var(n));
    }

    pub fn read(r: &mut Reader) -> Result<Self> {
        let map = r.below(1 << BINS, "a map of ages")?;
        let mut ages = Ages::default();
        for i in (0..BINS).filter(|i| map >> i & 1 == 1) {
            ages.bins[i] = r.var()?;
            if ages.bins[i] == 0 {
                return Err(malformed("a bin that is written is empty"));
            }
        }
        Ok(ages)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bins_are_half_octaves_of_seconds() {
        for (age, want) in [
            (0, 0),
            (999_999, 0),
            (SECOND, 1),
            (1_414_213, 1),
            (1_414_214, 2),
            (2 * SECOND, 3),
            (SECOND << 25, 51),
            (u64::MAX, 51),
        ] {
            assert_eq!(bin(age), want, "{age}");
        }
        for h in 1..BINS - 1 {
            let (low, high) = (begins(h), begins(h + 1));
            assert_eq!((bin(low.ceil() as u64), bin(high.floor() as u64 - 1)), (h, h));
        }
    }

    #[test]
    fn the_median_lies_in_its_bin_and_bytes_round_trip() {
        let mut ages = Ages::default();
        assert_eq!(ages.median(), None);
        // 3 USD for 100 s, 5 USD for 1,000 s, 2 USD for a day: the median is 1,000 s.
        for (seconds, usd) in [(100, 3), (1000, 5), (86_400, 2)] {
            ages.add(seconds * SECOND, usd * 10_000 * UNIT);
        }
        let median = ages.median().unwrap();
        assert_eq!(bin(median as u64), bin(1000 * SECOND));
        assert!((median / (1000 * SECOND) as f64 - 1.0).abs() < 0.42);
        let mut out = Vec::new();
        ages.write(&mut out);
        assert_eq!(Ages::read(&mut Reader::new(&out)).unwrap(), ages);
        for n in 0..out.len() {
            assert!(Ages::read(&mut Reader::new(&out[..n])).is_err());
        }
    }
}
