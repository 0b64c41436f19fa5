"""Sizes of trades as a t-digest: the extension tdigest reads them, and its percentiles are those of the sketch they are made of."""

import numpy as np
import pytest
from harness import make_trades, rows, value


@pytest.fixture
def tdigest(db):
    with db.connect() as c:
        if not value(c, "SELECT count(*) FROM pg_available_extensions WHERE name = 'tdigest'"):
            pytest.skip("the extension tdigest is not installed (scripts/setup test)")
        c.execute("CREATE EXTENSION tdigest")
        make_trades(c, count=20_000, accounts=10)
        c.execute(
            "CREATE TABLE p AS SELECT account_id, account_profile(trade(executed_at, quantity, price, side)) AS profile FROM trades GROUP BY 1"
        )
        yield c


def sizes(c, account=None):
    return np.array([r[0] for r in rows(c, "SELECT quantity * price FROM trades WHERE %s::text IS NULL OR account_id = %s", account, account)], float)


def test_percentiles_of_the_extension(tdigest):
    c = tdigest
    for account, count, *found in rows(
        c,
        """SELECT account_id, sum(tdigest_count(d)), tdigest_percentile(d, 0.05), tdigest_percentile(d, 0.5), tdigest_percentile(d, 0.95)
           FROM (SELECT account_id, trade_size_tdigest(profile)::tdigest AS d FROM p) AS s GROUP BY 1""",
    ):
        own = sizes(c, account)
        assert count == len(own)
        for q, got in zip((0.05, 0.5, 0.95), found):
            # Between two centroids the extension interpolates, and each is within a per cent of the sizes that it stands for.
            low, high = np.quantile(own, [max(0, q - 0.01), min(1, q + 0.01)])
            assert 0.97 * low <= got <= 1.03 * high, (account, q)


def test_digests_add_up(tdigest):
    """Of all accounts together, by the extension's own aggregate."""
    c = tdigest
    every = sizes(c)
    got = value(c, "SELECT tdigest_percentile(trade_size_tdigest(profile)::tdigest, 0.5) FROM p")
    low, high = np.quantile(every, [0.48, 0.52])
    assert 0.97 * low <= got <= 1.03 * high
    assert value(c, "SELECT tdigest_count(d) FROM (SELECT tdigest(trade_size_tdigest(profile)::tdigest) AS d FROM p) AS s") == len(every)


def test_none_without_sizes(tdigest):
    c = tdigest
    assert value(c, "SELECT trade_size_tdigest(NULL)") is None
    assert value(c, "SELECT trade_size_tdigest(account_profile(trade('2024-01-01+00', NULL::float8, 1)))") is None
    # A size of 0 is one; huge and tiny ones keep their size.
    text = value(
        c,
        """SELECT trade_size_tdigest(account_profile(trade('2024-01-01+00', q, 1)))::tdigest::json::text
           FROM (VALUES (0::float8), (1e-7), (1e18)) AS v (q)""",
    )
    assert text.count(",") > 5 and '"count": 3' in text
