/** The workflows of the simulated world: every kind of step, inside each other, and every kind of end. */

import type { Definition, Step } from "../machine/definition.ts";

export type Shape = Partial<Definition> & { steps: Step[] };

const to = (next: string | undefined) => (next === undefined ? {} : { transitions: { default: next } });

const task = (stepId: string, next?: string, more: object = {}): Step =>
  ({ stepId, type: "TASK", taskId: "work", ...to(next), ...more }) as Step;

const value = (stepId: string, expression: string, next?: string): Step =>
  task(stepId, next, { taskId: "transform", input: { expression } });

/** A wait that ends by itself. */
const wait = (stepId: string, next?: string, more: object = {}): Step =>
  ({
    stepId,
    type: "EVENT_WAIT",
    eventPattern: "go",
    eventTimeout: { duration: 5_000 },
    ...to(next),
    ...more,
  }) as Step;

const child = (stepId: string, workflowId: string, next?: string, more: object = {}): Step =>
  ({ stepId, type: "WORKFLOW", workflowId, ...to(next), ...more }) as Step;

const rest = (stepId: string, delay: number, next?: string): Step => ({ stepId, type: "DELAY", delay, ...to(next) });

const quickRetry = { retryPolicy: { maxAttempts: 4, initialInterval: 200, maxInterval: 5_000 } };
const undo = (stepId: string, compensationFor: string) =>
  ({ stepId, compensationFor, type: "TASK", taskId: "work" }) as const;

/** Steps one after the other. */
const lines: Record<string, Shape> = {
  chain: { steps: [task("a", "b", quickRetry), task("b", "c"), task("c")] },
  waits: {
    steps: [
      task("a", "w"),
      wait("w", "b", {
        eventTimeout: { duration: 9_000, timeoutHandlerStepId: "late" },
        eventPayloadMapping: { n: "payload.n" },
      }),
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
      rest("d", 400, "a"),
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
      undo("release", "reserve"),
      {
        ...undo("refund", "charge"),
        taskId: "flaky",
        retryPolicy: { maxAttempts: 2, initialInterval: 100 },
      },
    ],
  },
  sleepy: {
    steps: [
      rest("long", 12_000, "d"),
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
      value("t", "{'twice': input.n * 2}", "end"),
      task("end"),
    ],
  },
  hurried: {
    timeout: 8_000,
    steps: [task("a", "w"), wait("w", "b", { eventPattern: ">", eventCondition: "payload.n > 2" }), task("b")],
    compensationSteps: [undo("undo", "a")],
  },
  rare: { steps: [task("a", "b"), task("b", undefined, { taskId: "rare" })] },
  slow: {
    steps: [
      task("a", undefined, { taskId: "slow", timeout: 4_000, retryPolicy: { maxAttempts: 2, initialInterval: 100 } }),
    ],
  },
  large: { steps: [task("a", "b", { taskId: "large" }), task("b", undefined, { input: "steps.a.output" })] },
  /** Every failure is caught, and the handler sees it. */
  caught: {
    variables: { code: { type: "string", default: "none" }, n: { type: "integer" } },
    steps: [
      task("a", "b", {
        taskId: "flaky",
        retryPolicy: { maxAttempts: 1 },
        onFailure: { conditions: [{ condition: "error.category == 'BUSINESS'", nextStep: "sorry" }], default: "b" },
      }),
      task("b", undefined, { outputMapping: { n: "output.n" }, onFailure: { default: "sorry" } }),
      task("sorry", undefined, { input: "error.code", outputMapping: { code: "error.code" } }),
    ],
    output: { code: "${variables.code}" },
  },
};

