import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openTestDatabase } from "../../../test/support/database.ts";
import { makeTemporaryDirectory, type TemporaryDirectory } from "../../../test/support/temporary.ts";
import { silentLogger } from "../log.ts";
import { Database } from "./database.ts";
import { migrateDown, migrateUp, migrationStatus } from "./migrate.ts";
import { readMigrations } from "./migration_files.ts";

let db: Database;
let url: string;
let drop: () => Promise<void>;
let directory: TemporaryDirectory;
let folder: string;

beforeEach(async () => {
  ({ db, url, drop } = await openTestDatabase({ empty: true }));
  directory = await makeTemporaryDirectory("millrace-migrations-");
  folder = directory.path;
  await write("0001_notes", "create table notes (id int primary key, text text);", "drop table notes;");
  await write(
    "0002_search",
    "create index concurrently notes_text on notes (text);\ncreate index concurrently notes_both on notes (id, text);",
    "drop index concurrently notes_text;\ndrop index concurrently notes_both;",
    { transaction: "none" },
  );
});
afterEach(async () => {
  await drop();
  await directory.remove();
});

async function write(name: string, up: string, down: string, head: Record<string, string> = {}): Promise<void> {
  const lines = (all: Record<string, string>): string =>
    Object.entries(all)
      .map(([key, value]) => `-- ${key}: ${value}\n`)
      .join("");
  await writeFile(join(folder, `${name}.up.sql`), `${lines({ description: `makes ${name}`, ...head })}\n${up}\n`);
  const { transaction } = head;
  await writeFile(join(folder, `${name}.down.sql`), `${lines(transaction ? { transaction } : {})}\n${down}\n`);
}

async function relations(): Promise<string[]> {
  const rows = await db.unnamed<{ name: string }>(
    "select relname as name from pg_class where relnamespace = 'public'::regnamespace order by 1",
  );
  return rows.map(({ name }) => name);
}

const bookkeeping = ["schema_migrations", "schema_migrations_pkey"];
const first = ["notes", "notes_pkey"];
const second = ["notes_both", "notes_text"];

test("migrating up applies what is pending, once, and records it", async () => {
  expect(await migrateUp(db, { folder })).toEqual(["0001_notes", "0002_search"]);
  expect(await relations()).toEqual([...first, ...second, ...bookkeeping].sort());
  expect(await migrateUp(db, { folder })).toEqual([]);
  expect(await migrationStatus(db, { folder })).toEqual([
    expect.objectContaining({ version: "0001", description: "makes 0001_notes", breaking: false, state: "applied" }),
    expect.objectContaining({ version: "0002", state: "applied", appliedAt: expect.stringMatching(/^\d{4}-.*Z$/) }),
  ]);
});

test("the status of a database that was never migrated is all pending, and asking changes nothing", async () => {
  const states = (await migrationStatus(db, { folder })).map(({ state }) => state);
  expect([states, await relations()]).toEqual([["pending", "pending"], []]);
});

test("migrating stops where it is told to, and goes back as far as it is told to", async () => {
  expect(await migrateUp(db, { folder, to: "1" })).toEqual(["0001_notes"]);
  expect(await migrateUp(db, { folder, to: "0002_search" })).toEqual(["0002_search"]);
  expect(await migrateDown(db, { folder, steps: 1 })).toEqual(["0002_search"]);
  expect(await relations()).toEqual([...first, ...bookkeeping].sort());
  expect(await migrateUp(db, { folder })).toEqual(["0002_search"]);
  expect(await migrateDown(db, { folder, to: "0" })).toEqual(["0002_search", "0001_notes"]);
  expect(await relations()).toEqual(bookkeeping);
  await expect(migrateUp(db, { folder, to: "7" })).rejects.toThrow(/no migration "7".*0001_notes, 0002_search/);
});

