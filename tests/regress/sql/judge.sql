-- How many segments there are, and how far a model can be trusted. Numbers for iris: scikit-learn 1.9 (silhouette,
-- Calinski-Harabasz, Davies-Bouldin, inertia), R's fpc (Jaccard, prediction strength: within what resampling gives).
CREATE TABLE judge_iris AS SELECT id, sepal_length, sepal_width, petal_length, petal_width FROM test.iris;
SELECT count(*) > 0 AS ok FROM create_segmentation('judge', features => 'judge_iris', account => 'id');
CREATE TABLE judge_k AS SELECT * FROM choose_k('judge', 6, preparation => '{"transform": "identity", "winsorise": null, "scale": null, "weights": null, "pca": null, "correlated": null}');
SELECT 'one row a k' AS test, array_agg(k ORDER BY k) = ARRAY[1, 2, 3, 4, 5, 6] AND count(*) FILTER (WHERE chosen) = 1 AS ok FROM judge_k;
SELECT 'inertia' AS test, bool_and(abs(j.inertia_of_20000 - e.inertia) < 1e-4) AS ok
FROM judge_k AS j JOIN (VALUES (1, 681.3706), (2, 152.34795176), (3, 78.85144143), (4, 57.22847321), (5, 46.44618205), (6, 39.03998725)) AS e (k, inertia) USING (k);
SELECT 'silhouettes of k = 3' AS test, abs(silhouette_of_5000 - 0.5528190124) < 1e-9 AS exact, abs(simplified_silhouette_of_20000 - 0.6663855565) < 1e-9 AS simplified FROM judge_k WHERE k = 3;
SELECT 'Calinski-Harabasz' AS test, round(calinski_harabasz_of_20000::numeric, 1) AS value FROM judge_k WHERE k = 3;
SELECT 'prediction strength falls' AS test, bool_and(abs(prediction_strength_of_2000 - e.ps) < 0.06) AS ok
FROM judge_k AS j JOIN (VALUES (2, 0.975), (3, 0.791), (4, 0.606)) AS e (k, ps) USING (k);
SELECT 'weakest Jaccard' AS test, bool_and(abs(weakest_jaccard_of_2000 - e.jaccard) < 0.05) AS ok
FROM judge_k AS j JOIN (VALUES (2, 0.99), (3, 0.93), (4, 0.80)) AS e (k, jaccard) USING (k);
SELECT 'the criteria disagree' AS test,
       (SELECT k FROM judge_k ORDER BY silhouette_of_5000 DESC NULLS LAST LIMIT 1) AS silhouette,
       (SELECT k FROM judge_k ORDER BY calinski_harabasz_of_20000 DESC NULLS LAST LIMIT 1) AS calinski_harabasz,
       (SELECT k FROM judge_k ORDER BY davies_bouldin_of_20000 LIMIT 1) AS davies_bouldin,
       (SELECT max(k) FROM judge_k WHERE prediction_strength_of_2000 >= 0.8) AS prediction_strength,
       (SELECT k FROM judge_k WHERE chosen) AS rule;
SELECT 'the rule is not chance' AS test, guard_p_of_2000 < 0.05 AS ok FROM judge_k WHERE chosen;

-- Bayesian information criterion of mixtures, against scikit-learn.
SELECT 'BIC' AS test, bool_and(abs(j.bic_of_20000 - e.bic) < 1e-3) AS ok
FROM choose_k('judge', 3, 'gmm_full', '{"transform": "identity", "winsorise": null, "scale": null, "weights": null, "pca": null, "correlated": null}') AS j
JOIN (VALUES (1, 829.9782), (2, 574.0178), (3, 580.8389)) AS e (k, bic) USING (k);

-- Published Jaccard similarities, within 0.02 over 1,000 resamples. Of 50, as above, each is uncertain by 0.01 to 0.02 itself.
SET client_min_messages = warning;
SELECT count(*) AS segments FROM fit_segmentation('judge', 4, preparation => '{"transform": "identity", "winsorise": null, "scale": null, "weights": null, "pca": null, "correlated": null}');
SELECT 'Jaccard of each of four' AS test, bool_and(abs(value - expected) <= 0.02) AS ok
FROM (SELECT value, row_number() OVER (ORDER BY value) AS place FROM segmentation_stability('judge', resamples => 1000) WHERE figure = 'jaccard_of_2000') AS s
JOIN (VALUES (1, 0.80), (2, 0.82), (3, 0.92), (4, 1)) AS e (place, expected) USING (place);
RESET client_min_messages;

-- Noise has no segments, and says so.
CREATE TABLE judge_noise AS SELECT i AS id, (hashint8extended(i, 1) / 9.3e18)::float8 AS a, (hashint8extended(i, 2) / 9.3e18)::float8 AS b, (hashint8extended(i, 3) / 9.3e18)::float8 AS c FROM generate_series(1, 500) AS i;
SELECT count(*) > 0 AS ok FROM create_segmentation('judge_noise', features => 'judge_noise', account => 'id');
SELECT segment, accounts, warnings[cardinality(warnings)] ~ '^no segment structure' AS said FROM fit_segmentation('judge_noise', k_max => 5);
SELECT 'a given k warns' AS test, warnings::text ~ 'may be chance' AS ok FROM fit_segmentation('judge_noise', k => 3, activate => false) LIMIT 1;
SELECT 'p in every model' AS test, version, (quality #>> '{guard,p}')::float8 > 0.05 AS chance, quality #>> '{guard,reason}' AS reason FROM segmentation.models WHERE segmentation = 'judge_noise' ORDER BY version;

-- Stability: planted groups are found again, and accounts are sure; nothing is stored.
CREATE TABLE judge_groups AS
SELECT i AS id, (i % 3) * 10 + (hashint8extended(i, 1) / 9.3e18)::float8 AS a, (i % 3) * -7 + (hashint8extended(i, 2) / 9.3e18)::float8 AS b FROM generate_series(1, 300) AS i;
SELECT count(*) > 0 AS ok FROM create_segmentation('judge_groups', features => 'judge_groups', account => 'id');
SELECT count(*) AS segments FROM fit_segmentation('judge_groups');
SELECT figure, count(*) AS rows_, round(min(value)::numeric, 2) AS lowest, min(verdict) AS verdict FROM segmentation_stability('judge_groups') GROUP BY figure ORDER BY figure COLLATE "C";
SELECT 'every account is sure' AS test, count(*) AS accounts, round(min(confidence)::numeric, 3) AS least, count(*) FILTER (WHERE segment_id IS DISTINCT FROM segment_id_of(account, 'judge_groups')) AS differ FROM account_confidence('judge_groups', resamples => 20);
SELECT 'of a version' AS test, count(*) > 5 AS ok FROM segmentation_stability('judge_groups', 1, 10);
SELECT 'nothing is stored' AS test, count(*) = 1 AS ok FROM segmentation.models WHERE segmentation = 'judge_groups';

-- Wrong input.
\set VERBOSITY verbose
SELECT * FROM choose_k('judge', 1);
SELECT * FROM choose_k('judge', algorithm => 'dbscan');
SELECT * FROM segmentation_stability('judge_groups', resamples => 0);
SELECT * FROM segmentation_stability('judge_groups', 99);
SELECT * FROM account_confidence('nothing of that name');
\set VERBOSITY default
SELECT count(drop_segmentation(name)::text) AS dropped FROM segmentation.segmentations WHERE name LIKE 'judge%';
DROP TABLE judge_iris, judge_k, judge_noise, judge_groups;
