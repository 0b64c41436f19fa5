//! How far prices move with signed flow (Kyle 1985, "Continuous auctions and insider trading").

use crate::statistics::regression::{line, line_through_origin};

/// The line `change = intercept + slope * flow` by ordinary least squares.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Impact {
    /// Kyle's lambda: price change per unit of signed flow.
    pub slope: f64,
    /// 0 for the line through the origin.
    pub intercept: f64,
    /// Share of the changes' squares that the line explains: about their mean, or about 0 without an intercept. `None`
    /// where there is nothing to explain.
    pub r_squared: Option<f64>,
    /// Slope over its standard error. `None` for a perfect fit and without a degree of freedom.
    pub t: Option<f64>,
    /// Bins used.
    pub bins: usize,
}

impl Impact {
    /// Whether the line may be told of one account and not only of a segment: 200 bins or more and |t| above 2.
    pub fn holds_for_an_account(&self) -> bool {
        self.bins >= 200 && self.t.is_some_and(|t| t.abs() > 2.0)
    }
}

/// Regresses price changes on signed flows, one element a bin of time. Bins where either is NaN or infinite are left
/// out; what follows the shorter slice as well. `None` with fewer than two bins (one through the origin), where all
/// flows are equal (0), and where a figure is beyond float8.
pub fn kyle_lambda(flows: &[f64], changes: &[f64], with_intercept: bool) -> Option<Impact> {
    let bins = flows.iter().zip(changes).filter(|(x, y)| x.is_finite() && y.is_finite());
    let (flows, changes): (Vec<f64>, Vec<f64>) = bins.unzip();
    let bins = flows.len();
    let fit = if with_intercept { line(&changes, &flows)? } else { line_through_origin(&changes, &flows)? };
    let freedom = bins.checked_sub(if with_intercept { 2 } else { 1 })?;
    let about = |mean: f64| flows.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>();
    let xx = about(if with_intercept { flows.iter().sum::<f64>() / bins as f64 } else { 0.0 });
    let t = fit.slope / libm::sqrt(fit.residual_squares / freedom as f64 / xx);
    Some(Impact {
        slope: fit.slope,
        intercept: fit.intercept,
        r_squared: fit.r_squared,
        t: (freedom > 0 && t.is_finite()).then_some(t),
        bins,
    })
}
