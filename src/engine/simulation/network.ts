/**
 * The way between a node and the store: it takes time, and with faults switched on it loses questions and answers, lets a
 * question arrive long after its sender gave up, stops a node in the middle of a flush, and goes down as a whole.
 */

import { type FlushAnswer, type FlushBatch, type Hint, type Store, StoreError } from "../store/contract.ts";
import { createMemoryStore, type Tables } from "../store/memory.ts";
import type { Random } from "./random.ts";
import type { Process, VirtualTime } from "./time.ts";

export interface NetworkFaults {
  /** Shares of calls whose question is lost, whose answer is lost, and whose question arrives late. */
  lostQuestions: number;
  lostAnswers: number;
  lateQuestions: number;
  /** The share of flushes whose sender stops when the store has half of them. */
  halfSent: number;
  lostHints: number;
  doubledHints: number;
  /** Until when the store is away. */
  outageUntil: number;
  longestMs: number;
}

export const quiet: NetworkFaults = {
  lostQuestions: 0,
  lostAnswers: 0,
  lateQuestions: 0,
  halfSent: 0,
  lostHints: 0,
  doubledHints: 0,
  outageUntil: 0,
  longestMs: 5,
};

/**
 * Lanes whose row a flush holds that its sender has not finished, with the sender: until it goes on, dies, or is ended by
 * somebody who waits for the row.
 */
export type HeldLanes = Map<string, Process>;

export interface NetworkHooks {
  /** The node stands still. */
  stop(forMs: number): void;
  /** A flush is about to leave, has been applied, or has been answered and worked in. */
  flush(point: "leaving" | "applied" | "answered", batch: FlushBatch): void;
  /** The store refused something. */
  refused(call: string, error: StoreError): void;
}

export interface NetworkOptions {
  tables: Tables;
  time: VirtualTime;
  process: Process;
  random: Random;
  faults: NetworkFaults;
  held: HeldLanes;
  hooks: NetworkHooks;
}

