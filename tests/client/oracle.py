"""The catalogue of features a second time, from plain rows, in NumPy, SciPy and empyrical.

It shares no code and no state with the extension: every feature is computed from all rows at once, from its formula. A trade
is a dict of the arguments of trade(...), a snapshot one of account_snapshot(...); instants are microseconds since 1970 (UTC).
`features(trades, snapshots, as_of, market)` gives for every feature its value with the tolerance it is due, or None for no value.
"""

import math
from collections import Counter, defaultdict, deque
from itertools import groupby

import numpy as np
import xxhash
from expected import About, ratio, share, sketched, spread_of_sketch, total, weighted
from fills import DAY, HOUR, KINDS, SECOND, SNAPSHOT_MONEY, SNAPSHOT_NUMBERS, STABLECOINS, allocation_of, daily_volume, either, fill_of, rejected
from formulas import burstiness, clock, drawdown, entropy, gini, herfindahl, memory
from returns import of_equity, of_pnl_returns
from scipy import stats


def key_of(text):
    """The key of a name, as the market argument gives it: the leading 40 bits of its XXH3-64, as a signed number."""
    key = xxhash.xxh3_64_intdigest(text.encode()) >> 24 << 24
    return key - (1 << 64) if key >= 1 << 63 else key


def of_volume(fills, priced, counted, snapshots, as_of, venue):
    sizes = [f["n"] for f in priced]
    fees = [f for f in counted if f.get("fee_usd") is not None]
    out = {"trades": About(len(fills)), "volume_usd": total(sizes) if sizes else None}
    out["average_trade_usd"] = ratio(sizes, [1] * len(sizes))
    out["unpriced_trades"] = About(len(fills) - len(priced))
    flagged = [f["is_self_trade"] for f in fills if f.get("is_self_trade") is not None]
    out["self_trades"] = About(sum(flagged)) if flagged else None
    out["fee_usd"] = out["revenue_usd"] = total(f["fee_usd"] for f in fees) if fees else None
    both = [f for f in fees if f["n"] is not None]
    out["fee_bps"] = ratio((f["fee_usd"] for f in both), (f["n"] for f in both), 1e4)
    for name, column in (("orders", "order_id"), ("counterparties", "counterparty"), ("instruments", "instrument")):
        out[name] = distinct(f.get(column) for f in fills)
    out["underlyings"] = distinct(f["key"] for f in counted)
    out["median_trade_usd"] = sketched(sizes, 0.5, 160) if sizes else None
    out["p95_trade_usd"] = sketched(sizes, 0.95, 160) if sizes else None
    out["max_trade_usd"] = About(max(sizes)) if sizes else None
    out["trade_size_gini"] = None
    if len(sizes) >= 2 and sum(sizes) > 0:
        g, alpha = gini(sizes), spread_of_sketch(sizes, 160)
        out["trade_size_gini"] = About(g - alpha * (1 + g), g + alpha * (1 + g))
    last = max(f["day"] for f in fills) + 1 if as_of is None else as_of // DAY
    first = min(f["day"] for f in fills)
    volume = daily_volume(priced)
    days = range(max(last - 35, first), last)
    out["volume_trend"] = None
    if sizes and len(days) >= 14:
        slope = stats.linregress(days, [math.log1p(volume.get(d, 0.0)) for d in days]).slope
        out["volume_trend"] = About(slope, scale=0.1)
    before = math.fsum(volume.get(d, 0.0) for d in range(last - 35, last - 7))
    recent = math.fsum(volume.get(d, 0.0) for d in range(last - 7, last))
    out["volume_ratio_7d_28d"] = About(4 * recent / before) if sizes and first <= last - 14 and before > 0 else None
    out["volume_share"] = About(math.fsum(sizes) / venue) if sizes and venue else None
    signed = [f["s"] * f["n"] for f in priced if f["s"] and not f.get("is_self_trade")]
    out["flow_share"] = About(math.fsum(signed) / venue, scale=math.fsum(map(abs, signed)) / venue) if signed and venue else None
    equities = [x["equity_usd"] for x in snapshots if x.get("equity_usd") is not None]
    mean = math.fsum(equities) / len(equities) if equities else 0
    out["turnover_equity"] = About(math.fsum(sizes) / mean) if sizes and mean > 0 else None
    return out


def distinct(values):
    """Exact to 128; beyond, a count by registers (standard error 3.25 %), here within five of them."""
    n = len(set(values) - {None})
    return None if n == 0 else About(n) if n <= 128 else About(n * 0.84, n * 1.16)


