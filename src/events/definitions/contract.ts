/** What crosses the wire for event definitions. */
import { z } from "zod";
import { sourceTypes } from "../../engine/index.ts";
import { definitionStatuses } from "./model.ts";

const instant = z.iso.datetime({ precision: 3 }).describe("ISO 8601, UTC.");
const eventId = z
  .string()
  .regex(/^[A-Za-z0-9_][A-Za-z0-9_.:@-]{0,254}$/)
  .describe("By which it is referred to; the same for all versions.");
const name = z.string().min(1).max(255);
const description = z.string().max(10_000);
const pattern = z.string().min(1).max(255).describe("The name of the events that it describes, without wildcards.");
const types = z
  .array(z.enum(sourceTypes))
  .min(1)
  .max(sourceTypes.length)
  .describe("Which types of sources may publish.");
const payloadSchema = z
  .union([z.looseObject({}), z.boolean()])
  .describe("A JSON Schema (2020-12) that payloads must fit.");
const examples = z.array(z.unknown()).max(100).describe("Payloads; each must fit the schema.");
const uiMetadata = z
  .looseObject({
    icon: z.string().max(255).optional(),
    color: z.string().max(100).optional(),
    category: z.string().max(255).optional(),
    priority: z.enum(["high", "medium", "low"]).optional(),
  })
  .describe("For those who show it.");
const version = z.string().min(1).max(50).describe("Semantic version.");

export const createRequest = z
  .object({
    eventId,
    name: name.optional().describe("Absent: the eventId."),
    description: description.optional(),
    pattern,
    version: version.optional().describe("Semantic version. Absent: the next minor version."),
    sourceTypes: types.optional().describe("Which types of sources may publish. Absent: all."),
    payloadSchema: payloadSchema.optional(),
    examples: examples.optional(),
    uiMetadata: uiMetadata.optional(),
    status: z.enum(["draft", "active"]).optional().describe("Absent: active, or as the version is already."),
  })
  .meta({
    id: "NewEventDefinition",
    examples: [
      {
        eventId: "OrderEvents.paid",
        name: "Order paid",
        pattern: "orders.paid",
        version: "1.0.0",
        sourceTypes: ["external", "service"],
        payloadSchema: { type: "object", required: ["order"], properties: { order: { type: "string" } } },
        examples: [{ order: "A-1" }],
      },
    ],
  });

export const changeRequest = z
  .object({
    name: name.optional(),
    description: description.nullable().optional().describe("null: none."),
    examples: examples.optional(),
    uiMetadata: uiMetadata.nullable().optional().describe("null: none."),
  })
  .meta({
    id: "EventDefinitionChange",
    description: "What is absent stays as it is. Pattern, schema and source types change with a new version.",
  });

export const definitionResponse = z
  .object({
    id: z.uuid(),
    namespace: z.string(),
    eventId,
    name: z.string(),
    description: z.string().optional(),
    pattern,
    version,
    sourceTypes: types.optional().describe("Absent: all."),
    payloadSchema: payloadSchema.optional().describe("Absent: any payload fits."),
    examples,
    uiMetadata: uiMetadata.optional(),
    status: z.enum(definitionStatuses),
    createdBy: z.string().optional(),
    createdAt: instant,
    updatedAt: instant,
  })
  .meta({ id: "EventDefinition", description: "What events of one name are like." });

export const pageResponse = z
  .object({ items: z.array(definitionResponse), nextCursor: z.string().nullable() })
  .meta({ id: "EventDefinitionPage" });

export const listQuery = z.strictObject({
  eventId: z.string().min(1).max(255).optional(),
  pattern: z.string().min(1).max(255).optional().describe("The name of its events."),
  status: z.enum(definitionStatuses).optional(),
  sourceType: z.enum(sourceTypes).optional().describe("Those that let sources of this type publish."),
  limit: z.int().min(1).max(500).default(50),
  cursor: z.string().optional(),
});

export const reference = z.strictObject({
  id: z.string().min(1).max(255).describe("The id of a version, or an eventId."),
});

export const versionQuery = z.strictObject({
  version: version
    .optional()
    .describe("With an eventId. Absent: the highest active version, or the highest when none is active."),
});
