"""Why a feature has no value, decided from the rows alone: the reason that features() is due for a NULL, by name.

`reasons(trades, snapshots, as_of, market)` gives the reason of each feature of `TOLD` if it should have no value. It shares no code with
the extension; what it says is section 0 of the specification: the input that is missing, and otherwise what there is none of.
"""

import numpy as np
from fills import SNAPSHOT_MONEY, SNAPSHOT_NUMBERS, fill_of, rejected
from formulas import cornish_fisher_var, downside
from returns import daily_returns, pnl_returns

OF_OPTIONS = ("put_share", "put_call_ratio", "long_premium", "premium_sold_share", "net_premium_share", "premium_bps", "moneyness", "otm_share",
              "days_to_expiry", "dte_1d_share", "dte_7d_share", "dte_30d_share", "long_vol", "vega_sold", "gamma_sold", "theta_sold",
              "tail_selling_share")  # fmt: skip
OF_FLOW = ("order_flow_imbalance", "directionality", "taker_imbalance", "maker_ratio", "toxic_share", "herding")
OF_EQUITY = ("effective_leverage_p50", "effective_leverage_p95", "effective_leverage_max", "gross_leverage", "gross_leverage_p50", "gross_leverage_p95",
             "gross_leverage_max", "margin_use", "margin_stress", "implied_risk_aversion", "hedge_ratio", "sharpe", "sortino", "cornish_fisher_var_95",
             "cornish_fisher_var_99")  # fmt: skip
OF_PNL = ("sortino_on_margin", "sortino_on_volume")
OF_VOLUME = ("volume_usd", "average_trade_usd", "max_trade_usd", "share_btc", "share_eth", "share_stablecoin", "self_trades")
TOLD = set(OF_OPTIONS + OF_FLOW + OF_EQUITY + OF_PNL + OF_VOLUME)


def given(rows, column):
    return [r for r in rows if r.get(column) is not None]


def first_empty(*steps):
    """The reason of the first step that leaves nothing."""
    return next((reason for rows, reason in steps if not rows), "zero_volume")


def of_volume(fills, priced):
    unpriced = "missing:" + most_lacking_notional(fills)
    out = dict.fromkeys(("volume_usd", "average_trade_usd", "max_trade_usd"), unpriced)
    out |= dict.fromkeys(("share_btc", "share_eth", "share_stablecoin"), first_empty((priced, unpriced), (given(priced, "underlying"), "missing:underlying")))
    out["self_trades"] = "missing:is_self_trade"
    return out


def most_lacking_notional(fills):
    blame = ["quantity" if f.get("quantity") is None else "underlying_price" if f["known_kind"] == "option" else "price" for f in fills]
    return max(("quantity", "price", "underlying_price"), key=blame.count)


def most_lacking_premium(options):
    unpaid = [f for f in options if f["premium"] is None]
    blame = ["quantity" if f.get("quantity") is None else "price" if f.get("price") is None else "underlying_price" for f in unpaid]
    return max(("quantity", "price", "underlying_price"), key=blame.count)


def of_options(fills):
    kinded = [f for f in fills if f["known_kind"] is not None]
    options = [f for f in kinded if f["known_kind"] == "option"]
    start = ((kinded, "missing:kind"), (options, "no_options"))
    if not options:
        return dict.fromkeys(OF_OPTIONS, first_empty(*start))
    priced = [f for f in options if f["n"] is not None]
    unpriced = (priced, "missing:" + most_lacking_notional([f for f in options if f["n"] is None] or options))
    paid = [f for f in options if f["premium"] is not None]
    no_premium = "missing:" + most_lacking_premium(options)
    theirs = [f for f in paid if not f.get("is_self_trade")]
    sided = [f for f in theirs if f["s"]]
    signed = ((paid, no_premium), (theirs, "self_trades"), (sided, "missing:side"))
    out = dict.fromkeys(("put_share", "put_call_ratio"), first_empty(unpriced, (given(priced, "option_type"), "missing:option_type")))
    out |= dict.fromkeys(("long_premium", "premium_sold_share"), first_empty(*signed))
    both = [f for f in priced if f["premium"] is not None]
    out["premium_bps"] = first_empty(unpriced, (both, no_premium))
    out["net_premium_share"] = first_empty(unpriced, (both, no_premium), *signed)
    struck = given(priced, "strike")
    spotted = given(struck, "underlying_price")
    moneyness = (unpriced, (struck, "missing:strike"), (spotted, "missing:underlying_price"), ([f for f in spotted if f["log_moneyness"] is not None], "undefined"))
    out["moneyness"] = first_empty(*moneyness)
    out["otm_share"] = first_empty(*moneyness, ([f for f in spotted if f["call"] is not None and f["log_moneyness"] is not None], "missing:option_type"))
    dates = given(priced, "expiry")
    dated = first_empty(unpriced, (dates, "missing:expiry"), ([f for f in dates if f["dte"] is not None], "expired"))
    out |= dict.fromkeys(("days_to_expiry", "dte_1d_share", "dte_7d_share", "dte_30d_share"), dated)
    greeks = [f for f in options if f["greeks"] and f["s"] and not f.get("is_self_trade")]
    out |= dict.fromkeys(("long_vol", "vega_sold", "gamma_sold", "theta_sold", "tail_selling_share"), first_empty((greeks, "no_greeks")))
    return out


