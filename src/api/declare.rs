//! `create_segmentation`, `describe_segmentation`, `drop_segmentation`.

use crate::api::catalogue::{self, Definition, Source};
use crate::api::choose::{chosen_features, names_of_features};
use crate::api::columns::{self, Finding, Mapping};
use crate::api::inputs;
use crate::api::models::event::Event;
use crate::api::ready_made;
use crate::api::report::{self, Report};
use crate::api::rights::{check_readable, check_source};
use crate::api::sources::declare::{requests, Request, Trades};
use crate::api::sources::{self, Role, Sources};
use crate::api::tables::Tables;
use crate::api::triggers;
use crate::pg::call::{Call, Rows};
use crate::pg::datum::{text_array, type_name};
use crate::pg::error::{notice, Failure, Result};
use crate::pg::identity::{current_user, SafePath};
use crate::pg::relation::{creation_schema, existing, Relation};
use crate::pg::spi::{self, arg, maybe, raw};
use crate::sql_function;
use pgrx::{pg_sys, PgSqlErrorCode};
use serde_json::{json, Value};
use std::collections::BTreeMap;

sql_function!("segmentation_create", 8, create);
sql_function!("segmentation_describe", 1, describe);
sql_function!("segmentation_drop", 1, drop_);

/// The inputs of a trade table.
const TRADES: Mapping = Mapping { inputs: inputs::TRADE, required: &["account", "executed_at"], role: None };

/// What a table's suffix leaves of the 63 bytes of a PostgreSQL name.
const NAME_LIMIT: usize = 63 - "_segment_history".len();

/// What `columns` asked for.
#[derive(Default)]
struct Wanted {
    inputs: BTreeMap<String, Option<String>>,
    features: Option<Vec<String>>,
}

fn wanted(json: Option<Value>) -> Result<Wanted> {
    let Some(json) = json else { return Ok(Wanted::default()) };
    let bad = || {
        Failure::invalid("columns is neither an object of inputs to column names nor a list of feature columns")
            .hint("for example columns => '{\"account\": \"trader\", \"side\": null}' or, for ready-made features, columns => '[\"volume\", \"leverage\"]'")
    };
    match json {
        Value::Object(map) => {
            let read = |(k, v): (String, Value)| match v {
                Value::String(s) => Ok((k, Some(s))),
                Value::Null => Ok((k, None)),
                _ => Err(bad()),
            };
            Ok(Wanted { inputs: map.into_iter().map(read).collect::<Result<_>>()?, features: None })
        }
        Value::Array(list) => {
            let names = list.iter().map(|v| v.as_str().map(str::to_string).ok_or_else(bad)).collect::<Result<_>>()?;
            Ok(Wanted { inputs: BTreeMap::new(), features: Some(names) })
        }
        _ => Err(bad()),
    }
}

fn check_name(name: &str) -> Result<()> {
    if name.is_empty() {
        return Err(Failure::invalid("the name of a segmentation must not be empty")
            .hint("its tables carry the name: clients makes clients_segments"));
    }
    if name.len() > NAME_LIMIT {
        return Err(Failure::new(
            PgSqlErrorCode::ERRCODE_NAME_TOO_LONG,
            format!("the name \"{name}\" has {} bytes, more than the limit of {NAME_LIMIT}", name.len()),
        )
        .hint("its tables carry the name with a suffix, and PostgreSQL's names end at 63 bytes"));
    }
    if catalogue::find(name)?.is_some() {
        return Err(Failure::new(
            PgSqlErrorCode::ERRCODE_DUPLICATE_OBJECT,
            format!("segmentation \"{name}\" already exists"),
        )
        .hint("choose another name, or drop it with drop_segmentation"));
    }
    Ok(())
}

