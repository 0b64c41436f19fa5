//! The aggregate state: takes trades, snapshots and profiles in any order, and gives the profile.

use crate::error::{Error, Result};
use crate::profile::codec::{malformed, Reader, Slice};
use crate::profile::dense::Dense;
use crate::profile::equity::Equity;
use crate::profile::features::Parts;
use crate::profile::fill::{Fill, LARGEST_RECORD, REJECTIONS};
use crate::profile::section::{bit, Lost, Tag};
use crate::profile::shares::Shares;
use allocator_api2::alloc::{Allocator, Global};
use allocator_api2::boxed::Box;
use allocator_api2::vec::Vec;

/// A profile of so many fills at most, of so many bytes at most, is stored as its fills; any other one is dense. Both
/// depend on the trades alone, so the form of a profile does not depend on how it was put together.
pub const SPARSE_FILLS: u32 = 32;
pub const SPARSE_BYTES: usize = 1952;
/// A dense profile has at least this many fills, unless something was subtracted from it.
pub const DENSE_FILLS: u64 = (SPARSE_BYTES / LARGEST_RECORD) as u64;

/// Bytes for recent fills inside the state. With what stands before them they fill a block of 1024 bytes.
const RECENT: usize = 960;
/// Bytes of fills that wait before they are added to the sums: enough that the sums' memory is fetched once for many.
const WAITING: usize = 16 * 1024;

const FIRST_WAITING: usize = 512;

/// The bit of [`Lost`] that says that snapshots were subtracted.
pub const LOST_SNAPSHOTS: Lost = 1 << 31;

/// A profile being made. All its memory comes from `A`: in PostgreSQL that is the aggregate's memory context, so that
/// hash aggregation sees how much there is, and frees it without any destructor of ours.
///
/// Trades of many accounts arrive mixed, so nearly every row finds its account's state outside the processor's caches,
/// and its page outside the TLB. A row therefore touches as little as possible: the first cache line of the state, and
/// the end of its recent fills, on the same page. Everything else happens once a batch: recent fills move to those that
/// wait, and those to the sums. Most accounts never come that far; their sums are made when the profile is written.
pub struct State<A: Allocator + Clone = Global> {
    /// Fills before the recent ones: the first `waiting` bytes.
    earlier: Vec<u8, A>,
    rest: Option<Box<Rest<A>, A>>,
    waiting: u32,
    /// Fills that are not in the sums; and bytes of recent ones.
    fills: u32,
    used: u16,
    has_sums: bool,
    /// Fills in the order they came, as [`Fill::write`] writes them.
    recent: [u8; RECENT],
}

/// What a state has besides its recent fills.
struct Rest<A: Allocator + Clone> {
    rejected: [u64; REJECTIONS],
    /// What subtractions have made unknown.
    lost: Lost,
    dense: Option<Box<Dense<A>, A>>,
    equity: Option<Box<Equity<A>, A>>,
}

impl<A: Allocator + Clone> State<A> {
    pub fn new(alloc: A) -> Self {
        State {
            earlier: Vec::new_in(alloc),
            rest: None,
            waiting: 0,
            fills: 0,
            used: 0,
            has_sums: false,
            recent: [0; RECENT],
        }
    }

    /// Adds one trade, given as the bytes of its value. A trade that breaks a rule is counted as rejected; an error
    /// means bytes that are no trade.
    pub fn add_trade(&mut self, bytes: &[u8]) -> Result<()> {
        let mut fill = Fill::default();
        match fill.read_trade(bytes)? {
            Ok(()) => self.push(&fill),
            Err(reason) => self.reject(reason as usize, 1),
        }
        Ok(())
    }

    /// Adds one snapshot, given as the bytes of its value; the rest as [`State::add_trade`].
    pub fn add_snapshot(&mut self, bytes: &[u8]) -> Result<()> {
        if let Err(reason) = self.equity_mut().add(bytes)? {
            self.reject(reason as usize, 1);
        }
        Ok(())
    }

    pub fn push(&mut self, fill: &Fill) {
        if usize::from(self.used) + fill.size() > RECENT {
            self.make_room();
        }
        let mut end = Slice::new(&mut self.recent[usize::from(self.used)..]);
        fill.write(&mut end);
        self.used += end.written as u16;
        self.fills = self.fills.saturating_add(1);
    }

