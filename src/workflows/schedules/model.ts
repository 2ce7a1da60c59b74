/** What a schedule is: its settings as they are stored, and what follows from them. No I/O. */
import type { Json, OverlapPolicy } from "../../engine/index.ts";
import { compileTemplate } from "../../foundation/expressions/index.ts";
import { jitterOf, type NextTime, nextTimeOf, type ScheduleKind, type TimesSpec } from "./times.ts";

export const overlapPolicies = ["allow", "skip", "queue_one", "queue_all", "cancel_running"] as const;
export const occurrenceStatuses = ["fired", "late", "skipped", "missed", "queued", "failed"] as const;
export const scheduleStatuses = ["active", "paused", "completed", "error"] as const;
export type ScheduleStatus = (typeof scheduleStatuses)[number];

/** What people set; instants are ISO 8601 in UTC with milliseconds. */
export interface ScheduleSettings {
  name: string;
  description: string | null;
  kind: ScheduleKind;
  targetType: "workflow";
  targetId: string;
  targetVersion: string | null;
  cronExpression: string | null;
  intervalMs: number | null;
  executeAt: string | null;
  timezone: string;
  startDate: string | null;
  endDate: string | null;
  jitterMs: number;
  overlapPolicy: OverlapPolicy;
  catchUpMs: number;
  input: Json;
  correlationId: string | null;
  priority: number;
}

/** Those on which its times depend. */
export const timeSettings = [
  "kind",
  "cronExpression",
  "intervalMs",
  "executeAt",
  "timezone",
  "startDate",
  "endDate",
  "jitterMs",
] as const satisfies readonly (keyof ScheduleSettings)[];

export function timesSpecOf(settings: ScheduleSettings, anchorAt: string): TimesSpec {
  const { kind, cronExpression, intervalMs, executeAt, timezone, startDate, endDate } = settings;
  return {
    kind,
    timezone,
    cronExpression: cronExpression ?? undefined,
    intervalMs: intervalMs ?? undefined,
    executeAt: msOf(executeAt),
    startAt: msOf(startDate),
    endAt: msOf(endDate),
    anchorAt: Date.parse(startDate ?? anchorAt),
  };
}

export function nextOf(settings: ScheduleSettings, anchorAt: string): NextTime {
  return nextTimeOf(timesSpecOf(settings, anchorAt));
}

export function dueAtOf(schedule: { id: string; jitterMs: number }): (plannedAt: number) => number {
  return (plannedAt) => plannedAt + jitterOf(schedule, plannedAt);
}

/** What expressions see as `schedule`. */
export interface ScheduleScope {
  id: string;
  name: string;
  namespace: string;
  timezone: string;
  /** The time for which it fires, and when it does. */
  plannedAt: string;
  firedAt: string;
  /** Of the planned time, in the schedule's zone: `2030-01-31` and `09:00:00`. */
  localDate: string;
  localTime: string;
  /** Of the backfill that asked for it. */
  backfillId: string | null;
}

export function scopeOf(
  schedule: { id: string; name: string; namespace: string; timezone: string },
  what: { plannedAt: number; firedAt: number; backfillId: string | null },
): { schedule: ScheduleScope } {
  const { id, name, namespace, timezone } = schedule;
  const parts = new Intl.DateTimeFormat("en-CA", {
    timeZone: timezone,
    hourCycle: "h23",
    ...{ year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", second: "2-digit" },
  } as const).formatToParts(what.plannedAt);
  const part = (type: string) => parts.find((one) => one.type === type)?.value ?? "";
  return {
    schedule: {
      id,
      name,
      namespace,
      timezone,
      plannedAt: isoOf(what.plannedAt),
      firedAt: isoOf(what.firedAt),
      localDate: `${part("year")}-${part("month")}-${part("day")}`,
      localTime: `${part("hour")}:${part("minute")}:${part("second")}`,
      backfillId: what.backfillId === id ? null : what.backfillId,
    },
  };
}

/** The input and correlation of one start. Throws `ExpressionError`. */
export function fillTemplates(
  { input, correlationId }: Pick<ScheduleSettings, "input" | "correlationId">,
  scope: { schedule: ScheduleScope },
): { input: Json; correlationId: string | null } {
  const filled = compileTemplate({ input, correlationId }).evaluate({ ...scope }) as {
    input: Json;
    correlationId: Json;
  };
  const correlation = filled.correlationId;
  if (correlation === null) return { input: filled.input, correlationId: null };
  const text = typeof correlation === "string" ? correlation : JSON.stringify(correlation);
  return { input: filled.input, correlationId: text.slice(0, 255) };
}

export function isoOf(ms: number): string {
  return new Date(ms).toISOString();
}

function msOf(instant: string | null): number | undefined {
  return instant === null ? undefined : Date.parse(instant);
}