fn create(call: &Call) -> Result<Rows> {
    let _writer = spi::Writer::command(c"create_segmentation()");
    let name = call.required(0, "name")?;
    let trades = call.get::<pg_sys::Oid>(1);
    let ready_made = call.get::<pg_sys::Oid>(2);
    let account = call.text(3)?;
    let wanted = wanted(call.raw(4).map(crate::pg::datum::json).transpose()?)?;
    check_name(name)?;
    let (kind, oid) = match (trades, ready_made) {
        (Some(oid), None) => (Source::Trades, oid),
        (None, Some(oid)) => (Source::Features, oid),
        _ => {
            return Err(Failure::invalid("a segmentation is made either from trades or from ready-made features")
                .hint("pass one of trades => 'table' and features => 'table'"))
        }
    };
    let source = existing(oid, "the relation", "check its name")?;
    check_source(&source)?;
    // The caller's own schema and the names of sources, before the search path is made safe.
    let requests = match call.raw(6).map(crate::pg::datum::json).transpose()? {
        None | Some(Value::Null) => Vec::new(),
        Some(json) => requests(json)?,
    };
    let use_features = call.raw(7).map(text_array).map(names_of_features).transpose()?;
    if kind == Source::Features && (!requests.is_empty() || use_features.is_some()) {
        return Err(Failure::invalid("sources and use_features are for segmentations made from trades")
            .hint("ready-made features are chosen by a list: columns => '[\"volume\", \"leverage\"]'"));
    }
    let schema = creation_schema().ok_or_else(|| {
        Failure::new(PgSqlErrorCode::ERRCODE_INVALID_SCHEMA_NAME, "no lasting schema has been selected to create in")
            .hint("set search_path to a schema in which you may create tables")
    })?;
    let _path = SafePath::set();
    let mut report = Report::default();
    let (findings, features, sources) = match kind {
        Source::Trades => trade_inputs(&source, account, wanted, requests, use_features, &mut report)?,
        Source::Features => {
            let (findings, features) = feature_columns(&source, account, wanted, &mut report)?;
            (findings, features, Sources::default())
        }
    };
    let mut columns: Vec<String> = findings.iter().filter_map(|f| f.column.clone()).collect();
    if kind == Source::Features {
        columns.extend_from_slice(&features);
    }
    check_readable(&source, columns)?;
    let key = &findings[0];
    let lookback = match call.raw(5) {
        None => None,
        given => Some(lookback_text(given)?),
    };
    let secured = sources.relations(&[Role::Snapshots, Role::Attributes])?.iter().any(|o| o.relation.row_security);
    let tables = Tables::create(&schema, name, kind, key.type_oid, source.row_security || secured)?;
    let mapping: serde_json::Map<String, Value> =
        findings.iter().filter_map(|f| Some((f.input.to_string(), Value::String(f.column.clone()?)))).collect();
    let owner = spi::read("SELECT pg_catalog.pg_get_userbyid($1)::text", &[arg(current_user())], |r| Ok(r.text(0, 1)))?;
    catalogue::run(
        "INSERT INTO segmentation.definition
           (name, kind, source, profiles, segments, account, key_type, columns, features, lookback, owner)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8::jsonb, $9, $10::interval, $11)",
        &[
            arg(name.to_string()),
            arg(kind.name().to_string()),
            arg(oid),
            maybe(tables.profiles),
            arg(tables.segments),
            maybe(key.column.clone()),
            arg(key.type_oid),
            arg(Value::Object(mapping).to_string()),
            arg(features),
            maybe(lookback),
            maybe(owner),
        ],
    )?;
    sources.store(name)?;
    let definition = catalogue::resolve(Some(name))?;
    Event::of_segmentation("create")
        .details(json!({
            "kind": kind.name(),
            "source": source.quoted(),
            "features": definition.features,
            "lookback": definition.lookback,
        }))
        .record(name)?;
    if let Some(profiles) = definition.profiles()? {
        report.add(
            "table",
            "profiles",
            "created",
            Some(&profiles.quoted()),
            format!("keyed by {}", type_name(key.type_oid)),
        );
    }
    report.add(
        "table",
        "segments",
        "created",
        Some(&definition.segments()?.quoted()),
        format!("keyed by {}", type_name(key.type_oid)),
    );
    report.notes(&definition, &sources, &source)?;
    Ok(Rows(report.rows()))
}

