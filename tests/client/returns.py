"""The oracle's features of equity, margin and returns: of snapshots, and of the P&L of trades where there is no equity."""

import math
from collections import defaultdict

import empyrical
import numpy as np
from expected import About, ratio, sketched, total
from fills import DAY, cents
from formulas import cornish_fisher_var, downside, expected_shortfall, value_at_risk
from scipy import stats

EPOCH = 10_957  # days from 1970 to 2000


def on_basis(days, basis):
    """Returns on another basis than equity: their figures carry its name."""
    r, out = np.array(days), {}
    n = len(r)
    out["sharpe"] = About(empyrical.sharpe_ratio(r, annualization=365), scale=1) if n >= 30 and np.std(r) > 0 else None
    out["sortino"] = About(empyrical.sortino_ratio(r, annualization=365), scale=1) if n >= 30 and downside(r) > 0 else None
    out["var_95"] = About(value_at_risk(r, 0.05), scale=0.1) if n >= 20 else None
    out["expected_shortfall_95"] = About(expected_shortfall(r, 0.05), scale=0.1) if n >= 20 else None
    return {name + basis: v for name, v in out.items()}


def pnl_returns(fills, snapshots, as_of):
    """Daily P&L over posted margin, and over volume, in the 16-day block of the last day and the three before it (from 2000-01-01)."""
    whole = [f for f in fills if as_of is None or f["day"] < as_of // DAY]
    pnl, volume = defaultdict(list), defaultdict(list)
    for f in whole:
        if f.get("realised_pnl_usd") is not None:
            pnl[f["day"]].append(cents(f["realised_pnl_usd"]))
        volume[f["day"]].append(cents(f["n"] or 0.0))
    start = ((max(f["day"] for f in fills) - EPOCH) // 16 - 3) * 16 + EPOCH
    days = [d for d in sorted(pnl) if d >= start]
    margin = max((x["initial_margin_usd"] for x in snapshots if x.get("initial_margin_usd") is not None), default=0)
    on_margin = [sum(pnl[d]) / 100 / margin for d in days] if margin > 0 else []
    return on_margin, [sum(pnl[d]) / sum(volume[d]) for d in days if sum(volume[d]) > 0]


def of_pnl_returns(fills, snapshots, as_of):
    on_margin, on_volume = pnl_returns(fills, snapshots, as_of)
    return {**on_basis(on_margin, "_on_margin"), **on_basis(on_volume, "_on_volume")}


def daily_returns(snapshots, as_of):
    """Rows (return, market, second market) of the UTC days that follow a day with a snapshot; modified Dietz."""
    days = defaultdict(list)
    for x in sorted(snapshots, key=lambda x: x["taken_at"]):
        if as_of is None or (x["taken_at"] // DAY + 1) * DAY <= as_of:
            days[x["taken_at"] // DAY].append(x)
    newest = max(days, default=0)
    last = {d: next((x for x in reversed(v) if x.get("equity_usd") is not None), {}) for d, v in days.items() if d > newest - 112}
    equity = {d: x.get("equity_usd") for d, x in last.items()}
    out = []
    for d in sorted(equity):
        before = equity.get(d - 1)
        if before is None or equity[d] is None:
            continue
        flows = [(x.get("flow_usd") or 0.0, 1 - x["taken_at"] % DAY / DAY) for x in days[d]]
        base = before + math.fsum(f * w for f, w in flows)
        if base > 0:
            r = (equity[d] - before - math.fsum(f for f, w in flows)) / base
            out.append((r, last[d].get("market_return"), last[d].get("second_market_return")))
    return out


def of_equity(snapshots, as_of, market):
    rows = daily_returns(snapshots, as_of)
    r = np.array([row[0] for row in rows])
    n, out = len(r), {}
    spread, fall = (np.std(r, ddof=1), downside(r)) if n >= 30 else (0, 0)
    out["return_mean"] = About(np.mean(r) * 365, scale=1) if n >= 30 else None
    out["volatility"] = About(empyrical.annual_volatility(r, annualization=365)) if n >= 30 else None
    out["sharpe"] = About(empyrical.sharpe_ratio(r, annualization=365), scale=1) if n >= 30 and spread > 0 else None
    out["sortino"] = About(empyrical.sortino_ratio(r, annualization=365), scale=1) if n >= 30 and fall > 0 else None
    out["downside_deviation"] = About(fall) if n >= 30 else None
    out["max_drawdown"] = About(max(-1.0, empyrical.max_drawdown(r)), scale=1) if n else None
    for label, a, least in (("95", 0.05, 20), ("99", 0.01, 100)):
        out[f"var_{label}"] = About(value_at_risk(r, a), scale=0.1) if n >= least else None
        out[f"expected_shortfall_{label}"] = About(expected_shortfall(r, a), scale=0.1) if n >= least else None
        adjusted = cornish_fisher_var(r, a) if n >= 30 and np.std(r) > 0 else None
        out[f"cornish_fisher_var_{label}"] = None if adjusted is None else About(adjusted, scale=0.1)
    pairs = np.array([row[:2] for row in rows if row[1] is not None])
    names = ("beta", "r_squared", "idiosyncratic_volatility", "idiosyncratic_share")
    out |= dict.fromkeys((*names, "beta_first_market", "beta_second_market", "r_squared_two_markets", "idiosyncratic_volatility_two_markets"))
    if len(pairs) >= 30 and np.std(pairs[:, 1]) > 0 and np.std(pairs[:, 0]) > 0:
        fit = stats.linregress(pairs[:, 1], pairs[:, 0])
        errors = pairs[:, 0] - fit.intercept - fit.slope * pairs[:, 1]
        r2 = fit.rvalue**2
        out |= zip(
            names, (About(fit.slope, scale=1), About(r2, scale=1), About(math.sqrt(errors @ errors / (len(pairs) - 2) * 365)), About(1 - r2, scale=1))
        )
    triples = np.array([row for row in rows if row[1] is not None and row[2] is not None])
    if len(triples) >= 30:
        x = np.column_stack([np.ones(len(triples)), triples[:, 1:]])
        if np.linalg.matrix_rank(x - [0, *x[:, 1:].mean(axis=0)]) == 3:
            slopes = np.linalg.lstsq(x, triples[:, 0], rcond=None)[0]
            out["beta_first_market"], out["beta_second_market"] = About(slopes[1], scale=1), About(slopes[2], scale=1)
            y = triples[:, 0]
            rest = float(np.sum((y - x @ slopes) ** 2))
            out["r_squared_two_markets"] = About(1 - rest / float(np.sum((y - y.mean()) ** 2)), scale=1)
            out["idiosyncratic_volatility_two_markets"] = About(math.sqrt(rest / (len(y) - 3) * 365), scale=0.01)
    return out | of_snapshots(snapshots, market)


def of_snapshots(snapshots, market):
    solvent = [x for x in snapshots if x.get("equity_usd") is not None and x["equity_usd"] > 0]
    over = lambda column: [x[column] / x["equity_usd"] for x in solvent if x.get(column) is not None]  # noqa: E731
    mean = lambda values: ratio(values, [1] * len(values))  # noqa: E731
    # Sums of sizes count by their size, whatever sign they come with.
    out, levered, margins = {}, [abs(v) for v in over("delta_usd")], over("maintenance_margin_usd")
    out["effective_leverage_p50"] = sketched(levered, 0.5, 64) if levered else None
    out["effective_leverage_p95"] = sketched(levered, 0.95, 64) if levered else None
    out["effective_leverage_max"] = About(max(levered), scale=1) if levered else None
    gross = [abs(v) for v in over("gross_notional_usd")]
    out["gross_leverage"] = mean(gross)
    out["gross_leverage_p50"] = sketched(gross, 0.5, 64) if gross else None
    out["gross_leverage_p95"] = sketched(gross, 0.95, 64) if gross else None
    out["gross_leverage_max"] = About(max(gross), scale=1) if gross else None
    out["margin_use"] = mean(margins)
    out["margin_stress"] = mean([float(m > 0.8) for m in margins])
    distances = [x["liquidation_distance"] for x in snapshots if x.get("liquidation_distance") is not None]
    out["liquidation_distance"] = About(min(distances), scale=1) if distances else None
    equities = [x["equity_usd"] for x in snapshots if x.get("equity_usd") is not None]
    out["negative_equity"] = About(sum(e <= 0 for e in equities)) if equities else None
    hedged = [x for x in snapshots if x.get("delta_usd") is not None and x.get("gross_delta_usd") is not None]
    unhedged = ratio((abs(x["delta_usd"]) for x in hedged), (abs(x["gross_delta_usd"]) for x in hedged))
    out["hedge_ratio"] = About(1 - unhedged.low, scale=1) if unhedged else None
    funding = [x["funding_usd"] for x in snapshots if x.get("funding_usd") is not None]
    out["funding_usd"] = total(funding) if funding else None
    m = market or {}
    mu, sigma, free = m.get("expected_return"), m.get("volatility"), m.get("risk_free")
    exposure = mean(over("net_delta_usd"))
    out["implied_risk_aversion"] = None
    if None not in (mu, sigma, free, exposure) and exposure.low > 0 and mu > free and sigma > 0:
        out["implied_risk_aversion"] = About((mu - free) / (sigma * sigma * exposure.low), slack=1e-9 + exposure.tolerance / exposure.low)
    return out
