-- segmentation.public_segments tells nothing of fewer than 20 accounts, to those who may read the segments and no more.
SET client_min_messages = warning;
CREATE ROLE p_reader; CREATE ROLE p_nobody;
CREATE TABLE public_f (account int PRIMARY KEY, x float8, y float8);
CREATE FUNCTION public_plant(VARIADIC sizes int[]) RETURNS void LANGUAGE sql AS $$
  TRUNCATE public_f;
  INSERT INTO public_f
  SELECT row_number() OVER (), 100 * place + test.rnd(i, 'x'), 70 * (place % 2) + test.rnd(i, 'y')
  FROM unnest(sizes) WITH ORDINALITY AS s (size, place), generate_series(1, size) AS i $$;

-- One segment of 10 accounts: it and the next smallest are masked, for the shares of the others would tell its share.
SELECT public_plant(100, 60, 10);
SELECT count(*) AS features FROM create_segmentation('p', features => 'public_f', account => 'account') WHERE item = 'feature';
SELECT sum(accounts) = 170 AS ok FROM fit_segmentation('p', k => 3);
GRANT SELECT ON p_segments TO p_reader;
SET ROLE p_reader;
SELECT 'no model' AS test, count(*) = 0 AS ok FROM segmentation.segments WHERE segmentation = 'p';
SELECT count(*) AS segments, count(*) FILTER (WHERE masked) AS masked, array_agg(accounts ORDER BY accounts) FILTER (WHERE NOT masked) AS told,
       bool_and(segment IS NOT NULL) AND bool_and(masked = (accounts IS NULL)) AND bool_and(masked = (share IS NULL)) AND bool_and(masked = (description IS NULL)) AS ok
FROM segmentation.public_segments WHERE segmentation = 'p';
RESET ROLE;

-- Two small ones hide each other, and none is small.
SELECT public_plant(100, 60, 10, 12);
SELECT sum(accounts) = 182 AS ok FROM fit_segmentation('p', k => 4, force => true, reason => 'a test');
SELECT array_agg(accounts ORDER BY accounts) FILTER (WHERE NOT masked) AS told, count(*) FILTER (WHERE masked) AS masked FROM segmentation.public_segments WHERE segmentation = 'p';
SELECT public_plant(100, 60, 20);
SELECT sum(accounts) = 180 AS ok FROM fit_segmentation('p', k => 3, force => true, reason => 'a test');
SELECT array_agg(accounts ORDER BY accounts) AS told, count(*) FILTER (WHERE masked) AS masked FROM segmentation.public_segments WHERE segmentation = 'p';

SET ROLE p_nobody;
SELECT 'nobody sees it' AS test, count(*) = 0 AS ok FROM segmentation.public_segments;
RESET ROLE;
-- Nor does who is shown only some accounts.
ALTER TABLE p_segments ENABLE ROW LEVEL SECURITY;
CREATE POLICY part ON p_segments USING (account < 5);
SET ROLE p_reader;
SELECT 'a part is not all' AS test, count(*) = 0 AS ok FROM segmentation.public_segments;
RESET ROLE;
SELECT drop_segmentation('p');
DROP TABLE public_f;
DROP FUNCTION public_plant;
DROP ROLE p_reader, p_nobody;
