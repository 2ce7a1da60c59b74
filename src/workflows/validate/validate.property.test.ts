/** Random documents: whatever is given, the validator answers, and what it answers can be trusted. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { compile } from "../../engine/index.ts";
import { validateDefinition } from "../operations.ts";
import { findLoops } from "./loops.ts";
import { nearest } from "./nearest.ts";
import { parsePointer, valueAt } from "./pointer.ts";

type Fields = Record<string, unknown>;

const stepId = fc.constantFrom("a", "b", "c", "reserve-stock", "x.y");
const expression = fc.constantFrom(
  "input.a == 1",
  "steps.a.output",
  'steps["reserve-stock"].output.ok',
  "steps.reserve-stock.output",
  "1 +",
  "event.payload.x",
  "nope.x",
  "",
);
const duration = fc.constantFrom<unknown>(1000, "PT5S", "P1M", "", 0, -1, null, "x");
const transitions = fc.record(
  { default: stepId, conditions: fc.array(fc.record({ condition: expression, nextStep: stepId }), { maxLength: 3 }) },
  { requiredKeys: [] },
);
const retryPolicy = fc.record(
  {
    maxAttempts: fc.constantFrom<unknown>(3, 0, "3"),
    maxRetries: fc.constantFrom<unknown>(1, "1"),
    delay: duration,
    strategy: fc.constantFrom<unknown>("fixed", "exponential", "x", 1),
    initialInterval: duration,
  },
  { requiredKeys: [] },
);
const onFailure = fc.oneof(
  transitions,
  stepId,
  fc.record(
    {
      action: fc.constantFrom<unknown>("continue", "stop", "retry", "x"),
      nextStepId: fc.oneof(stepId, fc.constant(null)),
      handlerStepId: stepId,
      errorHandler: fc.record({
        conditions: fc.array(
          fc.record(
            { errorType: fc.constantFrom<unknown>("TIMEOUT", 5), errorCode: fc.constant("X"), nextStepId: stepId },
            { requiredKeys: [] },
          ),
          { maxLength: 2 },
        ),
      }),
    },
    { requiredKeys: [] },
  ),
  fc.jsonValue({ maxDepth: 1 }),
);
const plainFields = {
  stepId,
  type: fc.constantFrom<unknown>(
    ...["TASK", "DECISION", "EVENT_WAIT", "DELAY", "DELAYED_TASK", "PARALLEL", "MAP", "WORKFLOW", "TERMINATE"],
    "X",
    5,
  ),
  taskId: fc.constantFrom<unknown>("t", "transform", ""),
  input: fc.oneof(expression, fc.jsonValue({ maxDepth: 2 }), fc.record({ expression })),
  transitions,
  next: fc.oneof(
    fc.array(fc.record({ nextStepId: stepId, condition: expression }, { requiredKeys: [] }), { maxLength: 3 }),
    fc.jsonValue({ maxDepth: 2 }),
  ),
  retryPolicy,
  timeout: duration,
  eventPattern: fc.constantFrom("a.b", "a..b", ">", "*.>"),
  eventCondition: expression,
  lookBack: duration,
  eventTimeout: fc.record({ duration, timeoutHandlerStepId: stepId }, { requiredKeys: [] }),
  eventPayloadMapping: fc.dictionary(fc.constantFrom("v", "a-b", ""), expression),
  outputMapping: fc.dictionary(fc.constantFrom("v", "1"), expression),
  delay: duration,
  until: fc.constantFrom("2030-01-01T00:00:00Z", "2030", "input.at"),
  onFailure,
  join: fc.constantFrom<unknown>("all", "any", 0, 1, 5, "x"),
  rest: fc.constantFrom<unknown>("leave", "cancel", 1),
  items: fc.oneof(expression, fc.constantFrom<unknown>("[1]", "1", 5, []), fc.jsonValue({ maxDepth: 1 })),
  maxConcurrency: fc.constantFrom<unknown>(1, 0, "1"),
  toleratedFailures: fc.constantFrom<unknown>(1, "10%", "200%", -1),
  workflowId: fc.constantFrom<unknown>("w", "a/b", 1),
  version: fc.constantFrom<unknown>("1.0.0", "1"),
  detach: fc.constantFrom<unknown>(true, "yes"),
  status: fc.constantFrom<unknown>("COMPLETED", "FAILED", "X"),
  output: expression,
  error: fc.jsonValue({ maxDepth: 1 }),
};
const { step } = fc.letrec<{ step: Fields; list: unknown; branches: unknown }>((tie) => ({
  step: fc.record(
    { ...plainFields, branches: tie("branches"), parallelBranches: tie("branches"), steps: tie("list") },
    { requiredKeys: ["stepId", "type"] },
  ),
  list: fc.oneof(
    { maxDepth: 2, depthIdentifier: "steps" },
    fc.constantFrom<unknown>([], "x"),
    fc.array(tie("step"), { maxLength: 2 }),
  ),
  branches: fc.oneof(
    { maxDepth: 2, depthIdentifier: "steps" },
    fc.constantFrom<unknown>([], [5]),
    fc.array(fc.record({ branchId: stepId, steps: tie("list") }, { requiredKeys: [] }), { maxLength: 2 }),
  ),
}));
const document: fc.Arbitrary<Fields> = fc.record(
  {
    workflowId: fc.constantFrom("w", "a/b"),
    name: fc.constantFrom<unknown>("n", "", 1),
    version: fc.constantFrom("1.0.0", "1", "1.0.0-rc.1+b"),
    steps: fc.array(step, { maxLength: 3 }),
    inputSchema: fc.oneof(fc.jsonValue({ maxDepth: 2 }), fc.constant({ type: "object" })),
    output: fc.oneof(expression, fc.jsonValue({ maxDepth: 2 })),
    variables: fc.dictionary(
      fc.constantFrom("v", "1"),
      fc.record(
        { type: fc.constantFrom("string", "integer", "x"), default: fc.jsonValue({ maxDepth: 1 }) },
        { requiredKeys: [] },
      ),
    ),
    compensationSteps: fc.array(
      fc.record(
        {
          stepId,
          type: fc.constant("TASK"),
          taskId: fc.constant("u"),
          compensationFor: stepId,
          condition: expression,
          retryPolicy,
        },
        { requiredKeys: ["stepId"] },
      ),
      { maxLength: 2 },
    ),
    cancellationTriggers: fc.jsonValue({ maxDepth: 2 }),
    timeout: duration,
    retention: duration,
    retryPolicy,
    concurrency: fc.oneof(
      fc.record({ limit: fc.constantFrom<unknown>(1, 0), key: expression }, { requiredKeys: [] }),
      fc.jsonValue({ maxDepth: 2 }),
    ),
  },
  { requiredKeys: ["workflowId", "name", "steps"] },
);

/** Documents whose parts are mostly right: one to four steps in a line, with a fault here and there. */
const rightExpression = fc.constantFrom(
  "input.a == 1",
  "has(input.b)",
  "variables.v == 'x' && true",
  "steps.s0.output == null",
  "1 +",
);
const body: fc.Arbitrary<Fields> = fc.oneof(
  fc.record(
    {
      type: fc.constant("TASK"),
      taskId: fc.constant("t"),
      input: fc.oneof(rightExpression, fc.jsonValue({ maxDepth: 2 })),
      timeout: fc.constantFrom<unknown>(5, "PT5S", "P1M"),
      retryPolicy,
    },
    { requiredKeys: ["type", "taskId"] },
  ),
  fc.record({
    type: fc.constant("TASK"),
    taskId: fc.constant("transform"),
    input: fc.record({ expression: rightExpression }),
  }),
  fc.record({ type: fc.constant("DECISION") }),
  fc.record({
    type: fc.constantFrom("DELAY", "DELAYED_TASK"),
    delay: fc.constantFrom<unknown>(0, "PT1S", "10", "p1d", "variables.pause", "P1Y"),
  }),
  fc.record({
    type: fc.constant("DELAY"),
    until: fc.constantFrom("2030-01-01T00:00:00Z", "2030-02-31T00:00Z", "2030-13-01T00:00:00Z", "2030", "input.at"),
  }),
  fc.record(
    {
      type: fc.constant("EVENT_WAIT"),
      eventPattern: fc.constantFrom("a", "a.*", ">", "a.>"),
      eventCondition: fc.constantFrom("event.payload.a == input.a", "payload.b"),
      lookBack: fc.constantFrom<unknown>(0, "PT0S", "P1D"),
      eventTimeout: fc.record(
        { duration: fc.constantFrom<unknown>(1, "PT1S"), timeoutHandlerStepId: fc.constant("s0") },
        { requiredKeys: ["duration"] },
      ),
      eventPayloadMapping: fc.dictionary(
        fc.constantFrom("v", "w"),
        fc.constantFrom("$.a.b", "payload.a", "event.type"),
      ),
    },
    { requiredKeys: ["type", "eventPattern"] },
  ),
);
const plausible: fc.Arbitrary<Fields> = fc
  .array(
    fc.tuple(
      body,
      fc.array(rightExpression, { maxLength: 2 }),
      fc.dictionary(fc.constantFrom("v", "w"), fc.constant("output")),
    ),
    { minLength: 1, maxLength: 4 },
  )
  .map((bodies) => ({
    workflowId: "w",
    name: "W",
    steps: bodies.map(([fields, conditions, outputMapping], i) => {
      const next = `s${i + 1}`;
      const transitions = { default: next, conditions: conditions.map((condition) => ({ condition, nextStep: next })) };
      return { stepId: `s${i}`, ...fields, outputMapping, ...(i + 1 < bodies.length ? { transitions } : {}) };
    }),
  }));