/// Checks that a look-back is at least a day: profiles are kept by day.
pub fn lookback_text(interval: Option<pg_sys::Datum>) -> Result<String> {
    let (text, long_enough) =
        spi::read("SELECT $1::text, $1 >= interval '1 day'", &[raw(pg_sys::INTERVALOID, interval)], |r| {
            Ok((r.text(0, 1).unwrap_or_default(), r.get(0, 2).unwrap_or(false)))
        })?;
    if !long_enough {
        return Err(Failure::invalid(format!("lookback {text} is below the limit of 1 day"))
            .hint("profiles are kept by UTC day; use for example interval '90 days'"));
    }
    Ok(text)
}

/// What the trade table tells, the features that a fit uses, and the sources beside it.
fn trade_inputs(
    source: &Relation,
    account: Option<&str>,
    mut wanted: Wanted,
    requests: Vec<Request>,
    use_features: Option<Vec<String>>,
    report: &mut Report,
) -> Result<(Vec<Finding>, Vec<String>, Sources)> {
    if wanted.features.is_some() {
        return Err(Failure::invalid("a list of columns is for ready-made features")
            .hint("for trades, pass an object: columns => '{\"account\": \"trader\"}'; to choose features, use_features => '{volume_usd, hhi}'"));
    }
    if let Some(account) = account {
        wanted.inputs.insert("account".into(), Some(account.to_string()));
    }
    let findings = columns::map(source, &TRADES, &wanted.inputs)?;
    report.columns(&findings);
    let sources = sources::declare::declare(requests, &Trades { findings: &findings, key: &findings[0] }, report)?;
    let has = |input: &str| findings.iter().any(|f| f.input == input && f.column.is_some()) || sources.provide(input);
    report.features(&has);
    let features = chosen_features(use_features, &has, &sources)?;
    Ok((findings, features, sources))
}

fn feature_columns(
    source: &Relation,
    account: Option<&str>,
    wanted: Wanted,
    report: &mut Report,
) -> Result<(Vec<Finding>, Vec<String>)> {
    if let Some(other) = wanted.inputs.keys().find(|k| *k != "account") {
        return Err(Failure::invalid(format!("\"{other}\" is not an input of ready-made features"))
            .hint("pass a list of feature columns: columns => '[\"volume\", \"leverage\"]'"));
    }
    let named = wanted.inputs.get("account").cloned().flatten();
    let key = columns::key(source, &TRADES, account.or(named.as_deref()))?;
    let account = key.column.clone().unwrap_or_default();
    let features = ready_made::chosen(source, &account, wanted.features)?;
    report.add("column", "account", "mapped", Some(&account), key.detail.clone());
    report.ready_made(source, &account, &features)?;
    Ok((vec![key], features))
}

fn describe(call: &Call) -> Result<Rows> {
    let definition = catalogue::resolve(call.text(0)?)?;
    definition.check_reader()?;
    let sources = Sources::of(&definition.name)?;
    let mut report = Report::default();
    match Relation::find(definition.source)? {
        Some(source) => {
            report.add("source", definition.kind.name(), "found", Some(&source.quoted()), "");
            match definition.kind {
                Source::Trades => {
                    let columns = source.columns()?;
                    for (input, column) in definition.columns.as_object().into_iter().flatten() {
                        match column.as_str() {
                            Some(name) => report.mapped(input, name, columns.iter().any(|c| c.name == name)),
                            None => report.add("column", input, "mapped", None, ""),
                        }
                    }
                    for source in &sources.0 {
                        sources::declare::tell(source, &mut report)?;
                    }
                    report.features(&|input| {
                        definition.columns.get(input).is_some_and(Value::is_string) || sources.provide(input)
                    });
                }
                Source::Features => {
                    match source.columns()?.iter().any(|c| c.name == definition.account) {
                        true => {
                            let key_type = type_name(definition.key_type);
                            report.add("column", "account", "mapped", Some(&definition.account), key_type);
                        }
                        false => report.mapped("account", &definition.account, false),
                    }
                    report.ready_made(&source, &definition.account, &definition.features)?;
                }
            }
            report.notes(&definition, &sources, &source)?;
        }
        None => report.add("source", definition.kind.name(), "not found", None, "the table no longer exists"),
    }
    for (what, oid) in [("profiles", definition.profiles), ("segments", Some(definition.segments))] {
        match oid.map(Relation::find).transpose()?.flatten() {
            Some(relation) => report::table(&mut report, what, &relation)?,
            None if oid.is_some() => report.add("table", what, "not found", None, "the table no longer exists"),
            None => (),
        }
    }
    if let Some(lookback) = &definition.lookback {
        report.add("note", "lookback", "", None, lookback.as_str());
    }
    match definition.active_version {
        Some(version) => {
            report.add("model", "active", "fitted", None, format!("version {version}"));
            // Figures of a model are for those who may read it.
            if definition.check_model_reader().is_ok() {
                match definition.model(Some(version)) {
                    Ok((_, model)) => report.quality(&model),
                    Err(failure) => report.add("model", "active", "not readable", None, failure.message),
                }
            }
        }
        None => report.add("model", "active", "not fitted", None, "run fit_segmentation"),
    }
    let watched = if definition.watched { "watched" } else { "not watched" };
    report.add("watch", definition.kind.name(), watched, None, "");
    Ok(Rows(report.rows()))
}

