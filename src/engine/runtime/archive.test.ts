import { mkdir, readdir, readFile, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { openTestDatabase } from "../../../test/support/database.ts";
import { rigNamespace as namespace, runToEnd, startRig } from "../../../test/support/engine_rig.ts";
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
import { makeTemporaryDirectory, type TemporaryDirectory } from "../../../test/support/temporary.ts";
import type { Database, Db } from "../../foundation/database/index.ts";
import { silentLogger } from "../../foundation/log.ts";
import type { HistoryItem, LogItem } from "../contract.ts";
import { tryArchiveLock } from "../queries/archive.ts";
import { type Archive, createArchive } from "./archive.ts";
import { keepHouse } from "./housekeeping.ts";
import { removeOld } from "./retention.ts";

const schema = "workflow_orchestrator_service";
const never = new AbortController().signal;

let db: Database;
let drop: () => Promise<void>;
let directory: TemporaryDirectory;
let dir: string;
let archive: Archive;

beforeAll(async () => {
  ({ db, drop } = await openTestDatabase());
});
afterAll(() => drop());

let tests = 0;
beforeEach(async () => {
  directory ??= await makeTemporaryDirectory("millrace-archive-");
  dir = join(directory.path, `archive-${tests++}`);
  archive = createArchive({ dir, log: silentLogger });
});
afterAll(() => directory.remove());

async function round(into: Archive | undefined = archive): Promise<void> {
  await removeOld({ db, log: silentLogger, retentionMs, signal: never, limits: { fewExpired: 10 }, archive: into });
}

interface Line {
  instance: { id: string; input: unknown; output: unknown; status: string; completedAt: string };
  history: HistoryItem[];
  transitions: { event: string }[];
  log: LogItem[];
}

const filesIn = async () => (await readdir(dir).catch(() => [])).sort();

async function linesIn(files: readonly string[]): Promise<Line[]> {
  const texts = await Promise.all(
    files.map(async (name) => gunzipSync(await readFile(join(dir, name))).toString("utf8")),
  );
  return texts.flatMap((text) => {
    expect(text.endsWith("\n")).toBe(true);
    return text
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as Line);
  });
}

const idsOf = (of: readonly { id: string }[]) => of.map(({ id }) => id).sort();
const archived = async () => idsOf((await linesIn(await filesIn())).map(({ instance }) => instance));
const left = (of: readonly OldInstance[]) => countOf(db, "workflow_instances", of, "id");

let weeks = 0;
async function freshWeek(): Promise<number> {
  const atMs = inOldWeek(weeks++);
  await makeOldWeeks(db, { daysAgo: Math.ceil((Date.now() - atMs) / dayMs) });
  return atMs;
}

async function finished(count: number, what: { atMs: number; keptMs?: number }): Promise<OldInstance[]> {
  const made = await insertInstances(db, { count, status: "COMPLETED", endedMs: what.atMs + 1_000, ...what });
  await insertHistory(db, made, { atMs: what.atMs, seq: 1 });
  return made;
}

const hourAgo = () => Date.now() - 3_600_000;

/** As `instances-2026w47-….jsonl.gz`. */
async function nameAt(atMs: number): Promise<RegExp> {
  const { part } = (await partitionAt(db, "workflow_instances", atMs))!;
  return new RegExp(`^instances-${part.slice("workflow_instances_".length)}-[0-9a-f-]{36}\\.jsonl\\.gz$`);
}

