/** Why an instance is not further than it is: one item for each step under way, and for what holds the whole. */

import { keyOfWait } from "./correlation.ts";
import type { Json } from "./definition.ts";
import { stepsAround } from "./evolve.ts";
import { isGathering } from "./joins.ts";
import type { Program, ProgramStep } from "./program.ts";
import { compensationScope, type InstanceState, isFinal, type LiveStep } from "./state.ts";
import type { Sight } from "./turn.ts";
import { sinceOf } from "./waits.ts";

/** Why something of an instance is not running. `rule` is from the closed list in GLOSSARY. */
export interface WhyItem {
  stepId?: string;
  path?: string;
  rule: WhyRule;
  since: string;
  until?: string;
  detail: string;
}

export const whyRules = [
  /** The workflow, or its key, has as many instances running as it may. */
  "CONCURRENCY_LIMIT",
  /** It was accepted and its owner has not begun it. */
  "NOT_BEGUN",
  "PAUSED",
  /** An EVENT_WAIT: no event that fits has come. */
  "EVENT",
  /** A DELAY that is not over. */
  "DELAY",
  /** A failed attempt is made again at `until`. */
  "RETRY",
  /** No live node and no worker has a handler for the task. */
  "NO_WORKER",
  /** A handler is at work. */
  "RUNNING",
  /** A child has not ended. */
  "CHILD",
  /** Branches or items have not ended. */
  "JOIN",
  /** MAP: as many items are under way as may be. */
  "MAP_CONCURRENCY",
  /** The workflow failed and begins again at `until`. */
  "WORKFLOW_RETRY",
  /** The engine could not go on with it; an operator can cancel it. */
  "PARKED",
  /** No live node owns its shard. */
  "NO_OWNER",
] as const;
export type WhyRule = (typeof whyRules)[number];

const iso = (ms: number) => new Date(ms).toISOString();

export interface Circumstances {
  createdAt: number;
  pausedAt?: number;
  /** What expressions see as `instance`. */
  instance: { [key: string]: Json };
}

/** Empty when it has ended. `at` tells since when it has been what it is, where the state does not say. */
export function whyOf(program: Program, state: InstanceState, at: Circumstances): WhyItem[] {
  if (isFinal(state.status)) return [];
  if (state.status === "CREATED") return [beforeBegin(state, at.createdAt)];
  const items: WhyItem[] = [];
  if (state.status === "PAUSED") {
    const since = iso(at.pausedAt ?? at.createdAt);
    items.push({ rule: "PAUSED", since, detail: "The instance is paused; resume it to go on" });
  }
  if (state.retryAt !== undefined) {
    const code = state.error?.code ?? "an error";
    items.push({
      rule: "WORKFLOW_RETRY",
      since: state.error?.timestamp ?? iso(at.createdAt),
      until: iso(state.retryAt),
      detail: `Run ${state.attempt ?? 1} failed with ${code}; the workflow begins again`,
    });
  }
  for (const live of Object.values(state.live)) items.push(stepItem(program, { state, context: at }, live));
  return items;
}

function beforeBegin(state: InstanceState, createdAt: number): WhyItem {
  const wanted = state.permits?.find((permit) => !permit.granted);
  if (wanted === undefined)
    return { rule: "NOT_BEGUN", since: iso(createdAt), detail: "It was accepted, and its owner has not begun it yet" };
  const limit = `${wanted.limit} at once`;
  return {
    rule: "CONCURRENCY_LIMIT",
    since: iso(createdAt),
    detail: `It waits for a permit of the limit of ${limit} for "${wanted.key}"`,
  };
}

function stepItem(program: Program, sight: Sight, live: LiveStep): WhyItem {
  const { state } = sight;
  const { stepId, path } = live;
  const compensates = path.startsWith(compensationScope);
  const step = (compensates ? program.compensations : program.steps).get(stepId);
  const item = (rule: WhyRule, detail: string, until?: number): WhyItem => ({
    stepId,
    path,
    rule,
    since: iso(live.startedAt ?? live.since),
    ...(until === undefined ? {} : { until: iso(until) }),
    detail,
  });
  switch (live.phase) {
    case "waiting":
      return item("EVENT", step === undefined ? "No event has come" : waitDetail(sight, live, step), live.dueAt);
    case "sleeping":
      return item("DELAY", "The delay is not over", live.dueAt);
    case "backoff": {
      const failed = stepsAround(state, path)[stepId]?.error;
      const why = failed === undefined ? "" : ` with ${failed.code}: ${failed.message}`;
      return item("RETRY", `Attempt ${live.attempt - 1} failed${why}; attempt ${live.attempt} follows`, live.dueAt);
    }
    case "unassigned":
      return item("NO_WORKER", `No live node or worker has a handler for task "${step?.taskId}"`);
    case "child":
      return item("CHILD", `The child ${live.childId} has not ended`, live.dueAt);
    case "joining":
      return joinItem(program, live, item);
    default:
      if (state.status === "PAUSED" && live.phase === "ready")
        return item("PAUSED", "It begins when the instance is resumed");
      if (step?.child !== undefined) return item("RUNNING", "Its child is being made");
      return item("RUNNING", `Attempt ${live.attempt} is at work`);
  }
}

/** The key is that of now; where a variable has changed since the wait opened, it was another then. */
function waitDetail(sight: Sight, live: LiveStep, step: ProgramStep): string {
  const { pattern, conditionText } = step.wait!;
  const fitting = conditionText === undefined ? "" : ` with ${conditionText}`;
  const key = keyOfWait(sight, live, step.wait!);
  const found = key === "" ? "it is found by its pattern alone" : `its match key is ${key}`;
  return `No event "${pattern}"${fitting} has come since ${iso(sinceOf(sight, live, step))}; ${found}`;
}

function joinItem(
  program: Program,
  live: LiveStep,
  item: (rule: WhyRule, detail: string, until?: number) => WhyItem,
): WhyItem {
  const { total, begun, completed, failed, todo } = live.join!;
  const join = program.steps.get(live.stepId)?.join;
  if (isGathering(live)) return item("JOIN", `All ${total} items have ended; their outputs are being joined`);
  const done = `${completed} completed and ${failed} failed of ${total}`;
  if (join?.kind === "items") {
    const waiting = (todo?.length ?? total) - begun;
    if (waiting > 0) {
      const detail = `${done}; ${waiting} items wait, for ${join.maxConcurrency} may be under way at once`;
      return item("MAP_CONCURRENCY", detail, live.dueAt);
    }
    return item("JOIN", `${done} items`, live.dueAt);
  }
  return item("JOIN", `${done} branches; ${join?.need ?? total} must complete`, live.dueAt);
}
