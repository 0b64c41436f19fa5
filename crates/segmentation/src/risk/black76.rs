//! Options on a forward: value and greeks in one go.
//!
//! Black (1976), "The pricing of commodity contracts"; the greeks are the partial derivatives at a fixed forward. With
//! `w` = +1 for a call and -1 for a put, `D = exp(-rate * years)`, `s = volatility * sqrt(years)`,
//! `d1 = ln(F/K)/s + s/2`, `d2 = d1 - s`: value `D w (F Phi(w d1) - K Phi(w d2))`. A spot option (Black and Scholes
//! 1973) is one on the forward `S exp((rate - carry) * years)`.
//!
//! Nothing but `sqrt` and the `libm` crate: equal bits on every processor.

use std::f64::consts::FRAC_1_SQRT_2;

/// Beyond this many deviations the normal density is 0 in a float8, and so is all that it multiplies.
const FAR: f64 = 40.0;
/// Beyond this deviation every float8 forward and strike give the limit of an endless volatility.
const WIDEST: f64 = 1e6;

/// Value of one option and its derivatives, in the quote currency.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Greeks {
    pub value: f64,
    /// By the forward (or by the spot price, from [`black_scholes`]).
    pub delta: f64,
    /// Second derivative by the same.
    pub gamma: f64,
    /// Per 1.00 of volatility: divide by 100 for a volatility point.
    pub vega: f64,
    /// Per year of passing time: divide by 365 for a day.
    pub theta: f64,
    /// Of delta per 1.00 of volatility.
    pub vanna: f64,
    /// Of vega per 1.00 of volatility.
    pub volga: f64,
}

/// An option whose premium is paid in the underlying coin.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Coin {
    /// Premium in coins.
    pub price: f64,
    /// Delta less the coins of the premium itself ("net transaction delta"): what is left to hedge.
    pub delta: f64,
}

impl Greeks {
    /// The same option quoted in coin; `forward` is the one it was priced at.
    pub fn in_coin(&self, forward: f64) -> Coin {
        let price = self.value / forward;
        Coin { price, delta: self.delta - price }
    }
}

/// Prices an option on a forward.
///
/// `forward` and `strike` in the quote currency, both > 0; `years` to expiry; `volatility` and `rate` a year, as
/// decimals (0.6 is 60 %). With `years` <= 0 or `volatility` <= 0 it is worth its (discounted) intrinsic value, with a
/// delta of one, none, or a half at equality, and a theta of nothing but interest. `None` for NaN, infinities,
/// a forward or strike not above 0, and where a figure is beyond float8.
pub fn black76(forward: f64, strike: f64, years: f64, volatility: f64, rate: f64, is_call: bool) -> Option<Greeks> {
    let given = [forward, strike, years, volatility, rate];
    if given.iter().any(|x| !x.is_finite()) || forward <= 0.0 || strike <= 0.0 {
        return None;
    }
    let years = years.max(0.0);
    let discount = libm::exp(-rate * years);
    let root = years.sqrt();
    let deviation = if volatility > 0.0 { (volatility * root).min(WIDEST) } else { 0.0 };
    let sign = if is_call { 1.0 } else { -1.0 };
    let intrinsic = (sign * (forward - strike)).max(0.0);

    let greeks = if deviation > 0.0 {
        let d1 = log_ratio(forward, strike) / deviation + 0.5 * deviation;
        let d2 = d1 - deviation;
        let density = density(d1);
        let value = discount * (intrinsic + time_value(forward, strike, deviation));
        let vega = discount * forward * density * root;
        // A density of 0 multiplies d1 and d2 that may be infinite.
        let flat = density == 0.0;
        Greeks {
            value,
            delta: discount * sign * normal_cdf(sign * d1),
            gamma: if flat { 0.0 } else { discount * density / (forward * deviation) },
            vega,
            theta: rate * value - if flat { 0.0 } else { 0.5 * vega * volatility / years },
            vanna: if flat { 0.0 } else { -discount * density * d2 / volatility },
            volga: if flat { 0.0 } else { vega * d1 * d2 / volatility },
        }
    } else {
        let value = discount * intrinsic;
        let held = if forward == strike {
            0.5
        } else if intrinsic > 0.0 {
            1.0
        } else {
            0.0
        };
        let delta = discount * sign * held;
        let theta = if years > 0.0 { rate * value } else { 0.0 };
        Greeks { value, delta, gamma: 0.0, vega: 0.0, theta, vanna: 0.0, volga: 0.0 }
    };
    let Greeks { value, delta, gamma, vega, theta, vanna, volga } = greeks;
    [value, delta, gamma, vega, theta, vanna, volga].iter().all(|x| x.is_finite()).then_some(greeks)
}

/// Prices an option on a spot price that yields `carry` a year (0 for a coin) by its forward. Delta, gamma, vanna are
/// by the spot price, theta is at a fixed spot price. Arguments, rules and `None` as in [`black76`].
pub fn black_scholes(
    spot: f64,
    strike: f64,
    years: f64,
    volatility: f64,
    rate: f64,
    carry: f64,
    is_call: bool,
) -> Option<Greeks> {
    let drift = rate - carry;
    let growth = libm::exp(drift * years.max(0.0));
    let forward = spot * growth;
    let g = black76(forward, strike, years, volatility, rate, is_call)?;
    let passing = if years > 0.0 { g.delta * forward * drift } else { 0.0 };
    let by_spot = Greeks {
        delta: g.delta * growth,
        gamma: g.gamma * growth * growth,
        theta: g.theta - passing,
        vanna: g.vanna * growth,
        ..g
    };
    let Greeks { delta, gamma, theta, vanna, .. } = by_spot;
    [delta, gamma, theta, vanna].iter().all(|x| x.is_finite()).then_some(by_spot)
}

/// Undiscounted value above the intrinsic one, which is the value of the out-of-the-money option of the two, for a
/// `deviation` above 0. Priced directly: taken from the in-the-money one it would be lost in rounding.
pub(super) fn time_value(forward: f64, strike: f64, deviation: f64) -> f64 {
    let (low, high) = if forward < strike { (forward, strike) } else { (strike, forward) };
    let away = -log_ratio(high, low) / deviation;
    let value = low * normal_cdf(away + 0.5 * deviation) - high * normal_cdf(away - 0.5 * deviation);
    value.max(0.0)
}

/// ln(a / b), exact to rounding for a near b as well.
pub(super) fn log_ratio(a: f64, b: f64) -> f64 {
    let above = (a - b) / b;
    if above.abs() < 0.5 {
        libm::log1p(above)
    } else {
        libm::log(a) - libm::log(b)
    }
}

/// Standard normal density.
pub(super) fn density(x: f64) -> f64 {
    const PEAK: f64 = 0.398_942_280_401_432_7;
    if x.abs() > FAR {
        0.0
    } else {
        PEAK * libm::exp(-0.5 * x * x)
    }
}

/// Standard normal distribution function, exact to rounding in both tails.
pub(crate) fn normal_cdf(x: f64) -> f64 {
    0.5 * libm::erfc(-x * FRAC_1_SQRT_2)
}
