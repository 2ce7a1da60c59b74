/**
 * The pool of connections that everything but lanes, beats and listeners uses.
 *
 * Prepared statements, READ COMMITTED transactions, and clients that leave the pool when their line is broken. The
 * server may go and come back at any time: a statement under way then fails with an error for which
 * `isConnectionLost` holds, and the next one opens a new connection.
 */
import pg from "pg";
import type { Logger } from "../log.ts";
import { type ClientOptions, clientOptions, type Db, dbOver, type Row } from "./client.ts";
import { type Connection, openConnection } from "./connection.ts";
import { databaseErrors } from "./errors.ts";
import { beginText, commitText, rollbackText } from "./queries.ts";
import type { Statement } from "./statements.ts";

export interface DatabaseOptions {
  /** A connection string: `postgres://user:password@host:port/database?…`. */
  url: string;
  /** Most connections at once; further callers wait, at most ten seconds. */
  poolSize?: number;
  /** What `pg_stat_activity` shows. */
  applicationName?: string;
  log: Logger;
}

export class Database implements Db {
  readonly url: string;
  readonly #options: ClientOptions;
  readonly #pool: pg.Pool;
  #closed: Promise<void> | undefined;

  /** Connects nothing yet. */
  constructor({ url, poolSize = 10, applicationName = "millrace", log }: DatabaseOptions) {
    this.url = url;
    this.#options = { url, applicationName };
    this.#pool = new pg.Pool({ ...clientOptions(this.#options), max: poolSize, idleTimeoutMillis: 30_000 });
    this.#pool.on("error", (error) => log.warn({ err: error }, "an idle database connection was lost"));
  }

  query<R = Row>(statement: Statement, values?: readonly unknown[]): Promise<R[]> {
    return this.#withClient((db) => db.query<R>(statement, values));
  }

  execute(statement: Statement, values?: readonly unknown[]): Promise<{ rowCount: number }> {
    return this.#withClient((db) => db.execute(statement, values));
  }

  unnamed<R = Row>(text: string, values?: readonly unknown[]): Promise<R[]> {
    return this.#withClient((db) => db.unnamed<R>(text, values));
  }

  /**
   * Runs `work` in one READ COMMITTED transaction: commits when it resolves, rolls back when it rejects and passes the
   * error on. `tx` must not be used after that; it refuses.
   *
   * When the connection is lost during the commit the outcome is unknown, and the error says `isConnectionLost`. When
   * `work` swallowed a statement's error, the server cannot commit: that is `database.commit_refused`.
   */
  transaction<T>(work: (tx: Db) => Promise<T>): Promise<T> {
    return this.#withClient(async (db, client) => {
      await client.query(beginText);
      const tx = endable(db);
      let result: T;
      try {
        result = await work(tx.db);
      } catch (error) {
        tx.end();
        await rollback(client);
        throw error;
      }
      tx.end();
      const { command } = await client.query(commitText);
      if (command === "ROLLBACK") {
        throw databaseErrors.commit_refused(
          "The transaction was rolled back: a statement in it had failed and the error was not passed on.",
        );
      }
      return result;
    });
  }

  /** Opens a connection outside the pool; the caller closes it. */
  connect(): Promise<Connection> {
    return openConnection(this.#options);
  }

  /** Lets statements under way finish, then closes every pooled connection. Later calls are rejected. */
  close(): Promise<void> {
    this.#closed ??= this.#pool.end();
    return this.#closed;
  }

  /** Takes a client, and gives it back only while its line and its transaction state are sound. */
  async #withClient<T>(work: (db: Db, client: pg.PoolClient) => Promise<T>): Promise<T> {
    const client = await this.#pool.connect();
    let lost: Error | undefined;
    const onError = (error: Error): void => {
      lost = error;
    };
    client.on("error", onError);
    try {
      return await work(dbOver(client), client);
    } catch (error) {
      lost ??= brokenClients.get(client);
      throw error;
    } finally {
      client.off("error", onError);
      client.release(lost);
    }
  }
}

/** Clients whose rollback failed: their state is unknown, so they must not be used again. */
const brokenClients = new WeakMap<pg.PoolClient, Error>();

async function rollback(client: pg.PoolClient): Promise<void> {
  try {
    await client.query(rollbackText);
  } catch (error) {
    brokenClients.set(client, error instanceof Error ? error : new Error(String(error)));
  }
}

/** A view of `db` that refuses once the transaction is over, so that a forgotten `await` cannot write outside it. */
function endable(db: Db): { db: Db; end(): void } {
  let ended = false;
  const open = (): Db => {
    if (ended) {
      throw new Error("The transaction is over; a statement was sent to it without being awaited inside it.");
    }
    return db;
  };
  return {
    db: {
      query: async (statement, values) => await open().query(statement, values),
      execute: async (statement, values) => await open().execute(statement, values),
      unnamed: async (text, values) => await open().unnamed(text, values),
    },
    end: () => {
      ended = true;
    },
  };
}
