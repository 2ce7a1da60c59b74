import { describe, expect, test } from "vitest";
import { compileCondition, compileExpression, ExpressionError, type ExpressionOptions } from "./index.ts";

const scope = {
  input: {
    order: { id: "o-1", total: 120, currency: "EUR", note: null, lines: [] },
    list: [1, 2, 3],
    half: 2.5,
    name: "Ada",
    blank: "",
    nothing: {},
  },
  variables: { orderId: "o-1" },
  steps: { reserve: { output: { ok: true } }, "reserve-stock": { output: { id: 7 } } },
  payload: { amount: 12, "odd name": { deep: [4] } },
};

function value(source: string, options?: ExpressionOptions): unknown {
  return compileExpression(source, options).evaluate(scope);
}

function failure(source: string, options?: ExpressionOptions): ExpressionError {
  try {
    value(source, options);
  } catch (error) {
    if (error instanceof ExpressionError) return error;
    throw error;
  }
  throw new Error(`${source} did not fail`);
}

describe("numbers", () => {
  test.each([
    ["input.order.total + 1", 121],
    ["1 + input.order.total", 121],
    ["input.order.total / 50", 2.4],
    ["7 / 2", 3],
    ["7 / 2.0", 3.5],
    ["input.order.total % 50", 20],
    ["-4.0 % 2.0", 0],
    ["input.order.total == 120", true],
    ["120u == input.order.total", true],
    ["input.half > 2", true],
    ["2 < input.half", true],
    ["2 in input.list", true],
    ["[1, 2, 3] == input.list", true],
    ["{'a': 1} == {'a': 1.0}", true],
    ["{1: 'a'}[1.0]", "a"],
    ["input.list[1.0]", 2],
    ["true ? 1 : 2.5", 1],
    ["size(input.list) * 2.0", 6],
    ["size(input.list) + input.half", 5.5],
    ["string(input.order.total)", "120"],
    ["int(input.half)", 2],
    ["9007199254740993", "9007199254740993"],
    ["9223372036854775807 == 9223372036854775807.0", false],
    ["input.name.substring(input.list[0])", "da"],
    ["'%d of %.2f'.format([input.order.total, 3])", "120 of 3.00"],
  ])("%s gives %j", (source, expected) => {
    expect(value(source)).toStrictEqual(expected);
  });

  test("a whole result is written as an integer and zero without a sign", () => {
    expect(JSON.stringify(value("[input.half * 2, 3.0, -0.0, 0.0 * -1.0]"))).toBe("[5,3,0,0]");
  });

  test.each(["1.0 / 0.0", "[0.0 / 0.0]", "{'a': -1.0 / 0.0}"])("%s is no JSON and fails", (source) => {
    expect(failure(source).message).toMatch(/which JSON cannot hold/);
  });

  test.each(["1 / 0", "1 % 0", "input.order.total % 0", "input.half % 2", "9223372036854775807 + 1"])(
    "%s fails",
    (source) => {
      expect(failure(source)).toBeInstanceOf(ExpressionError);
    },
  );
});

describe("results", () => {
  test.each([
    ["timestamp('2026-01-02T03:04:05.5Z')", "2026-01-02T03:04:05.500Z"],
    ["timestamp(1767225600)", "2026-01-01T00:00:00Z"],
    ["timestamp('2026-01-02T00:00:00Z') + duration('90m')", "2026-01-02T01:30:00Z"],
    ["duration('1h30m')", "PT5400S"],
    ["duration('-1.5s')", "-PT1.5S"],
    ["timestamp('2026-01-02T00:00:00Z') - timestamp('2026-01-01T23:59:59.25Z')", "PT0.75S"],
    ["b'abc'", "YWJj"],
    ["type(1)", "int"],
    ["type(input.list) == list", true],
    ["7u", 7],
    ["{1: 'a', true: 'b'}", { 1: "a", true: "b" }],
    ["null", null],
  ])("%s gives %j", (source, expected) => {
    expect(value(source)).toStrictEqual(expected);
  });

  test("data of the scope is handed on by reference, also inside what the expression makes", () => {
    expect(value("input.order")).toBe(scope.input.order);
    expect((value("{'a': [input.order]}") as { a: unknown[] }).a[0]).toBe(scope.input.order);
  });

  test("a key called __proto__ is an ordinary key", () => {
    const made = value("{'__proto__': {'polluted': true}}") as Record<string, unknown>;
    expect(Object.hasOwn(made, "__proto__")).toBe(true);
    expect(made.polluted).toBeUndefined();
  });

  test.each([
    ["2026-03-29T01:30:00Z", 3],
    ["2026-03-29T00:30:00Z", 1],
    ["2026-10-25T01:30:00Z", 2],
  ])("the hour of %s in Berlin is %i whatever zone the process is in", (instant, hour) => {
    expect(value(`timestamp('${instant}').getHours('Europe/Berlin')`)).toBe(hour);
    expect(value(`timestamp('${instant}').getHours('+02:00')`)).toBe((new Date(instant).getUTCHours() + 2) % 24);
  });
});

