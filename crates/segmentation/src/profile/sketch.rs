//! Quantiles of positive numbers (class G until it is collapsed, then M): DDSketch with uniform collapse.
//!
//! A number x falls into bucket `ceil(ln x / ln gamma)` with gamma = (1 + a)/(1 - a), a = 1 %, and every number of a
//! bucket lies within the share a of the one that stands for it (Masson, Rim, Lee, VLDB 2019). Numbers up to 1e-9 are
//! counted as zero. When more buckets than the bound are occupied, each two neighbours 2i-1 and 2i become bucket i,
//! and the error grows from a to 2a/(1 + a²) (Epicoco, Melle, Cafaro, Pulimeno, Morleo, 2020).
//!
//! The level, that is the number of such steps, is the smallest one at which the occupied buckets are within the
//! bound. Since a set never occupies fewer buckets than a part of it, that is the same level in any order of adding
//! and merging.

use crate::error::Result;
use crate::profile::codec::{malformed, Reader, Sink};
use allocator_api2::alloc::Allocator;
use allocator_api2::vec::Vec;

/// ln(101/99), and one over it.
const LN_GAMMA: f64 = 0.020_000_666_706_669_525;
const PER_LN: f64 = 49.998_333_288_886_56;
/// Relative error of a sketch that is not collapsed.
const ERROR: f64 = 0.01;
/// Numbers up to this one are zero.
const ZERO: f64 = 1e-9;
/// Buckets of the smallest and of the largest finite number above [`ZERO`].
const LOWEST: i32 = -1036;
const HIGHEST: i32 = 35_488;
/// No more steps than this are ever needed: every number then has one of two buckets.
const LEVELS: u64 = 17;

/// A bucket is one word: its key above, so that words sort by it, and its count below.
const COUNT_BITS: u32 = 47;
const COUNT_MAX: u64 = (1 << COUNT_BITS) - 1;

fn pack(key: i32, count: u64) -> u64 {
    (((key - LOWEST) as u64) << COUNT_BITS) | count
}

fn key_of_bucket(bucket: u64) -> i32 {
    (bucket >> COUNT_BITS) as i32 + LOWEST
}

fn count_of(bucket: u64) -> u64 {
    bucket & COUNT_MAX
}

/// The bucket of a number above [`ZERO`] in a sketch that is not collapsed.
fn key(x: f64) -> i32 {
    let place = libm::log(x) * PER_LN;
    let whole = place as i32;
    whole + i32::from(place > f64::from(whole))
}

/// The bucket that `key` falls into after `steps` more collapses: its ceiling when divided by 2^steps.
fn coarser(key: i32, steps: u32) -> i32 {
    -((-key) >> steps)
}

/// Counts of numbers by relative size, for quantiles and concentration within [`Sketch::error`].
pub struct Sketch<A: Allocator + Clone> {
    zeros: u64,
    bound: u32,
    level: u32,
    /// Where the last number went: sizes repeat.
    recent: usize,
    /// In the order of their keys.
    buckets: Vec<u64, A>,
}

impl<A: Allocator + Clone> Sketch<A> {
    /// An empty sketch of at most `bound` buckets; only sketches of one bound can be merged.
    pub fn new(alloc: A, bound: usize) -> Self {
        Sketch { zeros: 0, bound: bound.max(2) as u32, level: 0, recent: 0, buckets: Vec::new_in(alloc) }
    }

    /// Makes room for so many numbers.
    pub fn reserve(&mut self, numbers: usize) {
        self.buckets.reserve_exact(numbers.min(self.bound as usize + 1));
    }

    /// Counts a number; one that is negative or not finite is ignored.
    pub fn add(&mut self, x: f64) {
        if x > ZERO && x <= f64::MAX {
            self.put(coarser(key(x), self.level), 1);
        } else if (0.0..=ZERO).contains(&x) {
            self.zeros = self.zeros.saturating_add(1);
        }
    }

