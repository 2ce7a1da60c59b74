/**
 * Whatever is defined and whatever happens: after every fact the rows give back what is in memory, and the machine keeps
 * its promises to the store. `Single` checks both after each fact; here definitions and facts are made at random.
 */

import fc from "fast-check";
import { expect, test } from "vitest";
import { Single } from "../simulation/single.ts";
import type { CompensationStep, Definition, Json, RetryPolicy, Step } from "./definition.ts";
import { isFinal } from "./state.ts";

const ids = ["a", "b", "c-d.e", "__proto__", "constructor"];
const conditions = [
  "input.n > 2",
  "variables.v == 1",
  "output.ok == true",
  "nothing.of.this > 1",
  "steps['a'].output.ok == true",
  "true",
  "false",
];

const retryPolicy: fc.Arbitrary<RetryPolicy> = fc.record(
  {
    maxAttempts: fc.integer({ min: 1, max: 4 }),
    initialInterval: fc.constantFrom(0, 10, 1_500, "PT1M"),
    backoffMultiplier: fc.constantFrom(1, 2, 10),
    nonRetryableErrors: fc.constantFrom([], ["BUSINESS"], ["E1"]),
    retryableErrors: fc.constantFrom(["E1"], ["TRANSIENT", "BUSINESS"]),
  },
  { requiredKeys: [] },
);

/** A step of a list whose steps are `used`; `depth` is how many containers it may hold inside each other. */
function stepArbitrary(stepId: string, used: string[], depth: number): fc.Arbitrary<Step> {
  const target = fc.constantFrom(...used);
  const transitions = fc.record(
    {
      default: target,
      conditions: fc.array(fc.record({ condition: fc.constantFrom(...conditions), nextStep: target }), {
        maxLength: 2,
      }),
    },
    { requiredKeys: [] },
  );
  const base = {
    stepId: fc.constant(stepId),
    transitions,
    outputMapping: fc.constantFrom(
      {},
      { v: "1" },
      { __proto__x: "output" },
      { v: "output.ok" },
      JSON.parse('{"__proto__":"2"}'),
    ),
    onFailure: fc.option(
      fc.record(
        {
          default: target,
          conditions: fc.constantFrom([], [{ condition: "error.code == 'E1'", nextStep: used[0]! }]),
        },
        { requiredKeys: [] },
      ),
      { nil: undefined, freq: 2 },
    ),
  };
  const containers = depth === 0 ? [] : containersOf(stepId, base, depth - 1);
  return fc.oneof(
    ...containers,
    {
      weight: 1,
      arbitrary: fc.record(
        {
          ...base,
          type: fc.constant("WORKFLOW" as const),
          workflowId: fc.constant("child"),
          input: fc.constantFrom<Json>("input", { n: "${input.n}" }),
          detach: fc.boolean(),
          retryPolicy,
          timeout: fc.constantFrom(3_000),
        },
        { requiredKeys: ["stepId", "type", "workflowId"] },
      ),
    },
    {
      weight: 1,
      arbitrary: fc.record(
        {
          stepId: fc.constant(stepId),
          type: fc.constant("TERMINATE" as const),
          status: fc.constantFrom("COMPLETED" as const, "FAILED" as const),
          output: fc.constantFrom("input.n", "nothing.at.all"),
          error: fc.constant({ message: "n is ${input.n}" }),
        },
        { requiredKeys: ["stepId", "type", "status"] },
      ),
    },
    {
      weight: 4,
      arbitrary: fc.record({
        ...base,
        type: fc.constant("TASK" as const),
        taskId: fc.constantFrom("t", "u"),
        input: fc.constantFrom<Json>("input.n", null, { x: "${variables.v}" }, { e: "${error == null}" }),
        retryPolicy,
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        ...base,
        type: fc.constant("TASK" as const),
        taskId: fc.constant("transform"),
        input: fc.constantFrom({ expression: "{'ok': input.n > 2}" }, { expression: "variables.v + 1" }),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        ...base,
        type: fc.constant("TASK" as const),
        taskId: fc.constant("event.publish"),
        input: fc.constantFrom<Json>({ pattern: "p.${input.n}", payload: "${variables.v}" }, { pattern: "*" }),
        retryPolicy,
      }),
    },
    { weight: 1, arbitrary: fc.record({ ...base, type: fc.constant("DECISION" as const) }) },
    {
      weight: 3,
      arbitrary: fc.record(
        {
          ...base,
          type: fc.constant("EVENT_WAIT" as const),
          eventPattern: fc.constantFrom("go", "x.*", ">"),
          eventCondition: fc.constantFrom("payload.n == 1", "event.payload.n > 0", "payload.n == input.n"),
          lookBack: fc.constantFrom("PT0S", 500),
          eventTimeout: fc.record(
            { duration: fc.constantFrom(0, 5_000), timeoutHandlerStepId: target },
            { requiredKeys: ["duration"] },
          ),
          eventPayloadMapping: fc.constantFrom({ v: "payload.n" }, { v: "payload.missing" }),
        },
        { requiredKeys: ["stepId", "type", "eventPattern"] },
      ),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        ...base,
        type: fc.constant("DELAY" as const),
        delay: fc.constantFrom<string | number>(0, 700, "PT1H", "input.n * 1000", "'soon'"),
      }),
    },
  ) as fc.Arbitrary<Step>;
}

