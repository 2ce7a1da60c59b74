/** Tasks, decisions, loops and delays. */

import type { Step } from "../../src/engine/index.ts";
import { from, resultOf, shape, taken, work } from "./shape.ts";

const inTurn: Step[] = [work("a", "b", taken), work("b", "c", from("a")), work("c", undefined, from("b"))];

export const three = shape("three", 5, { steps: inTurn, output: resultOf("c") }, (random) => {
  const n = random.between(0, 1_000);
  return { input: { n, ms: random.between(0, 60) }, followUps: [], ends: ["COMPLETED"], outputs: [{ value: n + 3 }] };
});

export const keyed = shape("keyed", 4, { steps: inTurn, output: resultOf("c") }, (random) => {
  const n = random.between(0, 1_000);
  return {
    input: { n, ms: random.between(0, 60) },
    followUps: [],
    ends: ["COMPLETED"],
    outputs: [{ value: n + 3 }],
    keyed: true,
  };
});

export const decision = shape(
  "decision",
  2,
  {
    steps: [
      work("a", "d", taken),
      {
        stepId: "d",
        type: "DECISION",
        transitions: { conditions: [{ condition: "steps.a.output.value % 2 == 0", nextStep: "even" }], default: "odd" },
      },
      work("even", undefined, { value: 100, ms: "${input.ms}" }),
      work("odd", undefined, { value: 200, ms: "${input.ms}" }),
    ],
    output: {
      even: "${has(steps.even)}",
      value: "${has(steps.even) ? steps.even.output.value : steps.odd.output.value}",
    },
  },
  (random) => {
    const n = random.between(0, 1_000);
    const even = (n + 1) % 2 === 0;
    return {
      input: { n, ms: random.between(0, 40) },
      followUps: [],
      ends: ["COMPLETED"],
      outputs: [{ even, value: even ? 101 : 201 }],
    };
  },
);

export const loop = shape(
  "loop",
  2,
  {
    variables: { i: { type: "number", default: 0 } },
    steps: [
      work("round", "again", { value: "${variables.i}", ms: "${input.ms}" }, { outputMapping: { i: "output.value" } }),
      {
        stepId: "again",
        type: "DECISION",
        transitions: { conditions: [{ condition: "variables.i < input.rounds", nextStep: "round" }], default: "end" },
      },
      work("end", undefined, { value: "${variables.i}", ms: 1 }),
    ],
    output: { value: "${variables.i}" },
  },
  (random) => {
    const rounds = random.between(3, 25);
    return {
      input: { rounds, ms: random.between(0, 20) },
      followUps: [],
      ends: ["COMPLETED"],
      outputs: [{ value: rounds }],
    };
  },
);

export const retry = shape(
  "retry",
  2,
  {
    steps: [
      work("a", "flaky", taken),
      work("flaky", undefined, { value: "${steps.a.output.value}", ms: 5, failures: "${input.failures}" }),
    ],
    output: resultOf("flaky"),
  },
  (random) => {
    const n = random.between(0, 1_000);
    const failures = random.between(1, 3);
    return { input: { n, ms: 5, failures }, followUps: [], ends: ["COMPLETED"], outputs: [{ value: n + 2 }] };
  },
);

export const exhausted = shape(
  "exhausted",
  1,
  { steps: [work("a", undefined, { value: 1, ms: 2, failures: 99 })] },
  () => ({
    input: {},
    followUps: [],
    ends: ["FAILED"],
    errorCode: "FLAKY",
  }),
);

export const delay = shape(
  "delay",
  2,
  {
    steps: [
      work("a", "pause", taken),
      { stepId: "pause", type: "DELAY", delay: "input.delayMs", transitions: { default: "b" } },
      work("b", undefined, from("a")),
    ],
    output: resultOf("b"),
  },
  (random) => {
    const n = random.between(0, 1_000);
    const delayMs = random.between(50, 4_000);
    return { input: { n, ms: 5, delayMs }, followUps: [], ends: ["COMPLETED"], outputs: [{ value: n + 2 }] };
  },
);

export const long = shape(
  "long",
  3,
  { steps: [work("a", "b", taken), work("b", undefined, from("a"))], output: resultOf("b") },
  (random) => {
    const n = random.between(0, 1_000);
    return {
      input: { n, ms: random.between(1_100, 2_600) },
      followUps: [],
      ends: ["COMPLETED"],
      outputs: [{ value: n + 2 }],
    };
  },
);

/** Input and output are stored beside the rows. */
export const large = shape(
  "large",
  1,
  {
    steps: [
      work("a", "b", { value: 1, ms: 5, paddingChars: "${input.paddingChars}" }),
      work("b", undefined, { value: "${size(steps.a.output.padding) + size(input.padding)}", ms: 5 }),
    ],
    output: resultOf("b"),
  },
  (random) => {
    const paddingChars = random.between(70_000, 120_000);
    const padding = "x".repeat(random.chance(0.5) ? random.between(70_000, 90_000) : 10);
    return {
      input: { paddingChars, padding },
      followUps: [],
      ends: ["COMPLETED"],
      outputs: [{ value: paddingChars + padding.length + 1 }],
    };
  },
);
