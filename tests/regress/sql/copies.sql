-- Trades that stand in the table twice: read once where trade_id is mapped and no key sees to it.
CREATE TABLE once_t AS SELECT trade_id::text AS id, account_id, executed_at, instrument, side, quantity, price, fee_usd, is_maker FROM simulate_trades(24, 40, 5);
CREATE TABLE twice_t AS SELECT * FROM once_t;
-- The same row again; the same trade told later, with other figures; the other side of a trade, and of one of an account with itself, which are trades of their own.
INSERT INTO twice_t SELECT * FROM once_t WHERE id::int % 3 = 0;
INSERT INTO twice_t SELECT id, account_id, executed_at + interval '1 second', instrument, side, quantity * 2, price, 99, is_maker FROM once_t WHERE id::int % 7 = 0;
-- The same instant, quantity and price: what else is in the row decides, not how the rows lie.
INSERT INTO twice_t SELECT id, account_id, executed_at, instrument, side, quantity, price, fee_usd + 1, is_maker FROM once_t WHERE id::int % 17 = 0;
CREATE TABLE twice_first AS SELECT id, account_id, executed_at, instrument, side, quantity, price, fee_usd + 1 AS fee_usd, is_maker FROM once_t WHERE id::int % 19 = 0;
INSERT INTO twice_first SELECT * FROM twice_t;
DELETE FROM twice_t;
INSERT INTO twice_t SELECT * FROM twice_first;
INSERT INTO twice_t SELECT id, account_id, '-infinity', instrument, side, quantity * 2, price, 99, is_maker FROM once_t WHERE id::int % 31 = 0;
CREATE TABLE others_t AS
SELECT id, 'other' AS account_id, executed_at, instrument, CASE side WHEN 'buy' THEN 'sell' ELSE 'buy' END AS side, quantity, price, 0::float8 AS fee_usd, NOT is_maker AS is_maker FROM once_t WHERE id::int % 5 = 0
UNION ALL SELECT id, account_id, executed_at, instrument, CASE side WHEN 'buy' THEN 'sell' ELSE 'buy' END, quantity, price, 0, NOT is_maker FROM once_t WHERE id::int % 11 = 0
UNION ALL SELECT NULL, account_id, executed_at, instrument, side, quantity, price, 0, is_maker FROM once_t WHERE id::int % 13 = 0
UNION ALL SELECT NULL, account_id, executed_at, instrument, side, quantity, price, 0, is_maker FROM once_t WHERE id::int % 13 = 0
UNION ALL SELECT '', account_id, executed_at, instrument, side, quantity, price, 0, is_maker FROM once_t WHERE id::int % 23 = 0
UNION ALL SELECT '', account_id, executed_at, instrument, side, quantity, price, 0, is_maker FROM once_t WHERE id::int % 23 = 0
UNION ALL SELECT id, account_id, executed_at, instrument || '-X', side, quantity, price, 0, is_maker FROM once_t WHERE id::int % 29 = 0;
INSERT INTO once_t SELECT * FROM others_t;
INSERT INTO twice_t SELECT * FROM others_t;
SELECT count(*) > 0 AS ok FROM create_segmentation('once', 'once_t');
SELECT object, source FROM create_segmentation('twice', 'twice_t', columns => '{"trade_id": "id"}') WHERE object = 'trade_id';
SELECT sum(accounts) = 25 AS ok FROM fit_segmentation('once', k => 3);
SELECT 'ids are of an account, an instrument and a side' AS test, (SELECT count(*) FROM twice_t WHERE executed_at < '2024-02-10+00') - (SELECT count(*) FROM once_t WHERE executed_at < '2024-02-10+00') AS copies;
SELECT sum(accounts) = 25 AS ok FROM fit_segmentation('twice', k => 3, as_of => '2024-02-10 00:00+00');
SELECT sum(accounts) = 25 AS ok FROM fit_segmentation('once', k => 3, as_of => '2024-02-10 00:00+00');
SELECT 'the same profiles' AS test, count(*) > 100 AND bool_and(o.profile::text = t.profile::text) AS ok FROM once_profiles AS o FULL JOIN twice_profiles AS t USING (account, span, start) WHERE start > '-infinity';
SELECT 'the same features' AS test, count(*) = 25 AND bool_and(o = t) AS ok
FROM (SELECT account, to_jsonb(f) AS o FROM segmentation_features('once', '2024-02-05 12:00+00') AS f) AS o FULL JOIN (SELECT account, to_jsonb(f) AS t FROM segmentation_features('twice', '2024-02-05 12:00+00') AS f) AS t USING (account);
-- A trigger sees new rows only: it takes a key that keeps copies out. A key with a side that may be NULL does not.
SELECT watch_segmentation('twice');
DELETE FROM twice_t WHERE ctid NOT IN (SELECT min(ctid) FROM twice_t GROUP BY id, account_id, instrument, side HAVING id <> '');
CREATE UNIQUE INDEX once_key ON twice_t (side, id, instrument, account_id);
SELECT watch_segmentation('twice');
ALTER TABLE twice_t ALTER side SET NOT NULL, ALTER instrument SET NOT NULL;
SELECT watch_segmentation('twice') IS NOT NULL AS ok;
INSERT INTO twice_t SELECT * FROM twice_t WHERE id::int % 2 = 0 ON CONFLICT DO NOTHING;
INSERT INTO twice_t SELECT (id::int + 1000000)::text, account_id, executed_at, instrument, side, quantity, price, fee_usd, is_maker FROM twice_t WHERE id::int % 17 = 0;
CREATE VIEW twice_told AS SELECT account, start, jsonb_object_agg(f.feature, f.value) AS told FROM twice_profiles, features(profile, '2024-06-01+00') AS f JOIN segmentation.features USING (feature)
WHERE span = 1 AND class IN ('G', 'M') GROUP BY 1, 2;
CREATE TABLE twice_watched AS SELECT * FROM twice_told;
-- A key that goes while the table is watched: the insert goes through, and says so.
DROP INDEX once_key;
INSERT INTO twice_t SELECT '9000001', account_id, executed_at, instrument, side, quantity, price, fee_usd, is_maker FROM twice_t WHERE id = '17';
DELETE FROM twice_t WHERE id = '9000001';
CREATE UNIQUE INDEX once_key ON twice_t (side, id, instrument, account_id);
SELECT unwatch_segmentation('twice') IS NOT NULL AS ok;
SELECT sum(accounts) = 25 AS ok FROM fit_segmentation('twice', k => 3);
SELECT 'an insert is a fit' AS test, count(*) > 100 AND bool_and(w.told = p.told) AS ok FROM twice_watched AS w FULL JOIN twice_told AS p USING (account, start);
-- A key of fewer columns will do, one of others will not.
DROP INDEX once_key;
CREATE UNIQUE INDEX ON twice_t (id, account_id, executed_at, instrument, side);
SELECT watch_segmentation('twice');
CREATE UNIQUE INDEX ON twice_t (id, account_id, instrument, side) WHERE id > '';
CREATE UNIQUE INDEX ON twice_t (id COLLATE "POSIX", account_id, instrument, side);
SELECT watch_segmentation('twice');
DROP VIEW twice_told;
SELECT drop_segmentation('once'), drop_segmentation('twice');
DROP TABLE once_t, twice_t, others_t, twice_first, twice_watched;
