-- description: Events: instances, deduplication, look-up keys, routing, deliveries, dead letters; schedule occurrences
-- breaking: true

-- What the engine's flush and its intake write of events. The tables of definitions, subscriptions, sequences and queue
-- state come with later migrations.

create schema if not exists event_processing_service;

-- Document 004's event_instances. `id` is the program's (its slot leads to the shard of the partition key, else to any);
-- `event_id` is the publisher's, or `id` as text. `accepted_at` is what look-back and routing compare.
create table event_processing_service.event_instances (
  shard smallint not null,
  id uuid not null,
  namespace text not null,
  event_id varchar(255) not null,
  -- The event's name.
  pattern varchar(255) not null,
  -- Of its definition, where it has one.
  version varchar(50),
  source jsonb,
  -- What deduplicates together with the event's id.
  source_key varchar(1024),
  "timestamp" timestamptz not null,
  payload jsonb not null,
  metadata jsonb not null default '{}',
  partition_key varchar(255),
  accepted_at timestamptz not null default now(),
  -- Of which routing revision its look-up keys are.
  keys_revision bigint not null default 0,
  primary key (shard, id)
) partition by range (id);
-- Lists, newest first; look-back without keys.
create index event_instances_namespace_idx on event_processing_service.event_instances (namespace, id);
create index event_instances_pattern_idx on event_processing_service.event_instances (namespace, pattern, id);
-- Serves the look-up by the publisher's id.
create index event_instances_event_id_idx on event_processing_service.event_instances (namespace, event_id)
  where event_id <> id::text;
create index event_instances_correlation_idx
  on event_processing_service.event_instances (namespace, (metadata->>'correlationId'), id) where metadata ? 'correlationId';
create index event_instances_causation_idx
  on event_processing_service.event_instances (namespace, (metadata->>'causationId'), id) where metadata ? 'causationId';
create index event_instances_source_idx
  on event_processing_service.event_instances (namespace, source_key, id) where source_key is not null;

-- Deduplication: (namespace, source, event id) for seven days, on the shard of that key's hash.
create table event_processing_service.event_keys (
  shard smallint not null,
  namespace text not null,
  source_key varchar(1024) not null,
  event_id varchar(255) not null,
  id uuid not null,
  accepted_at timestamptz not null default now(),
  expires_at timestamptz not null,
  primary key (shard, namespace, source_key, event_id)
);
-- Serves the removal of expired keys.
create index event_keys_expires_idx on event_processing_service.event_keys (expires_at);

-- How waits compare: every pattern that a program waits for, with the paths of the event that its condition compares with
-- values of the instance. Rows come before the first wait that needs them and never go.
create table event_processing_service.event_wait_shapes (
  namespace text not null,
  pattern varchar(255) not null,
  paths text[] not null default '{}',
  -- The routing revision that it came with. Events whose keys are of an earlier one have none for it: look-back reads them
  -- one by one.
  revision bigint not null default 0,
  registered_at timestamptz not null default clock_timestamp(),
  primary key (namespace, pattern, paths)
);

-- The values of an event at the paths of the shapes that fit it: look-back finds events by them.
create table event_processing_service.event_match_keys (
  namespace text not null,
  match_key text not null,
  id uuid not null,
  shard smallint not null,
  primary key (namespace, match_key, id)
) partition by range (id);

-- One row: counts the changes of whatever decides where events go (triggers, subscriptions, wait shapes, queue state).
-- Nodes keep what they have loaded as long as the revision is the same.
create table event_processing_service.routing_revision (
  only_row boolean primary key default true check (only_row),
  revision bigint not null
) with (fillfactor = 50);
insert into event_processing_service.routing_revision (revision) values (1);

-- Called in the transaction of every such change.
create function event_processing_service.routing_changed() returns bigint language sql as $$
  update event_processing_service.routing_revision set revision = revision + 1 returning revision
$$;

-- The ledger: how an event was routed, once per event and once more per replay. `decisions` is a list of
-- { target: { kind, id }, outcome, reason?, instanceId?, deliveryId? }.
create table event_processing_service.event_routings (
  shard smallint not null,
  event_id uuid not null,
  -- Zeroes where it is no replay.
  replay_id uuid not null default '00000000-0000-0000-0000-000000000000',
  namespace text not null,
  decisions jsonb not null,
  routed_at timestamptz not null default now(),
  primary key (shard, event_id, replay_id)
) partition by range (event_id);

