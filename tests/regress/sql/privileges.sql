-- Who may do what. Nothing runs with more rights than the caller has, but for the trigger, which must not fail an insert.
CREATE ROLE seg_owner; CREATE ROLE seg_app; CREATE ROLE seg_reader; CREATE ROLE seg_nobody;
CREATE SCHEMA priv AUTHORIZATION seg_owner;
GRANT USAGE ON SCHEMA priv TO seg_app, seg_reader, seg_nobody;
SET SESSION AUTHORIZATION seg_owner;
SET search_path = priv, public;
CREATE TABLE priv_t (trade_id bigint PRIMARY KEY, account_id int, executed_at timestamptz, quantity float8, price float8, side text);
INSERT INTO priv_t SELECT i, i % 30, timestamptz '2024-01-01+00' + i * interval '20 minutes', 1 + i % 30 * test.rnd(i, 'q'), 100, 'buy' FROM generate_series(1, 3000) AS i;
SELECT 'an ordinary role can do it all' AS test, count(*) > 0 AS ok FROM create_segmentation('p', 'priv_t');
SELECT 'fit' AS test, sum(accounts) = 30 AS ok FROM fit_segmentation('p', k => 2);
SELECT 'watch' AS test, watch_segmentation('p') IS NOT NULL AS ok;
GRANT INSERT ON priv_t TO seg_app;
GRANT SELECT ON p_segments TO seg_reader;

-- May insert, and nothing else: the insert works and moves the account.
SET SESSION AUTHORIZATION seg_app;
INSERT INTO priv.priv_t SELECT 10000 + i, 7, timestamptz '2024-02-12+00' + i * interval '1 minute', 9000, 100, 'buy' FROM generate_series(1, 50) AS i;
SELECT 'the inserter cannot read trades' AS test, state = '42501' AS ok FROM test.error_of('SELECT count(*) FROM priv.priv_t');
SELECT 'nor segments' AS test, state = '42501' AS ok FROM test.error_of($$SELECT segment_of(7, 'p')$$);
SELECT 'nor change them' AS test, state = '42501' AS ok FROM test.error_of($$UPDATE priv.p_segments SET segment = 'x'$$);

SET SESSION AUTHORIZATION seg_owner;
SELECT 'its insert was counted' AS test, sum(feature(profile, 'trades', '2024-03-01+00')) = 50 AS ok FROM priv.p_profiles WHERE account = 7 AND span = 1 AND start = '2024-02-12';

SET SESSION AUTHORIZATION seg_reader;
SELECT 'SELECT on the segments is enough to ask' AS test, segment_of(7, 'p') IS NOT NULL AS ok;
SELECT 'but not to fit' AS test, state = '42501' AS ok FROM test.error_of($$SELECT * FROM fit_segmentation('p')$$);
SELECT 'nor to drop' AS test, state = '42501' AS ok FROM test.error_of($$SELECT drop_segmentation('p')$$);
SELECT 'nor to watch' AS test, state = '42501' AS ok FROM test.error_of($$SELECT unwatch_segmentation('p')$$);

SET SESSION AUTHORIZATION seg_nobody;
SELECT 'no right, no answer' AS test, state = '42501' AS ok FROM test.error_of($$SELECT segment_of(7, 'p')$$);
SELECT 'no right to the trades, no segmentation' AS test, state = '42501' AS ok FROM test.error_of($$SELECT * FROM create_segmentation('mine', 'priv.priv_t')$$);
SELECT 'the catalogue cannot be written' AS test, bool_and(NOT has_table_privilege(c.oid, 'INSERT') AND NOT has_table_privilege(c.oid, 'UPDATE') AND NOT has_table_privilege(c.oid, 'DELETE')) AS ok
FROM pg_class AS c WHERE relnamespace = 'segmentation'::regnamespace AND relkind IN ('r', 'v', 'p');

-- A segmentation that is hidden is hidden by name, too; to whom it is shown, its models are not without its attributes.
SET SESSION AUTHORIZATION seg_owner;
CREATE TABLE priv.priv_a AS SELECT DISTINCT account_id, account_id % 3 AS tier FROM priv.priv_t;
SELECT 'with attributes' AS test, count(*) > 0 AS ok FROM create_segmentation('with_tiers', 'priv_t', sources => '{"attributes": {"relation": "priv_a", "columns": ["tier"]}}');
SELECT 'fit' AS test, sum(accounts) = 30 AS ok FROM fit_segmentation('with_tiers', k => 2);
SELECT 'the owner reads all' AS test, segment_model('with_tiers') IS NOT NULL AND NOT EXISTS (SELECT FROM segmentation.hidden_attributes) AS ok;
GRANT SELECT ON priv.with_tiers_profiles TO seg_reader, seg_nobody;
GRANT SELECT ON priv.with_tiers_segments TO seg_reader;
SET SESSION AUTHORIZATION seg_nobody;
SELECT 'no right, no name' AS test, count(*) = 0 AS ok FROM segmentation.hidden_attributes;
SELECT 'nor a model' AS test, state = '42501' AS ok FROM test.error_of($$SELECT segment_model('with_tiers')$$);
SELECT 'nor its row' AS test, count(*) = 0 AS ok FROM segmentation.models;
SET SESSION AUTHORIZATION seg_reader;
SELECT 'segments, but not attributes' AS test, array_agg(segmentation) = '{with_tiers}' AS ok FROM segmentation.hidden_attributes;
SELECT 'no model' AS test, state = '42501' AS ok FROM test.error_of($$SELECT segment_model('with_tiers')$$);
SELECT 'no row of it' AS test, count(*) = 0 AS ok FROM segmentation.models WHERE segmentation = 'with_tiers';
SET SESSION AUTHORIZATION seg_owner;
GRANT SELECT ON priv.priv_a TO seg_reader;
SET SESSION AUTHORIZATION seg_reader;
SELECT 'with the attributes' AS test, segment_model('with_tiers') IS NOT NULL AND NOT EXISTS (SELECT FROM segmentation.hidden_attributes) AS ok;
SET SESSION AUTHORIZATION seg_owner;
SELECT drop_segmentation('with_tiers');
DROP TABLE priv.priv_a;

-- A warm call site asks again after SET ROLE.
SET SESSION AUTHORIZATION seg_owner;
PREPARE ask AS SELECT segment_of(7, 'p') IS NOT NULL AS ok;
EXECUTE ask;
SET SESSION AUTHORIZATION seg_nobody;
SELECT 'a prepared statement, another role' AS test, state = '42501' AS ok FROM test.error_of('EXECUTE ask');

-- Row-level security of the segments holds in segment_of.
SET SESSION AUTHORIZATION seg_owner;
ALTER TABLE priv.p_segments ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON priv.p_segments FOR SELECT TO seg_reader USING (account < 5);
SET SESSION AUTHORIZATION seg_reader;
SELECT 'row-level security' AS test, segment_of(3, 'p') IS NOT NULL AND segment_of(7, 'p') IS NULL AS ok;

RESET SESSION AUTHORIZATION;
DEALLOCATE ask;
RESET search_path;
SET search_path = priv, public;
SELECT drop_segmentation('p');
RESET search_path;
DROP TABLE priv.priv_t;
DROP SCHEMA priv;
DROP ROLE seg_owner, seg_app, seg_reader, seg_nobody;
