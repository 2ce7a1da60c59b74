/** Databases for tests, on the one PostgreSQL that `global_setup.ts` started. */
import { randomBytes } from "node:crypto";
import { inject } from "vitest";
import { Database } from "../../src/foundation/database/index.ts";
import { silentLogger } from "../../src/foundation/log.ts";

export interface TestDatabase {
  url: string;
  /** Disconnects whoever is still connected, and removes the database. */
  drop(): Promise<void>;
}

/**
 * Makes a database for one test file: a clone of the migrated template, or an empty one. About 50 ms; a test that
 * needs a place of its own inside it takes a namespace.
 */
export async function createTestDatabase({ empty = false } = {}): Promise<TestDatabase> {
  const { url, template, failure } = inject("postgres");
  if (failure !== undefined && !empty) {
    throw new Error(`There is no migrated database to clone: ${failure}`);
  }
  const name = `test_${process.pid}_${randomBytes(4).toString("hex")}`;
  await onServer(url, `create database ${name} template ${empty ? "template0" : template}`);
  const own = new URL(url);
  own.pathname = `/${name}`;
  return { url: own.toString(), drop: () => onServer(url, `drop database if exists ${name} with (force)`) };
}

/** A `Database` on a test database of its own; `drop` closes it too. */
export async function openTestDatabase(options: { empty?: boolean; poolSize?: number } = {}): Promise<{
  db: Database;
  url: string;
  drop(): Promise<void>;
}> {
  const { url, drop } = await createTestDatabase(options);
  const db = new Database({ url, poolSize: options.poolSize, log: silentLogger });
  return {
    db,
    url,
    async drop() {
      await db.close();
      await drop();
    },
  };
}

async function onServer(url: string, text: string): Promise<void> {
  const server = new Database({ url, poolSize: 1, applicationName: "test support", log: silentLogger });
  try {
    await server.unnamed(text);
  } finally {
    await server.close();
  }
}
