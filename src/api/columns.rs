//! Which column of a relation is which input: by name and type, never by guessing.

use crate::api::inputs::{Class, Input};
use crate::pg::datum::{base_type, type_kind, type_name};
use crate::pg::error::{Failure, Result};
use crate::pg::relation::{Column, Relation};
use crate::pg::spi::quote;
use pgrx::{pg_sys, PgSqlErrorCode};
use std::collections::BTreeMap;

/// Types a key may have: what PostgreSQL's own catalogue can compare and hash alike everywhere.
const KEYS: [pg_sys::Oid; 8] = [
    pg_sys::INT2OID,
    pg_sys::INT4OID,
    pg_sys::INT8OID,
    pg_sys::NUMERICOID,
    pg_sys::UUIDOID,
    pg_sys::TEXTOID,
    pg_sys::VARCHAROID,
    pg_sys::BPCHAROID,
];

/// How one input was found, or why not.
#[derive(Clone)]
pub struct Finding {
    pub input: &'static str,
    pub column: Option<String>,
    pub type_oid: pg_sys::Oid,
    pub detail: String,
}

/// What is being mapped: the trade table, or a relation beside it by its role.
#[derive(Clone, Copy)]
pub struct Mapping<'a> {
    pub inputs: &'static [Input],
    pub required: &'static [&'static str],
    pub role: Option<&'a str>,
}

impl Mapping<'_> {
    fn whole(&self) -> String {
        self.role.map_or("a trade".into(), |role| format!("the source \"{role}\""))
    }

    /// How a user maps a column.
    fn example(&self, input: &str, column: &str) -> String {
        match self.role {
            None => format!("columns => '{{\"{input}\": \"{column}\"}}'"),
            Some(role) => format!(
                "sources => '{{\"{role}\": {{\"relation\": \"...\", \"columns\": {{\"{input}\": \"{column}\"}}}}}}'"
            ),
        }
    }
}

/// PostgreSQL's own text types, and enums. Not every type of the string category: a cast to text that its owner made
/// would run with the rights of whoever fits.
pub fn is_text(oid: pg_sys::Oid) -> bool {
    let own = [pg_sys::TEXTOID, pg_sys::VARCHAROID, pg_sys::BPCHAROID, pg_sys::NAMEOID, pg_sys::UUIDOID];
    own.contains(&base_type(oid)) || is_enum(oid)
}

pub fn is_enum(oid: pg_sys::Oid) -> bool {
    type_kind(base_type(oid)) == b'e'
}

/// Text that is compared by a collation.
pub fn is_collated(oid: pg_sys::Oid) -> bool {
    [pg_sys::TEXTOID, pg_sys::VARCHAROID, pg_sys::BPCHAROID].contains(&base_type(oid))
}

fn is_number(oid: pg_sys::Oid) -> bool {
    [pg_sys::INT2OID, pg_sys::INT4OID, pg_sys::INT8OID, pg_sys::FLOAT4OID, pg_sys::FLOAT8OID, pg_sys::NUMERICOID]
        .contains(&oid)
}

pub fn is_integer(oid: pg_sys::Oid) -> bool {
    [pg_sys::INT2OID, pg_sys::INT4OID, pg_sys::INT8OID].contains(&base_type(oid))
}

/// Whether a column's type can serve a class.
fn fits(oid: pg_sys::Oid, class: Class) -> bool {
    let base = base_type(oid);
    match class {
        Class::Key => KEYS.contains(&base),
        Class::Time | Class::Closing => [pg_sys::TIMESTAMPTZOID, pg_sys::TIMESTAMPOID, pg_sys::DATEOID].contains(&base),
        Class::Instant => [pg_sys::TIMESTAMPTZOID, pg_sys::TIMESTAMPOID].contains(&base),
        Class::Number => is_number(base),
        Class::Text => is_text(oid) || is_integer(base),
        Class::Side => is_text(oid) || is_integer(base) || base == pg_sys::BOOLOID,
        Class::Flag => base == pg_sys::BOOLOID,
        Class::Days => base == pg_sys::DATERANGEOID,
    }
}

