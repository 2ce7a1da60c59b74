/** How a step ends: with a result that decides what follows, or with a failed attempt that is tried again or ends it. */

import type { ErrorInfo } from "../task.ts";
import { closingOf } from "./closing.ts";
import { concludeCompensation } from "./compensation.ts";
import type { Json } from "./definition.ts";
import { cancelWithin, failInstance, withdraw } from "./ending.ts";
import { nextPath, stepsAround } from "./evolve.ts";
import type { ProgramStep } from "./program.ts";
import { backoffMs, isRetriable } from "./retry_rules.ts";
import { bag, compensationScope, frameOf, type LiveStep, type Outcome, type StepState } from "./state.ts";
import { clearTimer, evaluate, failure, holds, record, scopeOf, type Turn } from "./turn.ts";
import { fitsType, typeName } from "./variables.ts";

interface Completion {
  output: Json;
  startedAt: number;
  completedAt?: number;
  outcome?: Outcome;
}

/** Writes the result of a step and decides what follows. */
export function complete(turn: Turn, live: LiveStep, step: ProgramStep, done: Completion): void {
  const { outcome = {}, output } = done;
  dropTimer(turn, live);
  const completedAt = done.completedAt ?? turn.context.now;
  const entry = {
    path: live.path,
    stepId: live.stepId,
    type: step.type,
    attempt: live.attempt,
    input: live.input,
    startedAt: done.startedAt,
    completedAt,
  };
  if (live.path.startsWith(compensationScope)) {
    record(turn, { ...entry, status: "COMPLETED", output, ...outcomeOf(concludeCompensation(turn)) });
    return;
  }
  const decided = decideCompletion(turn, live, step, { output, outcome });
  if ("error" in decided) {
    // Only a PARALLEL that completes leaves branches to themselves.
    if (outcome.left === true) cancelWithin(turn, live.path);
    // The signal or event is consumed, whatever its payload was good for.
    const { signalId, eventId, eventAt } = outcome;
    const consumed = { signalId, eventId, eventAt };
    fail(turn, live, step, { error: decided.error, startedAt: done.startedAt, completedAt, outcome: consumed });
    return;
  }
  const { successor, set, warnings } = decided;
  if (successor !== undefined && successor !== noTransition) {
    const next = [nextPath(turn.state, frameOf(live.path), successor)];
    record(turn, { ...entry, status: "COMPLETED", output, ...outcomeOf({ ...outcome, set, warnings, next }) });
    return;
  }
  if (successor === noTransition) {
    const message = `None of the conditions of step "${step.stepId}" holds and it has no default transition`;
    const error = failure(turn, "NO_TRANSITION", "BUSINESS", message);
    const closing = closingOf(turn, live.path, "FAILED");
    // The step has done its work; what fails is the scope, and of a branch or item the row says so.
    const blame = closing === undefined ? {} : { error };
    record(turn, {
      ...entry,
      status: "COMPLETED",
      output,
      ...blame,
      ...outcomeOf({ ...outcome, set, warnings, ...closing }),
    });
    if (closing === undefined) failInstance(turn, error, live.path);
    return;
  }
  const closing = closingOf(turn, live.path, "COMPLETED");
  record(turn, { ...entry, status: "COMPLETED", output, ...outcomeOf({ ...outcome, set, warnings, ...closing }) });
}

type Decided =
  | { successor: string | undefined | typeof noTransition; set: Record<string, Json>; warnings: string[] }
  | { error: ErrorInfo };

const nothing: Readonly<Record<string, Json>> = bag();

/** Mappings and conditions see the step as completed, with its output. */
function decideCompletion(
  turn: Turn,
  live: LiveStep,
  step: ProgramStep,
  { output, outcome }: { output: Json; outcome: Outcome },
): Decided {
  const warnings = [...(outcome.warnings ?? [])];
  // Most steps set nothing and choose nothing.
  if (step.mapping.length === 0 && step.conditions.length === 0 && outcome.set === undefined)
    return { successor: step.next, set: nothing, warnings };
  const set = bag(outcome.set);
  return seenAs(turn, live, { status: "COMPLETED", attempt: live.attempt, output }, () => {
    const { variables } = turn.state;
    for (const [name, expression] of step.mapping) {
      const scope = scopeOf(turn, live, { output, variables: { ...variables, ...set } });
      const result = evaluate(turn, { expression, where: `outputMapping "${name}" of step "${step.stepId}"` }, scope);
      if ("error" in result) return result;
      set[name] = result.value;
    }
    const misfit = misfitOf(turn, set);
    if (misfit !== undefined) return { error: misfit };
    return { successor: chooseNext(turn, live, step, { output, set, warnings }), set, warnings };
  });
}

