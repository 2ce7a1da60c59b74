/** From a decision to the rows of its flush. */

import { freeze } from "../fold.ts";
import type { Decision } from "../machine/facts.ts";
import { isFinal } from "../machine/state.ts";
import { encodeWith } from "../payloads.ts";
import { type ChangeRow, encodeStep, encodeTimer, encodeTransition } from "../store/rows.ts";
import { awaitingTask, currentStep, type Resident, restsAt } from "./resident.ts";
import type { Work } from "./work.ts";

/** A state that was not frozen for so many journal rows is, so that a fold costs at most that many. */
const freezeEvery = 500;

/** Puts everything that a decision wants written into `work`, and notes in the resident what its row will say. */
export function encodeDecision(
  work: Work,
  resident: Resident,
  decision: Decision,
  turn: { epoch: number; now: number },
): void {
  const { id, shard, namespace, references } = resident;
  const encode = encodeWith(references);
  const owner = { shard, instanceId: id, namespace, epoch: turn.epoch };
  for (const entry of decision.entries) work.steps.push(encodeStep(owner, entry, encode));
  for (const change of decision.transitions) work.transitions.push(encodeTransition(owner, change));
  const key = JSON.stringify;
  for (const timer of decision.armed) work.timersArmed.push(encodeTimer({ shard, instanceId: id, ...timer }));
  for (const timer of decision.cleared) work.timersCleared.push(encodeTimer({ shard, instanceId: id, ...timer }));
  for (const wait of decision.waitsOpened) {
    const { path, pattern, condition, timeoutAt, stepId, timeoutHandler } = wait;
    work.waitsOpened.push(
      key([shard, id, path, namespace, pattern, condition ?? null, timeoutAt ?? null, stepId, timeoutHandler ?? null]),
    );
  }
  for (const wait of decision.waitsEnded) work.waitsEnded.push(key([shard, id, wait.path, wait.status, null]));
  const change = changeOf(resident, decision, turn.now);
  if (change !== undefined) work.change = change;
}

/** The instance's own row, when something on it is to change. */
function changeOf(resident: Resident, decision: Decision, now: number): ChangeRow | undefined {
  const { state } = resident;
  const ended = decision.ended !== undefined;
  const rests = ended || restsAt(state, now);
  const moved = decision.transitions.length > 0 || rests === resident.ready;
  const asleep = rests && !ended;
  const overdue = state.seq - resident.frozenSeq >= freezeEvery;
  if (!moved && !decision.full && !overdue && !(asleep && decision.entries.length > 0)) return undefined;

  const change: ChangeRow = {
    shard: resident.shard,
    id: resident.id,
    status: state.status,
    ready: !rests,
    currentStepId: currentStep(state)?.stepId ?? null,
    awaitingTaskId: awaitingTask(resident),
  };
  resident.ready = change.ready;
  const encode = encodeWith(resident.references);
  // A final instance is read through its journal; only what no row of it carries makes its state worth writing.
  if (decision.full || overdue || asleep || (ended && state.compensation !== undefined)) {
    change.state = { text: encode(freeze(state)), seq: state.seq };
    resident.frozenSeq = state.seq;
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
