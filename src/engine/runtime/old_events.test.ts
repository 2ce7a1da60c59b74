import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { openTestDatabase } from "../../../test/support/database.ts";
import { dayMs, inOldWeek, makeOldWeeks, partitionAt, retentionMs } from "../../../test/support/old_rows.ts";
import { type Database, statement } from "../../foundation/database/index.ts";
import { shardOf, uuidv7 } from "../../foundation/ids.ts";
import { silentLogger } from "../../foundation/log.ts";
import { keepHouse } from "./housekeeping.ts";

let db: Database;
let drop: () => Promise<void>;

beforeAll(async () => {
  ({ db, drop } = await openTestDatabase());
  await makeOldWeeks(db, { daysAgo: 70 });
});
afterAll(() => drop());

const round = (signal = new AbortController().signal) => keepHouse({ db, log: silentLogger, retentionMs, signal });

/** An event of a moment, with its keys, its look-up key and its line of the ledger. */
const insertEvent = statement(
  "test.insert_event",
  `with event as (
     insert into event_processing_service.event_instances (shard, id, namespace, event_id, pattern, "timestamp", payload, accepted_at)
     values ($1, $2, 'default', $2::uuid::text, 'a', $3, '{}', $3)),
   look_up as (
     insert into event_processing_service.event_match_keys (namespace, match_key, id, shard) values ('default', 'k', $2, $1)),
   keys as (
     insert into event_processing_service.event_keys (shard, namespace, source_key, event_id, id, accepted_at, expires_at)
     values ($1, 'default', '', $2::uuid::text, $2, $3, $3::timestamptz + interval '7 days'))
   insert into event_processing_service.event_routings (shard, event_id, namespace, decisions, routed_at)
   values ($1, $2, 'default', '[]', $3)`,
);
const countEvent = statement(
  "test.count_event",
  `select (select count(*) from event_processing_service.event_instances where id = $1) as events,
     (select count(*) from event_processing_service.event_match_keys where id = $1) as look_ups,
     (select count(*) from event_processing_service.event_keys where id = $1) as keys,
     (select count(*) from event_processing_service.event_routings where event_id = $1) as routings`,
);
const insertOccurrences = statement(
  "test.insert_occurrences",
  `insert into workflow_orchestrator_service.schedule_occurrences (shard, schedule_id, planned_at, status, occurred_at)
   select 1, $1, $2::timestamptz + n * interval '1 second', 'fired', $2 from generate_series(1, $3) n`,
);
const countOccurrences = statement(
  "test.count_occurrences",
  "select count(*) from workflow_orchestrator_service.schedule_occurrences where schedule_id = $1",
);

async function eventOf(atMs: number): Promise<string> {
  const id = uuidv7(atMs);
  await db.execute(insertEvent, [shardOf(id, 64), id, new Date(atMs).toISOString()]);
  return id;
}

/** Rows of the event, of its look-up key, of its deduplication key and of its ledger. */
async function rowsOf(id: string): Promise<number[]> {
  const [row] = await db.query<Record<string, number>>(countEvent, [id]);
  return [row!.events!, row!.look_ups!, row!.keys!, row!.routings!];
}

test("a week of events that is older than the retention goes with its keys and its ledger, and a younger one stays", async () => {
  const [old, older, young] = [await eventOf(inOldWeek()), await eventOf(inOldWeek(2)), await eventOf(Date.now())];
  const within = await eventOf(Date.now() - retentionMs + dayMs);
  await round();
  expect(await rowsOf(old)).toEqual([0, 0, 0, 0]);
  expect(await rowsOf(older)).toEqual([0, 0, 0, 0]);
  expect(await rowsOf(young)).toEqual([1, 1, 1, 1]);
  // Of what is within the retention only the deduplication key has expired.
  expect(await rowsOf(within)).toEqual([1, 1, 0, 1]);
  for (const table of ["event_instances", "event_match_keys", "event_routings"]) {
    expect(await partitionAt(db, table, inOldWeek())).toBeUndefined();
    expect(await partitionAt(db, table, Date.now())).toBeDefined();
  }
});

test("a week that somebody reads is left alone until the next round", async () => {
  await makeOldWeeks(db, { daysAgo: 70 });
  const old = await eventOf(inOldWeek());
  const reader = await db.connect();
  onTestFinished(() => reader.close());
  await reader.unnamed("begin");
  await reader.query(countEvent, [old]);
  await round();
  expect((await rowsOf(old))[0]).toBe(1);
  await reader.unnamed("commit");
  await round();
  expect((await rowsOf(old))[0]).toBe(0);
});

test("two rounds at once do no harm", async () => {
  await makeOldWeeks(db, { daysAgo: 70 });
  const old = await eventOf(inOldWeek());
  await Promise.all([round(), round(), round()]);
  await round();
  expect(await rowsOf(old)).toEqual([0, 0, 0, 0]);
});

test("what became of a schedule's planned times goes after the retention", async () => {
  const schedule = uuidv7(Date.now());
  const insert = (atMs: number, count: number) =>
    db.execute(insertOccurrences, [schedule, new Date(atMs).toISOString(), count]);
  await insert(Date.now() - retentionMs - dayMs, 2_500);
  await insert(Date.now() - retentionMs + dayMs, 3);
  await round();
  expect(await db.query(countOccurrences, [schedule])).toEqual([{ count: 3 }]);
});

test("nothing begins when the node stops", async () => {
  const expired = await eventOf(Date.now() - 10 * dayMs);
  await round(AbortSignal.abort());
  expect((await rowsOf(expired))[2]).toBe(1);
});
