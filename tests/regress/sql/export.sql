-- Models leave the database and come back.
SET client_min_messages = warning;
CREATE TABLE ex_f AS
SELECT i AS id, CASE WHEN i <= 15 THEN 500.0 WHEN i <= 60 THEN 100.0 ELSE i % 3 * 20.0 END + test.rnd(i, 'x') AS x, test.rnd(i, 'y') * 3 + i % 3 AS y
FROM generate_series(1, 600) AS i;
SELECT count(*) > 0 AS created FROM create_segmentation('ex', features => 'ex_f', account => 'id');
SELECT count(*) > 0 AS created FROM create_segmentation('ex2', features => 'ex_f', account => 'id');
SELECT segment_id, accounts FROM fit_segmentation('ex', k => 5);

-- One segment has 15 accounts; of 600, three lie at or beyond each winsorising bound.
SELECT state, message, hint FROM test.error_of($$SELECT export_model('ex')$$);
SELECT state, message, hint FROM test.error_of($$SELECT export_model('ex', min_accounts => 4)$$);
SELECT state, message, hint FROM test.error_of($$SELECT export_model('ex', min_accounts => 0)$$);
SELECT 'all of it' AS test, export_model('ex', min_accounts => 1) = export_model('ex', 1, 1) AND export_model('ex', 1, 1) -> 'model' = segment_model('ex')::text::jsonb AS ok;

