//! The power transform of Yeo and Johnson (Biometrika 87, 2000): one that takes negative values too, and the exponent that
//! makes a sample most like a normal one.

use super::brent::minimum;
use super::CHUNK;
use crate::control::Control;
use crate::error::Result;

/// The exponent is looked for between these.
pub const RANGE: [f64; 2] = [-5.0, 5.0];
/// Values that the likelihood is computed on, spread evenly: the exponent of more than this many is known to 0.01.
const SAMPLE: usize = 100_000;

/// ((1 + x)^e - 1) / e of x >= 0 from log1p(x), without cancellation near e = 0.
#[inline]
fn power(log1p: f64, e: f64) -> f64 {
    if e.abs() < f64::EPSILON {
        log1p
    } else {
        libm::expm1(e * log1p) / e
    }
}

/// The transform of a finite x under exponent `lambda`; ±inf where it overflows.
#[inline]
pub(super) fn forward(x: f64, lambda: f64) -> f64 {
    if x >= 0.0 {
        power(libm::log1p(x), lambda)
    } else {
        -power(libm::log1p(-x), 2.0 - lambda)
    }
}

/// What `forward` makes `t` of; NaN beyond the values it can take (they are bounded above for a negative exponent).
pub(super) fn backward(t: f64, lambda: f64) -> f64 {
    let root = |t: f64, e: f64| {
        let log = if e.abs() < f64::EPSILON { t } else { libm::log1p(e * t) / e };
        libm::expm1(log)
    };
    if t >= 0.0 {
        root(t, lambda)
    } else {
        -root(-t, 2.0 - lambda)
    }
}

/// A sample as the likelihood needs it: sign and log1p(|x|) of each value.
struct Sample(Vec<(bool, f64)>);

impl Sample {
    fn of(values: impl Iterator<Item = f64>) -> Sample {
        Sample(values.map(|x| (x < 0.0, libm::log1p(x.abs()))).collect())
    }

    fn sum(&self, f: impl Fn(bool, f64) -> f64) -> f64 {
        let chunk = |c: &[(bool, f64)]| c.iter().fold(0.0, |s, &(negative, log)| s + f(negative, log));
        self.0.chunks(CHUNK).map(chunk).fold(0.0, |s, v| s + v)
    }

    /// -n/2 ln(population variance of the transformed) + (λ - 1) Σ sign(x) ln(1 + |x|); -inf where it overflows.
    fn log_likelihood(&self, lambda: f64) -> f64 {
        let n = self.0.len() as f64;
        let at = |negative: bool, log: f64| if negative { -power(log, 2.0 - lambda) } else { power(log, lambda) };
        let mean = self.sum(at) / n;
        let variance = self.sum(|s, l| (at(s, l) - mean) * (at(s, l) - mean)) / n;
        let slope = self.sum(|s, l| if s { -l } else { l });
        let value = -0.5 * n * libm::log(variance) + (lambda - 1.0) * slope;
        if variance.is_finite() && value.is_finite() {
            value
        } else {
            f64::NEG_INFINITY
        }
    }
}

/// The log-likelihood of exponent `lambda` for `values`, up to a constant that does not depend on it.
pub fn log_likelihood(values: &[f64], lambda: f64) -> f64 {
    Sample::of(values.iter().copied()).log_likelihood(lambda)
}

/// The exponent in [`RANGE`] of the largest likelihood, to about 1e-8; of more than 100,000 values it takes 100,000 of them.
pub(super) fn most_likely(values: &[f64], shape: impl Fn(f64) -> f64, control: &Control) -> Result<f64> {
    let (n, take) = (values.len(), values.len().min(SAMPLE));
    let sample = Sample::of((0..take).map(|i| shape(values[(i as u128 * n as u128 / take as u128) as usize])));
    minimum(RANGE, |lambda| {
        control.check()?;
        Ok(-sample.log_likelihood(lambda))
    })
}
