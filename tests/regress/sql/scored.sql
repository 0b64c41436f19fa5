-- What is told of an account is told of the segment that it has: as of the instant that the account was scored at.
SET client_min_messages = warning;
CREATE TABLE sco_t AS
SELECT i AS trade_id, i % 60 AS account_id, timestamptz '2024-01-01+00' + i * interval '20 minutes' AS executed_at, 50.0 ^ (i % 3) * (1 + test.rnd(i, 'q') / 10) AS quantity, 100.0::float8 AS price
FROM generate_series(1, 3000) AS i WHERE i % 60 <> 59;
-- After the instant of the fit, and on the same day: account 0 trades as nobody before. On the day of the fit, account 59 begins.
INSERT INTO sco_t SELECT 10000 + i, 0, timestamptz '2024-02-05 14:00+00' + i * interval '1 minute', 1e6, 100 FROM generate_series(1, 30) AS i;
INSERT INTO sco_t SELECT 11000 + i, 59, timestamptz '2024-02-05 09:00+00' + i * interval '1 minute', 2, 100 FROM generate_series(1, 30) AS i;
SELECT count(*) > 0 AS created FROM create_segmentation('sco', 'sco_t', use_features => '{volume_usd, trades, recency_days}');
CREATE VIEW sco_told AS
SELECT account, segment_of(account, 'sco') AS segment, (SELECT min(segment) FROM explain_segment(account, 'sco')) AS explained,
       (SELECT (array_agg(p.segment))[1] FROM segment_probabilities(account, 'sco') AS p) AS likeliest, (SELECT standing FROM segment_standing(account, 'sco')) AS standing,
       (SELECT trades FROM segment_standing(account, 'sco')) AS trades, (SELECT value FROM explain_segment(account, 'sco') WHERE feature = 'volume_usd') AS volume,
       (SELECT value FROM explain_segment(account, 'sco') WHERE feature = 'recency_days') AS recency, (SELECT count(*) FROM counterfactual_segment(account, segmentation => 'sco')) AS ways
FROM sco_segments;

-- A fit may be of any instant: its explanations are of what it saw.
SELECT sum(accounts) = 60 AS ok FROM fit_segmentation('sco', k => 3, as_of => '2024-02-05 13:37+00');
SELECT 'the label that is stored' AS test, count(*) = 60 AND bool_and(explained = segment AND likeliest = segment AND standing = 'assigned' AND ways > 0) AS ok FROM sco_told;
SELECT 'of the trades before the instant' AS test, count(*) = 60 AND bool_and(t.trades = e.trades AND test.close(t.volume, e.volume) AND test.close(t.recency, e.recency)) AS ok
FROM sco_told AS t JOIN (SELECT account_id AS account, count(*) AS trades, sum(quantity * price) AS volume, extract(epoch FROM timestamptz '2024-02-05 13:37+00' - max(executed_at))::float8 / 86400 AS recency
                         FROM sco_t WHERE executed_at < '2024-02-05 13:37+00' GROUP BY 1) AS e USING (account);
SELECT 'the instant is with the account' AS test, bool_and(scored_as_of = '2024-02-05 13:37+00') AS ok FROM sco_segments;
SELECT 'who passes an instant passes a midnight' AS test, state, message FROM test.error_of($$SELECT * FROM explain_segment(1, 'sco', as_of => '2024-02-05 13:37+00')$$);
SELECT 'reproduced' AS test, bool_and(equal) AS ok FROM reproduce_model('sco');
-- The part of the day is gone with the next model.
SELECT 'a part of a day' AS test, count(*) > 0 AS ok FROM sco_profiles WHERE span = 0;
SELECT sum(accounts) = 60 AS ok FROM fit_segmentation('sco', k => 3, force => true, reason => 'a test');
SELECT 'no part of a day' AS test, count(*) = 0 AS ok FROM sco_profiles WHERE span = 0;
SELECT 'by the day' AS test, count(*) = 60 AND bool_and(explained = segment AND likeliest = segment) AS ok FROM sco_told;

-- Watched: an insert scores the accounts that it touches; the others keep their segment, and are explained as they were scored.
SELECT watch_segmentation('sco') IS NOT NULL AS ok;
CREATE TABLE sco_before AS SELECT * FROM sco_told;
INSERT INTO sco_t SELECT 20000 + i, 1, timestamptz '2024-06-01 10:00+00' + i * interval '1 minute', 50, 100 FROM generate_series(1, 3) AS i;
SELECT 'the label that is stored, twenty weeks later' AS test, count(*) = 60 AND bool_and(explained = segment AND likeliest = segment) AS ok FROM sco_told;
SELECT 'an account that nobody touched' AS test, count(*) = 59 AS ok FROM sco_told AS t JOIN sco_before AS b ON to_jsonb(t) = to_jsonb(b) WHERE t.account <> 1;
SELECT 'the one that was touched' AS test, test.close(recency, extract(epoch FROM timestamptz '2024-06-02+00' - timestamptz '2024-06-01 10:03+00')::float8 / 86400) AS ok FROM sco_told WHERE account = 1;
SELECT 'as of then, others may be elsewhere' AS test, count(*) > 0 AS ok FROM sco_told WHERE segment_of(account, 'sco', '2024-06-02+00') <> segment;
SELECT unwatch_segmentation('sco') IS NOT NULL AS ok;
SELECT 'also when it is watched no longer' AS test, count(*) = 60 AND bool_and(explained = segment) AS ok FROM sco_told;

-- since: the instant from which the account is what it is, with and without a segment.
SELECT sum(accounts) AS fitted FROM fit_segmentation('sco', k => 3, min_trades => 40, force => true, reason => 'a test');
CREATE TABLE sco_since AS SELECT account, since, quality FROM sco_segments;
SELECT 'new and not new' AS test, count(*) FILTER (WHERE quality = 'new') > 0 AND count(*) FILTER (WHERE quality = 'ok') > 0 AND count(since) = 60 AS ok FROM sco_since;
SELECT sum(accounts) AS fitted FROM fit_segmentation('sco', k => 3, min_trades => 40);
SELECT 'nothing is new about it' AS test, count(*) = 60 AND bool_and(s.since = b.since) AS ok FROM sco_segments AS s JOIN sco_since AS b USING (account);
SELECT sum(accounts) AS fitted FROM fit_segmentation('sco', k => 3, min_trades => 1, force => true, reason => 'a test');
SELECT 'a first segment' AS test, count(*) > 0 AND bool_and(s.since > b.since) AS ok FROM sco_segments AS s JOIN sco_since AS b USING (account) WHERE b.quality = 'new';
DROP VIEW sco_told;
SELECT drop_segmentation('sco');
DROP TABLE sco_t, sco_before, sco_since;
