/**
 * Removes what is older than the retention (PROTOCOLS 11): finished instances with everything of theirs, and history.
 *
 * A partition is a week, and goes as a whole once all of the week is older than the retention. Instances that are not
 * final stay whatever their age, and so do those that ended within the retention; they keep the row, and of their
 * history what is within the retention.
 *
 * A definition may have a retention of its own, which its instances carry. Shorter than the node's, they go one by one
 * (`expiry.ts`). Longer, they survive when their week goes, and their history with them; what is not theirs is taken out.
 */

import { type Db, sqlStateOf } from "../../foundation/database/index.ts";
import type { Logger } from "../../foundation/log.ts";
import * as sql from "../queries/retention.ts";
import type { Archive, AsOf } from "./archive.ts";
import { removeExpired } from "./expiry.ts";

export interface RetentionOptions {
  db: Db;
  log: Logger;
  retentionMs: number;
  /** Looked at between two statements; nothing begins once it is aborted. */
  signal: AbortSignal;
  /** Instances are written to it before they go. */
  archive?: Archive | undefined;
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
}

const zeroId = "00000000-0000-0000-0000-000000000000";
const pageLimit = 1_000;
const strayLimit = 1_000;
const historyTables = ["workflow_instance_steps", "fsm_transitions", "execution_logs"];

/** One round. What cannot be had now (somebody holds a table) is left to the next round. */
export async function removeOld(options: RetentionOptions): Promise<void> {
  const { db, retentionMs } = options;
  const [now] = await db.query<AsOf & { young: string }>(sql.readHorizon, [retentionMs]);
  const { horizon, at, young } = now!;
  const old = await db.query<OldPartition>(sql.readOldPartitions, [horizon]);
  // Instances first: what is gone reads no history.
  let removed = false;
  const done = await untilBusy(options, old.filter(isOf("workflow_instances")), async (partition) => {
    removed = (await retire(options, partition, { horizon, at })) || removed;
  });
  // What is still to be written to the archive needs its history.
  if (done || options.archive === undefined) {
    for (const table of historyTables)
      await untilBusy(options, old.filter(isOf(table)), (partition) =>
        retireHistory(options, partition, { horizon, at }),
      );
  }
  if (old.length > 0) await removeStrays(options, { horizon, removed });
  await untilBusy(options, [{ part: "those of young weeks" }], () => removeExpired(options, { young, at }));
}

const isOf = (table: string) => (partition: OldPartition) => partition.table.endsWith(`.${table}`);

/**
 * Whoever holds one partition of a table, as a backup does, most likely holds all: the rest is left to the next round.
 * Gives whether all were worked on.
 */
async function untilBusy<Part extends { part: string }>(
  { log, signal }: RetentionOptions,
  partitions: readonly Part[],
  work: (partition: Part) => Promise<void>,
): Promise<boolean> {
  for (const partition of partitions) {
    if (signal.aborted) return false;
    try {
      await work(partition);
    } catch (error) {
      const state = sqlStateOf(error);
      if (state === undefined || !busyStates.has(state)) throw error;
      log.info({ partition: partition.part, state }, "an old partition is in use; it is tried again in the next round");
      return false;
    }
  }
  return true;
}

/** A lock was not had in time, or only by a deadlock. */
const busyStates = new Set(["55P03", "40P01"]);

/** Gives whether instances were removed. */
async function retire(options: RetentionOptions, partition: OldPartition, now: AsOf): Promise<boolean> {
  const { db, log, archive } = options;
  const { part } = partition;
  const { fewExpired, mostSurvivors } = { ...standardLimits, ...options.limits };
  // As of the same instants nothing more is expired than what was written.
  const asOf = archive?.written.get(part) ?? now;
  const values = [part, asOf.horizon, asOf.at, fewExpired, mostSurvivors];
  if (archive !== undefined && asOf === now) {
    const [look] = await db.query<{ verdict: string }>(sql.lookAtInstances, values);
    if (look!.verdict === "gone" || look!.verdict === "kept") return false;
    await archive.writeWeek(db, { ...partition, ...asOf, signal: options.signal });
    archive.written.set(part, asOf);
  }
  const [answer] = await db.query<{ outcome: string; kept: number; lockedMs: number | null }>(
    sql.retireInstances,
    values,
  );
  const { outcome, kept, lockedMs } = answer!;
  const removed = outcome === "trim" ? await trim(options, partition, asOf) : 0;
  archive?.written.delete(part);
  if (outcome === "trim") log.info({ partition: part, removed }, "expired instances were removed from an old week");
  if (outcome !== "swapped" && outcome !== "dropped") return removed > 0;
  log.info({ partition: part, outcome, kept, lockedMs }, "an old week of instances was removed");
  return true;
}

/** Walks through a partition in the order of its key and deletes what is expired, page by page. */
async function trim({ db, signal }: RetentionOptions, partition: OldPartition, asOf: AsOf): Promise<number> {
  const { beginsAt, endsAt } = partition;
  let after = { shard: -1, id: zeroId };
  let removed = 0;
  while (!signal.aborted) {
    const values = [after.shard, after.id, beginsAt, endsAt, pageLimit, asOf.horizon, asOf.at];
    const [last] = await db.query<{ shard: number; id: string; removed: number }>(sql.trimInstances, values);
    if (last === undefined) break;
    removed += last.removed;
    after = last;
  }
  return removed;
}

async function retireHistory(
  { db, log }: RetentionOptions,
  { part }: OldPartition,
  { horizon, at }: AsOf,
): Promise<void> {
  const [answer] = await db.query<{ outcome: string; readers: number; kept: number }>(sql.retireHistory, [
    part,
    horizon,
    at,
  ]);
  const { outcome, readers, kept } = answer!;
  if (outcome === "dropped") log.info({ partition: part }, "an old week of history was dropped");
  if (outcome === "thinned")
    log.info({ partition: part, kept }, "an old week of history was reduced to what is needed");
  if (readers > 0) {
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
