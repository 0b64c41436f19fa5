//! Money by key (class G): the notional an account traded in each underlying.
//!
//! Up to [`KEYS`] keys each has its own exact sum. Beyond, keys that share their leading bits are added together, with
//! as many leading bits as keep the number of groups within [`KEYS`]. That number of bits depends only on the set of
//! keys, so unlike a "top keys and the rest" list this can be merged in any order with the same result.
//! Concentration is then that of the groups: never below the true one, and above it by about 1/128 at most on average.

use crate::error::Result;
use crate::profile::codec::{malformed, Reader, Sink};
use crate::profile::symbol::BuildSpread;
use allocator_api2::alloc::Allocator;
use allocator_api2::vec::Vec;
use hashbrown::HashMap;

/// Largest number of keys, or groups of keys, kept.
pub const KEYS: usize = 128;

pub struct Allocation<A: Allocator + Clone> {
    /// How many leading bits of a key count; 64 while every key has its own sum.
    bits: u32,
    sums: HashMap<u64, i128, BuildSpread, A>,
}

fn mask(bits: u32) -> u64 {
    if bits == 0 {
        return 0;
    }
    u64::MAX << (64 - bits)
}

impl<A: Allocator + Clone> Allocation<A> {
    pub fn new(alloc: A) -> Self {
        Allocation { bits: 64, sums: HashMap::with_hasher_in(BuildSpread::default(), alloc) }
    }

    pub fn add(&mut self, key: u64, amount: i128) {
        let sum = self.sums.entry(key & mask(self.bits)).or_insert(0);
        *sum = sum.saturating_add(amount);
        if self.sums.len() > KEYS {
            let mut bits = self.bits - 1;
            while self.groups(bits) > KEYS {
                bits -= 1;
            }
            self.coarsen(bits);
        }
    }

    fn sorted(&self) -> Vec<(u64, i128), A> {
        let mut all = Vec::with_capacity_in(self.sums.len(), self.sums.allocator().clone());
        all.extend(self.sums.iter().map(|(&k, &v)| (k, v)));
        all.sort_unstable();
        all
    }

    fn groups(&self, bits: u32) -> usize {
        let sorted = self.sorted();
        let distinct = sorted.windows(2).filter(|w| w[0].0 & mask(bits) != w[1].0 & mask(bits)).count();
        distinct + usize::from(!sorted.is_empty())
    }

    fn coarsen(&mut self, bits: u32) {
        let all = self.sorted();
        self.bits = bits;
        self.sums.clear();
        for (key, amount) in all {
            let sum = self.sums.entry(key & mask(bits)).or_insert(0);
            *sum = sum.saturating_add(amount);
        }
    }

    /// The sums in the order of their keys, so that whatever is computed from them is always added alike.
    pub fn amounts(&self) -> impl Iterator<Item = i128> {
        self.sorted().into_iter().map(|(_, v)| v)
    }

    pub fn write(&self, out: &mut impl Sink) {
        out.var(u64::from(self.bits));
        out.var(self.sums.len() as u64);
        for (key, amount) in self.sorted() {
            out.u64(key);
            out.signed(amount);
        }
    }

    /// Adds what [`Allocation::write`] wrote.
    pub fn absorb(&mut self, r: &mut Reader) -> Result<()> {
        let bits = r.below(65, "a number of leading bits")? as u32;
        let n = r.below(KEYS as u64 + 1, "a number of keys")?;
        if bits < self.bits {
            self.coarsen(bits);
        }
        let mut last = None;
        for _ in 0..n {
            let key = r.u64()?;
            if key & !mask(bits) != 0 || last.is_some_and(|l| l >= key) {
                return Err(malformed("the keys of an allocation are not in order"));
            }
            last = Some(key);
            self.add(key, r.signed()?);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use allocator_api2::alloc::Global;

    #[test]
    fn any_order_and_partition_give_the_same_bytes() {
        for n in [3u64, 128, 129, 1_000] {
            let all: std::vec::Vec<(u64, i128)> =
                (0..n).map(|i| (xxhash_rust::xxh3::xxh3_64(&i.to_le_bytes()), i128::from(i) + 1)).collect();
            let mut whole = Allocation::new(Global);
            all.iter().for_each(|&(k, v)| whole.add(k, v));
            let mut parts = Allocation::new(Global);
            for chunk in all.chunks(50).rev() {
                let mut part = Allocation::new(Global);
                chunk.iter().rev().for_each(|&(k, v)| part.add(k, v));
                let mut bytes = std::vec::Vec::new();
                part.write(&mut bytes);
                parts.absorb(&mut Reader::new(&bytes)).unwrap();
            }
            let (mut a, mut b) = (std::vec::Vec::new(), std::vec::Vec::new());
            whole.write(&mut a);
            parts.write(&mut b);
            assert_eq!(a, b);
            assert_eq!(whole.amounts().sum::<i128>(), i128::from(n * (n + 1) / 2));
            assert_eq!(whole.bits == 64, n <= 128);
            assert!(whole.sums.len() <= KEYS && (n < 129 || whole.sums.len() > KEYS / 4));
        }
    }
}
