//! Which column of a trade table is which input of `trade(...)`: by name and type, never by guessing.

use crate::pg::datum::{base_type, type_name};
use crate::pg::error::{Failure, Result};
use crate::pg::relation::{Column, Relation};
use crate::pg::spi::quote;
use pgrx::{pg_sys, PgSqlErrorCode};
use std::collections::BTreeMap;

/// What kind of value an input takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    Key,
    Time,
    Number,
    Text,
    Side,
    Flag,
}

/// An input: its name, the column names that mean it (the first ones before the others), and what it takes.
pub struct Input {
    pub name: &'static str,
    pub class: Class,
    first: &'static [&'static str],
    others: &'static [&'static str],
}

const fn input(
    name: &'static str,
    class: Class,
    first: &'static [&'static str],
    others: &'static [&'static str],
) -> Input {
    Input { name, class, first, others }
}

/// Inputs that are looked for. A column named just "fee" or "notional" is not taken: nothing says that it is in USD.
pub const INPUTS: &[Input] = &[
    input(
        "account",
        Class::Key,
        &["account", "account_id"],
        &[
            "acct",
            "acct_id",
            "trader",
            "trader_id",
            "client",
            "client_id",
            "customer",
            "customer_id",
            "user_id",
            "wallet",
            "wallet_address",
            "address",
            "uid",
        ],
    ),
    input(
        "executed_at",
        Class::Time,
        &["executed_at"],
        &[
            "ts",
            "time",
            "timestamp",
            "trade_time",
            "traded_at",
            "trade_ts",
            "exec_time",
            "execution_time",
            "fill_time",
            "filled_at",
            "block_time",
            "created_at",
            "datetime",
            "date",
        ],
    ),
    input(
        "quantity",
        Class::Number,
        &["quantity"],
        &["qty", "amount", "size", "base_amount", "contracts", "filled_qty"],
    ),
    input("price", Class::Number, &["price"], &["px", "fill_price", "trade_price", "exec_price", "avg_price"]),
    input("side", Class::Side, &["side"], &["direction", "buy_sell", "is_buy"]),
    input(
        "instrument",
        Class::Text,
        &["instrument"],
        &[
            "symbol",
            "pair",
            "market",
            "ticker",
            "instrument_id",
            "instrument_name",
            "product",
            "product_id",
            "contract",
        ],
    ),
    input(
        "notional_usd",
        Class::Number,
        &["notional_usd"],
        &["usd_notional", "amount_usd", "usd_amount", "value_usd", "usd_value", "volume_usd"],
    ),
    input("fee_usd", Class::Number, &["fee_usd"], &["fees_usd", "usd_fee", "commission_usd"]),
    input("is_maker", Class::Flag, &["is_maker"], &["maker", "maker_flag"]),
    input("underlying", Class::Text, &["underlying"], &["base_asset", "base_currency", "underlying_asset"]),
    input("kind", Class::Text, &["kind"], &["instrument_kind", "instrument_type", "product_type", "contract_type"]),
    input("contract_size", Class::Number, &["contract_size"], &["multiplier", "contract_multiplier"]),
    input("inverse", Class::Flag, &["inverse"], &["is_inverse"]),
    input("underlying_price", Class::Number, &["underlying_price"], &["index_price"]),
];

/// Inputs of `trade(...)` that no feature of this version reads; they are passed on only where `columns` names them.
const EXPLICIT_ONLY: &[(&str, Class)] = &[
    ("quote_usd", Class::Number),
    ("trade_id", Class::Text),
    ("order_id", Class::Text),
    ("counterparty", Class::Text),
    ("venue", Class::Text),
    ("collateral", Class::Text),
    ("strike", Class::Number),
    ("expiry", Class::Time),
    ("option_type", Class::Text),
    ("implied_volatility", Class::Number),
    ("token_factor", Class::Number),
    ("leverage", Class::Number),
    ("realised_pnl_usd", Class::Number),
    ("is_liquidation", Class::Flag),
    ("order_type", Class::Text),
    ("combo_id", Class::Text),
    ("mid", Class::Number),
    ("mid_1m", Class::Number),
    ("mid_5m", Class::Number),
    ("underlying_return_1d", Class::Number),
];

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
pub struct Finding {
    pub input: &'static str,
    pub column: Option<String>,
    pub type_oid: pg_sys::Oid,
    pub detail: String,
}

fn class_of(name: &str) -> Option<(&'static str, Class)> {
    INPUTS.iter().map(|i| (i.name, i.class)).chain(EXPLICIT_ONLY.iter().copied()).find(|(input, _)| *input == name)
}

/// PostgreSQL's own text types, and enums. Not every type of the string category: a cast to text that its owner made
/// would run with the rights of whoever fits.
fn is_text(column: &Column) -> bool {
    let own = [pg_sys::TEXTOID, pg_sys::VARCHAROID, pg_sys::BPCHAROID, pg_sys::NAMEOID, pg_sys::UUIDOID];
    own.contains(&base_type(column.type_oid)) || is_enum(column.type_oid)
}

fn is_enum(oid: pg_sys::Oid) -> bool {
    crate::pg::datum::type_kind(base_type(oid)) == b'e'
}

fn is_number(oid: pg_sys::Oid) -> bool {
    [pg_sys::INT2OID, pg_sys::INT4OID, pg_sys::INT8OID, pg_sys::FLOAT4OID, pg_sys::FLOAT8OID, pg_sys::NUMERICOID]
        .contains(&oid)
}

fn is_integer(oid: pg_sys::Oid) -> bool {
    [pg_sys::INT2OID, pg_sys::INT4OID, pg_sys::INT8OID].contains(&oid)
}

