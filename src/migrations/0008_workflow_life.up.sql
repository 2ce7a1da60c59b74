-- description: Children, restarts, execution logs, statistics, concurrency limits, and the flush that writes them
-- breaking: false

-- A WORKFLOW step's child names the step that waits for it (a detached one only the instance); a restarted instance
-- names its origin.
alter table workflow_orchestrator_service.workflow_instances
  add column parent_instance_id uuid,
  add column parent_path text,
  add column origin_instance_id uuid,
  add column origin_step_id varchar(255),
  -- Values that variables begin with, beside their defaults.
  add column start_variables jsonb,
  -- How long it is kept after its end, where its definition says so, and from its end on until when that is.
  add column retention_ms bigint,
  add column expires_at timestamptz;
-- Serves the children of an instance, newest first; those of a status are told in the index.
create index workflow_instances_parent_idx on workflow_orchestrator_service.workflow_instances (parent_instance_id, id, status)
  where parent_instance_id is not null;
-- Serves the removal of instances whose own retention has passed. Of most workflows none is in it. With the id, by which
-- that asks too, so that no plan that is made while tables are empty takes another index for it.
create index workflow_instances_expires_idx on workflow_orchestrator_service.workflow_instances (expires_at, id)
  where expires_at is not null;

-- Lists of one workflow, newest first; those of a status or of one version are told in the index, not one row after the other.
drop index workflow_orchestrator_service.workflow_instances_definition_idx;
create index workflow_instances_definition_idx
  on workflow_orchestrator_service.workflow_instances (namespace, workflow_id, id, status, workflow_definition_id);
-- Those of one workflow that failed or were stopped, which may be few among many. One that goes its way is never in it.
create index workflow_instances_halted_idx on workflow_orchestrator_service.workflow_instances (namespace, workflow_id, status, id)
  where status in ('FAILED', 'CANCELLED', 'PAUSED');

-- Document 000's execution logs: what handlers and the engine say while an instance runs. Only ever inserted; a week is a
-- partition. `logged_at` is when it was said, `recorded_at` when it was written, `expires_at` when it goes, where the
-- definition says so.
create table workflow_orchestrator_service.execution_logs (
  shard smallint not null,
  instance_id uuid not null,
  id uuid not null,
  namespace text not null,
  level varchar(10) not null check (level in ('debug', 'info', 'warn', 'error')),
  message text not null,
  details jsonb,
  source varchar(50) not null,
  step_id varchar(255),
  path text,
  attempt integer,
  logged_at timestamptz not null,
  recorded_at timestamptz not null default now(),
  expires_at timestamptz,
  primary key (shard, instance_id, id, recorded_at)
) partition by range (recorded_at);
-- Serves the removal of lines whose own retention has passed.
create index execution_logs_expires_idx on workflow_orchestrator_service.execution_logs (expires_at) where expires_at is not null;

-- What the runner of an errand needs to know to keep what its handler says: { namespace, level, retentionMs, metadata }.
alter table workflow_orchestrator_service.errands add column log jsonb;

-- What a flush counted, and the sums of it. Lanes only insert, so that they never wait for each other; housekeeping moves
-- tallies into the sums, and readers add what has not been moved yet.
create table workflow_orchestrator_service.definition_tallies (
  definition_id uuid not null,
  -- `retried` takes one `failed` back; `left` and `joined`: an instance went on with another version; `failure`: a run of
  -- the workflow failed, whatever became of the instance.
  kind varchar(20) not null
    check (kind in ('started', 'completed', 'failed', 'cancelled', 'retried', 'left', 'joined', 'failure')),
  -- Of a failure: the step and the code of its error.
  step_id varchar(255),
  code varchar(100),
  -- Of an end, and of what takes one back: the class of its duration.
  bucket smallint,
  n integer not null,
  tallied_at timestamptz not null
);
-- Serves the statistics of one version.
create index definition_tallies_definition_idx on workflow_orchestrator_service.definition_tallies (definition_id);

