/**
 * The fold: what one journal row does to the state. It evaluates nothing and decides nothing; running it over the rows
 * of an instance gives the state that its owner had in memory when it wrote them.
 */

import { consume } from "./consumption.ts";
import type { Json } from "./definition.ts";
import type { Program } from "./program.ts";
import {
  bag,
  type Compensation,
  type ConsumedEvent,
  compensationScope,
  type Frame,
  frameOf,
  type Halted,
  type InstanceState,
  isWithin,
  type Join,
  type JournalEntry,
  keptOutputs,
  type LiveStep,
  pathOf,
  placeOf,
  type StepState,
  stepIdOf,
  visitOf,
} from "./state.ts";

export interface Beginning {
  input: Json;
  variables?: Record<string, Json> | null;
  startedAt: number;
  /** The event that started it: it counts as consumed. */
  triggerEvent?: ConsumedEvent | null;
  /** How many events led to it, that one included. */
  hops?: number | null;
}

/** The state of an instance that has just begun: its first step is ready, its variables have their first values. */
export function initialState(program: Program, start: Beginning): InstanceState {
  const state: InstanceState = {
    status: "RUNNING",
    input: start.input,
    variables: firstVariables(program, start.variables),
    steps: bag(),
    live: bag(),
    visits: bag(),
    frames: bag(),
    compensable: [],
    seq: 0,
    mailbox: [],
    keyedSignals: [],
    startedAt: start.startedAt,
  };
  if (start.variables !== undefined && start.variables !== null) state.given = start.variables;
  if (start.triggerEvent !== undefined && start.triggerEvent !== null) consume(state, start.triggerEvent);
  if (start.hops !== undefined && start.hops !== null && start.hops > 0) state.hops = start.hops;
  if (program.timeoutMs !== undefined) state.deadlineAt = start.startedAt + program.timeoutMs;
  enter(state, nextPath(state, "", program.entry), start.startedAt);
  return state;
}

/** The variables' defaults, and over them what the start gave. */
export function firstVariables(program: Program, given: Record<string, Json> | null | undefined): Record<string, Json> {
  return Object.assign(bag(program.variables), given ?? undefined);
}

/** The path of the next visit of a step of a scope; `enter` counts the visit. */
export function nextPath(state: InstanceState, frame: string, stepId: string): string {
  const visits = frame === "" ? state.visits : state.frames[frame]?.visits;
  const name = pathOf(stepId, (visits?.[stepId] ?? 0) + 1);
  return frame === "" ? name : `${frame}/${name}`;
}

/** Makes a step ready to begin, and with the first step of a branch or item its scope. */
export function enter(state: InstanceState, path: string, at: number): LiveStep {
  const stepId = stepIdOf(path);
  if (path.startsWith(compensationScope)) countCompensation(state, path);
  else {
    const { visits } = frameAt(state, frameOf(path));
    visits[stepId] = (visits[stepId] ?? 0) + 1;
  }
  const live: LiveStep = { path, stepId, phase: "ready", attempt: 1, since: at };
  state.live[path] = live;
  return live;
}

function countCompensation(state: InstanceState, path: string): void {
  state.visits[`${compensationScope}${stepIdOf(path)}`] = visitOf(path);
}

function frameAt(state: InstanceState, path: string): Frame {
  if (path === "") return state;
  const known = state.frames[path];
  if (known !== undefined) return known;
  const frame: Frame = { visits: bag() };
  const { container, place } = placeOf(path);
  const owner = state.live[container];
  if (owner?.join !== undefined) owner.join.begun += 1;
  // Only a MAP has a list of items as its input.
  if (Array.isArray(owner?.input)) {
    frame.steps = bag();
    frame.index = Number(place);
    frame.item = owner.input[frame.index] ?? null;
  }
  state.frames[path] = frame;
  return frame;
}

/** The scopes around a step below the workflow's own, the innermost last. */
export function framesAround(state: InstanceState, path: string): Frame[] {
  const frames: Frame[] = [];
  for (let to = path.lastIndexOf("/"); to > 0; to = path.lastIndexOf("/", to - 1)) {
    const frame = state.frames[path.slice(0, to)];
    if (frame !== undefined) frames.unshift(frame);
  }
  return frames;
}

