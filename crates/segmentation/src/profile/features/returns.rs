//! Risk taking as snapshots of equity, margin and positions show it.

use super::features;
use super::risk::{of_sample, without_losses};
use super::view::{Snapshots, Value};
use super::Compute::Snapshots as S;
use crate::statistics::regression::{line, plane, Line, Plane};
use crate::statistics::returns::{
    annual_mean, downside_deviation, implied_risk_aversion, max_drawdown, sharpe, volatility, MIN_RETURNS,
};
use crate::statistics::tail::{cornish_fisher_var, expected_shortfall, tail_sample, value_at_risk};

#[rustfmt::skip]
features! { "risk";
    "effective_leverage_p50", "typical leverage", "times equity", 'G', ["snapshot.equity_usd", "snapshot.delta_usd"], "", Log1p, false, "1 snapshot with equity above 0", "median over snapshots of Σ_underlyings |net delta| / equity, from a sketch", "leverage as it is, hedges netted", "", S(|s| to_equity(s, s.equity.effective_leverage_p50, "missing:delta_usd"));
    "effective_leverage_p95", "high leverage", "times equity", 'G', ["snapshot.equity_usd", "snapshot.delta_usd"], "", Log1p, false, "1 snapshot with equity above 0", "95th percentile of the same", "leverage that one snapshot in twenty exceeds", "", S(|s| to_equity(s, s.equity.effective_leverage_p95, "missing:delta_usd"));
    "effective_leverage_max", "highest leverage", "times equity", 'M', ["snapshot.equity_usd", "snapshot.delta_usd"], "", Log1p, false, "1 snapshot with equity above 0", "largest of the same", "worst moment", "", S(|s| to_equity(s, s.equity.effective_leverage_max, "missing:delta_usd"));
    "gross_leverage", "gross leverage", "times equity", 'G', ["snapshot.equity_usd", "snapshot.gross_notional_usd"], "", Log1p, false, "1 snapshot with equity above 0", "mean over snapshots of Σ |N| of the positions / equity", "leverage before hedges", "", S(|s| to_equity(s, s.equity.gross_leverage, "missing:gross_notional_usd"));
    "gross_leverage_p50", "typical gross leverage", "times equity", 'G', ["snapshot.equity_usd", "snapshot.gross_notional_usd"], "", Log1p, false, "1 snapshot with equity above 0", "median over snapshots of Σ |N| of the positions / equity, from a sketch", "typical leverage before hedges", "", S(|s| to_equity(s, s.equity.gross_leverage_p50, "missing:gross_notional_usd"));
    "gross_leverage_p95", "high gross leverage", "times equity", 'G', ["snapshot.equity_usd", "snapshot.gross_notional_usd"], "", Log1p, false, "1 snapshot with equity above 0", "95th percentile of the same", "leverage before hedges that one snapshot in twenty exceeds", "", S(|s| to_equity(s, s.equity.gross_leverage_p95, "missing:gross_notional_usd"));
    "gross_leverage_max", "highest gross leverage", "times equity", 'M', ["snapshot.equity_usd", "snapshot.gross_notional_usd"], "", Log1p, false, "1 snapshot with equity above 0", "largest of the same", "worst moment before hedges", "", S(|s| to_equity(s, s.equity.gross_leverage_max, "missing:gross_notional_usd"));
    "margin_use", "margin use", "share of equity", 'G', ["snapshot.equity_usd", "snapshot.maintenance_margin_usd"], "", Log1p, false, "1 snapshot with equity above 0", "mean over snapshots of maintenance margin / equity", "1 is liquidation", "", S(|s| to_equity(s, s.equity.margin_use, "missing:maintenance_margin_usd"));
    "margin_stress", "time under margin stress", "share of snapshots", 'G', ["snapshot.equity_usd", "snapshot.maintenance_margin_usd"], "", Hellinger, false, "1 snapshot with equity above 0", "share of snapshots with maintenance margin / equity above 0.8", "how often the account is near liquidation", "", S(|s| to_equity(s, s.equity.margin_stress, "missing:maintenance_margin_usd"));
    "liquidation_distance", "distance to liquidation", "share of price", 'M', ["snapshot.liquidation_distance"], "", Log1p, false, "", "smallest |price - liquidation price| / price over snapshots", "how near it came", "", S(|s| s.equity.liquidation_distance.ok_or("missing:liquidation_distance"));
    "negative_equity", "snapshots without equity", "snapshots", 'G', ["snapshot.equity_usd"], "", Log1p, false, "", "snapshots with equity at or below 0", "losses that the venue stands for", "", S(|s| s.equity.negative_equity.ok_or("missing:equity_usd"));
    "funding_usd", "funding paid", "USD", 'G', ["snapshot.funding_usd"], "", SignedLog1p, false, "", "Σ funding_usd of the snapshots; negative is received", "cost of holding perpetuals", "", S(|s| s.equity.funding_usd.ok_or("missing:funding_usd"));
    "hedge_ratio", "hedging ratio", "0 to 1", 'G', ["snapshot.delta_usd", "snapshot.gross_delta_usd"], "", Identity, false, "", "1 - Σ |net delta| / Σ gross delta over snapshots, by underlying", "1 is fully hedged", "", S(hedge_ratio);
    "return_mean", "mean return", "a year", 'M', ["snapshot.equity_usd"], "", Asinh, false, "30 daily returns", "365 × mean of the daily returns (modified Dietz, last 112 days)", "return on equity", "", S(|s| sampled(s, annual_mean));
    "volatility", "volatility of equity", "a year", 'M', ["snapshot.equity_usd"], "", Log1p, false, "30 daily returns", "standard deviation (n - 1) × √365 of the same", "how much the equity moves", "", S(|s| sampled(s, volatility));
    "sharpe", "Sharpe ratio", "a year", 'M', ["snapshot.equity_usd"], "", Identity, false, "30 daily returns", "mean / standard deviation × √365", "reward for risk; as behaviour, not as a forecast", "Sharpe 1994", S(|s| sampled(s, sharpe));
    "downside_deviation", "downside deviation", "a day", 'M', ["snapshot.equity_usd"], "", Log1p, false, "30 daily returns", "√ mean(min(r, 0)²)", "size of losses", "Sortino and van der Meer 1991", S(|s| sampled(s, |r| downside_deviation(r, 0.0)));
    "sortino", "Sortino ratio", "a year", 'M', ["snapshot.equity_usd"], "", Identity, false, "30 daily returns", "mean / downside deviation × √365", "reward for the risk of loss", "Sortino and van der Meer 1991", S(|s| without_losses(&returns(s)?));
    "max_drawdown", "maximum drawdown", "-1 to 0", 'M', ["snapshot.equity_usd"], "", Identity, false, "1 daily return", "largest fall of the cumulated product of 1 + r from its highest point", "worst loss from a peak", "", S(|s| of_sample(&returns(s)?, 1, max_drawdown));
    "var_95", "value at risk 95 %", "share of equity", 'M', ["snapshot.equity_usd"], "", Asinh, false, "20 daily returns", "-5 % quantile (type 7)", "loss that one day in twenty exceeds", "Hyndman and Fan 1996", S(|s| tail(s, 0.05, value_at_risk));
    "expected_shortfall_95", "expected shortfall 95 %", "share of equity", 'M', ["snapshot.equity_usd"], "", Asinh, false, "20 daily returns", "mean of the worst 5 % of the returns, the last one by its fraction", "mean loss on the worst day in twenty", "Acerbi and Tasche 2002", S(|s| tail(s, 0.05, expected_shortfall));
    "cornish_fisher_var_95", "modified value at risk 95 %", "share of equity", 'M', ["snapshot.equity_usd"], "", Asinh, false, "30 daily returns", "-(mean + z' sd), z' from skewness and kurtosis; NULL where the expansion is not monotone", "value at risk where returns are skewed", "Cornish and Fisher 1938", S(|s| cornish_fisher(s, 0.05));
    "var_99", "value at risk 99 %", "share of equity", 'M', ["snapshot.equity_usd"], "", Asinh, false, "100 daily returns", "-1 % quantile (type 7)", "loss that one day in a hundred exceeds", "Hyndman and Fan 1996", S(|s| tail(s, 0.01, value_at_risk));
    "expected_shortfall_99", "expected shortfall 99 %", "share of equity", 'M', ["snapshot.equity_usd"], "", Asinh, false, "100 daily returns", "mean of the worst 1 % of the returns, the last one by its fraction", "mean loss on the worst day in a hundred", "Acerbi and Tasche 2002", S(|s| tail(s, 0.01, expected_shortfall));
    "cornish_fisher_var_99", "modified value at risk 99 %", "share of equity", 'M', ["snapshot.equity_usd"], "", Asinh, false, "30 daily returns", "the same at 1 %", "value at risk where returns are skewed", "Cornish and Fisher 1938", S(|s| cornish_fisher(s, 0.01));
    "beta", "beta", "times market", 'M', ["snapshot.equity_usd", "snapshot.market_return"], "", Identity, false, "30 days with both returns", "slope of the account's return on the market's (ordinary least squares)", "market exposure of the equity", "", S(|s| one_factor(s).map(|l| l.slope));
    "r_squared", "share of systematic risk", "0 to 1", 'M', ["snapshot.equity_usd", "snapshot.market_return"], "", Identity, false, "30 days with both returns", "R² of the same", "how much of the risk is the market's", "", S(|s| one_factor(s)?.r_squared.ok_or("no_spread"));
    "idiosyncratic_volatility", "idiosyncratic volatility", "a year", 'M', ["snapshot.equity_usd", "snapshot.market_return"], "", Log1p, false, "30 days with both returns", "√(Σ residual² / (n - 2) × 365)", "risk that the market does not explain", "", S(|s| one_factor(s)?.residual_volatility().ok_or("no_spread"));
    "idiosyncratic_share", "share of idiosyncratic risk", "0 to 1", 'M', ["snapshot.equity_usd", "snapshot.market_return"], "", Identity, false, "30 days with both returns", "1 - R²", "how much of the risk is the account's own", "", S(|s| one_factor(s)?.idiosyncratic_share().ok_or("no_spread"));
    "beta_first_market", "beta to the first market", "times market", 'M', ["snapshot.equity_usd", "snapshot.market_return", "snapshot.second_market_return"], "", Identity, false, "30 days with all returns", "first slope on both markets (BTC and ETH)", "exposure to bitcoin beside ether", "", S(|s| two_factors(s).map(|p| p.slopes[0]));
    "beta_second_market", "beta to the second market", "times market", 'M', ["snapshot.equity_usd", "snapshot.market_return", "snapshot.second_market_return"], "", Identity, false, "30 days with all returns", "second slope on both markets", "exposure to ether beside bitcoin", "", S(|s| two_factors(s).map(|p| p.slopes[1]));
    "r_squared_two_markets", "share of risk of both markets", "0 to 1", 'M', ["snapshot.equity_usd", "snapshot.market_return", "snapshot.second_market_return"], "", Identity, false, "30 days with all returns", "R² on both markets", "how much of the risk is that of bitcoin and ether together", "", S(|s| two_factors(s)?.r_squared.ok_or("no_spread"));
    "idiosyncratic_volatility_two_markets", "idiosyncratic volatility beside both markets", "a year", 'M', ["snapshot.equity_usd", "snapshot.market_return", "snapshot.second_market_return"], "", Log1p, false, "30 days with all returns", "√(Σ residual² / (n - 3) × 365) on both markets", "risk that neither market explains", "", S(|s| two_factors(s)?.residual_volatility().ok_or("no_spread"));
    "implied_risk_aversion", "implied risk aversion", "ordinal", 'J', ["snapshot.equity_usd", "snapshot.net_delta_usd", "market.expected_return", "market.volatility"], "", Log1p, false, "", "(μ - r) / (σ² π), π = mean of net delta / equity; μ, σ, r are the desk's assumptions for the market", "the lower, the more risk the account bears for the same market; read as a rank", "Merton 1969", S(aversion);
}

