"""The SQL of docs/sources.md as printed, and what its recipes have to say, in plain arithmetic.

Rows are dicts. Their time `at` is in microseconds from the beginning of the window, END the first instant that must not count.
"""

import re
from collections import defaultdict
from datetime import timedelta

import numpy as np
from harness import ROOT, rows, value
from pytest import approx

BLOCKS = re.findall(r"```sql\n(.*?)```", (ROOT / "docs" / "sources.md").read_text(), re.S)

SECOND = 1_000_000
BIN = 300 * SECOND
HOUR = 3600 * SECOND
END = 91 * 24 * HOUR  # the printed window: January to March 2024
MIDWAY = 9 * 24 * HOUR + 12_345 * SECOND + 678
TRADE = dict(trade_id="int", account_id="text", executed_at="timestamptz", instrument="text", underlying="text", kind="text", side="text",
             quantity="float8", price="float8", notional_usd="float8", delta_usd="float8", combo_id="text", option_type="text", strike="float8", expiry="date")  # fmt: skip
SNAPSHOT = dict(account_id="text", taken_at="timestamptz", equity_usd="float8", maintenance_margin_usd="float8", flow_usd="float8")
SIGN = {"buy": 1, "sell": -1}
LINEAR = ("future", "perpetual")
STRATEGIES = ["vertical", "straddle", "strangle", "calendar", "other"]
VIEWS = ["kyle_lambdas", "delta_offsets", "margin_answers", "option_strategies"]


def printed(start: str) -> str:
    """The one block of the page that begins so."""
    found = [block for block in BLOCKS if block.startswith(start)]
    assert len(found) == 1, (start, len(found))
    return found[0]


class Tables:
    """A trade table, a snapshot table, the window and the views, as printed."""

    def __init__(self, connection, trades=(), snapshots=()):
        self.c = connection
        for table, columns in (("trades", TRADE), ("account_snapshots", SNAPSHOT)):
            connection.execute(f"CREATE TABLE {table} ({', '.join(f'{name} {type}' for name, type in columns.items())})")
        connection.execute(printed("CREATE TABLE feature_window AS"))
        self.since = value(connection, "SELECT since FROM feature_window")
        assert value(connection, "SELECT as_of FROM feature_window") - self.since == timedelta(microseconds=END)
        for view in VIEWS:
            connection.execute(printed(f"CREATE VIEW {view} AS"))
        self.add(trades, snapshots)

    def add(self, trades=(), snapshots=()):
        for table, columns, time, data in (("trades", TRADE, "executed_at", trades), ("account_snapshots", SNAPSHOT, "taken_at", snapshots)):
            with self.c.cursor() as cursor, cursor.copy(f"COPY {table} FROM STDIN") as copy:
                for row in data:
                    row = row | {time: self.since + timedelta(microseconds=row["at"])}
                    copy.write_row([row.get(column) for column in columns])

    def end(self, at):
        self.c.execute("UPDATE feature_window SET as_of = %s", (self.since + timedelta(microseconds=at),))

    def read(self, view):
        found = rows(self.c, f"SELECT * FROM {view} ORDER BY 1")
        assert len({row[0] for row in found}) == len(found), f"several rows an account in {view}"
        return {row[0]: row[1:] for row in found}


def agree(found, expected):
    assert found.keys() == expected.keys()
    for account, values in expected.items():
        assert [v is None for v in found[account]] == [v is None for v in values], (account, found[account], values)
        assert [float(v) for v in found[account] if v is not None] == approx([v for v in values if v is not None], rel=1e-9, abs=1e-12), account


def inside(data, end=END):
    return [row for row in data if 0 <= row["at"] < end]


def check(tables, view, oracle, data, poison, telling):
    """Agrees at the window's end and midway, looks neither at nor beyond it, nor before it, but at all that is in it."""
    agree(tables.read(view), oracle(inside(data)))
    tables.end(MIDWAY)
    agree(tables.read(view), oracle(inside(data, MIDWAY)))
    tables.end(END)
    before = tables.read(view)
    table = "snapshots" if view == "margin_answers" else "trades"
    tables.add(**{table: [row | {"at": at} for row in poison for at in (END, END + 1, END + HOUR, END + 30 * 24 * HOUR, -1, -HOUR)]})
    assert tables.read(view) == before
    for at in (0, END - 1):
        tables.add(**{table: [telling | {"at": at, "account_id": f"at {at}"}]})
        assert tables.read(view).keys() == before.keys() | {"at 0", f"at {at}"}


def kyle(trades):
    price, flow = {}, defaultdict(float)
    for t in sorted(trades, key=lambda t: (t["at"], t["trade_id"])):
        key = t["instrument"], t["at"] // BIN
        if t["price"] is not None and t["price"] > 0:
            price[key] = t["price"]
        if t["side"]:
            flow[(t["account_id"], *key)] += SIGN[t["side"]] * t["notional_usd"] / 1e6
    known = defaultdict(list)
    for instrument, n in price:
        known[instrument].append(n)
    change = {}
    for instrument, bins in known.items():
        bins.sort()
        for a, b in zip(bins, bins[1:]):
            if b - a <= 13:
                change[instrument, b] = (price[instrument, b] / price[instrument, a] - 1) * 1e4
    points = {t["account_id"]: [] for t in trades}
    for (account, *key), f in flow.items():
        if tuple(key) in change:
            points[account].append((f, change[tuple(key)]))
    return {account: (len(p), lambda_of(*zip(*p)) if len(p) >= 200 else None) for account, p in points.items()}


