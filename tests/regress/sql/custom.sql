-- Features of the user's own: columns of a relation that has one row an account.
CREATE TABLE cust_t (account_id int, executed_at timestamptz, quantity float8, price float8);
INSERT INTO cust_t SELECT i % 60, timestamptz '2024-01-01+00' + i * interval '30 minutes', 1 + i % 60 * test.rnd(i, 'q'), 100 FROM generate_series(1, 3000) AS i;
CREATE TYPE cust_plan AS ENUM ('free', 'paid');
CREATE TABLE cust_a (customer_id bigint, tier smallint, vip boolean, region text, plan cust_plan, score numeric, remark text, born date);
INSERT INTO cust_a SELECT i, i % 4, i % 2 = 0, CASE WHEN i % 50 = 7 THEN NULL WHEN i < 30 THEN 'r' || i % 3 ELSE 'x' || i END, CASE WHEN i % 3 = 0 THEN 'free' ELSE 'paid' END::cust_plan,
  CASE WHEN i = 5 THEN 'NaN' ELSE i * 1.5 END, 'said ' || i, '2000-01-01' FROM generate_series(0, 57) AS i;

-- Given by name alone: numbers, booleans and enums. Texts are most often names, so they have to be asked for.
SELECT object, source, detail FROM create_segmentation('plain', 'cust_t', sources => '{"attributes": "cust_a"}') WHERE source IN ('tier', 'vip', 'region', 'plan', 'score', 'remark', 'born', 'customer_id') OR object = 'attributes';
SELECT sum(accounts) = 60 AS ok FROM fit_segmentation('plain', k => 2);
SELECT feature FROM segment_profiles('plain') WHERE feature NOT IN (SELECT feature FROM segmentation.features) GROUP BY 1 ORDER BY feature COLLATE "C";
SELECT drop_segmentation('plain');

