/**
 * The workflows that a chaos run starts: every kind of step and of ending, and for each what must come out.
 *
 * Handlers give the same output however often they run, so what an instance ends with is known before it starts,
 * whoever was killed meanwhile.
 */

import type { CompensationStep, Definition, Json, Step } from "../src/engine/index.ts";
import type { Random } from "../src/engine/simulation/random.ts";

/** What a caller does to an instance after its start. Times are after the start's answer. */
export interface FollowUp {
  afterMs: number;
  act: { kind: "signal"; type: string; payload: Json; key?: string } | { kind: "cancel"; compensate: boolean };
  /** Sent twice, to two nodes. */
  twice?: boolean;
}

export interface Case {
  input: Json;
  followUps: FollowUp[];
  /** Statuses that the instance may end with. */
  ends: ("COMPLETED" | "FAILED" | "CANCELLED")[];
  /** One of these is the output of an instance that ended as COMPLETED. Compared as JSON. */
  outputs?: Json[];
  /** The code of the error of an instance that ended as FAILED. */
  errorCode?: string;
  /** Sent with an idempotency key, twice, to two nodes at once. */
  keyed?: boolean;
}

export interface Shape {
  definitionId: string;
  definition: Definition;
  /** How often it is chosen, beside the others. */
  weight: number;
  /** Draws one case. Draws the same numbers in the same order for the same seed. */
  draw(random: Random): Case;
}

const retryPolicy = { maxAttempts: 4, initialInterval: 150, backoffMultiplier: 2, maxInterval: 1_000 };

function work(stepId: string, next: string | undefined, input: Json, more: Partial<Extract<Step, { type: "TASK" }>> = {}): Step {
  return { stepId, type: "TASK", taskId: "work", input, retryPolicy, ...(next === undefined ? {} : { transitions: { default: next } }), ...more };
}

function undo(stepId: string, compensationFor: string, input: Json = { value: 0, ms: 5 }): CompensationStep {
  return { stepId, compensationFor, type: "TASK", taskId: "work", input, retryPolicy: { maxAttempts: 1 } };
}

const taken = { value: "${input.n}", ms: "${input.ms}" };
const from = (stepId: string) => ({ value: `\${steps.${stepId}.output.value}`, ms: "${input.ms}" });
const valueOf = (stepId: string) => ({ value: `\${steps.${stepId}.output.value}` });

const shapes: Shape[] = [];

function shape(workflowId: string, weight: number, rest: Omit<Definition, "workflowId" | "name" | "version">, draw: Shape["draw"]): void {
  const definition = { workflowId, name: workflowId, version: "1.0.0", ...rest };
  const number = String(shapes.length + 1).padStart(12, "0");
  shapes.push({ definitionId: `018f0000-0000-7000-8000-${number}`, weight, definition, draw });
}

const three: Step[] = [work("a", "b", taken), work("b", "c", from("a")), work("c", undefined, from("b"))];

shape("three", 5, { steps: three, output: valueOf("c") }, (random) => {
  const n = random.between(0, 1_000);
  return { input: { n, ms: random.between(0, 60) }, followUps: [], ends: ["COMPLETED"], outputs: [{ value: n + 3 }] };
});

shape("keyed", 4, { steps: three, output: valueOf("c") }, (random) => {
  const n = random.between(0, 1_000);
  return { input: { n, ms: random.between(0, 60) }, followUps: [], ends: ["COMPLETED"], outputs: [{ value: n + 3 }], keyed: true };
});

shape(
  "decision",
  2,
  {
    steps: [
      work("a", "d", taken),
      { stepId: "d", type: "DECISION", transitions: { conditions: [{ condition: "steps.a.output.value % 2 == 0", nextStep: "even" }], default: "odd" } },
      work("even", undefined, { value: 100, ms: "${input.ms}" }),
      work("odd", undefined, { value: 200, ms: "${input.ms}" }),
    ],
    output: { even: "${has(steps.even)}", value: "${has(steps.even) ? steps.even.output.value : steps.odd.output.value}" },
  },
  (random) => {
    const n = random.between(0, 1_000);
    const even = (n + 1) % 2 === 0;
    return { input: { n, ms: random.between(0, 40) }, followUps: [], ends: ["COMPLETED"], outputs: [{ even, value: even ? 101 : 201 }] };
  },
);

