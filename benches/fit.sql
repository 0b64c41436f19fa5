-- 1,000,000 accounts with 20 features, twice: a mix of 6 planted clusters of unequal sizes with 5 % of noise, and noise
-- alone. The same rows every time.
\set ON_ERROR_STOP on
SET client_min_messages = warning;
SELECT setseed(0.25) \g /dev/null

CREATE TABLE planted AS
SELECT c, array_agg(10 * random() ORDER BY f) AS centre FROM generate_series(0, 5) AS c, generate_series(1, 20) AS f GROUP BY c;

-- Cluster 0 holds 30 of 100, 1 to 5 hold 20, 15, 12, 10 and 8; the last 5 are noise.
SELECT format($$CREATE TABLE features_planted AS
  SELECT account_id::bigint, %s
  FROM generate_series(1, %s::bigint) AS account_id
  LEFT JOIN planted ON c = width_bucket((account_id * 7919) %% 100, ARRAY[0, 30, 50, 65, 77, 87, 95]) - 1$$,
  string_agg(format('coalesce(centre[%s] + 6 * (random() + random() + random() - 1.5), 10 * random()) AS f%s', f, f), ', ' ORDER BY f), :rows)
  FROM generate_series(1, 20) AS f \gexec

SELECT format('CREATE TABLE features_noise AS SELECT account_id::bigint, %s FROM generate_series(1, %s) AS account_id',
              string_agg(format('random() AS f%s', f), ', ' ORDER BY f), :rows) FROM generate_series(1, 20) AS f \gexec

ALTER TABLE features_planted ADD PRIMARY KEY (account_id);
ALTER TABLE features_noise ADD PRIMARY KEY (account_id);
VACUUM (ANALYZE, FREEZE) features_planted, features_noise;
CHECKPOINT;
