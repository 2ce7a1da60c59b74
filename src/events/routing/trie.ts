/**
 * Many patterns, looked up by an event's name.
 *
 * One level per token. A look-up follows the name's own token and the `*` of each level, so its cost depends on the
 * name's tokens and on what is found, not on how many patterns there are. A trie never changes: a change copies the levels
 * on its way and shares the rest.
 */

interface Node<T> {
  /** The levels below, by the token that leads there. */
  next: Map<string, Node<T>>;
  /** The level below that any one token leads to. */
  any: Node<T> | undefined;
  /** Of patterns that end here. */
  here: T[];
  /** Of patterns that end here with `>`: one or more tokens follow. */
  open: T[];
}

/** A pattern may occur more than once, each time with a value of its own. */
export interface Entry<T> {
  pattern: string;
  value: T;
}

export interface Trie<T> {
  /** The values of all patterns that fit the name, in no order. */
  find(name: string): T[];
  /** Without and with these. Costs a copy of each level on their way; for many, make a new one. */
  changed(change: { removed: readonly Entry<T>[]; added: readonly Entry<T>[] }): Trie<T>;
}

export function createTrie<T>(entries: Iterable<Entry<T>>): Trie<T> {
  const root = emptyNode<T>();
  for (const { pattern, value } of entries) insert(root, pattern, value);
  return trieOf(root);
}

function trieOf<T>(root: Node<T>): Trie<T> {
  return {
    find(name) {
      const found: T[] = [];
      collect(root, { tokens: name.split("."), at: 0, found });
      return found;
    },
    changed({ removed, added }) {
      const owned = new Set<Node<T>>();
      const changed = own(root, owned);
      for (const { pattern, value } of removed) {
        edit(changed, { ...wayOf(pattern), at: 0, owned, apply: (values) => removeFrom(values, value) });
      }
      for (const { pattern, value } of added) {
        edit(changed, { ...wayOf(pattern), at: 0, owned, apply: (values) => void values.push(value) });
      }
      return trieOf(changed);
    },
  };
}

function emptyNode<T>(): Node<T> {
  return { next: new Map(), any: undefined, here: [], open: [] };
}

/** The tokens that lead to a pattern's level, and among which of its values it is. */
function wayOf(pattern: string): { tokens: string[]; isOpen: boolean } {
  const tokens = pattern.split(".");
  return tokens.at(-1) === ">" ? { tokens: tokens.slice(0, -1), isOpen: true } : { tokens, isOpen: false };
}

/** In place: for a trie that nobody has seen yet. */
function insert<T>(root: Node<T>, pattern: string, value: T): void {
  const { tokens, isOpen } = wayOf(pattern);
  let node = root;
  for (const token of tokens) node = below(node, token);
  (isOpen ? node.open : node.here).push(value);
}

function below<T>(node: Node<T>, token: string): Node<T> {
  if (token === "*") {
    node.any ??= emptyNode();
    return node.any;
  }
  const known = node.next.get(token);
  if (known !== undefined) return known;
  const made = emptyNode<T>();
  node.next.set(token, made);
  return made;
}

interface Edit<T> {
  tokens: readonly string[];
  isOpen: boolean;
  at: number;
  /** Levels that belong to the new trie alone. */
  owned: Set<Node<T>>;
  apply(values: T[]): void;
}

/** A level that may be changed in place: a copy, unless it is one already. */
function own<T>(node: Node<T>, owned: Set<Node<T>>): Node<T> {
  if (owned.has(node)) return node;
  const { next, any, here, open } = node;
  const copy = { next: new Map(next), any, here: [...here], open: [...open] };
  owned.add(copy);
  return copy;
}

/** Changes a level that is owned, and those below it on the way. */
function edit<T>(node: Node<T>, way: Edit<T>): void {
  const { tokens, isOpen, at, owned, apply } = way;
  const token = tokens[at];
  if (token === undefined) {
    apply(isOpen ? node.open : node.here);
    return;
  }
  const child = own((token === "*" ? node.any : node.next.get(token)) ?? emptyNode<T>(), owned);
  edit(child, { ...way, at: at + 1 });
  const kept = isEmpty(child) ? undefined : child;
  if (token === "*") node.any = kept;
  else if (kept === undefined) node.next.delete(token);
  else node.next.set(token, kept);
}

function isEmpty<T>({ next, any, here, open }: Node<T>): boolean {
  return next.size === 0 && any === undefined && here.length === 0 && open.length === 0;
}

function removeFrom<T>(values: T[], value: T): void {
  const at = values.indexOf(value);
  if (at !== -1) values.splice(at, 1);
}

function collect<T>(node: Node<T>, { tokens, at, found }: { tokens: string[]; at: number; found: T[] }): void {
  const token = tokens[at];
  if (token === undefined) {
    found.push(...node.here);
    return;
  }
  found.push(...node.open);
  const own = node.next.get(token);
  if (own !== undefined) collect(own, { tokens, at: at + 1, found });
  // An empty token is no token that `*` stands for.
  if (node.any !== undefined && token !== "") collect(node.any, { tokens, at: at + 1, found });
}
