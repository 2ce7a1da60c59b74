import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { AppError } from "../errors.ts";
import { checkSchema, compileSchema, schemaCacheSize } from "./index.ts";

describe("faults of a value", () => {
  const order = compileSchema({
    type: "object",
    required: ["id", "amount"],
    additionalProperties: false,
    properties: {
      id: { type: "string", minLength: 1 },
      amount: { type: "integer", minimum: 1 },
      "a/b~c": { type: "string" },
      kind: { enum: ["x", "y"] },
      size: { anyOf: [{ type: "string" }, { type: "number" }] },
      payment: {
        oneOf: [
          {
            type: "object",
            properties: { type: { const: "card" }, digits: { type: "string" } },
            required: ["type", "digits"],
          },
          { type: "object", properties: { type: { const: "cash" } }, required: ["type"] },
        ],
      },
      lines: { type: "array", items: { type: "object", required: ["sku"], properties: { sku: { type: "string" } } } },
    },
  });

  test("every fault is listed at once, each with its place, in words, and what would be right", () => {
    const value = { id: "", "a/b~c": 5, kind: "z", size: {}, extra: 1, lines: [{ sku: "a" }, {}, { sku: 7 }] };
    expect(order.validate(value)).toEqual(
      expect.arrayContaining([
        { pointer: "/amount", message: "is required", expected: "integer >= 1" },
        { pointer: "/extra", message: "is not a known field", expected: expect.stringContaining('"amount"') },
        { pointer: "/id", message: "must not be empty", expected: "string" },
        { pointer: "/a~1b~0c", message: "must be a string, not a number", expected: "string" },
        { pointer: "/kind", message: '"z" is not permitted', expected: 'one of "x", "y"' },
        { pointer: "/size", message: "matches none of the permitted forms", expected: "string or number" },
        { pointer: "/lines/1/sku", message: "is required", expected: "string" },
        { pointer: "/lines/2/sku", message: "must be a string, not a number", expected: "string" },
      ]),
    );
    expect(order.validate(value)).toHaveLength(8);
  });

  test("of several forms the one that its tag names is explained", () => {
    const base = { id: "a", amount: 1 };
    expect(order.validate({ ...base, payment: { type: "card", digits: 4 } })).toEqual([
      { pointer: "/payment/digits", message: "must be a string, not a number", expected: "string" },
    ]);
    expect(order.validate({ ...base, payment: { type: "gold" } })).toEqual([
      { pointer: "/payment/type", message: '"gold" is not permitted', expected: 'one of "card", "cash"' },
    ]);
  });

  test("the list is bounded, however many faults there are", () => {
    const numbers = compileSchema({ items: { type: "number" } });
    expect(numbers.validate(Array.from({ length: 5_000 }, () => "x"))).toHaveLength(100);
    const huge = numbers.validate(Array.from({ length: 500_000 }, () => "x"));
    expect(huge).toEqual([{ pointer: "/0", message: "must be a number, not a string", expected: "number" }]);
  });

  test("validating changes nothing", () => {
    const schema = compileSchema({ properties: { a: { type: "integer", default: 5 } } });
    const value = { b: "1" };
    schema.validate(value);
    expect(value).toEqual({ b: "1" });
  });
});

