drop function workflow_orchestrator_service.flush_v3;
drop index workflow_orchestrator_service.workflow_event_subscriptions_match_idx;
drop index workflow_orchestrator_service.workflow_event_subscriptions_opened_idx;
drop index workflow_orchestrator_service.workflow_event_subscriptions_event_idx;
alter table workflow_orchestrator_service.workflow_event_subscriptions drop column match_key, drop column since;
create index workflow_event_subscriptions_pattern_idx
  on workflow_orchestrator_service.workflow_event_subscriptions (namespace, event_pattern) where status = 'active';
drop table workflow_orchestrator_service.trigger_firings;
drop table workflow_orchestrator_service.schedule_occurrences;
drop schema event_processing_service cascade;

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
