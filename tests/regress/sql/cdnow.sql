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

DROP TABLE cdnow_lines, cdnow, cdnow_expected, cdnow_rates, cdnow_ours;
