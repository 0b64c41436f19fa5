-- Staying current.

CREATE FUNCTION watch_segmentation(segmentation text DEFAULT NULL) RETURNS text
  AS 'MODULE_PATHNAME', 'segmentation_watch' LANGUAGE c VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION watch_segmentation(text) IS
  'From now on an INSERT or COPY into the trade table updates the profiles and segments of its accounts, in the same transaction. Needs a model (55000), TRIGGER on the trade table (42501) and an ordinary table (42809). Updates and deletes of trades are not followed: fit again.';

CREATE FUNCTION unwatch_segmentation(segmentation text DEFAULT NULL) RETURNS text
  AS 'MODULE_PATHNAME', 'segmentation_unwatch' LANGUAGE c VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION unwatch_segmentation(text) IS 'Undoes watch_segmentation. Where the trade table belongs to another role, the trigger is left and does nothing; the answer tells how to drop it.';

CREATE FUNCTION segment_trades() RETURNS trigger
  AS 'MODULE_PATHNAME', 'segmentation_segment_trades' LANGUAGE c VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION segment_trades() IS
  'Statement trigger that watch_segmentation creates; its argument is the segmentation''s name. Writes as the owner of the segmentation''s tables. A failure warns and marks the accounts as dirty; it does not fail the insert. Cancels, shutdowns and serialization failures are passed on, as they must be. Does nothing while the segmentation is not watched.';