/** What expressions see under the step's id while `look` runs: the row that is about to say so is not written yet. */
function seenAs<T>(turn: Turn, live: LiveStep, shown: StepState, look: () => T): T {
  const steps = stepsAround(turn.state, live.path);
  const before = steps[live.stepId];
  steps[live.stepId] = shown;
  try {
    return look();
  } finally {
    if (before === undefined) delete steps[live.stepId];
    else steps[live.stepId] = before;
  }
}

/** Whoever sets a variable gives a value of its declared type. */
function misfitOf(turn: Turn, set: Record<string, Json>): ErrorInfo | undefined {
  if (turn.program.declared.size === 0) return undefined;
  for (const [name, value] of Object.entries(set)) {
    const type = turn.program.declared.get(name)?.type;
    if (type === undefined || fitsType(value, type)) continue;
    const message = `Variable "${name}" is declared as ${type} and would become ${typeName(value)}`;
    return failure(turn, "VARIABLE_TYPE", "VALIDATION", message);
  }
  return undefined;
}

const noTransition = Symbol("no transition");

function chooseNext(
  turn: Turn,
  live: LiveStep,
  step: ProgramStep,
  seen: { output: Json; set: Record<string, Json>; warnings: string[] },
): string | undefined | typeof noTransition {
  if (step.conditions.length === 0) return step.next;
  const variables = { ...turn.state.variables, ...seen.set };
  const scope = scopeOf(turn, live, {
    output: seen.output,
    variables,
    workflow: { input: turn.state.input, context: variables, instance: turn.context.instance },
  });
  for (const [index, condition] of step.conditions.entries()) {
    const where = `condition ${index} of step "${step.stepId}"`;
    if (holds({ expression: condition.when, where }, scope, seen.warnings)) return condition.next;
  }
  return step.next ?? noTransition;
}

/** Passes a step over: its default follows, or what its conditions say of a null output. */
export function passOver(turn: Turn, live: LiveStep, step: ProgramStep): void {
  withdraw(turn, live);
  const warnings: string[] = [];
  const chosen = step.next ?? chooseNext(turn, live, step, { output: null, set: bag(), warnings });
  const entry = {
    path: live.path,
    stepId: live.stepId,
    type: step.type,
    attempt: live.attempt,
    status: "SKIPPED" as const,
    input: live.input,
    startedAt: live.startedAt ?? live.since,
    completedAt: turn.context.now,
  };
  if (chosen !== undefined && chosen !== noTransition) {
    const next = [nextPath(turn.state, frameOf(live.path), chosen)];
    record(turn, { ...entry, ...outcomeOf({ warnings, next }) });
    return;
  }
  const closing = closingOf(turn, live.path, "COMPLETED");
  record(turn, { ...entry, ...outcomeOf({ warnings, ...closing }) });
}

interface Failure {
  error: ErrorInfo;
  startedAt: number;
  completedAt?: number;
  outcome?: Outcome;
}

