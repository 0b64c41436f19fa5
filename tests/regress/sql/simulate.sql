-- The planted venue: deterministic, overlapping in every single feature, and found again by the fit but not by one feature.
CREATE TABLE simulate_t AS SELECT * FROM simulate_trades(accounts => 300, days => 60, seed => 1, noise => 0);
SELECT 'accounts and types' AS test, count(DISTINCT account_id) = 300 AND count(DISTINCT archetype) = 6 AND bool_and(executed_at IS NOT NULL AND quantity > 0 AND price > 0) AS ok FROM simulate_t;
SELECT 'the same seed, the same trades' AS test, NOT EXISTS (SELECT * FROM simulate_t EXCEPT SELECT * FROM simulate_trades(accounts => 300, days => 60, seed => 1, noise => 0)) AS ok;
SELECT 'another seed, other trades' AS test, EXISTS (SELECT * FROM simulate_t EXCEPT SELECT * FROM simulate_trades(accounts => 300, days => 60, seed => 2, noise => 0)) AS ok;
SELECT 'types share instruments' AS test, count(*) FILTER (WHERE types > 1) > count(*) / 2 AS ok FROM (SELECT count(DISTINCT archetype) AS types FROM simulate_t GROUP BY instrument) AS s;

-- By noise: the agreement of the fit with the planted types, with k given and with k chosen, and what k-means on one feature
-- alone reaches, in the transform of the whole fit. Volume is one of them; the best one is named.
CREATE TABLE simulate_result (noise float8, together float8, k_chosen bigint, together_k_chosen float8, volume float8, best float8, best_feature text, features bigint);
CREATE PROCEDURE simulate_run(noise float8) LANGUAGE plpgsql AS $$
DECLARE f text; r simulate_result; ari float8;
BEGIN
  CREATE TABLE simulate_n AS SELECT * FROM simulate_trades(accounts => 300, days => 60, seed => 1, noise => simulate_run.noise);
  CREATE TABLE simulate_truth AS
  SELECT account_id, min(archetype) AS archetype, account_profile(trade(executed_at, quantity, price, side, instrument => instrument, notional_usd => notional_usd,
         fee_usd => fee_usd, is_maker => is_maker, underlying => underlying, kind => kind)) AS profile
  FROM simulate_n GROUP BY account_id;
  ALTER TABLE simulate_n DROP COLUMN archetype;
  r.noise = noise; r.best = -1; r.features = 0;
  PERFORM create_segmentation('sim', 'simulate_n');
  PERFORM fit_segmentation('sim', k => 6);
  SELECT adjusted_rand_index(array_agg(segment_of(account_id, 'sim') ORDER BY account_id), array_agg(archetype ORDER BY account_id)) INTO r.together FROM simulate_truth;
  SELECT count(*) INTO r.k_chosen FROM fit_segmentation('sim', force => true, reason => 'another k');
  SELECT adjusted_rand_index(array_agg(segment_of(account_id, 'sim') ORDER BY account_id), array_agg(archetype ORDER BY account_id)) INTO r.together_k_chosen FROM simulate_truth;
  PERFORM drop_segmentation('sim');
  FOR f IN SELECT feature FROM segmentation.features ORDER BY feature COLLATE "C" LOOP
    EXECUTE format('CREATE TABLE simulate_f AS SELECT account_id, feature(profile, %L, ''2030-01-01+00'') AS x FROM simulate_truth', f);
    IF (SELECT count(DISTINCT x) > 6 AND count(x) > 250 FROM simulate_f) THEN
      -- A feature of one column has the transform it would have in the whole fit: as it is, and with its tail drawn in.
      FOR transform IN 1..2 LOOP
        PERFORM create_segmentation('single', features => 'simulate_f', account => 'account_id');
        PERFORM fit_segmentation('single', k => 6, preparation => CASE transform WHEN 1 THEN '{"transform": "identity"}' ELSE '{"transform": "asinh"}' END::jsonb);
        SELECT adjusted_rand_index(array_agg(segment_of(account_id, 'single') ORDER BY account_id), array_agg(archetype ORDER BY account_id)) INTO ari FROM simulate_truth;
        PERFORM drop_segmentation('single');
        IF f = 'volume_usd' THEN r.volume = greatest(r.volume, ari); END IF;
        IF ari > r.best THEN r.best = ari; r.best_feature = f; END IF;
      END LOOP;
      r.features = r.features + 1;
    END IF;
    DROP TABLE simulate_f;
  END LOOP;
  INSERT INTO simulate_result SELECT r.*;
  DROP TABLE simulate_n, simulate_truth;
END $$;
CALL simulate_run(0);
CALL simulate_run(0.25);
CALL simulate_run(0.5);
CALL simulate_run(1);
SELECT noise, round(together::numeric, 3) AS "ARI, k = 6", k_chosen AS "k chosen", round(together_k_chosen::numeric, 3) AS "ARI, k chosen",
       round(volume::numeric, 3) AS "volume alone", round(best::numeric, 3) AS "best alone", best_feature, features
FROM simulate_result ORDER BY noise;
SELECT 'k given: found again' AS test, together >= 0.9 AS ok FROM simulate_result WHERE noise = 0;
SELECT 'k chosen: within one' AS test, k_chosen BETWEEN 5 AND 7 AS ok FROM simulate_result WHERE noise = 0;
SELECT 'volume alone does not' AS test, volume < 0.6 AS ok FROM simulate_result WHERE noise = 0;
SELECT 'nor does the best single feature' AS test, best < 0.6 AND features >= 10 AS ok FROM simulate_result WHERE noise = 0;
SELECT 'noise costs' AS test, bool_and(together < before) AS ok
FROM (SELECT together, lag(together) OVER (ORDER BY noise) AS before FROM simulate_result) AS s WHERE before IS NOT NULL;
DROP PROCEDURE simulate_run;
DROP TABLE simulate_t, simulate_result;
