//! Risk taking as trades show it: leverage, liquidations, stops, P&L, behaviour after gains and losses.

use super::features;
use super::flow::position;
use super::view::{Trades, Value};
use super::Compute::{Population, Trades as T};
use crate::profile::money::ratio;
use crate::profile::ordered::Ordered;
use crate::profile::section::Tag;
use crate::profile::sums::{Count, Money};
use crate::statistics::returns::{on_base, on_each, sharpe, sortino, MIN_RETURNS};
use crate::statistics::sample;
use crate::statistics::tail::{expected_shortfall, tail_sample, value_at_risk};

#[rustfmt::skip]
features! { "risk";
    "declared_leverage", "declared leverage", "times", 'G', ["quantity", "price", "leverage"], "", Log1p, false, "", "N-weighted mean of leverage", "leverage that the account chose", "", T(|t| t.mean(Money::Leverage, Money::LeverageVolume, "missing:leverage"));
    "declared_leverage_p95", "high declared leverage", "times", 'G', ["leverage"], "", Log1p, false, "", "95th percentile of leverage over fills, from a sketch", "leverage that one trade in twenty exceeds", "Masson, Rim, Lee 2019", T(|t| { t.parts(Tag::Leverage)?.leverage_quantile(0.95).ok_or("missing:leverage") });
    "isolated_share", "share on isolated margin", "share", 'G', ["quantity", "price", "margin_mode"], "", Hellinger, false, "", "volume on isolated margin / volume of the fills that tell their margin mode", "limits what one position can lose", "", T(|t| t.mean(Money::Isolated, Money::MarginKnown, "missing:margin_mode"));
    "liquidations", "liquidations", "fills", 'G', ["is_liquidation"], "", Log1p, false, "", "fills that are liquidations", "how often the venue closed its positions", "", T(liquidations);
    "liquidation_share", "liquidated share", "share", 'G', ["quantity", "price", "is_liquidation"], "", Hellinger, false, "", "volume of liquidations / volume of the fills that say whether they are one", "weight of forced trading", "", T(|t| t.share(Money::Liquidated, Money::LiquidationKnown, Count::LiquidationKnown, "missing:is_liquidation"));
    "liquidations_per_day", "liquidations a day", "a day", 'M', ["is_liquidation"], "", Log1p, false, "", "liquidations / active days", "how often the account is liquidated", "", T(|t| Ok(liquidations(t)? / t.parts(Tag::Days)?.active_days()));
    "stop_share", "share of stop orders", "share", 'G', ["order_type"], "", Hellinger, false, "", "fills of stop orders / fills with an order_type", "limits its losses", "", T(|t| { if t.sums.count(Count::OrderTyped) == 0 { return Err("missing:order_type"); } Ok(t.count(Count::Stops) / t.count(Count::OrderTyped)) });
    "pnl_usd", "realised P&L", "USD", 'G', ["realised_pnl_usd"], "", SignedLog1p, false, "", "Σ realised_pnl_usd", "what the account made", "", T(|t| { pnl(t)?; Ok(t.usd(Money::Pnl)) });
    "win_ratio", "share of winning closes", "share", 'G', ["realised_pnl_usd"], "", Identity, false, "", "fills with a gain / fills with a gain or a loss", "how often it wins", "", T(|t| { pnl(t)?; let n = t.count(Count::Wins) + t.count(Count::Losses); if n == 0.0 { return Err("no_closes"); } Ok(t.count(Count::Wins) / n) });
    "profit_factor", "profit factor", "ratio", 'G', ["realised_pnl_usd"], "", Log1p, false, "", "Σ gains / Σ losses", "above 1 gains outweigh losses", "", T(|t| { pnl(t)?; ratio(t.sums.money(Money::Gains), t.sums.money(Money::Losses)).ok_or("no_losses") });
    "pnl_drawdown_usd", "drawdown of P&L", "USD", 'O', ["realised_pnl_usd"], "", Asinh, false, "", "largest fall of realised P&L cumulated over time; the trades of one instant count as one", "worst stretch", "", T(|t| { pnl(t)?; t.ordered()?.pnl_drawdown_usd() });
    "loss_chasing", "loss chasing", "ln ratio", 'O', ["quantity", "price", "realised_pnl_usd"], "", Identity, false, "1 losing and 1 winning close", "mean ln(N of the next fill / N of the close) after losing closes - the same after winning ones", "above 0 it bets more after losses", "", T(|t| { t.priced()?; pnl(t)?; t.ordered()?.loss_chasing() });
    "disposition", "disposition effect", "-1 to 1", 'O', ["quantity", "price", "side", "instrument"], "", Identity, false, "1 gain and 1 loss", "gains realised / all gains - losses realised / all losses, counted at each close; open positions at the account's last price", "above 0 it takes gains and keeps losses", "Odean 1998", T(|t| position(t, Ordered::disposition));
    "adding_to_losers", "adding to losers", "share", 'O', ["quantity", "price", "side", "instrument"], "", Hellinger, false, "", "N of fills that add to a losing position / N of fills that add to a position", "averages down", "", T(|t| position(t, Ordered::adding_to_losers));
    "short_options_opened", "short options opened", "share", 'O', ["quantity", "price", "side", "instrument", "kind"], "options", Hellinger, false, "", "N of option sales that open or increase a short position / N of option sales", "1 writes options, 0 sells those it has", "", T(|t| { super::derivatives::options(t)?; position(t, Ordered::short_options_opened) });
    "sharpe_on_margin", "Sharpe ratio on margin", "a year", 'M', ["realised_pnl_usd", "snapshot.initial_margin_usd"], "", Identity, false, "30 days with P&L", "mean / sd × √365 of daily P&L / largest initial margin; last 49 to 64 days", "reward for risk where no equity is known", "Sharpe 1994", T(|t| of_sample(&on_margin(t)?, MIN_RETURNS, sharpe));
    "sortino_on_margin", "Sortino ratio on margin", "a year", 'M', ["realised_pnl_usd", "snapshot.initial_margin_usd"], "", Identity, false, "30 days with P&L", "mean / downside deviation × √365 of the same", "reward for the risk of loss", "Sortino and van der Meer 1991", T(|t| without_losses(&on_margin(t)?));
    "var_95_on_margin", "value at risk on margin", "share of margin", 'M', ["realised_pnl_usd", "snapshot.initial_margin_usd"], "", Asinh, false, "20 days with P&L", "-5 % quantile (type 7) of the same", "loss that one day in twenty exceeds", "", T(|t| tail(&on_margin(t)?, value_at_risk));
    "expected_shortfall_95_on_margin", "expected shortfall on margin", "share of margin", 'M', ["realised_pnl_usd", "snapshot.initial_margin_usd"], "", Asinh, false, "20 days with P&L", "mean of the worst 5 % of the same", "mean loss on the worst day in twenty", "Acerbi and Tasche 2002", T(|t| tail(&on_margin(t)?, expected_shortfall));
    "sharpe_on_volume", "Sharpe ratio on volume", "a year", 'G', ["quantity", "price", "realised_pnl_usd"], "", Identity, false, "30 days with P&L", "mean / sd × √365 of daily P&L / volume of the day; last 49 to 64 days", "reward for risk where neither equity nor margin is known", "Sharpe 1994", T(|t| of_sample(&on_volume(t)?, MIN_RETURNS, sharpe));
    "sortino_on_volume", "Sortino ratio on volume", "a year", 'G', ["quantity", "price", "realised_pnl_usd"], "", Identity, false, "30 days with P&L", "mean / downside deviation × √365 of the same", "reward for the risk of loss", "Sortino and van der Meer 1991", T(|t| without_losses(&on_volume(t)?));
    "var_95_on_volume", "value at risk on volume", "share of volume", 'G', ["quantity", "price", "realised_pnl_usd"], "", Asinh, false, "20 days with P&L", "-5 % quantile (type 7) of the same", "loss that one day in twenty exceeds", "", T(|t| tail(&on_volume(t)?, value_at_risk));
    "expected_shortfall_95_on_volume", "expected shortfall on volume", "share of volume", 'G', ["quantity", "price", "realised_pnl_usd"], "", Asinh, false, "20 days with P&L", "mean of the worst 5 % of the same", "mean loss on the worst day in twenty", "Acerbi and Tasche 2002", T(|t| tail(&on_volume(t)?, expected_shortfall));
    "risk_appetite_index", "risk appetite", "deviations", 'J', ["population"], "", Identity, false, "4 of 9 terms", "mean of the robust z-scores over all accounts, clipped to ±3, of effective_leverage_p95 (else declared_leverage_p95), liquidation_share, idiosyncratic_share, hhi, premium_sold_share, dte_1d_share, |max_drawdown|, -hedge_ratio, -stop_share", "above 0 takes more risk than the typical account; only in segmentation_features", "", Population;
}

