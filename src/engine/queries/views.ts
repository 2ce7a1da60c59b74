/** What the API shows: one instance, its history and transitions, and lists with filters. */

import { type Db, statement } from "../../foundation/database/index.ts";
import type { InstanceFilter, InstanceSummary } from "../contract.ts";
import { instanceStatuses } from "../machine/state.ts";
import { entriesColumn, instanceColumns } from "./work.ts";

/**
 * One instance with its journal and what a fold does not need, in one look: its parts are of one moment. It may be of
 * another namespace, which is for the caller to see: asked for here, an index that begins with the namespace would look
 * as good as the primary key while the table is young.
 */
export const readInstanceView = statement(
  "engine.read_instance_view",
  `select ${instanceColumns}, ${entriesColumn}, i.trigger_event_id as "triggerEventId", i.parked as "parkedBy", i.origin_instance_id as "originId", i.origin_step_id as "originStepId",
     i.started_at as "startedIso", i.updated_at as "updatedIso", i.completed_at as "completedIso"
   from workflow_orchestrator_service.workflow_instances i
   where i.shard = $1 and i.id = $2`,
);

/** Null when there is none at all. The namespace is compared afterwards, for the reason above. */
export const isInstanceKnown = statement(
  "engine.is_instance_known",
  `select (select i.namespace from workflow_orchestrator_service.workflow_instances i
     where i.shard = $1 and i.id = $2) = $3::text as known`,
);

/** A RUNNING or PENDING row is left out once a later row of its path tells more. */
export const readHistory = statement(
  "engine.read_history",
  `select s.seq, s.path, s.step_id as "stepId", s.type, s.attempt, s.status, s.input, s.output, s.error, s.outcome,
     s.started_at as "startedAt", s.completed_at as "completedAt", s.node_id as "nodeId", s.epoch
   from workflow_orchestrator_service.workflow_instance_steps s
   where s.shard = $1 and s.instance_id = $2 and s.seq > $3
     and not (s.status in ('RUNNING', 'PENDING') and exists (
       select 1 from workflow_orchestrator_service.workflow_instance_steps l
       where l.shard = s.shard and l.instance_id = s.instance_id and l.seq > s.seq and l.path = s.path and l.attempt >= s.attempt))
   order by s.seq limit $4`,
);

export const readTransitions = statement(
  "engine.read_transitions",
  `select t.from_state as "fromState", t.to_state as "toState", t.transition_event as event, t.transition_data as data,
     t.created_at as "createdAt"
   from audit.fsm_transitions t
   where t.shard = $1 and t.entity_id = $2 and t.namespace = $3
   order by t.created_at, t.id limit $4`,
);

export const isDefinitionUsed = statement(
  "engine.is_definition_used",
  `select exists (select 1 from workflow_orchestrator_service.workflow_instances i
     where i.namespace = $1 and i.workflow_id = $2 and i.workflow_definition_id = $3) as used`,
);

const summaryColumns = `i.id, i.workflow_definition_id as "workflowDefinitionId", i.workflow_id as "workflowId", i.namespace, i.status,
  i.current_step_id as "currentStepId", i.correlation_id as "correlationId", i.parent_instance_id as "parentInstanceId", i.priority, i.started_at as "startedAt",
  i.updated_at as "updatedAt", i.completed_at as "completedAt", i.error`;

/** The filter of a list whose definition has been looked up: one version always comes with its workflow. */
export type ListFilter = Omit<InstanceFilter, "definitionId"> & {
  definition?: { workflowId: string; id?: string };
};

/**
 * A page, newest first. Ids are in the order of time, so the time filters and the cursor are ranges of the same index
 * that gives the order; with several statuses each is a range of its own, merged. Of several filters the index of one
 * is read; a status and a version are told in it, others are tested on its rows, newest first.
 */
export async function listInstances(db: Db, filter: ListFilter): Promise<InstanceSummary[]> {
  const { values, value, where } = conditionsOf(filter);
  const limit = value(filter.limit);
  const page = (status: string | undefined) =>
    `select ${summaryColumns} from workflow_orchestrator_service.workflow_instances i where ${where.join(" and ")}${
      status === undefined ? "" : ` and i.status = ${statusTerm(status, value)}`
    } order by i.id desc limit ${limit}`;
  const statuses = filter.status ?? [];
  const text =
    statuses.length === 0
      ? page(undefined)
      : `select * from (${statuses.map((status) => `(${page(status)})`).join(" union all ")}) p order by p.id desc limit ${limit}`;
  return db.unnamed<InstanceSummary>(text, values);
}

/** How many instances a filter finds; counting ends at `most`. Several statuses are a range of an index each. */
export async function countInstances(db: Db, filter: Omit<ListFilter, "limit">, most: number): Promise<number> {
  const { values, value, where } = conditionsOf(filter);
  const limit = value(most);
  const found = (status: string | undefined) =>
    `select from workflow_orchestrator_service.workflow_instances i where ${where.join(" and ")}${
      status === undefined ? "" : ` and i.status = ${statusTerm(status, value)}`
    }`;
  const statuses = filter.status ?? [];
  const all = statuses.length === 0 ? found(undefined) : statuses.map((status) => found(status)).join(" union all ");
  const [row] = await db.unnamed<{ n: number }>(`select count(*)::integer as n from (${all} limit ${limit}) f`, values);
  return row!.n;
}

