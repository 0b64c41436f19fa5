//! A call site that looks up many keys reads the table once.
//!
//! One index probe costs as much as the rest of a call, so a query over many accounts would spend its time probing.
//! After so many probes under one snapshot that they have cost about as much as reading the whole table, the table is
//! read into a hash table, which then answers for as long as the snapshot is the same and the transaction has written
//! nothing.
//!
//! Why that is safe: two snapshots with equal contents see the same rows of other transactions, since whichever of them
//! ends in between moves `xmax` or leaves the list of running ones; and a transaction without an id has no rows of its
//! own. The lock that reading took keeps TRUNCATE and rewrites, which no snapshot protects from, away until the
//! transaction ends. The caller drops the memo when the user or anything in the catalogue changed.

use crate::pg::datum::{self, payload};
use crate::pg::error::Result;
use crate::pg::spi::{self, arg};
use pgrx::pg_sys;
use std::collections::HashMap;

/// Probes before the size of the table is asked for.
const FIRST: u32 = 128;
/// Probes that cost about as much as reading a page into the hash table (measured: 3 µs against 15 to 20).
const PROBES_A_PAGE: i64 = 6;
/// The hash table takes about a third of the table's own size.
const SHARE: i64 = 3;

/// What a snapshot sees, by its contents.
#[derive(PartialEq, Eq)]
struct Seen {
    bounds: (u32, u32, u32, bool, bool),
    running: Vec<u32>,
    subtransactions: Vec<u32>,
}

#[derive(Default)]
pub struct Memo {
    seen: Option<Seen>,
    probes: u32,
    /// Probes after which to read the table; `None` until asked, `u32::MAX` for never.
    limit: Option<u32>,
    values: Option<Values>,
}

#[derive(PartialEq, Eq, Hash)]
enum Key {
    Number(i64),
    Bytes(Box<[u8]>),
}

struct Values {
    places: HashMap<Key, usize>,
    texts: Vec<Option<Box<[u8]>>>,
    /// Of a type that is passed by value
    numbers: Vec<Option<pg_sys::Datum>>,
}

/// What the memo says to a probe.
pub enum Answer {
    Known(Option<pg_sys::Datum>),
    Probe,
}

/// Transaction ids as plain numbers, whatever type the bindings wrap them in.
///
/// # Safety
/// `list` has `count` transaction ids, or is null with count 0.
unsafe fn ids(list: *const pg_sys::TransactionId, count: usize) -> Vec<u32> {
    const { assert!(size_of::<pg_sys::TransactionId>() == 4) };
    if list.is_null() || count == 0 {
        return Vec::new();
    }
    // SAFETY: by the promise above, and the size was just asserted.
    unsafe { std::slice::from_raw_parts(list.cast::<u32>(), count) }.to_vec()
}

/// The active snapshot, where it is an ordinary one and this transaction has written nothing.
fn seen_now() -> Option<Seen> {
    // SAFETY: the active snapshot is alive while a query calls us; its lists have the lengths beside them.
    unsafe {
        if u32::from_ne_bytes(std::mem::transmute_copy(&pg_sys::GetTopTransactionIdIfAny())) != 0 {
            return None;
        }
        let s = pg_sys::GetActiveSnapshot();
        if s.is_null() || (*s).snapshot_type != pg_sys::SnapshotType::SNAPSHOT_MVCC {
            return None;
        }
        let lower = ids(&(*s).xmin, 1)[0];
        let upper = ids(&(*s).xmax, 1)[0];
        Some(Seen {
            bounds: (lower, upper, (*s).curcid, (*s).suboverflowed, (*s).takenDuringRecovery),
            running: ids((*s).xip, (*s).xcnt as usize),
            subtransactions: ids((*s).subxip, (*s).subxcnt.max(0) as usize),
        })
    }
}

impl Memo {
    /// Answers from the hash table, reading it first where that has become worth it; or asks for a probe.
    pub fn ask(&mut self, key: pg_sys::Datum, types: Types, table: &Source) -> Result<Answer> {
        if self.limit == Some(u32::MAX) || !types.hashable() {
            return Ok(Answer::Probe);
        }
        let Some(now) = seen_now() else {
            self.values = None;
            return Ok(Answer::Probe);
        };
        if self.seen.as_ref() != Some(&now) {
            *self = Memo { seen: Some(now), limit: self.limit, ..Memo::default() };
        }
        if self.values.is_none() {
            self.probes = self.probes.saturating_add(1);
            if self.probes < self.limit.unwrap_or(FIRST) {
                return Ok(Answer::Probe);
            }
            if self.limit.is_none() {
                let limit = table.limit()?;
                self.limit = Some(limit);
                if self.probes < limit {
                    return Ok(Answer::Probe);
                }
            }
            self.values = Some(table.read(types)?);
        }
        let Some(values) = &self.values else { return Ok(Answer::Probe) };
        Ok(Answer::Known(values.find(&types.of_argument(key))))
    }
}

