/** What the home of a schedule reads, from memory tables. */

import { isFinal } from "../../machine/state.ts";
import { type ScheduleRow, scheduleTimerPrefix } from "../contract.ts";
import { rowKey, type Tables } from "./tables.ts";

const startedLimit = 50;
const queuedLimit = 1_000;

export function schedules(tables: Tables, ids: { shard: number; id: string }[]): ScheduleRow[] {
  return ids.map(({ shard, id }) => {
    const own = [...tables.occurrences.values()].filter((row) => row.shard === shard && row.scheduleId === id);
    return {
      shard,
      id,
      timers: [...tables.timers.values()]
        .filter((row) => row.shard === shard && row.instanceId === id && row.key.startsWith(scheduleTimerPrefix))
        .sort((a, b) => a.dueAt - b.dueAt || (a.key < b.key ? -1 : 1))
        .map(({ dueAt, key }) => ({ dueAt, key })),
      running: own
        .flatMap(({ instanceId, plannedAt }) => (instanceId === null ? [] : [{ instanceId, plannedAt }]))
        .sort((a, b) => (a.instanceId < b.instanceId ? 1 : -1))
        .slice(0, startedLimit)
        .filter(({ instanceId }) => {
          const instance = tables.instances.get(rowKey(shard, instanceId));
          return instance !== undefined && !isFinal(instance.status);
        }),
      queued: own
        .filter(({ status }) => status === "queued")
        .sort((a, b) => a.plannedAt - b.plannedAt)
        .slice(0, queuedLimit)
        .map(({ plannedAt, backfillId }) => ({ plannedAt, backfillId })),
      lastPlannedAt: own.reduce<number | null>(
        (last, { plannedAt, backfillId }) => (backfillId === null ? Math.max(last ?? plannedAt, plannedAt) : last),
        null,
      ),
    };
  });
}

export function queuedSchedules(
  tables: Tables,
  { shards, limit }: { shards: number[]; limit: number },
): { shard: number; id: string }[] {
  const found = new Map<string, { shard: number; id: string }>();
  for (const { shard, scheduleId: id, status } of tables.occurrences.values())
    if (status === "queued" && shards.includes(shard)) found.set(rowKey(shard, id), { shard, id });
  return [...found.values()].slice(0, limit);
}
