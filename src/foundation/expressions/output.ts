/**
 * Results as plain JSON.
 *
 * Data of the scope is handed on by reference and neither walked nor copied; only what the expression made is written
 * anew. A result may therefore share parts with the scope.
 */
import { isCelType } from "@bufbuild/cel";
import { isMessage, toJson as messageToJson } from "@bufbuild/protobuf";
import { isReflectMessage } from "@bufbuild/protobuf/reflect";
import { DurationSchema, TimestampSchema } from "@bufbuild/protobuf/wkt";
import { charge } from "./budget.ts";
import { Fault } from "./errors.ts";
import {
  BytesValue,
  ForeignValue,
  type Json,
  ListValue,
  MapValue,
  Opaque,
  setMember,
  typeName,
  UintValue,
  type Value,
} from "./values.ts";

/** So many large parts of the scope may be repeated in a result before their size is charged at each place. */
const freeParts = 64;
const largeText = 1024;
const containerUnits = 4;
const foreignUnits = 20;

interface Writing {
  parts: number;
  sizes: WeakMap<object, number> | undefined;
}

/**
 * A value as JSON: ints and uints as numbers, as text of digits beyond 53 bits; timestamps as RFC 3339 text; durations
 * as ISO 8601 seconds (`PT5.5S`); bytes as base64; types as their name; keys of maps as text. NaN and the infinities
 * have no JSON and are a `Fault`.
 */
export function toJson(value: Value): unknown {
  if (value instanceof Opaque) return write(value, { parts: 0, sizes: undefined });
  return typeof value === "object" && value !== null ? value : scalar(value);
}

function write(value: Value, writing: Writing): unknown {
  charge(1);
  if (typeof value === "string") {
    if (value.length > largeText) chargePart(value.length >> 3, writing);
    return value;
  }
  if (typeof value !== "object" || value === null) return scalar(value);
  if (value instanceof ListValue) {
    charge(containerUnits);
    return value.items.map((item) => write(item, writing));
  }
  if (value instanceof MapValue) {
    charge(containerUnits + value.entries.size);
    const record: Json = {};
    for (const [key, item] of value.entries) setMember(record, String(key), write(item, writing));
    return record;
  }
  if (value instanceof Opaque) return opaque(value);
  chargePart(writing.parts < freeParts ? 0 : jsonSize(value, writing), writing);
  return value;
}

/** A large part costs nothing until there are many: `map(x, input)` could else write the input a million times. */
function chargePart(units: number, writing: Writing): void {
  writing.parts++;
  if (writing.parts > freeParts) charge(units);
}

/** About how many values a JSON value holds, counted once for each object. */
function jsonSize(value: object, writing: Writing): number {
  writing.sizes ??= new WeakMap();
  const known = writing.sizes.get(value);
  if (known !== undefined) return known;
  let size = 1;
  const open: unknown[] = [value];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    charge(1);
    if (typeof next === "string") size += next.length >> 3;
    if (typeof next !== "object" || next === null) continue;
    for (const item of Object.values(next)) {
      size++;
      open.push(item);
    }
  }
  writing.sizes.set(value, size);
  return size;
}

function scalar(value: Value): unknown {
  switch (typeof value) {
    case "number":
      if (!Number.isFinite(value)) {
        throw new Fault(`the result is ${value}, which JSON cannot hold`, {
          expected: "guard against dividing by zero",
        });
      }
      return value === 0 ? 0 : value;
    case "bigint":
      return whole(value);
    case "string":
    case "boolean":
      return value;
    default:
      if (value === null) return null;
      throw new Fault("the scope holds a value that is not JSON");
  }
}

function whole(value: bigint): number | string {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value.toString();
}

function opaque(value: Opaque): unknown {
  if (value instanceof UintValue) return whole(value.value);
  if (value instanceof BytesValue) {
    charge(value.bytes.length >> 2);
    return Buffer.from(value.bytes).toString("base64");
  }
  if (value instanceof ForeignValue) {
    charge(foreignUnits);
    const { value: inner } = value;
    const message = isReflectMessage(inner) ? inner.message : undefined;
    if (isMessage(message, TimestampSchema)) return messageToJson(TimestampSchema, message);
    if (isMessage(message, DurationSchema)) return isoDuration(message);
    if (isCelType(inner)) return inner.name;
  }
  throw new Fault(() => `a ${typeName(value)} has no JSON form`);
}

function isoDuration({ seconds, nanos }: { seconds: bigint; nanos: number }): string {
  const sign = seconds < 0n || nanos < 0 ? "-" : "";
  const fraction = nanos === 0 ? "" : `.${String(Math.abs(nanos)).padStart(9, "0").replace(/0+$/, "")}`;
  return `${sign}PT${seconds < 0n ? -seconds : seconds}${fraction}S`;
}
