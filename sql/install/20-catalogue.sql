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
  scored_as_of    timestamptz,
  watched         boolean NOT NULL DEFAULT false,
  min_overlap     pg_catalog.float8 NOT NULL DEFAULT 0.5
                  CHECK (min_overlap OPERATOR(pg_catalog.>=) 0 AND min_overlap OPERATOR(pg_catalog.<=) 1),
  owner           text NOT NULL,
  created_at      timestamptz NOT NULL DEFAULT pg_catalog.transaction_timestamp()
);
COMMENT ON TABLE segmentation.definition IS 'One row a segmentation: what create_segmentation declared.';
COMMENT ON COLUMN segmentation.definition.source IS 'Trade table, or table of ready-made features.';
COMMENT ON COLUMN segmentation.definition.columns IS 'Input of trade(...) to column of the source; or the features'' columns.';
COMMENT ON COLUMN segmentation.definition.features IS 'Features that a fit uses, in their order: built-in ones, then columns of the source of attributes.';
COMMENT ON COLUMN segmentation.definition.next_segment_id IS 'Segment ids are never used again.';
COMMENT ON COLUMN segmentation.definition.scored_as_of IS 'The instant that all accounts were scored at last; inserts into a watched table score later: <name>_segments has the instant of each account.';
COMMENT ON COLUMN segmentation.definition.min_overlap IS 'A model that moves more than the rest of the common accounts to another segment is activated only with force and a reason.';

CREATE TABLE segmentation.fit (
  segmentation text NOT NULL,
  version      integer NOT NULL,
  model        segmentation.model NOT NULL,
  accounts     bigint NOT NULL,
  segments     integer[] NOT NULL,
  hash         text NOT NULL,
  state        text NOT NULL DEFAULT 'candidate'
               CHECK (state OPERATOR(pg_catalog.=) ANY (ARRAY['candidate', 'active', 'retired', 'rejected'])),
  created_at   timestamptz NOT NULL DEFAULT pg_catalog.transaction_timestamp(),
  created_by   text NOT NULL,
  PRIMARY KEY (segmentation, version)
);
COMMENT ON TABLE segmentation.fit IS 'One row a model; nothing but its state changes once it is written.';
COMMENT ON COLUMN segmentation.fit.segments IS 'Ids of its segments, in the order of the model.';
COMMENT ON COLUMN segmentation.fit.hash IS 'Of the model without the ids and names of its segments and without its warnings.';

CREATE TABLE segmentation.segment (
  segmentation    text NOT NULL,
  segment_id      integer NOT NULL,
  name            text NOT NULL,
  renamed_by_user boolean NOT NULL DEFAULT false,
  first_version   integer NOT NULL,
  last_version    integer NOT NULL,
  dissolved_in    integer,
  PRIMARY KEY (segmentation, segment_id)
);
COMMENT ON TABLE segmentation.segment IS 'One row a segment that any version of the segmentation has or had, with its name.';
COMMENT ON COLUMN segmentation.segment.dissolved_in IS 'The version whose activation ended the segment; NULL while it is active, and before it ever was.';

CREATE TABLE segmentation.event (
  segmentation text NOT NULL,
  number       integer NOT NULL,
  version      integer,
  event        text NOT NULL,
  from_state   text,
  to_state     text,
  at           timestamptz NOT NULL DEFAULT pg_catalog.transaction_timestamp(),
  by           text NOT NULL,
  login        text NOT NULL,
  reason       text,
  details      jsonb NOT NULL,
  PRIMARY KEY (segmentation, number)
);
COMMENT ON TABLE segmentation.event IS 'What happened to a segmentation, numbered from 1. Rows are added, never changed, and stay when the segmentation is dropped.';
COMMENT ON COLUMN segmentation.event.by IS 'The role whose rights counted (current_user).';
COMMENT ON COLUMN segmentation.event.login IS 'The role that connected (session_user).';

-- Nobody but the extension's owner may write these tables; that the past stays as it was holds for the owner, too.
CREATE FUNCTION segmentation.refuse_change() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $refuse$
BEGIN
  RAISE EXCEPTION '% of segmentation.% is refused: what is written there stays as it is', TG_OP, TG_TABLE_NAME
    USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'A new version is made by fit_segmentation or import_model.';
END
$refuse$;
COMMENT ON FUNCTION segmentation.refuse_change() IS 'Trigger that keeps models and events as they were written.';

CREATE TRIGGER refuse_change
  BEFORE UPDATE OF segmentation, version, model, accounts, segments, hash, created_at, created_by ON segmentation.fit
  FOR EACH ROW EXECUTE FUNCTION segmentation.refuse_change();
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON segmentation.event
  FOR EACH STATEMENT EXECUTE FUNCTION segmentation.refuse_change();

CREATE FUNCTION segmentation.refuse_deletion() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $refuse$
BEGIN
  IF TG_OP OPERATOR(pg_catalog.=) 'TRUNCATE' OR EXISTS (SELECT FROM segmentation.definition d WHERE d.name OPERATOR(pg_catalog.=) OLD.segmentation) THEN
    RAISE EXCEPTION '% of segmentation.% is refused: models stay as long as their segmentation', TG_OP, TG_TABLE_NAME
      USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'reject_model takes a version out of use; drop_segmentation removes all of them.';
  END IF;
  RETURN OLD;
END
$refuse$;
COMMENT ON FUNCTION segmentation.refuse_deletion() IS 'Trigger that keeps the models of a segmentation until it is dropped.';

CREATE TRIGGER refuse_deletion BEFORE DELETE ON segmentation.fit
  FOR EACH ROW EXECUTE FUNCTION segmentation.refuse_deletion();
CREATE TRIGGER refuse_truncation BEFORE TRUNCATE ON segmentation.fit
  FOR EACH STATEMENT EXECUTE FUNCTION segmentation.refuse_deletion();

CREATE TABLE segmentation.source (
  segmentation text NOT NULL,
  role         text NOT NULL CHECK (role OPERATOR(pg_catalog.=) ANY (ARRAY['instruments', 'leveraged_tokens', 'prices', 'quotes', 'snapshots', 'attributes', 'masters'])),
  relation     regclass,
  columns      jsonb NOT NULL,
  options      jsonb NOT NULL,
  PRIMARY KEY (segmentation, role)
);
COMMENT ON TABLE segmentation.source IS 'One row a relation beside the trades that a segmentation declares.';
COMMENT ON COLUMN segmentation.source.relation IS 'NULL where instruments are only read from their names.';
COMMENT ON COLUMN segmentation.source.columns IS 'Input to column of the relation.';
COMMENT ON COLUMN segmentation.source.options IS 'The other keys of the declaration; of attributes, their features.';

SELECT pg_catalog.pg_extension_config_dump('segmentation.definition', '');
SELECT pg_catalog.pg_extension_config_dump('segmentation.source', '');
SELECT pg_catalog.pg_extension_config_dump('segmentation.fit', '');
SELECT pg_catalog.pg_extension_config_dump('segmentation.segment', '');
SELECT pg_catalog.pg_extension_config_dump('segmentation.event', '');
