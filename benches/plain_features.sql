-- The features of an account in plain SQL, the rival of account_profile: one row an account, columns in the order of the
-- names in aggregate.py. {table} is replaced; the session is in UTC.
--
-- Written for speed. count(DISTINCT ...) sorts within each group, and a FILTER for each of 24 hours is evaluated for
-- every row, so each set or histogram is a hash aggregate of its own below one more: group by (account, key), then by
-- account. date_bin and date_part on a local timestamp are the cheapest ways to a day and an hour. Sums are turned into
-- float8 after the first level: ln(numeric) is slow.
WITH by_instrument AS (
  SELECT account_id, underlying, instrument, kind, count(*) AS n, sum(notional)::float8 AS v,
         sum(notional) FILTER (WHERE side = 'buy')::float8 AS bought, sum(notional) FILTER (WHERE is_maker)::float8 AS made,
         sum(fee_usd)::float8 AS fee, min(executed_at) AS first, max(executed_at) AS last
  FROM (SELECT *, quantity * price AS notional FROM {table} OFFSET 0) AS t
  GROUP BY account_id, underlying, instrument, kind
), by_underlying AS (
  SELECT account_id, underlying, count(*) AS instruments, sum(n) AS n, sum(v) AS v, sum(bought) AS bought, sum(made) AS made,
         sum(fee) AS fee, min(first) AS first, max(last) AS last,
         sum(v) FILTER (WHERE kind = 'spot') AS spot, sum(v) FILTER (WHERE kind = 'future') AS future,
         sum(v) FILTER (WHERE kind = 'perpetual') AS perpetual, sum(v) FILTER (WHERE kind = 'option') AS option,
         sum(v) FILTER (WHERE kind = 'leveraged_token') AS leveraged_token,
         sum(v) FILTER (WHERE kind NOT IN ('spot', 'future', 'perpetual', 'option', 'leveraged_token')) AS other
  FROM by_instrument GROUP BY account_id, underlying
), sums AS (
  SELECT account_id, sum(instruments) AS instruments, sum(n) AS n, sum(v) AS v, sum(v * v) AS vv,
         sum(v * ln(v)) FILTER (WHERE v > 0) AS vlnv, coalesce(sum(bought), 0) AS bought, coalesce(sum(made), 0) AS made,
         sum(fee) AS fee, min(first) AS first, max(last) AS last, coalesce(sum(spot), 0) AS spot,
         coalesce(sum(future), 0) AS future, coalesce(sum(perpetual), 0) AS perpetual, coalesce(sum(option), 0) AS option,
         coalesce(sum(leveraged_token), 0) AS leveraged_token, coalesce(sum(other), 0) AS other
  FROM by_underlying GROUP BY account_id
), hours AS (
  SELECT account_id, (ln(sum(n)::float8) - sum(n * ln(n::float8)) / sum(n)::float8) / ln(24::float8) AS entropy
  FROM (SELECT account_id, date_part('hour', executed_at AT TIME ZONE 'UTC') AS hour, count(*) AS n
        FROM {table} GROUP BY 1, 2) AS h
  GROUP BY account_id
), days AS (
  SELECT account_id, count(*) AS active, coalesce(sum(n) FILTER (WHERE date_part('isodow', day) >= 6), 0) AS weekend
  FROM (SELECT account_id, date_bin('1 day', executed_at, '2000-01-01 00:00+00') AS day, count(*) AS n
        FROM {table} GROUP BY 1, 2) AS d
  GROUP BY account_id
)
SELECT s.account_id, v AS volume_usd, n::float8 AS trades, v / n::float8 AS average_trade_usd, 1e4 * fee / v AS fee_bps,
       instruments::float8 AS instruments, vv / (v * v) AS hhi, ln(v) - vlnv / v AS entropy,
       (2 * bought - v) / v AS order_flow_imbalance, made / v AS maker_ratio, h.entropy AS hour_entropy,
       weekend::float8 / n::float8 AS weekend_share, active::float8 AS active_days,
       date_part('epoch', timestamptz '{as_of}' - first) / 86400 AS tenure_days,
       date_part('epoch', timestamptz '{as_of}' - last) / 86400 AS recency_days,
       spot / v AS share_spot, future / v AS share_future, perpetual / v AS share_perpetual, option / v AS share_option,
       leveraged_token / v AS share_leveraged_token, other / v AS share_other
FROM sums AS s JOIN hours AS h USING (account_id) JOIN days AS d USING (account_id)
