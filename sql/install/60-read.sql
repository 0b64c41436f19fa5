-- Reading. All of it works on a hot standby, in a read-only transaction and in a parallel worker.

CREATE FUNCTION segment_of(account anyelement, segmentation text DEFAULT NULL, as_of timestamptz DEFAULT NULL)
  RETURNS text
  AS 'MODULE_PATHNAME', 'segmentation_segment_of_any' LANGUAGE c STABLE PARALLEL SAFE COST 20;
CREATE FUNCTION segment_of(account text, segmentation text DEFAULT NULL, as_of timestamptz DEFAULT NULL)
  RETURNS text
  AS 'MODULE_PATHNAME', 'segmentation_segment_of_text' LANGUAGE c STABLE PARALLEL SAFE COST 20;
COMMENT ON FUNCTION segment_of(anyelement, text, timestamptz) IS
  'Name of the account''s segment; "new" for one with fewer trades than min_trades of the fit. NULL for a NULL or unknown account, for noise, and where too little is known. With as_of (a UTC midnight, else 22023): by the active model from the profiles before it. Needs SELECT on <name>_segments, with as_of on <name>_profiles. 55000 without a model.';
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

CREATE FUNCTION segment_margin(account anyelement, segmentation text DEFAULT NULL) RETURNS float8
  AS 'MODULE_PATHNAME', 'segmentation_segment_margin_any' LANGUAGE c STABLE PARALLEL SAFE COST 20;
CREATE FUNCTION segment_margin(account text, segmentation text DEFAULT NULL) RETURNS float8
  AS 'MODULE_PATHNAME', 'segmentation_segment_margin_text' LANGUAGE c STABLE PARALLEL SAFE COST 20;
COMMENT ON FUNCTION segment_margin(anyelement, text) IS
  'How clearly the account belongs to its segment: 0 on the border to the next one, 1 at the middle. Of k-means (d2 - d1) / d2 of the distances to the nearest two centroids. NULL for a NULL or unknown account, for one that is new or of which too little is known, and with one segment. Needs SELECT on <name>_segments.';
COMMENT ON FUNCTION segment_margin(text, text) IS 'The same for a literal or a text.';

CREATE FUNCTION segment_probabilities(account anyelement, segmentation text DEFAULT NULL, as_of timestamptz DEFAULT NULL)
  RETURNS TABLE(segment_id integer, segment text, probability float8)
  AS 'MODULE_PATHNAME', 'segmentation_segment_probabilities_any' LANGUAGE c STABLE PARALLEL SAFE ROWS 10;
CREATE FUNCTION segment_probabilities(account text, segmentation text DEFAULT NULL, as_of timestamptz DEFAULT NULL)
  RETURNS TABLE(segment_id integer, segment text, probability float8)
  AS 'MODULE_PATHNAME', 'segmentation_segment_probabilities_text' LANGUAGE c STABLE PARALLEL SAFE ROWS 10;
COMMENT ON FUNCTION segment_probabilities(anyelement, text, timestamptz) IS
  'Soft membership, the likeliest segment first: the posterior of a mixture; of k-means softmax(-d^2 / (2 tau^2)) with tau^2 the mean squared distance of the training accounts to their centroids. No row for a NULL or unknown account, nor for one that segment_of gives no segment because it is new or too little is known of it: segment_standing says what is lacking. as_of (a UTC midnight, else 22023) NULL: the instant that the account was scored at last (scored_as_of of <name>_segments), so that it is told of the segment that segment_of says. Needs what segment_model needs. 0A000 where the algorithm knows no probabilities.';
COMMENT ON FUNCTION segment_probabilities(text, text, timestamptz) IS 'The same for a literal or a text.';

CREATE FUNCTION explain_segment(account anyelement, segmentation text DEFAULT NULL, target text DEFAULT NULL,
                                as_of timestamptz DEFAULT NULL)
  RETURNS TABLE(segment text, other_segment text, feature text, unit text, value float8, typical float8,
                other_typical float8, contribution float8, lead float8, reading text)
  AS 'MODULE_PATHNAME', 'segmentation_explain_segment_any' LANGUAGE c STABLE PARALLEL SAFE ROWS 20;
CREATE FUNCTION explain_segment(account text, segmentation text DEFAULT NULL, target text DEFAULT NULL,
                                as_of timestamptz DEFAULT NULL)
  RETURNS TABLE(segment text, other_segment text, feature text, unit text, value float8, typical float8,
                other_typical float8, contribution float8, lead float8, reading text)
  AS 'MODULE_PATHNAME', 'segmentation_explain_segment_text' LANGUAGE c STABLE PARALLEL SAFE ROWS 20;
