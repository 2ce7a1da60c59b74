/**
 * Between rows and memory: a state is frozen into the instance's row when the instance goes to sleep, and thawed from
 * it and the journal rows after it. Nothing is evaluated here.
 */

import { evolve, initialState } from "./machine/evolve.ts";
import type { Program } from "./machine/program.ts";
import { bag, type InstanceState, type LiveStep } from "./machine/state.ts";
import type { StoredInstance } from "./store/contract.ts";

/** The part of the state that no column carries. `format` tells a later program what it reads. */
type Frozen = Omit<
  InstanceState,
  "status" | "input" | "output" | "seq" | "startedAt" | "completedAt" | "cancelation"
> & { format: 1 };

/**
 * The value of the `state` column. A step that runs without a journal row is ready for whoever folds: only the engine
 * that runs it knows more.
 */
export function freeze(state: InstanceState): Frozen {
  const {
    status: _s,
    input: _i,
    output: _o,
    seq: _q,
    startedAt: _a,
    completedAt: _c,
    cancelation: _x,
    ...kept
  } = state;
  return { format: 1, ...kept, live: freezeLive(state.live) };
}

function freezeLive(live: Record<string, LiveStep>): Record<string, LiveStep> {
  const steps = Object.values(live);
  if (!steps.some((step) => step.phase === "running" && step.recorded !== true)) return live;
  const frozen = bag<LiveStep>();
  for (const step of steps)
    frozen[step.path] = step.phase === "running" && step.recorded !== true ? asReady(step) : step;
  return frozen;
}

/** A running step as a fold sees it: waiting for its next attempt, or not begun and its input not evaluated. */
function asReady(step: LiveStep): LiveStep {
  const { startedAt: _, input, ...rest } = step;
  if (step.dueAt !== undefined) return { ...rest, ...(input === undefined ? {} : { input }), phase: "backoff" };
  return step.attempt === 1
    ? { ...rest, phase: "ready" }
    : { ...rest, ...(input === undefined ? {} : { input }), phase: "ready" };
}

/** The state of a stored instance. Payload references in it have been resolved before. */
export function thaw(program: Program, stored: StoredInstance): InstanceState {
  const state = stored.state === null ? initialState(program, stored) : fromFrozen(stored.state, stored);
  state.status = stored.status;
  for (const entry of stored.entries) evolve(program, state, entry);
  if (stored.output !== null) state.output = stored.output;
  if (stored.error !== null) state.error = stored.error;
  if (stored.cancelation !== null) state.cancelation = stored.cancelation;
  if (stored.completedAt !== null) state.completedAt = stored.completedAt;
  return state;
}

function fromFrozen(json: unknown, stored: StoredInstance): InstanceState {
  const frozen = json as Frozen;
  if (frozen.format !== 1)
    throw new Error(`the state of instance ${stored.id} has the unknown format ${String(frozen.format)}`);
  const { format: _, ...kept } = frozen;
  return {
    ...kept,
    variables: bag(kept.variables),
    steps: bag(kept.steps),
    live: bag(kept.live),
    visits: bag(kept.visits),
    status: stored.status,
    input: stored.input,
    seq: stored.stateSeq,
    startedAt: stored.startedAt,
  };
}
