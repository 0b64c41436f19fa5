//! `segmentation_features` and `risk_appetite`: every feature of every account as one row, straight from the source tables.

use crate::api::catalogue::{self, Definition, Source};
use crate::api::passes::{low_day, Passes};
use crate::api::population::{top_sql, volume_sql};
use crate::api::sources::custom::{self, Account};
use crate::api::sources::masters::{self, Masters};
use crate::api::sources::snapshots::assumptions;
use crate::api::sources::{Role, Sources};
use crate::api::vector::declared;
use crate::pg::call::{Call, RowSink};
use crate::pg::datum::{self, Cell};
use crate::pg::error::{Failure, Result};
use crate::pg::identity::{SafePath, Setting};
use crate::pg::relation::Relation;
use crate::pg::spi::{self, arg, maybe, time, Params};
use crate::sql_function;
use pgrx::{pg_sys, PgSqlErrorCode};
use segmentation::profile::features::index_of;
use segmentation::profile::FEATURES;
use segmentation::statistics::appetite::{risk_appetite_index, Appetite, TERMS};

sql_function!("segmentation_wide", 3, wide);
sql_function!("segmentation_risk_appetite", 3, risk_appetite);

fn wide(call: &Call) -> Result<()> {
    let mut sink = RowSink::new(call)?;
    read(call.text(0)?, call.i64(1), call.text(2)?, |rows| push(rows, &mut sink)).map(Option::unwrap_or_default)
}

fn risk_appetite(call: &Call) -> Result<()> {
    let mut sink = RowSink::new(call)?;
    read(call.text(0)?, call.i64(1), call.text(2)?, |rows| push_terms(rows, &mut sink)).map(Option::unwrap_or_default)
}

/// Hands the rows of [`statement`] to `then`; `None` where there is no trade and no snapshot.
pub fn read<T>(
    segmentation: Option<&str>,
    as_of: Option<i64>,
    level: Option<&str>,
    then: impl FnOnce(&spi::Rows) -> Result<T>,
) -> Result<Option<T>> {
    let definition = of_trades(segmentation)?;
    let (_path, _plain) = (SafePath::set(), Setting::interpreted());
    let sources = Sources::of(&definition.name)?;
    let masters = match level.unwrap_or("account") {
        "account" => None,
        "master" => Some(masters::open(&sources)?),
        other => {
            return Err(Failure::invalid(format!("level \"{other}\" is not known")).hint("levels are account, master"))
        }
    };
    let source = definition.source()?;
    let as_of = match as_of {
        Some(i64::MAX | i64::MIN) => {
            return Err(
                Failure::invalid("as_of must be finite").hint("leave it out for the end of the last day with a trade")
            )
        }
        Some(at) => Some(at),
        None => end_of_last_day(&definition, &sources, &source)?,
    };
    let Some(as_of) = as_of else { return Ok(None) };
    let (sql, params) = statement(&definition, &sources, &source, masters.as_ref(), as_of)?;
    spi::read(&sql, params.args(), then).map(Some)
}

/// The segmentation that is meant, where the caller may read it and it is made of trades.
pub fn of_trades(segmentation: Option<&str>) -> Result<Definition> {
    let definition = catalogue::resolve(segmentation)?;
    definition.check_reader()?;
    if definition.kind == Source::Features {
        return Err(Failure::new(
            PgSqlErrorCode::ERRCODE_FEATURE_NOT_SUPPORTED,
            format!("segmentation \"{}\" is made of ready-made features", definition.name),
        )
        .hint("they are in its table"));
    }
    Ok(definition)
}

