-- More accounts than maintenance_work_mem holds: a sample by the hash of the key, that is stored and drawn again.
CREATE TABLE sample_t AS SELECT i AS id, i % 3 AS planted, f.* FROM generate_series(1, 3000) AS i,
  LATERAL (SELECT (i % 3) * 10 + test.rnd(i, 'a') AS f1, (i % 3) * 7 + test.rnd(i, 'b') AS f2, test.rnd(i, '3') AS f3, test.rnd(i, '4') AS f4, test.rnd(i, '5') AS f5, test.rnd(i, '6') AS f6, test.rnd(i, '7') AS f7, test.rnd(i, '8') AS f8,
    test.rnd(i, '9') AS f9, test.rnd(i, '10') AS f10, test.rnd(i, '11') AS f11, test.rnd(i, '12') AS f12, test.rnd(i, '13') AS f13, test.rnd(i, '14') AS f14, test.rnd(i, '15') AS f15, test.rnd(i, '16') AS f16) AS f;
SELECT count(*) > 0 AS ok FROM create_segmentation('sample', features => 'sample_t', account => 'id',
  columns => '["f1", "f2", "f3", "f4", "f5", "f6", "f7", "f8", "f9", "f10", "f11", "f12", "f13", "f14", "f15", "f16"]');
\set preparation '{"weights": {"f1": 20, "f2": 20}, "correlated": null}'
SET maintenance_work_mem = '1MB';
-- 1 MB holds 1048576 / (16 features * 8 bytes * 4 copies) = 2048 rows.
SET client_min_messages = warning;
SELECT count(*) AS segments, sum(accounts) AS accounts, array_to_string(max(warnings), ' ') ~ 'fitted on a sample of \d+ of 3000 accounts' AS said FROM fit_segmentation('sample', 3, preparation => :'preparation', seed => 5);
CREATE VIEW sample_model AS SELECT provenance FROM segmentation.models WHERE segmentation = 'sample' AND active;
SELECT 'the sample is of keys' AS test, (provenance ->> 'sampled_from')::int AS sampled_from, (provenance ->> 'sampled_below')::bigint = floor(2048.0 / 3000 * 2147483648) AS below,
       (provenance ->> 'rows')::int = (SELECT count(*) FROM sample_t WHERE (hashtextextended(id::text COLLATE "C", 5) & 2147483647) < (provenance ->> 'sampled_below')::bigint) AS rows FROM sample_model;
SELECT 'all accounts are scored' AS test, adjusted_rand_index(array_agg(planted::text ORDER BY id), array_agg(segment_of(id, 'sample') ORDER BY id)) AS agreement FROM sample_t;
SELECT 'drawn again' AS test, bool_and(equal) AS ok FROM reproduce_model('sample');
CREATE TABLE sample_stability AS SELECT * FROM segmentation_stability('sample', resamples => 3);
SELECT 'stability of a sample' AS test, count(*) FILTER (WHERE figure = 'jaccard_of_2000' AND value > 0.99) AS segments FROM sample_stability;
SELECT 'the same again' AS test, NOT EXISTS (SELECT * FROM sample_stability EXCEPT SELECT * FROM segmentation_stability('sample', resamples => 3)) AS ok;
SELECT 'confidence of a sample' AS test, count(*) = (SELECT count(*) FROM sample_t WHERE (hashtextextended(id::text COLLATE "C", 9) & 2147483647) < floor(2048.0 / 3000 * 2147483648)) AS accounts, min(confidence) AS least,
       bool_and((hashtextextended(account COLLATE "C", 9) & 2147483647) < floor(2048.0 / 3000 * 2147483648)) AS of_the_sample, bool_and(c.segment = segment_of(account, 'sample')) AS segments FROM account_confidence('sample', resamples => 3, seed => 9) AS c;
-- With more memory it is the same sample, and of all accounts no sample is taken for less.
RESET maintenance_work_mem;
SELECT 'the same with more memory' AS test, bool_and(equal) AS ok FROM reproduce_model('sample');
SELECT count(*) AS segments FROM fit_segmentation('sample', 3, preparation => :'preparation', seed => 5);
SELECT 'no sample' AS test, provenance ->> 'sampled_from' AS sampled_from, NOT provenance ? 'sampled_below' AS ok FROM sample_model;
SET maintenance_work_mem = '1MB';
SELECT state, message, hint FROM test.error_of($$SELECT * FROM reproduce_model('sample')$$);
RESET maintenance_work_mem;
SELECT 'all accounts again' AS test, bool_and(equal) AS ok FROM reproduce_model('sample');
RESET client_min_messages;
SET maintenance_work_mem = '1MB';
SELECT count(*) > 5 AS ok FROM segmentation_stability('sample', resamples => 1);
RESET maintenance_work_mem;
DROP VIEW sample_model;
SELECT drop_segmentation('sample') IS NOT NULL AS ok;
DROP TABLE sample_t, sample_stability;
