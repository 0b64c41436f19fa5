//! What the sources tell of the instruments that are traded, read once a pass and handed to its statement as arrays: so
//! the pass may run in parallel, and what was checked to be unique is what is joined.

use super::lookups::{closes, Close};
use super::trades::Pass;
use super::{equal, Opened};
use crate::api::catalogue;
use crate::pg::error::{Failure, Result};
use crate::pg::spi::{self, arg, quote, raw, Arg, Params};
use pgrx::{pg_sys, PgSqlErrorCode};
use segmentation::flow::trend;
use std::collections::BTreeMap;

/// The columns of [`Reference::instruments`] after the instrument, with their types.
pub const INSTRUMENT: [(&str, &str); 8] = [
    ("kind", "text"),
    ("underlying", "text"),
    ("strike", "float8"),
    ("expiry", "timestamptz"),
    ("option_type", "text"),
    ("contract_size", "float8"),
    ("inverse", "boolean"),
    ("token_factor", "float8"),
];

fn array_type(sql_type: &str) -> pg_sys::Oid {
    match sql_type {
        "text" => pg_sys::TEXTARRAYOID,
        "float8" => pg_sys::FLOAT8ARRAYOID,
        "boolean" => pg_sys::BOOLARRAYOID,
        "timestamptz" => pg_sys::TIMESTAMPTZARRAYOID,
        _ => pg_sys::DATEARRAYOID,
    }
}

