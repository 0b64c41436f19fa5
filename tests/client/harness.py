"""Servers, databases and connections for the client tests.

tests/run starts one cluster and passes PGHOST, PGPORT and PGUSER. A test that stops, breaks or replicates a server starts its own.
"""

import os
import re
import shutil
import subprocess
import tempfile
import uuid
from pathlib import Path

import psycopg

ROOT = Path(__file__).resolve().parents[2]
CLUSTER = ROOT / "scripts" / "cluster"
LONG = bool(os.environ.get("PGSEG_LONG"))
# What the log gate of tests/run looks for, too.
CRASH = re.compile(r"panicked at|XX000|PANIC:|terminated by signal")


def pg_bin() -> Path:
    pg_config = os.environ.get("PG_CONFIG", "pg_config")
    return Path(subprocess.check_output([pg_config, "--bindir"], text=True).strip())


class Cluster:
    """A throw-away cluster. With logged=True its log goes to the run's log gate when it is removed."""

    def __init__(self, *settings: str, logged: bool = True, _dir: str | None = None):
        self.logged = logged
        self.dir = Path(_dir or tempfile.mkdtemp(prefix="pgseg-client."))
        self.settings = settings
        self.port = 54321

    def start(self) -> "Cluster":
        subprocess.run([CLUSTER, "start", self.dir, *self.settings], check=True)
        self.settings = ()  # they are in its configuration now
        return self

    def stop(self, mode: str = "fast") -> None:
        subprocess.run([CLUSTER, "stop", self.dir, mode], check=True)

    def run(self, *command) -> None:
        """Runs a command as the user who owns the cluster (root cannot run a server)."""
        subprocess.run([CLUSTER, "run", self.dir, *map(str, command)], check=True)

    def standby(self) -> "Cluster":
        """A hot standby of this cluster, started and connected."""
        copy = Cluster(logged=self.logged)
        shutil.chown(copy.dir, Path(self.dir).owner())
        self.run(
            pg_bin() / "pg_basebackup",
            "-h",
            self.dir,
            "-p",
            self.port,
            "-U",
            "postgres",
            "-D",
            copy.dir / "data",
            "-R",
            "-X",
            "stream",
            "-c",
            "fast",
        )
        copy.settings = (f"unix_socket_directories={copy.dir}", "hot_standby=on")
        return copy.start()

    def wait_for_replay(self, primary: "Cluster") -> None:
        with primary.connect() as p, self.connect() as s:
            target = p.execute("SELECT pg_current_wal_insert_lsn()").fetchone()[0]
            p.execute("CHECKPOINT")  # a record beyond the target, so that replay passes it
            for _ in range(600):
                if s.execute("SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn", (target,)).fetchone()[0]:
                    return
                s.execute("SELECT pg_sleep(0.05)")
        raise AssertionError("the standby did not catch up in 30 s")

    def connect(self, dbname: str = "postgres", **options) -> psycopg.Connection:
        options.setdefault("autocommit", True)
        return psycopg.connect(host=str(self.dir), port=self.port, user="postgres", dbname=dbname, **options)

    def log(self) -> str:
        path = self.dir / "server.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def remove(self) -> None:
        logs = os.environ.get("PGSEG_LOGS")
        if self.logged and logs:
            (Path(logs) / f"{self.dir.name}.log").write_text(self.log())
        subprocess.run([CLUSTER, "remove", self.dir], check=True)

    def __enter__(self) -> "Cluster":
        return self.start()

    def __exit__(self, *_) -> None:
        self.remove()


class Database:
    """A database of its own on the shared cluster, with the extension in it."""

    def __init__(self, extension: bool = True):
        self.name = "t_" + uuid.uuid4().hex[:12]
        with psycopg.connect(dbname="postgres", autocommit=True) as c:
            c.execute(f"CREATE DATABASE {self.name}")
        if extension:
            with self.connect() as c:
                c.execute("CREATE EXTENSION pg_segmentation")

    def connect(self, **options) -> psycopg.Connection:
        options.setdefault("autocommit", True)
        return psycopg.connect(dbname=self.name, **options)

    def drop(self) -> None:
        with psycopg.connect(dbname="postgres", autocommit=True) as c:
            c.execute(f"DROP DATABASE {self.name} WITH (FORCE)")


def rows(connection, statement, *parameters):
    return connection.execute(statement, parameters or None).fetchall()


def value(connection, statement, *parameters):
    return connection.execute(statement, parameters or None).fetchone()[0]


def make_trades(connection, table="trades", count=20_000, accounts=200, name="clients") -> None:
    """A trade table of random trades, larger accounts having larger tickets, and a segmentation over it."""
    connection.execute(
        f"""CREATE TABLE {table} AS
        SELECT i AS trade_id, 'acct_' || lpad((i % {accounts})::text, 4, '0') AS account_id,
               timestamptz '2024-01-01+00' + i * interval '90 seconds' AS executed_at,
               (ARRAY['BTC', 'ETH', 'SOL', 'XRP'])[1 + (hashint8(i) & 3)] AS instrument,
               (1 + abs(hashint8extended(i, 1) % 1000) / 100.0)::float8 AS quantity,
               (100 + i % {accounts} % 4 * 900)::float8 AS price,
               CASE WHEN abs(hashint8(i + 7)) % (2 + i % {accounts} % 3) = 0 THEN 'buy' ELSE 'sell' END AS side
        FROM generate_series(1, {count}) AS i"""
    )
    connection.execute("SELECT count(*) FROM create_segmentation(%s, %s::regclass)", (name, table))


def state_of(connection, segmentation="clients") -> list:
    """Everything that a fit stores and a reader sees, as text, in a fixed order."""
    return [
        rows(connection, f"SELECT account::text, span, start, profile::text FROM {segmentation}_profiles ORDER BY 1, 2, 3"),
        rows(connection, f"SELECT account::text, segment_id, segment, margin::text, model_version FROM {segmentation}_segments ORDER BY 1"),
        value(connection, "SELECT segment_model(%s)::text", segmentation),
    ]
