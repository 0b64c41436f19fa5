-- Columns that a model was made of are dropped: clear errors, no wrong numbers, and no right that was not there before.
SET client_min_messages = warning;
CREATE ROLE dropped_reader;

-- Ready-made features.
CREATE TABLE dr_f AS SELECT i AS id, i % 3 * 20.0 + test.rnd(i, 'x') AS x, i % 3 * 7.0 + test.rnd(i, 'y') AS y, test.rnd(i, 'z') AS z FROM generate_series(1, 300) AS i;
SELECT count(*) > 0 AS ok FROM create_segmentation('dr', features => 'dr_f', account => 'id');
SELECT count(*) = 3 AS ok FROM fit_segmentation('dr', k => 3);
CREATE TEMP TABLE before AS SELECT id, segment_of(id, 'dr') AS segment FROM dr_f;
ALTER TABLE dr_f DROP COLUMN y;
SELECT 'stored segments stay' AS test, bool_and(segment_of(id, 'dr') = segment AND segment_margin(id, 'dr') IS NOT NULL) AS ok FROM before;
SELECT test, state, message, hint FROM (VALUES
  ('explain', $$SELECT * FROM explain_segment(1, 'dr')$$),
  ('counterfactual', $$SELECT * FROM counterfactual_segment(1, segmentation => 'dr')$$),
  ('probabilities', $$SELECT * FROM segment_probabilities(1, 'dr')$$),
  ('standing', $$SELECT * FROM segment_standing(1, 'dr')$$),
  ('fit', $$SELECT * FROM fit_segmentation('dr', k => 3)$$),
  ('compare', $$SELECT * FROM compare_models('dr', 1, 1)$$),
  ('reproduce', $$SELECT * FROM reproduce_model('dr')$$)) AS t(test, statement), test.error_of(statement);
SELECT 'what the model says of itself stays' AS test, (SELECT count(*) FROM segment_profiles('dr')) = 9 AS profiles, (SELECT count(*) FROM segment_rules('dr')) > 0 AS rules,
       assign_segment('{"x": 20.5, "y": 7.5, "z": 0.5}'::jsonb, 'dr') IS NOT NULL AS assigned;
SELECT item, object, status, source, detail FROM describe_segmentation('dr') WHERE item IN ('feature', 'column', 'model');
ALTER TABLE dr_f DROP COLUMN id;
SELECT item, object, status, source, detail FROM describe_segmentation('dr') WHERE item = 'column';
SELECT state, message FROM test.error_of($$SELECT * FROM explain_segment(1, 'dr')$$);
DROP TABLE dr_f;
SELECT 'stored segments stay without the table, too' AS test, bool_and(segment_of(id, 'dr') = segment) AS ok FROM before;
SELECT state, message, hint FROM test.error_of($$SELECT * FROM explain_segment(1, 'dr')$$);
SELECT item, object, status, detail FROM describe_segmentation('dr') WHERE item IN ('source', 'model');
SELECT drop_segmentation('dr');

-- Attributes beside trades: what a model tells of a column that a role may not read does not become readable with the column gone.
CREATE TABLE dr_t AS SELECT i % 60 AS account_id, timestamptz '2024-01-01+00' + i * interval '30 minutes' AS executed_at, 1 + i % 60 * test.rnd(i, 'q') AS quantity, 100.0::float8 AS price FROM generate_series(1, 3000) AS i;
CREATE TABLE dr_a AS SELECT i AS account_id, i % 4 AS tier, i * 1.5 AS income FROM generate_series(0, 59) AS i;
SELECT count(*) > 0 AS ok FROM create_segmentation('drt', 'dr_t', sources => '{"attributes": {"relation": "dr_a", "columns": ["tier", "income"]}}');
SELECT sum(accounts) = 60 AS ok FROM fit_segmentation('drt', k => 3);
SELECT watch_segmentation('drt') IS NOT NULL AS ok;
GRANT SELECT ON drt_segments, drt_profiles TO dropped_reader;
GRANT SELECT (account_id, tier) ON dr_a TO dropped_reader;
CREATE FUNCTION pg_temp.may_read_model(OUT state text, OUT models bigint, OUT segments bigint) LANGUAGE sql AS $$
  SELECT (SELECT e.state FROM test.error_of('SELECT segment_model(''drt'')') AS e),
         (SELECT count(*) FROM segmentation.models WHERE segmentation = 'drt'), (SELECT count(*) FROM segmentation.segments WHERE segmentation = 'drt') $$;
SET ROLE dropped_reader;
SELECT 'hidden' AS test, * FROM pg_temp.may_read_model();
RESET ROLE;
ALTER TABLE dr_a RENAME COLUMN income TO turnover;
SET ROLE dropped_reader;
SELECT 'renamed' AS test, * FROM pg_temp.may_read_model();
RESET ROLE;
ALTER TABLE dr_a RENAME COLUMN turnover TO income;
ALTER TABLE dr_a DROP COLUMN income;
SET ROLE dropped_reader;
SELECT 'dropped' AS test, * FROM pg_temp.may_read_model();
SELECT 'the segment is told' AS test, segment_of(7, 'drt') IS NOT NULL AS ok;
RESET ROLE;
GRANT SELECT ON dr_a TO dropped_reader;
SET ROLE dropped_reader;
SELECT 'the whole relation' AS test, * FROM pg_temp.may_read_model();
RESET ROLE;
REVOKE SELECT ON dr_a FROM dropped_reader;
SELECT test, state, message, hint FROM (VALUES
  ('explain', $$SELECT * FROM explain_segment(7, 'drt')$$),
  ('segment of then', $$SELECT segment_of(7, 'drt', '2024-02-01+00')$$),
  ('features', $$SELECT * FROM segmentation_features('drt')$$),
  ('fit', $$SELECT * FROM fit_segmentation('drt', k => 3)$$)) AS t(test, statement), test.error_of(statement);
SELECT item, object, status, source, detail FROM describe_segmentation('drt') WHERE (item = 'feature' AND object IN ('tier', 'income')) OR item = 'source';
RESET client_min_messages;
INSERT INTO dr_t VALUES (7, '2024-03-04 10:00+00', 1, 100);
SET client_min_messages = warning;
SELECT account, quality FROM drt_segments WHERE quality <> 'ok' ORDER BY account;
DROP TABLE dr_a;
SET ROLE dropped_reader;
SELECT 'without the relation' AS test, * FROM pg_temp.may_read_model();
RESET ROLE;
SELECT 'the owner' AS test, count(*) FROM segmentation.models WHERE segmentation = 'drt';
SELECT state, message FROM test.error_of($$SELECT * FROM explain_segment(7, 'drt')$$);

SELECT drop_segmentation('drt');
DROP TABLE dr_t;
DROP ROLE dropped_reader;