/** PARALLEL and MAP with lists of their own; ids of inner steps begin with the container's. */
function containersOf(stepId: string, base: { stepId: fc.Arbitrary<string> }, depth: number) {
  const list = (name: string) =>
    fc.integer({ min: 1, max: 2 }).chain((count) => {
      const inner = ["x", "y"].slice(0, count).map((id) => `${stepId}.${name}${id}`);
      return fc.tuple(...inner.map((id) => stepArbitrary(id, inner, depth))) as fc.Arbitrary<Step[]>;
    });
  const branches = fc.tuple(list("l"), list("r"), list("m")).map(([left, right, middle]) => [
    { branchId: "left", steps: left },
    { branchId: "__proto__", steps: right },
    { branchId: "3", steps: middle },
  ]);
  return [
    {
      weight: 3,
      arbitrary: fc.record(
        {
          ...base,
          type: fc.constant("PARALLEL" as const),
          branches,
          join: fc.constantFrom("all" as const, "any" as const, 2),
          rest: fc.constantFrom("cancel" as const, "leave" as const),
          timeout: fc.constantFrom(4_000),
        },
        { requiredKeys: ["stepId", "type", "branches"] } as { requiredKeys: ("type" | "branches")[] },
      ) as fc.Arbitrary<unknown> as fc.Arbitrary<Step>,
    },
    {
      weight: 3,
      arbitrary: fc.record(
        {
          ...base,
          type: fc.constant("MAP" as const),
          items: fc.constantFrom<Json>("[1, 2, 3, 4]", [{ a: 1 }, "${input.n}"], "[]", "input.n"),
          maxConcurrency: fc.constantFrom(1, 2),
          toleratedFailures: fc.constantFrom(0, 1, "50%"),
          steps: list("i"),
          timeout: fc.constantFrom(4_000),
        },
        { requiredKeys: ["stepId", "type", "items", "steps"] } as { requiredKeys: ("type" | "items" | "steps")[] },
      ) as fc.Arbitrary<unknown> as fc.Arbitrary<Step>,
    },
  ];
}

function compensationArbitrary(used: string[]): fc.Arbitrary<CompensationStep[]> {
  return fc
    .array(
      fc.record(
        {
          compensationFor: fc.constantFrom(...used),
          type: fc.constant("TASK" as const),
          taskId: fc.constantFrom("undo", "undo", "event.publish"),
          condition: fc.constantFrom("originalOutput.ok == true", "originalInput == 3", "broken.name"),
          input: fc.constantFrom("originalOutput", "broken.name"),
          retryPolicy,
        },
        { requiredKeys: ["compensationFor", "type", "taskId", "retryPolicy"] },
      ),
      { maxLength: 3 },
    )
    .map((steps) => steps.map((step, index) => ({ ...step, stepId: `undo${index}` })));
}

