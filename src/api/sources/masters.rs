//! Master accounts: which accounts belong together, and what their snapshots are together.

use super::custom::{check_one_row, Account};
use super::snapshots::{SnapshotSql, ARGUMENTS};
use super::{custom, Opened, Role, Sources};
use crate::api::catalogue;
use crate::api::columns::as_text;
use crate::pg::error::{Failure, Result};

pub struct Masters {
    opened: Opened,
}

/// 22023 where none are declared, 21000 where an account has several.
pub fn open(sources: &Sources) -> Result<Masters> {
    let opened = sources.open(Role::Masters)?.ok_or_else(|| {
        Failure::invalid("level \"master\" needs the source \"masters\", which the segmentation has not")
            .hint("declare it with create_segmentation(..., sources => '{\"masters\": \"...\"}')")
    })?;
    check_one_row(&opened, None, &[])?;
    Ok(Masters { opened })
}

impl Masters {
    /// The master of a row's account as text, the account itself where it has none; and the join that this needs.
    pub fn of(&self, row: &Account) -> Result<(String, String)> {
        let master = self.opened.required("master")?;
        let master = as_text("mm", &master.name, master.type_oid);
        let account = as_text(row.alias, row.column, row.type_oid);
        let key = format!("(coalesce({master}, {account}) COLLATE pg_catalog.\"C\")");
        Ok((key, custom::join(&self.opened, "mm", row)?))
    }
}

/// Snapshots (account, profile) of masters: one a UTC day, the sum of the last ones of its accounts of that day. Flows and
/// funding are those of the whole day; the smallest distance to a liquidation counts. What exposures of several accounts
/// offset is not known, so `delta_usd` is an upper bound.
pub fn snapshots(masters: &Masters, s: &SnapshotSql, condition: &str) -> Result<String> {
    let functions = catalogue::function_schema()?;
    let row = Account { alias: "r", column: "account", type_oid: s.key_type };
    let (key, join) = masters.of(&row)?;
    let columns: Vec<String> =
        ARGUMENTS.iter().zip(&s.arguments).map(|(name, value)| format!("{value} AS {name}")).collect();
    let window = "(PARTITION BY e.account, e.day)";
    let last: Vec<String> = ARGUMENTS
        .iter()
        .map(|name| match *name {
            "flow_usd" | "funding_usd" => format!("pg_catalog.sum(e.{name}) OVER {window} AS {name}"),
            _ => format!("e.{name}"),
        })
        .collect();
    let together: Vec<String> = ARGUMENTS
        .iter()
        .map(|name| match *name {
            "liquidation_distance" => format!("pg_catalog.min(r.{name})"),
            "market_return" | "second_market_return" => format!("pg_catalog.max(r.{name})"),
            // Of an account that does not say, the master's sum is not known.
            _ => format!(
                "CASE WHEN count(*) = count(r.{name}) THEN pg_catalog.sum(r.{name} ORDER BY {order}) END",
                order = format_args!("({}) COLLATE pg_catalog.\"C\"", as_text("r", "account", s.key_type)),
            ),
        })
        .collect();
    Ok(format!(
        "SELECT d.account, {functions}.account_profile(d.snapshot) AS profile FROM (
           SELECT {key} AS account, {functions}.account_snapshot(pg_catalog.max(r.at), {together}) AS snapshot
           FROM (SELECT DISTINCT ON (e.account, e.day) e.account, e.day, e.at, {last}
                 FROM (SELECT {account} AS account, segmentation.utc_day({at}) AS day, {at} AS at, {columns}
                       FROM {from} WHERE {account} IS NOT NULL AND {condition}) e
                 ORDER BY e.account, e.day, e.at DESC, e.equity_usd DESC) r{join}
           GROUP BY 1, r.day) d
         GROUP BY d.account",
        together = together.join(", "),
        last = last.join(", "),
        account = s.account,
        at = s.taken_at,
        columns = columns.join(", "),
        from = s.from,
    ))
}
