/** An instance in memory, and the table of them. */

import type { ResolvedDefinition } from "../contract.ts";
import type { Json } from "../machine/definition.ts";
import type { DecideContext, Fact } from "../machine/facts.ts";
import { busyStep } from "../machine/glance.ts";
import { isGathering } from "../machine/joins.ts";
import type { Program } from "../machine/program.ts";
import type { InstanceState, LiveStep } from "../machine/state.ts";

export interface Resident {
  readonly id: string;
  readonly shard: number;
  readonly namespace: string;
  /** Replaced when the instance goes on with another version. */
  program: Program;
  readonly state: InstanceState;
  /** What expressions see as `instance`. */
  readonly facts: { [key: string]: Json };
  /** The instance whose step started it; `path` is null where that step does not wait. */
  readonly parent: { instanceId: string; path: string | null } | undefined;
  /** Large values that lie in payloads, by identity. */
  readonly references: Map<unknown, string>;
  /** The row says `ready`: whoever acquires the shard folds the instance at once. */
  ready: boolean;
  /** It stays for its children in memory or for facts that are at hand, whether it has something to do itself or not. */
  kept: boolean;
  /** More facts for it are at hand. */
  expecting: boolean;
  /** It is among the children that its parent has in memory. */
  counted: boolean;
  /** The journal row up to which the row's `state` reaches, how long that state's text is, and that of the rows since. */
  frozenSeq: number;
  frozenBytes: number;
  unfrozenBytes: number;
  /** Works of it that are queued or under way. */
  pending: number;
  /** Not in the table any more: what is still queued of it is void. */
  gone: boolean;
  /** Its end is in the store. */
  over?: true;
  /** Handlers that run for it here, by path. */
  readonly running: Map<string, { abort(reason: string): void }>;
  /** What the machine is given for events; made when it first decides. */
  publishing?: Publishing;
  /** Steps that another node may still be running. */
  readonly awaited: Map<string, { runner: string; untilAt: number }>;
}

type Publishing = Pick<DecideContext, "eventId" | "wants">;

/** What is told of an instance that comes into memory. */
type Known = Pick<
  Resident,
  "id" | "shard" | "namespace" | "program" | "state" | "facts" | "parent" | "references" | "ready" | "frozenSeq"
>;

/** An instance of which nothing is queued or under way yet. */
export function newResident(known: Known): Resident {
  return {
    ...known,
    kept: false,
    expecting: false,
    counted: false,
    // How long a state is that was read is not known any more; what is written of it next tells.
    frozenBytes: 0,
    unfrozenBytes: 0,
    pending: 0,
    gone: false,
    running: new Map(),
    awaited: new Map(),
  };
}

/** Puts an instance into memory. */
export function enterMemory(core: Tables, resident: Resident): void {
  core.residents.set(resident.id, resident);
  const { parent } = resident;
  if (parent === undefined || parent.path === null) return;
  resident.counted = true;
  core.childrenHere.set(parent.instanceId, (core.childrenHere.get(parent.instanceId) ?? 0) + 1);
}

/** An instance that ends or leaves memory holds its parent there no longer. */
export function letParentGo(core: Tables, resident: Resident): void {
  if (!resident.counted) return;
  resident.counted = false;
  const { instanceId } = resident.parent!;
  const left = core.childrenHere.get(instanceId)! - 1;
  if (left === 0) core.childrenHere.delete(instanceId);
  else core.childrenHere.set(instanceId, left);
}

interface Tables {
  readonly residents: Map<string, Resident>;
  readonly childrenHere: Map<string, number>;
}

/** A step that lasts longer than this in a wait lets its instance leave memory. */
const shortWaitMs = 1_000;

/**
 * Whether an instance has nothing to do before something happens to it: it then goes back to being a row. One that only
 * waits for a moment (a short backoff) stays, for leaving and coming back cost more.
 */
export function restsAt(state: InstanceState, now: number): boolean {
  // It begins with its START or its permit, which are rows of the inbox.
  if (state.status === "CREATED") return true;
  const paused = state.status === "PAUSED";
  if (state.retryAt !== undefined && state.retryAt - now < shortWaitMs && !paused) return false;
  const busy = busyStep(state);
  if (busy !== undefined && state.live[busy]!.phase === "running") return false;
  for (const path in state.live) {
    const live = state.live[path]!;
    if (live.phase === "running" || isGathering(live)) return false;
    // While it is paused, what is ready stays so, and timers that come due are held.
    if (paused) continue;
    if (live.phase === "ready") return false;
    if ((live.phase === "backoff" || live.phase === "sleeping") && live.dueAt! - now < shortWaitMs) return false;
  }
  return true;
}

/** The step that the instance's row names: the oldest that is live. */
export function currentStep(state: InstanceState): LiveStep | undefined {
  for (const path in state.live) return state.live[path];
  return undefined;
}

/** Stands in a row for several tasks: whoever has a new handler looks at it. */
export const severalTasks = "*";

/** The task for whose handler the instance waits; `severalTasks` where its steps wait for different ones. */
export function awaitingTask(resident: Resident): string | null {
  let found: string | null = null;
  for (const { taskId } of unassignedSteps(resident)) {
    if (found !== null && taskId !== found) return severalTasks;
    found = taskId;
  }
  return found;
}

/** Steps that wait for a handler. */
export function unassignedSteps({ state, program }: Resident): { path: string; taskId: string }[] {
  const found: { path: string; taskId: string }[] = [];
  for (const path in state.live) {
    const { phase, stepId } = state.live[path]!;
    if (phase !== "unassigned") continue;
    const step = program.steps.get(stepId) ?? program.compensations.get(stepId);
    if (step !== undefined) found.push({ path, taskId: step.taskId });
  }
  return found;
}

/** A child as its parent's step asked for it, with the version that was chosen. */
export interface ChildStart {
  childId: string;
  definition: ResolvedDefinition;
  program: Program;
  input: Json;
  /** The step that waits for it; null when it is detached. */
  path: string | null;
}

/** What became of a fact. */
export interface Settled {
  /** Why it changed nothing. */
  ignored: string | undefined;
  resident: Resident | undefined;
  /** There is no such instance. */
  unknown?: true;
}

/** How a fact came, and whom to tell. */
export interface Delivery {
  fact: Fact;
  /** Whose instance it must be; of another's there is none. Absent: whoever brings the fact knows. */
  namespace?: string;
  /** The inbox row that carries it; deleted in the flush that records the effect. */
  inboxId?: number;
  /** A large value in the fact that was written to payloads already; its rows will refer to it. */
  payload?: { value: unknown; id: string };
  /** The row that sends the step to another node. */
  errand?: string;
  /** Rows of the execution log that come with the fact. */
  logs?: readonly string[];
  /** The child that the fact begins. */
  child?: ChildStart;
  /** An end that it leads to is told to the parent by a row: written together, the two were refused. */
  apart?: true;
  /** After the commit of the effect (or at once if there is none to write). */
  settled?(result: Settled): void;
  /** It could not be recorded; what happened is unknown or nothing. */
  failed?(error: Error): void;
}
