//! The aggregate state: takes trades, snapshots and profiles in any order, and gives the profile.

use crate::error::{Error, Result};
use crate::profile::codec::malformed;
use crate::profile::dense::Dense;
use crate::profile::equity::Equity;
use crate::profile::features::Parts;
use crate::profile::fill::{Fill, REJECTIONS};
use crate::profile::ordered::Openings;
use crate::profile::record::{LARGEST_RECORD, RECORD_ROOM};
use crate::profile::section::{bit, Lost, Tag};
use crate::profile::shares::Shares;
use crate::profile::trade::{self, Verdict};
use crate::profile::waiting::Waiting;
use allocator_api2::alloc::{Allocator, Global};
use allocator_api2::boxed::Box;

/// A profile of so many fills at most, of so many bytes at most, is stored as its fills; any other one is dense. Both
/// depend on the trades alone, so the form of a profile does not depend on how it was put together.
pub const SPARSE_FILLS: u32 = 32;
pub const SPARSE_BYTES: usize = 1952;
/// A dense profile has at least this many fills, unless something was subtracted from it.
pub const DENSE_FILLS: u64 = (SPARSE_BYTES / LARGEST_RECORD) as u64;

/// Bytes of fills that wait before they are added to the sums: enough that the sums' memory is fetched once for many.
const WAITING: usize = 24 * 1024;

/// Of a t-digest; it allows for ten times as many centroids, and a sketch of sizes has at most 161.
const TDIGEST_COMPRESSION: u32 = 100;

/// The bit of [`Lost`] that says that snapshots were subtracted.
pub const LOST_SNAPSHOTS: Lost = 1 << 31;

/// A profile being made. All its memory comes from `A`: in PostgreSQL that is the aggregate's memory context, so that
/// hash aggregation sees how much there is, and frees it without any destructor of ours.
///
/// Trades of many accounts arrive mixed, so nearly every row finds its account's state outside the processor's caches,
/// and its page outside the TLB. A row therefore touches as little as possible: the first cache line of the state, and
/// the end of the chunk that its record goes to, both of which can be fetched ahead of it. The sums are made when many fills
/// wait; most accounts never come that far, and have theirs made when the profile is written.
// In this order, for the compiler's own might put what a row does not touch first.
#[repr(C)]
pub struct State<A: Allocator + Clone = Global> {
    /// Fills that are not in the sums, in the order they came, as [`Fill::write`] writes them.
    waiting: Waiting<A>,
    /// How many they are.
    fills: u32,
    has_sums: bool,
    rest: Option<Box<Rest<A>, A>>,
}

/// What a state has besides the fills that wait.
struct Rest<A: Allocator + Clone> {
    rejected: [u64; REJECTIONS],
    /// What subtractions have made unknown.
    lost: Lost,
    dense: Option<Box<Dense<A>, A>>,
    equity: Option<Box<Equity<A>, A>>,
    /// Of a state without sums; else the log has them.
    openings: Openings<A>,
}

impl<A: Allocator + Clone> State<A> {
    pub fn new(alloc: A) -> Self {
        State { waiting: Waiting::new(alloc), fills: 0, has_sums: false, rest: None }
    }

    /// Adds one trade, given as the bytes of its value. A trade that breaks a rule is counted as rejected; an error
    /// means bytes that are no trade.
    pub fn add_trade(&mut self, bytes: &[u8]) -> Result<()> {
        match trade::read(bytes)? {
            Verdict::Counts(record) => self.push_record(record),
            Verdict::Rejected(reason) => self.reject(reason, 1),
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
        self.push_records(record, 1);
    }

    /// Adds records of `fills` fills, as [`State::push_record`] takes them.
    #[inline]
    pub(super) fn push_records(&mut self, records: &[u8], fills: u32) {
        if self.waiting.bytes() + records.len() > WAITING {
            self.sum_up();
        }
        self.waiting.extend(records);
        self.fills = self.fills.saturating_add(fills);
    }

    /// About as many bytes as [`State::write_unfinished`] writes of a state without sums.
    pub fn size_waiting(&self) -> usize {
        const HEAD: usize = 64;
        self.waiting.bytes() + HEAD
    }

    /// How many fills wait.
    pub(super) fn fills(&self) -> u32 {
        self.fills
    }

    /// Where the next record goes, to be fetched from memory before it comes.
    pub fn next_place(&self) -> *const u8 {
        self.waiting.next_place()
    }

    /// What its memory comes from.
    pub fn allocator(&self) -> &A {
        self.waiting.allocator()
    }

    fn rest(&mut self) -> &mut Rest<A> {
        let alloc = self.waiting.allocator();
        self.rest.get_or_insert_with(|| {
            let openings = Openings::new(alloc.clone());
            let rest = Rest { rejected: [0; REJECTIONS], lost: 0, dense: None, equity: None, openings };
            Box::new_in(rest, alloc.clone())
        })
    }

    pub(super) fn equity_mut(&mut self) -> &mut Equity<A> {
        let alloc = self.waiting.allocator().clone();
        self.rest().equity.get_or_insert_with(|| Box::new_in(Equity::new(alloc.clone()), alloc))
    }

    /// The snapshots, where there are any.
    pub(super) fn equity(&self) -> Option<&Equity<A>> {
        self.rest.as_ref().and_then(|rest| rest.equity.as_deref()).filter(|equity| !equity.is_empty())
    }

    /// Adds all fills that wait to the sums, which are made if there are none. Only for a state that has too many fills
    /// to keep, that takes in sums, or that something is subtracted from.
    pub(super) fn sum_up(&mut self) -> &mut Dense<A> {
        self.fills = 0;
        self.has_sums = true;
        let alloc = self.waiting.allocator().clone();
        let mut waiting = std::mem::replace(&mut self.waiting, Waiting::new(alloc.clone()));
        let said = std::mem::replace(&mut self.rest().openings, Openings::new(alloc));
        let dense = self.sums_mut();
        dense.log.openings.add_all(&said);
        waiting.for_each(|fill| dense.add(fill));
        waiting.clear();
        self.waiting = waiting;
        self.sums_mut()
    }

    /// What is said to have been open at the beginning.
    pub(super) fn openings_mut(&mut self) -> &mut Openings<A> {
        match self.has_sums {
            true => &mut self.sums_mut().log.openings,
            false => &mut self.rest().openings,
        }
    }

    /// The same, where fills wait for the sums to be made.
    pub(super) fn waiting_openings(&self) -> Option<&Openings<A>> {
        self.rest.as_ref().map(|rest| &rest.openings).filter(|said| !said.is_empty())
    }

    fn sums_mut(&mut self) -> &mut Dense<A> {
        let alloc = self.waiting.allocator().clone();
        self.rest().dense.get_or_insert_with(|| Box::new_in(Dense::new(alloc.clone()), alloc))
    }

    /// What the profile is stored as: the fills of a sparse one, or the sums of a dense one. Sums that are made only to
    /// be written are not kept, and their memory is the process's own.
    pub(super) fn settled(&mut self) -> Form<'_, A> {
        if self.is_sparse() {
            return Form::Sparse(&self.waiting);
        }
        if self.has_sums {
            return Form::Dense(self.sum_up());
        }
        Form::Made(std::boxed::Box::new(self.made(|_| true)))
    }

