-- description: The data plane: instances, journal, waits, timers, inbox, keys, payloads, lanes, shard leases, nodes
-- breaking: true

-- Three schemas, named as in document 004 and DESIGN. Hot tables start their keys with the shard, lists start their
-- indexes with the namespace. Tables that grow with time are partitioned by it: instances by their UUIDv7 id, the
-- journal and the transitions by the database's clock at the time of writing. Partitions are weeks; see
-- `engine_ensure_partitions` at the end.

create schema if not exists workflow_orchestrator_service;
create schema if not exists cluster;
create schema if not exists audit;

-- One row: what was chosen when the database was made. Never changes afterwards.
create table cluster.cluster_settings (
  only_row boolean primary key default true check (only_row),
  shards smallint not null check (shards between 1 and 1024),
  created_at timestamptz not null default now()
);
insert into cluster.cluster_settings (shards) values (64);

-- Document 001's node registry. `expires_at` is the lease of the node's beat; `beat` counts beats, so that an observer
-- can tell a new one from the one it saw.
create table cluster.node_registrations (
  node_id varchar(255) primary key,
  node_type varchar(100) not null,
  node_version varchar(50) not null,
  capabilities jsonb not null default '{}',
  endpoints jsonb not null default '{}',
  metadata jsonb not null default '{}',
  health_status varchar(50) not null default 'UNKNOWN'
    check (health_status in ('HEALTHY', 'DEGRADED', 'UNHEALTHY', 'UNKNOWN', 'OFFLINE')),
  last_heartbeat timestamptz,
  registered_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  beat bigint not null default 0,
  expires_at timestamptz not null default now(),
  draining boolean not null default false
) with (fillfactor = 50);
-- Serves document 001's "healthy nodes by type". A heartbeat stays off it (HOT) because it changes neither column.
create index node_registrations_type_health_idx on cluster.node_registrations (node_type, health_status);

-- A lane is one serial line of flushes. Closing its row fences everything that is still under way on it.
create table cluster.lanes (
  lane_id uuid primary key,
  node_id varchar(255) not null,
  opened_at timestamptz not null default now(),
  closed_at timestamptz
) with (fillfactor = 50);
-- Serves the rescue of a dead node: its open lanes.
create index lanes_open_idx on cluster.lanes (node_id) where closed_at is null;

create table cluster.shard_leases (
  shard smallint primary key,
  lane_id uuid,
  epoch integer not null default 0,
  changed_at timestamptz not null default now(),
  -- Takeovers from a dead node within the last minute; the instance that is being folded alone after two of them; and
  -- the one that was when an owner died. Found a second time, it is to blame; once may be chance.
  takeovers smallint not null default 0,
  taken_over_at timestamptz,
  folding uuid,
  suspect uuid
) with (fillfactor = 50);
insert into cluster.shard_leases (shard) select g from generate_series(0, 63) g;

create table cluster.flush_marks (
  lane_id uuid not null,
  seq bigint not null,
  primary key (lane_id, seq)
);

-- Document 001's state-machine history. Append-only. `id` orders rows of one transaction.
create table audit.fsm_transitions (
  id bigint generated always as identity,
  shard smallint not null,
  namespace text not null,
  entity_id uuid not null,
  entity_type varchar(100) not null,
  from_state varchar(50),
  to_state varchar(50) not null,
  transition_event varchar(100) not null,
  transition_data jsonb,
  created_at timestamptz not null default clock_timestamp()
) partition by range (created_at);
-- Serves "history of one entity" (document 001, query 3).
create index fsm_transitions_entity_idx on audit.fsm_transitions (shard, entity_id, created_at);
-- Serves audit trails by time; a BRIN costs next to nothing on an append-only table.
create index fsm_transitions_created_idx on audit.fsm_transitions using brin (created_at);

