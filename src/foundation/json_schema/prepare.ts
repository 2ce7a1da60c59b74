/**
 * The first look at a user's schema, before a compiler sees it: limits, unsupported things, and a copy in which every
 * schema object carries the meter that counts it (see `budget.ts`).
 */
import type { InputError } from "../errors.ts";
import { METER_KEYWORD } from "./keywords.ts";
import { compilePattern } from "./pattern.ts";
import { escapePointer, valueAt } from "./pointer.ts";

export const DIALECT = "https://json-schema.org/draft/2020-12/schema";

const MAX_DEPTH = 128;
const MAX_OBJECTS = 3_000;
/** Members of one list or map of schemas: the compiler nests one block per member, and the stack is finite. */
const MAX_MEMBERS = 500;
const MAX_TEXT_LENGTH = 256 * 1024;
/** Objects that are compiled when each different reference compiles what it points to. */
const MAX_COMPILED_OBJECTS = 6_000;
const MAX_FAULTS = 50;
/** Names that one object's evaluation looks up for one unit of the budget. */
const NAMES_PER_UNIT = 8;

export type Schema = boolean | { [keyword: string]: unknown };

export interface Prepared {
  errors: InputError[];
  /** The metered copy; meaningful only without errors. */
  schema: Schema;
  /** The schema as JSON text, which is also its identity. */
  text: string;
  /** Whether a reference names the meta-schema, which is then made known to the compiler. */
  usesMetaSchema: boolean;
}

const mapKeywords = new Set([
  "properties",
  "patternProperties",
  "$defs",
  "definitions",
  "dependentSchemas",
  "dependencies",
]);
const dataKeywords = new Set(["const", "enum", "default", "examples", "dependentRequired", "$vocabulary"]);
/** Words without a meaning in 2020-12 to which the compiler gives one of its own; the copy leaves them out. */
const foreignKeywords = new Set(["nullable", "id"]);
const referenceKeywords = ["$ref", "$dynamicRef"];

/** Looks at a schema and copies it; reports every fault found, at most fifty. Never throws, never recurses deeply. */
export function prepareSchema(schema: unknown): Prepared {
  const text = jsonText(schema);
  const refuse = (message: string, expected?: string): Prepared => ({
    errors: [{ pointer: "", message, expected }],
    schema: false,
    text: "",
    usesMetaSchema: false,
  });
  if (text === undefined)
    return refuse("is not a JSON Schema", `JSON of at most ${MAX_DEPTH} levels: an object, true or false`);
  if (text.length > MAX_TEXT_LENGTH)
    return refuse("is too large for a JSON Schema", `at most ${MAX_TEXT_LENGTH} characters`);
  // From here on the text decides: what is checked is what is compiled, even if the caller's object changes.
  const root: unknown = JSON.parse(text);
  if (typeof root !== "boolean" && !isObject(root)) return refuse("is not a JSON Schema", "an object, true or false");
  const walk = new Walk();
  const copy = walk.schema(root, "", 0) as Schema;
  walk.checkReferences(root);
  return { errors: walk.errors, schema: copy, text, usesMetaSchema: walk.usesMetaSchema };
}

class Walk {
  readonly errors: InputError[] = [];
  usesMetaSchema = false;
  private objects = 0;
  private hasInnerIds = false;
  private readonly references = new Map<string, string>();

  /** Copies a value in the place of a schema: objects are metered, arrays are lists of schemas. */
  schema(value: unknown, pointer: string, depth: number): unknown {
    if (!this.enter(value, pointer, depth)) return value;
    if (Array.isArray(value)) {
      this.checkMembers(value.length, pointer);
      return value.map((item, index) => this.schema(item, `${pointer}/${index}`, depth + 1));
    }
    if (!isObject(value)) return value;
    this.inspect(value, pointer);
    const own = Object.entries(value).filter(([keyword]) => !foreignKeywords.has(keyword));
    const entries = own.map(([keyword, inner]): [string, unknown] => {
      const below = `${pointer}/${escapePointer(keyword)}`;
      if (dataKeywords.has(keyword)) {
        this.enter(inner, below, depth + 1);
        return [keyword, inner];
      }
      if (mapKeywords.has(keyword)) return [keyword, this.map(inner, below, depth + 1)];
      return [keyword, this.schema(inner, below, depth + 1)];
    });
    // An empty schema stays empty: the compiler knows that it accepts everything.
    if (entries.length > 0) entries.push([METER_KEYWORD, 1 + Math.floor(namesIn(value) / NAMES_PER_UNIT)]);
    return Object.fromEntries(entries);
  }

