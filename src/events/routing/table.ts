/** Where events go, from what was loaded. */
import type { RoutingTable, RoutingTarget, WaitShape } from "../../engine/index.ts";
import type { LoadedTarget, Targets } from "./targets.ts";
import { createTrie, type Trie } from "./trie.ts";

export type Shapes = ReadonlyMap<string, Trie<WaitShape>>;

export interface TableParts {
  revision: number;
  paused: boolean;
  shapes: Shapes;
  triggers: Targets;
  subscriptions: Targets;
}

export function shapesOf(rows: Iterable<WaitShape & { namespace: string }>): Shapes {
  const entries = new Map<string, { pattern: string; value: WaitShape }[]>();
  for (const { namespace, pattern, paths } of rows) {
    const list = entries.get(namespace) ?? [];
    entries.set(namespace, list);
    list.push({ pattern, value: { pattern, paths } });
  }
  return new Map([...entries].map(([namespace, list]) => [namespace, createTrie(list)]));
}

export function createTable({ revision, paused, shapes, triggers, subscriptions }: TableParts): RoutingTable {
  const kinds = [triggers, subscriptions];
  const loadedFor = (namespace: string, name: string) =>
    kinds.flatMap(({ byNamespace }) => byNamespace.get(namespace)?.find(name) ?? []);
  const shapesFor = (namespace: string, name: string) => shapes.get(namespace)?.find(name) ?? [];
  return {
    revision,
    paused,
    shapesFor,
    targetsFor: (namespace, name) => inOrder(loadedFor(namespace, name)),
    target: (id) => (triggers.byId.get(id) ?? subscriptions.byId.get(id))?.target,
    isWanted: (namespace, name) => loadedFor(namespace, name).length > 0 || shapesFor(namespace, name).length > 0,
  };
}

function inOrder(found: LoadedTarget[]): RoutingTarget[] {
  if (found.length > 1) found.sort((a, b) => a.priority - b.priority || (a.target.id < b.target.id ? -1 : 1));
  return found.map(({ target }) => target);
}
