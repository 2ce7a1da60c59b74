/**
 * The values an expression computes with.
 *
 * JSON values from the scope are used as they are, nothing is wrapped or copied: null, booleans, numbers (CEL doubles),
 * strings, arrays and plain objects. What CEL has beyond JSON is a `bigint` (int) or a subclass of `Opaque`; lists and
 * maps that the expression itself makes are opaque too, so a plain array or object is known to be pure JSON.
 */
import { charge } from "./budget.ts";
import { Fault } from "./errors.ts";

export type Value = unknown;

export abstract class Opaque {}

/** A list the expression made; its items may be any value. */
export class ListValue extends Opaque {
  readonly items: readonly Value[];
  constructor(items: readonly Value[]) {
    super();
    this.items = items;
  }
}

/** A map key after numbers have been made equal: `1`, `1u` and `1.0` are one key. */
export type MapKey = string | boolean | bigint;

/** A map the expression made. */
export class MapValue extends Opaque {
  readonly entries: ReadonlyMap<MapKey, Value>;
  /** The numeric keys that were written as uint, for whoever iterates. */
  readonly uintKeys: ReadonlySet<bigint> | undefined;
  constructor(entries: ReadonlyMap<MapKey, Value>, uintKeys?: ReadonlySet<bigint>) {
    super();
    this.entries = entries;
    this.uintKeys = uintKeys;
  }
}

export class UintValue extends Opaque {
  readonly value: bigint;
  constructor(value: bigint) {
    super();
    this.value = value;
  }
}

export class BytesValue extends Opaque {
  readonly bytes: Uint8Array;
  constructor(bytes: Uint8Array) {
    super();
    this.bytes = bytes;
  }
}

/** A timestamp, duration, type or message: a value of the CEL library that only the library works on. */
export class ForeignValue extends Opaque {
  readonly value: unknown;
  readonly typeName: string;
  constructor(value: unknown, typeName: string) {
    super();
    this.value = value;
    this.typeName = typeName;
  }
}

/** The answer of a lookup that found nothing. */
export const missing: unique symbol = Symbol("missing");

export type Json = Record<string, unknown>;

/** Sets an own member, also one called `__proto__`, which plain assignment would not. */
export function setMember(record: Json, name: string, value: unknown): void {
  if (name !== "__proto__") record[name] = value;
  else Object.defineProperty(record, name, { value, enumerable: true, configurable: true, writable: true });
}

/** The items of a list, whether it came from the scope or was made. */
export function itemsOf(value: Value): readonly Value[] | undefined {
  if (Array.isArray(value)) return value;
  return value instanceof ListValue ? value.items : undefined;
}

/** True for a plain JSON object. */
export function isRecord(value: Value): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Opaque);
}

/**
 * The keys of a JSON object, at the price of listing them: a small object keeps its list ready, a large one is a hash
 * table that takes up to 200 ns a key.
 */
export function recordKeys(record: Json): string[] {
  const keys = Object.keys(record);
  charge(keys.length > 64 ? keys.length * 8 : keys.length);
  return keys;
}

/** How many entries a map has; undefined for what is no map. */
export function mapSize(value: Value): number | undefined {
  if (value instanceof MapValue) return value.entries.size;
  return isRecord(value) ? recordKeys(value).length : undefined;
}

/** The keys of a map in the order of its entries, as values; undefined for what is no map. */
export function keysOf(value: Value): readonly Value[] | undefined {
  if (isRecord(value)) return recordKeys(value);
  if (!(value instanceof MapValue)) return undefined;
  const { uintKeys } = value;
  charge(value.entries.size);
  const keys = [...value.entries.keys()];
  if (uintKeys === undefined) return keys;
  return keys.map((key) => (typeof key === "bigint" && uintKeys.has(key) ? new UintValue(key) : key));
}

/** The key a value is as a map key; undefined for what cannot be one. */
export function keyOf(value: Value): MapKey | undefined {
  switch (typeof value) {
    case "string":
    case "boolean":
    case "bigint":
      return value;
    case "number":
      return Number.isInteger(value) ? BigInt(value) : undefined;
    default:
      return value instanceof UintValue ? value.value : undefined;
  }
}

/** Makes a map; a key that is no map key and a key given twice are faults. */
export function mapOf(pairs: readonly (readonly [key: Value, value: Value])[]): MapValue {
  const entries = new Map<MapKey, Value>();
  let uintKeys: Set<bigint> | undefined;
  for (const [key, value] of pairs) {
    const mapKey = keyOf(key);
    if (mapKey === undefined) {
      throw new Fault(`a ${typeName(key)} cannot be the key of a map`, {
        expected: "use a string, bool or whole number",
      });
    }
    if (entries.has(mapKey)) throw new Fault(`the map has the key ${String(mapKey)} twice`);
    entries.set(mapKey, value);
    if (key instanceof UintValue) {
      uintKeys ??= new Set();
      uintKeys.add(key.value);
    }
  }
  return new MapValue(entries, uintKeys);
}

/** The name of a value's type, for messages. JSON numbers are called number, whatever CEL calls them. */
export function typeName(value: Value): string {
  if (value === null) return "null";
  if (typeof value === "boolean") return "bool";
  if (typeof value === "bigint") return "int";
  if (typeof value === "object") {
    if (value instanceof UintValue) return "uint";
    if (value instanceof BytesValue) return "bytes";
    if (value instanceof ForeignValue) return value.typeName;
    return itemsOf(value) === undefined ? "map" : "list";
  }
  return typeof value;
}
