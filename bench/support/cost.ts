/**
 * What a piece of work cost the database: commits, statements, bytes of WAL.
 *
 * Commits are counted in the WAL itself, so exactly those that wrote, each of which waits for the disk. A given server
 * without `pg_walinspect` has only its own statistics, which also count reading transactions and lag behind.
 * Statements are those that clients sent, as `pg_stat_statements` counts them; undefined where it is missing.
 */
import { setTimeout as sleep } from "node:timers/promises";
import * as sql from "./queries.ts";
import { type BenchDatabase, type BenchServer, onDatabase } from "./server.ts";

export interface Cost {
  commits: number;
  statements: number | undefined;
  walBytes: number;
  /** Calls of the flush function; 0 in a database without one. */
  flushes: number;
}

/** How long a server may take to add a finished transaction to its statistics. */
const statisticsLagMs = 11_000;

export interface Counted<T> {
  result: T;
  cost: Cost;
}

interface Reading {
  position: string;
  statements: number | undefined;
  commits: number | undefined;
}

/** Runs `work` and says what happened meanwhile; nobody else may be using the database. */
export async function counted<T>(
  where: { server: BenchServer; database: BenchDatabase },
  work: () => Promise<T>,
): Promise<Counted<T>> {
  // Reading the flushes is itself a statement in that database, so it stays outside of what is counted.
  const flushesBefore = await flushesOf(where.database);
  const before = await read(where);
  const result = await work();
  const after = await read(where);
  const flushes = (await flushesOf(where.database)) - flushesBefore;
  return { result, cost: { ...(await difference(where.server, before, after)), flushes } };
}

export function perWorkflow(cost: Cost, workflows: number): Cost {
  return {
    commits: cost.commits / workflows,
    statements: cost.statements === undefined ? undefined : cost.statements / workflows,
    walBytes: cost.walBytes / workflows,
    flushes: cost.flushes / workflows,
  };
}

async function read({ server, database }: { server: BenchServer; database: BenchDatabase }): Promise<Reading> {
  const { admin, has } = server;
  if (!has.wal) await sleep(statisticsLagMs);
  const [wal] = await admin.query<{ position: string }>(sql.readWalPosition);
  const [sent] = has.statements ? await admin.query<{ statements: number }>(sql.countStatements, [database.name]) : [];
  const [ended] = has.wal ? [] : await admin.query<{ commits: number }>(sql.countCommits, [database.name]);
  return { position: wal!.position, statements: sent?.statements, commits: ended?.commits };
}

async function flushesOf(database: BenchDatabase): Promise<number> {
  if (!database.migrated) return 0;
  const [row] = await onDatabase(database.url, (db) => db.query<{ flushes: number }>(sql.countFlushes));
  return row!.flushes;
}

async function difference(server: BenchServer, before: Reading, after: Reading): Promise<Omit<Cost, "flushes">> {
  const span = [before.position, after.position];
  const [wal] = await server.admin.query<{ bytes: number }>(sql.readWalBytes, span);
  const [inWal] = server.has.wal ? await server.admin.query<{ commits: number }>(sql.countWalCommits, span) : [];
  return {
    commits: inWal?.commits ?? (after.commits ?? 0) - (before.commits ?? 0),
    statements: after.statements === undefined ? undefined : after.statements - (before.statements ?? 0),
    walBytes: wal!.bytes,
  };
}
