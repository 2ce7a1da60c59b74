/** What callers do to instances that are under way or have failed, limits, and workflows that begin again by themselves. */

import { from, type Rest, resultOf, shape, taken, undo, work } from "./shape.ts";

/** Two of a group at once, whoever is killed meanwhile. */
export const limited = shape(
  "limited",
  3,
  {
    concurrency: [{ limit: 6 }, { limit: 2, key: "input.group" }],
    steps: [work("a", "b", taken), work("b", undefined, from("a"))],
    output: resultOf("b"),
  },
  (random) => {
    const n = random.between(0, 1_000);
    const priority = random.between(1, 10);
    return {
      input: { n, ms: random.between(50, 250), group: random.pick(["x", "y", "z"]) },
      followUps: random.chance(0.3) ? [{ afterMs: random.between(0, 500), act: { kind: "priority", priority } }] : [],
      ends: ["COMPLETED"],
      outputs: [{ value: n + 2 }],
    };
  },
);

export const paused = shape(
  "paused",
  3,
  {
    steps: [
      work("a", "fan", taken),
      {
        stepId: "fan",
        type: "PARALLEL",
        branches: [
          {
            branchId: "l",
            steps: [
              { stepId: "pause", type: "DELAY", delay: 500, transitions: { default: "b" } },
              work("b", undefined, from("a")),
            ],
          },
          { branchId: "r", steps: [work("c", "d", from("a")), work("d", undefined, from("c"))] },
        ],
        transitions: { default: "e" },
      },
      work("e", undefined, { value: "${steps.fan.output.l.value + steps.fan.output.r.value}", ms: 5 }),
    ],
    output: resultOf("e"),
  },
  (random) => {
    const n = random.between(0, 1_000);
    const pausedAt = random.between(0, 1_500);
    const resumedAt = pausedAt + random.between(100, 4_000);
    return {
      input: { n, ms: random.between(0, 500) },
      followUps: [
        { afterMs: pausedAt, act: { kind: "pause" }, twice: random.chance(0.3) },
        { afterMs: resumedAt, act: { kind: "resume" } },
      ],
      ends: ["COMPLETED"],
      outputs: [{ value: n + 2 + (n + 3) + 1 }],
    };
  },
);

/** Fails at its first visit; whoever tries it again has what the other branch had done. */
export const fixable = shape(
  "fixable",
  3,
  {
    steps: [
      {
        stepId: "fan",
        type: "PARALLEL",
        branches: [
          { branchId: "good", steps: [work("a", undefined, taken)] },
          {
            branchId: "bad",
            steps: [
              work("b", "c", taken),
              work("c", undefined, { value: "${steps.b.output.value}", ms: 5, refuseVisits: 1 }),
            ],
          },
        ],
        transitions: { default: "end" },
      },
      work("end", undefined, { value: "${steps.fan.output.good.value + steps.fan.output.bad.value}", ms: 5 }),
    ],
    output: resultOf("end"),
  },
  (random) => {
    const n = random.between(0, 1_000);
    return {
      input: { n, ms: random.between(0, 300) },
      followUps: [{ afterMs: random.between(500, 4_000), act: { kind: "retry" }, twice: random.chance(0.3) }],
      ends: ["COMPLETED", "FAILED"],
      outputs: [{ value: n + 1 + (n + 2) + 1 }],
      errorCode: "NOT_YET",
    };
  },
);

const inTurn: Rest = {
  steps: [work("a", "b", taken), work("b", "c", from("a")), work("c", undefined, from("b"))],
  output: resultOf("c"),
};

/** Begins again at its second step, perhaps while it is under way; the new one gives the same. */
export const restarted = shape("restarted", 3, inTurn, (random) => {
  const n = random.between(0, 1_000);
  const fromStepId = random.pick(["a", "b", "c"]);
  return {
    input: { n, ms: random.between(0, 300) },
    followUps: [{ afterMs: random.between(300, 3_000), act: { kind: "restart", fromStepId } }],
    ends: ["COMPLETED"],
    outputs: [{ value: n + 3 }],
  };
});

/** Goes on with a version that has a step more. */
export const migrated = shape(
  "migrated",
  3,
  {
    ...inTurn,
    next: {
      steps: [...inTurn.steps.slice(0, 2), work("c", "d", from("b")), work("d", undefined, from("c"))],
      output: resultOf("d"),
    },
  },
  (random) => {
    const n = random.between(0, 1_000);
    return {
      input: { n, ms: random.between(50, 800) },
      followUps: [{ afterMs: random.between(0, 1_500), act: { kind: "migrate" }, twice: random.chance(0.3) }],
      ends: ["COMPLETED"],
      outputs: [{ value: n + 3 }, { value: n + 4 }],
    };
  },
);

/** Only a skip brings it past its delay. */
export const skipped = shape(
  "skipped",
  2,
  {
    steps: [
      work("a", "sleep", taken),
      { stepId: "sleep", type: "DELAY", delay: 3_600_000, transitions: { default: "b" } },
      work("b", undefined, from("a")),
    ],
    output: resultOf("b"),
  },
  (random) => {
    const n = random.between(0, 1_000);
    return {
      input: { n, ms: random.between(0, 300) },
      followUps: [{ afterMs: random.between(0, 2_500), act: { kind: "skip", stepId: "sleep" } }],
      ends: ["COMPLETED"],
      outputs: [{ value: n + 2 }],
    };
  },
);

/** The whole workflow is tried twice, and each time undone. */
export const again = shape(
  "again",
  2,
  {
    retryPolicy: { maxAttempts: 2, initialInterval: 300, retryableErrors: ["OUT_OF_STOCK"] },
    variables: { runs: { type: "integer", default: 0 } },
    steps: [
      work("a", "b", taken, { outputMapping: { runs: "variables.runs + 1" } }),
      work("b", undefined, { value: 0, ms: 5, refuse: "OUT_OF_STOCK" }),
    ],
    compensationSteps: [undo("undo-a", "a")],
  },
  (random) => ({
    input: { n: 1, ms: random.between(0, 200) },
    followUps: [],
    ends: ["FAILED"],
    errorCode: "OUT_OF_STOCK",
  }),
);

/** A signal cancels it, wherever it stands. */
export const stopped = shape(
  "stopped",
  1,
  {
    cancellationTriggers: [{ eventPattern: "stop.*", eventCondition: "payload.now == true" }],
    steps: [work("a", "never", taken), { stepId: "never", type: "EVENT_WAIT", eventPattern: "hell.frozen" }],
    compensationSteps: [undo("undo-a", "a")],
  },
  (random) => ({
    input: { n: 1, ms: random.between(0, 300) },
    followUps: [
      {
        afterMs: random.between(0, 2_500),
        act: { kind: "signal", type: "stop.now", payload: { now: true }, key: "stop" },
      },
    ],
    ends: ["CANCELLED"],
  }),
);
