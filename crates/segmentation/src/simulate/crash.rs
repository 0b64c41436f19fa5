//! A day on which everything falls: how far, when, and what comes back.

use super::calendar::{DAY, HOUR};
use super::market::{COUNT, UNDERLYINGS};
use super::random::{Random, Stream};

/// Share of the fall that is done after each hour: it starts slowly, gaps, and ends slowly.
const FALL: [f64; 4] = [0.15, 0.7, 0.9, 1.0];
/// Hours in which the recovered part comes back, in equal steps of the logarithm.
const RECOVERY: usize = 6;
/// Hours after the start of the fall in which venues watch margins by the hour.
const WATCH: i64 = 14;

/// The fall of one day, as an addition to the logarithms of the prices.
pub(super) struct Crash {
    /// Hour of the simulation at which the fall starts.
    pub start: usize,
    /// Logarithm of what is left of the price at the low, for each underlying.
    depths: [f64; COUNT],
    /// Share of the fall (of its logarithm) that comes back.
    recovered: f64,
}

impl Crash {
    /// Draws the crash of a day, 1 the first. It has a stream of its own: nothing else changes with it.
    pub fn new(seed: u64, day: u32) -> Self {
        let mut random = Random::new(seed, Stream::Crash);
        let start = (i64::from(day) - 1) as usize * 24 + 6 + random.below(7);
        let recovered = 0.3 + 0.2 * random.uniform();
        // The volatile fall further: 13 to 18 % the calmest, 24 to 29 % the wildest.
        let depths = std::array::from_fn(|u| {
            let wild = (UNDERLYINGS[u].volatility - 0.55) / 0.4;
            libm::log(1.0 - (0.13 + 0.11 * wild + 0.05 * random.uniform()))
        });
        Crash { start, depths, recovered }
    }

    /// What the crash adds to the logarithm of an underlying's price at a full hour. In the hours of the fall it also
    /// takes `drift`, the market's own move since the start, out: the fall is as deep as drawn.
    pub fn at(&self, underlying: usize, hour: usize, drift: f64) -> f64 {
        if hour <= self.start {
            return 0.0;
        }
        let since = hour - self.start;
        let depth = self.depths[underlying];
        if since <= FALL.len() {
            return depth * FALL[since - 1] - drift;
        }
        let back = (since - FALL.len()).min(RECOVERY) as f64 / RECOVERY as f64;
        depth * (1.0 - self.recovered * back) - drift
    }

    /// The last hour at which the market's own moves are taken out.
    pub fn low(&self) -> usize {
        self.start + FALL.len()
    }

    /// Factor of implied volatilities: up to 1.6 within the fall, then back with a time constant of two days.
    pub fn stress(&self, at: i64) -> f64 {
        let hours = (at - self.start as i64 * HOUR) as f64 / HOUR as f64;
        if hours <= 0.0 {
            return 1.0;
        }
        let rise = (hours / FALL.len() as f64).min(1.0);
        1.0 + 0.6 * rise * libm::exp(-(hours - FALL.len() as f64).max(0.0) / 48.0)
    }

    /// The first full hour after `at` at which margins are checked because of the crash.
    pub fn next_watch(&self, at: i64) -> Option<i64> {
        let first = self.start as i64 + 1;
        let hour = first.max(at.div_euclid(HOUR) + 1);
        let last = (first + WATCH).min(self.start as i64 / 24 * 24 + DAY / HOUR - 1);
        (hour <= last).then_some(hour * HOUR)
    }
}