create table workflow_orchestrator_service.definition_statistics (
  definition_id uuid not null,
  kind varchar(20) not null,
  step_id varchar(255) not null default '',
  code varchar(100) not null default '',
  bucket smallint not null default -1,
  n bigint not null,
  since timestamptz not null,
  primary key (definition_id, kind, step_id, code, bucket)
) with (fillfactor = 70);

-- Who holds a permit of a concurrency limit and who waits for one. A limit's rows live on its home shard, whose owner alone
-- writes them.
create table workflow_orchestrator_service.concurrency_permits (
  shard smallint not null,
  -- A hash of the key.
  limit_id uuid not null,
  instance_id uuid not null,
  limit_key text not null,
  state varchar(10) not null check (state in ('waiting', 'held')),
  priority smallint not null,
  max_held integer not null,
  asked_at timestamptz not null,
  changed_at timestamptz not null default now(),
  primary key (shard, limit_id, instance_id)
) with (fillfactor = 70);
-- Serves "what holds this instance back".
create index concurrency_permits_instance_idx on workflow_orchestrator_service.concurrency_permits (instance_id);

------------------------------------------------------------------------------------------------------------------------
-- Partitions: as before, and of the logs.

create or replace function workflow_orchestrator_service.engine_ensure_partitions(from_at timestamptz, until_at timestamptz)
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
        ('workflow_orchestrator_service', 'execution_logs', false),
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

create or replace function workflow_orchestrator_service.engine_partitions()
returns table (table_name text, part text, begins_at timestamptz, ends_at timestamptz)
language sql stable set timezone = 'UTC' as $$
  select n.nspname || '.' || t.relname, c.relname::text, b.begins_at, b.ends_at
  from pg_inherits i
  join pg_class c on c.oid = i.inhrelid
  join pg_class t on t.oid = i.inhparent
  join pg_namespace n on n.oid = t.relnamespace
  cross join lateral regexp_match(pg_get_expr(c.relpartbound, c.oid), 'FROM \(''(.*)''\) TO \(''(.*)''\)') bound (texts)
  cross join lateral (
    select workflow_orchestrator_service.bound_instant(bound.texts[1]), workflow_orchestrator_service.bound_instant(bound.texts[2])
  ) b (begins_at, ends_at)
  where not i.inhdetachpending
    and i.inhparent in (
      'workflow_orchestrator_service.workflow_instances'::regclass,
      'workflow_orchestrator_service.workflow_instance_steps'::regclass,
      'workflow_orchestrator_service.execution_logs'::regclass,
      'audit.fsm_transitions'::regclass)
$$;

select workflow_orchestrator_service.engine_ensure_partitions(now() - interval '1 day', now() + interval '8 days');

------------------------------------------------------------------------------------------------------------------------
-- The flush, as `flush_v1`, with: parents and first variables of starts; priority, version and reopening of changes;
-- messages to other instances and to homes of limits, logs, tallies, permits. `flush_v1` stays for nodes that are older.