-- Document 002's instance. `ready` says that the owner must hold the instance in memory (it has work to do); a
-- waiting one is just this row. `state` is the fold of the journal up to `state_seq`.
create table workflow_orchestrator_service.workflow_instances (
  shard smallint not null,
  id uuid not null,
  namespace text not null,
  workflow_definition_id uuid not null,
  workflow_id varchar(255) not null,
  status varchar(50) not null
    check (status in ('CREATED', 'RUNNING', 'WAITING_FOR_EVENT', 'PAUSED', 'COMPLETED', 'FAILED', 'CANCELLED')),
  ready boolean not null,
  priority smallint not null default 5,
  current_step_id varchar(255),
  -- The task that a step waits for because no node of the owner handles it.
  awaiting_task_id varchar(255),
  correlation_id varchar(255),
  started_by varchar(255),
  trigger_event_id uuid,
  version integer not null default 1,
  state_seq integer not null default 0,
  input jsonb not null,
  state jsonb,
  output jsonb,
  error jsonb,
  cancelation jsonb,
  compensation_state jsonb,
  -- Set when the engine could not continue the instance; nothing runs it until an operator acts.
  parked jsonb,
  started_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  completed_at timestamptz,
  primary key (shard, id)
) partition by range (id);
-- Fold after acquiring a shard: what has work to do. Sleeping instances are not in it.
create index workflow_instances_ready_idx on workflow_orchestrator_service.workflow_instances (shard, id)
  where ready;
-- Steps that wait for a handler.
create index workflow_instances_awaiting_idx on workflow_orchestrator_service.workflow_instances (shard, awaiting_task_id, id)
  where awaiting_task_id is not null;
-- Lists, newest first (UUIDv7 ids are in order of time), with or without a filter.
create index workflow_instances_namespace_idx on workflow_orchestrator_service.workflow_instances (namespace, id);
create index workflow_instances_status_idx on workflow_orchestrator_service.workflow_instances (namespace, status, id);
create index workflow_instances_definition_idx
  on workflow_orchestrator_service.workflow_instances (namespace, workflow_id, id);
create index workflow_instances_correlation_idx
  on workflow_orchestrator_service.workflow_instances (namespace, correlation_id, id) where correlation_id is not null;

-- The journal: one row per step attempt that ended, and before it one with status RUNNING where the attempt lasted
-- long enough to be shown. Rows are only ever inserted; `seq` counts within the instance.
create table workflow_orchestrator_service.workflow_instance_steps (
  shard smallint not null,
  instance_id uuid not null,
  seq integer not null,
  path text not null,
  step_id varchar(255) not null,
  type varchar(50) not null,
  attempt integer not null,
  status varchar(50) not null check (status in ('PENDING', 'RUNNING', 'COMPLETED', 'FAILED', 'SKIPPED', 'CANCELLED')),
  input jsonb,
  output jsonb,
  error jsonb,
  -- What the engine decided with this row: successors, variables, due time, consumed signal, warnings.
  outcome jsonb,
  started_at timestamptz not null,
  completed_at timestamptz,
  node_id text not null,
  epoch integer not null,
  recorded_at timestamptz not null default now(),
  primary key (shard, instance_id, seq, recorded_at)
) partition by range (recorded_at);

-- Document 004's subscriptions: the open and past waits of instances.
create table workflow_orchestrator_service.workflow_event_subscriptions (
  shard smallint not null,
  workflow_instance_id uuid not null,
  path text not null,
  namespace text not null,
  event_pattern varchar(255) not null,
  filter_condition text,
  status varchar(50) not null check (status in ('active', 'fulfilled', 'expired', 'cancelled')),
  timeout_at timestamptz,
  wait_step_id varchar(255) not null,
  timeout_handler_step_id varchar(255),
  fulfilled_by_event_id uuid,
  created_at timestamptz not null default now(),
  fulfilled_at timestamptz,
  primary key (shard, workflow_instance_id, path)
);
-- Routing and "who waits for this": active waits by pattern.
create index workflow_event_subscriptions_pattern_idx
  on workflow_orchestrator_service.workflow_event_subscriptions (namespace, event_pattern) where status = 'active';

