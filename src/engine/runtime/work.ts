/** One unit of writing: what one turn of one instance decided. It is written whole, in one flush. */

import type { ChangeRow } from "../store/rows.ts";

export interface Work {
  shard: number;
  instanceId: string;
  /** `[namespace, workflowId, revision]` of a start that asked for "latest". */
  latest?: [string, string, number];
  start?: string;
  change?: ChangeRow;
  steps: string[];
  transitions: string[];
  timersArmed: string[];
  timersCleared: string[];
  waitsOpened: string[];
  waitsEnded: string[];
  /** All open waits of an instance, whatever their paths. */
  waitsAbandoned: string[];
  inboxConsumed: string[];
  payloadsClaimed: string[];
  errands: string[];
  shardsReleased: string[];
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

/** A work without rows; the caller fills it. */
export function emptyWork(owner: { shard: number; instanceId: string }): Work {
  return {
    ...owner,
    steps: [],
    transitions: [],
    timersArmed: [],
    timersCleared: [],
    waitsOpened: [],
    waitsEnded: [],
    waitsAbandoned: [],
    inboxConsumed: [],
    payloadsClaimed: [],
    errands: [],
    shardsReleased: [],
    rows: 0,
    bytes: 0,
    wanted: () => true,
    committed: () => {},
    refused: () => {},
    stale: () => {},
    dropped: () => {},
  };
}

const lists = [
  "timersArmed",
  "timersCleared",
  "waitsOpened",
  "waitsEnded",
  "waitsAbandoned",
  "inboxConsumed",
  "payloadsClaimed",
  "errands",
  "shardsReleased",
] as const;
export type ExtraKind = (typeof lists)[number];
export const extraKinds: readonly ExtraKind[] = lists;

/** Whether there is nothing to write. Nearly every work has a step, so nearly every question ends there. */
export function isEmpty(work: Work): boolean {
  return (
    work.steps.length === 0 &&
    work.change === undefined &&
    work.start === undefined &&
    work.transitions.length === 0 &&
    lists.every((kind) => work[kind].length === 0)
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
  for (const kind of lists) add(work[kind]);
  work.rows = rows;
  work.bytes = bytes;
}
