/**
 * The inbox: facts that others wrote for our shards. Read by existence, never by "after the last id seen": ids become
 * visible out of order, so the floor of a read trails, and every minute there is none.
 */

import type { Fact } from "../machine/facts.ts";
import type { InboxRow } from "../store/contract.ts";
import type { Core, Delivery, OwnedShard } from "./core.ts";
import { type PermitDelivery, permitKinds } from "./limits.ts";
import { eventRowKinds } from "./router.ts";
import { type ScheduleDelivery, scheduleKind } from "./schedules.ts";
import type { EventDelivery } from "./settling.ts";

const pollMs = 2_000;
const perShardLimit = 100;
/** Rows of a transaction may appear this long after rows with higher ids did. */
const floorLagMs = 5_000;
const floorlessEveryMs = 60_000;
/** Rows under way at once; the rest wait where they are. */
const underWayLimit = 2_000;

export interface Inbox {
  /** Reads soon; `shards` tells where something is known to be. */
  wake(): void;
  start(): void;
  stop(): void;
  /** Leaves events where they are while nothing is routed. */
  holdEvents(held: boolean): void;
  /** Takes a row that this node itself has just written, without reading it. */
  take(row: InboxRow): void;
}

export interface InboxReactions {
  deliver(what: { shard: number; instanceId: string }, delivery: Delivery): void;
  /** A row for the home of a concurrency limit. */
  limit(delivery: PermitDelivery): void;
  /** A row for the home of a schedule; absent where schedules are not known. */
  schedule: ((delivery: ScheduleDelivery) => void) | undefined;
  /** A row that an event brought. */
  event(delivery: EventDelivery): void;
}

const stepFacts = new Set(["completed", "failed"]);
/** What people ask of an instance, beside signals and cancellations. */
const lifeFacts = new Set(["pause", "resume", "retry", "skip", "priority", "migrate"]);

