/**
 * The engine does what the documents say, on PostgreSQL and in real time. Which of two things is faster is then open, so a
 * history is right when it is that of the model under some timing; definitions under which much depends on it are left out.
 */

import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Definition, RetryPolicy } from "../../src/engine/index.ts";
import { faceOf } from "../../src/millrace.ts";
import { validateDefinition } from "../../src/workflows/create.ts";
import { startTestApp, type TestApp } from "../support/app.ts";
import { allSteps, definitions } from "./definitions.ts";
import { linesOf } from "./history.ts";
import { childDefinition, createLive } from "./live.ts";
import { createOracle, inputOf } from "./oracle.ts";
import { type Case, isPossible, likelyHistories } from "./timings.ts";

/** Retries that nobody has to wait for. */
function quick(definition: Definition): Definition {
  const soon = (policy: RetryPolicy = {}) => ({ initialInterval: 5, maxInterval: 20, ...policy });
  for (const step of allSteps(definition.steps)) if (step.type === "TASK") step.retryPolicy = soon(step.retryPolicy);
  for (const step of definition.compensationSteps ?? []) step.retryPolicy = soon(step.retryPolicy);
  return definition;
}

const worlds = fc.record({
  definition: definitions(fc.integer({ min: 1, max: 20 })).map(quick),
  n: fc.nat(4),
  outcomes: fc.nat(1_000_000),
});

const wanted = Number(process.env.MILLRACE_MODEL_RUNS ?? 300);
const seed = Number(process.env.MILLRACE_SEED ?? Date.now() % 1_000_000);

/** Definitions that can be stored, whose histories do not depend much on what is faster. */
function casesOf(): { given: Case; expected: Set<string> }[] {
  const cases: { given: Case; expected: Set<string> }[] = [];
  for (let part = 0; cases.length < wanted; part++) {
    for (const { definition, n, outcomes } of fc.sample(worlds, { numRuns: 50, seed: seed + part })) {
      const given = { definition: { ...definition, workflowId: `w${cases.length}` }, input: inputOf(n), outcomes };
      if (validateDefinition(given.definition).errors.length > 0) continue;
      // What one instance publishes would be heard by the waits of all.
      if (JSON.stringify(given.definition).includes("event.publish")) continue;
      const expected = likelyHistories(given);
      if (expected !== undefined) cases.push({ given, expected });
    }
  }
  return cases.slice(0, wanted);
}

const live = createLive();
let cases: ReturnType<typeof casesOf>;
let testApp: TestApp;

beforeAll(async () => {
  // Before the node lives: it must not be kept from its beats.
  cases = casesOf();
  testApp = await startTestApp({ tasks: live.tasks });
  await faceOf(() => testApp.app).define(childDefinition);
});
afterAll(async () => {
  await testApp.stop();
});

test("whatever is defined, the history in the database is one of the model's", { timeout: 120_000 }, async () => {
  const waiting = [...cases];
  const ended: ((typeof cases)[number] & { text: string })[] = [];
  async function lane(): Promise<void> {
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      const oracle = createOracle({
        outcomes: next.given.outcomes,
        timing: 1,
        longestMs: 8,
        refuses: false,
        publishes: false,
      });
      const history = await live.run(testApp.app, { ...next.given, oracle });
      ended.push({ ...next, text: linesOf(history, { times: false }).join("\n") });
    }
  }
  await Promise.all(Array.from({ length: 24 }, lane));
  const wrong = ended.filter(({ given, expected, text }) => !expected.has(text) && !isPossible(given, text));
  const told = wrong.map(
    ({ given, expected, text }) => `${JSON.stringify(given)}\n${text}\nis none of\n${[...expected].join("\nor\n")}`,
  );
  expect(told, `seed ${seed}`).toEqual([]);
  // The test would prove little if little happened.
  expect(ended.filter(({ text }) => text.split("\n").length > 5).length).toBeGreaterThan(wanted / 6);
});
