/** Everything that a run left in the database, as plain rows. Instants are milliseconds since 1970. */

import { statement } from "../../src/foundation/database/index.ts";

const ms = (column: string) => `(extract(epoch from ${column}) * 1000)::float8`;

export const readInstances = statement(
  "chaos.read_instances",
  `select i.shard, i.id, i.namespace, i.workflow_definition_id as "definitionId", i.workflow_id as "workflowId", i.status, i.ready,
     i.priority, i.correlation_id as "correlationId", i.started_by as "startedBy",
     i.trigger_event_id as "triggerEventId", (select json_build_object('id', e.id, 'acceptedAt', floor(${ms("e.accepted_at")}))
       from event_processing_service.event_instances e where e.shard = i.shard and e.id = i.trigger_event_id) as "triggerEvent", i.version, i.input, i.state,
     i.state_seq as "stateSeq", i.output, i.error, i.cancelation, i.parked, ${ms("i.started_at")} as "startedAt",
     ${ms("i.completed_at")} as "completedAt", i.parent_instance_id as "parentId", i.parent_path as "parentPath",
     i.origin_instance_id as "originId", i.origin_step_id as "originStepId", i.start_variables as variables
   from workflow_orchestrator_service.workflow_instances i order by i.id`,
);

export const readSteps = statement(
  "chaos.read_steps",
  `select s.instance_id as "instanceId", s.seq, s.path, s.step_id as "stepId", s.type, s.attempt, s.status, s.input, s.output, s.error,
     s.outcome, ${ms("s.started_at")} as "startedAt", ${ms("s.completed_at")} as "completedAt", s.node_id as "nodeId", s.shard, s.epoch,
     ${ms("s.recorded_at")} as "recordedAt", s.xmin::text as flush
   from workflow_orchestrator_service.workflow_instance_steps s order by s.instance_id, s.seq, s.recorded_at`,
);

export const readTransitions = statement(
  "chaos.read_transitions",
  `select t.entity_id as "entityId", t.entity_type as "entityType", t.shard, t.from_state as "from", t.to_state as "to",
     t.transition_event as event, t.transition_data as data, ${ms("t.created_at")} as at, t.xmin::text as flush
   from audit.fsm_transitions t order by t.id`,
);

export const readWaits = statement(
  "chaos.read_waits",
  `select s.workflow_instance_id as "instanceId", s.path, s.status, s.fulfilled_by_event_id as "eventId", ${ms("s.since")} as since,
     ${ms("s.created_at")} as "openedAt"
   from workflow_orchestrator_service.workflow_event_subscriptions s`,
);

export const readEvents = statement(
  "chaos.read_events",
  `select e.id, e.namespace, e.pattern, e.payload, ${ms("e.accepted_at")} as "acceptedAt",
     case when e.event_id <> e.id::text then json_build_array(e.namespace, e.source_key, e.event_id)::text end as key
   from event_processing_service.event_instances e order by e.accepted_at, e.id`,
);

/** An event that was routed twice has its decisions twice. */
export const readRoutings = statement(
  "chaos.read_routings",
  `select r.event_id as "eventId", nullif(r.replay_id, '00000000-0000-0000-0000-000000000000') as "replayId",
     array(select concat_ws(' ', d->'target'->>'kind', d->'target'->>'id', d->'target'->>'path') from jsonb_array_elements(r.decisions) d)
       as targets
   from event_processing_service.event_routings r`,
);

export const readDeliveries = statement(
  "chaos.read_deliveries",
  `select d.event_id as "eventId", d.subscription_id as "subscriptionId", d.replay_id as "replayId"
   from event_processing_service.event_deliveries d`,
);

export const readPayloads = statement(
  "chaos.read_payloads",
  "select p.id, p.claimed, p.body from workflow_orchestrator_service.payloads p",
);

export const readLanes = statement(
  "chaos.read_lanes",
  `select l.lane_id as "laneId", l.node_id as "nodeId", ${ms("l.opened_at")} as "openedAt", ${ms("l.closed_at")} as "closedAt"
   from cluster.lanes l`,
);

export const readMarks = statement(
  "chaos.read_marks",
  `select m.lane_id as "laneId", m.seq from cluster.flush_marks m`,
);

export const readTimers = statement(
  "chaos.read_timers",
  `select t.instance_id as "instanceId", t.timer_key as key from workflow_orchestrator_service.timers t`,
);

export const readInbox = statement(
  "chaos.read_inbox",
  `select b.id, b.instance_id as "instanceId", b.kind from workflow_orchestrator_service.inbox b`,
);

export const readPermits = statement(
  "chaos.read_permits",
  `select p.instance_id as "instanceId", p.state from workflow_orchestrator_service.concurrency_permits p`,
);

/** What has been counted of all definitions, moved into the sums or not. */
export const readTallies = statement(
  "chaos.read_tallies",
  `select k.kind, sum(k.n)::float8 as n from (
     select s.kind, s.n from workflow_orchestrator_service.definition_statistics s
     union all select t.kind, t.n from workflow_orchestrator_service.definition_tallies t) k group by k.kind`,
);

/** The look at a run that goes on: how many have not ended, and which of them the engine has set aside. */
export const readUnfinished = statement(
  "chaos.read_unfinished",
  `select i.id, i.status, i.ready, i.parked is not null as parked, i.workflow_id as "workflowId", i.current_step_id as "currentStepId"
   from workflow_orchestrator_service.workflow_instances i where i.status not in ('COMPLETED', 'FAILED', 'CANCELLED') order by i.id`,
);

/** Facts that nobody has taken in, and permits of instances that have ended: what is left once all have ended. */
export const readLeft = statement(
  "chaos.read_left",
  `select (select count(*) from workflow_orchestrator_service.inbox)::integer
     + (select count(*) from workflow_orchestrator_service.concurrency_permits)::integer as left`,
);

/** What a start made, and neither its children nor its restarts, which have its correlation. */
export const findByCorrelation = statement(
  "chaos.find_by_correlation",
  `select i.id from workflow_orchestrator_service.workflow_instances i
   where i.namespace = 'default' and i.correlation_id = $1 and i.parent_instance_id is null and i.origin_instance_id is null`,
);

/** Whether a struck flush was committed before it could be answered. */
export const isMarked = statement(
  "chaos.is_marked",
  "select exists (select 1 from cluster.flush_marks m where m.lane_id = $1 and m.seq = $2) as marked",
);
