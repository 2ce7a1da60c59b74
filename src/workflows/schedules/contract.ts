/** What crosses the wire for schedules. */
import { z } from "zod";
import { anyInstant, instant, key, priority } from "../instances/contract.ts";
import { scheduleRules } from "./explain.ts";
import { occurrenceStatuses, overlapPolicies, scheduleStatuses } from "./model.ts";
import { scheduleKinds } from "./times.ts";

const duration = z.union([z.int().min(0), z.string().max(64)]).describe("Milliseconds, or ISO 8601 such as PT1H.");
const overlap = z
  .enum(overlapPolicies)
  .describe("What becomes of a time that comes while an instance of the schedule runs.");

const times = {
  cronExpression: z
    .string()
    .min(1)
    .max(255)
    .optional()
    .describe("Five fields (minute hour day month weekday), or six with seconds first."),
  interval: duration.optional().describe("From one time to the next, counted from startDate, else from the creation."),
  executeAt: anyInstant.optional().describe("The only time."),
  timezone: z.string().min(1).max(64).optional().describe("Of the tz database. Default UTC."),
  startDate: anyInstant.optional().describe("No time before it."),
  endDate: anyInstant.optional().describe("No time after it."),
  jitter: duration.optional().describe("Each time is delayed by up to so much, always the same for the same time."),
};

const settings = {
  description: z.string().max(10_000).optional(),
  targetType: z.literal("workflow").optional(),
  targetId: key.describe("The id of a version, or a workflowId."),
  targetVersion: z.string().min(1).max(50).optional().describe("With a workflowId. Absent: the latest active version."),
  ...times,
  overlapPolicy: overlap.optional().describe("Default skip."),
  catchUpWindow: duration
    .optional()
    .describe("What is later than this, because nobody was there to fire it, is missed. Default PT1H."),
  input: z.unknown().optional().describe("With `${…}` over `schedule`, such as ${schedule.plannedAt}."),
  correlationId: key.optional().describe("With `${…}` as well."),
  priority: priority.optional(),
};

