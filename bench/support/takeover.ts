/**
 * How long it takes until the work of a killed node goes on elsewhere.
 *
 * A second program starts a node and some workflows whose second step never ends there, and is killed with SIGKILL. The
 * node in this process waits out its lease, takes its shards, folds what was under way and runs it to the end.
 */
import { fork } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { startNode } from "./node.ts";
import * as sql from "./queries.ts";
import { type BenchDatabase, onDatabase } from "./server.ts";
import { namespace } from "./workload.ts";

/** Short, so that most of what is measured is the takeover and not the wait for it. */
export const takeoverLeaseMs = 2_000;
const pollMs = 5;
const patienceMs = 60_000;

/** What the victim says when all it started is under way. */
export interface VictimReport {
  instanceIds: string[];
}

/** Milliseconds from the kill until every workflow that was under way has completed. */
export async function takeOver(database: BenchDatabase): Promise<number> {
  const victim = fork(new URL("victim.ts", import.meta.url), [database.url], {
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  const gone = once(victim, "exit");
  const { instanceIds } = await new Promise<VictimReport>((resolve, reject) => {
    victim.once("message", (report: VictimReport) => resolve(report));
    gone.then(() => reject(new Error("the node that was to be killed ended by itself")), reject);
  });
  const node = await startNode(database, { leaseMs: takeoverLeaseMs });
  // It has taken its half of the shards when the two have agreed; the rest must come from the dead.
  await until(() => node.engine.stats().shards > 0);
  await sleep(takeoverLeaseMs);
  const beganAt = performance.now();
  victim.kill("SIGKILL");
  await gone;
  await onDatabase(database.url, async (db) => {
    await until(async () => {
      const [row] = await db.query<{ completed: number }>(sql.countCompleted, [instanceIds]);
      return row!.completed === instanceIds.length;
    });
  });
  const tookMs = performance.now() - beganAt;
  await node.stop();
  return tookMs;
}

async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  const giveUpAt = performance.now() + patienceMs;
  while (!(await holds())) {
    if (performance.now() > giveUpAt)
      throw new Error(`the takeover did not end within ${patienceMs} ms (${namespace})`);
    await sleep(pollMs);
  }
}
