import fc from "fast-check";
import { describe, expect, test, vi } from "vitest";
import { AppError } from "../../foundation/errors.ts";
import { silentLogger } from "../../foundation/log.ts";
import { createTally, judge, type Look } from "./admission.ts";
import { createGate } from "./gate.ts";
import {
  configFaults,
  isDue,
  joinedAverage,
  type QueueConfig,
  ratesOf,
  type StoredStatus,
  shownStatus,
} from "./model.ts";

const config: QueueConfig = {
  ...{ maxQueueDepth: 100, highWatermark: 80, batchSize: 100, processingInterval: 1_000, persistenceThreshold: 500 },
};
const at = (depth: number, status: StoredStatus = "active"): Look => ({ atMs: 0, status, config, depth });
const calm = { uncounted: 0, refusing: false };

describe("a producer", () => {
  test.each([
    [at(0), calm, { kind: "pass" }],
    [at(79), calm, { kind: "pass" }],
    [at(80), calm, { kind: "delay", ms: 50 }],
    [at(90), calm, { kind: "delay", ms: 75 }],
    [at(70), { uncounted: 20, refusing: false }, { kind: "delay", ms: 75 }],
    [at(100), calm, { kind: "full" }],
    [at(0), { uncounted: 100, refusing: false }, { kind: "full" }],
    [at(80), { uncounted: 0, refusing: true }, { kind: "full" }],
    [at(79), { uncounted: 0, refusing: true }, { kind: "pass" }],
    [at(100, "paused"), calm, { kind: "full" }],
    [at(0, "paused"), calm, { kind: "pass" }],
    [at(0, "draining"), calm, { kind: "draining" }],
  ])("at %j with %j meets %j", (look, standing, verdict) => {
    expect(judge(look, standing)).toEqual(verdict);
  });

  test("is never delayed by less than 50 or more than 100 ms", () => {
    const property = fc.property(fc.nat(200), fc.nat(200), fc.boolean(), (depth, uncounted, refusing) => {
      const verdict = judge(at(depth), { uncounted, refusing });
      if (verdict.kind === "delay") expect(verdict.ms >= 50 && verdict.ms <= 100).toBe(true);
    });
    fc.assert(property);
  });
});

test("a look forgets what was let in well before it, and nothing else", () => {
  const tally = createTally();
  tally.add(5, 0);
  tally.add(7, 1_000);
  tally.add(1, 1_300);
  expect(tally.since(1_050)).toBe(8);
  expect(tally.since(1_350)).toBe(1);
  expect(tally.since(2_000)).toBe(0);
});

/** A gate whose clock and queue the test owns. */
function gateOf(queue: { depth: number; status: StoredStatus }) {
  let nowMs = 0;
  let looks = 0;
  const gate = createGate({
    async look() {
      looks++;
      return { ...queue, config };
    },
    log: silentLogger,
    nowMs: () => nowMs,
  });
  return {
    gate,
    pass(ms: number) {
      nowMs += ms;
    },
    get looks() {
      return looks;
    },
  };
}

const refusal = (promise: Promise<void>) =>
  promise.then(
    () => "let in",
    (error: unknown) => (error instanceof AppError ? { code: error.code, retryAfterMs: error.retryAfterMs } : error),
  );

describe("the gate", () => {
  test("looks once while many come at once, and four times a second while they go on", async () => {
    const rig = gateOf({ depth: 0, status: "active" });
    await Promise.all(Array.from({ length: 50 }, () => rig.gate.admit("default", 1)));
    expect(rig.looks).toBe(1);
    for (let n = 0; n < 100; n++) {
      rig.pass(10);
      await rig.gate.admit("default", 0);
    }
    expect(rig.looks).toBeLessThanOrEqual(5);
    expect(rig.gate.admitted).toBe(50);
  });

  test("lets one node pass the maximum by less than one batch, however many come between two looks", async () => {
    vi.useFakeTimers();
    const rig = gateOf({ depth: 60, status: "active" });
    const batches = Array.from({ length: 20 }, () => refusal(rig.gate.admit("default", 15)));
    await vi.runAllTimersAsync();
    const answers = await Promise.all(batches);
    vi.useRealTimers();
    expect(answers.filter((answer) => answer === "let in")).toHaveLength(3);
    expect(answers.at(-1)).toEqual({ code: "event_queue.full", retryAfterMs: 1_000 });
    expect(rig.gate.admitted).toBe(45);
  });

  test("refuses from the maximum on until fewer than the watermark wait", async () => {
    const queue: { depth: number; status: StoredStatus } = { depth: 100, status: "active" };
    const rig = gateOf(queue);
    expect(await refusal(rig.gate.admit("default", 1))).toMatchObject({ code: "event_queue.full" });
    queue.depth = 85;
    rig.pass(1_500);
    expect(await refusal(rig.gate.admit("default", 1))).toMatchObject({ code: "event_queue.full" });
    queue.depth = 79;
    rig.pass(1_500);
    expect(await refusal(rig.gate.admit("default", 1))).toBe("let in");
  });

  test("knows at once what its own node changed", async () => {
    const queue: { depth: number; status: StoredStatus } = { depth: 0, status: "active" };
    const rig = gateOf(queue);
    await rig.gate.admit("default", 1);
    queue.status = "draining";
    expect(await refusal(rig.gate.admit("default", 1))).toBe("let in");
    rig.gate.forget();
    expect(await refusal(rig.gate.admit("default", 1))).toMatchObject({ code: "event_queue.draining" });
  });

  test("tells a producer when the queue cannot be looked at", async () => {
    const gate = createGate({ look: () => Promise.reject(new Error("no database")), log: silentLogger });
    await expect(gate.admit("default", 1)).rejects.toThrow("no database");
  });
});

test("a draining queue is drained when nothing waits", () => {
  expect([shownStatus("draining", 1), shownStatus("draining", 0), shownStatus("paused", 0)]).toEqual([
    "draining",
    "drained",
    "paused",
  ]);
});

test("a watermark above the maximum is a fault", () => {
  expect(configFaults(config)).toEqual([]);
  expect(configFaults({ ...config, highWatermark: 101 })).toMatchObject([{ pointer: "/highWatermark" }]);
});

test("averages join by their counts, and rates need a second", () => {
  expect(joinedAverage({ count: 0, average: 0 }, { count: 0, average: 5 })).toBe(0);
  expect(joinedAverage({ count: 3, average: 10 }, { count: 1, average: 50 })).toBe(20);
  expect(ratesOf({ sinceMs: 999, accepted: 5, processed: 5 })).toBeUndefined();
  expect(ratesOf({ sinceMs: 2_000, accepted: 5, processed: -1 })).toEqual({
    acceptedPerSecond: 2.5,
    processedPerSecond: 0,
  });
});

test("metrics are written after many events or some time, and without events once an hour", () => {
  expect(isDue(config, { admitted: 0, sinceMs: 60_000 })).toBe(false);
  expect(isDue(undefined, { admitted: 0, sinceMs: 3_600_000 })).toBe(true);
  expect(isDue(config, { admitted: 500, sinceMs: 999 })).toBe(false);
  expect(isDue(config, { admitted: 500, sinceMs: 1_000 })).toBe(true);
  expect(isDue(config, { admitted: 1, sinceMs: 9_000 })).toBe(false);
  expect(isDue(config, { admitted: 1, sinceMs: 10_000 })).toBe(true);
});
