/** The workflow's own retry: after a failure it begins again with its first step. */

import { backoffMs, isRetriable } from "./retry_rules.ts";
import { retryKey } from "./state.ts";
import type { Turn } from "./turn.ts";

/** Whether a workflow that has failed begins again. A timeout of the whole is tried again only where the policy names it. */
export function beginsAgain({ state, program: { retry } }: Turn): boolean {
  const { error } = state;
  if (retry === undefined || error === undefined) return false;
  if ((state.attempt ?? 1) >= retry.maxAttempts || !isRetriable(retry, error)) return false;
  return error.code !== "WORKFLOW_TIMEOUT" || retry.retryable !== undefined;
}

/** Plans another run of a workflow that has failed, and gives true; false when that was the last one. */
export function scheduleRetry(turn: Turn): boolean {
  const { state, program, decision, context } = turn;
  if (!beginsAgain(turn)) return false;
  const waitMs = backoffMs(turn, program.retry!, state.attempt ?? 1, state.error!);
  state.retryAt = Math.ceil(context.now + Math.max(1, waitMs));
  decision.armed.push({ key: retryKey, dueAt: state.retryAt });
  // What has been undone is not undone again.
  if (state.compensation !== undefined) state.compensable = [];
  decision.full = true;
  return true;
}
