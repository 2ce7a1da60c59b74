/**
 * The verbs on schedules. Those that change something need an open transaction, and tell the schedule's home in it;
 * whoever calls wakes the home after the commit.
 */
import type { Json, ScheduleFact } from "../../engine/index.ts";
import type { Db } from "../../foundation/database/index.ts";
import type { AppError } from "../../foundation/errors.ts";
import { isUuid, uuidv7 } from "../../foundation/ids.ts";
import { resolveDefinition } from "../read.ts";
import { faultsOf } from "./check.ts";
import { scheduleErrors } from "./errors.ts";
import { isoOf, type ScheduleSettings, timeSettings, timesSpecOf } from "./model.ts";
import * as queries from "./queries.ts";
import { lastTimeOf } from "./times.ts";
import { type ScheduleView, viewOf } from "./views.ts";

/** How the home of a schedule is told something, in the caller's transaction. */
export type Post = (tx: Db, what: { scheduleId: string; fact: ScheduleFact }) => Promise<void>;

export interface Reference {
  namespace: string;
  /** The id of a schedule, or its name. */
  ref: string;
}

export const settingsDefaults = {
  description: null,
  targetType: "workflow",
  targetVersion: null,
  cronExpression: null,
  intervalMs: null,
  executeAt: null,
  timezone: "UTC",
  startDate: null,
  endDate: null,
  jitterMs: 0,
  overlapPolicy: "skip",
  catchUpMs: 3_600_000,
  input: {} as Json,
  correlationId: null,
  priority: 5,
} as const;

/** Stores a schedule, which fires from now on. Refuses all faults of it at once. */
export async function createSchedule(
  tx: Db,
  given: { namespace: string; settings: ScheduleSettings; paused?: boolean; createdBy: string; post: Post },
): Promise<ScheduleView> {
  const { namespace, settings, paused = false, createdBy, post } = given;
  const nowMs = Date.now();
  const now = isoOf(nowMs);
  await refuseFaults(tx, { namespace, settings, anchorAt: now, nowMs });
  const id = uuidv7(nowMs);
  const { rowCount } = await tx.execute(queries.insertSchedule, [
    id,
    namespace,
    ...valuesOf(settings),
    now,
    paused ? "paused" : "active",
    paused ? now : null,
    finalOf(settings, now),
    createdBy,
  ]);
  if (rowCount === 0) throw nameTaken(settings.name);
  await post(tx, { scheduleId: id, fact: { kind: "changed" } });
  return await readSchedule(tx, { namespace, id });
}

/** Replaces its settings. Times that the old ones planned before now are still fired. */
export async function changeSchedule(
  tx: Db,
  given: Reference & { change(before: ScheduleSettings): ScheduleSettings; ifVersion?: number | undefined; post: Post },
): Promise<ScheduleView> {
  const { namespace, change, ifVersion, post } = given;
  const row = await lockSchedule(tx, given);
  if (ifVersion !== undefined && ifVersion !== row.version) {
    throw scheduleErrors.version_changed(`Schedule ${row.name} has version ${row.version}, not ${ifVersion}.`, {
      details: { version: row.version },
    });
  }
  const before = settingsOf(row);
  const settings = change(before);
  const retimed = timeSettings.some((name) => settings[name] !== before[name]);
  const anchorAt = retimed && settings.intervalMs !== before.intervalMs ? row.now : row.anchorAt;
  // One whose times are over may still be renamed.
  const nowMs = retimed ? Date.parse(row.now) : Math.min(Date.parse(row.now), Date.parse(row.plannedFrom));
  await refuseFaults(tx, { namespace, settings, anchorAt, nowMs });
  const [asked] = await tx.query<{ taken: boolean }>(queries.isNameTaken, [namespace, settings.name, row.id]);
  if (asked?.taken === true) throw nameTaken(settings.name);
  await update(tx, {
    ...row,
    ...settings,
    anchorAt,
    ...(retimed ? { plannedFrom: row.now, revision: row.revision + 1 } : {}),
  });
  await post(tx, { scheduleId: row.id, fact: { kind: "changed" } });
  return await readSchedule(tx, { namespace, id: row.id });
}

