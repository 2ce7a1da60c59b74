/**
 * The fold: what one journal row does to the state. It evaluates nothing and decides nothing; running it over the rows
 * of an instance gives the state that its owner had in memory when it wrote them.
 */

import type { Program } from "./program.ts";
import {
  bag,
  compensationScope,
  type InstanceState,
  type JournalEntry,
  type LiveStep,
  pathOf,
  stepIdOf,
} from "./state.ts";

/** The state of an instance that has just begun: its first step is ready, its variables have their defaults. */
export function initialState(
  program: Program,
  start: { input: InstanceState["input"]; startedAt: number },
): InstanceState {
  const state: InstanceState = {
    status: "RUNNING",
    input: start.input,
    variables: bag(program.variables),
    steps: bag(),
    live: bag(),
    visits: bag(),
    compensable: [],
    seq: 0,
    mailbox: [],
    keyedSignals: [],
    startedAt: start.startedAt,
  };
  if (program.timeoutMs !== undefined) state.deadlineAt = start.startedAt + program.timeoutMs;
  enter(state, nextPath(state, program.entry), start.startedAt);
  return state;
}

/** The path of the next visit of a step; `enter` counts the visit. */
export function nextPath(state: InstanceState, stepId: string): string {
  return pathOf(stepId, (state.visits[stepId] ?? 0) + 1);
}

/** Makes a step ready to begin. */
export function enter(state: InstanceState, path: string, at: number): LiveStep {
  const stepId = stepIdOf(path);
  if (!path.startsWith(compensationScope)) state.visits[stepId] = (state.visits[stepId] ?? 0) + 1;
  const live: LiveStep = { path, stepId, phase: "ready", attempt: 1, since: at };
  state.live[path] = live;
  return live;
}

/** Applies one row. Rows come in the order of their `seq`. */
export function evolve(program: Program, state: InstanceState, entry: JournalEntry): void {
  state.seq = entry.seq;
  const known = state.live[entry.path];
  const shown = state.steps[entry.stepId];
  // A null column is an absent one: both mean null to a handler.
  const input = entry.input ?? known?.input ?? undefined;
  state.steps[entry.stepId] = {
    status: entry.status,
    attempt: entry.attempt,
    ...(input === undefined ? {} : { input }),
    ...(entry.output === undefined ? {} : { output: entry.output }),
    ...(entry.error === undefined ? {} : { error: entry.error }),
    startedAt: entry.startedAt,
    ...(entry.completedAt === undefined ? {} : { completedAt: entry.completedAt }),
  };
  switch (entry.status) {
    case "PENDING":
    case "RUNNING":
      begin(state, entry, known);
      return;
    case "FAILED":
      if (entry.outcome?.retryAt !== undefined) {
        state.live[entry.path] = {
          path: entry.path,
          stepId: entry.stepId,
          phase: "backoff",
          attempt: entry.attempt + 1,
          since: entry.completedAt ?? entry.startedAt,
          dueAt: entry.outcome.retryAt,
          ...(input === undefined ? {} : { input }),
          ...(known?.interrupted === undefined ? {} : { interrupted: known.interrupted }),
        };
        return;
      }
      break;
    case "CANCELLED":
    case "SKIPPED":
      // A step that never showed a result keeps none: an earlier visit's output stays readable.
      if (shown?.output !== undefined) state.steps[entry.stepId]!.output = shown.output;
      break;
    case "COMPLETED":
      if (!entry.path.startsWith(compensationScope) && program.compensationsFor.has(entry.stepId)) {
        state.compensable.push({
          path: entry.path,
          stepId: entry.stepId,
          ...(input === undefined ? {} : { input }),
          ...(entry.output === undefined ? {} : { output: entry.output }),
        });
      }
      break;
  }
  settle(state, entry);
}

/** A row that says that a step goes on. */
function begin(state: InstanceState, entry: JournalEntry, known: LiveStep | undefined): void {
  const { outcome } = entry;
  const live = known ?? { path: entry.path, stepId: entry.stepId, phase: "ready", attempt: 1, since: entry.startedAt };
  live.attempt = entry.attempt;
  live.since = entry.startedAt;
  live.recorded = true;
  if (entry.input !== undefined && entry.input !== null) live.input = entry.input;
  if (outcome?.interrupted !== undefined) live.interrupted = outcome.interrupted;
  if (outcome?.runner !== undefined) live.runner = outcome.runner;
  else delete live.runner;
  delete live.dueAt;
  delete live.startedAt;
  if (entry.status === "PENDING") live.phase = "unassigned";
  else if (entry.type === "EVENT_WAIT") live.phase = "waiting";
  else if (entry.type === "DELAY") live.phase = "sleeping";
  else {
    live.phase = "running";
    live.startedAt = entry.startedAt;
  }
  if (outcome?.dueAt !== undefined) live.dueAt = outcome.dueAt;
  state.live[entry.path] = live;
}

/** A row that says that a step has ended for good. */
function settle(state: InstanceState, entry: JournalEntry): void {
  delete state.live[entry.path];
  const { outcome } = entry;
  const at = entry.completedAt ?? entry.startedAt;
  if (entry.path.startsWith(compensationScope) && state.compensation !== undefined) {
    if (entry.status === "FAILED") {
      state.compensation.failed.push({
        stepId: entry.stepId,
        error: entry.error?.message ?? "failed",
        timestamp: new Date(at).toISOString(),
      });
    }
    state.compensation.done += 1;
  }
  if (outcome === undefined) return;
  if (outcome.set !== undefined) Object.assign(state.variables, outcome.set);
  if (outcome.signalId !== undefined) {
    const index = state.mailbox.findIndex((mail) => mail.signalId === outcome.signalId);
    if (index !== -1) state.mailbox.splice(index, 1);
  }
  for (const path of outcome.next ?? []) enter(state, path, at);
}
