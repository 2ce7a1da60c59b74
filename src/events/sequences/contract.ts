/** What crosses the wire for event sequences. */
import { z } from "zod";
import { memberStatuses, rollbackTypes, sequenceStatuses } from "./model.ts";

const instant = z.iso.datetime({ precision: 3 }).describe("ISO 8601, UTC.");
const eventName = z
  .string()
  .max(255)
  .regex(/^[^\s.*>]+(\.[^\s.*>]+)*$/)
  .describe("Tokens with dots between, without wildcards.");
const short = z.string().min(1).max(255);

export const mostMembers = 1_000;

const metadata = z.strictObject({
  correlationId: short.optional(),
  causationId: short.optional(),
  source: z.string().max(255).optional(),
  tags: z.array(z.string().max(255)).max(100).optional(),
});

const compensatingEvent = z.strictObject({
  pattern: eventName.optional(),
  eventId: eventName.optional().describe("Document 004's spelling of `pattern`."),
  payloadTemplate: z
    .unknown()
    .describe("A JSON value with `${…}`: `events[n]` are the members by position, `error` why it failed, `sequence`."),
});

const rollbackStrategy = z.strictObject({
  type: z.enum(rollbackTypes),
  maxRetries: z.int().min(1).max(100).optional().describe("Of `retry`, for each required member. Default 3."),
  compensatingEvents: z.array(compensatingEvent).min(1).max(100).optional().describe("Of `compensating_events`."),
});

const member = z.strictObject({
  eventId: short.optional().describe("An event that was published already: its id, or its publisher's."),
  pattern: eventName.optional().describe("Or one that the sequence publishes."),
  payload: z.unknown().optional(),
  version: z.string().min(1).max(50).optional(),
  metadata: z.record(z.string(), z.unknown()).optional(),
  partitionKey: short.optional(),
  order: z.int().min(1).max(1_000_000).optional().describe("Equal orders go together. Default: after the one before."),
  required: z.boolean().optional().describe("Whether the sequence stops when it fails. Default true."),
  waitForInstances: z
    .boolean()
    .optional()
    .describe("It is processed when the instances that it started have completed. Default false."),
});

export const createRequest = z
  .strictObject({
    sequenceId: short.optional().describe("A name that is unique in the namespace. Default: the id."),
    name: short,
    description: z.string().max(10_000).optional(),
    version: z.string().min(1).max(50).optional(),
    events: z.array(member).min(1).max(mostMembers),
    metadata: metadata.optional(),
    rollbackStrategy: rollbackStrategy.optional().describe("Absent: it only stops."),
    start: z.boolean().optional().describe("Whether it is started at once. Default true."),
  })
  .meta({
    id: "NewEventSequence",
    examples: [
      {
        name: "onboarding",
        events: [
          { pattern: "account.opened", payload: { customer: "c-1" } },
          { pattern: "card.ordered", payload: { customer: "c-1" }, order: 2 },
          { pattern: "welcome.sent", payload: { customer: "c-1" }, order: 2, required: false },
        ],
        rollbackStrategy: {
          type: "compensating_events",
          compensatingEvents: [
            {
              pattern: "account.closed",
              payloadTemplate: { customer: "${events[0].payload.customer}", why: "${error.message}" },
            },
          ],
        },
      },
    ],
  });

export const skipRequest = z
  .strictObject({
    position: z.int().min(0).max(mostMembers).optional().describe("Of the member. Absent: all that failed it."),
  })
  .optional();

const failure = z.object({
  message: z.string(),
  code: z.string(),
  targets: z.array(z.string()).describe("Ids of the triggers and subscriptions that failed."),
});

const memberResponse = z.object({
  position: z.int().describe("In the list that was given, from 0; `events[n]` in templates."),
  order: z.int(),
  required: z.boolean(),
  status: z.enum(memberStatuses),
  waitForInstances: z.boolean(),
  eventId: z.string().optional().describe("The event's id; absent before it is published."),
  given: z.boolean().describe("Whether it was published before, by somebody else."),
  pattern: z.string().optional(),
  payload: z.unknown().optional(),
  metadata: z.record(z.string(), z.unknown()).optional(),
  version: z.string().optional(),
  partitionKey: z.string().optional(),
  retries: z.int(),
  waitingFor: z.enum(["routing", "deliveries", "instances"]).optional(),
  error: failure.optional(),
  publishedAt: instant.optional(),
  processingTimestamp: instant.optional().describe("When it was processed, failed or was skipped."),
});

const summary = {
  id: z.string(),
  sequenceId: z.string(),
  name: z.string(),
  description: z.string().optional(),
  version: z.string().optional(),
  status: z.enum(sequenceStatuses),
  metadata,
  rollbackStrategy: z
    .object({
      type: z.enum(rollbackTypes),
      maxRetries: z.int().optional(),
      compensatingEvents: z.array(z.object({ pattern: z.string(), payloadTemplate: z.unknown() })).optional(),
    })
    .optional(),
  error: failure.extend({ order: z.int(), position: z.int() }).optional().describe("Of the member by which it failed."),
  rollback: z
    .object({
      status: z.enum(["completed", "failed", "given_up"]),
      events: z.array(z.object({ pattern: z.string(), eventId: z.string().optional() })).optional(),
      error: z.string().optional(),
    })
    .optional()
    .describe("What was done after it failed."),
  createdBy: z.string(),
  createdAt: instant,
  updatedAt: instant,
  startedAt: instant.optional(),
  completedAt: instant.optional().describe("Absent while it may go on by itself or waits for a decision."),
};

const summaryResponse = z.object(summary).meta({ id: "EventSequenceSummary", description: "Without its members." });

export const sequenceResponse = z
  .object({ ...summary, events: z.array(memberResponse).describe("By order, then by position.") })
  .meta({ id: "EventSequence" });

export const sequencePage = z
  .object({ items: z.array(summaryResponse), nextCursor: z.string().nullable() })
  .meta({ id: "EventSequencePage" });

export const listQuery = z.strictObject({
  status: z.enum(sequenceStatuses).optional(),
  correlationId: short.optional(),
  causationId: short.optional(),
  limit: z.int().min(1).max(500).default(50),
  cursor: z.string().optional(),
});

export const reference = z.strictObject({ id: short.describe("The id of a sequence, or its sequenceId.") });
