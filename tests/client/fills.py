"""From rows to what the oracle adds up: which rows count, their notional, side, kind, premium and greeks."""

import math
from collections import defaultdict

from formulas import black76, implied_volatility

SECOND, HOUR, DAY = 1_000_000, 3_600_000_000, 86_400_000_000
LIMIT, FLOW_LIMIT = 1e20, 1e11  # USD, of one amount
MONEY = ("notional_usd", "fee_usd", "realised_pnl_usd", "own_flow_usd", "others_flow_usd")
NUMBERS = (*MONEY, "quantity", "price", "quote_usd", "contract_size", "strike", "underlying_price", "implied_volatility", "token_factor",
           "leverage", "mid", "mid_1s", "mid_10s", "mid_1m", "mid_5m", "mid_1h", "underlying_return_1h", "underlying_return_1d",
           "underlying_return_7d", "implied_volatility_1m", "implied_volatility_5m", "underlying_price_1m", "underlying_price_5m")  # fmt: skip
SNAPSHOT_MONEY = ("equity_usd", "flow_usd", "initial_margin_usd", "maintenance_margin_usd", "gross_notional_usd", "delta_usd",
                  "gross_delta_usd", "net_delta_usd", "funding_usd")  # fmt: skip
SNAPSHOT_NUMBERS = (*SNAPSHOT_MONEY, "liquidation_distance", "market_return", "second_market_return")
KINDS = ("spot", "future", "perpetual", "option", "leveraged_token", "other")
STABLECOINS = ("USDT", "USDC")


def either(value, default):
    return default if value is None else value


def rejected(row, numbers=NUMBERS, money=MONEY, time="executed_at"):
    given = [(name, row.get(name)) for name in numbers if row.get(name) is not None]
    return (
        row.get(time) is None
        or any(not math.isfinite(v) for _, v in given)
        or any(abs(v) > (FLOW_LIMIT if name == "flow_usd" else LIMIT) for name, v in given if name in money)
        or (row.get("quantity") or 0) < 0
        or abs(notional(row) or 0) > LIMIT
    )


def kind_of(text):
    if text is None:
        return None
    return {
        "spot": "spot", "future": "future", "futures": "future", "dated_future": "future", "perpetual": "perpetual",
        "perp": "perpetual", "swap": "perpetual", "perpetual_future": "perpetual", "option": "option", "options": "option",
        "leveraged_token": "leveraged_token", "leveraged token": "leveraged_token", "leveraged-token": "leveraged_token",
    }.get(text.lower(), "other")  # fmt: skip


def notional(row):
    if row.get("notional_usd") is not None:
        return abs(row["notional_usd"])
    q, c = row.get("quantity"), either(row.get("contract_size"), 1.0)
    if kind_of(row.get("kind")) == "option":
        factors = (q, c, row.get("underlying_price"))
    elif row.get("inverse"):
        factors = (q, c)
    else:
        factors = (q, c, row.get("price"), either(row.get("quote_usd"), 1.0))
    return None if None in factors else abs(math.prod(factors))


def premium(row):
    """Premium in USD, in all and per unit of the underlying."""
    q, c, p = row.get("quantity"), either(row.get("contract_size"), 1.0), row.get("price")
    factor = row.get("underlying_price") if row.get("inverse") else either(row.get("quote_usd"), 1.0)
    if p is None or factor is None:
        return None, None
    return (None if q is None else abs(q * c * p * factor)), abs(p * factor)


def add_option(f):
    """What only options have: premium, distance to strike and expiry, volatility and greeks (of the whole fill)."""
    k, spot, expiry = f.get("strike"), f.get("underlying_price"), f.get("expiry")
    f["premium"], unit = premium(f)
    call = f["call"] = None if f.get("option_type") is None else f["option_type"].lower().startswith("c")
    f["log_moneyness"] = math.log(k / spot) if k and spot and k > 0 and spot > 0 else None
    dte = None if expiry is None or not math.isfinite(expiry) else (expiry - f["executed_at"]) / DAY
    f["dte"] = dte = dte if dte is not None and dte > 0 else None
    f["unit_premium"] = unit
    f["greeks"] = f["standardised"] = None
    if f["log_moneyness"] is None or dte is None:
        return
    t, sigma = dte / 365, f.get("implied_volatility")
    if sigma is None and unit is not None and call is not None:
        sigma = implied_volatility(unit, spot, k, t, call)
    if sigma is None or sigma <= 0 or call is None:
        return
    f["standardised"] = f["log_moneyness"] / (sigma * math.sqrt(t))
    if f.get("quantity") is not None:
        _, delta, gamma, vega, theta = black76(spot, k, sigma, t, call)
        size = f["quantity"] * either(f.get("contract_size"), 1.0)
        f["greeks"] = {"delta": delta, "vega": vega * size, "gamma": gamma * spot * spot / 100 * size, "theta": theta / 365 * size}


def fill_of(row):
    f = dict(row)
    f["day"] = row["executed_at"] // DAY
    f["n"] = notional(row)
    side = row.get("side")
    f["s"] = None if side is None else 1 if side.lower() in ("buy", "b", "bid", "long", "1") else -1
    f["known_kind"] = kind_of(row.get("kind"))
    f["key"] = row.get("underlying") if row.get("underlying") is not None else row.get("instrument")
    if f["known_kind"] == "option":
        add_option(f)
    return f


def cents(usd):
    """To the nearest cent, half away from zero, as whole cents."""
    return int(math.copysign(math.floor(abs(usd) * 100 + 0.5), usd))


def daily_volume(fills):
    """Volume by day, each fill rounded to a cent."""
    days = defaultdict(int)
    for f in fills:
        days[f["day"]] += cents(f["n"])
    return {day: whole / 100 for day, whole in days.items()}


def allocation_of(fills, key):
    sums = defaultdict(list)
    for f in fills:
        if f["n"] is not None and key(f) is not None:
            sums[key(f)].append(f["n"])
    sums = {k: math.fsum(v) for k, v in sums.items()}
    whole = math.fsum(sums.values())
    return {k: v / whole for k, v in sums.items()} if whole > 0 else {}
