//! Equity, exposure and margin of an account, from its snapshots (classes G and M).
//!
//! Up to [`SPARSE_SNAPSHOTS`] snapshots are kept as they are, so that those after an instant can be left out. Beyond,
//! they are folded into exact sums, sketches of leverage, and the last [`days::KEPT_DAYS`] days for returns. Which of
//! the two depends only on their number.
//!
//! Bytes: number of snapshots (varint); up to the limit then the snapshots by time, each presence (varint), time (i64
//! for the first, microseconds since the one before as a varint for the others) and numbers (f64); beyond, the sections
//! of `sums.rs`, `days.rs` and `sketch.rs`.

pub mod days;
mod sums;
mod view;

pub use days::DayReturn;
pub use view::View;

use crate::error::Result;
use crate::profile::codec::{malformed, Reader, Sink};
use crate::profile::fill::Rejection;
use crate::profile::sketch::Sketch;
use crate::profile::snapshot::Snapshot;
use allocator_api2::alloc::{Allocator, Global};
use allocator_api2::boxed::Box;
use allocator_api2::vec::Vec;
use days::Days;
use sums::Sums;

/// Largest number of snapshots kept as they are. That many with all their numbers take no more bytes than the folded.
pub const SPARSE_SNAPSHOTS: usize = 28;

/// Bound of each of the sketches of leverage.
const BUCKETS: usize = 64;

/// All snapshots added up.
struct Folded<A: Allocator + Clone> {
    sums: Sums,
    days: Days<A>,
    leverage: Sketch<A>,
    gross: Sketch<A>,
}

impl<A: Allocator + Clone> Folded<A> {
    fn new(alloc: A) -> Self {
        let sketch = || Sketch::new(alloc.clone(), BUCKETS);
        Folded { sums: Sums::new(), days: Days::new(alloc.clone()), leverage: sketch(), gross: sketch() }
    }

    fn add(&mut self, at: i64, snapshot: &Snapshot) {
        let found = self.sums.add(at, snapshot);
        found.effective.into_iter().for_each(|l| self.leverage.add(l));
        found.gross.into_iter().for_each(|l| self.gross.add(l));
        self.days.add(at, snapshot);
    }

    fn view(&self, snapshots: u64, as_of: Option<i64>) -> View {
        View { snapshots, ..View::of(&self.sums, &self.days, &self.leverage, &self.gross, as_of) }
    }

    fn write(&self, out: &mut impl Sink) {
        self.sums.write(out);
        self.days.write(out);
        self.leverage.write(out);
        self.gross.write(out);
    }

    fn absorb(&mut self, r: &mut Reader) -> Result<()> {
        let last = self.sums.absorb(r)?;
        self.days.absorb(last, r)?;
        self.leverage.absorb(r)?;
        self.gross.absorb(r)
    }
}

/// The snapshots of an account, in any order. Empty it allocates nothing.
pub struct Equity<A: Allocator + Clone = Global> {
    alloc: A,
    snapshots: u64,
    /// In the order they came; empty once there are too many.
    raw: Vec<Snapshot, A>,
    folded: Option<Box<Folded<A>, A>>,
}

impl<A: Allocator + Clone> Equity<A> {
    pub fn new(alloc: A) -> Self {
        Equity { raw: Vec::new_in(alloc.clone()), alloc, snapshots: 0, folded: None }
    }

    pub fn is_empty(&self) -> bool {
        self.snapshots == 0
    }

    /// How many snapshots there are.
    pub fn count(&self) -> u64 {
        self.snapshots
    }

    /// Instant of the last snapshot.
    pub fn last(&self) -> Option<i64> {
        match &self.folded {
            Some(folded) => Some(folded.sums.last),
            None => self.raw.iter().filter_map(|s| s.taken_at).max(),
        }
    }

    /// Adds one snapshot, given as the bytes of its value. The inner error says which rule rejects it; an outer error
    /// means bytes that are no snapshot.
    pub fn add(&mut self, bytes: &[u8]) -> Result<Result<(), Rejection>> {
        Ok(Snapshot::decode(bytes)?.checked().map(|(at, snapshot)| self.push(at, snapshot)))
    }