export function createInbox(core: Core, reactions: InboxReactions): Inbox {
  /** Per shard, from its acquisition on: the highest id seen, with when it was. */
  const seen = new WeakMap<OwnedShard, { atMs: number; id: number }[]>();
  let cancelNext: (() => void) | undefined;
  let reading = false;
  let again = false;
  let stopped = true;
  let floorlessAtMs = Number.NEGATIVE_INFINITY;
  /** Rows whose consumption was committed while a read is under way: its answer may still have them. */
  const consumedMeanwhile = new Set<string>();
  /** Shards of which a row has failed while a read is under way: what comes after it must not be taken before it. */
  const failedMeanwhile = new Set<OwnedShard>();
  const identity = (row: InboxRow) => `${row.shard} ${row.id}`;
  /** The last read left rows where they are, for want of room. */
  let throttled = false;
  let eventsHeld = false;
  /** How often events were set free: what was read before then says nothing of what was left. */
  let freed = 0;

  function wake(): void {
    if (stopped) return;
    again = true;
    if (!reading) void read();
  }

  async function read(): Promise<void> {
    reading = true;
    cancelNext?.();
    while (again && !stopped) {
      again = false;
      try {
        await readOnce();
      } catch (error) {
        core.log.warn({ err: error }, "the inbox could not be read; it is read again");
      }
    }
    reading = false;
    if (!stopped) cancelNext = core.clock.schedule(pollMs, wake);
  }

  async function readOnce(): Promise<void> {
    const shards = [...core.shards.values()].filter((owned) => owned.phase !== "releasing");
    throttled = isFull();
    if (shards.length === 0 || throttled) return;
    const now = core.clock.monotonicMs();
    const floorless = now - floorlessAtMs >= floorlessEveryMs;
    if (floorless) floorlessAtMs = now;
    const lane = core.lane;
    const freedBefore = freed;
    const asked = new Set(shards);
    consumedMeanwhile.clear();
    failedMeanwhile.clear();
    const asks = shards.map((owned) => ({ shard: owned.shard, floor: floorless ? 0 : floorOf(owned, now) }));
    const rows = await core.store.inbox({
      shards: asks,
      limitPerShard: perShardLimit + underWayOf(shards),
      ...(eventsHeld ? { without: "EVENT" } : {}),
    });
    if (lane !== core.lane) return;
    const partial = new Set(asks.flatMap(({ shard, floor }) => (floor > 0 ? shard : [])));
    let taken = 0;
    const highest = new Map<number, number>();
    for (const row of rows) {
      highest.set(row.shard, Math.max(row.id, highest.get(row.shard) ?? 0));
      if (isFull()) {
        throttled = true;
        again = false;
        return;
      }
      // The read may be older than what has been consumed since, or than the shard's going and coming back.
      if (consumedMeanwhile.has(identity(row)) || !asked.has(core.shards.get(row.shard)!)) continue;
      if (partial.has(row.shard) && failedMeanwhile.has(core.shards.get(row.shard)!)) continue;
      if (take(row)) taken++;
    }
    for (const owned of shards) {
      const id = highest.get(owned.shard);
      if (id !== undefined && !failedMeanwhile.has(owned) && freed === freedBefore) note(owned, now, id);
    }
    if (taken >= perShardLimit) again = true;
  }

  /** Rows under way are still in the table; the limit leaves room for as many new ones. */
  function underWayOf(shards: OwnedShard[]): number {
    return Math.max(0, ...shards.map((owned) => owned.underWay.size));
  }

  function underWay(): number {
    let sum = 0;
    for (const owned of core.shards.values()) sum += owned.underWay.size;
    return sum;
  }

  function isFull(): boolean {
    return underWay() >= underWayLimit || core.residents.size >= core.limits.residents;
  }

  /** Rows were consumed: where some were left for want of room, there is room again. */
  function consumed(): void {
    if (throttled && !reading && underWay() < underWayLimit / 2 && core.residents.size < core.limits.residents) wake();
  }

  function note(owned: OwnedShard, atMs: number, id: number): void {
    const list = seen.get(owned) ?? [];
    list.push({ atMs, id });
    // Of the old ones only the newest tells anything.
    while (list.length > 1 && atMs - list[1]!.atMs >= floorLagMs) list.shift();
    seen.set(owned, list);
  }

  function floorOf(owned: OwnedShard, now: number): number {
    const first = seen.get(owned)?.[0];
    return first !== undefined && now - first.atMs >= floorLagMs ? first.id : 0;
  }

  function take(row: InboxRow): boolean {
    const owned = core.shards.get(row.shard);
    if (owned === undefined || owned.phase === "releasing" || owned.underWay.has(row.id)) return false;
    const settled = () => {
      if (reading) consumedMeanwhile.add(identity(row));
      consumed();
    };
    const failed = () => {
      owned.underWay.delete(row.id);
      // The floor may be above it by now, and what came after it must not be taken before it.
      seen.delete(owned);
      if (reading) failedMeanwhile.add(owned);
      core.clock.schedule(250, wake);
    };
    if (permitKinds.has(row.kind)) {
      owned.underWay.add(row.id);
      reactions.limit({ row, settled, failed });
      return true;
    }
    if (row.kind === scheduleKind && reactions.schedule !== undefined) {
      owned.underWay.add(row.id);
      reactions.schedule({ row, settled, failed });
      return true;
    }
    if (eventRowKinds.has(row.kind)) {
      if (row.kind === "EVENT" && eventsHeld) return false;
      owned.underWay.add(row.id);
      reactions.event({ row, owned, settled, failed });
      return true;
    }
    const fact = factOf(row);
    if (fact === undefined) {
      core.log.error({ kind: row.kind, shard: row.shard, id: row.id }, "an inbox row of an unknown kind stays");
      return false;
    }
    owned.underWay.add(row.id);
    reactions.deliver(
      { shard: row.shard, instanceId: row.instanceId },
      {
        fact,
        inboxId: row.id,
        settled,
        failed,
      },
    );
    return true;
  }

  return {
    wake,
    holdEvents(held) {
      eventsHeld = held;
      if (held) return;
      // Those that were left are below the floors by now.
      freed++;
      for (const owned of core.shards.values()) seen.delete(owned);
      wake();
    },
    take: (row) => {
      // Events come faster than they are routed: they are read when there is room.
      if (row.kind === "EVENT" && isFull()) throttled = true;
      else take(row);
    },
    start() {
      stopped = false;
      wake();
    },
    stop() {
      stopped = true;
      cancelNext?.();
    },
  };
}

/** A newer program may write kinds that this one does not know: they stay for an owner that does. */
function factOf(row: InboxRow): Fact | undefined {
  const fact = row.fact as { [key: string]: unknown };
  switch (row.kind) {
    case "START":
      return { kind: "started", born: true };
    case "SIGNAL":
    case "CANCEL":
      return { ...fact, kind: row.kind === "SIGNAL" ? "signal" : "cancel" } as Fact;
    case "CHILD_ENDED":
      return { ...fact, kind: "child_ended" } as Fact;
    case "PERMITTED":
      return { ...fact, kind: "permitted" } as Fact;
    case "LIFE":
      return typeof fact.kind === "string" && lifeFacts.has(fact.kind) ? (fact as Fact) : undefined;
    case "RESULT":
      return typeof fact.kind === "string" && stepFacts.has(fact.kind) ? (fact as Fact) : undefined;
    default:
      return undefined;
  }
}
