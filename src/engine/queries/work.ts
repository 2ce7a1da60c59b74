/** What the owner of a shard reads: instances to fold, timers, inbox, payloads; and what intake writes. */

import { statement } from "../../foundation/database/index.ts";

const ms = (column: string) => `(extract(epoch from ${column}) * 1000)::float8`;

/** Whether there are payloads is not asked by `exists`, which may be planned as a hash of all payloads. */
export const instanceColumns = `i.shard, i.id, i.namespace, i.workflow_definition_id as "definitionId", i.workflow_id as "workflowId",
  i.status, i.ready, i.priority, i.correlation_id as "correlationId", i.started_by as "startedBy", i.version, i.input, i.state,
  i.parent_instance_id as "parentId", i.parent_path as "parentPath", i.start_variables as variables,
  i.state_seq as "stateSeq", i.output, i.error, i.cancelation, i.parked is not null as parked,
  coalesce((select true from workflow_orchestrator_service.payloads p where p.shard = i.shard and p.instance_id = i.id limit 1), false)
    as "hasPayloads",
  ${ms("i.started_at")} as "startedAt", ${ms("i.completed_at")} as "completedAt",
  case when i.trigger_event_id is not null then (
    select json_build_object('id', i.trigger_event_id, 'acceptedAt', coalesce(${ms("e.accepted_at")}, ${ms("i.started_at")}), 'hops', e.metadata->'hops')
    from (select 1) one left join event_processing_service.event_instances e on e.shard = i.shard and e.id = i.trigger_event_id) end as trigger`;

/** The journal after the state: an index range of the primary key per instance. As json, which takes half as long as jsonb. */
export const entriesColumn = `(select json_agg(json_build_array(s.seq, s.path, s.step_id, s.type, s.attempt, s.status, s.input, s.output, s.error,
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

/** Without the kind $4, if any: said so that no plan takes it for rare, sorts all of a shard, and reads all of it for a few. */
export const readInbox = statement(
  "engine.read_inbox",
  `select x.shard, b.id, b.kind, b.instance_id as "instanceId", b.fact
   from unnest($1::smallint[], $2::bigint[]) x (shard, floor)
   cross join lateral (
     select w.id, w.kind, w.instance_id, w.fact from workflow_orchestrator_service.inbox w
     where w.shard = x.shard and w.id > x.floor and coalesce(w.kind <> $4::text, true) order by w.id limit $3) b
   order by x.shard, b.id`,
);

export const acceptStarts = statement(
  "engine.accept_starts",
  `select a.instance_id as "instanceId", a.outcome, a.inbox_shard as shard, a.inbox_id as "inboxId", ${ms("a.accepted_at")} as at
   from workflow_orchestrator_service.accept_starts_v2($1, $2) a`,
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

/** A limit's permits: a range of the primary key. */
export const readPermits = statement(
  "engine.read_permits",
  `select p.instance_id as "instanceId", p.limit_key as key, p.state, p.priority, p.max_held as max, ${ms("p.asked_at")} as "askedAt"
   from workflow_orchestrator_service.concurrency_permits p where p.shard = $1 and p.limit_id = $2`,
);

/** A page of an instance's journal, of which only the rows that end a branch or item are given back whole. */
export const readEndings = statement(
  "engine.read_endings",
  `select coalesce(json_agg(json_build_object('path', s.path, 'failed', s.error is not null, 'output', s.output) order by s.seq)
       filter (where s.outcome ? 'closed'), '[]'::json) as rows, max(s.seq) as last, count(*)::integer as n
   from (select w.seq, w.path, w.error, w.output, w.outcome from workflow_orchestrator_service.workflow_instance_steps w
     where w.shard = $1 and w.instance_id = $2 and w.seq > $3 order by w.seq limit $4) s`,
);

export const readJournal = statement(
  "engine.read_journal",
  `select json_build_array(s.seq, s.path, s.step_id, s.type, s.attempt, s.status, s.input, s.output, s.error, s.outcome,
     ${ms("s.started_at")}, ${ms("s.completed_at")}) as entry
   from workflow_orchestrator_service.workflow_instance_steps s
   where s.shard = $1 and s.instance_id = $2 and s.seq > $3 order by s.seq limit $4`,
);

/** A line that is there already, because the answer to an earlier try was lost, is not written again. */
export const saveLogs = statement(
  "engine.save_logs",
  `insert into workflow_orchestrator_service.execution_logs
     (shard, instance_id, id, namespace, level, message, details, source, step_id, path, attempt, logged_at,
      expires_at)
   select (e->>0)::smallint, (e->>1)::uuid, (e->>2)::uuid, coalesce(e->>3,
       (select i.namespace from workflow_orchestrator_service.workflow_instances i
        where i.shard = (e->>0)::smallint and i.id = (e->>1)::uuid), 'default'),
     e->>4, e->>5, nullif(e->6, 'null'), e->>7, e->>8, e->>9, (e->>10)::integer, to_timestamp((e->>11)::float8 / 1000),
     to_timestamp((e->>12)::float8 / 1000)
   from jsonb_array_elements($1::jsonb) e
   where not exists (
     select from workflow_orchestrator_service.execution_logs l
     where l.shard = (e->>0)::smallint and l.instance_id = (e->>1)::uuid and l.id = (e->>2)::uuid)`,
);

/** Rows that a restart carries over: the same layout as a flush's. */
export const saveCarried = statement(
  "engine.save_carried",
  `insert into workflow_orchestrator_service.workflow_instance_steps
     (shard, instance_id, seq, path, step_id, type, attempt, status, input, output, error, outcome, started_at, completed_at, node_id, epoch)
   select (e->>0)::smallint, (e->>1)::uuid, (e->>2)::integer, e->>3, coalesce(e->>4, e->>3), e->>5, (e->>6)::integer, e->>7,
     nullif(e->8, 'null'), nullif(e->9, 'null'), nullif(e->10, 'null'), nullif(e->11, 'null'),
     to_timestamp((e->>12)::float8 / 1000), to_timestamp((e->>13)::float8 / 1000), $2, 0
   from jsonb_array_elements($1::jsonb) e`,
);

export const acceptRestart = statement(
  "engine.accept_restart",
  `select a.inbox_id as "inboxId", ${ms("a.accepted_at")} as at, a.first_id as "instanceId",
     a.first_definition_id as "definitionId", a.first_hash as "requestHash"
   from workflow_orchestrator_service.accept_restart_v1($1) a`,
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
     t.timeout_ms as "timeoutMs", t.log, l.status = 'RUNNING' and l.attempt = t.attempt and l.outcome->>'runner' = $1
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
