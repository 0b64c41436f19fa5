//! The catalogue of segmentations and models, read and written as its owner with fixed statements.

use crate::pg::error::{Failure, Result};
use crate::pg::identity::ActAs;
use crate::pg::relation::{existing, policies_apply, Relation};
use crate::pg::spi::{self, arg, Arg, Rows};
use crate::pg::{datum, settings};
use pgrx::{pg_sys, PgSqlErrorCode};
use segmentation::model::Model;

/// What a segmentation is made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    Trades,
    Features,
}

impl Source {
    pub fn name(self) -> &'static str {
        match self {
            Source::Trades => "trades",
            Source::Features => "features",
        }
    }
}

/// One row of `segmentation.definition`.
pub struct Definition {
    pub name: String,
    pub kind: Source,
    pub source: pg_sys::Oid,
    pub profiles: Option<pg_sys::Oid>,
    pub segments: pg_sys::Oid,
    pub account: String,
    pub key_type: pg_sys::Oid,
    pub columns: serde_json::Value,
    pub features: Vec<String>,
    pub lookback: Option<String>,
    pub next_segment_id: i32,
    pub active_version: Option<i32>,
    pub watched: bool,
    /// Share of the common accounts that keep their segment, below which activating takes force
    pub min_overlap: f64,
    /// The instant that all accounts were scored at last, in microseconds since 2000-01-01 UTC
    pub scored_as_of: Option<i64>,
    pub owner: String,
}

const COLUMNS: &str =
    "name, kind, source::oid, profiles::oid, segments::oid, account, key_type::oid, columns::text, features,
                       lookback::text, next_segment_id, active_version, watched, owner, min_overlap, scored_as_of";

/// Owner of the catalogue: whoever ran CREATE EXTENSION.
fn catalogue_owner() -> Result<pg_sys::Oid> {
    let sql = "SELECT extowner FROM pg_catalog.pg_extension WHERE extname OPERATOR(pg_catalog.=) 'pg_segmentation'";
    spi::read(sql, &[], |rows| {
        (rows.len() == 1).then(|| rows.get(0, 1)).flatten().ok_or_else(|| {
            Failure::not_ready("the extension pg_segmentation is not created in this database")
                .hint("run CREATE EXTENSION pg_segmentation")
        })
    })
}

/// Reads the catalogue.
pub fn read<T>(sql: &str, args: &[Arg], then: impl FnOnce(&Rows) -> Result<T>) -> Result<T> {
    let _owner = ActAs::role(catalogue_owner()?);
    spi::read(sql, args, then)
}

/// Changes the catalogue; the caller has checked that the user may.
pub fn run(sql: &str, args: &[Arg]) -> Result<u64> {
    let _owner = ActAs::role(catalogue_owner()?);
    spi::run(sql, args)
}

/// Quoted name of the schema that holds the functions.
pub fn function_schema() -> Result<String> {
    let sql = "SELECT n.nspname::text FROM pg_catalog.pg_extension e
               JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) e.extnamespace
               WHERE e.extname OPERATOR(pg_catalog.=) 'pg_segmentation'";
    spi::read(sql, &[], |rows| Ok(spi::quote(&(rows.len() > 0).then(|| rows.text(0, 1)).flatten().unwrap_or_default())))
}

fn definition(rows: &Rows, i: usize) -> Definition {
    Definition {
        name: rows.text(i, 1).unwrap_or_default(),
        kind: if rows.text(i, 2).as_deref() == Some("trades") { Source::Trades } else { Source::Features },
        source: rows.get(i, 3).unwrap_or(pg_sys::InvalidOid),
        profiles: rows.get(i, 4),
        segments: rows.get(i, 5).unwrap_or(pg_sys::InvalidOid),
        account: rows.text(i, 6).unwrap_or_default(),
        key_type: rows.get(i, 7).unwrap_or(pg_sys::InvalidOid),
        columns: rows.text(i, 8).and_then(|t| serde_json::from_str(&t).ok()).unwrap_or_default(),
        features: rows.raw(i, 9).map(datum::text_array).unwrap_or_default().into_iter().flatten().collect(),
        lookback: rows.text(i, 10),
        next_segment_id: rows.get(i, 11).unwrap_or(1),
        active_version: rows.get(i, 12),
        watched: rows.get(i, 13).unwrap_or_default(),
        owner: rows.text(i, 14).unwrap_or_default(),
        min_overlap: rows.get(i, 15).unwrap_or(0.5),
        scored_as_of: rows.raw(i, 16).map(|d| d.value() as i64),
    }
}