const name = z
  .string()
  // What looks like an id would be taken for one.
  .regex(/^(?![0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$)[A-Za-z0-9_][A-Za-z0-9_.:@-]{0,254}$/)
  .describe("Unique in its namespace.");

export const createRequest = z
  .strictObject({ name, ...settings, paused: z.boolean().optional().describe("It begins paused.") })
  .meta({
    id: "NewSchedule",
    description: "With one of cronExpression, interval and executeAt.",
    examples: [
      {
        name: "nightly-report",
        targetId: "report",
        cronExpression: "30 2 * * *",
        timezone: "Europe/Berlin",
        input: { day: "${schedule.localDate}" },
      },
    ],
  });

const version = z.int().min(1).optional().describe("Refused when the schedule has another version by now.");

export const replaceRequest = z
  .strictObject({ name, ...settings, ifVersion: version })
  .meta({ id: "ScheduleReplacement", description: "All settings; what is absent has its default." });

const nullable = <T extends z.ZodType>(schema: T) => schema.nullable().optional();

export const changeRequest = z
  .strictObject({
    name: name.optional(),
    description: nullable(z.string().max(10_000)),
    targetId: key.optional(),
    targetVersion: nullable(z.string().min(1).max(50)),
    cronExpression: times.cronExpression,
    interval: times.interval,
    executeAt: times.executeAt,
    timezone: times.timezone,
    startDate: nullable(anyInstant),
    endDate: nullable(anyInstant),
    jitter: times.jitter,
    overlapPolicy: overlap.optional(),
    catchUpWindow: duration.optional(),
    input: z.unknown().optional(),
    correlationId: nullable(key),
    priority: priority.optional(),
    ifVersion: version,
  })
  .meta({ id: "ScheduleChange", description: "What is absent stays as it is; null takes away." });

export const resumeRequest = z
  .strictObject({
    catchUp: z.boolean().optional().describe("Times since the pause are fired, as far as the catch-up window goes."),
  })
  .meta({ id: "ScheduleResumption" });

export const triggerRequest = z.strictObject({ overlapPolicy: overlap.optional() }).meta({ id: "ScheduleTrigger" });

export const previewRequest = z
  .strictObject({ ...times, count: z.int().min(1).max(100).optional().describe("Default 10.") })
  .meta({ id: "SchedulePreviewRequest", description: "With one of cronExpression, interval and executeAt." });

export const backfillRequest = z
  .strictObject({
    from: anyInstant,
    until: anyInstant,
    overlapPolicy: overlap.optional().describe("Default queue_all: one after the other."),
  })
  .meta({ id: "NewScheduleBackfill", description: "Both ends belong to the range." });

export const scheduleResponse = z
  .object({
    id: z.uuid(),
    namespace: z.string(),
    name: z.string(),
    description: z.string().optional(),
    type: z.enum(["one-time", "recurring"]),
    kind: z.enum(scheduleKinds),
    targetType: z.literal("workflow"),
    targetId: z.string(),
    targetVersion: z.string().optional(),
    cronExpression: z.string().optional(),
    interval: z.number().optional().describe("Milliseconds, as are all durations of answers."),
    executeAt: instant.optional(),
    timezone: z.string(),
    startDate: instant.optional(),
    endDate: instant.optional(),
    jitter: z.number(),
    overlapPolicy: z.enum(overlapPolicies),
    catchUpWindow: z.number(),
    input: z.unknown(),
    correlationId: z.string().optional(),
    priority: z.int(),
    status: z.enum(scheduleStatuses).describe("error: its last occurrence failed; the next is tried again."),
    error: z.string().optional(),
    version: z.int(),
    nextExecution: instant.optional().describe("With jitter."),
    nextPlannedAt: instant.optional(),
    lastExecuted: instant.optional(),
    fired: z.int().describe("Instances that it started."),
    pausedAt: instant.optional(),
    createdBy: z.string().optional(),
    createdAt: instant,
    lastModifiedAt: instant,
  })
  .meta({ id: "Schedule", description: "When a workflow is started, and with what." });

export const pageResponse = z
  .object({ items: z.array(scheduleResponse), nextCursor: z.string().nullable() })
  .meta({ id: "SchedulePage" });

const occurrence = z
  .object({
    plannedAt: instant,
    status: z.enum(occurrenceStatuses),
    cause: z.enum(["schedule", "manual", "backfill"]),
    reason: z.string().optional(),
    instanceId: z.uuid().optional(),
    backfillId: z.uuid().optional(),
    occurredAt: instant,
  })
  .meta({ id: "ScheduleOccurrence", description: "What became of one planned time." });

export const occurrencePageResponse = z
  .object({ items: z.array(occurrence), nextCursor: z.string().nullable() })
  .meta({ id: "ScheduleOccurrencePage" });

export const upcomingResponse = z
  .object({ items: z.array(z.object({ plannedAt: instant, dueAt: instant })), nextCursor: z.null() })
  .meta({ id: "UpcomingTimes", description: "Planned times, and when each falls due." });

export const triggeredResponse = z
  .object({ scheduleId: z.uuid(), plannedAt: instant.describe("By which its occurrence is found.") })
  .meta({ id: "TriggeredSchedule" });

export const backfillResponse = z
  .object({
    id: z.uuid(),
    status: z.enum(["running", "completed", "cancelled"]),
    from: instant,
    until: instant,
    overlapPolicy: z.enum(overlapPolicies),
    total: z.int(),
    done: z.int(),
    counts: z.record(z.string(), z.int()).describe("Occurrences by their status."),
    requestedBy: z.string().optional(),
    createdAt: instant,
    cancelledAt: instant.optional(),
  })
  .meta({ id: "ScheduleBackfill" });

export const backfillPageResponse = z
  .object({ items: z.array(backfillResponse), nextCursor: z.string().nullable() })
  .meta({ id: "ScheduleBackfillPage" });

export const whyResponse = z
  .object({
    items: z.array(
      z.object({
        rule: z.enum(scheduleRules),
        message: z.string(),
        instanceId: z.uuid().optional(),
        until: instant.optional(),
      }),
    ),
    nextCursor: z.null(),
  })
  .meta({ id: "ScheduleWhy" });

const page = { limit: z.int().min(1).max(500).default(50), cursor: z.string().optional() };

export const listQuery = z.strictObject({
  status: z.enum(scheduleStatuses).optional(),
  targetId: key.optional().describe("Only those of this workflow, as the schedules name it."),
  name: key.optional().describe("A part of the name, in any case."),
  ...page,
});

export const occurrenceQuery = z.strictObject({
  status: z.enum(occurrenceStatuses).optional(),
  backfillId: z.uuid().optional(),
  ...page,
});

export const pageQuery = z.strictObject(page);

export const nextQuery = z.strictObject({ count: z.int().min(1).max(100).default(10) });

export const reference = z.strictObject({ id: key.describe("The id of a schedule, or its name.") });
export const backfillReference = reference.extend({ backfillId: z.uuid() });
