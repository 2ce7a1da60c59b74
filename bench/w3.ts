/**
 * W3: one workflow at a time that fans out to 100 and joins: a MAP with a child workflow for each item, and a PARALLEL
 * with as many branches of one task. From the call that starts it to its result in the caller's hands.
 *
 * The limit is a replay: what the engine wrote for each of these runs, written again in the same commits.
 */
import type { Bench, Workload } from "./support/bench.ts";
import { counted, perWorkflow } from "./support/cost.ts";
import { collectGarbage } from "./support/heap.ts";
import { openLimitLane } from "./support/lane.ts";
import type { Line } from "./support/lines.ts";
import { startNode } from "./support/node.ts";
import { prepare, replay, type WrittenCall } from "./support/replay.ts";
import { percentile } from "./support/statistics.ts";
import { branchCount, branches, family, itemsOf } from "./support/workload.ts";

const shapes = { children: family, branches };
type Shape = keyof typeof shapes;
const names = Object.keys(shapes) as Shape[];

const warmUpRuns = 20;
const mostCommits = 6;
const mostOfLimit = 2;

export const w3: Workload = {
  name: "w3",
  needs: [],
  async round(bench) {
    for (const shape of names) {
      const runs = await runEngine(bench, shape);
      await runLimit(bench, shape, runs);
    }
  },
  async report({ samples }) {
    return names.flatMap((shape): Line[] => {
      const p50 = `w3.${shape}_p50_ms`;
      const commits = samples.median(`w3.${shape}_commits`);
      return [
        {
          workload: "w3",
          name: `${shape}_p50_ms`,
          value: samples.median(p50),
          unit: "ms",
          limit: samples.median(`w3.${shape}_limit_p50_ms`),
          ratio: samples.medianRatio({ of: p50, to: `w3.${shape}_limit_p50_ms` }),
          target: { atMost: mostOfLimit },
          cost: samples.medianCost(p50),
        },
        { workload: "w3", name: `${shape}_p99_ms`, value: samples.median(`w3.${shape}_p99_ms`), unit: "ms" },
        {
          workload: "w3",
          name: `${shape}_commits`,
          value: commits,
          unit: "commits",
          limit: mostCommits,
          ratio: commits / mostCommits,
          target: { atMost: 1 },
        },
      ];
    });
  },
};

/** Gives what each run wrote, the warm-up's first. */
async function runEngine({ server, sizes, samples }: Bench, shape: Shape): Promise<WrittenCall[][]> {
  const database = await server.createDatabase();
  const runs: WrittenCall[][] = [];
  const node = await startNode(database, { writes: (call) => runs.at(-1)?.push(call) });
  const run = async (): Promise<number> => {
    runs.push([]);
    const beganAt = performance.now();
    await node.run(shapes[shape].workflowId, itemsOf(branchCount));
    return performance.now() - beganAt;
  };
  for (let i = 0; i < warmUpRuns; i++) await run();
  collectGarbage();
  const { result: tookMs, cost } = await counted({ server, database }, async () => {
    const times: number[] = [];
    for (let i = 0; i < sizes.fans; i++) times.push(await run());
    return times;
  });
  const each = perWorkflow(cost, sizes.fans);
  samples.add(`w3.${shape}_p50_ms`, percentile(tookMs, 0.5), each);
  samples.add(`w3.${shape}_p99_ms`, percentile(tookMs, 0.99));
  samples.add(`w3.${shape}_commits`, each.flushes);
  await node.stop();
  await database.drop();
  return runs;
}

async function runLimit({ server, samples }: Bench, shape: Shape, runs: readonly WrittenCall[][]): Promise<void> {
  const database = await server.createDatabase();
  const lane = await openLimitLane(database);
  const tookMs: number[] = [];
  for (const prepared of runs.map(prepare)) tookMs.push(await replay(lane, prepared));
  samples.add(`w3.${shape}_limit_p50_ms`, percentile(tookMs.slice(warmUpRuns), 0.5));
  await lane.close();
  await database.drop();
}