/// The segmentation of this name, if there is one.
pub fn find(name: &str) -> Result<Option<Definition>> {
    let sql = format!("SELECT {COLUMNS} FROM segmentation.definition WHERE name OPERATOR(pg_catalog.=) $1");
    read(&sql, &[arg(name.to_string())], |rows| Ok((rows.len() > 0).then(|| definition(rows, 0))))
}

fn unknown(name: &str) -> Failure {
    Failure::new(PgSqlErrorCode::ERRCODE_UNDEFINED_OBJECT, format!("segmentation \"{name}\" does not exist"))
        .hint("the view segmentation.segmentations lists them; create_segmentation makes one")
}

/// Locks the row of a segmentation against others that change what belongs to it, and reads it as it is then. Whoever also
/// locks the segmentation's tables does that first.
pub fn lock_row(name: &str) -> Result<Definition> {
    let sql =
        format!("SELECT {COLUMNS} FROM segmentation.definition WHERE name OPERATOR(pg_catalog.=) $1 FOR NO KEY UPDATE");
    let _owner = ActAs::role(catalogue_owner()?);
    spi::write(&sql, &[arg(name.to_string())], |rows| {
        (rows.len() > 0).then(|| definition(rows, 0)).ok_or_else(|| unknown(name))
    })
}

/// The segmentation that is meant: the named one, else the setting's, else the only one.
pub fn resolve(name: Option<&str>) -> Result<Definition> {
    let name = name.map(str::to_string).or_else(settings::default_segmentation);
    if let Some(name) = name {
        return find(&name)?.ok_or_else(|| unknown(&name));
    }
    let sql = format!("SELECT {COLUMNS} FROM segmentation.definition LIMIT 2");
    read(&sql, &[], |rows| {
        match rows.len() {
        0 => Err(Failure::not_ready("there is no segmentation in this database")
            .hint("declare one with create_segmentation(name, trade table); where the tables are distributed, use assign_segment(features, model) on the other nodes")),
        1 => Ok(definition(rows, 0)),
        _ => Err(Failure::new(
            PgSqlErrorCode::ERRCODE_AMBIGUOUS_PARAMETER,
            "there are several segmentations, and none is named",
        )
        .hint("pass its name, or set pg_segmentation.default_segmentation")),
    }
    })
}

/// A version as the catalogue has it.
struct Stored {
    version: i32,
    json: String,
    /// Segments that users renamed; the stored model stays as it was written.
    renamed: Vec<(i32, String)>,
}

impl Stored {
    fn model(&self) -> Result<Model> {
        let mut model = Model::from_json(&self.json)?;
        crate::api::models::names::overlay(&mut model, &self.renamed);
        Ok(model)
    }
}

impl Definition {
    pub fn source(&self) -> Result<Relation> {
        existing(
            self.source,
            &format!("the {} table of segmentation \"{}\"", self.kind.name().trim_end_matches('s'), self.name),
            "drop_segmentation removes the segmentation; its stored segments can still be read until then",
        )
    }

    pub fn segments(&self) -> Result<Relation> {
        existing(
            self.segments,
            &format!("the table of segments of segmentation \"{}\"", self.name),
            "drop_segmentation removes what is left; then create it again",
        )
    }

    pub fn profiles(&self) -> Result<Option<Relation>> {
        let gone = || format!("the table of profiles of segmentation \"{}\"", self.name);
        self.profiles
            .map(|oid| existing(oid, &gone(), "drop_segmentation removes what is left; then create it again"))
            .transpose()
    }

    /// The number of the active model; 55000 where there is none yet.
    pub fn active(&self) -> Result<i32> {
        self.active_version.ok_or_else(|| {
            Failure::not_ready(format!("segmentation \"{}\" has no active model", self.name))
                .hint(format!("run SELECT * FROM fit_segmentation({})", spi::literal(&self.name)))
        })
    }

