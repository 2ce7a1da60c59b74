/** WORKFLOW: how a step comes to its child, and what the child's end means for it. */

import type { Fact } from "./facts.ts";
import type { ProgramStep } from "./program.ts";
import { complete, consumeRetryTimer, fail } from "./settle.ts";
import { shown } from "./shown.ts";
import type { LiveStep } from "./state.ts";
import { failure, record, type Turn } from "./turn.ts";

/** A child is made with this row; whoever detaches from it goes on at once. */
export function spawned(turn: Turn, live: LiveStep, step: ProgramStep, childId: string): void {
  const startedAt = live.startedAt ?? turn.context.now;
  if (step.child!.detach) {
    complete(turn, live, step, { output: { instanceId: childId }, startedAt, outcome: { childId } });
    return;
  }
  const dueAt = step.limitMs === undefined ? undefined : turn.context.now + step.limitMs;
  consumeRetryTimer(turn, live);
  record(turn, {
    ...shown(turn, live),
    status: "RUNNING",
    outcome: { childId, ...(dueAt === undefined ? {} : { dueAt }) },
  });
  if (dueAt !== undefined) turn.decision.armed.push({ key: live.path, dueAt });
}

export function childEnded(
  turn: Turn,
  live: LiveStep,
  step: ProgramStep,
  fact: Extract<Fact, { kind: "child_ended" }>,
): void {
  const startedAt = live.since;
  if (fact.status === "COMPLETED") {
    complete(turn, live, step, { output: fact.output ?? null, startedAt });
    return;
  }
  const own =
    fact.status === "CANCELLED"
      ? failure(turn, "CHILD_CANCELLED", "BUSINESS", `The child ${fact.childId} of step "${step.stepId}" was cancelled`)
      : (fact.error ?? failure(turn, "CHILD_FAILED", "UNKNOWN", `The child of step "${step.stepId}" failed`));
  fail(turn, live, step, { error: { ...own, details: { instanceId: fact.childId } }, startedAt });
}
