/**
 * Says in a person's words what a validator found: where (JSON pointer), what is wrong, what would be right.
 */
import type { ErrorObject } from "ajv/dist/2020.js";
import type { InputError } from "../errors.ts";
import { escapePointer } from "./pointer.ts";

/** Faults of one value that are reported; more would help nobody. */
export const MAX_FAULTS = 100;
const MAX_LISTED = 20;
const MAX_SHOWN_LENGTH = 60;

/**
 * Turns the errors of a validator compiled with `verbose` into faults, each place and message once, at most
 * `MAX_FAULTS`. When none of several forms matches, the errors of the form that came closest are given.
 */
export function describeErrors(errors: readonly ErrorObject[], prefix = ""): InputError[] {
  const faults = new Map<string, InputError>();
  for (const error of closestForms(errors)) {
    const fault = describeError(error, prefix);
    const key = `${fault.pointer} ${fault.message}`;
    if (!faults.has(key)) faults.set(key, fault);
    if (faults.size >= MAX_FAULTS) break;
  }
  return [...faults.values()];
}

/** A short description of what a schema accepts: `string`, `one of "a", "b"`, `integer >= 1`. */
export function describeSchema(schema: unknown): string | undefined {
  if (typeof schema !== "object" || schema === null) return schema === false ? "nothing" : undefined;
  const {
    const: constant,
    enum: values,
    type,
    format,
    anyOf,
    oneOf,
    minimum,
    maximum,
    pattern,
    $ref,
  } = schema as Words;
  if (constant !== undefined) return show(constant);
  if (Array.isArray(values)) return `one of ${list(values)}`;
  const forms = anyOf ?? oneOf;
  if (Array.isArray(forms)) {
    const described = [...new Set(forms.map(describeSchema).filter((text) => text !== undefined))];
    return described.length > 0 ? described.slice(0, MAX_LISTED).join(" or ") : undefined;
  }
  if (typeof $ref === "string") return $ref.split("/").at(-1);
  if (type === undefined) return undefined;
  const name = Array.isArray(type) ? type.join(" or ") : String(type);
  if (typeof format === "string" && name === "string") return format;
  if (typeof pattern === "string") return `${name} matching ${cut(pattern)}`;
  const safeLimit = (limit: unknown) => typeof limit === "number" && Math.abs(limit) < Number.MAX_SAFE_INTEGER;
  const bounds = [safeLimit(minimum) ? `>= ${minimum}` : "", safeLimit(maximum) ? `<= ${maximum}` : ""].filter(Boolean);
  return bounds.length > 0 ? `${name} ${bounds.join(" and ")}` : name;
}

type Words = { readonly [keyword: string]: unknown };

function describeError(error: ErrorObject, prefix: string): InputError {
  const { keyword, instancePath, schema, data, propertyName } = error;
  const params: Words = error.params;
  const parent: Words = error.parentSchema ?? {};
  const at = prefix + instancePath;
  const inside = (name: unknown) => `${at}/${escapePointer(String(name))}`;
  const fault = (message: string, expected?: string, pointer = at): InputError =>
    expected === undefined ? { pointer, message } : { pointer, message, expected };

  if (propertyName !== undefined && keyword !== "propertyNames") {
    return fault(`has a name that is not permitted: ${problem(error)}`, describeSchema(parent), inside(propertyName));
  }
  switch (keyword) {
    case "required":
    case "dependentRequired": {
      const name = params.missingProperty;
      const properties: Words = isWords(parent.properties) ? parent.properties : {};
      const because = keyword === "required" ? "" : ` when ${JSON.stringify(params.property)} is given`;
      return fault(`is required${because}`, describeSchema(properties[String(name)]), inside(name));
    }
    case "additionalProperties":
    case "unevaluatedProperties": {
      const name = String(params.additionalProperty ?? params.unevaluatedProperty);
      const known = isWords(parent.properties) ? Object.keys(parent.properties) : [];
      return fault("is not a known field", known.length > 0 ? `one of ${list(known)}` : undefined, inside(name));
    }
    case "propertyNames":
      return fault(
        "has a name that is not permitted",
        describeSchema(schema),
        inside(propertyName ?? params.propertyName),
      );
    case "type":
      return fault(`must be ${article(describeType(schema))}, not ${article(typeName(data))}`, describeSchema(parent));
    case "false schema":
      return fault("is not permitted here");
    default:
      return fault(problem(error), describeSchema(parent) ?? describeSchema(schema));
  }
}

