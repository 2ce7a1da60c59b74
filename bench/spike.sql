-- The bare shape of group commit: the fewest tables and columns with which three-step workflows are durable.
create schema spike;

create table spike.shard_leases (
  shard smallint primary key,
  node_id text not null,
  epoch integer not null,
  expires_at timestamptz not null
);
insert into spike.shard_leases select g, 'me', 1, now() + interval '10 seconds' from generate_series(0, 63) g;

create table spike.instances (
  shard smallint not null,
  namespace text not null,
  id uuid not null,
  definition_id uuid not null,
  status text not null,
  input jsonb,
  output jsonb,
  version integer not null default 1,
  started_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  completed_at timestamptz,
  primary key (shard, id)
) with (fillfactor = 80);
create index instances_list_idx on spike.instances (namespace, definition_id, started_at);

create table spike.steps (
  shard smallint not null,
  namespace text not null,
  instance_id uuid not null,
  seq integer not null,
  step_id text not null,
  status text not null,
  output jsonb,
  started_at timestamptz not null,
  completed_at timestamptz,
  primary key (shard, instance_id, seq)
);

create table spike.transitions (
  shard smallint not null,
  namespace text not null,
  entity_id uuid not null,
  from_state text,
  to_state text not null,
  event text not null,
  created_at timestamptz not null default now()
);
create index transitions_entity_idx on spike.transitions (shard, entity_id);

-- False when a shard is not held under the given epoch; nothing is written then.
create function spike.flush(in_shards smallint[], in_epochs integer[], in_starts jsonb, in_steps jsonb, in_ends jsonb)
returns boolean language plpgsql
set enable_hashjoin = off
set enable_mergejoin = off
set enable_seqscan = off
as $$
declare
  held integer;
begin
  select count(*) into held from (
    select 1 from spike.shard_leases l join unnest(in_shards, in_epochs) x (shard, epoch) on l.shard = x.shard and l.epoch = x.epoch
    order by l.shard for share of l) locked;
  if held <> cardinality(in_shards) then
    return false;
  end if;
  if in_starts <> '[]' then
    insert into spike.instances (shard, namespace, id, definition_id, status, input)
    select (e->>0)::smallint, e->>1, (e->>2)::uuid, '00000000-0000-0000-0000-000000000001', 'RUNNING', e->3
    from jsonb_array_elements(in_starts) e;
  end if;
  if in_steps <> '[]' then
    insert into spike.steps (shard, namespace, instance_id, seq, step_id, status, output, started_at, completed_at)
    select (e->>0)::smallint, e->>1, (e->>2)::uuid, (e->>3)::integer, e->>4, 'COMPLETED', e->5, now(), now()
    from jsonb_array_elements(in_steps) e;
  end if;
  if in_ends <> '[]' then
    update spike.instances i
    set status = 'COMPLETED', output = e->3, completed_at = now(), updated_at = now(), version = i.version + 1
    from jsonb_array_elements(in_ends) e
    where i.shard = (e->>0)::smallint and i.id = (e->>2)::uuid;
  end if;
  if in_starts <> '[]' or in_ends <> '[]' then
    insert into spike.transitions (shard, namespace, entity_id, from_state, to_state, event)
    select (e->>0)::smallint, e->>1, (e->>2)::uuid, null, 'RUNNING', 'started' from jsonb_array_elements(in_starts) e
    union all
    select (e->>0)::smallint, e->>1, (e->>2)::uuid, 'RUNNING', 'COMPLETED', 'completed' from jsonb_array_elements(in_ends) e;
  end if;
  return true;
end $$;
