/**
 * Removes what is older than the retention (PROTOCOLS 11): finished instances with everything of theirs, and history.
 *
 * A partition is a week, and goes as a whole once all of the week is older than the retention. Instances that are not
 * final stay whatever their age, and so do those that ended within the retention; they keep the row, and of their
 * history what is within the retention.
 */

import { type Db, sqlStateOf } from "../../foundation/database/index.ts";
import type { Logger } from "../../foundation/log.ts";
import * as sql from "../queries/retention.ts";

export interface RetentionOptions {
  db: Db;
  log: Logger;
  retentionMs: number;
  /** Looked at between two statements; nothing begins once it is aborted. */
  signal: AbortSignal;
  limits?: Partial<RetentionLimits>;
}

/** When swapping a partition of instances pays; otherwise expired rows are deleted in batches. */
export interface RetentionLimits {
  /** So many expired rows are deleted faster than a table is made. */
  fewExpired: number;
  /** So many survivors are copied within the lock's time even if all of them change meanwhile. */
  mostSurvivors: number;
}

const standardLimits: RetentionLimits = { fewExpired: 10_000, mostSurvivors: 10_000 };

interface OldPartition {
  table: string;
  part: string;
  beginsAt: string;
  endsAt: string;
  /** Where the retention begins now. */
  horizon: string;
}

const zeroId = "00000000-0000-0000-0000-000000000000";
const pageLimit = 1_000;
const strayLimit = 1_000;

/** One round. What cannot be had now (somebody holds a table) is left to the next round. */
export async function removeOld(options: RetentionOptions): Promise<void> {
  const { db, retentionMs } = options;
  const old = await db.query<OldPartition>(sql.readOldPartitions, [retentionMs]);
  const [oldest] = old;
  if (oldest === undefined) return;
  // Instances first: what is gone reads no history.
  let removed = false;
  await eachUntilBusy(options, old.filter(isOf("workflow_instances")), async (partition) => {
    removed = (await retire(options, partition)) || removed;
  });
  for (const table of ["workflow_instance_steps", "fsm_transitions"]) {
    await eachUntilBusy(options, old.filter(isOf(table)), (partition) => drop(options, partition));
  }
  await removeStrays(options, { horizon: oldest.horizon, removed });
}

const isOf = (table: string) => (partition: OldPartition) => partition.table.endsWith(`.${table}`);

/** Whoever holds one partition of a table, as a backup does, most likely holds all: the rest is left to the next round. */
async function eachUntilBusy(
  { log, signal }: RetentionOptions,
  partitions: readonly OldPartition[],
  work: (partition: OldPartition) => Promise<void>,
): Promise<void> {
  for (const partition of partitions) {
    if (signal.aborted) return;
    try {
      await work(partition);
    } catch (error) {
      const state = sqlStateOf(error);
      if (state === undefined || !busyStates.has(state)) throw error;
      log.info({ partition: partition.part, state }, "an old partition is in use; it is tried again in the next round");
      return;
    }
  }
}

/** A lock was not had in time, or only by a deadlock. */
const busyStates = new Set(["55P03", "40P01"]);

/** Gives whether instances were removed. */
async function retire(options: RetentionOptions, partition: OldPartition): Promise<boolean> {
  const { db, log } = options;
  const { part, horizon } = partition;
  const { fewExpired, mostSurvivors } = { ...standardLimits, ...options.limits };
  const [answer] = await db.query<{ outcome: string; kept: number; lockedMs: number | null }>(sql.retireInstances, [
    part,
    horizon,
    fewExpired,
    mostSurvivors,
  ]);
  const { outcome, kept, lockedMs } = answer!;
  if (outcome === "swapped" || outcome === "dropped") {
    log.info({ partition: part, outcome, kept, lockedMs }, "an old week of instances was removed");
    return true;
  }
  if (outcome !== "trim") return false;
  const removed = await trim(options, partition);
  log.info({ partition: part, removed }, "expired instances were removed from an old week");
  return removed > 0;
}

/** Walks through a partition in the order of its key and deletes what is expired, page by page. */
async function trim({ db, signal }: RetentionOptions, partition: OldPartition): Promise<number> {
  const { beginsAt, endsAt, horizon } = partition;
  let after = { shard: -1, id: zeroId };
  let removed = 0;
  while (!signal.aborted) {
    const values = [after.shard, after.id, beginsAt, endsAt, pageLimit, horizon];
    const [last] = await db.query<{ shard: number; id: string; removed: number }>(sql.trimInstances, values);
    if (last === undefined) break;
    removed += last.removed;
    after = last;
  }
  return removed;
}

async function drop({ db, log }: RetentionOptions, { part, horizon }: OldPartition): Promise<void> {
  const [answer] = await db.query<{ outcome: string; readers: number }>(sql.dropHistory, [part, horizon]);
  const { outcome, readers } = answer!;
  if (outcome === "dropped") log.info({ partition: part }, "an old week of history was dropped");
  if (outcome === "needed") {
    log.info(
      { partition: part, readers },
      "an old week of history stays: instances that are not over would be folded from it",
    );
  }
}

/** What belonged to instances that are gone. Timers are read as a whole, so only when instances went. */
async function removeStrays(
  { db, signal }: RetentionOptions,
  what: { horizon: string; removed: boolean },
): Promise<void> {
  const statements = [sql.deleteStrayWaits, sql.deleteStrayPayloads, ...(what.removed ? [sql.deleteStrayTimers] : [])];
  for (const statement of statements) {
    while (!signal.aborted) {
      const { rowCount } = await db.execute(statement, [what.horizon]);
      if (rowCount < strayLimit) break;
    }
  }
}
