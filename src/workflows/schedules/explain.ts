/** Why a schedule does what it does now: the rules that hold, the weightiest first. */

import type { Db } from "../../foundation/database/index.ts";
import { slotOf } from "../../foundation/ids.ts";
import { type Reference, readRow } from "./operations.ts";
import * as queries from "./queries.ts";
import { type ScheduleView, viewOf } from "./views.ts";

export const scheduleRules = [
  "PAUSED",
  "COMPLETED",
  "LAST_FAILED",
  "QUEUED",
  "INSTANCE_RUNNING",
  "NOT_STARTED",
  "WAITING",
] as const;

export interface ScheduleWhy {
  rule: (typeof scheduleRules)[number];
  message: string;
  instanceId?: string | undefined;
  until?: string | undefined;
}

export async function explainSchedule(db: Db, reference: Reference): Promise<ScheduleWhy[]> {
  const row = await readRow(db, reference);
  const [progress] = await db.query<{ queued: number; runningId: string | null }>(queries.readProgress, [
    row.id,
    slotOf(row.id),
  ]);
  return whyOf(viewOf(row, Date.now()), {
    ...progress!,
    lastReason: row.lastReason,
    failed: row.lastStatus === "failed",
  });
}

export function whyOf(
  view: ScheduleView,
  what: { queued: number; runningId: string | null; failed: boolean; lastReason: string | null },
): ScheduleWhy[] {
  const { queued, runningId, failed, lastReason } = what;
  const items: ScheduleWhy[] = [];
  if (view.status === "paused")
    items.push({
      rule: "PAUSED",
      message: `It is paused since ${view.pausedAt}; nothing is fired before somebody resumes it`,
    });
  else if (view.nextExecution === undefined)
    items.push({ rule: "COMPLETED", message: "None of its times is left: change its times, or trigger it by hand" });
  if (failed) items.push({ rule: "LAST_FAILED", message: `Its last occurrence failed: ${lastReason}` });
  if (queued > 0) {
    const holder = runningId === null ? "the instance before" : `instance ${runningId}`;
    const message = `${queued} occurrence(s) wait for the end of ${holder}: the overlap policy is ${view.overlapPolicy}`;
    items.push({ rule: "QUEUED", message, instanceId: runningId ?? undefined });
  } else if (runningId !== null) {
    const effect = {
      allow: "the next one starts beside it",
      skip: "a time that comes before its end is skipped",
      queue_one: "a time that comes before its end waits for it, and others are skipped",
      queue_all: "times that come before its end wait for it",
      cancel_running: "it is cancelled when the next time comes",
    }[view.overlapPolicy];
    items.push({
      rule: "INSTANCE_RUNNING",
      message: `Instance ${runningId} has not ended; ${effect}`,
      instanceId: runningId,
    });
  }
  if (view.status !== "paused" && view.nextExecution !== undefined) {
    const early = view.startDate !== undefined && Date.parse(view.startDate) > Date.now();
    items.push({
      rule: early ? "NOT_STARTED" : "WAITING",
      message: early
        ? `It begins at ${view.startDate}; its first time is ${view.nextPlannedAt}`
        : `Its next time is ${view.nextPlannedAt}`,
      until: view.nextExecution,
    });
  }
  return items;
}
