-- Purchases of a shop as trades: recency, frequency and monetary value of every customer, exactly as plain SQL has them.
-- The data: tests/data/README.md.
CREATE TABLE cdnow_lines (line text);
\copy cdnow_lines FROM 'tests/data/CDNOW_sample.txt'
CREATE TABLE cdnow AS
SELECT w[2] AS customer, to_date(w[3], 'YYYYMMDD') AS bought_on, w[4]::numeric AS cds, w[5]::numeric AS dollars
FROM cdnow_lines, regexp_split_to_array(trim(line), '\s+') AS w;
SELECT 'all purchases are there' AS test, count(*) = 6919 AND count(DISTINCT customer) = 2357 AND sum(dollars) = 244091.94 AS ok FROM cdnow;

CREATE TABLE cdnow_expected AS
SELECT customer, f.feature, f.value
FROM (SELECT customer, count(*) AS trades, count(DISTINCT bought_on) AS days, sum(dollars) AS dollars, max(dollars) AS largest,
             date '1998-07-01' - max(bought_on) AS recency, date '1998-07-01' - min(bought_on) AS tenure
      FROM cdnow GROUP BY customer) AS s
CROSS JOIN LATERAL (VALUES ('recency_days', recency::numeric), ('tenure_days', tenure), ('active_days', days), ('trades', trades),
                           ('volume_usd', dollars), ('max_trade_usd', largest)) AS f (feature, value);
-- Rates in float8, as one IEEE division.
CREATE TABLE cdnow_rates AS
SELECT customer, f.feature, f.value
FROM (SELECT customer, count(*)::float8 AS trades, count(DISTINCT bought_on)::float8 AS days,
             (date '1998-07-01' - min(bought_on))::float8 AS tenure, sum(dollars)::float8 AS dollars
      FROM cdnow GROUP BY customer) AS s
CROSS JOIN LATERAL (VALUES ('trading_frequency', days / tenure), ('trades_per_active_day', trades / days)) AS f (feature, value);

-- In one pass, and from profiles by day rolled up.
CREATE TABLE cdnow_ours AS
SELECT 'one pass' AS how, customer, account_profile(trade(bought_on::timestamp AT TIME ZONE 'UTC', cds, NULL, notional_usd => dollars)) AS profile
FROM cdnow GROUP BY customer
UNION ALL
SELECT 'rolled up', customer, rollup(profile)
FROM (SELECT customer, account_profile(trade(bought_on::timestamp AT TIME ZONE 'UTC', cds, NULL, notional_usd => dollars)) AS profile
      FROM cdnow GROUP BY customer, bought_on) AS days
GROUP BY customer;

SELECT how, e.feature AS test, count(*) FILTER (WHERE f.value::numeric IS DISTINCT FROM e.value) AS differ,
       count(f.value) FILTER (WHERE f.value::numeric = e.value) = 2357 AS ok
FROM cdnow_expected AS e
JOIN cdnow_ours AS o USING (customer)
LEFT JOIN LATERAL features(o.profile, timestamptz '1998-07-01+00') AS f ON f.feature = e.feature
GROUP BY how, e.feature ORDER BY how, e.feature COLLATE "C";

SELECT how, e.feature AS test, count(*) FILTER (WHERE f.value IS DISTINCT FROM e.value) AS differ,
       count(f.value) FILTER (WHERE f.value = e.value) = 2357 AS ok
FROM cdnow_rates AS e
JOIN cdnow_ours AS o USING (customer)
LEFT JOIN LATERAL features(o.profile, timestamptz '1998-07-01+00') AS f ON f.feature = e.feature
GROUP BY how, e.feature ORDER BY how, e.feature COLLATE "C";

-- At an earlier instant as if the later purchases had not happened yet. A customer of many is told only from the days.
SELECT 'at the end of 1997' AS test, count(*) FILTER (WHERE f.value::numeric IS DISTINCT FROM e.dollars AND f.reason IS DISTINCT FROM 'after_as_of') AS differ,
       count(f.value) > 2 * 2330 AND count(*) = 2 * 2357 AS ok
FROM (SELECT customer, sum(dollars) AS dollars FROM cdnow WHERE bought_on < date '1998-01-01' GROUP BY customer) AS e
JOIN cdnow_ours AS o USING (customer)
LEFT JOIN LATERAL features(o.profile, timestamptz '1998-01-01+00') AS f ON f.feature = 'volume_usd';
SELECT 'at the end of 1997, from the days' AS test, count(*) FILTER (WHERE feature(o.profile, 'volume_usd', '1998-01-01+00')::numeric IS DISTINCT FROM e.dollars) AS differ,
       count(*) = 2357 AS ok
