-- The planted venue: deterministic, overlapping in every single feature, and found again by the fit but not by one feature.
CREATE TABLE simulate_t AS SELECT * FROM simulate_trades(accounts => 300, days => 60, seed => 1, noise => 0);
SELECT 'accounts and types' AS test, count(DISTINCT account_id) = 300 AND count(DISTINCT archetype) = 6 AND bool_and(executed_at IS NOT NULL AND quantity > 0 AND price > 0) AS ok FROM simulate_t;
SELECT 'the same seed, the same trades' AS test, NOT EXISTS (SELECT * FROM simulate_t EXCEPT SELECT * FROM simulate_trades(accounts => 300, days => 60, seed => 1, noise => 0)) AS ok;
SELECT 'another seed, other trades' AS test, EXISTS (SELECT * FROM simulate_t EXCEPT SELECT * FROM simulate_trades(accounts => 300, days => 60, seed => 2, noise => 0)) AS ok;
SELECT 'types share instruments' AS test, count(*) FILTER (WHERE types > 1) > count(*) / 2 AS ok FROM (SELECT count(DISTINCT archetype) AS types FROM simulate_t GROUP BY instrument) AS s;

CREATE TABLE simulate_truth AS
SELECT account_id, min(archetype) AS archetype, account_profile(trade(executed_at, quantity, price, side, instrument => instrument, notional_usd => notional_usd,
       fee_usd => fee_usd, is_maker => is_maker, underlying => underlying, kind => kind)) AS profile
FROM simulate_t GROUP BY account_id;
ALTER TABLE simulate_t DROP COLUMN archetype;
SELECT count(*) > 0 AS ok FROM create_segmentation('sim', 'simulate_t');
SELECT count(*) = 6 AS ok FROM fit_segmentation('sim', k => 6);
SELECT 'k given: found again' AS test, adjusted_rand_index(array_agg(segment_of(account_id) ORDER BY account_id), array_agg(archetype ORDER BY account_id)) >= 0.9 AS ok FROM simulate_truth;
SELECT 'k chosen: within one' AS test, count(*) BETWEEN 5 AND 7 AS ok FROM fit_segmentation('sim');
SELECT drop_segmentation('sim');

-- k-means on each feature alone, with the transform of the whole fit: none is enough.
CREATE TABLE simulate_single (feature text, ari float8);
DO $$
DECLARE f text;
BEGIN
  FOR f IN SELECT feature FROM segmentation.features LOOP
    EXECUTE format('CREATE TABLE simulate_f AS SELECT account_id, feature(profile, %L, ''2030-01-01+00'') AS x FROM simulate_truth', f);
    IF (SELECT count(DISTINCT x) > 6 AND count(x) > 250 FROM simulate_f) THEN
      PERFORM create_segmentation('single', features => 'simulate_f', account => 'account_id');
      PERFORM fit_segmentation('single', k => 6);
      INSERT INTO simulate_single SELECT f, adjusted_rand_index(array_agg(segment_of(account_id) ORDER BY account_id), array_agg(archetype ORDER BY account_id)) FROM simulate_truth;
      PERFORM drop_segmentation('single');
    END IF;
    DROP TABLE simulate_f;
  END LOOP;
END $$;
SELECT 'volume alone' AS test, ari < 0.6 AS ok FROM simulate_single WHERE feature = 'volume_usd';
SELECT 'the best single feature' AS test, max(ari) < 0.6 AND count(*) >= 10 AS ok FROM simulate_single;
DROP TABLE simulate_t, simulate_truth, simulate_single;
