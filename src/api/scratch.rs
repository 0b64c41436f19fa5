//! The temporary tables of a fit and of a watch: what is made from the source, and what is written from them.
//!
//! They go with the transaction; all of them are of one segmentation at a time.

use crate::api::assign::{score_columns, SCORED};
use crate::api::catalogue::{self, Definition};
use crate::api::fit::one_snapshot;
use crate::api::matrix::order_collation;
use crate::api::passes::{put_in_course, Passes, Statement, NO_DAY};
use crate::api::population;
use crate::api::ready_made;
use crate::api::sources::copies;
use crate::api::sources::custom::{Account, Custom};
use crate::api::sources::declare::missing_index;
use crate::api::sources::reference::several;
use crate::api::sources::Sources;
use crate::api::vector::Vector;
use crate::api::window::{FIRST_DAY, SPAN};
use crate::pg::error::{notice, Failure, Result};
use crate::pg::relation::Relation;
use crate::pg::spi::{self, arg, quote, time, Params};
use pgrx::PgSqlErrorCode;
use segmentation::model::Model;
use segmentation::profile::features::Market;

/// (account, start, profile): one row an account and UTC day.
const DAYS: &str = "pg_temp.pg_segmentation_days";
const DAYS_NAME: &str = "pg_segmentation_days";
/// The same, one row an account and span of 32 days.
const SPANS: &str = "pg_temp.pg_segmentation_spans";
const SPANS_NAME: &str = "pg_segmentation_spans";
/// (account, profile): one row an account, of the part of the day of as_of that lies before it. Only where that is inside a day.
const PART: &str = "pg_temp.pg_segmentation_part";
const PART_NAME: &str = "pg_segmentation_part";
/// (account, profile): one row an account, of the look-back before as_of.
const WHOLE: &str = "pg_temp.pg_segmentation_whole";
const WHOLE_NAME: &str = "pg_segmentation_whole";
/// (account, v, volume, fresh): the feature vector of each account, its volume in USD, and whether it has too few trades for
/// a segment.
pub const FEATURE_ROWS: &str = "pg_temp.pg_segmentation_features";
/// (account, s): the score of each account; NULL for a fresh one.
pub const SCORES: &str = "pg_temp.pg_segmentation_scores";

pub fn drop_scratch() -> Result<()> {
    for table in [DAYS, SPANS, PART, WHOLE, FEATURE_ROWS, SCORES] {
        if exists(table)? {
            spi::run(&format!("DROP TABLE {table}"), &[])?;
        }
    }
    Ok(())
}

fn exists(table: &str) -> Result<bool> {
    let sql = "SELECT pg_catalog.to_regclass($1) IS NOT NULL";
    spi::read(sql, &[arg(table.to_string())], |r| Ok(r.get(0, 1).unwrap_or(false)))
}

/// What was made of the trades.
pub struct Made {
    /// The instant that the features are of.
    pub as_of: i64,
    pub vector: Vector,
    pub market: Option<Market>,
}

/// Which features are made: those that the segmentation declares, for accounts with at least so many trades, or those of
/// a model.
#[derive(Clone, Copy)]
pub enum Wanted<'a> {
    Declared { min_trades: u64 },
    Of(&'a Model),
}

