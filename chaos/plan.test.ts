import { expect, test } from "vitest";
import { createRandom } from "../src/engine/simulation/random.ts";
import { drawPlan } from "./plan.ts";
import { seedOf } from "./seed.ts";

const sizes = { instances: 200, events: 500, kills: 10, betweenMs: 1_000, leaseMs: 2_000 };

test("one seed gives one plan, and another seed another", () => {
  const plan = drawPlan(createRandom(7), sizes);
  expect(drawPlan(createRandom(7), sizes)).toEqual(plan);
  expect(drawPlan(createRandom(8), sizes)).not.toEqual(plan);
});

test("a plan has the kills it was asked for, of every kind, most of them aimed at a flush", () => {
  const { blows, starts } = drawPlan(createRandom(7), sizes);
  const kills = blows.filter((blow) => blow.kind === "kill");
  expect(kills.length).toBe(10);
  expect(new Set(kills.map(({ target }) => target))).toEqual(new Set(["node", "postgres", "both", "all"]));
  expect(kills.filter(({ aimed }) => aimed).length).toBeGreaterThan(5);
  expect(new Set(blows.map(({ kind }) => kind))).toEqual(new Set(["kill", "drain", "add", "stop"]));
  expect(starts.length).toBe(200);
  expect(starts.every(({ atMs }, index) => index === 0 || atMs >= starts[index - 1]!.atMs)).toBe(true);
});

test("a zombie is stopped for longer than its lease and the time it takes to be given up", () => {
  const { blows } = drawPlan(createRandom(7), sizes);
  for (const blow of blows) if (blow.kind === "stop") expect(blow.stoppedMs).toBeGreaterThan(2 * sizes.leaseMs);
});

test("the seed comes from MILLRACE_SEED, or is new each time", () => {
  expect(seedOf({ MILLRACE_SEED: "42" })).toBe(42);
  expect(seedOf({})).toBeLessThan(2 ** 32);
  expect(() => seedOf({ MILLRACE_SEED: "many" })).toThrow(RangeError);
});
