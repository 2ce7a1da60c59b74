/**
 * The parts of the document's schema that several of its fields share: names, durations, expressions, transitions.
 *
 * Where a schema has an `error`, its text says what would be right; `validate/issues.ts` relies on it.
 */
import { z } from "zod";

export const maxSteps = 10_000;
export const maxDocumentBytes = 1_048_576;
/** Levels of arrays and objects; deeper documents could exhaust the stack of whoever walks them. */
export const maxDepth = 64;
/** PARALLEL and MAP steps inside one another. */
export const maxContainers = 8;
export const maxBranches = 1_000;
export const maxItems = 100_000;

export const stepIdPattern = /^[A-Za-z0-9_.-]{1,255}$/;
/** What an expression can read as `variables.<name>`. */
export const identifierPattern = /^[A-Za-z_][A-Za-z0-9_]{0,254}$/;
const workflowIdPattern = /^[A-Za-z0-9_][A-Za-z0-9_.:@-]{0,254}$/;

export const stepIdWords = "1 to 255 letters, digits, dots, dashes or underscores";
export const stepId = z.string().regex(stepIdPattern, { error: stepIdWords });
export const stepReference = z.string().min(1).max(255);
export const workflowId = z.string().regex(workflowIdPattern, {
  error: "1 to 255 letters, digits or _ . : @ -, the first a letter, a digit or _",
});
export const version = z.string().min(1).max(50);

export const text = (max: number) => z.string().min(1).max(max);
/** Any JSON value: the guard has refused all else before a schema looks. */
export const json = z.any();
export const expression = z.string().min(1).describe("A CEL expression.");

/** An input or an output: text is an expression as a whole, other values may hold expressions in their texts. */
export const templateWords =
  "A string is an expression; elsewhere strings may hold expressions in a dollar sign and braces.";

export const duration = z
  .union([z.number(), z.string()], { error: 'milliseconds, such as 5000, or an ISO 8601 duration, such as "PT5S"' })
  .meta({ id: "Duration", description: "A number of milliseconds, or an ISO 8601 duration such as PT1H30M." });

export const jsonSchema = z.union([z.boolean(), z.record(z.string(), json)], {
  error: "a JSON Schema: an object, or true or false",
});

export const mapping = z.record(
  z.string().regex(identifierPattern, { error: "a variable name: letters, digits and underscores, no digit first" }),
  expression,
);

const conditions = z
  .array(
    z.strictObject({
      condition: expression.describe("A CEL expression that gives true or false."),
      nextStep: stepReference.describe("The stepId to go to when the condition holds."),
    }),
  )
  .optional();

export const transitions = z
  .strictObject({
    default: stepReference.optional().describe("The step that follows when no condition holds."),
    conditions: conditions.describe("Tried in order; the first that holds decides."),
  })
  .meta({
    id: "Transitions",
    description: "What follows a step, in the same list of steps. Absent or empty: the list ends with this step.",
  });

export const failureTransitions = z
  .strictObject({
    default: stepReference.optional().describe("The step that handles the failure when no condition holds."),
    conditions: conditions.describe("Tried in order; the first that holds decides. They see `error`."),
  })
  .meta({
    id: "FailureTransitions",
    description:
      "Where a step goes, in the same list of steps, after its last attempt failed. When nothing fits, the failure is that of the branch, the item or the workflow.",
  });

export const retryPolicy = z
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
  .meta({ id: "RetryPolicy", description: "When what failed is tried again." });