#[derive(Default)]
pub struct Reference {
    /// instrument, and then [`INSTRUMENT`]
    instruments: Option<Vec<(Arg, &'static str)>>,
    /// symbol, underlying, factor, from, to: the token is one on the days from <= day < to
    tokens: Option<Vec<(Arg, &'static str)>>,
    /// underlying, day, deviation of a day's return
    deviations: Option<Vec<(Arg, &'static str)>>,
}

impl Reference {
    /// Reads it for the trades of `from` (SQL that follows FROM and gives the trades the alias `t`).
    pub fn read(pass: &Pass, table: &str, condition: &str, args: &[Arg]) -> Result<Reference> {
        let mut reference = Reference::default();
        if let (Some(instrument), true) = (&pass.instrument, pass.instruments.is_some() || pass.parse.is_some()) {
            let traded = format!("SELECT DISTINCT {instrument} AS instrument FROM {table} t WHERE {condition}");
            reference.instruments = Some(instruments(pass.instruments.as_ref(), pass.parse.as_deref(), &traded, args)?);
        }
        if let Some(tokens) = &pass.tokens {
            reference.tokens = Some(leveraged_tokens(tokens)?);
        }
        if let Some(prices) = &pass.prices {
            let mut params = Params::from(args);
            let from = pass.known(table, &reference, &mut params);
            let touched = format!(
                "SELECT DISTINCT x.underlying, segmentation.utc_day(x.at) AS day FROM {from} WHERE {condition}"
            );
            reference.deviations = Some(deviations(prices, &touched, params.args())?);
        }
        Ok(reference)
    }

    /// `unnest(...)` of arrays, as parameters.
    fn unnest(arrays: &[(Arg, &'static str)], params: &mut Params) -> String {
        let arrays: Vec<String> =
            arrays.iter().map(|(array, sql_type)| format!("{}::{sql_type}[]", params.add(*array))).collect();
        // Not qualified: several arrays at once are a form of the language. It is PostgreSQL's own all the same.
        format!("unnest({})", arrays.join(", "))
    }

    pub fn join_instruments(&self, instrument: &str, params: &mut Params) -> String {
        let Some(arrays) = &self.instruments else { return String::new() };
        let names = INSTRUMENT.map(|(name, _)| name).join(", ");
        format!(
            " LEFT JOIN {} AS i(instrument, {names}) ON i.instrument = (({instrument}) COLLATE pg_catalog.\"C\")",
            Self::unnest(arrays, params)
        )
    }

    /// Joins tokens under an alias, where the symbol is `symbol` on the UTC day of `at`.
    pub fn join_tokens(&self, alias: &str, symbol: &str, at: &str, only: &str, params: &mut Params) -> String {
        let Some(arrays) = &self.tokens else { return String::new() };
        format!(
            " LEFT JOIN {} AS {alias}(symbol, underlying, factor, low, high)
                ON {only}{alias}.symbol = (({symbol}) COLLATE pg_catalog.\"C\")
                   AND segmentation.utc_day({at}) >= {alias}.low AND segmentation.utc_day({at}) < {alias}.high",
            Self::unnest(arrays, params)
        )
    }

    pub fn join_deviations(&self, params: &mut Params) -> String {
        let Some(arrays) = &self.deviations else { return String::new() };
        format!(
            " LEFT JOIN {} AS d(underlying, day, deviation)
                ON d.underlying = (x.underlying COLLATE pg_catalog.\"C\")
                   AND date '2000-01-01' + d.day = segmentation.utc_day(x.at)",
            Self::unnest(arrays, params)
        )
    }

    pub fn has_instruments(&self) -> bool {
        self.instruments.is_some()
    }

    pub fn has_tokens(&self) -> bool {
        self.tokens.is_some()
    }
}

/// What the relation of instruments says of the traded ones, and after it what their names say.
fn instruments(
    opened: Option<&Opened>,
    parse: Option<&str>,
    traded: &str,
    args: &[Arg],
) -> Result<Vec<(Arg, &'static str)>> {
    let mut params = Params::from(args);
    let mut joins = String::new();
    if let Some(opened) = opened {
        let own = equal("s", opened.required("instrument")?, "x.instrument", pg_sys::TEXTOID, "x.instrument");
        joins += &format!(" LEFT JOIN {} s ON {own}", opened.relation.quoted());
    }
    if let Some(format) = parse {
        joins += &format!(
            " LEFT JOIN LATERAL {}.parse_instrument(x.instrument, {}::text) p ON true",
            catalogue::function_schema()?,
            params.add(arg(format.to_string()))
        );
    }
    const PARSED: [&str; 6] = super::PARSED;
    let selected: Vec<String> = INSTRUMENT
        .iter()
        .map(|(name, sql_type)| {
            let joined = opened.and_then(|o| o.sql("s", name));
            let parsed = parse.filter(|_| PARSED.contains(name)).map(|_| format!("p.{name}"));
            let value = match (joined, parsed) {
                (Some(joined), Some(parsed)) => format!("coalesce({joined}, {parsed})"),
                (Some(one), None) | (None, Some(one)) => one,
                (None, None) => "NULL".into(),
            };
            format!("({value})::{sql_type} AS {name}")
        })
        .collect();
    let arrays: Vec<String> =
        INSTRUMENT.iter().map(|(name, _)| format!("coalesce(pg_catalog.array_agg(r.{name}), '{{}}')")).collect();
    let sql = format!(
        "WITH r AS MATERIALIZED (SELECT x.instrument, {} FROM ({traded}) x{joins} WHERE x.instrument IS NOT NULL)
         SELECT (SELECT r.instrument FROM r GROUP BY r.instrument HAVING count(*) > 1 ORDER BY r.instrument COLLATE pg_catalog.\"C\" LIMIT 1),
                coalesce(pg_catalog.array_agg(r.instrument), '{{}}'), {} FROM r",
        selected.join(", "),
        arrays.join(", ")
    );
    spi::read(&sql, params.args(), |rows| {
        if let (Some(twice), Some(opened)) = (rows.text(0, 1), opened) {
            return Err(several(opened, "instrument", &twice));
        }
        let mut arrays = vec![(raw(pg_sys::TEXTARRAYOID, rows.kept(0, 2)), "text")];
        for (i, (_, sql_type)) in INSTRUMENT.iter().enumerate() {
            arrays.push((raw(array_type(sql_type), rows.kept(0, i as i32 + 3)), *sql_type));
        }
        Ok(arrays)
    })
}

/// Several rows where one is meant would count a trade several times.
pub fn several(opened: &Opened, what: &str, value: &str) -> Failure {
    let shown: String = value.chars().take(60).collect();
    Failure::new(
        PgSqlErrorCode::ERRCODE_CARDINALITY_VIOLATION,
        format!("\"{}\" has several rows for the {what} \"{shown}\"", opened.relation.name),
    )
    .hint(format!("it has to have one row for each {what}: delete the others, or name a view that chooses one"))
}

fn leveraged_tokens(opened: &Opened) -> Result<Vec<(Arg, &'static str)>> {
    let sql = |input: &str| opened.sql("s", input).unwrap_or_else(|| "NULL".into());
    let valid = opened.column("valid").map(|c| format!("s.{}", quote(&c.name)));
    let (low, high, empty) = match &valid {
        Some(v) => (
            format!("coalesce(pg_catalog.lower({v}), date '-infinity')"),
            format!("coalesce(pg_catalog.upper({v}), date 'infinity')"),
            format!("coalesce(pg_catalog.isempty({v}), false)"),
        ),
        None => ("date '-infinity'".into(), "date 'infinity'".into(), "false".into()),
    };
    // Sorted by their beginning, any two that overlap have two neighbours that do.
    let statement = format!(
        "WITH r AS MATERIALIZED (
           SELECT ({})::text AS symbol, ({})::text AS underlying, ({})::float8 AS factor, {low} AS low, {high} AS high
           FROM {} s WHERE NOT {empty} AND {} IS NOT NULL)
         SELECT (SELECT o.symbol FROM (SELECT r.symbol, r.low, pg_catalog.lag(r.high) OVER (
                   PARTITION BY r.symbol COLLATE pg_catalog.\"C\" ORDER BY r.low, r.high) AS before FROM r) o
                 WHERE o.low < o.before ORDER BY o.symbol COLLATE pg_catalog.\"C\" LIMIT 1),
                coalesce(pg_catalog.array_agg(r.symbol), '{{}}'), coalesce(pg_catalog.array_agg(r.underlying), '{{}}'),
                coalesce(pg_catalog.array_agg(r.factor), '{{}}'), coalesce(pg_catalog.array_agg(r.low), '{{}}'),
                coalesce(pg_catalog.array_agg(r.high), '{{}}')
         FROM r",
        sql("symbol"),
        sql("underlying"),
        sql("factor"),
        opened.relation.quoted(),
        sql("symbol"),
    );
    spi::read(&statement, &[], |rows| {
        if let Some(twice) = rows.text(0, 1) {
            return Err(several(opened, "symbol", &twice)
                .hint("it has to have one row for each symbol and day: the ranges of \"valid\" must not overlap"));
        }
        let types = ["text", "text", "float8", "date", "date"];
        Ok(types.iter().enumerate().map(|(i, t)| (raw(array_type(t), rows.kept(0, i as i32 + 2)), *t)).collect())
    })
}

/// The deviation of a day's return for every underlying and day of `touched`, from the days before.
fn deviations(prices: &Opened, touched: &str, args: &[Arg]) -> Result<Vec<(Arg, &'static str)>> {
    let all = closes(prices, touched, -trend::DAYS - 1, -1, args)?;
    let mut by_underlying: BTreeMap<String, BTreeMap<i32, f64>> = BTreeMap::new();
    for Close { underlying, day, price } in all {
        by_underlying.entry(underlying).or_default().insert(day, price);
    }
    let (mut underlyings, mut days, mut values) = (Vec::new(), Vec::new(), Vec::new());
    for (underlying, closes) in by_underlying {
        for (day, deviation) in trend::deviations(&closes) {
            underlyings.push(underlying.clone());
            days.push(day);
            values.push(deviation);
        }
    }
    Ok(vec![(arg(underlyings), "text"), (arg(days), "integer"), (arg(values), "float8")])
}
