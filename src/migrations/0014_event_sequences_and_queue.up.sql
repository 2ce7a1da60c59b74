-- description: Event sequences and their members; the state of the event queue and its checkpoints
-- breaking: false

-- Document 004's event_sequences. Whoever works on one holds a claim and takes `revision` with it; every change counts
-- the revision up, so that what was decided from an older state is not written.
create table event_processing_service.event_sequences (
  id uuid primary key,
  namespace text not null,
  sequence_id varchar(255) not null,
  name varchar(255) not null,
  description text,
  version varchar(50),
  status varchar(20) not null default 'created'
    check (status in ('created', 'in_progress', 'completed', 'failed', 'cancelled')),
  -- { correlationId, causationId, source, tags }.
  metadata jsonb not null default '{}',
  -- { type, maxRetries?, compensatingEvents?: [{ pattern, payloadTemplate }] }; null: it only stops.
  rollback_strategy jsonb,
  -- What became of it: { status: completed|failed|given_up, events?: [...], error? }.
  rollback jsonb,
  -- Of the member by which it failed: { message, code, order, position, targets }.
  error jsonb,
  created_by text not null,
  -- Of what it was made of: the same again is the same sequence.
  request_hash text not null,
  revision integer not null default 0,
  claimed_by uuid,
  claimed_until timestamptz,
  -- When to look again at what is under way, and since when nothing has changed.
  next_look_at timestamptz not null default now(),
  progressed_at timestamptz not null default now(),
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  started_at timestamptz,
  completed_at timestamptz,
  -- Serves the reading by the name that people give, too.
  unique (namespace, sequence_id)
) with (fillfactor = 70);
-- Serves the list of a namespace, newest first.
create index event_sequences_namespace_idx on event_processing_service.event_sequences (namespace, id);
-- Serves the list of those with a status.
create index event_sequences_status_idx on event_processing_service.event_sequences (namespace, status, id);
-- Serve the lists by correlation and by cause.
create index event_sequences_correlation_idx
  on event_processing_service.event_sequences (namespace, (metadata->>'correlationId'), id) where metadata ? 'correlationId';
create index event_sequences_causation_idx
  on event_processing_service.event_sequences (namespace, (metadata->>'causationId'), id) where metadata ? 'causationId';
-- Serves the claim of what is due.
create index event_sequences_due_idx on event_processing_service.event_sequences (next_look_at, id) where status = 'in_progress';
-- Serves the removal of old ones.
create index event_sequences_completed_idx on event_processing_service.event_sequences (completed_at)
  where completed_at is not null;

-- Document 004's event_sequence_events.
create table event_processing_service.event_sequence_events (
  id uuid primary key,
  sequence_id uuid not null references event_processing_service.event_sequences (id) on delete cascade,
  -- The place in the list that the sequence was made of, from 0; `events[n]` in templates.
  position integer not null check (position >= 0),
  "order" integer not null check ("order" >= 1),
  required boolean not null,
  wait_for_instances boolean not null default false,
  status varchar(20) not null default 'pending'
    check (status in ('pending', 'published', 'processed', 'failed', 'skipped')),
  -- The event's row: given, or known once it is published.
  event_id uuid,
  -- Whether the event was there before the sequence. Otherwise `body` says what is published.
  given boolean not null,
  -- { pattern, payload, metadata?, version?, partitionKey? }; null where the event was given.
  body jsonb,
  retries integer not null default 0,
  -- The replay by which it was last routed again.
  replay_id uuid,
  -- What it waits for while it is published: routing, deliveries, instances.
  waiting_for varchar(20),
  error jsonb,
  published_at timestamptz,
  processing_timestamp timestamptz,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  check (given = (body is null)),
  check (not given or event_id is not null),
  -- Serves the reading of a sequence's members.
  unique (sequence_id, "order", position)
) with (fillfactor = 70);
-- Serves the sequences in which an event is.
create index event_sequence_events_event_idx on event_processing_service.event_sequence_events (event_id)
  where event_id is not null;

-- Document 004's event_queue_state, one row per queue. What waits in the queue is not copied here: accepted events have
-- rows of their own, and those that are not routed yet are in the inbox.
create table event_processing_service.event_queue_state (
  id varchar(255) primary key,
  status varchar(20) not null default 'active' check (status in ('active', 'paused', 'draining')),
  config jsonb not null,
  -- { totalProcessed, totalErrors, avgProcessingTimeMs }: of everything below `counted_until`.
  queue_metrics jsonb not null default '{"totalProcessed": 0, "totalErrors": 0, "avgProcessingTimeMs": 0}',
  -- The last event that was routed, as far as it is known.
  checkpoint_id varchar(255),
  -- An id of the time up to which all events were routed and counted.
  counted_until uuid not null,
  -- What was counted when it was last looked at: rates are differences.
  sampled_at timestamptz not null default now(),
  sampled_accepted bigint not null default 0,
  sampled_processed bigint not null default 0,
  rates jsonb not null default '{"acceptedPerSecond": 0, "processedPerSecond": 0}',
  changed_by text,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
) with (fillfactor = 50);

insert into event_processing_service.event_queue_state (id, config, counted_until) values (
  'main-queue',
  '{"maxQueueDepth": 10000, "highWatermark": 8000, "batchSize": 100, "processingInterval": 1000, "persistenceThreshold": 500}',
  workflow_orchestrator_service.uuid_floor(now() - interval '1 day'));

create table event_processing_service.queue_checkpoints (
  id uuid primary key,
  queue_id varchar(255) not null references event_processing_service.event_queue_state (id) on delete cascade,
  -- The last event that had been routed; null where there was none.
  checkpoint_id varchar(255),
  event_count bigint not null,
  reason varchar(20) not null check (reason in ('asked', 'paused', 'drained', 'stopped')),
  created_at timestamptz not null default now()
);
-- Serves the list of a queue's checkpoints, newest first, and the removal of the oldest.
create index queue_checkpoints_queue_idx on event_processing_service.queue_checkpoints (queue_id, id);
