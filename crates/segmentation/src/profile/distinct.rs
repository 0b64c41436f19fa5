//! Counting distinct keys (class M): exact up to [`EXACT`] of them, then HyperLogLog.
//!
//! Which form a set is in depends only on how many distinct keys it has seen, so merging in any order gives the same
//! bytes. Of a key 40 bits count: 10 choose one of 2^10 registers, which keeps the largest rank (leading zeros plus
//! one) of the other 30. Standard error 1.04/sqrt(1024) = 3.25 % (Flajolet, Fusy, Gandouet, Meunier 2007). The
//! estimate is that of Ertl (2017, arXiv 1702.01284), which needs no correction for small counts.

use crate::error::Result;
use crate::profile::codec::{malformed, Reader, Sink};
use crate::profile::symbol::{key40, read_key40, write_key40, KEY_BITS};
use allocator_api2::alloc::Allocator;
use allocator_api2::vec::Vec;
use std::borrow::Cow;

/// Largest number of keys kept exactly.
pub const EXACT: usize = 128;
const INDEX_BITS: u32 = 10;
const REGISTERS: usize = 1 << INDEX_BITS;
/// Bits that are ranked; a rank is 0 (nothing seen) to one more than this, and fits in 5 bits.
const RANKED: u32 = KEY_BITS - INDEX_BITS;
const RANK_BITS: usize = 5;
const PACKED: usize = REGISTERS * RANK_BITS / 8;
/// Most bytes that [`Distinct::write`] writes.
pub const MOST_BYTES: usize = 2 + PACKED;

/// A set of hashes, of which the leading 40 bits count.
pub struct Distinct<A: Allocator + Clone> {
    /// The key seen last, for fills come in runs; no key has its lowest bit set.
    recent: u64,
    keys: Keys<A>,
}

enum Keys<A: Allocator + Clone> {
    /// Those before `sorted` in order and each once; the others as they came. No more than [`EXACT`] in all.
    Exact {
        keys: Vec<u64, A>,
        sorted: usize,
    },
    Registers(Vec<u8, A>),
}

impl<A: Allocator + Clone> Distinct<A> {
    pub fn new(alloc: A) -> Self {
        Distinct { recent: 1, keys: Keys::Exact { keys: Vec::new_in(alloc), sorted: 0 } }
    }

    /// Makes room for so many keys.
    pub fn reserve(&mut self, keys: usize) {
        if let Keys::Exact { keys: exact, .. } = &mut self.keys {
            exact.reserve_exact(keys.min(EXACT + 1));
        }
    }

    /// Adds the hash of a name.
    pub fn insert(&mut self, hash: u64) {
        let key = key40(hash);
        if key != self.recent {
            self.recent = key;
            self.put(key);
        }
    }

    fn put(&mut self, key: u64) {
        match &mut self.keys {
            Keys::Exact { keys, sorted } => {
                // In order are those that were there when the room was last full: many of few. Putting each new one in its place would move
                // half of the others.
                if keys[..*sorted].binary_search(&key).is_ok() {
                    return;
                }
                keys.push(key);
                if keys.len() > EXACT {
                    keys.sort_unstable();
                    keys.dedup();
                    *sorted = keys.len();
                    if keys.len() > EXACT {
                        self.registers();
                    }
                }
            }
            Keys::Registers(registers) => observe(registers, key),
        }
    }

    /// The registers, of the keys so far if they were exact until now.
    fn registers(&mut self) -> &mut [u8] {
        if let Keys::Exact { keys, .. } = &self.keys {
            let mut registers = Vec::with_capacity_in(REGISTERS, keys.allocator().clone());
            registers.resize(REGISTERS, 0);
            keys.iter().for_each(|&k| observe(&mut registers, k));
            self.keys = Keys::Registers(registers);
        }
        match &mut self.keys {
            Keys::Registers(registers) => registers,
            Keys::Exact { .. } => &mut [],
        }
    }

