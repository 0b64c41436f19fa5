-- Sources that are wrong: the right SQLSTATE, what is wrong, what to do; rights; names that would be code.
CREATE TABLE serr_t (account_id int, executed_at timestamptz, quantity float8, price float8, side text, instrument text);
INSERT INTO serr_t SELECT i % 20, timestamptz '2024-01-01+00' + i * interval '1 hour', 1 + i % 20, 100, 'buy', 'I' || i % 4 FROM generate_series(1, 400) AS i;
CREATE TABLE serr_bare AS SELECT account_id, executed_at, quantity, price FROM serr_t;
CREATE TABLE serr_i (instrument text, kind text, underlying text);
INSERT INTO serr_i VALUES ('I1', 'spot', 'A'), ('I2', 'spot', 'A'), ('I2', 'future', 'B'), ('unused', 'spot', 'A'), ('unused', 'spot', 'A'), (NULL, 'spot', 'A'), (NULL, 'spot', 'B');
CREATE TABLE serr_k (symbol text, factor float8, valid daterange);
INSERT INTO serr_k VALUES ('T3L', 3, '[2024-01-01,2024-02-01)'), ('T3L', 3, '[2024-02-01,2024-03-01)'), ('T5S', -5, '(,2024-02-02)'), ('T5S', -5, '[2024-02-01,)'), ('T1L', 1, NULL);
CREATE TABLE serr_p (underlying text, at date, price float8);
CREATE TABLE serr_q (instrument text, at timestamptz, bid float8, last float8);
CREATE TABLE serr_s (account_id uuid, taken_at timestamptz, equity_usd float8);
CREATE TABLE serr_a (account_id int, tier int, trades int, region text, "region=EU" int, born date);
CREATE TABLE serr_m (account_id int, master int);
INSERT INTO serr_m VALUES (1, 10), (2, 10), (2, 11);
CREATE TEMP TABLE serr_temp (instrument text, kind text);
CREATE SEQUENCE serr_seq;