/// The end of the last UTC day, not after today, with a trade or a snapshot: what a fit would take. `None` without any.
fn end_of_last_day(definition: &Definition, sources: &Sources, source: &Relation) -> Result<Option<i64>> {
    let pass = crate::api::sources::trades::Pass::new(definition, sources, source)?;
    let (account, at) = (pass.account(definition)?, pass.executed_at(definition)?);
    let known = "segmentation.utc_day(pg_catalog.transaction_timestamp())";
    let mut days = format!(
        "SELECT segmentation.utc_day({at}) AS day FROM {} t WHERE {account} IS NOT NULL AND segmentation.utc_day({at}) <= {known}",
        source.quoted()
    );
    if let Some(opened) = sources.open(Role::Snapshots)? {
        let at = opened.sql("s", "taken_at").unwrap_or_else(|| "NULL::timestamptz".into());
        days += &format!(
            " UNION ALL SELECT segmentation.utc_day({at}) FROM {} s WHERE segmentation.utc_day({at}) <= {known}",
            opened.relation.quoted()
        );
    }
    let sql = format!(
        "SELECT pg_catalog.timezone('UTC', (pg_catalog.max(d.day) + 1)::timestamp) FROM ({days}) d
         WHERE d.day > date '-infinity'"
    );
    spi::read(&sql, &[], |r| Ok(r.raw(0, 1).map(|d| d.value() as i64)))
}

/// Rows (account text, all features but those over the population, custom jsonb) of accounts that traded in the look-back
/// before `as_of`.
fn statement(
    definition: &Definition,
    sources: &Sources,
    source: &Relation,
    masters: Option<&Masters>,
    as_of: i64,
) -> Result<(String, Params)> {
    let functions = catalogue::function_schema()?;
    let mut params = Params::default();
    let at = params.add(time(Some(as_of)));
    let lookback = definition.lookback.as_deref();
    let since = lookback.map(|lookback| {
        format!("pg_catalog.timezone('UTC', ({})::timestamp)", low_day(&at, Some(lookback), &mut params))
    });
    let executed_at = crate::api::sources::trades::Pass::new(definition, sources, source)?.executed_at(definition)?;
    let condition = format!("{executed_at} < {at}");
    let passes = Passes::of_rows(definition, sources, source, &condition, &params)?;
    let profiles = passes.over(masters, since.as_deref(), &at, &mut params)?;
    let names: Vec<String> = FEATURES.iter().map(|f| f.name.to_string()).collect();
    let names = params.add(arg(names));
    let assumed = assumptions(sources, as_of)?;
    let figures = [assumed.expected_return, assumed.volatility, assumed.risk_free].map(|v| params.add(maybe(v)));

    let attributes = declared(sources);
    let (mut object, mut join) = ("NULL::jsonb".to_string(), String::new());
    if let Some(opened) = sources.open(Role::Attributes)? {
        custom::check_one_row(&opened, None, &[])?;
        let type_oid = if masters.is_some() { pg_sys::TEXTOID } else { definition.key_type };
        object = custom::object(&opened, "a", &attributes)?;
        // An account that the relation does not have has no object.
        object = format!("CASE WHEN a.{} IS NOT NULL THEN {object} END", spi::quote(&opened.required("account")?.name));
        join = custom::join(&opened, "a", &Account { alias: "w", column: "account", type_oid })?;
    }
    let text = match masters {
        Some(_) => "w.account".to_string(),
        None => crate::api::columns::as_text("w", "account", definition.key_type),
    };
    let order = format!("({text}) COLLATE pg_catalog.\"C\"");
    let sql = format!(
        "WITH p AS MATERIALIZED ({profiles}),
         m AS MATERIALIZED (SELECT pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object(
           'venue_volume_usd', nullif(({volume}), 0),
           'top_underlyings', (SELECT pg_catalog.jsonb_agg(k.key) FROM ({top}) k),
           'expected_return', {expected}::float8, 'volatility', {volatility}::float8, 'risk_free', {risk_free}::float8)) AS market)
         SELECT f.account, f.v, f.own
         FROM (SELECT {text} AS account, {object} AS own,
                      {functions}.feature_vector(w.profile, {names}, {at}, (SELECT m.market FROM m)) AS v
               FROM p w{join} OFFSET 0) f
         WHERE f.v[{trades}] > 0
         ORDER BY f.account COLLATE pg_catalog.\"C\"",
        trades = index_of("trades").map_or(1, |i| i + 1),
        volume = volume_sql(&functions, "p", &order, &at),
        top = top_sql(&functions, "p", &order),
        expected = figures[0],
        volatility = figures[1],
        risk_free = figures[2],
    );
    Ok((sql, params))
}

