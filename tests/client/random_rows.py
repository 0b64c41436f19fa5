"""Random rows for the tests of features: fills of every kind, daily snapshots, and the way into tables."""

import math
from datetime import datetime, timedelta, timezone

import numpy as np
from formulas import black76
from fills import DAY

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
START = (datetime(2024, 1, 1, tzinfo=timezone.utc) - EPOCH) // timedelta(microseconds=1)
AS_OF = START + 213 * DAY + 45_296_789_012  # in the middle of a day

TRADE = {
    "executed_at": "timestamptz", "quantity": "float8", "price": "float8", "side": "text", "instrument": "text", "notional_usd": "float8",
    "quote_usd": "float8", "fee_usd": "float8", "is_maker": "boolean", "trade_id": "text", "order_id": "text", "counterparty": "text",
    "underlying": "text", "kind": "text", "venue": "text", "collateral": "text", "contract_size": "float8", "inverse": "boolean",
    "strike": "float8", "expiry": "timestamptz", "option_type": "text", "underlying_price": "float8", "implied_volatility": "float8",
    "token_factor": "float8", "leverage": "float8", "realised_pnl_usd": "float8", "is_liquidation": "boolean", "order_type": "text",
    "combo_id": "text", "mid": "float8", "mid_1m": "float8", "mid_5m": "float8", "underlying_return_1d": "float8", "mid_1s": "float8",
    "mid_10s": "float8", "mid_1h": "float8", "underlying_return_1h": "float8", "underlying_return_7d": "float8", "own_flow_usd": "float8",
    "others_flow_usd": "float8", "is_toxic": "boolean", "is_self_trade": "boolean", "implied_volatility_1m": "float8",
    "implied_volatility_5m": "float8", "underlying_price_1m": "float8", "underlying_price_5m": "float8", "margin_mode": "text",
}  # fmt: skip
SNAPSHOT = {"taken_at": "timestamptz"} | dict.fromkeys(
    ("equity_usd", "flow_usd", "initial_margin_usd", "maintenance_margin_usd", "gross_notional_usd", "delta_usd", "gross_delta_usd",
     "net_delta_usd", "liquidation_distance", "funding_usd", "market_return", "second_market_return"), "float8")  # fmt: skip


def instant(microseconds):
    return None if microseconds is None else EPOCH + timedelta(microseconds=microseconds)


def call_of(function, columns):
    return f"{function}({', '.join(f'{c} => {c}' for c in columns)})"


UNDERLYINGS = {"BTC": 60_000.0, "ETH": 3_000.0, "SOL": 150.0, "USDT": 1.0, "USDC": 1.0} | {f"U{i}": 2.0 + i for i in range(20)}


def random_instrument(rng, styles):
    kind = rng.choice(styles)
    u = rng.choice(list(UNDERLYINGS)[: 3 if kind == "option" else None], p=None)
    name = {"spot": "{}-USD", "future": "{}-27DEC24", "perpetual": "{}-PERPETUAL", "option": "{}", "leveraged_token": "{}3L", "warrant": "{}-W"}
    out = {"kind": str(kind), "underlying": str(u), "instrument": name[kind].format(u), "underlying_price": UNDERLYINGS[u]}
    if kind == "perpetual" and rng.random() < 0.5:
        out |= {"instrument": f"{u}-INVERSE", "inverse": True, "contract_size": 10.0}
    elif kind in ("future", "perpetual"):
        out |= {"contract_size": 0.125}
    elif kind == "leveraged_token":
        out |= {"token_factor": float(rng.choice([3, -3, 2, -1]))}
    elif kind == "option":
        strike = round(UNDERLYINGS[u] * float(rng.choice([0.5, 0.8, 0.9, 1, 1.1, 1.25, 2])))
        call, life = bool(rng.random() < 0.6), int(rng.choice([1, 5, 20, 60, 200]))
        out |= {"strike": float(strike), "option_type": rng.choice(["call", "C"] if call else ["put", "P"]).item(), "life": life}
        out |= {"instrument": f"{u}-{life}-{strike}-{'C' if call else 'P'}", "inverse": bool(rng.random() < 0.6), "contract_size": 1.0}
    return out