CREATE TABLE serr_cases (n serial PRIMARY KEY, test text, expected text, sources text);
INSERT INTO serr_cases (test, expected, sources) VALUES
  ('not an object',            '22023', '["serr_i"]'),
  ('no such source',           '22023', '{"instrument": "serr_i"}'),
  ('no such key',              '22023', '{"instruments": {"table": "serr_i"}}'),
  ('a number as a name',       '22023', '{"instruments": 5}'),
  ('no such relation',         '42P01', '{"instruments": "serr_nobody"}'),
  ('no name at all',           '42602', '{"instruments": "a.b.c.d."}'),
  ('no such schema',           '42P01', '{"instruments": "nowhere.serr_i"}'),
  ('an empty name',            '22023', '{"instruments": ""}'),
  ('no relation at all',       '22023', '{"instruments": {}}'),
  ('only columns',             '22023', '{"quotes": {"columns": {"mid": "last"}}}'),
  ('a temporary table',        '42809', '{"instruments": "serr_temp"}'),
  ('a sequence',               '42809', '{"instruments": "serr_seq"}'),
  ('an index',                 '42809', '{"instruments": "serr_cases_pkey"}'),
  ('no such format',           '22023', '{"instruments": {"parse": "nyse"}}'),
  ('no such input',            '22023', '{"instruments": {"relation": "serr_i", "columns": {"colour": "kind"}}}'),
  ('no such column',           '42703', '{"instruments": {"relation": "serr_i", "columns": {"kind": "colour"}}}'),
  ('columns a list',           '22023', '{"instruments": {"relation": "serr_i", "columns": ["kind"]}}'),
  ('column not a name',        '22023', '{"instruments": {"relation": "serr_i", "columns": {"kind": 7}}}'),
  ('a required one left out',  '42703', '{"instruments": {"relation": "serr_i", "columns": {"instrument": null}}}'),
  ('wrong type',               '42804', '{"leveraged_tokens": {"relation": "serr_k", "columns": {"factor": "symbol"}}}'),
  ('a date is no instant',     '42703', '{"prices": "serr_p"}'),
  ('a date asked for',         '42804', '{"prices": {"relation": "serr_p", "columns": {"at": "at"}}}'),
  ('neither mid nor ask',      '42703', '{"quotes": "serr_q"}'),
  ('keys of another kind',     '42804', '{"snapshots": "serr_s"}'),
  ('no market',                '22023', '{"prices": {"relation": "serr_p", "market": ""}}'),
  ('a volatility of 0',        '22023', '{"prices": {"relation": "serr_p", "volatility": 0}}'),
  ('a word as a return',       '22023', '{"prices": {"relation": "serr_p", "expected_return": "high"}}'),
  ('a built-in name',          '42701', '{"attributes": "serr_a"}'),
  ('the account as a feature', '42804', '{"attributes": {"relation": "serr_a", "columns": ["account_id"]}}'),
  ('a date as a feature',      '42804', '{"attributes": {"relation": "serr_a", "columns": ["born"]}}'),
  ('no such attribute',        '42703', '{"attributes": {"relation": "serr_a", "columns": ["colour"]}}'),
  ('a column twice',           '22023', '{"attributes": {"relation": "serr_a", "columns": ["tier", "tier"]}}'),
  ('two features of one name', '22023', '{"attributes": {"relation": "serr_a", "columns": ["region", "region=EU"]}}'),
  ('columns an object',        '22023', '{"attributes": {"relation": "serr_a", "columns": {"tier": "tier"}}}'),
  ('a weight for nothing',     '22023', '{"attributes": {"relation": "serr_a", "columns": ["tier"], "weights": {"region": 2}}}'),
  ('a weight below 0',         '22023', '{"attributes": {"relation": "serr_a", "columns": ["tier"], "weights": {"tier": -2}}}'),
  ('weights a number',         '22023', '{"attributes": {"relation": "serr_a", "columns": ["tier"], "weights": 2}}'),
  ('no feature there',         '42703', '{"attributes": {"relation": "serr_m", "account": "account_id", "columns": []}}'),
  ('no such account column',   '42703', '{"attributes": {"relation": "serr_a", "account": "customer"}}');
\pset format unaligned
\x on
SELECT c.test, e.state = c.expected AS ok, e.state, e.message, e.hint
FROM serr_cases AS c, LATERAL test.error_of(format('SELECT * FROM create_segmentation(%L, %L, sources => %L)', 'x', 'serr_t', c.sources)) AS e ORDER BY c.n;
SELECT c.test, e.state = c.expected AS ok, e.state, e.message, e.hint
FROM (VALUES (1, 'nothing to join by', '22023', $$SELECT * FROM create_segmentation('x', 'serr_bare', sources => '{"instruments": "serr_i"}')$$),
  (2, 'nor for tokens', '22023', $$SELECT * FROM create_segmentation('x', 'serr_bare', sources => '{"leveraged_tokens": "serr_k"}')$$),
  (3, 'for ready-made features', '22023', $$SELECT * FROM create_segmentation('x', features => 'serr_a', sources => '{"instruments": "serr_i"}')$$),
  (4, 'chosen ready-made features', '22023', $$SELECT * FROM create_segmentation('x', features => 'serr_a', use_features => '{tier}')$$),
  (5, 'no such feature', '42704', $$SELECT * FROM create_segmentation('x', 'serr_t', use_features => '{colour}')$$),
  (6, 'no such feature, with attributes', '42704', $$SELECT * FROM create_segmentation('x', 'serr_t', use_features => '{colour}', sources => '{"attributes": {"relation": "serr_a", "columns": ["tier"]}}')$$),
  (7, 'a feature without its input', '22023', $$SELECT * FROM create_segmentation('x', 'serr_t', use_features => '{maker_ratio}')$$),
  (8, 'a feature of populations', '22023', $$SELECT * FROM create_segmentation('x', 'serr_t', use_features => '{risk_appetite_index}')$$),
  (9, 'a feature twice', '22023', $$SELECT * FROM create_segmentation('x', 'serr_t', use_features => '{hhi, hhi}')$$),
  (10, 'no feature', '22023', $$SELECT * FROM create_segmentation('x', 'serr_t', use_features => '{}')$$),
  (11, 'a NULL feature', '22004', $$SELECT * FROM create_segmentation('x', 'serr_t', use_features => '{NULL}')$$)) AS c (n, test, expected, statement), test.error_of(c.statement) AS e ORDER BY c.n;
