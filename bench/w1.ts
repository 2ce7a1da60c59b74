/**
 * W1: three-step workflows, all started at once, through the engine in this process.
 *
 * The clock runs from the first start to the commit of the last end. Afterwards the database is asked whether every
 * one of them completed.
 */
import { type Bench, type Workload, warmUp } from "./support/bench.ts";
import { counted, perWorkflow } from "./support/cost.ts";
import { collectGarbage } from "./support/heap.ts";
import type { Line } from "./support/lines.ts";
import { type BenchNode, startNode } from "./support/node.ts";
import type { BenchDatabase } from "./support/server.ts";

/** Starts `count` workflows at once on `node`; seconds until the last has ended, and what that cost a workflow. */
export async function runAtOnce(
  { server }: Bench,
  what: { database: BenchDatabase; node: BenchNode; count: number },
): Promise<{ seconds: number; cost: ReturnType<typeof perWorkflow> }> {
  const { database, node, count } = what;
  collectGarbage();
  const { result, cost } = await counted({ server, database }, () => node.runAll(count));
  return { seconds: result.ended, cost: perWorkflow(cost, count) };
}

const sizeName = (count: number) => `w1.workflows_per_s_${count}`;

export const w1: Workload = {
  name: "w1",
  needs: ["limit", "spike"],
  async round(bench) {
    for (const count of bench.sizes.atOnce) {
      const database = await bench.server.createDatabase();
      const node = await startNode(database);
      await node.runAll(warmUp);
      const { seconds, cost } = await runAtOnce(bench, { database, node, count });
      bench.samples.add(sizeName(count), count / seconds, cost);
      await node.stop();
      await database.drop();
    }
  },
  async report({ samples, sizes }) {
    return sizes.atOnce.flatMap((count): Line[] => {
      const name = sizeName(count);
      const value = samples.median(name);
      const cost = samples.medianCost(name);
      const against = (floor: "limit" | "spike", atLeast: number, more: Partial<Line>): Line => ({
        workload: "w1",
        name: `workflows_per_s_${count}${floor === "spike" ? "_to_spike" : ""}`,
        value,
        unit: "1/s",
        limit: samples.median(`${floor}.workflows_per_s`),
        ratio: samples.medianRatio({ of: name, to: `${floor}.workflows_per_s` }),
        target: { atLeast },
        ...more,
      });
      const commits = cost?.commits ?? Number.NaN;
      return [
        against("limit", 0.5, { cost }),
        against("spike", 0.3, {}),
        {
          workload: "w1",
          name: `commits_per_workflow_${count}`,
          value: commits,
          unit: "commits",
          limit: 0.05,
          ratio: commits / 0.05,
          target: { atMost: 1 },
        },
      ];
    });
  },
};
