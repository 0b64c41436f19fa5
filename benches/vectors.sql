-- 200,000 accounts with 20 features around 8 centres, and a model of 8 segments without any preparation, so that
-- scoring is the nearest centroid and nothing else. The same rows every time.
\set ON_ERROR_STOP on
SET client_min_messages = warning;
SELECT setseed(0.5) \g /dev/null

CREATE TABLE centres AS
SELECT c, array_agg(10 * random() ORDER BY f) AS centre FROM generate_series(0, 7) AS c, generate_series(1, 20) AS f GROUP BY c;

CREATE TABLE vectors AS
SELECT account_id::bigint, (SELECT array_agg(x + 2 * (random() + random() + random() - 1.5)) FROM unnest(centre) AS x) AS vector
FROM generate_series(1, 200000) AS account_id JOIN centres ON c = account_id % 8;

-- The features as columns, as a table made by hand would have them.
SELECT format('CREATE TABLE features AS SELECT account_id, %s FROM vectors',
              string_agg(format('vector[%s] AS f%s', i, i), ', ' ORDER BY i)) FROM generate_series(1, 20) AS i \gexec

-- Accounts in the order in which a query would meet them: not that of the key.
CREATE TABLE callers AS SELECT account_id FROM vectors ORDER BY random();

\o /dev/null
SELECT create_segmentation('bench', features => 'features', account => 'account_id');
SELECT fit_segmentation('bench', k => 8,
  preparation => '{"transform": "identity", "winsorise": null, "scale": null, "weights": null, "pca": null, "correlated": null}');
\o
-- The centroids as a person would keep them, taken from the model.
CREATE TABLE centroids AS
SELECT place::int AS place, s.j ->> 'name' AS segment,
       ARRAY(SELECT x::float8 FROM jsonb_array_elements_text((m.j #> '{shape,centres}') -> (place - 1)::int) WITH ORDINALITY AS e (x, i) ORDER BY i) AS centre
FROM (SELECT segment_model('bench')::text::jsonb) AS m (j),
     jsonb_array_elements(m.j -> 'segments') WITH ORDINALITY AS s (j, place);

VACUUM (ANALYZE, FREEZE) vectors, features, callers, centroids, bench_segments;
CHECKPOINT;