-- One event on its way to one subscriber. The flush inserts; whoever delivers updates. `id` is the webhook-id.
create table event_processing_service.event_deliveries (
  id uuid primary key,
  shard smallint not null,
  namespace text not null,
  event_id uuid not null,
  subscription_id uuid not null,
  replay_id uuid,
  status varchar(20) not null default 'pending' check (status in ('pending', 'delivered', 'failed', 'cancelled')),
  attempts integer not null default 0,
  next_attempt_at timestamptz not null default now(),
  claimed_by text,
  claimed_until timestamptz,
  history jsonb not null default '[]',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  completed_at timestamptz
) with (fillfactor = 80);
-- Serves the claim of what is due.
create index event_deliveries_due_idx on event_processing_service.event_deliveries (next_attempt_at, id) where status = 'pending';
-- Serves the list of one subscriber's deliveries, newest first.
create index event_deliveries_subscription_idx on event_processing_service.event_deliveries (subscription_id, id);
-- Serves the ledger of one event.
create index event_deliveries_event_idx on event_processing_service.event_deliveries (event_id);

-- Document 004's dead letters: events that a target, or nobody, could take.
create table event_processing_service.dead_letter_queue (
  id uuid primary key,
  namespace text not null,
  -- The publisher's id; null where the event was refused before it had one.
  event_id varchar(255),
  -- The event's own row; null where it never became one.
  event_instance_id uuid,
  -- `intake`, `trigger:<id>`, `subscription:<id>`, `sequence:<id>`.
  subscriber_id varchar(255) not null,
  delivery_id uuid,
  original_event jsonb not null,
  error_message text not null,
  error_type varchar(100) not null,
  error_code varchar(100) not null,
  error_stack_trace text,
  error_context jsonb,
  retry_history jsonb not null default '[]',
  retry_count integer not null default 0,
  max_retries integer not null default 0,
  status varchar(20) not null default 'pending' check (status in ('pending', 'reprocessing', 'resolved', 'discarded')),
  resolution_timestamp timestamptz,
  resolution_strategy varchar(30)
    check (resolution_strategy in ('automatic_retry', 'manual_retry', 'manual_resolution', 'discard')),
  resolved_by varchar(255),
  resolution_notes text,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
) with (fillfactor = 80);
create index dead_letter_queue_namespace_idx on event_processing_service.dead_letter_queue (namespace, id);
create index dead_letter_queue_status_idx on event_processing_service.dead_letter_queue (namespace, status, id);
create index dead_letter_queue_subscriber_idx on event_processing_service.dead_letter_queue (namespace, subscriber_id, id);
create index dead_letter_queue_event_idx on event_processing_service.dead_letter_queue (event_instance_id);
create index dead_letter_queue_delivery_idx on event_processing_service.dead_letter_queue (delivery_id) where delivery_id is not null;

-- What became of each planned time of a schedule. Written by the flush of the schedule's home, once per planned time.
create table workflow_orchestrator_service.schedule_occurrences (
  shard smallint not null,
  schedule_id uuid not null,
  planned_at timestamptz not null,
  -- `late`: fired, but after its time by more than the schedule tolerates; `missed`: its time passed while nobody was there.
  status varchar(20) not null check (status in ('fired', 'late', 'skipped', 'missed', 'queued', 'failed')),
  reason text,
  instance_id uuid,
  -- Set where a backfill asked for it.
  backfill_id uuid,
  occurred_at timestamptz not null default now(),
  primary key (shard, schedule_id, planned_at)
);
-- Serves the list of one schedule's occurrences, newest first, without knowing its shard; and retention by time.
create index schedule_occurrences_schedule_idx on workflow_orchestrator_service.schedule_occurrences (schedule_id, planned_at);
create index schedule_occurrences_time_idx on workflow_orchestrator_service.schedule_occurrences using brin (occurred_at);

-- How often a trigger or schedule fired and when last, a row per shard so that lanes do not meet; the sum is what people see.
create table workflow_orchestrator_service.trigger_firings (
  shard smallint not null,
  trigger_id uuid not null,
  fired bigint not null,
  last_fired_at timestamptz not null,
  primary key (trigger_id, shard)
) with (fillfactor = 70);

-- Waits find events by pattern and key (`match_key`, empty where the condition compares nothing with the instance), accepted
-- from `since` on.
alter table workflow_orchestrator_service.workflow_event_subscriptions
  add column match_key text not null default '',
  add column since timestamptz;
drop index workflow_orchestrator_service.workflow_event_subscriptions_pattern_idx;
-- Serves routing, and "who waits for this".
create index workflow_event_subscriptions_match_idx
  on workflow_orchestrator_service.workflow_event_subscriptions (namespace, event_pattern, match_key) where status = 'active';
