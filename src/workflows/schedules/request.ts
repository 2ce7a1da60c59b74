/** What requests say, as settings: durations and instants are read, and there is exactly one kind of times. */
import type { z } from "zod";
import type { Json } from "../../engine/index.ts";
import { parseDuration } from "../../foundation/duration.ts";
import type { InputError } from "../../foundation/errors.ts";
import { instantOf, priorityOf } from "../instances/request.ts";
import type * as contract from "./contract.ts";
import { scheduleErrors } from "./errors.ts";
import type { ScheduleSettings } from "./model.ts";
import { settingsDefaults } from "./operations.ts";

type Create = z.output<typeof contract.createRequest>;
type Change = z.output<typeof contract.changeRequest>;
type Preview = z.output<typeof contract.previewRequest>;

/** Settings of a request that gives all of them. */
export function settingsOfRequest(body: Omit<Create, "paused">): ScheduleSettings {
  return changed({ ...settingsDefaults, kind: kindOf(body), name: body.name, targetId: body.targetId }, body);
}

/** Settings with what a request changes of them. */
export function changedSettings(before: ScheduleSettings, body: Omit<Change, "ifVersion">): ScheduleSettings {
  const given = timesGiven(body);
  if (given.length === 0) return changed(before, body);
  const kind = kindOf(body);
  return changed({ ...before, kind, cronExpression: null, intervalMs: null, executeAt: null }, body);
}

/** Settings that are not stored: only their times matter. */
export function settingsOfPreview(body: Omit<Preview, "count">): ScheduleSettings {
  return changed({ ...settingsDefaults, kind: kindOf(body), name: "preview", targetId: "" }, body);
}

function changed(before: ScheduleSettings, body: Partial<Change>): ScheduleSettings {
  const { interval, executeAt, startDate, endDate, jitter, catchUpWindow, input, priority, ...rest } = body;
  const { ifVersion: _, ...plain } = rest;
  return {
    ...before,
    ...defined({
      name: plain.name,
      description: plain.description,
      targetId: plain.targetId,
      targetVersion: plain.targetVersion,
      cronExpression: plain.cronExpression,
      timezone: plain.timezone,
      overlapPolicy: plain.overlapPolicy,
      correlationId: plain.correlationId,
      intervalMs: durationOf(interval, "/interval"),
      executeAt: instantOf(executeAt, "/executeAt"),
      startDate: startDate === null ? null : instantOf(startDate, "/startDate"),
      endDate: endDate === null ? null : instantOf(endDate, "/endDate"),
      jitterMs: durationOf(jitter, "/jitter"),
      catchUpMs: durationOf(catchUpWindow, "/catchUpWindow"),
      input: input as Json | undefined,
      priority: priorityOf(priority),
    }),
  };
}

function defined<T extends object>(given: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as never;
}

const kinds = [
  ["cronExpression", "cron"],
  ["interval", "interval"],
  ["executeAt", "once"],
] as const;

function timesGiven(body: Partial<Change>) {
  return kinds.filter(([name]) => body[name] !== undefined);
}

function kindOf(body: Partial<Change>): ScheduleSettings["kind"] {
  const given = timesGiven(body);
  const [only, other] = given;
  if (only !== undefined && other === undefined) return only[1];
  const message = only === undefined ? "has no times" : `has ${given.map(([name]) => name).join(" and ")}`;
  throw invalid({
    pointer: other === undefined ? "" : `/${other[0]}`,
    message,
    expected: "one of cronExpression, interval, executeAt",
  });
}

function durationOf(value: number | string | undefined, pointer: string): number | undefined {
  if (value === undefined) return undefined;
  try {
    return parseDuration(value);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw invalid({ pointer, message, expected: "milliseconds, or a duration such as PT1H" });
  }
}

function invalid(error: InputError): Error {
  const detail = `${error.pointer} ${error.message}`.trim();
  return scheduleErrors.schedule_invalid(`The schedule cannot be used: ${detail}.`, { errors: [error] });
}
