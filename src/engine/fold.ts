/**
 * Between rows and memory: a state is frozen into the instance's row when the instance goes to sleep, and thawed from
 * it and the journal rows after it. Nothing is evaluated here.
 */

import { evolve, initialState } from "./machine/evolve.ts";
import type { Program } from "./machine/program.ts";
import { bag, type Frame, type InstanceState, type Join, type LiveStep, type StepState } from "./machine/state.ts";
import type { StoredInstance } from "./store/contract.ts";

/** The part of the state that no column carries. `format` tells a later program what it reads. */
type Frozen = Omit<
  InstanceState,
  "status" | "input" | "output" | "seq" | "startedAt" | "completedAt" | "cancelation" | "steps"
> & { format: 1; steps: Record<string, FrozenStep> };

/** `inputOf`: the live step whose input it shows. */
type FrozenStep = StepState & { inputOf?: string };

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
  return { format: 1, ...kept, live: freezeLive(state.live), steps: freezeSteps(state) };
}

/** What a MAP shows as its input is the list that it goes over, which may be long: it is written once. */
function freezeSteps({ steps, live }: InstanceState): Record<string, FrozenStep> {
  let frozen: Record<string, FrozenStep> = steps;
  for (const path in live) {
    const { stepId, join, input } = live[path]!;
    if (join === undefined || input === undefined || steps[stepId]?.input !== input) continue;
    if (frozen === steps) frozen = bag(steps);
    const { input: _, ...shown } = steps[stepId];
    frozen[stepId] = { ...shown, inputOf: path };
  }
  return frozen;
}

function thawSteps(frozen: Record<string, FrozenStep>, live: Record<string, LiveStep>): Record<string, StepState> {
  const steps = bag<StepState>();
  for (const [stepId, { inputOf, ...step }] of Object.entries(frozen)) {
    const input = inputOf === undefined ? undefined : live[inputOf]?.input;
    steps[stepId] = input === undefined ? step : { ...step, input };
  }
  return steps;
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
  for (const live of Object.values(kept.live)) thawJoins(live.join, live.carried?.join);
  thawJoins(kept.halted?.join);
  return {
    ...kept,
    variables: bag(kept.variables),
    steps: thawSteps(kept.steps, kept.live),
    live: bag(kept.live),
    visits: bag(kept.visits),
    // Absent in what an older program froze.
    frames: thawFrames(kept.frames ?? {}),
    status: stored.status,
    input: stored.input,
    seq: stored.stateSeq,
    startedAt: stored.startedAt,
  };
}

/** Branches are named by users; JSON gives objects with a prototype. */
function thawJoins(...joins: (Join | undefined)[]): void {
  for (const join of joins) if (join?.outputs !== undefined) join.outputs = bag(join.outputs);
}

function thawFrames(frozen: Record<string, Frame>): Record<string, Frame> {
  const frames = bag(frozen);
  for (const frame of Object.values(frames)) {
    frame.visits = bag(frame.visits);
    if (frame.steps !== undefined) frame.steps = bag(frame.steps);
  }
  return frames;
}
