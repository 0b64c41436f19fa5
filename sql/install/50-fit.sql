-- Fitting.

CREATE FUNCTION fit_segmentation(
  segmentation text DEFAULT NULL, k integer DEFAULT NULL, k_max integer DEFAULT 10, algorithm text DEFAULT 'kmeans',
  preparation jsonb DEFAULT NULL, as_of timestamptz DEFAULT NULL, lookback interval DEFAULT NULL,
  seed bigint DEFAULT 1, activate boolean DEFAULT true, settings jsonb DEFAULT NULL, min_trades integer DEFAULT 1,
  force boolean DEFAULT false, reason text DEFAULT NULL
) RETURNS TABLE(segment_id integer, segment text, accounts bigint, share float8, volume_share float8, description text,
                warnings text[])
  AS 'MODULE_PATHNAME', 'segmentation_fit' LANGUAGE c VOLATILE PARALLEL UNSAFE ROWS 10;
COMMENT ON FUNCTION fit_segmentation(text, integer, integer, text, jsonb, timestamptz, interval, bigint, boolean, jsonb, integer, boolean, text) IS
  'Fits a model, stores it as a new version and, unless activate is false, activates it: all accounts are assigned. Segments that continue one of the active model keep its id and name. Where fewer of the common accounts than the segmentation''s min_overlap would keep their segment, the model stays a candidate and a WARNING says so, unless force is given with a reason. settings: of the algorithm, see segmentation.algorithms. min_trades: accounts with fewer trades in the look-back are ''new'', not fitted on and in no segment. k NULL: chosen by silhouette over 2 to k_max, and 1 where there is no structure. as_of NULL: end of the last UTC day, not after today, with a trade (or a snapshot). Sources are joined to the trades as they are now; nothing in them at or after as_of counts. 21000 where a source has several rows for one instrument, symbol or account. Same rows and seed give the same model. volume_share: of the volume of all accounts; that of accounts in no segment is told in a warning. warnings come with the first row. 22023 for an unknown option or a value out of its limits, 55000 for an empty table, constant features or k above the number of distinct rows, 57014 on cancel.';

CREATE FUNCTION choose_k(
  segmentation text DEFAULT NULL, k_max integer DEFAULT 10, algorithm text DEFAULT 'kmeans', preparation jsonb DEFAULT NULL,
  as_of timestamptz DEFAULT NULL, lookback interval DEFAULT NULL, seed bigint DEFAULT 1, settings jsonb DEFAULT NULL,
  min_trades integer DEFAULT 1
) RETURNS TABLE(k integer, chosen boolean, silhouette_of_5000 float8, silhouette_error_of_5000 float8,
                simplified_silhouette_of_20000 float8, calinski_harabasz_of_20000 float8, davies_bouldin_of_20000 float8,
                inertia_of_20000 float8, bic_of_20000 float8, gap_of_2000 float8, gap_error_of_2000 float8,
                prediction_strength_of_2000 float8, weakest_jaccard_of_2000 float8, smallest_of_20000 bigint, guard_p_of_2000 float8, reason text)
  AS 'MODULE_PATHNAME', 'segmentation_choose_k' LANGUAGE c VOLATILE PARALLEL UNSAFE ROWS 10;
COMMENT ON FUNCTION choose_k(text, integer, text, jsonb, timestamptz, interval, bigint, jsonb, integer) IS
  'Every criterion for every number of segments from 1 to k_max, and the rule that fit_segmentation follows: which k it chooses and why, and why it passes others over. A column named ..._of_N is computed on at most N accounts, drawn from the seed: with fewer it is exact. The criteria disagree on most data; see docs/algorithms.md. guard_p_of_2000: how often rows without groups look as grouped. Stores nothing. Needs what fit_segmentation with activate => false needs: INSERT on <name>_segments, what segment_model needs, and SELECT on what it is made from. 22023 for an algorithm that finds k itself.';

CREATE FUNCTION segmentation_stability(segmentation text DEFAULT NULL, version integer DEFAULT NULL,
                                       resamples integer DEFAULT 100, seed bigint DEFAULT 1)
  RETURNS TABLE(segment_id integer, segment text, figure text, value float8, verdict text)
  AS 'MODULE_PATHNAME', 'segmentation_stability' LANGUAGE c VOLATILE PARALLEL UNSAFE ROWS 30;
COMMENT ON FUNCTION segmentation_stability(text, integer, integer, bigint) IS
  'How far a model (the active one by default) can be trusted, on the accounts as they are now. For each segment: jaccard_of_2000, the mean largest Jaccard similarity with a segment of a refit on a resample of at most 2,000 accounts, in Hennig''s words; dissolved_share, the resamples in which it is at most 0.5; confidence, the mean share of refits that put its accounts into the matching segment. For the whole model (segment NULL), by 5 folds: inertia of accounts left out over inertia of those fitted on (warn above 1.25, fail above 1.5), fall of the silhouette (warn above 0.05), agreement of labels with a refit (warn below 0.6), and the worst of the three as a verdict; guard, the p of the test whether these segments are more than chance. More accounts than maintenance_work_mem holds: a sample of them by the seed, which a NOTICE says. Stores nothing. Needs what compare_models needs.';

CREATE FUNCTION account_confidence(segmentation text DEFAULT NULL, version integer DEFAULT NULL,
                                   resamples integer DEFAULT 100, seed bigint DEFAULT 1)
  RETURNS TABLE(account text, segment_id integer, segment text, confidence float8)
  AS 'MODULE_PATHNAME', 'segmentation_account_confidence' LANGUAGE c VOLATILE PARALLEL UNSAFE ROWS 10000;
COMMENT ON FUNCTION account_confidence(text, integer, integer, bigint) IS
  'How sure each account''s segment is: the share of refits on resamples that put it into the segment matched with its own. NULL for noise. More accounts than maintenance_work_mem holds: only those of a sample by the seed, which a NOTICE says. Stores nothing. Needs what compare_models needs: what segment_model needs, and SELECT on the trade table (or the ready-made features) and on the mapped columns of the sources.';

CREATE FUNCTION segmentation.score(features float8[], model segmentation.model) RETURNS float8[]
  AS 'MODULE_PATHNAME', 'segmentation_score' LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 20;
COMMENT ON FUNCTION segmentation.score(float8[], segmentation.model) IS
  'Position of the segment in the model (from 1) and its id (NULL for noise), the distance, the margin (of k-means (d2 - d1) / d2; NULL with one segment), 1 where too many features are missing, and 1 for an outlier.';

CREATE FUNCTION segmentation.moved_price(price float8, earlier float8, later float8) RETURNS float8
  AS 'MODULE_PATHNAME', 'segmentation_moved_price' LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION segmentation.moved_price(float8, float8, float8) IS
  'A price as another one was moved: price × later / earlier. NULL where that is no finite number.';

CREATE FUNCTION segmentation.standardised_return(price float8, before float8, deviation float8, days float8) RETURNS float8
  AS 'MODULE_PATHNAME', 'segmentation_standardised_return' LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION segmentation.standardised_return(float8, float8, float8, float8) IS
  '(price / before - 1) / (deviation * sqrt(days)): a return over some days in units of its deviation, given that of one day. NULL where it is not finite.';
