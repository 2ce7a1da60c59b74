/** Retention as definitions say it: shorter than the node's, and longer. */

import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { openTestDatabase } from "../../../test/support/database.ts";
import {
  rigNamespace as namespace,
  runToEnd,
  startRig,
  rigStep as step,
  rigWorkflow as workflow,
} from "../../../test/support/engine_rig.ts";
import {
  countOf,
  dayMs,
  inOldWeek,
  insertBelongings,
  insertHistory,
  insertInstances,
  makeOldWeeks,
  type OldInstance,
  partitionAt,
  retentionMs,
} from "../../../test/support/old_rows.ts";
import type { Database } from "../../foundation/database/index.ts";
import { silentLogger } from "../../foundation/log.ts";
import { deleteInstances, readExpired } from "../queries/retention.ts";
import { removeOld } from "./retention.ts";

const schema = "workflow_orchestrator_service";
const instances = "workflow_instances";
const journal = "workflow_instance_steps";
const logs = "execution_logs";
const never = new AbortController().signal;

/** Everything that belongs to an instance, and by which column. */
const belongings: readonly [table: string, column: string][] = [
  [journal, "instance_id"],
  ["audit.fsm_transitions", "entity_id"],
  [logs, "instance_id"],
  ["workflow_event_subscriptions", "workflow_instance_id"],
  ["payloads", "instance_id"],
];

let db: Database;
let drop: () => Promise<void>;

beforeAll(async () => {
  ({ db, drop } = await openTestDatabase());
});
afterAll(() => drop());

async function round(): Promise<void> {
  await removeOld({
    db,
    log: silentLogger,
    retentionMs,
    signal: never,
    limits: { fewExpired: 10, mostSurvivors: 100 },
  });
}

const left = (of: readonly OldInstance[]) => countOf(db, instances, of, "id");

/** Instances of a moment that ended at once, with all that belongs to them. */
async function finished(count: number, what: { atMs: number; keptMs?: number }): Promise<OldInstance[]> {
  const { atMs, keptMs } = what;
  const made = await insertInstances(db, {
    count,
    status: "COMPLETED",
    atMs,
    endedMs: atMs + 1_000,
    ...(keptMs === undefined ? {} : { keptMs }),
  });
  await insertHistory(db, made, { atMs, seq: 1 });
  return made;
}

async function rowsOf(of: readonly OldInstance[]): Promise<number[]> {
  const counts: number[] = [];
  for (const [table, column] of belongings) counts.push(await countOf(db, table, of, column));
  return counts;
}

describe("an instance whose own retention is shorter than the node's", () => {
  const hourAgo = () => Date.now() - 3_600_000;

  test("goes when that has passed, with everything of its own, and nothing else goes", async () => {
    const gone = await finished(450, { atMs: hourAgo(), keptMs: 60_000 });
    const stays = [
      ...(await finished(3, { atMs: hourAgo(), keptMs: dayMs })),
      ...(await finished(3, { atMs: hourAgo() })),
      ...(await insertInstances(db, { count: 3, status: "RUNNING", atMs: hourAgo(), keptMs: 60_000 })),
    ];
    await insertHistory(db, stays.slice(6), { atMs: hourAgo(), seq: 1 });
    for (const some of [gone, stays]) await insertBelongings(db, some);
    await round();
    expect(await left(gone)).toBe(0);
    expect(await rowsOf(gone)).toEqual([0, 0, 0, 0, 0]);
    expect(await left(stays)).toBe(9);
    expect(await rowsOf(stays)).toEqual([9, 9, 9, 9, 9]);
  });

  test("takes a history of any length with it", async () => {
    const [long] = await finished(1, { atMs: hourAgo(), keptMs: 60_000 });
    await db.unnamed(
      `insert into ${schema}.workflow_instance_steps (shard, instance_id, seq, path, step_id, type, attempt, status, started_at, node_id, epoch)
       select $1, $2, n, 'a', 'a', 'TASK', 1, 'COMPLETED', now(), 'node', 1 from generate_series(2, 25000) n`,
      [long!.shard, long!.id],
    );
    await round();
    expect(await left([long!])).toBe(0);
    expect(await rowsOf([long!])).toEqual([0, 0, 0, 0, 0]);
  });

  test("stays with its history when it changed since it was looked at", async () => {
    const [retried, gone] = await finished(2, { atMs: hourAgo(), keptMs: 60_000 });
    const at = new Date().toISOString();
    const page = await db.query<OldInstance & { version: number }>(readExpired, [at, "2026-01-01T00:00:00Z", 10]);
    expect(page.map(({ id }) => id).sort()).toEqual([retried!.id, gone!.id].sort());
    await db.unnamed(`update ${schema}.${instances} set version = version + 1 where id = $1`, [retried!.id]);
    const columns = [page.map(({ shard }) => shard), page.map(({ id }) => id), page.map(({ version }) => version)];
    const [answer] = await db.query(deleteInstances, [...columns, at, 100]);
    expect(answer).toEqual({ shards: [gone!.shard], ids: [gone!.id], more: false });
    expect(await rowsOf([gone!])).toEqual([0, 0, 0, 0, 0]);
    expect(await rowsOf([retried!])).toEqual([1, 1, 1, 0, 0]);
    await round();
  });

  test("goes once, when several nodes keep house at the same time", async () => {
    const gone = await finished(1_000, { atMs: hourAgo(), keptMs: 60_000 });
    const stays = await finished(5, { atMs: hourAgo(), keptMs: dayMs });
    await Promise.all([round(), round(), round()]);
    expect(await left(gone)).toBe(0);
    expect(await rowsOf(gone)).toEqual([0, 0, 0, 0, 0]);
    expect(await left(stays)).toBe(5);
  });
});

