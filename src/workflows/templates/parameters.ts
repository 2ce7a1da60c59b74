/** The parameters of a template: a JSON Schema of an object, with defaults, descriptions and examples. */
import type { Json } from "../../engine/index.ts";
import type { InputError } from "../../foundation/errors.ts";
import { checkSchema, compileSchema, escapePointer } from "../../foundation/json_schema/index.ts";
import { nearest, oneOf } from "../validate/nearest.ts";
import { isRecord, kindOf, parsePointer, shown, under } from "../validate/pointer.ts";
import { isParameterName } from "./placeholders.ts";

export type Values = Record<string, Json>;

/** The parameters by name, each with its schema. */
export function parametersOf(schema: unknown): Record<string, unknown> {
  return isRecord(schema) && isRecord(schema.properties) ? schema.properties : {};
}

/** Whether an object by this schema may lack a member, and no default stands in for it. */
export function mayBeAbsent(schema: unknown, name: string): boolean {
  if (!isRecord(schema)) return true;
  const own = isRecord(schema.properties) ? schema.properties[name] : undefined;
  if (isRecord(own) && own.default !== undefined) return false;
  return !(Array.isArray(schema.required) && schema.required.includes(name));
}

/** Every fault of a template's schema; pointers start at it. */
export function checkParameters(schema: unknown): InputError[] {
  const faults = checkSchema(schema);
  if (faults.length > 0 || !isRecord(schema)) return faults;
  const expected = 'an object such as { "properties": { "amount": { "type": "number" } } }';
  if (schema.type !== undefined && schema.type !== "object") {
    faults.push({ pointer: "/type", message: `is ${shown(schema.type)}`, expected: '"object"' });
  }
  if (schema.properties !== undefined && !isRecord(schema.properties)) {
    return [...faults, { pointer: "/properties", message: `is ${kindOf(schema.properties)}`, expected }];
  }
  for (const name of Object.keys(parametersOf(schema))) {
    if (isParameterName(name)) continue;
    const pointer = under("/properties", name);
    const words = "letters, digits and underscores, no digit first";
    faults.push({ pointer, message: `${shown(name)} cannot be the name of a parameter`, expected: words });
  }
  for (const [index, name] of (Array.isArray(schema.required) ? schema.required : []).entries()) {
    if (Object.hasOwn(parametersOf(schema), name)) continue;
    faults.push({
      pointer: under("/required", index),
      message: `${shown(name)} is no parameter`,
      expected: "one of properties",
    });
  }
  return faults;
}

/** Members that are looked at for defaults; a definition of 1 MiB has no room for as many. */
const maxMembers = 200_000;

/** The values with the schema's defaults where they have none; undefined when they have too many members to look at. */
function withDefaults(schema: unknown, given: Values): Values | undefined {
  const work = { left: maxMembers };
  const filled = fillDefaults(schema, given, work) as Values;
  return work.left < 0 ? undefined : filled;
}

/** Defaults are handed on by reference: nobody changes them. */
function fillDefaults(schema: unknown, value: Json, work: { left: number }): Json {
  if (!isRecord(schema) || work.left < 0) return value;
  if (Array.isArray(value)) return value.map((item) => fillDefaults(schema.items, item, work));
  if (!isRecord(value) || !isRecord(schema.properties)) return value;
  const properties = Object.entries(schema.properties);
  work.left -= properties.length;
  if (work.left < 0) return value;
  const filled: Values = { ...value };
  for (const [name, own] of properties) {
    const known = Object.hasOwn(value, name) ? value[name] : undefined;
    if (known !== undefined) filled[name] = fillDefaults(own, known, work);
    else if (isRecord(own) && own.default !== undefined) filled[name] = own.default as Json;
  }
  return filled;
}

/** Unknown names that are told. */
const maxUnknown = 20;

/** Every fault of given parameters, with pointers from `/parameters`, or the values with their defaults. */
export function readParameters(schema: unknown, given: Values): { values: Values; errors: InputError[] } {
  const values = withDefaults(schema, given);
  if (values === undefined) {
    const expected = `at most ${maxMembers} members`;
    return { values: given, errors: [{ pointer: "/parameters", message: "are too many values", expected }] };
  }
  const known = parametersOf(schema);
  const names = Object.keys(known);
  const strange = Object.keys(given).filter((name) => !Object.hasOwn(known, name));
  const unknown = strange.slice(0, maxUnknown).map((name) => ({
    pointer: under("/parameters", name),
    message: "is not a parameter of this template",
    expected: names.length === 0 ? "no parameters" : oneOf(names, nearest(name, names)),
  }));
  const told = new Set(unknown.map(({ pointer }) => pointer));
  const faults = compileSchema(schema)
    .validate(values)
    .map((fault) => ({ ...fault, pointer: `/parameters${fault.pointer}` }))
    .filter(({ pointer }) => !told.has(pointer));
  return { values, errors: [...unknown, ...faults] };
}

export interface Sample {
  values: Values;
  /** Required parameters of which the schema gives no example. */
  missing: string[];
  errors: InputError[];
}

/** Values to try a template with: each parameter's default, or its first example. Pointers start at the schema. */
export function sampleOf(schema: unknown): Sample {
  const values: Values = {};
  const missing: string[] = [];
  for (const [name, own] of Object.entries(parametersOf(schema))) {
    const isNeeded = !mayBeAbsent(schema, name);
    const value = exampleOf(own, isNeeded);
    if (value !== undefined) values[name] = value;
    else if (isNeeded) missing.push(name);
  }
  const filled = withDefaults(schema, values) ?? values;
  const faults = compileSchema(schema)
    .validate(filled)
    .filter(({ pointer }) => {
      const [name] = parsePointer(pointer);
      return name !== undefined && Object.hasOwn(filled, name);
    });
  const errors = faults.map(({ pointer, message, expected }) => {
    const [name = "", ...rest] = parsePointer(pointer);
    const inside = rest.map((part) => `/${escapePointer(part)}`).join("");
    const place = inside === "" ? "" : `${inside} `;
    return {
      pointer: under("/properties", name),
      message: `Its default or example does not fit: ${place}${message}`,
      expected,
    };
  });
  return { values: filled, missing, errors };
}

/** Its default or first example; where there must be a value, also one that the schema names. */
function exampleOf(schema: unknown, isNeeded: boolean): Json | undefined {
  if (!isRecord(schema)) return undefined;
  const { default: usual, examples, const: only, enum: choices } = schema;
  const given = [usual, ...(Array.isArray(examples) ? examples : [])];
  const named = isNeeded ? [only, ...(Array.isArray(choices) ? choices : [])] : [];
  return [...given, ...named].find((value) => value !== undefined) as Json | undefined;
}
