/** The benchmarks' own SQL: making databases, reading counters, checking what was written. */
import { statement } from "../../src/foundation/database/index.ts";

/** Identifiers here are made by this program and hold letters, digits and underscores only. */
export const createDatabaseText = (what: { name: string; template: string }): string =>
  `create database ${what.name} template ${what.template}`;
export const dropDatabaseText = (name: string): string => `drop database if exists ${name} with (force)`;

export const countConnections = statement(
  "bench.count_connections",
  "select count(*)::int as connections from pg_stat_activity where datname = $1 and backend_type = 'client backend'",
);

/** WAL is read again to count commits, so it must outlive a checkpoint in the middle of a run. */
export const prepareServerTexts: readonly string[] = [
  "alter system set shared_preload_libraries = 'pg_stat_statements'",
  "alter system set pg_stat_statements.max = 5000",
  "alter system set wal_keep_size = '4GB'",
];
export const createExtensionsTexts: readonly string[] = [
  "create extension if not exists pg_stat_statements",
  "create extension if not exists pg_walinspect",
];

/** Which extensions are there: on a given server one or both may be missing. */
export const readExtensions = statement(
  "bench.read_extensions",
  "select extname as name from pg_extension where extname in ('pg_stat_statements', 'pg_walinspect')",
);

export const readVersion = statement("bench.read_version", "select current_setting('server_version') as version");

export const readWalPosition = statement(
  "bench.read_wal_position",
  "select pg_current_wal_flush_lsn()::text as position",
);

export const readWalBytes = statement(
  "bench.read_wal_bytes",
  "select pg_wal_lsn_diff($2::pg_lsn, $1::pg_lsn)::float8 as bytes",
);

/** Counts the commit records between two positions: every transaction that wrote, whoever it belonged to. */
export const countWalCommits = statement(
  "bench.count_wal_commits",
  `select coalesce(sum(count), 0)::float8 as commits
   from pg_get_wal_stats($1::pg_lsn, $2::pg_lsn, true) where "resource_manager/record_type" = 'Transaction/COMMIT'`,
);

/** Reading transactions count too, and the server adds them up with a delay of up to ten seconds. */
export const countCommits = statement(
  "bench.count_commits",
  "select xact_commit::float8 as commits from pg_stat_database where datname = $1",
);

/** Statements that clients sent to one database; what runs inside functions is not counted again. */
export const countStatements = statement(
  "bench.count_statements",
  `select coalesce(sum(s.calls), 0)::float8 as statements from pg_stat_statements s
   join pg_database d on d.oid = s.dbid where d.datname = $1 and s.toplevel`,
);

/** Flushes of all lanes so far. Old marks are deleted, the newest never. */
export const countFlushes = statement(
  "bench.count_flushes",
  "select coalesce(sum(newest), 0)::float8 as flushes from (select max(seq) newest from cluster.flush_marks group by lane_id) m",
);

export const countAllCompleted = statement(
  "bench.count_all_completed",
  `select count(*)::float8 as completed from workflow_orchestrator_service.workflow_instances
   where namespace = $1 and status = 'COMPLETED'`,
);

/** Opens a lane that owns every shard, as a lone node would. */
export const openLane = statement(
  "bench.open_lane",
  `with lane as (insert into cluster.lanes (lane_id, node_id) values ($1, $2) returning lane_id),
     mark as (insert into cluster.flush_marks (lane_id, seq) select lane_id, 0 from lane)
   update cluster.shard_leases l set lane_id = lane.lane_id, epoch = l.epoch + 1 from lane`,
);

export const countShards = statement("bench.count_shards", "select shards::int from cluster.cluster_settings");

export const flush = statement(
  "bench.flush",
  `select outcome from workflow_orchestrator_service.flush_v2($1, $2, $3, $4, null, $5, $6, $7, $8, $9)`,
);

export const flushWithEvents = statement(
  "bench.flush_with_events",
  `select outcome from workflow_orchestrator_service.flush_v3($1, $2, $3, $4, null, $5, $6, $7, $8, $9, $10, null)`,
);

export const readRoutingRevision = statement(
  "bench.read_routing_revision",
  "select revision::float8 as revision from event_processing_service.routing_revision",
);

