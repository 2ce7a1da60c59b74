-- description: Workflow definitions, their versions, and which version is the latest
-- breaking: false

create schema if not exists workflow_orchestrator_service;

-- Document 004's table, one row per content of a version. What a row says never changes, only its status does:
-- a version whose content is replaced gets a new row, so whoever holds a row by its id holds it for good.
create table workflow_orchestrator_service.workflow_definitions (
  id uuid primary key,
  namespace text not null default 'default',
  workflow_id varchar(255) not null,
  name varchar(255) not null,
  description text,
  version varchar(50) not null,
  -- The version as text whose order by bytes is the order of versions.
  version_order text collate "C" not null,
  status varchar(50) not null check (status in ('draft', 'active', 'deprecated', 'replaced', 'deleted')),
  steps jsonb not null,
  input_schema jsonb,
  output_schema jsonb,
  output jsonb,
  variables jsonb,
  compensation_steps jsonb,
  compensate_on_failure boolean,
  cancellation_triggers jsonb,
  -- A number of milliseconds or an ISO 8601 duration, as it was written.
  timeout jsonb,
  ui_components jsonb,
  execution_log jsonb,
  template_id varchar(255),
  created_by varchar(255),
  -- SHA-256 of the content: all of the above but version, status and author.
  content_hash text not null,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
-- One visible row per version. Serves the versions of a workflow from the highest down, and a version by its number.
create unique index workflow_definitions_version_key
  on workflow_orchestrator_service.workflow_definitions (namespace, workflow_id, version_order)
  where status in ('draft', 'active', 'deprecated');
-- Serves the list of a namespace, newest first (the ids are in order of time).
create index workflow_definitions_namespace_idx
  on workflow_orchestrator_service.workflow_definitions (namespace, id)
  where status in ('draft', 'active', 'deprecated');

-- The latest active version of each workflow. Every change of a workflow's versions locks its row here first, so
-- changes of one workflow follow one another. `revision` grows whenever the latest becomes another row, and never falls.
create table workflow_orchestrator_service.workflow_heads (
  namespace text not null,
  workflow_id varchar(255) not null,
  revision bigint not null default 0,
  definition_id uuid,
  primary key (namespace, workflow_id)
) with (fillfactor = 70);

-- Whether a start resolved a "latest" that has changed since; rows are [namespace, workflow id, revision].
create or replace function workflow_orchestrator_service.heads_are_stale(heads jsonb) returns boolean
language sql stable as $$
  select exists (
    select 1 from jsonb_array_elements(heads) e
    left join workflow_orchestrator_service.workflow_heads h
      on h.namespace = e->>0 and h.workflow_id = e->>1
    where h.revision is distinct from (e->>2)::bigint)
$$;
