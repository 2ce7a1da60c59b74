/** Where events go in the simulated world: triggers and subscriptions, some of which come and go, and the waits' shapes. */

import type { EventView, RoutingSource, RoutingTable, RoutingTarget } from "../contract_events.ts";
import { pathKeys } from "../machine/correlation.ts";
import { compilePattern } from "../machine/pattern.ts";
import type { Store } from "../store/contract.ts";
import type { Tables } from "../store/memory.ts";
import type { DrawnEvent } from "./event_shapes.ts";

export interface Target {
  id: string;
  kind: RoutingTarget["kind"];
  pattern: string;
  enabled: boolean;
  /** It was there all the time. */
  steady: boolean;
  /** The workflow that it starts, or whose instances it cancels. */
  workflowId: string;
  takes(event: DrawnEvent): boolean;
  /** It cannot decide about such an event. */
  errs(event: DrawnEvent): boolean;
}

const never = () => false;
const always = () => true;

/** The targets of a new world. */
export function createTargets(): Target[] {
  const target = (n: number, kind: Target["kind"], pattern: string, more: Partial<Target>): Target => ({
    id: `00000000-0000-7000-9000-${String(n).padStart(12, "0")}`,
    ...{ kind, pattern, enabled: true, steady: true, workflowId: "noted", takes: always, errs: never },
    ...more,
  });
  return [
    target(1, "start", "orders.paid", { workflowId: "answered", takes: ({ payload }) => payload.n % 2 === 0 }),
    target(2, "start", "ticks.*", {}),
    target(3, "start", "things.>", { steady: false }),
    target(4, "start", "orders.*", { takes: ({ payload }) => payload.n > 6, errs: ({ payload }) => payload.n === 3 }),
    target(5, "cancel", "orders.dropped", { workflowId: "paid" }),
    target(6, "subscription", "orders.>", {}),
    target(7, "subscription", ">", { steady: false, enabled: false }),
  ];
}

/** What of the targets takes an event; `sure`: whatever happened meanwhile. */
export function takersOf(targets: readonly Target[], event: DrawnEvent): { id: string; sure: boolean }[] {
  return targets
    .filter(({ kind, pattern }) => kind !== "cancel" && compilePattern(pattern)(event.pattern))
    .filter((target) => target.takes(event) && !target.errs(event))
    .map(({ id, steady }) => ({ id, sure: steady }));
}

/** As one node knows it; it reads triggers, shapes and revision at once. */
export function createRoutingSource(options: {
  tables: Tables;
  store: Pick<Store, "shapes">;
  targets: readonly Target[];
  isPaused(): boolean;
}): RoutingSource {
  const { store, targets, isPaused } = options;
  let known: RoutingTable | undefined;

  async function load(): Promise<RoutingTable> {
    // What is read with the shapes is of the moment in which the store answers; it must not be newer than the revision.
    const before = options.tables.routingRevision;
    const seen = { paused: isPaused(), targets: targets.filter(({ enabled }) => enabled).map(asTarget) };
    const { revision, shapes } = await store.shapes();
    if (revision !== before) return load();
    const compiled = shapes.map(({ namespace, pattern, paths }) => ({
      ...{ namespace, matches: compilePattern(pattern) },
      shape: { pattern, paths: paths.map(pathKeys) },
    }));
    const shapesFor = (namespace: string, name: string) =>
      compiled.filter((one) => one.namespace === namespace && one.matches(name)).map(({ shape }) => shape);
    const targetsFor = (namespace: string, name: string) =>
      seen.targets
        .filter(({ target, matches }) => target.namespace === namespace && matches(name))
        .map((one) => one.target);
    known = {
      revision,
      paused: seen.paused,
      shapesFor,
      targetsFor,
      target: (id) => seen.targets.find(({ target }) => target.id === id)?.target,
      isWanted: (namespace, name) => shapesFor(namespace, name).length + targetsFor(namespace, name).length > 0,
    };
    return known;
  }

  return {
    table: async () => known ?? (await load()),
    refresh: async (revision) => (known !== undefined && known.revision >= revision ? known : await load()),
  };
}

function asTarget(drawn: Target): { target: RoutingTarget; matches(name: string): boolean } {
  const { id, kind, pattern, workflowId } = drawn;
  const facts = { id, namespace: "default", name: `${kind} ${pattern}` };
  const decided = <T extends object>(event: EventView, matched: (payload: DrawnEvent["payload"]) => T) => {
    const seen = { pattern: event.pattern, payload: event.payload as DrawnEvent["payload"] };
    if (drawn.errs(seen)) return { outcome: "failed" as const, reason: "it errs" };
    if (!drawn.takes(seen)) return { outcome: "skipped" as const, reason: "its filter is false" };
    return { outcome: "matched" as const, ...matched(seen.payload) };
  };
  const matches = compilePattern(pattern);
  switch (kind) {
    case "start": {
      const decide = (event: EventView) => decided(event, ({ order }) => ({ input: { n: order } }));
      return { matches, target: { ...facts, kind, definitionId: workflowId, decide } };
    }
    case "cancel": {
      const decide = (event: EventView) =>
        decided(event, ({ order }) => ({ correlationId: `order ${order}`, reason: "dropped", compensate: true }));
      return { matches, target: { ...facts, kind, workflowId, decide } };
    }
    case "subscription":
      return { matches, target: { ...facts, kind, decide: (event) => decided(event, () => ({})) } };
  }
}
