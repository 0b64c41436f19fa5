-- Trying it out.

CREATE FUNCTION simulate_trades(
  accounts integer DEFAULT 300, days integer DEFAULT 60, seed bigint DEFAULT 1, noise float8 DEFAULT 0
) RETURNS TABLE(trade_id bigint, account_id text, executed_at timestamptz, instrument text, underlying text, kind text,
                side text, quantity float8, price float8, notional_usd float8, fee_usd float8, is_maker boolean,
                archetype text)
  AS 'MODULE_PATHNAME', 'segmentation_simulate_trades' LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE ROWS 60000;
COMMENT ON FUNCTION simulate_trades(integer, integer, bigint, float8) IS
  'Trades of planted archetypes on a derivatives venue, with the true label; the same rows for the same arguments. noise: 0 little, 1 much. 22023 outside 1 to 10,000,000 accounts, 1 to 3,650 days, noise 0 to 10.';