def random_fill(rng, at, styles, missing, gaps):
    """A fill at an instant; `missing` inputs are never there, others not for a share `gaps` of the fills."""
    f = {"executed_at": int(at)} | random_instrument(rng, styles)
    move = math.exp(rng.normal(0, 0.05))
    f["underlying_price"] = spot = f["underlying_price"] * move
    f["price"], f["quantity"] = spot, float(rng.integers(1, 400)) / 8 * float(rng.choice([1, 1, 10]))
    if f["kind"] == "option":
        f["expiry"] = int(at) + f.pop("life") * DAY - int(rng.integers(0, DAY))
        sigma, call = float(rng.uniform(0.4, 1.2)), f["option_type"].upper().startswith("C")
        years = max((f["expiry"] - at) / DAY, 0.01) / 365
        worth = black76(spot, f["strike"], sigma, years, call)[0]
        # As if quoted in ticks: what is nearly intrinsic value alone has no volatility to speak of.
        worth = max(worth, max(0.0, (spot - f["strike"]) * (1 if call else -1)) + 2e-4 * spot)
        f["price"] = worth / spot if f["inverse"] else worth
        if rng.random() < 0.7:
            f["implied_volatility"] = sigma
        f["quantity"] = float(rng.integers(1, 80)) / 8
        for horizon in ("1m", "5m"):
            f[f"implied_volatility_{horizon}"] = sigma + float(rng.normal(0, 0.02))
            f[f"underlying_price_{horizon}"] = spot * math.exp(rng.normal(0, 0.002))
        if rng.random() < 0.3:
            f["combo_id"] = f"c{rng.integers(1000)}"
    elif f["kind"] == "spot" and rng.random() < 0.2:
        f |= {"quote_usd": 1.25, "price": spot / 1.25}
    f |= {
        "side": rng.choice(["buy", "sell", "Bid", "s", "LONG", "-1"]).item(), "fee_usd": float(np.round(rng.normal(1, 2), 4)),
        "is_maker": bool(rng.random() < 0.4), "order_id": f"o{rng.integers(500)}", "counterparty": f"p{rng.integers(40)}",
        "venue": f"v{rng.integers(5)}", "collateral": rng.choice(["USDT", "BTC", "USD"]).item(), "leverage": float(np.round(rng.lognormal(1, 1), 3)),
        "is_liquidation": bool(rng.random() < 0.05), "order_type": rng.choice(["limit", "market", "stop_market", "Stop Limit", "trailing-stop"]).item(),
        "own_flow_usd": float(rng.normal(0, 1e4)), "others_flow_usd": float(rng.choice([0, rng.normal(0, 1e5)])),
        "margin_mode": rng.choice(["isolated", "Isolated_Margin", "cross", "CROSSED"]).item(), "is_toxic": bool(rng.random() < 0.2), "is_self_trade": bool(rng.random() < 0.03), "trade_id": f"t{rng.integers(1 << 40)}",
    }  # fmt: skip
    if rng.random() < 0.4:
        f["realised_pnl_usd"] = float(np.round(rng.normal(5, 300), 6)) if rng.random() < 0.9 else 0.0
    if rng.random() < 0.1:
        f["notional_usd"] = float(np.round(rng.lognormal(7, 2), 6))
    mid = f["price"] * math.exp(rng.normal(0, 0.001))
    for name in ("mid", "mid_1s", "mid_10s", "mid_1m", "mid_5m", "mid_1h"):
        f[name] = mid * math.exp(rng.normal(0, 0.002))
    for name in ("underlying_return_1h", "underlying_return_1d", "underlying_return_7d"):
        f[name] = float(np.float32(rng.normal(0, 2)))  # a profile keeps them in single precision
    f = {name: float(v) if isinstance(v, np.floating) else v for name, v in f.items()}
    for name in list(f):
        if name in missing or name not in ("executed_at", "combo_id", "kind") and rng.random() < gaps:
            del f[name]
    return f


LOSABLE = (
    ("side",),
    ("price", "notional_usd"),
    ("kind",),
    ("is_maker", "order_type"),
    ("instrument",),
    ("underlying_price",),
    ("fee_usd", "order_id"),
)
STYLES = (["spot"], ["option"], ["perpetual", "future"], ["leveraged_token", "spot"], ["warrant"], list(("spot", "future", "perpetual", "option", "leveraged_token", "warrant")))  # fmt: skip


