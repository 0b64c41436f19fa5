//! Sums that forget (class G): forward decay with a half-life of 30 days.
//!
//! The decayed sum at T is sum x_i 2^(-(T - t_i)/30 d). Each x_i is weighed once, against the end of its block of
//! 256 UTC days, and the sum of a block is carried to any T by one factor (Cormode, Shkapenyuk, Srivastava, Xu,
//! ICDE 2009). So the order of adding does not matter, and what was added can be taken away to the last bit.
//!
//! Only the newest block and the three before it are kept: what is older weighs less than 2^-25. How many fills that
//! left out is counted, for without them the block that becomes the newest after taking away would not be complete.

use crate::error::Result;
use crate::profile::codec::{malformed, Reader, Sink};
use crate::profile::days::DAY;
use crate::profile::money;
use allocator_api2::alloc::Allocator;
use allocator_api2::vec::Vec;

/// A count of one, as an amount.
const ONE: i128 = money::UNITS as i128;

/// Sums that decay together.
pub const SUMS: usize = 6;

const HALF_LIFE: f64 = 30.0 * DAY as f64;
const BLOCK: i64 = 256 * DAY;
/// Blocks kept.
const BLOCKS: i64 = 4;
/// Weighed amounts are rounded to this share of a unit of money.
const PARTS: u32 = 10;
/// Binary digits of a weight behind the point. A weight is at least 2^-8.6, so rounding it costs less than 2^-52 of it.
const DIGITS: u32 = 60;
/// Blocks of all 64-bit instants are within this many of block 0.
const LAST_BLOCK: i64 = i64::MAX / BLOCK + 1;

#[derive(Clone, Copy)]
struct Block {
    index: i64,
    fills: u64,
    sums: [i128; SUMS],
}

/// Decayed sums of money, and of counts given as multiples of one USD.
pub struct Decay<A: Allocator + Clone> {
    /// Fills of blocks that are older than those kept.
    older: u64,
    /// In the order of time, none without a fill.
    blocks: Vec<Block, A>,
}

/// 2^(-age / 30 d) for an age of 0 to 256 days in microseconds, with [`DIGITS`] digits.
fn weight(age: i64) -> i64 {
    (libm::exp2(-(age as f64 / HALF_LIFE)) * (1i64 << DIGITS) as f64) as i64
}

/// amount * weight in units of 2^-[`PARTS`], the nearest, half away from zero. Equal amounts of either sign give
/// equal sizes, so that the ratio of two sums is 1 or -1 when it ought to be.
#[inline]
fn weigh(amount: i128, weight: i64) -> i128 {
    const SHIFT: u32 = DIGITS - PARTS;
    const HALF: i128 = 1 << (SHIFT - 1);
    if let Ok(small) = i64::try_from(amount) {
        let product = i128::from(small) * i128::from(weight);
        // One less for what is below zero, where shifting rounds the other way.
        return (product + HALF + (product >> 127)) >> SHIFT;
    }
    // Beyond any amount of money the size is cut, which keeps the products within 128 bits.
    let (size, weight) = (amount.unsigned_abs().min(1 << 100), u128::from(weight.unsigned_abs()));
    // (high 2^40 + low) weight / 2^50, where high weight may not be shifted up by 40.
    let (high, low) = ((size >> 40) * weight, (size & ((1 << 40) - 1)) * weight);
    let weighed = (high >> PARTS) + ((((high & ((1 << PARTS) - 1)) << 40) + low + HALF.unsigned_abs()) >> SHIFT);
    amount.signum() * weighed as i128
}

impl<A: Allocator + Clone> Decay<A> {
    pub fn new(alloc: A) -> Self {
        Decay { older: 0, blocks: Vec::new_in(alloc) }
    }

    /// Adds one fill of an instant in microseconds since 2000-01-01: a one, its volume in units of money, and in the other sums the
    /// volume that often.
    #[inline]
    pub fn add(&mut self, at: i64, volume: i128, others: [i8; SUMS - 2]) {
        self.add_weighed(at, |weight| {
            let weighed = weigh(volume, weight);
            let mut sums = [weigh(ONE, weight), weighed, 0, 0, 0, 0];
            sums[2..].iter_mut().zip(others).for_each(|(sum, n)| {
                *sum = match n {
                    0 => 0,
                    1 => weighed,
                    n => weighed * i128::from(n),
                }
            });
            sums
        });
    }