-- A timer is consumed by deleting its row. The key is also the order in which due ones are read.
create table workflow_orchestrator_service.timers (
  shard smallint not null,
  due_at timestamptz not null,
  instance_id uuid not null,
  timer_key text not null,
  primary key (shard, due_at, instance_id, timer_key)
);

-- Facts from whoever does not own the shard. Read by existence, deleted in the flush that records their effect.
create table workflow_orchestrator_service.inbox (
  shard smallint not null,
  id bigint generated always as identity,
  kind text not null,
  from_shard smallint,
  message_id uuid,
  instance_id uuid not null,
  fact jsonb not null,
  created_at timestamptz not null default now(),
  primary key (shard, id)
);

-- Steps whose handler the owner of their shard does not have: their runner takes the row away and sends the result to the
-- shard's inbox. A runner that dies with a row, or loses it, is noticed by its beat or by the step's time.
create table workflow_orchestrator_service.errands (
  runner text not null,
  id bigint generated always as identity,
  shard smallint not null,
  instance_id uuid not null,
  path text not null,
  step_id varchar(255) not null,
  task_id varchar(255) not null,
  attempt integer not null,
  input jsonb,
  timeout_ms bigint not null,
  created_at timestamptz not null default now(),
  primary key (runner, id)
);

create table workflow_orchestrator_service.idempotency_keys (
  shard smallint not null,
  namespace text not null,
  workflow_id varchar(255) not null,
  key varchar(255) not null,
  instance_id uuid not null,
  workflow_definition_id uuid not null,
  request_hash text not null,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null,
  primary key (shard, namespace, workflow_id, key)
);
-- Serves the removal of expired keys.
create index idempotency_keys_expires_idx on workflow_orchestrator_service.idempotency_keys (expires_at);

-- Values over 64 KiB, written beside the lane before the row that refers to them. Unclaimed ones go after a day.
create table workflow_orchestrator_service.payloads (
  shard smallint not null,
  id uuid not null,
  instance_id uuid not null,
  claimed boolean not null default false,
  body jsonb not null,
  created_at timestamptz not null default now(),
  primary key (shard, id)
);
create index payloads_unclaimed_idx on workflow_orchestrator_service.payloads (created_at) where not claimed;
-- Serves loading (has the instance any?) and the removal of an instance's values together with it. Without the shard, so
-- that it never looks as good as the primary key to a plan that is made while the table is empty.
create index payloads_instance_idx on workflow_orchestrator_service.payloads (instance_id);

------------------------------------------------------------------------------------------------------------------------
-- Partitions. Weeks begin on Monday 00:00 UTC. A new partition is made beside the table and attached, which does not
-- block writers; there is no default partition, because rows in it would block the making of the right one.

create function workflow_orchestrator_service.uuid_floor(instant timestamptz) returns uuid
language sql immutable as $$
  select (lpad(to_hex(floor(extract(epoch from instant) * 1000)::bigint), 12, '0') || '00000000000000000000')::uuid
$$;

create function workflow_orchestrator_service.engine_ensure_partitions(from_at timestamptz, until_at timestamptz)
returns integer language plpgsql set timezone = 'UTC' as $$
declare
  week timestamptz := date_trunc('week', from_at);
  made integer := 0;
  target record;
  part text;
begin
  while week < until_at loop
    for target in
      select * from (values
        ('workflow_orchestrator_service', 'workflow_instances', true),
        ('workflow_orchestrator_service', 'workflow_instance_steps', false),
        ('audit', 'fsm_transitions', false)) t (schema_name, table_name, by_id)
    loop
      part := target.table_name || '_' || to_char(week, 'IYYY"w"IW');
      continue when to_regclass(format('%I.%I', target.schema_name, part)) is not null;
      -- Nodes that start side by side take turns; readers and writers do not notice.
      execute format('lock table only %I.%I in share update exclusive mode', target.schema_name, target.table_name);
      if to_regclass(format('%I.%I', target.schema_name, part)) is null then
        execute format('create table %I.%I (like %I.%I including defaults including constraints including storage)',
          target.schema_name, part, target.schema_name, target.table_name);
        if target.by_id then
          execute format('alter table %I.%I set (fillfactor = 85)', target.schema_name, part);
          execute format('alter table %I.%I attach partition %I.%I for values from (%L) to (%L)',
            target.schema_name, target.table_name, target.schema_name, part,
            workflow_orchestrator_service.uuid_floor(week), workflow_orchestrator_service.uuid_floor(week + interval '7 days'));
        else
          execute format('alter table %I.%I attach partition %I.%I for values from (%L) to (%L)',
            target.schema_name, target.table_name, target.schema_name, part, week, week + interval '7 days');
        end if;
        made := made + 1;
      end if;
    end loop;
    week := week + interval '7 days';
  end loop;
  return made;
