/** Words and laws of operations on many instances; no I/O. */
import type { InstanceStatus, InstanceView } from "../../../engine/index.ts";
import { isFinal } from "../../../engine/index.ts";
import type { PartialProblem } from "../../../foundation/http/index.ts";

export const bulkActions = ["cancel", "pause", "resume", "retry", "restart", "priority", "skip"] as const;
export type BulkAction = (typeof bulkActions)[number];

/**
 * running ──nothing is left──▶ completed
 *    └──────cancel───────────▶ cancelled
 */
export const bulkStatuses = ["running", "completed", "cancelled"] as const;
export type BulkStatus = (typeof bulkStatuses)[number];

export const mostIds = 10_000;
/** Counting goes no further: a number above it would be out of date before it is read. */
export const mostCounted = 1_000_000;
export const mostFailuresKept = 100;
export const sampleSize = 10;

/** What a list of instances is asked for, but for its pages and its namespace. */
export interface BulkFilter {
  status?: InstanceStatus[];
  definitionId?: string;
  correlationId?: string;
  startedAfter?: string;
  startedBefore?: string;
  parentInstanceId?: string;
}

export interface BulkParameters {
  reason?: string;
  compensate?: boolean;
  fromStepId?: string;
  stepId?: string;
  priority?: number;
}

/** Which parameters an action takes. */
export const parametersOf: Readonly<Record<BulkAction, readonly (keyof BulkParameters)[]>> = {
  cancel: ["reason", "compensate"],
  pause: [],
  resume: [],
  retry: [],
  restart: ["fromStepId"],
  priority: ["priority"],
  skip: ["stepId"],
};

/** Those without which an action cannot be. */
export const requiredOf: Partial<Record<BulkAction, keyof BulkParameters>> = { priority: "priority", skip: "stepId" };

export interface BulkFailure {
  instanceId: string;
  problem: PartialProblem;
}

/**
 * Whether acting twice on one instance could do more than acting once: a second retry or skip may meet what the first one
 * led to. Such an action is never repeated when its outcome is unknown. (A restart has an idempotency key.)
 */
export function actsOnce(action: BulkAction): boolean {
  return action === "retry" || action === "skip";
}

/** How many instances are taken at a time. After a crash it is the most whose outcome is unknown, or is asked for again. */
export function pageSizeOf(action: BulkAction): number {
  return actsOnce(action) ? 50 : 200;
}

/** Whether an instance that refused an action is already as the action would have it: then somebody was faster. */
export function isAlready(
  { action, parameters }: { action: BulkAction; parameters: BulkParameters },
  view: Pick<InstanceView, "status" | "priority" | "cancelation">,
): boolean {
  switch (action) {
    case "cancel":
      return view.status === "CANCELLED" || view.cancelation !== undefined;
    case "pause":
      return view.status === "PAUSED";
    case "resume":
      return view.status !== "PAUSED" && !isFinal(view.status);
    case "priority":
      return view.priority === parameters.priority;
    default:
      return false;
  }
}
