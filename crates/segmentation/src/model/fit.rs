//! The fit: plan → preparation → k → clusters → canonical order → names and profiles → model.

use super::choose::Prepared;
use super::describe::describe;
use super::name::names;
use super::profile::profiles;
use super::rules::surrogate;
use super::{quality, Model, Parameters, Provenance, Quality, Segment, MAX_SEGMENTS};
use crate::cluster::{Algorithm, Centroids, Choice, ChooseOptions, Guard, Settings, Shape, NOISE};
use crate::control::Control;
use crate::error::{Error, Result};
use crate::prepare::{FeatureSpec, Plan, Preparation, CHUNK};
use ndarray::{Array2, ArrayView2, Axis};
use rayon::prelude::*;
use serde_json::Value;
use std::collections::HashSet;

/// What to fit on. The caller orders rows by account key: the order is part of what makes a fit reproducible.
#[derive(Clone, Debug)]
pub struct FitInput {
    pub specs: Vec<FeatureSpec>,
    /// Rows = accounts, columns = `specs`; NaN or ±inf = missing
    pub raw: Array2<f64>,
    /// USD an account, for the share of volume; missing or negative counts as 0
    pub volume: Option<Vec<f64>>,
}

impl FitInput {
    /// From row-major values, one row an account. `InvalidParameter` unless they fill whole rows.
    pub fn from_rows(specs: Vec<FeatureSpec>, values: Vec<f64>, volume: Option<Vec<f64>>) -> Result<Self> {
        let rows = values.len().checked_div(specs.len()).unwrap_or(0);
        let raw = Array2::from_shape_vec((rows, specs.len()), values)
            .map_err(|e| Error::invalid(format!("the rows do not have {} features each: {e}", specs.len())))?;
        Ok(FitInput { specs, raw, volume })
    }
}

/// How to fit.
#[derive(Clone, Debug)]
pub struct FitOptions {
    /// Number of segments; None = choose one of 1 to `k_max`
    pub k: Option<usize>,
    pub k_max: usize,
    pub seed: u64,
    pub algorithm: Algorithm,
    pub settings: Settings,
    /// See [`Plan::from_json`]
    pub preparation: Option<Value>,
}

impl Default for FitOptions {
    fn default() -> Self {
        FitOptions {
            k: None,
            k_max: 10,
            seed: 1,
            algorithm: Algorithm::default(),
            settings: Settings::default(),
            preparation: None,
        }
    }
}

/// A model and the segment (index into `model.segments`, or [`NOISE`]) of each row it was fitted on.
#[derive(Clone, Debug)]
pub struct Fit {
    pub model: Model,
    pub labels: Vec<u32>,
}