/** Where a step is shown: with the workflow's, or in the item around it. */
export function stepsAround(state: InstanceState, path: string): Record<string, StepState> {
  if (path.startsWith(compensationScope)) return state.steps;
  for (let to = path.lastIndexOf("/"); to > 0; to = path.lastIndexOf("/", to - 1)) {
    const steps = state.frames[path.slice(0, to)]?.steps;
    if (steps !== undefined) return steps;
  }
  return state.steps;
}

/** Applies one row. Rows come in the order of their `seq`. */
export function evolve(program: Program, state: InstanceState, entry: JournalEntry): void {
  state.seq = entry.seq;
  // The first of a plan is entered by the plan, which no row tells of.
  if (entry.path.startsWith(compensationScope)) countCompensation(state, entry.path);
  const known = state.live[entry.path];
  const steps = stepsAround(state, entry.path);
  const shown = steps[entry.stepId];
  // A null column is an absent one: both mean null to a handler.
  const input = entry.input ?? known?.input ?? undefined;
  const now: StepState = { status: entry.status, attempt: entry.attempt, startedAt: entry.startedAt };
  if (input !== undefined) now.input = input;
  if (entry.output !== undefined) now.output = entry.output;
  if (entry.error !== undefined) now.error = entry.error;
  if (entry.completedAt !== undefined) now.completedAt = entry.completedAt;
  steps[entry.stepId] = now;
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
      if (shown?.output !== undefined) steps[entry.stepId]!.output = shown.output;
      if (entry.status === "SKIPPED" && state.skips !== undefined) passOver(state, entry.stepId);
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
  else if (outcome?.total !== undefined) beginJoin(live, entry.type, outcome.total);
  else if (outcome?.childId !== undefined) {
    live.phase = "child";
    live.childId = outcome.childId;
  } else {
    live.phase = "running";
    live.startedAt = entry.startedAt;
  }
  if (outcome?.dueAt !== undefined) live.dueAt = outcome.dueAt;
  state.live[entry.path] = live;
  for (const path of outcome?.next ?? []) enter(state, path, entry.startedAt);
}

/** After a retry, what an earlier visit had completed counts. */
function beginJoin(live: LiveStep, type: JournalEntry["type"], total: number): void {
  live.phase = "joining";
  const { carried } = live;
  delete live.carried;
  const kept = type === "PARALLEL" || total <= keptOutputs;
  live.join = carried?.join ?? {
    total,
    begun: 0,
    completed: 0,
    failed: 0,
    bytes: 0,
    lost: [],
    ...(kept ? { outputs: bag() } : {}),
  };
}

function passOver(state: InstanceState, stepId: string): void {
  state.skips = state.skips!.filter((skipped) => skipped !== stepId);
  if (state.skips.length === 0) delete state.skips;
}

/** A row that says that a step has ended for good. */
function settle(state: InstanceState, entry: JournalEntry): void {
  const ended = state.live[entry.path];
  delete state.live[entry.path];
  const { outcome } = entry;
  const at = entry.completedAt ?? entry.startedAt;
  if (entry.path.startsWith(compensationScope)) {
    if (state.compensation !== undefined) settleCompensation(state.compensation, entry, at);
  } else {
    const frame = frameOf(entry.path);
    if (entry.status === "FAILED" && outcome?.next !== undefined && outcome.closed !== true) {
      frameAt(state, frame).caught = { ...entry.error!, stepId: entry.stepId };
    } else if (frame === "") endOfTop(state, entry, ended);
    if (ended?.join !== undefined) closeFrames(state, entry.path, outcome?.left === true);
    if (outcome?.closed === true) closeFrame(state, frame, entry);
  }
  if (outcome === undefined) return;
  if (outcome.set !== undefined) Object.assign(state.variables, outcome.set);
  if (outcome.signalId !== undefined) {
    const index = state.mailbox.findIndex((mail) => mail.signalId === outcome.signalId);
    if (index !== -1) state.mailbox.splice(index, 1);
  }
  if (outcome.eventId !== undefined && outcome.eventAt !== undefined)
    consume(state, { id: outcome.eventId, acceptedAt: outcome.eventAt });
  for (const path of outcome.next ?? []) enter(state, path, at);
}

