//! The tables that a segmentation has: profiles and segments.

use crate::api::catalogue::Source;
use crate::pg::datum::sql_type;
use crate::pg::error::{Failure, Result};
use crate::pg::spi::{self, arg, quote};
use pgrx::pg_sys;

/// What was created.
pub struct Tables {
    pub profiles: Option<pg_sys::Oid>,
    pub segments: pg_sys::Oid,
}

impl Tables {
    /// Ordinary tables in the caller's schema, owned by the caller.
    pub fn create(schema: &str, name: &str, kind: Source, key: pg_sys::Oid, row_security: bool) -> Result<Tables> {
        let key = sql_type(key);
        let make = |suffix: &str, columns: &str, index: Option<&str>, comment: &str| -> Result<pg_sys::Oid> {
            let table = format!("{}.{}", quote(schema), quote(&format!("{name}_{suffix}")));
            spi::run(&format!("CREATE TABLE {table} ({columns})"), &[])?;
            if let Some(index) = index {
                spi::run(&format!("CREATE INDEX ON {table} ({index})"), &[])?;
            }
            if row_security {
                spi::run(&format!("ALTER TABLE {table} ENABLE ROW LEVEL SECURITY"), &[])?;
            }
            spi::run(&format!("COMMENT ON TABLE {table} IS {}", spi::literal(comment)), &[])?;
            spi::read("SELECT $1::regclass::oid", &[arg(table)], |r| {
                r.get(0, 1).ok_or_else(|| Failure::not_ready("a table that was just created is gone"))
            })
        };
        let profiles = match kind {
            Source::Features => None,
            Source::Trades => Some(make(
                "profiles",
                &format!(
                    "account {key} NOT NULL, span integer NOT NULL, start date NOT NULL,
                     profile segmentation.account_profile NOT NULL, PRIMARY KEY (account, span, start)"
                ),
                Some("span, start"),
                &format!("Profiles of segmentation {name}: one row an account and UTC span of 1 or of 32 days; span 0 is the part of a day before the instant of a fit."),
            )?),
        };
        let segments = make(
            "segments",
            &format!(
                "account {key} NOT NULL PRIMARY KEY, segment_id integer, segment text, model_segment_id integer,
                 margin double precision, since timestamp with time zone, model_version integer, quality text NOT NULL,
                 outlier boolean, scored_as_of timestamp with time zone"
            ),
            None,
            &format!("Segments of segmentation {name}: one row an account. quality: ok, noise, insufficient_data, new, or dirty. scored_as_of: the instant whose figures the segment is of."),
        )?;
        Ok(Tables { profiles, segments })
    }
}
