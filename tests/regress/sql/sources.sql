-- Relations beside the trades: what they add is what plain SQL adds, whichever way it is written.
CREATE TABLE src_sim AS SELECT * FROM simulate_trades(24, 45, 7);
-- The trades know the instrument's name and nothing else of it.
CREATE TABLE src_trades AS
SELECT trade_id, account_id, executed_at, instrument, side, quantity, price, fee_usd, is_maker, order_id, implied_volatility FROM src_sim;
CREATE TABLE src_instruments AS SELECT * FROM simulate_instruments(45, 7);
UPDATE src_instruments SET kind = 'spot' WHERE kind = 'leveraged_token'; -- as venues list them
CREATE TABLE src_tokens AS
SELECT instrument AS symbol, underlying, token_factor AS factor, daterange('2024-01-01', '2024-01-20') AS valid FROM src_instruments WHERE token_factor IS NOT NULL;
UPDATE src_instruments SET token_factor = NULL;
CREATE TABLE src_prices AS SELECT underlying, priced_at AS at, price FROM simulate_prices(45, 7);
CREATE INDEX ON src_prices (underlying, at);
CREATE TABLE src_quotes AS SELECT instrument, quoted_at, bid, ask, implied_volatility, underlying_price FROM simulate_quotes(24, 45, 7);
-- Several at one instant, and ones that are none.
INSERT INTO src_quotes SELECT instrument, quoted_at, bid * 0.99, ask * 0.99 FROM src_quotes WHERE extract(second FROM quoted_at)::int % 3 = 0;
INSERT INTO src_quotes SELECT instrument, quoted_at, CASE n % 5 WHEN 0 THEN 'NaN'::float8 WHEN 1 THEN 0 WHEN 2 THEN -1 WHEN 3 THEN 'Infinity' END, ask
FROM (SELECT *, row_number() OVER (ORDER BY quoted_at, instrument, bid) AS n FROM src_quotes) AS q WHERE n % 7 = 0;
CREATE INDEX ON src_quotes (instrument, quoted_at);
CREATE TABLE src_snapshots AS SELECT * FROM simulate_snapshots(24, 45, 7);
ANALYZE;

CREATE TABLE src_report AS
SELECT * FROM create_segmentation('src', 'src_trades', sources => '{"instruments": "src_instruments", "leveraged_tokens": "src_tokens", "prices": {"relation": "src_prices", "expected_return": 0.2},
  "quotes": "src_quotes", "snapshots": "src_snapshots"}');
SELECT object, status, source, detail FROM src_report WHERE item = 'source';
SELECT object, status, source FROM src_report WHERE item = 'column' AND object LIKE '%.%' ORDER BY object COLLATE "C", source;
SELECT 'what is not available says which input is missing' AS test, object, detail FROM src_report WHERE item = 'feature' AND status = 'not available' ORDER BY object COLLATE "C";
SELECT 'describe says the same' AS test, NOT EXISTS (
  SELECT FROM (SELECT item, object, status, source FROM src_report WHERE item IN ('source', 'feature') OR status = 'mapped') AS c
  FULL JOIN (SELECT item, object, status, source FROM describe_segmentation('src') WHERE (item IN ('source', 'feature') OR status = 'mapped') AND NOT (item = 'source' AND object = 'trades')) AS d USING (item, object, status)
  WHERE c IS NULL OR d IS NULL) AS ok;
SELECT role, relation, columns ->> 'account' AS account FROM segmentation.sources WHERE segmentation = 'src' ORDER BY role;
SELECT sum(accounts) = 24 AS ok FROM fit_segmentation('src', k => 3);

-- The same by scalar subqueries.
CREATE VIEW src_mids AS SELECT instrument, quoted_at, max((bid + ask) / 2) AS mid FROM src_quotes WHERE bid > 0 AND bid < 1e9 AND ask > 0 AND ask < 1e9 GROUP BY 1, 2;
CREATE TABLE src_mid AS SELECT * FROM src_mids;
CREATE INDEX ON src_mid (instrument, quoted_at);
CREATE FUNCTION src_mid_at(i text, t timestamptz, h interval, age interval) RETURNS float8 LANGUAGE sql STABLE AS $$
  SELECT mid FROM src_mid WHERE instrument = i AND quoted_at BETWEEN t + h - age AND t + h
     AND t + h < (date_trunc('day', t AT TIME ZONE 'UTC') + interval '1 day') AT TIME ZONE 'UTC' ORDER BY quoted_at DESC LIMIT 1 $$;