end $$;

select workflow_orchestrator_service.engine_ensure_partitions(now() - interval '1 day', now() + interval '8 days');

------------------------------------------------------------------------------------------------------------------------
-- The flush: everything that one lane has to write, in one call and one commit.
--
-- Answers `done` with the database's time; `already` when this number was applied before (a resend after a lost
-- answer); `gap` when the number before it is missing (a failed-over database); `fenced` when the lane is closed or a
-- shard of the batch no longer points to it; `stale` when a start resolved "latest" to a version that is no longer so.
-- In the last three nothing was written.
--
-- The plans are pinned: arguments are jsonb, whose row counts the planner guesses, and with a guess it would hash-join
-- whole tables. Each statement reads its rows from an argument and reaches tables by primary key.
-- Rows are arrays, not objects: the keys would be most of the bytes.

create function workflow_orchestrator_service.flush_v1(
  in_lane uuid, in_seq bigint, in_node text, in_shards smallint[], in_latest jsonb,
  in_starts jsonb, in_changes jsonb, in_steps jsonb, in_transitions jsonb, in_extras jsonb,
  out outcome text, out at timestamptz)
language plpgsql
set lock_timeout = '3s'
set enable_hashjoin = off
set enable_mergejoin = off
set enable_seqscan = off
set enable_material = off
set plan_cache_mode = force_generic_plan
set jit = off
as $$
declare
  part jsonb;
