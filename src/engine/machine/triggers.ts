/** `cancellationTriggers`: waits that stand as long as the instance, beside its steps. */

import type { Json } from "./definition.ts";
import type { Mail } from "./state.ts";
import { holds, scopeOf, type Turn } from "./turn.ts";

/** The path of a trigger's wait. Each run of the instance has its own. */
function pathOf(turn: Turn, index: number): string {
  const { run } = turn.state;
  return run === undefined ? `~cancel/${index}` : `~cancel/${index}#${run}`;
}

export function openTriggers(turn: Turn): void {
  for (const [index, { pattern, conditionText }] of turn.program.cancelOn.entries()) {
    turn.decision.waitsOpened.push({
      path: pathOf(turn, index),
      stepId: "~cancel",
      pattern,
      condition: conditionText,
      timeoutAt: undefined,
      timeoutHandler: undefined,
    });
  }
}

/** An instance that never began, or is between two runs, has none open. */
export function closeTriggers(turn: Turn): void {
  if (turn.state.status === "CREATED" || turn.state.retryAt !== undefined) return;
  for (const index of turn.program.cancelOn.keys()) {
    turn.decision.waitsEnded.push({ path: pathOf(turn, index), status: "cancelled" });
  }
}

/** Whether this event cancels the instance, with what the record of the cancellation says. */
export function triggerOf(
  turn: Turn,
  mail: Mail,
  event: { [key: string]: Json },
): { reason: string; compensate: boolean } | undefined {
  for (const [index, trigger] of turn.program.cancelOn.entries()) {
    if (!trigger.matches(mail.type)) continue;
    const scope = scopeOf(turn, undefined, { event, payload: mail.payload });
    const where = `eventCondition of cancellation trigger ${index}`;
    const { condition } = trigger;
    if (condition !== undefined && !holds({ expression: condition, where }, scope, turn.decision.warnings)) continue;
    return { reason: trigger.reason ?? `Event "${mail.type}"`, compensate: trigger.compensate };
  }
  return undefined;
}
