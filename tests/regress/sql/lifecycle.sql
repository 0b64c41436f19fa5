-- The life of a model: states, refusals, names that stay, what is recorded.
SET client_min_messages = warning;
\set VERBOSITY terse

-- Nine planted groups on two scales: three places far apart, three groups at each. k = 3 finds the places, k = 9 the groups.
CREATE TABLE life_f AS
SELECT i AS id, i % 9 AS truth,
       (i % 9 / 3) * 200 + i % 3 * 15 + test.rnd(i, 'x') * 4 AS x,
       (i % 9 / 3) % 2 * 200 + i % 3 % 2 * 15 + test.rnd(i, 'y') * 4 AS y
FROM generate_series(1, 1800) AS i;
SELECT count(*) > 0 AS created FROM create_segmentation('life', features => 'life_f', account => 'id', columns => '["x", "y"]');

-- A first model has nothing to continue and becomes active.
SELECT count(*) = 3 AND sum(accounts) = 1800 AND min(segment_id) = 1 AND max(segment_id) = 3 AS ok FROM fit_segmentation('life', k => 3);
SELECT version, state, active, accounts FROM segmentation.models WHERE segmentation = 'life' ORDER BY 1;
SELECT number, event, version, from_state, to_state FROM segmentation.events WHERE segmentation = 'life' ORDER BY 1;

-- Ids and names stay through refits with other seeds.
SELECT rename_segment('life', segment_id_of(1, 'life'), 'the first place', 'asked for by sales');
CREATE TEMP TABLE labels AS SELECT id, segment_id_of(id, 'life') AS id_then, segment_of(id, 'life') AS name_then FROM life_f;
SELECT 'refits with other seeds are active' AS test, bool_and((SELECT count(*) FROM fit_segmentation('life', k => 3, seed => s)) = 3) AS ok FROM generate_series(2, 11) AS s;
SELECT 'and keep ids and names' AS test, bool_and(segment_id_of(id, 'life') = id_then AND segment_of(id, 'life') = name_then) AND count(DISTINCT id_then) = 3
  AND bool_or(name_then = 'the first place') AS ok FROM labels;
SELECT version, state FROM segmentation.models WHERE segmentation = 'life' AND version IN (10, 11) ORDER BY 1;

-- Names.
SELECT 'a rename is everywhere at once' AS test,
       (SELECT count(*) FROM life_segments WHERE segment = 'the first place') = (SELECT count(*) FROM labels WHERE name_then = 'the first place')
   AND (SELECT count(*) FROM segmentation.segments WHERE segmentation = 'life' AND segment = 'the first place' AND renamed_by_user) = 1
   AND EXISTS (SELECT FROM segment_profiles('life') WHERE segment = 'the first place')
   AND EXISTS (SELECT FROM segment_profiles('life', 1) WHERE segment = 'the first place')
   AND segment_model('life', 1)::text LIKE '%"the first place"%'
   AND assign_segment((SELECT ARRAY[x, y] FROM life_f WHERE id = 1), 'life') = 'the first place'
   AND assign_segment((SELECT ARRAY[x, y] FROM life_f WHERE id = 1), segment_model('life', 1)) = 'the first place' AS ok;
SELECT 'the stored model stays as it was written' AS test, model::text NOT LIKE '%the first place%' AS ok FROM segmentation.models WHERE segmentation = 'life' AND version = 1;
SELECT test, state, message, hint FROM (VALUES
  ('taken', $$SELECT rename_segment('life', segment_id_of(3, 'life'), 'the first place')$$),
  ('unknown', $$SELECT rename_segment('life', 99, 'x')$$),
  ('empty', $$SELECT rename_segment('life', 1, '   ')$$),
  ('reserved', $$SELECT rename_segment('life', 1, 'new')$$),
  ('no name', $$SELECT rename_segment('life', 1, NULL)$$),
  ('no id', $$SELECT rename_segment('life', NULL, 'x')$$)) AS t(test, statement), test.error_of(statement);
