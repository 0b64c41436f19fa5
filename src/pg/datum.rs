//! Datums to Rust values and back.

use crate::pg::alloc::PgAlloc;
use crate::pg::error::{Failure, Result};
use pgrx::{pg_sys, IntoDatum, PgSqlErrorCode};
use std::collections::HashMap;
use std::sync::atomic::{AtomicI32, Ordering};

/// A value of a result row.
#[derive(Clone, Debug)]
pub enum Cell {
    Null,
    Text(String),
    Int(i32),
    Big(i64),
    Float(f64),
    Bool(bool),
    /// Microseconds since 2000-01-01 UTC.
    Time(i64),
    Texts(Vec<String>),
    Ints(Vec<i32>),
    /// A value as it came, of the column's type; alive until the row is added.
    Raw(pg_sys::Datum),
}

impl Cell {
    pub fn text(value: impl Into<String>) -> Cell {
        Cell::Text(value.into())
    }

    pub fn option<T>(value: Option<T>, cell: impl FnOnce(T) -> Cell) -> Cell {
        value.map_or(Cell::Null, cell)
    }

    pub fn datum(self) -> Option<pg_sys::Datum> {
        match self {
            Cell::Null => None,
            Cell::Text(v) => v.into_datum(),
            Cell::Int(v) => v.into_datum(),
            Cell::Big(v) | Cell::Time(v) => v.into_datum(),
            Cell::Float(v) => v.into_datum(),
            Cell::Bool(v) => v.into_datum(),
            Cell::Texts(v) => v.into_datum(),
            Cell::Ints(v) => v.into_datum(),
            Cell::Raw(v) => Some(v),
        }
    }
}

/// Bytes of a varlena without its header, detoasted.
///
/// # Safety
/// `datum` must be a varlena; the result lives as long as the datum's memory and the current memory context.
#[inline(always)]
pub unsafe fn payload<'a>(datum: pg_sys::Datum) -> &'a [u8] {
    // SAFETY: a varlena by the promise above. A plain or short one is read in place without calling PostgreSQL: this
    // runs several times a row. A compressed or toasted one is detoasted.
    unsafe {
        let at = datum.cast_mut_ptr::<pg_sys::varlena>();
        let plain = pgrx::varlena::varatt_is_4b_u(at)
            || (pgrx::varlena::varatt_is_1b(at) && !pgrx::varlena::varatt_is_1b_e(at));
        let packed = if plain { at } else { pg_sys::pg_detoast_datum_packed(at) };
        std::slice::from_raw_parts(pgrx::varlena::vardata_any(packed).cast(), pgrx::varlena::varsize_any_exhdr(packed))
    }
}

/// Bytes of a varlena as it lies there: header, compression and on-disk toast pointer included. Equal bytes mean equal
/// values. A pointer into memory (an array variable of PL/pgSQL) says nothing about what it points to, so that is read.
///
/// # Safety
/// As [`payload`].
pub unsafe fn stored<'a>(datum: pg_sys::Datum) -> &'a [u8] {
    // SAFETY: a varlena by the promise above.
    unsafe {
        let mut at = datum.cast_mut_ptr::<pg_sys::varlena>();
        if pgrx::varlena::varatt_is_1b_e(at) && pgrx::varlena::vartag_external(at) != ON_DISK {
            at = pg_sys::pg_detoast_datum(at);
        }
        std::slice::from_raw_parts(at.cast(), pgrx::varlena::varsize_any(at))
    }
}

/// `VARTAG_ONDISK`.
const ON_DISK: u8 = 18;

/// A new varlena with these bytes, in the current memory context.
pub fn varlena(bytes: &[u8]) -> pg_sys::Datum {
    let size = bytes.len() + pg_sys::VARHDRSZ;
    // SAFETY: palloc gives `size` bytes or raises an error; the header is written before the value is used.
    unsafe {
        let at = pg_sys::palloc(size).cast::<u8>();
        std::ptr::copy_nonoverlapping(bytes.as_ptr(), at.add(pg_sys::VARHDRSZ), bytes.len());
        pgrx::varlena::set_varsize_4b(at.cast(), size as i32);
        pg_sys::Datum::from(at)
    }
}

/// Bytes in a memory context.
pub type PgBytes = allocator_api2::vec::Vec<u8, PgAlloc>;

/// A new varlena in the current memory context, of the bytes that `write` appends: about `room`, though they may be more.
pub fn varlena_from(room: usize, write: impl FnOnce(&mut PgBytes)) -> pg_sys::Datum {
    // SAFETY: the context is alive, and the vector does not outlive this call but as the value that it becomes. Its block is
    // palloc's own, for bytes need no alignment, and begins with the room for the header.
    unsafe {
        let mut bytes = PgBytes::with_capacity_in(pg_sys::VARHDRSZ + room, PgAlloc::new(pg_sys::CurrentMemoryContext));
        bytes.resize(pg_sys::VARHDRSZ, 0);
        write(&mut bytes);
        let size = bytes.len();
        assert!(size < 1 << 30, "a value of {size} bytes, beyond the limit of 1 GiB");
        let at = bytes.leak().as_mut_ptr();
        pgrx::varlena::set_varsize_4b(at.cast(), size as i32);
        pg_sys::Datum::from(at)
    }
}

