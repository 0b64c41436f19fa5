//! Look-ups by time: the last price or quote at or before an instant, and prices at the ends of UTC days.

use super::{equal, Opened};
use crate::pg::call::Call;
use crate::pg::datum::base_type;
use crate::pg::error::Result;
use crate::pg::relation::Column;
use crate::pg::spi::{self, quote, Arg};
use crate::sql_function;
use pgrx::pg_sys;
use segmentation::flow::trend;

sql_function!("segmentation_standardised_return", 4, standardised_return);
sql_function!("segmentation_moved_price", 3, moved_price);

/// What a row of prices or quotes is found by, besides its time.
pub struct Key<'a> {
    /// The key as the statement has it, with its type; `InvalidOid` where it is only known as text.
    pub native: &'a str,
    pub type_oid: pg_sys::Oid,
    pub text: &'a str,
}

/// What is looked up.
#[derive(Clone, Copy)]
pub enum Sought {
    /// A price or a mid.
    Price,
    /// Another column.
    Other(&'static str),
}

/// What is looked up as SQL: NULL, NaN, infinite and negative ones, and 0, are none.
fn value(opened: &Opened, alias: &str, sought: Sought) -> Result<String> {
    let one = |input: &str| opened.sql(alias, input);
    let above_zero = |x: &str| format!("CASE WHEN {x} > 0 AND {x} < 'Infinity' THEN {x} END");
    if let Sought::Other(input) = sought {
        opened.required(input)?;
        return Ok(above_zero(&one(input).unwrap_or_default()));
    }
    if let Some(price) = one("price").or_else(|| one("mid")) {
        return Ok(above_zero(&price));
    }
    opened.required("bid")?;
    let (bid, ask) = (one("bid").unwrap_or_default(), one("ask").unwrap_or_default());
    // Within these bounds the sum can neither overflow nor vanish.
    let sane = |x: &str| format!("{x} > 1e-150 AND {x} < 1e150");
    Ok(format!("CASE WHEN {} AND {} THEN ({bid} + {ask}) / 2 END", sane(&bid), sane(&ask)))
}

/// An instant as the type of a column of times, so that an index on the column serves.
fn like(column: &Column, instant: &str) -> String {
    match base_type(column.type_oid) {
        pg_sys::TIMESTAMPTZOID => instant.to_string(),
        _ => format!("pg_catalog.timezone('UTC', {instant})"),
    }
}

/// A subquery for LATERAL: the column `value` of the last row of the key with `from <= at <= to`, where the condition on
/// the outer rows is true. Of several at one instant the largest, so that the answer does not depend on how rows lie.
pub fn last(opened: &Opened, key_input: &str, key: &Key, from: &str, to: &str, condition: &str) -> Result<String> {
    last_of(Sought::Price, opened, key_input, key, from, to, condition)
}

/// The same of another column than the price.
pub fn last_of(
    sought: Sought,
    opened: &Opened,
    key_input: &str,
    key: &Key,
    from: &str,
    to: &str,
    condition: &str,
) -> Result<String> {
    let (key_column, at) = (opened.required(key_input)?, opened.required("at")?);
    let value = value(opened, "r", sought)?;
    Ok(format!(
        "SELECT {value} AS value FROM {table} r
         WHERE {condition} AND {equal} AND r.{at_name} >= {from} AND r.{at_name} <= {to} AND {value} IS NOT NULL
         ORDER BY r.{at_name} DESC, 1 DESC LIMIT 1",
        table = opened.relation.quoted(),
        equal = equal("r", key_column, key.native, key.type_oid, key.text),
        at_name = quote(&at.name),
        from = like(at, from),
        to = like(at, to),
    ))
}

/// One price an underlying and UTC day.
pub struct Close {
    pub underlying: String,
    /// Counted from 2000-01-01.
    pub day: i32,
    pub price: f64,
}

/// The last price of each of the days `first..=last` (counted from each day of `touched`, SQL of rows (underlying text, day
/// date)), where there is one; by underlying and day.
pub fn closes(prices: &Opened, touched: &str, first: i32, last_day: i32, args: &[Arg]) -> Result<Vec<Close>> {
    let start = "pg_catalog.timezone('UTC', c.day::timestamp)";
    let end = "pg_catalog.timezone('UTC', (c.day + 1)::timestamp) - interval '1 microsecond'";
    let key = Key { native: "c.underlying", type_oid: pg_sys::TEXTOID, text: "c.underlying" };
    let sql = format!(
        "SELECT c.underlying, c.day - date '2000-01-01', v.value
         FROM (SELECT DISTINCT n.underlying, n.day + g.n AS day
               FROM ({touched}) n CROSS JOIN pg_catalog.generate_series({first}, {last_day}) AS g(n)
               WHERE n.underlying IS NOT NULL AND n.day >= date '1800-01-01' AND n.day < date '9001-01-01') c
         CROSS JOIN LATERAL ({}) v
         ORDER BY c.underlying COLLATE pg_catalog.\"C\", c.day",
        last(prices, "underlying", &key, start, end, "true")?
    );
    spi::read(&sql, args, |rows| {
        Ok((0..rows.len())
            .filter_map(|i| Some(Close { underlying: rows.text(i, 1)?, day: rows.get(i, 2)?, price: rows.get(i, 3)? }))
            .collect())
    })
}

/// A return in units of its deviation, for the statements that join prices.
fn standardised_return(call: &Call) -> Result<Option<f64>> {
    let (Some(price), Some(before), Some(deviation), Some(days)) = (call.f64(0), call.f64(1), call.f64(2), call.f64(3))
    else {
        return Ok(None);
    };
    Ok(trend::standardised_return(price, before, deviation, days))
}

/// A price, moved as another one was from `now` to `later`.
fn moved_price(call: &Call) -> Result<Option<f64>> {
    let (Some(price), Some(now), Some(later)) = (call.f64(0), call.f64(1), call.f64(2)) else { return Ok(None) };
    Ok(Some(price * (later / now)).filter(|moved| moved.is_finite()))
}
