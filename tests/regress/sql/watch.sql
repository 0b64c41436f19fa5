-- watch_segmentation: an insert keeps profiles and segments current and reads no row of the trade table.
CREATE TABLE watch_t (trade_id bigint PRIMARY KEY, account_id text, executed_at timestamptz, instrument text, quantity float8, price float8, side text);
INSERT INTO watch_t
SELECT i, 'w' || i % 40, timestamptz '2024-01-01+00' + i * interval '5 minutes', 'I' || i % (1 + i % 40), 1 + test.rnd(i, 'q') * (i % 40), 100, CASE WHEN test.rnd(i, 's') < 0.5 THEN 'buy' ELSE 'sell' END
FROM generate_series(1, 8000) AS i;
SELECT count(*) > 0 AS ok FROM create_segmentation('w', 'watch_t');
SELECT sum(accounts) = 40 AS ok FROM fit_segmentation('w', k => 3);

-- What the day profiles should be: the aggregate over the trades, by account and UTC day. Compared by every feature but those of positions, which go on from day to day.
CREATE VIEW watch_good AS SELECT * FROM watch_t WHERE quantity > 0 AND account_id IS NOT NULL AND executed_at IS NOT NULL;
CREATE FUNCTION watch_of_positions(feature text) RETURNS boolean LANGUAGE sql AS
$$SELECT feature IN ('holding_hours', 'holding_hours_fifo', 'holding_hours_fifo_median', 'funding_share', 'leveraged_token_time', 'open_share', 'position_flips', 'adding_to_losers', 'short_options_opened', 'disposition')$$;
CREATE VIEW watch_expected AS
SELECT account_id AS account, (executed_at AT TIME ZONE 'UTC')::date AS start,
       account_profile(trade(executed_at, quantity, price, side, instrument => instrument)) AS profile
FROM watch_good GROUP BY 1, 2;
CREATE VIEW watch_difference AS
WITH e AS (SELECT account, start, f.feature, f.value FROM watch_expected, features(profile, '2030-01-01+00') AS f),
     p AS (SELECT account, start, f.feature, f.value, f.reason FROM w_profiles, features(profile, '2030-01-01+00') AS f WHERE span = 1)
SELECT account, start, feature, e.value AS expected, p.value AS stored FROM e FULL JOIN p USING (account, start, feature)
WHERE e.value IS DISTINCT FROM p.value AND NOT watch_of_positions(feature) AND (p.reason IS NULL OR p.reason <> 'overlap');
-- All days together, and all spans together, are one pass over the trades: every feature. But where there are more lots than are carried their age is not known.
CREATE VIEW watch_course AS
WITH p AS (SELECT account, span, f.* FROM (SELECT account, span, rollup(profile) AS profile FROM w_profiles WHERE start > '-infinity' GROUP BY 1, 2) AS r, features(profile, '2130-01-01+00') AS f),
     e AS (SELECT account, f.* FROM (SELECT account_id AS account, account_profile(trade(executed_at, quantity, price, side, instrument => instrument)) AS profile FROM watch_good GROUP BY 1) AS r,
                  features(profile, '2130-01-01+00') AS f)
SELECT account, span, feature, e.value AS expected, p.value AS stored, p.reason FROM p JOIN e USING (account, feature)
WHERE e.value IS DISTINCT FROM p.value AND NOT (feature IN ('holding_hours_fifo', 'holding_hours_fifo_median', 'funding_share') AND p.reason = 'open_position');
-- Every feature that does not need the order of trades, to the last bit: what a refit stores against what the inserts made of it.
CREATE FUNCTION watch_values(profile segmentation.account_profile) RETURNS jsonb LANGUAGE sql AS
$$SELECT jsonb_object_agg(f.feature, f.value) FROM features(profile, '2030-01-01+00') AS f JOIN segmentation.features AS c USING (feature) WHERE c.class <> 'O'$$;
CREATE TABLE watch_kept (account text, span integer, start date, values jsonb);
CREATE PROCEDURE watch_keep() LANGUAGE sql AS 'TRUNCATE watch_kept; INSERT INTO watch_kept SELECT account, span, start, watch_values(profile) FROM w_profiles';
CREATE VIEW watch_changed AS
(SELECT * FROM watch_kept EXCEPT SELECT account, span, start, watch_values(profile) FROM w_profiles)
UNION ALL (SELECT account, span, start, watch_values(profile) FROM w_profiles EXCEPT SELECT * FROM watch_kept);
SELECT 'profiles after the fit' AS test, count(*) = 0 AS ok FROM watch_difference;
SELECT 'in their course' AS test, count(*) = 0 AS ok FROM watch_course;
SELECT 'positions are there' AS test, bool_and(feature(profile, 'holding_hours') IS NOT NULL) AS ok FROM (SELECT rollup(profile) AS profile FROM w_profiles WHERE span = 1 GROUP BY account) AS r;

