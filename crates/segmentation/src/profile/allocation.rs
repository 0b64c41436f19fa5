//! Money by key (class G until it is coarse, then M): the notional an account traded in each underlying.
//!
//! Up to a bound each key has its own exact sum. Beyond, keys that share their leading bits are added together, with
//! as many leading bits as keep the number of groups within the bound. That number of bits depends only on the set of
//! keys, so unlike a "top keys and the rest" list this can be merged in any order with the same result.
//! Concentration is then that of the groups: never below the true one, and above it by about one over the bound.

use crate::error::Result;
use crate::profile::codec::{malformed, Reader, Sink};
use crate::profile::shares::{mask, Shares};
use crate::profile::symbol::{key40, read_key40, write_key40, KEY_BITS};
use allocator_api2::alloc::Allocator;
use allocator_api2::vec::Vec;

/// As many keys are looked through one by one.
const FEW: usize = 4;

/// Sums of amounts above zero by key.
pub struct Allocation<A: Allocator + Clone> {
    bound: u32,
    /// How many leading bits of a key count; [`KEY_BITS`] while every key has its own sum.
    bits: u32,
    /// Where the last amount went: an account mostly stays with what it trades.
    recent: usize,
    /// In the order of the keys. A few are the rule, and then this beats a hash table.
    sums: Vec<(u64, i128), A>,
}

impl<A: Allocator + Clone> Allocation<A> {
    /// No sums yet; at most `bound` are kept. Only those of one bound can be merged.
    pub fn new(alloc: A, bound: usize) -> Self {
        Allocation { bound: bound.max(1) as u32, bits: KEY_BITS, recent: 0, sums: Vec::new_in(alloc) }
    }

    /// Adds an amount to the key that is the hash of a name; one that is not above zero is ignored.
    pub fn add(&mut self, hash: u64, amount: i128) {
        if amount > 0 {
            self.put(key40(hash) & mask(self.bits), amount);
        }
    }

    fn put(&mut self, key: u64, amount: i128) {
        // Of a few keys each is as likely as another, and no processor foresees which comes; counting those below it has no branch.
        let place = if self.sums.len() <= FEW {
            self.sums.iter().map(|s| usize::from(s.0 < key)).sum()
        } else {
            if let Some((_, sum)) = self.sums.get_mut(self.recent).filter(|s| s.0 == key) {
                *sum = sum.saturating_add(amount);
                return;
            }
            self.sums.partition_point(|s| s.0 < key)
        };
        self.recent = place;
        match self.sums.get_mut(place).filter(|s| s.0 == key) {
            Some((_, sum)) => *sum = sum.saturating_add(amount),
            None => {
                self.sums.insert(place, (key, amount));
                while self.sums.len() > self.bound as usize {
                    self.coarsen(self.bits - 1);
                }
            }
        }
    }

    /// Adds together what shares its `bits` leading bits.
    fn coarsen(&mut self, bits: u32) {
        self.bits = bits;
        let mut kept = 0;
        for i in 0..self.sums.len() {
            let (key, amount) = (self.sums[i].0 & mask(bits), self.sums[i].1);
            if kept > 0 && self.sums[kept - 1].0 == key {
                self.sums[kept - 1].1 = self.sums[kept - 1].1.saturating_add(amount);
            } else {
                self.sums[kept] = (key, amount);
                kept += 1;
            }
        }
        self.sums.truncate(kept);
    }

    /// Whether every key has its own sum. Otherwise no single key's sum is known.
    pub fn is_exact(&self) -> bool {
        self.bits == KEY_BITS
    }

    /// How many keys, or groups of keys, have a sum.
    pub fn len(&self) -> usize {
        self.sums.len()
    }

    pub fn is_empty(&self) -> bool {
        self.sums.is_empty()
    }

    /// Keys (40 bits, left aligned) and their sums in the order of the keys, so that whatever is computed from them
    /// is always added alike.
    pub fn entries(&self) -> &[(u64, i128)] {
        &self.sums
    }

    /// The sums, with what is known of their keys.
    pub fn shares(&self) -> Shares {
        Shares { bits: self.bits, entries: self.sums.to_vec() }
    }