create function workflow_orchestrator_service.flush_v2(
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
       started_by, trigger_event_id, input, started_at, updated_at, parent_instance_id, parent_path, start_variables, retention_ms)
    select (e->>0)::smallint, (e->>1)::uuid, e->>2, (e->>3)::uuid, e->>4, e->>5, true, (e->>6)::smallint, e->>7, e->>8,
      e->>9, (e->>10)::uuid, e->11, to_timestamp((e->>12)::float8 / 1000), at, (e->>13)::uuid, e->>14, nullif(e->15, 'null'), (e->>16)::bigint
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
      -- What had ended and goes on (e->17) has of its end only what this row says.
      output = coalesce(nullif(e->8, 'null'), case when e->>17 is null then i.output end),
      error = coalesce(nullif(e->9, 'null'), case when e->>17 is null then i.error end),
      cancelation = coalesce(nullif(e->10, 'null'), i.cancelation),
      compensation_state = coalesce(nullif(e->11, 'null'), case when e->>17 is null then i.compensation_state end),
      completed_at = coalesce(to_timestamp((e->>12)::float8 / 1000), case when e->>17 is null then i.completed_at end),
      started_at = coalesce(to_timestamp((e->>13)::float8 / 1000), i.started_at),
      parked = nullif(e->14, 'null'),
      priority = coalesce((e->>15)::smallint, i.priority),
      workflow_definition_id = coalesce((e->>16)::uuid, i.workflow_definition_id),
      -- Another version keeps its instances for another time.
      retention_ms = case when e->>16 is null then i.retention_ms else (e->>18)::bigint end,
      expires_at = case
        when e->>12 is not null then to_timestamp((e->>12)::float8 / 1000)
          + case when e->>16 is null then i.retention_ms else (e->>18)::bigint end * interval '1 millisecond'
        when e->>17 is null then i.expires_at end,
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
    -- What comes with every start and end is asked for first, and of most flushes nothing is left then.
    part := in_extras->'tallies';
    if part is not null then
      insert into workflow_orchestrator_service.definition_tallies (definition_id, kind, step_id, code, bucket, n, tallied_at)
      select (e->>0)::uuid, e->>1, e->>2, e->>3, (e->>4)::smallint, (e->>5)::integer, at from jsonb_array_elements(part) e;
      in_extras := nullif(in_extras - 'tallies', '{}');
    end if;
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
      insert into workflow_orchestrator_service.errands
        (runner, shard, instance_id, path, step_id, task_id, attempt, input, timeout_ms, log, created_at)
      select e->>0, (e->>1)::smallint, (e->>2)::uuid, e->>3, e->>4, e->>5, (e->>6)::integer, e->7, (e->>8)::bigint, e->9, at
      from jsonb_array_elements(part) e;
    end if;
    part := in_extras->'inboxPosted';
    if part is not null then
      insert into workflow_orchestrator_service.inbox (shard, kind, instance_id, fact, from_shard, created_at)
      select (e->>0)::smallint, e->>1, (e->>2)::uuid, e->3, (e->>4)::smallint, at from jsonb_array_elements(part) e;
    end if;
    part := in_extras->'logs';
    if part is not null then
      insert into workflow_orchestrator_service.execution_logs
        (shard, instance_id, id, namespace, level, message, details, source, step_id, path, attempt, logged_at, expires_at, recorded_at)
      select (e->>0)::smallint, (e->>1)::uuid, (e->>2)::uuid, e->>3, e->>4, e->>5, nullif(e->6, 'null'), e->>7, e->>8, e->>9,
        (e->>10)::integer, to_timestamp((e->>11)::float8 / 1000), to_timestamp((e->>12)::float8 / 1000), at
      from jsonb_array_elements(part) e;
    end if;
    part := in_extras->'permitsPut';
    if part is not null then
      insert into workflow_orchestrator_service.concurrency_permits as p
        (shard, limit_id, instance_id, limit_key, state, priority, max_held, asked_at, changed_at)
      select (e->>0)::smallint, (e->>1)::uuid, (e->>2)::uuid, e->>3, e->>4, (e->>5)::smallint, (e->>6)::integer,
        to_timestamp((e->>7)::float8 / 1000), at
      from jsonb_array_elements(part) e
      on conflict (shard, limit_id, instance_id)
        do update set state = excluded.state, priority = excluded.priority, max_held = excluded.max_held, changed_at = excluded.changed_at;
    end if;
    part := in_extras->'permitsDropped';
    if part is not null then
      delete from workflow_orchestrator_service.concurrency_permits p using jsonb_array_elements(part) e
      where p.shard = (e->>0)::smallint and p.limit_id = (e->>1)::uuid and p.instance_id = (e->>2)::uuid;
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

------------------------------------------------------------------------------------------------------------------------
-- Intake, as `accept_starts_v1`, with first variables (e->15) and the definition's retention (e->16).

create function workflow_orchestrator_service.accept_starts_v2(in_starts jsonb, in_latest jsonb)
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
      e->>10 key, (e->>11)::smallint key_shard, e->>12 request_hash, nullif(e->15, 'null') variables,
      (e->>16)::bigint retention_ms, n
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
       trigger_event_id, input, start_variables, retention_ms)
    select b.shard, b.id, b.namespace, b.definition_id, b.workflow_id, 'CREATED', false, b.priority, b.correlation_id, b.started_by,
      b.trigger_event_id, b.input, b.variables, b.retention_ms
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

