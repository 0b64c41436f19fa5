//! SQL from Rust.
//!
//! pgrx's convenience calls take a transaction id even for reads, which burns ids, fails on a hot standby and fails in
//! parallel workers. Here a read is a read: [`read`] passes SPI's read-only flag, [`write`] does not. Both run to
//! completion in one go, never through a cursor, so that PostgreSQL may use parallel workers.

use crate::pg::datum;
use crate::pg::error::{Failure, Result};
use crate::pg::identity::SafePath;
use crate::pg::trigger;
use pgrx::{pg_sys, FromDatum, IntoDatum, PgSqlErrorCode};
use std::sync::atomic::{AtomicU32, Ordering};

/// A query parameter.
#[derive(Clone, Copy)]
pub struct Arg {
    oid: pg_sys::Oid,
    value: Option<pg_sys::Datum>,
}

/// A parameter from a Rust value.
pub fn arg<T: IntoDatum>(value: T) -> Arg {
    maybe(Some(value))
}

/// A parameter that is NULL for `None`.
pub fn maybe<T: IntoDatum>(value: Option<T>) -> Arg {
    Arg { oid: T::type_oid(), value: value.and_then(T::into_datum) }
}

/// A timestamptz parameter, in microseconds since 2000-01-01 UTC.
pub fn time(value: Option<i64>) -> Arg {
    Arg { oid: pg_sys::TIMESTAMPTZOID, value: value.and_then(i64::into_datum) }
}

/// A parameter of any type.
pub fn raw(oid: pg_sys::Oid, value: Option<pg_sys::Datum>) -> Arg {
    Arg { oid, value }
}

/// Parameters of a statement, numbered as they are added.
#[derive(Clone, Default)]
pub struct Params(Vec<Arg>);

impl Params {
    /// Adds one and answers how the statement calls it: `$1`, `$2`, …
    pub fn add(&mut self, arg: Arg) -> String {
        self.0.push(arg);
        format!("${}", self.0.len())
    }

    pub fn args(&self) -> &[Arg] {
        &self.0
    }
}

impl From<&[Arg]> for Params {
    fn from(args: &[Arg]) -> Self {
        Params(args.to_vec())
    }
}

/// The rows of a query, alive until the closure that got them returns.
pub struct Rows {
    table: *mut pg_sys::SPITupleTable,
    /// Memory of whoever runs the query.
    outer: pg_sys::MemoryContext,
    pub processed: u64,
}

impl Rows {
    pub fn len(&self) -> usize {
        if self.table.is_null() {
            return 0;
        }
        // SAFETY: the table is alive, see `execute`.
        unsafe { (*self.table).numvals as usize }
    }

    /// What `read` makes of each row, by its number. Answers a cancel: there may be a row an account.
    pub fn each<T>(&self, mut read: impl FnMut(usize) -> T) -> Vec<T> {
        let mut all = Vec::with_capacity(self.len());
        for row in 0..self.len() {
            pgrx::check_for_interrupts!();
            all.push(read(row));
        }
        all
    }

    /// Column `column` (from 1) of row `row` (from 0).
    pub fn raw(&self, row: usize, column: i32) -> Option<pg_sys::Datum> {
        assert!(row < self.len(), "row {row} of {}", self.len());
        let mut null = false;
        // SAFETY: the row exists; SPI answers NULL for a column that does not.
        let value =
            unsafe { pg_sys::SPI_getbinval(*(*self.table).vals.add(row), (*self.table).tupdesc, column, &mut null) };
        (!null).then_some(value)
    }

    /// The same as a Rust value; `T` has to read the column's type.
    pub fn get<T: FromDatum>(&self, row: usize, column: i32) -> Option<T> {
        // SAFETY: every query of ours casts its columns to the types it reads.
        self.raw(row, column).and_then(|d| unsafe { T::from_datum(d, false) })
    }

    pub fn text(&self, row: usize, column: i32) -> Option<String> {
        self.get::<String>(row, column)
    }

    /// A varlena column as a value that outlives the rows: it lies in the memory of whoever runs the query.
    pub fn kept(&self, row: usize, column: i32) -> Option<pg_sys::Datum> {
        // SAFETY: asked only of varlena columns; the context was current when the query began.
        self.raw(row, column).map(|value| unsafe { copied(value, self.outer) })
    }

