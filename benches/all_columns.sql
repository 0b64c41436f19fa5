-- The float8 trades with a value for every input that a feature reads but notional_usd and quote_usd, in whose place quantity, price and size are multiplied; the same rows every time. Those of kind future
-- become options.
\set ON_ERROR_STOP on
SET client_min_messages = warning;
SET timezone = 'UTC';
SET work_mem = '2GB';
SELECT setseed(0.3) \g /dev/null

CREATE TABLE trades_all AS
SELECT account_id, executed_at, instrument, side, quantity, price, fee_usd, is_maker, kind, underlying,
       'o' || n / 2 AS order_id, 'c' || floor(2000 * r * r) AS counterparty,
       CASE WHEN r < 0.7 THEN 'north' ELSE 'south' END AS venue, CASE WHEN r < 0.5 THEN 'USDC' ELSE 'BTC' END AS collateral,
       1::float8 AS contract_size, false AS inverse,
       CASE WHEN kind = 'option' THEN round(price * (0.8 + 0.4 * r)) END AS strike,
       CASE WHEN kind = 'option' THEN date_bin('1 day', executed_at, '2000-01-01 08:00+00') + (1 + floor(60 * r)) * interval '1 day' END AS expiry,
       CASE WHEN kind = 'option' THEN CASE WHEN r < 0.5 THEN 'call' ELSE 'put' END END AS option_type,
       price * 1.001 AS underlying_price, CASE WHEN kind = 'option' THEN 0.5 + r END AS implied_volatility,
       CASE WHEN kind = 'leveraged_token' THEN 3::float8 END AS token_factor,
       CASE WHEN kind = 'perpetual' THEN 1 + floor(20 * r) END AS leverage,
       CASE WHEN r < 0.4 THEN round((r - 0.2) * 1e6) / 1e4 END AS realised_pnl_usd, r > 0.995 AS is_liquidation,
       CASE WHEN r < 0.6 THEN 'limit' WHEN r < 0.95 THEN 'market' ELSE 'stop' END AS order_type,
       CASE WHEN r > 0.98 THEN 'x' || n ELSE '' END AS combo_id,
       price * (1 + 1e-3 * (r - 0.5)) AS mid, price * (1 + 2e-3 * (r - 0.5)) AS mid_1s, price * (1 + 3e-3 * (r - 0.5)) AS mid_10s,
       price * (1 + 3e-3 * (r - 0.5)) AS mid_1m, price * (1 + 3e-3 * (r - 0.4)) AS mid_5m, price * (1 + 5e-3 * (r - 0.4)) AS mid_1h,
       6 * (r - 0.5) AS underlying_return_1h, 5 * (r - 0.5) AS underlying_return_1d, 4 * (r - 0.5) AS underlying_return_7d,
       (r - 0.5) * quantity * price AS own_flow_usd, (0.6 - r) * 1e6 AS others_flow_usd, r > 0.9 AS is_toxic, r > 0.999 AS is_self_trade,
       CASE WHEN kind = 'option' THEN 0.501 + r END AS implied_volatility_1m, CASE WHEN kind = 'option' THEN 0.498 + r END AS implied_volatility_5m,
       CASE WHEN kind = 'option' THEN price * 1.0011 END AS underlying_price_1m, CASE WHEN kind = 'option' THEN price * 1.0008 END AS underlying_price_5m,
       CASE WHEN r < 0.3 THEN 'isolated' ELSE 'cross' END AS margin_mode
FROM (SELECT *, row_number() OVER () AS n, random() AS r
      FROM (SELECT account_id, executed_at, instrument, side, quantity, price, fee_usd, is_maker,
                   CASE kind WHEN 'future' THEN 'option' ELSE kind END AS kind, underlying
            FROM trades_float8 ORDER BY executed_at) AS ordered) AS t;
VACUUM (ANALYZE, FREEZE) trades_all;
CHECKPOINT;