/** No planned time is fired any more. Changes nothing where it is paused already. */
export async function pauseSchedule(tx: Db, given: Reference & { post: Post }): Promise<ScheduleView> {
  const row = await lockSchedule(tx, given);
  if (row.stored === "active") {
    const revision = row.revision + 1;
    await update(tx, { ...row, stored: "paused", plannedFrom: row.now, pausedAt: row.now, revision });
    await given.post(tx, { scheduleId: row.id, fact: { kind: "changed" } });
  }
  return await readSchedule(tx, { namespace: given.namespace, id: row.id });
}

/**
 * Planned times are fired again: those from now on, or with `catchUp` those since the pause too, as far as the catch-up
 * window goes. Without it, what passed meanwhile is recorded as skipped.
 */
export async function resumeSchedule(
  tx: Db,
  given: Reference & { catchUp: boolean; post: Post },
): Promise<ScheduleView> {
  const row = await lockSchedule(tx, given);
  if (row.stored === "paused") {
    const { pausedAt, now } = row;
    const plannedFrom = given.catchUp ? (pausedAt ?? now) : now;
    await update(tx, { ...row, stored: "active", plannedFrom, pausedAt: null, revision: row.revision + 1 });
    const passed = { skippedAfter: Date.parse(pausedAt ?? now), skippedUntil: Date.parse(now) };
    await given.post(tx, { scheduleId: row.id, fact: { kind: "changed", ...(given.catchUp ? {} : passed) } });
  }
  return await readSchedule(tx, { namespace: given.namespace, id: row.id });
}

/** Its occurrences stay as long as retention keeps them; instances go on. */
export async function deleteSchedule(tx: Db, given: Reference & { post: Post }): Promise<string> {
  const { id } = await lockSchedule(tx, given);
  await tx.execute(queries.deleteSchedule, [id]);
  await given.post(tx, { scheduleId: id, fact: { kind: "changed" } });
  return id;
}

/** Fires it now, paused or not. The overlap policy is the schedule's, or another for this once. */
export async function triggerSchedule(
  tx: Db,
  given: Reference & { overlap?: ScheduleSettings["overlapPolicy"] | undefined; by: string; post: Post },
): Promise<{ scheduleId: string; plannedAt: string }> {
  const { id: scheduleId } = await lockSchedule(tx, given);
  const [row] = await tx.query<{ plannedAt: string }>(queries.takeTriggerTime, [scheduleId]);
  const { plannedAt } = row!;
  const { overlap, by } = given;
  const fact = { kind: "trigger" as const, plannedAt: Date.parse(plannedAt), by };
  await given.post(tx, { scheduleId, fact: overlap === undefined ? fact : { ...fact, overlap } });
  return { scheduleId, plannedAt };
}

export async function getSchedule(db: Db, { namespace, ref }: Reference): Promise<ScheduleView> {
  const id = await idOf(db, { namespace, ref });
  return await readSchedule(db, { namespace, id });
}

export async function listSchedules(
  db: Db,
  filter: queries.ListFilter,
): Promise<{ items: ScheduleView[]; next: string | undefined }> {
  const rows = await queries.listScheduleRows(db, { ...filter, limit: filter.limit + 1 });
  const items = rows.slice(0, filter.limit).map((row) => viewOf(row, Date.now()));
  return { items, next: rows.length > filter.limit ? items.at(-1)!.id : undefined };
}

/** The row, which stays as it is until the transaction ends; with the transaction's time. */
export async function lockSchedule(tx: Db, { namespace, ref }: Reference): Promise<queries.HomeRow & { now: string }> {
  const id = await idOf(tx, { namespace, ref });
  const [row] = await tx.query<queries.HomeRow & { now: string }>(queries.lockSchedule, [namespace, id]);
  if (row === undefined) throw notFound(ref);
  return row;
}

