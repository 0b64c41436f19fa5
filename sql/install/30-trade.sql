-- trade(...): one fill as a value. Two overloads that differ in the type of the five amounts; a call with columns of
-- both types resolves to the float8 one. The signature is fixed: views that users made hold it.

CREATE FUNCTION trade(
  executed_at timestamptz,
  quantity float8,
  price float8,
  side text DEFAULT NULL,
  instrument text DEFAULT NULL,
  notional_usd float8 DEFAULT NULL,
  quote_usd float8 DEFAULT NULL,
  fee_usd float8 DEFAULT NULL,
  is_maker boolean DEFAULT NULL,
  trade_id text DEFAULT NULL,
  order_id text DEFAULT NULL,
  counterparty text DEFAULT NULL,
  underlying text DEFAULT NULL,
  kind text DEFAULT NULL,
  venue text DEFAULT NULL,
  collateral text DEFAULT NULL,
  contract_size float8 DEFAULT NULL,
  inverse boolean DEFAULT NULL,
  strike float8 DEFAULT NULL,
  expiry timestamptz DEFAULT NULL,
  option_type text DEFAULT NULL,
  underlying_price float8 DEFAULT NULL,
  implied_volatility float8 DEFAULT NULL,
  token_factor float8 DEFAULT NULL,
  leverage float8 DEFAULT NULL,
  realised_pnl_usd float8 DEFAULT NULL,
  is_liquidation boolean DEFAULT NULL,
  order_type text DEFAULT NULL,
  combo_id text DEFAULT NULL,
  mid float8 DEFAULT NULL,
  mid_1m float8 DEFAULT NULL,
  mid_5m float8 DEFAULT NULL,
  underlying_return_1d float8 DEFAULT NULL,
  mid_1s float8 DEFAULT NULL,
  mid_10s float8 DEFAULT NULL,
  mid_1h float8 DEFAULT NULL,
  underlying_return_1h float8 DEFAULT NULL,
  underlying_return_7d float8 DEFAULT NULL,
  own_flow_usd float8 DEFAULT NULL,
  others_flow_usd float8 DEFAULT NULL,
  is_toxic boolean DEFAULT NULL,
  is_self_trade boolean DEFAULT NULL,
  implied_volatility_1m float8 DEFAULT NULL,
  implied_volatility_5m float8 DEFAULT NULL,
  underlying_price_1m float8 DEFAULT NULL,
  underlying_price_5m float8 DEFAULT NULL,
  margin_mode text DEFAULT NULL
) RETURNS segmentation.trade
  AS 'MODULE_PATHNAME', 'segmentation_trade_float8' LANGUAGE c IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION trade(timestamptz, float8, float8, text, text, float8, float8, float8, boolean, text, text, text, text, text, text, text, float8, boolean, float8, timestamptz, text, float8, float8, float8, float8, float8, boolean, text, text, float8, float8, float8, float8, float8, float8, float8, float8, float8, float8, float8, boolean, boolean, float8, float8, float8, float8, text) IS
  'One fill as a value. Unknown inputs are NULL. side: buy, b, bid, long, 1 or sell, s, ask, short, -1 (else 22023); option_type: call, c, put, p; amounts named _usd in USD, quantity in contracts, price and the mids as quoted (times quote_usd in USD), underlying returns in standard deviations of their horizon; an order_type with "stop" in it is a stop order; an empty combo_id says that the fill is no leg; a margin_mode of isolated or isolated_margin is isolated, any other is not; volatilities as decimals. Holds what a profile keeps of a trade: names as hashes, of the flows their signs, nothing of the trade_id. What a profile would count as rejected is no error here.';

CREATE FUNCTION trade(
  executed_at timestamptz,
  quantity numeric,
  price numeric,
  side text DEFAULT NULL,
  instrument text DEFAULT NULL,
  notional_usd numeric DEFAULT NULL,
  quote_usd numeric DEFAULT NULL,
  fee_usd numeric DEFAULT NULL,
  is_maker boolean DEFAULT NULL,
  trade_id text DEFAULT NULL,
  order_id text DEFAULT NULL,
  counterparty text DEFAULT NULL,
  underlying text DEFAULT NULL,
  kind text DEFAULT NULL,
  venue text DEFAULT NULL,
  collateral text DEFAULT NULL,
  contract_size float8 DEFAULT NULL,
  inverse boolean DEFAULT NULL,
  strike float8 DEFAULT NULL,
  expiry timestamptz DEFAULT NULL,
  option_type text DEFAULT NULL,
  underlying_price float8 DEFAULT NULL,
  implied_volatility float8 DEFAULT NULL,
  token_factor float8 DEFAULT NULL,
  leverage float8 DEFAULT NULL,
  realised_pnl_usd float8 DEFAULT NULL,
  is_liquidation boolean DEFAULT NULL,
  order_type text DEFAULT NULL,
  combo_id text DEFAULT NULL,
  mid float8 DEFAULT NULL,
  mid_1m float8 DEFAULT NULL,
  mid_5m float8 DEFAULT NULL,
  underlying_return_1d float8 DEFAULT NULL,
  mid_1s float8 DEFAULT NULL,
  mid_10s float8 DEFAULT NULL,
  mid_1h float8 DEFAULT NULL,
  underlying_return_1h float8 DEFAULT NULL,
  underlying_return_7d float8 DEFAULT NULL,
  own_flow_usd float8 DEFAULT NULL,
  others_flow_usd float8 DEFAULT NULL,
  is_toxic boolean DEFAULT NULL,
  is_self_trade boolean DEFAULT NULL,
  implied_volatility_1m float8 DEFAULT NULL,
  implied_volatility_5m float8 DEFAULT NULL,
  underlying_price_1m float8 DEFAULT NULL,
  underlying_price_5m float8 DEFAULT NULL,
  margin_mode text DEFAULT NULL
) RETURNS segmentation.trade
  AS 'MODULE_PATHNAME', 'segmentation_trade_numeric' LANGUAGE c IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION trade(timestamptz, numeric, numeric, text, text, numeric, numeric, numeric, boolean, text, text, text, text, text, text, text, float8, boolean, float8, timestamptz, text, float8, float8, float8, float8, float8, boolean, text, text, float8, float8, float8, float8, float8, float8, float8, float8, float8, float8, float8, boolean, boolean, float8, float8, float8, float8, text) IS
  'One fill as a value. Unknown inputs are NULL. side: buy, b, bid, long, 1 or sell, s, ask, short, -1 (else 22023); option_type: call, c, put, p; amounts named _usd in USD, quantity in contracts, price and the mids as quoted (times quote_usd in USD), underlying returns in standard deviations of their horizon; an order_type with "stop" in it is a stop order; an empty combo_id says that the fill is no leg; a margin_mode of isolated or isolated_margin is isolated, any other is not; volatilities as decimals. Holds what a profile keeps of a trade: names as hashes, of the flows their signs, nothing of the trade_id. What a profile would count as rejected is no error here.';

CREATE FUNCTION segmentation.to_float8(numeric) RETURNS float8
  AS 'MODULE_PATHNAME', 'segmentation_to_float8' LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION segmentation.to_float8(numeric) IS 'Nearest float8, from the digits; infinity beyond its range. PostgreSQL''s own cast goes through text.';

CREATE FUNCTION segmentation.utc_day(timestamptz) RETURNS date
  AS 'MODULE_PATHNAME', 'segmentation_utc_day' LANGUAGE c IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION segmentation.utc_day(timestamptz) IS 'UTC day of an instant, whatever the session''s time zone; -infinity for NULL and infinite ones.';
