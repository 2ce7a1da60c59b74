/**
 * The workflows of the simulated world that wait for events: by a value of their input, by a pattern alone, again and
 * again, side by side, looking back, cancelled by events. Beside each wait stands what it takes, said a second time.
 */

import type { Json, Step } from "../machine/definition.ts";
import type { Shape } from "./shapes.ts";

/** An event as it is drawn. */
export interface DrawnEvent {
  pattern: string;
  payload: { order: number; n: number };
}

/** Whether a wait takes an event, by the instance's input and the wait's path. */
type Takes = (event: DrawnEvent, input: { n: number }, path: string) => boolean;

const to = (next: string | undefined) => (next === undefined ? {} : { transitions: { default: next } });
const task = (stepId: string, next?: string, more: object = {}): Step =>
  ({ stepId, type: "TASK", taskId: "work", ...to(next), ...more }) as Step;
const wait = (stepId: string, eventPattern: string, next?: string, more: object = {}): Step =>
  ({ stepId, type: "EVENT_WAIT", eventPattern, ...to(next), ...more }) as Step;
const quickRetry = { retryPolicy: { maxAttempts: 4, initialInterval: 200, maxInterval: 5_000 } };

const own = { eventCondition: "event.payload.order == input.n" };
const isOwn: Takes = ({ payload }, { n }) => payload.order === n;
const named =
  (name: string, more: Takes = () => true): Takes =>
  (event, input, path) =>
    event.pattern === name && more(event, input, path);

export const eventShapes: Readonly<Record<string, Shape>> = {
  paid: { steps: [task("a", "w", quickRetry), wait("w", "orders.paid", "b", own), task("b")] },
  prompt: { steps: [wait("w", "orders.paid", undefined, own)] },
  plain: { steps: [wait("w", "ticks.a", "b"), task("b")] },
  wild: { steps: [wait("w", "things.>", undefined, { eventCondition: "event.payload.n > 4" })] },
  tokens: { steps: [task("a", "w", quickRetry), wait("w", "things.*.made", "b", own), task("b")] },
  rounds: {
    steps: [
      wait("w", "ticks.*", "d", { outputMapping: { rounds: "has(variables.rounds) ? variables.rounds + 1 : 1" } }),
      {
        stepId: "d",
        type: "DECISION",
        transitions: { conditions: [{ condition: "variables.rounds < 4", nextStep: "w" }], default: "end" },
      },
      task("end"),
    ],
  },
  both: {
    steps: [
      {
        stepId: "both",
        type: "PARALLEL",
        branches: [
          { branchId: "1", steps: [wait("paid", "orders.paid", undefined, own)] },
          { branchId: "2", steps: [task("x", "any", quickRetry), wait("any", "orders.*", undefined, own)] },
          { branchId: "3", steps: [wait("now", "orders.shipped", undefined, { ...own, lookBack: 0 })] },
        ],
        transitions: { default: "end" },
      },
      task("end"),
    ],
  },
  /** The first that comes ends it, and the others are taken back. */
  first: {
    steps: [
      {
        stepId: "first",
        type: "PARALLEL",
        join: "any",
        branches: [
          { branchId: "1", steps: [wait("paid", "orders.paid", undefined, own)] },
          { branchId: "2", steps: [wait("shipped", "orders.shipped", undefined, own)] },
          { branchId: "3", steps: [wait("tick", "ticks.b")] },
        ],
        transitions: { default: "end" },
      },
      task("end"),
    ],
  },
  items: {
    steps: [
      {
        stepId: "items",
        type: "MAP",
        items: "[0, 1, 2]",
        maxConcurrency: 2,
        steps: [wait("w", "orders.paid", "v", { eventCondition: "event.payload.order == item" }), task("v")],
      },
    ],
  },
  recent: {
    steps: [
      { stepId: "d", type: "DELAY", delay: 1_500, ...to("w") },
      wait("w", "orders.paid", "b", { ...own, lookBack: 3_000 }),
      task("b"),
    ],
  },
  timed: {
    steps: [
      task("a", "w", quickRetry),
      wait("w", "orders.paid", "b", { ...own, eventTimeout: { duration: 4_000, timeoutHandlerStepId: "late" } }),
      task("b"),
      task("late"),
    ],
  },
  droppable: {
    cancellationTriggers: [
      { eventPattern: "orders.dropped", eventCondition: own.eventCondition },
      { eventPattern: "things.blue.*", shouldCompensate: false },
    ],
    steps: [task("a", "w", quickRetry), wait("w", "orders.paid", "b", own), task("b")],
    compensationSteps: [{ stepId: "undo", compensationFor: "a", type: "TASK", taskId: "work" }],
  },
  /** Fails and begins again, with triggers of its own each time. */
  persistent: {
    retryPolicy: { maxAttempts: 3, initialInterval: 500 },
    cancellationTriggers: [{ eventPattern: "orders.dropped", eventCondition: own.eventCondition }],
    steps: [wait("w", "ticks.*", "f"), task("f", undefined, { taskId: "flaky", retryPolicy: { maxAttempts: 1 } })],
  },
  /** Started by an event, and waits for another one like it. */
  answered: {
    steps: [wait("w", "orders.paid", "b", { ...own, lookBack: 60_000 }), task("b")],
  },
  noted: { steps: [task("a")] },
};

const takes: Readonly<Record<string, Takes>> = {
  "paid w": named("orders.paid", isOwn),
  "prompt w": named("orders.paid", isOwn),
  "plain w": named("ticks.a"),
  "wild w": ({ pattern, payload }) => pattern.startsWith("things.") && payload.n > 4,
  "tokens w": (event, input, path) => /^things\.\w+\.made$/.test(event.pattern) && isOwn(event, input, path),
  "rounds w": ({ pattern }) => /^ticks\.\w+$/.test(pattern),
  "both paid": named("orders.paid", isOwn),
  "both any": (event, input, path) => event.pattern.startsWith("orders.") && isOwn(event, input, path),
  "both now": named("orders.shipped", isOwn),
  "first paid": named("orders.paid", isOwn),
  "first shipped": named("orders.shipped", isOwn),
  "first tick": named("ticks.b"),
  "items w": named("orders.paid", ({ payload }, _input, path) =>
    path.replace(/^items(#\d+)?/, "items").startsWith(`items/${payload.order}/`),
  ),
  "recent w": named("orders.paid", isOwn),
  "timed w": named("orders.paid", isOwn),
  "droppable w": named("orders.paid", isOwn),
  "droppable ~cancel/0": named("orders.dropped", isOwn),
  "droppable ~cancel/1": ({ pattern }) => /^things\.blue\.\w+$/.test(pattern),
  "persistent w": ({ pattern }) => /^ticks\.\w+$/.test(pattern),
  "persistent ~cancel/0": named("orders.dropped", isOwn),
  "answered w": named("orders.paid", isOwn),
  // A wait of the other shapes that is for everything.
  "hurried w": ({ payload }) => payload.n > 2,
};

/** Whether a wait takes such an event, as its definition says in words of its own. */
export function takesEvent(
  workflowId: string,
  { path, stepId }: { path: string; stepId: string },
  event: DrawnEvent,
  input: Json,
): boolean {
  const name = path.startsWith("~cancel/") ? path.replace(/#.*/, "") : stepId;
  return takes[`${workflowId} ${name}`]?.(event, input as { n: number }, path) ?? false;
}

export const eventNames = [
  ...["orders.paid", "orders.paid", "orders.paid", "orders.shipped", "orders.dropped"],
  ...["ticks.a", "ticks.b", "things.red.made", "things.blue.made", "things.lost", "nobody.asks"],
];