begin
  at := now();
  perform 1 from cluster.lanes l where l.lane_id = in_lane and l.closed_at is null for no key update;
  if not found then
    outcome := 'fenced';
    return;
  end if;
  if exists (select 1 from cluster.flush_marks m where m.lane_id = in_lane and m.seq = in_seq) then
    outcome := 'already';
    return;
  end if;
  if in_seq > 1 and not exists (select 1 from cluster.flush_marks m where m.lane_id = in_lane and m.seq = in_seq - 1) then
    outcome := 'gap';
    return;
  end if;
  if (select count(*) from cluster.shard_leases l where l.shard = any (in_shards) and l.lane_id = in_lane) <> cardinality(in_shards) then
    outcome := 'fenced';
    return;
  end if;
  if in_latest is not null and workflow_orchestrator_service.heads_are_stale(in_latest) then
    outcome := 'stale';
    return;
  end if;
  insert into cluster.flush_marks (lane_id, seq) values (in_lane, in_seq);
  if in_seq % 1000 = 0 then
    delete from cluster.flush_marks m where m.lane_id = in_lane and m.seq < in_seq - 1000;
  end if;

  if in_starts is not null then
    insert into workflow_orchestrator_service.workflow_instances
      (shard, id, namespace, workflow_definition_id, workflow_id, status, ready, priority, current_step_id, correlation_id,
       started_by, trigger_event_id, input, started_at, updated_at)
    select (e->>0)::smallint, (e->>1)::uuid, e->>2, (e->>3)::uuid, e->>4, e->>5, true, (e->>6)::smallint, e->>7, e->>8,
      e->>9, (e->>10)::uuid, e->11, to_timestamp((e->>12)::float8 / 1000), at
    from jsonb_array_elements(in_starts) e;
  end if;

  if in_changes is not null then
    -- A field that is absent keeps what the row has; `state` is large and written only when the instance goes to sleep.
    update workflow_orchestrator_service.workflow_instances i set
      status = e->>2,
      ready = (e->>3)::boolean,
      current_step_id = e->>4,
      awaiting_task_id = e->>5,
      state = case when e->>6 is null then i.state else nullif(e->7, 'null') end,
      state_seq = coalesce((e->>6)::integer, i.state_seq),
      output = coalesce(nullif(e->8, 'null'), i.output),
      error = coalesce(nullif(e->9, 'null'), i.error),
      cancelation = coalesce(nullif(e->10, 'null'), i.cancelation),
      compensation_state = coalesce(nullif(e->11, 'null'), i.compensation_state),
      completed_at = coalesce(to_timestamp((e->>12)::float8 / 1000), i.completed_at),
      started_at = coalesce(to_timestamp((e->>13)::float8 / 1000), i.started_at),
      parked = nullif(e->14, 'null'),
      updated_at = at,
      version = i.version + 1
    from jsonb_array_elements(in_changes) e
    where i.shard = (e->>0)::smallint and i.id = (e->>1)::uuid;
  end if;

  if in_steps is not null then
    insert into workflow_orchestrator_service.workflow_instance_steps
      (shard, instance_id, seq, path, step_id, type, attempt, status, input, output, error, outcome, started_at, completed_at,
       node_id, epoch, recorded_at)
    select (e->>0)::smallint, (e->>1)::uuid, (e->>2)::integer, e->>3, coalesce(e->>4, e->>3), e->>5, (e->>6)::integer, e->>7,
      nullif(e->8, 'null'), nullif(e->9, 'null'), nullif(e->10, 'null'), nullif(e->11, 'null'),
      to_timestamp((e->>12)::float8 / 1000), to_timestamp((e->>13)::float8 / 1000), in_node, (e->>14)::integer, at
    from jsonb_array_elements(in_steps) e;
  end if;

  if in_transitions is not null then
    insert into audit.fsm_transitions (shard, namespace, entity_id, entity_type, from_state, to_state, transition_event, transition_data)
    select (e->>0)::smallint, e->>1, (e->>2)::uuid, 'workflow', e->>3, e->>4, e->>5, nullif(e->6, 'null')
    from jsonb_array_elements(in_transitions) e;
  end if;

  if in_extras is not null then
    part := in_extras->'timersArmed';
    if part is not null then
      insert into workflow_orchestrator_service.timers (shard, due_at, instance_id, timer_key)
      select (e->>0)::smallint, to_timestamp((e->>1)::float8 / 1000), (e->>2)::uuid, e->>3 from jsonb_array_elements(part) e;
    end if;
    part := in_extras->'timersCleared';
    if part is not null then
      delete from workflow_orchestrator_service.timers t using jsonb_array_elements(part) e
      where t.shard = (e->>0)::smallint and t.due_at = to_timestamp((e->>1)::float8 / 1000)
        and t.instance_id = (e->>2)::uuid and t.timer_key = e->>3;
    end if;
    part := in_extras->'waitsOpened';
    if part is not null then
      insert into workflow_orchestrator_service.workflow_event_subscriptions
        (shard, workflow_instance_id, path, namespace, event_pattern, filter_condition, status, timeout_at, wait_step_id,
         timeout_handler_step_id, created_at)
      select (e->>0)::smallint, (e->>1)::uuid, e->>2, e->>3, e->>4, e->>5, 'active', to_timestamp((e->>6)::float8 / 1000), e->>7, e->>8, at
      from jsonb_array_elements(part) e;
    end if;
    part := in_extras->'waitsEnded';
    if part is not null then
      update workflow_orchestrator_service.workflow_event_subscriptions s
      set status = e->>3, fulfilled_by_event_id = (e->>4)::uuid, fulfilled_at = at
      from jsonb_array_elements(part) e
      where s.shard = (e->>0)::smallint and s.workflow_instance_id = (e->>1)::uuid and s.path = e->>2;
    end if;
    part := in_extras->'waitsAbandoned';
    if part is not null then
      update workflow_orchestrator_service.workflow_event_subscriptions s set status = 'cancelled', fulfilled_at = at
      from jsonb_array_elements(part) e
      where s.shard = (e->>0)::smallint and s.workflow_instance_id = (e->>1)::uuid and s.status = 'active';
    end if;
    part := in_extras->'inboxConsumed';
    if part is not null then
      delete from workflow_orchestrator_service.inbox b using jsonb_array_elements(part) e
      where b.shard = (e->>0)::smallint and b.id = (e->>1)::bigint;
    end if;
    part := in_extras->'payloadsClaimed';
    if part is not null then
      update workflow_orchestrator_service.payloads p set claimed = true from jsonb_array_elements(part) e
      where p.shard = (e->>0)::smallint and p.id = (e->>1)::uuid;
    end if;
    part := in_extras->'errands';
    if part is not null then
      insert into workflow_orchestrator_service.errands (runner, shard, instance_id, path, step_id, task_id, attempt, input, timeout_ms, created_at)
      select e->>0, (e->>1)::smallint, (e->>2)::uuid, e->>3, e->>4, e->>5, (e->>6)::integer, e->7, (e->>8)::bigint, at
      from jsonb_array_elements(part) e;
    end if;
    part := in_extras->'shardsReleased';
    if part is not null then
      update cluster.shard_leases l set lane_id = null, epoch = l.epoch + 1, changed_at = at
      from jsonb_array_elements(part) e where l.shard = (e->>0)::smallint and l.lane_id = in_lane;
      insert into audit.fsm_transitions (shard, namespace, entity_id, entity_type, from_state, to_state, transition_event, transition_data)
      select (e->>0)::smallint, 'default', workflow_orchestrator_service.shard_entity((e->>0)::smallint), 'shard', 'HELD', 'FREE',
        'handed_over', jsonb_build_object('node', in_node, 'lane', in_lane)
      from jsonb_array_elements(part) e;
    end if;
  end if;
  outcome := 'done';
