/**
 * From text to a small tree: the CEL library parses, and its macros, operators and balanced `&&` chains are folded back
 * into the shapes that the compiler and the reference finder want.
 */
import { parse } from "@bufbuild/cel";
import type { Constant, Expr, Expr_Call, SourceInfo } from "@bufbuild/cel-spec/cel/expr/syntax_pb.js";
import { Fault } from "./errors.ts";
import { checkedInt } from "./operators.ts";
import { type Scan, scanSource } from "./source.ts";
import { BytesValue, UintValue, type Value } from "./values.ts";

type Macro = "all" | "exists" | "exists_one" | "filter" | "map" | "transformMap";

/** A macro over a range. With two variables the first is the index or key and the second the item. */
export interface Loop {
  kind: "loop";
  at: number;
  macro: Macro;
  range: Node;
  variables: readonly string[];
  test: Node | undefined;
  result: Node | undefined;
}

/** `at` is the position of the name, operator or bracket that the node is about. */
export type Node = { at: number } & (
  | { kind: "literal"; value: Value }
  | { kind: "name"; name: string }
  | { kind: "select"; of: Node; field: string }
  | { kind: "has"; of: Node; field: string }
  | { kind: "index"; of: Node; key: Node }
  | { kind: "list"; items: Node[] }
  | { kind: "map"; entries: [key: Node, value: Node][] }
  | { kind: "message"; literal: Expr; fields: Node[] }
  | { kind: "call"; name: string; target: Node | undefined; args: Node[] }
  | { kind: "all" | "any"; terms: Node[] }
  | { kind: "choice"; condition: Node; yes: Node; no: Node }
  | Loop
);

export interface Syntax {
  root: Node;
  scan: Scan;
}

const maxDepth = 200;

/** Reads an expression. `pathRoot` is the name that a `$` stands for; without one a `$` is a fault. */
export function readSyntax(source: string, pathRoot: string | undefined): Syntax {
  const scan = scanSource(source);
  if (scan.text.trim() === "") throw new Fault("the expression is empty", { at: 0 });
  const [dollar] = scan.dollars;
  if (dollar !== undefined && pathRoot === undefined) {
    throw new Fault("$ is a path only in the mapping of an event's payload", {
      at: dollar,
      expected: "begin with a name, such as input.a or payload.a",
    });
  }
  const parsed = parseText(scan.text);
  const { positions } = parsed.sourceInfo ?? {};
  const reader: Reader = { info: parsed.sourceInfo, positions: positions ?? {}, dollars: scan.dollars, pathRoot };
  return { root: convert(parsed.expr, reader, 0), scan };
}

function parseText(text: string): { expr: Expr; sourceInfo?: SourceInfo } {
  try {
    return parse(text);
  } catch (error) {
    if (error instanceof RangeError) throw error;
    throw new Fault(...syntaxError(text, error));
  }
}

/** The library's message is a list of every token that could follow; its place is what helps. */
function syntaxError(text: string, error: unknown): ConstructorParameters<typeof Fault> {
  const location = error instanceof Error && "location" in error ? error.location : undefined;
  const start = (location as { start?: { offset?: number } } | undefined)?.start?.offset;
  if (start === undefined) return [error instanceof Error ? error.message : String(error)];
  const at = start + (/^\s*/.exec(text.slice(start))?.[0].length ?? 0);
  const reserved = /reserved (?:keyword|identifier)/.test(error instanceof Error ? error.message : "");
  const name = /^\w+/.exec(text.slice(at))?.[0];
  if (reserved) return [`${name ?? "the name"} is a reserved word`, { at, expected: `write a["${name ?? "name"}"]` }];
  if (/^\W{0,3}\s*$/.test(text.slice(at)))
    return ["the expression ends too early", { at: text.length, expected: "complete it" }];
  const hint = ({ and: "write &&", or: "write ||", not: "write !" } as Record<string, string>)[name ?? ""];
  if (hint !== undefined) return [`${name} is no operator`, { at, expected: hint }];
  if (/,\s*\)/.test(text.slice(at))) return ["the arguments end with a comma", { at, expected: "remove the comma" }];
  return [
    `${JSON.stringify(text.slice(at, at + 20))} cannot follow here`,
    { at, expected: "check the operator before it" },
  ];
}

interface Reader {
  info: SourceInfo | undefined;
  positions: Readonly<Record<string, number>>;
  dollars: ReadonlySet<number>;
  pathRoot: string | undefined;
}

