/** What crosses the wire for subscriptions. */
import { z } from "zod";
import { subscriptionStatuses } from "./model.ts";

export const instant = z.iso.datetime({ precision: 3 }).describe("ISO 8601, UTC.");
const duration = z
  .union([z.number().min(0), z.string().min(1).max(64)])
  .describe("Milliseconds, or an ISO 8601 duration such as PT5M.");
const name = z.string().min(1).max(255);
const credential = z.string().min(1).max(4_096);
export const pageLimit = z.int().min(1).max(500).default(50);

const authentication = z
  .discriminatedUnion("type", [
    z.object({ type: z.literal("basic"), username: z.string().min(1).max(255), password: z.string().max(4_096) }),
    z.object({ type: z.literal("bearer"), token: credential }),
    z.object({
      type: z.literal("api-key"),
      header: z.string().min(1).max(200).optional().describe("Default X-API-Key."),
      value: credential,
    }),
  ])
  .describe("How requests show who sends them, beside their signature. Never shown again.");

const retryPolicy = z
  .object({
    maxAttempts: z.int().min(1).max(50).optional().describe("With the first one. Default 9."),
    initialDelay: duration.optional().describe("Before the second attempt. Default 5 s."),
    backoffFactor: z.number().min(1).max(100).optional().describe("Default 4."),
    maxDelay: duration.optional().describe("Default 18 h."),
    jitter: z.number().min(0).max(1).optional().describe("The part left to chance, up and down. Default 0.2."),
  })
  .describe("The default tries nine times within about a day.");

const subscriber = z
  .object({
    type: z.enum(["webhook", "handler", "queue"]).describe("`queue` is not available yet."),
    endpoint: z.string().min(1).max(2_048).optional().describe("Of a webhook: an absolute http or https URL."),
    handler: name.optional().describe("Of a handler: the name under which a program has registered it."),
    headers: z.record(z.string(), z.string()).optional().describe("Sent with every request to a webhook."),
    authentication: authentication.nullable().optional(),
  })
  .meta({ id: "EventSubscriber" });

const changeable = {
  eventPattern: z.string().min(1).max(255).describe("`*` is one token, `>` one or more at the end."),
  subscriber,
  filter: z.string().min(1).max(10_000).nullable().optional().describe("A CEL condition over `event`."),
  retryPolicy: retryPolicy.optional(),
  timeout: duration.optional().describe("For the whole answer. Default 15 s, at most 5 min."),
  maxConcurrency: z.int().min(1).max(1_000).optional().describe("How many deliveries at once. Default 10."),
  disableAfter: duration
    .nullable()
    .optional()
    .describe("It is disabled when it has only failed for so long. Default P5D; null: never."),
  description: z.string().max(10_000).nullable().optional(),
};

export const createRequest = z
  .object({
    ...changeable,
    name: name.optional().describe("Unique in the namespace."),
    secret: z.string().max(200).optional().describe("whsec_… of Standard Webhooks. Absent: one is made."),
    status: z.enum(["active", "suspended"]).optional().describe("Default active."),
  })
  .meta({
    id: "NewEventSubscription",
    examples: [
      {
        eventPattern: "orders.*.paid",
        subscriber: { type: "webhook", endpoint: "https://example.com/hooks" },
        filter: "event.payload.total > 100",
      },
    ],
  });

export const changeRequest = z
  .object({
    ...changeable,
    eventPattern: changeable.eventPattern.optional(),
    subscriber: subscriber.optional().describe("As a whole, but what is absent of authentication and headers stays."),
  })
  .meta({ id: "EventSubscriptionChange", description: "What is absent stays as it is." });

export const suspendRequest = z.object({ reason: z.string().max(1_000).optional() }).optional();

export const enableRequest = z
  .object({
    replayMissing: z.boolean().optional().describe("Send what was missed since it was disabled. Default false."),
    since: z.iso.datetime().optional().describe("With replayMissing: another beginning."),
  })
  .optional();

export const rotateRequest = z
  .object({
    secret: z.string().max(200).optional().describe("Absent: one is made."),
    overlap: duration.optional().describe("For how long the former secret signs, too. Default P1D."),
  })
  .optional();

const shown = {
  id: z.uuid(),
  namespace: z.string(),
  name: z.string().optional(),
  eventPattern: z.string(),
  subscriber: z.object({
    type: z.enum(["webhook", "handler"]),
    endpoint: z.string().optional(),
    handler: z.string().optional(),
    headers: z.record(z.string(), z.string()).describe("Values that may be credentials are hidden."),
    authentication: z
      .object({ type: z.string(), username: z.string().optional(), header: z.string().optional() })
      .optional()
      .describe("Without the credential."),
  }),
  filter: z.string().optional(),
  retryPolicy: z.object({
    maxAttempts: z.int(),
    initialDelay: z.number(),
    backoffFactor: z.number(),
    maxDelay: z.number(),
    jitter: z.number(),
  }),
  timeout: z.int().describe("Milliseconds."),
  maxConcurrency: z.int(),
  disableAfter: z.int().nullable().describe("Milliseconds."),
  description: z.string().optional(),
  status: z.enum(subscriptionStatuses),
  statusReason: z.string().optional(),
  secrets: z
    .array(z.object({ createdAt: instant, expiresAt: instant.optional() }))
    .describe("Those that sign, the newest first; without the secrets themselves."),
  failingSince: instant.optional().describe("The first failure since the last success."),
  lastDeliveredAt: instant.optional(),
  disabledAt: instant.optional(),
  createdBy: z.string(),
  createdAt: instant,
  updatedAt: instant,
};

export const subscriptionResponse = z.object(shown).meta({ id: "EventSubscription" });

export const createdResponse = z
  .object({ ...shown, secret: z.string().optional().describe("Of a webhook. Shown this once.") })
  .meta({ id: "CreatedEventSubscription" });

export const rotatedResponse = z
  .object({ ...shown, secret: z.string().describe("Shown this once.") })
  .meta({ id: "RotatedEventSubscription" });

export const enabledResponse = z
  .object({ ...shown, replayId: z.uuid().optional().describe("Of the replay that sends what was missed.") })
  .meta({ id: "EnabledEventSubscription" });

export const nextCursor = z.string().nullable();

export const pageResponse = z
  .object({ items: z.array(subscriptionResponse), nextCursor })
  .meta({ id: "EventSubscriptionPage" });

export const listQuery = z.strictObject({
  status: z.enum(subscriptionStatuses).optional(),
  pattern: z.string().min(1).max(255).optional().describe("The pattern, exactly."),
  name: name.optional(),
  limit: pageLimit,
  cursor: z.string().optional(),
});

export const reference = z.strictObject({ id: z.string().min(1).max(255).describe("The subscription's id.") });

export const testResponse = z
  .object({
    delivered: z.boolean(),
    event: z.looseObject({}).describe("What was sent."),
    durationMs: z.number(),
    status: z.int().optional().describe("Of the HTTP answer."),
    body: z.string().optional().describe("Its beginning."),
    error: z.object({ code: z.string(), message: z.string() }).optional(),
  })
  .meta({ id: "EventSubscriptionTest" });