export async function readRow(db: Db, { namespace, ref }: Reference): Promise<queries.ScheduleRow> {
  const id = await idOf(db, { namespace, ref });
  const [row] = await db.query<queries.ScheduleRow>(queries.readSchedule, [namespace, id]);
  if (row === undefined) throw notFound(ref);
  return row;
}

/** Every fault of settings that are to fire from `nowMs` on. */
export async function refuseFaults(
  db: Db,
  what: { namespace: string; settings: ScheduleSettings; anchorAt: string; nowMs: number },
): Promise<void> {
  const { namespace, settings, anchorAt, nowMs } = what;
  const errors = faultsOf(settings, { anchorAt, nowMs });
  const { targetId: ref, targetVersion } = settings;
  try {
    await resolveDefinition(db, { namespace, ref, ...(targetVersion === null ? {} : { version: targetVersion }) });
  } catch (error) {
    if (!isRefusal(error)) throw error;
    errors.push({
      pointer: "/targetId",
      message: error.message,
      expected: "a workflow with an active version, or the id of a version that may be started",
    });
  }
  const [first] = errors;
  if (first === undefined) return;
  const detail = errors.length === 1 ? `${first.pointer} ${first.message}` : `there are ${errors.length} faults`;
  throw scheduleErrors.schedule_invalid(`The schedule cannot be used: ${detail}.`, { errors });
}

function isRefusal(error: unknown): error is AppError {
  const kind: unknown = error instanceof Error ? Reflect.get(error, "kind") : undefined;
  return kind === "not_found" || kind === "conflict";
}

async function readSchedule(db: Db, { namespace, id }: { namespace: string; id: string }): Promise<ScheduleView> {
  return viewOf(await readRow(db, { namespace, ref: id }), Date.now());
}

async function idOf(db: Db, { namespace, ref }: Reference): Promise<string> {
  if (isUuid(ref)) return ref.toLowerCase();
  const [row] = await db.query<{ id: string }>(queries.findSchedule, [namespace, ref]);
  if (row === undefined) throw notFound(ref);
  return row.id;
}

async function update(tx: Db, row: queries.HomeRow): Promise<void> {
  const settings = settingsOf(row);
  await tx.execute(queries.updateSchedule, [
    row.id,
    ...valuesOf(settings),
    row.anchorAt,
    row.stored,
    row.plannedFrom,
    row.pausedAt,
    finalOf(settings, row.anchorAt),
    row.revision,
  ]);
}

function finalOf(settings: ScheduleSettings, anchorAt: string): string | null {
  const last = lastTimeOf(timesSpecOf(settings, anchorAt));
  return last === undefined ? null : isoOf(last);
}

/** In the order of the statements. */
function valuesOf(s: ScheduleSettings): unknown[] {
  const target = [s.targetType, s.targetId, s.targetVersion];
  const times = [s.cronExpression, s.intervalMs, s.executeAt, s.timezone, s.startDate, s.endDate, s.jitterMs];
  const start = [JSON.stringify(s.input), s.correlationId, s.priority];
  return [s.name, s.description, s.kind, ...target, ...times, s.overlapPolicy, s.catchUpMs, ...start];
}

export function settingsOf(row: ScheduleSettings): ScheduleSettings {
  const { name, description, kind, targetType, targetId, targetVersion, cronExpression, intervalMs, executeAt } = row;
  const { timezone, startDate, endDate, jitterMs, overlapPolicy, catchUpMs, input, correlationId, priority } = row;
  return {
    ...{ name, description, kind, targetType, targetId, targetVersion, cronExpression, intervalMs, executeAt },
    ...{ timezone, startDate, endDate, jitterMs, overlapPolicy, catchUpMs, input, correlationId, priority },
  };
}

function nameTaken(name: string): AppError {
  return scheduleErrors.name_taken(`There is a schedule named ${name} in this namespace; choose another name.`);
}

export function notFound(ref: string): AppError {
  return scheduleErrors.schedule_not_found(`There is no schedule ${ref.slice(0, 255)}.`);
}
