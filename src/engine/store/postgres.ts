/** The store on PostgreSQL. One connection of its own for the flushes, one for hints, the pool for the rest. */

import {
  type Connection,
  type Database,
  isConnectionLost,
  isDataError,
  isTransient,
  sqlStateOf,
} from "../../foundation/database/index.ts";
import type { Logger } from "../../foundation/log.ts";
import type { Json } from "../machine/definition.ts";
import type { InstanceStatus, JournalEntry } from "../machine/state.ts";
import { putInPlace, referencesIn } from "../payloads.ts";
import * as lanes from "../queries/lanes.ts";
import * as schedules from "../queries/schedules.ts";
import * as work from "../queries/work.ts";
import {
  type Acquired,
  type BirthAnswer,
  type ClusterView,
  type Errand,
  type FlushAnswer,
  type FlushBatch,
  type Hint,
  type InboxRow,
  type PermitRow,
  type ScheduleRow,
  type Store,
  type StoredInstance,
  StoreError,
  type TimerRow,
} from "./contract.ts";
import { acceptAll, acceptOne } from "./postgres_births.ts";
import { eventsOf } from "./postgres_events.ts";

const hintChannel = "millrace_hint";
const zeroId = "00000000-0000-0000-0000-000000000000";

export interface PostgresStoreOptions {
  database: Database;
  log: Logger;
}

