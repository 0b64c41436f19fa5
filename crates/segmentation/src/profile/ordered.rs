//! States that need the order of time (class O): the gaps between trades.
//!
//! Parallel workers and late rows deliver trades in no order. So while a profile is being aggregated the instants are
//! only collected; the final function sorts them and folds them into one *fragment*. Fragments of profiles that were
//! stored are kept apart until then too. Fragments that do not overlap in time fold exactly; overlapping ones cannot
//! (the trades inside are gone), and the state becomes [`Ordered::Overlap`]: its features are NULL with the reason
//! `overlap` until the profile is rebuilt from trades. It never answers with a wrong number.
//!
//! Trades at the same microsecond are one event, as fills of one order are.

use crate::error::Result;
use crate::profile::codec::{malformed, Reader, Sink};
use allocator_api2::alloc::Allocator;
use allocator_api2::vec::Vec;

/// A stretch of time whose events are folded. All sums are exact, so folding is associative to the bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fragment {
    pub first: i64,
    pub last: i64,
    /// Distinct instants; gaps are one fewer, and their sum is `last - first`.
    pub events: u64,
    /// Sum of squared gaps in microseconds². Saturates, far beyond any history of trades.
    pub squares: u128,
}

impl Fragment {
    pub fn one(at: i64) -> Self {
        Fragment { first: at, last: at, events: 1, squares: 0 }
    }

    /// `self` followed by `next`; `None` where they overlap.
    fn then(self, next: Fragment) -> Option<Fragment> {
        if next.first < self.last {
            return None;
        }
        let gap = next.first.abs_diff(self.last);
        Some(Fragment {
            first: self.first,
            last: next.last,
            events: self.events.saturating_add(next.events) - u64::from(gap == 0),
            squares: self.squares.saturating_add(next.squares).saturating_add(u128::from(gap) * u128::from(gap)),
        })
    }
}

/// What is known about the order of an account's trades.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ordered {
    Whole(Fragment),
    Overlap,
}

/// The collecting side: instants and fragments in any order.
pub struct Log<A: Allocator + Clone> {
    instants: Vec<i64, A>,
    fragments: Vec<Fragment, A>,
    overlap: bool,
}

/// More instants than this in one state (16 MiB) are not kept; their order is then reported as unknown.
pub const LOG_LIMIT: usize = 1 << 21;

impl<A: Allocator + Clone> Log<A> {
    pub fn new(alloc: A) -> Self {
        Log { instants: Vec::new_in(alloc.clone()), fragments: Vec::new_in(alloc), overlap: false }
    }

    pub fn push(&mut self, at: i64) {
        if self.overlap {
            return;
        }
        if self.instants.len() == LOG_LIMIT {
            return self.give_up();
        }
        self.instants.push(at);
    }

    fn give_up(&mut self) {
        self.overlap = true;
        self.instants.clear();
        self.fragments.clear();
    }

    /// Everything in the order of time, folded. Not empty: a dense profile has trades.
    pub fn fold(&self) -> Ordered {
        if self.overlap {
            return Ordered::Overlap;
        }
        let mut instants = self.instants.clone();
        instants.sort_unstable();
        let mut fragments = self.fragments.clone();
        fragments.sort_unstable_by_key(|f| (f.first, f.last));
        let mut fragments = fragments.into_iter().peekable();
        let mut whole: Option<Fragment> = None;
        let mut add = |next: Fragment| {
            whole = match whole {
                None => Some(next),
                Some(before) => Some(before.then(next)?),
            };
            Some(())
        };
        for at in instants {
            while let Some(fragment) = fragments.next_if(|f| (f.first, f.last) < (at, at)) {
                if add(fragment).is_none() {
                    return Ordered::Overlap;
                }
            }
            if add(Fragment::one(at)).is_none() {
                return Ordered::Overlap;
            }
        }
        for fragment in fragments {
            if add(fragment).is_none() {
                return Ordered::Overlap;
            }
        }
        whole.map_or(Ordered::Overlap, Ordered::Whole)
    }

    /// Writes the folded state, as it is stored.
    pub fn write_folded(&self, out: &mut impl Sink) {
        match self.fold() {
            Ordered::Overlap => out.var(0),
            Ordered::Whole(f) => {
                out.var(1);
                write_fragment(&f, out);
            }
        }
    }