def random_trades(rng, count, number):
    """Fills of one account: evenly spread or in bursts, over days or months, some of them at the same instant."""
    span = int(rng.choice([1, 20, 60, 200]) * DAY)
    at = AS_OF - 1 - rng.integers(0, span, count)
    if rng.random() < 0.3:
        at = at - at % (7 * DAY) + rng.integers(0, DAY // 3, count)
        at = at[at < AS_OF] if (at < AS_OF).any() else at - 7 * DAY
    styles = STYLES[number % len(STYLES)]
    missing = LOSABLE[number // 3 % len(LOSABLE)] if number % 3 == 1 else ()
    gaps = float(rng.choice([0, 0.05, 0.3]))
    fills = [random_fill(rng, t, styles, missing, gaps) for t in at]
    for i in range(0, len(fills) - 1, 40):  # two fills of one instant; what tells their order apart is left out
        twin = random_fill(rng, fills[i]["executed_at"], styles, (*missing, "side", "realised_pnl_usd", "notional_usd"), 0)
        fills.append(twin | {"instrument": "twin", "quantity": 1.0})
    if number % 5 == 0:
        fills += [{**fills[0], "quantity": -1.0}, {**fills[0], "price": math.nan}, {**fills[0], "mid": math.inf}]
    return fills


def off_grid(number):
    """Whether the snapshots of an account are left as they come. A profile keeps cents, and returns of the market in units of 1e-6."""
    return number % 8 == 6


def random_snapshots(rng, number):
    """Snapshots at one to three times of a day, on a grid on which the rounding of a profile loses nothing, or off it."""
    days = int(rng.choice([1, 25, 60, 110, 150]))
    equity, out, gaps = float(rng.lognormal(10, 1)), [], float(rng.choice([0, 0.1]))
    on = (lambda x, digits: x) if off_grid(number) else (lambda x, digits: round(x, digits))
    for d in range(days):
        at = AS_OF - (AS_OF % DAY) - (days - d) * DAY
        if rng.random() < gaps / 2:
            continue
        market = rng.normal(0, 0.03, 2)
        times = rng.choice(DAY, 3, replace=False) if off_grid(number) else rng.choice(100, 3, replace=False) * (DAY // 100)
        for t in sorted(times[: int(rng.integers(1, 4))]):
            flow = on(rng.normal(0, equity / 20), 0) if rng.random() < 0.2 else None
            equity = on(equity * math.exp(rng.normal(0.7 * market[0] / 2, 0.02)) + (flow or 0), 2)
            x = {
                "equity_usd": equity if number % 7 or off_grid(number) or rng.random() < 0.95 else -100.0, "flow_usd": flow,
                "initial_margin_usd": equity * rng.uniform(0.05, 0.5), "maintenance_margin_usd": equity * rng.uniform(0.02, 1.1),
                "gross_notional_usd": equity * rng.lognormal(1, 0.5), "delta_usd": equity * rng.lognormal(0, 0.8),
                "funding_usd": rng.normal(0, 10), "liquidation_distance": rng.uniform(0, 1),
                "market_return": on(market[0], 6), "second_market_return": on(market[0] * 0.8 + market[1], 6),
            }  # fmt: skip
            x["gross_delta_usd"] = x["delta_usd"] * rng.uniform(1, 3)
            x["net_delta_usd"] = x["delta_usd"] * rng.uniform(-0.5, 1)
            out.append({"taken_at": int(at + t)} | {k: float(v) for k, v in x.items() if v is not None and rng.random() >= gaps})
    return out


def population(seed=20240801):
    rng = np.random.default_rng(seed)
    counts = (
        [1, 1, 2, 3, 5, 8, 11, 12, 20, 25, 31, 32, 33, 34, 40, 50]
        + [int(n) for n in rng.integers(1, 300, 38)]
        + [700, 1000, 1500, 2000, 900, 1200, 4, 6, 7, 9, 10, 3]
    )
    trades = {f"a{i}": random_trades(rng, n, i) for i, n in enumerate(counts)}
    snapshots = {f"a{i}": random_snapshots(rng, i) for i in range(len(counts)) if i % 2 == 0 or i > 54}
    return trades, snapshots


def load(connection, table, columns, by_account):
    connection.execute(f"CREATE TABLE {table} (account text, {', '.join(f'{c} {t}' for c, t in columns.items())})")
    with connection.cursor().copy(f"COPY {table} FROM STDIN") as copy:
        for account, its_rows in by_account.items():
            for row in its_rows:
                cells = (instant(row.get(c)) if t == "timestamptz" else row.get(c) for c, t in columns.items())
                copy.write_row((account, *cells))
