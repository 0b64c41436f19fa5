//! Principal components of the weighted, scaled matrix.

use super::jacobi::symmetric_eigen;
use super::plan::PcaPlan;
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

/// A fitted rotation: y = components · (x - mean), no whitening.
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
}

impl Pca {
    /// Share of the variance the kept components have together.
    pub fn explained(&self) -> f64 {
        self.ratios.iter().take(self.components.len()).fold(0.0, |s, r| s + r).min(1.0)
    }
}

/// Sums of chunks of rows, chunk after chunk in index order whatever thread did which.
fn chunked(
    data: &[f64],
    d: usize,
    len: usize,
    control: &Control,
    f: impl Fn(&[f64], &mut [f64]) + Sync,
) -> Result<Vec<f64>> {
    let mut total = vec![0.0; len];
    let chunks: Vec<&[f64]> = data.chunks(CHUNK * d).collect();
    for wave in chunks.chunks(WAVE) {
        let parts = wave
            .par_iter()
            .map(|rows| {
                control.check()?;
                let mut part = vec![0.0; len];
                rows.chunks_exact(d).for_each(|row| f(row, &mut part));
                Ok(part)
            })
            .collect::<Result<Vec<_>>>()?;
        for part in parts {
            total.iter_mut().zip(part).for_each(|(t, p)| *t += p);
        }
    }
    Ok(total)
}

/// Fits on `data`, rows of `d` values one after the other. Needs two rows. Components whose variance is below 1e-12 of
/// the largest are never kept. Formulas: scikit-learn `PCA` (covariance with n - 1).
pub(super) fn fit(plan: PcaPlan, data: &[f64], d: usize, control: &Control) -> Result<Option<Pca>> {
    if plan == PcaPlan::Off {
        return Ok(None);
    }
    if d > MAX_DIMENSIONS {
        return Err(Error::new(
            Kind::LimitExceeded,
            format!("PCA of {d} features exceeds the limit of {MAX_DIMENSIONS}"),
        )
        .hint("turn it off with preparation {\"pca\": null}"));
    }
    let n = data.len() / d.max(1);
    if n < 2 {
        return Err(Error::not_ready(format!("PCA needs at least 2 rows, got {n}")));
    }
    let mut mean = chunked(data, d, d, control, |row, s| s.iter_mut().zip(row).for_each(|(s, x)| *s += x))?;
    mean.iter_mut().for_each(|m| *m /= n as f64);
    let sums = chunked(data, d, d * d, control, |row, s| {
        for i in 0..d {
            let x = row[i] - mean[i];
            for j in i..d {
                s[i * d + j] += x * (row[j] - mean[j]);
            }
        }
    })?;
    let covariance = Array2::from_shape_fn((d, d), |(i, j)| sums[i.min(j) * d + i.max(j)] / (n - 1) as f64);
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
    let wanted = match plan {
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
    Ok(Some(Pca { mean, components, eigenvalues, ratios }))
}
