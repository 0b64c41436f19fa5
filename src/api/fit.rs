//! `fit_segmentation`: one transaction from trades to assigned accounts.
//!
//! 1. Lock the segmentation's tables against other writers, so that a trade inserted meanwhile is counted once.
//! 2. One pass over the trades makes the profiles by account and day; in parallel, because it is a CREATE TABLE AS.
//! 3. Profiles of the look-back roll up to a feature vector an account.
//! 4. The model is fitted on threads; the backend waits and answers cancels.
//! 5. Every account is scored by the stored model, segments keep the ids and names of those they continue, and the
//!    model is written as a candidate. If it is to be active, and enough accounts keep their segment, the profiles and the
//!    segments are written too.
//!
//! A cancel or an error at any point leaves nothing: temporary tables go with the transaction.

use crate::api::catalogue::{self, Definition, Source};
use crate::api::declare::lookback_text;
use crate::api::matrix::{self, Matrix};
use crate::api::models::align::{keep_labels, refusal, Continuity};
use crate::api::models::event::{self, Event, State};
use crate::api::models::version::{store, switch};
use crate::api::ready_made;
use crate::api::rights::{check_approver, check_modeller};
use crate::api::scratch::{self, drop_scratch, score_all, trade_features, Wanted};
use crate::api::sources::custom::with_weights;
use crate::pg::call::{Call, Rows};
use crate::pg::datum::{self, Cell};
use crate::pg::error::{warning, Failure, Result};
use crate::pg::identity::{SafePath, Setting};
use crate::pg::relation::Relation;
use crate::pg::spi::{self, time};
use crate::pg::threads;
use crate::sql_function;
use pgrx::PgSqlErrorCode;
use segmentation::cluster::{Algorithm, Settings};
use segmentation::model::{self, FitInput, FitOptions, Model};
use segmentation::profile::features::Market;
use serde_json::{json, Value};

sql_function!("segmentation_fit", 13, fit);

/// What makes a model: enough to make it again.
pub struct Request {
    pub options: FitOptions,
    pub as_of: Option<i64>,
    pub lookback: Option<String>,
    /// Accounts with fewer trades are new
    pub min_trades: u64,
    /// Which accounts it is made of
    pub rows: matrix::Rows,
}

/// What is to become of it.
struct Wish {
    activate: bool,
    force: bool,
    reason: Option<String>,
}

/// Where the arguments of a fit are; `k` only where it can be given.
pub struct Places {
    pub k: Option<usize>,
    pub k_max: usize,
    pub algorithm: usize,
    pub preparation: usize,
    pub as_of: usize,
    pub lookback: usize,
    pub seed: usize,
    pub settings: usize,
    pub min_trades: usize,
}

const FIT: Places = Places {
    k: Some(1),
    k_max: 2,
    algorithm: 3,
    preparation: 4,
    as_of: 5,
    lookback: 6,
    seed: 7,
    settings: 9,
    min_trades: 10,
};

