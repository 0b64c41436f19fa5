//! The temporary tables of a fit and of a watch: what is made from the source, and what is written from them.
//!
//! They go with the transaction; all of them are of one segmentation at a time.

use crate::api::assign::{score_columns, QUALITY};
use crate::api::catalogue::{self, Definition};
use crate::api::matrix::order_collation;
use crate::api::sources::{feature_array, TradeSql};
use crate::api::window::SPAN;
use crate::pg::error::{notice, Failure, Result};
use crate::pg::relation::Relation;
use crate::pg::spi::{self, arg, maybe, quote, time};
use pgrx::PgSqlErrorCode;
use segmentation::model::Model;

/// (account, start, profile): one row an account and UTC day.
const DAYS: &str = "pg_temp.pg_segmentation_days";
/// (account, v, volume): the feature vector of each account, and its volume in USD.
pub const FEATURE_ROWS: &str = "pg_temp.pg_segmentation_features";
/// (account, s): the score of each account.
pub const SCORES: &str = "pg_temp.pg_segmentation_scores";

pub fn drop_scratch() -> Result<()> {
    for table in [DAYS, FEATURE_ROWS, SCORES] {
        let exists = spi::read("SELECT pg_catalog.to_regclass($1) IS NOT NULL", &[arg(table.to_string())], |r| {
            Ok(r.get(0, 1).unwrap_or(false))
        })?;
        if exists {
            spi::run(&format!("DROP TABLE {table}"), &[])?;
        }
    }
    Ok(())
}

/// Profiles from trades, by day and rolled up to `FEATURE_ROWS`. Answers the instant they are of.
pub fn trade_features(
    definition: &Definition,
    source: &Relation,
    as_of: Option<i64>,
    lookback: Option<&str>,
    warnings: &mut Vec<String>,
) -> Result<i64> {
    let sql = TradeSql::new(definition, source)?;
    let functions = catalogue::function_schema()?;
    let (account, at, trade, table) = (&sql.account, &sql.executed_at, &sql.trade, source.quoted());
    spi::run(
        &format!(
            "CREATE TEMPORARY TABLE pg_segmentation_days ON COMMIT DROP AS
             SELECT {account} AS account, segmentation.utc_day({at}) AS start,
                    {functions}.account_profile({trade}) AS profile
             FROM {table} t WHERE {account} IS NOT NULL GROUP BY 1, 2"
        ),
        &[],
    )?;
    report_rejected(account, &table, &functions, warnings)?;
    let as_of = match as_of {
        Some(at) => at,
        None => end_of_watermark_day(source)?,
    };
    let names: Vec<String> = definition.features.clone();
    // From the first day of the look-back to the day of as_of. Where as_of is inside a day, that day's profile is made
    // again from the trades before as_of.
    spi::run(
        &format!(
            "CREATE TEMPORARY TABLE pg_segmentation_features ON COMMIT DROP AS
             WITH bound AS MATERIALIZED (
               SELECT CASE WHEN $2::text IS NOT NULL THEN segmentation.utc_day(
                        pg_catalog.timezone('UTC', pg_catalog.timezone('UTC', $1) - $2::interval)) END AS low,
                      segmentation.utc_day($1) AS high),
             parts AS (
               SELECT d.account, d.profile FROM {DAYS} d, bound b
               WHERE d.start > date '-infinity' AND (b.low IS NULL OR d.start >= b.low) AND d.start < b.high
               UNION ALL
               SELECT {account}, {functions}.account_profile({trade}) FROM {table} t, bound b
               WHERE {account} IS NOT NULL AND $4 AND {at} < $1
                 AND {at} >= pg_catalog.timezone('UTC', b.high::timestamp)
               GROUP BY 1),
             whole AS MATERIALIZED (
               SELECT account, {functions}.rollup(profile) AS profile FROM parts GROUP BY account)
             SELECT account, {functions}.feature_vector(profile, $3, $1) AS v,
                    {functions}.feature(profile, 'volume_usd', $1) AS volume
             FROM whole WHERE {functions}.feature(profile, 'trades', $1) > 0"
        ),
        &[
            time(Some(as_of)),
            maybe(lookback.map(str::to_string)),
            arg(names),
            arg(as_of.rem_euclid(segmentation::profile::days::DAY) != 0),
        ],
    )?;
    Ok(as_of)
}

fn report_rejected(account: &str, table: &str, functions: &str, warnings: &mut Vec<String>) -> Result<()> {
    let rejected = format!("SELECT coalesce(sum({functions}.rejected_trades(profile)), 0)::bigint FROM {DAYS}");
    let rejected: i64 = spi::write(&rejected, &[], |r| Ok(r.get(0, 1).unwrap_or(0)))?;
    if rejected > 0 {
        warnings.push(format!(
            "{rejected} trades rejected (quantity negative, a number not finite or beyond 1e20 USD, or no finite time)"
        ));
    }
    let nameless = format!("SELECT count(*) FROM {table} t WHERE {account} IS NULL");
    let nameless: i64 = spi::write(&nameless, &[], |r| Ok(r.get(0, 1).unwrap_or(0)))?;
    if nameless > 0 {
        warnings.push(format!("{nameless} trades without an account left out"));
    }
    warnings.iter().for_each(|w| notice(w));
    Ok(())
}

/// The watermark is the last trade that is not after now: a trade dated 2099 moves nobody.
fn end_of_watermark_day(source: &Relation) -> Result<i64> {
    let sql = format!(
        "SELECT pg_catalog.timezone('UTC', (pg_catalog.max(start) + 1)::timestamp) FROM {DAYS}
         WHERE start > date '-infinity' AND start <= segmentation.utc_day(pg_catalog.transaction_timestamp())"
    );
    spi::write(&sql, &[], |r| Ok(r.raw(0, 1).map(|d| d.value() as i64)))?.ok_or_else(|| {
        Failure::not_ready(format!("the trade table \"{}\" has no trades to fit on", source.name))
            .hint("load trades with a finite time that is not in the future")
    })
}

