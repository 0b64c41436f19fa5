-- Names that would be code if a statement were built by pasting: each must work, and none may run.
CREATE TABLE canary (n int);
CREATE TABLE hostile (n serial, name text);
INSERT INTO hostile (name) VALUES
  ($$x'; DROP TABLE canary; --$$), ($$x"; DROP TABLE canary; --$$), ('select'), ('Mixed Case'), ('a.b'), ('%s %I %L'), ('$$x$$'),
  (E'new\nline'), (E'back\\slash'), ('/* c'), ('pg_temp'), ('été'), ('""'), (''''''), ('x); INSERT INTO canary VALUES (1); --');

SET client_min_messages = warning; -- not what DROP SCHEMA CASCADE has to say
CREATE PROCEDURE test_hostile(name text) LANGUAGE plpgsql AS $$
DECLARE n bigint; segments bigint;
BEGIN
  -- The same name for schema, table, columns and segmentation.
  EXECUTE format('CREATE SCHEMA %I', 's.' || name);
  EXECUTE format('CREATE TABLE %1$I.%2$I AS SELECT i %% 12 AS %3$I, timestamptz ''2024-01-01+00'' + i * interval ''1 hour'' AS %4$I,
                  (1 + i %% 12)::float8 AS %5$I, 10::float8 AS price FROM generate_series(1, 240) AS i', 's.' || name, name, name || '1', name || '2', name || '3');
  PERFORM create_segmentation(name, format('%I.%I', 's.' || name, name)::regclass,
    columns => jsonb_build_object('account', name || '1', 'executed_at', name || '2', 'quantity', name || '3'));
  SELECT sum(accounts), count(*) INTO n, segments FROM fit_segmentation(name, k => 2);
  PERFORM watch_segmentation(name);
  EXECUTE format('INSERT INTO %I.%I VALUES (3, ''2024-01-12+00'', 5000, 10)', 's.' || name, name);
  IF n = 12 AND segments = 2 AND segment_of(3, name) IS NOT NULL AND (SELECT count(*) FROM describe_segmentation(name)) > 0
     AND (SELECT count(*) FROM segment_profiles(name)) > 0 AND segment_model(name) IS NOT NULL THEN
    RAISE WARNING 'works: %', to_json(name);
  ELSE
    RAISE WARNING 'FAILS: %', to_json(name);
  END IF;
  PERFORM unwatch_segmentation(name);
  PERFORM drop_segmentation(name);
  EXECUTE format('DROP SCHEMA %I CASCADE', 's.' || name);
END $$;
DO $$ DECLARE r record; BEGIN FOR r IN SELECT name FROM hostile ORDER BY n LOOP CALL test_hostile(r.name); END LOOP; END $$;
RESET client_min_messages;

-- The feature form, with hostile columns; hostile values of arguments that are no names.
CREATE TABLE "f'; DROP TABLE canary; --" AS SELECT i AS "id""", test.rnd(i, 'x') AS "x'; DROP TABLE canary; --", test.rnd(i, 'y') AS "y"" " FROM generate_series(1, 50) AS i;
SELECT 'feature columns' AS test, count(*) > 0 AS ok FROM create_segmentation('hf', features => '"f''; DROP TABLE canary; --"', account => 'id"');
SELECT 'fit' AS test, sum(accounts) = 50 AS ok FROM fit_segmentation('hf', k => 2);
SELECT 'a key that is code' AS test, state = '22P02' AS ok FROM test.error_of($$SELECT segment_of('1; DROP TABLE canary', 'hf')$$);
SELECT 'an algorithm that is code' AS test, state = '22023' AS ok FROM test.error_of($$SELECT * FROM fit_segmentation('hf', algorithm => '''; DROP TABLE canary; --')$$);
SELECT 'a feature that is code' AS test, state = '42704' AS ok
FROM test.error_of($$SELECT feature(account_profile(trade(now(), 1::float8, 1::float8)), '''; DROP TABLE canary; --', now())$$);
SET pg_segmentation.default_segmentation = '''; DROP TABLE canary; --';
SELECT 'a setting that is code' AS test, state = '42704' AS ok FROM test.error_of($$SELECT segment_of(1)$$);
RESET pg_segmentation.default_segmentation;
SELECT drop_segmentation('hf');

SELECT 'the canary lives' AS test, count(*) = 0 AS ok FROM canary;
DROP PROCEDURE test_hostile;
DROP TABLE canary, hostile, "f'; DROP TABLE canary; --";