    fn put(&mut self, key: i32, count: u64) {
        let bump = |bucket: &mut u64| *bucket += count.min(COUNT_MAX - count_of(*bucket));
        if let Some(bucket) = self.buckets.get_mut(self.recent).filter(|b| key_of_bucket(**b) == key) {
            return bump(bucket);
        }
        let place = self.buckets.partition_point(|&b| b < pack(key, 0));
        self.recent = place;
        match self.buckets.get_mut(place).filter(|b| key_of_bucket(**b) == key) {
            Some(bucket) => bump(bucket),
            None => {
                self.buckets.insert(place, pack(key, count));
                while self.buckets.len() > self.bound as usize {
                    self.collapse();
                }
            }
        }
    }

    fn collapse(&mut self) {
        self.level += 1;
        let mut kept = 0;
        for i in 0..self.buckets.len() {
            let key = coarser(key_of_bucket(self.buckets[i]), 1);
            let count = count_of(self.buckets[i]);
            if kept > 0 && key_of_bucket(self.buckets[kept - 1]) == key {
                let before = count_of(self.buckets[kept - 1]);
                self.buckets[kept - 1] += count.min(COUNT_MAX - before);
            } else {
                self.buckets[kept] = pack(key, count);
                kept += 1;
            }
        }
        self.buckets.truncate(kept);
    }

    /// How many numbers were counted.
    pub fn count(&self) -> u64 {
        self.buckets.iter().fold(self.zeros, |n, &b| n.saturating_add(count_of(b)))
    }

    /// The bound of the relative error: 0.01 at first, larger after each collapse.
    pub fn error(&self) -> f64 {
        (0..self.level).fold(ERROR, |a, _| 2.0 * a / (1.0 + a * a))
    }

    /// The number that stands for a bucket, 2 gamma^key / (gamma + 1) = gamma^(key - 1) (1 + a).
    fn value(&self, key: i32) -> f64 {
        let log = f64::from(key - 1) * LN_GAMMA * f64::from(1u32 << self.level);
        (libm::exp(log) * (1.0 + self.error())).min(f64::MAX)
    }

    /// The number of rank floor(q (n - 1)), from 0, among the n counted; `None` when there are none or q is not in
    /// 0 to 1.
    pub fn quantile(&self, q: f64) -> Option<f64> {
        let n = self.count();
        if n == 0 || !(0.0..=1.0).contains(&q) {
            return None;
        }
        let rank = (q * (n - 1) as f64) as u64;
        let mut seen = self.zeros;
        if seen > rank {
            return Some(0.0);
        }
        for &bucket in &self.buckets {
            seen = seen.saturating_add(count_of(bucket));
            if seen > rank {
                return Some(self.value(key_of_bucket(bucket)));
            }
        }
        // The rank of q = 1 may be rounded up beyond 2^53.
        self.buckets.last().map(|&b| self.value(key_of_bucket(b)))
    }

    /// The numbers that stand for the buckets, ascending, and how many were counted in each.
    pub fn counts(&self) -> std::vec::Vec<(f64, u64)> {
        let zeros = (self.zeros > 0).then_some((0.0, self.zeros));
        zeros.into_iter().chain(self.buckets.iter().map(|&b| (self.value(key_of_bucket(b)), count_of(b)))).collect()
    }

    /// Gini coefficient, sum (2i - n - 1) x_i / (n sum x) over the numbers in ascending order (domain.md 1.1), each
    /// taken as the one that stands for its bucket. `None` below two numbers and when all are zero.
    pub fn gini(&self) -> Option<f64> {
        let n = self.count();
        let largest = self.value(key_of_bucket(*self.buckets.last()?));
        if n < 2 {
            return None;
        }
        let (mut below, mut spread, mut sum) = (i128::from(self.zeros), 0.0, 0.0);
        for &bucket in &self.buckets {
            // As a share of the largest: a sum of plain values could overflow.
            let share = self.value(key_of_bucket(bucket)) / largest;
            let c = i128::from(count_of(bucket));
            // The sum of 2i - n - 1 over the ranks below + 1 to below + c.
            spread += (c * (2 * below + c - i128::from(n))) as f64 * share;
            sum += c as f64 * share;
            below += c;
        }
        Some(spread / (n as f64 * sum))
    }