fn returns(s: &Snapshots) -> Result<Vec<f64>, &'static str> {
    if s.equity.with_equity == 0 {
        return Err("missing:equity_usd");
    }
    if !s.equity.flows_are_known {
        return Err("flows_too_large");
    }
    Ok(s.equity.account_returns())
}

/// A figure that is told of the snapshots with equity above 0.
fn to_equity(s: &Snapshots, figure: Option<f64>, missing: &'static str) -> Value {
    figure.ok_or(match (s.equity.with_equity, s.equity.solvent) {
        (0, _) => "missing:equity_usd",
        (_, 0) => "no_equity",
        _ => missing,
    })
}

fn hedge_ratio(s: &Snapshots) -> Value {
    s.equity.hedge_ratio.ok_or(match (s.equity.with_deltas, s.equity.with_gross_delta) {
        (0, 0) => "missing:gross_delta_usd",
        (0, _) => "missing:delta_usd",
        _ => "no_exposure",
    })
}

fn cornish_fisher(s: &Snapshots, tail: f64) -> Value {
    let returns = returns(s)?;
    let found = of_sample(&returns, MIN_RETURNS, |r| cornish_fisher_var(r, tail));
    // Equal returns have no skewness, either.
    found.map_err(|r| if r == "no_spread" && volatility(&returns) > Some(0.0) { "not_monotone" } else { r })
}

