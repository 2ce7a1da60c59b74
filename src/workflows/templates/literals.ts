/** Values as the expression language writes them, so that a value in an expression is a value and never code. */
import type { Json } from "../../engine/index.ts";
import { compileExpression } from "../../foundation/expressions/index.ts";

/** A literal whose value is `value`: a whole number is an int, as if it were written there. */
export function literalOf(value: Json): string {
  if (typeof value === "number") return numberLiteral(value);
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(literalOf).join(", ")}]`;
  const entries = Object.entries(value).map(([key, item]) => `${JSON.stringify(key)}: ${literalOf(item)}`);
  return `{${entries.join(", ")}}`;
}

/** Beyond the whole numbers that JSON keeps exactly, a number is written as a double. */
function numberLiteral(value: number): string {
  const digits = JSON.stringify(value);
  const text = Number.isSafeInteger(value) || /[.e]/.test(digits) ? digits : `${digits}.0`;
  return value < 0 ? `(${text})` : text;
}

/** A value inside a text: a text is put in as it is, anything else as its JSON. */
export function textOf(value: Json): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** Text for inside of a literal with quotes of any kind. */
export function quoted(text: string): string {
  return JSON.stringify(text).slice(1, -1).replaceAll("'", "\\'");
}

/** A value in which no text holds an expression for whoever reads it as a template. */
export function withoutExpressions(value: Json): Json {
  if (typeof value === "string") return escapeTemplate(value);
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(withoutExpressions);
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, withoutExpressions(item)]));
}

/** Text that a template gives back as it is. */
export function escapeTemplate(text: string): string {
  // A function, for a dollar sign means something in a replacement.
  return text.replaceAll("${", () => "$${");
}

/**
 * An expression as a part of another one: in parentheses, since operators around it would tear it apart. Throws
 * `ExpressionError` for what is no expression by itself, so that it cannot close the parenthesis.
 */
export function operand(source: string): string {
  return `(${expressionOf(source)})`;
}

/** An expression as it is. Throws `ExpressionError` for what is none. */
export function expressionOf(source: string): string {
  // `$` is the payload where mappings read it; whether it may stand in this place is the validator's to say.
  compileExpression(source, { pathRoot: "payload" });
  return source;
}