    /// Writes everything collected, as it travels from a parallel worker.
    pub fn write_collected(&self, out: &mut impl Sink) {
        out.u8(u8::from(self.overlap));
        out.var(self.fragments.len() as u64);
        self.fragments.iter().for_each(|f| write_fragment(f, out));
        out.var(self.instants.len() as u64);
        let mut before = 0i64;
        for &at in &self.instants {
            out.signed(i128::from(at) - i128::from(before));
            before = at;
        }
    }

    pub fn absorb_folded(&mut self, r: &mut Reader) -> Result<()> {
        match r.below(2, "a number of fragments")? {
            0 => self.give_up(),
            _ => self.add(read_fragment(r)?),
        }
        Ok(())
    }

    pub fn absorb_collected(&mut self, r: &mut Reader) -> Result<()> {
        if r.below(2, "a flag")? == 1 {
            self.give_up();
        }
        for _ in 0..r.below(LOG_LIMIT as u64 + 1, "a number of fragments")? {
            self.add(read_fragment(r)?);
        }
        let mut at = 0i128;
        for _ in 0..r.below(LOG_LIMIT as u64 + 1, "a number of instants")? {
            at = at.checked_add(r.signed()?).ok_or_else(|| malformed("an instant is out of range"))?;
            self.push(i64::try_from(at).map_err(|_| malformed("an instant is out of range"))?);
        }
        Ok(())
    }

    fn add(&mut self, fragment: Fragment) {
        if self.overlap {
            return;
        }
        if self.fragments.len() == LOG_LIMIT {
            return self.give_up();
        }
        self.fragments.push(fragment);
    }
}

fn write_fragment(f: &Fragment, out: &mut impl Sink) {
    out.i64(f.first);
    out.var(f.last.abs_diff(f.first));
    out.var(f.events);
    out.var128(f.squares);
}

fn read_fragment(r: &mut Reader) -> Result<Fragment> {
    let first = r.i64()?;
    let length = r.var()?;
    let last = first.checked_add_unsigned(length).ok_or_else(|| malformed("a fragment ends out of range"))?;
    let f = Fragment { first, last, events: r.var()?, squares: r.var128()? };
    if f.events == 0 || (f.events == 1) != (length == 0) || f.events > 1 << 62 {
        return Err(malformed("a fragment has no events"));
    }
    Ok(f)
}

#[cfg(test)]
mod tests {
    use super::*;
    use allocator_api2::alloc::Global;

    fn folded(at: &[i64]) -> Ordered {
        let mut log = Log::new(Global);
        at.iter().for_each(|&t| log.push(t));
        log.fold()
    }

    fn merged(parts: &[&[i64]]) -> Ordered {
        let mut log = Log::new(Global);
        for part in parts {
            let mut one = Log::new(Global);
            part.iter().for_each(|&t| one.push(t));
            let mut bytes = std::vec::Vec::new();
            one.write_folded(&mut bytes);
            log.absorb_folded(&mut Reader::new(&bytes)).unwrap();
        }
        log.fold()
    }

    #[test]
    fn order_of_arrival_does_not_matter() {
        let Ordered::Whole(f) = folded(&[61, 0, 300, 1, 2, 60, 3, 62, 62]) else { panic!() };
        assert_eq!((f.first, f.last, f.events), (0, 300, 8));
        assert_eq!(f.squares, 1 + 1 + 1 + 57 * 57 + 1 + 1 + 238 * 238);
    }

    #[test]
    fn disjoint_parts_fold_exactly_and_overlapping_ones_say_so() {
        let whole = folded(&[0, 1, 2, 3, 60, 61, 62, 300]);
        assert_eq!(merged(&[&[60, 61], &[0, 1, 2], &[62, 300], &[3]]), whole);
        assert_eq!(merged(&[&[0, 1, 2], &[2, 3, 60, 61], &[61, 62, 300]]), whole);
        assert_eq!(merged(&[&[0, 60], &[3, 300]]), Ordered::Overlap);
        assert_eq!(merged(&[&[0, 60], &[30]]), Ordered::Overlap);
    }

    #[test]
    fn collected_bytes_round_trip() {
        let mut log = Log::new(Global);
        [5, i64::MIN + 1, i64::MAX - 1].iter().for_each(|&t| log.push(t));
        let mut bytes = std::vec::Vec::new();
        log.write_collected(&mut bytes);
        let mut back = Log::new(Global);
        back.absorb_collected(&mut Reader::new(&bytes)).unwrap();
        assert_eq!(back.fold(), log.fold());
        for n in 0..bytes.len() {
            assert!(Log::new(Global).absorb_collected(&mut Reader::new(&bytes[..n])).is_err());
        }
    }
}
