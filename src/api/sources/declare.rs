//! The argument `sources` of `create_segmentation`: read, checked against the relations it names, and reported.

use super::{comparable, custom, has_index, Beside, Role, Sources};
use crate::api::columns::{self, Finding};
use crate::api::report::Report;
use crate::api::rights::{check_readable, check_source};
use crate::pg::datum::type_name;
use crate::pg::error::{Failure, Result};
use crate::pg::relation::{existing, named as by_name, Relation};
use pgrx::{pg_sys, PgSqlErrorCode};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Formats of instrument names that can be asked for.
const FORMATS: [&str; 5] = ["deribit", "okx", "binance", "plain", "auto"];

/// One source as it was asked for, its relation already found.
pub struct Request {
    role: Role,
    relation: Option<pg_sys::Oid>,
    wanted: BTreeMap<String, Option<String>>,
    options: Map<String, Value>,
}

/// What the trade table has been found to tell.
pub struct Trades<'a> {
    pub findings: &'a [Finding],
    pub key: &'a Finding,
}

impl Trades<'_> {
    fn has(&self, input: &str) -> bool {
        self.findings.iter().any(|f| f.input == input && f.column.is_some())
    }
}

fn known_keys(role: Role) -> &'static [&'static str] {
    match role {
        Role::Instruments => &["relation", "columns", "parse"],
        Role::Prices => {
            &["relation", "columns", "market", "second_market", "expected_return", "risk_free", "volatility"]
        }
        Role::Attributes => &["relation", "account", "columns", "weights"],
        _ => &["relation", "columns"],
    }
}

fn bad(role: Role, what: impl std::fmt::Display) -> Failure {
    Failure::invalid(format!("source \"{}\": {what}", role.name()))
}

/// Finds a relation by its name on the search path of the caller, who must not have changed it yet.
fn find(role: Role, name: &Value) -> Result<pg_sys::Oid> {
    let name = name.as_str().filter(|n| !n.is_empty()).ok_or_else(|| {
        bad(role, "the relation is not named by a string").hint(
            "for example sources => '{\"quotes\": \"quotes\"}' or '{\"quotes\": {\"relation\": \"venue.quotes\"}}'",
        )
    })?;
    by_name(name).ok_or_else(|| {
        Failure::new(PgSqlErrorCode::ERRCODE_UNDEFINED_TABLE, format!("relation \"{name}\" does not exist"))
            .hint(format!("check the name of the source \"{}\", or write it with its schema", role.name()))
    })
}

/// Reads the JSON. It has to run on the caller's search path.
pub fn requests(json: Value) -> Result<Vec<Request>> {
    let roles = || Role::ALL.map(Role::name).join(", ");
    let Value::Object(map) = json else {
        return Err(Failure::invalid("sources is not a JSON object")
            .hint(format!("for example sources => '{{\"instruments\": \"instruments\"}}'; sources are {}", roles())));
    };
    let mut all = Vec::new();
    for (name, value) in map {
        let role = Role::from_name(&name).ok_or_else(|| {
            Failure::invalid(format!("\"{name}\" is not a source")).hint(format!("sources are {}", roles()))
        })?;
        if let Some(request) = request(role, value)? {
            all.push(request);
        }
    }
    all.sort_by_key(|r| r.role as usize);
    Ok(all)
}

fn request(role: Role, value: Value) -> Result<Option<Request>> {
    let mut request = Request { role, relation: None, wanted: BTreeMap::new(), options: Map::new() };
    let mut object = match value {
        Value::Null => return Ok(None),
        Value::Object(object) => object,
        name => Map::from_iter([("relation".to_string(), name)]),
    };
    let known = known_keys(role);
    if let Some(key) = object.keys().find(|k| !known.contains(&k.as_str())) {
        return Err(bad(role, format!("\"{key}\" is not known")).hint(format!("its keys are {}", known.join(", "))));
    }
    if let Some(name) = object.remove("relation").filter(|v| !v.is_null()) {
        request.relation = Some(find(role, &name)?);
    }
    if role == Role::Attributes {
        match object.remove("account") {
            None | Some(Value::Null) => (),
            Some(Value::String(name)) => drop(request.wanted.insert("account".into(), Some(name))),
            Some(_) => return Err(bad(role, "\"account\" is not the name of a column").hint("pass a string")),
        }
        request.options = object;
    } else {
        if let Some(columns) = object.remove("columns").filter(|v| !v.is_null()) {
            request.wanted = mapping(role, columns)?;
        }
        request.options = object;
        options(&mut request)?;
    }
    if request.relation.is_none() && request.options.get("parse").is_none() {
        return Err(bad(role, "there is no relation")
            .hint(format!("name it: sources => '{{\"{}\": {{\"relation\": \"...\"}}}}'", role.name())));
    }
    Ok(Some(request))
}