/** What is wrong for the keywords that speak of the value itself. */
function problem({ keyword, params, schema, data, message }: ErrorObject): string {
  const words: Words = params;
  switch (keyword) {
    case "enum":
    case "const":
      return `${show(data)} is not permitted`;
    case "minLength":
      return words.limit === 1 ? "must not be empty" : `must have at least ${words.limit} characters`;
    case "maxLength":
      return `must have at most ${words.limit} characters`;
    case "minItems":
      return `must have at least ${words.limit} items`;
    case "maxItems":
      return `must have at most ${words.limit} items`;
    case "minProperties":
      return `must have at least ${words.limit} members`;
    case "maxProperties":
      return `must have at most ${words.limit} members`;
    case "minimum":
    case "maximum":
    case "exclusiveMinimum":
    case "exclusiveMaximum":
      return `must be ${words.comparison} ${words.limit}`;
    case "multipleOf":
      return `must be a multiple of ${words.multipleOf}`;
    case "pattern":
      return `must match the pattern ${cut(String(schema))}`;
    case "format":
      return `is not a valid ${words.format}`;
    case "uniqueItems":
      return "must not have equal items";
    case "contains":
      return "does not contain the items that it must contain";
    case "anyOf":
      return "matches none of the permitted forms";
    case "oneOf":
      return words.passingSchemas === null
        ? "matches none of the permitted forms"
        : "matches more than one of the permitted forms";
    case "not":
      return "has a form that is not permitted";
    case "if":
      return "does not match the form that its other fields ask for";
    default:
      return message ?? `fails ${keyword}`;
  }
}

/**
 * Replaces each failed choice and the errors of its forms by the errors of the form that came closest: the one whose
 * fixed fields (`const`, `enum`) and own type fit, else those that fail deepest; else the choice itself.
 *
 * The validator reports the errors of the forms directly before the error of the choice and below its place.
 */
function closestForms(errors: readonly ErrorObject[]): ErrorObject[] {
  const kept: ErrorObject[] = [];
  for (const error of errors) {
    const failedChoice =
      error.keyword === "anyOf" || (error.keyword === "oneOf" && error.params.passingSchemas === null);
    if (!failedChoice) {
      // The condition's own error says nothing beyond those of its branch.
      if (error.keyword !== "if") kept.push(error);
      continue;
    }
    const base = error.schemaPath.slice(0, -error.keyword.length);
    let first = kept.length;
    while (first > 0 && belongsToForm(kept[first - 1]!, error, base)) first -= 1;
    const nested = kept.splice(first);
    const closest = closestForm(nested, error);
    kept.push(...(closest.length > 0 ? closest : [error]));
  }
  return kept;
}

function belongsToForm(error: ErrorObject, choice: ErrorObject, base: string): boolean {
  if (!error.instancePath.startsWith(choice.instancePath)) return false;
  return error.schemaPath.startsWith(`${base}${choice.keyword}/`) || !error.schemaPath.startsWith(base);
}

function closestForm(nested: readonly ErrorObject[], choice: ErrorObject): ErrorObject[] {
  const forms = Map.groupBy(nested, (error) => formOf(error, choice));
  const unfit = (error: ErrorObject) =>
    (error.keyword === "const" && depthBelow(error, choice) <= 1) ||
    (error.keyword === "type" && depthBelow(error, choice) === 0);
  const fitting = [...forms.values()].filter((form) => !form.some(unfit));
  if (fitting.length === 1) return fitting[0]!;
  const tags = nested.filter((error) => error.keyword === "const" && depthBelow(error, choice) === 1);
  const samePlace = new Set(tags.map((error) => error.instancePath)).size === 1;
  if (fitting.length === 0 && samePlace && tags.length > 1) {
    return [{ ...tags[0]!, parentSchema: { enum: tags.map((error) => error.schema) } }];
  }
  return [];
}

/** Errors of one form share the first part of their path in the schema, or the definition that it refers to. */
function formOf(error: ErrorObject, choice: ErrorObject): string {
  if (error.schemaPath.startsWith(choice.schemaPath)) {
    return error.schemaPath.slice(choice.schemaPath.length + 1).split("/")[0]!;
  }
  return error.schemaPath.split("/").slice(0, 3).join("/");
}

function depthBelow(error: ErrorObject, choice: ErrorObject): number {
  return error.instancePath.slice(choice.instancePath.length).split("/").length - 1;
}

function describeType(type: unknown): string {
  return Array.isArray(type) ? type.join(" or ") : String(type);
}

/** The JSON type of a value. */
function typeName(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "array";
  return typeof value;
}

function article(type: string): string {
  if (type === "null") return type;
  return /^[aeio]/.test(type) ? `an ${type}` : `a ${type}`;
}

function list(values: readonly unknown[]): string {
  const shown = values.slice(0, MAX_LISTED).map(show).join(", ");
  return values.length > MAX_LISTED ? `${shown}, …` : shown;
}

function show(value: unknown): string {
  return cut(JSON.stringify(value) ?? String(value));
}

function cut(text: string): string {
  return text.length > MAX_SHOWN_LENGTH ? `${text.slice(0, MAX_SHOWN_LENGTH)}…` : text;
}

function isWords(value: unknown): value is Words {
  return typeof value === "object" && value !== null;
}