/** As `plausible`, with steps inside steps: every list is a line, and ids are numbered over all of it. */
const { list: nested } = fc.letrec<{ list: Fields[]; body: Fields }>((tie) => ({
  body: fc.oneof(
    { maxDepth: 3, depthIdentifier: "nested" },
    body,
    fc.record(
      {
        type: fc.constant("PARALLEL"),
        branches: fc
          .array(tie("list"), { minLength: 1, maxLength: 3 })
          .map((lists) => lists.map((steps, i) => ({ branchId: `b${i}`, steps }))),
        join: fc.constantFrom<unknown>("all", "any", 1, 2),
        rest: fc.constantFrom("cancel", "leave"),
        timeout: fc.constantFrom<unknown>(5, "P1D"),
      },
      { requiredKeys: ["type", "branches"] },
    ),
    fc.record(
      {
        type: fc.constant("MAP"),
        items: fc.constantFrom<unknown>("input.list", "[1, 2]", ["a", "${input.b}"], "5"),
        steps: tie("list"),
        maxConcurrency: fc.constantFrom(1, 1_000),
        toleratedFailures: fc.constantFrom<unknown>(0, "0.5%"),
      },
      { requiredKeys: ["type", "items", "steps"] },
    ),
    fc.record(
      {
        type: fc.constant("WORKFLOW"),
        workflowId: fc.constantFrom("w", "x"),
        detach: fc.boolean(),
        input: rightExpression,
      },
      { requiredKeys: ["type", "workflowId"] },
    ),
  ),
  list: fc.array(tie("body"), { minLength: 1, maxLength: 3 }),
}));
const end: fc.Arbitrary<Fields> = fc.oneof(
  fc.record({ type: fc.constant("TERMINATE"), status: fc.constant("COMPLETED"), output: rightExpression }),
  fc.record({
    type: fc.constant("TERMINATE"),
    status: fc.constant("FAILED"),
    error: fc.record({ code: fc.constant("X"), details: fc.jsonValue({ maxDepth: 2 }) }, { requiredKeys: [] }),
  }),
);
const plausiblyNested: fc.Arbitrary<Fields> = fc.tuple(nested, end).map(([steps, last]) => {
  let count = 0;
  const linked = (list: Fields[]): Fields[] => {
    const ids = list.map(() => `s${count++}`);
    return list.map((fields, i) => ({
      ...fields,
      stepId: ids[i],
      ...(fields.eventTimeout === undefined ? {} : { eventTimeout: { duration: 1, timeoutHandlerStepId: ids[0] } }),
      ...(Array.isArray(fields.steps) ? { steps: linked(fields.steps) } : {}),
      ...(Array.isArray(fields.branches)
        ? {
            branches: fields.branches.map((branch: Fields) => ({ ...branch, steps: linked(branch.steps as Fields[]) })),
          }
        : {}),
      ...(i + 1 < ids.length ? { transitions: { default: ids[i + 1] }, onFailure: { default: ids[i + 1] } } : {}),
    }));
  };
  return { workflowId: "w", name: "W", steps: linked([...steps, last]) };
});