describe("a line of the log with a retention of its own", () => {
  test("goes when that has passed, and its instance stays", async () => {
    const engine = await startRig({
      db,
      definitions: [
        workflow("brief", [step("talk")], { executionLog: { retention: "PT1H" } }),
        workflow("lasting", [step("talk")], { executionLog: { retention: "P1D" } }),
      ],
      tasks: { talk: (_input, { log }) => log.info("said") },
    });
    onTestFinished(() => engine.stop());
    const ids = [await runToEnd(engine, "brief"), await runToEnd(engine, "lasting")].map(({ id }) => id);
    const lines = async () => {
      const counts = await Promise.all(ids.map((instanceId) => engine.logs({ namespace, instanceId, limit: 10 })));
      return counts.map((items) => items.length);
    };
    expect(await lines()).toEqual([1, 1]);
    await db.unnamed(
      `update ${schema}.${logs} set expires_at = expires_at - interval '61 minutes' where instance_id = any ($1)`,
      [ids],
    );
    await round();
    expect(await lines()).toEqual([0, 1]);
    for (const instanceId of ids) expect(await engine.getInstance({ namespace, instanceId })).toBeDefined();
  });
});

/** Weeks that are old for the node, each for one test. */
let weeks = 0;
async function freshWeek(): Promise<number> {
  const atMs = inOldWeek(weeks++);
  await makeOldWeeks(db, { daysAgo: Math.ceil((Date.now() - atMs) / dayMs) });
  return atMs;
}

/** Nobody wants these weeks any more: the next test begins with none. */
async function forget(some: readonly OldInstance[]): Promise<void> {
  await db.unnamed(`delete from ${schema}.${instances} where id = any ($1::uuid[])`, [some.map(({ id }) => id)]);
}

