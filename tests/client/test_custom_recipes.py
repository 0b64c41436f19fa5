"""The statements of docs/sources.md that make features from a join or an order of rows, against the arithmetic in recipes.py."""

import random
from collections import defaultdict
from datetime import date, timedelta

import numpy as np
import pytest
from harness import rows, value
from pytest import approx
from recipes import (BIN, END, HOUR, LINEAR, SECOND, SIGN, SNAPSHOT, STRATEGIES, VIEWS, Tables, agree, amounts, answers, check, kyle, most,
                     offsets, printed, shares)  # fmt: skip

# ---- Kyle's lambda

FLOWS, CHANGES = (100, -50, 200, -150, 75, -25), (1.2, -0.4, 2.1, -1.7, 0.6, -0.1)


def of_pattern(count, account="a", instrument="X", first=1):
    """A trade of another account, then the flows and price changes of the literature over and over, a bin each."""
    price = 1000.0
    trades = [dict(at=(first - 1) * BIN, account_id="z", side="buy", price=price, notional_usd=1.0)]
    for i in range(count):
        price *= 1 + CHANGES[i % 6] / 1e4
        q = FLOWS[i % 6]
        trades.append(dict(at=(first + i) * BIN + SECOND, account_id=account, side="buy" if q > 0 else "sell", price=price, notional_usd=abs(q) * 1e6))
    return [t | {"trade_id": i, "instrument": instrument} for i, t in enumerate(trades)]


def test_kyle_lambda_of_the_literature(db):
    q, dp = np.array(FLOWS, float), np.array(CHANGES)
    exactly = lambda x: approx(x, rel=1e-9, abs=1e-12)  # noqa: E731
    slope, intercept = np.polyfit(q, dp, 1)
    assert (slope, intercept, np.corrcoef(q, dp)[0, 1] ** 2, q @ dp / (q @ q)) == exactly((0.010580645161, 0.018817204301, 0.987232584745, 0.010615384615))
    with db.connect() as c:
        found = rows(
            c,
            "SELECT regr_slope(dp, q), regr_intercept(dp, q), regr_r2(dp, q), sum(q * dp) / sum(q * q) FROM unnest(%s::float8[], %s::float8[]) AS p (q, dp)",
            q.tolist(),
            dp.tolist(),
        )
        assert found[0] == exactly((0.010580645161, 0.018817204301, 0.987232584745, 0.010615384615))
        # Repeated, it is the same line; 199 bins are too few.
        t = Tables(c, of_pattern(240) + of_pattern(200, "b", "Y") + of_pattern(199, "c", "Z"))
        found = t.read("kyle_lambdas")
        agree(found, kyle(of_pattern(240) + of_pattern(200, "b", "Y") + of_pattern(199, "c", "Z")))
    assert found["a"] == (240, exactly(0.010580645161))
    assert found["b"][0] == 200 and found["b"][1] is not None
    assert found["c"] == (199, None)
    assert found["z"] == (0, None)


def test_kyle_lambda_that_is_none(db):
    trades = [t | {"price": 7.0} for t in of_pattern(240, "a", "X")]  # the price never moves
    trades += [t | {"side": "buy", "notional_usd": 5.0} for t in of_pattern(240, "b", "Y")]  # the flow never changes
    trades += [t | {"side": None} for t in of_pattern(240, "c", "Z")]  # nobody knows the flow
    trades += [t | {"price": p} for t, p in zip(of_pattern(3, "d", "W"), (1, 0, None, -1))]  # no price
    spaced = of_pattern(240, "e", "V")
    trades += [t | {"at": t["at"] * 14} for t in spaced]  # bins 70 minutes apart: an hour and 5 minutes without a trade
    trades += [t | {"at": t["at"] * 13, "account_id": "f", "instrument": "U"} for t in spaced]
    with db.connect() as c:
        t = Tables(c)
        assert t.read("kyle_lambdas") == {}
        t.add(trades)
        found = t.read("kyle_lambdas")
        assert [found[account] for account in "abcde"] == [(240, None), (240, None), (0, None), (0, None), (0, None)]
        assert found["f"] == (240, approx(0.010580645161, rel=1e-9))
        c.execute("UPDATE feature_window SET since = '-infinity'")
        assert t.read("kyle_lambdas") == found
        c.execute("DELETE FROM feature_window")
        assert t.read("kyle_lambdas") == {}