-- Masked: nothing that tells of it, and it cannot be found by subtraction either.
CREATE TEMP TABLE masked AS SELECT export_model('ex', mask => true) AS j;
SELECT j -> 'masked' AS masked, j #> '{model,shape}' AS shape, j #> '{model,rules}' AS rules, j -> 'min_accounts' AS min_accounts FROM masked;
SELECT s FROM masked, jsonb_array_elements(j #> '{model,segments}') AS s WHERE s ? 'masked';
SELECT 'two at least, and twenty accounts at least' AS test,
       jsonb_array_length(j -> 'masked') >= 2
   AND 600 - (SELECT sum((s ->> 'accounts')::int) FROM jsonb_array_elements(j #> '{model,segments}') AS s WHERE NOT s ? 'masked') >= 20
   AND (SELECT count(*) FROM jsonb_array_elements(j #> '{model,segments}') AS s WHERE s ? 'profile') = 3 AS ok FROM masked;
SELECT 'nothing is personal, nothing is masked' AS test, export_model('ex', min_accounts => 1, mask => true) = export_model('ex', min_accounts => 1) AS ok;
SELECT 'a summary, without what would confirm a guess' AS test, NOT j ? 'hash' AND NOT j #> '{model,provenance}' ? 'rows_hash' AS ok,
       j #> '{model,preparation}' AS preparation, j #> '{model,provenance,rows}' AS rows FROM masked;

-- A value of an account stands in no masked export, whatever the algorithm and the scale; in the whole models there are some.
SELECT count(*) > 0 AS created FROM create_segmentation('exl', features => 'ex_f', account => 'id');
CREATE FUNCTION pg_temp.values_of_accounts(e jsonb) RETURNS bigint LANGUAGE sql AS $$
  SELECT count(DISTINCT n) FROM jsonb_path_query(e, '$.** ? (@.type() == "number")') AS q(n)
  JOIN (SELECT unnest(ARRAY[x, y]) AS v FROM ex_f) AS f ON f.v = (q.n #>> '{}')::float8 $$;
CREATE FUNCTION pg_temp.leaks(OUT refused text, OUT whole boolean, OUT masked bigint, OUT shape jsonb) LANGUAGE plpgsql AS $$
BEGIN
  -- Quartiles and medians of hundreds may be a value.
  SELECT message INTO refused FROM test.error_of(format('SELECT export_model(%L, %s)', 'exl', (SELECT max(version) FROM segmentation.models WHERE segmentation = 'exl')));
  whole := pg_temp.values_of_accounts(pg_temp.without_quartiles(export_model('exl', (SELECT max(version) FROM segmentation.models WHERE segmentation = 'exl'), 1))) > 0;
  masked := pg_temp.values_of_accounts(pg_temp.without_quartiles(export_model('exl', (SELECT max(version) FROM segmentation.models WHERE segmentation = 'exl'), mask => true)));
  shape := CASE WHEN export_model('exl', (SELECT max(version) FROM segmentation.models WHERE segmentation = 'exl'), mask => true) #> '{model,shape}' ? 'masked' THEN '"masked"' ELSE '"told"' END;
END $$;
CREATE FUNCTION pg_temp.without_quartiles(e jsonb) RETURNS jsonb LANGUAGE sql AS $$
  SELECT regexp_replace(e::text, '"(q25|median|q75|c)": -?[0-9.e+-]+', '"\1": null', 'g')::jsonb $$;
SELECT count(*) > 0 AS ok FROM fit_segmentation('exl', algorithm => 'dbscan', activate => false, preparation => '{"scale": null, "transform": "identity", "winsorise": null, "weights": null, "pca": null}');
SELECT 'dbscan' AS test, * FROM pg_temp.leaks();
SELECT count(*) > 0 AS ok FROM fit_segmentation('exl', algorithm => 'hdbscan', activate => false, preparation => '{"scale": null, "transform": "identity", "winsorise": null, "weights": null, "pca": null}');
SELECT 'hdbscan' AS test, * FROM pg_temp.leaks();
SELECT count(*) > 0 AS ok FROM fit_segmentation('exl', k => 2, activate => false, preparation => '{"scale": "quantile", "transform": "identity"}');
SELECT 'knots' AS test, * FROM pg_temp.leaks();
SELECT count(*) > 0 AS ok FROM fit_segmentation('exl', k => 2, activate => false, preparation => '{"transform": "identity", "winsorise": [0, 1]}');
SELECT 'bounds' AS test, * FROM pg_temp.leaks();
SELECT drop_segmentation('exl');

-- There and back: the same but for the name, the version and the ids.
SELECT import_model('ex2', export_model('ex', min_accounts => 1), 'from the laboratory') AS version;
SELECT 'a candidate with ids of its own' AS test, state = 'candidate' AS ok, (SELECT array_agg(DISTINCT segment_id ORDER BY segment_id) FROM segment_profiles('ex2', 1)) AS ids FROM segmentation.models WHERE segmentation = 'ex2';
CREATE FUNCTION pg_temp.content(j jsonb) RETURNS text LANGUAGE sql AS $$
  SELECT (j - 'segmentation' - 'version' || jsonb_build_object('model', (j -> 'model') || jsonb_build_object('segments',
           (SELECT jsonb_agg(s - 'id' ORDER BY n) FROM jsonb_array_elements(j #> '{model,segments}') WITH ORDINALITY AS t(s, n)))))::text $$;
SELECT 'byte for byte' AS test, pg_temp.content(export_model('ex', min_accounts => 1)) = pg_temp.content(export_model('ex2', 1, 1)) AS ok;
SELECT 'and the same answers' AS test, bool_and(assign_segment(ARRAY[x, y], segment_model('ex')) = assign_segment(ARRAY[x, y], segment_model('ex2', 1))) AS ok FROM ex_f;
SELECT 'the first model of a segmentation' AS test, activate_model('ex2', 1) = 1 AS ok;
SELECT count(DISTINCT segment_id) AS segments, count(*) AS accounts FROM ex2_segments;
SELECT event, version, to_state, reason, details -> 'same_as_version' AS same_as FROM segmentation.events WHERE segmentation = 'ex2' ORDER BY number;

-- Where it comes from: the ids that it had, and the names that its segments have now.
SELECT rename_segment('ex', 1, 'the many');
SELECT import_model('ex', export_model('ex2', 1, 1)) AS version;
SELECT 'known content, known ids' AS test, array_agg(s -> 'id' ORDER BY n) = (SELECT array_agg(s -> 'id' ORDER BY n) FROM jsonb_array_elements(export_model('ex', 1, 1) #> '{model,segments}') WITH ORDINALITY AS t(s, n)) AND bool_or(s ->> 'name' = 'the many') AS ok
FROM jsonb_array_elements(export_model('ex', 2, 1) #> '{model,segments}') WITH ORDINALITY AS t(s, n);
SELECT 'all keep their segment' AS test, activate_model('ex', 2) = 2 AS ok;
SELECT count(*) AS segments FROM fit_segmentation('ex2', k => 4, activate => false);
SELECT import_model('ex', export_model('ex2', 2, 1)) AS version;
SELECT 'a foreign one would change every label' AS test, state, message FROM test.error_of($$SELECT activate_model('ex', 3)$$);

-- What is no export is refused, with a word on why.
SELECT test, state, message FROM (VALUES
  ('masked', $$SELECT import_model('ex', (SELECT j FROM masked))$$),
  ('null', $$SELECT import_model('ex', NULL)$$),
  ('a number', $$SELECT import_model('ex', '1')$$),
  ('an empty object', $$SELECT import_model('ex', '{}')$$),
  ('another format', $$SELECT import_model('ex', export_model('ex', 1, 1) || '{"format": "pmml"}')$$),
  ('a later version', $$SELECT import_model('ex', export_model('ex', 1, 1) || '{"format_version": 2}')$$),
  ('more', $$SELECT import_model('ex', export_model('ex', 1, 1) || '{"more": 2}')$$),
  ('no model', $$SELECT import_model('ex', export_model('ex', 1, 1) - 'model')$$),
  ('a model that is none', $$SELECT import_model('ex', export_model('ex', 1, 1) || '{"model": {"format": 1}}')$$),
  ('a centroid changed', $$SELECT import_model('ex', jsonb_set(export_model('ex', 1, 1), '{model,quality,inertia}', '3'))$$),
  ('a name that is too long', $$SELECT fit_segmentation('ex2', k => 3, activate => false); SELECT import_model('ex', (SELECT jsonb_set(e, '{model,segments,0,name}', to_jsonb(repeat('x', 300))) FROM export_model('ex2', 3, 1) AS e))$$),
  ('no such version', $$SELECT export_model('ex', 99)$$)) AS t(test, statement), test.error_of(statement);
SELECT 'features that are not there' AS test, state, hint FROM test.error_of($$
  CREATE TABLE ex_g AS SELECT id, x, y AS z FROM ex_f;
  SELECT create_segmentation('ex3', features => 'ex_g', account => 'id');
  SELECT import_model('ex3', export_model('ex', 1, 1))$$);
SELECT 'too large' AS test, state, message FROM test.error_of($$SELECT import_model('ex', jsonb_build_object('format', repeat('x', 33 << 20)))$$);

-- A model of trades, with the market that its features were told against.
CREATE TABLE ex_t AS SELECT * FROM simulate_trades(60, 30, seed => 5);
ALTER TABLE ex_t DROP COLUMN archetype;
SELECT count(*) > 0 AS created FROM create_segmentation('ext', 'ex_t', columns => '{"side": null}') WHERE false OR true;
SELECT sum(accounts) = 60 AS ok FROM fit_segmentation('ext', k => 3, lookback => '20 days', min_trades => 2);
SELECT 'reproduced' AS test, bool_and(equal) AS ok FROM reproduce_model('ext');
SELECT import_model('ext', export_model('ext', 1, 1)) AS version;
SELECT 'its twin agrees' AS test, bool_and(NOT moves) AND sum(accounts) = 60 AND sum(share) BETWEEN 1 - 1e-12 AND 1 + 1e-12 AS ok FROM compare_models('ext', 1, 2);
SELECT 'reproduced from the import' AS test, bool_and(equal) AS ok FROM reproduce_model('ext', 2);
INSERT INTO ex_t SELECT * FROM ex_t ORDER BY executed_at DESC LIMIT 1;
SELECT "check" FROM reproduce_model('ext') WHERE NOT equal ORDER BY 1;

-- A model that the segmentation cannot feed is none for it: the import says which input, and not the activation later.
CREATE TABLE ex_u AS SELECT account_id, executed_at, quantity, price, instrument FROM ex_t;
SELECT count(*) > 0 AS created FROM create_segmentation('exu', 'ex_u');
SELECT count(*) > 0 AS created FROM create_segmentation('exm', 'ex_t', use_features => '{volume_usd, trades, maker_ratio}');
SELECT count(*) > 0 AS ok FROM fit_segmentation('exm', k => 2);
SELECT 'nothing maps is_maker' AS test, state, message, hint FROM test.error_of($$SELECT import_model('exu', export_model('exm', min_accounts => 1))$$);
SELECT 'where something does' AS test, import_model('ext', export_model('exm', min_accounts => 1)) > 0 AS ok;
-- The texts that activation and reproduction read. A forged version lends the export its hash.
CREATE FUNCTION pg_temp.forged(field text, value text) RETURNS text LANGUAGE sql AS $$
  SELECT format('INSERT INTO segmentation.fit SELECT segmentation, 90, jsonb_set(model::text::jsonb, ''{provenance,%s}'', to_jsonb(%L::text))::text::segmentation.model, accounts, segments, hash, ''candidate'', created_at, created_by
                 FROM segmentation.fit WHERE segmentation = ''exm'' AND version = 1; SELECT import_model(''exm'', export_model(''exm'', 90, 1))', field, value) $$;
SELECT test, state, message FROM (VALUES
  ('no look-back', pg_temp.forged('lookback', 'a while')),
  ('a look-back of an hour', pg_temp.forged('lookback', '1 hour')),
  ('no instant', pg_temp.forged('as_of', 'yesterday-ish')),
  ('no finite instant', pg_temp.forged('as_of', 'infinity')),
  ('a good one', pg_temp.forged('lookback', '90 days'))) AS t(test, statement), test.error_of(statement);

-- What import_model does not read is not exported. A remark of 33 MB stands for the rows that dbscan keeps of a large table.
SELECT 'too large to come back' AS test, state, regexp_replace(message, 'has \d+ bytes', 'has ... bytes') AS message FROM test.error_of($$
  INSERT INTO segmentation.fit SELECT segmentation, 95, jsonb_set(model::text::jsonb, '{provenance,warnings}', jsonb_build_array(repeat('x', 33 << 20)))::text::segmentation.model, accounts, segments, hash, 'candidate', created_at, created_by
  FROM segmentation.fit WHERE segmentation = 'exm' AND version = 1;
  SELECT export_model('exm', 95, 1)$$);

SELECT drop_segmentation(name) FROM segmentation.segmentations WHERE name IN ('ex', 'ex2', 'ext', 'exu', 'exm');
DROP TABLE ex_f, ex_t, ex_u;
