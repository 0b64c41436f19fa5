//! What a trigger function is told, and how its failure is kept from failing the statement.

use crate::pg::call::Call;
use crate::pg::error::{Failure, Result};
use pgrx::pg_sys::panic::CaughtError;
use pgrx::{pg_sys, PgSqlErrorCode, PgTryBuilder};
use std::cell::Cell;

thread_local! {
    static TRANSITION: Cell<*mut pg_sys::TriggerData> = const { Cell::new(std::ptr::null_mut()) };
}

/// A statement trigger's call after INSERT, with its transition table.
pub struct Trigger {
    data: *mut pg_sys::TriggerData,
    /// The table the trigger is on.
    pub relation: pg_sys::Oid,
    /// The first argument of the trigger.
    pub argument: Option<String>,
}

impl Trigger {
    /// 39P01 when the function was not called as such a trigger.
    pub fn of(call: &Call) -> Result<Trigger> {
        let wrong = || {
            Failure::new(
                PgSqlErrorCode::ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED,
                "segment_trades is the function of a statement trigger after INSERT with a transition table",
            )
            .hint("watch_segmentation creates the trigger")
        };
        // SAFETY: the context of a call as trigger is a TriggerData; the checks are those of PostgreSQL's own triggers.
        unsafe {
            let context = (*call.record()).context;
            if context.is_null() || (*context).type_ != pg_sys::NodeTag::T_TriggerData {
                return Err(wrong());
            }
            let data = context.cast::<pg_sys::TriggerData>();
            let event = (*data).tg_event;
            let insert = event & pg_sys::TRIGGER_EVENT_OPMASK == pg_sys::TRIGGER_EVENT_INSERT;
            let row = event & pg_sys::TRIGGER_EVENT_ROW != 0;
            let after = event & pg_sys::TRIGGER_EVENT_TIMINGMASK == pg_sys::TRIGGER_EVENT_AFTER;
            if !insert || row || !after || (*data).tg_newtable.is_null() {
                return Err(wrong());
            }
            let trigger = (*data).tg_trigger;
            let argument = ((*trigger).tgnargs > 0)
                .then(|| std::ffi::CStr::from_ptr(*(*trigger).tgargs).to_string_lossy().into_owned());
            Ok(Trigger { data, relation: (*(*data).tg_relation).rd_id, argument })
        }
    }

    /// Makes the transition table visible by its name to the statements run inside.
    pub fn with_transition_table<T>(&self, f: impl FnOnce() -> T) -> T {
        struct Reset(*mut pg_sys::TriggerData);
        impl Drop for Reset {
            fn drop(&mut self) {
                TRANSITION.set(self.0);
            }
        }
        let _reset = Reset(TRANSITION.replace(self.data));
        f()
    }
}

/// Registers the current trigger's transition table with the SPI connection that was just opened.
pub fn register_transition_table() {
    let data = TRANSITION.get();
    if !data.is_null() {
        // SAFETY: set only while the trigger that it belongs to is running.
        unsafe { pg_sys::SPI_register_trigger_data(data) };
    }
}

/// Runs `f` in a subtransaction. Its error is undone and returned; cancels, shutdowns and serialization failures are not
/// ours to swallow, and go on. A deadlock is over once its victim is rolled back, so that one is returned.
pub fn contained<T>(f: impl FnOnce() -> Result<T> + std::panic::UnwindSafe + std::panic::RefUnwindSafe) -> Result<T> {
    // SAFETY: the protocol of PL/pgSQL's exception blocks: begin, run, release or roll back, restore context and owner.
    unsafe {
        let context = pg_sys::CurrentMemoryContext;
        let owner = pg_sys::CurrentResourceOwner;
        pg_sys::BeginInternalSubTransaction(std::ptr::null());
        pg_sys::MemoryContextSwitchTo(context);
        let f = std::panic::AssertUnwindSafe(Cell::new(Some(f)));
        let outcome = PgTryBuilder::new(move || match f.0.take() {
            Some(f) => Ok(f()),
            None => Ok(Err(Failure::not_ready("a subtransaction ran twice"))),
        })
        .catch_others(|error| Err(Box::new(error)))
        .catch_rust_panic(|error| Err(Box::new(error)))
        .execute();
        match &outcome {
            Ok(Ok(_)) => pg_sys::ReleaseCurrentSubTransaction(),
            _ => pg_sys::RollbackAndReleaseCurrentSubTransaction(),
        }
        pg_sys::MemoryContextSwitchTo(context);
        pg_sys::CurrentResourceOwner = owner;
        // Only now may an error go on: whoever catches it rolls back its own subtransaction, not ours.
        outcome.unwrap_or_else(|error| {
            let report = match &*error {
                CaughtError::PostgresError(report) | CaughtError::ErrorReport(report) => report,
                CaughtError::RustPanic { ereport, .. } => ereport,
            };
            if must_go_on(report.sql_error_code()) {
                error.rethrow();
            }
            let mut failure = Failure::new(report.sql_error_code(), report.message().to_string());
            failure.hint = report.hint().map(str::to_string);
            Err(failure)
        })
    }
}

fn must_go_on(code: PgSqlErrorCode) -> bool {
    use PgSqlErrorCode::*;
    matches!(
        code,
        ERRCODE_QUERY_CANCELED
            | ERRCODE_ADMIN_SHUTDOWN
            | ERRCODE_CRASH_SHUTDOWN
            | ERRCODE_DATABASE_DROPPED
            | ERRCODE_T_R_SERIALIZATION_FAILURE
    )
}
