"""Every reader answers where nothing can be written: on a hot standby, in a read-only transaction, in a parallel worker."""

import psycopg
import pytest
from harness import Cluster, make_trades, rows, value

# Every function of the extension that is not VOLATILE; test_every_reader_is_here sees to it.
READERS = [
    "SELECT account_id, segment_of(account_id), segment_id_of(account_id) FROM (SELECT DISTINCT account_id FROM trades) AS t ORDER BY 1",
    "SELECT segment_of('acct_0121'), segment_id_of('acct_0121')",
    "SELECT segment_of('acct_0121', 'clients'), segment_id_of('acct_0121', 'clients')",
    "SELECT account_id, segment_of(account_id, 'clients', '2024-01-15+00'), segment_id_of(account_id, 'clients', '2024-01-15+00') FROM (SELECT DISTINCT account_id FROM trades) AS t ORDER BY 1",
    "SELECT segment_model('clients')::text, segment_model()::text, segment_model('clients', 1)::text",
    "SELECT export_model('clients', 1, 1)::text, export_model('clients', mask => true, min_accounts => 80)::text",
    "SELECT * FROM segmentation.events ORDER BY segmentation, number",
    "SELECT * FROM segmentation.segment_names ORDER BY 1, 2",
    "SELECT * FROM segmentation.segment_changes",
    "SELECT a, segment_margin(a, 'clients'), (segment_probabilities(a, 'clients')).* FROM (SELECT 'acct_0121'::text AS a) AS t",
    "SELECT account_id, s.* FROM (SELECT DISTINCT account_id FROM trades) AS t, segment_standing(account_id, 'clients') AS s ORDER BY 1",
    "SELECT * FROM explain_segment('acct_0121'::text, 'clients')",
    "SELECT (counterfactual_segment('acct_0121'::text, segment, 'clients')).* FROM (SELECT min(segment) AS segment FROM segmentation.segments WHERE segment <> segment_of('acct_0121')) AS t",
    "SELECT * FROM segment_rules('clients')",
    "SELECT segment_rules_sql('clients')",
    "SELECT * FROM segmentation.algorithms",
    "SELECT adjusted_mutual_information(ARRAY['a', 'a', 'b', 'c'], ARRAY['a', 'b', 'b', 'c']), variation_of_information(ARRAY['a', 'a', 'b', 'c'], ARRAY['a', 'b', 'b', 'c'])",
    "SELECT * FROM segment_profiles('clients') ORDER BY segment_id, feature",
    "SELECT * FROM segment_profiles('clients', 1) ORDER BY segment_id, feature",
    "SELECT item, object, status, source, detail FROM describe_segmentation('clients')",
    "SELECT * FROM segmentation.segmentations",
    "SELECT segmentation, version, active, accounts, k, silhouette, inertia, quality::text, provenance::text, model::text, created_at, created_by FROM segmentation.models",
    "SELECT * FROM segmentation.segments ORDER BY 1, 2, 3",
    "SELECT * FROM segmentation.features",
    "SELECT account, assign_segment(profile, segment_model('clients'), '2024-02-01+00') FROM whole ORDER BY 1",
    "SELECT account, assign_segment(v, segment_model('clients')), assign_segment(v, 'clients') FROM vectors ORDER BY 1",
    "SELECT account, assign_segment(j, segment_model('clients')), assign_segment(j, 'clients') FROM vectors ORDER BY 1",
    "SELECT account, segmentation.score(v, segment_model('clients')) FROM vectors ORDER BY 1",
    "SELECT account, (features(profile, '2024-02-01+00')).* FROM whole ORDER BY 1, 2",
    "SELECT account, feature(profile, 'volume_usd', '2024-02-01+00'), feature_vector(profile, ARRAY['hhi', 'trades'], '2024-02-01+00'), rejected_trades(profile) FROM whole ORDER BY 1",
    "SELECT account, rollup(profile)::text FROM clients_profiles WHERE span = 32 GROUP BY account ORDER BY 1",
    "SELECT (a.profile + b.profile)::text FROM whole AS a, whole AS b WHERE a.account < 'acct_0003' AND b.account < 'acct_0003' ORDER BY a.account, b.account",
    "SELECT account_id, account_profile(trade(executed_at, quantity, price, side, instrument => instrument))::text FROM trades GROUP BY 1 ORDER BY 1",
    "SELECT account_id, account_profile(trade(executed_at, quantity::numeric, price::numeric, side, instrument => instrument))::text FROM trades GROUP BY 1 ORDER BY 1",
    "SELECT md5(string_agg(t::text, '' ORDER BY trade_id)) FROM simulate_trades(accounts => 10, days => 3) AS t",
    "SELECT md5(string_agg(t::text, '' ORDER BY t::text)) FROM simulate_snapshots(accounts => 10, days => 3) AS t",
    "SELECT md5(string_agg(t::text, '' ORDER BY t::text)) FROM simulate_quotes(accounts => 10, days => 3) AS t",
    "SELECT md5(string_agg(t::text, '' ORDER BY t::text)) FROM simulate_prices(days => 3) AS t",
    "SELECT md5(string_agg(t::text, '' ORDER BY t::text)) FROM simulate_instruments(days => 3) AS t",
    "SELECT account, (allocation(profile)).*, allocation_key('BTC'), allocation_drift(profile, profile), trade_size_tdigest(profile) FROM whole ORDER BY 1, 2",
    "SELECT t, (parse_instrument(t)).* FROM unnest(ARRAY['BTC-PERPETUAL', 'BTC-27DEC24-100000-C', 'BTCUSDT', NULL]) AS t",
    "SELECT * FROM propose_leveraged_tokens(ARRAY['BTC3L', 'JUP']) ORDER BY 1",
    "SELECT account_profile(account_snapshot(timestamptz '2024-01-01+00' + i * interval '1 day', 100 + i))::text FROM generate_series(1, 40) AS i",
    "SELECT * FROM segmentation_features('clients', '2024-01-15 10:30+00') ORDER BY account",
    "SELECT count(*), sum(volume_usd) FROM segmentation_features()",
    "SELECT * FROM risk_appetite('clients', '2024-01-15 10:30+00') ORDER BY account, term",
    "SELECT * FROM rfm_scores('clients', '2024-01-15 10:30+00', cut_points => rfm_cut_points('clients', '2024-01-15 10:30+00')) ORDER BY account",
    "SELECT * FROM churn_labels('clients', '2024-01-10+00', 3) ORDER BY account",
    "SELECT adjusted_rand_index(array_agg(segment_of(account_id) ORDER BY account_id), array_agg((account_id < 'acct_0100')::text ORDER BY account_id)) FROM (SELECT DISTINCT account_id FROM trades) AS t",
]
WRITERS = [
    "SELECT fit_segmentation('clients', k => 2)",
    "SELECT create_segmentation('other', 'trades')",
    "SELECT drop_segmentation('clients')",
    "SELECT watch_segmentation('clients')",
    "SELECT unwatch_segmentation('clients')",
    "SELECT activate_model('clients', 1)",
    "SELECT rollback_model('clients')",
    "SELECT reject_model('clients', 1, 'a test')",
    "SELECT rename_segment('clients', 1, 'a test')",
    "SELECT alter_segmentation('clients', 0.1)",
    "SELECT import_model('clients', export_model('clients', 1, 1))",
]


