/** What crosses the wire for dead letters. */
import { z } from "zod";
import { partialProblemSchema } from "../../foundation/http/index.ts";
import { instant, nextCursor, pageLimit } from "../subscriptions/contract.ts";
import { letterStatuses } from "./model.ts";

const status = z.enum(letterStatuses);
const text = z.string().min(1).max(255);
const count = z.int().min(0).max(1_000_000);
const at = z.iso.datetime({ offset: true });
const anything = z.unknown();

const filters = {
  status: status.optional(),
  errorCode: text.optional(),
  subscriberId: text.optional().describe("`intake`, `trigger:<id>` or `subscription:<id>`."),
  pattern: text.optional().describe("The event's name; with `*` and `>` as in patterns."),
  eventId: text.optional().describe("The publisher's id of the event, or the id of its row."),
  createdAfter: at.optional(),
  createdBefore: at.optional(),
  maxAge: text.optional().describe("An ISO 8601 duration such as PT24H; in the place of createdAfter."),
  minRetryCount: count.optional(),
  maxRetryCount: count.optional(),
};

export const listQuery = z.strictObject({
  ...filters,
  errorType: text.optional(),
  limit: pageLimit,
  cursor: z.string().optional(),
});

const bodyFilter = z
  .object({ ...filters, errorTypes: z.array(text).min(1).max(50).optional() })
  .meta({ id: "DeadLetterFilter", description: "As the filters of the list; at least one." });

export const reference = z.strictObject({ id: z.string().min(1).max(255).describe("The dead letter's id.") });

const summary = {
  id: z.uuid(),
  namespace: z.string(),
  eventId: z.string().optional(),
  eventInstanceId: z.uuid().optional().describe("The event's row."),
  pattern: z.string().optional().describe("The event's name."),
  subscriberId: z.string(),
  deliveryId: z.uuid().optional(),
  errorMessage: z.string(),
  errorType: z.string(),
  errorCode: z.string(),
  retryCount: z.int(),
  maxRetries: z.int(),
  status,
  resolutionTimestamp: instant.optional(),
  resolutionStrategy: z.string().optional(),
  resolvedBy: z.string().optional(),
  resolutionNotes: z.string().optional(),
  createdAt: instant,
  updatedAt: instant,
};

export const letterResponse = z
  .object({
    ...summary,
    originalEvent: anything,
    errorStackTrace: z.string().optional(),
    errorContext: anything.optional(),
    retryHistory: z.array(anything).describe("The attempts, the oldest first."),
  })
  .meta({ id: "DeadLetter" });

export const pageResponse = z
  .object({ items: z.array(z.object(summary).meta({ id: "DeadLetterSummary" })), nextCursor })
  .meta({ id: "DeadLetterPage" });

export const reprocessRequest = z
  .object({ payload: anything.optional().describe("In the place of the event's payload.") })
  .optional();

const notes = z.string().max(10_000).optional();
export const closeRequest = z.object({ notes }).optional();

export const purgeRequest = z.object({ filter: bodyFilter }).meta({ id: "DeadLetterPurge" });
export const purgeResponse = z.object({ purged: z.int() }).meta({ id: "PurgedDeadLetters" });

export const reprocessManyRequest = z
  .object({
    filter: bodyFilter,
    batchSize: z.int().min(1).max(500).optional().describe("Letters per page. Default 50."),
    concurrency: z.int().min(1).max(50).optional().describe("Letters at once. Default 5."),
    dryRun: z.boolean().optional().describe("Only counts them."),
  })
  .meta({ id: "DeadLetterReprocessingRequest" });

export const previewResponse = z.object({ matched: z.int() }).meta({ id: "DeadLetterPreview" });

const progress = {
  id: z.uuid(),
  filter: z.record(z.string(), z.unknown()).describe("As it is applied."),
  batchSize: z.int(),
  concurrency: z.int(),
  status: z.enum(["running", "completed", "cancelled"]),
  requestedBy: z.string(),
  matched: z.int().describe("How many there were at the beginning."),
  done: z.int(),
  succeeded: z.int().describe("Handed on again; whether they were taken is in each letter."),
  failed: z.int(),
  failures: z.array(z.object({ id: z.uuid(), problem: partialProblemSchema })).describe("The first hundred."),
  createdAt: instant,
  completedAt: instant.optional(),
};
export const reprocessingResponse = z.object(progress).meta({ id: "DeadLetterReprocessing" });
export const reprocessingPage = z
  .object({ items: z.array(reprocessingResponse), nextCursor })
  .meta({ id: "DeadLetterReprocessingPage" });
export const reprocessingQuery = z.strictObject({ limit: pageLimit, cursor: z.string().optional() });
