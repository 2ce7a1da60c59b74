/** Puts many instances to sleep: lets the engine do so with one of each kind, then copies what it wrote. */
import { setTimeout as sleep } from "node:timers/promises";
import { startNode } from "./node.ts";
import * as sql from "./queries.ts";
import { type BenchDatabase, onDatabase } from "./server.ts";
import { inputOf, namespace, sleeper, waiter } from "./workload.ts";

/** So many copies at a time. */
const chunk = 10_000;
const pollMs = 20;

/** Half of them sleep by a timer, half for an event. */
export async function addSleepers(database: BenchDatabase, count: number): Promise<void> {
  const node = await startNode(database);
  const specimens: string[] = [];
  for (const { workflowId } of [sleeper, waiter]) {
    const { instanceId } = await node.engine.startInstance({ namespace, definitionId: workflowId, input: inputOf(1) });
    specimens.push(instanceId);
  }
  await onDatabase(database.url, async (db) => {
    const resting = async () => (await db.query<{ resting: number }>(sql.countResting, [specimens]))[0]!.resting;
    while ((await resting()) < specimens.length) await sleep(pollMs);
  });
  await node.stop();

  await onDatabase(database.url, async (db) => {
    const each = Math.ceil(count / specimens.length);
    for (const specimen of specimens) {
      for (let made = 0; made < each; made += chunk) {
        await db.query(sql.copySleeper, [specimen, made, Math.min(chunk, each - made), each]);
        await db.execute(sql.restCopies, [specimen]);
      }
    }
    for (const text of sql.settleTexts) await db.unnamed(text);
  });
}
