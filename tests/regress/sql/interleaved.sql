-- Records wait in a queue on their way to the states of the aggregate. Whatever PostgreSQL does between two rows, each trade
-- reaches its own state once, and none that has gone: counts and sums against plain SQL.
CREATE TABLE mixed AS
SELECT i, i * 7919 % 211 AS account, timestamptz '2024-05-01 00:00+00' + i * interval '37 seconds' AS executed_at,
       1 + i % 17 AS quantity, 100 + i % 31 AS price, CASE i % 2 WHEN 0 THEN 'buy' ELSE 'sell' END AS side
FROM generate_series(1, 20000) AS i;
ANALYZE mixed;
CREATE FUNCTION of(p segmentation.account_profile, OUT trades bigint, OUT volume numeric) LANGUAGE sql AS
$$ SELECT feature(p, 'trades')::bigint, feature(p, 'volume_usd')::numeric $$;
CREATE VIEW plain AS SELECT account, count(*) AS trades, sum(quantity * price)::numeric AS volume FROM mixed GROUP BY account;

-- Hashed, sorted, and hashed with too little memory for all groups.
CREATE VIEW profiles AS SELECT account, account_profile(trade(executed_at, quantity, price, side)) AS p FROM mixed GROUP BY account;
SELECT count(*) = 211 AND bool_and((of(p)).trades = trades AND (of(p)).volume = volume) AS ok FROM profiles JOIN plain USING (account);
CREATE TABLE hashed AS SELECT * FROM profiles;
SET enable_hashagg = off;
CREATE TABLE sorted AS SELECT * FROM profiles;
RESET enable_hashagg;
SET work_mem = '64kB';
SET hash_mem_multiplier = 1;
SET enable_sort = off;
CREATE TABLE spilled AS SELECT * FROM profiles;
CREATE FUNCTION batches(query text) RETURNS int LANGUAGE plpgsql AS $$
DECLARE line text;
BEGIN
  FOR line IN EXECUTE 'EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) ' || query LOOP
    IF line ~ 'Batches: ' THEN RETURN substring(line FROM 'Batches: (\d+)'); END IF;
  END LOOP;
END $$;
SELECT batches('SELECT * FROM profiles') > 1 AS ok;
RESET work_mem; RESET hash_mem_multiplier; RESET enable_sort;
SELECT count(*) = 211 AND bool_and(h.p::text = s.p::text AND h.p::text = d.p::text) AS ok
FROM hashed AS h JOIN sorted AS s USING (account) JOIN spilled AS d USING (account);

-- Two aggregates that take turns, and one row in several groups.
SELECT (of(account_profile(trade(executed_at, quantity, price)) FILTER (WHERE side = 'buy'))).trades = count(*) FILTER (WHERE side = 'buy')
   AND (of(account_profile(trade(executed_at, quantity, price)) FILTER (WHERE i % 3 = 0))).trades = count(*) FILTER (WHERE i % 3 = 0) AS ok
FROM mixed;
SELECT count(*) = 214 AND bool_and((of(account_profile)).trades = count AND (of(account_profile)).volume = sum) AS ok
FROM (SELECT account_profile(trade(executed_at, quantity, price)), count(*), sum(quantity * price)::numeric
      FROM mixed GROUP BY GROUPING SETS ((account), (side), ())) AS g;

-- A rescan for each account, and running profiles of a window.
SELECT count(*) = 211 AND bool_and((of(p)).trades = trades AND (of(p)).volume = volume) AS ok
FROM plain, LATERAL (SELECT account_profile(trade(executed_at, quantity, price)) AS p FROM mixed WHERE mixed.account = plain.account OFFSET 0) AS l;
SELECT count(*) = 20000 AND bool_and((of(p)).trades = n) AS ok
FROM (SELECT account_profile(trade(executed_at, quantity, price)) OVER w AS p, row_number() OVER w AS n
      FROM mixed WINDOW w AS (PARTITION BY account ORDER BY executed_at)) AS r;

-- An aggregate whose arguments run another one.
CREATE FUNCTION inner_trades(n int) RETURNS float8 LANGUAGE plpgsql AS
$$ BEGIN RETURN (SELECT feature(account_profile(trade(executed_at, quantity, price)), 'trades') FROM mixed WHERE i <= n); END $$;
SELECT bool_and((of(p)).trades = n AND (of(p)).volume = v) AS ok
FROM (SELECT account_profile(trade(executed_at, inner_trades(i % 20), 2)) AS p, count(*) AS n, sum(2 * (i % 20))::numeric AS v
      FROM mixed WHERE i BETWEEN 1000 AND 1400 GROUP BY account) AS r;

-- Errors between two rows, caught, and the same again: nothing of the failed statements is left over.
CREATE FUNCTION fails_at(n int) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  PERFORM account_profile(trade(executed_at, quantity / (CASE WHEN i = n THEN 0 ELSE 1 END), price)) FROM mixed GROUP BY account;
  RETURN 'no error';
EXCEPTION WHEN division_by_zero THEN RETURN 'caught';
END $$;
SELECT bool_and(fails_at(1 + 13 * n) = 'caught') AS ok FROM generate_series(0, 60) AS n;
SELECT bool_and(fails_at(1 + 13 * n) = 'caught' AND (of(p)).trades = 40) AS ok
FROM (SELECT n, account_profile(trade(executed_at, quantity, price)) AS p
      FROM generate_series(1, 20) AS n, mixed WHERE i <= 40 AND fails_at(5) = 'caught' GROUP BY n) AS r;

-- A cursor that is closed in the middle of a group, and a query that is abandoned after its first group.
BEGIN;
DECLARE part CURSOR FOR SELECT account, account_profile(trade(executed_at, quantity, price)) OVER (ORDER BY executed_at) FROM mixed;
MOVE 100 IN part;
DECLARE other CURSOR FOR SELECT account_profile(trade(executed_at, quantity, price)) OVER (ORDER BY executed_at DESC) AS p FROM mixed;
MOVE 50 IN other;
CLOSE part;
CREATE TEMP TABLE next_one (trades bigint);
DO $$
DECLARE c refcursor = 'other'; p segmentation.account_profile;
BEGIN
  FETCH c INTO p;
  INSERT INTO next_one VALUES ((of(p)).trades);
END $$;
SELECT trades = 51 AS ok FROM next_one;
COMMIT;
SELECT (of(p)).trades = trades AS ok FROM profiles JOIN plain USING (account) WHERE account = 1 LIMIT 1;
SELECT bool_and(h.p::text = p.p::text) AS ok FROM hashed AS h JOIN profiles AS p USING (account);

DROP FUNCTION inner_trades, fails_at, batches;
DROP VIEW profiles, plain;
DROP TABLE mixed, hashed, sorted, spilled;
DROP FUNCTION of;
