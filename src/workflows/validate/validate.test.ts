import { describe, expect, test } from "vitest";
import { validateDocument } from "./validate.ts";

type Fields = Record<string, unknown>;

/** A definition with something of everything, and no fault. */
function order(changes: Fields = {}): Fields {
  return {
    workflowId: "order",
    name: "Order",
    version: "1.0.0",
    inputSchema: { type: "object", properties: { amount: { type: "number" } } },
    variables: { paid: { type: "boolean", default: false } },
    timeout: "P7D",
    output: { paid: "${variables.paid}", total: "${steps.charge.output.total}" },
    steps: [
      {
        stepId: "reserve",
        type: "TASK",
        taskId: "stock.reserve",
        input: { items: "${input.items}" },
        retryPolicy: { maxAttempts: 5, initialInterval: "PT1S", maxInterval: 30_000, jitter: 0 },
        timeout: 5_000,
        transitions: { default: "route" },
      },
      {
        stepId: "route",
        type: "DECISION",
        transitions: { default: "charge", conditions: [{ condition: "input.amount == 0", nextStep: "pause" }] },
      },
      { stepId: "charge", type: "TASK", taskId: "pay", transitions: { default: "wait" } },
      {
        stepId: "wait",
        type: "EVENT_WAIT",
        eventPattern: "payments.*.settled",
        eventCondition: "event.payload.orderId == instance.correlationId",
        eventTimeout: { duration: "PT1H", timeoutHandlerStepId: "pause" },
        eventPayloadMapping: { paid: "$.ok" },
        transitions: { default: "pause" },
      },
      { stepId: "pause", type: "DELAY", delay: "PT1S" },
    ],
    compensationSteps: [
      {
        stepId: "release",
        type: "TASK",
        taskId: "stock.release",
        compensationFor: "reserve",
        condition: "originalOutput != null",
      },
    ],
    ...changes,
  };
}

/** The definition with one step changed; `undefined` removes a field. */
function withStep(stepId: string, changes: Fields): Fields {
  const document = order();
  const steps = (document.steps as Fields[]).map((step) => (step.stepId === stepId ? { ...step, ...changes } : step));
  return { ...document, steps: JSON.parse(JSON.stringify(steps)) };
}

const places = (document: unknown) => validateDocument(document).errors.map(({ pointer }) => pointer);
const faults = (document: unknown) => validateDocument(document).errors;

test("a definition without a fault is given back typed, without warnings", () => {
  const { document, errors, warnings } = validateDocument(order());
  expect(errors).toEqual([]);
  expect(warnings).toEqual([]);
  expect(document).toEqual(order());
});

test("every fault is told at once, whatever kind it is", () => {
  const document = withStep("wait", { eventPattern: "a..b", eventTimeout: { duration: "P1M" } });
  Object.assign(document, { version: "1", timeout: 0, extra: 1, name: 5 });
  (document.steps as Fields[]).push({ stepId: "lost", type: "TASK" });
  expect(new Set(places(document))).toEqual(
    new Set([
      "/extra",
      "/name",
      "/version",
      "/timeout",
      "/steps/3/eventPattern",
      "/steps/3/eventTimeout/duration",
      "/steps/5",
      "/steps/5/taskId",
    ]),
  );
});

test("a wait may look back by any duration, none at all too", () => {
  for (const lookBack of ["PT0S", 0, "PT10M", 5_000]) expect(places(withStep("wait", { lookBack }))).toEqual([]);
  for (const lookBack of ["P1M", -1, "10 minutes", null, {}])
    expect(places(withStep("wait", { lookBack })), String(lookBack)).toEqual(["/steps/3/lookBack"]);
});

