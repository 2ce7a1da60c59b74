/** Ends that are no success: timeouts, failures with compensation, cancellations. */

import { from, resultOf, shape, taken, undo, work } from "./shape.ts";

export const deadline = shape(
  "deadline",
  1,
  {
    timeout: 1_500,
    steps: [
      work("a", "pause", taken),
      { stepId: "pause", type: "DELAY", delay: 3_600_000, transitions: { default: "b" } },
      work("b", undefined, from("a")),
    ],
    compensationSteps: [undo("undo-a", "a")],
  },
  () => ({ input: { n: 1, ms: 5 }, followUps: [], ends: ["FAILED"], errorCode: "WORKFLOW_TIMEOUT" }),
);

/** The third step fails; of the two compensations one fails too, and the other still runs. */
export const compensation = shape(
  "compensation",
  2,
  {
    steps: [
      work("reserve", "charge", taken),
      work("charge", "ship", taken),
      work("ship", undefined, { value: 0, ms: 5, refuse: "OUT_OF_STOCK" }),
    ],
    compensationSteps: [
      undo("release", "reserve"),
      undo("refund", "charge", { value: 0, ms: 5, refuse: "BANK_CLOSED" }),
    ],
  },
  (random) => ({
    input: { n: 1, ms: random.between(0, 200) },
    followUps: [],
    ends: ["FAILED"],
    errorCode: "OUT_OF_STOCK",
  }),
);

/** Cancelled at any time; it may have ended before. */
export const cancelled = shape(
  "cancelled",
  3,
  {
    steps: [
      work("a", "b", taken),
      work("b", "pause", taken),
      { stepId: "pause", type: "DELAY", delay: 500, transitions: { default: "c" } },
      work("c", undefined, taken),
    ],
    compensationSteps: [undo("undo-a", "a"), undo("undo-b", "b", { value: 0, ms: 300 })],
    output: resultOf("c"),
  },
  (random) => {
    const act = { kind: "cancel" as const, compensate: random.chance(0.7) };
    const ms = random.between(10, 1_200);
    return {
      input: { n: 1, ms },
      followUps: [{ afterMs: random.between(0, 2_500), act }],
      ends: ["COMPLETED", "CANCELLED"],
      outputs: [{ value: 2 }],
    };
  },
);

/** Nothing but a cancel ends it: a cancel that was accepted and lost would be seen. */
export const endless = shape(
  "endless",
  1,
  {
    steps: [
      work("a", "never", taken),
      { stepId: "never", type: "EVENT_WAIT", eventPattern: "hell.frozen", transitions: { default: "b" } },
      work("b", undefined, taken),
    ],
  },
  (random) => ({
    input: { n: 1, ms: random.between(0, 300) },
    followUps: [{ afterMs: random.between(0, 4_000), act: { kind: "cancel", compensate: false } }],
    ends: ["CANCELLED"],
  }),
);
