/**
 * Definitions at random, within what the documents fix. Of steps that begin at one instant side by side those that take no
 * time would be in an order that nobody promises, so places that begin together begin with a step that takes time.
 */

import fc from "fast-check";
import type { CompensationStep, Definition, Json, RetryPolicy, Step } from "../../src/engine/index.ts";

/** Where a step stands: the ids of its list, which of them it is, and how deep containers may still go. */
interface Place {
  ids: string[];
  at: number;
  depth: number;
  /** It begins together with others, so it takes time. */
  isSlow: boolean;
  inMap: boolean;
  /** Durations as they stand in definitions. */
  ms: fc.Arbitrary<number>;
}

/** One of the values, each as often as its number says. */
const often = <T>(...choices: [weight: number, value: T][]): fc.Arbitrary<T> =>
  fc.oneof(...choices.map(([weight, value]) => ({ weight, arbitrary: fc.constant(value) })));
const rarely = <T>(arbitrary: fc.Arbitrary<T>, freq = 4) =>
  fc.oneof({ weight: freq, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary });

const retryPolicy: fc.Arbitrary<RetryPolicy> = fc.record(
  {
    maxAttempts: fc.integer({ min: 1, max: 3 }),
    initialInterval: fc.constantFrom(1, 10, 15),
    maxInterval: fc.constantFrom(20, 60_000),
    backoffMultiplier: fc.constantFrom(1, 2, 1.5),
    nonRetryableErrors: fc.constantFrom([], ["UNKNOWN"], ["E1"]),
    retryableErrors: fc.constantFrom(["E1"], ["TRANSIENT", "BUSINESS"]),
  },
  { requiredKeys: ["initialInterval"] },
);

const mapping = often<Record<string, string>>(
  [8, {}],
  [2, { v: "1" }],
  [2, { w: "output", v: "variables.v" }],
  [2, { v: "output == null || type(output) == double ? 0 : output.n" }],
  [1, { v: "output.n" }],
  [1, { w: "output.ok" }],
  [1, { constructor: "2" } as object as Record<string, string>],
);

/** Ways lead on; back only where the world has a say in it, so that no loop is without end or time. */
function ways(place: Place, kind: "transitions" | "onFailure") {
  const own = `steps["${place.ids[place.at]}"].output`;
  const later = place.ids.slice(place.at + 1);
  const back = kind === "transitions" ? `${own}.ok == true && ${own}.n > 2` : 'error.code == "E1"';
  const conditions = [
    "input.n > 2",
    "variables.v == 1",
    "input.nothing.of.this > 1",
    "has(error.code) && error.code == 'E2'",
    ...(place.inMap ? ["index % 2 == 0"] : []),
    ...place.ids.map((id) => `steps["${id}"].output.ok == true`),
    kind === "onFailure" ? 'error.category == "BUSINESS" || error.code == "TIMEOUT"' : "variables.w < 2",
  ];
  const backwards = fc.record({
    condition: fc.constant(back),
    nextStep: fc.constantFrom(...place.ids.slice(0, place.at + 1)),
  });
  if (later.length === 0)
    return fc.oneof(
      { weight: 5, arbitrary: fc.constant({}) },
      { weight: 1, arbitrary: fc.record({ conditions: fc.tuple(backwards) }) },
    );
  const onwards = fc.record({ condition: fc.constantFrom(...conditions), nextStep: fc.constantFrom(...later) });
  const condition = fc.oneof({ weight: 4, arbitrary: onwards }, { weight: 1, arbitrary: backwards });
  const next = fc.oneof(
    { weight: 8, arbitrary: fc.constant(later[0]) },
    { weight: 2, arbitrary: fc.constantFrom(...later) },
    { weight: 1, arbitrary: fc.constant(undefined) },
  );
  return fc.record({ default: next, conditions: fc.array(condition, { maxLength: 2 }) }, { requiredKeys: ["default"] });
}

