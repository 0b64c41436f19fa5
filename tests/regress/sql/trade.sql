-- trade(...): a value that travels as text without loss, and refuses what makes no sense.
SELECT 'text round trip' AS test, t::text::segmentation.trade::text = t::text AS ok
FROM (SELECT trade(timestamptz '2024-02-29 23:59:59.999999+00', 0.1::float8, 1e-300::float8, 'sell',
                   instrument => E'quote '' back \\ "x", é', fee_usd => -0.25::float8, is_maker => true, kind => 'option',
                   strike => 100000::float8, expiry => timestamptz '2024-03-01 08:00+00', option_type => 'put') AS t) AS s;

SELECT 'float8 and numeric are the same trade' AS test,
       account_profile(trade(timestamptz '2024-01-01+00', 0.1::float8, 33.3::float8, 'buy'))::text =
       account_profile(trade(timestamptz '2024-01-01+00', 0.1::numeric, 33.3::numeric, 'buy'))::text AS ok;

SELECT 'sides: ' || s AS test,
       feature(account_profile(trade(timestamptz '2024-01-01+00', 1::float8, 1::float8, s)), 'order_flow_imbalance', '2024-01-02+00') = v AS ok
FROM (VALUES ('buy', 1.0), ('BUY', 1), ('b', 1), ('bid', 1), ('1', 1), ('sell', -1), ('S', -1), ('ask', -1), ('-1', -1)) AS x (s, v) GROUP BY s, v ORDER BY s COLLATE "C";

SELECT 'a side that is none' AS test, state = '22023' AND hint <> '' AS ok, message
FROM test.error_of($$SELECT trade(now(), 1::float8, 1::float8, 'hold')$$);

SELECT 'malformed text' AS test, state IN ('22P02', '22P03') AS ok FROM test.error_of($$SELECT 'rubbish'::segmentation.trade$$);

-- A column missing in the table is NULL here: the trade still counts, without what it lacks.
SELECT 'only time and value' AS test,
       feature(p, 'trades', '2024-01-02+00') = 1 AND feature(p, 'volume_usd', '2024-01-02+00') = 250
       AND feature(p, 'order_flow_imbalance', '2024-01-02+00') IS NULL AS ok
FROM (SELECT account_profile(trade(timestamptz '2024-01-01+00', NULL::float8, NULL::float8, notional_usd => 250::float8)) AS p) AS s;
