//! The collecting side: events and stored fragments in any order, until they are sorted and folded.

use crate::error::Result;
use crate::profile::codec::{malformed, Reader, Sink};
use crate::profile::ordered::book::Book;
use crate::profile::ordered::event::{slot_of, Event, Record, Records, LONGEST, SLOTS};
use crate::profile::ordered::positions::Positions;
use crate::profile::ordered::{Fragment, Ordered};
use allocator_api2::alloc::Allocator;
use allocator_api2::vec::Vec;

/// More bytes of events than this in one state are not kept; their order is then reported as unknown.
pub const LOG_LIMIT: usize = 32 << 20;
/// A profile turns dense at 33 fills: room for about as many, and again as many.
const FIRST_ROOM: usize = 1024;
const FRAGMENT_LIMIT: usize = LOG_LIMIT / std::mem::size_of::<Fragment>();

/// Events and stored fragments, as they come.
pub struct Log<A: Allocator + Clone> {
    /// Of these bytes, the first `used` are records. The rest is room, so that a record is put down whole: copying as
    /// many bytes as it has would take longer.
    records: Vec<u8, A>,
    used: usize,
    /// Empty, or one key for each of [`SLOTS`]; 0 where there is none.
    keys: Vec<u64, A>,
    fragments: Vec<Fragment, A>,
    /// Time of the last record.
    at: i64,
    in_order: bool,
    overlap: bool,
}

impl<A: Allocator + Clone> Log<A> {
    pub fn new(alloc: A) -> Self {
        Log {
            records: Vec::new_in(alloc.clone()),
            used: 0,
            keys: Vec::new_in(alloc.clone()),
            fragments: Vec::new_in(alloc),
            at: 0,
            in_order: true,
            overlap: false,
        }
    }

    pub fn push(&mut self, event: &Event) {
        if self.overlap {
            return;
        }
        let event = event.usable();
        let mut known = false;
        if let Some(key) = event.key {
            if self.keys.is_empty() {
                self.keys.resize(SLOTS, 0);
            }
            let slot = &mut self.keys[slot_of(key)];
            if *slot == 0 {
                *slot = key;
            }
            known = *slot == key;
        }
        let record = Record::of(&event, self.at, known);
        if self.used + record.length > LOG_LIMIT {
            return self.give_up();
        }
        self.in_order &= event.at >= self.at || self.used == 0;
        self.at = event.at;
        if self.used + LONGEST > self.records.len() {
            self.grow();
        }
        self.records[self.used..self.used + LONGEST].copy_from_slice(&record.bytes);
        self.used += record.length;
    }

    #[cold]
    fn grow(&mut self) {
        let size = (2 * self.used).clamp(FIRST_ROOM, LOG_LIMIT + LONGEST);
        self.records.reserve_exact(size - self.records.len());
        self.records.resize(size, 0);
    }

    /// The part of `records` that holds some.
    fn recorded(&self) -> &[u8] {
        &self.records[..self.used]
    }

    fn give_up(&mut self) {
        self.overlap = true;
        self.used = 0;
        let alloc = self.records.allocator().clone();
        self.records = Vec::new_in(alloc.clone());
        self.fragments = Vec::new_in(alloc);
    }

    fn add(&mut self, fragment: Fragment) {
        if self.overlap {
            return;
        }
        if self.fragments.len() == FRAGMENT_LIMIT {
            return self.give_up();
        }
        if self.fragments.is_empty() {
            // Most states that take in a stored profile take in one.
            self.fragments.reserve_exact(1);
        }
        self.fragments.push(fragment);
    }

    /// Everything in the order of time, folded. [`Ordered::Overlap`] for a log without any event, too: a dense profile
    /// has trades.
    pub fn fold(&self) -> Ordered {
        if self.overlap {
            return Ordered::Overlap;
        }
        let mut fragments = self.fragments.clone();
        fragments.sort_unstable_by_key(|f| (f.first, f.last()));
        let mut folding = Folding { log: self, fragments: &fragments, whole: None, run: None, overlap: false };
        let mut instant = Vec::new_in(self.records.allocator().clone());
        self.for_each_in_order(|event| {
            if instant.first().is_some_and(|first: &Event| first.at != event.at) {
                folding.instant(&mut instant);
                instant.clear();
            }
            instant.push(event);
        });
        if !instant.is_empty() {
            folding.instant(&mut instant);
        }
        folding.end()
    }

