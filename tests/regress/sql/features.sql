-- What a feature says when it has no value, and what as_of does.
CREATE TABLE features_t AS
SELECT account_profile(trade(timestamptz '2024-01-01 10:00+00' + i * interval '1 day', 2::float8, 50::float8)) AS p FROM generate_series(0, 9) AS i;

SELECT feature, value, reason FROM features_t, features(p, timestamptz '2024-02-01+00') WHERE value IS NULL ORDER BY feature COLLATE "C";

SELECT 'a NULL always has a reason' AS test, bool_and((value IS NULL) = (reason IS NOT NULL)) AS ok FROM features_t, features(p, timestamptz '2024-02-01+00');
SELECT 'every feature has a unit' AS test, bool_and(unit <> '') AS ok FROM features_t, features(p, timestamptz '2024-02-01+00');
SELECT 'the catalogue view lists the same' AS test,
       (SELECT array_agg(feature::text ORDER BY feature COLLATE "C") FROM features_t, features(p, timestamptz '2024-02-01+00')) =
       (SELECT array_agg(feature::text ORDER BY feature COLLATE "C") FROM segmentation.features) AS ok;

-- Nothing at or after as_of has an influence.
SELECT 'as_of in the middle' AS test, feature(p, 'trades', '2024-01-05 10:00+00') = 4 AND feature(p, 'volume_usd', '2024-01-05 10:00+00') = 400 AS ok FROM features_t;
SELECT 'as_of before all' AS test, feature(p, 'trades', '2024-01-01+00') IS NULL AS ok FROM features_t;
SELECT 'recency is exact' AS test, feature(p, 'recency_days', '2024-01-11 22:00+00') = 1.5 AS ok FROM features_t;

-- The session's time zone has no influence on days and hours.
SET timezone = 'Asia/Kolkata';
SELECT 'days are UTC' AS test, feature(p, 'active_days', '2024-02-01+00') = 10 AND feature(p, 'hour_entropy', '2024-02-01+00') = 0 AS ok FROM features_t;
RESET timezone;

SELECT 'an unknown feature' AS test, state = '42704' AND hint <> '' AS ok, message
FROM test.error_of($$SELECT feature(p, 'colour', '2024-02-01+00') FROM features_t$$);

SELECT 'an empty group has no profile' AS test, account_profile(t) IS NULL AS ok FROM (SELECT NULL::segmentation.trade AS t) AS s;
SELECT 'no row has no profile' AS test, account_profile(NULL::segmentation.trade) IS NULL AS ok FROM features_t WHERE p IS NULL;

-- Bad rows are rejected and counted; they neither fail nor count as trades.
SELECT 'rejected rows leave the rest' AS test, feature(p, 'trades', '2024-02-01+00') = 1 AND feature(p, 'volume_usd', '2024-02-01+00') = 100 AS ok
FROM (SELECT account_profile(trade(at, q, 50::float8)) AS p
      FROM (VALUES (timestamptz '2024-01-01+00', 2::float8), ('2024-01-02+00', -1), ('2024-01-03+00', 'NaN'), ('2024-01-04+00', 'Infinity'),
                   ('infinity', 1), ('-infinity', 1), (NULL, 1), ('2024-01-05+00', 1e300)) AS v (at, q)) AS s;

-- Beyond 128 underlyings the keys are groups, and said to be.
CREATE TABLE features_many AS
SELECT n, account_profile(trade(timestamptz '2024-01-01+00' + i * interval '1 minute', 1::float8, 100::float8, instrument => 'U' || i)) AS p
FROM (VALUES (128), (129), (1000)) AS v (n), generate_series(1, v.n) AS i GROUP BY n;
SELECT n, count(*) <= 128 AS "at most 128", bool_and(grouped = (n > 128)) AS grouped, test.close(sum(volume_usd), n * 100) AS ok FROM features_many, allocation(p) GROUP BY n ORDER BY n;
SELECT 'keys of names' AS test, array_agg(key ORDER BY key) = (SELECT array_agg(allocation_key('U' || i) ORDER BY allocation_key('U' || i)) FROM generate_series(1, 128) AS i) AS ok FROM features_many, allocation(p) WHERE n = 128;
-- One trade more moves one part in 129, whether groups of underlyings are compared or underlyings.
SELECT 'drift into groups' AS test, d > 0 AND d <= 1 / 129.0::float8 + 1e-12 AND d = back AS ok
FROM (SELECT allocation_drift(a.p, b.p) AS d, allocation_drift(b.p, a.p) AS back FROM features_many AS a, features_many AS b WHERE a.n = 128 AND b.n = 129) AS s;
SELECT 'drift between groups' AS test, d > 0 AND d <= 1 - 0.129 AND d = back AS ok
FROM (SELECT allocation_drift(a.p, b.p) AS d, allocation_drift(b.p, a.p) AS back FROM features_many AS a, features_many AS b WHERE a.n = 129 AND b.n = 1000) AS s;