CREATE TABLE src_beside AS SELECT instrument, quoted_at, max(implied_volatility) AS iv, max(underlying_price) AS spot FROM src_quotes GROUP BY 1, 2;
CREATE INDEX ON src_beside (instrument, quoted_at);
CREATE FUNCTION src_iv_at(i text, t timestamptz, h interval) RETURNS float8 LANGUAGE sql STABLE AS $$
  SELECT iv FROM src_beside WHERE instrument = i AND quoted_at BETWEEN t + h - interval '1 min' AND t + h AND iv > 0
     AND t + h < (date_trunc('day', t AT TIME ZONE 'UTC') + interval '1 day') AT TIME ZONE 'UTC' ORDER BY quoted_at DESC LIMIT 1 $$;
-- How the underlying moved: by the quotes, where they tell it at both ends, else by the index.
CREATE FUNCTION src_spot_at(i text, t timestamptz) RETURNS float8 LANGUAGE sql STABLE AS $$
  SELECT spot FROM src_beside WHERE instrument = i AND quoted_at BETWEEN t - interval '1 min' AND t AND spot > 0 ORDER BY quoted_at DESC LIMIT 1 $$;
CREATE FUNCTION src_index_at(u text, t timestamptz) RETURNS float8 LANGUAGE sql STABLE AS $$
  SELECT price FROM src_prices WHERE underlying = u AND at BETWEEN t - interval '1 min' AND t ORDER BY at DESC LIMIT 1 $$;
CREATE FUNCTION src_moved(i text, u text, t timestamptz, h interval) RETURNS float8 LANGUAGE sql STABLE AS $$
  SELECT CASE WHEN t + h < (date_trunc('day', t AT TIME ZONE 'UTC') + interval '1 day') AT TIME ZONE 'UTC'
    THEN coalesce(src_spot_at(i, t + h) / src_spot_at(i, t), src_index_at(u, t + h) / src_index_at(u, t)) END $$;
CREATE FUNCTION src_price_at(u text, t timestamptz) RETURNS float8 LANGUAGE sql STABLE AS $$
  SELECT price FROM src_prices WHERE underlying = u AND at BETWEEN t - interval '1 hour' AND t ORDER BY at DESC LIMIT 1 $$;
CREATE TABLE src_close AS SELECT DISTINCT ON (underlying, (at AT TIME ZONE 'UTC')::date) underlying, (at AT TIME ZONE 'UTC')::date AS day, price FROM src_prices ORDER BY 1, 2, at DESC;
CREATE TABLE src_return AS SELECT b.underlying, b.day, ln(b.price / a.price) AS r, b.price / a.price - 1 AS simple FROM src_close AS a JOIN src_close AS b ON b.underlying = a.underlying AND b.day = a.day + 1;
CREATE FUNCTION src_sd(u text, d date) RETURNS float8 LANGUAGE sql STABLE AS $$
  SELECT CASE WHEN count(*) >= 10 THEN stddev_samp(r) END FROM src_return WHERE underlying = u AND day BETWEEN d - 30 AND d - 1 $$;
CREATE FUNCTION src_z(u text, t timestamptz, h interval, days float8) RETURNS float8 LANGUAGE sql STABLE AS $$
  SELECT (src_price_at(u, t) / src_price_at(u, t - h) - 1) / (src_sd(u, (t AT TIME ZONE 'UTC')::date) * sqrt(days)) $$;
