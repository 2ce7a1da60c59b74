/**
 * The machine: what follows from one fact.
 *
 * Pure but for the state that it is given, which it advances in place: no I/O, no clock, no randomness of its own. The
 * same function runs in production, in the test kit on a virtual clock, and in the simulation that kills it at every point.
 */

import { cancel } from "./cancelling.ts";
import { childEnded, spawned } from "./children.ts";
import { fireTimer, goOn } from "./due.ts";
import type { DecideContext, Decision, Fact } from "./facts.ts";
import { onlyWaits } from "./glance.ts";
import { event, signal } from "./incoming.ts";
import { gather, isGathering } from "./joins.ts";
import { changePriority, migrate, pause, retryFailed, skipStep, unpause } from "./life.ts";
import { askPermits, takePermit } from "./permits.ts";
import type { Program } from "./program.ts";
import { begin, queueReady } from "./runs.ts";
import { complete, consumeRetryTimer, fail } from "./settle.ts";
import { recordRunning, shown } from "./shown.ts";
import { type InstanceState, isFinal, type LiveStep } from "./state.ts";
import { advance, chainLimit, runTask } from "./steps.ts";
import { failure, newDecision, programStep, record, setStatus, type Turn } from "./turn.ts";

/** From this many deaths of its node on, a step fails instead of running again. */
export const poisonLimit = 5;

/**
 * Applies `fact` to `state` and says what is to be written and done. A fact that comes twice or too late changes
 * nothing and says why in `ignored`. Exceptions are defects of the engine; the caller parks the instance.
 */
export function decide(program: Program, state: InstanceState, fact: Fact, context: DecideContext): Decision {
  const decision = newDecision();
  const turn: Turn = { program, state, context, decision, ready: [], closings: [], budget: chainLimit };
  if (isFinal(state.status) && fact.kind !== "retry") {
    turn.decision.ignored = `${fact.kind === "event" ? "late: " : ""}the instance is ${state.status}`;
    if (fact.kind === "timer") turn.decision.cleared.push({ key: fact.key, dueAt: fact.dueAt });
    return turn.decision;
  }
  apply(turn, fact);
  if (turn.decision.ignored === undefined) {
    advance(turn);
    settleStatus(turn, fact);
  }
  return turn.decision;
}

function apply(turn: Turn, fact: Fact): void {
  const { state, decision } = turn;
  switch (fact.kind) {
    case "started":
      if (fact.born === true && state.status !== "CREATED") {
        decision.ignored = "the instance has begun";
        return;
      }
      if (askPermits(turn)) begin(turn);
      return;
    case "permitted":
      if (takePermit(turn, fact.key)) begin(turn);
      return;
    case "continued":
    case "resumed":
      // One that has not begun begins with its START, and with nothing else.
      if (state.status === "CREATED") return;
      if (fact.kind === "continued") queueReady(turn);
      else resume(turn, fact.takeover);
      return;
    case "timer":
      fireTimer(turn, fact.key, fact.dueAt);
      return;
    case "signal":
      signal(turn, fact);
      return;
    case "event":
      event(turn, fact);
      return;
    case "cancel":
      cancel(turn, fact, fact.eventId);
      return;
    case "pause":
      pause(turn);
      return;
    case "resume":
      if (unpause(turn)) goOn(turn);
      return;
    case "retry":
      retryFailed(turn);
      return;
    case "skip":
      skipStep(turn, fact.stepId);
      return;
    case "priority":
      changePriority(turn, fact.priority);
      return;
    case "migrate":
      migrate(turn, fact);
      return;
    default:
      applyToStep(turn, fact);
  }
}

type StepFact = Exclude<Extract<Fact, { path: string }>, { kind: "event" }>;