fn drop_(call: &Call) -> Result<()> {
    let _writer = spi::Writer::command(c"drop_segmentation()");
    let definition = catalogue::resolve(Some(call.required(0, "segmentation")?))?;
    check_may_drop(&definition)?;
    let _path = SafePath::set();
    // A fit takes the segments, then the trades; an insert the trades, then the segments. So: what holds off fits and lets inserts
    // pass, then the trades, which waits for the inserts, then all of ours.
    let lock = |oid: Option<pg_sys::Oid>, mode: &str| match oid.map(Relation::find).transpose()?.flatten() {
        Some(table) => spi::run(&format!("LOCK TABLE {} IN {mode} MODE", table.quoted()), &[]).map(drop),
        None => Ok(()),
    };
    lock(Some(definition.segments), "SHARE UPDATE EXCLUSIVE")?;
    if let Some(source) = Relation::find(definition.source)? {
        for statement in triggers::drop_trigger(&definition, &source)? {
            notice(&format!("a trigger is left, which only the owner of the table may drop: {statement}"));
        }
    }
    lock(Some(definition.segments), "ACCESS EXCLUSIVE")?;
    lock(definition.profiles, "ACCESS EXCLUSIVE")?;
    for oid in [definition.profiles, Some(definition.segments)].into_iter().flatten() {
        if let Some(table) = Relation::find(oid)? {
            spi::run(&format!("DROP TABLE {}", table.quoted()), &[])?;
        }
    }
    // The record stays; a later segmentation of this name goes on with its numbers and does not show it.
    Event { version: definition.active_version, ..Event::of_segmentation("drop") }.record(&definition.name)?;
    for sql in [
        // First: models stay as long as their segmentation is declared.
        "DELETE FROM segmentation.definition WHERE name OPERATOR(pg_catalog.=) $1",
        "DELETE FROM segmentation.segment WHERE segmentation OPERATOR(pg_catalog.=) $1",
        "DELETE FROM segmentation.fit WHERE segmentation OPERATOR(pg_catalog.=) $1",
        "DELETE FROM segmentation.source WHERE segmentation OPERATOR(pg_catalog.=) $1",
    ] {
        catalogue::run(sql, &[arg(definition.name.clone())])?;
    }
    Ok(())
}

/// Where the tables are gone already, the role that declared the segmentation may remove the rest.
fn check_may_drop(definition: &Definition) -> Result<()> {
    if Relation::find(definition.segments)?.is_some() {
        return definition.check_owner().map(drop);
    }
    let sql = "SELECT EXISTS (SELECT FROM pg_catalog.pg_roles r WHERE r.rolname OPERATOR(pg_catalog.=) $1::name
                              AND pg_catalog.pg_has_role(r.oid, 'USAGE'))
                      OR (SELECT rolsuper FROM pg_catalog.pg_roles WHERE oid OPERATOR(pg_catalog.=) $2)";
    let may =
        spi::read(sql, &[arg(definition.owner.clone()), arg(current_user())], |r| Ok(r.get(0, 1).unwrap_or(false)))?;
    if may {
        return Ok(());
    }
    Err(Failure::new(
        PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE,
        format!("must be owner of segmentation \"{}\"", definition.name),
    ))
}
