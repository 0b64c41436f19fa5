//! `fit_segmentation`: one transaction from trades to assigned accounts.
//!
//! 1. Lock the segmentation's tables against other writers, so that a trade inserted meanwhile is counted once.
//! 2. One pass over the trades makes the profiles by account and day; in parallel, because it is a CREATE TABLE AS.
//! 3. Profiles of the look-back roll up to a feature vector an account.
//! 4. The model is fitted on threads; the backend waits and answers cancels.
//! 5. Every account is scored by the stored model, segments keep the ids and names of those they continue, and the
//!    model, the profiles and the segments are written.
//!
//! A cancel or an error at any point leaves nothing: temporary tables go with the transaction.

use crate::api::assign::{score_columns, QUALITY};
use crate::api::catalogue::{self, Definition, Source};
use crate::api::declare::lookback_text;
use crate::api::sources::{feature_array, TradeSql};
use crate::api::window::SPAN;
use crate::pg::call::{Call, Rows};
use crate::pg::datum::{self, Cell};
use crate::pg::error::{notice, Failure, Result};
use crate::pg::identity::SafePath;
use crate::pg::relation::Relation;
use crate::pg::spi::{self, arg, maybe, quote, time};
use crate::pg::{settings, threads};
use crate::sql_function;
use pgrx::PgSqlErrorCode;
use segmentation::model::{self, FitInput, FitOptions, Model};
use segmentation::prepare::{FeatureSpec, Transform};
use segmentation::profile::features::index_of;
use segmentation::profile::FEATURES;
use serde_json::Value;

sql_function!("segmentation_fit", 9, fit);

/// Starts of k-means; the best one is the model.
const STARTS: usize = 10;

/// Copies of the feature matrix that live at once while a model is fitted: as read, as prepared, packed for the kernel,
/// and PostgreSQL's own result rows.
const COPIES: u64 = 4;

struct Request {
    options: FitOptions,
    as_of: Option<i64>,
    lookback: Option<String>,
    activate: bool,
}

fn request(call: &Call) -> Result<Request> {
    let algorithm = call.text(3)?.unwrap_or(model::ALGORITHM);
    if algorithm != model::ALGORITHM {
        return Err(Failure::invalid(format!("algorithm \"{algorithm}\" is not known")).hint("allowed is kmeans"));
    }
    let positive = |i, name: &str, low: i32| -> Result<Option<usize>> {
        match call.get::<i32>(i) {
            None => Ok(None),
            Some(v) if v < low || v as usize > model::MAX_SEGMENTS => {
                Err(Failure::invalid(format!("{name} = {v} is outside {low} to {}", model::MAX_SEGMENTS)))
            }
            Some(v) => Ok(Some(v as usize)),
        }
    };
    let preparation = call.raw(4).map(datum::jsonb_text);
    let preparation: Option<Value> = preparation.and_then(|t| serde_json::from_str(&t).ok());
    let as_of = call.i64(5);
    if as_of.is_some_and(|t| t == i64::MAX || t == i64::MIN) {
        return Err(Failure::invalid("as_of must be finite"));
    }
    Ok(Request {
        options: FitOptions {
            k: positive(1, "k", 1)?,
            k_max: positive(2, "k_max", 2)?.unwrap_or(10),
            seed: call.i64(7).unwrap_or(1) as u64,
            n_init: STARTS,
            preparation,
        },
        as_of,
        lookback: match call.raw(6) {
            None => None,
            given => Some(lookback_text(given)?),
        },
        activate: call.bool(8).unwrap_or(true),
    })
}

