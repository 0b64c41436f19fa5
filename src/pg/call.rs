//! The door between SQL and Rust: one macro declares a function, [`Call`] reads its arguments.
//!
//! The SQL side of each function is written by hand in `sql/install`, beside its comment. What both sides must agree
//! on is checked at each call as far as it can be (the number of arguments) and by the tests, which call every one.

use crate::pg::datum::{self, Cell};
use crate::pg::error::{Failure, Result};
use pgrx::{pg_sys, FromDatum, IntoDatum, PgSqlErrorCode};

/// Declares the C function of a SQL function: `sql_function!("symbol", number_of_arguments, rust_function);` where the
/// Rust function takes `&Call` and returns `Result<impl Returned>`.
#[macro_export]
macro_rules! sql_function {
    ($symbol:literal, $arguments:expr, $function:path) => {
        const _: () = {
            #[export_name = concat!("pg_finfo_", $symbol)]
            extern "C" fn info() -> *const ::pgrx::pg_sys::Pg_finfo_record {
                const V1: ::pgrx::pg_sys::Pg_finfo_record = ::pgrx::pg_sys::Pg_finfo_record { api_version: 1 };
                &V1
            }

            #[export_name = $symbol]
            extern "C-unwind" fn entry(record: ::pgrx::pg_sys::FunctionCallInfo) -> ::pgrx::pg_sys::Datum {
                $crate::pg::call::enter(record, $arguments, $function)
            }
        };
    };
}

/// One call of one function.
pub struct Call {
    record: pg_sys::FunctionCallInfo,
}

/// What a function may answer with.
pub trait Returned {
    fn datum(self, call: &Call) -> Option<pg_sys::Datum>;
}

impl<T: IntoDatum> Returned for Option<T> {
    fn datum(self, _: &Call) -> Option<pg_sys::Datum> {
        self.and_then(T::into_datum)
    }
}

/// Nothing: a `void` function.
impl Returned for () {
    fn datum(self, _: &Call) -> Option<pg_sys::Datum> {
        Some(pg_sys::Datum::from(0))
    }
}

/// A datum made elsewhere.
pub struct Raw(pub pg_sys::Datum);

impl Returned for Option<Raw> {
    fn datum(self, _: &Call) -> Option<pg_sys::Datum> {
        self.map(|d| d.0)
    }
}

/// The rows of a set-returning function.
pub struct Rows(pub Vec<Vec<Cell>>);

impl Returned for Rows {
    fn datum(self, call: &Call) -> Option<pg_sys::Datum> {
        let mut sink = RowSink::new(call).unwrap_or_else(|failure| failure.raise());
        self.0.into_iter().for_each(|row| sink.push(row));
        None
    }
}

/// Runs a function for PostgreSQL's function manager, the only caller of what [`sql_function`] declares.
pub fn enter<R: Returned>(
    record: pg_sys::FunctionCallInfo,
    arguments: usize,
    function: fn(&Call) -> Result<R>,
) -> pg_sys::Datum {
    // SAFETY: the function manager passes a valid call record; the guard turns a Rust panic into an ERROR before it
    // could cross into C.
    unsafe { pg_sys::panic::pgrx_extern_c_guard(|| run(record, arguments, function)) }
}

/// # Safety
/// `record` must be the call record that the function manager passed.
unsafe fn run<R: Returned>(
    record: pg_sys::FunctionCallInfo,
    arguments: usize,
    function: fn(&Call) -> Result<R>,
) -> pg_sys::Datum {
    let call = Call { record };
    // SAFETY: the record is valid by the promise above.
    let given = unsafe { (*record).nargs } as usize;
    // More are allowed: PostgreSQL calls every input function with three.
    let _outside = crate::pg::spi::Outside::of_writers();
    let answer = if given >= arguments {
        function(&call)
    } else {
        Err(Failure::new(
            PgSqlErrorCode::ERRCODE_INVALID_FUNCTION_DEFINITION,
            format!("the library of pg_segmentation takes {arguments} arguments where its SQL declares {given}"),
        )
        .hint("run ALTER EXTENSION pg_segmentation UPDATE"))
    };
    match answer {
        Ok(value) => {
            let datum = value.datum(&call);
            // SAFETY: as above.
            unsafe { (*record).isnull = datum.is_none() };
            datum.unwrap_or(pg_sys::Datum::from(0))
        }
        Err(failure) => failure.raise(),
    }
}