function convert(expr: Expr | undefined, reader: Reader, depth: number): Node {
  if (expr === undefined) throw new Fault("the expression is incomplete");
  const at = reader.positions[expr.id.toString()] ?? 0;
  if (depth > maxDepth) {
    throw new Fault(`the expression is nested deeper than ${maxDepth} levels`, { at, expected: "split it over steps" });
  }
  const inner = (child: Expr | undefined) => convert(child, reader, depth + 1);
  const kind = expr.exprKind;
  switch (kind.case) {
    case "constExpr":
      return { kind: "literal", at, value: literalOf(kind.value, at) };
    case "identExpr":
      return { kind: "name", at, name: reader.dollars.has(at) ? (reader.pathRoot ?? "_") : kind.value.name };
    case "selectExpr":
      return {
        kind: kind.value.testOnly ? "has" : "select",
        at,
        of: inner(kind.value.operand),
        field: kind.value.field,
      };
    case "listExpr":
      return { kind: "list", at, items: kind.value.elements.map(inner) };
    case "structExpr": {
      const { entries, messageName } = kind.value;
      const values = entries.map((entry) => inner(entry.value));
      if (messageName !== "") return { kind: "message", at, literal: expr, fields: values };
      const keys = entries.map((entry) => inner(entry.keyKind.case === "mapKey" ? entry.keyKind.value : undefined));
      return { kind: "map", at, entries: keys.map((key, index) => [key, values[index]!]) };
    }
    case "callExpr": {
      const { function: name, target, args } = kind.value;
      if (name === "_&&_" || name === "_||_") {
        return { kind: name === "_&&_" ? "all" : "any", at, terms: termsOf(expr, name).map(inner) };
      }
      if (name === "_?_:_") {
        return { kind: "choice", at, condition: inner(args[0]), yes: inner(args[1]), no: inner(args[2]) };
      }
      if (name === "_[_]") return { kind: "index", at, of: inner(args[0]), key: inner(args[1]) };
      const loop = pairLoopOf(kind.value, inner, at);
      if (loop !== undefined) return loop;
      return { kind: "call", at, name, target: target && inner(target), args: args.map(inner) };
    }
    case "comprehensionExpr":
      return loopOf(expr, reader, inner, at);
    default:
      throw new Fault("the expression is incomplete", { at });
  }
}

/** The terms of a chain of one logical operator, which the parser hands over as a balanced tree. */
function termsOf(expr: Expr, name: string): Expr[] {
  const kind = expr.exprKind;
  if (kind.case !== "callExpr" || kind.value.function !== name || kind.value.target !== undefined) return [expr];
  return kind.value.args.flatMap((arg) => termsOf(arg, name));
}

function literalOf(constant: Constant, at: number): Value {
  const kind = constant.constantKind;
  switch (kind.case) {
    case "nullValue":
      return null;
    case "int64Value":
      try {
        return checkedInt(kind.value);
      } catch {
        throw new Fault("the whole number does not fit 64 bits", { at, expected: "write it with a decimal point" });
      }
    case "uint64Value":
      if (kind.value >= 2n ** 64n) throw new Fault("the whole number does not fit 64 bits", { at });
      return new UintValue(kind.value);
    case "bytesValue":
      return new BytesValue(kind.value);
    case "boolValue":
    case "doubleValue":
    case "stringValue":
      return kind.value;
    default:
      throw new Fault("the literal is of no known kind", { at });
  }
}

/**
 * Recognises which macro a comprehension came from. Only macros make comprehensions; where their test and their result
 * sit inside the expanded step is fixed by the parser.
 */
function loopOf(expr: Expr, reader: Reader, inner: (child: Expr | undefined) => Node, at: number): Node {
  const original = reader.info?.macroCalls[expr.id.toString()]?.exprKind;
  const name = original?.case === "callExpr" ? original.value.function : undefined;
  if (expr.exprKind.case !== "comprehensionExpr") throw new Fault("the macro is not known", { at });
  const { iterRange, iterVar, loopStep } = expr.exprKind.value;
  const step = callArguments(loopStep);
  const loop = { kind: "loop", at, range: inner(iterRange), variables: [iterVar] } as const;
  switch (name) {
    case "all":
    case "exists":
      return { ...loop, macro: name, test: inner(step[1]), result: undefined };
    case "exists_one":
    case "existsOne":
      return { ...loop, macro: "exists_one", test: inner(step[0]), result: undefined };
    case "filter":
      return { ...loop, macro: "filter", test: inner(step[0]), result: undefined };
    case "map":
      return step.length === 3
        ? { ...loop, macro: "map", test: inner(step[0]), result: inner(onlyItem(callArguments(step[1])[1])) }
        : { ...loop, macro: "map", test: undefined, result: inner(onlyItem(step[1])) };
    default:
      throw new Fault("the macro is not known", { at });
  }
}

/** The macros of two variables and how many arguments they take; the last is the test or the result. */
const pairMacros: Readonly<Record<string, { macro: Macro; counts: readonly number[] }>> = {
  all: { macro: "all", counts: [3] },
  exists: { macro: "exists", counts: [3] },
  existsOne: { macro: "exists_one", counts: [3] },
  exists_one: { macro: "exists_one", counts: [3] },
  transformList: { macro: "map", counts: [3, 4] },
  transformMap: { macro: "transformMap", counts: [3, 4] },
};

/** A macro with index or key and item, such as `list.all(i, v, v > i)`. The library does not expand these. */
function pairLoopOf(call: Expr_Call, inner: (child: Expr | undefined) => Node, at: number): Node | undefined {
  const { function: name, target, args } = call;
  if (target === undefined || !Object.hasOwn(pairMacros, name)) return undefined;
  const { macro, counts } = pairMacros[name]!;
  const [first, second] = args.map(({ exprKind }) => (exprKind.case === "identExpr" ? exprKind.value.name : undefined));
  if (!counts.includes(args.length) || first === undefined || second === undefined) return undefined;
  const last = inner(args.at(-1));
  const isTest = macro === "all" || macro === "exists" || macro === "exists_one";
  const test = isTest ? last : args.length === 4 ? inner(args[2]) : undefined;
  return {
    kind: "loop",
    at,
    macro,
    range: inner(target),
    variables: [first, second],
    test,
    result: isTest ? undefined : last,
  };
}

function callArguments(expr: Expr | undefined): readonly Expr[] {
  return expr?.exprKind.case === "callExpr" ? expr.exprKind.value.args : [];
}

function onlyItem(expr: Expr | undefined): Expr | undefined {
  return expr?.exprKind.case === "listExpr" ? expr.exprKind.value.elements[0] : undefined;
}
