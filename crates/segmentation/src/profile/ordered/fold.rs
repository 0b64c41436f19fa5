//! Events, stored fragments and what is said to be open at their beginning, put together in the order of time.

use super::book::Book;
use super::carried::{Carried, Mark, FLAT, UNKNOWN};
use super::event::Event;
use super::log::{Kept, Log};
use super::openings::Claim;
use super::positions::{Figures, Positions, Stretch};
use super::{Fragment, Ordered};
use allocator_api2::alloc::Allocator;
use std::borrow::Cow;

/// What a profile leaves open, for the next one to begin with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closing<'a> {
    pub mark: Mark,
    /// Of the positions; empty where there are none, or more than are carried over.
    pub bytes: Cow<'a, [u8]>,
}

impl Closing<'_> {
    pub const UNKNOWN: Closing<'static> = Closing { mark: UNKNOWN, bytes: Cow::Borrowed(&[]) };
}

/// What is known of the positions so far.
// There is one at a time, on the stack.
#[allow(clippy::large_enum_variant)]
enum Course<'a, A: Allocator + Clone> {
    /// No event yet; what was said to be open.
    Start(Option<Mark>),
    /// Events are gone through.
    Book {
        opening: Mark,
        book: Book<A>,
    },
    /// A stored fragment has ended.
    Stored {
        stretch: Stretch,
        carried: &'a [u8],
    },
    Open,
    Shared,
}

impl<'a, A: Allocator + Clone> Course<'a, A> {
    /// What is open now; `None` before any event.
    fn mark(&self) -> Option<Mark> {
        match self {
            Course::Start(said) => *said,
            Course::Book { book, .. } => Some(book.carried().pack().0),
            Course::Stored { stretch, .. } => Some(stretch.closing),
            Course::Open | Course::Shared => Some(UNKNOWN),
        }
    }

    fn positions(&self) -> (Positions, Closing<'a>) {
        match self {
            Course::Book { opening, book } => {
                let (mark, bytes) = book.carried().pack();
                let stretch = Stretch { figures: book.figures(), opening: *opening, closing: mark };
                (Positions::Known(stretch), Closing { mark, bytes: Cow::Owned(bytes.unwrap_or_default()) })
            }
            Course::Stored { stretch, carried } => {
                (Positions::Known(*stretch), Closing { mark: stretch.closing, bytes: Cow::Borrowed(carried) })
            }
            Course::Shared => (Positions::Shared, Closing::UNKNOWN),
            Course::Start(_) | Course::Open => (Positions::Open, Closing::UNKNOWN),
        }
    }
}

pub(super) struct Folding<'a, A: Allocator + Clone> {
    log: &'a Log<A>,
    /// Those still to come, in order.
    fragments: &'a [Kept],
    claims: &'a [Claim],
    /// All that was so far, but for its positions.
    whole: Option<Fragment>,
    course: Course<'a, A>,
    overlap: bool,
}

impl<'a, A: Allocator + Clone> Folding<'a, A> {
    pub fn new(log: &'a Log<A>, fragments: &'a [Kept], claims: &'a [Claim]) -> Self {
        Folding { log, fragments, claims, whole: None, course: Course::Start(None), overlap: false }
    }

    /// Adds the events of one instant, in their order, which come after all those before.
    pub fn instant(&mut self, events: &[Event]) {
        let at = events[0].at;
        while let Some((kept, rest)) = self.fragments.split_first().filter(|(k, _)| k.fragment.ends() < (at, at)) {
            self.fragments = rest;
            self.stored(kept);
        }
        self.claims_until(at);
        let last = self.whole.as_ref().map(Fragment::last);
        match &mut self.whole {
            Some(whole) if last.is_some_and(|last| last < at) => whole.push(events),
            _ => self.extend(Fragment::instant(events)),
        }
        if last == Some(at) {
            self.course = Course::Shared;
        }
        self.go_on(last.unwrap_or(at));
        if let Course::Book { book, .. } = &mut self.course {
            book.advance(at);
            events.iter().for_each(|event| book.apply(event));
        }
    }

    /// Goes on with events after what was until `last`, where it is known what was open.
    fn go_on(&mut self, last: i64) {
        let alloc = self.log.allocator().clone();
        let (opening, mark, figures, carried) = match &self.course {
            Course::Book { .. } | Course::Open | Course::Shared => return,
            Course::Start(None) => (FLAT, FLAT, Figures::default(), &[][..]),
            Course::Start(Some(said)) => (*said, *said, Figures::default(), self.log.openings.bytes_of(*said)),
            Course::Stored { stretch, carried } => (stretch.opening, stretch.closing, stretch.figures, *carried),
        };
        self.course = match Carried::unpack(carried) {
            Ok((found, carried)) if found == mark => {
                Course::Book { opening, book: Book::resume(&carried, figures, last, alloc) }
            }
            _ => Course::Open,
        };
    }

    /// Takes in what was said to be open before something that happened at `at`.
    fn claims_until(&mut self, at: i64) {
        while let Some((claim, rest)) = self.claims.split_first().filter(|(c, _)| c.at <= at) {
            self.claims = rest;
            let agrees = match self.course.mark() {
                None => claim.mark != UNKNOWN,
                Some(mark) => mark == claim.mark && mark != UNKNOWN,
            };
            self.course = match std::mem::replace(&mut self.course, Course::Open) {
                Course::Shared => Course::Shared,
                _ if !agrees => Course::Open,
                Course::Start(_) => Course::Start(Some(claim.mark)),
                course => course,
            };
        }
    }

    fn stored(&mut self, kept: &'a Kept) {
        let fragment = &kept.fragment;
        self.claims_until(fragment.first);
        let last = self.whole.as_ref().map(Fragment::last);
        let mark = self.course.mark();
        let carried = self.log.carried(kept);
        self.course = match (&self.course, fragment.positions) {
            _ if last == Some(fragment.first) => Course::Shared,
            (Course::Shared, _) | (_, Positions::Shared) => Course::Shared,
            (Course::Open, _) | (_, Positions::Open) => Course::Open,
            (_, Positions::Known(stretch)) => match (last, mark) {
                (_, Some(mark)) if mark != stretch.opening || mark == UNKNOWN => Course::Open,
                (None, _) => Course::Stored { stretch, carried },
                (Some(last), _) => self.joined(last, fragment.first, stretch, carried),
            },
        };
        self.extend(*fragment);
    }

    /// A stretch from `first` on, which begins with what is open at `last`: what is held, and what expires, between the two
    /// is in neither.
    fn joined(&mut self, last: i64, first: i64, next: Stretch, carried: &'a [u8]) -> Course<'a, A> {
        self.go_on(last);
        let Course::Book { opening, book } = &mut self.course else { return Course::Open };
        book.advance(first);
        let mut figures = book.figures();
        figures.append(next.figures);
        Course::Stored { stretch: Stretch { figures, opening: *opening, closing: next.closing }, carried }
    }

    fn extend(&mut self, next: Fragment) {
        match &mut self.whole {
            None => self.whole = Some(next),
            Some(whole) => self.overlap |= !whole.append(&next),
        }
    }

    /// [`Ordered::Overlap`] without any event, too.
    pub fn end(mut self) -> (Ordered, Closing<'a>) {
        for kept in self.fragments {
            self.stored(kept);
        }
        match self.whole {
            Some(whole) if !self.overlap => {
                let (positions, closing) = self.course.positions();
                (Ordered::Whole(Fragment { positions, ..whole }), closing)
            }
            _ => (Ordered::Overlap, Closing::UNKNOWN),
        }
    }
}