-- Each reason is the true one: the input that is missing where the others are there, and otherwise what there is none of.
CREATE TABLE features_why AS
SELECT what, account_profile(v) AS p FROM (
  SELECT 'no side' AS what, trade('2024-01-01+00', 1::float8, 10::float8, is_maker => false) AS v
  UNION ALL SELECT 'no maker flag', trade('2024-01-01+00', 1::float8, 10::float8, 'buy')
  UNION ALL SELECT 'a maker', trade('2024-01-01+00', 1::float8, 10::float8, 'buy', is_maker => true)
  UNION ALL SELECT 'a taker without a side', trade('2024-01-01+00', 1::float8, 10::float8, is_maker => false)
  UNION ALL SELECT 'a taker without a side', trade('2024-01-01+00', 1::float8, 10::float8, 'buy', is_maker => true)
  UNION ALL SELECT 'nothing priced', trade('2024-01-01+00', 1::float8, NULL)
  UNION ALL SELECT 'no quantity', trade('2024-01-01+00', NULL, 10::float8)
  UNION ALL SELECT 'with itself', trade('2024-01-01+00', 1::float8, 10::float8, 'buy', 'X', is_maker => false, is_self_trade => true)
  UNION ALL SELECT 'no underlying', trade('2024-01-01+00', 1::float8, 10::float8, 'buy', 'BTC-PERPETUAL')
  UNION ALL SELECT 'spot', trade('2024-01-01+00', 1::float8, 10::float8, 'buy', kind => 'spot')
  UNION ALL SELECT 'option, no spot', trade('2024-01-01+00', 1::float8, 0.1::float8, 'buy', kind => 'option', strike => 100, expiry => '2024-02-01+00', option_type => 'put')
  UNION ALL SELECT 'coin option, no spot', trade('2024-01-01+00', 1::float8, 0.1::float8, 'buy', kind => 'option', inverse => true, notional_usd => 100)
  UNION ALL SELECT 'option, no premium', trade('2024-01-01+00', 1::float8, NULL, 'buy', kind => 'option', underlying_price => 100)
  UNION ALL SELECT 'option, no side', trade('2024-01-01+00', 1::float8, 0.1::float8, kind => 'option', underlying_price => 100, strike => 100)
  UNION ALL SELECT 'a put', trade('2024-01-01+00', 1::float8, 0.1::float8, 'buy', kind => 'option', underlying_price => 100, option_type => 'put', expiry => '2023-01-01+00')
  UNION ALL SELECT 'mids without a price', trade('2024-01-01+00', 1::float8, NULL, 'buy', notional_usd => 10, mid => 10, mid_5m => 10)
  UNION ALL SELECT 'a mid', trade('2024-01-01+00', 1::float8, 10::float8, 'buy', mid => 10)
  UNION ALL SELECT 'own flow', trade('2024-01-01+00', 1::float8, 10::float8, 'buy', own_flow_usd => 10)
) AS s GROUP BY what
UNION ALL SELECT what, account_profile(v) FROM (
  SELECT 'ruined' AS what, account_snapshot('2024-01-01+00', equity_usd => 0, gross_notional_usd => 5, delta_usd => 5, maintenance_margin_usd => 5, net_delta_usd => 5) AS v
  UNION ALL SELECT 'no equity', account_snapshot('2024-01-01+00', NULL, gross_notional_usd => 5, delta_usd => 5)
  UNION ALL SELECT 'equity alone', account_snapshot('2024-01-01+00', equity_usd => 5)
  UNION ALL SELECT 'no exposure', account_snapshot('2024-01-01+00', equity_usd => 5, delta_usd => 0, gross_delta_usd => 0)
  UNION ALL SELECT 'gross delta alone', account_snapshot('2024-01-01+00', equity_usd => 5, gross_delta_usd => 5)
  UNION ALL SELECT 'always up', account_snapshot('2024-01-01+00'::timestamptz + i * interval '1 day', equity_usd => 1000 + i * i) FROM generate_series(0, 40) AS i
  UNION ALL SELECT 'flat', account_snapshot('2024-01-01+00'::timestamptz + i * interval '1 day', equity_usd => 1000) FROM generate_series(0, 40) AS i
  -- One day of forty lost half: so skewed that the expansion of Cornish and Fisher is not monotone.
  UNION ALL SELECT 'a jump', account_snapshot('2024-01-01+00'::timestamptz + i * interval '1 day', equity_usd => 1000 + i % 2 - CASE WHEN i >= 20 THEN 500 ELSE 0 END) FROM generate_series(0, 40) AS i
) AS s GROUP BY what;
CREATE TABLE features_because (what text, features text, reason text);
INSERT INTO features_because VALUES
  ('no side', 'taker_imbalance order_flow_imbalance flow_share', 'missing:side'), ('no maker flag', 'taker_imbalance maker_ratio toxic_share', 'missing:is_maker'),
  ('a maker', 'taker_imbalance toxic_share', 'no_taker_trades'), ('a taker without a side', 'taker_imbalance', 'missing:side'),
  ('nothing priced', 'volume_usd taker_imbalance share_spot', 'missing:price'), ('no quantity', 'volume_usd order_flow_imbalance', 'missing:quantity'),
  ('with itself', 'order_flow_imbalance taker_imbalance maker_ratio holding_hours position_flips', 'self_trades'),
  ('no underlying', 'share_btc share_eth share_stablecoin', 'missing:underlying'), ('spot', 'put_share long_premium moneyness vega_sold', 'no_options'),
  ('no side', 'put_share long_premium', 'missing:kind'),
  ('option, no spot', 'volume_usd put_share put_call_ratio premium_bps net_premium_share moneyness otm_share dte_7d_share', 'missing:underlying_price'),
  ('coin option, no spot', 'long_premium premium_sold_share premium_bps', 'missing:underlying_price'), ('coin option, no spot', 'moneyness', 'missing:strike'),
  ('option, no premium', 'long_premium premium_sold_share net_premium_share premium_bps', 'missing:price'), ('option, no premium', 'put_call_ratio put_share', 'missing:option_type'),
  ('option, no side', 'long_premium premium_sold_share net_premium_share', 'missing:side'), ('option, no side', 'otm_share', 'missing:option_type'),
  ('option, no side', 'days_to_expiry', 'missing:expiry'), ('a put', 'put_call_ratio', 'zero_volume'), ('a put', 'days_to_expiry dte_1d_share', 'expired'),
  ('mids without a price', 'spread_capture markout_5m impact_5m', 'missing:price'), ('a mid', 'impact_5m markout_5m', 'missing:mid_5m'), ('no maker flag', 'impact_5m spread_capture', 'missing:mid'),
  ('own flow', 'herding', 'missing:others_flow_usd'), ('a mid', 'herding', 'missing:own_flow_usd'),
  ('ruined', 'effective_leverage_p50 effective_leverage_p95 effective_leverage_max gross_leverage gross_leverage_p50 gross_leverage_p95 gross_leverage_max margin_use margin_stress implied_risk_aversion', 'no_equity'),
  ('no equity', 'effective_leverage_p50 gross_leverage gross_leverage_max return_mean', 'missing:equity_usd'), ('equity alone', 'effective_leverage_max', 'missing:delta_usd'), ('equity alone', 'gross_leverage_p95', 'missing:gross_notional_usd'),
  ('equity alone', 'hedge_ratio', 'missing:gross_delta_usd'), ('gross delta alone', 'hedge_ratio', 'missing:delta_usd'), ('no exposure', 'hedge_ratio', 'no_exposure'),
  ('always up', 'sortino', 'no_losses'), ('flat', 'sharpe cornish_fisher_var_95', 'no_spread'), ('a jump', 'cornish_fisher_var_95 cornish_fisher_var_99', 'not_monotone'), ('equity alone', 'sortino cornish_fisher_var_99', 'too_few_days');