def prepare(connection):
    make_trades(connection)
    rows(connection, "SELECT * FROM fit_segmentation('clients', k => 3)")
    connection.execute("CREATE VIEW whole AS SELECT account, rollup(profile) AS profile FROM clients_profiles WHERE span = 1 GROUP BY account")
    connection.execute(
        """CREATE VIEW vectors AS SELECT whole.account, feature_vector(profile, d.features, '2024-02-01+00') AS v,
           (SELECT jsonb_object_agg(feature, value) FROM features(profile, '2024-02-01+00') WHERE feature = ANY (d.features)) AS j
           FROM whole, segmentation.segmentations AS d WHERE d.name = 'clients'"""
    )
    stand_still(connection)


def stand_still(connection):
    """Two reads are compared whole, with the sizes of tables (describe_segmentation) and in the order of the plan: autovacuum would change
    both between the two (a free space map is 8 kB more). It is kept off every table, and what it would have done is done."""
    for (table,) in rows(
        connection,
        """SELECT c.oid::regclass::text FROM pg_class AS c WHERE relkind IN ('r', 'm') AND relpersistence = 'p'
           AND relnamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)""",
    ):
        connection.execute(f"ALTER TABLE {table} SET (autovacuum_enabled = off, toast.autovacuum_enabled = off)")
        connection.execute(f"VACUUM (ANALYZE) {table}")


def refused(connection, statement):
    with pytest.raises(psycopg.Error) as e:
        connection.execute(statement)
    return e.value.sqlstate


def test_every_reader_is_here(db):
    """A function that a user may call in a query and that writes nothing is in READERS."""
    with db.connect() as c:
        names = rows(
            c,
            """SELECT DISTINCT proname FROM pg_proc AS p JOIN pg_depend AS d ON d.objid = p.oid AND d.classid = 'pg_proc'::regclass AND d.deptype = 'e'
               WHERE d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'pg_segmentation') AND provolatile <> 'v' AND pronamespace <> 'segmentation'::regnamespace""",
        )
    text = " ".join(READERS)
    assert len(names) >= 14
    assert [name for (name,) in names if f"{name}(" not in text] == []


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
                    rows(c, "SELECT * FROM fit_segmentation('clients', k => 4, force => true, reason => 'another k')")
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