/// Input to column, or to null where the input is to be left out.
fn mapping(role: Role, columns: Value) -> Result<BTreeMap<String, Option<String>>> {
    let wrong = || {
        bad(role, "\"columns\" is not an object of inputs to column names")
            .hint("for example \"columns\": {\"at\": \"ts\", \"mid\": null}")
    };
    let Value::Object(map) = columns else { return Err(wrong()) };
    map.into_iter()
        .map(|(input, column)| match column {
            Value::String(name) => Ok((input, Some(name))),
            Value::Null => Ok((input, None)),
            _ => Err(wrong()),
        })
        .collect()
}

fn options(request: &mut Request) -> Result<()> {
    let role = request.role;
    request.options.retain(|_, v| !v.is_null());
    for (key, value) in &request.options {
        match key.as_str() {
            "parse" => match value.as_str().filter(|f| FORMATS.contains(f)) {
                Some(_) => (),
                None => {
                    return Err(bad(role, format!("\"parse\" is {value}"))
                        .hint(format!("formats of instrument names are {}", FORMATS.join(", "))))
                }
            },
            "market" | "second_market" => {
                if value.as_str().is_none_or(str::is_empty) {
                    return Err(bad(role, format!("\"{key}\" is {value}"))
                        .hint("pass the name of an underlying in the relation, such as \"BTC\""));
                }
            }
            _ => {
                let number = value.as_f64().filter(|x| x.is_finite() && x.abs() <= 1e3);
                if number.is_none_or(|x| key == "volatility" && x <= 0.0) {
                    return Err(bad(role, format!("\"{key}\" is {value}"))
                        .hint("a figure a year as a decimal, such as 0.05; a volatility is above 0"));
                }
            }
        }
    }
    if role == Role::Prices {
        for (key, default) in [("market", "BTC"), ("second_market", "ETH")] {
            request.options.entry(key).or_insert_with(|| default.into());
        }
    }
    Ok(())
}

/// Maps the columns of every source, checks that the caller may read them and that they fit the trades, and reports.
pub fn declare(requests: Vec<Request>, trades: &Trades, report: &mut Report) -> Result<Sources> {
    let mut sources = Sources::default();
    for request in requests {
        let Request { role, relation, wanted, mut options } = request;
        let mut columns = BTreeMap::new();
        if let Some(oid) = relation {
            let relation = existing(oid, &format!("the relation of the source \"{}\"", role.name()), "check its name")?;
            check_source(&relation)?;
            let findings = match role {
                Role::Attributes => {
                    let account = wanted.get("account").cloned().flatten();
                    vec![columns::key(&relation, &role.mapping(), account.as_deref())?]
                }
                _ => columns::map(&relation, &role.mapping(), &wanted)?,
            };
            let mut read: Vec<String> = findings.iter().filter_map(|f| f.column.clone()).collect();
            if role == Role::Attributes {
                options = custom::declare(&relation, &findings[0], options)?;
                read.extend(custom::attributes_of(&options).into_iter().map(|a| a.column));
            }
            check_readable(&relation, read)?;
            check_keys(role, &relation, &findings, trades)?;
            check_complete(role, &relation, &findings)?;
            missing_inputs(role, &findings, report);
            columns = findings.into_iter().filter_map(|f| Some((f.input.to_string(), f.column?))).collect();
        }
        sources.0.push(Beside { role, relation, columns, options });
    }
    for source in &sources.0 {
        check_joins(source.role, trades, &sources)?;
        tell(source, report)?;
    }
    Ok(sources)
}

/// Accounts are compared with those of the trades.
fn check_keys(role: Role, relation: &Relation, findings: &[Finding], trades: &Trades) -> Result<()> {
    let Some(account) = findings.iter().find(|f| f.input == "account") else { return Ok(()) };
    if comparable(account.type_oid, trades.key.type_oid) {
        return Ok(());
    }
    Err(Failure::new(
        PgSqlErrorCode::ERRCODE_DATATYPE_MISMATCH,
        format!(
            "column \"{}\" of relation \"{}\" has type {}, the accounts of the trades have type {}",
            account.column.as_deref().unwrap_or_default(),
            relation.name,
            type_name(account.type_oid),
            type_name(trades.key.type_oid)
        ),
    )
    .hint(format!("a view may cast it, for the source \"{}\"", role.name())))
}

