-- Every feature against plain SQL on the same rows: 20,000 random trades, accounts of one trade, of about 32 (where the stored form changes) and of thousands.
CREATE TABLE profile_trades AS
SELECT i AS trade_id,
       CASE WHEN i <= 20 THEN 'one' || i WHEN i <= 400 THEN 'few' || i % 12 ELSE 'a' || floor(40 * test.rnd(i, 'account') ^ 3)::int END AS account,
       timestamptz '2024-03-01 00:00+00' + test.rnd(i, 'time') * interval '45 days' AS executed_at,
       round((10 * test.rnd(i, 'quantity'))::numeric, 4)::float8 AS quantity,
       round((0.01 + 5000 * test.rnd(i, 'price') ^ 4)::numeric, 2)::float8 AS price,
       CASE floor(11 * test.rnd(i, 'side')) WHEN 0 THEN NULL WHEN 1 THEN 'buy' WHEN 2 THEN 'Sell' WHEN 3 THEN 's' ELSE 'b' END AS side,
       CASE WHEN test.rnd(i, 'given') < 0.2 THEN round((3000 * test.rnd(i, 'notional'))::numeric, 6)::float8 END AS notional_usd,
       CASE WHEN test.rnd(i, 'fee?') < 0.8 THEN round((3 * test.rnd(i, 'fee') - 0.5)::numeric, 6)::float8 END AS fee_usd,
       CASE WHEN test.rnd(i, 'maker?') < 0.9 THEN test.rnd(i, 'maker') < 0.3 END AS is_maker,
       'U' || floor(12 * test.rnd(i, 'underlying') ^ 2)::int AS underlying,
       'U' || floor(12 * test.rnd(i, 'underlying') ^ 2)::int || '-' || floor(15 * test.rnd(i, 'instrument'))::int AS instrument,
       (ARRAY['spot', 'future', 'perpetual', 'option', 'leveraged_token', 'warrant', NULL])[1 + floor(7 * test.rnd(i, 'kind'))::int] AS kind,
       (ARRAY[NULL, 0.01, 1, 10])[1 + floor(4 * test.rnd(i, 'size'))::int]::float8 AS contract_size,
       CASE WHEN test.rnd(i, 'inverse?') < 0.5 THEN test.rnd(i, 'inverse') < 0.2 END AS inverse,
       round((20 + 100 * test.rnd(i, 'spot'))::numeric, 2)::float8 AS underlying_price
FROM generate_series(1, 20000) AS i;

-- The oracle. It shares no code with the extension and adds money as numeric. Without a notional in USD it is quantity x
-- contract size x price, where an option counts by the price of its underlying and an inverse contract is worth its face.
CREATE TABLE profile_oracle AS
WITH t AS (
  SELECT *, coalesce(notional_usd, quantity * coalesce(contract_size, 1)
                     * CASE WHEN kind = 'option' THEN underlying_price WHEN inverse THEN 1 ELSE price END)::numeric AS n, executed_at AT TIME ZONE 'UTC' AS at,
         CASE WHEN lower(side) LIKE 'b%' THEN 1 WHEN lower(side) LIKE 's%' THEN -1 END AS sign,
         CASE WHEN kind = 'warrant' THEN 'other' ELSE kind END AS known_kind
  FROM profile_trades
), by_underlying AS (
  SELECT account, sum(n) AS n, sum(sum(n)) OVER (PARTITION BY account) AS total FROM t GROUP BY account, underlying
), by_hour AS (
  SELECT account, count(*)::float8 / sum(count(*)) OVER (PARTITION BY account)::float8 AS p FROM t GROUP BY account, extract(hour FROM at)
), shares AS (
  SELECT account, sum((n / total) ^ 2) AS hhi, -sum(CASE WHEN n > 0 THEN n / total * ln(n / total) ELSE 0 END) AS entropy
  FROM by_underlying GROUP BY account
), hours AS (
  SELECT account, -sum(p * ln(p)) / ln(24) AS hour_entropy FROM by_hour GROUP BY account
), sums AS (
  SELECT account, sum(n) AS volume_usd, count(*) AS trades, sum(n) / count(*) AS average_trade_usd,
         10000 * sum(fee_usd::numeric) / nullif(sum(n) FILTER (WHERE fee_usd IS NOT NULL), 0) AS fee_bps,
         count(DISTINCT instrument) AS instruments,
         sum(sign * n) / nullif(sum(n) FILTER (WHERE sign IS NOT NULL), 0) AS order_flow_imbalance,
         sum(n * is_maker::int) / nullif(sum(n) FILTER (WHERE is_maker IS NOT NULL), 0) AS maker_ratio,
         avg((extract(isodow FROM at) >= 6)::int) AS weekend_share,
         count(DISTINCT at::date) AS active_days,
         extract(epoch FROM timestamptz '2024-05-01+00' - min(executed_at)) / 86400 AS tenure_days,
         extract(epoch FROM timestamptz '2024-05-01+00' - max(executed_at)) / 86400 AS recency_days
  FROM t GROUP BY account
), kinds AS (
  SELECT account, k, coalesce(sum(n) FILTER (WHERE known_kind = k), 0) / nullif(sum(n) FILTER (WHERE known_kind IS NOT NULL), 0) AS share
  FROM t CROSS JOIN unnest(ARRAY['spot', 'future', 'perpetual', 'option', 'leveraged_token', 'other']) AS k GROUP BY account, k
)
SELECT account, feature, value::float8
FROM sums JOIN shares USING (account) JOIN hours USING (account)
     CROSS JOIN LATERAL (VALUES ('volume_usd', volume_usd), ('trades', trades), ('average_trade_usd', average_trade_usd),
       ('fee_bps', fee_bps), ('instruments', instruments), ('hhi', hhi), ('entropy', entropy),
       ('order_flow_imbalance', order_flow_imbalance), ('maker_ratio', maker_ratio), ('hour_entropy', hour_entropy::numeric),
       ('weekend_share', weekend_share), ('active_days', active_days), ('tenure_days', tenure_days),
       ('recency_days', recency_days)) AS f (feature, value)