    fn rest(&mut self) -> &mut Rest<A> {
        let alloc = self.earlier.allocator();
        self.rest.get_or_insert_with(|| {
            let rest = Rest { rejected: [0; REJECTIONS], lost: 0, dense: None, equity: None };
            Box::new_in(rest, alloc.clone())
        })
    }

    pub(super) fn equity_mut(&mut self) -> &mut Equity<A> {
        let alloc = self.earlier.allocator().clone();
        self.rest().equity.get_or_insert_with(|| Box::new_in(Equity::new(alloc.clone()), alloc))
    }

    /// The snapshots, where there are any.
    pub(super) fn equity(&self) -> Option<&Equity<A>> {
        self.rest.as_ref().and_then(|rest| rest.equity.as_deref()).filter(|equity| !equity.is_empty())
    }

    /// Moves the recent fills to those that wait, and those to the sums where there are too many.
    fn make_room(&mut self) {
        let waiting = self.waiting as usize;
        if waiting + usize::from(self.used) > WAITING {
            self.sum_up();
            return;
        }
        // The first move takes no more than fits in a small piece of memory: many accounts have few trades.
        let used = usize::from(self.used);
        let moved = if waiting == 0 { whole_records(&self.recent[..used], FIRST_WAITING) } else { used };
        let end = waiting + moved;
        if end > self.earlier.len() {
            let size = end.next_power_of_two().max(FIRST_WAITING);
            let mut larger = Vec::with_capacity_in(size, self.earlier.allocator().clone());
            larger.resize(size, 0);
            larger[..waiting].copy_from_slice(&self.earlier[..waiting]);
            self.earlier = larger;
        }
        self.earlier[waiting..end].copy_from_slice(&self.recent[..moved]);
        self.recent.copy_within(moved..used, 0);
        self.used = (used - moved) as u16;
        self.waiting = end as u32;
    }

    /// Adds all fills that wait to the sums, which are made if there are none. Only for a state that has too many fills
    /// to keep, that takes in sums, or that something is subtracted from.
    pub(super) fn sum_up(&mut self) -> &mut Dense<A> {
        let used = usize::from(std::mem::take(&mut self.used));
        self.fills = 0;
        self.has_sums = true;
        let waiting = std::mem::take(&mut self.waiting) as usize;
        // The memory is used again for the fills that follow.
        let alloc = self.earlier.allocator().clone();
        let earlier = std::mem::replace(&mut self.earlier, Vec::new_in(alloc));
        let recent = self.recent;
        let dense = self.sums_mut();
        for_each_fill(&earlier[..waiting], |fill| dense.add(fill));
        for_each_fill(&recent[..used], |fill| dense.add(fill));
        self.earlier = earlier;
        self.sums_mut()
    }

    fn sums_mut(&mut self) -> &mut Dense<A> {
        let alloc = self.earlier.allocator().clone();
        self.rest().dense.get_or_insert_with(|| Box::new_in(Dense::new(alloc.clone()), alloc))
    }

    /// The bytes of the fills that wait, in two parts.
    fn pending(&self) -> [&[u8]; 2] {
        [&self.earlier[..self.waiting as usize], &self.recent[..usize::from(self.used)]]
    }

