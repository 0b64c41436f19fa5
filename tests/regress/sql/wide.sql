-- segmentation_features: every feature of every account as a column, straight from the tables.
CREATE TABLE wide_t AS SELECT * FROM simulate_trades(24, 115, 3, crash_day => 60);
ALTER TABLE wide_t DROP COLUMN archetype, DROP COLUMN own_flow_usd, DROP COLUMN others_flow_usd, DROP COLUMN is_toxic;
-- Whose flow against whose, in bins of five minutes, and toxic flow, are for the user to say: here the trades of one instrument
-- and bin, and buckets in which one side is more than nine tenths.
CREATE VIEW wide_v AS
SELECT *, sum(s * notional_usd) OVER (PARTITION BY account_id, instrument, bin) AS own_flow, sum(s * notional_usd) OVER (PARTITION BY instrument, bin) - sum(s * notional_usd) OVER (PARTITION BY account_id, instrument, bin) AS others_flow,
       abs(sum(s * notional_usd) OVER (PARTITION BY instrument, bucket)) > 0.9 * sum(notional_usd) OVER (PARTITION BY instrument, bucket) AS is_toxic
FROM (SELECT *, CASE side WHEN 'buy' THEN 1 ELSE -1 END AS s, date_bin('5 min', executed_at, '2024-01-01+00') AS bin, date_bin('1 h', executed_at, '2024-01-01+00') AS bucket FROM wide_t) AS t;
CREATE TABLE wide_snapshots AS SELECT * FROM simulate_snapshots(24, 115, 3, crash_day => 60);
CREATE TABLE wide_quotes AS SELECT * FROM simulate_quotes(24, 115, 3, crash_day => 60);
CREATE INDEX ON wide_quotes (instrument, quoted_at);
CREATE TABLE wide_prices AS SELECT * FROM simulate_prices(115, 3, 60);
CREATE INDEX ON wide_prices (underlying, priced_at);
CREATE TABLE wide_masters AS SELECT DISTINCT account_id, 'M' || right(account_id, 1) AS master FROM wide_t WHERE account_id <> 'acct_0024';
ANALYZE;
SELECT object, detail FROM create_segmentation('wide', 'wide_v', columns => '{"own_flow_usd": "own_flow", "others_flow_usd": "others_flow"}', sources => '{"snapshots": "wide_snapshots", "quotes": "wide_quotes",
  "prices": {"relation": "wide_prices", "expected_return": 0.4, "risk_free": 0.02}, "masters": "wide_masters"}') WHERE item = 'feature' AND status <> 'available';
