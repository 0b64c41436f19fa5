-- Functions go to the schema chosen at CREATE EXTENSION; types and the catalogue to the fixed schema "segmentation".
DO $check$
BEGIN
  IF pg_catalog.current_schema() OPERATOR(pg_catalog.=) 'segmentation' THEN
    RAISE EXCEPTION 'pg_segmentation cannot put its functions into the schema "segmentation"'
      USING ERRCODE = 'invalid_parameter_value',
            HINT = 'That schema is for the types and the catalogue. Choose another one, such as public.';
  END IF;
END
$check$;

CREATE SCHEMA segmentation;
GRANT USAGE ON SCHEMA segmentation TO PUBLIC;
COMMENT ON SCHEMA segmentation IS 'Types and catalogue of pg_segmentation.';
