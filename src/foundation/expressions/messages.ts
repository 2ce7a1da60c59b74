/**
 * Protocol-buffer messages, which only the conformance suites use: JSON expressions have no registry, so none can be
 * made. Everything is handed to the library.
 */
import type { Expr } from "@bufbuild/cel-spec/cel/expr/syntax_pb.js";
import { Fault } from "./errors.ts";
import type { Library } from "./library.ts";
import { ForeignValue, missing, type Value } from "./values.ts";

export function identTree(name: string): Expr {
  return {
    $typeName: "cel.expr.Expr",
    id: 0n,
    exprKind: { case: "identExpr", value: { $typeName: "cel.expr.Expr.Ident", name } },
  };
}

function selectTree(field: string, testOnly: boolean): Expr {
  return {
    $typeName: "cel.expr.Expr",
    id: 0n,
    exprKind: {
      case: "selectExpr",
      value: { $typeName: "cel.expr.Expr.Select", operand: identTree("message"), field, testOnly },
    },
  };
}

/** Turns a message literal into a function of its field values, in the order they are written. */
export function messageMaker(library: Library, literal: Expr): (fields: readonly Value[]) => Value {
  if (literal.exprKind.case !== "structExpr") throw new Fault("not a message literal");
  const struct = literal.exprKind.value;
  const entries = struct.entries.map((entry, index) => ({ ...entry, value: identTree(`f${index}`) }));
  const tree: Expr = { ...literal, exprKind: { case: "structExpr", value: { ...struct, entries } } };
  return (fields) => owned(library, library.run(tree, Object.fromEntries(fields.map((value, i) => [`f${i}`, value]))));
}

/** Which library made a message, because only that one knows its type. */
const owners = new WeakMap<ForeignValue, Library>();

function owned(library: Library, value: Value): Value {
  if (value instanceof ForeignValue) owners.set(value, library);
  return value;
}

/** The field of a message, or `missing`. */
export function messageField(message: ForeignValue, field: string): Value {
  const library = owners.get(message);
  if (library === undefined) return missing;
  return owned(library, library.run(selectTree(field, false), { message }));
}

/** Whether the field of a message is set; undefined for what is no message. */
export function messageHas(message: ForeignValue, field: string): Value | undefined {
  return owners.get(message)?.run(selectTree(field, true), { message });
}
