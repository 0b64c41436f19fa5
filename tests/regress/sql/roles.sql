-- Who may do what to a model: the roles of docs/operations.md as a matrix of role, verb and object, and nothing beside it.
SET client_min_messages = warning;
CREATE ROLE m_nobody; CREATE ROLE m_reader; CREATE ROLE m_analyst; CREATE ROLE m_modeller; CREATE ROLE m_approver; CREATE ROLE m_owner;
CREATE SCHEMA roles AUTHORIZATION m_owner;
GRANT USAGE ON SCHEMA roles TO m_nobody, m_reader, m_analyst, m_modeller, m_approver;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA test TO PUBLIC;
CREATE TABLE test.matrix (who text, verb text, what text, may text);
GRANT INSERT ON test.matrix TO PUBLIC;

SET SESSION AUTHORIZATION m_owner;
SET search_path = roles, public;
CREATE TABLE trades AS
SELECT i AS trade_id, i % 90 AS account_id, timestamptz '2024-01-01+00' + i * interval '20 minutes' AS executed_at,
       50.0 ^ (i % 3) * (1 + test.rnd(i, 'q') / 10) AS quantity, 100.0::float8 AS price, CASE WHEN i % 90 % 3 = 0 AND i % 7 = 0 THEN 'buy' ELSE 'sell' END AS side
FROM generate_series(1, 4500) AS i;
SELECT count(*) > 0 AS created FROM create_segmentation('r', 'trades', use_features => '{volume_usd, average_trade_usd}');
SELECT sum(accounts) = 90 AS ok FROM fit_segmentation('r', k => 3);
SELECT sum(accounts) = 90 AS ok FROM fit_segmentation('r', k => 3, seed => 2);
SELECT count(*) = 3 AS ok FROM fit_segmentation('r', k => 3, seed => 3, activate => false);

-- As in docs/operations.md.
GRANT SELECT ON r_segments TO m_reader;
GRANT SELECT ON r_segments, r_profiles TO m_analyst, m_modeller, m_approver;
GRANT SELECT ON trades TO m_analyst, m_modeller, m_approver;
GRANT INSERT ON r_segments TO m_modeller;
GRANT INSERT, UPDATE, DELETE ON r_segments, r_profiles TO m_approver;

