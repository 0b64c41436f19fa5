"""Every feature of the catalogue against an oracle of its own (oracle.py) on random rows, and the algebra of profiles."""

import json

import empyrical
import formulas
import numpy as np
import oracle
import pytest
import reasons
from harness import Database, rows, value
from fills import DAY, allocation_of, fill_of, rejected
from oracle import key_of
from pytest import approx
from random_rows import AS_OF, SNAPSHOT, START, TRADE, call_of, instant, load, off_grid, population
from returns import of_equity, of_snapshots
from scipy import stats

MIDWAY = START + 150 * DAY
MARKET = {
    "venue_volume_usd": 1e9,
    "top_underlyings": [key_of(u) for u in ("BTC", "ETH", "USDT")],
    "expected_return": 0.5,
    "volatility": 0.8,
    "risk_free": 0.04,
}
# Of a population, so it is no feature of one profile.
OF_POPULATION = {"risk_appetite_index"}
# Add up until there are too many sizes or names, and are then kept in groups that cannot be taken apart again.
COLLAPSING = {"median_trade_usd", "p95_trade_usd", "trade_size_gini", "declared_leverage_p95", "long_tail_share", "hhi", "hhi_normalised",
              "entropy", "entropy_normalised", "effective_underlyings"}  # fmt: skip
# Count from the first active day, which is not known any more after something was taken away.
FROM_FIRST_DAY = {"volume_trend", "volume_ratio_7d_28d"}
# Of the last days, of which older ones would come back.
OF_LAST_DAYS = {"sharpe_on_volume", "sortino_on_volume", "var_95_on_volume", "expected_shortfall_95_on_volume"}
OF_LOTS = {"holding_hours_fifo", "holding_hours_fifo_median", "funding_share"}
# Made of days of equity, which a profile keeps in cents.
OF_DAYS = set(of_equity([], None, None)) - set(of_snapshots([], None))

# ---- the oracle itself, on numbers published or computed with other packages


def test_check_numbers_of_the_oracle():
    r = np.array((0.01, -0.02, 0.015, -0.03, 0.005, 0.02, -0.01, 0, -0.04, 0.025))
    m = (0.02, -0.03, 0.01, -0.05, 0, 0.04, -0.01, 0.01, -0.06, 0.03)
    exactly = lambda x: approx(x, rel=1e-9)  # noqa: E731
    assert formulas.gini([1, 2, 3, 4, 10]) == exactly(0.4)
    assert formulas.herfindahl((0.5, 0.3, 0.2)) == exactly(0.38)
    assert formulas.entropy((0.5, 0.3, 0.2)) == exactly(1.0296530140645737)
    assert formulas.drawdown([100, -50, 30, -200, 80, 60, -10, -90, 150]) == 220
    assert formulas.value_at_risk(r, 0.05) == exactly(0.0355)
    assert [formulas.expected_shortfall(r, a) for a in (0.10, 0.25, 0.05)] == exactly([0.04, 0.032, 0.04])
    assert formulas.cornish_fisher_z(stats.norm.ppf(0.01), -0.5, 3) == approx(-3.301284492, rel=1e-9)
    assert formulas.downside(r) == approx(0.0173205081, rel=1e-8)
    assert empyrical.sharpe_ratio(r, annualization=365) == approx(-2.181941696, rel=1e-9)
    assert empyrical.sortino_ratio(r, annualization=365) == approx(-2.757565351, rel=1e-9)
    assert empyrical.max_drawdown(r) == approx(-0.0599812564, rel=1e-9)
    fit = stats.linregress(m, r)
    assert (fit.slope, fit.rvalue**2) == approx((0.6374501992, 0.9460130493), rel=1e-9)
    gaps = np.diff([0, 1, 2, 3, 60, 61, 62, 300]).astype(float)
    assert (formulas.burstiness(gaps), formulas.memory(gaps)) == exactly((0.733913626509, -0.252183122252))
    assert formulas.clock([1, 2, 3, 23, 22]) == approx((0.885566977, 0.612616), rel=1e-6)
    assert formulas.black76(1e5, 1.2e5, 0.7, 30 / 365, True) == approx(
        (2166.9498966888, 0.209499268038, 1.434082e-5, 8250.88486662, -35135.018057), rel=1e-6
    )
    assert formulas.implied_volatility(80.9012300732, 1e5, 8e4, 7 / 365, False) == approx(0.8, rel=1e-9)
    decayed = [{"executed_at": t * DAY, "quantity": q, "price": 1.0} for t, q in ((0, 10.0), (1, 20.0), (5, 5.0), (40, 8.0))]
    at = {t: oracle.features(decayed, as_of=t * DAY + 1) for t in (40, 60)}
    assert at[40]["decayed_volume_usd"].low == approx(22.318273388833703, rel=1e-9)
    assert at[40]["decayed_trades"].low == approx(2.2484258202403375, rel=1e-9)
    assert at[60]["decayed_volume_usd"].low == approx(14.059631219950084, rel=1e-9)
    merton = [{"taken_at": 0, "equity_usd": 1.0, "net_delta_usd": 3.0}]
    risk = oracle.features([], merton, DAY, {"expected_return": 0.5, "volatility": 0.8, "risk_free": 0.0})
    assert risk["implied_risk_aversion"].low == approx(0.2604166667, rel=1e-9)