end $$;

-- Transitions name entities by UUID; a shard's is its number.
create function workflow_orchestrator_service.shard_entity(shard smallint) returns uuid
language sql immutable as $$ select lpad(to_hex(shard::integer), 32, '0')::uuid $$;

-- True when a workflow's latest active version is no longer the one that a start resolved. Replaced by the migration
-- that makes definitions; rows are [namespace, workflow id, revision].
create function workflow_orchestrator_service.heads_are_stale(heads jsonb) returns boolean
language sql stable as $$ select false $$;

------------------------------------------------------------------------------------------------------------------------
-- Intake: what is not the lane's to write. Keys, births and inbox rows, in one transaction, in the order of the keys so
-- that two batches cannot deadlock. A key that another open transaction holds makes the call fail with 55P03 after the
-- timeout; the caller then sends its members one by one.
--
-- `starts` rows: [shard, id, namespace, definition id, workflow id, priority, correlation id, started by, trigger event id,
-- input, key, key shard, request hash, revision or null, payload ids]. Answers one row per start, in any order.

create function workflow_orchestrator_service.accept_starts_v1(in_starts jsonb, in_latest jsonb)
returns table (instance_id uuid, outcome text, inbox_shard smallint, inbox_id bigint, first_id uuid, first_definition_id uuid,
  first_hash text, accepted_at timestamptz)
