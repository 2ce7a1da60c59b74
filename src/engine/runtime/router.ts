/**
 * The router (PROTOCOLS 8): the owner of an event's shard decides where it goes.
 *
 * After the event's commit it reads the open waits that its name and its values lead to, and the revision of what is kept
 * in memory (triggers, subscriptions, wait shapes), in one snapshot. Waits of this lane get the event as a fact, those of
 * others by their inbox. What it leads to beside them is one work (`settling.ts`), submitted when the waits have decided:
 * so nothing is done twice, and nothing is lost before.
 */

import type { RoutingTable } from "../contract_events.ts";
import type { StoredEvent, WaitRow } from "../store/contract.ts";
import { encodeMessage } from "../store/rows.ts";
import type { Core, OwnedShard } from "./core.ts";
import type { LookBack } from "./look_back.ts";
import { viewOf } from "./routing.ts";
import {
  consumeRow,
  type Decided,
  type EventDelivery,
  type EventFact,
  type Routed,
  type Settle,
  targetsOf,
} from "./settling.ts";

export const eventRowKinds: ReadonlySet<string> = new Set(["EVENT", "EVENT_MATCH", "PUBLISH"]);

const batchLimit = 500;
const pausedLookMs = 1_000;

export interface Router {
  take(delivery: EventDelivery): void;
  /** What decides where events go may have changed. */
  wake(): void;
  dropShard(shard: number): void;
  clear(): void;
}

/** Events of one partition key, which go one after the other. */
interface Line {
  owned: OwnedShard;
  /** Until the last of them has gone. */
  last: Promise<void>;
  length: number;
  /** The inbox rows of those that have failed: those behind them fail too, until they are read again. */
  failed: Set<number>;
}

export interface RouterParts {
  lookBack: LookBack;
  settle: Settle;
  /** Takes in an event that a step published with an id of its own. */
  publish(fact: object): Promise<unknown>;
  /** Rows of events stay in the inbox, or are read again. */
  hold(held: boolean): void;
}

