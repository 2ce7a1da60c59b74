/** What crosses the wire for definitions, beside the document itself (`document.ts`). */
import { z } from "zod";
import { definitionSchema } from "./document.ts";
import { visibleStatuses } from "./model.ts";

const instant = z.iso.datetime({ precision: 3 }).describe("ISO 8601, UTC.");
const finding = z.object({
  pointer: z.string().describe("JSON pointer into the document that was sent."),
  message: z.string(),
  expected: z.string().optional().describe("What would be right."),
});

/**
 * What routes take as a definition: any object, for the validator reads both dialects and tells every fault, which a
 * schema here could not.
 */
export const documentBody = z.looseObject({}).meta({
  description: "A definition. Its JSON Schema: `GET /api/v1/workflows/definitions/schema`.",
  examples: [
    {
      workflowId: "hello",
      name: "Hello",
      version: "1.0.0",
      steps: [{ stepId: "greet", type: "TASK", taskId: "log", input: { message: "Hello" } }],
    },
  ],
});

const identity = {
  id: z.uuid().describe("The id of this version's content."),
  namespace: z.string(),
  status: z.enum([...visibleStatuses, "replaced", "deleted"]),
  latest: z.boolean().describe("Whether a start by workflowId alone runs this version."),
  createdAt: instant,
  updatedAt: instant,
};

export const definitionResponse = definitionSchema
  .extend(identity)
  .meta({ id: "WorkflowDefinition", description: "A stored version of a workflow." });

export const summaryResponse = definitionSchema
  .pick({ workflowId: true, name: true, version: true, description: true, createdBy: true, templateId: true })
  .extend(identity)
  .meta({ id: "WorkflowDefinitionSummary", description: "A stored version, without its content." });

export const pageResponse = z
  .object({ items: z.array(summaryResponse), nextCursor: z.string().nullable() })
  .meta({ id: "WorkflowDefinitionPage" });

export const validationResponse = z
  .object({
    valid: z.boolean(),
    errors: z.array(finding).describe("Every fault at once; empty when valid."),
    warnings: z.array(finding).describe("Doubts that forbid nothing."),
    definition: z.unknown().optional().describe("The document in the canonical dialect, when valid."),
  })
  .meta({ id: "WorkflowDefinitionValidation" });

export const createdResponse = definitionResponse
  .extend({ warnings: z.array(finding).describe("Doubts that the validator has about the document.") })
  .meta({ id: "CreatedWorkflowDefinition" });

export const listQuery = z.strictObject({
  workflowId: z.string().min(1).max(255).optional(),
  status: z.string().max(100).optional().describe("One or more of draft, active, deprecated, with commas between."),
  name: z.string().min(1).max(255).optional().describe("A part of the name, in any case."),
  latest: z.boolean().optional().describe("Only the latest active version of each workflow."),
  limit: z.int().min(1).max(500).default(50),
  cursor: z.string().optional(),
});

export const versionsQuery = listQuery.pick({ limit: true, cursor: true });

export const versionQuery = z.strictObject({
  version: z.string().min(1).max(50).optional().describe("With a workflowId: which version. Absent: the latest."),
});

export const reference = z.strictObject({
  id: z.string().min(1).max(255).describe("The id of a version, or a workflowId."),
});