/** Known statuses are written into the text: a partial index is only for whoever can be seen to ask for its rows. */
function statusTerm(status: string, value: (v: unknown) => string): string {
  const known = instanceStatuses.find((one) => one === status);
  return known === undefined ? value(status) : `'${known}'`;
}

function conditionsOf(filter: Omit<ListFilter, "limit">) {
  const values: unknown[] = [];
  const value = (v: unknown) => `$${values.push(v)}`;
  const where = [`i.namespace = ${value(filter.namespace)}`];
  if (filter.definition !== undefined) {
    where.push(`i.workflow_id = ${value(filter.definition.workflowId)}`);
    if (filter.definition.id !== undefined) where.push(`i.workflow_definition_id = ${value(filter.definition.id)}`);
  }
  if (filter.parentInstanceId !== undefined) where.push(`i.parent_instance_id = ${value(filter.parentInstanceId)}`);
  if (filter.correlationId !== undefined) where.push(`i.correlation_id = ${value(filter.correlationId)}`);
  if (filter.startedAfter !== undefined) {
    where.push(`i.id >= workflow_orchestrator_service.uuid_floor(${value(filter.startedAfter)}::timestamptz)`);
  }
  if (filter.startedBefore !== undefined) {
    where.push(`i.id < workflow_orchestrator_service.uuid_floor(${value(filter.startedBefore)}::timestamptz)`);
  }
  if (filter.after !== undefined) where.push(`i.id < ${value(filter.after)}`);
  return { values, value, where };
}

/**
 * A page of an instance's log, oldest first: a range of the primary key. A line whose write was sent twice is one. `$4` is
 * the id after which it begins, `$5` the levels, `$6` a step and `$7` a pattern; null where nothing is asked for.
 */
export const readLogs = statement(
  "engine.read_logs",
  `select distinct on (l.id) l.id, l.level, l.message, l.details, l.source, l.step_id as "stepId", l.path, l.attempt, l.logged_at as at
   from workflow_orchestrator_service.execution_logs l
   where l.shard = $1 and l.instance_id = $2 and l.namespace = $3 and l.id > coalesce($4::uuid, '00000000-0000-0000-0000-000000000000')
     and l.level = any ($5::text[]) and ($6::text is null or l.step_id = $6) and ($7::text is null or l.message ilike $7)
   order by l.id limit $8`,
);

/** Since when an instance is paused. */
export const readPausedSince = statement(
  "engine.read_paused_since",
  `select max(t.created_at) as at from audit.fsm_transitions t
   where t.shard = $1 and t.entity_id = $2 and t.to_state = 'PAUSED'`,
);

/** Whether a live node owns a shard. */
export const isShardOwned = statement(
  "engine.is_shard_owned",
  `select exists (select from cluster.shard_leases s
     join cluster.lanes l on l.lane_id = s.lane_id and l.closed_at is null
     join cluster.node_registrations n on n.node_id = l.node_id and n.expires_at > now()
     where s.shard = $1) as owned`,
);

/** What an instance holds or waits for, of concurrency limits. */
export const readInstancePermits = statement(
  "engine.read_instance_permits",
  `select p.limit_key as key, p.state, p.max_held as max, p.asked_at as "askedAt",
     (select count(*)::integer from workflow_orchestrator_service.concurrency_permits h
      where h.shard = p.shard and h.limit_id = p.limit_id and h.state = 'held') as held
   from workflow_orchestrator_service.concurrency_permits p where p.instance_id = $1`,
);

/**
 * Events that were accepted and not routed, up to `$1`. Of more than `$1` the oldest is the oldest of those that were counted.
 *
 * It reads the inbox, whatever is in it: usually a few rows. While 250,000 signals wait that takes some 60 ms; an index on
 * events alone would cost every event an entry for the sake of that moment, and whoever asks again and again asks more rarely
 * when it takes long.
 */
export const eventBacklog = statement(
  "engine.event_backlog",
  `select count(*)::integer as depth, min(w.created_at) as "oldestAcceptedAt" from (
     select b.created_at
     from cluster.cluster_settings c
     cross join lateral generate_series(0, c.shards - 1) s (shard)
     cross join lateral (
       select x.created_at from workflow_orchestrator_service.inbox x
       where x.shard = s.shard::smallint and x.kind = 'EVENT' limit $1) b
     limit $1) w`,
);

/** Waits of a namespace that an event fulfilled, the earliest first. */
export const readWaitsOfEvent = statement(
  "engine.read_waits_of_event",
  `select s.workflow_instance_id as "instanceId", s.wait_step_id as "stepId", s.path, s.event_pattern as pattern,
     s.filter_condition as condition, s.fulfilled_at as "fulfilledAt"
   from workflow_orchestrator_service.workflow_event_subscriptions s
   where s.fulfilled_by_event_id = $2 and s.namespace = $1
   order by s.fulfilled_at, s.workflow_instance_id, s.path limit $3`,
);
