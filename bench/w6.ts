/**
 * W6: W1 and W2 beside sleeping instances, and what those cost otherwise: heap, takeover, idle statements.
 *
 * Everything is measured twice, in two databases that differ in nothing but the sleepers, by turns.
 */

import { setTimeout as sleep } from "node:timers/promises";
import { type Bench, type Workload, warmUp } from "./support/bench.ts";
import { counted } from "./support/cost.ts";
import { settledHeapBytes } from "./support/heap.ts";
import type { Line, Target } from "./support/lines.ts";
import { startNode } from "./support/node.ts";
import type { BenchDatabase } from "./support/server.ts";
import { addSleepers } from "./support/sleepers.ts";
import { percentile } from "./support/statistics.ts";
import { takeOver } from "./support/takeover.ts";
import { runAtOnce } from "./w1.ts";
import { runOneByOne } from "./w2.ts";

const kinds = ["awake", "asleep"] as const;
type Kind = (typeof kinds)[number];

const heapLimitMiB = 32;
const idleLimitPerS = 2;
/** Beside sleepers a workload may be this much slower. */
const slack = 0.2;

let databases: Record<Kind, BenchDatabase> | undefined;
let rounds = 0;

export const w6: Workload = {
  name: "w6",
  needs: [],
  async prepare({ server, sizes, say }) {
    databases = { awake: await server.createDatabase(), asleep: await server.createDatabase() };
    say(`putting ${sizes.asleep.toLocaleString("en")} instances to sleep`);
    await addSleepers(databases.asleep, sizes.asleep);
  },
  async round(bench) {
    // Each goes first every other time.
    for (const kind of rounds++ % 2 === 0 ? kinds : kinds.toReversed()) await measure(bench, kind);
  },
  async report(bench) {
    for (let take = 0; take < bench.sizes.takeovers; take++) {
      for (const kind of kinds) {
        bench.say(`takeover ${take + 1} of ${bench.sizes.takeovers}, ${kind}`);
        bench.samples.add(`w6.takeover_ms_${kind}`, await takeOver(databases![kind]));
      }
    }
    await measureIdle(bench);
    return linesOf(bench);
  },
  async close() {
    for (const kind of kinds) await databases?.[kind].drop();
  },
};

async function measure(bench: Bench, kind: Kind): Promise<void> {
  const { sizes, samples } = bench;
  const database = databases![kind];
  const node = await startNode(database);
  await node.runAll(warmUp);
  const count = sizes.besideSleepers;
  const { seconds, cost } = await runAtOnce(bench, { database, node, count });
  samples.add(`w6.workflows_per_s_${kind}`, count / seconds, cost);
  const alone = await runOneByOne(bench, { database, node, count: sizes.oneAtATime });
  samples.add(`w6.p50_ms_${kind}`, percentile(alone.tookMs, 0.5), alone.cost);
  samples.add(`w6.heap_mib_${kind}`, (await settledHeapBytes()) / 1024 ** 2);
  await node.stop();
}

async function measureIdle(bench: Bench): Promise<void> {
  const { server, sizes, samples, say } = bench;
  if (!server.has.statements) return;
  for (const kind of kinds) {
    say(`an idle node, ${kind}`);
    const database = databases![kind];
    const node = await startNode(database);
    const { cost } = await counted({ server, database }, () => sleep(sizes.idleMs));
    samples.add(`w6.idle_statements_per_s_${kind}`, (cost.statements! * 1000) / sizes.idleMs);
    await node.stop();
  }
}

function linesOf({ samples }: Bench): Line[] {
  const pair = (name: string, unit: string, target: Target): Line => ({
    workload: "w6",
    name: `${name}_asleep`,
    value: samples.median(`w6.${name}_asleep`),
    unit,
    limit: samples.median(`w6.${name}_awake`),
    ratio: samples.medianRatio({ of: `w6.${name}_asleep`, to: `w6.${name}_awake` }),
    target,
    cost: samples.medianCost(`w6.${name}_asleep`),
  });
  const bound = (name: string, value: number, unit: string, limit: number): Line => ({
    workload: "w6",
    name,
    value,
    unit,
    limit,
    ratio: value / limit,
    target: { atMost: 1 },
  });
  const heap = samples.median("w6.heap_mib_asleep") - samples.median("w6.heap_mib_awake");
  return [
    pair("workflows_per_s", "1/s", { atLeast: 1 - slack }),
    pair("p50_ms", "ms", { atMost: 1 + slack }),
    pair("takeover_ms", "ms", { atMost: 1 + slack }),
    bound("heap_more_asleep", heap, "MiB", heapLimitMiB),
    bound("idle_statements_per_s_awake", samples.median("w6.idle_statements_per_s_awake"), "1/s", idleLimitPerS),
    bound("idle_statements_per_s_asleep", samples.median("w6.idle_statements_per_s_asleep"), "1/s", idleLimitPerS),
  ];
}
