//! Profiles in the course of an account's days: what each leaves open, the next one begins with.

use crate::profile::dense::event_of;
use crate::profile::ordered::{Claim, Closing, Log, Openings, Ordered, FLAT};
use crate::profile::section::{bit, Tag};
use crate::profile::state::{Form, State};
use allocator_api2::alloc::{Allocator, Global};

impl<A: Allocator + Clone> State<A> {
    /// Has the profile begin with what another one leaves open, whatever it began with so far. A profile without trades
    /// leaves nothing open, and begins with nothing.
    pub fn follow<B: Allocator + Clone>(&mut self, before: &mut State<B>) {
        let Some(at) = self.first_trade() else { return };
        let sparse = self.is_sparse();
        let openings = self.openings_mut();
        openings.clear();
        before.with_closing(|closing| {
            // The fills of a sparse profile follow whatever was before; folded ones have to begin with the same.
            if closing.mark != FLAT || !sparse {
                openings.add(Claim { at, mark: closing.mark }, &closing.bytes);
            }
        });
    }

    /// Hands what the profile leaves open to `read`.
    fn with_closing(&mut self, read: impl FnOnce(&Closing)) {
        if self.lost() & bit(Tag::Folded) != 0 {
            return read(&Closing::UNKNOWN);
        }
        if self.first_trade().is_none() {
            return read(&Closing { mark: FLAT, bytes: (&[]).into() });
        }
        if let Some(log) = self.waiting_log() {
            return log.with_folded(|_, closing| read(closing));
        }
        if let Form::Dense(dense) = self.settled() {
            dense.log.with_folded(|_, closing| read(closing));
        }
    }

    /// The events of the fills that wait, where there are no sums yet.
    fn waiting_log(&mut self) -> Option<Log<Global>> {
        let mut log = Log::new(Global);
        if let Some(said) = self.waiting_openings() {
            log.openings.add_all(said);
        }
        match self.unsettled() {
            Form::Sparse(waiting) => waiting.for_each(|fill| log.push(&event_of(fill))),
            _ => return None,
        }
        Some(log)
    }

    fn first_trade(&mut self) -> Option<i64> {
        match self.unsettled() {
            Form::Dense(dense) => Some(dense.sums.first),
            Form::Made(_) => None,
            Form::Sparse(waiting) => {
                let mut first = None;
                waiting.for_each(|fill| first = Some(first.map_or(fill.at, |at: i64| at.min(fill.at))));
                first
            }
        }
    }

    /// What a sparse profile says was open at its beginning: one claim, where all that there are agree with what happened.
    pub(super) fn sparse_opening(&mut self) -> Option<Openings<Global>> {
        self.waiting_openings()?;
        if !self.is_sparse() {
            return None;
        }
        let at = self.first_trade()?;
        let mut opening = Openings::new(Global);
        let log = self.waiting_log()?;
        let (claim, bytes) = log.openings.first()?;
        let alone = log.openings.in_order().len() == 1 && claim.at <= at;
        if alone || matches!(log.fold(), Ordered::Whole(fragment) if fragment.positions_known()) {
            // One that comes after the first trade has been seen to be true, and says nothing more.
            if claim.at <= at {
                opening.add(claim, bytes);
            }
        } else {
            opening.forget(Some(at));
        }
        Some(opening)
    }
}