SELECT object, source, detail FROM create_segmentation('cust', 'cust_t', sources => '{"attributes": {"relation": "cust_a", "account": "customer_id", "columns": ["region", "tier", "vip", "score"], "weights": {"tier": 2.5, "region": 0.5}}}')
WHERE source IN ('tier', 'vip', 'region', 'score');
SELECT features[array_length(features, 1) - 3:] AS "the last four" FROM segmentation.segmentations WHERE name = 'cust';
SELECT sum(accounts) = 60 AS ok, bool_or(array_to_string(warnings, ' ') LIKE '%"score": 3 of 60 values missing%') AS "two have no row, one is NaN" FROM fit_segmentation('cust', k => 4, preparation => '{"pca": null, "correlated": null}');
-- Twenty values at most: the most frequent ones, of equally frequent ones the first.
SELECT count(*) AS regions, string_agg(split_part(feature, '=', 2), ' ' ORDER BY feature COLLATE "C") FROM segmentation.models, LATERAL jsonb_array_elements(model::text::jsonb -> 'preparation' -> 'columns') AS c(c), LATERAL (SELECT c #>> '{spec,name}' AS feature) AS f
WHERE segmentation = 'cust' AND active AND feature LIKE 'region=%';
-- A category's value is 1, any other 0, no value or no row missing.
CREATE VIEW cust_values AS
SELECT t.account_id, a.customer_id IS NOT NULL AS known, jsonb_object_agg(p.feature, CASE
    WHEN p.feature = 'tier' THEN to_jsonb(a.tier::float8) WHEN p.feature = 'vip' THEN to_jsonb(a.vip::int::float8) WHEN p.feature = 'score' THEN to_jsonb(nullif(a.score, 'NaN')::float8)
    WHEN p.feature LIKE 'region=%' THEN to_jsonb((a.region = split_part(p.feature, '=', 2))::int::float8) ELSE to_jsonb(f.value) END) AS features
FROM (SELECT DISTINCT account_id FROM cust_t) AS t LEFT JOIN cust_a AS a ON a.customer_id = t.account_id
CROSS JOIN (SELECT DISTINCT feature FROM segment_profiles('cust')) AS p
JOIN (SELECT account_id, account_profile(trade(executed_at, quantity, price)) AS profile FROM cust_t GROUP BY 1) AS q ON q.account_id = t.account_id
LEFT JOIN LATERAL features(q.profile, (SELECT (segment_model('cust')::text::jsonb #>> '{provenance,as_of}')::timestamptz)) AS f ON f.feature = p.feature
GROUP BY 1, 2;
SELECT 'segments are those of the values' AS test, count(*) = 60 AND bool_and(assign_segment(features, 'cust') IS NOT DISTINCT FROM segment_of(account_id, 'cust')) AS ok FROM cust_values;
SELECT 'also as of the instant of the fit' AS test, bool_and(segment_of(account_id, 'cust') IS NOT DISTINCT FROM segment_of(account_id, 'cust', (segment_model('cust')::text::jsonb #>> '{provenance,as_of}')::timestamptz)) AS ok FROM cust_values;
SELECT feature, n FROM (SELECT o ->> 'feature' AS feature, (o ->> 'n')::int AS n FROM jsonb_array_elements(segment_model('cust')::text::jsonb -> 'overall') AS o) AS s WHERE feature IN ('tier', 'score', 'region=r1', 'volume_usd') ORDER BY 1;

-- Rules over a category ask its own column: as SQL they run over the table that has it.
SELECT count(*) > 0 AS ok FROM create_segmentation('cust_rules', 'cust_t', sources => '{"attributes": {"relation": "cust_a", "account": "customer_id", "columns": ["plan", "region"], "weights": {"plan": 50}}}', use_features => '{volume_usd, plan, region}');
SELECT count(*) = 2 AS ok FROM fit_segmentation('cust_rules', k => 2);
SELECT 'they ask for a value' AS test, count(*) > 0 AS ok FROM segment_rules('cust_rules') WHERE rule LIKE '%plan%';
SELECT segment_rules_sql('cust_rules') AS rules \gset
SELECT 'and run over the column' AS test, count(*) = 60 AS ran, count(*) FILTER (WHERE says = segment_of(account_id, 'cust_rules')) > 55 AS ok
FROM (SELECT account_id, :rules AS says FROM (SELECT account_id, sum(quantity * price) AS volume_usd FROM cust_t GROUP BY 1) AS t LEFT JOIN cust_a AS a ON a.customer_id = t.account_id) AS s;
SELECT drop_segmentation('cust_rules');

-- Weights: coordinates after scaling times the weight; what a fit is given goes before what was declared.
CREATE VIEW cust_weights AS
SELECT c #>> '{spec,name}' AS feature, round(((c #>> '{kept,weight}')::float8 / max((c #>> '{kept,weight}')::float8) FILTER (WHERE c #>> '{spec,name}' = 'vip') OVER ())::numeric, 6) AS weight, c ->> 'dropped' AS dropped
FROM jsonb_array_elements(segment_model('cust')::text::jsonb -> 'preparation' -> 'columns') AS c WHERE c #>> '{spec,group}' = 'custom';
SELECT * FROM cust_weights WHERE feature IN ('tier', 'vip', 'score', 'region=r1', 'region=r2') ORDER BY 1;
SELECT count(*) = 4 AS ok FROM fit_segmentation('cust', k => 4, preparation => '{"weights": {"region": 0, "tier": 3, "region=r2": 4}, "transform": {"score": "asinh"}, "correlated": null}');
SELECT * FROM cust_weights WHERE feature IN ('tier', 'vip', 'score', 'region=r1', 'region=r2') ORDER BY 1;
SELECT 'as asked for' AS test, (c #>> '{kept,transform}') = 'asinh' AS ok FROM jsonb_array_elements(segment_model('cust')::text::jsonb -> 'preparation' -> 'columns') AS c WHERE c #>> '{spec,name}' = 'score';
SELECT 'missing may be an error' AS test, state, message FROM test.error_of($$SELECT * FROM fit_segmentation('cust', preparation => '{"missing": "error"}')$$);

-- An insert scores with the attributes as they are now.
SELECT count(*) = 4 AS ok FROM fit_segmentation('cust', k => 4);
SELECT watch_segmentation('cust') IS NOT NULL AS ok;
UPDATE cust_a SET tier = 40, region = 'r1', score = 0 WHERE customer_id = 3;
INSERT INTO cust_t VALUES (3, '2024-02-29 10:00+00', 1, 100), (4, '2024-02-29 11:00+00', 1, 100), (59, '2024-02-29 12:00+00', 1, 100), (777, '2024-02-29 12:00+00', 1, 100);
SELECT account_id, assign_segment(features || jsonb_build_object('recency_days', f.recency, 'tenure_days', f.tenure), 'cust') IS NOT DISTINCT FROM segment_of(account_id, 'cust') AS ok
FROM cust_values JOIN (SELECT account, feature(rollup(profile), 'recency_days', '2024-03-01+00') AS recency, feature(rollup(profile), 'tenure_days', '2024-03-01+00') AS tenure FROM cust_profiles WHERE span = 1 GROUP BY 1) AS f ON f.account = account_id
WHERE account_id IN (3, 4, 59, 777) ORDER BY 1;

-- Several rows for one account: an error at a fit, a warning at an insert, never an account twice.
INSERT INTO cust_a (customer_id, tier) VALUES (9, 1);
INSERT INTO cust_t VALUES (8, '2024-02-29 13:00+00', 1, 100);
INSERT INTO cust_t VALUES (9, '2024-02-29 13:00+00', 1, 100);
SELECT account, quality FROM cust_segments WHERE account IN (8, 9) ORDER BY 1;
SELECT state, message, hint FROM test.error_of($$SELECT * FROM fit_segmentation('cust')$$);
SELECT state, message FROM test.error_of($$SELECT * FROM segmentation_features('cust')$$);
SELECT state, message FROM test.error_of($$SELECT segment_of(9, 'cust', '2024-02-01+00')$$);
SELECT 'another account is not concerned' AS test, segment_of(8, 'cust', '2024-02-01+00') IS NOT NULL AS ok;
DELETE FROM cust_a WHERE customer_id = 9 AND vip IS NULL;

-- Whoever may not read the attributes is not told of a model that is made of them.
CREATE ROLE cust_reader;
GRANT SELECT ON cust_segments, cust_profiles TO cust_reader;
SET ROLE cust_reader;
SELECT state FROM test.error_of($$SELECT * FROM segment_profiles('cust')$$);
SELECT count(*) = 0 AS ok FROM segmentation.models WHERE segmentation = 'cust';
SELECT count(*) = 0 AS ok FROM segmentation.segments WHERE segmentation = 'cust';
SELECT segment_of(8, 'cust') IS NOT NULL AS ok;
RESET ROLE;
GRANT SELECT (customer_id, tier, vip, region) ON cust_a TO cust_reader;
SET ROLE cust_reader;
SELECT state FROM test.error_of($$SELECT * FROM segment_profiles('cust')$$);
SELECT count(*) = 0 AS ok FROM segmentation.models WHERE segmentation = 'cust';
RESET ROLE;
GRANT SELECT (score) ON cust_a TO cust_reader;
SET ROLE cust_reader;
SELECT count(*) > 0 AS ok FROM segment_profiles('cust');
SELECT count(*) = 4 AS ok FROM segmentation.segments WHERE segmentation = 'cust';
RESET ROLE;

-- Only the user's own, as master data has it: keys of another width, 60 columns.
DROP VIEW cust_weights, cust_values;
SELECT drop_segmentation('cust');
DO $$ BEGIN EXECUTE 'CREATE TABLE cust_wide AS SELECT i::numeric(10)::bigint AS account, ' || (SELECT string_agg(format('test.rnd(i, %L) AS "c %s"', n, n), ', ') FROM generate_series(1, 60) AS n) || ' FROM generate_series(0, 70) AS i'; END $$;
SELECT count(*) > 0 AS ok FROM create_segmentation('cust', 'cust_t', sources => '{"attributes": "cust_wide"}', use_features => (SELECT array_agg('c ' || n) FROM generate_series(1, 60) AS n));
SELECT sum(accounts) = 61 AS ok FROM fit_segmentation('cust', k => 2);
SELECT 'wide' AS test, count(*) = 61 AND count(custom) = 60 AND bool_and((SELECT count(*) FROM jsonb_object_keys(custom)) = 60 AND test.close((custom ->> 'c 7')::float8, test.rnd(account::int, '7'))) FILTER (WHERE custom IS NOT NULL) AS ok
FROM segmentation_features('cust');
SELECT drop_segmentation('cust');
DROP TABLE cust_t, cust_a, cust_wide;
DROP TYPE cust_plan;
DROP ROLE cust_reader;