/// Profiles from trades and snapshots by day, rolled up over the look-back, and their features in `FEATURE_ROWS`.
pub fn trade_features(
    definition: &Definition,
    source: &Relation,
    as_of: Option<i64>,
    lookback: Option<&str>,
    wanted: Wanted,
    warnings: &mut Vec<String>,
) -> Result<Made> {
    let sources = Sources::of(&definition.name)?;
    for source in &sources.0 {
        if let Some(statement) = missing_index(source)? {
            let role = source.role.name();
            notice(&format!("each trade reads all of the source \"{role}\", which has no index for it: {statement}"));
        }
    }
    let passes = Passes::new(definition, &sources, source)?;
    spi_run(passes.days(DAYS_NAME)?)?;
    spi::run(&put_in_course(DAYS), &[])?;
    let as_of = match as_of {
        Some(at) => at,
        None => end_of_watermark_day(source)?,
    };
    report_rejected(
        &passes.pass.account(definition)?,
        &passes.pass.executed_at(definition)?,
        &passes.table,
        as_of,
        warnings,
    )?;
    let copies = copies::left_out(&passes.pass, source, &passes.pass.executed_at(definition)?, as_of)?;
    if copies > 0 {
        let left_out = format!("{copies} trades left out: another one of the account has their trade_id");
        notice(&left_out);
        warnings.push(left_out);
    }
    let part = passes.part(PART_NAME, DAYS, as_of)?.map(spi_run).transpose()?.map(|_| PART);
    spi_run(passes.whole(WHOLE_NAME, DAYS, part, as_of, lookback)?)?;
    let (vector, market, min_trades) = match wanted {
        Wanted::Declared { min_trades } => {
            let vector = Vector::of_fit(definition, &sources, WHOLE)?;
            let market = population::market(definition, &sources, &vector, WHOLE, as_of)?;
            (vector, market, min_trades)
        }
        Wanted::Of(model) => {
            let p = &model.provenance;
            (Vector::of_model(model, &sources)?, p.market.clone(), p.parameters.min_trades)
        }
    };
    let mut params = Params::default();
    let at = params.add(time(Some(as_of)));
    let built_in = vector.built_in_sql("w.profile", &["volume_usd", "trades"], &at, market.as_ref(), &mut params)?;
    let account = Account { alias: "w", column: "account", type_oid: definition.key_type };
    let (custom, join) = vector.custom_sql(&account, &mut params)?.unwrap_or_default();
    let (own, all) = match custom.is_empty() {
        true => (String::new(), String::new()),
        false => (format!(", {custom} AS c"), " || s.c".into()),
    };
    let n = vector.built_in.len();
    // One call for all features of an account: OFFSET keeps it from being repeated for each use of its answer.
    spi::run(
        &format!(
            "CREATE TEMPORARY TABLE pg_segmentation_features ON COMMIT DROP AS
             SELECT s.account, s.v[1:{n}]{all} AS v, s.v[{volume}] AS volume, s.v[{trades}] < {min_trades} AS fresh
             FROM (SELECT w.account, {built_in} AS v{own} FROM {WHOLE} w{join} OFFSET 0) s
             WHERE s.v[{trades}] > 0",
            volume = n + 1,
            trades = n + 2,
        ),
        params.args(),
    )?;
    if let Some(opened) = vector.attributes() {
        let twice = format!(
            "SELECT account::text FROM {FEATURE_ROWS} GROUP BY account HAVING count(*) > 1 ORDER BY account LIMIT 1"
        );
        if let Some(account) = spi::write(&twice, &[], |r| Ok((r.len() > 0).then(|| r.text(0, 1)).flatten()))? {
            return Err(several(opened, "account", &account));
        }
    }
    let fresh = format!("SELECT count(*) FROM {FEATURE_ROWS} WHERE fresh");
    let fresh = spi::write(&fresh, &[], |r| Ok(r.get::<i64>(0, 1).unwrap_or(0)))?;
    if fresh > 0 {
        warnings.push(format!(
            "{fresh} accounts with fewer than {min_trades} trades are new: not fitted on, in no segment"
        ));
    }
    Ok(Made { as_of, vector, market })
}

fn spi_run(statement: Statement) -> Result<u64> {
    spi::run(&statement.sql, statement.params.args())
}

/// Says how many trades before `as_of` did not count: those of its own day that come after it are not told apart here,
/// and one without a time is before no instant, so that it is counted by itself.
fn report_rejected(account: &str, at: &str, table: &str, as_of: i64, warnings: &mut Vec<String>) -> Result<()> {
    let functions = catalogue::function_schema()?;
    let rejected = format!(
        "SELECT coalesce(sum({functions}.rejected_trades(profile)), 0)::bigint
                + (SELECT count(*) FROM {table} t WHERE {account} IS NOT NULL AND ({at} IS NULL OR {at} = '-infinity'))
         FROM {DAYS} WHERE start > date '-infinity' AND start < segmentation.utc_day($1)"
    );
    let rejected: i64 = spi::write(&rejected, &[time(Some(as_of))], |r| Ok(r.get(0, 1).unwrap_or(0)))?;
    if rejected > 0 {
        warnings.push(format!(
            "{rejected} trades rejected (quantity negative, a number not finite or beyond 1e20 USD, or no finite time)"
        ));
    }
    let nameless = format!("SELECT count(*) FROM {table} t WHERE {account} IS NULL AND {at} < $1");
    let nameless: i64 = spi::write(&nameless, &[time(Some(as_of))], |r| Ok(r.get(0, 1).unwrap_or(0)))?;
    if nameless > 0 {
        warnings.push(format!("{nameless} trades without an account left out"));
    }
    warnings.iter().for_each(|w| notice(w));
    Ok(())
}