SELECT 'too long' AS test, state = '22023' AS ok FROM test.error_of($$SELECT rename_segment('life', 1, repeat('x', 201))$$);
SELECT rename_segment('life', segment_id_of(3, 'life'), repeat('é', 200));
SELECT 'as long as may be' AS test, length(segment_of(3, 'life')) = 200 AS ok;
SELECT 'its own name again' AS test, state = '00000' AS ok FROM test.error_of($$SELECT rename_segment('life', segment_id_of(1, 'life'), 'the first place')$$);
SELECT details ->> 'to' AS renamed, reason, by = current_user AS by, login = session_user AS login FROM segmentation.events WHERE segmentation = 'life' AND event = 'rename' ORDER BY number LIMIT 1;

-- k 3 -> 9: every place is split in three. All labels would change, so the model stays a candidate and says so.
SELECT 'before' AS test, active_version FROM segmentation.segmentations WHERE name = 'life';
SELECT segment_id, accounts, warnings FROM fit_segmentation('life', k => 9);
SELECT 'still' AS test, active_version FROM segmentation.segmentations WHERE name = 'life';
SELECT version, state FROM segmentation.models WHERE segmentation = 'life' ORDER BY version DESC LIMIT 1;
SELECT change, old_segments, new_segments, accounts, round(jaccard::numeric, 3) AS jaccard FROM segmentation.segment_changes WHERE segmentation = 'life' AND version = 12;
SELECT 'labels are as they were' AS test, bool_and(segment_of(id, 'life') = CASE WHEN id_then = segment_id_of(3, 'life') THEN repeat('é', 200) ELSE name_then END) AS ok FROM labels;
SELECT test, state, message, hint FROM (VALUES
  ('refused', $$SELECT activate_model('life', 12)$$),
  ('force takes a reason', $$SELECT activate_model('life', 12, force => true)$$),
  ('an empty one is none', $$SELECT activate_model('life', 12, force => true, reason => ' ')$$),
  ('so does a fit', $$SELECT * FROM fit_segmentation('life', k => 9, force => true)$$),
  ('no such version', $$SELECT activate_model('life', 99)$$),
  ('active already', $$SELECT activate_model('life', 11)$$),
  ('no version', $$SELECT activate_model('life', NULL)$$),
  ('a rejection takes a reason', $$SELECT reject_model('life', 12, '')$$),
  ('the active one cannot be rejected', $$SELECT reject_model('life', 11, 'x')$$)) AS t(test, statement), test.error_of(statement);

-- What it would do, before it is done; against plain SQL over both models.
CREATE TEMP TABLE cross_table AS
SELECT assign_segment(ARRAY[x, y], segment_model('life', 11)) AS a, assign_segment(ARRAY[x, y], segment_model('life', 12)) AS b, count(*) AS n FROM life_f GROUP BY 1, 2;
SELECT 'compare_models' AS test, (SELECT count(*) FROM compare_models('life', 11, 12)) = (SELECT count(*) FROM cross_table)
   AND bool_and(c.accounts = x.n AND c.share = x.n / 1800.0::float8 AND c.moves AND c.volume_usd IS NULL) AS ok
FROM compare_models('life', 11, 12) AS c JOIN cross_table AS x ON (x.a, x.b) = (c.segment_a, c.segment_b);
SELECT 'a model compared with itself' AS test, count(*) = 3 AND NOT bool_or(moves) AND test.close(sum(share), 1) AS ok FROM compare_models('life', 11, 11);
SELECT 'moved accounts' AS test, count(*) = 1800 AND bool_and(m.segment_id_a = l.id_then) AS ok FROM moved_accounts('life', 11, 12) AS m JOIN labels AS l ON l.id::text = m.account;
SELECT 'nobody moves' AS test, count(*) = 0 AS ok FROM moved_accounts('life', 10, 11);
SELECT * FROM segment_changes('life', 10, 11);
SELECT change, cardinality(segments_a) AS a, cardinality(segments_b) AS b, accounts, jaccard FROM segment_changes('life', 11, 12);
SELECT change, cardinality(segments_a) AS a, cardinality(segments_b) AS b, accounts, jaccard FROM segment_changes('life', 12, 11);