export function createPostgresStore({ database, log }: PostgresStoreOptions): Store {
  let flushing: Connection | undefined;
  let listening: Connection | undefined;
  let closed = false;
  const hintListeners: ((hint: Hint) => void)[] = [];

  /** The flush line is opened anew after it was lost; the lane sends its batch again. */
  async function flushLine(): Promise<Connection> {
    if (flushing?.alive === true) return flushing;
    flushing = await database.connect();
    return flushing;
  }

  /** LISTEN does not come back by itself. Hints that came meanwhile are lost, so everyone is told to look. */
  async function listen(): Promise<void> {
    while (!closed) {
      try {
        const line = await database.connect();
        if (closed) {
          await line.close();
          return;
        }
        listening = line;
        const lost = new Promise<void>((resolve) => line.onLost(() => resolve()));
        await line.listen(hintChannel, (payload) => tell(parseHint(payload)));
        tell({ leases: true, inbox: [] });
        await lost;
      } catch (error) {
        log.debug({ err: error }, "hints are not heard; polling goes on");
      }
      await new Promise((resolve) => setTimeout(resolve, 500).unref());
    }
  }

  function tell(hint: Hint | undefined): void {
    if (hint === undefined) return;
    for (const listener of hintListeners) listener(hint);
  }

  const store: Store = {
    async open() {
      const rows = await guard(() => database.query<{ shards: number; now: number }>(lanes.readSettings));
      await guard(() => database.query(lanes.ensurePartitions));
      void listen();
      return rows[0]!;
    },

    async close() {
      closed = true;
      await Promise.all([flushing?.close(), listening?.close()]);
    },

    async register(node) {
      const capabilities = { roles: node.roles, tasks: node.tasks };
      const metadata = { name: node.name, pid: process.pid };
      await guard(() =>
        database.execute(lanes.registerNode, [
          node.nodeId,
          node.version,
          JSON.stringify(capabilities),
          JSON.stringify(node.endpoints),
          JSON.stringify(metadata),
          node.leaseMs,
        ]),
      );
    },

    async announce({ nodeId, roles, tasks }) {
      await guard(() => database.execute(lanes.announceHandlers, [nodeId, JSON.stringify({ roles, tasks })]));
    },

    async beat({ nodeId, leaseMs, draining }) {
      const [row] = await guard(() => database.query<{ registered: boolean }>(lanes.beat, [nodeId, leaseMs, draining]));
      return row!.registered;
    },

    async deregister(nodeId) {
      await guard(() => database.execute(lanes.deregisterNode, [nodeId]));
    },

    async cluster() {
      const [row] = await guard(() => database.query<ClusterView>(lanes.readCluster));
      return { ...row!, routingRevision: Number(row!.routingRevision) };
    },

    async openLane({ laneId, nodeId }) {
      await guard(() => database.execute(lanes.openLane, [laneId, nodeId]));
    },

    async abandonLane(laneId) {
      await guard(() => database.query(lanes.abandonLane, [laneId]));
    },

    async closeLanes({ nodeId, beat }) {
      return guard(async () => {
        const line = await database.connect();
        // A backend whose client is paused holds the lane's lock for ever; whoever blocks is ended.
        const rescue = setTimeout(() => void database.query(lanes.endBlockers, [line.backendPid]).catch(() => {}), 700);
        try {
          const [row] = await line.query<{ closed: number }>(lanes.closeLanes, [nodeId, beat]);
          return row!.closed;
        } finally {
          clearTimeout(rescue);
          await line.close();
        }
      });
    },

    async acquire({ shard, laneId, nodeId }) {
      const rows = await guard(() => database.query<Acquired>(lanes.acquireShard, [shard, laneId, nodeId]));
      return rows[0];
    },

    async noteFolding({ shard, laneId, instanceId }) {
      await guard(() => database.execute(lanes.noteFolding, [shard, laneId, instanceId]));
    },

    async flush(batch) {
      return guard(async () => {
        const line = await flushLine();
        const [row] = hasEvents(batch)
          ? await line.query<FlushAnswer>(lanes.flushWithEvents, [
              ...flushValues(batch),
              batch.events ?? null,
              batch.routingRevision ?? null,
            ])
          : await line.query<FlushAnswer>(lanes.flush, flushValues(batch));
        return row!;
      }, "unknown");
    },

    async readyInstances({ shard, after, limit }) {
      const rows = await guard(() => database.query<RawInstance>(work.readReady, [shard, after ?? zeroId, limit]));
      return Promise.all(rows.map((row) => withPayloads(store, row)));
    },

    async instances(ids) {
      if (ids.length === 0) return [];
      const values = [ids.map((id) => id.shard), ids.map((id) => id.id)];
      const rows = await guard(() => database.query<RawInstance>(work.readInstances, values));
      return Promise.all(rows.map((row) => withPayloads(store, row)));
    },

    async awaitingTasks({ shards, taskIds, limit }) {
      if (shards.length === 0 || taskIds.length === 0) return [];
      return guard(() => database.query<{ shard: number; id: string }>(work.readAwaiting, [shards, taskIds, limit]));
    },

    async timers({ shards, until, limitPerShard }) {
      if (shards.length === 0) return [];
      const values = [shards.map((s) => s.shard), shards.map((s) => s.floor), until, limitPerShard];
      const rows = await guard(() => database.query<TimerRow>(work.readTimers, values));
      return rows.map((row) => ({ ...row, dueAt: Math.round(row.dueAt) }));
    },

    async inbox({ shards, limitPerShard, without }) {
      if (shards.length === 0) return [];
      const values = [shards.map((s) => s.shard), shards.map((s) => s.floor), limitPerShard, without ?? null];
      return guard(() => database.query<InboxRow>(work.readInbox, values));
    },

    async permits({ shard, limitId }) {
      const rows = await guard(() => database.query<PermitRow>(work.readPermits, [shard, limitId]));
      return rows.map((row) => ({ ...row, askedAt: Math.round(row.askedAt) }));
    },

    async schedules(ids) {
      if (ids.length === 0) return [];
      const values = [ids.map((id) => id.shard), ids.map((id) => id.id)];
      return guard(() => database.query<ScheduleRow>(schedules.readSchedules, values));
    },

    async queuedSchedules({ shards, limit }) {
      if (shards.length === 0) return [];
      return guard(() => database.query<{ shard: number; id: string }>(schedules.readQueued, [shards, limit]));
    },

    async endings({ shard, instanceId, afterSeq, limit }) {
      const [page] = await guard(() =>
        database.query<{ rows: { path: string; failed: boolean; output: Json }[]; last: number | null; n: number }>(
          work.readEndings,
          [shard, instanceId, afterSeq, limit],
        ),
      );
      const { rows, last, n } = page!;
      const found = await store.payloads({ shard, instanceId, ids: referencesIn(rows) });
      return { rows: putInPlace(rows, found), next: n < limit || last === null ? undefined : last };
    },

    async journal({ shard, instanceId, afterSeq, limit }) {
      const values = [shard, instanceId, afterSeq, limit];
      const rows = await guard(() => database.query<{ entry: unknown[] }>(work.readJournal, values));
      return rows.map(({ entry }) => toEntry(entry));
    },

    async saveLogs(rows) {
      if (rows.length > 0) await guard(() => database.execute(work.saveLogs, [`[${rows.join(",")}]`]));
    },

    async acceptRestart(restart) {
      try {
        return await guard(() => database.transaction((tx) => acceptOne(tx, restart)));
      } catch (error) {
        if (error instanceof StoreError && error.locked) return { outcome: "busy" };
        throw error;
      }
    },

    async accept(births) {
      try {
        return await guard(() => acceptAll(database, births));
      } catch (error) {
        if (!(error instanceof StoreError) || !error.locked || births.length === 0) throw error;
        if (births.length === 1) return [{ outcome: "busy" }];
        const answers: BirthAnswer[] = [];
        for (const birth of births) answers.push(...(await store.accept([birth])));
        return answers;
      }
    },

    async post(rows) {
      if (rows.length === 0) return;
      const encoded = JSON.stringify(rows.map((row) => [row.shard, row.kind, row.instanceId, row.fact]));
      await guard(() => database.execute(work.postInbox, [encoded]));
    },

    ...eventsOf(database, guard),

    async takeErrands({ runner, limit }) {
      return guard(() => database.query<Errand>(work.takeErrands, [runner, limit]));
    },

    async savePayload({ shard, id, instanceId, body }) {
      await guard(() => database.execute(work.savePayload, [shard, id, instanceId, body]));
    },

    async payloads({ shard, instanceId, ids }) {
      if (ids.length === 0) return new Map();
      const values = [shard, instanceId, ids];
      const rows = await guard(() => database.query<{ id: string; body: Json }>(work.readPayloads, values));
      return new Map(rows.map((row) => [row.id, row.body]));
    },

    async statuses(ids) {
      if (ids.length === 0) return new Map();
      const values = [ids.map((id) => id.shard), ids.map((id) => id.id)];
      const rows = await guard(() =>
        database.query<{ id: string; status: InstanceStatus; version: number; lastSeq: number }>(
          work.readStatuses,
          values,
        ),
      );
      return new Map(rows.map(({ id, ...rest }) => [id, rest]));
    },

    async hint(hint) {
      await guard(() => database.query(lanes.notify, [hintChannel, JSON.stringify(hint)]));
    },

    onHint(listener) {
      hintListeners.push(listener);
    },
  };
  return store;
}

