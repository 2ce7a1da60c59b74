/** The limit of events is only worth comparing with if it writes what the engine writes. */
import { afterEach, expect, test } from "vitest";
import { createTestDatabase, type TestDatabase } from "../test/support/database.ts";
import { runEventLimit, type Specimen } from "./support/event_limit.ts";
import { type EventRig, openTriggerRig, openWaitRig } from "./support/event_rig.ts";
import * as sql from "./support/queries.ts";
import { onDatabase } from "./support/server.ts";

const made: TestDatabase[] = [];

afterEach(async () => {
  for (const database of made.splice(0)) await database.drop();
});

async function newDatabase(): Promise<TestDatabase> {
  const database = await createTestDatabase();
  made.push(database);
  return database;
}

type Written = Record<string, number>;
const written = (url: string) => onDatabase(url, async (db) => (await db.query<Written>(sql.countWritten))[0]!);

/** What one event leaves, by the engine. */
async function byEngine(
  open: (database: TestDatabase) => Promise<EventRig>,
  specimensOf: (rig: EventRig) => Promise<Specimen[]>,
): Promise<{ rows: Written; specimens: Specimen[] }> {
  const database = await newDatabase();
  const rig = await open(database);
  // With the first event the node hears by what events are looked up.
  await specimensOf(rig);
  const before = await written(database.url);
  const specimens = await specimensOf(rig);
  const after = await written(database.url);
  await rig.stop();
  return { rows: difference(after, before), specimens };
}

async function byLimit(specimens: Specimen[]): Promise<Written> {
  const { url } = await newDatabase();
  const [less, more] = [await counted(url, { specimens, count: 1 }), await counted(url, { specimens, count: 2 })];
  // Each run warms up by as much.
  return difference(more, less);
}

async function counted(url: string, what: { specimens: Specimen[]; count: number }): Promise<Written> {
  const before = await written(url);
  await runEventLimit({ url }, what);
  return difference(await written(url), before);
}

const difference = (after: Written, before: Written): Written =>
  Object.fromEntries(Object.entries(after).map(([table, count]) => [table, count - before[table]!]));

test("of an event that starts a workflow it writes what the engine writes", async () => {
  const { rows, specimens } = await byEngine(
    (database) => openTriggerRig(database, 3),
    (rig) => rig.specimens([1]),
  );
  expect(rows).toMatchObject({
    events: 1,
    keys: 1,
    // By what the wait compares, and by its pattern alone.
    look_ups: 2,
    routings: 1,
    inbox: 0,
    completed: 1,
    steps: 1,
    waits: 0,
  });
  expect(await byLimit(specimens)).toEqual(rows);
});

test("of an event that ends a wait it writes what the engine writes", async () => {
  const { rows, specimens } = await byEngine(openWaitRig, (rig) =>
    rig.specimens([1], (order) => (rig as Awaited<ReturnType<typeof openWaitRig>>).addWaiters([order])),
  );
  expect(rows).toMatchObject({
    events: 1,
    keys: 1,
    look_ups: 1,
    routings: 1,
    inbox: 0,
    completed: 1,
    // The wait's beginning and end, and the step after it.
    steps: 3,
    waits: 1,
  });
  expect(await byLimit(specimens)).toEqual(rows);
});
