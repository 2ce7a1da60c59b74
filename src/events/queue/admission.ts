/**
 * What becomes of a producer, decided from what was counted last and from what this node has let in since; no I/O.
 *
 *     depth    0 ───────────── highWatermark ───────────── maxQueueDepth
 *              let in          delayed 50 to 100 ms        refused, until below highWatermark again
 */
import type { QueueConfig, StoredStatus } from "./model.ts";

export interface Look {
  /** When it was begun, on the node's monotonic clock. */
  atMs: number;
  status: StoredStatus;
  config: QueueConfig;
  /** Events that were accepted and not routed; counted no further than one above the maximum. */
  depth: number;
}

export type Verdict = { kind: "pass" } | { kind: "delay"; ms: number } | { kind: "full" } | { kind: "draining" };

export interface Standing {
  /** Let in by this node, and perhaps not counted yet. */
  uncounted: number;
  /** A producer has been refused, and the depth has not been below the watermark since. */
  refusing: boolean;
}

const shortestDelayMs = 50;
const longestDelayMs = 100;

/** Of a queue at its maximum nobody is let in; a batch that begins below it is let in whole. */
export function judge({ status, config, depth }: Look, { uncounted, refusing }: Standing): Verdict {
  if (status === "draining") return { kind: "draining" };
  const estimate = depth + uncounted;
  const { maxQueueDepth, highWatermark } = config;
  if (estimate >= maxQueueDepth || (refusing && estimate >= highWatermark)) return { kind: "full" };
  if (estimate < highWatermark) return { kind: "pass" };
  const share = (estimate - highWatermark) / (maxQueueDepth - highWatermark);
  return { kind: "delay", ms: shortestDelayMs + share * (longestDelayMs - shortestDelayMs) };
}

/** An event is in the database at the latest so long after it was let in, as a rule. */
const underWayMs = 100;

/** Counts what was let in, and forgets what a look must have seen. */
export interface Tally {
  add(count: number, atMs: number): void;
  /** What was let in from a little before the look on, for it may not have been committed then. */
  since(lookAtMs: number): number;
}

const bucketMs = 10;

export function createTally(): Tally {
  let buckets: { atMs: number; count: number }[] = [];
  return {
    add(count, atMs) {
      const last = buckets.at(-1);
      if (last !== undefined && atMs - last.atMs < bucketMs) last.count += count;
      else buckets.push({ atMs, count });
    },
    since(lookAtMs) {
      const fromMs = lookAtMs - underWayMs;
      if (buckets[0] !== undefined && buckets[0].atMs < fromMs - bucketMs) {
        buckets = buckets.filter(({ atMs }) => atMs >= fromMs - bucketMs);
      }
      return buckets.reduce((sum, { atMs, count }) => (atMs >= fromMs ? sum + count : sum), 0);
    },
  };
}