function stepOf(place: Place): fc.Arbitrary<Step> {
  const { isSlow, ms } = place;
  const stepId = fc.constant(place.ids[place.at]!);
  const base = {
    stepId,
    transitions: ways(place, "transitions"),
    outputMapping: mapping,
    onFailure: rarely(ways(place, "onFailure"), 2),
  };
  const typed = <T extends Step["type"]>(type: T) => ({ ...base, type: fc.constant(type) });
  const inputs: [number, Json][] = [
    [3, "input.n"],
    [3, { a: "n is ${input.n}" }],
    [3, "error == null ? 'none' : error.code + error.stepId"],
  ];
  if (place.inMap) inputs.push([3, { i: "${item}", at: "${index}" }], [3, "{'again': [item, index]}"]);
  if (!isSlow) inputs.push([1, "variables.v"], [1, "input.nothing.at.all"], [1, { x: "${error.code}" }]);
  const input = rarely(often(...inputs), 1);
  const task = fc.record({ ...typed("TASK"), taskId: fc.constant("work"), input, retryPolicy: rarely(retryPolicy) });
  const wait = fc.record({
    ...typed("EVENT_WAIT"),
    eventPattern: fc.constantFrom("go", "x.*", ">", "x.b"),
    eventCondition: rarely(
      fc.constantFrom(
        "payload.n == 1",
        "event.payload.n > 1",
        "payload.n > variables.v",
        "payload.n == input.n && payload.n < 4",
        place.inMap ? "payload.n == index" : "payload.n < 3",
      ),
    ),
    lookBack: rarely(fc.oneof(ms, fc.constant(0))),
    eventTimeout: fc.record({
      duration: ms,
      timeoutHandlerStepId: fc.constantFrom(undefined, ...place.ids.slice(place.at + 1)),
    }),
    eventPayloadMapping: often<Record<string, string> | undefined>(
      [4, undefined],
      [2, { v: "payload.n" }],
      [1, { v: "event.payload.missing" }],
      [1, { w: "event.type" }],
    ),
  });
  const child = fc.record({
    ...typed("WORKFLOW"),
    workflowId: fc.constant("child"),
    input,
    detach: fc.constantFrom(...(isSlow ? [undefined] : [undefined, undefined, true])),
    retryPolicy: rarely(retryPolicy, 2),
    timeout: rarely(ms),
  });
  const delay = fc.record({
    ...typed("DELAY"),
    delay: fc.oneof<fc.Arbitrary<number | string>[]>(
      ms,
      ms.map((n) => `(input.n + 1) * ${n}`),
      place.inMap ? ms.map((n) => `(index + 1) * ${n}`) : ms,
      isSlow ? ms : fc.constantFrom("'soon'", 0),
    ),
  });
  const output = often<Json | undefined>(
    [1, undefined],
    [3, "input.n"],
    [1, "input.nothing.at.all"],
    [2, { v: "${variables.v}" }],
  );
  const error = fc.constantFrom(undefined, { message: "n is ${input.n}" }, { code: "SOLD_OUT", category: "TRANSIENT" });
  const end = fc
    .record({ stepId, type: fc.constant("TERMINATE" as const), isDone: fc.boolean(), output, error })
    .map(({ isDone, output, error, ...step }) =>
      isDone ? { ...step, status: "COMPLETED", output } : { ...step, status: "FAILED", error },
    );
  const computed = fc.record({
    ...typed("TASK"),
    taskId: fc.constant("transform"),
    input: fc.constantFrom({ expression: "{'ok': input.n > 2, 'n': 1}" }, { expression: "variables.v + 1" }),
  });
  const publishing = fc.record({
    ...typed("TASK"),
    taskId: fc.constant("event.publish"),
    input: often<Json>(
      [3, { pattern: "p.${input.n}", payload: { v: "${variables.v}" } }],
      [1, { pattern: "go", payload: "input.n" }],
      [1, { pattern: "no name", payload: 1 }],
    ),
    retryPolicy: rarely(retryPolicy),
  });
  const quick = [
    { weight: 2, arbitrary: publishing },
    { weight: 1, arbitrary: end },
    { weight: 2, arbitrary: computed },
    { weight: 2, arbitrary: fc.record(typed("DECISION")) },
  ];
  return fc.oneof(
    { weight: 10, arbitrary: task },
    { weight: 3, arbitrary: wait },
    { weight: 3, arbitrary: child },
    { weight: 2, arbitrary: delay },
    ...(isSlow ? [] : quick),
    ...(place.depth === 0 ? [] : containersOf(place, base)),
  ) as fc.Arbitrary<Step>;
}

function containersOf(place: Place, base: { stepId: fc.Arbitrary<string> }) {
  const lists = (name: string, together: boolean, inMap: boolean) =>
    listOf(
      { ...place, isSlow: together || place.isSlow, inMap, depth: place.depth - 1 },
      `${place.ids[place.at]}.${name}`,
      3,
    );
  const branches = fc
    .integer({ min: 1, max: 3 })
    .chain((count) =>
      fc.tuple(
        ...["left", "__proto__", "3"]
          .slice(0, count)
          .map((branchId, i) => lists(`${i}`, count > 1, place.inMap).map((steps) => ({ branchId, steps }))),
      ),
    );
  const parallel = branches.chain((given) =>
    fc.record({
      ...base,
      type: fc.constant("PARALLEL" as const),
      branches: fc.constant(given),
      join: fc.constantFrom(undefined, "all" as const, "any" as const, given.length, Math.max(1, given.length - 1)),
      rest: fc.constantFrom(undefined, "cancel" as const, "leave" as const),
      timeout: rarely(place.ms),
    }),
  );
  const bad: [number, Json][] = place.isSlow ? [] : [[2, "[]"], [1, "input.n"], [1, "input.nothing.at.all"]]; // biome-ignore format: a table
  const map = fc.constantFrom(undefined, 1, 2).chain((maxConcurrency) =>
    fc.record({
      ...base,
      type: fc.constant("MAP" as const),
      items: often<Json>([4, "[1, 2, 3, 4]"], [4, [{ a: 1 }, "${input.n}"]], [4, "input.list"], ...bad),
      maxConcurrency: fc.constant(maxConcurrency),
      toleratedFailures: fc.constantFrom<(number | string | undefined)[]>(undefined, 0, 1, "50%", "10%", "100%"),
      steps: lists("i", maxConcurrency !== 1, true),
      timeout: rarely(place.ms),
    }),
  );
  return [
    { weight: 5, arbitrary: parallel },
    { weight: 5, arbitrary: map },
  ];
}