const definition = fc.integer({ min: 1, max: ids.length }).chain((count) => {
  const used = ids.slice(0, count);
  return fc.record({
    steps: fc.tuple(...used.map((id) => stepArbitrary(id, used, 2))) as fc.Arbitrary<Step[]>,
    extra: fc.record(
      {
        timeout: fc.constantFrom(2_000, "P1D"),
        compensationSteps: compensationArbitrary(used),
        compensateOnFailure: fc.boolean(),
        output: fc.constantFrom("variables", "steps['a'].output", "nowhere.at.all"),
        variables: fc.constantFrom(
          { v: { default: 0 }, w: { default: [1] } },
          { v: { type: "integer" as const, default: 0, required: true }, u: {} },
        ),
        retryPolicy: fc.constant({ maxAttempts: 2, initialInterval: 700, retryableErrors: ["E1", "TIMEOUT"] }),
        outputSchema: fc.constant({ type: ["integer", "object"] }),
        cancellationTriggers: fc.constant([{ eventPattern: "stop", eventCondition: "payload.n > 0" }]),
        concurrency: fc.constant([{ limit: 2 }, { limit: 1, key: "input.n" }]),
      },
      { requiredKeys: [] },
    ) as fc.Arbitrary<Partial<Definition>>,
  });
});

const outputs: Json[] = [null, { ok: true }, { ok: false, n: 1 }, 7, "text"];

/** One thing that may happen now; `pick` chooses among what there is. */
function happen(single: Single, what: number, pick: number): void {
  const chosen = <T>(list: readonly T[]): T | undefined => list[pick % Math.max(1, list.length)];
  const path = chosen([...single.tasks.keys()]);
  const live = chosen(Object.values(single.state.live));
  const late = chosen(single.rows);
  switch (what % 22) {
    case 0:
    case 1:
    case 2:
    case 3:
      if (path === undefined) return;
      if (single.tasks.get(path)!.kind === "child") single.spawn(path);
      else if (single.tasks.get(path)!.kind === "gather") single.gather(path);
      else single.complete(path, chosen(outputs) ?? null);
      return;
    case 4:
    case 5:
      if (path !== undefined) {
        single.fail(path, {
          code: `E${pick % 3}`,
          category: (["TRANSIENT", "BUSINESS", "UNKNOWN"] as const)[pick % 3]!,
        });
      }
      return;
    case 6:
    case 7:
      if (single.timers.size > 0) single.fire(chosen([...single.timers.keys()]));
      return;
    case 8:
      single.signal(
        chosen(["go", "x.y", "other", "stop"])!,
        { n: pick % 3 },
        { signalId: `s${pick % 5}`, keyed: pick % 2 === 0 },
      );
      return;
    case 9:
      if (pick % 4 === 0) single.cancel({ compensate: pick % 8 === 0 });
      return;
    case 10:
      single.crash();
      return;
    case 11:
      single.handOver();
      return;
    case 12:
      if (live !== undefined)
        single.give({ kind: pick % 2 === 0 ? "abandoned" : "running", path: live.path, attempt: live.attempt });
      return;
    case 13:
      if (live === undefined) return;
      if (live.phase === "running" && pick % 2 === 0) {
        single.tasks.delete(live.path);
        single.give({ kind: "unassigned", path: live.path });
      } else single.give({ kind: "assigned", path: live.path });
      return;
    case 14:
      // Too late, or twice.
      if (late !== undefined) {
        single.give({
          kind: "completed",
          path: late.path,
          attempt: late.attempt - (pick % 2),
          output: 1,
          startedAt: 0,
          completedAt: 0,
        });
        single.tasks.delete(late.path);
      }
      single.give({ kind: "timer", key: late?.path ?? "", dueAt: pick });
      return;
    case 15:
      single.freeze();
      single.now += (pick % 7) * 300;
      return;
    case 16: {
      const waiting = Object.values(single.state.live).filter(({ phase }) => phase === "child");
      const parent = chosen(waiting);
      if (parent === undefined) return;
      const status = (["COMPLETED", "FAILED", "CANCELLED"] as const)[pick % 3]!;
      single.endChild(parent.path, { status, output: chosen(outputs) ?? null });
      return;
    }
    case 17:
      single.give({ kind: pick % 3 === 0 ? "pause" : "resume" });
      return;
    case 18:
      if (pick % 3 === 0) single.give({ kind: "skip", stepId: live?.stepId ?? "a" });
      else single.give({ kind: "priority", priority: 1 + (pick % 9) });
      return;
    case 19: {
      const wanted = single.state.permits?.find(({ granted }) => !granted);
      if (wanted !== undefined) single.give({ kind: "permitted", key: wanted.key });
      return;
    }
    case 20:
    case 21: {
      // For a wait that is open, or for one that was.
      const open = Object.values(single.state.live).filter(({ phase }) => phase === "waiting");
      const paths = open.map((each) => each.path);
      const wait = pick % 4 > 0 && paths.length > 0 ? chosen(paths) : (chosen([...single.waits.keys()]) ?? late?.path);
      if (wait === undefined) return;
      const about = { id: `e${pick % 9}`, acceptedAt: single.now - (pick % 4 === 3 ? 600 : 0) };
      single.event(wait, { n: (pick >> 2) % 3 }, { ...about, type: ["go", "x.y", "stop"][pick % 3]! });
    }
  }
}

