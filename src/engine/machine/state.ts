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
 * `waiting` for an event, `sleeping` for the end of a DELAY, `backoff` for its next attempt.
 */
export interface LiveStep {
  path: string;
  stepId: string;
  phase: "ready" | "running" | "unassigned" | "waiting" | "sleeping" | "backoff";
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
}

export interface Mail {
  signalId: string;
  type: string;
  payload: Json;
  receivedAt: number;
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

export interface InstanceState {
  status: InstanceStatus;
  input: Json;
  variables: Record<string, Json>;
  steps: Record<string, StepState>;
  live: Record<string, LiveStep>;
  /** How often each step of the top scope was entered: the number in the next path. */
  visits: Record<string, number>;
  compensable: Compensable[];
  /** Number of the last journal row. */
  seq: number;
  mailbox: Mail[];
  /** Ids of signals sent with a key, so that one sent twice counts once. */
  keyedSignals: string[];
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
}

/** An object without prototype, for keys that users choose. */
export function bag<T>(from?: Record<string, T>): Record<string, T> {
  const empty: Record<string, T> = Object.create(null);
  return from === undefined ? empty : Object.assign(empty, from);
}

/** Compensations run in a scope of their own: their paths begin with this. */
export const compensationScope = "~/";

/** The path of the `visit`-th time (from 1) that a step of the top scope is entered. */
export function pathOf(stepId: string, visit: number): string {
  return visit === 1 ? stepId : `${stepId}#${visit}`;
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
  /** RUNNING DELAY or EVENT_WAIT: when its timer fires. */
  dueAt?: number;
  /** The signal that an EVENT_WAIT consumed. */
  signalId?: string;
  /** RUNNING after the node that ran it died: how often that happened. */
  interrupted?: number;
  /** RUNNING at a hand-over: the node on which it may go on. */
  runner?: string;
  /** Expressions that erred and were taken as false. */
  warnings?: string[];
}