CREATE TABLE src_values AS
  SELECT account_id AS account, (executed_at AT TIME ZONE 'UTC')::date AS start,
         trade(executed_at, quantity, price, side, t.instrument, fee_usd => fee_usd, is_maker => is_maker, order_id => order_id, implied_volatility => implied_volatility,
           underlying => i.underlying, kind => CASE WHEN k.symbol IS NULL THEN i.kind ELSE 'leveraged_token' END, token_factor => k.factor, contract_size => i.contract_size, inverse => i.inverse,
           strike => i.strike, expiry => i.expiry, option_type => i.option_type, underlying_price => src_price_at(i.underlying, executed_at),
           mid => src_mid_at(t.instrument, executed_at, '0', '1 min'), mid_1s => src_mid_at(t.instrument, executed_at, '1 s', '1 s'), mid_10s => src_mid_at(t.instrument, executed_at, '10 s', '10 s'),
           mid_1m => src_mid_at(t.instrument, executed_at, '1 min', '1 min'), mid_5m => src_mid_at(t.instrument, executed_at, '5 min', '1 min'), mid_1h => src_mid_at(t.instrument, executed_at, '1 h', '1 min'),
           underlying_return_1h => src_z(i.underlying, executed_at, '1 h', 1 / 24.0), underlying_return_1d => src_z(i.underlying, executed_at, '24 h', 1), underlying_return_7d => src_z(i.underlying, executed_at, '168 h', 7),
           implied_volatility_1m => src_iv_at(t.instrument, executed_at, '1 min'), implied_volatility_5m => src_iv_at(t.instrument, executed_at, '5 min'),
           underlying_price_1m => src_price_at(i.underlying, executed_at) * src_moved(t.instrument, i.underlying, executed_at, '1 min'), underlying_price_5m => src_price_at(i.underlying, executed_at) * src_moved(t.instrument, i.underlying, executed_at, '5 min')) AS v
  FROM src_trades AS t LEFT JOIN src_instruments AS i USING (instrument)
  LEFT JOIN src_tokens AS k ON k.symbol = t.instrument AND k.valid @> (executed_at AT TIME ZONE 'UTC')::date;
CREATE TABLE src_expected AS
SELECT account, start, rollup(profile) AS profile FROM (
  SELECT account, start, account_profile(v) AS profile FROM src_values GROUP BY 1, 2
  UNION ALL
  SELECT account_id, (taken_at AT TIME ZONE 'UTC')::date,
         account_profile(account_snapshot(taken_at, equity_usd, flow_usd, initial_margin_usd, maintenance_margin_usd, gross_notional_usd, delta_usd, gross_delta_usd, net_delta_usd, liquidation_distance,
           funding_usd, b.simple, e.simple))
  FROM src_snapshots LEFT JOIN src_return AS b ON b.underlying = 'BTC' AND b.day = (taken_at AT TIME ZONE 'UTC')::date
  LEFT JOIN src_return AS e ON e.underlying = 'ETH' AND e.day = (taken_at AT TIME ZONE 'UTC')::date GROUP BY 1, 2) AS parts
GROUP BY 1, 2;
CREATE VIEW src_difference AS
SELECT account, start, f.feature, f.expected, f.stored FROM src_expected AS e JOIN src_profiles AS p USING (account, start)
CROSS JOIN LATERAL ROWS FROM (features(e.profile, '2024-04-01+00'), features(p.profile, '2024-04-01+00')) AS f (feature, expected, unit, reason, same, stored, unit_stored, reason_stored)
WHERE span = 1 AND NOT test.close(f.expected, f.stored, 1e-9);
-- Positions go on from day to day: all days together are one pass over the trades.
CREATE FUNCTION src_positions() RETURNS text[] LANGUAGE sql AS
$$SELECT ARRAY['holding_hours', 'holding_hours_fifo', 'holding_hours_fifo_median', 'funding_share', 'leveraged_token_time', 'open_share', 'position_flips', 'adding_to_losers', 'short_options_opened', 'disposition']$$;
CREATE VIEW src_whole AS
SELECT account, f.feature, f.expected, f.stored, f.reason_stored
FROM (SELECT account, rollup(profile) AS p FROM src_profiles WHERE span = 1 GROUP BY 1) AS a JOIN (SELECT account, account_profile(v) AS p FROM src_values GROUP BY 1) AS b USING (account)
CROSS JOIN LATERAL ROWS FROM (features(b.p), features(a.p)) AS f (feature, expected, unit, reason, same, stored, unit_stored, reason_stored) WHERE f.feature = ANY (src_positions());
SELECT 'positions of all days' AS test, bool_and(test.close(expected, stored, 1e-9)) AND count(stored) > 100 AS ok FROM src_whole WHERE reason_stored IS DISTINCT FROM 'open_position';
-- Only the age of the first in of those that hold many lots is not carried.
SELECT feature, reason_stored, count(*) < 8 AS ok FROM src_whole WHERE stored IS NULL AND expected IS NOT NULL GROUP BY 1, 2 ORDER BY 1;
SELECT 'the same days' AS test, (SELECT count(*) FROM src_expected) = (SELECT count(*) FROM src_profiles WHERE span = 1) AND count(*) = 0 AS ok FROM src_difference WHERE feature <> ALL (src_positions());
-- It is not that there is nothing to compare.
SELECT feature, count(value) > 0 AS ok FROM src_expected, features(profile, '2024-04-01+00')
WHERE feature IN ('markout_1s', 'markout_1h', 'vol_markout_1m', 'vol_markout_5m', 'hedged_markout_1m', 'hedged_markout_5m', 'spread_capture', 'trend_1h', 'trend_7d', 'share_option', 'token_leverage', 'moneyness', 'put_share') GROUP BY 1 ORDER BY 1;
SELECT 'tokens are tokens while the mapping is valid' AS test, count(*) FILTER (WHERE start < '2024-01-20' AND value > 0) > 0 AND count(*) FILTER (WHERE start >= '2024-01-20' AND value > 0) = 0 AS ok
FROM src_profiles, LATERAL feature(profile, 'share_leveraged_token') AS value WHERE span = 1;
SELECT 'no feature of the market, no market in the model' AS test, p ->> 'market' IS NULL AS ok FROM (SELECT segment_model('src')::text::jsonb -> 'provenance' AS p) AS s;

