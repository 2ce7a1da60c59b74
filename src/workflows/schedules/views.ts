/** Schedules, occurrences and backfills as clients see them: absent fields are absent, not null. */
import type { Json, OccurrenceStatus } from "../../engine/index.ts";
import { upcoming } from "./check.ts";
import type { ScheduleSettings, ScheduleStatus } from "./model.ts";
import type { BackfillRow, OccurrenceRow, ScheduleRow } from "./queries.ts";

type Absent<T> = { [K in keyof T]: null extends T[K] ? Exclude<T[K], null> | undefined : T[K] };

export interface ScheduleView
  extends Absent<Omit<ScheduleSettings, "intervalMs" | "jitterMs" | "catchUpMs" | "kind" | "input">> {
  id: string;
  namespace: string;
  kind: ScheduleSettings["kind"];
  type: "one-time" | "recurring";
  interval?: number | undefined;
  jitter: number;
  catchUpWindow: number;
  input: Json;
  status: ScheduleStatus;
  version: number;
  /** When it falls due next, and for which planned time. */
  nextExecution?: string | undefined;
  nextPlannedAt?: string | undefined;
  lastExecuted?: string | undefined;
  fired: number;
  error?: string | undefined;
  pausedAt?: string | undefined;
  createdBy?: string | undefined;
  createdAt: string;
  lastModifiedAt: string;
}

export function viewOf(row: ScheduleRow, nowMs: number): ScheduleView {
  const [next] =
    row.status === "paused" ? [] : upcoming(row, { after: Math.max(nowMs, Date.parse(row.plannedFrom)), count: 1 });
  return {
    id: row.id,
    namespace: row.namespace,
    name: row.name,
    description: row.description ?? undefined,
    kind: row.kind,
    type: row.kind === "once" ? "one-time" : "recurring",
    targetType: row.targetType,
    targetId: row.targetId,
    targetVersion: row.targetVersion ?? undefined,
    cronExpression: row.cronExpression ?? undefined,
    interval: row.intervalMs ?? undefined,
    executeAt: row.executeAt ?? undefined,
    timezone: row.timezone,
    startDate: row.startDate ?? undefined,
    endDate: row.endDate ?? undefined,
    jitter: row.jitterMs,
    overlapPolicy: row.overlapPolicy,
    catchUpWindow: row.catchUpMs,
    input: row.input,
    correlationId: row.correlationId ?? undefined,
    priority: row.priority,
    status: row.status,
    version: row.version,
    nextExecution: next?.dueAt,
    nextPlannedAt: next?.plannedAt,
    lastExecuted: row.lastExecuted ?? undefined,
    fired: row.fired,
    error: row.status === "error" ? (row.lastReason ?? undefined) : undefined,
    pausedAt: row.pausedAt ?? undefined,
    createdBy: row.createdBy ?? undefined,
    createdAt: row.createdAt,
    lastModifiedAt: row.updatedAt,
  };
}

export interface OccurrenceView {
  plannedAt: string;
  status: OccurrenceStatus;
  cause: "schedule" | "manual" | "backfill";
  reason?: string | undefined;
  instanceId?: string | undefined;
  backfillId?: string | undefined;
  occurredAt: string;
}

export function occurrenceViewOf(row: OccurrenceRow, scheduleId: string): OccurrenceView {
  const { plannedAt, status, reason, instanceId, backfillId, occurredAt } = row;
  const cause = backfillId === null ? "schedule" : backfillId === scheduleId ? "manual" : "backfill";
  return {
    plannedAt,
    status,
    cause,
    reason: reason ?? undefined,
    instanceId: instanceId ?? undefined,
    backfillId: cause === "backfill" ? backfillId! : undefined,
    occurredAt,
  };
}

export interface BackfillView {
  id: string;
  status: "running" | "completed" | "cancelled";
  from: string;
  until: string;
  overlapPolicy: string;
  /** Planned times that it is to fire, and for how many it has been decided what becomes of them. */
  total: number;
  done: number;
  counts: { [status: string]: number };
  requestedBy?: string | undefined;
  createdAt: string;
  cancelledAt?: string | undefined;
}

/** `done` are those that its facts do not hold any more; it is over when none of them waits for its turn either. */
export function backfillViewOf(row: BackfillRow): BackfillView {
  const { id, from, until, overlapPolicy, total, cancelledAt, requestedBy, createdAt, waiting, counts } = row;
  const open = waiting + (counts.queued ?? 0);
  return {
    id,
    status: cancelledAt !== null ? "cancelled" : open > 0 ? "running" : "completed",
    from,
    until,
    overlapPolicy,
    total,
    done: Math.max(0, total - open),
    counts: counts as { [status: string]: number },
    requestedBy: requestedBy ?? undefined,
    createdAt,
    cancelledAt: cancelledAt ?? undefined,
  };
}
