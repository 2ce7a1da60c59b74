/**
 * Where in a text expressions stand, and where in an expression its literals: for the compiler of templates, and for
 * whoever writes values into texts that hold expressions.
 */
import { asExpressionError } from "./errors.ts";
import { endOfString, match, scanSource, stringStart } from "./source.ts";

/** A piece of a template's text: what stands for itself, with `$${` read as `${`, or what stands between `${` and `}`. */
export type TemplatePart = { literal: string } | { expression: string };

/** The pieces of a template's text, in order; no literal is empty. Throws faults for an expression without an end. */
export function partsOf(text: string): TemplatePart[] {
  const parts: TemplatePart[] = [];
  let literal = "";
  let at = 0;
  for (let next = text.indexOf("${"); next !== -1; next = text.indexOf("${", at)) {
    if (text[next - 1] === "$" && next > at) {
      literal += `${text.slice(at, next - 1)}\${`;
      at = next + 2;
      continue;
    }
    literal += text.slice(at, next);
    if (literal !== "") parts.push({ literal });
    literal = "";
    const { end } = scanSource(text, next + 2, true);
    parts.push({ expression: text.slice(next + 2, end) });
    at = end + 1;
  }
  literal += text.slice(at);
  if (literal !== "") parts.push({ literal });
  return parts;
}

/** As `partsOf`, for callers outside the room. Throws `ExpressionError`. */
export function splitTemplate(text: string): TemplatePart[] {
  try {
    return partsOf(text);
  } catch (thrown) {
    throw asExpressionError(thrown, text);
  }
}

/**
 * A stretch of an expression: `quoted` is a string literal in which a backslash escapes, `raw` one in which it does not,
 * or one of bytes; `comment` runs to the end of its line.
 */
export interface Zone {
  kind: "code" | "quoted" | "raw" | "comment";
  text: string;
}

const word = /[A-Za-z_][A-Za-z0-9_]*/y;

/** The stretches of an expression, in order; together they are its text. Throws `ExpressionError` for a literal without an end. */
export function zonesOf(source: string): Zone[] {
  const zones: Zone[] = [];
  let code = 0;
  let at = 0;
  const add = (kind: Zone["kind"], end: number): void => {
    if (at > code) zones.push({ kind: "code", text: source.slice(code, at) });
    if (end > at) zones.push({ kind, text: source.slice(at, end) });
    code = end;
    at = end;
  };
  try {
    while (at < source.length) {
      const literal = match(stringStart, source, at);
      if (literal !== undefined) add(/^["']/.test(literal) ? "quoted" : "raw", endOfString(source, at, literal));
      else if (source.startsWith("//", at)) add("comment", endOfLine(source, at));
      else at += match(word, source, at)?.length ?? 1;
    }
  } catch (thrown) {
    throw asExpressionError(thrown, source);
  }
  add("code", at);
  return zones;
}

function endOfLine(source: string, at: number): number {
  const line = source.indexOf("\n", at);
  return line === -1 ? source.length : line;
}