fn check_complete(role: Role, relation: &Relation, findings: &[Finding]) -> Result<()> {
    let has = |input: &str| findings.iter().any(|f| f.input == input && f.column.is_some());
    if role == Role::Quotes && !has("mid") && !(has("bid") && has("ask")) {
        return Err(Failure::new(
            PgSqlErrorCode::ERRCODE_UNDEFINED_COLUMN,
            format!("relation \"{}\" has no column for the input \"mid\", nor for both \"bid\" and \"ask\"", relation.name),
        )
        .hint("name them: sources => '{\"quotes\": {\"relation\": \"...\", \"columns\": {\"bid\": \"...\", \"ask\": \"...\"}}}'"));
    }
    Ok(())
}

/// What a source is joined by has to be known of the trades.
fn check_joins(role: Role, trades: &Trades, sources: &Sources) -> Result<()> {
    let instrument = trades.has("instrument");
    let underlying = instrument || trades.has("underlying");
    let ok = match role {
        Role::Instruments | Role::Quotes => instrument,
        Role::LeveragedTokens => underlying,
        Role::Prices => underlying || sources.get(Role::Snapshots).is_some(),
        Role::Snapshots | Role::Attributes | Role::Masters => true,
    };
    if ok {
        return Ok(());
    }
    Err(bad(role, "it is joined by the instrument, and the trade table has no column for that")
        .hint("name it: columns => '{\"instrument\": \"...\"}'"))
}

fn missing_inputs(role: Role, findings: &[Finding], report: &mut Report) {
    for f in findings.iter().filter(|f| f.column.is_none()) {
        report.add("column", &format!("{}.{}", role.name(), f.input), "not found", None, f.detail.clone());
    }
}

/// The rows of a report about one source; the same when it is declared and when it is described.
pub fn tell(source: &Beside, report: &mut Report) -> Result<()> {
    let role = source.role;
    let relation = source.relation.map(Relation::find).transpose()?.flatten();
    if source.relation.is_some() && relation.is_none() {
        report.add("source", role.name(), "not found", None, "the relation no longer exists");
        return Ok(());
    }
    let mut details = vec![match role {
        Role::Instruments | Role::Quotes => "joined by instrument",
        Role::LeveragedTokens => "joined by the instrument, else by the underlying",
        Role::Prices => "joined by underlying",
        Role::Snapshots => "added to the profiles by account and UTC day",
        Role::Attributes => "joined by account",
        Role::Masters => "for segmentation_features(level => 'master')",
    }
    .to_string()];
    if let Some(format) = source.text("parse") {
        details.push(format!("names of instruments are read ({format})"));
    }
    if let (Some(market), Some(second)) = (source.text("market"), source.text("second_market")) {
        details.push(format!("the market is {market}, the second one {second}"));
    }
    let quoted = relation.as_ref().map(Relation::quoted);
    report.add("source", role.name(), "mapped", quoted.as_deref(), details.join("; "));
    let columns = relation.as_ref().map_or(Ok(Vec::new()), Relation::columns)?;
    let mut gone = false;
    for (input, column) in &source.columns {
        let found = columns.iter().any(|c| c.name == *column);
        gone |= !found;
        report.mapped(&format!("{}.{input}", role.name()), column, found);
    }
    custom::tell(source, &columns, report);
    if gone {
        return Ok(());
    }
    if let Some(statement) = missing_index(source)? {
        let detail = format!("without an index each trade reads the whole relation: {statement}");
        report.add("note", role.name(), "", quoted.as_deref(), detail);
    }
    Ok(())
}

/// What a look-up into prices or quotes lacks: its relation's index, as a statement that makes it.
pub fn missing_index(source: &Beside) -> Result<Option<String>> {
    let key = match source.role {
        Role::Prices => "underlying",
        Role::Quotes => "instrument",
        _ => return Ok(None),
    };
    let Some(opened) = source.open()? else { return Ok(None) };
    let (key, at) = (opened.required(key)?, opened.required("at")?);
    if has_index(&opened.relation, [key, at], source.role == Role::Prices)? != Some(false) {
        return Ok(None);
    }
    let columns = [key, at].map(|c| crate::pg::spi::quote(&c.name)).join(", ");
    Ok(Some(format!("CREATE INDEX ON {} ({columns})", opened.relation.quoted())))
}