    /// Bytes of a varlena column.
    pub fn bytes(&self, row: usize, column: i32) -> Option<&[u8]> {
        // SAFETY: asked only of varlena columns; the bytes live in the table or in SPI's memory context.
        self.raw(row, column).map(|d| unsafe { datum::payload(d) })
    }
}

/// A varlena copied into a memory context, detoasted.
///
/// # Safety
/// `value` is a varlena, `to` a live context.
unsafe fn copied(value: pg_sys::Datum, to: pg_sys::MemoryContext) -> pg_sys::Datum {
    // SAFETY: by the promise above.
    unsafe {
        pgrx::PgMemoryContexts::For(to)
            .switch_to(|_| pg_sys::Datum::from(pg_sys::pg_detoast_datum_copy(value.cast_mut_ptr())))
    }
}

fn execute<T>(sql: &str, args: &[Arg], read_only: bool, then: impl FnOnce(&Rows) -> Result<T>) -> Result<T> {
    let text = std::ffi::CString::new(sql).map_err(|_| Failure::invalid("a name contains a zero byte"))?;
    let mut oids: Vec<pg_sys::Oid> = args.iter().map(|a| a.oid).collect();
    let mut values: Vec<pg_sys::Datum> = args.iter().map(|a| a.value.unwrap_or(pg_sys::Datum::from(0))).collect();
    let nulls: Vec<std::ffi::c_char> =
        args.iter().map(|a| if a.value.is_none() { b'n' } else { b' ' } as std::ffi::c_char).collect();
    // Types, operators and functions of the statement are PostgreSQL's own or named with their schema: nobody's temporary
    // schema or search path can put others in their place, whoever we act as.
    let _path = SafePath::set();
    // SAFETY: connect and finish bracket the use of the tuple table; an ERROR in between ends the (sub)transaction,
    // which closes the connection. Parameters were made in the caller's context and outlive the call.
    unsafe {
        let outer = pg_sys::CurrentMemoryContext;
        check(pg_sys::SPI_connect(), sql)?;
        trigger::register_transition_table();
        let status = pg_sys::SPI_execute_with_args(
            text.as_ptr(),
            args.len() as i32,
            oids.as_mut_ptr(),
            values.as_mut_ptr(),
            nulls.as_ptr(),
            read_only,
            0,
        );
        let answer = check(status, sql).and_then(|()| {
            let rows = Rows { table: pg_sys::SPI_tuptable, outer, processed: pg_sys::SPI_processed };
            then(&rows)
        });
        check(pg_sys::SPI_finish(), sql)?;
        answer
    }
}

fn check(status: i32, sql: &str) -> Result<()> {
    if status < 0 {
        return Err(Failure::new(
            PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            format!("SPI answered {status} to: {sql}"),
        ));
    }
    Ok(())
}

/// Writers of this backend that are at work. A backend has one thread that calls PostgreSQL; an atomic because it costs less
/// than a library's thread-local variable, and each call of each of our functions looks at it.
static WRITERS: AtomicU32 = AtomicU32::new(0);

/// Until dropped, [`read`] sees what this statement wrote, and what others committed while it waited for a lock. For
/// functions that write; those that only read keep the snapshot of the query that calls them.
pub struct Writer(());

impl Writer {
    /// For a function that users call, by its name: 25006 at once in a read-only transaction and on a standby, rather
    /// than whatever its first statement would run into there.
    pub fn command(name: &std::ffi::CStr) -> Self {
        // SAFETY: raises an error or does nothing.
        unsafe { pg_sys::PreventCommandIfReadOnly(name.as_ptr()) };
        Self::begin()
    }

