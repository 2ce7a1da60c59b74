/** The working set of one decision: the state being advanced and what has been asked for so far. */

import { type Expression, ExpressionError, type Scope, type Template } from "../../foundation/expressions/index.ts";
import type { ErrorCategory, ErrorInfo } from "../task.ts";
import type { Json } from "./definition.ts";
import { evolve, framesAround } from "./evolve.ts";
import type { DecideContext, Decision } from "./facts.ts";
import type { Program, ProgramStep } from "./program.ts";
import { type Caught, compensationScope, type InstanceState, type InstanceStatus, type JournalEntry } from "./state.ts";

/** What expressions are evaluated in. */
export interface Sight {
  state: InstanceState;
  context: Pick<DecideContext, "instance">;
}

export interface Turn extends Sight {
  program: Program;
  context: DecideContext;
  decision: Decision;
  /** Paths that are ready to begin, in order. */
  ready: string[];
  /** Branches and items that have just ended, in order: their containers are to be looked at before anything begins. */
  closings: Closing[];
  /** How many steps without a commit may still begin in this turn. */
  budget: number;
}

/** The end of a branch or item, by the row of the step at `path`. */
export interface Closing {
  path: string;
  error: ErrorInfo | undefined;
}

export function newDecision(): Decision {
  return {
    entries: [],
    transitions: [],
    armed: [],
    cleared: [],
    waitsOpened: [],
    waitsEnded: [],
    tasks: [],
    messages: [],
    published: [],
    lifecycle: [],
    aborted: [],
    awaited: [],
    full: false,
    unfinished: false,
    ended: undefined,
    failed: undefined,
    warnings: [],
    ignored: undefined,
    reopened: false,
    priority: undefined,
    program: undefined,
  };
}

/** Numbers a row, applies it to the state, and queues the steps that it begins. */
export function record(turn: Turn, entry: Omit<JournalEntry, "seq">): void {
  const numbered = Object.assign(entry, { seq: turn.state.seq + 1 });
  evolve(turn.program, turn.state, numbered);
  turn.decision.entries.push(numbered);
  const { outcome } = numbered;
  if (outcome === undefined) return;
  if (outcome.next !== undefined) for (const path of outcome.next) turn.ready.push(path);
  if (outcome.closed === true) turn.closings.push({ path: entry.path, error: entry.error });
}

/** What the definition says of a step that is under way. */
export function programStep(turn: Turn, live: { path: string; stepId: string }): ProgramStep {
  const { steps, compensations, definitionId } = turn.program;
  const step = (live.path.startsWith(compensationScope) ? compensations : steps).get(live.stepId);
  if (step === undefined) throw new Error(`step "${live.stepId}" is not in the definition ${definitionId}`);
  return step;
}

export function setStatus(turn: Turn, to: InstanceStatus, event: string, data?: Json): void {
  const { state, decision } = turn;
  if (state.status === to) return;
  decision.transitions.push({ from: state.status, to, event, ...(data === undefined ? {} : { data }) });
  state.status = to;
}

export function clearTimer(turn: Turn, key: string, dueAt: number | undefined): void {
  if (dueAt !== undefined) turn.decision.cleared.push({ key, dueAt });
}

/**
 * What expressions of a step see (without one: those of the workflow). The parts are the live state, not copies: an
 * expression cannot change them.
 */
export function scopeOf(sight: Sight, at: { path: string } | undefined, more?: Record<string, unknown>): Scope {
  const { state, context } = sight;
  const scope: Record<string, unknown> = {
    input: state.input,
    variables: state.variables,
    steps: state.steps,
    instance: context.instance,
    workflow: { input: state.input, context: state.variables, instance: context.instance },
    error: state.caught ?? null,
  };
  if (at?.path.includes("/") === true) seeFrames(state, at.path, scope);
  return more === undefined ? scope : Object.assign(scope, more);
}

/** A step in a branch or item sees its item, the steps of its item before those around it, and its own scope's failure. */
function seeFrames(state: InstanceState, path: string, scope: Record<string, unknown>): void {
  let caught: Caught | undefined;
  for (const frame of framesAround(state, path)) {
    if (frame.steps !== undefined) scope.steps = { ...(scope.steps as object), ...frame.steps };
    if (frame.index !== undefined) {
      scope.item = frame.item ?? null;
      scope.index = frame.index;
    }
    caught = frame.caught ?? caught;
  }
  if (caught !== undefined) scope.error = caught;
}

export type Evaluated = { value: Json } | { error: ErrorInfo };

/** Evaluates; an error becomes `EXPRESSION_ERROR`, which is not retried. Any other exception is a defect and passes. */
export function evaluate(
  turn: Turn,
  what: { expression: Expression | Template; where: string },
  scope: Scope,
): Evaluated {
  try {
    const value = what.expression.evaluate(scope) as Json;
    return { value: mayGiveLiveMap(what.expression) ? detached(turn, value) : value };
  } catch (error) {
    if (!(error instanceof ExpressionError)) throw error;
    return { error: failure(turn, "EXPRESSION_ERROR", "VALIDATION", `${what.where}: ${error.message}`) };
  }
}

/**
 * The value, cut loose from the state where it holds one of the maps that change in place (`variables` or `steps` as a
 * whole); everything else in the state is replaced and never changed, so it may be shared.
 */
export function detached(turn: Turn, value: unknown): Json {
  return (holdsLiveMap(turn.state, value) ? structuredClone(value) : value) as Json;
}

/** Only these roots lead to maps that go on changing; looking through every value would cost more than most steps. */
function mayGiveLiveMap({ references: { roots } }: Expression | Template): boolean {
  return roots.has("variables") || roots.has("steps") || roots.has("workflow");
}

function holdsLiveMap(state: InstanceState, value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  if (value === state.variables || value === state.steps) return true;
  const parts: unknown[] = Array.isArray(value) ? value : Object.values(value);
  return parts.some((part) => holdsLiveMap(state, part));
}

/** A condition that errs counts as false and leaves a warning. */
export function holds(what: { expression: Expression; where: string }, scope: Scope, warnings: string[]): boolean {
  try {
    return what.expression.evaluate(scope) === true;
  } catch (error) {
    if (!(error instanceof ExpressionError)) throw error;
    warnings.push(`${what.where} counts as false: ${error.message}`);
    return false;
  }
}

export function failure(turn: Turn, code: string, category: ErrorCategory, message: string): ErrorInfo {
  return { code, category, message, retriable: false, timestamp: new Date(turn.context.now).toISOString() };
}