def of_flow(fills, priced):
    flow = [f for f in priced if not f.get("is_self_trade")]
    start = ((priced, "missing:" + most_lacking_notional(fills)), (flow, "self_trades"))
    sided, flagged = [f for f in flow if f["s"]], given(flow, "is_maker")
    takers = [f for f in flagged if not f["is_maker"]]
    by_side = (*start, (sided, "missing:side"))
    out = dict.fromkeys(("order_flow_imbalance", "directionality"), first_empty(*by_side))
    both = [f for f in takers if f["s"]]
    out["taker_imbalance"] = first_empty(*by_side, (given(sided, "is_maker"), "missing:is_maker"), (takers, "no_taker_trades"), (both, "missing:side"))
    out["maker_ratio"] = first_empty(*start, (flagged, "missing:is_maker"))
    toxic = given(takers, "is_toxic")
    out["toxic_share"] = first_empty(*start, (flagged, "missing:is_maker"), (takers, "no_taker_trades"), (toxic, "missing:is_toxic"))
    own = given(sided, "own_flow_usd")
    out["herding"] = first_empty(*by_side, (own, "missing:own_flow_usd"), (given(own, "others_flow_usd"), "missing:others_flow_usd"))
    return out


def of_returns(r):
    enough, spread = len(r) >= 30, len(r) and np.std(r) > 0
    out = {"sharpe": "no_spread" if enough else "too_few_days"}
    out["sortino"] = "no_losses" if enough and downside(np.array(r)) == 0 else "too_few_days"
    for label, a in (("95", 0.05), ("99", 0.01)):
        bent = enough and spread and cornish_fisher_var(np.array(r), a) is None
        out[f"cornish_fisher_var_{label}"] = "too_few_days" if not enough else "not_monotone" if bent else "no_spread"
    return out


def of_snapshots(snapshots, as_of, market):
    known = given(snapshots, "equity_usd")
    solvent = [x for x in known if x["equity_usd"] > 0]
    start = ((known, "missing:equity_usd"), (solvent, "no_equity"))
    out = {}
    for prefix, column in (("effective_leverage_", "delta_usd"), ("gross_leverage", "gross_notional_usd"), ("margin_", "maintenance_margin_usd")):
        for name in (n for n in OF_EQUITY if n.startswith(prefix)):
            out[name] = first_empty(*start, (given(solvent, column), f"missing:{column}"))
    m = market or {}
    assumed = ((m.get("expected_return") is not None and m.get("volatility") is not None), "missing:market")
    exposed = given(solvent, "net_delta_usd")
    reason = first_empty(assumed, *start, (exposed, "missing:net_delta_usd"))
    out["implied_risk_aversion"] = "undefined" if reason == "zero_volume" else reason
    grossed = given(snapshots, "gross_delta_usd")
    hedged = given(grossed, "delta_usd")
    reason = first_empty((grossed, "missing:gross_delta_usd"), (hedged, "missing:delta_usd"))
    out["hedge_ratio"] = "no_exposure" if reason == "zero_volume" else reason
    r = [row[0] for row in daily_returns(snapshots, as_of)]
    out |= of_returns(r) if known else dict.fromkeys(("sharpe", "sortino", "cornish_fisher_var_95", "cornish_fisher_var_99"), "missing:equity_usd")
    return out


def of_pnl(fills, priced, snapshots, as_of):
    pnl = (given(fills, "realised_pnl_usd"), "missing:realised_pnl_usd")
    margins = given(snapshots, "initial_margin_usd")
    posted = [x for x in margins if x["initial_margin_usd"] > 0]
    on_margin, on_volume = pnl_returns(fills, snapshots, as_of)
    tail = lambda r: "too_few_days" if len(r) < 30 else "no_losses"  # noqa: E731
    by_margin = first_empty(pnl, (margins, "missing:initial_margin_usd"), (posted, "no_margin"))
    by_volume = first_empty((priced, "missing:" + most_lacking_notional(fills)), pnl)
    return {
        "sortino_on_margin": tail(on_margin) if by_margin == "zero_volume" else by_margin,
        "sortino_on_volume": tail(on_volume) if by_volume == "zero_volume" else by_volume,
    }


def reasons(trades, snapshots=(), as_of=None, market=None):
    fills = [fill_of(row) for row in trades if not rejected(row) and (as_of is None or row["executed_at"] < as_of)]
    snapshots = [x for x in snapshots if not rejected(x, SNAPSHOT_NUMBERS, SNAPSHOT_MONEY, "taken_at") and (as_of is None or x["taken_at"] < as_of)]
    out = of_snapshots(snapshots, as_of, market) if snapshots else dict.fromkeys(OF_EQUITY, "no_snapshots")
    if not fills:
        return out | dict.fromkeys(TOLD - set(OF_EQUITY), "no_trades")
    priced = [f for f in fills if f["n"] is not None]
    return out | of_volume(fills, priced) | of_options(fills) | of_flow(fills, priced) | of_pnl(fills, priced, snapshots, as_of)
