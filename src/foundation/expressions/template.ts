/** JSON values whose strings hold `${…}`. */
import { refillBudget } from "./budget.ts";
import type { Scope } from "./compiling.ts";
import { asExpressionError, ExpressionError, Fault } from "./errors.ts";
import { cachedProgram, type ExpressionOptions, type Program } from "./expression.ts";
import { toJson } from "./output.ts";
import { mergeReferences, type References } from "./references.ts";
import { setMember } from "./values.ts";
import { partsOf, type TemplatePart } from "./zones.ts";

export interface Template {
  readonly references: References;
  /**
   * The JSON value with every `${…}` filled in. One budget serves the whole template. Throws `ExpressionError`, whose
   * `pointer` names the string that failed.
   */
  evaluate(scope: Scope): unknown;
}

/** Fills in one part of the template under the caller's budget. */
type Fill = (scope: Scope) => unknown;

interface Compiling {
  options: ExpressionOptions;
  programs: Program[];
}

const maxDepth = 100;

/**
 * Compiles a JSON value. A string that is one `${…}` keeps the type of its value; inside other text a string is taken
 * as it is and anything else as its JSON text; `$${` stands for `${`. Keys are not filled in. Parts without `${` are
 * handed on by reference. Throws `ExpressionError` with a `pointer`.
 */
export function compileTemplate(value: unknown, options: ExpressionOptions = {}): Template {
  // Listed once, because every expression goes through them.
  const stepIds = options.stepIds && [...options.stepIds];
  const compiling: Compiling = { options: stepIds === undefined ? options : { ...options, stepIds }, programs: [] };
  const fill = compileValue(value, compiling, "", 0);
  return templateOf(fill, mergeReferences(compiling.programs.map(({ references }) => references)), value);
}

/** A step's `input`: a string is one expression, anything else a template. */
export function compileInput(value: unknown, options: ExpressionOptions = {}): Template {
  if (typeof value !== "string") return compileTemplate(value, options);
  const program = cachedProgram(value, options);
  return templateOf(fillAlone(program, ""), program.references, value);
}

function templateOf(fill: Fill | undefined, references: References, value: unknown): Template {
  if (fill === undefined) return { references, evaluate: () => value };
  return {
    references,
    evaluate(scope) {
      refillBudget();
      return fill(scope);
    },
  };
}

/** How to fill in a value; undefined for one that is constant as it stands. */
function compileValue(value: unknown, compiling: Compiling, pointer: string, depth: number): Fill | undefined {
  if (typeof value === "string") return compileText(value, compiling, pointer);
  if (typeof value !== "object" || value === null) return undefined;
  if (depth > maxDepth) throw new ExpressionError(`the template is nested deeper than ${maxDepth} levels`, { pointer });
  const entries = Object.entries(value).map(([key, item]) => {
    const inside = `${pointer}/${key.replaceAll("~", "~0").replaceAll("/", "~1")}`;
    return { key, item, fill: compileValue(item, compiling, inside, depth + 1) };
  });
  if (entries.every(({ fill }) => fill === undefined)) return undefined;
  if (Array.isArray(value))
    return (scope) => entries.map(({ item, fill }) => (fill === undefined ? item : fill(scope)));
  return (scope) => {
    const record: Record<string, unknown> = {};
    for (const { key, item, fill } of entries) setMember(record, key, fill === undefined ? item : fill(scope));
    return record;
  };
}

function compileText(text: string, compiling: Compiling, pointer: string): Fill | undefined {
  if (!text.includes("${")) return undefined;
  const parts = readParts(text, pointer).map((part) => {
    if ("literal" in part) return part.literal;
    const program = compilePart(text, part.expression, compiling.options, pointer);
    compiling.programs.push(program);
    return program;
  });
  const [only] = parts;
  if (parts.length === 1 && only !== undefined) return typeof only === "string" ? () => only : fillAlone(only, pointer);
  const fills = parts.map((part) => (typeof part === "string" ? part : fillAlone(part, pointer)));
  return (scope) => fills.map((part) => (typeof part === "string" ? part : asText(part(scope)))).join("");
}

function readParts(text: string, pointer: string): TemplatePart[] {
  try {
    return partsOf(text);
  } catch (thrown) {
    throw withPointer(thrown, text, pointer);
  }
}

function compilePart(text: string, expression: string, options: ExpressionOptions, pointer: string): Program {
  try {
    return cachedProgram(expression.trim(), options);
  } catch (thrown) {
    throw withPointer(thrown, text, pointer);
  }
}

function fillAlone(program: Program, pointer: string): Fill {
  return (scope) => {
    try {
      return toJson(program.run(scope));
    } catch (thrown) {
      throw withPointer(thrown, program.source, pointer);
    }
  };
}

function withPointer(thrown: unknown, source: string, pointer: string): unknown {
  if (!(thrown instanceof ExpressionError || thrown instanceof Fault || thrown instanceof RangeError)) return thrown;
  const { message, position, expected, source: inner } = asExpressionError(thrown, source);
  const place = pointer === "" ? message : `${message} at ${pointer}`;
  return new ExpressionError(place, {
    ...(position === undefined ? {} : { position }),
    ...(expected === undefined ? {} : { expected }),
    source: inner ?? source,
    pointer,
  });
}

function asText(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}
