-- The catalogue for people and BI tools. The views read with their owner's rights and show each row only to roles that
-- may read the segmentation's tables: a centroid of a small segment is somebody's data. For the same
-- reason models are not shown to roles that row-level security shows only some accounts.

CREATE VIEW segmentation.segmentations WITH (security_barrier) AS
SELECT d.name, d.kind, d.source, d.account, d.key_type, d.profiles, d.segments, d.features, d.lookback,
       d.active_version, d.watched, d.owner, d.created_at
FROM segmentation.definition d
WHERE pg_catalog.has_table_privilege(d.segments, 'SELECT');
COMMENT ON VIEW segmentation.segmentations IS 'Segmentations whose segments you may read.';

-- A column that is gone, or has another name now, had rights that nobody knows any more: what models tell of it is for the owner of the
-- segments, and for whoever may read the whole relation.
CREATE VIEW segmentation.hidden_attributes WITH (security_barrier) AS
SELECT s.segmentation
FROM segmentation.source s
JOIN segmentation.definition d ON d.name OPERATOR(pg_catalog.=) s.segmentation
CROSS JOIN LATERAL pg_catalog.jsonb_array_elements(s.options OPERATOR(pg_catalog.->) 'features') AS f(j)
LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid OPERATOR(pg_catalog.=) s.relation AND NOT a.attisdropped
                                   AND a.attname OPERATOR(pg_catalog.=) (f.j OPERATOR(pg_catalog.->>) 'column')::pg_catalog.name
WHERE s.role OPERATOR(pg_catalog.=) 'attributes'
  AND pg_catalog.has_table_privilege(d.segments, 'SELECT')
  AND CASE WHEN a.attnum IS NULL
           THEN NOT coalesce(pg_catalog.has_table_privilege(s.relation, 'SELECT') AND NOT pg_catalog.row_security_active(s.relation), false)
            AND NOT EXISTS (SELECT FROM pg_catalog.pg_class c
                            WHERE c.oid OPERATOR(pg_catalog.=) d.segments AND pg_catalog.pg_has_role(c.relowner, 'USAGE'))
           ELSE NOT pg_catalog.has_column_privilege(s.relation, a.attnum, 'SELECT') OR pg_catalog.row_security_active(s.relation) END;
COMMENT ON VIEW segmentation.hidden_attributes IS 'Segmentations whose segments you may read, with features of attributes that you may not read: what a model tells of them is in no profile.';

CREATE VIEW segmentation.readable WITH (security_barrier) AS
SELECT d.name AS segmentation
FROM segmentation.definition d
WHERE pg_catalog.has_table_privilege(d.segments, 'SELECT')
  AND pg_catalog.has_table_privilege(coalesce(d.profiles, d.source), 'SELECT')
  AND NOT pg_catalog.row_security_active(d.segments)
  AND NOT pg_catalog.row_security_active(coalesce(d.profiles, d.source))
  AND NOT EXISTS (SELECT FROM segmentation.hidden_attributes h WHERE h.segmentation OPERATOR(pg_catalog.=) d.name);
COMMENT ON VIEW segmentation.readable IS 'Segmentations whose models you may read: those whose profiles (or ready-made features), segments and source of attributes you may read.';

