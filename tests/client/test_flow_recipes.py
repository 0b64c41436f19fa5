"""The statements of docs/sources.md that compute the flow of others and toxic flow, against plain arithmetic."""

import math
import random
from collections import defaultdict
from itertools import groupby
from statistics import fmean

from harness import rows, value
from recipes import printed


def make(connection, trades):
    connection.execute(
        """CREATE TABLE trades (trade_id int PRIMARY KEY, account_id text, executed_at timestamptz, instrument text, side text,
           quantity float8, price float8, notional_usd float8, is_maker boolean)"""
    )
    with connection.cursor() as cursor:
        cursor.executemany(
            """INSERT INTO trades SELECT %s, %s, timestamptz '2024-03-01 00:00+00' + %s * interval '1 second', %s, %s, %s, 1, %s, %s""",
            [(i, a, at, instrument, side, n, n, maker) for i, (a, at, instrument, side, n, maker) in enumerate(trades)],
        )
    for view in ("flow_of_others", "toxic_flow"):
        connection.execute(printed(f"CREATE VIEW {view} AS"))


def test_herding(db):
    r = random.Random(5)
    trades = [
        (f"a{r.randrange(6)}", r.randrange(20_000), r.choice("XY"), r.choice(["buy", "sell"]), r.randrange(1, 500), r.choice([True, False, None]))
        for _ in range(600)
    ]
    own, takers, own_takers = defaultdict(float), defaultdict(float), defaultdict(float)
    for account, at, instrument, side, n, maker in trades:
        signed = n if side == "buy" else -n
        own[account, instrument, at // 300] += signed
        if maker is not True:
            takers[instrument, at // 300] += signed
            own_takers[account, instrument, at // 300] += signed
    sign = lambda x: (x > 0) - (x < 0)  # noqa: E731
    with db.connect() as c:
        make(c, trades)
        found = rows(
            c,
            """SELECT account_id, feature(account_profile(trade(executed_at, quantity, price, side, instrument, notional_usd => notional_usd,
                 own_flow_usd => own_flow_usd, others_flow_usd => others_flow_usd)), 'herding') FROM flow_of_others GROUP BY 1""",
        )
    assert len(found) == 6
    for account, herding in found:
        bins = {key: f for key, f in own.items() if key[0] == account}
        others = {key: takers[key[1:]] - own_takers[key] for key in bins}
        expected = sum(abs(f) * sign(f) * sign(others[key]) for key, f in bins.items()) / sum(map(abs, bins.values()))
        assert math.isclose(herding, expected, rel_tol=1e-9, abs_tol=1e-12), (account, herding, expected)


def test_vpin_of_the_literature(db):
    """Buckets of (60, 40), (30, 70), (80, 20) and (50, 50) have a VPIN of 0.30."""
    trades = []
    for bucket, bought in enumerate((60, 30, 80, 50)):
        trades += [("a", 10 * bucket, "X", "buy", bought, False), ("b", 10 * bucket + 1, "X", "sell", 100 - bought, False)]
    # The rest of a day of fifty buckets.
    trades += [("c", 1000 + i, "X", "buy" if i % 2 else "sell", 50, False) for i in range(92)]
    trades += [("d", 5, "X", "buy", 1e9, True)]
    with db.connect() as c:
        make(c, trades)
        assert math.isclose(value(c, "SELECT vpin FROM toxic_flow WHERE trade_id = 7"), 0.30, rel_tol=1e-12)
        assert value(c, "SELECT count(*) FROM toxic_flow WHERE trade_id = 100") == 0


def test_toxic_flow(db):
    r = random.Random(9)
    trades = [
        (f"a{r.randrange(4)}", 3 * i, r.choice("XY"), "buy" if r.random() < 0.5 + 0.4 * math.sin(i / 300) else "sell", r.randrange(1, 90), i % 5 == 0)
        for i in range(40_000)
    ]
    expected = {}
    for instrument in "XY":
        taken = [(i, t) for i, t in enumerate(trades) if t[2] == instrument and not t[5]]
        days = len({t[1] // 86_400 for _, t in taken})
        total = sum(t[4] for _, t in taken)
        filled, placed = 0, []
        for i, t in taken:
            filled += t[4]
            placed.append((-(-filled * days * 50 // total), i, t))
        imbalances, numbers = [], []
        for number, members in groupby(placed, key=lambda p: p[0]):
            members = list(members)
            signed = sum(t[4] if t[3] == "buy" else -t[4] for _, _, t in members)
            imbalances.append(abs(signed) / sum(t[4] for _, _, t in members))
            numbers.append(number)
        vpin = {n: fmean(imbalances[max(0, k - 49) : k + 1]) for k, n in enumerate(numbers)}
        ordered = sorted(vpin.values())
        at = 0.9 * (len(ordered) - 1)
        high = ordered[int(at)] + (at - int(at)) * (ordered[min(int(at) + 1, len(ordered) - 1)] - ordered[int(at)])
        expected |= {i: (vpin[number], vpin[number] > high) for number, i, _ in placed}
    with db.connect() as c:
        make(c, trades)
        found = rows(c, "SELECT trade_id, vpin::float8, is_toxic FROM toxic_flow")
        share = value(
            c,
            """SELECT feature(account_profile(trade(executed_at, quantity, price, side, instrument, notional_usd => notional_usd,
                 is_maker => is_maker, is_toxic => is_toxic)), 'toxic_share') FROM trades JOIN toxic_flow USING (trade_id)""",
        )
    assert {i for i, *_ in found} == set(expected)
    for i, vpin, toxic in found:
        assert math.isclose(vpin, expected[i][0], rel_tol=1e-9)
        assert toxic == expected[i][1] or math.isclose(vpin, high, rel_tol=1e-9)
    volume = sum(trades[i][4] for i in expected)
    assert math.isclose(share, sum(trades[i][4] for i, (_, toxic) in expected.items() if toxic) / volume, rel_tol=1e-9)
    assert 0.02 < share < 0.2
