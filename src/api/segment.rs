//! `segment_of`, `segment_id_of` and `segment_margin`.

use crate::api::account::Known;
use crate::api::catalogue;
use crate::api::models::names::NEW;
use crate::pg::call::{Call, Raw};
use crate::pg::error::Result;
use crate::pg::identity::current_user;
use crate::pg::lookup::{self, Column, Target};
use crate::pg::settings;
use crate::sql_function;
use pgrx::{pg_sys, IntoDatum};

sql_function!("segmentation_segment_of_any", 3, segment_of_any);
sql_function!("segmentation_segment_of_text", 3, segment_of_text);
sql_function!("segmentation_segment_id_of_any", 3, segment_id_of_any);
sql_function!("segmentation_segment_id_of_text", 3, segment_id_of_text);
sql_function!("segmentation_segment_margin_any", 2, segment_margin_any);
sql_function!("segmentation_segment_margin_text", 2, segment_margin_text);

fn segment_of_any(call: &Call) -> Result<Option<Raw>> {
    answer(call, call.argument_type(0), Column::Segment)
}

fn segment_of_text(call: &Call) -> Result<Option<Raw>> {
    answer(call, pg_sys::TEXTOID, Column::Segment)
}

fn segment_id_of_any(call: &Call) -> Result<Option<Raw>> {
    answer(call, call.argument_type(0), Column::SegmentId)
}

fn segment_id_of_text(call: &Call) -> Result<Option<Raw>> {
    answer(call, pg_sys::TEXTOID, Column::SegmentId)
}

fn segment_margin_any(call: &Call) -> Result<Option<Raw>> {
    stored(call, call.argument_type(0), Column::Margin)
}

fn segment_margin_text(call: &Call) -> Result<Option<Raw>> {
    stored(call, pg_sys::TEXTOID, Column::Margin)
}

/// What a call site keeps. Valid for one generation of the catalogue, one user, one name and one type of argument.
struct Site {
    generation: u64,
    user: pg_sys::Oid,
    name: Option<String>,
    argument_type: pg_sys::Oid,
    target: Target,
}

/// Of now, or of then.
fn answer(call: &Call, argument_type: pg_sys::Oid, column: Column) -> Result<Option<Raw>> {
    match (call.raw(0), call.raw(2)) {
        (Some(account), Some(_)) => as_of(call, account, argument_type, column),
        _ => stored(call, argument_type, column),
    }
}

/// As it stands in `<name>_segments`.
fn stored(call: &Call, argument_type: pg_sys::Oid, column: Column) -> Result<Option<Raw>> {
    let Some(account) = call.raw(0) else { return Ok(None) };
    // The setting is looked at in every call: it may change between two calls of one function body.
    let named = call.text(1)?;
    let setting = if named.is_none() { settings::default_segmentation() } else { None };
    let name = named.or(setting.as_deref());
    let user = current_user();
    let site = call.site::<Option<Site>>(|| None);
    let warm = site.as_ref().is_some_and(|s| {
        s.generation == lookup::generation()
            && s.user == user
            && s.argument_type == argument_type
            && s.name.as_deref() == name
    });
    if !warm {
        let definition = catalogue::resolve(name)?;
        definition.active()?;
        let table = definition.segments()?;
        let target = Target::new(&table, column, definition.key_type, argument_type, call.site_context())?;
        // After the look-ups: they take locks, and so may hear of changes themselves.
        let generation = lookup::generation();
        *site = Some(Site { generation, user, name: name.map(str::to_string), argument_type, target });
    }
    match site {
        Some(site) => Ok(site.target.find(account)?.map(Raw)),
        None => Ok(None),
    }
}

/// By the active model, from the stored profiles before `as_of`.
fn as_of(call: &Call, account: pg_sys::Datum, argument_type: pg_sys::Oid, column: Column) -> Result<Option<Raw>> {
    let definition = catalogue::resolve(call.text(1)?)?;
    definition.check_model_reader()?;
    let (_, model) = definition.model(None)?;
    let Some(known) = Known::of(&definition, &model, account, argument_type, call.i64(2))? else { return Ok(None) };
    if known.trades.is_some_and(|n| n < model.provenance.parameters.min_trades) {
        return Ok((column == Column::Segment).then(|| NEW.into_datum()).flatten().map(Raw));
    }
    let assigned = model.assign(&known.row)?;
    let Some(index) = assigned.index.filter(|_| !assigned.insufficient) else { return Ok(None) };
    let segment = &model.segments[index];
    Ok(if column == Column::Segment { segment.name.clone().into_datum() } else { segment.id.into_datum() }.map(Raw))
}