/** Writes a failed attempt: it is tried again, or ends the step, and with it its scope unless a handler catches it. */
export function fail(turn: Turn, live: LiveStep, step: ProgramStep, failed: Failure): void {
  const dropped = live.dueAt;
  dropTimer(turn, live);
  // It may be the input that cannot be stored.
  if (failed.error.code === "UNSTORABLE" && live.attempt === 1 && live.recorded !== true) delete live.input;
  const completedAt = failed.completedAt ?? turn.context.now;
  const retriable = isAttempted(step) && isRetriable(step.retry, failed.error);
  const entry = {
    path: live.path,
    stepId: live.stepId,
    type: step.type,
    attempt: live.attempt,
    status: "FAILED" as const,
    input: live.input,
    error: { ...failed.error, retriable },
    startedAt: failed.startedAt,
    completedAt,
  };
  if (retriable && live.attempt < step.retry.maxAttempts) {
    // A timer that is cleared and one that is armed in the same flush must not be the same: those of a step share its
    // path, so the next attempt comes at least a millisecond later, and never when a child's time would have been over.
    const waitMs = Math.max(1, backoffMs(turn, step.retry, live.attempt, failed.error));
    const due = Math.ceil(turn.context.now + waitMs);
    const retryAt = due === dropped ? due + 1 : due;
    record(turn, { ...entry, ...outcomeOf({ ...failed.outcome, retryAt }) });
    turn.decision.armed.push({ key: live.path, dueAt: retryAt });
    return;
  }
  if (live.path.startsWith(compensationScope)) {
    // A failing compensation is recorded and the rest still run.
    record(turn, { ...entry, ...outcomeOf(concludeCompensation(turn)) });
    return;
  }
  const warnings = [...(failed.outcome?.warnings ?? [])];
  const handler = handlerOf(turn, live, step, { error: entry.error, warnings });
  if (handler !== undefined) {
    const next = [nextPath(turn.state, frameOf(live.path), handler)];
    record(turn, { ...entry, ...outcomeOf({ ...failed.outcome, warnings, next }) });
    return;
  }
  const closing = closingOf(turn, live.path, "FAILED");
  record(turn, { ...entry, ...outcomeOf({ ...failed.outcome, warnings, ...closing }) });
  if (closing === undefined) failInstance(turn, entry.error, live.path);
}

/** What somebody else does may go well the next time; what the engine does itself would fail in the same way. */
function isAttempted({ type, transform, publishes }: ProgramStep): boolean {
  return (type === "TASK" && transform === undefined && !publishes) || type === "WORKFLOW";
}

/** The step that takes over after a failure, if any is named for it. */
function handlerOf(
  turn: Turn,
  live: LiveStep,
  step: ProgramStep,
  seen: { error: ErrorInfo; warnings: string[] },
): string | undefined {
  const { onFailure } = step;
  if (onFailure === undefined) return undefined;
  const { error, warnings } = seen;
  return seenAs(turn, live, { status: "FAILED", attempt: live.attempt, error }, () => {
    const scope = scopeOf(turn, live, { error: { ...error, stepId: live.stepId } });
    for (const [index, condition] of onFailure.conditions.entries()) {
      const where = `onFailure condition ${index} of step "${step.stepId}"`;
      if (holds({ expression: condition.when, where }, scope, warnings)) return condition.next;
    }
    return onFailure.next;
  });
}

/** The attempt that a retry's timer began is in the journal now. */
export function consumeRetryTimer(turn: Turn, live: LiveStep): void {
  if (live.phase === "running") dropTimer(turn, live);
}

/** A step that ends, or ends an attempt, takes its timer along. Those of waits and delays are their own affair. */
function dropTimer(turn: Turn, live: LiveStep): void {
  if (live.dueAt === undefined || live.phase === "waiting" || live.phase === "sleeping") return;
  clearTimer(turn, live.path, live.dueAt);
  delete live.dueAt;
}

/** Leaves out what is empty: most rows decide one thing. */
export function outcomeOf(outcome: Outcome): { outcome?: Outcome } {
  const kept: Outcome = {};
  if (outcome.next !== undefined && outcome.next.length > 0) kept.next = outcome.next;
  if (outcome.set !== undefined && Object.keys(outcome.set).length > 0) kept.set = outcome.set;
  if (outcome.retryAt !== undefined) kept.retryAt = outcome.retryAt;
  if (outcome.dueAt !== undefined) kept.dueAt = outcome.dueAt;
  if (outcome.signalId !== undefined) kept.signalId = outcome.signalId;
  if (outcome.eventId !== undefined) kept.eventId = outcome.eventId;
  if (outcome.eventAt !== undefined) kept.eventAt = outcome.eventAt;
  if (outcome.childId !== undefined) kept.childId = outcome.childId;
  if (outcome.closed === true) kept.closed = true;
  if (outcome.left === true) kept.left = true;
  if (outcome.warnings !== undefined && outcome.warnings.length > 0) kept.warnings = outcome.warnings;
  return Object.keys(kept).length === 0 ? {} : { outcome: kept };
}
