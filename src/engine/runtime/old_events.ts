/**
 * Removes what is left of events: deduplication keys after their seven days; weeks of events, with their look-up keys and
 * their ledger, once all of the week is older than the retention; and what became of a schedule's planned times.
 */

import { type Db, sqlStateOf } from "../../foundation/database/index.ts";
import type { Logger } from "../../foundation/log.ts";
import * as sql from "../queries/events.ts";
import { readHorizon } from "../queries/retention.ts";

export interface OldEventsOptions {
  db: Db;
  log: Logger;
  retentionMs: number;
  /** Looked at between two statements; nothing begins once it is aborted. */
  signal: AbortSignal;
}

/** Rows that one statement deletes. */
const batchLimit = 1_000;
/** A lock was not had in time, or only by a deadlock. */
const busyStates = new Set(["55P03", "40P01"]);

/** One round. A week that somebody uses is left to the next one, with those after it. */
export async function removeOldEvents({ db, log, retentionMs, signal }: OldEventsOptions): Promise<void> {
  const inBatches = async (statement: typeof sql.deleteOldOccurrences, values: readonly unknown[]): Promise<void> => {
    while (!signal.aborted) {
      const { rowCount } = await db.execute(statement, values);
      if (rowCount < batchLimit) break;
    }
  };
  await inBatches(sql.deleteExpiredEventKeys, []);
  const [now] = await db.query<{ horizon: string }>(readHorizon, [retentionMs]);
  const { horizon } = now!;
  try {
    while (!signal.aborted) {
      const [answer] = await db.query<{ dropped: string | null }>(sql.dropOldEvents, [horizon]);
      const partition = answer!.dropped;
      if (partition === null) break;
      log.info({ partition }, "an old week of events was dropped");
    }
  } catch (error) {
    const state = sqlStateOf(error);
    if (state === undefined || !busyStates.has(state)) throw error;
    log.info({ state }, "an old week of events is in use; it is tried again in the next round");
  }
  await inBatches(sql.deleteOldOccurrences, [horizon]);
}
