/**
 * Waits and events find each other (PROTOCOLS 8). A wait is written first and then looks back at the events that were
 * accepted before; the router reads waits after an event's commit; so at least one side sees the other. Both only bring
 * facts: the instance decides.
 *
 * Until a wait has looked back to the end, matches from the router are held, so that the earliest event wins. Whoever
 * acquires a shard looks back again for the waits that were opened after the floor, which its owner writes now and then.
 */

import type { ArrivedEvent } from "../machine/facts.ts";
import { inlineLimit } from "../payloads.ts";
import type { LookBackWait, StoredEvent, WaitRow } from "../store/contract.ts";
import type { Core, Delivery, OwnedShard } from "./core.ts";
import { lookBackKey, viewOf } from "./routing.ts";
import { addExtra, addPart, emptyWork } from "./work.ts";

const batchLimit = 200;
/** Events that are read at once for one wait. */
const pageLimit = 20;
const retryMs = 250;
const floorEveryMs = 5_000;

export interface Opened extends WaitRow {
  namespace: string;
  pattern: string;
  key: string;
  since: number;
  /** At most the time of its row. */
  openedAt: number;
}

export interface LookBack {
  /** A wait is about to be written: matches for it are held from now on. */
  expect(wait: Opened): void;
  /** Its row is in the store. */
  begin(wait: WaitRow): void;
  /** Its row was not written. */
  forget(wait: WaitRow): void;
  /** Brings an event to a wait; resolves with why it changed nothing, and undefined when it ended the wait. */
  match(wait: WaitRow, event: StoredEvent, inboxId?: number): Promise<string | undefined>;
  /** Looks back again for waits of shards that were another owner's; until then matches for them are held. */
  redo(shards: readonly OwnedShard[]): Promise<void>;
  dropShard(shard: number): void;
  clear(): void;
}

interface Held {
  event: StoredEvent;
  inboxId: number | undefined;
  resolve(ignored: string | undefined): void;
  reject(error: Error): void;
}

/** A match for a shard of which it is not known yet which waits have to look back again. */
interface Early {
  wait: WaitRow;
  held: Held;
}

interface Looking {
  wait: Opened;
  owned: OwnedShard | undefined;
  phase: "expected" | "queued" | "reading";
  after: string | null;
  held: Held[];
}

