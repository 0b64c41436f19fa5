//! `activate_model`, `rollback_model`, `reject_model`, `alter_segmentation`.

use crate::api::catalogue::{self, Definition, Source};
use crate::api::fit::lock;
use crate::api::models::align::{continuing, refusal};
use crate::api::models::event::{activations, forced, reason, Event, State};
use crate::api::models::version::{set_state, state, switch};
use crate::api::ready_made;
use crate::api::rights::{check_approver, check_modeller};
use crate::api::scratch::{drop_scratch, ready_made_features, score_all, trade_features, Wanted};
use crate::pg::call::Call;
use crate::pg::error::{Failure, Result};
use crate::pg::identity::{SafePath, Setting};
use crate::pg::relation::Relation;
use crate::pg::spi::{self, arg};
use crate::sql_function;
use pgrx::PgSqlErrorCode;
use segmentation::model::Model;
use serde_json::json;

sql_function!("segmentation_activate_model", 4, activate);
sql_function!("segmentation_rollback_model", 2, rollback);
sql_function!("segmentation_reject_model", 3, reject);
sql_function!("segmentation_alter", 3, alter);

/// Number of a version that has to be given.
pub fn required_version(call: &Call, i: usize, name: &str) -> Result<i32> {
    call.get::<i32>(i).ok_or_else(|| {
        Failure::new(PgSqlErrorCode::ERRCODE_NULL_VALUE_NOT_ALLOWED, format!("{name} must not be null"))
            .hint("the view segmentation.models lists the versions")
    })
}

/// Scores of all accounts as they are now, by a stored model, in the scratch tables. Answers the instant, where features have
/// one.
pub fn score_now(definition: &Definition, source: &Relation, model: &Model) -> Result<Option<i64>> {
    drop_scratch()?;
    let as_of = match definition.kind {
        Source::Trades => {
            let lookback = model.provenance.lookback.as_deref();
            Some(trade_features(definition, source, None, lookback, Wanted::Of(model), &mut Vec::new())?.as_of)
        }
        Source::Features => {
            ready_made_features(definition, source, &ready_made::of_model(model))?;
            None
        }
    };
    score_all(model)?;
    Ok(as_of)
}

/// The segmentation with its tables locked, as it is after waiting for them.
fn locked(name: &str) -> Result<(Definition, Relation)> {
    let definition = catalogue::resolve(Some(name))?;
    let segments = check_approver(&definition)?;
    lock(&definition, &segments)?;
    let definition = catalogue::lock_row(&definition.name)?;
    Ok((definition, segments))
}

fn activate(call: &Call) -> Result<Option<i32>> {
    let _writer = spi::Writer::command(c"activate_model()");
    let name = call.required(0, "segmentation")?;
    let version = required_version(call, 1, "version")?;
    let (force, why) = (call.bool(2).unwrap_or(false), reason(call, 3)?);
    forced(force, why.as_deref())?;
    let (_path, _plain) = (SafePath::set(), Setting::interpreted());
    let (definition, segments) = locked(name)?;
    let from = state(&definition, version)?;
    let refused = |why: &str, hint: &str| {
        let message = format!("version {version} of segmentation \"{}\" {why}", definition.name);
        Err(Failure::not_ready(message).hint(hint))
    };
    match from {
        State::Active => {
            return refused("is active already", "fit_segmentation brings the segments of a changed table up to date")
        }
        State::Rejected => {
            return refused(
                "was rejected, which is for good",
                "segmentation.events says by whom and why; fit a new one",
            )
        }
        State::Candidate | State::Retired => (),
    }
    let (_, model) = definition.model(Some(version))?;
    let as_of = score_now(&definition, &definition.source()?, &model)?;
    let ids: Vec<i32> = model.segments.iter().map(|s| s.id).collect();
    let (common, same, together) = continuing(&definition, &segments, &ids)?;
    let refusal = refusal(&definition, version, common, same, together);
    if let Some(refusal) = refusal.filter(|_| !force) {
        return Err(refusal);
    }
    let event = Event::of_segmentation("activate").reason(why.as_deref()).details(json!({
        "common_accounts": common,
        "keep_their_segment": same,
        "forced": force,
    }));
    switch(&definition, &segments, &model, version, from, as_of, event)?;
    drop_scratch()?;
    Ok(Some(version))
}