    /// Sums of the fills that wait, made for the purpose.
    fn made(&self, wanted: impl Fn(&Fill) -> bool) -> Dense<Global> {
        let mut made = Dense::of_fills(Global, self.fills as usize);
        if let Some(said) = self.waiting_openings() {
            made.log.openings.add_all(said);
        }
        self.waiting.for_each(|fill| {
            if wanted(fill) {
                made.add(fill);
            }
        });
        made
    }

    /// The state as it goes to another process: fills that wait, or sums.
    pub(super) fn unsettled(&mut self) -> Form<'_, A> {
        if self.has_sums {
            return Form::Dense(self.sum_up());
        }
        Form::Sparse(&self.waiting)
    }

    /// Makes a sparse state one of these fills alone.
    pub(super) fn keep(&mut self, fills: &[Fill]) {
        self.fills = 0;
        self.waiting.clear();
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
        !self.has_sums && self.fills <= SPARSE_FILLS && self.waiting.bytes() <= SPARSE_BYTES
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

    /// Sizes of trades in USD as a t-digest, in the text form of the extension tdigest: of each bucket of the sketch a centroid
    /// at the number that stands for it. `None` where no trade has a size, or they are not known.
    pub fn size_tdigest(&mut self) -> Option<String> {
        if self.lost() & bit(Tag::Sizes) != 0 {
            return None;
        }
        let counts = self.with_dense(None, |view| match view {
            DenseView::Kept(dense) => dense.sizes.counts(),
            DenseView::Made(dense) => dense.sizes.counts(),
        })?;
        let all = counts.iter().fold(0u64, |n, c| n.saturating_add(c.1));
        // Flag 1: centroids have means.
        let head = format!("flags 1 count {all} compression {TDIGEST_COMPRESSION} centroids {}", counts.len());
        (all > 0).then(|| counts.iter().fold(head, |text, (mean, n)| text + &format!(" ({mean:e}, {n})")))
    }

    /// Volume by kind of instrument, under the keys of [`KIND_NAMES`](crate::profile::fill::KIND_NAMES).
    pub fn allocation_by_kind(&mut self) -> Shares {
        let shares = self.with_dense(None, |view| match view {
            DenseView::Kept(dense) => dense.sums.by_kind(),
            DenseView::Made(dense) => dense.sums.by_kind(),
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
            Form::Sparse(_) => Some(read(DenseView::Made(&self.made(|fill| before.is_none_or(|t| fill.at < t))))),
        }
    }
}

/// What a profile is made of, see [`State::settled`].
pub(super) enum Form<'a, A: Allocator + Clone> {
    Sparse(&'a Waiting<A>),
    Dense(&'a Dense<A>),
    Made(std::boxed::Box<Dense<Global>>),
}

/// A dense view, made for the purpose where the profile is sparse.
pub(super) enum DenseView<'a, A: Allocator + Clone> {
    Kept(&'a Dense<A>),
    Made(&'a Dense<Global>),
}

/// The fills of a sparse profile, sorted by time and then by all their bytes.
pub(super) fn sorted_fills<A: Allocator + Clone>(waiting: &Waiting<A>) -> std::vec::Vec<Fill> {
    let records = waiting.records();
    let mut rest = &records[..];
    let mut fills = std::vec::Vec::with_capacity(SPARSE_FILLS as usize);
    while !rest.is_empty() {
        let mut fill = Fill::default();
        let record;
        (record, rest) = rest.split_at(fill.read_own(rest).min(rest.len()));
        fills.push((fill, record));
    }
    fills.sort_unstable_by(|a, b| (a.0.at, a.1).cmp(&(b.0.at, b.1)));
    fills.into_iter().map(|(fill, _)| fill).collect()
}

pub(super) fn wrong_form() -> Error {
    malformed("a profile is in the wrong form for its number of trades")
}