test("a failing migration leaves nothing behind and names its line; those before it stay", async () => {
  await write("0003_broken", "create table half (a int);\ninsert into half values ('x');", "drop table half;");
  await expect(migrateUp(db, { folder })).rejects.toThrow(/0003_broken\.up\.sql failed at line 4: .*integer/);
  expect(await relations()).toEqual([...first, ...second, ...bookkeeping].sort());
  await write("0003_broken", "create table half (a int);", "drop table half;");
  expect(await migrateUp(db, { folder })).toEqual(["0003_broken"]);
});

test("programs that start side by side migrate once", async () => {
  const others = Array.from({ length: 4 }, () => new Database({ url, log: silentLogger }));
  const applied = await Promise.all(others.map((other) => migrateUp(other, { folder })));
  expect(applied.flat().sort()).toEqual(["0001_notes", "0002_search"]);
  await Promise.all(others.map((other) => other.close()));
});

test("an applied migration whose file has changed is refused", async () => {
  await migrateUp(db, { folder });
  await write("0001_notes", "create table notes (id bigint primary key, text text);", "drop table notes;");
  await expect(migrateUp(db, { folder })).rejects.toMatchObject({
    code: "database.migration_changed",
    message: expect.stringMatching(/0001_notes was applied at .* its file has changed/),
  });
  expect((await migrationStatus(db, { folder })).map(({ state }) => state)).toEqual(["changed", "applied"]);
});

test("line ends of another system are not a change", async () => {
  await migrateUp(db, { folder });
  const [before] = await readMigrations(folder);
  await writeFile(join(folder, "0001_notes.up.sql"), before!.up.text.replaceAll("\n", "\r\n"));
  expect(await migrateUp(db, { folder })).toEqual([]);
});

test("an older program accepts a newer schema that breaks nothing, and refuses one that breaks it", async () => {
  await write("0003_more", "create table more (a int);", "drop table more;");
  await write("0004_other", "drop table notes;", "create table notes (id int);", { breaking: "true" });
  await migrateUp(db, { folder, to: "3" });
  await forget("0003_more", "0004_other");
  expect(await migrateUp(db, { folder })).toEqual([]);
  expect((await migrationStatus(db, { folder })).at(-1)).toMatchObject({ version: "0003", state: "unknown" });
  await expect(migrateDown(db, { folder, steps: 1 })).rejects.toMatchObject({ code: "database.migration_unknown" });

  await write("0003_more", "create table more (a int);", "drop table more;");
  await write("0004_other", "drop table notes;", "create table notes (id int);", { breaking: "true" });
  await migrateUp(db, { folder });
  await forget("0003_more", "0004_other");
  await expect(migrateUp(db, { folder })).rejects.toMatchObject({
    code: "database.migration_unknown",
    message: expect.stringMatching(/0004 \(makes 0004_other\).*Use the newer release/),
  });
});

async function forget(...names: string[]): Promise<void> {
  for (const name of names) {
    await rm(join(folder, `${name}.up.sql`));
    await rm(join(folder, `${name}.down.sql`));
  }
}

test("a migration that was put in before an applied one is refused", async () => {
  await forget("0001_notes");
  await write("0002_search", "create table search (a int);", "drop table search;");
  await migrateUp(db, { folder });
  await write("0001_late", "create table late (a int);", "drop table late;");
  await expect(migrateUp(db, { folder })).rejects.toThrow(/0001_late is not applied although the later 0002_search is/);
});

test("files that contradict each other are refused", async () => {
  await writeFile(join(folder, "0003_alone.up.sql"), "-- description: has no way back\nselect 1;");
  await expect(readMigrations(folder)).rejects.toThrow("0003_alone.down.sql is missing.");
  await write("0003_alone", "select 1;", "select 1;", { breaking: "yes" });
  await expect(readMigrations(folder)).rejects.toThrow(/"yes" is not a value of "breaking"/);
  await write("0003_twice", "select 1;", "select 1;");
  await expect(readMigrations(folder)).rejects.toThrow(/0003 is used twice/);
});