-- With force and a reason.
SELECT activate_model('life', 12, force => true, reason => 'the board wants nine');
SELECT 'all accounts are scored by it' AS test, count(DISTINCT s.segment_id) = 9 AND bool_and(s.model_version = 12 AND s.segment = assign_segment(ARRAY[x, y], 'life')) AS ok
FROM life_segments AS s JOIN life_f AS f ON f.id = s.account;
SELECT 'the planted groups' AS test, count(*) = 9 AS ok FROM (SELECT DISTINCT truth, segment_id_of(id, 'life') FROM life_f) AS t;
SELECT event, version, from_state, to_state, reason, details FROM segmentation.events WHERE segmentation = 'life' ORDER BY number DESC LIMIT 2;
SELECT segment_id, first_version, last_version, dissolved_in FROM segmentation.segment_names WHERE segmentation = 'life' ORDER BY 1;

-- Back, one step a call; no overlap is asked for.
SELECT rollback_model('life', 'the board changed its mind');
SELECT 'the old labels are back' AS test, bool_and(segment_id_of(id, 'life') = id_then) AS ok FROM labels;
SELECT count(*) FILTER (WHERE dissolved_in = 12) AS dissolved_in_12, count(*) FILTER (WHERE dissolved_in = 11) AS dissolved_in_11 FROM segmentation.segment_names WHERE segmentation = 'life';
SELECT reject_model('life', 10, 'a test of going back');
SELECT 'a rejected one is passed over' AS test, rollback_model('life') = 9 AS ok;
SELECT test, state, message, hint FROM (VALUES
  ('rejected for good', $$SELECT activate_model('life', 10)$$),
  ('rejected once', $$SELECT reject_model('life', 10, 'again')$$)) AS t(test, statement), test.error_of(statement);
SELECT 'a rejected one can be read' AS test, segment_model('life', 10) IS NOT NULL AS ok;
SELECT 'forward again' AS test, activate_model('life', 11) = 11 AND rollback_model('life') = 9 AS ok;

-- k 9 -> 3: merges. Ids of dissolved segments do not come back.
SELECT activate_model('life', 12, force => true, reason => 'nine again');
SELECT count(*) AS segments FROM fit_segmentation('life', k => 3, seed => 5, activate => false);
SELECT change, cardinality(old_segments) AS old, cardinality(new_segments) AS new, accounts, jaccard FROM segmentation.segment_changes WHERE segmentation = 'life' AND version = 13;
SELECT 'new ids' AS test, count(*) = 3 AND min(segment_id) = 13 AND max(segment_id) = 15 AS ok FROM segment_profiles('life', 13) WHERE feature = 'x';
SELECT version, state FROM segmentation.models WHERE segmentation = 'life' AND version = 13;

-- The threshold is the segmentation's.
SELECT alter_segmentation('life', min_overlap => 0, reason => 'a laboratory');
SELECT 'anything goes' AS test, activate_model('life', 13) = 13 AS ok;
SELECT test, state, message, hint FROM (VALUES
  ('too much', $$SELECT alter_segmentation('life', min_overlap => 1.5)$$),
  ('not a number', $$SELECT alter_segmentation('life', min_overlap => 'NaN')$$)) AS t(test, statement), test.error_of(statement);
SELECT details, reason FROM segmentation.events WHERE segmentation = 'life' AND event = 'alter';

