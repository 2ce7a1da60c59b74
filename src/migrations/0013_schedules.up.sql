-- description: Schedules that start workflows, and their backfills
-- breaking: false

-- DOMAIN's schedules. The slot of the id leads to the home shard, whose owner fires it; what becomes of each planned time is
-- in schedule_occurrences. The control plane alone writes these rows; `completed` and `error` are read from the times left
-- and the last occurrence, so that nothing but the flush writes while it runs.
create table workflow_orchestrator_service.schedules (
  id uuid primary key,
  namespace text not null default 'default',
  name varchar(255) not null,
  description text,
  kind varchar(20) not null check (kind in ('cron', 'interval', 'once')),
  type varchar(20) not null generated always as (case kind when 'once' then 'one-time' else 'recurring' end) stored,
  target_type varchar(20) not null default 'workflow' check (target_type in ('workflow', 'task')),
  -- Of a workflow: the id of a version, or a workflowId.
  target_id varchar(255) not null,
  target_version varchar(50),
  cron_expression varchar(255),
  interval_ms bigint check (interval_ms >= 1000),
  execute_at timestamptz,
  timezone varchar(64) not null default 'UTC',
  start_date timestamptz,
  end_date timestamptz,
  -- An interval's zero.
  anchor_at timestamptz not null,
  jitter_ms bigint not null default 0,
  overlap_policy varchar(20) not null default 'skip'
    check (overlap_policy in ('allow', 'skip', 'queue_one', 'queue_all', 'cancel_running')),
  catch_up_ms bigint not null,
  -- With `${…}` over `schedule`.
  input jsonb not null default '{}',
  correlation_id text,
  priority smallint not null default 5,
  status varchar(20) not null default 'active' check (status in ('active', 'paused')),
  paused_at timestamptz,
  -- Planned times up to here are no longer its concern.
  planned_from timestamptz not null,
  -- The last planned time, where there is one.
  final_at timestamptz,
  -- Counts the changes of its times and status: the timer of the home names the one that it was armed for.
  revision integer not null default 1,
  -- Counts all changes.
  version integer not null default 1,
  -- Of when people last triggered it: each such time is later than the one before.
  triggered_at timestamptz,
  created_by varchar(255),
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  check ((kind = 'cron') = (cron_expression is not null)),
  check ((kind = 'interval') = (interval_ms is not null)),
  check ((kind = 'once') = (execute_at is not null))
);
-- One name per namespace.
create unique index schedules_name_key on workflow_orchestrator_service.schedules (namespace, name);
-- Serves the list of a namespace, newest first.
create index schedules_namespace_idx on workflow_orchestrator_service.schedules (namespace, id);

-- Past times that are to be fired once more or for the first time. Facts in the inbox of the home hold the times; the
-- backfill is over when none is left there.
create table workflow_orchestrator_service.schedule_backfills (
  id uuid primary key,
  namespace text not null,
  schedule_id uuid not null references workflow_orchestrator_service.schedules (id) on delete cascade,
  from_at timestamptz not null,
  until_at timestamptz not null,
  overlap_policy varchar(20) not null,
  -- Planned times that it is to fire.
  total integer not null,
  cancelled_at timestamptz,
  requested_by varchar(255),
  created_at timestamptz not null default now()
);
-- Serves the list of a schedule's backfills, newest first.
create index schedule_backfills_schedule_idx on workflow_orchestrator_service.schedule_backfills (schedule_id, id);

-- What the home reads: its timers, the instances that it started last, and what waits for its turn.
create index timers_schedule_idx on workflow_orchestrator_service.timers (instance_id) where timer_key like '~schedule %';
create index schedule_occurrences_started_idx on workflow_orchestrator_service.schedule_occurrences (shard, schedule_id, instance_id)
  where instance_id is not null;
create index schedule_occurrences_queued_idx on workflow_orchestrator_service.schedule_occurrences (shard, schedule_id, planned_at)
  where status = 'queued';
-- Serves the progress of a backfill.
create index schedule_occurrences_backfill_idx on workflow_orchestrator_service.schedule_occurrences (backfill_id, status)
  where backfill_id is not null;
