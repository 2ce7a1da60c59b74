/** The workflows of the workloads: three TASK steps whose handlers take no time, some that fan out, and two that sleep. */
import type { Definition, Json, TaskHandler } from "../../src/engine/index.ts";

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

/** What one branch, item or child of the workflows that fan out does. */
export const partTask = "bench.part";

/** One TASK step: what `family` has a hundred of. */
export const child: Definition = {
  workflowId: "bench-child",
  name: "Child",
  version: "1.0.0",
  steps: [{ stepId: "work", type: "TASK", taskId: partTask }],
};

/** A child workflow for each item, all at once, and the join. */
export const family: Definition = {
  workflowId: "bench-family",
  name: "Family",
  version: "1.0.0",
  steps: [
    {
      stepId: "each",
      type: "MAP",
      items: "input.items",
      maxConcurrency: 1_000,
      steps: [{ stepId: "child", type: "WORKFLOW", workflowId: child.workflowId, input: "item" }],
    },
  ],
};

export const branchCount = 100;

/** As many branches of one TASK step each, and the join. */
export const branches: Definition = {
  workflowId: "bench-branches",
  name: "Branches",
  version: "1.0.0",
  steps: [
    {
      stepId: "fan",
      type: "PARALLEL",
      branches: Array.from({ length: branchCount }, (_, branch) => ({
        branchId: `b${branch}`,
        steps: [{ stepId: `work-${branch}`, type: "TASK" as const, taskId: partTask, input: `input.items[${branch}]` }],
      })),
    },
  ],
};

/** Sleeps for an event, and then does something. */
export const approval: Definition = {
  workflowId: "bench-approval",
  name: "Approval",
  version: "1.0.0",
  steps: [
    {
      stepId: "wait",
      type: "EVENT_WAIT",
      eventPattern: "payment.received",
      eventCondition: "event.payload.order == input.order",
      eventTimeout: { duration: "P30D" },
      transitions: { default: "work" },
    },
    { stepId: "work", type: "TASK", taskId: partTask },
  ],
};

/** Waits for one of the events that triggers start workflows for; so these have look-up keys. */
export const overseer: Definition = {
  workflowId: "bench-overseer",
  name: "Overseer",
  version: "1.0.0",
  steps: [
    {
      stepId: "wait",
      type: "EVENT_WAIT",
      eventPattern: "orders.>",
      eventCondition: "event.payload.order == input.order",
    },
  ],
};

export const mapConcurrency = 100;

/** A TASK step for each item, so many at a time. */
export const list: Definition = {
  workflowId: "bench-list",
  name: "List",
  version: "1.0.0",
  steps: [
    {
      stepId: "each",
      type: "MAP",
      items: "input.items",
      maxConcurrency: mapConcurrency,
      steps: [{ stepId: "work", type: "TASK", taskId: partTask, input: "item" }],
    },
  ],
};

export const itemsOf = (count: number): { items: Json[] } => {
  return { items: Array.from({ length: count }, (_, order) => inputOf(order)) };
};

export const definitions: readonly Definition[] = [
  threeSteps,
  sleeper,
  waiter,
  child,
  family,
  branches,
  list,
  approval,
  overseer,
];

export const inputOf = (order: number) => ({ order, amount: 12.5 });
export const partOutputOf = (input: unknown) => ({ ok: true, order: (input as { order: number }).order });
export const outputOf = (step: number, order: number) => ({ ok: true, step, order });

/** The handlers by task id. `ended` hears of every run of the last one. */
export function handlers(ended: () => void): Record<string, TaskHandler> {
  const of = (step: number): TaskHandler => {
    return (input) => {
      if (step === lastStep) ended();
      return outputOf(step, (input as { order: number }).order);
    };
  };
  return { ...Object.fromEntries(stepIds.map((_, step) => [taskIdOf(step), of(step)])), [partTask]: partOutputOf };
}
