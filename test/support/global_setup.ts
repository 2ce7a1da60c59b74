/**
 * Runs once before all tests: one embedded PostgreSQL in a temporary directory, with a migrated database that test
 * files clone. Everything is gone afterwards.
 */
import type { TestProject } from "vitest/node";
import { Database, migrateUp } from "../../src/foundation/database/index.ts";
import { silentLogger } from "../../src/foundation/log.ts";
import { startEmbeddedPostgres } from "../../src/foundation/postgres/index.ts";
import { makeTemporaryDirectory } from "./temporary.ts";

declare module "vitest" {
  interface ProvidedContext {
    postgres: {
      /** The server's own database; test databases are made through it. */
      url: string;
      /** The migrated database that is cloned. */
      template: string;
      /** Why there is no template: tests that need none still run. */
      failure: string | undefined;
    };
  }
}

const template = "millrace_template";

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const directory = await makeTemporaryDirectory("millrace-tests-");
  const postgres = await startEmbeddedPostgres({ dataDir: directory.path, log: silentLogger });
  const failure = await makeTemplate(postgres.url).then(
    () => undefined,
    (error: unknown) => (error instanceof Error ? error.message : String(error)),
  );
  project.provide("postgres", { url: postgres.url, template, failure });
  return async () => {
    await postgres.stop();
    await directory.remove();
  };
}

async function makeTemplate(url: string): Promise<void> {
  const server = new Database({ url, log: silentLogger });
  await server.unnamed(`create database ${template}`);
  await server.close();
  const migrated = new URL(url);
  migrated.pathname = `/${template}`;
  const database = new Database({ url: migrated.toString(), log: silentLogger });
  await migrateUp(database);
  await database.close();
}
