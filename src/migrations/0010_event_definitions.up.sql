-- description: Event definitions, and per namespace how strictly events are checked by them
-- breaking: false

-- Document 004's event_definitions. Pattern, source types and schema of a version never change.
create table event_processing_service.event_definitions (
  id uuid primary key,
  namespace text not null default 'default',
  -- All versions have it in common.
  event_id varchar(255) not null,
  name varchar(255) not null,
  description text,
  -- The name of the events that it describes; no wildcards. Among the active ones of a namespace it belongs to one event_id.
  pattern varchar(255) not null,
  version varchar(50) not null,
  -- The version as text whose order by bytes is the order of versions; two versions never have the same.
  version_order text collate "C" not null,
  -- Null: every one.
  source_types jsonb,
  -- Null: any payload.
  payload_schema jsonb,
  examples jsonb not null default '[]',
  ui_metadata jsonb,
  status varchar(50) not null check (status in ('active', 'deprecated', 'draft')),
  created_by varchar(255),
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
-- One row per version. Serves a version by its number, and the highest of an event_id.
create unique index event_definitions_version_key
  on event_processing_service.event_definitions (namespace, event_id, version_order);
-- Serves what the intake looks up: the latest active version of a name.
create index event_definitions_pattern_idx
  on event_processing_service.event_definitions (namespace, pattern, version_order) where status = 'active';
-- Serves the list of a namespace, newest first (the ids are in order of time).
create index event_definitions_namespace_idx on event_processing_service.event_definitions (namespace, id);

-- How a namespace checks its events; without a row as the defaults say, and it has no definitions. The row is locked by every
-- change of a definition of its namespace. `revision` counts those changes, and the intake compares it.
create table event_processing_service.event_settings (
  namespace text primary key,
  validation varchar(20) not null default 'open' check (validation in ('open', 'strict', 'lenient')),
  revision bigint not null default 1,
  updated_at timestamptz not null default now(),
  updated_by varchar(255)
) with (fillfactor = 70);

-- Serves the intake: a refused event that is sent again is the same dead letter.
create unique index dead_letter_queue_intake_key
  on event_processing_service.dead_letter_queue (namespace, event_id, (coalesce(original_event->>'sourceKey', '')))
  where subscriber_id = 'intake';
