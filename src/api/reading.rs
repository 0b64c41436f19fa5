//! What a model says of one account: probabilities, and why.

use crate::api::account::Known;
use crate::api::catalogue::{self, Definition};
use crate::pg::call::{Call, Rows};
use crate::pg::datum::Cell;
use crate::pg::error::{Failure, Result};
use crate::sql_function;
use pgrx::{pg_sys, PgSqlErrorCode};
use segmentation::model::{Counterfactual, Lack, Model, Reading, Standing};

sql_function!("segmentation_segment_probabilities_any", 3, probabilities_any);
sql_function!("segmentation_segment_probabilities_text", 3, probabilities_text);
sql_function!("segmentation_segment_standing_any", 3, standing_any);
sql_function!("segmentation_segment_standing_text", 3, standing_text);
sql_function!("segmentation_explain_segment_any", 4, explain_any);
sql_function!("segmentation_explain_segment_text", 4, explain_text);
sql_function!("segmentation_counterfactual_segment_any", 4, counterfactual_any);
sql_function!("segmentation_counterfactual_segment_text", 4, counterfactual_text);

/// The active model, and what is known of the account of argument 0 at the instant of argument `as_of`; `None` for a NULL or
/// unknown account.
struct Asked {
    definition: Definition,
    model: Model,
    known: Known,
}

impl Asked {
    fn of(call: &Call, argument_type: pg_sys::Oid, segmentation: usize, as_of: usize) -> Result<Option<Asked>> {
        let definition = catalogue::resolve(call.text(segmentation)?)?;
        definition.check_model_reader()?;
        let (_, model) = definition.model(None)?;
        let Some(account) = call.raw(0) else { return Ok(None) };
        let known = Known::of(&definition, &model, account, argument_type, call.i64(as_of))?;
        Ok(known.map(|known| Asked { definition, model, known }))
    }

    /// The same, `None` also for an account that is new or of which too little is known: where segment_of names no segment, there
    /// is none to explain. segment_standing says what is lacking.
    fn with_segment(
        call: &Call,
        argument_type: pg_sys::Oid,
        segmentation: usize,
        as_of: usize,
    ) -> Result<Option<Asked>> {
        let Some(asked) = Asked::of(call, argument_type, segmentation, as_of)? else { return Ok(None) };
        let standing = asked.model.standing(&asked.model.assign(&asked.known.row)?, asked.known.trades);
        Ok((!matches!(standing, Standing::New { .. } | Standing::Insufficient { .. })).then_some(asked))
    }
}

fn probabilities_any(call: &Call) -> Result<Rows> {
    probabilities(call, call.argument_type(0))
}

fn probabilities_text(call: &Call) -> Result<Rows> {
    probabilities(call, pg_sys::TEXTOID)
}

fn probabilities(call: &Call, argument_type: pg_sys::Oid) -> Result<Rows> {
    let Some(Asked { definition, model, known }) = Asked::with_segment(call, argument_type, 1, 2)? else {
        return Ok(Rows(Vec::new()));
    };
    let Some(found) = model.probabilities(&known.row)? else {
        return Err(Failure::new(
            PgSqlErrorCode::ERRCODE_FEATURE_NOT_SUPPORTED,
            format!(
                "the model of segmentation \"{}\" is of {}, which knows no probabilities",
                definition.name,
                model.algorithm.name()
            ),
        )
        .hint("the view segmentation.algorithms says which do"));
    };
    let mut rows: Vec<_> = model.segments.iter().zip(found).collect();
    rows.sort_by(|a, b| b.1.total_cmp(&a.1));
    let row = |(segment, p): (&segmentation::model::Segment, f64)| {
        vec![Cell::Int(segment.id), Cell::text(segment.name.clone()), Cell::Float(p)]
    };
    Ok(Rows(rows.into_iter().map(row).collect()))
}

fn standing_any(call: &Call) -> Result<Rows> {
    standing(call, call.argument_type(0))
}

fn standing_text(call: &Call) -> Result<Rows> {
    standing(call, pg_sys::TEXTOID)
}

fn standing(call: &Call, argument_type: pg_sys::Oid) -> Result<Rows> {
    let Some(Asked { model, known, .. }) = Asked::of(call, argument_type, 1, 2)? else { return Ok(Rows(Vec::new())) };
    let assignment = model.assign(&known.row)?;
    let (name, needed) = match model.standing(&assignment, known.trades) {
        Standing::Assigned => ("assigned", None),
        Standing::New { trades_needed } => ("new", Some(trades_needed)),
        Standing::Insufficient { .. } => {
            let needed = known.trades.map(|trades| model.trades_for_enough(&known.row, trades)).transpose()?;
            ("insufficient", needed.flatten())
        }
        Standing::Noise => ("noise", None),
    };
    let lack = |l: Lack| match l.at_least {
        "" => l.feature,
        least => format!("{} (at least {least})", l.feature),
    };
    Ok(Rows(vec![vec![
        Cell::text(name),
        Cell::option(known.trades, |n| Cell::Big(n as i64)),
        Cell::option(needed, |n| Cell::Big(n as i64)),
        Cell::Int(assignment.imputed as i32),
        Cell::Int(assignment.allowed() as i32),
        Cell::Texts(model.lacks(&known.row)?.into_iter().map(lack).collect()),
    ]]))
}

