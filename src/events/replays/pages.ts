/** The events of a replay, page by page in the order of their ids. */
import type { Db } from "../../foundation/database/index.ts";
import { eventOf } from "../deliveries/events.ts";
import { eventFilter, isExact, patternRegex } from "../filters.ts";
import * as queries from "./queries.ts";

export interface Wanted {
  namespace: string;
  eventPattern: string;
  fromAt: string;
  toAt: string;
  filter: string | null;
  targets: string[] | null;
  onlyMissing: boolean;
  /** The last event that is done with. */
  cursor: string | null;
}

export interface Page {
  /** How many events were looked at, and the last of them. */
  rows: number;
  cursor: string;
  /** Of the pattern and the time. */
  fitting: number;
  /** Those of them for which the filter holds, by their ids. */
  events: string[];
}

const pageSize = 500;
/** Ids carry the time at which they were made, which is a little before the event was accepted. */
const marginMs = 600_000;
const longestMs = 2 ** 48 - 1;

/** Ends with the last event. Memory: one page. */
export async function* pagesOf(db: Db, wanted: Wanted): AsyncGenerator<Page> {
  const { namespace, eventPattern, fromAt, toAt, filter, targets, onlyMissing } = wanted;
  const holds = eventFilter(filter);
  const statement = isExact(eventPattern) ? queries.readPageOfName : queries.readPage;
  const end = idAt(Date.parse(toAt) + marginMs);
  const missingFor = onlyMissing ? (targets?.[0] ?? null) : null;
  let cursor = wanted.cursor ?? idAt(Date.parse(fromAt) - marginMs);
  for (;;) {
    const values = [
      namespace,
      cursor,
      end,
      eventPattern,
      pageSize,
      patternRegex(eventPattern),
      fromAt,
      toAt,
      missingFor,
    ];
    const rows = await db.query<queries.PageRow>(statement, values);
    const last = rows.at(-1);
    if (last === undefined) return;
    cursor = last.id;
    const fitting = rows.flatMap(({ event }) => (event === null ? [] : [eventOf(event)]));
    const events = fitting.filter((event) => holds(event).holds).map(({ id }) => id);
    yield { rows: rows.length, cursor, fitting: fitting.length, events };
    if (rows.length < pageSize) return;
  }
}

/** Below all ids that are made at that time. */
function idAt(ms: number): string {
  const hex = Math.min(Math.max(0, ms), longestMs).toString(16).padStart(12, "0");
  return `${hex.slice(0, 8)}-${hex.slice(8)}-7000-8000-000000000000`;
}
