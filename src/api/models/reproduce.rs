//! `reproduce_model`: fits a version again from what is stored with it, and says what differs.

use crate::api::catalogue::{self, Source};
use crate::api::fit::{count_sampled, fit_rows, Request};
use crate::api::matrix::Rows as FittedOn;
use crate::api::ready_made;
use crate::api::scratch::{drop_scratch, score_all};
use crate::pg::call::{Call, Rows};
use crate::pg::datum::Cell;
use crate::pg::error::Result;
use crate::pg::identity::{SafePath, Setting};
use crate::pg::spi::{self, arg};
use crate::sql_function;
use segmentation::model::{FitOptions, Model};

sql_function!("segmentation_reproduce_model", 2, reproduce);

fn reproduce(call: &Call) -> Result<Rows> {
    let _writer = spi::Writer::begin();
    let definition = catalogue::resolve(Some(call.required(0, "segmentation")?))?;
    definition.check_model_reader()?;
    let version = match call.get::<i32>(1) {
        Some(version) => version,
        None => definition.active()?,
    };
    let (_, stored) = definition.model(Some(version))?;
    let (_path, _plain) = (SafePath::set(), Setting::interpreted());
    let source = definition.source()?;
    let request = request(&stored)?;
    drop_scratch()?;
    let mut definition = definition;
    if definition.kind == Source::Features {
        definition.features = ready_made::columns(&ready_made::of_model(&stored));
    }
    let (mut again, _) = fit_rows(&definition, &source, &request)?;
    // A model of a sample that was activated counts all accounts.
    let accounts: u64 = stored.segments.iter().map(|s| s.accounts).sum();
    if again.provenance.sampled_from.is_some() && accounts + stored.quality.noise != stored.provenance.rows {
        score_all(&again)?;
        count_sampled(&definition, &mut again)?;
    }
    drop_scratch()?;
    Ok(Rows(checks(&stored, &again)?))
}

/// The arguments of the fit that made the model.
fn request(model: &Model) -> Result<Request> {
    let p = &model.provenance;
    let as_of = match &p.as_of {
        None => None,
        Some(text) => {
            spi::read("SELECT $1::timestamptz", &[arg(text.clone())], |r| Ok(r.raw(0, 1).map(|d| d.value() as i64)))?
        }
    };
    Ok(Request {
        options: FitOptions {
            k: p.parameters.k.map(|k| k as usize),
            k_max: p.parameters.k_max as usize,
            seed: p.seed,
            algorithm: model.algorithm,
            settings: p.parameters.settings.clone(),
            preparation: p.parameters.preparation.clone(),
        },
        as_of,
        lookback: p.lookback.clone(),
        min_trades: p.parameters.min_trades.max(1),
        rows: match (p.sampled_from, p.sampled_below) {
            // Of a sample nothing more is known: it can only be drawn again.
            (Some(_), None) => FittedOn::Fitting,
            (_, below) => FittedOn::Of(below),
        },
    })
}

fn checks(stored: &Model, again: &Model) -> Result<Vec<Vec<Cell>>> {
    let sizes = |m: &Model| m.segments.iter().map(|s| s.accounts.to_string()).collect::<Vec<_>>().join(", ");
    let market = |m: &Model| m.provenance.market.as_ref().map(crate::api::vector::market_json).transpose();
    let (a, b) = (&stored.provenance, &again.provenance);
    let rows = [
        ("extension version", Some(a.crate_version.clone()), Some(b.crate_version.clone())),
        ("as_of", a.as_of.clone(), b.as_of.clone()),
        ("accounts sampled from", a.sampled_from.map(|n| n.to_string()), b.sampled_from.map(|n| n.to_string())),
        ("accounts", Some(a.rows.to_string()), Some(b.rows.to_string())),
        ("features", Some(stored.feature_names().join(", ")), Some(again.feature_names().join(", "))),
        ("market", market(stored)?, market(again)?),
        ("hash of the rows", Some(a.rows_hash.clone()), Some(b.rows_hash.clone())),
        ("segments", Some(stored.k().to_string()), Some(again.k().to_string())),
        ("accounts by segment", Some(sizes(stored)), Some(sizes(again))),
        ("inertia", Some(stored.quality.inertia.to_string()), Some(again.quality.inertia.to_string())),
        ("hash of the model", Some(stored.content_hash()?), Some(again.content_hash()?)),
    ];
    let row = |(check, expected, found): (&str, Option<String>, Option<String>)| {
        let equal = expected == found;
        vec![Cell::text(check), Cell::option(expected, Cell::Text), Cell::option(found, Cell::Text), Cell::Bool(equal)]
    };
    Ok(rows.into_iter().map(row).collect())
}
