/** The engine on PostgreSQL: a node's runtime, and what the API reads. */

import type { Database } from "../foundation/database/index.ts";
import { AppError } from "../foundation/errors.ts";
import { isUuid, shardOf, uuidv7 } from "../foundation/ids.ts";
import type { Logger } from "../foundation/log.ts";
import type {
  Engine,
  FulfilledWait,
  HistoryItem,
  InstanceFilter,
  InstanceSummary,
  InstanceView,
  ResolvedDefinition,
  TransitionItem,
} from "./contract.ts";
import type { RoutingSource } from "./contract_events.ts";
import type { ScheduleSource } from "./contract_schedules.ts";
import { explanationsOf, withoutNulls } from "./explain.ts";
import { lifeOf } from "./life.ts";
import { compile } from "./machine/compile.ts";
import type { Definition, Json } from "./machine/definition.ts";
import { isFinal } from "./machine/state.ts";
import { putInPlace, referencesIn } from "./payloads.ts";
import * as views from "./queries/views.ts";
import { postInbox } from "./queries/work.ts";
import { threadBeat } from "./runtime/beat.ts";
import { systemClock } from "./runtime/clock.ts";
import type { HandlerSource } from "./runtime/core.ts";
import { startHousekeeping } from "./runtime/housekeeping.ts";
import { createNode } from "./runtime/node.ts";
import { scheduleKind } from "./runtime/schedules.ts";
import { createWaiters } from "./runtime/waiters.ts";
import { createPostgresStore, type RawInstance, withPayloads } from "./store/postgres.ts";
import { type RowFacts, viewOf } from "./view.ts";

/** What the engine knows of definitions: functions that the program hands it. */
export interface Definitions {
  /** Throws an AppError when there is none, or it may not be started. `fresh`: do not answer from a cache. */
  resolve(what: { namespace: string; ref: string; version?: string; fresh?: boolean }): Promise<ResolvedDefinition>;
  load(definitionId: string): Promise<Definition & { namespace: string }>;
  /** Throws an AppError for an input that the definition's `inputSchema` does not take: of children. */
  checkInput?(definitionId: string, input: Json): Promise<void>;
}

export interface EngineOptions {
  database: Database;
  log: Logger;
  handlers: HandlerSource & { onRegister?(listener: (taskId: string) => void): void };
  definitions: Definitions;
  schedules?: ScheduleSource;
  /** For people; `node_registrations.metadata`. */
  name?: string;
  version?: string;
  roles?: string[];
  endpoints?: Record<string, string>;
  leaseMs?: number;
  drainMs?: number;
  /** How long finished instances and history are kept, where the definition does not say. */
  retentionMs?: number;
  /** Where events go beside waits. Absent: nowhere. */
  routing?: RoutingSource;
  /** Called when deliveries to subscribers have been written. */
  delivering?(): void;
  /** Where instances are written before they are removed. Absent: they are not. */
  archiveDir?: string | undefined;
}

const standardRetentionMs = 30 * 86_400_000;