describe("shape", () => {
  test.each([
    [null, ""],
    ["text", ""],
    [[], ""],
    [{}, "/workflowId"],
    [order({ workflowId: "" }), "/workflowId"],
    [order({ workflowId: "a/b" }), "/workflowId"],
    [order({ steps: [] }), "/steps"],
    [order({ steps: {} }), "/steps"],
    [order({ steps: ["a"] }), "/steps/0"],
    [order({ steps: [null] }), "/steps/0"],
    [order({ version: "x".repeat(60) }), "/version"],
    [order({ variables: { "a-b": {} } }), "/variables/a-b"],
    [order({ inputSchema: [] }), "/inputSchema"],
    [order({ output: null }), "/output"],
    [order({ status: "replaced" }), "/status"],
    [order({ executionLog: { level: "trace" } }), "/executionLog/level"],
    [order({ cancellationTriggers: [{}] }), "/cancellationTriggers/0/eventPattern"],
  ])("%j is refused at %j", (document, pointer) => {
    expect(places(document)).toContain(pointer);
  });

  test("an unknown field is told with the field that was probably meant", () => {
    expect(faults(order({ timeuot: 5 }))).toMatchObject([
      { pointer: "/timeuot", expected: expect.stringMatching(/^"timeout"/) },
    ]);
    expect(faults(withStep("charge", { taskID: "x" }))).toMatchObject([
      {
        pointer: "/steps/2/taskID",
        message: '"taskID" is not a field here',
        expected: expect.stringMatching(/^"taskId"/),
      },
    ]);
  });

  test("a step type that is not known is told with those that are", () => {
    const document = withStep("pause", { type: "PARALEL", delay: undefined });
    expect(faults(document)).toEqual([
      {
        pointer: "/steps/4/type",
        message: '"PARALEL" is not a known step type',
        expected: expect.stringMatching(
          /^"PARALLEL" \(one of "TASK", "DECISION", "EVENT_WAIT", "DELAY", .*"TERMINATE"\)$/,
        ),
      },
    ]);
  });

  test("a missing field is told as missing, at the place where it belongs", () => {
    expect(faults(withStep("charge", { taskId: undefined }))).toEqual([
      { pointer: "/steps/2/taskId", message: '"taskId" is missing', expected: "a string" },
    ]);
    expect(faults(withStep("wait", { eventTimeout: {} }))).toMatchObject([
      { pointer: "/steps/3/eventTimeout/duration" },
    ]);
  });

  test("a fault in one field does not hide those of its neighbours", () => {
    const document = withStep("wait", { name: 5, unknown: 1, eventCondition: "1 +", eventPattern: ">.a" });
    expect(new Set(places(document))).toEqual(
      new Set(["/steps/3/name", "/steps/3/unknown", "/steps/3/eventCondition", "/steps/3/eventPattern"]),
    );
  });
});

describe("dangerous documents", () => {
  test.each([
    ["depth", order({ uiComponents: nested(200) }), /nested too deeply/],
    ["size", order({ description: "x".repeat(1_100_000) }), /too large/],
    ["many values", order({ uiComponents: Array(600_000).fill(0) }), /too large/],
    ["NUL", order({ name: "a\u0000b" }), /U\+0000/],
    ["half a surrogate pair", order({ uiComponents: { "\ud800": 1 } }), /surrogate/],
    ["__proto__", JSON.parse('{"workflowId": "w", "__proto__": {"steps": 1}}'), /__proto__/],
    ["infinity", order({ timeout: Number.POSITIVE_INFINITY }), /cannot carry/],
  ])("%s is refused before anything else looks", (_name, document, words) => {
    const { errors } = validateDocument(document);
    expect(errors).toHaveLength(1);
    expect(errors[0]?.message).toMatch(words);
  });
});

describe("the graph", () => {
  test("a target that is no step is told with the nearest name, and does not make that step look unreachable", () => {
    expect(faults(withStep("reserve", { transitions: { default: "rout" } }))).toEqual([
      {
        pointer: "/steps/0/transitions/default",
        message: 'There is no step "rout"',
        expected: '"route" (one of "reserve", "route", "charge", "wait", "pause")',
      },
    ]);
    expect(
      places(
        withStep("route", { transitions: { default: "charge", conditions: [{ condition: "true", nextStep: "zzz" }] } }),
      ),
    ).toEqual(["/steps/1/transitions/conditions/0/nextStep"]);
    expect(places(withStep("wait", { eventTimeout: { duration: 5, timeoutHandlerStepId: "zzz" } }))).toEqual([
      "/steps/3/eventTimeout/timeoutHandlerStepId",
    ]);
  });

  test("a step to which no path leads is unreachable", () => {
    const document = order();
    (document.steps as Fields[]).push({ stepId: "island", type: "DECISION", transitions: { default: "pause" } });
    expect(faults(document)).toMatchObject([{ pointer: "/steps/5", message: expect.stringContaining("unreachable") }]);
  });

  test("a step that is reached only through a malformed one is not called unreachable", () => {
    expect(places(withStep("reserve", { stepId: 7 }))).toEqual([
      "/steps/0/stepId",
      "/compensationSteps/0/compensationFor",
    ]);
  });

  test("a stepId used twice is told with the place of the first", () => {
    const document = order();
    (document.steps as Fields[]).push({ stepId: "pause", type: "DELAY", delay: 1 });
    expect(faults(document)).toMatchObject([
      { pointer: "/steps/5/stepId", message: '"pause" is already the id of /steps/4' },
    ]);
  });

  test("a loop through decisions alone is refused, one through a delay is not", () => {
    const loop = (last: Fields) => ({
      workflowId: "w",
      name: "w",
      steps: [
        { stepId: "a", type: "DECISION", transitions: { default: "b" } },
        { stepId: "b", ...last, transitions: { default: "a" } },
      ],
    });
    expect(faults(loop({ type: "DECISION" }))).toMatchObject([{ message: expect.stringContaining("spin for ever") }]);
    expect(faults(loop({ type: "DELAY", delay: "PT1S" }))).toEqual([]);
  });

  test("a decision that goes to itself spins", () => {
    const steps = [{ stepId: "a", type: "DECISION", transitions: { default: "a" } }];
    expect(places({ workflowId: "w", name: "w", steps })).toEqual(["/steps/0/transitions"]);
  });

  test("ten thousand steps in a line are judged in a second or two, one more is refused", () => {
    const line = (length: number) => ({
      workflowId: "w",
      name: "w",
      steps: Array.from({ length }, (_, i) => ({
        stepId: `s${i}`,
        type: "DECISION",
        ...(i + 1 < length ? { transitions: { default: `s${i + 1}` } } : {}),
      })),
    });
    const started = performance.now();
    expect(faults(line(10_000))).toEqual([]);
    expect(performance.now() - started).toBeLessThan(5_000);
    expect(places(line(10_001))).toContain("/steps");
  });
});

