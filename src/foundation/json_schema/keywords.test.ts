import { isDeepStrictEqual } from "node:util";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { compileSchema } from "./index.ts";

interface Case {
  schema: unknown;
  valid: unknown[];
  invalid: unknown[];
}

/** JSON Schema 2020-12, keyword by keyword: values that each schema accepts and refuses. */
const cases: Record<string, Case[]> = {
  booleans: [
    { schema: true, valid: [null, 1, {}], invalid: [] },
    { schema: false, valid: [], invalid: [null, 1, {}] },
    { schema: {}, valid: [null, 1, {}], invalid: [] },
  ],
  type: [
    { schema: { type: "integer" }, valid: [1, 1.0, -5], invalid: [1.5, "1", null, true] },
    { schema: { type: "number" }, valid: [1, 1.5], invalid: ["1", null] },
    { schema: { type: "object" }, valid: [{}], invalid: [[], null, "x"] },
    { schema: { type: "array" }, valid: [[]], invalid: [{}, "x"] },
    { schema: { type: ["string", "null"] }, valid: ["x", null], invalid: [0, {}] },
  ],
  enum: [
    {
      schema: { enum: [1, "a", null, { a: 1, b: [2] }] },
      valid: [1, "a", null, { b: [2], a: 1 }],
      invalid: ["1", 0, { a: 1 }],
    },
    { schema: { enum: [[false]] }, valid: [[false]], invalid: [[0], false] },
    { schema: { enum: [0] }, valid: [0, -0], invalid: [false, ""] },
    { schema: { enum: ["__proto__"] }, valid: ["__proto__"], invalid: ["toString"] },
  ],
  const: [
    { schema: { const: { a: 1, b: 2 } }, valid: [{ b: 2, a: 1 }], invalid: [{ a: 1 }, [1, 2]] },
    { schema: { const: null }, valid: [null], invalid: [0, false, ""] },
    { schema: { const: 1 }, valid: [1], invalid: [true, "1"] },
    { schema: { const: "a,b" }, valid: ["a,b"], invalid: [["a", "b"]] },
  ],
  numbers: [
    { schema: { minimum: 1, exclusiveMaximum: 3 }, valid: [1, 2.9, "x"], invalid: [0.9, 3] },
    { schema: { exclusiveMinimum: 0, maximum: 1 }, valid: [0.1, 1], invalid: [0, 1.1] },
    { schema: { multipleOf: 2 }, valid: [0, 4, -2], invalid: [3] },
  ],
  strings: [
    { schema: { minLength: 2, maxLength: 3 }, valid: ["ab", "abc", "💩💩", 1], invalid: ["a", "abcd", "💩"] },
    { schema: { pattern: "^a+$" }, valid: ["aa", 1], invalid: ["", "ba", "ab"] },
    { schema: { pattern: "b" }, valid: ["abc"], invalid: ["ac"] },
    { schema: { pattern: "^\\p{L}+\\d{2}$" }, valid: ["é12"], invalid: ["12"] },
    { schema: { pattern: "^\\u00e9\\/[^]$" }, valid: ["é/x"], invalid: ["e/x"] },
  ],
  arrays: [
    {
      schema: { prefixItems: [{ type: "string" }], items: { type: "number" } },
      valid: [[], ["x"], ["x", 1]],
      invalid: [[1], ["x", "y"]],
    },
    { schema: { prefixItems: [{}], items: false }, valid: [[1]], invalid: [[1, 2]] },
    {
      schema: { contains: { const: 1 }, minContains: 2, maxContains: 3 },
      valid: [
        [1, 1],
        [1, 0, 1, 1],
      ],
      invalid: [[1], [1, 1, 1, 1]],
    },
    { schema: { minItems: 1, maxItems: 2 }, valid: [[1], {}], invalid: [[], [1, 2, 3]] },
    { schema: { unevaluatedItems: false, allOf: [{ prefixItems: [true] }] }, valid: [[1]], invalid: [[1, 2]] },
  ],
  uniqueItems: [
    {
      schema: { uniqueItems: true },
      valid: [[], [1, "1", true], [{ a: 1 }, { a: 2 }], [[1], ["1"]]],
      invalid: [
        [1, 1.0],
        [
          { a: 1, b: 2 },
          { b: 2, a: 1 },
        ],
        [null, null],
      ],
    },
    { schema: { uniqueItems: false }, valid: [[1, 1]], invalid: [] },
  ],
  objects: [
    { schema: { required: ["a", "toString"] }, valid: [{ a: 1, toString: 2 }, []], invalid: [{ a: 1 }, {}] },
    {
      schema: { properties: { a: { type: "string" } }, additionalProperties: false },
      valid: [{}, { a: "x" }],
      invalid: [{ a: 1 }, { b: 1 }, { constructor: 1 }],
    },
    {
      schema: { patternProperties: { "^x-": { type: "number" } }, additionalProperties: { type: "string" } },
      valid: [{ "x-a": 1, b: "c" }],
      invalid: [{ "x-a": "1" }, { b: 1 }],
    },
    { schema: { propertyNames: { maxLength: 2 } }, valid: [{ ab: 1 }], invalid: [{ abc: 1 }] },
    { schema: { minProperties: 1, maxProperties: 2 }, valid: [{ a: 1 }], invalid: [{}, { a: 1, b: 2, c: 3 }] },
    { schema: { dependentRequired: { a: ["b"] } }, valid: [{}, { b: 1 }, { a: 1, b: 1 }], invalid: [{ a: 1 }] },
    {
      schema: { dependentSchemas: { a: { required: ["b"] } } },
      valid: [{ b: 1 }, { a: 1, b: 1 }],
      invalid: [{ a: 1 }],
    },
    {
      schema: { allOf: [{ properties: { a: true } }], unevaluatedProperties: false },
      valid: [{ a: 1 }],
      invalid: [{ b: 1 }],
    },
  ],
  logic: [
    { schema: { allOf: [{ minimum: 1 }, { maximum: 2 }] }, valid: [1, 2], invalid: [0, 3] },
    { schema: { anyOf: [{ type: "string" }, { minimum: 2 }] }, valid: ["x", 2], invalid: [1] },
    { schema: { oneOf: [{ multipleOf: 2 }, { multipleOf: 3 }] }, valid: [2, 3], invalid: [1, 6] },
    { schema: { not: { type: "string" } }, valid: [1], invalid: ["x"] },
    {
      // biome-ignore lint/suspicious/noThenProperty: it is a keyword of JSON Schema.
      schema: { if: { type: "string" }, then: { minLength: 2 }, else: { minimum: 2 } },
      valid: ["ab", 2],
      invalid: ["a", 1],
    },
  ],
  references: [
    { schema: { $defs: { a: { type: "string" } }, $ref: "#/$defs/a", minLength: 2 }, valid: ["ab"], invalid: [1, "a"] },
    {
      schema: { properties: { next: { $ref: "#" } }, additionalProperties: false },
      valid: [{}, { next: { next: {} } }],
      invalid: [{ next: { other: 1 } }],
    },
    { schema: { $defs: { a: { $anchor: "here", type: "number" } }, $ref: "#here" }, valid: [1], invalid: ["x"] },
    {
      schema: { $id: "https://example.com/a", $defs: { b: { $id: "b", type: "number" } }, $ref: "b" },
      valid: [1],
      invalid: ["x"],
    },
    { schema: { $defs: { "a/b~c": { type: "null" } }, $ref: "#/$defs/a~1b~0c" }, valid: [null], invalid: [0] },
    {
      schema: { $dynamicAnchor: "node", properties: { child: { $dynamicRef: "#node" } }, type: "object" },
      valid: [{ child: {} }],
      invalid: [{ child: 1 }],
    },
    {
      schema: { $ref: "https://json-schema.org/draft/2020-12/schema" },
      valid: [{ type: "string" }, true],
      invalid: [{ type: "text" }, 5],
    },
  ],
  formats: [
    {
      schema: { format: "date-time" },
      valid: ["2026-01-02T03:04:05Z", "2026-01-02T03:04:05.5+01:00", 1],
      invalid: ["2026-01-02", "2026-02-30T00:00:00Z"],
    },
    { schema: { format: "date" }, valid: ["2024-02-29"], invalid: ["2023-02-29"] },
    { schema: { format: "email" }, valid: ["a@b.example"], invalid: ["a", `${"a".repeat(10_000)}@b.example`] },
    { schema: { format: "uuid" }, valid: ["0190b5a0-0000-7000-8000-000000000000"], invalid: ["0190b5a0"] },
    { schema: { format: "ipv4" }, valid: ["127.0.0.1"], invalid: ["256.0.0.1"] },
    { schema: { format: "uri" }, valid: ["https://a.example/b?c#d"], invalid: ["a b"] },
    { schema: { format: "duration" }, valid: ["P1DT2H"], invalid: ["1 day"] },
    { schema: { format: "regex" }, valid: ["^a+$"], invalid: ["(", "(?=a)"] },
    { schema: { format: "of-our-own" }, valid: ["anything"], invalid: [] },
  ],
  "what is no keyword": [
    {
      schema: { title: "t", id: "a", "x-note": { pattern: 5 }, nullable: true, default: 5, examples: [{}] },
      valid: [1],
      invalid: [],
    },
    { schema: { type: "string", nullable: true }, valid: ["x"], invalid: [null] },
    { schema: { $schema: "https://json-schema.org/draft/2020-12/schema", type: "string" }, valid: ["x"], invalid: [1] },
  ],
};

describe.each(Object.entries(cases))("%s", (_, list) => {
  test.each(list.map((entry) => [JSON.stringify(entry.schema), entry] as const))(
    "%s",
    (_, { schema, valid, invalid }) => {
      const compiled = compileSchema(schema);
      for (const value of valid) expect(compiled.validate(value), JSON.stringify(value)).toEqual([]);
      for (const value of invalid) expect(compiled.validate(value), JSON.stringify(value)).not.toEqual([]);
    },
  );
});

test("a value equals the constant of a schema exactly when it is the same JSON value", () => {
  const json = fc.jsonValue().map((value) => JSON.parse(JSON.stringify(value)) as unknown);
  fc.assert(
    fc.property(json, json, (a, b) => {
      const schema = compileSchema({ const: a });
      expect(schema.validate(structuredClone(a))).toEqual([]);
      expect(schema.validate(b).length === 0).toBe(isDeepStrictEqual(a, b));
    }),
  );
});
