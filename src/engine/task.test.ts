import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { TaskError, taskLog, toErrorInfo, toJson } from "./task.ts";

const now = "2026-01-02T03:04:05.678Z";

function jsonOf(value: unknown): unknown {
  const result = toJson(value);
  if ("error" in result) throw result.error;
  return JSON.parse(result.json);
}

function refusalOf(value: unknown): { code: string; message: string } {
  const result = toJson(value);
  if ("json" in result) throw new Error(`accepted as ${result.json}`);
  expect(result.error.category).toBe("VALIDATION");
  return { code: result.error.code, message: result.error.message };
}

describe("toErrorInfo", () => {
  test("a TaskError keeps its code, category, message and details", () => {
    const thrown = new TaskError({
      code: "CARD_DECLINED",
      category: "BUSINESS",
      message: "No money",
      details: { left: 3 },
    });
    expect(toErrorInfo(thrown, now)).toMatchObject({
      code: "CARD_DECLINED",
      category: "BUSINESS",
      message: "No money",
      details: { left: 3 },
      retriable: false,
      timestamp: now,
    });
  });

  test("an error of another copy of the class is known by its fields", () => {
    const thrown = Object.assign(new Error("later"), { code: "BUSY", category: "TRANSIENT" });
    expect(toErrorInfo(thrown, now)).toMatchObject({ code: "BUSY", category: "TRANSIENT", retriable: true });
  });

  test("an error without a code is called by its class and may be retried", () => {
    expect(toErrorInfo(new RangeError("too far"), now)).toMatchObject({
      code: "RangeError",
      category: "UNKNOWN",
      retriable: true,
    });
    expect(toErrorInfo(new Error("plain"), now)).toMatchObject({ code: "ERROR", message: "plain" });
  });

  test("the messages of causes are told", () => {
    const thrown = new TypeError("fetch failed", { cause: new Error("connect ECONNREFUSED") });
    expect(toErrorInfo(thrown, now).message).toBe("fetch failed: connect ECONNREFUSED");
  });

  test("a timeout signal's error counts as a timeout", () => {
    const thrown = new DOMException("The operation timed out", "TimeoutError");
    expect(toErrorInfo(thrown, now)).toMatchObject({ code: "TIMEOUT", category: "TIMEOUT" });
  });

  test.each([
    ["text", "boom", "boom"],
    ["null", null, "The handler threw null"],
    ["undefined", undefined, "The handler threw null"],
    ["a number", 42, "The handler threw 42"],
    ["an object", { why: "x" }, 'The handler threw {"why":"x"}'],
    ["a function", () => 1, "The handler threw a function"],
    ["an empty error", new Error(""), "The handler threw a value that cannot be shown"],
  ])("thrown %s has a message", (_, thrown, message) => {
    expect(toErrorInfo(thrown, now).message).toBe(message);
  });

  test("values that throw when they are looked at do no harm", () => {
    const getters = {};
    for (const key of ["message", "code", "category", "details", "stack", "name", "cause"]) {
      Object.defineProperty(getters, key, {
        enumerable: true,
        get: () => {
          throw new Error("trap");
        },
      });
    }
    const revocable = Proxy.revocable({}, {});
    revocable.revoke();
    for (const thrown of [getters, revocable.proxy, Object.create(null)]) {
      expect(toErrorInfo(thrown, now)).toMatchObject({ code: "ERROR", category: "UNKNOWN" });
    }
  });

  test("details that fit no JSON are left out with a reason", () => {
    const cyclic: Record<string, unknown> = {};
    cyclic.self = cyclic;
    const info = toErrorInfo(new TaskError({ code: "X", message: "x", details: cyclic }), now);
    expect(JSON.stringify(info.details)).toContain("contains itself");
  });

  test("huge parts are cut, and what PostgreSQL cannot store is replaced", () => {
    const thrown = new TaskError({
      code: "C".repeat(9_999),
      message: `\u0000\ud800${"m".repeat(9_999_999)}`,
      details: "d".repeat(999_999),
    });
    const info = toErrorInfo(thrown, now);
    expect(info.message.length).toBe(4_096);
    expect(info.message.startsWith("\uFFFD\uFFFDm")).toBe(true);
    expect(info.code.length).toBe(100);
    expect(JSON.stringify(info.details).length).toBeLessThan(5_000);
    expect(info.stackTrace?.length).toBeLessThanOrEqual(8_192);
  });

  test("whatever is thrown, the failure can be stored as JSON", () => {
    fc.assert(
      fc.property(
        fc.anything({
          withBigInt: true,
          withMap: true,
          withNullPrototype: true,
          withSparseArray: true,
          withTypedArray: true,
        }),
        (thrown) => {
          const result = toJson(toErrorInfo(thrown, now));
          expect("json" in result).toBe(true);
        },
      ),
      { numRuns: 500 },
    );
  });
});

