/**
 * The homes of concurrency limits (PROTOCOLS 10): the owner of a limit's home shard alone grants its permits.
 *
 * Asking, giving back and a change of priority come as rows of the shard's inbox. Who holds a permit and who waits are
 * rows too; in memory they are loaded when the first fact comes, and forgotten when nobody is left. What a fact changes
 * and whom it grants a permit are one flush; the granted hear of it by a row of their own shard's inbox. So a permit
 * outlives every owner, and it is given back in the flush that ends its holder.
 */

import { createHash } from "node:crypto";
import { shardOf } from "../../foundation/ids.ts";
import type { InboxRow, PermitRow } from "../store/contract.ts";
import { encodeMessage } from "../store/rows.ts";
import type { Core } from "./core.ts";
import { addExtra, emptyWork, type Work } from "./work.ts";

export const permitKinds: ReadonlySet<string> = new Set(["PERMIT_ASK", "PERMIT_RELEASE", "PERMIT_PRIORITY"]);

/** A limit's id: a UUID that its key determines; it leads to the limit's home. */
export function limitIdOf(key: string): string {
  const hex = createHash("sha256").update("concurrency limit ").update(key).digest("hex");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

interface PermitFact {
  key: string;
  instanceId: string;
  limit?: number;
  priority?: number;
}

/** How a fact came. */
export interface PermitDelivery {
  row: InboxRow;
  settled(): void;
  failed(): void;
}

interface Limit {
  limitId: string;
  shard: number;
  max: number;
  held: Map<string, PermitRow>;
  waiting: Map<string, PermitRow>;
  /** Those that wait, whoever is next last. */
  order: PermitRow[];
  /** Facts that came while a flush is under way: the next one takes them all. */
  queue: PermitDelivery[];
  writing: boolean;
  gone: boolean;
}

export interface Limits {
  take(delivery: PermitDelivery): void;
  /** Forgets the limits of a shard that is not held any more. */
  dropShard(shard: number): void;
  clear(): void;
}

export function createLimits(core: Core, reactions: { posted(shards: number[]): void }): Limits {
  const known = new Map<string, Limit>();
  const loading = new Map<string, PermitDelivery[]>();

  function take(delivery: PermitDelivery): void {
    const limitId = delivery.row.instanceId;
    const limit = known.get(limitId);
    if (limit !== undefined) {
      limit.queue.push(delivery);
      write(limit);
      return;
    }
    const queue = loading.get(limitId);
    if (queue !== undefined) queue.push(delivery);
    else {
      loading.set(limitId, [delivery]);
      void load(limitId, delivery.row.shard);
    }
  }

  async function load(limitId: string, shard: number): Promise<void> {
    const { lane } = core;
    const owned = core.shards.get(shard);
    let rows: PermitRow[] | undefined;
    try {
      rows = await core.store.permits({ shard, limitId });
    } catch (error) {
      core.log.warn({ err: error, limit: limitId }, "a concurrency limit could not be read; it is read again");
    }
    const queue = loading.get(limitId) ?? [];
    loading.delete(limitId);
    // Whoever holds the shard now begins from the rows again.
    if (rows === undefined || lane !== core.lane || owned === undefined || core.shards.get(shard) !== owned) {
      for (const delivery of queue) delivery.failed();
      return;
    }
    const limit: Limit = {
      limitId,
      shard,
      max: 1,
      held: new Map(),
      waiting: new Map(),
      order: [],
      queue,
      writing: false,
      gone: false,
    };
    let newest = Number.NEGATIVE_INFINITY;
    for (const row of rows) {
      (row.state === "held" ? limit.held : limit.waiting).set(row.instanceId, row);
      if (row.askedAt < newest) continue;
      newest = row.askedAt;
      limit.max = row.max;
    }
    limit.order = [...limit.waiting.values()].sort((x, y) => (isBefore(x, y) ? 1 : -1));
    known.set(limitId, limit);
    write(limit);
  }

  /** Everything that waits becomes one work; what comes meanwhile is the next one's. */
  function write(limit: Limit): void {
    if (limit.writing || limit.gone || limit.queue.length === 0) return;
    const phase = core.shards.get(limit.shard)?.phase;
    if (phase === undefined || phase === "releasing") {
      forget(limit);
      return;
    }
    const deliveries = limit.queue;
    limit.queue = [];
    limit.writing = true;
    const work = emptyWork({ shard: limit.shard, instanceId: limit.limitId });
    /** What becomes of each instance's row; null: it goes. */
    const changes = new Map<string, PermitRow | null>();
    for (const { row } of deliveries) {
      addExtra(work, "inboxConsumed", `[${row.shard},${row.id}]`);
      change(limit, changes, row.kind, row.fact as PermitFact);
    }
    const granted = grant(limit, work, changes);
    for (const [instanceId, row] of changes) encode(limit, work, instanceId, row);
    work.wanted = () => !limit.gone;
    work.committed = () => {
      limit.writing = false;
      for (const { row, settled } of deliveries) {
        core.shards.get(row.shard)?.underWay.delete(row.id);
        settled();
      }
      if (granted.length > 0) reactions.posted(granted);
      if (limit.queue.length > 0) write(limit);
      else if (limit.held.size + limit.waiting.size === 0) forget(limit);
    };
    work.dropped = () => {
      forget(limit);
      for (const { failed } of deliveries) failed();
    };
    work.refused = (error) => {
      core.log.error({ err: error, limit: limit.limitId }, "the store refused a permit");
      work.dropped();
    };
    core.lane.submit(work);
  }

  function change(limit: Limit, changes: Map<string, PermitRow | null>, kind: string, fact: PermitFact): void {
    const { instanceId } = fact;
    const before = limit.held.get(instanceId) ?? limit.waiting.get(instanceId);
    if (kind === "PERMIT_RELEASE") {
      if (before === undefined) return;
      limit.held.delete(instanceId);
      leave(limit, before);
      changes.set(instanceId, null);
    } else if (kind === "PERMIT_PRIORITY") {
      if (before?.state !== "waiting" || fact.priority === undefined) return;
      leave(limit, before);
      const moved = { ...before, priority: fact.priority };
      wait(limit, moved);
      changes.set(instanceId, moved);
    } else {
      // The newest version of the definition says how many.
      limit.max = fact.limit ?? limit.max;
      if (before !== undefined) return;
      const { key, priority = 5 } = fact;
      const asked = { instanceId, key, state: "waiting" as const, priority, max: limit.max, askedAt: core.time.now() };
      wait(limit, asked);
      changes.set(instanceId, asked);
    }
  }

  /** Gives permits to whoever is first, as long as there are any; gives the shards of those who got one. */
  function grant(limit: Limit, work: Work, changes: Map<string, PermitRow | null>): number[] {
    const shards = new Set<number>();
    while (limit.held.size < limit.max) {
      const first = limit.order.pop();
      if (first === undefined) break;
      const { instanceId: to, key } = first;
      limit.waiting.delete(to);
      const held = { ...first, state: "held" as const };
      limit.held.set(to, held);
      changes.set(to, held);
      const shard = shardOf(to, core.shardCount);
      addExtra(
        work,
        "inboxPosted",
        encodeMessage({ shard, kind: "PERMITTED", to, fact: { key }, fromShard: limit.shard }),
      );
      shards.add(shard);
    }
    return [...shards];
  }

  function wait(limit: Limit, row: PermitRow): void {
    limit.waiting.set(row.instanceId, row);
    limit.order.splice(placeIn(limit.order, row), 0, row);
  }

  function leave(limit: Limit, row: PermitRow): void {
    if (!limit.waiting.delete(row.instanceId)) return;
    const at = placeIn(limit.order, row);
    if (limit.order[at] === row) limit.order.splice(at, 1);
  }

  function encode(limit: Limit, work: Work, instanceId: string, row: PermitRow | null): void {
    const head = `[${limit.shard},"${limit.limitId}","${instanceId}"`;
    if (row === null) {
      addExtra(work, "permitsDropped", `${head}]`);
      return;
    }
    const { key, state, priority, max, askedAt } = row;
    addExtra(work, "permitsPut", `${head},${JSON.stringify(key)},"${state}",${priority},${max},${askedAt}]`);
  }

  /** What waits in memory is given back to the inbox, and read again by whoever owns the shard then. */
  function forget(limit: Limit): void {
    limit.gone = true;
    if (known.get(limit.limitId) === limit) known.delete(limit.limitId);
    const queue = limit.queue;
    limit.queue = [];
    for (const { failed } of queue) failed();
  }

  return {
    take,
    dropShard(shard) {
      for (const limit of [...known.values()]) if (limit.shard === shard) forget(limit);
    },
    clear() {
      for (const limit of [...known.values()]) forget(limit);
    },
  };
}

/** Where a row stands, or would stand, in a list whose last is granted first. */
function placeIn(order: readonly PermitRow[], row: PermitRow): number {
  let low = 0;
  let high = order.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (isBefore(row, order[middle]!)) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Higher priorities first, then who asked earlier. */
function isBefore(a: PermitRow, b: PermitRow): boolean {
  if (a.priority !== b.priority) return a.priority > b.priority;
  if (a.askedAt !== b.askedAt) return a.askedAt < b.askedAt;
  return a.instanceId < b.instanceId;
}
