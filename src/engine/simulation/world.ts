/**
 * The simulated world: nodes of the real runtime on virtual time, one database in memory, clients that start, signal and
 * cancel, and whatever may go wrong. One seed is one world; the same seed is the same world.
 */

import { createIdSource } from "../../foundation/ids.ts";
import { createLogger, type Logger } from "../../foundation/log.ts";
import { type CheckedEvent, checkRows } from "../checker.ts";
import type { ScheduleSource } from "../contract_schedules.ts";
import { thaw } from "../fold.ts";
import type { Json } from "../machine/definition.ts";
import { type InstanceState, isFinal, stepIdOf } from "../machine/state.ts";
import { inlineBeat } from "../runtime/beat.ts";
import { createNode, type EngineNode } from "../runtime/node.ts";
import type { Resident } from "../runtime/resident.ts";
import type { FlushBatch, StoreError } from "../store/contract.ts";
import { instances } from "../store/memory/reads.ts";
import { createMemoryDatabase, type Tables } from "../store/memory.ts";
import type { TaskHandler } from "../task.ts";
import { type DrawnEvent, takesEvent } from "./event_shapes.ts";
import { stateDifference } from "./law.ts";
import { createNetworkStore, type HeldLanes, type NetworkFaults, quiet } from "./network.ts";
import { createRandom, type Random } from "./random.ts";
import { createRoutingSource, createTargets, takersOf } from "./routing.ts";
import { rowsOf } from "./rows.ts";
import { Process, VirtualTime } from "./time.ts";
import {
  type Call,
  checkInput,
  createHandler,
  createHandlers,
  definitionIdOf,
  type HandlerOptions,
  isTransform,
  joinOf,
  limitsOf,
  lineOf,
  programOf,
  versions,
} from "./workload.ts";

const startAt = Date.UTC(2027, 0, 15, 8);
const dayMs = 86_400_000;
const leaseMs = 3_000;

/** Tasks that most nodes have no handler for until the world settles. */
export const rareTasks = ["rare", "scarce"];

export interface WorldOptions {
  seed: number;
  shards?: number;
  faults?: Partial<NetworkFaults>;
  /** Called before a flush leaves its node and after it was applied; true kills the node at that point. */
  killAt?(point: "leaving" | "applied", flushes: number, batch: FlushBatch): boolean;
  /** How many instances a node holds in memory. */
  residents?: number;
  /** The schedules of this world. A read of them takes its time. */
  schedules?: ScheduleSource;
  /** Clients publish events, and triggers and subscriptions take them. */
  eventful?: boolean;
  /** Called after some of the flushes were applied, with an instance that changed by it. */
  changed?(instanceId: string, world: World): void;
}

export interface SimulatedNode {
  id: string;
  process: Process;
  engine: EngineNode;
  handlers: Map<string, TaskHandler>;
  state: "starting" | "up" | "draining" | "gone";
  /** What a handler gives or throws from now on, and after how long. */
  handle(taskId: string, outcome: () => Json, takesMs?: number): void;
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
  /** Ids of events whose publication was answered. */
  readonly published = new Set<string>();
  /** Events of one partition key, the second published when the first had been accepted. */
  readonly inTurn: { first: string; second: string }[] = [];
  /** Where events go. Absent from worlds without events. */
  readonly targets = createTargets();
  routingPaused = false;
  readonly eventful: boolean;
  flushes = 0;
  /** How often the fold of rows was compared with memory. */
  compared = 0;
  deadlyHandlers = false;
  /** The share of flushes to which somebody reacts. */
  eagerness = 0;
  rareHandlers = false;
  readonly #newId: (nowMs: number, slot?: number) => string;
  readonly #log: Logger;
  readonly #options: WorldOptions;
  readonly #revisions = new Map<string, number>();
  readonly #held: HeldLanes = new Map();
  /** By how much the database's clock was turned back. */
  #turnedBackMs = 0;
  /** What handlers gave, by the call. */
  readonly #outputs = new Set<string>();
  /** Of what is in memory, as of when it was last compared with its rows. */
  readonly #seen = new WeakMap<Resident, string>();

