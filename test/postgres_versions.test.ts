/**
 * Every supported PostgreSQL takes the migrations, gives them back, and takes them again.
 *
 * The binaries of the older versions come from npm, as optional dependencies under an alias for this machine's
 * platform; where one is not installed, its test shows as skipped.
 */
import { describe, expect, test } from "vitest";
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

  test.runIf(installed)(`takes all migrations${installed ? "" : ` (${packageName} is not installed)`}`, async () => {
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
    } finally {
      await db.close();
      await postgres.stop();
      await directory.remove();
    }
  });
});

/** The table of the migrations themselves stays when all are taken back. */
function withoutBookkeeping(snapshot: string): string {
  return snapshot.replace(/\n*create table public\.schema_migrations \([^;]*;/, "");
}
