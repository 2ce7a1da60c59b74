/** What people do to an instance: pause it and let it go on, pass over a step, try again what failed, change its version. */

import { cancelWithin } from "./ending.ts";
import { enter, firstVariables, nextPath } from "./evolve.ts";
import type { Fact } from "./facts.ts";
import { migrationProblems } from "./migration.ts";
import { askPermits } from "./permits.ts";
import { begin, takeBackEnd } from "./runs.ts";
import { passOver } from "./settle.ts";
import { bag, frameOf, isFinal, stepIdOf } from "./state.ts";
import { programStep, setStatus, type Turn } from "./turn.ts";

/** Nothing begins any more. What runs ends, and is recorded; timers that come due are held. */
export function pause(turn: Turn): void {
  const { state, decision } = turn;
  if (state.status === "PAUSED") decision.ignored = "the instance is paused";
  else if (state.status === "CREATED") decision.ignored = "the instance has not begun";
  else if (state.ending !== undefined) decision.ignored = `the instance is ending as ${state.ending}`;
  else setStatus(turn, "PAUSED", "workflow_paused");
}

/** `true` when it goes on: the caller begins what is ready and fires the timers that were held. */
export function unpause(turn: Turn): boolean {
  const { state, decision } = turn;
  if (state.status !== "PAUSED") {
    decision.ignored = "the instance is not paused";
    return false;
  }
  setStatus(turn, "RUNNING", "workflow_resumed");
  return true;
}

/** Passes over every visit of the step that is under way; where there is none, the next one. */
export function skipStep(turn: Turn, stepId: string): void {
  const { state, decision, program } = turn;
  if (!program.steps.has(stepId)) {
    decision.ignored = `there is no step "${stepId}"`;
    return;
  }
  if (state.ending !== undefined) {
    decision.ignored = `the instance is ending as ${state.ending}`;
    return;
  }
  const begun = state.status !== "CREATED";
  const lives = begun ? Object.values(state.live).filter((live) => live.stepId === stepId) : [];
  if (lives.length === 0) {
    if (state.skips?.includes(stepId) === true) decision.ignored = `step "${stepId}" is passed over already`;
    else state.skips = [...(state.skips ?? []), stepId];
    decision.full = true;
    return;
  }
  for (const live of lives) {
    // One that stood inside of another is gone with it.
    if (state.live[live.path] !== live) continue;
    if (live.phase === "joining") cancelWithin(turn, live.path);
    passOver(turn, live, programStep(turn, live));
  }
}

/**
 * A failed instance goes on where it stopped: the step that ended it begins again as a new visit; of a PARALLEL or MAP
 * only the branches or items that had not completed.
 */
export function retryFailed(turn: Turn): void {
  const { state, decision, program, context } = turn;
  const problem = retryProblem(turn.state);
  if (problem !== undefined) {
    decision.ignored = problem;
    return;
  }
  const { halted } = state;
  const stepId = stepIdOf(halted!.path);
  if (!program.steps.has(stepId)) {
    decision.ignored = `there is no step "${stepId}" in this version`;
    return;
  }
  takeBackEnd(turn);
  // The end took these away without a row: a state from rows may still have them.
  delete state.permits;
  delete state.deadlineAt;
  state.mailbox = [];
  const live = enter(state, nextPath(state, frameOf(halted!.path), stepId), context.now);
  if (halted!.join !== undefined) live.carried = halted!;
  // Its permits were given back when it ended.
  setStatus(turn, program.limits.length > 0 ? "CREATED" : "RUNNING", "workflow_retried");
  if (askPermits(turn)) begin(turn);
}

/** Why an instance cannot be tried again; undefined when it can. */
export function retryProblem(state: Turn["state"]): string | undefined {
  if (!isFinal(state.status)) return `the instance is ${state.status}`;
  if (state.status !== "FAILED") return `the instance is ${state.status}; only one that failed can be tried again`;
  if (state.compensation !== undefined) return "its compensation has run; restart it instead";
  if (state.halted === undefined) return "it did not fail at a step; restart it instead";
  return undefined;
}

export function changePriority(turn: Turn, priority: number): void {
  turn.decision.priority = priority;
  for (const permit of turn.state.permits ?? []) {
    if (permit.granted) continue;
    turn.decision.messages.push({ kind: "PERMIT_PRIORITY", to: permit.key, fact: { priority } });
    return;
  }
}

/** The instance goes on with another version, when all that is under way has its place there. */
export function migrate(turn: Turn, fact: Extract<Fact, { kind: "migrate" }>): void {
  const { state, decision, program } = turn;
  const { to } = fact;
  if (to === undefined) {
    decision.ignored = "the version is not at hand; try again";
    return;
  }
  if (to.definitionId === program.definitionId) {
    decision.ignored = "the instance has this version already";
    return;
  }
  const [problem] = migrationProblems({ from: program, to, state });
  if (problem !== undefined) {
    decision.ignored = problem.message;
    return;
  }
  const first = firstVariables(to, undefined);
  state.variables = Object.assign(bag(first), state.variables);
  decision.program = to;
  decision.full = true;
  turn.program = to;
}