def of_allocation(fills, market):
    out = {}
    shares = allocation_of(fills, lambda f: f["key"])
    w = list(shares.values())
    k = sum(v > 0 for v in w)  # what there is no volume in is no part of the whole
    h, e = herfindahl(w), entropy(w)
    if not w:
        out |= dict.fromkeys(("hhi", "hhi_normalised", "entropy", "entropy_normalised", "effective_underlyings"))
    elif k <= 40:
        out["hhi"], out["entropy"], out["effective_underlyings"] = About(h), About(e, scale=1), About(1 / h)
        out["hhi_normalised"] = About((h - 1 / k) / (1 - 1 / k), scale=1) if k > 1 else About(1)
        out["entropy_normalised"] = About(e / math.log(k), scale=1) if k > 1 else About(0)
    else:  # in groups: a little more concentrated, never less
        more = h + 1 / 20
        out["hhi"], out["effective_underlyings"], out["hhi_normalised"] = About(h, more), About(1 / more, 1 / h), About(h - 1 / 20, more)
        out["entropy"], out["entropy_normalised"] = About(e - 0.5, e), About(e / math.log(k) - 0.2, e / math.log(40) + 0.05)
    for name, column in (("hhi_kind", "known_kind"), ("hhi_venue", "venue"), ("hhi_collateral", "collateral")):
        others = allocation_of(fills, lambda f, column=column: f.get(column))
        out[name] = About(herfindahl(others.values())) if others else None
    for name, members in (("share_btc", ("BTC", "XBT")), ("share_eth", ("ETH",)), ("share_stablecoin", STABLECOINS)):
        named = allocation_of(fills, lambda f: f.get("underlying"))  # the instrument does not say what it is made of
        out[name] = About(math.fsum(v for u, v in named.items() if u in members)) if named else None
    top = (market or {}).get("top_underlyings")
    tail = math.fsum(v for u, v in shares.items() if key_of(u) not in (top or ()))
    # In groups what shares one with a large underlying counts as that.
    out["long_tail_share"] = About(tail if k <= 40 else 0, tail, scale=1) if w and top is not None else None
    return out


def of_derivatives(fills, priced, counted):
    out = {}
    counts = Counter(f["known_kind"] for f in counted)
    known = sum(counts.values()) - counts[None]
    for kind in KINDS:
        out[f"share_{kind}"] = share(priced, lambda f, kind=kind: None if f["known_kind"] is None else f["known_kind"] == kind)
        out[f"count_share_{kind}"] = About(counts[kind] / known) if known else None
    options = [f for f in fills if f["known_kind"] == "option"]
    typed = [f for f in options if f["call"] is not None and f["n"] is not None]
    puts, calls = ([f["n"] for f in typed if f["call"] == call] for call in (False, True))
    out["put_share"] = ratio(puts, puts + calls)
    out["put_call_ratio"] = ratio(puts, calls)
    paid = [f for f in options if f["premium"] is not None and f["n"] is not None]
    # A premium needs no notional. What is signed by the side leaves out trades of the account with itself.
    signed = [f for f in options if f["premium"] is not None and f["s"] and not f.get("is_self_trade")]
    out["long_premium"] = ratio((f["s"] * f["premium"] for f in signed), (f["premium"] for f in signed))
    out["premium_sold_share"] = ratio((f["premium"] for f in signed if f["s"] < 0), (f["premium"] for f in signed))
    both = [f for f in signed if f["n"] is not None]
    out["net_premium_share"] = ratio((-f["s"] * f["premium"] for f in both), (f["n"] for f in both))
    out["premium_bps"] = ratio((f["premium"] for f in paid), (f["n"] for f in paid), 1e4)
    out["combo_share"] = share(priced, lambda f: f.get("combo_id") not in (None, "")) if any(f.get("combo_id") is not None and f["n"] for f in priced) else None
    out["moneyness"] = weighted(options, lambda f: f["log_moneyness"])
    out["moneyness_standardised"] = weighted(options, lambda f: f["standardised"])
    otm = lambda f: None if f["log_moneyness"] is None or f["call"] is None else (f["log_moneyness"] > 0 if f["call"] else f["log_moneyness"] < 0)  # noqa: E731
    out["otm_share"] = share(options, otm)
    out["days_to_expiry"] = weighted(options, lambda f: f["dte"])
    for days in (1, 7, 30):
        out[f"dte_{days}d_share"] = share(options, lambda f, days=days: None if f["dte"] is None else f["dte"] <= days)
    greeks = [f for f in options if f["greeks"] and f["s"] and not f.get("is_self_trade")]
    sold = [f for f in greeks if f["s"] < 0]
    out["tail_selling_share"] = share(sold, lambda f: abs(f["greeks"]["delta"]) < 0.10)
    out["long_vol"] = ratio((f["s"] * f["greeks"]["vega"] for f in greeks), (abs(f["greeks"]["vega"]) for f in greeks))
    for greek in ("vega", "gamma", "theta"):
        out[f"{greek}_sold"] = total(-f["s"] * f["greeks"][greek] for f in greeks) if greeks else None
    out["token_leverage"] = weighted(fills, lambda f: None if f.get("token_factor") is None else abs(f["token_factor"]))
    out |= of_option_markouts(options, greeks)
    days = {f["day"] for f in fills if f["known_kind"] == "leveraged_token"}
    out["leveraged_token_days"] = About(len(days) / len({f["day"] for f in fills})) if known else None
    return out


