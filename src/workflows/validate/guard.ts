/**
 * What any document must satisfy before it is looked at closely: it is JSON that PostgreSQL can store, and neither so
 * deep nor so large that looking at it is dangerous. The walk keeps its own stack, so depth cannot overflow ours.
 */
import type { InputError } from "../../foundation/errors.ts";
import { maxDepth, maxDocumentBytes } from "../schema/parts.ts";
import { kindOf, under } from "./pointer.ts";

/** Every value of the smallest kind takes two bytes of text, so a document within the limit has fewer. */
const maxValues = maxDocumentBytes / 2;
const maxErrors = 20;

/** The faults that forbid further checks; empty when the document is safe to walk by recursion. */
export function guardDocument(document: unknown): InputError[] {
  const errors: InputError[] = [];
  const pending: { value: unknown; pointer: string; depth: number }[] = [{ value: document, pointer: "", depth: 0 }];
  let values = 0;
  while (pending.length > 0 && errors.length < maxErrors) {
    const { value, pointer, depth } = pending.pop()!;
    if (++values > maxValues) return [tooLarge()];
    if (typeof value !== "object" || value === null) {
      errors.push(...scalarFaults(value, pointer));
    } else if (depth >= maxDepth) {
      errors.push({ pointer, message: "is nested too deeply", expected: `at most ${maxDepth} levels` });
    } else {
      for (const key of Object.keys(value).reverse()) {
        const child = under(pointer, key);
        if (!Array.isArray(value)) errors.push(...nameFaults(key, child));
        pending.push({ value: Reflect.get(value, key), pointer: child, depth: depth + 1 });
      }
    }
  }
  if (errors.length === 0 && Buffer.byteLength(JSON.stringify(document) ?? "") > maxDocumentBytes) return [tooLarge()];
  return errors;
}

function tooLarge(): InputError {
  return { pointer: "", message: "The document is too large", expected: `at most ${maxDocumentBytes} bytes of JSON` };
}

function nameFaults(name: string, pointer: string): InputError[] {
  if (name === "__proto__") {
    return [{ pointer, message: '"__proto__" cannot be the name of a field', expected: "another name" }];
  }
  return textFaults(name, pointer);
}

function scalarFaults(value: unknown, pointer: string): InputError[] {
  switch (typeof value) {
    case "string":
      return textFaults(value, pointer);
    case "number":
      return Number.isFinite(value)
        ? []
        : [{ pointer, message: `${value} is a number that JSON cannot carry`, expected: "a finite number" }];
    case "boolean":
    case "object":
      return [];
    default:
      return [{ pointer, message: `is ${kindOf(value)}, which is not JSON`, expected: "a JSON value" }];
  }
}

function textFaults(text: string, pointer: string): InputError[] {
  if (text.isWellFormed() && !text.includes("\u0000")) return [];
  const message = "holds the character U+0000 or half of a surrogate pair, which cannot be stored";
  return [{ pointer, message, expected: "text without it" }];
}
