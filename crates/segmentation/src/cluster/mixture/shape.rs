//! What a mixture leaves behind, and the density and the posterior probabilities it gives a row.

use super::gaussians::{posterior, Gaussians};
use super::pass::best;
use super::Covariance;
use crate::cluster::shape::{lexicographic, matrix, Scored};
use crate::error::{Error, Result};
use ndarray::Array2;
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;

/// Means beyond this could overflow a squared distance; no fit comes near.
const LIMIT: f64 = 1e120;

/// A mixture of `k` normal distributions over `d` features.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "StoredMixture", into = "StoredMixture")]
pub struct Mixture {
    /// Share of each component; they sum to 1.
    weights: Vec<f64>,
    /// k × d
    means: Array2<f64>,
    /// One after the other: packed lower triangles, row by row (full: k of them, tied: 1), d variances each (diagonal), one
    /// variance each (spherical); `regularisation` is in them.
    covariances: Vec<f64>,
    /// 1st percentile of the log densities of the training rows: below it a row is an outlier.
    floor: f64,
    /// The same, ready for densities.
    gaussians: Gaussians,
}

impl PartialEq for Mixture {
    fn eq(&self, other: &Self) -> bool {
        StoredMixture::from(self.clone()) == StoredMixture::from(other.clone())
    }
}

/// The same as it is written to JSON.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredMixture {
    covariance: Covariance,
    weights: Vec<f64>,
    means: Vec<Vec<f64>>,
    covariances: Vec<f64>,
    floor: f64,
}

impl From<Mixture> for StoredMixture {
    fn from(m: Mixture) -> Self {
        StoredMixture {
            covariance: m.gaussians.kind,
            weights: m.weights,
            means: m.means.outer_iter().map(|row| row.to_vec()).collect(),
            covariances: m.covariances,
            floor: m.floor,
        }
    }
}

impl TryFrom<StoredMixture> for Mixture {
    type Error = String;

    fn try_from(s: StoredMixture) -> std::result::Result<Self, String> {
        Mixture::from_parts(s.covariance, s.weights, matrix(s.means)?, s.covariances, s.floor)
    }
}

impl Mixture {
    /// From the parts of a fit; see the fields. Error (kind `InvalidParameter`) where they are not a mixture.
    pub(super) fn new(
        kind: Covariance,
        weights: Vec<f64>,
        means: Array2<f64>,
        covariances: Vec<f64>,
        floor: f64,
    ) -> Result<Mixture> {
        Mixture::from_parts(kind, weights, means, covariances, floor).map_err(Error::invalid)
    }

    fn from_parts(
        kind: Covariance,
        weights: Vec<f64>,
        means: Array2<f64>,
        covariances: Vec<f64>,
        floor: f64,
    ) -> std::result::Result<Mixture, String> {
        let (k, d) = means.dim();
        if k == 0 || d == 0 || weights.len() != k || !means.iter().all(|x| x.abs() <= LIMIT) {
            return Err("the means of a mixture are missing or out of range".into());
        }
        let total = weights.iter().fold(0.0, |sum, w| sum + w);
        let share_one = (total - 1.0).abs() <= 1e-6; // false for NaN
        if !weights.iter().all(|&w| w > 0.0) || !share_one {
            return Err("the weights of a mixture are not above 0 with a sum of 1".into());
        }
        if covariances.len() != kind.matrices(k) * kind.numbers(d) || !covariances.iter().all(|x| x.abs() <= LIMIT) {
            return Err("the covariances of a mixture are of another number or out of range".into());
        }
        if !floor.is_finite() {
            return Err("the density below which a row is an outlier is not finite".into());
        }
        let flat = means.iter().copied().collect();
        let gaussians = Gaussians::new(kind, d, &weights, flat, &covariances)
            .ok_or("a covariance of a mixture is not positive definite")?;
        Ok(Mixture { weights, means, covariances, floor, gaussians })
    }

    pub fn covariance(&self) -> Covariance {
        self.gaussians.kind
    }

