/** Why an instance is not further than it is: one item for each step under way, and for what holds the whole. */

import { stepsAround } from "./evolve.ts";
import { isGathering } from "./joins.ts";
import type { Program } from "./program.ts";
import { compensationScope, type InstanceState, isFinal, type LiveStep } from "./state.ts";

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

/** Empty when it has ended. `began` tells since when it has been what it is, where the state does not say. */
export function whyOf(program: Program, state: InstanceState, at: { createdAt: number; pausedAt?: number }): WhyItem[] {
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
  for (const live of Object.values(state.live)) items.push(stepItem(program, state, live));
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

function stepItem(program: Program, state: InstanceState, live: LiveStep): WhyItem {
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
    case "waiting": {
      const condition = step?.wait?.conditionText;
      const fitting = condition === undefined ? "" : ` with ${condition}`;
      return item("EVENT", `No event "${step?.wait?.pattern}"${fitting} has come`, live.dueAt);
    }
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
