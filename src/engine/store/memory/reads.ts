/** What the owner of a shard reads, from memory tables. Every answer is a copy. */

import type { Json } from "../../machine/definition.ts";
import type { Cancellation, InstanceStatus, JournalEntry } from "../../machine/state.ts";
import { putInPlace, referencesIn } from "../../payloads.ts";
import type { ErrorInfo } from "../../task.ts";
import type { Errand, InboxRow, PermitRow, StoredInstance, TimerRow } from "../contract.ts";
import { type InstanceRow, rowKey, type Tables } from "./tables.ts";

export function readyInstances(
  tables: Tables,
  { shard, after, limit }: { shard: number; after: string | null; limit: number },
): StoredInstance[] {
  return [...tables.instances.values()]
    .filter((row) => row.shard === shard && row.ready && (after === null || row.id > after))
    .sort((a, b) => (a.id < b.id ? -1 : 1))
    .slice(0, limit)
    .map((row) => toStored(tables, row));
}

export function instances(tables: Tables, ids: { shard: number; id: string }[]): StoredInstance[] {
  return known(tables, ids).map((row) => toStored(tables, row));
}

function known(tables: Tables, ids: { shard: number; id: string }[]): InstanceRow[] {
  return ids.map(({ shard, id }) => tables.instances.get(rowKey(shard, id))).filter((row) => row !== undefined);
}

function toStored(tables: Tables, row: InstanceRow): StoredInstance {
  const steps = tables.steps.get(row.id) ?? [];
  const stored: StoredInstance = {
    shard: row.shard,
    id: row.id,
    namespace: row.namespace,
    definitionId: row.definitionId,
    workflowId: row.workflowId,
    status: row.status,
    ready: row.ready,
    priority: row.priority,
    correlationId: row.correlationId,
    startedBy: row.startedBy,
    parentId: row.parentId,
    parentPath: row.parentPath,
    version: row.version,
    variables: parsed<Record<string, Json>>(row.variables),
    ...triggerOf(tables, row),
    input: JSON.parse(row.input) as Json,
    state: parsed<Json>(row.state),
    stateSeq: row.stateSeq,
    output: parsed<Json>(row.output),
    error: parsed<ErrorInfo>(row.error),
    cancelation: parsed<Cancellation>(row.cancelation),
    parked: row.parked !== null,
    startedAt: row.startedAt,
    completedAt: row.completedAt,
    entries: steps
      .filter((step) => step.entry.seq > row.stateSeq)
      .map((step) => structuredClone(step.entry))
      .sort((a, b) => a.seq - b.seq),
    references: new Map(),
  };
  const found = payloads(tables, { shard: stored.shard, instanceId: stored.id, ids: referencesIn(stored) });
  for (const [id, value] of found) stored.references.set(value, id);
  return found.size === 0 ? stored : putInPlace(stored, found);
}

function triggerOf(
  tables: Tables,
  { shard, triggerEventId, startedAt }: InstanceRow,
): Pick<StoredInstance, "triggerEvent" | "hops"> {
  if (triggerEventId === null) return { triggerEvent: null, hops: null };
  const event = tables.events.get(rowKey(shard, triggerEventId));
  const { hops } = JSON.parse(event?.metadata ?? "{}") as { hops?: unknown };
  return {
    triggerEvent: { id: triggerEventId, acceptedAt: Math.floor(event?.acceptedAt ?? startedAt) },
    hops: typeof hops === "number" ? hops : null,
  };
}

function parsed<T>(text: string | null): T | null {
  return text === null ? null : (JSON.parse(text) as T);
}

export function awaitingTasks(
  tables: Tables,
  { shards, taskIds, limit }: { shards: number[]; taskIds: string[]; limit: number },
): { shard: number; id: string }[] {
  return [...tables.instances.values()]
    .filter(
      (row) =>
        !row.ready && shards.includes(row.shard) && row.awaitingTaskId !== null && taskIds.includes(row.awaitingTaskId),
    )
    .sort((a, b) => a.shard - b.shard || (a.id < b.id ? -1 : 1))
    .slice(0, limit)
    .map(({ shard, id }) => ({ shard, id }));
}

