//! The segment of one row: the hot path of scoring.

use ndarray::{ArrayView1, ArrayView2};

/// The nearest centroid of a row and the runner-up.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Nearest {
    pub index: usize,
    /// Squared distance to centroid `index`.
    pub distance2: f64,
    /// Index and squared distance of the second nearest; `None` when there is one centroid.
    pub second: Option<(usize, f64)>,
}

/// Finds the two centroids (k × columns) nearest to `x` (columns), by the same arithmetic as [`super::kmeans`], so a
/// row of the fit gets the label it got in the fit. Ties go to the lowest index.
///
/// The caller checks that `x` is as long as a centroid and finite: features past the shorter of the two do not count,
/// and a NaN makes every distance infinite. Without centroids the answer is index 0 at an infinite distance.
pub fn nearest_two(x: &[f64], centroids: ArrayView2<f64>) -> Nearest {
    let mut best = (0, f64::INFINITY);
    let mut second: Option<(usize, f64)> = None;
    for (j, centroid) in centroids.rows().into_iter().enumerate() {
        let d = squared(x, centroid);
        if d < best.1 {
            if j > 0 {
                second = Some(best);
            }
            best = (j, d);
        } else if j > 0 && second.is_none_or(|(_, other)| d < other) {
            second = Some((j, d));
        }
    }
    Nearest { index: best.0, distance2: best.1, second }
}

fn squared(x: &[f64], centroid: ArrayView1<f64>) -> f64 {
    let step = |sum: f64, (x, c): (&f64, &f64)| sum + (x - c) * (x - c);
    match centroid.as_slice() {
        Some(c) => x.iter().zip(c).fold(0.0, step),
        None => x.iter().zip(centroid.iter()).fold(0.0, step),
    }
}
