/** Compensation steps: each of its own kind, run after the workflow has ended in a failure or been cancelled. */
import type { CompensationStep } from "../../engine/index.ts";
import type { Context } from "./context.ts";
import { alreadyAt } from "./graph.ts";
import { createSuggest, oneOf } from "./nearest.ts";
import { shown, under } from "./pointer.ts";
import type { Located } from "./shape.ts";
import { checkWork } from "./work.ts";

/** What steps of these types did is undone by undoing what is inside them, or there is nothing. */
const leavesNothing: Readonly<Record<string, string>> = {
  DECISION: "which leaves nothing to undo",
  DELAY: "which leaves nothing to undo",
  TERMINATE: "which leaves nothing to undo",
  PARALLEL: "which is undone by undoing the steps of its branches",
  MAP: "which is undone by undoing the steps of its items",
};

export function checkCompensations(steps: readonly Located<CompensationStep>[], context: Context): void {
  const { checks, findings, graph } = context;
  const suggest = createSuggest(graph.steps.keys());
  const seen = new Map<string, string>();
  for (const { pointer, value: step } of steps) {
    const taken = graph.steps.get(step.stepId)?.pointer ?? seen.get(step.stepId);
    if (taken !== undefined) findings.error(under(pointer, "stepId"), alreadyAt(step.stepId, taken), "another id");
    seen.set(step.stepId, pointer);
    checkUndone(step.compensationFor, under(pointer, "compensationFor"), { ...context, suggest });
    checkWork(step, { checks, findings, pointer, standing: "undoing" });
    if (step.condition !== undefined) {
      checks.condition(step.condition, { pointer: under(pointer, "condition"), standing: "undo" });
    }
  }
}

function checkUndone(
  undone: string,
  pointer: string,
  { findings, graph, suggest }: Context & { suggest: ReturnType<typeof createSuggest> },
): void {
  const place = graph.steps.get(undone);
  if (place === undefined) {
    findings.error(pointer, `There is no step ${shown(undone)}`, oneOf([...graph.steps.keys()], suggest(undone)));
    return;
  }
  const { type } = place.fields;
  const why = typeof type === "string" && Object.hasOwn(leavesNothing, type) ? leavesNothing[type] : undefined;
  if (why === undefined) return;
  findings.error(
    pointer,
    `The step ${shown(undone)} is a ${String(type)}, ${why}`,
    "a TASK, EVENT_WAIT or WORKFLOW step",
  );
}
