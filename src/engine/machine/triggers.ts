/** `cancellationTriggers`: waits that stand as long as the instance, beside its steps. */

import type { Arrival } from "./arrival.ts";
import { keyOfWait } from "./correlation.ts";
import { holds, scopeOf, type Turn } from "./turn.ts";

/** The path of a trigger's wait. Each run of the instance has its own. */
function pathOf(turn: Turn, index: number): string {
  const { run } = turn.state;
  return run === undefined ? `~cancel/${index}` : `~cancel/${index}#${run}`;
}

/** Which trigger a path names; undefined where it names a step. */
export function triggerIndex(path: string): number | undefined {
  const named = /^~cancel\/(\d+)(#\d+)?$/.exec(path);
  return named === null ? undefined : Number(named[1]);
}

export function openTriggers(turn: Turn): void {
  for (const [index, trigger] of turn.program.cancelOn.entries()) {
    turn.decision.waitsOpened.push({
      path: pathOf(turn, index),
      stepId: "~cancel",
      pattern: trigger.pattern,
      condition: trigger.conditionText,
      timeoutAt: undefined,
      timeoutHandler: undefined,
      key: keyOfWait(turn, undefined, trigger),
      since: turn.state.startedAt,
    });
  }
}

/** An instance that never began, is ending, or is between two runs, has none open. */
function areOpen({ state }: Turn): boolean {
  return state.status !== "CREATED" && state.retryAt === undefined && state.ending === undefined;
}

/** Takes back those that no event has ended. */
export function closeTriggers(turn: Turn): void {
  if (!areOpen(turn)) return;
  const { waitsEnded } = turn.decision;
  for (const index of turn.program.cancelOn.keys()) {
    const path = pathOf(turn, index);
    if (!waitsEnded.some((ended) => ended.path === path)) waitsEnded.push({ path, status: "cancelled" });
  }
}

/** The wait of a trigger has had its event; nothing is to be done where it is closed, as between two runs. */
export function fulfilTrigger(turn: Turn, path: string, eventId: string): void {
  if (areOpen(turn) && path === pathOf(turn, triggerIndex(path)!))
    turn.decision.waitsEnded.push({ path, status: "fulfilled", eventId });
}

/** Whether this signal or event cancels the instance, with what the record of the cancellation says. */
export function triggerOf(turn: Turn, arrival: Arrival): { reason: string; compensate: boolean } | undefined {
  for (const index of turn.program.cancelOn.keys()) {
    const how = takenBy(turn, index, arrival);
    if (how !== undefined) return how;
  }
  return undefined;
}

/** The same for one trigger. */
export function takenBy(
  turn: Turn,
  index: number,
  { type, payload, seen }: Arrival,
): { reason: string; compensate: boolean } | undefined {
  const { matches, condition, reason, compensate } = turn.program.cancelOn[index]!;
  if (!matches(type)) return undefined;
  const scope = scopeOf(turn, undefined, { event: seen, payload });
  const where = `eventCondition of cancellation trigger ${index}`;
  if (condition !== undefined && !holds({ expression: condition, where }, scope, turn.decision.warnings))
    return undefined;
  return { reason: reason ?? `Event "${type}"`, compensate };
}
