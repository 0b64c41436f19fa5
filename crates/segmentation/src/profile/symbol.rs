//! Names as 64-bit hashes: what a profile keeps of an instrument, an underlying or a venue.
//!
//! The function is XXH3-64 with seed 0 over the UTF-8 bytes as given (no case folding, no trimming): fixed by its
//! specification, equal on every processor, never seeded per process. Two of a million names share a hash with a
//! probability of about 3e-8.

use crate::error::Result;
use crate::profile::codec::{Reader, Sink};

/// Hash of a name. Equal names, and only they (up to a 64-bit collision), count as one instrument.
pub fn hash(name: &[u8]) -> u64 {
    xxhash_rust::xxh3::xxh3_64(name)
}

/// Bits of a hash that sets and sums keep: two of a thousand names share them with a probability of 5e-7.
pub const KEY_BITS: u32 = 40;

/// The leading [`KEY_BITS`] bits of a hash, left aligned: the low 24 bits are zero.
pub const fn key40(hash: u64) -> u64 {
    hash & (u64::MAX << (64 - KEY_BITS))
}

/// Writes the 5 bytes of a key, high first, so that bytes sort as keys do.
pub fn write_key40(key: u64, out: &mut impl Sink) {
    out.put(&key.to_be_bytes()[..5]);
}

/// Reads what [`write_key40`] wrote.
pub fn read_key40(r: &mut Reader) -> Result<u64> {
    let mut bytes = [0; 8];
    bytes[..5].copy_from_slice(r.take(5)?);
    Ok(u64::from_be_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_that_of_the_specification() {
        // XXH3-64 of the empty text and of "a", seed 0, as the reference implementation prints them.
        assert_eq!(hash(b""), 0x2D06_8005_38D3_94C2);
        assert_eq!(hash(b"a"), 0xE6C6_32B6_1E96_4E1F);
    }

    #[test]
    fn a_key_is_the_head_of_a_hash() {
        let key = key40(0x0123_4567_89AB_CDEF);
        assert_eq!(key, 0x0123_4567_8900_0000);
        let mut bytes = Vec::new();
        write_key40(key, &mut bytes);
        assert_eq!(bytes, [0x01, 0x23, 0x45, 0x67, 0x89]);
        assert_eq!(read_key40(&mut Reader::new(&bytes)).unwrap(), key);
        assert!(read_key40(&mut Reader::new(&bytes[1..])).is_err());
    }
}
