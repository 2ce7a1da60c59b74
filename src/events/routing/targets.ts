/** The targets of one kind (triggers, or subscriptions) as a node has loaded them, never changed in place. */
import type { RoutingTarget } from "../../engine/index.ts";
import { createTrie, type Entry, type Trie } from "./trie.ts";

/** A target with what places it: made from one row, and made again when the row changes. */
export interface LoadedTarget {
  pattern: string;
  /** Lower comes first. */
  priority: number;
  target: RoutingTarget;
}

/** What became of the rows since a revision. */
export interface TargetChanges {
  /** Targets that are new or changed, and may take events. */
  targets: readonly LoadedTarget[];
  /** Ids of those that take no events any more: removed, disabled, suspended. Ids that nobody knows do no harm. */
  goneIds: readonly string[];
}

export interface Targets {
  readonly byId: ReadonlyMap<string, LoadedTarget>;
  readonly byNamespace: ReadonlyMap<string, Trie<LoadedTarget>>;
}

export const noTargets: Targets = { byId: new Map(), byNamespace: new Map() };

/** Above this, a namespace's trie is built anew. */
const mostCopied = 100;

interface Change {
  removed: Entry<LoadedTarget>[];
  added: Entry<LoadedTarget>[];
}

/** The targets after some changes; what did not change is shared with those before. */
export function withChanges(known: Targets, { targets, goneIds }: TargetChanges): Targets {
  if (targets.length === 0 && goneIds.length === 0) return known;
  const byId = new Map(known.byId);
  const changes = new Map<string, Change>();
  const note = (loaded: LoadedTarget, how: keyof Change) => {
    const { namespace } = loaded.target;
    const change = changes.get(namespace) ?? { removed: [], added: [] };
    changes.set(namespace, change);
    change[how].push({ pattern: loaded.pattern, value: loaded });
  };
  const remove = (id: string) => {
    const before = byId.get(id);
    if (before === undefined) return;
    byId.delete(id);
    note(before, "removed");
  };
  for (const id of goneIds) remove(id);
  for (const loaded of targets) {
    remove(loaded.target.id);
    byId.set(loaded.target.id, loaded);
    note(loaded, "added");
  }
  return { byId, byNamespace: changedTries(known.byNamespace, byId, changes) };
}

function changedTries(
  known: Targets["byNamespace"],
  byId: Targets["byId"],
  changes: ReadonlyMap<string, Change>,
): Targets["byNamespace"] {
  const tries = new Map(known);
  const anew = new Map<string, Entry<LoadedTarget>[]>();
  for (const [namespace, change] of changes) {
    const trie = known.get(namespace);
    if (trie !== undefined && change.removed.length + change.added.length <= mostCopied) {
      tries.set(namespace, trie.changed(change));
    } else anew.set(namespace, []);
  }
  if (anew.size === 0) return tries;
  for (const loaded of byId.values()) {
    anew.get(loaded.target.namespace)?.push({ pattern: loaded.pattern, value: loaded });
  }
  for (const [namespace, entries] of anew) tries.set(namespace, createTrie(entries));
  return tries;
}
