-- description: Triggers: what starts and cancels workflows; secrets of inbound webhooks
-- breaking: false

-- Document 004's workflow_event_triggers with document 000's types of triggers (`kind`). Times and numbers of firings are
-- in trigger_firings.
create table workflow_orchestrator_service.workflow_event_triggers (
  id uuid primary key,
  namespace text not null,
  -- By which it is referred to; one at a time has it.
  name varchar(255) not null,
  kind varchar(20) not null check (kind in ('event', 'schedule', 'webhook', 'manual')),
  trigger_type varchar(50) not null default 'START' check (trigger_type in ('START', 'CANCEL')),
  -- The workflow, and the version when it is to be no other; null where a webhook only publishes.
  workflow_id varchar(255),
  workflow_version varchar(50),
  -- The version's content when the trigger was written; null when the latest is meant.
  workflow_definition_id uuid,
  -- What events it takes; of a webhook the name under which its calls are published, which may hold expressions.
  event_pattern varchar(255),
  -- What routing looks events up by; null where no event is taken.
  routing_pattern varchar(255),
  event_condition text,
  input_mapping jsonb,
  -- An expression over the event.
  correlation_key text,
  -- Lower comes first.
  priority integer not null default 100,
  instance_priority integer check (instance_priority between 1 and 10),
  cancel_reason text,
  compensate boolean not null default true,
  enabled boolean not null default true,
  description text,
  schedule_id uuid,
  -- How calls are verified and read; secrets are in a table of their own.
  webhook jsonb,
  -- What routing_changed() gave to the last change.
  routing_revision bigint not null,
  created_by varchar(255),
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  -- It is deleted; the row stays for a few days, so that nodes that know it hear of it.
  removed_at timestamptz
) with (fillfactor = 80);
-- One trigger per name. Serves the look-up by name.
create unique index workflow_event_triggers_name_key
  on workflow_orchestrator_service.workflow_event_triggers (namespace, name) where removed_at is null;
-- Serves the list of a namespace, newest first.
create index workflow_event_triggers_namespace_idx
  on workflow_orchestrator_service.workflow_event_triggers (namespace, id) where removed_at is null;
-- Serves the list of one workflow's triggers.
create index workflow_event_triggers_workflow_idx
  on workflow_orchestrator_service.workflow_event_triggers (namespace, workflow_id, id) where removed_at is null;
-- Serves the list by pattern.
create index workflow_event_triggers_pattern_idx
  on workflow_orchestrator_service.workflow_event_triggers (namespace, event_pattern, id) where removed_at is null;
-- Serves the load of all that take events, and of what changed since a revision.
create index workflow_event_triggers_routing_idx
  on workflow_orchestrator_service.workflow_event_triggers (routing_revision);
-- Serves the removal of what was deleted.
create index workflow_event_triggers_removed_idx
  on workflow_orchestrator_service.workflow_event_triggers (removed_at) where removed_at is not null;

-- What inbound calls are verified by. Whoever signs needs the secret itself, so it stands here as it is and nothing but the
-- verification reads it; a plain token is kept as its SHA-256.
create table workflow_orchestrator_service.trigger_secrets (
  trigger_id uuid not null references workflow_orchestrator_service.workflow_event_triggers (id) on delete cascade,
  id uuid not null,
  secret text not null,
  created_at timestamptz not null default now(),
  -- Set by a rotation: until then the old one is good too.
  expires_at timestamptz,
  primary key (trigger_id, id)
);
