//! Support functions of the aggregates `account_profile(trade)` and `rollup(account_profile)`.

use crate::pg::alloc::PgAlloc;
use crate::pg::call::{Call, Raw};
use crate::pg::datum::varlena;
use crate::pg::error::Result;
use crate::pg::queue;
use crate::pg::state::{self, Working};
use crate::sql_function;
use segmentation::profile::fill::Fill;
use segmentation::profile::State;

sql_function!("segmentation_profile_add", 2, profile_add);
sql_function!("segmentation_profile_add_snapshot", 2, profile_add_snapshot);
sql_function!("segmentation_rollup_add", 2, rollup_add);
sql_function!("segmentation_profile_combine", 2, combine);
sql_function!("segmentation_profile_serialize", 1, serialize);
sql_function!("segmentation_profile_deserialize", 2, deserialize);
sql_function!("segmentation_profile_final", 1, finish);

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
    let mut fill = Fill::default();
    match fill.read_trade(bytes)? {
        Ok(()) => queue::push(call, &fill).map(Some),
        Err(reason) => {
            let (state, raw) = state::current(call)?;
            state.reject(reason as usize, 1);
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
                Working::Packed(bytes) => state.absorb(bytes)?,
                Working::State(other) => {
                    let mut bytes = Vec::new();
                    other.write_unfinished(&mut bytes);
                    state.absorb(&bytes)?;
                }
            }
            Ok(Some(raw))
        }
    }
}

fn serialize(call: &Call) -> Result<Option<Raw>> {
    call.aggregate_context()?;
    let mut bytes = Vec::new();
    match state::argument(call, 0)? {
        None => return Ok(None),
        Some(Working::Packed(packed)) => bytes.extend_from_slice(packed),
        Some(Working::State(state)) => state.write_unfinished(&mut bytes),
    }
    Ok(Some(Raw(varlena(&bytes))))
}

/// Keeps the bytes as they are: what follows is a combine, which reads them once.
fn deserialize(call: &Call) -> Result<Option<Raw>> {
    call.aggregate_context()?;
    Ok(call.bytes(0).map(state::packed))
}

/// NULL over no rows, like `sum`.
fn finish(call: &Call) -> Result<Option<Raw>> {
    call.aggregate_context()?;
    let mut bytes = Vec::new();
    match state::argument(call, 0)? {
        None => return Ok(None),
        Some(Working::State(state)) => state.write(&mut bytes),
        Some(Working::Packed(packed)) => {
            crate::api::types::read_profile(packed)?.write(&mut bytes);
        }
    }
    Ok(Some(Raw(varlena(&bytes))))
}
