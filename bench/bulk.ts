/**
 * Bulk: 100,000 three-step workflows started at once, through the engine in this process and through HTTP in requests of
 * 5,000 starts: how fast they are accepted, and until all have ended. They are more than a node holds in memory.
 */
import { type Bench, type Workload, warmUp } from "./support/bench.ts";
import { counted, perWorkflow } from "./support/cost.ts";
import { collectGarbage } from "./support/heap.ts";
import type { Line } from "./support/lines.ts";
import { startNode } from "./support/node.ts";
import { startProgram } from "./support/program.ts";

/** Of the limit's speed, as W1. */
const leastOfLimit = 0.5;
const batch = 5_000;
const atOnce = 4;

const ways = ["engine", "http"] as const;
type Way = (typeof ways)[number];

export const bulk: Workload = {
  name: "bulk",
  needs: ["limit"],
  async round(bench) {
    for (const way of ways) await run(bench, way);
  },
  async report({ samples }) {
    const line = (way: Way, what: "starts" | "ended"): Line => {
      const name = `bulk.${what}_per_s_${way}`;
      return {
        workload: "bulk",
        name: `${what}_per_s_${way}`,
        value: samples.median(name),
        unit: "1/s",
        limit: samples.median("limit.workflows_per_s"),
        ratio: samples.medianRatio({ of: name, to: "limit.workflows_per_s" }),
        ...(what === "ended" && way === "engine" ? { target: { atLeast: leastOfLimit } } : {}),
        ...(what === "ended" ? { cost: samples.medianCost(name) } : {}),
      };
    };
    return ways.flatMap((way) => [line(way, "starts"), line(way, "ended")]);
  },
};

async function run({ server, sizes, samples }: Bench, way: Way): Promise<void> {
  const count = sizes.bulk;
  const database = await server.createDatabase();
  const { start, stop } = await open(way, database);
  await start(warmUp);
  collectGarbage();
  const { result, cost } = await counted({ server, database }, () => start(count));
  samples.add(`bulk.starts_per_s_${way}`, count / result.accepted);
  samples.add(`bulk.ended_per_s_${way}`, count / result.ended, perWorkflow(cost, count));
  await stop();
  await database.drop();
}

interface Opened {
  /** Seconds until all were accepted, and until all had ended. */
  start(count: number): Promise<{ accepted: number; ended: number }>;
  stop(): Promise<void>;
}

async function open(way: Way, database: { url: string }): Promise<Opened> {
  if (way === "engine") {
    const node = await startNode(database);
    return { start: (count) => node.runAll(count), stop: () => node.stop() };
  }
  const program = await startProgram(database);
  return { start: (count) => program.startInBatches({ count, batch, atOnce }), stop: () => program.stop() };
}
