/**
 * Keywords that differ from the compiler's own: a meter in every schema object, and comparisons that take linear time
 * (the compiler compares each item with each other one, and each value with each member of an `enum`).
 */
import { _, type CodeKeywordDefinition, type FuncKeywordDefinition } from "ajv/dist/2020.js";
import { budget } from "./budget.ts";

/** Set by `prepareSchema` in each schema object to the units that one evaluation costs at least. */
export const METER_KEYWORD = "millrace-meter";

const CHARACTERS_PER_UNIT = 64;
/** Listing the names of an object of a million members takes 300 ns a name. */
const UNITS_PER_MEMBER = 4;

/** Keywords whose cost grows with the number of members of an object. */
const memberKeywords = [
  "minProperties",
  "maxProperties",
  "additionalProperties",
  "unevaluatedProperties",
  "propertyNames",
];

export const meter: CodeKeywordDefinition = {
  keyword: METER_KEYWORD,
  schemaType: "number",
  code({ gen, data, schema, parentSchema }) {
    const countsMembers = memberKeywords.some((keyword) => keyword in parentSchema);
    const spend = gen.scopeValue("func", { ref: countsMembers ? spendWithMembers : spendOn });
    gen.code(_`${spend}(${schema}, ${data})`);
  },
};

function spendOn(units: number, value: unknown): void {
  budget.spend(typeof value === "string" ? units + Math.floor(value.length / CHARACTERS_PER_UNIT) : units);
}

function spendWithMembers(units: number, value: unknown): void {
  const members = typeof value === "object" && value !== null ? Object.keys(value).length : 0;
  spendOn(units + members * UNITS_PER_MEMBER, value);
}

export const uniqueItems: FuncKeywordDefinition = {
  keyword: "uniqueItems",
  type: "array",
  schemaType: "boolean",
  compile: (unique: boolean) => (items: unknown[]) => !unique || new Set(items.map(identity)).size === items.length,
  errors: false,
};

export const enumeration: FuncKeywordDefinition = {
  keyword: "enum",
  schemaType: "array",
  compile: (values: unknown[]) => {
    const identities = new Set(values.map(canonical));
    return (value: unknown) => identities.has(identity(value));
  },
  errors: false,
};

export const constant: FuncKeywordDefinition = {
  keyword: "const",
  compile: (expected: unknown) => {
    const wanted = canonical(expected);
    return (value: unknown) => identity(value) === wanted;
  },
  errors: false,
};

/** The canonical text of a value, paid from the budget. */
function identity(value: unknown): string {
  const text = canonical(value);
  budget.spend(1 + Math.floor(text.length / CHARACTERS_PER_UNIT));
  return text;
}

/** JSON text in which equal values are the same text: members in the order of their names. */
function canonical(value: unknown): string {
  if (typeof value !== "object" || value === null) return Object.is(value, -0) ? "0" : JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(canonical).join()}]`;
  const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${members.map(([name, inner]) => `${JSON.stringify(name)}:${canonical(inner)}`).join()}}`;
}
