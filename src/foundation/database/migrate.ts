/**
 * Brings the schema of a database to the state that this program was written for, and back.
 *
 * One line of history: migrations are applied in the order of their versions and recorded in
 * `public.schema_migrations`. Programs that start side by side take turns by a session lock, on the connection that
 * also runs the migrations, so losing the lock and stopping are the same event.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { Db } from "./client.ts";
import type { Connection } from "./connection.ts";
import type { Database } from "./database.ts";
import { databaseErrors } from "./errors.ts";
import { type Migration, type MigrationScript, readMigrations, statementsOf } from "./migration_files.ts";
import {
  beginText,
  commitText,
  createMigrationsTableText,
  forgetMigration,
  hasMigrationsTableText,
  listAppliedMigrations,
  recordMigration,
  releaseMigrationLock,
  rollbackText,
  tryMigrationLock,
} from "./queries.ts";

export interface MigrationStatus {
  version: string;
  description: string;
  breaking: boolean;
  /** `changed`: applied, but the file differs by now; `unknown`: applied by a program newer than this one. */
  state: "applied" | "pending" | "changed" | "unknown";
  /** ISO 8601; undefined when pending. */
  appliedAt: string | undefined;
}

export interface MigrateOptions {
  /** Folder of the files; the project's own by default. */
  folder?: string;
}

interface AppliedRow {
  version: string;
  appliedAt: string;
  description: string;
  checksum: string;
  breaking: boolean;
}

/**
 * Applies what is pending, up to and including `to`, and gives the names of what was applied.
 *
 * Refuses, before changing anything, a database with changed (`database.migration_changed`) or breaking unknown
 * (`database.migration_unknown`) migrations. A failing migration is rolled back and those before it stay; one without
 * a transaction may leave a part behind and is not recorded.
 */
export async function migrateUp(db: Database, options: MigrateOptions & { to?: string } = {}): Promise<string[]> {
  const migrations = await readMigrations(options.folder);
  const last = options.to === undefined ? "9999" : versionIn(migrations, options.to);
  return await withMigrationLock(db, async (connection) => {
    await connection.unnamed(createMigrationsTableText);
    const pending = pendingOf(migrations, await connection.query<AppliedRow>(listAppliedMigrations));
    const wanted = pending.filter(({ version }) => version <= last);
    for (const migration of wanted) {
      const { version, description, checksum, breaking } = migration;
      await run({ connection, name: `${migration.name}.up.sql`, script: migration.up }, (inside) =>
        inside.execute(recordMigration, [version, description, checksum, breaking]),
      );
    }
    return wanted.map(({ name }) => name);
  });
}

/**
 * Takes migrations back, newest first: `steps` of them, or all after `to` (which stays; `0` takes everything back).
 * Gives the names of what was taken back. What this program does not know it cannot take back, and refuses.
 */
export async function migrateDown(
  db: Database,
  options: MigrateOptions & ({ to: string } | { steps: number }),
): Promise<string[]> {
  const migrations = await readMigrations(options.folder);
  return await withMigrationLock(db, async (connection) => {
    const newestFirst = (await readApplied(connection)).reverse();
    const doomed =
      "steps" in options
        ? newestFirst.slice(0, options.steps)
        : newestFirst.filter(({ version }) => version > versionIn(migrations, options.to));
    const known = doomed.map(({ version, description }) => {
      const migration = migrations.find((candidate) => candidate.version === version);
      if (migration === undefined) {
        throw databaseErrors.migration_unknown(
          `This program does not know migration ${version} (${description}), so it cannot take it back.`,
        );
      }
      return migration;
    });
    for (const { name, version, down } of known) {
      await run({ connection, name: `${name}.down.sql`, script: down }, (inside) =>
        inside.execute(forgetMigration, [version]),
      );
    }
    return known.map(({ name }) => name);
  });
}

/** What is applied and what is not, by version. Changes nothing; works on a database that was never migrated. */
export async function migrationStatus(db: Db, options: MigrateOptions = {}): Promise<MigrationStatus[]> {
  const migrations = await readMigrations(options.folder);
  const applied = await readApplied(db);
  const unknown = applied.filter(({ version }) => migrations.every((migration) => migration.version !== version));
  const rows: MigrationStatus[] = unknown.map(({ version, description, breaking, appliedAt }) => {
    return { version, description, breaking, state: "unknown", appliedAt };
  });
  for (const { version, description, breaking, checksum } of migrations) {
    const row = applied.find((candidate) => candidate.version === version);
    const state = row === undefined ? "pending" : row.checksum === checksum ? "applied" : "changed";
    rows.push({ version, description, breaking, state, appliedAt: row?.appliedAt });
  }
  return rows.sort((a, b) => (a.version < b.version ? -1 : 1));
}

