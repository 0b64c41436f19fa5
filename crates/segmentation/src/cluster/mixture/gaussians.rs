//! The densities of a mixture's components, at eight rows at once while fitting and at one row while scoring: one
//! function for both, so a row of the fit that is scored later gets the same bits.

// One lane index runs over several arrays at once.
#![allow(clippy::needless_range_loop)]

use super::cholesky::{at, cholesky, inverse, packed_len};
use super::Covariance;

/// A deviation below 1 / this is none: a distance of nothing in it times the square of this would be no number.
const NARROWEST: f64 = 1e100;

/// Covariances (with weights and means) in the form the densities need.
#[derive(Clone, Debug)]
pub(super) struct Gaussians {
    pub kind: Covariance,
    pub k: usize,
    pub d: usize,
    /// `k` × `d`.
    pub means: Vec<f64>,
    /// What makes x - mean a vector of independent unit normals: the inverse Cholesky factor, or 1 / standard deviation.
    whiten: Vec<f64>,
    /// `ln weight + ln det(whiten) - d / 2 ln 2π` of each component.
    constants: Vec<f64>,
}

impl Gaussians {
    /// `None` when a covariance is not positive definite or next to nothing, or a mean, weight or constant is not finite.
    pub fn new(kind: Covariance, d: usize, weights: &[f64], means: Vec<f64>, covariances: &[f64]) -> Option<Gaussians> {
        let k = weights.len();
        let mut whiten = Vec::with_capacity(covariances.len());
        let mut log_dets = Vec::new();
        for covariance in covariances.chunks_exact(kind.numbers(d).max(1)) {
            match kind {
                Covariance::Full | Covariance::Tied => {
                    let l = cholesky(covariance, d)?;
                    log_dets.push((0..d).fold(0.0, |sum, i| sum - libm::log(l[at(i, i)])));
                    whiten.extend(inverse(&l, d));
                }
                Covariance::Diagonal | Covariance::Spherical => {
                    if !covariance.iter().all(|&v| v > 0.0 && v.is_finite()) {
                        return None;
                    }
                    let ln = covariance.iter().fold(0.0, |sum, &v| sum - 0.5 * libm::log(v));
                    log_dets.push(if kind == Covariance::Spherical { ln * d as f64 } else { ln });
                    whiten.extend(covariance.iter().map(|v| 1.0 / v.sqrt()));
                }
            }
        }
        let ln_two_pi = libm::log(2.0 * std::f64::consts::PI);
        let constants: Vec<f64> = (0..k)
            .map(|j| libm::log(weights[j]) + log_dets[j.min(log_dets.len() - 1)] - 0.5 * d as f64 * ln_two_pi)
            .collect();
        let sound =
            constants.iter().chain(&means).all(|x| x.is_finite()) && whiten.iter().all(|w| w.abs() <= NARROWEST);
        sound.then_some(Gaussians { kind, k, d, means, whiten, constants })
    }

    /// `ln(weight × density)` of component `j` at `L` rows, whose feature `f` is `x(f)`. Leaves x - mean in `diff` (`d`
    /// long) for whoever sums it up.
    #[inline(always)]
    pub fn log_joint<const L: usize>(
        &self,
        j: usize,
        x: impl Fn(usize) -> [f64; L],
        diff: &mut [[f64; L]],
    ) -> [f64; L] {
        let d = self.d;
        let mean = &self.means[j * d..][..d];
        for (f, (diff, mean)) in diff.iter_mut().zip(mean).enumerate() {
            let x = x(f);
            for l in 0..L {
                diff[l] = x[l] - mean;
            }
        }
        let squared = match self.kind {
            Covariance::Full => lower(&self.whiten[j * packed_len(d)..][..packed_len(d)], diff),
            Covariance::Tied => lower(&self.whiten, diff),
            Covariance::Diagonal => scaled(&self.whiten[j * d..][..d], diff),
            Covariance::Spherical => {
                let mut sum = [0.0; L];
                for diff in diff.iter() {
                    for l in 0..L {
                        sum[l] += diff[l] * diff[l];
                    }
                }
                sum.map(|sum| sum * (self.whiten[j] * self.whiten[j]))
            }
        };
        squared.map(|squared| self.constants[j] - 0.5 * squared)
    }

    /// What does not depend on the row of the log joint density of component `j`.
    pub fn constant(&self, j: usize) -> f64 {
        self.constants[j]
    }

