import { describe, expect, test } from "vitest";
import { createSamples } from "./samples.ts";
import { median, percentile } from "./statistics.ts";

describe("percentile", () => {
  const hundred = Array.from({ length: 100 }, (_, index) => 100 - index);

  test.each([
    [0.5, 50],
    [0.99, 99],
    [1, 100],
    [0, 1],
  ])("the share %d of 1 to 100 is at most %d", (share, value) => {
    expect(percentile(hundred, share)).toBe(value);
  });

  test("nothing has none", () => {
    expect(percentile([], 0.5)).toBeNaN();
  });
});

describe("median", () => {
  test.each([
    [[3, 1, 2], 2],
    [[4, 1, 3, 2], 2.5],
    [[7], 7],
  ])("of %j is %d", (values, value) => {
    expect(median(values)).toBe(value);
  });
});

describe("samples", () => {
  test("a ratio is the median of the ratios of single rounds, not the ratio of the medians", () => {
    const samples = createSamples();
    for (const value of [10, 1, 30, 90]) samples.add("of", value);
    for (const value of [20, 10, 30, 100]) samples.add("to", value);
    expect(samples.medianRatio({ of: "of", to: "to" })).toBeCloseTo(0.7);
    expect(samples.median("of") / samples.median("to")).toBeCloseTo(0.8);
  });

  test("a round that only one side has is left out of the ratio", () => {
    const samples = createSamples();
    samples.add("of", 4);
    samples.add("of", 100);
    samples.add("to", 2);
    expect(samples.medianRatio({ of: "of", to: "to" })).toBe(2);
  });

  test("what was never measured is NaN, and costs nothing known", () => {
    const samples = createSamples();
    expect(samples.median("none")).toBeNaN();
    expect(samples.medianCost("none")).toBeUndefined();
  });
});
