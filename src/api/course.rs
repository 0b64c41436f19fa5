//! The stored profiles of a watched segmentation, when trades are inserted: days and spans of the accounts that are
//! touched, with positions that go on from one to the next.

use crate::api::passes::{carried, NO_DAY};
use crate::api::scratch::span_start;
use crate::api::triggers::NEW;
use crate::api::window::SPAN;
use crate::pg::error::Result;
use crate::pg::spi::{self, Params};

/// Adds the inserted trades to the days of their accounts.
pub fn store_days(profiles: &str, account: &str, at: &str, trade: &str, from: &str, params: &Params) -> Result<()> {
    let inserted = format!(
        "SELECT {account} AS account, segmentation.utc_day({at}) AS start, segmentation.profile_events({trade}) AS profile
         FROM {from} WHERE {account} IS NOT NULL GROUP BY 1, 2"
    );
    let touched = format!(
        "SELECT u.account, u.start, segmentation.profile_events(u.profile) AS profile
         FROM (SELECT p.account, p.start, p.profile FROM n JOIN {profiles} p
                 ON p.account = n.account AND p.span = 1 AND p.start = n.start
               UNION ALL SELECT n.account, n.start, n.profile FROM n) u GROUP BY 1, 2"
    );
    let later = format!(
        "SELECT p.account, p.start, p.profile FROM h JOIN f ON f.account = h.account
         JOIN {profiles} p ON p.account = f.account AND p.span = 1 AND p.start > f.start"
    );
    let before = format!(
        "(p.span = 1 AND p.start >= {block} AND p.start < f.start) OR (p.span = {SPAN} AND p.start < {block})",
        block = span_start("f.start")
    );
    spi::run(&stored(profiles, 1, [&inserted, &touched, &later, &before]), params.args())?;
    Ok(())
}

/// Makes the spans anew that have such days, from their days.
pub fn store_spans(profiles: &str, account: &str, at: &str) -> Result<()> {
    let inserted = format!(
        "SELECT DISTINCT d.account, {} AS start FROM (
           SELECT {account} AS account, segmentation.utc_day({at}) AS day FROM {NEW} t WHERE {account} IS NOT NULL) d
         WHERE d.day > {NO_DAY}",
        span_start("d.day")
    );
    let of_days = |of: &str, which: &str| {
        format!(
            "SELECT p.account, {} AS start, segmentation.profile_events(p.profile) AS profile
             FROM {of} JOIN {profiles} p ON p.account = f.account AND p.span = 1 AND {which} GROUP BY 1, 2",
            span_start("p.start")
        )
    };
    let touched = of_days("n f", &format!("p.start >= f.start AND p.start < f.start + {SPAN}"));
    let later = of_days("h JOIN f ON f.account = h.account", &format!("p.start >= f.start + {SPAN}"));
    let before = format!("p.span = {SPAN} AND p.start < f.start");
    spi::run(&stored(profiles, SPAN, [&inserted, &touched, &later, &before]), &[])?;
    Ok(())
}

/// SQL that stores profiles of a span: for the rows `n` of what was inserted, the profiles of the same starts.
///
/// Where trades of an account are folded, in a profile of many of them from the first start `f` on, what it leaves open is
/// what the next such profile begins with: all `later` ones are put after one another again, after what is stored `before`
/// (of which what came before the last folded one is in that one). Mostly there are none, or the last one only.
fn stored(profiles: &str, span: i32, [inserted, touched, later, before]: [&str; 4]) -> String {
    let of_many = "NOT segmentation.profile_is_sparse";
    let all = carried(&format!(
        "SELECT b.account, b.start, b.profile FROM b
         UNION ALL SELECT t.account, t.start, t.profile FROM t JOIN h ON h.account = t.account WHERE t.start > {NO_DAY}
         UNION ALL SELECT m.account, m.start, m.profile FROM m"
    ));
    format!(
        "WITH n AS MATERIALIZED ({inserted}),
           f AS MATERIALIZED (
             SELECT n.account, pg_catalog.min(n.start) AS start FROM n WHERE n.start > {NO_DAY} GROUP BY 1),
           t AS MATERIALIZED ({touched}),
           h AS MATERIALIZED (
             SELECT t.account FROM t WHERE {of_many}(t.profile)
             UNION
             SELECT f.account FROM f JOIN {profiles} p ON p.account = f.account AND p.span = {span} AND p.start > f.start
             WHERE {of_many}(p.profile)),
           m AS MATERIALIZED (
             SELECT l.account, l.start, l.profile FROM ({later}) l
             WHERE NOT EXISTS (SELECT FROM t WHERE t.account = l.account AND t.start = l.start)),
           b AS MATERIALIZED (
             SELECT f.account, {NO_DAY} AS start, e.profile
             FROM (SELECT f.account, f.start FROM f JOIN h ON h.account = f.account OFFSET 0) f CROSS JOIN LATERAL (
               SELECT segmentation.profile_follow(NULL, segmentation.profile_events(p.profile)) AS profile FROM {profiles} p
               WHERE p.account = f.account AND p.start > {NO_DAY} AND ({before}) AND p.start >= coalesce((
                 SELECT p.start FROM {profiles} p
                 WHERE p.account = f.account AND p.start > {NO_DAY} AND ({before}) AND {of_many}(p.profile)
                 ORDER BY p.start DESC LIMIT 1), {NO_DAY})) e
             WHERE e.profile IS NOT NULL)
         INSERT INTO {profiles} AS p (account, span, start, profile)
         SELECT c.account, {span}, c.start, c.profile
         FROM (SELECT t.account, t.start, t.profile FROM t
               WHERE t.start = {NO_DAY} OR NOT EXISTS (SELECT FROM h WHERE h.account = t.account)
               UNION ALL SELECT a.account, a.start, a.profile FROM ({all}) a WHERE a.start > {NO_DAY}) c
         ORDER BY 1, 3
         ON CONFLICT (account, span, start) DO UPDATE SET profile = EXCLUDED.profile
           WHERE segmentation.account_profile_send(p.profile) <> segmentation.account_profile_send(EXCLUDED.profile)"
    )
}
