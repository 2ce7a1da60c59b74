/**
 * Events that race with the waits for them (issue: "never missed, never twice"): one application starts instances, others
 * on the same database publish, each event before, while or after its wait is registered.
 */

import { setTimeout as sleep } from "node:timers/promises";
import { createEngine, type Definition, type Engine } from "../../src/engine/index.ts";
import { createRandom } from "../../src/engine/simulation/random.ts";
import { Database } from "../../src/foundation/database/index.ts";
import { shardOf } from "../../src/foundation/ids.ts";
import { silentLogger } from "../../src/foundation/log.ts";
import * as queries from "./queries.ts";

export interface RaceOptions {
  url: string;
  seed: number;
  /** At most so many races, and at most so long. */
  races: number;
  forMs: number;
  /** Races at once. */
  width: number;
}

export interface RaceReport {
  seed: number;
  races: number;
  /** When the event was published: before, while or after the wait was registered. */
  moments: Record<Moment, number>;
  tookMs: number;
  /** Races whose instance did not resume with its event, and what the rows break. */
  missed: number;
  broken: Record<string, number>;
}

export const moments = ["before", "during", "after"] as const;
type Moment = (typeof moments)[number];

const namespace = "default";
const definitionId = "018f0000-0000-7000-8000-00000000ace1";
const applications = 3;

/** A step that lasts as long as the race wants, and a wait that compares. */
const definition: Definition = {
  workflowId: "race",
  name: "race",
  version: "1.0.0",
  steps: [
    { stepId: "gate", type: "TASK", taskId: "gate", timeout: 60_000, transitions: { default: "paid" } },
    {
      stepId: "paid",
      type: "EVENT_WAIT",
      eventPattern: "order.paid",
      eventCondition: "event.payload.order == input.order",
    },
  ],
};

interface Application {
  database: Database;
  engine: Engine;
}

export async function runRaces(options: RaceOptions): Promise<RaceReport> {
  const random = createRandom(options.seed);
  /** By order: lets the instance go on to its wait. */
  const gates = new Map<number, PromiseWithResolvers<void>>();
  const gateOf = (order: number) => {
    const gate = gates.get(order) ?? Promise.withResolvers<void>();
    gates.set(order, gate);
    return gate;
  };
  const apps = await Promise.all(Array.from({ length: applications }, () => open(options.url, gateOf)));
  const counts: Record<Moment, number> = { before: 0, during: 0, after: 0 };
  const beganMs = performance.now();
  let next = 0;
  let missed = 0;

  async function race(order: number): Promise<boolean> {
    const moment = moments[order % moments.length]!;
    counts[moment]++;
    const starter = apps[order % applications]!;
    const publisher = apps[(order + 1) % applications]!;
    const request = { namespace, definitionId: "race", input: { order } };
    const { instanceId } = await starter.engine.startInstance(request);
    const gate = gateOf(order);
    const publish = () =>
      publisher.engine.publish([{ namespace, pattern: "order.paid", payload: { order }, eventId: `paid ${order}` }]);
    if (moment === "before") {
      await publish();
      gate.resolve();
    } else if (moment === "during") {
      const published = sleep(random.between(0, 12)).then(publish);
      gate.resolve();
      await published;
    } else {
      gate.resolve();
      await untilWaiting(publisher.database, instanceId);
      await publish();
    }
    gates.delete(order);
    const view = await starter.engine.waitForEnd({ namespace, instanceId, timeoutMs: 30_000 });
    return view?.status === "COMPLETED" && (view.output as { order: number }).order === order;
  }

  async function runner(): Promise<void> {
    while (next < options.races && performance.now() - beganMs < options.forMs) {
      if (!(await race(next++))) missed++;
    }
  }

  try {
    await Promise.all(Array.from({ length: options.width }, runner));
    const tookMs = Math.round(performance.now() - beganMs);
    const broken = await settle(apps[0]!.database);
    return { seed: options.seed, races: next, moments: counts, tookMs, missed, broken };
  } finally {
    for (const { engine, database } of apps) {
      await engine.stop();
      await database.close();
    }
  }
}

async function open(url: string, gateOf: (order: number) => PromiseWithResolvers<void>): Promise<Application> {
  const database = new Database({ url, poolSize: 6, applicationName: "race", log: silentLogger });
  const gate = async (input: unknown) => {
    await gateOf((input as { order: number }).order).promise;
    return null;
  };
  const engine = createEngine({
    database,
    log: silentLogger,
    handlers: { get: (taskId) => (taskId === "gate" ? gate : undefined), ids: () => ["gate"] },
    definitions: {
      resolve: async () => ({ definitionId, workflowId: "race" }),
      load: async () => ({ ...definition, namespace }),
    },
  });
  await engine.start();
  return { database, engine };
}

async function untilWaiting(database: Database, instanceId: string): Promise<void> {
  const shard = shardOf(instanceId, 64);
  for (;;) {
    const [row] = await database.query<{ open: boolean }>(queries.isWaiting, [shard, instanceId]);
    if (row?.open === true) return;
    await sleep(5);
  }
}

/** The rows of the last ones may still be on their way. */
async function settle(database: Database): Promise<Record<string, number>> {
  for (let tries = 0; ; tries++) {
    const [found] = await database.query<Record<string, number>>(queries.readBroken);
    const broken = Object.fromEntries(Object.entries(found!).filter(([, n]) => n > 0));
    if (Object.keys(broken).length === 0 || tries === 100) return broken;
    await sleep(100);
  }
}
