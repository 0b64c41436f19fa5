//! What a series of daily returns says: volatility, Sharpe, Sortino, drawdown; and what an exposure implies.

use super::moments::Moments;
use super::{all_finite, finite, ratio, YEAR};

/// Daily returns below which mean, volatility, Sharpe, Sortino and the beta family are not features of behaviour.
pub const MIN_RETURNS: usize = 30;

/// Mean return a year: mean of the days · 365. `None` of no returns.
pub fn annual_mean(returns: &[f64]) -> Option<f64> {
    (!returns.is_empty()).then(|| Moments::of(returns).mean * YEAR).and_then(finite)
}

/// Volatility a year: sd (n - 1) · √365. 0 where all returns are equal; `None` below two.
pub fn volatility(returns: &[f64]) -> Option<f64> {
    finite(libm::sqrt(Moments::of(returns).variance()? * YEAR))
}

/// Downside deviation √mean(min(r - mar, 0)²) a day: over all returns, not only the falls. `None` of no returns.
pub fn downside_deviation(returns: &[f64], mar: f64) -> Option<f64> {
    if !all_finite(returns) {
        return None;
    }
    let falls: f64 = returns.iter().map(|r| (r - mar).min(0.0)).map(|d| d * d).sum();
    ratio(falls, returns.len() as f64).map(libm::sqrt)
}

/// Sharpe ratio a year: mean / sd (n - 1) · √365. `None` where all returns are equal.
pub fn sharpe(returns: &[f64]) -> Option<f64> {
    let m = Moments::of(returns);
    ratio(m.mean, m.deviation()?).and_then(|r| finite(r * libm::sqrt(YEAR)))
}

/// Sortino ratio a year: (mean - mar) / downside deviation · √365. `None` where no return is below `mar`.
pub fn sortino(returns: &[f64], mar: f64) -> Option<f64> {
    let downside = downside_deviation(returns, mar)?;
    ratio(Moments::of(returns).mean - mar, downside).and_then(|r| finite(r * libm::sqrt(YEAR)))
}

/// Largest fall of the cumulated product of 1 + r from its highest point (the start included), as a number in [-1, 0].
/// A loss of all or more ends the series at -1. `None` of no returns.
pub fn max_drawdown(returns: &[f64]) -> Option<f64> {
    if returns.is_empty() || !all_finite(returns) {
        return None;
    }
    // Wealth over its highest point so far: unlike the product itself it cannot overflow.
    let (mut level, mut worst) = (1.0f64, 1.0f64);
    for r in returns {
        level = (level * (1.0 + r).max(0.0)).min(1.0);
        worst = worst.min(level);
    }
    Some(worst - 1.0)
}

/// Returns of P&L on one base, such as the largest margin of the time. `None` where the base is not above 0.
pub fn on_base(pnl: &[f64], base: f64) -> Option<Vec<f64>> {
    (base > 0.0 && base.is_finite()).then(|| pnl.iter().filter_map(|p| ratio(*p, base)).collect())
}

/// Returns of each day's P&L on that day's base, such as its volume. Days whose base is not above 0 have none.
pub fn on_each(pnl: &[f64], bases: &[f64]) -> Vec<f64> {
    pnl.iter().zip(bases).filter(|(_, b)| **b > 0.0).filter_map(|(p, b)| ratio(*p, *b)).collect()
}

/// Kelly fraction mu / sigma² for an expected return `mu` a year (in excess of the risk-free one where there is one).
/// `None` where sigma is not above 0.
pub fn kelly_fraction(mu: f64, sigma: f64) -> Option<f64> {
    if sigma.is_nan() || sigma <= 0.0 {
        return None;
    }
    ratio(mu, sigma * sigma)
}

/// Relative risk aversion (mu - r) / (sigma² pi) that makes an exposure of `pi` times equity optimal (Merton 1969).
/// `None` unless pi > 0, mu > r and sigma > 0. As mu is one number for a venue, read it as a rank.
pub fn implied_risk_aversion(mu: f64, risk_free: f64, sigma: f64, pi: f64) -> Option<f64> {
    if !(pi > 0.0 && mu > risk_free) {
        return None;
    }
    ratio(kelly_fraction(mu - risk_free, sigma)?, pi)
}
