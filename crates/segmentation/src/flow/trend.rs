//! Returns of an underlying before a trade, in units of what it usually does: what trend scores are made of.

use crate::statistics::moments::Moments;
use crate::statistics::returns::MIN_RETURNS;
use crate::statistics::{sample, YEAR};
use std::collections::BTreeMap;

/// Days before a trade's day whose returns are looked at.
pub const DAYS: i32 = 30;
/// Fewer daily returns than this say too little.
const LEAST: usize = 10;

/// Standard deviation (n - 1) of the daily log returns of the [`DAYS`] days before `day`, from the closing prices by day.
/// A day has a return where it and the day before have a price. `None` for fewer than 10 returns, and where all are equal.
/// Closes are positive and finite.
pub fn deviation(closes: &BTreeMap<i32, f64>, day: i32) -> Option<f64> {
    let returns: Vec<f64> = (day.saturating_sub(DAYS)..day)
        .filter_map(|d| Some(libm::log(closes.get(&d)? / closes.get(&(d - 1))?)))
        .filter(|r| r.is_finite())
        .collect();
    standard_deviation(&returns, LEAST)
}

/// Standard deviation (n - 1); `None` below `least` values and where it is 0.
fn standard_deviation(values: &[f64], least: usize) -> Option<f64> {
    Moments::of(sample(values, least)?).deviation().filter(|&d| d > 0.0)
}

/// [`deviation`] for every day for which there is one.
pub fn deviations(closes: &BTreeMap<i32, f64>) -> Vec<(i32, f64)> {
    let (Some((&first, _)), Some((&last, _))) = (closes.first_key_value(), closes.last_key_value()) else {
        return Vec::new();
    };
    (first..=last.saturating_add(DAYS)).filter_map(|day| Some((day, deviation(closes, day)?))).collect()
}

/// Volatility a year, sqrt(365) times the deviation of the daily log returns of the closes; `None` below 30 returns.
pub fn volatility(closes: &BTreeMap<i32, f64>) -> Option<f64> {
    let returns: Vec<f64> = closes
        .iter()
        .filter_map(|(d, close)| Some(libm::log(close / closes.get(&(d - 1))?)))
        .filter(|r| r.is_finite())
        .collect();
    standard_deviation(&returns, MIN_RETURNS).map(|sd| sd * libm::sqrt(YEAR))
}

/// The simple return from `before` to `price` in units of the deviation of returns over `days` days, `deviation` being
/// that over one day. `None` where it is not finite.
pub fn standardised_return(price: f64, before: f64, deviation: f64, days: f64) -> Option<f64> {
    let z = (price / before - 1.0) / (deviation * libm::sqrt(days));
    z.is_finite().then_some(z + 0.0)
}

/// The simple return of each day that has a close, and had one the day before.
pub fn daily_returns(closes: &BTreeMap<i32, f64>) -> BTreeMap<i32, f64> {
    closes
        .iter()
        .filter_map(|(&d, close)| Some((d, close / closes.get(&(d - 1))? - 1.0)))
        .filter(|(_, r)| r.is_finite())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deviation_of_known_returns() {
        // Log returns of +1 and -1 in turn: over 30 days the mean is 0 and the deviation sqrt(30 / 29).
        let closes: BTreeMap<i32, f64> = (0..40).map(|d| (d, if d % 2 == 0 { 1.0 } else { libm::exp(1.0) })).collect();
        let expected = libm::sqrt(30.0 / 29.0);
        assert!((deviation(&closes, 35).unwrap() - expected).abs() < 1e-14);
        // The day itself and later ones have no influence.
        let past: BTreeMap<i32, f64> = closes.range(..35).map(|(&d, &c)| (d, c)).collect();
        assert_eq!(deviation(&past, 35), deviation(&closes, 35));
        assert_eq!(deviations(&past).iter().find(|(d, _)| *d == 35).unwrap().1, deviation(&closes, 35).unwrap());
    }

    #[test]
    fn too_few_or_equal_returns_are_none() {
        let closes: BTreeMap<i32, f64> = (0..10).map(|d| (d, f64::from(d * d + 1))).collect();
        assert_eq!(deviation(&closes, 10), None);
        let closes: BTreeMap<i32, f64> = (0..11).map(|d| (d, f64::from(d * d + 1))).collect();
        assert!(deviation(&closes, 11).is_some());
        // A gap of a day takes two returns away.
        let gap: BTreeMap<i32, f64> = (0..12).filter(|&d| d != 6).map(|d| (d, f64::from(d * d + 1))).collect();
        assert_eq!(deviation(&gap, 12), None);
        let flat: BTreeMap<i32, f64> = (0..20).map(|d| (d, 5.0)).collect();
        assert_eq!(deviation(&flat, 20), None);
        assert!(deviations(&BTreeMap::new()).is_empty());
    }

    #[test]
    fn standardised() {
        assert_eq!(standardised_return(110.0, 100.0, 0.05, 4.0), Some((110.0 / 100.0 - 1.0) / 0.1));
        assert_eq!(standardised_return(110.0, 0.0, 0.05, 1.0), None);
        assert_eq!(standardised_return(f64::NAN, 1.0, 0.05, 1.0), None);
        assert_eq!(standardised_return(1.0, 1.0, 0.0, 1.0), None);
    }

    #[test]
    fn returns_by_day() {
        let closes = BTreeMap::from([(1, 100.0), (2, 110.0), (4, 121.0), (5, 60.5)]);
        assert_eq!(daily_returns(&closes), BTreeMap::from([(2, 110.0 / 100.0 - 1.0), (5, -0.5)]));
        assert_eq!(volatility(&closes), None);
    }
}
