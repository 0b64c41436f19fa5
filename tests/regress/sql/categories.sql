-- Ready-made features that are categories: one feature for each of the 20 most frequent values, 1 or 0.
CREATE TYPE cat_plan AS ENUM ('free', 'paid');
CREATE TABLE cat_f AS
SELECT i AS customer_id, CASE WHEN i % 3 = 0 THEN 1000 ELSE 10 END * (1 + test.rnd(i, 'spend')) AS spend, i % 5 = 0 AS vip,
       CASE WHEN i % 40 = 0 THEN NULL WHEN i % 3 = 0 THEN 'gold' WHEN i % 3 = 1 THEN 'it''s "silver"=1' ELSE 'bronze' END AS tier,
       CASE WHEN i % 3 = 0 THEN 'paid' ELSE 'free' END::cat_plan AS plan, ('c' || i % (i % 60 + 1))::varchar(9) AS city, 'said ' || i AS remark, date '2024-01-01' AS born
FROM generate_series(1, 300) AS i;

-- Enums are taken by type, texts by name.
SELECT object, status, detail FROM create_segmentation('cat', features => 'cat_f', account => 'customer_id') WHERE item = 'feature' ORDER BY object COLLATE "C";
SELECT count(*) > 1 AS ok FROM fit_segmentation('cat', k => 2);
SELECT DISTINCT feature COLLATE "C" AS feature FROM segment_profiles('cat') ORDER BY 1;
SELECT drop_segmentation('cat');
SELECT object, status, detail FROM create_segmentation('cat', features => 'cat_f', account => 'customer_id', columns => '["spend", "tier", "city"]') WHERE item = 'feature' ORDER BY object COLLATE "C";
SELECT count(*) > 1 AS ok FROM fit_segmentation('cat', k => 3, preparation => '{"correlated": null}');
CREATE VIEW cat_columns AS
SELECT c #>> '{spec,name}' AS feature, c #>> '{spec,block}' AS block, (c #>> '{kept,weight}')::float8 AS weight FROM jsonb_array_elements(segment_model('cat')::text::jsonb #> '{preparation,columns}') AS c;
SELECT 'the twenty most frequent' AS test, count(*) = 20 AND bool_and(feature = 'city=' || city) AS ok
FROM (SELECT feature, row_number() OVER (ORDER BY feature COLLATE "C") AS n FROM cat_columns WHERE block = 'city') AS f
JOIN (SELECT city, row_number() OVER (ORDER BY city COLLATE "C") AS n FROM (SELECT city FROM cat_f GROUP BY 1 ORDER BY count(*) DESC, city COLLATE "C" LIMIT 20) AS c) AS e USING (n);
SELECT feature FROM cat_columns WHERE block = 'tier' OR block IS NULL ORDER BY feature COLLATE "C";
-- What each account has, by plain SQL: 1 for its value, 0 for others, nothing where it has none.
CREATE VIEW cat_values AS
SELECT customer_id, jsonb_object_agg(c.feature, CASE c.block WHEN 'tier' THEN to_jsonb((c.feature = 'tier=' || tier)::int) WHEN 'city' THEN to_jsonb((c.feature = 'city=' || city)::int) ELSE to_jsonb(spend) END) AS features
FROM cat_f, cat_columns AS c GROUP BY 1;
SELECT 'segments are those of the values' AS test, count(*) = 300 AND bool_and(assign_segment(features, 'cat') = segment_of(customer_id, 'cat')) AND count(DISTINCT segment_of(customer_id, 'cat')) = 3 AS ok FROM cat_values;
SELECT 'and the explanations' AS test, bool_and((SELECT min(segment) FROM explain_segment(customer_id, 'cat')) = segment_of(customer_id, 'cat')) AS ok FROM cat_f;
SELECT 'no value is none of them' AS test, (o ->> 'n')::int = (SELECT count(tier) FROM cat_f) AS ok FROM jsonb_array_elements(segment_model('cat')::text::jsonb -> 'overall') AS o WHERE o ->> 'feature' = 'tier=gold';
SELECT 'reproduced' AS test, bool_and(equal) AS ok FROM reproduce_model('cat');
SELECT segment_rules_sql('cat') AS rules \gset
SELECT 'the rules run over the table' AS test, count(*) FILTER (WHERE :rules = segment_of(customer_id, 'cat')) > 290 AS ok FROM cat_f;

-- A weight of a category is one of all its features.
SELECT count(*) > 1 AS ok FROM fit_segmentation('cat', k => 2, activate => true, preparation => '{"weights": {"city": 0, "spend": 3}, "correlated": null}');
SELECT 'weights' AS test, bool_and(coalesce(weight, 0) = 0) FILTER (WHERE block = 'city') AND bool_and(weight > 0) FILTER (WHERE block = 'tier') AS ok FROM cat_columns;

-- Categories as such.
SELECT count(*) = 3 AS ok FROM fit_segmentation('cat', k => 3, algorithm => 'kprototypes', preparation => '{"categorical": "codes"}', activate => true, force => true, reason => 'a test');
SELECT 'k-prototypes tells the tiers apart' AS test, count(DISTINCT segment_of(customer_id, 'cat')) = 3 AND bool_and(assign_segment(features, 'cat') = segment_of(customer_id, 'cat')) AS ok FROM cat_values;
SELECT 'k-prototypes finds the planted tiers' AS test, adjusted_rand_index(array_agg(segment_of(customer_id, 'cat') ORDER BY customer_id), array_agg(tier ORDER BY customer_id)) > 0.9 AS ok FROM cat_f WHERE tier IS NOT NULL;
SELECT 'reproduced' AS test, bool_and(equal) AS ok FROM reproduce_model('cat');

-- To another segmentation of the same columns, and not to one that has only the names of the values.
SELECT count(*) > 0 AS ok FROM create_segmentation('cat2', features => 'cat_f', account => 'customer_id', columns => '["city", "spend", "tier"]');
SELECT 'imported' AS test, activate_model('cat2', import_model('cat2', export_model('cat', min_accounts => 1))) = 1 AS ok;
SELECT 'the same answers' AS test, count(*) = 300 AND bool_and(segment_of(customer_id, 'cat') IS NOT DISTINCT FROM segment_of(customer_id, 'cat2')) AS ok FROM cat_f;
SELECT count(*) > 0 AS ok FROM create_segmentation('cat3', features => 'cat_f', account => 'customer_id', columns => '["spend", "vip"]');
SELECT 'not without the category' AS test, state, message FROM test.error_of($$SELECT import_model('cat3', export_model('cat', min_accounts => 1))$$);

ALTER TABLE cat_f ADD COLUMN "tier=gold" int DEFAULT 1;
SELECT test, state, message, hint FROM (VALUES
  ('a date', $$SELECT create_segmentation('cat4', features => 'cat_f', account => 'customer_id', columns => '["born"]')$$),
  ('two of one name', $$SELECT create_segmentation('cat4', features => 'cat_f', account => 'customer_id', columns => '["tier=gold", "tier"]')$$),
  ('twice', $$SELECT create_segmentation('cat4', features => 'cat_f', account => 'customer_id', columns => '["tier", "tier"]')$$),
  ('the account', $$SELECT create_segmentation('cat4', features => 'cat_f', account => 'customer_id', columns => '["customer_id"]')$$)) AS t(test, statement), test.error_of(statement);
SELECT drop_segmentation(name) FROM segmentation.segmentations WHERE name IN ('cat', 'cat2', 'cat3');
DROP VIEW cat_values, cat_columns;
DROP TABLE cat_f;
DROP TYPE cat_plan;
