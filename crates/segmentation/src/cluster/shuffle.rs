//! Rows without groups, made of rows: the values of each feature are moved among them.
//!
//! Permuted independently, features keep their distributions and lose everything that binds them. That is too easy to
//! beat: features that are merely correlated (a larger account trades more, in more instruments, on more days) make a long cloud, and
//! halving a long cloud gives a better silhouette than halving a round one. So they are also moved in a way that keeps the
//! correlations: the ranks follow a normal distribution with the correlation of the normal scores (a normal copula).

use super::draw::{normal, shuffled};
use crate::control::Control;
use crate::error::Result;
use crate::prepare::symmetric_eigen;
use ndarray::{Array2, ArrayView2};
use rand_chacha::ChaCha8Rng;

/// How the values of features can be moved.
pub(super) struct Shuffle {
    rows: usize,
    /// For each feature the rows in ascending order of its value, missing ones first
    order: Vec<Vec<usize>>,
    /// factor · factorᵀ is the correlation of the normal scores
    factor: Array2<f64>,
}

impl Shuffle {
    pub fn new(features: ArrayView2<f64>, control: &Control) -> Result<Shuffle> {
        let (rows, d) = features.dim();
        let key = |x: f64| if x.is_nan() { f64::NEG_INFINITY } else { x + 0.0 };
        let mut order = Vec::with_capacity(d);
        let mut scores = Array2::<f64>::zeros((d, rows));
        for (f, column) in features.columns().into_iter().enumerate() {
            control.check()?;
            let mut by_value: Vec<usize> = (0..rows).collect();
            by_value.sort_by(|&a, &b| key(column[a]).total_cmp(&key(column[b])).then(a.cmp(&b)));
            // Equal values share the mean of their ranks.
            let mut rank = 0;
            for equal in by_value.chunk_by(|&a, &b| key(column[a]) == key(column[b])) {
                let middle = rank as f64 + 0.5 * equal.len() as f64;
                equal.iter().for_each(|&row| scores[(f, row)] = normal_score(middle / rows as f64));
                rank += equal.len();
            }
            order.push(by_value);
        }
        for mut row in scores.rows_mut() {
            let mean = row.iter().fold(0.0, |s, x| s + x) / rows.max(1) as f64;
            row.mapv_inplace(|x| x - mean);
            let length = row.iter().fold(0.0, |s, x| s + x * x).sqrt();
            if length > 0.0 {
                row.mapv_inplace(|x| x / length);
            }
        }
        let product = |a: usize, b: usize| scores.row(a).iter().zip(scores.row(b)).fold(0.0, |s, (x, y)| s + x * y);
        let eigen = symmetric_eigen(Array2::from_shape_fn((d, d), |(a, b)| product(a.min(b), a.max(b))), control)?;
        let factor = Array2::from_shape_fn((d, d), |(f, m)| eigen.vectors[(m, f)] * eigen.values[m].max(0.0).sqrt());
        Ok(Shuffle { rows, order, factor })
    }

    /// For each feature, the row that each row takes its value from: every feature in a random order of its own.
    pub fn independent(&self, rng: &mut ChaCha8Rng) -> Vec<Vec<usize>> {
        self.order.iter().map(|_| shuffled(self.rows, rng)).collect()
    }

    /// The same, with the features correlated as they are.
    pub fn correlated(&self, rng: &mut ChaCha8Rng) -> Vec<Vec<usize>> {
        let d = self.order.len();
        let drawn = Array2::from_shape_simple_fn((self.rows, d), || normal(rng));
        let mut from = Vec::with_capacity(d);
        for (f, by_value) in self.order.iter().enumerate() {
            let factor = self.factor.row(f);
            let values: Vec<f64> =
                drawn.rows().into_iter().map(|row| row.iter().zip(factor).fold(0.0, |s, (x, a)| s + x * a)).collect();
            let mut ranks: Vec<usize> = (0..self.rows).collect();
            ranks.sort_by(|&a, &b| values[a].total_cmp(&values[b]).then(a.cmp(&b)));
            let mut own = vec![0; self.rows];
            ranks.into_iter().zip(by_value).for_each(|(row, &source)| own[row] = source);
            from.push(own);
        }
        from
    }
}

/// The standard normal quantile at p, by the rational approximation of Hastings (Abramowitz & Stegun 26.2.23): within 4.5e-4,
/// which is plenty for a score.
fn normal_score(p: f64) -> f64 {
    let tail = p.min(1.0 - p);
    let t = (-2.0 * libm::log(tail)).sqrt();
    let x = t - (2.515517 + t * (0.802853 + t * 0.010328)) / (1.0 + t * (1.432788 + t * (0.189269 + t * 0.001308)));
    if p < 0.5 {
        -x
    } else {
        x
    }
}
