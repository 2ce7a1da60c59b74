/** Cancelling an instance, whoever asks for it. */

import { cancelLive, endInstance } from "./ending.ts";
import type { Fact } from "./facts.ts";
import { retryKey } from "./state.ts";
import type { Turn } from "./turn.ts";
import { beginsAgain } from "./workflow_retry.ts";

/** What is ending cannot be cancelled, but for a failure after which the workflow would begin again. */
export function isCancellable(turn: Turn): boolean {
  const { ending } = turn.state;
  return ending === undefined || (ending === "FAILED" && beginsAgain(turn));
}

export function cancel(turn: Turn, fact: Omit<Extract<Fact, { kind: "cancel" }>, "kind">, eventId?: string): void {
  const { state, decision } = turn;
  if (!isCancellable(turn)) {
    decision.ignored = `the instance is ending as ${state.ending}`;
    return;
  }
  state.cancelation = {
    reason: fact.reason,
    requestedBy: fact.requestedBy,
    requestedAt: fact.requestedAt,
    source: fact.source,
    ...(eventId === undefined ? {} : { eventId }),
    shouldCompensate: fact.compensate,
  };
  decision.full = true;
  if (state.ending !== undefined) {
    // The compensation goes on; what does not follow it is the next run.
    state.ending = "CANCELLED";
    return;
  }
  if (state.retryAt !== undefined) decision.cleared.push({ key: retryKey, dueAt: state.retryAt });
  cancelLive(turn);
  endInstance(turn, "CANCELLED", { compensate: fact.compensate });
  delete state.retryAt;
}

/** The same for what a cancellation trigger has taken. */
export function cancelByEvent(turn: Turn, how: { reason: string; compensate: boolean }, eventId: string): void {
  const requestedAt = new Date(turn.context.now).toISOString();
  cancel(turn, { ...how, requestedBy: "event", requestedAt, source: "EVENT" }, eventId);
}
