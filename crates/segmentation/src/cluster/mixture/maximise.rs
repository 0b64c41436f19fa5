//! The maximisation step: weights, means and covariances from the sums of a pass.

use super::cholesky::{at, packed_len};
use super::gaussians::Gaussians;
use super::pass::{moments, seconds, Belongs, Moments};
use super::Covariance;
use crate::cluster::packed::Packed;
use crate::control::Control;
use crate::error::Result;

/// What a mixture consists of. `covariances`: see [`super::Mixture`].
#[derive(Clone, Debug)]
pub(super) struct Parameters {
    pub weights: Vec<f64>,
    pub means: Vec<f64>,
    pub covariances: Vec<f64>,
}

/// Sum of (x - centre)(x - centre)ᵀ over all rows: what a tied covariance is made of besides the means.
pub(super) struct Scatter {
    centre: Vec<f64>,
    /// Packed lower triangle.
    sums: Vec<f64>,
}

impl Scatter {
    /// `None` when the mean of a column is not finite.
    pub fn new(packed: &Packed, control: &Control) -> Result<Option<Scatter>> {
        let d = packed.cols;
        let labels = vec![0; packed.rows];
        let Some(origin) = Gaussians::about(Covariance::Tied, d, vec![0.0; d]) else { return Ok(None) };
        let sums = moments(packed, &origin, &Belongs::Labels(&labels), control)?;
        let centre: Vec<f64> = sums.first.iter().map(|sum| sum / packed.rows as f64).collect();
        let Some(about) = Gaussians::about(Covariance::Full, d, centre.clone()) else { return Ok(None) };
        let sums = moments(packed, &about, &Belongs::Labels(&labels), control)?.second;
        Ok(Some(Scatter { centre, sums }))
    }
}

/// The mixture that is most likely given who the rows belong to, with `regularisation` added to every variance (as in
/// scikit-learn: after, not before, the mean of a spherical one is taken). `None` when a component has no rows left.
pub(super) fn maximise(
    present: &Gaussians,
    m: &Moments,
    scatter: Option<&Scatter>,
    regularisation: f64,
) -> Option<Parameters> {
    let (kind, k, d) = (present.kind, present.k, present.d);
    if !m.rows.iter().all(|&rows| rows >= f64::MIN_POSITIVE) {
        return None;
    }
    let total = m.rows.iter().fold(0.0, |a, b| a + b);
    let shift: Vec<f64> = (0..k * d).map(|i| m.first[i] / m.rows[i / d]).collect();
    let means: Vec<f64> = present.means.iter().zip(&shift).map(|(mean, shift)| mean + shift).collect();
    let mut covariances = Vec::with_capacity(k * kind.numbers(d));
    let width = seconds(kind, d);
    for j in 0..k {
        let (second, shift, rows) = (&m.second[j * width..][..width], &shift[j * d..][..d], m.rows[j]);
        match kind {
            Covariance::Full => covariances.extend((0..d).flat_map(|i| {
                (0..=i).map(move |f| {
                    let extra = if i == f { regularisation } else { 0.0 };
                    second[at(i, f)] / rows - shift[i] * shift[f] + extra
                })
            })),
            Covariance::Diagonal => covariances.extend(
                second.iter().zip(shift).map(|(sum, shift)| (sum / rows - shift * shift).max(0.0) + regularisation),
            ),
            Covariance::Spherical => {
                let moved = shift.iter().fold(0.0, |sum, shift| sum + shift * shift);
                covariances.push(((second[0] / rows - moved) / d as f64).max(0.0) + regularisation);
            }
            Covariance::Tied => {}
        }
    }
    if kind == Covariance::Tied {
        let scatter = scatter?;
        covariances = vec![0.0; packed_len(d)];
        for i in 0..d {
            for f in 0..=i {
                let from = |j: usize, f: usize| means[j * d + f] - scatter.centre[f];
                let between = (0..k).fold(0.0, |sum, j| sum + m.rows[j] * (from(j, i) * from(j, f)));
                let extra = if i == f { regularisation } else { 0.0 };
                covariances[at(i, f)] = (scatter.sums[at(i, f)] - between) / total + extra;
            }
        }
    }
    let weights = m.rows.iter().map(|rows| rows / total).collect();
    Some(Parameters { weights, means, covariances })
}
