//! Ordinary least squares in closed form: an account's returns on one market, or on two.

use super::moments::CoMoments;
use super::{all_finite, finite, ratio, YEAR};

/// y = intercept + slope x + residual.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Line {
    pub n: usize,
    /// Beta, where y is the account and x the market.
    pub slope: f64,
    pub intercept: f64,
    /// Share of the variance of y that x explains, in [0, 1]; `None` where y does not vary.
    pub r_squared: Option<f64>,
    /// Σ residual².
    pub residual_squares: f64,
}

impl Line {
    /// Idiosyncratic volatility a year: √(SSE / (n - 2) · 365). `None` below three points.
    pub fn residual_volatility(&self) -> Option<f64> {
        (self.n > 2).then(|| libm::sqrt(self.residual_squares / (self.n - 2) as f64 * YEAR)).and_then(finite)
    }

    /// 1 - R²: the share of the variance of y that is its own.
    pub fn idiosyncratic_share(&self) -> Option<f64> {
        self.r_squared.map(|r| 1.0 - r)
    }
}

/// R² from the residuals and the variation of y.
fn explained(residual_squares: f64, yy: f64) -> Option<f64> {
    ratio(residual_squares, yy).map(|share| (1.0 - share).clamp(0.0, 1.0))
}

/// Least squares of y on x (scipy.stats.linregress). `None` below two points, for slices of different lengths and
/// where x does not vary.
pub fn line(y: &[f64], x: &[f64]) -> Option<Line> {
    if y.len() != x.len() || !all_finite(y) || !all_finite(x) {
        return None;
    }
    let m = CoMoments::of(x, y);
    let slope = ratio(m.xy, m.xx)?;
    let residual_squares =
        x.iter().zip(y).map(|(x, y)| (y - m.mean_y) - slope * (x - m.mean_x)).map(|e| e * e).sum::<f64>();
    Some(Line {
        n: y.len(),
        slope,
        intercept: finite(m.mean_y - slope * m.mean_x)?,
        r_squared: explained(residual_squares, m.yy),
        residual_squares: finite(residual_squares)?,
    })
}

/// The line through the origin: slope Σ xy / Σ x², intercept 0, R² about 0. `None` where x is all 0.
pub fn line_through_origin(y: &[f64], x: &[f64]) -> Option<Line> {
    if y.len() != x.len() {
        return None;
    }
    let sum = |f: fn(f64, f64) -> f64| x.iter().zip(y).map(|(x, y)| f(*x, *y)).sum::<f64>();
    let slope = ratio(sum(|x, y| x * y), sum(|x, _| x * x))?;
    let residual_squares = x.iter().zip(y).map(|(x, y)| y - slope * x).map(|e| e * e).sum::<f64>();
    Some(Line {
        n: y.len(),
        slope,
        intercept: 0.0,
        r_squared: explained(residual_squares, sum(|_, y| y * y)),
        residual_squares: finite(residual_squares)?,
    })
}

/// Slope of y on 0, 1, 2, …: the trend of a daily series.
pub fn trend(y: &[f64]) -> Option<f64> {
    let days: Vec<f64> = (0..y.len()).map(|i| i as f64).collect();
    line(y, &days).map(|l| l.slope)
}

/// y = intercept + slopes · (x1, x2) + residual.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Plane {
    pub n: usize,
    pub slopes: [f64; 2],
    pub intercept: f64,
    /// As in [`Line`].
    pub r_squared: Option<f64>,
    pub residual_squares: f64,
}

impl Plane {
    /// √(Σ residual² / (n - 3) × 365) of daily returns; `None` below four points.
    pub fn residual_volatility(&self) -> Option<f64> {
        let freedom = self.n.checked_sub(3).filter(|&f| f > 0)?;
        finite(libm::sqrt(self.residual_squares / freedom as f64 * YEAR))
    }
}

/// Below this share of the two variances' product the factors are one factor, and their slopes noise.
const SINGULAR: f64 = 1e-10;

/// Least squares of y on two factors. `None` below three points, for slices of different lengths, and where a factor
/// does not vary or the two vary together.
pub fn plane(y: &[f64], x1: &[f64], x2: &[f64]) -> Option<Plane> {
    if y.len() < 3 || y.len() != x1.len() || y.len() != x2.len() || ![y, x1, x2].into_iter().all(all_finite) {
        return None;
    }
    let (one, two, both) = (CoMoments::of(x1, y), CoMoments::of(x2, y), CoMoments::of(x1, x2));
    // In units of each factor's own spread nothing over- or underflows that should not.
    let (u, v) = (libm::sqrt(one.xx), libm::sqrt(two.xx));
    let r12 = ratio(ratio(both.xy, u)?, v)?;
    let (g1, g2) = (ratio(one.xy, u)?, ratio(two.xy, v)?);
    let det = (1.0 - r12) * (1.0 + r12);
    if det <= SINGULAR {
        return None;
    }
    let slopes = [ratio((g1 - r12 * g2) / det, u)?, ratio((g2 - r12 * g1) / det, v)?];
    let residual_squares = (0..y.len())
        .map(|i| (y[i] - one.mean_y) - slopes[0] * (x1[i] - one.mean_x) - slopes[1] * (x2[i] - two.mean_x))
        .map(|e| e * e)
        .sum::<f64>();
    Some(Plane {
        n: y.len(),
        slopes,
        intercept: finite(one.mean_y - slopes[0] * one.mean_x - slopes[1] * two.mean_x)?,
        r_squared: explained(residual_squares, one.yy),
        residual_squares: finite(residual_squares)?,
    })
}
