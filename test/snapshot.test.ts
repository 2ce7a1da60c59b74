import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { projectMigrations } from "../src/foundation/database/index.ts";
import { openTestDatabase } from "./support/database.ts";
import { readSchemaSnapshot } from "./support/schema_snapshot.ts";

test("the committed snapshot is the schema that the migrations make", async () => {
  const committed = await readFile(join(projectMigrations, "snapshot.sql"), "utf8");
  const { db, drop } = await openTestDatabase();
  const made = await readSchemaSnapshot(db);
  await drop();
  expect(made, "run `npm run db:snapshot` and look at the difference").toBe(committed);
});
