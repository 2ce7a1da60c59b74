/** How steps begin, one after the other, until all that is left waits for something. */

import { compileSchema } from "../../foundation/json_schema/index.ts";
import { type ErrorInfo, errorCategories } from "../task.ts";
import type { Json } from "./definition.ts";
import { beginDelay } from "./delays.ts";
import { cancelLive, endInstance, failInstance, finish } from "./ending.ts";
import { hasLive } from "./glance.ts";
import { beginJoin, settleClosing } from "./joins.ts";
import type { ProgramStep } from "./program.ts";
import { publish } from "./publishing.ts";
import { complete, fail, passOver } from "./settle.ts";
import { compensationScope, type InstanceState, type LiveStep } from "./state.ts";
import { detached, evaluate, failure, programStep, record, scopeOf, type Turn } from "./turn.ts";
import { beginWait } from "./waits.ts";

/** Steps that may begin in one turn without a commit between them; past it the chain goes on after one. */
export const chainLimit = 1_000;

/**
 * Begins every step that is ready, and those that follow at once, until all that is left waits for something. While the
 * instance is paused, what is ready stays so.
 */
export function advance(turn: Turn): void {
  while (turn.decision.ended === undefined) {
    const closing = turn.closings.shift();
    if (closing !== undefined) {
      settleClosing(turn, closing);
      continue;
    }
    if (isHeld(turn.state)) return;
    const path = turn.ready.shift();
    if (path === undefined) {
      if (hasLive(turn.state) || turn.state.retryAt !== undefined) return;
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

/** Paused, or waiting for a permit: what is ready stays so. An instance that is ending goes on with that. */
function isHeld(state: InstanceState): boolean {
  return (state.status === "PAUSED" || state.status === "CREATED") && state.ending === undefined && hasLive(state);
}

function begin(turn: Turn, live: LiveStep): void {
  const step = programStep(turn, live);
  if (turn.state.skips?.includes(live.stepId) === true && !live.path.startsWith(compensationScope)) {
    passOver(turn, live, step);
    return;
  }
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
    case "PARALLEL":
    case "MAP":
      beginJoin(turn, live, step);
      return;
    case "WORKFLOW":
      beginTask(turn, live, step);
      return;
    case "TERMINATE":
      terminate(turn, live, step);
      return;
  }
}

/** Ends the workflow from wherever the step stands. */
function terminate(turn: Turn, live: LiveStep, step: ProgramStep): void {
  const end = step.end!;
  const now = turn.context.now;
  const entry = {
    path: live.path,
    stepId: live.stepId,
    type: step.type,
    attempt: live.attempt,
    startedAt: now,
    completedAt: now,
  };
  const where = `${end.status === "COMPLETED" ? "output" : "error"} of step "${step.stepId}"`;
  if (end.status === "COMPLETED" && end.output === undefined) {
    record(turn, { ...entry, status: "COMPLETED", output: null });
    cancelLive(turn);
    // A branch that was left behind may end what has its last step behind it: that one's output is not the end's.
    delete turn.state.result;
    concludeRun(turn, undefined);
    return;
  }
  const expression = end.status === "COMPLETED" ? end.output! : end.error;
  const result = evaluate(turn, { expression, where }, scopeOf(turn, live));
  if ("error" in result) {
    fail(turn, live, step, { error: result.error, startedAt: now });
    return;
  }
  if (end.status === "COMPLETED") {
    record(turn, { ...entry, status: "COMPLETED", output: result.value });
    cancelLive(turn);
    concludeRun(turn, result.value);
    return;
  }
  const error = terminationError(turn, result.value);
  record(turn, { ...entry, status: "FAILED", error });
  failInstance(turn, error, live.path);
}

function terminationError(turn: Turn, given: Json): ErrorInfo {
  const { code, message, category, details } = given as { [key: string]: Json };
  const text = (value: Json | undefined) => (typeof value === "string" ? value : JSON.stringify(value ?? null));
  const known = errorCategories.find((name) => name === category);
  const error = failure(turn, text(code).slice(0, 100), known ?? "BUSINESS", text(message).slice(0, 4_096));
  return details === undefined || details === null ? error : { ...error, details };
}

function beginTask(turn: Turn, live: LiveStep, step: ProgramStep): void {
  const startedAt = turn.context.now;
  if (step.transform !== undefined) {
    const result = evaluate(
      turn,
      { expression: step.transform, where: `expression of step "${step.stepId}"` },
      scopeOf(turn, live),
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
  if (step.publishes) publish(turn, live, step);
  else runTask(turn, live, step);
}

function taskInput(turn: Turn, live: LiveStep, step: ProgramStep): { value: Json } | { error: ErrorInfo } {
  const where = `input of step "${step.stepId}"`;
  if (!live.path.startsWith(compensationScope)) {
    return step.input === undefined
      ? { value: turn.state.input }
      : evaluate(turn, { expression: step.input, where }, scopeOf(turn, live));
  }
  const { state } = turn;
  const undone = state.compensation?.items.find((item) => item.path === live.path)?.of;
  const seen = {
    originalInput: undone?.input ?? null,
    originalOutput: undone?.output ?? null,
    workflowInput: state.input,
    workflowState: { variables: state.variables, steps: withoutCompensations(turn) },
    cancellation: (state.cancelation as Json | undefined) ?? null,
  };
  if (step.input === undefined) {
    const { originalInput: _, ...standard } = seen;
    return { value: detached(turn, standard) };
  }
  return evaluate(
    turn,
    { expression: step.input, where },
    scopeOf(turn, undefined, { ...seen, error: state.error ?? null }),
  );
}

/** A compensation is not told of those before it: their inputs hold the whole state, and would double with each. */
function withoutCompensations({ state, program }: Turn): InstanceState["steps"] {
  const own = Object.entries(state.steps).filter(([id]) => program.steps.has(id) || !program.compensations.has(id));
  return Object.fromEntries(own);
}

/**
 * Asks for a handler. Nothing is written: the row comes with the result, or after a second with status RUNNING. The timer
 * of a retry stays until then (`consumeRetryTimer`), so that it wakes the instance again if the node dies first.
 */
export function runTask(turn: Turn, live: LiveStep, step: ProgramStep): void {
  live.phase = "running";
  live.startedAt = turn.context.now;
  turn.decision.tasks.push({
    kind: step.child === undefined ? "task" : "child",
    path: live.path,
    stepId: live.stepId,
    taskId: step.taskId,
    attempt: live.attempt,
    input: live.input ?? null,
    timeoutMs: step.timeoutMs,
    interrupted: live.interrupted ?? 0,
  });
}

/** Nothing is live any more: the compensation has ended, or the workflow has. */
function conclude(turn: Turn): void {
  const { state } = turn;
  if (state.ending !== undefined) finish(turn, state.ending);
  else concludeRun(turn, undefined);
}

/** Completes the workflow with `given` or, without it, its definition's output, unless it breaks a promise of the definition. */
function concludeRun(turn: Turn, given: Json | undefined): void {
  const { state, program } = turn;
  const missing = missingVariable(turn);
  if (missing !== undefined) {
    const message = `Variable "${missing}" is required, and the workflow ended without a value of it`;
    failInstance(turn, failure(turn, "VARIABLE_MISSING", "VALIDATION", message));
    return;
  }
  if (given !== undefined || program.output === undefined) {
    endCompleted(turn, given ?? state.result ?? null);
    return;
  }
  const result = evaluate(
    turn,
    { expression: program.output, where: "output of the workflow" },
    scopeOf(turn, undefined),
  );
  if ("error" in result) failInstance(turn, result.error);
  else endCompleted(turn, result.value);
}

function missingVariable(turn: Turn): string | undefined {
  for (const [name, { required }] of turn.program.declared) {
    if (required === true && turn.state.variables[name] === undefined) return name;
  }
  return undefined;
}

/** Completes the instance, unless its output is not what the definition promises. */
function endCompleted(turn: Turn, output: Json): void {
  const { outputSchema } = turn.program;
  const faults = outputSchema === undefined ? [] : compileSchema(outputSchema).validate(output);
  const [first] = faults;
  if (first === undefined) {
    endInstance(turn, "COMPLETED", { output });
    return;
  }
  const message = `The output does not fit the workflow's outputSchema: ${first.pointer || "it"} ${first.message}`;
  const details = JSON.parse(JSON.stringify({ errors: faults.slice(0, 20) })) as Json;
  failInstance(turn, { ...failure(turn, "OUTPUT_INVALID", "VALIDATION", message), details });
}
