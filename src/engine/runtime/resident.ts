/** An instance in memory, and the table of them. */

import type { Json } from "../machine/definition.ts";
import type { Program } from "../machine/program.ts";
import type { InstanceState, LiveStep } from "../machine/state.ts";

export interface Resident {
  readonly id: string;
  readonly shard: number;
  readonly namespace: string;
  readonly program: Program;
  readonly state: InstanceState;
  /** What expressions see as `instance`. */
  readonly facts: { [key: string]: Json };
  /** Large values that lie in payloads, by identity. */
  readonly references: Map<unknown, string>;
  /** The row says `ready`: whoever acquires the shard folds the instance at once. */
  ready: boolean;
  /** The journal row up to which the row's `state` reaches. */
  frozenSeq: number;
  /** Works of it that are queued or under way. */
  pending: number;
  /** Not in the table any more: what is still queued of it is void. */
  gone: boolean;
  /** Handlers that run for it here, by path. */
  readonly running: Map<string, { abort(reason: string): void }>;
  /** Steps that another node may still be running. */
  readonly awaited: Map<string, { runner: string; untilAt: number }>;
}

/** A step that lasts longer than this in a wait lets its instance leave memory. */
const shortWaitMs = 1_000;

/**
 * Whether an instance has nothing to do before something happens to it: it then goes back to being a row. One that only
 * waits for a moment (a short backoff) stays, for leaving and coming back cost more.
 */
export function restsAt(state: InstanceState, now: number): boolean {
  // It begins with its START, which is a row of the inbox.
  if (state.status === "CREATED") return true;
  for (const live of Object.values(state.live)) {
    if (live.phase === "ready" || live.phase === "running") return false;
    if ((live.phase === "backoff" || live.phase === "sleeping") && live.dueAt! - now < shortWaitMs) return false;
  }
  return true;
}

/** The step that the instance's row names: the oldest that is live. */
export function currentStep(state: InstanceState): LiveStep | undefined {
  for (const path in state.live) return state.live[path];
  return undefined;
}

/** The task of a step that waits for a handler, if any does. */
export function awaitingTask(resident: Resident): string | null {
  for (const live of Object.values(resident.state.live)) {
    if (live.phase !== "unassigned") continue;
    const step = resident.program.steps.get(live.stepId) ?? resident.program.compensations.get(live.stepId);
    return step?.taskId ?? null;
  }
  return null;
}
