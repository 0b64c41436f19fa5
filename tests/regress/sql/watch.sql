-- watch_segmentation: an insert keeps profiles and segments current and reads no row of the trade table.
CREATE TABLE watch_t (trade_id bigint PRIMARY KEY, account_id text, executed_at timestamptz, instrument text, quantity float8, price float8, side text);
INSERT INTO watch_t
SELECT i, 'w' || i % 40, timestamptz '2024-01-01+00' + i * interval '5 minutes', 'I' || i % (1 + i % 40), 1 + test.rnd(i, 'q') * (i % 40), 100, CASE WHEN test.rnd(i, 's') < 0.5 THEN 'buy' ELSE 'sell' END
FROM generate_series(1, 8000) AS i;
SELECT count(*) > 0 AS ok FROM create_segmentation('w', 'watch_t');
SELECT sum(accounts) = 40 AS ok FROM fit_segmentation('w', k => 3);

-- What the day profiles should be: the aggregate over the trades, by account and UTC day.
CREATE VIEW watch_expected AS
SELECT account_id AS account, (executed_at AT TIME ZONE 'UTC')::date AS start,
       account_profile(trade(executed_at, quantity, price, side, instrument => instrument, trade_id => trade_id::text)) AS profile
FROM watch_t WHERE quantity > 0 GROUP BY 1, 2;
CREATE VIEW watch_difference AS
SELECT account, start, f.feature, f.value FROM watch_expected, features(profile, '2030-01-01+00') AS f
EXCEPT
SELECT account, start, f.feature, f.value FROM w_profiles, features(profile, '2030-01-01+00') AS f WHERE span = 1;
SELECT 'profiles after the fit' AS test, count(*) = 0 AS ok FROM watch_difference;

SELECT watch_segmentation('w') IS NOT NULL AS ok;
SELECT 'triggers, one per event' AS test, count(*) >= 1 AND count(*) = count(DISTINCT tgtype) AS ok FROM pg_trigger WHERE tgrelid = 'watch_t'::regclass AND NOT tgisinternal;

BEGIN;
INSERT INTO watch_t
SELECT 10000 + i, 'w' || 1 + i % 3, timestamptz '2024-01-28 18:00+00' + i * interval '10 seconds', 'I7', 5000, 100, 'buy' FROM generate_series(1, 300) AS i;
SELECT 'an in-order insert reads no trade' AS test, n_tup_ins = 300 AND seq_tup_read = 0 AND coalesce(idx_tup_fetch, 0) = 0 AS ok
FROM pg_stat_xact_user_tables WHERE relid = 'watch_t'::regclass;
COMMIT;
SELECT 'incremental is a full recomputation' AS test, count(*) = 0 AS ok FROM watch_difference;
SELECT 'the accounts were scored' AS test, count(*) = 40 AND bool_and(segment IS NOT NULL AND margin BETWEEN 0 AND 1) AS ok FROM w_segments;
SELECT 'as segment_of says' AS test, bool_and(segment_of(account, 'w') = segment) AS ok FROM w_segments;

-- A rolled-back insert leaves no trace; a new account appears; one statement with many days and accounts.
CREATE TABLE watch_before AS SELECT account, segment, margin FROM w_segments;
BEGIN; INSERT INTO watch_t VALUES (20000, 'w5', '2024-01-29+00', 'I1', 1e6, 1, 'buy'); ROLLBACK;
SELECT 'rolled back' AS test, count(*) = 0 AS ok FROM (SELECT account, segment, margin FROM w_segments EXCEPT SELECT * FROM watch_before) AS s;
INSERT INTO watch_t SELECT 30000 + i, CASE WHEN i % 2 = 0 THEN 'new' ELSE 'w' || i END, timestamptz '2024-01-29+00' + i * interval '3 hours', 'I2', 10, 100, 'sell' FROM generate_series(1, 30) AS i;
SELECT 'many days and accounts at once' AS test, count(*) = 0 AS ok FROM watch_difference;
SELECT 'a new account has a segment' AS test, segment_of('new', 'w') IS NOT NULL AS ok;
INSERT INTO watch_t SELECT * FROM watch_t WHERE false;
INSERT INTO watch_t VALUES (30001, 'w1', '2024-01-29+00', 'I2', 1, 1, 'buy') ON CONFLICT DO NOTHING;
SELECT 'nothing inserted, nothing changed' AS test, count(*) = 0 AS ok FROM watch_difference;

-- A trade dated in the far future moves nobody; a bad one is rejected without failing the insert.
TRUNCATE watch_before; INSERT INTO watch_before SELECT account, segment, margin FROM w_segments;
INSERT INTO watch_t VALUES (40000, 'w9', '2099-01-01+00', 'I1', 1e6, 1e3, 'buy');
SELECT 'a trade of 2099' AS test, count(*) = 0 AS ok FROM (SELECT account, segment, margin FROM w_segments EXCEPT SELECT * FROM watch_before) AS s;
INSERT INTO watch_t VALUES (40001, 'w9', '2024-02-03+00', 'I1', -5, 1, 'buy'), (40002, 'w9', NULL, 'I1', 'NaN', 1, 'buy'), (40003, NULL, '2024-02-03+00', 'I1', 1, 1, 'buy');
SELECT 'bad rows are in the table' AS test, count(*) = 3 AS ok FROM watch_t WHERE trade_id BETWEEN 40001 AND 40003;

SELECT unwatch_segmentation('w') IS NOT NULL AS ok;
SELECT 'unwatched' AS test, count(*) = 0 AS ok FROM pg_trigger WHERE tgrelid = 'watch_t'::regclass AND NOT tgisinternal;

-- What cannot be watched says what to do instead.
CREATE VIEW watch_v AS SELECT * FROM watch_t;
SELECT count(*) > 0 AS ok FROM create_segmentation('wv', 'watch_v');
SELECT 'a view' AS test, state = '42809' AND hint LIKE '%refresh_segmentation%' AS ok, message FROM test.error_of($$SELECT watch_segmentation('wv')$$);
SELECT drop_segmentation('wv');
SELECT drop_segmentation('w');
DROP VIEW watch_difference, watch_expected, watch_v;
DROP TABLE watch_t, watch_before;