/** Branches and items. */
const containers: Record<string, Shape> = {
  fan: {
    steps: [
      task("first", "fan"),
      {
        stepId: "fan",
        type: "PARALLEL",
        branches: [
          { branchId: "left", steps: [task("a", "b", quickRetry), task("b")] },
          { branchId: "right", steps: [task("flaky", undefined, { taskId: "flaky", ...quickRetry })] },
          {
            branchId: "wait",
            steps: [
              wait("w", "v", { eventTimeout: { duration: 4_000, timeoutHandlerStepId: "v" } }),
              value("v", "input.n"),
            ],
          },
        ],
        transitions: { default: "last" },
      },
      task("last", undefined, { input: "steps.fan.output" }),
    ],
    compensationSteps: [undo("undo first", "first"), undo("undo a", "a")],
  },
  any: {
    steps: [
      {
        stepId: "any",
        type: "PARALLEL",
        join: "any",
        branches: [
          { branchId: "1", steps: [task("s", undefined, { taskId: "slow", retryPolicy: { maxAttempts: 1 } })] },
          { branchId: "2", steps: [rest("d", 1_500, "x"), task("x")] },
          { branchId: "3", steps: [wait("w", undefined, { eventTimeout: { duration: 20_000 } })] },
          { branchId: "4", steps: [child("k", "sleepy")] },
        ],
        transitions: { default: "end" },
      },
      task("end"),
    ],
  },
  some: {
    steps: [
      {
        stepId: "some",
        type: "PARALLEL",
        join: 2,
        rest: "leave",
        timeout: 6_000,
        branches: ["p", "q", "r", "s"].map((branchId) => ({
          branchId,
          steps: [
            task(`${branchId}1`, `${branchId}2`, {
              taskId: "flaky",
              retryPolicy: { maxAttempts: 2, initialInterval: 100 },
            }),
            branchId === "s" ? child(`${branchId}2`, "chain") : rest(`${branchId}2`, 900, `${branchId}3`),
            value(`${branchId}3`, "input.n + 1"),
          ],
        })),
        transitions: { default: "end" },
        onFailure: { default: "end" },
      },
      task("end"),
    ],
  },
  each: {
    steps: [
      {
        stepId: "each",
        type: "MAP",
        items: "[1, 2, 3, 4, 5, 6, input.n]",
        maxConcurrency: 2,
        toleratedFailures: "30%",
        steps: [
          task("a", "d", {
            taskId: "shaky",
            input: "[item, index]",
            retryPolicy: { maxAttempts: 2, initialInterval: 100 },
          }),
          {
            stepId: "d",
            type: "DECISION",
            transitions: { conditions: [{ condition: "item % 3 == 0", nextStep: "w" }], default: "v" },
          },
          wait("w", "v", { eventTimeout: { duration: 1_200, timeoutHandlerStepId: "v" } }),
          value("v", "{'item': item, 'index': index}"),
        ],
        transitions: { default: "end" },
      },
      task("end", undefined, { input: "steps.each.output" }),
    ],
    compensationSteps: [undo("undo", "a")],
  },
  nested: {
    steps: [
      {
        stepId: "outer",
        type: "MAP",
        items: "[1, 2, 3]",
        maxConcurrency: 2,
        toleratedFailures: 1,
        steps: [
          {
            stepId: "both",
            type: "PARALLEL",
            branches: [
              { branchId: "work", steps: [task("a", "b"), task("b")] },
              {
                branchId: "map",
                steps: [
                  {
                    stepId: "inner",
                    type: "MAP",
                    items: "[item, item + 1]",
                    steps: [rest("pause", 300, "c"), task("c", undefined, { input: "item" })],
                  },
                ],
              },
            ],
          },
        ],
      },
    ],
    output: "steps.outer.output",
  },
  /** Handlers that some nodes do not have, beside steps that keep the instance in memory. */
  halves: {
    steps: [
      {
        stepId: "fan",
        type: "PARALLEL",
        branches: [
          { branchId: "rare", steps: [task("r", undefined, { taskId: "rare" })] },
          { branchId: "scarce", steps: [task("x", "y"), task("y", undefined, { taskId: "scarce" })] },
          { branchId: "slow", steps: [task("s", "z", { taskId: "slow" }), rest("z", 2_000)] },
        ],
      },
    ],
  },
  /** So many items that what they give stays in the journal until the join. */
  many: {
    steps: [
      task("a", "each"),
      {
        stepId: "each",
        type: "MAP",
        items: "has(input.items) ? input.items : [input.n]",
        maxConcurrency: 40,
        steps: [value("item", "item * 2")],
      },
    ],
  },
  /** What its items give is large, and lies in payloads. */
  heavy: {
    steps: [
      {
        stepId: "each",
        type: "MAP",
        items: "[1, 2]",
        steps: [task("l", undefined, { taskId: "large" })],
        transitions: { default: "end" },
        onFailure: { default: "end" },
      },
      task("end"),
    ],
  },
};

