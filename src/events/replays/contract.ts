/** What crosses the wire for replays. */
import { z } from "zod";
import { instant, nextCursor, pageLimit } from "../subscriptions/contract.ts";

export const replayStatuses = ["running", "completed", "cancelled", "failed"] as const;

export const createRequest = z
  .object({
    eventPattern: z.string().min(1).max(255).describe("`>` is every event."),
    from: z.iso.datetime({ offset: true }).describe("Events that were accepted from this instant on,"),
    to: z.iso.datetime({ offset: true }).optional().describe("and before this one. Default, and at the most: now."),
    filter: z.string().min(1).max(10_000).optional().describe("A CEL condition over `event`."),
    targets: z
      .array(z.uuid())
      .min(1)
      .max(100)
      .optional()
      .describe("Ids of subscriptions and triggers. Absent: all whose patterns fit."),
    dryRun: z.boolean().optional().describe("Only counts the events."),
  })
  .meta({
    id: "NewEventReplay",
    examples: [{ eventPattern: "orders.>", from: "2026-01-01T00:00:00Z", filter: "event.payload.total > 100" }],
  });

export const replayResponse = z
  .object({
    id: z.uuid(),
    namespace: z.string(),
    eventPattern: z.string(),
    from: instant,
    to: instant,
    filter: z.string().optional(),
    targets: z.array(z.uuid()).optional(),
    onlyMissing: z.boolean().describe("Only what its target has not got."),
    status: z.enum(replayStatuses),
    error: z.string().optional().describe("Why it failed."),
    found: z.int().describe("Events of the pattern and the time that were looked at."),
    replayed: z.int().describe("Those of them that were routed again."),
    requestedBy: z.string(),
    createdAt: instant,
    completedAt: instant.optional(),
  })
  .meta({ id: "EventReplay" });

export const previewResponse = z
  .object({
    found: z.int().describe("Events that would be replayed."),
    complete: z.boolean().describe("Whether all were counted; counting ends at some hundred thousand."),
  })
  .meta({ id: "EventReplayPreview" });

export const pageResponse = z.object({ items: z.array(replayResponse), nextCursor }).meta({ id: "EventReplayPage" });

export const listQuery = z.strictObject({ limit: pageLimit, cursor: z.string().optional() });

export const reference = z.strictObject({ id: z.string().min(1).max(255).describe("The replay's id.") });
