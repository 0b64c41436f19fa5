//! Segments compared: what speaks for one against another, and where a row that moves along a straight line changes hands.

use super::shape::Shape;

/// How much better one segment suits a row than another: a constant and a term a coordinate of the prepared row. Above 0 the first
/// one wins.
#[derive(Clone, Debug, PartialEq)]
pub struct Contest {
    /// What speaks for the first one whatever the row is
    pub constant: f64,
    pub terms: Terms,
}

/// The terms of a [`Contest`].
#[derive(Clone, Debug, PartialEq)]
pub enum Terms {
    /// slope · (x - middle): they can be told in any rotation of the coordinates
    Linear { slope: Vec<f64>, middle: Vec<f64> },
    /// w₂ (x - c₂)² - w₁ (x - c₁)² with `own` = (c₁, w₁) and `other` = (c₂, w₂): of these coordinates only
    Squares { own: Vec<(f64, f64)>, other: Vec<(f64, f64)> },
}

impl Contest {
    /// The value for a prepared row.
    pub fn value(&self, x: &[f64]) -> f64 {
        (0..x.len()).fold(self.constant, |sum, i| sum + self.terms.at(i, x[i]))
    }
}

impl Terms {
    /// The term of coordinate `i` where it is `x`.
    pub fn at(&self, i: usize, x: f64) -> f64 {
        match self {
            Terms::Linear { slope, middle } => slope[i] * (x - middle[i]),
            Terms::Squares { own, other } => {
                let square = |(c, w): (f64, f64)| w * (x - c) * (x - c);
                square(other[i]) - square(own[i])
            }
        }
    }
}

fn middle<'a>(a: impl IntoIterator<Item = &'a f64>, b: impl IntoIterator<Item = &'a f64>) -> Vec<f64> {
    a.into_iter().zip(b).map(|(a, b)| 0.5 * (a + b)).collect()
}

impl Shape {
    /// The contest of two segments; None where it is no sum over the coordinates. Of centres it is the difference of the
    /// squared distances, `d₂² - d₁² = Σ 2 (c₁ - c₂) (x - (c₁ + c₂) / 2)`; of mixtures the logarithm of the odds, linear with a tied
    /// covariance (linear discriminant analysis) and squares with diagonal and spherical ones.
    pub fn contest(&self, first: usize, second: usize) -> Option<Contest> {
        match self {
            Shape::Centroids(s) => {
                let (a, b) = (s.centres.row(first), s.centres.row(second));
                let slope = a.iter().zip(b).map(|(a, b)| 2.0 * (a - b)).collect();
                Some(Contest { constant: 0.0, terms: Terms::Linear { slope, middle: middle(a, b) } })
            }
            Shape::Mixture(s) => s.contest(first, second),
            Shape::Prototypes(_) | Shape::Density(_) => None,
        }
    }

    /// The scores of all segments at `x + t · way` as polynomials `[a, b, c]` of `a + b t + c t²`; the highest wins. Terms that
    /// all share are left out. None where the shape has no such scores.
    pub fn along(&self, x: &[f64], way: &[f64]) -> Option<Vec<[f64; 3]>> {
        match self {
            Shape::Centroids(s) => Some(
                s.centres
                    .outer_iter()
                    .map(|c| {
                        let (mut d2, mut towards) = (0.0, 0.0);
                        for ((x, c), w) in x.iter().zip(c).zip(way) {
                            d2 += (x - c) * (x - c);
                            towards += (c - x) * w;
                        }
                        [-d2, 2.0 * towards, 0.0]
                    })
                    .collect(),
            ),
            Shape::Mixture(s) => Some(s.along(x, way)),
            Shape::Prototypes(_) | Shape::Density(_) => None,
        }
    }
}

/// The parts of t ≥ 0 where `a + b t + c t²` is at least 0, ascending.
fn at_least_zero([a, b, c]: [f64; 3]) -> Vec<[f64; 2]> {
    let far = f64::INFINITY;
    if c == 0.0 {
        return match (a >= 0.0, b >= 0.0) {
            (true, true) => vec![[0.0, far]],
            (true, false) => vec![[0.0, -a / b]],
            (false, true) if b > 0.0 => vec![[-a / b, far]],
            _ => Vec::new(),
        };
    }
    let discriminant = b * b - 4.0 * a * c;
    if discriminant < 0.0 {
        return if c > 0.0 { vec![[0.0, far]] } else { Vec::new() };
    }
    // The form that does not cancel: one root from the sum of like signs, the other from the product of both.
    let q = -0.5 * (b + libm::copysign(discriminant.sqrt(), b));
    let (r, s) = (q / c, if q == 0.0 { 0.0 } else { a / q });
    let (low, high) = (r.min(s), r.max(s));
    let parts = if c > 0.0 { vec![[f64::NEG_INFINITY, low], [high, far]] } else { vec![[low, high]] };
    parts.into_iter().filter(|p| p[1] >= 0.0).map(|[from, to]| [from.max(0.0), to]).collect()
}

