/**
 * Large values lie beside the rows, in payloads; a row has `{ "$payload": "<id>" }` in their place.
 *
 * In memory values are always whole. What is remembered is which of them lie in payloads, by identity, so that a row
 * or a frozen state that carries one again carries the reference.
 */

import { isUuid } from "../foundation/ids.ts";
import { inlineLimit } from "./machine/state.ts";

export { inlineLimit } from "./machine/state.ts";

const marker = "$payload";

/** Finds every reference inside a JSON value. */
export function referencesIn(value: unknown): string[] {
  const found = new Set<string>();
  walk(value, (id) => {
    found.add(id);
  });
  return [...found];
}

function walk(value: unknown, visit: (id: string) => void): void {
  if (typeof value !== "object" || value === null || value instanceof Map) return;
  const id = referenceOf(value);
  if (id !== undefined) {
    visit(id);
    return;
  }
  for (const part of Object.values(value)) walk(part, visit);
}

function referenceOf(value: object): string | undefined {
  const id = (value as Record<string, unknown>)[marker];
  return typeof id === "string" && isUuid(id) && Object.keys(value).length === 1 ? id : undefined;
}

/** The same value with what `found` has in the place of its references. Changes objects in place. */
export function putInPlace<T>(value: T, found: ReadonlyMap<string, unknown>): T {
  if (typeof value !== "object" || value === null || value instanceof Map) return value;
  const id = referenceOf(value);
  if (id !== undefined && found.has(id)) return found.get(id) as T;
  for (const [key, part] of Object.entries(value)) {
    if (typeof part === "object" && part !== null) (value as Record<string, unknown>)[key] = putInPlace(part, found);
  }
  return value;
}

/** JSON text in which values that lie in payloads are references. */
export function encodeWith(references: ReadonlyMap<unknown, string>): (value: unknown) => string {
  if (references.size === 0) return JSON.stringify;
  const refer = (_key: string, part: unknown): unknown => {
    const id = typeof part === "object" || typeof part === "string" ? references.get(part) : undefined;
    return id === undefined ? part : { [marker]: id };
  };
  // Writing with a function costs many times as much as looking; most values refer to nothing.
  return (value) => (refersToAny(value, references) ? JSON.stringify(value, refer) : JSON.stringify(value));
}

function refersToAny(value: unknown, references: ReadonlyMap<unknown, string>): boolean {
  // JSON text is at most six times as long as the string.
  if (typeof value === "string") return value.length > inlineLimit / 6 && references.has(value);
  if (typeof value !== "object" || value === null) return false;
  if (references.has(value)) return true;
  if (Array.isArray(value)) return value.some((part) => refersToAny(part, references));
  for (const key in value) if (refersToAny((value as Record<string, unknown>)[key], references)) return true;
  return false;
}
