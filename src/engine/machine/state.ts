/**
 * What an instance is between two facts: the fold of its rows, and nothing else.
 *
 * Everything here is JSON. Maps are objects without a prototype, because step ids and variable names come from users
 * (`constructor` and `__proto__` are legal step ids). Instants are milliseconds since 1970 by the database's clock.
 */

import type { ErrorInfo } from "../task.ts";
import type { Json, StepType } from "./definition.ts";

export const instanceStatuses = [
  "CREATED",
  "RUNNING",
  "WAITING_FOR_EVENT",
  "PAUSED",
  "COMPLETED",
  "FAILED",
  "CANCELLED",
] as const;
export type InstanceStatus = (typeof instanceStatuses)[number];
export type FinalStatus = "COMPLETED" | "FAILED" | "CANCELLED";

export function isFinal(status: InstanceStatus): status is FinalStatus {
  return status === "COMPLETED" || status === "FAILED" || status === "CANCELLED";
}

export type StepStatus = "PENDING" | "RUNNING" | "COMPLETED" | "FAILED" | "SKIPPED" | "CANCELLED";

/** The last attempt of a step, as document 002 shows it and as expressions see it under `steps.<stepId>`. */
export interface StepState {
  status: StepStatus;
  attempt: number;
  input?: Json;
  output?: Json;
  error?: ErrorInfo;
  startedAt?: number;
  completedAt?: number;
}

/**
 * A step that has begun and not ended. `phase` tells what it waits for:
 * `ready` for the engine, `running` for its handler, `unassigned` for a node that has the handler,
 * `waiting` for an event, `sleeping` for the end of a DELAY, `backoff` for its next attempt, `joining` for its branches or
 * items, `child` for its child.
 */
export interface LiveStep {
  path: string;
  stepId: string;
  phase: "ready" | "running" | "unassigned" | "waiting" | "sleeping" | "backoff" | "joining" | "child";
  attempt: number;
  /** Since when it is in this phase. */
  since: number;
  /** Evaluated once, then the same for every attempt. */
  input?: Json;
  /** When its timer fires: end of the delay, of the wait, or of the backoff. The timer's key is the path. */
  dueAt?: number;
  /** How many times the node that ran it died. */
  interrupted?: number;
  /** The journal has a RUNNING row of this attempt. */
  recorded?: boolean;
  startedAt?: number;
  /** After a hand-over: the node on which this attempt may still be running. */
  runner?: string;
  /** `joining`: how far its branches or items are. */
  join?: Join;
  /** `child`: the instance that it waits for. */
  childId?: string;
  /** `ready` after a retry: what an earlier visit of this PARALLEL or MAP had got done. */
  carried?: Halted;
}

/** How far the branches of a PARALLEL or the items of a MAP are. A place is a branchId, or an item's index as text. */
export interface Join {
  /** Branches or items, those of earlier visits included. */
  total: number;
  /** How many of `todo` (or, without it, of all) have begun. */
  begun: number;
  completed: number;
  failed: number;
  /** What completed places gave. Absent for a MAP of many items: their outputs are gathered from the journal at the end. */
  outputs?: Record<string, Json>;
  /** About how many bytes of JSON the outputs are. */
  bytes: number;
  /** Places that failed. */
  lost: string[];
  /** The places of this visit, where an earlier one had completed the others. */
  todo?: string[];
  /** Paths of the earlier visits whose completed places count. */
  earlier?: string[];
}

/**
 * Where the workflow stood when it failed or was cancelled: the step of the top scope that ended with it, and of a
 * PARALLEL or MAP what had completed. A retry begins there.
 */
export interface Halted {
  path: string;
  input?: Json;
  join?: Join;
}

/**
 * A scope in which steps follow each other: the workflow itself, a branch, an item. A branch reads and writes `steps`
 * of the scope around it; an item has its own.
 */
export interface Frame {
  /** How often each step was entered: the number in the next path. */
  visits: Record<string, number>;
  steps?: Record<string, StepState>;
  /** The failure that a handler of this scope caught last. */
  caught?: Caught;
  /** The PARALLEL went on without this branch: whatever becomes of it concerns nobody. */
  left?: true;
  /** MAP: which item. */
  index?: number;
  item?: Json;
}

/** An error as handlers see it under `error`. */
export type Caught = ErrorInfo & { stepId: string };

/** A value whose JSON text is longer than this lies beside the rows. */
export const inlineLimit = 64 * 1024;

/** Past so many items a MAP's outputs stay in the journal until the join. */
export const keptOutputs = 1_000;

export interface Mail {
  signalId: string;
  type: string;
  payload: Json;
  receivedAt: number;
}

/** An event that the instance has consumed: its row, and when it was accepted. */
export interface ConsumedEvent {
  id: string;
  acceptedAt: number;
}

export interface Cancellation {
  reason: string;
  requestedBy: string;
  requestedAt: string;
  source: "USER" | "EVENT" | "SYSTEM";
  eventId?: string;
  shouldCompensate: boolean;
}

/** One completed step that has a compensation, in order of completion. */
export interface Compensable {
  path: string;
  stepId: string;
  input?: Json;
  output?: Json;
}

export interface Compensation {
  status: "IN_PROGRESS" | "COMPLETED" | "COMPLETED_WITH_ERRORS";
  startedAt: number;
  completedAt?: number;
  /** In the order in which they run. `done` counts those that ended, well or not. */
  items: { path: string; stepId: string; of: Compensable }[];
  done: number;
  failed: { stepId: string; error: string; timestamp: string }[];
}