def of_option_markouts(options, greeks):
    """What options gained in volatility points, and in basis points of their premium beyond a hedge of their delta."""
    out = {}
    priced = [f for f in options if f["n"] is not None and f["s"] and not f.get("is_self_trade")]
    for horizon in ("1m", "5m"):
        later, spot, mid = f"implied_volatility_{horizon}", f"underlying_price_{horizon}", f"mid_{horizon}"
        vol = [f for f in priced if either(f.get("implied_volatility"), 0) > 0 and either(f.get(later), 0) > 0]
        out[f"vol_markout_{horizon}"] = ratio((f["s"] * f["n"] * (f[later] - f["implied_volatility"]) for f in vol), (f["n"] for f in vol), 100)
        both = [f for f in greeks if f["n"] is not None and either(f["unit_premium"], 0) > 0 and f["price"] > 0 and f.get(mid) is not None and either(f.get(spot), 0) > 0]
        gain = lambda f, mid=mid, spot=spot: (  # noqa: E731
            f[mid] * (f[spot] if f.get("inverse") else either(f.get("quote_usd"), 1.0)) - f["unit_premium"]
            - f["greeks"]["delta"] * (f[spot] - f["underlying_price"]))  # fmt: skip
        out[f"hedged_markout_{horizon}"] = ratio((f["s"] * f["n"] * gain(f) / f["unit_premium"] for f in both), (f["n"] for f in both), 1e4)
    return out


def of_risk(fills, priced, counted):
    declared = [f["leverage"] for f in counted if f.get("leverage") is not None and f["leverage"] >= 0]
    out = {"declared_leverage": weighted([f for f in fills if either(f.get("leverage"), -1) >= 0], lambda f: f["leverage"])}
    out["declared_leverage_p95"] = sketched(declared, 0.95, 64) if declared else None
    flagged = [f for f in counted if f.get("is_liquidation") is not None]
    count = sum(f["is_liquidation"] for f in flagged)
    out["liquidations"] = About(count) if flagged else None
    out["isolated_share"] = share(priced, lambda f: None if f.get("margin_mode") is None else f["margin_mode"].lower().startswith("isolated"))
    out["liquidation_share"] = share(priced, lambda f: f.get("is_liquidation"))
    out["liquidations_per_day"] = About(count / len({f["day"] for f in fills})) if flagged else None
    typed = ["stop" in f["order_type"].lower() for f in fills if f.get("order_type") is not None]
    out["stop_share"] = About(np.mean(typed)) if typed else None
    pnl = [f["realised_pnl_usd"] for f in fills if f.get("realised_pnl_usd") is not None]
    gains, losses = [v for v in pnl if v > 0], [-v for v in pnl if v < 0]
    out["pnl_usd"] = total(pnl) if pnl else None
    out["win_ratio"] = About(len(gains) / (len(gains) + len(losses))) if gains or losses else None
    out["profit_factor"] = ratio(gains, losses)
    # The fills of one instant count as one trade, as those of one order do.
    instants = [list(g) for _, g in groupby(fills, key=lambda f: f["executed_at"])]
    steps = [math.fsum(f.get("realised_pnl_usd") or 0.0 for f in g) for g in instants]
    sizes = [math.fsum(round(f["n"] or 0.0, 9) for f in g) for g in instants]  # a profile keeps 1e-9 USD, which is much of a tiny trade
    out["pnl_drawdown_usd"] = About(drawdown(steps), scale=math.fsum(map(abs, steps)) + 1) if pnl else None
    after = {1: [], -1: []}
    for step, size, following in zip(steps, sizes, sizes[1:]):
        if step and size > 0 and following / size > 0:
            after[1 if step > 0 else -1].append(math.log(following / size))
    out["loss_chasing"] = About(np.mean(after[-1]) - np.mean(after[1]), scale=1) if after[1] and after[-1] else None
    return out


