//! Expectation-maximisation: checks, starts, restarts and the choice of the best run.

use super::gaussians::Gaussians;
use super::maximise::{maximise, Parameters, Scatter};
use super::pass::{label, moments, Belongs};
use super::{Covariance, Mixture};
use crate::cluster::adjusted_rand_index;
use crate::cluster::kmeans::{kmeans, KMeansParams};
use crate::cluster::packed::Packed;
use crate::control::Control;
use crate::error::{Error, Kind, Result};
use crate::prepare::quantile;
use ndarray::{Array2, ArrayView2};
use rand_chacha::rand_core::{RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A later run has to beat an earlier one by more than this share of the mean log likelihood.
const BETTER: f64 = 1e-6;
/// Rows whose density is below this quantile of the training rows' are outliers.
const OUTLIERS: f64 = 0.01;

/// Means and covariances together: each thread sums eight of a kind, and 64 chunks wait to be added.
const MAX_NUMBERS: u128 = 1_000_000;

/// How to run [`mixture`]; [`MixtureParams::new`] gives the defaults.
#[derive(Clone, Debug)]
pub struct MixtureParams {
    pub covariance: Covariance,
    /// Number of components, at least 1.
    pub k: usize,
    /// Starts from k-means, the most likely run wins; at least 1.
    pub n_init: usize,
    /// Most steps of a run; at least 1.
    pub max_iter: usize,
    /// A run stops when the mean log likelihood of a row changes by less than `tol`.
    pub tol: f64,
    /// Added to every variance, above 0: no component can be narrower than its root.
    pub regularisation: f64,
    /// Seed of the k-means starts.
    pub seed: u64,
    /// Given start, one label below `k` a row: one run from it, and `n_init` and `seed` are not used.
    pub init: Option<Vec<u32>>,
}

impl MixtureParams {
    /// `n_init` 10, `max_iter` 1000, `tol` 1e-8, `regularisation` 1e-6. scikit-learn's `tol` of 1e-3 stops on iris with
    /// four components at a BIC of 622.17 on the way to 621.75, and BIC is there to be compared.
    pub fn new(covariance: Covariance, k: usize, seed: u64) -> Self {
        MixtureParams { covariance, k, n_init: 10, max_iter: 1000, tol: 1e-8, regularisation: 1e-6, seed, init: None }
    }
}

/// A mixture fitted to the rows of a matrix.
#[derive(Clone, Debug, PartialEq)]
pub struct MixtureFit {
    pub mixture: Mixture,
    /// The most probable component of each row; ties: the lowest.
    pub labels: Vec<u32>,
    /// Rows of each label; none is 0.
    pub sizes: Vec<u64>,
    /// Sum of the log densities of the rows under the final mixture.
    pub log_likelihood: f64,
    /// Steps of the winning run.
    pub iterations: usize,
    /// False when `max_iter` ended the winning run.
    pub converged: bool,
}

impl MixtureFit {
    /// Bayesian information criterion, `-2 log likelihood + parameters × ln rows` (Schwarz 1978): lower is better.
    pub fn bic(&self) -> f64 {
        self.mixture.parameters() as f64 * libm::log(self.labels.len() as f64) - 2.0 * self.log_likelihood
    }
}

/// Fits a mixture of `params.k` normal distributions to the rows of `data` (rows × columns, finite numbers) by
/// expectation-maximisation (Dempster, Laird & Rubin 1977) from k-means.
///
/// The first start is the best of `n_init` k-means runs, the others are single ones; starts with the same partition are
/// run once. A run in which a component ends without a row of its own, or with a covariance that is not positive
/// definite, does not count. Same data and parameters give the same bits for any thread count and processor. Memory: one
/// packed copy of the data and 12 bytes a row.
///
/// Errors: `InvalidParameter` for parameters out of their range and what [`kmeans`] refuses in data; `LimitExceeded` for more
/// than a million numbers in means and covariances; `NotReady` when no
/// run counts; `Cancelled` when `control` says so.
pub fn mixture(data: ArrayView2<f64>, params: &MixtureParams, control: &Control) -> Result<MixtureFit> {
    check(data, params)?;
    let packed = Packed::new(data, control)?;
    let scatter = match params.covariance {
        Covariance::Tied => Scatter::new(&packed, control)?,
        _ => None,
    };
    let mut starts: Vec<Vec<u32>> = Vec::new();
    let mut best: Option<Run> = None;
    for start in 0..params.n_init {
        control.phase(format!("k = {}: start {} of {}", params.k, start + 1, params.n_init));
        let labels = match &params.init {
            Some(labels) => labels.clone(),
            None => kmeans_start(data, params, start, control)?,
        };
        if starts.iter().any(|seen| adjusted_rand_index(seen, &labels) == 1.0) {
            continue;
        }
        if let Some(run) = expectation_maximisation(&packed, &labels, scatter.as_ref(), params, control)? {
            if best.as_ref().is_none_or(|best| run.mean > best.mean + BETTER * best.mean.abs()) {
                best = Some(run);
            }
        }
        if params.init.is_some() {
            break;
        }
        starts.push(labels);
    }
    let best = best.ok_or_else(|| {
        Error::not_ready(format!(
            "{} {} components could not be told apart: in every start one was left without rows or without spread",
            params.k,
            params.covariance.name()
        ))
        .hint("ask for fewer segments, a simpler covariance (gmm_diagonal, gmm_spherical), or a larger regularisation")
    })?;
    let Parameters { weights, means, covariances } = best.parameters;
    let means = Array2::from_shape_fn((params.k, packed.cols), |(j, f)| means[j * packed.cols + f]);
    let log_likelihood = best.densities.iter().fold(0.0, |sum, density| sum + density);
    let mut densities = best.densities;
    let floor = quantile(&mut densities, OUTLIERS);
    Ok(MixtureFit {
        mixture: Mixture::new(params.covariance, weights, means, covariances, floor)?,
        labels: best.labels,
        sizes: best.sizes,
        log_likelihood,
        iterations: best.iterations,
        converged: best.converged,
    })
}

fn kmeans_start(data: ArrayView2<f64>, params: &MixtureParams, start: usize, control: &Control) -> Result<Vec<u32>> {
    let mut of_start = KMeansParams::new(params.k, params.seed);
    if start == 0 {
        of_start.n_init = params.n_init;
    } else {
        // k-means numbers its own streams from 0; the starts of a mixture draw their seeds from the far end.
        let mut rng = ChaCha8Rng::seed_from_u64(params.seed);
        rng.set_stream(u64::MAX - start as u64);
        (of_start.seed, of_start.n_init) = (rng.next_u64(), 1);
    }
    Ok(kmeans(data, &of_start, control)?.labels)
}

struct Run {
    parameters: Parameters,
    labels: Vec<u32>,
    sizes: Vec<u64>,
    densities: Vec<f64>,
    /// Mean log likelihood of a row.
    mean: f64,
    iterations: usize,
    converged: bool,
}

/// `None` when a component is lost on the way.
fn expectation_maximisation(
    packed: &Packed,
    start: &[u32],
    scatter: Option<&Scatter>,
    params: &MixtureParams,
    control: &Control,
) -> Result<Option<Run>> {
    let (kind, k, d, rows) = (params.covariance, params.k, packed.cols, packed.rows as f64);
    // The means first, because the covariances are best summed up about them.
    let Some(origin) = Gaussians::about(Covariance::Tied, d, vec![0.0; k * d]) else { return Ok(None) };
    let sums = moments(packed, &origin, &Belongs::Labels(start), control)?;
    let about = (0..k * d).map(|i| sums.first[i] / sums.rows[i / d]).collect();
    let Some(mut g) = Gaussians::about(kind, d, about) else { return Ok(None) };
    let sums = moments(packed, &g, &Belongs::Labels(start), control)?;
    let Some(mut parameters) = maximise(&g, &sums, scatter, params.regularisation) else { return Ok(None) };
    let (mut before, mut iterations, mut converged) = (f64::NEG_INFINITY, 0, false);
    while !converged && iterations < params.max_iter {
        iterations += 1;
        let Some(next) = gaussians(kind, d, &parameters) else { return Ok(None) };
        g = next;
        let sums = moments(packed, &g, &Belongs::Posterior, control)?;
        let Some(next) = maximise(&g, &sums, scatter, params.regularisation) else { return Ok(None) };
        parameters = next;
        let mean = sums.log_likelihood / rows;
        converged = (mean - before).abs() < params.tol;
        before = mean;
    }
    let Some(g) = gaussians(kind, d, &parameters) else { return Ok(None) };
    let (labels, densities) = label(packed, &g, control)?;
    let mut sizes = vec![0u64; k];
    labels.iter().for_each(|&label| sizes[label as usize] += 1);
    let mean = densities.iter().fold(0.0, |sum, density| sum + density) / rows;
    let sound = mean.is_finite() && sizes.iter().all(|&size| size > 0);
    Ok(sound.then_some(Run { parameters, labels, sizes, densities, mean, iterations, converged }))
}

fn gaussians(kind: Covariance, d: usize, p: &Parameters) -> Option<Gaussians> {
    Gaussians::new(kind, d, &p.weights, p.means.clone(), &p.covariances)
}

fn check(data: ArrayView2<f64>, params: &MixtureParams) -> Result<()> {
    let (rows, cols) = data.dim();
    if rows == 0 || cols == 0 {
        return Err(Error::invalid(format!("cannot fit a mixture to a matrix of {rows} rows and {cols} columns"))
            .hint("give at least one row and one feature"));
    }
    for (name, value) in [("k", params.k), ("n_init", params.n_init), ("max_iter", params.max_iter)] {
        if value < 1 {
            return Err(Error::invalid(format!("{name} = {value} is below 1")));
        }
    }
    let kind = params.covariance;
    let numbers = (kind.matrices(params.k) as u128 * kind.numbers(cols) as u128) + params.k as u128 * cols as u128;
    if numbers > MAX_NUMBERS {
        return Err(Error::new(
            Kind::LimitExceeded,
            format!(
                "a mixture of {} segments with {} covariances over {cols} columns has {numbers} numbers, allowed are \
                 {MAX_NUMBERS}",
                params.k,
                kind.name()
            ),
        )
        .hint(
            "ask for fewer segments, a simpler covariance (gmm_diagonal, gmm_spherical), or fewer columns with preparation \
             {\"pca\": {\"components\": 50}}",
        ));
    }
    if !(params.tol >= 0.0 && params.tol.is_finite()) {
        return Err(Error::invalid(format!("tol = {} is not a number of at least 0", params.tol)));
    }
    if !(params.regularisation > 0.0 && params.regularisation <= 1e6) {
        return Err(Error::invalid(format!(
            "regularisation = {} is not above 0 and at most 1e6",
            params.regularisation
        ))
        .hint("1e-6 is the default; 0 would let a component shrink onto a single account"));
    }
    if let Some(labels) = &params.init {
        let mut seen = vec![false; params.k.min(rows)];
        let counted = labels.iter().all(|&label| seen.get_mut(label as usize).map(|seen| *seen = true).is_some());
        if labels.len() != rows || params.k > rows || !counted || seen.contains(&false) {
            return Err(Error::invalid(format!(
                "the given start is not one label below k = {} for each of {rows} rows with every label in use",
                params.k
            )));
        }
    }
    Ok(())
}
