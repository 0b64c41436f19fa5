"""Values on the wire: binary in and out without loss, malformed bytes refused without harm."""

import random

import psycopg
from harness import LONG, make_trades, rows, value


def test_binary_copy(db):
    with db.connect() as c:
        make_trades(c, count=3_000, accounts=60)
        rows(c, "SELECT * FROM fit_segmentation('clients', k => 2)")
        c.execute("CREATE TABLE copied (LIKE clients_profiles)")
        with c.cursor().copy("COPY clients_profiles TO STDOUT (FORMAT binary)") as out:
            data = b"".join(bytes(block) for block in out)
        with c.cursor().copy("COPY copied FROM STDIN (FORMAT binary)") as into:
            into.write(data)
        assert value(c, "SELECT count(*) FROM copied") == value(c, "SELECT count(*) FROM clients_profiles") > 0
        same = "SELECT account, span, start, profile::text FROM {} ORDER BY 1, 2, 3"
        assert rows(c, same.format("copied")) == rows(c, same.format("clients_profiles"))

        c.execute(
            "CREATE TABLE trade_values AS SELECT trade(executed_at, quantity, price, side, instrument => instrument) AS t FROM trades LIMIT 100"
        )
        c.execute("CREATE TABLE trade_copied (LIKE trade_values)")
        with c.cursor().copy("COPY trade_values TO STDOUT (FORMAT binary)") as out:
            data = b"".join(bytes(block) for block in out)
        with c.cursor().copy("COPY trade_copied FROM STDIN (FORMAT binary)") as into:
            into.write(data)
        assert rows(c, "SELECT t::text FROM trade_copied ORDER BY 1") == rows(c, "SELECT t::text FROM trade_values ORDER BY 1")


def test_damaged_bytes(db):
    """Any single-byte change of a binary profile or trade is refused, or is a valid value; the server never falls."""
    random.seed(3)
    with db.connect() as c:
        make_trades(c, count=2_000, accounts=4)
        c.execute(
            "CREATE TABLE p AS SELECT account_profile(trade(executed_at, quantity, price, side, instrument => instrument)) AS v FROM trades WHERE account_id = 'acct_0001'"
        )
        c.execute(
            "CREATE TABLE s AS SELECT account_profile(trade(executed_at, quantity, price, side, instrument => instrument)) AS v FROM trades WHERE account_id = 'acct_0001' AND trade_id < 20"
        )
        c.execute("CREATE TABLE t AS SELECT trade(executed_at, quantity, price, side, instrument => instrument) AS v FROM trades LIMIT 1")
        accepted = refused = 0
        for table in ("p", "s", "t"):
            with c.cursor().copy(f"COPY {table} TO STDOUT (FORMAT binary)") as out:
                data = b"".join(bytes(block) for block in out)
            # 19 bytes of header, a count of columns, a length; then the value; then the end mark.
            first, last = 19 + 2 + 4, len(data) - 2
            for _ in range(5_000 if LONG else 300):
                damaged = bytearray(data)
                damaged[random.randrange(first, last)] ^= 1 << random.randrange(8)
                try:
                    with c.cursor().copy(f"COPY {table} FROM STDIN (FORMAT binary)") as into:
                        into.write(bytes(damaged))
                except psycopg.Error as e:
                    assert e.sqlstate and e.sqlstate[:2] in ("22", "54") or e.sqlstate == "XX001", (e.sqlstate, str(e))
                    refused += 1
                else:
                    accepted += 1
            if table != "t":
                rows(c, f"SELECT features(v, '2024-06-01+00') FROM {table}")
                rows(c, f"SELECT rollup(v)::text FROM {table}")
            rows(c, f"SELECT v::text FROM {table}")
        print(f"{refused} refused, {accepted} accepted")
        # Most bits are those of numbers, where any other bit is another number; the others are found out.
        assert refused > 50 and accepted > 0


def test_model_round_trip_against_numpy(db):
    """assign_segment against scikit-learn's nearest centre, on standardised data and k-means of its own."""
    import numpy as np
    from sklearn.cluster import KMeans
    from sklearn.metrics import adjusted_rand_score
    from sklearn.preprocessing import StandardScaler

    rng = np.random.default_rng(5)
    centres = rng.normal(size=(5, 6)) * 6
    x = np.vstack([centre + rng.normal(size=(200, 6)) for centre in centres]) * np.array([1, 10, 100, 1e-3, 1, 1e4])
    with db.connect() as c:
        c.execute("CREATE TABLE f (id int, a float8, b float8, c float8, d float8, e float8, f float8)")
        with c.cursor().copy("COPY f FROM STDIN") as copy:
            for i, row in enumerate(x.tolist()):
                copy.write_row((i, *row))
        rows(c, "SELECT * FROM create_segmentation('s', features => 'f', account => 'id')")
        rows(
            c,
            """SELECT * FROM fit_segmentation('s', k => 5, preparation => '{"transform": "identity", "winsorise": null, "scale": "standard", "weights": null, "pca": null, "correlated": null}')""",
        )
        ours = [r[0] for r in rows(c, "SELECT segment_id_of(id) FROM f ORDER BY id")]
        scaler = StandardScaler().fit(x)
        theirs = KMeans(5, n_init=10, random_state=0).fit(scaler.transform(x))
        assert adjusted_rand_score(ours, theirs.labels_) == 1.0
        assert abs(value(c, "SELECT (segment_model('s')::text::jsonb #>> '{quality,inertia}')::float8") / theirs.inertia_ - 1) < 1e-9

        names = {theirs.labels_[i]: value(c, "SELECT segment_of(%s)", i) for i in range(len(x))}
        new = x[rng.integers(len(x), size=500)] + rng.normal(size=(500, 6)) * x.std(axis=0) * 0.5
        expected = [names[label] for label in theirs.predict(scaler.transform(new))]
        got = [value(c, "SELECT assign_segment(%s::float8[], segment_model('s'))", row.tolist()) for row in new]
        assert got == expected
