//! Text and binary forms of our types, and what reads a single profile: `feature`, `features`, `feature_vector`, `+`.

use crate::pg::call::{Call, Raw, Rows};
use crate::pg::datum::{varlena, Cell};
use crate::pg::error::{Failure, Result};
use crate::sql_function;
use allocator_api2::alloc::Global;
use pgrx::PgSqlErrorCode;
use segmentation::model::Model;
use segmentation::profile::codec::{from_hex, to_hex};
use segmentation::profile::features::{index_of, values, FeatureValue};
use segmentation::profile::trade::Trade;
use segmentation::profile::{State, FEATURES};
use segmentation::{Error, Kind};

sql_function!("segmentation_trade_in", 1, trade_in);
sql_function!("segmentation_trade_out", 1, hex_out);
sql_function!("segmentation_trade_recv", 1, trade_recv);
sql_function!("segmentation_trade_send", 1, send);
sql_function!("segmentation_profile_in", 1, profile_in);
sql_function!("segmentation_profile_out", 1, hex_out);
sql_function!("segmentation_profile_recv", 1, profile_recv);
sql_function!("segmentation_profile_send", 1, send);
sql_function!("segmentation_model_in", 1, model_in);
sql_function!("segmentation_model_out", 1, model_out);
sql_function!("segmentation_model_recv", 1, model_recv);
sql_function!("segmentation_model_send", 1, send);
sql_function!("segmentation_profile_plus", 2, plus);
sql_function!("segmentation_profile_rejected", 1, rejected);
sql_function!("segmentation_feature", 3, feature);
sql_function!("segmentation_features", 2, features);
sql_function!("segmentation_feature_vector", 3, feature_vector);
sql_function!("segmentation_catalogue_of_features", 0, catalogue_of_features);

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
    refused(Trade::decode(bytes), kind)?;
    Ok(Some(Raw(varlena(bytes))))
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

fn plus(call: &Call) -> Result<Option<Raw>> {
    let (Some(a), Some(b)) = (call.bytes(0), call.bytes(1)) else { return Ok(None) };
    let mut state = read_profile(a)?;
    state.absorb(b)?;
    Ok(Some(Raw(varlena(&write_profile(state)))))
}

fn rejected(call: &Call) -> Result<Option<i64>> {
    let Some(bytes) = call.bytes(0) else { return Ok(None) };
    Ok(Some(read_profile(bytes)?.rejected().iter().sum::<u64>().min(i64::MAX as u64) as i64))
}

fn known(name: &str) -> Result<usize> {
    index_of(name).ok_or_else(|| {
        Failure::new(PgSqlErrorCode::ERRCODE_UNDEFINED_OBJECT, format!("there is no feature \"{name}\""))
            .hint("the view segmentation.features lists the features")
    })
}

fn feature(call: &Call) -> Result<Option<f64>> {
    let (Some(profile), Some(name)) = (call.bytes(0), call.text(1)?) else { return Ok(None) };
    let index = known(name)?;
    Ok(values(&mut read_profile(profile)?, call.i64(2))[index].value)
}

fn features(call: &Call) -> Result<Rows> {
    let Some(profile) = call.bytes(0) else { return Ok(Rows(Vec::new())) };
    let values = values(&mut read_profile(profile)?, call.i64(1));
    let row = |(f, v): (&segmentation::profile::Feature, FeatureValue)| {
        vec![
            Cell::text(f.name),
            Cell::option(v.value, Cell::Float),
            Cell::text(f.unit),
            Cell::option(v.reason, Cell::text),
        ]
    };
    Ok(Rows(FEATURES.iter().zip(values).map(row).collect()))
}

/// The positions of the names are kept at the call site: in bulk the names are a constant.
struct Names {
    stored: Vec<u8>,
    indexes: Vec<usize>,
}

fn feature_vector(call: &Call) -> Result<Option<Vec<Option<f64>>>> {
    let (Some(profile), Some(names)) = (call.bytes(0), call.raw(1)) else { return Ok(None) };
    let site = call.site::<Option<Names>>(|| None);
    // Equal bytes are equal names.
    let stored = crate::pg::datum::stored_bytes(names);
    if site.as_ref().is_none_or(|s| s.stored != stored) {
        let indexes = crate::pg::datum::text_array(names)
            .into_iter()
            .map(|name| {
                known(&name.ok_or_else(|| {
                    Failure::new(PgSqlErrorCode::ERRCODE_NULL_VALUE_NOT_ALLOWED, "a feature's name must not be null")
                })?)
            })
            .collect::<Result<_>>()?;
        *site = Some(Names { stored: stored.to_vec(), indexes });
    }
    let values = values(&mut read_profile(profile)?, call.i64(2));
    Ok(site.as_ref().map(|s| s.indexes.iter().map(|&i| values[i].value).collect()))
}

/// The rows of the view `segmentation.features`.
fn catalogue_of_features(_: &Call) -> Result<Rows> {
    let row = |f: &segmentation::profile::Feature| {
        vec![
            Cell::text(f.name),
            Cell::text(f.group),
            Cell::text(f.unit),
            Cell::text(f.class.to_string()),
            Cell::Texts(f.needs.iter().map(|n| n.to_string()).collect()),
            Cell::text(f.transform.name()),
            Cell::Bool(f.in_fit),
            Cell::text(f.label),
            Cell::text(f.meaning),
        ]
    };
    Ok(Rows(FEATURES.iter().map(row).collect()))
}