fn wants(class: Class) -> &'static str {
    match class {
        Class::Key => "an integer, numeric, uuid or text type",
        Class::Time => "timestamptz, timestamp (read as UTC) or date",
        Class::Closing => "timestamptz, timestamp (read as UTC) or date (the end of the day)",
        Class::Instant => "timestamptz or timestamp (read as UTC)",
        Class::Number => "a number",
        Class::Text => "a text, enum, uuid or integer type",
        Class::Side => "a text or enum (buy, sell), an integer (1, -1) or a boolean (true is a purchase)",
        Class::Flag => "boolean",
        Class::Days => "daterange",
    }
}

/// Whether a relation's column can be a ready-made feature.
pub fn is_feature(column: &Column) -> bool {
    let base = base_type(column.type_oid);
    is_number(base) || base == pg_sys::BOOLOID
}

/// The column of this name, or 42703 with the names that there are.
pub fn named<'a>(columns: &'a [Column], relation: &Relation, name: &str) -> Result<&'a Column> {
    columns.iter().find(|c| c.name == name).ok_or_else(|| {
        let near: Vec<&str> = columns.iter().map(|c| c.name.as_str()).collect();
        Failure::new(
            PgSqlErrorCode::ERRCODE_UNDEFINED_COLUMN,
            format!("column \"{name}\" of relation \"{}\" does not exist", relation.name),
        )
        .hint(format!("its columns are {}", near.join(", ")))
    })
}

fn wrong_type(column: &Column, input: &str, class: Class) -> Failure {
    Failure::new(
        PgSqlErrorCode::ERRCODE_DATATYPE_MISMATCH,
        format!("column \"{}\" of type {} cannot be the input \"{input}\"", column.name, type_name(column.type_oid)),
    )
    .hint(format!("it takes {}; a view may cast the column", wants(class)))
}

/// Finds the column of one input by its names. Two columns whose names mean it equally well are an error.
fn detect<'a>(columns: &'a [Column], input: &Input, mapping: &Mapping) -> Result<Result<&'a Column, String>> {
    for names in [input.first, input.others] {
        let named: Vec<&Column> =
            columns.iter().filter(|c| names.contains(&c.name.to_ascii_lowercase().as_str())).collect();
        let fitting: Vec<&Column> = named.iter().copied().filter(|c| fits(c.type_oid, input.class)).collect();
        match fitting[..] {
            [] => {
                if let Some(c) = named.first() {
                    return Ok(Err(format!(
                        "column \"{}\" has type {}, not {}",
                        c.name,
                        type_name(c.type_oid),
                        wants(input.class)
                    )));
                }
            }
            [one] => return Ok(Ok(one)),
            [a, b, ..] => {
                return Err(Failure::new(
                    PgSqlErrorCode::ERRCODE_AMBIGUOUS_COLUMN,
                    format!("both \"{}\" and \"{}\" could be the input \"{}\"", a.name, b.name, input.name),
                )
                .hint(format!("say which: {}", mapping.example(input.name, &a.name))));
            }
        }
    }
    Ok(Err("no column of a known name".into()))
}