@pytest.fixture(scope="module")
def loaded():
    """A database with random trades and snapshots, and the same rows in Python."""
    trades, snapshots = population()
    database = Database()
    with database.connect() as c:
        load(c, "t", TRADE, trades)
        load(c, "x", SNAPSHOT, snapshots)
        c.execute(f"CREATE VIEW tv AS SELECT account, executed_at, {call_of('trade', TRADE)} AS v FROM t")
        c.execute(f"CREATE VIEW xv AS SELECT account, taken_at, {call_of('account_snapshot', SNAPSHOT)} AS v FROM x")
    yield database, trades, snapshots
    database.drop()


PROFILES = """SELECT account, CASE WHEN s.p IS NULL THEN p.p ELSE p.p + s.p END AS p
    FROM (SELECT account, account_profile(v) AS p FROM tv WHERE executed_at < {until} GROUP BY account) AS p
    LEFT JOIN (SELECT account, account_profile(v) AS p FROM xv WHERE taken_at < {until} GROUP BY account) AS s USING (account)"""


def catalogue(connection):
    return dict(rows(connection, "SELECT feature, class FROM segmentation.features"))


def features_of(connection, profiles, as_of, market=MARKET):
    """(account, feature) to (value, reason) over a query of accounts and profiles."""
    query = f"SELECT account, f.feature, f.value, f.reason FROM ({profiles}) AS q, features(q.p, %s, %s) AS f"
    return {(a, f): (v, r) for a, f, v, r in rows(connection, query, instant(as_of), None if market is None else json.dumps(market))}


def compare(ours, trades, snapshots, as_of, market=MARKET):
    """Lines on what differs, and the features that had a value somewhere."""
    wrong, seen = [], set()
    for account in {a for a, _ in ours}:
        times = 1e5 if account in snapshots and off_grid(int(account[1:])) else 1
        expected = oracle.features(trades[account], snapshots.get(account, ()), as_of, market)
        why = reasons.reasons(trades[account], snapshots.get(account, ()), as_of, market)
        assert why.keys() == reasons.TOLD
        for feature in why:
            got, reason = ours[account, feature]
            if got is None and reason != why[feature]:
                wrong.append(f"{feature} of {account} ({len(trades[account])} trades): NULL because of {reason}, not {why[feature]}")
        for (_, feature), (got, reason) in ((key, v) for key, v in ours.items() if key[0] == account and key[1] not in OF_POPULATION):
            about = expected.pop(feature, None)
            if got is not None:
                seen.add(feature)
            if (about is None) != (got is None) or about is not None and not about.agrees(got, times if feature in OF_DAYS else 1):
                wrong.append(f"{feature} of {account} ({len(trades[account])} trades): {got} ({reason}), not {about}")
        wrong += [f"{feature}: not in the catalogue" for feature in expected]
    return sorted(set(wrong)), seen


def fail_on(wrong):
    assert not wrong, f"{len(wrong)} differ:\n" + "\n".join(wrong[:60])