async function readApplied(db: Db): Promise<AppliedRow[]> {
  const [table] = await db.unnamed<{ present: boolean }>(hasMigrationsTableText);
  return table?.present ? await db.query<AppliedRow>(listAppliedMigrations) : [];
}

/** What is not applied yet, after checking that program and database belong together. */
function pendingOf(migrations: Migration[], applied: AppliedRow[]): Migration[] {
  for (const row of applied) {
    const migration = migrations.find(({ version }) => version === row.version);
    if (migration === undefined && row.breaking) {
      throw databaseErrors.migration_unknown(
        `The database holds migration ${row.version} (${row.description}), which this program does not know and which ` +
          "older programs cannot work with. Use the newer release.",
      );
    }
    if (migration !== undefined && migration.checksum !== row.checksum) {
      throw databaseErrors.migration_changed(
        `Migration ${migration.name} was applied at ${row.appliedAt}, and its file has changed since. ` +
          "Restore the file, and put the change into a new migration.",
      );
    }
  }
  const pending = migrations.filter(({ version }) => applied.every((row) => row.version !== version));
  const newest = migrations.filter((migration) => !pending.includes(migration)).at(-1);
  const skipped = pending.find(({ version }) => newest !== undefined && version < newest.version);
  if (skipped !== undefined && newest !== undefined) {
    throw databaseErrors.migration_invalid(
      `Migration ${skipped.name} is not applied although the later ${newest.name} is. ` +
        "Give it a version after all that are applied.",
    );
  }
  return pending;
}

/** Finds the version that a person means by `1`, `0001` or `0001_engine`; `0` is before the first. */
function versionIn(migrations: Migration[], wanted: string): string {
  const version = /^\d+$/.test(wanted) ? wanted.padStart(4, "0") : wanted.slice(0, 4);
  const known = version === "0000" || migrations.some((one) => one.version === version);
  if (!known || (!/^\d+$/.test(wanted) && migrations.every(({ name }) => name !== wanted))) {
    throw databaseErrors.migration_invalid(
      `There is no migration "${wanted}"; there are ${migrations.map(({ name }) => name).join(", ") || "none"}.`,
    );
  }
  return version;
}

/** Runs a script and then `record`, in one transaction unless the script forbids it. */
async function run(
  { connection, name, script }: { connection: Connection; name: string; script: MigrationScript },
  record: (inside: Db) => Promise<unknown>,
): Promise<void> {
  const texts = script.inTransaction ? [beginText, script.text] : statementsOf(script.text);
  try {
    for (const text of texts) {
      await connection.unnamed(text);
    }
    await record(connection);
    if (script.inTransaction) {
      await connection.unnamed(commitText);
    }
  } catch (cause) {
    if (script.inTransaction && connection.alive) {
      await connection.unnamed(rollbackText).catch(() => undefined);
    }
    const reason = cause instanceof Error ? cause.message : String(cause);
    const where = script.inTransaction ? lineOf(script.text, cause) : "";
    throw databaseErrors.migration_invalid(`${name} failed${where}: ${reason}`, { cause });
  }
}

/** The server tells the character at which a statement is wrong; people want the line. */
function lineOf(text: string, error: unknown): string {
  const position = Number(typeof error === "object" && error !== null ? Reflect.get(error, "position") : undefined);
  return Number.isInteger(position) && position > 0 ? ` at line ${text.slice(0, position - 1).split("\n").length}` : "";
}

const lockPollMs = 50;

/**
 * Asks for the lock again and again: a session that waits for it inside a statement would hold a snapshot, and
 * `create index concurrently` of the one who has the lock would wait for that, for ever.
 */
async function withMigrationLock<T>(db: Database, work: (connection: Connection) => Promise<T>): Promise<T> {
  const connection = await db.connect();
  try {
    while (!(await connection.query<{ locked: boolean }>(tryMigrationLock))[0]?.locked) {
      await sleep(lockPollMs);
    }
    const result = await work(connection);
    await connection.query(releaseMigrationLock);
    return result;
  } finally {
    await connection.close();
  }
}