FROM (SELECT customer, sum(dollars) AS dollars FROM cdnow WHERE bought_on < date '1998-01-01' GROUP BY customer) AS e
JOIN (SELECT customer, rollup(profile) AS profile
      FROM (SELECT customer, account_profile(trade(bought_on::timestamp AT TIME ZONE 'UTC', cds, NULL, notional_usd => dollars)) AS profile
            FROM cdnow WHERE bought_on < date '1998-01-01' GROUP BY customer, bought_on) AS days
      GROUP BY customer) AS o USING (customer);

-- Quintiles by plain SQL: recency, frequency and money at two instants, and the cut points of each.
CREATE TABLE cdnow_trades AS SELECT customer AS account_id, bought_on::timestamp AT TIME ZONE 'UTC' AS executed_at, cds::float8 AS quantity, dollars::float8 AS notional_usd, dollars::float8 / 10 AS fee_usd FROM cdnow;
CREATE TABLE cdnow_rfm AS
SELECT as_of, customer AS account, (as_of - max(bought_on))::float8 AS recency_days, count(DISTINCT bought_on)::float8 / (as_of - min(bought_on))::float8 AS frequency, sum(dollars)::float8 AS monetary_usd
FROM cdnow CROSS JOIN (VALUES (date '1998-01-01'), ('1998-07-01')) AS v (as_of) WHERE bought_on < as_of GROUP BY 1, 2;
CREATE TABLE cdnow_cuts AS
SELECT as_of, percentile_cont(ARRAY[0.2, 0.4, 0.6, 0.8]) WITHIN GROUP (ORDER BY recency_days) AS r, percentile_cont(ARRAY[0.2, 0.4, 0.6, 0.8]) WITHIN GROUP (ORDER BY frequency) AS f,
       percentile_cont(ARRAY[0.2, 0.4, 0.6, 0.8]) WITHIN GROUP (ORDER BY monetary_usd) AS m FROM cdnow_rfm GROUP BY 1;
-- As many quintiles up as there are cut points below; the days since the last purchase the other way round.
CREATE FUNCTION cdnow_quintile(x float8, c float8[]) RETURNS int LANGUAGE sql IMMUTABLE
RETURN CASE WHEN x <= c[1] THEN 1 WHEN x <= c[2] THEN 2 WHEN x <= c[3] THEN 3 WHEN x <= c[4] THEN 4 ELSE 5 END;
CREATE TABLE cdnow_scores AS
SELECT x.as_of, c.as_of AS cut_at, account, recency_days, frequency, monetary_usd, 6 - cdnow_quintile(recency_days, c.r) AS r, cdnow_quintile(frequency, c.f) AS f, cdnow_quintile(monetary_usd, c.m) AS m
FROM cdnow_rfm AS x CROSS JOIN cdnow_cuts AS c;

SELECT count(*) > 0 AS ok FROM create_segmentation('shop', 'cdnow_trades');
CREATE TABLE cdnow_kept AS SELECT rfm_cut_points('shop', '1998-01-01+00') AS cuts;
SELECT 'cut points' AS test, count(*) = 12 AND bool_and(test.close(ours, plain)) AS ok, min(cuts ->> 'monetary') AS monetary
FROM cdnow_kept, cdnow_cuts, LATERAL (VALUES ('recency_days', r), ('frequency', f), ('monetary_usd', m)) AS p (part, plain_cuts),
     LATERAL unnest(plain_cuts, ARRAY(SELECT v::float8 FROM jsonb_array_elements_text(cuts -> part) AS v)) AS u (plain, ours) WHERE as_of = '1998-01-01';
CREATE FUNCTION cdnow_differ(asked date, cut date, given jsonb) RETURNS bigint LANGUAGE sql AS $$
  SELECT count(*) FROM rfm_scores('shop', asked::timestamp AT TIME ZONE 'UTC', cut_points => given) AS o FULL JOIN (SELECT * FROM cdnow_scores WHERE as_of = asked AND cut_at = cut) AS e USING (account)
  WHERE (o.recency_days, o.frequency, o.monetary_usd::numeric, o.r, o.f, o.m, o.score) IS DISTINCT FROM (e.recency_days, e.frequency, e.monetary_usd::numeric, e.r, e.f, e.m, 100 * e.r + 10 * e.f + e.m) $$;