    /// Events by time; those of one instant in any order. The records are our own, so a fault ends the loop.
    fn for_each_in_order(&self, mut visit: impl FnMut(Event)) {
        let mut records = Records { bytes: self.recorded(), keys: &self.keys, at: 0 };
        if self.in_order {
            while let Some(event) = records.next() {
                visit(event);
            }
            return;
        }
        let mut places = Vec::new_in(self.records.allocator().clone());
        loop {
            let place = (self.used - records.bytes.len()) as u32;
            let Some(event) = records.next() else { break };
            places.push((event.at, place));
        }
        places.sort_unstable();
        for (at, place) in places {
            records.bytes = &self.recorded()[place as usize..];
            let Some(event) = records.next() else { return };
            visit(Event { at, ..event });
        }
    }

    /// Writes the folded state, as it is stored.
    pub fn write_folded(&self, out: &mut impl Sink) {
        match self.fold() {
            Ordered::Overlap => out.var(0),
            Ordered::Whole(f) => {
                out.var(1);
                f.write(out);
            }
        }
    }

    /// Writes everything collected, as it travels from a parallel worker.
    pub fn write_collected(&self, out: &mut impl Sink) {
        out.u8(u8::from(self.overlap));
        out.var(self.fragments.len() as u64);
        self.fragments.iter().for_each(|f| f.write(out));
        out.var(self.keys.len() as u64);
        self.keys.iter().for_each(|&key| out.u64(key));
        out.var(self.used as u64);
        out.put(self.recorded());
    }

    pub fn absorb_folded(&mut self, r: &mut Reader) -> Result<()> {
        match r.below(2, "a number of fragments")? {
            0 => self.give_up(),
            _ => self.add(Fragment::read(r)?),
        }
        Ok(())
    }

    pub fn absorb_collected(&mut self, r: &mut Reader) -> Result<()> {
        if r.below(2, "a flag")? == 1 {
            self.give_up();
        }
        for _ in 0..r.below(FRAGMENT_LIMIT as u64 + 1, "a number of fragments")? {
            self.add(Fragment::read(r)?);
        }
        let mut keys = [0u64; SLOTS];
        let n = r.below(SLOTS as u64 + 1, "a number of instruments")?;
        for key in &mut keys[..n] {
            *key = r.u64()?;
        }
        let length = r.below(LOG_LIMIT as u64 + 1, "a length of records")?;
        let mut records = Records { bytes: r.take(length)?, keys: &keys, at: 0 };
        while !records.bytes.is_empty() {
            self.push(&records.next().ok_or_else(|| malformed("an event does not decode"))?);
        }
        Ok(())
    }
}

/// Puts runs of events and the fragments between them together.
struct Folding<'a, A: Allocator + Clone> {
    log: &'a Log<A>,
    /// Those still to come, in order.
    fragments: &'a [Fragment],
    whole: Option<Fragment>,
    run: Option<(Fragment, Book<A>)>,
    overlap: bool,
}

impl<A: Allocator + Clone> Folding<'_, A> {
    /// Adds the events of one instant, which come after all those before.
    fn instant(&mut self, events: &mut [Event]) {
        if events.len() > 1 {
            events.sort_unstable_by_key(Event::order);
        }
        let at = events[0].at;
        while let Some((fragment, rest)) = self.fragments.split_first().filter(|(f, _)| (f.first, f.last()) < (at, at))
        {
            self.fragments = rest;
            self.end_run();
            self.add(*fragment);
        }
        let next = Fragment::instant(events);
        let (fragment, book) = match &mut self.run {
            Some(run) => {
                run.0.append(&next);
                run
            }
            None => self.run.insert((next, Book::new(self.log.records.allocator().clone()))),
        };
        book.advance(at);
        events.iter().for_each(|event| book.apply(event));
        fragment.positions = Positions::Known(book.figures());
    }

    fn end_run(&mut self) {
        if let Some((fragment, _)) = self.run.take() {
            self.add(fragment);
        }
    }

    fn add(&mut self, next: Fragment) {
        match &mut self.whole {
            None => self.whole = Some(next),
            Some(whole) => self.overlap |= !whole.append(&next),
        }
    }

    fn end(mut self) -> Ordered {
        self.end_run();
        for fragment in self.fragments {
            self.add(*fragment);
        }
        match self.whole {
            Some(whole) if !self.overlap => Ordered::Whole(whole),
            _ => Ordered::Overlap,
        }
    }
}