/// A new varlena in the current memory context, whose bytes `write` puts down in place; it answers how many they are, at
/// most `N`.
pub fn varlena_of<const N: usize>(write: impl FnOnce(&mut [u8; N]) -> usize) -> pg_sys::Datum {
    // SAFETY: palloc0 gives as many bytes, all of them set, or raises an error; the header is written before the value is
    // used. What is not used of the block is no part of the value.
    unsafe {
        let at = pg_sys::palloc0(N + pg_sys::VARHDRSZ).cast::<u8>();
        let length = write(&mut *at.add(pg_sys::VARHDRSZ).cast::<[u8; N]>());
        assert!(length <= N, "a value of {length} bytes in room for {N}");
        pgrx::varlena::set_varsize_4b(at.cast(), (length + pg_sys::VARHDRSZ) as i32);
        pg_sys::Datum::from(at)
    }
}

/// Text in a database that is not UTF-8 cannot be read as such, unless it is ASCII.
#[inline(always)]
pub fn utf8(bytes: &[u8]) -> Result<&str> {
    if database_is_utf8() {
        // SAFETY: PostgreSQL checks every text against the database's encoding when it comes in.
        return Ok(unsafe { std::str::from_utf8_unchecked(bytes) });
    }
    checked_utf8(bytes)
}

/// Bytes that PostgreSQL has not checked, such as those of a binary message.
pub fn checked_utf8(bytes: &[u8]) -> Result<&str> {
    std::str::from_utf8(bytes).map_err(|_| {
        Failure::new(PgSqlErrorCode::ERRCODE_CHARACTER_NOT_IN_REPERTOIRE, "a text is not valid UTF-8")
            .hint("pg_segmentation works in databases with encoding UTF8")
    })
}

/// A backend stays with its database, so its encoding is asked for once. Not a thread-local variable: a library's cost a
/// call for each look, and this is asked for every text of every row.
#[inline(always)]
fn database_is_utf8() -> bool {
    const UNKNOWN: i32 = -1;
    static ENCODING: AtomicI32 = AtomicI32::new(UNKNOWN);
    #[cold]
    fn ask() -> i32 {
        // SAFETY: reads a variable of the backend.
        let encoding = unsafe { pg_sys::GetDatabaseEncoding() };
        ENCODING.store(encoding, Ordering::Relaxed);
        encoding
    }
    let encoding = ENCODING.load(Ordering::Relaxed);
    (if encoding == UNKNOWN { ask() } else { encoding }) == pg_sys::pg_enc::PG_UTF8 as i32
}

/// The value of a type's input function for a text.
pub fn from_text(text: &str, type_oid: pg_sys::Oid) -> pg_sys::Datum {
    let text = std::ffi::CString::new(text).unwrap_or_default();
    // SAFETY: the type exists (its OID was read from the catalogue), and the text ends with a zero byte.
    unsafe {
        let (mut function, mut parameter) = (pg_sys::InvalidOid, pg_sys::InvalidOid);
        pg_sys::getTypeInputInfo(type_oid, &mut function, &mut parameter);
        pg_sys::OidInputFunctionCall(function, text.as_ptr().cast_mut(), parameter, -1)
    }
}

/// The type below any domains.
pub fn base_type(type_oid: pg_sys::Oid) -> pg_sys::Oid {
    // SAFETY: a lookup in the catalogue cache.
    unsafe { pg_sys::getBaseType(type_oid) }
}

/// `pg_type.typtype`: b'b' base, b'e' enum, and so on.
pub fn type_kind(type_oid: pg_sys::Oid) -> u8 {
    // SAFETY: a lookup in the catalogue cache.
    unsafe { pg_sys::get_typtype(type_oid) as u8 }
}

/// The type for use in a statement: with its schema, and without a length.
pub fn sql_type(type_oid: pg_sys::Oid) -> String {
    let flags = (pg_sys::FORMAT_TYPE_TYPEMOD_GIVEN | pg_sys::FORMAT_TYPE_FORCE_QUALIFY) as u16;
    // SAFETY: returns a palloc'd C string for any OID.
    unsafe {
        std::ffi::CStr::from_ptr(pg_sys::format_type_extended(type_oid, -1, flags)).to_string_lossy().into_owned()
    }
}

/// The type as SQL writes it, for people.
pub fn type_name(type_oid: pg_sys::Oid) -> String {
    // SAFETY: format_type_be returns a palloc'd C string for any OID.
    unsafe { std::ffi::CStr::from_ptr(pg_sys::format_type_be(type_oid)).to_string_lossy().into_owned() }
}

/// [`stored`] for an argument or column whose SQL type is a varlena.
pub fn stored_bytes<'a>(datum: pg_sys::Datum) -> &'a [u8] {
    // SAFETY: every caller names a varlena argument of its own SQL declaration.
    unsafe { stored(datum) }
}