-- Serves an owner that acquires a shard: the waits whose look-back the last owner may not have ended. That all have a time is
-- said so that only who asks for a time may use it: while the table is small, the index above looks no better.
create index workflow_event_subscriptions_opened_idx
  on workflow_orchestrator_service.workflow_event_subscriptions (shard, created_at)
  where status = 'active' and created_at is not null;
-- Serves the ledger: which waits an event fulfilled.
create index workflow_event_subscriptions_event_idx
  on workflow_orchestrator_service.workflow_event_subscriptions (fulfilled_by_event_id) where fulfilled_by_event_id is not null;

-- Waits of a shard that were opened before this have been looked back for. Written now and then by the shard's owner.
create table event_processing_service.look_back_floors (
  shard smallint primary key,
  floor timestamptz not null
) with (fillfactor = 50);
-- Before this there were no events to be looked back for.
insert into event_processing_service.look_back_floors (shard, floor) select l.shard, now() from cluster.shard_leases l;

------------------------------------------------------------------------------------------------------------------------
-- Partitions: as before, and of events by their ids.

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
        ('event_processing_service', 'event_instances', true),
        ('event_processing_service', 'event_match_keys', true),
        ('event_processing_service', 'event_routings', true),
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
          execute format('alter table %I.%I set (fillfactor = %s)', target.schema_name, part,
            case when target.table_name = 'workflow_instances' then 85 else 100 end);
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
      'event_processing_service.event_instances'::regclass,
      'event_processing_service.event_match_keys'::regclass,
      'event_processing_service.event_routings'::regclass,
      'audit.fsm_transitions'::regclass)
$$;

-- Drops the oldest week of events, of their look-up keys or of their ledger that is older than the horizon as a whole; gives
-- its name, or null when there is none. One in each call, so that its table is locked for a moment only. 55P03 when it is
-- in use.
create function event_processing_service.drop_old_events_v1(in_horizon timestamptz)
returns text language plpgsql set lock_timeout = '200ms' as $$
declare
  old text;
begin
  select p.part into old from workflow_orchestrator_service.engine_partitions() p
  where p.table_name like 'event_processing_service.%' and p.ends_at <= in_horizon
  order by p.ends_at, p.part limit 1;
  if old is not null then
    execute format('drop table if exists event_processing_service.%I', old);
  end if;
  return old;
end $$;

------------------------------------------------------------------------------------------------------------------------
-- When an event counts as accepted: now, but at most five seconds after its id was made, however long it was on its way.
-- So whoever looks back finds it by its id.
create function event_processing_service.acceptance_v1(in_id uuid, in_at timestamptz) returns timestamptz
language sql immutable as $$
  select least(in_at, to_timestamp(
    ('x' || lpad(substr(replace(in_id::text, '-', ''), 1, 12), 16, '0'))::bit(64)::bigint / 1000.0) + interval '5 seconds')
$$;

-- Events come in: an insert of the same rows by intake and by the flush. Rows are [shard, id, namespace, event id, pattern,
-- version, source, source key, timestamp in ms or null, payload, metadata, partition key, shard of the deduplication key or
-- null, match keys].

create function event_processing_service.insert_events_v1(in_events jsonb, in_at timestamptz, in_revision bigint)
returns table (event uuid, inbox_shard smallint, inbox_id bigint, accepted_at timestamptz)
language plpgsql
set enable_hashjoin = off
set enable_mergejoin = off
set enable_seqscan = off
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
begin
  return query with wanted as materialized (
    select (e->>0)::smallint shard, (e->>1)::uuid id, e->>2 namespace, e->>3 event_id, e->>4 pattern, e->>5 version,
      nullif(e->6, 'null') source, e->>7 source_key, to_timestamp((e->>8)::float8 / 1000) happened_at,
      e->9 payload, e->10 metadata, e->>11 partition_key, (e->>12)::smallint key_shard, e->13 match_keys, n,
      event_processing_service.acceptance_v1((e->>1)::uuid, in_at) taken_at
    from jsonb_array_elements(in_events) with ordinality x (e, n)
  ), keyed as (
    insert into event_processing_service.event_keys as k (shard, namespace, source_key, event_id, id, accepted_at, expires_at)
    select w.key_shard, w.namespace, coalesce(w.source_key, ''), w.event_id, w.id, w.taken_at, in_at + interval '7 days'
    from wanted w where w.key_shard is not null
    order by w.key_shard, w.namespace, w.source_key, w.event_id, w.n
    on conflict do nothing
    returning k.id
  ), fresh as materialized (
    select w.* from wanted w where w.key_shard is null or w.id in (select k.id from keyed k)
  ), events as (
    insert into event_processing_service.event_instances
      (shard, id, namespace, event_id, pattern, version, source, source_key, "timestamp", payload, metadata, partition_key, accepted_at,
       keys_revision)
    select f.shard, f.id, f.namespace, f.event_id, f.pattern, f.version, f.source, f.source_key,
      coalesce(f.happened_at, f.taken_at), f.payload, f.metadata, f.partition_key, f.taken_at, in_revision
    from fresh f
  ), keys as (
    insert into event_processing_service.event_match_keys (namespace, match_key, id, shard)
    select f.namespace, m.key, f.id, f.shard from fresh f cross join lateral jsonb_array_elements_text(f.match_keys) m (key)
  )
  insert into workflow_orchestrator_service.inbox as b (shard, kind, instance_id, fact, created_at)
  select f.shard, 'EVENT', f.id, '{}', in_at from fresh f order by f.n
  returning b.instance_id, b.shard, b.id, event_processing_service.acceptance_v1(b.instance_id, in_at);
