/** An instance as the API shows it: document 002's JSON, from its row and the fold of its journal. */

import type { InstanceView, StepView } from "./contract.ts";
import { thaw } from "./fold.ts";
import { initialState, stepsAround } from "./machine/evolve.ts";
import type { Program } from "./machine/program.ts";
import { bag, compensationScope, type InstanceState, type LiveStep, stepIdOf } from "./machine/state.ts";
import type { StoredInstance } from "./store/contract.ts";
import type { ErrorInfo } from "./task.ts";

/** The columns of the row that a fold does not need. */
export interface RowFacts {
  triggerEventId: string | null;
  startedIso: string;
  updatedIso: string;
  completedIso: string | null;
  parkedBy: { message: string; at: string } | null;
  originId: string | null;
  originStepId: string | null;
}

const iso = (ms: number) => new Date(ms).toISOString();

export function viewOf(stored: StoredInstance, row: RowFacts, program: Program): InstanceView {
  const state = shownState(stored, program);
  const view: InstanceView = {
    id: stored.id,
    workflowDefinitionId: stored.definitionId,
    workflowId: stored.workflowId,
    namespace: stored.namespace,
    status: stored.status,
    input: stored.input,
    state: { variables: state.variables, steps: bag() },
    version: stored.version,
    priority: stored.priority,
    startedAt: row.startedIso,
    updatedAt: row.updatedIso,
  };
  for (const [stepId, step] of Object.entries(state.steps)) view.state.steps[stepId] = stepView(step);
  addLive(view, state, program);
  if (row.completedIso !== null) {
    view.completedAt = row.completedIso;
    if (stored.status === "COMPLETED") view.output = stored.output;
  }
  const error = stored.error ?? parkedError(row);
  if (error !== null) view.error = error;
  if (stored.correlationId !== null) {
    view.correlation_id = stored.correlationId;
    view.correlationId = stored.correlationId;
  }
  if (stored.startedBy !== null) view.startedBy = stored.startedBy;
  if (row.triggerEventId !== null) view.triggerEventId = row.triggerEventId;
  if (stored.parentId !== null) view.parentInstanceId = stored.parentId;
  if (row.originId !== null) view.originInstanceId = row.originId;
  if (row.originStepId !== null) view.originStepId = row.originStepId;
  if (state.cancelation !== undefined) view.cancelation = state.cancelation;
  if (state.compensation !== undefined) view.compensationState = compensationView(state.compensation);
  return view;
}

/** What the engine cannot fold was set aside, and may be cancelled since; it is shown without its steps. */
function shownState(stored: StoredInstance, program: Program): InstanceState {
  try {
    return thaw(program, stored);
  } catch {
    const state = { ...initialState(program, stored), status: stored.status, live: bag<LiveStep>() };
    return stored.cancelation === null ? state : { ...state, cancelation: stored.cancelation };
  }
}

function parkedError(row: RowFacts): ErrorInfo | null {
  if (row.parkedBy === null) return null;
  return {
    code: "PARKED",
    category: "SYSTEM",
    message: `The engine could not continue this instance: ${row.parkedBy.message}`,
    timestamp: row.parkedBy.at,
    retriable: false,
  };
}

function stepView(step: InstanceState["steps"][string]): StepView {
  const view: StepView = { status: step.status, attempt: step.attempt };
  if (step.input !== undefined) view.input = step.input;
  if (step.output !== undefined) view.output = step.output;
  if (step.error !== undefined) view.error = step.error;
  if (step.startedAt !== undefined) view.startedAt = iso(step.startedAt);
  if (step.completedAt !== undefined) view.completedAt = iso(step.completedAt);
  return view;
}

/** Steps under way that no row tells of yet, and what the oldest of them waits for. */
function addLive(view: InstanceView, state: InstanceState, program: Program): void {
  if (view.completedAt !== undefined) return;
  for (const live of Object.values(state.live)) {
    view.currentStepId ??= live.stepId;
    view.state.currentStepId ??= live.stepId;
    // Items of a MAP are in the history only.
    const shows = stepsAround(state, live.path) === state.steps;
    const shown = view.state.steps[live.stepId];
    if (shows && live.recorded !== true && live.phase !== "backoff" && shown?.status !== "RUNNING") {
      view.state.steps[live.stepId] = { status: "PENDING", attempt: live.attempt };
    }
    const wait = live.phase === "waiting" ? program.steps.get(live.stepId)?.wait : undefined;
    if (wait !== undefined && view.state.waitingForEvent === undefined) {
      view.state.waitingForEvent = {
        eventPattern: wait.pattern,
        ...(wait.conditionText === undefined ? {} : { eventCondition: wait.conditionText }),
        since: iso(live.since),
      };
    }
  }
}

function compensationView(
  compensation: NonNullable<InstanceState["compensation"]>,
): NonNullable<InstanceView["compensationState"]> {
  const failed = new Set(compensation.failed.map((failure) => failure.stepId));
  const done = compensation.items
    .slice(0, compensation.done)
    .map((item) => stepIdOf(item.path.slice(compensationScope.length)));
  return {
    status: compensation.status,
    startedAt: iso(compensation.startedAt),
    ...(compensation.completedAt === undefined ? {} : { completedAt: iso(compensation.completedAt) }),
    plan: compensation.items.map((item) => item.stepId),
    completed: done.filter((stepId) => !failed.has(stepId)),
    failed: compensation.failed,
  };
}