  private map(value: unknown, pointer: string, depth: number): unknown {
    if (!isObject(value) || !this.enter(value, pointer, depth)) return value;
    this.checkMembers(Object.keys(value).length, pointer);
    const entries = Object.entries(value).map(([name, inner]): [string, unknown] => {
      const below = `${pointer}/${escapePointer(name)}`;
      if (name === "__proto__") this.fault(below, "cannot be used as a name", "another name");
      if (pointer.endsWith("/patternProperties")) this.checkPattern(name, below);
      return [name, this.schema(inner, below, depth + 1)];
    });
    return Object.fromEntries(entries);
  }

  /** Counts a value against the limits; false means: do not look inside. */
  private enter(value: unknown, pointer: string, depth: number): boolean {
    if (typeof value !== "object" || value === null) return true;
    this.objects += 1;
    if (depth > MAX_DEPTH) {
      this.fault(pointer, "is nested too deeply", `at most ${MAX_DEPTH} levels`);
      return false;
    }
    if (this.objects > MAX_OBJECTS) {
      if (this.objects === MAX_OBJECTS + 1)
        this.fault("", "has too many parts", `at most ${MAX_OBJECTS} objects and arrays`);
      return false;
    }
    return true;
  }

  private inspect(schema: { [keyword: string]: unknown }, pointer: string): void {
    if (typeof schema.pattern === "string") this.checkPattern(schema.pattern, `${pointer}/pattern`);
    if (typeof schema.$id === "string" && pointer !== "") this.hasInnerIds = true;
    if ("$async" in schema) this.fault(`${pointer}/$async`, "is not a keyword of JSON Schema", "a schema without it");
    if ("$schema" in schema && normalDialect(schema.$schema) !== DIALECT) {
      this.fault(`${pointer}/$schema`, "names a dialect that is not supported", DIALECT);
    }
    for (const keyword of referenceKeywords) {
      const target = schema[keyword];
      if (typeof target !== "string") continue;
      if (!this.references.has(target)) this.references.set(target, `${pointer}/${keyword}`);
      if (target.startsWith(DIALECT)) this.usesMetaSchema = true;
    }
  }

  private checkMembers(count: number, pointer: string): void {
    if (count > MAX_MEMBERS) this.fault(pointer, "has too many members", `at most ${MAX_MEMBERS}`);
  }

  private checkPattern(source: string, pointer: string): void {
    try {
      compilePattern(source);
    } catch (error) {
      this.fault(
        pointer,
        error instanceof Error ? error.message : String(error),
        "a regular expression that RE2 accepts",
      );
    }
  }

  /**
   * Bounds what compiling will cost: each different reference compiles all that it points to, once, so a few hundred
   * spellings of one pointer to a large part would grow without bound.
   */
  checkReferences(root: unknown): void {
    let compiled = this.objects;
    for (const [target, pointer] of this.references) {
      const local = !this.hasInnerIds && target.startsWith("#/");
      const found = local ? resolveReference(root, target) : root;
      if (found === undefined)
        this.fault(pointer, `points to ${shorten(target)}, which does not exist`, "a pointer to a part of this schema");
      compiled += countObjects(found);
      if (compiled > MAX_COMPILED_OBJECTS) {
        this.fault(
          pointer,
          "makes the schema too large when its references are followed",
          "fewer different references",
        );
        return;
      }
    }
  }

  private fault(pointer: string, message: string, expected: string): void {
    if (this.errors.length < MAX_FAULTS) this.errors.push({ pointer, message, expected });
  }
}

/** JSON text of a value, or undefined for what has none: functions, cycles, bigints, nesting beyond the stack. */
function jsonText(value: unknown): string | undefined {
  try {
    return JSON.stringify(value);
  } catch {
    return undefined;
  }
}

function isObject(value: unknown): value is { [key: string]: unknown } {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** How many names the keywords of one schema object look up, whether the value has them or not. */
function namesIn(schema: { [keyword: string]: unknown }): number {
  const size = (value: unknown) => (typeof value === "object" && value !== null ? Object.keys(value).length : 0);
  return (
    size(schema.properties) + size(schema.required) + size(schema.dependentSchemas) + size(schema.dependentRequired)
  );
}

function normalDialect(value: unknown): unknown {
  return typeof value === "string" ? value.replace(/#$/, "").replace(/^http:/, "https:") : value;
}

/** What a reference such as `#/$defs/order` points to, or undefined. */
function resolveReference(root: unknown, reference: string): unknown {
  try {
    return valueAt(root, decodeURIComponent(reference.slice(1)));
  } catch {
    return undefined;
  }
}

/** Objects and arrays inside a value, itself included; depth is bounded by the walk before. */
function countObjects(value: unknown, depth = 0): number {
  if (typeof value !== "object" || value === null || depth > MAX_DEPTH) return 0;
  let count = 1;
  for (const inner of Object.values(value)) count += countObjects(inner, depth + 1);
  return count;
}

function shorten(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text);
}