shape(
  "loop",
  2,
  {
    variables: { i: { type: "number", default: 0 } },
    steps: [
      work("round", "again", { value: "${variables.i}", ms: "${input.ms}" }, { outputMapping: { i: "output.value" } }),
      { stepId: "again", type: "DECISION", transitions: { conditions: [{ condition: "variables.i < input.rounds", nextStep: "round" }], default: "end" } },
      work("end", undefined, { value: "${variables.i}", ms: 1 }),
    ],
    output: { value: "${variables.i}" },
  },
  (random) => {
    const rounds = random.between(3, 25);
    return { input: { rounds, ms: random.between(0, 20) }, followUps: [], ends: ["COMPLETED"], outputs: [{ value: rounds }] };
  },
);

shape(
  "retry",
  2,
  { steps: [work("a", "flaky", taken), work("flaky", undefined, { value: "${steps.a.output.value}", ms: 5, failures: "${input.failures}" })], output: valueOf("flaky") },
  (random) => {
    const n = random.between(0, 1_000);
    const failures = random.between(1, 3);
    return { input: { n, ms: 5, failures }, followUps: [], ends: ["COMPLETED"], outputs: [{ value: n + 2 }] };
  },
);

shape("exhausted", 1, { steps: [work("a", undefined, { value: 1, ms: 2, failures: 99 })] }, () => ({
  input: {},
  followUps: [],
  ends: ["FAILED"],
  errorCode: "FLAKY",
}));

shape(
  "delay",
  2,
  { steps: [work("a", "pause", taken), { stepId: "pause", type: "DELAY", delay: "input.delayMs", transitions: { default: "b" } }, work("b", undefined, from("a"))], output: valueOf("b") },
  (random) => {
    const n = random.between(0, 1_000);
    const delayMs = random.between(50, 4_000);
    return { input: { n, ms: 5, delayMs }, followUps: [], ends: ["COMPLETED"], outputs: [{ value: n + 2 }] };
  },
);

shape("long", 3, { steps: [work("a", "b", taken), work("b", undefined, from("a"))], output: valueOf("b") }, (random) => {
  const n = random.between(0, 1_000);
  return { input: { n, ms: random.between(1_100, 2_600) }, followUps: [], ends: ["COMPLETED"], outputs: [{ value: n + 2 }] };
});

/** The signal comes before the wait begins (the first step lasts), or some time after. */
shape(
  "signal",
  3,
  {
    steps: [
      work("a", "paid", taken),
      { stepId: "paid", type: "EVENT_WAIT", eventPattern: "payment.*", eventPayloadMapping: { amount: "payload.amount" }, transitions: { default: "b" } },
      work("b", undefined, { value: "${variables.amount}", ms: 5 }),
    ],
    output: valueOf("b"),
  },
  (random) => {
    const amount = random.between(1, 1_000);
    const signal = { kind: "signal" as const, type: "payment.received", payload: { amount } };
    const keyed = random.chance(0.5);
    const followUp = { afterMs: random.between(0, 3_000), act: keyed ? { ...signal, key: "payment" } : signal, twice: keyed && random.chance(0.5) };
    return { input: { n: 1, ms: random.between(0, 400) }, followUps: [followUp], ends: ["COMPLETED"], outputs: [{ value: amount + 1 }] };
  },
);

/** Signal and timeout race; either may win, and only one. */
shape(
  "timeout",
  2,
  {
    steps: [
      work("a", "paid", taken),
      { stepId: "paid", type: "EVENT_WAIT", eventPattern: "payment.*", eventTimeout: { duration: 1_500, timeoutHandlerStepId: "late" }, transitions: { default: "thanks" } },
      work("thanks", undefined, { value: 1, ms: 5 }),
      work("late", undefined, { value: 10, ms: 5 }),
    ],
  },
  (random) => {
    const act = { kind: "signal" as const, type: "payment.received", payload: {}, key: "payment" };
    const followUps = random.chance(0.6) ? [{ afterMs: random.between(1_000, 2_000), act }] : [];
    return { input: { n: 1, ms: 5 }, followUps, ends: ["COMPLETED"], outputs: followUps.length === 0 ? [{ value: 11 }] : [{ value: 11 }, { value: 2 }] };
  },
);

