//! What stored profiles say was open at their beginning.
//!
//! A profile that follows others in a course of days says what was open before its first trade. Of several such claims
//! the earliest gives the positions to begin with; the others have to agree with what the trades before them lead to,
//! for else a day between them is missing, was changed later, or is of another account.

use super::carried::{Carried, Mark, MOST_BYTES, UNKNOWN};
use crate::error::Result;
use crate::profile::codec::{append, malformed, Reader, Sink};
use allocator_api2::alloc::Allocator;
use allocator_api2::vec::Vec;

/// Most claims that are read from bytes: a day each, for longer than any market is old.
const MOST: u64 = 1 << 16;

/// That this was open before the first trade at or after `at`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Claim {
    pub at: i64,
    pub mark: Mark,
}

/// Claims, and of the earliest one the positions.
pub struct Openings<A: Allocator + Clone> {
    claims: Vec<Claim, A>,
    /// Of the earliest claim; empty where only its mark is known.
    bytes: Vec<u8, A>,
    earliest: usize,
}

impl<A: Allocator + Clone> Openings<A> {
    pub fn new(alloc: A) -> Self {
        Openings { claims: Vec::new_in(alloc.clone()), bytes: Vec::new_in(alloc), earliest: 0 }
    }

    pub fn is_empty(&self) -> bool {
        self.claims.is_empty()
    }

    pub fn clear(&mut self) {
        self.claims.clear();
        self.bytes.clear();
    }

    /// Adds a claim with the bytes of its positions, empty where they are not known.
    pub fn add(&mut self, claim: Claim, bytes: &[u8]) {
        match self.claims.get(self.earliest) {
            Some(first) if claim > *first => (),
            Some(first) if claim == *first => {
                if self.bytes.is_empty() {
                    append(&mut self.bytes, bytes);
                }
                return;
            }
            _ => {
                self.earliest = self.claims.len();
                self.bytes.clear();
                append(&mut self.bytes, bytes);
            }
        }
        self.claims.push(claim);
    }

    /// Makes what was open unknown to what begins at `at`, if anything does.
    pub fn forget(&mut self, at: Option<i64>) {
        self.clear();
        if let Some(at) = at {
            self.add(Claim { at, mark: UNKNOWN }, &[]);
        }
    }

    /// The earliest claim, and the bytes of its positions.
    pub fn first(&self) -> Option<(Claim, &[u8])> {
        Some((*self.claims.get(self.earliest)?, &self.bytes))
    }

    /// The bytes of the positions of a mark; none where they are not known.
    pub fn bytes_of(&self, mark: Mark) -> &[u8] {
        match self.first() {
            Some((claim, bytes)) if claim.mark == mark => bytes,
            _ => &[],
        }
    }

    /// All claims, each once, in the order of time.
    pub fn in_order(&self) -> std::vec::Vec<Claim> {
        let mut claims = self.claims.to_vec();
        claims.sort_unstable();
        claims.dedup();
        claims
    }

    /// Adds those of `other`.
    pub fn add_all<B: Allocator + Clone>(&mut self, other: &Openings<B>) {
        for (i, claim) in other.claims.iter().enumerate() {
            self.add(*claim, if i == other.earliest { &other.bytes } else { &[] });
        }
    }

    pub fn write(&self, out: &mut impl Sink) {
        let claims = self.in_order();
        out.var(claims.len() as u64);
        for claim in claims {
            out.i64(claim.at);
            out.u64(claim.mark);
        }
        out.var(self.bytes.len() as u64);
        out.put(&self.bytes);
    }

    /// Adds what [`Openings::write`] wrote.
    pub fn absorb(&mut self, r: &mut Reader) -> Result<()> {
        let n = r.below(MOST, "a number of openings")?;
        let mut claims = std::vec::Vec::new();
        for _ in 0..n {
            let claim = Claim { at: r.i64()?, mark: r.u64()? };
            if claims.last().is_some_and(|before| *before >= claim) {
                return Err(malformed("openings are not in order"));
            }
            claims.push(claim);
        }
        let length = r.below(MOST_BYTES as u64 + 1, "a number of bytes")?;
        let bytes = r.take(length)?;
        let Some(first) = claims.first() else { return Err(malformed("there are no openings")) };
        if !bytes.is_empty() && Carried::unpack(bytes)?.0 != first.mark {
            return Err(malformed("positions are not those of their mark"));
        }
        for (i, claim) in claims.iter().enumerate() {
            self.add(*claim, if i == 0 { bytes } else { &[] });
        }
        Ok(())
    }
}
