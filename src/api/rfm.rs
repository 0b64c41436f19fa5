//! Recency, frequency and monetary value in quintiles with cut points that can be kept, and who stopped trading.

use crate::api::sources::trades::Pass;
use crate::api::sources::Sources;
use crate::api::wide::{of_trades, read, read_row};
use crate::pg::call::{Call, Raw, RowSink};
use crate::pg::datum::{self, Cell};
use crate::pg::error::{Failure, Result};
use crate::pg::identity::{SafePath, Setting};
use crate::pg::spi::{self, arg, time, Params};
use crate::sql_function;
use segmentation::profile::features::index_of;
use segmentation::statistics::quintile::{cut_points, quintile};
use serde_json::{json, Value};

sql_function!("segmentation_rfm_scores", 4, scores);
sql_function!("segmentation_rfm_cut_points", 3, points);
sql_function!("segmentation_churn_labels", 3, churn_labels);

/// What the cut points are called, in the order of R, F and M.
const PARTS: [&str; 3] = ["recency_days", "frequency", "monetary_usd"];
const MONETARY: [&str; 2] = ["volume_usd", "revenue_usd"];
/// A longer horizon than ten years is a mistake.
const LONGEST_HORIZON: i32 = 3_650;

/// What money is, and the four cut points of each part.
struct Cuts {
    monetary: &'static str,
    parts: [[f64; 4]; 3],
}

fn monetary(given: Option<&str>) -> Result<&'static str> {
    let given = given.unwrap_or(MONETARY[0]);
    MONETARY.into_iter().find(|m| *m == given).ok_or_else(|| {
        Failure::invalid(format!("monetary \"{given}\" is no monetary value"))
            .hint(format!("allowed are {}", MONETARY.join(", ")))
    })
}

impl Cuts {
    fn from_json(given: &Value) -> Result<Cuts> {
        let wrong = |what: String| {
            Failure::invalid(what).hint("pass what rfm_cut_points() gave: {\"monetary\": \"volume_usd\", \"recency_days\": [four numbers], \"frequency\": […], \"monetary_usd\": […]}")
        };
        let fields = given.as_object().ok_or_else(|| wrong("cut_points is not a JSON object".into()))?;
        if let Some(other) = fields.keys().find(|k| *k != "monetary" && !PARTS.contains(&k.as_str())) {
            return Err(wrong(format!("cut_points has no \"{other}\"")));
        }
        let money = fields.get("monetary").and_then(Value::as_str);
        let money = money.ok_or_else(|| wrong("cut_points.monetary is not a text".into()))?;
        let mut parts = [[0.0; 4]; 3];
        for (name, cuts) in PARTS.iter().zip(&mut parts) {
            let numbers: Option<Vec<f64>> =
                fields.get(*name).and_then(Value::as_array).and_then(|a| a.iter().map(Value::as_f64).collect());
            let four: Option<[f64; 4]> = numbers.and_then(|n| n.try_into().ok());
            *cuts = four
                .filter(|c| c.is_sorted())
                .ok_or_else(|| wrong(format!("cut_points.{name} is not four numbers in ascending order")))?;
        }
        Ok(Cuts { monetary: monetary(Some(money))?, parts })
    }

    fn to_json(&self) -> Value {
        let [r, f, m] = &self.parts;
        json!({"monetary": self.monetary, "recency_days": r, "frequency": f, "monetary_usd": m})
    }

    /// Of a population; `None` where nobody has one of the parts.
    fn of(monetary: &'static str, columns: &[Vec<Option<f64>>; 3]) -> Option<Cuts> {
        let [r, f, m] = columns;
        Some(Cuts { monetary, parts: [cut_points(r)?, cut_points(f)?, cut_points(m)?] })
    }
}

/// Recency, frequency and monetary value of every account.
fn columns(rows: &spi::Rows, monetary: &str) -> Result<[Vec<Option<f64>>; 3]> {
    let mut columns = [const { Vec::new() }; 3];
    let mut row = Vec::new();
    for i in 0..rows.len() {
        if i % 10_000 == 0 {
            pgrx::check_for_interrupts!();
        }
        read_row(rows, i, &mut row)?;
        for (name, column) in ["recency_days", "trading_frequency", monetary].into_iter().zip(&mut columns) {
            column.push(index_of(name).map(|p| row[p]).filter(|v| v.is_finite()));
        }
    }
    Ok(columns)
}

fn points(call: &Call) -> Result<Option<Raw>> {
    let monetary = monetary(call.text(2)?)?;
    let cuts = read(call.text(0)?, call.i64(1), None, |rows| Ok(Cuts::of(monetary, &columns(rows, monetary)?)))?;
    let Some(cuts) = cuts.flatten() else { return Ok(None) };
    spi::read("SELECT $1::jsonb", &[arg(cuts.to_json().to_string())], |r| Ok(r.kept(0, 1).map(Raw)))
}

