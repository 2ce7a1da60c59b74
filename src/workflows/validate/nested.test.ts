/** Definitions whose steps hold steps: branches, items, and what leads out of them. */
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

test("a definition with one of everything is given back as it was, without a doubt", () => {
  const document = {
    ...workflow(
      fan(
        "fan",
        {
          left: [task("charge", to("told")), { stepId: "told", type: "EVENT_WAIT", eventPattern: "a.b" }],
          right: [
            each("each", [task("pack", { input: { item: "${item}", index: "${index}" } })], {
              maxConcurrency: 1_000,
              toleratedFailures: "12.5%",
              timeout: "PT1H",
            }),
          ],
        },
        { join: 1, rest: "leave", timeout: 60_000, onFailure: { default: "sorry" }, ...to("ship") },
      ),
      {
        stepId: "ship",
        type: "WORKFLOW",
        workflowId: "shipping",
        version: "1.0.0-rc.1",
        input: { orders: "${steps.fan.output}" },
        retryPolicy: { maxAttempts: 2 },
        timeout: "P1D",
        onFailure: { conditions: [{ condition: 'error.code == "CHILD_REFUSED"', nextStep: "sorry" }] },
        transitions: { default: "done" },
      },
      { stepId: "done", type: "TERMINATE", status: "COMPLETED", output: "steps.ship.output" },
      {
        stepId: "sorry",
        type: "TERMINATE",
        status: "FAILED",
        error: { code: "${error.code}", category: "${error.category}" },
      },
    ),
    retryPolicy: { maxAttempts: 3 },
    concurrency: [{ limit: 10 }, { limit: 1, key: "input.customer" }],
    retention: "P30D",
    compensationSteps: ["charge", "told", "pack", "ship"].map((compensationFor, i) => ({
      stepId: `undo${i}`,
      type: "TASK",
      taskId: "u",
      compensationFor,
    })),
  };
  expect(validateDocument(document)).toEqual({ errors: [], warnings: [], document });
});

