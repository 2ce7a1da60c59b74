/** EVENT_WAIT: how a wait opens, what fulfils it, and what happens when nothing does. */

import type { Json } from "./definition.ts";
import { nextPath } from "./evolve.ts";
import type { ProgramStep } from "./program.ts";
import { complete, fail, outcomeOf } from "./settle.ts";
import { bag, frameOf, type LiveStep, type Mail } from "./state.ts";
import { clearTimer, evaluate, failure, holds, record, scopeOf, type Turn } from "./turn.ts";

export function beginWait(turn: Turn, live: LiveStep, step: ProgramStep): void {
  const wait = step.wait!;
  const startedAt = turn.context.now;
  const warnings: string[] = [];
  const mail = turn.state.mailbox.find((letter) => fits(turn, live, step, { mail: letter, warnings }));
  if (mail !== undefined) {
    fulfil(turn, live, step, mail, warnings);
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
  });
}

export function eventOf(mail: Mail): { [key: string]: Json } {
  return {
    id: mail.signalId,
    type: mail.type,
    pattern: mail.type,
    payload: mail.payload,
    metadata: {},
    timestamp: new Date(mail.receivedAt).toISOString(),
  };
}

/** Whether a signal fulfils a wait: its type matches the pattern and the condition holds. */
export function fits(
  turn: Turn,
  live: LiveStep,
  step: ProgramStep,
  { mail, warnings }: { mail: Mail; warnings: string[] },
): boolean {
  const wait = step.wait!;
  if (!wait.matches(mail.type)) return false;
  if (wait.condition === undefined) return true;
  const scope = scopeOf(turn, live, { event: eventOf(mail), payload: mail.payload });
  return holds({ expression: wait.condition, where: `eventCondition of step "${step.stepId}"` }, scope, warnings);
}

/** Ends a wait with the signal that it waited for; the output is the payload. */
export function fulfil(turn: Turn, live: LiveStep, step: ProgramStep, mail: Mail, warnings: string[] = []): void {
  const startedAt = live.recorded === true ? live.since : turn.context.now;
  const scope = scopeOf(turn, live, { event: eventOf(mail), payload: mail.payload });
  const set = bag<Json>();
  for (const [name, expression] of step.wait!.mapping) {
    const result = evaluate(
      turn,
      { expression, where: `eventPayloadMapping "${name}" of step "${step.stepId}"` },
      scope,
    );
    if ("error" in result) {
      closeWait(turn, live, "fulfilled");
      fail(turn, live, step, { error: result.error, startedAt, outcome: { signalId: mail.signalId } });
      return;
    }
    set[name] = result.value;
  }
  closeWait(turn, live, "fulfilled");
  complete(turn, live, step, { output: mail.payload, startedAt, outcome: { set, signalId: mail.signalId, warnings } });
}

/** Takes back what an open wait left in tables. */
export function closeWait(turn: Turn, live: LiveStep, status: "fulfilled" | "expired" | "cancelled"): void {
  if (live.phase !== "waiting") return;
  clearTimer(turn, live.path, live.dueAt);
  turn.decision.waitsEnded.push({ path: live.path, status });
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