/// Fits a model. Segments are ordered by size, largest first (ties: lexicographic centroid), and numbered from 1. The
/// same rows in the same order and the same options give the same bytes of JSON whatever the threads.
///
/// Errors: `InvalidParameter` for options out of range, `NotReady` when the data cannot answer (no rows, no feature that
/// varies, fewer distinct rows than `k`), `Cancelled`.
pub fn fit(input: FitInput, options: &FitOptions, control: &Control) -> Result<Fit> {
    check(&input, options)?;
    let FitInput { specs, raw, volume } = input;
    let mut plan = Plan::from_json(options.preparation.as_ref(), &specs)?;
    plan.seed = options.seed;
    let (preparation, data) = Preparation::fit(&plan, &specs, raw.view(), control)?;
    let rows = data.nrows();

    let (k, choice) = match options.k {
        Some(k) => (k, None),
        None if options.k_max == 1 || rows < 2 || !options.algorithm.supports().takes_k => (1, None),
        None => {
            control.phase("choosing the number of segments");
            let prepared = Prepared { preparation: &preparation, raw: raw.view(), data: data.view() };
            let choice = prepared.choose(options, &ChooseOptions::rule(options.k_max, options.seed), control)?;
            (choice.k.max(1), Some(choice))
        }
    };
    enough_distinct(data.view(), k, control)?;
    control.phase(format!("fitting {k} segments"));
    let clusterer = options.algorithm.clusterer(&options.settings, preparation.codes())?;
    let clusters = clusterer.fit(data.view(), k, options.seed, control)?;
    let Canonical { shape, labels, sizes, inertia, noise } = canonical(clusters.shape, data.view(), control)?;
    let k = shape.k();
    let clusterer = match &shape {
        // What follows looks at some of the rows, by the weight of a category that all of them gave.
        Shape::Prototypes(found) => {
            let settings = Settings { gamma: Some(found.gamma), ..options.settings.clone() };
            options.algorithm.clusterer(&settings, preparation.codes())?
        }
        _ => clusterer,
    };

    let guard = match &choice {
        Some(choice) => choice.guard.clone(),
        None if k < 2 => Guard::not_run("there is one segment"),
        None => {
            Prepared { preparation: &preparation, raw: raw.view(), data: data.view() }.guard(k, options, control)?
        }
    };

    control.phase("describing segments");
    let described = profiles(&preparation, raw.view(), &labels, k, control)?;
    let titles: Vec<&str> = specs.iter().map(FeatureSpec::title).collect();
    let names = names(&described.segments, &titles, noise);
    let volumes = volume.as_deref().and_then(|v| Volumes::new(v, &labels, k));
    let mut segments = Vec::with_capacity(k);
    for (i, (name, profile)) in names.into_iter().zip(described.segments).enumerate() {
        let mut segment = Segment {
            id: i as i32 + 1,
            name,
            accounts: sizes[i],
            share: sizes[i] as f64 / rows as f64,
            volume_share: volumes.as_ref().map(|v| v.segments[i]),
            description: String::new(),
            profile,
        };
        segment.description = describe(&segment, &described.overall, preparation.columns(), k == 1);
        segments.push(segment);
    }

    let (silhouette, silhouette_rows) = match choice.as_ref().and_then(|c| row_of(c, k)) {
        Some(found) => found,
        None => quality::of_labels(data.view(), &labels, k, &*clusterer, control)?,
    };
    let total = match clusterer.codes() {
        0 => one_segment_inertia(data.view(), control)?,
        _ => clusterer.fit(data.view(), 1, options.seed, control)?.objective.unwrap_or(0.0),
    };
    let quality = Quality {
        inertia,
        separation: if k > 1 && total > 0.0 { (1.0 - inertia / total).max(0.0) } else { 0.0 },
        silhouette,
        silhouette_rows,
        k_reason: match (&choice, options.k) {
            (Some(c), _) => c.reason.clone(),
            (None, Some(_)) => "k was given".into(),
            (None, None) if !options.algorithm.supports().takes_k => {
                format!("{} finds the number of segments itself", options.algorithm.name())
            }
            (None, None) => "only one segment was allowed".into(),
        },
        k_table: choice.as_ref().map(quality::table).unwrap_or_default(),
        explained_variance: preparation.pca().map_or(1.0, |p| p.explained()),
        iterations: clusters.iterations as u64,
        objective: clusters.objective,
        noise,
        noise_volume_share: volumes.filter(|_| noise > 0).map(|v| v.noise),
        scan_rows: choice.as_ref().map_or(0, |c| c.scan_rows as u64),
        replicate_rows: choice.as_ref().map_or(0, |c| c.replicate_rows as u64),
        guard,
    };
    let mut warnings = preparation.warnings();
    warnings.extend(clusters.notes);
    if let (1, Some(c)) = (k, &choice) {
        warnings.push(c.reason.clone());
    }
    if choice.is_none() && quality.guard.is_chance() {
        warnings.push(format!("the segments may be chance: {}", quality.guard.in_words()));
    }
    // Told where it was tried: that a few rows are too few for many segments is no news.
    if quality.guard.rows > 0 && quality.guard.p.is_none() {
        warnings.push(quality.guard.in_words());
    }
    let provenance = Provenance {
        seed: options.seed,
        rows: rows as u64,
        sampled_from: None,
        sampled_below: None,
        rows_hash: rows_hash(raw.view(), control)?,
        prng: "chacha8".into(),
        crate_version: env!("CARGO_PKG_VERSION").into(),
        parameters: Parameters {
            k: options.k.map(|k| k as u64),
            k_max: options.k_max as u64,
            settings: options.settings.clone(),
            preparation: options.preparation.clone(),
            min_trades: 0,
        },
        as_of: None,
        lookback: None,
        market: None,
        warnings,
    };
    let rules = surrogate(&preparation, raw.view(), &labels, k, control)?;
    let model = Model {
        preparation,
        algorithm: options.algorithm,
        shape,
        segments,
        overall: described.overall,
        quality,
        provenance,
        rules,
    };
    Ok(Fit { model, labels })
}

