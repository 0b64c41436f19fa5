-- What is told over all accounts of a segmentation: what the risk appetite is made of, quintiles, who stopped trading.

CREATE FUNCTION risk_appetite(segmentation text DEFAULT NULL, as_of timestamptz DEFAULT NULL, level text DEFAULT 'account')
  RETURNS TABLE(account text, risk_appetite_index float8, term text, value float8, z float8, direction integer, weight float8)
  AS 'MODULE_PATHNAME', 'segmentation_risk_appetite' LANGUAGE c STABLE PARALLEL RESTRICTED COST 100000 ROWS 9000;
COMMENT ON FUNCTION risk_appetite(text, timestamptz, text) IS
  'What the risk_appetite_index of segmentation_features is made of, a row for each account and term: the index is Σ weight × direction × z. z: (value - median) / interquartile range over all accounts (where that is 0 over the standard deviation), cut at ±3; NULL where the account lacks the value or all have the same. direction: 1 where more of it is more appetite, -1 where it is less. weight: 1 / number of terms that the account has; NULL, as the index, below 4 of them. declared_leverage_p95 stands in for effective_leverage_p95 where only that is known. Arguments, rights and errors are those of segmentation_features.';

CREATE FUNCTION rfm_cut_points(segmentation text DEFAULT NULL, as_of timestamptz DEFAULT NULL, monetary text DEFAULT 'volume_usd') RETURNS jsonb
  AS 'MODULE_PATHNAME', 'segmentation_rfm_cut_points' LANGUAGE c STABLE PARALLEL RESTRICTED COST 100000;
COMMENT ON FUNCTION rfm_cut_points(text, timestamptz, text) IS
  'Cut points of the quintiles of recency, frequency and monetary value (volume_usd or revenue_usd) over all accounts of a segmentation: quantiles of type 7 at 0.2, 0.4, 0.6 and 0.8, to be stored and passed to rfm_scores. NULL where no account has one of the three. Rights and errors as of segmentation_features; 22023 for another monetary.';

CREATE FUNCTION rfm_scores(segmentation text DEFAULT NULL, as_of timestamptz DEFAULT NULL, monetary text DEFAULT NULL, cut_points jsonb DEFAULT NULL)
  RETURNS TABLE(account text, recency_days float8, frequency float8, monetary_usd float8, r integer, f integer, m integer, score integer)
  AS 'MODULE_PATHNAME', 'segmentation_rfm_scores' LANGUAGE c STABLE PARALLEL RESTRICTED COST 100000 ROWS 1000;
COMMENT ON FUNCTION rfm_scores(text, timestamptz, text, jsonb) IS
  'Recency (recency_days), frequency (trading_frequency) and monetary value (volume_usd, or revenue_usd where asked for) of every account that traded in the look-back before as_of, each in quintiles from 1 to 5, of which 5 is the best: the most recent, the most frequent, the most valuable. A value at a cut point belongs to the lower quintile of the value (of recency_days: the better one). score: 100 r + 10 f + m, NULL where one of them is. cut_points: what rfm_cut_points gave, so that scores of different instants can be compared; without, those of the accounts at as_of. Rights and errors as of segmentation_features; 22023 for cut points that are none.';

CREATE FUNCTION churn_labels(segmentation text, as_of timestamptz, days integer DEFAULT 30)
  RETURNS TABLE(account text, last_trade_at timestamptz, next_trade_at timestamptz, churned boolean)
  AS 'MODULE_PATHNAME', 'segmentation_churn_labels' LANGUAGE c STABLE PARALLEL RESTRICTED COST 100000 ROWS 1000;
COMMENT ON FUNCTION churn_labels(text, timestamptz, integer) IS
  'Whether each account that traded in the look-back before as_of has no trade in the days (of 24 hours) from as_of on. It looks at what came after as_of: a label to train and to judge with, never a feature. NULL where the account has not traded again and no trade of the table, of whomever, is as late as the end of the horizon: the data may end before it. next_trade_at: the first trade within the horizon. Reads the trade table with your rights (42501). 22023 for an as_of that is not finite and days outside 1 to 3650, 42704 unknown, 0A000 for ready-made features.';
