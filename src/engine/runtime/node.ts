/**
 * The engine of one node: makes the parts, wires them, and leads them through start, the loss of a lane, and stop.
 *
 * The life of a fact: it comes from a caller (`admission`, `births`, `messages`), a handler (`runner`), a row (`inbox`) or
 * time (`timers`); it meets its instance in memory, which is loaded if need be (`loading`); the machine decides (`turns`);
 * the decision's rows are written in the lane's next flush (`lane`); and after the commit come its consequences.
 */

import type { Logger } from "../../foundation/log.ts";
import type { ResolvedDefinition, RestartRequest, StartAnswer } from "../contract.ts";
import type { EventInput, PublishAnswer, RoutingSource } from "../contract_events.ts";
import type { Json } from "../machine/definition.ts";
import type { Program } from "../machine/program.ts";
import type { InboxRow, Store } from "../store/contract.ts";
import { type Admission, createAdmission } from "./admission.ts";
import type { Beat } from "./beat.ts";
import { createBirths } from "./births.ts";
import { createChildren } from "./children.ts";
import { atMost, type Clock, pause, StoreTime } from "./clock.ts";
import type { Core, Delivery, HandlerSource, Limits, Observer } from "./core.ts";
import { createErrands } from "./errands.ts";
import { createEvents } from "./events.ts";
import { createHints } from "./hints.ts";
import { createInbox, type Inbox } from "./inbox.ts";
import { Lane } from "./lane.ts";
import { createLimits } from "./limits.ts";
import { saveLines } from "./lines.ts";
import { createLoading } from "./loading.ts";
import { createMessages, type Messages } from "./messages.ts";
import { createOwnership } from "./ownership.ts";
import { createPrograms } from "./programs.ts";
import type { Resident } from "./resident.ts";
import { createRestarts } from "./restarts.ts";
import { createRouting, registerShapes, waitsOnly } from "./routing.ts";
import { createRunner } from "./runner.ts";
import { createSchedules, heardBy, type ScheduleSource, type Schedules } from "./schedules.ts";
import { createSeeking } from "./seeking.ts";
import { createStarting } from "./starting.ts";
import { createTimers, type Timers } from "./timers.ts";
import { createTurns, LaneLost, type Turns } from "./turns.ts";
import { untilAnswered } from "./until_answered.ts";

export interface NodeOptions {
  nodeId: string;
  name: string;
  version: string;
  roles: string[];
  endpoints: Record<string, string>;
  leaseMs: number;
  drainMs: number;
  store: Store;
  clock: Clock;
  log: Logger;
  random(): number;
  newId(nowMs: number, slot?: number): string;
  handlers: HandlerSource & { onRegister?(listener: (taskId: string) => void): void };
  beat(unregistered: () => void): Beat;
  observer: Observer;
  limits?: Partial<Limits>;
  resolve(what: { namespace: string; ref: string; version?: string; fresh?: boolean }): Promise<ResolvedDefinition>;
  /** Throws an AppError for an input that a child's workflow does not take. Absent: every input is taken. */
  checkInput?(definitionId: string, input: Json): Promise<void>;
  /** Absent: facts and timers of schedules stay for nodes that know them. */
  schedules?: ScheduleSource;
  /** Where events go. Absent: to waits only. */
  routing?: RoutingSource;
  /** Deliveries to subscribers are in the store. */
  delivering?(): void;
  /** Loads and compiles a definition; what it gives is kept. */
  program(definitionId: string): Promise<Program>;
}

export interface EngineNode {
  readonly core: Core;
  readonly starts: Admission;
  readonly messages: Messages;
  restart(request: RestartRequest): Promise<StartAnswer>;
  publish(events: EventInput[]): Promise<PublishAnswer[]>;
  /** What decides where events go has changed, or events are to be routed again. */
  wakeRouters(): void;
  start(): Promise<void>;
  stop(): Promise<void>;
  readonly runningTasks: number;
  /** By all lanes of this node, one after the other. */
  readonly written: { flushes: number; flushedRows: number };
}

