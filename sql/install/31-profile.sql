-- Account profiles: the aggregates, their support functions, and what reads a profile.

CREATE FUNCTION segmentation.profile_add(internal, segmentation.trade) RETURNS internal
  AS 'MODULE_PATHNAME', 'segmentation_profile_add' LANGUAGE c IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION segmentation.rollup_add(internal, segmentation.account_profile) RETURNS internal
  AS 'MODULE_PATHNAME', 'segmentation_rollup_add' LANGUAGE c IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION segmentation.profile_combine(internal, internal) RETURNS internal
  AS 'MODULE_PATHNAME', 'segmentation_profile_combine' LANGUAGE c IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION segmentation.profile_serialize(internal) RETURNS bytea
  AS 'MODULE_PATHNAME', 'segmentation_profile_serialize' LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION segmentation.profile_deserialize(bytea, internal) RETURNS internal
  AS 'MODULE_PATHNAME', 'segmentation_profile_deserialize' LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION segmentation.profile_final(internal) RETURNS segmentation.account_profile
  AS 'MODULE_PATHNAME', 'segmentation_profile_final' LANGUAGE c IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION segmentation.profile_add(internal, segmentation.trade) IS 'Transition function of account_profile.';
COMMENT ON FUNCTION segmentation.rollup_add(internal, segmentation.account_profile) IS 'Transition function of rollup.';
COMMENT ON FUNCTION segmentation.profile_combine(internal, internal) IS 'Combine function of account_profile and rollup; correct for any partition of the rows.';
COMMENT ON FUNCTION segmentation.profile_serialize(internal) IS 'Serialize function of account_profile and rollup.';
COMMENT ON FUNCTION segmentation.profile_deserialize(bytea, internal) IS 'Deserialize function of account_profile and rollup.';
COMMENT ON FUNCTION segmentation.profile_final(internal) IS 'Final function of account_profile and rollup.';

CREATE AGGREGATE @extschema@.account_profile(segmentation.trade) (
  SFUNC = segmentation.profile_add,
  STYPE = internal,
  SSPACE = 1024,
  FINALFUNC = segmentation.profile_final,
  COMBINEFUNC = segmentation.profile_combine,
  SERIALFUNC = segmentation.profile_serialize,
  DESERIALFUNC = segmentation.profile_deserialize,
  PARALLEL = SAFE
);
COMMENT ON AGGREGATE account_profile(segmentation.trade) IS
  'Profile of the trades of one account. NULL trades are skipped; NULL over no trades, like sum. Trades with a negative quantity, a number that is NaN or infinite, without a finite time or beyond 1e20 USD are counted as rejected; a negative fee is a rebate, and notionals count by their size. Equal bytes for any order and any parallel plan.';

CREATE FUNCTION segmentation.profile_add_snapshot(internal, segmentation.account_snapshot) RETURNS internal
  AS 'MODULE_PATHNAME', 'segmentation_profile_add_snapshot' LANGUAGE c IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION segmentation.profile_add_snapshot(internal, segmentation.account_snapshot) IS 'Transition function of account_profile over snapshots.';

CREATE AGGREGATE @extschema@.account_profile(segmentation.account_snapshot) (
  SFUNC = segmentation.profile_add_snapshot,
  STYPE = internal,
  SSPACE = 2048,
  FINALFUNC = segmentation.profile_final,
  COMBINEFUNC = segmentation.profile_combine,
  SERIALFUNC = segmentation.profile_serialize,
  DESERIALFUNC = segmentation.profile_deserialize,
  PARALLEL = SAFE
);
COMMENT ON AGGREGATE account_profile(segmentation.account_snapshot) IS
  'Profile of the snapshots of one account; + joins it to the profile of its trades. NULL snapshots are skipped; NULL over none. Snapshots without a finite time, with a number that is NaN or infinite or an amount beyond its limit are counted as rejected. Equal bytes for any order and any parallel plan.';

CREATE AGGREGATE @extschema@.rollup(segmentation.account_profile) (
  SFUNC = segmentation.rollup_add,
  STYPE = internal,
  SSPACE = 2048,
  FINALFUNC = segmentation.profile_final,
  COMBINEFUNC = segmentation.profile_combine,
  SERIALFUNC = segmentation.profile_serialize,
  DESERIALFUNC = segmentation.profile_deserialize,
  PARALLEL = SAFE
);
COMMENT ON AGGREGATE rollup(segmentation.account_profile) IS
  'Profile of the trades of several profiles (days to months, sub-accounts to a master account). NULLs are skipped, NULL over no rows.';

CREATE FUNCTION segmentation.profile_final_events(internal) RETURNS segmentation.account_profile
  AS 'MODULE_PATHNAME', 'segmentation_profile_final_events' LANGUAGE c IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION segmentation.profile_final_events(internal) IS 'Final function of profile_events.';
