/** The verbs on dead letters, but for handing them on (`reprocess.ts`, `many.ts`). */
import type { Db } from "../../foundation/database/index.ts";
import { parseDuration } from "../../foundation/duration.ts";
import type { AppError } from "../../foundation/errors.ts";
import { isUuid } from "../../foundation/ids.ts";
import { patternFault, patternForm } from "../filters.ts";
import { deadLetterErrors } from "./errors.ts";
import type { LetterFilter } from "./model.ts";
import * as queries from "./queries.ts";
import { summaryOf, viewOf } from "./views.ts";

export interface GivenFilter extends LetterFilter {
  errorType?: string;
  maxAge?: string;
}

/** Newest first; `next` is the id below which the next page begins. Throws `request_invalid`. */
export async function listLetters(
  db: Db,
  { namespace, before, limit, ...given }: GivenFilter & { namespace: string; before?: string; limit: number },
) {
  const filter = filterOf(given, "/query");
  const rows = await queries.listLetterRows(db, { ...filter, namespace, before, limit: limit + 1 });
  const items = rows.slice(0, limit).map(summaryOf);
  return { items, next: rows.length > limit ? items.at(-1)?.id : undefined };
}

/** Ages become instants. Throws `request_invalid`. */
export function filterOf({ errorType, maxAge, ...given }: GivenFilter, pointer: string): LetterFilter {
  const fault = given.pattern === undefined ? undefined : patternFault(given.pattern);
  if (fault !== undefined) throw invalid({ pointer: `${pointer}/pattern`, message: fault, expected: patternForm });
  const filter: LetterFilter = { ...given, ...(errorType !== undefined && { errorTypes: [errorType] }) };
  for (const name of ["createdAfter", "createdBefore"] as const) {
    const at = filter[name];
    if (at === undefined) continue;
    const ms = Date.parse(at);
    if (!(ms >= 0))
      throw invalid({ pointer: `${pointer}/${name}`, message: "is before 1970", expected: "a later instant" });
    filter[name] = new Date(ms).toISOString();
  }
  if (maxAge === undefined) return filter;
  try {
    return { ...filter, createdAfter: new Date(Math.max(0, Date.now() - parseDuration(maxAge))).toISOString() };
  } catch (error) {
    const message = error instanceof Error ? error.message : "is not a duration";
    throw invalid({ pointer: `${pointer}/maxAge`, message });
  }
}

/** What acts on many needs one filter at least. */
export function filterOfMany(given: GivenFilter): LetterFilter {
  if (Object.values(given).every((value) => value === undefined)) {
    throw invalid({
      pointer: "/filter",
      message: "is empty, which would mean every letter",
      expected: "at least one filter",
    });
  }
  return filterOf(given, "/filter");
}

function invalid(fault: { pointer: string; message: string; expected?: string }): AppError {
  return deadLetterErrors.request_invalid(`${fault.pointer} ${fault.message}.`, { errors: [fault] });
}

export interface Named {
  namespace: string;
  id: string;
}

/** Throws `letter_not_found`. */
export async function getLetter(db: Db, named: Named) {
  return viewOf(await getRow(db, named));
}

export async function getRow(db: Db, { namespace, id }: Named): Promise<queries.LetterRow> {
  const [row] = isUuid(id) ? await db.query<queries.LetterRow>(queries.readLetter, [namespace, id]) : [];
  if (row !== undefined) return row;
  throw deadLetterErrors.letter_not_found(`There is no dead letter ${id.slice(0, 64)} in this namespace.`);
}

export function letterClosed({ status }: { status: string }): AppError {
  const detail = status === "reprocessing" ? "is being reprocessed" : `is ${status}`;
  return deadLetterErrors.letter_closed(`The dead letter ${detail}.`, { details: { status } });
}

/** `resolve`: it was settled in another way. `discard`: it is not needed. */
export async function closeLetter(
  db: Db,
  { namespace, id, verb, by, notes }: Named & { verb: "resolve" | "discard"; by: string; notes?: string },
) {
  const [status, strategy] = verb === "resolve" ? ["resolved", "manual_resolution"] : ["discarded", "discard"];
  const values = [namespace, id, status, strategy, by, notes ?? null];
  const [row] = isUuid(id) ? await db.query<queries.LetterRow>(queries.closeLetter, values) : [];
  if (row !== undefined) return viewOf(row);
  throw letterClosed(await getRow(db, { namespace, id }));
}

/** Removes them for good, a thousand per commit; none that is being reprocessed. */
export async function purgeLetters(
  db: Db,
  { namespace, filter: given }: { namespace: string; filter: GivenFilter },
): Promise<{ purged: number }> {
  const filter = filterOfMany(given);
  let purged = 0;
  for (;;) {
    const count = await queries.purgeLetters(db, { ...filter, namespace });
    purged += count;
    if (count === 0) return { purged };
  }
}