-- What is written stays: for the owner of the catalogue, too.
SELECT test, state FROM (VALUES
  ('a model', $$UPDATE segmentation.fit SET model = segment_model('life', 1) WHERE version = 2$$),
  ('its number', $$UPDATE segmentation.fit SET version = 77 WHERE version = 2$$),
  ('an event', $$UPDATE segmentation.event SET reason = 'x'$$),
  ('events', $$DELETE FROM segmentation.event$$),
  ('all of them', $$TRUNCATE segmentation.event$$),
  ('a model goes', $$DELETE FROM segmentation.fit WHERE version = 2$$),
  ('all models go', $$TRUNCATE segmentation.fit$$),
  ('a state that is none', $$UPDATE segmentation.fit SET state = 'odd'$$)) AS t(test, statement), test.error_of(statement);

-- A refit from what is stored.
SELECT * FROM reproduce_model('life', 12) WHERE "check" IN ('accounts', 'features', 'segments', 'accounts by segment', 'market');
SELECT 'reproduced to the last bit' AS test, bool_and(equal) AND count(*) = 11 AS ok FROM reproduce_model('life', 12);
SELECT 'every version' AS test, bool_and(equal) AS ok FROM generate_series(1, 13) AS v, reproduce_model('life', v);
UPDATE life_f SET x = x + 1e-9 WHERE id = 77;
SELECT "check" AS differs FROM reproduce_model('life', 12) WHERE NOT equal;
SELECT 'nothing was stored' AS test, max(version) = 13 AS ok FROM segmentation.models WHERE segmentation = 'life';

-- Settings of the algorithm.
SELECT 'the hint says what there is' AS test, hint LIKE 'allowed keys: n_init, max_iter, %' AS ok FROM test.error_of($$SELECT * FROM fit_segmentation('life', k => 3, settings => '{"speed": 1}')$$);
SELECT test, state, message FROM (VALUES
  ('unknown key', $$SELECT * FROM fit_segmentation('life', k => 3, settings => '{"speed": 1}')$$),
  ('out of range', $$SELECT * FROM fit_segmentation('life', k => 3, settings => '{"n_init": 0}')$$),
  ('no object', $$SELECT * FROM fit_segmentation('life', k => 3, settings => '[1]')$$),
  ('min_trades of features', $$SELECT * FROM fit_segmentation('life', k => 3, min_trades => 2)$$),
  ('min_trades', $$SELECT * FROM fit_segmentation('life', k => 3, min_trades => 0)$$)) AS t(test, statement), test.error_of(statement);
SELECT 'settings are kept' AS test, count(*) = 3 AS fitted FROM fit_segmentation('life', k => 3, settings => '{"n_init": 2}', activate => false);
SELECT provenance #>> '{parameters,settings,n_init}' AS n_init FROM segmentation.models WHERE segmentation = 'life' ORDER BY version DESC LIMIT 1;

-- The record outlives the segmentation; a later one of the name shows only its own.
SELECT drop_segmentation('life');
SELECT count(*) > 0 AS created FROM create_segmentation('life', features => 'life_f', account => 'id', columns => '["x", "y"]');
CREATE ROLE life_owner;
GRANT ALL ON life_f, life_segments TO life_owner;
SELECT max(event) FILTER (WHERE from_end = 1) AS last, max(event) FILTER (WHERE from_end = 2) AS before FROM (SELECT event, row_number() OVER (ORDER BY number DESC) AS from_end FROM segmentation.events WHERE segmentation = 'life') AS e;
SET ROLE life_owner;
SELECT event FROM segmentation.events WHERE segmentation = 'life';
RESET ROLE;
SELECT count(*) > 0 AS fitted FROM fit_segmentation('life', k => 2);
SELECT 'no way back into another life' AS test, state, message FROM test.error_of($$SELECT rollback_model('life')$$);
SELECT drop_segmentation('life');
DROP OWNED BY life_owner;
DROP ROLE life_owner;
DROP TABLE life_f;

-- New accounts: too few trades to fit on, and told so. Checked against a count of the trades.
CREATE TABLE life_t AS
SELECT i AS trade_id, i % 40 AS account_id, timestamptz '2024-01-01+00' + i * interval '30 minutes' AS executed_at,
       1 + i % 40 * test.rnd(i, 'q') AS quantity, 100.0::float8 AS price, CASE WHEN i % 3 = 0 THEN 'buy' ELSE 'sell' END AS side
