/**
 * Calls into the CEL library for what this room does not compute itself: timestamps, durations, bytes, uint arithmetic,
 * rare conversions, the strings extension, and messages.
 *
 * The library evaluates whole expressions, so each function is planned once as a call over the variables `a0`, `a1`, …
 * and run with the values bound. That costs one to two microseconds, which every call charges to the budget.
 */
import {
  type CelInput,
  celEnv,
  celList,
  celMap,
  celUint,
  isCelError,
  isCelList,
  isCelMap,
  isCelType,
  isCelUint,
  parse,
  plan,
} from "@bufbuild/cel";
import { strings } from "@bufbuild/cel/ext";
import type { Expr } from "@bufbuild/cel-spec/cel/expr/syntax_pb.js";
import type { Registry } from "@bufbuild/protobuf";
import { isReflectMessage } from "@bufbuild/protobuf/reflect";
import { charge } from "./budget.ts";
import { Fault } from "./errors.ts";
import {
  BytesValue,
  ForeignValue,
  isRecord,
  itemsOf,
  ListValue,
  MapValue,
  mapOf,
  missing,
  recordKeys,
  UintValue,
  type Value,
} from "./values.ts";

/** Where message and type names are looked up; JSON expressions have neither. */
export interface LibraryOptions {
  registry?: Registry;
  namespace?: string;
}

export interface Library {
  /** True when the library has a function or method of that name, with whatever arguments. */
  has(name: string): boolean;
  /** Every function and method name, for suggestions. */
  names(): string[];
  /**
   * Calls a function, or a method when `target` is given; `missing` when no overload takes these types. A failure of
   * the function itself is a `Fault`.
   */
  call(name: string, target: Value | undefined, args: readonly Value[]): Value;
  /** Evaluates a tree of the library's own syntax over bound values. */
  run(tree: Expr, bindings: Readonly<Record<string, Value>>): Value;
}

type Planned = (bindings: Record<string, CelInput>) => unknown;

const callUnits = 60;
/** The library makes an error with a stack trace, also where only no overload fits. */
const failureUnits = 300;
const noOverload = /^found no matching overload/;
const operators: Readonly<Record<string, string>> = {
  "-_": "-a0",
  "_+_": "a0 + a1",
  "_-_": "a0 - a1",
  "_*_": "a0 * a1",
  "_/_": "a0 / a1",
  "_%_": "a0 % a1",
  "_<_": "a0 < a1",
  "_==_": "a0 == a1",
};

export function openLibrary(options: LibraryOptions = {}): Library {
  const env = celEnv({ ...options, funcs: strings });
  const planned = new Map<string, Planned>();
  const trees = new WeakMap<Expr, Planned>();

  function planOf(name: string, method: boolean, count: number): Planned {
    const key = `${name}/${method ? "m" : "f"}${count}`;
    let found = planned.get(key);
    if (found === undefined) {
      const names = Array.from({ length: count }, (_, index) => `a${index}`).join(", ");
      found = plan(env, parse(operators[name] ?? `${method ? "target." : ""}${name}(${names})`));
      planned.set(key, found);
    }
    return found;
  }

  return {
    has: (name) => env.funcs.find(name) !== undefined,
    names: () => [...new Set([...env.funcs].map((func) => func.name))],
    call(name, target, args) {
      charge(callUnits);
      const convert = name === "format" && typeof target === "string" ? toLibrary : toLibraryByType;
      const bindings: Record<string, CelInput> = {};
      if (target !== undefined) bindings.target = convert(target);
      for (let index = 0; index < args.length; index++) bindings[`a${index}`] = convert(args[index]);
      return fromLibrary(planOf(name, target !== undefined, args.length)(bindings));
    },
    run(tree, values) {
      charge(callUnits);
      let found = trees.get(tree);
      if (found === undefined) {
        found = plan(env, tree);
        trees.set(tree, found);
      }
      const bindings: Record<string, CelInput> = {};
      for (const name of Object.keys(values)) bindings[name] = toLibrary(values[name]);
      const result = fromLibrary(found(bindings));
      if (result === missing) throw new Fault("no such overload");
      return result;
    },
  };
}

/**
 * As `toLibrary`, but an empty list or map stands for any: of the functions that are left to the library only `format`
 * looks into one, the others must merely refuse it.
 */
function toLibraryByType(value: Value): CelInput {
  if (itemsOf(value) !== undefined) return celList([]);
  return value instanceof MapValue || isRecord(value) ? celMap(new Map()) : toLibrary(value);
}

/**
 * A value as the library wants it. Lists and maps are copied in full and charged for, because the library's functions
 * walk them without a budget.
 */
function toLibrary(value: Value): CelInput {
  charge(1);
  switch (typeof value) {
    case "string":
      // Its text functions go character by character, at up to 70 ns each.
      charge(value.length * 2);
      return value;
    case "boolean":
    case "number":
    case "bigint":
      return value;
  }
  if (value === null) return null;
  if (value instanceof UintValue) return celUint(value.value);
  if (value instanceof BytesValue) {
    charge(value.bytes.length >> 2);
    return value.bytes;
  }
  // The value came out of the library as a result, so it is one of its inputs.
  if (value instanceof ForeignValue) return value.value as CelInput;
  const items = itemsOf(value);
  if (items !== undefined) return celList(items.map(toLibrary));
  if (value instanceof MapValue) {
    const entries = new Map<string | boolean | bigint, CelInput>();
    for (const [key, item] of value.entries) entries.set(key, toLibrary(item));
    return celMap(entries);
  }
  if (isRecord(value)) return celMap(new Map(recordKeys(value).map((key) => [key, toLibrary(value[key])])));
  throw new Fault("the scope holds a value that is not JSON");
}

/** A result of the library as a value of ours; `missing` when no overload matched. */
export function fromLibrary(result: unknown): Value {
  if (typeof result !== "object" || result === null) return result;
  if (isCelError(result)) {
    charge(failureUnits);
    if (noOverload.test(result.message)) return missing;
    throw new Fault(result.message);
  }
  if (isCelUint(result)) return new UintValue(result.value);
  if (result instanceof Uint8Array) return new BytesValue(result);
  if (isCelType(result)) return new ForeignValue(result, "type");
  if (isCelList(result)) return new ListValue(Array.from(result, fromLibrary));
  if (isCelMap(result)) {
    return mapOf(Array.from(result.entries(), ([key, value]) => [fromLibrary(key), fromLibrary(value)] as const));
  }
  return new ForeignValue(result, isReflectMessage(result) ? messageName(result.desc.typeName) : "message");
}

function messageName(full: string): string {
  if (full === "google.protobuf.Timestamp") return "timestamp";
  return full === "google.protobuf.Duration" ? "duration" : full;
}
