"""Every reader answers where nothing can be written: on a hot standby, in a read-only transaction, in a parallel worker."""

import psycopg
import pytest
from harness import Cluster, make_trades, rows, value

READERS = [
    "SELECT account_id, segment_of(account_id), segment_id_of(account_id) FROM (SELECT DISTINCT account_id FROM trades) AS t ORDER BY 1",
    "SELECT segment_of('acct_0121')",
    "SELECT segment_of('acct_0121', 'clients')",
    "SELECT segment_model('clients')::text, segment_model()::text, segment_model('clients', 1)::text",
    "SELECT * FROM segment_profiles('clients') ORDER BY segment_id, feature",
    "SELECT * FROM describe_segmentation('clients')",
    "SELECT * FROM segmentation.segmentations",
    "SELECT * FROM segmentation.models",
    "SELECT * FROM segmentation.segments ORDER BY 1, 2",
    "SELECT * FROM segmentation.features",
    "SELECT account, assign_segment(rollup(profile), segment_model('clients'), '2024-02-01+00') FROM clients_profiles WHERE span = 1 GROUP BY account ORDER BY 1",
    "SELECT account, (features(profile, '2024-02-01+00')).* FROM clients_profiles WHERE account < 'acct_0003' ORDER BY account, span, start, 4",
    "SELECT account_id, account_profile(trade(executed_at, quantity, price, side, instrument => instrument))::text FROM trades GROUP BY 1 ORDER BY 1",
    "SELECT count(*) FROM simulate_trades(accounts => 10, days => 3)",
]
WRITERS = [
    "SELECT fit_segmentation('clients', k => 2)",
    "SELECT create_segmentation('other', 'trades')",
    "SELECT drop_segmentation('clients')",
    "SELECT watch_segmentation('clients')",
    "SELECT unwatch_segmentation('clients')",
]


def prepare(connection):
    make_trades(connection)
    rows(connection, "SELECT * FROM fit_segmentation('clients', k => 3)")


def refused(connection, statement):
    with pytest.raises(psycopg.Error) as e:
        connection.execute(statement)
    return e.value.sqlstate


def test_hot_standby():
    with Cluster() as primary:
        with primary.connect() as c:
            c.execute("CREATE EXTENSION pg_segmentation")
            prepare(c)
            expected = [rows(c, reader) for reader in READERS]
        standby = primary.standby()
        try:
            standby.wait_for_replay(primary)
            with standby.connect() as s:
                assert value(s, "SELECT pg_is_in_recovery()")
                for reader, answer in zip(READERS, expected):
                    assert rows(s, reader) == answer, reader
                for writer in WRITERS:
                    assert refused(s, writer) == "25006", writer
                # A refit on the primary arrives as a whole, also where a model was cached.
                with primary.connect() as c:
                    rows(c, "SELECT * FROM fit_segmentation('clients', k => 4)")
                    expected = rows(c, READERS[0])
                standby.wait_for_replay(primary)
                assert rows(s, READERS[0]) == expected
        finally:
            standby.remove()


def test_read_only_transaction(db):
    with db.connect() as c:
        prepare(c)
        expected = [rows(c, reader) for reader in READERS]
        before = value(c, "SELECT pg_current_xact_id_if_assigned()::text")
        c.execute("SET default_transaction_read_only = on")
        for reader, answer in zip(READERS, expected):
            assert rows(c, reader) == answer, reader
        for writer in WRITERS:
            assert refused(c, writer) == "25006", writer
        assert before is None


def test_readers_take_no_transaction_id(db):
    with db.connect() as c:
        prepare(c)
        for reader in READERS:
            with c.transaction():
                rows(c, reader)
                assert value(c, "SELECT pg_current_xact_id_if_assigned()::text") is None, reader


def test_parallel_worker(db):
    with db.connect() as c:
        prepare(c)
        expected = [rows(c, reader) for reader in READERS]
        name = "debug_parallel_query" if value(c, "SHOW server_version_num") >= "160000" else "force_parallel_mode"
        for mode in ("regress", "on"):
            c.execute(f"SET {name} = {mode}")
            for reader, answer in zip(READERS, expected):
                assert rows(c, reader) == answer, reader
        # The worker is really there, and the reader runs in it.
        c.execute("SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0")
        plan = "\n".join(
            r[0]
            for r in rows(
                c,
                "EXPLAIN (ANALYZE, VERBOSE, COSTS OFF) SELECT segment_of(account_id) FROM trades WHERE segment_of(account_id) IS NOT NULL",
            )
        )
        assert "Workers Launched: 0" not in plan and "Workers Launched" in plan, plan
        assert "segment_of" in plan.split("Gather", 1)[1], plan
