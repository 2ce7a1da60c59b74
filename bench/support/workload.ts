/** The workflow of every workload: three TASK steps whose handlers do nothing that takes time. */
import type { TaskHandler } from "../../src/engine/index.ts";

/** Where instances started through the program live. */
export const namespace = "default";

export const stepIds = ["reserve", "charge", "ship"] as const;

/** As a user would write it. */
export const definition = {
  workflowId: "bench-three-steps",
  name: "Three steps",
  version: "1.0.0",
  steps: stepIds.map((stepId, index) => ({
    stepId,
    type: "TASK" as const,
    taskId: taskIdOf(index),
    ...(index < stepIds.length - 1 ? { transitions: { default: stepIds[index + 1]! } } : {}),
  })),
};

function taskIdOf(index: number): string {
  return `bench.step${index}`;
}

export const inputOf = (order: number) => ({ order, amount: 12.5 });
export const outputOf = (step: number, order: number) => ({ ok: true, step, order });

/** The handlers by task id. `ended` hears of every run of the last one. */
export function handlers(ended: () => void): Record<string, TaskHandler> {
  const of = (step: number): TaskHandler => {
    const last = step === stepIds.length - 1;
    return (input) => {
      if (last) ended();
      return outputOf(step, (input as { order: number }).order);
    };
  };
  return Object.fromEntries(stepIds.map((_, step) => [taskIdOf(step), of(step)]));
}