\pset format aligned
\x off
SELECT 'nothing is left behind' AS test, (SELECT count(*) FROM segmentation.segmentations) + (SELECT count(*) FROM segmentation.sources) = 0 AS ok;
SELECT 'null is none' AS test, count(*) FILTER (WHERE item = 'source') = 0 AS ok FROM create_segmentation('serr', 'serr_t', sources => '{"instruments": null, "quotes": null}');
SELECT drop_segmentation('serr');

-- Several rows where one is meant: only what is traded is asked for, and a trade is never counted twice.
SELECT count(*) > 0 AS ok FROM create_segmentation('serr', 'serr_t', sources => '{"instruments": "serr_i", "masters": "serr_m"}');
SELECT state, message, hint FROM test.error_of($$SELECT * FROM fit_segmentation('serr')$$);
SELECT state, message FROM test.error_of($$SELECT * FROM segmentation_features('serr')$$);
DELETE FROM serr_i WHERE kind = 'future';
SELECT sum(accounts) = 20 AS ok FROM fit_segmentation('serr', k => 2);
SELECT 'every trade once' AS test, sum(feature(profile, 'trades')) = 400 AS ok FROM serr_profiles WHERE span = 1;
SELECT state, message, hint FROM test.error_of($$SELECT * FROM segmentation_features('serr', level => 'master')$$);
SELECT drop_segmentation('serr');
SELECT count(*) > 0 AS ok FROM create_segmentation('serr', 'serr_t', sources => '{"leveraged_tokens": "serr_k"}');
SELECT state, message, hint FROM test.error_of($$SELECT * FROM fit_segmentation('serr')$$);
DELETE FROM serr_k WHERE lower(valid) = '2024-02-01' AND symbol = 'T5S';
SELECT sum(accounts) = 20 AS ok FROM fit_segmentation('serr', k => 2);
SELECT drop_segmentation('serr');

