/** The ways an instance ends. */

import type { ErrorInfo } from "../task.ts";
import { beginCompensation } from "./compensation.ts";
import type { Json } from "./definition.ts";
import { type FinalStatus, type LiveStep, stepIdOf } from "./state.ts";
import { clearTimer, record, setStatus, type Turn } from "./turn.ts";

/** Stops everything that is under way and ends the instance as failed, after compensation where there is any. */
export function failInstance(turn: Turn, error: ErrorInfo): void {
  if (turn.state.ending !== undefined || turn.decision.ended !== undefined) return;
  turn.state.error = error;
  cancelLive(turn);
  endInstance(turn, "FAILED", { compensate: turn.program.compensateOnFailure });
}

export function endInstance(turn: Turn, status: FinalStatus, end: { output?: Json; compensate?: boolean }): void {
  const { state } = turn;
  if (end.output !== undefined) state.output = end.output;
  clearTimer(turn, "", state.deadlineAt);
  delete state.deadlineAt;
  turn.ready.length = 0;
  if (end.compensate === true) {
    state.ending = status;
    if (beginCompensation(turn)) {
      setStatus(turn, "RUNNING", "compensation_started");
      return;
    }
  }
  finish(turn, status);
}

const endEvents: Record<FinalStatus, string> = {
  COMPLETED: "workflow_completed",
  FAILED: "workflow_failed",
  CANCELLED: "workflow_cancelled",
};

/** The final status and the time of the end come last, after the compensation. */
export function finish(turn: Turn, status: FinalStatus): void {
  const { state, decision, context } = turn;
  if (state.compensation !== undefined) {
    state.compensation.status = state.compensation.failed.length > 0 ? "COMPLETED_WITH_ERRORS" : "COMPLETED";
    state.compensation.completedAt = context.now;
  }
  delete state.ending;
  state.completedAt = context.now;
  state.mailbox = [];
  setStatus(turn, status, endEvents[status]);
  decision.ended = status;
}

/** Records every live step as cancelled and takes back its timers and waits. */
export function cancelLive(turn: Turn): void {
  for (const live of Object.values(turn.state.live)) {
    if (live.phase === "waiting") {
      clearTimer(turn, live.path, live.dueAt);
      turn.decision.waitsEnded.push({ path: live.path, status: "cancelled" });
    } else if (live.phase === "sleeping" || live.phase === "backoff") {
      clearTimer(turn, live.path, live.dueAt);
    } else if (live.phase === "running") {
      clearTimer(turn, live.path, live.dueAt);
      turn.decision.aborted.push(live.path);
    }
    record(turn, {
      path: live.path,
      stepId: live.stepId,
      type: typeOf(turn, live),
      attempt: live.attempt,
      status: "CANCELLED",
      input: live.input,
      startedAt: live.startedAt ?? live.since,
      completedAt: turn.context.now,
    });
  }
}

function typeOf(turn: Turn, live: LiveStep): "TASK" | "DECISION" | "EVENT_WAIT" | "DELAY" {
  return turn.program.steps.get(stepIdOf(live.path))?.type ?? "TASK";
}