COMMENT ON FUNCTION explain_segment(anyelement, text, text, timestamptz) IS
  'Why the account is in its segment and not in another (the runner-up, or target: a name, or an id as text): for each feature its value, what is typical in both, and its contribution, positive where it speaks for the segment. Contributions sum to lead: of k-means the squared distance to the other centroid minus that to the own, in the prepared space; of a mixture the difference of the log densities. Largest contributions first. No row for a NULL or unknown account, nor for one that segment_of gives no segment because it is new or too little is known of it: segment_standing says what is lacking. Nor with one segment. as_of (a UTC midnight, else 22023) NULL: the instant that the account was scored at last (scored_as_of of <name>_segments), so that it is told of the segment that segment_of says. Needs what segment_model needs. 42704 no such target, 22023 the account''s own segment, 0A000 where the algorithm''s segments do not compare feature by feature.';
COMMENT ON FUNCTION explain_segment(text, text, text, timestamptz) IS 'The same for a literal or a text.';

CREATE FUNCTION counterfactual_segment(account anyelement, target text DEFAULT NULL, segmentation text DEFAULT NULL,
                                       as_of timestamptz DEFAULT NULL)
  RETURNS TABLE(feature text, unit text, value float8, needed float8, new_segment text, size float8, reading text)
  AS 'MODULE_PATHNAME', 'segmentation_counterfactual_segment_any' LANGUAGE c STABLE PARALLEL SAFE ROWS 20;
CREATE FUNCTION counterfactual_segment(account text, target text DEFAULT NULL, segmentation text DEFAULT NULL,
                                       as_of timestamptz DEFAULT NULL)
  RETURNS TABLE(feature text, unit text, value float8, needed float8, new_segment text, size float8, reading text)
  AS 'MODULE_PATHNAME', 'segmentation_counterfactual_segment_text' LANGUAGE c STABLE PARALLEL SAFE ROWS 20;
COMMENT ON FUNCTION counterfactual_segment(anyelement, text, text, timestamptz) IS
  'For each feature the smallest change of it alone that puts the account into another segment (or into target: a name, or an id as text), in original units and within the winsorising bounds, smallest first; size is its length in the prepared space before rotation. needed and new_segment are NULL where no value of the feature alone is enough, needed also for categories, which reading tells. No row for a NULL or unknown account, nor for one that segment_of gives no segment because it is new or too little is known of it: segment_standing says what is lacking. Errors and rights as explain_segment.';
COMMENT ON FUNCTION counterfactual_segment(text, text, text, timestamptz) IS 'The same for a literal or a text.';

CREATE FUNCTION segment_standing(account anyelement, segmentation text DEFAULT NULL, as_of timestamptz DEFAULT NULL)
  RETURNS TABLE(standing text, trades bigint, trades_needed bigint, missing integer, allowed integer, lacks text[])
  AS 'MODULE_PATHNAME', 'segmentation_segment_standing_any' LANGUAGE c STABLE PARALLEL SAFE ROWS 1;
CREATE FUNCTION segment_standing(account text, segmentation text DEFAULT NULL, as_of timestamptz DEFAULT NULL)
  RETURNS TABLE(standing text, trades bigint, trades_needed bigint, missing integer, allowed integer, lacks text[])
  AS 'MODULE_PATHNAME', 'segmentation_segment_standing_text' LANGUAGE c STABLE PARALLEL SAFE ROWS 1;
COMMENT ON FUNCTION segment_standing(anyelement, text, timestamptz) IS
  'Whether the account gets a segment, and what is lacking where it does not: assigned, new (fewer trades than min_trades of the fit), insufficient (more features missing than the 40 % allowed) or noise. trades_needed: the fewest further trades that may change it, NULL where trades do not. lacks: the features that are not known, with the observations they take. No row for a NULL or unknown account. as_of (a UTC midnight, else 22023) NULL: the instant that the account was scored at last (scored_as_of of <name>_segments), so that it is told of the segment that segment_of says. Needs what segment_model needs.';
COMMENT ON FUNCTION segment_standing(text, text, timestamptz) IS 'The same for a literal or a text.';

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
  'Segment of a profile at an instant; "new" for one with fewer trades than min_trades of the fit. NULL for a NULL profile or model, for noise, and where too little is known.';
