/**
 * Dotted paths such as `input.order.total`, `steps["reserve-stock"].output.id` and `x.items[0]`: what most expressions
 * are made of, so they are walked in one function instead of one per dot.
 */
import type { Compiling, Run, Scope } from "./compiling.ts";
import { Fault } from "./errors.ts";
import { absorb } from "./logic.ts";
import { isInherited, at as itemAt, member } from "./lookup.ts";
import { identTree } from "./messages.ts";
import { nearest } from "./nearest.ts";
import type { Node } from "./syntax.ts";
import { isRecord, itemsOf, type Json, MapValue, missing, Opaque, typeName, type Value } from "./values.ts";

/** A root name and the constant keys after it, each with its place in the source. */
export interface Path {
  root: Node & { kind: "name" };
  keys: readonly Value[];
  places: readonly number[];
}

/** The path a node is; undefined when a key is computed or the root is no name. */
export function pathOf(node: Node): Path | undefined {
  const keys: Value[] = [];
  const places: number[] = [];
  let at = node;
  while (at.kind === "select" || (at.kind === "index" && at.key.kind === "literal")) {
    keys.push(at.kind === "select" ? at.field : at.key.kind === "literal" ? at.key.value : undefined);
    places.push(at.at);
    at = at.of;
  }
  return at.kind === "name" ? { root: at, keys: keys.reverse(), places: places.reverse() } : undefined;
}

/** A root name: a loop variable, a name of the scope, or one of CEL's type names. */
export function compileRoot(node: Node & { kind: "name" }, context: Compiling): Run {
  const { name } = node;
  const slot = context.locals.get(name);
  if (slot !== undefined) return (_, frame) => frame[slot];
  const type = typeNames.has(name) ? typeNamed(name, context) : undefined;
  const inherited = isInherited(name);
  return (scope) => {
    const value = scope[name];
    if (value !== undefined && (!inherited || Object.hasOwn(scope, name))) return value;
    if (type !== undefined) return type;
    throw unknownName(name, scope, node.at);
  };
}

export const typeNames = new Set([
  "int",
  "uint",
  "double",
  "bool",
  "string",
  "bytes",
  "list",
  "map",
  "null_type",
  "type",
]);
const wellKnownTypes = new Set(["google.protobuf.Timestamp", "google.protobuf.Duration"]);

function typeNamed(name: string, { dialect }: Compiling): Value {
  return dialect.library.run(identTree(name), {});
}

function unknownName(name: string, scope: Scope, at: number): Fault {
  return new Fault(() => `the name ${name} is not known here`, {
    at,
    expected: () => suggestion(name, Object.keys(scope), "known are"),
  });
}

/** Walks the path; a missing part is a fault that says which part and what is there instead. */
export function compilePath(path: Path, node: Node, context: Compiling): Run {
  const named = [path.root.name, ...path.keys].join(".");
  if (wellKnownTypes.has(named)) {
    const type = typeNamed(named, context);
    return () => type;
  }
  const root = compileRoot(path.root, context);
  const { keys, places } = path;
  const [first, second] = keys;
  if (keys.length === 1 && isPlain(first)) {
    return (scope, frame) => {
      const container = root(scope, frame);
      const value = plainMember(container, first);
      return value === missing ? fail(container, first, node.at) : value;
    };
  }
  if (keys.length === 2 && isPlain(first) && isPlain(second)) {
    return (scope, frame) => {
      const container = root(scope, frame);
      const middle = plainMember(container, first);
      if (middle === missing) return fail(container, first, places[0]!);
      const value = plainMember(middle, second);
      return value === missing ? fail(middle, second, node.at) : value;
    };
  }
  const steps = keys.map((key) => (isPlain(key) ? plainMember : itemAt) as (container: Value, key: Value) => Value);
  return (scope, frame) => {
    let value = root(scope, frame);
    for (let index = 0; index < keys.length; index++) {
      const next = steps[index]!(value, keys[index]);
      if (next === missing) return fail(value, keys[index], places[index]!);
      value = next;
    }
    return value;
  };
}

/** A field name that no JavaScript object has by birth, so that a plain read finds only own members. */
function isPlain(key: Value): key is string {
  return typeof key === "string" && !isInherited(key);
}

/** `member` for a plain key, with the common case first. */
function plainMember(container: Value, key: string): Value {
  if (typeof container !== "object" || container === null || container instanceof Opaque || Array.isArray(container)) {
    return member(container, key);
  }
  const value = (container as Json)[key];
  return value === undefined ? missing : value;
}

function fail(container: Value, key: Value, at: number): never {
  throw describeMissing(container, key, at);
}

/** What to say about `container[key]` that is not there. Built only when read: a loop may absorb thousands. */
export function describeMissing(container: Value, key: Value, at: number): Fault {
  const items = itemsOf(container);
  if (items !== undefined) {
    const named = typeof key === "string" || typeof key === "boolean";
    return new Fault(
      () =>
        named ? `a list has no member ${shown(key)}` : `the list has no item ${shown(key)}; it has ${items.length}`,
      { at, expected: "items are numbered from 0" },
    );
  }
  if (!isRecord(container) && !(container instanceof MapValue)) {
    return new Fault(() => `a ${typeName(container)} has no member ${shown(key)}`, { at });
  }
  return new Fault(() => `there is no member ${shown(key)}`, {
    at,
    expected: () => suggestion(String(key), namesIn(container), "there are"),
  });
}

/** A key as a message shows it. */
function shown(key: Value): string {
  if (typeof key === "string") return JSON.stringify(key.length > 60 ? `${key.slice(0, 60)}…` : key);
  return key instanceof Opaque || Array.isArray(key) || isRecord(key) ? `that is a ${typeName(key)}` : String(key);
}

/** The keys of a map for a message; no charge, for nobody is left to be told that the budget is spent. */
function namesIn(container: Value): string[] {
  if (isRecord(container)) return Object.keys(container);
  return container instanceof MapValue ? Array.from(container.entries.keys(), String) : [];
}

const shownNames = 8;

function suggestion(name: string, names: readonly string[], introduction: string): string {
  const guess = nearest(name, names.slice(0, 200));
  if (guess !== undefined) return `did you mean ${guess}?`;
  if (names.length === 0) return "it is empty; test with has(…) first";
  const shown = names.slice(0, shownNames).map((key) => (key.length > 40 ? `${key.slice(0, 40)}…` : key));
  return `${introduction} ${shown.join(", ")}${names.length > shownNames ? ", …" : ""}`;
}

/** A node's value for `exists` and `isEmpty`: `missing` when some part of its path is not there. */
export function resolvePath(node: Node, context: Compiling): Run {
  const path = pathOf(node);
  if (path !== undefined) {
    const { name } = path.root;
    const slot = context.locals.get(name);
    return (scope, frame) => {
      let value: Value = slot === undefined ? member(scope, name) : frame[slot];
      for (let index = 0; index < path.keys.length && value !== missing; index++)
        value = itemAt(value, path.keys[index]);
      return value;
    };
  }
  const run = context.compile(node, context);
  if (node.kind !== "select" && node.kind !== "index") return run;
  return (scope, frame) => {
    try {
      return run(scope, frame);
    } catch (thrown) {
      absorb(thrown);
      return missing;
    }
  };
}