fn sampled(s: &Snapshots, statistic: impl Fn(&[f64]) -> Option<f64>) -> Value {
    of_sample(&returns(s)?, MIN_RETURNS, statistic)
}

fn tail(s: &Snapshots, tail: f64, loss: impl Fn(&[f64], f64) -> Option<f64>) -> Value {
    loss(tail_sample(&returns(s)?, tail).ok_or("too_few_days")?, tail).ok_or("undefined")
}

/// Enough returns of the account for a regression, and the market's beside them.
fn beside<T>(s: &Snapshots, n: usize, missing: &'static str, fit: Option<T>) -> Result<T, &'static str> {
    if returns(s)?.len() < MIN_RETURNS {
        return Err("too_few_days");
    }
    match n {
        0 => Err(missing),
        1..MIN_RETURNS => Err("too_few_days"),
        _ => fit.ok_or("no_spread"),
    }
}

fn one_factor(s: &Snapshots) -> Result<Line, &'static str> {
    let (account, market) = s.equity.returns_with_market();
    beside(s, market.len(), "missing:market_return", line(&account, &market))
}

fn two_factors(s: &Snapshots) -> Result<Plane, &'static str> {
    let [account, first, second] = s.equity.returns_with_both();
    beside(s, second.len(), "missing:second_market_return", plane(&account, &first, &second))
}

fn aversion(s: &Snapshots) -> Value {
    let market = s.market.ok_or("missing:market")?;
    let (Some(mu), Some(sigma)) = (market.expected_return, market.volatility) else { return Err("missing:market") };
    let pi = to_equity(s, s.equity.net_exposure, "missing:net_delta_usd")?;
    implied_risk_aversion(mu, market.risk_free.unwrap_or(0.0), sigma, pi).ok_or("undefined")
}