export function createLookBack(
  core: Core,
  reactions: { deliver(what: { shard: number; instanceId: string }, delivery: Delivery): void },
): LookBack {
  const open = new Map<string, Looking>();
  /** Shards whose open waits have been read since they were acquired. */
  const known = new WeakSet<OwnedShard>();
  const early = new Map<OwnedShard, Early[]>();
  let queue: Looking[] = [];
  let reading = false;
  /** A look-back has ended since floors were written last. */
  let moved = false;
  let cancelFloor: (() => void) | undefined;

  const identity = ({ instanceId, path }: WaitRow) => `${instanceId}\0${path}`;

  function expect(wait: Opened): void {
    const owned = core.shards.get(wait.shard);
    open.set(identity(wait), { wait, owned, phase: "expected", after: null, held: [] });
  }

  function begin(wait: WaitRow): void {
    const looking = open.get(identity(wait));
    if (looking?.phase === "expected") enqueue(looking);
  }

  function enqueue(looking: Looking): void {
    looking.phase = "queued";
    queue.push(looking);
    if (reading) return;
    reading = true;
    core.clock.soon(() => void readAll());
  }

  async function readAll(): Promise<void> {
    while (queue.length > 0) {
      const batch = queue.slice(0, batchLimit).filter(isHere);
      queue = queue.slice(batchLimit);
      if (batch.length === 0) continue;
      for (const looking of batch) looking.phase = "reading";
      try {
        const found = await core.store.lookBack(batch.map(questionOf), pageLimit);
        for (const [i, looking] of batch.entries()) if (isHere(looking)) void take(looking, found[i]!);
      } catch (error) {
        core.log.warn({ err: error }, "events could not be looked back at; it is tried again");
        for (const looking of batch) again(looking);
      }
    }
    reading = false;
  }

  /** Its shard is this node's as it was when it began. */
  function isHere(looking: Looking): boolean {
    return open.get(identity(looking.wait)) === looking && core.shards.get(looking.wait.shard) === looking.owned;
  }

  function questionOf({ wait, after }: Looking): LookBackWait {
    const { namespace, pattern, key, since } = wait;
    return { namespace, pattern, key: lookBackKey(pattern, key), since, after };
  }

  function again(looking: Looking): void {
    core.clock.schedule(retryMs, () => {
      if (isHere(looking)) enqueue(looking);
    });
  }

  /** Gives a page of events to the wait, with those that were held meanwhile, the earliest first. */
  async function take(looking: Looking, page: readonly StoredEvent[]): Promise<void> {
    const full = page.length >= pageLimit;
    const last = page.at(-1)?.id ?? null;
    try {
      for (const event of page) {
        await releaseHeld(looking, event.id);
        const ignored = await deliver(looking.wait, event);
        if (ignored === undefined || isLate(ignored)) {
          await end(looking);
          return;
        }
      }
    } catch (error) {
      core.log.debug({ err: error, instance: looking.wait.instanceId }, "an event could not be brought to a wait");
      again(looking);
      return;
    }
    if (full) {
      looking.after = last;
      enqueue(looking);
    } else await end(looking);
  }

  /** Held events that come before another one. */
  async function releaseHeld(looking: Looking, before: string): Promise<void> {
    const first = looking.held.filter(({ event }) => event.id < before);
    if (first.length === 0) return;
    looking.held = looking.held.filter(({ event }) => event.id >= before);
    await release(looking, first);
  }

  async function release(looking: Looking, held: Held[]): Promise<void> {
    held.sort((one, other) => (one.event.id < other.event.id ? -1 : 1));
    for (const { event, inboxId, resolve, reject } of held) {
      await deliver(looking.wait, event, inboxId).then(resolve, reject);
    }
  }

  /** What is held is given in its order; what comes meanwhile is held too. */
  async function end(looking: Looking): Promise<void> {
    while (looking.held.length > 0) {
      const held = looking.held;
      looking.held = [];
      await release(looking, held);
    }
    if (open.get(identity(looking.wait)) === looking) open.delete(identity(looking.wait));
    moved = true;
    planFloor();
  }

  function match(wait: WaitRow, event: StoredEvent, inboxId?: number): Promise<string | undefined> {
    const owned = core.shards.get(wait.shard);
    if (owned !== undefined && !known.has(owned)) {
      return new Promise((resolve, reject) => {
        const others = early.get(owned) ?? [];
        early.set(owned, others);
        others.push({ wait, held: { event, inboxId, resolve, reject } });
      });
    }
    const looking = open.get(identity(wait));
    if (looking === undefined) return deliver(wait, event, inboxId);
    // Whoever found the wait has read its row.
    if (looking.phase === "expected") enqueue(looking);
    return new Promise((resolve, reject) => {
      looking.held.push({ event, inboxId, resolve, reject });
    });
  }

  async function deliver(wait: WaitRow, event: StoredEvent, inboxId?: number): Promise<string | undefined> {
    const { shard, instanceId, path } = wait;
    const payload = await storeLarge(wait, event);
    return new Promise((resolve, reject) => {
      reactions.deliver(
        { shard, instanceId },
        {
          fact: { kind: "event", path, event: arrivedOf(event) },
          ...(payload === undefined ? {} : { payload }),
          ...(inboxId === undefined ? {} : { inboxId }),
          settled: ({ ignored }) => resolve(ignored),
          failed: reject,
        },
      );
    });
  }

  /** A large payload is the instance's own before its rows refer to it. */
  async function storeLarge({ shard, instanceId }: WaitRow, { payload }: StoredEvent): Promise<Delivery["payload"]> {
    if (typeof payload !== "object" && typeof payload !== "string") return undefined;
    const body = JSON.stringify(payload);
    if (body.length <= inlineLimit) return undefined;
    const id = core.newId(core.time.now());
    await core.store.savePayload({ shard, instanceId, id, body });
    return { value: payload, id };
  }

  async function redo(shards: readonly OwnedShard[]): Promise<void> {
    const rows = await core.store.openWaits(shards.map(({ shard }) => shard));
    for (const row of rows) {
      if (open.has(identity(row)) || !core.shards.has(row.shard)) continue;
      expect(row);
      begin(row);
    }
    for (const owned of shards) {
      known.add(owned);
      const matches = early.get(owned) ?? [];
      early.delete(owned);
      for (const { wait, held } of matches) match(wait, held.event, held.inboxId).then(held.resolve, held.reject);
    }
  }

  function dropEarly(isGone: (owned: OwnedShard) => boolean): void {
    for (const [owned, matches] of [...early]) {
      if (!isGone(owned)) continue;
      early.delete(owned);
      for (const { held } of matches) held.reject(new Error("the shard is not held any more"));
    }
  }

  function planFloor(): void {
    cancelFloor ??= core.clock.schedule(floorEveryMs, () => {
      cancelFloor = undefined;
      writeFloors();
    });
  }

  function writeFloors(): void {
    if (!moved || core.stopping) return;
    moved = false;
    const floors = new Map<number, number>();
    for (const { shard, phase } of core.shards.values()) if (phase === "open") floors.set(shard, core.time.now());
    for (const { wait } of open.values()) {
      const floor = floors.get(wait.shard);
      if (floor !== undefined) floors.set(wait.shard, Math.min(floor, wait.openedAt));
    }
    const [first, ...others] = floors;
    if (first === undefined) return;
    const partOf = ([shard, floor]: [number, number]) => {
      const part = emptyWork({ shard, instanceId: `look-back of shard ${shard}` });
      addExtra(part, "lookBackFloors", `[${shard},${floor}]`);
      return part;
    };
    const work = partOf(first);
    for (const other of others) addPart(work, partOf(other));
    core.lane.submit(work);
  }

  function drop(looking: Looking): void {
    open.delete(identity(looking.wait));
    for (const { reject } of looking.held) reject(new Error("the shard is not held any more"));
    looking.held = [];
  }

  return {
    expect,
    begin,
    forget(wait) {
      const looking = open.get(identity(wait));
      if (looking?.phase === "expected") drop(looking);
    },
    match,
    redo,
    dropShard(shard) {
      dropEarly((owned) => owned.shard === shard);
      for (const looking of [...open.values()]) if (looking.wait.shard === shard) drop(looking);
    },
    clear() {
      dropEarly(() => true);
      for (const looking of [...open.values()]) drop(looking);
      queue = [];
      cancelFloor?.();
      cancelFloor = undefined;
    },
  };
}

/** The wait is over, or was never there: no other event is for it. */
function isLate(ignored: string): boolean {
  return ignored.startsWith("late:") || ignored.startsWith("no such instance") || ignored.startsWith("the instance is");
}

function arrivedOf(event: StoredEvent): ArrivedEvent {
  const { id, eventId, type, payload, metadata, source, timestamp, partitionKey } = viewOf(event);
  return { id, eventId, type, payload, metadata, source, timestamp, partitionKey, acceptedAt: event.acceptedAt };
}
