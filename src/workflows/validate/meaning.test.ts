/** What a definition says beyond its shape: who sees what, children, ends, variables, limits. */
import { describe, expect, test } from "vitest";
import { decision, each, type Fields, fan, task, to, workflow } from "../../../test/support/steps.ts";
import { validateDocument } from "./validate.ts";

const errorsOf = (document: unknown) => validateDocument(document).errors;
const warningsOf = (document: unknown) => {
  const { errors, warnings } = validateDocument(document);
  expect(errors).toEqual([]);
  return warnings;
};
const places = (document: unknown) => errorsOf(document).map(({ pointer }) => pointer);

describe("what expressions see", () => {
  test("item and index are known to the steps of a MAP, at any depth, and to nobody else", () => {
    const reads = (stepId: string) => task(stepId, { input: { a: "${item.x}", b: "${index}" } });
    const inside = each("m", [fan("p", { left: [each("n", [reads("deep")])], right: [reads("beside")] })]);
    expect(errorsOf(workflow(inside))).toEqual([]);
    expect(errorsOf(workflow(each("m", [task("a")], { items: "item", outputMapping: { v: "index" } })))).toMatchObject([
      { pointer: "/steps/0/outputMapping/v", message: expect.stringContaining("only the steps of a MAP see it") },
      { pointer: "/steps/0/items", message: 'The name "item" is not known here: only the steps of a MAP see it' },
    ]);
    expect(places(workflow(fan("p", { left: [reads("a")] })))).toEqual([
      "/steps/0/branches/0/steps/0/input/a",
      "/steps/0/branches/0/steps/0/input/b",
    ]);
    expect(errorsOf(workflow(each("m", [each("n", [task("a")], { items: "item.parts" })])))).toEqual([]);
  });

  test("error is known where one is caught", () => {
    const reader = task("b", { input: { why: "${error.message}" } });
    expect(errorsOf(workflow(task("a", to("b")), reader))).toMatchObject([
      {
        pointer: "/steps/1/input/why",
        message: expect.stringContaining("no step has an onFailure or a timeout handler"),
      },
    ]);
    expect(errorsOf(workflow(task("a", { onFailure: { default: "b" } }), reader))).toEqual([]);
    const wait = {
      stepId: "a",
      type: "EVENT_WAIT",
      eventPattern: "x",
      eventTimeout: { duration: 5, timeoutHandlerStepId: "b" },
    };
    expect(errorsOf(workflow(wait, reader))).toEqual([]);
    expect(
      places({ ...workflow(task("a", { onFailure: { default: "b" } }), task("b")), output: "error.code" }),
    ).toEqual(["/output"]);
  });

  test("the conditions of onFailure see the error and no output", () => {
    const onFailure = (condition: string) =>
      workflow(task("a", { onFailure: { conditions: [{ condition, nextStep: "b" }] } }), task("b"));
    expect(errorsOf(onFailure('error.category == "TIMEOUT" && steps.a.attempt > 1'))).toEqual([]);
    expect(places(onFailure("output.ok"))).toEqual(["/steps/0/onFailure/conditions/0/condition"]);
  });

  test("a step inside a MAP is read inside it only; outside there is the MAP's own output", () => {
    const map = (more: Fields = {}) => each("m", [task("a", to("b")), task("b", { input: "steps.a.output" })], more);
    expect(errorsOf(workflow(map()))).toEqual([]);
    const outside = {
      ...workflow(map({ outputMapping: { v: "steps.a.output" }, ...to("c") }), task("c", { input: "steps.a.output" })),
      output: { all: "${steps.b.output}" },
      compensationSteps: [
        { stepId: "undo", type: "TASK", taskId: "u", compensationFor: "a", input: { b: "${steps.b.output}" } },
      ],
    };
    expect(errorsOf(outside)).toMatchObject([
      { pointer: "/output/all", expected: "steps.m.output, the list of what the items gave" },
      { pointer: "/steps/0/outputMapping/v", expected: "output, the list of what the items gave" },
      { pointer: "/steps/1/input", message: expect.stringContaining('once for each item of the MAP "m"') },
      { pointer: "/compensationSteps/0/input/b" },
    ]);
    const twice = each("outer-map", [each("n", [task("a")], to("b")), task("b", { input: "steps.a.output" })], to("c"));
    expect(errorsOf(workflow(twice, task("c", { input: "steps.a.output" })))).toMatchObject([
      { pointer: "/steps/1/input", expected: expect.stringContaining('steps["outer-map"].output') },
      { pointer: "/steps/0/steps/1/input", expected: expect.stringContaining("steps.n.output") },
    ]);
  });

  test("the order of reads is looked at over lists", () => {
    const reads = (stepId: string, read: string, more: Fields = {}) =>
      task(stepId, { input: `steps.${read}.output`, ...more });
    const document = (first: Fields, left: Fields[], last: Fields) =>
      workflow({ ...first, ...to("p") }, fan("p", { left, right: [task("r")] }, to("last")), last);
    const fine = document(task("first"), [reads("a", "first", to("b")), reads("b", "a")], reads("last", "b"));
    expect(warningsOf(fine)).toEqual([]);
    expect(warningsOf(document(reads("first", "a"), [task("a")], task("last")))).toMatchObject([
      { pointer: "/steps/0/input", message: expect.stringContaining("never runs before") },
    ]);
    expect(warningsOf(document(task("first"), [reads("a", "last")], task("last")))).toMatchObject([
      { message: expect.stringContaining("never runs before") },
    ]);
    expect(warningsOf(document(task("first"), [reads("a", "r")], task("last")))).toMatchObject([
      { message: expect.stringContaining("runs beside") },
    ]);
    expect(warningsOf(document(task("first"), [reads("a", "p")], task("last")))).toMatchObject([
      { message: expect.stringContaining("never runs before") },
    ]);
    const own = fan("p", { left: [task("a")] }, { outputMapping: { v: "steps.a.output" } });
    expect(warningsOf(workflow(own))).toEqual([]);
  });

  test("the key of a concurrency limit sees the input and the instance", () => {
    const key = (text: string) => ({ ...workflow(task("a")), concurrency: [{ limit: 1, key: text }] });
    expect(errorsOf(key("input.customer + instance.correlationId"))).toEqual([]);
    for (const text of ["variables.v", "steps.a.output", "error.code", "1 +"]) {
      expect(places(key(text))).toEqual(["/concurrency/0/key"]);
    }
  });
});