impl Call {
    pub fn record(&self) -> pg_sys::FunctionCallInfo {
        self.record
    }

    /// The argument as it came, `None` for NULL.
    #[inline(always)]
    pub fn raw(&self, i: usize) -> Option<pg_sys::Datum> {
        // SAFETY: `run` checked that there are as many arguments as the function declares, and each function asks only
        // for those.
        unsafe {
            let arguments = (*self.record).args.as_slice((*self.record).nargs as usize);
            let argument = arguments[i];
            (!argument.isnull).then_some(argument.value)
        }
    }

    /// All arguments of a function that declares `N`.
    #[inline(always)]
    pub fn arguments<const N: usize>(&self) -> &[pg_sys::NullableDatum; N] {
        // SAFETY: `run` checked that there are as many arguments as the function declares.
        unsafe { &*(*self.record).args.as_ptr().cast() }
    }

    /// Whether the argument is a constant of the statement, so that every call of this call site has the same. Not so a
    /// parameter: PL/pgSQL keeps an expression and changes what its variables hold.
    pub fn constant(&self, i: usize) -> bool {
        // SAFETY: `run` passes on the record of the function manager, whose expression is null or a node of the plan; its
        // arguments are looked at only where it is the call of a function.
        unsafe {
            let Some(function) = (*self.record).flinfo.as_ref() else { return false };
            if function.fn_expr.is_null() || !pgrx::is_a(function.fn_expr, pg_sys::NodeTag::T_FuncExpr) {
                return false;
            }
            let call = function.fn_expr.cast::<pg_sys::FuncExpr>();
            let Some(arguments) = (*call).args.as_ref() else { return false };
            i < arguments.length as usize
                && pgrx::is_a((*arguments.elements.add(i)).ptr_value.cast(), pg_sys::NodeTag::T_Const)
        }
    }

    /// The argument as a Rust value. The type has to be the one that the SQL declares.
    pub fn get<T: FromDatum>(&self, i: usize) -> Option<T> {
        // SAFETY: the SQL declaration gives the argument's type, and `T` reads that type.
        self.raw(i).and_then(|d| unsafe { T::from_datum(d, false) })
    }

    #[inline(always)]
    pub fn f64(&self, i: usize) -> Option<f64> {
        self.raw(i).map(|d| f64::from_bits(d.value() as u64))
    }

    #[inline(always)]
    pub fn i64(&self, i: usize) -> Option<i64> {
        self.raw(i).map(|d| d.value() as i64)
    }

    #[inline(always)]
    pub fn bool(&self, i: usize) -> Option<bool> {
        self.raw(i).map(|d| d.value() & 1 == 1)
    }

    /// The bytes of a varlena argument, without its header.
    #[inline(always)]
    pub fn bytes(&self, i: usize) -> Option<&[u8]> {
        // SAFETY: functions ask this only of arguments declared with a varlena type; the bytes live as long as the
        // call's memory context, which is longer than `self`.
        self.raw(i).map(|d| unsafe { datum::payload(d) })
    }

    /// A text argument. 22021 where the database is not in UTF-8 and the text does not happen to be ASCII.
    #[inline(always)]
    pub fn text(&self, i: usize) -> Result<Option<&str>> {
        self.bytes(i).map(datum::utf8).transpose()
    }

    /// The text of an argument that must be given.
    pub fn required(&self, i: usize, name: &str) -> Result<&str> {
        self.text(i)?.ok_or_else(|| {
            Failure::new(PgSqlErrorCode::ERRCODE_NULL_VALUE_NOT_ALLOWED, format!("{name} must not be null"))
        })
    }

    /// The C string argument of a type's input function.
    pub fn cstr(&self, i: usize) -> Result<Option<&str>> {
        let bytes = self.get::<&std::ffi::CStr>(i).map(|s| s.to_bytes());
        bytes.map(datum::utf8).transpose()
    }

    /// Memory context of the aggregate that is calling; an error when called by hand.
    pub fn aggregate_context(&self) -> Result<pg_sys::MemoryContext> {
        let mut context = std::ptr::null_mut();
        // SAFETY: the record is valid; the function only reads it.
        if unsafe { pg_sys::AggCheckCallContext(self.record, &mut context) } == 0 {
            return Err(Failure::new(
                PgSqlErrorCode::ERRCODE_FEATURE_NOT_SUPPORTED,
                "an aggregate's support function was called outside an aggregate",
            )
            .hint("call the aggregate itself"));
        }
        Ok(context)
    }

