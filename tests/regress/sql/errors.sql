-- Bad input: the right SQLSTATE, a message that names it, a hint that says what next; and nothing is lost.
CREATE TABLE errors_t (account_id int, executed_at timestamptz, quantity float8, price float8, side text);
INSERT INTO errors_t SELECT i % 20, timestamptz '2024-01-01+00' + i * interval '1 hour', 1 + i % 20, 100, 'buy' FROM generate_series(1, 400) AS i;
SELECT count(*) > 0 AS ok FROM create_segmentation('e', 'errors_t');

CREATE TABLE errors_empty (LIKE errors_t);
CREATE TABLE errors_same (id int, x float8, y float8);
INSERT INTO errors_same SELECT i, 1, 2 FROM generate_series(1, 50) AS i;
CREATE TABLE errors_three (id int, x float8, y float8);
INSERT INTO errors_three SELECT i, i % 3, i % 3 FROM generate_series(1, 60) AS i;
CREATE TABLE errors_ambiguous (account text, account_id text, client_id text, executed_at timestamptz, created_at timestamptz, quantity float8, price float8);
CREATE TABLE errors_bad (id int, x float8, y float8);
INSERT INTO errors_bad SELECT i, i % 3, CASE i WHEN 1 THEN 'NaN' WHEN 2 THEN 'Infinity' WHEN 3 THEN '-Infinity' ELSE test.rnd(i, 'y') END FROM generate_series(1, 60) AS i;
SELECT count(*) > 0 AS ok FROM create_segmentation('empty', 'errors_empty');
SELECT count(*) > 0 AS ok FROM create_segmentation('same', features => 'errors_same', account => 'id');
SELECT count(*) > 0 AS ok FROM create_segmentation('three', features => 'errors_three', account => 'id');
SELECT count(*) > 0 AS ok FROM create_segmentation('bad', features => 'errors_bad', account => 'id');

CREATE TABLE errors_cases (n serial, test text, expected text, statement text);
INSERT INTO errors_cases (test, expected, statement) VALUES
  ('no such column',        '42703', $$SELECT * FROM create_segmentation('x', 'errors_t', columns => '{"account": "nobody"}')$$),
  ('no such role',          '22023', $$SELECT * FROM create_segmentation('x', 'errors_t', columns => '{"colour": "side"}')$$),
  ('wrong type',            '42804', $$SELECT * FROM create_segmentation('x', 'errors_t', columns => '{"executed_at": "quantity"}')$$),
  ('columns not an object', '22023', $$SELECT * FROM create_segmentation('x', 'errors_t', columns => '[1]')$$),
  ('ambiguous columns',     '42702', $$SELECT * FROM create_segmentation('x', 'errors_ambiguous')$$),
  ('no account column',     '42703', $$SELECT * FROM create_segmentation('x', 'errors_same')$$),
  ('neither form',          '22023', $$SELECT * FROM create_segmentation('x')$$),
  ('both forms',            '22023', $$SELECT * FROM create_segmentation('x', 'errors_t', features => 'errors_same', account => 'id')$$),
  ('no name',               '22023', $$SELECT * FROM create_segmentation('', 'errors_t')$$),
  ('a name too long',       '42622', $$SELECT * FROM create_segmentation(repeat('x', 64), 'errors_t')$$),
  ('negative lookback',     '22023', $$SELECT * FROM create_segmentation('x', 'errors_t', lookback => '-1 day')$$),
  ('no such segmentation',  '42704', $$SELECT * FROM fit_segmentation('nobody')$$),
  ('not fitted yet',        '55000', $$SELECT segment_of(1, 'e')$$),
  ('empty table',           '55000', $$SELECT * FROM fit_segmentation('empty')$$),
  ('all rows equal',        '55000', $$SELECT * FROM fit_segmentation('same', k => 2)$$),
  ('k above distinct rows', '55000', $$SELECT * FROM fit_segmentation('three', k => 4)$$),
  ('k of 0',                '22023', $$SELECT * FROM fit_segmentation('e', k => 0)$$),
  ('k of -3',               '22023', $$SELECT * FROM fit_segmentation('e', k => -3)$$),
  ('k_max of 1',            '22023', $$SELECT * FROM fit_segmentation('e', k_max => 1)$$),
  ('no such algorithm',     '22023', $$SELECT * FROM fit_segmentation('e', algorithm => 'magic')$$),
  ('k where none is taken', '22023', $$SELECT * FROM fit_segmentation('bad', k => 3, algorithm => 'dbscan')$$),
  ('eps below 0',           '22023', $$SELECT * FROM fit_segmentation('bad', algorithm => 'dbscan', settings => '{"eps": -1}')$$),
  ('setting of another',    '22023', $$SELECT * FROM fit_segmentation('e', settings => '{"trim": 0.1}')$$),
  ('force without reason',  '22023', $$SELECT * FROM fit_segmentation('e', force => true)$$),
  ('activate none',         '42704', $$SELECT activate_model('e', 99)$$),
  ('rename none',           '42704', $$SELECT rename_segment('e', 99, 'x')$$),
  ('a name of blanks',      '22023', $$SELECT rename_segment('e', 1, '  ')$$),
  ('no export of a model',  '22023', $$SELECT import_model('e', '{}')$$),
  ('overlap above 1',       '22023', $$SELECT alter_segmentation('e', 2)$$),
  ('unknown key',           '22023', $$SELECT * FROM fit_segmentation('e', preparation => '{"scales": "robust"}')$$),
  ('unknown value',         '22023', $$SELECT * FROM fit_segmentation('e', preparation => '{"scale": "huge"}')$$),
  ('quantiles reversed',    '22023', $$SELECT * FROM fit_segmentation('e', preparation => '{"winsorise": [0.9, 0.1]}')$$),
  ('preparation an array',  '22023', $$SELECT * FROM fit_segmentation('e', preparation => '[]')$$),
  ('missing not allowed',   '22023', $$SELECT * FROM fit_segmentation('bad', k => 3, preparation => '{"missing": "error"}')$$),
  ('no such version',       '42704', $$SELECT segment_model('three', 99)$$),
  ('model text',            '22P02', $$SELECT '{"format": 1}'::segmentation.model$$),
  ('ARI of unequal length', '22023', $$SELECT adjusted_rand_index(ARRAY['a'], ARRAY['a', 'b'])$$),
  ('noise below 0',         '22023', $$SELECT * FROM simulate_trades(noise => -1)$$),
  ('accounts below 1',      '22023', $$SELECT * FROM simulate_trades(accounts => 0)$$);

