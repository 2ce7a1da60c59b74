/** The ways an instance ends. */

import type { ErrorInfo } from "../task.ts";
import { beginCompensation } from "./compensation.ts";
import type { Json, StepType } from "./definition.ts";
import { announceCompensation, announceEnd } from "./lifecycle.ts";
import { compensationScope, type FinalStatus, isWithin, type LiveStep } from "./state.ts";
import { closeTriggers } from "./triggers.ts";
import { clearTimer, record, setStatus, type Turn } from "./turn.ts";
import { scheduleRetry } from "./workflow_retry.ts";

/**
 * Stops everything that is under way and ends the instance as failed, after compensation where there is any. `path` names
 * the step that failed, if it was one.
 */
export function failInstance(turn: Turn, error: ErrorInfo, path?: string): void {
  if (turn.state.ending !== undefined || turn.decision.ended !== undefined) return;
  turn.state.error = error;
  turn.decision.failed = { path };
  cancelLive(turn);
  endInstance(turn, "FAILED", { compensate: turn.program.compensateOnFailure });
}

export function endInstance(turn: Turn, status: FinalStatus, end: { output?: Json; compensate?: boolean }): void {
  const { state } = turn;
  if (end.output !== undefined) state.output = end.output;
  clearTimer(turn, "", state.deadlineAt);
  delete state.deadlineAt;
  closeTriggers(turn);
  turn.ready.length = 0;
  turn.closings.length = 0;
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
    announceCompensation(turn, status);
  }
  delete state.ending;
  if (status === "FAILED" && scheduleRetry(turn)) return;
  state.completedAt = context.now;
  state.mailbox = [];
  releasePermits(turn);
  setStatus(turn, status, endEvents[status]);
  announceEnd(turn, status);
  decision.ended = status;
}

/** Permits are given back in the flush that ends their holder; one that was only asked for is asked for no more. */
function releasePermits(turn: Turn): void {
  const asked = turn.state.permits?.findIndex((permit) => !permit.granted) ?? -1;
  for (const [index, { key }] of (turn.state.permits ?? []).entries()) {
    if (asked === -1 || index <= asked) turn.decision.messages.push({ kind: "PERMIT_RELEASE", to: key, fact: {} });
  }
  delete turn.state.permits;
}

/** Records every live step as cancelled and takes back its timers and waits, those inside of others first. */
export function cancelLive(turn: Turn): void {
  for (const live of Object.values(turn.state.live).reverse()) cancelStep(turn, live);
}

/**
 * The same for what is under way in the branches or items of one container. A branch that an inner PARALLEL left to
 * itself goes on.
 */
export function cancelWithin(turn: Turn, container: string): void {
  const left = Object.entries(turn.state.frames).filter(([path, frame]) => frame.left && isWithin(path, container));
  for (const live of Object.values(turn.state.live).reverse()) {
    if (isWithin(live.path, container) && !left.some(([path]) => isWithin(live.path, path))) cancelStep(turn, live);
  }
}

/** Takes back what a step that is under way has asked for. */
export function withdraw(turn: Turn, live: LiveStep): void {
  clearTimer(turn, live.path, live.dueAt);
  if (live.phase === "waiting") turn.decision.waitsEnded.push({ path: live.path, status: "cancelled" });
  else if (live.phase === "running") turn.decision.aborted.push(live.path);
  else if (live.phase === "child") cancelChild(turn, live);
}

function cancelStep(turn: Turn, live: LiveStep): void {
  withdraw(turn, live);
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

/** Cancellation passes down: the child hears of it from its own inbox. */
function cancelChild(turn: Turn, live: LiveStep): void {
  turn.decision.messages.push({
    kind: "CANCEL",
    to: live.childId!,
    fact: {
      reason: turn.state.cancelation?.reason ?? `Step "${live.stepId}" of the parent ended without it`,
      requestedBy: turn.state.cancelation?.requestedBy ?? "parent",
      requestedAt: new Date(turn.context.now).toISOString(),
      source: "SYSTEM",
      compensate: turn.state.cancelation?.shouldCompensate ?? true,
    },
  });
}

function typeOf(turn: Turn, live: LiveStep): StepType {
  return (!live.path.startsWith(compensationScope) && turn.program.steps.get(live.stepId)?.type) || "TASK";
}