def moves(rows, later):
    """Notional-weighted mean of the move from the price to later(row), to the gain of the account, in basis points."""
    rows = [f for f in rows if either(f.get("price"), 0) > 0 and later(f) is not None]
    return ratio((f["s"] * f["n"] * (later(f) - f["price"]) / f["price"] for f in rows), (f["n"] for f in rows), 1e4)


def of_flow(fills, priced):
    flow = [f for f in priced if not f.get("is_self_trade")]
    sided = [f for f in flow if f["s"]]
    out = {"order_flow_imbalance": weighted(sided, lambda f: f["s"])}
    out["taker_imbalance"] = weighted([f for f in sided if f.get("is_maker") is False], lambda f: f["s"])
    ofi = out["order_flow_imbalance"]
    out["directionality"] = About(abs(ofi.low), scale=1) if ofi else None
    out["maker_ratio"] = share(flow, lambda f: f.get("is_maker"))
    out["spread_capture"] = moves(sided, lambda f: f.get("mid"))
    for horizon in ("1s", "10s", "1m", "5m", "1h"):
        out[f"markout_{horizon}"] = moves(sided, lambda f, horizon=horizon: f.get(f"mid_{horizon}"))
    both = [f for f in sided if f.get("mid") is not None and f.get("mid_5m") is not None]
    out["impact_5m"] = moves(both, lambda f: f["price"] + f["mid"] - f["mid_5m"])
    for horizon in ("1h", "1d", "7d"):
        past = f"underlying_return_{horizon}"
        out[f"trend_{horizon}"] = weighted(sided, lambda f, past=past: None if f.get(past) is None else f["s"] * max(-3, min(3, f[past])) / 3)
    binned = [f for f in sided if f.get("own_flow_usd") is not None and f.get("others_flow_usd") is not None]
    out["herding"] = ratio(
        (f["s"] * f["n"] * np.sign(f["others_flow_usd"]) for f in binned), (f["s"] * f["n"] * np.sign(f["own_flow_usd"]) for f in binned)
    )
    out["toxic_share"] = share([f for f in flow if f.get("is_maker") is False], lambda f: f.get("is_toxic"))
    return out


