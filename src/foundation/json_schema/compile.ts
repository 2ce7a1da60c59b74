/**
 * Compiles users' JSON Schemas (2020-12) to validators, and keeps the compiled ones that are in use.
 */
import { createHash } from "node:crypto";
import { Ajv2020, type ErrorObject, MissingRefError, type ValidateFunction } from "ajv/dist/2020.js";
import type { InputError } from "../errors.ts";
import { BudgetExhausted, budget, VALIDATION_UNITS } from "./budget.ts";
import { describeErrors } from "./describe.ts";
import { jsonSchemaErrors } from "./errors.ts";
import { formats } from "./formats.ts";
import { constant, enumeration, meter, uniqueItems } from "./keywords.ts";
import { compilePattern } from "./pattern.ts";
import { DIALECT, type Prepared, prepareSchema } from "./prepare.ts";

export interface CompiledSchema {
  /**
   * Every fault of a value, empty when it is valid. Pointers start at the value. Never throws, changes nothing, and
   * ends after a bounded amount of work; a value that would need more is invalid.
   *
   * A value is first checked until its first fault; only an invalid one is checked again for all of them, when it
   * is small enough that the list cannot grow out of hand.
   */
  validate(value: unknown): InputError[];
}

/** A schema's text times a value's parts, up to which all faults are collected. */
const MAX_COLLECTING_PRODUCT = 5_000_000;
/** Values that any schema must be able to judge: a schema that goes round in circles shows it on them. */
const probes: readonly unknown[] = [null, true, 0, "", [], {}];

const MAX_CACHED_BYTES = 32 * 1024 * 1024;
/** Measured: a small compiled schema holds 15 kB, a large one 93 bytes per character, the collecting variant included. */
const BASE_BYTES = 16 * 1024;
const BYTES_PER_CHARACTER = 100;

const cache = new Map<string, { compiled: CompiledSchema; bytes: number }>();
let cachedBytes = 0;

/**
 * Compiles a schema, or gives the compiled one of an equal text. Compiling costs 1 ms and more; hold the result.
 * Throws `json_schema.schema_invalid` with every fault that `checkSchema` reports.
 */
export function compileSchema(schema: unknown): CompiledSchema {
  const prepared = prepareSchema(schema);
  const key = createHash("sha256").update(prepared.text).digest("base64");
  const known = prepared.errors.length === 0 ? cache.get(key) : undefined;
  if (known) {
    cache.delete(key);
    cache.set(key, known);
    return known.compiled;
  }
  const result = compilePrepared(prepared);
  if (result.errors) {
    throw jsonSchemaErrors.schema_invalid("The JSON Schema is invalid.", { errors: result.errors });
  }
  remember(key, result.compiled, BASE_BYTES + prepared.text.length * BYTES_PER_CHARACTER);
  return result.compiled;
}

/** Every fault of a schema, empty when `compileSchema` accepts it. Pointers lead to the keyword. Never throws. */
export function checkSchema(schema: unknown): InputError[] {
  return compilePrepared(prepareSchema(schema)).errors ?? [];
}

/** What the cache of compiled schemas holds now. */
export function schemaCacheSize(): { entries: number; bytes: number; maxBytes: number } {
  return { entries: cache.size, bytes: cachedBytes, maxBytes: MAX_CACHED_BYTES };
}

function remember(key: string, compiled: CompiledSchema, bytes: number): void {
  cache.set(key, { compiled, bytes });
  cachedBytes += bytes;
  for (const [oldest, entry] of cache) {
    if (cachedBytes <= MAX_CACHED_BYTES) return;
    cache.delete(oldest);
    cachedBytes -= entry.bytes;
  }
}

type Compilation = { compiled: CompiledSchema; errors?: undefined } | { errors: InputError[] };

