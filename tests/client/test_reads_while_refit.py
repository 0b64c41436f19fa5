"""Eight clients read labels while models change, by refits, activations and returns to the one before, which commit or roll back:
no answer mixes two versions.

A statement of a reader looks up accounts in each of the ways there are, compares that with the stored rows, and takes the fingerprint of
those: it must be one that the writer noted of a commit since the statement began. Refits that are rolled back have another number of
segments than any that is committed, so their labels would show. 100,000 labels are looked up, a million with PGSEG_LONG.
"""

import threading

import psycopg
import pytest
from harness import LONG, value

LOOKUPS = 1_000_000 if LONG else 100_000
ACCOUNTS = 1_000
READERS = 8

FINGERPRINT = "md5(string_agg(s.account || ' ' || s.segment_id || ' ' || s.segment || ' ' || s.margin, ',' ORDER BY s.account))"
# In one statement: how many accounts, the versions of the rows, what the rows say, and whether the functions say the same.
ANSWER = f"""SELECT count(*), min(s.model_version), max(s.model_version), {FINGERPRINT},
    bool_and(segment_of(s.account, 'w') = s.segment AND segment_id_of(s.account, 'w') = s.segment_id),
    bool_and(assign_segment(ARRAY[f.x, f.y], 'w') = s.segment),
    bool_and(assign_segment(ARRAY[f.x, f.y], (SELECT segment_model('w'))) = s.segment)
  FROM w_segments AS s JOIN f ON f.id = s.account"""
# The same of few accounts, which are found by the index.
FEW = ANSWER + " WHERE s.account <= 20"


@pytest.fixture
def clients(db):
    with db.connect() as c:
        c.execute(
            f"""CREATE TABLE f AS SELECT i AS id, i % 7 * 10 + abs(hashint8(i)) % 100 / 25.0 AS x,
                   i % 3 * 10 + abs(hashint8(i + 7)) % 100 / 25.0 AS y FROM generate_series(1, {ACCOUNTS}) AS i"""
        )
        c.execute("ANALYZE f")
        value(c, "SELECT count(*) FROM create_segmentation('w', features => 'f', account => 'id')")
    return db


class Client(threading.Thread):
    def __init__(self, db, **options):
        super().__init__(daemon=True)
        self.connection = db.connect(**options)
        self.error = None

    def run(self):
        try:
            self.work()
        except BaseException as error:  # told by the test's own thread
            self.error = error
        finally:
            self.connection.close()

    def result(self):
        self.join(300)
        assert not self.is_alive()
        if self.error:
            raise self.error


class Writer(Client):
    """Refits, activates older versions and goes back until it is told to stop; every third change is rolled back."""

    def __init__(self, db):
        super().__init__(db, autocommit=False)
        self.stop, self.undone = threading.Event(), 0
        # Version and fingerprint of each commit, noted before it; and how many of them are known to have come through.
        self.history, self.committed = [], 0
        self.change(0)

    def change(self, turn):
        c, undo = self.connection, turn % 3 == 2
        # Refit, refit, an older version, the one before it; of each some are rolled back.
        if turn % 4 == 2:
            older = next(v for v, _ in reversed(self.history) if v != self.history[-1][0])
            c.execute("SELECT activate_model('w', %s, true, 'a test')", (older,))
        elif turn % 4 == 3:
            c.execute("SELECT rollback_model('w')")
        else:
            arguments = (7 if undo else 2 + turn % 5, turn)
            c.execute("SELECT count(*) FROM fit_segmentation('w', k => %s, seed => %s, force => true, reason => 'another k')", arguments)
        version, newest, fingerprint = c.execute(f"SELECT min(model_version), max(model_version), {FINGERPRINT} FROM w_segments AS s").fetchone()
        assert version == newest
        assert self.history == [] or (version, fingerprint) != self.history[-1], "this change would not show"
        if undo:
            c.rollback()
            self.undone += 1
        else:
            self.history.append((version, fingerprint))
            c.commit()
            self.committed += 1

    def work(self):
        turn = 1
        while not self.stop.is_set():
            self.change(turn)
            turn += 1
            # Without a rest the dead rows of thousands of refits would be most of what the readers read.
            self.stop.wait(0.1)


