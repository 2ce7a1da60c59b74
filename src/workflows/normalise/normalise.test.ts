import { describe, expect, test } from "vitest";
import { validateDefinition } from "../operations.ts";
import { normaliseDocument } from "./normalise.ts";

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

describe("parallel branches", () => {
  test("make a step a PARALLEL, and their steps are read as well", () => {
    const parallelBranches = [
      { branchId: "left", steps: [task("a", { next: [{ nextStepId: "b" }] }), task("b")] },
      { branchId: "right", steps: [task("c", { retryPolicy: { maxRetries: 1 } })] },
    ];
    const given = workflow({ stepId: "fan", parallelBranches, next: [{ nextStepId: "end" }] }, task("end"));
    const { document, errors } = validateDefinition(given);
    expect(errors).toEqual([]);
    expect(document?.steps[0]).toEqual({
      stepId: "fan",
      type: "PARALLEL",
      branches: [
        { branchId: "left", steps: [task("a", { transitions: { default: "b" } }), task("b")] },
        { branchId: "right", steps: [task("c", { retryPolicy: { maxAttempts: 2 } })] },
      ],
      transitions: { default: "end" },
    });
    expect(validateDefinition(structuredClone(document)).document).toEqual(document);
  });

  test("whatever the step is called, and an empty list on another step says nothing", () => {
    const parallelBranches = [{ branchId: "left", steps: [task("a")] }];
    expect(stepsOf(workflow({ stepId: "fan", type: "TASK", parallelBranches }))[0]).toMatchObject({ type: "PARALLEL" });
    expect(stepsOf(workflow(task("a", { parallelBranches: [] })))[0]).toEqual(task("a"));
    expect(stepsOf(workflow(task("a", { parallelBranches: null })))[0]).toEqual(task("a"));
    expect(places(workflow({ stepId: "fan", type: "PARALLEL", parallelBranches: [] }))).toEqual([
      "/steps/0/parallelBranches",
    ]);
  });

  test("faults inside are told where they were written, behind a delayed task too", () => {
    const inner = [
      task("late", { type: "DELAYED_TASK", delay: "PT1S", next: [{ nextStepId: "b" }] }),
      task("b", { timeout: 0, next: [{ nextStepId: "nope" }] }),
    ];
    const fan = { stepId: "fan", parallelBranches: [{ branchId: "left", steps: inner }] };
    const first = task("first", { type: "DELAYED_TASK", delay: "PT1S", next: [{ nextStepId: "fan" }] });
    expect(places(workflow(first, fan))).toEqual([
      "/steps/1/parallelBranches/0/steps/1/next/0/nextStepId",
      "/steps/1/parallelBranches/0/steps/1/timeout",
    ]);
  });

  test("together with branches they are refused", () => {
    const branches = [{ branchId: "left", steps: [task("a")] }];
    expect(
      places(workflow({ stepId: "fan", type: "PARALLEL", branches, parallelBranches: [{ branchId: "x", steps: [] }] })),
    ).toEqual(["/steps/0/parallelBranches"]);
  });

  test("a delayed task inside a list is led to from that list, on failure too", () => {
    const late = task("late", { type: "DELAYED_TASK", delay: "PT1S" });
    const each = { stepId: "each", type: "MAP", items: "input.list", steps: [task("a", { onFailure: "late" }), late] };
    const [step] = validateDefinition(workflow(each)).document?.steps ?? [];
    expect(step).toMatchObject({
      steps: [
        { stepId: "a", onFailure: { default: "late.delay" } },
        { stepId: "late.delay", transitions: { default: "late" } },
        { stepId: "late" },
      ],
    });
  });
});

