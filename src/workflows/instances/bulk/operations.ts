/** The verbs on bulk operations that people ask for; `work.ts` does what they ask. */
import type { Engine } from "../../../engine/index.ts";
import type { Db } from "../../../foundation/database/index.ts";
import { isUuid, uuidTimeMs, uuidv7 } from "../../../foundation/ids.ts";
import { instanceErrors } from "../errors.ts";
import { type BulkFilter, mostCounted, sampleSize } from "./model.ts";
import * as queries from "./queries.ts";
import type { BulkWish } from "./request.ts";

interface Parts {
  db: Db;
  engine: Engine;
}

export interface Found {
  matched: number;
  sample: string[];
}

/** Counts what a wish would act on, and shows the first of them. Ids count as they are given, whether they exist or not. */
export async function previewBulk({ engine }: Parts, wish: BulkWish & { namespace: string }): Promise<Found> {
  const { target, namespace } = wish;
  if ("ids" in target) return { matched: target.ids.length, sample: target.ids.slice(0, sampleSize) };
  const { filter } = target;
  const [page, matched] = await Promise.all([
    engine.listInstances({ namespace, ...filter, limit: sampleSize }),
    engine.countInstances({ namespace, ...filter }, mostCounted),
  ]);
  return { matched, sample: page.map(({ id }) => id) };
}

/**
 * Accepts an operation; it is done by whichever node claims it, and survives every crash from here on. A filter is bounded
 * by the newest instance that it finds now: what is started later is not acted on, even if it fits.
 */
export async function createBulk(
  { db, engine }: Parts,
  wish: BulkWish & { namespace: string; requestedBy: string },
): Promise<{ operationId: string; matched: number }> {
  const { action, parameters, namespace, requestedBy } = wish;
  const target = "ids" in wish.target ? wish.target : await bounded({ engine }, { namespace, ...wish.target });
  const { filter, ids } = { filter: null, ids: null, ...target };
  const matched = filter === null ? ids!.length : await engine.countInstances({ namespace, ...filter }, mostCounted);
  const operationId = uuidv7(Date.now());
  const values = [operationId, namespace, action, filter && JSON.stringify(filter), ids, JSON.stringify(parameters)];
  await db.execute(queries.insertBulk, [...values, requestedBy, matched]);
  return { operationId, matched };
}

/** The filter, with what has the time of the newest instance that it finds as its end; of none, it finds none for ever. */
async function bounded(
  { engine }: Pick<Parts, "engine">,
  { namespace, filter }: { namespace: string; filter: BulkFilter },
): Promise<{ filter: BulkFilter }> {
  const [newest] = await engine.listInstances({ namespace, ...filter, limit: 1 });
  const endMs = newest === undefined ? 0 : uuidTimeMs(newest.id) + 1;
  return { filter: { ...filter, startedBefore: new Date(endMs).toISOString() } };
}

export interface BulkSummary extends Omit<queries.BulkSummaryRow, "filter" | "completedAt"> {
  filter?: BulkFilter;
  completedAt?: string;
}

export type BulkView = BulkSummary & Pick<queries.BulkRow, "failures">;

interface Named {
  namespace: string;
  operationId: string;
}

/** Throws `instances.bulk_not_found`. */
export async function getBulk({ db }: Pick<Parts, "db">, { namespace, operationId }: Named): Promise<BulkView> {
  const values = [operationId, namespace];
  const [row] = isUuid(operationId) ? await db.query<queries.BulkRow>(queries.readBulk, values) : [];
  if (row === undefined) throw bulkNotFound(operationId);
  return viewOf(row);
}

/** Newest first; `next` is the id below which the next page begins. */
export async function listBulks(
  { db }: Pick<Parts, "db">,
  { namespace, before, limit }: { namespace: string; before?: string; limit: number },
): Promise<{ items: BulkSummary[]; next: string | undefined }> {
  const rows = await db.query<queries.BulkSummaryRow>(queries.listBulks, [namespace, before ?? null, limit + 1]);
  const items = rows.slice(0, limit).map(viewOf);
  return { items, next: rows.length > limit ? items.at(-1)?.id : undefined };
}

/**
 * Ends an operation where it stands. What its worker has in hand at this moment is still done and counted. Throws
 * `instances.bulk_not_found`, or `instances.bulk_ended` when there is nothing left to cancel.
 */
export async function cancelBulk({ db }: Pick<Parts, "db">, { namespace, operationId }: Named): Promise<BulkView> {
  const values = [operationId, namespace];
  const [row] = isUuid(operationId) ? await db.query<queries.BulkRow>(queries.cancelBulk, values) : [];
  if (row !== undefined) return viewOf(row);
  const { status } = await getBulk({ db }, { namespace, operationId });
  throw instanceErrors.bulk_ended(
    `The bulk operation ${operationId} is ${status}; only a running one can be cancelled.`,
  );
}

function viewOf<Row extends queries.BulkSummaryRow>({ filter, completedAt, ...row }: Row) {
  return { ...row, ...(filter !== null && { filter }), ...(completedAt !== null && { completedAt }) };
}

function bulkNotFound(operationId: string): Error {
  return instanceErrors.bulk_not_found(`There is no bulk operation ${operationId.slice(0, 64)} in this namespace.`);
}