export function createRouter(core: Core, parts: RouterParts): Router {
  let queue: EventDelivery[] = [];
  let busy = false;
  let paused = false;
  let cancelLook: (() => void) | undefined;
  /** By namespace and partition key. */
  const lines = new Map<string, Line>();

  function take(delivery: EventDelivery): void {
    if (delivery.row.kind === "EVENT") {
      queue.push(delivery);
      work();
    } else if (delivery.row.kind === "PUBLISH") void publishRow(delivery);
    else void matchRow(delivery);
  }

  function work(): void {
    if (busy || paused || queue.length === 0) return;
    busy = true;
    core.clock.soon(() => void routeAll());
  }

  async function routeAll(): Promise<void> {
    while (queue.length > 0 && !paused) {
      const batch = queue.slice(0, batchLimit);
      queue = queue.slice(batchLimit);
      try {
        await route(batch);
      } catch (error) {
        core.log.warn({ err: error }, "events could not be routed; it is tried again");
        // With those that came later: some may have to go after one of these.
        const rest = queue;
        queue = [];
        for (const { failed } of [...batch, ...rest]) failed();
      }
    }
    busy = false;
    work();
  }

  async function route(batch: EventDelivery[]): Promise<void> {
    const events = await withEvents(batch);
    for (let { table } = core.routing; ; ) {
      const keys = keysOf(table, events);
      const { revision, waits } = await core.store.waitsFor(keys.map(({ key }) => key));
      if (revision > table.revision) {
        table = await core.routing.atLeast(revision);
        continue;
      }
      if (table.paused) {
        queue = [...events.map(({ delivery }) => delivery), ...queue];
        pause();
        return;
      }
      const found = events.map((): WaitRow[] => []);
      for (const { of, ...wait } of waits) found[keys[of]!.of]!.push(wait);
      for (const [i, event] of events.entries()) routeInTurn(event, table, found[i]!);
      return;
    }
  }

  /** Events that are not at hand are read; a row whose event is gone is consumed. */
  async function withEvents(batch: EventDelivery[]): Promise<Routed[]> {
    const missing = batch.filter(({ row }) => (row.fact as EventFact).event === undefined);
    const rows = await core.store.events(missing.map(({ row }) => ({ shard: row.shard, id: row.instanceId })));
    const read = new Map(rows.map((event) => [event.id, event]));
    const events: Routed[] = [];
    for (const delivery of batch) {
      const fact = delivery.row.fact as EventFact;
      const stored = fact.event ?? read.get(delivery.row.instanceId);
      if (stored === undefined || (fact.namespace ?? stored.namespace) !== stored.namespace) {
        consumeRow(core, delivery);
        continue;
      }
      const event = asRouted(stored, fact);
      events.push({ delivery, fact, event, view: viewOf(event) });
    }
    return events;
  }

  /** What leads to waits; an event that is routed again is not for waits. */
  function keysOf(table: RoutingTable, events: readonly Routed[]) {
    const keys: { of: number; key: { namespace: string; pattern: string; key: string } }[] = [];
    for (const [of, { event, view, fact }] of events.entries()) {
      if (fact.targets !== undefined || fact.replayId !== undefined) continue;
      const { namespace } = event;
      for (const key of core.routing.waitKeys(table, namespace, view)) keys.push({ of, key: { namespace, ...key } });
    }
    return keys;
  }

  /** Events with the same partition key go one after the other: when one fails, those behind it are read again with it. */
  function routeInTurn(routed: Routed, table: RoutingTable, waits: readonly WaitRow[]): void {
    const { namespace, partitionKey } = routed.event;
    if (partitionKey === null) {
      void routeOne(routed, table, waits);
      return;
    }
    const key = `${namespace}\0${partitionKey}`;
    const { row, owned } = routed.delivery;
    if (core.shards.get(row.shard) !== owned) {
      routed.delivery.failed();
      return;
    }
    let line = lines.get(key);
    if (line?.owned !== owned) line = { owned, last: Promise.resolve(), length: 0, failed: new Set() };
    lines.set(key, line);
    const own = line;
    own.length++;
    own.last = own.last.then(async () => {
      own.failed.delete(row.id);
      const isHeldUp = [...own.failed].some((id) => id < row.id);
      if (isHeldUp) routed.delivery.failed();
      if (isHeldUp || !(await routeOne(routed, table, waits))) own.failed.add(row.id);
      if (--own.length === 0 && own.failed.size === 0 && lines.get(key) === own) lines.delete(key);
    });
  }

  /**
   * Resolves when the event's work is submitted, where it starts instances when it is written: what they resolve as
   * "latest" may be refused until then. False: it has failed.
   */
  async function routeOne(routed: Routed, table: RoutingTable, waits: readonly WaitRow[]): Promise<boolean> {
    const { delivery, event } = routed;
    const end = Promise.withResolvers<boolean>();
    let failed = false;
    const heard: EventDelivery = {
      ...delivery,
      settled() {
        end.resolve(true);
        delivery.settled();
      },
      failed() {
        failed = true;
        end.resolve(false);
        delivery.failed();
      },
    };
    try {
      const posted: string[] = [];
      const decisions = await Promise.all(waits.map((wait) => toWait(event, wait, posted)));
      const settling = { posted, decisions, targets: targetsOf(table, routed), fresh: false };
      const begins = await parts.settle({ ...routed, delivery: heard }, settling);
      return begins ? await end.promise : !failed;
    } catch (error) {
      core.log.warn({ err: error, event: event.id }, "an event could not be routed; it is tried again");
      delivery.failed();
      return false;
    }
  }

  async function toWait(event: StoredEvent, wait: WaitRow, posted: string[]): Promise<Decided> {
    const { shard, instanceId, path } = wait;
    const target = { kind: "wait", id: instanceId, path };
    const phase = core.shards.get(shard)?.phase;
    if (phase === undefined || phase === "releasing") {
      const fact = { path, event: { shard: event.shard, id: event.id } };
      posted.push(encodeMessage({ shard, kind: "EVENT_MATCH", to: instanceId, fact, fromShard: event.shard }));
      return { target, outcome: "sent", instanceId };
    }
    const ignored = await parts.lookBack.match(wait, event);
    if (ignored === undefined) return { target, outcome: "delivered", instanceId };
    return { target, outcome: ignored.startsWith("late") ? "late" : "skipped", reason: ignored, instanceId };
  }

  /** The row of a match that the owner of an event's shard found for an instance of ours. */
  async function matchRow(delivery: EventDelivery): Promise<void> {
    const { row, settled, failed } = delivery;
    try {
      const { path, event: where } = row.fact as { path: string; event: { shard: number; id: string } };
      const [event] = await core.store.events([where]);
      if (event === undefined) {
        consumeRow(core, delivery);
        return;
      }
      await parts.lookBack.match({ shard: row.shard, instanceId: row.instanceId, path }, event, row.id);
      settled();
    } catch (error) {
      core.log.debug({ err: error, instance: row.instanceId }, "an event could not be brought to a wait");
      failed();
    }
  }

  /** The row of an event that a step published with an id of its own: intake deduplicates it. */
  async function publishRow(delivery: EventDelivery): Promise<void> {
    try {
      await parts.publish(delivery.row.fact);
      consumeRow(core, delivery);
    } catch (error) {
      core.log.warn({ err: error }, "a step's event could not be taken in; it is tried again");
      delivery.failed();
    }
  }

  function pause(): void {
    paused = true;
    parts.hold(true);
    look();
  }

  /** While nothing is routed, somebody must notice when that is over. */
  function look(): void {
    cancelLook?.();
    cancelLook = core.clock.schedule(pausedLookMs, () => void wakeNow());
  }

  async function wakeNow(): Promise<void> {
    try {
      await core.routing.renew();
    } catch (error) {
      core.log.debug({ err: error }, "where events go cannot be read");
    }
    if (!paused) return;
    if (core.routing.table.paused) {
      look();
      return;
    }
    paused = false;
    cancelLook?.();
    parts.hold(false);
    work();
  }

  function drop(keep: (delivery: EventDelivery) => boolean): void {
    const gone = queue.filter((delivery) => !keep(delivery));
    queue = queue.filter(keep);
    for (const { failed } of gone) failed();
  }

  return {
    take,
    wake: () => void wakeNow(),
    dropShard(shard) {
      drop(({ row }) => row.shard !== shard);
      for (const [key, line] of lines) if (line.owned.shard === shard) lines.delete(key);
    },
    clear() {
      drop(() => false);
      lines.clear();
    },
  };
}

/** With what is changed of it for this once. */
function asRouted(event: StoredEvent, { payload, replayId }: EventFact): StoredEvent {
  const metadata = replayId === undefined ? event.metadata : { ...event.metadata, replay: true, replayId };
  return { ...event, metadata, payload: payload === undefined ? event.payload : payload };
}
