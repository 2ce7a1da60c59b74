/** Which failures are tried again, and when. */

import type { ErrorInfo } from "../task.ts";
import { retriedByDefault } from "../task.ts";
import type { RetryRules } from "./program.ts";
import type { Turn } from "./turn.ts";

/** Codes and categories are matched alike; `nonRetryable` wins; without lists the category decides. */
export function isRetriable(rules: RetryRules, error: ErrorInfo): boolean {
  if (error.code === "POISON" || error.code === "UNSTORABLE") return false;
  const named = (set: ReadonlySet<string>) => set.has(error.code) || set.has(error.category);
  if (rules.nonRetryable !== undefined && named(rules.nonRetryable)) return false;
  if (rules.retryable !== undefined) return named(rules.retryable);
  return retriedByDefault.has(error.category);
}

/** Exponential, capped, spread by the jitter; never sooner than what the other side asked for (`details.retryAfterMs`). */
export function backoffMs(turn: Turn, rules: RetryRules, attempt: number, error: ErrorInfo): number {
  // The power may be infinite, and nothing times infinity is no number.
  const plain = rules.initialMs === 0 ? 0 : Math.min(rules.initialMs * rules.multiplier ** (attempt - 1), rules.maxMs);
  const spread = plain * (1 + rules.jitter * (2 * turn.context.random() - 1));
  const { details } = error;
  const asked =
    typeof details === "object" && details !== null && !Array.isArray(details) ? details.retryAfterMs : undefined;
  return Math.max(spread, typeof asked === "number" ? Math.min(asked, 24 * 3_600_000) : 0);
}
