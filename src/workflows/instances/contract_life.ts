/** What crosses the wire for what happens to an instance between its start and its end, and for what it tells of it. */
import { z } from "zod";
import { logLevels, whyRules } from "../../engine/index.ts";
import { instant, key, nextCursor, pageQuery, priority, started, status } from "./contract.ts";

const stepId = key.describe("A stepId of the definition.");
const outputs = z
  .record(z.string(), z.unknown())
  .describe("By stepId: what steps that are carried over gave, in the place of what they did give.");

export const lifeResponse = z
  .object({ instanceId: z.uuid(), status: status.describe("As it was before while its owner has not decided yet.") })
  .meta({ id: "InstanceChange", description: "The request was accepted." });

export const restartRequest = z
  .object({
    fromStepId: stepId.describe(
      "A step of the workflow itself, not of a branch or an item. What came before is carried over and not run again.",
    ),
    input: z.unknown().optional().describe("Absent: the input of the origin."),
    outputs: outputs.optional(),
    version: z.string().min(1).max(50).optional().describe("Of the same workflow. Absent: that of the origin."),
    idempotencyKey: z
      .string()
      .min(1)
      .max(255)
      .optional()
      .describe("The same key again is the same restart; the header Idempotency-Key is the same."),
  })
  .meta({ id: "RestartInstance" });

export const restartResponse = z
  .object(started)
  .meta({ id: "RestartedInstance", description: "The new instance, whose `originInstanceId` is the old one." });

export const skipRequest = z
  .object({ stepId: stepId.describe("A step that is under way or has not begun.") })
  .meta({ id: "SkipStep" });

export const priorityRequest = z.object({ priority }).meta({ id: "ChangePriority" });

export const migrateRequest = z
  .object({
    version: z.string().min(1).max(50).describe("Of the same workflow."),
    dryRun: z.boolean().optional().describe("Only tells whether it could be done."),
  })
  .meta({ id: "MigrateInstance" });

export const migrateResponse = z
  .object({
    instanceId: z.uuid(),
    status,
    possible: z.boolean().describe("Whether it can be done; without `dryRun`: it has been."),
    problems: z.array(
      z.object({
        stepId: z.string().optional().describe("The step that is in the way."),
        message: z.string(),
        expected: z.string().describe("What would be right."),
      }),
    ),
  })
  .meta({ id: "Migration" });

export const whyResponse = z
  .object({
    items: z.array(
      z.object({
        stepId: z.string().optional(),
        path: z.string().optional().describe("Where the step stands, with branches, items and visits."),
        rule: z.enum(whyRules),
        since: instant,
        until: instant.optional().describe("When the rule ends by itself, if it does."),
        detail: z.string().describe("The rule in words, with what it looks at."),
      }),
    ),
  })
  .meta({ id: "WhyWaiting", description: "Why something of the instance is not running; empty when it has ended." });

export const logsFilter = z.object({
  level: z.enum(logLevels).optional().describe("This level and the more serious ones."),
  stepId: key.optional(),
  search: z.string().min(1).max(255).optional().describe("A part of the message, in whatever case."),
});

export const logsQuery = z.object({ ...logsFilter.shape, ...pageQuery.shape });

const logItem = z
  .object({
    id: z.string().describe("In the order of time."),
    level: z.enum(logLevels),
    message: z.string(),
    details: z.unknown().optional(),
    source: z.string().describe("`task` where a handler wrote it, `engine` where the engine did."),
    stepId: z.string().optional(),
    path: z.string().optional(),
    attempt: z.int().optional(),
    at: instant,
  })
  .meta({ id: "LogItem", description: "One line of an instance's log." });

export const logsResponse = z.object({ items: z.array(logItem), nextCursor }).meta({ id: "LogPage" });

const count = z.int().min(0);
const durationMs = z.number().min(0).describe("Milliseconds.");

export const statisticsResponse = z
  .object({
    workflowId: z.string(),
    definitionId: z.uuid().optional().describe("The version that was asked for; absent: all versions together."),
    version: z.string().optional(),
    started: count,
    completed: count,
    failed: count,
    cancelled: count,
    open: count.describe("Started and not ended."),
    duration: z
      .object({ p50: durationMs, p95: durationMs, p99: durationMs })
      .nullable()
      .describe("From start to end of instances that ended; null when none has."),
    failures: z
      .array(z.object({ stepId: z.string(), code: z.string(), count }))
      .describe("What instances failed by, the most frequent first."),
    since: instant.nullable().describe("Since when it is counted; null when nothing was counted yet."),
  })
  .meta({ id: "WorkflowStatistics", description: "Counted as instances start and end." });
