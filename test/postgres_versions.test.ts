/**
 * Every supported PostgreSQL takes the migrations, gives them back, takes them again, and runs workflows.
 *
 * The binaries of the older versions come from npm, as optional dependencies under an alias for this machine's
 * platform; where one is not installed, its test shows as skipped.
 */
import { describe, expect, test } from "vitest";
import { removeOld } from "../src/engine/runtime/retention.ts";
import {
  checkServer,
  Database,
  migrateDown,
  migrateUp,
  migrationStatus,
  readMigrations,
} from "../src/foundation/database/index.ts";
import { silentLogger } from "../src/foundation/log.ts";
import { binariesRoot, startEmbeddedPostgres } from "../src/foundation/postgres/index.ts";
import { createMillrace, TaskError } from "../src/index.ts";
import {
  countOf,
  dayMs,
  inOldWeek,
  insertHistory,
  insertInstances,
  makeOldWeeks,
  retentionMs,
} from "./support/old_rows.ts";
import { readSchemaSnapshot } from "./support/schema_snapshot.ts";
import { makeTemporaryDirectory } from "./support/temporary.ts";

const versions: { major: number; packageName: string | undefined }[] = [
  { major: 15, packageName: "pg15" },
  { major: 16, packageName: "pg16" },
  { major: 17, packageName: "pg17" },
  { major: 18, packageName: undefined },
];

describe.each(versions)("PostgreSQL $major", ({ major, packageName }) => {
  const installed = packageName === undefined || binariesRoot(packageName) !== undefined;

  test.runIf(installed)(
    `takes all migrations and runs workflows${installed ? "" : ` (${packageName} is not installed)`}`,
    async () => {
      const directory = await makeTemporaryDirectory(`millrace-pg${major}-`);
      const postgres = await startEmbeddedPostgres({
        dataDir: directory.path,
        binaries: packageName,
        log: silentLogger,
      });
      const db = new Database({ url: postgres.url, log: silentLogger });
      try {
        expect(await checkServer(db)).toMatchObject({ major });
        const names = (await readMigrations()).map(({ name }) => name);
        const empty = await readSchemaSnapshot(db);

        expect(await migrateUp(db)).toEqual(names);
        const full = await readSchemaSnapshot(db);
        expect(await migrateDown(db, { to: "0" })).toEqual(names.toReversed());
        const emptied = await readSchemaSnapshot(db);
        expect(await migrateUp(db)).toEqual(names);

        expect(withoutBookkeeping(emptied)).toBe(withoutBookkeeping(empty));
        expect(await readSchemaSnapshot(db)).toBe(full);
        expect((await migrationStatus(db)).every(({ state }) => state === "applied")).toBe(true);
        await runWorkflows(postgres.url);
        await retireOldWeek(db);
      } finally {
        await db.close();
        await postgres.stop();
        await directory.remove();
      }
    },
  );
});

/** Of an old week those stay whose own retention is longer, with their history; the rest goes, and so do young ones of a shorter. */
async function retireOldWeek(db: Database): Promise<void> {
  const atMs = inOldWeek();
  await makeOldWeeks(db, { daysAgo: Math.ceil((Date.now() - atMs) / dayMs) });
  const old = { count: 20, status: "COMPLETED", atMs, endedMs: atMs + 1_000 };
  const gone = await insertInstances(db, old);
  const kept = await insertInstances(db, { ...old, count: 3, keptMs: 365 * dayMs });
  for (const some of [gone, kept]) await insertHistory(db, some, { atMs, seq: 1 });
  const hourAgo = Date.now() - 3_600_000;
  const brief = await insertInstances(db, { ...old, atMs: hourAgo, endedMs: hourAgo, keptMs: 1_000 });
  const limits = { fewExpired: 10 };
  await removeOld({ db, log: silentLogger, retentionMs, signal: new AbortController().signal, limits });
  for (const [table, column] of [
    ["workflow_instances", "id"],
    ["workflow_instance_steps", "instance_id"],
    ["audit.fsm_transitions", "entity_id"],
    ["execution_logs", "instance_id"],
  ] as const) {
    expect(await countOf(db, table, [...gone, ...brief], column), table).toBe(0);
    expect(await countOf(db, table, kept, column), table).toBe(3);
  }
}

/** Starts with and without keys, tasks, delays, waits, signals and a compensation: each flush function's every part. */
async function runWorkflows(databaseUrl: string): Promise<void> {
  const millrace = createMillrace({
    databaseUrl,
    tasks: {
      echo: (input) => input,
      refuse: () => {
        throw new TaskError({ code: "REFUSED", category: "BUSINESS", message: "no" });
      },
    },
    workflows: [
      {
        workflowId: "journey",
        name: "Journey",
        timeout: "PT1H",
        steps: [
          { stepId: "begin", type: "TASK", taskId: "echo", transitions: { default: "rest" } },
          { stepId: "rest", type: "DELAY", delay: 50, transitions: { default: "word" } },
          {
            stepId: "word",
            type: "EVENT_WAIT",
            eventPattern: "word.*",
            transitions: { conditions: [{ condition: "steps.word.output.well", nextStep: "end" }], default: "refuse" },
          },
          { stepId: "end", type: "TASK", taskId: "echo", input: { number: "${input.number}" } },
          { stepId: "refuse", type: "TASK", taskId: "refuse" },
        ],
        compensationSteps: [{ stepId: "undo", compensationFor: "begin", type: "TASK", taskId: "echo" }],
      },
    ],
  });
  await millrace.start();
  try {
    const numbers = Array.from({ length: 40 }, (_, number) => number);
    const started = await Promise.all(
      numbers.map((number) =>
        millrace.startInstance({
          definitionId: "journey",
          input: { number, ...(number === 7 ? { long: "x".repeat(100_000) } : {}) },
          ...(number % 2 === 0 ? { idempotencyKey: `journey-${number}` } : {}),
        }),
      ),
    );
    const signal = (id: string, number: number) =>
      millrace.signal(id, { type: "word.given", payload: { well: number % 4 !== 0 } });
    await Promise.all(started.map(({ instanceId }, number) => signal(instanceId, number)));
    for (const [number, { instanceId }] of started.entries()) {
      const ended = await millrace.waitForEnd(instanceId, { timeoutMs: 30_000 });
      if (number % 4 !== 0) expect(ended).toMatchObject({ status: "COMPLETED", output: { number } });
      else expect(ended).toMatchObject({ status: "FAILED", compensationState: { completed: ["undo"] } });
    }
  } finally {
    await millrace.stop();
  }
}

/** The table of the migrations themselves stays when all are taken back. */
function withoutBookkeeping(snapshot: string): string {
  return snapshot.replace(/\n*create table public\.schema_migrations \([^;]*;/, "");
}