SELECT watch_segmentation('w') IS NOT NULL AS ok;
SELECT 'triggers, one per event' AS test, count(*) >= 1 AND count(*) = count(DISTINCT tgtype) AS ok FROM pg_trigger WHERE tgrelid = 'watch_t'::regclass AND NOT tgisinternal;

-- A fresh connection: the counters below include what a session has not reported yet.
\c -
BEGIN;
INSERT INTO watch_t
SELECT 10000 + i, 'w' || 1 + i % 3, timestamptz '2024-01-28 18:00+00' + i * interval '10 seconds', 'I7', 5000, 100, 'buy' FROM generate_series(1, 300) AS i;
SELECT 'an in-order insert reads no trade' AS test, n_tup_ins = 300 AND seq_tup_read = 0 AND coalesce(idx_tup_fetch, 0) = 0 AS ok,
       n_tup_ins AS inserted, seq_tup_read AS read_by_scan, coalesce(idx_tup_fetch, 0) AS read_by_index
FROM pg_stat_xact_user_tables WHERE relid = 'watch_t'::regclass;
COMMIT;
SELECT 'incremental is a full recomputation' AS test, count(*) = 0 AS ok FROM watch_difference;
SELECT 'in their course: in order' AS test, count(*) = 0 AS ok FROM watch_course;
SELECT 'the accounts were scored' AS test, count(*) = 40 AND bool_and(segment IS NOT NULL AND margin BETWEEN 0 AND 1) AS ok FROM w_segments;
SELECT 'as segment_of says' AS test, bool_and(segment_of(account, 'w') = segment) AS ok FROM w_segments;

CALL watch_keep();
SELECT sum(accounts) = 40 AS ok FROM fit_segmentation('w', k => 3);
SELECT 'equal to a refit: in order' AS test, count(*) = 0 AS ok, (SELECT count(*) FROM watch_kept) AS profiles FROM watch_changed;

-- A rolled-back insert leaves no trace; a new account appears; one statement with many days and accounts.
CREATE TABLE watch_before AS SELECT account, segment, margin FROM w_segments;
BEGIN; INSERT INTO watch_t VALUES (20000, 'w5', '2024-01-29+00', 'I1', 1e6, 1, 'buy'); ROLLBACK;
SELECT 'rolled back' AS test, count(*) = 0 AS ok FROM (SELECT account, segment, margin FROM w_segments EXCEPT SELECT * FROM watch_before) AS s;
INSERT INTO watch_t SELECT 30000 + i, CASE WHEN i % 2 = 0 THEN 'new' ELSE 'w' || i END, timestamptz '2024-01-29+00' + i * interval '3 hours', 'I2', 10, 100, 'sell' FROM generate_series(1, 30) AS i;
SELECT 'many days and accounts at once' AS test, count(*) = 0 AS ok FROM watch_difference;
SELECT 'in their course: many days' AS test, count(*) = 0 AS ok FROM watch_course;
SELECT 'a new account has a segment' AS test, segment_of('new', 'w') IS NOT NULL AS ok;
INSERT INTO watch_t SELECT * FROM watch_t WHERE false;
INSERT INTO watch_t VALUES (30001, 'w1', '2024-01-29+00', 'I2', 1, 1, 'buy') ON CONFLICT DO NOTHING;
SELECT 'nothing inserted, nothing changed' AS test, count(*) = 0 AS ok FROM watch_difference;

