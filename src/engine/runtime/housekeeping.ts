/**
 * What must be done now and then, by any node: partitions ahead of time, expired keys, payloads nobody claimed, old
 * events, and what is older than the retention. Nodes do not take turns; what two do at once, the second finds done.
 */

import type { Connection, Database, Db } from "../../foundation/database/index.ts";
import type { Logger } from "../../foundation/log.ts";
import { Loop } from "../../foundation/loop.ts";
import { tryArchiveLock } from "../queries/archive.ts";
import { ensurePartitions } from "../queries/lanes.ts";
import { forgetEmptiness } from "../queries/retention.ts";
import { foldRareFailures, moveTallies } from "../queries/statistics.ts";
import { deleteExpiredKeys, deleteOldErrands, deleteOrphanPayloads } from "../queries/work.ts";
import { type Archive, createArchive } from "./archive.ts";
import { removeOldEvents } from "./old_events.ts";
import { removeOld } from "./retention.ts";

const everyMs = 3_600_000;
/** Tallies are read with the sums, so there must not be many of them. */
const talliesEveryMs = 60_000;
const batchLimit = 1_000;
const talliesEnough = 20_000;
/** Failures of one version that are told apart. */
const failuresKept = 1_000;

export interface HousekeepingOptions {
  database: Database;
  log: Logger;
  retentionMs: number;
  /** Where instances are written before they are removed. */
  archiveDir?: string | undefined;
}

export function startHousekeeping({ database, log, retentionMs, archiveDir }: HousekeepingOptions): {
  stop(): Promise<void>;
} {
  const archive = archiveDir === undefined ? undefined : createArchive({ dir: archiveDir, log });
  const stopping = new AbortController();
  const { signal } = stopping;
  let line: Connection | undefined;
  const loop = new Loop({
    name: "housekeeping",
    everyMs,
    log,
    async run() {
      // A connection of its own, so that stopping need not wait for a statement that looks through a whole week.
      const own = await database.connect();
      line = own;
      try {
        // What two nodes would remove at once, both would write.
        const mayRemove = archive === undefined || (await own.query<{ got: boolean }>(tryArchiveLock))[0]!.got;
        if (!signal.aborted) await keepHouse({ db: own, log, retentionMs, signal, archive, mayRemove });
      } catch (error) {
        if (!signal.aborted) throw error;
      } finally {
        await own.close();
      }
    },
  });
  const summing = new Loop({
    name: "statistics",
    everyMs: talliesEveryMs,
    log,
    run: () => moveAll(database, signal),
  });
  loop.start();
  summing.start();
  return {
    async stop() {
      stopping.abort();
      line?.abort();
      await Promise.all([loop.stop(), summing.stop()]);
    },
  };
}

export interface Round {
  db: Db;
  log: Logger;
  retentionMs: number;
  signal: AbortSignal;
  archive?: Archive | undefined;
  /** Whether what is old is removed in this round, or by another node that writes it to the archive just now. */
  mayRemove?: boolean;
}

/** Sums up what lanes have counted. */
async function moveAll(db: Db, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const [row] = await db.query<{ moved: number }>(moveTallies);
    if (row!.moved < talliesEnough) break;
  }
}

/** One round. Deletes in small batches, so that none holds locks for long. */
export async function keepHouse(round: Round): Promise<void> {
  const { db, log, retentionMs, signal, archive, mayRemove = true } = round;
  await db.query(ensurePartitions);
  await db.query(forgetEmptiness);
  for (const statement of [deleteExpiredKeys, deleteOldErrands, deleteOrphanPayloads]) {
    while (!signal.aborted) {
      const { rowCount } = await db.execute(statement);
      if (rowCount < batchLimit) break;
    }
  }
  await moveAll(db, signal);
  await db.execute(foldRareFailures, [failuresKept]);
  await removeOldEvents({ db, log, retentionMs, signal });
  if (!signal.aborted && mayRemove) await removeOld({ db, log, retentionMs, signal, archive });
}
