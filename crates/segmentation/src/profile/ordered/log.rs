//! The collecting side: events and stored fragments in any order, until they are sorted and folded.

use crate::error::Result;
use crate::profile::codec::{append, malformed, Reader, Sink};
use crate::profile::ordered::event::{slot_of, Class, Event, Record, Records, Slot, LONGEST, NEVER, SLOTS};
use crate::profile::ordered::fold::{Closing, Folding};
use crate::profile::ordered::openings::Openings;
use crate::profile::ordered::{Fragment, Ordered};
use allocator_api2::alloc::Allocator;
use allocator_api2::vec::Vec;

/// More bytes of events than this in one state are not kept; their order is then reported as unknown.
pub const LOG_LIMIT: usize = 32 << 20;
/// A profile turns dense at 33 fills: room for about as many, and again as many.
const FIRST_ROOM: usize = 1024;
const FRAGMENT_LIMIT: usize = LOG_LIMIT / std::mem::size_of::<Kept>();

/// A stored fragment, and where in [`Log::carried`] the bytes lie of what it leaves open.
#[derive(Clone, Copy)]
pub(super) struct Kept {
    pub fragment: Fragment,
    carried: (usize, usize),
}

/// Events and stored fragments, as they come, and what was open at their beginning.
pub struct Log<A: Allocator + Clone> {
    /// Of a log that is read at once: the events themselves, in the place of records.
    plain: Option<std::vec::Vec<Event>>,
    /// Of these bytes, the first `used` are records. The rest is room, so that a record is put down whole: copying as
    /// many bytes as it has would take longer.
    records: Vec<u8, A>,
    used: usize,
    /// Empty, or [`SLOTS`] of them.
    slots: Vec<Slot, A>,
    fragments: Vec<Kept, A>,
    carried: Vec<u8, A>,
    pub openings: Openings<A>,
    /// Time of the last record.
    at: i64,
    in_order: bool,
    overlap: bool,
}

impl<A: Allocator + Clone> Log<A> {
    pub fn new(alloc: A) -> Self {
        Log {
            plain: None,
            records: Vec::new_in(alloc.clone()),
            used: 0,
            slots: Vec::new_in(alloc.clone()),
            fragments: Vec::new_in(alloc.clone()),
            carried: Vec::new_in(alloc.clone()),
            openings: Openings::new(alloc),
            at: 0,
            in_order: true,
            overlap: false,
        }
    }

    /// A log of about so many events that is folded before long: they are kept as they are, which takes more memory and
    /// less time.
    pub fn plain(alloc: A, events: usize) -> Self {
        Log { plain: Some(std::vec::Vec::with_capacity(events)), ..Log::new(alloc) }
    }

    pub(super) fn allocator(&self) -> &A {
        self.records.allocator()
    }

    /// The bytes of what a fragment leaves open.
    pub(super) fn carried(&self, kept: &Kept) -> &[u8] {
        let (from, to) = kept.carried;
        &self.carried[from..to]
    }