def test_kyle_lambda(db):
    r = random.Random(11)
    trades, price = [], {"X": 60_000.0, "Y": 3000.0, "Z": 0.5}
    impact = {"a": 8, "b": -3, "c": 0.2, "d": 0, "e": 0, "f": 20}
    at = 0
    for i in range(12_000):
        at += r.randrange(300) * SECOND if r.random() < 0.999 else 2 * HOUR
        account = r.choice("abcdef"[: 6 if i > 11_700 else 5])
        instrument, side, n = r.choice("XXYZ"), r.choice(["buy", "sell"]), r.randrange(1, 2_000_000)
        price[instrument] *= 1 + (impact[account] * SIGN[side] * n / 1e6 + r.gauss(0, 4)) / 1e4
        known = r.random()
        trades.append(dict(trade_id=i, at=at, account_id=account, instrument=instrument, side=side if known < 0.99 else None, notional_usd=float(n),
                           price=price[instrument] if known > 0.01 else r.choice([None, 0.0])))  # fmt: skip
        if known > 0.95:  # at the same instant, the later trade_id is the last price
            trades.append(trades[-1] | {"trade_id": i + 100_000, "price": price[instrument] * 1.0001})
    assert at < END - HOUR and trades[0]["at"] < BIN
    r.shuffle(trades)
    poison = [dict(trade_id=10**6, account_id=a, instrument=i, side="buy", price=1e6, notional_usd=1e9) for a in ("a", "b", "new") for i in "XYZ"]
    with db.connect() as c:
        t = Tables(c, trades)
        found = t.read("kyle_lambdas")
        check(t, "kyle_lambdas", kyle, trades, poison, poison[0])
    assert found["a"][1] > 1 > 0 > -1 > found["b"][1]
    assert found["f"][0] < 200
    assert None in (found["d"][1], found["e"][1])


# ---- option delta that is offset

def option(account, minute, delta, underlying="BTC"):
    return dict(account_id=account, at=int(minute * 60) * SECOND, kind="option", underlying=underlying, side="buy", notional_usd=1.0, delta_usd=delta)


def linear(account, minute, flow, kind="perpetual", underlying="BTC"):
    side = "buy" if flow > 0 else "sell"
    return dict(account_id=account, at=int(minute * 60) * SECOND, kind=kind, underlying=underlying, side=side, notional_usd=float(abs(flow)))


OFFSETS = {
    "a hedge after": ([option("", 600, 100.0), linear("", 630, -60)], 0.6),
    "a hedge before": ([option("", 600, 100.0), linear("", 550, -60, "future")], 0.6),
    "a bought put": ([option("", 600, -100.0), linear("", 600, 25)], 0.25),
    "more than enough": ([option("", 600, 100.0), linear("", 600, -900)], 1),
    "in the same direction": ([option("", 600, 100.0), linear("", 601, 100)], 0),
    "nothing": ([option("", 600, 100.0)], 0),
    "spot": ([option("", 600, 100.0), linear("", 601, -100, "spot"), linear("", 601, -100, None)], 0),
    "of something else": ([option("", 600, 100.0), linear("", 601, -100, underlying="ETH")], 0),
    "of who knows what": ([option("", 600, 100.0, None), option("", 600, 50.0), linear("", 601, -100, underlying=None)], 0),
    "of unknown side": ([option("", 600, 100.0), linear("", 601, -100) | {"side": None}], 0),
    "an hour": ([option("", 600, 100.0), linear("", 660, -100), linear("", 540, -100)], 0),
    "a minute less": ([option("", 604, 100.0), linear("", 659, -100)], 1),
    "up to 55 minutes": ([option("", 604, 100.0), linear("", 549, -100)], 1),
    "one for two": ([option("", 600, 100.0), option("", 620, 100.0), linear("", 610, -100)], 0.5),
    "two for one": ([option("", 600, 100.0), linear("", 590, -40), linear("", 610, -40)], 0.8),
    # The later option is nearer to the hedge at 622, which leaves the earlier one with what is at 580.
    "the nearest first": ([option("", 600, 100.0), option("", 620, 100.0), linear("", 622, -100), linear("", 580, -50)], 0.75),
    # As near: the one that came after. The other is left for the option before it.
    "after before before": ([option("", 600, 100.0), option("", 545, 100.0), linear("", 610, -100), linear("", 590, -100)], 1),
    "not among options": ([option("", 600, 100.0), option("", 600, -100.0)], 0),
    "both directions": ([option("", 600, 100.0), option("", 600, -100.0), linear("", 602, -30), linear("", 602, 70)], 0.5),
    "without a delta": ([option("", 600, None), option("", 600, 0.0), linear("", 600, -30)], None),
    "without options": ([linear("", 600, -30)], None),
}