/// The smallest t ≥ 0 at which `winner` beats or equals every other; None where it never does.
pub fn first_win(scores: &[[f64; 3]], winner: usize) -> Option<f64> {
    let own = scores[winner];
    let parts: Vec<Vec<[f64; 2]>> = scores
        .iter()
        .enumerate()
        .filter(|&(other, _)| other != winner)
        .map(|(_, s)| at_least_zero([own[0] - s[0], own[1] - s[1], own[2] - s[2]]))
        .collect();
    let mut t = 0.0;
    loop {
        let mut moved = false;
        for part in &parts {
            // The start of the part that t is in or has yet to reach.
            let next = part.iter().find(|p| p[1] >= t)?[0];
            if next > t {
                t = next;
                moved = true;
            }
        }
        if !moved {
            return f64::is_finite(t).then_some(t);
        }
    }
}

/// The smallest t ≥ 0 after which `holder`, who wins at 0, is beaten by any other; None where it never is.
pub fn first_loss(scores: &[[f64; 3]], holder: usize) -> Option<f64> {
    let own = scores[holder];
    let held = |s: &[f64; 3]| {
        let parts = at_least_zero([own[0] - s[0], own[1] - s[1], own[2] - s[2]]);
        // Rounding may have it lose by a hair at 0 already.
        parts.first().filter(|p| p[0] == 0.0).map_or(0.0, |p| p[1])
    };
    let others = scores.iter().enumerate().filter(|&(other, _)| other != holder);
    let first = others.map(|(_, s)| held(s)).fold(f64::INFINITY, f64::min);
    first.is_finite().then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn parts_of_a_polynomial() {
        let far = f64::INFINITY;
        assert_eq!(at_least_zero([1.0, 0.0, 0.0]), [[0.0, far]]);
        assert_eq!(at_least_zero([6.0, -3.0, 0.0]), [[0.0, 2.0]]);
        assert_eq!(at_least_zero([-6.0, 3.0, 0.0]), [[2.0, far]]);
        assert!(at_least_zero([-6.0, 0.0, 0.0]).is_empty());
        assert_eq!(at_least_zero([2.0, -3.0, 1.0]), [[0.0, 1.0], [2.0, far]]);
        assert_eq!(at_least_zero([-2.0, 3.0, -1.0]), [[1.0, 2.0]]);
        assert_eq!(at_least_zero([1.0, 0.0, 1.0]), [[0.0, far]]);
        assert!(at_least_zero([-2.0, -3.0, -1.0]).is_empty());
        assert_eq!(at_least_zero([0.0, 0.0, -1.0]), [[0.0, 0.0]]);
    }

    proptest! {
        /// Against steps of a hundredth.
        #[test]
        fn first_win_and_loss_are_those_of_a_walk(
            scores in prop::collection::vec(prop::array::uniform3(-9i32..9), 2..5), winner in 0usize..2
        ) {
            let scores: Vec<[f64; 3]> = scores.iter().map(|s| s.map(f64::from)).collect();
            let lead = |t: f64| {
                let at = |s: &[f64; 3]| s[0] + s[1] * t + s[2] * t * t;
                let others = scores.iter().enumerate().filter(|(i, _)| *i != winner).map(|(_, s)| at(s));
                at(&scores[winner]) - others.fold(f64::NEG_INFINITY, f64::max)
            };
            let steps = (0..2000).map(|i| f64::from(i) * 0.01);
            if let Some(t) = first_win(&scores, winner) {
                prop_assert!(lead(t) >= -1e-9 * (1.0 + t * t));
                for s in steps.clone().filter(|&s| s < t - 1e-9) {
                    prop_assert!(lead(s) <= 1e-9, "wins at {s}, before {t}");
                }
            } else {
                prop_assert!(steps.clone().all(|s| lead(s) <= 1e-9));
            }
            if lead(0.0) > 0.0 {
                let loss = first_loss(&scores, winner);
                for s in steps {
                    if loss.is_none_or(|t| s <= t) {
                        prop_assert!(lead(s) >= -1e-9 * (1.0 + s * s), "loses at {s}, before {loss:?}");
                    }
                }
                if let Some(t) = loss {
                    prop_assert!(lead(t).abs() <= 1e-9 * (1.0 + t * t));
                }
            }
        }
    }
}
