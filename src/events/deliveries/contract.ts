/** What crosses the wire for deliveries. */
import { z } from "zod";
import { instant, nextCursor, pageLimit } from "../subscriptions/contract.ts";
import { deliveryStatuses } from "./model.ts";

const summary = {
  id: z.uuid().describe("Also the webhook-id that the subscriber sees."),
  subscriptionId: z.uuid(),
  eventId: z.uuid().describe("Of the event's row."),
  replayId: z.uuid().optional(),
  status: z.enum(deliveryStatuses),
  attempts: z.int(),
  underWay: z.boolean().describe("A node is sending it, or has gone away while it did."),
  nextAttemptAt: instant.optional().describe("Of one that is pending."),
  createdAt: instant,
  updatedAt: instant,
  completedAt: instant.optional(),
};

const attempt = z.object({
  at: instant,
  attempt: z.int(),
  durationMs: z.number(),
  status: z.int().optional().describe("Of the HTTP answer."),
  body: z.string().optional().describe("The beginning of the answer."),
  error: z.object({ code: z.string(), type: z.string(), message: z.string() }).optional(),
  retryAfterMs: z.number().optional(),
});

export const deliveryResponse = z
  .object({ ...summary, history: z.array(attempt).describe("The attempts, the oldest first; the last fifty.") })
  .meta({ id: "EventDelivery" });

export const pageResponse = z
  .object({ items: z.array(z.object(summary).meta({ id: "EventDeliverySummary" })), nextCursor })
  .meta({ id: "EventDeliveryPage" });

export const listQuery = z.strictObject({
  status: z.enum(deliveryStatuses).optional(),
  limit: pageLimit,
  cursor: z.string().optional(),
});

export const reference = z.strictObject({ id: z.string().min(1).max(255).describe("The delivery's id.") });
