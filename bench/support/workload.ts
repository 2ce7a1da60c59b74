/** The workflows of the workloads: three TASK steps whose handlers take no time, and two that sleep. */
import type { Definition, TaskHandler } from "../../src/engine/index.ts";

/** Where all instances live. */
export const namespace = "default";

export const stepIds = ["reserve", "charge", "ship"] as const;
const lastStep = stepIds.length - 1;

export const taskIdOf = (step: number): string => `bench.step${step}`;

export const threeSteps: Definition = {
  workflowId: "bench-three-steps",
  name: "Three steps",
  version: "1.0.0",
  steps: stepIds.map((stepId, step) => ({
    stepId,
    type: "TASK" as const,
    taskId: taskIdOf(step),
    ...(step < lastStep ? { transitions: { default: stepIds[step + 1]! } } : {}),
  })),
};

/** Sleeps by a timer. */
export const sleeper: Definition = {
  workflowId: "bench-sleeper",
  name: "Sleeper",
  version: "1.0.0",
  steps: [{ stepId: "sleep", type: "DELAY", delay: "P30D" }],
};

/** Sleeps for an event, with a timer in case it never comes. */
export const waiter: Definition = {
  workflowId: "bench-waiter",
  name: "Waiter",
  version: "1.0.0",
  steps: [
    {
      stepId: "wait",
      type: "EVENT_WAIT",
      eventPattern: "payment.received",
      eventCondition: "event.payload.order == input.order",
      eventTimeout: { duration: "P30D" },
    },
  ],
};

export const definitions: readonly Definition[] = [threeSteps, sleeper, waiter];

export const inputOf = (order: number) => ({ order, amount: 12.5 });
export const outputOf = (step: number, order: number) => ({ ok: true, step, order });

/** The handlers by task id. `ended` hears of every run of the last one. */
export function handlers(ended: () => void): Record<string, TaskHandler> {
  const of = (step: number): TaskHandler => {
    return (input) => {
      if (step === lastStep) ended();
      return outputOf(step, (input as { order: number }).order);
    };
  };
  return Object.fromEntries(stepIds.map((_, step) => [taskIdOf(step), of(step)]));
}