CREATE TABLE wide_a AS SELECT * FROM segmentation_features('wide', '2024-04-25 00:00+00');
CREATE VIEW wide_long AS SELECT account, key AS feature, (value #>> '{}')::float8 AS value FROM wide_a, jsonb_each(to_jsonb(wide_a) - 'account' - 'custom');
SELECT 'a row an account, a column a feature' AS test, count(DISTINCT account) = 24 AND count(*) = 24 * (SELECT count(*) FROM segmentation.features) AS ok FROM wide_long;
SELECT 'in the order of the catalogue' AS test, array_agg(attname::text ORDER BY attnum) = ARRAY['account'] || (SELECT array_agg(feature) FROM segmentation.features) || ARRAY['custom'] AS ok
FROM pg_attribute WHERE attrelid = 'wide_a'::regclass AND attnum > 0;
SELECT feature AS "NULL for all accounts" FROM wide_long GROUP BY feature HAVING count(value) = 0;

-- The profiles that a fit stores have the same features, those apart that need the order of trades of several days.
SELECT sum(accounts) = 24 AS ok FROM fit_segmentation('wide', k => 3);
SELECT w.feature AS "differs from the stored profiles" FROM wide_long AS w JOIN (
  SELECT p.account, f.* FROM (SELECT account, rollup(profile) AS profile FROM wide_profiles WHERE span = 1 GROUP BY 1) AS p, features(profile, '2024-04-25+00') AS f) AS f USING (account, feature)
JOIN segmentation.features AS c USING (feature) WHERE class IN ('G', 'M') AND w.value IS DISTINCT FROM f.value GROUP BY 1;
SELECT 'ordered features are those of one pass' AS test, count(*) = 24 AS ok FROM wide_a JOIN (
  SELECT account_id AS account, account_profile(trade(executed_at, quantity, price, side, instrument, notional_usd => notional_usd, contract_size => contract_size, inverse => inverse, kind => kind, expiry => expiry, underlying_price => underlying_price, is_self_trade => counterparty = account_id)) AS p FROM wide_t GROUP BY 1) AS t USING (account)
WHERE burstiness IS NOT DISTINCT FROM feature(p, 'burstiness') AND holding_hours IS NOT DISTINCT FROM feature(p, 'holding_hours') AND memory IS NOT DISTINCT FROM feature(p, 'memory');

-- What is told against all accounts.
SELECT 'shares of the venue' AS test, test.close(sum(volume_share), 1) AND test.close(sum(flow_share * sum_volume) / max(sum_volume), sum(net) / max(sum_volume), 1e-6) AS ok
FROM (SELECT a.*, sum(volume_usd) OVER () AS sum_volume, (SELECT sum(CASE side WHEN 'buy' THEN notional_usd ELSE -notional_usd END) FROM wide_t WHERE account_id = account AND counterparty IS DISTINCT FROM account_id) AS net FROM wide_a AS a) AS s;
CREATE TABLE wide_terms AS
SELECT account, term, sign, value FROM wide_a CROSS JOIN LATERAL (VALUES ('effective_leverage_p95', 1, coalesce(effective_leverage_p95, declared_leverage_p95)), ('liquidation_share', 1, liquidation_share),
  ('idiosyncratic_share', 1, idiosyncratic_share), ('hhi', 1, hhi), ('premium_sold_share', 1, premium_sold_share), ('dte_1d_share', 1, dte_1d_share), ('max_drawdown', -1, max_drawdown), ('hedge_ratio', -1, hedge_ratio), ('stop_share', -1, stop_share)) AS t (term, sign, value);
CREATE TABLE wide_spreads AS
SELECT term, sign, q[2] AS median, coalesce(nullif(q[3] - q[1], 0), nullif(mad, 0), CASE WHEN low < high THEN sd END) AS spread
FROM (SELECT term, sign, percentile_cont(ARRAY[0.25, 0.5, 0.75]) WITHIN GROUP (ORDER BY value) AS q, stddev_pop(value) AS sd, min(value) AS low, max(value) AS high FROM wide_terms GROUP BY 1, 2) AS s
JOIN (SELECT term, percentile_cont(0.5) WITHIN GROUP (ORDER BY abs(value - median)) AS mad FROM wide_terms JOIN (SELECT term, percentile_cont(0.5) WITHIN GROUP (ORDER BY value) AS median FROM wide_terms GROUP BY 1) AS m USING (term) GROUP BY 1) AS d USING (term);
CREATE TABLE wide_scores AS
SELECT account, term, sign, value, z, CASE WHEN count(z) OVER (PARTITION BY account) >= 4 AND z IS NOT NULL THEN 1.0::float8 / count(z) OVER (PARTITION BY account) END AS weight
FROM (SELECT account, term, sign, value, greatest(-3, least(3, (value - median) / nullif(spread, 0))) AS z FROM (SELECT t.*, s.median, s.spread FROM wide_terms AS t JOIN wide_spreads AS s USING (term)) AS j WHERE value IS NOT NULL AND spread IS NOT NULL
      UNION ALL SELECT account, term, sign, value, NULL FROM wide_terms JOIN wide_spreads USING (term, sign) WHERE value IS NULL OR spread IS NULL) AS s;
SELECT 'risk appetite' AS test, bool_and(test.close(a.risk_appetite_index, e.index)) AND count(e.index) > 12 AS ok FROM wide_a AS a JOIN (SELECT account, sum(weight * sign * z) AS index FROM wide_scores GROUP BY 1) AS e USING (account);
-- A share that most accounts have at 0 has no interquartile range, and still a say.
SELECT 'mostly zero terms count' AS test, bool_or(value > 0 AND z > 0) AS ok, count(*) FILTER (WHERE value = 0) > count(*) / 2 AS mostly_zero FROM wide_scores WHERE term = 'liquidation_share';
CREATE TABLE wide_appetite AS SELECT * FROM risk_appetite('wide', '2024-04-25 00:00+00');
SELECT 'each term of each account' AS test, count(*) = 24 * 9 AND count(*) FILTER (WHERE a.z IS NOT NULL) > 100 AND bool_and(a.value IS NOT DISTINCT FROM e.value AND test.close(a.z, e.z) AND a.direction = e.sign AND test.close(a.weight, e.weight)) AS ok
FROM wide_appetite AS a JOIN wide_scores AS e ON e.account = a.account AND e.term = replace(a.term, 'declared_leverage', 'effective_leverage');
SELECT 'the terms make the index' AS test, count(*) = 24 AND bool_and(test.close(a.index, w.risk_appetite_index)) AND bool_and(a.sum IS NULL OR test.close(a.sum, a.index)) AS ok
FROM (SELECT account, min(risk_appetite_index) AS index, sum(weight * direction * z) AS sum FROM wide_appetite GROUP BY 1) AS a JOIN wide_a AS w USING (account);
SELECT 'the leverage that is known' AS test, bool_and((a.term = 'declared_leverage_p95') = (w.effective_leverage_p95 IS NULL AND w.declared_leverage_p95 IS NOT NULL)) AS ok FROM wide_appetite AS a JOIN wide_a AS w USING (account) WHERE a.term LIKE '%leverage%';
SELECT 'master accounts' AS test, count(DISTINCT account) = 11 AS ok FROM risk_appetite('wide', '2024-04-25 00:00+00', 'master');

-- Look-ahead: whatever lies at or after as_of changes nothing, at a midnight and inside a day. (Two features are made of what the
-- view above says, which looks at whole bins.)
CREATE FUNCTION wide_text(j jsonb) RETURNS text IMMUTABLE LANGUAGE sql RETURN (j - 'herding' - 'toxic_share')::text;
CREATE TABLE wide_b AS SELECT * FROM segmentation_features('wide', '2024-03-05 13:37:11+00');
CREATE TABLE wide_c AS SELECT * FROM segmentation_features('wide', '2024-03-06 00:00:00+00');
CREATE PROCEDURE wide_poison(since timestamptz) LANGUAGE sql AS $$
  UPDATE wide_t SET quantity = 'NaN', price = -1e300, side = 'buy', instrument = 'X', notional_usd = 1e19, executed_at = executed_at + interval '1 h' WHERE executed_at >= since;
  INSERT INTO wide_t (account_id, executed_at, quantity, price, instrument, notional_usd) SELECT DISTINCT account_id, since, 1e6, 1e6, 'BTC-PERPETUAL', 1e12 FROM wide_t;
  UPDATE wide_snapshots SET equity_usd = -1e9, taken_at = greatest(since, taken_at - interval '20 h') WHERE taken_at >= since;
  INSERT INTO wide_snapshots (account_id, taken_at, equity_usd) SELECT DISTINCT account_id, since, 1e15 FROM wide_snapshots;
  UPDATE wide_quotes SET bid = 1e6, ask = 1e7 WHERE quoted_at >= since;
  INSERT INTO wide_quotes SELECT DISTINCT instrument, since, 1e6, 1e6 FROM wide_quotes;
  UPDATE wide_prices SET price = 1e6 * price WHERE priced_at >= since;
  INSERT INTO wide_prices SELECT DISTINCT underlying, since, 1e-6::float8 FROM wide_prices $$;
CALL wide_poison('2024-03-06 00:00:00+00');
SELECT 'poison at a midnight' AS test, count(*) = 0 AS ok FROM (SELECT wide_text(to_jsonb(c)) FROM wide_c AS c EXCEPT SELECT wide_text(to_jsonb(f)) FROM segmentation_features('wide', '2024-03-06 00:00:00+00') AS f) AS s;
CALL wide_poison('2024-03-05 13:37:11+00');
SELECT 'poison inside a day' AS test, count(*) = 0 AS ok FROM (SELECT wide_text(to_jsonb(b)) FROM wide_b AS b EXCEPT SELECT wide_text(to_jsonb(f)) FROM segmentation_features('wide', '2024-03-05 13:37:11+00') AS f) AS s;
-- A model fitted as of that instant is the same, too.
SELECT sum(accounts) > 20 AS ok FROM fit_segmentation('wide', k => 3, as_of => '2024-03-05 13:37:11+00');
CREATE TABLE wide_model AS SELECT segment_model('wide')::text::jsonb AS m;
CALL wide_poison('2024-03-05 13:37:11+00');
SELECT sum(accounts) > 20 AS ok FROM fit_segmentation('wide', k => 3, as_of => '2024-03-05 13:37:11+00');
SELECT 'poison and a fit' AS test, m -> 'shape' = n -> 'shape' AND m #> '{provenance,rows_hash}' = n #> '{provenance,rows_hash}' AS ok FROM wide_model, LATERAL (SELECT segment_model('wide')::text::jsonb) AS s(n);

-- Reads and nothing else; the same in a parallel plan.
BEGIN READ ONLY;
SELECT 'read only' AS test, count(*) > 20 AS ok FROM segmentation_features('wide', '2024-03-01+00');
COMMIT;
CREATE TABLE wide_serial AS SELECT * FROM segmentation_features('wide', '2024-03-01+00');
SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0;
SELECT 'parallel' AS test, count(*) = 0 AS ok FROM (SELECT wide_text(to_jsonb(c)) FROM wide_serial AS c EXCEPT SELECT wide_text(to_jsonb(f)) FROM segmentation_features('wide', '2024-03-01+00') AS f) AS s;
RESET parallel_setup_cost; RESET parallel_tuple_cost; RESET min_parallel_table_scan_size;

-- Master accounts: the trades of all their accounts in one pass; equity is the sum of the accounts'.
CREATE TABLE wide_m AS SELECT * FROM segmentation_features('wide', '2024-03-01+00', 'master');
SELECT account FROM wide_m ORDER BY 1;
SELECT 'one pass over all accounts' AS test, count(*) = 11 AS ok FROM wide_m AS w JOIN (
  SELECT coalesce(m.master, t.account_id) AS account, account_profile(trade(executed_at, quantity, price, side, instrument, notional_usd => notional_usd, fee_usd => fee_usd)) AS p
  FROM wide_t AS t LEFT JOIN wide_masters AS m USING (account_id) WHERE executed_at < '2024-03-01+00' GROUP BY 1) AS e USING (account)
WHERE w.volume_usd = feature(p, 'volume_usd') AND w.trades = feature(p, 'trades') AND w.active_days = feature(p, 'active_days') AND w.burstiness IS NOT DISTINCT FROM feature(p, 'burstiness') AND w.instruments = feature(p, 'instruments');
SELECT 'turnover over the equity of all' AS test, bool_and(test.close(w.turnover_equity, w.volume_usd / e.equity)) AND count(e.equity) > 8 AS ok FROM wide_m AS w JOIN (
  SELECT account, avg(equity) AS equity FROM (SELECT coalesce(m.master, s.account_id) AS account, (taken_at AT TIME ZONE 'UTC')::date AS day, sum(equity_usd) AS equity FROM wide_snapshots AS s LEFT JOIN wide_masters AS m USING (account_id)
    WHERE taken_at < '2024-03-01+00' GROUP BY 1, 2) AS d GROUP BY 1) AS e USING (account);
SELECT 'volume is nobody''s twice' AS test, test.close(sum(volume_usd), (SELECT sum(volume_usd) FROM segmentation_features('wide', '2024-03-01+00'))) AS ok FROM wide_m;

-- A look-back, an instant of its own, other rights.
SELECT drop_segmentation('wide');
SELECT count(*) > 0 AS ok FROM create_segmentation('wide', 'wide_t', lookback => '14 days');
SELECT 'a look-back' AS test, count(*) > 0 AND sum(trades) = (SELECT count(*) FROM wide_t WHERE executed_at >= '2024-01-31+00' AND executed_at < '2024-02-14+00') AS ok FROM segmentation_features('wide', '2024-02-14+00');
SELECT 'inside the first day of it' AS test, sum(trades) = (SELECT count(*) FROM wide_t WHERE executed_at >= '2024-01-31+00' AND executed_at < '2024-02-14 05:00+00') AS ok FROM segmentation_features('wide', '2024-02-14 05:00+00');
SELECT 'before everything' AS test, count(*) = 0 AS ok FROM segmentation_features('wide', '2020-01-01+00');
SELECT e.state, e.message, e.hint FROM (VALUES ($$SELECT * FROM segmentation_features('wide', level => 'desk')$$), ($$SELECT * FROM segmentation_features('wide', level => 'master')$$), ($$SELECT * FROM segmentation_features('wide', 'infinity')$$),
  ($$SELECT * FROM segmentation_features('nobody')$$), ($$SELECT * FROM risk_appetite('wide', level => 'desk')$$)) AS s (statement), test.error_of(s.statement) AS e;
CREATE ROLE wide_reader;
SET ROLE wide_reader;
SELECT state FROM test.error_of($$SELECT * FROM segmentation_features('wide')$$);
RESET ROLE;
GRANT SELECT ON wide_segments TO wide_reader;
SET ROLE wide_reader;
SELECT state, message FROM test.error_of($$SELECT * FROM segmentation_features('wide')$$);
RESET ROLE;
DELETE FROM wide_t;
SELECT 'an empty table' AS test, count(*) = 0 AS ok FROM segmentation_features('wide');
SELECT drop_segmentation('wide');
DROP VIEW wide_long, wide_v;
DROP PROCEDURE wide_poison;
DROP FUNCTION wide_text;
DROP TABLE wide_t, wide_snapshots, wide_quotes, wide_prices, wide_masters, wide_a, wide_b, wide_c, wide_m, wide_model, wide_serial, wide_terms, wide_spreads, wide_scores, wide_appetite;
DROP ROLE wide_reader;

-- An account whose underlyings are grouped does not say which are the venue's largest: it traded most, but of what is not known.
CREATE TABLE wide_crowd AS
SELECT 'a' || lpad((i % 12)::text, 2, '0') AS account_id, timestamptz '2024-01-01+00' + i * interval '7 minutes' AS executed_at, 1::float8 AS quantity, 10.0::float8 * (1 + i % 12) AS price,
       (ARRAY['buy', 'sell'])[1 + i % 2] AS side, 'S' || i % 17 AS instrument FROM generate_series(1, 2000) AS i
UNION ALL SELECT 'maker', timestamptz '2024-01-01+00' + i * interval '1 minute', 1, 1e6, 'buy', 'M' || i % 400 FROM generate_series(1, 4000) AS i;
SELECT count(*) > 0 AS ok FROM create_segmentation('crowd', 'wide_crowd', use_features => ARRAY['volume_usd', 'trades', 'hhi', 'long_tail_share']);
SELECT 'the long tail of a crowd and a maker' AS test, count(*) = 13 AS ok, count(*) FILTER (WHERE long_tail_share IS NULL) AS unknown, count(*) FILTER (WHERE long_tail_share = 0) AS none FROM segmentation_features('crowd', '2024-02-01+00');
SELECT sum(accounts) = 13 AS ok FROM fit_segmentation('crowd', k => 2);
SELECT 'the largest underlyings are underlyings' AS test, array_agg(key::bigint ORDER BY key::bigint) = (SELECT array_agg(allocation_key('S' || i) ORDER BY allocation_key('S' || i)) FROM generate_series(0, 16) AS i) AS ok
FROM jsonb_array_elements_text(segment_model('crowd')::text::jsonb #> '{provenance,market,top_underlyings}') AS key;
SELECT drop_segmentation('crowd');
DROP TABLE wide_crowd;
