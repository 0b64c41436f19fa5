-- Reading. All of it works on a hot standby, in a read-only transaction and in a parallel worker.

CREATE FUNCTION segment_of(account anyelement, segmentation text DEFAULT NULL, as_of timestamptz DEFAULT NULL)
  RETURNS text
  AS 'MODULE_PATHNAME', 'segmentation_segment_of_any' LANGUAGE c STABLE PARALLEL SAFE COST 20;
CREATE FUNCTION segment_of(account text, segmentation text DEFAULT NULL, as_of timestamptz DEFAULT NULL)
  RETURNS text
  AS 'MODULE_PATHNAME', 'segmentation_segment_of_text' LANGUAGE c STABLE PARALLEL SAFE COST 20;
COMMENT ON FUNCTION segment_of(anyelement, text, timestamptz) IS
  'Name of the account''s segment. NULL for a NULL or unknown account. With as_of (a UTC midnight): by the active model from the profiles before it. Needs SELECT on <name>_segments, with as_of on <name>_profiles. 55000 without a model.';
COMMENT ON FUNCTION segment_of(text, text, timestamptz) IS
  'The same for a literal or a text: converted by the key type''s input function.';

CREATE FUNCTION segment_id_of(account anyelement, segmentation text DEFAULT NULL, as_of timestamptz DEFAULT NULL)
  RETURNS integer
  AS 'MODULE_PATHNAME', 'segmentation_segment_id_of_any' LANGUAGE c STABLE PARALLEL SAFE COST 20;
CREATE FUNCTION segment_id_of(account text, segmentation text DEFAULT NULL, as_of timestamptz DEFAULT NULL)
  RETURNS integer
  AS 'MODULE_PATHNAME', 'segmentation_segment_id_of_text' LANGUAGE c STABLE PARALLEL SAFE COST 20;
COMMENT ON FUNCTION segment_id_of(anyelement, text, timestamptz) IS 'Like segment_of, answering the segment''s id, which is never used again for another segment.';
COMMENT ON FUNCTION segment_id_of(text, text, timestamptz) IS 'Like segment_of for a text, answering the segment''s id.';

CREATE FUNCTION segment_model(segmentation text DEFAULT NULL, version integer DEFAULT NULL) RETURNS segmentation.model
  AS 'MODULE_PATHNAME', 'segmentation_segment_model' LANGUAGE c STABLE PARALLEL SAFE COST 100;
COMMENT ON FUNCTION segment_model(text, integer) IS
  'A model as a value; the active one where no version is given. Only for those who may read the segmentation''s tables (42501). 42704 no such version.';

CREATE FUNCTION assign_segment(features float8[], model segmentation.model) RETURNS text
  AS 'MODULE_PATHNAME', 'segmentation_assign_vector' LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 20;
CREATE FUNCTION assign_segment(features jsonb, model segmentation.model) RETURNS text
  AS 'MODULE_PATHNAME', 'segmentation_assign_jsonb' LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 50;
CREATE FUNCTION assign_segment(profile segmentation.account_profile, model segmentation.model, as_of timestamptz)
  RETURNS text
  AS 'MODULE_PATHNAME', 'segmentation_assign_profile' LANGUAGE c IMMUTABLE PARALLEL SAFE COST 50;
CREATE FUNCTION assign_segment(features float8[], segmentation text) RETURNS text
  AS 'MODULE_PATHNAME', 'segmentation_assign_vector_by_name' LANGUAGE c STABLE STRICT PARALLEL SAFE COST 20;
CREATE FUNCTION assign_segment(features jsonb, segmentation text) RETURNS text
  AS 'MODULE_PATHNAME', 'segmentation_assign_jsonb_by_name' LANGUAGE c STABLE STRICT PARALLEL SAFE COST 50;
COMMENT ON FUNCTION assign_segment(float8[], segmentation.model) IS
  'Segment of a feature vector in the model''s order of features; NULL elements, NaN and infinities are missing. NULL where more than 40 % are missing. 22023 for a wrong length.';
COMMENT ON FUNCTION assign_segment(jsonb, segmentation.model) IS
  'Segment of features given by name; a name left out or null is missing. 22023 for an unknown name or a value that is no number.';
COMMENT ON FUNCTION assign_segment(segmentation.account_profile, segmentation.model, timestamptz) IS
  'Segment of a profile at an instant. NULL for a NULL profile or model.';
COMMENT ON FUNCTION assign_segment(float8[], text) IS 'Segment of a feature vector by the active model of a segmentation.';
COMMENT ON FUNCTION assign_segment(jsonb, text) IS 'Segment of features given by name, by the active model of a segmentation.';

CREATE FUNCTION segment_profiles(segmentation text DEFAULT NULL, version integer DEFAULT NULL)
  RETURNS TABLE(segment_id integer, segment text, accounts bigint, share float8, volume_share float8, feature text,
                unit text, q25 float8, median float8, q75 float8, z float8, lift float8)
  AS 'MODULE_PATHNAME', 'segmentation_segment_profiles' LANGUAGE c STABLE PARALLEL SAFE ROWS 100;
COMMENT ON FUNCTION segment_profiles(text, integer) IS
  'What is typical of each segment, in original units: quartiles of each feature, z = (median - median of all) / (1.4826 MAD of all), lift = mean / mean of all. NULL where a figure is not defined.';

CREATE FUNCTION adjusted_rand_index(text[], text[]) RETURNS float8
  AS 'MODULE_PATHNAME', 'segmentation_adjusted_rand_index' LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 1000;
COMMENT ON FUNCTION adjusted_rand_index(text[], text[]) IS
  'Agreement of two labellings of the same rows: 1 equal, 0 as by chance (Hubert and Arabie 1985). NULL elements are a label of their own. 22023 where the lengths differ, NULL for empty arrays.';