    /// The sums in the order of their keys.
    pub fn amounts(&self) -> impl Iterator<Item = i128> + '_ {
        self.sums.iter().map(|s| s.1)
    }

    pub fn write(&self, out: &mut impl Sink) {
        out.var(u64::from(self.bits));
        out.var(self.sums.len() as u64);
        for &(key, amount) in &self.sums {
            write_key40(key, out);
            out.var128(amount.unsigned_abs());
        }
    }

    fn read_bits(r: &mut Reader) -> Result<u32> {
        Ok(r.below(u64::from(KEY_BITS) + 1, "a number of leading bits")? as u32)
    }

    fn read_sums(r: &mut Reader, bits: u32, bound: u32, mut visit: impl FnMut(u64, i128) -> Result<()>) -> Result<()> {
        let n = r.below(u64::from(bound) + 1, "a number of keys")?;
        // One bit more made more groups than the bound, and a bit splits a group in no more than two.
        if bits < KEY_BITS && n <= bound as usize / 2 {
            return Err(malformed("an allocation is too coarse"));
        }
        let mut last = None;
        for _ in 0..n {
            let key = read_key40(r)?;
            if key & !mask(bits) != 0 || last.is_some_and(|l| l >= key) {
                return Err(malformed("the keys of an allocation are not in order"));
            }
            last = Some(key);
            match i128::try_from(r.var128()?) {
                Ok(amount) if amount > 0 => visit(key, amount)?,
                _ => return Err(malformed("an amount of an allocation is out of range")),
            }
        }
        Ok(())
    }

    /// Adds what [`Allocation::write`] wrote.
    pub fn absorb(&mut self, r: &mut Reader) -> Result<()> {
        let bits = Self::read_bits(r)?;
        if bits < self.bits {
            self.coarsen(bits);
        }
        Self::read_sums(r, bits, self.bound, |key, amount| {
            self.put(key & mask(self.bits), amount);
            Ok(())
        })
    }

    /// Takes away what [`Allocation::write`] wrote and reads it to its end in any case. `false` when the keys were
    /// grouped: which ones would be left is not known any more.
    pub fn subtract(&mut self, r: &mut Reader) -> Result<bool> {
        let stranger = || malformed("an allocation to take away was not part of this one");
        let (bits, known) = (Self::read_bits(r)?, self.is_exact());
        if bits < self.bits {
            return Err(stranger());
        }
        Self::read_sums(r, bits, self.bound, |key, amount| {
            if !known {
                return Ok(());
            }
            let place = self.sums.binary_search_by_key(&key, |s| s.0).map_err(|_| stranger())?;
            self.sums[place].1 -= amount;
            match self.sums[place].1 {
                0 => drop(self.sums.remove(place)),
                left if left < 0 => return Err(stranger()),
                _ => (),
            }
            Ok(())
        })?;
        Ok(known)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::testing::{any_tree, bytes, harm, hostile, merged, merges, taken_away};
    use allocator_api2::alloc::Global;
    use proptest::prelude::*;

    type Part = std::vec::Vec<(u64, i128)>;

    fn hash(i: u64) -> u64 {
        crate::profile::symbol::hash(&i.to_le_bytes())
    }

    fn allocation(bound: usize, all: &[(u64, i128)]) -> Allocation<Global> {
        let mut a = Allocation::new(Global, bound);
        all.iter().for_each(|&(k, v)| a.add(k, v));
        a
    }

    #[test]
    fn exact_to_the_bound_and_no_sum_is_lost_beyond() {
        for (bound, n) in [(12usize, 3u64), (12, 12), (12, 13), (40, 40), (40, 41), (40, 5_000), (1, 2)] {
            let all: Part = (0..n).map(|i| (hash(i), i128::from(i) + 1)).collect();
            let a = allocation(bound, &all);
            assert_eq!(a.amounts().sum::<i128>(), i128::from(n * (n + 1) / 2));
            assert_eq!(a.is_exact(), n as usize <= bound);
            assert!(a.len() <= bound && (a.is_exact() || a.len() > bound / 2) && a.entries().len() == a.len());
            assert!(bytes(&a).len() <= 2 + 8 * bound);
            if a.is_exact() {
                assert!(all.iter().all(|&(k, v)| a.entries().contains(&(k >> 24 << 24, v))));
            }
        }
    }

    #[test]
    fn amounts_that_do_not_count() {
        let a = allocation(12, &[(hash(1), 0), (hash(2), -5)]);
        assert!(a.is_empty() && a.is_exact());
        assert_eq!(bytes(&a), [KEY_BITS as u8, 0]);
        let a = allocation(12, &[(hash(1), i128::MAX), (hash(1), 5)]);
        assert_eq!(a.entries(), [(key40(hash(1)), i128::MAX)]);
        assert_eq!(bytes(&merged(allocation(12, &[]), &[&bytes(&a), &bytes(&a)]).unwrap()), bytes(&a));
    }

    fn amounts(most: u64) -> impl Strategy<Value = Part> {
        // Few names often, and names whose hashes share leading bits.
        let key = prop_oneof![(0u64..10).prop_map(hash), (0u64..200).prop_map(hash), (0u64..200).prop_map(|i| i << 24)];
        prop::collection::vec((key, 0i128..1 << 80), 0..most as usize)
    }

    proptest! {
        #[test]
        fn any_tree_of_merges_gives_the_same_bytes(all in amounts(150), merges in merges(), bound in prop::sample::select(vec![1usize, 2, 12, 40])) {
            any_tree(&all, &merges, |some| allocation(bound, some))?;
        }

        #[test]
        fn what_was_added_can_be_taken_away(a in amounts(40), b in amounts(40)) {
            let both = allocation(40, &[&a[..], &b[..]].concat());
            prop_assert_eq!(taken_away(&a, &b, |some| allocation(40, some))?, both.is_exact());
            let mut alone = allocation(40, &a);
            let more = bytes(&allocation(40, &[(hash(1), 1 << 100)]));
            prop_assert!(!alone.is_exact() || alone.subtract(&mut Reader::new(&more)).is_err());
        }

        #[test]
        fn hostile_bytes_are_errors_or_sums(all in amounts(60), harm in harm()) {
            let make = || allocation(12, &all);
            hostile(&make(), &harm, || allocation(12, &[]), make, |a| {
                prop_assert!(a.len() <= 12);
                Ok(())
            })?;
        }
    }
}
