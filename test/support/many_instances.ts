/**
 * A database as it is after weeks of work: 200,000 instances with all that belongs to them, over five partitions. Made by
 * SQL in a few seconds; the values are a function of the row's number, so every run sees the same.
 */
import type { Db } from "../../src/foundation/database/index.ts";

export const instanceCount = 200_000;
export const shardCount = 64;

/** Of the namespace with four fifths of the instances. */
export const bigNamespace = "big";
/** Twenty workflows with two versions each. */
export const workflowOf = (n: number): string => `flow-${n}`;
export const definitionOf = (n: number, version: 0 | 1): string =>
  `0197e000-0000-7000-8000-${String(n * 2 + version).padStart(12, "0")}`;

export interface Sample {
  n: number;
  shard: number;
  id: string;
}

const schema = "workflow_orchestrator_service";

/** `made` numbers the instances: `h` is noise from 0 to 65,535 that has nothing to do with `n`. */
const texts = [
  "set synchronous_commit = off",
  "set work_mem = '64MB'",
  "select setseed(0.5)",
  `select ${schema}.engine_ensure_partitions(now() - interval '22 days', now() + interval '8 days')`,
  `create temporary table made as
   select n, (n % ${shardCount})::smallint as shard, ('x' || substr(md5(n::text), 1, 4))::bit(16)::int as h,
     to_timestamp(at_ms / 1000.0) as at,
     (lpad(to_hex(at_ms), 12, '0') || '7' || lpad(to_hex(n % 4096), 3, '0') || '8' || substr(md5(n::text), 1, 12)
       || lpad(to_hex(n % ${shardCount}), 3, '0'))::uuid as id
   from (select n, ((extract(epoch from now()) - 21 * 86400) * 1000)::bigint + n::bigint * (21 * 86400000 / ${instanceCount}) as at_ms
     from generate_series(1, ${instanceCount}) n) g`,
  `insert into ${schema}.workflow_instances (shard, id, namespace, workflow_definition_id, workflow_id, status, ready,
     awaiting_task_id, correlation_id, state_seq, input, state, started_at, completed_at)
   select shard, id, case when h % 5 < 4 then '${bigNamespace}' else 'small-' || h % 7 end,
     ('0197e000-0000-7000-8000-' || lpad((n / 7 % 20 * 2 + h % 2)::text, 12, '0'))::uuid, 'flow-' || n / 7 % 20,
     case when h % 100 < 85 then 'COMPLETED' when h % 100 < 90 then 'FAILED' when h % 100 < 98 then 'WAITING_FOR_EVENT' else 'RUNNING' end,
     h % 100 = 99, case when h % 100 = 98 then 'task-' || h % 3 end, 'order-' || n / 2,
     1, '{"order": 17, "amount": 12.5}', case when h % 100 >= 90 then '{"format": 1, "steps": {}}'::jsonb end, at,
     case when h % 100 < 90 then at end
   from made`,
  `insert into ${schema}.workflow_instance_steps (shard, instance_id, seq, path, step_id, type, attempt, status, output, started_at,
     completed_at, node_id, epoch, recorded_at)
   select shard, id, 1, 'a', 'a', 'TASK', 1, 'COMPLETED', '{"ok": true}', at, at, 'node', 1, at from made`,
  `insert into audit.fsm_transitions (shard, namespace, entity_id, entity_type, to_state, transition_event, created_at)
   select shard, '${bigNamespace}', id, 'workflow', 'RUNNING', 'workflow_started', at from made`,
  `insert into ${schema}.timers (shard, due_at, instance_id, timer_key)
   select shard, now() + (h - 6000) * interval '1 second', id, 'w' from made where n % 2 = 0`,
  `insert into ${schema}.workflow_event_subscriptions (shard, workflow_instance_id, path, namespace, event_pattern, status, wait_step_id)
   select shard, id, 'w', '${bigNamespace}', 'paid.' || h % 50, case when h % 3 = 0 then 'active' else 'fulfilled' end, 'w'
   from made where n % 2 = 0`,
  `insert into ${schema}.inbox (shard, kind, instance_id, fact) select shard, 'SIGNAL', id, '{"type": "go"}' from made where n % 4 = 0`,
  `insert into ${schema}.idempotency_keys (shard, namespace, workflow_id, key, instance_id, workflow_definition_id, request_hash,
     created_at, expires_at)
   select shard, '${bigNamespace}', 'flow-' || n / 7 % 20, 'key-' || n, id, '${definitionOf(0, 0)}', 'hash', at, at + interval '30 days'
   from made where n % 2 = 0`,
  `insert into ${schema}.payloads (shard, id, instance_id, claimed, body, created_at)
   select shard, gen_random_uuid(), id, n % 500 <> 0, '{}', at from made where n % 5 = 0`,
];

/** Fills a migrated database. One connection, one transaction each; nothing is analyzed. */
export async function insertManyInstances(connection: Db): Promise<Sample[]> {
  for (const text of texts) await connection.unnamed(text);
  return await connection.unnamed<Sample>("select n, shard, id from made where n % 100 = 2 order by n");
}