describe("faults of a schema", () => {
  test.each<[string, unknown, string, RegExp]>([
    ["an unknown type", { type: "text" }, "/type", /"text" is not permitted/],
    [
      "a keyword of the wrong type",
      { properties: { a: { minimum: "1" } } },
      "/properties/a/minimum",
      /must be a number/,
    ],
    ["a schema that is none", { properties: { a: 7 } }, "/properties/a", /must be an object or boolean/],
    ["no schema at all", "string", "", /is not a JSON Schema/],
    ["undefined", undefined, "", /is not a JSON Schema/],
    [
      "a pattern that is none",
      { properties: { a: { pattern: "(" } } },
      "/properties/a/pattern",
      /not a regular expression/,
    ],
    ["look-ahead", { pattern: "(?=a)b" }, "/pattern", /look-ahead/],
    ["a back-reference", { pattern: "(a)\\1" }, "/pattern", /back-reference/],
    [
      "a pattern name that is none",
      { patternProperties: { "[": {} } },
      "/patternProperties/[",
      /not a regular expression/,
    ],
    ["a pattern of too many states", { pattern: "(?:a{1000}|b{1000})" }, "/pattern", /too large/],
    ["a remote reference", { $ref: "https://example.com/schema" }, "", /never loaded from elsewhere/],
    ["a file", { $ref: "file:///etc/passwd" }, "", /never loaded from elsewhere/],
    ["a reference to nothing", { items: { $ref: "#/$defs/a" } }, "/items/$ref", /does not exist/],
    ["another dialect", { $schema: "http://json-schema.org/draft-07/schema#" }, "/$schema", /dialect/],
    ["an asynchronous schema", { $async: true }, "/$async", /not a keyword/],
    ["a reference to itself", { $ref: "#" }, "", /round in circles/],
    [
      "a circle",
      { $ref: "#/$defs/a", $defs: { a: { not: { $ref: "#/$defs/b" } }, b: { anyOf: [{ $ref: "#/$defs/a" }] } } },
      "",
      /round in circles/,
    ],
    [
      "a name that cannot be one",
      JSON.parse('{"properties":{"__proto__":{}}}'),
      "/properties/__proto__",
      /cannot be used/,
    ],
  ])("%s is found and its place is given", (_, schema, pointer, message) => {
    expect(checkSchema(schema)).toContainEqual({
      pointer,
      message: expect.stringMatching(message),
      expected: expect.anything(),
    });
    expect(() => compileSchema(schema)).toThrow(AppError);
  });

  test("all faults are given at once", () => {
    const errors = checkSchema({ properties: { a: { type: "text" }, b: { minLength: -1 }, c: { required: "x" } } });
    expect(errors.map(({ pointer }) => pointer).sort()).toEqual([
      "/properties/a/type",
      "/properties/b/minLength",
      "/properties/c/required",
    ]);
  });
});

