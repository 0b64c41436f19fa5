-- A master's equity, flows and funding are what its accounts tell one by one, added up. Hand-made snapshots, figures by plain SQL.
SET timezone = 'UTC';
CREATE TABLE mas_t AS SELECT a AS account_id, timestamptz '2024-01-01 10:00+00' + d * interval '1 day' AS executed_at, 1.0::float8 AS quantity, 100.0::float8 AS price
FROM unnest(ARRAY['plain1', 'plain2', 'dep1', 'dep2', 'last1', 'last2', 'tie1', 'tie2', 'come1', 'come2', 'gap1', 'gap2', 'shut1', 'shut2', 'back1', 'back2', 'solo']) AS a, generate_series(0, 44) AS d;
CREATE TABLE mas_m AS SELECT account_id, left(account_id, -1) AS master FROM mas_t WHERE account_id <> 'solo' GROUP BY 1;
CREATE TABLE mas_s (account_id text, taken_at timestamptz, equity_usd float8, flow_usd float8, funding_usd float8, maintenance_margin_usd float8);
-- Every account once a day at 18:00: equity that wanders, a flow that is known to be 0, funding of 1, a margin of a tenth.
INSERT INTO mas_s SELECT account_id, executed_at + interval '8 h', e, 0, 1, e / 10
FROM (SELECT *, round((1000 * (1 + test.rnd(row_number() OVER (ORDER BY account_id, executed_at), 'equity')))::numeric, 2)::float8 AS e FROM mas_t) AS s;
-- dep1 gets 1,000 on a day of which dep2 tells no flow; dep2 tells no funding on two days.
UPDATE mas_s SET equity_usd = equity_usd + 1000 WHERE account_id = 'dep1' AND taken_at >= '2024-01-10+00';
INSERT INTO mas_s VALUES ('dep1', '2024-01-10 06:00+00', NULL, 1000, NULL, NULL);
UPDATE mas_s SET flow_usd = NULL WHERE account_id = 'dep2' AND taken_at::date = '2024-01-10';
UPDATE mas_s SET funding_usd = NULL WHERE account_id = 'dep2' AND taken_at::date IN ('2024-01-10', '2024-01-20');
-- last1: the last row of some days is a flow alone, and the day's equity is that of the row before.
INSERT INTO mas_s SELECT 'last1', taken_at + interval '3 h', NULL, 50, NULL, NULL FROM mas_s WHERE account_id = 'last1' AND extract(day FROM taken_at)::int % 5 = 0;
-- tie1: two rows at one instant, one of them without equity.
INSERT INTO mas_s SELECT 'tie1', taken_at, NULL, 7, NULL, NULL FROM mas_s WHERE account_id = 'tie1' AND extract(day FROM taken_at)::int % 7 = 0;
-- come2 comes on the 15th, and says nothing of a flow; a deposit before it had equity is nobody's loss.
DELETE FROM mas_s WHERE account_id = 'come2' AND taken_at < '2024-01-15+00';
UPDATE mas_s SET flow_usd = NULL WHERE account_id = 'come2' AND taken_at::date = '2024-01-15';
INSERT INTO mas_s VALUES ('come2', '2024-01-13 12:00+00', NULL, 800, NULL, NULL);
-- gap2 says nothing on two days.
DELETE FROM mas_s WHERE account_id = 'gap2' AND taken_at::date IN ('2024-01-12', '2024-01-25');
-- shut2 takes everything out on the 20th and is not heard of again; back2 comes back on the 28th.
UPDATE mas_s AS s SET flow_usd = -(SELECT equity_usd FROM mas_s AS b WHERE b.account_id = s.account_id AND b.taken_at::date = '2024-01-19'), equity_usd = 0, maintenance_margin_usd = 0
WHERE account_id IN ('shut2', 'back2') AND taken_at::date = '2024-01-20';
DELETE FROM mas_s WHERE account_id = 'shut2' AND taken_at > '2024-01-21+00';
DELETE FROM mas_s WHERE account_id = 'back2' AND taken_at::date BETWEEN '2024-01-21' AND '2024-01-27';
UPDATE mas_s SET flow_usd = NULL WHERE account_id = 'back2' AND taken_at::date = '2024-01-28';
UPDATE mas_s SET maintenance_margin_usd = equity_usd / 10;

