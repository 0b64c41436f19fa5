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

DROP TABLE features_t, features_many;