    pub(super) fn gaussians(&self) -> &Gaussians {
        &self.gaussians
    }

    pub fn weights(&self) -> &[f64] {
        &self.weights
    }

    /// k × d, in the prepared space.
    pub fn means(&self) -> &Array2<f64> {
        &self.means
    }

    /// Packed lower triangles (full, tied), variances (diagonal, spherical), component by component.
    pub fn covariances(&self) -> &[f64] {
        &self.covariances
    }

    /// Log density below which a row is an outlier.
    pub fn floor(&self) -> f64 {
        self.floor
    }

    /// Free parameters: means, covariances, and all weights but one.
    pub fn parameters(&self) -> usize {
        self.means.len() + self.covariances.len() + self.weights.len() - 1
    }

    /// Log density of a row of `d` finite values; -∞ where it is farther away than numbers go.
    pub fn log_density(&self, x: &[f64]) -> f64 {
        posterior(&mut self.gaussians.row(x))
    }

    pub(in crate::cluster) fn k(&self) -> usize {
        self.means.nrows()
    }

    pub(in crate::cluster) fn width(&self) -> usize {
        self.means.ncols()
    }

    /// The component of the highest posterior probability (ties: the lowest). `distance` is the Mahalanobis distance,
    /// `distance2` the squared Euclidean one, so that sums of it compare with those of other algorithms. `margin` is
    /// (p1 - p2) / p1 of the two highest probabilities.
    pub(in crate::cluster) fn score(&self, x: &[f64]) -> Scored {
        let joint = self.gaussians.row(x);
        let first = best(&joint);
        let mut others = joint.clone();
        others[first] = f64::NEG_INFINITY;
        let second = (joint.len() > 1).then(|| match best(&others) {
            // Only where every other one is infinitely unlikely.
            same if same == first => usize::from(first == 0),
            other => other,
        });
        let away = |j: usize| self.gaussians.mahalanobis(j, joint[j]).min(f64::MAX);
        let mut probabilities = joint.clone();
        let density = posterior(&mut probabilities);
        let mean = self.means.row(first);
        Scored {
            index: Some(first),
            distance: away(first),
            distance2: x.iter().zip(mean).fold(0.0, |sum, (x, c)| sum + (x - c) * (x - c)),
            second: second.map(|j| (j, away(j))),
            margin: second.map(|j| (probabilities[first] - probabilities[j]) / probabilities[first]),
            outlier: density < self.floor,
        }
    }

    /// Posterior probability of each component.
    pub(in crate::cluster) fn probabilities(&self, x: &[f64]) -> Vec<f64> {
        let mut joint = self.gaussians.row(x);
        posterior(&mut joint);
        joint
    }

    pub(in crate::cluster) fn centre(&self, segment: usize) -> Vec<f64> {
        self.means.row(segment).to_vec()
    }

    /// The components of `order` in that order; the weights of those that stay are brought back to a sum of 1.
    pub(in crate::cluster) fn select(&self, order: &[usize]) -> Mixture {
        let (kind, d) = (self.gaussians.kind, self.width());
        let mut weights: Vec<f64> = order.iter().map(|&j| self.weights[j]).collect();
        if order.len() < self.k() {
            let total = weights.iter().fold(0.0, |sum, w| sum + w);
            weights.iter_mut().for_each(|w| *w /= total);
        }
        let means = self.means.select(ndarray::Axis(0), order);
        let numbers = kind.numbers(d);
        let covariances = match kind {
            Covariance::Tied => self.covariances.clone(),
            _ => order.iter().flat_map(|&j| &self.covariances[j * numbers..][..numbers]).copied().collect(),
        };
        // A part of a mixture is a mixture, so this cannot fail unless `order` is empty.
        Mixture::from_parts(kind, weights, means, covariances, self.floor).unwrap_or_else(|_| self.clone())
    }

    pub(in crate::cluster) fn compare(&self, a: usize, b: usize) -> Ordering {
        lexicographic(self.means.row(a).iter(), self.means.row(b).iter())
    }
}