end $$;

-- One transaction of intake. `stale`: what decides where events go has changed since the keys were computed, and nothing was
-- written. Of an event that is not in the answer the key was used before. A key that another open transaction holds makes
-- the call fail with 55P03 after the timeout.
create function event_processing_service.accept_events_v1(in_events jsonb, in_revision bigint)
returns table (event uuid, stale boolean, inbox_shard smallint, inbox_id bigint, accepted_at timestamptz)
language plpgsql
set lock_timeout = '250ms'
as $$
begin
  if (select r.revision from event_processing_service.routing_revision r) <> in_revision then
    return query select null::uuid, true, null::smallint, null::bigint, now();
    return;
  end if;
  return query select i.event, false, i.inbox_shard, i.inbox_id, i.accepted_at
    from event_processing_service.insert_events_v1(in_events, now(), in_revision) i;
end $$;

------------------------------------------------------------------------------------------------------------------------
-- The flush of a batch that has to do with events or schedules: `flush_v2` and what it does not know. A batch without any of
-- it goes to `flush_v2` itself. `stale_routing`: the match keys of published events were computed from what is not so any
-- more (`in_routing` is not the present revision); nothing was written, and the number may be used again.

create function workflow_orchestrator_service.flush_v3(
  in_lane uuid, in_seq bigint, in_node text, in_shards smallint[], in_latest jsonb,
  in_starts jsonb, in_changes jsonb, in_steps jsonb, in_transitions jsonb, in_extras jsonb, in_events jsonb, in_routing bigint,
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
  if in_routing is not null
    and not exists (select 1 from event_processing_service.routing_revision r where r.revision = in_routing)
    and not exists (select 1 from cluster.flush_marks m where m.lane_id = in_lane and m.seq = in_seq) then
    outcome := 'stale_routing';
    return;
  end if;
  select f.outcome into outcome from workflow_orchestrator_service.flush_v2(
    in_lane, in_seq, in_node, in_shards, in_latest, in_starts, in_changes, in_steps, in_transitions, in_extras) f;
  if outcome <> 'done' then return; end if;

  part := in_events->'waitsOpened';
  if part is not null then
    insert into workflow_orchestrator_service.workflow_event_subscriptions
      (shard, workflow_instance_id, path, namespace, event_pattern, filter_condition, status, timeout_at, wait_step_id,
       timeout_handler_step_id, created_at, match_key, since)
    select (e->>0)::smallint, (e->>1)::uuid, e->>2, e->>3, e->>4, e->>5, 'active', to_timestamp((e->>6)::float8 / 1000), e->>7, e->>8,
      at, e->>9, to_timestamp((e->>10)::float8 / 1000)
    from jsonb_array_elements(part) e;
  end if;
  part := in_events->'waitsEnded';
  if part is not null then
    update workflow_orchestrator_service.workflow_event_subscriptions s
    set status = e->>3, fulfilled_by_event_id = (e->>4)::uuid, fulfilled_at = at
    from jsonb_array_elements(part) e
    where s.shard = (e->>0)::smallint and s.workflow_instance_id = (e->>1)::uuid and s.path = e->>2;
  end if;
  part := in_events->'waitsAbandoned';
  if part is not null then
    -- What is open has not ended. By its status it would be sought among the open waits of the whole shard.
    update workflow_orchestrator_service.workflow_event_subscriptions s set status = 'cancelled', fulfilled_at = at
    from jsonb_array_elements(part) e
    where s.shard = (e->>0)::smallint and s.workflow_instance_id = (e->>1)::uuid and s.fulfilled_at is null;
  end if;
  part := in_events->'lookBackFloors';
  if part is not null then
    insert into event_processing_service.look_back_floors as f (shard, floor)
    select (e->>0)::smallint, to_timestamp(max((e->>1)::float8) / 1000) from jsonb_array_elements(part) e group by 1
    on conflict (shard) do update set floor = excluded.floor;
  end if;
  part := in_events->'eventsPublished';
  if part is not null then
    perform event_processing_service.insert_events_v1(part, at, in_routing);
  end if;
  part := in_events->'routed';
  if part is not null then
    insert into event_processing_service.event_routings (shard, event_id, replay_id, namespace, decisions, routed_at)
    select (e->>0)::smallint, (e->>1)::uuid, coalesce((e->>2)::uuid, '00000000-0000-0000-0000-000000000000'), e->>3, e->4, at
    from jsonb_array_elements(part) e
    -- A dead letter is routed again, not the event.
    on conflict (shard, event_id, replay_id)
      do update set decisions = event_routings.decisions || excluded.decisions, routed_at = excluded.routed_at;
  end if;
  part := in_events->'deliveries';
  if part is not null then
    insert into event_processing_service.event_deliveries
      (id, shard, namespace, event_id, subscription_id, replay_id, next_attempt_at, created_at, updated_at)
    select (e->>0)::uuid, (e->>1)::smallint, e->>2, (e->>3)::uuid, (e->>4)::uuid, (e->>5)::uuid, at, at, at
    from jsonb_array_elements(part) e;
  end if;
  part := in_events->'deadLettered';
  if part is not null then
    insert into event_processing_service.dead_letter_queue
      (id, namespace, event_id, event_instance_id, subscriber_id, original_event, error_message, error_type, error_code,
       error_context, created_at, updated_at)
    select (e->>0)::uuid, e->>1, e->>2, (e->>3)::uuid, e->>4, e->5, e->>6, e->>7, e->>8, nullif(e->9, 'null'), at, at
    from jsonb_array_elements(part) e;
  end if;
  part := in_events->'deadLettersSettled';
  if part is not null then
    -- [id, failure message or null, type, code, strategy, by].
    update event_processing_service.dead_letter_queue d set
      status = case when e->>1 is null then 'resolved' else 'pending' end,
      resolution_timestamp = case when e->>1 is null then at end,
      resolution_strategy = case when e->>1 is null then e->>4 end,
      resolved_by = case when e->>1 is null then e->>5 end,
      error_message = coalesce(e->>1, d.error_message),
      error_type = coalesce(e->>2, d.error_type),
      error_code = coalesce(e->>3, d.error_code),
      retry_count = d.retry_count + 1,
      retry_history = d.retry_history || jsonb_build_array(jsonb_build_object('timestamp', at, 'error', e->1)),
      updated_at = at
    from jsonb_array_elements(part) e
    where d.id = (e->>0)::uuid and d.status = 'reprocessing';
  end if;
  part := in_events->'occurrencesPut';
  if part is not null then
    insert into workflow_orchestrator_service.schedule_occurrences as o
      (shard, schedule_id, planned_at, status, reason, instance_id, backfill_id, occurred_at)
    select (e->>0)::smallint, (e->>1)::uuid, to_timestamp((e->>2)::float8 / 1000), e->>3, e->>4, (e->>5)::uuid, (e->>6)::uuid, at
    from jsonb_array_elements(part) e
    on conflict (shard, schedule_id, planned_at) do update
      set status = excluded.status, reason = excluded.reason, instance_id = excluded.instance_id,
        backfill_id = coalesce(excluded.backfill_id, o.backfill_id), occurred_at = excluded.occurred_at;
  end if;
  part := in_events->'firings';
  if part is not null then
    insert into workflow_orchestrator_service.trigger_firings as f (shard, trigger_id, fired, last_fired_at)
    select (e->>0)::smallint, (e->>1)::uuid, sum((e->>2)::bigint), to_timestamp(max((e->>3)::float8) / 1000)
    from jsonb_array_elements(part) e group by 1, 2
    on conflict (trigger_id, shard)
      do update set fired = f.fired + excluded.fired, last_fired_at = greatest(f.last_fired_at, excluded.last_fired_at);
  end if;
end $$;