SELECT b.what, f AS feature, a.reason, b.reason AS expected FROM features_because AS b CROSS JOIN LATERAL string_to_table(b.features, ' ') AS f
LEFT JOIN (SELECT what, a.* FROM features_why, features(p, '2025-01-01+00', '{"expected_return": 0.5, "volatility": 0.8, "venue_volume_usd": 10}') AS a) AS a ON a.what = b.what AND a.feature = f
WHERE a.value IS NOT NULL OR a.reason IS DISTINCT FROM b.reason;
SELECT 'the reasons are the true ones' AS test, count(*) > 80 AS ok FROM features_because, string_to_table(features, ' ');
-- What can be told is told: the premium of a linear option needs no price of the underlying.
SELECT 'a premium without a notional' AS test, feature(p, 'long_premium') = 1 AND feature(p, 'premium_sold_share') = 0 AND feature(p, 'unpriced_trades') = 1 AS ok FROM features_why WHERE what = 'option, no spot';
SELECT 'trades with itself are counted' AS test, feature(p, 'self_trades') = 1 AND feature(p, 'volume_usd') = 10 AND feature(p, 'mean_hour') = 0 AS ok FROM features_why WHERE what = 'with itself';
SELECT 'gross leverage' AS test, feature(p, 'gross_leverage_max') = 9 AND abs(feature(p, 'gross_leverage_p50') / 2 - 1) <= 0.01 AND feature(p, 'gross_leverage_p95') BETWEEN 1.98 AND 9.09 AND feature(p, 'gross_leverage') = 4 AS ok
FROM (SELECT account_profile(account_snapshot('2024-01-01+00'::timestamptz + i * interval '1 day', equity_usd => 100, gross_notional_usd => g)) AS p FROM unnest(ARRAY[100, 200, 900]) WITH ORDINALITY AS u (g, i)) AS s;
-- Ratios to equity are cut at a million.
SELECT 'ratios beyond a million' AS test, feature(p, 'gross_leverage_max') = 1e6 AND feature(p, 'margin_use') = 1e6 AND feature(p, 'effective_leverage_max') = 1e6 AS ok
FROM (SELECT account_profile(account_snapshot('2024-01-01+00', equity_usd => 1e-3, gross_notional_usd => 1e9, delta_usd => 1e9, maintenance_margin_usd => 1e9)) AS p) AS s;
-- By kind, under the keys of the kinds' names.
CREATE TABLE features_kinds AS SELECT account_profile(trade('2024-01-01+00'::timestamptz + i * interval '1 h', 1::float8, 10.0::float8 * i, kind => k)) AS p, n
FROM (VALUES (1, 1, 'spot'), (1, 2, 'PERP'), (1, 3, 'warrant'), (2, 1, 'spot'), (2, 3, 'swap'), (2, 4, NULL)) AS v (n, i, k) GROUP BY n;
SELECT 'allocation by kind' AS test, array_agg(volume_usd ORDER BY volume_usd) = ARRAY[10, 20, 30]::float8[] AND bool_and(key = allocation_key(k) AND share = volume_usd / 60 AND NOT grouped) AS ok
FROM features_kinds CROSS JOIN LATERAL allocation(p, 'kind') JOIN (VALUES ('spot', 10), ('perpetual', 20), ('other', 30)) AS e (k, usd) ON usd = volume_usd WHERE n = 1;
SELECT 'drift by kind' AS test, test.close(allocation_drift(a.p, b.p, 'kind'), (abs(1 / 6.0 - 1 / 4.0) + abs(2 / 6.0 - 3 / 4.0) + 3 / 6.0)::float8 / 2) AS ok FROM features_kinds AS a, features_kinds AS b WHERE a.n = 1 AND b.n = 2;
SELECT 'no such dimension' AS test, state, message, hint FROM test.error_of($$SELECT * FROM features_kinds, allocation(p, 'colour')$$);

DROP TABLE features_t, features_many, features_why, features_because, features_kinds;