fn check(input: &FitInput, options: &FitOptions) -> Result<()> {
    let limited = |what: &str, value: usize, limit: usize| {
        if (1..=limit).contains(&value) {
            Ok(())
        } else {
            Err(Error::invalid(format!("{what} must be between 1 and {limit}, got {value}")))
        }
    };
    limited("k", options.k.unwrap_or(1), MAX_SEGMENTS)?;
    limited("k_max", options.k_max, MAX_SEGMENTS)?;
    limited("n_init", options.settings.n_init, 1000)?;
    if let Some(k) = options.k.filter(|_| !options.algorithm.supports().takes_k) {
        return Err(Error::invalid(format!("k = {k} was given, but {} finds k itself", options.algorithm.name()))
            .hint(format!(
                "leave k out; settings say what a segment is: {}",
                options.algorithm.settings().join(", ")
            )));
    }
    match &input.volume {
        Some(v) if v.len() != input.raw.nrows() => {
            Err(Error::invalid(format!("{} volumes for {} rows", v.len(), input.raw.nrows())))
        }
        _ => Ok(()),
    }
}

fn row_bytes<'a>(row: impl Iterator<Item = &'a f64>, buffer: &mut Vec<u8>) {
    buffer.clear();
    for &x in row {
        // One pattern for every NaN and one for both zeros: what is equal to us must hash the same.
        let x = if x.is_nan() { f64::NAN } else { x + 0.0 };
        let bits = if x.is_nan() { 0x7ff8_0000_0000_0000 } else { x.to_bits() };
        buffer.extend_from_slice(&bits.to_le_bytes());
    }
}

/// k-means of more segments than distinct rows would leave some empty.
fn enough_distinct(data: ArrayView2<f64>, k: usize, control: &Control) -> Result<()> {
    let mut seen = HashSet::new();
    let mut bytes = Vec::new();
    for (i, row) in data.outer_iter().enumerate() {
        if seen.len() >= k {
            return Ok(());
        }
        if i % CHUNK == 0 {
            control.check()?;
        }
        row_bytes(row.iter(), &mut bytes);
        seen.insert(xxhash_rust::xxh3::xxh3_128(&bytes));
    }
    if seen.len() >= k {
        return Ok(());
    }
    Err(Error::not_ready(format!("{k} segments asked for, but there are only {} distinct accounts", seen.len()))
        .hint(format!("ask for at most {} segments, or leave k out to have it chosen", seen.len())))
}

struct Canonical {
    shape: Shape,
    labels: Vec<u32>,
    sizes: Vec<u64>,
    /// Sum of the squared distances that scoring compares
    inertia: f64,
    noise: u64,
}

/// Orders segments by size and labels every row with the function that scores later, so that a training row can never be
/// scored differently. A row at equal distance goes to the lower index, which the order decides: hence the rounds (two
/// unless distances tie). A segment without rows goes.
fn canonical(mut shape: Shape, data: ArrayView2<f64>, control: &Control) -> Result<Canonical> {
    let mut round = 0;
    loop {
        let (labels, sizes, inertia) = label(&shape, data, control)?;
        let mut order: Vec<usize> = (0..sizes.len()).filter(|&i| sizes[i] > 0).collect();
        order.sort_by(|&a, &b| sizes[b].cmp(&sizes[a]).then_with(|| shape.compare(a, b)));
        let settled = order.len() == sizes.len() && order.iter().enumerate().all(|(i, &o)| i == o);
        if settled || (round >= 5 && order.len() == sizes.len()) {
            shape.measure(data, &labels, control)?;
            let noise = labels.len() as u64 - sizes.iter().sum::<u64>();
            return Ok(Canonical { shape, labels, sizes, inertia, noise });
        }
        if order.is_empty() {
            return Err(Error::not_ready("every account is noise: there is no segment")
                .hint("allow a larger distance or smaller segments in settings, or use another algorithm"));
        }
        shape = shape.select(&order);
        round += 1;
    }
}