-- An insert into a watched table: what needs no mids afterwards is what a fit makes of it.
SELECT watch_segmentation('src') IS NOT NULL AS ok;
INSERT INTO src_trades SELECT trade_id + 1000000, account_id, executed_at + interval '90 seconds', instrument, side, quantity, price, fee_usd, is_maker, order_id, implied_volatility FROM src_trades WHERE trade_id % 5 = 0;
INSERT INTO src_trades SELECT 2000000, 'new', '2024-02-10 12:00+00', 'BTC-PERPETUAL', 'buy', 1000, 40000, 1, true, 'o', NULL;
CREATE TABLE src_watched AS SELECT account, start, profile FROM src_profiles WHERE span = 1;
SELECT sum(accounts) = 25 AS ok FROM fit_segmentation('src', k => 3);
SELECT f.feature AS "differs from a refit" FROM src_watched AS w JOIN src_profiles AS p USING (account, start)
CROSS JOIN LATERAL ROWS FROM (features(w.profile, '2024-04-01+00'), features(p.profile, '2024-04-01+00')) AS f (feature, watched, unit, reason, same, refitted, unit_refitted, reason_refitted)
JOIN segmentation.features AS c USING (feature)
WHERE span = 1 AND class IN ('G', 'M', 'J') AND NOT needs && ARRAY['mid', 'mid_1s', 'mid_10s', 'mid_1m', 'mid_5m', 'mid_1h', 'implied_volatility_1m', 'implied_volatility_5m', 'underlying_price_1m', 'underlying_price_5m'] AND NOT test.close(f.watched, f.refitted) GROUP BY 1 ORDER BY 1;
SELECT unwatch_segmentation('src') IS NOT NULL AS ok;

-- What the trade table says goes before what is joined; names of instruments are read where asked; a pair's base may be a token.
CREATE TABLE src_small (account int, at_time timestamp, pair varchar(40), qty int, px numeric, cpty text, kind text);
INSERT INTO src_small VALUES (1, '2024-01-05 10:00', 'BTC-27DEC24-100000-C', 2, 0.05, '2', NULL), (1, '2024-01-05 11:00', 'BTC-PERPETUAL', 5000, 42000, '1', NULL),
  (2, '2024-01-05 12:00', 'BTC3L-USDT', 7, 11, '1', NULL), (2, '2024-01-05 13:00', 'XBT', 1, 100, '2', 'future'), (3, '2024-01-06 13:00', 'no such thing', 1, 100, NULL, NULL);
CREATE TABLE src_small_instruments (ticker text, kind text, underlying text, contract_size numeric);
INSERT INTO src_small_instruments VALUES ('XBT', 'perpetual', 'BTC', 3), ('BTC-PERPETUAL', NULL, NULL, 1);
CREATE TABLE src_small_tokens (symbol text, leverage int, underlying text, valid daterange);
INSERT INTO src_small_tokens VALUES ('BTC3L', 3, 'BTC', '[2024-01-01,2024-01-06)'), ('BTC3L', -3, 'BTC', '[2024-01-06,)'), ('BTC3L', 9, 'BTC', 'empty');
SELECT count(*) > 0 AS ok FROM create_segmentation('small', 'src_small', columns => '{"executed_at": "at_time", "counterparty": "cpty"}',
  sources => '{"instruments": {"relation": "src_small_instruments", "parse": "auto", "columns": {"instrument": "ticker"}}, "leveraged_tokens": {"relation": "src_small_tokens", "columns": {"factor": "leverage"}}}');
