-- create_segmentation: columns found by name and type, and said so.
CREATE TABLE create_t (id bigint, trader int NOT NULL, ts timestamptz, symbol varchar(20), qty numeric(20, 8), px numeric, buy_sell text, fee float8, remark text);
INSERT INTO create_t SELECT i, i % 7, timestamptz '2024-01-01+00' + i * interval '1 hour', 'BTC', 1 + i % 5, 100, 'buy', 0.1, 'x' FROM generate_series(1, 200) AS i;

CREATE TABLE create_report AS SELECT * FROM create_segmentation('c1', 'create_t', columns => '{"account": "trader", "side": "buy_sell"}');
SELECT item, object, status, source FROM create_report WHERE item = 'column' AND status = 'mapped' ORDER BY object COLLATE "C";
SELECT 'said once, of each feature' AS test,
       (SELECT array_agg(object ORDER BY object COLLATE "C") FROM create_report WHERE item = 'feature') =
       (SELECT array_agg(feature::text ORDER BY feature COLLATE "C") FROM segmentation.features) AS ok;
SELECT 'what is not available says why' AS test, count(*) > 0 AND bool_and(detail <> '') AS ok
FROM create_report WHERE item = 'feature' AND status = 'not available';
SELECT 'no maker column, no maker ratio' AS test, status = 'not available' AS ok FROM create_report WHERE item = 'feature' AND object = 'maker_ratio';
SELECT 'describe says the same columns' AS test, NOT EXISTS (
  SELECT FROM (SELECT item, object, status, source FROM create_report WHERE status = 'mapped') AS c
  FULL JOIN (SELECT item, object, status, source FROM describe_segmentation('c1') WHERE status = 'mapped') AS d USING (item, object, status, source)
  WHERE c IS NULL OR d IS NULL) AS ok;

-- Usual names need no help.
CREATE TABLE create_usual (trade_id bigint, account_id uuid, executed_at timestamptz, instrument text, quantity float8, price float8, side text, fee_usd float8, is_maker boolean);
SELECT 'usual names' AS test,
       array_agg(object ORDER BY object COLLATE "C") @> ARRAY['account', 'executed_at', 'fee_usd', 'instrument', 'is_maker', 'price', 'quantity', 'side'] AS ok
FROM create_segmentation('c2', 'create_usual') WHERE item = 'column' AND status = 'mapped';

-- With several, the name must be given or set.
SELECT 'several segmentations, no name' AS test, state IS NOT NULL AND hint LIKE '%default_segmentation%' AS ok, message FROM test.error_of('SELECT * FROM describe_segmentation()');
SET pg_segmentation.default_segmentation = 'c2';
SELECT 'the setting decides' AS test, count(*) > 0 AS ok FROM describe_segmentation() WHERE source = 'account_id';
RESET pg_segmentation.default_segmentation;

-- The tables belong to the caller and lie in the caller's schema.
SELECT relname, relnamespace::regnamespace, relowner = current_user::regrole AS owned FROM pg_class WHERE relname IN ('c1_profiles', 'c1_segments') ORDER BY 1;

SELECT 'a name twice' AS test, state = '42710' AS ok, message FROM test.error_of($$SELECT * FROM create_segmentation('c1', 'create_t', columns => '{"account": "trader"}')$$);
SELECT drop_segmentation('c1');
SELECT drop_segmentation('c2');
SELECT 'drop leaves nothing' AS test,
       to_regclass('c1_profiles') IS NULL AND to_regclass('c1_segments') IS NULL
       AND NOT EXISTS (SELECT FROM segmentation.segmentations) AND NOT EXISTS (SELECT FROM segmentation.models) AS ok;
DROP TABLE create_t, create_usual, create_report;
