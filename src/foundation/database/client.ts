/**
 * One `pg` client: how it is opened and how a statement runs on it. Shared by the pool and by dedicated connections.
 */
import { Socket } from "node:net";
import pg from "pg";
import { isStalePlan } from "./sqlstate.ts";
import type { Statement } from "./statements.ts";
import { valueTypes } from "./values.ts";

export type Row = Record<string, unknown>;

/** Anything statements can be sent to: a pool, a dedicated connection, an open transaction. */
export interface Db {
  /** Runs a prepared statement and gives its rows. Columns are mapped as `values.ts` says. */
  query<R = Row>(statement: Statement, values?: readonly unknown[]): Promise<R[]>;
  /** Runs a prepared statement for its effect; `rowCount` is the number of rows it touched. */
  execute(statement: Statement, values?: readonly unknown[]): Promise<{ rowCount: number }>;
  /** Runs a text that was assembled: lists with filters and migrations only. It is not kept prepared. */
  unnamed<R = Row>(text: string, values?: readonly unknown[]): Promise<R[]>;
}

export interface ClientOptions {
  url: string;
  applicationName: string;
}

/**
 * Session settings of every connection. UTC and ISO make times cheap to parse. The keepalives make the server notice
 * within half a minute that this machine is gone, and free the locks it held; without them that takes two hours.
 *
 * A prepared statement keeps the plan that was best for a table when it was empty, until somebody analyzes the table.
 * By then an inbox or a new week may hold 100,000 rows, and reading it from end to end takes a hundred times as long
 * (19 ms and 1.5 s for a poll of 64 shards); so plans use indexes from the first row on. A table without a fitting
 * index is still read. Its plan then looks so expensive that the server would compile it: compiling is off.
 */
const sessionSettings = [
  "timezone=UTC",
  "datestyle=ISO",
  "tcp_keepalives_idle=10",
  "tcp_keepalives_interval=5",
  "tcp_keepalives_count=4",
  "enable_seqscan=off",
  "jit=off",
];

const connectTimeoutMs = 10_000;
const keepAliveDelayMs = 10_000;

/**
 * The options of a `pg` client for `url`. Settings in the URL's own `options` come last, so they win.
 *
 * `pipeline` lets statements be sent without waiting for the answers of those before them; each still succeeds or
 * fails by itself.
 */
export function clientOptions(options: ClientOptions): pg.ClientConfig {
  const { url, own } = withoutOptions(options.url);
  return {
    connectionString: url,
    application_name: options.applicationName,
    options: [...sessionSettings.map((setting) => `-c ${setting}`), own].join(" ").trim(),
    types: valueTypes,
    keepAlive: true,
    keepAliveInitialDelayMillis: keepAliveDelayMs,
    connectionTimeoutMillis: connectTimeoutMs,
    pipeline: true,
  };
}

/** `pg` lets the URL's `options` replace ours, so they are taken out of the URL and added to ours. */
function withoutOptions(url: string): { url: string; own: string } {
  if (!URL.canParse(url)) {
    return { url, own: "" };
  }
  const parsed = new URL(url);
  const own = parsed.searchParams.get("options");
  if (own === null) {
    return { url, own: "" };
  }
  parsed.searchParams.delete("options");
  return { url: parsed.toString(), own };
}

/** A client over a socket that the caller keeps, so that the line can be cut without the server's consent. */
export function openClient(options: ClientOptions): { client: pg.Client; socket: Socket } {
  const socket = new Socket();
  return { client: new pg.Client({ ...clientOptions(options), stream: () => socket }), socket };
}

/**
 * Runs a prepared statement.
 *
 * When a migration made the prepared form stale, the server refuses it before running anything; it is then prepared
 * again under a new name and, outside a transaction, sent once more. Inside one the transaction is already aborted:
 * the error goes up (`isTransient` says yes) and the next try succeeds.
 *
 * An error carries the statement's name as `statement`.
 */
async function runStatement(
  client: pg.ClientBase,
  statement: Statement,
  values: readonly unknown[] = [],
): Promise<pg.QueryResult> {
  try {
    return await send(client, statement, values);
  } catch (error) {
    if (!isStalePlan(error)) {
      throw named(error, statement.name);
    }
    const generations = preparedAgain.get(client) ?? new Map<string, number>();
    preparedAgain.set(client, generations.set(statement.name, (generations.get(statement.name) ?? 0) + 1));
    if (client.getTransactionStatus() !== "I") {
      throw named(error, statement.name);
    }
  }
  return await send(client, statement, values).catch((error: unknown) => {
    throw named(error, statement.name);
  });
}

/** How often a statement was prepared anew on a client; nearly always empty. */
const preparedAgain = new WeakMap<pg.ClientBase, Map<string, number>>();

function send(client: pg.ClientBase, { name, text }: Statement, values: readonly unknown[]): Promise<pg.QueryResult> {
  const generation = preparedAgain.get(client)?.get(name);
  return client.query({ name: generation === undefined ? name : `${name}~${generation}`, text, values: [...values] });
}

function named(error: unknown, statement: string): unknown {
  return error instanceof Error ? Object.assign(error, { statement }) : error;
}

/** The `Db` verbs over a client that the caller holds. */
export function dbOver(client: pg.ClientBase): Db {
  return {
    query: async (statement, values) => (await runStatement(client, statement, values)).rows,
    execute: async (statement, values) => ({ rowCount: (await runStatement(client, statement, values)).rowCount ?? 0 }),
    unnamed: async (text, values = []) => (await client.query(text, [...values])).rows,
  };
}
