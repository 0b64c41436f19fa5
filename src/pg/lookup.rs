//! One row of `<name>_segments` by its key, as fast as an index allows and under the caller's rights.
//!
//! A warm call does no SQL (but see `memo.rs`): it opens the table and its primary key, scans one key with the active snapshot and closes
//! them. What makes that correct: the call site is resolved anew when any relation changed (a relcache callback counts
//! generations, and the functions that change the catalogue send such an invalidation, which others get on commit and
//! nobody gets on rollback), and when the user changed. Where row-level security applies, a kept read-only plan runs
//! instead, and PostgreSQL applies the policies.

use crate::pg::datum::{base_type, from_text, payload, sql_type, utf8};
use crate::pg::error::{Failure, Result};
use crate::pg::identity::current_user;
use crate::pg::memo::{Answer, Memo, Source, Types};
use crate::pg::relation::Relation;
use crate::pg::spi::{self, arg};
use pgrx::{pg_sys, PgSqlErrorCode};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;

thread_local! {
    static GENERATION: Cell<u64> = const { Cell::new(1) };
    static PLANS: RefCell<HashMap<(pg_sys::Oid, i16), (String, pg_sys::SPIPlanPtr)>> = RefCell::new(HashMap::new());
}

/// Counts invalidations. Does nothing else: a callback must not look at the catalogue, and must not fail.
unsafe extern "C-unwind" fn relation_changed(_: pg_sys::Datum, _: pg_sys::Oid) {
    let _ = GENERATION.try_with(|g| g.set(g.get().wrapping_add(1)));
}

/// Registers the callback; once, from `_PG_init`.
pub fn init() {
    // SAFETY: a function that lives as long as the library, which PostgreSQL never unloads.
    unsafe { pg_sys::CacheRegisterRelcacheCallback(Some(relation_changed), pg_sys::Datum::from(0)) }
}

/// Moves whenever anything that a call site kept may have changed.
pub fn generation() -> u64 {
    GENERATION.get()
}

/// Tells every backend, on commit, that the catalogue of segmentations changed.
pub fn announce_change() {
    // SAFETY: lookups by name; the invalidation is queued with the transaction.
    unsafe {
        let schema = pg_sys::get_namespace_oid(c"segmentation".as_ptr(), true);
        let table = pg_sys::get_relname_relid(c"definition".as_ptr(), schema);
        if table != pg_sys::InvalidOid {
            pg_sys::CacheInvalidateRelcacheByRelid(table);
        }
    }
}

/// Number of the column `account` of `<name>_segments`, which this extension creates.
const ACCOUNT: i16 = 1;

/// The column of `<name>_segments` that is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Column {
    SegmentId,
    Segment,
    Margin,
}

impl Column {
    fn number(self) -> i16 {
        match self {
            Column::SegmentId => 2,
            Column::Segment => 3,
            Column::Margin => 5,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Column::SegmentId => "segment_id",
            Column::Segment => "segment",
            Column::Margin => "margin",
        }
    }

    /// A text; the others are passed by value.
    fn is_text(self) -> bool {
        self == Column::Segment
    }
}

/// How an argument becomes a key.
enum Conversion {
    AsItIs,
    /// Through the argument's output (unless it is text) and the key type's input function.
    ThroughText,
}

/// A resolved look-up: one column of one table by keys of one argument type.
pub struct Target {
    table: pg_sys::Oid,
    column: Column,
    key_type: pg_sys::Oid,
    argument_type: pg_sys::Oid,
    conversion: Conversion,
    path: Path,
}

enum Path {
    Index(Box<Probe>),
    Plan { sql: String },
}

/// What a probe of the primary key needs.
struct Probe {
    index: pg_sys::Oid,
    key: pg_sys::ScanKeyData,
    memo: Memo,
    source: Source,
    types: Types,
}

