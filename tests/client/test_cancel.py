"""A fit of 500,000 x 20 stops within 250 ms of being asked, and leaves nothing behind."""

import random
import threading
import time

import psycopg
import pytest
from harness import LONG, value

LIMIT = 0.250
ROWS, COLUMNS = 500_000, 20


@pytest.fixture(scope="module")
def wide():
    from harness import Database

    database = Database()
    with database.connect() as c:
        columns = ", ".join(f"(hashint8extended(i, {j}) / 9.3e18 + (i % 7) * {j % 3})::float8 AS x{j}" for j in range(COLUMNS))
        c.execute(f"CREATE TABLE wide AS SELECT i AS id, {columns} FROM generate_series(1, {ROWS}) AS i")
        c.execute("ANALYZE wide")
        c.execute("SELECT count(*) FROM create_segmentation('wide', features => 'wide', account => 'id')")
    yield database
    database.drop()


def left_behind(c):
    return {
        "models": value(c, "SELECT count(*) FROM segmentation.models"),
        "segments": value(c, "SELECT count(*) FROM wide_segments"),
        "temporary tables": value(c, "SELECT count(*) FROM pg_class WHERE relpersistence = 't'"),
        "large locks": value(
            c, "SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid() AND mode ~ 'Exclusive' AND locktype = 'relation'"
        ),
        "temporary files": value(c, "SELECT count(*) FROM pg_ls_tmpdir()"),
    }


NOTHING = {"models": 0, "segments": 0, "temporary tables": 0, "large locks": 0, "temporary files": 0}


def test_statement_timeout(wide, record_property):
    delays = []
    with wide.connect() as c:
        c.execute("SET maintenance_work_mem = '2GB'")
        for timeout in (50, 200, 500, 1000, 2000):
            c.execute(f"SET statement_timeout = {timeout}")
            started = time.perf_counter()
            with pytest.raises(psycopg.errors.QueryCanceled):
                c.execute("SELECT * FROM fit_segmentation('wide', k => 8)")
            delays.append(time.perf_counter() - started - timeout / 1000)
            c.execute("SET statement_timeout = 0")
            assert left_behind(c) == NOTHING
            assert value(c, "SELECT 1") == 1
    print("milliseconds after the timeout:", [round(1000 * d) for d in delays])
    assert max(delays) <= LIMIT, delays


def test_cancel_at_random_moments(wide):
    """The moments cover reading, preparing, seeding and iterating; the session goes on afterwards."""
    random.seed(1)
    delays = []
    with wide.connect() as c:
        c.execute("SET maintenance_work_mem = '2GB'")
        for _ in range(100 if LONG else 8):
            asked = [0.0]

            def ask():
                asked[0] = time.perf_counter()
                c.cancel()

            timer = threading.Timer(random.uniform(0.05, 4.0), ask)
            timer.start()
            try:
                c.execute("SELECT * FROM fit_segmentation('wide', k => 8)")
            except psycopg.errors.QueryCanceled:
                delays.append(time.perf_counter() - asked[0])
                assert left_behind(c) == NOTHING
            else:  # it was faster than the moment chosen: undo it
                timer.cancel()
                timer.join()
                c.execute("SELECT drop_segmentation('wide')")
                c.execute("SELECT count(*) FROM create_segmentation('wide', features => 'wide', account => 'id')")
    print("milliseconds after the cancel:", [round(1000 * d) for d in delays])
    assert len(delays) >= 3, "too few cancels met a running fit"
    assert max(delays) <= LIMIT, delays


def test_terminate(wide):
    """pg_terminate_backend ends a fit as fast; the server stays up and holds nothing of it."""
    c = wide.connect()
    c.execute("SET maintenance_work_mem = '2GB'")
    pid = c.info.backend_pid
    with wide.connect() as other:
        failed = []

        def fit():
            with pytest.raises(psycopg.OperationalError):
                c.execute("SELECT * FROM fit_segmentation('wide', k => 8)")
            failed.append(time.perf_counter())

        thread = threading.Thread(target=fit)
        thread.start()
        time.sleep(1)
        started = time.perf_counter()
        assert value(other, "SELECT pg_terminate_backend(%s)", pid)
        thread.join(10)
        assert failed and failed[0] - started <= LIMIT, failed
        assert left_behind(other) == NOTHING
    c.close()
