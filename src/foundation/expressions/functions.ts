/**
 * Functions and methods: the common ones computed here, the rest by the library.
 *
 * A native answers `missing` for argument types it leaves to the library. In the json dialect a call without a fitting
 * overload is tried again with whole doubles as ints, since a JSON number is what a user has at hand for an index.
 */
import { charge } from "./budget.ts";
import { Fault } from "./errors.ts";
import { checkedInt, type Dialect, isIn } from "./operators.ts";
import { matchesPattern } from "./regex.ts";
import { chargeSearch, codePoints, formatArguments, joinTexts, replaceText, splitText } from "./text.ts";
import { readClock, timeAccessors } from "./time.ts";
import { BytesValue, itemsOf, ListValue, mapSize, missing, typeName, UintValue, type Value } from "./values.ts";

type Native = (args: readonly Value[], dialect: Dialect) => Value;

/** By `name/arguments`; a method is `.name/arguments` and its target is the first argument. */
const natives = new Map<string, Native>([
  ["size/1", ([value]) => sizeOf(value)],
  [".size/0", ([value]) => sizeOf(value)],
  ["dyn/1", ([value]) => value],
  ["string/1", ([value]) => toText(value)],
  ["int/1", ([value]) => toInt(value)],
  ["double/1", ([value]) => toDouble(value)],
  ["timestamp/1", ([value], dialect) => fromUnixSeconds(value, dialect)],
  ["type/1", ([value], dialect) => typeOf(value, dialect)],
  ["matches/2", ([text, pattern]) => onTexts(text, pattern, matchesPattern)],
  [".matches/1", ([text, pattern]) => onTexts(text, pattern, matchesPattern)],
  [".contains/1", ([text, part]) => onTexts(text, part, containsText)],
  [".startsWith/1", ([text, part]) => onTexts(text, part, startsWithText)],
  [".endsWith/1", ([text, part]) => onTexts(text, part, endsWithText)],
  ["contains/2", ([container, part], dialect) => containsAny(container, part, dialect)],
  [".join/0", ([list]) => (itemsOf(list) === undefined ? missing : joinTexts(list, ""))],
  [".join/1", ([list, by]) => (itemsOf(list) === undefined || typeof by !== "string" ? missing : joinTexts(list, by))],
  [".replace/2", ([text, part, by]) => replaced(text, part, by, -1)],
  [".replace/3", ([text, part, by, limit], dialect) => replaced(text, part, by, wholeNumber(limit, dialect))],
  [".split/1", ([text, by]) => split(text, by, -1)],
  [".split/2", ([text, by, limit], dialect) => split(text, by, wholeNumber(limit, dialect))],
  [".format/1", formatted],
  ...timeAccessors.flatMap((name): [string, Native][] => [
    [`.${name}/0`, ([value]) => readClock(name, value, undefined) ?? missing],
    [`.${name}/1`, ([value, zone]) => (typeof zone === "string" ? (readClock(name, value, zone) ?? missing) : missing)],
  ]),
]);

/** Every name that can be called, for suggestions. */
export function functionNames(dialect: Dialect): string[] {
  const own = [...natives.keys()].map((key) => key.replace(/^\.|\/\d+$/g, ""));
  return [...new Set([...own, ...dialect.library.names()])].filter((name) => /^[a-z]/i.test(name));
}

/**
 * The implementation of one call, or undefined when no function of that name exists. `args` begins with the target of
 * a method.
 */
export function findFunction(
  call: { name: string; method: boolean; count: number },
  dialect: Dialect,
): ((args: readonly Value[]) => Value) | undefined {
  const { name, method, count } = call;
  const native = natives.get(`${method ? "." : ""}${name}/${count}`);
  if (native === undefined && !dialect.library.has(name)) return undefined;
  return (args) => {
    const own = native === undefined ? missing : native(args, dialect);
    if (own !== missing) return own;
    const result = callLibrary(name, method, args, dialect);
    if (result !== missing) return result;
    const types = (method ? args.slice(1) : args).map(typeName).join(", ");
    throw new Fault(() => `${method ? `${typeName(args[0])}.` : ""}${name}(${types}) does not exist`, {
      expected: "check the number and the types of its arguments",
    });
  };
}

function callLibrary(name: string, method: boolean, args: readonly Value[], dialect: Dialect): Value {
  if (!dialect.library.has(name)) return missing;
  const attempt = (values: readonly Value[]) =>
    method ? dialect.library.call(name, values[0], values.slice(1)) : dialect.library.call(name, undefined, values);
  const result = attempt(args);
  if (result !== missing || dialect.name === "cel") return result;
  const whole = args.map((value) => (typeof value === "number" && Number.isInteger(value) ? BigInt(value) : value));
  return whole.some((value, index) => value !== args[index]) ? attempt(whole) : missing;
}