CREATE AGGREGATE segmentation.profile_events(segmentation.trade) (
  SFUNC = segmentation.profile_add,
  STYPE = internal,
  SSPACE = 1024,
  FINALFUNC = segmentation.profile_final_events,
  COMBINEFUNC = segmentation.profile_combine,
  SERIALFUNC = segmentation.profile_serialize,
  DESERIALFUNC = segmentation.profile_deserialize,
  PARALLEL = SAFE
);
COMMENT ON AGGREGATE segmentation.profile_events(segmentation.trade) IS
  'As account_profile, but a profile of more trades than a sparse one holds keeps them one by one (6 to 60 bytes each), for carried_profile to put them in order after what was open before. Not for storing.';
CREATE AGGREGATE segmentation.profile_events(segmentation.account_profile) (
  SFUNC = segmentation.rollup_add,
  STYPE = internal,
  SSPACE = 2048,
  FINALFUNC = segmentation.profile_final_events,
  COMBINEFUNC = segmentation.profile_combine,
  SERIALFUNC = segmentation.profile_serialize,
  DESERIALFUNC = segmentation.profile_deserialize,
  PARALLEL = SAFE
);
COMMENT ON AGGREGATE segmentation.profile_events(segmentation.account_profile) IS
  'As rollup, but trades that are kept one by one in the profiles stay so. Not for storing.';

CREATE FUNCTION segmentation.profile_follow(segmentation.account_profile, segmentation.account_profile)
  RETURNS segmentation.account_profile
  AS 'MODULE_PATHNAME', 'segmentation_profile_follow' LANGUAGE c IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION segmentation.profile_follow(segmentation.account_profile, segmentation.account_profile) IS
  'The second profile, whose positions begin with what the first one leaves open: give it profile_events of its trades. Where the first one is without trades nothing is open; where it is NULL the second one keeps what it begins with. NULL for a NULL second one.';
CREATE FUNCTION segmentation.profile_carry(segmentation.account_profile, segmentation.account_profile)
  RETURNS segmentation.account_profile
  AS 'MODULE_PATHNAME', 'segmentation_profile_carry' LANGUAGE c IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION segmentation.profile_carry(segmentation.account_profile, segmentation.account_profile) IS 'Transition function of carried_profile.';
CREATE AGGREGATE segmentation.carried_profile(segmentation.account_profile) (
  SFUNC = segmentation.profile_carry,
  STYPE = segmentation.account_profile,
  PARALLEL = SAFE
);
COMMENT ON AGGREGATE segmentation.carried_profile(segmentation.account_profile) IS
  'As a window function over the days of an account, ORDER BY day: the profile of the day, whose positions begin with what the days before leave open. Give it profile_events of each day. On a day without trades it is the profile of the day before.';
CREATE FUNCTION segmentation.profile_is_sparse(segmentation.account_profile) RETURNS boolean
  AS 'MODULE_PATHNAME', 'segmentation_profile_is_sparse' LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION segmentation.profile_is_sparse(segmentation.account_profile) IS 'Whether the profile is stored as its fills, of which it then has 32 at most: such a day needs not be told what was open before it.';

CREATE FUNCTION segmentation.profile_plus(segmentation.account_profile, segmentation.account_profile)
  RETURNS segmentation.account_profile
  AS 'MODULE_PATHNAME', 'segmentation_profile_plus' LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION segmentation.profile_plus(segmentation.account_profile, segmentation.account_profile) IS
  'Profile of the trades of both. For more than two use rollup, which reads each of them once.';
CREATE OPERATOR @extschema@.+ (
  LEFTARG = segmentation.account_profile, RIGHTARG = segmentation.account_profile,
  FUNCTION = segmentation.profile_plus, COMMUTATOR = +
);
COMMENT ON OPERATOR + (segmentation.account_profile, segmentation.account_profile) IS 'Profile of the trades of both.';

CREATE FUNCTION segmentation.profile_minus(segmentation.account_profile, segmentation.account_profile)
  RETURNS segmentation.account_profile
  AS 'MODULE_PATHNAME', 'segmentation_profile_minus' LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION segmentation.profile_minus(segmentation.account_profile, segmentation.account_profile) IS
  'Profile of the trades of the first that are not in the second. Exact where both are sparse; a dense profile keeps its features of class G, the others are NULL with the reason subtracted. 22023 where the second is not part of the first.';
CREATE OPERATOR @extschema@.- (
  LEFTARG = segmentation.account_profile, RIGHTARG = segmentation.account_profile,
  FUNCTION = segmentation.profile_minus
);
COMMENT ON OPERATOR - (segmentation.account_profile, segmentation.account_profile) IS 'Profile of the trades of the first that are not in the second.';

CREATE FUNCTION feature(profile segmentation.account_profile, name text, as_of timestamptz DEFAULT NULL, market jsonb DEFAULT NULL)
  RETURNS float8
  AS 'MODULE_PATHNAME', 'segmentation_feature' LANGUAGE c IMMUTABLE PARALLEL SAFE COST 20;