-- A restart: a new instance and its START, in one transaction with the rows that it carries over, which the caller writes
-- after this. `in_start`: [shard, id, namespace, definition id, workflow id, priority, correlation id, started by, input, state,
-- state seq, origin, origin step, variables, payload ids, retention, key or null, request hash]. Where the key was used before,
-- only its first answer is given. A key that another open transaction holds makes the call fail with 55P03.
create function workflow_orchestrator_service.accept_restart_v1(in_start jsonb)
returns table (inbox_id bigint, accepted_at timestamptz, first_id uuid, first_definition_id uuid, first_hash text)
language plpgsql
set lock_timeout = '250ms'
as $$
#variable_conflict use_column
begin
  if in_start->>16 is not null then
    insert into workflow_orchestrator_service.idempotency_keys
      (shard, namespace, workflow_id, key, instance_id, workflow_definition_id, request_hash, expires_at)
    values ((in_start->>0)::smallint, in_start->>2, in_start->>4, in_start->>16, (in_start->>1)::uuid, (in_start->>3)::uuid,
      in_start->>17, now() + interval '30 days')
    on conflict do nothing;
    if not found then
      return query
      select null::bigint, k.created_at, k.instance_id, k.workflow_definition_id, k.request_hash
      from workflow_orchestrator_service.idempotency_keys k
      where k.shard = (in_start->>0)::smallint and k.namespace = in_start->>2 and k.workflow_id = in_start->>4
        and k.key = in_start->>16;
      return;
    end if;
  end if;
  insert into workflow_orchestrator_service.workflow_instances
    (shard, id, namespace, workflow_definition_id, workflow_id, status, ready, priority, correlation_id, started_by, input, state,
     state_seq, origin_instance_id, origin_step_id, start_variables, retention_ms)
  values ((in_start->>0)::smallint, (in_start->>1)::uuid, in_start->>2, (in_start->>3)::uuid, in_start->>4, 'CREATED', false,
    (in_start->>5)::smallint, in_start->>6, in_start->>7, in_start->8, nullif(in_start->9, 'null'), (in_start->>10)::integer,
    (in_start->>11)::uuid, in_start->>12, nullif(in_start->13, 'null'), (in_start->>15)::bigint);
  insert into audit.fsm_transitions (shard, namespace, entity_id, entity_type, from_state, to_state, transition_event, transition_data)
  values ((in_start->>0)::smallint, in_start->>2, (in_start->>1)::uuid, 'workflow', null, 'CREATED', 'workflow_restarted',
    jsonb_build_object('originInstanceId', in_start->>11, 'fromStepId', in_start->>12));
  update workflow_orchestrator_service.payloads p set claimed = true
  from jsonb_array_elements_text(in_start->14) ref where p.shard = (in_start->>0)::smallint and p.id = ref::uuid;
  return query
  insert into workflow_orchestrator_service.inbox as m (shard, kind, instance_id, fact)
  values ((in_start->>0)::smallint, 'START', (in_start->>1)::uuid, '{}') returning m.id, now(), null::uuid, null::uuid, null::text;
end $$;

------------------------------------------------------------------------------------------------------------------------
-- Retention, as the migration of that name has it, with a retention of the definition's own: `retention_ms` on the
-- instance's row, and from its end on `expires_at`. The functions with those names stay for nodes that are older.
--
-- `in_horizon` is where the node's retention begins, `in_at` the present moment. The caller tells both, so that what was
-- written to an archive as of two instants is what goes as of the same two.

-- Whether an instance may go: it is final, and its end is longer ago than its own retention, or without one the node's.
-- What is expired stays so: an instance that is about to expire is not tried again any more.
create function workflow_orchestrator_service.is_expired(
  status text, completed_at timestamptz, expires_at timestamptz, horizon timestamptz, at timestamptz) returns boolean
language sql immutable as $$
  select status in ('COMPLETED', 'FAILED', 'CANCELLED') and completed_at is not null
    and case when expires_at is null then completed_at < horizon else expires_at < at end
