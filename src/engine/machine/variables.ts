/** The types of variables. */

import type { Json, VariableDeclaration } from "./definition.ts";

/** Whether a value is of a declared type; `any` and an absent type take all. */
export function fitsType(value: Json, type: VariableDeclaration["type"]): boolean {
  switch (type) {
    case undefined:
    case "any":
      return true;
    case "integer":
      return typeof value === "number" && Number.isInteger(value);
    case "array":
      return Array.isArray(value);
    case "object":
      return typeof value === "object" && value !== null && !Array.isArray(value);
    default:
      return typeof value === type;
  }
}

/** What a value is, in the words of the types. */
export function typeName(value: Json): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "an array";
  if (typeof value === "object") return "an object";
  return `the ${typeof value} ${JSON.stringify(value).slice(0, 80)}`;
}
