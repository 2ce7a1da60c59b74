/**
 * How an event and a wait find each other: by what the wait's condition compares of the event with values of the instance.
 *
 * A wait's key and an event's are equal where every such comparison holds, so that one look-up gives the few waits whose
 * conditions may hold. Keys only narrow the search: whether the condition holds is decided by the instance.
 */

import { sha256 } from "../../foundation/digest.ts";
import { type Expression, ExpressionError, equalityKeys } from "../../foundation/expressions/index.ts";
import type { EventView, WaitShape } from "../contract_events.ts";
import type { Json } from "./definition.ts";
import type { ProgramKey } from "./program.ts";
import { type Sight, scopeOf } from "./turn.ts";

/** Longer keys are replaced by their hash. */
const longestKey = 300;

/** A path into an event as text: keys escaped as in JSON pointers, and their dots as `~2`, joined by dots. */
export function pathText(keys: readonly string[]): string {
  return keys.map((key) => key.replaceAll("~", "~0").replaceAll("/", "~1").replaceAll(".", "~2")).join(".");
}

/** The keys of a path that `pathText` wrote. */
export function pathKeys(text: string): string[] {
  return text.split(".").map((key) => key.replaceAll("~2", ".").replaceAll("~1", "/").replaceAll("~0", "~"));
}

/** The comparisons of a condition by which its wait is found, in the order of their paths; of one path the first. */
export function compileKeys(condition: Expression | undefined, roots?: ReadonlySet<string>): ProgramKey[] {
  if (condition === undefined) return [];
  const keys = new Map<string, ProgramKey>();
  for (const { path, expression } of equalityKeys(condition)) {
    const text = pathText(path);
    const usable = roots === undefined || [...expression.references.roots].every((root) => roots.has(root));
    if (usable && !keys.has(text)) keys.set(text, { path, text, expression });
  }
  return [...keys.values()].sort((one, other) => (one.text < other.text ? -1 : 1));
}

/** Every way in which one of these waits may be found: by its keys, and by its pattern alone. */
export function shapesOf(waits: Iterable<{ pattern: string; keys: readonly ProgramKey[] }>): WaitShape[] {
  const shapes = new Map<string, WaitShape>();
  for (const { pattern, keys } of waits) {
    for (const paths of [[], keys.map(({ path }) => path)])
      shapes.set(JSON.stringify([pattern, paths]), { pattern, paths });
  }
  return [...shapes.values()];
}

type Scalar = string | number | boolean | null;

function isScalar(value: unknown): value is Scalar {
  return value === null || typeof value === "string" || typeof value === "number" || typeof value === "boolean";
}

/** The key of these values at the paths of a shape. */
export function matchKey({ pattern, paths }: WaitShape, values: readonly Scalar[]): string {
  const text = `${pattern} ${paths.map(pathText).join(",")} ${JSON.stringify(values.map(comparable))}`;
  return text.length > longestKey ? `#${sha256(text)}` : text;
}

/** Expressions give integers that no double holds exactly as text of digits; an event's number of that size is written alike. */
function comparable(value: Scalar): Scalar {
  return Number.isInteger(value) && !Number.isSafeInteger(value) ? String(BigInt(value as number)) : value;
}

/**
 * The key of an event for a shape whose pattern fits it; empty where the shape has no paths. `undefined` where a path
 * leads to no scalar: no condition that compares it holds then.
 */
export function eventMatchKey(shape: WaitShape, event: EventView): string | undefined {
  if (shape.paths.length === 0) return "";
  const values: Scalar[] = [];
  for (const path of shape.paths) {
    const value = valueAt(event, path);
    if (!isScalar(value)) return undefined;
    values.push(value);
  }
  return matchKey(shape, values);
}

function valueAt(event: EventView, path: readonly string[]): unknown {
  let value: unknown = event;
  for (const key of path) {
    if (typeof value !== "object" || value === null || Array.isArray(value) || !Object.hasOwn(value, key))
      return undefined;
    value = (value as { [key: string]: Json })[key];
  }
  return value;
}

/** The key of a wait that opens now; empty where it is found by its pattern alone, for a side errs or is no scalar. */
export function keyOfWait(
  sight: Sight,
  at: { path: string } | undefined,
  wait: { pattern: string; keys: readonly ProgramKey[] },
): string {
  const { pattern, keys } = wait;
  if (keys.length === 0) return "";
  const scope = scopeOf(sight, at);
  const values: Scalar[] = [];
  for (const { expression } of keys) {
    try {
      const value = expression.evaluate(scope);
      if (!isScalar(value)) return "";
      values.push(value);
    } catch (error) {
      if (!(error instanceof ExpressionError)) throw error;
      return "";
    }
  }
  return matchKey({ pattern, paths: keys.map(({ path }) => path) }, values);
}
