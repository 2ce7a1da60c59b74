/**
 * The store in memory: a second implementation of the contract, for the simulation. Many stores, one for each node, can
 * stand on one database. Every call takes effect at once and as a whole; time, loss and delay are put around it by the
 * simulation. It refuses what PostgreSQL refuses.
 */

import { type Hint, type Store, StoreError } from "./contract.ts";
import * as eventTables from "./memory/events.ts";
import { flush } from "./memory/flush.ts";
import * as intake from "./memory/intake.ts";
import * as leases from "./memory/leases.ts";
import * as reads from "./memory/reads.ts";
import * as schedules from "./memory/schedules.ts";
import type { Tables } from "./memory/tables.ts";

export { holdKey } from "./memory/intake.ts";
export { createMemoryDatabase, type MemoryDatabaseOptions, type Tables } from "./memory/tables.ts";

export function createMemoryStore(tables: Tables): Store {
  let closed = false;
  const own = new Set<(hint: Hint) => void>();

  /** Runs a call; a closed store fails as a lost connection does before anything was sent. */
  function call<T>(run: () => T): Promise<T> {
    if (closed) return Promise.reject(new StoreError("the store is closed", { fault: "transient" }));
    try {
      return Promise.resolve(run());
    } catch (error) {
      return Promise.reject(error);
    }
  }

  return {
    open: () => call(() => ({ shards: tables.shards, now: tables.now() })),
    close: async () => {
      closed = true;
      for (const listener of own) tables.listeners.delete(listener);
      own.clear();
    },
    register: (node) => call(() => leases.register(tables, node)),
    announce: (what) => call(() => leases.announce(tables, what)),
    beat: (what) => call(() => leases.beat(tables, what)),
    deregister: (nodeId) => call(() => leases.deregister(tables, nodeId)),
    cluster: () => call(() => leases.cluster(tables)),
    openLane: (lane) => call(() => leases.openLane(tables, lane)),
    abandonLane: (laneId) => call(() => leases.abandonLane(tables, laneId)),
    closeLanes: (what) => call(() => leases.closeLanes(tables, what)),
    acquire: (what) => call(() => leases.acquire(tables, what)),
    noteFolding: (what) => call(() => leases.noteFolding(tables, what)),
    flush: (batch) => call(() => flush(tables, batch)),
    readyInstances: (what) => call(() => reads.readyInstances(tables, what)),
    instances: (ids) => call(() => reads.instances(tables, ids)),
    awaitingTasks: (what) => call(() => reads.awaitingTasks(tables, what)),
    timers: (what) => call(() => reads.timers(tables, what)),
    inbox: (what) => call(() => reads.inbox(tables, what)),
    permits: (what) => call(() => reads.permits(tables, what)),
    schedules: (ids) => call(() => schedules.schedules(tables, ids)),
    queuedSchedules: (what) => call(() => schedules.queuedSchedules(tables, what)),
    endings: (what) => call(() => reads.endings(tables, what)),
    journal: (what) => call(() => reads.journal(tables, what)),
    saveLogs: (rows) => call(() => intake.saveLogs(tables, rows)),
    acceptRestart: (restart) => call(() => intake.acceptRestart(tables, restart)),
    accept: (births) => call(() => intake.accept(tables, births)),
    publish: (events, revision) => call(() => eventTables.publish(tables, events, revision)),
    events: (ids) => call(() => eventTables.events(tables, ids)),
    waitsFor: (keys) => call(() => eventTables.waitsFor(tables, keys)),
    lookBack: (waits, limit) => call(() => eventTables.lookBack(tables, waits, limit)),
    openWaits: (shards) => call(() => eventTables.openWaits(tables, shards)),
    registerShapes: (shapes) => call(() => eventTables.registerShapes(tables, shapes)),
    shapes: () => call(() => eventTables.shapes(tables)),
    openInstances: (what) => call(() => eventTables.openInstances(tables, what)),
    routingRevision: () => call(() => tables.routingRevision),
    post: (rows) => call(() => void intake.post(tables, rows)),
    takeErrands: (what) => call(() => reads.takeErrands(tables, what)),
    savePayload: (payload) => call(() => intake.savePayload(tables, payload)),
    payloads: (of) => call(() => reads.payloads(tables, of)),
    statuses: (ids) => call(() => reads.statuses(tables, ids)),
    hint: (hint) =>
      call(() => {
        const text = JSON.stringify(hint);
        for (const listener of tables.listeners) listener(JSON.parse(text) as Hint);
      }),
    onHint(listener) {
      own.add(listener);
      tables.listeners.add(listener);
    },
  };
}