fn liquidations(t: &Trades) -> Value {
    if t.sums.count(Count::LiquidationKnown) == 0 {
        return Err("missing:is_liquidation");
    }
    Ok(t.count(Count::Liquidations))
}

fn pnl(t: &Trades) -> Result<(), &'static str> {
    if t.sums.count(Count::WithPnl) == 0 {
        return Err("missing:realised_pnl_usd");
    }
    Ok(())
}

/// Daily P&L over the margin posted; margin is what equity would stand in for, and never mixed with it.
fn on_margin(t: &Trades) -> Result<Vec<f64>, &'static str> {
    pnl(t)?;
    let margin = t.posted_margin?;
    let end = t.end_day();
    let days = t.parts(Tag::Daily)?.daily().into_iter().filter(|day| day.0 < end);
    let daily: Vec<f64> = days.filter_map(|(_, _, pnl)| pnl).collect();
    on_base(&daily, margin).ok_or("no_margin")
}

fn on_volume(t: &Trades) -> Result<Vec<f64>, &'static str> {
    t.priced()?;
    pnl(t)?;
    let end = t.end_day();
    let daily = t.parts(Tag::Daily)?.daily().into_iter().filter(|day| day.0 < end);
    let days = daily.filter_map(|(_, volume, pnl)| Some((pnl?, volume))).filter(|d| d.1 > 0.0);
    let (pnl, volume): (Vec<f64>, Vec<f64>) = days.unzip();
    Ok(on_each(&pnl, &volume))
}

/// A statistic of at least `n` returns.
pub(super) fn of_sample(returns: &[f64], n: usize, statistic: impl Fn(&[f64]) -> Option<f64>) -> Value {
    statistic(sample(returns, n).ok_or("too_few_days")?).ok_or("no_spread")
}

/// Sortino ratio; where no return is a loss there is nothing to divide by.
pub(super) fn without_losses(returns: &[f64]) -> Value {
    of_sample(returns, MIN_RETURNS, |r| sortino(r, 0.0)).map_err(|r| if r == "no_spread" { "no_losses" } else { r })
}

/// A loss in the worst 5 % of at least 20 returns.
fn tail(returns: &[f64], loss: impl Fn(&[f64], f64) -> Option<f64>) -> Value {
    loss(tail_sample(returns, 0.05).ok_or("too_few_days")?, 0.05).ok_or("undefined")
}