$$;

-- What is to become of an old week of instances: `gone` (there is no such partition, or it is not old), `kept` (nothing
-- is expired, or all that will be soon is within a week, and then goes at once), `drop` (nothing survives), `swap`, or
-- `trim` when a swap does not pay: at most `few` are expired, or more than `most` would have to be copied.
create function workflow_orchestrator_service.engine_look_at_instances_v1(
  in_part text, in_horizon timestamptz, in_at timestamptz, in_few integer, in_most integer,
  out verdict text, out kept integer, out low uuid, out high uuid)
language plpgsql set jit = off as $$
declare
  place constant text := format('workflow_orchestrator_service.%I', in_part);
  rule constant text := 'workflow_orchestrator_service.is_expired(i.status, i.completed_at, i.expires_at, $1, $2)';
  expired integer;
  longest timestamptz;
begin
  kept := 0;
  verdict := 'gone';
  select workflow_orchestrator_service.uuid_floor(p.begins_at), workflow_orchestrator_service.uuid_floor(p.ends_at) into low, high
  from workflow_orchestrator_service.engine_partitions() p
  where p.table_name = 'workflow_orchestrator_service.workflow_instances' and p.part = in_part and p.ends_at <= in_horizon;
  if not found then return; end if;
  execute format('select count(*) from (select from %s i where %s limit $3) e', place, rule)
  into expired using in_horizon, in_at, in_few + 1;
  execute format('select count(*) from (select from %s i where not %s limit $3) k', place, rule)
  into kept using in_horizon, in_at, in_most + 1;
  if kept = 0 then
    verdict := 'drop';
  elsif expired = 0 then
    verdict := 'kept';
  elsif expired > in_few and kept <= in_most then
    verdict := 'swap';
  else
    verdict := 'trim';
    -- Whoever has a retention of their own and ended in one week expires in one week.
    execute format('select max(i.expires_at) from %s i where i.expires_at is not null', place) into longest;
    if longest > in_at and longest <= in_at + interval '7 days' then
      execute format(
        'select count(*) from (select from %s i where i.expires_at is null and %s limit 1) e', place, rule)
      into expired using in_horizon, in_at;
      if expired = 0 then verdict := 'kept'; end if;
    end if;
  end if;
end $$;

-- As `engine_retire_instances_v1`.
create function workflow_orchestrator_service.engine_retire_instances_v2(
  in_part text, in_horizon timestamptz, in_at timestamptz, in_few integer, in_most integer,
  out outcome text, out kept integer, out locked_ms float8)
language plpgsql
set lock_timeout = '5s'
set enable_hashjoin = off
set enable_mergejoin = off
set jit = off
as $$
declare
  place constant text := format('workflow_orchestrator_service.%I', in_part);
  next constant text := format('workflow_orchestrator_service.%I', in_part || '_next');
  columns text;
  look record;
  since timestamptz;