function settleCompensation(compensation: Compensation, entry: JournalEntry, at: number): void {
  if (entry.status === "FAILED") {
    compensation.failed.push({
      stepId: entry.stepId,
      error: entry.error?.message ?? "failed",
      timestamp: new Date(at).toISOString(),
    });
  }
  compensation.done += 1;
}

/** A step of the top scope after which none follows: the workflow's result, or where it was stopped. */
function endOfTop(state: InstanceState, entry: JournalEntry, ended: LiveStep | undefined): void {
  if (entry.outcome?.next !== undefined) return;
  if (entry.status === "COMPLETED" || entry.status === "SKIPPED") {
    if (entry.output !== undefined && entry.output !== null) state.result = entry.output;
    else delete state.result;
    return;
  }
  const halted: Halted = { path: entry.path };
  if (ended?.join !== undefined) {
    if (ended.input !== undefined) halted.input = ended.input;
    halted.join = unfinished(state, entry.path, ended.join);
  }
  state.halted = halted;
}

/** What a PARALLEL or MAP has got done, and the places that are still to be done. */
function unfinished(state: InstanceState, path: string, join: Join): Join {
  const open = Object.keys(state.frames).filter((frame) => placeOf(frame).container === path);
  const begun = join.begun;
  const rest = join.todo === undefined ? [] : join.todo.slice(begun);
  const todo = [...join.lost, ...open.map((frame) => placeOf(frame).place), ...rest];
  const carried: Join = { ...join, begun: 0, failed: 0, lost: [], todo, earlier: [...(join.earlier ?? []), path] };
  if (join.todo === undefined) carried.todo = [...todo, ...indexesFrom(begun, join.total)];
  return carried;
}

/** Items that have not begun; the branches of a PARALLEL begin all at once. */
function indexesFrom(begun: number, total: number): string[] {
  return Array.from({ length: Math.max(0, total - begun) }, (_, i) => String(begun + i));
}

/** The container is over. Branches that it leaves behind take along what they see of the scopes around it. */
function closeFrames(state: InstanceState, container: string, left: boolean): void {
  const inside = Object.keys(state.frames).filter((path) => isWithin(path, container));
  if (!left) {
    const kept = inside.filter((path) => state.frames[path]!.left === true);
    for (const path of inside) {
      if (!kept.some((other) => other === path || isWithin(path, other))) delete state.frames[path];
    }
    return;
  }
  for (const path of inside) {
    // What stands deeper goes on counting for its own container.
    if (placeOf(path).container !== container) continue;
    const frame = state.frames[path]!;
    frame.left = true;
    const around = framesAround(state, path).findLast(({ caught }) => caught !== undefined) ?? state;
    if (frame.caught === undefined && around.caught !== undefined) frame.caught = around.caught;
    const item = framesAround(state, path).findLast((around) => around.index !== undefined);
    if (item === undefined || frame.index !== undefined) continue;
    frame.index = item.index;
    frame.item = item.item ?? null;
    frame.steps = bag(item.steps);
  }
}

/** A branch or an item is over, and counts for its container unless that has gone on without it. */
function closeFrame(state: InstanceState, path: string, entry: JournalEntry): void {
  const frame = state.frames[path];
  delete state.frames[path];
  const { container, place } = placeOf(path);
  const join = state.live[container]?.join;
  if (join === undefined || frame?.left === true) return;
  if (entry.error !== undefined) {
    join.failed += 1;
    join.lost.push(place);
    return;
  }
  join.completed += 1;
  const output = entry.output ?? null;
  join.bytes += roughBytes(output);
  if (join.outputs !== undefined) join.outputs[place] = output;
}

/** About how long the JSON text of a value is, without writing it. */
function roughBytes(value: Json): number {
  if (typeof value === "string") return value.length + 2;
  if (typeof value !== "object" || value === null) return 8;
  let sum = 2;
  if (Array.isArray(value)) for (const item of value) sum += roughBytes(item) + 1;
  else for (const key in value) sum += key.length + 4 + roughBytes(value[key]!);
  return sum;
}
