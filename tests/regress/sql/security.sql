-- Attacks that an audit found to work; each must fail now.
CREATE ROLE sec_mallory;
CREATE ROLE sec_reader;
CREATE TABLE sec_t AS SELECT account_id, executed_at, instrument, kind, side, quantity, price, notional_usd FROM simulate_trades(30, 30);
SELECT count(*) > 0 AS ok FROM create_segmentation('sec', 'sec_t');
SELECT count(*) = 3 AS ok FROM fit_segmentation('sec', k => 3);

-- 1. Types in the caller's temporary schema take the place of PostgreSQL's own in statements that run as the owner.
CREATE TABLE sec_canary (who name);
GRANT INSERT ON sec_canary TO PUBLIC;
SET ROLE sec_mallory;
CREATE TEMP TABLE sec_any (a int);
CREATE FUNCTION pg_temp.pwn(pg_catalog.text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  IF current_user OPERATOR(pg_catalog.<>) 'sec_mallory' THEN INSERT INTO public.sec_canary VALUES (current_user); END IF;
  RETURN true;
END $$;
CREATE DOMAIN pg_temp.text AS pg_catalog.text CHECK (pg_temp.pwn(value));
CREATE DOMAIN pg_temp.oid AS pg_catalog.oid CHECK (pg_temp.pwn(value::pg_catalog.text));
CREATE DOMAIN pg_temp.regclass AS pg_catalog.regclass CHECK (pg_temp.pwn(value::pg_catalog.text));
CREATE DOMAIN pg_temp.jsonb AS pg_catalog.jsonb CHECK (pg_temp.pwn(value::pg_catalog.text));
DO $$
DECLARE statement pg_catalog.text;
BEGIN
  FOREACH statement IN ARRAY ARRAY[
    $q$SELECT segment_of('acct_0001'::pg_catalog.text, 'sec')$q$, $q$SELECT segment_id_of('acct_0001'::pg_catalog.text, 'sec')$q$,
    $q$SELECT segment_of('acct_0001'::pg_catalog.text, 'sec', '2024-01-20+00')$q$,
    $q$SELECT segment_model('sec')$q$, $q$SELECT * FROM segment_profiles('sec')$q$, $q$SELECT * FROM describe_segmentation('sec')$q$,
    $q$SELECT assign_segment('{}'::pg_catalog.jsonb, 'sec')$q$, $q$SELECT * FROM fit_segmentation('sec')$q$,
    $q$SELECT watch_segmentation('sec')$q$, $q$SELECT unwatch_segmentation('sec')$q$, $q$SELECT drop_segmentation('sec')$q$,
    $q$SELECT * FROM create_segmentation('mine', 'sec_any')$q$, $q$SELECT * FROM segmentation.models$q$]
  LOOP
    BEGIN EXECUTE statement; EXCEPTION WHEN OTHERS THEN NULL; END;
  END LOOP;
END $$;
RESET ROLE;
SELECT count(*) = 0 AS ok FROM sec_canary;
DROP DOMAIN pg_temp.text, pg_temp.oid, pg_temp.regclass, pg_temp.jsonb;

-- 2. A cast of an enum, made by its owner, runs with the rights of whoever fits.
CREATE TYPE sec_kind AS ENUM ('spot', 'future', 'perpetual', 'option', 'leveraged_token');
ALTER TYPE sec_kind OWNER TO sec_mallory;
GRANT CREATE ON SCHEMA public TO sec_mallory;
SET ROLE sec_mallory;
CREATE FUNCTION sec_evil(sec_kind) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  IF current_user <> 'sec_mallory' THEN INSERT INTO public.sec_canary VALUES (current_user); END IF;
  RETURN enum_out($1);
END $$;
CREATE CAST (sec_kind AS text) WITH FUNCTION sec_evil(sec_kind);
RESET ROLE;
CREATE TABLE sec_enum AS SELECT account_id, executed_at, quantity, price, textin(textout(kind))::sec_kind AS kind FROM sec_t;
SELECT count(*) > 0 AS ok FROM create_segmentation('sec_enum', 'sec_enum');
SELECT count(*) = 2 AS ok FROM fit_segmentation('sec_enum', k => 2);
SELECT count(*) = 0 AS ok FROM sec_canary;
-- The kinds were read all the same.
SELECT count(*) = 0 AS ok FROM sec_enum_profiles WHERE span = 1 AND feature(profile, 'share_other') <> 0;

-- 3. An overload of trade() that fits a table of domains better than ours.
CREATE DOMAIN sec_time AS timestamptz;
SET ROLE sec_mallory;
CREATE FUNCTION trade(executed_at sec_time, quantity float8, price float8) RETURNS segmentation.trade LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO public.sec_canary VALUES (current_user);
  RETURN NULL;
END $$;
RESET ROLE;
CREATE TABLE sec_domain AS SELECT account_id, executed_at::sec_time AS executed_at, quantity, price FROM sec_t;
SELECT count(*) > 0 AS ok FROM create_segmentation('sec_domain', 'sec_domain');
SELECT count(*) = 2 AS ok FROM fit_segmentation('sec_domain', k => 2);
SELECT count(*) = 0 AS ok FROM sec_canary;
DROP FUNCTION trade(sec_time, float8, float8);

-- 4. A model is not told to those whom policies show only some accounts; nor by the views.
GRANT SELECT ON sec_segments, sec_profiles TO sec_reader;
ALTER TABLE sec_segments ENABLE ROW LEVEL SECURITY;
CREATE POLICY one ON sec_segments TO sec_reader USING (account = 'acct_0001');
SET ROLE sec_reader;
SELECT segment_of('acct_0001', 'sec') IS NOT NULL AND segment_of('acct_0002', 'sec') IS NULL AS ok;
SELECT state = '42501' AS ok FROM test.error_of($$SELECT * FROM segment_profiles('sec')$$);
SELECT count(*) = 0 AS ok FROM segmentation.models WHERE segmentation = 'sec';
SELECT count(*) = 0 AS ok FROM segmentation.segments WHERE segmentation = 'sec';
-- A kept plan of a table that was renamed since does not read the table that has its name now.
RESET ROLE;
ALTER TABLE sec_segments RENAME TO sec_renamed;
CREATE TABLE sec_segments (account text, segment text, segment_id int);
INSERT INTO sec_segments VALUES ('acct_0001', 'SPOOFED', 0);
GRANT SELECT ON sec_segments TO sec_reader;
SET ROLE sec_reader;
SELECT segment_of('acct_0001', 'sec') <> 'SPOOFED' AS ok;
RESET ROLE;
DROP TABLE sec_segments;
ALTER TABLE sec_renamed RENAME TO sec_segments;
ALTER TABLE sec_segments DISABLE ROW LEVEL SECURITY;
-- Neither is what there is told to those without any right.
SET ROLE sec_mallory;
SELECT state = '42501' AS ok FROM test.error_of($$SELECT * FROM describe_segmentation('sec')$$);
RESET ROLE;

-- 5. An array variable that changes is another array.
DO $$
DECLARE names text[] := ARRAY['trades']; p segmentation.account_profile; a float8[]; b float8[];
BEGIN
  SELECT account_profile(trade(executed_at, quantity, price)) INTO p FROM sec_t;
  FOR i IN 1..2 LOOP
    a := b;
    b := feature_vector(p, names);
    names[1] := 'active_days';
  END LOOP;
  RAISE NOTICE 'other names, other values: %', a <> b;
END $$;

-- 6. Keys of type char(n) keep all their characters.
CREATE TABLE sec_char AS SELECT account_id::char(12) AS account, executed_at, quantity, price FROM sec_t;
SELECT count(*) > 0 AS ok FROM create_segmentation('sec_char', 'sec_char');
SELECT count(*) = 2 AS ok FROM fit_segmentation('sec_char', k => 2);
SELECT segment_of('acct_0001', 'sec_char') IS NOT NULL AND segment_of('acct_0001'::char(12), 'sec_char') IS NOT NULL AS ok;

-- 7. A partition that has partitions is watched too; tables with heirs are refused.
CREATE TABLE sec_p (account_id text, executed_at timestamptz, quantity float8, price float8) PARTITION BY LIST (account_id);
CREATE TABLE sec_mid PARTITION OF sec_p DEFAULT PARTITION BY RANGE (executed_at);
CREATE TABLE sec_leaf PARTITION OF sec_mid DEFAULT;
INSERT INTO sec_p SELECT account_id, executed_at, quantity, price FROM sec_t;
SELECT count(*) > 0 AS ok FROM create_segmentation('sec_p', 'sec_p');
SELECT count(*) = 2 AS ok FROM fit_segmentation('sec_p', k => 2);
SELECT watch_segmentation('sec_p') IS NOT NULL AS ok;
INSERT INTO sec_p SELECT 'new', '2024-01-20+00', 1, 1 FROM generate_series(1, 10);
INSERT INTO sec_mid SELECT 'new', '2024-01-20+00', 1, 1 FROM generate_series(1, 100);
INSERT INTO sec_leaf SELECT 'new', '2024-01-20+00', 1, 1 FROM generate_series(1, 1000);
SELECT feature(rollup(profile), 'trades') = 1110 AS ok FROM sec_p_profiles WHERE account = 'new' AND span = 1;
CREATE TABLE sec_heir () INHERITS (sec_t);
SELECT state = '42809' AS ok FROM test.error_of($$SELECT watch_segmentation('sec')$$);

-- 8. JSON that PostgreSQL takes and float8 cannot hold is an error of the user's, not of ours.
SELECT s.statement, e.state FROM (VALUES
  ($$SELECT assign_segment('{"trades": 1e400}'::jsonb, 'sec')$$),
  ($$SELECT assign_segment((repeat('[', 200) || repeat(']', 200))::jsonb, 'sec')$$),
  ($$SELECT * FROM fit_segmentation('sec', preparation => '{"x": 1e400}')$$),
  ($$SELECT * FROM create_segmentation('no', 'sec_t', columns => '{"x": 1e400}')$$)) AS s(statement), test.error_of(s.statement) AS e;

-- 9. A view that asks us is a fine source, in a parallel plan too.
CREATE VIEW sec_view AS SELECT t.account_id, t.executed_at, t.quantity, t.price, segment_of(t.account_id, 'sec_p') AS instrument FROM ONLY sec_t t;
SELECT count(*) > 0 AS ok FROM create_segmentation('sec_view', 'sec_view');
SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0;
SELECT count(*) = 2 AS ok FROM fit_segmentation('sec_view', k => 2);
RESET parallel_setup_cost; RESET parallel_tuple_cost; RESET min_parallel_table_scan_size;

-- 10. A temporary table would be outlived by its segmentation.
CREATE TEMP TABLE sec_temp AS SELECT * FROM sec_t;
SELECT state = '42809' AS ok FROM test.error_of($$SELECT * FROM create_segmentation('sec_temp', 'sec_temp')$$);

SELECT drop_segmentation(name) IS NOT NULL AS ok FROM unnest(ARRAY['sec', 'sec_enum', 'sec_domain', 'sec_char', 'sec_p', 'sec_view']) AS name;
DROP VIEW sec_view;
DROP TABLE sec_t, sec_heir, sec_enum, sec_domain, sec_char, sec_p, sec_canary, sec_temp, sec_any;
DROP CAST (sec_kind AS text);
DROP FUNCTION sec_evil(sec_kind);
DROP DOMAIN sec_time;
DROP TYPE sec_kind;
REVOKE CREATE ON SCHEMA public FROM sec_mallory;
DROP OWNED BY sec_mallory, sec_reader CASCADE;
DROP ROLE sec_mallory, sec_reader;