/// The risk appetite of every account, and what it is made of: for each term the feature and its values.
type Terms = [(Vec<&'static str>, Vec<Option<f64>>); TERMS.len()];

fn appetites(rows: &spi::Rows) -> Result<(Vec<Appetite>, Terms)> {
    let mut terms: Terms = std::array::from_fn(|_| (Vec::with_capacity(rows.len()), Vec::with_capacity(rows.len())));
    let mut row = Vec::new();
    for i in 0..rows.len() {
        if i % 10_000 == 0 {
            pgrx::check_for_interrupts!();
        }
        read_row(rows, i, &mut row)?;
        let value = |name: &str| index_of(name).map(|p| row[p]).filter(|v| v.is_finite());
        for ((term, _), (names, column)) in TERMS.iter().zip(&mut terms) {
            let mut found = (*term, value(term));
            if *term == "effective_leverage_p95" && found.1.is_none() {
                found = ("declared_leverage_p95", value("declared_leverage_p95"));
            }
            names.push(if found.1.is_some() { found.0 } else { term });
            column.push(found.1);
        }
    }
    let index = risk_appetite_index(&std::array::from_fn(|t| terms[t].1.as_slice()));
    Ok((index, terms))
}

fn push(rows: &spi::Rows, sink: &mut RowSink) -> Result<()> {
    let (index, terms) = appetites(rows)?;
    drop(terms);
    let appetite = index_of("risk_appetite_index");
    let mut row = Vec::new();
    for (i, found) in index.iter().enumerate() {
        if i % 10_000 == 0 {
            pgrx::check_for_interrupts!();
        }
        read_row(rows, i, &mut row)?;
        let number = |v: f64| if v.is_nan() { Cell::Null } else { Cell::Float(v) };
        let mut cells = Vec::with_capacity(row.len() + 2);
        cells.push(Cell::option(rows.raw(i, 1), Cell::Raw));
        for (p, &v) in row.iter().enumerate() {
            cells.push(if Some(p) == appetite { Cell::option(found.index, Cell::Float) } else { number(v) });
        }
        cells.push(Cell::option(rows.raw(i, 3), Cell::Raw));
        sink.push(cells);
    }
    Ok(())
}

/// A row for each term of each account.
fn push_terms(rows: &spi::Rows, sink: &mut RowSink) -> Result<()> {
    let (index, terms) = appetites(rows)?;
    for (i, found) in index.iter().enumerate() {
        if i % 10_000 == 0 {
            pgrx::check_for_interrupts!();
        }
        for (t, (_, sign)) in TERMS.iter().enumerate() {
            let z = found.terms[t];
            sink.push(vec![
                Cell::option(rows.raw(i, 1), Cell::Raw),
                Cell::option(found.index, Cell::Float),
                Cell::text(terms[t].0[i]),
                Cell::option(terms[t].1[i], Cell::Float),
                Cell::option(z, |z| Cell::Float(z * sign + 0.0)),
                Cell::Int(*sign as i32),
                Cell::option(z.and(found.weight()), Cell::Float),
            ]);
        }
    }
    Ok(())
}

pub fn read_row(rows: &spi::Rows, i: usize, row: &mut Vec<f64>) -> Result<()> {
    match rows.raw(i, 2) {
        Some(array) => datum::float_array(array, row)?,
        None => row.clear(),
    }
    row.resize(FEATURES.len(), f64::NAN);
    Ok(())
}
