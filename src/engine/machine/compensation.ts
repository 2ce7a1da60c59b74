/** Undoing: the plan, and the walk along it. */

import { enter } from "./evolve.ts";
import type { ProgramStep } from "./program.ts";
import { type Compensation, compensationScope, type Outcome } from "./state.ts";
import { holds, scopeOf, type Turn } from "./turn.ts";

/**
 * Begins the compensation: for completed steps in reverse order of completion, the compensations whose condition holds.
 * Gives false when there is nothing to undo. The plan is instance state: the whole state is written with it.
 */
export function beginCompensation(turn: Turn): boolean {
  const { state, program, context } = turn;
  const items: Compensation["items"] = [];
  const visits = new Map<string, number>();
  const warnings: string[] = [];
  for (const done of state.compensable.toReversed()) {
    for (const step of program.compensationsFor.get(done.stepId) ?? []) {
      const seen = {
        originalInput: done.input ?? null,
        originalOutput: done.output ?? null,
        cancellation: state.cancelation ?? null,
        error: state.error ?? null,
      };
      const where = `condition of compensation "${step.stepId}"`;
      if (step.condition !== undefined && !holds({ expression: step.condition, where }, scopeOf(turn, seen), warnings))
        continue;
      const visit = (visits.get(step.stepId) ?? 0) + 1;
      visits.set(step.stepId, visit);
      items.push({
        path: `${compensationScope}${step.stepId}${visit === 1 ? "" : `#${visit}`}`,
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

export function compensationStep(turn: Turn, stepId: string): ProgramStep | undefined {
  return turn.program.compensations.get(stepId);
}

/** What follows the compensation that is just ending: the next one of the plan, or nothing. */
export function concludeCompensation(turn: Turn): Outcome {
  const { compensation } = turn.state;
  const following = compensation?.items[compensation.done + 1];
  return following === undefined ? {} : { next: [following.path] };
}
