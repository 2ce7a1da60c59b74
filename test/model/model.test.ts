/**
 * The machine does what the documents say: its histories equal those of an interpreter written from the documents alone, at
 * every instant and whatever befalls the owner. `MILLRACE_MODEL_RUNS` says how many definitions are tried, `MILLRACE_SEED`
 * which ones; what differs is told by its smallest form.
 */

import fc from "fast-check";
import { expect, test } from "vitest";
import type { Definition } from "../../src/engine/index.ts";
import { definitions } from "./definitions.ts";
import { drive, type Upset } from "./drive.ts";
import { linesOf } from "./history.ts";
import { interpret } from "./life.ts";
import { createOracle, inputOf } from "./oracle.ts";
import { smallest } from "./smallest.ts";

const longestMs = 1_000_000_000;

interface World {
  definition: Definition;
  n: number;
  outcomes: number;
  timing: number;
  upsets: Upset[];
}

const worlds: fc.Arbitrary<World> = fc.record({
  definition: definitions(fc.integer({ min: 1_000, max: longestMs })),
  n: fc.nat(4),
  outcomes: fc.nat(1_000_000),
  timing: fc.nat(1_000_000),
  upsets: fc.array(fc.tuple(fc.integer({ min: 0, max: 3 * longestMs }), fc.nat(3)), { maxLength: 4 }),
});

/** A step whose node dies is given its input anew, with the variables as they are by then: the model has no such deaths. */
const readsVariables = (definition: Definition) => JSON.stringify(definition).includes('"input":"variables.v"');

/** Both histories, or why there is nothing to compare. */
function compare({ definition, n, outcomes, timing, upsets }: World) {
  const oracle = createOracle({ outcomes, timing, longestMs });
  const expected = interpret(definition, inputOf(n), oracle);
  if (typeof expected === "string") return expected;
  const actual = drive(definition, inputOf(n), oracle, readsVariables(definition) ? [] : upsets);
  const model = linesOf(expected, { times: true });
  const machine = linesOf(actual, { times: true });
  return { status: expected.status, model, machine, differ: model.join("\n") !== machine.join("\n") };
}

function stillDiffers(world: World): boolean {
  try {
    const both = compare(world);
    return typeof both !== "string" && both.differ;
  } catch {
    // What was taken away was needed.
    return false;
  }
}

test("whatever is defined and whatever the world answers, the history is that of the model", {
  timeout: 3_600_000,
}, () => {
  const numRuns = Number(process.env.MILLRACE_MODEL_RUNS ?? 2_000);
  const seed = process.env.MILLRACE_SEED === undefined ? {} : { seed: Number(process.env.MILLRACE_SEED) };
  const seen: Record<string, number> = {};
  const check = fc.property(worlds, (world) => {
    const both = compare(world);
    const kind = typeof both === "string" ? both : both.status;
    seen[kind] = (seen[kind] ?? 0) + 1;
    if (typeof both === "string" || !both.differ) return;
    const least = smallest(world, stillDiffers);
    const { machine, model } = compare(least) as typeof both;
    expect(machine, JSON.stringify(least)).toEqual(model);
  });
  fc.assert(check, { numRuns, endOnFailure: true, ...seed });
  // The test would prove little if few ways were gone to their end.
  for (const status of ["COMPLETED", "FAILED", "CANCELLED"]) expect(seen[status], status).toBeGreaterThan(numRuns / 20);
  expect((seen.open ?? 0) + (seen.tooLong ?? 0)).toBeLessThan(numRuns / 20);
});