/**
 * $2 triggers of namespace $1 that start $3: a third of their patterns are names, the others end in wildcards. The name
 * 'orders.k<n>.made' fits the n-th and no other.
 */
export const insertTriggers = statement(
  "bench.insert_triggers",
  `with revision as (select event_processing_service.routing_changed() as now)
   insert into workflow_orchestrator_service.workflow_event_triggers
     (id, namespace, name, kind, workflow_id, event_pattern, routing_pattern, event_condition, input_mapping, routing_revision)
   select ('00000000-0000-7000-9000-' || lpad(n::text, 12, '0'))::uuid, $1, 'trigger-' || n, 'event', $3, p.pattern, p.pattern,
     'event.payload.amount > 1', '"payload"', r.now
   from revision r, generate_series(0, $2::int - 1) n
   cross join lateral (select 'orders.k' || n || (array['.made', '.*', '.>'])[n % 3 + 1]) p (pattern)`,
);

/** Events that were routed so far. */
export const countRouted = statement(
  "bench.count_routed",
  "select count(*)::float8 as routed from event_processing_service.event_routings where namespace = $1",
);

/** Whether instances sleep: their rows say that nothing is to be done. */
export const countResting = statement(
  "bench.count_resting",
  `select count(*)::int as resting from workflow_orchestrator_service.workflow_instances
   where id = any ($1::uuid[]) and not ready and status in ('RUNNING', 'WAITING_FOR_EVENT')`,
);

/**
 * Copies the sleeping instance $1 with all that belongs to it, $3 times from the $2-th of $4, under new ids on all shards:
 * its journal, its timer, its wait, its transitions, and its row as its start wrote it. Only ids and shards differ from
 * what the engine wrote. The $4 ids carry times of the last hour, in order.
 */
export const copySleeper = statement(
  "bench.copy_sleeper",
  `with settings as (select shards from cluster.cluster_settings),
     noise as (
       select n, md5($1::uuid::text || n::text) as hex, (random() * 1023)::int as slot
       from generate_series($2::bigint, $2::bigint + $3::bigint - 1) n),
     copies as materialized (
       select (slot % shards)::smallint as shard,
         (lpad(to_hex((extract(epoch from now()) * 1000)::bigint - 3600000 + n * 3600000 / $4::bigint), 12, '0')
           || '7' || substr(hex, 1, 3) || '8' || substr(hex, 4, 12)
           || lpad(to_hex((('x' || substr(hex, 16, 3))::bit(12)::int & 3072) | slot), 3, '0'))::uuid as id
       from settings, noise order by n),
     instances as (
       insert into workflow_orchestrator_service.workflow_instances
         (shard, id, namespace, workflow_definition_id, workflow_id, status, ready, priority, current_step_id, input, started_at, updated_at)
       select c.shard, c.id, i.namespace, i.workflow_definition_id, i.workflow_id, 'RUNNING', true, i.priority, i.current_step_id,
         i.input, i.started_at, i.started_at
       from copies c, workflow_orchestrator_service.workflow_instances i where i.id = $1),
     steps as (
       insert into workflow_orchestrator_service.workflow_instance_steps
         (shard, instance_id, seq, path, step_id, type, attempt, status, input, output, error, outcome, started_at, completed_at,
          node_id, epoch, recorded_at)
       select c.shard, c.id, s.seq, s.path, s.step_id, s.type, s.attempt, s.status, s.input, s.output, s.error, s.outcome,
         s.started_at, s.completed_at, s.node_id, s.epoch, s.recorded_at
       from copies c, workflow_orchestrator_service.workflow_instance_steps s where s.instance_id = $1),
     timers as (
       insert into workflow_orchestrator_service.timers (shard, due_at, instance_id, timer_key)
       select c.shard, t.due_at, c.id, t.timer_key
       from copies c, workflow_orchestrator_service.timers t where t.instance_id = $1),
     waits as (
       insert into workflow_orchestrator_service.workflow_event_subscriptions
         (shard, workflow_instance_id, path, namespace, event_pattern, filter_condition, status, timeout_at, wait_step_id,
          timeout_handler_step_id, created_at, match_key, since)
       select c.shard, c.id, w.path, w.namespace, w.event_pattern, w.filter_condition, w.status,
         w.timeout_at, w.wait_step_id, w.timeout_handler_step_id, w.created_at, w.match_key, w.since
       from copies c, workflow_orchestrator_service.workflow_event_subscriptions w where w.workflow_instance_id = $1),
     transitions as (
       insert into audit.fsm_transitions
         (shard, namespace, entity_id, entity_type, from_state, to_state, transition_event, transition_data, created_at)
       select c.shard, t.namespace, c.id, t.entity_type, t.from_state, t.to_state, t.transition_event, t.transition_data, t.created_at
       from copies c, audit.fsm_transitions t where t.entity_id = $1)
   select count(*)::int as copied from copies`,
);