class Reader(Client):
    """Reads until all readers together have looked up enough; `done` is theirs. `setup` makes it another kind of reader; one with
    transactions of several statements keeps its first version."""

    def __init__(self, db, writer, done, setup=(), statements=1):
        super().__init__(db, prepare_threshold=1)
        self.writer, self.done, self.statements, self.seen = writer, done, statements, set()
        for statement in setup:
            self.connection.execute(statement)

    def work(self):
        turn = 0
        while sum(self.done) < LOOKUPS or self.writer.committed < 10 or turn < 2:
            turn += 1
            first, kept = self.writer.committed - 1, None
            if self.statements > 1:
                self.connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
            for _ in range(self.statements):
                self.done.append(self.look(turn % 4 == 0, first, kept))
                kept = self.last
            if self.statements > 1:
                self.connection.execute("COMMIT")

    def look(self, few, first, kept):
        count, version, newest, fingerprint, *same = self.connection.execute(FEW if few else ANSWER).fetchone()
        assert version == newest, "the rows of one statement are of two versions"
        assert same == [True, True, True], f"version {version}: the functions and the rows differ: {same}"
        # Whatever was committed since this statement was about to begin, and nothing before: the end of a commit is seen at once.
        since = self.writer.history[first:]
        assert version in [v for v, _ in since], f"version {version} is seen, committed were {since}"
        assert few or (version, fingerprint) in since, f"version {version} has labels of another one"
        assert kept in (None, version), "a repeatable read changed its version"
        self.seen.add(version)
        self.last = version
        return count


def workers(connection):
    """The setting that makes a query of any size run in a parallel worker."""
    return "debug_parallel_query" if connection.info.server_version >= 160000 else "force_parallel_mode"


def test_no_answer_mixes_versions(clients):
    writer = Writer(clients)
    parallel = [f"SET {workers(writer.connection)} = on"]
    kinds = [{}, {}, {}, {"setup": ["SET plan_cache_mode = force_generic_plan"]}, {"setup": parallel}]
    kinds += [{"statements": 4}, {"statements": 4}, {"setup": parallel, "statements": 3}]
    done = []
    readers = [Reader(clients, writer, done, **kind) for kind in kinds]
    assert len(readers) == READERS
    for client in [writer, *readers]:
        client.start()
    try:
        for reader in readers:
            reader.result()
    finally:
        writer.stop.set()
    writer.result()
    seen = set.union(*(reader.seen for reader in readers))
    print(f"{sum(done)} labels looked up by {READERS} clients, {len(seen)} versions seen, {writer.committed} changes of the model committed, {writer.undone} rolled back")
    assert sum(done) >= LOOKUPS
    assert len(seen) >= 5 and writer.undone >= 2, "too few changes came while the readers read"


def test_after_the_end_of_a_change(clients):
    """The next statement of every backend sees the commit of a refit, an activation or a return, and nothing of what was rolled back;
    a repeatable read sees neither."""
    writer = Writer(clients)
    backends = [clients.connect() for _ in range(READERS)]
    kept = clients.connect()
    kept.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
    first = kept.execute(ANSWER).fetchone()
    for turn in range(1, 13):
        before = writer.committed
        writer.change(turn)
        assert writer.committed == before + (turn % 3 != 2)
        for backend in backends:
            count, version, newest, fingerprint, *same = backend.execute(ANSWER).fetchone()
            assert (count, version, newest) == (ACCOUNTS, newest, version) and (version, fingerprint) == writer.history[-1]
            assert same == [True, True, True]
        assert kept.execute(ANSWER).fetchone() == first
    kept.execute("COMMIT")
    assert kept.execute(ANSWER).fetchone()[1] == writer.history[-1][0] > first[1]
    for connection in [*backends, kept, writer.connection]:
        connection.close()


def test_a_refit_that_dies_leaves_the_old_version(clients):
    """Terminated between the refit and its commit."""
    writer = Writer(clients)
    with clients.connect() as c:
        before = c.execute(ANSWER).fetchone()
        writer.connection.execute("SELECT count(*) FROM fit_segmentation('w', k => 7, force => true, reason => 'another k')")
        assert value(c, "SELECT pg_terminate_backend(%s, 10000)", writer.connection.info.backend_pid)
        with pytest.raises(psycopg.OperationalError):
            writer.connection.commit()
        assert c.execute(ANSWER).fetchone() == before
    writer.connection.close()