describe("shape", () => {
  test.each<[string, Fields]>([
    ["/steps/0/branches", { stepId: "p", type: "PARALLEL" }],
    ["/steps/0/branches", fan("p", {})],
    ["/steps/0/branches/0/steps", fan("p", { a: [] })],
    ["/steps/0/branches/0/branchId", fan("p", { "a b": [task("a")] })],
    ["/steps/0/branches/0/branchId", fan("p", { "": [task("a")] })],
    [
      "/steps/0/branches/0/stepId",
      { stepId: "p", type: "PARALLEL", branches: [{ branchId: "x", stepId: 1, steps: [task("a")] }] },
    ],
    ["/steps/0/branches/0", { stepId: "p", type: "PARALLEL", branches: ["x"] }],
    ["/steps/0/rest", fan("p", { a: [task("a")] }, { rest: "kill" })],
    ["/steps/0/timeout", fan("p", { a: [task("a")] }, { timeout: 0 })],
    ["/steps/0/items", { stepId: "m", type: "MAP", steps: [task("a")] }],
    ["/steps/0/steps", each("m", [])],
    ["/steps/0/steps", { stepId: "m", type: "MAP", items: "input.a" }],
    ["/steps/0/maxConcurrency", each("m", [task("a")], { maxConcurrency: 0 })],
    ["/steps/0/maxConcurrency", each("m", [task("a")], { maxConcurrency: 1_001 })],
    ["/steps/0/maxConcurrency", each("m", [task("a")], { maxConcurrency: 1.5 })],
    ["/steps/0/steps/0/steps/0/taskId", each("m", [each("n", [{ stepId: "a", type: "TASK" }])])],
    ["/steps/0/steps/0/type", each("m", [{ stepId: "a", type: "TSK" }])],
    ["/steps/0/workflowId", { stepId: "c", type: "WORKFLOW" }],
    ["/steps/0/workflowId", { stepId: "c", type: "WORKFLOW", workflowId: "a b" }],
    ["/steps/0/version", { stepId: "c", type: "WORKFLOW", workflowId: "c", version: "1.0" }],
    ["/steps/0/version", { stepId: "c", type: "WORKFLOW", workflowId: "c", version: "latest" }],
    ["/steps/0/detach", { stepId: "c", type: "WORKFLOW", workflowId: "c", detach: "yes" }],
    ["/steps/0/status", { stepId: "e", type: "TERMINATE" }],
    ["/steps/0/status", { stepId: "e", type: "TERMINATE", status: "CANCELLED" }],
    ["/steps/0/output", { stepId: "e", type: "TERMINATE", status: "FAILED", output: "1" }],
    ["/steps/0/error", { stepId: "e", type: "TERMINATE", status: "COMPLETED", error: { code: "X" } }],
    ["/steps/0/error/category", { stepId: "e", type: "TERMINATE", status: "FAILED", error: { category: "FATAL" } }],
    ["/steps/0/error/message", { stepId: "e", type: "TERMINATE", status: "FAILED", error: { message: "${inptu}" } }],
    ["/steps/0/transitions", { stepId: "e", type: "TERMINATE", status: "FAILED", transitions: { default: "e" } }],
    ["/steps/0/onFailure/handler", task("a", { onFailure: { handler: "a" } })],
  ])("%s is refused in %j", (pointer, step) => {
    expect(places(workflow(step))).toEqual([pointer]);
  });

  test("a fault inside does not hide those around it and beside it", () => {
    const inner = [task("a", { timeout: 0, input: "nope" }), { stepId: 5, type: "TASK", taskId: "t" }];
    const document = workflow(
      fan(
        "p",
        { left: inner, right: [task("b", { timeout: 0 })] },
        { timeout: 0, join: 5, outputMapping: { v: "1 +" } },
      ),
    );
    expect(new Set(places(document))).toEqual(
      new Set([
        "/steps/0/timeout",
        "/steps/0/join",
        "/steps/0/outputMapping/v",
        "/steps/0/branches/0/steps/0/timeout",
        "/steps/0/branches/0/steps/0/input",
        "/steps/0/branches/0/steps/1/stepId",
        "/steps/0/branches/1/steps/0/timeout",
      ]),
    );
  });

  test("a fault of one field beside the steps hides none of the others", () => {
    const document = { ...workflow(task("a")), concurrency: [{}], timeout: 0, retention: "P1Y" };
    expect(places(document)).toEqual(["/concurrency/0/limit", "/timeout", "/retention"]);
  });

  const nested = (containers: number) => {
    let step = task("a");
    for (let i = 0; i < containers; i++) step = i % 2 === 0 ? each(`m${i}`, [step]) : fan(`p${i}`, { b: [step] });
    return workflow(step);
  };

  test("containers stand inside one another eight deep, and no deeper", () => {
    expect(errorsOf(nested(8))).toEqual([]);
    const [error, ...more] = errorsOf(nested(10));
    expect(error).toMatchObject({
      pointer: nestedPointer(10, 8),
      message: expect.stringContaining("inside 8 others"),
      expected: expect.stringContaining("WORKFLOW"),
    });
    expect(more).toEqual([]);
  });

  /** The place of the container with `depth` others around it. */
  function nestedPointer(containers: number, depth: number): string {
    let pointer = "/steps/0";
    for (let i = 0; i < depth; i++) pointer += (containers - 1 - i) % 2 === 0 ? "/steps/0" : "/branches/0/steps/0";
    return pointer;
  }

  test("the steps of all lists are counted together", () => {
    const line = (prefix: string, length: number) =>
      Array.from({ length }, (_, i) => decision(`${prefix}${i}`, i + 1 < length ? `${prefix}${i + 1}` : undefined));
    const document = (inside: number) => workflow(fan("p", { a: line("a", 5_000), b: line("b", inside) }));
    expect(errorsOf(document(4_999))).toEqual([]);
    expect(errorsOf(document(5_000))).toMatchObject([
      { pointer: "/steps", message: expect.stringContaining("has 10001 steps") },
    ]);
  });
});

