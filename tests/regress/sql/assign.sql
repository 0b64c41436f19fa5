-- assign_segment: nearest centroid, checked against plain SQL over the segments' own means.
CREATE TABLE assign_f AS SELECT id, sepal_length AS a, sepal_width AS b, petal_length AS c, petal_width AS d FROM test.iris;
SELECT count(*) > 0 AS ok FROM create_segmentation('assign', features => 'assign_f', account => 'id');
SELECT count(*) = 3 AS ok FROM fit_segmentation('assign', k => 3, preparation => '{"transform": "identity", "winsorise": null, "scale": null, "weights": null, "pca": null, "correlated": null}');

-- With nothing scaled the centroids are the means.
CREATE TABLE assign_means AS
SELECT segment_of(id) AS segment, avg(a) AS a, avg(b) AS b, avg(c) AS c, avg(d) AS d FROM assign_f GROUP BY 1;
CREATE TABLE assign_new AS
SELECT i AS id, 4 + 4 * test.rnd(i, 'a') AS a, 2 + 2.5 * test.rnd(i, 'b') AS b, 1 + 6 * test.rnd(i, 'c') AS c, 2.5 * test.rnd(i, 'd') AS d FROM generate_series(1, 1000) AS i;
CREATE TABLE assign_oracle AS
SELECT DISTINCT ON (n.id) n.*, m.segment FROM assign_new AS n, assign_means AS m
ORDER BY n.id, (n.a - m.a) ^ 2 + (n.b - m.b) ^ 2 + (n.c - m.c) ^ 2 + (n.d - m.d) ^ 2;

SELECT 'float8[] and a model' AS test, bool_and(assign_segment(ARRAY[a, b, c, d], segment_model('assign')) = segment) AS ok FROM assign_oracle;
SELECT 'jsonb and a model' AS test, bool_and(assign_segment(jsonb_build_object('d', d, 'c', c, 'b', b, 'a', a), segment_model('assign')) = segment) AS ok FROM assign_oracle;
SELECT 'float8[] and a name' AS test, bool_and(assign_segment(ARRAY[a, b, c, d], 'assign') = segment) AS ok FROM assign_oracle;
SELECT 'jsonb and a name' AS test, bool_and(assign_segment(to_jsonb(o), 'assign') = segment) AS ok FROM (SELECT a, b, c, d, segment FROM assign_oracle) AS s, LATERAL (SELECT s.a, s.b, s.c, s.d) AS o;
SELECT 'the fitted rows get their own label' AS test, bool_and(assign_segment(ARRAY[a, b, c, d], segment_model('assign')) = segment_of(id)) AS ok FROM assign_f;
SELECT 'a model travels as text' AS test, segment_model('assign')::text::segmentation.model::text = segment_model('assign')::text AS ok;

-- A missing value is filled with the fitted median, as in the fit.
SELECT 'a missing value' AS test,
       assign_segment(ARRAY[5.0, NULL, 1.4, 0.2], segment_model('assign')) = assign_segment(ARRAY[5.0, m, 1.4, 0.2], segment_model('assign'))
       AND assign_segment('{"a": 5.0, "c": 1.4, "d": 0.2}'::jsonb, segment_model('assign')) = assign_segment(ARRAY[5.0, m, 1.4, 0.2], segment_model('assign')) AS ok
FROM (SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY b) AS m FROM assign_f) AS s;
SELECT 'no row, no answer' AS test, assign_segment(NULL::float8[], segment_model('assign')) IS NULL AS ok;

SELECT test, state = '22023' AND hint <> '' AS ok, message
FROM (VALUES ('too short', $$SELECT assign_segment(ARRAY[1, 2]::float8[], segment_model('assign'))$$),
             ('too long', $$SELECT assign_segment(ARRAY[1, 2, 3, 4, 5]::float8[], segment_model('assign'))$$),
             ('an unknown key', $$SELECT assign_segment('{"colour": 1}'::jsonb, segment_model('assign'))$$),
             ('a text for a number', $$SELECT assign_segment('{"a": "blue"}'::jsonb, segment_model('assign'))$$)) AS v (test, statement),
     test.error_of(v.statement);

SELECT 'two dimensions' AS test, state = '22023' AND hint <> '' AS ok
FROM test.error_of($$SELECT assign_segment(ARRAY[[1, 2], [3, 4]]::float8[], segment_model('assign'))$$);

SELECT drop_segmentation('assign');
DROP TABLE assign_f, assign_means, assign_new, assign_oracle;
