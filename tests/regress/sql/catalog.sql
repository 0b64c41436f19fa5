-- What the extension put into the database, read from the system catalogue.
CREATE VIEW catalog_members AS
SELECT d.classid, d.objid FROM pg_depend AS d JOIN pg_extension AS e ON d.refobjid = e.oid AND d.refclassid = 'pg_extension'::regclass
WHERE e.extname = 'pg_segmentation' AND d.deptype = 'e';
CREATE VIEW catalog_functions AS
SELECT p.*, p.oid::regprocedure::text AS signature FROM pg_proc AS p JOIN catalog_members AS m ON m.classid = 'pg_proc'::regclass AND m.objid = p.oid;

SELECT 'there is something' AS test, (SELECT count(*) FROM catalog_functions) > 30 AS ok;

-- Each query lists offenders: no row is right.
SELECT signature AS "no comment" FROM catalog_functions WHERE obj_description(oid, 'pg_proc') IS NULL ORDER BY 1;
SELECT t.oid::regtype AS "type without comment" FROM pg_type AS t JOIN catalog_members AS m ON m.classid = 'pg_type'::regclass AND m.objid = t.oid
WHERE typtype IN ('b', 'c', 'e', 'd') AND typelem = 0 AND obj_description(t.oid, 'pg_type') IS NULL ORDER BY 1;
SELECT c.oid::regclass AS "relation without comment" FROM pg_class AS c JOIN catalog_members AS m ON m.classid = 'pg_class'::regclass AND m.objid = c.oid
WHERE relkind IN ('r', 'v', 'p') AND obj_description(c.oid, 'pg_class') IS NULL ORDER BY 1;
SELECT signature AS "security definer" FROM catalog_functions WHERE prosecdef ORDER BY 1;
SELECT signature AS "leakproof" FROM catalog_functions WHERE proleakproof ORDER BY 1;
SELECT signature AS "reader not STABLE PARALLEL SAFE", provolatile, proparallel FROM catalog_functions
WHERE proname IN ('segment_of', 'segment_id_of', 'segment_model', 'segment_profiles', 'describe_segmentation') AND (provolatile, proparallel) <> ('s', 's') ORDER BY 1;
SELECT signature AS "value not IMMUTABLE PARALLEL SAFE", provolatile, proparallel FROM catalog_functions
WHERE (proname IN ('trade', 'feature', 'features', 'feature_vector', 'account_profile', 'rollup', 'adjusted_rand_index')
       OR (proname = 'assign_segment' AND 'segmentation.model'::regtype = ANY (proargtypes::oid[])))
      AND (provolatile, proparallel) <> ('i', 's') ORDER BY 1;
SELECT signature AS "by name, so not IMMUTABLE" FROM catalog_functions
WHERE proname = 'assign_segment' AND NOT 'segmentation.model'::regtype = ANY (proargtypes::oid[]) AND provolatile <> 's' ORDER BY 1;
SELECT signature AS "writer not VOLATILE PARALLEL UNSAFE" FROM catalog_functions
WHERE proname ~ '^(create|fit|drop|watch|unwatch)_segmentation$' AND (provolatile, proparallel) <> ('v', 'u') ORDER BY 1;
SELECT signature AS "segment_of that is STRICT never answers with a defaulted name" FROM catalog_functions
WHERE proname IN ('segment_of', 'segment_id_of') AND proisstrict ORDER BY 1;
SELECT signature AS "segment_of needs two forms" FROM catalog_functions WHERE proname = 'segment_of' AND proargtypes[0] NOT IN ('anyelement'::regtype, 'text'::regtype) ORDER BY 1;
SELECT signature AS "SQL function without a fixed search_path" FROM catalog_functions AS f JOIN pg_language AS l ON l.oid = prolang
WHERE lanname IN ('sql', 'plpgsql') AND prosqlbody IS NULL AND NOT coalesce(array_to_string(proconfig, ' '), '') LIKE '%search_path%' ORDER BY 1;

SELECT 'aggregates run in parallel' AS test, count(*) >= 2 AND bool_and(aggcombinefn <> 0 AND aggserialfn <> 0 AND aggdeserialfn <> 0) AS ok
FROM pg_aggregate AS a JOIN catalog_functions AS f ON f.oid = a.aggfnoid WHERE f.proname IN ('account_profile', 'rollup');

-- pg_dump carries every table and sequence.
SELECT c.oid::regclass AS "not in a dump" FROM pg_class AS c JOIN catalog_members AS m ON m.classid = 'pg_class'::regclass AND m.objid = c.oid
WHERE relkind IN ('r', 'S') AND NOT EXISTS (SELECT FROM pg_extension WHERE extname = 'pg_segmentation' AND c.oid = ANY (extconfig)) ORDER BY 1;
SELECT 'there are tables to dump' AS test, cardinality(extconfig) >= 2 AS ok FROM pg_extension WHERE extname = 'pg_segmentation';

-- PUBLIC may look at the catalogue and not write or create there.
SELECT 'usage, not create' AS test, has_schema_privilege('public', 'segmentation', 'USAGE') AND NOT has_schema_privilege('public', 'segmentation', 'CREATE') AS ok;
SELECT c.oid::regclass AS "a view on the catalogue without a security barrier" FROM pg_class AS c
JOIN catalog_members AS m ON m.classid = 'pg_class'::regclass AND m.objid = c.oid
WHERE relkind = 'v' AND coalesce(array_to_string(reloptions, ','), '') !~ 'security_barrier=(true|on)'
      AND pg_get_viewdef(c.oid) ~ 'segmentation\.(definition|fit)' ORDER BY 1;

-- The fixed schema cannot be the functions' schema.
SELECT 'SCHEMA segmentation' AS test, hint <> '' AS ok, message FROM test.error_of('DROP EXTENSION pg_segmentation; CREATE SCHEMA segmentation; CREATE EXTENSION pg_segmentation SCHEMA segmentation');
DROP VIEW catalog_functions, catalog_members;
