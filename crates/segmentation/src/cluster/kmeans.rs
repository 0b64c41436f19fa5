//! k-means: checks, starts, restarts and the choice of the best run.

use super::lloyd::{lloyd, together};
use super::packed::{Packed, CHUNK};
use super::refine::refine;
use super::run::Run;
use super::seeding::several;
use crate::control::Control;
use crate::error::{Error, Result};
use ndarray::{Array2, ArrayView2};
use rand_chacha::rand_core::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use std::collections::HashSet;

/// Up to this many rows each restart has a thread; above it the threads share the passes of a few restarts.
const SIDE_BY_SIDE: usize = 1 << 16;
/// So many columns for each restart that shares a pass: what they remember of a row, 12 bytes each, stays below half the row.
const COLUMNS: usize = 4;
/// A later restart has to beat an earlier one by more than this share, so that rounding does not pick the winner.
const BETTER: f64 = 1e-6;

/// How to run [`kmeans`]; [`KMeansParams::new`] gives the defaults of scikit-learn with ten starts.
#[derive(Clone, Debug)]
pub struct KMeansParams {
    /// Number of clusters, at least 1.
    pub k: usize,
    /// Starts drawn by greedy k-means++, the best run wins; at least 1.
    pub n_init: usize,
    /// Most assignment-and-update steps of a run; at least 1.
    pub max_iter: usize,
    /// A run stops when the squared shift of its centroids is at most `tol` times the mean variance of the columns.
    /// 0 runs until no label changes or `max_iter`.
    pub tol: f64,
    /// Seed of ChaCha8; restart `r` draws from stream `r`.
    pub seed: u64,
    /// On a small table (rows × columns × k up to 2^22): rounds of moved centres without a gain before the best is taken;
    /// 0 for none.
    pub moves: usize,
    /// Given start, `k` × columns: one run from it, and `n_init` and `seed` are not used.
    pub init: Option<Array2<f64>>,
}

impl KMeansParams {
    /// `n_init` 10, `max_iter` 300, `tol` 1e-4, no `moves`.
    pub fn new(k: usize, seed: u64) -> Self {
        KMeansParams { k, n_init: 10, max_iter: 300, tol: 1e-4, seed, moves: 0, init: None }
    }
}

/// A clustering of the rows of a matrix.
///
/// Every row has the label of its nearest centroid (ties: lowest index), `inertia` is the sum of the squared
/// distances to it, `sizes` counts the labels and no cluster is empty. A run that ended because no label changed has
/// centroids that are exactly the means of their rows. A run ended by `tol` or `max_iter` has the centroids of its last
/// step, which are exactly the means of the labels before, and the labels assigned to them afterwards (as in
/// scikit-learn), so a centroid may differ from the mean of its rows by one further step.
#[derive(Clone, Debug, PartialEq)]
pub struct KMeansFit {
    /// `k` × columns, in the order of the start: no meaning in the order.
    pub centroids: Array2<f64>,
    pub labels: Vec<u32>,
    pub inertia: f64,
    pub sizes: Vec<u64>,
    /// Assignment-and-update steps of the winning run.
    pub iterations: usize,
}

/// Clusters the rows of `data` (rows × columns, finite numbers) into `params.k` clusters by Lloyd's algorithm.
///
/// Starts are drawn by greedy k-means++ (Arthur & Vassilvitskii 2007 with `2 + floor(ln k)` candidates, as
/// scikit-learn); an empty cluster takes the row farthest from its centroid. Memory: one packed copy of the data,
/// 12 bytes a row for each start that shares its passes (a start for every four columns, fewer with thousands of segments), and for
/// each of them the sums of each chunk (k / 4096 of the data). Same data and parameters give the same bits for
/// any thread count and processor.
///
/// Errors: `InvalidParameter` for `k`, `n_init` or `max_iter` below 1, `tol` negative or NaN, empty data, a given start
/// of the wrong shape, NaN or infinite values (column named), and `k` above the number of distinct rows;
/// `OutOfRange` for values above 1e140 in size; `Cancelled` when `control` says so.
pub fn kmeans(data: ArrayView2<f64>, params: &KMeansParams, control: &Control) -> Result<KMeansFit> {
    check_params(data, params)?;
    let packed = Packed::new(data, control)?;
    enough_distinct(data, params.k, control)?;
    let tolerance = if params.tol == 0.0 { 0.0 } else { params.tol * packed.mean_variance(control)? };
    let best = match &params.init {
        Some(init) => lloyd(&packed, init.iter().copied().collect(), params.k, params.max_iter, tolerance, control)?,
        None => refine(&packed, restarts(&packed, params, tolerance, control)?, params, control)?,
    };
    Ok(KMeansFit {
        centroids: Array2::from_shape_fn((params.k, packed.cols), |(j, f)| best.centroids[j * packed.cols + f]),
        labels: best.labels,
        inertia: best.inertia,
        sizes: best.sizes,
        iterations: best.iterations,
    })
}

