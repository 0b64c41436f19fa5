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

SELECT item, object, status, detail FROM create_segmentation('venue', 'venue_trades') WHERE item <> 'feature';

--
-- Nothing but the table and a name: how many segments does it find?
--
SELECT segment_id, segment, accounts, round(share::numeric, 3) AS share, round(volume_share::numeric, 3) AS volume_share
FROM fit_segmentation('venue');

--
-- Segments found (rows) against the planted truth (columns).
--
SELECT segment_of(account_id) AS segment,
       count(*) FILTER (WHERE archetype ILIKE '%maker%') AS maker,
       count(*) FILTER (WHERE archetype ILIKE '%perp%')  AS perp,
       count(*) FILTER (WHERE archetype ILIKE '%option%') AS option,
       count(*) FILTER (WHERE archetype ILIKE '%spot%')  AS spot,
       count(*) FILTER (WHERE archetype ILIKE '%token%') AS token,
       count(*) FILTER (WHERE archetype ILIKE '%bot%')   AS bot
FROM truth GROUP BY 1 ORDER BY 1;

--
-- The adjusted Rand index says how well two groupings of the same accounts
-- agree: 1 is the same grouping, 0 is what chance gives.
--
SELECT round(adjusted_rand_index(array_agg(segment_of(account_id) ORDER BY account_id),
                                 array_agg(archetype ORDER BY account_id))::numeric, 3) AS ari
FROM truth;

--
-- Real accounts are not textbook cases. The noise knob blurs the types: how
-- fast does the agreement fall (k given, and k chosen)?
--
CREATE TABLE decay (noise float8, ari_k_given float8, k_chosen bigint, ari_k_chosen float8);

DO $$
DECLARE
  noise float8;
  given float8;
  n     int := 0;
BEGIN
  FOREACH noise IN ARRAY ARRAY[0, 0.25, 0.5, 1] LOOP
    n := n + 1;
    EXECUTE format('CREATE TABLE noisy_%s AS SELECT * FROM simulate_trades(accounts => 300, days => 60, seed => 1, noise => %s)', n, noise);
    PERFORM create_segmentation('noisy_' || n, 'noisy_' || n);
    FOR k IN 1..2 LOOP
      -- k = 6 first, then whatever the data suggest
      PERFORM fit_segmentation('noisy_' || n, k => CASE k WHEN 1 THEN 6 END);
      EXECUTE format('SELECT adjusted_rand_index(array_agg(segment_of(account_id, %1$L) ORDER BY account_id),
                                                 array_agg(archetype ORDER BY account_id))
                      FROM (SELECT DISTINCT account_id, archetype FROM noisy_%2$s) AS t', 'noisy_' || n, n)
      INTO given;
      IF k = 1 THEN
        INSERT INTO decay VALUES (noise, given);
      ELSE
        EXECUTE format('UPDATE decay SET ari_k_chosen = %s, k_chosen = (SELECT count(DISTINCT segment_id) FROM noisy_%s_segments) WHERE noise = %s',
                       given, n, noise);
      END IF;
    END LOOP;
    PERFORM drop_segmentation('noisy_' || n);
  END LOOP;
END $$;

SELECT noise, round(ari_k_given::numeric, 3) AS "ARI, k = 6 given", k_chosen AS "k chosen",
       round(ari_k_chosen::numeric, 3) AS "ARI, k chosen"
FROM decay ORDER BY noise;
