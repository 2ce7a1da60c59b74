-- description: Retention: old weeks of instances are swapped for their survivors, old weeks of history are dropped
-- breaking: false

-- Whatever takes long happens before the table is locked, so that writers wait for at most 200 ms: 100 ms while the lock
-- is asked for, and what is done under it. When it is not had, nothing has changed (55P03). Any node may call these
-- functions at any time; of two at once on one partition the second waits for the first, and finds it done.

-- The instant of a partition's bound: the bound itself, or the time in a UUIDv7.
create function workflow_orchestrator_service.bound_instant(bound text) returns timestamptz
language sql immutable set timezone = 'UTC' as $$
  select case when bound ~ '^[0-9a-f]{8}-'
    then to_timestamp(('x' || lpad(substr(replace(bound, '-', ''), 1, 12), 16, '0'))::bit(64)::bigint / 1000.0)
    else bound::timestamptz end
$$;

-- The partitions of the tables that grow with time. A partition that somebody is detaching is not among them.
create function workflow_orchestrator_service.engine_partitions()
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
      'audit.fsm_transitions'::regclass)
$$;

-- Whether an instance may go: it is final, and its end is longer ago than the retention. A final instance never
-- changes again, so what is expired stays expired.
create function workflow_orchestrator_service.is_expired(status text, completed_at timestamptz, horizon timestamptz) returns boolean
language sql immutable as $$
  select status in ('COMPLETED', 'FAILED', 'CANCELLED') and completed_at is not null and completed_at < horizon
$$;

-- Stops everybody else who uses a table, for the rest of the transaction. Asks five times, half a second apart, for
-- 100 ms: whoever comes while it asks waits behind it, and no longer than that. 55P03 when somebody kept the table.
create function workflow_orchestrator_service.stop_users_of(in_table regclass) returns void
language plpgsql set lock_timeout = '100ms' as $$
begin
  for attempt in 1 .. 5 loop
    begin
      execute format('lock table only %s in access exclusive mode', in_table);
      return;
    exception when lock_not_available then
      if attempt = 5 then raise; end if;
    end;
    perform pg_sleep(0.5);
  end loop;
end $$;

------------------------------------------------------------------------------------------------------------------------
-- Takes the expired instances out of one old partition, all at once:
--
--     look ─▶ copy survivors ─▶ LOCK ─▶ copy again what changed ─▶ detach old ─▶ attach new ─▶ drop old ─▶ commit
--             readers and writers go on        └──────────── they wait: milliseconds ────────────┘
--
-- Survivors may change until the lock is held; `version` tells which did. Nothing is born into an old week, because ids
-- carry the database's time.
--
-- Answers `gone` (no such partition, or not old), `kept` (nothing is expired), `swapped`, `dropped` (no survivors), or
-- `trim` when a swap does not pay: at most `few` are expired, or more than `most` would have to be copied. The caller
-- then deletes the expired rows in batches.

create function workflow_orchestrator_service.engine_retire_instances_v1(
  in_part text, in_horizon timestamptz, in_few integer, in_most integer,
  out outcome text, out kept integer, out locked_ms float8)
language plpgsql
-- Reaching a partition waits for another call and for autovacuum, which makes way after a second.
set lock_timeout = '5s'
-- Survivors are looked up one by one: a hash or merge join would read the whole old partition under the lock.
set enable_hashjoin = off
set enable_mergejoin = off
set jit = off
as $$
declare
  place constant text := format('workflow_orchestrator_service.%I', in_part);
  next constant text := format('workflow_orchestrator_service.%I', in_part || '_next');
  columns text;
  low uuid;
  high uuid;
  expired integer;
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
  select workflow_orchestrator_service.uuid_floor(p.begins_at), workflow_orchestrator_service.uuid_floor(p.ends_at) into low, high
  from workflow_orchestrator_service.engine_partitions() p
  where p.table_name = 'workflow_orchestrator_service.workflow_instances' and p.part = in_part and p.ends_at <= in_horizon;
  if not found then return; end if;

  execute format(
    'select count(*) from (select from %s i where workflow_orchestrator_service.is_expired(i.status, i.completed_at, $1) limit $2) e', place)
  into expired using in_horizon, in_few + 1;
  execute format(
    'select count(*) from (select from %s i where not workflow_orchestrator_service.is_expired(i.status, i.completed_at, $1) limit $2) k', place)
  into kept using in_horizon, in_most + 1;
  if kept > 0 and expired = 0 then
    outcome := 'kept';
    return;
  end if;
  if kept > 0 and (expired <= in_few or kept > in_most) then
    outcome := 'trim';
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
    execute format('alter table %s add constraint bounds check (id >= %L::uuid and id < %L::uuid)', next, low, high);
    execute format(
      'insert into %1$s (%2$s) select %2$s from %3$s i where not workflow_orchestrator_service.is_expired(i.status, i.completed_at, $1)',
      next, columns, place) using in_horizon;
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
      'alter table workflow_orchestrator_service.workflow_instances attach partition %s for values from (%L) to (%L)', place, low, high);
    execute format('alter table %s drop constraint bounds', place);
  end if;
  outcome := case when kept > 0 then 'swapped' else 'dropped' end;
  locked_ms := extract(epoch from clock_timestamp() - since) * 1000;
