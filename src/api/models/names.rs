//! `rename_segment`, and the names that users gave put over those that a model was stored with.

use crate::api::catalogue;
use crate::api::fit::lock;
use crate::api::models::event::{reason, Event};
use crate::api::rights::check_approver;
use crate::pg::call::Call;
use crate::pg::error::{Failure, Result};
use crate::pg::identity::SafePath;
use crate::pg::spi::{self, arg};
use crate::sql_function;
use pgrx::PgSqlErrorCode;
use segmentation::model::Model;
use serde_json::json;

sql_function!("segmentation_rename_segment", 4, rename);

/// Most characters of a name.
const LIMIT: usize = 200;
/// What `<name>_segments` says of accounts that have too few trades yet.
pub const NEW: &str = "new";

/// A name as it is kept: without white space around it.
pub fn checked(name: &str) -> Result<String> {
    let name = name.trim();
    let length = name.chars().count();
    if name.is_empty() || length > LIMIT {
        return Err(Failure::invalid(format!("the name of a segment has {length} characters, outside 1 to {LIMIT}"))
            .hint("a few words that tell the segment from the others"));
    }
    if name == NEW {
        return Err(Failure::invalid(format!("\"{NEW}\" cannot be the name of a segment"))
            .hint("it is what accounts with too few trades are called"));
    }
    Ok(name.to_string())
}

fn rename(call: &Call) -> Result<()> {
    let _writer = spi::Writer::command(c"rename_segment()");
    let name = call.required(0, "segmentation")?;
    let id = call.get::<i32>(1).ok_or_else(|| {
        Failure::new(PgSqlErrorCode::ERRCODE_NULL_VALUE_NOT_ALLOWED, "segment_id must not be null")
            .hint("the view segmentation.segment_names lists them")
    })?;
    let (wanted, why) = (checked(call.required(2, "name")?)?, reason(call, 3)?);
    let definition = catalogue::resolve(Some(name))?;
    let segments = check_approver(&definition)?;
    let _path = SafePath::set();
    // An insert into a watched table writes the names that it read: not while they change.
    lock(&definition, &segments)?;
    let definition = catalogue::lock_row(&definition.name)?;
    let sql = "SELECT name FROM segmentation.segment WHERE segmentation = $1 AND segment_id = $2";
    let before = catalogue::read(sql, &[arg(definition.name.clone()), arg(id)], |r| {
        Ok((r.len() > 0).then(|| r.text(0, 1)).flatten())
    })?;
    let before = before.ok_or_else(|| {
        Failure::new(
            PgSqlErrorCode::ERRCODE_UNDEFINED_OBJECT,
            format!("segmentation \"{}\" has no segment {id}", definition.name),
        )
        .hint("the view segmentation.segment_names lists them")
    })?;
    let sql = "SELECT o.segment_id FROM segmentation.fit f
               JOIN segmentation.segment o ON o.segmentation = f.segmentation AND o.segment_id = ANY (f.segments)
               WHERE f.segmentation = $1 AND f.state <> 'rejected' AND $2 = ANY (f.segments) AND o.segment_id <> $2 AND o.name = $3
               ORDER BY 1 LIMIT 1";
    let arguments = [arg(definition.name.clone()), arg(id), arg(wanted.clone())];
    let other = catalogue::read(sql, &arguments, |r| Ok((r.len() > 0).then(|| r.get::<i32>(0, 1)).flatten()))?;
    if let Some(other) = other {
        return Err(Failure::new(
            PgSqlErrorCode::ERRCODE_DUPLICATE_OBJECT,
            format!("segment {other} of segmentation \"{}\" is called \"{wanted}\" already", definition.name),
        )
        .hint("rename that one first, or choose another name"));
    }
    catalogue::run(
        "UPDATE segmentation.segment SET name = $3, renamed_by_user = true WHERE segmentation = $1 AND segment_id = $2",
        &arguments,
    )?;
    spi::run(
        &format!("UPDATE {} SET segment = $2 WHERE segment_id = $1", segments.quoted()),
        &[arg(id), arg(wanted.clone())],
    )?;
    crate::pg::lookup::announce_change();
    Event { version: definition.active_version, ..Event::of_segmentation("rename") }
        .reason(why.as_deref())
        .details(json!({ "segment_id": id, "from": before, "to": wanted }))
        .record(&definition.name)
}

/// Puts names in the place of those that the model was stored with.
pub fn overlay(model: &mut Model, renamed: &[(i32, String)]) {
    for segment in &mut model.segments {
        if let Some((_, name)) = renamed.iter().find(|(id, _)| *id == segment.id) {
            segment.name = name.clone();
        }
    }
}
