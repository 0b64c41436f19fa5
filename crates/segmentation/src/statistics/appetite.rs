//! Risk appetite index: how far an account's risks are above the middle of its population, as one number.
//!
//! It describes and orders segments. It is not fed to a clustering together with its own terms.

use super::moments::Moments;
use super::tail::quantile;

/// The features it is made of, and the sign that makes more of it more appetite. `max_drawdown` is a number <= 0.
/// Where an account has no effective leverage, the caller puts the declared one in its place.
pub const TERMS: [(&str, f64); 9] = [
    ("effective_leverage_p95", 1.0),
    ("liquidation_share", 1.0),
    ("idiosyncratic_share", 1.0),
    ("hhi", 1.0),
    ("premium_sold_share", 1.0),
    ("dte_1d_share", 1.0),
    ("max_drawdown", -1.0),
    ("hedge_ratio", -1.0),
    ("stop_share", -1.0),
];

/// Terms below which there is no index.
pub const MIN_TERMS: usize = 4;

/// Robust z-scores are cut at this.
pub const LIMIT: f64 = 3.0;

/// An account's index, and the terms that went into it, each with the weight 1 / (number of terms it has).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Appetite {
    /// Mean of the terms, in [-3, 3]; `None` below [`MIN_TERMS`] of them.
    pub index: Option<f64>,
    /// Robust z-scores, each with the sign of [`TERMS`].
    pub terms: [Option<f64>; TERMS.len()],
}

impl Appetite {
    /// Weight of each term in the index; `None` where there is no index.
    pub fn weight(&self) -> Option<f64> {
        self.index.map(|_| 1.0 / self.terms.iter().flatten().count() as f64)
    }
}

/// (x - median) / spread of a population, cut at ±[`LIMIT`]. The spread is the interquartile range; where it is 0, as of
/// a share that most accounts have at 0, the standard deviation (n). Quantiles are of type 7. (The median absolute
/// deviation is no step in between: wherever the quartiles are equal it is 0, too.) Values that are missing or no number have no score; nobody has one where all are equal.
pub fn robust_scores(values: &[Option<f64>]) -> Vec<Option<f64>> {
    let known: Vec<f64> = values.iter().flatten().copied().filter(|v| v.is_finite()).collect();
    let Some((median, spread)) = middle(&known) else { return vec![None; values.len()] };
    let score = |v: f64| v.is_finite().then(|| ((v - median) / spread).clamp(-LIMIT, LIMIT));
    values.iter().map(|v| v.and_then(score)).collect()
}

/// Median and spread; `None` without a spread.
fn middle(known: &[f64]) -> Option<(f64, f64)> {
    let median = quantile(known, 0.5)?;
    let wide = |spread: f64| Some(spread).filter(|s| *s > 0.0 && s.is_finite());
    if let Some(iqr) = wide(quantile(known, 0.75)? - quantile(known, 0.25)?) {
        return Some((median, iqr));
    }
    // That of equal values may be a rounding away from 0.
    if known.iter().all(|v| *v == known[0]) {
        return None;
    }
    Some((median, Moments::of(known).population_variance().map(libm::sqrt).and_then(wide)?))
}

/// The index of every account of a population. `columns[t]` holds the values of [`TERMS`]`[t]`, an account a place;
/// all columns have the same length, and what a shorter one lacks is missing.
pub fn risk_appetite_index(columns: &[&[Option<f64>]; TERMS.len()]) -> Vec<Appetite> {
    let accounts = columns.iter().map(|c| c.len()).max().unwrap_or(0);
    let mut all = vec![Appetite::default(); accounts];
    for (t, column) in columns.iter().enumerate() {
        for (account, score) in all.iter_mut().zip(robust_scores(column)) {
            // Adding 0 turns a score of -0 into 0.
            account.terms[t] = score.map(|z| z * TERMS[t].1 + 0.0);
        }
    }
    for account in &mut all {
        let known = account.terms.iter().flatten().count();
        if known >= MIN_TERMS {
            account.index = Some(account.terms.iter().flatten().sum::<f64>() / known as f64);
        }
    }
    all
}
