//! Names as 64-bit hashes: what a profile keeps of an instrument, an underlying or a venue.
//!
//! The function is XXH3-64 with seed 0 over the UTF-8 bytes as given (no case folding, no trimming): fixed by its
//! specification, equal on every processor, never seeded per process. Two of a million names share a hash with a
//! probability of about 3e-8.

/// Hash of a name. Equal names, and only they (up to a 64-bit collision), count as one instrument.
pub fn hash(name: &[u8]) -> u64 {
    xxhash_rust::xxh3::xxh3_64(name)
}

/// Spreads keys that are hashes already, or hashes with their low bits cut off.
#[derive(Clone, Copy, Default)]
pub struct Spread(u64);

impl std::hash::Hasher for Spread {
    fn write(&mut self, bytes: &[u8]) {
        for &b in bytes {
            self.write_u64(u64::from(b));
        }
    }

    fn write_u64(&mut self, key: u64) {
        // The table takes its slot from the low bits, which a coarsened key has lost: bring the high ones down.
        self.0 = (self.0 ^ key).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(32);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

pub type BuildSpread = std::hash::BuildHasherDefault<Spread>;