describe("names and ways", () => {
  test("a stepId is unique over all lists", () => {
    const document = workflow(fan("a", { left: [task("b")], right: [task("b"), task("a")] }));
    expect(errorsOf(document)).toMatchObject([
      {
        pointer: "/steps/0/branches/1/steps/0/stepId",
        message: expect.stringContaining("/steps/0/branches/0/steps/0"),
      },
      { pointer: "/steps/0/branches/1/steps/1/stepId", message: '"a" is already the id of /steps/0' },
      { pointer: "/steps/0/branches/1/steps/1", message: expect.stringContaining("unreachable") },
    ]);
  });

  test("a branchId is unique in its step", () => {
    const branches = ["x", "y", "x"].map((branchId, i) => ({ branchId, steps: [task(`s${i}`)] }));
    expect(errorsOf(workflow({ stepId: "p", type: "PARALLEL", branches }))).toEqual([
      {
        pointer: "/steps/0/branches/2/branchId",
        message: '"x" is already the id of /steps/0/branches/0',
        expected: "another id",
      },
    ]);
    expect(places(workflow(fan("p", { x: [task("a")] }, to("q")), fan("q", { x: [task("b")] })))).toEqual([]);
  });

  test.each<[string, Fields[], string, RegExp, RegExp]>([
    [
      "out of a branch",
      [fan("p", { left: [task("a", to("end"))] }, to("end")), task("end")],
      "/steps/0/branches/0/steps/0/transitions/default",
      /"end" is one of the workflow's own steps \(\/steps\/1\)/,
      /"p" goes on when it is joined/,
    ],
    [
      "into the branch beside",
      [fan("p", { left: [task("a", to("b"))], right: [task("b")] })],
      "/steps/0/branches/0/steps/0/transitions/default",
      /"b" is one of the branch "right" of "p"/,
      /^"a"; /,
    ],
    [
      "into the items of a MAP",
      [task("first", to("a")), each("m", [task("a")])],
      "/steps/0/transitions/default",
      /"a" is one of the items of "m"/,
      /^"m"/,
    ],
    [
      "out of an item by its failure",
      [
        each("m", [task("a", { onFailure: { conditions: [{ condition: "true", nextStep: "end" }] } })], to("end")),
        task("end"),
      ],
      "/steps/0/steps/0/onFailure/conditions/0/nextStep",
      /"end" is one of the workflow's own steps/,
      /joined/,
    ],
    [
      "out of a branch by a timeout",
      [
        fan(
          "p",
          {
            left: [
              {
                stepId: "w",
                type: "EVENT_WAIT",
                eventPattern: "a",
                eventTimeout: { duration: 5, timeoutHandlerStepId: "end" },
              },
            ],
          },
          to("end"),
        ),
        task("end"),
      ],
      "/steps/0/branches/0/steps/0/eventTimeout/timeoutHandlerStepId",
      /"end" is one of the workflow's own steps/,
      /joined/,
    ],
  ])("no way leads %s", (_name, steps, pointer, message, expected) => {
    const found = errorsOf(workflow(...steps)).filter((error) => !error.message.includes("unreachable"));
    expect(found).toEqual([
      { pointer, message: expect.stringMatching(message), expected: expect.stringMatching(expected) },
    ]);
  });

  test("a misspelt target is told with the names of its own list", () => {
    const document = workflow(fan("p", { left: [task("first", to("secnd")), task("second")], right: [task("secne")] }));
    expect(errorsOf(document)).toEqual([
      {
        pointer: "/steps/0/branches/0/steps/0/transitions/default",
        message: 'There is no step "secnd"',
        expected: '"second" (one of "first", "second")',
      },
    ]);
  });

  test("each list has its own first step and its own unreachable ones", () => {
    const document = workflow(fan("p", { left: [task("a"), task("b")] }), task("c"));
    expect(errorsOf(document)).toMatchObject([
      { pointer: "/steps/1", message: expect.stringContaining("from the first step to it") },
      {
        pointer: "/steps/0/branches/0/steps/1",
        message: expect.stringContaining('from the first step of the branch "left" of "p"'),
      },
    ]);
  });

  test("a step to which only a failure leads is reached", () => {
    expect(errorsOf(workflow(task("a", { onFailure: { default: "b" } }), task("b")))).toEqual([]);
  });
});

describe("joins", () => {
  const joined = (join: unknown) => workflow(fan("p", { a: [task("a")], b: [task("b")] }, { join }));

  test.each(["all", "any", 1, 2])("a join of %j of two branches is accepted", (join) => {
    expect(errorsOf(joined(join))).toEqual([]);
  });

  test("one that waits for more branches than there are can never be met", () => {
    expect(errorsOf(joined(3))).toEqual([
      {
        pointer: "/steps/0/join",
        message: "The join can never be met: it waits for 3 branches, and there are 2",
        expected: '"all", "any", or a number from 1 to 2',
      },
    ]);
  });

  test.each([0, -1, 1.5, 1_001, "most", null, []])("%j is no join", (join) => {
    expect(errorsOf(joined(join))).toMatchObject([
      { pointer: "/steps/0/join", expected: expect.stringMatching(/"all", "any"/) },
    ]);
  });

  test("a rest is doubted where the join leaves none", () => {
    const rest = (join: unknown) => workflow(fan("p", { a: [task("a")], b: [task("b")] }, { join, rest: "leave" }));
    expect(warningsOf(rest("any"))).toEqual([]);
    expect(warningsOf(rest("all"))).toMatchObject([{ pointer: "/steps/0/rest" }]);
    expect(warningsOf(rest(2))).toMatchObject([{ pointer: "/steps/0/rest" }]);
  });
});