/// The watermark is the last day with a trade or a snapshot that is not after today: a trade dated 2099 moves nobody.
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

/// Replaces the stored profiles by those just made: spans of 1 and of 32 days, and where as_of was inside a day the part of that
/// day before it, with a span of 0, so that what was scored then can be explained.
pub fn store_profiles(definition: &Definition, as_of: Option<i64>) -> Result<()> {
    let Some(profiles) = definition.profiles()? else { return Ok(()) };
    let table = profiles.quoted();
    spi::run(&format!("DELETE FROM {table}"), &[])?;
    spi::run(&format!("INSERT INTO {table} SELECT account, 1, start, profile FROM {DAYS}"), &[])?;
    spi::run(
        &format!(
            "CREATE TEMPORARY TABLE {SPANS_NAME} ON COMMIT DROP AS
             SELECT account, {} AS start, segmentation.profile_events(profile) AS profile FROM {DAYS} WHERE start > {NO_DAY} GROUP BY 1, 2",
            span_start("start")
        ),
        &[],
    )?;
    spi::run(&put_in_course(SPANS), &[])?;
    spi::run(&format!("INSERT INTO {table} SELECT account, {SPAN}, start, profile FROM {SPANS}"), &[])?;
    if let (true, Some(as_of)) = (exists(PART)?, as_of) {
        spi::run(
            &format!("INSERT INTO {table} SELECT account, 0, segmentation.utc_day($1), profile FROM {PART}"),
            &[time(Some(as_of))],
        )?;
    }
    Ok(())
}

/// First day of the 32-day span of a finite day, no earlier than the first day that PostgreSQL has.
pub fn span_start(day: &str) -> String {
    format!("date '2000-01-01' + greatest({SPAN} * {}, {FIRST_DAY})", block(day))
}

fn block(day: &str) -> String {
    format!("pg_catalog.floor(({day} - date '2000-01-01') / {SPAN}.0)::int")
}

/// The same `FEATURE_ROWS` from a table that has one row an account.
pub fn ready_made_features(definition: &Definition, source: &Relation, own: &[Custom]) -> Result<()> {
    let mut params = Params::default();
    let array = ready_made::array(own, source, &mut params)?;
    let account = format!("t.{}", quote(&definition.account));
    spi::run(
        &format!(
            "CREATE TEMPORARY TABLE pg_segmentation_features ON COMMIT DROP AS
             SELECT {account} AS account, {} AS v, NULL::float8 AS volume, false AS fresh FROM {} t WHERE {account} IS NOT NULL",
            array,
            source.quoted()
        ),
        params.args(),
    )?;
    if keyed(source, &definition.account)? {
        return Ok(());
    }
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

/// Whether an index already ensures that a column has no value twice. That of a parent says nothing of tables that inherit.
fn keyed(source: &Relation, column: &str) -> Result<bool> {
    let sql = "SELECT EXISTS (
                 SELECT FROM pg_catalog.pg_index i JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
                 WHERE i.indrelid = CAST($1 AS pg_catalog.regclass) AND a.attname = $2 AND i.indnkeyatts = 1
                   AND i.indisunique AND i.indimmediate AND i.indisvalid AND i.indpred IS NULL
                   AND i.indcollation[0] = a.attcollation)
               AND NOT EXISTS (
                 SELECT FROM pg_catalog.pg_inherits h JOIN pg_catalog.pg_class c ON c.oid = h.inhparent
                 WHERE h.inhparent = CAST($1 AS pg_catalog.regclass) AND c.relkind <> 'p')";
    spi::read(sql, &[arg(source.quoted()), arg(column.to_string())], |r| Ok(r.get(0, 1).unwrap_or(false)))
}

