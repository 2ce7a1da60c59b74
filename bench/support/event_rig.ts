/** A node with triggers, and events for it. */
import { setTimeout as sleep } from "node:timers/promises";
import type { EventInput } from "../../src/engine/index.ts";
import { createRoutingSource } from "../../src/events/index.ts";
import type { Database } from "../../src/foundation/database/index.ts";
import { uuidv7 } from "../../src/foundation/ids.ts";
import { silentLogger } from "../../src/foundation/log.ts";
import { loadTriggerTargets } from "../../src/workflows/index.ts";
import type { Specimen } from "./event_limit.ts";
import { type BenchNode, startNode } from "./node.ts";
import * as sql from "./queries.ts";
import { isFlush, type WrittenCall } from "./replay.ts";
import { onDatabase } from "./server.ts";
import { approval, child, handlers, inputOf, namespace, overseer, partOutputOf, partTask } from "./workload.ts";

const pollMs = 1;

export interface EventRig {
  node: BenchNode;
  /** Publishes the events of these orders, each with a call of its own; seconds until all that they led to has ended. */
  publishAll(orders: readonly number[]): Promise<number>;
  /** One after the other, each when the one before has ended; milliseconds from each call to the step that it led to. */
  publishEach(orders: readonly number[]): Promise<number[]>;
  /** What the engine writes for single events while nothing else goes on. */
  specimens(orders: readonly number[], before?: (order: number) => Promise<void>): Promise<Specimen[]>;
  stop(): Promise<void>;
}

/** Whether a flush has the ledger's row of an event. */
function routes(call: WrittenCall): boolean {
  return isFlush(call) && call.values.some((value) => typeof value === "string" && value.includes('"routed":['));
}

/** `nameOf`: of the event of an order. */
async function openRig(database: { url: string }, nameOf: (order: number) => string): Promise<EventRig> {
  let called = (_order: number): void => {};
  let calls: WrittenCall[] = [];
  let heard = false;
  const node = await startNode(database, {
    writes(call) {
      if (heard) calls.push(call);
    },
    routing: (db: Database) =>
      createRoutingSource({
        db,
        loadTriggers: loadTriggerTargets,
        loadSubscriptions: async () => ({ targets: [], goneIds: [] }),
        log: silentLogger,
      }),
    handlers: {
      ...handlers(() => {}),
      [partTask]: (input) => {
        called((input as { order: number }).order);
        return partOutputOf(input);
      },
    },
  });
  const { engine } = node;
  const eventOf = (order: number): EventInput => {
    return { namespace, pattern: nameOf(order), eventId: uuidv7(Date.now()), payload: inputOf(order) };
  };
  const resting = async (): Promise<void> => {
    while (engine.stats().residents > 0) await sleep(pollMs);
  };
  const routed = () =>
    onDatabase(
      database.url,
      async (db) => (await db.query<{ routed: number }>(sql.countRouted, [namespace]))[0]!.routed,
    );

  async function publishAll(orders: readonly number[]): Promise<number> {
    const before = await routed();
    let left = orders.length;
    const { promise, resolve } = Promise.withResolvers<void>();
    called = () => {
      if (--left === 0) resolve();
    };
    const beganAt = performance.now();
    await Promise.all(orders.map((order) => engine.publish([eventOf(order)])));
    await promise;
    await resting();
    const seconds = (performance.now() - beganAt) / 1000;
    const found = (await routed()) - before;
    if (found !== orders.length) throw new Error(`${found} of ${orders.length} events were routed`);
    return seconds;
  }

  async function publishEach(orders: readonly number[]): Promise<number[]> {
    const tookMs: number[] = [];
    for (const order of orders) {
      const { promise, resolve } = Promise.withResolvers<void>();
      called = () => resolve();
      const beganAt = performance.now();
      await engine.publish([eventOf(order)]);
      await promise;
      tookMs.push(performance.now() - beganAt);
      await resting();
    }
    return tookMs;
  }

  return {
    node,
    publishAll,
    publishEach,
    async specimens(orders, before = async () => {}) {
      const found: Specimen[] = [];
      heard = true;
      for (const order of orders) {
        calls = [];
        await before(order);
        await resting();
        const first = calls;
        calls = [];
        await publishEach([order]);
        // The step may be called before the event's own row is written, and the instance ends after it.
        while (!calls.some(routes)) await sleep(pollMs);
        await resting();
        found.push({ before: first, after: calls });
      }
      heard = false;
      return found;
    },
    stop: () => node.stop(),
  };
}

/** Each event fits one of so many triggers, which starts a workflow of one step, and has one look-up key. */
export async function openTriggerRig(database: { url: string }, triggers: number): Promise<EventRig> {
  await onDatabase(database.url, (db) => db.query(sql.insertTriggers, [namespace, triggers, child.workflowId]));
  const rig = await openRig(database, (order) => `orders.k${order % triggers}.made`);
  await rig.node.engine.startInstance({ namespace, definitionId: overseer.workflowId, input: inputOf(-1) });
  while (rig.node.engine.stats().residents > 0) await sleep(pollMs);
  return rig;
}

/** Each event resumes the one instance that waits for its order. */
export async function openWaitRig(database: {
  url: string;
}): Promise<EventRig & { addWaiters(orders: readonly number[]): Promise<void> }> {
  const rig = await openRig(database, () => "payment.received");
  const { engine } = rig.node;
  return {
    ...rig,
    async addWaiters(orders) {
      const chunk = 5_000;
      for (let from = 0; from < orders.length; from += chunk) {
        const starts = orders
          .slice(from, from + chunk)
          .map((order) =>
            engine.startInstance({ namespace, definitionId: approval.workflowId, input: inputOf(order) }),
          );
        await Promise.all(starts);
        while (engine.stats().residents > 0) await sleep(pollMs);
      }
    },
  };
}