/// Maps every input: as `wanted` says (`None` leaves an input out), else by name. Inputs that are read only where they
/// are mapped are told only then.
pub fn map(relation: &Relation, mapping: &Mapping, wanted: &BTreeMap<String, Option<String>>) -> Result<Vec<Finding>> {
    let columns = relation.columns()?;
    if let Some(name) = wanted.keys().find(|name| mapping.inputs.iter().all(|i| i.name != **name)) {
        let known: Vec<&str> = mapping.inputs.iter().map(|i| i.name).collect();
        return Err(Failure::invalid(format!("\"{name}\" is not an input of {}", mapping.whole()))
            .hint(format!("inputs are {}", known.join(", "))));
    }
    let mut findings = Vec::new();
    for input in mapping.inputs {
        let found = |c: &Column, how: &str| Finding {
            input: input.name,
            column: Some(c.name.clone()),
            type_oid: c.type_oid,
            detail: format!("{}, {how}", type_name(c.type_oid)),
        };
        let missing =
            |detail: String| Finding { input: input.name, column: None, type_oid: pg_sys::InvalidOid, detail };
        findings.push(match wanted.get(input.name) {
            Some(Some(name)) => {
                let c = named(&columns, relation, name)?;
                if !fits(c.type_oid, input.class) {
                    return Err(wrong_type(c, input.name, input.class));
                }
                found(c, "as given")
            }
            Some(None) => missing("left out as asked".into()),
            None if !input.looked_for() => continue,
            None => match detect(&columns, input, mapping)? {
                Ok(c) => found(c, "by name"),
                Err(why) => missing(why),
            },
        });
    }
    for required in mapping.required {
        if let Some(f) = findings.iter().find(|f| f.input == *required && f.column.is_none()) {
            return Err(Failure::new(
                PgSqlErrorCode::ERRCODE_UNDEFINED_COLUMN,
                format!("relation \"{}\" has no column for the input \"{required}\": {}", relation.name, f.detail),
            )
            .hint(format!("name it: {}", mapping.example(required, "..."))));
        }
    }
    Ok(findings)
}

/// The key column of a table that has one row an account.
pub fn key(relation: &Relation, mapping: &Mapping, name: Option<&str>) -> Result<Finding> {
    let columns = relation.columns()?;
    let account = &mapping.inputs[0];
    let c = match name {
        Some(name) => named(&columns, relation, name)?,
        None => detect(&columns, account, mapping)?.map_err(|why| {
            let hint = match mapping.role {
                None => "name it: account => 'customer_id'".to_string(),
                Some(role) => format!(
                    "name it: sources => '{{\"{role}\": {{\"relation\": \"...\", \"account\": \"customer_id\"}}}}'"
                ),
            };
            Failure::new(
                PgSqlErrorCode::ERRCODE_UNDEFINED_COLUMN,
                format!("relation \"{}\" has no column for the account: {why}", relation.name),
            )
            .hint(hint)
        })?,
    };
    if !fits(c.type_oid, Class::Key) {
        return Err(wrong_type(c, account.name, Class::Key));
    }
    Ok(Finding {
        input: account.name,
        column: Some(c.name.clone()),
        type_oid: c.type_oid,
        detail: type_name(c.type_oid),
    })
}

/// A column as SQL of the input's type, for a source with this alias.
pub fn expression(alias: &str, name: &str, type_oid: pg_sys::Oid, class: Class, numeric: bool) -> String {
    let column = format!("{alias}.{}", quote(name));
    let base = base_type(type_oid);
    match class {
        Class::Key | Class::Days => column,
        Class::Flag => format!("{column}::boolean"),
        Class::Time | Class::Instant | Class::Closing if base == pg_sys::TIMESTAMPTZOID => {
            format!("{column}::timestamptz")
        }
        Class::Closing if base == pg_sys::DATEOID => {
            format!("pg_catalog.timezone('UTC', ({column} + 1)::timestamp) - interval '1 microsecond'")
        }
        Class::Time | Class::Instant | Class::Closing => format!("pg_catalog.timezone('UTC', {column}::timestamp)"),
        Class::Number if base == pg_sys::NUMERICOID && !numeric => format!("segmentation.to_float8({column})"),
        Class::Number if numeric => format!("{column}::numeric"),
        Class::Number => format!("{column}::float8"),
        Class::Side if base == pg_sys::BOOLOID => {
            format!("CASE {column} WHEN true THEN 'buy' WHEN false THEN 'sell' END")
        }
        // Not a cast: the owner of an enum may have made one.
        Class::Text | Class::Side if is_enum(type_oid) => format!("pg_catalog.textin(pg_catalog.enum_out({column}))"),
        Class::Text | Class::Side => format!("{column}::text"),
    }
}

/// A key as text: what two keys of different types are compared by.
pub fn as_text(alias: &str, name: &str, type_oid: pg_sys::Oid) -> String {
    expression(alias, name, type_oid, Class::Text, false)
}
