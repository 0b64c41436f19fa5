//! The gap statistic: is a clustering tighter than one of rows strewn evenly over the same space?

use super::algorithm::Clusterer;
use super::criteria::criteria;
use super::draw::{answered, mean_and_sd, replicates, stream, Purpose};
use super::seeding::uniform;
use crate::control::Control;
use crate::error::Result;
use crate::prepare::symmetric_eigen;
use ndarray::{Array1, Array2, ArrayView2, Axis};
use rand_chacha::rand_core::RngCore;
use rand_chacha::ChaCha8Rng;

/// Where the rows of reference are strewn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reference {
    /// Along the principal components (the better null where columns are correlated)
    Rotated,
    /// Along the columns
    Aligned,
}

/// The gap of one k.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Gap {
    /// Mean of log W over the references - log W of the data, W = sum of squared distances to the means; the higher the better
    pub gap: f64,
    /// sd × sqrt(1 + 1 / B)
    pub s: f64,
}

/// Gap for each k of `within` (pairs of k and the data's own W), against `count` references (Tibshirani, Walther & Hastie
/// 2001). None where a W is 0 or no reference could be clustered.
pub fn gaps(
    data: ArrayView2<f64>,
    clusterer: &dyn Clusterer,
    within: &[(usize, f64)],
    count: usize,
    reference: Reference,
    seed: u64,
    control: &Control,
) -> Result<Vec<Option<Gap>>> {
    let strewn = Strewn::new(data, reference, control)?;
    let logs = replicates(count, control, "gap statistic", |index| {
        let mut rng = stream(seed, Purpose::Gap, index);
        let rows = strewn.draw(data.nrows(), &mut rng);
        let seed = rng.next_u64();
        let log = |k: usize| {
            control.check()?;
            let Ok(fit) = answered(clusterer.fit(rows.view(), k, seed, control))? else { return Ok(None) };
            let found = criteria(rows.view(), &fit.labels, k, control)?;
            Ok(Some(found.within.map_or(f64::NEG_INFINITY, libm::log)))
        };
        within.iter().map(|&(k, _)| log(k)).collect::<Result<Vec<Option<f64>>>>()
    })?;
    let gap = |(i, &(_, w)): (usize, &(usize, f64))| {
        let logs: Vec<f64> = logs.iter().flatten().filter_map(|logs| logs[i]).collect();
        let (mean, sd) = mean_and_sd(&logs)?;
        let gap = Gap { gap: mean - libm::log(w), s: sd * (1.0 + 1.0 / logs.len() as f64).sqrt() };
        (w > 0.0 && gap.gap.is_finite()).then_some(gap)
    };
    Ok(within.iter().enumerate().map(gap).collect())
}

/// The box that the rows span.
struct Strewn {
    mean: Array1<f64>,
    /// One axis a row
    axes: Array2<f64>,
    low: Vec<f64>,
    high: Vec<f64>,
}

impl Strewn {
    fn new(data: ArrayView2<f64>, reference: Reference, control: &Control) -> Result<Strewn> {
        let (mean, covariance) = covariance(data);
        let axes = match reference {
            Reference::Rotated => symmetric_eigen(covariance, control)?.vectors,
            Reference::Aligned => Array2::eye(data.ncols()),
        };
        let turned = project(data, &mean, &axes);
        let edge = |f: fn(f64, f64) -> f64, start: f64| {
            turned.columns().into_iter().map(|c| c.iter().fold(start, |a, &x| f(a, x))).collect::<Vec<f64>>()
        };
        Ok(Strewn { low: edge(f64::min, f64::INFINITY), high: edge(f64::max, f64::NEG_INFINITY), mean, axes })
    }

    fn draw(&self, rows: usize, rng: &mut ChaCha8Rng) -> Array2<f64> {
        let turned = Array2::from_shape_simple_fn((rows, self.low.len()), || uniform(rng));
        let turned =
            Array2::from_shape_fn(turned.dim(), |(i, f)| self.low[f] + turned[(i, f)] * (self.high[f] - self.low[f]));
        unproject(&turned, &self.mean, &self.axes)
    }
}

/// Mean and covariance (n - 1; n for one row) of the columns, rows added in order.
pub(super) fn covariance(data: ArrayView2<f64>) -> (Array1<f64>, Array2<f64>) {
    let (n, d) = data.dim();
    let mean = data.fold_axis(Axis(0), 0.0, |s, x| s + x) / n.max(1) as f64;
    let mut sums = Array2::<f64>::zeros((d, d));
    for row in data.rows() {
        for i in 0..d {
            let x = row[i] - mean[i];
            for j in i..d {
                sums[(i, j)] += x * (row[j] - mean[j]);
            }
        }
    }
    let covariance = Array2::from_shape_fn((d, d), |(i, j)| sums[(i.min(j), i.max(j))] / (n.max(2) - 1) as f64);
    (mean, covariance)
}

/// Coordinates along the axes (one a row): loops in a fixed order, where a matrix product's would depend on the processor.
fn project(data: ArrayView2<f64>, mean: &Array1<f64>, axes: &Array2<f64>) -> Array2<f64> {
    Array2::from_shape_fn((data.nrows(), axes.nrows()), |(i, m)| {
        let row = data.row(i);
        row.iter().zip(mean).zip(axes.row(m)).fold(0.0, |s, ((x, mean), a)| s + (x - mean) * a)
    })
}

pub(super) fn unproject(turned: &Array2<f64>, mean: &Array1<f64>, axes: &Array2<f64>) -> Array2<f64> {
    Array2::from_shape_fn((turned.nrows(), mean.len()), |(i, f)| {
        let row = turned.row(i);
        row.iter().zip(axes.column(f)).fold(mean[f], |s, (x, a)| s + x * a)
    })
}