begin
  kept := 0;
  outcome := 'gone';
  -- Does not stop readers and writers; stops a second call, autovacuum, and a change of the partition.
  begin
    execute format('lock table only %s in share update exclusive mode', place);
  exception when undefined_table then
    return;
  end;
  select * into look
  from workflow_orchestrator_service.engine_look_at_instances_v1(in_part, in_horizon, in_at, in_few, in_most);
  kept := look.kept;
  if look.verdict in ('gone', 'kept', 'trim') then
    outcome := look.verdict;
    return;
  end if;

  if kept > 0 then
    select string_agg(quote_ident(a.attname), ', ' order by a.attnum) into columns
    from pg_attribute a
    where a.attrelid = 'workflow_orchestrator_service.workflow_instances'::regclass and a.attnum > 0 and not a.attisdropped;
    execute format(
      'create table %s (like workflow_orchestrator_service.workflow_instances including defaults including constraints
        including storage including indexes) with (fillfactor = 85)', next);
    -- Says what the partition's bounds will say, so that attaching it under the lock need not look at the rows.
    execute format('alter table %s add constraint bounds check (id >= %L::uuid and id < %L::uuid)', next, look.low, look.high);
    execute format(
      'insert into %1$s (%2$s) select %2$s from %3$s i
       where not workflow_orchestrator_service.is_expired(i.status, i.completed_at, i.expires_at, $1, $2)',
      next, columns, place) using in_horizon, in_at;
    execute format('analyze %s', next);
  end if;

  perform workflow_orchestrator_service.stop_users_of('workflow_orchestrator_service.workflow_instances');
  since := clock_timestamp();
  if kept > 0 then
    execute format(
      'with changed as (
         delete from %1$s n
         where n.version is distinct from (select o.version from only %3$s o where o.shard = n.shard and o.id = n.id)
         returning n.shard, n.id)
       insert into %1$s (%2$s) select %2$s from changed c join lateral (
         select * from only %3$s o where o.shard = c.shard and o.id = c.id) i using (shard, id)',
      next, columns, place);
  end if;
  execute format('alter table workflow_orchestrator_service.workflow_instances detach partition %s', place);
  execute format('drop table %s', place);
  if kept > 0 then
    execute format('alter table %s rename to %I', next, in_part);
    execute format(
      'alter table workflow_orchestrator_service.workflow_instances attach partition %s for values from (%L) to (%L)',
      place, look.low, look.high);
    execute format('alter table %s drop constraint bounds', place);
  end if;
  outcome := case when kept > 0 then 'swapped' else 'dropped' end;
  locked_ms := extract(epoch from clock_timestamp() - since) * 1000;
end $$;

-- Drops one old week of the journal, the transitions or the execution logs, or takes out of it what nobody needs.
--
-- A row is needed while its instance is there and has a retention of its own that reaches back to the week (and a week
-- more, for it may wait so long for its neighbours). A row of the journal is also needed while its instance is not expired
-- and would be folded from it, which is when it comes after `state_seq`. What is not needed stays so, but for an instance
-- that goes on with a version that is kept for longer.
--
-- Nobody writes to an old week, so what is needed is copied while readers go on, and the tables change places. That is
-- done when at most half of the week is needed, or when it has not been for a week; the table's comment tells when it was.
--
-- Answers `gone`, `dropped`, `thinned`, or `needed` with how many instances would be folded from it (at most 1,000 are
-- counted, none where others need it).
create function workflow_orchestrator_service.engine_retire_history_v1(
  in_part text, in_horizon timestamptz, in_at timestamptz, out outcome text, out readers integer, out kept bigint)
language plpgsql
set lock_timeout = '5s'
set enable_seqscan = on
set enable_hashjoin = off
set enable_mergejoin = off
set jit = off
as $$
declare
  schema_name text;
  parent regclass;
  place text;
  next text;
  low timestamptz;
  high timestamptz;
  -- Of an instance `i`: that it may need rows of the week, by its own retention or to be folded.
  own constant text := 'i.id < workflow_orchestrator_service.uuid_floor($1) and i.retention_ms is not null
    and $1 > $3 - i.retention_ms * interval ''1 millisecond'' - interval ''8 days''
    and (i.completed_at is null or i.completed_at > $4 - interval ''1 day'')';
  folded constant text := 'i.id < workflow_orchestrator_service.uuid_floor($1)
    and not workflow_orchestrator_service.is_expired(i.status, i.completed_at, i.expires_at, $2, $3)';
  is_journal boolean;
  owner_column text;
  time_column text;
  needs text;
  columns text;
  longer boolean;
  sampled bigint;
  thinned_at timestamptz;