  constructor(options: WorldOptions) {
    this.#options = options;
    this.eventful = options.eventful ?? false;
    this.random = createRandom(options.seed);
    this.faults = { ...quiet, ...options.faults };
    this.tables = createMemoryDatabase({
      shards: options.shards ?? 4,
      now: () => this.time.now - this.#turnedBackMs,
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
    const revision = this.#revision(workflowId);
    if (revision < versions) this.#revisions.set(workflowId, revision + 1);
  }

  /** A version that has been published. */
  anyVersion(workflowId: string): string {
    return definitionIdOf(workflowId, this.random.between(1, this.#revision(workflowId)));
  }

  /** The database's clock goes back, as after a failover to a machine that was slow. */
  turnBack(byMs: number): void {
    this.#turnedBackMs += byMs;
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
      held: this.#held,
      hooks: {
        stop: (forMs) => this.pause(node, forMs),
        flush: (point, batch) => this.#flushed(node, point, batch),
        refused: (call, error) => this.#refused(call, error),
      },
    });
    const underWay = new Map<string, AbortSignal>();
    const hearing: HandlerOptions = {
      process,
      random,
      nodeId: id,
      now: () => tables.now(),
      deadly: () => this.deadlyHandlers,
      die: () => this.kill(node),
      called: (call: Call, signal: AbortSignal) => {
        this.#called(call);
        // Whoever is told to stop may be followed before it has ended.
        if (underWay.get(keyOf(call))?.aborted === false)
          this.broken.push(`"${call.path}" (${call.attempt}) of ${call.instanceId} runs twice at once on one node`);
        underWay.set(keyOf(call), signal);
      },
      ended: (call: Call, output?: Json) => {
        underWay.delete(keyOf(call));
        if (output !== undefined) this.#outputs.add(`${keyOf(call)} ${JSON.stringify(output)}`);
      },
    };
    const handlers = createHandlers(hearing);
    for (const taskId of rareTasks) if (!this.rareHandlers && random.chance(0.7)) handlers.delete(taskId);
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
      ...this.#schedulesFor(process),
      ...(this.eventful
        ? { routing: createRoutingSource({ tables, store, targets: this.targets, isPaused: () => this.routingPaused }) }
        : {}),
      checkInput,
      resolve: async ({ ref, version, fresh }) => {
        if (version !== undefined) return { definitionId: definitionIdOf(ref), workflowId: ref };
        if (fresh === true || !cached.has(ref)) cached.set(ref, this.#revision(ref));
        const revision = cached.get(ref)!;
        return { definitionId: definitionIdOf(ref, revision), workflowId: ref, revision };
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
      handle(taskId, outcome, takesMs = 20) {
        const handler = createHandler(hearing, () => takesMs, outcome);
        handlers.set(taskId, handler);
      },
      learn(taskId) {
        if (handlers.has(taskId)) return;
        handlers.set(taskId, createHandlers({ ...hearing, deadly: () => false }).get(taskId)!);
        registered(taskId);
      },
    };
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

  #schedulesFor(process: Process): { schedules?: ScheduleSource } {
    const source = this.#options.schedules;
    if (source === undefined) return {};
    const load = (ids: string[]) =>
      new Promise<Awaited<ReturnType<ScheduleSource["load"]>>>((resolve) => {
        process.after(this.random.between(0, 20), () => void source.load(ids).then(resolve));
      });
    return { schedules: { load } };
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
    else if (this.random.chance(this.eagerness)) this.#changed(batch);
    if (node.process.alive && this.#options.killAt?.(point, this.flushes, batch) === true) this.kill(node);
  }

  /** Somebody reacts to what has just been written, before the node that wrote it knows. */
  #changed({ transitions }: FlushBatch): void {
    if (transitions === undefined) return;
    const ids = (JSON.parse(transitions) as string[][]).map(([_shard, _namespace, id]) => id!);
    this.#options.changed?.(this.random.pick(ids), this);
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

  /** Where nothing of an instance is under way, its rows give what is in memory. What has not changed is not asked again. */
  #compare(node: SimulatedNode, batch: FlushBatch): void {
    // A node that drains ends its lane before it forgets what it has in memory.
    if (this.tables.lanes.get(batch.laneId)?.closedAt !== null || node.state === "draining") return;
    for (const resident of node.engine.core.residents.values()) {
      if (resident.pending > 0 || resident.gone || this.tables.leases[resident.shard]?.laneId !== batch.laneId)
        continue;
      const { version } = this.tables.instances.get(`${resident.shard} ${resident.id}`) ?? { version: 0 };
      const now = `${version} ${resident.state.seq}`;
      if (this.#seen.get(resident) === now) continue;
      this.#seen.set(resident, now);
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
  faultsFound({ settled, quiet = false }: { settled: boolean; quiet?: boolean }): string[] {
    const rows = new Map([...this.tables.instances.values()].map((row) => [row.id, row]));
    return [
      ...this.broken,
      ...this.#linesLost(),
      ...this.#inventions(),
      ...checkRows(rowsOf(this.tables), {
        accepted: this.accepted,
        settled,
        setAside: this.setAside,
        // Nodes go by the time that was until they have seen enough of the new one.
        toleranceMs: this.#turnedBackMs,
        calls: this.calls,
        quiet,
        published: this.published,
        inTurn: this.inTurn,
        targetsOf: (event) =>
          this.eventful && event.namespace === "default" ? takersOf(this.targets, asDrawn(event)) : [],
        fits: ({ id }, { path, since }, event) => {
          const { workflowId, namespace, input } = rows.get(id)!;
          if (event.namespace !== namespace || event.acceptedAt < (since ?? 0)) return false;
          return takesEvent(workflowId, { path, stepId: stepIdOf(path) }, asDrawn(event), JSON.parse(input) as Json);
        },
        joinOf: (instanceId, stepId) => joinOf(rows.get(instanceId)!.workflowId, stepId),
        limitsOf: (instanceId) => {
          const { workflowId, input } = rows.get(instanceId)!;
          return limitsOf(workflowId, JSON.parse(input) as Json);
        },
      }),
    ];
  }

  /**
   * What a handler said is written with its result, where its node has recorded that at once. Of one that lasts longer, or
   * is handed over, it is written beside the lane and may be lost with the node.
   */
  #linesLost(): string[] {
    const said = new Set(this.tables.logs.map(({ instanceId, message }) => `${instanceId} ${message}`));
    const callers = new Map<string, Set<string>>();
    for (const { instanceId, path, attempt, nodeId } of this.calls) {
      const line = `${instanceId} ${lineOf(path, attempt)}`;
      callers.set(line, (callers.get(line) ?? new Set()).add(nodeId));
    }
    const lost: string[] = [];
    for (const { entry, instanceId, nodeId } of [...this.tables.steps.values()].flat()) {
      if (entry.outcome?.runner !== undefined) callers.delete(`${instanceId} ${lineOf(entry.path, entry.attempt)}`);
      const line = `${instanceId} ${lineOf(entry.path, entry.attempt)}`;
      const nodes = callers.get(line);
      const short = (entry.completedAt ?? Number.POSITIVE_INFINITY) - entry.startedAt < 900;
      const recorded = short && entry.status === "COMPLETED" && nodes?.size === 1 && nodes.has(nodeId);
      if (recorded && !said.has(line)) lost.push(`${line}: what its handler said is lost`);
    }
    return lost;
  }

  /** Every result of a handler's step was given by a handler. */
  #inventions(): string[] {
    const found: string[] = [];
    for (const { entry, instanceId, epoch } of [...this.tables.steps.values()].flat()) {
      if (entry.type !== "TASK" || entry.status !== "COMPLETED" || epoch === 0) continue;
      const key = keyOf({ instanceId, path: entry.path, attempt: entry.attempt });
      const output = JSON.stringify(entry.output);
      if (output.includes('{"$payload":') || isTransform(entry.stepId) || this.#outputs.has(`${key} ${output}`))
        continue;
      found.push(`${key}: no handler gave ${output}`);
    }
    return found;
  }

  unfinished(): string[] {
    return [...this.tables.instances.values()].filter((row) => !isFinal(row.status)).map((row) => row.id);
  }
}

const keyOf = ({ instanceId, path, attempt }: Pick<Call, "instanceId" | "path" | "attempt">) =>
  `${instanceId} ${path} ${attempt}`;

function reader(tables: Tables, shard: number, id: string) {
  return instances(tables, [{ shard, id }])[0];
}

const asDrawn = ({ pattern, payload }: CheckedEvent) => ({ pattern, payload }) as DrawnEvent;
