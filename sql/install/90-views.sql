-- The catalogue for people and BI tools. The views read with their owner's rights and show each row only to roles that
-- may read the segmentation's tables: a centroid of a small segment is somebody's data. For the same
-- reason models are not shown to roles that row-level security shows only some accounts.

CREATE VIEW segmentation.segmentations WITH (security_barrier) AS
SELECT d.name, d.kind, d.source, d.account, d.key_type, d.profiles, d.segments, d.features, d.lookback,
       d.active_version, d.watched, d.owner, d.created_at
FROM segmentation.definition d
WHERE pg_catalog.has_table_privilege(d.segments, 'SELECT');
COMMENT ON VIEW segmentation.segmentations IS 'Segmentations whose segments you may read.';

CREATE VIEW segmentation.models WITH (security_barrier) AS
SELECT f.segmentation, f.version, f.version OPERATOR(pg_catalog.=) d.active_version AS active, f.accounts,
       pg_catalog.jsonb_array_length(m.j OPERATOR(pg_catalog.->) 'segments') AS k,
       (m.j OPERATOR(pg_catalog.#>>) '{quality,silhouette}')::pg_catalog.float8 AS silhouette,
       (m.j OPERATOR(pg_catalog.#>>) '{quality,inertia}')::pg_catalog.float8 AS inertia,
       m.j OPERATOR(pg_catalog.->) 'quality' AS quality,
       m.j OPERATOR(pg_catalog.->) 'provenance' AS provenance,
       f.model, f.created_at, f.created_by
FROM segmentation.fit f
JOIN segmentation.definition d ON d.name OPERATOR(pg_catalog.=) f.segmentation
CROSS JOIN LATERAL (SELECT (f.model::pg_catalog.text)::pg_catalog.jsonb AS j) m
WHERE pg_catalog.has_table_privilege(d.segments, 'SELECT')
  AND pg_catalog.has_table_privilege(coalesce(d.profiles, d.source), 'SELECT')
  AND NOT pg_catalog.row_security_active(d.segments)
  AND NOT pg_catalog.row_security_active(coalesce(d.profiles, d.source));
COMMENT ON VIEW segmentation.models IS 'Models of segmentations whose profiles (or ready-made features) and segments you may read.';

CREATE VIEW segmentation.segments WITH (security_barrier) AS
SELECT f.segmentation, f.version AS model_version,
       (s.j OPERATOR(pg_catalog.->>) 'id')::integer AS segment_id,
       s.j OPERATOR(pg_catalog.->>) 'name' AS segment,
       (s.j OPERATOR(pg_catalog.->>) 'accounts')::bigint AS accounts,
       (s.j OPERATOR(pg_catalog.->>) 'share')::pg_catalog.float8 AS share,
       (s.j OPERATOR(pg_catalog.->>) 'volume_share')::pg_catalog.float8 AS volume_share,
       s.j OPERATOR(pg_catalog.->>) 'description' AS description
FROM segmentation.fit f
JOIN segmentation.definition d ON d.name OPERATOR(pg_catalog.=) f.segmentation
                              AND d.active_version OPERATOR(pg_catalog.=) f.version
CROSS JOIN LATERAL pg_catalog.jsonb_array_elements((f.model::pg_catalog.text)::pg_catalog.jsonb OPERATOR(pg_catalog.->) 'segments') AS s(j)
WHERE pg_catalog.has_table_privilege(d.segments, 'SELECT')
  AND pg_catalog.has_table_privilege(coalesce(d.profiles, d.source), 'SELECT')
  AND NOT pg_catalog.row_security_active(d.segments)
  AND NOT pg_catalog.row_security_active(coalesce(d.profiles, d.source));
COMMENT ON VIEW segmentation.segments IS 'Segments of the active models you may read.';

CREATE VIEW segmentation.features AS
SELECT c.feature, c.feature_group, c.unit, c.class, c.needs, c.transform, c.in_fit, c.label, c.meaning
FROM segmentation.catalogue_of_features() c;
COMMENT ON VIEW segmentation.features IS 'Every feature: unit, class of its state (G group, M monoid, O ordered), inputs of trade(...) it needs, default transform, whether a fit uses it, meaning.';

GRANT SELECT ON segmentation.segmentations, segmentation.models, segmentation.segments, segmentation.features TO PUBLIC;
