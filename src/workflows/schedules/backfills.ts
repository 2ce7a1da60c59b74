/**
 * Backfills: past times of a schedule that are fired by hand, in their order. All its times go into the inbox of the
 * schedule's home in the transaction that accepts it, some in each row, so it needs nobody to drive it and survives
 * every crash; what its rows in the inbox still hold is what is left to do.
 */
import type { OverlapPolicy } from "../../engine/index.ts";
import type { Db } from "../../foundation/database/index.ts";
import { slotOf, uuidv7 } from "../../foundation/ids.ts";
import { scheduleErrors } from "./errors.ts";
import { nextOf } from "./model.ts";
import { lockSchedule, type Post, type Reference, readRow } from "./operations.ts";
import * as queries from "./queries.ts";
import type { NextTime } from "./times.ts";
import { type BackfillView, backfillViewOf } from "./views.ts";

/** Planned times of one backfill. */
export const mostTimes = 5_000;
/** Of one row in the inbox, and so of one flush. */
const pageSize = 50;
const newestId = "ffffffff-ffff-ffff-ffff-ffffffffffff";

/**
 * Fires the planned times in a range (both ends included) that have not run and do not wait to. By default one after the
 * other.
 */
export async function startBackfill(
  tx: Db,
  given: Reference & { from: string; until: string; overlap: OverlapPolicy; requestedBy: string; post: Post },
): Promise<{ scheduleId: string; backfill: BackfillView }> {
  const { namespace, overlap, requestedBy, post } = given;
  const row = await lockSchedule(tx, given);
  const { id: scheduleId } = row;
  const [from, until] = [Date.parse(given.from), Math.min(Date.parse(given.until), Date.parse(row.now))];
  if (until < from)
    throw rangeInvalid("/until", "is before the start of the range, or the range is not past", "a past range");
  const at = [scheduleId, slotOf(scheduleId)];
  const [busy] = await tx.query<{ running: boolean }>(queries.isBackfillRunning, at);
  if (busy?.running === true) {
    throw scheduleErrors.backfill_running(`A backfill of ${row.name} is under way; wait for its end, or cancel it.`);
  }
  const bounds = [new Date(from).toISOString(), new Date(until).toISOString()];
  const [decided] = await tx.query<{ ran: number[]; timers: string[] | null }>(queries.readDecided, [...at, ...bounds]);
  const ran = new Set(decided!.ran);
  const next = nextOf({ ...row, startDate: row.kind === "interval" ? row.startDate : null }, row.anchorAt);
  const before = undecidedFrom(row, { timers: decided!.timers ?? [], next });
  const times: number[] = [];
  for (let time = next(from - 1); time !== undefined && time <= until && time < before; time = next(time)) {
    if (!ran.has(time)) times.push(time);
    if (times.length > mostTimes || ran.size + times.length > 4 * mostTimes) {
      throw rangeInvalid("/until", `has more than ${mostTimes} planned times`, "a shorter range");
    }
  }
  if (times.length === 0) {
    throw rangeInvalid("/from", "has no planned time that has not run already", "a range in which the schedule fires");
  }
  const id = uuidv7(Date.parse(row.now));
  await tx.execute(queries.insertBackfill, [id, namespace, scheduleId, ...bounds, overlap, times.length, requestedBy]);
  for (let page = 0; page < times.length; page += pageSize) {
    const plannedAt = times.slice(page, page + pageSize);
    await post(tx, { scheduleId, fact: { kind: "backfill", backfillId: id, plannedAt, overlap } });
  }
  return { scheduleId, backfill: await readBackfill(tx, { scheduleId, backfillId: id }) };
}

/** What the schedule's home has not decided yet, it will decide; a backfill would fire it a second time. */
function undecidedFrom(
  row: queries.HomeRow & { now: string },
  { timers, next }: { timers: readonly string[]; next: NextTime },
): number {
  if (row.stored === "paused") return Date.parse(row.pausedAt ?? row.now) + 1;
  const armed = timers.map((key) => key.split(" ").map(Number)).find(([, revision]) => revision === row.revision);
  if (armed !== undefined) return armed[2]!;
  // Either it is over, or its home has yet to hear of the last change.
  return next(Date.parse(row.now)) === undefined ? Number.POSITIVE_INFINITY : Date.parse(row.plannedFrom) + 1;
}

/** What it has not begun, it does not begin. */
export async function cancelBackfill(
  tx: Db,
  given: Reference & { backfillId: string; post: Post },
): Promise<{ scheduleId: string; backfill: BackfillView }> {
  const { id: scheduleId } = await lockSchedule(tx, given);
  const { backfillId } = given;
  const backfill = await readBackfill(tx, { scheduleId, backfillId });
  if (backfill.status !== "running") return { scheduleId, backfill };
  await tx.execute(queries.cancelBackfill, [scheduleId, backfillId]);
  await given.post(tx, { scheduleId, fact: { kind: "changed" } });
  return { scheduleId, backfill: await readBackfill(tx, { scheduleId, backfillId }) };
}

export async function getBackfill(db: Db, given: Reference & { backfillId: string }): Promise<BackfillView> {
  const { id: scheduleId } = await readRow(db, given);
  return await readBackfill(db, { scheduleId, backfillId: given.backfillId });
}

export async function listBackfills(
  db: Db,
  given: Reference & { before?: string | undefined; limit: number },
): Promise<{ items: BackfillView[]; next: string | undefined }> {
  const { before = newestId, limit } = given;
  const { id } = await readRow(db, given);
  const rows = await db.query<queries.BackfillRow>(queries.listBackfills, [id, slotOf(id), before, limit + 1]);
  const items = rows.slice(0, limit).map(backfillViewOf);
  return { items, next: rows.length > limit ? items.at(-1)!.id : undefined };
}

async function readBackfill(
  db: Db,
  { scheduleId, backfillId }: { scheduleId: string; backfillId: string },
): Promise<BackfillView> {
  const values = [scheduleId, slotOf(scheduleId), backfillId];
  const [row] = await db.query<queries.BackfillRow>(queries.readBackfill, values);
  if (row === undefined) throw scheduleErrors.backfill_not_found(`The schedule has no backfill ${backfillId}.`);
  return backfillViewOf(row);
}

function rangeInvalid(pointer: string, message: string, expected: string): Error {
  return scheduleErrors.range_invalid(`The range ${message}.`, { errors: [{ pointer, message, expected }] });
}
