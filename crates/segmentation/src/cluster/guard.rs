//! The guard against seeing segments where there are none.
//!
//! Every clustering algorithm divides any cloud, and the silhouette of the parts is above 0. So the same is done to rows that
//! have no groups by construction, and the silhouette has to be higher than theirs. Such rows are made of the rows
//! themselves, by moving the values of each feature among them: `shuffle.rs`.

use super::algorithm::{Clusterer, Clustering, NOISE};
use super::draw::{answered, mean_and_sd, normal, replicates, stream, Purpose};
use super::gap::{covariance, unproject};
use super::kmeans::distinct_rows;
use super::shuffle::Shuffle;
use super::silhouette::silhouettes;
use crate::control::Control;
use crate::error::Result;
use crate::prepare::symmetric_eigen;
use ndarray::{Array2, ArrayView2, Axis};
use rand_chacha::rand_core::RngCore;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// Above this the silhouette is what chance gives.
pub const SIGNIFICANT: f64 = 0.05;

/// More segments would take minutes.
const MOST: usize = 50;

/// The features behind the rows of a matrix, of which rows without groups are made.
pub trait Features: Sync {
    /// One column a feature that moves on its own, for these rows of the matrix. NaN: missing.
    fn values(&self, rows: &[usize]) -> Array2<f64>;

    /// As many rows as `rows`, prepared as the matrix is, where row `i` has the value of feature `f` that row
    /// `rows[from[f][i]]` has.
    fn mixed(&self, rows: &[usize], from: &[Vec<usize>]) -> Result<Array2<f64>>;
}

/// Columns that are features as they are.
pub struct Columns<'a>(pub ArrayView2<'a, f64>);

impl Features for Columns<'_> {
    fn values(&self, rows: &[usize]) -> Array2<f64> {
        self.0.select(Axis(0), rows)
    }

    fn mixed(&self, rows: &[usize], from: &[Vec<usize>]) -> Result<Array2<f64>> {
        Ok(Array2::from_shape_fn((rows.len(), from.len()), |(i, f)| self.0[(rows[from[f][i]], f)]))
    }
}

/// The verdict.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Guard {
    /// The largest of the others; None where there was nothing to test
    pub p: Option<f64>,
    /// (1 + sets of rows without groups whose silhouette is as high) / (1 + sets): features permuted independently
    pub p_permuted: Option<f64>,
    /// The same: features moved so that they are correlated as before
    pub p_correlated: Option<f64>,
    /// The same: a normal distribution; for a single feature, which moving does not change
    pub p_normal: Option<f64>,
    /// Mean silhouette of the clustering that was tested, on `rows` rows
    pub silhouette: Option<f64>,
    /// Highest mean of the silhouettes of a kind of rows without groups
    pub by_chance: Option<f64>,
    /// Sets of rows without groups that were clustered, of each kind
    pub sets: u64,
    pub rows: u64,
    /// Why there is no p
    pub reason: Option<String>,
}

impl Guard {
    /// There was nothing to test.
    pub fn not_run(reason: impl Into<String>) -> Guard {
        Guard { reason: Some(reason.into()), ..Guard::default() }
    }

    /// Whether chance gives as much.
    pub fn is_chance(&self) -> bool {
        self.p.is_some_and(|p| p > SIGNIFICANT)
    }

    /// What the figures say, in a line for the user.
    pub fn in_words(&self) -> String {
        let (Some(p), Some(silhouette)) = (self.p, self.silhouette) else {
            return format!("structure not tested: {}", self.reason.as_deref().unwrap_or("nothing to test"));
        };
        let chance = self.by_chance.unwrap_or(f64::NAN);
        format!(
            "silhouette {silhouette:.3} of {} rows against {chance:.3} by chance (p = {p:.3}, {} sets of rows without groups)",
            self.rows, self.sets
        )
    }
}

