-- description: Operations on many instances, with their progress
-- breaking: false

-- One row per operation. A node that works on one holds a claim, which it renews; when the claim has run out, another
-- node goes on after `cursor`. Instances are taken in the order of their ids, the newest first.
create table workflow_orchestrator_service.bulk_operations (
  id uuid primary key,
  namespace text not null,
  action varchar(20) not null check (action in ('cancel', 'pause', 'resume', 'retry', 'restart', 'priority', 'skip')),
  status varchar(20) not null default 'running' check (status in ('running', 'completed', 'cancelled')),
  -- What a list of instances is asked for, bounded by the newest instance that it found when the operation was made.
  filter jsonb,
  -- Or the instances themselves, each once.
  ids uuid[],
  -- What the action needs: a reason, a step, a priority.
  parameters jsonb not null default '{}',
  requested_by text not null,
  -- How many instances there were when the operation was made.
  matched bigint not null check (matched >= 0),
  -- The last instance that is done with.
  cursor uuid,
  -- What is being acted on, where acting twice is not the same as acting once. Whoever finds something here after the
  -- claim of another node does not know what became of it, and leaves it.
  in_hand uuid[] not null default '{}',
  done bigint not null default 0,
  succeeded bigint not null default 0,
  failed bigint not null default 0,
  -- The first hundred: [{ "instanceId", "problem" }].
  failures jsonb not null default '[]',
  claimed_by uuid,
  claimed_until timestamptz,
  created_at timestamptz not null default now(),
  completed_at timestamptz,
  check ((filter is null) <> (ids is null)),
  check (done = succeeded + failed)
);
-- Serves the list of a namespace, newest first (the ids are in order of time).
create index bulk_operations_namespace_idx on workflow_orchestrator_service.bulk_operations (namespace, id);
-- Serves the claim: the oldest operation that nobody works on.
create index bulk_operations_open_idx on workflow_orchestrator_service.bulk_operations (id) where status = 'running';
-- Serves the removal of old ones.
create index bulk_operations_completed_idx on workflow_orchestrator_service.bulk_operations (completed_at)
  where completed_at is not null;
