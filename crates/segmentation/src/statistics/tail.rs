//! Quantiles and losses in the tail. Losses are positive numbers; `tail` is the probability of a worse one, so that
//! VaR at 95 % is `value_at_risk(returns, 0.05)`.

use super::moments::Moments;
use super::{finite, sorted};

/// The sample where it has at least 1 / tail returns (20 for 95 %, 100 for 99 %); below that the tail holds none.
pub fn tail_sample(returns: &[f64], tail: f64) -> Option<&[f64]> {
    (inside(tail) && returns.len() as f64 * tail >= 1.0 - 1e-9).then_some(returns)
}

fn inside(tail: f64) -> bool {
    tail > 0.0 && tail < 1.0
}

/// Type-7 quantile (numpy's "linear", percentile_cont) for q in [0, 1]; `None` of no values.
pub fn quantile(values: &[f64], q: f64) -> Option<f64> {
    quantile_of_sorted(&sorted(values)?, q)
}

/// The same of values in ascending order.
pub fn quantile_of_sorted(sorted: &[f64], q: f64) -> Option<f64> {
    if sorted.is_empty() || !(0.0..=1.0).contains(&q) {
        return None;
    }
    let h = q * (sorted.len() - 1) as f64;
    let low = libm::floor(h) as usize;
    let (a, b, t) = (sorted[low], sorted[(low + 1).min(sorted.len() - 1)], h - low as f64);
    // Halving first keeps the difference of two huge values of opposite sign finite.
    finite(if t == 0.0 || a == b { a } else { 2.0 * (a * 0.5 + (b * 0.5 - a * 0.5) * t) })
}

/// Value at risk: minus the type-7 quantile. Negative where even the tail gains. See [`tail_sample`] for its size.
pub fn value_at_risk(returns: &[f64], tail: f64) -> Option<f64> {
    if !inside(tail) {
        return None;
    }
    // From 0, so that a quantile of 0 is a loss of 0 and not of -0.
    quantile(returns, tail).map(|q| 0.0 - q)
}

/// Expected shortfall as Acerbi and Tasche (2002) define it for a sample: the mean of the worst n·tail returns, of which
/// the last one counts with the fraction that is left. Of fewer than one return in the tail it is the worst one.
pub fn expected_shortfall(returns: &[f64], tail: f64) -> Option<f64> {
    let sorted = sorted(returns).filter(|s| !s.is_empty() && inside(tail))?;
    let size = sorted.len() as f64 * tail;
    let whole = (libm::floor(size) as usize).min(sorted.len() - 1);
    let sum: f64 = sorted[..whole].iter().sum::<f64>() + (size - whole as f64) * sorted[whole];
    finite(0.0 - sum / size)
}

/// The z with Φ(z) = p, for p in (0, 1).
pub fn normal_quantile(p: f64) -> Option<f64> {
    if !inside(p) {
        return None;
    }
    if p > 0.5 {
        return normal_quantile(1.0 - p).map(|z| -z);
    }
    // Φ is convex below 0, so that Newton's steps from 0 all go down and none goes too far.
    let mut z = 0.0f64;
    for _ in 0..2000 {
        let below = 0.5 * libm::erfc(-z * std::f64::consts::FRAC_1_SQRT_2);
        let density = libm::exp(-0.5 * z * z) / libm::sqrt(2.0 * std::f64::consts::PI);
        let step = (below - p) / density;
        if step.is_nan() || step <= z.abs() * 1e-16 {
            break;
        }
        z -= step;
    }
    finite(z)
}

/// Cornish and Fisher's quantile (1938) for a normal quantile `z`: with skewness S and excess kurtosis K
/// z + (z² - 1) S / 6 + (z³ - 3z) K / 24 - (2z³ - 5z) S² / 36.
///
/// `None` where this map of z is not increasing everywhere (Maillard 2012): its values are then no quantiles. That is
/// so for strong skewness, and for any K < 0 without skewness.
pub fn cornish_fisher_quantile(z: f64, skewness: f64, excess_kurtosis: f64) -> Option<f64> {
    let (s, k) = (skewness, excess_kurtosis);
    // The derivative is a z² + b z + c; it must not be negative anywhere.
    let (a, b, c) = (k / 8.0 - s * s / 6.0, s / 3.0, 1.0 - k / 8.0 + 5.0 * s * s / 36.0);
    let increasing = (a > 0.0 && b * b <= 4.0 * a * c) || (a == 0.0 && b == 0.0 && c >= 0.0);
    if !increasing {
        return None;
    }
    let (z2, z3) = (z * z, z * z * z);
    finite(z + (z2 - 1.0) * s / 6.0 + (z3 - 3.0 * z) * k / 24.0 - (2.0 * z3 - 5.0 * z) * s * s / 36.0)
}

/// Value at risk from mean, standard deviation (n - 1), skewness and kurtosis: -(mean + sd z'). `None` where all
/// returns are equal, and where [`cornish_fisher_quantile`] is. See [`tail_sample`] for its size.
pub fn cornish_fisher_var(returns: &[f64], tail: f64) -> Option<f64> {
    let m = Moments::of(returns);
    let z = cornish_fisher_quantile(normal_quantile(tail)?, m.skewness()?, m.excess_kurtosis()?)?;
    finite(-(m.mean + m.deviation()? * z))
}
