//! Fills on their way to their states.
//!
//! Trades of many accounts arrive mixed, so the state of a row's account is in no cache, and neither is the place in it
//! where the row's record goes: two waits for memory, each as long as reading the row. So records wait in a short queue.
//! When one enters, its state is asked for; when it is in the middle, the place in the state; when it leaves, both have
//! arrived meanwhile. Which order the records of one state arrive in does not change, and nobody looks at a state before
//! the queue is empty: [`drain`] comes first in everything but [`push`].
//!
//! The queue holds pointers into aggregates' memory contexts. Each context that holds a state has a callback that takes
//! out what belongs to it before it goes, be it after the last row, for a rescan or by an error.

use crate::pg::call::{Call, Raw};
use crate::pg::error::{Failure, Result};
use crate::pg::state::{place_of, Working};
use pgrx::pg_sys;
use segmentation::profile::record::RECORD_ROOM;
use std::cell::UnsafeCell;

/// Rows from entering to leaving; one is asked for its state's memory in the first half, for the record's in the second.
const ROWS: usize = 16;

struct Entry {
    /// Null where the place is free.
    state: *mut Working,
    length: usize,
    record: [u8; RECORD_ROOM],
}

struct Queue {
    entries: [Entry; ROWS],
    next: usize,
    /// The context that was given a callback last.
    watched: pg_sys::MemoryContext,
}

struct Backend(UnsafeCell<Queue>);

// SAFETY: a backend has one thread that calls PostgreSQL's functions, and only that one comes here.
unsafe impl Sync for Backend {}

const NONE: pg_sys::MemoryContext = std::ptr::null_mut();
const FREE: Entry = Entry { state: std::ptr::null_mut(), length: 0, record: [0; RECORD_ROOM] };
static QUEUE: Backend = Backend(UnsafeCell::new(Queue { entries: [FREE; ROWS], next: 0, watched: NONE }));

/// Adds the record of a fill to the state of the first argument, made if there is none; answers the datum to return for it.
pub fn push(call: &Call, record: &[u8]) -> Result<Raw> {
    let at = place_of(call)?;
    // SAFETY: nothing else holds a reference into the queue: those below end before anything is called that could come
    // back here.
    let queue = unsafe { &mut *QUEUE.0.get() };
    let i = queue.next;
    queue.next = (i + 1) % ROWS;
    if !queue.entries[i].state.is_null() {
        deliver(i)?;
    }
    // SAFETY: as above; the call before it has ended.
    let queue = unsafe { &mut *QUEUE.0.get() };
    let entry = &mut queue.entries[i];
    entry.length = record.len();
    entry.record[..record.len()].copy_from_slice(record);
    entry.state = at;
    fetch(at.cast());
    fetch(at.cast::<u8>().wrapping_add(64));
    let middle = queue.entries[(i + ROWS / 2) % ROWS].state;
    // SAFETY: an entry's state is alive, see `forget`.
    if let Some(Working::State(state)) = unsafe { middle.as_ref() } {
        let place = state.next_place();
        fetch(place);
        fetch(place.wrapping_add(64));
        fetch(place.wrapping_add(128));
    }
    Ok(Raw(pg_sys::Datum::from(at)))
}

/// Adds what waits to the states that it is for.
pub fn drain() -> Result<()> {
    for i in 0..ROWS {
        // SAFETY: the reference ends at once.
        let i = (unsafe { (*QUEUE.0.get()).next } + i) % ROWS;
        deliver(i)?;
    }
    Ok(())
}

/// Takes one entry out and adds it to its state. Taken out first: adding may run out of memory and not come back.
fn deliver(i: usize) -> Result<()> {
    // SAFETY: the reference ends before the state is touched, which may call PostgreSQL for memory, which may call
    // `forget`. The state is alive, for its context would have taken the entry out; nobody else uses it now.
    unsafe {
        let entry: *mut Entry = &raw mut (*QUEUE.0.get()).entries[i];
        let state = std::mem::replace(&mut (*entry).state, std::ptr::null_mut());
        match state.as_mut() {
            None => Ok(()),
            Some(Working::State(state)) => {
                let entry = &*entry;
                state.push_record(&entry.record[..entry.length]);
                Ok(())
            }
            // Trades are added to states that began with one in this process.
            Some(Working::Packed(_)) => Err(Failure::not_ready("a trade was added to a state of another process")),
        }
    }
}

/// Has the entries of a context's states taken out before the context goes. For a context that gets a state.
pub fn forget_with(context: pg_sys::MemoryContext) {
    // SAFETY: the callback record lives in the context whose end it is called at.
    unsafe {
        if (*QUEUE.0.get()).watched == context {
            return;
        }
        let size = size_of::<pg_sys::MemoryContextCallback>();
        let callback = pg_sys::MemoryContextAlloc(context, size).cast::<pg_sys::MemoryContextCallback>();
        callback.write(pg_sys::MemoryContextCallback {
            func: Some(forget),
            arg: context.cast(),
            next: std::ptr::null_mut(),
        });
        pg_sys::MemoryContextRegisterResetCallback(context, callback);
        (*QUEUE.0.get()).watched = context;
    }
}

/// Called when a context is about to be reset or deleted: must not fail, and must not call anything.
unsafe extern "C-unwind" fn forget(context: *mut std::ffi::c_void) {
    // SAFETY: the context's memory is still there, and so are all states of the queue: those of other contexts have their
    // own callback.
    unsafe {
        let queue = &mut *QUEUE.0.get();
        if queue.watched == context.cast() {
            queue.watched = NONE;
        }
        for entry in &mut queue.entries {
            if let Some(Working::State(state)) = entry.state.as_ref() {
                if state.allocator().context() == context.cast() {
                    entry.state = std::ptr::null_mut();
                }
            }
        }
    }
}

/// Asks for a cache line ahead of its use, where the processor can be asked.
#[inline]
fn fetch(at: *const u8) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: it changes nothing that a program could see, and no address is wrong for it.
    unsafe {
        use std::arch::x86_64::{_mm_prefetch, _MM_HINT_T0};
        _mm_prefetch::<_MM_HINT_T0>(at.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = at;
}
