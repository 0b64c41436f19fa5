-- account_snapshot(...): equity, margin and exposure of an account at a time, as a value.

CREATE FUNCTION account_snapshot(
  taken_at timestamptz,
  equity_usd float8,
  flow_usd float8 DEFAULT NULL,
  initial_margin_usd float8 DEFAULT NULL,
  maintenance_margin_usd float8 DEFAULT NULL,
  gross_notional_usd float8 DEFAULT NULL,
  delta_usd float8 DEFAULT NULL,
  gross_delta_usd float8 DEFAULT NULL,
  net_delta_usd float8 DEFAULT NULL,
  liquidation_distance float8 DEFAULT NULL,
  funding_usd float8 DEFAULT NULL,
  market_return float8 DEFAULT NULL,
  second_market_return float8 DEFAULT NULL
) RETURNS segmentation.account_snapshot
  AS 'MODULE_PATHNAME', 'segmentation_account_snapshot' LANGUAGE c IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION account_snapshot(timestamptz, float8, float8, float8, float8, float8, float8, float8, float8, float8, float8, float8, float8) IS
  'One snapshot as a value; unknown inputs are NULL. flow_usd: deposits less withdrawals since the snapshot before; delta_usd: Σ over underlyings of |net delta|; gross_delta_usd: Σ over positions of |delta|; net_delta_usd: signed sum; gross_notional_usd: Σ |N|; liquidation_distance: smallest |price - liquidation price| / price; funding_usd: paid since the snapshot before; market_return and second_market_return: return of the market (BTC, ETH) over the snapshot''s UTC day. Nothing is checked here that account_profile would rather count as rejected.';
