/** One unit of writing: what one turn of one instance decided. It is written whole, in one flush. */

import type { EventRow } from "../store/contract.ts";
import type { ChangeRow } from "../store/rows.ts";

/** The rarer kinds of rows, by the names that the flush knows them by. */
export type ExtraKind =
  | EventKind
  | "timersArmed"
  | "timersCleared"
  | "inboxConsumed"
  /** Facts for other instances, and for the homes of limits. */
  | "inboxPosted"
  | "payloadsClaimed"
  | "errands"
  | "logs"
  | "permitsPut"
  | "permitsDropped"
  | "shardsReleased";

/** Those that have to do with events and schedules: a flush without any of them costs nothing for them. */
export const eventKinds = [
  "waitsOpened",
  "waitsEnded",
  /** All open waits of an instance, whatever their paths. */
  "waitsAbandoned",
  /** Until when all waits of a shard have been looked back for. */
  "lookBackFloors",
  /** How an event was routed: the ledger. */
  "routed",
  /** Events on their way to subscribers. */
  "deliveries",
  "deadLettered",
  /** What became of dead letters that were routed again. */
  "deadLettersSettled",
  /** What became of planned times of schedules. */
  "occurrencesPut",
  /** How often triggers and schedules fired. */
  "firings",
] as const;
export type EventKind = (typeof eventKinds)[number];

export interface Work {
  shard: number;
  instanceId: string;
  /** `[namespace, workflowId, revision]` of a start that asked for "latest". */
  latest?: [string, string, number];
  start?: string;
  change?: ChangeRow;
  steps: string[];
  transitions: string[];
  /** Made when the first row comes: most works have none. */
  extras?: Partial<Record<ExtraKind, string[]>>;
  /** What is counted of it, as rows of tallies without their number: `["<definition>","started",null,null,null`. */
  tallies?: string[];
  /** Events that are taken in with it; their match keys are computed when it is written. */
  published?: PublishedEvent[];
  /** Rows of other instances that belong to it: the child that a step begins, the parent's of a child that ends. */
  also?: Work[];
  rows: number;
  bytes: number;
  /** Asked before the work is taken into a flush; false takes it out of the queue and calls `dropped`. */
  wanted(): boolean;
  /** It is in the store. */
  committed(): void;
  /** The store refuses these values; nothing of the work was written. */
  refused(error: Error): void;
  /** The version that the start resolved is no longer the latest; nothing was written. */
  stale(): void;
  /** It was not, or perhaps not, written: the lane is lost, or the instance was dropped before. */
  dropped(): void;
}

export type PublishedEvent = Omit<EventRow, "matchKeys">;

const yes = () => true;
const nothing = () => {};

/** A work without rows; the caller fills it. */
export function emptyWork(owner: { shard: number; instanceId: string }): Work {
  return {
    shard: owner.shard,
    instanceId: owner.instanceId,
    steps: [],
    transitions: [],
    rows: 0,
    bytes: 0,
    wanted: yes,
    committed: nothing,
    refused: nothing,
    stale: nothing,
    dropped: nothing,
  };
}

/** Adds one row of a rarer kind. */
export function addExtra(work: Work, kind: ExtraKind, row: string): void {
  work.extras ??= {};
  const rows = work.extras[kind];
  if (rows === undefined) work.extras[kind] = [row];
  else rows.push(row);
}

/** Adds rows of another instance. */
export function addPart(work: Work, part: Work): void {
  if (work.also === undefined) work.also = [part];
  else work.also.push(part);
}

/** Whether there is nothing to write. Nearly every work has a step, so nearly every question ends there. */
export function isEmpty(work: Work): boolean {
  return (
    work.steps.length === 0 &&
    work.change === undefined &&
    work.start === undefined &&
    work.transitions.length === 0 &&
    work.extras === undefined &&
    work.tallies === undefined &&
    work.published === undefined &&
    work.also === undefined
  );
}

/** Counts what the work weighs, for the limits of a flush and of the queue. Called once, when it is complete. */
export function weigh(work: Work): void {
  let rows = 0;
  let bytes = 0;
  const add = (texts: string[]) => {
    rows += texts.length;
    for (const text of texts) bytes += text.length;
  };
  if (work.start !== undefined) {
    rows++;
    bytes += work.start.length;
  }
  if (work.change !== undefined) {
    rows++;
    bytes += 200 + (work.change.state?.text.length ?? 0);
  }
  add(work.steps);
  add(work.transitions);
  for (const kind in work.extras) add(work.extras[kind as ExtraKind]!);
  for (const event of work.published ?? []) {
    rows += 2;
    bytes += event.payload === null ? 300 : 300 + JSON.stringify(event.payload).length;
  }
  for (const part of work.also ?? []) {
    weigh(part);
    rows += part.rows;
    bytes += part.bytes;
  }
  work.rows = rows;
  work.bytes = bytes;
}