describe("spellings that are normalised", () => {
  test.each([
    ["input.name === 'Ada'", true],
    ["input.name !== 'Ada'", false],
    ["'a === b' === 'a === b'", true],
    ["'$.a !== ' + \"===\"", "$.a !== ==="],
    ["r'\\' == '\\\\'", true],
    ["input.name // === $ ?? `\n + '!'", "Ada!"],
    ["exists(input.order.id)", true],
    ["exists(input.order.note)", false],
    ["exists(input.order.absent.deeper)", false],
    ["exists(input.list[7])", false],
    ["exists(nobody.there)", false],
    ["exists(steps[input.name].output)", false],
    ["input.list.exists(x, x == 2)", true],
    ["isEmpty(input.absent)", true],
    ["isEmpty(input.order.note)", true],
    ["isEmpty(input.blank)", true],
    ["isEmpty(input.order.lines)", true],
    ["isEmpty(input.nothing)", true],
    ["isEmpty(input.list.filter(x, x > 5))", true],
    ["isEmpty(input.name)", false],
    ["isEmpty(false)", false],
    ["isEmpty(0)", false],
    ["contains(input.name, 'da')", true],
    ["contains(input.list, 3)", true],
    ["contains(input.order, 'total')", true],
    ["contains(input.order, 'absent')", false],
  ])("%s gives %j", (source, expected) => {
    expect(value(source)).toBe(expected);
  });

  test("$ is the path root that the caller names", () => {
    expect(value("$.amount", { pathRoot: "payload" })).toBe(12);
    expect(value("$['odd name'].deep[0] + $.amount", { pathRoot: "payload" })).toBe(16);
    expect(value("$", { pathRoot: "payload" })).toBe(scope.payload);
    expect(failure("$.amount").message).toMatch(/only in the mapping of an event's payload/);
  });

  test("one source under two path roots is two expressions", () => {
    expect(value("$.name", { pathRoot: "input" })).toBe("Ada");
    expect(failure("$.name", { pathRoot: "payload" }).message).toMatch(/no member "name"/);
  });

  test.each([
    ["input.name || 'x'", "has(input.name) ? input.name : 'x'"],
    ["input.order.note || input.name || []", "has(input.order.note) ? input.order.note : []"],
    ["a || {}", "a != null ? a : {}"],
  ])("%s is refused with the form to write", (source, expected) => {
    const error = failure(source);
    expect(error.expected).toContain(expected);
    expect(error.message).toContain(expected);
  });

  test("a fallback that only evaluation reveals is a failure with the form to write", () => {
    expect(failure("input.name || input.blank").expected).toContain("has(a.b) ? a.b : 'x'");
  });
});

describe("step ids that are no identifiers", () => {
  test.each([
    ["steps.reserve-stock.output.id", ["reserve-stock"], 'write steps["reserve-stock"].output.id'],
    ["1 + steps.a.b.output", ["a.b"], 'write steps["a.b"].output'],
    ["steps.2nd", ["2nd"], 'write steps["2nd"]'],
  ])("%s is refused when %j are known", (source, stepIds, expected) => {
    expect(failure(source, { stepIds }).expected).toBe(expected);
  });

  test.each([
    "steps['reserve-stock'].output.id",
    "'steps.reserve-stock'",
    "steps.reserve.output.ok",
    "input.steps.reserve-stock",
  ])("%s is not mistaken for one", (source) => {
    expect(() => compileExpression(source, { stepIds: ["reserve", "reserve-stock"] })).not.toThrow();
  });

  test("the known steps of one caller do not reach the next", () => {
    const source = "steps.reserve-stock.output.total";
    expect(() => compileExpression(source)).not.toThrow();
    expect(() => compileExpression(source, { stepIds: ["reserve-stock"] })).toThrow(ExpressionError);
    expect(() => compileExpression(source, { stepIds: ["other"] })).not.toThrow();
  });
});

describe("own members only", () => {
  test.each([
    "input.constructor",
    "input.order.toString",
    "input.list.length",
    "input.name.length",
    "constructor",
    "toString",
  ])("%s is not there", (source) => {
    expect(failure(source)).toBeInstanceOf(ExpressionError);
  });

  test("a member that shares its name with an inherited one is found when the data has it", () => {
    const own = JSON.parse('{"input":{"constructor":1,"__proto__":{"a":2}}}');
    expect(compileExpression("[input.constructor, input.__proto__.a]").evaluate(own)).toEqual([1, 2]);
  });
});

describe("errors", () => {
  test.each([
    ["", 0, /empty/],
    ["input.ordr", 5, /did you mean order\?/],
    ["inputs.order", 0, /did you mean input\?/],
    ["sizee(input.list)", 0, /did you mean size/],
    ["input.name + 1", 11, /string\(…\)/],
    ["input.name = 'a'", 11, /write ==/],
    ["input.a ?? 1", 8, /write has\(a\.b\)/],
    ["input.a?.b", 7, /write has\(a\.b\)/],
    ["input.name and true", 11, /write &&/],
    ["'abc", 0, /not closed/],
    ["(1 + 2", 0, /not closed/],
    ["[1, 2)", 5, /does not close/],
    ["1 + 2)", 5, /closes nothing/],
    ["1 +", 3, /ends too early/],
    ["input.list[3]", 10, /it has 3/],
    ["99999999999999999999", 0, /64 bits/],
    ["input.name.matches('(')", 10, /not a regular expression/],
    ["google.protobuf.Duration{}", 0, /write a map/],
    ["timestamp('today')", 0, /timestamp/],
    ["timestamp('2026-01-01T00:00:00Z').getHours('Mars')", 33, /time zone/],
  ])("%s fails at %i and says what would be right", (source, position, message) => {
    const error = failure(source);
    expect(error.message).toMatch(message);
    expect(Math.abs((error.position ?? -10) - position)).toBeLessThanOrEqual(2);
    expect(error.source).toBe(source);
  });

  test("a failure is absorbed where the other side decides", () => {
    expect(value("input.absent.deep || true")).toBe(true);
    expect(value("false && input.absent.deep")).toBe(false);
    expect(value("input.list.exists(x, x / 0 == 1 || x == 3)")).toBe(true);
    expect(failure("input.absent.deep || false").message).toMatch(/no member "absent"/);
  });
});

describe("conditions", () => {
  test("a condition gives a bool or fails", () => {
    expect(compileCondition("input.order.total > 100").evaluate(scope)).toBe(true);
    expect(() => compileCondition("input.order.total").evaluate(scope)).toThrow(/gives a number, not a bool/);
  });
});

test("an expression compiled twice is the same work, and evaluation leaves no trace between scopes", () => {
  const first = compileExpression("input.list.map(x, x * 2)");
  expect(first.evaluate({ input: { list: [1] } })).toEqual([2]);
  expect(compileExpression("input.list.map(x, x * 2)").evaluate(scope)).toEqual([2, 4, 6]);
  expect(() => first.evaluate({ input: {} })).toThrow(ExpressionError);
  expect(first.evaluate({ input: { list: [] } })).toEqual([]);
});

test("loops inside loops see each variable, and an inner one hides an outer one of its name", () => {
  expect(value("[1, 2].map(x, [10, 20].map(y, x * y))")).toEqual([
    [10, 20],
    [20, 40],
  ]);
  expect(value("[1, 2].map(x, [5].map(x, x)[0] + x)")).toEqual([6, 7]);
  expect(value("['a', 'b'].transformMap(i, v, v + string(i))")).toEqual({ 0: "a0", 1: "b1" });
  expect(value("{'a': 1, 'b': 2}.transformList(k, v, v > 1, k)")).toEqual(["b"]);
});
