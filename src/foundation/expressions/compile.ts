/**
 * From the tree to closures.
 *
 * Each node becomes one function of the scope and the loop variables, specialised for what is known when it is built: a
 * path is walked without intermediate nodes, a comparison with a literal converts the literal once. Values of the scope
 * are read where they lie. There is one evaluator for everything; the tests compare it with the library's.
 */
import type { Compiling, Run, Scope } from "./compiling.ts";
import { Fault, locate } from "./errors.ts";
import { findFunction, functionNames } from "./functions.ts";
import { compileLogic } from "./logic.ts";
import { hasKey, at as itemAt } from "./lookup.ts";
import { compileLoop } from "./loops.ts";
import { messageHas, messageMaker } from "./messages.ts";
import { nearest } from "./nearest.ts";
import { arithmetic, type Dialect, equals, isIn, negate, order } from "./operators.ts";
import { compilePath, compileRoot, describeMissing, pathOf, resolvePath } from "./paths.ts";
import type { Node } from "./syntax.ts";
import {
  ForeignValue,
  itemsOf,
  ListValue,
  type MapKey,
  MapValue,
  mapOf,
  mapSize,
  missing,
  typeName,
  type Value,
} from "./values.ts";

/** Compiles one node and everything below it. Throws a `Fault` for what can be refused before evaluation. */
export function compileNode(node: Node, context: Compiling): Run {
  const { dialect } = context;
  const compile = (child: Node) => compileNode(child, context);
  switch (node.kind) {
    case "literal": {
      const { value } = node;
      return () => value;
    }
    case "name":
      return compileRoot(node, context);
    case "select":
    case "index":
      return compileMember(node, context);
    case "has":
      return compileHas(node, context);
    case "list": {
      const items = node.items.map(compile);
      if (node.items.every(isLiteral)) {
        const constant = new ListValue(items.map((item) => item({}, [])));
        return () => constant;
      }
      return (scope, frame) => new ListValue(items.map((item) => item(scope, frame)));
    }
    case "map":
      return compileMap(node, context);
    case "message": {
      if (dialect.name === "json") {
        throw new Fault("message literals have no meaning here", { at: node.at, expected: 'write a map: {"a": 1}' });
      }
      const make = messageMaker(dialect.library, node.literal);
      const fields = node.fields.map(compile);
      return located(node, (scope, frame) => make(fields.map((field) => field(scope, frame))));
    }
    case "all":
    case "any":
      return compileLogic(node, node.terms.map(compile), dialect);
    case "choice": {
      const [condition, yes, no] = [compile(node.condition), compile(node.yes), compile(node.no)];
      return (scope, frame) => {
        const chosen = condition(scope, frame);
        if (chosen === true) return yes(scope, frame);
        if (chosen === false) return no(scope, frame);
        throw new Fault(() => `the condition before ? is a ${typeName(chosen)}`, {
          at: node.at,
          expected: "it must be a bool, such as has(a.b) or a > 1",
        });
      };
    }
    case "loop":
      return compileLoop(node, context);
    case "call":
      return compileCall(node, context);
  }
}

function isLiteral(node: Node): node is Node & { kind: "literal" } {
  return node.kind === "literal";
}

/** Keys that are distinct literal strings, the usual case, need no check at evaluation. */
function compileMap(node: Node & { kind: "map" }, context: Compiling): Run {
  const values = node.entries.map(([, value]) => context.compile(value, context));
  const names = node.entries.map(([key]) => (isLiteral(key) && typeof key.value === "string" ? key.value : undefined));
  if (!names.includes(undefined) && new Set(names).size === names.length) {
    return (scope, frame) => {
      const entries = new Map<MapKey, Value>();
      for (let index = 0; index < names.length; index++) entries.set(names[index]!, values[index]!(scope, frame));
      return new MapValue(entries);
    };
  }
  const keys = node.entries.map(([key]) => context.compile(key, context));
  return located(node, (scope, frame) =>
    mapOf(keys.map((key, index) => [key(scope, frame), values[index]!(scope, frame)])),
  );
}