-- Rights: of whoever declares, of whoever fits, of the owner for whom a trigger reads.
CREATE ROLE serr_owner; CREATE ROLE serr_app;
CREATE SCHEMA serr AUTHORIZATION serr_owner;
GRANT USAGE ON SCHEMA serr TO serr_app;
CREATE TABLE serr_secret (instrument text PRIMARY KEY, kind text, price_paid float8);
INSERT INTO serr_secret VALUES ('I1', 'spot'), ('I2', 'future');
CREATE SCHEMA serr_closed;
CREATE TABLE serr_closed.i AS SELECT * FROM serr_secret;
GRANT SELECT ON serr_closed.i TO serr_owner;
SET SESSION AUTHORIZATION serr_owner;
SET search_path = serr, public;
CREATE TABLE serr_own AS SELECT 1 AS account_id, timestamptz '2024-01-01+00' AS executed_at, 1::float8 AS quantity, 1::float8 AS price, 'I1' AS instrument LIMIT 0;
INSERT INTO serr_own SELECT i % 9, timestamptz '2024-01-01+00' + i * interval '1 hour', 1, i, 'I' || i % 3 FROM generate_series(1, 90) AS i;
SELECT state, message, hint FROM test.error_of($$SELECT * FROM create_segmentation('p', 'serr_own', sources => '{"instruments": "serr_secret"}')$$);
SELECT 'a number is no name' AS test, state = '42P01' AS ok FROM test.error_of(format($$SELECT * FROM create_segmentation('p', 'serr_own', sources => '{"instruments": "%s"}')$$, 'public.serr_secret'::regclass::oid));
SELECT state, message FROM test.error_of($$SELECT * FROM create_segmentation('p', 'serr_own', sources => '{"instruments": "serr_closed.i"}')$$);
RESET SESSION AUTHORIZATION;
GRANT SELECT (instrument, kind) ON serr_secret TO serr_owner;
SET SESSION AUTHORIZATION serr_owner;
SELECT object, source FROM create_segmentation('p', 'serr_own', sources => '{"instruments": "serr_secret"}') WHERE object LIKE 'instruments%' AND status = 'mapped';
SELECT sum(accounts) = 9 AS ok FROM fit_segmentation('p', k => 2);
SELECT watch_segmentation('p') IS NOT NULL AS ok;
GRANT INSERT ON serr_own TO serr_app;
-- Who inserts needs no right to the source.
SET SESSION AUTHORIZATION serr_app;
INSERT INTO serr.serr_own VALUES (1, '2024-01-10+00', 1, 1, 'I2');
SET SESSION AUTHORIZATION serr_owner;
SELECT 'joined for it' AS test, feature(profile, 'share_future') = 1 AS ok FROM p_profiles WHERE span = 1 AND start = '2024-01-10';
-- The owner does; without it the insert is stored and the account marked.
RESET SESSION AUTHORIZATION;
REVOKE SELECT (kind) ON serr_secret FROM serr_owner;
SET SESSION AUTHORIZATION serr_app;
INSERT INTO serr.serr_own VALUES (1, '2024-01-10+00', 1, 1, 'I2');
SET SESSION AUTHORIZATION serr_owner;
SELECT account, quality FROM p_segments WHERE account = 1;
SELECT state, message FROM test.error_of($$SELECT * FROM fit_segmentation('p')$$);
SELECT state, message FROM test.error_of($$SELECT * FROM segmentation_features('p')$$);
SELECT state, message, hint FROM test.error_of($$SELECT watch_segmentation('p')$$);
-- Row-level security of snapshots or attributes holds for the tables that are made from them.
CREATE TABLE serr_rls (account_id int, tier int);
ALTER TABLE serr_rls ENABLE ROW LEVEL SECURITY;
SELECT object, detail FROM create_segmentation('r', 'serr_own', sources => '{"attributes": "serr_rls"}') WHERE item = 'note' AND object = 'row-level security';
SELECT relname, relrowsecurity AS ok FROM pg_class WHERE relname IN ('r_profiles', 'r_segments') ORDER BY 1;
SELECT drop_segmentation(n) FROM unnest(ARRAY['p', 'r']) AS n;
RESET SESSION AUTHORIZATION;
RESET search_path;
DROP TABLE serr.serr_own, serr.serr_rls, serr_secret, serr_closed.i;
DROP SCHEMA serr, serr_closed;

-- The name is that of the caller's search path, also when it is another one later.
CREATE SCHEMA serr_one; CREATE SCHEMA serr_two;
CREATE TABLE serr_one.lookup AS SELECT 'I1' AS instrument, 'spot' AS kind;
CREATE TABLE serr_two.lookup AS SELECT 'I1' AS instrument, 'future' AS kind;
SET search_path = public, serr_two;
SELECT source FROM create_segmentation('serr', 'serr_t', sources => '{"instruments": "lookup"}') WHERE item = 'source';
SET search_path = public, serr_one;
SELECT sum(accounts) = 20 AS ok FROM fit_segmentation('serr', k => 1);
SELECT 'futures, not spot' AS test, bool_and(feature(p, 'share_future') = 1) AS ok FROM (SELECT rollup(profile) AS p FROM serr_profiles WHERE span = 1 AND account % 4 = 1 GROUP BY account) AS s;
RESET search_path;
SELECT drop_segmentation('serr');
DROP TABLE serr_one.lookup, serr_two.lookup;
DROP SCHEMA serr_one, serr_two;

