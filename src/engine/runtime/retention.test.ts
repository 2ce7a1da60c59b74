import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openTestDatabase } from "../../../test/support/database.ts";
import {
  countOf,
  dayMs,
  definitionId,
  inOldWeek,
  insertBelongings,
  insertHistory,
  insertInstances,
  makeOldWeeks,
  namespace,
  type OldInstance,
  oldCopyOfSleeper,
  partitionAt,
  partitionsOf,
  retentionMs,
  untilLockIsWanted,
} from "../../../test/support/old_rows.ts";
import type { Database } from "../../foundation/database/index.ts";
import { uuidv7 } from "../../foundation/ids.ts";
import { silentLogger } from "../../foundation/log.ts";
import { createEngine } from "../engine.ts";
import type { Definition } from "../machine/definition.ts";
import { abandonLane, ensurePartitions, flush, openLane } from "../queries/lanes.ts";
import { forgetEmptiness } from "../queries/retention.ts";
import { listInstances } from "../queries/views.ts";
import { keepHouse } from "./housekeeping.ts";
import { type RetentionLimits, removeOld } from "./retention.ts";

const schema = "workflow_orchestrator_service";
const instances = "workflow_instances";
const journal = "workflow_instance_steps";
const transitions = "fsm_transitions";
const never = new AbortController().signal;

let db: Database;
let drop: () => Promise<void>;

beforeAll(async () => {
  ({ db, drop } = await openTestDatabase());
});
afterAll(() => drop());

/** Small numbers, so that a test need not insert 10,000 rows to make a swap pay. */
const small: RetentionLimits = { fewExpired: 10, mostSurvivors: 100 };

async function round(limits: Partial<RetentionLimits> = small): Promise<void> {
  await removeOld({ db, log: silentLogger, retentionMs, signal: never, limits });
}

/** Another week for each test, so that they do not meet. */
let weeks = 0;
async function freshWeek(): Promise<number> {
  const atMs = inOldWeek(weeks++);
  await makeOldWeeks(db, { daysAgo: Math.ceil((Date.now() - atMs) / dayMs) });
  return atMs;
}

const finished = (count: number, atMs: number) =>
  insertInstances(db, { count, status: "COMPLETED", atMs, endedMs: atMs + 1_000 });
const sleeping = (count: number, atMs: number) => insertInstances(db, { count, status: "WAITING_FOR_EVENT", atMs });
const left = (of: readonly OldInstance[]) => countOf(db, instances, of, "id");

/** What a swap must not lose: every index of the table has a valid one in every partition. */
async function missingIndexes(): Promise<unknown[]> {
  return await db.unnamed(
    `select i.indexrelid::regclass::text as index, p.inhrelid::regclass::text as partition
     from pg_index i join pg_inherits p on p.inhparent = i.indrelid
     where i.indrelid = '${schema}.${instances}'::regclass
       and not exists (select from pg_inherits x join pg_index c on c.indexrelid = x.inhrelid
         where x.inhparent = i.indexrelid and c.indrelid = p.inhrelid and c.indisvalid)`,
  );
}

describe("partitions", () => {
  test("exist for at least a week ahead", async () => {
    await keepHouse({ db, log: silentLogger, retentionMs, signal: never });
    for (const table of [instances, journal, transitions]) {
      const parts = await partitionsOf(db, table);
      expect(Date.parse(parts.at(-1)!.endsAt)).toBeGreaterThan(Date.now() + 7 * dayMs);
      expect(Date.parse(parts[0]!.beginsAt)).toBeLessThanOrEqual(Date.now());
      // No gaps: an instant without a partition could not be written.
      for (const [index, part] of parts.slice(1).entries()) expect(part.beginsAt).toBe(parts[index]!.endsAt);
    }
  });

  test("are made by many nodes at once without an error", async () => {
    const ahead = `select ${schema}.engine_ensure_partitions(now(), now() + interval '60 days') as made`;
    const made = await Promise.all(Array.from({ length: 6 }, () => db.unnamed<{ made: number }>(ahead)));
    expect(made.flat().filter((one) => one.made > 0)).toHaveLength(1);
    await Promise.all(Array.from({ length: 6 }, () => db.query(ensurePartitions)));
  });
});