describe("an instance whose own retention is longer than the node's", () => {
  const year = 365 * dayMs;
  const history = [journal, "fsm_transitions", logs];

  async function historyAt(atMs: number): Promise<(string | undefined)[]> {
    return await Promise.all(history.map(async (table) => (await partitionAt(db, table, atMs))?.part));
  }

  test("survives its week with its history, of which only its own is left", async () => {
    const atMs = await freshWeek();
    const gone = await finished(50, { atMs });
    const kept = await finished(5, { atMs, keptMs: year });
    const before = await historyAt(atMs);
    await round();
    expect(await left(gone)).toBe(0);
    expect(await left(kept)).toBe(5);
    expect((await rowsOf(gone)).slice(0, 3)).toEqual([0, 0, 0]);
    expect((await rowsOf(kept)).slice(0, 3)).toEqual([5, 5, 5]);
    expect(await historyAt(atMs)).toEqual(before);
    const leftovers = await db.unnamed("select relname from pg_class where relname like '%\\_next' and relkind = 'r'");
    expect(leftovers).toEqual([]);
    await forget(kept);
    await round();
    expect(await historyAt(atMs)).toEqual([undefined, undefined, undefined]);
  });

  test("goes with the rest of its week when the longest retention has passed", async () => {
    const atMs = await freshWeek();
    const age = Date.now() - atMs;
    const [soon] = await finished(1, { atMs, keptMs: age - dayMs });
    const [later] = await finished(1, { atMs, keptMs: age + 3 * dayMs });
    await round();
    // Its own time is over, but all of the week goes in three days.
    expect(await left([soon!, later!])).toBe(2);
    expect((await rowsOf([soon!, later!])).slice(0, 3)).toEqual([2, 2, 2]);
    await db.unnamed(`update ${schema}.${instances} set expires_at = now() - interval '1 second' where id = $1`, [
      later!.id,
    ]);
    await round();
    expect(await partitionAt(db, instances, atMs)).toBeUndefined();
    expect(await historyAt(atMs)).toEqual([undefined, undefined, undefined]);
  });

  test("goes before its week when others of it are kept for much longer", async () => {
    const atMs = await freshWeek();
    const gone = await finished(20, { atMs, keptMs: Date.now() - atMs - 9 * dayMs });
    const kept = await finished(5, { atMs, keptMs: year });
    await round();
    expect(await left(gone)).toBe(0);
    expect((await rowsOf(gone)).slice(0, 3)).toEqual([0, 0, 0]);
    expect(await left(kept)).toBe(5);
    expect((await rowsOf(kept)).slice(0, 3)).toEqual([5, 5, 5]);
    await forget(kept);
    await round();
  });

  test("keeps the history of its own retention while it is not over", async () => {
    const atMs = await freshWeek();
    const [reader] = await insertInstances(db, {
      count: 1,
      status: "WAITING_FOR_EVENT",
      atMs,
      stateSeq: 9,
      keptMs: year,
    });
    const [plain] = await insertInstances(db, { count: 1, status: "WAITING_FOR_EVENT", atMs, stateSeq: 9 });
    await insertHistory(db, [reader!, plain!], { atMs, seq: 1 });
    await round();
    expect((await rowsOf([reader!])).slice(0, 3)).toEqual([1, 1, 1]);
    expect((await rowsOf([plain!])).slice(0, 3)).toEqual([0, 0, 0]);
    await forget([reader!, plain!]);
    await round();
  });

  test("does not make a week be written anew again and again", async () => {
    const atMs = await freshWeek();
    const kept = await finished(60, { atMs, keptMs: year });
    const [part] = await historyAt(atMs);
    const oid = async () =>
      (await db.unnamed<{ oid: number }>("select to_regclass($1)::oid as oid", [`${schema}.${part}`]))[0]!.oid;
    await round();
    const untouched = await oid();
    // A third is not needed: it is taken out, because that has not been done before.
    await forget(kept.slice(0, 20));
    await round();
    const thinned = await oid();
    expect(thinned).not.toBe(untouched);
    expect((await rowsOf(kept.slice(0, 20))).slice(0, 3)).toEqual([0, 0, 0]);
    // A week later it may be again; so soon only when most of it is not needed.
    await forget(kept.slice(20, 30));
    await round();
    expect(await oid()).toBe(thinned);
    await forget(kept.slice(30, 50));
    await round();
    expect(await oid()).not.toBe(thinned);
    expect((await rowsOf(kept)).slice(0, 3)).toEqual([10, 10, 10]);
    await forget(kept);
    await round();
  });

  test("leaves the tables as they were: indexes, bounds, and plans that find one week", async () => {
    const atMs = await freshWeek();
    await finished(20, { atMs });
    const kept = await finished(2, { atMs, keptMs: year });
    await round();
    for (const table of [
      "workflow_orchestrator_service.workflow_instance_steps",
      "audit.fsm_transitions",
      "workflow_orchestrator_service.execution_logs",
    ]) {
      const missing = await db.unnamed(
        `select i.indexrelid::regclass::text as index, p.inhrelid::regclass::text as partition
         from pg_index i join pg_inherits p on p.inhparent = i.indrelid
         where i.indrelid = $1::regclass
           and not exists (select from pg_inherits x join pg_index c on c.indexrelid = x.inhrelid
             where x.inhparent = i.indexrelid and c.indrelid = p.inhrelid and c.indisvalid)`,
        [table],
      );
      expect(missing, table).toEqual([]);
    }
    const part = (await partitionAt(db, journal, atMs))!.part;
    const plan = await db.unnamed<{ "QUERY PLAN": string }>(
      `explain select from ${schema}.${journal} where recorded_at = '${new Date(atMs).toISOString()}' and shard = 1`,
    );
    const text = plan.map((line) => line["QUERY PLAN"]).join("\n");
    expect(text.match(/workflow_instance_steps_\d{4}w\d\d\b(?!_)/g)).toEqual([part]);
    await forget(kept);
    await round();
  });

  test("is left alone with its history while somebody reads, until the next round", async () => {
    const atMs = await freshWeek();
    const gone = await finished(20, { atMs });
    const kept = await finished(2, { atMs, keptMs: year });
    const reader = await db.connect();
    await reader.unnamed("begin");
    await reader.unnamed(`select count(*) from ${schema}.${journal}`);
    await round();
    expect(await left(gone)).toBe(0);
    expect((await rowsOf(gone))[0]).toBe(20);
    await reader.unnamed("commit");
    await reader.close();
    await round();
    expect((await rowsOf(gone))[0]).toBe(0);
    expect((await rowsOf(kept))[0]).toBe(2);
    await forget(kept);
    await round();
  });
});