CALL watch_keep();
SELECT sum(accounts) > 40 AS ok FROM fit_segmentation('w', k => 3);
SELECT 'equal to a refit: many days' AS test, count(*) = 0 AS ok FROM watch_changed;

-- Rows that arrive late and shuffled: 50 statements over days of few trades an account, back to before the first one.
DO $$ BEGIN FOR n IN 1..50 LOOP
  INSERT INTO watch_t SELECT 50000 + 100 * n + i, 'w' || (n * i) % 40, timestamptz '2023-12-20+00' + test.rnd(n * 1000 + i, 'late') * interval '35 days',
                             'I' || i % 5, 1 + i, 100, CASE WHEN i % 3 = 0 THEN 'buy' ELSE 'sell' END FROM generate_series(1, 10) AS i;
END LOOP; END $$;
SELECT 'late rows: every feature' AS test, count(*) = 0 AS ok FROM watch_difference;
-- Only where a day of many trades has begun with something else since, positions are not known, and the feature says so.
SELECT 'late rows: in their course' AS test, count(*) > 0 AND bool_and(watch_of_positions(feature) AND reason = 'open_position'
         AND account IN (SELECT e.account FROM watch_expected AS e WHERE feature(e.profile, 'trades') > 32)) AS ok FROM watch_course;
CALL watch_keep();
SELECT sum(accounts) > 40 AS ok FROM fit_segmentation('w', k => 3);
SELECT 'equal to a refit: late rows' AS test, count(*) = 0 AS ok FROM watch_changed;
SELECT 'a refit knows them again' AS test, count(*) = 0 AS ok FROM watch_course;

-- The same where a day of an account has thousands of trades. Late ones lie between those counted already: how even the
-- gaps are cannot be told any more, which the feature says; every other feature is that of a refit.
DO $$ BEGIN FOR n IN 1..10 LOOP
  INSERT INTO watch_t SELECT 60000 + 1000 * n + i, 'dense', timestamptz '2024-01-20+00' + test.rnd(n * 1000 + i, 'dense') * interval '23 hours',
                             'I' || i % 50, 1 + i % 7, 100, CASE WHEN i % 3 = 0 THEN 'buy' ELSE 'sell' END FROM generate_series(1, 300) AS i;
END LOOP; END $$;
SELECT 'dense and late: every other feature' AS test, count(*) = 0 AS ok FROM watch_difference;
SELECT 'dense and late: said so' AS test, count(*) > 0 AND bool_and(c.class = 'O') AS ok
FROM w_profiles, features(profile, '2030-01-01+00') AS f JOIN segmentation.features AS c USING (feature) WHERE f.reason = 'overlap';

-- A trade dated in the far future moves nobody; a bad one is rejected without failing the insert.
TRUNCATE watch_before; INSERT INTO watch_before SELECT account, segment, margin FROM w_segments;
INSERT INTO watch_t VALUES (40000, 'w9', '2099-01-01+00', 'I1', 1e6, 1e3, 'buy');
SELECT 'a trade of 2099' AS test, count(*) = 0 AS ok FROM (SELECT account, segment, margin FROM w_segments EXCEPT SELECT * FROM watch_before) AS s;
INSERT INTO watch_t VALUES (40001, 'w9', '2024-02-03+00', 'I1', -5, 1, 'buy'), (40002, 'w9', NULL, 'I1', 'NaN', 1, 'buy'), (40003, NULL, '2024-02-03+00', 'I1', 1, 1, 'buy');
SELECT 'bad rows are in the table' AS test, count(*) = 3 AS ok FROM watch_t WHERE trade_id BETWEEN 40001 AND 40003;
-- Accounts of which every trade is rejected, and trades without a time: no row, as after a refit. So with what an account has without a good trade.
INSERT INTO watch_t VALUES (40010, 'bad', '2024-02-03+00', 'I1', -5, 1, 'buy'), (40011, 'worse', '2024-02-03+00', 'I1', 'NaN', 1, 'sell'), (40012, 'timeless', NULL, 'I1', 1, 1, 'sell');
INSERT INTO watch_t VALUES (40013, 'bad', '2024-02-03 01:00+00', 'I1', -1, 1, 'buy');
CREATE TABLE watch_listed AS SELECT account, quality FROM w_segments;
SELECT 'rejected trades make no account' AS test, count(*) = 0 AS ok FROM watch_listed WHERE account IN ('bad', 'worse', 'timeless');
SELECT count(*) = 3 AS ok FROM fit_segmentation('w', k => 3);
SELECT 'as a refit lists them' AS test, count(*) = 0 AS ok FROM (SELECT account FROM watch_listed EXCEPT SELECT account FROM w_segments UNION ALL (SELECT account FROM w_segments EXCEPT SELECT account FROM watch_listed)) AS s;
INSERT INTO watch_t VALUES (40014, 'bad', '2024-02-03 02:00+00', 'I1', 3, 1, 'buy');
SELECT 'one good trade does' AS test, count(*) = 1 AS ok FROM w_segments WHERE account = 'bad';