describe("before they are removed, instances are written", () => {
  test("when their week is dropped", async () => {
    const atMs = await freshWeek();
    const gone = await finished(60, { atMs });
    const name = await nameAt(atMs);
    await round();
    expect(await left(gone)).toBe(0);
    expect(await filesIn()).toEqual([expect.stringMatching(name)]);
    const lines = await linesIn(await filesIn());
    expect(idsOf(lines.map(({ instance }) => instance))).toEqual(idsOf(gone));
    for (const { history, transitions, log } of lines) {
      expect(history).toMatchObject([{ seq: 1, stepId: "a", status: "COMPLETED" }]);
      expect(transitions).toMatchObject([{ event: "workflow_started" }]);
      expect(log).toMatchObject([{ message: "a line", source: "task" }]);
    }
  });

  test("when their week is swapped, and of few when it is trimmed; those that stay are not written", async () => {
    for (const [expired, survivors] of [
      [40, 5],
      [5, 5],
    ] as const) {
      const atMs = await freshWeek();
      const gone = await finished(expired, { atMs });
      const stays = await insertInstances(db, { count: survivors, status: "RUNNING", atMs });
      const before = await archived();
      await round();
      expect(await left(gone)).toBe(0);
      expect(await left(stays)).toBe(survivors);
      expect(await archived()).toEqual([...before, ...idsOf(gone)].sort());
    }
  });

  test("when their own retention has passed, by the week in which they began", async () => {
    const early = Date.now() - 8 * dayMs;
    await makeOldWeeks(db, { daysAgo: 15 });
    const gone = [
      ...(await finished(30, { atMs: hourAgo(), keptMs: 1_000 })),
      ...(await finished(3, { atMs: early, keptMs: 1_000 })),
    ];
    const stays = await finished(2, { atMs: hourAgo(), keptMs: dayMs });
    const names = [await nameAt(early), await nameAt(hourAgo())];
    await round();
    expect(await left(gone)).toBe(0);
    expect(await left(stays)).toBe(2);
    expect(await filesIn()).toEqual(names.map((name) => expect.stringMatching(name)));
    expect(await archived()).toEqual(idsOf(gone));
  });

  test("whole, as the API shows them: every row of a long history, and large values in their place", async () => {
    const big = "x".repeat(100_000);
    const engine = await startRig({
      db,
      definitions: [
        {
          workflowId: "rich",
          name: "Rich",
          version: "1.0.0",
          retention: "P1D",
          steps: [
            { stepId: "big", type: "TASK", taskId: "big", transitions: { default: "each" } },
            {
              stepId: "each",
              type: "MAP",
              items: "input.items",
              steps: [{ stepId: "talk", type: "TASK", taskId: "talk", input: "item" }],
            },
          ],
        },
      ],
      tasks: { big: () => ({ big }), talk: (input, { log }) => log.info(`item ${input}`) },
    });
    onTestFinished(() => engine.stop());
    const items = Array.from({ length: 250 }, (_, n) => n);
    const { id: instanceId } = await runToEnd(engine, "rich", { items, note: 'a "$payload" of a user, ünï' });
    const [view, history, transitions, log] = await Promise.all([
      engine.getInstance({ namespace, instanceId }),
      engine.history({ namespace, instanceId, afterSeq: 0, limit: 1_000 }),
      engine.transitions({ namespace, instanceId, limit: 100 }),
      engine.logs({ namespace, instanceId, limit: 1_000 }),
    ]);
    expect(log).toHaveLength(250);
    await db.unnamed(`update ${schema}.workflow_instances set expires_at = now() - interval '1 second' where id = $1`, [
      instanceId,
    ]);
    await round();
    expect(await engine.getInstance({ namespace, instanceId })).toBeUndefined();
    const payloads = await db.unnamed(`select from ${schema}.payloads where instance_id = $1`, [instanceId]);
    expect(payloads).toEqual([]);

    const [line] = await linesIn(await filesIn());
    const { id, input, output, status, correlationId = null } = view!;
    expect(line!.instance).toMatchObject({ id, input, output, status, correlationId, workflowId: "rich" });
    expect(Math.abs(Date.parse(line!.instance.completedAt) - Date.parse(view!.completedAt!))).toBeLessThan(1);
    const shown = line!.history.filter(({ status: of }) => of === "COMPLETED");
    const plain = ({ seq, path, input: i = null, output: o = null }: HistoryItem) => ({
      seq,
      path,
      input: i,
      output: o,
    });
    expect(shown.map(plain)).toEqual(history.filter(({ status: of }) => of === "COMPLETED").map(plain));
    expect(shown).toHaveLength(252);
    expect(shown[0]!.output).toEqual({ big });
    expect(line!.transitions.map(({ event }) => event)).toEqual(transitions.map(({ event }) => event));
    expect(line!.log.map(({ id: of, message }) => [of, message])).toEqual(
      log.map(({ id: of, message }) => [of, message]),
    );
  });

  test("though two nodes keep house at the same time", async () => {
    const gone = await finished(300, { atMs: hourAgo(), keptMs: 1_000 });
    const other = createArchive({ dir, log: silentLogger });
    await Promise.all([round(archive), round(other)]);
    expect(await left(gone)).toBe(0);
    expect([...new Set(await archived())]).toEqual(idsOf(gone));
  });
});

