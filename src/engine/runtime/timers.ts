/**
 * Timers. Each is a row; those that are due soon also sit in a heap in memory. Only the owner of a shard writes its
 * timers, so memory is exact once a shard's near ones are loaded; the store is asked again only as time moves on.
 */

import type { TimerRow } from "../store/contract.ts";
import type { Core, Delivery, OwnedShard } from "./core.ts";

/** How far ahead timers are loaded, and how many of one shard at once. */
const horizonMs = 60_000;
const perShardLimit = 200;
/** How long a timer waits for room in memory before it looks again. */
const fullPauseMs = 100;
/** A read in between keeps the heap filled and finds what a failed read left. */
const readEveryMs = 25_000;

interface Near {
  dueAt: number;
  shard: number;
  instanceId: string;
  key: string;
}

export interface Timers {
  /** A timer whose row has been committed. */
  arm(timer: Near): void;
  /** Loads what is due soon on these shards. */
  load(shards: OwnedShard[]): Promise<void>;
  start(): void;
  stop(): void;
  clear(): void;
  /** Forgets the timers of a shard that is no longer held. */
  dropShard(shard: number): void;
}

export interface TimerReactions {
  deliver(what: { shard: number; instanceId: string }, delivery: Delivery): void;
}

export function createTimers(core: Core, reactions: TimerReactions): Timers {
  let heap: Near[] = [];
  let known = new Set<string>();
  let cancelNext: (() => void) | undefined;
  let nextAt = Number.POSITIVE_INFINITY;
  /** No alarm before this: memory was full at the last one. */
  let notBefore = 0;
  let cancelRead: (() => void) | undefined;
  let stopped = true;

  const identity = (timer: Near) => `${timer.instanceId}\0${timer.key}\0${timer.dueAt}`;

  function arm(timer: Near): void {
    const owned = core.shards.get(timer.shard);
    if (owned === undefined || timer.dueAt >= owned.timersUntil) return;
    add(timer);
    plan();
  }

  function add(timer: Near): void {
    const id = identity(timer);
    if (known.has(id)) return;
    known.add(id);
    push(heap, timer);
  }

  /** Sets one alarm for the soonest. */
  function plan(): void {
    const first = heap[0];
    if (stopped || first === undefined) return;
    const at = Math.max(first.dueAt, notBefore);
    if (at >= nextAt) return;
    cancelNext?.();
    nextAt = at;
    cancelNext = core.clock.schedule(Math.max(0, at - core.time.now()), () => {
      nextAt = Number.POSITIVE_INFINITY;
      fire();
      plan();
    });
  }

  function fire(): void {
    const now = core.time.now();
    const held: Near[] = [];
    while (heap.length > 0 && heap[0]!.dueAt <= now) {
      const timer = pop(heap);
      const { shard, instanceId, key, dueAt } = timer;
      if (core.residents.size > core.limits.residents && !core.residents.has(instanceId)) {
        held.push(timer);
        continue;
      }
      known.delete(identity(timer));
      if (core.shards.get(shard)?.phase === "releasing" || !core.shards.has(shard)) continue;
      reactions.deliver(
        { shard, instanceId },
        {
          fact: { kind: "timer", key, dueAt },
          failed: () => {
            // Not recorded: the row is still there, and so is the timer while the shard is ours.
            core.clock.schedule(250, () => {
              if (core.shards.has(shard)) arm(timer);
            });
          },
        },
      );
    }
    // Memory is full: what would have to be loaded stays due, and the alarm rings again soon. What is in memory goes on,
    // or nothing would ever leave it.
    notBefore = held.length > 0 ? now + fullPauseMs : 0;
    for (const timer of held) push(heap, timer);
  }

  async function load(shards: OwnedShard[]): Promise<void> {
    const lane = core.lane;
    const until = core.time.now() + horizonMs;
    const asked = shards
      .filter((owned) => owned.timersUntil < until && owned.phase !== "releasing")
      .map((owned) => ({ owned, before: owned.timersUntil, count: 0, last: 0 }));
    if (asked.length === 0) return;
    // From here on `arm` keeps what is committed meanwhile: the read below may have been too early to see it.
    for (const { owned } of asked) owned.timersUntil = until;
    const byShard = new Map(asked.map((entry) => [entry.owned.shard, entry]));
    let rows: TimerRow[];
    try {
      rows = await core.store.timers({
        shards: asked.map(({ owned }) => ({ shard: owned.shard, floor: owned.timersFrom })),
        until,
        limitPerShard: perShardLimit,
      });
    } catch (error) {
      for (const { owned, before } of asked) owned.timersUntil = before;
      throw error;
    }
    if (lane !== core.lane) return;
    for (const row of rows) {
      const entry = byShard.get(row.shard)!;
      entry.count++;
      entry.last = Math.max(entry.last, row.dueAt);
      if (core.shards.get(row.shard) === entry.owned) add(row);
    }
    let nextRead = Number.POSITIVE_INFINITY;
    for (const { owned, count, last } of asked) {
      if (count < perShardLimit) continue;
      // A full answer reaches only as far as its last timer; those of the same instant come with the next.
      owned.timersUntil = last;
      nextRead = Math.min(nextRead, last);
    }
    plan();
    if (nextRead < until) core.clock.schedule(Math.max(50, nextRead - core.time.now()), () => void readAgain());
  }

  async function readAgain(): Promise<void> {
    if (stopped) return;
    try {
      await load([...core.shards.values()].filter((owned) => owned.phase === "open"));
    } catch (error) {
      core.log.warn({ err: error }, "timers could not be read; they are read again");
    }
  }

  function readLater(): void {
    cancelRead = core.clock.schedule(readEveryMs, () => {
      void readAgain().finally(() => {
        if (!stopped) readLater();
      });
    });
  }

  function clear(): void {
    heap = [];
    known = new Set();
    cancelNext?.();
    nextAt = Number.POSITIVE_INFINITY;
  }

  return {
    arm,
    load,
    start() {
      stopped = false;
      readLater();
    },
    stop() {
      stopped = true;
      cancelRead?.();
      clear();
    },
    clear,
    dropShard(shard) {
      heap = heap.filter((timer) => timer.shard !== shard);
      known = new Set(heap.map(identity));
      heap.sort((a, b) => a.dueAt - b.dueAt);
    },
  };
}

/** A binary heap by `dueAt`; a sorted array is one. */
function push(heap: Near[], timer: Near): void {
  let at = heap.push(timer) - 1;
  while (at > 0) {
    const parent = (at - 1) >> 1;
    if (heap[parent]!.dueAt <= timer.dueAt) break;
    heap[at] = heap[parent]!;
    at = parent;
  }
  heap[at] = timer;
}

function pop(heap: Near[]): Near {
  const first = heap[0]!;
  const last = heap.pop()!;
  if (heap.length > 0) {
    let at = 0;
    for (;;) {
      let child = at * 2 + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && heap[child + 1]!.dueAt < heap[child]!.dueAt) child++;
      if (heap[child]!.dueAt >= last.dueAt) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = last;
  }
  return first;
}
