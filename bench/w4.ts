/**
 * W4: instances that sleep for an event, and the signals that they wait for: how long it takes from the call that brings
 * a signal until the handler of the next step is called, which is after the commit that ended the wait.
 *
 * First one signal after the other, each when the instance before has ended; then all at once.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { Bench, Workload } from "./support/bench.ts";
import { counted, perWorkflow } from "./support/cost.ts";
import { collectGarbage } from "./support/heap.ts";
import { openLimitLane } from "./support/lane.ts";
import { type BenchNode, startNode } from "./support/node.ts";
import { prepare, replay, type WrittenCall } from "./support/replay.ts";
import { percentile } from "./support/statistics.ts";
import { approval, handlers, inputOf, namespace, partOutputOf, partTask } from "./support/workload.ts";

const mostCommitTimes = 3;
const warmUpWaits = 200;
const pollMs = 2;

export const w4: Workload = {
  name: "w4",
  needs: ["limit"],
  async round(bench) {
    const { server, sizes, samples } = bench;
    const database = await server.createDatabase();
    const calls: WrittenCall[] = [];
    let heard = false;
    const rig = await openRig(database, (call) => {
      if (heard) calls.push(call);
    });

    await rig.signalAll(await rig.sleepers(warmUpWaits));
    const each = await rig.sleepers(sizes.waits);
    collectGarbage();
    const { result: tookMs, cost } = await counted({ server, database }, () => rig.signalEach(each));
    samples.add("w4.resume_p50_ms", percentile(tookMs, 0.5), perWorkflow(cost, sizes.waits));
    samples.add("w4.resume_p99_ms", percentile(tookMs, 0.99));

    heard = true;
    const all = await rig.sleepers(sizes.waits);
    const asleepAt = calls.length;
    collectGarbage();
    const atOnce = await counted({ server, database }, () => rig.signalAll(all));
    samples.add("w4.at_once_p50_ms", percentile(atOnce.result.resumedMs, 0.5));
    samples.add("w4.at_once_ended_ms", atOnce.result.endedMs, perWorkflow(atOnce.cost, sizes.waits));
    heard = false;
    await rig.node.stop();
    await database.drop();
    samples.add("w4.at_once_limit_ms", await runLimit(bench, calls, asleepAt));
  },
  async report({ samples }) {
    return [
      {
        workload: "w4",
        name: "resume_p50_ms",
        value: samples.median("w4.resume_p50_ms"),
        unit: "ms",
        limit: samples.median("limit.commit_p50_ms"),
        ratio: samples.medianRatio({ of: "w4.resume_p50_ms", to: "limit.commit_p50_ms" }),
        target: { atMost: mostCommitTimes },
        cost: samples.medianCost("w4.resume_p50_ms"),
      },
      { workload: "w4", name: "resume_p99_ms", value: samples.median("w4.resume_p99_ms"), unit: "ms" },
      { workload: "w4", name: "at_once_resume_p50_ms", value: samples.median("w4.at_once_p50_ms"), unit: "ms" },
      {
        workload: "w4",
        name: "at_once_ended_ms",
        value: samples.median("w4.at_once_ended_ms"),
        unit: "ms",
        limit: samples.median("w4.at_once_limit_ms"),
        ratio: samples.medianRatio({ of: "w4.at_once_ended_ms", to: "w4.at_once_limit_ms" }),
        cost: samples.medianCost("w4.at_once_ended_ms"),
      },
    ];
  },
};

interface Rig {
  node: BenchNode;
  /** Starts so many instances; gives their ids when all of them have left memory. */
  sleepers(count: number): Promise<string[]>;
  /** One after the other; milliseconds from each signal to the next step. */
  signalEach(ids: readonly string[]): Promise<number[]>;
  /** All at once; milliseconds from the first signal to each next step, and to the last end. */
  signalAll(ids: readonly string[]): Promise<{ resumedMs: number[]; endedMs: number }>;
}

async function openRig(database: { url: string }, writes: (call: WrittenCall) => void): Promise<Rig> {
  const resumed = new Map<string, () => void>();
  const node = await startNode(database, {
    writes,
    handlers: {
      ...handlers(() => {}),
      [partTask]: (input, { instanceId }) => {
        resumed.get(instanceId)?.();
        return partOutputOf(input);
      },
    },
  });
  const { engine } = node;
  const asleep = async (): Promise<void> => {
    while (engine.stats().residents > 0) await sleep(pollMs);
  };
  /** Resolves when the next step of the instance begins. */
  const signal = async (instanceId: string, order: number): Promise<void> => {
    const { promise, resolve } = Promise.withResolvers<void>();
    resumed.set(instanceId, resolve);
    await engine.signal({ namespace, instanceId, type: "payment.received", payload: { order, paid: true } });
    await promise;
    resumed.delete(instanceId);
  };
  return {
    node,
    async sleepers(count) {
      const definitionId = approval.workflowId;
      const starts = Array.from({ length: count }, (_, order) =>
        engine.startInstance({ namespace, definitionId, input: inputOf(order) }),
      );
      const ids = (await Promise.all(starts)).map(({ instanceId }) => instanceId);
      await asleep();
      return ids;
    },
    async signalEach(ids) {
      const tookMs: number[] = [];
      for (const [order, id] of ids.entries()) {
        const beganAt = performance.now();
        await signal(id, order);
        tookMs.push(performance.now() - beganAt);
        await asleep();
      }
      return tookMs;
    },
    async signalAll(ids) {
      const beganAt = performance.now();
      const resumedMs = await Promise.all(
        ids.map(async (id, order) => {
          await signal(id, order);
          return performance.now() - beganAt;
        }),
      );
      await asleep();
      return { resumedMs, endedMs: performance.now() - beganAt };
    },
  };
}

/** Milliseconds that the calls after the first `asleepAt` take. */
async function runLimit({ server }: Bench, calls: readonly WrittenCall[], asleepAt: number): Promise<number> {
  const database = await server.createDatabase();
  const lane = await openLimitLane(database);
  // The first time only warms up.
  await replay(lane, prepare(calls));
  const again = prepare(calls);
  await replay(lane, again.slice(0, asleepAt));
  const tookMs = await replay(lane, again.slice(asleepAt));
  await lane.close();
  await database.drop();
  return tookMs;
}