    pub fn write(&self, out: &mut impl Sink) {
        out.var(u64::from(self.level));
        out.var(self.zeros);
        out.var(self.buckets.len() as u64);
        let mut next = None;
        for &bucket in &self.buckets {
            let key = key_of_bucket(bucket);
            match next {
                None => out.signed(i128::from(key)),
                Some(next) => out.var(i64::from(key).abs_diff(next)),
            }
            out.var(count_of(bucket));
            next = Some(i64::from(key) + 1);
        }
    }

    /// Level and zeros.
    fn read_head(r: &mut Reader) -> Result<(u32, u64)> {
        Ok((r.below(LEVELS, "a level of collapse")? as u32, r.var()?))
    }

    fn read_buckets(
        r: &mut Reader,
        level: u32,
        bound: u32,
        mut visit: impl FnMut(i32, u64) -> Result<()>,
    ) -> Result<()> {
        let n = r.below(u64::from(bound) + 1, "a number of buckets")?;
        // One level less had more than the bound, and a step joins no more than two.
        if level > 0 && n <= bound as usize / 2 {
            return Err(malformed("a sketch is collapsed too far"));
        }
        let mut next = None;
        for _ in 0..n {
            let key = match next {
                None => i64::try_from(r.signed()?).ok(),
                Some(next) => i64::try_from(r.var()?).ok().and_then(|gap| gap.checked_add(next)),
            };
            let range = i64::from(coarser(LOWEST, level))..=i64::from(coarser(HIGHEST, level));
            let key = key.filter(|k| range.contains(k)).ok_or_else(|| malformed("a bucket is out of range"))?;
            let count = r.below(COUNT_MAX + 1, "the count of a bucket")? as u64;
            if count == 0 {
                return Err(malformed("a bucket is empty"));
            }
            visit(key as i32, count)?;
            next = Some(key + 1);
        }
        Ok(())
    }

    /// Adds what [`Sketch::write`] wrote.
    pub fn absorb(&mut self, r: &mut Reader) -> Result<()> {
        let (level, zeros) = Self::read_head(r)?;
        while self.level < level {
            self.collapse();
        }
        self.zeros = self.zeros.saturating_add(zeros);
        Self::read_buckets(r, level, self.bound, |key, count| {
            self.put(coarser(key, self.level - level), count);
            Ok(())
        })
    }

    /// Takes away what [`Sketch::write`] wrote and reads it to its end in any case. `false` when this sketch is
    /// collapsed: the buckets it would have without the part are not known any more.
    pub fn subtract(&mut self, r: &mut Reader) -> Result<bool> {
        let (level, zeros) = Self::read_head(r)?;
        let known = self.level == 0;
        if level > self.level || zeros > self.zeros {
            return Err(malformed("a sketch to take away was not part of this one"));
        }
        Self::read_buckets(r, level, self.bound, |key, count| if known { self.take(key, count) } else { Ok(()) })?;
        if known {
            self.zeros -= zeros;
        }
        Ok(known)
    }

    fn take(&mut self, key: i32, count: u64) -> Result<()> {
        let place = self.buckets.partition_point(|&b| b < pack(key, 0));
        match self.buckets.get_mut(place).filter(|b| key_of_bucket(**b) == key && count_of(**b) >= count) {
            Some(bucket) => *bucket -= count,
            None => return Err(malformed("a sketch to take away was not part of this one")),
        }
        if count_of(self.buckets[place]) == 0 {
            self.buckets.remove(place);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