    /// The keys in order, each once, where they are known.
    fn exact(&self) -> Option<Cow<'_, [u64]>> {
        let Keys::Exact { keys, sorted } = &self.keys else { return None };
        if *sorted == keys.len() {
            return Some(Cow::Borrowed(&keys[..]));
        }
        let mut keys = keys.to_vec();
        keys.sort_unstable();
        keys.dedup();
        Some(Cow::Owned(keys))
    }

    /// The count: exact up to [`EXACT`], estimated beyond.
    pub fn count(&self) -> f64 {
        match &self.keys {
            Keys::Registers(registers) => estimate(registers),
            Keys::Exact { .. } => self.exact().map_or(0.0, |keys| keys.len() as f64),
        }
    }

    /// Whether [`Distinct::count`] is exact.
    pub fn is_exact(&self) -> bool {
        matches!(self.keys, Keys::Exact { .. })
    }

    pub fn write(&self, out: &mut impl Sink) {
        match &self.keys {
            Keys::Exact { .. } => {
                let keys = self.exact().unwrap_or_default();
                out.var(keys.len() as u64);
                keys.iter().for_each(|&k| write_key40(k, out));
            }
            Keys::Registers(registers) => {
                out.var(EXACT as u64 + 1);
                for eight in registers.chunks_exact(8) {
                    let word = eight.iter().rev().fold(0u64, |w, &r| w << RANK_BITS | u64::from(r));
                    out.put(&word.to_le_bytes()[..RANK_BITS]);
                }
            }
        }
    }

    /// Adds what [`Distinct::write`] wrote to this set.
    pub fn absorb(&mut self, r: &mut Reader) -> Result<()> {
        let n = r.below(EXACT as u64 + 2, "a count of keys")?;
        if n <= EXACT {
            let mut last = None;
            for _ in 0..n {
                let key = read_key40(r)?;
                if last.is_some_and(|l| l >= key) {
                    return Err(malformed("the keys of a set are not in order"));
                }
                last = Some(key);
                self.put(key);
            }
            return Ok(());
        }
        let packed = r.take(PACKED)?;
        let registers = self.registers();
        for (eight, bytes) in registers.chunks_exact_mut(8).zip(packed.chunks_exact(RANK_BITS)) {
            let mut word = [0; 8];
            word[..RANK_BITS].copy_from_slice(bytes);
            let word = u64::from_le_bytes(word);
            for (i, register) in eight.iter_mut().enumerate() {
                // Five bits hold every rank and nothing else.
                *register = (*register).max((word >> (RANK_BITS * i)) as u8 & 31);
            }
        }
        Ok(())
    }
}

fn observe(registers: &mut [u8], key: u64) {
    let index = (key >> (64 - INDEX_BITS)) as usize;
    let rank = ((key << INDEX_BITS).leading_zeros().min(RANKED) + 1) as u8;
    registers[index] = registers[index].max(rank);
}

fn estimate(registers: &[u8]) -> f64 {
    let mut counts = [0u32; RANKED as usize + 2];
    registers.iter().for_each(|&r| counts[usize::from(r)] += 1);
    let m = REGISTERS as f64;
    let (first, last) = (f64::from(counts[0]) / m, f64::from(counts[RANKED as usize + 1]) / m);
    let mut z = m * tau(1.0 - last);
    for &count in counts[1..=RANKED as usize].iter().rev() {
        z = 0.5 * (z + f64::from(count));
    }
    // There are no more keys than this; registers forged full would say infinity.
    (m * m / (2.0 * std::f64::consts::LN_2 * (z + m * sigma(first)))).min((1u64 << KEY_BITS) as f64)
}

/// x + sum over k from 1 of x^(2^k) 2^(k-1): what registers that saw nothing say.
fn sigma(mut x: f64) -> f64 {
    if x == 1.0 {
        return f64::INFINITY;
    }
    let (mut y, mut z) = (1.0, x);
    loop {
        x *= x;
        let before = z;
        z += x * y;
        y += y;
        if z == before {
            return z;
        }
    }
}

