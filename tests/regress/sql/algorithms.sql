-- Every algorithm through fit_segmentation, against the groups that the rows were made of. Progress would be told as notices.
SET client_min_messages = warning;
CREATE FUNCTION pg_temp.normal(i bigint, purpose text) RETURNS float8 LANGUAGE sql IMMUTABLE
RETURN sqrt(-2 * ln(1 - test.rnd(i, purpose || 'u'))) * cos(2 * pi() * test.rnd(i, purpose || 'v'));
CREATE FUNCTION pg_temp.as_is() RETURNS jsonb LANGUAGE sql IMMUTABLE
RETURN '{"scale": null, "transform": "identity", "winsorise": null, "weights": null, "pca": null, "correlated": null}'::jsonb;
-- Four round groups.
CREATE TABLE alg_round AS SELECT i AS id, i % 4 AS planted, (i % 4) * 8 + pg_temp.normal(i, 'a') AS a, (i % 4) * (i % 4) * 5 + pg_temp.normal(i, 'b') AS b FROM generate_series(1, 400) AS i;
-- Two long groups side by side: centres see one long cloud and cut it across.
CREATE TABLE alg_long AS SELECT i AS id, i % 2 AS planted, x AS a, x + (i % 2) * 6 + pg_temp.normal(i, 'y') AS b FROM generate_series(1, 400) AS i, LATERAL (SELECT 15 * pg_temp.normal(i, 'x') AS x) AS s;
-- A tight group within a wide one.
CREATE TABLE alg_wide AS SELECT i AS id, i % 2 AS planted, (i % 2 * 19 + 1) * pg_temp.normal(i, 'a') AS a, (i % 2 * 19 + 1) * pg_temp.normal(i, 'b') AS b FROM generate_series(1, 600) AS i;
-- The round groups, and eight accounts far off.
CREATE TABLE alg_far AS SELECT id, planted, CASE WHEN id <= 8 THEN 1000 + id ELSE a END AS a, b FROM alg_round;
SELECT name, count(*) > 0 AS ok FROM (VALUES ('alg_round'), ('alg_long'), ('alg_wide'), ('alg_far')) AS t (name),
  LATERAL create_segmentation(name, features => name::regclass, account => 'id', columns => '["a", "b"]') GROUP BY name ORDER BY name;

-- Agreement with what was planted, over accounts that are not left out.
CREATE FUNCTION pg_temp.agreement(name text, k int, algorithm text, settings jsonb DEFAULT NULL, first int DEFAULT 1) RETURNS float8 LANGUAGE plpgsql AS $$
DECLARE found float8;
BEGIN
  PERFORM fit_segmentation(name, k, algorithm => algorithm, settings => settings, preparation => pg_temp.as_is(), force => true, reason => 'a test');
  EXECUTE format('SELECT adjusted_rand_index(array_agg(planted::text ORDER BY id), array_agg(segment_id_of(id, %L)::text ORDER BY id)) FROM %I WHERE id >= $1', name, name) INTO found USING first;
  RETURN found;
END $$;
SELECT algorithm, pg_temp.agreement('alg_round', CASE WHEN takes_k THEN 4 END, algorithm, CASE algorithm WHEN 'dbscan' THEN '{"eps": 1.5}'::jsonb END) > CASE WHEN noise THEN 0.9 ELSE 0.99 END AS ok
FROM segmentation.algorithms WHERE algorithm <> 'kprototypes';
SELECT algorithm, (pg_temp.agreement('alg_long', 2, algorithm) > 0.9) = (algorithm <> 'kmeans') AS ok FROM (VALUES ('kmeans'), ('gmm_full'), ('gmm_tied')) AS t (algorithm);
SELECT algorithm, (pg_temp.agreement('alg_wide', 2, algorithm) > 0.8) = (algorithm <> 'kmeans') AS ok FROM (VALUES ('kmeans'), ('gmm_full'), ('gmm_diagonal'), ('gmm_spherical')) AS t (algorithm);
SELECT algorithm, (pg_temp.agreement('alg_far', 4, algorithm, settings, 9) > 0.99) = (algorithm <> 'kmeans') AS ok FROM (VALUES ('kmeans', NULL::jsonb), ('trimmed_kmeans', '{"trim": 0.03}')) AS t (algorithm, settings);

