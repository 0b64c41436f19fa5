//! `export_model` and `import_model`: a model as JSON, from one database to another.
//!
//! Some figures of a model are somebody's: centroids of small segments, bounds and quantiles that few accounts lie beyond, the
//! rows that density clustering keeps. An export under a stated size holds none of them: it is refused, or masked.

use crate::api::catalogue::{self, Definition, Source};
use crate::api::models::activate::candidate;
use crate::api::models::align::{names, version_ids};
use crate::api::models::event::{reason, Event, State};
use crate::api::models::names::checked;
use crate::api::models::version::store;
use crate::api::ready_made;
use crate::api::report::missing;
use crate::api::sources::Sources;
use crate::api::vector::Vector;
use crate::pg::call::{Call, Raw};
use crate::pg::datum;
use crate::pg::error::{Failure, Result};
use crate::pg::identity::SafePath;
use crate::pg::spi::{self, arg};
use crate::pg::trigger::contained;
use crate::sql_function;
use pgrx::PgSqlErrorCode;
use segmentation::model::Model;
use segmentation::profile::features::index_of;
use segmentation::profile::FEATURES;
use serde_json::{json, Value};

sql_function!("segmentation_export_model", 4, export);
sql_function!("segmentation_import_model", 3, import);

const FORMAT: &str = "pg_segmentation model";
const FORMAT_VERSION: u64 = 1;
/// Of the export as jsonb, in bytes.
const LIMIT: usize = 32 << 20;
/// Why a model is not exported: at most so many are listed.
const REASONS: usize = 3;

fn export(call: &Call) -> Result<Option<Raw>> {
    let definition = catalogue::resolve(call.text(0)?)?;
    definition.check_model_reader()?;
    let least = call.get::<i32>(2).unwrap_or(20);
    if least < 1 {
        return Err(Failure::invalid(format!("min_accounts = {least} is below the limit of 1"))
            .hint("1 exports segments of any size"));
    }
    let (version, model) = definition.model(call.get(1))?;
    let personal = model.disclosure(least as u64);
    let mask = call.bool(3).unwrap_or(false);
    if !personal.is_empty() && !mask {
        let reasons = personal.reasons(&model);
        let more = reasons.len().saturating_sub(REASONS);
        let more = if more > 0 { format!("; and {more} more") } else { String::new() };
        return Err(Failure::new(
            PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE,
            format!(
                "version {version} tells of fewer accounts than min_accounts = {least}: {}{more}",
                reasons[..reasons.len().min(REASONS)].join("; ")
            ),
        )
        .hint("mask => true leaves that out, for reading; min_accounts => 1 exports it all, to be kept as the accounts themselves are"));
    }
    let mut document = json!({
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "segmentation": definition.name,
        "version": version,
    });
    if personal.is_empty() {
        document["hash"] = json!(model.content_hash()?);
    } else {
        // Without the hash: it would confirm a guess at what is left out.
        document["masked"] = json!(personal.hidden.iter().map(|&i| model.segments[i].id).collect::<Vec<_>>());
        document["min_accounts"] = json!(least);
    }
    document["model"] = model.masked(&personal)?;
    spi::read("SELECT $1::jsonb", &[arg(document.to_string())], |r| {
        // What cannot be imported is no export; a summary is for reading.
        let size = r.bytes(0, 1).map_or(0, <[u8]>::len);
        if size > LIMIT && personal.is_empty() {
            return Err(Failure::new(
                PgSqlErrorCode::ERRCODE_PROGRAM_LIMIT_EXCEEDED,
                format!("the export of version {version} has {size} bytes, more than the {LIMIT} that import_model reads"),
            )
            .hint("dbscan and hdbscan keep rows of accounts: fit fewer accounts, or another algorithm; segment_model has the model here"));
        }
        Ok(r.kept(0, 1).map(Raw))
    })
}

fn import(call: &Call) -> Result<Option<i32>> {
    let _writer = spi::Writer::command(c"import_model()");
    let (definition, _) = candidate(Some(call.required(0, "segmentation")?))?;
    let given = call.raw(1).ok_or_else(|| {
        Failure::new(PgSqlErrorCode::ERRCODE_NULL_VALUE_NOT_ALLOWED, "model must not be null")
            .hint("pass what export_model gave")
    })?;
    let why = reason(call, 2)?;
    let size = call.bytes(1).map_or(0, <[u8]>::len);
    if size > LIMIT {
        return Err(Failure::invalid(format!("the model has {size} bytes, more than the limit of {LIMIT}"))
            .hint("an export of pg_segmentation is far smaller; fit fewer segments"));
    }
    let mut model = decoded(datum::json(given)?)?;
    let _path = SafePath::set();
    check_times(&model)?;
    check_features(&definition, &model)?;
    let definition = catalogue::lock_row(&definition.name)?;
    let from = (model.segments.iter().map(|s| s.id).collect::<Vec<_>>(), model.content_hash()?);
    let known = renumber(&definition, &mut model, &from.1)?;
    let version = store(&definition, &model)?;
    let new: Vec<i32> = model.segments.iter().map(|s| s.id).collect();
    Event::of_version("import", version, None, Some(State::Candidate))
        .reason(why.as_deref())
        .details(json!({ "hash": from.1, "same_as_version": known, "ids_there": from.0, "ids_here": new }))
        .record(&definition.name)?;
    Ok(Some(version))
}