SELECT sum(accounts) = 3 AS ok FROM fit_segmentation('small', k => 1);
SELECT account, f.feature, f.value, f.reason FROM small_profiles, features(profile, '2024-02-01+00') AS f
WHERE span = 1 AND feature IN ('volume_usd', 'share_option', 'share_perpetual', 'share_future', 'share_leveraged_token', 'token_leverage', 'underlyings', 'days_to_expiry') ORDER BY feature COLLATE "C", account;
-- Trades with oneself: the perpetual of account 1, the future of account 2. Counterparty 1 of account 2 is somebody else.
SELECT account, s.profile::text = e.profile::text AS ok FROM small_profiles AS s JOIN (
  SELECT s.account, account_profile(trade(at_time AT TIME ZONE 'UTC', qty::float8, px::float8, NULL, pair, counterparty => cpty,
           underlying => CASE pair WHEN 'BTC3L-USDT' THEN 'BTC' WHEN 'XBT' THEN 'BTC' ELSE p.underlying END,
           kind => CASE pair WHEN 'BTC3L-USDT' THEN 'leveraged_token' ELSE coalesce(s.kind, p.kind) END, token_factor => CASE pair WHEN 'BTC3L-USDT' THEN 3 END, inverse => p.inverse,
           contract_size => CASE pair WHEN 'BTC-PERPETUAL' THEN 1 WHEN 'XBT' THEN 3 END, strike => p.strike, expiry => p.expiry, option_type => p.option_type,
           is_self_trade => cpty = s.account::text)) AS profile
  FROM src_small AS s, parse_instrument(pair) AS p GROUP BY 1) AS e USING (account) WHERE span = 1 ORDER BY account;

-- Types and collations as they come: an enum, integers, timestamps without a time zone, numerics, collations that contradict each other.
CREATE TYPE src_symbol AS ENUM ('A-B', 'C-D');
CREATE TABLE src_odd (account_id varchar(10) COLLATE "POSIX", ts timestamp, symbol src_symbol, base text COLLATE "POSIX", qty numeric, px numeric, is_buy boolean);
INSERT INTO src_odd SELECT 'a' || i % 3, timestamp '2024-02-01 00:30' + i * interval '1 hour', CASE i % 2 WHEN 0 THEN 'A-B' ELSE 'C-D' END::src_symbol, CASE i % 2 WHEN 0 THEN 'A' ELSE 'C' END, 1, 100, i % 3 = 0 FROM generate_series(1, 200) AS i;
CREATE TABLE src_odd_prices (asset char(4), ts timestamp, px numeric(12, 2));
INSERT INTO src_odd_prices SELECT u, timestamp '2023-12-20' + i * interval '1 hour', 100 + 10 * test.rnd(i, u) FROM generate_series(1, 1300) AS i, unnest(ARRAY['A', 'C']) AS u;
CREATE TABLE src_odd_quotes (symbol src_symbol, ts timestamptz, mid numeric);
INSERT INTO src_odd_quotes SELECT s, timestamptz '2024-02-01+00' + i * interval '10 minutes', 101 FROM generate_series(1, 1200) AS i, unnest(ARRAY['A-B', 'C-D']::src_symbol[]) AS s;
CREATE INDEX ON src_odd_quotes (symbol, ts);
CREATE TABLE src_odd_snapshots (account text COLLATE "C", date date, equity_usd numeric);
INSERT INTO src_odd_snapshots SELECT 'a' || i % 3, date '2024-02-01' + i / 3, 100 + i FROM generate_series(0, 26) AS i;
SELECT item, object, source, detail FROM create_segmentation('odd', 'src_odd', columns => '{"underlying": "base"}', sources => '{"prices": {"relation": "src_odd_prices", "columns": {"underlying": "asset"}},
  "quotes": "src_odd_quotes", "snapshots": "src_odd_snapshots"}') WHERE item IN ('source', 'note') OR object LIKE 'snapshots.%' AND status = 'mapped';
