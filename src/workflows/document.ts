/**
 * The definition document as a schema: what `POST /api/v1/workflows/definitions` takes in the canonical dialect, and
 * what `GET …/schema` publishes for editors.
 *
 * It settles names, types and simple ranges. What one field says about another (targets, expressions, reachability) is
 * the validator's. Where a schema has an `error`, its text says what would be right; `validate/shape.ts` relies on it.
 */
import { z } from "zod";
import type { Definition } from "../engine/index.ts";

export const maxSteps = 10_000;
export const maxDocumentBytes = 1_048_576;
/** Levels of arrays and objects; deeper documents could exhaust the stack of whoever walks them. */
export const maxDepth = 64;

export const stepIdPattern = /^[A-Za-z0-9_.-]{1,255}$/;
/** What an expression can read as `variables.<name>`. */
export const identifierPattern = /^[A-Za-z_][A-Za-z0-9_]{0,254}$/;
export const workflowIdPattern = /^[A-Za-z0-9_][A-Za-z0-9_.:@-]{0,254}$/;

export const stepTypes = ["TASK", "DECISION", "EVENT_WAIT", "DELAY"] as const;
export const variableTypes = ["string", "number", "integer", "boolean", "object", "array", "any"] as const;

const stepIdWords = "1 to 255 letters, digits, dots, dashes or underscores";
const stepId = z.string().regex(stepIdPattern, { error: stepIdWords });
const stepReference = z.string().min(1).max(255);
const text = (max: number) => z.string().min(1).max(max);
/** Any JSON value: the guard has refused all else before a schema looks. */
const json = z.any();
const expression = z.string().min(1).describe("A CEL expression.");

const duration = z
  .union([z.number(), z.string()], { error: 'milliseconds, such as 5000, or an ISO 8601 duration, such as "PT5S"' })
  .meta({ id: "Duration", description: "A number of milliseconds, or an ISO 8601 duration such as PT1H30M." });

const jsonSchema = z.union([z.boolean(), z.record(z.string(), json)], {
  error: "a JSON Schema: an object, or true or false",
});

const mapping = z.record(
  z.string().regex(identifierPattern, { error: "a variable name: letters, digits and underscores, no digit first" }),
  expression,
);

const transitions = z
  .strictObject({
    default: stepReference.optional().describe("The step that follows when no condition holds."),
    conditions: z
      .array(
        z.strictObject({
          condition: expression.describe("A CEL expression that gives true or false."),
          nextStep: stepReference.describe("The stepId to go to when the condition holds."),
        }),
      )
      .optional()
      .describe("Tried in order; the first that holds decides."),
  })
  .meta({ id: "Transitions", description: "What follows a step. Absent or empty: the workflow ends with this step." });

const retryPolicy = z
  .strictObject({
    maxAttempts: z.int().min(1).max(1000).optional().describe("Attempts in all, the first included. Default 3."),
    initialInterval: duration.optional().describe("The pause before the second attempt. Default 1000 ms."),
    maxInterval: duration.optional().describe("The longest pause. Default 60000 ms."),
    backoffMultiplier: z.number().min(1).max(100).optional().describe("Each pause is this much longer. Default 2."),
    jitter: z.number().min(0).max(1).optional().describe("The share of a pause that chance may change. Default 0.1."),
    retryableErrors: z
      .array(text(255))
      .max(100)
      .optional()
      .describe("Error codes or categories; when given, only these are retried."),
    nonRetryableErrors: z
      .array(text(255))
      .max(100)
      .optional()
      .describe("Error codes or categories that are never retried; wins over retryableErrors."),
  })
  .meta({ id: "RetryPolicy", description: "When a failed attempt is made again." });

const stepBase = {
  stepId: stepId.describe(`Unique in the definition; ${stepIdWords}.`),
  name: text(255).optional().describe("A name for people."),
  transitions: transitions.optional(),
  outputMapping: mapping
    .optional()
    .describe("Variable name → expression over `output`, evaluated when the step completes."),
};

const work = {
  taskId: text(255).describe("The task that does the work."),
  input: json
    .optional()
    .describe(
      "A string is an expression; elsewhere strings may hold expressions in a dollar sign and braces. Absent: the instance's input.",
    ),
  retryPolicy: retryPolicy.optional(),
  timeout: duration.optional().describe("The longest an attempt may take. Default 30 s."),
};

const taskStep = z
  .strictObject({ type: z.literal("TASK"), ...stepBase, ...work })
  .meta({ id: "TaskStep", description: "Runs a task." });

