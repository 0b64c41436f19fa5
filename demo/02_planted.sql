--
-- Act 2: accounts whose type is known.
--
-- A derivatives venue of 300 accounts over 60 days. Six types are planted:
-- market makers, high-leverage perpetual traders, option sellers, spot holders,
-- users of leveraged tokens, trend bots. They share instruments, and in no
-- single feature are they apart. The column "archetype" is the truth; the
-- segmentation does not see it.
--
CREATE EXTENSION pg_segmentation;

CREATE TABLE venue_trades AS
  SELECT * FROM simulate_trades(accounts => 300, days => 60, seed => 1, noise => 0);

CREATE TABLE truth AS
  SELECT DISTINCT account_id, archetype FROM venue_trades;

ALTER TABLE venue_trades DROP COLUMN archetype;

SELECT account_id, executed_at, instrument, kind, side, quantity, price, is_maker FROM venue_trades ORDER BY trade_id LIMIT 5;

--
-- What lies beside the trades: daily equity and positions of each account,
-- prices of the underlyings, quotes. Each is a table of its own.
--
CREATE TABLE venue_equity AS SELECT * FROM simulate_snapshots(accounts => 300, days => 60, seed => 1, noise => 0);
CREATE TABLE venue_prices AS SELECT * FROM simulate_prices(days => 60, seed => 1);
CREATE TABLE venue_quotes AS SELECT * FROM simulate_quotes(accounts => 300, days => 60, seed => 1, noise => 0);
CREATE INDEX ON venue_prices (underlying, priced_at);
CREATE INDEX ON venue_quotes (instrument, quoted_at);

SELECT item, object, status, concat_ws(': ', source, detail) AS detail
FROM create_segmentation('venue', 'venue_trades',
       sources => '{"snapshots": "venue_equity", "prices": "venue_prices", "quotes": "venue_quotes"}')
WHERE item IN ('source', 'table', 'note') OR item = 'feature' AND status <> 'available';

--
-- Nothing but the table and a name: how many segments does it find?
--
SELECT segment_id, segment, accounts, round(share::numeric, 3) AS share, round(volume_share::numeric, 3) AS volume_share
FROM fit_segmentation('venue');

--
-- Segments found (rows) against the planted truth (columns).
--
SELECT segment_of(account_id, 'venue') AS segment,
       count(*) FILTER (WHERE archetype ILIKE '%maker%') AS "market maker",
       count(*) FILTER (WHERE archetype ILIKE '%perp%')  AS perpetuals,
       count(*) FILTER (WHERE archetype ILIKE '%option%') AS options,
       count(*) FILTER (WHERE archetype ILIKE '%spot%')  AS spot,
       count(*) FILTER (WHERE archetype ILIKE '%token%') AS tokens,
       count(*) FILTER (WHERE archetype ILIKE '%bot%')   AS bot
FROM truth GROUP BY 1 ORDER BY 1;

--
-- Why trust a segment? Every feature of every account can be read, here for
-- each planted type: how leveraged it is, whether its trades do well in the
-- five minutes after them, whether it follows the trend, sells options, is
-- liquidated, how long it holds, and how much of its risk is its own.
--
SELECT archetype, round(avg(effective_leverage_p95)::numeric, 1) AS leverage, round(avg(markout_5m)::numeric, 1) AS markout_bps,
       round(avg(trend_1d)::numeric, 2) AS trend, round(avg(premium_sold_share)::numeric, 2) AS premium_sold,
       sum(liquidations) AS liquidations, round(avg(holding_hours_fifo)::numeric) AS holding_hours,
       round(avg(idiosyncratic_share)::numeric, 2) AS own_risk, round(avg(risk_appetite_index)::numeric, 2) AS appetite
FROM segmentation_features('venue') JOIN truth ON account_id = account
GROUP BY archetype ORDER BY archetype;

--
-- The adjusted Rand index says how well two groupings of the same accounts
-- agree: 1 is the same grouping, 0 is what chance gives.
--
SELECT round(adjusted_rand_index(array_agg(segment_of(account_id, 'venue') ORDER BY account_id),
                                 array_agg(archetype ORDER BY account_id))::numeric, 3) AS "adjusted Rand index"
FROM truth;

--
-- Real accounts are not textbook cases. The noise knob blurs the types: how
-- fast does the agreement fall, with the number of segments given (k => 6), and
-- with k chosen from the data? There are several segmentations now, so each
-- call names the one it means.
--
CREATE TABLE decay (noise float8, k text, segments bigint, agreement float8);

DO $$
DECLARE
  noise float8;
  wish  int;
BEGIN
  FOREACH noise IN ARRAY ARRAY[0, 0.25, 0.5, 1] LOOP
    CREATE TABLE noisy AS SELECT * FROM simulate_trades(accounts => 300, days => 60, seed => 1, noise => noise);
    PERFORM create_segmentation('noisy', 'noisy');
    FOREACH wish IN ARRAY ARRAY[6, NULL] LOOP
      PERFORM fit_segmentation('noisy', k => wish, force => true, reason => 'another k');
      INSERT INTO decay
      SELECT noise, CASE WHEN wish IS NULL THEN 'chosen' ELSE 'given' END, count(DISTINCT segment),
             adjusted_rand_index(array_agg(segment ORDER BY account_id), array_agg(archetype ORDER BY account_id))
      FROM (SELECT account_id, min(archetype) AS archetype, segment_of(account_id, 'noisy') AS segment
            FROM noisy GROUP BY account_id) AS labels;
    END LOOP;
    PERFORM drop_segmentation('noisy');
    DROP TABLE noisy;
  END LOOP;
END $$;

SELECT noise, max(round(agreement::numeric, 3)) FILTER (WHERE k = 'given') AS "agreement, 6 segments",
       max(round(agreement::numeric, 3)) FILTER (WHERE k = 'chosen') AS "agreement, k chosen",
       max(segments) FILTER (WHERE k = 'chosen') AS "k chosen"
FROM decay GROUP BY noise ORDER BY noise;