describe("onFailure", () => {
  const failureOf = (onFailure: unknown, more: Fields = {}) =>
    stepsOf(workflow(task("a", { onFailure, ...more }), task("b"), task("c")))[0]?.onFailure;
  const follows = { transitions: { default: "b" } };

  test.each<[unknown, Fields, unknown]>([
    ["b", {}, { default: "b" }],
    [{ handlerStepId: "b" }, {}, { default: "b" }],
    [{ nextStepId: "b" }, {}, { default: "b" }],
    [{ action: "continue", nextStepId: "c" }, follows, { default: "c" }],
    [{ action: "continue" }, follows, { default: "b" }],
    [{ action: "continue" }, { next: [{ nextStepId: "b" }] }, { default: "b" }],
    [{ action: "stop" }, follows, undefined],
    [{ action: "retry" }, follows, undefined],
    [{ action: "stop", nextStepId: null, errorHandler: null }, {}, undefined],
    [
      {
        action: "continue",
        nextStepId: "b",
        errorHandler: {
          conditions: [
            { errorType: "TIMEOUT", nextStepId: "b" },
            { errorCode: 'CARD "X"', nextStepId: "c" },
            { errorType: "BUSINESS", errorCode: "DECLINED", nextStepId: "c" },
            { nextStepId: "b" },
          ],
        },
      },
      {},
      {
        default: "b",
        conditions: [
          { condition: 'error.category == "TIMEOUT"', nextStep: "b" },
          { condition: 'error.code == "CARD \\"X\\""', nextStep: "c" },
          { condition: 'error.category == "BUSINESS" && error.code == "DECLINED"', nextStep: "c" },
          { condition: "true", nextStep: "b" },
        ],
      },
    ],
    [{ default: "", conditions: [] }, {}, { conditions: [] }],
    [null, {}, undefined],
  ])("%j of a step with %j becomes %j", (onFailure, more, canonical) => {
    expect(failureOf(onFailure, more)).toEqual(canonical);
  });

  test("what became canonical is accepted and stays as it is", () => {
    const conditions = [{ errorType: "TIMEOUT", nextStepId: "b" }];
    const given = workflow(task("a", { onFailure: { action: "stop", errorHandler: { conditions } } }), task("b"));
    const { document, errors } = validateDefinition(given);
    expect(errors).toEqual([]);
    expect(validateDefinition(structuredClone(document)).document).toEqual(document);
  });

  test.each<[unknown, string, string | RegExp]>([
    [{ action: "continue" }, "/action", "a nextStepId"],
    [{ action: "contineu", nextStepId: "b" }, "/action", /^"continue"/],
    [{ action: 5 }, "/action", /"retry"/],
    [{ action: "stop", nextStepId: "b" }, "/nextStepId", /continue/],
    [{ action: "retry", handlerStepId: "b" }, "/handlerStepId", /continue/],
    [{ nextStepId: "b", handlerStepId: "b" }, "/handlerStepId", "one of them"],
    [{ handlerStepId: "b", inputMapping: { a: "b" } }, "/inputMapping", /handler step, which sees error/],
    [{ action: "stop", onError: 1 }, "/onError", /"action"/],
    [{ action: "stop", errorHandler: [] }, "/errorHandler", /conditions/],
    [{ errorHandler: { conditions: [{ errorCode: "X" }] } }, "/errorHandler/conditions/0", /nextStepId/],
    [
      { errorHandler: { conditions: [{ errorCode: 5, nextStepId: "b" }] } },
      "/errorHandler/conditions/0/errorCode",
      "a name",
    ],
    [
      { errorHandler: { conditions: [{ code: "X", nextStepId: "b" }] } },
      "/errorHandler/conditions/0/code",
      /"errorCode"/,
    ],
  ])("%j is refused at %s", (onFailure, pointer, expected) => {
    const { errors } = validateDefinition(workflow(task("a", { onFailure })));
    expect(errors).toContainEqual({
      pointer: `/steps/0/onFailure${pointer}`,
      message: expect.any(String),
      expected: typeof expected === "string" ? expected : expect.stringMatching(expected),
    });
  });

  test("a target that does not exist is told where it was written, and once", () => {
    const next = [{ nextStepId: "nope" }];
    const conditions = [{ errorCode: "X", nextStepId: "nor-this" }];
    const last = task("b", { next: [{ nextStepId: "a" }] });
    expect(places(workflow(task("a", { next, onFailure: { action: "continue" } }), last))).toEqual([
      "/steps/0/next/0/nextStepId",
      "/steps/1",
    ]);
    expect(places(workflow(task("a", { onFailure: "nope" })))).toEqual(["/steps/0/onFailure"]);
    expect(places(workflow(task("a", { onFailure: { errorHandler: { conditions } } })))).toEqual([
      "/steps/0/onFailure/errorHandler/conditions/0/nextStepId",
    ]);
  });
});

describe("the document itself", () => {
  test("its retry policy is read under its other names", () => {
    const given = { ...workflow(task("a")), retryPolicy: { maxRetries: 2, retryInterval: "soon" } };
    expect(normaliseDocument(given).document).toMatchObject({
      retryPolicy: { maxAttempts: 3, initialInterval: "soon" },
    });
    expect(places(given)).toEqual(["/retryPolicy/retryInterval"]);
  });

  test("one concurrency limit becomes a list of it, and its faults are told where it is", () => {
    const given = (concurrency: unknown) => ({ ...workflow(task("a")), concurrency });
    expect(validateDefinition(given({ limit: 5, key: "input.customer" })).document?.concurrency).toEqual([
      { limit: 5, key: "input.customer" },
    ]);
    expect(places(given({ limit: 0 }))).toEqual(["/concurrency/limit"]);
    expect(places(given({ limit: 1, key: "item.x" }))).toEqual(["/concurrency/key"]);
    expect(places(given([{ limit: 1 }, { limit: 1, key: "item.x" }]))).toEqual(["/concurrency/1/key"]);
  });

  test("an end followed by nothing is an end", () => {
    const end = { stepId: "end", type: "TERMINATE", status: "COMPLETED", next: [] };
    expect(stepsOf(workflow(end))[0]).toEqual({ stepId: "end", type: "TERMINATE", status: "COMPLETED" });
  });
});

test("lists nested without end are handed on, and refused", () => {
  let steps: Fields[] = [task("a")];
  for (let i = 0; i < 20_000; i++) steps = [{ stepId: `m${i}`, type: "MAP", items: [], steps }];
  const { errors } = validateDefinition(workflow(...steps));
  expect(errors).toMatchObject([{ message: expect.stringContaining("nested too deeply") }]);
});