SELECT sum(accounts) = 3 AS ok FROM fit_segmentation('odd', k => 1);
SELECT feature, count(value) = 3 AS ok FROM (SELECT account, rollup(profile) AS profile FROM odd_profiles WHERE span = 1 GROUP BY 1) AS p, features(profile, '2024-02-11+00')
WHERE feature IN ('markout_1m', 'trend_1d', 'turnover_equity') GROUP BY 1 ORDER BY 1;
-- A date is the end of its day: the equity of the 9th is not known on the 9th.
SELECT 'equity of the last day' AS test, feature(account_profile(account_snapshot('2024-02-09 23:59:59.999999+00', 124)), 'negative_equity', '2024-02-09 23:00+00') IS NULL
       AND (SELECT count(*) FROM odd_profiles WHERE span = 1 AND start = '2024-02-09') = 3 AS ok;

-- Times at the ends of what PostgreSQL has, numbers that are none, rows without a key: nothing of it ends a pass.
CREATE TABLE src_edge (account_id int, executed_at timestamptz, instrument text, quantity float8, price float8, side text);
INSERT INTO src_edge SELECT i % 5, timestamptz '2024-01-01+00' + i * interval '1 hour', CASE i % 3 WHEN 0 THEN 'BTC-PERPETUAL' WHEN 1 THEN 'ETH-29MAR24' ELSE 'BTC-29MAR24-50000-C' END, 1, 100, 'buy' FROM generate_series(1, 300) AS i;
CREATE TABLE src_ends AS SELECT 1 AS account_id, at, 'BTC-PERPETUAL' AS instrument, 1::float8 AS quantity, 1::float8 AS price, 'buy' AS side
FROM unnest(ARRAY['infinity', '-infinity', '4714-11-24 00:00+00 BC', '294276-12-31 23:59:59+00', NULL, '1850-01-01+00', '8999-12-31 23:59:59+00']::timestamptz[]) AS at;
INSERT INTO src_edge SELECT * FROM src_ends;
CREATE TABLE src_edge_prices AS SELECT u AS underlying, timestamptz '2023-12-01+00' + i * interval '1 hour' AS at,
  CASE WHEN i % 50 = 0 THEN 'NaN' WHEN i % 51 = 0 THEN 'Infinity' WHEN i % 53 = 0 THEN -5 WHEN i % 57 = 0 THEN 1e-320 WHEN i % 59 = 0 THEN 1e308 ELSE 100 + i % 7 END::float8 AS price FROM generate_series(1, 1500) AS i, unnest(ARRAY['BTC', 'ETH', NULL]) AS u;
INSERT INTO src_edge_prices SELECT 'BTC', at, 5 FROM src_ends;
CREATE INDEX ON src_edge_prices (underlying, at);
CREATE TABLE src_edge_quotes AS SELECT DISTINCT instrument, executed_at + interval '500 ms' AS at, 99::float8 AS bid, 101::float8 AS ask FROM src_edge WHERE executed_at BETWEEN '2000-01-01' AND '3000-01-01';
INSERT INTO src_edge_quotes SELECT DISTINCT instrument, executed_at, 1e308, 1e308 FROM src_edge;
CREATE INDEX ON src_edge_quotes (instrument, at);
CREATE TABLE src_edge_snapshots AS SELECT i % 5 AS account_id, date '2024-01-01' + i / 5 AS taken_at, (100 + i)::numeric AS equity_usd FROM generate_series(0, 60) AS i;
INSERT INTO src_edge_snapshots VALUES (1, 'infinity', 1), (1, '-infinity', 1), (1, NULL, 1), (NULL, '2024-01-01', 1), (2, '2024-01-03', 'NaN'), (3, '2024-01-04', 1e300), (1, '4714-11-24 BC', 1);
SELECT object, source, detail FROM create_segmentation('edge', 'src_edge', sources => '{"instruments": {"parse": "auto"}, "prices": "src_edge_prices", "quotes": "src_edge_quotes", "snapshots": "src_edge_snapshots"}') WHERE item = 'source';
SELECT sum(accounts) = 5 AS ok FROM fit_segmentation('edge', k => 2);
SELECT count(*) = 5 AND count(markout_1s) = 5 AND count(trend_1d) = 5 AND count(turnover_equity) = 5 AND bool_and(share_option > 0.9) AS ok FROM segmentation_features('edge', '2024-01-14+00');
SELECT at, (SELECT count(*) FROM segmentation_features('edge', at)) AS accounts FROM unnest(ARRAY['4714-11-24 00:00+00 BC', '1850-01-02+00', '9999-01-01+00', '294276-12-31+00']::timestamptz[]) AS at;
SELECT watch_segmentation('edge') IS NOT NULL AS ok;
INSERT INTO src_edge SELECT * FROM src_ends;
SELECT count(*) = 5 AND bool_and(quality = 'ok') AS ok FROM edge_segments;
CREATE TABLE src_edge_watched AS SELECT account, span, start, profile::text AS profile FROM edge_profiles;
SELECT sum(accounts) = 5 AS ok FROM fit_segmentation('edge', k => 2, force => true, reason => 'five accounts');
SELECT 'the same as bytes' AS test, count(*) = 0 AS ok FROM (SELECT * FROM src_edge_watched EXCEPT SELECT account, span, start, profile::text FROM edge_profiles) AS s;
SELECT drop_segmentation('edge');
DROP TABLE src_edge, src_ends, src_edge_prices, src_edge_quotes, src_edge_snapshots, src_edge_watched;

