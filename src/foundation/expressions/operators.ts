/**
 * Equality, order and arithmetic.
 *
 * Two dialects: `json` is what users write, where numbers come from JSON as doubles and an int beside a double becomes
 * one; `cel` keeps CEL's own rule, under which such a pair has no overload, and is what the conformance suites test.
 */
import { charge } from "./budget.ts";
import { Fault } from "./errors.ts";
import type { Library } from "./library.ts";
import { hasKey, member } from "./lookup.ts";
import {
  BytesValue,
  ForeignValue,
  isRecord,
  itemsOf,
  keyOf,
  ListValue,
  MapValue,
  mapSize,
  missing,
  recordKeys,
  typeName,
  UintValue,
  type Value,
} from "./values.ts";

export interface Dialect {
  readonly name: "json" | "cel";
  readonly library: Library;
}

const minInt = -(2n ** 63n);
const maxInt = 2n ** 63n - 1n;

/** Refuses what does not fit CEL's 64 bits. */
export function checkedInt(value: bigint): bigint {
  if (value < minInt || value > maxInt) throw new Fault("the whole number does not fit 64 bits");
  return value;
}

function isNumeric(value: Value): value is number | bigint | UintValue {
  return typeof value === "number" || typeof value === "bigint" || value instanceof UintValue;
}

function toDouble(value: number | bigint | UintValue): number {
  return typeof value === "number" ? value : Number(value instanceof UintValue ? value.value : value);
}

/** Numbers are equal by value across types and exactly; lists and maps member by member; other types never mix. */
export function equals(left: Value, right: Value, dialect: Dialect): boolean {
  if (typeof left === "string") {
    if (typeof right !== "string" || left.length !== right.length) return false;
    if (left.length > 64) charge(left.length >> 6);
    return left === right;
  }
  if (left === right) return true;
  if (isNumeric(left)) return isNumeric(right) && numbersEqual(left, right);
  if (typeof left !== "object" || typeof right !== "object" || left === null || right === null) return false;
  const items = itemsOf(left);
  if (items !== undefined) return listsEqual(items, itemsOf(right), dialect);
  if (left instanceof BytesValue) {
    if (!(right instanceof BytesValue)) return false;
    charge(left.bytes.length >> 4);
    return Buffer.compare(left.bytes, right.bytes) === 0;
  }
  if (left instanceof ForeignValue) {
    return right instanceof ForeignValue && dialect.library.call("_==_", undefined, [left, right]) === true;
  }
  return mapsEqual(left, right, dialect);
}

function numbersEqual(left: number | bigint | UintValue, right: number | bigint | UintValue): boolean {
  if (typeof left === "number" && typeof right === "number") return left === right;
  const a = wholeOf(left);
  return a !== undefined && a === wholeOf(right);
}

function wholeOf(value: number | bigint | UintValue): bigint | undefined {
  if (typeof value === "bigint") return value;
  if (typeof value === "number") return Number.isInteger(value) ? BigInt(value) : undefined;
  return value.value;
}

function listsEqual(left: readonly Value[], right: readonly Value[] | undefined, dialect: Dialect): boolean {
  if (right === undefined || left.length !== right.length) return false;
  for (let index = 0; index < left.length; index++) {
    charge(2);
    if (!equals(left[index], right[index], dialect)) return false;
  }
  return true;
}

function mapsEqual(left: object, right: object, dialect: Dialect): boolean {
  const size = mapSize(right);
  if (size === undefined || size !== mapSize(left)) return false;
  charge(size * 2);
  if (isRecord(left) && isRecord(right)) {
    for (const key of recordKeys(left)) {
      const other = member(right, key);
      if (other === missing || !equals(left[key], other, dialect)) return false;
    }
    return true;
  }
  // One of the two was made by the expression, so its keys may be of any type.
  const [made, other] = left instanceof MapValue ? [left, right] : [right, left];
  if (!(made instanceof MapValue)) return false;
  for (const [key, value] of made.entries) {
    if (hasKey(other, key) !== true) return false;
    const found = other instanceof MapValue ? other.entries.get(key) : member(other, String(key));
    if (!equals(value, found, dialect)) return false;
  }
  return true;
}

