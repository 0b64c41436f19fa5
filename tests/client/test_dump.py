"""Models survive pg_dump: the restored database answers byte for byte the same, and goes on from there."""

import subprocess

import pytest
from harness import Database, make_trades, pg_bin, rows, state_of, value


def dump_and_restore(source, target, way, folder):
    b = pg_bin()
    if way == "plain":
        text = subprocess.run([b / "pg_dump", "-d", source.name], check=True, capture_output=True).stdout
        subprocess.run(
            [b / "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", target.name], input=text, check=True, stdout=subprocess.DEVNULL
        )
    elif way == "custom, two jobs":
        subprocess.run([b / "pg_dump", "-Fc", "-f", folder / "d", "-d", source.name], check=True)
        subprocess.run([b / "pg_restore", "-j2", "--exit-on-error", "-d", target.name, folder / "d"], check=True)
    elif way == "directory, two jobs each":
        subprocess.run([b / "pg_dump", "-Fd", "-j2", "-f", folder / "dir", "-d", source.name], check=True)
        subprocess.run([b / "pg_restore", "-j2", "--exit-on-error", "-d", target.name, folder / "dir"], check=True)
    else:  # the schema first, then the data
        for part in ("--schema-only", "--data-only"):
            subprocess.run([b / "pg_dump", "-Fc", part, "-f", folder / "d", "-d", source.name], check=True)
            extra = ["--disable-triggers"] if part == "--data-only" else []
            subprocess.run([b / "pg_restore", "--exit-on-error", *extra, "-d", target.name, folder / "d"], check=True)


WAYS = ["plain", "custom, two jobs", "directory, two jobs each", "schema, then data"]


def answers(c):
    """What a reader is told of every account, as text: every digit counts. The accounts are those of the trades."""
    accounts = "(SELECT DISTINCT account_id AS a FROM trades) AS t"
    of_each = [
        f"SELECT a, segment_of(a), segment_id_of(a), segment_margin(a) FROM {accounts} ORDER BY a",
        f"SELECT a, e::text FROM {accounts}, explain_segment(a) WITH ORDINALITY AS e ORDER BY a, ordinality",
        f"SELECT a, p::text FROM {accounts}, segment_probabilities(a) AS p ORDER BY a, p",
        "SELECT version, segment_model('clients', version)::text FROM segmentation.models ORDER BY version",
    ]
    return [rows(c, statement) for statement in of_each]


def life_of(connection) -> list:
    """What is recorded beside the models."""
    return [
        rows(connection, "SELECT number, version, event, from_state, to_state, at, by, login, reason, details::text FROM segmentation.events ORDER BY 1"),
        rows(connection, "SELECT * FROM segmentation.segment_names ORDER BY 1, 2"),
        rows(connection, "SELECT segment FROM segmentation.segments WHERE renamed_by_user"),
        rows(connection, "SELECT version, state, hash FROM segmentation.models ORDER BY 1"),
        rows(connection, "SELECT version, export_model('clients', version, 1)::text FROM segmentation.models ORDER BY 1"),
    ]