impl Target {
    /// Checks the rights of the current user on the two columns, and chooses the path. `context` outlives the target.
    pub fn new(
        table: &Relation,
        column: Column,
        key_type: pg_sys::Oid,
        argument_type: pg_sys::Oid,
        context: pg_sys::MemoryContext,
    ) -> Result<Target> {
        check_rights(table, column)?;
        let key_type = base_type(key_type);
        let argument = base_type(argument_type);
        let primary = primary_key(table.oid)?;
        let is_text = |t| t == pg_sys::TEXTOID || t == pg_sys::VARCHAROID;
        // SAFETY: catalogue look-ups.
        let operator = |family, left, right| unsafe {
            pg_sys::get_opfamily_member(family, left, right, pg_sys::BTEqualStrategyNumber as i16)
        };
        let direct = (is_text(key_type) && is_text(argument)) || key_type == argument;
        let subtype = if is_text(argument) { pg_sys::TEXTOID } else { argument };
        let crossing = primary
            .as_ref()
            .is_some_and(|p| !is_text(argument) && operator(p.family, p.input, subtype) != pg_sys::InvalidOid);
        let conversion = if direct || crossing { Conversion::AsItIs } else { Conversion::ThroughText };
        // SAFETY: reads the relation's flags under the current user.
        let policies = unsafe { pg_sys::check_enable_rls(table.oid, pg_sys::InvalidOid, false) };
        let path = match primary {
            Some(p) if policies != pg_sys::CheckEnableRlsResult::RLS_ENABLED as i32 => {
                let subtype = match conversion {
                    Conversion::AsItIs if crossing && !direct => subtype,
                    _ => p.input,
                };
                // SAFETY: a catalogue look-up.
                let deterministic =
                    p.collation == pg_sys::InvalidOid || unsafe { pg_sys::get_collation_isdeterministic(p.collation) };
                let argument = if matches!(conversion, Conversion::AsItIs) { argument } else { key_type };
                Path::Index(Box::new(Probe {
                    index: p.index,
                    key: scan_key(&p, operator(p.family, p.input, subtype), subtype, context),
                    memo: Memo::default(),
                    source: Source {
                        oid: table.oid,
                        quoted: table.quoted(),
                        column: column.name(),
                        is_text: column.is_text(),
                    },
                    types: Types { argument, key: key_type, deterministic },
                }))
            }
            _ => {
                let name = column.name();
                let cast = match conversion {
                    Conversion::AsItIs => sql_type(argument),
                    Conversion::ThroughText => sql_type(key_type),
                };
                Path::Plan { sql: format!("SELECT {name} FROM {} WHERE account = $1::{cast}", table.quoted()) }
            }
        };
        Ok(Target { table: table.oid, column, key_type, argument_type: argument, conversion, path })
    }

    /// The column's value for a key, copied into the current memory context. `None` for no row, or NULL.
    pub fn find(&mut self, argument: pg_sys::Datum) -> Result<Option<pg_sys::Datum>> {
        let key = self.convert(argument)?;
        if let Path::Index(probe) = &mut self.path {
            if let Answer::Known(value) = probe.memo.ask(key, probe.types, &probe.source)? {
                return Ok(value);
            }
        }
        match &self.path {
            Path::Index(probe) => Ok(self.scan(probe.index, &probe.key, key)),
            Path::Plan { sql } => self.plan(sql, key),
        }
    }

    fn key_argument_type(&self) -> pg_sys::Oid {
        match self.conversion {
            Conversion::AsItIs => self.argument_type,
            Conversion::ThroughText => self.key_type,
        }
    }

    fn convert(&self, argument: pg_sys::Datum) -> Result<pg_sys::Datum> {
        match self.conversion {
            Conversion::AsItIs => Ok(argument),
            Conversion::ThroughText => {
                let text = if matches!(self.argument_type, pg_sys::TEXTOID | pg_sys::VARCHAROID) {
                    // SAFETY: a text argument.
                    utf8(unsafe { payload(argument) })?.to_string()
                } else {
                    // SAFETY: the output function of the argument's own type.
                    unsafe {
                        let (mut function, mut is_varlena) = (pg_sys::InvalidOid, false);
                        pg_sys::getTypeOutputInfo(self.argument_type, &mut function, &mut is_varlena);
                        let text = pg_sys::OidOutputFunctionCall(function, argument);
                        std::ffi::CStr::from_ptr(text).to_string_lossy().into_owned()
                    }
                };
                Ok(from_text(&text, self.key_type))
            }
        }
    }