/** Below zero, zero or above zero; NaN when a NaN takes part, so that every comparison is false. */
export function order(left: Value, right: Value, dialect: Dialect): number {
  if (typeof left === "number" && typeof right === "number") {
    return left < right ? -1 : left > right ? 1 : left === right ? 0 : Number.NaN;
  }
  if (typeof left === "string" && typeof right === "string") {
    charge(Math.min(left.length, right.length) >> 6);
    return left < right ? -1 : left > right ? 1 : 0;
  }
  if (isNumeric(left) && isNumeric(right)) {
    if (typeof left === "number" || typeof right === "number") return order(toDouble(left), toDouble(right), dialect);
    const [a, b] = [wholeOf(left)!, wholeOf(right)!];
    return a < b ? -1 : a > b ? 1 : 0;
  }
  if (typeof left === "boolean" && typeof right === "boolean") return Number(left) - Number(right);
  if (left instanceof BytesValue && right instanceof BytesValue) {
    charge(left.bytes.length >> 4);
    return Buffer.compare(left.bytes, right.bytes);
  }
  if (left instanceof ForeignValue && right instanceof ForeignValue) {
    const less = dialect.library.call("_<_", undefined, [left, right]);
    if (less !== missing) return less === true ? -1 : equals(left, right, dialect) ? 0 : 1;
  }
  throw new Fault(() => `a ${typeName(left)} cannot be compared with a ${typeName(right)} by order`, {
    expected: "both sides must be numbers, strings, bools, timestamps or durations",
  });
}

type Arithmetic = "_+_" | "_-_" | "_*_" | "_/_" | "_%_";
const signs: Readonly<Record<Arithmetic, string>> = { "_+_": "+", "_-_": "-", "_*_": "*", "_/_": "/", "_%_": "%" };

/** `left <sign> right` for everything but two doubles, which the compiled node adds up itself. */
export function arithmetic(name: Arithmetic, left: Value, right: Value, dialect: Dialect): Value {
  if (typeof left === "number" && typeof right === "number") {
    if (name !== "_%_" || dialect.name === "json") return doubles(name, left, right);
  } else if (typeof left === "bigint" && typeof right === "bigint") {
    return checkedInt(ints(name, left, right));
  } else if (dialect.name === "json" && isNumeric(left) && isNumeric(right)) {
    if (typeof left === "number" || typeof right === "number") return doubles(name, toDouble(left), toDouble(right));
  } else if (name === "_+_") {
    if (typeof left === "string" && typeof right === "string") {
      charge((left.length + right.length) >> 3);
      return left + right;
    }
    const [head, tail] = [itemsOf(left), itemsOf(right)];
    if (head !== undefined && tail !== undefined) {
      charge((head.length + tail.length) >> 1);
      return new ListValue(head.concat(tail));
    }
  }
  const result = dialect.library.call(name, undefined, [left, right]);
  if (result !== missing) return result;
  throw new Fault(() => `${signs[name]} does not take a ${typeName(left)} and a ${typeName(right)}`, {
    expected:
      name === "_+_" && (typeof left === "string" || typeof right === "string")
        ? "make the other side text with string(…)"
        : "both sides must be numbers",
  });
}

function doubles(name: Arithmetic, left: number, right: number): number {
  switch (name) {
    case "_+_":
      return left + right;
    case "_-_":
      return left - right;
    case "_*_":
      return left * right;
    case "_/_":
      return left / right;
    case "_%_":
      if (!Number.isInteger(left) || !Number.isInteger(right)) {
        throw new Fault("% takes whole numbers", { expected: "round with int(…) first" });
      }
      if (right === 0) throw new Fault("modulus by zero");
      // The sum makes the negative zero that a negative left side gives a plain one.
      return (left % right) + 0;
  }
}

function ints(name: Arithmetic, left: bigint, right: bigint): bigint {
  switch (name) {
    case "_+_":
      return left + right;
    case "_-_":
      return left - right;
    case "_*_":
      return left * right;
    case "_/_":
      if (right === 0n) throw new Fault("divide by zero");
      return left / right;
    case "_%_":
      if (right === 0n) throw new Fault("modulus by zero");
      return left % right;
  }
}

export function negate(value: Value): Value {
  if (typeof value === "number") return -value;
  if (typeof value === "bigint") return checkedInt(-value);
  throw new Fault(() => `- does not take a ${typeName(value)}`, { expected: "it takes a number" });
}

/** `value in container`: an item of a list by equality, a key of a map. */
export function isIn(value: Value, container: Value, dialect: Dialect): boolean {
  const items = itemsOf(container);
  if (items !== undefined) {
    for (const item of items) {
      charge(1);
      if (equals(item, value, dialect)) return true;
    }
    return false;
  }
  const found = hasKey(container, value);
  if (found !== undefined) {
    if (found || typeof value === "number" || keyOf(value) !== undefined) return found;
    throw new Fault(() => `a ${typeName(value)} cannot be the key of a map`);
  }
  throw new Fault(() => `in takes a list or a map on its right side, not a ${typeName(container)}`);
}