/// (1 - x - sum over k from 1 of (1 - x^(2^-k))² 2^-k) / 3: what registers at the largest rank say.
fn tau(mut x: f64) -> f64 {
    if x == 0.0 || x == 1.0 {
        return 0.0;
    }
    let (mut y, mut z) = (1.0, 1.0 - x);
    loop {
        x = libm::sqrt(x);
        let before = z;
        y *= 0.5;
        z -= (1.0 - x) * (1.0 - x) * y;
        if z == before {
            return z / 3.0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::symbol::hash;
    use crate::profile::testing::{any_tree, bytes, harm, hostile, merged, merges};
    use allocator_api2::alloc::Global;
    use proptest::prelude::*;

    fn keys(from: u64, n: u64) -> impl Iterator<Item = u64> {
        (from..from + n).map(|i| hash(&i.to_le_bytes()))
    }

    fn set(keys: impl Iterator<Item = u64>) -> Distinct<Global> {
        let mut d = Distinct::new(Global);
        keys.for_each(|k| d.insert(k));
        d
    }

    #[test]
    fn exact_then_within_five_standard_errors() {
        let d = set(keys(0, 128).chain(keys(0, 128)));
        assert_eq!((d.count(), d.is_exact(), bytes(&d).len()), (128.0, true, MOST_BYTES));
        for n in [129u64, 2_000, 2_560, 5_000, 100_000, 1_000_000] {
            let d = set(keys(0, n));
            assert!(!d.is_exact() && bytes(&d).len() == MOST_BYTES);
            assert!((d.count() / n as f64 - 1.0).abs() < 5.0 * 0.0325, "{n}: {}", d.count());
        }
    }

    /// Over many sets: no bias, and the standard error that is claimed, also where other estimators change over.
    #[test]
    fn estimates_are_unbiased() {
        for n in [150u64, 1_000, 2_560, 4_000, 20_000] {
            let errors: std::vec::Vec<f64> = (0..200).map(|i| set(keys(i * n, n)).count() / n as f64 - 1.0).collect();
            let mean = errors.iter().sum::<f64>() / 200.0;
            let rms = libm::sqrt(errors.iter().map(|e| e * e).sum::<f64>() / 200.0);
            assert!(mean.abs() < 0.0325 * 4.0 / libm::sqrt(200.0) && rms < 0.0325 * 1.2, "{n}: {mean} {rms}");
        }
    }

    #[test]
    fn full_registers_are_a_number() {
        let mut forged = [255u8; MOST_BYTES];
        forged[..2].copy_from_slice(&[0x81, 0x01]);
        assert_eq!(merged(Distinct::new(Global), &[&forged]).unwrap().count(), (1u64 << KEY_BITS) as f64);
        forged[2..].fill(0);
        assert_eq!(merged(Distinct::new(Global), &[&forged]).unwrap().count(), 0.0);
    }

    proptest! {
        #[test]
        fn any_tree_of_merges_gives_the_same_bytes(
            n in prop_oneof![0u64..20, 120u64..140, 0u64..2_000],
            merges in merges(),
        ) {
            prop_assert!(bytes(&set(keys(0, n))).len() <= MOST_BYTES);
            // Each key twice, so that it goes to two of the parts.
            let twice: std::vec::Vec<u64> = keys(0, n).chain(keys(0, n)).collect();
            any_tree(&twice, &merges, |some| set(some.iter().copied()))?;
        }

        #[test]
        fn hostile_bytes_are_errors_or_sets(n in 0u64..300, harm in harm()) {
            hostile(&set(keys(0, n)), &harm, || Distinct::new(Global), || set(keys(0, 100)), |d| {
                prop_assert!(d.count().is_finite() && bytes(d).len() <= MOST_BYTES);
                Ok(())
            })?;
        }
    }
}
