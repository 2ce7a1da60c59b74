/**
 * Removes what has a retention of its own, as its definition says, and is expired before its week is: instances with
 * everything of theirs, and lines of execution logs. In pages, so that none holds locks or an old snapshot for long.
 */

import type { Db } from "../../foundation/database/index.ts";
import type { Logger } from "../../foundation/log.ts";
import * as sql from "../queries/retention.ts";
import type { Archive } from "./archive.ts";

export interface ExpiryOptions {
  db: Db;
  log: Logger;
  signal: AbortSignal;
  archive?: Archive | undefined;
}

/** Instances that are looked for at once, and written to one set of files where there is an archive. */
const batchLimit = 10_000;
/** Instances that are deleted at once, with so many rows of each kind at most. */
const pageLimit = 200;
const rowsLimit = 10_000;
const logsLimit = 5_000;

interface Expired {
  shard: number;
  id: string;
  version: number;
}

/** `young`: where the weeks begin that do not go as a whole yet; `at`: as of when instances are expired. */
export async function removeExpired(
  options: ExpiryOptions,
  { young, at }: { young: string; at: string },
): Promise<void> {
  const { db, log, signal, archive } = options;
  let removed = 0;
  while (!signal.aborted) {
    const batch = await db.query<Expired>(sql.readExpired, [at, young, batchLimit]);
    if (batch.length === 0) break;
    await archive?.write(db, batch);
    const before = removed;
    for (let from = 0; from < batch.length && !signal.aborted; from += pageLimit)
      removed += await removePage(options, batch.slice(from, from + pageLimit), at);
    // What changed since it was looked at stays, and is looked at in the next round.
    if (removed === before || batch.length < batchLimit) break;
  }
  if (removed > 0) log.info({ removed }, "instances whose own retention has passed were removed");
  while (!signal.aborted) {
    const { rowCount } = await db.execute(sql.deleteExpiredLogs, [at, logsLimit]);
    if (rowCount < logsLimit) break;
  }
}

async function removePage({ db }: ExpiryOptions, page: readonly Expired[], at: string): Promise<number> {
  const values = [page.map(({ shard }) => shard), page.map(({ id }) => id), page.map(({ version }) => version)];
  const [gone] = await db.query<{ shards: number[]; ids: string[]; more: boolean }>(sql.deleteInstances, [
    ...values,
    at,
    rowsLimit,
  ]);
  const { shards, ids, more } = gone!;
  // Not given up when the node stops: nobody would look for the rest before its week goes.
  for (let left = more; left; ) {
    const [row] = await db.query<{ deleted: number }>(sql.deleteBelongings, [shards, ids, rowsLimit]);
    left = row!.deleted >= rowsLimit;
  }
  return ids.length;
}
