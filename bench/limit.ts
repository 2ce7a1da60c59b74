/**
 * The limit program: how fast the engine's own flush function takes the engine's own rows when nothing but their
 * delivery is left to do.
 *
 * All rows are encoded before the clock starts, by the engine's encoders, from the same workflow as W1: same columns,
 * same sizes. What remains is the engine's order of commits: a workflow's next rows go into a flush only after the
 * flush with its last ones is done, and each flush takes what has come up meanwhile, up to the engine's bounds.
 */
import { flushByteLimit, flushRowLimit } from "../src/engine/runtime/lane.ts";
import { bucketOf } from "../src/engine/runtime/tallies.ts";
import { encodeChange, encodeStart, encodeStep, encodeTransition } from "../src/engine/store/rows.ts";
import { shardOf, uuidv7 } from "../src/foundation/ids.ts";
import { floorConcurrency, type Workload, warmUp } from "./support/bench.ts";
import { counted, perWorkflow } from "./support/cost.ts";
import { openLimitLane } from "./support/lane.ts";
import type { BenchDatabase } from "./support/server.ts";
import { percentile } from "./support/statistics.ts";
import { inputOf, namespace, outputOf, stepIds, threeSteps } from "./support/workload.ts";

/** What one commit of one workflow writes, as JSON text. */
interface RowSet {
  shard: number;
  starts?: string;
  changes?: string;
  steps?: string;
  transitions?: string;
  /** What is counted of it, without the number: a flush has one row for all that are equal. */
  tally?: string;
  rows: number;
  bytes: number;
}

const parts = ["starts", "changes", "steps", "transitions"] as const;

export interface Limit {
  /** Runs `count` prepared workflows, at most `concurrency` at a time; resolves with the seconds that took. */
  run(what: { count: number; concurrency: number }): Promise<number>;
  /** The times of single flushes, each with one row set, while nothing else runs. */
  commitTimesMs(workflows: number): Promise<number[]>;
  close(): Promise<void>;
}

/** Takes every shard of a migrated database that nobody else uses. */
export async function openLimit(database: Pick<BenchDatabase, "url">): Promise<Limit> {
  const lane = await openLimitLane(database);
  const { shards } = lane;

  async function flush(sets: readonly RowSet[]): Promise<void> {
    const touched = [...new Set(sets.map(({ shard }) => shard))].sort((a, b) => a - b);
    const rows = (part: (typeof parts)[number]): string | null => {
      const texts: string[] = [];
      for (const set of sets) if (set[part] !== undefined) texts.push(set[part]);
      return texts.length === 0 ? null : `[${texts.join(",")}]`;
    };
    const tallies = new Map<string, number>();
    for (const { tally } of sets) if (tally !== undefined) tallies.set(tally, (tallies.get(tally) ?? 0) + 1);
    const counted = Array.from(tallies, ([tally, n]) => `${tally},${n}]`);
    await lane.flush({
      shards: touched,
      starts: rows("starts"),
      changes: rows("changes"),
      steps: rows("steps"),
      transitions: rows("transitions"),
      extras: counted.length === 0 ? null : `{"tallies":[${counted.join(",")}]}`,
    });
  }

  return {
    async run({ count, concurrency }) {
      const workflows = Array.from({ length: count }, (_, order) => prepare(order, shards));
      const beganAt = performance.now();
      await drive({ workflows, concurrency, flush });
      return (performance.now() - beganAt) / 1000;
    },
    async commitTimesMs(workflows) {
      const tookMs: number[] = [];
      for (let order = 0; order < workflows; order++) {
        for (const set of prepare(order, shards)) {
          const beganAt = performance.now();
          await flush([set]);
          tookMs.push(performance.now() - beganAt);
        }
      }
      return tookMs;
    },
    close: () => lane.close(),
  };
}

interface Unit {
  workflow: RowSet[];
  at: number;
}