-- Casts, operators and functions of others do not run: an enum's cast to text, an operator for domains, a parse_instrument that fits better.
CREATE TABLE serr_canary (who name);
CREATE TYPE serr_kind AS ENUM ('spot', 'option');
CREATE DOMAIN serr_name AS text;
CREATE FUNCTION serr_evil(serr_kind) RETURNS text LANGUAGE plpgsql AS $$ BEGIN INSERT INTO serr_canary VALUES (current_user); RETURN 'x'; END $$;
CREATE CAST (serr_kind AS text) WITH FUNCTION serr_evil(serr_kind) AS IMPLICIT;
CREATE FUNCTION serr_same(serr_name, text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN INSERT INTO serr_canary VALUES (current_user); RETURN true; END $$;
CREATE OPERATOR = (LEFTARG = serr_name, RIGHTARG = text, FUNCTION = serr_same);
CREATE FUNCTION parse_instrument(name serr_name, format text) RETURNS TABLE (kind text, underlying text, quote text, inverse boolean, expiry timestamptz, strike float8, option_type text, reason text)
LANGUAGE plpgsql AS $$ BEGIN INSERT INTO serr_canary VALUES (current_user); END $$;
CREATE TABLE serr_domain AS SELECT account_id, executed_at, quantity, price, instrument::serr_name AS instrument FROM serr_t;
CREATE TABLE serr_enum AS SELECT 'I1'::serr_name AS instrument, 'spot'::serr_kind AS kind;
CREATE TABLE serr_enums AS SELECT i AS account_id, CASE i % 2 WHEN 0 THEN 'spot' ELSE 'option' END::serr_kind AS plan FROM generate_series(0, 19) AS i;
SELECT count(*) > 0 AS ok FROM create_segmentation('serr', 'serr_domain', sources => '{"instruments": {"relation": "serr_enum", "parse": "auto"}, "attributes": "serr_enums"}');
SELECT sum(accounts) = 20 AS ok FROM fit_segmentation('serr', k => 2);
SELECT count(*) = 20 AND bool_and(custom ->> 'plan' IN ('spot', 'option')) AS ok FROM segmentation_features('serr');
SELECT watch_segmentation('serr') IS NOT NULL AS ok;
INSERT INTO serr_domain VALUES (1, '2024-02-01+00', 1, 1, 'I1');
SELECT 'nobody sang' AS test, count(*) = 0 AS ok FROM serr_canary;
SELECT 'and the kind was read' AS test, feature(profile, 'share_spot') = 1 AS ok FROM serr_profiles WHERE span = 1 AND start = '2024-02-01';
SELECT drop_segmentation('serr');
DROP TABLE serr_domain, serr_enum, serr_enums, serr_canary;
DROP FUNCTION parse_instrument(serr_name, text);
DROP OPERATOR = (serr_name, text);
DROP FUNCTION serr_same;
DROP CAST (serr_kind AS text);
DROP FUNCTION serr_evil;
DROP TYPE serr_kind;
DROP DOMAIN serr_name;

-- Names that would be code if a statement were built by pasting: of relations, columns, values and options.
CREATE TABLE canary (n int);
CREATE TABLE serr_hostile (n serial, name text);
INSERT INTO serr_hostile (name) VALUES ($$x'; DROP TABLE canary; --$$), ($$x"; DROP TABLE canary; --$$), ('select'), ('Mixed Case'), ('a.b'), ('%s %I %L'), ('$$x$$'), (E'new\nline'), (E'back\\slash'), ('$1'), ('été'), ('""'), (''''''), ('a=b'), ('x); INSERT INTO canary VALUES (1); --');
SET client_min_messages = warning;
CREATE PROCEDURE serr_hostile(name text) LANGUAGE plpgsql AS $$
DECLARE n bigint; j jsonb; c text := name || '1'; v text;
BEGIN
  CREATE TABLE serr_x AS SELECT i % 12 AS account_id, timestamptz '2024-01-01+00' + i * interval '1 hour' AS executed_at, 1::float8 AS quantity, (1 + i % 7)::float8 AS price, name AS instrument FROM generate_series(1, 240) AS i;
  EXECUTE format('CREATE TABLE %1$I AS SELECT %2$L::text AS %3$I, %2$L::text AS %4$I, ''spot''::text AS kind', name || 'i', name, c, name || '2');
  EXECUTE format('CREATE TABLE %I AS SELECT %L::text AS %I, timestamptz ''2023-12-01+00'' + i * interval ''1 hour'' AS at, 100 + i %% 7 AS price FROM generate_series(1, 1000) AS i', name || 'p', name, c);
  EXECUTE format('CREATE TABLE %I AS SELECT %L::text AS %I, timestamptz ''2024-01-01+00'' + i * interval ''10 min'' AS at, 5 AS mid FROM generate_series(1, 2000) AS i', name || 'q', name, c);
  EXECUTE format('CREATE INDEX ON %I (%I, at); CREATE INDEX ON %I (%I, at)', name || 'p', c, name || 'q', c);
  EXECUTE format('CREATE TABLE %I AS SELECT i AS account_id, CASE WHEN i %% 2 = 0 THEN %L ELSE ''o'' END::text AS %I, i * 2 AS %I FROM generate_series(0, 11) AS i', name || 'a', name, c, name || '3');
  PERFORM create_segmentation('hostile', 'serr_x', sources => jsonb_build_object(
    'instruments', jsonb_build_object('relation', format('%I', name || 'i'), 'columns', jsonb_build_object('instrument', c, 'underlying', name || '2')),
    'prices', jsonb_build_object('relation', format('%I', name || 'p'), 'columns', jsonb_build_object('underlying', c), 'market', name, 'second_market', name),
    'quotes', jsonb_build_object('relation', format('%I', name || 'q'), 'columns', jsonb_build_object('instrument', c)),
    'attributes', jsonb_build_object('relation', format('%I', name || 'a'), 'columns', jsonb_build_array(c, name || '3'), 'weights', jsonb_build_object(c, 2))));
  SELECT sum(accounts) INTO n FROM fit_segmentation('hostile', k => 2);
  PERFORM watch_segmentation('hostile');
  INSERT INTO serr_x VALUES (3, '2024-01-12+00', 5000, 10, name);
  SELECT custom INTO j FROM segmentation_features('hostile') WHERE account = '2';
  SELECT feature INTO v FROM segment_profiles('hostile') WHERE feature = c || '=' || name LIMIT 1;
  IF n = 12 AND j ->> c = name AND v IS NOT NULL AND segment_of(3, 'hostile') IS NOT NULL AND segment_of(3, 'hostile', '2024-01-13+00') IS NOT NULL
     AND (SELECT count(*) FROM describe_segmentation('hostile') WHERE item = 'source') = 5 AND (SELECT bool_and(quality = 'ok') FROM hostile_segments) THEN
    RAISE WARNING 'works: %', to_json(name);
  ELSE
    RAISE WARNING 'FAILS: % % % %', to_json(name), n, j, v;
  END IF;
  PERFORM unwatch_segmentation('hostile');
  PERFORM drop_segmentation('hostile');
  EXECUTE format('DROP TABLE serr_x, %I, %I, %I, %I', name || 'i', name || 'p', name || 'q', name || 'a');
END $$;
DO $$ DECLARE r record; BEGIN FOR r IN SELECT name FROM serr_hostile ORDER BY n LOOP CALL serr_hostile(r.name); END LOOP; END $$;
RESET client_min_messages;
SELECT 'the canary lives' AS test, count(*) = 0 AS ok FROM canary;
DROP PROCEDURE serr_hostile;
DROP SEQUENCE serr_seq;
DROP TABLE serr_t, serr_bare, serr_i, serr_k, serr_p, serr_q, serr_s, serr_a, serr_m, serr_temp, serr_cases, serr_hostile, canary;
DROP ROLE serr_owner, serr_app;