def lambda_of(q, dp):
    q, dp = np.array(q), np.array(dp)
    x = np.column_stack((np.ones_like(q), q))
    beta, *_ = np.linalg.lstsq(x, dp, rcond=None)
    residual = dp - x @ beta
    error = np.sqrt(residual @ residual / (len(q) - 2) / ((q - q.mean()) ** 2).sum())
    return beta[1] if abs(beta[1]) > 2 * error else None


def amounts(trades):
    """By account, underlying and direction: option delta and what can offset it, as (at, usd)."""
    found = defaultdict(lambda: ([], []))
    for t in trades:
        usd = t.get("delta_usd") if t["kind"] == "option" else -SIGN[t["side"]] * t["notional_usd"] if t["kind"] in LINEAR and t["side"] else None
        if usd and t["underlying"] is not None:
            found[t["account_id"], t["underlying"], usd > 0][t["kind"] != "option"].append((t["at"], abs(usd)))
    return found


def offsets(trades):
    total, offset = defaultdict(float), defaultdict(float)
    for (account, *_), (options, linear) in amounts(trades).items():
        left, free = defaultdict(float), defaultdict(float)
        for at, usd in options:
            left[at // BIN] += usd
            total[account] += usd
        for at, usd in linear:
            free[at // BIN] += usd
        for distance in sorted(range(-11, 12), key=lambda d: (abs(d), -d)):
            for n in left:
                taken = min(left[n], free.get(n + distance, 0))
                if taken:
                    left[n] -= taken
                    free[n + distance] -= taken
                    offset[account] += taken
    return {account: (usd, offset[account] / usd) for account, usd in total.items()}


def most(options, linear, within):
    """The most that any pairing of fills at most so far apart can offset: of equal windows, the first with the first."""
    options, linear, done = sorted(options), sorted(linear), 0.0
    i = j = 0
    a, b = (options[0][1], linear[0][1]) if options and linear else (0, 0)
    while i < len(options) and j < len(linear):
        apart = linear[j][0] - options[i][0]
        taken = min(a, b) if abs(apart) <= within else 0
        done, a, b = done + taken, a - taken, b - taken
        if a == 0 or apart > within:
            i += 1
            a = options[i][1] if i < len(options) else 0
        elif b == 0 or -apart > within:
            j += 1
            b = linear[j][1] if j < len(linear) else 0
    return done


def answers(snapshots):
    by_account = defaultdict(lambda: defaultdict(list))
    for s in snapshots:
        by_account[s["account_id"]][s["at"]].append(s)
    found = {}
    for account, instants in by_account.items():
        high, begun = False, []
        for at in sorted(instants):
            told = []
            for s in instants[at]:
                equity, margin = s["equity_usd"], s["maintenance_margin_usd"]
                if equity is not None and margin is not None:
                    told.append(margin > 0 if equity <= 0 else margin / equity > 0.8)
            if told:
                if any(told) and not high:
                    begun.append(at)
                high = any(told)
        deposits = sorted(at for at in instants if any((s["flow_usd"] or 0) > 0 for s in instants[at]))
        waits = [next(((d - at) / HOUR for d in deposits if d >= at), None) for at in begun]
        known = [w for w in waits if w is not None]
        found[account] = len(begun), sum(known) / len(known) if known else None, len(known) / len(waits) if waits else None
    return found


def shares(trades):
    combinations, total, of = defaultdict(list), defaultdict(float), defaultdict(float)
    for n, t in enumerate(trades):
        alone = n if t["combo_id"] is None else None
        total[t["account_id"]] += t["notional_usd"] * (t["kind"] == "option")
        combinations[t["account_id"], t["combo_id"], alone, t["underlying"], t["at"] // SECOND].append(t)
    for (account, *_), fills in combinations.items():
        legs = {(t["instrument"], t["kind"], t["option_type"], t["strike"], t["expiry"], t["side"]) for t in fills}
        if len(legs) > 1:
            of[account, name_of(legs)] += sum(t["notional_usd"] for t in fills if t["kind"] == "option")
    accounts = {t["account_id"] for t in trades if t["kind"] == "option" or t["combo_id"] is not None}
    return {a: [of[a, name] / total[a] if total[a] else None for name in STRATEGIES] for a in accounts}


def name_of(legs):
    if len(legs) != 2 or any(kind != "option" or None in known for _, kind, *known in legs):
        return "other"
    (_, _, *one), (_, _, *two) = legs
    return {
        (True, False, True, False): "vertical",
        (True, True, False, False): "calendar",
        (False, True, True, True): "straddle",
        (False, False, True, True): "strangle",
    }.get(tuple(a == b for a, b in zip(one, two)), "other")
