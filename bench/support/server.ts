/**
 * The PostgreSQL that the benchmarks run on: a private one with every durability setting as the program ships it, or
 * the one in `DATABASE_URL`. Either way each run gets a database of its own.
 */
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { Database, migrateUp } from "../../src/foundation/database/index.ts";
import { silentLogger } from "../../src/foundation/log.ts";
import { type EmbeddedPostgres, startEmbeddedPostgres } from "../../src/foundation/postgres/index.ts";
import * as sql from "./queries.ts";

export interface BenchServer {
  kind: "embedded" | "given";
  version: string;
  /** On a database that no workload uses, so that what it does is not counted. */
  admin: Database;
  has: { statements: boolean; wal: boolean };
  /** A migrated database, or an empty one. */
  createDatabase(options?: { empty?: boolean }): Promise<BenchDatabase>;
  /** Drops every database that was made, and stops the server if it is private. */
  stop(): Promise<void>;
}

export interface BenchDatabase {
  /** It has the project's tables. */
  migrated: boolean;
  name: string;
  url: string;
  drop(): Promise<void>;
}

const longestGoodbyeMs = 2_000;
const goodbyePollMs = 10;

const template = `millrace_bench_${process.pid}`;

export async function startServer(): Promise<BenchServer> {
  const given = process.env.DATABASE_URL;
  return given === undefined ? await startPrivate() : await serve({ kind: "given", url: given, close: async () => {} });
}

/** Two starts: the library that counts statements can only be loaded by the first process of the server. */
async function startPrivate(): Promise<BenchServer> {
  const parent = fileURLToPath(new URL("../../.millrace/", import.meta.url));
  await mkdir(parent, { recursive: true });
  const dataDir = await mkdtemp(join(parent, "bench-"));
  let postgres: EmbeddedPostgres | undefined;
  const close = async (): Promise<void> => {
    await postgres?.stop();
    await rm(dataDir, { recursive: true, force: true, maxRetries: 5 });
  };
  const start = async (texts: readonly string[]): Promise<EmbeddedPostgres> => {
    postgres = await startEmbeddedPostgres({ dataDir, log: silentLogger });
    await onDatabase(postgres.url, async (db) => {
      for (const text of texts) await db.unnamed(text);
    });
    return postgres;
  };
  try {
    await (await start(sql.prepareServerTexts)).stop();
    const { url } = await start(sql.createExtensionsTexts);
    return await serve({ kind: "embedded", url, close });
  } catch (error) {
    await close();
    throw error;
  }
}

async function serve(given: { kind: BenchServer["kind"]; url: string; close(): Promise<void> }): Promise<BenchServer> {
  const admin = new Database({ url: given.url, poolSize: 2, applicationName: "millrace bench", log: silentLogger });
  const extensions = new Set((await admin.query<{ name: string }>(sql.readExtensions)).map(({ name }) => name));
  const [server] = await admin.query<{ version: string }>(sql.readVersion);
  await admin.unnamed(sql.createDatabaseText({ name: template, template: "template0" }));
  const made = new Set<string>([template]);
  await onDatabase(urlOf(given.url, template), (db) => migrateUp(db));

  const drop = async (name: string): Promise<void> => {
    made.delete(name);
    await untilLeft(admin, name);
    await admin.unnamed(sql.dropDatabaseText(name));
  };
  let count = 0;
  return {
    kind: given.kind,
    version: server!.version,
    admin,
    has: { statements: extensions.has("pg_stat_statements"), wal: extensions.has("pg_walinspect") },
    async createDatabase({ empty = false } = {}) {
      const name = `${template}_${++count}`;
      await admin.unnamed(sql.createDatabaseText({ name, template: empty ? "template0" : template }));
      made.add(name);
      return { migrated: !empty, name, url: urlOf(given.url, name), drop: () => drop(name) };
    },
    async stop() {
      for (const name of [...made]) await drop(name);
      await admin.close();
      await given.close();
    },
  };
}

/** Waits a moment for connections that were closed on this side; the server ends those that stay. */
async function untilLeft(admin: Database, name: string): Promise<void> {
  for (let waitedMs = 0; waitedMs < longestGoodbyeMs; waitedMs += goodbyePollMs) {
    const [row] = await admin.query<{ connections: number }>(sql.countConnections, [name]);
    if (row!.connections === 0) return;
    await sleep(goodbyePollMs);
  }
}

function urlOf(url: string, name: string): string {
  const own = new URL(url);
  own.pathname = `/${name}`;
  return own.toString();
}

/** Runs `work` on a connection of its own to `url`. */
export async function onDatabase<T>(url: string, work: (db: Database) => Promise<T>): Promise<T> {
  const db = new Database({ url, poolSize: 1, applicationName: "millrace bench", log: silentLogger });
  try {
    return await work(db);
  } finally {
    await db.close();
  }
}
