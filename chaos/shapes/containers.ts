/** Branches and items: inside each other, with steps that fail, wait, and are left behind. */

import { from, resultOf, shape, taken, undo, value, work } from "./shape.ts";

export const fan = shape(
  "fan",
  3,
  {
    steps: [
      work("first", "fan", taken),
      {
        stepId: "fan",
        type: "PARALLEL",
        branches: [
          { branchId: "left", steps: [work("a", "b", from("first")), work("b", undefined, from("a"))] },
          {
            branchId: "right",
            steps: [work("flaky", undefined, { value: "${input.n}", ms: 5, failures: "${input.failures}" })],
          },
          {
            branchId: "wait",
            steps: [
              {
                stepId: "paid",
                type: "EVENT_WAIT",
                eventPattern: "payment.*",
                eventPayloadMapping: { amount: "payload.amount" },
                transitions: { default: "c" },
              },
              work("c", undefined, { value: "${variables.amount}", ms: 5 }),
            ],
          },
        ],
        transitions: { default: "last" },
      },
      work("last", undefined, {
        value: "${steps.fan.output.left.value + steps.fan.output.right.value + steps.fan.output.wait.value}",
        ms: 5,
      }),
    ],
    output: resultOf("last"),
  },
  (random) => {
    const [n, amount] = [random.between(0, 1_000), random.between(1, 1_000)];
    const act = { kind: "signal" as const, type: "payment.received", payload: { amount } };
    return {
      input: { n, ms: random.between(0, 400), failures: random.between(0, 2) },
      followUps: [{ afterMs: random.between(0, 3_000), act }],
      ends: ["COMPLETED"],
      outputs: [{ value: n + 3 + (n + 1) + (amount + 1) + 1 }],
    };
  },
);

/** The branch that comes first counts; what the others are at is cancelled. */
export const race = shape(
  "race",
  2,
  {
    steps: [
      {
        stepId: "race",
        type: "PARALLEL",
        join: "any",
        branches: [
          { branchId: "never", steps: [{ stepId: "never", type: "EVENT_WAIT", eventPattern: "hell.frozen" }] },
          { branchId: "late", steps: [{ stepId: "late", type: "DELAY", delay: 3_600_000 }] },
          { branchId: "work", steps: [work("a", "b", taken), work("b", undefined, from("a"))] },
        ],
      },
    ],
    output: "steps.race.output",
  },
  (random) => {
    const n = random.between(0, 1_000);
    const input = { n, ms: random.between(0, 600) };
    return { input, followUps: [], ends: ["COMPLETED"], outputs: [{ work: { value: n + 2 } }] };
  },
);

/** Two of three are enough; the third goes on, and the instance ends when it has. */
export const quorum = shape(
  "quorum",
  2,
  {
    steps: [
      {
        stepId: "quorum",
        type: "PARALLEL",
        join: 2,
        rest: "leave",
        branches: [
          { branchId: "a", steps: [work("a", undefined, taken)] },
          { branchId: "b", steps: [work("b", undefined, taken)] },
          {
            branchId: "c",
            steps: [
              { stepId: "pause", type: "DELAY", delay: 2_500, transitions: { default: "c" } },
              work("c", undefined, taken),
            ],
          },
        ],
        transitions: { default: "end" },
      },
      value("end", undefined, "size(steps.quorum.output)"),
    ],
    output: "steps.end.output",
  },
  (random) => {
    const input = { n: 1, ms: random.between(0, 300) };
    return { input, followUps: [], ends: ["COMPLETED"], outputs: [2] };
  },
);

/** Some items fail however often they are tried, and that is tolerated. */
export const each = shape(
  "each",
  3,
  {
    steps: [
      {
        stepId: "each",
        type: "MAP",
        items: "input.list",
        maxConcurrency: 3,
        toleratedFailures: "50%",
        steps: [
          work(
            "a",
            "pause",
            { value: "${item}", ms: "${input.ms}", failures: "${item % 4 == 0 ? 99 : 0}" },
            {
              retryPolicy: { maxAttempts: 2, initialInterval: 50 },
            },
          ),
          { stepId: "pause", type: "DELAY", delay: 100, transitions: { default: "b" } },
          work("b", undefined, { value: "${steps.a.output.value + index}", ms: 5 }),
        ],
      },
    ],
    output: "steps.each.output",
  },
  (random) => {
    const first = random.between(1, 1_000);
    const list = Array.from({ length: random.between(0, 12) }, (_, index) => first + index);
    const tolerated = Math.floor(list.length / 2);
    const failing = list.filter((item) => item % 4 === 0).length;
    const outputs = [list.map((item, index) => (item % 4 === 0 ? null : { value: item + 1 + index + 1 }))];
    const input = { list, ms: random.between(0, 120) };
    // One item more than half may fail only where the list is short.
    return failing > tolerated
      ? { input, followUps: [], ends: ["FAILED"], errorCode: tolerated === 0 ? "FLAKY" : "TOLERANCE_EXCEEDED" }
      : { input, followUps: [], ends: ["COMPLETED"], outputs };
  },
);

/** So many items that what they give is gathered from the journal. */
export const many = shape(
  "many",
  0.4,
  {
    steps: [
      work("a", "each", { value: "${size(input.list)}", ms: 5 }),
      {
        stepId: "each",
        type: "MAP",
        items: "input.list",
        maxConcurrency: 100,
        steps: [value("item", undefined, "item * 2")],
        transitions: { default: "b" },
      },
      work("b", undefined, { value: "${steps.each.output[1100] + size(steps.each.output)}", ms: 5 }),
    ],
    output: resultOf("b"),
  },
  (random) => {
    const n = random.between(0, 1_000);
    const list = Array.from({ length: 1_200 }, (_, index) => n + index);
    return { input: { list }, followUps: [], ends: ["COMPLETED"], outputs: [{ value: (n + 1_100) * 2 + 1_200 + 1 }] };
  },
);

/** A failure deep inside ends everything, and what was done in items and branches is undone. */
export const deep = shape(
  "deep",
  2,
  {
    steps: [
      {
        stepId: "outer",
        type: "MAP",
        items: "[1, 2]",
        steps: [
          {
            stepId: "both",
            type: "PARALLEL",
            branches: [
              {
                branchId: "work",
                steps: [work("a", "b", { value: "${item}", ms: "${input.ms}" }), work("b", undefined, from("a"))],
              },
              {
                branchId: "fail",
                steps: [
                  { stepId: "pause", type: "DELAY", delay: 700, transitions: { default: "bad" } },
                  work("bad", undefined, { value: 0, ms: 5, refuse: "BROKEN" }),
                ],
              },
            ],
          },
        ],
      },
    ],
    compensationSteps: [undo("undo-a", "a")],
  },
  (random) => ({
    input: { n: 1, ms: random.between(0, 500) },
    followUps: [],
    ends: ["FAILED"],
    errorCode: "BROKEN",
  }),
);
