//! Text and binary forms of our types.

use crate::pg::call::{Call, Raw};
use crate::pg::datum::varlena;
use crate::pg::error::Result;
use crate::sql_function;
use allocator_api2::alloc::Global;
use segmentation::model::Model;
use segmentation::profile::codec::{from_hex, to_hex};
use segmentation::profile::snapshot::Snapshot;
use segmentation::profile::trade;
use segmentation::profile::State;
use segmentation::{Error, Kind};

sql_function!("segmentation_trade_in", 1, trade_in);
sql_function!("segmentation_trade_out", 1, hex_out);
sql_function!("segmentation_trade_recv", 1, trade_recv);
sql_function!("segmentation_trade_send", 1, send);
sql_function!("segmentation_snapshot_in", 1, snapshot_in);
sql_function!("segmentation_snapshot_out", 1, hex_out);
sql_function!("segmentation_snapshot_recv", 1, snapshot_recv);
sql_function!("segmentation_snapshot_send", 1, send);
sql_function!("segmentation_profile_in", 1, profile_in);
sql_function!("segmentation_profile_out", 1, hex_out);
sql_function!("segmentation_profile_recv", 1, profile_recv);
sql_function!("segmentation_profile_send", 1, send);
sql_function!("segmentation_model_in", 1, model_in);
sql_function!("segmentation_model_out", 1, model_out);
sql_function!("segmentation_model_recv", 1, model_recv);
sql_function!("segmentation_model_send", 1, send);

/// Reads a stored profile.
pub fn read_profile(bytes: &[u8]) -> Result<State> {
    Ok(State::read(bytes, Global)?)
}

/// Writes a profile.
pub fn write_profile(mut state: State) -> Vec<u8> {
    let mut out = Vec::new();
    state.write(&mut out);
    out
}

/// What a value fails with when it comes in as text (22P02) or in binary (22P03), whatever is wrong with it: XX001 is
/// for bytes that lie in a table.
fn refused<T>(checked: segmentation::Result<T>, kind: Kind) -> Result<T> {
    checked.map_err(|error| Error { kind, ..error }.into())
}

fn checked_trade(bytes: &[u8], kind: Kind) -> Result<Option<Raw>> {
    Ok(Some(Raw(varlena(&refused(trade::canonical(bytes), kind)?))))
}

/// Reading and writing again gives the canonical form, whatever equal form came in.
fn checked_profile(bytes: &[u8], kind: Kind) -> Result<Option<Raw>> {
    Ok(Some(Raw(varlena(&write_profile(refused(State::read(bytes, Global), kind)?)))))
}

fn checked_model(json: &str, kind: Kind) -> Result<Option<Raw>> {
    let model = refused(Model::from_json(json), kind)?;
    Ok(Some(Raw(varlena(model.to_json()?.as_bytes()))))
}

/// All bytes of the message that a binary input function was called with.
fn message(call: &Call) -> Vec<u8> {
    call.raw(0).map_or(Vec::new(), crate::pg::datum::rest_of_message)
}

fn trade_in(call: &Call) -> Result<Option<Raw>> {
    checked_trade(&from_hex(call.cstr(0)?.unwrap_or_default(), "segmentation.trade")?, Kind::InvalidText)
}

fn trade_recv(call: &Call) -> Result<Option<Raw>> {
    checked_trade(&message(call), Kind::InvalidBinary)
}

fn checked_snapshot(bytes: &[u8], kind: Kind) -> Result<Option<Raw>> {
    refused(Snapshot::decode(bytes), kind)?;
    Ok(Some(Raw(varlena(bytes))))
}

fn snapshot_in(call: &Call) -> Result<Option<Raw>> {
    let bytes = from_hex(call.cstr(0)?.unwrap_or_default(), "segmentation.account_snapshot")?;
    checked_snapshot(&bytes, Kind::InvalidText)
}

fn snapshot_recv(call: &Call) -> Result<Option<Raw>> {
    checked_snapshot(&message(call), Kind::InvalidBinary)
}

fn profile_in(call: &Call) -> Result<Option<Raw>> {
    checked_profile(&from_hex(call.cstr(0)?.unwrap_or_default(), "segmentation.account_profile")?, Kind::InvalidText)
}

fn profile_recv(call: &Call) -> Result<Option<Raw>> {
    checked_profile(&message(call), Kind::InvalidBinary)
}

fn hex_out(call: &Call) -> Result<Option<Raw>> {
    Ok(call.bytes(0).map(|b| Raw(crate::pg::datum::cstring(&to_hex(b)))))
}

fn model_in(call: &Call) -> Result<Option<Raw>> {
    checked_model(call.cstr(0)?.unwrap_or_default(), Kind::InvalidText)
}

fn model_recv(call: &Call) -> Result<Option<Raw>> {
    let bytes = message(call);
    checked_model(crate::pg::datum::checked_utf8(&bytes)?, Kind::InvalidBinary)
}

fn model_out(call: &Call) -> Result<Option<Raw>> {
    let json = call.bytes(0).map(crate::pg::datum::checked_utf8).transpose()?;
    Ok(json.map(|json| Raw(crate::pg::datum::cstring(json))))
}

/// The binary form of each of our types is its bytes.
fn send(call: &Call) -> Result<Option<Raw>> {
    Ok(call.bytes(0).map(|b| Raw(varlena(b))))
}
