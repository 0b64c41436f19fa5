//! Principal components of the weighted, scaled matrix.

use super::jacobi::symmetric_eigen;
use super::parallel;
use super::plan::{PcaPlan, Plan};
use super::CHUNK;
use crate::control::Control;
use crate::error::{Error, Kind, Result};
use ndarray::Array2;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// Jacobi is O(d³): beyond this a fit would spend minutes here.
const MAX_DIMENSIONS: usize = 1000;
/// Chunks whose sums are in memory at a time.
const WAVE: usize = 16;

/// Sums that are added to between two looks at whether the fit is cancelled: a millisecond or two.
const BETWEEN_CHECKS: usize = 1 << 20;

/// A fitted rotation: y = components · (x - mean), each divided by the root of its eigenvalue when whitened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pca {
    /// Mean of the weighted, scaled columns
    pub mean: Vec<f64>,
    /// One kept component a row, unit length, largest |loading| positive
    pub components: Vec<Vec<f64>>,
    /// Variances (n - 1) along all components, descending; the kept ones come first
    pub eigenvalues: Vec<f64>,
    /// Share of the variance each of them has
    pub ratios: Vec<f64>,
    /// Every kept component has a variance of 1
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub whiten: bool,
    /// Where parallel analysis chose the components: what an eigenvalue had to exceed, by rank
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parallel: Option<Vec<f64>>,
}

impl Pca {
    /// What the m-th component is divided by.
    pub(crate) fn deviation(&self, m: usize) -> f64 {
        if self.whiten {
            self.eigenvalues[m].sqrt()
        } else {
            1.0
        }
    }

    /// Share of the variance the kept components have together.
    pub fn explained(&self) -> f64 {
        self.ratios.iter().take(self.components.len()).fold(0.0, |s, r| s + r).min(1.0)
    }
}

/// Rows of `stride` values one after the other, the first `d` of which are meant.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a> {
    pub values: &'a [f64],
    pub stride: usize,
    pub d: usize,
}

impl Rows<'_> {
    pub fn count(&self) -> usize {
        self.values.len() / self.stride.max(1)
    }

    pub fn row(&self, r: usize) -> &[f64] {
        &self.values[r * self.stride..][..self.d]
    }
}

/// Sums of chunks of rows, chunk after chunk in index order whatever thread did which.
fn chunked(data: Rows, len: usize, control: &Control, f: impl Fn(&[f64], &mut [f64]) + Sync) -> Result<Vec<f64>> {
    let mut total = vec![0.0; len];
    let chunks: Vec<&[f64]> = data.values.chunks(CHUNK * data.stride).collect();
    for wave in chunks.chunks(WAVE) {
        let parts = wave
            .par_iter()
            .map(|rows| {
                let mut part = vec![0.0; len];
                for rows in rows.chunks(BETWEEN_CHECKS.div_ceil(len.max(1)) * data.stride) {
                    control.check()?;
                    rows.chunks_exact(data.stride).for_each(|row| f(&row[..data.d], &mut part));
                }
                Ok(part)
            })
            .collect::<Result<Vec<_>>>()?;
        for part in parts {
            total.iter_mut().zip(part).for_each(|(t, p)| *t += p);
        }
    }
    Ok(total)
}

/// Column means and the covariance matrix (n - 1).
pub(super) fn covariance(data: Rows, control: &Control) -> Result<(Vec<f64>, Array2<f64>)> {
    let (n, d) = (data.count(), data.d);
    let mut mean = chunked(data, d, control, |row, s| s.iter_mut().zip(row).for_each(|(s, x)| *s += x))?;
    mean.iter_mut().for_each(|m| *m /= n as f64);
    let sums = chunked(data, d * d, control, |row, s| {
        for i in 0..d {
            let x = row[i] - mean[i];
            for j in i..d {
                s[i * d + j] += x * (row[j] - mean[j]);
            }
        }
    })?;
    let covariance = Array2::from_shape_fn((d, d), |(i, j)| sums[i.min(j) * d + i.max(j)] / (n - 1) as f64);
    Ok((mean, covariance))
}

/// Needs two rows. Components whose variance is below 1e-12 of the largest are never kept. Formulas: scikit-learn `PCA`
/// (covariance with n - 1).
pub(super) fn fit(plan: &Plan, data: Rows, control: &Control) -> Result<Option<Pca>> {
    let d = data.d;
    if plan.pca == PcaPlan::Off || d == 0 {
        return Ok(None);
    }
    if d > MAX_DIMENSIONS {
        return Err(Error::new(
            Kind::LimitExceeded,
            format!("PCA of {d} features exceeds the limit of {MAX_DIMENSIONS}"),
        )
        .hint("turn it off with preparation {\"pca\": null}"));
    }
    let n = data.count();
    if n < 2 {
        return Err(Error::not_ready(format!("PCA needs at least 2 rows, got {n}")));
    }
    let (mean, covariance) = covariance(data, control)?;
    let eigen = symmetric_eigen(covariance, control)?;

    // Rounding can leave a variance of zero slightly negative.
    let eigenvalues: Vec<f64> = eigen.values.iter().map(|v| v.max(0.0)).collect();
    let total = eigenvalues.iter().fold(0.0, |s, v| s + v);
    if !(total > 0.0 && total.is_finite()) {
        return Err(Error::new(Kind::OutOfRange, "the prepared features vary too little or too much to be rotated")
            .hint("scale them (\"scale\": \"robust\") or turn PCA off with preparation {\"pca\": null}"));
    }
    let ratios: Vec<f64> = eigenvalues.iter().map(|v| v / total).collect();
    let usable = eigenvalues.iter().take_while(|&&v| v >= 1e-12 * eigenvalues[0]).count();
    let parallel = match plan.pca {
        PcaPlan::Parallel => Some(parallel::analyse(data, plan.seed, control)?),
        _ => None,
    };
    let wanted = match plan.pca {
        PcaPlan::Parallel => parallel.as_ref().map_or(d, |p| p.components),
        PcaPlan::Components(m) => m,
        PcaPlan::Variance(v) => {
            let mut sum = 0.0;
            1 + ratios
                .iter()
                .take_while(|&&r| {
                    sum += r;
                    sum < v
                })
                .count()
        }
        PcaPlan::Off => d,
    };
    let kept = wanted.clamp(1, usable.max(1));
    let components = eigen.vectors.outer_iter().take(kept).map(|v| v.to_vec()).collect();
    let parallel = parallel.map(|p| p.thresholds);
    Ok(Some(Pca { mean, components, eigenvalues, ratios, whiten: plan.whiten, parallel }))
}
