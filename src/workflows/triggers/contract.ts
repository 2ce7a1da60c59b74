/** What crosses the wire for triggers. */
import { z } from "zod";
import { anyInstant, instant, key, priority } from "../instances/contract.ts";
import { triggerKinds, triggerTypes, verifications } from "./model.ts";

const name = z
  .string()
  .regex(/^[A-Za-z0-9_][A-Za-z0-9_.:@-]{0,254}$/)
  .describe("By which it is referred to; one trigger of the namespace has it.");
const expression = z.string().min(1).max(4_096);
const headerName = z.string().regex(/^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}$/);

const webhook = z
  .object({
    verification: z
      .enum(verifications)
      .describe("secret: a token; standard: Standard Webhooks; github, stripe: as these sign."),
    secret: z
      .string()
      .min(8)
      .max(512)
      .optional()
      .describe(
        "Absent: one is made (not for stripe, which makes it itself). No answer but that of its creation has it.",
      ),
    header: headerName.optional().describe("secret: the header that has the token. Default X-Webhook-Token."),
    queryParameter: z
      .string()
      .regex(/^[A-Za-z0-9_.-]{1,100}$/)
      .optional()
      .describe("secret: the query parameter that may have the token in the place of the header. Default: none may."),
    toleranceSeconds: z
      .int()
      .min(1)
      .max(86_400)
      .optional()
      .describe("stripe: how old a signature may be, and how far ahead. Default 300; of standard it is always 300."),
    eventId: expression
      .optional()
      .describe(
        "An expression over payload, headers, query: by what it gives a repeated call is known. Default: as the provider says.",
      ),
    partitionKey: expression
      .optional()
      .describe("An expression over payload, headers, query: calls with the same key are routed in order."),
    headers: z.array(headerName).max(50).optional().describe("The headers that go into the event's metadata.headers."),
  })
  .meta({ id: "TriggerWebhook", description: "How an inbound webhook is verified and read." });

const fields = {
  triggerType: z.enum(triggerTypes).optional().describe("What it does to the workflow. Default START."),
  definitionId: key
    .optional()
    .describe("A workflowId, or the id of a version. A webhook without one only publishes its calls as events."),
  version: z.string().min(1).max(50).optional().describe("With a workflowId. Absent: the latest active version."),
  eventPattern: z
    .string()
    .min(1)
    .max(255)
    .optional()
    .describe(
      "event: the names it takes, `*` one token, `>` the rest. webhook: the name its calls get; may hold `${…}` over payload, headers, query, type.",
    ),
  eventCondition: expression.optional().describe("Over event and payload. An event for which it fails is not taken."),
  inputMapping: z
    .union([expression, z.looseObject({})])
    .optional()
    .describe("An expression over event and payload, or { field: expression }. Absent: the payload is the input."),
  correlationKey: expression
    .optional()
    .describe(
      "An expression: START gives the new instance this correlationId, CANCEL cancels the open instances that have it.",
    ),
  priority: z.int().min(-1_000_000).max(1_000_000).optional().describe("Lower comes first. Default 100."),
  instancePriority: priority
    .optional()
    .describe("Of the instances it starts: 1 to 10, or LOW, MEDIUM, HIGH, CRITICAL."),
  reason: z.string().min(1).max(1_000).optional().describe("CANCEL: what the cancellation says."),
  compensate: z.boolean().optional().describe("CANCEL: whether what was done is compensated. Default true."),
  enabled: z.boolean().optional().describe("Default true."),
  description: z.string().max(10_000).optional(),
  webhook: webhook.optional().describe("Of kind webhook."),
};

export const createRequest = z
  .object({
    name,
    kind: z.enum(triggerKinds).optional().describe("What fires it. Default event."),
    ...fields,
    schedule: z.looseObject({}).optional().describe("Of kind schedule: as `POST /api/v1/schedules` takes it."),
    input: z.unknown().optional().describe("Of kind schedule: what the workflow is given."),
  })
  .meta({
    id: "NewWorkflowTrigger",
    examples: [
      {
        name: "on-order",
        definitionId: "fulfil-order",
        eventPattern: "orders.*.paid",
        eventCondition: "payload.total > 0",
        inputMapping: { orderId: "payload.id", total: "payload.total" },
        correlationKey: "payload.id",
      },
    ],
  });

export const replaceRequest = z
  .object({
    name,
    kind: z.enum(triggerKinds).optional(),
    ...fields,
    webhook: webhook.omit({ secret: true }).optional().describe("Of kind webhook. Secrets change by rotation."),
  })
  .meta({ id: "WorkflowTriggerReplacement", description: "What is absent has its default. The kind stays." });

const optionalFields = Object.fromEntries(
  Object.entries(fields).map(([field, schema]) => [field, schema.nullable()]),
) as { [F in keyof typeof fields]: z.ZodNullable<(typeof fields)[F]> };

export const changeRequest = z
  .object({
    name: name.optional(),
    ...optionalFields,
    webhook: webhook
      .omit({ verification: true, secret: true })
      .partial()
      .optional()
      .describe("Replaces these settings."),
  })
  .meta({ id: "WorkflowTriggerChange", description: "What is absent stays as it is; null: its default." });

