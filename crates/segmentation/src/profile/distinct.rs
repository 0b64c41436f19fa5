//! Counting distinct keys (class M): exact up to [`EXACT`] of them, then HyperLogLog.
//!
//! Which form a set is in depends only on how many distinct keys it has seen, so merging in any order gives the same
//! bytes. Registers: 2^12, standard error 1.04/sqrt(4096) = 1.63 % (Flajolet, Fusy, Gandouet, Meunier 2007).

use crate::error::Result;
use crate::profile::codec::{malformed, Reader, Sink};
use crate::profile::symbol::BuildSpread;
use allocator_api2::alloc::Allocator;
use allocator_api2::vec::Vec;
use hashbrown::HashSet;

/// Largest number of keys kept exactly.
pub const EXACT: usize = 256;
const BITS: u32 = 12;
const REGISTERS: usize = 1 << BITS;
/// A register holds a rank of 1 to 53, which fits in 6 bits.
const PACKED: usize = REGISTERS * 6 / 8;

/// A set of 64-bit hashes.
pub enum Distinct<A: Allocator + Clone> {
    Exact(HashSet<u64, BuildSpread, A>),
    Registers(Vec<u8, A>),
}

impl<A: Allocator + Clone> Distinct<A> {
    pub fn new(alloc: A) -> Self {
        Distinct::Exact(HashSet::with_hasher_in(BuildSpread::default(), alloc))
    }

    pub fn insert(&mut self, key: u64) {
        match self {
            Distinct::Exact(keys) => {
                if keys.insert(key) && keys.len() > EXACT {
                    let mut registers = Vec::with_capacity_in(REGISTERS, keys.allocator().clone());
                    registers.resize(REGISTERS, 0);
                    keys.iter().for_each(|&k| observe(&mut registers, k));
                    *self = Distinct::Registers(registers);
                }
            }
            Distinct::Registers(registers) => observe(registers, key),
        }
    }

    /// The count: exact up to [`EXACT`], estimated beyond.
    pub fn count(&self) -> f64 {
        match self {
            Distinct::Exact(keys) => keys.len() as f64,
            Distinct::Registers(registers) => estimate(registers),
        }
    }

    pub fn write(&self, out: &mut impl Sink) {
        match self {
            Distinct::Exact(keys) => {
                out.var(keys.len() as u64);
                let mut sorted = [0u64; EXACT];
                for (slot, &key) in sorted.iter_mut().zip(keys) {
                    *slot = key;
                }
                let sorted = &mut sorted[..keys.len()];
                sorted.sort_unstable();
                sorted.iter().for_each(|&k| out.u64(k));
            }
            Distinct::Registers(registers) => {
                out.var(EXACT as u64 + 1);
                for four in registers.chunks_exact(4) {
                    let word = four.iter().rev().fold(0u32, |w, &r| w << 6 | u32::from(r));
                    out.put(&word.to_le_bytes()[..3]);
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
                let key = r.u64()?;
                if last.is_some_and(|l| l >= key) {
                    return Err(malformed("the keys of a set are not in order"));
                }
                last = Some(key);
                self.insert(key);
            }
            return Ok(());
        }
        let packed = r.take(PACKED)?;
        if let Distinct::Exact(keys) = self {
            let mut registers = Vec::with_capacity_in(REGISTERS, keys.allocator().clone());
            registers.resize(REGISTERS, 0);
            keys.iter().for_each(|&k| observe(&mut registers, k));
            *self = Distinct::Registers(registers);
        }
        if let Distinct::Registers(registers) = self {
            for (four, bytes) in registers.chunks_exact_mut(4).zip(packed.chunks_exact(3)) {
                let word = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], 0]);
                for (i, register) in four.iter_mut().enumerate() {
                    let rank = (word >> (6 * i)) as u8 & 63;
                    if u32::from(rank) > 64 - BITS + 1 {
                        return Err(malformed("a register is out of range"));
                    }
                    *register = (*register).max(rank);
                }
            }
        }
        Ok(())
    }
}

fn observe(registers: &mut [u8], key: u64) {
    let index = (key >> (64 - BITS)) as usize;
    let rank = ((key << BITS).leading_zeros().min(64 - BITS) + 1) as u8;
    registers[index] = registers[index].max(rank);
}

fn estimate(registers: &[u8]) -> f64 {
    let m = REGISTERS as f64;
    // Each term is a power of two not below 2^-53 and there are 4096: the sum is exact in any order.
    let sum: f64 = registers.iter().map(|&r| libm::ldexp(1.0, -i32::from(r))).sum();
    let raw = 0.7213 / (1.0 + 1.079 / m) * m * m / sum;
    let empty = registers.iter().filter(|&&r| r == 0).count();
    if raw <= 2.5 * m && empty > 0 {
        return m * libm::log(m / empty as f64);
    }
    raw
}

#[cfg(test)]
mod tests {
    use super::*;
    use allocator_api2::alloc::Global;

    fn keys(n: u64) -> impl Iterator<Item = u64> {
        (0..n).map(|i| xxhash_rust::xxh3::xxh3_64(&i.to_le_bytes()))
    }

    #[test]
    fn exact_then_within_five_standard_errors() {
        let mut d = Distinct::new(Global);
        keys(256).for_each(|k| d.insert(k));
        assert_eq!(d.count(), 256.0);
        for n in [257u64, 2_000, 10_000, 100_000] {
            let mut d = Distinct::new(Global);
            keys(n).for_each(|k| d.insert(k));
            assert!((d.count() / n as f64 - 1.0).abs() < 5.0 * 0.0163, "{n}: {}", d.count());
        }
    }

    #[test]
    fn order_and_partition_do_not_matter() {
        for n in [10u64, 256, 257, 5_000] {
            let all: std::vec::Vec<u64> = keys(n).collect();
            let (mut whole, mut parts) = (Distinct::new(Global), Distinct::new(Global));
            all.iter().for_each(|&k| whole.insert(k));
            for chunk in all.chunks(97).rev() {
                let mut part = Distinct::new(Global);
                chunk.iter().for_each(|&k| part.insert(k));
                let mut bytes = std::vec::Vec::new();
                part.write(&mut bytes);
                parts.absorb(&mut Reader::new(&bytes)).unwrap();
            }
            let (mut a, mut b) = (std::vec::Vec::new(), std::vec::Vec::new());
            whole.write(&mut a);
            parts.write(&mut b);
            assert_eq!(a, b);
            assert!(a.len() <= 2 + PACKED);
        }
    }
}