describe("toJson", () => {
  test("undefined is null, and a Date is ISO 8601", () => {
    expect(jsonOf(undefined)).toBe(null);
    expect(jsonOf({ at: new Date(0), gone: undefined })).toEqual({ at: "1970-01-01T00:00:00.000Z" });
  });

  test("a class with toJSON decides its own form", () => {
    expect(jsonOf({ money: { toJSON: () => ({ cents: 5 }) } })).toEqual({ money: { cents: 5 } });
  });

  test("every JSON value passes unchanged", () => {
    fc.assert(
      fc.property(fc.jsonValue({ noUnicodeString: true }), (value) => {
        expect(jsonOf(value)).toEqual(JSON.parse(JSON.stringify(value)));
      }),
      { numRuns: 300 },
    );
  });

  const bad: [string, unknown, string][] = [
    ["NaN", { a: [1, Number.NaN] }, ".a[1] is NaN"],
    ["Infinity", Number.POSITIVE_INFINITY, " is Infinity"],
    ["a BigInt", { n: 1n }, ".n is a BigInt"],
    ["a function", () => 1, " is a function"],
    ["a symbol", Symbol("s"), " is a symbol"],
    ["a Map", { m: new Map() }, ".m is a Map"],
    ["a Set", [new Set()], "[0] is a Set"],
    ["a forgotten await", { p: Promise.resolve() }, ".p is a Promise"],
    ["binary data", { b: Buffer.from("x") }, ".b is binary data"],
    ["an Error", { e: new Error("x") }, ".e is an Error"],
    ["an invalid Date", { d: new Date(Number.NaN) }, ".d is an invalid Date"],
    [
      "a toJSON that throws",
      {
        toJSON() {
          throw new Error("not me");
        },
      },
      "not me",
    ],
    ["a toJSON that gives a BigInt", { t: { toJSON: () => 1n } }, ".t is a BigInt"],
  ];
  test.each(bad)("%s is refused with its place", (_, value, message) => {
    const refusal = refusalOf(value);
    expect(refusal.code).toBe("OUTPUT_NOT_JSON");
    expect(refusal.message).toContain(message);
  });

  test("a cycle and a bottomless nesting are refused, 500 levels are not", () => {
    const cyclic: unknown[] = [];
    cyclic.push({ back: cyclic }, { back: cyclic });
    expect(refusalOf(cyclic).message).toContain("contains itself");
    let nested: unknown = 1;
    for (let i = 0; i < 500; i++) nested = [nested];
    expect(JSON.stringify(jsonOf(nested)).length).toBe(1_001);
    expect(refusalOf([[nested]]).code).toBe("OUTPUT_NOT_JSON");
  });

  test("what jsonb cannot take is refused, and an escape that only looks like it is not", () => {
    expect(refusalOf({ a: "x\u0000" }).code).toBe("UNSTORABLE");
    expect(refusalOf({ "k\u0000": 1 }).code).toBe("UNSTORABLE");
    expect(refusalOf("\ud83d").code).toBe("UNSTORABLE");
    expect(jsonOf("\\u0000 \\\\u0000 \u0001 😀")).toBe("\\u0000 \\\\u0000 \u0001 😀");
  });
});

test("a handler's log lines carry the step's fields, which the handler cannot override", () => {
  const lines: unknown[] = [];
  const write = (fields: object, message: string) => void lines.push([fields, message]);
  const log = taskLog(
    { debug: write, info: write, warn: write, error: write },
    { stepId: "a" },
    (line) => void lines.push(line),
  );
  log.info("hello", { stepId: "forged", n: 1 });
  expect(lines).toEqual([
    [{ stepId: "a", n: 1 }, "hello"],
    { level: "info", message: "hello", details: { stepId: "forged", n: 1 } },
  ]);
});
