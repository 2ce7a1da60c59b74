/** The variables that a start gives, compared with those that its definition declares. */
import { fitsType, type Json, typeName, type VariableDeclaration } from "../../engine/index.ts";
import type { InputError } from "../../foundation/errors.ts";
import { escapePointer } from "../../foundation/json_schema/index.ts";
import { nearest, oneOf } from "../validate/nearest.ts";

type Declared = Readonly<Record<string, VariableDeclaration>>;

/** Every fault, with its pointer from `/variables`. What a start leaves out may come later, required or not. */
export function variableFaults(declared: Declared, given: Readonly<Record<string, Json>>): InputError[] {
  const names = Object.keys(declared);
  return Object.entries(given).flatMap(([name, value]): InputError[] => {
    const pointer = `/variables/${escapePointer(name)}`;
    if (!Object.hasOwn(declared, name)) {
      const expected =
        names.length === 0 ? "none: the workflow declares no variables" : oneOf(names, nearest(name, names));
      return [{ pointer, message: "is not a variable of the workflow", expected }];
    }
    const { type = "any" } = declared[name]!;
    return fitsType(value, type) ? [] : [{ pointer, message: `is ${typeName(value)}`, expected: words[type] }];
  });
}

const words: Readonly<Record<NonNullable<VariableDeclaration["type"]>, string>> = {
  any: "any value",
  string: "a string",
  number: "a number",
  integer: "a whole number",
  boolean: "true or false",
  object: "an object",
  array: "an array",
};