    fn scan(&self, index: pg_sys::Oid, prepared: &pg_sys::ScanKeyData, key: pg_sys::Datum) -> Option<pg_sys::Datum> {
        // SAFETY: table and index were resolved in this generation, and opening locks them and raises an error if they
        // are gone; the active snapshot is that of the calling query; everything opened is closed, or released with
        // the resource owner if an error comes between. The value is copied before its buffer is let go.
        unsafe {
            let lock = pg_sys::AccessShareLock as i32;
            let heap = pg_sys::table_open(self.table, lock);
            let index = pg_sys::index_open(index, lock);
            let mut scan_key = *prepared;
            scan_key.sk_argument = key;
            #[cfg(not(feature = "pg18"))]
            let scan = pg_sys::index_beginscan(heap, index, pg_sys::GetActiveSnapshot(), 1, 0);
            #[cfg(feature = "pg18")]
            let scan = pg_sys::index_beginscan(heap, index, pg_sys::GetActiveSnapshot(), std::ptr::null_mut(), 1, 0);
            pg_sys::index_rescan(scan, &mut scan_key, 1, std::ptr::null_mut(), 0);
            let slot = pg_sys::table_slot_create(heap, std::ptr::null_mut());
            let mut found = None;
            if pg_sys::index_getnext_slot(scan, pg_sys::ScanDirection::ForwardScanDirection, slot) {
                let number = self.column.number();
                if (*slot).tts_nvalid < number {
                    pg_sys::slot_getsomeattrs_int(slot, i32::from(number));
                }
                let at = number as usize - 1;
                if !*(*slot).tts_isnull.add(at) {
                    let value = *(*slot).tts_values.add(at);
                    found = Some(if self.column.is_text() {
                        pg_sys::Datum::from(pg_sys::pg_detoast_datum_copy(value.cast_mut_ptr()))
                    } else {
                        value
                    });
                }
            }
            pg_sys::ExecDropSingleTupleTableSlot(slot);
            pg_sys::index_endscan(scan);
            pg_sys::index_close(index, lock);
            pg_sys::table_close(heap, lock);
            found
        }
    }

    fn plan(&self, sql: &str, key: pg_sys::Datum) -> Result<Option<pg_sys::Datum>> {
        let kept = (self.table, self.column.number());
        spi::kept(&PLANS, kept, sql, self.key_argument_type(), key, self.column.is_text())
    }
}

struct Primary {
    index: pg_sys::Oid,
    family: pg_sys::Oid,
    input: pg_sys::Oid,
    collation: pg_sys::Oid,
}

fn primary_key(table: pg_sys::Oid) -> Result<Option<Primary>> {
    let sql = "SELECT i.indexrelid, c.opcfamily, c.opcintype, i.indcollation[0]
               FROM pg_catalog.pg_index i JOIN pg_catalog.pg_opclass c ON c.oid OPERATOR(pg_catalog.=) i.indclass[0]
               WHERE i.indrelid OPERATOR(pg_catalog.=) $1 AND i.indisprimary AND i.indisvalid
                 AND i.indnkeyatts OPERATOR(pg_catalog.=) 1 AND i.indkey[0] OPERATOR(pg_catalog.=) 1";
    spi::read(sql, &[arg(table)], |r| {
        Ok((r.len() > 0).then(|| Primary {
            index: r.get(0, 1).unwrap_or(pg_sys::InvalidOid),
            family: r.get(0, 2).unwrap_or(pg_sys::InvalidOid),
            input: r.get(0, 3).unwrap_or(pg_sys::InvalidOid),
            collation: r.get(0, 4).unwrap_or(pg_sys::InvalidOid),
        }))
    })
}

fn scan_key(
    primary: &Primary,
    operator: pg_sys::Oid,
    subtype: pg_sys::Oid,
    context: pg_sys::MemoryContext,
) -> pg_sys::ScanKeyData {
    // SAFETY: a zeroed scan key is what the function fills; what it looks up is kept in the call site's context.
    unsafe {
        let mut key: pg_sys::ScanKeyData = std::mem::zeroed();
        pgrx::PgMemoryContexts::For(context).switch_to(|_| {
            pg_sys::ScanKeyEntryInitialize(
                &mut key,
                0,
                ACCOUNT,
                pg_sys::BTEqualStrategyNumber as u16,
                subtype,
                primary.collation,
                pg_sys::get_opcode(operator),
                pg_sys::Datum::from(0),
            );
        });
        key
    }
}

fn check_rights(table: &Relation, column: Column) -> Result<()> {
    let user = current_user();
    // SAFETY: catalogue look-ups.
    let may = unsafe {
        let select = pg_sys::ACL_SELECT as pg_sys::AclMode;
        let ok = pg_sys::AclResult::ACLCHECK_OK;
        pg_sys::pg_class_aclcheck(table.oid, user, select) == ok
            || [ACCOUNT, column.number()]
                .iter()
                .all(|&c| pg_sys::pg_attribute_aclcheck(table.oid, c, user, select) == ok)
    };
    table.check_schema_usage()?;
    if may {
        return Ok(());
    }
    Err(Failure::new(
        PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE,
        format!("permission denied for table {}", table.name),
    )
    .hint(format!("its owner can GRANT SELECT ON {}", table.quoted())))
}