    fn triangle(&self, j: usize) -> &[f64] {
        let j = if self.kind == Covariance::Tied { 0 } else { j };
        &self.whiten[j * packed_len(self.d)..][..packed_len(self.d)]
    }

    /// W v, whose squared length is the squared Mahalanobis length of v under component `j`.
    pub fn whitened(&self, j: usize, v: &[f64]) -> Vec<f64> {
        match self.kind {
            Covariance::Full | Covariance::Tied => {
                let w = self.triangle(j);
                (0..self.d).map(|i| (0..=i).fold(0.0, |sum, c| sum + w[at(i, c)] * v[c])).collect()
            }
            Covariance::Diagonal => v.iter().zip(&self.whiten[j * self.d..]).map(|(v, w)| v * w).collect(),
            Covariance::Spherical => v.iter().map(|v| v * self.whiten[j]).collect(),
        }
    }

    /// Wᵀ v for a triangular W: of a whitened vector it is the vector times the inverse covariance.
    pub fn unwhitened(&self, j: usize, v: &[f64]) -> Vec<f64> {
        match self.kind {
            Covariance::Full | Covariance::Tied => {
                let w = self.triangle(j);
                (0..self.d).map(|c| (c..self.d).fold(0.0, |sum, i| sum + w[at(i, c)] * v[i])).collect()
            }
            Covariance::Diagonal | Covariance::Spherical => self.whitened(j, v),
        }
    }

    /// Components that do not differ but by their means: where k-means' rows are summed up before there are covariances.
    pub fn about(kind: Covariance, d: usize, means: Vec<f64>) -> Option<Gaussians> {
        let k = means.len() / d.max(1);
        let matrix: Vec<f64> = match kind {
            Covariance::Full | Covariance::Tied => {
                (0..d).flat_map(|i| (0..=i).map(move |j| if i == j { 1.0 } else { 0.0 })).collect()
            }
            Covariance::Diagonal | Covariance::Spherical => vec![1.0; kind.numbers(d)],
        };
        let covariances = if kind == Covariance::Tied { matrix } else { matrix.repeat(k) };
        Gaussians::new(kind, d, &vec![1.0; k], means, &covariances)
    }

    /// Distance from component `j` in its own standard deviations, given its log joint density: half the square of it is
    /// what stands between that and the constant.
    pub fn mahalanobis(&self, j: usize, log_joint: f64) -> f64 {
        (2.0 * (self.constants[j] - log_joint)).max(0.0).sqrt()
    }

    /// The log joint densities of all components at one row.
    pub fn row(&self, x: &[f64]) -> Vec<f64> {
        let mut diff = vec![[0.0; 1]; self.d];
        (0..self.k).map(|j| self.log_joint(j, |f| [x[f]], &mut diff)[0]).collect()
    }
}

/// `|W diff|²` for a packed lower triangle W.
#[inline(always)]
fn lower<const L: usize>(whiten: &[f64], diff: &[[f64; L]]) -> [f64; L] {
    let mut sum = [0.0; L];
    let mut rest = whiten;
    for i in 0..diff.len() {
        let (row, next) = rest.split_at(i + 1);
        rest = next;
        let mut y = [0.0; L];
        for (w, diff) in row.iter().zip(diff) {
            for l in 0..L {
                y[l] += w * diff[l];
            }
        }
        for l in 0..L {
            sum[l] += y[l] * y[l];
        }
    }
    sum
}

#[inline(always)]
fn scaled<const L: usize>(whiten: &[f64], diff: &[[f64; L]]) -> [f64; L] {
    let mut sum = [0.0; L];
    for (w, diff) in whiten.iter().zip(diff) {
        for l in 0..L {
            let y = w * diff[l];
            sum[l] += y * y;
        }
    }
    sum
}

/// Turns log joint densities into posterior probabilities; returns the log density of the row (log-sum-exp: the largest
/// is taken out first, so nothing overflows and at least one term is 1). Never NaN unless all that is given is.
pub(super) fn posterior(log_joint: &mut [f64]) -> f64 {
    let largest = log_joint.iter().fold(f64::NEG_INFINITY, |a: f64, &b| a.max(b));
    if largest == f64::NEG_INFINITY {
        // Farther away than numbers go from every component: nothing tells them apart.
        let share = 1.0 / log_joint.len() as f64;
        log_joint.fill(share);
        return largest;
    }
    let mut sum = 0.0;
    for value in log_joint.iter_mut() {
        *value = libm::exp(*value - largest);
        sum += *value;
    }
    log_joint.iter_mut().for_each(|value| *value /= sum);
    largest + libm::log(sum)
}
