/** How each type of step begins and ends. */

import { parseDuration } from "../../foundation/duration.ts";
import { type ErrorInfo, retriedByDefault } from "../task.ts";
import { compensationStep, concludeCompensation } from "./compensation.ts";
import type { Json } from "./definition.ts";
import { endInstance, failInstance, finish } from "./ending.ts";
import { nextPath } from "./evolve.ts";
import { type ProgramStep, parseInstant, type RetryRules } from "./program.ts";
import { bag, compensationScope, type LiveStep, type Mail, type Outcome } from "./state.ts";
import { clearTimer, detached, evaluate, failure, holds, record, scopeOf, type Turn } from "./turn.ts";

/** Steps that may begin in one turn without a commit between them; past it the chain goes on after one. */
export const chainLimit = 1_000;

/** Begins every step that is ready, and those that follow at once, until all that is left waits for something. */
export function advance(turn: Turn): void {
  while (turn.decision.ended === undefined) {
    const path = turn.ready.shift();
    if (path === undefined) {
      if (Object.keys(turn.state.live).length > 0) return;
      // May begin a compensation, whose first step is then ready.
      conclude(turn);
      continue;
    }
    if (turn.budget-- <= 0) {
      turn.decision.unfinished = true;
      return;
    }
    const live = turn.state.live[path];
    if (live !== undefined && live.phase === "ready") begin(turn, live);
  }
}

export function programStep(turn: Turn, live: { path: string; stepId: string }): ProgramStep {
  const step = live.path.startsWith(compensationScope)
    ? compensationStep(turn, live.stepId)
    : turn.program.steps.get(live.stepId);
  if (step === undefined)
    throw new Error(`step "${live.stepId}" is not in the definition ${turn.program.definitionId}`);
  return step;
}

function begin(turn: Turn, live: LiveStep): void {
  const step = programStep(turn, live);
  switch (step.type) {
    case "DECISION":
      complete(turn, live, step, { output: null, startedAt: turn.context.now });
      return;
    case "TASK":
      beginTask(turn, live, step);
      return;
    case "EVENT_WAIT":
      beginWait(turn, live, step);
      return;
    case "DELAY":
      beginDelay(turn, live, step);
      return;
  }
}

function beginTask(turn: Turn, live: LiveStep, step: ProgramStep): void {
  const startedAt = turn.context.now;
  if (step.transform !== undefined) {
    const result = evaluate(
      turn,
      { expression: step.transform, where: `expression of step "${step.stepId}"` },
      scopeOf(turn),
    );
    if ("error" in result) fail(turn, live, step, { error: result.error, startedAt });
    else complete(turn, live, step, { output: result.value, startedAt });
    return;
  }
  if (live.input === undefined) {
    const result = taskInput(turn, live, step);
    if ("error" in result) {
      fail(turn, live, step, { error: result.error, startedAt });
      return;
    }
    live.input = result.value;
  }
  runTask(turn, live, step);
}

function taskInput(turn: Turn, live: LiveStep, step: ProgramStep): { value: Json } | { error: ErrorInfo } {
  const where = `input of step "${step.stepId}"`;
  if (!live.path.startsWith(compensationScope)) {
    return step.input === undefined
      ? { value: turn.state.input }
      : evaluate(turn, { expression: step.input, where }, scopeOf(turn));
  }
  const { state } = turn;
  const undone = state.compensation?.items.find((item) => item.path === live.path)?.of;
  const seen = {
    originalInput: undone?.input ?? null,
    originalOutput: undone?.output ?? null,
    workflowInput: state.input,
    workflowState: { variables: state.variables, steps: state.steps },
    cancellation: (state.cancelation as Json | undefined) ?? null,
  };
  if (step.input === undefined) {
    const { originalInput: _, ...standard } = seen;
    return { value: detached(turn, standard) };
  }
  return evaluate(turn, { expression: step.input, where }, scopeOf(turn, { ...seen, error: state.error ?? null }));
}

/**
 * Asks for a handler. Nothing is written: the row comes with the result, or after a second with status RUNNING. The timer
 * of a retry stays until then (`consumeRetryTimer`), so that it wakes the instance again if the node dies first.
 */
export function runTask(turn: Turn, live: LiveStep, step: ProgramStep): void {
  live.phase = "running";
  live.startedAt = turn.context.now;
  turn.decision.tasks.push({
    path: live.path,
    stepId: live.stepId,
    taskId: step.taskId,
    attempt: live.attempt,
    input: live.input ?? null,
    timeoutMs: step.timeoutMs,
    interrupted: live.interrupted ?? 0,
  });
}

/** The attempt that a retry's timer began is in the journal now. */
export function consumeRetryTimer(turn: Turn, live: LiveStep): void {
  if (live.phase !== "running" || live.dueAt === undefined) return;
  clearTimer(turn, live.path, live.dueAt);
  delete live.dueAt;
}