/** A list of 1 to `most` steps; of those that begin with others only the first. */
function listOf(place: Omit<Place, "at" | "ids">, name: string, most: number): fc.Arbitrary<Step[]> {
  return fc.integer({ min: 1, max: most }).chain((count) => {
    const ids = ["a", "b", "c", "__proto__", "e"].slice(0, count).map((id) => name + id);
    return fc.tuple(...ids.map((_, at) => stepOf({ ...place, ids, at, isSlow: place.isSlow && at === 0 })));
  });
}

/** Every step of a list, those inside of others too. */
export function allSteps(steps: readonly Step[]): Step[] {
  return steps.flatMap((step) => {
    if (step.type === "PARALLEL") return [step, ...step.branches.flatMap((branch) => allSteps(branch.steps))];
    return step.type === "MAP" ? [step, ...allSteps(step.steps)] : [step];
  });
}

const undoing = fc.array(
  fc.record({
    of: fc.nat(20),
    publishes: rarely(fc.constant("{'pattern': 'undone', 'payload': originalOutput}")),
    input: rarely(fc.constantFrom("originalOutput", "input.broken.name", "[originalInput, error]")),
    condition: rarely(
      fc.constantFrom("originalOutput.ok == true", "originalInput == 3", "input.broken.name", "error != null"),
      2,
    ),
    retryPolicy: rarely(retryPolicy, 2),
  }),
  { maxLength: 4 },
);

/** Of steps that can be undone, those that the numbers name. */
function compensationSteps(steps: Step[], given: { of: number; publishes?: Json | undefined }[]): CompensationStep[] {
  const ids = allSteps(steps).flatMap(({ stepId, type }) => (undoable.includes(type) ? stepId : []));
  if (ids.length === 0) return [];
  return given.map(({ of, publishes, ...more }, i) => ({
    stepId: `undo${i}`,
    compensationFor: ids[of % ids.length]!,
    type: "TASK",
    taskId: publishes === undefined ? "undo" : "event.publish",
    ...more,
    ...(publishes === undefined ? {} : { input: publishes }),
  }));
}
const undoable = ["TASK", "EVENT_WAIT", "WORKFLOW"];

/** `ms` gives the durations that stand in definitions. */
export function definitions(ms: fc.Arbitrary<number>): fc.Arbitrary<Definition> {
  return fc
    .record({
      steps: listOf({ depth: 2, isSlow: false, inMap: false, ms }, "", 5),
      undo: undoing,
      more: fc.record({
        timeout: rarely(
          ms.map((n) => n * 3),
          8,
        ),
        compensateOnFailure: rarely(fc.boolean()),
        output: often<Json | undefined>(
          [4, undefined],
          [3, "variables"],
          [1, "input.nowhere.at.all"],
          [1, { of: "${input.n}", v: "${variables.v}" }],
        ),
        variables: often<Definition["variables"]>(
          [1, undefined],
          [4, { v: { type: "integer", default: 0 }, w: {} }],
          [1, { w: { required: true }, v: { type: "any", default: 2 } }],
        ),
        retryPolicy: rarely(retryPolicy, 3),
        outputSchema: rarely(fc.constant<Json>({ type: ["integer", "object", "null"] }), 6),
        cancellationTriggers: often<Definition["cancellationTriggers"]>(
          [6, undefined],
          [1, [{ eventPattern: "stop", eventCondition: "payload.n > 1" }]],
          [1, [{ eventPattern: "*", eventCondition: "event.payload.n == 4", shouldCompensate: false }]],
        ),
      }),
    })
    .map(({ steps, undo, more }) => {
      const whole = { workflowId: "w", name: "w", version: "1.0.0", steps, ...more };
      return JSON.parse(JSON.stringify({ ...whole, compensationSteps: compensationSteps(steps, undo) })) as Definition;
    });
}
