//! Facts about relations, from PostgreSQL's own catalogue.

use crate::pg::error::{Failure, Result};
use crate::pg::spi::{self, arg};
use pgrx::{pg_sys, PgSqlErrorCode};

/// A relation as the catalogue has it now.
pub struct Relation {
    pub oid: pg_sys::Oid,
    pub schema: String,
    pub name: String,
    /// `pg_class.relkind`.
    pub kind: String,
    pub row_security: bool,
    pub owner: pg_sys::Oid,
    /// Whether the current user may act as the owner.
    pub owned: bool,
}

pub struct Column {
    pub name: String,
    pub type_oid: pg_sys::Oid,
    /// `pg_type.typcategory` of the type below any domains.
    pub category: String,
}

impl Relation {
    /// `None` where there is no relation with this OID any more.
    pub fn find(oid: pg_sys::Oid) -> Result<Option<Relation>> {
        let sql = "SELECT n.nspname::text, c.relname::text, c.relkind::text, c.relrowsecurity, c.relowner,
                          pg_catalog.pg_has_role(c.relowner, 'USAGE')
                   FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
                   WHERE c.oid OPERATOR(pg_catalog.=) $1";
        spi::read(sql, &[arg(oid)], |rows| {
            Ok((rows.len() > 0).then(|| Relation {
                oid,
                schema: rows.text(0, 1).unwrap_or_default(),
                name: rows.text(0, 2).unwrap_or_default(),
                kind: rows.text(0, 3).unwrap_or_default(),
                row_security: rows.get(0, 4).unwrap_or_default(),
                owner: rows.get(0, 5).unwrap_or(pg_sys::InvalidOid),
                owned: rows.get(0, 6).unwrap_or_default(),
            }))
        })
    }

    /// Schema and name, quoted.
    pub fn quoted(&self) -> String {
        format!("{}.{}", spi::quote(&self.schema), spi::quote(&self.name))
    }

    /// Waits for the writers of the relation and holds off new ones until the end of the transaction, as CREATE TRIGGER
    /// does, which takes the same right and no more. LOCK TABLE would ask for the right to change rows.
    pub fn hold_off_writers(&self) {
        // SAFETY: takes an ordinary lock, which waits, answers cancels and ends with the transaction.
        unsafe { pg_sys::LockRelationOid(self.oid, pg_sys::ShareRowExclusiveLock as pg_sys::LOCKMODE) }
    }

    /// The columns a user sees, in their order.
    pub fn columns(&self) -> Result<Vec<Column>> {
        let sql = "SELECT a.attname::text, a.atttypid, t.typcategory::text
                   FROM pg_catalog.pg_attribute a
                   JOIN pg_catalog.pg_type t ON t.oid OPERATOR(pg_catalog.=) a.atttypid
                   WHERE a.attrelid OPERATOR(pg_catalog.=) $1 AND a.attnum OPERATOR(pg_catalog.>) 0 AND NOT a.attisdropped
                   ORDER BY a.attnum";
        spi::read(sql, &[arg(self.oid)], |rows| {
            Ok((0..rows.len())
                .map(|i| Column {
                    name: rows.text(i, 1).unwrap_or_default(),
                    type_oid: rows.get(i, 2).unwrap_or(pg_sys::InvalidOid),
                    category: rows.text(i, 3).unwrap_or_default(),
                })
                .collect())
        })
    }
}

/// The relation, or the error that it is gone.
pub fn existing(oid: pg_sys::Oid, what: &str, hint: &str) -> Result<Relation> {
    Relation::find(oid)?.ok_or_else(|| {
        Failure::new(PgSqlErrorCode::ERRCODE_UNDEFINED_TABLE, format!("{what} no longer exists")).hint(hint)
    })
}
