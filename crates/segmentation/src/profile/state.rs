//! The aggregate state: takes trades and profiles in any order, and gives the profile.

use crate::error::Result;
use crate::profile::codec::{malformed, Reader, Slice};
use crate::profile::dense::Dense;
use crate::profile::fill::{Fill, REJECTIONS};
use allocator_api2::alloc::{Allocator, Global};
use allocator_api2::boxed::Box;
use allocator_api2::vec::Vec;

/// Largest number of fills kept as they are. Beyond, the profile is dense.
pub const SPARSE_FILLS: u32 = 32;

/// Bytes for recent fills inside the state. With what stands before them they fill a block of 1024 bytes.
const RECENT: usize = 976;

/// A profile being made. All its memory comes from `A`: in PostgreSQL that is the aggregate's memory context, so that
/// hash aggregation sees how much there is, and frees it without any destructor of ours.
///
/// Trades of many accounts arrive mixed, so nearly every row finds its account's state outside the processor's caches,
/// and its page outside the TLB. A row therefore touches as little as possible: the first cache line of the state, and
/// the end of its recent fills, on the same page. Everything else happens once a batch.
pub struct State<A: Allocator + Clone = Global> {
    rest: Option<Box<Rest<A>, A>>,
    alloc: A,
    /// Fills of a sparse profile; not kept up for a dense one.
    fills: u32,
    is_dense: bool,
    used: u16,
    /// Fills in the order they came, as [`Fill::write`] writes them.
    recent: [u8; RECENT],
}

/// What a state has besides its recent fills.
struct Rest<A: Allocator + Clone> {
    rejected: [u64; REJECTIONS],
    /// Fills before the recent ones, of a sparse profile that has outgrown them.
    earlier: Vec<u8, A>,
    dense: Option<Dense<A>>,
}

impl<A: Allocator + Clone> State<A> {
    pub fn new(alloc: A) -> Self {
        State { rest: None, alloc, fills: 0, is_dense: false, used: 0, recent: [0; RECENT] }
    }

    /// Adds one trade, given as the bytes of its value. A trade that breaks a rule is counted as rejected; an error
    /// means bytes that are no trade.
    pub fn add_trade(&mut self, bytes: &[u8]) -> Result<()> {
        match Fill::of_trade(bytes)? {
            Ok(fill) => self.push(&fill),
            Err(reason) => self.reject(reason as usize, 1),
        }
        Ok(())
    }

    pub fn push(&mut self, fill: &Fill) {
        if !self.is_dense && self.fills == SPARSE_FILLS {
            self.dense();
        } else if usize::from(self.used) + fill.size() > RECENT {
            self.make_room();
        }
        let mut end = Slice::new(&mut self.recent[usize::from(self.used)..]);
        fill.write(&mut end);
        self.used += end.written as u16;
        self.fills = self.fills.saturating_add(1);
    }

    fn rest(&mut self) -> &mut Rest<A> {
        let alloc = &self.alloc;
        self.rest.get_or_insert_with(|| {
            let rest = Rest { rejected: [0; REJECTIONS], earlier: Vec::new_in(alloc.clone()), dense: None };
            Box::new_in(rest, alloc.clone())
        })
    }

    fn make_room(&mut self) {
        if self.is_dense {
            self.dense();
            return;
        }
        let used = usize::from(std::mem::take(&mut self.used));
        let recent = self.recent;
        self.rest().earlier.extend_from_slice(&recent[..used]);
    }

    /// The dense form with everything in it. Only for a state that has, or is about to have, more than
    /// [`SPARSE_FILLS`] fills.
    pub(super) fn dense(&mut self) -> &mut Dense<A> {
        self.is_dense = true;
        let used = usize::from(std::mem::take(&mut self.used));
        let alloc = self.alloc.clone();
        let recent = self.recent;
        let rest = self.rest();
        let dense = rest.dense.get_or_insert_with(|| Dense::new(alloc));
        for_each_fill(&rest.earlier, |fill| dense.add(fill));
        rest.earlier.clear();
        for_each_fill(&recent[..used], |fill| dense.add(fill));
        dense
    }

