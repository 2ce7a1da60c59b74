import { describe, expect, test } from "vitest";
import { Single } from "../simulation/single.ts";
import type { RetryPolicy } from "./definition.ts";

function failing(retryPolicy?: RetryPolicy, random?: () => number): Single {
  const single = new Single({ steps: [{ stepId: "a", type: "TASK", taskId: "t", retryPolicy }], random });
  single.start();
  return single;
}

/** The waits between attempts, in milliseconds, until it gives up. */
function waits(single: Single, error: Parameters<Single["fail"]>[1] = {}): number[] {
  const seen: number[] = [];
  for (;;) {
    single.fail("a", error);
    const due = single.timers.get("a");
    if (due === undefined) return seen;
    seen.push(due - single.now);
    single.fire();
  }
}

describe("the interval grows by the factor up to its maximum", () => {
  const table: [RetryPolicy | undefined, number[]][] = [
    [undefined, [1_000, 2_000]],
    [{ maxAttempts: 5 }, [1_000, 2_000, 4_000, 8_000]],
    [{ maxAttempts: 4, initialInterval: "PT10S", maxInterval: "PT25S" }, [10_000, 20_000, 25_000]],
    [{ maxAttempts: 4, initialInterval: 100, backoffMultiplier: 1 }, [100, 100, 100]],
    [{ maxAttempts: 3, initialInterval: 7, backoffMultiplier: 1.5 }, [7, 11]],
    [{ maxAttempts: 1 }, []],
    // A timer that is cleared and one that is armed in the same flush must not be the same.
    [{ maxAttempts: 3, initialInterval: 0 }, [1, 1]],
  ];
  test.each(table)("%j", (policy, expected) => {
    const single = failing(policy && { ...policy });
    expect(waits(single)).toEqual(expected);
    expect(single.state).toMatchObject({ status: "FAILED", error: { code: "BOOM", retriable: true } });
    expect(single.rows.map((row) => row.attempt)).toEqual([...expected.keys(), expected.length].map((n) => n + 1));
  });
});

test("the jitter spreads the interval by its share, both ways", () => {
  const first = (jitter: number, random: number) => waits(failing({ jitter, maxAttempts: 2 }, () => random))[0];
  expect([first(0.1, 0), first(0.1, 0.5), first(0.1, 0.999999)]).toEqual([900, 1_000, 1_100]);
  expect([first(1, 0), first(0, 0)]).toEqual([1, 1_000]);
});

test("an attempt waits at least as long as the other side asked for, at most a day", () => {
  const asked = (retryAfterMs: number) => waits(failing({ maxAttempts: 2 }), { details: { retryAfterMs } })[0];
  expect([asked(30_000), asked(10), asked(1e12)]).toEqual([30_000, 1_000, 86_400_000]);
});

test("many attempts without an interval never give a time that is no number", () => {
  const single = failing({ maxAttempts: 400, initialInterval: 0, backoffMultiplier: 10 });
  expect(waits(single).every((ms) => ms === 1)).toBe(true);
});

describe("codes and categories decide what is retried", () => {
  const retried = (policy: RetryPolicy, error: Parameters<Single["fail"]>[1]) => {
    const single = failing(policy);
    single.fail("a", error);
    expect(single.state.steps.a?.error?.retriable).toBe(single.timers.size === 1);
    return single.timers.size === 1;
  };
  test("without lists the category", () => {
    for (const category of ["TRANSIENT", "TIMEOUT", "SYSTEM", "UNKNOWN"] as const)
      expect(retried({}, { category })).toBe(true);
    for (const category of ["PERMANENT", "BUSINESS", "VALIDATION", "SECURITY"] as const)
      expect(retried({}, { category })).toBe(false);
  });
  test("a list of retryable ones stands for all", () => {
    const policy = { retryableErrors: ["BUSINESS", "E1"] };
    expect(retried(policy, { category: "BUSINESS" })).toBe(true);
    expect(retried(policy, { category: "PERMANENT", code: "E1" })).toBe(true);
    expect(retried(policy, { category: "TRANSIENT" })).toBe(false);
  });
  test("a list of those that are not wins", () => {
    const policy = { retryableErrors: ["TRANSIENT"], nonRetryableErrors: ["E1"] };
    expect(retried(policy, { category: "TRANSIENT" })).toBe(true);
    expect(retried(policy, { category: "TRANSIENT", code: "E1" })).toBe(false);
  });
  test("what the store refuses is never tried again", () => {
    expect(retried({ retryableErrors: ["UNSTORABLE"] }, { code: "UNSTORABLE" })).toBe(false);
  });
});

test("the input is evaluated once and is the same for every attempt", () => {
  const single = new Single({ steps: [{ stepId: "a", type: "TASK", taskId: "t", input: "{'seen': has(steps.a)}" }] });
  single.start();
  single.fail("a");
  single.fire();
  expect(single.tasks.get("a")).toMatchObject({ attempt: 2, input: { seen: false } });
  single.crash();
  expect(single.tasks.get("a")).toMatchObject({ attempt: 2, input: { seen: false } });
});

test("a timer row stays until its attempt has a row, so that the attempt is not lost with the node", () => {
  const single = failing();
  single.fail("a");
  const dueAt = single.timers.get("a")!;
  single.fire();
  expect(single.timers.get("a")).toBe(dueAt);
  expect(single.give({ kind: "timer", key: "a", dueAt }).ignored).toBeDefined();
  single.complete("a");
  expect(single.timers.size).toBe(0);
});
