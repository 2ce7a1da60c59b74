/**
 * The private PostgreSQL of a program that was given no `DATABASE_URL`.
 *
 * In the data directory: `lock` and `pid` (who uses it), `postgres/` (the server's data), `postgres.json` (how to
 * connect, readable by the owner only).
 */
import { readFile, rename, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import pg from "pg";
import { Database, sqlStateOf } from "../database/index.ts";
import type { Logger } from "../log.ts";
import { chooseAccount, placeData } from "./account.ts";
import { findBinaries } from "./binaries.ts";
import { databaseName, ensureCluster, userName } from "./cluster.ts";
import { isDataDirLocked, lockDataDir } from "./lock.ts";
import { choosePort } from "./port.ts";
import { endOrphans } from "./processes.ts";
import { createDatabaseText } from "./queries.ts";
import { type Ending, Server } from "./server.ts";

export interface EmbeddedPostgresOptions {
  /** Created where needed. One program at a time may use it. */
  dataDir: string;
  log: Logger;
  /** The npm package with the binaries, where it is not the one of this platform: tests of other versions. */
  binaries?: string;
  /** Behave as on a machine that refuses user namespaces: the test of that way. */
  refuseNamespaces?: boolean;
}

export interface EmbeddedPostgres {
  /** Connection string with the password; valid until `stop()`, also over restarts of the server. */
  readonly url: string;
  readonly port: number;
  /** Of PostgreSQL: `18.4`. */
  readonly version: string;
  /** The pid of the server's main process; undefined while it is being restarted. */
  readonly pid: number | undefined;
  /** Whether this start made the data directory. */
  readonly created: boolean;
  /** Calls `listener` whenever the server dies under the living program. It is restarted by itself. */
  onExit(listener: (ending: Ending) => void): void;
  /** Stops the server, then gives the data directory free. */
  stop(): Promise<void>;
}

const startAttempts = 3;

/**
 * Starts PostgreSQL on a free loopback port, making its data directory at the first start.
 *
 * Refuses with `postgres.data_dir_in_use` when another program lives on `dataDir`. A server that a killed program left
 * running is stopped first. About 1 s the first time, 0.1 s later; longer when it has to recover from a crash.
 */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const { log } = options;
  const dataDir = resolve(options.dataDir);
  const lock = lockDataDir(dataDir);
  try {
    const found = await findBinaries({ packageName: options.binaries, spareDir: dataDir });
    const account = await chooseAccount(found, { refuseNamespaces: options.refuseNamespaces });
    const place = await placeData({ dataDir, account });
    await endOrphans({ place, account, log });
    const major = Number.parseInt(found.version, 10);
    const { password, created } = await ensureCluster({ place, account, major });
    const server = await startSomewhere({ wanted: (await readConnection(dataDir))?.port, place, account, log });
    try {
      const url = connectionString({ password, port: server.port });
      await ensureDatabase({ url, log });
      await writeConnection(dataDir, { url, port: server.port, version: found.version });
      return {
        url,
        port: server.port,
        version: found.version,
        created,
        get pid() {
          return server.pid;
        },
        onExit: (listener) => server.onExit(listener),
        async stop() {
          await server.stop();
          lock.release();
        },
      };
    } catch (error) {
      await server.stop();
      throw error;
    }
  } catch (error) {
    lock.release();
    throw error;
  }
}

/** The connection string of the embedded server of another program that lives on `dataDir`, if there is one. */
export async function runningPostgresUrl(dataDir: string): Promise<string | undefined> {
  const connection = await readConnection(resolve(dataDir));
  return connection !== undefined && isDataDirLocked(resolve(dataDir)) ? connection.url : undefined;
}

/**
 * Starts the server on the port it had last time, else on another. Between finding a port free and using it another
 * program can take it; and a backend of a killed server can hold its memory for a moment. Both pass: try again.
 */
async function startSomewhere({
  wanted,
  ...options
}: {
  wanted: number | undefined;
  place: string;
  account: Awaited<ReturnType<typeof chooseAccount>>;
  log: Logger;
}): Promise<Server> {
  for (let attempt = 1; ; attempt++) {
    const port = await choosePort(wanted);
    const server = new Server({ ...options, port });
    try {
      await server.start();
      return server;
    } catch (error) {
      if (attempt === startAttempts) {
        throw error;
      }
      options.log.debug({ err: error }, "the embedded PostgreSQL did not start; trying again");
      await endOrphans(options);
    }
  }
}

function connectionString({ password, port }: { password: string; port: number }): string {
  return `postgres://${userName}:${password}@127.0.0.1:${port}/${databaseName}`;
}

/** The server begins with a database called "postgres"; ours is made when it is not there. */
async function ensureDatabase({ url, log }: { url: string; log: Logger }): Promise<void> {
  const applicationName = "millrace start";
  const own = new Database({ url, applicationName, poolSize: 1, log });
  try {
    await (await own.connect()).close();
  } catch (error) {
    if (sqlStateOf(error) !== "3D000") {
      throw error;
    }
    const first = new URL(url);
    first.pathname = "/postgres";
    const connection = await new Database({ url: first.toString(), applicationName, poolSize: 1, log }).connect();
    await connection.unnamed(createDatabaseText(pg.escapeIdentifier(databaseName)));
    await connection.close();
  }
}

interface ConnectionFile {
  url: string;
  port: number;
  version: string;
}

const connectionFile = "postgres.json";

/** Stays after a stop, for the port; who wants to connect asks `runningPostgresUrl`. */
async function writeConnection(dataDir: string, connection: ConnectionFile): Promise<void> {
  const path = join(dataDir, connectionFile);
  await writeFile(`${path}.new`, `${JSON.stringify(connection, null, 2)}\n`, { mode: 0o600 });
  await rename(`${path}.new`, path);
}

async function readConnection(dataDir: string): Promise<ConnectionFile | undefined> {
  try {
    const connection: ConnectionFile = JSON.parse(await readFile(join(dataDir, connectionFile), "utf8"));
    return connection;
  } catch {
    return undefined;
  }
}
