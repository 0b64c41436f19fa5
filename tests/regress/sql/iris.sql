-- k-means on a ready-made feature table against published numbers. The inertia is computed here, in plain SQL, from the
-- labels alone: within-segment sums of squares around the segments' own means.
CREATE TABLE iris_features AS SELECT id, sepal_length, sepal_width, petal_length, petal_width FROM test.iris;
SELECT item, object, status FROM create_segmentation('iris', features => 'iris_features', account => 'id')
WHERE item = 'feature' ORDER BY object COLLATE "C";

SELECT 'sizes, standardised' AS test, array_agg(accounts ORDER BY accounts) = ARRAY[47, 50, 53]::bigint[] AND sum(accounts) = 150 AND test.close(sum(share), 1) AS ok
FROM fit_segmentation('iris', k => 3, preparation => '{"transform": "identity", "winsorise": null, "scale": "standard", "weights": null, "pca": null, "correlated": null}');

CREATE VIEW iris_long AS
SELECT i.id, segment_id_of(i.id, 'iris') AS segment_id, f.feature, f.value FROM test.iris AS i
CROSS JOIN LATERAL (VALUES ('sepal_length', sepal_length), ('sepal_width', sepal_width), ('petal_length', petal_length), ('petal_width', petal_width)) AS f (feature, value);

SELECT 'inertia of the labels, standardised' AS test, test.close(sum(within), 139.8204963597, 1e-8) AS ok
FROM (SELECT feature, sum(n * v) / max(total) AS within
      FROM (SELECT feature, segment_id, count(*) AS n, var_pop(value) AS v FROM iris_long GROUP BY 1, 2) AS a
      JOIN (SELECT feature, var_pop(value) AS total FROM iris_long GROUP BY 1) AS b USING (feature) GROUP BY feature) AS s;
SELECT 'inertia in the model, standardised' AS test,
       abs(inertia - 139.8204963597) < 1e-6 AS ok, round(inertia::numeric, 10) AS inertia,
       (SELECT string_agg(accounts::text, ', ' ORDER BY accounts) FROM segmentation.segments WHERE segmentation = 'iris') AS sizes
FROM segmentation.models WHERE segmentation = 'iris' AND active;

SELECT 'sizes, raw' AS test, array_agg(accounts ORDER BY accounts) = ARRAY[38, 50, 62]::bigint[] AS ok
FROM fit_segmentation('iris', k => 3, preparation => '{"transform": "identity", "winsorise": null, "scale": null, "weights": null, "pca": null, "correlated": null}');

SELECT 'inertia of the labels, raw' AS test, abs(sum(n * v) - 78.85144143) < 1e-6 AS ok
FROM (SELECT count(*) AS n, var_pop(value) AS v FROM iris_long GROUP BY feature, segment_id) AS s;
SELECT 'inertia in the model, raw' AS test,
       abs(inertia - 78.85144143) < 1e-6 AS ok, round(inertia::numeric, 8) AS inertia,
       (SELECT string_agg(accounts::text, ', ' ORDER BY accounts) FROM segmentation.segments WHERE segmentation = 'iris') AS sizes
FROM segmentation.models WHERE segmentation = 'iris' AND active;

-- adjusted_rand_index against the published agreement with the species.
SELECT 'adjusted Rand index' AS test,
       abs(adjusted_rand_index(array_agg(segment_of(id, 'iris') ORDER BY id), array_agg(species::text ORDER BY id)) - 0.7302382723) < 1e-9 AS ok
FROM test.iris;

-- The same rows and seed give the same model, whatever the seed before; another physical order too.
CREATE TABLE iris_shuffled AS SELECT * FROM iris_features ORDER BY test.rnd(id, 'shuffle');
SELECT count(*) > 0 AS ok FROM create_segmentation('iris_shuffled', features => 'iris_shuffled', account => 'id');
SELECT 'physical order' AS test, count(*) = 3 AS ok
FROM fit_segmentation('iris_shuffled', k => 3, preparation => '{"transform": "identity", "winsorise": null, "scale": null, "weights": null, "pca": null, "correlated": null}');
SELECT 'physical order: labels and centroids' AS test,
       (SELECT bool_and(segment_id_of(id, 'iris') = segment_id_of(id, 'iris_shuffled')) FROM test.iris)
       AND segment_model('iris')::text::jsonb -> 'shape' = segment_model('iris_shuffled')::text::jsonb -> 'shape' AS ok;

-- Each version stays and can be read; the catalogue lists both.
SELECT 'two versions' AS test, count(*) = 2 AND count(DISTINCT version) = 2 AS ok FROM segmentation.models WHERE segmentation = 'iris';
SELECT 'an older version answers' AS test, segment_model('iris', 1)::text <> segment_model('iris', 2)::text AS ok;

-- Profiles: medians and quartiles of the raw features against percentile_cont.
SELECT 'segment_profiles' AS test, count(*) = 12 AND bool_and(test.close(p.q25, o.q[1]) AND test.close(p.median, o.q[2]) AND test.close(p.q75, o.q[3])) AS ok
FROM segment_profiles('iris') AS p
JOIN (SELECT segment_id, feature, percentile_cont(ARRAY[0.25, 0.5, 0.75]) WITHIN GROUP (ORDER BY value) AS q FROM iris_long GROUP BY 1, 2) AS o
USING (segment_id, feature);

-- k chosen by silhouette: 2 for iris, a known answer.
SELECT 'k chosen' AS test, count(*) = 2 AS ok
FROM fit_segmentation('iris', k_max => 6, preparation => '{"transform": "identity", "winsorise": null, "scale": null, "weights": null, "pca": null, "correlated": null}');

DROP VIEW iris_long;
SELECT drop_segmentation('iris');
SELECT drop_segmentation('iris_shuffled');
DROP TABLE iris_shuffled, iris_features;
