/** Reading what is planned and what became of it. */
import type { OccurrenceStatus } from "../../engine/index.ts";
import type { Db } from "../../foundation/database/index.ts";
import { faultsOf, upcoming } from "./check.ts";
import { scheduleErrors } from "./errors.ts";
import { isoOf, type ScheduleSettings } from "./model.ts";
import { type Reference, readRow } from "./operations.ts";
import * as queries from "./queries.ts";
import { type OccurrenceView, occurrenceViewOf } from "./views.ts";

export interface Upcoming {
  plannedAt: string;
  dueAt: string;
}

/** The next times of settings that are not stored; their jitter will be another when they are. */
export function previewTimes(settings: ScheduleSettings, count: number): Upcoming[] {
  const nowMs = Date.now();
  const anchorAt = isoOf(nowMs);
  const errors = faultsOf(settings, { anchorAt, nowMs });
  if (errors.length > 0)
    throw scheduleErrors.schedule_invalid(`The times cannot be used: ${errors[0]!.pointer} ${errors[0]!.message}.`, {
      errors,
    });
  return upcoming({ ...settings, id: "", anchorAt }, { after: nowMs, count });
}

export async function nextTimes(db: Db, { count, ...reference }: Reference & { count: number }): Promise<Upcoming[]> {
  const row = await readRow(db, reference);
  return upcoming(row, { after: Math.max(Date.now(), Date.parse(row.plannedFrom)), count });
}

export async function listOccurrences(
  db: Db,
  given: Reference & { status?: OccurrenceStatus; backfillId?: string; before?: string; limit: number },
): Promise<{ items: OccurrenceView[]; next: string | undefined }> {
  const { namespace, ref, ...filter } = given;
  const { id: scheduleId } = await readRow(db, { namespace, ref });
  const rows = await queries.listOccurrenceRows(db, { ...filter, scheduleId, limit: filter.limit + 1 });
  const items = rows.slice(0, filter.limit).map((row) => occurrenceViewOf(row, scheduleId));
  return { items, next: rows.length > filter.limit ? items.at(-1)!.plannedAt : undefined };
}