/** One permit of a concurrency limit, in the order in which they are asked for. */
export interface Permit {
  /** The limit and the key: who shares it. */
  key: string;
  limit: number;
  granted: boolean;
}

/** Where a state remembers a live step that is busy: no part of it, and in none of its rows (`glance.ts`). */
export const busySeen: unique symbol = Symbol("busy");

/** The state is also the frame of the top scope: its `visits`, `steps` and `caught`. */
export interface InstanceState extends Frame {
  [busySeen]?: string;
  status: InstanceStatus;
  input: Json;
  variables: Record<string, Json>;
  /** Steps of the workflow and of its branches; those of a MAP's items are in the item's frame. */
  steps: Record<string, StepState>;
  live: Record<string, LiveStep>;
  /** Branches and items under way, by `<path of the container>/<place>`. */
  frames: Record<string, Frame>;
  compensable: Compensable[];
  /** Number of the last journal row. */
  seq: number;
  mailbox: Mail[];
  /** Ids of signals sent with a key, so that one sent twice counts once. */
  keyedSignals: string[];
  /** Events that it has consumed, the newest of them (`consumption.ts`). */
  consumed?: ConsumedEvent[];
  /** This event and all before it count as consumed. */
  consumedBefore?: ConsumedEvent;
  /** How many events led to this instance, each by what the one before it started. Absent: none. */
  hops?: number;
  /** When the whole workflow times out; its timer's key is the empty text. */
  deadlineAt?: number;
  /** The status that follows when the compensation has ended. */
  ending?: FinalStatus;
  compensation?: Compensation;
  cancelation?: Cancellation;
  output?: Json;
  error?: ErrorInfo;
  startedAt: number;
  completedAt?: number;
  /** The output of the step that ended the top scope. */
  result?: Json;
  /** Where a failure stopped it. */
  halted?: Halted;
  /** Steps that are passed over when they are reached. */
  skips?: string[];
  /** Values that variables began with, beside their defaults. */
  given?: Record<string, Json>;
  /** The workflow failed and begins again then; its timer's key is `retryKey`. */
  retryAt?: number;
  /** How often the workflow began: absent the first time. */
  run?: number;
  /** How often the workflow's own retry began it. */
  attempt?: number;
  permits?: Permit[];
}

/** An object without prototype, for keys that users choose. */
export function bag<T>(from?: Record<string, T>): Record<string, T> {
  const empty: Record<string, T> = Object.create(null);
  return from === undefined ? empty : Object.assign(empty, from);
}

/** Compensations run in a scope of their own: their paths begin with this. */
export const compensationScope = "~/";

/** The key of the timer that begins a failed workflow again. */
export const retryKey = "~retry";

/** The path of the scope that a step stands in: empty for the workflow itself, `~` for compensations. */
export function frameOf(path: string): string {
  const to = path.lastIndexOf("/");
  return to === -1 ? "" : path.slice(0, to);
}

/** Of a frame of a branch or item: its PARALLEL or MAP, and which place of it. */
export function placeOf(frame: string): { container: string; place: string } {
  const to = frame.lastIndexOf("/");
  return { container: frame.slice(0, to), place: frame.slice(to + 1) };
}

/** Whether a step or frame lies inside a container, at whatever depth. */
export function isWithin(path: string, container: string): boolean {
  return path.length > container.length && path.startsWith(container) && path[container.length] === "/";
}

/** The path of the `visit`-th time (from 1) that a step of the top scope is entered. */
export function pathOf(stepId: string, visit: number): string {
  return visit === 1 ? stepId : `${stepId}#${visit}`;
}

/** The number of the visit at the end of a path. */
export function visitOf(path: string): number {
  const at = path.indexOf("#", path.lastIndexOf("/") + 1);
  return at === -1 ? 1 : Number(path.slice(at + 1));
}

/** The step id at the end of a path. */
export function stepIdOf(path: string): string {
  const from = path.lastIndexOf("/") + 1;
  const to = path.indexOf("#", from);
  return to === -1 ? path.slice(from) : path.slice(from, to);
}

export interface JournalEntry {
  seq: number;
  path: string;
  stepId: string;
  type: StepType;
  attempt: number;
  status: StepStatus;
  input?: Json;
  output?: Json;
  error?: ErrorInfo;
  startedAt: number;
  completedAt?: number;
  outcome?: Outcome;
}

/** What was decided together with a journal row: all that a fold needs, so that it evaluates nothing. */
export interface Outcome {
  /** Paths that begin now. */
  next?: string[];
  /** Variables that the step set. */
  set?: Record<string, Json>;
  /** FAILED and to be tried again at this instant. */
  retryAt?: number;
  /** RUNNING and waiting for something: when its timer fires. */
  dueAt?: number;
  /** RUNNING PARALLEL or MAP: how many branches or items it has. */
  total?: number;
  /** The row ends its branch or item: the row's output is the place's. */
  closed?: true;
  /** COMPLETED PARALLEL: the other branches go on by themselves. */
  left?: true;
  /** RUNNING WORKFLOW: the child. */
  childId?: string;
  /** The signal that an EVENT_WAIT consumed. */
  signalId?: string;
  /** The event that an EVENT_WAIT consumed: its row, and when it was accepted. */
  eventId?: string;
  eventAt?: number;
  /** RUNNING after the node that ran it died: how often that happened. */
  interrupted?: number;
  /** RUNNING at a hand-over: the node on which it may go on. */
  runner?: string;
  /** Expressions that erred and were taken as false. */
  warnings?: string[];
}
