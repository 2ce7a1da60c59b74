/** What the simulated world runs: definitions of mixed shapes, and handlers with outcomes and durations at random. */

import type { Definition, Json, Step } from "../machine/definition.ts";
import { compile, type Program } from "../machine/program.ts";
import { TaskError, type TaskHandler } from "../task.ts";
import type { Random } from "./random.ts";
import type { Process } from "./time.ts";

const task = (stepId: string, next?: string, more: object = {}): Step =>
  ({ stepId, type: "TASK", taskId: "work", transitions: { default: next }, ...more }) as Step;

const quickRetry = { retryPolicy: { maxAttempts: 4, initialInterval: 200, maxInterval: 5_000 } };

const shapes: Record<string, Partial<Definition> & { steps: Step[] }> = {
  chain: { steps: [task("a", "b", quickRetry), task("b", "c"), task("c")] },
  waits: {
    steps: [
      task("a", "w"),
      {
        stepId: "w",
        type: "EVENT_WAIT",
        eventPattern: "go",
        eventTimeout: { duration: 9_000, timeoutHandlerStepId: "late" },
        eventPayloadMapping: { n: "payload.n" },
        transitions: { default: "b" },
      },
      task("b"),
      task("late"),
    ],
  },
  loop: {
    steps: [
      task("a", undefined, {
        outputMapping: { rounds: "has(variables.rounds) ? variables.rounds + 1 : 1" },
        transitions: { conditions: [{ condition: "variables.rounds < 4", nextStep: "d" }], default: "end" },
      }),
      { stepId: "d", type: "DELAY", delay: 400, transitions: { default: "a" } },
      { stepId: "end", type: "DECISION" },
    ],
    output: "variables.rounds",
  },
  compensated: {
    steps: [
      task("reserve", "charge", quickRetry),
      task("charge", "ship", quickRetry),
      task("ship", undefined, { taskId: "flaky", retryPolicy: { maxAttempts: 2, initialInterval: 300 } }),
    ],
    compensationSteps: [
      { stepId: "release", compensationFor: "reserve", type: "TASK", taskId: "work" },
      {
        stepId: "refund",
        compensationFor: "charge",
        type: "TASK",
        taskId: "flaky",
        retryPolicy: { maxAttempts: 2, initialInterval: 100 },
      },
    ],
  },
  sleepy: {
    steps: [
      { stepId: "long", type: "DELAY", delay: 12_000, transitions: { default: "d" } },
      {
        stepId: "d",
        type: "DECISION",
        transitions: {
          conditions: [
            { condition: "input.n > 4", nextStep: "t" },
            { condition: "no.such", nextStep: "end" },
          ],
          default: "end",
        },
      },
      task("t", "end", { taskId: "transform", input: { expression: "{'twice': input.n * 2}" } }),
      task("end"),
    ],
  },
  hurried: {
    timeout: 8_000,
    steps: [
      task("a", "w"),
      {
        stepId: "w",
        type: "EVENT_WAIT",
        eventPattern: ">",
        eventCondition: "payload.n > 2",
        transitions: { default: "b" },
      },
      task("b"),
    ],
    compensationSteps: [{ stepId: "undo", compensationFor: "a", type: "TASK", taskId: "work" }],
  },
  rare: { steps: [task("a", "b"), task("b", undefined, { taskId: "rare" })] },
  slow: {
    steps: [
      task("a", undefined, { taskId: "slow", timeout: 4_000, retryPolicy: { maxAttempts: 2, initialInterval: 100 } }),
    ],
  },
  large: { steps: [task("a", "b", { taskId: "large" }), task("b", undefined, { input: "steps.a.output" })] },
};

export const workflowIds: readonly string[] = Object.keys(shapes);

const compiled = new Map<string, Program>();

/** Definition ids are UUIDs, because columns are; these are made from the place in the list. */
export function definitionIdOf(workflowId: string): string {
  return `00000000-0000-7000-8000-${workflowIds.indexOf(workflowId).toString(16).padStart(12, "0")}`;
}

export function programOf(definitionId: string): Program {
  let program = compiled.get(definitionId);
  if (program === undefined) {
    const workflowId = workflowIds.find((id) => definitionIdOf(id) === definitionId);
    if (workflowId === undefined) throw new Error(`no definition ${definitionId}`);
    const definition = { workflowId, name: workflowId, version: "1.0.0", ...shapes[workflowId]! } as Definition;
    program = compile(definition, { definitionId, namespace: "default" });
    compiled.set(definitionId, program);
  }
  return program;
}

/** One call of a handler. */
export interface Call {
  instanceId: string;
  path: string;
  attempt: number;
  nodeId: string;
  at: number;
}

const large = "x".repeat(70_000);

/** The handlers of one node. `called` hears of every call before it does anything. */
export function createHandlers(options: {
  process: Process;
  random: Random;
  nodeId: string;
  now(): number;
  called(call: Call): void;
  /** Whether the node may die of a handler. */
  deadly(): boolean;
  die(): void;
}): Map<string, TaskHandler> {
  const { process, random } = options;

  function handler(durationMs: () => number, outcome: () => Json): TaskHandler {
    return (_input, ctx) => {
      const path = ctx.idempotencyKey.slice(ctx.instanceId.length + 1);
      options.called({
        instanceId: ctx.instanceId,
        path,
        attempt: ctx.attempt,
        nodeId: options.nodeId,
        at: options.now(),
      });
      if (options.deadly() && random.chance(0.01)) {
        options.die();
        return new Promise<never>(() => {});
      }
      const kind = random.next();
      if (kind < 0.3) return outcome();
      return new Promise<Json>((resolve, reject) => {
        process.after(durationMs(), () => {
          try {
            resolve(outcome());
          } catch (error) {
            reject(error);
          }
        });
      });
    };
  }

  const fails = (share: number) => (): Json => {
    if (!random.chance(share)) return { n: random.between(0, 9) };
    const category = random.pick(["TRANSIENT", "BUSINESS", "UNKNOWN"] as const);
    throw new TaskError({ code: "E", category, message: "it broke" });
  };
  const short = () => random.between(1, 300);
  return new Map<string, TaskHandler>([
    ["work", handler(() => (random.chance(0.1) ? random.between(500, 2_500) : short()), fails(0.1))],
    ["flaky", handler(short, fails(0.7))],
    ["slow", handler(() => random.between(500, 7_000), fails(0.1))],
    ["rare", handler(short, fails(0))],
    ["large", handler(short, () => (random.chance(0.2) ? { text: "a\u0000b" } : { text: large }))],
  ]);
}
