/**
 * The macros `all`, `exists`, `exists_one`, `filter`, `map`, `transformList` and `transformMap`, as loops.
 *
 * Each round charges the size of its body, which is what makes a source of bounded length cost a bounded time: only
 * loops run a node more than once.
 */
import { charge } from "./budget.ts";
import type { Compiling, Run, Scope } from "./compiling.ts";
import { Fault } from "./errors.ts";
import { absorb } from "./logic.ts";
import { at } from "./lookup.ts";
import type { Loop } from "./syntax.ts";
import { itemsOf, keysOf, ListValue, mapOf, typeName, type Value } from "./values.ts";
import { weigh } from "./weigh.ts";

/** What the variables hold round by round; `second` only where there are two. */
interface Rounds {
  first: readonly Value[];
  second: readonly Value[] | undefined;
}

/** The parts of a loop, compiled. */
interface Body {
  node: Loop;
  range: Run;
  test: Run | undefined;
  result: Run | undefined;
  /** The slot of the first variable; that of the second is the next. */
  slot: number;
  /** What one round costs. */
  units: number;
}

export function compileLoop(node: Loop, context: Compiling): Run {
  const { frame, compile } = context;
  const range = compile(node.range, context);
  const slot = frame.size;
  frame.size += node.variables.length;
  const locals = new Map(context.locals);
  node.variables.forEach((name, index) => {
    locals.set(name, slot + index);
  });
  const inside: Compiling = { ...context, locals };
  const test = node.test && compile(node.test, inside);
  const result = node.result && compile(node.result, inside);
  const units = 2 + (node.test ? weigh(node.test) : 0) + (node.result ? weigh(node.result) : 0);
  const body: Body = { node, range, test, result, slot, units };
  switch (node.macro) {
    case "all":
    case "exists":
      return decide(body);
    case "exists_one":
      return countOne(body);
    case "filter":
    case "map":
    case "transformMap":
      return collect(body);
  }
}

/** `all` and `exists`: the first deciding item wins, even over failures before it. */
function decide(body: Body): Run {
  const { node, test } = body;
  const deciding = node.macro === "exists";
  return (scope, frame) => {
    const rounds = roundsOf(body, scope, frame);
    let fault: Fault | undefined;
    for (let index = 0; index < rounds.first.length; index++) {
      enter(body, rounds, index, frame);
      try {
        if (asBool(test!(scope, frame), node) === deciding) return deciding;
      } catch (thrown) {
        const absorbed = absorb(thrown);
        fault ??= absorbed;
      }
    }
    if (fault !== undefined) throw fault;
    return !deciding;
  };
}

function countOne(body: Body): Run {
  const { node, test } = body;
  return (scope, frame) => {
    const rounds = roundsOf(body, scope, frame);
    let found = 0;
    for (let index = 0; index < rounds.first.length; index++) {
      enter(body, rounds, index, frame);
      if (asBool(test!(scope, frame), node)) found++;
    }
    return found === 1;
  };
}

/** Keeps the items that pass the test, as they are or as the result makes them. */
function collect(body: Body): Run {
  const { node, test, result } = body;
  return (scope, frame) => {
    const rounds = roundsOf(body, scope, frame);
    const keys: Value[] = [];
    const kept: Value[] = [];
    for (let index = 0; index < rounds.first.length; index++) {
      enter(body, rounds, index, frame);
      if (test !== undefined && !asBool(test(scope, frame), node)) continue;
      kept.push(result === undefined ? rounds.first[index] : result(scope, frame));
      if (node.macro === "transformMap") keys.push(rounds.first[index]);
    }
    if (node.macro !== "transformMap") return new ListValue(kept);
    charge(6 * keys.length);
    return mapOf(keys.map((key, index) => [key, kept[index]]));
  };
}

/** Begins a round: pays for it and sets its variables. */
function enter({ slot, units }: Body, rounds: Rounds, index: number, frame: Value[]): void {
  charge(units);
  frame[slot] = rounds.first[index];
  if (rounds.second !== undefined) frame[slot + 1] = rounds.second[index];
}

function asBool(value: Value, node: Loop): boolean {
  if (typeof value === "boolean") return value;
  throw new Fault(() => `the test of ${node.macro}(…) is a ${typeName(value)}`, {
    at: node.at,
    expected: "it must be a bool, such as x > 1",
  });
}

/** One variable: the items of a list, the keys of a map. Two: index and item, key and value. Listing costs its length. */
function roundsOf({ node, range }: Body, scope: Scope, frame: Value[]): Rounds {
  const value = range(scope, frame);
  const pairs = node.variables.length === 2;
  const items = itemsOf(value);
  if (items !== undefined) {
    if (!pairs) return { first: items, second: undefined };
    charge(items.length);
    return { first: Array.from(items, (_, index) => BigInt(index)), second: items };
  }
  const keys = keysOf(value);
  if (keys === undefined) {
    throw new Fault(() => `${node.macro}(…) goes through a list or a map, not a ${typeName(value)}`, { at: node.at });
  }
  return { first: keys, second: pairs ? keys.map((key) => at(value, key)) : undefined };
}
