/**
 * Placeholders: `{{parameter}}` in the texts of a template's document, and where in a text they stand.
 *
 * | written                         | meaning                                                                        |
 * |---------------------------------|--------------------------------------------------------------------------------|
 * | `{{name}}`, `{{name.member}}`   | the parameter's value; alone in a text it keeps its type                       |
 * | `{{expression name}}`           | the parameter's text as an expression                                          |
 * | `{{...name}}`                   | alone in an item of a list: the parameter's items, in its place                |
 * | `{ "{{each x in list}}": … }`   | an item of a list: its value once for each item of the parameter; it sees `{{x}}` |
 * | `{{next x.member}}`             | inside it: the same of the item after this one; absent for the last            |
 * | `{{index x}}`                   | inside it: the item's place, from 0                                            |
 * | `\{{name}}`                     | the text `{{name}}`                                                            |
 *
 * A value never becomes code: where a placeholder stands in an expression, a value is written as a literal of the
 * expression language, and in a text with `${…}` its own `${` is escaped. Only `{{expression name}}` puts code in,
 * and only code that is an expression by itself.
 */
import { ExpressionError, splitTemplate, zonesOf } from "../../foundation/expressions/index.ts";

export interface Placeholder {
  verb: "value" | "expression" | "items" | "next" | "index";
  /** The parameter, or the name of an `each`; then the names of members. */
  path: readonly [string, ...string[]];
  /** As it is written. */
  text: string;
}

/** A placeholder in its place: `code` is outside of the literals of an expression, `quoted` inside one. */
export interface Hole extends Placeholder {
  zone: "plain" | "code" | "quoted";
}

/** A stretch of a text: `expression` is code, of a whole expression or between `${` and `}`. */
export interface Part {
  expression: boolean;
  pieces: (string | Hole)[];
}

export interface TextPlan {
  /** The placeholder, when the text is nothing else. */
  alone: Placeholder | undefined;
  parts: Part[];
  holes: Hole[];
}

/** How a text is read by whoever runs the definition: as it stands, as a text with `${…}`, as an expression. */
export type TextReading = "plain" | "template" | "expression";

/** Why a text with placeholders cannot be read. */
export class PlaceholderFault extends Error {
  readonly expected: string;

  constructor(message: string, expected: string) {
    super(message);
    this.expected = expected;
  }
}

