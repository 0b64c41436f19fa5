//! `fit_segmentation`: one transaction from trades to assigned accounts.
//!
//! 1. Lock the segmentation's tables against other writers, so that a trade inserted meanwhile is counted once.
//! 2. One pass over the trades makes the profiles by account and day; in parallel, because it is a CREATE TABLE AS.
//! 3. Profiles of the look-back roll up to a feature vector an account.
//! 4. The model is fitted on threads; the backend waits and answers cancels.
//! 5. Every account is scored by the stored model, segments keep the ids and names of those they continue, and the
//!    model, the profiles and the segments are written. A model that is not activated is written alone.
//!
//! A cancel or an error at any point leaves nothing: temporary tables go with the transaction.

use crate::api::catalogue::{self, Definition, Source};
use crate::api::declare::lookback_text;
use crate::api::matrix::Matrix;
use crate::api::scratch::{self, drop_scratch, score_all, trade_features, write_segments, SCORES};
use crate::pg::call::{Call, Rows};
use crate::pg::datum::{self, Cell};
use crate::pg::error::{Failure, Result};
use crate::pg::identity::SafePath;
use crate::pg::relation::Relation;
use crate::pg::spi::{self, arg, maybe, time};
use crate::pg::threads;
use crate::sql_function;
use pgrx::PgSqlErrorCode;
use segmentation::model::{self, FitOptions, Model};
use segmentation::prepare::{FeatureSpec, Transform};
use segmentation::profile::features::index_of;
use segmentation::profile::FEATURES;

sql_function!("segmentation_fit", 9, fit);

/// Starts of k-means; the best one is the model.
const STARTS: usize = 10;

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
    let positive = |i, name: &str, low: i32, hint: &str| -> Result<Option<usize>> {
        match call.get::<i32>(i) {
            None => Ok(None),
            Some(v) if v < low || v as usize > model::MAX_SEGMENTS => {
                Err(Failure::invalid(format!("{name} = {v} is outside {low} to {}", model::MAX_SEGMENTS)).hint(hint))
            }
            Some(v) => Ok(Some(v as usize)),
        }
    };
    let preparation = call.raw(4).map(datum::json).transpose()?;
    let as_of = call.i64(5);
    if as_of.is_some_and(|t| t == i64::MAX || t == i64::MIN) {
        return Err(Failure::invalid("as_of must be finite"));
    }
    Ok(Request {
        options: FitOptions {
            k: positive(1, "k", 1, "leave k out to have the number of segments chosen")?,
            k_max: positive(
                2,
                "k_max",
                2,
                "k_max is the largest number of segments that is tried; for one segment, k => 1",
            )?
            .unwrap_or(10),
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
    let _writer = spi::Writer::command(c"fit_segmentation()");
    let definition = catalogue::resolve(call.text(0)?)?;
    let segments = definition.check_owner()?;
    let mut request = request(call)?;
    if request.lookback.is_none() {
        request.lookback = definition.lookback.clone();
    }
    let _path = SafePath::set();
    let source = definition.source()?;
    lock(&definition, &segments)?;
    // Another fit may have ended while this one waited for the lock: its version and segment ids are taken.
    let definition = catalogue::resolve(Some(&definition.name))?;
    drop_scratch()?;
    let mut warnings = Vec::new();
    let as_of = match definition.kind {
        Source::Trades => {
            Some(trade_features(&definition, &source, request.as_of, request.lookback.as_deref(), &mut warnings)?)
        }
        Source::Features => {
            scratch::ready_made_features(&definition, &source)?;
            request.as_of
        }
    };
    let matrix = Matrix::read(&definition, request.options.seed)?;
    let sampled_from = matrix.sampled_from;
    warnings.extend(matrix.warning.clone());
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
        model.warn_of_small_segments();
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

/// Whether every statement of the transaction sees what the first one saw.
pub fn one_snapshot() -> Result<bool> {
    let sql = "SELECT pg_catalog.current_setting('transaction_isolation') <> ALL (ARRAY['read committed', 'read uncommitted'])";
    spi::read(sql, &[], |r| Ok(r.get(0, 1).unwrap_or(false)))
}

fn time_text(at: i64) -> Result<String> {
    let sql = "SELECT pg_catalog.to_char(pg_catalog.timezone('UTC', $1), 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')";
    spi::read(sql, &[time(Some(at))], |r| Ok(r.text(0, 1).unwrap_or_default()))
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
    if model.provenance.sampled_from.is_some() {
        let (accounts, volumes) = scratch::count_all(definition, model.k())?;
        model.recount(&accounts, &volumes)?;
    }
    let next = keep_labels(definition, segments, model)?;
    model.warn_of_small_segments();
    let version = store(definition, model)?;
    write_segments(segments, model, version)?;
    scratch::store_profiles(definition)?;
    catalogue::run(
        "UPDATE segmentation.definition SET active_version = $2, next_segment_id = $3
         WHERE name OPERATOR(pg_catalog.=) $1",
        &[arg(definition.name.clone()), arg(version), arg(next)],
    )?;
    crate::pg::lookup::announce_change();
    Ok(())
}

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
                let before = &model.segments[..i];
                let taken =
                    |name: &str| kept.iter().any(|(_, _, kept)| kept == name) || before.iter().any(|s| s.name == name);
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
