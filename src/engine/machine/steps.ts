/** How steps begin, one after the other, until all that is left waits for something. */

import type { ErrorInfo } from "../task.ts";
import { compensationStep } from "./compensation.ts";
import type { Json } from "./definition.ts";
import { beginDelay } from "./delays.ts";
import { endInstance, failInstance, finish } from "./ending.ts";
import type { ProgramStep } from "./program.ts";
import { complete, fail } from "./settle.ts";
import { compensationScope, type LiveStep } from "./state.ts";
import { detached, evaluate, scopeOf, type Turn } from "./turn.ts";
import { beginWait } from "./waits.ts";

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
