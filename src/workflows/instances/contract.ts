/** What crosses the wire for instances. Document 002's names, with what CONTRACTS adds. */
import { z } from "zod";
import { instanceStatuses } from "../../engine/index.ts";

export const instant = z.iso.datetime({ precision: 3 }).describe("ISO 8601, UTC.");
export const anyInstant = z.iso
  .datetime({ offset: true })
  .describe("ISO 8601 with a time zone, such as 2030-01-31T09:00:00Z.");
export const status = z.enum(instanceStatuses);
export const key = z.string().min(1).max(255);

/** LOW 1, MEDIUM 5, HIGH 8, CRITICAL 10. */
export const priorities = { LOW: 1, MEDIUM: 5, HIGH: 8, CRITICAL: 10 } as const;

export const priority = z
  .union([z.enum(["LOW", "MEDIUM", "HIGH", "CRITICAL"]), z.int().min(1).max(10)])
  .describe("1 to 10, or LOW 1, MEDIUM 5, HIGH 8, CRITICAL 10.");

export const startRequest = z
  .object({
    definitionId: key.describe("The id of a version, or a workflowId."),
    version: z.string().min(1).max(50).optional().describe("With a workflowId. Absent: the latest active version."),
    input: z.unknown().optional().describe("What the workflow is given. Absent: an empty object."),
    correlationId: key.optional().describe("Free text by which related instances are found."),
    idempotencyKey: key
      .optional()
      .describe("The same key again is the same start; the header Idempotency-Key is the same."),
    priority: priority.optional().describe("1 to 10, or LOW 1, MEDIUM 5 (the default), HIGH 8, CRITICAL 10."),
    variables: z
      .record(z.string(), z.unknown())
      .optional()
      .describe("Values that variables of the definition begin with, in the place of their defaults."),
  })
  .meta({ id: "StartInstance" });

export const startQuery = z.object({
  wait: z
    .string()
    .max(64)
    .optional()
    .describe("Answers with the ended instance if it ends in this time: milliseconds or ISO 8601, at most PT60S."),
});

export const started = {
  instanceId: z.uuid(),
  definitionId: z.uuid().describe("The version that it runs."),
  status,
  startedAt: instant,
};

const stepView = z
  .object({
    status: z.enum(["PENDING", "RUNNING", "COMPLETED", "FAILED", "SKIPPED", "CANCELLED"]),
    attempt: z.int(),
    input: z.unknown().optional(),
    output: z.unknown().optional(),
    error: z.unknown().optional(),
    startedAt: instant.optional(),
    completedAt: instant.optional(),
  })
  .meta({ id: "StepState", description: "The last attempt of a step." });

const waiting = z.object({ eventPattern: z.string(), eventCondition: z.string().optional(), since: instant });

const compensationState = z
  .object({
    status: z.enum(["IN_PROGRESS", "COMPLETED", "COMPLETED_WITH_ERRORS"]),
    startedAt: instant,
    completedAt: instant.optional(),
    plan: z.array(z.string()),
    completed: z.array(z.string()),
    failed: z.array(z.object({ stepId: z.string(), error: z.string(), timestamp: instant })),
  })
  .meta({ id: "CompensationState" });

const view = {
  id: z.uuid(),
  workflowDefinitionId: z.uuid(),
  workflowId: z.string(),
  namespace: z.string(),
  status,
  currentStepId: z.string().optional(),
  input: z.unknown(),
  output: z.unknown().optional(),
  error: z.unknown().optional(),
  state: z.object({
    variables: z.record(z.string(), z.unknown()),
    currentStepId: z.string().optional(),
    steps: z.record(z.string(), stepView),
    waitingForEvent: waiting.optional(),
  }),
  version: z.int(),
  priority: z.int(),
  startedAt: instant,
  updatedAt: instant,
  completedAt: instant.optional(),
  correlation_id: z.string().optional(),
  correlationId: z.string().optional(),
  startedBy: z.string().optional(),
  triggerEventId: z.string().optional(),
  parentInstanceId: z.uuid().optional().describe("The instance whose WORKFLOW step started this one."),
  originInstanceId: z.uuid().optional().describe("The instance from which this one was restarted."),
  originStepId: z.string().optional().describe("The step of the origin from which this one was restarted."),
  cancelation: z.unknown().optional(),
  compensationState: compensationState.optional(),
};