/** Each event ends one wait, and each event that was published has the row of its step. */
function checkEvents({ rows, published, program }: Single): void {
  const taken = rows.flatMap(({ outcome }) => outcome?.eventId ?? []);
  expect(new Set(taken).size, `of ${taken}`).toBe(taken.length);
  const publishes = (stepId: string) => (program.steps.get(stepId) ?? program.compensations.get(stepId))?.publishes;
  const told = rows.filter(({ stepId, status }) => publishes(stepId) === true && status === "COMPLETED");
  expect(told.map(({ output }) => (output as { id: string }).id)).toEqual(published.map(({ id }) => id));
}

test("after every fact the fold of the rows equals the memory", { timeout: 60_000 }, () => {
  let [ended, taken, published] = [0, 0, 0];
  const runs = Number(process.env.MILLRACE_FOLD_RUNS ?? 1_500);
  fc.assert(
    fc.property(
      definition,
      fc.array(fc.tuple(fc.nat(21), fc.nat(30)), { minLength: 10, maxLength: 70, size: "max" }),
      fc.integer({ min: 0, max: 4 }),
      ({ steps, extra }, happenings, n) => {
        const single = new Single({ steps, definition: extra, input: { n } });
        single.start();
        if (n > 1) for (const { key } of single.state.permits ?? []) single.give({ kind: "permitted", key });
        for (const [what, pick] of happenings) {
          if (single.unfinished) break;
          if (isFinal(single.state.status)) {
            // What has failed may be tried again, once or twice.
            if (pick % 2 === 0 || single.give({ kind: "retry" }).ignored !== undefined) break;
          } else happen(single, what, pick);
        }
        checkEvents(single);
        if (isFinal(single.state.status)) ended++;
        if (single.state.consumed !== undefined) taken++;
        if (single.published.length > 0) published++;
      },
    ),
    { numRuns: runs, ...(process.env.MILLRACE_SEED === undefined ? {} : { seed: Number(process.env.MILLRACE_SEED) }) },
  );
  // The test would prove little if few ways were gone to their end.
  expect(ended).toBeGreaterThan(runs / 4);
  expect(taken).toBeGreaterThan(runs / 75);
  expect(published).toBeGreaterThan(runs / 75);
});
