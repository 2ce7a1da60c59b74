/**
 * Writes `src/migrations/snapshot.sql`: the schema that the migrations make, in a PostgreSQL that lives only for this.
 */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Database, migrateUp, projectMigrations } from "../src/foundation/database/index.ts";
import { createLogger } from "../src/foundation/log.ts";
import { startEmbeddedPostgres } from "../src/foundation/postgres/index.ts";
import { readSchemaSnapshot } from "../test/support/schema_snapshot.ts";
import { makeTemporaryDirectory } from "../test/support/temporary.ts";

const log = createLogger({ level: "warn" });
const directory = await makeTemporaryDirectory("millrace-snapshot-");
const postgres = await startEmbeddedPostgres({ dataDir: directory.path, log });
try {
  const db = new Database({ url: postgres.url, log });
  await migrateUp(db);
  const path = join(projectMigrations, "snapshot.sql");
  await writeFile(path, await readSchemaSnapshot(db));
  await db.close();
  console.log(`${path} is written.`);
} finally {
  await postgres.stop();
  await directory.remove();
}
