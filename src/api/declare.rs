//! `create_segmentation`, `describe_segmentation`, `drop_segmentation`.

use crate::api::catalogue::{self, Definition, Source};
use crate::api::columns::{self, Finding};
use crate::api::report::{self, Report};
use crate::api::tables::Tables;
use crate::api::watch;
use crate::pg::call::{Call, Rows};
use crate::pg::datum::type_name;
use crate::pg::error::{notice, Failure, Result};
use crate::pg::identity::{current_user, SafePath};
use crate::pg::relation::{creation_schema, existing, Relation};
use crate::pg::spi::{self, arg, maybe, raw};
use crate::sql_function;
use pgrx::{pg_sys, PgSqlErrorCode};
use segmentation::profile::FEATURES;
use serde_json::Value;
use std::collections::BTreeMap;

sql_function!("segmentation_create", 6, create);
sql_function!("segmentation_describe", 1, describe);
sql_function!("segmentation_drop", 1, drop_);

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

fn check_source(source: &Relation) -> Result<()> {
    if source.temporary {
        return Err(Failure::new(
            PgSqlErrorCode::ERRCODE_WRONG_OBJECT_TYPE,
            format!("\"{}\" is a temporary table, which a segmentation would outlive", source.name),
        )
        .hint("copy it into an ordinary table"));
    }
    // Tables, partitioned tables, views, materialized views, foreign tables.
    if !["r", "p", "v", "m", "f"].contains(&source.kind.as_str()) {
        return Err(Failure::new(
            PgSqlErrorCode::ERRCODE_WRONG_OBJECT_TYPE,
            format!("\"{}\" is not a table or view", source.name),
        )
        .hint("it takes a table, partitioned table, view, materialized view or foreign table"));
    }
    Ok(())
}