/// Label of each row, rows a label, and the sum of squared distances (chunk sums in index order).
fn label(shape: &Shape, data: ArrayView2<f64>, control: &Control) -> Result<(Vec<u32>, Vec<u64>, f64)> {
    let (rows, k) = (data.nrows(), shape.k());
    let mut labels = vec![0u32; rows];
    let sums: Vec<f64> = labels
        .par_chunks_mut(CHUNK)
        .zip(data.axis_chunks_iter(Axis(0), CHUNK).into_par_iter())
        .map(|(labels, rows)| {
            control.check()?;
            let mut own = Vec::new();
            let mut sum = 0.0;
            for (i, (label, row)) in labels.iter_mut().zip(rows.outer_iter()).enumerate() {
                // A shape of density compares a row with thousands.
                if i % 64 == 0 {
                    control.check()?;
                }
                own.clear();
                own.extend(row.iter());
                let scored = shape.score(&own);
                *label = scored.index.map_or(NOISE, |index| index as u32);
                sum += scored.index.map_or(0.0, |_| scored.distance2);
            }
            Ok(sum)
        })
        .collect::<Result<_>>()?;
    let mut sizes = vec![0u64; k];
    labels.iter().filter(|&&l| l != NOISE).for_each(|&l| sizes[l as usize] += 1);
    Ok((labels, sizes, sums.iter().fold(0.0, |s, x| s + x)))
}

/// Sum of squared distances to the mean of all rows.
fn one_segment_inertia(data: ArrayView2<f64>, control: &Control) -> Result<f64> {
    let mut mean = Array2::<f64>::zeros((1, data.ncols()));
    for rows in data.axis_chunks_iter(Axis(0), CHUNK) {
        control.check()?;
        let mut part = vec![0.0; data.ncols()];
        for row in rows.outer_iter() {
            part.iter_mut().zip(row).for_each(|(s, x)| *s += x);
        }
        mean.iter_mut().zip(part).for_each(|(m, s)| *m += s / data.nrows() as f64);
    }
    label(&Shape::Centroids(Centroids::new(mean)), data, control).map(|(_, _, inertia)| inertia)
}

/// Shares of the volume of all accounts, those of no segment among them.
struct Volumes {
    segments: Vec<f64>,
    noise: f64,
}

impl Volumes {
    /// None where there is no volume.
    fn new(volume: &[f64], labels: &[u32], k: usize) -> Option<Volumes> {
        let mut sums = vec![0.0; k + 1];
        for (&v, &label) in volume.iter().zip(labels).filter(|(v, _)| v.is_finite() && **v > 0.0) {
            sums[if label == NOISE { k } else { label as usize }] += v;
        }
        let total = sums.iter().fold(0.0, |s, v| s + v);
        if !(total > 0.0 && total.is_finite()) {
            return None;
        }
        let mut segments: Vec<f64> = sums.iter().map(|s| (s / total).min(1.0)).collect();
        let noise = segments.pop()?;
        Some(Volumes { segments, noise })
    }
}

fn row_of(choice: &Choice, k: usize) -> Option<(Option<f64>, u64)> {
    let row = choice.rows.iter().find(|r| r.k == k && k > 1)?;
    Some((row.silhouette, choice.silhouette_rows as u64))
}

fn rows_hash(raw: ArrayView2<f64>, control: &Control) -> Result<String> {
    let mut hash = xxhash_rust::xxh3::Xxh3::new();
    hash.update(&(raw.nrows() as u64).to_le_bytes());
    hash.update(&(raw.ncols() as u64).to_le_bytes());
    let mut bytes = Vec::new();
    for (i, row) in raw.outer_iter().enumerate() {
        if i % CHUNK == 0 {
            control.check()?;
        }
        row_bytes(row.iter(), &mut bytes);
        hash.update(&bytes);
    }
    Ok(format!("{:032x}", hash.digest128()))
}