/** A document with one value somewhere replaced or taken out. */
const mutated = fc
  .tuple(document, fc.array(fc.nat(20), { maxLength: 5 }), fc.option(fc.jsonValue()))
  .map(([whole, turns, value]) => {
    const copy = structuredClone(whole);
    let place: unknown = copy;
    for (const turn of turns) {
      if (typeof place !== "object" || place === null) break;
      const keys = Object.keys(place);
      const key = keys[turn % Math.max(1, keys.length)];
      if (key === undefined) break;
      const child: unknown = Reflect.get(place, key);
      if (turn === turns.at(-1) || typeof child !== "object" || child === null) {
        if (value === null) Reflect.deleteProperty(place, key);
        else Reflect.set(place, key, value);
        break;
      }
      place = child;
    }
    return copy;
  });

test("the validator never throws, and gives a document or at least one error whose place exists", () => {
  fc.assert(
    fc.property(fc.oneof(mutated, document, plausible, plausiblyNested, fc.jsonValue()), (given) => {
      const before = structuredClone(given);
      const { document: accepted, errors, warnings } = validateDefinition(given);
      expect(given).toEqual(before);
      expect(accepted === undefined).toBe(errors.length > 0);
      for (const { pointer, message } of [...errors, ...warnings]) {
        expect(message).not.toBe("");
        const path = parsePointer(pointer);
        expect(
          valueAt(given, path).found || valueAt(given, path.slice(0, -1)).found,
          `${pointer} in ${JSON.stringify(given)}`,
        ).toBe(true);
      }
    }),
    { numRuns: 1_000 },
  );
});

