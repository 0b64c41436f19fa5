-- What a model says of one account: margin, probabilities, explanation, counterfactual. Distances are computed here, in plain
-- SQL, from the model's own JSON.
CREATE TABLE read_features AS SELECT id, sepal_length, sepal_width, petal_length, petal_width FROM test.iris;
SELECT count(*) > 0 AS ok FROM create_segmentation('reading', features => 'read_features', account => 'id');
SELECT count(*) AS segments FROM fit_segmentation('reading', k => 3,
  preparation => '{"transform": "identity", "winsorise": null, "scale": "standard", "weights": null, "pca": null, "correlated": null}');

-- Squared distances of every account to every centroid, from the stored preparation and centroids.
CREATE VIEW read_distances AS
WITH m AS (SELECT segment_model('reading')::text::jsonb AS j),
scaled AS (
  SELECT f.id, c.i, (v.value - (c.column_ #>> '{kept,center}')::float8) / (c.column_ #>> '{kept,scale}')::float8 AS x
  FROM m CROSS JOIN LATERAL jsonb_array_elements(m.j #> '{preparation,columns}') WITH ORDINALITY AS c (column_, i)
  JOIN read_features AS f ON true
  CROSS JOIN LATERAL (SELECT (to_jsonb(f) ->> (c.column_ #>> '{spec,name}'))::float8 AS value) AS v)
SELECT s.id, k.place, (m.j #>> ARRAY['segments', (k.place - 1)::text, 'name']) AS segment,
       sum((s.x - (k.centre ->> (s.i - 1)::int)::float8) ^ 2) AS d2
FROM m CROSS JOIN LATERAL jsonb_array_elements(m.j #> '{shape,centres}') WITH ORDINALITY AS k (centre, place)
CROSS JOIN scaled AS s
GROUP BY s.id, k.place, 3;

SELECT 'segment_margin' AS test, count(*) = 150 AND bool_and(abs(segment_margin(id, 'reading') - (sqrt(d[2]) - sqrt(d[1])) / sqrt(d[2])) < 1e-12) AS ok
FROM (SELECT id, array_agg(d2 ORDER BY d2) AS d FROM read_distances GROUP BY id) AS s;
SELECT 'margin of a literal, of nobody, of NULL' AS test, segment_margin('1', 'reading') = segment_margin(1, 'reading') AS ok,
       segment_margin(0, 'reading') AS nobody, segment_margin(NULL::int, 'reading') AS null_account;

-- softmax of -d^2 / (2 tau^2), tau^2 the mean squared distance to the own centroid
WITH tau AS (SELECT avg(least) AS tau2 FROM (SELECT min(d2) AS least FROM read_distances GROUP BY id) AS s),
weights AS (SELECT id, segment, exp(-d2 / (2 * tau2)) AS w FROM read_distances, tau),
expected AS (SELECT id, segment, w / sum(w) OVER (PARTITION BY id) AS p FROM weights)
SELECT 'segment_probabilities' AS test, count(*) = 450 AND bool_and(abs(e.p - g.probability) < 1e-9) AS ok
FROM expected AS e
JOIN LATERAL (SELECT * FROM segment_probabilities(e.id, 'reading') AS p WHERE p.segment = e.segment) AS g ON true;
SELECT 'likeliest first, and it is the segment' AS test, bool_and(segment_of(f.id, 'reading') = p.segment) AS ok
FROM read_features AS f CROSS JOIN LATERAL (SELECT segment FROM segment_probabilities(f.id, 'reading') LIMIT 1) AS p;

-- Contributions sum to d2^2 - d1^2, for the runner-up and for a target.
SELECT 'explain_segment' AS test, count(*) = 150 AND bool_and(abs(e.total - (d[2] - d[1])) <= 1e-9 * d[2]) AS ok,
       bool_and(abs(e.total - e.lead) <= 1e-9 * d[2]) AS lead, bool_and(e.features = 4) AS features
FROM (SELECT id, array_agg(d2 ORDER BY d2) AS d FROM read_distances GROUP BY id) AS s
CROSS JOIN LATERAL (SELECT sum(contribution) AS total, min(lead) AS lead, count(*) AS features FROM explain_segment(s.id, 'reading')) AS e;
SELECT 'explain_segment with a target' AS test, count(*) = 300 AND bool_and(abs(e.total - (d.d2 - o.d2)) <= 1e-9 * d.d2) AS ok
FROM read_distances AS d
JOIN read_distances AS o ON o.id = d.id AND o.segment = segment_of(d.id, 'reading')
CROSS JOIN LATERAL (SELECT sum(contribution) AS total FROM explain_segment(d.id, 'reading', d.segment)) AS e
WHERE d.segment <> o.segment;

-- Each counterfactual, applied, flips the label to what it says.
SELECT 'counterfactual_segment' AS test, count(*) > 100 AS some,
       bool_and(assign_segment(to_jsonb(f) - 'id' || jsonb_build_object(c.feature, c.needed), segment_model('reading')) = c.new_segment) AS as_said,
       bool_and(c.new_segment <> segment_of(f.id, 'reading')) AS flips
FROM read_features AS f CROSS JOIN LATERAL counterfactual_segment(f.id, segmentation => 'reading') AS c
WHERE c.needed IS NOT NULL;
-- No smaller change does: one per cent less of it stays.
SELECT 'no smaller change does' AS test,
       bool_and(assign_segment(to_jsonb(f) - 'id' || jsonb_build_object(c.feature, c.value + 0.99 * (c.needed - c.value)), segment_model('reading')) = segment_of(f.id, 'reading')) AS ok
FROM read_features AS f CROSS JOIN LATERAL counterfactual_segment(f.id, segmentation => 'reading') AS c
WHERE c.needed IS NOT NULL;
SELECT 'with a target' AS test, count(*) > 100 AS some,
       bool_and(assign_segment(to_jsonb(f) - 'id' || jsonb_build_object(c.feature, c.needed), segment_model('reading')) = t.segment) AS ok
FROM read_features AS f
CROSS JOIN (SELECT segment FROM segmentation.segments WHERE segmentation = 'reading') AS t
CROSS JOIN LATERAL counterfactual_segment(f.id, t.segment, 'reading') AS c
WHERE t.segment <> segment_of(f.id, 'reading') AND c.needed IS NOT NULL;

-- Of nobody there is nothing to say.
SELECT 'nobody' AS test, (SELECT count(*) FROM explain_segment(0, 'reading')) AS explained,
       (SELECT count(*) FROM explain_segment(NULL::int, 'reading')) AS null_account,
       (SELECT count(*) FROM counterfactual_segment(0, segmentation => 'reading')) AS moved,
       (SELECT count(*) FROM segment_probabilities(0, 'reading')) AS probable;

-- Wrong input.
\set VERBOSITY verbose
SELECT * FROM explain_segment(1, 'reading', 'no such segment');
DO $$ BEGIN PERFORM * FROM explain_segment(1, 'reading', segment_of(1, 'reading')); RAISE 'it should fail';
EXCEPTION WHEN invalid_parameter_value THEN RAISE NOTICE 'the own segment: 22023'; END $$;
SELECT * FROM explain_segment(1, 'reading', as_of => '2024-01-01 00:00+00');
SELECT * FROM counterfactual_segment(1, 'no such segment', 'reading');
SELECT * FROM segment_probabilities(1, 'no such segmentation');
\set VERBOSITY default

-- Through principal components, weights and winsorising on trades: the sums hold there too, and what is read back from the stored
-- profiles is what was assigned.
CREATE TABLE read_trades AS SELECT * FROM simulate_trades(120, 40, 3);
SELECT count(*) > 0 AS ok FROM create_segmentation('read_trades', 'read_trades');
SELECT count(*) > 1 AS ok FROM fit_segmentation('read_trades', k => 5);
SELECT 'trades: sums' AS test, count(*) = (SELECT count(*) FROM read_trades_segments) AS all_accounts,
       bool_and(abs(e.total - e.lead) <= 1e-9 * greatest(1, abs(e.lead))) AS ok, bool_and(e.segment = s.segment) AS same_segment
FROM read_trades_segments AS s
CROSS JOIN LATERAL (SELECT sum(contribution) AS total, min(lead) AS lead, min(segment) AS segment FROM explain_segment(s.account, 'read_trades')) AS e;
SELECT 'trades: the lead is d2^2 - d1^2' AS test, bool_and(sign(e.lead) = 1) AS ok
FROM read_trades_segments AS s CROSS JOIN LATERAL (SELECT min(lead) AS lead FROM explain_segment(s.account, 'read_trades')) AS e;
SELECT 'trades: likeliest' AS test, bool_and(p.segment = s.segment) AS ok
FROM read_trades_segments AS s CROSS JOIN LATERAL (SELECT segment FROM segment_probabilities(s.account, 'read_trades') LIMIT 1) AS p;

-- An instant inside a day: the same answer of all that read the stored profiles, which are by day. The trades themselves know any instant.
SELECT reader, state, message, hint FROM (VALUES
  ('segment_of', $$SELECT segment_of(1, 'read_trades', '2024-01-02 03:04:05.6+00')$$),
  ('segment_id_of', $$SELECT segment_id_of(1, 'read_trades', '2024-01-02 03:04:05.6+00')$$),
  ('explain_segment', $$SELECT * FROM explain_segment(1, 'read_trades', as_of => '2024-01-02 03:04:05.6+00')$$),
  ('counterfactual_segment', $$SELECT * FROM counterfactual_segment(1, segmentation => 'read_trades', as_of => '2024-01-02 03:04:05.6+00')$$),
  ('segment_probabilities', $$SELECT * FROM segment_probabilities(1, 'read_trades', '2024-01-02 03:04:05.6+00')$$),
  ('segment_standing', $$SELECT * FROM segment_standing(1, 'read_trades', 'infinity')$$)) AS t(reader, statement), test.error_of(statement);
-- Nobody, and somebody before the first trade.
SELECT 'nothing is known' AS test, segment_of('nobody', 'read_trades', '2024-01-20 00:00+00') IS NULL AND segment_of('acct_0001', 'read_trades', '2001-01-20 00:00+00') IS NULL
       AND NOT EXISTS (SELECT FROM explain_segment('acct_0001', 'read_trades', as_of => '2001-01-20 00:00+00')) AND NOT EXISTS (SELECT FROM segment_standing('nobody', 'read_trades', as_of => '2024-01-20 00:00+00')) AS ok;
SELECT 'features of any instant' AS test, count(*) > 0 AS ok FROM segmentation_features('read_trades', '2024-01-20 03:04:05.6+00');

-- What describe_segmentation says of the model is what is stored with it.
SELECT 'quality in the description' AS test, bool_or(object = 'k' AND status = '5' AND detail = quality ->> 'k_reason') AS k,
       bool_or(object = 'guard' AND detail LIKE '%(p = ' || round((quality #>> '{guard,p}')::numeric, 3) || ',%' AND status = CASE WHEN (quality #>> '{guard,p}')::float8 > 0.05 THEN 'may be chance' ELSE 'more than chance' END) AS guard
FROM describe_segmentation('read_trades'), segmentation.models WHERE item = 'model' AND segmentation = 'read_trades';

-- Abstaining: who has fewer trades than the model asks for is new, and is told how many more it takes.
SELECT count(*) > 1 AS ok FROM fit_segmentation('read_trades', k => 5, min_trades => 40, force => true, reason => 'newcomers apart');
WITH counted AS (SELECT account_id, count(*) AS n FROM read_trades GROUP BY 1)
SELECT 'standing of newcomers' AS test, count(*) > 0 AS some,
       bool_and(s.standing = 'new' AND s.trades = c.n AND s.trades_needed = 40 - c.n AND segment_of(c.account_id, 'read_trades') = 'new') AS ok
FROM counted AS c CROSS JOIN LATERAL segment_standing(c.account_id, 'read_trades') AS s WHERE c.n < 40;
WITH counted AS (SELECT account_id, count(*) AS n FROM read_trades GROUP BY 1)
SELECT 'standing of the others' AS test, count(*) > 0 AS some,
       bool_and(s.standing IN ('assigned', 'insufficient') AND (s.missing <= s.allowed) = (s.standing = 'assigned')) AS ok
FROM counted AS c CROSS JOIN LATERAL segment_standing(c.account_id, 'read_trades') AS s WHERE c.n >= 40;
-- A profile knows its trades: the same answer of the model as a value.
SELECT 'newcomers by profile' AS test, count(*) FILTER (WHERE found = 'new') > 0 AS newcomers, count(*) FILTER (WHERE found <> 'new') > 0 AS others, bool_and(found IS NOT DISTINCT FROM segment_of(account_id, 'read_trades')) AS ok
FROM (SELECT p.account_id, assign_segment(p.profile, m.model, (m.model::text::jsonb #>> '{provenance,as_of}')::timestamptz) AS found
      FROM (SELECT account AS account_id, rollup(profile) AS profile FROM read_trades_profiles WHERE span = 1 GROUP BY 1) AS p, (SELECT segment_model('read_trades') AS model) AS m) AS s;
-- Where there is no segment, nothing is explained: all readers abstain together.
SELECT 'who has no segment has no explanation' AS test, count(*) FILTER (WHERE s.quality = 'new') > 0 AS newcomers, count(*) FILTER (WHERE s.quality = 'ok') > 0 AS others,
       bool_and((e.n > 0) = (s.segment_id IS NOT NULL)) AS explain, bool_and((c.n > 0) = (s.segment_id IS NOT NULL)) AS counterfactual,
       bool_and((p.n > 0) = (s.segment_id IS NOT NULL)) AS probabilities, bool_and((segment_margin(s.account, 'read_trades') IS NOT NULL) = (s.segment_id IS NOT NULL)) AS margin
FROM read_trades_segments AS s
CROSS JOIN LATERAL (SELECT count(*) AS n FROM explain_segment(s.account, 'read_trades')) AS e
CROSS JOIN LATERAL (SELECT count(*) AS n FROM counterfactual_segment(s.account, segmentation => 'read_trades')) AS c
CROSS JOIN LATERAL (SELECT count(*) AS n FROM segment_probabilities(s.account, 'read_trades')) AS p;
BEGIN;
UPDATE read_features SET sepal_length = NULL, sepal_width = NULL WHERE id = 1;
SELECT 'too little is known' AS test, standing, trades, missing, allowed, lacks FROM segment_standing(1, 'reading');
SELECT 'nothing is explained' AS test, (SELECT count(*) FROM explain_segment(1, 'reading')) AS explained, (SELECT count(*) FROM counterfactual_segment(1, segmentation => 'reading')) AS moved,
       (SELECT count(*) FROM segment_probabilities(1, 'reading')) AS probable;
SELECT count(*) AS segments FROM fit_segmentation('reading', k => 3, preparation => '{"correlated": null}', force => true, reason => 'a test');
SELECT 'nor is there a margin' AS test, quality, segment_of(1, 'reading') AS segment, segment_margin(1, 'reading') AS margin FROM reading_segments WHERE account = 1;
ROLLBACK;

-- Agreement: published numbers for iris (scikit-learn), and what is equal or independent.
SELECT count(*) > 0 AS ok FROM create_segmentation('raw_iris', features => 'read_features', account => 'id');
SELECT count(*) AS segments FROM fit_segmentation('raw_iris', k => 3, preparation => '{"transform": "identity", "winsorise": null, "scale": null, "weights": null, "pca": null, "correlated": null}');
SELECT 'agreement with the species' AS test,
       abs(adjusted_mutual_information(a, b) - 0.7551191676) < 1e-9 AS ami, abs(adjusted_rand_index(a, b) - 0.7302382723) < 1e-9 AS ari,
       abs(variation_of_information(a, b) - 0.5266536795) < 1e-9 AS vi
FROM (SELECT array_agg(segment_of(id, 'raw_iris') ORDER BY id) AS a, array_agg(species::text ORDER BY id) AS b FROM test.iris) AS s;
SELECT 'equal, and empty' AS test, adjusted_mutual_information('{a,a,b}', '{x,x,y}') AS ami, variation_of_information('{a,a,b}', '{x,x,y}') AS vi,
       adjusted_mutual_information('{}', '{}') AS empty;
SELECT adjusted_mutual_information('{a}', '{a,b}');

-- Effects and p-values of a profile, against plain SQL: Cliff's delta is the share of pairs that are larger minus smaller.
SELECT 'effect' AS test, count(*) = 12 AND bool_and(abs(p.effect - o.delta) < 1e-12) AND bool_and(p.p_adjusted BETWEEN 0 AND 1) AS ok
FROM segment_profiles('raw_iris') AS p
JOIN (SELECT a.segment_id, a.feature, avg(sign(a.value - b.value)) AS delta
      FROM (SELECT i.id, segment_id_of(i.id, 'raw_iris') AS segment_id, v.feature, v.value FROM test.iris AS i CROSS JOIN LATERAL (VALUES ('sepal_length', sepal_length), ('sepal_width', sepal_width), ('petal_length', petal_length), ('petal_width', petal_width)) AS v (feature, value)) AS a
      JOIN (SELECT i.id, segment_id_of(i.id, 'raw_iris') AS segment_id, v.feature, v.value FROM test.iris AS i CROSS JOIN LATERAL (VALUES ('sepal_length', sepal_length), ('sepal_width', sepal_width), ('petal_length', petal_length), ('petal_width', petal_width)) AS v (feature, value)) AS b
        ON b.feature = a.feature AND b.segment_id <> a.segment_id
      GROUP BY 1, 2) AS o USING (segment_id, feature);

-- Rules: the CASE expression says the same as the tree for every account of the table, and as often what the model says as the
-- model claims, missing values and infinities included.
SELECT segment_id, rule, round(fidelity::numeric, 2) AS fidelity, verdict FROM segment_rules('raw_iris');
SELECT segment_rules_sql('raw_iris') AS rules \gset
SELECT 'fidelity over all accounts' AS test, avg((ruled = segment_of(id, 'raw_iris'))::int) >= 0.85 AS ok
FROM (SELECT id, (:rules) AS ruled FROM read_features) AS s;
SELECT 'a missing value has a side' AS test, bool_and(ruled IS NOT NULL) AS ok
FROM (SELECT (:rules) AS ruled FROM (VALUES (NULL::float8), ('NaN'), ('Infinity'), ('-Infinity')) AS a (x)
      CROSS JOIN LATERAL (SELECT x AS sepal_length, x AS sepal_width, x AS petal_length, x AS petal_width) AS f) AS s;

-- What there is to choose from.
SELECT algorithm, takes_k::int, new_rows::int, soft::int, noise::int, explains::int, explains_without_pca::int AS without_pca, counterfactuals::int, max_rows, settings FROM segmentation.algorithms;

SELECT count(drop_segmentation(name)::text) AS dropped FROM segmentation.segmentations WHERE name IN ('reading', 'read_trades', 'raw_iris');
DROP VIEW read_distances;
DROP TABLE read_features, read_trades;
