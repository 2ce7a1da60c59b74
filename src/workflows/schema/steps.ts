/** The schemas of steps. Branches and items hold steps again, so `stepSchema` refers to itself. */
import { z } from "zod";
import { errorCategories, type Step } from "../../engine/index.ts";
import {
  duration,
  expression,
  failureTransitions,
  json,
  mapping,
  maxBranches,
  maxItems,
  maxSteps,
  retryPolicy,
  stepId,
  stepIdWords,
  stepReference,
  templateWords,
  text,
  transitions,
  version,
  workflowId,
} from "./parts.ts";

export const stepTypes = [
  "TASK",
  "DECISION",
  "EVENT_WAIT",
  "DELAY",
  "PARALLEL",
  "MAP",
  "WORKFLOW",
  "TERMINATE",
] as const;

const identity = {
  stepId: stepId.describe(`Unique in the definition, nested steps included; ${stepIdWords}.`),
  name: text(255).optional().describe("A name for people."),
};

const stepBase = {
  ...identity,
  transitions: transitions.optional(),
  outputMapping: mapping
    .optional()
    .describe("Variable name → expression over `output`, evaluated when the step completes."),
  onFailure: failureTransitions.optional(),
};

const work = {
  taskId: text(255).describe("The task that does the work."),
  input: json.optional().describe(`${templateWords} Absent: the instance's input.`),
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
    lookBack: duration
      .optional()
      .describe("How long before the wait an event may have come. Absent: since the instance's start."),
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

const workflowStep = z
  .strictObject({
    type: z.literal("WORKFLOW"),
    ...stepBase,
    workflowId: workflowId.describe("The workflow to run as a child."),
    version: version.optional().describe("Absent: the latest active version when the child begins."),
    input: json.optional().describe(`${templateWords} Absent: the instance's input.`),
    detach: z.boolean().optional().describe("Go on at once; the child lives and is cancelled by itself."),
    retryPolicy: retryPolicy.optional().describe("Each attempt is a child of its own. Absent: one attempt."),
    timeout: duration.optional().describe("The longest a child may take; it is cancelled then. Default: none."),
  })
  .meta({
    id: "WorkflowStep",
    description: "Runs another workflow. Its output is the child's; of a detached one `{ instanceId }`.",
  });

const categoryWords = `one of ${errorCategories.join(", ")}, or a text with an expression in a dollar sign and braces`;

const terminateStep = z
  .strictObject({
    type: z.literal("TERMINATE"),
    ...identity,
    status: z.enum(["COMPLETED", "FAILED"]).describe("How the workflow ends."),
    output: json
      .optional()
      .describe(`With COMPLETED. ${templateWords} Absent: the definition's \`output\`, else null.`),
    error: z
      .strictObject({
        code: text(10_000).optional().describe("Default TERMINATED."),
        message: text(10_000).optional(),
        category: z
          .union([z.enum(errorCategories), z.string().max(10_000).regex(/\$\{/, { error: categoryWords })], {
            error: categoryWords,
          })
          .optional()
          .describe("Default BUSINESS."),
        details: json.optional(),
      })
      .optional()
      .describe("With FAILED. Its texts may hold expressions in a dollar sign and braces."),
  })
  .meta({ id: "TerminateStep", description: "Ends the whole workflow, wherever it stands." });

const branchIdWords = `unique in the step; ${stepIdWords}`;
const joinWords = `"all", "any", or a number of branches, from 1 to ${maxBranches}`;
const listWords = "a list, or an expression that gives one";
const shareWords = 'a count, or a share of the items, from "0%" to "100%"';

/** A PARALLEL whose steps are read by `steps`. */
const parallelFields = <T extends z.ZodType>(steps: () => T) => ({
  type: z.literal("PARALLEL"),
  ...stepBase,
  get branches() {
    return z
      .array(
        z.strictObject({
          branchId: stepId.describe(`The branch's name in the output; ${branchIdWords}.`),
          name: text(255).optional().describe("A name for people."),
          steps: z.array(steps()).min(1).max(maxSteps).describe("The first is where the branch begins."),
        }),
      )
      .min(1)
      .max(maxBranches);
  },
  join: z
    .union(
      [
        z.enum(["all", "any"]),
        z.int({ error: joinWords }).min(1, { error: joinWords }).max(maxBranches, { error: joinWords }),
      ],
      { error: joinWords },
    )
    .optional()
    .describe("How many branches must complete: all (the default), any (one), or a number."),
  rest: z
    .enum(["cancel", "leave"])
    .optional()
    .describe("What becomes of the other branches then: they are cancelled (the default), or left to go on."),
  timeout: duration.optional().describe("The longest all of it may take. Default: none."),
});

/** A MAP whose steps are read by `steps`. */
const mapFields = <T extends z.ZodType>(steps: () => T) => ({
  type: z.literal("MAP"),
  ...stepBase,
  items: z
    .union([expression, z.array(json).max(maxItems, { error: `at most ${maxItems} items` })], { error: listWords })
    .describe("An expression that gives a list, or a list whose texts may hold expressions."),
  maxConcurrency: z.int().min(1).max(1_000).optional().describe("Items under way at once. Default 100."),
  toleratedFailures: z
    .union(
      [
        z.int({ error: shareWords }).min(0, { error: shareWords }).max(maxItems, { error: shareWords }),
        z.string().regex(/^(100(\.0{1,9})?|\d{1,2}(\.\d{1,9})?)%$/, { error: shareWords }),
      ],
      { error: shareWords },
    )
    .optional()
    .describe('How many items may fail: a count, or a share such as "10%". Default 0.'),
  get steps() {
    return z.array(steps()).min(1).max(maxSteps).describe("They see `item` and `index`.");
  },
  timeout: duration.optional().describe("The longest all of it may take. Default: none."),
});

const parallelStep = z.strictObject(parallelFields(() => stepSchema)).meta({
  id: "ParallelStep",
  description: "Runs branches side by side. Its output is an object of their last outputs, by branchId.",
});

const mapStep = z.strictObject(mapFields(() => stepSchema)).meta({
  id: "MapStep",
  description: "Runs its steps once for each item. Its output is the list of last outputs, in the order of the items.",
});

const plainSteps = [taskStep, decisionStep, eventWaitStep, delayStep, workflowStep, terminateStep] as const;

export const stepSchema: z.ZodType<Step> = z
  .discriminatedUnion("type", [...plainSteps, parallelStep, mapStep])
  .meta({ id: "Step", description: "One step; its `type` says of what kind." });

const anything = () => z.unknown();

/** A step by itself: the steps inside branches and items are left unread. */
export const outlineSchema = z.discriminatedUnion("type", [
  ...plainSteps,
  z.strictObject(parallelFields(anything)),
  z.strictObject(mapFields(anything)),
]);

export type StepOutline = z.infer<typeof outlineSchema>;

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
