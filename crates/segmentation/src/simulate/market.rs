//! The market that all accounts share: one hourly path per underlying, leveraged tokens on top, expiry dates.

use super::calendar::{fridays, Friday, DAY, HOUR};
use super::random::{Random, Stream};

/// An asset with a market: price on 2024-01-01 (rounded), yearly volatility, popularity, and what is listed on it.
pub(super) struct Underlying {
    pub name: &'static str,
    start: f64,
    pub volatility: f64,
    /// Log weight in an account's choice of favourites.
    pub popularity: f64,
    pub futures: bool,
    pub options: bool,
    pub tokens: bool,
}

const fn listed(name: &'static str, start: f64, volatility: f64, popularity: f64, kinds: u8) -> Underlying {
    Underlying { name, start, volatility, popularity, futures: kinds >= 2, options: kinds >= 3, tokens: kinds >= 1 }
}

pub(super) const COUNT: usize = 12;
pub(super) const UNDERLYINGS: [Underlying; COUNT] = [
    listed("BTC", 42_500.0, 0.55, 2.4, 3),
    listed("ETH", 2_300.0, 0.65, 2.1, 3),
    listed("SOL", 105.0, 0.95, 1.5, 3),
    listed("BNB", 310.0, 0.60, 1.1, 3),
    listed("XRP", 0.62, 0.75, 0.9, 2),
    listed("DOGE", 0.09, 0.95, 0.8, 2),
    listed("ADA", 0.60, 0.85, 0.6, 1),
    listed("AVAX", 39.0, 0.95, 0.5, 1),
    listed("LINK", 15.0, 0.85, 0.4, 1),
    listed("LTC", 73.0, 0.70, 0.2, 1),
    listed("DOT", 8.2, 0.85, 0.1, 0),
    listed("MATIC", 0.97, 0.90, 0.0, 0),
];

/// Share of the variance that is common to all underlyings.
const COMMON: f64 = 0.55;
/// Yearly speed at which log prices return to their start, so that ten years stay within sane prices.
const REVERSION: f64 = 0.7;
const HOURS_A_YEAR: f64 = 365.0 * 24.0;
/// About one jump in a hundred days, with a size of eight hourly deviations.
const JUMP_CHANCE: f64 = 1.0 / 2_400.0;
const JUMP_SIZE: f64 = 8.0;

/// Prices at every full hour, from the start to the end of the period.
struct Path {
    spot: Vec<f64>,
    /// Value of the token with leverage +3 and of the one with -3; empty if not listed.
    tokens: [Vec<f64>; 2],
}

pub(super) struct Market {
    paths: Vec<Path>,
    pub fridays: Vec<Friday>,
}

impl Market {
    pub fn new(seed: u64, days: u32) -> Self {
        let steps = days as usize * 24;
        let shocks = |stream: u64| {
            let mut random = Random::new(seed, Stream::Market(stream));
            (0..steps).map(move |_| {
                let jump = if random.uniform() < JUMP_CHANCE { JUMP_SIZE * random.normal() } else { 0.0 };
                random.normal() + jump
            })
        };
        let paths = UNDERLYINGS.iter().enumerate().map(|(u, asset)| {
            // The common shocks are drawn again for each: cheaper than keeping them, and the stream is the same.
            let joint =
                shocks(0).zip(shocks(u as u64 + 1)).map(|(all, own)| COMMON.sqrt() * all + (1.0 - COMMON).sqrt() * own);
            path(asset, joint, steps)
        });
        Market { paths: paths.collect(), fridays: fridays(days) }
    }

    /// Price of the underlying `at` microseconds after the start; linear between full hours.
    pub fn spot(&self, underlying: usize, at: i64) -> f64 {
        between(&self.paths[underlying].spot, at)
    }

    /// Value of the leveraged token of an underlying that lists them.
    pub fn token(&self, underlying: usize, long: bool, at: i64) -> f64 {
        between(&self.paths[underlying].tokens[usize::from(!long)], at)
    }

    /// Return over the day before `at` in units of its standard deviation, in [-3, 3]; 0 at the very start.
    pub fn trend(&self, underlying: usize, at: i64) -> f64 {
        let change = self.spot(underlying, at) / self.spot(underlying, (at - DAY).max(0)) - 1.0;
        let day = UNDERLYINGS[underlying].volatility / 365f64.sqrt();
        (change / day).clamp(-3.0, 3.0)
    }
}

fn path(asset: &Underlying, shocks: impl Iterator<Item = f64>, steps: usize) -> Path {
    let sd = asset.volatility / HOURS_A_YEAR.sqrt();
    let mut spot = Vec::with_capacity(steps + 1);
    let mut tokens = [Vec::new(), Vec::new()];
    let mut log = 0.0;
    let mut last = asset.start;
    let mut values = [10.0, 10.0];
    spot.push(last);
    for shock in shocks {
        log += -REVERSION / HOURS_A_YEAR * log - 0.5 * sd * sd + sd * shock;
        let price = asset.start * libm::exp(log);
        spot.push(price);
        if asset.tokens {
            for (leverage, (value, list)) in [3.0, -3.0].iter().zip(values.iter_mut().zip(&mut tokens)) {
                if list.is_empty() {
                    list.push(*value);
                }
                *value *= (1.0 + leverage * (price / last - 1.0)).max(0.05);
                // Issuers split and merge tokens whose value has left the range people trade.
                if *value < 0.1 {
                    *value *= 100.0;
                } else if *value > 1_000.0 {
                    *value /= 100.0;
                }
                list.push(*value);
            }
        }
        last = price;
    }
    Path { spot, tokens }
}

fn between(hourly: &[f64], at: i64) -> f64 {
    let hour = ((at / HOUR) as usize).min(hourly.len() - 2);
    let part = (at - hour as i64 * HOUR) as f64 / HOUR as f64;
    hourly[hour] + part * (hourly[hour + 1] - hourly[hour])
}
