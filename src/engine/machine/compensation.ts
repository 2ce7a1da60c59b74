/** Undoing: the plan, and the walk along it. */

import { enter } from "./evolve.ts";
import { type Compensation, compensationScope, type Outcome, pathOf } from "./state.ts";
import { holds, scopeOf, type Turn } from "./turn.ts";

/**
 * Begins the compensation: for completed steps in reverse order of completion, the compensations whose condition holds.
 * Gives false when there is nothing to undo. The plan is instance state: the whole state is written with it.
 */
export function beginCompensation(turn: Turn): boolean {
  const { state, program, context } = turn;
  const items: Compensation["items"] = [];
  const planned = new Map<string, number>();
  const { warnings } = turn.decision;
  for (const done of state.compensable.toReversed()) {
    for (const step of program.compensationsFor.get(done.stepId) ?? []) {
      const seen = {
        originalInput: done.input ?? null,
        originalOutput: done.output ?? null,
        cancellation: state.cancelation ?? null,
        error: state.error ?? null,
      };
      const where = `condition of compensation "${step.stepId}"`;
      if (
        step.condition !== undefined &&
        !holds({ expression: step.condition, where }, scopeOf(turn, undefined, seen), warnings)
      )
        continue;
      const path = nextCompensation(turn, step.stepId, planned);
      items.push({
        path,
        stepId: step.stepId,
        of: done,
      });
    }
  }
  const first = items[0];
  if (first === undefined) return false;
  state.compensation = { status: "IN_PROGRESS", startedAt: context.now, items, done: 0, failed: [] };
  turn.decision.full = true;
  enter(state, first.path, context.now);
  turn.ready.push(first.path);
  return true;
}

/**
 * Visits of compensations are counted beside those of steps, when they are entered: a workflow that begins again may be
 * undone again. `planned` counts those of the plan that is being made.
 */
function nextCompensation({ state }: Turn, stepId: string, planned: Map<string, number>): string {
  const name = `${compensationScope}${stepId}`;
  const visit = (planned.get(name) ?? state.visits[name] ?? 0) + 1;
  planned.set(name, visit);
  return pathOf(name, visit);
}

/** What follows the compensation that is just ending: the next one of the plan, or nothing. */
export function concludeCompensation(turn: Turn): Outcome {
  const { compensation } = turn.state;
  const following = compensation?.items[compensation.done + 1];
  return following === undefined ? {} : { next: [following.path] };
}
