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

/// Figures of an account at an instant, which a master's are the sums of.
const LEVELS: [&str; 7] = [
    "equity_usd",
    "initial_margin_usd",
    "maintenance_margin_usd",
    "gross_notional_usd",
    "delta_usd",
    "gross_delta_usd",
    "net_delta_usd",
];

/// Snapshots (account, profile) of masters, so that a master's daily return is what its accounts gained together over what they
/// had together:
///
/// - Levels: one snapshot a UTC day, the sum of what each account told last that day, figure by figure. Where an account that had
///   something left tells nothing on a day, nobody knows what the master had, and the day has no levels, as a day without a
///   snapshot has none for an account. One whose last figures were all 0 is closed, and missed by nobody.
/// - Flows: each at its own time, the known ones. An account that comes, or comes back, brings its equity with it: that is a flow
///   of the master, in the place of its own flows up to then, since the account itself has no return of that day.
/// - Funding and distances to a liquidation: as the accounts tell them.
///
/// What exposures of several accounts offset is not known, so `delta_usd` is an upper bound.
pub fn snapshots(masters: &Masters, s: &SnapshotSql, condition: &str) -> Result<String> {
    let functions = catalogue::function_schema()?;
    let of = |alias| masters.of(&Account { alias, column: "account", type_oid: s.key_type });
    let ((day_key, day_join), (row_key, row_join)) = (of("d")?, of("e")?);
    let each = |render: &dyn Fn(&str) -> String| LEVELS.iter().map(|n| render(n)).collect::<Vec<_>>().join(", ");
    let columns: Vec<String> =
        ARGUMENTS.iter().zip(&s.arguments).map(|(name, value)| format!("{value} AS {name}")).collect();
    let last = |n: &str| {
        format!(
            "(pg_catalog.array_agg(e.{n} ORDER BY e.at DESC, e.{n} DESC) FILTER (WHERE e.{n} IS NOT NULL))[1] AS {n}"
        )
    };
    let order = format!("({}) COLLATE pg_catalog.\"C\"", as_text("o", "account", s.key_type));
    // Of an account that does not say, the master's sum is not known.
    let together = |n: &str| {
        format!(
            "CASE WHEN count(*) FILTER (WHERE o.open = 1 AND o.{n} IS NULL) = 0 THEN pg_catalog.sum(o.{n} ORDER BY {order}) END AS {n}"
        )
    };
    let arguments = |from: &dyn Fn(&str) -> Option<String>| {
        let value = |name: &&str| from(name).unwrap_or_else(|| "NULL::float8".into());
        ARGUMENTS.iter().map(value).collect::<Vec<_>>().join(", ")
    };
    let of_day = |name: &str| match name {
        "liquidation_distance" | "funding_usd" => None,
        "flow_usd" => Some("h.brought".into()),
        _ => Some(format!("h.{name}")),
    };
    let of_row = |name: &str| match name {
        "flow_usd" => Some("CASE WHEN o.equity_usd IS NOT NULL AND NOT o.comes THEN e.flow_usd END".to_string()),
        "liquidation_distance" | "funding_usd" => Some(format!("e.{name}")),
        _ => None,
    };
    Ok(format!(
        "SELECT v.account, {functions}.account_profile(v.snapshot) AS profile FROM (
           WITH e AS MATERIALIZED (
             SELECT {account} AS account, segmentation.utc_day({at}) AS day, {at} AS at, {columns}
             FROM {from} WHERE {account} IS NOT NULL AND {condition}),
           d AS (
             SELECT e.account, e.day, pg_catalog.max(e.at) AS at, {last}, pg_catalog.max(e.market_return) AS market_return,
                    pg_catalog.max(e.second_market_return) AS second_market_return
             FROM e WHERE pg_catalog.num_nonnulls({told}) > 0 GROUP BY e.account, e.day),
           o AS MATERIALIZED (
             SELECT f.*, f.equity_usd IS NOT NULL AND (f.equities = 0 OR (f.before = 0 AND f.day_before < f.day - 1)) AS comes
             FROM (SELECT w.*, pg_catalog.lag(w.open, 1, 0) OVER days AS before, pg_catalog.lag(w.day) OVER days AS day_before,
                          count(w.equity_usd) OVER (days ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS equities
                   FROM (SELECT {day_key} AS master, d.*, (pg_catalog.num_nonnulls({not_zero}) > 0)::int AS open FROM d{day_join}) w
                   WINDOW days AS (PARTITION BY w.account ORDER BY w.day)) f),
           h AS (
             SELECT g.*, coalesce(pg_catalog.sum(g.change) OVER (PARTITION BY g.master ORDER BY g.day
                                    ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) = g.present AS complete
             FROM (SELECT o.master, o.day, pg_catalog.max(o.at) AS at, {together},
                          pg_catalog.sum(o.equity_usd ORDER BY {order}) FILTER (WHERE o.comes) AS brought,
                          pg_catalog.max(o.market_return) AS market_return,
                          pg_catalog.max(o.second_market_return) AS second_market_return,
                          pg_catalog.sum(o.open - o.before) AS change, pg_catalog.sum(o.before) AS present
                   FROM o GROUP BY o.master, o.day) g)
           SELECT h.master AS account, {functions}.account_snapshot(h.at, {day_arguments}) AS snapshot FROM h WHERE h.complete
           UNION ALL
           SELECT {row_key}, {functions}.account_snapshot(e.at, {row_arguments})
           FROM e LEFT JOIN o ON o.account = e.account AND o.day = e.day{row_join}
           WHERE pg_catalog.num_nonnulls(e.flow_usd, e.funding_usd, e.liquidation_distance) > 0) v
         GROUP BY v.account",
        account = s.account,
        at = s.taken_at,
        columns = columns.join(", "),
        from = s.from,
        last = each(&last),
        told = each(&|n| format!("e.{n}")),
        not_zero = each(&|n| format!("nullif(d.{n}, 0)")),
        together = each(&together),
        day_arguments = arguments(&of_day),
        row_arguments = arguments(&of_row),
    ))
}
