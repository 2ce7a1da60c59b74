/** Puts an issue of the schema library into words: what was found, and what would be right. */
import { z } from "zod";
import { stepTypes } from "../schema/steps.ts";
import { nearest, oneOf } from "./nearest.ts";
import { isRecord, kindOf, type Path, shown } from "./pointer.ts";

interface Found {
  found: boolean;
  value: unknown;
}

/** The words for any issue but `unrecognized_keys`. A schema's own `error` text says what would be right. */
export function explainIssue(issue: z.core.$ZodIssue, { found, value }: Found): { message: string; expected?: string } {
  const own = issue.message.startsWith("Invalid") || issue.message.startsWith("Too ") ? undefined : issue.message;
  const name = nameOf(issue.path);
  if (issue.code === "invalid_union" && issue.errors.length === 0) return explainStepType(value, found);
  if (!found) return { message: `${name} is missing`, expected: own ?? expectedOf(issue) };
  switch (issue.code) {
    case "invalid_type":
      return { message: `${name} is ${kindOf(value)}`, expected: own ?? expectedOf(issue) };
    case "invalid_union": {
      // Of several types one may be right, and the value wrong.
      const found = typeof value === "string" || typeof value === "number" ? shown(value) : kindOf(value);
      return { message: `${name} is ${found}`, expected: own ?? expectedOf(issue) };
    }
    case "invalid_key":
      return { message: `${name} cannot be a name here`, expected: issue.issues[0]?.message };
    case "invalid_value": {
      const values = issue.values.map(String);
      const suggestion = typeof value === "string" ? nearest(value, values) : undefined;
      return { message: `${name} is ${shown(value)}`, expected: oneOf(values, suggestion) };
    }
    case "too_small":
    case "too_big":
      return { message: `${name} is ${sizeOf(value)}`, expected: own ?? expectedOf(issue) };
    default:
      return { message: `${name} is ${shown(value)}`, expected: own ?? expectedOf(issue) };
  }
}

/** The names of the fields that the schema has at `path` of `document`. */
export function fieldsAt(root: z.ZodType, document: unknown, path: Path): string[] {
  let schema: unknown = root;
  let value = document;
  for (const part of path) {
    schema = childOf(narrow(schema, value), part);
    value = typeof value === "object" && value !== null ? Reflect.get(value, part) : undefined;
  }
  const object = narrow(schema, value);
  return object instanceof z.ZodObject ? Object.keys(object.shape) : [];
}

/** The schema itself behind `optional`, and of a union the variant that the value's `type` chooses. */
function narrow(schema: unknown, value: unknown): unknown {
  if (schema instanceof z.ZodOptional) return narrow(schema.unwrap(), value);
  if (!(schema instanceof z.ZodDiscriminatedUnion)) return schema;
  const type = isRecord(value) ? value.type : undefined;
  return schema.options.find(
    (option) =>
      option instanceof z.ZodObject && option.shape.type instanceof z.ZodLiteral && option.shape.type.value === type,
  );
}

function childOf(schema: unknown, part: PropertyKey): unknown {
  if (schema instanceof z.ZodObject) return schema.shape[String(part)];
  if (schema instanceof z.ZodArray) return schema.element;
  return schema instanceof z.ZodRecord ? schema.valueType : undefined;
}

function explainStepType(value: unknown, found: boolean): { message: string; expected: string } {
  const names = [...stepTypes];
  if (!found) return { message: "The step has no type", expected: oneOf(names) };
  const suggestion = typeof value === "string" ? nearest(value, names) : undefined;
  return { message: `${shown(value)} is not a known step type`, expected: oneOf(names, suggestion) };
}

function nameOf(path: Path): string {
  const last = path.at(-1);
  if (last === undefined) return "The document";
  return typeof last === "number" ? `Item ${last} of ${String(path.at(-2) ?? "the list")}` : shown(String(last));
}

function sizeOf(value: unknown): string {
  if (typeof value === "string") return value === "" ? "empty" : `${value.length} characters long`;
  if (Array.isArray(value)) return value.length === 0 ? "empty" : `${value.length} items long`;
  return shown(value);
}

const typeWords: Readonly<Record<string, string>> = {
  string: "a string",
  number: "a number",
  int: "a whole number",
  boolean: "true or false",
  object: "an object",
  record: "an object",
  array: "an array",
};

function expectedOf(issue: z.core.$ZodIssue): string | undefined {
  switch (issue.code) {
    case "invalid_type":
      return typeWords[issue.expected] ?? issue.expected;
    case "too_small":
      return boundWords(issue.origin, "at least", issue.minimum);
    case "too_big":
      return boundWords(issue.origin, "at most", issue.maximum);
    case "invalid_value":
      return oneOf(issue.values.map(String));
    default:
      return undefined;
  }
}

function boundWords(origin: string, side: string, bound: number | bigint): string {
  const unit = origin === "string" ? " characters" : origin === "array" ? " items" : "";
  return `${side} ${bound}${unit}`;
}
