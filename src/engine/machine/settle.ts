/** How a step ends: with a result that decides what follows, or with a failed attempt that is tried again or ends it. */

import { type ErrorInfo, retriedByDefault } from "../task.ts";
import { concludeCompensation } from "./compensation.ts";
import type { Json } from "./definition.ts";
import { failInstance } from "./ending.ts";
import { nextPath } from "./evolve.ts";
import type { ProgramStep, RetryRules } from "./program.ts";
import { bag, compensationScope, type LiveStep, type Outcome } from "./state.ts";
import { clearTimer, evaluate, failure, holds, record, scopeOf, type Turn } from "./turn.ts";

interface Completion {
  output: Json;
  startedAt: number;
  completedAt?: number;
  outcome?: Outcome;
}

/** Writes the result of a step and decides what follows. */
export function complete(turn: Turn, live: LiveStep, step: ProgramStep, done: Completion): void {
  const { outcome = {}, output } = done;
  consumeRetryTimer(turn, live);
  const warnings = [...(outcome.warnings ?? [])];
  const set = bag(outcome.set);
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
  // Mappings and conditions see the step as completed, with its output.
  const before = turn.state.steps[live.stepId];
  turn.state.steps[live.stepId] = { status: "COMPLETED", attempt: live.attempt, output };
  const { variables } = turn.state;
  for (const [name, expression] of step.mapping) {
    const scope = scopeOf(turn, { output, variables: { ...variables, ...set } });
    const result = evaluate(turn, { expression, where: `outputMapping "${name}" of step "${step.stepId}"` }, scope);
    if ("error" in result) {
      restore(turn, live.stepId, before);
      fail(turn, live, step, { error: result.error, startedAt: done.startedAt, completedAt });
      return;
    }
    set[name] = result.value;
  }
  const successor = chooseNext(turn, step, { output, set, warnings });
  restore(turn, live.stepId, before);
  const next = typeof successor === "string" ? [nextPath(turn.state, successor)] : undefined;
  record(turn, { ...entry, status: "COMPLETED", output, ...outcomeOf({ ...outcome, set, warnings, next }) });
  if (successor === noTransition) {
    const message = `None of the conditions of step "${step.stepId}" holds and it has no default transition`;
    failInstance(turn, failure(turn, "NO_TRANSITION", "BUSINESS", message));
  }
}

function restore(turn: Turn, stepId: string, before: Turn["state"]["steps"][string] | undefined): void {
  if (before === undefined) delete turn.state.steps[stepId];
  else turn.state.steps[stepId] = before;
}

const noTransition = Symbol("no transition");

function chooseNext(
  turn: Turn,
  step: ProgramStep,
  seen: { output: Json; set: Record<string, Json>; warnings: string[] },
): string | undefined | typeof noTransition {
  if (step.conditions.length === 0) return step.next;
  const variables = { ...turn.state.variables, ...seen.set };
  const scope = scopeOf(turn, {
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

interface Failure {
  error: ErrorInfo;
  startedAt: number;
  completedAt?: number;
  outcome?: Outcome;
}

/** Writes a failed attempt: it is tried again, or ends the step and with it the instance. */
export function fail(turn: Turn, live: LiveStep, step: ProgramStep, failed: Failure): void {
  consumeRetryTimer(turn, live);
  const completedAt = failed.completedAt ?? turn.context.now;
  const retriable = isRetriable(step.retry, failed.error) && step.type === "TASK";
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
    // At least a millisecond later: the timer that began this attempt may be cleared and this one armed in one flush.
    const waitMs = Math.max(1, backoffMs(turn, step.retry, live.attempt, failed.error));
    const retryAt = Math.ceil(turn.context.now + waitMs);
    record(turn, { ...entry, ...outcomeOf({ ...failed.outcome, retryAt }) });
    turn.decision.armed.push({ key: live.path, dueAt: retryAt });
    return;
  }
  if (live.path.startsWith(compensationScope)) {
    // A failing compensation is recorded and the rest still run.
    record(turn, { ...entry, ...outcomeOf(concludeCompensation(turn)) });
    return;
  }
  record(turn, { ...entry, ...outcomeOf(failed.outcome ?? {}) });
  failInstance(turn, entry.error);
}

/** Codes and categories are matched alike; `nonRetryable` wins; without lists the category decides. */
function isRetriable(rules: RetryRules, error: ErrorInfo): boolean {
  if (error.code === "POISON" || error.code === "UNSTORABLE") return false;
  const named = (set: ReadonlySet<string>) => set.has(error.code) || set.has(error.category);
  if (rules.nonRetryable !== undefined && named(rules.nonRetryable)) return false;
  if (rules.retryable !== undefined) return named(rules.retryable);
  return retriedByDefault.has(error.category);
}

/** Exponential, capped, spread by the jitter; never sooner than what the other side asked for (`details.retryAfterMs`). */
function backoffMs(turn: Turn, rules: RetryRules, attempt: number, error: ErrorInfo): number {
  // The power may be infinite, and nothing times infinity is no number.
  const plain = rules.initialMs === 0 ? 0 : Math.min(rules.initialMs * rules.multiplier ** (attempt - 1), rules.maxMs);
  const spread = plain * (1 + rules.jitter * (2 * turn.context.random() - 1));
  const { details } = error;
  const asked =
    typeof details === "object" && details !== null && !Array.isArray(details) ? details.retryAfterMs : undefined;
  return Math.max(spread, typeof asked === "number" ? Math.min(asked, 24 * 3_600_000) : 0);
}

/** The attempt that a retry's timer began is in the journal now. */
export function consumeRetryTimer(turn: Turn, live: LiveStep): void {
  if (live.phase !== "running" || live.dueAt === undefined) return;
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
  if (outcome.warnings !== undefined && outcome.warnings.length > 0) kept.warnings = outcome.warnings;
  return Object.keys(kept).length === 0 ? {} : { outcome: kept };
}