/** Each of three waits of a loop takes a signal of its own. */
shape(
  "collect",
  2,
  {
    variables: { i: { type: "number", default: 0 }, sum: { type: "number", default: 0 } },
    steps: [
      { stepId: "item", type: "EVENT_WAIT", eventPattern: "item.added", eventPayloadMapping: { sum: "variables.sum + payload.amount", i: "variables.i + 1" }, transitions: { default: "count" } },
      work("count", "again", { value: "${variables.i}", ms: 5 }),
      { stepId: "again", type: "DECISION", transitions: { conditions: [{ condition: "variables.i < 3", nextStep: "item" }], default: "end" } },
      work("end", undefined, { value: "${variables.sum}", ms: 1 }),
    ],
    output: { value: "${variables.sum}" },
  },
  (random) => {
    const amounts = [random.between(1, 9), random.between(10, 90), random.between(100, 900)];
    const followUps = amounts.map((amount) => ({
      afterMs: random.between(0, 2_500),
      act: { kind: "signal" as const, type: "item.added", payload: { amount }, key: `item ${amount}` },
      twice: random.chance(0.4),
    }));
    return { input: {}, followUps, ends: ["COMPLETED"], outputs: [{ value: amounts.reduce((sum, amount) => sum + amount, 0) }] };
  },
);

shape(
  "deadline",
  1,
  {
    timeout: 1_500,
    steps: [work("a", "pause", taken), { stepId: "pause", type: "DELAY", delay: 3_600_000, transitions: { default: "b" } }, work("b", undefined, from("a"))],
    compensationSteps: [undo("undo-a", "a")],
  },
  () => ({ input: { n: 1, ms: 5 }, followUps: [], ends: ["FAILED"], errorCode: "WORKFLOW_TIMEOUT" }),
);

/** The third step fails; of the two compensations one fails too, and the other still runs. */
shape(
  "compensation",
  2,
  {
    steps: [work("reserve", "charge", taken), work("charge", "ship", taken), work("ship", undefined, { value: 0, ms: 5, refuse: "OUT_OF_STOCK" })],
    compensationSteps: [undo("release", "reserve"), undo("refund", "charge", { value: 0, ms: 5, refuse: "BANK_CLOSED" })],
  },
  (random) => ({ input: { n: 1, ms: random.between(0, 200) }, followUps: [], ends: ["FAILED"], errorCode: "OUT_OF_STOCK" }),
);

/** Cancelled at any time; it may have ended before. */
shape(
  "cancelled",
  3,
  {
    steps: [work("a", "b", taken), work("b", "pause", taken), { stepId: "pause", type: "DELAY", delay: 500, transitions: { default: "c" } }, work("c", undefined, taken)],
    compensationSteps: [undo("undo-a", "a"), undo("undo-b", "b", { value: 0, ms: 300 })],
    output: valueOf("c"),
  },
  (random) => {
    const act = { kind: "cancel" as const, compensate: random.chance(0.7) };
    const ms = random.between(10, 1_200);
    return { input: { n: 1, ms }, followUps: [{ afterMs: random.between(0, 2_500), act }], ends: ["COMPLETED", "CANCELLED"], outputs: [{ value: 2 }] };
  },
);

/** Nothing but a cancel ends it: a cancel that was accepted and lost would be seen. */
shape(
  "endless",
  1,
  { steps: [work("a", "never", taken), { stepId: "never", type: "EVENT_WAIT", eventPattern: "hell.frozen", transitions: { default: "b" } }, work("b", undefined, taken)] },
  (random) => ({
    input: { n: 1, ms: random.between(0, 300) },
    followUps: [{ afterMs: random.between(0, 4_000), act: { kind: "cancel", compensate: false } }],
    ends: ["CANCELLED"],
  }),
);

/** Input and output are stored beside the rows. */
shape(
  "large",
  1,
  {
    steps: [work("a", "b", { value: 1, ms: 5, paddingChars: "${input.paddingChars}" }), work("b", undefined, { value: "${size(steps.a.output.padding) + size(input.padding)}", ms: 5 })],
    output: valueOf("b"),
  },
  (random) => {
    const paddingChars = random.between(70_000, 120_000);
    const padding = "x".repeat(random.chance(0.5) ? random.between(70_000, 90_000) : 10);
    return { input: { paddingChars, padding }, followUps: [], ends: ["COMPLETED"], outputs: [{ value: paddingChars + padding.length + 1 }] };
  },
);

export const allShapes: readonly Shape[] = shapes;

/** By workflowId and by definition id. */
export const shapesByName: ReadonlyMap<string, Shape> = new Map(
  shapes.flatMap((one) => [
    [one.definition.workflowId, one],
    [one.definitionId, one],
  ]),
);

export function drawShape(random: Random): Shape {
  let left = random.next() * shapes.reduce((sum, { weight }) => sum + weight, 0);
  for (const one of shapes) {
    left -= one.weight;
    if (left < 0) return one;
  }
  return shapes[0]!;
}
