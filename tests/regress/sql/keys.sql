-- Any key type works, keeps its type (not its length) in our tables, and is found by column, literal and parameter.
CREATE PROCEDURE test_key(name text, type text, expression text) LANGUAGE plpgsql AS $$
DECLARE ok boolean; literal text; by_literal text; by_parameter text; by_column text;
BEGIN
  EXECUTE format('CREATE TABLE %I AS SELECT (%s)::%s AS account_id, timestamptz ''2024-01-01+00'' + i * interval ''1 hour'' AS executed_at,
                  ''BTC'' AS instrument, (1 + i %% 2 * 100)::float8 AS quantity, (10 + i)::float8 AS price, CASE WHEN i %% 2 = 0 THEN ''buy'' ELSE ''sell'' END AS side
                  FROM generate_series(0, 399) AS i', name || '_trades', expression, type);
  PERFORM create_segmentation(name, (name || '_trades')::regclass);
  PERFORM fit_segmentation(name, k => 2);
  SELECT bool_and(format_type(atttypid, NULL) = regexp_replace(type, '\(.*', '')) AND count(*) = 2 INTO ok
  FROM pg_attribute WHERE attrelid IN ((name || '_profiles')::regclass, (name || '_segments')::regclass) AND attname = 'account';
  RAISE NOTICE '%: both tables keep the type: %', type, ok;
  EXECUTE format('SELECT account_id::text, segment_of(account_id, %L) FROM %I ORDER BY account_id LIMIT 1', name, name || '_trades') INTO literal, by_column;
  EXECUTE format('SELECT segment_of(%L, %L)', literal, name) INTO by_literal;
  EXECUTE format('SELECT segment_of($1, %L)', name) INTO by_parameter USING literal;
  RAISE NOTICE '%: column, literal and parameter agree: %', type, by_column IS NOT NULL AND by_column = by_literal AND by_column = by_parameter;
  EXECUTE format('SELECT count(*) = 8 AND bool_and(segment_of(account, %1$L) = segment AND segment_id_of(account, %1$L) = segment_id) FROM %2$I', name, name || '_segments') INTO ok;
  RAISE NOTICE '%: segment_of says what the table says: %', type, ok;
  PERFORM drop_segmentation(name);
  EXECUTE format('DROP TABLE %I', name || '_trades');
END $$;
CALL test_key('k_bigint', 'bigint', 'i % 8 + 5000000000');
CALL test_key('k_int', 'integer', 'i % 8');
CALL test_key('k_uuid', 'uuid', 'md5((i % 8)::text)');
CALL test_key('k_text', 'text', '''acct_'' || i % 8');
CALL test_key('k_varchar', 'character varying(12)', '''acct_'' || i % 8');
CALL test_key('k_numeric', 'numeric', 'i % 8 + 0.5');
DROP PROCEDURE test_key;

-- A key nobody knows, and no key.
CREATE TABLE keys_f (id int PRIMARY KEY, x float8, y float8);
INSERT INTO keys_f SELECT i, i % 2 * 10 + test.rnd(i, 'x'), test.rnd(i, 'y') FROM generate_series(1, 100) AS i;
SELECT count(*) > 0 AS ok FROM create_segmentation('k', features => 'keys_f', account => 'id');
SELECT count(*) = 2 AS ok FROM fit_segmentation('k', k => 2);
SELECT 'an unknown account has no segment' AS test, segment_of(-1) IS NULL AND segment_of(NULL::int) IS NULL AND segment_of(NULL) IS NULL AND segment_id_of(-1) IS NULL AS ok;
SELECT 'a literal that is no key' AS test, state = '22P02' AS ok FROM test.error_of($$SELECT segment_of('abc')$$);
PREPARE by_int(int) AS SELECT segment_of($1) = (SELECT segment FROM k_segments WHERE account = $1) AS ok;
EXECUTE by_int(7);
DEALLOCATE by_int;
SELECT drop_segmentation('k');
DROP TABLE keys_f;

-- Two rows of one account are refused, but where an index says that there are none nobody counts. One of some rows, of several
-- columns, that is checked later, or of the parent of other tables says nothing.
CREATE TABLE keys_twice (id int, part int, x float8);
CREATE TABLE keys_child () INHERITS (keys_twice);
INSERT INTO keys_child SELECT i % 50, i / 50, i % 2 * 10 + test.rnd(i, 'x') FROM generate_series(0, 99) AS i;
SELECT count(*) > 0 AS ok FROM create_segmentation('k', features => 'keys_twice', columns => '["x"]', account => 'id');
SELECT 'twice' AS test, state = '21000' AS ok FROM test.error_of($$SELECT fit_segmentation('k', k => 2)$$);
CREATE UNIQUE INDEX keys_of_parent ON keys_twice (id);
SELECT 'an index of the parent' AS test, state = '21000' AS ok FROM test.error_of($$SELECT fit_segmentation('k', k => 2)$$);
SELECT drop_segmentation('k');
SELECT count(*) > 0 AS ok FROM create_segmentation('k', features => 'keys_child', columns => '["x"]', account => 'id');
CREATE UNIQUE INDEX keys_of_some ON keys_child (id) WHERE part = 1;
CREATE UNIQUE INDEX keys_of_both ON keys_child (id, part);
SELECT 'indexes of less' AS test, state = '21000' AS ok FROM test.error_of($$SELECT fit_segmentation('k', k => 2)$$);
DELETE FROM keys_child WHERE part = 0;
ALTER TABLE keys_child ADD UNIQUE (id) DEFERRABLE INITIALLY DEFERRED;
BEGIN;
INSERT INTO keys_child VALUES (7, 9, 1);
SELECT 'not checked yet' AS test, state = '21000' AS ok FROM test.error_of($$SELECT fit_segmentation('k', k => 2)$$);
ROLLBACK;
ALTER TABLE keys_child ADD PRIMARY KEY (id);
SELECT 'a key' AS test, count(*) = 2 AS ok FROM fit_segmentation('k', k => 2);
SELECT drop_segmentation('k');
DROP TABLE keys_twice CASCADE;

-- A model in a variable is another one when the variable is.
CREATE TABLE keys_f AS SELECT i AS id, i % 2 * 10 + test.rnd(i, 'x') AS x FROM generate_series(1, 100) AS i;
SELECT count(*) > 0 AS ok FROM create_segmentation('k', features => 'keys_f', account => 'id');
SELECT count(*) = 2 AS ok FROM fit_segmentation('k', k => 2);
SELECT count(*) = 1 AS ok FROM fit_segmentation('k', k => 1, activate => false);
DO $$
DECLARE model segmentation.model; said text; names text[];
BEGIN
  FOR i IN 1..4 LOOP
    model := segment_model('k', 1 + i % 2);
    said := assign_segment(ARRAY[10.5], model);
    names := names || said;
  END LOOP;
  RAISE NOTICE 'a variable that changes: %', names[1] = names[3] AND names[2] = names[4] AND names[1] <> names[2];
END $$;
SELECT drop_segmentation('k');
DROP TABLE keys_f;
