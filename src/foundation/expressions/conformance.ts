/**
 * Runs the CEL conformance suites through this room's evaluator, for the test and for the table in the documentation.
 *
 * Two ways: `cel` keeps CEL's own number types, which is what the suites are written for; `json` is what users get,
 * where results are plain JSON and an int beside a double becomes one.
 */

import { tests } from "@bufbuild/cel-spec/testdata/conformance.js";
import { getTestRegistry } from "@bufbuild/cel-spec/testdata/registry.js";
import type { SerializedIncrementalTestSuite } from "@bufbuild/cel-spec/testdata/tests.js";
import { type JsonObject, toJson as messageToJson } from "@bufbuild/protobuf";
import { isReflectMessage } from "@bufbuild/protobuf/reflect";
import { refillBudget } from "./budget.ts";
import { ExpressionError, Fault } from "./errors.ts";
import { compileExpression, compileProgram } from "./expression.ts";
import { openLibrary } from "./library.ts";
import { at } from "./lookup.ts";
import { toJson } from "./output.ts";
import { BytesValue, ForeignValue, itemsOf, keysOf, ListValue, mapOf, UintValue, type Value } from "./values.ts";

export const suiteNames = [
  "basic",
  "comparisons",
  "fp_math",
  "integer_math",
  "lists",
  "logic",
  "macros",
  "macros2",
  "parse",
  "string",
  "timestamps",
] as const;

export interface ConformanceCase {
  suite: string;
  /** `suite/section/name`. */
  id: string;
  source: string;
  bindings: Readonly<Record<string, Value>>;
  container: string;
  /** What must come out; `error` for any failure. */
  expected: { error: true } | { error: false; value: JsonObject };
}

/** Every case of the suites above, in their order. */
export function conformanceCases(): ConformanceCase[] {
  const wanted = new Map((tests.suites ?? []).map((suite) => [suite.name, suite]));
  return suiteNames.flatMap((name) => casesOf(wanted.get(name)!, name, name));
}

function casesOf(suite: SerializedIncrementalTestSuite, top: string, path: string): ConformanceCase[] {
  const own = (suite.tests ?? []).map(({ original }): ConformanceCase => {
    const bindings = (original.bindings ?? {}) as Record<string, { value: JsonObject }>;
    const failure = "evalError" in original || "anyEvalErrors" in original;
    const typed = original.typedResult as { result?: JsonObject } | undefined;
    const value = (original.value ?? typed?.result ?? { boolValue: true }) as JsonObject;
    return {
      suite: top,
      id: `${path}/${original.name ?? original.expr}`,
      source: original.expr,
      bindings: Object.fromEntries(Object.entries(bindings).map(([name, bound]) => [name, fromProto(bound.value)])),
      container: (original.container as string | undefined) ?? "",
      expected: failure ? { error: true } : { error: false, value },
    };
  });
  return [...own, ...(suite.suites ?? []).flatMap((inner) => casesOf(inner, top, `${path}/${inner.name}`))];
}

const registry = getTestRegistry();
const libraries = new Map<string, ReturnType<typeof openLibrary>>();

function libraryFor(namespace: string): ReturnType<typeof openLibrary> {
  const known = libraries.get(namespace) ?? openLibrary({ registry, namespace });
  libraries.set(namespace, known);
  return known;
}

/** What went wrong with a case under CEL's own number types; undefined when it passes. */
export function failureInCel(test: ConformanceCase): string | undefined {
  return judge(test, () => {
    const program = compileProgram(test.source, { name: "cel", library: libraryFor(test.container) });
    refillBudget();
    const value = program.run(test.bindings);
    return { shown: show(value), fits: (expected) => show(value) === show(fromProto(expected)) };
  });
}

