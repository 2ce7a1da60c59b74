/**
 * A database as it is after weeks of work: 1,000,000 instances over five partitions, and of the newest 200,000 all that
 * belongs to them. Made by SQL; the values are a function of the row's number, so every run sees the same.
 */
import type { Db } from "../../src/foundation/database/index.ts";

export const instanceCount = 1_000_000;
/** Journal, timers, waits and the rest are there for so many. */
const wholeCount = 200_000;
export const shardCount = 64;

/** Of the namespace with four fifths of the instances. */
export const bigNamespace = "big";
/** Twenty workflows with two versions each. */
export const workflowOf = (n: number): string => `flow-${n}`;
export const definitionOf = (n: number, version: 0 | 1): string =>
  `0197e000-0000-7000-8000-${String(n * 2 + version).padStart(12, "0")}`;
/** A concurrency limit with a thousand rows, on shard 7. */
export const busyLimit = "0197e000-0000-8000-8000-00000000beef";

/** Each hundredth instance; the sixty before it are its children. */
export interface Sample {
  n: number;
  shard: number;
  id: string;
}

const schema = "workflow_orchestrator_service";
const days = 21;

/** The id and the time of the `n`-th instance: ids are in the order of numbers. */
const atMs = `(((extract(epoch from now()) - ${days} * 86400) * 1000)::bigint + n::bigint * (${days} * 86400000) / ${instanceCount})`;
const idOf = (n: string, ms: string) =>
  `(lpad(to_hex(${ms}), 12, '0') || '7' || lpad(to_hex(${n} % 4096), 3, '0') || '8' || substr(md5((${n})::text), 1, 12)
     || lpad(to_hex(${n} % ${shardCount}), 3, '0'))::uuid`;

/** `h` is noise from 0 to 65,535 that has nothing to do with `n`. */
const instancesIn = (part: string) => `insert into ${part}
     (shard, id, namespace, workflow_definition_id, workflow_id, status, ready, awaiting_task_id, correlation_id,
      parent_instance_id, parent_path, state_seq, input, state, started_at, completed_at, expires_at)
   select shard, id, case when h % 5 < 4 then '${bigNamespace}' else 'small-' || h % 7 end,
     ('0197e000-0000-7000-8000-' || lpad((n / 7 % 20 * 2 + h % 2)::text, 12, '0'))::uuid, 'flow-' || n / 7 % 20,
     case when h % 100 < 85 then 'COMPLETED' when h % 100 < 90 then 'FAILED' when h % 100 < 98 then 'WAITING_FOR_EVENT' else 'RUNNING' end,
     h % 100 = 99, case when h % 100 = 98 then 'task-' || h % 3 end, 'order-' || n / 2, parent, case when parent is not null then 'each/1/child' end,
     1, '{"order": 17, "amount": 12.5}', case when h % 100 >= 90 then '{"format": 1, "steps": {}}'::jsonb end, at,
     case when h % 100 < 90 then at end, case when h % 100 < 5 then at + interval '15 days' end
   from made where id >= ${schema}.uuid_floor($1) and id < ${schema}.uuid_floor($2)`;

const whole = `made where n > ${instanceCount - wholeCount}`;

const before = [
  "set synchronous_commit = off",
  "set work_mem = '64MB'",
  "set maintenance_work_mem = '256MB'",
  "set timezone = 'UTC'",
  `select ${schema}.engine_ensure_partitions(now() - interval '22 days', now() + interval '8 days')`,
  `create temporary table made as
   select n, (n % ${shardCount})::smallint as shard, ('x' || substr(md5(n::text), 13, 4))::bit(16)::int as h,
     to_timestamp(ms / 1000.0) as at, ${idOf("n", "ms")} as id,
     case when n % 100 > 41 or n % 100 < 2 then ${idOf("up", "up_ms")} end as parent
   from (select n, ms, up, ${atMs.replaceAll("n::bigint", "up::bigint")} as up_ms
     from (select n, ${atMs} as ms, (n + 98) / 100 * 100 + 2 as up from generate_series(1, ${instanceCount}) n) g) m`,
];

