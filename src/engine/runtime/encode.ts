/** From a decision to the rows of its flush. */

import { shardOf } from "../../foundation/ids.ts";
import { freeze } from "../fold.ts";
import type { Decision, Message } from "../machine/facts.ts";
import { isFinal } from "../machine/state.ts";
import { encodeWith } from "../payloads.ts";
import { type ChangeRow, encodeMessage, encodeStep, encodeTimer, encodeTransition } from "../store/rows.ts";
import { limitIdOf } from "./limits.ts";
import { awaitingTask, currentStep, type Resident, restsAt } from "./resident.ts";
import { tallyEnd, tallyFailure } from "./tallies.ts";
import { addExtra, type Work } from "./work.ts";

/** A state that was not frozen for so many journal rows is, so that a fold costs at most that many. */
const freezeEvery = 500;
/**
 * A state that is larger than this is not written again before the rows since are as long as it is: a MAP of many items
 * would otherwise be written again and again. A fold then reads those rows.
 */
const largeState = 32 * 1024;

/** Puts everything that a decision wants written into `work`, and notes in the resident what its row will say. */
export function encodeDecision(
  work: Work,
  resident: Resident,
  decision: Decision,
  turn: { epoch: number; now: number; shards: number; childrenHere: boolean },
): void {
  const { id, shard, namespace, references } = resident;
  const encode = encodeWith(references);
  const owner = { shard, instanceId: id, namespace, epoch: turn.epoch };
  for (const entry of decision.entries) {
    const row = encodeStep(owner, entry, encode);
    resident.unfrozenBytes += row.length;
    work.steps.push(row);
  }
  for (const change of decision.transitions) work.transitions.push(encodeTransition(owner, change));
  const key = JSON.stringify;
  for (const timer of decision.armed) addExtra(work, "timersArmed", encodeTimer({ shard, instanceId: id, ...timer }));
  for (const timer of decision.cleared)
    addExtra(work, "timersCleared", encodeTimer({ shard, instanceId: id, ...timer }));
  for (const wait of decision.waitsOpened) {
    const { path, pattern, condition, timeoutAt, stepId, timeoutHandler, since } = wait;
    const rest = [pattern, condition ?? null, timeoutAt ?? null, stepId, timeoutHandler ?? null, wait.key, since];
    addExtra(work, "waitsOpened", key([shard, id, path, namespace, ...rest]));
  }
  for (const { path, status, eventId } of decision.waitsEnded)
    addExtra(work, "waitsEnded", key([shard, id, path, status, eventId ?? null]));
  for (const message of decision.messages) addExtra(work, "inboxPosted", encodeOwn(resident, message, turn.shards));
  if (decision.failed !== undefined) tallyFailure(work, resident, decision);
  if (decision.ended !== undefined) {
    const { state, program } = resident;
    tallyEnd(work, program.definitionId, { status: decision.ended, tookMs: state.completedAt! - state.startedAt });
  }
  const change = changeOf(resident, decision, turn);
  if (change !== undefined) work.change = change;
}

/** A child hears of a cancellation, the home of a limit of a permit that is asked for or given back. */
function encodeOwn({ id, shard }: Resident, { kind, to, fact }: Message, shards: number): string {
  if (kind === "CANCEL") return encodeMessage({ shard: shardOf(to, shards), kind, to, fact, fromShard: shard });
  const limitId = limitIdOf(to);
  const asked = { ...fact, key: to, instanceId: id };
  return encodeMessage({ shard: shardOf(limitId, shards), kind, to: limitId, fact: asked, fromShard: shard });
}

/** The instance's own row, when something on it is to change. */
function changeOf(
  resident: Resident,
  decision: Decision,
  turn: { now: number; childrenHere: boolean },
): ChangeRow | undefined {
  const { state } = resident;
  const ended = decision.ended !== undefined;
  resident.kept = !ended && (turn.childrenHere || resident.expecting);
  const rests = ended || (!resident.kept && restsAt(state, turn.now));
  const moved = decision.transitions.length > 0 || rests === resident.ready;
  const asleep = rests && !ended;
  const worth = resident.frozenBytes < largeState || resident.unfrozenBytes >= resident.frozenBytes;
  const overdue = worth && state.seq - resident.frozenSeq >= freezeEvery;
  const marked = decision.priority !== undefined || decision.program !== undefined;
  if (!moved && !decision.full && !overdue && !marked && !(asleep && decision.entries.length > 0)) return undefined;

  const change: ChangeRow = {
    shard: resident.shard,
    id: resident.id,
    status: state.status,
    ready: !rests,
    currentStepId: currentStep(state)?.stepId ?? null,
    awaitingTaskId: awaitingTask(resident),
  };
  resident.ready = change.ready;
  if (decision.priority !== undefined) change.priority = decision.priority;
  if (decision.program !== undefined) {
    const { definitionId, retentionMs } = decision.program;
    change.definitionId = definitionId;
    if (retentionMs !== undefined) change.retentionMs = retentionMs;
  }
  if (decision.reopened) change.reopened = true;
  const encode = encodeWith(resident.references);
  // A final instance is read through its journal; only what no row of it carries makes its state worth writing.
  if (decision.full || overdue || (asleep && worth) || (ended && state.compensation !== undefined)) {
    const text = encode(freeze(state));
    change.state = { text, seq: state.seq };
    resident.frozenSeq = state.seq;
    resident.frozenBytes = text.length;
    resident.unfrozenBytes = 0;
  }
  if (state.error !== undefined) change.error = JSON.stringify(state.error);
  if (state.cancelation !== undefined) change.cancelation = JSON.stringify(state.cancelation);
  if (state.compensation !== undefined) change.compensationState = encode(state.compensation);
  if (isFinal(state.status)) {
    if (state.output !== undefined) change.output = encode(state.output);
    change.completedAt = state.completedAt;
  }
  return change;
}