    pub fn push(&mut self, event: &Event) {
        if self.overlap {
            return;
        }
        let mut event = *event;
        event.restrict();
        if let Some(plain) = &mut self.plain {
            self.in_order &= plain.last().is_none_or(|last| last.at <= event.at);
            return plain.push(event);
        }
        let mut known = false;
        if let Some(key) = event.key {
            if self.slots.is_empty() {
                self.slots.resize(SLOTS, Slot::EMPTY);
            }
            let slot = &mut self.slots[slot_of(key)];
            let named = Slot { key, class: event.class, expiry: event.expiry.unwrap_or(NEVER) };
            if slot.key == 0 {
                *slot = named;
            }
            known = *slot == named;
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
        self.plain = None;
        let alloc = self.records.allocator().clone();
        self.records = Vec::new_in(alloc.clone());
        self.carried = Vec::new_in(alloc.clone());
        self.fragments = Vec::new_in(alloc);
    }

    fn add(&mut self, (fragment, carried): (Fragment, &[u8])) {
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
        let from = self.carried.len();
        append(&mut self.carried, carried);
        self.fragments.push(Kept { fragment, carried: (from, self.carried.len()) });
    }

    /// Everything in the order of time, folded. [`Ordered::Overlap`] for a log without any event, too: a dense profile
    /// has trades.
    pub fn fold(&self) -> Ordered {
        self.with_folded(|ordered, _| *ordered)
    }

    /// Hands everything in the order of time, folded, and what it leaves open to `read`.
    pub fn with_folded<T>(&self, read: impl FnOnce(&Ordered, &Closing) -> T) -> T {
        if self.overlap {
            return read(&Ordered::Overlap, &Closing::UNKNOWN);
        }
        let mut fragments = self.fragments.clone();
        fragments.sort_unstable_by_key(|kept| kept.fragment.ends());
        let claims = self.openings.in_order();
        let mut folding = Folding::new(self, &fragments, &claims);
        match &self.plain {
            Some(plain) if self.in_order => {
                plain.chunk_by(|a, b| a.at == b.at).for_each(|events| put_in_order(events, &mut folding));
            }
            Some(plain) => {
                let mut places: std::vec::Vec<(i64, u32)> = plain.iter().map(|event| event.at).zip(0..).collect();
                // A stable sort, for it goes by the stretches that are in order: what each parallel worker sent is one.
                places.sort();
                for places in places.chunk_by(|a, b| a.0 == b.0) {
                    match places {
                        [(_, i)] => folding.instant(std::slice::from_ref(&plain[*i as usize])),
                        _ => {
                            let events: std::vec::Vec<Event> = places.iter().map(|&(_, i)| plain[i as usize]).collect();
                            put_in_order(&events, &mut folding);
                        }
                    }
                }
            }
            None => {
                let mut instant = Vec::new_in(self.records.allocator().clone());
                self.for_each_in_order(|event| {
                    if instant.first().is_some_and(|first: &Event| first.at != event.at) {
                        put_in_order(&instant, &mut folding);
                        instant.clear();
                    }
                    instant.push(event);
                });
                if !instant.is_empty() {
                    put_in_order(&instant, &mut folding);
                }
            }
        }
        let (ordered, closing) = folding.end();
        read(&ordered, &closing)
    }

    /// Events of the records by time; those of one instant in any order. The records are our own, so a fault ends the loop.
    fn for_each_in_order(&self, mut visit: impl FnMut(Event)) {
        let mut records = Records { bytes: self.recorded(), slots: &self.slots, at: 0 };
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
        self.with_folded(|ordered, closing| match ordered {
            Ordered::Overlap => out.var(0),
            Ordered::Whole(f) => {
                out.var(1);
                f.write(&closing.bytes, out);
            }
        });
    }

    /// Writes everything collected, as it travels from a parallel worker.
    pub fn write_collected(&self, out: &mut impl Sink) {
        out.u8(u8::from(self.overlap));
        out.var(self.fragments.len() as u64);
        self.fragments.iter().for_each(|kept| kept.fragment.write(self.carried(kept), out));
        out.var(self.slots.len() as u64);
        for slot in &self.slots {
            out.u64(slot.key);
            if slot.key != 0 {
                out.u8(slot.class as u8);
                out.i64(slot.expiry);
            }
        }
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
        let mut slots = [Slot::EMPTY; SLOTS];
        let n = r.below(SLOTS as u64 + 1, "a number of instruments")?;
        for slot in &mut slots[..n] {
            slot.key = r.u64()?;
            if slot.key != 0 {
                slot.class = Class::of(r.u8()?).ok_or_else(|| malformed("an instrument has an unknown class"))?;
                slot.expiry = r.i64()?;
            }
        }
        let length = r.below(LOG_LIMIT as u64 + 1, "a length of records")?;
        let mut records = Records { bytes: r.take(length)?, slots: &slots, at: 0 };
        while !records.bytes.is_empty() {
            self.push(&records.next().ok_or_else(|| malformed("an event does not decode"))?);
        }
        Ok(())
    }
}

/// Adds the events of one instant, of which there mostly is one.
fn put_in_order<A: Allocator + Clone>(events: &[Event], folding: &mut Folding<A>) {
    if let [_] = events {
        return folding.instant(events);
    }
    let mut events = events.to_vec();
    events.sort_unstable_by_key(Event::order);
    folding.instant(&events);
}
