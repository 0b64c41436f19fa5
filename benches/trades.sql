-- 5 million trades of 50,000 accounts in the order of time, once with float8 and once with numeric amounts.
-- Accounts differ in size as real ones do (log-normal: half have fewer than about 35 trades, the largest tens of
-- thousands); each prefers instruments, hours and an order type of its own. The same rows every time.
\set ON_ERROR_STOP on
SET client_min_messages = warning;
SET timezone = 'UTC';
SET work_mem = '2GB';
SELECT setseed(0.20240229) \g /dev/null

-- 320 instruments on 40 underlyings, of four kinds.
CREATE TABLE instruments AS
SELECT i AS id, u AS underlying, k AS kind, u || '-' || upper(left(k, 4)) || '-' || i / 160 AS instrument,
       exp(2 + 8 * random()) AS price
FROM generate_series(0, 319) AS i,
     format('U%s', lpad((i % 40)::text, 2, '0')) AS u,
     LATERAL (SELECT (ARRAY['spot', 'perpetual', 'future', 'leveraged_token'])[1 + i / 40 % 4]) AS kinds (k);

-- trades sums to 5,000,000 exactly: one each, and the rest by cumulative weight.
CREATE TABLE accounts AS
WITH drawn AS (
  SELECT account_id, exp(1.5 * sqrt(-2 * ln(1 - random())) * cos(2 * pi() * random())) AS weight
  FROM generate_series(1, 50000) AS account_id
), running AS (
  SELECT account_id, weight, sum(weight) OVER (ORDER BY account_id) / sum(weight) OVER () AS upto FROM drawn
)
SELECT account_id::bigint,
       (1 + round(4950000 * upto) - round(4950000 * coalesce(lag(upto) OVER (ORDER BY account_id), 0)))::int AS trades,
       floor(320 * random())::int AS home, 1 + floor(40 * random() * random())::int AS breadth,
       floor(24 * random())::int AS hour, 1 + 11 * random() AS awake, random() AS making, exp(4 * random()) AS size
FROM running;

CREATE TABLE trades_float8 (
  account_id bigint NOT NULL, executed_at timestamptz NOT NULL, instrument text, side text, quantity float8,
  price float8, fee_usd float8, is_maker boolean, kind text, underlying text
);
INSERT INTO trades_float8
SELECT d.account_id, d.executed_at, i.instrument, CASE WHEN d.buy THEN 'buy' ELSE 'sell' END, d.quantity, p.price,
       round((d.quantity * p.price * CASE WHEN d.maker THEN 0.0001 ELSE 0.0005 END) * 1e6) / 1e6, d.maker, i.kind, i.underlying
FROM (
  SELECT a.account_id,
         timestamptz '2024-01-01' + floor(180 * random()) * interval '1 day'
           + (a.hour + a.awake * (random() + random() - 1)) * interval '1 hour' AS executed_at,
         (a.home + floor(a.breadth * random() * random())::int) % 320 AS instrument_id,
         random() < 0.5 AS buy, random() < a.making AS maker,
         (1 + round(a.size * random() * 1e4)) / 1e4 AS quantity, 1 + 0.1 * random() AS drift
  FROM accounts AS a, generate_series(1, a.trades) OFFSET 0
) AS d
JOIN instruments AS i ON i.id = d.instrument_id,
LATERAL (SELECT round(i.price * d.drift * 100) / 100) AS p (price)
ORDER BY d.executed_at;

CREATE TABLE trades_numeric (LIKE trades_float8);
ALTER TABLE trades_numeric ALTER quantity TYPE numeric, ALTER price TYPE numeric, ALTER fee_usd TYPE numeric;
INSERT INTO trades_numeric SELECT * FROM trades_float8;

VACUUM (ANALYZE, FREEZE) trades_float8;
VACUUM (ANALYZE, FREEZE) trades_numeric;
CHECKPOINT;