COMMENT ON FUNCTION feature(segmentation.account_profile, text, timestamptz, jsonb) IS
  'Value of one feature. Trades and snapshots at or after as_of have no influence (NULL where they can no longer be told apart). market is what is known of the venue: {"venue_volume_usd": …, "top_underlyings": [keys of allocation() that are not grouped], "expected_return": …, "volatility": …, "risk_free": …}. NULL where an input is missing or a denominator is zero; features() says why. 42704 for an unknown name, 22023 for an unknown key of market.';

CREATE FUNCTION features(profile segmentation.account_profile, as_of timestamptz DEFAULT NULL, market jsonb DEFAULT NULL)
  RETURNS TABLE(feature text, value float8, unit text, reason text)
  AS 'MODULE_PATHNAME', 'segmentation_features' LANGUAGE c IMMUTABLE PARALLEL SAFE COST 100 ROWS 166;
COMMENT ON FUNCTION features(segmentation.account_profile, timestamptz, jsonb) IS
  'All features of a profile, with unit, and the reason where there is no value (missing:<input>, zero_volume, too_few_trades, too_few_days, no_trades, no_snapshots, no_options, no_perpetuals, no_greeks, no_spread, self_trades, overlap, open_position, subtracted, after_as_of, population, …: docs/features.md has them all). No rows for NULL.';

CREATE FUNCTION feature_vector(profile segmentation.account_profile, names text[], as_of timestamptz DEFAULT NULL,
                               market jsonb DEFAULT NULL)
  RETURNS float8[]
  AS 'MODULE_PATHNAME', 'segmentation_feature_vector' LANGUAGE c IMMUTABLE PARALLEL SAFE COST 20;
COMMENT ON FUNCTION feature_vector(segmentation.account_profile, text[], timestamptz, jsonb) IS
  'The named features in the order of the names, NULL elements where there is no value. 42704 for an unknown name.';

CREATE FUNCTION allocation(profile segmentation.account_profile, by text DEFAULT 'underlying')
  RETURNS TABLE(key bigint, volume_usd float8, share float8, grouped boolean)
  AS 'MODULE_PATHNAME', 'segmentation_allocation' LANGUAGE c IMMUTABLE PARALLEL SAFE COST 20 ROWS 5;
COMMENT ON FUNCTION allocation(segmentation.account_profile, text) IS
  'Volume of a profile by underlying, kind, venue or collateral (22023 for another word), the largest first. key is allocation_key of the name, of a kind spot, future, perpetual, option, leveraged_token or other; beyond 128 underlyings or 16 venues or collaterals, keys that share their leading bits are added together: grouped is then true, and key is that of no name. No rows for NULL and where it is not known.';

CREATE FUNCTION allocation_key(name text) RETURNS bigint
  AS 'MODULE_PATHNAME', 'segmentation_allocation_key' LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION allocation_key(text) IS 'The key under which a profile keeps a name: the leading 40 bits of its XXH3-64 hash.';

CREATE FUNCTION allocation_drift(earlier segmentation.account_profile, later segmentation.account_profile,
                                 by text DEFAULT 'underlying') RETURNS float8
  AS 'MODULE_PATHNAME', 'segmentation_allocation_drift' LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 20;
COMMENT ON FUNCTION allocation_drift(segmentation.account_profile, segmentation.account_profile, text) IS
  'Total variation between the volume shares of two profiles, Σ |w - w''| / 2: 0 the same allocation, 1 nothing in common. Where one of them is grouped (see allocation), both are compared by the groups of the coarser one: at most the true figure. NULL where one has no volume.';

CREATE FUNCTION trade_size_tdigest(profile segmentation.account_profile) RETURNS text
  AS 'MODULE_PATHNAME', 'segmentation_trade_size_tdigest' LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 20;
COMMENT ON FUNCTION trade_size_tdigest(segmentation.account_profile) IS
  'Sizes of a profile''s trades in USD as the text of a t-digest: cast to tdigest of the extension of that name, whose aggregates and percentiles then take it. Made of the sketch behind median_trade_usd, with its error. NULL where no trade has a size.';

CREATE FUNCTION rejected_trades(profile segmentation.account_profile) RETURNS bigint
  AS 'MODULE_PATHNAME', 'segmentation_profile_rejected' LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION rejected_trades(segmentation.account_profile) IS
  'How many trades and snapshots were not counted because the quantity was negative, a number NaN, infinite or beyond 1e20 USD, or the time not finite.';

CREATE FUNCTION segmentation.catalogue_of_features()
  RETURNS TABLE(feature text, feature_group text, unit text, class text, needs text[], transform text, in_fit boolean,
                label text, meaning text, at_least text, formula text, source text, absence text)
  AS 'MODULE_PATHNAME', 'segmentation_catalogue_of_features' LANGUAGE c IMMUTABLE PARALLEL SAFE ROWS 166;
COMMENT ON FUNCTION segmentation.catalogue_of_features() IS 'Rows of the view segmentation.features.';
