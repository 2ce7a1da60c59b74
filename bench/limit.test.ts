/** The limit is only worth comparing with if it writes what the engine writes. */
import { afterEach, expect, test } from "vitest";
import { createTestDatabase, type TestDatabase } from "../test/support/database.ts";
import { openLimit } from "./limit.ts";
import { startNode } from "./support/node.ts";
import * as sql from "./support/queries.ts";
import { onDatabase } from "./support/server.ts";
import { stepIds } from "./support/workload.ts";

const workflows = 3;
const made: TestDatabase[] = [];

afterEach(async () => {
  for (const database of made.splice(0)) await database.drop();
});

async function written(work: (url: string) => Promise<void>): Promise<Record<string, unknown[]>> {
  const database = await createTestDatabase();
  made.push(database);
  await work(database.url);
  return await onDatabase(database.url, async (db) => ({
    instances: await db.query(sql.readWrittenInstances),
    steps: await db.query(sql.readWrittenSteps),
    transitions: await db.query(sql.readWrittenTransitions),
    tallies: await db.query(sql.readWrittenTallies),
  }));
}

test("the limit program writes the rows that the engine writes for the same workflows", async () => {
  const byLimit = await written(async (url) => {
    const limit = await openLimit({ url });
    await limit.run({ count: workflows, concurrency: 2 });
    await limit.close();
  });
  const byEngine = await written(async (url) => {
    const node = await startNode({ url });
    await node.runAll(workflows);
    await node.stop();
  });
  expect(byLimit).toEqual(byEngine);
  expect(byLimit.steps).toHaveLength(workflows * stepIds.length);
  expect(byLimit.transitions).toHaveLength(workflows * 2);
  expect(byLimit.tallies).toMatchObject([{ n: workflows }, { n: workflows }]);
});
