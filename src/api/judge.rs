//! `choose_k`, `segmentation_stability`, `account_confidence`: how many segments there are, and how far a model can be
//! trusted. They store nothing, but make the rows as a fit does.

use crate::api::catalogue;
use crate::api::fit::{request, unfitted, Places, Unfitted};
use crate::api::matrix::{self, Matrix};
use crate::api::models::activate::score_now;
use crate::api::rights::check_modeller;
use crate::api::scratch::drop_scratch;
use crate::pg::call::{Call, Rows};
use crate::pg::datum::Cell;
use crate::pg::error::{Failure, Result};
use crate::pg::identity::{SafePath, Setting};
use crate::pg::spi;
use crate::pg::threads;
use crate::sql_function;
use segmentation::cluster::{stability_in_words, ChooseOptions, NOISE};
use segmentation::model::{self, Model, Stability, StabilityOptions};

sql_function!("segmentation_choose_k", 9, choose_k);
sql_function!("segmentation_stability", 4, stability);
sql_function!("segmentation_account_confidence", 4, confidence);

const CHOOSE: Places = Places {
    k: None,
    k_max: 1,
    algorithm: 2,
    preparation: 3,
    as_of: 4,
    lookback: 5,
    seed: 6,
    settings: 7,
    min_trades: 8,
};

fn number(value: Option<f64>) -> Cell {
    Cell::option(value.filter(|v| v.is_finite()), Cell::Float)
}

/// One row a k, with every criterion; what the rule says of it in the last columns.
fn choose_k(call: &Call) -> Result<Rows> {
    let _writer = spi::Writer::command(c"choose_k()");
    let definition = catalogue::resolve(call.text(0)?)?;
    definition.check_model_reader()?;
    check_modeller(&definition)?;
    let request = request(call, &definition, &CHOOSE)?;
    let (_path, _plain) = (SafePath::set(), Setting::interpreted());
    let source = definition.source()?;
    drop_scratch()?;
    let Unfitted { input, options, .. } = unfitted(&definition, &source, &request)?;
    drop_scratch()?;
    let criteria = ChooseOptions::all(options.k_max, options.seed);
    let choice = threads::compute(move |control| model::choose_k(&input, &options, &criteria, control))?;
    let row = |r: &segmentation::cluster::KRow| {
        let chosen = r.k == choice.k;
        vec![
            Cell::Int(r.k as i32),
            Cell::Bool(chosen),
            number(r.silhouette),
            number(r.silhouette_error),
            number(r.criteria.simplified_silhouette),
            number(r.criteria.calinski_harabasz),
            number(r.criteria.davies_bouldin),
            number(r.criteria.within),
            number(r.bic),
            number(r.gap.map(|g| g.gap)),
            number(r.gap.map(|g| g.s)),
            number(r.prediction_strength),
            number(r.weakest),
            Cell::Big(r.smallest as i64),
            Cell::option(choice.guard.p.filter(|_| choice.tested == Some(r.k)), Cell::Float),
            Cell::option(r.passed_over.clone().or_else(|| chosen.then(|| choice.reason.clone())), Cell::text),
        ]
    };
    Ok(Rows(choice.rows.iter().map(row).collect()))
}

/// A model measured on the accounts of today, or on a sample of them.
struct Measured {
    model: Model,
    found: Stability,
    /// One a row
    accounts: Vec<String>,
}

