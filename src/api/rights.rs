//! Who may read what a segmentation is made of: whoever declares it, and the owner for whom its trigger reads.

use crate::api::catalogue::Definition;
use crate::api::sources::{custom, Role, Sources};
use crate::pg::error::{Failure, Result};
use crate::pg::relation::Relation;
use crate::pg::spi::{self, arg};
use pgrx::PgSqlErrorCode;

pub fn check_source(source: &Relation) -> Result<()> {
    if source.temporary {
        return Err(Failure::new(
            PgSqlErrorCode::ERRCODE_WRONG_OBJECT_TYPE,
            format!("\"{}\" is a temporary table, which a segmentation would outlive", source.name),
        )
        .hint("copy it into an ordinary table"));
    }
    // Tables, partitioned tables, views, materialized views, foreign tables.
    if !["r", "p", "v", "m", "f"].contains(&source.kind.as_str()) {
        return Err(Failure::new(
            PgSqlErrorCode::ERRCODE_WRONG_OBJECT_TYPE,
            format!("\"{}\" is not a table or view", source.name),
        )
        .hint("it takes a table, partitioned table, view, materialized view or foreign table"));
    }
    Ok(())
}

/// Nobody maps columns that they may not read: a fit would fail, and a trigger would read them for them.
pub fn check_readable(source: &Relation, columns: Vec<String>) -> Result<()> {
    let sql =
        "SELECT c FROM pg_catalog.unnest($2) c WHERE NOT pg_catalog.has_column_privilege($1, c, 'SELECT') LIMIT 1";
    let hidden =
        spi::read(sql, &[arg(source.oid), arg(columns)], |r| Ok((r.len() > 0).then(|| r.text(0, 1)).flatten()))?;
    let Some(column) = hidden else { return Ok(()) };
    Err(Failure::new(
        PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE,
        format!("permission denied for column \"{column}\" of relation \"{}\"", source.name),
    )
    .hint(format!("it takes GRANT SELECT ON {}", source.quoted())))
}

/// The trigger writes as the owner of the segments; what it writes comes from the trade table, so that owner has to be
/// allowed to read it.
pub fn check_owner_reads(segments: &Relation, source: &Relation) -> Result<()> {
    let sql = "SELECT pg_catalog.has_table_privilege($1, $2, 'SELECT')";
    if spi::read(sql, &[arg(segments.owner), arg(source.oid)], |r| Ok(r.get(0, 1).unwrap_or(false)))? {
        return Ok(());
    }
    Err(Failure::new(
        PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE,
        format!("the owner of the segmentation may not read {}", source.quoted()),
    )
    .hint("GRANT SELECT on the trade table to it"))
}

/// The sources that a trigger reads.
const READ: [Role; 4] = [Role::Instruments, Role::LeveragedTokens, Role::Prices, Role::Attributes];

/// The same for the relations that are joined to new trades; there the columns that are read are enough.
pub fn check_owner_reads_sources(segments: &Relation, sources: &Sources) -> Result<()> {
    for source in sources.0.iter().filter(|s| READ.contains(&s.role)) {
        let Some(opened) = source.open()? else { continue };
        let attributes = custom::attributes_of(&source.options).into_iter().map(|a| a.column);
        let columns: Vec<String> = source.columns.values().cloned().chain(attributes).collect();
        let sql = "SELECT pg_catalog.has_table_privilege($1, $2, 'SELECT') OR NOT EXISTS (
                     SELECT FROM pg_catalog.unnest($3) c WHERE NOT pg_catalog.has_column_privilege($1, $2, c, 'SELECT'))";
        let arguments = [arg(segments.owner), arg(opened.relation.oid), arg(columns)];
        if !spi::read(sql, &arguments, |r| Ok(r.get(0, 1).unwrap_or(false)))? {
            return Err(Failure::new(
                PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE,
                format!("the owner of the segmentation may not read {}", opened.relation.quoted()),
            )
            .hint(format!("GRANT SELECT on the relation of the source \"{}\" to it", source.role.name())));
        }
    }
    Ok(())
}

/// Fails with 42501 unless the current user may store candidates: whoever may read the models and INSERT into the segments.
pub fn check_modeller(definition: &Definition) -> Result<Relation> {
    let sql = "SELECT pg_catalog.has_table_privilege($1, 'INSERT')";
    check(definition, spi::read(sql, &[arg(definition.segments)], |r| Ok(r.get(0, 1).unwrap_or(false)))?).map_err(
        |failure| {
            failure.hint(format!(
            "storing a model takes SELECT on the segmentation's tables and INSERT on {}, without row-level security",
            name_of(definition)
        ))
        },
    )
}

/// Fails with 42501 unless the current user may change what is active: whoever may read the models and INSERT into, UPDATE
/// and DELETE from the segmentation's tables.
pub fn check_approver(definition: &Definition) -> Result<Relation> {
    let sql = "SELECT pg_catalog.bool_and(pg_catalog.has_table_privilege(t, p))
               FROM pg_catalog.unnest($1::oid[]) t, pg_catalog.unnest(ARRAY['INSERT', 'UPDATE', 'DELETE']) p";
    let tables: Vec<pgrx::pg_sys::Oid> = definition.profiles.into_iter().chain([definition.segments]).collect();
    check(definition, spi::read(sql, &[arg(tables)], |r| Ok(r.get(0, 1).unwrap_or(false)))?).map_err(|failure| {
        failure.hint("activating, rolling back, rejecting and renaming take SELECT, INSERT, UPDATE and DELETE on the segmentation's tables, without row-level security; fit_segmentation(..., activate => false) takes less")
    })
}

fn name_of(definition: &Definition) -> String {
    definition.segments().map_or_else(|_| "its table of segments".into(), |segments| segments.quoted())
}

/// The segments, for their owner and for whoever was granted what is asked for and may read the models.
fn check(definition: &Definition, granted: bool) -> Result<Relation> {
    let segments = definition.segments()?;
    if segments.owned || (granted && definition.check_model_reader().is_ok()) {
        return Ok(segments);
    }
    Err(Failure::new(
        PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE,
        format!("permission denied to change the models of segmentation \"{}\"", definition.name),
    ))
}