function compilePrepared(prepared: Prepared): Compilation {
  if (prepared.errors.length > 0) return { errors: prepared.errors };
  const faults = metaFaults(JSON.parse(prepared.text));
  if (faults.length > 0) return { errors: faults };
  let first: ValidateFunction;
  try {
    first = compileWith(prepared, { allErrors: false });
  } catch (error) {
    return { errors: [compileFault(error)] };
  }
  for (const probe of probes) {
    const endless = run(first, probe).failure;
    if (endless) return { errors: [{ pointer: "", message: endless, expected: "references that go into the value" }] };
  }
  let all: ValidateFunction | undefined;
  const compiled: CompiledSchema = {
    validate(value) {
      const { failure, errors } = run(first, value);
      if (failure) return [{ pointer: "", message: failure, expected: "a smaller value or a simpler schema" }];
      if (errors.length === 0) return [];
      const mayCollect = countParts(value, MAX_COLLECTING_PRODUCT / prepared.text.length) !== undefined;
      if (!mayCollect) return describeErrors(errors);
      try {
        all ??= compileWith(prepared, { allErrors: true });
        const collected = run(all, value);
        return describeErrors(collected.failure ? errors : collected.errors);
      } catch {
        // The collecting variant is larger and may be too large to compile; the first fault is a right answer too.
        return describeErrors(errors);
      }
    },
  };
  return { compiled };
}

/**
 * A compiler of its own per schema: ids and anchors of one user never meet those of another, and all that was
 * compiled goes when the validator goes.
 */
function compileWith(prepared: Prepared, options: { allErrors: boolean }): ValidateFunction {
  const ajv = new Ajv2020({
    ...options,
    verbose: true,
    strict: false,
    ownProperties: true,
    logger: false,
    meta: prepared.usesMetaSchema,
    validateSchema: false,
    // Inlining would copy a definition into each place that refers to it.
    inlineRefs: false,
    formats,
    code: { regExp: Object.assign(compilePattern, { code: "compilePattern" }) },
  });
  ajv.addKeyword(meter);
  for (const definition of [uniqueItems, enumeration, constant]) {
    ajv.removeKeyword(String(definition.keyword));
    ajv.addKeyword(definition);
  }
  return ajv.compile(prepared.schema);
}

/** Runs a validator within the budget. `failure` says why it did not end. */
function run(validator: ValidateFunction, value: unknown): { failure?: string; errors: readonly ErrorObject[] } {
  budget.left = VALIDATION_UNITS;
  try {
    return { errors: validator(value) ? [] : (validator.errors ?? []) };
  } catch (error) {
    if (error instanceof BudgetExhausted) return { failure: "takes too much work to validate", errors: [] };
    if (error instanceof RangeError)
      return { failure: "goes round in circles: the schema refers to itself without end", errors: [] };
    throw error;
  } finally {
    validator.errors = null;
  }
}

let metaValidator: ValidateFunction | undefined;

/** Faults against the meta-schema: which keyword has a wrong value. */
function metaFaults(schema: unknown): InputError[] {
  metaValidator ??= new Ajv2020({ allErrors: true, verbose: true, strict: false, logger: false, formats }).getSchema(
    DIALECT,
  );
  if (!metaValidator) throw new Error("the meta-schema of JSON Schema 2020-12 is missing");
  const { errors, failure } = run(metaValidator, schema);
  return failure ? [{ pointer: "", message: failure }] : describeErrors(errors);
}

function compileFault(error: unknown): InputError {
  if (error instanceof MissingRefError) {
    return {
      pointer: "",
      message: `refers to ${JSON.stringify(error.missingRef)}, which is not in this schema; schemas are never loaded from elsewhere`,
      expected: 'a reference into this schema, such as "#/$defs/name"',
    };
  }
  return {
    pointer: "",
    message: error instanceof Error ? error.message : String(error),
    expected: "a schema that compiles",
  };
}

/** The number of values inside a value, itself included, or undefined when there are more than `limit`. */
function countParts(value: unknown, limit: number): number | undefined {
  let count = 0;
  const open: unknown[] = [value];
  while (open.length > 0) {
    const next = open.pop();
    count += 1;
    if (count > limit) return undefined;
    if (typeof next === "object" && next !== null) for (const inner of Object.values(next)) open.push(inner);
  }
  return count;
}