/** One flush at a time; what the last one released is sorted out while the next is under way. */
async function drive(what: {
  workflows: readonly RowSet[][];
  concurrency: number;
  flush(sets: readonly RowSet[]): Promise<void>;
}): Promise<void> {
  const { workflows, concurrency, flush } = what;
  let queue: Unit[] = [];
  let admitted = 0;

  const admit = (): void => {
    const workflow = workflows[admitted++];
    if (workflow !== undefined) queue.push({ workflow, at: 0 });
  };
  const take = (): Unit[] => {
    let rows = 0;
    let bytes = 0;
    let count = 0;
    for (; count < queue.length && rows < flushRowLimit && bytes < flushByteLimit; count++) {
      const { workflow, at } = queue[count]!;
      rows += workflow[at]!.rows;
      bytes += workflow[at]!.bytes;
    }
    const taken = queue.slice(0, count);
    queue = queue.slice(count);
    return taken;
  };
  const release = (units: readonly Unit[]): void => {
    for (const { workflow, at } of units) {
      if (at + 1 < workflow.length) queue.push({ workflow, at: at + 1 });
      else admit();
    }
  };

  while (admitted < concurrency) admit();
  let done: Unit[] = [];
  for (let taken = take(); taken.length > 0; taken = take()) {
    const answer = flush(taken.map(({ workflow, at }) => workflow[at]!));
    release(done);
    await answer;
    done = taken;
    if (queue.length === 0) {
      release(done);
      done = [];
    }
  }
}

/** The four row sets of one workflow: its start, two steps, and the last step together with the end. */
function prepare(order: number, shards: number): RowSet[] {
  const now = Date.now();
  const id = uuidv7(now);
  const shard = shardOf(id, shards);
  const owner = { shard, instanceId: id, namespace, epoch: 1 };
  const input = inputOf(order);
  const step = (index: number): string => {
    const stepId = stepIds[index]!;
    const next = stepIds[index + 1];
    return encodeStep(
      owner,
      {
        seq: index + 1,
        path: stepId,
        stepId,
        type: "TASK",
        attempt: 1,
        status: "COMPLETED",
        input,
        output: outputOf(index, order),
        startedAt: now,
        completedAt: now,
        ...(next === undefined ? {} : { outcome: { next: [next] } }),
      },
      JSON.stringify,
    );
  };
  const start = encodeStart({
    shard,
    id,
    namespace,
    definitionId,
    workflowId: threeSteps.workflowId,
    status: "RUNNING",
    priority: 5,
    currentStepId: stepIds[0],
    correlationId: null,
    startedBy: null,
    triggerEventId: null,
    input: JSON.stringify(input),
    startedAt: now,
  });
  const last = stepIds.length - 1;
  const end = encodeChange({
    shard,
    id,
    status: "COMPLETED",
    ready: false,
    currentStepId: null,
    awaitingTaskId: null,
    output: JSON.stringify(outputOf(last, order)),
    completedAt: now,
  });
  const began = encodeTransition(owner, { from: null, to: "RUNNING", event: "workflow_started" });
  const ended = encodeTransition(owner, { from: "RUNNING", to: "COMPLETED", event: "workflow_completed" });
  return [
    weighed({ shard, starts: start, transitions: began, tally: startTally }),
    weighed({ shard, steps: step(0) }),
    weighed({ shard, steps: step(1) }),
    weighed({ shard, steps: step(last), changes: end, transitions: ended, tally: endTally }),
  ];
}

const definitionId = uuidv7(Date.now());
const startTally = `["${definitionId}","started",null,null,null`;
/** All of them took equally long. */
const endTally = `["${definitionId}","completed",null,null,${bucketOf(100)}`;

function weighed(set: Omit<RowSet, "rows" | "bytes">): RowSet {
  let rows = 0;
  let bytes = 0;
  for (const part of parts) {
    const text = set[part];
    if (text === undefined) continue;
    rows += 1;
    bytes += text.length;
  }
  return { ...set, rows, bytes };
}

/** A round: many at once, then single commits, in a database of its own. */
export const limit: Workload = {
  name: "limit",
  needs: [],
  async round({ server, sizes, samples }) {
    const database = await server.createDatabase();
    const program = await openLimit(database);
    await program.run({ count: warmUp, concurrency: floorConcurrency });
    const { result: seconds, cost } = await counted({ server, database }, () =>
      program.run({ count: sizes.floor, concurrency: floorConcurrency }),
    );
    samples.add("limit.workflows_per_s", sizes.floor / seconds, perWorkflow(cost, sizes.floor));
    const tookMs = await program.commitTimesMs(sizes.oneAtATime);
    samples.add("limit.commit_p50_ms", percentile(tookMs, 0.5));
    samples.add("limit.commit_p99_ms", percentile(tookMs, 0.99));
    await program.close();
    await database.drop();
  },
  async report({ samples }) {
    const line = (name: string, unit: string) => ({
      workload: "limit",
      name,
      value: samples.median(`limit.${name}`),
      unit,
      cost: samples.medianCost(`limit.${name}`),
    });
    return [line("workflows_per_s", "1/s"), line("commit_p50_ms", "ms"), line("commit_p99_ms", "ms")];
  },
};
