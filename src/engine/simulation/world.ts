/**
 * The simulated world: nodes of the real runtime on virtual time, one database in memory, clients that start, signal and
 * cancel, and whatever may go wrong. One seed is one world; the same seed is the same world.
 */

import { createIdSource } from "../../foundation/ids.ts";
import { createLogger, type Logger } from "../../foundation/log.ts";
import { type CheckedRows, checkRows } from "../checker.ts";
import { thaw } from "../fold.ts";
import { type InstanceState, isFinal } from "../machine/state.ts";
import { inlineBeat } from "../runtime/beat.ts";
import { createNode, type EngineNode } from "../runtime/node.ts";
import type { FlushBatch, StoreError } from "../store/contract.ts";
import { instances } from "../store/memory/reads.ts";
import { createMemoryDatabase, type Tables } from "../store/memory.ts";
import type { TaskHandler } from "../task.ts";
import { stateDifference } from "./law.ts";
import { createNetworkStore, type NetworkFaults, quiet } from "./network.ts";
import { createRandom, type Random } from "./random.ts";
import { Process, VirtualTime } from "./time.ts";
import { type Call, createHandlers, definitionIdOf, programOf } from "./workload.ts";

const startAt = Date.UTC(2027, 0, 15, 8);
const dayMs = 86_400_000;
const leaseMs = 3_000;

export interface WorldOptions {
  seed: number;
  shards?: number;
  faults?: Partial<NetworkFaults>;
  /** Called before a flush leaves its node and after it was applied; true kills the node at that point. */
  killAt?(point: "leaving" | "applied", flushes: number): boolean;
  /** How many instances a node holds in memory. */
  residents?: number;
}

export interface SimulatedNode {
  id: string;
  process: Process;
  engine: EngineNode;
  handlers: Map<string, TaskHandler>;
  state: "starting" | "up" | "draining" | "gone";
  /** A new handler is known from now on. */
  learn(taskId: string): void;
}

export class World {
  readonly time = new VirtualTime(startAt);
  readonly random: Random;
  readonly tables: Tables;
  readonly nodes: SimulatedNode[] = [];
  readonly faults: NetworkFaults;
  /** Broken laws, as they were seen. */
  readonly broken: string[] = [];
  /** Ids whose start was answered. */
  readonly accepted = new Set<string>();
  readonly calls: Call[] = [];
  /** Instances that were parked, because nodes were killed while they folded them. */
  readonly setAside = new Set<string>();
  flushes = 0;
  /** How often the fold of rows was compared with memory. */
  compared = 0;
  deadlyHandlers = false;
  rareHandlers = false;
  readonly #newId: (nowMs: number, slot?: number) => string;
  readonly #log: Logger;
  readonly #options: WorldOptions;
  readonly #revisions = new Map<string, number>();