language plpgsql
set lock_timeout = '250ms'
set enable_hashjoin = off
set enable_mergejoin = off
set enable_seqscan = off
as $$
#variable_conflict use_column
begin
  if in_latest is not null and workflow_orchestrator_service.heads_are_stale(in_latest) then
    return query select (e->>1)::uuid, 'stale', null::smallint, null::bigint, null::uuid, null::uuid, null::text, now()
      from jsonb_array_elements(in_starts) e;
    return;
  end if;
  return query
  with wanted as materialized (
    select (e->>0)::smallint shard, (e->>1)::uuid id, e->>2 namespace, (e->>3)::uuid definition_id, e->>4 workflow_id,
      (e->>5)::smallint priority, e->>6 correlation_id, e->>7 started_by, (e->>8)::uuid trigger_event_id, e->9 input,
      e->>10 key, (e->>11)::smallint key_shard, e->>12 request_hash, n
    from jsonb_array_elements(in_starts) with ordinality x (e, n)
  ), keyed as (
    insert into workflow_orchestrator_service.idempotency_keys as k
      (shard, namespace, workflow_id, key, instance_id, workflow_definition_id, request_hash, expires_at)
    select w.key_shard, w.namespace, w.workflow_id, w.key, w.id, w.definition_id, w.request_hash, now() + interval '30 days'
    from wanted w where w.key is not null
    order by w.key_shard, w.namespace, w.workflow_id, w.key, w.n
    on conflict do nothing
    returning k.instance_id
  ), born as (
    select w.* from wanted w where w.key is null or w.id in (select k.instance_id from keyed k)
  ), instances as (
    insert into workflow_orchestrator_service.workflow_instances
      (shard, id, namespace, workflow_definition_id, workflow_id, status, ready, priority, correlation_id, started_by,
       trigger_event_id, input)
    select b.shard, b.id, b.namespace, b.definition_id, b.workflow_id, 'CREATED', false, b.priority, b.correlation_id, b.started_by,
      b.trigger_event_id, b.input
    from born b
  ), transitions as (
    insert into audit.fsm_transitions (shard, namespace, entity_id, entity_type, from_state, to_state, transition_event)
    select b.shard, b.namespace, b.id, 'workflow', null, 'CREATED', 'workflow_created' from born b
  ), messages as (
    insert into workflow_orchestrator_service.inbox as m (shard, kind, instance_id, fact)
    select b.shard, 'START', b.id, '{}'::jsonb from born b order by b.n
    returning m.shard, m.id, m.instance_id
  )
  select m.instance_id, 'created', m.shard, m.id, null::uuid, null::uuid, null::text, now() from messages m
  union all
  select w.id, 'exists', null, null, null, null, null, now() from wanted w
  where w.key is not null and not exists (select 1 from keyed k where k.instance_id = w.id);
  update workflow_orchestrator_service.payloads p set claimed = true
  from jsonb_array_elements(in_starts) e, jsonb_array_elements_text(e->14) ref
  where jsonb_typeof(e->14) = 'array' and p.shard = (e->>0)::smallint and p.id = ref::uuid;
end $$;

-- The first answers of keys that were taken: read after the insert, with a new snapshot.
create function workflow_orchestrator_service.first_starts_v1(in_keys jsonb)
returns table (n bigint, instance_id uuid, workflow_definition_id uuid, request_hash text, created_at timestamptz)
language sql stable as $$
  select x.n, k.instance_id, k.workflow_definition_id, k.request_hash, k.created_at
  from jsonb_array_elements(in_keys) with ordinality x (e, n)
  join workflow_orchestrator_service.idempotency_keys k
    on k.shard = (e->>0)::smallint and k.namespace = e->>1 and k.workflow_id = e->>2 and k.key = e->>3
$$;

------------------------------------------------------------------------------------------------------------------------
-- Leases.

-- Points one free shard to a lane. Null when it is not free, or another node is at it just now.
create function cluster.acquire_shard_v1(in_shard smallint, in_lane uuid, in_node text)
returns table (epoch integer, takeovers smallint, folding uuid)
language plpgsql as $$
#variable_conflict use_column
declare
  held record;