describe("hostile input never hangs", () => {
  const quick = { timeout: 10_000 };
  const times = <T>(count: number, make: (index: number) => T): T[] =>
    Array.from({ length: count }, (_, index) => make(index));
  const tooMuch = [{ pointer: "", message: "takes too much work to validate", expected: expect.any(String) }];

  test("a pattern that backtracks for ever elsewhere", quick, () => {
    expect(compileSchema({ pattern: "^(a+)+$" }).validate(`${"a".repeat(1_000_000)}b`)).toHaveLength(1);
  });

  test("a pattern of many states over a long text", quick, () => {
    const schema = compileSchema({ pattern: "^(\\pL|[ab])*a(\\pL|b|a){400}\\d\\pL" });
    expect(schema.validate("ab".repeat(500_000))).toEqual(tooMuch);
  });

  test("references that double at each level", quick, () => {
    const $defs = Object.fromEntries(
      times(40, (i) => [`d${i}`, { allOf: times(2, () => ({ $ref: `#/$defs/d${i + 1}` })) }]),
    );
    expect(checkSchema({ $ref: "#/$defs/d0", $defs: { ...$defs, d40: {} } })).toEqual(tooMuch);
  });

  test("references that double at each level of the value", quick, () => {
    const twice = times(2, () => ({ properties: { x: { $ref: "#" } } }));
    let value: unknown = {};
    for (let depth = 0; depth < 60; depth += 1) value = { x: value };
    expect(compileSchema({ allOf: twice }).validate(value)).toEqual(tooMuch);
  });

  test("a value nested more deeply than the stack", quick, () => {
    let value: unknown = {};
    for (let depth = 0; depth < 200_000; depth += 1) value = { x: value };
    expect(compileSchema({ properties: { x: { $ref: "#" } } }).validate(value)).toHaveLength(1);
  });

  test("a schema nested more deeply than the stack, or in itself", quick, () => {
    let deep: unknown = {};
    for (let depth = 0; depth < 200_000; depth += 1) deep = { not: deep };
    const circle: { not?: unknown } = {};
    circle.not = circle;
    for (const schema of [deep, circle]) expect(checkSchema(schema)[0]!.message).toBe("is not a JSON Schema");
    let deepish: unknown = {};
    for (let depth = 0; depth < 200; depth += 1) deepish = { not: deepish };
    expect(checkSchema(deepish)[0]!.message).toBe("is nested too deeply");
  });

  test("more parts than are compiled, also by references in many spellings", quick, () => {
    expect(checkSchema({ properties: Object.fromEntries(times(501, (i) => [`p${i}`, {}])) })[0]!.message).toMatch(
      /too many members/,
    );
    const big = { properties: Object.fromEntries(times(400, (i) => [`p${i}`, { type: "string" }])) };
    const spelled = times(8, (i) => ({
      $ref: `#/$defs/${"big".replace(/./g, (c, at: number) => (i & (1 << at) ? `%${c.charCodeAt(0).toString(16)}` : c))}`,
    }));
    const others = times(8, (i) => ({ $ref: `#/%24defs/${spelled[i]!.$ref.slice(8)}` }));
    expect(checkSchema({ $defs: { big }, anyOf: [...spelled, ...others] })).toContainEqual(
      expect.objectContaining({ message: expect.stringMatching(/references are followed/) }),
    );
  });

  test("a large enumeration, unique items and many members", quick, () => {
    const numbers = times(20_000, (i) => i);
    expect(compileSchema({ items: { enum: numbers } }).validate(times(200_000, (i) => i % 20_000))).toEqual([]);
    expect(compileSchema({ uniqueItems: true }).validate(times(100_000, (i) => ({ i })))).toEqual([]);
    const members = Object.fromEntries(times(500_000, (i) => [`k${i}`, 1]));
    const repeated = (keyword: object) =>
      compileSchema({ allOf: times(450, (i) => ({ ...keyword, title: String(i) })) });
    expect(repeated({ minProperties: 1 }).validate(members)).toEqual(tooMuch);
    expect(repeated({ maxLength: 1e9 }).validate("é".repeat(10_000_000))).toEqual(tooMuch);
  });

  test("any JSON as a schema is either accepted or refused with faults, and then validates anything", () => {
    const keyword = fc.constantFrom(
      "type",
      "items",
      "properties",
      "$ref",
      "anyOf",
      "not",
      "pattern",
      "enum",
      "required",
      "$defs",
      "$id",
      "$anchor",
      "if",
      "unevaluatedProperties",
      "format",
      "minimum",
      "dependentSchemas",
    );
    const leaf = fc.constantFrom<unknown>(
      "string",
      "object",
      "#",
      "#/$defs/a",
      "#/items",
      "(",
      "a+",
      "date",
      1,
      -1,
      true,
      false,
      null,
      "toString",
    );
    const { schema } = fc.letrec((tie) => ({
      schema: fc.oneof(
        { maxDepth: 4 },
        leaf,
        fc.array(tie("schema"), { maxLength: 3 }),
        fc.dictionary(keyword, tie("schema"), { maxKeys: 4 }),
      ),
    }));
    fc.assert(
      fc.property(
        fc.oneof(schema, fc.dictionary(keyword, fc.oneof(leaf, schema))),
        fc.jsonValue(),
        (candidate, value) => {
          if (checkSchema(candidate).length > 0) return;
          for (const fault of compileSchema(candidate).validate(value)) expect(fault.message).not.toBe("");
        },
      ),
      { numRuns: 1_500 },
    );
  });
});

describe("the cache", () => {
  test("equal schemas are compiled once", () => {
    const schema = () => ({ type: "object", title: "cached once" });
    expect(compileSchema(schema())).toBe(compileSchema(schema()));
  });

  test("its size is bounded, and what was used last stays", () => {
    const kept = compileSchema({ title: "kept" });
    for (let index = 0; index < 400; index += 1) {
      compileSchema({ title: `filler ${index} ${"x".repeat(2_000)}` });
      compileSchema({ title: "kept" });
    }
    const { bytes, maxBytes, entries } = schemaCacheSize();
    expect(bytes).toBeLessThanOrEqual(maxBytes);
    expect(entries).toBeLessThan(401);
    expect(compileSchema({ title: "kept" })).toBe(kept);
  });
});
