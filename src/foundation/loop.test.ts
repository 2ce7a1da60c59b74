import { expect, test } from "vitest";
import { createLogger, silentLogger } from "./log.ts";
import { Loop } from "./loop.ts";

/** A run that the test lets end, and counts of what happened. */
function stepped() {
  const began: (() => void)[] = [];
  const waiting: ((end: () => void) => void)[] = [];
  const counts = { runs: 0, atOnce: 0, most: 0 };
  const run = async (): Promise<void> => {
    counts.runs += 1;
    counts.atOnce += 1;
    counts.most = Math.max(counts.most, counts.atOnce);
    await new Promise<void>((resolve) => {
      const next = waiting.shift();
      if (next) {
        next(resolve);
      } else {
        began.push(resolve);
      }
    });
    counts.atOnce -= 1;
  };
  /** Resolves with the function that ends the next run, once that run has begun. */
  const nextRun = (): Promise<() => void> =>
    new Promise((resolve) => {
      const end = began.shift();
      if (end) {
        resolve(end);
      } else {
        waiting.push(resolve);
      }
    });
  return { counts, run, nextRun };
}

const longMs = 3_600_000;

test("a tick runs once, also in a loop that was never started", async () => {
  let runs = 0;
  const run = async (): Promise<void> => {
    runs += 1;
  };
  const loop = new Loop({ name: "once", everyMs: longMs, log: silentLogger, run });
  await loop.tick();
  await loop.tick();
  expect(runs).toBe(2);
});

test("runs never overlap, and each tick sees a run that began after it", async () => {
  const { counts, run, nextRun } = stepped();
  const loop = new Loop({ name: "overlap", everyMs: longMs, log: silentLogger, run });
  const first = loop.tick();
  const endFirst = await nextRun();
  const second = loop.tick();
  const third = loop.tick();
  endFirst();
  await first;
  (await nextRun())();
  await second;
  (await nextRun())();
  await third;
  expect(counts).toEqual({ runs: 3, atOnce: 0, most: 1 });
});

test("a failing run is logged and the loop goes on", async () => {
  const lines: string[] = [];
  const log = createLogger({ level: "info", destination: { write: (line) => void lines.push(line) } });
  let runs = 0;
  const loop = new Loop({
    name: "stubborn",
    everyMs: longMs,
    log,
    run: async () => {
      runs += 1;
      throw new Error(`failure ${runs}`);
    },
  });
  await loop.tick();
  await loop.tick();
  expect(runs).toBe(2);
  expect(lines.map((line) => JSON.parse(line))).toEqual([
    expect.objectContaining({
      level: "error",
      loop: "stubborn",
      err: expect.objectContaining({ message: "failure 1" }),
    }),
    expect.objectContaining({
      level: "error",
      loop: "stubborn",
      err: expect.objectContaining({ message: "failure 2" }),
    }),
  ]);
});

test("a started loop runs at once, and again soon after a nudge, however many nudges there were", async () => {
  const { counts, run, nextRun } = stepped();
  const loop = new Loop({ name: "nudged", everyMs: longMs, log: silentLogger, run });
  loop.start();
  const endFirst = await nextRun();
  loop.wake();
  loop.wake();
  loop.wake();
  endFirst();
  const endSecond = await nextRun();
  endSecond();
  await loop.stop();
  expect(counts).toEqual({ runs: 2, atOnce: 0, most: 1 });
});

test("a nudge between runs does not wait for the pause", async () => {
  const { run, nextRun } = stepped();
  const loop = new Loop({ name: "idle", everyMs: longMs, log: silentLogger, run });
  loop.start();
  (await nextRun())();
  await new Promise(setImmediate);
  loop.wake();
  (await nextRun())();
  await loop.stop();
});

test("the loop runs again after its pause", async () => {
  const { run, nextRun } = stepped();
  const loop = new Loop({ name: "steady", everyMs: 1, log: silentLogger, run });
  loop.start();
  for (let round = 0; round < 3; round++) {
    (await nextRun())();
  }
  await loop.stop();
});

test("stopping waits for the run under way, and none begins after it", async () => {
  const { counts, run, nextRun } = stepped();
  const loop = new Loop({ name: "stopped", everyMs: 0, log: silentLogger, run });
  loop.start();
  const end = await nextRun();
  let stopped = false;
  const stopping = loop.stop().then(() => {
    stopped = true;
  });
  loop.wake();
  await new Promise(setImmediate);
  expect(stopped).toBe(false);
  end();
  await stopping;
  await new Promise((resolve) => setTimeout(resolve, 5));
  expect(counts.runs).toBe(1);
});
