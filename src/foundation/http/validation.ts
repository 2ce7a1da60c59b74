/** Compiles the schemas of a route's input and collects every fault of all its parts at once. */
import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js";
import type { z } from "zod";
import type { InputError } from "../errors.ts";
import { describeErrors, formats } from "../json_schema/index.ts";
import { type JsonSchema, toJsonSchema } from "./schema.ts";

/** Checks one part in place: fills in defaults, turns texts of a query into numbers; gives the faults. */
export type Check = (value: unknown, options?: { onlyFirst?: boolean }) => InputError[];

const base = {
  strict: false,
  verbose: true,
  useDefaults: true,
  logger: false,
  formats,
  validateSchema: false,
} as const;
const validators = {
  json: { first: new Ajv2020({ ...base }), all: new Ajv2020({ ...base, allErrors: true }) },
  text: {
    first: new Ajv2020({ ...base, coerceTypes: "array" }),
    all: new Ajv2020({ ...base, coerceTypes: "array", allErrors: true }),
  },
} as const;

/**
 * Compiles the check of one part. `text` parts (parameters, query) arrive as texts and are coerced; `json` bodies are
 * not. The valid case runs the variant that stops at the first fault; `onlyFirst` is for bodies so large that the
 * list of their faults could be larger still.
 */
export function compileCheck(schema: JsonSchema, { kind, prefix }: { kind: "json" | "text"; prefix: string }): Check {
  const first = validators[kind].first.compile(schema);
  let all: ValidateFunction | undefined;
  return (value, { onlyFirst = false } = {}) => {
    if (first(value)) return [];
    if (onlyFirst) return describeErrors(first.errors ?? [], prefix);
    all ??= validators[kind].all.compile(schema);
    return all(value) ? [] : describeErrors(all.errors ?? [], prefix);
  };
}

/** Compiles the check of an answer; answers are checked in tests only. */
export function compileAnswerCheck(schema: z.ZodType): Check {
  return compileCheck(toJsonSchema(schema, { io: "output", closed: true }), { kind: "json", prefix: "" });
}

/** Compiles the check of a part of a body that the route itself takes as it comes; pointers begin at the part. */
export function compileBodyCheck(schema: z.ZodType): Check {
  return compileCheck(toJsonSchema(schema, { io: "input", closed: true }), { kind: "json", prefix: "" });
}
