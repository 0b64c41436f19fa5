"""kill -9 in the middle of a fit: the server recovers and holds no half model."""

import os
import random
import signal
import threading
import time

import psycopg
from harness import CRASH, LONG, Cluster, make_trades, rows, state_of, value


def wait_until_up(cluster, kills):
    """The server has noticed every kill and answers again. Right after a kill it may still answer as if nothing was."""
    for _ in range(200):
        try:
            if cluster.log().count("all server processes terminated; reinitializing") < kills:
                raise psycopg.OperationalError("the kill is not noticed yet")
            with cluster.connect() as c:
                c.execute("SELECT 1")
                return
        except psycopg.OperationalError:
            time.sleep(0.05)
    raise AssertionError("the server did not come back in 10 s")


def test_kill_a_fitting_backend():
    random.seed(2)
    kills = 0
    # fsync as in production. The log holds our own kills, so it is checked here and not by the gate of the run.
    cluster = Cluster("fsync=on", logged=False)
    with cluster:
        with cluster.connect() as c:
            c.execute("CREATE EXTENSION pg_segmentation")
            make_trades(c, count=200_000, accounts=20_000)
            rows(c, "SELECT * FROM fit_segmentation('clients', k => 3)")
            c.execute("SELECT watch_segmentation('clients')")
            before = state_of(c)
        for _ in range(25 if LONG else 4):
            c = cluster.connect()
            pid = c.info.backend_pid
            done = []

            def fit():
                try:
                    rows(c, "SELECT * FROM fit_segmentation('clients', k => 5, force => true, reason => 'another k')")
                    done.append(True)
                except psycopg.Error:
                    done.append(False)

            thread = threading.Thread(target=fit)
            thread.start()
            time.sleep(random.uniform(0.01, 0.6))
            os.kill(pid, signal.SIGKILL)
            kills += 1
            thread.join(20)
            wait_until_up(cluster, kills)
            with cluster.connect() as again:
                if done == [True]:  # the fit had committed: then all of it must be there
                    assert value(again, "SELECT count(DISTINCT segment_id) FROM clients_segments") == 5
                    before = state_of(again)
                else:
                    assert state_of(again) == before
                assert (
                    value(
                        again,
                        "SELECT count(*) FROM clients_segments AS s WHERE NOT EXISTS (SELECT FROM segmentation.models AS m WHERE m.version = s.model_version)",
                    )
                    == 0
                )
                again.execute("INSERT INTO trades VALUES (%s, 'acct_0001', '2025-01-01+00', 'BTC', 5, 100, 'buy')", (10_000_000 + kills,))
                before = state_of(again)
        crashes = [line for line in cluster.log().splitlines() if CRASH.search(line)]
        assert len(crashes) == kills and all("terminated by signal 9" in line for line in crashes), crashes