    /// Type of an argument as the caller's query has it (for `anyelement`), 0 where unknown.
    pub fn argument_type(&self, i: usize) -> pg_sys::Oid {
        // SAFETY: flinfo is set for every call through the function manager.
        unsafe { pg_sys::get_fn_expr_argtype((*self.record).flinfo, i as i32) }
    }

    /// Memory context that lives as long as the call site.
    pub fn site_context(&self) -> pg_sys::MemoryContext {
        // SAFETY: flinfo is set for every call through the function manager.
        unsafe { (*(*self.record).flinfo).fn_mcxt }
    }

    /// State of this call site, made on first use. It lives as long as the query's plan and is dropped with it.
    // The state is PostgreSQL's, not part of `self`.
    #[allow(clippy::mut_from_ref)]
    pub fn site<T: 'static>(&self, make: impl FnOnce() -> T) -> &mut T {
        // SAFETY: one function has one type of site, and fn_extra is ours alone; the value is dropped by the callback
        // when fn_mcxt goes. The backend has one thread, and a function does not call itself through the same site
        // while it holds the reference.
        unsafe {
            let info = (*self.record).flinfo;
            if (*info).fn_extra.is_null() {
                (*info).fn_extra = pgrx::PgMemoryContexts::For((*info).fn_mcxt).leak_and_drop_on_delete(make()).cast();
            }
            &mut *(*info).fn_extra.cast::<T>()
        }
    }
}

/// Collects the rows of a set-returning function in a tuplestore, as PostgreSQL's materialize mode wants it.
pub struct RowSink {
    store: *mut pg_sys::Tuplestorestate,
    descriptor: pg_sys::TupleDesc,
}

impl RowSink {
    pub fn new(call: &Call) -> Result<Self> {
        // SAFETY: the checks are those that PostgreSQL's own set-returning functions make before they use the
        // ReturnSetInfo; store and descriptor are made in the per-query context, so they outlive the call.
        unsafe {
            let info = (*call.record).resultinfo.cast::<pg_sys::ReturnSetInfo>();
            if info.is_null()
                || (*info).type_ != pg_sys::NodeTag::T_ReturnSetInfo
                || (*info).allowedModes as u32 & pg_sys::SetFunctionReturnMode::SFRM_Materialize == 0
            {
                return Err(Failure::new(
                    PgSqlErrorCode::ERRCODE_FEATURE_NOT_SUPPORTED,
                    "set-valued function called in context that cannot accept a set",
                )
                .hint("call it in the FROM clause"));
            }
            let mut per_query = pgrx::PgMemoryContexts::For((*(*info).econtext).ecxt_per_query_memory);
            let (store, descriptor) = per_query.switch_to(|_| {
                let mut descriptor = std::ptr::null_mut();
                let class = pg_sys::get_call_result_type(call.record, std::ptr::null_mut(), &mut descriptor);
                if class != pg_sys::TypeFuncClass::TYPEFUNC_COMPOSITE {
                    Failure::not_ready("the function's result is not a row").raise();
                }
                (pg_sys::tuplestore_begin_heap(true, false, pg_sys::work_mem), descriptor)
            });
            (*info).returnMode = pg_sys::SetFunctionReturnMode::SFRM_Materialize;
            (*info).setResult = store;
            (*info).setDesc = descriptor;
            Ok(RowSink { store, descriptor })
        }
    }

    /// Adds a row; it has to have the declared columns. Answers a cancel: there may be a row an account.
    pub fn push(&mut self, row: Vec<Cell>) {
        pgrx::check_for_interrupts!();
        // SAFETY: the descriptor is valid; lengths are compared before the values are handed over.
        unsafe {
            assert_eq!(row.len(), (*self.descriptor).natts as usize, "a row has the wrong number of columns");
            let mut values = Vec::with_capacity(row.len());
            let mut nulls = Vec::with_capacity(row.len());
            for cell in row {
                let value = cell.datum();
                nulls.push(value.is_none());
                values.push(value.unwrap_or(pg_sys::Datum::from(0)));
            }
            pg_sys::tuplestore_putvalues(self.store, self.descriptor, values.as_mut_ptr(), nulls.as_mut_ptr());
        }
    }
}