export function timers(
  tables: Tables,
  {
    shards,
    until,
    limitPerShard,
  }: { shards: { shard: number; floor: number }[]; until: number; limitPerShard: number },
): TimerRow[] {
  const order = (row: TimerRow) => `${row.instanceId} ${row.key}`;
  return shards.flatMap(({ shard, floor }) =>
    [...tables.timers.values()]
      .filter((row) => row.shard === shard && row.dueAt >= floor && row.dueAt < until)
      .sort((a, b) => a.dueAt - b.dueAt || (order(a) < order(b) ? -1 : 1))
      .slice(0, limitPerShard)
      .map((row) => ({ ...row })),
  );
}

/** Takes a runner's errands away, oldest first. */
export function takeErrands(tables: Tables, what: { runner: string; limit: number }): Errand[] {
  const taken = [...tables.errands.values()].filter(({ runner }) => runner === what.runner).slice(0, what.limit);
  for (const { errand } of taken) tables.errands.delete(errand.id);
  return taken.map(({ errand }) => {
    const steps = tables.steps.get(errand.instanceId) ?? [];
    const last = steps.findLast(({ entry }) => entry.path === errand.path);
    const named = last?.entry.attempt === errand.attempt && last.entry.outcome?.runner === what.runner;
    const inTime = last !== undefined && last.recordedAt + errand.timeoutMs > tables.now();
    return { ...errand, stands: named && last.entry.status === "RUNNING" && inTime };
  });
}

export function inbox(
  tables: Tables,
  {
    shards,
    limitPerShard,
    without,
  }: { shards: { shard: number; floor: number }[]; limitPerShard: number; without?: string },
): InboxRow[] {
  return [...shards]
    .sort((a, b) => a.shard - b.shard)
    .flatMap(({ shard, floor }) =>
      [...tables.inbox.values()]
        .filter((row) => row.shard === shard && row.id > floor && row.kind !== without)
        .sort((a, b) => a.id - b.id)
        .slice(0, limitPerShard)
        .map((row) => ({ ...row, fact: JSON.parse(row.fact) as object })),
    );
}

export function permits(tables: Tables, { shard, limitId }: { shard: number; limitId: string }): PermitRow[] {
  return [...tables.permits.values()]
    .filter((row) => row.shard === shard && row.limitId === limitId)
    .map(({ shard: _s, limitId: _l, ...row }) => ({ ...row }));
}

export function endings(
  tables: Tables,
  { shard, instanceId, afterSeq, limit }: { shard: number; instanceId: string; afterSeq: number; limit: number },
): { rows: { path: string; failed: boolean; output: Json }[]; next: number | undefined } {
  const page = (tables.steps.get(instanceId) ?? [])
    .filter((step) => step.shard === shard && step.entry.seq > afterSeq)
    .sort((a, b) => a.entry.seq - b.entry.seq)
    .slice(0, limit);
  const rows = page
    .filter(({ entry }) => entry.outcome?.closed === true)
    .map(({ entry: { path, error, output } }) => ({
      path,
      failed: error !== undefined,
      output: structuredClone(output ?? null),
    }));
  const found = payloads(tables, { shard, instanceId, ids: referencesIn(rows) });
  return { rows: putInPlace(rows, found), next: page.length < limit ? undefined : page.at(-1)!.entry.seq };
}

export function journal(
  tables: Tables,
  { shard, instanceId, afterSeq, limit }: { shard: number; instanceId: string; afterSeq: number; limit: number },
): JournalEntry[] {
  return (tables.steps.get(instanceId) ?? [])
    .filter((step) => step.shard === shard && step.entry.seq > afterSeq)
    .map((step) => structuredClone(step.entry))
    .sort((a, b) => a.seq - b.seq)
    .slice(0, limit);
}

export function payloads(
  tables: Tables,
  { shard, instanceId, ids }: { shard: number; instanceId: string; ids: string[] },
): Map<string, Json> {
  const found = new Map<string, Json>();
  for (const id of ids) {
    const payload = tables.payloads.get(rowKey(shard, id));
    if (payload?.instanceId === instanceId) found.set(id, JSON.parse(payload.body) as Json);
  }
  return found;
}

export function statuses(
  tables: Tables,
  ids: { shard: number; id: string }[],
): Map<string, { status: InstanceStatus; version: number; lastSeq: number }> {
  return new Map(
    known(tables, ids).map((row) => {
      const seqs = (tables.steps.get(row.id) ?? []).map((step) => step.entry.seq);
      return [row.id, { status: row.status, version: row.version, lastSeq: Math.max(0, ...seqs) }];
    }),
  );
}