-- ok: it failed, in the class named. The rows below must be read once when they change.
\pset format unaligned
\x on
SELECT c.test, e.state = c.expected AS ok, e.state, e.message, e.hint
FROM errors_cases AS c, test.error_of(c.statement) AS e ORDER BY c.n;
\pset format aligned
\x off

SELECT c.test AS "names no next step" FROM errors_cases AS c, test.error_of(c.statement) AS e WHERE coalesce(e.hint, '') = '' ORDER BY c.n;
SELECT 'a failed call leaves nothing behind' AS test, count(*) = 5 AS ok FROM segmentation.segmentations;
SELECT 'and no model' AS test, count(*) = 0 AS ok FROM segmentation.models;

-- NaN and infinity in a feature table are missing values, counted and said.
SELECT 'NaN and infinity' AS test, sum(accounts) = 60 AND bool_or(array_to_string(warnings, ' ') ~* 'infinit|nan|missing') AS ok
FROM fit_segmentation('bad', k => 3);
SELECT 'none in the model' AS test, segment_model('bad')::text !~* ': *"?[-+]?(nan|inf)|[[,] *[-+]?(nan|inf)' AS ok;

-- Negative quantities are rejected, counted, reported; the rest is fitted.
INSERT INTO errors_t SELECT 3, timestamptz '2024-02-01+00', -1, 100, 'buy' FROM generate_series(1, 5);
SELECT 'negative quantity' AS test, sum(accounts) = 20 AND bool_or(array_to_string(warnings, ' ') ~ '\m5\M.*reject|reject.*\m5\M') AS ok
FROM fit_segmentation('e', k => 2);

-- A dropped trade table: the labels still answer, a new fit says what is wrong, drop works.
DROP TABLE errors_t;
SELECT 'labels outlive the table' AS test, segment_of(3, 'e') IS NOT NULL AS ok;
SELECT 'fit without its table' AS test, state = '42P01' AND hint <> '' AS ok, message FROM test.error_of($$SELECT * FROM fit_segmentation('e')$$);
SELECT drop_segmentation(name) FROM unnest(ARRAY['e', 'empty', 'same', 'three', 'bad']) AS name;
DROP TABLE errors_empty, errors_same, errors_three, errors_ambiguous, errors_bad, errors_cases;