-- What each account has, gains and pays by itself on each day: the last equity of the day; gain E - E' - F over E' + W where the day before has equity too.
CREATE VIEW mas_own AS
SELECT account_id, coalesce(master, account_id) AS master, day, e, lag(e) OVER days AS e_before, lag(day) OVER days AS day_before, f, w, at
FROM (SELECT account_id, taken_at::date AS day, (array_agg(equity_usd ORDER BY taken_at DESC) FILTER (WHERE equity_usd IS NOT NULL))[1] AS e,
             coalesce(sum(flow_usd), 0) AS f, coalesce(sum(flow_usd * (1 - extract(epoch FROM taken_at::time)::float8 / 86400)), 0) AS w, max(taken_at) FILTER (WHERE equity_usd IS NOT NULL) AS at
      FROM mas_s GROUP BY 1, 2) AS s LEFT JOIN mas_m USING (account_id) WHERE e IS NOT NULL
WINDOW days AS (PARTITION BY account_id ORDER BY day);
-- A master's day: what its accounts gained over what they had. What an account brings on the day it comes is money that came in; a day on which one that had
-- something says nothing, and the day after, have no return.
CREATE VIEW mas_day AS
SELECT master, day, sum(e) AS e, sum(e - e_before - f) FILTER (WHERE NOT comes) AS gain,
       sum(e_before + w) FILTER (WHERE NOT comes) + coalesce(sum(e) FILTER (WHERE comes), 0) * (1 - extract(epoch FROM max(at)::time)::float8 / 86400) AS base, count(*) AS accounts
FROM (SELECT *, day_before IS NULL OR (e_before = 0 AND day_before < day - 1) AS comes FROM mas_own) AS o GROUP BY 1, 2;
CREATE VIEW mas_expected AS
SELECT m.master, 365 * avg(gain / base) AS return_mean, stddev_samp(gain / base) * sqrt(365::float8) AS volatility, count(*) AS returns FROM mas_day AS m
WHERE day > '2024-01-01' AND NOT (master = 'gap' AND day IN ('2024-01-12', '2024-01-13', '2024-01-25', '2024-01-26')) GROUP BY 1;

SELECT count(*) > 0 AS ok FROM create_segmentation('mas', 'mas_t', sources => '{"snapshots": "mas_s", "masters": "mas_m"}');
CREATE TABLE mas_f AS SELECT * FROM segmentation_features('mas', '2024-02-15+00', 'master');
SELECT master, e.returns, test.close(f.return_mean, e.return_mean, 1e-6) AS return_mean, test.close(f.volatility, e.volatility, 1e-6) AS volatility
FROM mas_expected AS e JOIN mas_f AS f ON f.account = e.master ORDER BY master COLLATE "C";
SELECT 'funding is what is known of it' AS test, bool_and(test.close(f.funding_usd, e.funding)) AND count(*) = 9 AS ok
FROM mas_f AS f JOIN (SELECT coalesce(master, account_id) AS account, sum(funding_usd) AS funding FROM mas_s LEFT JOIN mas_m USING (account_id) GROUP BY 1) AS e USING (account);
SELECT 'margin and equity are of the same days' AS test, bool_and(test.close(f.margin_use, 0.1)) AND count(*) = 9 AS ok FROM mas_f AS f;
SELECT 'turnover over the mean equity of the days that are known' AS test, bool_and(test.close(f.turnover_equity, f.volume_usd / e.equity)) AND count(*) = 9 AS ok
FROM mas_f AS f JOIN (SELECT master AS account, avg(e) AS equity FROM mas_day WHERE NOT (master = 'gap' AND day IN ('2024-01-12', '2024-01-25')) GROUP BY 1) AS e USING (account);
-- An account without a master is its own, and has the figures that it has by itself.
SELECT 'alone' AS test, to_jsonb(m) = to_jsonb(a) AS ok FROM mas_f AS m JOIN segmentation_features('mas', '2024-02-15+00') AS a USING (account) WHERE account = 'solo';
-- Inside a day, what comes later in it counts for nothing.
CREATE TABLE mas_before AS SELECT * FROM segmentation_features('mas', '2024-01-28 12:00+00', 'master');
DELETE FROM mas_s WHERE taken_at >= '2024-01-28 12:00+00';
DELETE FROM mas_t WHERE executed_at >= '2024-01-28 12:00+00';
SELECT 'no look-ahead' AS test, count(*) = 9 AS ok FROM mas_before AS b JOIN segmentation_features('mas', '2024-01-28 12:00+00', 'master') AS n ON to_jsonb(b) = to_jsonb(n);
SELECT drop_segmentation('mas');
DROP VIEW mas_expected, mas_day, mas_own;
DROP TABLE mas_t, mas_m, mas_s, mas_f, mas_before;
