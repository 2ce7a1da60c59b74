/**
 * What the engine asks of schedules. Times are milliseconds since 1970 by the store's clock. What a schedule means is the
 * control plane's; the engine has its timers, writes what becomes of each planned time, and starts instances.
 */

import type { Json } from "./machine/definition.ts";

export type OccurrenceStatus = "fired" | "late" | "skipped" | "missed" | "queued" | "failed";

export type OverlapPolicy = "allow" | "skip" | "queue_one" | "queue_all" | "cancel_running";

/** What the control plane tells the home of a schedule, in the transaction of what it changes. */
export type ScheduleFact =
  /** Its row changed, or is gone. Planned times after `skippedAfter` up to `skippedUntil` passed while it was paused. */
  | { kind: "changed"; skippedAfter?: number; skippedUntil?: number }
  /** It is to fire at once; `plannedAt` is unique within the schedule. */
  | { kind: "trigger"; plannedAt: number; overlap?: OverlapPolicy; by: string }
  | { kind: "backfill"; backfillId: string; plannedAt: number[]; overlap: OverlapPolicy };

/** What the rows of its home say of a schedule. */
export interface ScheduleState {
  /** Armed timers; `revision` is that of the schedule's times when it was armed. */
  timers: ScheduleTimer[];
  /** Instances that it started and that have not ended, the newest first; of a schedule that overlaps, the newest fifty. */
  running: { instanceId: string; plannedAt: number }[];
  /** Occurrences whose turn has not come, oldest first, at most a thousand. */
  queued: { plannedAt: number; backfillId: string | null }[];
  /** The latest time of its plan that was decided; null when none was. */
  lastPlannedAt: number | null;
}

export interface ScheduleTimer {
  revision: number;
  plannedAt: number;
  dueAt: number;
}

export interface ScheduleDecision {
  /** One for each planned time. `starts`: an instance begins for it. */
  occurrences: {
    plannedAt: number;
    status: OccurrenceStatus;
    reason: string | null;
    /** Who asked for it, where it was not its plan: a backfill, or people, for which the schedule's own id stands. */
    backfillId: string | null;
    starts: boolean;
  }[];
  /** Instances that are to be cancelled. */
  cancels: { instanceId: string; reason: string }[];
  /** The timer that is to be armed when this is written; none when nothing is planned any more. */
  timer: ScheduleTimer | undefined;
  /** There is more to decide at once. */
  more: boolean;
}

export interface ScheduledStart {
  /** A definition's id or a workflowId. */
  ref: string;
  version?: string;
  input: Json;
  correlationId: string | null;
  priority: number;
  startedBy: string;
}

/** A schedule as it is now, for one turn. */
export interface HomeSchedule {
  namespace: string;
  /** Pure. `failed`: planned times whose instance cannot begin, and why; they are decided as failed. */
  decide(given: {
    state: ScheduleState;
    facts: ScheduleFact[];
    now: number;
    failed: ReadonlyMap<number, string>;
  }): ScheduleDecision;
  /** What is started for a planned time. Throws where its templates cannot be filled in: the message is the reason. */
  start(given: { plannedAt: number; backfillId: string | null; now: number }): ScheduledStart;
}

/** What the engine is handed. */
export interface ScheduleSource {
  /** Those that exist, by id. */
  load(ids: string[]): Promise<Map<string, HomeSchedule>>;
}
