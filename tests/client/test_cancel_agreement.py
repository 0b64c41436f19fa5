"""Measures of agreement of millions of rows: while they are read, numbered, counted and compared, a cancel ends them within 250 ms."""

import threading
import time

import psycopg
import pytest
from harness import LONG, Database

LIMIT = 0.250
ROWS = 10_000_000 if LONG else 3_000_000
MEASURES = ("adjusted_rand_index", "adjusted_mutual_information", "variation_of_information")


@pytest.fixture(scope="module")
def labels():
    """Two labellings with few and with many labels."""
    database = Database()
    with database.connect() as c:
        for name, n in (("few", 5), ("many", 1_000_000)):
            # Neither follows the other: the bits of the number in another order.
            c.execute(
                f"CREATE TABLE {name} AS SELECT array_agg((i % {n})::text) AS a, array_agg(((hashint4(i) & 1048575) % {n})::text) AS b"
                f" FROM generate_series(1, {ROWS}) AS i"
            )
    yield database
    database.drop()


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("table", ["few", "many"])
def test_agreement_of_many_rows(labels, measure, table):
    statement = f"SELECT {measure}(a, b) FROM {table}"
    delays = []
    with labels.connect() as c:
        # Of many labels the exact expectation of mutual information takes as many steps as there are pairs of sizes.
        c.execute("SET statement_timeout = '10s'")
        started = time.perf_counter()
        try:
            c.execute(statement)
        except psycopg.errors.QueryCanceled:
            pass
        whole = time.perf_counter() - started
        c.execute("RESET statement_timeout")
        for share in (0.05, 0.2, 0.35, 0.5, 0.65, 0.8):
            asked = []

            def ask():
                asked.append(time.perf_counter())
                c.cancel()

            timer = threading.Timer(whole * share, ask)
            timer.start()
            try:
                c.execute(statement)
            except psycopg.errors.QueryCanceled:
                delays.append(time.perf_counter() - asked[0])
            timer.join()
        assert c.execute("SELECT 1").fetchone() == (1,), "the session answers on"
    print(f"{measure} of {ROWS} rows, {table} labels: {whole:.1f} s, cancels after " + ", ".join(f"{1000 * d:.0f} ms" for d in delays))
    assert len(delays) >= 3, "too few cancels met a running statement"
    assert max(delays) <= LIMIT, delays
