/** What crosses the wire for templates. */
import { z } from "zod";
import { createdResponse } from "../contract.ts";

const instant = z.iso.datetime({ precision: 3 }).describe("ISO 8601, UTC.");
const finding = z.object({
  pointer: z.string().describe("JSON pointer into what was sent."),
  message: z.string(),
  expected: z.string().optional().describe("What would be right."),
});

const name = z
  .string()
  .regex(/^[A-Za-z0-9_][A-Za-z0-9_.:@-]{0,254}$/)
  .describe("By which it is referred to; the same for all versions.");
const description = z.string().max(10_000);
const category = z.string().min(1).max(100);
const templateData = z
  .looseObject({})
  .describe("A definition with `{{parameter}}` in its texts; without workflowId, version and status.");
const parameters = z
  .looseObject({})
  .describe("A JSON Schema (2020-12) of an object: its properties are the parameters.");

export const createRequest = z
  .object({
    name,
    description: description.optional(),
    category: category.optional(),
    version: z.string().min(1).max(50).optional().describe("Semantic version. Absent: the next minor version."),
    templateData,
    parameters: parameters.optional().describe("Absent: the template has none."),
    isActive: z.boolean().optional().describe("Whether it may be used. Default true."),
  })
  .meta({
    id: "NewWorkflowTemplate",
    examples: [
      {
        name: "greeting",
        version: "1.0.0",
        parameters: { properties: { greeting: { type: "string", default: "Hello" } } },
        templateData: {
          name: "{{greeting}}",
          steps: [{ stepId: "greet", type: "TASK", taskId: "log", input: { message: "{{greeting}}, ${input.name}" } }],
        },
      },
    ],
  });

export const changeRequest = z
  .object({
    description: description.nullable().optional().describe("null: none."),
    category: category.nullable().optional().describe("null: none."),
    isActive: z.boolean().optional(),
  })
  .meta({ id: "WorkflowTemplateChange", description: "What is absent stays as it is." });

export const instantiateRequest = z
  .object({
    workflowId: z.string().min(1).max(255).describe("The workflow that the definition is a version of."),
    parameters: z.looseObject({}).optional().describe("By name. Those with a default may be absent."),
    name: z.string().min(1).max(255).optional().describe("Absent: as the template says, else the workflowId."),
    version: z.string().min(1).max(50).optional().describe("Of the definition. Absent: the next minor version."),
    status: z.enum(["draft", "active"]).optional().describe("Default active."),
    dryRun: z.boolean().optional().describe("Only gives the definition; nothing is stored."),
  })
  .meta({ id: "TemplateInstantiation" });

const summary = {
  id: z.string().describe("Of a built-in template its name."),
  name: z.string(),
  version: z.string(),
  description: z.string().optional(),
  category: z.string().optional(),
  isActive: z.boolean(),
  builtin: z.boolean().describe("Whether it comes with the program: it is in every namespace and cannot be changed."),
  namespace: z.string().optional().describe("Absent for a built-in one."),
  createdBy: z.string().optional(),
  createdAt: instant.optional(),
  updatedAt: instant.optional(),
};

const summaryResponse = z
  .object(summary)
  .meta({ id: "WorkflowTemplateSummary", description: "A template without its document and its parameters." });

export const templateResponse = z
  .object({ ...summary, templateData, parameters })
  .meta({ id: "WorkflowTemplate", description: "From which definitions are made." });

export const createdTemplateResponse = templateResponse
  .extend({ warnings: z.array(finding).describe("Doubts that forbid nothing.") })
  .meta({ id: "CreatedWorkflowTemplate" });

export const pageResponse = z
  .object({ items: z.array(summaryResponse), nextCursor: z.string().nullable() })
  .meta({ id: "WorkflowTemplatePage" });

const previewResponse = z
  .object({
    dryRun: z.literal(true),
    definition: z.looseObject({}).describe("The document that would be stored."),
    warnings: z.array(finding),
  })
  .meta({ id: "TemplatePreview", description: "What a template makes of its parameters." });

export const unchangedOrPreview = z.union([createdResponse, previewResponse]);

export const listQuery = z.strictObject({
  category: category.optional(),
  active: z.boolean().optional().describe("Only those that may be used, or only the others."),
  builtin: z.boolean().optional().describe("Only the built-in ones, or only the namespace's own."),
  name: z.string().min(1).max(255).optional().describe("A part of the name, in any case."),
  limit: z.int().min(1).max(500).default(50),
  cursor: z.string().optional(),
});

export const reference = z.strictObject({
  id: z.string().min(1).max(255).describe("The id of a template, or its name: then the highest active version."),
});
