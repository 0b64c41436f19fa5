-- Our value types. Varlena, versioned, exact in text and in binary; made by functions, not typed by hand.

CREATE TYPE segmentation.trade;
CREATE FUNCTION segmentation.trade_in(cstring) RETURNS segmentation.trade
  AS 'MODULE_PATHNAME', 'segmentation_trade_in' LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION segmentation.trade_out(segmentation.trade) RETURNS cstring
  AS 'MODULE_PATHNAME', 'segmentation_trade_out' LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION segmentation.trade_recv(internal) RETURNS segmentation.trade
  AS 'MODULE_PATHNAME', 'segmentation_trade_recv' LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION segmentation.trade_send(segmentation.trade) RETURNS bytea
  AS 'MODULE_PATHNAME', 'segmentation_trade_send' LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE;
CREATE TYPE segmentation.trade (
  INPUT = segmentation.trade_in, OUTPUT = segmentation.trade_out,
  RECEIVE = segmentation.trade_recv, SEND = segmentation.trade_send,
  INTERNALLENGTH = VARIABLE, ALIGNMENT = int4, STORAGE = extended
);
COMMENT ON TYPE segmentation.trade IS 'One fill of one account, as trade(...) makes it. Version byte first; text form is \x and hexadecimal digits.';
COMMENT ON FUNCTION segmentation.trade_in(cstring) IS 'Input function of segmentation.trade; 22P02, 22P03 or XX001 for anything it did not print itself.';
COMMENT ON FUNCTION segmentation.trade_out(segmentation.trade) IS 'Output function of segmentation.trade; exact.';
COMMENT ON FUNCTION segmentation.trade_recv(internal) IS 'Binary input function of segmentation.trade; checks every length.';
COMMENT ON FUNCTION segmentation.trade_send(segmentation.trade) IS 'Binary output function of segmentation.trade; its bytes.';

CREATE TYPE segmentation.account_snapshot;
CREATE FUNCTION segmentation.account_snapshot_in(cstring) RETURNS segmentation.account_snapshot
  AS 'MODULE_PATHNAME', 'segmentation_snapshot_in' LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION segmentation.account_snapshot_out(segmentation.account_snapshot) RETURNS cstring
  AS 'MODULE_PATHNAME', 'segmentation_snapshot_out' LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION segmentation.account_snapshot_recv(internal) RETURNS segmentation.account_snapshot
  AS 'MODULE_PATHNAME', 'segmentation_snapshot_recv' LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION segmentation.account_snapshot_send(segmentation.account_snapshot) RETURNS bytea
  AS 'MODULE_PATHNAME', 'segmentation_snapshot_send' LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE;
CREATE TYPE segmentation.account_snapshot (
  INPUT = segmentation.account_snapshot_in, OUTPUT = segmentation.account_snapshot_out,
  RECEIVE = segmentation.account_snapshot_recv, SEND = segmentation.account_snapshot_send,
  INTERNALLENGTH = VARIABLE, ALIGNMENT = int4, STORAGE = extended
);
COMMENT ON TYPE segmentation.account_snapshot IS 'Equity, margin and exposure of one account at one time, as account_snapshot(...) makes it. Version byte first; text form is \x and hexadecimal digits.';
COMMENT ON FUNCTION segmentation.account_snapshot_in(cstring) IS 'Input function of segmentation.account_snapshot; 22P02, 22P03 or XX001 for anything it did not print itself.';
COMMENT ON FUNCTION segmentation.account_snapshot_out(segmentation.account_snapshot) IS 'Output function of segmentation.account_snapshot; exact.';
COMMENT ON FUNCTION segmentation.account_snapshot_recv(internal) IS 'Binary input function of segmentation.account_snapshot; checks every length.';
COMMENT ON FUNCTION segmentation.account_snapshot_send(segmentation.account_snapshot) IS 'Binary output function of segmentation.account_snapshot; its bytes.';

CREATE TYPE segmentation.account_profile;
CREATE FUNCTION segmentation.account_profile_in(cstring) RETURNS segmentation.account_profile
  AS 'MODULE_PATHNAME', 'segmentation_profile_in' LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION segmentation.account_profile_out(segmentation.account_profile) RETURNS cstring
  AS 'MODULE_PATHNAME', 'segmentation_profile_out' LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION segmentation.account_profile_recv(internal) RETURNS segmentation.account_profile
  AS 'MODULE_PATHNAME', 'segmentation_profile_recv' LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION segmentation.account_profile_send(segmentation.account_profile) RETURNS bytea
  AS 'MODULE_PATHNAME', 'segmentation_profile_send' LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE;
CREATE TYPE segmentation.account_profile (
  INPUT = segmentation.account_profile_in, OUTPUT = segmentation.account_profile_out,
  RECEIVE = segmentation.account_profile_recv, SEND = segmentation.account_profile_send,
  INTERNALLENGTH = VARIABLE, ALIGNMENT = int4, STORAGE = extended
);
COMMENT ON TYPE segmentation.account_profile IS 'Mergeable summary of an account''s trades. Version byte first; equal sets of trades give equal bytes. Text form is \x and hexadecimal digits.';
COMMENT ON FUNCTION segmentation.account_profile_in(cstring) IS 'Input function of segmentation.account_profile; 22P02, 22P03 or XX001 for anything it did not print itself.';
COMMENT ON FUNCTION segmentation.account_profile_out(segmentation.account_profile) IS 'Output function of segmentation.account_profile; exact.';
COMMENT ON FUNCTION segmentation.account_profile_recv(internal) IS 'Binary input function of segmentation.account_profile; checks every length.';
COMMENT ON FUNCTION segmentation.account_profile_send(segmentation.account_profile) IS 'Binary output function of segmentation.account_profile; its bytes.';

CREATE TYPE segmentation.model;
CREATE FUNCTION segmentation.model_in(cstring) RETURNS segmentation.model
  AS 'MODULE_PATHNAME', 'segmentation_model_in' LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION segmentation.model_out(segmentation.model) RETURNS cstring
  AS 'MODULE_PATHNAME', 'segmentation_model_out' LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION segmentation.model_recv(internal) RETURNS segmentation.model
  AS 'MODULE_PATHNAME', 'segmentation_model_recv' LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION segmentation.model_send(segmentation.model) RETURNS bytea
  AS 'MODULE_PATHNAME', 'segmentation_model_send' LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE;
CREATE TYPE segmentation.model (
  INPUT = segmentation.model_in, OUTPUT = segmentation.model_out,
  RECEIVE = segmentation.model_recv, SEND = segmentation.model_send,
  INTERNALLENGTH = VARIABLE, ALIGNMENT = int4, STORAGE = extended
);
COMMENT ON TYPE segmentation.model IS 'One immutable fit: preparation, centroids, segments, training statistics, provenance. Its text form is JSON with exact floats.';
COMMENT ON FUNCTION segmentation.model_in(cstring) IS 'Input function of segmentation.model; 22P02, 22P03 or XX001 for anything it did not print itself.';
COMMENT ON FUNCTION segmentation.model_out(segmentation.model) IS 'Output function of segmentation.model; exact.';
COMMENT ON FUNCTION segmentation.model_recv(internal) IS 'Binary input function of segmentation.model; checks every length.';
COMMENT ON FUNCTION segmentation.model_send(segmentation.model) IS 'Binary output function of segmentation.model; its bytes.';
