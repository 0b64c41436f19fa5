-- A call site that looks up many keys reads the table once (128 calls for a small table). What it remembers must be what
-- the query may see: after writes of the own transaction, after a savepoint is rolled back, after the commit of another
-- session, under another role.
CREATE EXTENSION dblink;
CREATE TABLE memo_t AS SELECT i AS account, 'acct_' || i AS name, md5(i::text)::uuid AS id, i * 1.0 AS amount, (i % 3)::float8 * 10 + i / 1000.0 AS a FROM generate_series(1, 600) AS i;
CREATE VIEW memo_names AS SELECT name AS account, a FROM memo_t;
CREATE VIEW memo_ids AS SELECT id AS account, a FROM memo_t;
CREATE VIEW memo_amounts AS SELECT amount AS account, a FROM memo_t;
SELECT count(*) > 0 AS ok FROM create_segmentation('memo', features => 'memo_t', columns => '["a"]', account => 'account');
SELECT count(*) > 0 AS ok FROM create_segmentation('memo_names', features => 'memo_names');
SELECT count(*) > 0 AS ok FROM create_segmentation('memo_ids', features => 'memo_ids');
SELECT count(*) > 0 AS ok FROM create_segmentation('memo_amounts', features => 'memo_amounts');
SELECT name, (SELECT count(*) = 3 FROM fit_segmentation(name, k => 3)) AS ok FROM unnest(ARRAY['memo', 'memo_names', 'memo_ids', 'memo_amounts']) AS name;

-- The same answers as a join, for every key type, unknown and NULL keys among them, text and id.
SELECT count(*) = 0 AS ok FROM generate_series(-50, 700) AS i LEFT JOIN memo_segments s ON s.account = i
WHERE segment_of(i, 'memo') IS DISTINCT FROM s.segment OR segment_of(i::bigint, 'memo') IS DISTINCT FROM s.segment
   OR segment_id_of(i::smallint, 'memo') IS DISTINCT FROM s.segment_id OR segment_of(i::text, 'memo') IS DISTINCT FROM s.segment;
SELECT count(*) = 0 AS ok FROM generate_series(-50, 700) AS i LEFT JOIN memo_names_segments s ON s.account = 'acct_' || i
WHERE segment_of('acct_' || i, 'memo_names') IS DISTINCT FROM s.segment;
SELECT count(*) = 0 AS ok FROM generate_series(-50, 700) AS i LEFT JOIN memo_ids_segments s ON s.account = md5(i::text)::uuid
WHERE segment_of(md5(i::text)::uuid, 'memo_ids') IS DISTINCT FROM s.segment;
SELECT count(*) = 0 AS ok FROM generate_series(-50, 700) AS i LEFT JOIN memo_amounts_segments s ON s.account = i
WHERE segment_of(i::numeric, 'memo_amounts') IS DISTINCT FROM s.segment;

CREATE ROLE memo_nobody;
CREATE FUNCTION memo_look(n int) RETURNS text LANGUAGE plpgsql STABLE AS $$
DECLARE x text; BEGIN
  FOR i IN 1..n LOOP x := segment_of(1, 'memo'); END LOOP; RETURN x;
END $$;

DO $$
DECLARE x text; first text;
BEGIN
  -- One call site, asked often enough to remember.
  FOR i IN 1..600 LOOP
    x := segment_of(1, 'memo');
    IF i = 300 THEN
      first := x;
      -- Another session changes the row and commits; this one reads committed.
      PERFORM dblink_exec(format('host=%s port=%s dbname=%s', split_part(current_setting('unix_socket_directories'), ',', 1),
        current_setting('port'), current_database()), $u$UPDATE memo_segments SET segment = 'theirs' WHERE account = 1$u$);
    ELSIF i = 301 THEN
      RAISE NOTICE 'sees the commit of another session: %', x = 'theirs' AND first <> 'theirs';
    ELSIF i = 500 THEN
      BEGIN
        UPDATE memo_segments SET segment = 'ours' WHERE account = 1;
        x := segment_of(1, 'memo');
        RAISE EXCEPTION 'undo' USING DETAIL = x;
      EXCEPTION WHEN raise_exception THEN NULL;
      END;
    ELSIF i = 501 THEN
      RAISE NOTICE 'sees that a write was rolled back: %', x = 'theirs';
      UPDATE memo_segments SET segment = 'ours' WHERE account = 1;
    ELSIF i = 502 THEN
      RAISE NOTICE 'sees its own write: %', x = 'ours';
    END IF;
  END LOOP;
END $$;

-- A transaction that reads only keeps its snapshot, and so its answer.
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT memo_look(300) = 'ours' AS ok;
SELECT dblink_exec(format('host=%s port=%s dbname=%s', split_part(current_setting('unix_socket_directories'), ',', 1),
  current_setting('port'), current_database()), $u$UPDATE memo_segments SET segment = 'later' WHERE account = 1$u$);
SELECT memo_look(300) = 'ours' AS ok;
COMMIT;
SELECT memo_look(300) = 'later' AS ok;

-- Another role has other rights, at the same call site.
DO $$
DECLARE x text; refused boolean := false;
BEGIN
  FOR i IN 1..300 LOOP
    BEGIN
      x := segment_of(1, 'memo');
      IF i = 200 THEN SET LOCAL ROLE memo_nobody; END IF;
    EXCEPTION WHEN insufficient_privilege THEN
      refused := true; EXIT;
    END;
  END LOOP;
  RESET ROLE;
  RAISE NOTICE 'another role is refused: %', refused;
END $$;

-- So it is where a model is named.
DO $$
DECLARE x text; y text; refused int := 0; role text;
BEGIN
  FOR i IN 1..20 LOOP
    role := CASE WHEN i % 4 >= 2 THEN 'memo_nobody' ELSE session_user END;
    PERFORM set_config('role', role, true);
    BEGIN
      x := assign_segment(ARRAY[10.5], 'memo');
      IF role = 'memo_nobody' THEN RAISE 'answered as %', role; END IF;
    EXCEPTION WHEN insufficient_privilege THEN
      IF role <> 'memo_nobody' THEN RAISE 'refused as %', role; END IF;
      refused := refused + 1;
    END;
    BEGIN
      y := assign_segment('{"a": 10.5}'::jsonb, 'memo');
      IF role = 'memo_nobody' THEN RAISE 'answered as %', role; END IF;
    EXCEPTION WHEN insufficient_privilege THEN
      refused := refused + 1;
    END;
  END LOOP;
  RESET ROLE;
  RAISE NOTICE 'another role is refused the model by name: %, its owner is not: %', refused = 20, x = y AND x IS NOT NULL;
END $$;

SELECT drop_segmentation(name) IS NOT NULL AS ok FROM unnest(ARRAY['memo', 'memo_names', 'memo_ids', 'memo_amounts']) AS name;
DROP FUNCTION memo_look;
DROP VIEW memo_names, memo_ids, memo_amounts;
DROP TABLE memo_t;
DROP ROLE memo_nobody;
DROP EXTENSION dblink;
