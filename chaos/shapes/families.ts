/** Workflows of workflows: children that give, fail, are cancelled, and have children of their own. */

import { child, from, resultOf, shape, work } from "./shape.ts";

const given = { n: "${input.n}", ms: "${input.ms}" };

export const parent = shape(
  "parent",
  3,
  {
    steps: [
      child("free", "bound", { workflowId: "three", input: given, detach: true }),
      child("bound", "last", { workflowId: "three", input: given }),
      work("last", undefined, from("bound")),
    ],
    output: resultOf("last"),
  },
  (random) => {
    const n = random.between(0, 1_000);
    const input = { n, ms: random.between(0, 200) };
    return { input, followUps: [], ends: ["COMPLETED"], outputs: [{ value: n + 4 }] };
  },
);

/** Children of children, two at a time. */
export const household = shape(
  "household",
  2,
  {
    steps: [
      {
        stepId: "each",
        type: "MAP",
        items: "[0, 1, 2]",
        maxConcurrency: 2,
        steps: [child("k", undefined, { workflowId: "parent", input: { n: "${input.n + item}", ms: "${input.ms}" } })],
      },
    ],
    output: "steps.each.output",
  },
  (random) => {
    const n = random.between(0, 1_000);
    const outputs = [[0, 1, 2].map((item) => ({ value: n + item + 4 }))];
    return { input: { n, ms: random.between(0, 60) }, followUps: [], ends: ["COMPLETED"], outputs };
  },
);

/** Its child would never end; the caller's cancel reaches it. */
export const forsaken = shape(
  "forsaken",
  2,
  {
    steps: [
      work("a", "k", { value: 1, ms: "${input.ms}" }),
      child("k", undefined, { workflowId: "endless", input: given }),
    ],
  },
  (random) => ({
    input: { n: 1, ms: random.between(0, 300) },
    followUps: [{ afterMs: random.between(0, 3_000), act: { kind: "cancel", compensate: true } }],
    ends: ["CANCELLED"],
  }),
);

/** The child fails each time; the handler of the failure says with what. */
export const comforted = shape(
  "comforted",
  2,
  {
    steps: [
      child("k", undefined, {
        workflowId: "compensation",
        input: given,
        retryPolicy: { maxAttempts: 2, initialInterval: 100, retryableErrors: ["OUT_OF_STOCK"] },
        onFailure: { conditions: [{ condition: 'error.code == "OUT_OF_STOCK"', nextStep: "sorry" }] },
      }),
      work("sorry", undefined, { value: "${size(error.code)}", ms: 5 }),
    ],
    output: resultOf("sorry"),
  },
  (random) => ({
    input: { n: 1, ms: random.between(0, 60) },
    followUps: [],
    ends: ["COMPLETED"],
    outputs: [{ value: "OUT_OF_STOCK".length + 1 }],
  }),
);

/** The child takes longer than it may, and is cancelled. */
export const impatient = shape(
  "impatient",
  1,
  { steps: [child("k", undefined, { workflowId: "endless", input: given, timeout: 1_000 })] },
  (random) => ({
    input: { n: 1, ms: random.between(0, 60) },
    followUps: [],
    ends: ["FAILED"],
    errorCode: "TIMEOUT",
  }),
);
