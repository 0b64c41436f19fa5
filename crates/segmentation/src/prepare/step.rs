//! What a raw value goes through, with everything computed that can be computed before; and the way back.

use super::column::{Kept, LIMIT};
use super::normal;
use super::transform::Transform;
use std::sync::Arc;

#[derive(Clone, Debug)]
pub(crate) struct Step {
    /// The feature's place in the raw row
    pub index: usize,
    pub transform: Transform,
    low: f64,
    high: f64,
    parameter: f64,
    /// Quantiles, where the feature is scaled by rank
    knots: Option<Arc<[f64]>>,
    center: f64,
    factor: f64,
    median: f64,
    /// The prepared value of a missing one
    pub imputed: f64,
    /// Which indicator says that the account has what the feature is about
    pub indicator: Option<usize>,
    /// A missing value is an error
    pub required: bool,
    /// Whether it counts among the features of a row: of a category only the first value does
    pub counted: bool,
}

impl Step {
    pub fn new(index: usize, kept: &Kept) -> Step {
        let [low, high] = kept.bounds.unwrap_or([f64::NEG_INFINITY, f64::INFINITY]);
        let mut step = Step {
            index,
            transform: kept.transform,
            low,
            high,
            parameter: kept.lambda.or(kept.c.map(|c| 1.0 / c)).unwrap_or(1.0),
            knots: kept.knots.as_deref().map(Arc::from),
            center: kept.center,
            factor: kept.weight / kept.scale,
            median: kept.median,
            imputed: 0.0,
            indicator: None,
            required: false,
            counted: true,
        };
        step.imputed = step.prepare(kept.median);
        step
    }

    /// Winsorised and transformed, neither centred nor scaled; a missing value counts as the median.
    #[inline]
    pub fn shaped(&self, x: f64) -> f64 {
        let x = if x.is_finite() { x } else { self.median };
        self.transform.apply(x.max(self.low).min(self.high), self.parameter)
    }

    /// The prepared value of a finite x.
    #[inline]
    pub fn prepare(&self, x: f64) -> f64 {
        let mut t = self.transform.apply(x.max(self.low).min(self.high), self.parameter);
        if let Some(knots) = &self.knots {
            t = normal::forward(knots, t);
        }
        ((t - self.center) * self.factor).clamp(-LIMIT, LIMIT)
    }

    /// The x that is prepared to this value; None where no x is, such as beyond the winsorising bounds.
    pub fn restore(&self, prepared: f64) -> Option<f64> {
        let mut t = prepared / self.factor + self.center;
        if let Some(knots) = &self.knots {
            t = normal::backward(knots, t);
        }
        let (from, to) = self.transform.domain();
        let x = self.transform.invert(t, self.parameter);
        let x = x.max(from).min(to).max(self.low).min(self.high) + 0.0;
        // Only rounding may lie between: what the curve or the bounds cut off has no way back.
        let rounding = 1e-9 * (1.0 + prepared.abs()) + 1e-12 * (self.center * self.factor).abs();
        (prepared.is_finite() && !t.is_nan() && x.is_finite() && (self.prepare(x) - prepared).abs() <= rounding)
            .then_some(x)
    }

    #[inline]
    pub fn clips(&self, x: f64) -> bool {
        x < self.low || x > self.high
    }

    /// Whether no finite value can come out as NaN: a model from outside is refused otherwise.
    pub fn is_sound(&self) -> bool {
        let positive = self.transform == Transform::YeoJohnson || self.parameter > 0.0;
        self.low <= self.high
            && [self.parameter, self.center, self.factor, self.median].iter().all(|v| v.is_finite())
            && positive
            && self.factor > 0.0
            && self.knots.as_ref().is_none_or(|k| {
                (2..=normal::KNOTS).contains(&k.len())
                    && k.iter().all(|x| x.is_finite())
                    && k.windows(2).all(|w| w[0] <= w[1])
            })
    }
}