export const instanceResponse = z
  .object(view)
  .meta({ id: "WorkflowInstance", description: "An instance as it is now, with the last attempt of each step." });

export const startResponse = z
  .object({ ...started, ...z.object(view).omit({ status: true, startedAt: true }).partial().shape })
  .meta({ id: "StartedInstance", description: "With `wait`, and when it ended in time, also all of the instance." });

export const listQuery = z.object({
  status: z
    .string()
    .max(200)
    .optional()
    .describe(`One or more of ${instanceStatuses.join(", ")}, with commas between.`),
  definitionId: key.optional().describe("The id of a version, or a workflowId."),
  correlationId: key.optional(),
  startedAfter: anyInstant.optional(),
  startedBefore: anyInstant.optional(),
  parentInstanceId: z.uuid().optional().describe("Only the children of this instance."),
  limit: z.coerce.number().int().min(1).max(500).default(50),
  cursor: z.string().optional(),
});

export const pageQuery = listQuery.pick({ limit: true, cursor: true });

const summary = z
  .object(view)
  .pick({
    id: true,
    workflowDefinitionId: true,
    workflowId: true,
    namespace: true,
    status: true,
    currentStepId: true,
    correlationId: true,
    parentInstanceId: true,
    priority: true,
    startedAt: true,
    updatedAt: true,
    completedAt: true,
    error: true,
  })
  .meta({ id: "WorkflowInstanceSummary", description: "An instance without its input, output and state." });

export const nextCursor = z
  .string()
  .nullable()
  .describe("Give it as `cursor` to get the next page; null on the last one.");

export const listResponse = z.object({ items: z.array(summary), nextCursor }).meta({ id: "WorkflowInstancePage" });

export const historyItem = z
  .object({
    seq: z.int().describe("Counts the rows of this instance."),
    path: z.string().describe("The step and the number of the visit: `charge`, `charge#2`; `~/` before compensations."),
    stepId: z.string(),
    type: z.string(),
    attempt: z.int(),
    status: z.string(),
    input: z.unknown().optional(),
    output: z.unknown().optional(),
    error: z.unknown().optional(),
    outcome: z.unknown().optional().describe("What was decided with it: successors, variables, due times, warnings."),
    startedAt: instant,
    completedAt: instant.optional(),
    nodeId: z.string(),
    epoch: z.int(),
  })
  .meta({ id: "HistoryItem", description: "One attempt of a step." });

export const historyResponse = z.object({ items: z.array(historyItem), nextCursor }).meta({ id: "HistoryPage" });

export const transitionsResponse = z
  .object({
    items: z.array(
      z.object({
        fromState: z.string().optional(),
        toState: z.string(),
        event: z.string(),
        data: z.unknown().optional(),
        createdAt: instant,
      }),
    ),
    nextCursor,
  })
  .meta({ id: "TransitionPage" });

export const transitionsQuery = listQuery.pick({ limit: true });

export const signalRequest = z
  .object({
    type: key.describe("What waits compare with their eventPattern."),
    payload: z.unknown().optional().describe("What the wait's step gives as its output. Absent: null."),
    idempotencyKey: key.optional().describe("The same key again is the same signal."),
  })
  .meta({ id: "Signal" });

export const signalResponse = z.object({ signalId: z.string() }).meta({ id: "AcceptedSignal" });

export const cancelRequest = z
  .object({
    reason: z.string().min(1).max(4_096),
    compensate: z.boolean().optional().describe("Whether compensation steps run. Default true."),
  })
  .meta({ id: "CancelInstance" });

export const cancelResponse = z
  .object({ instanceId: z.uuid(), status: status.describe("RUNNING while compensations run.") })
  .meta({ id: "CancelledInstance" });

export const instanceReference = z.object({ id: key.describe("The instance's id.") });