/** Gives faults without a place the place of the node; used where the work is done by a function that knows none. */
function located(node: Node, run: Run): Run {
  return (scope, frame) => {
    try {
      return run(scope, frame);
    } catch (thrown) {
      throw locate(thrown, node.at);
    }
  };
}

function compileMember(node: Node & { kind: "select" | "index" }, context: Compiling): Run {
  const path = pathOf(node);
  if (path !== undefined) return compilePath(path, node, context);
  const of = compileNode(node.of, context);
  const key: Run = node.kind === "select" ? () => node.field : compileNode(node.key, context);
  return (scope, frame) => {
    const container = of(scope, frame);
    const name = key(scope, frame);
    const value = itemAt(container, name);
    if (value === missing) throw describeMissing(container, name, node.at);
    return value;
  };
}

/** `has(a.b)`: `a` must be there, `b` may be missing. A key whose value is null counts as there; text has no keys. */
function compileHas(node: Node & { kind: "has" }, context: Compiling): Run {
  const of = compileNode(node.of, context);
  const { field } = node;
  return (scope, frame) => {
    const container = of(scope, frame);
    const found = hasKey(container, field);
    if (found !== undefined) return found;
    if (container instanceof ForeignValue) {
      const set = messageHas(container, field);
      if (set !== undefined) return set;
    }
    return false;
  };
}

type Call = Node & { kind: "call" };

function compileCall(node: Call, context: Compiling): Run {
  const operator = compileOperator(node, context);
  if (operator !== undefined) return operator;
  const { name, target, args } = node;
  if (target === undefined && args.length === 1 && (name === "exists" || name === "isEmpty")) {
    return compilePresence(node, context);
  }
  // `strings.quote(x)` is a function with a dot in its name, unless `strings` is a value.
  const qualified = target?.kind === "name" && !context.locals.has(target.name) ? `${target.name}.${name}` : undefined;
  const asFunction = qualified !== undefined && context.dialect.library.has(qualified);
  const method = target !== undefined && !asFunction;
  const all = method ? [target, ...args] : args;
  const call = { name: asFunction ? qualified : name, method, count: args.length };
  const run = findFunction(call, context.dialect);
  if (run === undefined) return unknownFunction(node, context.dialect);
  const values = all.map((arg) => compileNode(arg, context));
  if (all.every(isLiteral)) return once(located(node, () => run(values.map((value) => value({}, [])))));
  const [first, second] = values;
  // Arrays of one or two are made faster than by map.
  if (values.length === 1) return located(node, (scope, frame) => run([first!(scope, frame)]));
  if (values.length === 2) return located(node, (scope, frame) => run([first!(scope, frame), second!(scope, frame)]));
  return located(node, (scope, frame) => run(values.map((value) => value(scope, frame))));
}

/** Runs what has no inputs, such as `timestamp("2026-01-01T00:00:00Z")`, at its first evaluation only. */
function once(run: Run): Run {
  let value: Value = missing;
  return (scope, frame) => {
    if (value === missing) value = run(scope, frame);
    return value;
  };
}

function unknownFunction(node: Call, dialect: Dialect): Run {
  const guess = nearest(node.name, functionNames(dialect));
  const fault = new Fault(`there is no function ${node.name}(…)`, {
    at: node.at,
    expected: guess === undefined ? "see the list of functions in the documentation" : `did you mean ${guess}(…)?`,
  });
  if (dialect.name === "json") throw fault;
  return () => {
    throw fault;
  };
}

/** `exists(x)`: the path resolves and is not null. `isEmpty(x)`: missing, null, "", [] or {}. Neither fails on a path. */
function compilePresence(node: Call, context: Compiling): Run {
  const [arg] = node.args;
  const value = resolvePath(arg!, context);
  if (node.name === "exists") {
    return (scope, frame) => {
      const found = value(scope, frame);
      return found !== missing && found !== null;
    };
  }
  return (scope, frame) => {
    const found = value(scope, frame);
    if (found === missing || found === null || found === "") return true;
    return itemsOf(found)?.length === 0 || mapSize(found) === 0;
  };
}

