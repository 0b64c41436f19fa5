//! The volatility that a premium implies.

use super::black76::{density, log_ratio, time_value};

/// The range searched, a year: 0.01 % to 1,000 %.
pub const LOWEST: f64 = 1e-4;
pub const HIGHEST: f64 = 10.0;

/// Enough for bisection alone to end; Newton's steps need about six.
const STEPS: usize = 100;

/// Volatility at which [`super::black76()`] gives `value`, or `None`.
///
/// Arguments as there; `value` is the premium in the quote currency. Newton's method kept inside a shrinking bracket,
/// on the time value, which the call and the put of a strike share; on its logarithm below the inflection, where the
/// value itself is too flat to follow. `None` for NaN, infinities, a forward or strike not above 0, no time left, a
/// premium at or outside the no-arbitrage bounds, one whose time value is below its own rounding (deep in the money),
/// and where the answer lies outside [`LOWEST`] to [`HIGHEST`].
pub fn implied_volatility(value: f64, forward: f64, strike: f64, years: f64, rate: f64, is_call: bool) -> Option<f64> {
    let given = [value, forward, strike, years, rate];
    if given.iter().any(|x| !x.is_finite()) || forward <= 0.0 || strike <= 0.0 || years <= 0.0 || value <= 0.0 {
        return None;
    }
    let undiscounted = value * libm::exp(rate * years);
    let intrinsic = if is_call { forward - strike } else { strike - forward }.max(0.0);
    let target = undiscounted - intrinsic;
    // The time value is below the smaller of forward and strike whatever the volatility.
    if !(target > 4.0 * f64::EPSILON * intrinsic && target < forward.min(strike)) {
        return None;
    }
    let root = years.sqrt();
    let price = |volatility: f64| time_value(forward, strike, volatility * root);
    let (mut low, mut high) = (LOWEST, HIGHEST);
    if target < price(low) || target > price(high) {
        return None;
    }

    let away = log_ratio(forward, strike);
    let inflection = (2.0 * away.abs()).sqrt() / root;
    let mut volatility = inflection.clamp(low, high);
    let flat = target < price(volatility);
    let log_target = libm::log(target);
    for _ in 0..STEPS {
        let at = price(volatility);
        if at < target {
            low = volatility;
        } else {
            high = volatility;
        }
        let deviation = volatility * root;
        let vega = forward * density(away / deviation + 0.5 * deviation) * root;
        let step = if flat { (libm::log(at) - log_target) * at / vega } else { (at - target) / vega };
        let newton = volatility - step;
        // Also for a vega of 0, which makes the step infinite or NaN.
        let inside = newton >= low && newton <= high;
        let next = if inside { newton } else { (low * high).sqrt() };
        // Steps shrink quadratically: after a short one nothing is left but rounding.
        if (inside && (next - volatility).abs() <= 1e-9 * volatility) || high <= low * (1.0 + 1e-15) {
            return Some(next);
        }
        volatility = next;
    }
    Some(volatility)
}