describe("items", () => {
  const over = (items: unknown) => workflow(each("m", [task("a")], { items }));

  test.each<[unknown]>([
    ["input.lines"],
    ["[1, 2]"],
    ["[]"],
    [[]],
    [["a", { b: "${input.b}" }]],
    ["input.a.filter(x, x > 1)"],
  ])("%j can be a list", (items) => {
    expect(errorsOf(over(items))).toEqual([]);
  });

  test.each<[unknown, RegExp]>([
    [5, /"items" is 5/],
    [true, /is a boolean/],
    [null, /is null/],
    [{ a: "${input.lines}" }, /is an object/],
    ["5", /gives a number, not a list/],
    ['"abc"', /gives a string, not a list/],
    ['{"a": 1}', /gives an object, not a list/],
    ["null", /gives null, not a list/],
    ["1 / 0", /always fails/],
    ["input.lines +", /character/],
    ["inptu.lines", /"inptu" is not known here/],
  ])("a map over %j, which is not a list, is refused", (items, words) => {
    expect(errorsOf(over(items))).toMatchObject([
      { pointer: "/steps/0/items", message: expect.stringMatching(words), expected: expect.any(String) },
    ]);
  });

  test("what is wrong in a list of items is told where it is", () => {
    expect(places(over(["a", { b: "${inptu}" }]))).toEqual(["/steps/0/items/1/b"]);
  });

  test.each([0, 3, 100_000, "0%", "10%", "99.9%", "100%", "100.0%", "7.25%"])(
    "%j failures can be tolerated",
    (share) => {
      expect(errorsOf(workflow(each("m", [task("a")], { toleratedFailures: share })))).toEqual([]);
    },
  );

  test.each([-1, 1.5, 100_001, "10", "101%", "100.1%", "-5%", "1e1%", "10 %", "%", "", null])(
    "%j is no count and no share of failures",
    (toleratedFailures) => {
      expect(errorsOf(workflow(each("m", [task("a")], { toleratedFailures })))).toMatchObject([
        { pointer: "/steps/0/toleratedFailures", expected: expect.stringContaining('from "0%" to "100%"') },
      ]);
    },
  );
});

describe("loops without a wait", () => {
  test("decisions inside a branch and inside items spin as they do outside", () => {
    const loop = (n: number) => [decision(`a${n}`, `b${n}`), decision(`b${n}`, `a${n}`)];
    expect(errorsOf(workflow(fan("p", { left: loop(0), right: [each("m", loop(1))] })))).toMatchObject([
      { pointer: "/steps/0/branches/0/steps/0/transitions", message: expect.stringContaining("DECISION steps only") },
      {
        pointer: expect.stringContaining("/steps/0/branches/1/steps/0/steps/"),
        message: expect.stringContaining("spin"),
      },
    ]);
  });

  test("a PARALLEL or a MAP of decisions takes no time either", () => {
    const loop = (inside: Fields) => workflow({ ...inside, ...to("again") }, decision("again", "x"));
    const spins = [{ message: expect.stringContaining("steps that never wait") }];
    expect(errorsOf(loop(fan("x", { a: [decision("a")], b: [decision("b")] })))).toMatchObject(spins);
    expect(errorsOf(loop(each("x", [decision("a", "b"), decision("b")])))).toMatchObject(spins);
    expect(errorsOf(loop(fan("x", { a: [task("a")], b: [decision("b")] }, { join: "any" })))).toMatchObject(spins);
    expect(errorsOf(loop(fan("x", { a: [task("a")], b: [decision("b")] }, { join: 2 })))).toEqual([]);
    expect(errorsOf(loop(fan("x", { a: [decision("a", "b"), task("b")], b: [decision("c")] })))).toEqual([]);
    expect(errorsOf(loop(each("x", [task("a")])))).toEqual([]);
  });

  test("a decision that its own failure leads back to spins", () => {
    const conditions = [{ condition: "input.a", nextStep: "b" }];
    const step = { stepId: "a", type: "DECISION", transitions: { conditions }, onFailure: { default: "a" } };
    expect(errorsOf(workflow(step, task("b")))).toMatchObject([{ message: expect.stringContaining("spin for ever") }]);
  });

  test("failures that lead round without a pause are doubted, with a delay they are not", () => {
    const loop = (...between: Fields[]) =>
      workflow(task("a", { onFailure: { default: "back" } }), ...between.map((step) => ({ ...step, ...to("a") })));
    expect(warningsOf(loop({ stepId: "back", type: "DECISION" }))).toMatchObject([
      { pointer: "/steps/0/onFailure", expected: expect.stringContaining("DELAY") },
    ]);
    expect(warningsOf(loop({ stepId: "back", type: "DELAY", delay: "PT1M" }))).toEqual([]);
  });
});