end $$;

------------------------------------------------------------------------------------------------------------------------
-- Drops one old partition of the journal or of the transitions.
--
-- A partition of the journal stays while an instance that stays would be folded from rows in it, which are those after
-- its `state_seq`. No such rows come later: a partition's time is over, and `state_seq` never falls. They go away when
-- the instance freezes its state (it does when it goes to sleep) or expires.
--
-- Answers `gone`, `dropped`, or `needed` with how many instances still read it (1,000 at most are counted).

create function workflow_orchestrator_service.engine_drop_history_v1(
  in_part text, in_horizon timestamptz, out outcome text, out readers integer)
language plpgsql
set lock_timeout = '5s'
-- Few instances are that old: all of them are read, and each is one look into the partition's primary key.
set enable_seqscan = on
set enable_hashjoin = off
set enable_mergejoin = off
set jit = off
as $$
declare
  parent text;
  place text;
  week_ends_at timestamptz;
begin
  outcome := 'gone';
  readers := 0;
  select p.table_name, format('%s.%I', split_part(p.table_name, '.', 1), p.part), p.ends_at into parent, place, week_ends_at
  from workflow_orchestrator_service.engine_partitions() p
  where p.part = in_part and p.ends_at <= in_horizon and p.table_name <> 'workflow_orchestrator_service.workflow_instances';
  if not found then return; end if;
  begin
    execute format('lock table only %s in share update exclusive mode', place);
  exception when undefined_table then
    return;
  end;

  if parent = 'workflow_orchestrator_service.workflow_instance_steps' then
    execute format(
      'select count(*) from (
         select from workflow_orchestrator_service.workflow_instances i
         where i.id < workflow_orchestrator_service.uuid_floor($1)
           and not workflow_orchestrator_service.is_expired(i.status, i.completed_at, $2)
           and exists (select from %s s where s.shard = i.shard and s.instance_id = i.id and s.seq > i.state_seq)
         limit 1000) r', place)
    into readers using week_ends_at, in_horizon;
    if readers > 0 then
      outcome := 'needed';
      return;
    end if;
  end if;

  perform workflow_orchestrator_service.stop_users_of(parent::regclass);
  execute format('drop table %s', place);
  outcome := 'dropped';
end $$;

------------------------------------------------------------------------------------------------------------------------
-- Makes the planner forget that a week was empty when somebody analyzed it, as one ahead always is.
--
-- For a table that is known to be empty all indexes cost the same, and plans take any of them. A prepared plan, as the
-- flush has, keeps it while the week fills: each of its rows would then be looked up by reading an index from end to end.
-- A week that nobody analyzed is taken to have ten pages, which gives the right plans. Nothing but truncating an empty
-- table makes it such a week again.

create function workflow_orchestrator_service.engine_forget_emptiness_v1() returns integer
language plpgsql set lock_timeout = '100ms' as $$
declare
  place text;
  filled boolean;
  forgotten integer := 0;
begin
  for place in
    select c.oid::regclass::text
    from workflow_orchestrator_service.engine_partitions() p
    join pg_class c on c.oid = to_regclass(format('%s.%I', split_part(p.table_name, '.', 1), p.part))
    where c.reltuples = 0
  loop
    begin
      execute format('lock table only %s in access exclusive mode', place);
      execute format('select exists (select from only %s)', place) into filled;
      if not filled then
        execute format('truncate only %s', place);
        forgotten := forgotten + 1;
      end if;
    exception when lock_not_available or undefined_table then
      -- In use, or gone: the next round sees.
    end;
  end loop;
  return forgotten;
end $$;