begin
  outcome := 'gone';
  readers := 0;
  kept := 0;
  select split_part(p.table_name, '.', 1), p.table_name::regclass, p.begins_at, p.ends_at into schema_name, parent, low, high
  from workflow_orchestrator_service.engine_partitions() p
  where p.part = in_part and p.ends_at <= in_horizon and p.table_name <> 'workflow_orchestrator_service.workflow_instances';
  if not found then return; end if;
  place := format('%I.%I', schema_name, in_part);
  next := format('%I.%I', schema_name, in_part || '_next');
  is_journal := parent = 'workflow_orchestrator_service.workflow_instance_steps'::regclass;
  owner_column := case when parent = 'audit.fsm_transitions'::regclass then 'entity_id' else 'instance_id' end;
  time_column := case when parent = 'audit.fsm_transitions'::regclass then 'created_at' else 'recorded_at' end;
  begin
    -- Stops whoever deletes rows of instances, and a second call.
    execute format('lock table only %s in share row exclusive mode', place);
  exception when undefined_table then
    return;
  end;

  execute format('select exists (select from workflow_orchestrator_service.workflow_instances i where %s)', own)
  into longer using high, in_horizon, in_at, low;
  if not longer and is_journal then
    execute format(
      'select count(*) from (
         select from workflow_orchestrator_service.workflow_instances i
         where %s and exists (select from %s s where s.shard = i.shard and s.instance_id = i.id and s.seq > i.state_seq)
         limit 1000) r', folded, place)
    into readers using high, in_horizon, in_at;
  end if;
  if not longer and readers = 0 then
    perform workflow_orchestrator_service.stop_users_of(parent);
    execute format('drop table %s', place);
    outcome := 'dropped';
    return;
  end if;

  outcome := 'needed';
  needs := format(
    'exists (select from workflow_orchestrator_service.workflow_instances i where i.shard = s.shard and i.id = s.%I and ((%s)%s))',
    owner_column, own, case when is_journal then format(' or (%s and s.seq > i.state_seq)', folded) else '' end);
  -- A sample of about fifty pages; of a small table all of them.
  execute format(
    'select count(*), count(*) filter (where %s) from %s s tablesample system (%s)', needs, place,
    least(100, 5000.0 / greatest(1, pg_relation_size(place::regclass) / 8192)))
  into sampled, kept using high, in_horizon, in_at, low;
  thinned_at := substring(obj_description(place::regclass, 'pg_class') from 'thinned at (.*)')::timestamptz;
  if sampled = 0 or kept > sampled * 0.98 or (kept > sampled * 0.5 and thinned_at > in_at - interval '7 days') then return; end if;

  execute format('create table %s (like %s including defaults including constraints including storage including indexes)', next, parent);
  execute format('alter table %s add constraint bounds check (%I >= %L and %I < %L)', next, time_column, low, time_column, high);
  select string_agg(quote_ident(a.attname), ', ' order by a.attnum) into columns
  from pg_attribute a where a.attrelid = parent and a.attnum > 0 and not a.attisdropped;
  execute format('insert into %1$s (%2$s) select %2$s from only %3$s s where %4$s', next, columns, place, needs)
  using high, in_horizon, in_at, low;
  get diagnostics kept = row_count;
  if kept = 0 then
    execute format('drop table %s', next);
    perform workflow_orchestrator_service.stop_users_of(parent);
    execute format('drop table %s', place);
    outcome := 'dropped';
    return;
  end if;
  execute format('analyze %s', next);
  execute format('comment on table %s is %L', next, 'thinned at ' || in_at);
  perform workflow_orchestrator_service.stop_users_of(parent);
  execute format('alter table %s detach partition %s', parent, place);
  execute format('drop table %s', place);
  execute format('alter table %s rename to %I', next, in_part);
  execute format('alter table %s attach partition %s for values from (%L) to (%L)', parent, place, low, high);
  execute format('alter table %s drop constraint bounds', place);
  outcome := 'thinned';
end $$;

-- Deletes at most so many rows of each kind that belong to instances, and gives the number of the kind of which it were most.
create function workflow_orchestrator_service.engine_delete_belongings_v1(in_shards smallint[], in_ids uuid[], in_most integer)
returns integer
language plpgsql
set lock_timeout = '5s'
set enable_hashjoin = off
set enable_mergejoin = off
set enable_seqscan = off
set enable_material = off
set plan_cache_mode = force_generic_plan
set jit = off
as $$
declare
  deleted integer;
  most integer := 0;
