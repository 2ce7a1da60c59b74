/** Finding a member of a map or an item of a list. */
import { messageField } from "./messages.ts";
import {
  ForeignValue,
  isRecord,
  itemsOf,
  type Json,
  keyOf,
  MapValue,
  missing,
  Opaque,
  UintValue,
  type Value,
} from "./values.ts";

/** True for names every JavaScript object answers to, such as `constructor`; they need the dearer own-property test. */
export function isInherited(name: string): boolean {
  return name in Object.prototype;
}

/**
 * The member `name` of a map or message, or `missing`. Only own members count: `input.constructor` is missing unless
 * the data has it. An array answers to no name.
 */
export function member(container: Value, name: string): Value {
  if (typeof container !== "object" || container === null) return missing;
  if (container instanceof Opaque) return opaqueMember(container, name);
  if (Array.isArray(container)) return missing;
  const value = (container as Json)[name];
  if (value === undefined || (isInherited(name) && !Object.hasOwn(container, name))) return missing;
  return value;
}

function opaqueMember(container: Opaque, name: string): Value {
  if (container instanceof MapValue) {
    const value = container.entries.get(name);
    return value === undefined ? missing : value;
  }
  return container instanceof ForeignValue ? messageField(container, name) : missing;
}

/** `container[key]` for any key, or `missing`: items by whole numbers, members by keys. */
export function at(container: Value, key: Value): Value {
  if (typeof key === "string") return member(container, key);
  const items = itemsOf(container);
  if (items !== undefined) {
    const index = indexOf(key);
    return index === undefined || index < 0 || index >= items.length ? missing : items[index];
  }
  if (!(container instanceof MapValue)) return missing;
  const mapKey = keyOf(key);
  const value = mapKey === undefined ? undefined : container.entries.get(mapKey);
  return value === undefined ? missing : value;
}

/** A list index as a number; undefined for what is no whole number. */
function indexOf(key: Value): number | undefined {
  if (typeof key === "number") return Number.isInteger(key) ? key : undefined;
  if (typeof key === "bigint") return Number(key);
  return key instanceof UintValue ? Number(key.value) : undefined;
}

/** True when the map has the key, also when its value is null. Undefined for what is no map. */
export function hasKey(container: Value, key: Value): boolean | undefined {
  if (container instanceof MapValue) {
    const mapKey = keyOf(key);
    return mapKey !== undefined && container.entries.has(mapKey);
  }
  if (!isRecord(container)) return undefined;
  return typeof key === "string" && member(container, key) !== missing;
}
