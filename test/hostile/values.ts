/** Values that programs break on, and values of a schema with one of them in it. */
import fc from "fast-check";

export type Json = null | boolean | number | string | Json[] | { [name: string]: Json };
export interface Schema {
  [keyword: string]: unknown;
}

/** Texts that mean something to some layer: PostgreSQL, JSON, YAML, CEL, regular expressions, paths, terminals. */
export const hostileTexts: readonly string[] = [
  "",
  " ",
  "\u0000",
  "a\u0000b",
  "\ud800",
  "\udfff\ud800",
  "💩",
  "é".repeat(300),
  "x".repeat(256),
  "x".repeat(70_000),
  "constructor",
  "__proto__",
  "toString",
  "hasOwnProperty",
  "null",
  "undefined",
  "NaN",
  "-0",
  "1e999",
  "0x10",
  "../../etc/passwd",
  "%00",
  "%2e%2e%2f",
  "'; drop table workflow_instances; --",
  "$1",
  "${input}",
  "${",
  "$${x}",
  "${1 / 0}",
  "(a+)+$",
  "^(([a-z])+.)+[A-Z]([a-z])+$",
  "[",
  "(?<=a)b",
  "\\",
  "input.a.b.c",
  "input.".repeat(500),
  "(".repeat(500),
  "[1, 2].map(x, [1, 2].map(y, x))",
  '"a" + 1',
  "!".repeat(400),
  "matches(input, '(a+)+$')",
  "steps.reserve-stock.output",
  "PT-1S",
  "P1Y",
  "P99999999999999999999D",
  "2026-13-45T99:99:99Z",
  "0000-00-00T00:00:00Z",
  "-271821-04-20T00:00:00Z",
  "9999-12-31T23:59:60Z",
  "\r\nX-Injected: yes",
  "\u202e\u2066",
];

export const hostileNumbers: readonly number[] = [
  0,
  -0,
  -1,
  1,
  0.5,
  1e-7,
  255,
  256,
  500,
  501,
  2 ** 31,
  -(2 ** 31),
  2 ** 53,
  2 ** 53 + 2,
  -(2 ** 63),
  2 ** 64,
  1e21,
  1e308,
  5e-324,
];

const nested = (depth: number): Json => {
  let value: Json = "deep";
  for (let level = 0; level < depth; level++) value = level % 2 === 0 ? [value] : { a: value };
  return value;
};

export const hostileValue: fc.Arbitrary<Json> = fc.oneof(
  fc.constantFrom<Json>(null, true, false, [], {}, [[]], [null], { "": "" }, { a: { b: { c: [] } } }),
  fc.constantFrom<Json>(...hostileTexts),
  fc.constantFrom<Json>(...hostileNumbers),
  fc.constantFrom(64, 200, 300, 2_000).map(nested),
  fc.nat(3_000).map((length): Json => Array.from({ length }, (_, index) => index)),
  fc.dictionary(
    fc.constantFrom(...hostileTexts.filter((text) => text.length < 300)),
    fc.constantFrom<Json>(...hostileTexts, 1),
  ),
  fc.jsonValue() as fc.Arbitrary<Json>,
);

/** How often a part of a schema may stand inside itself: steps inside a branch inside a branch. */
const maxVisits = 3;

/**
 * Values of a JSON Schema as far as it says; where it says nothing, anything. Not all of them are valid. A schema that
 * refers to itself is followed a few times: `visits` counts the references that led here, and each begins anew with the
 * depth.
 */
export function anyOfSchema(
  schema: unknown,
  root: Schema,
  depth = 0,
  visits: ReadonlyMap<string, number> = new Map(),
): fc.Arbitrary<Json> {
  if (typeof schema !== "object" || schema === null || depth > 8) return hostileValue;
  const known = schema as Schema;
  if (typeof known.$ref === "string") {
    const count = (visits.get(known.$ref) ?? 0) + 1;
    if (count > maxVisits) return hostileValue;
    return anyOfSchema(resolve(known.$ref, root), root, 0, new Map(visits).set(known.$ref, count));
  }
  if ("const" in known) return fc.constant(known.const as Json);
  if (Array.isArray(known.enum)) return fc.constantFrom(...(known.enum as Json[]));
  const forms = known.anyOf ?? known.oneOf;
  if (Array.isArray(forms)) return fc.oneof(...forms.map((form) => anyOfSchema(form, root, depth + 1, visits)));
  switch (known.type) {
    case "object":
      return objectOf(known, { root, depth, visits });
    case "array":
      return fc.array(anyOfSchema(known.items, root, depth + 1, visits), { maxLength: 4 });
    case "string":
      return fc.oneof(
        fc.constantFrom("a", "b", "step-1", "transform", "PT1S", "input.n", "true"),
        fc.string({ maxLength: 20 }),
      );
    case "integer":
    case "number":
      return fc.oneof(fc.integer({ min: 1, max: 10 }), fc.constantFrom(...hostileNumbers));
    case "boolean":
      return fc.boolean();
    default:
      return hostileValue;
  }
}

function objectOf(
  schema: Schema,
  { root, depth, visits }: { root: Schema; depth: number; visits: ReadonlyMap<string, number> },
): fc.Arbitrary<Json> {
  const properties = Object.entries((schema.properties ?? {}) as Record<string, unknown>);
  const required = new Set((schema.required ?? []) as string[]);
  const shape: Record<string, fc.Arbitrary<Json | undefined>> = {};
  for (const [name, part] of properties) {
    const value = anyOfSchema(part, root, depth + 1, visits);
    shape[name] = required.has(name) ? value : fc.option(value, { nil: undefined, freq: depth > 2 ? 1 : 2 });
  }
  const members = fc.record(shape).map((record) => JSON.parse(JSON.stringify(record)) as Json);
  if (properties.length > 0 || schema.additionalProperties === undefined) return members;
  return fc.dictionary(
    fc.string({ maxLength: 10 }),
    anyOfSchema(schema.additionalProperties, root, depth + 1, visits),
    {
      maxKeys: 4,
    },
  );
}

/** `#/components/schemas/Name`, `#/$defs/Name`. */
function resolve(reference: string, root: Schema): unknown {
  let value: unknown = root;
  for (const part of reference.replace(/^#\//, "").split("/")) value = (value as Schema | undefined)?.[part];
  return value;
}

/** The value with one of its parts, chosen by `where`, replaced or joined by a hostile one. */
export function spoil(value: Json, { where, by }: { where: number; by: Json }): Json {
  const places: ((replacement: Json) => void)[] = [];
  const copy = structuredClone(value);
  const visit = (node: Json): void => {
    if (typeof node !== "object" || node === null) return;
    for (const name of Object.keys(node)) {
      const parent = node as { [name: string]: Json };
      places.push((replacement) => {
        parent[name] = replacement;
      });
      visit(parent[name]!);
    }
    if (!Array.isArray(node)) {
      places.push((replacement) => {
        node[typeof replacement === "string" ? replacement.slice(0, 200) : "unheardOf"] = replacement;
      });
    }
  };
  visit(copy);
  if (places.length === 0) return by;
  places[where % places.length]!(by);
  return copy;
}
