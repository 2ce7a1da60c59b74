/** Handing many dead letters on: what people ask for. `worker.ts` does what they ask. */
import type { Db } from "../../foundation/database/index.ts";
import { isUuid, uuidv7 } from "../../foundation/ids.ts";
import { deadLetterErrors } from "./errors.ts";
import type { LetterFilter } from "./model.ts";
import { filterOfMany, type GivenFilter, type Named } from "./operations.ts";
import { countLetters } from "./queries.ts";
import * as queries from "./queries_many.ts";

const usualBatch = 50;
const usualConcurrency = 5;
/** Counting goes no further. */
const mostCounted = 1_000_000;

/** Only letters that are pending can be handed on. */
function pendingOnes(given: GivenFilter): LetterFilter {
  const filter = filterOfMany(given);
  if (filter.status === undefined || filter.status === "pending") return { ...filter, status: "pending" };
  const errors = [{ pointer: "/filter/status", message: `is ${filter.status}`, expected: "pending, or nothing" }];
  throw deadLetterErrors.request_invalid("Only pending letters can be reprocessed.", { errors });
}

export async function previewReprocessing(
  db: Db,
  { namespace, filter }: { namespace: string; filter: GivenFilter },
): Promise<{ matched: number }> {
  return { matched: await countLetters(db, { ...pendingOnes(filter), namespace }, mostCounted) };
}

/** Any node may take it on. Letters that come later are not handed on, even if they fit. */
export async function createReprocessing(
  db: Db,
  what: { namespace: string; filter: GivenFilter; batchSize?: number; concurrency?: number; requestedBy: string },
) {
  const { namespace, batchSize = usualBatch, concurrency = usualConcurrency, requestedBy } = what;
  const filter = pendingOnes(what.filter);
  const matched = await countLetters(db, { ...filter, namespace }, mostCounted);
  const values = [uuidv7(Date.now()), namespace, JSON.stringify(filter), batchSize, concurrency, requestedBy, matched];
  const [row] = await db.query<queries.ReprocessingRow>(queries.insertReprocessing, values);
  return viewOf(row!);
}

/** Throws `reprocessing_not_found`. */
export async function getReprocessing(db: Db, { namespace, id }: Named) {
  const [row] = isUuid(id) ? await db.query<queries.ReprocessingRow>(queries.readReprocessing, [namespace, id]) : [];
  if (row !== undefined) return viewOf(row);
  throw deadLetterErrors.reprocessing_not_found(`There is no reprocessing ${id.slice(0, 64)} in this namespace.`);
}

/** Newest first; `next` is the id below which the next page begins. */
export async function listReprocessings(
  db: Db,
  { namespace, before, limit }: { namespace: string; before?: string; limit: number },
) {
  const values = [namespace, before ?? null, limit + 1];
  const rows = await db.query<queries.ReprocessingRow>(queries.listReprocessings, values);
  const items = rows.slice(0, limit).map(viewOf);
  return { items, next: rows.length > limit ? items.at(-1)?.id : undefined };
}

/** What is under way at this moment is still handed on. Throws `reprocessing_not_found`, `reprocessing_ended`. */
export async function cancelReprocessing(db: Db, { namespace, id }: Named) {
  const [row] = isUuid(id) ? await db.query<queries.ReprocessingRow>(queries.cancelReprocessing, [namespace, id]) : [];
  if (row !== undefined) return viewOf(row);
  const { status } = await getReprocessing(db, { namespace, id });
  throw deadLetterErrors.reprocessing_ended(`It is ${status}; only a running one can be cancelled.`);
}

function viewOf({ cursor: _, namespace: __, completedAt, ...row }: queries.ReprocessingRow) {
  return { ...row, ...(completedAt !== null && { completedAt }) };
}
