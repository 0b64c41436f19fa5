//! Trades that stand in the table more than once: read once where `trade_id` is mapped and no key of the table sees to it.
//!
//! Rows of one account with one trade_id and, where a side is mapped, one side are one trade: both sides of a trade have its id,
//! and an account that trades with itself has both. Of several the first by its time counts, by quantity and price where
//! times are equal; one with a finite time comes before one without. A row without a trade_id is a trade of its own.

use super::trades::Pass;
use crate::pg::error::{Failure, Result};
use crate::pg::relation::Relation;
use crate::pg::spi::{self, arg, quote, time};
use pgrx::PgSqlErrorCode;

/// What tells trades apart, as columns of the trade table.
fn told_apart(pass: &Pass) -> Option<Vec<&str>> {
    let column = |input| pass.mapped(input).map(|(column, _)| column);
    let id = column("trade_id")?;
    Some([Some(id), column("account"), column("side")].into_iter().flatten().collect())
}

/// Whether a key of the table has no two rows that are one trade. A key with a side that may be NULL does not.
fn ensured(source: &Relation, columns: &[&str]) -> Result<bool> {
    let sql = "SELECT EXISTS (
                 SELECT FROM pg_catalog.pg_index i
                 WHERE i.indrelid = CAST($1 AS pg_catalog.regclass) AND i.indisunique AND i.indimmediate AND i.indisvalid
                   AND i.indpred IS NULL AND i.indexprs IS NULL
                   AND NOT EXISTS (
                     SELECT FROM pg_catalog.generate_series(0, i.indnkeyatts - 1) AS g(n)
                     JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[g.n]
                     WHERE NOT (a.attname = ANY (CAST($2 AS pg_catalog.text[])) AND (a.attnotnull OR a.attname = ANY (CAST($3 AS pg_catalog.text[]))))))
               AND NOT EXISTS (
                 SELECT FROM pg_catalog.pg_inherits h JOIN pg_catalog.pg_class c ON c.oid = h.inhparent
                 WHERE h.inhparent = CAST($1 AS pg_catalog.regclass) AND c.relkind <> 'p')";
    let text = |columns: &[&str]| columns.iter().map(|c| c.to_string()).collect::<Vec<String>>();
    // Of id and account NULL is no trade that could come twice.
    let args = [arg(source.quoted()), arg(text(columns)), arg(text(&columns[..columns.len().min(2)]))];
    spi::read(sql, &args, |r| Ok(r.get(0, 1).unwrap_or(false)))
}

/// Rows with the place of each among those that are one trade, from 1; `None` where there are no others.
fn numbered(pass: &Pass, source: &Relation) -> Result<Option<(String, String)>> {
    let Some(columns) = told_apart(pass) else { return Ok(None) };
    if ensured(source, &columns)? {
        return Ok(None);
    }
    let id = quote(columns[0]);
    let same: Vec<String> = columns.iter().map(|c| format!("c.{}", quote(c))).collect();
    let at = pass.mapped("executed_at").map(|(c, _)| format!("c.{}", quote(c)));
    let order: Vec<String> = at
        .iter()
        .map(|at| format!("coalesce(pg_catalog.isfinite({at}), false) DESC, {at}"))
        .chain(["quantity", "price"].iter().filter_map(|i| pass.mapped(i)).map(|(c, _)| format!("c.{}", quote(c))))
        .collect();
    let rows = format!(
        "SELECT c.*, pg_catalog.row_number() OVER (PARTITION BY {} ORDER BY {}) AS pg_segmentation_copy FROM {} c",
        same.join(", "),
        order.join(", "),
        source.quoted()
    );
    Ok(Some((rows, id)))
}

/// The trade table, or a subquery with each trade once, as it stands after FROM.
pub fn once(pass: &Pass, source: &Relation) -> Result<String> {
    Ok(match numbered(pass, source)? {
        None => source.quoted(),
        Some((rows, id)) => {
            format!("(SELECT n.* FROM ({rows}) n WHERE n.{id} IS NULL OR n.pg_segmentation_copy = 1)")
        }
    })
}

/// How many rows before an instant are left out as copies.
pub fn left_out(pass: &Pass, source: &Relation, at: &str, as_of: i64) -> Result<u64> {
    let Some((rows, id)) = numbered(pass, source)? else { return Ok(0) };
    let sql =
        format!("SELECT count(*) FROM ({rows}) t WHERE t.{id} IS NOT NULL AND t.pg_segmentation_copy > 1 AND {at} < $1");
    spi::read(&sql, &[time(Some(as_of))], |r| Ok(r.get::<i64>(0, 1).unwrap_or(0).max(0) as u64))
}

/// 55000 where an insert may bring a trade that is there already: a trigger sees new rows only.
pub fn check_watchable(pass: &Pass, source: &Relation) -> Result<()> {
    if numbered(pass, source)?.is_none() {
        return Ok(());
    }
    let columns = told_apart(pass).unwrap_or_default().join(", ");
    Err(Failure::new(
        PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
        format!("trades may come twice: \"{}\" has no unique key on {columns}, or on some of them", source.name),
    )
    .hint("create a unique index, or leave the input trade_id out; fit_segmentation leaves copies out without one"))
}