    /// What the profile is stored as: the fills of a sparse one, or the sums of a dense one. Sums that are made only to
    /// be written are not kept, and their memory is the process's own.
    pub(super) fn settled(&mut self) -> Form<'_, A> {
        if self.is_sparse() {
            return Form::Sparse(self.pending());
        }
        if self.has_sums {
            return Form::Dense(self.sum_up());
        }
        let mut made = Dense::new(Global);
        self.pending().into_iter().for_each(|part| for_each_fill(part, |fill| made.add(fill)));
        Form::Made(std::boxed::Box::new(made))
    }

    /// The state as it goes to another process: fills that wait, or sums.
    pub(super) fn unsettled(&mut self) -> Form<'_, A> {
        if self.has_sums {
            return Form::Dense(self.sum_up());
        }
        Form::Sparse(self.pending())
    }

    /// Makes a sparse state one of these fills alone.
    pub(super) fn keep(&mut self, fills: &[Fill]) {
        self.fills = 0;
        self.used = 0;
        self.waiting = 0;
        fills.iter().for_each(|fill| self.push(fill));
    }

    /// Counts `n` trades that are not counted as fills, by the index of their [`crate::profile::fill::Rejection`].
    pub(super) fn reject(&mut self, reason: usize, n: u64) {
        if n > 0 {
            let slot = &mut self.rest().rejected[reason];
            *slot = slot.saturating_add(n);
        }
    }

    /// Takes counts of rejected trades away; false where there are fewer.
    pub(super) fn unreject(&mut self, counts: [u64; REJECTIONS]) -> bool {
        counts.into_iter().enumerate().all(|(reason, n)| {
            n == 0 || {
                let slot = &mut self.rest().rejected[reason];
                slot.checked_sub(n).map(|left| *slot = left).is_some()
            }
        })
    }

    /// Trades and snapshots that were not counted, by reason.
    pub fn rejected(&self) -> [u64; REJECTIONS] {
        self.rest.as_ref().map_or([0; REJECTIONS], |rest| rest.rejected)
    }

    /// Sections that a subtraction has made unknown.
    pub fn lost(&self) -> Lost {
        self.rest.as_ref().map_or(0, |rest| rest.lost)
    }

    pub(super) fn lose(&mut self, lost: Lost) {
        if lost != 0 {
            self.rest().lost |= lost;
        }
    }

    /// Whether the profile is stored as its fills.
    pub fn is_sparse(&self) -> bool {
        let bytes: usize = self.pending().iter().map(|part| part.len()).sum();
        !self.has_sums && self.fills <= SPARSE_FILLS && bytes <= SPARSE_BYTES
    }

    /// Volume by underlying, venue or collateral; empty where it is not known.
    pub fn allocation(&mut self, by: Tag) -> Shares {
        if self.lost() & bit(by) != 0 {
            return Shares::default();
        }
        let shares = self.with_dense(None, |view| match view {
            DenseView::Kept(dense) => dense.allocation(by),
            DenseView::Made(dense) => dense.allocation(by),
        });
        shares.unwrap_or_default()
    }

    /// Hands the trades' part to `read`. With `before`, fills at or after it are left out; an error (the reason) where
    /// that cannot be done because they are already folded into a dense profile.
    pub(super) fn with_dense<T>(&mut self, before: Option<i64>, read: impl FnOnce(DenseView<'_, A>) -> T) -> Option<T> {
        match self.settled() {
            Form::Dense(dense) if before.is_some_and(|t| dense.sums.last >= t) => None,
            Form::Dense(dense) => Some(read(DenseView::Kept(dense))),
            Form::Made(dense) if before.is_some_and(|t| dense.sums.last >= t) => None,
            Form::Made(dense) => Some(read(DenseView::Made(&dense))),
            Form::Sparse(parts) => {
                let mut dense = Dense::new(Global);
                for part in parts {
                    for_each_fill(part, |fill| {
                        if before.is_none_or(|t| fill.at < t) {
                            dense.add(fill);
                        }
                    });
                }
                Some(read(DenseView::Made(&dense)))
            }
        }
    }
}

/// What a profile is made of, see [`State::settled`].
pub(super) enum Form<'a, A: Allocator + Clone> {
    Sparse([&'a [u8]; 2]),
    Dense(&'a Dense<A>),
    Made(std::boxed::Box<Dense<Global>>),
}

/// A dense view, made for the purpose where the profile is sparse.
pub(super) enum DenseView<'a, A: Allocator + Clone> {
    Kept(&'a Dense<A>),
    Made(&'a Dense<Global>),
}

/// Bytes of as many of the first records as fit in `limit`; of one at least.
fn whole_records(bytes: &[u8], limit: usize) -> usize {
    let mut end = Fill::size_of_record(bytes).min(bytes.len());
    while end < bytes.len() {
        let next = end + Fill::size_of_record(&bytes[end..]);
        if next > limit {
            break;
        }
        end = next.min(bytes.len());
    }
    end
}

/// Reads working bytes back. They are our own, written by [`Fill::write`], so a fault ends the loop rather than
/// becoming an error.
fn for_each_fill(bytes: &[u8], mut f: impl FnMut(&Fill)) {
    let mut r = Reader::new(bytes);
    let mut fill = Fill::default();
    while !r.is_empty() {
        match fill.read_record(&mut r) {
            Ok(()) => f(&fill),
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
    let mut fills: std::vec::Vec<(Fill, &[u8])> =
        records.into_iter().filter_map(|record| Some((Fill::read(&mut Reader::new(record)).ok()?, record))).collect();
    fills.sort_unstable_by(|a, b| (a.0.at, a.1).cmp(&(b.0.at, b.1)));
    fills.into_iter().map(|(fill, _)| fill).collect()
}

pub(super) fn wrong_form() -> Error {
    malformed("a profile is in the wrong form for its number of trades")
}