    /// Adds one fill of an instant with its amounts, which it is told the weight of.
    #[inline]
    fn add_weighed(&mut self, at: i64, amounts: impl FnOnce(i64) -> [i128; SUMS]) {
        let index = at.div_euclid(BLOCK);
        let sums = amounts(weight(BLOCK - at.wrapping_sub(index.wrapping_mul(BLOCK))));
        if let Some(last) = self.blocks.last_mut().filter(|b| b.index == index) {
            last.fills = last.fills.saturating_add(1);
            // No number of trades overflows these; a sum forged in the binary form may be anything, but must not panic.
            last.sums.iter_mut().zip(sums).for_each(|(sum, more)| *sum = sum.wrapping_add(more));
            return;
        }
        self.put(&Block { index, fills: 1, sums });
    }

    fn put(&mut self, more: &Block) {
        // Trades mostly arrive in the order of time, so the last block is the one.
        let place = match self.blocks.last() {
            Some(last) if last.index == more.index => Ok(self.blocks.len() - 1),
            Some(last) if last.index - more.index >= BLOCKS => {
                self.older = self.older.saturating_add(more.fills);
                return;
            }
            _ => self.blocks.binary_search_by_key(&more.index, |b| b.index),
        };
        match place {
            Ok(i) => {
                let block = &mut self.blocks[i];
                block.fills = block.fills.saturating_add(more.fills);
                block.sums.iter_mut().zip(&more.sums).for_each(|(sum, &m)| *sum = sum.saturating_add(m));
            }
            Err(i) => {
                self.blocks.insert(i, *more);
                self.forget();
            }
        }
    }

    /// Leaves out the blocks that the newest one has made too old.
    fn forget(&mut self) {
        let Some(newest) = self.blocks.last().map(|b| b.index) else { return };
        let gone = self.blocks.partition_point(|b| newest - b.index >= BLOCKS);
        for block in self.blocks.drain(..gone) {
            self.older = self.older.saturating_add(block.fills);
        }
    }

    /// The sums at `as_of`, in USD, or in numbers where a one was given as one USD. All are 0 without fills. `as_of`
    /// is not before the last fill: sums are not discounted backwards for fills that had not happened.
    pub fn values(&self, as_of: i64) -> [f64; SUMS] {
        let mut values = [0.0; SUMS];
        for block in &self.blocks {
            let age = i128::from(as_of) - i128::from(block.index + 1) * i128::from(BLOCK);
            let factor = libm::exp2(-(age as f64 / HALF_LIFE) - f64::from(PARTS)) / money::UNITS;
            values.iter_mut().zip(&block.sums).for_each(|(v, &sum)| *v += sum as f64 * factor);
        }
        values
    }

    pub fn write(&self, out: &mut impl Sink) {
        out.var(self.older);
        out.var(self.blocks.len() as u64);
        let Some(newest) = self.blocks.last() else { return };
        out.signed(i128::from(newest.index));
        for block in &self.blocks {
            out.var(newest.index.abs_diff(block.index));
            out.var(block.fills);
            block.sums.iter().for_each(|&s| out.signed(s));
        }
    }

    /// What [`Decay::write`] wrote: the number of older fills, and each block.
    fn read(r: &mut Reader, mut visit: impl FnMut(&Block) -> Result<()>) -> Result<u64> {
        let bad = || malformed("the blocks of decayed sums are not in order");
        let older = r.var()?;
        let n = r.below(BLOCKS as u64 + 1, "a number of blocks")?;
        if n == 0 {
            return if older == 0 { Ok(0) } else { Err(bad()) };
        }
        let newest = i64::try_from(r.signed()?).ok().filter(|b| b.abs() <= LAST_BLOCK).ok_or_else(bad)?;
        let mut before = BLOCKS;
        for left in (0..n).rev() {
            let back = r.below(BLOCKS as u64, "the age of a block")? as i64;
            let mut block = Block { index: newest - back, fills: r.var()?, sums: [0; SUMS] };
            for sum in &mut block.sums {
                *sum = r.signed()?;
            }
            if back >= before || (left == 0) != (back == 0) || block.fills == 0 {
                return Err(bad());
            }
            before = back;
            visit(&block)?;
        }
        Ok(older)
    }

