/** What is due: timers of steps and of the whole, and what was held while the instance was paused. */

import { cancelWithin, failInstance, withdraw } from "./ending.ts";
import { settleClosing } from "./joins.ts";
import type { ProgramStep } from "./program.ts";
import { beginAgain, queueReady } from "./runs.ts";
import { complete, fail } from "./settle.ts";
import { recordRunning } from "./shown.ts";
import { type InstanceState, type LiveStep, retryKey } from "./state.ts";
import { runTask } from "./steps.ts";
import { failure, programStep, type Turn } from "./turn.ts";
import { expireWait } from "./waits.ts";

/** When the timer of a step, of the workflow or of its next run is due. */
function dueAtOf(state: InstanceState, key: string): number | undefined {
  if (key === "") return state.deadlineAt;
  return key === retryKey ? state.retryAt : state.live[key]?.dueAt;
}

export function fireTimer(turn: Turn, key: string, dueAt: number): void {
  const { state, decision } = turn;
  if (dueAtOf(state, key) !== dueAt) {
    decision.ignored = key === "" ? "the workflow has no such deadline" : `no timer of step "${key}" is due`;
    decision.cleared.push({ key, dueAt });
  } else if (state.status === "PAUSED" && state.ending === undefined) {
    decision.ignored = "the instance is paused; the timer is held";
  } else if (state.live[key]?.phase === "running") {
    decision.ignored = `step "${key}" is at the attempt that this timer began`;
  } else fire(turn, key);
}

function fire(turn: Turn, key: string): void {
  if (key === "") timeOut(turn);
  else if (key === retryKey) runAgain(turn);
  else fireStep(turn, turn.state.live[key]!, programStep(turn, turn.state.live[key]!));
}

function timeOut(turn: Turn): void {
  failInstance(turn, failure(turn, "WORKFLOW_TIMEOUT", "TIMEOUT", "The workflow did not end within its timeout"));
}

function runAgain(turn: Turn): void {
  turn.decision.cleared.push({ key: retryKey, dueAt: turn.state.retryAt! });
  beginAgain(turn);
}

/** The time of a step has come: its wait or its branches have taken too long, its delay is over, its next attempt due. */
function fireStep(turn: Turn, live: LiveStep, step: ProgramStep): void {
  switch (live.phase) {
    case "waiting":
      expireWait(turn, live, step);
      return;
    case "backoff":
      runTask(turn, live, step);
      return;
    case "joining":
    case "child": {
      cancelWithin(turn, live.path);
      withdraw(turn, live);
      delete live.dueAt;
      const message = `Step "${step.stepId}" did not end within ${step.limitMs} ms`;
      fail(turn, live, step, { error: failure(turn, "TIMEOUT", "TIMEOUT", message), startedAt: live.since });
      return;
    }
    default:
      turn.decision.cleared.push({ key: live.path, dueAt: live.dueAt! });
      complete(turn, live, step, { output: null, startedAt: live.since });
  }
}

/** After a pause: what is ready begins, timers that were held fire, and steps without a handler are looked at again. */
export function goOn(turn: Turn): void {
  queueReady(turn);
  for (const live of Object.values(turn.state.live)) {
    if (live.phase !== "unassigned") continue;
    runTask(turn, live, programStep(turn, live));
    recordRunning(turn, live, {});
  }
  fireHeld(turn);
}

/** In the order in which they came due; what one of them decides is decided before the next one fires. */
function fireHeld(turn: Turn): void {
  const { state, context } = turn;
  const held = Object.values(state.live).flatMap(({ path, phase, dueAt }) =>
    // The timer that began a running attempt has had its effect.
    dueAt === undefined || phase === "running" ? [] : [{ key: path, dueAt }],
  );
  if (state.deadlineAt !== undefined) held.push({ key: "", dueAt: state.deadlineAt });
  if (state.retryAt !== undefined) held.push({ key: retryKey, dueAt: state.retryAt });
  const due = held.filter(({ dueAt }) => dueAt <= context.now).sort((one, other) => one.dueAt - other.dueAt);
  for (const { key, dueAt } of due) {
    if (turn.decision.ended !== undefined) return;
    if (dueAtOf(state, key) === dueAt) fire(turn, key);
    for (let end = turn.closings.shift(); end !== undefined; end = turn.closings.shift()) settleClosing(turn, end);
  }
}