fn restarts(packed: &Packed, params: &KMeansParams, tolerance: f64, control: &Control) -> Result<Run> {
    let &KMeansParams { k, n_init, max_iter, seed, .. } = params;
    let group = |first: usize, last: usize| {
        control.phase(match last - first {
            1 => format!("k = {k}: start {last} of {n_init}"),
            _ => format!("k = {k}: starts {} to {last} of {n_init}", first + 1),
        });
        let generator = |restart: usize| {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            rng.set_stream(restart as u64);
            rng
        };
        let starts = several(packed, k, (first..last).map(generator).collect(), control)?;
        together(packed, starts, k, max_iter, tolerance, control)
    };
    let better = |best: Run, next: Run| if next.inertia < best.inertia * (1.0 - BETTER) { next } else { best };
    let none = || Error::invalid("n_init is 0");
    if packed.rows <= SIDE_BY_SIDE {
        let runs: Vec<Vec<Run>> =
            (0..n_init).into_par_iter().map(|restart| group(restart, restart + 1)).collect::<Result<_>>()?;
        return runs.into_iter().flatten().reduce(better).ok_or_else(none);
    }
    // Each start has the sums of its own of every chunk: with many segments one at a time, as they would outgrow the data.
    let shared = (packed.cols / COLUMNS).min(CHUNK / k).max(1);
    let mut best: Option<Run> = None;
    for first in (0..n_init).step_by(shared) {
        let runs = group(first, (first + shared).min(n_init))?;
        best = best.into_iter().chain(runs).reduce(better);
    }
    best.ok_or_else(none)
}

pub(super) fn check_params(data: ArrayView2<f64>, params: &KMeansParams) -> Result<()> {
    let (rows, cols) = data.dim();
    if rows == 0 || cols == 0 {
        return Err(Error::invalid(format!("cannot cluster a matrix of {rows} rows and {cols} columns"))
            .hint("give at least one row and one feature"));
    }
    for (name, value) in [("k", params.k), ("n_init", params.n_init), ("max_iter", params.max_iter)] {
        if value < 1 {
            return Err(Error::invalid(format!("{name} = {value} is below 1")));
        }
    }
    if params.k > u32::MAX as usize {
        return Err(Error::invalid(format!("k = {} is above {}", params.k, u32::MAX)));
    }
    if params.tol.is_nan() || params.tol < 0.0 {
        return Err(Error::invalid(format!("tol = {} is not a number of at least 0", params.tol)));
    }
    let Some(init) = &params.init else { return Ok(()) };
    if init.dim() != (params.k, cols) {
        let (k, width) = init.dim();
        return Err(Error::invalid(format!(
            "the given start has {k} centroids of {width} features, but k = {} and the data has {cols}",
            params.k
        )));
    }
    if !init.iter().all(|x| x.abs() <= 1e140) {
        return Err(Error::invalid("the given start holds values that are NaN, infinite or above 1e140 in size"));
    }
    Ok(())
}

/// `InvalidParameter` unless there are `k` distinct rows.
pub(super) fn enough_distinct(data: ArrayView2<f64>, k: usize, control: &Control) -> Result<()> {
    let distinct = distinct_rows(data, k, control)?;
    if distinct >= k {
        return Ok(());
    }
    Err(Error::invalid(format!("k = {k} is above the number of distinct rows, {distinct}"))
        .hint(format!("ask for at most {distinct} segments, or use features that tell the accounts apart")))
}

/// Counts distinct rows, but stops as soon as `enough` are seen.
pub(super) fn distinct_rows(data: ArrayView2<f64>, enough: usize, control: &Control) -> Result<usize> {
    let mut seen = HashSet::new();
    let mut key = Vec::new();
    for (i, row) in data.rows().into_iter().enumerate() {
        if i % 1024 == 0 {
            control.check()?;
        }
        key.clear();
        // Adding 0 makes -0 and 0 the same row, as they are in every distance.
        key.extend(row.iter().map(|x| (x + 0.0).to_bits()));
        if !seen.contains(key.as_slice()) {
            seen.insert(key.clone());
            if seen.len() >= enough {
                break;
            }
        }
    }
    Ok(seen.len())
}