describe("children and ends", () => {
  test("a workflow that always starts itself again is doubted", () => {
    const self = (more: Fields = {}) => ({ stepId: "again", type: "WORKFLOW", workflowId: "w", ...more });
    expect(warningsOf(workflow(self()))).toMatchObject([{ pointer: "/steps/0/workflowId" }]);
    expect(warningsOf(workflow(task("a", to("again")), self()))).toMatchObject([{ pointer: "/steps/1/workflowId" }]);
    const transitions = { default: "end", conditions: [{ condition: "input.more", nextStep: "again" }] };
    expect(warningsOf(workflow({ stepId: "a", type: "DECISION", transitions }, self(), task("end")))).toEqual([]);
    expect(warningsOf(workflow(self({ workflowId: "other" })))).toEqual([]);
  });

  test("what has no effect on a detached child is doubted", () => {
    const child = { stepId: "c", type: "WORKFLOW", workflowId: "c", timeout: 5, retryPolicy: {} };
    expect(warningsOf(workflow(child))).toEqual([]);
    expect(warningsOf(workflow({ ...child, detach: true }))).toMatchObject([
      { pointer: "/steps/0/timeout" },
      { pointer: "/steps/0/retryPolicy" },
    ]);
  });

  test.each(["p", "m", "d", "e", "z"])("the step %s has nothing of its own to undo", (compensationFor) => {
    const document = {
      ...workflow(
        fan("p", { left: [task("a")] }, to("m")),
        each("m", [task("b")], to("d")),
        decision("d", "z"),
        { stepId: "z", type: "DELAY", delay: 1, ...to("e") },
        { stepId: "e", type: "TERMINATE", status: "COMPLETED" },
      ),
      compensationSteps: [{ stepId: "undo", type: "TASK", taskId: "u", compensationFor }],
    };
    expect(errorsOf(document)).toMatchObject([
      { pointer: "/compensationSteps/0/compensationFor", expected: "a TASK, EVENT_WAIT or WORKFLOW step" },
    ]);
  });
});

describe("variables", () => {
  const declared = (variables: unknown) => ({
    ...workflow(task("a", { outputMapping: { totl: "output" }, ...to("w") }), {
      stepId: "w",
      type: "EVENT_WAIT",
      eventPattern: "x",
      eventPayloadMapping: { total: "payload", other: "payload" },
    }),
    variables,
  });

  test("one that a mapping sets and nobody declared is doubted once some are declared", () => {
    expect(warningsOf(declared({}))).toEqual([]);
    expect(warningsOf(declared({ total: { type: "number", required: true } }))).toEqual([
      {
        pointer: "/steps/0/outputMapping/totl",
        message: 'The variable "totl" is not declared',
        expected: '"total" ("total")',
      },
      { pointer: "/steps/1/eventPayloadMapping/other", message: expect.any(String), expected: '"total"' },
    ]);
  });

  test.each<[string, unknown]>([
    ["string", 1],
    ["number", "1"],
    ["integer", 1.5],
    ["boolean", "true"],
    ["object", []],
    ["array", {}],
    ["string", null],
  ])("the default of a %s cannot be %j", (type, value) => {
    const variables = { totl: { type, default: value }, total: {}, other: {} };
    expect(places(declared(variables))).toEqual(["/variables/totl/default"]);
  });
});

describe("the workflow's own retry and retention", () => {
  test.each<[string, Fields]>([
    ["/retryPolicy/maxAttempts", { retryPolicy: { maxAttempts: 0 } }],
    ["/retryPolicy/initialInterval", { retryPolicy: { initialInterval: "soon" } }],
    ["/retention", { retention: 0 }],
    ["/retention", { retention: "P1M" }],
    ["/concurrency/0/limit", { concurrency: [{ limit: 1_000_001 }] }],
    ["/concurrency/0/key", { concurrency: [{ limit: 1, key: "" }] }],
    ["/concurrency", { concurrency: Array(11).fill({ limit: 1 }) }],
  ])("%s is refused in %j", (pointer, fields) => {
    expect(places({ ...workflow(task("a")), ...fields })).toEqual([pointer]);
  });
});