function beginWait(turn: Turn, live: LiveStep, step: ProgramStep): void {
  const wait = step.wait!;
  const startedAt = turn.context.now;
  const warnings: string[] = [];
  const mail = turn.state.mailbox.find((letter) => fits(turn, step, letter, warnings));
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

function eventOf(mail: Mail): { [key: string]: Json } {
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
export function fits(turn: Turn, step: ProgramStep, mail: Mail, warnings: string[]): boolean {
  const wait = step.wait!;
  if (!wait.matches(mail.type)) return false;
  if (wait.condition === undefined) return true;
  const scope = scopeOf(turn, { event: eventOf(mail), payload: mail.payload });
  return holds({ expression: wait.condition, where: `eventCondition of step "${step.stepId}"` }, scope, warnings);
}

/** Ends a wait with the signal that it waited for; the output is the payload. */
export function fulfil(turn: Turn, live: LiveStep, step: ProgramStep, mail: Mail, warnings: string[] = []): void {
  const startedAt = live.recorded === true ? live.since : turn.context.now;
  const scope = scopeOf(turn, { event: eventOf(mail), payload: mail.payload });
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
    outcome: { next: [nextPath(turn.state, handler)] },
  });
}

function beginDelay(turn: Turn, live: LiveStep, step: ProgramStep): void {
  const startedAt = turn.context.now;
  const due = delayDue(turn, step);
  if ("error" in due) {
    fail(turn, live, step, { error: due.error, startedAt });
    return;
  }
  if (due.at <= startedAt) {
    complete(turn, live, step, { output: null, startedAt });
    return;
  }
  record(turn, {
    path: live.path,
    stepId: live.stepId,
    type: step.type,
    attempt: live.attempt,
    status: "RUNNING",
    startedAt,
    outcome: { dueAt: due.at },
  });
  turn.decision.armed.push({ key: live.path, dueAt: due.at });
}

function delayDue(turn: Turn, step: ProgramStep): { at: number } | { error: ErrorInfo } {
  const delay = step.delay!;
  if (delay.kind === "for") return { at: turn.context.now + delay.ms };
  if (delay.kind === "until") return { at: delay.at };
  const where = `${delay.kind === "for_expression" ? "delay" : "until"} of step "${step.stepId}"`;
  const result = evaluate(turn, { expression: delay.expression, where }, scopeOf(turn));
  if ("error" in result) return result;
  const { value } = result;
  const refuse = (expected: string) => ({
    error: failure(turn, "EXPRESSION_ERROR", "VALIDATION", `${where} gave ${JSON.stringify(value)}, not ${expected}`),
  });
  if (delay.kind === "until_expression") {
    const at = typeof value === "string" ? parseInstant(value) : undefined;
    return at === undefined ? refuse("an instant such as 2030-01-31T09:00:00Z") : { at };
  }
  try {
    if (typeof value === "number" || typeof value === "string") return { at: turn.context.now + parseDuration(value) };
  } catch {
    // Refused below: the text is no duration.
  }
  return refuse("a number of milliseconds or an ISO 8601 duration");
}

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
export function isRetriable(rules: RetryRules, error: ErrorInfo): boolean {
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

/** Nothing is live any more: the compensation has ended, or the workflow has. */
function conclude(turn: Turn): void {
  const { state, program } = turn;
  if (state.ending !== undefined) {
    finish(turn, state.ending);
    return;
  }
  if (program.output === undefined) {
    const last = turn.decision.entries.findLast((entry) => entry.status === "COMPLETED");
    endInstance(turn, "COMPLETED", { output: last?.output ?? null });
    return;
  }
  const result = evaluate(turn, { expression: program.output, where: "output of the workflow" }, scopeOf(turn));
  if ("error" in result) failInstance(turn, result.error);
  else endInstance(turn, "COMPLETED", { output: result.value });
}

/** Leaves out what is empty: most rows decide one thing. */
function outcomeOf(outcome: Outcome): { outcome?: Outcome } {
  const kept: Outcome = {};
  if (outcome.next !== undefined && outcome.next.length > 0) kept.next = outcome.next;
  if (outcome.set !== undefined && Object.keys(outcome.set).length > 0) kept.set = outcome.set;
  if (outcome.retryAt !== undefined) kept.retryAt = outcome.retryAt;
  if (outcome.dueAt !== undefined) kept.dueAt = outcome.dueAt;
  if (outcome.signalId !== undefined) kept.signalId = outcome.signalId;
  if (outcome.warnings !== undefined && outcome.warnings.length > 0) kept.warnings = outcome.warnings;
  return Object.keys(kept).length === 0 ? {} : { outcome: kept };
}
