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
const step = fc.record(
  {
    stepId,
    type: fc.constantFrom<unknown>("TASK", "DECISION", "EVENT_WAIT", "DELAY", "DELAYED_TASK", "MAP", 5),
    taskId: fc.constantFrom<unknown>("t", "transform", ""),
    input: fc.oneof(expression, fc.jsonValue({ maxDepth: 2 }), fc.record({ expression })),
    transitions,
    next: fc.oneof(
      fc.array(fc.record({ nextStepId: stepId, condition: expression }, { requiredKeys: [] }), { maxLength: 3 }),
      fc.jsonValue(),
    ),
    retryPolicy,
    timeout: duration,
    eventPattern: fc.constantFrom("a.b", "a..b", ">", "*.>"),
    eventCondition: expression,
    eventTimeout: fc.record({ duration, timeoutHandlerStepId: stepId }, { requiredKeys: [] }),
    eventPayloadMapping: fc.dictionary(fc.constantFrom("v", "a-b", ""), expression),
    outputMapping: fc.dictionary(fc.constantFrom("v", "1"), expression),
    delay: duration,
    until: fc.constantFrom("2030-01-01T00:00:00Z", "2030", "input.at"),
    onFailure: fc.jsonValue({ maxDepth: 1 }),
  },
  { requiredKeys: ["stepId", "type"] },
);
const document: fc.Arbitrary<Fields> = fc.record(
  {
    workflowId: fc.constantFrom("w", "a/b"),
    name: fc.constantFrom<unknown>("n", "", 1),
    version: fc.constantFrom("1.0.0", "1", "1.0.0-rc.1+b"),
    steps: fc.array(step, { maxLength: 5 }),
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
    fc.property(fc.oneof(mutated, document, plausible, fc.jsonValue()), (given) => {
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
    { numRuns: 2_000 },
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

test.each([
  ["taskID", "taskId"],
  ["tsakId", "taskId"],
  ["timeout ", "timeout"],
  ["completely-different", undefined],
])("the nearest name to %j is %j", (name, expected) => {
  expect(nearest(name, ["stepId", "taskId", "timeout"])).toBe(expected);
});
