//! Where the aggregates' states live: one block in the aggregate's memory context, passed around as `internal`.

use crate::pg::alloc::PgAlloc;
use crate::pg::call::{Call, Raw};
use crate::pg::error::Result;
use crate::pg::queue;
use pgrx::pg_sys;
use segmentation::profile::State;

/// An `internal` state: being filled, or fresh from another process and not yet unpacked.
// The large variant is the one that every row touches; the other one is short-lived.
#[allow(clippy::large_enum_variant)]
pub enum Working {
    State(State<PgAlloc>),
    Packed(&'static [u8]),
}

const _: () = assert!(align_of::<Working>() <= 8, "palloc aligns to 8 bytes");
const _: () = assert!(size_of::<Working>() <= 128, "palloc would round the block up to 256 bytes");

fn place(context: pg_sys::MemoryContext, value: Working) -> *mut Working {
    // SAFETY: the block is large and aligned enough. It is never dropped: all it owns lives in the same context.
    unsafe {
        let at = pg_sys::MemoryContextAlloc(context, size_of::<Working>()).cast::<Working>();
        at.write(value);
        at
    }
}

/// The first argument's state, made if there is none, and the datum to return for it.
// The state is PostgreSQL's, not part of the call.
#[allow(clippy::mut_from_ref)]
pub fn current(call: &Call) -> Result<(&mut State<PgAlloc>, Raw)> {
    queue::drain()?;
    let at = place_of(call)?;
    // SAFETY: a state that lives as long as the aggregate's context, which outlives the call.
    unsafe {
        if let Working::Packed(bytes) = *at {
            let mut state = State::new(PgAlloc::new(call.aggregate_context()?));
            state.absorb_own(bytes)?;
            at.write(Working::State(state));
        }
        match &mut *at {
            Working::State(state) => Ok((state, Raw(pg_sys::Datum::from(at)))),
            Working::Packed(_) => unreachable!("the state was just unpacked"),
        }
    }
}

/// Where the first argument's state is, made if there is none. One that is there already is not looked at.
pub(super) fn place_of(call: &Call) -> Result<*mut Working> {
    if let Some(datum) = call.raw(0) {
        return Ok(datum.cast_mut_ptr::<Working>());
    }
    let context = call.aggregate_context()?;
    queue::forget_with(context);
    // SAFETY: the context outlives the state, which lives in it.
    Ok(unsafe { place(context, Working::State(State::new(PgAlloc::new(context)))) })
}

/// An argument of type `internal` that is one of our states. Only inside an aggregate, where PostgreSQL guarantees it.
#[allow(clippy::mut_from_ref)]
pub fn argument(call: &Call, i: usize) -> Result<Option<&mut Working>> {
    call.aggregate_context()?;
    queue::drain()?;
    // SAFETY: as above.
    Ok(call.raw(i).map(|d| unsafe { &mut *d.cast_mut_ptr::<Working>() }))
}

/// The bytes of an argument as a packed state, where they are: for the deserialization function, whose answer PostgreSQL
/// hands to the combine function of the same row and forgets.
pub fn packed(call: &Call, i: usize) -> Result<Option<Raw>> {
    call.aggregate_context()?;
    Ok(call.bytes(i).map(|bytes| {
        // SAFETY: the bytes lie in the row, or unpacked in the current context, and both last until the combine function has
        // read them: it never keeps a second state, see `combine`.
        let bytes = unsafe { std::slice::from_raw_parts(bytes.as_ptr(), bytes.len()) };
        // SAFETY: it is the current context.
        let context = unsafe { pg_sys::CurrentMemoryContext };
        Raw(pg_sys::Datum::from(place(context, Working::Packed(bytes))))
    }))
}
