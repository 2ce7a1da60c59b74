/** The rows that the checker looks at, what it is told beside them, and how it reads them. */

import type { JournalEntry } from "../machine/state.ts";

export interface CheckedInstance {
  id: string;
  shard: number;
  status: string;
  completedAt: number | null;
  parked: boolean;
  /** Of a child: the instance, and the path of the step that waits for it; null where none does. */
  parentId: string | null;
  parentPath: string | null;
  output: unknown;
  errorCode: string | null;
  /** The event that started it, and by which trigger. */
  triggerEventId?: string | null;
  triggerId?: string | null;
}

export interface CheckedWait {
  instanceId: string;
  path: string;
  status: string;
  /** The event that ended it. */
  eventId?: string | null;
  since?: number | null;
  openedAt?: number;
}

export interface CheckedEvent {
  id: string;
  namespace: string;
  pattern: string;
  payload: unknown;
  acceptedAt: number;
  /** What deduplicates it; null where nothing does. */
  key: string | null;
}

export interface CheckedEvents {
  accepted: CheckedEvent[];
  /** `targets`: what was decided about, each by its kind, id and path. */
  routings: { eventId: string; replayId: string | null; targets: string[] }[];
  deliveries: { eventId: string; subscriptionId: string; replayId: string | null }[];
}

export interface CheckedStep
  extends Pick<JournalEntry, "seq" | "path" | "type" | "attempt" | "status" | "startedAt" | "outcome"> {
  instanceId: string;
  shard: number;
  output?: unknown;
  errorCode?: string;
  nodeId: string;
  epoch: number;
  recordedAt: number;
  /** Rows that were written together have the same; absent where their times are the same, and only theirs. */
  flush?: string;
}

export interface CheckedTransition {
  entityId: string;
  entityType: string;
  shard: number;
  from: string | null;
  to: string;
  event: string;
  data: unknown;
  at: number;
  /** As of steps. */
  flush?: string;
}

export interface CheckedRows {
  instances: CheckedInstance[];
  /** In any order. */
  steps: CheckedStep[];
  /** Transitions of instances and shards, in the order in which they were written. */
  transitions: CheckedTransition[];
  lanes: { laneId: string; nodeId: string; closedAt: number | null }[];
  marks: { laneId: string; seq: number }[];
  timers: { instanceId: string; key: string }[];
  waits: CheckedWait[];
  inbox: { id: number; instanceId: string; kind: string }[];
  permits: { instanceId: string; state: string }[];
  /** Sums of what was counted: how many instances ended as what. Absent: not looked at. */
  tallies?: { kind: string; n: number }[];
  /** Absent: not looked at. */
  events?: CheckedEvents;
}

/** What a definition says of a PARALLEL or MAP; where an instance may have had several versions, the loosest. */
export interface JoinRule {
  /** PARALLEL: how many branches must complete. */
  need?: number;
  /** MAP: how many items may be under way. */
  maxConcurrency?: number;
}

export interface CheckOptions {
  /** Ids whose start was answered. */
  accepted: Iterable<string>;
  /** The run is over and the world had time to settle: everything accepted has ended and nothing is left behind. */
  settled: boolean;
  /** Instances that the engine set aside and an operator ended: their journals break off. */
  setAside?: ReadonlySet<string>;
  /** How far clocks of writer and reader may differ: 0 where both are one. */
  toleranceMs: number;
  joinOf?(instanceId: string, stepId: string): JoinRule | undefined;
  /** The concurrency limits under which an instance runs: who shares a limit names it by the same key. */
  limitsOf?(instanceId: string): { key: string; limit: number }[];
  /** Ids of events whose publication was answered. */
  published?: Iterable<string>;
  /** Pairs of events of one partition key: the second was published when the first had been accepted. */
  inTurn?: Iterable<{ first: string; second: string }>;
  /** Triggers and subscriptions that may have taken an event; `sure`: those that were there all the time. */
  targetsOf?(event: CheckedEvent): { id: string; sure: boolean }[];
  /** Whether an event is for a wait: by its name, its condition and its time. */
  fits?(instance: CheckedInstance, wait: CheckedWait, event: CheckedEvent): boolean;
  /** How long after its acceptance an event may become visible: its transaction takes time. */
  visibleMs?: number;
  /** Nothing went wrong for so long that every wait has had what there is for it. */
  quiet?: boolean;
  /** Calls of handlers, each with the node's idea of the path, and when. */
  calls?: Iterable<{ instanceId: string; path: string; at: number }>;
}

export const isFinal = (status: string): boolean =>
  status === "COMPLETED" || status === "FAILED" || status === "CANCELLED";

/** Whether a row says that its step goes on. */
export const goesOn = ({ status, outcome }: CheckedStep): boolean =>
  status === "RUNNING" || status === "PENDING" || outcome?.retryAt !== undefined;

/** Paths that have begun, or are named to begin, and have not ended by the last of these rows. */
export function openAfter(steps: readonly CheckedStep[]): Set<string> {
  const open = new Set<string>();
  for (const [index, step] of steps.entries()) {
    if (goesOn(step)) open.add(step.path);
    else open.delete(step.path);
    for (const next of step.outcome?.next ?? []) open.add(next);
    if (step.epoch === 0 && steps[index + 1]?.epoch !== 0) leaveOrigin(open);
  }
  return open;
}

/** What else was under way in the instance that a restart carried over stays there; steps of the top scope go on. */
export function leaveOrigin(open: Set<string>): void {
  for (const path of open) if (path.includes("/")) open.delete(path);
}

export function groupBy<T>(rows: readonly T[], key: (row: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const row of rows) {
    const group = groups.get(key(row));
    if (group === undefined) groups.set(key(row), [row]);
    else group.push(row);
  }
  return groups;
}

/** Text that is equal for equal JSON; undefined where a part lies in payloads, whose ids differ from row to row. */
export function comparable(value: unknown): string | undefined {
  const text = JSON.stringify(value ?? null, (_key, part: unknown) =>
    typeof part === "object" && part !== null && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  );
  return text.includes('{"$payload":') ? undefined : text;
}
