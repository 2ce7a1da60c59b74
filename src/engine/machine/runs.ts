/** How an instance begins: for the first time, again by the workflow's own retry, or where it failed. */

import { enter, firstVariables, nextPath } from "./evolve.ts";
import { announceStart } from "./lifecycle.ts";
import { bag } from "./state.ts";
import { openTriggers } from "./triggers.ts";
import { setStatus, type Turn } from "./turn.ts";

/** It is accepted and has every permit that it needs: its time runs, and what is ready begins. */
export function begin(turn: Turn): void {
  const { state, program, decision, context } = turn;
  setStatus(turn, "RUNNING", "workflow_started");
  // One that waited for a permit, or goes on after its end, has all of its time from now on.
  if (program.timeoutMs !== undefined && (state.permits !== undefined || state.deadlineAt === undefined))
    state.deadlineAt = context.now + program.timeoutMs;
  if (state.deadlineAt !== undefined) decision.armed.push({ key: "", dueAt: state.deadlineAt });
  announceStart(turn);
  openTriggers(turn);
  queueReady(turn);
}

export function queueReady({ state, ready }: Turn): void {
  for (const live of Object.values(state.live)) if (live.phase === "ready") ready.push(live.path);
}

/** The next run of a workflow that failed: variables have their first values again, visits go on counting. */
export function beginAgain(turn: Turn): void {
  const { state, program, context } = turn;
  state.attempt = (state.attempt ?? 1) + 1;
  state.variables = firstVariables(program, state.given);
  state.steps = bag();
  state.compensable = [];
  delete state.retryAt;
  delete state.compensation;
  delete state.caught;
  delete state.result;
  takeBackEnd(turn);
  enter(state, nextPath(state, "", program.entry), context.now);
  begin(turn);
}

/** What the end left behind is taken back. */
export function takeBackEnd({ state, decision }: Turn): void {
  state.run = (state.run ?? 1) + 1;
  // Those of branches that were left to themselves: they were cancelled with the rest.
  state.frames = bag();
  delete state.error;
  delete state.output;
  delete state.completedAt;
  delete state.halted;
  decision.reopened = true;
  decision.full = true;
}
