//! The aggregate state: takes trades and profiles in any order, and gives the profile.

use crate::error::Result;
use crate::profile::codec::{malformed, Reader};
use crate::profile::dense::Dense;
use crate::profile::fill::{Fill, REJECTIONS};
use crate::profile::trade::Trade;
use allocator_api2::alloc::{Allocator, Global};
use allocator_api2::boxed::Box;
use allocator_api2::vec::Vec;

/// Largest number of fills kept as they are. Beyond, the profile is dense.
pub const SPARSE_FILLS: u32 = 32;

/// A profile being made. All its memory comes from `A`: in PostgreSQL that is the aggregate's memory context, so that
/// hash aggregation sees how much there is, and frees it without any destructor of ours.
pub struct State<A: Allocator + Clone = Global> {
    pub(super) rejected: [u64; REJECTIONS],
    /// Fills in the order they came, as [`Fill::write`] writes them, and how many there are: all of a sparse profile,
    /// the latest of a dense one. Trades of many accounts arrive mixed, and each would touch a dozen cache lines of
    /// its account's sums; appending touches one or two, and the sums are warm for all but the first of a batch.
    recent: Vec<u8, A>,
    fills: u32,
    dense: Option<Box<Dense<A>, A>>,
    alloc: A,
}

impl<A: Allocator + Clone> State<A> {
    pub fn new(alloc: A) -> Self {
        let recent = Vec::new_in(alloc.clone());
        State { rejected: [0; REJECTIONS], recent, fills: 0, dense: None, alloc }
    }

    /// Adds one trade, given as the bytes of its value. A trade that breaks a rule is counted as rejected; an error
    /// means bytes that are no trade.
    pub fn add_trade(&mut self, bytes: &[u8]) -> Result<()> {
        match Fill::check(&Trade::decode(bytes)?) {
            Ok(fill) => self.push(&fill),
            Err(reason) => self.rejected[reason as usize] += 1,
        }
        Ok(())
    }

    pub fn push(&mut self, fill: &Fill) {
        if self.fills == SPARSE_FILLS {
            self.settle();
        }
        fill.write(&mut self.recent);
        self.fills += 1;
    }

    /// Moves the recent fills into the dense form. Only for a state that has, or is about to have, more than
    /// [`SPARSE_FILLS`] fills.
    fn settle(&mut self) -> &mut Dense<A> {
        let alloc = &self.alloc;
        let dense = self.dense.get_or_insert_with(|| Box::new_in(Dense::new(alloc.clone()), alloc.clone()));
        for_each_fill(&self.recent, |fill| dense.add(fill));
        self.recent.clear();
        self.fills = 0;
        dense
    }

    /// The dense form with everything in it, or the bytes of the fills of a sparse profile.
    pub(super) fn settled(&mut self) -> Form<'_, A> {
        if self.dense.is_some() {
            return Form::Dense(self.settle());
        }
        Form::Sparse(&self.recent)
    }

    /// The dense form, to add a dense profile to.
    pub(super) fn dense(&mut self) -> &mut Dense<A> {
        self.settle()
    }

    /// Trades that were not counted, by reason.
    pub fn rejected(&self) -> [u64; REJECTIONS] {
        self.rejected
    }

    pub fn is_sparse(&self) -> bool {
        self.dense.is_none()
    }

    /// Hands the sums to `read`. With `before`, fills at or after it are left out; `None` where that cannot be done
    /// because they are already folded into a dense profile.
    pub fn with_sums<T>(&mut self, before: Option<i64>, read: impl FnOnce(Sums<'_, A>) -> T) -> Option<T> {
        match self.settled() {
            Form::Dense(dense) if before.is_some_and(|t| dense.sums.last >= t) => None,
            Form::Dense(dense) => Some(read(Sums::Kept(dense))),
            Form::Sparse(bytes) => {
                let mut dense = Dense::new(Global);
                for_each_fill(bytes, |fill| {
                    if before.is_none_or(|t| fill.at < t) {
                        dense.add(fill);
                    }
                });
                Some(read(Sums::Made(&dense)))
            }
        }
    }
}

/// What a profile is made of, see [`State::settled`].
pub(super) enum Form<'a, A: Allocator + Clone> {
    Sparse(&'a [u8]),
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

/// Collects the fills of a sparse body, sorted by time and then by all their bytes.
pub(super) fn sorted_fills(bytes: &[u8]) -> std::vec::Vec<Fill> {
    let mut fills = std::vec::Vec::with_capacity(SPARSE_FILLS as usize);
    for_each_fill(bytes, |fill| fills.push(*fill));
    fills.sort_by_cached_key(|fill| {
        let mut key = std::vec::Vec::new();
        fill.write(&mut key);
        (fill.at, key)
    });
    fills
}

/// The error for a stored profile whose counts contradict its form.
pub(super) fn wrong_form() -> crate::error::Error {
    malformed("a profile is in the wrong form for its number of trades")
}
