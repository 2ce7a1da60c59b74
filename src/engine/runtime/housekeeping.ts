/**
 * What must be done now and then, by any node: partitions ahead of time, expired keys, payloads nobody claimed, and what
 * is older than the retention. Nodes do not take turns; what two do at once, the second finds done.
 */

import type { Connection, Database, Db } from "../../foundation/database/index.ts";
import type { Logger } from "../../foundation/log.ts";
import { Loop } from "../../foundation/loop.ts";
import { ensurePartitions } from "../queries/lanes.ts";
import { forgetEmptiness } from "../queries/retention.ts";
import { deleteExpiredKeys, deleteOldErrands, deleteOrphanPayloads } from "../queries/work.ts";
import { removeOld } from "./retention.ts";

const everyMs = 3_600_000;
const batchLimit = 1_000;

export interface HousekeepingOptions {
  database: Database;
  log: Logger;
  retentionMs: number;
}

export function startHousekeeping({ database, log, retentionMs }: HousekeepingOptions): { stop(): Promise<void> } {
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
        if (!signal.aborted) await keepHouse({ db: own, log, retentionMs, signal });
      } catch (error) {
        if (!signal.aborted) throw error;
      } finally {
        await own.close();
      }
    },
  });
  loop.start();
  return {
    async stop() {
      stopping.abort();
      line?.abort();
      await loop.stop();
    },
  };
}

export interface Round {
  db: Db;
  log: Logger;
  retentionMs: number;
  signal: AbortSignal;
}

/** One round. Deletes in small batches, so that none holds locks for long. */
export async function keepHouse({ db, log, retentionMs, signal }: Round): Promise<void> {
  await db.query(ensurePartitions);
  await db.query(forgetEmptiness);
  for (const statement of [deleteExpiredKeys, deleteOldErrands, deleteOrphanPayloads]) {
    while (!signal.aborted) {
      const { rowCount } = await db.execute(statement);
      if (rowCount < batchLimit) break;
    }
  }
  if (!signal.aborted) await removeOld({ db, log, retentionMs, signal });
}