    /// Fails with 42501 unless the current user may act as the owner of the segmentation's tables.
    pub fn check_owner(&self) -> Result<Relation> {
        let segments = self.segments()?;
        if segments.owned {
            return Ok(segments);
        }
        Err(Failure::new(
            PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE,
            format!("must be owner of segmentation \"{}\"", self.name),
        )
        .hint("its owner is the owner of its table of segments"))
    }

    /// Fails with 42501 unless the current user may read the tables that a model tells about: segments, and profiles
    /// or the ready-made features. Whoever sees every account's figures learns nothing more from a centroid.
    pub fn check_model_reader(&self) -> Result<()> {
        let told = match self.profiles {
            Some(profiles) => profiles,
            // Gone, nobody has a right to it; that is another thing than to lack one.
            None => self.source()?.oid,
        };
        let sql =
            "SELECT pg_catalog.has_table_privilege($1, 'SELECT') AND pg_catalog.has_table_privilege($2, 'SELECT')";
        let may = spi::read(sql, &[arg(self.segments), arg(told)], |rows| Ok(rows.get(0, 1).unwrap_or(false)))?
            && self.attributes_are_readable()?;
        // Whom policies show only some accounts, a model would tell about the others.
        if may && !policies_apply(self.segments) && !policies_apply(told) {
            return Ok(());
        }
        Err(Failure::new(
            PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE,
            format!("permission denied for the models of segmentation \"{}\"", self.name),
        )
        .hint("a model describes accounts: it takes SELECT on the segmentation's segments and profiles (and on its source of attributes), without row-level security"))
    }

    /// Whether the current user may read the columns of the user's own features, where there are some: what a model tells of
    /// them is in no profile. Tells nothing of a segmentation whose segments the user may not read: the view hides its name.
    fn attributes_are_readable(&self) -> Result<bool> {
        let sql = "SELECT NOT EXISTS (SELECT FROM segmentation.hidden_attributes
                                      WHERE segmentation OPERATOR(pg_catalog.=) $1)";
        // Not as the catalogue's owner: the view asks about whoever reads it.
        spi::read(sql, &[arg(self.name.clone())], |rows| Ok(rows.get(0, 1).unwrap_or(false)))
    }

    /// Fails with 42501 unless the current user may read the segments, where they are still there.
    pub fn check_reader(&self) -> Result<()> {
        let sql = "SELECT coalesce(pg_catalog.has_table_privilege($1, 'SELECT'), true)";
        if spi::read(sql, &[arg(self.segments)], |rows| Ok(rows.get(0, 1).unwrap_or(false)))? {
            return Ok(());
        }
        Err(Failure::new(
            PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE,
            format!("permission denied for segmentation \"{}\"", self.name),
        )
        .hint("it takes SELECT on its table of segments"))
    }

    /// A model as JSON, with the names that its segments have now, and its version.
    pub fn model_json(&self, version: Option<i32>) -> Result<(i32, String)> {
        let stored = self.stored(version)?;
        if stored.renamed.is_empty() {
            return Ok((stored.version, stored.json));
        }
        Ok((stored.version, stored.model()?.to_json()?))
    }

    /// The same decoded.
    pub fn model(&self, version: Option<i32>) -> Result<(i32, Model)> {
        let stored = self.stored(version)?;
        Ok((stored.version, stored.model()?))
    }

    fn stored(&self, version: Option<i32>) -> Result<Stored> {
        let version = version.map_or_else(|| self.active(), Ok)?;
        let sql = "SELECT f.model::text, s.segment_id, s.name
                   FROM segmentation.fit f
                   LEFT JOIN segmentation.segment s ON s.segmentation = f.segmentation AND s.renamed_by_user
                                                   AND s.segment_id = ANY (f.segments)
                   WHERE f.segmentation = $1 AND f.version = $2";
        let stored = read(sql, &[arg(self.name.clone()), arg(version)], |rows| {
            let renamed = |i| Some((rows.get::<i32>(i, 2)?, rows.text(i, 3)?));
            let json = (rows.len() > 0).then(|| rows.text(0, 1)).flatten();
            Ok(json.map(|json| Stored { version, json, renamed: (0..rows.len()).filter_map(renamed).collect() }))
        })?;
        stored.ok_or_else(|| crate::api::models::version::unknown(self, version))
    }
}