const after = [
  `insert into ${schema}.workflow_instance_steps (shard, instance_id, seq, path, step_id, type, attempt, status, output, outcome,
     started_at, completed_at, node_id, epoch, recorded_at)
   select shard, id, 1, 'a', 'a', 'TASK', 1, 'COMPLETED', '{"ok": true}', '{"closed": true}', at, at, 'node', 1, at from ${whole}`,
  `insert into audit.fsm_transitions (shard, namespace, entity_id, entity_type, to_state, transition_event, created_at)
   select shard, '${bigNamespace}', id, 'workflow', 'RUNNING', 'workflow_started', at from ${whole}`,
  `insert into ${schema}.timers (shard, due_at, instance_id, timer_key)
   select shard, now() + (h - 6000) * interval '1 second', id, 'w' from ${whole} and n % 2 = 0`,
  `insert into ${schema}.workflow_event_subscriptions (shard, workflow_instance_id, path, namespace, event_pattern, status, wait_step_id)
   select shard, id, 'w', '${bigNamespace}', 'paid.' || h % 50, case when h % 3 = 0 then 'active' else 'fulfilled' end, 'w'
   from ${whole} and n % 2 = 0`,
  `insert into ${schema}.inbox (shard, kind, instance_id, fact) select shard, 'SIGNAL', id, '{"type": "go"}' from ${whole} and n % 4 = 0`,
  `insert into ${schema}.idempotency_keys (shard, namespace, workflow_id, key, instance_id, workflow_definition_id, request_hash,
     created_at, expires_at)
   select shard, '${bigNamespace}', 'flow-' || n / 7 % 20, 'key-' || n, id, '${definitionOf(0, 0)}', 'hash', at, at + interval '30 days'
   from ${whole} and n % 2 = 0`,
  `insert into ${schema}.payloads (shard, id, instance_id, claimed, body, created_at)
   select shard, gen_random_uuid(), id, n % 500 <> 0, '{}', at from ${whole} and n % 5 = 0`,
  // Of one instance in a hundred a long log, of some a line.
  `insert into ${schema}.execution_logs (shard, instance_id, id, namespace, level, message, source, logged_at, recorded_at, expires_at)
   select shard, id, gen_random_uuid(), '${bigNamespace}', 'info', 'line ' || l, 'task', at, at,
     case when h % 20 = 0 then at + interval '15 days' end
   from made cross join lateral generate_series(1, case when n % 1000 = 2 then 200 else 1 end) l
   where n > ${instanceCount - wholeCount} and n % 5 = 2`,
  `insert into ${schema}.definition_tallies (definition_id, kind, bucket, n, tallied_at)
   select ('0197e000-0000-7000-8000-' || lpad((l % 40)::text, 12, '0'))::uuid, 'completed', l % 100, 5, now()
   from generate_series(1, 20000) l`,
  `insert into ${schema}.definition_statistics (definition_id, kind, bucket, n, since)
   select ('0197e000-0000-7000-8000-' || lpad(d::text, 12, '0'))::uuid, 'completed', b, 1000, now()
   from generate_series(0, 39) d, generate_series(0, 199) b`,
  `insert into ${schema}.concurrency_permits (shard, limit_id, instance_id, limit_key, state, priority, max_held, asked_at)
   select 7, case when n % 20 = 2 and n > ${instanceCount - 20_000} then '${busyLimit}'::uuid else id end, id, 'key',
     case when n % 100 = 2 then 'held' else 'waiting' end, 5, 10, at
   from ${whole} and n % 4 = 2`,
];

/** Fills a migrated database. One connection, one transaction each; nothing is analyzed. */
export async function insertManyInstances(connection: Db): Promise<Sample[]> {
  for (const text of before) await connection.unnamed(text);
  await fillInstances(connection);
  for (const text of after) await connection.unnamed(text);
  return await connection.unnamed<Sample>("select n, shard, id from made where n % 100 = 2 order by n");
}

/**
 * Partitions are filled beside the table and attached, as the engine attaches new ones: an index that is built at once
 * takes a tenth of the time.
 */
async function fillInstances(connection: Db): Promise<void> {
  const parts = await connection.unnamed<{ part: string; begins: string; ends: string }>(
    `select p.part, p.begins_at::text as begins, p.ends_at::text as ends from ${schema}.engine_partitions() p
     where p.table_name = '${schema}.workflow_instances' and p.begins_at < now()`,
  );
  for (const { part, begins, ends } of parts) {
    const table = `${schema}.${part}`;
    await connection.unnamed(`drop table ${table}`);
    await connection.unnamed(
      `create unlogged table ${table} (like ${schema}.workflow_instances including defaults including constraints including storage)
       with (fillfactor = 85)`,
    );
    await connection.unnamed(instancesIn(table), [begins, ends]);
    await connection.unnamed(
      `do $$ begin
         execute format('alter table ${schema}.workflow_instances attach partition ${table} for values from (%L) to (%L)',
           ${schema}.uuid_floor('${begins}'), ${schema}.uuid_floor('${ends}'));
       end $$`,
    );
  }
}
