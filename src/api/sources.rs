//! SQL text over a segmentation's source: the call of `trade(...)`, and the ready-made feature vector.

use crate::api::catalogue::{self, Definition};
use crate::api::columns::expression;
use crate::pg::datum::base_type;
use crate::pg::error::{Failure, Result};
use crate::pg::relation::{Column, Relation};
use crate::pg::spi::quote;
use pgrx::{pg_sys, PgSqlErrorCode};

/// Amounts whose type decides the overload of `trade(...)`.
const AMOUNTS: [&str; 5] = ["quantity", "price", "notional_usd", "quote_usd", "fee_usd"];

fn type_of(columns: &[Column], source: &Relation, name: &str) -> Result<pg_sys::Oid> {
    columns.iter().find(|c| c.name == name).map(|c| c.type_oid).ok_or_else(|| {
        Failure::new(
            PgSqlErrorCode::ERRCODE_UNDEFINED_COLUMN,
            format!("column \"{name}\" of relation \"{}\" does not exist any more", source.name),
        )
        .hint("drop the segmentation and create it again")
    })
}

/// The arguments of `trade(...)` in their order.
const ARGUMENTS: [(&str, &str); 33] = [
    ("executed_at", "timestamptz"),
    ("quantity", "float8"),
    ("price", "float8"),
    ("side", "text"),
    ("instrument", "text"),
    ("notional_usd", "float8"),
    ("quote_usd", "float8"),
    ("fee_usd", "float8"),
    ("is_maker", "boolean"),
    ("trade_id", "text"),
    ("order_id", "text"),
    ("counterparty", "text"),
    ("underlying", "text"),
    ("kind", "text"),
    ("venue", "text"),
    ("collateral", "text"),
    ("contract_size", "float8"),
    ("inverse", "boolean"),
    ("strike", "float8"),
    ("expiry", "timestamptz"),
    ("option_type", "text"),
    ("underlying_price", "float8"),
    ("implied_volatility", "float8"),
    ("token_factor", "float8"),
    ("leverage", "float8"),
    ("realised_pnl_usd", "float8"),
    ("is_liquidation", "boolean"),
    ("order_type", "text"),
    ("combo_id", "text"),
    ("mid", "float8"),
    ("mid_1m", "float8"),
    ("mid_5m", "float8"),
    ("underlying_return_1d", "float8"),
];

/// What a pass over trades selects, for a source with alias `t`.
pub struct TradeSql {
    pub account: String,
    pub executed_at: String,
    /// The whole call of `trade(...)`.
    pub trade: String,
}

impl TradeSql {
    pub fn new(definition: &Definition, source: &Relation) -> Result<TradeSql> {
        let columns = source.columns()?;
        let mapped: Vec<(&str, &str, pg_sys::Oid)> = definition
            .columns
            .as_object()
            .into_iter()
            .flatten()
            .filter_map(|(input, column)| Some((input.as_str(), column.as_str()?)))
            .map(|(input, column)| Ok((input, column, type_of(&columns, source, column)?)))
            .collect::<Result<_>>()?;
        // The numeric overload reads digits; it is the one to call when no amount would have to be converted to it.
        let amounts: Vec<pg_sys::Oid> =
            mapped.iter().filter(|(i, _, _)| AMOUNTS.contains(i)).map(|(_, _, t)| base_type(*t)).collect();
        let numeric = !amounts.is_empty() && amounts.iter().all(|&t| t == pg_sys::NUMERICOID);
        let expression = |(input, column, oid): (&str, &str, pg_sys::Oid)| {
            expression(column, oid, input, numeric && AMOUNTS.contains(&input))
        };
        let find = |name: &str| {
            mapped.iter().copied().find(|(i, _, _)| *i == name).map(expression).ok_or_else(|| {
                Failure::not_ready(format!("segmentation \"{}\" has lost its input \"{name}\"", definition.name))
                    .hint("drop the segmentation and create it again")
            })
        };
        // All arguments by place, each of its exact type: an overload that somebody else made cannot fit as well.
        let amount_type = if numeric { "numeric" } else { "float8" };
        let arguments: Vec<String> = ARGUMENTS
            .iter()
            .map(|&(name, sql_type)| {
                let sql_type = if AMOUNTS.contains(&name) { amount_type } else { sql_type };
                let given = mapped.iter().copied().find(|(input, _, _)| *input == name).map(expression);
                format!("({})::{sql_type}", given.unwrap_or_else(|| "NULL".into()))
            })
            .collect();
        let schema = catalogue::function_schema()?;
        Ok(TradeSql {
            account: find("account")?,
            executed_at: find("executed_at")?,
            trade: format!("{schema}.trade({})", arguments.join(", ")),
        })
    }
}

/// `ARRAY[...]` of the ready-made features of a source with alias `t`.
pub fn feature_array(definition: &Definition, source: &Relation) -> Result<String> {
    let columns = source.columns()?;
    let elements: Vec<String> = definition
        .features
        .iter()
        .map(|name| {
            let column = format!("t.{}", quote(name));
            Ok(match base_type(type_of(&columns, source, name)?) {
                pg_sys::NUMERICOID => format!("segmentation.to_float8({column})"),
                pg_sys::BOOLOID => format!("{column}::int::float8"),
                _ => format!("{column}::float8"),
            })
        })
        .collect::<Result<_>>()?;
    Ok(format!("ARRAY[{}]::float8[]", elements.join(", ")))
}