function applyToStep(turn: Turn, fact: StepFact): void {
  const live = turn.state.live[fact.path];
  if (live === undefined) {
    turn.decision.ignored = `step "${fact.path}" is not under way`;
    return;
  }
  if ("attempt" in fact && fact.attempt !== live.attempt) {
    turn.decision.ignored = `attempt ${fact.attempt} of step "${fact.path}" is over`;
    return;
  }
  const step = programStep(turn, live);
  switch (fact.kind) {
    case "spawned":
      if (live.phase === "running" && step.child !== undefined) spawned(turn, live, step, fact.childId);
      else turn.decision.ignored = `step "${fact.path}" does not begin a child`;
      return;
    case "child_ended":
      if (live.phase === "child" && live.childId === fact.childId) childEnded(turn, live, step, fact);
      else turn.decision.ignored = `step "${fact.path}" does not wait for the instance ${fact.childId}`;
      return;
    case "completed":
      if (settles(turn, live))
        complete(turn, live, step, { output: fact.output, startedAt: fact.startedAt, completedAt: fact.completedAt });
      return;
    case "failed":
      if (settles(turn, live))
        fail(turn, live, step, { error: fact.error, startedAt: fact.startedAt, completedAt: fact.completedAt });
      return;
    case "running":
      if (live.phase === "running" && live.recorded !== true) recordRunning(turn, live, {});
      else turn.decision.ignored = `step "${fact.path}" is shown already`;
      return;
    case "released":
      // One that runs elsewhere since an earlier hand-over stays with that node.
      if (live.phase === "running" && live.runner === undefined) recordRunning(turn, live, { runner: fact.runner });
      else turn.decision.ignored = `step "${fact.path}" is not running here`;
      return;
    case "unassigned":
      if (live.phase !== "running") {
        turn.decision.ignored = `step "${fact.path}" is not running`;
        return;
      }
      consumeRetryTimer(turn, live);
      record(turn, { ...shown(turn, live), status: "PENDING" });
      return;
    case "assigned":
      if (live.phase !== "unassigned" || turn.state.status === "PAUSED") {
        turn.decision.ignored = `step "${fact.path}" does not wait for a handler`;
        return;
      }
      // The rows say that it waits; without one that says otherwise, a fold would not know that it may have run.
      runTask(turn, live, step);
      recordRunning(turn, live, {});
      return;
    case "abandoned":
      if (live.phase === "running" && live.runner !== undefined) rerun(turn, live);
      else turn.decision.ignored = `step "${fact.path}" is not with another node`;
      return;
  }
}

/** A result counts while the step runs, here or on the node that kept it at a hand-over. */
function settles(turn: Turn, live: LiveStep): boolean {
  if (live.phase === "running" || live.phase === "unassigned" || isGathering(live)) return true;
  turn.decision.ignored = `step "${live.path}" is not running`;
  return false;
}

/**
 * Goes on after a fold. What had no result when the last owner died may have been running: it is first written as
 * RUNNING with one more interruption, and runs after that commit. What was let go in an orderly way and runs elsewhere
 * is awaited.
 */
function resume(turn: Turn, takeover: boolean): void {
  const { state, decision, context } = turn;
  const paused = state.status === "PAUSED";
  for (const live of Object.values(state.live)) {
    const step = programStep(turn, live);
    if (isGathering(live)) gather(turn, live);
    if (step.type !== "TASK" || step.transform !== undefined || step.publishes) {
      if (live.phase === "ready") turn.ready.push(live.path);
      // A child that was not recorded was not made.
      else if (live.phase === "backoff" && takeover && !paused && live.dueAt! <= context.now) runTask(turn, live, step);
      continue;
    }
    if (live.phase === "running" && live.runner !== undefined) {
      const untilAt = (live.startedAt ?? context.now) + step.timeoutMs;
      decision.awaited.push({ path: live.path, runner: live.runner, untilAt });
    } else if (live.phase === "running") {
      // Recorded by an owner that is gone, or a hand-over of something that had not begun.
      if (takeover) rerun(turn, live);
      else runTask(turn, live, step);
    } else if (live.phase === "backoff" && takeover && !paused && live.dueAt! <= context.now) {
      // Its next attempt was due, so it may have begun.
      rerun(turn, live);
    } else if (live.phase === "ready") {
      turn.ready.push(live.path);
    }
  }
  if (!takeover) return;
  const begun = turn.ready.map((path) => state.live[path]).filter((live) => live !== undefined);
  advance(turn);
  for (const live of begun) {
    // `advance` asked for these handlers; they may have run before.
    if (state.live[live.path] !== live || live.phase !== "running" || live.interrupted !== undefined) continue;
    const asked = decision.tasks.find((task) => task.path === live.path);
    if (asked === undefined || asked.kind !== "task") continue;
    live.interrupted = 1;
    asked.interrupted = 1;
    recordRunning(turn, live, { interrupted: 1 });
  }
}

/** Runs an attempt again whose node died, or fails it when that has happened too often. */
function rerun(turn: Turn, live: LiveStep): void {
  const step = programStep(turn, live);
  const interrupted = (live.interrupted ?? 0) + 1;
  delete live.runner;
  if (interrupted >= poisonLimit) {
    const message = `The node died ${interrupted} times while step "${live.stepId}" ran`;
    fail(turn, live, step, {
      error: failure(turn, "POISON", "SYSTEM", message),
      startedAt: live.startedAt ?? turn.context.now,
    });
    return;
  }
  live.interrupted = interrupted;
  runTask(turn, live, step);
  recordRunning(turn, live, { interrupted });
}

/** Waiting for nothing but events is a status of its own. */
function settleStatus(turn: Turn, fact: Fact): void {
  const { state, decision } = turn;
  if (decision.ended !== undefined || state.status === "PAUSED") return;
  const waiting = onlyWaits(state);
  if (waiting) setStatus(turn, "WAITING_FOR_EVENT", "event_wait_started");
  else if (state.status === "WAITING_FOR_EVENT") {
    setStatus(turn, "RUNNING", fact.kind === "timer" ? "event_wait_expired" : "event_received");
  }
}
