/** What crosses the wire for the event queue. */
import { z } from "zod";
import { queueStatuses } from "./model.ts";

const instant = z.iso.datetime({ precision: 3 }).describe("ISO 8601, UTC.");

const config = {
  maxQueueDepth: z
    .int()
    .min(1)
    .max(1_000_000)
    .describe("As many events may wait to be routed; more are refused with 429."),
  highWatermark: z
    .int()
    .min(1)
    .max(1_000_000)
    .describe("From here on producers are slowed by 50 to 100 ms; after a refusal they are let in again below it."),
  batchSize: z
    .int()
    .min(1)
    .max(10_000)
    .describe("Kept for programs that read document 004's shape: a flush routes as many events as it has room for."),
  processingInterval: z
    .int()
    .min(100)
    .max(600_000)
    .describe("Milliseconds between two writings of the metrics, at least."),
  persistenceThreshold: z
    .int()
    .min(1)
    .max(1_000_000)
    .describe("The metrics are written after so many accepted events, and at the latest after ten seconds."),
};

export const configRequest = z
  .strictObject({
    maxQueueDepth: config.maxQueueDepth.optional(),
    highWatermark: config.highWatermark.optional(),
    batchSize: config.batchSize.optional(),
    processingInterval: config.processingInterval.optional(),
    persistenceThreshold: config.persistenceThreshold.optional(),
  })
  .meta({ id: "EventQueueConfigChange", description: "What is absent stays as it is." });

export const queueResponse = z
  .object({
    id: z.string(),
    status: z
      .enum(queueStatuses)
      .describe("paused: nothing is routed. draining: nothing is accepted. drained: and nothing waits any more."),
    depth: z.int().describe("Events that were accepted and are not routed yet."),
    oldestAcceptedAt: instant.optional().describe("Of those that wait."),
    oldestWaitingMs: z.number().optional(),
    config: z.object(config),
    metrics: z.object({
      totalProcessed: z.int().describe("Events that were routed. Replays are not counted again."),
      totalErrors: z.int().describe("Dead letters that were made."),
      avgProcessingTimeMs: z.number().describe("From being accepted to being routed; of a sample."),
    }),
    rates: z.object({
      acceptedPerSecond: z.number(),
      processedPerSecond: z.number(),
      since: instant.describe("Over the time from then on."),
    }),
    checkpointId: z.string().optional().describe("The newest event that is known to have been routed."),
    changedBy: z.string().optional().describe("Who paused, resumed, drained or configured it last."),
    createdAt: instant,
    updatedAt: instant,
  })
  .meta({ id: "EventQueue" });

export const checkpointResponse = z
  .object({
    id: z.string(),
    queueId: z.string(),
    checkpointId: z.string().optional().describe("The newest event that had been routed; absent where there was none."),
    eventCount: z.int().describe("How many events had been routed."),
    reason: z.enum(["asked", "paused", "drained", "stopped"]),
    createdAt: instant,
  })
  .meta({ id: "EventQueueCheckpoint" });

export const checkpointPage = z
  .object({ items: z.array(checkpointResponse), nextCursor: z.string().nullable() })
  .meta({ id: "EventQueueCheckpointPage" });

export const pageQuery = z.strictObject({
  limit: z.int().min(1).max(500).default(50),
  cursor: z.string().optional(),
});
