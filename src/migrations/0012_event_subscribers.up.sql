-- description: Event subscriptions, reprocessing of dead letters, replays
-- breaking: false

-- Whom events are sent to: an address on the web, or a handler of an embedding program.
--
--     active ──suspend──▶ suspended ──resume──▶ active
--     active, suspended ──410, or only failures for too long──▶ disabled ──enable──▶ active
--     any ──delete──▶ deleted (kept for a while, so that nodes notice)
create table event_processing_service.event_subscriptions (
  id uuid primary key,
  namespace text not null,
  -- By which a program finds its own again; unique among those that are not deleted.
  name varchar(255),
  event_pattern varchar(255) not null,
  subscriber_type varchar(20) not null check (subscriber_type in ('webhook', 'handler')),
  endpoint varchar(2048),
  -- The name of a handler that programs register.
  handler varchar(255),
  headers jsonb not null default '{}',
  -- { "type": "basic" | "bearer" | "api-key", … }, with the credential.
  authentication jsonb,
  -- [{ "secret", "createdAt", "expiresAt"? }], the newest first; all that have not expired sign.
  secrets jsonb not null default '[]',
  -- A CEL condition over `event`.
  filter text,
  -- { "maxAttempts", "initialDelay", "backoffFactor", "maxDelay", "jitter" }, delays in milliseconds.
  retry_policy jsonb not null,
  timeout_ms integer not null check (timeout_ms between 1 and 300000),
  max_concurrency integer not null check (max_concurrency between 1 and 1000),
  -- How long it may fail without one success before it is disabled; null: for ever.
  disable_after_ms bigint check (disable_after_ms > 0),
  description text,
  status varchar(20) not null default 'active' check (status in ('active', 'suspended', 'disabled', 'deleted')),
  status_reason text,
  -- The first failure since the last success.
  failing_since timestamptz,
  last_delivered_at timestamptz,
  disabled_at timestamptz,
  -- From when on events are missing because it is disabled.
  missed_since timestamptz,
  -- What `routing_changed()` gave when it was last changed in a way that matters to routing.
  routing_revision bigint not null,
  created_by text not null,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  check ((subscriber_type = 'webhook') = (endpoint is not null)),
  check ((subscriber_type = 'handler') = (handler is not null))
) with (fillfactor = 80);
-- Serves the list of a namespace, newest first.
create index event_subscriptions_namespace_idx on event_processing_service.event_subscriptions (namespace, id);
-- Serves the look-up by name, and keeps names unique.
create unique index event_subscriptions_name_idx on event_processing_service.event_subscriptions (namespace, name)
  where name is not null and status <> 'deleted';
-- Serves the loading of what changed since a revision.
create index event_subscriptions_revision_idx on event_processing_service.event_subscriptions (routing_revision);

-- The payload that is sent in the place of the event's, where a dead letter was edited.
alter table event_processing_service.event_deliveries add column payload jsonb;
-- A claim goes by subscription; this index would lead it past what is due for all others.
drop index event_processing_service.event_deliveries_due_idx;
-- Serves the claim: who has something to be sent, and when. A claim puts `next_attempt_at` to its own end.
create index event_deliveries_open_idx on event_processing_service.event_deliveries (subscription_id, next_attempt_at, id)
  where status = 'pending';
-- Serves the count of what is under way to one subscriber.
create index event_deliveries_claimed_idx on event_processing_service.event_deliveries (subscription_id)
  where claimed_until is not null;
-- Serves the removal of old ones.
create index event_deliveries_completed_idx on event_processing_service.event_deliveries (completed_at)
  where completed_at is not null;

-- Serves the automatic retries of what triggers could not take.
create index dead_letter_queue_trigger_idx on event_processing_service.dead_letter_queue (updated_at)
  where status = 'pending' and subscriber_id like 'trigger:%' and retry_count < 5;
-- Serves the removal of old ones.
create index dead_letter_queue_ended_idx on event_processing_service.dead_letter_queue (updated_at)
  where status in ('resolved', 'discarded');

-- Dead letters tried again in great number. A node that works on one holds a claim; another one goes on after `cursor`.
create table event_processing_service.dead_letter_reprocessings (
  id uuid primary key,
  namespace text not null,
  filter jsonb not null,
  batch_size integer not null check (batch_size between 1 and 500),
  concurrency integer not null check (concurrency between 1 and 50),
  status varchar(20) not null default 'running' check (status in ('running', 'completed', 'cancelled')),
  requested_by text not null,
  -- How many letters there were when it was made.
  matched bigint not null,
  done bigint not null default 0,
  succeeded bigint not null default 0,
  failed bigint not null default 0,
  -- The first hundred: [{ "id", "problem" }].
  failures jsonb not null default '[]',
  cursor uuid,
  claimed_by uuid,
  claimed_until timestamptz,
  created_at timestamptz not null default now(),
  completed_at timestamptz
);
-- Serves the list of a namespace, newest first.
create index dead_letter_reprocessings_namespace_idx on event_processing_service.dead_letter_reprocessings (namespace, id);
-- Serves the claim.
create index dead_letter_reprocessings_open_idx on event_processing_service.dead_letter_reprocessings (id)
  where status = 'running';
-- Serves the removal of old ones.
create index dead_letter_reprocessings_completed_idx on event_processing_service.dead_letter_reprocessings (completed_at)
  where completed_at is not null;

-- Events routed once more. Worked off like the above, in the order of the events' ids; a page and its cursor are one commit.
create table event_processing_service.event_replays (
  id uuid primary key,
  namespace text not null,
  event_pattern varchar(255) not null,
  -- When the events were accepted: from this instant, and before that one.
  from_at timestamptz not null,
  to_at timestamptz not null,
  filter text,
  -- Ids of triggers and subscriptions; null: all whose patterns fit.
  targets uuid[],
  -- Only what the one target, a subscription, has not got.
  only_missing boolean not null default false,
  status varchar(20) not null default 'running' check (status in ('running', 'completed', 'cancelled', 'failed')),
  error text,
  requested_by text not null,
  found bigint not null default 0,
  replayed bigint not null default 0,
  cursor uuid,
  claimed_by uuid,
  claimed_until timestamptz,
  created_at timestamptz not null default now(),
  completed_at timestamptz
);
-- Serves the list of a namespace, newest first.
create index event_replays_namespace_idx on event_processing_service.event_replays (namespace, id);
-- Serves the claim.
create index event_replays_open_idx on event_processing_service.event_replays (id) where status = 'running';
-- Serves the removal of old ones.
create index event_replays_completed_idx on event_processing_service.event_replays (completed_at)
  where completed_at is not null;
