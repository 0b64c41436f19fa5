//! Statistics of plain numbers: what a feature is once its sums are known.
//!
//! Every function is pure and takes slices of f64. A result that does not exist (too few values, no spread, a zero
//! denominator, an input that is NaN or infinite, an overflow) is `None`, never NaN, an infinity or 0.

pub mod appetite;
pub mod concentration;
pub mod drawdown;
pub mod moments;
pub mod quintile;
pub mod regression;
pub mod returns;
pub mod rhythm;
pub mod tail;

/// Days in a year: crypto markets are open on all of them.
pub const YEAR: f64 = 365.0;

/// `v` where it is a number, `None` for NaN and infinities.
pub(crate) fn finite(v: f64) -> Option<f64> {
    v.is_finite().then_some(v)
}

/// `a / b`; `None` for a zero denominator or a quotient that is no number.
pub(crate) fn ratio(a: f64, b: f64) -> Option<f64> {
    if b == 0.0 {
        return None;
    }
    finite(a / b)
}

pub(crate) fn all_finite(values: &[f64]) -> bool {
    values.iter().all(|v| v.is_finite())
}

/// The values in ascending order; `None` where one is NaN or infinite.
pub(crate) fn sorted(values: &[f64]) -> Option<Vec<f64>> {
    if !all_finite(values) {
        return None;
    }
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    Some(sorted)
}

/// The sample where it has at least `n` values, the rule before many a feature: `sample(r, 30).and_then(sharpe)`.
pub fn sample(values: &[f64], n: usize) -> Option<&[f64]> {
    (values.len() >= n).then_some(values)
}