/** The store as one node sees it. */
export function createNetworkStore(options: NetworkOptions): Store {
  const { tables, time, process, random, faults, held, hooks } = options;
  const store = createMemoryStore(tables);

  function travelMs(): number {
    return random.chance(0.02) ? random.between(1, faults.longestMs * 20) : random.between(0, faults.longestMs);
  }

  function call<T>(name: string, ask: () => Promise<T>, batch?: FlushBatch): Promise<T> {
    const unknown = batch === undefined ? "transient" : "unknown";
    return new Promise<T>((resolve, reject) => {
      const answer = (delayMs: number, how: () => void) => void process.after(delayMs, how);
      const lost = (delayMs: number) =>
        answer(delayMs, () => reject(new StoreError(`${name}: connection lost`, { fault: unknown })));
      if (random.chance(faults.lostQuestions)) {
        lost(travelMs());
        return;
      }
      const late = random.chance(faults.lateQuestions);
      if (late) lost(travelMs());
      const silent = late || random.chance(faults.lostAnswers);
      if (silent && !late) lost(travelMs() * 3);
      // What has left the node happens, whatever becomes of the node meanwhile.
      time.after(late ? random.between(1, 3_000) : travelMs(), () => {
        if (time.now < faults.outageUntil) {
          if (!silent) lost(travelMs());
          return;
        }
        void ask().then(
          (value) => {
            if (batch !== undefined) hooks.flush("applied", batch);
            if (!silent) answer(travelMs(), () => resolve(value));
          },
          (error: unknown) => {
            if (error instanceof StoreError) hooks.refused(name, error);
            if (!silent) answer(travelMs(), () => reject(error));
          },
        );
      });
    });
  }

  /**
   * The store has run a flush and waits for the word to commit it; its sender has stopped before that. When the sender
   * goes on it commits, unless somebody who waited for the lane's row has ended it.
   */
  function sendHalf(batch: FlushBatch): Promise<FlushAnswer> {
    held.set(batch.laneId, process);
    hooks.stop(random.between(500, 8_000));
    return new Promise<FlushAnswer>((resolve, reject) => {
      process.after(0, () => {
        const commits = held.delete(batch.laneId);
        if (commits) call("flush", () => store.flush(batch), batch).then(resolve, reject);
        else reject(new StoreError("flush: ended by an administrator's command", { fault: "unknown" }));
      });
    });
  }

  /** Waits for the row of a lane in vain, and ends whoever holds it. */
  async function unlessHeld<T>(name: string, laneIds: string[], ask: () => Promise<T>): Promise<T> {
    const holding = laneIds.filter((laneId) => held.get(laneId)?.alive === true);
    if (holding.length === 0) return await call(name, ask);
    await new Promise<void>((resolve) => void process.after(1_000, resolve));
    for (const laneId of holding) held.delete(laneId);
    throw new StoreError(`${name}: canceling statement due to lock timeout`, { fault: "transient", locked: true });
  }

  /** Rows of other transactions get their ids before they can be seen, so ids become visible out of order. */
  function inserting<T>(name: string, count: number, ask: () => Promise<T>): Promise<T> {
    return call(name, () => {
      const first = tables.nextInboxId;
      tables.nextInboxId += count;
      return new Promise<T>((resolve, reject) => {
        time.after(random.chance(0.1) ? random.between(0, 1_500) : 0, () => {
          const next = tables.nextInboxId;
          tables.nextInboxId = first;
          ask().then(resolve, reject);
          tables.nextInboxId = next;
        });
      });
    });
  }

  return {
    open: () => call("open", () => store.open()),
    close: () => store.close(),
    register: (node) => call("register", () => store.register(node)),
    announce: (what) => call("announce", () => store.announce(what)),
    beat: (what) => call("beat", () => store.beat(what)),
    deregister: (nodeId) => call("deregister", () => store.deregister(nodeId)),
    cluster: () => call("cluster", () => store.cluster()),
    openLane: (lane) => call("openLane", () => store.openLane(lane)),
    abandonLane: (laneId) => unlessHeld("abandonLane", [laneId], () => store.abandonLane(laneId)),
    closeLanes(what) {
      const laneIds = [...held.keys()].filter((laneId) => tables.lanes.get(laneId)?.nodeId === what.nodeId);
      return unlessHeld("closeLanes", laneIds, () => store.closeLanes(what));
    },
    acquire: (what) => call("acquire", () => store.acquire(what)),
    noteFolding: (what) => call("noteFolding", () => store.noteFolding(what)),
    async flush(batch) {
      const sent = { ...batch, shards: [...batch.shards] };
      hooks.flush("leaving", sent);
      const half = random.chance(faults.halfSent);
      const answer = await (half ? sendHalf(sent) : call("flush", () => store.flush(sent), sent));
      // The lane works the answer in before anything else of the node happens.
      process.after(0, () => hooks.flush("answered", sent));
      return answer;
    },
    readyInstances: (what) => call("readyInstances", () => store.readyInstances(what)),
    instances: (ids) => call("instances", () => store.instances(ids)),
    awaitingTasks: (what) => call("awaitingTasks", () => store.awaitingTasks(what)),
    timers: (what) => call("timers", () => store.timers(what)),
    inbox: (what) => call("inbox", () => store.inbox(what)),
    permits: (what) => call("permits", () => store.permits(what)),
    schedules: (ids) => call("schedules", () => store.schedules(ids)),
    queuedSchedules: (what) => call("queuedSchedules", () => store.queuedSchedules(what)),
    endings: (what) => call("endings", () => store.endings(what)),
    journal: (what) => call("journal", () => store.journal(what)),
    saveLogs: (rows) => call("saveLogs", () => store.saveLogs(rows)),
    acceptRestart: (restart) => inserting("acceptRestart", 1, () => store.acceptRestart(restart)),
    accept: (births) => inserting("accept", births.length, () => store.accept(births)),
    publish: (events, revision) => inserting("publish", events.length, () => store.publish(events, revision)),
    events: (ids) => call("events", () => store.events(ids)),
    waitsFor: (keys) => call("waitsFor", () => store.waitsFor(keys)),
    lookBack: (waits, limit) => call("lookBack", () => store.lookBack(waits, limit)),
    openWaits: (shards) => call("openWaits", () => store.openWaits(shards)),
    registerShapes: (shapes) => call("registerShapes", () => store.registerShapes(shapes)),
    shapes: () => call("shapes", () => store.shapes()),
    openInstances: (what) => call("openInstances", () => store.openInstances(what)),
    routingRevision: () => call("routingRevision", () => store.routingRevision()),
    post: (rows) => inserting("post", rows.length, () => store.post(rows)),
    takeErrands: (what) => call("takeErrands", () => store.takeErrands(what)),
    savePayload: (payload) => call("savePayload", () => store.savePayload(payload)),
    payloads: (of) => call("payloads", () => store.payloads(of)),
    statuses: (ids) => call("statuses", () => store.statuses(ids)),
    hint: (hint) => call("hint", () => store.hint(hint)),
    onHint(listener) {
      store.onHint((hint: Hint) => {
        if (random.chance(faults.lostHints)) return;
        process.after(travelMs(), () => listener(hint));
        if (random.chance(faults.doubledHints)) process.after(travelMs() * 10, () => listener(hint));
      });
    },
  };
}