fn fit(call: &Call) -> Result<Rows> {
    let _writer = spi::Writer::begin();
    let definition = catalogue::resolve(call.text(0)?)?;
    let segments = definition.check_owner()?;
    let mut request = request(call)?;
    if request.lookback.is_none() {
        request.lookback = definition.lookback.clone();
    }
    let _path = SafePath::set();
    let source = definition.source()?;
    lock(&definition, &segments)?;
    drop_scratch()?;
    let mut warnings = Vec::new();
    let as_of = match definition.kind {
        Source::Trades => {
            Some(trade_features(&definition, &source, request.as_of, request.lookback.as_deref(), &mut warnings)?)
        }
        Source::Features => {
            ready_made_features(&definition, &source)?;
            request.as_of
        }
    };
    let matrix = Matrix::read(&definition, &request)?;
    let sampled_from = matrix.sampled_from;
    let options = request.options.clone();
    let input = matrix.input(specs(&definition))?;
    let fitted = threads::compute(move |control| model::fit(input, &options, control))?;
    let mut model = fitted.model;
    model.provenance.sampled_from = sampled_from;
    model.provenance.as_of = as_of.map(time_text).transpose()?;
    model.provenance.lookback = request.lookback.clone();
    model.provenance.warnings.splice(0..0, warnings);
    if request.activate {
        assign(&definition, &segments, &mut model)?;
    } else {
        store(&definition, &model)?;
    }
    drop_scratch()?;
    Ok(Rows(summary(&model)))
}

/// Segments before profiles: the order in which the trigger locks them.
pub fn lock(definition: &Definition, segments: &Relation) -> Result<()> {
    if definition.watched && one_snapshot()? {
        return Err(Failure::new(
            PgSqlErrorCode::ERRCODE_ACTIVE_SQL_TRANSACTION,
            "a watched segmentation cannot be fitted in a REPEATABLE READ or SERIALIZABLE transaction",
        )
        .hint(
            "its snapshot may be older than trades that were counted already; fit in READ COMMITTED, or unwatch first",
        ));
    }
    spi::run(&format!("LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE", segments.quoted()), &[])?;
    if let Some(profiles) = definition.profiles()? {
        spi::run(&format!("LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE", profiles.quoted()), &[])?;
    }
    Ok(())
}

fn one_snapshot() -> Result<bool> {
    let sql = "SELECT pg_catalog.current_setting('transaction_isolation') <> ALL (ARRAY['read committed', 'read uncommitted'])";
    spi::read(sql, &[], |r| Ok(r.get(0, 1).unwrap_or(false)))
}

fn time_text(at: i64) -> Result<String> {
    let sql = "SELECT pg_catalog.to_char(pg_catalog.timezone('UTC', $1), 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')";
    spi::read(sql, &[time(Some(at))], |r| Ok(r.text(0, 1).unwrap_or_default()))
}

const DAYS: &str = "pg_temp.pg_segmentation_days";
const FEATURE_ROWS: &str = "pg_temp.pg_segmentation_features";
const SCORES: &str = "pg_temp.pg_segmentation_scores";

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

/// Profiles from trades, stored, and rolled up to `FEATURE_ROWS(account, v, volume)`. Answers the instant they are of.
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
    store_profiles(definition, &functions)?;
    Ok(as_of)
}