describe("expressions", () => {
  test.each<[string, Fields, string, RegExp]>([
    [
      "a condition that does not parse",
      { transitions: { default: "wait", conditions: [{ condition: "1 +", nextStep: "wait" }] } },
      "/steps/2/transitions/conditions/0/condition",
      /character/,
    ],
    [
      "an unknown name",
      { input: "inptu.a", transitions: { default: "wait" } },
      "/steps/2/input",
      /"inptu" is not known here/,
    ],
    [
      "an unknown step",
      { input: { deep: [{ a: "x ${steps.resrve.output}" }] } },
      "/steps/2/input/deep/0/a",
      /"resrve", which does not exist/,
    ],
    ["a name of another place", { input: "event.payload" }, "/steps/2/input", /"event" is not known here/],
    ["a mapping", { outputMapping: { total: "output.total +" } }, "/steps/2/outputMapping/total", /character/],
  ])("%s is told at its place", (_name, changes, pointer, words) => {
    expect(faults(withStep("charge", changes))).toMatchObject([{ pointer, message: expect.stringMatching(words) }]);
  });

  test("a stepId that is no identifier must be written in brackets", () => {
    const document = {
      workflowId: "w",
      name: "w",
      steps: [
        { stepId: "reserve-stock", type: "TASK", taskId: "t", transitions: { default: "next" } },
        { stepId: "next", type: "TASK", taskId: "t", input: "steps.reserve-stock.output" },
      ],
    };
    expect(faults(document)).toMatchObject([
      { pointer: "/steps/1/input", expected: expect.stringContaining('steps["reserve-stock"].output') },
    ]);
    Object.assign(document.steps[1]!, { input: 'steps["reserve-stock"].output' });
    expect(faults(document)).toEqual([]);
  });

  test("transform's expression is checked as it stands and never as a template", () => {
    const transform = (input: unknown) => withStep("charge", { taskId: "transform", input });
    expect(faults(transform({ expression: "input.amount * 2" }))).toEqual([]);
    expect(places(transform({ expression: "${input.amount}" }))).toEqual(["/steps/2/input/expression"]);
    expect(places(transform({ expr: "1" }))).toEqual(["/steps/2/input/expression"]);
    expect(places(transform(undefined))).toEqual(["/steps/2/input"]);
  });

  test("the input of event.publish is checked as far as it stands in the definition", () => {
    const publish = (input: unknown) => withStep("charge", { taskId: "event.publish", input });
    const fine = { pattern: "orders.${input.id}", payload: null, metadata: {}, partitionKey: "p" };
    for (const input of [fine, { ...fine, pattern: "orders.paid" }, "input.event", undefined])
      expect(faults(publish(input)), JSON.stringify(input)).toEqual([]);
    expect(places(publish({ ...fine, pattern: "orders.*" }))).toEqual(["/steps/2/input/pattern"]);
    expect(places(publish({ ...fine, pattern: 5 }))).toEqual(["/steps/2/input/pattern"]);
    expect(places(publish({ payload: 1 }))).toEqual(["/steps/2/input"]);
    expect(faults(publish({ ...fine, paylod: 1 }))).toMatchObject([
      { pointer: "/steps/2/input/paylod", expected: expect.stringContaining("payload") },
    ]);
  });

  test("a step that reads one which cannot have run gives a warning", () => {
    const { errors, warnings } = validateDocument(withStep("reserve", { input: "steps.charge.output" }));
    expect(errors).toEqual([]);
    expect(warnings).toMatchObject([
      { pointer: "/steps/0/input", message: expect.stringContaining("never runs before") },
    ]);
  });
});