export function createEngine(options: EngineOptions): Engine {
  const { database, log, definitions } = options;
  const leaseMs = options.leaseMs ?? 10_000;
  const retentionMs = options.retentionMs ?? standardRetentionMs;
  const store = createPostgresStore({ database, log });
  const nodeId = uuidv7(Date.now());
  const waiters = createWaiters(() => node.core);
  const node = createNode({
    nodeId,
    name: options.name ?? "millrace",
    version: options.version ?? "0.1.0",
    roles: options.roles ?? ["engine"],
    endpoints: options.endpoints ?? {},
    leaseMs,
    drainMs: options.drainMs ?? 10_000,
    store,
    clock: systemClock,
    log,
    random: Math.random,
    newId: uuidv7,
    handlers: options.handlers,
    observer: waiters,
    beat: (unregistered) => threadBeat({ url: database.url, nodeId, leaseMs, unregistered }),
    resolve: definitions.resolve,
    ...(options.schedules === undefined ? {} : { schedules: options.schedules }),
    ...(definitions.checkInput === undefined ? {} : { checkInput: definitions.checkInput }),
    ...(options.routing === undefined ? {} : { routing: options.routing }),
    ...(options.delivering === undefined ? {} : { delivering: options.delivering }),
    program: async (definitionId) => {
      const definition = await definitions.load(definitionId);
      return compile(definition, { definitionId, namespace: definition.namespace });
    },
  });
  let housekeeping: { stop(): Promise<void> } | undefined;

  /** A reader gives up where the id is none, and asks the shard that the id names. */
  const shardFor = (instanceId: string) => (isUuid(instanceId) ? shardOf(instanceId, node.core.shardCount) : undefined);

  /** What a list by this id or workflowId looks for; undefined when there is no such version. */
  async function definitionNamed(ref: string): Promise<{ workflowId: string; id?: string } | undefined> {
    if (!isUuid(ref)) return { workflowId: ref };
    try {
      const { workflowId } = await definitions.load(ref);
      return { workflowId, id: ref };
    } catch (error) {
      if (error instanceof AppError && error.kind === "not_found") return undefined;
      throw error;
    }
  }

  async function getInstance(what: { namespace: string; instanceId: string }): Promise<InstanceView | undefined> {
    const shard = shardFor(what.instanceId);
    if (shard === undefined) return undefined;
    const [row] = await database.query<RawInstance & RowFacts>(views.readInstanceView, [shard, what.instanceId]);
    if (row === undefined || row.namespace !== what.namespace) return undefined;
    const { triggerEventId, startedIso, updatedIso, completedIso, parkedBy, originId, originStepId, ...raw } = row;
    const stored = await withPayloads(store, raw);
    const facts = { triggerEventId, startedIso, updatedIso, completedIso, parkedBy, originId, originStepId };
    return viewOf(stored, facts, await node.core.programs(stored.definitionId));
  }

  return {
    nodeId,
    async start() {
      await node.start();
      housekeeping = startHousekeeping({ database, log, retentionMs, archiveDir: options.archiveDir });
    },
    async stop() {
      await housekeeping?.stop();
      await node.stop();
      waiters.stop();
    },
    startInstance: (request) => node.starts.start(request),
    signal: (request) => node.messages.signal(request),
    cancel: (request) => node.messages.cancel(request),
    async postSchedule(db, { scheduleId, fact }) {
      const rows = [[shardOf(scheduleId, node.core.shardCount), scheduleKind, scheduleId, fact]];
      await db.execute(postInbox, [JSON.stringify(rows)]);
    },
    wakeSchedule(scheduleId) {
      // Whoever is not told looks soon.
      store.hint({ inbox: [shardOf(scheduleId, node.core.shardCount)] }).catch(() => {});
    },
    publish: (events) => node.publish(events),
    wakeRouters: () => node.wakeRouters(),

    async routeAgain(db, requests) {
      if (requests.length === 0) return;
      const rows = requests.map(({ id, ...fact }) => [shardOf(id, node.core.shardCount), "EVENT", id, fact]);
      await db.execute(postInbox, [JSON.stringify(rows)]);
    },

    ...lifeOf(node, { retentionMs }),
    ...explanationsOf({ database, store, node, shardFor }),
    getInstance,

    async listInstances({ definitionId, ...filter }: InstanceFilter): Promise<InstanceSummary[]> {
      const definition = definitionId === undefined ? undefined : await definitionNamed(definitionId);
      if (definitionId !== undefined && definition === undefined) return [];
      const rows = await views.listInstances(database, { ...filter, definition });
      return rows.map((row) => withoutNulls(row));
    },

    async countInstances({ definitionId, ...filter }, most) {
      const definition = definitionId === undefined ? undefined : await definitionNamed(definitionId);
      if (definitionId !== undefined && definition === undefined) return 0;
      return await views.countInstances(database, { ...filter, definition }, most);
    },

    async eventBacklog(most) {
      const [row] = await database.query<{ depth: number; oldestAcceptedAt: string | null }>(views.eventBacklog, [
        most,
      ]);
      return row!;
    },

    async history({ namespace, instanceId, afterSeq, limit }): Promise<HistoryItem[]> {
      const shard = shardFor(instanceId);
      if (shard === undefined) return [];
      const [asked] = await database.query<{ known: boolean }>(views.isInstanceKnown, [shard, instanceId, namespace]);
      if (asked?.known !== true) return [];
      const items = await database.query<HistoryItem>(views.readHistory, [shard, instanceId, afterSeq, limit]);
      const found = await store.payloads({ shard, instanceId, ids: referencesIn(items) });
      return items.map((item) => withoutNulls(putInPlace(item, found)));
    },

    async transitions({ namespace, instanceId, limit }): Promise<TransitionItem[]> {
      const shard = shardFor(instanceId);
      if (shard === undefined) return [];
      const rows = await database.query<TransitionItem>(views.readTransitions, [shard, instanceId, namespace, limit]);
      return rows.map(withoutNulls);
    },

    async waitsOf({ namespace, eventId, limit }) {
      const rows = await database.query<FulfilledWait>(views.readWaitsOfEvent, [namespace, eventId, limit]);
      return rows.map(withoutNulls);
    },

    async waitForEnd({ namespace, instanceId, timeoutMs, signal }) {
      const { promise, resolve } = Promise.withResolvers<void>();
      // First registered, then read: an end between the two is not missed.
      const leave = waiters.awaitEnd(instanceId, resolve);
      const timer = setTimeout(resolve, timeoutMs);
      signal?.addEventListener("abort", () => resolve(), { once: true });
      try {
        // An instance in memory here has not ended, and this node tells when it does; of any other the row is read.
        if (node.core.residents.get(instanceId)?.namespace !== namespace) {
          const now = await getInstance({ namespace, instanceId });
          if (now === undefined || isFinal(now.status)) return now;
        }
        await promise;
        return await getInstance({ namespace, instanceId });
      } finally {
        clearTimeout(timer);
        leave();
      }
    },

    watch: ({ instanceId }, listener) => waiters.watch(instanceId, listener),

    async isDefinitionUsed({ namespace, workflowId, definitionId }) {
      const [row] = await database.query<{ used: boolean }>(views.isDefinitionUsed, [
        namespace,
        workflowId,
        definitionId,
      ]);
      return row?.used === true;
    },

    stats() {
      const { core } = node;
      return {
        residents: core.residents.size,
        shards: core.shards.size,
        runningTasks: node.runningTasks,
        ...node.written,
        queuedBytes: core.lane.queuedBytes + node.starts.queuedBytes,
      };
    },
  };
}
