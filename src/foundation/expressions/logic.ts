/** `&&` and `||`, which absorb a failure of one side when the other side decides. */
import { charge, faultUnits } from "./budget.ts";
import type { Run, Scope } from "./compiling.ts";
import { BudgetFault, Fault } from "./errors.ts";
import type { Dialect } from "./operators.ts";
import type { Node } from "./syntax.ts";
import { typeName, type Value } from "./values.ts";

/** Keeps a failure for later, at a price. A spent budget and what is no `Fault` go on up. */
export function absorb(thrown: unknown): Fault {
  if (!(thrown instanceof Fault) || thrown instanceof BudgetFault) throw thrown;
  charge(faultUnits);
  return thrown;
}

/**
 * A chain of one operator. The first deciding value (false for `&&`, true for `||`) wins wherever it stands; without
 * one, the first failure or value that is no bool is the failure of the chain.
 */
export function compileLogic(node: Node & { kind: "all" | "any" }, terms: readonly Run[], dialect: Dialect): Run {
  const deciding = node.kind === "any";
  if (dialect.name === "json") refuseFallbacks(node);
  function evaluated(term: Run, scope: Scope, frame: Value[]): boolean | Fault {
    let value: Value;
    try {
      value = term(scope, frame);
    } catch (thrown) {
      return absorb(thrown);
    }
    return typeof value === "boolean" ? value : notBool(node, value);
  }
  return (scope, frame) => {
    let fault: Fault | undefined;
    for (const term of terms) {
      const value = evaluated(term, scope, frame);
      if (value === deciding) return deciding;
      if (typeof value !== "boolean") fault ??= value;
    }
    if (fault !== undefined) throw fault;
    return !deciding;
  };
}

function notBool(node: Node & { kind: "all" | "any" }, value: Value): Fault {
  const sign = node.kind === "any" ? "||" : "&&";
  return new Fault(() => `${sign} takes bools; one side is a ${typeName(value)}`, {
    at: node.at,
    expected: node.kind === "any" ? "for a fallback value write has(a.b) ? a.b : 'x'" : "compare: a != null && …",
  });
}

const neverBool = new Set(["_+_", "_-_", "_*_", "_/_", "_%_", "-_", "size", "string", "int", "double", "uint"]);

/** Refuses `a || 'x'` when it is read, because CEL's `||` never yields a fallback. */
function refuseFallbacks(node: Node & { kind: "all" | "any" }): void {
  const wrong = node.terms.find(isNeverBool);
  if (wrong === undefined) return;
  const sign = node.kind === "any" ? "||" : "&&";
  const [first] = node.terms;
  const [left, right] = first === wrong ? ["a.b", "'x'"] : [showNode(first!), showNode(wrong)];
  const test = first === wrong || first?.kind === "select" ? `has(${left})` : `${left} != null`;
  throw new Fault(`${sign} takes bools and gives a bool, so ${showNode(wrong)} cannot be one of its sides`, {
    at: node.at,
    expected: node.kind === "any" ? `for a fallback write ${test} ? ${left} : ${right}` : "compare: a != null && …",
  });
}

function isNeverBool(node: Node): boolean {
  switch (node.kind) {
    case "literal":
      return typeof node.value !== "boolean";
    case "list":
    case "map":
      return true;
    case "loop":
      return node.macro === "map" || node.macro === "filter";
    case "call":
      return neverBool.has(node.name);
    default:
      return false;
  }
}

/** A short form of a node for messages: paths and literals as they are written, anything else as `…`. */
function showNode(node: Node): string {
  switch (node.kind) {
    case "name":
      return node.name;
    case "select":
      return `${showNode(node.of)}.${node.field}`;
    case "index":
      return `${showNode(node.of)}[${showNode(node.key)}]`;
    case "literal":
      return typeof node.value === "string" ? `'${node.value.slice(0, 40)}'` : String(node.value);
    case "list":
      return node.items.length === 0 ? "[]" : "[…]";
    case "map":
      return node.entries.length === 0 ? "{}" : "{…}";
    default:
      return "…";
  }
}