def test_offset_rules(db):
    trades = [t | {"account_id": name} for name, (data, _) in OFFSETS.items() for t in data]
    with db.connect() as c:
        t = Tables(c)
        assert t.read("delta_offsets") == {}
        t.add(trades)
        found = t.read("delta_offsets")
        for name, (_, share) in OFFSETS.items():
            assert (found[name][1] if name in found else None) == (None if share is None else approx(share, rel=1e-12)), name
        # Another account's hedge is none.
        t.add([linear("somebody", 601, -1e6)])
        assert t.read("delta_offsets") == found


def test_offsets(db):
    r = random.Random(3)
    trades = []
    for account, options, hours in (("a", 900, 20), ("b", 300, 400), ("c", 60, 2000), ("d", 0, 100), ("e", 700, 60)):
        for _ in range(2 * options + 20):
            at, underlying = r.randrange(hours * HOUR), r.choice(["BTC", "BTC", "ETH", None])
            if r.random() * (2 * options + 20) < options:
                delta = r.choice([r.gauss(0, 100), float(r.randrange(-3, 4)), None])
                trades.append(dict(account_id=account, at=at, kind="option", underlying=underlying, side="buy", notional_usd=5.0, delta_usd=delta))
                if account == "e" and delta and r.random() < 0.7:  # hedges most of it, soon
                    trades.append(linear("e", 0, -delta * r.uniform(0.5, 1.2), r.choice(LINEAR), underlying) | {"at": at + r.randrange(HOUR // 6)})
            else:
                side = r.choice(["buy", "sell", None])
                trades.append(dict(account_id=account, at=at, kind=r.choice([*LINEAR, "spot"]), underlying=underlying, side=side, notional_usd=float(r.randrange(200))))
    poison = [option("a", 0, 1e6), option("new", 0, 1e6), linear("a", 0, 1e6), linear("e", 0, -1e6)]
    with db.connect() as c:
        t = Tables(c, trades)
        found = t.read("delta_offsets")
        check(t, "delta_offsets", offsets, trades, poison, poison[0])
    # No pairing does better within the hour, and none within 55 minutes twice as well.
    best, near = defaultdict(float), defaultdict(float)
    for (account, *_), (options, flows) in amounts(trades).items():
        best[account] += most(options, flows, HOUR - 1)
        near[account] += most(options, flows, HOUR * 55 // 60)
    for account, (usd, share) in found.items():
        assert near[account] / 2 <= usd * share * (1 + 1e-9) and usd * share <= best[account] * (1 + 1e-9)
    assert found["c"][1] < 0.5 < 0.7 < found["e"][1] <= 1


# ---- margin added after a warning


def snapshot(account, hours, equity, margin, flow=None):
    return dict(account_id=account, at=int(hours * HOUR), equity_usd=equity, maintenance_margin_usd=margin, flow_usd=flow)


ANSWERS = {
    "answered": ([(0, 100, 50), (1, 100, 81), (4, 100, 85), (6, 130, 81, 30.0)], (1, 5, 1)),
    "at once": ([(0, 100, 90, 5.0)], (1, 0, 1)),
    "from the first on": ([(0, 100, 90), (2, 100, 90), (3, 200, 90, 100.0)], (1, 3, 1)),
    "never": ([(0, 100, 90), (2, 100, 90, -5.0), (3, 100, 90, 0.0)], (1, None, 0)),
    "before": ([(0, 100, 10, 50.0), (2, 100, 90)], (1, None, 0)),
    "exactly 0.8 is none": ([(0, 100, 80, 1.0), (1, 0.5, 0.4, 1.0)], (0, None, None)),
    "two, a deposit for both": ([(0, 100, 90), (1, 100, 70), (2, 100, 90), (5, 100, 90, 7.0)], (2, 4, 1)),
    "two, one answered": ([(0, 100, 90), (1, 100, 90, 5.0), (2, 100, 70), (3, 100, 90)], (2, 1, 0.5)),
    "no equity": ([(0, 100, 10), (1, -5, 1), (2, 0, 1), (3, 50, 1, 55.0)], (1, 2, 1)),
    "bankrupt and flat": ([(0, -5, 0), (1, 0, 0)], (0, None, None)),
    "what says nothing": ([(0, 100, 90), (1, None, 10), (2, 100, None), (3, 100, 90), (4, None, None, 9.0)], (1, 4, 1)),
    "nothing known": ([(0, None, None), (1, None, 5, 9.0)], (0, None, None)),
    "levels and flow at one instant": ([(0, 100, 50), (1, 100, 90), (1, None, None, 5.0)], (1, 0, 1)),
}


def test_margin_answer_rules(db):
    snapshots = [snapshot(name, *s) for name, (data, _) in ANSWERS.items() for s in data]
    with db.connect() as c:
        t = Tables(c)
        assert t.read("margin_answers") == {}
        t.add(snapshots=snapshots)
        agree(t.read("margin_answers"), {name: figures for name, (_, figures) in ANSWERS.items()})


def test_margin_answers(db):
    r = random.Random(21)
    snapshots = []
    for account in range(40):
        for _ in range(r.randrange(1, 400)):
            equity, margin, flow = r.choice([100.0, 200.0, 50.0, None, 0.0, -3.0]), r.choice([0.0, 30.0, 90.0, 150.0, None]), r.choice([None] * 15 + [0.0, -1.0, 5.0])
            snapshots.append(snapshot(str(account), 0, equity, margin, flow) | {"at": r.randrange(0, 3000) * HOUR // 2})
    poison = [snapshot(str(account), 0, 100.0, 95.0, 50.0) for account in range(41)]
    with db.connect() as c:
        t = Tables(c, snapshots=snapshots)
        found = t.read("margin_answers")
        check(t, "margin_answers", answers, snapshots, poison, poison[0])
    assert {0 < share < 1 for _, _, share in found.values() if share is not None} == {True, False}


# ---- strategies of options


def leg(account, combo, kind, strike, expiry, side, usd=10.0, at=0):
    instrument = f"BTC-{expiry}-{strike}-{kind}"
    day = date(2024, 6, 1) + timedelta(days=expiry) if expiry is not None else None
    option_type = {"C": "call", "P": "put"}.get(kind)
    return dict(account_id=account, combo_id=combo, at=at, underlying="BTC", kind=kind if kind in LINEAR else "option", instrument=instrument,
                option_type=option_type, strike=strike, expiry=day, side=side, notional_usd=usd)  # fmt: skip


COMBINATIONS = {
    "vertical": [("C", 100, 1, "buy"), ("C", 120, 1, "sell")],
    "straddle": [("C", 100, 1, "sell"), ("P", 100, 1, "sell")],
    "strangle": [("P", 90, 1, "buy"), ("C", 110, 1, "buy")],
    "calendar": [("P", 100, 1, "sell"), ("P", 100, 30, "buy")],
    "risk reversal": [("P", 90, 1, "sell"), ("C", 110, 1, "buy")],
    "synthetic future": [("P", 100, 1, "sell"), ("C", 100, 1, "buy")],
    "diagonal": [("C", 100, 1, "sell"), ("C", 110, 30, "buy")],
    "both bought": [("C", 100, 1, "buy"), ("C", 120, 1, "buy")],
    "two expiries": [("C", 100, 1, "buy"), ("P", 100, 30, "buy")],
    "bought and sold": [("C", 100, 1, "buy"), ("C", 100, 1, "sell")],
    "butterfly": [("C", 100, 1, "buy"), ("C", 110, 1, "sell"), ("C", 120, 1, "buy")],
    "hedged": [("C", 100, 1, "buy"), ("perpetual", None, None, "sell")],
    "strike unknown": [("C", 100, 1, "buy"), ("C", None, 1, "sell")],
    "side unknown": [("C", 100, 1, "buy"), ("C", 110, 1, None)],
    "alone": [("C", 100, 1, "buy")],
}


def test_strategy_rules(db):
    trades = [leg(name, "1", *what) for name, legs in COMBINATIONS.items() for what in legs]
    # Fills of one leg are one leg; another second, combination or underlying is another one; without an id there is none.
    trades += [leg("in parts", "1", *what, usd=usd, at=at) for what in COMBINATIONS["vertical"] for usd, at in ((1.0, 0), (2.0, SECOND - 1))]
    trades += [leg("seconds apart", "1", *what, at=at) for what, at in zip(COMBINATIONS["vertical"], (SECOND - 1, SECOND))]
    trades += [leg("two ids", combo, *what) for what, combo in zip(COMBINATIONS["vertical"], "12")]
    trades += [leg("two underlyings", "1", *what) | {"underlying": u} for what, u in zip(COMBINATIONS["vertical"], ("BTC", "ETH"))]
    trades += [leg("two instruments", "1", *COMBINATIONS["alone"][0]) | {"instrument": name} for name in ("BTC-1-100-C", "BTC_USDC-1-100-C")]
    trades += [leg("no id", None, *what) for what in COMBINATIONS["vertical"]]
    trades += [leg("no options", "1", "future", None, None, "buy"), leg("no notional", "1", *COMBINATIONS["alone"][0], usd=0.0)]
    trades += [leg("some", "1", *what, usd=25.0) for what in COMBINATIONS["straddle"]] + [leg("some", None, "C", 100, 1, "buy", usd=150.0)]
    trades += [leg("not at all", None, "perpetual", None, None, "buy")]
    others = {"risk reversal", "synthetic future", "diagonal", "both bought", "two expiries", "bought and sold", "butterfly", "hedged", "strike unknown", "side unknown"}
    expected = {name: [float(s == ("other" if name in others else name)) for s in STRATEGIES] for name in COMBINATIONS}
    expected |= {name: [0.0] * 5 for name in ("seconds apart", "two ids", "two underlyings", "no id")}
    expected |= {"two instruments": [0, 0, 0, 0, 1], "in parts": [1, 0, 0, 0, 0], "some": [0, 0.25, 0, 0, 0], "no options": [None] * 5, "no notional": [None] * 5}
    with db.connect() as c:
        t = Tables(c)
        assert t.read("option_strategies") == {}
        t.add(trades)
        agree(t.read("option_strategies"), expected)


def test_strategies(db):
    r = random.Random(8)
    trades = []
    for n in range(4000):
        account, at, combo = f"a{r.randrange(8)}", r.randrange(0, 2500) * HOUR * 3 // 4 + 1, None if r.random() < 0.1 else str(n)
        for _ in range(r.choice([1, 2, 2, 2, 2, 2, 3])):
            fill = leg(account, combo, r.choice("CCCPPP") if r.random() < 0.97 else "future", r.choice([100, 110]), r.choice([1, 30]), r.choice(["buy", "sell"]))
            fill |= r.choices([{}, {"strike": None}, {"expiry": None}, {"option_type": None}, {"side": None}, {"kind": None}], [50, 1, 1, 1, 1, 1])[0]
            trades += [fill | {"notional_usd": float(r.randrange(1, 50)), "at": at + part} for part in range(r.choice([1, 1, 2]))]
    poison = [leg(f"a{a}", combo, *what, usd=1e9) for a in range(9) for combo in ("1", None) for what in COMBINATIONS["vertical"]]
    with db.connect() as c:
        t = Tables(c, trades)
        found = t.read("option_strategies")
        check(t, "option_strategies", shares, trades, poison, poison[0])
    assert len(found) == 8 and all(0 < share < 1 for row in found.values() for share in row)


# ---- all of them


@pytest.mark.parametrize("type", ["numeric", "bigint", "real"])
def test_types(db, type):
    """Amounts may be of other types."""
    with db.connect() as c:
        t = Tables(c, of_pattern(240), [snapshot("a", *s) for s in ANSWERS["two, one answered"][0]])
        t.add([t | {"account_id": "a"} for t in OFFSETS["nothing"][0] + OFFSETS["one for two"][0] + [leg("a", "1", *what) for what in COMBINATIONS["vertical"]]])
        before = [t.read(view) for view in VIEWS]
        definitions = [printed(f"CREATE VIEW {view} AS") for view in VIEWS]
        c.execute(f"DROP VIEW {', '.join(VIEWS)}")
        c.execute(f"ALTER TABLE trades ALTER notional_usd TYPE {type}, ALTER delta_usd TYPE {type}, ALTER strike TYPE {type}")
        if type != "real":  # which is too coarse for changes of prices; integers are in the smallest unit
            c.execute(f"ALTER TABLE trades ALTER price TYPE {type} USING {'price * 1e12' if type == 'bigint' else 'price::text::numeric'}")
        c.execute(", ".join(f"ALTER {column} TYPE {type}" for column in list(SNAPSHOT)[2:]).join(("ALTER TABLE account_snapshots ", "")))
        for definition in definitions:
            c.execute(definition)
        for view, was in zip(VIEWS, before):
            agree(t.read(view), {account: [None if v is None else float(v) for v in values] for account, values in was.items()})


def test_as_features(db):
    """Declared as attributes they are features of a segmentation, with the values of the views."""
    r = random.Random(2)
    later = 31 * 24 * HOUR  # the window that the page sets before a fit ends a month later, and begins a month later
    trades = of_pattern(240, "a00", "X", first=(later + HOUR) // BIN) + of_pattern(200, "a01", "Y", first=(later + HOUR) // BIN)
    for n in range(30):
        account = f"a{n:02}"
        for _ in range(20):
            at = later + r.randrange(80 * 24) * HOUR
            trades.append(option(account, 0, r.gauss(0, 100)) | {"at": at, "instrument": f"O{n}", "price": 1.0})
            trades.append(linear(account, 0, r.gauss(0, 100)) | {"at": at + r.randrange(2 * HOUR), "instrument": f"P{n}", "price": 1.0})
            trades += [leg(account, str(at), *what, at=at) | {"price": 1.0} for what in COMBINATIONS[r.choice(["vertical", "calendar", "diagonal"])]]
    trades = [t | {"quantity": 1.0} for t in trades]
    snapshots = [snapshot(f"a{n:02}", 24 * 31 + r.randrange(2000), 100.0, r.choice([50.0, 90.0]), r.choice([0.0, 5.0])) for n in range(28) for _ in range(30)]
    with db.connect() as c:
        t = Tables(c, trades, snapshots)
        c.execute(printed("CREATE MATERIALIZED VIEW account_facts AS"))
        stale = rows(c, "SELECT * FROM account_facts ORDER BY 1")
        c.execute(printed("UPDATE feature_window SET"))
        assert rows(c, "SELECT * FROM account_facts ORDER BY 1") != stale
        as_of = value(c, "SELECT as_of FROM feature_window")
        features = [name for name in columns_of(c, "account_facts") if name != "account_id"]
        c.execute("SELECT count(*) FROM create_segmentation('clients', 'trades', sources => '{\"attributes\": \"account_facts\"}', use_features => %s)", (["volume_usd", *features],))
        found = dict(rows(c, "SELECT account, custom FROM segmentation_features('clients', %s)", as_of))
        assert len(found) == 31  # the other party of the pattern among them
        views = {view: t.read(view) for view in VIEWS}
        missing = (None,) * 5
        for account, custom in found.items():
            get = lambda view: views[view].get(account, missing)  # noqa: E731
            facts = [get("kyle_lambdas")[1], get("delta_offsets")[1], *get("margin_answers")[1:3], *get("option_strategies")]
            assert [custom.get(name) for name in features] == approx(facts, rel=1e-12), account
        assert found["a00"]["kyle_lambda"] == approx(0.0105806, rel=0.01)
        t.add([x | {"at": later + (90 * 24 + hours) * HOUR} for x in trades[-300:] for hours in (0, 5)], [snapshot(f"a{n:02}", 24 * 121, 1.0, 1.0, 1.0) for n in range(30)])
        c.execute("REFRESH MATERIALIZED VIEW account_facts")
        assert dict(rows(c, "SELECT account, custom FROM segmentation_features('clients', %s)", as_of)) == found
        fitted = value(c, "SELECT sum(accounts) FROM fit_segmentation('clients', k => 2, as_of => %s, lookback => interval '90 days')", as_of)
        assert fitted == 31
        assert value(c, "SELECT count(DISTINCT feature) FROM segment_profiles('clients') WHERE feature IN ('delta_offset_share', 'vertical_share', 'margin_answer_hours')") == 3


def columns_of(connection, table):
    return [column.name for column in connection.execute(f"SELECT * FROM {table} LIMIT 0").description]