fn malformed(what: impl std::fmt::Display) -> Failure {
    Failure::invalid(format!("this is no export of a model: {what}")).hint("pass what export_model gave, unchanged")
}

fn decoded(mut document: Value) -> Result<Model> {
    if !document.is_object() {
        return Err(malformed("it is not a JSON object"));
    }
    if document["format"] != FORMAT {
        return Err(malformed(format!("\"format\" is not \"{FORMAT}\"")));
    }
    if document["format_version"] != FORMAT_VERSION {
        let version = document["format_version"].to_string();
        return Err(Failure::invalid(format!(
            "export format {version} is not known, this version reads {FORMAT_VERSION}"
        ))
        .hint("update the extension to the version that wrote it"));
    }
    if document.get("masked").is_some() {
        return Err(Failure::invalid("a masked export is for reading and cannot be imported")
            .hint("export it without mask, where that may be done"));
    }
    let known = ["format", "format_version", "segmentation", "version", "hash", "model"];
    if let Some(key) = document.as_object().into_iter().flatten().map(|(k, _)| k).find(|k| !known.contains(&k.as_str()))
    {
        return Err(malformed(format!("unknown key \"{key}\"")));
    }
    let model = Model::from_json(&document["model"].take().to_string()).map_err(|e| malformed(e.message))?;
    if document["hash"] != model.content_hash()? {
        return Err(malformed("its hash is not that of the model in it"));
    }
    Ok(model)
}

/// The look-back and the instant are texts that activation and reproduce_model read.
fn check_times(model: &Model) -> Result<()> {
    let p = &model.provenance;
    let texts = [
        ("lookback", &p.lookback, "SELECT $1::interval >= interval '1 day'"),
        ("as_of", &p.as_of, "SELECT pg_catalog.isfinite($1::timestamptz)"),
    ];
    for (name, text, sql) in texts {
        let Some(text) = text.clone() else { continue };
        let value = text.clone();
        // The error of a text that is none says nothing of where it came from.
        let good = contained(move || spi::read(sql, &[arg(value)], |r| Ok(r.get(0, 1).unwrap_or(false))));
        if !good.unwrap_or(false) {
            return Err(malformed(format!("its {name} is \"{text}\"")));
        }
    }
    Ok(())
}

/// The first input that a feature of the model needs and nothing gives.
fn unfed(definition: &Definition, sources: &Sources, vector: &Vector) -> Option<String> {
    let has = |input: &str| definition.columns.get(input).is_some_and(Value::is_string) || sources.provide(input);
    vector.built_in.iter().filter_map(|n| index_of(n)).find_map(|i| {
        let input = missing(&FEATURES[i], &has)?;
        Some(format!("the feature \"{}\" needs the input \"{input}\", which no column gives", FEATURES[i].name))
    })
}

/// The segmentation has to have the features that the model scores.
fn check_features(definition: &Definition, model: &Model) -> Result<()> {
    let lost = match definition.kind {
        Source::Features => {
            let own = ready_made::of_model(model).into_iter().find(|c| !definition.features.contains(&c.column));
            own.map(|c| format!("the column \"{}\" is none of its features", c.column))
        }
        Source::Trades => {
            let sources = Sources::of(&definition.name)?;
            match Vector::of_model(model, &sources) {
                Ok(vector) => unfed(definition, &sources, &vector),
                Err(failure) => Some(failure.message),
            }
        }
    };
    let Some(lost) = lost else { return Ok(()) };
    Err(Failure::invalid(format!("segmentation \"{}\" cannot score this model: {lost}", definition.name))
        .hint("describe_segmentation lists the features it has; a model needs all of those that it was fitted on"))
}

/// Ids of another database mean nothing here: new ones, unless a version here has the same content; then those, with the
/// names that they have. Answers that version.
fn renumber(definition: &Definition, model: &mut Model, hash: &str) -> Result<Option<i32>> {
    let sql =
        "SELECT version FROM segmentation.fit WHERE segmentation = $1 AND hash = $2 ORDER BY version DESC LIMIT 1";
    let known = catalogue::read(sql, &[arg(definition.name.clone()), arg(hash.to_string())], |r| {
        Ok((r.len() > 0).then(|| r.get::<i32>(0, 1)).flatten())
    })?;
    let ids = match known {
        Some(version) => version_ids(definition, version)?,
        None => (definition.next_segment_id..=i32::MAX).take(model.k()).collect(),
    };
    if ids.len() != model.k() {
        return Err(Failure::new(PgSqlErrorCode::ERRCODE_PROGRAM_LIMIT_EXCEEDED, "there are no segment ids left"));
    }
    let named = if known.is_some() { names(definition, &ids)? } else { Default::default() };
    for (segment, id) in model.segments.iter_mut().zip(ids) {
        segment.id = id;
        segment.name = match named.get(&id) {
            Some(name) => name.clone(),
            None => checked(&segment.name)?,
        };
    }
    Ok(known)
}