fn scores(call: &Call) -> Result<()> {
    let stored = call.raw(3).map(datum::json).transpose()?.as_ref().map(Cuts::from_json).transpose()?;
    let asked = call.text(2)?.map(|m| monetary(Some(m))).transpose()?;
    if let (Some(cuts), Some(asked)) = (&stored, asked) {
        if cuts.monetary != asked {
            return Err(Failure::invalid(format!("monetary is {asked}, and the cut points are of {}", cuts.monetary))
                .hint("leave monetary out where cut points are given"));
        }
    }
    let money = stored.as_ref().map(|c| c.monetary).or(asked).map_or_else(|| monetary(None), Ok)?;
    let mut sink = RowSink::new(call)?;
    read(call.text(0)?, call.i64(1), None, |rows| {
        let columns = columns(rows, money)?;
        let cuts = stored.or_else(|| Cuts::of(money, &columns));
        for i in 0..rows.len() {
            if i % 10_000 == 0 {
                pgrx::check_for_interrupts!();
            }
            let part = |p: usize| Some(quintile(columns[p][i]?, &cuts.as_ref()?.parts[p]).into());
            // The fewer days the better.
            let (r, f, m) = (part(0).map(|q: i32| 6 - q), part(1), part(2));
            let score = r.zip(f).zip(m).map(|((r, f), m)| 100 * r + 10 * f + m);
            let mut cells = vec![Cell::option(rows.raw(i, 1), Cell::Raw)];
            cells.extend(columns.iter().map(|c| Cell::option(c[i], Cell::Float)));
            cells.extend([r, f, m, score].map(|q| Cell::option(q, Cell::Int)));
            sink.push(cells);
        }
        Ok(())
    })
    .map(Option::unwrap_or_default)
}

/// What came after as_of: for evaluation, never a feature.
fn churn_labels(call: &Call) -> Result<()> {
    let definition = of_trades(call.text(0)?)?;
    let as_of = call.i64(1).filter(|t| ![i64::MIN, i64::MAX].contains(t)).ok_or_else(|| {
        Failure::invalid("as_of must be a finite instant").hint("the labels tell what happened in the days after it")
    })?;
    let days = call.get::<i32>(2).unwrap_or(30);
    if !(1..=LONGEST_HORIZON).contains(&days) {
        return Err(Failure::invalid(format!("days = {days} is not between 1 and {LONGEST_HORIZON}")));
    }
    let (_path, _plain) = (SafePath::set(), Setting::interpreted());
    let sources = Sources::of(&definition.name)?;
    let source = definition.source()?;
    let pass = Pass::new(&definition, &sources, &source)?;
    let mut params = Params::default();
    let from = params.add(time(Some(as_of)));
    let hours = params.add(arg(24 * days));
    let low = crate::api::passes::low_day(&from, definition.lookback.as_deref(), &mut params);
    // Days of 24 hours, whatever the session's time zone; 'infinity' is no trade's time.
    let sql = format!(
        "WITH t AS MATERIALIZED (SELECT {account} AS account, {at} AS at FROM {table} t
           WHERE {at} > timestamptz '-infinity' AND {at} < timestamptz 'infinity'),
         e AS (SELECT pg_catalog.max(t.at) AS at FROM t),
         h AS (SELECT {from} + pg_catalog.make_interval(hours => {hours}) AS until),
         a AS (SELECT t.account, pg_catalog.max(t.at) FILTER (WHERE t.at < {from}) AS last,
                      pg_catalog.min(t.at) FILTER (WHERE t.at >= {from} AND t.at < h.until) AS next
               FROM t CROSS JOIN h WHERE t.account IS NOT NULL AND t.at >= {since} GROUP BY t.account)
         SELECT s.account, s.last, s.next, s.churned
         FROM (SELECT {text} AS account, a.last, a.next,
                      CASE WHEN a.next IS NOT NULL THEN false WHEN e.at >= h.until THEN true END AS churned
               FROM a CROSS JOIN h CROSS JOIN e WHERE a.last IS NOT NULL) s
         ORDER BY s.account COLLATE pg_catalog.\"C\"",
        account = pass.account(&definition)?,
        at = pass.executed_at(&definition)?,
        table = crate::api::sources::copies::once(&pass, &source)?,
        since = format_args!("pg_catalog.timezone('UTC', ({low})::timestamp)"),
        text = crate::api::columns::as_text("a", "account", definition.key_type),
    );
    let mut sink = RowSink::new(call)?;
    spi::read(&sql, params.args(), |rows| {
        for i in 0..rows.len() {
            let instant = |c| Cell::option(rows.raw(i, c), Cell::Raw);
            sink.push(vec![instant(1), instant(2), instant(3), Cell::option(rows.get::<bool>(i, 4), Cell::Bool)]);
        }
        Ok(())
    })
}