-- A table that lacks a column still works: exactly the features that need it are lost, the report says so, and all others are as they were.
-- (Without the kind an option is a trade like any other, with another notional: options are left out here.)
CREATE TABLE src_full AS
SELECT account_id, executed_at, instrument, underlying, kind, side, quantity, price, contract_size, fee_usd, is_maker, order_id, realised_pnl_usd, leverage, order_type, is_liquidation FROM src_sim WHERE kind <> 'option' AND NOT coalesce(inverse, false);
CREATE TABLE src_lost (lacks text, feature text, status text, detail text);
CREATE TABLE src_lost_values (lacks text, account text, feature text, value float8);
DO $$
DECLARE c text;
BEGIN
  FOREACH c IN ARRAY ARRAY['nothing', 'side', 'price', 'kind', 'instrument', 'underlying', 'is_maker', 'fee_usd', 'order_id', 'realised_pnl_usd', 'leverage', 'order_type', 'is_liquidation'] LOOP
    CREATE TABLE src_lacking AS SELECT * FROM src_full;
    IF c <> 'nothing' THEN EXECUTE format('ALTER TABLE src_lacking DROP COLUMN %I', c); END IF;
    INSERT INTO src_lost SELECT c, object, r.status, r.detail FROM create_segmentation('lacking', 'src_lacking') AS r WHERE item = 'feature';
    INSERT INTO src_lost_values SELECT c, account, key, (value #>> '{}')::float8 FROM segmentation_features('lacking') AS f, jsonb_each(to_jsonb(f) - 'account' - 'custom');
    IF (SELECT sum(accounts) FROM fit_segmentation('lacking', k => 2)) <> (SELECT count(DISTINCT account_id) FROM src_full) THEN RAISE EXCEPTION '% is needed', c; END IF;
    PERFORM drop_segmentation('lacking');
    DROP TABLE src_lacking;
  END LOOP;
END $$;
CREATE VIEW src_newly_lost AS
SELECT l.* FROM src_lost AS l JOIN src_lost AS n ON n.lacks = 'nothing' AND n.feature = l.feature AND n.status = 'available' WHERE l.status = 'not available';
SELECT lacks, bool_and(detail = 'missing:' || lacks) AS ok, string_agg(feature, ', ' ORDER BY feature COLLATE "C") AS lost FROM src_newly_lost GROUP BY 1 ORDER BY 1;
SELECT 'lost are those that need it' AS test, count(*) > 100 AND bool_and(lacks = ANY (needs)) AS ok FROM src_newly_lost JOIN segmentation.features USING (feature);
SELECT 'those that need it are lost' AS test, count(*) = 0 AS ok FROM (SELECT DISTINCT lacks FROM src_lost WHERE lacks NOT IN ('nothing', 'instrument')) AS c JOIN segmentation.features AS f ON c.lacks = ANY (f.needs)
JOIN src_lost AS n ON n.lacks = 'nothing' AND n.feature = f.feature AND n.status = 'available' WHERE NOT EXISTS (SELECT FROM src_newly_lost AS l WHERE l.lacks = c.lacks AND l.feature = f.feature);
SELECT 'a lost feature has no value' AS test, count(v.value) = 0 AND count(*) > 1000 AS ok FROM src_newly_lost JOIN src_lost_values AS v USING (lacks, feature);
-- What is not lost and differs: the index over all features; without an underlying, concentration is over instruments.
SELECT v.lacks, string_agg(DISTINCT v.feature, ', ' ORDER BY v.feature) AS "other values" FROM src_lost_values AS v JOIN src_lost_values AS n ON n.lacks = 'nothing' AND n.account = v.account AND n.feature = v.feature
WHERE v.value IS DISTINCT FROM n.value AND NOT EXISTS (SELECT FROM src_newly_lost AS l WHERE l.lacks = v.lacks AND l.feature = v.feature) GROUP BY 1 ORDER BY 1;
SELECT 'values there are' AS test, count(DISTINCT feature) > 60 AS ok FROM src_lost_values WHERE lacks = 'nothing' AND value IS NOT NULL;
DROP VIEW src_newly_lost;

-- Features of one's choice.
SELECT count(*) > 0 AS ok FROM create_segmentation('chosen', 'src_trades', sources => '{"quotes": "src_quotes", "instruments": "src_instruments"}',
  use_features => ARRAY['markout_1m', 'volume_usd', 'volume_share', 'long_tail_share', 'share_option']);
SELECT sum(accounts) = 25 AS ok FROM fit_segmentation('chosen', k => 2);
SELECT feature FROM segment_profiles('chosen') GROUP BY feature ORDER BY 1;
SELECT 'volume shares are those of the population' AS test, (m #>> '{provenance,market,venue_volume_usd}')::float8 > 0 AND jsonb_array_length(m #> '{provenance,market,top_underlyings}') BETWEEN 1 AND 20 AS ok
FROM (SELECT segment_model('chosen')::text::jsonb AS m) AS s;
SELECT 'scored against the same market' AS test, count(*) = 25 AND bool_and(segment = segment_of(account, 'chosen', (p ->> 'as_of')::timestamptz)) AS ok
FROM chosen_segments, LATERAL (SELECT segment_model('chosen')::text::jsonb -> 'provenance') AS s(p);
SELECT 'and so is a profile as a value' AS test, bool_and(assign_segment(q.profile, segment_model('chosen'), (p ->> 'as_of')::timestamptz) = s.segment) AS ok
FROM (SELECT account, rollup(profile) AS profile FROM chosen_profiles WHERE span = 1 GROUP BY 1) AS q JOIN chosen_segments AS s USING (account), LATERAL (SELECT segment_model('chosen')::text::jsonb -> 'provenance') AS r(p);

-- A relation that is renamed is the same relation; one that is gone is said to be.
ALTER TABLE src_quotes RENAME TO src_other_quotes;
SELECT sum(accounts) = 25 AS ok FROM fit_segmentation('chosen', k => 2);
DROP TABLE src_other_quotes CASCADE;
SELECT state, message, hint FROM test.error_of($$SELECT * FROM fit_segmentation('chosen')$$);
SELECT object, status, detail FROM describe_segmentation('chosen') WHERE item = 'source';
DROP VIEW src_difference, src_whole;
-- Returns on different bases are not in one model.
SELECT create_segmentation('bases', 'src_trades', sources => '{"snapshots": "src_snapshots"}', use_features => '{sharpe, volume_usd, var_95, beta}');
SELECT create_segmentation('bases', 'src_sim', sources => '{"snapshots": "src_snapshots"}', use_features => '{sharpe, volume_usd, sharpe_on_volume}');
SELECT create_segmentation('bases', 'src_sim', sources => '{"snapshots": "src_snapshots"}', use_features => '{sharpe_on_margin, sortino_on_volume}');
SELECT count(*) > 0 AS ok FROM create_segmentation('bases', 'src_sim', sources => '{"snapshots": "src_snapshots"}', use_features => '{sharpe, volume_usd, var_95, max_drawdown}');
SELECT drop_segmentation('bases');

SELECT drop_segmentation(name) FROM unnest(ARRAY['src', 'small', 'odd', 'chosen']) AS name;
SELECT 'no source is left' AS test, count(*) = 0 AS ok FROM segmentation.sources;
DROP TABLE src_sim, src_trades, src_instruments, src_tokens, src_prices, src_snapshots, src_report, src_mid, src_beside, src_close, src_return, src_values, src_expected, src_watched, src_small, src_small_instruments, src_small_tokens,
  src_odd, src_odd_prices, src_odd_quotes, src_odd_snapshots, src_full, src_lost, src_lost_values;
DROP FUNCTION src_positions, src_mid_at, src_iv_at, src_moved, src_spot_at, src_index_at, src_price_at, src_sd, src_z;
DROP TYPE src_symbol;