test("a week that was analyzed while it was empty is taken for a new one again, and one with rows is left alone", async () => {
  const filled = await sleeping(3, Date.now());
  await db.unnamed("analyze");
  const known = async () => {
    const parts = await partitionsOf(db, instances);
    const rows = await db.unnamed<{ rows: number }>(
      "select reltuples::int as rows from pg_class where relname = any ($1) order by relname",
      [parts.map(({ part }) => part)],
    );
    return rows.map((row) => row.rows);
  };
  expect(await known()).toContain(0);
  await db.query(forgetEmptiness);
  const after = await known();
  expect(after).toContain(-1);
  expect(after).not.toContain(0);
  expect(await left(filled)).toBe(3);
});

describe("an old week of instances", () => {
  test("is swapped for one with the survivors, with their values, indexes and bounds", async () => {
    const atMs = await freshWeek();
    const gone = await finished(200, atMs);
    const asleep = await sleeping(20, atMs);
    const endedLate = await insertInstances(db, { count: 5, status: "FAILED", atMs, endedMs: Date.now() - dayMs });
    const before = await partitionAt(db, instances, atMs);
    const read = () =>
      db.unnamed(`select * from ${schema}.${instances} where id = any ($1) order by id`, [asleep.map(({ id }) => id)]);
    const rows = await read();

    await round();

    expect(await left(gone)).toBe(0);
    expect(await left(asleep)).toBe(20);
    expect(await left(endedLate)).toBe(5);
    expect(await read()).toEqual(rows);
    expect(await partitionAt(db, instances, atMs)).toEqual(before);
    expect(await missingIndexes()).toEqual([]);
    const leftovers = await db.unnamed("select relname from pg_class where relname like '%\\_next' and relkind = 'r'");
    expect(leftovers).toEqual([]);
  });

  test("is pruned after a swap as it was before", async () => {
    const atMs = await freshWeek();
    await finished(50, atMs);
    const [one] = await sleeping(1, atMs);
    await round();
    const part = (await partitionAt(db, instances, atMs))!.part;
    const plan = await db.unnamed<{ "QUERY PLAN": string }>(
      `explain select status from ${schema}.${instances} where shard = ${one!.shard} and id = '${one!.id}'`,
    );
    const text = plan.map((line) => line["QUERY PLAN"]).join("\n");
    expect(text).toContain(part);
    expect(text.match(/workflow_instances_\d{4}w\d\d\b(?!_)/g)).toEqual([part]);
  });

  test("is dropped when nothing of it survives", async () => {
    const atMs = await freshWeek();
    const gone = await finished(3, atMs);
    await round();
    expect(await left(gone)).toBe(0);
    expect(await partitionAt(db, instances, atMs)).toBeUndefined();
  });

  test("keeps its partition and loses its expired rows when they are few, or the survivors many", async () => {
    for (const [expired, survivors] of [
      [5, 20],
      [120, 101],
    ] as const) {
      const atMs = await freshWeek();
      const gone = await finished(expired, atMs);
      const asleep = await sleeping(survivors, atMs);
      const { part } = (await partitionAt(db, instances, atMs))!;
      const oid = () => db.unnamed("select to_regclass($1)::oid as oid", [`${schema}.${part}`]);
      const before = await oid();
      await round();
      expect(await left(gone)).toBe(0);
      expect(await left(asleep)).toBe(survivors);
      expect(await oid()).toEqual(before);
    }
  });

  test("that is younger than the retention stays as it is", async () => {
    const atMs = Date.now() - 20 * dayMs;
    await makeOldWeeks(db, { daysAgo: 30 });
    const made = await finished(30, atMs);
    await round();
    expect(await left(made)).toBe(30);
  });

  test("is listed as before, without what is gone", async () => {
    const atMs = await freshWeek();
    await finished(40, atMs);
    const asleep = await sleeping(7, atMs);
    const page = (status?: "WAITING_FOR_EVENT") =>
      listInstances(db, {
        namespace,
        limit: 50,
        startedAfter: new Date(atMs - 1_000).toISOString(),
        startedBefore: new Date(atMs + 1_000).toISOString(),
        ...(status === undefined ? {} : { status: [status] }),
      });
    expect(await page()).toHaveLength(47);
    await round();
    const newestFirst = asleep
      .map(({ id }) => id)
      .sort()
      .reverse();
    expect((await page()).map(({ id }) => id)).toEqual(newestFirst);
    expect((await page("WAITING_FOR_EVENT")).map(({ id }) => id)).toEqual(newestFirst);
  });

  test("takes with it the waits, payloads and timers of those that are gone, and of no others", async () => {
    const atMs = await freshWeek();
    const gone = await finished(30, atMs);
    const asleep = await sleeping(6, atMs);
    const young = await insertInstances(db, { count: 4, status: "COMPLETED", atMs: Date.now(), endedMs: Date.now() });
    for (const some of [gone, asleep, young]) await insertBelongings(db, some);
    await round();
    for (const [table, column] of [
      ["workflow_event_subscriptions", "workflow_instance_id"],
      ["payloads", "instance_id"],
      ["timers", "instance_id"],
    ] as const) {
      expect(await countOf(db, table, gone, column), table).toBe(0);
      expect(await countOf(db, table, asleep, column), table).toBe(6);
      expect(await countOf(db, table, young, column), table).toBe(4);
    }
  });
});