CREATE VIEW segmentation.models WITH (security_barrier) AS
SELECT f.segmentation, f.version, f.version OPERATOR(pg_catalog.=) d.active_version AS active, f.accounts,
       pg_catalog.jsonb_array_length(m.j OPERATOR(pg_catalog.->) 'segments') AS k,
       (m.j OPERATOR(pg_catalog.#>>) '{quality,silhouette}')::pg_catalog.float8 AS silhouette,
       (m.j OPERATOR(pg_catalog.#>>) '{quality,inertia}')::pg_catalog.float8 AS inertia,
       m.j OPERATOR(pg_catalog.->) 'quality' AS quality,
       m.j OPERATOR(pg_catalog.->) 'provenance' AS provenance,
       f.model, f.created_at, f.created_by, f.state, f.hash
FROM segmentation.fit f
JOIN segmentation.definition d ON d.name OPERATOR(pg_catalog.=) f.segmentation
JOIN segmentation.readable r ON r.segmentation OPERATOR(pg_catalog.=) d.name
CROSS JOIN LATERAL (SELECT (f.model::pg_catalog.text)::pg_catalog.jsonb AS j) m;
COMMENT ON VIEW segmentation.models IS 'Models of segmentations whose profiles (or ready-made features), segments and source of attributes you may read. model is as it was stored, with the names of that time.';

CREATE VIEW segmentation.segments WITH (security_barrier) AS
SELECT f.segmentation, f.version AS model_version,
       n.segment_id, n.name AS segment,
       (s.j OPERATOR(pg_catalog.->>) 'accounts')::bigint AS accounts,
       (s.j OPERATOR(pg_catalog.->>) 'share')::pg_catalog.float8 AS share,
       (s.j OPERATOR(pg_catalog.->>) 'volume_share')::pg_catalog.float8 AS volume_share,
       s.j OPERATOR(pg_catalog.->>) 'description' AS description,
       n.renamed_by_user, n.first_version
FROM segmentation.fit f
JOIN segmentation.definition d ON d.name OPERATOR(pg_catalog.=) f.segmentation
                              AND d.active_version OPERATOR(pg_catalog.=) f.version
JOIN segmentation.readable r ON r.segmentation OPERATOR(pg_catalog.=) d.name
CROSS JOIN LATERAL pg_catalog.jsonb_array_elements((f.model::pg_catalog.text)::pg_catalog.jsonb OPERATOR(pg_catalog.->) 'segments') AS s(j)
JOIN segmentation.segment n ON n.segmentation OPERATOR(pg_catalog.=) f.segmentation
                           AND n.segment_id OPERATOR(pg_catalog.=) (s.j OPERATOR(pg_catalog.->>) 'id')::integer;
COMMENT ON VIEW segmentation.segments IS 'Segments of the active models you may read.';

-- For whoever may read who is in which segment, but not what the model tells: nothing here tells of fewer than 20 accounts. Where one
-- segment alone is that small, the next smallest is left out with it: the rest of all shares would be its share.
CREATE VIEW segmentation.public_segments WITH (security_barrier) AS
SELECT s.segmentation, s.model_version, s.segment_id, s.segment,
       CASE WHEN s.told THEN s.accounts END AS accounts, CASE WHEN s.told THEN s.share END AS share,
       CASE WHEN s.told THEN s.volume_share END AS volume_share, CASE WHEN s.told THEN s.description END AS description, NOT s.told AS masked
FROM (SELECT f.segmentation, f.version AS model_version, n.segment_id, n.name AS segment, c.accounts,
             (c.j OPERATOR(pg_catalog.->>) 'share')::pg_catalog.float8 AS share,
             (c.j OPERATOR(pg_catalog.->>) 'volume_share')::pg_catalog.float8 AS volume_share,
             c.j OPERATOR(pg_catalog.->>) 'description' AS description,
             c.accounts OPERATOR(pg_catalog.>=) 20
             AND NOT (pg_catalog.count(*) FILTER (WHERE c.accounts OPERATOR(pg_catalog.<) 20) OVER (PARTITION BY f.segmentation) OPERATOR(pg_catalog.=) 1
                      AND pg_catalog.row_number() OVER (PARTITION BY f.segmentation ORDER BY c.accounts, n.segment_id) OPERATOR(pg_catalog.=) 2) AS told
      FROM segmentation.fit f
      JOIN segmentation.definition d ON d.name OPERATOR(pg_catalog.=) f.segmentation
                                    AND d.active_version OPERATOR(pg_catalog.=) f.version
      CROSS JOIN LATERAL (SELECT (e.j OPERATOR(pg_catalog.->>) 'accounts')::bigint, e.j
                          FROM pg_catalog.jsonb_array_elements((f.model::pg_catalog.text)::pg_catalog.jsonb OPERATOR(pg_catalog.->) 'segments') AS e(j)) AS c(accounts, j)
      JOIN segmentation.segment n ON n.segmentation OPERATOR(pg_catalog.=) f.segmentation
                                 AND n.segment_id OPERATOR(pg_catalog.=) (c.j OPERATOR(pg_catalog.->>) 'id')::integer
      WHERE pg_catalog.has_table_privilege(d.segments, 'SELECT')
        AND NOT pg_catalog.row_security_active(d.segments)
        AND NOT EXISTS (SELECT FROM segmentation.hidden_attributes h WHERE h.segmentation OPERATOR(pg_catalog.=) d.name)) s;
COMMENT ON VIEW segmentation.public_segments IS 'Segments of the active models whose <name>_segments you may read, without the figures of those of fewer than 20 accounts (masked; where that is one alone, also the next smallest). Not for roles that row-level security shows only some accounts.';

CREATE VIEW segmentation.segment_names WITH (security_barrier) AS
SELECT n.segmentation, n.segment_id, n.name AS segment, n.renamed_by_user, n.first_version, n.last_version, n.dissolved_in
FROM segmentation.segment n
JOIN segmentation.readable r ON r.segmentation OPERATOR(pg_catalog.=) n.segmentation;
COMMENT ON VIEW segmentation.segment_names IS 'Every segment that a segmentation whose models you may read has or had: its name, the first and the last version with it, and the version whose activation ended it.';

CREATE VIEW segmentation.events WITH (security_barrier) AS
SELECT e.segmentation, e.number, e.version, e.event, e.from_state, e.to_state, e.at, e.by, e.login, e.reason, e.details
FROM segmentation.event e
WHERE (EXISTS (SELECT FROM segmentation.readable r WHERE r.segmentation OPERATOR(pg_catalog.=) e.segmentation)
       AND NOT EXISTS (SELECT FROM segmentation.event x
                       WHERE x.segmentation OPERATOR(pg_catalog.=) e.segmentation
                         AND x.event OPERATOR(pg_catalog.=) 'drop' AND x.number OPERATOR(pg_catalog.>=) e.number))
   OR EXISTS (SELECT FROM pg_catalog.pg_extension x
              WHERE x.extname OPERATOR(pg_catalog.=) 'pg_segmentation' AND pg_catalog.pg_has_role(x.extowner, 'USAGE'));
COMMENT ON VIEW segmentation.events IS 'What happened to the segmentations whose models you may read: who, when, why. by: the role whose rights counted; login: the one that connected. Events of dropped segmentations are shown to the owner of the extension and to superusers.';

CREATE VIEW segmentation.segment_changes WITH (security_barrier) AS
SELECT e.segmentation, e.version, (e.details OPERATOR(pg_catalog.->>) 'against')::integer AS against,
       c.j OPERATOR(pg_catalog.->>) 'change' AS change,
       ARRAY(SELECT i::integer FROM pg_catalog.jsonb_array_elements_text(c.j OPERATOR(pg_catalog.->) 'old') AS i) AS old_segments,
       ARRAY(SELECT i::integer FROM pg_catalog.jsonb_array_elements_text(c.j OPERATOR(pg_catalog.->) 'new') AS i) AS new_segments,
       (c.j OPERATOR(pg_catalog.->>) 'accounts')::bigint AS accounts,
       (c.j OPERATOR(pg_catalog.->>) 'jaccard')::pg_catalog.float8 AS jaccard
FROM segmentation.events e
CROSS JOIN LATERAL pg_catalog.jsonb_array_elements(e.details OPERATOR(pg_catalog.->) 'changes') AS c(j)
WHERE e.event OPERATOR(pg_catalog.=) 'fit';
COMMENT ON VIEW segmentation.segment_changes IS 'What each fit made of the segments of the model that was active then: kept, split, merged, dissolved, new.';

CREATE VIEW segmentation.sources WITH (security_barrier) AS
SELECT s.segmentation, s.role, s.relation, s.columns, s.options
FROM segmentation.source s
JOIN segmentation.definition d ON d.name OPERATOR(pg_catalog.=) s.segmentation
WHERE pg_catalog.has_table_privilege(d.segments, 'SELECT');
COMMENT ON VIEW segmentation.sources IS 'Relations beside the trades of segmentations whose segments you may read.';

CREATE VIEW segmentation.features AS
SELECT c.feature, c.feature_group, c.unit, c.class, c.needs, c.transform, c.in_fit, c.label, c.meaning,
       c.at_least, c.formula, c.source, c.absence
FROM segmentation.catalogue_of_features() c;
COMMENT ON VIEW segmentation.features IS 'Every feature: unit, class of its state (G group, M monoid, O ordered, J joined to a market), inputs it needs (arguments of trade(...); snapshot.* are those of account_snapshot(...), market.* what is known of the venue), default transform, whether a fit uses it by default, meaning, least observations, formula, source of the formula, and of what an account without a value has none (NULL: the value is only not known).';

GRANT SELECT ON segmentation.segmentations, segmentation.sources, segmentation.hidden_attributes, segmentation.readable, segmentation.models, segmentation.segments, segmentation.public_segments, segmentation.segment_names, segmentation.events, segmentation.segment_changes, segmentation.features TO PUBLIC;
