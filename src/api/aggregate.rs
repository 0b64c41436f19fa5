//! Support functions of the aggregates `account_profile(trade)`, `rollup(account_profile)` and those that carry positions
//! from one day to the next.

use crate::api::types::{read_profile, write_profile};
use crate::pg::alloc::PgAlloc;
use crate::pg::call::{Call, Raw};
use crate::pg::datum::{varlena, varlena_from};
use crate::pg::error::Result;
use crate::pg::queue;
use crate::pg::state::{self, Working};
use crate::sql_function;
use allocator_api2::alloc::Allocator;
use segmentation::profile::trade::{self, Verdict};
use segmentation::profile::{stored, State};

sql_function!("segmentation_profile_add", 2, profile_add);
sql_function!("segmentation_profile_add_snapshot", 2, profile_add_snapshot);
sql_function!("segmentation_rollup_add", 2, rollup_add);
sql_function!("segmentation_profile_combine", 2, combine);
sql_function!("segmentation_profile_serialize", 1, serialize);
sql_function!("segmentation_profile_deserialize", 2, deserialize);
sql_function!("segmentation_profile_final", 1, finish);
sql_function!("segmentation_profile_final_events", 1, finish_with_events);
sql_function!("segmentation_profile_follow", 2, follow);
sql_function!("segmentation_profile_carry", 2, carry);
sql_function!("segmentation_profile_is_sparse", 1, is_sparse);

/// A NULL trade or profile is none: over nothing but NULLs the state stays NULL, and so does the answer.
fn unchanged(call: &Call) -> Result<Option<Raw>> {
    call.aggregate_context()?;
    Ok(call.raw(0).map(Raw))
}

fn add(call: &Call, f: impl FnOnce(&mut State<PgAlloc>, &[u8]) -> segmentation::Result<()>) -> Result<Option<Raw>> {
    let Some(bytes) = call.bytes(1) else { return unchanged(call) };
    let (state, raw) = state::current(call)?;
    f(state, bytes)?;
    Ok(Some(raw))
}

fn profile_add(call: &Call) -> Result<Option<Raw>> {
    let Some(bytes) = call.bytes(1) else { return unchanged(call) };
    match trade::read(bytes)? {
        Verdict::Counts(record) => queue::push(call, record).map(Some),
        Verdict::Rejected(reason) => {
            let (state, raw) = state::current(call)?;
            state.reject(reason, 1);
            Ok(Some(raw))
        }
    }
}

fn profile_add_snapshot(call: &Call) -> Result<Option<Raw>> {
    add(call, |state, bytes| state.add_snapshot(bytes))
}

fn rollup_add(call: &Call) -> Result<Option<Raw>> {
    add(call, |state, bytes| state.absorb(bytes))
}

fn combine(call: &Call) -> Result<Option<Raw>> {
    // The second state may live in a short context, so it is always copied into the first, never returned.
    match state::argument(call, 1)? {
        None => Ok(call.raw(0).map(Raw)),
        Some(other) => {
            let (state, raw) = state::current(call)?;
            match other {
                Working::Packed(bytes) => state.absorb_own(bytes)?,
                Working::State(other) => {
                    let mut bytes = Vec::new();
                    other.write_unfinished(&mut bytes);
                    state.absorb_own(&bytes)?;
                }
            }
            Ok(Some(raw))
        }
    }
}

fn serialize(call: &Call) -> Result<Option<Raw>> {
    call.aggregate_context()?;
    Ok(state::argument(call, 0)?.map(|working| match working {
        Working::Packed(packed) => Raw(varlena(packed)),
        Working::State(state) => Raw(varlena_from(state.size_waiting(), |out| state.write_unfinished(out))),
    }))
}

/// Keeps the bytes where they are: what follows is a combine, which reads them once.
fn deserialize(call: &Call) -> Result<Option<Raw>> {
    state::packed(call, 0)
}

/// NULL over no rows, like `sum`.
fn finish(call: &Call) -> Result<Option<Raw>> {
    finished(call, false)
}

fn finish_with_events(call: &Call) -> Result<Option<Raw>> {
    finished(call, true)
}

fn finished(call: &Call, events: bool) -> Result<Option<Raw>> {
    fn write<A: Allocator + Clone>(state: &mut State<A>, events: bool, out: &mut Vec<u8>) {
        match events {
            true => state.write_with_events(out),
            false => state.write(out),
        }
    }
    call.aggregate_context()?;
    /// Bytes of most profiles are fewer.
    const USUAL: usize = 4096;
    let mut bytes = Vec::with_capacity(USUAL);
    match state::argument(call, 0)? {
        None => return Ok(None),
        Some(Working::State(state)) => write(state, events, &mut bytes),
        Some(Working::Packed(packed)) => write(&mut read_profile(packed)?, events, &mut bytes),
    }
    Ok(Some(Raw(varlena(&bytes))))
}

fn follow(call: &Call) -> Result<Option<Raw>> {
    let Some(bytes) = call.bytes(1) else { return Ok(None) };
    following(call.bytes(0), bytes).map(Some)
}

/// What was open before a day without trades is still open after it.
fn carry(call: &Call) -> Result<Option<Raw>> {
    let before = call.bytes(0);
    match (before, call.bytes(1)) {
        (Some(before), None) => Ok(Some(Raw(varlena(before)))),
        (Some(before), Some(bytes)) if !stored::has_trades(bytes)? => Ok(Some(Raw(varlena(before)))),
        (_, bytes) => bytes.map(|bytes| following(before, bytes)).transpose(),
    }
}

fn following(before: Option<&[u8]>, bytes: &[u8]) -> Result<Raw> {
    let mut profile = read_profile(bytes)?;
    if let Some(before) = before {
        profile.follow(&mut read_profile(before)?);
    }
    Ok(Raw(varlena(&write_profile(profile))))
}

fn is_sparse(call: &Call) -> Result<Option<bool>> {
    Ok(call.bytes(0).map(stored::is_sparse).transpose()?)
}
