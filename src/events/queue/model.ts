/** Words and laws of the event queue; no I/O. */
import type { InputError } from "../../foundation/errors.ts";

/** The one queue that there is. */
export const mainQueue = "main-queue";

/**
 * active ──pause──▶ paused    nothing is routed; events are accepted
 *   ▲  └───drain──▶ draining  nothing is accepted; what waits is routed, and then it is `drained`
 *   └───resume─── from both
 */
export type StoredStatus = "active" | "paused" | "draining";
export const queueStatuses = ["active", "paused", "draining", "drained"] as const;
export type QueueStatus = (typeof queueStatuses)[number];

export interface QueueConfig {
  /** As many events may wait; more are refused. */
  maxQueueDepth: number;
  /** From here on producers are slowed; after a refusal, below it they are let in again. */
  highWatermark: number;
  batchSize: number;
  /** Milliseconds between two writings of the metrics at the least. */
  processingInterval: number;
  /** The metrics are written after so many accepted events, and at the latest after ten seconds. */
  persistenceThreshold: number;
}

export interface QueueMetrics {
  totalProcessed: number;
  totalErrors: number;
  avgProcessingTimeMs: number;
}

export interface Rates {
  acceptedPerSecond: number;
  processedPerSecond: number;
}

export function shownStatus(status: StoredStatus, depth: number): QueueStatus {
  return status === "draining" && depth === 0 ? "drained" : status;
}

/** What is wrong with a configuration as a whole; each number by itself has been checked. */
export function configFaults({ maxQueueDepth, highWatermark }: QueueConfig): InputError[] {
  if (highWatermark <= maxQueueDepth) return [];
  return [
    {
      pointer: "/highWatermark",
      message: `is ${highWatermark}, above the maxQueueDepth of ${maxQueueDepth}`,
      expected: `at most ${maxQueueDepth}`,
    },
  ];
}

/** The average of all, when some more have been measured. */
export function joinedAverage(before: { count: number; average: number }, more: { count: number; average: number }) {
  const count = before.count + more.count;
  if (count === 0) return 0;
  return round((before.average * before.count + more.average * more.count) / count);
}

const longestUnwrittenMs = 10_000;
const longestSilentMs = 3_600_000;

/** Whether the metrics are to be written, `sinceMs` after the last time and so many accepted events later. */
export function isDue(
  config: QueueConfig | undefined,
  { admitted, sinceMs }: { admitted: number; sinceMs: number },
): boolean {
  if (admitted === 0 || config === undefined) return sinceMs >= longestSilentMs;
  const { processingInterval, persistenceThreshold } = config;
  if (sinceMs < processingInterval) return false;
  return admitted >= persistenceThreshold || sinceMs >= longestUnwrittenMs;
}

export interface Sample {
  /** Milliseconds since the sample before. */
  sinceMs: number;
  accepted: number;
  processed: number;
}

/** Undefined when the time is too short to tell. */
export function ratesOf({ sinceMs, accepted, processed }: Sample): Rates | undefined {
  if (sinceMs < leastSampleMs) return undefined;
  const perSecond = (count: number) => round((Math.max(0, count) * 1_000) / sinceMs);
  return { acceptedPerSecond: perSecond(accepted), processedPerSecond: perSecond(processed) };
}

const leastSampleMs = 1_000;
const round = (value: number) => Math.round(value * 100) / 100;