    pub fn begin() -> Self {
        WRITERS.fetch_add(1, Ordering::Relaxed);
        Writer(())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        WRITERS.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Until dropped, [`read`] is a plain read again: a reader that runs inside a writer's statement, perhaps in a parallel
/// plan, has the snapshot of that statement.
pub struct Outside(u32);

impl Outside {
    pub fn of_writers() -> Self {
        let writers = WRITERS.load(Ordering::Relaxed);
        if writers != 0 {
            WRITERS.store(0, Ordering::Relaxed);
        }
        Outside(writers)
    }
}

impl Drop for Outside {
    fn drop(&mut self) {
        WRITERS.store(self.0, Ordering::Relaxed);
    }
}

/// Runs a query that changes nothing, under the current snapshot (but see [`Writer`]). Works on a standby and in a
/// parallel worker.
pub fn read<T>(sql: &str, args: &[Arg], then: impl FnOnce(&Rows) -> Result<T>) -> Result<T> {
    execute(sql, args, WRITERS.load(Ordering::Relaxed) == 0, then)
}

/// Runs a query under a new snapshot that sees what was written before; in the order of the calls.
pub fn write<T>(sql: &str, args: &[Arg], then: impl FnOnce(&Rows) -> Result<T>) -> Result<T> {
    execute(sql, args, false, then)
}

/// [`write()`] for statements whose rows do not matter; answers how many rows there were.
pub fn run(sql: &str, args: &[Arg]) -> Result<u64> {
    write(sql, args, |rows| Ok(rows.processed))
}

/// Quotes an identifier: the only way a name gets into a statement.
pub fn quote(name: &str) -> String {
    let mut quoted = String::with_capacity(name.len() + 2);
    quoted.push('"');
    quoted.push_str(&name.replace('"', "\"\""));
    quoted.push('"');
    quoted
}

/// Quotes a string as a literal, safe whatever `standard_conforming_strings` says.
pub fn literal(text: &str) -> String {
    let escaped = text.replace('\'', "''");
    if escaped.contains('\\') {
        return format!(" E'{}'", escaped.replace('\\', "\\\\"));
    }
    format!("'{escaped}'")
}

/// Plans that a backend keeps, by what they are for.
pub type Plans<K> =
    std::thread::LocalKey<std::cell::RefCell<std::collections::HashMap<K, (String, pg_sys::SPIPlanPtr)>>>;

/// Runs a one-parameter, one-row look-up through a kept plan, read-only. PostgreSQL plans again by itself when a
/// relation, a policy or the role changed. A varlena answer is copied out of SPI's memory.
pub fn kept<K: std::hash::Hash + Eq + 'static>(
    plans: &'static Plans<(K, i16)>,
    key: (K, i16),
    sql: &str,
    parameter_type: pg_sys::Oid,
    parameter: pg_sys::Datum,
    varlena: bool,
) -> Result<Option<pg_sys::Datum>> {
    let text = std::ffi::CString::new(sql).map_err(|_| Failure::invalid("a name contains a zero byte"))?;
    let _path = SafePath::set();
    // SAFETY: as in `execute`; a kept plan lives until the backend ends. The parameter's type is part of the statement
    // text, and a plan of another statement under the same key is replaced.
    unsafe {
        let outer = pg_sys::CurrentMemoryContext;
        check(pg_sys::SPI_connect(), sql)?;
        // The same table under another name is another statement.
        let known = plans.with_borrow(|p| p.get(&key).filter(|(text, _)| text == sql).map(|(_, plan)| *plan));
        let usable = known
            .filter(|&plan| pg_sys::SPI_getargcount(plan) == 1 && pg_sys::SPI_getargtypeid(plan, 0) == parameter_type);
        let plan = match usable {
            Some(plan) => plan,
            None => {
                let mut types = [parameter_type];
                let plan = pg_sys::SPI_prepare(text.as_ptr(), 1, types.as_mut_ptr());
                if plan.is_null() {
                    let failed = check(pg_sys::SPI_result, sql);
                    check(pg_sys::SPI_finish(), sql)?;
                    return failed.map(|()| None);
                }
                check(pg_sys::SPI_keepplan(plan), sql)?;
                plans.with_borrow_mut(|p| {
                    if let Some((_, old)) = p.insert(key, (sql.to_string(), plan)) {
                        pg_sys::SPI_freeplan(old);
                    }
                });
                plan
            }
        };
        let mut values = [parameter];
        check(pg_sys::SPI_execute_plan(plan, values.as_mut_ptr(), std::ptr::null(), true, 1), sql)?;
        let rows = Rows { table: pg_sys::SPI_tuptable, outer, processed: pg_sys::SPI_processed };
        let found = (rows.len() > 0).then(|| if varlena { rows.kept(0, 1) } else { rows.raw(0, 1) }).flatten();
        check(pg_sys::SPI_finish(), sql)?;
        Ok(found)
    }
}
