/** Where events go in a chaos run: to waits, to a trigger that starts instances, and to a subscription. */

import type { EventView, RoutingSource, RoutingTable, RoutingTarget } from "../../src/engine/index.ts";
import { pathKeys } from "../../src/engine/machine/correlation.ts";
import { compilePattern } from "../../src/engine/machine/pattern.ts";
import { readShapes } from "../../src/engine/queries/events.ts";
import type { Database } from "../../src/foundation/database/index.ts";

export const triggerId = "018f0000-0000-7000-8000-0000000e0001";
export const subscriptionId = "018f0000-0000-7000-8000-0000000e0002";
/** Which events start an instance; every event has a delivery. */
export const fires = "storm.fire";

const targets: readonly (RoutingTarget & { matches(name: string): boolean })[] = [
  {
    ...{ kind: "start", id: triggerId, namespace: "default", name: "fire", definitionId: "three" },
    matches: (name) => name === fires,
    decide({ payload }: EventView) {
      const { n } = payload as { n: number };
      return { outcome: "matched", input: { n, ms: 0 } };
    },
  },
  {
    ...{ kind: "subscription", id: subscriptionId, namespace: "default", name: "all" },
    matches: () => true,
    decide: () => ({ outcome: "matched" }),
  },
];

export function chaosRouting(database: Database): RoutingSource {
  let known: RoutingTable | undefined;

  async function load(): Promise<RoutingTable> {
    const [row] = await database.query<{
      revision: string;
      shapes: { namespace: string; pattern: string; paths: string[] }[];
    }>(readShapes);
    const shapes = row!.shapes.map(({ namespace, pattern, paths }) => ({
      ...{ namespace, matches: compilePattern(pattern) },
      shape: { pattern, paths: paths.map(pathKeys) },
    }));
    known = {
      revision: Number(row!.revision),
      paused: false,
      shapesFor: (namespace, name) =>
        shapes.filter((one) => one.namespace === namespace && one.matches(name)).map(({ shape }) => shape),
      targetsFor: (_namespace, name) => targets.filter(({ matches }) => matches(name)),
      target: (id) => targets.find((target) => target.id === id),
      isWanted: () => true,
    };
    return known;
  }

  return {
    table: async () => known ?? (await load()),
    refresh: async (revision) => (known !== undefined && known.revision >= revision ? known : await load()),
  };
}
