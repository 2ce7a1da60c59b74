/** Walking a syntax tree without knowing all its kinds of nodes. */

import type { Program } from "oxc-parser";

export interface SyntaxNode {
  type: string;
  start: number;
  end: number;
  [key: string]: unknown;
}

/** Calls `visit` for every node, parents first. */
export function walk(program: Program, visit: (node: SyntaxNode) => void): void {
  const waiting: unknown[] = [program];
  while (waiting.length > 0) {
    const value = waiting.pop();
    if (Array.isArray(value)) {
      waiting.push(...value.toReversed());
    } else if (typeof value === "object" && value !== null) {
      if (isNode(value)) visit(value);
      waiting.push(...Object.values(value).reverse());
    }
  }
}

export function isNode(value: unknown): value is SyntaxNode {
  return (
    typeof value === "object" && value !== null && "type" in value && "start" in value && typeof value.type === "string"
  );
}

/** A node's name when it is an identifier. */
export function nameOf(node: unknown): string | undefined {
  return isNode(node) && node.type === "Identifier" && typeof node.name === "string" ? node.name : undefined;
}

/** `["a", "b"]` for the expression `a.b`; undefined for anything else. */
export function memberOf(node: unknown): [object: string, property: string] | undefined {
  if (!isNode(node) || node.type !== "MemberExpression" || node.computed === true) return undefined;
  const object = nameOf(node.object);
  const property = nameOf(node.property);
  return object === undefined || property === undefined ? undefined : [object, property];
}

/** The text of a string literal, or of a template with `?` in place of each expression. */
export function textOf(node: SyntaxNode): string | undefined {
  if (node.type === "Literal" && typeof node.value === "string") return node.value;
  if (node.type !== "TemplateLiteral" || !Array.isArray(node.quasis)) return undefined;
  return node.quasis
    .map((quasi: { value: { cooked: string | null; raw: string } }) => quasi.value.cooked ?? quasi.value.raw)
    .join("?");
}