/// Reads the arguments; the look-back is the segmentation's where none is given.
pub fn request(call: &Call, definition: &Definition, at: &Places) -> Result<Request> {
    let algorithm = call.text(at.algorithm)?.map_or(Ok(Algorithm::default()), Algorithm::parse)?;
    let positive = |i, name: &str, low: i32, hint: &str| -> Result<Option<usize>> {
        match call.get::<i32>(i) {
            None => Ok(None),
            Some(v) if v < low || v as usize > model::MAX_SEGMENTS => {
                Err(Failure::invalid(format!("{name} = {v} is outside {low} to {}", model::MAX_SEGMENTS)).hint(hint))
            }
            Some(v) => Ok(Some(v as usize)),
        }
    };
    let preparation = call.raw(at.preparation).map(datum::json).transpose()?;
    let as_of = call.i64(at.as_of);
    if as_of.is_some_and(|t| t == i64::MAX || t == i64::MIN) {
        return Err(
            Failure::invalid("as_of must be finite").hint("leave it out for the end of the last day with a trade")
        );
    }
    let settings = call.raw(at.settings).map(datum::json).transpose()?;
    let min_trades = call.get::<i32>(at.min_trades).unwrap_or(1);
    if min_trades < 1 {
        return Err(Failure::invalid(format!("min_trades = {min_trades} is below the limit of 1"))
            .hint("1 leaves no account out that has a trade in the look-back"));
    }
    if definition.kind == Source::Features && min_trades > 1 {
        return Err(Failure::invalid("min_trades is for segmentations made from trades")
            .hint("leave accounts that are too new out of the table of ready-made features"));
    }
    Ok(Request {
        options: FitOptions {
            k: match at.k {
                Some(i) => positive(i, "k", 1, "leave k out to have the number of segments chosen")?,
                None => None,
            },
            k_max: positive(
                at.k_max,
                "k_max",
                2,
                "k_max is the largest number of segments that is tried; for one segment, k => 1",
            )?
            .unwrap_or(10),
            seed: call.i64(at.seed).unwrap_or(1) as u64,
            algorithm,
            settings: Settings::from_json(algorithm, settings.as_ref())?,
            preparation,
        },
        as_of,
        lookback: match call.raw(at.lookback) {
            None => definition.lookback.clone(),
            given => Some(lookback_text(given)?),
        },
        min_trades: min_trades as u64,
        rows: matrix::Rows::Fitting,
    })
}

fn fit(call: &Call) -> Result<Rows> {
    let _writer = spi::Writer::command(c"fit_segmentation()");
    let definition = catalogue::resolve(call.text(0)?)?;
    let wish = Wish {
        activate: call.bool(8).unwrap_or(true),
        force: call.bool(11).unwrap_or(false),
        reason: event::reason(call, 12)?,
    };
    event::forced(wish.force, wish.reason.as_deref())?;
    let segments = if wish.activate { check_approver(&definition)? } else { check_modeller(&definition)? };
    let request = request(call, &definition, &FIT)?;
    let (_path, _plain) = (SafePath::set(), Setting::interpreted());
    let source = definition.source()?;
    if wish.activate {
        lock(&definition, &segments)?;
    }
    drop_scratch()?;
    let (mut model, as_of) = fit_rows(&definition, &source, &request)?;
    let told = assign(&segments, &definition, &wish, &mut model, as_of)?;
    drop_scratch()?;
    Ok(Rows(summary(&model, told)))
}

/// The rows of a fit before they are clustered.
pub struct Unfitted {
    pub input: FitInput,
    pub options: FitOptions,
    as_of: Option<i64>,
    market: Option<Market>,
    sampled_from: Option<u64>,
    sampled_below: Option<u64>,
    warnings: Vec<String>,
}

/// Makes the rows; what they were made of stays in the scratch tables.
pub fn unfitted(definition: &Definition, source: &Relation, request: &Request) -> Result<Unfitted> {
    let mut warnings = Vec::new();
    let mut options = request.options.clone();
    let (as_of, specs, market) = match definition.kind {
        Source::Trades => {
            let lookback = request.lookback.as_deref();
            let wanted = Wanted::Declared { min_trades: request.min_trades };
            let made = trade_features(definition, source, request.as_of, lookback, wanted, &mut warnings)?;
            options.preparation = with_weights(options.preparation, &made.vector.custom);
            (Some(made.as_of), made.vector.specs(), made.market)
        }
        Source::Features => {
            let own = ready_made::of_fit(definition, source)?;
            scratch::ready_made_features(definition, source, &own)?;
            options.preparation = with_weights(options.preparation, &own);
            (request.as_of, ready_made::specs(&own), None)
        }
    };
    let matrix = Matrix::read(definition, specs.len(), options.seed, request.rows)?;
    let Matrix { sampled_from, sampled_below, .. } = matrix;
    warnings.extend(matrix.announce("fitted"));
    let input = matrix.input(specs)?;
    Ok(Unfitted { input, options, as_of, market, sampled_from, sampled_below, warnings })
}