    /// Adds what [`Decay::write`] wrote.
    pub fn absorb(&mut self, r: &mut Reader) -> Result<()> {
        let older = Self::read(r, |block| {
            self.put(block);
            Ok(())
        })?;
        self.older = self.older.saturating_add(older);
        Ok(())
    }

    /// Takes away what [`Decay::write`] wrote. `false` when the newest block goes and there were fills older than
    /// the blocks kept: some of these would have to come back.
    pub fn subtract(&mut self, r: &mut Reader) -> Result<bool> {
        let stranger = || malformed("decayed sums to take away were not part of these");
        let newest = self.blocks.last().map_or(i64::MIN, |b| b.index);
        let mut gone = 0u64;
        let older = Self::read(r, |part| {
            if newest.saturating_sub(part.index) >= BLOCKS {
                gone = gone.saturating_add(part.fills);
                return Ok(());
            }
            let i = self.blocks.binary_search_by_key(&part.index, |b| b.index).map_err(|_| stranger())?;
            let block = &mut self.blocks[i];
            block.fills = block.fills.checked_sub(part.fills).ok_or_else(stranger)?;
            block.sums.iter_mut().zip(&part.sums).for_each(|(sum, &p)| *sum = sum.saturating_sub(p));
            if block.fills == 0 && block.sums != [0; SUMS] {
                return Err(stranger());
            }
            Ok(())
        })?;
        self.older = self.older.checked_sub(gone.saturating_add(older)).ok_or_else(stranger)?;
        self.blocks.retain(|b| b.fills > 0);
        Ok(self.older == 0 || self.blocks.last().is_some_and(|b| b.index == newest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::testing::{any_tree, bytes, harm, hostile, merged, merges, taken_away};
    use allocator_api2::alloc::Global;
    use proptest::prelude::*;

    type Fill = (i64, [i128; SUMS]);

    fn decay(fills: &[Fill]) -> Decay<Global> {
        let mut d = Decay::new(Global);
        fills.iter().for_each(|(at, amounts)| d.add_weighed(*at, |weight| amounts.map(|a| weigh(a, weight))));
        d
    }

    #[test]
    fn the_sums_of_the_reference() {
        // domain.md 1.0. A block begins at day 0; from day 250 the fills are in two of them.
        for start in [0i64, 100, 215, 216, 230, 250, 252, 255, -256, -257, -30, 9_500] {
            let at = |day: i64| (start + day) * DAY;
            let unit = money::UNITS as i128;
            let fills: std::vec::Vec<Fill> = [(0, 10), (1, 20), (5, 5), (40, 8)]
                .map(|(day, x)| (at(day), [x * unit, unit, -x * unit, 0, 0, 0]))
                .to_vec();
            let d = decay(&fills);
            let near = |a: f64, b: f64| assert!((a / b - 1.0).abs() < 1e-10, "{start}: {a} is not {b}");
            let [s, w, minus, none, ..] = d.values(at(40));
            near(s, 22.318273388833703);
            near(w, 2.2484258202403375);
            near(s / w, 9.92617732278491);
            assert_eq!((minus, none), (-s, 0.0));
            near(d.values(at(60))[0], 14.059631219950084);
        }
    }

    #[test]
    fn a_weight_is_a_power_of_two() {
        for (days, halvings) in [(30, 1), (60, 2), (240, 8)] {
            assert_eq!(weight(days * DAY), 1 << (DIGITS - halvings));
        }
        assert!(weight(BLOCK) > 1 << 51 && weight(1) < 1 << DIGITS);
        // Both ways of multiplying agree, and are exact for exact weights.
        for amount in [4i128, -28, 1 << 62, -(1 << 64), (1 << 64) + 12_345_678_904, -((1 << 99) + 987_654_321 * 8)] {
            assert_eq!(weigh(amount, 1 << (DIGITS - 3)), amount << (PARTS - 3));
            assert_eq!(weigh(amount, 3 << (DIGITS - PARTS - 2)), amount / 4 * 3);
        }
        // Half a part is rounded away from zero.
        assert_eq!([weigh(2, 1 << (DIGITS - PARTS - 2)), weigh(-2, 1 << (DIGITS - PARTS - 2))], [1, -1]);
        assert_eq!(weigh(1, 1 << (DIGITS - PARTS - 2)), 0);
        assert_eq!(weigh(i128::MIN, 1 << DIGITS), -(1 << 110));
    }

    #[test]
    fn older_fills_are_counted_until_they_matter() {
        let ones = [1_000i128; SUMS];
        let (old, new) = ((0, ones), (4 * BLOCK, ones));
        let mut both = decay(&[old, new]);
        assert_eq!(bytes(&both), bytes(&decay(&[new, old])));
        assert_eq!((both.older, both.blocks.len()), (1, 1));
        assert!(!both.subtract(&mut Reader::new(&bytes(&decay(&[new])))).unwrap());
        let mut both = decay(&[old, new]);
        assert!(both.subtract(&mut Reader::new(&bytes(&decay(&[old])))).unwrap());
        assert_eq!(bytes(&both), bytes(&decay(&[new])));
        let near = (3 * BLOCK, ones);
        let mut both = decay(&[near, new]);
        assert!(both.subtract(&mut Reader::new(&bytes(&decay(&[new])))).unwrap());
        assert_eq!(bytes(&both), bytes(&decay(&[near])));
        assert!(both.subtract(&mut Reader::new(&bytes(&decay(&[new])))).is_err());
    }

    #[test]
    fn the_ends_of_time_are_safe() {
        let most = [1i128 << 97; SUMS];
        let d = decay(&[(i64::MAX, most), (i64::MIN, most)]);
        assert!(d.values(i64::MAX)[0] > 1e20 && bytes(&d).len() < 130);
        assert_eq!(bytes(&merged(decay(&[]), &[&bytes(&d)]).unwrap()), bytes(&d));
        let d = decay(&[(i64::MIN, most)]);
        assert_eq!(bytes(&merged(decay(&[]), &[&bytes(&d)]).unwrap()), bytes(&d));
        let full: std::vec::Vec<Fill> = (0..4).map(|b| (b * BLOCK, most)).collect();
        assert!(bytes(&decay(&full)).len() < 450);
        assert_eq!(bytes(&decay(&[])), [0, 0]);
        assert_eq!(decay(&[]).values(0), [0.0; SUMS]);
    }

    fn fills() -> impl Strategy<Value = std::vec::Vec<Fill>> {
        let amount = prop_oneof![
            Just(0i128),
            -1_000_000i128..1_000_000,
            any::<i64>().prop_map(i128::from),
            -(1i128 << 97)..1 << 97
        ];
        let amounts = [amount.clone(), amount.clone(), amount.clone(), amount.clone(), amount.clone(), amount];
        prop::collection::vec((-BLOCK..6 * BLOCK, amounts), 0..40)
    }

    proptest! {
        #[test]
        fn any_tree_of_merges_gives_the_same_bytes(fills in fills(), merges in merges()) {
            any_tree(&fills, &merges, decay)?;
        }

        #[test]
        fn what_was_added_can_be_taken_away(a in fills(), b in fills()) {
            let last = |fills: &[Fill]| fills.iter().map(|f| f.0.div_euclid(BLOCK)).max();
            let known = taken_away(&a, &b, decay)?;
            prop_assert!(known || last(&a) < last(&b));
        }

        /// Against the definition, fill by fill.
        #[test]
        fn values_are_those_of_the_definition(fills in prop::collection::vec((0i64..4 * BLOCK, 1i128..1 << 96), 1..30), later in 0i64..BLOCK) {
            let as_of = 4 * BLOCK - 1 + later;
            let d = decay(&fills.iter().chain(&[(4 * BLOCK - 1, 1)]).map(|&(at, x)| (at, [x, 0, 0, 0, 0, -x])).collect::<std::vec::Vec<_>>());
            let exact = |at: i64, x: i128| money::to_usd(x) * libm::exp2(-((as_of - at) as f64) / HALF_LIFE);
            let sum: f64 = fills.iter().map(|&(at, x)| exact(at, x)).sum();
            prop_assert!((d.values(as_of)[0] - sum).abs() <= 1e-12 * sum + 1e-9);
            prop_assert_eq!(d.values(as_of)[5], -d.values(as_of)[0]);
        }

        #[test]
        fn hostile_bytes_are_errors_or_sums(fills in fills(), harm in harm()) {
            hostile(&decay(&fills), &harm, || decay(&[]), || decay(&fills), |d| {
                prop_assert!(d.blocks.len() <= BLOCKS as usize);
                Ok(())
            })?;
        }
    }
}