  constructor(options: WorldOptions) {
    this.#options = options;
    this.random = createRandom(options.seed);
    this.faults = { ...quiet, ...options.faults };
    this.tables = createMemoryDatabase({
      shards: options.shards ?? 4,
      now: () => this.time.now,
      isStale: ({ workflowId, revision }) => revision !== this.#revision(workflowId),
    });
    const words = createRandom(options.seed ^ 0x5bd1e995);
    this.#newId = createIdSource((pool) => {
      for (let i = 0; i < pool.length; i++) pool[i] = words.between(0, 65_535);
    });
    this.#log = createLogger({
      level: "error",
      pretty: false,
      destination: { write: (line: string) => this.#logged(line) },
    });
  }

  #revision(workflowId: string): number {
    return this.#revisions.get(workflowId) ?? 1;
  }

  /** A new version of a workflow is published: starts that resolved the one before are stale. */
  publish(workflowId: string): void {
    this.#revisions.set(workflowId, this.#revision(workflowId) + 1);
  }

  live(): SimulatedNode[] {
    return this.nodes.filter((node) => node.state === "up" && node.process.alive);
  }

  /** A node joins. It tries to start until it can. */
  join(): SimulatedNode {
    const { time, tables, faults, random } = this;
    const process = new Process(time, startAt + random.between(-dayMs, dayMs));
    const id = this.#newId(time.now);
    const store = createNetworkStore({
      tables,
      time,
      process,
      random,
      faults,
      hooks: {
        flush: (point, batch) => this.#flushed(node, point, batch),
        refused: (call, error) => this.#refused(call, error),
      },
    });
    const handlers = createHandlers({
      process,
      random,
      nodeId: id,
      now: () => time.now,
      called: (call) => this.#called(call),
      deadly: () => this.deadlyHandlers,
      die: () => this.kill(node),
    });
    if (!this.rareHandlers && random.chance(0.7)) handlers.delete("rare");
    let registered: (taskId: string) => void = () => {};
    const cached = new Map<string, number>();
    const engine = createNode({
      nodeId: id,
      name: "simulated",
      version: "0",
      roles: ["engine"],
      endpoints: {},
      leaseMs,
      drainMs: 5_000,
      store,
      clock: process.clock,
      log: this.#log,
      random: () => random.next(),
      newId: this.#newId,
      handlers: {
        get: (taskId) => handlers.get(taskId),
        ids: () => [...handlers.keys()],
        onRegister: (listener) => {
          registered = listener;
        },
      },
      ...(this.#options.residents === undefined ? {} : { limits: { residents: this.#options.residents } }),
      beat: (unregistered) => inlineBeat({ nodeId: id, leaseMs, store, clock: process.clock, unregistered }),
      observer: { changed: () => {}, ended: () => {} },
      resolve: async ({ ref, fresh }) => {
        if (fresh === true || !cached.has(ref)) cached.set(ref, this.#revision(ref));
        return { definitionId: definitionIdOf(ref), workflowId: ref, revision: cached.get(ref)! };
      },
      program: (definitionId) =>
        new Promise((resolve) => void process.after(random.between(0, 20), () => resolve(programOf(definitionId)))),
    });
    const node: SimulatedNode = {
      id,
      process,
      engine,
      handlers,
      state: "starting",
      learn(taskId) {
        const known = createHandlers({
          process,
          random,
          nodeId: id,
          now: () => time.now,
          called: (call) => world.#called(call),
          deadly: () => false,
          die: () => {},
        }).get(taskId)!;
        if (handlers.has(taskId)) return;
        handlers.set(taskId, known);
        registered(taskId);
      },
    };
    const world = this;
    this.nodes.push(node);
    engine.start().then(
      () => {
        node.state = "up";
      },
      () => {
        // The store was away: this process ends, and a supervisor starts another.
        this.kill(node);
        time.after(500, () => void this.join());
      },
    );
    return node;
  }

  kill(node: SimulatedNode): void {
    node.process.kill();
    node.state = "gone";
  }

  /** The process stands still for a while, and then goes on as if nothing had been. */
  pause(node: SimulatedNode, forMs: number): void {
    node.process.pausedUntil = this.time.now + forMs;
  }

  drain(node: SimulatedNode): void {
    node.state = "draining";
    node.engine.stop().then(
      () => this.kill(node),
      (error: unknown) => this.broken.push(`a node did not stop: ${String(error)}`),
    );
  }

  #flushed(node: SimulatedNode, point: "leaving" | "applied" | "answered", batch: FlushBatch): void {
    if (point === "answered") {
      this.#compare(node, batch);
      return;
    }
    if (point === "leaving") this.flushes++;
    if (node.process.alive && this.#options.killAt?.(point, this.flushes) === true) this.kill(node);
  }

  /** Values that cannot be stored are refused before they get so far, and batches never contradict themselves. */
  #refused(call: string, error: StoreError): void {
    if (error.fault === "data" || error.fault === "defect") this.broken.push(`${call} was refused: ${error.message}`);
  }

  /** Nothing runs that the rows say is over. */
  #called(call: Call): void {
    this.calls.push(call);
    for (const { entry, nodeId } of this.tables.steps.get(call.instanceId) ?? []) {
      if (entry.path !== call.path || entry.status === "RUNNING" || entry.status === "PENDING") continue;
      // A cancellation does not reach a node that took the step as an errand.
      if (entry.status === "CANCELLED" && call.nodeId !== nodeId) continue;
      if (entry.attempt === call.attempt || entry.outcome?.retryAt === undefined) {
        this.broken.push(
          `"${call.path}" (${call.attempt}) of ${call.instanceId} ran again after row ${entry.seq} (${entry.status})`,
        );
      }
    }
  }

  /** Where nothing of an instance is under way, its rows give what is in memory. */
  #compare(node: SimulatedNode, batch: FlushBatch): void {
    if (this.tables.lanes.get(batch.laneId)?.closedAt !== null) return;
    for (const resident of node.engine.core.residents.values()) {
      if (resident.pending > 0 || resident.gone || this.tables.leases[resident.shard]?.laneId !== batch.laneId)
        continue;
      this.compared++;
      const rows = this.#folded(resident.shard, resident.id);
      const difference = rows === undefined ? "it has no row" : stateDifference({ memory: resident.state, rows });
      if (difference !== undefined) this.broken.push(`instance ${resident.id}: ${difference}`);
    }
  }

  #folded(shard: number, id: string): InstanceState | undefined {
    const stored = this.tables.instances.has(`${shard} ${id}`) ? reader(this.tables, shard, id) : undefined;
    return stored === undefined ? undefined : thaw(programOf(stored.definitionId), stored);
  }

  /** Nothing here is an error, but that nodes which were killed while folding leave a suspect. */
  #logged(line: string): void {
    if (!line.includes("while it was folded, and is parked")) this.broken.push(`logged: ${line.trim()}`);
  }

  /** What the checker says of the rows, and of what was seen on the way. */
  faultsFound({ settled }: { settled: boolean }): string[] {
    return [
      ...this.broken,
      ...checkRows(rowsOf(this.tables), { accepted: this.accepted, settled, setAside: this.setAside, toleranceMs: 0 }),
    ];
  }

  unfinished(): string[] {
    return [...this.tables.instances.values()].filter((row) => !isFinal(row.status)).map((row) => row.id);
  }
}

function reader(tables: Tables, shard: number, id: string) {
  return instances(tables, [{ shard, id }])[0];
}

function rowsOf(tables: Tables): CheckedRows {
  return {
    instances: [...tables.instances.values()].map((row) => ({
      id: row.id,
      shard: row.shard,
      status: row.status,
      completedAt: row.completedAt,
      parked: row.parked !== null,
    })),
    steps: [...tables.steps.values()].flat().map(({ entry, ...row }) => ({
      ...row,
      seq: entry.seq,
      path: entry.path,
      type: entry.type,
      attempt: entry.attempt,
      status: entry.status,
      startedAt: entry.startedAt,
      outcome: entry.outcome,
      ...(entry.error === undefined ? {} : { errorCode: entry.error.code }),
    })),
    transitions: tables.transitions.map((row) => ({
      ...row,
      data: row.data === null ? null : (JSON.parse(row.data) as unknown),
    })),
    lanes: [...tables.lanes.values()],
    marks: [...tables.marks].flatMap(([laneId, seqs]) => [...seqs].map((seq) => ({ laneId, seq }))),
    timers: [...tables.timers.values()],
    waits: [...tables.waits.values()],
    inbox: [...tables.inbox.values()],
  };
}
