/** What an expression reads, found in its tree without evaluating it. */
import { pathOf, typeNames } from "./paths.ts";
import type { Node } from "./syntax.ts";

export interface References {
  /** Names of the scope, without loop variables and CEL's type names. */
  readonly roots: ReadonlySet<string>;
  /** Step ids read by a constant name: `steps.a`, `steps["a-b"]`. */
  readonly steps: ReadonlySet<string>;
  /** True when `steps` is read in a way that may reach any step, such as `steps[input.name]`. */
  readonly allSteps: boolean;
}

/** Collects the references of one expression. */
export function referencesOf(root: Node): References {
  const found = { roots: new Set<string>(), steps: new Set<string>(), allSteps: false };
  visit(root, new Set(), found);
  return found;
}

/** The references of several expressions together. */
export function mergeReferences(all: readonly References[]): References {
  return {
    roots: new Set(all.flatMap(({ roots }) => [...roots])),
    steps: new Set(all.flatMap(({ steps }) => [...steps])),
    allSteps: all.some(({ allSteps }) => allSteps),
  };
}

interface Found {
  roots: Set<string>;
  steps: Set<string>;
  allSteps: boolean;
}

function visit(node: Node, locals: ReadonlySet<string>, found: Found): void {
  const path = pathOf(node.kind === "has" ? { ...node, kind: "select" } : node);
  if (path !== undefined) {
    const { name } = path.root;
    if (locals.has(name) || typeNames.has(name)) return;
    found.roots.add(name);
    const [first] = path.keys;
    if (name === "steps" && typeof first === "string") found.steps.add(first);
    else if (name === "steps") found.allSteps = true;
    return;
  }
  if (node.kind === "loop") {
    visit(node.range, locals, found);
    const inner = new Set([...locals, ...node.variables]);
    if (node.test) visit(node.test, inner, found);
    if (node.result) visit(node.result, inner, found);
    return;
  }
  // The container of a computed key: `steps[x]` must not be mistaken for a use of `steps` as a constant path.
  for (const child of childrenOf(node)) visit(child, locals, found);
}

/** The nodes directly below a node. */
function childrenOf(node: Node): readonly Node[] {
  switch (node.kind) {
    case "literal":
    case "name":
      return [];
    case "select":
    case "has":
      return [node.of];
    case "index":
      return [node.of, node.key];
    case "list":
      return node.items;
    case "map":
      return node.entries.flat();
    case "message":
      return node.fields;
    case "all":
    case "any":
      return node.terms;
    case "choice":
      return [node.condition, node.yes, node.no];
    case "call":
      return node.target === undefined ? node.args : [node.target, ...node.args];
    case "loop":
      return [node.range, node.test, node.result].filter((child) => child !== undefined);
  }
}

/** One `event.<path> == <expression>` of a condition, before the expression is compiled. */
export interface EqualityTerm {
  path: string[];
  other: Node;
}

/**
 * The top-level conjuncts that compare a path of the event with something that does not read the event, in the order
 * they are written. `payload` is short for `event.payload`. Where such a conjunct is false the whole condition is.
 */
export function equalityTerms(root: Node): EqualityTerm[] {
  const conjuncts = root.kind === "all" ? root.terms : [root];
  return conjuncts.flatMap((node) => {
    if (node.kind !== "call" || node.name !== "_==_" || node.target !== undefined) return [];
    const [left, right] = node.args;
    return equalityTerm(left!, right!) ?? equalityTerm(right!, left!) ?? [];
  });
}

function equalityTerm(side: Node, other: Node): EqualityTerm | undefined {
  const path = pathOf(side);
  if (path === undefined || path.keys.length === 0) return undefined;
  const keys = path.keys.filter((key) => typeof key === "string");
  if (keys.length !== path.keys.length) return undefined;
  const { roots } = referencesOf(other);
  if (roots.has("event") || roots.has("payload")) return undefined;
  if (path.root.name === "event") return { path: keys, other };
  return path.root.name === "payload" ? { path: ["payload", ...keys], other } : undefined;
}