@pytest.mark.parametrize("way", WAYS)
def test_dump_and_restore(db, way, tmp_path):
    with db.connect() as c:
        make_trades(c, accounts=2_000, count=40_000)
        rows(c, "SELECT * FROM fit_segmentation('clients', k => 4)")
        rows(c, "SELECT * FROM fit_segmentation('clients', k => 3, force => true, reason => 'another k')")
        rows(c, "SELECT rename_segment('clients', (SELECT min(segment_id) FROM segmentation.segments), 'renamed')")
        c.execute("SELECT watch_segmentation('clients')")
        c.execute("CREATE MATERIALIZED VIEW v AS SELECT account_id, segment_of(account_id) AS segment FROM trades GROUP BY 1")
        told = answers(c)
        labels, explained = told[0], told[1]
        before = state_of(c)
        life = life_of(c)
        assert life[2] == [("renamed",)] and len(life[0]) == 8
        versions = rows(c, "SELECT version FROM segmentation.models ORDER BY 1")
        assert len(versions) == 2 and len(labels) == 2_000 and len(explained) >= 2_000

    restored = Database(extension=False)
    try:
        dump_and_restore(db, restored, way, tmp_path)
        with restored.connect() as c:
            assert state_of(c) == before
            assert answers(c) == told
            assert life_of(c) == life
            if way == "schema, then data":  # a dump of data alone does not fill materialized views
                c.execute("REFRESH MATERIALIZED VIEW v")
            assert rows(c, "SELECT account_id, segment FROM v ORDER BY 1") == [r[:2] for r in labels]
            assert rows(c, "SELECT version FROM segmentation.models ORDER BY 1") == versions
            # It goes on: the watch fires once, the next model gets the next number, a new segmentation a new id.
            c.execute("INSERT INTO trades VALUES (900001, 'acct_0001', '2024-03-01+00', 'BTC', 5, 100, 'buy')")
            assert (
                value(
                    c,
                    "SELECT sum(feature(profile, 'trades', '2024-04-01+00')) FROM clients_profiles WHERE account = 'acct_0001' AND span = 1 AND start = '2024-03-01'",
                )
                == 1
            )
            rows(c, "SELECT * FROM fit_segmentation('clients', k => 2, activate => false)")
            assert rows(c, "SELECT version FROM segmentation.models ORDER BY 1") == versions + [(3,)]
            assert value(c, "SELECT max(number) FROM segmentation.events WHERE segmentation = 'clients'") == 9
            assert value(c, "SELECT rollback_model('clients')") == 1
            make_trades(c, table="more", name="more", count=1000, accounts=50)
            rows(c, "SELECT * FROM fit_segmentation('more', k => 2)")
    finally:
        restored.drop()


@pytest.mark.parametrize("way", WAYS)
def test_sources_survive(db, way, tmp_path):
    """What is declared beside the trades names relations, also renamed ones and those of other schemas."""
    with db.connect() as c:
        c.execute(
            """CREATE SCHEMA "the venue";
               CREATE TABLE trades AS SELECT * FROM simulate_trades(30, 20);
               ALTER TABLE trades DROP COLUMN archetype;
               CREATE TABLE "the venue".instruments AS SELECT * FROM simulate_instruments(20);
               CREATE TABLE prices AS SELECT * FROM simulate_prices(20);
               CREATE TABLE tiers AS SELECT DISTINCT account_id, right(account_id, 1)::int AS tier, left(account_id, 6) AS region FROM trades;
               CREATE VIEW snapshots AS SELECT * FROM simulate_snapshots(30, 20)"""
        )
        rows(
            c,
            """SELECT * FROM create_segmentation('clients', 'trades', sources => '{"instruments": {"relation": "\\"the venue\\".instruments", "parse": "auto"},
               "prices": "prices", "snapshots": "snapshots", "attributes": {"relation": "tiers", "columns": ["tier", "region"], "weights": {"tier": 2}}}')""",
        )
        c.execute("ALTER TABLE prices RENAME TO index_prices")
        rows(c, "SELECT * FROM fit_segmentation('clients', k => 3)")
        before = state_of(c)
        sources = rows(c, "SELECT segmentation, role, relation::text, columns, options FROM segmentation.sources ORDER BY role")
        wide = rows(c, "SELECT f::text FROM segmentation_features('clients', '2024-01-15+00') AS f ORDER BY account")
        assert len(sources) == 4 and len(wide) > 20
    restored = Database(extension=False)
    try:
        dump_and_restore(db, restored, way, tmp_path)
        with restored.connect() as c:
            assert state_of(c) == before
            assert rows(c, "SELECT segmentation, role, relation::text, columns, options FROM segmentation.sources ORDER BY role") == sources
            assert rows(c, "SELECT f::text FROM segmentation_features('clients', '2024-01-15+00') AS f ORDER BY account") == wide
            rows(c, "SELECT * FROM fit_segmentation('clients', k => 3)")
            assert state_of(c)[0] == before[0]
    finally:
        restored.drop()