FROM generate_series(1, 2000) AS i WHERE i % 40 >= 5 OR i < 120;
SELECT count(*) > 0 AS created FROM create_segmentation('fresh', 'life_t');
SELECT sum(accounts) AS accounts, max(warnings[1]) FILTER (WHERE warnings <> '{}') AS warning FROM fit_segmentation('fresh', k => 2, min_trades => 4);
SELECT 'new is new' AS test, count(*) = 40 AND bool_and((quality = 'new') = (n < 4)) AND bool_and(CASE WHEN n < 4 THEN segment = 'new' AND segment_id IS NULL AND outlier IS NULL AND margin IS NULL ELSE segment_id IS NOT NULL AND outlier IS NOT NULL END) AS ok
FROM fresh_segments JOIN (SELECT account_id, count(*) AS n FROM life_t GROUP BY 1) AS t ON account_id = account;
SELECT segment_of(0, 'fresh') AS segment, segment_id_of(0, 'fresh') AS id, segment_of(0, 'fresh', '2024-06-01+00') AS as_of, segment_id_of(0, 'fresh', '2024-06-01+00') AS id_as_of;
SELECT 'others have a segment at that time' AS test, segment_of(7, 'fresh', '2024-06-01+00') = segment_of(7, 'fresh') AS ok;
SELECT watch_segmentation('fresh') IS NOT NULL AS watched;
INSERT INTO life_t VALUES (5000, 0, '2024-02-11+00', 1, 100, 'buy'), (5001, 99, '2024-02-11+00', 1, 100, 'buy');
SELECT account, segment = 'new' AS new, quality, model_version FROM fresh_segments WHERE account IN (0, 99) ORDER BY 1;
INSERT INTO life_t SELECT 5002 + i, 99, timestamptz '2024-02-11 01:00+00' + i * interval '1 minute', 1, 100, 'buy' FROM generate_series(1, 3) AS i;
SELECT account, CASE WHEN segment_id IS NULL THEN 'none' ELSE 'some' END AS segment, quality FROM fresh_segments WHERE account IN (0, 99) ORDER BY 1;
SELECT 'compared with itself' AS test, count(*) = 3 AND NOT bool_or(moves) AND bool_and(volume_usd > 0) AND bool_or(segment_a = 'new') AND sum(accounts) = 41 AS ok FROM compare_models('fresh', 1, 1);
SELECT unwatch_segmentation('fresh') IS NOT NULL AS unwatched;
SELECT event, version FROM segmentation.events WHERE segmentation = 'fresh' ORDER BY number;
SELECT drop_segmentation('fresh');
DROP TABLE life_t;

-- "All accounts" is no segment: from it to segments no label is lost and nothing has to be forced; back, all are.
CREATE TABLE life_one AS SELECT i AS id, i % 3 * 10 + test.rnd(i, 'x') AS x, i % 3 * 10 + test.rnd(i, 'y') AS y FROM generate_series(1, 300) AS i;
SELECT count(*) > 0 AS created FROM create_segmentation('one', features => 'life_one', account => 'id');
SELECT segment_id, segment, accounts FROM fit_segmentation('one', k => 1);
SELECT 'ids and names of their own' AS test, array_agg(segment_id ORDER BY segment_id) = '{2,3,4}' AND NOT bool_or(segment = 'all accounts') AS ok, max(warnings[1]) AS told
FROM fit_segmentation('one', k => 3);
SELECT version, state FROM segmentation.models WHERE segmentation = 'one' ORDER BY 1;
SELECT 'the way back' AS test, max(warnings[1]) AS told FROM fit_segmentation('one', k => 1);
SELECT version, state FROM segmentation.models WHERE segmentation = 'one' ORDER BY 1;
SELECT 'by hand the same' AS test, rollback_model('one') = 1 AS back, activate_model('one', 2) = 2 AS ok;
SELECT drop_segmentation('one');
DROP TABLE life_one;