const standardLimits: Limits = { residents: 10_000, queuedBytes: 64 * 1024 * 1024, admissionMs: 5_000 };
export function createNode(options: NodeOptions): EngineNode {
  const { store, clock, log } = options;
  const programs = createPrograms(options.program, (program) => registerShapes(store, program));
  const time = new StoreTime(clock);
  let beat: Beat | undefined;
  let state: "new" | "running" | "stopping" | "stopped" = "new";
  let cancelTick: (() => void) | undefined;
  let ticking: Promise<void> | undefined;
  let tickAgain = false;
  /** What the lanes before the present one wrote. */
  const before = { flushes: 0, flushedRows: 0 };

  const routing = createRouting(options.routing ?? waitsOnly(store), store);
  const core: Core = {
    nodeId: options.nodeId,
    store,
    clock,
    time,
    log,
    limits: { ...standardLimits, ...options.limits },
    leaseMs: options.leaseMs,
    handlers: options.handlers,
    observer: heardBy(options.observer, () => schedules),
    random: options.random,
    newId: options.newId,
    programs: programs.load,
    compiled: programs.compiled,
    shards: new Map(),
    residents: new Map(),
    childrenHere: new Map(),
    reads: new Set(),
    routing,
    shardCount: 0,
    lane: newLane(),
    deadlineMs: () => beat?.deadlineMs() ?? Number.NEGATIVE_INFINITY,
    stopping: false,
    handlersElsewhere: new Map(),
  };

  const hints = createHints(core);
  /** Facts were written for these shards: their owners, or this node, are to look. */
  function posted(shards: number[]): void {
    for (const shard of shards) {
      if (core.shards.has(shard)) inbox.wake();
      else hints.inbox(shard);
    }
  }
  const takeInbox = (row: InboxRow) => inbox.take(row);
  const turns: Turns = createTurns(core, {
    posted,
    beginChild: (work, resident, child) => children.begin(work, resident, child),
    outdated: (workflowId) => children.outdated(workflowId),
    runTask: (resident, task) => runner.run(resident, task),
    waits: {
      expect: (wait) => lookBack.expect(wait),
      begin: (wait) => lookBack.begin(wait),
      forget: (wait) => lookBack.forget(wait),
    },
    armTimer: (timer) => timers.arm(timer),
    reload: ({ replay, ...what }) => loading.reload(what, replay),
  });
  const loading = createLoading(core, turns);
  const errands = createErrands(core, {
    runner: () => runner,
    hints,
    deliver: loading.deliver,
    post: ({ shard, instanceId }, fact) => postResult({ shard, instanceId, fact }),
  });
  const children = createChildren(core, () => turns, {
    resolve: options.resolve,
    check: (definitionId, input) => checkInput(definitionId, input),
    deliver: (resident, delivery) => loading.deliver({ shard: resident.shard, instanceId: resident.id }, delivery),
  });
  const runner = createRunner(core, {
    deliver: deliverResult,
    sendErrand: errands.send,
    spawn: (resident, task) => void children.spawn(resident, task),
  });
  const timers: Timers = createTimers(core, {
    deliver: (to, timer) => void (schedules.due(to, timer) || loading.deliver(to, timer)),
  });
  const limits = createLimits(core, { posted });
  const checkInput = options.checkInput ?? (async () => {});
  const starting = createStarting(core, () => turns, { resolve: options.resolve, check: checkInput });
  const events = createEvents(core, {
    ...{ starting, turns, posted, takeInbox },
    deliver: loading.deliver,
    delivering: () => options.delivering?.(),
    hold: (held) => inbox.holdEvents(held),
  });
  const scheduling = { source: options.schedules, starting, armTimer: timers.arm, posted };
  const schedules: Schedules = createSchedules(core, () => turns, scheduling);
  const { lookBack } = events;
  const takers = { limit: limits.take, event: events.take, schedule: schedules.take };
  const inbox: Inbox = createInbox(core, { deliver: deliverFromInbox, ...takers });
  const seeking = createSeeking(core, { deliver: loading.deliver, apply: turns.apply });
  const ownership = createOwnership(core, turns, {
    acquired: async (shards) => {
      // Waits for what is due before anything else happens, so that order within an instance is that of the rows.
      await timers.load(shards);
      for (const { shard } of shards) handedOver.delete(shard);
      await lookBack.redo(shards);
      for (const owned of shards) if (owned.phase === "folding") owned.phase = "open";
      inbox.wake();
      seeking.lookAgain();
      await schedules.acquired(shards.map(({ shard }) => shard));
      for (const owned of shards) await loading.foldReady(owned);
    },
    runsOf: runner.runsOf,
    released: (shard) => {
      handedOver.add(shard);
      timers.dropShard(shard);
      limits.dropShard(shard);
      schedules.dropShard(shard);
      events.dropShard(shard);
    },
    abandoned: ({ instanceId, shard, path }) =>
      loading.deliver({ shard, instanceId }, { fact: { kind: "abandoned", path } }),
  });
  const births = createBirths(core, { takeInbox, hint: hints.inbox });
  const starts = createAdmission(core, { turns, births }, { resolve: options.resolve });
  const restarts = createRestarts(core, { takeInbox, hint: hints.inbox });
  const messages = createMessages(core, { deliver: loading.deliver, hint: hints.inbox });

  function newLane(): Lane {
    const lane: Lane = new Lane({
      laneId: options.newId(time.known ? time.now() : 0),
      nodeId: options.nodeId,
      store,
      clock,
      time,
      log,
      owns: (shard) => core.shards.has(shard),
      refill: (room) => starts.refill(room),
      matchKeys: routing,
      lost: () => void reopen(lane),
    });
    return lane;
  }

  /** A migration meets its instance when the version's program is at hand. */
  function deliverFromInbox(what: { shard: number; instanceId: string }, delivery: Delivery): void {
    const { fact } = delivery;
    if (fact.kind !== "migrate" || core.compiled(fact.definitionId) !== undefined) {
      loading.deliver(what, delivery);
      return;
    }
    programs.load(fact.definitionId).then(
      () => loading.deliver(what, delivery),
      (error: unknown) => delivery.failed?.(error instanceof Error ? error : new Error(String(error))),
    );
  }

  /** A result goes to the instance where it is now: here, or with whoever took its shard over. */
  function deliverResult(what: { shard: number; instanceId: string; resident: Resident }, delivery: Delivery): void {
    const { shard, instanceId, resident } = what;
    const owned = core.shards.get(shard);
    if (owned !== undefined && owned.phase !== "releasing") {
      if (!resident.gone || core.residents.has(instanceId)) loading.deliver({ shard, instanceId }, delivery);
      else if (loading.isReloading(instanceId)) delivery.failed?.(new LaneLost("the instance is read again"));
      return;
    }
    // The result travels by the inbox, and what was said is written from here.
    if (delivery.logs !== undefined) void saveLines(core, delivery.logs);
    if (delivery.fact.kind !== "completed" && delivery.fact.kind !== "failed") return;
    if (owned?.phase !== "releasing" && !handedOver.has(shard)) return;
    postResult({ shard, instanceId, fact: delivery.fact, ...(delivery.logs && { logs: delivery.logs }) });
  }

  /**
   * Sends a result to the inbox of a shard that is another node's, and what was said on the way to the execution log. Its
   * owner waits for it until this node is gone or the step's time is up, so it is sent until the store has it.
   */
  function postResult(result: { shard: number; instanceId: string; fact: object; logs?: readonly string[] }): void {
    const { shard, instanceId, fact, logs = [] } = result;
    const isStopped = () => state === "stopped";
    const posting = untilAnswered(core, isStopped, () => store.post([{ shard, kind: "RESULT", instanceId, fact }]))
      .then(async () => {
        hints.inbox(shard);
        if (core.shards.has(shard)) inbox.wake();
        if (logs.length > 0) await untilAnswered(core, isStopped, () => store.saveLogs([...logs]));
      })
      .catch((error: unknown) => log.warn({ err: error }, "a result could not be handed on"))
      .finally(() => latePosts.delete(posting));
    latePosts.add(posting);
  }

  /** Shards that were let go in an orderly way: their new owners wait for results from here. */
  const handedOver = new Set<number>();
  const latePosts = new Set<Promise<void>>();

  /** The lane is void, and with it all that memory says of its shards. Opens another and begins again from the rows. */
  async function reopen(lost: Lane): Promise<void> {
    if (core.lane !== lost) return;
    before.flushes += lost.flushes;
    before.flushedRows += lost.flushedRows;
    dropAll();
    if (state !== "running") return;
    const lane = newLane();
    core.lane = lane;
    await untilDone("a new lane", async () => {
      await store.abandonLane(lost.laneId);
      await store.register(registration());
      await store.openLane({ laneId: lane.laneId, nodeId: core.nodeId });
      lane.opened = true;
    });
    tickSoon();
  }

  function dropAll(): void {
    for (const resident of [...core.residents.values()]) {
      for (const run of resident.running.values()) run.abort("the node lost its lane");
      turns.forget(resident);
    }
    core.shards.clear();
    runner.forgetResults();
    timers.clear();
    limits.clear();
    schedules.clear();
    events.clear();
    loading.clear();
    handedOver.clear();
  }

  async function untilDone(what: string, work: () => Promise<void>): Promise<void> {
    for (let tries = 0; state === "running"; tries++) {
      try {
        await work();
        return;
      } catch (error) {
        if (tries === 0) log.warn({ err: error }, `${what} is not to be had yet`);
        await pause(clock, Math.min(50 * 2 ** tries, 1_000));
      }
    }
  }

  async function tick(): Promise<void> {
    try {
      await ownership.tick();
      for (const owned of [...core.shards.values()]) {
        if (owned.phase !== "open" || owned.foldAfter === undefined) continue;
        await loading.foldReady(owned);
        seeking.lookAgain();
      }
      runner.retryHeld();
      await seeking.tick();
      if (ownership.othersLive) errands.wake();
    } catch (error) {
      log.warn({ err: error }, "the look at the cluster failed; it is repeated");
    }
  }

  function tickSoon(): void {
    if (ticking !== undefined) {
      tickAgain = true;
      return;
    }
    cancelTick?.();
    ticking = tick().finally(() => {
      ticking = undefined;
      if (state !== "running") return;
      if (tickAgain) {
        tickAgain = false;
        tickSoon();
      } else cancelTick = clock.schedule(options.leaseMs / 4, tickSoon);
    });
  }

  function registration() {
    const { nodeId, name, version, leaseMs, roles, endpoints } = options;
    return { nodeId, name, version, leaseMs, roles, endpoints, tasks: options.handlers.ids() };
  }

  async function start(): Promise<void> {
    const opened = await store.open();
    time.learn(opened.now);
    core.shardCount = opened.shards;
    core.lane = newLane();
    await store.register(registration());
    await store.openLane({ laneId: core.lane.laneId, nodeId: core.nodeId });
    core.lane.opened = true;
    await routing.load();
    state = "running";
    beat = options.beat(() => {
      if (state === "running" && core.lane.opened) core.lane.lose("the others gave this node up");
    });
    beat.start();
    store.onHint((hint) => {
      if (state !== "running") return;
      if (hint.leases === true) tickSoon();
      if (hint.routing === true) events.wake();
      if (hint.errands?.includes(core.nodeId) === true) errands.wake();
      if (hint.inbox !== undefined && (hint.inbox.length === 0 || hint.inbox.some((shard) => core.shards.has(shard))))
        inbox.wake();
    });
    options.handlers.onRegister?.(() => {
      seeking.lookAgain();
      if (state !== "running") return;
      // A word that is lost here is said with the next handler, or when the node registers again.
      const tasks = options.handlers.ids();
      void store.announce({ nodeId: core.nodeId, roles: options.roles, tasks }).catch((error: unknown) => {
        log.warn({ err: error }, "a new handler could not be announced");
      });
      tickSoon();
    });
    timers.start();
    inbox.start();
    tickSoon();
    await ticking;
  }

  async function stop(): Promise<void> {
    if (state === "new") state = "stopped";
    if (state !== "running") return;
    core.stopping = true;
    starts.refuseAll("The node is stopping");
    await ticking;
    state = "stopping";
    cancelTick?.();
    inbox.stop();
    errands.stop();
    await beat?.drain();
    // With others to go on, shards leave at once and late results follow them; alone, what runs may finish first.
    if (!ownership.othersLive) await runner.settled(options.drainMs);
    await atMost(clock, options.drainMs, ownership.releaseAll());
    if (ownership.othersLive) await runner.settled(options.drainMs);
    await runner.stop();
    await atMost(clock, options.drainMs, Promise.allSettled([...latePosts]));
    timers.stop();
    core.lane.end();
    await beat?.stop();
    await store.abandonLane(core.lane.laneId).catch(() => {});
    await store.deregister(core.nodeId).catch(() => {});
    await store.hint({ leases: true }).catch(() => {});
    state = "stopped";
    dropAll();
    await store.close();
  }

  return {
    core,
    starts,
    messages,
    restart: restarts.restart,
    publish: events.publish,
    wakeRouters() {
      events.wake();
      inbox.wake();
      // Whoever is not told looks when the next event comes, or soon.
      store.hint({ routing: true, inbox: [] }).catch(() => {});
    },
    start,
    stop,
    get written() {
      const { flushes, flushedRows } = core.lane;
      return { flushes: before.flushes + flushes, flushedRows: before.flushedRows + flushedRows };
    },
    get runningTasks() {
      return runner.running;
    },
  };
}
