--
-- Act 1: real trades.
--
-- A venue's trade table, as it comes: one row a trade. There is no column for
-- buy or sell, and none for quantity and price, only the value in US dollars.
-- These are the trades of one day, 8 August 2023.
--
CREATE TABLE trades (
  trade_id            bigint PRIMARY KEY,
  account_id          text NOT NULL,
  executed_at         timestamptz NOT NULL,
  instrument          text NOT NULL,
  token_bought_symbol text,
  token_bought_amount float8,
  token_sold_symbol   text,
  token_sold_amount   float8,
  notional_usd        float8,
  base_fees           float8,
  priority_fees       float8,
  cb_transfer         float8,
  multi_trade         int
);

\copy trades FROM 'demo/cexdex_trades.csv' CSV HEADER

SELECT count(*) AS trades, count(DISTINCT account_id) AS accounts, count(DISTINCT instrument) AS instruments,
       round(sum(notional_usd)) AS volume_usd, min(executed_at), max(executed_at)
FROM trades;

CREATE EXTENSION pg_segmentation;

--
-- Declare it: this is all the set-up there is. The report says what each column
-- was taken for, which features that gives, and which it does not give and why.
-- Nothing is guessed.
--
CREATE TABLE report AS SELECT * FROM create_segmentation('clients', 'trades');

SELECT item, object, status, concat_ws(': ', source, detail) AS detail
FROM report WHERE item <> 'feature' AND status <> 'not found';

--
-- What the table says, and what it does not say: the features by group, and by
-- the input that the others lack.
--
SELECT f.feature_group, count(*) FILTER (WHERE r.status = 'available') AS available, count(*) AS all_features
FROM report AS r JOIN segmentation.features AS f ON f.feature = r.object
WHERE r.item = 'feature' GROUP BY 1 ORDER BY 1;

SELECT detail AS not_available_because, count(*) AS features
FROM report WHERE item = 'feature' AND status <> 'available' GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 8;

--
-- How many kinds of account are there? Each k with what speaks for it; and the
-- same clustering of rows without groups, as a guard. One day of trades says
-- little: two groups look best, and chance gives nearly as much. guard_p is above
-- 0.05, so the answer is 1, "no segment structure".
--
SELECT k, chosen, round(silhouette_of_5000::numeric, 3) AS silhouette, round(weakest_jaccard_of_2000::numeric, 2) AS weakest_jaccard,
       smallest_of_20000 AS smallest, round(guard_p_of_2000::numeric, 3) AS guard_p, reason
FROM choose_k('clients', k_max => 5);

--
-- The desk wants two groups all the same. They are made, stored and assigned,
-- their names come from what sets them apart, and the warning says what they are
-- worth.
--
SELECT segment_id, segment, accounts, round(share::numeric, 3) AS share, round(volume_share::numeric, 3) AS volume_share,
       warnings[cardinality(warnings)] AS warning
FROM fit_segmentation('clients', k => 2);

SELECT segment, description FROM segmentation.segments WHERE segmentation = 'clients' ORDER BY segment_id;

--
-- Ask for the segment of one account, or of every account inside any query:
-- who trades the largest tickets, and what kind of account is that?
--
SELECT segment_of('acct_0121');

SELECT account_id, segment_of(account_id) AS segment, count(*) AS trades, round(max(notional_usd)) AS largest_usd
FROM trades
GROUP BY account_id
ORDER BY max(notional_usd) DESC
LIMIT 5;

--
-- What a BI tool or a nightly report reads: a materialized view.
--
CREATE MATERIALIZED VIEW client_segments AS
  SELECT account_id, segment_of(account_id) AS segment, sum(notional_usd) AS volume_usd
  FROM trades GROUP BY account_id;

SELECT segment, count(*) AS accounts, round(sum(volume_usd)) AS volume_usd
FROM client_segments GROUP BY segment ORDER BY sum(volume_usd) DESC;

--
-- From now on each insert keeps profiles and segments current.
--
SELECT watch_segmentation('clients') AS watched;

--
-- One of the smallest accounts: three trades on that day.
--
SELECT account_id AS acct FROM trades
GROUP BY account_id HAVING count(*) = 3 ORDER BY sum(notional_usd), account_id LIMIT 1
\gset

-- A new session, so that its counters of rows read start at zero.
\connect -

CREATE TEMP TABLE before AS
SELECT f.feature, f.value
FROM (SELECT rollup(profile) AS profile FROM clients_profiles WHERE account = :'acct' AND span = 1) AS p,
     features(p.profile, '2023-08-10 00:00+00') AS f;

--
-- Its segment, and how clear-cut that is. margin: 0 on the border between two
-- segments, 1 right at the centre of its own.
--
SELECT account, segment, round(margin::numeric, 3) AS margin FROM clients_segments WHERE account = :'acct';

--
-- The next day it trades every three minutes, around the clock, in eight pairs.
-- The trigger adds these trades to the stored profile and scores the account
-- again; it reads no row of the trade table, however large that table is.
--
BEGIN;

INSERT INTO trades (trade_id, account_id, executed_at, instrument, notional_usd)
SELECT 1000000 + i, :'acct', timestamptz '2023-08-09 00:00+00' + i * interval '3 minutes',
       (ARRAY['WETH-USDC', 'WETH-USDT', 'WBTC-WETH', 'LINK-WETH', 'UNI-WETH', 'MKR-WETH', 'LDO-WETH', 'PEPE-WETH'])[1 + i % 8],
       2500 * (1 + i % 20)
FROM generate_series(0, 479) AS i;

SELECT n_tup_ins AS rows_inserted, seq_tup_read AS rows_read_by_scan, coalesce(idx_tup_fetch, 0) AS rows_read_by_index
FROM pg_stat_xact_user_tables WHERE relname = 'trades';

COMMIT;

--
-- It has moved to the other segment. What changed in its profile:
--
SELECT account, segment, round(margin::numeric, 3) AS margin FROM clients_segments WHERE account = :'acct';

SELECT feature, round(before.value::numeric, 3) AS before, round(after.value::numeric, 3) AS after, after.unit
FROM (SELECT f.* FROM (SELECT rollup(profile) AS profile FROM clients_profiles WHERE account = :'acct' AND span = 1) AS p,
             features(p.profile, '2023-08-10 00:00+00') AS f) AS after
JOIN before USING (feature)
WHERE before.value IS DISTINCT FROM after.value;

--
-- segment_of answers at once; the materialized view after its next refresh.
--
SELECT segment_of(:'acct') AS now, (SELECT segment FROM client_segments WHERE account_id = :'acct') AS in_the_view;

REFRESH MATERIALIZED VIEW client_segments;

SELECT segment, count(*) AS accounts, round(sum(volume_usd)) AS volume_usd
FROM client_segments GROUP BY segment ORDER BY sum(volume_usd) DESC;
