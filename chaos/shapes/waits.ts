/** Waits, the signals that callers send, and the events that they publish. */

import { resultOf, shape, taken, work } from "./shape.ts";

/** The signal comes before the wait begins (the first step lasts), or some time after. */
export const signal = shape(
  "signal",
  3,
  {
    steps: [
      work("a", "paid", taken),
      {
        stepId: "paid",
        type: "EVENT_WAIT",
        eventPattern: "payment.*",
        eventPayloadMapping: { amount: "payload.amount" },
        transitions: { default: "b" },
      },
      work("b", undefined, { value: "${variables.amount}", ms: 5 }),
    ],
    output: resultOf("b"),
  },
  (random) => {
    const amount = random.between(1, 1_000);
    const signal = { kind: "signal" as const, type: "payment.received", payload: { amount } };
    const keyed = random.chance(0.5);
    const followUp = {
      afterMs: random.between(0, 3_000),
      act: keyed ? { ...signal, key: "payment" } : signal,
      twice: keyed && random.chance(0.5),
    };
    return {
      input: { n: 1, ms: random.between(0, 400) },
      followUps: [followUp],
      ends: ["COMPLETED"],
      outputs: [{ value: amount + 1 }],
    };
  },
);

/** Signal and timeout race; either may win, and only one. */
export const timeout = shape(
  "timeout",
  2,
  {
    steps: [
      work("a", "paid", taken),
      {
        stepId: "paid",
        type: "EVENT_WAIT",
        eventPattern: "payment.*",
        eventTimeout: { duration: 1_500, timeoutHandlerStepId: "late" },
        transitions: { default: "thanks" },
      },
      work("thanks", undefined, { value: 1, ms: 5 }),
      work("late", undefined, { value: 10, ms: 5 }),
    ],
  },
  (random) => {
    const act = { kind: "signal" as const, type: "payment.received", payload: {}, key: "payment" };
    const followUps = random.chance(0.6) ? [{ afterMs: random.between(1_000, 2_000), act }] : [];
    return {
      input: { n: 1, ms: 5 },
      followUps,
      ends: ["COMPLETED"],
      outputs: followUps.length === 0 ? [{ value: 11 }] : [{ value: 11 }, { value: 2 }],
    };
  },
);

/** Each of three waits of a loop takes a signal of its own. */
export const collect = shape(
  "collect",
  2,
  {
    variables: { i: { type: "number", default: 0 }, sum: { type: "number", default: 0 } },
    steps: [
      {
        stepId: "item",
        type: "EVENT_WAIT",
        eventPattern: "item.added",
        eventPayloadMapping: { sum: "variables.sum + payload.amount", i: "variables.i + 1" },
        transitions: { default: "count" },
      },
      work("count", "again", { value: "${variables.i}", ms: 5 }),
      {
        stepId: "again",
        type: "DECISION",
        transitions: { conditions: [{ condition: "variables.i < 3", nextStep: "item" }], default: "end" },
      },
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
    return {
      input: {},
      followUps,
      ends: ["COMPLETED"],
      outputs: [{ value: amounts.reduce((sum, amount) => sum + amount, 0) }],
    };
  },
);

/** The event comes before the wait begins, while it does, or some time after; another of its name is for others. */
export const event = shape(
  "event",
  5,
  {
    steps: [
      work("a", "paid", taken),
      {
        stepId: "paid",
        type: "EVENT_WAIT",
        eventPattern: "order.paid",
        eventCondition: "event.payload.order == input.order",
        eventPayloadMapping: { amount: "payload.amount" },
        transitions: { default: "b" },
      },
      work("b", undefined, { value: "${variables.amount}", ms: 5 }),
    ],
    output: resultOf("b"),
  },
  (random) => {
    const amount = random.between(1, 1_000);
    const order = random.between(1, 2 ** 31);
    const publish = (eventId: string, payload: object) => ({
      ...{ kind: "publish" as const, pattern: "order.paid", eventId },
      payload: payload as { order: number; amount: number },
    });
    return {
      input: { n: 1, ms: random.between(0, 400), order },
      followUps: [
        { afterMs: random.between(0, 800), act: publish("another's", { order: -order, amount: 0 }) },
        {
          afterMs: random.between(0, 3_000),
          act: publish("own", { order, amount }),
          twice: random.chance(0.5),
        },
      ],
      ends: ["COMPLETED"],
      outputs: [{ value: amount + 1 }],
    };
  },
);

/** Each of three waits of a loop takes an event of its own, in the order in which they were accepted or in another. */
export const events = shape(
  "events",
  3,
  {
    variables: { i: { type: "number", default: 0 }, sum: { type: "number", default: 0 } },
    steps: [
      {
        stepId: "item",
        type: "EVENT_WAIT",
        eventPattern: "basket.*",
        eventCondition: "event.payload.order == input.order",
        eventPayloadMapping: { sum: "variables.sum + payload.amount", i: "variables.i + 1" },
        transitions: { default: "again" },
      },
      {
        stepId: "again",
        type: "DECISION",
        transitions: { conditions: [{ condition: "variables.i < 3", nextStep: "item" }], default: "end" },
      },
      work("end", undefined, { value: "${variables.sum}", ms: 1 }),
    ],
    output: { value: "${variables.sum}" },
  },
  (random) => {
    const order = random.between(1, 2 ** 31);
    const amounts = [random.between(1, 9), random.between(10, 90), random.between(100, 900)];
    const followUps = amounts.map((amount) => ({
      afterMs: random.between(0, 2_500),
      act: { kind: "publish" as const, pattern: "basket.added", eventId: `item ${amount}`, payload: { order, amount } },
      twice: random.chance(0.4),
    }));
    const sum = amounts.reduce((all, amount) => all + amount, 0);
    return { input: { order }, followUps, ends: ["COMPLETED"], outputs: [{ value: sum }] };
  },
);