const name = "[A-Za-z_][A-Za-z0-9_]{0,254}";
const path = `${name}(?:\\.${name})*`;
const shape = `\\{\\{\\s*(?:(?:(expression|next|index)\\s+)?(${path})|\\.\\.\\.(${path}))\\s*\\}\\}`;
const inText = new RegExp(`(\\\\?)${shape}`, "g");
const parameterName = new RegExp(`^${name}$`);
const whole = new RegExp(`^${shape}$`);
const eachShape = new RegExp(`^\\{\\{\\s*each\\s+(${name})\\s+in\\s+(${path})(?:\\s+where\\s+(${path}))?\\s*\\}\\}$`);
/** What may have been meant as a placeholder: no quotes and no colon, which objects in expressions have. */
const almost = /(?<!\\)\{\{[^{}"':]*\}\}/g;

/** Whether a placeholder can name it. */
export function isParameterName(text: string): boolean {
  return parameterName.test(text);
}

export interface Each {
  /** By which the body calls the item. */
  name: string;
  list: Placeholder;
  /** The body stands only for items that have this. */
  where: readonly string[] | undefined;
}

/** What the name of a member says when it is an `each`. */
export function readEach(text: string): Each | undefined {
  const match = eachShape.exec(text);
  if (match === null) return undefined;
  const [, called, list, where] = match;
  return {
    name: called!,
    list: { verb: "value", path: pathOf(list!), text },
    where: where?.split("."),
  };
}

/** The body of an `each`, when an item of a list is one. */
export function eachOf(item: unknown): { each: Each; key: string; body: unknown } | undefined {
  if (typeof item !== "object" || item === null || Array.isArray(item)) return undefined;
  const [entry, ...others] = Object.entries(item);
  if (entry === undefined || others.length > 0) return undefined;
  const [key, body] = entry;
  const each = readEach(key);
  return each && { each, key, body };
}

/** Whether the name of a member holds what is a placeholder in texts. */
export function hasPlaceholder(text: string): boolean {
  return text.includes("{{") && (readEach(text) !== undefined || text.search(inText) !== -1);
}

/** What stands in double braces in a text and is no placeholder. */
export function nearMisses(text: string): string[] {
  return [...text.matchAll(almost)].map(([found]) => found).filter((found) => !whole.test(found));
}

/** Reads a text. Throws `PlaceholderFault` for placeholders in places where no value can stand safely. */
export function readText(text: string, reading: TextReading): TextPlan {
  const alone = placeholderOf(whole.exec(text));
  const parts = partsOf(text, reading);
  const holes = parts.flatMap(({ pieces }) => pieces.filter((piece) => typeof piece !== "string"));
  for (const hole of holes) refuseMisplaced(hole, { alone, reading });
  return { alone, parts, holes };
}

function refuseMisplaced(
  hole: Hole,
  { alone, reading }: { alone: Placeholder | undefined; reading: TextReading },
): void {
  if (hole.verb === "items" && alone === undefined) {
    throw new PlaceholderFault(`${hole.text} stands inside a text`, "a text of its own, as an item of a list");
  }
  if (hole.verb !== "expression") return;
  if (reading === "plain") throw new PlaceholderFault(`${hole.text} stands where no expression is evaluated`, "{{…}}");
  if (hole.zone === "quoted") {
    throw new PlaceholderFault(`${hole.text} stands inside a text of the expression`, "a place outside of the quotes");
  }
}

function partsOf(text: string, reading: TextReading): Part[] {
  if (!text.includes("{{")) return [{ expression: reading === "expression", pieces: [text] }];
  try {
    if (reading === "plain") return [{ expression: false, pieces: piecesOf(text, "plain") }];
    if (reading === "expression") return [{ expression: true, pieces: codePieces(text) }];
    return splitTemplate(text).flatMap((part) => {
      if ("literal" in part) return literalParts(part.literal);
      refuseAmbiguous(part.expression);
      return [{ expression: true, pieces: codePieces(part.expression) }];
    });
  } catch (error) {
    if (!(error instanceof ExpressionError)) throw error;
    throw new PlaceholderFault(error.message, error.expected ?? "an expression that can be read");
  }
}

/** `${{name}}`: nobody can tell whether a dollar sign stands before a placeholder, or `${…}` around half of one. */
function refuseAmbiguous(expression: string): void {
  if (!whole.test(`{${expression}}`)) return;
  const expected = `\${{${expression}}} for an expression, \${'$'}{${expression}} for a dollar sign`;
  throw new PlaceholderFault(`\${${expression}} can be read in two ways`, expected);
}

/** Between expressions: what is text, and expressions that parameters bring. */
function literalParts(text: string): Part[] {
  const parts: Part[] = [];
  for (const piece of piecesOf(text, "plain")) {
    const isCode = typeof piece !== "string" && piece.verb === "expression";
    const last = parts.at(-1);
    if (isCode) parts.push({ expression: true, pieces: [{ ...piece, zone: "code" }] });
    else if (last === undefined || last.expression) parts.push({ expression: false, pieces: [piece] });
    else last.pieces.push(piece);
  }
  return parts;
}

function codePieces(source: string): (string | Hole)[] {
  return zonesOf(source).flatMap(({ kind, text }) => {
    if (kind === "raw" && text.search(inText) !== -1) {
      const expected = "a literal in plain quotes, or the placeholder outside of the literal";
      throw new PlaceholderFault("A placeholder stands in a literal that knows no escapes", expected);
    }
    return piecesOf(text, kind === "quoted" ? "quoted" : "code");
  });
}

function piecesOf(text: string, zone: Hole["zone"]): (string | Hole)[] {
  const pieces: (string | Hole)[] = [];
  let at = 0;
  for (const match of text.matchAll(inText)) {
    const escaped = match[1] !== "";
    const before = text.slice(at, match.index);
    at = match.index + match[0].length;
    if (before !== "") pieces.push(before);
    if (escaped) pieces.push(match[0].slice(1));
    else pieces.push({ ...placeholderFrom(match[0], match.slice(2)), zone });
  }
  if (at < text.length) pieces.push(text.slice(at));
  return pieces;
}

function placeholderOf(match: RegExpExecArray | null): Placeholder | undefined {
  return match === null ? undefined : placeholderFrom(match[0], match.slice(1));
}

function placeholderFrom(text: string, [verb, value, items]: readonly (string | undefined)[]): Placeholder {
  if (items !== undefined) return { verb: "items", path: pathOf(items), text };
  return { verb: (verb as "expression" | "next" | "index" | undefined) ?? "value", path: pathOf(value!), text };
}

function pathOf(text: string): [string, ...string[]] {
  const [root, ...members] = text.split(".");
  return [root!, ...members];
}
