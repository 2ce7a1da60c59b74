/** What the owner of a shard reads: instances to fold, timers, inbox, payloads; and what intake writes. */

import { statement } from "../../foundation/database/index.ts";

const ms = (column: string) => `(extract(epoch from ${column}) * 1000)::float8`;

/** Whether there are payloads is not asked by `exists`, which may be planned as a hash of all payloads. */
export const instanceColumns = `i.shard, i.id, i.namespace, i.workflow_definition_id as "definitionId", i.workflow_id as "workflowId",
  i.status, i.ready, i.priority, i.correlation_id as "correlationId", i.started_by as "startedBy", i.version, i.input, i.state,
  i.state_seq as "stateSeq", i.output, i.error, i.cancelation, i.parked is not null as parked,
  coalesce((select true from workflow_orchestrator_service.payloads p where p.shard = i.shard and p.instance_id = i.id limit 1), false)
    as "hasPayloads",
  ${ms("i.started_at")} as "startedAt", ${ms("i.completed_at")} as "completedAt"`;

/** The journal after the state: an index range of the primary key per instance. */
export const entriesColumn = `(select jsonb_agg(jsonb_build_array(s.seq, s.path, s.step_id, s.type, s.attempt, s.status, s.input, s.output, s.error,
    s.outcome, ${ms("s.started_at")}, ${ms("s.completed_at")}) order by s.seq)
  from workflow_orchestrator_service.workflow_instance_steps s
  where s.shard = i.shard and s.instance_id = i.id and s.seq > i.state_seq) as entries`;

export const readReady = statement(
  "engine.read_ready",
  `select ${instanceColumns}, ${entriesColumn}
   from workflow_orchestrator_service.workflow_instances i
   where i.shard = $1 and i.ready and i.id > $2
   order by i.id limit $3`,
);

export const readInstances = statement(
  "engine.read_instances",
  `select ${instanceColumns}, ${entriesColumn}
   from unnest($1::smallint[], $2::uuid[]) x (shard, id)
   cross join lateral (select * from workflow_orchestrator_service.workflow_instances w where w.shard = x.shard and w.id = x.id) i`,
);

/** In no order: asking for one would make the primary key, which has it, look better than the index of these rows. */
export const readAwaiting = statement(
  "engine.read_awaiting",
  `select i.shard, i.id from workflow_orchestrator_service.workflow_instances i
   where i.shard = any ($1::smallint[]) and i.awaiting_task_id = any ($2::text[]) and not i.ready
   limit $3`,
);

/** One index range per shard: the limit applies to each, so that one busy shard does not hide the others. */
export const readTimers = statement(
  "engine.read_timers",
  `select x.shard, ${ms("t.due_at")} as "dueAt", t.instance_id as "instanceId", t.timer_key as key
   from unnest($1::smallint[], $2::float8[]) x (shard, floor_ms)
   cross join lateral (
     select w.due_at, w.instance_id, w.timer_key from workflow_orchestrator_service.timers w
     where w.shard = x.shard and w.due_at >= to_timestamp(x.floor_ms / 1000) and w.due_at < to_timestamp($3::float8 / 1000)
     order by w.due_at, w.instance_id, w.timer_key limit $4) t`,
);

export const readInbox = statement(
  "engine.read_inbox",
  `select x.shard, b.id, b.kind, b.instance_id as "instanceId", b.fact
   from unnest($1::smallint[], $2::bigint[]) x (shard, floor)
   cross join lateral (
     select w.id, w.kind, w.instance_id, w.fact from workflow_orchestrator_service.inbox w
     where w.shard = x.shard and w.id > x.floor order by w.id limit $3) b
   order by x.shard, b.id`,
);

export const acceptStarts = statement(
  "engine.accept_starts",
  `select a.instance_id as "instanceId", a.outcome, a.inbox_shard as shard, a.inbox_id as "inboxId", ${ms("a.accepted_at")} as at
   from workflow_orchestrator_service.accept_starts_v1($1, $2) a`,
);

export const firstStarts = statement(
  "engine.first_starts",
  `select f.n, f.instance_id as "instanceId", f.workflow_definition_id as "definitionId", f.request_hash as "requestHash",
     ${ms("f.created_at")} as "createdAt"
   from workflow_orchestrator_service.first_starts_v1($1) f`,
);

export const postInbox = statement(
  "engine.post_inbox",
  `insert into workflow_orchestrator_service.inbox (shard, kind, instance_id, fact)
   select (e->>0)::smallint, e->>1, (e->>2)::uuid, e->3 from jsonb_array_elements($1::jsonb) e`,
);

export const savePayload = statement(
  "engine.save_payload",
  "insert into workflow_orchestrator_service.payloads (shard, id, instance_id, body) values ($1, $2, $3, $4) on conflict do nothing",
);

export const readPayloads = statement(
  "engine.read_payloads",
  `select p.id, p.body from workflow_orchestrator_service.payloads p
   where p.shard = $1 and p.id = any ($3::uuid[]) and p.instance_id = $2`,
);

export const readStatuses = statement(
  "engine.read_statuses",
  `select i.id, i.status, i.version,
     coalesce((select max(s.seq) from workflow_orchestrator_service.workflow_instance_steps s
       where s.shard = i.shard and s.instance_id = i.id), 0) as "lastSeq"
   from unnest($1::smallint[], $2::uuid[]) x (shard, id)
   join workflow_orchestrator_service.workflow_instances i on i.shard = x.shard and i.id = x.id`,
);

/**
 * Takes a runner's errands away, oldest first. Only the runner itself does. Given are those that still stand: the newest
 * row of their step names this runner and attempt, and their time is not up, so that what was given to another or has
 * ended is not begun by a node that comes late.
 */
export const takeErrands = statement(
  "engine.take_errands",
  `with taken as (
     delete from workflow_orchestrator_service.errands e
     where e.runner = $1 and e.id = any (array(
       select d.id from workflow_orchestrator_service.errands d where d.runner = $1 order by d.id limit $2))
     returning e.*)
   select t.id, t.shard, t.instance_id as "instanceId", t.path, t.step_id as "stepId", t.task_id as "taskId", t.attempt, t.input,
     t.timeout_ms as "timeoutMs", l.status = 'RUNNING' and l.attempt = t.attempt and l.outcome->>'runner' = $1
       and t.created_at + t.timeout_ms * interval '1 millisecond' > now() as stands
   from taken t
   left join lateral (
     select s.status, s.attempt, s.outcome from workflow_orchestrator_service.workflow_instance_steps s
     where s.shard = t.shard and s.instance_id = t.instance_id and s.path = t.path order by s.seq desc limit 1) l on true
   order by t.id`,
);

/** Errands whose runner is gone: their owners have noticed long ago. */
export const deleteOldErrands = statement(
  "engine.delete_old_errands",
  `delete from workflow_orchestrator_service.errands e
   where not exists (select 1 from cluster.node_registrations n where n.node_id = e.runner and n.expires_at > now() - interval '1 hour')`,
);

export const deleteExpiredKeys = statement(
  "engine.delete_expired_keys",
  `delete from workflow_orchestrator_service.idempotency_keys k
   where ctid = any (array(select d.ctid from workflow_orchestrator_service.idempotency_keys d where d.expires_at < now() limit 1000))`,
);

export const deleteOrphanPayloads = statement(
  "engine.delete_orphan_payloads",
  `delete from workflow_orchestrator_service.payloads p
   where ctid = any (array(select d.ctid from workflow_orchestrator_service.payloads d
     where not d.claimed and d.created_at < now() - interval '1 day' limit 1000))`,
);
