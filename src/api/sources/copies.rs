//! Trades that stand in the table more than once: read once where `trade_id` is mapped and no key of the table sees to it.
//!
//! Rows with one trade_id, of one account and, where they are mapped, one instrument, venue and side are one trade: venues number
//! by instrument, both sides of a trade have its id, and an account that trades with itself has both. They are compared as they
//! are spelled. Of several the first by its time counts, then by everything else that is mapped; one with a finite time comes
//! before one without. A row without a trade_id, or with an empty one, is a trade of its own.

use super::trades::Pass;
use crate::api::columns::is_collated;
use crate::pg::error::{Failure, Result};
use crate::pg::relation::Relation;
use crate::pg::spi::{self, arg, quote, time};
use pgrx::PgSqlErrorCode;

/// What tells trades apart, as columns of the trade table: id and account first.
fn told_apart(pass: &Pass) -> Option<Vec<&str>> {
    let column = |input| pass.mapped(input).map(|(column, _)| column);
    let id = column("trade_id")?;
    Some(
        [Some(id), column("account"), column("instrument"), column("venue"), column("side")]
            .into_iter()
            .flatten()
            .collect(),
    )
}

/// Whether a key of the table has no two rows that are one trade. One with a side that may be NULL does not see to it.
fn ensured(source: &Relation, columns: &[&str]) -> Result<bool> {
    let sql = "SELECT EXISTS (
                 SELECT FROM pg_catalog.pg_index i
                 WHERE i.indrelid = CAST($1 AS pg_catalog.regclass) AND i.indisunique AND i.indimmediate AND i.indisvalid
                   AND i.indpred IS NULL AND i.indexprs IS NULL
                   AND NOT EXISTS (
                     SELECT FROM pg_catalog.generate_series(0, i.indnkeyatts - 1) AS g(n)
                     JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[g.n]
                     WHERE NOT (a.attname = ANY (CAST($2 AS pg_catalog.text[])) AND i.indcollation[g.n] = a.attcollation
                                AND (a.attnotnull OR a.attname = ANY (CAST($3 AS pg_catalog.text[]))))))
               AND NOT EXISTS (
                 SELECT FROM pg_catalog.pg_inherits h JOIN pg_catalog.pg_class c ON c.oid = h.inhparent
                 WHERE h.inhparent = CAST($1 AS pg_catalog.regclass) AND c.relkind <> 'p')";
    let text = |columns: &[&str]| columns.iter().map(|c| c.to_string()).collect::<Vec<String>>();
    // Of id and account NULL is no trade that could come twice.
    let args = [arg(source.quoted()), arg(text(columns)), arg(text(&columns[..columns.len().min(2)]))];
    spi::read(sql, &args, |r| Ok(r.get(0, 1).unwrap_or(false)))
}

/// The mapped columns with the place of each row among those that are one trade, from 1, and a condition on rows `n` that have an
/// id; `None` where no row is one of several.
fn numbered(pass: &Pass, source: &Relation) -> Result<Option<(String, String)>> {
    let Some(columns) = told_apart(pass) else { return Ok(None) };
    if ensured(source, &columns)? {
        return Ok(None);
    }
    let of = |column: &str| format!("c.{}", quote(column));
    let same: Vec<String> = columns.iter().map(|c| of(c)).collect();
    // Nothing decides that is not in the rows, so that it does not matter how they lie.
    let mut order: Vec<String> = Vec::new();
    if let Some((at, _)) = pass.mapped("executed_at") {
        order.push(format!("coalesce(pg_catalog.isfinite({at}), false) DESC, {at}", at = of(at)));
    }
    let mut read: Vec<String> = same.clone();
    for (_, column, oid) in pass.all_mapped() {
        let c = of(column);
        if !columns.contains(&column.as_str()) {
            order.push(if is_collated(*oid) { format!("{c} COLLATE pg_catalog.\"C\"") } else { c.clone() });
        }
        if !read.contains(&c) {
            read.push(c);
        }
    }
    let rows = format!(
        "SELECT {}, pg_catalog.row_number() OVER (PARTITION BY {} ORDER BY {}) AS pg_segmentation_copy FROM {} c",
        read.join(", "),
        same.join(", "),
        order.join(", "),
        source.quoted()
    );
    let id = quote(columns[0]);
    let text = pass.mapped("trade_id").is_some_and(|(_, oid)| is_collated(oid));
    let given = if text { format!("n.{id} <> ''") } else { format!("n.{id} IS NOT NULL") };
    Ok(Some((rows, given)))
}

/// The trade table, or a subquery with each trade once, as it stands after FROM.
pub fn once(pass: &Pass, source: &Relation) -> Result<String> {
    Ok(match numbered(pass, source)? {
        None => source.quoted(),
        Some((rows, given)) => {
            format!("(SELECT n.* FROM ({rows}) n WHERE ({given}) IS NOT TRUE OR n.pg_segmentation_copy = 1)")
        }
    })
}

/// How many rows before an instant are left out as copies.
pub fn left_out(pass: &Pass, source: &Relation, at: &str, as_of: i64) -> Result<u64> {
    let Some((rows, given)) = numbered(pass, source)? else { return Ok(0) };
    let sql = format!(
        "SELECT count(*) FROM (SELECT n.* FROM ({rows}) n WHERE {given} AND n.pg_segmentation_copy > 1) t WHERE {at} < $1"
    );
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
