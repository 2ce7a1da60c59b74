/**
 * MAP: one workflow that goes over 10,000 items, a task in this process for each, 100 at a time. From the call that starts
 * it to its joined output in the caller's hands.
 *
 * The limit is a replay of what the engine wrote. What the instance takes of memory is measured in a run of its own, when
 * half of the items are done: the list, the items under way, and nothing of those that have ended.
 */
import { type Bench, type Workload, warmUp } from "./support/bench.ts";
import { counted, perWorkflow } from "./support/cost.ts";
import { collectGarbage } from "./support/heap.ts";
import { openLimitLane } from "./support/lane.ts";
import { startNode } from "./support/node.ts";
import { prepare, replay, type WrittenCall } from "./support/replay.ts";
import { handlers, itemsOf, list, partOutputOf, partTask } from "./support/workload.ts";

/** Of the limit's speed. */
const leastOfLimit = 0.5;
/** A hundred items under way, and 10,000 of a few fields in a list. */
const mostHeapMiB = 8;

interface MapRun {
  seconds: number;
  calls: WrittenCall[];
}

export const map: Workload = {
  name: "map",
  needs: [],
  async round(bench) {
    const { samples, sizes } = bench;
    const { seconds, calls } = await runEngine(bench);
    samples.add("map.items_per_s_limit", sizes.items / (await runLimit(bench, calls)));
    samples.add("map.items_per_s", sizes.items / seconds);
  },
  async report({ samples, sizes }) {
    const heap = samples.median("map.heap_mib");
    return [
      {
        workload: "map",
        name: "items_per_s",
        value: samples.median("map.items_per_s"),
        unit: "1/s",
        limit: samples.median("map.items_per_s_limit"),
        ratio: samples.medianRatio({ of: "map.items_per_s", to: "map.items_per_s_limit" }),
        target: { atLeast: leastOfLimit },
        cost: samples.medianCost("map.per_item"),
      },
      { workload: "map", name: `commits_${sizes.items}`, value: samples.median("map.commits"), unit: "commits" },
      {
        workload: "map",
        name: `statements_${sizes.items}`,
        value: samples.median("map.statements"),
        unit: "statements",
      },
      {
        workload: "map",
        name: "heap_at_half_time",
        value: heap,
        unit: "MiB",
        limit: mostHeapMiB,
        ratio: heap / mostHeapMiB,
        target: { atMost: 1 },
      },
    ];
  },
};

async function runEngine({ server, sizes, samples }: Bench): Promise<MapRun> {
  const database = await server.createDatabase();
  const calls: WrittenCall[] = [];
  let heard = false;
  /** Called with the number of items that have begun. */
  let atItem: ((begun: number) => void) | undefined;
  let begun = 0;
  const node = await startNode(database, {
    writes: (call) => {
      if (heard) calls.push(call);
    },
    handlers: {
      ...handlers(() => {}),
      [partTask]: (input) => {
        atItem?.(++begun);
        return partOutputOf(input);
      },
    },
  });
  const run = async (items: number): Promise<void> => {
    const output = await node.run(list.workflowId, itemsOf(items));
    if (!Array.isArray(output) || output.length !== items) throw new Error("the join is not complete");
  };
  await run(warmUp);

  collectGarbage();
  const before = process.memoryUsage().heapUsed;
  atItem = (item) => {
    if (item !== sizes.items / 2) return;
    collectGarbage();
    samples.add("map.heap_mib", (process.memoryUsage().heapUsed - before) / 1024 ** 2);
  };
  await run(sizes.items);
  atItem = undefined;

  collectGarbage();
  heard = true;
  const { result: seconds, cost } = await counted({ server, database }, async () => {
    const beganAt = performance.now();
    await run(sizes.items);
    return (performance.now() - beganAt) / 1000;
  });
  heard = false;
  samples.add("map.per_item", 1 / sizes.items, perWorkflow(cost, sizes.items));
  samples.add("map.commits", cost.commits);
  if (cost.statements !== undefined) samples.add("map.statements", cost.statements);
  await node.stop();
  await database.drop();
  return { seconds, calls };
}

async function runLimit({ server }: Bench, calls: readonly WrittenCall[]): Promise<number> {
  const database = await server.createDatabase();
  const lane = await openLimitLane(database);
  // The first time only warms up.
  await replay(lane, prepare(calls));
  const tookMs = await replay(lane, prepare(calls));
  await lane.close();
  await database.drop();
  return tookMs / 1000;
}
