//! Facts about relations, from PostgreSQL's own catalogue.

use crate::pg::error::{Failure, Result};
use crate::pg::spi::{self, arg};
use pgrx::{pg_sys, IntoDatum, PgSqlErrorCode};

/// A relation as the catalogue has it now.
pub struct Relation {
    pub oid: pg_sys::Oid,
    pub schema: String,
    pub name: String,
    /// `pg_class.relkind`.
    pub kind: String,
    pub row_security: bool,
    pub temporary: bool,
    pub owner: pg_sys::Oid,
    /// Whether the current user may act as the owner.
    pub owned: bool,
}

#[derive(Clone)]
pub struct Column {
    pub name: String,
    pub type_oid: pg_sys::Oid,
    /// Quoted name of its collation, where its type has one.
    pub collation: Option<String>,
}

impl Relation {
    /// `None` where there is no relation with this OID any more.
    pub fn find(oid: pg_sys::Oid) -> Result<Option<Relation>> {
        let sql = "SELECT n.nspname::text, c.relname::text, c.relkind::text, c.relrowsecurity, c.relowner,
                          pg_catalog.pg_has_role(c.relowner, 'USAGE'), c.relpersistence OPERATOR(pg_catalog.=) 't'
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
                temporary: rows.get(0, 7).unwrap_or_default(),
            }))
        })
    }

    /// 42501 unless the current user may use the relation's schema.
    pub fn check_schema_usage(&self) -> Result<()> {
        let sql = "SELECT pg_catalog.has_schema_privilege($1, 'USAGE')";
        if spi::read(sql, &[arg(self.schema.clone())], |rows| Ok(rows.get(0, 1).unwrap_or(false)))? {
            return Ok(());
        }
        Err(Failure::new(
            PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE,
            format!("permission denied for schema {}", self.schema),
        )
        .hint(format!("its owner can GRANT USAGE ON SCHEMA {}", spi::quote(&self.schema))))
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
        let sql = "SELECT a.attname::text, a.atttypid,
                          (SELECT pg_catalog.quote_ident(n.nspname) OPERATOR(pg_catalog.||) '.'
                                  OPERATOR(pg_catalog.||) pg_catalog.quote_ident(c.collname)
                           FROM pg_catalog.pg_collation c
                           JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.collnamespace
                           WHERE c.oid OPERATOR(pg_catalog.=) a.attcollation)
                   FROM pg_catalog.pg_attribute a
                   WHERE a.attrelid OPERATOR(pg_catalog.=) $1 AND a.attnum OPERATOR(pg_catalog.>) 0 AND NOT a.attisdropped
                   ORDER BY a.attnum";
        spi::read(sql, &[arg(self.oid)], |rows| {
            Ok((0..rows.len())
                .map(|i| Column {
                    name: rows.text(i, 1).unwrap_or_default(),
                    type_oid: rows.get(i, 2).unwrap_or(pg_sys::InvalidOid),
                    collation: rows.text(i, 3),
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

/// The relation of this name, as SQL writes it, on the search path as it is; `None` where there is none. 42602 for what is
/// no name, 42501 without USAGE on its schema.
pub fn named(name: &str) -> Option<pg_sys::Oid> {
    // SAFETY: PostgreSQL's own function with the argument it takes.
    unsafe { pgrx::direct_function_call::<pg_sys::Oid>(pg_sys::to_regclass, &[name.into_datum()]) }
        .filter(|oid| *oid != pg_sys::InvalidOid)
}

/// The schema that unqualified new objects of the caller go to; `None` where the search path has none, or a temporary
/// one first.
pub fn creation_schema() -> Option<String> {
    // SAFETY: reads the backend's search path; the list and the name are palloc'd copies.
    unsafe {
        let path = pg_sys::fetch_search_path(false);
        if path.is_null() || (*path).length == 0 {
            return None;
        }
        let first = (*(*path).elements).oid_value;
        if pg_sys::isAnyTempNamespace(first) {
            return None;
        }
        let name = pg_sys::get_namespace_name(first);
        (!name.is_null()).then(|| std::ffi::CStr::from_ptr(name).to_string_lossy().into_owned())
    }
}

/// Whether row-level security applies to the current user on a relation; an error where `row_security` is off and it
/// would.
pub fn policies_apply(oid: pg_sys::Oid) -> bool {
    // SAFETY: reads the relation's flags under the current user.
    unsafe {
        pg_sys::check_enable_rls(oid, pg_sys::InvalidOid, false) == pg_sys::CheckEnableRlsResult::RLS_ENABLED as i32
    }
}