UNION ALL SELECT account, 'share_' || k, share::float8 FROM kinds;

CREATE VIEW profile_values AS
SELECT trade_id, account, executed_at,
       trade(executed_at, quantity, price, side, instrument => instrument, notional_usd => notional_usd, fee_usd => fee_usd,
             is_maker => is_maker, underlying => underlying, kind => kind, contract_size => contract_size, inverse => inverse,
             underlying_price => underlying_price) AS t
FROM profile_trades;
CREATE TABLE profile_ours AS SELECT account, account_profile(t) AS profile FROM profile_values GROUP BY account;

SELECT 'the data has small and large accounts' AS test, min(value) = 1 AND max(value) > 1000 AND count(*) > 50 AS ok
FROM profile_oracle WHERE feature = 'trades';

-- One line a feature: none may be missing and none may differ.
SELECT o.feature AS test, bool_and(test.close(f.value, o.value, CASE WHEN o.feature = 'instruments' AND o.value > 128 THEN 0.16 ELSE 1e-9 END)) AND count(f.feature) = count(*) AS ok
FROM profile_oracle AS o
JOIN profile_ours AS p USING (account)
LEFT JOIN LATERAL features(p.profile, timestamptz '2024-05-01+00') AS f ON f.feature = o.feature
GROUP BY o.feature ORDER BY o.feature COLLATE "C";

-- The three accessors agree.
SELECT 'feature() and feature_vector()' AS test,
       bool_and(feature(profile, 'hhi', '2024-05-01+00') = (feature_vector(profile, ARRAY['trades', 'hhi'], '2024-05-01+00'))[2]) AS ok
FROM profile_ours;

-- Any split is one pass to the last bit, but that what needs the order of trades may have lost it, and says so.
SELECT 'rollup of a split' AS test, count(DISTINCT account) > 50 AS enough,
       bool_and(f.value IS NOT DISTINCT FROM g.value OR (c.class = 'O' AND f.reason IN ('overlap', 'open_position'))) AS ok
FROM (SELECT account, rollup(profile) AS profile
      FROM (SELECT account, account_profile(t) AS profile FROM profile_values GROUP BY account, (executed_at AT TIME ZONE 'UTC')::date) AS day
      GROUP BY account) AS r
JOIN profile_ours AS o USING (account),
     LATERAL features(r.profile, '2024-05-01+00') AS f JOIN segmentation.features AS c USING (feature),
     LATERAL (SELECT value FROM features(o.profile, '2024-05-01+00') AS g WHERE g.feature = f.feature) AS g;

-- Any order is one pass, byte for byte.
SELECT 'order of the rows' AS test, bool_and(s.profile::text = o.profile::text) AS ok
FROM (SELECT account, account_profile(t ORDER BY test.rnd(trade_id, 'order')) AS profile FROM profile_values GROUP BY account) AS s
JOIN profile_ours AS o USING (account);

SELECT 'plus is rollup' AS test, (a.profile + b.profile)::text = r.profile::text AND (b.profile + a.profile)::text = r.profile::text AS ok
FROM profile_ours AS a, profile_ours AS b,
     (SELECT rollup(profile) AS profile FROM profile_ours WHERE account IN ('a1', 'a39')) AS r
WHERE a.account = 'a1' AND b.account = 'a39';

SELECT 'text round trip' AS test, bool_and(profile::text::segmentation.account_profile::text = profile::text) AS ok FROM profile_ours;

SELECT 'never above 12 KB' AS test, max(pg_column_size(profile)) <= 12288 AS ok FROM profile_ours;

DROP VIEW profile_values;
DROP TABLE profile_trades, profile_oracle, profile_ours;