-- Runs a statement, undoes it, and notes whether it was allowed.
CREATE FUNCTION roles.try(verb text, what text, statement text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE state text; message text;
BEGIN
  BEGIN
    EXECUTE statement;
    RAISE EXCEPTION USING ERRCODE = 'ZZ000';
  EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT;
  END;
  INSERT INTO test.matrix VALUES (session_user, verb, what, CASE state WHEN 'ZZ000' THEN 'yes' WHEN '42501' THEN 'no' ELSE state || ' ' || message END);
END $$;
CREATE FUNCTION roles.rows(statement text, at_least bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE n bigint;
BEGIN
  EXECUTE 'SELECT count(*) FROM ' || statement INTO n;
  IF n < at_least THEN RAISE EXCEPTION USING ERRCODE = '42501'; END IF;
END $$;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA roles TO PUBLIC;
CREATE FUNCTION roles.all_verbs() RETURNS void LANGUAGE sql AS $$
  SELECT roles.try(verb, what, statement) FROM (VALUES
    ('read', 'segment of an account', $q$SELECT segment_of(7, 'r')$q$),
    ('read', 'row of segmentations', $q$SELECT roles.rows('segmentation.segmentations WHERE name = ''r''', 1)$q$),
    ('read', 'model', $q$SELECT segment_model('r')$q$),
    ('read', 'candidate', $q$SELECT segment_model('r', 3)$q$),
    ('read', 'profiles of segments', $q$SELECT * FROM segment_profiles('r')$q$),
    ('read', 'rules', $q$SELECT segment_rules_sql('r') FROM segment_rules('r')$q$),
    ('read', 'margin of an account', $q$SELECT segment_margin(7, 'r')$q$),
    ('read', 'explanation', $q$SELECT * FROM explain_segment(7, 'r')$q$),
    ('read', 'counterfactual', $q$SELECT * FROM counterfactual_segment(7, segmentation => 'r')$q$),
    ('read', 'probabilities', $q$SELECT * FROM segment_probabilities(7, 'r')$q$),
    ('read', 'standing', $q$SELECT * FROM segment_standing(7, 'r')$q$),
    ('read', 'description', $q$SELECT * FROM describe_segmentation('r')$q$),
    ('read', 'description: guard', $q$SELECT roles.rows('describe_segmentation(''r'') WHERE object = ''guard''', 1)$q$),
    ('read', 'row of models', $q$SELECT roles.rows('segmentation.models WHERE segmentation = ''r''', 3)$q$),
    ('read', 'row of segments', $q$SELECT roles.rows('segmentation.segments WHERE segmentation = ''r''', 3)$q$),
    ('read', 'row of public_segments', $q$SELECT roles.rows('segmentation.public_segments WHERE segmentation = ''r'' AND NOT masked', 3)$q$),
    ('read', 'row of segment_names', $q$SELECT roles.rows('segmentation.segment_names WHERE segmentation = ''r''', 3)$q$),
    ('read', 'row of segment_changes', $q$SELECT roles.rows('segmentation.segment_changes WHERE segmentation = ''r''', 3)$q$),
    ('read', 'row of events', $q$SELECT roles.rows('segmentation.events WHERE segmentation = ''r''', 5)$q$),
    ('score', 'features', $q$SELECT assign_segment('{"volume_usd": 1000, "average_trade_usd": 100}'::jsonb, 'r')$q$),
    ('compare', 'versions', $q$SELECT * FROM compare_models('r', 1, 2)$q$),
    ('compare', 'accounts', $q$SELECT * FROM moved_accounts('r', 1, 2)$q$),
    ('compare', 'segments', $q$SELECT * FROM segment_changes('r', 1, 2)$q$),
    ('reproduce', 'model', $q$SELECT * FROM reproduce_model('r')$q$),
    ('judge', 'numbers of segments', $q$SELECT * FROM choose_k('r', k_max => 3)$q$),
    ('judge', 'stability', $q$SELECT * FROM segmentation_stability('r', resamples => 2)$q$),
    ('judge', 'confidence', $q$SELECT * FROM account_confidence('r', resamples => 2)$q$),
    ('read', 'features of accounts', $q$SELECT * FROM segmentation_features('r')$q$),
    ('export', 'model', $q$SELECT export_model('r', min_accounts => 1)$q$),
    ('import', 'model', $q$SELECT import_model('r', (SELECT e FROM roles.exported))$q$),
    ('fit', 'candidate', $q$SELECT * FROM fit_segmentation('r', k => 2, activate => false)$q$),
    ('fit', 'active model', $q$SELECT * FROM fit_segmentation('r', k => 3, seed => 9)$q$),
    ('activate', 'candidate', $q$SELECT activate_model('r', 3)$q$),
    ('roll back', 'active model', $q$SELECT rollback_model('r')$q$),
    ('reject', 'candidate', $q$SELECT reject_model('r', 3, 'a test')$q$),
    ('rename', 'segment', $q$SELECT rename_segment('r', 1, 'a test')$q$),
    ('alter', 'segmentation', $q$SELECT alter_segmentation('r', min_overlap => 0.1)$q$),
    ('watch', 'trades', $q$SELECT watch_segmentation('r')$q$),
    ('unwatch', 'trades', $q$SELECT unwatch_segmentation('r')$q$),
    ('drop', 'segmentation', $q$SELECT drop_segmentation('r')$q$),
    ('write', 'catalogue: model', $q$INSERT INTO segmentation.fit SELECT * FROM segmentation.fit$q$),
    ('write', 'catalogue: model goes', $q$DELETE FROM segmentation.fit$q$),
    ('write', 'catalogue: state', $q$UPDATE segmentation.fit SET state = 'active'$q$),
    ('write', 'catalogue: name', $q$UPDATE segmentation.segment SET name = 'x'$q$),
    ('write', 'catalogue: event', $q$INSERT INTO segmentation.event SELECT * FROM segmentation.event$q$),
    ('write', 'catalogue: segmentation', $q$UPDATE segmentation.definition SET owner = 'm_owner'$q$),
    ('read', 'catalogue tables', $q$SELECT FROM segmentation.fit, segmentation.event, segmentation.segment, segmentation.definition$q$)) AS v(verb, what, statement) $$;
GRANT EXECUTE ON FUNCTION roles.all_verbs() TO PUBLIC;
CREATE TABLE roles.exported AS SELECT export_model('r', min_accounts => 1) AS e;
GRANT SELECT ON roles.exported TO PUBLIC;

SET SESSION AUTHORIZATION m_nobody; SELECT all_verbs();
SET SESSION AUTHORIZATION m_reader; SELECT all_verbs();
SET SESSION AUTHORIZATION m_analyst; SELECT all_verbs();
SET SESSION AUTHORIZATION m_modeller; SELECT all_verbs();
SET SESSION AUTHORIZATION m_approver; SELECT all_verbs();
SET SESSION AUTHORIZATION m_owner; SELECT all_verbs();
RESET SESSION AUTHORIZATION;

SELECT verb COLLATE "C" AS verb, what COLLATE "C" AS what, max(may) FILTER (WHERE who = 'm_nobody') AS nobody, max(may) FILTER (WHERE who = 'm_reader') AS reader,
       max(may) FILTER (WHERE who = 'm_analyst') AS analyst, max(may) FILTER (WHERE who = 'm_modeller') AS modeller,
       max(may) FILTER (WHERE who = 'm_approver') AS approver, max(may) FILTER (WHERE who = 'm_owner') AS owner
FROM test.matrix GROUP BY 1, 2 ORDER BY 1, 2;

-- The matrix, said once more in words: what each role may, each one all of the one before it and the owner everything but the catalogue.
SELECT who, count(*) FILTER (WHERE may = 'yes') AS may, bool_and(may IN ('yes', 'no')) AS ok FROM test.matrix GROUP BY 1 ORDER BY 2;
SELECT 'a modeller changes nothing that is active' AS test, count(*) = 0 AS ok FROM test.matrix
WHERE who = 'm_modeller' AND may <> 'no' AND (verb IN ('activate', 'roll back', 'reject', 'rename', 'alter', 'watch', 'unwatch', 'drop', 'write') OR what = 'active model');
SELECT 'nothing was left of the trials' AS test, active_version = 2 AS ok, (SELECT count(*) FROM segmentation.fit WHERE segmentation = 'r') AS versions FROM segmentation.definition WHERE name = 'r';

-- Whom policies show only some accounts, no right lets change or read all of them.
SET search_path = roles, public;
ALTER TABLE r_segments ENABLE ROW LEVEL SECURITY;
CREATE POLICY part ON r_segments USING (account < 10);
SET SESSION AUTHORIZATION m_approver;
SELECT verb, state FROM (VALUES ('activate', $$SELECT activate_model('r', 3)$$), ('fit', $$SELECT * FROM fit_segmentation('r', k => 3)$$), ('candidate', $$SELECT * FROM fit_segmentation('r', k => 3, activate => false)$$),
  ('rename', $$SELECT rename_segment('r', 1, 'x')$$), ('reject', $$SELECT reject_model('r', 3, 'x')$$), ('rollback', $$SELECT rollback_model('r')$$), ('export', $$SELECT export_model('r', min_accounts => 1)$$), ('import', $$SELECT import_model('r', (SELECT e FROM exported))$$)) AS v(verb, statement), test.error_of(statement);
SELECT count(*) AS events FROM segmentation.events WHERE segmentation = 'r';
SET SESSION AUTHORIZATION m_owner;
SELECT 'the owner is not held by them' AS test, activate_model('r', 3) = 3 AS ok;
SELECT 'who did it' AS test, by, login FROM segmentation.events WHERE segmentation = 'r' ORDER BY number DESC LIMIT 1;

RESET SESSION AUTHORIZATION;
SET ROLE m_owner;
SELECT rename_segment('r', 1, 'by another login');
RESET ROLE;
SELECT 'rights of one, login of another' AS test, by = 'm_owner' AND login = session_user AND login <> by AS ok FROM segmentation.events WHERE segmentation = 'r' ORDER BY number DESC LIMIT 1;
SELECT drop_segmentation('r');
RESET search_path;
DROP TABLE test.matrix;
DROP OWNED BY m_nobody, m_reader, m_analyst, m_modeller, m_approver, m_owner;
DROP ROLE m_nobody, m_reader, m_analyst, m_modeller, m_approver, m_owner;