describe("an old week of history", () => {
  test("is dropped with that of its instances", async () => {
    const atMs = await freshWeek();
    const gone = await finished(20, atMs);
    await insertHistory(db, gone, { atMs, seq: 1 });
    await round();
    expect(await partitionAt(db, journal, atMs)).toBeUndefined();
    expect(await partitionAt(db, transitions, atMs)).toBeUndefined();
  });

  test("stays while an instance that is not over would be folded from it, and goes when it froze", async () => {
    const atMs = await freshWeek();
    const [frozen] = await insertInstances(db, { count: 1, status: "WAITING_FOR_EVENT", atMs, stateSeq: 4 });
    const [reader] = await insertInstances(db, { count: 1, status: "RUNNING", atMs, stateSeq: 3 });
    await insertHistory(db, [frozen!, reader!], { atMs, seq: 4 });
    await round();
    expect(await countOf(db, journal, [reader!], "instance_id")).toBe(1);
    expect(await partitionAt(db, transitions, atMs)).toBeUndefined();

    await db.unnamed(`update ${schema}.${instances} set state_seq = 4 where id = $1`, [reader!.id]);
    await round();
    expect(await partitionAt(db, journal, atMs)).toBeUndefined();
    expect(await left([frozen!, reader!])).toBe(2);
  });

  test("stays for an instance that ended within the retention and is shown from it", async () => {
    const atMs = await freshWeek();
    const ended = await insertInstances(db, { count: 1, status: "COMPLETED", atMs, endedMs: Date.now() - dayMs });
    await insertHistory(db, ended, { atMs, seq: 1 });
    await round();
    expect(await countOf(db, journal, ended, "instance_id")).toBe(1);
  });
});

/** A lane of its own on all shards. */
async function openFlushes(): Promise<{ send(changed: OldInstance[]): Promise<string>; close(): Promise<void> }> {
  const laneId = uuidv7(Date.now());
  await db.execute(openLane, [laneId, laneId]);
  await db.unnamed("update cluster.shard_leases set lane_id = $1", [laneId]);
  let seq = 0;
  return {
    async send(changed) {
      const shards = [...new Set(changed.map(({ shard }) => shard))];
      const changes = changed.map(({ id, shard }) => [
        shard,
        id,
        "WAITING_FOR_EVENT",
        false,
        ...new Array(11).fill(null),
      ]);
      const values = [laneId, ++seq, laneId, shards, null, null, JSON.stringify(changes), null, null, null];
      const [answer] = await db.query<{ outcome: string }>(flush, values);
      return answer!.outcome;
    },
    async close() {
      await db.query(abandonLane, [laneId]);
    },
  };
}

async function versionsOf(of: readonly OldInstance[]): Promise<number[]> {
  const rows = await db.unnamed<{ version: number }>(
    `select version from ${schema}.${instances} where id = any ($1) order by version`,
    [of.map(({ id }) => id)],
  );
  return rows.map(({ version }) => version);
}