/// Scores every account of `FEATURE_ROWS` into `SCORES`.
pub fn score_all(model: &Model) -> Result<()> {
    spi::run(
        &format!(
            "CREATE TEMPORARY TABLE pg_segmentation_scores ON COMMIT DROP AS
             SELECT account, CASE WHEN NOT fresh THEN segmentation.score(v, CAST($1 AS segmentation.model)) END AS s
             FROM {FEATURE_ROWS}"
        ),
        &[arg(model.to_json()?)],
    )?;
    Ok(())
}

/// How many accounts each of `k` segments has, and their volume, over all accounts. The order of addition is that of the
/// keys, so that the sums do not depend on how the table lies on disk.
pub fn count_all(definition: &Definition, k: usize) -> Result<(Vec<u64>, Vec<f64>, f64)> {
    let sql = format!(
        "SELECT s.s[1]::int, count(*),
                coalesce(pg_catalog.sum(f.volume ORDER BY f.account{collation})
                           FILTER (WHERE f.volume > 0 AND f.volume < 'infinity'), 0)
         FROM {SCORES} s JOIN {FEATURE_ROWS} f USING (account) WHERE s.s IS NOT NULL GROUP BY 1",
        collation = order_collation(definition.key_type)
    );
    spi::write(&sql, &[], |r| {
        let (mut accounts, mut volumes, mut noise) = (vec![0; k], vec![0.0; k], 0.0);
        for i in 0..r.len() {
            let Some(place) = r.get::<i32>(i, 1).map(|place| place as usize - 1) else {
                noise = r.get::<f64>(i, 3).unwrap_or(0.0);
                continue;
            };
            accounts[place] = r.get::<i64>(i, 2).unwrap_or(0) as u64;
            volumes[place] = r.get::<f64>(i, 3).unwrap_or(0.0);
        }
        Ok((accounts, volumes, noise))
    })
}

/// Writes the scores of all accounts, as of that instant, as their segments. The caller has locked the table.
pub fn write_segments(segments: &Relation, model: &Model, version: i32, as_of: Option<i64>) -> Result<()> {
    let ids: Vec<i32> = model.segments.iter().map(|s| s.id).collect();
    let names: Vec<String> = model.segments.iter().map(|s| s.name.clone()).collect();
    let table = segments.quoted();
    // Looking for every account first takes as long as writing it. A statement with an old snapshot may not see rows that
    // the primary key knows of, so it looks.
    let empty = format!("SELECT NOT EXISTS (SELECT FROM {table})");
    let first = !one_snapshot()? && spi::write(&empty, &[], |r| Ok(r.get(0, 1).unwrap_or(false)))?;
    spi::run(
        &format!(
            "INSERT INTO {table} AS old (account, {SCORED}, since, model_version, scored_as_of)
             SELECT account, {columns}, pg_catalog.transaction_timestamp(), $1, $4
             FROM {SCORES} {upsert}",
            columns = score_columns("$2", "$3"),
            upsert = if first { String::new() } else { upsert("EXCLUDED.quality") },
        ),
        &[arg(version), arg(ids), arg(names), time(as_of)],
    )?;
    if first {
        return Ok(());
    }
    // Accounts that have nothing in the look-back any more have no segment.
    spi::run(
        &format!("DELETE FROM {table} old WHERE NOT EXISTS (SELECT FROM {SCORES} s WHERE s.account = old.account)"),
        &[],
    )?;
    Ok(())
}

/// What happens to an account that has a row already; `quality` is SQL over the rows `old` and `EXCLUDED`. It is since then what it
/// is now, where its label is the same: no segment, or "new", is one too.
pub fn upsert(quality: &str) -> String {
    format!(
        "ON CONFLICT (account) DO UPDATE SET
           segment_id = EXCLUDED.segment_id, segment = EXCLUDED.segment, model_segment_id = EXCLUDED.model_segment_id,
           margin = EXCLUDED.margin, outlier = EXCLUDED.outlier, model_version = EXCLUDED.model_version, quality = {quality},
           scored_as_of = EXCLUDED.scored_as_of,
           since = CASE WHEN old.segment_id IS NOT DISTINCT FROM EXCLUDED.segment_id
                         AND (old.segment_id IS NOT NULL OR old.segment IS NOT DISTINCT FROM EXCLUDED.segment)
                        THEN coalesce(old.since, EXCLUDED.since) ELSE EXCLUDED.since END"
    )
}