fn report_rejected(account: &str, table: &str, functions: &str, warnings: &mut Vec<String>) -> Result<()> {
    let rejected = format!("SELECT coalesce(sum({functions}.rejected_trades(profile)), 0)::bigint FROM {DAYS}");
    let rejected: i64 = spi::write(&rejected, &[], |r| Ok(r.get(0, 1).unwrap_or(0)))?;
    if rejected > 0 {
        warnings.push(format!(
            "{rejected} trades rejected (a number negative, not finite or beyond 1e20 USD, or no finite time)"
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
fn store_profiles(definition: &Definition, functions: &str) -> Result<()> {
    let Some(profiles) = definition.profiles()? else { return Ok(()) };
    let table = profiles.quoted();
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

fn ready_made_features(definition: &Definition, source: &Relation) -> Result<()> {
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

/// What the model's features are: those of the catalogue, or columns of the user's.
fn specs(definition: &Definition) -> Vec<FeatureSpec> {
    let own = |name: &String| FeatureSpec {
        name: name.clone(),
        label: name.replace('_', " "),
        unit: String::new(),
        group: "own".into(),
        transform: Transform::Identity,
    };
    match definition.kind {
        Source::Features => definition.features.iter().map(own).collect(),
        Source::Trades => definition.features.iter().filter_map(|n| index_of(n)).map(|i| FEATURES[i].spec()).collect(),
    }
}

/// The feature vectors of the accounts that the model is fitted on, in the order of their keys.
struct Matrix {
    values: Vec<f64>,
    volume: Vec<f64>,
    sampled_from: Option<u64>,
}

impl Matrix {
    fn read(definition: &Definition, request: &Request) -> Result<Matrix> {
        let width = definition.features.len();
        let count = format!("SELECT count(*) FROM {FEATURE_ROWS}");
        let rows = spi::write(&count, &[], |r| Ok(r.get::<i64>(0, 1).unwrap_or(0)))? as u64;
        if rows == 0 {
            return Err(Failure::not_ready(format!("segmentation \"{}\" has no accounts to fit on", definition.name))
                .hint("the source is empty, or has nothing in the look-back before as_of"));
        }
        let budget = settings::fit_memory() as u64;
        let fitting = (budget / (width as u64 * 8 * COPIES)).max(1_000);
        // The hash of a key does not depend on the order of rows, so the sample is the same on every machine.
        let share = (fitting < rows).then(|| (fitting as f64 / rows as f64 * (1u64 << 31) as f64) as i64);
        let order = format!("account{}", order_collation(definition.key_type));
        let sql = format!(
            "SELECT v, volume FROM {FEATURE_ROWS}
             WHERE $1 IS NULL OR (pg_catalog.hashtextextended(account::text COLLATE \"C\", $2) & 2147483647) < $1
             ORDER BY {order}"
        );
        let seed = request.options.seed as i64;
        let mut matrix = Matrix { values: Vec::new(), volume: Vec::new(), sampled_from: share.map(|_| rows) };
        spi::write(&sql, &[maybe(share), arg(seed)], |r| {
            matrix.values.reserve_exact(r.len() * width);
            let mut row = Vec::new();
            for i in 0..r.len() {
                if i % 10_000 == 0 {
                    pgrx::check_for_interrupts!();
                }
                match r.raw(i, 1) {
                    Some(array) => datum::float_array(array, &mut row),
                    None => row.clear(),
                }
                row.resize(width, f64::NAN);
                matrix.values.extend_from_slice(&row);
                matrix.volume.push(r.get::<f64>(i, 2).unwrap_or(0.0));
            }
            Ok(())
        })?;
        if share.is_some() {
            notice(&format!(
                "fitting on a sample of {} of {rows} accounts, which is what maintenance_work_mem holds; all are assigned",
                matrix.volume.len()
            ));
        }
        Ok(matrix)
    }

    /// Volume shares are told only where the source has volumes.
    fn input(self, specs: Vec<FeatureSpec>) -> Result<FitInput> {
        let volume = self.volume.iter().any(|v| *v > 0.0).then_some(self.volume);
        Ok(FitInput::from_rows(specs, self.values, volume)?)
    }
}

/// Text keys are ordered by their bytes, so that the model does not depend on the database's collation.
fn order_collation(key: pgrx::pg_sys::Oid) -> &'static str {
    match datum::base_type(key) {
        pgrx::pg_sys::TEXTOID | pgrx::pg_sys::VARCHAROID | pgrx::pg_sys::BPCHAROID => " COLLATE \"C\"",
        _ => "",
    }
}

/// Writes the model as the next version.
fn store(definition: &Definition, model: &Model) -> Result<i32> {
    let sql = "SELECT coalesce(pg_catalog.max(version), 0) + 1 FROM segmentation.fit
               WHERE segmentation OPERATOR(pg_catalog.=) $1";
    // Two fits of one segmentation exclude each other by the lock on its table, so the number is free.
    let version = catalogue::read(sql, &[arg(definition.name.clone())], |r| Ok(r.get::<i32>(0, 1).unwrap_or(1)))?;
    let user = spi::read("SELECT current_user::text", &[], |r| Ok(r.text(0, 1)))?;
    catalogue::run(
        "INSERT INTO segmentation.fit (segmentation, version, model, accounts, created_by)
         VALUES ($1, $2, CAST($3 AS segmentation.model), $4, $5)",
        &[
            arg(definition.name.clone()),
            arg(version),
            arg(model.to_json()?),
            arg(model.segments.iter().map(|s| s.accounts as i64).sum::<i64>()),
            maybe(user),
        ],
    )?;
    Ok(version)
}

/// Scores every account, gives segments their ids and names, stores the model, makes it active.
fn assign(definition: &Definition, segments: &Relation, model: &mut Model) -> Result<()> {
    score_all(model)?;
    let next = keep_labels(definition, segments, model)?;
    let version = store(definition, model)?;
    write_segments(segments, model, version)?;
    catalogue::run(
        "UPDATE segmentation.definition SET active_version = $2, next_segment_id = $3
         WHERE name OPERATOR(pg_catalog.=) $1",
        &[arg(definition.name.clone()), arg(version), arg(next)],
    )?;
    crate::pg::lookup::announce_change();
    Ok(())
}

/// Scores every account of `FEATURE_ROWS` into `SCORES(account, s)`.
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
            upsert = UPSERT,
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

/// What happens to an account that has a segment already.
pub const UPSERT: &str = "ON CONFLICT (account) DO UPDATE SET
  segment_id = EXCLUDED.segment_id, segment = EXCLUDED.segment, model_segment_id = EXCLUDED.model_segment_id,
  margin = EXCLUDED.margin, model_version = EXCLUDED.model_version, quality = EXCLUDED.quality,
  since = CASE WHEN old.segment_id = EXCLUDED.segment_id THEN old.since ELSE EXCLUDED.since END";

/// Segments that continue one of the active model keep its id and name: those that share more than half of their
/// common members (Jaccard above 0.5; there can be only one such pair for either side). Others get new ids, never one
/// that was used before. Answers the next free id.
fn keep_labels(definition: &Definition, segments: &Relation, model: &mut Model) -> Result<i32> {
    let sql = format!(
        "WITH both_ AS (SELECT o.segment_id, o.segment, n.s[1]::int AS place
                        FROM {} o JOIN {SCORES} n ON n.account = o.account WHERE o.segment_id IS NOT NULL),
              cells AS (SELECT segment_id, pg_catalog.min(segment) AS segment, place, count(*) AS n
                        FROM both_ GROUP BY segment_id, place)
         SELECT place, segment_id, segment FROM (
           SELECT place, segment_id, segment, n,
                  pg_catalog.sum(n) OVER (PARTITION BY place) + pg_catalog.sum(n) OVER (PARTITION BY segment_id) - n AS either
           FROM cells) c
         WHERE 2 * n > either",
        segments.quoted()
    );
    let kept = spi::write(&sql, &[], |r| {
        Ok((0..r.len())
            .filter_map(|i| Some((r.get::<i32>(i, 1)? as usize - 1, r.get::<i32>(i, 2)?, r.text(i, 3)?)))
            .collect::<Vec<_>>())
    })?;
    let mut next = definition.next_segment_id;
    for i in 0..model.segments.len() {
        match kept.iter().find(|(place, _, _)| *place == i) {
            Some((_, id, name)) => {
                model.segments[i].id = *id;
                model.segments[i].name = name.clone();
            }
            None => {
                model.segments[i].id = next;
                next += 1;
                let wish = model.segments[i].name.clone();
                let taken = |name: &str| kept.iter().any(|(_, _, kept)| kept == name);
                let free = std::iter::once(wish.clone())
                    .chain((2..).map(|n| format!("{wish} ({n})")))
                    .find(|name| !taken(name));
                model.segments[i].name = free.unwrap_or(wish);
            }
        }
    }
    Ok(next)
}

fn summary(model: &Model) -> Vec<Vec<Cell>> {
    // What concerns the whole model is said once, with the first segment.
    let warnings = |i: usize| if i == 0 { model.provenance.warnings.clone() } else { Vec::new() };
    model
        .segments
        .iter()
        .enumerate()
        .map(|(i, s)| {
            vec![
                Cell::Int(s.id),
                Cell::text(s.name.clone()),
                Cell::Big(s.accounts as i64),
                Cell::Float(s.share),
                Cell::option(s.volume_share, Cell::Float),
                Cell::text(s.description.clone()),
                Cell::Texts(warnings(i)),
            ]
        })
        .collect()
}