SELECT 'scores of the population' AS test, cdnow_differ('1998-01-01', '1998-01-01', NULL) AS differ, cdnow_differ('1998-07-01', '1998-07-01', NULL) AS later, count(*) = 2357 AS ok FROM rfm_scores('shop', '1998-07-01+00');
SELECT 'scores with cut points that were kept' AS test, cdnow_differ('1998-07-01', '1998-01-01', cuts) AS differ, cdnow_differ('1998-07-01', '1998-07-01', cuts) > 500 AS "they matter" FROM cdnow_kept;
SELECT 'a fifth each' AS test, bool_and(n BETWEEN 2357 / 5 - 40 AND 2357 / 5 + 40) AS ok FROM (SELECT m, count(*) AS n FROM rfm_scores('shop', '1998-07-01+00') GROUP BY 1) AS s;
SELECT 'revenue in place of volume' AS test, count(*) = 2357 AND bool_and(test.close(a.monetary_usd, b.monetary_usd / 10)) AS ok FROM rfm_scores('shop', '1998-07-01+00', 'revenue_usd') AS a JOIN rfm_scores('shop', '1998-07-01+00') AS b USING (account);
SELECT s.state, s.message, s.hint FROM (VALUES ($$SELECT * FROM rfm_scores('shop', monetary => 'fame')$$), ($$SELECT rfm_cut_points('shop', monetary => 'fame')$$), ($$SELECT * FROM rfm_scores('shop', cut_points => '[]')$$),
  ($$SELECT * FROM rfm_scores('shop', cut_points => '{"monetary": "volume_usd", "recency_days": [1, 2, 3, 4], "frequency": [1, 2, 3], "monetary_usd": [1, 2, 3, 4]}')$$),
  ($$SELECT * FROM rfm_scores('shop', cut_points => '{"monetary": "volume_usd", "recency_days": [1, 2, 4, 3], "frequency": [1, 2, 3, 4], "monetary_usd": [1, 2, 3, 4]}')$$),
  ($$SELECT * FROM rfm_scores('shop', cut_points => '{"colour": 1}')$$), ($$SELECT * FROM rfm_scores('shop', '1998-01-01', 'revenue_usd', rfm_cut_points('shop', '1998-01-01'))$$),
  ($$SELECT * FROM churn_labels('shop', NULL)$$), ($$SELECT * FROM churn_labels('shop', 'infinity')$$), ($$SELECT * FROM churn_labels('shop', '1998-01-01', 0)$$)) AS q (statement), test.error_of(q.statement) AS s;

-- Who bought nothing in the thirty days from an instant on; where the data ends before them nobody knows.
SELECT as_of AS test, count(*) = 2357 AND bool_and(c.churned IS NOT DISTINCT FROM CASE WHEN e.again THEN false WHEN as_of + 30 <= date '1998-06-30' THEN true END) AS ok,
       count(*) FILTER (WHERE churned) AS churned, count(*) FILTER (WHERE NOT churned) AS stayed, count(*) FILTER (WHERE churned IS NULL) AS unknown,
       bool_and(c.last_trade_at = e.last::timestamp AT TIME ZONE 'UTC' AND c.next_trade_at IS NOT DISTINCT FROM e.next::timestamp AT TIME ZONE 'UTC') AS instants
FROM (VALUES (date '1998-01-01'), ('1998-05-31'), ('1998-06-01'), ('1998-06-15')) AS v (as_of)
CROSS JOIN LATERAL churn_labels('shop', as_of::timestamp AT TIME ZONE 'UTC') AS c
JOIN LATERAL (SELECT max(bought_on) FILTER (WHERE bought_on < as_of) AS last, min(bought_on) FILTER (WHERE bought_on >= as_of AND bought_on < as_of + 30) AS next, coalesce(bool_or(bought_on >= as_of AND bought_on < as_of + 30), false) AS again
              FROM cdnow WHERE customer = c.account) AS e ON true GROUP BY as_of ORDER BY as_of;
SELECT 'another horizon' AS test, count(*) FILTER (WHERE churned) = (SELECT count(*) FROM (SELECT customer FROM cdnow WHERE bought_on < '1998-01-01' EXCEPT SELECT customer FROM cdnow WHERE bought_on >= '1998-01-01' AND bought_on < '1998-03-02') AS s) AS ok
FROM churn_labels('shop', '1998-01-01+00', 60);
SELECT drop_segmentation('shop');

DROP FUNCTION cdnow_differ, cdnow_quintile;
DROP TABLE cdnow_lines, cdnow, cdnow_expected, cdnow_rates, cdnow_ours, cdnow_trades, cdnow_rfm, cdnow_cuts, cdnow_scores, cdnow_kept;
