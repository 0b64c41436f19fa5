//! When an account trades: hours of the day on a circle, and the pattern of the gaps between trades.

use super::moments::{CoMoments, Moments};
use super::{all_finite, ratio};

pub const HOURS: usize = 24;

/// Gaps below which burstiness and memory are not features of behaviour.
pub const MIN_GAPS: usize = 10;

/// The mean of hours as points on a circle of 24.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CircularMean {
    /// |mean e^{iθ}|, in [0, 1]: 1 for trades in one hour only, 0 for trades around the clock.
    pub concentration: f64,
    /// Mean hour in [0, 24); `None` where the concentration is 0.
    pub hour: Option<f64>,
}

/// Below this the direction of the mean is rounding.
const NO_DIRECTION: f64 = 1e-12;

fn circular(cos: f64, sin: f64, n: f64) -> Option<CircularMean> {
    let concentration = ratio(libm::hypot(cos, sin), n)?.min(1.0);
    let angle = libm::atan2(sin, cos);
    let hour = angle * HOURS as f64 / std::f64::consts::TAU;
    // An angle just below 0 would round up to 24 itself.
    let hour = if hour < 0.0 { hour + HOURS as f64 } else { hour };
    let hour = if hour >= HOURS as f64 { 0.0 } else { hour };
    let concentration = if concentration > NO_DIRECTION { concentration } else { 0.0 };
    Some(CircularMean { concentration, hour: (concentration > 0.0).then_some(hour) })
}

fn angle(hour: f64) -> f64 {
    hour * std::f64::consts::TAU / HOURS as f64
}

/// Of hours in [0, 24); `None` of none.
pub fn circular_mean(hours: &[f64]) -> Option<CircularMean> {
    let sum = |f: fn(f64) -> f64| hours.iter().map(|&h| f(angle(h))).sum::<f64>();
    circular(sum(libm::cos), sum(libm::sin), hours.len() as f64)
}

/// Of counts by hour: a trade counts at the beginning of its hour. `None` where all counts are 0.
pub fn circular_mean_of_counts(counts: &[u64; HOURS]) -> Option<CircularMean> {
    let half = HOURS / 2;
    let (mut cos, mut sin, mut n) = (0.0, 0.0, 0.0);
    for hour in 0..half {
        // Opposite hours cancel as integers, so that even counts give exactly 0.
        let excess = counts[hour] as f64 - counts[hour + half] as f64;
        cos += excess * libm::cos(angle(hour as f64));
        sin += excess * libm::sin(angle(hour as f64));
        n += counts[hour] as f64 + counts[hour + half] as f64;
    }
    circular(cos, sin, n)
}

/// sd / mean of gaps >= 0, with the sd of a population. `None` where they sum to 0.
pub fn coefficient_of_variation(gaps: &[f64]) -> Option<f64> {
    if gaps.iter().any(|&g| g < 0.0) {
        return None;
    }
    let m = Moments::of(gaps);
    ratio(libm::sqrt(m.population_variance()?), m.mean)
}

/// Burstiness (r - 1) / (r + 1) of a coefficient of variation r, in [-1, 1): -1 regular, 0 random, towards 1 bursty
/// (Goh & Barabási 2008).
pub fn burstiness(r: f64) -> Option<f64> {
    if r.is_nan() || r < 0.0 {
        return None;
    }
    ratio(r - 1.0, r + 1.0)
}

/// Burstiness without the bound that n gaps put on r (Kim & Jo 2016): 1 for the most bursty sequence of n gaps, 0 for
/// a random one, -1 for a regular one. `None` below two gaps.
pub fn finite_burstiness(r: f64, n: usize) -> Option<f64> {
    if n < 2 || r.is_nan() || r < 0.0 {
        return None;
    }
    let (up, down) = (libm::sqrt(n as f64 + 1.0), libm::sqrt(n as f64 - 1.0));
    ratio(up * r - down, (up - 2.0) * r + down)
}

/// Memory: correlation of each gap with the next one, in [-1, 1] (Goh & Barabási 2008). `None` below three gaps and
/// where they do not vary.
pub fn memory(gaps: &[f64]) -> Option<f64> {
    if gaps.len() < 3 || !all_finite(gaps) {
        return None;
    }
    CoMoments::of(&gaps[..gaps.len() - 1], &gaps[1..]).correlation()
}