function hasEvents(batch: FlushBatch): boolean {
  return batch.events !== undefined || batch.routingRevision !== undefined;
}

function flushValues(batch: FlushBatch): unknown[] {
  return [
    batch.laneId,
    batch.seq,
    batch.nodeId,
    `{${batch.shards.join(",")}}`,
    batch.latest ?? null,
    batch.starts ?? null,
    batch.changes ?? null,
    batch.steps ?? null,
    batch.transitions ?? null,
    batch.extras ?? null,
  ];
}

/** A row of `instanceColumns` with `entriesColumn`. */
export interface RawInstance extends Omit<StoredInstance, "entries" | "references" | "triggerEvent" | "hops"> {
  entries: unknown[][] | null;
  hasPayloads: boolean;
  trigger: { id: string; acceptedAt: number; hops: unknown } | null;
}

function toStored({ hasPayloads: _, trigger, ...raw }: RawInstance): StoredInstance {
  return {
    ...raw,
    triggerEvent: trigger === null ? null : { id: trigger.id, acceptedAt: Math.floor(trigger.acceptedAt) },
    hops: typeof trigger?.hops === "number" ? trigger.hops : null,
    startedAt: Math.round(raw.startedAt),
    completedAt: raw.completedAt === null ? null : Math.round(raw.completedAt),
    entries: (raw.entries ?? []).map(toEntry),
    references: new Map(),
  };
}

/** Puts large values in the place of their references. Few instances have any. */
export async function withPayloads(store: Store, raw: RawInstance): Promise<StoredInstance> {
  const stored = toStored(raw);
  if (!raw.hasPayloads) return stored;
  const { shard, id: instanceId } = stored;
  const found = await store.payloads({ shard, instanceId, ids: referencesIn(stored) });
  for (const [id, value] of found) stored.references.set(value, id);
  return putInPlace(stored, found);
}

/** Columns in the order of `entriesColumn`; SQL null is absent. */
function toEntry(row: unknown[]): JournalEntry {
  const [seq, path, stepId, type, attempt, status, input, output, error, outcome, startedAt, completedAt] = row;
  const entry = {
    seq,
    path,
    stepId,
    type,
    attempt,
    status,
    startedAt: Math.round(startedAt as number),
  } as JournalEntry;
  if (input !== null) entry.input = input as Json;
  if (output !== null || status === "COMPLETED") entry.output = output as Json;
  if (error !== null) entry.error = error as JournalEntry["error"] & object;
  if (outcome !== null) entry.outcome = outcome as JournalEntry["outcome"] & object;
  if (completedAt !== null) entry.completedAt = Math.round(completedAt as number);
  return entry;
}

function parseHint(payload: string): Hint | undefined {
  try {
    return JSON.parse(payload) as Hint;
  } catch {
    return undefined;
  }
}

/** Names what went wrong in the words of the contract. `lost`: what a lost connection means for this call. */
async function guard<T>(call: () => Promise<T>, lost: "unknown" | "transient" = "transient"): Promise<T> {
  try {
    return await call();
  } catch (error) {
    if (error instanceof StoreError) throw error;
    const message = error instanceof Error ? error.message : String(error);
    const locked = sqlStateOf(error) === "55P03";
    if (isConnectionLost(error)) throw new StoreError(message, { fault: lost, cause: error });
    if (isTransient(error)) throw new StoreError(message, { fault: "transient", locked, cause: error });
    throw new StoreError(message, { fault: isDataError(error) ? "data" : "defect", cause: error });
  }
}
