/** What crosses the wire when events are published. */
import { z } from "zod";
import { sourceTypes } from "../../engine/index.ts";

const shortText = z.string().min(1).max(255);

const source = z
  .object({
    type: z.enum(sourceTypes),
    id: z.string().min(1).max(1_000).optional(),
    name: shortText.optional(),
  })
  .describe("Who publishes. Events of other sources may have the same eventId. Absent: external, without an id.");

const metadata = z.looseObject({
  correlationId: shortText.optional(),
  causationId: shortText.optional().describe("The id of the event that brought this one about."),
  traceId: shortText.optional(),
  userId: shortText.optional(),
  tags: z.unknown().optional(),
});

export const publishRequest = z
  .object({
    eventId: shortText
      .optional()
      .describe("The same one again, of the same source, within seven days is the same event. Absent: one is made."),
    pattern: shortText.describe('The event\'s name: tokens with dots between, such as "orders.paid"; no wildcards.'),
    payload: z.unknown().optional().describe("Any JSON, at most 1 MiB. Absent: null."),
    source: source.optional(),
    timestamp: z.string().max(64).optional().describe("When it happened, ISO 8601 with a zone. Absent: now."),
    partitionKey: shortText
      .optional()
      .describe("Events with the same key are routed in the order in which they were accepted."),
    metadata: metadata.optional().describe("At most 64 KiB."),
  })
  .meta({
    id: "NewEvent",
    examples: [
      {
        eventId: "payment-4711",
        pattern: "orders.paid",
        payload: { order: "A-1", amount: 12.5 },
        source: { type: "external", id: "bank" },
        metadata: { correlationId: "A-1" },
      },
    ],
  });
export type PublishBody = z.output<typeof publishRequest>;

const cloudEvent = z
  .looseObject({
    specversion: z.literal("1.0"),
    id: z.string(),
    source: z.string(),
    type: z.string().describe("The event's name."),
    data: z.unknown().optional(),
  })
  .meta({
    id: "CloudEvent",
    description: "A CloudEvent 1.0 in its JSON format.",
    examples: [
      { specversion: "1.0", id: "payment-4711", source: "/bank", type: "orders.paid", data: { order: "A-1" } },
    ],
  });

const one = z.union([publishRequest, cloudEvent]);

/** Anything: which of the forms a body has is seen when it is read, and faults are told by that form. */
export const publishBody = z
  .union([one, z.array(one), z.object({ events: z.array(one) }), z.unknown()])
  .optional()
  .describe(
    "An event, a list of up to 1,000, or { events: [...] }; each in our shape or a CloudEvent. With ce-* headers it is the data of a CloudEvent.",
  );

const publishedResponse = z
  .object({
    id: z.uuid().optional().describe("Of the event's row. Absent for a dead letter."),
    eventId: z.string(),
    status: z
      .enum(["accepted", "duplicate", "dead_lettered"])
      .describe("duplicate: it was accepted before. dead_lettered: it was refused by its definition, and is kept."),
    timestamp: z.iso.datetime({ precision: 3 }).describe("When it was accepted."),
    deadLetterId: z.uuid().optional(),
  })
  .meta({ id: "PublishedEvent" });

export const publishResponse = z
  .union([publishedResponse, z.object({ items: z.array(publishedResponse) })])
  .meta({ id: "PublishedEvents", description: "Of a batch: in the order of its members." });
