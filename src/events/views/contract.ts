/** What crosses the wire when events are looked at. */
import { z } from "zod";

const instant = z.iso.datetime({ precision: 3 }).describe("ISO 8601, UTC.");
const json = z.unknown();
const text = z.string().min(1).max(255);

export const eventResponse = z
  .object({
    id: z.uuid().describe("Of the event's row."),
    eventId: z.string().describe("The publisher's, or the id of the row."),
    namespace: z.string(),
    pattern: z.string().describe("Its name."),
    version: z.string().optional().describe("Of the definition that it was checked by."),
    source: z.looseObject({}).optional(),
    timestamp: instant.describe("When it happened."),
    acceptedAt: instant.describe("When it was accepted."),
    payload: json,
    metadata: z.looseObject({}),
    partitionKey: z.string().optional(),
  })
  .meta({ id: "Event" });

export const pageResponse = z
  .object({
    items: z.array(eventResponse),
    nextCursor: z.string().nullable().describe("A page may hold few events, or none, and still have one after it."),
  })
  .meta({ id: "EventPage" });

export const listQuery = z.strictObject({
  pattern: text.optional().describe('The name, or a pattern: "*" is one token, ">" at the end one or more.'),
  eventId: text.optional().describe("Of the publisher, or the id of the row."),
  from: z.iso.datetime({ offset: true }).optional().describe("Accepted at this time or later."),
  to: z.iso.datetime({ offset: true }).optional().describe("Accepted before this time."),
  correlationId: text.optional(),
  causationId: text.optional(),
  source: z
    .string()
    .min(1)
    .max(1_024)
    .optional()
    .describe("The id of an external source, a CloudEvent's source; of other sources type:id."),
  payload: z
    .string()
    .max(10_000)
    .optional()
    .describe('JSON that the payload contains, such as {"order":"A-1"} (as PostgreSQL\'s @>).'),
  limit: z.int().min(1).max(500).default(50),
  cursor: z.string().optional(),
});

export const reference = z.strictObject({
  id: text.describe("The id of the event's row, or the publisher's eventId: then the newest that has it."),
});

const target = z.looseObject({ kind: z.string(), id: z.string().optional() });

const decision = z.looseObject({
  target,
  outcome: z
    .string()
    .describe("delivered, sent, late (waits); started, cancelled (triggers); queued (subscriptions); skipped, failed."),
  reason: z.string().optional().describe("Why not."),
  instanceId: z.string().optional(),
  deliveryId: z.string().optional(),
});

const routing = z.object({
  replayId: z.uuid().optional().describe("Absent: it was routed for the first time."),
  routedAt: instant,
  decisions: z.array(decision),
});

const delivery = z.object({
  id: z.uuid().describe("The webhook-id."),
  subscriptionId: z.uuid(),
  replayId: z.uuid().optional(),
  status: z.enum(["pending", "delivered", "failed", "cancelled"]),
  attempts: z.int(),
  nextAttemptAt: instant.optional().describe("While it is pending."),
  history: json.describe("Its attempts."),
  createdAt: instant,
  completedAt: instant.optional(),
});

const wait = z.object({
  instanceId: z.uuid(),
  stepId: z.string(),
  path: z.string(),
  pattern: z.string(),
  condition: z.string().optional(),
  fulfilledAt: instant.optional(),
});

const deadLetter = z.object({
  id: z.uuid(),
  subscriberId: z.string(),
  deliveryId: z.uuid().optional(),
  status: z.enum(["pending", "reprocessing", "resolved", "discarded"]),
  errorCode: z.string(),
  errorMessage: z.string(),
  createdAt: instant,
});

export const ledgerResponse = z
  .object({
    id: z.uuid(),
    eventId: z.string(),
    acceptedAt: instant,
    routed: z.boolean().describe("false: it waits for its router, and nothing is known yet."),
    routings: z.array(routing).describe("The first one, then one for each replay."),
    deliveries: z.array(delivery).describe("To subscribers, the oldest first."),
    waits: z.array(wait).describe("Steps of instances that it resumed."),
    deadLetters: z.array(deadLetter),
    truncated: z.boolean().describe("Whether a list has more than the 1,000 that are shown."),
  })
  .meta({ id: "EventLedger", description: "Where an event went, where it did not, and why." });
