/**
 * What is written to an archive before it is removed: instances with all that is left of them, as JSON text, so that every
 * value is what it is in the database. Read off the hot path, on the connection of housekeeping.
 */

import { statement } from "../../foundation/database/index.ts";

/** One node writes archives at a time. The lock goes with its session. */
export const tryArchiveLock = statement(
  "engine.try_archive_lock",
  "select pg_try_advisory_lock(hashtextextended('millrace archive', 0)) as got",
);

/** The week in an instance's id, as partitions name it. */
const week = `to_char(workflow_orchestrator_service.bound_instant(i.id::text), 'IYYY"w"IW')`;

/**
 * The next $5 instances of a week (from $3 to $4) after (shard $1, id $2) that are expired as of $6 and $7: a range of the
 * primary key.
 */
export const readExpiredOfWeek = statement(
  "engine.read_expired_of_week",
  `select i.shard, i.id, ${week} as week
   from workflow_orchestrator_service.workflow_instances i
   where i.id >= workflow_orchestrator_service.uuid_floor($3) and i.id < workflow_orchestrator_service.uuid_floor($4)
     and (i.shard, i.id) > ($1::smallint, $2::uuid)
     and workflow_orchestrator_service.is_expired(i.status, i.completed_at, i.expires_at, $6, $7)
   order by i.shard, i.id limit $5`,
);

/** Instances (shards $1, ids $2), each with its row. */
export const readArchivedInstances = statement(
  "engine.read_archived_instances",
  `select i.shard, i.id, ${week} as week, json_build_object(
     'id', i.id, 'namespace', i.namespace, 'workflowId', i.workflow_id, 'workflowDefinitionId', i.workflow_definition_id,
     'status', i.status, 'priority', i.priority, 'correlationId', i.correlation_id, 'startedBy', i.started_by,
     'triggerEventId', i.trigger_event_id, 'parentInstanceId', i.parent_instance_id, 'originInstanceId', i.origin_instance_id,
     'originStepId', i.origin_step_id, 'version', i.version, 'input', i.input, 'variables', i.start_variables,
     'output', i.output, 'error', i.error, 'cancelation', i.cancelation, 'compensationState', i.compensation_state,
     'startedAt', i.started_at, 'updatedAt', i.updated_at, 'completedAt', i.completed_at)::text as text
   from unnest($1::smallint[], $2::uuid[]) x (shard, id)
   cross join lateral (
     select * from workflow_orchestrator_service.workflow_instances w where w.shard = x.shard and w.id = x.id) i`,
);

/** The next $4 rows of each instance's journal (shards $1, ids $2) after a number ($3): ranges of the primary key. */
export const readArchivedSteps = statement(
  "engine.read_archived_steps",
  `select x.id as "instanceId", s.seq::text as cursor, json_build_object(
     'seq', s.seq, 'path', s.path, 'stepId', s.step_id, 'type', s.type, 'attempt', s.attempt, 'status', s.status, 'input', s.input,
     'output', s.output, 'error', s.error, 'outcome', s.outcome, 'startedAt', s.started_at, 'completedAt', s.completed_at,
     'nodeId', s.node_id, 'epoch', s.epoch)::text as text
   from unnest($1::smallint[], $2::uuid[], $3::text[]) x (shard, id, after)
   cross join lateral (
     select * from workflow_orchestrator_service.workflow_instance_steps w
     where w.shard = x.shard and w.instance_id = x.id and w.seq > coalesce(x.after::integer, 0) order by w.seq limit $4) s
   order by x.id, s.seq`,
);

/** Likewise the transitions, after the number of one ($3): ranges of the index of entities. */
export const readArchivedTransitions = statement(
  "engine.read_archived_transitions",
  `select x.id as "instanceId", t.id::text as cursor, json_build_object(
     'fromState', t.from_state, 'toState', t.to_state, 'event', t.transition_event, 'data', t.transition_data,
     'createdAt', t.created_at)::text as text
   from unnest($1::smallint[], $2::uuid[], $3::text[]) x (shard, id, after)
   cross join lateral (
     select * from audit.fsm_transitions w
     where w.shard = x.shard and w.entity_id = x.id and w.id > coalesce(x.after::bigint, 0) order by w.id limit $4) t
   order by x.id, t.id`,
);

/** Likewise the execution log, after the id of a line ($3): ranges of the primary key. */
export const readArchivedLogs = statement(
  "engine.read_archived_logs",
  `select x.id as "instanceId", l.id::text as cursor, json_build_object(
     'id', l.id, 'level', l.level, 'message', l.message, 'details', l.details, 'source', l.source, 'stepId', l.step_id,
     'path', l.path, 'attempt', l.attempt, 'at', l.logged_at)::text as text
   from unnest($1::smallint[], $2::uuid[], $3::text[]) x (shard, id, after)
   cross join lateral (
     select distinct on (w.id) * from workflow_orchestrator_service.execution_logs w
     where w.shard = x.shard and w.instance_id = x.id
       and w.id > coalesce(x.after::uuid, '00000000-0000-0000-0000-000000000000') order by w.id limit $4) l
   order by x.id, l.id`,
);