-- What the catalogue says of explanations is what happens, with principal components (the default) and without.
CREATE FUNCTION pg_temp.explained(algorithm text, k int, preparation jsonb) RETURNS boolean[] LANGUAGE plpgsql AS $$
BEGIN
  PERFORM fit_segmentation('alg_round', k, algorithm => algorithm, preparation => preparation, force => true, reason => 'a test');
  RETURN ARRAY[(test.error_of('SELECT * FROM explain_segment(7, ''alg_round'')')).state = '00000', (test.error_of('SELECT * FROM counterfactual_segment(7, segmentation => ''alg_round'')')).state = '00000'];
END $$;
SELECT algorithm, pg_temp.explained(algorithm, CASE WHEN takes_k THEN 4 END, '{"correlated": null}') = ARRAY[explains, counterfactuals] AS with_pca,
       pg_temp.explained(algorithm, CASE WHEN takes_k THEN 4 END, '{"correlated": null, "pca": null}') = ARRAY[explains_without_pca, counterfactuals] AS without_pca
FROM segmentation.algorithms WHERE algorithm <> 'kprototypes';

-- Settings of density count accounts: a sample, as the guard takes, has fewer. A thousand a group, of 4,000.
CREATE TABLE alg_crowds AS SELECT i AS id, (i % 4) * 10 + test.rnd(i, 'a') AS a, (i % 4) * 10 + test.rnd(i, 'b') AS b FROM generate_series(1, 4000) AS i;
SELECT count(*) > 0 AS ok FROM create_segmentation('alg_crowds', features => 'alg_crowds', account => 'id');
SELECT count(*) AS segments, min(accounts) AS smallest FROM fit_segmentation('alg_crowds', algorithm => 'hdbscan', settings => '{"min_cluster_size": 700}', preparation => pg_temp.as_is());
SELECT 'tested on a sample' AS test, quality #>> '{guard,rows}' AS rows, (quality #>> '{guard,p}')::float8 < 0.05 AS ok FROM segmentation.models WHERE segmentation = 'alg_crowds' AND active;
SELECT 'stable, too' AS test, count(*) AS segments, bool_and(value > 0.9) AS ok FROM segmentation_stability('alg_crowds', resamples => 3) WHERE figure = 'jaccard_of_2000';

-- Accounts of equal trades, 60 % of the volume with one who is like nobody: its share is told and nobody else's.
CREATE TABLE alg_trades AS SELECT a AS account_id, timestamptz '2024-01-01+00' + (a * 100 + n) * interval '1 minute' AS executed_at, CASE WHEN a = 0 THEN 300.0 WHEN a <= 20 THEN 1.0 ELSE 3.0 END AS quantity, 10.0 AS price
FROM generate_series(0, 40) AS a, LATERAL generate_series(1, CASE WHEN a = 0 THEN 4 WHEN a <= 20 THEN 10 ELSE 10 END) AS n;
SELECT count(*) > 0 AS ok FROM create_segmentation('alg_trades', 'alg_trades', use_features => ARRAY['volume_usd', 'trades']);
SELECT segment_id, accounts, round(share::numeric, 4) AS share, round(volume_share::numeric, 4) AS volume_share, warnings[cardinality(warnings) - 2] AS told
FROM fit_segmentation('alg_trades', algorithm => 'dbscan', settings => '{"eps": 0.1, "min_points": 5}', preparation => pg_temp.as_is());
SELECT 'shares of all volume' AS test, bool_and(test.close(s.volume_share, v.share)) AS ok,
       (SELECT test.close((quality ->> 'noise_volume_share')::float8, (SELECT sum(quantity * price) FILTER (WHERE account_id = 0) / sum(quantity * price) FROM alg_trades)) FROM segmentation.models WHERE segmentation = 'alg_trades' AND active) AS noise
FROM segmentation.segments AS s
JOIN (SELECT segment_id_of(account_id, 'alg_trades') AS segment_id, sum(quantity * price) / (SELECT sum(quantity * price) FROM alg_trades) AS share FROM alg_trades GROUP BY 1) AS v USING (segment_id)
WHERE s.segmentation = 'alg_trades';