const decisionStep = z
  .strictObject({ type: z.literal("DECISION"), ...stepBase })
  .meta({ id: "DecisionStep", description: "Only chooses what follows." });

const eventWaitStep = z
  .strictObject({
    type: z.literal("EVENT_WAIT"),
    ...stepBase,
    eventPattern: text(255).describe("Tokens with dots between; `*` is one token, `>` at the end one or more."),
    eventCondition: expression.optional().describe("A CEL condition over `event`; only such an event ends the wait."),
    eventTimeout: z
      .strictObject({
        duration: duration.describe("How long to wait."),
        timeoutHandlerStepId: stepReference
          .optional()
          .describe("The step to go to when the time is over. Absent: the step fails with TIMEOUT."),
      })
      .optional(),
    eventPayloadMapping: mapping.optional().describe("Variable name → expression over `event` and `payload`."),
  })
  .meta({ id: "EventWaitStep", description: "Waits for an event or a signal. Its output is the payload." });

const delayStep = z
  .strictObject({
    type: z.literal("DELAY"),
    ...stepBase,
    delay: duration.optional().describe("A duration, or an expression that gives one. Either this or `until`."),
    until: text(10_000).optional().describe("An instant (ISO 8601), or an expression that gives one."),
  })
  .meta({ id: "DelayStep", description: "Waits for a time." });

export const stepSchema = z.discriminatedUnion("type", [taskStep, decisionStep, eventWaitStep, delayStep]);

export const compensationStepSchema = z
  .strictObject({
    type: z.literal("TASK"),
    stepId: stepId.describe(`Unique among all steps; ${stepIdWords}.`),
    name: text(255).optional(),
    compensationFor: stepReference.describe("The stepId of the step that this one undoes."),
    condition: expression.optional().describe("A CEL condition; absent: always."),
    ...work,
    input: json.optional().describe("As a step's input. Absent: what the step gave and why it is undone."),
  })
  .meta({ id: "CompensationStep", description: "Undoes a completed step after a failure or a cancellation." });

const cancellationTrigger = z
  .strictObject({
    eventPattern: text(255),
    eventCondition: expression.optional(),
    reason: text(1000).optional(),
    shouldCompensate: z.boolean().optional(),
  })
  .meta({ id: "CancellationTrigger", description: "An event that cancels an instance." });

const variable = z
  .strictObject({
    type: z.enum(variableTypes).optional(),
    default: json.optional().describe("The value at the start; it must fit the type."),
    required: z.boolean().optional(),
    description: z.string().max(10_000).optional(),
  })
  .meta({ id: "Variable", description: "A variable that every instance has." });

const definitionFields = {
  workflowId: z
    .string()
    .regex(workflowIdPattern, { error: "1 to 255 letters, digits or _ . : @ -, the first a letter, a digit or _" })
    .describe("The name that starts refer to; the same for all versions."),
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
    .describe(
      "An expression, or a template whose strings may hold expressions in a dollar sign and braces. Absent: the output of the last step.",
    ),
  variables: z
    .record(z.string().regex(identifierPattern, { error: "letters, digits and underscores, no digit first" }), variable)
    .optional(),
  compensationSteps: z.array(compensationStepSchema).max(maxSteps).optional(),
  compensateOnFailure: z.boolean().optional().describe("Whether a failure runs the compensation steps. Default true."),
  cancellationTriggers: z.array(cancellationTrigger).max(100).optional(),
  timeout: duration.optional().describe("The longest an instance may take."),
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
export const definitionSchema = z.strictObject({ ...definitionFields, version: z.string().min(1).max(50) });

/** What a client sends: `version` and `status` may be absent, and editors may leave their `$schema` in. */
export const documentSchema = z
  .strictObject({
    $schema: z.string().optional().describe("Where an editor finds this schema; not stored."),
    ...definitionFields,
    version: z.string().min(1).max(50).optional().describe("Semantic version. Absent: the next minor version."),
    status: z.enum(["draft", "active"]).optional().describe("Default active. A draft cannot be started."),
  })
  .meta({ title: "Workflow definition", description: "A workflow that Millrace runs." });

export type DefinitionDocument = z.infer<typeof documentSchema>;
export type StoredDefinition = z.infer<typeof definitionSchema>;

/** A definition without its version: what the content of a version is. */
export type DefinitionContent = Omit<Definition, "version">;

/** JSON Schema 2020-12 of the document, for editors and tools. Made once. */
export function publishedSchema(): Record<string, unknown> {
  published ??= z.toJSONSchema(documentSchema, { target: "draft-2020-12", io: "input" });
  return published;
}
let published: Record<string, unknown> | undefined;
