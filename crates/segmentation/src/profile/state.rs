//! The aggregate state: takes trades, snapshots and profiles in any order, and gives the profile.

use crate::error::{Error, Result};
use crate::profile::codec::malformed;
use crate::profile::dense::Dense;
use crate::profile::equity::Equity;
use crate::profile::features::Parts;
use crate::profile::fill::{Fill, LARGEST_RECORD, RECORD_ROOM, REJECTIONS};
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
// In this order, for the compiler's own puts `used` behind `recent`, on a cache line of its own.
#[repr(C)]
pub struct State<A: Allocator + Clone = Global> {
    /// Bytes of recent fills.
    used: u16,
    has_sums: bool,
    /// Fills that are not in the sums.
    fills: u32,
    /// Fills before the recent ones.
    earlier: Vec<u8, A>,
    rest: Option<Box<Rest<A>, A>>,
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
        State { used: 0, has_sums: false, fills: 0, earlier: Vec::new_in(alloc), rest: None, recent: [0; RECENT] }
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
        let mut room = [0u8; RECORD_ROOM];
        let end = fill.record(&mut room);
        self.push_record(&room[..end]);
    }

    /// Adds a fill, given as the bytes that [`Fill::record`] wrote.
    pub fn push_record(&mut self, record: &[u8]) {
        if usize::from(self.used) + record.len() > RECENT {
            self.make_room();
        }
        let at = usize::from(self.used);
        self.recent[at..at + record.len()].copy_from_slice(record);
        self.used += record.len() as u16;
        self.fills = self.fills.saturating_add(1);
    }

    /// Where the next record goes, to be fetched from memory before it comes.
    pub fn next_place(&self) -> *const u8 {
        self.recent.as_ptr().wrapping_add(usize::from(self.used))
    }

    /// What its memory comes from.
    pub fn allocator(&self) -> &A {
        self.earlier.allocator()
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
        let (waiting, used) = (self.earlier.len(), usize::from(self.used));
        if waiting + used > WAITING {
            self.sum_up();
            return;
        }
        // The first move takes no more than fits in a small piece of memory: many accounts have few trades.
        let moved = if waiting == 0 { whole_records(&self.recent[..used], FIRST_WAITING) } else { used };
        let end = waiting + moved;
        // Lengthened to no more than is used: fresh memory costs more than what is written to it. And not by
        // extend_from_slice, which goes byte by byte here.
        if end > self.earlier.capacity() {
            self.earlier.reserve_exact(end.next_power_of_two().max(FIRST_WAITING) - waiting);
        }
        self.earlier.resize(end, 0);
        self.earlier[waiting..].copy_from_slice(&self.recent[..moved]);
        self.recent.copy_within(moved..used, 0);
        self.used = (used - moved) as u16;
    }

    /// Adds all fills that wait to the sums, which are made if there are none. Only for a state that has too many fills
    /// to keep, that takes in sums, or that something is subtracted from.
    pub(super) fn sum_up(&mut self) -> &mut Dense<A> {
        let used = usize::from(std::mem::take(&mut self.used));
        self.fills = 0;
        self.has_sums = true;
        // The memory is used again for the fills that follow.
        let alloc = self.earlier.allocator().clone();
        let mut earlier = std::mem::replace(&mut self.earlier, Vec::new_in(alloc));
        let recent = self.recent;
        let dense = self.sums_mut();
        for_each_fill(&earlier, |fill| dense.add(fill));
        for_each_fill(&recent[..used], |fill| dense.add(fill));
        earlier.clear();
        self.earlier = earlier;
        self.sums_mut()
    }

    fn sums_mut(&mut self) -> &mut Dense<A> {
        let alloc = self.earlier.allocator().clone();
        self.rest().dense.get_or_insert_with(|| Box::new_in(Dense::new(alloc.clone()), alloc))
    }

    /// The bytes of the fills that wait, in two parts.
    fn pending(&self) -> [&[u8]; 2] {
        [&self.earlier, &self.recent[..usize::from(self.used)]]
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
        self.earlier.clear();
        fills.iter().for_each(|fill| self.push(fill));
    }

    /// Counts `n` trades that are not counted as fills, by the index of their [`crate::profile::fill::Rejection`].
    pub fn reject(&mut self, reason: usize, n: u64) {
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
fn for_each_fill(mut bytes: &[u8], mut f: impl FnMut(&Fill)) {
    let mut fill = Fill::default();
    while !bytes.is_empty() {
        let length = fill.read_own(bytes);
        let Some(rest) = bytes.get(length..) else {
            debug_assert!(false, "a record of {length} bytes of which there are {}", bytes.len());
            return;
        };
        f(&fill);
        bytes = rest;
    }
}

/// The fills of a sparse profile, sorted by time and then by all their bytes.
pub(super) fn sorted_fills(parts: [&[u8]; 2]) -> std::vec::Vec<Fill> {
    let mut fills = std::vec::Vec::with_capacity(SPARSE_FILLS as usize);
    for mut part in parts {
        while !part.is_empty() {
            let mut fill = Fill::default();
            let (record, rest) = part.split_at(fill.read_own(part).min(part.len()));
            fills.push((fill, record));
            part = rest;
        }
    }
    fills.sort_unstable_by(|a, b| (a.0.at, a.1).cmp(&(b.0.at, b.1)));
    fills.into_iter().map(|(fill, _)| fill).collect()
}

pub(super) fn wrong_form() -> Error {
    malformed("a profile is in the wrong form for its number of trades")
}