describe("nothing is removed that was not written", () => {
  test("where the directory cannot be written to", async () => {
    await mkdir(directory.path, { recursive: true });
    await writeFile(dir, "a file");
    const atMs = await freshWeek();
    const some = await finished(20, { atMs });
    await expect(round()).rejects.toThrow();
    expect(await left(some)).toBe(20);
    expect(await countOf(db, "workflow_instance_steps", some, "instance_id")).toBe(20);
    const young = await finished(20, { atMs: hourAgo(), keptMs: 1_000 });
    await expect(round()).rejects.toThrow();
    expect(await left(young)).toBe(20);
    await round(createArchive({ dir: `${dir}-other`, log: silentLogger }));
    expect(await left([...some, ...young])).toBe(0);
  });

  test("and a file that could not be finished leaves nothing behind", async () => {
    const some = await finished(20, { atMs: hourAgo(), keptMs: 1_000 });
    const broken: Db = {
      query: (statement, values) =>
        statement.name === "engine.read_archived_logs"
          ? Promise.reject(new Error("the line is cut"))
          : db.query(statement, values),
      execute: (statement, values) => db.execute(statement, values),
      unnamed: (text, values) => db.unnamed(text, values),
    };
    const options = { log: silentLogger, retentionMs, signal: never, archive };
    await expect(removeOld({ ...options, db: broken })).rejects.toThrow("the line is cut");
    expect(await filesIn()).toEqual([]);
    expect(await left(some)).toBe(20);
    await round();
    expect(await archived()).toEqual(idsOf(some));
  });

  test("of a week that cannot be had it is written once, however often it is tried, and its history stays", async () => {
    const atMs = await freshWeek();
    const gone = await finished(30, { atMs });
    const reader = await db.connect();
    await reader.unnamed("begin");
    await reader.unnamed(`select count(*) from ${schema}.workflow_instances`);
    for (let tries = 0; tries < 2; tries++) {
      await round();
      expect(await left(gone)).toBe(30);
      expect(await countOf(db, "workflow_instance_steps", gone, "instance_id")).toBe(30);
    }
    await reader.unnamed("commit");
    await reader.close();
    await round();
    expect(await left(gone)).toBe(0);
    expect(await filesIn()).toHaveLength(1);
    expect(await archived()).toEqual(idsOf(gone));
    expect(await countOf(db, "workflow_instance_steps", gone, "instance_id")).toBe(0);
  });

  test("when the node dies between writing and removing, the next one writes again", async () => {
    const atMs = await freshWeek();
    const gone = await finished(30, { atMs });
    const { beginsAt, endsAt } = (await partitionAt(db, "workflow_instances", atMs))!;
    const [now] = await db.unnamed<{ at: string; horizon: string }>(
      "select now() as at, now() - interval '30 days' as horizon",
    );
    await archive.writeWeek(db, { beginsAt, endsAt, ...now!, signal: never });
    expect(await archived()).toEqual(idsOf(gone));
    await round(createArchive({ dir, log: silentLogger }));
    expect(await left(gone)).toBe(0);
    expect(await filesIn()).toHaveLength(2);
    expect([...new Set(await archived())]).toEqual(idsOf(gone));
  });
});

test("one node at a time removes what it writes, and the lock goes with its connection", async () => {
  const gone = await finished(3, { atMs: hourAgo(), keptMs: 1_000 });
  const first = await db.connect();
  const second = await db.connect();
  expect(await first.query(tryArchiveLock)).toEqual([{ got: true }]);
  expect(await second.query(tryArchiveLock)).toEqual([{ got: false }]);
  const house = { db, log: silentLogger, retentionMs, signal: never, archive };
  await keepHouse({ ...house, mayRemove: false });
  expect(await left(gone)).toBe(3);
  await first.close();
  expect(await second.query(tryArchiveLock)).toEqual([{ got: true }]);
  await keepHouse({ ...house, mayRemove: true });
  expect(await left(gone)).toBe(0);
  await second.close();
});

test("partial files of nodes that are gone are removed, and those of others are not", async () => {
  await mkdir(dir, { recursive: true });
  const [old, young] = ["a.jsonl.gz.partial", "b.jsonl.gz.partial"].map((name) => join(dir, name)) as [string, string];
  await writeFile(old, "");
  await writeFile(young, "");
  await utimes(old, new Date(Date.now() - 2 * dayMs), new Date(Date.now() - 2 * dayMs));
  await finished(1, { atMs: hourAgo(), keptMs: 1_000 });
  await round();
  expect((await filesIn()).filter((name) => name.endsWith(".partial"))).toEqual(["b.jsonl.gz.partial"]);
});

test("a node with a directory for it keeps an archive by itself", async () => {
  const gone = await finished(3, { atMs: hourAgo(), keptMs: 1_000 });
  await insertBelongings(db, gone);
  const engine = await startRig({ db, definitions: [], archiveDir: dir, retentionMs });
  onTestFinished(() => engine.stop());
  while ((await left(gone)) > 0) await new Promise((resolve) => setTimeout(resolve, 20));
  expect(await archived()).toEqual(idsOf(gone));
});
