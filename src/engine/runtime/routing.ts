/** What this node knows of where events go, and by what look-back finds them. */

import type { EventView, RoutingSource, RoutingTable } from "../contract_events.ts";
import { storeRefusal } from "../errors.ts";
import { eventMatchKey, pathKeys, pathText } from "../machine/correlation.ts";
import { compilePattern } from "../machine/pattern.ts";
import type { Program } from "../machine/program.ts";
import type { Store, StoredEvent } from "../store/contract.ts";
import type { MatchKeys } from "./lane.ts";
import type { PublishedEvent } from "./work.ts";

export interface Routing extends MatchKeys {
  /** Loads the table; the others need it. */
  load(): Promise<void>;
  /** As it is known. */
  readonly table: RoutingTable;
  /** With at least this revision. */
  atLeast(revision: number): Promise<RoutingTable>;
  /** By what the waits are found that an event may end. */
  waitKeys(table: RoutingTable, namespace: string, event: EventView): { pattern: string; key: string }[];
}

export function createRouting(source: RoutingSource, store: Pick<Store, "routingRevision">): Routing {
  let known: RoutingTable | undefined;

  const table = (): RoutingTable => {
    if (known === undefined) throw new Error("where events go has not been loaded");
    return known;
  };

  async function atLeast(revision: number): Promise<RoutingTable> {
    if (known === undefined || known.revision < revision) known = await source.refresh(revision);
    return known;
  }

  return {
    async load() {
      known = await source.table();
    },
    get table() {
      return table();
    },
    get revision() {
      return table().revision;
    },
    atLeast,
    async renew() {
      await atLeast(await store.routingRevision());
    },
    of: (event) => matchKeysOf(table(), event),
    waitKeys(from, namespace, event) {
      const keys: { pattern: string; key: string }[] = [];
      for (const shape of from.shapesFor(namespace, event.pattern)) {
        const key = eventMatchKey(shape, event);
        if (key !== undefined) keys.push({ pattern: shape.pattern, key });
      }
      return keys;
    },
  };
}

/** Makes known how a program waits, before the first of its waits: so that events are found by what it compares. */
export async function registerShapes(store: Pick<Store, "registerShapes">, program: Program): Promise<void> {
  const { namespace } = program;
  const shapes = program.shapes.map(({ pattern, paths }) => ({ namespace, pattern, paths: paths.map(pathText) }));
  if (shapes.length === 0) return;
  await store.registerShapes(shapes).catch((error: unknown) => {
    throw storeRefusal(error);
  });
}

/** The look-up keys of an event for all waits that may look back for it. */
function matchKeysOf(table: RoutingTable, event: PublishedEvent): string[] {
  const shapes = table.shapesFor(event.namespace, event.pattern);
  if (shapes.length === 0) return [];
  const view = viewOf({ ...event, timestamp: event.timestamp ?? 0, acceptedAt: 0 });
  const keys = new Set<string>();
  for (const shape of shapes) {
    const key = eventMatchKey(shape, view);
    const found = key === undefined ? undefined : lookBackKey(shape.pattern, key);
    if (found !== undefined && found !== null) keys.add(found);
  }
  return [...keys];
}

/** What a wait looks back by: its key; for a pattern with wildcards a key of its own; null: the event's name. */
export function lookBackKey(pattern: string, key: string): string | null {
  if (key !== "") return key;
  return pattern.includes("*") || pattern.includes(">") ? `${pattern} *` : null;
}

/** An event as expressions see it. */
export function viewOf(event: StoredEvent): EventView {
  return {
    id: event.id,
    eventId: event.eventId,
    type: event.pattern,
    pattern: event.pattern,
    payload: event.payload,
    metadata: event.metadata,
    source: event.source,
    timestamp: new Date(event.timestamp).toISOString(),
    acceptedAt: new Date(event.acceptedAt).toISOString(),
    partitionKey: event.partitionKey,
  };
}

/** Where a program has neither triggers nor subscriptions: only waits take events. */
export function waitsOnly(store: Pick<Store, "shapes">): RoutingSource {
  let known: Promise<RoutingTable> | undefined;

  async function load(): Promise<RoutingTable> {
    const { revision, shapes } = await store.shapes();
    const compiled = shapes.map(({ namespace, pattern, paths }) => ({
      namespace,
      matches: compilePattern(pattern),
      shape: { pattern, paths: paths.map(pathKeys) },
    }));
    const shapesFor = (namespace: string, name: string) =>
      compiled.filter((one) => one.namespace === namespace && one.matches(name)).map(({ shape }) => shape);
    return {
      revision,
      paused: false,
      shapesFor,
      targetsFor: () => [],
      target: () => undefined,
      isWanted: (namespace, name) => shapesFor(namespace, name).length > 0,
    };
  }

  function reload(): Promise<RoutingTable> {
    const loading = load();
    known = loading;
    loading.catch(() => {
      if (known === loading) known = undefined;
    });
    return loading;
  }

  return {
    table: () => known ?? reload(),
    async refresh(revision) {
      const table = await (known ?? reload());
      return table.revision >= revision ? table : await reload();
    },
  };
}
