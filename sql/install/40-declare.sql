-- Declaring a segmentation.

CREATE FUNCTION create_segmentation(
  name text, trades regclass DEFAULT NULL, features regclass DEFAULT NULL, account text DEFAULT NULL,
  columns jsonb DEFAULT NULL, lookback interval DEFAULT NULL, sources jsonb DEFAULT NULL,
  use_features text[] DEFAULT NULL
) RETURNS TABLE(item text, object text, status text, source text, detail text)
  AS 'MODULE_PATHNAME', 'segmentation_create' LANGUAGE c VOLATILE PARALLEL UNSAFE ROWS 250;
COMMENT ON FUNCTION create_segmentation(text, regclass, regclass, text, jsonb, interval, jsonb, text[]) IS
  'Declares a segmentation over a trade table, or over a table of ready-made features, and makes its tables <name>_profiles and <name>_segments. Of ready-made features it takes numbers, booleans and enums, or those that columns => ''["volume", "tier"]'' names, texts too; a text or enum is a category: one feature for each of its 20 most frequent values. Finds columns by name and type; columns => ''{"account": "trader"}'' overrides, ''{"side": null}'' leaves an input out (a side that is not buy or sell fails a fit). sources names relations beside the trades: instruments, leveraged_tokens, prices, quotes, snapshots, attributes, masters, each as a name or as an object {"relation", "columns", ...}; quotes are read by fits, not by inserts into a watched table. use_features: what a fit uses instead of the default features. Returns what it mapped, and each feature with the reason where it is not available. 42710 name taken, 42703 no such column, 42702 ambiguous, 42804 wrong type, 42P01 no such relation, 42P07 table exists, 42622 name too long, 42809 not a table or view, 42501 without SELECT on the columns, 42704 no such feature, 22023 unknown input, source or key, feature not available, or lookback below a day.';

CREATE FUNCTION describe_segmentation(segmentation text DEFAULT NULL)
  RETURNS TABLE(item text, object text, status text, source text, detail text)
  AS 'MODULE_PATHNAME', 'segmentation_describe' LANGUAGE c STABLE PARALLEL SAFE ROWS 250;
COMMENT ON FUNCTION describe_segmentation(text) IS
  'Mapping, sources, features, tables with their size, and the active model of a segmentation: its version, and for those who may read it the number of segments with the reason, and whether they are more than chance (the guard''s p). What was mapped and is not there any more has the status not found. 42704 unknown, 55000 none.';

CREATE FUNCTION drop_segmentation(segmentation text) RETURNS void
  AS 'MODULE_PATHNAME', 'segmentation_drop' LANGUAGE c VOLATILE PARALLEL UNSAFE STRICT;
COMMENT ON FUNCTION drop_segmentation(text) IS
  'Drops a segmentation with its models, its tables and its trigger. 2BP01 where a view depends on its tables. Only its owner may. A trigger on a trade table of another owner is left, and a NOTICE tells how to drop it.';