/** A literal that a comparison may use as a double: an int of at most 53 bits, in the json dialect. */
function doubleOf(node: Node | undefined, dialect: Dialect): number | undefined {
  if (node?.kind !== "literal" || dialect.name === "cel") return undefined;
  const { value } = node;
  if (typeof value === "bigint" && Number.isSafeInteger(Number(value))) return Number(value);
  return typeof value === "number" ? value : undefined;
}

function compileOperator(node: Call, context: Compiling): Run | undefined {
  if (node.target !== undefined) return undefined;
  const { dialect } = context;
  const [first, second] = node.args;
  if (first === undefined) return undefined;
  if (second === undefined) {
    if (node.name !== "!_" && node.name !== "-_") return undefined;
    const operand = compileNode(first, context);
    if (node.name === "-_") return located(node, (scope, frame) => negate(operand(scope, frame)));
    return (scope, frame) => {
      const value = operand(scope, frame);
      if (typeof value === "boolean") return !value;
      throw new Fault(() => `! takes a bool, not a ${typeName(value)}`, {
        at: node.at,
        expected: "compare: a != null",
      });
    };
  }
  const left = compileNode(first, context);
  const right = compileNode(second, context);
  const number = doubleOf(second, dialect);
  switch (node.name) {
    case "_==_":
      return compileEquals(left, right, second, dialect);
    case "_!=_": {
      const same = compileEquals(left, right, second, dialect);
      return (scope, frame) => !same(scope, frame);
    }
    case "_<_":
    case "_<=_":
    case "_>_":
    case "_>=_":
      return compileOrder(node, { left, right, number }, dialect);
    case "_+_":
    case "_-_":
    case "_*_":
    case "_/_":
    case "_%_":
      return compileArithmetic({ ...node, name: node.name }, { left, right, number }, dialect);
    case "@in":
      return located(node, (scope, frame) => isIn(left(scope, frame), right(scope, frame), dialect));
    default:
      return undefined;
  }
}

function compileEquals(left: Run, right: Run, second: Node, dialect: Dialect): Run {
  const literal = second.kind === "literal" ? second.value : undefined;
  if (literal === null || typeof literal === "string" || typeof literal === "boolean") {
    return (scope, frame) => left(scope, frame) === literal;
  }
  const number = doubleOf(second, dialect);
  return (scope, frame) => {
    const value = left(scope, frame);
    if (number !== undefined && typeof value === "number") return value === number;
    return equals(value, right(scope, frame), dialect);
  };
}

interface Sides {
  left: Run;
  right: Run;
  /** The right side when it is a literal that may stand as a double. */
  number: number | undefined;
}

function compileOrder(node: Call, { left, right, number }: Sides, dialect: Dialect): Run {
  function compare(scope: Scope, frame: Value[]): number {
    const value = left(scope, frame);
    const other = number !== undefined && typeof value === "number" ? number : right(scope, frame);
    if (typeof value === "number" && typeof other === "number") {
      return value < other ? -1 : value > other ? 1 : value === other ? 0 : Number.NaN;
    }
    try {
      return order(value, other, dialect);
    } catch (thrown) {
      throw locate(thrown, node.at);
    }
  }
  switch (node.name) {
    case "_<_":
      return (scope, frame) => compare(scope, frame) < 0;
    case "_<=_":
      return (scope, frame) => compare(scope, frame) <= 0;
    case "_>_":
      return (scope, frame) => compare(scope, frame) > 0;
    default:
      return (scope, frame) => compare(scope, frame) >= 0;
  }
}

type ArithmeticName = "_+_" | "_-_" | "_*_" | "_/_" | "_%_";

function compileArithmetic(node: { at: number; name: ArithmeticName }, sides: Sides, dialect: Dialect): Run {
  const { left, right, number } = sides;
  const { name, at } = node;
  return (scope, frame) => {
    const value = left(scope, frame);
    const other = number !== undefined && typeof value === "number" ? number : right(scope, frame);
    if (typeof value === "number" && typeof other === "number") {
      if (name === "_+_") return value + other;
      if (name === "_-_") return value - other;
      if (name === "_*_") return value * other;
    }
    try {
      return arithmetic(name, value, other, dialect);
    } catch (thrown) {
      throw locate(thrown, at);
    }
  };
}
