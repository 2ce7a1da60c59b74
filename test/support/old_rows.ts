/** Old rows for the tests of retention: what a program that has run for months would have. */

import type { Database, Db } from "../../src/foundation/database/index.ts";
import { shardOf, slotOf, uuidv7 } from "../../src/foundation/ids.ts";

export const dayMs = 86_400_000;
export const retentionMs = 30 * dayMs;
export const namespace = "default";
export const definitionId = "0197e000-0000-7000-8000-000000000000";

const schema = "workflow_orchestrator_service";

export interface OldInstance {
  id: string;
  shard: number;
}

/** Makes the weeks that would have been made long ago. */
export async function makeOldWeeks(db: Db, { daysAgo }: { daysAgo: number }): Promise<void> {
  await db.unnamed(
    `select ${schema}.engine_ensure_partitions(now() - $1::int * interval '1 day', now() - interval '1 day')`,
    [daysAgo],
  );
}

/** Monday 12:00 of a week that ended before the retention began, whatever day it is today. */
export function inOldWeek(weeksBefore = 0): number {
  const mondayMs = 4 * dayMs;
  const weekMs = 7 * dayMs;
  const horizon = Date.now() - retentionMs;
  const thisWeek = Math.floor((horizon - mondayMs) / weekMs) * weekMs + mondayMs;
  return thisWeek - (1 + weeksBefore) * weekMs + dayMs / 2;
}

export interface OldRows {
  count: number;
  status: string;
  /** When they were started. */
  atMs: number;
  /** When they ended; null for those that did not. */
  endedMs?: number | null;
  stateSeq?: number;
  /** Of their own: how long they are kept after their end. */
  keptMs?: number;
}

/** Inserts instances that were started at one time. */
export async function insertInstances(db: Db, rows: OldRows): Promise<OldInstance[]> {
  const ids = Array.from({ length: rows.count }, () => uuidv7(rows.atMs));
  const made = ids.map((id) => ({ id, shard: shardOf(id, 64) }));
  await db.unnamed(
    `insert into ${schema}.workflow_instances (shard, id, namespace, workflow_definition_id, workflow_id, status, ready,
       correlation_id, input, state_seq, started_at, completed_at, retention_ms, expires_at)
     select x.shard, x.id, $3, $4, 'old', $5, false, 'order-' || x.id, '{}', $6, $7, $8::timestamptz, $9::bigint,
       $8::timestamptz + $9::bigint * interval '1 millisecond'
     from unnest($1::smallint[], $2::uuid[]) x (shard, id)`,
    [
      made.map(({ shard }) => shard),
      ids,
      namespace,
      definitionId,
      rows.status,
      rows.stateSeq ?? 0,
      new Date(rows.atMs).toISOString(),
      rows.endedMs === undefined || rows.endedMs === null ? null : new Date(rows.endedMs).toISOString(),
      rows.keptMs ?? null,
    ],
  );
  return made;
}

/** One journal row, one transition and one line of the log of each. */
export async function insertHistory(
  db: Db,
  of: readonly OldInstance[],
  what: { atMs: number; seq: number },
): Promise<void> {
  const at = new Date(what.atMs).toISOString();
  const values = [of.map(({ shard }) => shard), of.map(({ id }) => id), at];
  await db.unnamed(
    `insert into ${schema}.workflow_instance_steps (shard, instance_id, seq, path, step_id, type, attempt, status, started_at,
       completed_at, node_id, epoch, recorded_at)
     select x.shard, x.id, $4, 'a', 'a', 'TASK', 1, 'COMPLETED', $3, $3, 'node', 1, $3
     from unnest($1::smallint[], $2::uuid[]) x (shard, id)`,
    [...values, what.seq],
  );
  await db.unnamed(
    `insert into audit.fsm_transitions (shard, namespace, entity_id, entity_type, to_state, transition_event, created_at)
     select x.shard, 'default', x.id, 'workflow', 'RUNNING', 'workflow_started', $3
     from unnest($1::smallint[], $2::uuid[]) x (shard, id)`,
    values,
  );
  await db.unnamed(
    `insert into ${schema}.execution_logs (shard, instance_id, id, namespace, level, message, source, logged_at, recorded_at)
     select x.shard, x.id, gen_random_uuid(), 'default', 'info', 'a line', 'task', $3, $3
     from unnest($1::smallint[], $2::uuid[]) x (shard, id)`,
    values,
  );
}