/** Workflows of workflows. */
const families: Record<string, Shape> = {
  leaf: {
    steps: [task("a", "d"), rest("d", 700, "b"), task("b", undefined, { taskId: "flaky" })],
    output: { n: "${input.n}" },
  },
  parent: {
    steps: [
      child("free", "chain", "bound", { detach: true }),
      child("bound", "leaf", "last", {
        input: { n: "${input.n}" },
        retryPolicy: { maxAttempts: 2, initialInterval: 200 },
        timeout: 9_000,
        onFailure: { default: "last" },
      }),
      task("last"),
    ],
  },
  strict: {
    // Refused for some inputs, and of a version that stays.
    steps: [child("bound", "leaf", undefined, { version: "1.0.0" })],
    compensationSteps: [undo("undo", "bound")],
  },
  ancestor: {
    steps: [
      {
        stepId: "each",
        type: "MAP",
        items: "[1, 2, 3]",
        maxConcurrency: 2,
        toleratedFailures: 3,
        steps: [child("k", "parent", undefined, { input: { n: "${item}" } })],
        transitions: { default: "end" },
      },
      task("end"),
    ],
  },
};

/** How whole workflows end, begin again, and wait for each other. */
const lives: Record<string, Shape> = {
  ended: {
    steps: [
      {
        stepId: "fan",
        type: "PARALLEL",
        branches: [
          { branchId: "slow", steps: [task("s", undefined, { taskId: "slow" })] },
          { branchId: "child", steps: [child("k", "sleepy")] },
          {
            branchId: "end",
            steps: [
              task("a", "d"),
              {
                stepId: "d",
                type: "DECISION",
                transitions: {
                  conditions: [
                    { condition: "input.n < 3", nextStep: "failed" },
                    { condition: "input.n < 6", nextStep: "done" },
                  ],
                  default: "v",
                },
              },
              {
                stepId: "failed",
                type: "TERMINATE",
                status: "FAILED",
                error: { code: "ENOUGH", message: "n is ${input.n}" },
              },
              { stepId: "done", type: "TERMINATE", status: "COMPLETED", output: { n: "${input.n}" } },
              value("v", "input.n"),
            ],
          },
        ],
      },
    ],
    compensationSteps: [undo("undo", "a")],
  },
  again: {
    retryPolicy: { maxAttempts: 3, initialInterval: 500, maxInterval: 2_000 },
    timeout: 20_000,
    variables: { n: { type: "integer", default: 0 } },
    steps: [
      task("a", "b", { outputMapping: { n: "variables.n + 1" } }),
      {
        stepId: "b",
        type: "PARALLEL",
        branches: [
          { branchId: "x", steps: [task("x", undefined, { taskId: "flaky", retryPolicy: { maxAttempts: 1 } })] },
          { branchId: "y", steps: [task("y"), wait("z", undefined, { eventTimeout: { duration: 800 } })] },
        ],
      },
    ],
    compensationSteps: [undo("undo", "a")],
    output: "variables.n",
  },
  stopped: {
    cancellationTriggers: [
      { eventPattern: "stop", eventCondition: "payload.n > 3", reason: "stop" },
      { eventPattern: "halt.*", shouldCompensate: false },
    ],
    steps: [task("a", "k"), child("k", "sleepy", "w"), wait("w")],
    compensationSteps: [undo("undo", "a")],
  },
  limited: {
    concurrency: [{ limit: 2 }, { limit: 1, key: "input.n % 2" }],
    timeout: 30_000,
    steps: [task("a", "d"), rest("d", 600, "b"), task("b", undefined, { taskId: "flaky", ...quickRetry })],
  },
  /** Its children wait for each other. */
  queue: {
    steps: [
      {
        stepId: "each",
        type: "MAP",
        items: "[1, 2, 3, 4]",
        toleratedFailures: "100%",
        steps: [child("k", "limited", undefined, { input: { n: "${item}" } })],
      },
    ],
  },
  single: {
    concurrency: [{ limit: 1 }],
    retryPolicy: { maxAttempts: 2, initialInterval: 300 },
    steps: [task("a", "b", { taskId: "flaky", retryPolicy: { maxAttempts: 1 } }), task("b")],
  },
};

export const shapes: Readonly<Record<string, Shape>> = { ...lines, ...containers, ...families, ...lives };