begin
  select l.lane_id, l.epoch, l.takeovers, l.taken_over_at, l.folding, l.suspect into held
  from cluster.shard_leases l where l.shard = in_shard for update skip locked;
  if not found then return; end if;
  if held.lane_id is not null
    and exists (select 1 from cluster.lanes n where n.lane_id = held.lane_id and n.closed_at is null) then return; end if;
  perform 1 from cluster.lanes n where n.lane_id = in_lane and n.closed_at is null for key share;
  if not found then return; end if;
  return query
  update cluster.shard_leases l set
    lane_id = in_lane,
    epoch = l.epoch + 1,
    changed_at = now(),
    -- A lane that was closed with shards on it belonged to a node that died (a hand-over empties the lane first).
    takeovers = case when held.lane_id is null then 0
      when held.taken_over_at > now() - interval '1 minute' then least(held.takeovers + 1, 1000) else 1 end,
    taken_over_at = case when held.lane_id is null then null else now() end,
    suspect = case when held.lane_id is null then null else coalesce(held.folding, held.suspect) end,
    folding = null
  where l.shard = in_shard
  returning l.epoch, l.takeovers, case when held.lane_id is not null and held.folding = held.suspect then held.folding end;
  insert into audit.fsm_transitions (shard, namespace, entity_id, entity_type, from_state, to_state, transition_event, transition_data)
  values (in_shard, 'default', workflow_orchestrator_service.shard_entity(in_shard), 'shard', case when held.lane_id is null then 'FREE' else 'HELD' end,
    'HELD', case when held.lane_id is null then 'acquired' else 'taken_over' end,
    jsonb_build_object('node', in_node, 'lane', in_lane, 'epoch', held.epoch + 1));
end $$;

-- One beat: extends the node's lease. False when the node is not registered (any more), or was given up: its lanes are
-- closed then, and a beat that comes late must not let it begin steps on shards that others hold. It registers again.
create function cluster.beat_v1(in_node text, in_lease_ms integer, in_draining boolean) returns boolean
language plpgsql as $$
declare
  was text;
begin
  select n.health_status into was from cluster.node_registrations n where n.node_id = in_node for no key update;
  if not found or was = 'OFFLINE' then return false; end if;
  update cluster.node_registrations n set beat = n.beat + 1, last_heartbeat = now(), updated_at = now(), draining = in_draining,
    health_status = 'HEALTHY', expires_at = now() + in_lease_ms * interval '1 millisecond'
  where n.node_id = in_node;
  if was <> 'HEALTHY' then
    insert into audit.fsm_transitions (shard, namespace, entity_id, entity_type, from_state, to_state, transition_event)
    values (0, 'default', in_node::uuid, 'node_registry', was, 'HEALTHY', 'heartbeat');
  end if;
  return true;
end $$;

-- Ends a lane in an orderly way: its shards become free. Waits for a flush under way.
create function cluster.abandon_lane_v1(in_lane uuid) returns void
language plpgsql as $$
begin
  perform 1 from cluster.lanes l where l.lane_id = in_lane for no key update;
  update cluster.shard_leases l set lane_id = null, epoch = l.epoch + 1, changed_at = now() where l.lane_id = in_lane;
  update cluster.lanes l set closed_at = coalesce(l.closed_at, clock_timestamp()) where l.lane_id = in_lane;
end $$;

-- Closes a dead node's lanes. Waits for a flush under way, at most a second (55P03); the caller then ends whoever blocks.
create function cluster.close_lanes_v1(in_node text, in_beat bigint)
returns integer language plpgsql set lock_timeout = '1s' as $$
declare
  closed integer;
  was text;
begin
  -- The beat is compared under the row's lock: a node that beat meanwhile is alive and keeps its lanes.
  select n.health_status into was from cluster.node_registrations n
  where n.node_id = in_node and n.beat = in_beat and n.expires_at < now() for no key update;
  if not found then return -1; end if;
  -- Told after the lock is held: whatever the lane wrote before it was closed began earlier than `closed_at`.
  perform 1 from cluster.lanes l where l.node_id = in_node and l.closed_at is null order by l.lane_id for no key update;
  update cluster.lanes l set closed_at = clock_timestamp() where l.node_id = in_node and l.closed_at is null;
  get diagnostics closed = row_count;
  if was <> 'OFFLINE' then
    update cluster.node_registrations n set health_status = 'OFFLINE', updated_at = now() where n.node_id = in_node;
    insert into audit.fsm_transitions (shard, namespace, entity_id, entity_type, from_state, to_state, transition_event, transition_data)
    values (0, 'default', in_node::uuid, 'node_registry', was, 'OFFLINE', 'liveness_expired', jsonb_build_object('lanesClosed', closed));
  end if;
  return closed;
end $$;