test("what was accepted is accepted again, unchanged, and the engine can compile it", () => {
  fc.assert(
    fc.property(plausible, (given) => {
      const { document: accepted } = validateDefinition(given);
      fc.pre(accepted !== undefined);
      if (accepted === undefined) return;
      expect(validateDefinition(JSON.parse(JSON.stringify(accepted))).document).toEqual(accepted);
      const program = compile({ ...accepted, version: "1.0.0" }, { definitionId: "d", namespace: "n" });
      expect([...program.steps.keys()]).toEqual(accepted.steps.map((step) => step.stepId));
    }),
    { numRuns: 300 },
  );
});

test("what was accepted is accepted again, unchanged, with steps inside steps too", () => {
  let accepted = 0;
  fc.assert(
    fc.property(plausiblyNested, (given) => {
      const { document: whole } = validateDefinition(given);
      if (whole === undefined) return;
      accepted++;
      expect(validateDefinition(JSON.parse(JSON.stringify(whole)))).toMatchObject({ document: whole, errors: [] });
    }),
    { numRuns: 500 },
  );
  expect(accepted).toBeGreaterThan(50);
});

test("the loops found are those of a search from every node", () => {
  const node = fc.constantFrom("a", "b", "c", "d", "e");
  fc.assert(
    fc.property(fc.dictionary(node, fc.array(node, { maxLength: 3 })), (edges) => {
      const follows = new Map(Object.entries(edges));
      const reaches = (from: string, to: string, seen = new Set<string>()): boolean =>
        (follows.get(from) ?? []).some((next) => next === to || (!seen.has(next) && reaches(next, to, seen.add(next))));
      const onLoop = [...follows.keys()].filter((name) => reaches(name, name)).sort();
      const loops = findLoops(follows);
      expect(loops.flat().sort()).toEqual(onLoop);
      for (const loop of loops) for (const a of loop) for (const b of loop) expect(reaches(a, b)).toBe(true);
    }),
    { numRuns: 2_000 },
  );
});

test("a name is suggested exactly when few changes lead to it, whichever part of the table they are in", () => {
  /** The whole table of optimal string alignment. */
  const distance = (a: string, b: string): number => {
    const table = Array.from({ length: a.length + 1 }, (_, i) => Array.from({ length: b.length + 1 }, (_, j) => i + j));
    for (let i = 1; i <= a.length; i++) {
      for (let j = 1; j <= b.length; j++) {
        const swapped =
          i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1] ? table[i - 2]![j - 2]! + 1 : 99;
        const replaced = table[i - 1]![j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
        table[i]![j] = Math.min(swapped, replaced, table[i - 1]![j]! + 1, table[i]![j - 1]! + 1);
      }
    }
    return table[a.length]![b.length]!;
  };
  const word = fc.string({ unit: fc.constantFrom("a", "b", "c"), maxLength: 12 });
  fc.assert(
    fc.property(word, word, (name, known) => {
      const most = Math.min(3, Math.floor(name.length / 3) + 1);
      expect(nearest(name, [known])).toBe(distance(name, known) <= most ? known : undefined);
    }),
    { numRuns: 3_000 },
  );
});

test.each([
  ["taskID", "taskId"],
  ["tsakId", "taskId"],
  ["timeout ", "timeout"],
  ["completely-different", undefined],
])("the nearest name to %j is %j", (name, expected) => {
  expect(nearest(name, ["stepId", "taskId", "timeout"])).toBe(expected);
});
