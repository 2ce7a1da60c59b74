/** Schedules as the engine is handed them: the rows as they are now, and pure functions over them. */
import type { HomeSchedule, ScheduleSource } from "../../engine/index.ts";
import type { Db } from "../../foundation/database/index.ts";
import { dueAtOf, fillTemplates, nextOf, scopeOf, timesSpecOf } from "./model.ts";
import { decide } from "./plan.ts";
import * as queries from "./queries.ts";
import { lastTimeOf } from "./times.ts";

/** Every look at a schedule reads its row, so what was changed is never fired as it was. */
export function createScheduleSource(db: Db): ScheduleSource {
  return {
    async load(ids) {
      const [rows, cancelled] = await Promise.all([
        db.query<queries.HomeRow>(queries.readHomes, [ids]),
        db.query<{ id: string }>(queries.readCancelledBackfills, [ids]),
      ]);
      const gone = new Set(cancelled.map(({ id }) => id));
      return new Map(rows.map((row) => [row.id, homeOf(row, gone)]));
    },
  };
}

function homeOf(row: queries.HomeRow, cancelledBackfills: ReadonlySet<string>): HomeSchedule {
  const { id, namespace, targetId: ref, targetVersion, priority } = row;
  const last = lastTimeOf(timesSpecOf(row, row.anchorAt));
  const planned = {
    id,
    paused: row.stored === "paused",
    revision: row.revision,
    plannedFrom: Date.parse(row.plannedFrom),
    overlap: row.overlapPolicy,
    catchUpMs: row.catchUpMs,
    next: nextOf(row, row.anchorAt),
    over: last !== undefined && last + row.jitterMs + row.catchUpMs < Date.now(),
    dueAt: dueAtOf(row),
    isCancelled: (backfillId: string) => cancelledBackfills.has(backfillId),
  };
  return {
    namespace,
    decide: (given) => decide(planned, given),
    start({ plannedAt, backfillId, now }) {
      const filled = fillTemplates(row, scopeOf(row, { plannedAt, firedAt: now, backfillId }));
      const version = targetVersion === null ? {} : { version: targetVersion };
      return { ref, ...version, ...filled, priority, startedBy: `schedule:${id}` };
    },
  };
}
