//! Versions of a segmentation: storing one, and making one the active one.

use crate::api::catalogue::{self, Definition};
use crate::api::models::event::{Event, State};
use crate::api::scratch::{self, write_segments};
use crate::pg::error::{Failure, Result};
use crate::pg::relation::Relation;
use crate::pg::spi::{self, arg, maybe, time};
use pgrx::PgSqlErrorCode;
use segmentation::model::Model;

fn ids(model: &Model) -> Vec<i32> {
    model.segments.iter().map(|s| s.id).collect()
}

/// Writes the model as the next version, a candidate. The caller holds the lock on the segmentation's row.
pub fn store(definition: &Definition, model: &Model) -> Result<i32> {
    let name = arg(definition.name.clone());
    let sql = "SELECT coalesce(pg_catalog.max(version), 0) + 1 FROM segmentation.fit WHERE segmentation = $1";
    let version = catalogue::read(sql, &[name], |r| Ok(r.get::<i32>(0, 1).unwrap_or(1)))?;
    let user = spi::read("SELECT current_user::text", &[], |r| Ok(r.text(0, 1)))?;
    catalogue::run(
        "INSERT INTO segmentation.fit (segmentation, version, model, accounts, segments, hash, created_by)
         VALUES ($1, $2, CAST($3 AS segmentation.model), $4, $5, $6, $7)",
        &[
            name,
            arg(version),
            arg(model.to_json()?),
            arg(model.segments.iter().map(|s| s.accounts as i64).sum::<i64>()),
            arg(ids(model)),
            arg(model.content_hash()?),
            maybe(user),
        ],
    )?;
    let names: Vec<String> = model.segments.iter().map(|s| s.name.clone()).collect();
    catalogue::run(
        "INSERT INTO segmentation.segment AS s (segmentation, segment_id, name, first_version, last_version)
         SELECT $1, n.id, n.name, $2, $2 FROM ROWS FROM (pg_catalog.unnest($3::int[]), pg_catalog.unnest($4::text[])) AS n (id, name)
         ON CONFLICT (segmentation, segment_id) DO UPDATE SET last_version = EXCLUDED.last_version",
        &[name, arg(version), arg(ids(model)), arg(names)],
    )?;
    let next = model.segments.iter().map(|s| s.id).max().map_or(1, |id| id.saturating_add(1));
    // Also where no id is new: a transaction whose snapshot is older than this version then fails with 40001 at the row, and not
    // with the number of the version taken.
    catalogue::run(
        "UPDATE segmentation.definition SET next_segment_id = greatest(next_segment_id, $2) WHERE name = $1",
        &[name, arg(next)],
    )?;
    Ok(version)
}

/// The state of a version; 42704 where there is no such version.
pub fn state(definition: &Definition, version: i32) -> Result<State> {
    let sql = "SELECT state FROM segmentation.fit WHERE segmentation = $1 AND version = $2";
    let found = catalogue::read(sql, &[arg(definition.name.clone()), arg(version)], |r| {
        Ok((r.len() > 0).then(|| r.text(0, 1)).flatten())
    })?;
    found.as_deref().and_then(State::parse).ok_or_else(|| unknown(definition, version))
}

pub fn unknown(definition: &Definition, version: i32) -> Failure {
    Failure::new(
        PgSqlErrorCode::ERRCODE_UNDEFINED_OBJECT,
        format!("segmentation \"{}\" has no model version {version}", definition.name),
    )
    .hint("the view segmentation.models lists them")
}

pub fn set_state(definition: &Definition, version: i32, state: State) -> Result<()> {
    catalogue::run(
        "UPDATE segmentation.fit SET state = $3 WHERE segmentation = $1 AND version = $2",
        &[arg(definition.name.clone()), arg(version), arg(state.name().to_string())],
    )?;
    Ok(())
}

/// Makes a version the active one. Its scores of all accounts, as of that instant, are in the scratch tables; the segments are locked, and
/// `definition` was read after that. `what` is the event it is done by.
pub fn switch(
    definition: &Definition,
    segments: &Relation,
    model: &Model,
    version: i32,
    from: State,
    scored_as_of: Option<i64>,
    event: Event,
) -> Result<()> {
    write_segments(segments, model, version, scored_as_of)?;
    scratch::store_profiles(definition, scored_as_of)?;
    if let Some(before) = definition.active_version {
        set_state(definition, before, State::Retired)?;
        Event::of_version("retire", before, Some(State::Active), Some(State::Retired))
            .details(serde_json::json!({ "by_version": version }))
            .record(&definition.name)?;
    }
    set_state(definition, version, State::Active)?;
    Event { version: Some(version), from: Some(from), to: Some(State::Active), ..event }.record(&definition.name)?;
    catalogue::run(
        "UPDATE segmentation.definition SET active_version = $2, scored_as_of = $3 WHERE name = $1",
        &[arg(definition.name.clone()), arg(version), time(scored_as_of)],
    )?;
    catalogue::run(
        "UPDATE segmentation.segment SET dissolved_in = CASE WHEN segment_id = ANY ($2) THEN NULL ELSE $3 END
         WHERE segmentation = $1
           AND CASE WHEN segment_id = ANY ($2) THEN dissolved_in IS NOT NULL
                    ELSE segment_id = ANY (SELECT pg_catalog.unnest(f.segments) FROM segmentation.fit f
                                           WHERE f.segmentation = $1 AND f.version = $4) END",
        &[arg(definition.name.clone()), arg(ids(model)), arg(version), maybe(definition.active_version)],
    )?;
    crate::pg::lookup::announce_change();
    Ok(())
}
