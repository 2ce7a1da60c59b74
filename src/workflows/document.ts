/**
 * The definition document as a schema: what `POST /api/v1/workflows/definitions` takes in the canonical dialect, and
 * what `GET …/schema` publishes for editors.
 *
 * It settles names, types and simple ranges. What one field says about another (targets, expressions, reachability) is
 * the validator's. Where a schema has an `error`, its text says what would be right; `validate/issues.ts` relies on it.
 */
import { z } from "zod";
import type { Definition } from "../engine/index.ts";
import {
  duration,
  expression,
  identifierPattern,
  json,
  jsonSchema,
  maxSteps,
  retryPolicy,
  templateWords,
  text,
  version,
  workflowId,
} from "./schema/parts.ts";
import { compensationStepSchema, stepSchema } from "./schema/steps.ts";

export const variableTypes = ["string", "number", "integer", "boolean", "object", "array", "any"] as const;

const cancellationTrigger = z
  .strictObject({
    eventPattern: text(255),
    eventCondition: expression.optional(),
    reason: text(1000).optional(),
    shouldCompensate: z.boolean().optional(),
  })
  .meta({
    id: "CancellationTrigger",
    description: "An event since the instance's start, or a signal, that cancels an instance.",
  });

const variable = z
  .strictObject({
    type: z.enum(variableTypes).optional(),
    default: json.optional().describe("The value at the start; it must fit the type."),
    required: z.boolean().optional(),
    description: z.string().max(10_000).optional(),
  })
  .meta({ id: "Variable", description: "A variable that every instance has." });

const maxConcurrencyLimits = 10;
const concurrencyWords = "All of them hold. An instance that has no room yet is CREATED.";

const concurrencyLimit = z
  .strictObject({
    limit: z.int().min(1).max(1_000_000).describe("Instances that may run at once."),
    key: expression.optional().describe("A CEL expression over `input` and `instance`; absent: all instances count."),
  })
  .meta({ id: "ConcurrencyLimit", description: "How many instances with one key may run at once." });

const definitionFields = {
  workflowId: workflowId.describe("The name that starts refer to; the same for all versions."),
  name: text(255).describe("A name for people."),
  description: z.string().max(10_000).optional(),
  createdBy: text(255).optional(),
  templateId: text(255).optional(),
  steps: z.array(stepSchema).min(1).max(maxSteps).describe("The first is where an instance begins."),
  inputSchema: jsonSchema.optional().describe("JSON Schema 2020-12 that the input of a start must satisfy."),
  outputSchema: jsonSchema.optional().describe("JSON Schema 2020-12 that the output must satisfy."),
  output: z
    .union([z.string(), z.number(), z.boolean(), z.array(json), z.record(z.string(), json)], {
      error: "an expression, or a template; leave it out for the default",
    })
    .optional()
    .describe(`${templateWords} Absent: the output of the last step.`),
  variables: z
    .record(z.string().regex(identifierPattern, { error: "letters, digits and underscores, no digit first" }), variable)
    .optional(),
  compensationSteps: z.array(compensationStepSchema).max(maxSteps).optional(),
  compensateOnFailure: z.boolean().optional().describe("Whether a failure runs the compensation steps. Default true."),
  cancellationTriggers: z.array(cancellationTrigger).max(100).optional(),
  timeout: duration.optional().describe("The longest an instance may take."),
  retryPolicy: retryPolicy
    .optional()
    .describe("Of the whole workflow: after a failure it begins again with its first step. Absent: it does not."),
  concurrency: z.array(concurrencyLimit).max(maxConcurrencyLimits).optional().describe(concurrencyWords),
  retention: duration
    .optional()
    .describe("How long instances are kept after their end. Absent: as the node's setting says."),
  uiComponents: json.optional().describe("For user interfaces; stored as it is."),
  executionLog: z
    .strictObject({
      level: z.enum(["debug", "info", "error"]).optional(),
      retention: z.string().max(64).optional().describe("An ISO 8601 duration, such as P30D."),
      metadata: z.array(text(255)).max(100).optional(),
    })
    .optional(),
};

/** The stored definition: every version has a number. */
export const definitionSchema = z.strictObject({ ...definitionFields, version });

/** What a client sends: `version` and `status` may be absent, and editors may leave their `$schema` in. */
export const documentSchema = z.strictObject({
  $schema: z.string().optional().describe("Where an editor finds this schema; not stored."),
  ...definitionFields,
  version: version.optional().describe("Semantic version. Absent: the next minor version."),
  status: z.enum(["draft", "active"]).optional().describe("Default active. A draft cannot be started."),
});

export type DefinitionDocument = z.infer<typeof documentSchema>;
export type StoredDefinition = z.infer<typeof definitionSchema>;

/** A definition without its version: what the content of a version is. */
export type DefinitionContent = Omit<Definition, "version">;

/** What a writer may say in two ways, both of which editors shall take. */
const writtenSchema = documentSchema
  .extend({
    concurrency: z
      .union([z.array(concurrencyLimit).max(maxConcurrencyLimits), concurrencyLimit])
      .optional()
      .describe(concurrencyWords),
  })
  .meta({ title: "Workflow definition", description: "A workflow that Millrace runs." });

/** JSON Schema 2020-12 of the document, for editors and tools. Made once. */
export function publishedSchema(): Record<string, unknown> {
  published ??= z.toJSONSchema(writtenSchema, { target: "draft-2020-12", io: "input" });
  return published;
}
let published: Record<string, unknown> | undefined;
