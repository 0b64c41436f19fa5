"""A fit of 500,000 x 20 stops within 250 ms of being asked, and leaves nothing behind."""

import contextlib
import os
import random
import threading
import time
from pathlib import Path

import psycopg
import pytest
from harness import LONG, Database, value

LIMIT = 0.250
ROWS, COLUMNS = 500_000, 20


def wide_database(rows):
    database = Database()
    with database.connect() as c:
        columns = ", ".join(f"(hashint8extended(i, {j}) / 9.3e18 + (i % 7) * {j % 3})::float8 AS x{j}" for j in range(COLUMNS))
        c.execute(f"CREATE TABLE wide AS SELECT i AS id, {columns} FROM generate_series(1, {rows}) AS i")
        c.execute("ANALYZE wide")
        c.execute("SELECT count(*) FROM create_segmentation('wide', features => 'wide', account => 'id')")
    return database


@pytest.fixture(scope="module")
def wide():
    database = wide_database(ROWS)
    yield database
    database.drop()


@pytest.fixture
def modelled():
    """With an active model; as many rows only where it may take long."""
    database = wide_database(ROWS if LONG else ROWS // 5)
    with database.connect() as c:
        c.execute("SELECT count(*) FROM fit_segmentation('wide', k => 7)")
    yield database
    database.drop()


def threads(pid):
    """Their names, by id."""
    names = {}
    for thread in os.listdir(f"/proc/{pid}/task"):
        try:
            names[thread] = Path(f"/proc/{pid}/task/{thread}/comm").read_text().strip()
        except OSError:  # it went between the two
            continue
    return names


def assert_alone(pid, alone):
    """The fit joined its threads before it gave up. The kernel wakes whoever joins a thread (the futex of its id, cleared in mm_release)
    before it takes the thread out of /proc/PID/task, and on a busy machine it may be taken off the processor in between: 2 s at most, and a
    thread that is there then stays."""
    until = time.monotonic() + 2
    while (seen := threads(pid)) != alone and time.monotonic() < until:
        time.sleep(0.005)
    assert seen == alone, f"threads of the fit are still there: {seen}"


class Canceller:
    """Cancels what the connection runs after a while. `asked` is the time of the request, None before it was made."""

    def __init__(self, connection, after):
        self.connection, self.asked = connection, None
        self.timer = threading.Timer(after, self.ask)
        self.timer.start()

    def ask(self):
        self.asked = time.perf_counter()
        self.connection.cancel()

    def came_late(self):
        """The statement was faster. A request that is on its way meets nothing, and no later statement."""
        self.timer.cancel()
        self.timer.join()
        if self.asked is not None:
            with contextlib.suppress(psycopg.errors.QueryCanceled):
                self.connection.execute("SELECT pg_sleep(0.2)")


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
                assert_alone(pid, alone)
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
            seen.take()
            c.execute("BEGIN")
            canceller = Canceller(c, whole * (moment % 12 + random.random()) / 12)
            try:
                c.execute("SELECT * FROM fit_segmentation('wide', k => 1)")
            except psycopg.errors.QueryCanceled:
                delays.append(time.perf_counter() - canceller.asked)
                assert_alone(pid, alone)
                phases.append(seen.take())
            else:
                canceller.came_late()
            c.execute("ROLLBACK")
            assert left_behind(c) == NOTHING
    report("cancel", delays, phases)
    assert len(delays) >= 6, "too few cancels met a running fit"
    assert "assigning" in phases


# What computes for long.
LONG_RUNNING = {
    "fit": "SELECT * FROM fit_segmentation('wide', k => 8, force => true, reason => 'a test')",
    "fit, k chosen": "SELECT * FROM fit_segmentation('wide', k_max => 6, activate => false)",
    "choose_k": "SELECT * FROM choose_k('wide', k_max => 6)",
    "stability": "SELECT * FROM segmentation_stability('wide')",
    "account_confidence": "SELECT * FROM account_confidence('wide')",
}
CANCELS = 200 if LONG else 15


def test_cancels_of_all_that_is_long(modelled):
    """57014 at any moment, in 99 of 100 cases within 100 ms (PGSEG_LONG: on a machine with other work that takes a core away), always
    within the limit; no thread is left, nothing is stored, and the session answers on."""
    random.seed(2)
    delays, phases, met = [], [], dict.fromkeys(LONG_RUNNING, 0)
    with modelled.connect() as c:
        c.execute("SET maintenance_work_mem = '2GB'")
        pid, seen, before = c.info.backend_pid, Phases(c), left_behind(c)
        alone, total = threads(pid), value(c, "SELECT sum(id) FROM wide WHERE id <= 1000")
        whole = {}
        for name, statement in LONG_RUNNING.items():
            started = time.perf_counter()
            c.execute("BEGIN")
            c.execute(statement)
            c.execute("ROLLBACK")
            whole[name] = time.perf_counter() - started
        for turn in range(CANCELS):
            name = list(LONG_RUNNING)[turn % len(LONG_RUNNING)]
            seen.take()
            c.execute("BEGIN")
            canceller = Canceller(c, whole[name] * random.random())
            try:
                c.execute(LONG_RUNNING[name])
            except psycopg.errors.QueryCanceled as error:
                delays.append(time.perf_counter() - canceller.asked)
                assert error.sqlstate == "57014"
                assert_alone(pid, alone)
                phases.append(f"{name}: {seen.take()}")
                met[name] += 1
            else:
                canceller.came_late()
            c.execute("ROLLBACK")
            assert left_behind(c) == before
            assert value(c, "SELECT sum(id) FROM wide WHERE id <= 1000") == total
    quick = sorted(delays)[int(0.99 * (len(delays) - 1))]
    print("whole: " + ", ".join(f"{name} {seconds:.1f} s" for name, seconds in whole.items()))
    print(f"{len(delays)} of {CANCELS} cancels met a running statement: {met}; 99 of 100 within {1000 * quick:.0f} ms")
    report("cancel", delays, phases)
    assert all(met.values()) and len(delays) >= 0.6 * CANCELS, "too few cancels met a running statement"
    if LONG:
        assert quick <= 0.100, sorted(delays)[-5:]


def test_cancel_among_rows():
    """Where the answer has a row an account, the rows are no place without an answer to a cancel."""
    random.seed(3)
    delays = []
    database = Database()
    with database.connect() as c:
        c.execute("CREATE TABLE narrow AS SELECT i AS id, (i % 7)::float8 AS x FROM generate_series(1, 600000) AS i")
        c.execute("SELECT count(*) FROM create_segmentation('narrow', features => 'narrow', account => 'id')")
        c.execute("SELECT count(*) FROM fit_segmentation('narrow', k => 1)")
        c.execute("SELECT count(*) FROM fit_segmentation('narrow', k => 2, activate => false)")
        statement = "SELECT count(*) FROM moved_accounts('narrow', 1, 2)"
        started = time.perf_counter()
        assert value(c, statement) == 600_000
        whole = time.perf_counter() - started
        moments = 40 if LONG else 7
        for moment in range(moments):
            canceller = Canceller(c, whole * (0.5 + 0.5 * (moment + random.random()) / moments))
            try:
                c.execute(statement)
            except psycopg.errors.QueryCanceled:
                delays.append(time.perf_counter() - canceller.asked)
            else:
                canceller.came_late()
    database.drop()
    report("cancel", delays, ["making rows"] * len(delays))
    assert len(delays) >= 3, "too few cancels met a running statement"


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
