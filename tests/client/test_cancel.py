"""A fit of 500,000 x 20 stops within 250 ms of being asked, and leaves nothing behind."""

import os
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


def threads(pid):
    return len(os.listdir(f"/proc/{pid}/task"))


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


class Phases:
    """What the fit said last: it tells in which phase the cancel met it."""

    def __init__(self, connection):
        connection.execute("SET client_min_messages = debug1")
        connection.add_notice_handler(self.said)
        self.last = "reading"

    def said(self, notice):
        text = notice.message_primary
        if "computing on" in text:
            self.last = "preparing or seeding"
        elif text.startswith("k = "):
            self.last = text
        elif self.last != "reading" and text.startswith("building index"):  # that of the table of scores
            self.last = "assigning"

    def take(self):
        last, self.last = self.last, "reading"
        return last


def report(what, delays, phases):
    for phase, delay in zip(phases, delays):
        print(f"{what}: {1000 * delay:4.0f} ms after, while {phase}")
    print(f"{what}: at most {1000 * max(delays):.0f} ms of {1000 * LIMIT:.0f}")
    assert max(delays) <= LIMIT, delays


def test_statement_timeout(wide):
    delays, phases = [], []
    with wide.connect() as c:
        c.execute("SET maintenance_work_mem = '2GB'")
        pid, seen = c.info.backend_pid, Phases(c)
        alone = threads(pid)
        started = time.perf_counter()
        c.execute("BEGIN")
        c.execute("SELECT * FROM fit_segmentation('wide', k => 8)")
        c.execute("ROLLBACK")
        whole = time.perf_counter() - started
        for share in (0.02, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8):
            timeout = max(1, round(1000 * share * whole))
            seen.take()
            # The early ones as a user would, each a transaction of its own; the late ones may come after the end.
            if share > 0.3:
                c.execute("BEGIN")
            c.execute(f"SET statement_timeout = {timeout}")
            started = time.perf_counter()
            try:
                c.execute("SELECT * FROM fit_segmentation('wide', k => 8)")
            except psycopg.errors.QueryCanceled:
                delays.append(time.perf_counter() - started - timeout / 1000)
                assert threads(pid) == alone, "a thread of the fit is still there"
                phases.append(seen.take())
            else:
                assert share > 0.3, "a fit ended in a third of the time that it took before"
            c.execute("ROLLBACK")
            c.execute("SET statement_timeout = 0")
            assert left_behind(c) == NOTHING
            assert value(c, "SELECT 1") == 1
    print(f"statement_timeout: the whole fit takes {whole:.1f} s")
    report("statement_timeout", delays, phases)
    assert len(delays) >= 5
    computing = [phase for phase in phases if phase not in ("reading", "assigning")]
    assert "reading" in phases and computing, "the moments did not cover the fit"


def test_cancel_at_random_moments(wide):
    """A fit of one segment clusters in no time: its moments are reading, preparing, assigning and writing."""
    random.seed(1)
    delays, phases = [], []
    with wide.connect() as c:
        c.execute("SET maintenance_work_mem = '2GB'")
        pid, seen = c.info.backend_pid, Phases(c)
        alone = threads(pid)
        started = time.perf_counter()
        c.execute("BEGIN")
        c.execute("SELECT * FROM fit_segmentation('wide', k => 1)")
        c.execute("ROLLBACK")
        whole = time.perf_counter() - started
        for moment in range(100 if LONG else 12):
            asked = []

            def ask():
                asked.append(time.perf_counter())
                c.cancel()

            seen.take()
            timer = threading.Timer(whole * (moment % 12 + random.random()) / 12, ask)
            timer.start()
            try:
                c.execute("BEGIN")
                c.execute("SELECT * FROM fit_segmentation('wide', k => 1)")
            except psycopg.errors.QueryCanceled:
                delays.append(time.perf_counter() - asked[0])
                assert threads(pid) == alone, "a thread of the fit is still there"
                phases.append(seen.take())
            else:  # it was faster than the moment chosen
                timer.cancel()
                timer.join()
            c.execute("ROLLBACK")
            assert left_behind(c) == NOTHING
    report("cancel", delays, phases)
    assert len(delays) >= 6, "too few cancels met a running fit"
    assert "assigning" in phases


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