-- A scorer that fails does not fail the insert: it warns, and marks the accounts until the next fit.
INSERT INTO watch_t VALUES (41000, 'w3', '2024-02-03+00', 'I1', 1, 1, 'sideways'), (41001, 'w4', '2024-02-03+00', 'I1', 1, 1, 'buy');
SELECT 'a failed scorer: the rows are there' AS test, count(*) = 2 AS ok FROM watch_t WHERE trade_id IN (41000, 41001);
SELECT account, segment IS NOT NULL AS keeps_its_segment, quality FROM w_segments WHERE account IN ('w3', 'w4', 'w5') ORDER BY 1;
INSERT INTO watch_t VALUES (41002, 'w4', '2024-02-03+00', 'I1', 1, 1, 'buy');
SELECT 'marked until the next fit' AS test, quality = 'dirty' AS ok FROM w_segments WHERE account = 'w4';
DELETE FROM watch_t WHERE trade_id = 41000;
SELECT count(*) = 3 AS ok FROM fit_segmentation('w', k => 3);
SELECT 'the fit counts what was missed' AS test, count(*) = 0 AS ok FROM watch_difference;
SELECT 'and no mark is left' AS test, count(*) = 0 AS ok FROM w_segments WHERE quality = 'dirty';
ALTER TABLE w_segments RENAME COLUMN margin TO margin_;
INSERT INTO watch_t VALUES (42000, 'w4', '2024-02-04+00', 'I1', 1, 1, 'buy');
ALTER TABLE w_segments RENAME COLUMN margin_ TO margin;
BEGIN;
DROP VIEW watch_changed, watch_difference, watch_course;
DROP TABLE w_segments, w_profiles;
INSERT INTO watch_t VALUES (43000, 'w4', '2024-02-04+00', 'I1', 1, 1, 'buy');
SELECT 'tables dropped: the rows are there' AS test, count(*) = 2 AS ok FROM watch_t WHERE trade_id IN (42000, 43000);
ROLLBACK;

SELECT unwatch_segmentation('w') IS NOT NULL AS ok;
SELECT 'unwatched' AS test, count(*) = 0 AS ok FROM pg_trigger WHERE tgrelid = 'watch_t'::regclass AND NOT tgisinternal;

-- What cannot be watched says what to do instead.
CREATE VIEW watch_v AS SELECT * FROM watch_t;
SELECT count(*) > 0 AS ok FROM create_segmentation('wv', 'watch_v');
SELECT count(*) = 3 AS ok FROM fit_segmentation('wv', k => 3);
SELECT 'a view' AS test, state = '42809' AND hint LIKE '%fit_segmentation%' AS ok, message FROM test.error_of($$SELECT watch_segmentation('wv')$$);
SELECT drop_segmentation('wv');
SELECT 'a view depends on it' AS test, state = '2BP01' AS ok, message FROM test.error_of($$SELECT drop_segmentation('w')$$);
DROP VIEW watch_changed, watch_difference, watch_course, watch_expected, watch_good, watch_v;
DROP FUNCTION watch_of_positions;
SELECT drop_segmentation('w');
DROP PROCEDURE watch_keep;
DROP TABLE watch_t, watch_before, watch_kept, watch_listed;