fn measured(call: &Call, named: bool) -> Result<Measured> {
    let definition = catalogue::resolve(call.text(0)?)?;
    definition.check_model_reader()?;
    let (_, model) = definition.model(call.get(1))?;
    let usual = StabilityOptions::default();
    let resamples = call.get::<i32>(2).unwrap_or(usual.resamples as i32);
    if !(1..=1000).contains(&resamples) {
        return Err(Failure::invalid(format!("resamples = {resamples} is outside 1 to 1000"))
            .hint("100 are usual; the figures are means over them"));
    }
    let seed = call.i64(3).map_or(usual.seed, |seed| seed as u64);
    let options = StabilityOptions { resamples: resamples as usize, seed, ..usual };
    let source = definition.source()?;
    score_now(&definition, &source, &model)?;
    let width = model.feature_names().len();
    let read = Matrix::read(&definition, width, seed, matrix::Rows::Fitting)?;
    read.announce("measured");
    let accounts = if named { matrix::accounts(&definition, read.sampled_below, seed)? } else { Vec::new() };
    drop_scratch()?;
    let input = read.input(model.preparation().columns().iter().map(|c| c.spec.clone()).collect())?;
    let copy = model.clone();
    let found = threads::compute(move |control| model::stability(&copy, input.raw.view(), &options, control))?;
    Ok(Measured { model, found, accounts })
}

fn stability(call: &Call) -> Result<Rows> {
    let _writer = spi::Writer::command(c"segmentation_stability()");
    let (_path, _plain) = (SafePath::set(), Setting::interpreted());
    let Measured { model, found, .. } = measured(call, false)?;
    let mut rows: Vec<Vec<Cell>> = Vec::new();
    for (place, (segment, recovery)) in model.segments.iter().zip(&found.segments).enumerate() {
        let sure: Vec<f64> = found
            .confidence
            .iter()
            .zip(&found.labels)
            .filter(|(_, &label)| label as usize == place)
            .filter_map(|(c, _)| *c)
            .collect();
        let mean = (!sure.is_empty()).then(|| sure.iter().sum::<f64>() / sure.len() as f64);
        let mut push = |figure: &str, value: Option<f64>, verdict: Option<&str>| {
            rows.push(vec![
                Cell::Int(segment.id),
                Cell::text(segment.name.clone()),
                Cell::text(figure),
                number(value),
                Cell::option(verdict, Cell::text),
            ]);
        };
        let jaccard = recovery.map(|r| r.jaccard);
        push("jaccard_of_2000", jaccard, Some(jaccard.map_or("no resample could be clustered", stability_in_words)));
        push("dissolved_share", recovery.map(|r| r.dissolved as f64 / r.resamples as f64), None);
        push("confidence", mean, None);
    }
    if let Some(p) = model.quality.guard.p {
        let verdict = if model.quality.guard.is_chance() { "may be chance" } else { "more than chance" };
        let (figure, verdict) = (Cell::text("guard"), Cell::text(verdict));
        rows.push(vec![Cell::Null, Cell::Null, figure, Cell::Float(p), verdict]);
    }
    if let Some(held) = &found.held_out {
        let verdict = held.verdict().map(|v| v.name());
        let mut push = |figure: &str, value: Option<f64>, verdict: Option<&str>| {
            let verdict = Cell::option(verdict, Cell::text);
            rows.push(vec![Cell::Null, Cell::Null, Cell::text(figure), number(value), verdict]);
        };
        push("out_of_sample_inertia_ratio_of_2000", held.inertia_ratio, None);
        push("out_of_sample_silhouette_drop_of_2000", held.silhouette_drop, None);
        push("out_of_sample_agreement_of_2000", held.agreement, None);
        push("out_of_sample", None, verdict);
    }
    Ok(Rows(rows))
}

fn confidence(call: &Call) -> Result<Rows> {
    let _writer = spi::Writer::command(c"account_confidence()");
    let (_path, _plain) = (SafePath::set(), Setting::interpreted());
    let Measured { model, found, accounts } = measured(call, true)?;
    let row = |((account, &label), c): ((String, &u32), &Option<f64>)| {
        pgrx::check_for_interrupts!();
        let segment = (label != NOISE).then(|| &model.segments[label as usize]);
        vec![
            Cell::text(account),
            Cell::option(segment.map(|s| s.id), Cell::Int),
            Cell::option(segment.map(|s| s.name.clone()), Cell::text),
            number(*c),
        ]
    };
    Ok(Rows(accounts.into_iter().zip(&found.labels).zip(&found.confidence).map(row).collect()))
}
