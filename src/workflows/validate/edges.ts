/** The ways that lead from a step to others, as the document writes them. */
import type { Place } from "./nesting.ts";
import { isRecord, under } from "./pointer.ts";

export interface Edge {
  pointer: string;
  target: string;
  /** Whether it is taken when the step fails. */
  onFailure: boolean;
}

/** In the order in which they are tried, those of `transitions` first. */
export function edgesOf({ fields, pointer }: Place): Edge[] {
  const edges: Edge[] = [];
  const add = (target: unknown, onFailure: boolean, ...path: (string | number)[]) => {
    if (typeof target === "string" && target !== "")
      edges.push({ pointer: under(pointer, ...path), target, onFailure });
  };
  for (const name of ["transitions", "onFailure"]) {
    const choice = fields[name];
    if (!isRecord(choice)) continue;
    const onFailure = name === "onFailure";
    const conditions: unknown[] = Array.isArray(choice.conditions) ? choice.conditions : [];
    for (const [index, item] of conditions.entries()) {
      if (isRecord(item)) add(item.nextStep, onFailure, name, "conditions", index, "nextStep");
    }
    add(choice.default, onFailure, name, "default");
  }
  if (fields.type === "EVENT_WAIT" && isRecord(fields.eventTimeout)) {
    add(fields.eventTimeout.timeoutHandlerStepId, false, "eventTimeout", "timeoutHandlerStepId");
  }
  return edges;
}

/** Whether a step follows when the wait is over. */
export function handlesTimeout({ fields }: Place): boolean {
  return isRecord(fields.eventTimeout) && typeof fields.eventTimeout.timeoutHandlerStepId === "string";
}