def of_time(fills):
    hours = [f["executed_at"] // HOUR % 24 for f in fills]
    n = len(hours)
    length, hour = clock(hours)
    out = {"hour_entropy": About(entropy([c / n for c in Counter(hours).values()]) / math.log(24), scale=1)}
    out["hour_concentration"] = About(length, scale=1)
    out["mean_hour"] = About(hour, scale=24) if length > 1e-9 else None
    out["weekend_share"] = About(np.mean([(f["day"] + 3) % 7 >= 5 for f in fills]))  # 1970-01-01 was a Thursday
    gaps = np.diff(sorted({f["executed_at"] for f in fills})).astype(float)
    enough = len(gaps) >= 10
    out["burstiness"] = About(burstiness(gaps), scale=1) if enough else None
    out["memory"] = About(memory(gaps), scale=1) if enough and np.std(gaps[1:]) > 0 and np.std(gaps[:-1]) > 0 else None
    return out


class Position:
    """Position of one account in one instrument, its basis at cost, and its lots for first in, first out."""

    def __init__(self):
        self.size = self.basis = self.cost = self.last = self.peak = 0.0
        self.lots = deque()
        self.expiry = None
        self.token = False

    def paper(self, price):
        """Sign of what a price says of the position: a gain, a loss, or neither (also where a price is not known)."""
        gain = math.copysign(1, self.size) * (price - self.cost)
        return np.sign(gain) if abs(gain) > 1e-12 * abs(self.cost) else 0


def price_of(f):
    """Per unit: the notional's, but for options and inverse contracts, whose notional does not move with it, the trade's own."""
    if f["known_kind"] == "option" or f.get("inverse"):
        return either(f.get("price"), math.nan)
    return f["n"] / (f["quantity"] * either(f.get("contract_size"), 1.0))


def middle(aged):
    """Median age in hours, weighted by basis: known within half an octave, and below a second not at all."""
    whole = math.fsum(n for n, _ in aged)
    if not whole > 0:
        return None
    reached, low = 0.0, None
    for age, n in sorted((age, n) for n, age in aged):
        reached += n
        if low is None and reached >= whole * (0.5 - 1e-6):
            low = age
        if reached >= whole * (0.5 + 1e-6):
            return About(low / HOUR / 1.4143 if low >= SECOND else 0.0, max(age * 1.4143, SECOND) / HOUR)
    return None


def of_positions(fills, priced, since=None):
    """Holding times, flips, adding to losers, short options opened and disposition, by walking the fills in order of time.

    With `since` only what happens from then on counts; what was open goes on from before.
    """
    names = ("holding_hours", "holding_hours_fifo", "holding_hours_fifo_median", "funding_share", "leveraged_token_time", "open_share", "position_flips", "adding_to_losers", "short_options_opened", "disposition")
    held = [f for f in priced if f["s"] and not f.get("is_self_trade") and f.get("instrument") is not None and f.get("quantity") and f.get("contract_size") != 0
            and not (f.get("expiry") is not None and f["expiry"] < f["executed_at"])]  # fmt: skip
    within = [f for f in fills if since is None or f["executed_at"] >= since]
    if not any(f in within for f in held):
        return dict.fromkeys(names)
    book, clock_at = defaultdict(Position), None
    integral, closed, flips, aged, added, losers, sold, opened = 0.0, 0.0, 0, [], [], [], [], []
    perpetual, in_tokens = [], 0.0
    counts = Counter()
    counting = since is None

    def until(t):
        """Holds what is open until an instant; what expires before is closed then, at neither a gain nor a loss."""
        nonlocal integral, closed, clock_at, in_tokens
        due = sorted({p.expiry for p in book.values() if p.size and p.expiry is not None and p.expiry < t}) if clock_at is not None else []
        for now in (*due, t):
            if clock_at is not None:
                integral += math.fsum(x.basis for x in book.values()) * (now - clock_at)
                in_tokens += (now - clock_at) * any(x.token and x.size for x in book.values())
            clock_at = now
            for p in book.values():
                if p.size and p.expiry == now and now < t:
                    closed += p.basis
                    aged.extend((lot[0] * lot[1], now - lot[2]) for lot in p.lots)
                    p.lots.clear()
                    p.size = p.basis = 0.0

    for f in held:
        t, p = f["executed_at"], book[f["instrument"]]
        if not counting and t >= since:
            until(within[0]["executed_at"])
            counting = True
            integral, closed, flips, aged, added, losers, sold, opened = 0.0, 0.0, 0, [], [], [], [], []
            perpetual, in_tokens = [], 0.0
            counts.clear()
        until(t)
        p.token = f["known_kind"] == "leveraged_token"
        if f.get("expiry") is not None:
            p.expiry = f["expiry"]
        elif not p.size:
            p.expiry = None
        size = f["quantity"] * either(f.get("contract_size"), 1.0)
        unit, signed = price_of(f), f["s"] * size
        rest, short_option = 1.0, f["known_kind"] == "option" and f["s"] < 0
        if p.size and (p.size > 0) != (signed > 0):
            # What is left of a position below 1e-9 of its largest size is rounding, and nothing.
            if abs(size - abs(p.size)) <= 1e-9 * p.peak:
                size = abs(p.size)
            part = min(1.0, size / abs(p.size))
            counts["realised", p.paper(unit)] += 1
            for other in book.values():
                if other is not p and other.size:
                    counts["paper", other.paper(other.last)] += 1
            closed += part * p.basis
            left = min(size, abs(p.size))
            while left > 0 and p.lots:
                lot = p.lots[0]
                taken = min(lot[0], left)
                aged.append((lot[1] * taken, t - lot[2]))
                if f["known_kind"] == "perpetual":  # funding is paid by whoever holds at 0:00, 8:00 and 16:00 UTC
                    perpetual.append((lot[1] * taken, t // (8 * HOUR) > lot[2] // (8 * HOUR)))
                lot[0] -= taken
                left -= taken
                if lot[0] <= 0:
                    p.lots.popleft()
            rest = max(0.0, size - abs(p.size)) / size
            p.size, p.basis = (p.size + math.copysign(size, signed) if rest == 0 else 0.0), p.basis * (1 - part)
            flips += rest > 0
        elif p.size:
            added.append(f["n"])
            losers.append(f["n"] * (p.paper(unit) < 0))
        if rest > 0:
            before = abs(p.size)
            p.cost = (before * p.cost + size * rest * unit) / (before + size * rest) if before else unit
            p.size += signed * rest
            p.peak = max(p.peak if before else 0.0, abs(p.size))
            p.basis += f["n"] * rest
            p.lots.append([size * rest, f["n"] / size, t])
        p.last = unit
        if short_option:
            sold.append(f["n"])
            opened.append(f["n"] * rest)
    until(fills[-1]["executed_at"])
    still = math.fsum(x.basis for x in book.values())
    out = {"holding_hours": About(integral / closed / HOUR) if closed > 0 else None}
    out["holding_hours_fifo"] = ratio((n * age / HOUR for n, age in aged), (n for n, age in aged))
    out["holding_hours_fifo_median"] = middle(aged)
    out["funding_share"] = ratio((n for n, funded in perpetual if funded), (n for n, _ in perpetual))
    span = fills[-1]["executed_at"] - within[0]["executed_at"]
    out["leveraged_token_time"] = About(in_tokens / span, scale=1) if span and any(f["known_kind"] is not None for f in within) else None
    out["open_share"] = About(still / (still + closed), scale=1) if still + closed > 0 else None
    out["position_flips"] = About(flips)
    out["adding_to_losers"] = ratio(losers, added)
    out["short_options_opened"] = ratio(opened, sold)
    gains, losses = (counts["realised", s] + counts["paper", s] for s in (1, -1))
    out["disposition"] = About(counts["realised", 1] / gains - counts["realised", -1] / losses, scale=1) if gains and losses else None
    return out


def of_activity(fills, as_of):
    days = len({f["day"] for f in fills})
    out = {"active_days": About(days), "trades_per_active_day": About(len(fills) / days)}
    out |= dict.fromkeys(("tenure_days", "recency_days", "trading_frequency"))
    if as_of is not None:
        tenure = (as_of - fills[0]["executed_at"]) / DAY
        out["tenure_days"], out["recency_days"] = About(tenure), About((as_of - fills[-1]["executed_at"]) / DAY)
        out["trading_frequency"] = About(days / tenure) if tenure >= 1 else None
    return out


def decayed(fills, priced, as_of):
    names = ("decayed_volume_usd", "decayed_trades", "decayed_order_flow_imbalance", "decayed_maker_ratio")
    if as_of is None:
        return dict.fromkeys(names)
    weight = lambda f: 2.0 ** (-(as_of - f["executed_at"]) / (30 * DAY))  # noqa: E731
    aged = [{**f, "n": f["n"] * weight(f)} for f in priced]
    flow = of_flow(aged, aged)
    return {
        "decayed_volume_usd": total(f["n"] for f in aged) if aged else None,
        "decayed_trades": total(map(weight, fills)),
        "decayed_order_flow_imbalance": flow["order_flow_imbalance"],
        "decayed_maker_ratio": flow["maker_ratio"],
    }


def features(trades, snapshots=(), as_of=None, market=None):
    """Every feature that a profile of these rows has, by name: About a value, or None. Rows at or after as_of do not exist."""
    fills = [fill_of(row) for row in trades if not rejected(row) and (as_of is None or row["executed_at"] < as_of)]
    fills.sort(key=lambda f: f["executed_at"])
    snapshots = [x for x in snapshots if not rejected(x, SNAPSHOT_NUMBERS, SNAPSHOT_MONEY, "taken_at") and (as_of is None or x["taken_at"] < as_of)]
    venue = (market or {}).get("venue_volume_usd")
    out = of_equity(snapshots, as_of, market)
    if not fills:
        return out
    priced = [f for f in fills if f["n"] is not None]
    counted = fills  # by what needs no notional: fees, and how many fills are what
    out |= of_volume(fills, priced, counted, snapshots, as_of, venue)
    out |= of_allocation(fills, market)
    out |= of_derivatives(fills, priced, counted)
    out |= of_risk(fills, priced, counted)
    out |= of_pnl_returns(fills, snapshots, as_of)
    out |= of_flow(fills, priced)
    out |= of_time(fills)
    out |= of_positions(fills, priced)
    out |= decayed(fills, priced, as_of)
    return out | of_activity(fills, as_of)