/// Nobody maps columns that they may not read: a fit would fail, and a trigger would read them for them.
fn check_readable(source: &Relation, columns: Vec<String>) -> Result<()> {
    let sql =
        "SELECT c FROM pg_catalog.unnest($2) c WHERE NOT pg_catalog.has_column_privilege($1, c, 'SELECT') LIMIT 1";
    let hidden =
        spi::read(sql, &[arg(source.oid), arg(columns)], |r| Ok((r.len() > 0).then(|| r.text(0, 1)).flatten()))?;
    let Some(column) = hidden else { return Ok(()) };
    Err(Failure::new(
        PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE,
        format!("permission denied for column \"{column}\" of relation \"{}\"", source.name),
    )
    .hint(format!("it takes GRANT SELECT ON {}", source.quoted())))
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
    // The caller's own schema, before the search path is made safe.
    let schema = creation_schema().ok_or_else(|| {
        Failure::new(PgSqlErrorCode::ERRCODE_INVALID_SCHEMA_NAME, "no lasting schema has been selected to create in")
            .hint("set search_path to a schema in which you may create tables")
    })?;
    let _path = SafePath::set();
    let mut report = Report::default();
    let (findings, features) = match kind {
        Source::Trades => trade_inputs(&source, account, wanted, &mut report)?,
        Source::Features => feature_columns(&source, account, wanted, &mut report)?,
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
    let tables = Tables::create(&schema, name, kind, key.type_oid, source.row_security)?;
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
    let definition = catalogue::resolve(Some(name))?;
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
    report.notes(&definition, &source);
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

fn trade_inputs(
    source: &Relation,
    account: Option<&str>,
    mut wanted: Wanted,
    report: &mut Report,
) -> Result<(Vec<Finding>, Vec<String>)> {
    if wanted.features.is_some() {
        return Err(Failure::invalid("a list of columns is for ready-made features")
            .hint("for trades, pass an object: columns => '{\"account\": \"trader\"}'"));
    }
    if let Some(account) = account {
        wanted.inputs.insert("account".into(), Some(account.to_string()));
    }
    let findings = columns::map(source, &wanted.inputs)?;
    let has = |input: &str| findings.iter().any(|f| f.input == input && f.column.is_some());
    report.columns(&findings);
    report.features(&has);
    let features = FEATURES
        .iter()
        .filter(|f| f.in_fit && report::missing(f, &has).is_none())
        .map(|f| f.name.to_string())
        .collect();
    Ok((findings, features))
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
    let key = columns::key(source, account.or(named.as_deref()))?;
    let account = key.column.clone().unwrap_or_default();
    let all = source.columns()?;
    let features: Vec<String> = match wanted.features {
        None => all.iter().filter(|c| c.name != account && columns::is_feature(c)).map(|c| c.name.clone()).collect(),
        Some(names) => {
            for name in &names {
                match all.iter().find(|c| c.name == *name) {
                    Some(c) if columns::is_feature(c) && *name != account => (),
                    Some(c) => {
                        return Err(Failure::new(
                            PgSqlErrorCode::ERRCODE_DATATYPE_MISMATCH,
                            format!("column \"{name}\" of type {} cannot be a feature", type_name(c.type_oid)),
                        )
                        .hint("features are numbers or booleans, and not the account"))
                    }
                    None => {
                        return Err(Failure::new(
                            PgSqlErrorCode::ERRCODE_UNDEFINED_COLUMN,
                            format!("column \"{name}\" of relation \"{}\" does not exist", source.name),
                        ))
                    }
                }
            }
            names
        }
    };
    if features.is_empty() {
        return Err(Failure::new(
            PgSqlErrorCode::ERRCODE_UNDEFINED_COLUMN,
            format!("relation \"{}\" has no numeric column besides the account", source.name),
        )
        .hint("features are numbers or booleans, one row an account"));
    }
    report.add("column", "account", "mapped", Some(&account), key.detail.clone());
    report.ready_made(source, &account, &features)?;
    Ok((vec![key], features))
}

fn describe(call: &Call) -> Result<Rows> {
    let definition = catalogue::resolve(call.text(0)?)?;
    definition.check_reader()?;
    let mut report = Report::default();
    match Relation::find(definition.source)? {
        Some(source) => {
            report.add("source", definition.kind.name(), "found", Some(&source.quoted()), "");
            match definition.kind {
                Source::Trades => {
                    for (input, column) in definition.columns.as_object().into_iter().flatten() {
                        report.add("column", input, "mapped", column.as_str(), "");
                    }
                    report.features(&|input| definition.columns.get(input).is_some_and(Value::is_string));
                }
                Source::Features => {
                    report.add(
                        "column",
                        "account",
                        "mapped",
                        Some(&definition.account),
                        type_name(definition.key_type),
                    );
                    report.ready_made(&source, &definition.account, &definition.features)?;
                }
            }
            report.notes(&definition, &source);
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
        Some(version) => report.add("model", "active", "fitted", None, format!("version {version}")),
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
    // Segments, profiles, trades: the order in which a fit and an insert take them.
    for oid in [Some(definition.segments), definition.profiles].into_iter().flatten() {
        if let Some(table) = Relation::find(oid)? {
            spi::run(&format!("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE", table.quoted()), &[])?;
        }
    }
    if let Some(source) = Relation::find(definition.source)? {
        for statement in watch::drop_trigger(&definition, &source)? {
            notice(&format!("a trigger is left, which only the owner of the table may drop: {statement}"));
        }
    }
    for oid in [definition.profiles, Some(definition.segments)].into_iter().flatten() {
        if let Some(table) = Relation::find(oid)? {
            spi::run(&format!("DROP TABLE {}", table.quoted()), &[])?;
        }
    }
    for sql in [
        "DELETE FROM segmentation.fit WHERE segmentation OPERATOR(pg_catalog.=) $1",
        "DELETE FROM segmentation.definition WHERE name OPERATOR(pg_catalog.=) $1",
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
