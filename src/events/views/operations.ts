/** What is shown of events. */
import type { Engine } from "../../engine/index.ts";
import type { Db } from "../../foundation/database/index.ts";
import type { AppError } from "../../foundation/errors.ts";
import { eventErrors } from "../errors.ts";
import { isExact, patternFault, regexOfPattern } from "../names.ts";
import * as queries from "./queries.ts";
import { type ShownEvent, shownDeadLetter, shownDelivery, shownEvent, shownRouting } from "./shown.ts";

export interface Events {
  db: Db;
  engine: Pick<Engine, "waitsOf">;
}

/** Rows of each list of a ledger. */
const mostShown = 1_000;

export interface EventFilter extends Omit<queries.ListFilter, "name" | "nameRegex" | "sourceKey"> {
  /** A name, or a pattern of names. */
  pattern?: string;
  source?: string;
}

/**
 * A page, newest first, and the id below which the next one begins. What no index answers is tested on a bounded number of
 * rows per page, so a page may have few events, or none, and yet a next one. Throws `filter_invalid`.
 */
export async function listEvents(
  db: Db,
  { pattern, source, ...filter }: EventFilter,
): Promise<{ items: ShownEvent[]; next: string | undefined }> {
  if (pattern !== undefined) refusePattern(pattern);
  if (filter.payload !== undefined) refuseNoJson(filter.payload);
  const names =
    pattern === undefined ? {} : isExact(pattern) ? { name: pattern } : { nameRegex: regexOfPattern(pattern) };
  const page = await queries.listEventRows(db, { ...filter, ...names, sourceKey: source, limit: filter.limit + 1 });
  const items = page.rows.slice(0, filter.limit).map(shownEvent);
  return { items, next: page.rows.length > filter.limit ? items.at(-1)?.id : page.stoppedAt };
}

/** Events of one eventId among which the one whose row has it is looked for. */
const mostAlike = 10;

interface Reference {
  namespace: string;
  /** The id of its row, or the publisher's: then the newest that has it. */
  ref: string;
}

/** Throws `event_not_found`. */
export async function getEvent(db: Db, reference: Reference): Promise<ShownEvent> {
  return shownEvent(await readRow(db, reference));
}

/** What became of an event so far. Throws `event_not_found`. */
export async function ledgerOf({ db, engine }: Events, reference: Reference) {
  const { id, shard, eventId, namespace, acceptedAt } = await readRow(db, reference);
  const limit = mostShown + 1;
  const [routings, deliveries, waits, deadLetters] = await Promise.all([
    db.query<queries.RoutingRow>(queries.readRoutings, [shard, id, limit]),
    db.query<queries.DeliveryRow>(queries.readDeliveriesOfEvent, [id, limit]),
    engine.waitsOf({ namespace, eventId: id, limit }),
    db.query<queries.DeadLetterRow>(queries.readDeadLettersOfEvent, [id, limit]),
  ]);
  const shown = <T, S>(rows: readonly T[], show: (row: T) => S) => rows.slice(0, mostShown).map(show);
  return {
    id,
    eventId,
    acceptedAt,
    routed: routings.length > 0,
    routings: shown(routings, shownRouting),
    deliveries: shown(deliveries, shownDelivery),
    waits: waits.slice(0, mostShown),
    deadLetters: shown(deadLetters, shownDeadLetter),
    truncated: [routings, deliveries, waits, deadLetters].some(({ length }) => length > mostShown),
  };
}

async function readRow(db: Db, { namespace, ref }: Reference): Promise<queries.EventRow> {
  const { rows } = await queries.listEventRows(db, { namespace, eventId: ref, limit: mostAlike });
  const row = rows.find(({ id }) => id === ref.toLowerCase()) ?? rows[0];
  if (row !== undefined) return row;
  throw eventErrors.event_not_found(`There is no event ${ref.slice(0, 255)} in this namespace.`);
}

function refusePattern(pattern: string): void {
  const fault = patternFault(pattern);
  if (fault !== undefined) throw filterInvalid("pattern", fault);
}

function refuseNoJson(payload: string): void {
  try {
    JSON.parse(payload);
  } catch {
    throw filterInvalid("payload", {
      message: "is no JSON",
      expected: 'JSON such as {"order":"A-1"}, percent-encoded',
    });
  }
}

function filterInvalid(name: string, { message, expected }: { message: string; expected: string }): AppError {
  return eventErrors.filter_invalid(`The filter ${name} ${message}.`, {
    errors: [{ pointer: `/query/${name}`, message, expected }],
  });
}