fn rollback(call: &Call) -> Result<Option<i32>> {
    let _writer = spi::Writer::command(c"rollback_model()");
    let name = call.required(0, "segmentation")?;
    let why = reason(call, 1)?;
    let (_path, _plain) = (SafePath::set(), Setting::interpreted());
    let (definition, segments) = locked(name)?;
    let now = definition.active()?;
    let mut before = activations(&definition.name)?;
    before.pop();
    let target = loop {
        match before.pop() {
            Some(v) if v != now && state(&definition, v)? == State::Retired => break v,
            Some(_) => (),
            None => {
                return Err(Failure::not_ready(format!(
                    "no version of segmentation \"{}\" was active before version {now}",
                    definition.name
                ))
                .hint("activate_model makes any candidate the active version"))
            }
        }
    };
    let (_, model) = definition.model(Some(target))?;
    let as_of = score_now(&definition, &definition.source()?, &model)?;
    let event = Event::of_segmentation("rollback").reason(why.as_deref()).details(json!({ "from_version": now }));
    switch(&definition, &segments, &model, target, State::Retired, as_of, event)?;
    drop_scratch()?;
    Ok(Some(target))
}

fn reject(call: &Call) -> Result<()> {
    let _writer = spi::Writer::command(c"reject_model()");
    let definition = catalogue::resolve(Some(call.required(0, "segmentation")?))?;
    let version = required_version(call, 1, "version")?;
    let why = reason(call, 2)?.ok_or_else(|| {
        Failure::invalid("a rejection takes a reason").hint("reason => 'why this version is not used'")
    })?;
    check_approver(&definition)?;
    let _path = SafePath::set();
    let definition = catalogue::lock_row(&definition.name)?;
    let from = state(&definition, version)?;
    let refused = |why: &str, hint: &str| {
        let message = format!("version {version} of segmentation \"{}\" {why}", definition.name);
        Err(Failure::not_ready(message).hint(hint))
    };
    match from {
        State::Active => return refused("is active", "activate another one first, or go back with rollback_model"),
        State::Rejected => return refused("was rejected already", "segmentation.events says by whom and why"),
        State::Candidate | State::Retired => (),
    }
    set_state(&definition, version, State::Rejected)?;
    Event::of_version("reject", version, Some(from), Some(State::Rejected)).reason(Some(&why)).record(&definition.name)
}

fn alter(call: &Call) -> Result<()> {
    let _writer = spi::Writer::command(c"alter_segmentation()");
    let definition = catalogue::resolve(Some(call.required(0, "segmentation")?))?;
    let (overlap, why) = (call.f64(1), reason(call, 2)?);
    definition.check_owner()?;
    let _path = SafePath::set();
    let Some(overlap) = overlap else { return Ok(()) };
    if !(0.0..=1.0).contains(&overlap) {
        return Err(Failure::invalid(format!("min_overlap = {overlap} is outside 0 to 1"))
            .hint("0.5: at least half of the common accounts keep their segment; 0: any model may be activated"));
    }
    let definition = catalogue::lock_row(&definition.name)?;
    catalogue::run(
        "UPDATE segmentation.definition SET min_overlap = $2 WHERE name = $1",
        &[arg(definition.name.clone()), arg(overlap)],
    )?;
    Event::of_segmentation("alter")
        .reason(why.as_deref())
        .details(json!({ "min_overlap": { "from": definition.min_overlap, "to": overlap } }))
        .record(&definition.name)
}

/// What storing a candidate takes; for the callers that do no more.
pub fn candidate(name: Option<&str>) -> Result<(Definition, Relation)> {
    let definition = catalogue::resolve(name)?;
    let segments = check_modeller(&definition)?;
    Ok((definition, segments))
}
