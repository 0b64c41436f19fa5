//! Instruments as venues name them, and what they cost: BTC-USD, BTC-PERPETUAL, BTC-29MAR24,
//! BTC-28JUN24-70000-C, BTC3L-USD. All are linear: quantities in units of the underlying (or token), prices in USD.

use super::calendar::{next_friday, DAY, EXPIRY_HOUR};
use super::market::{Market, UNDERLYINGS};
use super::random::Random;
use std::fmt::Write;

/// What is traded; the order is that of the weights in an account's behaviour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Spot,
    Future,
    Perpetual,
    Option,
    Token,
}

impl Kind {
    pub const ALL: [Kind; 5] = [Kind::Spot, Kind::Future, Kind::Perpetual, Kind::Option, Kind::Token];

    pub fn name(self) -> &'static str {
        match self {
            Kind::Spot => "spot",
            Kind::Future => "future",
            Kind::Perpetual => "perpetual",
            Kind::Option => "option",
            Kind::Token => "leveraged_token",
        }
    }

    pub fn listed_on(self, underlying: usize) -> bool {
        let asset = &UNDERLYINGS[underlying];
        match self {
            Kind::Spot | Kind::Perpetual => true,
            Kind::Future => asset.futures,
            Kind::Option => asset.options,
            Kind::Token => asset.tokens,
        }
    }

    /// Taker and maker fee of the lowest tier, basis points of notional.
    pub fn fees(self) -> (f64, f64) {
        match self {
            Kind::Spot => (9.0, 6.0),
            Kind::Future => (5.0, 2.0),
            Kind::Perpetual => (5.5, 2.0),
            Kind::Option => (4.0, 3.0),
            Kind::Token => (11.0, 8.0),
        }
    }
}

/// An instrument at one moment.
pub(super) struct Quote {
    pub name: String,
    /// Fair price, USD.
    pub fair: f64,
    /// USD of notional for one unit: the price, or for an option that of the underlying.
    pub unit: f64,
}

/// Picks an instrument of a kind that the underlying lists, `at` microseconds after the start.
pub(super) fn quote(market: &Market, kind: Kind, underlying: usize, at: i64, random: &mut Random) -> Quote {
    let spot = market.spot(underlying, at);
    let mut name = String::with_capacity(24);
    name.push_str(UNDERLYINGS[underlying].name);
    let priced = |name, price| Quote { name, fair: price, unit: price };
    match kind {
        Kind::Spot => {
            name.push_str("-USD");
            priced(name, spot)
        }
        Kind::Perpetual => {
            name.push_str("-PERPETUAL");
            priced(name, spot * (1.0 + 0.000_2 * market.trend(underlying, at)))
        }
        Kind::Token => {
            let long = random.uniform() < 0.65;
            name.push_str(if long { "3L-USD" } else { "3S-USD" });
            priced(name, market.token(underlying, long, at))
        }
        Kind::Future => {
            let first = next_friday(at);
            let weeks = &market.fridays;
            let expiry = [first, weeks[first].monthly, weeks[first].quarterly][random.below(3)];
            let _ = write!(name, "-{}", weeks[expiry].label);
            priced(name, spot * (1.0 + 0.08 * years(weeks[expiry].day, at)))
        }
        Kind::Option => {
            let first = next_friday(at);
            let weeks = &market.fridays;
            let expiry = [first, first + 1, weeks[first].monthly, weeks[first + 4].monthly][random.below(4)];
            let volatility = UNDERLYINGS[underlying].volatility;
            let time = years(weeks[expiry].day, at).max(1.0 / 8_760.0);
            let deviation = volatility * time.sqrt();
            let call = random.uniform() < 0.55;
            // Mostly out of the money.
            let away = (0.6 + 0.5 * random.normal()) * deviation * if call { 1.0 } else { -1.0 };
            let step = strike_step(spot);
            let strike = ((spot * libm::exp(away) / step).round() * step).max(step);
            let _ = write!(name, "-{}-{strike}-{}", weeks[expiry].label, if call { 'C' } else { 'P' });
            Quote { name, fair: premium(spot, strike, deviation, call), unit: spot }
        }
    }
}

fn years(expiry_day: i64, at: i64) -> f64 {
    (expiry_day * DAY + EXPIRY_HOUR - at) as f64 / (365 * DAY) as f64
}

/// Strikes are 1, 2 or 5 times a power of ten apart, about 2.5 % of the price, and whole numbers.
fn strike_step(spot: f64) -> f64 {
    let mut step = 1.0;
    for factor in [2.0, 2.5, 2.0].iter().cycle() {
        if step * factor > spot * 0.025 {
            break;
        }
        step *= factor;
    }
    step
}

/// Black's formula without interest; `deviation` is volatility times the square root of the time left.
fn premium(forward: f64, strike: f64, deviation: f64, call: bool) -> f64 {
    let d1 = libm::log(forward / strike) / deviation + 0.5 * deviation;
    let sign = if call { 1.0 } else { -1.0 };
    sign * (forward * normal_cdf(sign * d1) - strike * normal_cdf(sign * (d1 - deviation)))
}

fn normal_cdf(x: f64) -> f64 {
    0.5 * libm::erfc(-x * std::f64::consts::FRAC_1_SQRT_2)
}

/// Rounds a positive number to five significant digits or more, as a decimal, and never to 0.
pub(super) fn tick(x: f64) -> f64 {
    let mut scale = 1.0;
    while x * scale < 10_000.0 && scale < 1e8 {
        scale *= 10.0;
    }
    (x * scale).round().max(1.0) / scale
}
