/** What this room does by itself: the work of bulk operations. */
import { Loop } from "../../foundation/loop.ts";
import * as queries from "./bulk/queries.ts";
import { workOff } from "./bulk/work.ts";
import type { Instances } from "./operations.ts";

export interface BulkWorker {
  /** Begins to look for operations, and works on those that nobody works on. */
  start(): void;
  /** Begins nothing more; resolves when what is under way is recorded. It is not started again. */
  stop(): Promise<void>;
  /** Works on what there is now, and resolves when nothing is left for this node. */
  tick(): Promise<void>;
  /** An operation was made: look soon. */
  wake(): void;
}

/** How often a node looks for operations that another one has left; its own are begun at once. */
const everyMs = 10_000;
/** How long an operation waits for a node that went away. */
const usualClaimMs = 30_000;
/** A large operation does not hold up the small ones. */
const atOnce = 4;
const cleanEveryMs = 3_600_000;

/** Every node runs one; a claim sees to it that only one of them works on an operation at a time. */
export function createBulkWorker(
  instances: Instances,
  { keepMs, claimMs = usualClaimMs }: { keepMs: number; claimMs?: number },
): BulkWorker {
  const { db, engine, log } = instances;
  const { nodeId } = engine;
  const stopping = new AbortController();
  const { signal } = stopping;
  const underWay = new Map<string, Promise<void>>();
  /** Those that were interrupted, and when to come back to them; another node may be faster. */
  const resting = new Map<string, number>();
  let cleanedMs = Number.NEGATIVE_INFINITY;

  /** Begins what there is to do, as far as there is room; where there is nothing, it costs one statement. */
  async function look(): Promise<void> {
    for (const [id, untilMs] of resting) if (performance.now() >= untilMs) resting.delete(id);
    while (underWay.size < atOnce && !signal.aborted) {
      const passedBy = [...underWay.keys(), ...resting.keys()];
      const [operation] = await db.query<queries.ClaimedRow>(queries.claimBulk, [nodeId, claimMs, passedBy]);
      if (operation === undefined) break;
      underWay.set(operation.id, work(operation));
    }
    await clean();
  }

  /** Never rejects. */
  async function work(operation: queries.ClaimedRow): Promise<void> {
    const { id: operationId } = operation;
    try {
      await workOff({ instances, nodeId, claimMs, signal }, operation);
    } catch (error) {
      resting.set(operationId, performance.now() + everyMs);
      log.warn({ err: error, operationId }, "a bulk operation was interrupted; it goes on soon");
    }
    try {
      await db.execute(queries.releaseBulk, [operationId, nodeId]);
    } catch (error) {
      log.debug({ err: error, operationId }, "the claim of a bulk operation was not released; it will run out");
    }
    underWay.delete(operationId);
    loop.wake();
  }

  async function clean(): Promise<void> {
    if (performance.now() - cleanedMs < cleanEveryMs) return;
    await db.execute(queries.removeOldBulks, [keepMs]);
    cleanedMs = performance.now();
  }

  const loop = new Loop({ name: "bulk operations", everyMs, log, run: look });
  return {
    start: () => loop.start(),
    wake: () => loop.wake(),
    async tick() {
      await loop.tick();
      while (underWay.size > 0) {
        await Promise.all(underWay.values());
        await loop.tick();
      }
    },
    async stop() {
      stopping.abort();
      await loop.stop();
      await Promise.all(underWay.values());
    },
  };
}
