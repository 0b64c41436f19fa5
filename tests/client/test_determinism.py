"""The same rows give the same bytes: whatever their order, the number of workers and the number of threads."""

import os
import re

from harness import rows, state_of, value

TRADES, ACCOUNTS = 240_000, 3_000
AGGREGATE = """SELECT account_id, account_profile(trade(executed_at, quantity, price, side, instrument => instrument, fee_usd => fee_usd, is_maker => is_maker))::text
               FROM {} GROUP BY account_id"""


def make(c):
    c.execute(
        f"""CREATE TABLE made AS
        SELECT i AS trade_id, abs(hashint8extended(i, 9) % {ACCOUNTS})::int AS account_id,
               timestamptz '2024-01-01+00' + i * interval '13.37 seconds' AS executed_at,
               (ARRAY['BTC', 'ETH', 'SOL', 'XRP', 'DOGE'])[1 + abs(hashint8(i)) % 5] AS instrument,
               (abs(hashint8extended(i, 1) % 100000) / 997.0)::float8 AS quantity, (10 + abs(hashint8extended(i, 2) % 100000) / 31.0)::float8 AS price,
               CASE WHEN hashint8extended(i, 3) % 3 = 0 THEN 'buy' ELSE 'sell' END AS side,
               (hashint8extended(i, 4) % 1000 / 333.0)::float8 AS fee_usd, hashint8extended(i, 5) % 4 = 0 AS is_maker
        FROM generate_series(1, {TRADES}) AS i"""
    )
    # The same rows in three physical orders.
    c.execute("CREATE TABLE t1 AS SELECT * FROM made ORDER BY trade_id")
    c.execute("CREATE TABLE t2 AS SELECT * FROM made ORDER BY hashint8extended(trade_id, 77)")
    c.execute("CREATE TABLE t3 AS SELECT * FROM made ORDER BY account_id, trade_id DESC")
    c.execute("DROP TABLE made")
    c.execute("ANALYZE")


def parallel(c, workers):
    # The fit computes on max_parallel_maintenance_workers threads.
    c.execute(f"SET max_parallel_workers_per_gather = {workers}; SET max_parallel_maintenance_workers = {workers}")
    c.execute(
        "SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0; SET parallel_leader_participation = on"
    )


def test_bytes_are_equal(db):
    with db.connect() as c:
        make(c)
        assert value(c, "SELECT count(*) FROM t2") > 200_000
        # "shuffled" means it: neighbours on disk are not neighbours in time
        assert value(c, "SELECT corr(a, b) FROM (SELECT trade_id AS a, lag(trade_id) OVER (ORDER BY ctid) AS b FROM t2) AS s") < 0.05

        profiles, states, launched, threads = None, None, {}, {}
        for workers in (0, 2, 4):
            parallel(c, workers)
            for table in ("t1", "t2", "t3"):
                plan = "\n".join(r[0] for r in rows(c, "EXPLAIN (ANALYZE, COSTS OFF) " + AGGREGATE.format(table)))
                if workers == 0:
                    assert "Partial" not in plan, plan
                else:
                    assert re.search(r"Partial (Hash|Group)?Aggregate", plan), plan
                    assert max(map(int, re.findall(r"Workers Launched: (\d+)", plan))) >= 1, plan
                got = sorted(rows(c, AGGREGATE.format(table)))
                assert len(got) == ACCOUNTS
                profiles = profiles or got
                assert got == profiles, f"profiles of {table} with {workers} workers differ"

                # The whole fit: the same name each time, so that even the provenance can be the same bytes.
                c.execute("SELECT count(*) FROM create_segmentation('s', %s::regclass)", (table,))
                logged = []
                handler = lambda notice: logged.append(notice.message_primary)
                c.add_notice_handler(handler)
                c.execute(
                    "LOAD 'auto_explain'; SET auto_explain.log_min_duration = 0; SET auto_explain.log_nested_statements = on; SET auto_explain.log_analyze = on; SET auto_explain.log_level = notice; SET client_min_messages = debug1"
                )
                segments = rows(
                    c,
                    "SELECT segment_id, segment, accounts, share::text, volume_share::text FROM fit_segmentation('s', k => 4, seed => 3) ORDER BY 1",
                )
                c.execute("SET auto_explain.log_min_duration = -1; SET client_min_messages = notice")
                c.remove_notice_handler(handler)
                # The statement inside the fit that reads the trades.
                [reading] = [text for text in logged if "profile_events(" in text and f" {table} t" in text and "GROUP BY 1, 2" in text]
                launched[workers] = sum(map(int, re.findall(r"Workers Launched: (\d+)", reading)))
                assert f"Parallel Seq Scan on {table}" in reading or workers == 0, reading
                threads[workers] = int(re.search(r"computing on (\d+) threads", "\n".join(logged))[1])
                got = [segments, *state_of(c, "s")]
                # Where the trades came from and when is not the model.
                got[-1] = re.sub(r'"(trades|table|source|fitted_at|created_at)":\s*"[^"]*",?', "", got[-1])
                c.execute("SELECT drop_segmentation('s')")
                states = states or got
                for mine, first, what in zip(got, states, ("segments", "profiles", "assignments", "model")):
                    assert mine == first, f"{what} of {table} with {workers} workers differ"
        print(f"{TRADES} trades, {ACCOUNTS} accounts, 3 physical orders: equal profiles, segments and models")
        print(f"parallel workers that read the trades inside fit_segmentation, by max_parallel_workers_per_gather: {launched}")
        print(f"threads of the fit, by max_parallel_maintenance_workers: {threads}")
        assert launched[0] == 0 and launched[2] >= 1 and launched[4] >= 1, launched
        assert threads[0] == 1 and (threads[2] == 2 or os.cpu_count() == 1), threads
