/**
 * The bare shape of group commit, the floor that the engine is compared with: one lane, one SQL function, no engine.
 *
 * Work that arrives while a flush is under way waits in three queues; the next flush takes all of it. There is no
 * state machine, no expression, no timer, no handler and no journal of inputs here: what an engine adds is what the
 * ratio shows. Tables and function are in `spike.sql`.
 */
import { readFile } from "node:fs/promises";
import { type Connection, Database, statement } from "../src/foundation/database/index.ts";
import { uuidv7 } from "../src/foundation/ids.ts";
import { silentLogger } from "../src/foundation/log.ts";
import { floorConcurrency, type Workload, warmUp } from "./support/bench.ts";
import { counted, perWorkflow } from "./support/cost.ts";
import type { BenchDatabase } from "./support/server.ts";
import { percentile } from "./support/statistics.ts";

const shards = 64;
const stepsPerWorkflow = 3;
const kinds = ["starts", "steps", "ends"] as const;
type Kind = (typeof kinds)[number];
type Queues = Record<Kind, { row: unknown[]; done: () => void }[]>;

const flushSpike = statement("bench.flush_spike", "select spike.flush($1, $2, $3, $4, $5) as held");

export interface Spike {
  /** Runs `count` three-step workflows, at most `concurrency` at a time; gives the time from each start to its end. */
  run(what: { count: number; concurrency: number }): Promise<number[]>;
  close(): Promise<void>;
}

/** Makes the spike's tables in an empty database. */
export async function openSpike(database: BenchDatabase): Promise<Spike> {
  const db = new Database({
    url: database.url,
    poolSize: 1,
    applicationName: "millrace bench spike",
    log: silentLogger,
  });
  await db.unnamed(await readFile(new URL("spike.sql", import.meta.url), "utf8"));
  const connection = await db.connect();
  const lane = openLane(connection);
  return {
    run: (what) => runAll(what, (index) => runOne(lane, index)),
    async close() {
      await connection.close();
      await db.close();
    },
  };
}

type Add = (kind: Kind, row: unknown[]) => Promise<void>;

const noQueues = (): Queues => ({ starts: [], steps: [], ends: [] });

function openLane(connection: Connection): Add {
  let queues = noQueues();
  let busy = false;

  const flush = async (): Promise<void> => {
    for (; kinds.some((kind) => queues[kind].length > 0); ) {
      const taken = queues;
      queues = noQueues();
      const all = kinds.flatMap((kind) => taken[kind]);
      const touched = [...new Set(all.map(({ row }) => Number(row[0])))].sort((a, b) => a - b);
      const batches = kinds.map((kind) => JSON.stringify(taken[kind].map(({ row }) => row)));
      const epochs = touched.map(() => 1);
      const [answer] = await connection.query<{ held: boolean }>(flushSpike, [touched, epochs, ...batches]);
      if (answer?.held !== true) throw new Error("the spike lost its shards");
      for (const { done } of all) done();
    }
    busy = false;
  };

  return (kind, row) =>
    new Promise((resolve, reject) => {
      queues[kind].push({ row, done: resolve });
      if (busy) return;
      busy = true;
      setImmediate(() => flush().catch(reject));
    });
}

async function runOne(add: Add, index: number): Promise<void> {
  const id = uuidv7(Date.now(), index % shards);
  const place = [index % shards, `tenant${index % 7}`, id];
  await add("starts", [...place, { order: index, amount: 12.5 }]);
  for (let step = 0; step < stepsPerWorkflow; step++) {
    const recorded = add("steps", [...place, step, `step${step}`, { ok: true, step, index }]);
    if (step < stepsPerWorkflow - 1) await recorded;
    else await Promise.all([recorded, add("ends", [...place, { ok: true }])]);
  }
}

async function runAll(
  { count, concurrency }: { count: number; concurrency: number },
  one: (index: number) => Promise<void>,
): Promise<number[]> {
  const tookMs: number[] = [];
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < count) {
      const beganAt = performance.now();
      await one(next++);
      tookMs.push(performance.now() - beganAt);
    }
  };
  await Promise.all(Array.from({ length: concurrency }, worker));
  return tookMs;
}

/** A round: many at once, then one at a time, in a database of its own. */
export const spike: Workload = {
  name: "spike",
  needs: [],
  async round({ server, sizes, samples }) {
    const database = await server.createDatabase({ empty: true });
    const program = await openSpike(database);
    await program.run({ count: warmUp, concurrency: floorConcurrency });
    const { result: seconds, cost } = await counted({ server, database }, async () => {
      const beganAt = performance.now();
      await program.run({ count: sizes.floor, concurrency: floorConcurrency });
      return (performance.now() - beganAt) / 1000;
    });
    samples.add("spike.workflows_per_s", sizes.floor / seconds, perWorkflow(cost, sizes.floor));
    const tookMs = await program.run({ count: sizes.oneAtATime, concurrency: 1 });
    samples.add("spike.p50_ms", percentile(tookMs, 0.5));
    samples.add("spike.p99_ms", percentile(tookMs, 0.99));
    await program.close();
    await database.drop();
  },
  async report({ samples }) {
    const line = (name: string, unit: string) => ({
      workload: "spike",
      name,
      value: samples.median(`spike.${name}`),
      unit,
      cost: samples.medianCost(`spike.${name}`),
    });
    return [line("workflows_per_s", "1/s"), line("p50_ms", "ms"), line("p99_ms", "ms")];
  },
};