def test_every_feature_against_the_oracle(loaded):
    database, trades, snapshots = loaded
    with database.connect() as c:
        ours = features_of(c, PROFILES.format(until="'infinity'"), AS_OF)
        wrong, seen = compare(ours, trades, snapshots, AS_OF)
        fail_on(wrong)
        assert seen == set(catalogue(c)) - OF_POPULATION, "features without a value for any account"
        assert all((v is None) == (r is not None) for v, r in ours.values()), "a NULL always has a reason"


@pytest.mark.parametrize(
    "as_of", [None, MIDWAY, MIDWAY + 1, AS_OF - AS_OF % DAY, AS_OF + 400 * DAY], ids=["none", "midway", "odd", "midnight", "late"]
)
def test_features_at_other_instants(loaded, as_of):
    database, trades, snapshots = loaded
    with database.connect() as c:
        until = "'infinity'" if as_of is None else f"'{instant(as_of).isoformat()}'"
        wrong, _ = compare(features_of(c, PROFILES.format(until=until), as_of), trades, snapshots, as_of)
        fail_on(wrong)


def test_features_without_a_market(loaded):
    database, trades, snapshots = loaded
    with database.connect() as c:
        ours = features_of(c, PROFILES.format(until="'infinity'"), AS_OF, None)
        fail_on(compare(ours, trades, snapshots, AS_OF, None)[0])
        for feature in ("volume_share", "flow_share", "long_tail_share", "implied_risk_aversion"):
            told = [v for (_, f), v in ours.items() if f == feature]
            assert told and all(v is None for v, _ in told) and any(reason == "missing:market" for _, reason in told), feature


def test_a_profile_of_rows_from_as_of_on(loaded):
    """A profile that holds later rows, too, answers as one without them, or says that it cannot tell them apart."""
    database, trades, snapshots = loaded
    with database.connect() as c:
        whole = features_of(c, PROFILES.format(until="'infinity'"), MIDWAY)
        before = features_of(c, PROFILES.format(until=f"'{instant(MIDWAY).isoformat()}'"), MIDWAY)
        wrong, answered = [], 0
        for key, (v, reason) in whole.items():
            if reason != "after_as_of" and key in before:
                answered += v is not None
                if (v, reason) != before[key]:
                    wrong.append(f"{key}: {v} ({reason}), not {before[key]}")
        fail_on(wrong)
        assert answered > 20


POSITIONS = ("holding_hours", *sorted(OF_LOTS), "leveraged_token_time", "open_share", "position_flips", "adding_to_losers", "short_options_opened", "disposition")


def open_at(fills, at):
    """How many instruments have a position at an instant."""
    held = {}
    for f in fills:
        if f["s"] and f["n"] is not None and f.get("instrument") is not None and f.get("quantity") and f["executed_at"] < at and (f.get("expiry") or at) >= at:
            held[f["instrument"]] = held.get(f["instrument"], 0.0) + f["s"] * f["quantity"]
    return sum(abs(q) > 1e-9 for q in held.values())


