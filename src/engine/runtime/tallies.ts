/**
 * Statistics as they happen: what a flush starts and ends is counted in it, one row for each definition and kind, so that
 * nobody ever counts instances. Durations are counted in classes whose bounds grow by a twelfth of a doubling each, so a
 * percentile is right within 6%.
 */

import type { Decision, Fact } from "../machine/facts.ts";
import { type FinalStatus, frameOf, type JournalEntry, placeOf, stepIdOf } from "../machine/state.ts";
import type { Resident } from "./resident.ts";
import type { Work } from "./work.ts";

/** Classes of durations per doubling. */
const perDoubling = 12;

/** The class of a duration in milliseconds; 0 for less than one. */
export function bucketOf(ms: number): number {
  return ms < 1 ? 0 : 1 + Math.floor(Math.log2(ms) * perDoubling);
}

/** The middle of a class, in milliseconds. */
export function middleOf(bucket: number): number {
  return bucket === 0 ? 0.5 : 2 ** ((bucket - 0.5) / perDoubling);
}

function tally(work: Work, row: string): void {
  if (work.tallies === undefined) work.tallies = [row];
  else work.tallies.push(row);
}

export function tallyStart(work: Work, definitionId: string): void {
  tally(work, `["${definitionId}","started",null,null,null`);
}

const kinds = { COMPLETED: "completed", FAILED: "failed", CANCELLED: "cancelled" } as const;

/** How an instance ended and how long it took. */
export function tallyEnd(work: Work, definitionId: string, end: { status: FinalStatus; tookMs: number }): void {
  tally(work, `["${definitionId}","${kinds[end.status]}",null,null,${bucketOf(end.tookMs)}`);
}

/** What has been counted of an instance, as a turn finds it. */
export interface Tallied {
  definitionId: string;
  /** Its start has been counted: only one that was accepted, and waits for its START, has not. */
  begun: boolean;
  /** How long it took, if it has ended. */
  tookMs: number | undefined;
}

export function tallied({ state, program }: Resident): Tallied {
  return {
    definitionId: program.definitionId,
    begun: state.status !== "CREATED" || state.permits !== undefined,
    tookMs: state.completedAt === undefined ? undefined : state.completedAt - state.startedAt,
  };
}

/** Counts what a turn began, took back or moved. Started, and those that joined, are open, ended, or have left. */
export function tallyTurn(work: Work, before: Tallied, fact: Fact, decision: Decision): void {
  if (decision.ignored !== undefined) return;
  const { definitionId, begun, tookMs } = before;
  const row = (id: string, kind: string, bucket: number | null) =>
    tally(work, `["${id}","${kind}",null,null,${bucket}`);
  if (fact.kind === "started" || (!begun && decision.ended !== undefined)) tallyStart(work, definitionId);
  // One that had failed goes on: it is open again, and the time until its failure is not how long it took.
  if (decision.reopened && tookMs !== undefined) row(definitionId, "retried", bucketOf(tookMs));
  if (decision.program !== undefined) {
    row(definitionId, "left", null);
    row(decision.program.definitionId, "joined", null);
  }
}

/** A run of the workflow failed: which step it was, of a branch or item the inner one, and with which code. */
export function tallyFailure(work: Work, { state, program }: Resident, { entries, failed }: Decision): void {
  const stepId = failed?.path === undefined ? null : blamed(entries, failed.path);
  const code = state.error?.code.slice(0, 100) ?? "UNKNOWN";
  tally(work, `["${program.definitionId}","failure",${JSON.stringify(stepId)},${JSON.stringify(code)},null`);
}

/**
 * The step whose failure it was that the step at `path` ended with. A PARALLEL or MAP that passes on the error of a branch
 * or item is not to blame; one that fails with an error of its own is. Rows of one failure are of one decision.
 */
function blamed(entries: readonly JournalEntry[], path: string): string {
  let at = entries.findLastIndex((entry) => entry.path === path);
  for (let to = at - 1; to >= 0; to--) {
    const inner = entries[to]!;
    const { path: around, error } = entries[at]!;
    if (inner.outcome?.closed !== true || placeOf(frameOf(inner.path)).container !== around) continue;
    if (inner.error === undefined || inner.error.code !== error?.code || inner.error.message !== error.message) break;
    at = to;
  }
  return stepIdOf(entries[at]?.path ?? path);
}