    /// The dense form with everything in it, or the bytes of the fills of a sparse profile.
    pub(super) fn settled(&mut self) -> Form<'_, A> {
        if self.is_dense {
            return Form::Dense(self.dense());
        }
        let earlier = self.rest.as_ref().map_or(&[][..], |rest| &rest.earlier);
        Form::Sparse([earlier, &self.recent[..usize::from(self.used)]])
    }

    /// Counts `n` trades that are not counted as fills, by the index of their [`crate::profile::fill::Rejection`].
    pub(super) fn reject(&mut self, reason: usize, n: u64) {
        if n > 0 {
            let slot = &mut self.rest().rejected[reason];
            *slot = slot.saturating_add(n);
        }
    }

    /// Trades that were not counted, by reason.
    pub fn rejected(&self) -> [u64; REJECTIONS] {
        self.rest.as_ref().map_or([0; REJECTIONS], |rest| rest.rejected)
    }

    pub fn is_sparse(&self) -> bool {
        !self.is_dense
    }

    /// Hands the sums to `read`. With `before`, fills at or after it are left out; `None` where that cannot be done
    /// because they are already folded into a dense profile.
    pub fn with_sums<T>(&mut self, before: Option<i64>, read: impl FnOnce(Sums<'_, A>) -> T) -> Option<T> {
        match self.settled() {
            Form::Dense(dense) if before.is_some_and(|t| dense.sums.last >= t) => None,
            Form::Dense(dense) => Some(read(Sums::Kept(dense))),
            Form::Sparse(parts) => {
                let mut dense = Dense::new(Global);
                for part in parts {
                    for_each_fill(part, |fill| {
                        if before.is_none_or(|t| fill.at < t) {
                            dense.add(fill);
                        }
                    });
                }
                Some(read(Sums::Made(&dense)))
            }
        }
    }
}

/// What a profile is made of, see [`State::settled`].
pub(super) enum Form<'a, A: Allocator + Clone> {
    Sparse([&'a [u8]; 2]),
    Dense(&'a Dense<A>),
}

/// A dense view, made for the purpose where the profile is sparse.
pub enum Sums<'a, A: Allocator + Clone> {
    Kept(&'a Dense<A>),
    Made(&'a Dense<Global>),
}

/// Reads working bytes back. They are our own, written by [`Fill::write`], so a fault ends the loop rather than
/// becoming an error.
fn for_each_fill(bytes: &[u8], mut f: impl FnMut(&Fill)) {
    let mut r = Reader::new(bytes);
    while !r.is_empty() {
        match Fill::read(&mut r) {
            Ok(fill) => f(&fill),
            Err(e) => {
                debug_assert!(false, "{e}");
                return;
            }
        }
    }
}

/// The fills of a sparse profile, sorted by time and then by all their bytes.
pub(super) fn sorted_fills(parts: [&[u8]; 2]) -> std::vec::Vec<Fill> {
    let mut records = std::vec::Vec::with_capacity(SPARSE_FILLS as usize);
    for mut part in parts {
        while !part.is_empty() {
            let (record, rest) = part.split_at(Fill::size_of_record(part).min(part.len()));
            records.push(record);
            part = rest;
        }
    }
    let mut fills: std::vec::Vec<(i64, &[u8], Fill)> = std::vec::Vec::with_capacity(records.len());
    for record in records {
        for_each_fill(record, |fill| fills.push((fill.at, record, *fill)));
    }
    fills.sort_unstable_by(|a, b| (a.0, a.1).cmp(&(b.0, b.1)));
    fills.into_iter().map(|(_, _, fill)| fill).collect()
}

/// The error for a stored profile whose counts contradict its form.
pub(super) fn wrong_form() -> crate::error::Error {
    malformed("a profile is in the wrong form for its number of trades")
}