def test_a_look_back_begins_with_what_is_open(loaded):
    """Positions of a look-back go on from the trades before it: straight from the rows, and through the days that a fit stores."""
    database, trades, _ = loaded
    with database.connect() as c:
        columns = {n: n for n in TRADE if n != "trade_id"} | {"executed_at": "executed_at"}
        c.execute("SELECT create_segmentation('looking_back', 't', account => 'account', columns => %s, lookback => '60 days')", [json.dumps(columns)])
        as_of = AS_OF - AS_OF % DAY
        since = as_of - 60 * DAY
        wide = {row[0]: row[1:] for row in rows(c, f"SELECT account, {', '.join(POSITIONS)} FROM segmentation_features('looking_back', %s)", instant(as_of))}
        c.execute("SELECT FROM fit_segmentation('looking_back', k => 2, as_of => %s)", [instant(as_of)])
        first = f"{instant(since):%Y-%m-%d}"
        days = features_of(
            c,
            f"""SELECT account, segmentation.profile_follow(segmentation.profile_events(profile) FILTER (WHERE start < '{first}'),
                                                            segmentation.profile_events(profile) FILTER (WHERE start >= '{first}')) AS p
                FROM looking_back_profiles WHERE span = 1 AND start < '{instant(as_of):%Y-%m-%d}' GROUP BY 1 HAVING max(start) >= '{first}'""",
            as_of,
        )
        wrong, told, unlike, many, crowded = [], 0, 0, 0, set()
        for account, got in wide.items():
            fills = sorted((fill_of(r) for r in trades[account] if not rejected(r) and r["executed_at"] < as_of), key=lambda f: f["executed_at"])
            within = [f for f in fills if f["executed_at"] >= since]
            expected = oracle.of_positions(fills, [f for f in fills if f["n"] is not None], since)
            alone = oracle.of_positions(within, [f for f in within if f["n"] is not None])
            for feature, value_got in zip(POSITIONS, got):
                about, (stored, reason) = expected[feature], days[account, feature]
                if feature in OF_LOTS and value_got is None and reason == "open_position":
                    many += 1  # more lots than are carried
                elif value_got is None and reason == "open_position" and max(open_at(fills, since + d * DAY) for d in range(61)) > 80:
                    crowded.add(account)  # more positions than are carried
                elif (about is None) != (value_got is None) or about is not None and not about.agrees(value_got, 1):
                    wrong.append(f"{feature} of {account}: {value_got}, not {about}")
                if stored != value_got and (stored is not None or reason != "open_position"):
                    wrong.append(f"{feature} of {account}: {stored} ({reason}) in the days, not {value_got}")
                told += stored is not None
                unlike += about is not None and alone[feature] is not None and not alone[feature].agrees(about.low, 1)
        fail_on(wrong)
        assert told > 200 and unlike > 50 and many < 40 and len(crowded) < 3, (told, unlike, many, crowded)


# ---- the algebra

PARTS = {
    "days": "date_trunc('day', {}, 'UTC')",
    "months": "date_trunc('month', {}, 'UTC')",
    "random": "abs(hashtextextended({}::text, 7)) %% 5",
}


@pytest.mark.parametrize("part", PARTS)
def test_rolling_up_parts_is_the_whole(loaded, part):
    database, trades, _ = loaded
    by_trade, by_snapshot = PARTS[part].format("executed_at"), PARTS[part].format("taken_at")
    parts = f"""SELECT account, rollup(p ORDER BY random()) AS p FROM (
        SELECT account, account_profile(v) AS p FROM tv GROUP BY account, {by_trade}
        UNION ALL SELECT account, account_profile(v) FROM xv GROUP BY account, {by_snapshot}) AS q GROUP BY account"""
    with database.connect() as c:
        classes = catalogue(c)
        whole = features_of(c, PROFILES.format(until="'infinity'"), AS_OF)
        rolled = features_of(c, parts, AS_OF)
        assert whole.keys() == rolled.keys()
        wrong = []
        for (account, feature), (v, reason) in rolled.items():
            expected = whole[account, feature]
            if classes.get(feature) != "O":
                same = (v, reason) == expected
            else:
                # An order that the parts do not tell is NULL, and says so. Otherwise it is that of the whole.
                same = (
                    v is None
                    and reason in ("overlap", "open_position", expected[1])
                    or v is not None
                    and v == approx(expected[0], rel=1e-9, abs=1e-9)
                )
            if not same:
                wrong.append(f"{feature} ({classes.get(feature)}) of {account}: {v} ({reason}), not {expected}")
        fail_on(sorted(wrong))


