//! Options: Black's formula, the venue's volatility surface, strikes. No interest: the forward is the spot price.

use super::calendar::{Friday, DAY, EXPIRY_HOUR};
use super::market::{Market, UNDERLYINGS};
use crate::risk::normal_cdf;

/// Value and sensitivity of an option on one unit.
pub(super) struct Valued {
    /// USD.
    pub premium: f64,
    /// USD per USD of the underlying, in [-1, 1].
    pub delta: f64,
    /// A year's, as a decimal: 0.6 is 60 %.
    pub volatility: f64,
}

/// Years from `at` to an expiry.
pub(super) fn years(expiry: &Friday, at: i64) -> f64 {
    (expiry.day * DAY + EXPIRY_HOUR - at) as f64 / (365 * DAY) as f64
}

/// Values an option at the venue's volatility; at and after its expiry what it pays.
pub(super) fn value(market: &Market, underlying: usize, expiry: usize, strike: f64, call: bool, at: i64) -> Valued {
    let spot = market.spot(underlying, at);
    let time = years(&market.fridays[expiry], at);
    let sign = if call { 1.0 } else { -1.0 };
    if time <= 0.0 {
        let paid = (sign * (spot - strike)).max(0.0);
        return Valued { premium: paid, delta: if paid > 0.0 { sign } else { 0.0 }, volatility: 0.0 };
    }
    let volatility = surface(UNDERLYINGS[underlying].volatility * market.stress(at), spot, strike, time);
    let (premium, delta) = black(spot, strike, volatility * time.sqrt(), sign);
    Valued { premium, delta, volatility }
}

/// A smile in standard deviations with more demand for puts, in steps of 0.01 %.
fn surface(level: f64, spot: f64, strike: f64, time: f64) -> f64 {
    let away = (libm::log(strike / spot) / (level * time.sqrt())).clamp(-4.0, 4.0);
    (level * (1.0 + 0.015 * away * away - 0.02 * away) * 10_000.0).round() / 10_000.0
}

/// Black (1976): premium and delta; `deviation` is volatility times the square root of the time left, positive. Not
/// [`crate::risk::black76`], which rounds otherwise (it is exact far out of the money, too): the simulated venue's bits are
/// promised, and its premiums and deltas are among them.
pub(super) fn black(forward: f64, strike: f64, deviation: f64, sign: f64) -> (f64, f64) {
    let d1 = libm::log(forward / strike) / deviation + 0.5 * deviation;
    let above = normal_cdf(sign * d1);
    let premium = sign * (forward * above - strike * normal_cdf(sign * (d1 - deviation)));
    // The difference of two products may end below 0 by a rounding.
    (premium.max(0.0), sign * above)
}

/// Distance from a strike to the next: 5, 10 or 20 % of its power of ten, and at least 1: 2 to 5 % of the strike.
pub(super) fn strike_step(strike: f64) -> f64 {
    let mut unit = 1.0;
    while strike >= unit * 10.0 {
        unit *= 10.0;
    }
    let parts = if strike < 2.0 * unit {
        20.0
    } else if strike < 5.0 * unit {
        10.0
    } else {
        5.0
    };
    (unit / parts).max(1.0)
}

/// The strike nearest to a price: a whole number, at least 1.
pub(super) fn nearest_strike(price: f64) -> f64 {
    let step = strike_step(price);
    ((price / step).round() * step).max(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn black_is_black() {
        // Hull's example: F = K = 20, r = 0 here, sigma = 0.25, T = 4/12.
        let (put, _) = black(20.0, 20.0, 0.25 * (4.0f64 / 12.0).sqrt(), -1.0);
        assert!((put * (-0.09f64 * 4.0 / 12.0).exp() - 1.116641456559).abs() < 1e-9, "{put}");
        let (call, delta) = black(1e5, 1.2e5, 0.7 * (30.0f64 / 365.0).sqrt(), 1.0);
        assert!((call - 2166.9498966888).abs() < 1e-6 && (delta - 0.209499268038).abs() < 1e-9);
        for strike in [60.0, 90.0, 100.0, 130.0] {
            let (call, up) = black(100.0, strike, 0.3, 1.0);
            let (put, down) = black(100.0, strike, 0.3, -1.0);
            assert!((call - put - (100.0 - strike)).abs() < 1e-10, "parity");
            assert!((up - down - 1.0).abs() < 1e-12);
            for (value, delta, is_call) in [(call, up, true), (put, down, false)] {
                let risk = crate::risk::black76(100.0, strike, 1.0, 0.3, 0.0, is_call).unwrap();
                assert!((value - risk.value).abs() < 1e-12 && (delta - risk.delta).abs() < 1e-14, "{strike}");
            }
        }
    }

    #[test]
    fn strikes_lie_on_one_ladder() {
        let mut ladder = vec![1.0];
        while ladder[ladder.len() - 1] < 1e6 {
            let last = ladder[ladder.len() - 1];
            ladder.push(last + strike_step(last));
        }
        for i in 0..2_000 {
            let strike = nearest_strike(1.0 + f64::from(i * i) * 0.13);
            assert!(ladder.contains(&strike), "{strike}");
        }
        assert_eq!([nearest_strike(42_480.0), nearest_strike(0.2), nearest_strike(1_996.0)], [42_000.0, 1.0, 2_000.0]);
    }
}