describe("single fields", () => {
  test.each<[string, Fields]>([
    ["/steps/0/timeout", withStep("reserve", { timeout: 0 })],
    ["/steps/0/timeout", withStep("reserve", { timeout: "PT" })],
    ["/steps/0/timeout", withStep("reserve", { timeout: -5 })],
    ["/steps/0/retryPolicy/maxAttempts", withStep("reserve", { retryPolicy: { maxAttempts: 0 } })],
    ["/steps/0/retryPolicy/jitter", withStep("reserve", { retryPolicy: { jitter: 1.5 } })],
    ["/steps/0/retryPolicy/backoffMultiplier", withStep("reserve", { retryPolicy: { backoffMultiplier: 0.5 } })],
    ["/steps/0/retryPolicy/initialInterval", withStep("reserve", { retryPolicy: { initialInterval: "1 second" } })],
    ["/steps/3/eventPattern", withStep("wait", { eventPattern: "a.>.b" })],
    ["/steps/3/eventPattern", withStep("wait", { eventPattern: "a.b*" })],
    ["/steps/3/eventPattern", withStep("wait", { eventPattern: "a b" })],
    ["/steps/3/eventPattern", withStep("wait", { eventPattern: "a." })],
    ["/steps/4", withStep("pause", { delay: undefined })],
    ["/steps/4", withStep("pause", { until: "2030-01-01T00:00:00Z" })],
    ["/steps/4/until", withStep("pause", { delay: undefined, until: "2030-01-01" })],
    ["/steps/4/delay", withStep("pause", { delay: "P1Y" })],
    ["/steps/4/delay", withStep("pause", { delay: "in a while" })],
    ["/timeout", order({ timeout: "P200Y" })],
    ["/inputSchema/properties/a/type", order({ inputSchema: { properties: { a: { type: "strin" } } } })],
    ["/outputSchema/minimum", order({ outputSchema: { minimum: "1" } })],
    ["/variables/paid/default", order({ variables: { paid: { type: "boolean", default: "no" } } })],
    ["/version", order({ version: "1.0" })],
    ["/compensationSteps/0/compensationFor", order({ compensationSteps: [undo({ compensationFor: "nope" })] })],
    ["/compensationSteps/0/compensationFor", order({ compensationSteps: [undo({ compensationFor: "route" })] })],
    ["/compensationSteps/0/stepId", order({ compensationSteps: [undo({ stepId: "charge" })] })],
    ["/compensationSteps/1/stepId", order({ compensationSteps: [undo({}), undo({})] })],
    ["/executionLog/retention", order({ executionLog: { retention: "a month" } })],
  ])("%s is refused in %j", (pointer, document) => {
    expect(places(document)).toEqual([pointer]);
  });

  test.each(["a", "a.*", "*", ">", "a.>", "*.b.>", "orders.created-v2"])(
    "the event pattern %j is accepted",
    (eventPattern) => {
      expect(faults(withStep("wait", { eventPattern }))).toEqual([]);
    },
  );

  test.each([0, "PT0S", 5, "PT0.5S", "P1DT2H", "variables.pause", "duration('1s')"])(
    "the delay %j is accepted",
    (delay) => {
      expect(faults(withStep("pause", { delay }))).toEqual([]);
    },
  );
});

describe("warnings", () => {
  test("a choice that may find no way is told, and forbids nothing", () => {
    const document = withStep("reserve", { transitions: { conditions: [{ condition: "true", nextStep: "route" }] } });
    expect(validateDocument(document)).toMatchObject({
      errors: [],
      warnings: [{ pointer: "/steps/0/transitions", message: expect.stringContaining("NO_TRANSITION") }],
    });
  });

  test("pauses that are always cut are told", () => {
    const { warnings } = validateDocument(withStep("reserve", { retryPolicy: { initialInterval: "PT5M" } }));
    expect(warnings).toMatchObject([{ pointer: "/steps/0/retryPolicy" }]);
  });
});

function undo(changes: Fields): Fields {
  return { stepId: "undo", type: "TASK", taskId: "t", compensationFor: "reserve", ...changes };
}

function nested(depth: number): unknown {
  let value: unknown = 1;
  for (let i = 0; i < depth; i++) value = [value];
  return value;
}