describe("while others work", () => {
  test("a survivor that changes after it was copied keeps the change", async () => {
    const atMs = await freshWeek();
    await finished(50, atMs);
    const asleep = await sleeping(10, atMs);
    const lane = await openFlushes();
    const reader = await db.connect();
    await reader.unnamed("begin");
    await reader.unnamed(`select count(*) from ${schema}.${instances}`);

    // Copies, and then waits for the reader; the flush gets in between two of its attempts.
    const swapping = round();
    await untilLockIsWanted(db);
    expect(await lane.send(asleep.slice(0, 4))).toBe("done");
    await reader.unnamed("commit");
    await reader.close();
    await swapping;
    await lane.close();

    expect(await versionsOf(asleep)).toEqual([1, 1, 1, 1, 1, 1, 2, 2, 2, 2]);
    expect(await left(asleep)).toBe(10);
  });

  test("no flush fails or is lost, and none waits long", async () => {
    const atMs = await freshWeek();
    const gone = await finished(5_000, atMs);
    const asleep = await sleeping(50, atMs);
    const lane = await openFlushes();
    let swapping = true;
    let flushes = 0;
    let longestMs = 0;
    const flushing = (async () => {
      while (swapping) {
        const sentMs = performance.now();
        expect(await lane.send(asleep)).toBe("done");
        longestMs = Math.max(longestMs, performance.now() - sentMs);
        flushes++;
      }
    })();
    await round();
    swapping = false;
    await flushing;
    await lane.close();
    expect(await left(gone)).toBe(0);
    expect(flushes).toBeGreaterThan(0);
    expect(await versionsOf(asleep)).toEqual(Array(50).fill(1 + flushes));
    // The law is 200 ms; the rest is for a machine that does other things beside.
    expect(longestMs).toBeLessThan(1_000);
  });

  test("two rounds at once do no harm", async () => {
    const atMs = await freshWeek();
    const dropped = await freshWeek();
    const gone = [...(await finished(300, atMs)), ...(await finished(300, dropped))];
    const asleep = await sleeping(10, atMs);
    await insertHistory(db, gone, { atMs, seq: 1 });
    await Promise.all([round(), round(), round()]);
    expect(await left(gone)).toBe(0);
    expect(await left(asleep)).toBe(10);
    expect(await partitionAt(db, instances, dropped)).toBeUndefined();
    expect(await partitionAt(db, journal, atMs)).toBeUndefined();
    expect(await missingIndexes()).toEqual([]);
  });

  test("a table that somebody keeps is left alone until the next round", async () => {
    const atMs = await freshWeek();
    const gone = await finished(50, atMs);
    const asleep = await sleeping(3, atMs);
    const reader = await db.connect();
    await reader.unnamed("begin");
    await reader.unnamed(`select count(*) from ${schema}.${instances}`);
    await round();
    expect(await left(gone)).toBe(50);
    await reader.unnamed("commit");
    await reader.close();
    await round();
    expect(await left(gone)).toBe(0);
    expect(await left(asleep)).toBe(3);
  });
});

test("an instance that slept through a swap wakes and completes", async () => {
  const definition: Definition = {
    workflowId: "sleepy",
    name: "Sleepy",
    version: "1.0.0",
    steps: [
      { stepId: "wait", type: "EVENT_WAIT", eventPattern: "go", transitions: { default: "after" } },
      { stepId: "after", type: "TASK", taskId: "echo", input: "input" },
    ],
  };
  const engine = createEngine({
    database: db,
    log: silentLogger,
    // Its own housekeeping finds nothing to do.
    retentionMs: 3_650 * dayMs,
    handlers: { get: () => (input) => input, ids: () => ["echo"] },
    definitions: {
      resolve: async () => ({ definitionId, workflowId: "sleepy" }),
      load: async () => ({ ...definition, namespace }),
    },
  });
  const atMs = await freshWeek();
  await finished(50, atMs);
  await engine.start();
  const { instanceId } = await engine.startInstance({ namespace, definitionId: "sleepy", input: { n: 7 } });
  const sleeper = await oldCopyOfSleeper(db, { instanceId, atMs });
  await insertHistory(db, [sleeper], { atMs, seq: 1 });

  await round();
  expect(await partitionAt(db, journal, atMs)).toBeUndefined();
  await engine.signal({ namespace, instanceId: sleeper.id, type: "go", payload: {} });
  const ended = await engine.waitForEnd({ namespace, instanceId: sleeper.id, timeoutMs: 10_000 });
  expect(ended).toMatchObject({ status: "COMPLETED", output: { n: 7 } });
  const listed = await engine.listInstances({ namespace, definitionId: "sleepy", status: ["COMPLETED"], limit: 10 });
  expect(listed.map(({ id }) => id)).toEqual([sleeper.id]);
  await engine.stop();
});
