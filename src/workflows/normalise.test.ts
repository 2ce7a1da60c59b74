import { describe, expect, test } from "vitest";
import { normaliseDocument } from "./normalise.ts";
import { validateDefinition } from "./operations.ts";

type Fields = Record<string, unknown>;

const workflow = (...steps: Fields[]): Fields => ({ workflowId: "w", name: "W", steps });
const task = (stepId: string, more: Fields = {}): Fields => ({ stepId, type: "TASK", taskId: "t", ...more });
const stepsOf = (document: Fields) => (normaliseDocument(document).document as { steps: Fields[] }).steps;
const places = (document: unknown) => validateDefinition(document).errors.map(({ pointer }) => pointer);

test("a canonical document is handed on as it is", () => {
  const document = workflow(task("a", { transitions: { default: "b" } }), task("b"));
  expect(normaliseDocument(document)).toMatchObject({ document, errors: [] });
});

test("what was given is not changed", () => {
  const document = workflow(task("a", { next: [{ nextStepId: "b" }], retryPolicy: { maxRetries: 2 } }), task("b"));
  const before = structuredClone(document);
  normaliseDocument(document);
  expect(document).toEqual(before);
});

describe("next", () => {
  test("becomes transitions, the entry without a condition their default", () => {
    const next = [{ nextStepId: "b", condition: "input.ok" }, { nextStepId: "c" }];
    expect(stepsOf(workflow(task("a", { next }), task("b"), task("c")))[0]).toEqual(
      task("a", { transitions: { default: "c", conditions: [{ condition: "input.ok", nextStep: "b" }] } }),
    );
  });

  test("an empty one, and an empty default, end the workflow", () => {
    expect(validateDefinition(workflow(task("a", { next: [] }))).document?.steps[0]).toEqual(
      task("a", { transitions: {} }),
    );
    expect(validateDefinition(workflow(task("a", { transitions: { default: "" } }))).errors).toEqual([]);
    expect(validateDefinition(workflow(task("a", { transitions: null }))).errors).toEqual([]);
  });

  test("faults are told where they stand in the document that was given", () => {
    const next = [{ nextStepId: "b", condition: "1 +" }, { nextStepId: "nope" }];
    expect(places(workflow(task("a", { next }), task("b")))).toEqual([
      "/steps/0/next/1/nextStepId",
      "/steps/0/next/0/condition",
    ]);
  });

  test.each([
    [{ next: "b" }, "/steps/0/next"],
    [{ next: [{}] }, "/steps/0/next/0"],
    [{ next: [{ nextStepId: "b" }, { nextStepId: "b" }] }, "/steps/0/next/1"],
    [{ next: [{ nextStepId: "b" }], transitions: { default: "b" } }, "/steps/0/next"],
  ])("%j is refused", (more, pointer) => {
    expect(places(workflow(task("a", more), task("b", { next: [{ nextStepId: "a" }] })))).toContain(pointer);
  });
});

describe("retry policies", () => {
  const policyOf = (retryPolicy: Fields) => stepsOf(workflow(task("a", { retryPolicy })))[0]?.retryPolicy;

  test.each<[Fields, Fields]>([
    [
      { maxAttempts: 4, delay: "PT2S", strategy: "exponential" },
      { maxAttempts: 4, initialInterval: "PT2S" },
    ],
    [
      { maxAttempts: 4, delay: "PT2S", strategy: "fixed" },
      { maxAttempts: 4, initialInterval: "PT2S", backoffMultiplier: 1, jitter: 0, maxInterval: "PT2S" },
    ],
    [
      { maxRetries: 2, retryInterval: 500, backoffMultiplier: 3, maxRetryInterval: 9_000, retryableErrors: ["X"] },
      { maxAttempts: 3, initialInterval: 500, backoffMultiplier: 3, maxInterval: 9_000, retryableErrors: ["X"] },
    ],
    [{ delay: "PT5M" }, { initialInterval: "PT5M", maxInterval: "PT5M" }],
  ])("%j becomes %j", (given, canonical) => {
    expect(policyOf(given)).toEqual(canonical);
    expect(places(workflow(task("a", { retryPolicy: given })))).toEqual([]);
  });

  test("faults of the other spelling are told under its names", () => {
    expect(places(workflow(task("a", { retryPolicy: { maxRetries: -1, retryInterval: "soon" } })))).toEqual([
      "/steps/0/retryPolicy/maxRetries",
      "/steps/0/retryPolicy/retryInterval",
    ]);
    expect(places(workflow(task("a", { retryPolicy: { strategy: "random" } })))).toEqual([
      "/steps/0/retryPolicy/strategy",
    ]);
  });

  test("two names for one thing are refused", () => {
    expect(places(workflow(task("a", { retryPolicy: { maxRetries: 1, maxAttempts: 2 } })))).toEqual([
      "/steps/0/retryPolicy/maxRetries",
    ]);
  });

  test("those of compensation steps are read as well", () => {
    const undo = { ...task("undo", { retryPolicy: { maxRetries: 1 } }), compensationFor: "a" };
    const { document } = validateDefinition({ ...workflow(task("a")), compensationSteps: [undo] });
    expect(document?.compensationSteps?.[0]?.retryPolicy).toEqual({ maxAttempts: 2 });
  });
});

describe("delayed tasks", () => {
  test("one without a task is a delay", () => {
    const document = workflow(
      { stepId: "a", type: "DELAYED_TASK", delay: "PT5S", next: [{ nextStepId: "b" }] },
      task("b"),
    );
    expect(stepsOf(document)[0]).toEqual({ stepId: "a", type: "DELAY", delay: "PT5S", transitions: { default: "b" } });
  });

  test("one with a task becomes a delay and the task, and whoever leads to it leads to the delay", () => {
    const delayedTask = task("b", { type: "DELAYED_TASK", delay: "PT5S", next: [{ nextStepId: "a" }] });
    const document = workflow(task("a", { next: [{ nextStepId: "b" }] }), delayedTask);
    expect(stepsOf(document)).toEqual([
      task("a", { transitions: { default: "b.delay" } }),
      { stepId: "b.delay", type: "DELAY", delay: "PT5S", transitions: { default: "b" } },
      task("b", { transitions: { default: "a" } }),
    ]);
  });

  test("the places after it are told as they were given", () => {
    const delayedTask = task("a", { type: "DELAYED_TASK", delay: "soon", next: [{ nextStepId: "b" }] });
    const last = task("b", { timeout: 0 });
    expect(places(workflow(delayedTask, last))).toEqual(["/steps/0/delay", "/steps/1/timeout"]);
  });
});

describe("what is not supported", () => {
  test.each([
    [{ parallelBranches: [] }, "/steps/0/parallelBranches"],
    [{ onFailure: { action: "continue" } }, "/steps/0/onFailure"],
  ])("%j is refused in words and once", (more, pointer) => {
    const { errors } = validateDefinition(workflow(task("a", more)));
    expect(errors).toMatchObject([
      { pointer, message: expect.stringContaining("not supported"), expected: expect.any(String) },
    ]);
  });

  test.each(["PARALLEL", "MAP", "WORKFLOW", "TERMINATE"])(
    "the step type %s is refused with those that are known",
    (type) => {
      expect(validateDefinition(workflow({ stepId: "a", type })).errors).toMatchObject([
        { pointer: "/steps/0/type", expected: expect.stringContaining('"TASK", "DECISION", "EVENT_WAIT", "DELAY"') },
      ]);
    },
  );
});
