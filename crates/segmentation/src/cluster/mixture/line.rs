//! What speaks for one component against another, and densities along a straight line.

use super::{Covariance, Mixture};
use crate::cluster::line::{Contest, Terms};

impl Mixture {
    /// The logarithm of the odds of two components. None with full covariances, whose squares mix the coordinates.
    pub(in crate::cluster) fn contest(&self, first: usize, second: usize) -> Option<Contest> {
        let g = self.gaussians();
        let (a, b) = (self.means().row(first), self.means().row(second));
        let terms = match self.covariance() {
            Covariance::Full => return None,
            Covariance::Tied => {
                let apart: Vec<f64> = a.iter().zip(b).map(|(a, b)| a - b).collect();
                let middle = a.iter().zip(b).map(|(a, b)| 0.5 * (a + b)).collect();
                Terms::Linear { slope: g.unwhitened(first, &g.whitened(first, &apart)), middle }
            }
            Covariance::Diagonal | Covariance::Spherical => {
                let squares = |j: usize| {
                    let unit = g.whitened(j, &vec![1.0; g.d]);
                    self.means().row(j).iter().zip(unit).map(|(&c, w)| (c, 0.5 * w * w)).collect()
                };
                Terms::Squares { own: squares(first), other: squares(second) }
            }
        };
        Some(Contest { constant: g.constant(first) - g.constant(second), terms })
    }

    /// `ln(weight × density)` of each component at `x + t · way`, as `[a, b, c]` of `a + b t + c t²`.
    pub(in crate::cluster) fn along(&self, x: &[f64], way: &[f64]) -> Vec<[f64; 3]> {
        let g = self.gaussians();
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).fold(0.0, |sum, (a, b)| sum + a * b);
        (0..g.k)
            .map(|j| {
                let diff: Vec<f64> = x.iter().zip(self.means().row(j)).map(|(x, m)| x - m).collect();
                let (u, v) = (g.whitened(j, &diff), g.whitened(j, way));
                [g.constant(j) - 0.5 * dot(&u, &u), -dot(&u, &v), -0.5 * dot(&v, &v)]
            })
            .collect()
    }
}