COMMENT ON FUNCTION assign_segment(float8[], text) IS 'Segment of a feature vector by the active model of a segmentation.';
COMMENT ON FUNCTION assign_segment(jsonb, text) IS 'Segment of features given by name, by the active model of a segmentation.';

CREATE FUNCTION segment_profiles(segmentation text DEFAULT NULL, version integer DEFAULT NULL)
  RETURNS TABLE(segment_id integer, segment text, accounts bigint, share float8, volume_share float8, feature text,
                unit text, q25 float8, median float8, q75 float8, z float8, lift float8, effect float8,
                p_adjusted float8)
  AS 'MODULE_PATHNAME', 'segmentation_segment_profiles' LANGUAGE c STABLE PARALLEL SAFE ROWS 100;
COMMENT ON FUNCTION segment_profiles(text, integer) IS
  'What is typical of each segment, in original units: quartiles of each feature, z = (median - median of all) / (1.4826 MAD of all), lift = mean / mean of all. NULL where a figure is not defined. effect: Cliff''s delta of the segment against all other accounts, the chance that an account here has more minus the chance that it has less, -1 to 1. p_adjusted: of the Mann-Whitney test of the same, after Benjamini and Hochberg over all segments and features of the model. A NOTICE where the guard says that the segments may be chance.';

CREATE FUNCTION segment_rules(segmentation text DEFAULT NULL, version integer DEFAULT NULL)
  RETURNS TABLE(segment_id integer, segment text, rule text, precision_held_out float8, coverage_held_out float8,
                fidelity float8, verdict text)
  AS 'MODULE_PATHNAME', 'segmentation_segment_rules' LANGUAGE c STABLE PARALLEL SAFE ROWS 8;
COMMENT ON FUNCTION segment_rules(text, integer) IS
  'The segments in a tree of at most three questions over raw features (CART, Gini), grown on two thirds of the accounts. On the held-out third: fidelity, the share of accounts for which the rules say what the model says (below 0.85: low fidelity); precision, of the accounts the rules put into the segment the share that is in it; coverage, of the accounts of the segment the share that the rules find. No row with one segment. A NOTICE where the guard says that the segments may be chance. Needs what segment_model needs.';

CREATE FUNCTION segment_rules_sql(segmentation text DEFAULT NULL, version integer DEFAULT NULL) RETURNS text
  AS 'MODULE_PATHNAME', 'segmentation_segment_rules_sql' LANGUAGE c STABLE PARALLEL SAFE;
COMMENT ON FUNCTION segment_rules_sql(text, integer) IS
  'The same rules as one SQL CASE expression over columns named as the features (of a category, over its own column: ''tier'', not ''tier=gold''), which any PostgreSQL runs without this extension. NULL, NaN and infinities are missing. NULL with one segment.';

CREATE FUNCTION adjusted_rand_index(text[], text[]) RETURNS float8
  AS 'MODULE_PATHNAME', 'segmentation_adjusted_rand_index' LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 1000;
COMMENT ON FUNCTION adjusted_rand_index(text[], text[]) IS
  'Agreement of two labellings of the same rows: 1 equal, 0 as by chance (Hubert and Arabie 1985). NULL elements are a label of their own. 22023 where the lengths differ, NULL for empty arrays.';

CREATE FUNCTION adjusted_mutual_information(text[], text[]) RETURNS float8
  AS 'MODULE_PATHNAME', 'segmentation_adjusted_mutual_information' LANGUAGE c IMMUTABLE STRICT PARALLEL RESTRICTED COST 5000;
COMMENT ON FUNCTION adjusted_mutual_information(text[], text[]) IS
  'Agreement of two labellings of the same rows by what one tells of the other: 1 equal, 0 as by chance (Vinh, Epps and Bailey 2010; arithmetic mean of the entropies, as scikit-learn). NULL elements are a label of their own. 22023 where the lengths differ, NULL for empty arrays.';

CREATE FUNCTION variation_of_information(text[], text[]) RETURNS float8
  AS 'MODULE_PATHNAME', 'segmentation_variation_of_information' LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 1000;
COMMENT ON FUNCTION variation_of_information(text[], text[]) IS
  'Distance of two labellings of the same rows in nats: H(a) + H(b) - 2 I(a; b), 0 where equal (Meila 2007). NULL elements are a label of their own. 22023 where the lengths differ, NULL for empty arrays.';