/// Clusters the rows `rows` of `data` (few enough to compare all pairs), and `sets` times rows without groups of each kind, into
/// `k`, and compares mean silhouettes. Rows that cannot be clustered into two or more have no groups: they count as lower.
/// Where `rows` themselves cannot be, there is no p: what the algorithm finds in all of `data` may be too rare for a sample.
#[allow(clippy::too_many_arguments)]
pub fn guard(
    data: ArrayView2<f64>,
    rows: &[usize],
    features: &dyn Features,
    clusterer: &dyn Clusterer,
    k: usize,
    sets: usize,
    seed: u64,
    control: &Control,
) -> Result<Guard> {
    let n = rows.len();
    if k > MOST || 2 * k > n {
        return Ok(Guard::not_run(format!("{k} segments of {n} rows are too many to be tested")));
    }
    let own = data.select(Axis(0), rows);
    let for_sample = clusterer.for_sample(n, data.nrows());
    let clusterer = for_sample.as_deref().unwrap_or(clusterer);
    if distinct_rows(own.view(), k, control)? < k {
        let reason = format!("of {n} rows, fewer than {k} are distinct");
        return Ok(Guard { rows: n as u64, ..Guard::not_run(reason) });
    }
    let fit = match answered(clusterer.fit(own.view(), k, stream(seed, Purpose::Guard, 0).next_u64(), control))? {
        Ok(fit) => fit,
        Err(why) => {
            let reason = format!("{n} of {} rows could not be clustered: {}", data.nrows(), why.message);
            return Ok(Guard { rows: n as u64, ..Guard::not_run(reason) });
        }
    };
    let compared = |rows: ArrayView2<f64>, fit: &Clustering| {
        of_known(clusterer.space(rows, control)?.view(), &fit.labels, fit.shape.k(), control)
    };
    let Some(silhouette) = compared(own.view(), &fit)? else {
        return Ok(Guard { rows: n as u64, ..Guard::not_run("there are fewer than two segments") });
    };
    let run = |what: &str, purpose: Purpose, draw: &Draw| {
        let found = replicates(sets, control, what, |index| {
            let mut rng = stream(seed, purpose, index);
            let rows = draw(&mut rng)?;
            let fit = clusterer.fit(rows.view(), k, rng.next_u64(), control)?;
            compared(rows.view(), &fit)
        })?;
        let known: Vec<f64> = found.iter().flatten().flatten().copied().collect();
        let as_high = known.iter().filter(|&&s| s >= silhouette).count();
        Ok::<_, crate::Error>(((1 + as_high) as f64 / (1 + sets) as f64, mean_and_sd(&known).map(|(mean, _)| mean)))
    };
    let mut verdict = Guard { silhouette: Some(silhouette), sets: sets as u64, rows: n as u64, ..Guard::default() };
    let values = features.values(rows);
    if values.ncols() < 2 && clusterer.codes() > 0 {
        return Ok(Guard::not_run("there is nothing but one category"));
    }
    let found = if values.ncols() < 2 {
        let cloud = Cloud::new(own.view(), control)?;
        let normal = run("guard: normal rows", Purpose::Normal, &|rng| Ok(cloud.draw(n, rng)))?;
        verdict.p_normal = Some(normal.0);
        vec![normal]
    } else {
        let shuffle = Shuffle::new(values.view(), control)?;
        let permuted = |rng: &mut ChaCha8Rng| features.mixed(rows, &shuffle.independent(rng));
        let correlated = |rng: &mut ChaCha8Rng| features.mixed(rows, &shuffle.correlated(rng));
        let permuted = run("guard: permuted features", Purpose::Permuted, &permuted)?;
        let correlated = run("guard: correlated features", Purpose::Correlated, &correlated)?;
        verdict.p_permuted = Some(permuted.0);
        verdict.p_correlated = Some(correlated.0);
        vec![permuted, correlated]
    };
    verdict.p = found.iter().map(|(p, _)| *p).reduce(f64::max);
    verdict.by_chance = found.iter().filter_map(|(_, mean)| *mean).reduce(f64::max);
    Ok(verdict)
}

/// Draws rows without groups.
type Draw<'a> = dyn Fn(&mut ChaCha8Rng) -> Result<Array2<f64>> + Sync + 'a;

/// Mean silhouette of the rows that are in a cluster; None with fewer than two clusters.
pub(super) fn of_known(data: ArrayView2<f64>, labels: &[u32], k: usize, control: &Control) -> Result<Option<f64>> {
    let known: Vec<usize> = (0..labels.len()).filter(|&row| labels[row] != NOISE).collect();
    let own: Vec<u32> = known.iter().map(|&row| labels[row]).collect();
    let clusters = own.iter().any(|&label| label != own[0]);
    if !clusters || known.len() <= 2 {
        return Ok(None);
    }
    let values = match known.len() == labels.len() {
        true => silhouettes(data, &own, k, control)?,
        false => silhouettes(data.select(Axis(0), &known).view(), &own, k, control)?,
    };
    Ok(Some(values.iter().fold(0.0, |s, x| s + x) / values.len() as f64))
}

/// A normal distribution with the mean and covariance of some rows.
struct Cloud {
    mean: ndarray::Array1<f64>,
    axes: Array2<f64>,
    deviations: Vec<f64>,
}

impl Cloud {
    fn new(data: ArrayView2<f64>, control: &Control) -> Result<Cloud> {
        let (mean, covariance) = covariance(data);
        let eigen = symmetric_eigen(covariance, control)?;
        let deviations = eigen.values.iter().map(|v| v.max(0.0).sqrt()).collect();
        Ok(Cloud { mean, axes: eigen.vectors, deviations })
    }

    fn draw(&self, rows: usize, rng: &mut ChaCha8Rng) -> Array2<f64> {
        let turned = Array2::from_shape_simple_fn((rows, self.deviations.len()), || normal(rng));
        let turned = Array2::from_shape_fn(turned.dim(), |(i, f)| turned[(i, f)] * self.deviations[f]);
        unproject(&turned, &self.mean, &self.axes)
    }
}