/// Replaces the stored profiles by those just made: spans of 1 and of 32 days.
pub fn store_profiles(definition: &Definition) -> Result<()> {
    let Some(profiles) = definition.profiles()? else { return Ok(()) };
    let (table, functions) = (profiles.quoted(), catalogue::function_schema()?);
    spi::run(&format!("DELETE FROM {table}"), &[])?;
    spi::run(&format!("INSERT INTO {table} SELECT account, 1, start, profile FROM {DAYS}"), &[])?;
    spi::run(
        &format!(
            "INSERT INTO {table} SELECT account, {SPAN}, {}, {functions}.rollup(profile) FROM {DAYS}
             WHERE start > date '-infinity' GROUP BY 1, 3",
            span_start("start")
        ),
        &[],
    )?;
    Ok(())
}

/// First day of the 32-day span of a finite day.
pub fn span_start(day: &str) -> String {
    format!("date '2000-01-01' + {SPAN} * pg_catalog.floor(({day} - date '2000-01-01') / {SPAN}.0)::int")
}

/// The same `FEATURE_ROWS` from a table that has one row an account.
pub fn ready_made_features(definition: &Definition, source: &Relation) -> Result<()> {
    let account = format!("t.{}", quote(&definition.account));
    spi::run(
        &format!(
            "CREATE TEMPORARY TABLE pg_segmentation_features ON COMMIT DROP AS
             SELECT {account} AS account, {} AS v, NULL::float8 AS volume FROM {} t WHERE {account} IS NOT NULL",
            feature_array(definition, source)?,
            source.quoted()
        ),
        &[],
    )?;
    let twice = format!("SELECT EXISTS (SELECT FROM {FEATURE_ROWS} GROUP BY account HAVING count(*) > 1)");
    if spi::write(&twice, &[], |r| Ok(r.get(0, 1).unwrap_or(false)))? {
        return Err(Failure::new(
            PgSqlErrorCode::ERRCODE_CARDINALITY_VIOLATION,
            format!("\"{}\" has several rows for one account", source.name),
        )
        .hint("ready-made features have one row an account"));
    }
    Ok(())
}

/// Scores every account of `FEATURE_ROWS` into `SCORES`.
pub fn score_all(model: &Model) -> Result<()> {
    spi::run(
        &format!(
            "CREATE TEMPORARY TABLE pg_segmentation_scores ON COMMIT DROP AS
             SELECT account, segmentation.score(v, CAST($1 AS segmentation.model)) AS s FROM {FEATURE_ROWS}"
        ),
        &[arg(model.to_json()?)],
    )?;
    Ok(())
}

/// How many accounts each of `k` segments has, and their volume, over all accounts. The order of addition is that of the
/// keys, so that the sums do not depend on how the table lies on disk.
pub fn count_all(definition: &Definition, k: usize) -> Result<(Vec<u64>, Vec<f64>)> {
    let sql = format!(
        "SELECT s.s[1]::int, count(*),
                coalesce(pg_catalog.sum(f.volume ORDER BY f.account{collation})
                           FILTER (WHERE f.volume > 0 AND f.volume < 'infinity'), 0)
         FROM {SCORES} s JOIN {FEATURE_ROWS} f USING (account) GROUP BY 1",
        collation = order_collation(definition.key_type)
    );
    spi::write(&sql, &[], |r| {
        let (mut accounts, mut volumes) = (vec![0; k], vec![0.0; k]);
        for i in 0..r.len() {
            let place = r.get::<i32>(i, 1).unwrap_or(1) as usize - 1;
            accounts[place] = r.get::<i64>(i, 2).unwrap_or(0) as u64;
            volumes[place] = r.get::<f64>(i, 3).unwrap_or(0.0);
        }
        Ok((accounts, volumes))
    })
}

/// Writes the scores of all accounts as their segments.
pub fn write_segments(segments: &Relation, model: &Model, version: i32) -> Result<()> {
    let ids: Vec<i32> = model.segments.iter().map(|s| s.id).collect();
    let names: Vec<String> = model.segments.iter().map(|s| s.name.clone()).collect();
    let table = segments.quoted();
    spi::run(
        &format!(
            "INSERT INTO {table} AS old
               (account, segment_id, segment, model_segment_id, margin, since, model_version, quality)
             SELECT account, {columns}, pg_catalog.transaction_timestamp(), $1, {quality}
             FROM {SCORES} {upsert}",
            columns = score_columns("$2", "$3"),
            quality = QUALITY,
            upsert = upsert("EXCLUDED.quality"),
        ),
        &[arg(version), arg(ids), arg(names)],
    )?;
    // Accounts that have nothing in the look-back any more have no segment.
    spi::run(
        &format!("DELETE FROM {table} old WHERE NOT EXISTS (SELECT FROM {SCORES} s WHERE s.account = old.account)"),
        &[],
    )?;
    Ok(())
}

/// What happens to an account that has a segment already; `quality` is SQL over the rows `old` and `EXCLUDED`.
pub fn upsert(quality: &str) -> String {
    format!(
        "ON CONFLICT (account) DO UPDATE SET
           segment_id = EXCLUDED.segment_id, segment = EXCLUDED.segment, model_segment_id = EXCLUDED.model_segment_id,
           margin = EXCLUDED.margin, model_version = EXCLUDED.model_version, quality = {quality},
           since = CASE WHEN old.segment_id = EXCLUDED.segment_id THEN old.since ELSE EXCLUDED.since END"
    )
}