/// A `text[]` as Rust strings.
pub fn text_array(datum: pg_sys::Datum) -> Vec<Option<String>> {
    // SAFETY: every caller names a text[] argument of its own SQL declaration.
    unsafe { <Vec<Option<String>> as pgrx::FromDatum>::from_datum(datum, false) }.unwrap_or_default()
}

/// Elements read between two looks at interrupts.
const ELEMENTS: usize = 1 << 14;

/// A `text[]` with a number for each distinct element, NULL as an element of its own. Answers a cancel, however long it is: elements
/// are known by a hash of 128 bits, in tables so small that none takes long to grow or to drop.
pub fn labels(datum: pg_sys::Datum) -> Vec<u32> {
    const TABLES: usize = 256;
    // SAFETY: every caller names a text[] argument of its own SQL declaration.
    let array = unsafe { <pgrx::Array<&[u8]> as pgrx::FromDatum>::from_datum(datum, false) };
    let Some(array) = array else { return Vec::new() };
    let mut known: Vec<HashMap<Option<u128>, u32>> = vec![HashMap::new(); TABLES];
    let (mut found, mut next) = (Vec::with_capacity(array.len()), 0);
    for (i, label) in array.iter().enumerate() {
        if i % ELEMENTS == 0 {
            pgrx::check_for_interrupts!();
        }
        let hash = label.map(xxhash_rust::xxh3::xxh3_128);
        let number = *known[hash.unwrap_or(0) as usize % TABLES].entry(hash).or_insert(next);
        next += u32::from(number == next);
        found.push(number);
    }
    found
}

/// A `float8[]` as Rust numbers, NULL as NaN. 22023 for more than one dimension.
pub fn float_array(datum: pg_sys::Datum, out: &mut Vec<f64>) -> Result<()> {
    out.clear();
    // SAFETY: every caller names a float8[] argument of its own SQL declaration. Without NULLs the elements lie in one
    // piece behind the header, aligned to 8 as float8 arrays are.
    unsafe {
        let array = pg_sys::pg_detoast_datum(datum.cast_mut_ptr()).cast::<pg_sys::ArrayType>();
        let dimensions = (*array).ndim;
        if dimensions > 1 {
            return Err(Failure::invalid(format!("features have {dimensions} dimensions, more than the limit of 1"))
                .hint("pass a plain array, one number a feature"));
        }
        if dimensions == 1 && (*array).dataoffset == 0 {
            let header = array.cast::<u8>().add(size_of::<pg_sys::ArrayType>());
            let count = *header.cast::<i32>() as usize;
            let elements = header.add(2 * size_of::<i32>()).cast::<f64>();
            out.extend((0..count).map(|i| elements.add(i).read_unaligned()));
            return Ok(());
        }
        let values = <Vec<Option<f64>> as pgrx::FromDatum>::from_datum(datum, false).unwrap_or_default();
        out.extend(values.into_iter().map(|v| v.unwrap_or(f64::NAN)));
    }
    Ok(())
}

/// A C string in the current memory context, for output functions.
pub fn cstring(text: &str) -> pg_sys::Datum {
    let size = text.len();
    // SAFETY: palloc gives size + 1 bytes or raises an error.
    unsafe {
        let at = pg_sys::palloc(size + 1).cast::<u8>();
        std::ptr::copy_nonoverlapping(text.as_ptr(), at, size);
        at.add(size).write(0);
        pg_sys::Datum::from(at)
    }
}

/// What is left of the message that a binary input function reads.
pub fn rest_of_message(datum: pg_sys::Datum) -> Vec<u8> {
    // SAFETY: the argument of a receive function is a StringInfo; its cursor is moved to the end, as is expected of
    // such functions.
    unsafe {
        let message = datum.cast_mut_ptr::<pg_sys::StringInfoData>();
        let (from, to) = ((*message).cursor as usize, (*message).len as usize);
        (*message).cursor = (*message).len;
        std::slice::from_raw_parts((*message).data.cast::<u8>(), to)[from..].to_vec()
    }
}

/// A `jsonb` as JSON. 22023 for what PostgreSQL accepts and this cannot hold: numbers beyond the range of float8, and
/// more than 127 levels.
pub fn json(datum: pg_sys::Datum) -> Result<serde_json::Value> {
    // SAFETY: every caller names a jsonb argument of its own SQL declaration; its output function gives a C string.
    let text = unsafe {
        let (mut function, mut is_varlena) = (pg_sys::InvalidOid, false);
        pg_sys::getTypeOutputInfo(pg_sys::JSONBOID, &mut function, &mut is_varlena);
        std::ffi::CStr::from_ptr(pg_sys::OidOutputFunctionCall(function, datum)).to_string_lossy().into_owned()
    };
    serde_json::from_str(&text).map_err(|e| {
        Failure::invalid(format!("the JSON cannot be read: {e}"))
            .hint("numbers have the range of float8, levels end at 127")
    })
}
