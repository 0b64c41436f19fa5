-- Fitting.

CREATE FUNCTION fit_segmentation(
  segmentation text DEFAULT NULL, k integer DEFAULT NULL, k_max integer DEFAULT 10, algorithm text DEFAULT 'kmeans',
  preparation jsonb DEFAULT NULL, as_of timestamptz DEFAULT NULL, lookback interval DEFAULT NULL,
  seed bigint DEFAULT 1, activate boolean DEFAULT true
) RETURNS TABLE(segment_id integer, segment text, accounts bigint, share float8, volume_share float8, description text,
                warnings text[])
  AS 'MODULE_PATHNAME', 'segmentation_fit' LANGUAGE c VOLATILE PARALLEL UNSAFE ROWS 10;
COMMENT ON FUNCTION fit_segmentation(text, integer, integer, text, jsonb, timestamptz, interval, bigint, boolean) IS
  'Fits a model, stores it as a new version and, unless activate is false, assigns all accounts; without, nothing but the model is written. k NULL: chosen by silhouette over 2 to k_max, and 1 where there is no structure. as_of NULL: end of the UTC day of the last trade whose day is not after today. Same rows and seed give the same model. warnings come with the first row. 22023 for an unknown option or a value out of its limits, 55000 for an empty table, constant features or k above the number of distinct rows, 57014 on cancel.';

CREATE FUNCTION segmentation.score(features float8[], model segmentation.model) RETURNS float8[]
  AS 'MODULE_PATHNAME', 'segmentation_score' LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 20;
COMMENT ON FUNCTION segmentation.score(float8[], segmentation.model) IS
  'Position of the nearest segment in the model (from 1), its id, the distance, the margin (d2 - d1) / d2 (NULL with one segment), and 1 where too many features are missing.';
