//! How far a model can be trusted: whether its segments are found again in resamples, how sure each account's segment is, and
//! whether the clustering holds for rows it has not seen.

use super::choose::LIGHT;
use super::Model;
use crate::cluster::{hold_out, replicated, Bootstrap, Clusterer, HoldOut, Recovery, Settings, NOISE};
use crate::control::Control;
use crate::error::{Error, Result};
use crate::prepare::CHUNK;
use ndarray::{Array2, ArrayView2, Axis};
use rayon::prelude::*;

/// What is repeated, and on how many rows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StabilityOptions {
    pub resamples: usize,
    /// Parts of the hold-out
    pub folds: usize,
    /// Rows of a resample and of the hold-out
    pub rows: usize,
    pub seed: u64,
}

impl Default for StabilityOptions {
    /// 100 resamples (Hennig 2007), 5 folds, of 2,000 rows.
    fn default() -> Self {
        StabilityOptions { resamples: 100, folds: 5, rows: 2_000, seed: 1 }
    }
}

/// The figures of a model.
#[derive(Clone, Debug, PartialEq)]
pub struct Stability {
    /// One a segment; None where no resample had an account of it
    pub segments: Vec<Option<Recovery>>,
    /// One a row of the matrix: the share of resamples that put it into the matching segment; None for noise
    pub confidence: Vec<Option<f64>>,
    /// Segment of each row (place in `Model::segments`), or [`NOISE`]
    pub labels: Vec<u32>,
    /// None with one segment, and where the algorithm cannot score rows that it was not fitted on
    pub held_out: Option<HoldOut>,
    /// Rows that the resamples were drawn from
    pub rows: usize,
}

/// Measures `model` on `raw` (rows × [`Model::feature_names`], NaN = missing): the accounts of today, prepared and
/// labelled as the model does. Refits use the model's algorithm and settings with at most 3 starts, each in the space the model
/// prepared.
///
/// Errors: `InvalidParameter` for no resamples, fewer than two folds, or a wrong width; `NotReady` for fewer rows than segments.
pub fn stability(
    model: &Model,
    raw: ArrayView2<f64>,
    options: &StabilityOptions,
    control: &Control,
) -> Result<Stability> {
    if options.resamples == 0 || options.folds < 2 {
        return Err(Error::invalid(format!("{} resamples and {} folds", options.resamples, options.folds))
            .hint("it takes at least 1 resample and 2 folds"));
    }
    let k = model.k();
    if raw.nrows() < k.max(2) {
        return Err(Error::not_ready(format!("{} accounts are too few for {k} segments", raw.nrows())));
    }
    let (data, labels) = prepared(model, raw, control)?;
    let chosen = replicated(data.nrows(), options.rows.max(k), options.seed);
    let small = data.select(Axis(0), &chosen);
    let own: Vec<u32> = chosen.iter().map(|&row| labels[row]).collect();
    let light = light(model)?;
    // Of as many rows as the model was fitted on, not as there are today: that is what its settings were given for.
    let light = light.for_sample(small.nrows(), model.provenance.rows as usize).unwrap_or(light);
    let bootstrap = Bootstrap::run(small.view(), &own, k, &*light, options.resamples, options.seed, control)?;
    let confidence = bootstrap.confidence(data.view(), &labels, control)?;
    let held_out = (k > 1 && model.algorithm.supports().new_rows)
        .then(|| hold_out(small.view(), &*light, k, options.folds.min(small.nrows()), options.seed, control))
        .transpose()?;
    Ok(Stability { segments: bootstrap.recovery(), confidence, labels, held_out, rows: small.nrows() })
}

fn light(model: &Model) -> Result<Box<dyn Clusterer>> {
    let given = &model.provenance.parameters.settings;
    let settings = Settings { n_init: given.n_init.min(LIGHT), moves: 0, ..given.clone() };
    model.algorithm.clusterer(&settings, model.preparation.codes())
}

/// Rows as the model prepares them, and their labels.
fn prepared(model: &Model, raw: ArrayView2<f64>, control: &Control) -> Result<(Array2<f64>, Vec<u32>)> {
    control.phase("preparing features");
    let width = model.preparation.width();
    let parts: Vec<(Vec<f64>, Vec<u32>)> = raw
        .axis_chunks_iter(Axis(0), CHUNK)
        .into_par_iter()
        .map(|rows| {
            control.check()?;
            let (mut values, mut labels) = (Vec::with_capacity(rows.nrows() * width), Vec::with_capacity(rows.nrows()));
            let mut out = Vec::new();
            for row in rows.rows() {
                model.preparation.apply(&row.to_vec(), &mut out)?;
                labels.push(model.shape.score(&out).index.map_or(NOISE, |index| index as u32));
                values.extend_from_slice(&out);
            }
            Ok((values, labels))
        })
        .collect::<Result<_>>()?;
    let (values, labels): (Vec<Vec<f64>>, Vec<Vec<u32>>) = parts.into_iter().unzip();
    let data = Array2::from_shape_vec((raw.nrows(), width), values.concat())
        .map_err(|e| Error::invalid(format!("prepared matrix: {e}")))?;
    Ok((data, labels.concat()))
}