/** What went wrong with a case as a user would run it; undefined when it passes. Results are compared as JSON. */
export function failureInJson(test: ConformanceCase): string | undefined {
  return judge(test, () => {
    const value = compileExpression(test.source).evaluate(test.bindings);
    const shown = JSON.stringify(value);
    const wanted = (expected: JsonObject) => expected.typeValue ?? toJson(fromProto(expected));
    return { shown, fits: (expected) => shown === JSON.stringify(wanted(expected)) };
  });
}

interface Outcome {
  shown: string;
  fits(expected: JsonObject): boolean;
}

function judge(test: ConformanceCase, run: () => Outcome): string | undefined {
  let outcome: Outcome;
  try {
    outcome = run();
  } catch (thrown) {
    if (!(thrown instanceof ExpressionError || thrown instanceof Fault)) throw thrown;
    const what = thrown instanceof Fault && typeof thrown.what === "string" ? thrown.what : String(thrown);
    return test.expected.error ? undefined : `failed: ${what}`;
  }
  if (test.expected.error) return `gave ${outcome.shown} where an error is expected`;
  return outcome.fits(test.expected.value)
    ? undefined
    : `gave ${outcome.shown}, not ${JSON.stringify(test.expected.value)}`;
}

/** A `cel.expr.Value` in its JSON form as a value of ours. */
function fromProto(value: JsonObject): Value {
  const [[kind, content] = ["nullValue", null]] = Object.entries(value);
  switch (kind) {
    case "nullValue":
      return null;
    case "boolValue":
    case "stringValue":
      return content;
    case "int64Value":
      return BigInt(content as string);
    case "uint64Value":
      return new UintValue(BigInt(content as string));
    case "doubleValue":
      return Number(content);
    case "bytesValue":
      return new BytesValue(new Uint8Array(Buffer.from(content as string, "base64")));
    case "typeValue":
      return new ForeignValue(content, "type");
    case "listValue":
      return new ListValue((((content as JsonObject).values ?? []) as JsonObject[]).map(fromProto));
    case "mapValue": {
      const entries = ((content as JsonObject).entries ?? []) as { key: JsonObject; value: JsonObject }[];
      return mapOf(entries.map((entry) => [fromProto(entry.key), fromProto(entry.value)]));
    }
    case "objectValue": {
      const message = content as { "@type": string; value?: string };
      const made = /\.(Timestamp|Duration)$/.exec(message["@type"])?.[1]?.toLowerCase();
      if (made === undefined || message.value === undefined) {
        const { "@type": url, ...fields } = message;
        return new ForeignValue(JSON.stringify(fields), url.replace(/^.*\//, ""));
      }
      refillBudget();
      return libraryFor("").call(made, undefined, [message.value]);
    }
    default:
      throw new Error(`no value of kind ${kind}`);
  }
}

/** A value with its types, so that 1, 1u and 1.0 differ; entries of maps in one order. */
function show(value: Value): string {
  const items = itemsOf(value);
  if (items !== undefined) return `[${items.map(show).join(", ")}]`;
  if (typeof value === "bigint") return `int ${value}`;
  if (typeof value === "number") return Object.is(value, -0) ? "double 0" : `double ${value}`;
  if (value instanceof UintValue) return `uint ${value.value}`;
  if (value instanceof BytesValue) return `bytes ${Buffer.from(value.bytes).toString("base64")}`;
  if (value instanceof ForeignValue) return `${value.typeName} ${showForeign(value)}`;
  const keys = keysOf(value);
  if (keys === undefined) return JSON.stringify(value);
  const entries = keys.map((key) => `${show(key)}: ${show(at(value, key))}`);
  return `{${entries.sort().join(", ")}}`;
}

function showForeign(value: ForeignValue): string {
  const { value: inner } = value;
  if (typeof inner === "string") return inner;
  if (!isReflectMessage(inner) || /^google\.protobuf\.(Timestamp|Duration)$/.test(inner.desc.typeName)) {
    return String(toJson(value));
  }
  return JSON.stringify(messageToJson(inner.desc, inner.message, { registry }));
}