/// Makes the rows and fits a model on them; what was made of them stays in the scratch tables. Answers the instant that they are
/// of, too.
pub fn fit_rows(definition: &Definition, source: &Relation, request: &Request) -> Result<(Model, Option<i64>)> {
    let Unfitted { input, options, as_of, market, sampled_from, sampled_below, warnings } =
        unfitted(definition, source, request)?;
    let fitted = threads::compute(move |control| model::fit(input, &options, control))?;
    let mut model = fitted.model;
    let p = &mut model.provenance;
    p.sampled_from = sampled_from;
    p.sampled_below = sampled_below;
    p.as_of = as_of.map(time_text).transpose()?;
    p.lookback = request.lookback.clone();
    p.market = market;
    p.parameters.min_trades = request.min_trades;
    p.warnings.splice(0..0, warnings);
    Ok((model, as_of))
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

/// Puts the figures of all accounts in the place of the sample's, where the model was fitted on one. Their scores are in the
/// scratch tables.
pub fn count_sampled(definition: &Definition, model: &mut Model) -> Result<()> {
    if model.provenance.sampled_from.is_some() {
        let (accounts, volumes, noise) = scratch::count_all(definition, model.k())?;
        model.recount(&accounts, &volumes, noise)?;
    }
    Ok(())
}

/// Scores every account, gives segments their ids and names and stores the model; makes it active if that is wanted and
/// enough accounts keep their segment. Answers what the user should know beside the model's own warnings.
fn assign(
    segments: &Relation,
    definition: &Definition,
    request: &Wish,
    model: &mut Model,
    as_of: Option<i64>,
) -> Result<Vec<String>> {
    score_all(model)?;
    count_sampled(definition, model)?;
    let definition = catalogue::lock_row(&definition.name)?;
    let continuity = keep_labels(&definition, segments, model)?;
    model.warn_of_sizes();
    let version = store(&definition, model)?;
    let p = &model.provenance;
    let details = json!({
        "algorithm": model.algorithm.name(),
        "k": model.k(),
        "seed": p.seed,
        "as_of": p.as_of,
        "lookback": p.lookback,
        "accounts": p.rows,
        "rows_hash": p.rows_hash,
    });
    let mut details = details.as_object().cloned().unwrap_or_default();
    if let Some(Value::Object(more)) = continuity.as_ref().map(Continuity::details) {
        details.extend(more);
    }
    Event::of_version("fit", version, None, Some(State::Candidate))
        .reason(request.reason.as_deref())
        .details(Value::Object(details))
        .record(&definition.name)?;
    let mut told = continuity.as_ref().map(Continuity::sentences).unwrap_or_default();
    if !request.activate {
        return Ok(told);
    }
    let refused = continuity.as_ref().and_then(|c| refusal(&definition, version, c.common, c.continuing, c.together));
    if let Some(refused) = refused.filter(|_| !request.force) {
        let hint = refused.hint.unwrap_or_default();
        warning(&refused.message, &hint);
        told.insert(0, refused.message);
        return Ok(told);
    }
    let event = Event::of_segmentation("activate").reason(request.reason.as_deref()).details(json!({
        "common_accounts": continuity.as_ref().map_or(0, |c| c.common),
        "keep_their_segment": continuity.as_ref().map_or(0, |c| c.continuing),
        "forced": request.force,
    }));
    switch(&definition, segments, model, version, State::Candidate, as_of, event)?;
    Ok(told)
}

fn summary(model: &Model, told: Vec<String>) -> Vec<Vec<Cell>> {
    // What concerns the whole model is said once, with the first segment.
    let all: Vec<String> = told.into_iter().chain(model.provenance.warnings.iter().cloned()).collect();
    let warnings = |i: usize| if i == 0 { all.clone() } else { Vec::new() };
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
