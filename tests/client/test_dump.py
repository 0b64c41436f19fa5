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
    else:  # the schema first, then the data
        for part in ("--schema-only", "--data-only"):
            subprocess.run([b / "pg_dump", "-Fc", part, "-f", folder / "d", "-d", source.name], check=True)
            extra = ["--disable-triggers"] if part == "--data-only" else []
            subprocess.run([b / "pg_restore", "--exit-on-error", *extra, "-d", target.name, folder / "d"], check=True)


@pytest.mark.parametrize("way", ["plain", "custom, two jobs", "schema, then data"])
def test_dump_and_restore(db, way, tmp_path):
    with db.connect() as c:
        make_trades(c, accounts=2_000, count=40_000)
        rows(c, "SELECT * FROM fit_segmentation('clients', k => 4)")
        rows(c, "SELECT * FROM fit_segmentation('clients', k => 3)")
        c.execute("SELECT watch_segmentation('clients')")
        c.execute("CREATE MATERIALIZED VIEW v AS SELECT account_id, segment_of(account_id) AS segment FROM trades GROUP BY 1")
        labels = rows(c, "SELECT account_id, segment_of(account_id), segment_id_of(account_id) FROM trades GROUP BY 1 ORDER BY 1")
        before = state_of(c)
        versions = rows(c, "SELECT version FROM segmentation.models ORDER BY 1")
        assert len(versions) == 2 and len(labels) == 2_000

    restored = Database(extension=False)
    try:
        dump_and_restore(db, restored, way, tmp_path)
        with restored.connect() as c:
            assert state_of(c) == before
            assert (
                rows(c, "SELECT account_id, segment_of(account_id), segment_id_of(account_id) FROM trades GROUP BY 1 ORDER BY 1") == labels
            )
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
            rows(c, "SELECT * FROM fit_segmentation('clients', k => 2)")
            assert rows(c, "SELECT version FROM segmentation.models ORDER BY 1") == versions + [(3,)]
            make_trades(c, table="more", name="more", count=1000, accounts=50)
            rows(c, "SELECT * FROM fit_segmentation('more', k => 2)")
    finally:
        restored.drop()