/**
 * Puts the copies to sleep, as the engine did with the specimen: by a change of the row that is there. It matters how:
 * rows that were only inserted would leave a small hole in each page, and what is started later would be strewn over all.
 */
export const restCopies = statement(
  "bench.rest_copies",
  `update workflow_orchestrator_service.workflow_instances i
   set status = s.status, ready = s.ready, current_step_id = s.current_step_id, version = s.version, state = s.state,
     state_seq = s.state_seq, updated_at = s.updated_at
   from workflow_orchestrator_service.workflow_instances s
   where s.id = $1 and i.workflow_id = s.workflow_id and i.namespace = s.namespace and i.ready`,
);

/** After a load in bulk: what autovacuum, the checkpointer, and the owner of the waits would do in the middle of the first run. */
export const settleTexts: readonly string[] = [
  "update event_processing_service.look_back_floors set floor = now()",
  "vacuum analyze",
  "checkpoint",
];

export const countCompleted = statement(
  "bench.count_completed",
  `select count(*)::int as completed from workflow_orchestrator_service.workflow_instances
   where id = any ($1::uuid[]) and status = 'COMPLETED'`,
);

/** What was written of workflows, without what differs from run to run: ids, places and times. */
export const readWrittenInstances = statement(
  "bench.read_written_instances",
  `select to_jsonb(i) - '{shard,id,workflow_definition_id,started_at,updated_at,completed_at}'::text[] as row
   from workflow_orchestrator_service.workflow_instances i order by i.input->'order'`,
);
export const readWrittenSteps = statement(
  "bench.read_written_steps",
  `select to_jsonb(s) - '{shard,instance_id,started_at,completed_at,node_id,epoch,recorded_at}'::text[] as row
   from workflow_orchestrator_service.workflow_instance_steps s order by s.input->'order', s.seq`,
);
export const readWrittenTransitions = statement(
  "bench.read_written_transitions",
  `select to_jsonb(t) - '{id,shard,entity_id,created_at}'::text[] as row
   from audit.fsm_transitions t where t.entity_type = 'workflow' order by t.transition_event, t.id`,
);
/** Housekeeping may have moved some of them into the sums. */
export const readWrittenTallies = statement(
  "bench.read_written_tallies",
  `select t.kind, t.step_id, t.code, sum(t.n)::int as n
   from (select kind, coalesce(step_id, '') as step_id, coalesce(code, '') as code, n
     from workflow_orchestrator_service.definition_tallies
     union all
     select kind, step_id, code, n from workflow_orchestrator_service.definition_statistics) t
   group by t.kind, t.step_id, t.code order by t.kind`,
);

/** Rows that events leave, and those of what they start and resume. */
export const countWritten = statement(
  "bench.count_written",
  `select (select count(*) from event_processing_service.event_instances)::int as events,
     (select count(*) from event_processing_service.event_keys)::int as keys,
     (select count(*) from event_processing_service.event_match_keys)::int as look_ups,
     (select count(*) from event_processing_service.event_routings)::int as routings,
     (select count(*) from workflow_orchestrator_service.inbox)::int as inbox,
     (select count(*) from workflow_orchestrator_service.timers)::int as timers,
     (select count(*) from workflow_orchestrator_service.workflow_instances where status = 'COMPLETED')::int as completed,
     (select count(*) from workflow_orchestrator_service.workflow_instance_steps)::int as steps,
     (select count(*) from workflow_orchestrator_service.workflow_event_subscriptions where status = 'fulfilled')::int as waits,
     (select count(*) from audit.fsm_transitions where entity_type = 'workflow')::int as transitions`,
);
