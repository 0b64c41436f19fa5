-- Trying it out: a simulated venue. With the same accounts, days, seed, noise and crash_day all of these belong together.

CREATE FUNCTION simulate_trades(
  accounts integer DEFAULT 300, days integer DEFAULT 60, seed bigint DEFAULT 1, noise float8 DEFAULT 0,
  crash_day integer DEFAULT NULL
) RETURNS TABLE(trade_id bigint, account_id text, executed_at timestamptz, instrument text, underlying text, kind text,
                side text, quantity float8, price float8, notional_usd float8, fee_usd float8, is_maker boolean,
                archetype text, order_id text, counterparty text, venue text, collateral text, contract_size float8,
                inverse boolean, strike float8, expiry timestamptz, option_type text, underlying_price float8,
                implied_volatility float8, token_factor float8, leverage float8, realised_pnl_usd float8,
                is_liquidation boolean, order_type text, combo_id text, own_flow_usd float8,
                others_flow_usd float8, is_toxic boolean, margin_mode text)
  AS 'MODULE_PATHNAME', 'segmentation_simulate_trades' LANGUAGE c IMMUTABLE PARALLEL SAFE ROWS 60000;
COMMENT ON FUNCTION simulate_trades(integer, integer, bigint, float8, integer) IS
  'Trades of planted archetypes on a derivatives venue from 2024-01-01, with the true label; the same rows for the same arguments, NULL is the default. noise: 0 little, 1 much. crash_day: day, 1 the first, on which every underlying falls by 12 to 30 %; NULL none. quantity in contracts of contract_size units, or USD where inverse; realised_pnl_usd against the average cost, NULL where nothing is closed; what an expiry pays is no trade. own_flow_usd, others_flow_usd: what the account, and all others on the venue, bought less what they sold of the instrument in these 5 minutes; is_toxic: the others so one-sided as in about 10 % of them. margin_mode: isolated above a leverage of 10, else cross; NULL without margin. The others are a process of seed, instrument, time and prices, whatever the accounts. 22023 outside 1 to 10,000,000 accounts, 1 to 3,650 days, noise 0 to 10, crash_day 1 to days.';

CREATE FUNCTION simulate_snapshots(
  accounts integer DEFAULT 300, days integer DEFAULT 60, seed bigint DEFAULT 1, noise float8 DEFAULT 0,
  crash_day integer DEFAULT NULL
) RETURNS TABLE(account_id text, taken_at timestamptz, equity_usd float8, flow_usd float8, initial_margin_usd float8,
                maintenance_margin_usd float8, gross_notional_usd float8, delta_usd float8, gross_delta_usd float8,
                net_delta_usd float8, liquidation_distance float8, funding_usd float8)
  AS 'MODULE_PATHNAME', 'segmentation_simulate_snapshots' LANGUAGE c IMMUTABLE PARALLEL SAFE ROWS 15000;
COMMENT ON FUNCTION simulate_snapshots(integer, integer, bigint, float8, integer) IS
  'Equity, margin and exposure of the accounts of simulate_trades with the same arguments, at 23:59 UTC of each day from the first trade on; the columns are the arguments of account_snapshot. NULL is the default; 22023 as simulate_trades.';

CREATE FUNCTION simulate_quotes(
  accounts integer DEFAULT 300, days integer DEFAULT 60, seed bigint DEFAULT 1, noise float8 DEFAULT 0,
  crash_day integer DEFAULT NULL
) RETURNS TABLE(instrument text, quoted_at timestamptz, bid float8, ask float8, implied_volatility float8,
                underlying_price float8)
  AS 'MODULE_PATHNAME', 'segmentation_simulate_quotes' LANGUAGE c IMMUTABLE PARALLEL SAFE ROWS 360000;
COMMENT ON FUNCTION simulate_quotes(integer, integer, bigint, float8, integer) IS
  'Quotes of the instruments of simulate_trades with the same arguments: 1 s before each trade and 1 s, 10 s, 1 min, 5 min and 1 h after it, until the expiry; trade by trade, not in time order. A quote depends on instrument and time alone; implied_volatility of options, NULL else. NULL is the default; 22023 as simulate_trades.';

CREATE FUNCTION simulate_prices(days integer DEFAULT 60, seed bigint DEFAULT 1, crash_day integer DEFAULT NULL)
  RETURNS TABLE(underlying text, priced_at timestamptz, price float8)
  AS 'MODULE_PATHNAME', 'segmentation_simulate_prices' LANGUAGE c IMMUTABLE PARALLEL SAFE ROWS 17000;
COMMENT ON FUNCTION simulate_prices(integer, bigint, integer) IS
  'Hourly index prices in USD of the underlyings of simulate_trades with the same days, seed and crash_day. NULL is the default; 22023 as simulate_trades.';

CREATE FUNCTION simulate_instruments(days integer DEFAULT 60, seed bigint DEFAULT 1)
  RETURNS TABLE(instrument text, kind text, underlying text, strike float8, expiry timestamptz, option_type text,
                contract_size float8, inverse boolean, token_factor float8)
  AS 'MODULE_PATHNAME', 'segmentation_simulate_instruments' LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE ROWS 6000;
COMMENT ON FUNCTION simulate_instruments(integer, bigint) IS
  'Every instrument that simulate_trades can print with the same days and seed, traded or not. No rows for a NULL argument; 22023 as simulate_trades.';