const { secret: _secret, ...shownWebhook } = webhook.shape;

export const triggerResponse = z
  .object({
    id: z.uuid(),
    namespace: z.string(),
    name: z.string(),
    kind: z.enum(triggerKinds),
    ...fields,
    triggerType: z.enum(triggerTypes),
    priority: z.int(),
    instancePriority: z.int().optional(),
    enabled: z.boolean(),
    webhook: z
      .object({
        ...shownWebhook,
        path: z.string().describe("Where calls are sent to."),
        secrets: z
          .array(z.object({ createdAt: instant, expiresAt: instant.optional() }))
          .describe("Those that are good now, without what they are."),
      })
      .optional(),
    scheduleId: z.uuid().optional(),
    triggeredCount: z.int().describe("How often it started or cancelled something."),
    lastTriggeredAt: instant.optional(),
    createdBy: z.string().optional(),
    createdAt: instant,
    updatedAt: instant,
  })
  .meta({ id: "WorkflowTrigger", description: "What starts or cancels a workflow." });

const finding = z.object({ pointer: z.string(), message: z.string(), expected: z.string().optional() });

export const createdTriggerResponse = triggerResponse
  .extend({
    secret: z.string().optional().describe("Of a webhook: the secret, this once."),
    warnings: z.array(finding).describe("Doubts that forbid nothing."),
  })
  .meta({ id: "CreatedWorkflowTrigger" });

export const writtenResponse = createdTriggerResponse.omit({ secret: true }).meta({ id: "WrittenWorkflowTrigger" });

export const pageResponse = z
  .object({ items: z.array(triggerResponse), nextCursor: z.string().nullable() })
  .meta({ id: "WorkflowTriggerPage" });

export const listQuery = z.strictObject({
  definitionId: key.optional().describe("A workflowId, or the id of a version: then the triggers of its workflow."),
  workflowId: key.optional(),
  kind: z.enum(triggerKinds).optional(),
  triggerType: z.enum(triggerTypes).optional(),
  enabled: z.boolean().optional(),
  pattern: z.string().min(1).max(255).optional().describe("The eventPattern, as it is written."),
  name: z.string().min(1).max(255).optional().describe("A part of the name, in any case."),
  limit: z.int().min(1).max(500).default(50),
  cursor: z.string().optional(),
});

export const reference = z.strictObject({ id: key.describe("The id of a trigger, or its name.") });

export const fireRequest = z
  .object({
    input: z
      .unknown()
      .optional()
      .describe("The payload that inputMapping sees; without one it is the input. Default {}."),
    idempotencyKey: key.optional().describe("The same key again is the same firing; also the header Idempotency-Key."),
  })
  .meta({ id: "FireTrigger" });

export const firedResponse = z
  .object({
    triggerId: z.uuid(),
    instanceId: z.uuid(),
    definitionId: z.uuid(),
    status: z.string(),
    startedAt: instant,
  })
  .meta({ id: "FiredTrigger" });

export const testRequest = z
  .object({
    event: z
      .object({
        pattern: z
          .string()
          .min(1)
          .max(255)
          .optional()
          .describe("Its name. Absent: one that the trigger's pattern fits."),
        payload: z.unknown().optional(),
        metadata: z.looseObject({}).optional(),
        source: z.looseObject({}).optional(),
        timestamp: anyInstant.optional(),
        partitionKey: key.optional(),
      })
      .describe("A sample; nothing is published."),
  })
  .meta({ id: "TestTrigger", examples: [{ event: { pattern: "orders.eu.paid", payload: { id: "A-1", total: 12 } } }] });

export const testedResponse = z
  .object({
    matches: z.boolean().describe("Whether it would act."),
    checks: z
      .array(z.object({ check: z.string(), ok: z.boolean(), reason: z.string().optional() }))
      .describe("In order: enabled, pattern, condition and mapping, input."),
    input: z.unknown().optional().describe("START: what the instance would be given."),
    correlationId: z.string().optional(),
    priority: z.int().optional(),
  })
  .meta({ id: "TestedTrigger" });

export const rotateRequest = z
  .object({
    secret: z.string().min(8).max(512).optional().describe("Absent: one is made (not for stripe)."),
    overlap: z
      .union([z.int().min(0), z.string().min(1).max(64)])
      .optional()
      .describe("How long the old secrets stay good: milliseconds or ISO 8601, at most P30D. Default P1D."),
  })
  .meta({ id: "RotateTriggerSecret" });

export const rotatedResponse = z
  .object({
    secret: z.string().describe("The new secret, this once."),
    previousExpireAt: instant.describe("Until when the old ones are good."),
  })
  .meta({ id: "RotatedTriggerSecret" });

export const hookQuery = z.looseObject({});
export const hookReference = z.strictObject({ triggerId: z.string().min(1).max(255) });

export const calledResponse = z
  .object({
    eventId: z.string(),
    status: z.enum(["accepted", "duplicate", "dead_lettered"]),
    timestamp: instant,
  })
  .meta({ id: "WebhookAnswer" });