/// Whether a column's type can serve a class.
fn fits(column: &Column, class: Class) -> bool {
    let base = base_type(column.type_oid);
    match class {
        Class::Key => KEYS.contains(&base),
        Class::Time => [pg_sys::TIMESTAMPTZOID, pg_sys::TIMESTAMPOID, pg_sys::DATEOID].contains(&base),
        Class::Number => is_number(base),
        Class::Text => is_text(column) || is_integer(base),
        Class::Side => is_text(column) || is_integer(base) || base == pg_sys::BOOLOID,
        Class::Flag => base == pg_sys::BOOLOID,
    }
}

fn wants(class: Class) -> &'static str {
    match class {
        Class::Key => "an integer, numeric, uuid or text type",
        Class::Time => "timestamptz, timestamp (read as UTC) or date",
        Class::Number => "a number",
        Class::Text => "a text, enum, uuid or integer type",
        Class::Side => "a text or enum (buy, sell), an integer (1, -1) or a boolean (true is a purchase)",
        Class::Flag => "boolean",
    }
}

/// Whether a relation's column can be a ready-made feature.
pub fn is_feature(column: &Column) -> bool {
    let base = base_type(column.type_oid);
    is_number(base) || base == pg_sys::BOOLOID
}

fn column<'a>(columns: &'a [Column], relation: &Relation, name: &str) -> Result<&'a Column> {
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
fn detect<'a>(columns: &'a [Column], input: &Input) -> Result<Result<&'a Column, String>> {
    for names in [input.first, input.others] {
        let named: Vec<&Column> =
            columns.iter().filter(|c| names.contains(&c.name.to_ascii_lowercase().as_str())).collect();
        let fitting: Vec<&Column> = named.iter().copied().filter(|c| fits(c, input.class)).collect();
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
                .hint(format!("say which: columns => '{{\"{}\": \"{}\"}}'", input.name, a.name)));
            }
        }
    }
    Ok(Err("no column of a known name".into()))
}

/// Maps every input: as `columns` says (null leaves an input out), else by name.
pub fn map(relation: &Relation, wanted: &BTreeMap<String, Option<String>>) -> Result<Vec<Finding>> {
    let columns = relation.columns()?;
    let mut findings = Vec::new();
    for name in wanted.keys() {
        if class_of(name).is_none() {
            let known: Vec<&str> = INPUTS.iter().map(|i| i.name).chain(EXPLICIT_ONLY.iter().map(|(n, _)| *n)).collect();
            return Err(Failure::invalid(format!("\"{name}\" is not an input of a trade"))
                .hint(format!("inputs are {}", known.join(", "))));
        }
    }
    let found = |input, c: &Column, how: &str| Finding {
        input,
        column: Some(c.name.clone()),
        type_oid: c.type_oid,
        detail: format!("{}, {how}", type_name(c.type_oid)),
    };
    let missing = |input, detail: String| Finding { input, column: None, type_oid: pg_sys::InvalidOid, detail };
    let explicit = |input: &'static str, class, name: &str| -> Result<Finding> {
        let c = column(&columns, relation, name)?;
        if !fits(c, class) {
            return Err(wrong_type(c, input, class));
        }
        Ok(found(input, c, "as given"))
    };
    for input in INPUTS {
        findings.push(match wanted.get(input.name) {
            Some(Some(name)) => explicit(input.name, input.class, name)?,
            Some(None) => missing(input.name, "left out as asked".into()),
            None => match detect(&columns, input)? {
                Ok(c) => found(input.name, c, "by name"),
                Err(why) => missing(input.name, why),
            },
        });
    }
    for (input, class) in EXPLICIT_ONLY {
        if let Some(Some(name)) = wanted.get(*input) {
            findings.push(explicit(input, *class, name)?);
        }
    }
    for required in ["account", "executed_at"] {
        if let Some(f) = findings.iter().find(|f| f.input == required && f.column.is_none()) {
            return Err(Failure::new(
                PgSqlErrorCode::ERRCODE_UNDEFINED_COLUMN,
                format!("relation \"{}\" has no column for the input \"{required}\": {}", relation.name, f.detail),
            )
            .hint(format!("name it: columns => '{{\"{required}\": \"...\"}}'")));
        }
    }
    Ok(findings)
}

/// The key column of a table of ready-made features.
pub fn key(relation: &Relation, name: Option<&str>) -> Result<Finding> {
    let columns = relation.columns()?;
    let account = &INPUTS[0];
    let c = match name {
        Some(name) => column(&columns, relation, name)?,
        None => detect(&columns, account)?.map_err(|why| {
            Failure::new(
                PgSqlErrorCode::ERRCODE_UNDEFINED_COLUMN,
                format!("relation \"{}\" has no column for the account: {why}", relation.name),
            )
            .hint("name it: account => 'customer_id'")
        })?,
    };
    if !fits(c, Class::Key) {
        return Err(wrong_type(c, account.name, Class::Key));
    }
    Ok(Finding {
        input: account.name,
        column: Some(c.name.clone()),
        type_oid: c.type_oid,
        detail: type_name(c.type_oid),
    })
}

/// A column as SQL of the input's type, for a source with alias `t`.
pub fn expression(name: &str, type_oid: pg_sys::Oid, input: &str, numeric: bool) -> String {
    let column = format!("t.{}", quote(name));
    let base = base_type(type_oid);
    match class_of(input).map_or(Class::Text, |(_, class)| class) {
        Class::Key => column,
        Class::Flag => format!("{column}::boolean"),
        Class::Time if base == pg_sys::TIMESTAMPTZOID => format!("{column}::timestamptz"),
        Class::Time => format!("pg_catalog.timezone('UTC', {column}::timestamp)"),
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