begin
  with page as materialized (
    select p.shard, p.instance_id, p.seq, p.recorded_at from unnest(in_shards, in_ids) x (shard, id) cross join lateral (
      select d.shard, d.instance_id, d.seq, d.recorded_at from workflow_orchestrator_service.workflow_instance_steps d
      where d.shard = x.shard and d.instance_id = x.id limit in_most) p limit in_most)
  delete from workflow_orchestrator_service.workflow_instance_steps d using page p
  where d.shard = p.shard and d.instance_id = p.instance_id and d.seq = p.seq and d.recorded_at = p.recorded_at;
  get diagnostics deleted = row_count;
  most := greatest(most, deleted);
  with page as materialized (
    select p.shard, p.instance_id, p.id, p.recorded_at from unnest(in_shards, in_ids) x (shard, id) cross join lateral (
      select d.shard, d.instance_id, d.id, d.recorded_at from workflow_orchestrator_service.execution_logs d
      where d.shard = x.shard and d.instance_id = x.id limit in_most) p limit in_most)
  delete from workflow_orchestrator_service.execution_logs d using page p
  where d.shard = p.shard and d.instance_id = p.instance_id and d.id = p.id and d.recorded_at = p.recorded_at;
  get diagnostics deleted = row_count;
  most := greatest(most, deleted);
  with page as materialized (
    select p.shard, p.entity_id, p.created_at, p.id from unnest(in_shards, in_ids) x (shard, id) cross join lateral (
      select d.shard, d.entity_id, d.created_at, d.id from audit.fsm_transitions d
      where d.shard = x.shard and d.entity_id = x.id limit in_most) p limit in_most)
  delete from audit.fsm_transitions d using page p
  where d.shard = p.shard and d.entity_id = p.entity_id and d.created_at = p.created_at and d.id = p.id;
  get diagnostics deleted = row_count;
  most := greatest(most, deleted);
  with page as materialized (
    select p.shard, p.workflow_instance_id, p.path from unnest(in_shards, in_ids) x (shard, id) cross join lateral (
      select d.shard, d.workflow_instance_id, d.path from workflow_orchestrator_service.workflow_event_subscriptions d
      where d.shard = x.shard and d.workflow_instance_id = x.id limit in_most) p limit in_most)
  delete from workflow_orchestrator_service.workflow_event_subscriptions d using page p
  where d.shard = p.shard and d.workflow_instance_id = p.workflow_instance_id and d.path = p.path;
  get diagnostics deleted = row_count;
  most := greatest(most, deleted);
  with page as materialized (
    select p.shard, p.id from unnest(in_shards, in_ids) x (shard, id) cross join lateral (
      select d.shard, d.id from workflow_orchestrator_service.payloads d
      where d.instance_id = x.id and d.shard = x.shard limit in_most) p limit in_most)
  delete from workflow_orchestrator_service.payloads d using page p where d.shard = p.shard and d.id = p.id;
  get diagnostics deleted = row_count;
  return greatest(most, deleted);
end $$;

-- Deletes instances whose own retention has passed, and of what belongs to them at most so many rows of each kind; of an
-- instance that changed since it was looked at (`in_versions`) nothing. Rows are locked in the order in which they are
-- given. Answers which it deleted, and whether they still have belongings.
create function workflow_orchestrator_service.engine_delete_instances_v1(
  in_shards smallint[], in_ids uuid[], in_versions integer[], in_at timestamptz, in_most integer,
  out shards smallint[], out ids uuid[], out more boolean)
language plpgsql
set lock_timeout = '5s'
set enable_hashjoin = off
set enable_mergejoin = off
set enable_seqscan = off
set enable_material = off
set plan_cache_mode = force_generic_plan
set jit = off
as $$
begin
  with gone as (
    delete from workflow_orchestrator_service.workflow_instances i using unnest(in_shards, in_ids, in_versions) x (shard, id, version)
    where i.shard = x.shard and i.id = x.id and i.version = x.version
      -- Not for an index of its own: the rows are known.
      and (i.expires_at < in_at) is true
    returning i.shard, i.id)
  select coalesce(array_agg(g.shard), '{}'), coalesce(array_agg(g.id), '{}') into shards, ids from gone g;
  more := workflow_orchestrator_service.engine_delete_belongings_v1(shards, ids, in_most) >= in_most;
end $$;
