/**
 * The real machine and runtime on virtual time, one world for each seed. `MILLRACE_SEED=n` repeats one; `MILLRACE_SEEDS=n`
 * runs so many.
 */

import { describe, expect, test } from "vitest";
import { type Outcome, runScenario, type ScenarioOptions } from "./scenario.ts";

const only = process.env.MILLRACE_SEED === undefined ? undefined : Number(process.env.MILLRACE_SEED);
const count = Number(process.env.MILLRACE_SEEDS ?? 500);
const timeout = 60_000 + count * 400;

/** Runs a world and fails with its seed and everything that is wrong with it. */
async function hold(options: ScenarioOptions): Promise<Outcome> {
  const outcome = await runScenario(options);
  const { seed, faults } = outcome;
  if (faults.length > 0) {
    const shown = faults.slice(0, 20).map((fault) => `  ${fault.slice(0, 1_000)}`);
    throw new Error(`MILLRACE_SEED=${seed} breaks ${faults.length} laws:\n${shown.join("\n")}`);
  }
  return outcome;
}

test("whatever goes wrong, nothing accepted is lost and nothing recorded is done twice", { timeout }, async () => {
  const seeds = only === undefined ? Array.from({ length: count }, (_, i) => i + 1) : [only];
  let compared = 0;
  for (const seed of seeds) compared += (await hold({ seed })).compared;
  // The fold was compared with memory again and again, not now and then.
  expect(compared).toBeGreaterThan(seeds.length * 5);
});

test("whatever goes wrong, every event reaches what it is for, once", { timeout }, async () => {
  const seeds = only === undefined ? Array.from({ length: count / 2 }, (_, i) => i + 1) : [only];
  let published = 0;
  for (const seed of seeds) published += (await hold({ seed, eventful: true })).published;
  expect(published).toBeGreaterThan(seeds.length * 5);
});

describe.skipIf(only !== undefined)("worlds of one kind", () => {
  test("without trouble everything ends", { timeout }, async () => {
    for (let seed = 1; seed <= 50; seed++) await hold({ seed, calm: true });
  });

  /** Worlds of a few instances each, so that every flush of theirs can be the last one of its node. */
  const kinds = [
    ["chain", "waits", "compensated", "large"],
    ["fan", "nested", "each"],
    ["parent", "ancestor"],
    ["limited", "queue", "single"],
    ["again", "ended", "stopped"],
    ["any", "some", "many"],
  ];
  test.each(kinds.map((workflows, index) => [workflows.join(", "), workflows, index + 1] as const))(
    "a node that dies at a flush loses nothing, before it or after it, whichever flush it is: %s",
    { timeout },
    async (_names, workflows, seed) => {
      const { flushes } = await hold({ seed, calm: true, workflows });
      // A run of the whole tests every third, and each place in turn; more seeds, all.
      const stride = count > 1_000 ? 1 : 3;
      for (let fatal = 1; fatal <= flushes; fatal += stride) {
        for (const where of ["leaving", "applied"] as const) {
          let died = false;
          const killAt = (point: string, flush: number) => {
            if (died || point !== where || flush < fatal) return false;
            died = true;
            return true;
          };
          await hold({ seed, calm: true, workflows, killAt });
          expect(died).toBe(true);
        }
      }
    },
  );

  test("one seed is one course of events", async () => {
    for (const seed of [3, 7, 42]) expect(await runScenario({ seed })).toEqual(await runScenario({ seed }));
  });
});