-- k-prototypes: the names of categories do not matter, nor does their order. Three groups, told apart by region and size together.
CREATE TABLE alg_kp_trades AS SELECT a AS account_id, timestamptz '2024-01-01+00' + n * interval '1 hour' AS executed_at, CASE a % 3 WHEN 0 THEN 1.0 ELSE 50.0 END * (1 + 0.2 * test.rnd(a, 'q')) AS quantity, 10.0 AS price
FROM generate_series(1, 120) AS a, generate_series(1, 5) AS n;
-- The large accounts have the region of their group; of the small ones some have regions of their own.
CREATE TABLE alg_kp AS SELECT a AS id, chr(97 + CASE WHEN a % 3 > 0 THEN a % 3 WHEN a % 4 = 0 THEN 3 + a / 12 % 5 ELSE 0 END) AS region FROM generate_series(1, 120) AS a;
CREATE VIEW alg_kp_renamed AS SELECT id, translate(region, 'abcdefgh', 'ehcagbfd') AS region FROM alg_kp;
SELECT name, count(*) > 0 AS ok FROM (VALUES ('alg_kp', 'alg_kp'), ('alg_kp_renamed', 'alg_kp_renamed')) AS t (name, attributes),
  LATERAL create_segmentation(name, 'alg_kp_trades', use_features => ARRAY['volume_usd', 'region'], sources => jsonb_build_object('attributes', jsonb_build_object('relation', attributes, 'account', 'id', 'columns', jsonb_build_array('region')))) GROUP BY name ORDER BY name;
SELECT name, count(*) AS segments FROM (VALUES ('alg_kp'), ('alg_kp_renamed')) AS t (name),
  LATERAL fit_segmentation(name, 3, algorithm => 'kprototypes', preparation => '{"categorical": "codes", "winsorise": null}', settings => '{"gamma": 2}') GROUP BY name ORDER BY name;
SELECT 'planted' AS test, adjusted_rand_index(array_agg((id % 3)::text ORDER BY id), array_agg(segment_of(id, 'alg_kp') ORDER BY id)) > 0.9 AS ok FROM alg_kp;
SELECT 'the same by any name' AS test, adjusted_rand_index(array_agg(segment_of(id, 'alg_kp') ORDER BY id), array_agg(segment_of(id, 'alg_kp_renamed') ORDER BY id)) = 1 AS segments FROM alg_kp;
SELECT figure, test.close(a.value, b.value) AS ok
FROM (VALUES ('{silhouette}'::text[]), ('{separation}'), ('{inertia}'), ('{guard,silhouette}')) AS f (figure),
  LATERAL (SELECT (quality #>> figure)::float8 AS value FROM segmentation.models WHERE segmentation = 'alg_kp' AND active) AS a,
  LATERAL (SELECT (quality #>> figure)::float8 AS value FROM segmentation.models WHERE segmentation = 'alg_kp_renamed' AND active) AS b;
SELECT 'no box between names' AS test, count(*) AS rows, count(gap_of_2000) AS gaps, count(silhouette_of_5000) AS silhouettes FROM choose_k('alg_kp', 3, 'kprototypes', '{"categorical": "codes", "winsorise": null}');
SELECT 'explanations of k-prototypes' AS test, (test.error_of('SELECT * FROM explain_segment(7, ''alg_kp'')')).state = CASE WHEN explains OR explains_without_pca THEN '00000' ELSE '0A000' END AS explain,
       (test.error_of('SELECT * FROM counterfactual_segment(7, segmentation => ''alg_kp'')')).state = CASE WHEN counterfactuals THEN '00000' ELSE '0A000' END AS counterfactual
FROM segmentation.algorithms WHERE algorithm = 'kprototypes';

SELECT count(drop_segmentation(name)::text) AS dropped FROM segmentation.segmentations WHERE name LIKE 'alg_%';
DROP VIEW alg_kp_renamed;
DROP TABLE alg_round, alg_long, alg_wide, alg_far, alg_crowds, alg_trades, alg_kp_trades, alg_kp;