/// Types of the argument and of the key column.
#[derive(Clone, Copy)]
pub struct Types {
    pub argument: pg_sys::Oid,
    pub key: pg_sys::Oid,
    /// Whether equal texts are equal bytes.
    pub deterministic: bool,
}

fn is_integer(oid: pg_sys::Oid) -> bool {
    [pg_sys::INT2OID, pg_sys::INT4OID, pg_sys::INT8OID].contains(&oid)
}

fn is_text(oid: pg_sys::Oid) -> bool {
    [pg_sys::TEXTOID, pg_sys::VARCHAROID].contains(&oid)
}

impl Types {
    /// Numerics are not: 1.0 and 1.00 are equal and have other bytes.
    fn hashable(&self) -> bool {
        (is_integer(self.argument) && is_integer(self.key))
            || (self.argument == pg_sys::UUIDOID && self.key == pg_sys::UUIDOID)
            || (is_text(self.argument) && is_text(self.key) && self.deterministic)
    }

    fn of_argument(&self, datum: pg_sys::Datum) -> Key {
        hash_key(datum, self.argument)
    }
}

fn hash_key(datum: pg_sys::Datum, oid: pg_sys::Oid) -> Key {
    match oid {
        pg_sys::INT2OID => Key::Number(i64::from(datum.value() as i16)),
        pg_sys::INT4OID => Key::Number(i64::from(datum.value() as i32)),
        pg_sys::INT8OID => Key::Number(datum.value() as i64),
        // SAFETY: a uuid is a pointer to 16 bytes.
        pg_sys::UUIDOID => unsafe {
            Key::Bytes(std::slice::from_raw_parts(datum.cast_mut_ptr::<u8>().cast_const(), 16).into())
        },
        // SAFETY: the others that are hashable are texts.
        _ => unsafe { Key::Bytes(payload(datum).into()) },
    }
}

impl Values {
    fn find(&self, key: &Key) -> Option<pg_sys::Datum> {
        let place = *self.places.get(key)?;
        match self.texts.get(place) {
            Some(text) => text.as_deref().map(datum::varlena),
            None => self.numbers[place],
        }
    }
}

/// The table, and which of its columns is asked for.
pub struct Source {
    pub oid: pg_sys::Oid,
    pub quoted: String,
    pub column: &'static str,
    pub is_text: bool,
}

impl Source {
    fn limit(&self) -> Result<u32> {
        let size: i64 = spi::read("SELECT pg_catalog.pg_relation_size($1)", &[arg(self.oid)], |r| {
            Ok(r.get(0, 1).unwrap_or(i64::MAX))
        })?;
        // SAFETY: reads a setting of the backend.
        let budget = i64::from(unsafe { pg_sys::work_mem }) * 1024;
        if size / SHARE > budget {
            return Ok(u32::MAX);
        }
        Ok((size / i64::from(pg_sys::BLCKSZ) * PROBES_A_PAGE).clamp(i64::from(FIRST), i64::from(u32::MAX - 1)) as u32)
    }

    fn read(&self, types: Types) -> Result<Values> {
        let sql = format!("SELECT account, {} FROM {}", self.column, self.quoted);
        spi::read(&sql, &[], |rows| {
            let mut values =
                Values { places: HashMap::with_capacity(rows.len()), texts: Vec::new(), numbers: Vec::new() };
            let mut known: HashMap<Option<Box<[u8]>>, usize> = HashMap::new();
            for i in 0..rows.len() {
                if i % 10_000 == 0 {
                    pgrx::check_for_interrupts!();
                }
                let Some(key) = rows.raw(i, 1) else { continue };
                let place = if self.is_text {
                    let text: Option<Box<[u8]>> = rows.bytes(i, 2).map(Into::into);
                    *known.entry(text).or_insert_with_key(|text| {
                        values.texts.push(text.clone());
                        values.texts.len() - 1
                    })
                } else {
                    values.numbers.push(rows.raw(i, 2));
                    values.numbers.len() - 1
                };
                values.places.insert(hash_key(key, types.key), place);
            }
            Ok(values)
        })
    }
}