function sizeOf(value: Value): Value {
  if (typeof value === "string") return BigInt(codePoints(value));
  const items = itemsOf(value);
  if (items !== undefined) return BigInt(items.length);
  if (value instanceof BytesValue) return BigInt(value.bytes.length);
  const size = mapSize(value);
  return size === undefined ? missing : BigInt(size);
}

function toText(value: Value): Value {
  switch (typeof value) {
    case "string":
      return value;
    case "number":
    case "bigint":
    case "boolean":
      return String(value);
    default:
      return value instanceof UintValue ? value.value.toString() : missing;
  }
}

function toInt(value: Value): Value {
  if (typeof value === "bigint") return value;
  if (value instanceof UintValue) return checkedInt(value.value);
  if (typeof value === "number") {
    // The bounds themselves are refused: as doubles they stand for more than one whole number.
    if (Math.abs(value) < 2 ** 63) return BigInt(Math.trunc(value));
    throw new Fault("the number does not fit the 64 bits of an int");
  }
  if (typeof value !== "string") return missing;
  if (/^[+-]?\d{1,20}$/.test(value)) return checkedInt(BigInt(value));
  throw new Fault(() => `${quoted(value)} is not a whole number`, { expected: "text of digits, such as 42" });
}

const doubleText = /^[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?|inf|infinity|nan)$/i;

function toDouble(value: Value): Value {
  if (typeof value === "number") return value;
  if (typeof value === "bigint") return Number(value);
  if (value instanceof UintValue) return Number(value.value);
  if (typeof value !== "string") return missing;
  if (value.length > 1_000 || !doubleText.test(value)) {
    throw new Fault(() => `${quoted(value)} is not a number`, { expected: "text such as 42 or -1.5e3" });
  }
  const number = Number(value);
  if (!Number.isNaN(number)) return number;
  if (/nan$/i.test(value)) return number;
  return value.startsWith("-") ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
}

const maxUnixSeconds = 253_402_300_799;

/** CEL reads an int as seconds since 1970; the library reads milliseconds. */
function fromUnixSeconds(value: Value, dialect: Dialect): Value {
  if (typeof value !== "bigint" && (typeof value !== "number" || dialect.name === "cel")) return missing;
  const seconds = Number(value);
  if (!(seconds >= -62_135_596_800 && seconds <= maxUnixSeconds)) {
    throw new Fault("timestamp(…) takes seconds since 1970, years 1 to 9999", {
      expected: "divide milliseconds by 1000",
    });
  }
  return dialect.library.call("timestamp", undefined, [new Date(Math.round(seconds * 1000)).toISOString()]);
}

/** The type of a list or map does not depend on what is in it, so nothing of it reaches the library. */
function typeOf(value: Value, dialect: Dialect): Value {
  if (itemsOf(value) !== undefined) return dialect.library.call("type", undefined, [new ListValue([])]);
  return mapSize(value) === undefined ? missing : dialect.library.call("type", undefined, [{}]);
}

function onTexts(text: Value, other: Value, test: (text: string, other: string) => boolean): Value {
  return typeof text === "string" && typeof other === "string" ? test(text, other) : missing;
}

function containsText(text: string, part: string): boolean {
  chargeSearch(text, part);
  return text.includes(part);
}

function startsWithText(text: string, part: string): boolean {
  charge(part.length >> 6);
  return text.startsWith(part);
}

function endsWithText(text: string, part: string): boolean {
  charge(part.length >> 6);
  return text.endsWith(part);
}

/** `contains(a, b)`: text in text, an item in a list, a key in a map. */
function containsAny(container: Value, part: Value, dialect: Dialect): Value {
  return typeof container === "string" ? onTexts(container, part, containsText) : isIn(part, container, dialect);
}

function replaced(text: Value, part: Value, by: Value, limit: number | undefined): Value {
  if (typeof text !== "string" || typeof part !== "string" || typeof by !== "string") return missing;
  return limit === undefined ? missing : replaceText(text, part, by, limit);
}

function split(text: Value, by: Value, limit: number | undefined): Value {
  if (typeof text !== "string" || typeof by !== "string" || limit === undefined) return missing;
  return splitText(text, by, limit);
}

function wholeNumber(value: Value, dialect: Dialect): number | undefined {
  if (typeof value === "bigint") return Number(value);
  return dialect.name === "json" && typeof value === "number" && Number.isInteger(value) ? value : undefined;
}

function formatted([template, list]: readonly Value[], dialect: Dialect): Value {
  if (typeof template !== "string" || itemsOf(list) === undefined) return missing;
  return dialect.library.call("format", template, [dialect.name === "json" ? formatArguments(template, list) : list]);
}

function quoted(text: string): string {
  return JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}…` : text);
}