    fn push(&mut self, at: i64, snapshot: Snapshot) {
        self.snapshots = self.snapshots.saturating_add(1);
        if self.snapshots <= SPARSE_SNAPSHOTS as u64 {
            self.raw.push(snapshot);
        } else {
            self.fold().add(at, &snapshot);
        }
    }

    /// The sums with everything in them. Only where there are, or are about to be, too many snapshots to keep.
    fn fold(&mut self) -> &mut Folded<A> {
        let alloc = &self.alloc;
        let folded = self.folded.get_or_insert_with(|| Box::new_in(Folded::new(alloc.clone()), alloc.clone()));
        self.raw.iter().filter_map(|s| Some((s.taken_at?, s))).for_each(|(at, s)| folded.add(at, s));
        self.raw.clear();
        folded
    }

    /// The bytes: the same for the same snapshots, however they came.
    pub fn write(&self, out: &mut impl Sink) {
        out.var(self.snapshots);
        if let Some(folded) = &self.folded {
            return folded.write(out);
        }
        let mut sorted = self.raw.clone();
        sorted.sort_unstable_by_key(Snapshot::order);
        let mut before = None;
        for s in &sorted {
            let at = s.order().0;
            out.var(u64::from(s.present));
            match before {
                None => out.i64(at),
                Some(before) => out.var(at.abs_diff(before)),
            }
            before = Some(at);
            s.write_numbers(out);
        }
    }

    /// Adds what [`Equity::write`] wrote. After an error the state is unusable.
    pub fn absorb(&mut self, r: &mut Reader) -> Result<()> {
        let n = r.var()?;
        if n <= SPARSE_SNAPSHOTS as u64 {
            return read_sparse(n, r, |at, s| {
                self.push(at, s);
                Ok(())
            });
        }
        self.snapshots = self.snapshots.saturating_add(n);
        self.fold().absorb(r)
    }

    /// Takes away what [`Equity::write`] wrote. `false` where that cannot be told: folded snapshots hold extremes and
    /// the last one of a day. An error also where a snapshot was not there.
    pub fn subtract(&mut self, r: &mut Reader) -> Result<bool> {
        let n = r.var()?;
        if n > self.snapshots {
            return Err(malformed("there are fewer account snapshots than are taken away"));
        }
        if n > SPARSE_SNAPSHOTS as u64 {
            Folded::new(self.alloc.clone()).absorb(r)?;
            return Ok(false);
        }
        let known = self.folded.is_none();
        read_sparse(n, r, |_, s| {
            if known {
                let place = self.raw.iter().position(|own| own.order() == s.order());
                self.raw.swap_remove(place.ok_or_else(|| malformed("an account snapshot is not there"))?);
                self.snapshots -= 1;
            }
            Ok(())
        })?;
        Ok(known || n == 0)
    }

    /// What the snapshots before `as_of` say, or all of them. `None` where later ones are already folded in.
    pub fn at(&self, as_of: Option<i64>) -> Option<View> {
        match &self.folded {
            Some(folded) if as_of.is_some_and(|t| folded.sums.last >= t) => None,
            Some(folded) => Some(folded.view(self.snapshots, as_of)),
            None => {
                let (mut part, mut snapshots) = (Folded::new(Global), 0);
                let of_time = self.raw.iter().filter_map(|s| Some((s.taken_at?, s)));
                of_time.filter(|&(at, _)| as_of.is_none_or(|t| at < t)).for_each(|(at, s)| {
                    part.add(at, s);
                    snapshots += 1;
                });
                Some(part.view(snapshots, as_of))
            }
        }
    }
}

fn read_sparse(n: u64, r: &mut Reader, mut push: impl FnMut(i64, Snapshot) -> Result<()>) -> Result<()> {
    let mut before = None;
    for _ in 0..n {
        let present = r.below(1 << 16, "a presence")? as u16;
        let at = match before {
            None => r.i64()?,
            Some(at) => i64::checked_add_unsigned(at, r.var()?).ok_or_else(|| malformed("a time is out of range"))?,
        };
        before = Some(at);
        let (at, s) = Snapshot::read_numbers(Some(at), present, r)?
            .checked()
            .map_err(|_| malformed("an account snapshot breaks the rules for its numbers"))?;
        push(at, s)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
