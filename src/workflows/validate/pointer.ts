/** JSON pointers (RFC 6901) into a definition document. */
import type { Json } from "../../engine/index.ts";
import { escapePointer } from "../../foundation/json_schema/index.ts";

export type Path = readonly PropertyKey[];

/** The pointer of a path; the empty path is the whole document, "". */
export function pointerOf(path: Path): string {
  return path.map((part) => `/${escapePointer(String(part))}`).join("");
}

/** `pointer` extended by one member or item. */
export function under(pointer: string, ...parts: (string | number)[]): string {
  return pointer + pointerOf(parts);
}

export function parsePointer(pointer: string): string[] {
  return pointer
    .split("/")
    .slice(1)
    .map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"));
}

/** The value at a path, and whether there is one: own members and existing items only. */
export function valueAt(document: unknown, path: Path): { found: boolean; value: unknown } {
  let value = document;
  for (const part of path) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, part)) {
      return { found: false, value: undefined };
    }
    value = Reflect.get(value, part);
  }
  return { found: true, value };
}

/** Whether a value is an object of JSON, not an array or null. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** What a value is, in words: "a string", "null", "an array". */
export function kindOf(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "an array";
  return typeof value === "object" ? "an object" : `a ${typeof value}`;
}

/** A value as it is shown in a message: short, on one line. */
export function shown(value: unknown): string {
  const text = JSON.stringify(value as Json) ?? String(value);
  return text.length > 80 ? `${text.slice(0, 79)}…` : text;
}