def test_subtracting_what_was_added(loaded):
    """Of a sparse profile everything is as before; of a dense one what adds up, and the rest says that it is not known any more."""
    database, trades, _ = loaded
    part = "SELECT account, account_profile(v) AS p FROM tv WHERE abs(hashtextextended(executed_at::text, 7)) % 3 {} 0 GROUP BY account"
    with database.connect() as c:
        classes = catalogue(c)
        c.execute(
            f"CREATE TABLE sides AS SELECT account, a.p AS a, b.p AS b FROM ({part.format('<>')}) AS a JOIN ({part.format('=')}) AS b USING (account)"
        )
        kept = features_of(c, "SELECT account, a AS p FROM sides", AS_OF)
        back = features_of(c, "SELECT account, (a + b) - b AS p FROM sides", AS_OF)
        exact = {account for account, same in rows(c, "SELECT account, ((a + b) - b)::text = a::text FROM sides") if same}
        assert {a for a, _ in back if len(trades[a]) <= 8} <= exact and exact <= {a for a in trades if len(trades[a]) <= 40}
        assert len(exact) >= 5 and len({a for a, _ in back}) > 40
        wrong = []
        for (account, feature), (v, reason) in back.items():
            unknown = account not in exact and reason == "subtracted" and (classes[feature] in ("M", "O") or feature in COLLAPSING | FROM_FIRST_DAY | OF_LAST_DAYS)
            if (v, reason) != kept[account, feature] and not unknown:
                wrong.append(f"{feature} ({classes.get(feature)}) of {account}: {v} ({reason}), not {kept[account, feature]}")
        fail_on(sorted(wrong))
        # Almost everything that adds up is known again.
        known = [v is not None for (a, f), (v, _) in back.items() if classes[f] == "G" and kept[a, f][0] is not None]
        assert np.mean(known) > 0.9


def test_subtracting_what_was_not_added_is_refused(loaded):
    database, _, _ = loaded
    with database.connect() as c:
        one = "account_profile(trade('2024-01-01+00', {}::float8, 1::float8))"
        for small, large in ((one.format(1), one.format(2)), (one.format(1), "(SELECT account_profile(v) FROM tv WHERE account = 'a57')")):
            state = value(c, "SELECT 1")
            with pytest.raises(Exception) as refused:
                value(c, f"SELECT ({small} - {large})::text")
            assert refused.value.sqlstate[:2] == "22", (refused.value.sqlstate, str(refused.value), state)
            assert refused.value.diag.message_hint


def test_more_underlyings_than_are_kept(loaded):
    """With 1,000 of them the index is a little above the true one and never below."""
    database, _, _ = loaded
    with database.connect() as c:
        hhi, normal = rows(
            c,
            """SELECT feature(p, 'hhi', '2025-01-01+00'), feature(p, 'underlyings', '2025-01-01+00') FROM (SELECT account_profile(
                 trade('2024-01-01+00'::timestamptz + i * interval '1 minute', i::float8, 1::float8, underlying => 'X' || i)) AS p
               FROM generate_series(1, 1000) AS i) AS s""",
        )[0]
        w = np.arange(1, 1001) / 500500
        assert w @ w <= hhi <= w @ w + 1 / 20
        assert normal == approx(1000, rel=0.06)


def test_allocation_and_its_drift(loaded):
    """Shares by name, and the total variation between what an account traded early and late, against sums of the rows."""
    database, trades, _ = loaded
    keys = {"underlying": lambda f: f["key"], "venue": lambda f: f.get("venue"), "collateral": lambda f: f.get("collateral"), "kind": lambda f: f["known_kind"]}
    with database.connect() as c:
        early, late = (
            f"SELECT account, account_profile(v) AS p FROM tv WHERE executed_at {x} '{instant(MIDWAY).isoformat()}' GROUP BY account"
            for x in ("<", ">=")
        )
        compared = 0
        for by, key in keys.items():
            drift = dict(rows(c, f"SELECT account, allocation_drift(e.p, l.p, '{by}') FROM ({early}) AS e JOIN ({late}) AS l USING (account)"))
            shares = {(a, k): s for a, k, s in rows(c, f"SELECT account, a.key, a.share FROM ({late}) AS l, allocation(l.p, '{by}') AS a")}
            for account, got in drift.items():
                fills = [fill_of(row) for row in trades[account] if not rejected(row)]
                then, now = (allocation_of([f for f in fills if (f["executed_at"] < MIDWAY) == before], key) for before in (True, False))
                if len(then) > 12 or len(now) > 12:
                    continue
                expected = sum(abs(now.get(k, 0) - then.get(k, 0)) for k in now.keys() | then.keys()) / 2 if now and then else None
                assert got == (None if expected is None else approx(expected, rel=1e-9, abs=1e-9)), (account, by)
                assert {k: s for (a, k), s in shares.items() if a == account} == approx({key_of(k): w for k, w in now.items()}, rel=1e-9, abs=1e-12)
                compared += got is not None
        assert compared > 20
