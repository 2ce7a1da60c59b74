/** EVENT_WAIT: how a wait opens, what fulfils it, and what happens when nothing does. */

import { type Arrival, ofSignal } from "./arrival.ts";
import { keyOfWait } from "./correlation.ts";
import type { Json } from "./definition.ts";
import { nextPath } from "./evolve.ts";
import type { ProgramStep } from "./program.ts";
import { complete, fail, outcomeOf } from "./settle.ts";
import { bag, frameOf, type LiveStep } from "./state.ts";
import { clearTimer, evaluate, failure, holds, record, scopeOf, type Turn } from "./turn.ts";

export function beginWait(turn: Turn, live: LiveStep, step: ProgramStep): void {
  const wait = step.wait!;
  const startedAt = turn.context.now;
  const warnings: string[] = [];
  for (const mail of turn.state.mailbox) {
    const arrival = ofSignal(mail);
    if (!fits(turn, live, step, { arrival, warnings })) continue;
    fulfil(turn, live, step, arrival, warnings);
    return;
  }
  const timeoutAt = wait.timeoutMs === undefined ? undefined : startedAt + wait.timeoutMs;
  record(turn, {
    path: live.path,
    stepId: live.stepId,
    type: step.type,
    attempt: live.attempt,
    status: "RUNNING",
    startedAt,
    ...outcomeOf({ dueAt: timeoutAt, warnings }),
  });
  if (timeoutAt !== undefined) turn.decision.armed.push({ key: live.path, dueAt: timeoutAt });
  turn.decision.waitsOpened.push({
    path: live.path,
    stepId: live.stepId,
    pattern: wait.pattern,
    condition: wait.conditionText,
    timeoutAt,
    timeoutHandler: wait.timeoutHandler,
    key: keyOfWait(turn, live, wait),
    since: sinceOf(turn, live, step),
  });
}

/** Of an open wait: events that were accepted before are not for it. */
export function sinceOf({ state }: Pick<Turn, "state">, live: LiveStep, step: ProgramStep): number {
  const { lookBackMs } = step.wait!;
  return lookBackMs === undefined ? state.startedAt : live.since - lookBackMs;
}

/** Whether a signal or event fulfils a wait: its type matches the pattern and the condition holds. */
export function fits(
  turn: Turn,
  live: LiveStep,
  step: ProgramStep,
  { arrival, warnings }: { arrival: Arrival; warnings: string[] },
): boolean {
  const wait = step.wait!;
  if (!wait.matches(arrival.type)) return false;
  if (wait.condition === undefined) return true;
  const scope = scopeOf(turn, live, { event: arrival.seen, payload: arrival.payload });
  return holds({ expression: wait.condition, where: `eventCondition of step "${step.stepId}"` }, scope, warnings);
}

/** Ends a wait with what it waited for; the output is the payload. */
export function fulfil(turn: Turn, live: LiveStep, step: ProgramStep, arrival: Arrival, warnings: string[]): void {
  const { payload, seen, consumed } = arrival;
  const startedAt = live.recorded === true ? live.since : turn.context.now;
  const scope = scopeOf(turn, live, { event: seen, payload });
  const set = bag<Json>();
  for (const [name, expression] of step.wait!.mapping) {
    const result = evaluate(
      turn,
      { expression, where: `eventPayloadMapping "${name}" of step "${step.stepId}"` },
      scope,
    );
    if ("error" in result) {
      closeWait(turn, live, "fulfilled", consumed.eventId);
      fail(turn, live, step, { error: result.error, startedAt, outcome: consumed });
      return;
    }
    set[name] = result.value;
  }
  closeWait(turn, live, "fulfilled", consumed.eventId);
  complete(turn, live, step, { output: payload, startedAt, outcome: { set, ...consumed, warnings } });
}

/** Takes back what an open wait left in tables. */
function closeWait(turn: Turn, live: LiveStep, status: "fulfilled" | "expired", eventId?: string): void {
  if (live.phase !== "waiting") return;
  clearTimer(turn, live.path, live.dueAt);
  turn.decision.waitsEnded.push({ path: live.path, status, ...(eventId === undefined ? {} : { eventId }) });
}

/** The time of a wait is up: its handler step takes over, or the step fails. */
export function expireWait(turn: Turn, live: LiveStep, step: ProgramStep): void {
  const handler = step.wait!.timeoutHandler;
  const error = failure(turn, "TIMEOUT", "TIMEOUT", `No event "${step.wait!.pattern}" came in time`);
  closeWait(turn, live, "expired");
  if (handler === undefined) {
    fail(turn, live, step, { error, startedAt: live.since });
    return;
  }
  record(turn, {
    path: live.path,
    stepId: live.stepId,
    type: step.type,
    attempt: live.attempt,
    status: "FAILED",
    error,
    startedAt: live.since,
    completedAt: turn.context.now,
    outcome: { next: [nextPath(turn.state, frameOf(live.path), handler)] },
  });
}
