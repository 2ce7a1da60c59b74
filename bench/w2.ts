/**
 * W2: three-step workflows one at a time, through the engine in this process: from the call that starts one to its
 * result in the caller's hands.
 */
import type { Bench, Workload } from "./support/bench.ts";
import { type Cost, counted, perWorkflow } from "./support/cost.ts";
import { type BenchNode, startNode } from "./support/node.ts";
import type { BenchDatabase } from "./support/server.ts";
import { percentile } from "./support/statistics.ts";

const warmUpOneByOne = 300;
const mostCommits = 4;
const mostCommitTimes = 6;

/** Runs `count` workflows one after the other; the time of each, and what one cost. */
export async function runOneByOne(
  { server }: Bench,
  what: { database: BenchDatabase; node: BenchNode; count: number },
): Promise<{ tookMs: number[]; cost: Cost }> {
  const { database, node, count } = what;
  for (let order = 0; order < warmUpOneByOne; order++) await node.runOne(order);
  const { result: tookMs, cost } = await counted({ server, database }, async () => {
    const times: number[] = [];
    for (let order = 0; order < count; order++) {
      const beganAt = performance.now();
      await node.runOne(order);
      times.push(performance.now() - beganAt);
    }
    return times;
  });
  return { tookMs, cost: perWorkflow(cost, count) };
}

export const w2: Workload = {
  name: "w2",
  needs: ["limit"],
  async round(bench) {
    const database = await bench.server.createDatabase();
    const node = await startNode(database);
    const { tookMs, cost } = await runOneByOne(bench, { database, node, count: bench.sizes.oneAtATime });
    bench.samples.add("w2.p50_ms", percentile(tookMs, 0.5), cost);
    bench.samples.add("w2.p99_ms", percentile(tookMs, 0.99));
    bench.samples.add("w2.flushes", cost.flushes);
    await node.stop();
    await database.drop();
  },
  async report({ samples }) {
    const flushes = samples.median("w2.flushes");
    return [
      {
        workload: "w2",
        name: "p50_ms",
        value: samples.median("w2.p50_ms"),
        unit: "ms",
        limit: samples.median("limit.commit_p50_ms"),
        ratio: samples.medianRatio({ of: "w2.p50_ms", to: "limit.commit_p50_ms" }),
        target: { atMost: mostCommitTimes },
        cost: samples.medianCost("w2.p50_ms"),
      },
      { workload: "w2", name: "p99_ms", value: samples.median("w2.p99_ms"), unit: "ms" },
      {
        workload: "w2",
        name: "commits_per_workflow",
        value: flushes,
        unit: "commits",
        limit: mostCommits,
        ratio: flushes / mostCommits,
        target: { atMost: 1 },
      },
    ];
  },
};
