-- The catalogue. Its tables are written only by the extension's own functions; users read the views of 90-views.sql.

CREATE TABLE segmentation.definition (
  name            text PRIMARY KEY,
  kind            text NOT NULL CHECK (kind OPERATOR(pg_catalog.=) ANY (ARRAY['trades', 'features'])),
  source          regclass NOT NULL,
  profiles        regclass,
  segments        regclass NOT NULL,
  account         text NOT NULL,
  key_type        regtype NOT NULL,
  columns         jsonb NOT NULL,
  features        text[] NOT NULL,
  lookback        interval,
  next_segment_id integer NOT NULL DEFAULT 1,
  active_version  integer,
  watched         boolean NOT NULL DEFAULT false,
  owner           text NOT NULL,
  created_at      timestamptz NOT NULL DEFAULT pg_catalog.transaction_timestamp()
);
COMMENT ON TABLE segmentation.definition IS 'One row a segmentation: what create_segmentation declared.';
COMMENT ON COLUMN segmentation.definition.source IS 'Trade table, or table of ready-made features.';
COMMENT ON COLUMN segmentation.definition.columns IS 'Input of trade(...) to column of the source; or the features'' columns.';
COMMENT ON COLUMN segmentation.definition.features IS 'Features that a fit uses, in their order.';
COMMENT ON COLUMN segmentation.definition.next_segment_id IS 'Segment ids are never used again.';

CREATE TABLE segmentation.fit (
  segmentation text NOT NULL,
  version      integer NOT NULL,
  model        segmentation.model NOT NULL,
  accounts     bigint NOT NULL,
  created_at   timestamptz NOT NULL DEFAULT pg_catalog.transaction_timestamp(),
  created_by   text NOT NULL,
  PRIMARY KEY (segmentation, version)
);
COMMENT ON TABLE segmentation.fit IS 'One row a model; never changed once written.';

SELECT pg_catalog.pg_extension_config_dump('segmentation.definition', '');
SELECT pg_catalog.pg_extension_config_dump('segmentation.fit', '');