/** A wait, a payload and a timer of each. */
export async function insertBelongings(db: Db, of: readonly OldInstance[]): Promise<void> {
  const values = [of.map(({ shard }) => shard), of.map(({ id }) => id)];
  const from = "from unnest($1::smallint[], $2::uuid[]) x (shard, id)";
  await db.unnamed(
    `insert into ${schema}.workflow_event_subscriptions
       (shard, workflow_instance_id, path, namespace, event_pattern, status, wait_step_id)
     select x.shard, x.id, 'w', 'default', 'paid', 'active', 'w' ${from}`,
    values,
  );
  await db.unnamed(
    `insert into ${schema}.payloads (shard, id, instance_id, claimed, body)
     select x.shard, gen_random_uuid(), x.id, true, '{}' ${from}`,
    values,
  );
  await db.unnamed(
    `insert into ${schema}.timers (shard, due_at, instance_id, timer_key) select x.shard, now() + interval '1 year', x.id, 't' ${from}`,
    values,
  );
}

export interface Partition {
  table: string;
  part: string;
  beginsAt: string;
  endsAt: string;
}

/** The partitions of one table, oldest first. */
export async function partitionsOf(db: Db, table: string): Promise<Partition[]> {
  return await db.unnamed<Partition>(
    `select table_name as "table", part, begins_at as "beginsAt", ends_at as "endsAt"
     from ${schema}.engine_partitions() where table_name like '%.' || $1 order by ends_at`,
    [table],
  );
}

/** The partition of a table that has rows of `atMs`. */
export async function partitionAt(db: Db, table: string, atMs: number): Promise<Partition | undefined> {
  const at = new Date(atMs).toISOString();
  return (await partitionsOf(db, table)).find(({ beginsAt, endsAt }) => beginsAt <= at && at < endsAt);
}

export async function countOf(db: Db, table: string, of: readonly OldInstance[], column: string): Promise<number> {
  const [row] = await db.unnamed<{ count: number }>(
    `select count(*) from ${table.includes(".") ? table : `${schema}.${table}`} where ${column} = any ($1::uuid[])`,
    [of.map(({ id }) => id)],
  );
  return row!.count;
}

/** Resolves when somebody waits to stop all users of the instances. */
export async function untilLockIsWanted(db: Database): Promise<void> {
  for (;;) {
    const [row] = await db.unnamed<{ wanted: boolean }>(
      `select exists (select from pg_locks where not granted and mode = 'AccessExclusiveLock'
         and database = (select oid from pg_database where datname = current_database())
         and relation = '${schema}.workflow_instances'::regclass) as wanted`,
    );
    if (row!.wanted) return;
  }
}

/** Waits until an instance sleeps, and copies its row to a time long ago: an id of that time on the same shard. */
export async function oldCopyOfSleeper(db: Db, what: { instanceId: string; atMs: number }): Promise<OldInstance> {
  const { instanceId, atMs } = what;
  const id = uuidv7(atMs, slotOf(instanceId));
  for (;;) {
    const copied = await db.unnamed(
      `insert into ${schema}.workflow_instances (shard, id, namespace, workflow_definition_id, workflow_id, status, ready,
         current_step_id, version, state_seq, input, state, started_at)
       select shard, $2, namespace, workflow_definition_id, workflow_id, status, ready, current_step_id, version, state_seq, input,
         state, $3
       from ${schema}.workflow_instances where id = $1 and not ready and status = 'WAITING_FOR_EVENT'
       returning id`,
      [instanceId, id, new Date(atMs).toISOString()],
    );
    if (copied.length > 0) return { id, shard: shardOf(id, 64) };
  }
}
