-- The life of a model: candidate, active, retired, rejected. Each change is an event in segmentation.events.

CREATE FUNCTION activate_model(segmentation text, version integer, force boolean DEFAULT false, reason text DEFAULT NULL)
  RETURNS integer
  AS 'MODULE_PATHNAME', 'segmentation_activate_model' LANGUAGE c VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION activate_model(text, integer, boolean, text) IS
  'Makes a candidate or retired version the active one: scores all accounts as they are now, gives them its segments with the ids and names they have, and retires the version before it, in one transaction. Answers the version. Takes INSERT, UPDATE and DELETE on the segmentation''s tables. 42704 no such version, 55000 where it is active already, was rejected, or fewer of the common accounts than min_overlap would keep their segment: then force => true takes a reason (22023 without).';

CREATE FUNCTION rollback_model(segmentation text, reason text DEFAULT NULL) RETURNS integer
  AS 'MODULE_PATHNAME', 'segmentation_rollback_model' LANGUAGE c VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION rollback_model(text, text) IS
  'Makes the version active again that was active before the active one, whatever the overlap, and answers its number. Called again, it goes one further back; rejected versions are passed over. 55000 where there is none.';

CREATE FUNCTION reject_model(segmentation text, version integer, reason text) RETURNS void
  AS 'MODULE_PATHNAME', 'segmentation_reject_model' LANGUAGE c VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION reject_model(text, integer, text) IS
  'Rejects a candidate or retired version for good: it can still be read, never activated. 22023 without a reason, 55000 for the active version or one that is rejected already.';

CREATE FUNCTION rename_segment(segmentation text, segment_id integer, name text, reason text DEFAULT NULL) RETURNS void
  AS 'MODULE_PATHNAME', 'segmentation_rename_segment' LANGUAGE c VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION rename_segment(text, integer, text, text) IS
  'Gives a segment a name, in all versions that have it and in those that will: refits keep it with the id. 42704 no such segment, 42710 where a version has another segment of that name, 22023 for an empty name, one of more than 200 characters, and "new".';

CREATE FUNCTION alter_segmentation(segmentation text, min_overlap float8 DEFAULT NULL, reason text DEFAULT NULL) RETURNS void
  AS 'MODULE_PATHNAME', 'segmentation_alter' LANGUAGE c VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION alter_segmentation(text, float8, text) IS
  'Changes what is not NULL. min_overlap, from 0 to 1: below this share of common accounts that keep their segment, a model is activated only with force. Only its owner may (42501).';

CREATE FUNCTION compare_models(segmentation text, a integer, b integer)
  RETURNS TABLE(segment_id_a integer, segment_a text, segment_id_b integer, segment_b text, moves boolean,
                accounts bigint, volume_usd float8, share float8)
  AS 'MODULE_PATHNAME', 'segmentation_compare_models' LANGUAGE c VOLATILE PARALLEL UNSAFE ROWS 50;
COMMENT ON FUNCTION compare_models(text, integer, integer) IS
  'Scores all accounts as they are now by two versions and counts them by both segments; share is of all accounts. moves: the ids differ. Where an account is in no segment, the id is NULL and the name says why: new, noise, insufficient_data, or NULL where it has no trades in that version''s look-back. volume_usd is that of the look-back of a (of b where a has none); NULL for ready-made features. Writes temporary tables only.';

CREATE FUNCTION moved_accounts(segmentation text, a integer, b integer)
  RETURNS TABLE(account text, segment_id_a integer, segment_a text, segment_id_b integer, segment_b text, volume_usd float8)
  AS 'MODULE_PATHNAME', 'segmentation_moved_accounts' LANGUAGE c VOLATILE PARALLEL UNSAFE ROWS 1000;
COMMENT ON FUNCTION moved_accounts(text, integer, integer) IS
  'The accounts behind the rows of compare_models that move, in the order of their keys.';

CREATE FUNCTION segment_changes(segmentation text, a integer, b integer)
  RETURNS TABLE(change text, segments_a integer[], segments_b integer[], accounts bigint, jaccard float8)
  AS 'MODULE_PATHNAME', 'segmentation_segment_changes' LANGUAGE c VOLATILE PARALLEL UNSAFE ROWS 20;
COMMENT ON FUNCTION segment_changes(text, integer, integer) IS
  'What became of the segments of version a in version b, by the accounts that both put into a segment now: kept, split, merged, dissolved, new. accounts: that both sides share. jaccard: accounts in both over accounts in either. What a fit found when it was made is in segmentation.segment_changes.';

CREATE FUNCTION export_model(segmentation text, version integer DEFAULT NULL, min_accounts integer DEFAULT 20,
                             mask boolean DEFAULT false) RETURNS jsonb
  AS 'MODULE_PATHNAME', 'segmentation_export_model' LANGUAGE c STABLE PARALLEL SAFE COST 100;
COMMENT ON FUNCTION export_model(text, integer, integer, boolean) IS
  'A model as JSON, with exact numbers, for import_model; the active one where no version is given. 42501 where it tells of fewer than min_accounts accounts: a smaller segment, noise or rule, winsorising bounds or the reach of a segment that fewer lie beyond, quantiles of features scaled by rank, a feature or category that fewer of a group have, a feature of which most of a group have one value, the rows that dbscan and hdbscan keep, trimmed centres. With mask it is a summary then: sizes, quartiles and means of at least min_accounts accounts with three digits, for reading, not for import_model. min_accounts => 1 exports it all. 54000 where the export has more than the 32 MB that import_model reads.';

CREATE FUNCTION import_model(segmentation text, model jsonb, reason text DEFAULT NULL) RETURNS integer
  AS 'MODULE_PATHNAME', 'segmentation_import_model' LANGUAGE c VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION import_model(text, jsonb, text) IS
  'Stores what export_model gave as a new candidate and answers its version. Its segments get new ids, unless the segmentation has a model of the same content: then that one''s. 22023 for anything that is not such an export, above 32 MB, masked, or with features that the segmentation does not have or that need an input which none of its columns gives. Needs what fit_segmentation with activate => false needs.';

CREATE FUNCTION reproduce_model(segmentation text, version integer DEFAULT NULL)
  RETURNS TABLE("check" text, expected text, found text, equal boolean)
  AS 'MODULE_PATHNAME', 'segmentation_reproduce_model' LANGUAGE c VOLATILE PARALLEL UNSAFE ROWS 20;
COMMENT ON FUNCTION reproduce_model(text, integer) IS
  'Fits a version again from what is stored with it (as_of, look-back, features, seed, parameters) and compares: the extension''s version, the rows and their hash, the features, the market, the segments, and the hash of the whole model without ids, names and warnings. Stores nothing. Writes temporary tables only. A sample is drawn as it was, whatever maintenance_work_mem is now; 54000 where that does not hold its rows.';
