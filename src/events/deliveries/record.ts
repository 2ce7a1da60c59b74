/** Outcomes on their way to the database: those that come while a statement is under way share the next one. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Db } from "../../foundation/database/index.ts";
import type { Logger } from "../../foundation/log.ts";
import * as queries from "./queries.ts";

export interface Recorder {
  add(outcome: queries.OutcomeRow): void;
  /** Resolves when all that was added is recorded or given up. */
  settled(): Promise<void>;
}

const mostAtOnce = 500;
const patienceMs = 30_000;
const pauseMs = 500;

/**
 * `after` is called after each commit, with the subscriptions that have failed for too long. A database that does not
 * answer is asked again for half a minute; then the outcomes are given up, their claims run out, and they are sent again.
 */
export function createRecorder(parts: {
  db: Db;
  nodeId: string;
  log: Logger;
  after(hopeless: { id: string; failingSince: string }[]): Promise<void>;
}): Recorder {
  const { db, nodeId, log, after } = parts;
  let waiting: queries.OutcomeRow[] = [];
  let running: Promise<void> | undefined;

  async function run(): Promise<void> {
    while (waiting.length > 0) {
      const batch = waiting.slice(0, mostAtOnce);
      waiting = waiting.slice(mostAtOnce);
      const hopeless = await record(batch);
      await after(hopeless).catch((error: unknown) => log.warn({ err: error }, "after recording deliveries"));
    }
    running = undefined;
  }

  async function record(batch: queries.OutcomeRow[]): Promise<{ id: string; failingSince: string }[]> {
    const untilMs = performance.now() + patienceMs;
    for (;;) {
      try {
        return await db.query(queries.recordDeliveries, [nodeId, JSON.stringify(batch)]);
      } catch (error) {
        if (performance.now() > untilMs) {
          log.error(
            { err: error, outcomes: batch.length },
            "outcomes of deliveries were not recorded; they are sent again",
          );
          return [];
        }
        await sleep(pauseMs);
      }
    }
  }

  return {
    add(outcome) {
      waiting.push(outcome);
      running ??= Promise.resolve().then(run);
    },
    settled: async () => {
      while (running !== undefined) await running;
    },
  };
}