fn explain_any(call: &Call) -> Result<Rows> {
    explain(call, call.argument_type(0))
}

fn explain_text(call: &Call) -> Result<Rows> {
    explain(call, pg_sys::TEXTOID)
}

fn explain(call: &Call, argument_type: pg_sys::Oid) -> Result<Rows> {
    let Some(Asked { model, known, .. }) = Asked::with_segment(call, argument_type, 1, 3)? else {
        return Ok(Rows(Vec::new()));
    };
    let target = place(&model, call.text(2)?)?;
    let Some(found) = model.explain(&known.row, target)? else { return Ok(Rows(Vec::new())) };
    let name = |place: usize| model.segments[place].name.clone();
    let mut rows: Vec<Vec<Cell>> = Vec::new();
    let mut push =
        |feature: String, unit: String, figures: [Option<f64>; 3], contribution: f64, reading: Option<String>| {
            rows.push(vec![
                Cell::text(name(found.segment)),
                Cell::text(name(found.other)),
                Cell::text(feature),
                Cell::text(unit),
                Cell::option(figures[0], Cell::Float),
                Cell::option(figures[1], Cell::Float),
                Cell::option(figures[2], Cell::Float),
                Cell::Float(contribution),
                Cell::Float(found.lead),
                Cell::option(reading, Cell::text),
            ]);
        };
    for f in &found.features {
        let text = |r: &Reading| r.text(&f.name, &f.unit);
        let used = f.used.as_ref().and_then(text).map_or(String::new(), |used| format!(", taken as {used}"));
        let reading = format!(
            "{}{used}; typical here {}, there {}",
            text(&f.value).unwrap_or_else(|| "unknown".into()),
            text(&f.typical).unwrap_or_else(|| "unknown".into()),
            text(&f.other_typical).unwrap_or_else(|| "unknown".into()),
        );
        let figures = [f.value.number(), f.typical.number(), f.other_typical.number()];
        push(f.name.clone(), f.unit.clone(), figures, f.contribution, Some(reading));
    }
    if found.constant != 0.0 {
        let reading = "what speaks for the segment whatever the account does: its size and spread";
        push("(segment)".into(), String::new(), [None; 3], found.constant, Some(reading.into()));
    }
    Ok(Rows(rows))
}

fn counterfactual_any(call: &Call) -> Result<Rows> {
    counterfactual(call, call.argument_type(0))
}

fn counterfactual_text(call: &Call) -> Result<Rows> {
    counterfactual(call, pg_sys::TEXTOID)
}

fn counterfactual(call: &Call, argument_type: pg_sys::Oid) -> Result<Rows> {
    let Some(Asked { model, known, .. }) = Asked::with_segment(call, argument_type, 2, 3)? else {
        return Ok(Rows(Vec::new()));
    };
    let target = place(&model, call.text(1)?)?;
    let row = |c: Counterfactual| {
        let to = c.change.as_ref().map(|change| &change.to);
        let text = |r: &Reading| r.text(&c.name, &c.unit);
        let reading = match (to, text(&c.value)) {
            (None, _) => "no value of this feature alone is enough".into(),
            (Some(to), from) => format!(
                "{} instead of {}",
                text(to).unwrap_or_else(|| "unknown".into()),
                from.unwrap_or_else(|| "unknown".into())
            ),
        };
        vec![
            Cell::text(c.name.clone()),
            Cell::text(c.unit.clone()),
            Cell::option(c.value.number(), Cell::Float),
            Cell::option(to.and_then(Reading::number), Cell::Float),
            Cell::option(c.change.as_ref().map(|change| model.segments[change.segment].name.clone()), Cell::text),
            Cell::option(c.change.as_ref().map(|change| change.size), Cell::Float),
            Cell::text(reading),
        ]
    };
    Ok(Rows(model.counterfactual(&known.row, target)?.into_iter().map(row).collect()))
}

/// The segment of a name, or of an id as text; 42704 where the model has none.
fn place(model: &Model, target: Option<&str>) -> Result<Option<usize>> {
    let Some(target) = target else { return Ok(None) };
    let by_id = || target.parse::<i32>().ok().and_then(|id| model.segments.iter().position(|s| s.id == id));
    let found = model.segments.iter().position(|s| s.name == target).or_else(by_id);
    found.map(Some).ok_or_else(|| {
        let known: Vec<String> = model.segments.iter().map(|s| format!("{} (\"{}\")", s.id, s.name)).collect();
        Failure::new(PgSqlErrorCode::ERRCODE_UNDEFINED_OBJECT, format!("the model has no segment \"{target}\""))
            .hint(format!("its segments, by id or name: {}", known.join(", ")))
    })
}
