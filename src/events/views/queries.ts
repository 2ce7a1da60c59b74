/** The SQL of what is shown of events. */
import type { EventSource, Json } from "../../engine/index.ts";
import { type Db, statement } from "../../foundation/database/index.ts";
import { isUuid } from "../../foundation/ids.ts";

export interface EventRow {
  id: string;
  shard: number;
  namespace: string;
  eventId: string;
  pattern: string;
  version: string | null;
  source: (EventSource & { [name: string]: Json }) | null;
  timestamp: string;
  payload: Json;
  metadata: { [name: string]: Json };
  partitionKey: string | null;
  acceptedAt: string;
}

const columns = `e.id, e.shard, e.namespace, e.event_id as "eventId", e.pattern, e.version, e.source, e."timestamp", e.payload,
  e.metadata, e.partition_key as "partitionKey", e.accepted_at as "acceptedAt"`;

export interface ListFilter {
  namespace: string;
  /** A name. */
  name?: string;
  /** A regular expression of names; see `regexOfPattern`. */
  nameRegex?: string;
  eventId?: string;
  from?: string;
  to?: string;
  correlationId?: string;
  causationId?: string;
  sourceKey?: string;
  /** JSON text that the payload contains. */
  payload?: string;
  /** The id below which to go on. */
  before?: string;
  limit: number;
}

/** How many rows a page looks at before it says how far it came. */
const mostLookedAt = 2_000;
/** Of payloads; the page ends with the event that passes it. */
const mostBytes = 8 * 1024 * 1024;

type Bind = (value: unknown) => string;

/** Of a filter the part that an index answers in the order of the list; everything else is tested on the rows it gives. */
interface Lead {
  uses: keyof ListFilter | undefined;
  /** Ranges of indexes, of which no row is in two. */
  ranges: ((bind: Bind) => string)[];
}

function leadOf({ eventId, correlationId, causationId, sourceKey, name }: ListFilter): Lead {
  if (eventId !== undefined) return { uses: "eventId", ranges: rangesOfEventId(eventId) };
  if (correlationId !== undefined)
    return { uses: "correlationId", ranges: [metadataIs("correlationId", correlationId)] };
  if (causationId !== undefined) return { uses: "causationId", ranges: [metadataIs("causationId", causationId)] };
  if (sourceKey !== undefined) return { uses: "sourceKey", ranges: [(bind) => `e.source_key = ${bind(sourceKey)}`] };
  if (name !== undefined) return { uses: "name", ranges: [(bind) => `e.pattern = ${bind(name)}`] };
  return { uses: undefined, ranges: [() => "true"] };
}

/** The publisher's; and an id that was made, which is the row's. */
function rangesOfEventId(eventId: string): Lead["ranges"] {
  const given = (bind: Bind) => `e.event_id = ${bind(eventId)} and e.event_id <> e.id::text`;
  return isUuid(eventId) ? [given, (bind) => `e.id = ${bind(eventId)}::uuid`] : [given];
}

const metadataIs = (member: "correlationId" | "causationId", value: string) => (bind: Bind) =>
  `e.metadata ? '${member}' and e.metadata->>'${member}' = ${bind(value)}`;

/** By the filter's member, what is tested on a row. */
const tests: { readonly [M in keyof ListFilter]?: (place: string) => string } = {
  name: (place) => `e.pattern = ${place}`,
  nameRegex: (place) => `e.pattern ~ ${place}`,
  correlationId: (place) => `e.metadata->>'correlationId' = ${place}`,
  causationId: (place) => `e.metadata->>'causationId' = ${place}`,
  sourceKey: (place) => `e.source_key = ${place}`,
  payload: (place) => `e.payload @> ${place}::jsonb`,
};

export interface Page {
  rows: EventRow[];
  /** Where the next page begins, if one of the bounds ended this one: the last row that was looked at, or is given. */
  stoppedAt: string | undefined;
}

/** The members of an event are null where the page is empty. */
interface PageRow extends EventRow {
  looked: number;
  lastLooked: string | null;
  paged: number;
}

/**
 * A page, newest first. Ids are in the order of time, so times and the cursor are ranges of the index that gives the order.
 * At most `mostLookedAt` rows of that index are looked at, whatever the rest of the filter lets through, and no more rows
 * are given once their payloads have `mostBytes`.
 */
export async function listEventRows(db: Db, filter: ListFilter): Promise<Page> {
  const values: unknown[] = [];
  const bind = (value: unknown) => `$${values.push(value)}`;
  const { uses, ranges } = leadOf(filter);
  const where = [`e.namespace = ${bind(filter.namespace)}`];
  const floor = (at: string) => `workflow_orchestrator_service.uuid_floor(${bind(at)}::timestamptz)`;
  if (filter.from !== undefined) where.push(`e.id >= ${floor(filter.from)}`);
  if (filter.to !== undefined) where.push(`e.id < ${floor(filter.to)}`);
  if (filter.before !== undefined) where.push(`e.id < ${bind(filter.before)}::uuid`);
  const fits = Object.entries(tests).flatMap(([member, test]) => {
    const value = filter[member as keyof ListFilter];
    return value === undefined || member === uses ? [] : [test(bind(value))];
  });
  // Where an index tells all, what it gives is the page.
  const isTold = fits.length === 0;
  const most = isTold ? bind(filter.limit) : mostLookedAt;
  const range = (of: (bind: Bind) => string) => `(select e.shard, e.id, ${fits.join(" and ") || "true"} as fits
      from event_processing_service.event_instances e
      where ${[...where, of(bind)].join(" and ")} order by e.id desc limit ${most})`;
  // A join could read the whole of a table whose rows it is to look up; a limit inside keeps it at single rows.
  const text = `with looked as materialized (
      select * from (${ranges.map(range).join(" union all ")}) r order by r.id desc limit ${most}),
    page as (select l.shard, l.id from looked l where l.fits order by l.id desc limit ${bind(filter.limit)}::int),
    weighed as (
      select f.*, octet_length(f.payload::text) as bytes, sum(octet_length(f.payload::text)) over (order by f.id desc) as "bytesSoFar"
      from page cross join lateral (
        select ${columns} from event_processing_service.event_instances e
        where e.shard = page.shard and e.id = page.id limit 1) f)
    select l.*, p.*
    from (select (select count(*)::int from looked) as looked, (select id from looked order by id limit 1) as "lastLooked",
        (select count(*)::int from page) as paged) l
    left join (select * from weighed w where w."bytesSoFar" - w.bytes < ${mostBytes}) p on true
    order by p.id desc`;
  const found = await db.unnamed<PageRow>(text, values);
  const { looked, lastLooked, paged } = found[0]!;
  const rows = found.filter(({ id }) => id !== null);
  const isCut = rows.length < paged;
  const isBounded = !isTold && looked >= mostLookedAt;
  return { rows, stoppedAt: isCut ? rows.at(-1)?.id : isBounded ? (lastLooked ?? undefined) : undefined };
}

export interface RoutingRow {
  replayId: string;
  decisions: { [name: string]: Json }[];
  routedAt: string;
}

/** How it was routed: the first time, and by replays. */
export const readRoutings = statement(
  "events.read_routings",
  `select r.replay_id as "replayId", r.decisions, r.routed_at as "routedAt"
   from event_processing_service.event_routings r
   where r.shard = $1 and r.event_id = $2 order by r.replay_id limit $3`,
);

export interface DeliveryRow {
  id: string;
  subscriptionId: string;
  replayId: string | null;
  status: string;
  attempts: number;
  nextAttemptAt: string;
  history: Json;
  createdAt: string;
  completedAt: string | null;
}

export const readDeliveriesOfEvent = statement(
  "events.read_deliveries_of_event",
  `select d.id, d.subscription_id as "subscriptionId", d.replay_id as "replayId", d.status, d.attempts,
     d.next_attempt_at as "nextAttemptAt", d.history, d.created_at as "createdAt", d.completed_at as "completedAt"
   from event_processing_service.event_deliveries d
   where d.event_id = $1 order by d.created_at, d.id limit $2`,
);

export interface DeadLetterRow {
  id: string;
  subscriberId: string;
  deliveryId: string | null;
  status: string;
  errorCode: string;
  errorMessage: string;
  createdAt: string;
}

export const readDeadLettersOfEvent = statement(
  "events.read_dead_letters_of_event",
  `select l.id, l.subscriber_id as "subscriberId", l.delivery_id as "deliveryId", l.status, l.error_code as "errorCode",
     l.error_message as "errorMessage", l.created_at as "createdAt"
   from event_processing_service.dead_letter_queue l
   where l.event_instance_id = $1 order by l.created_at, l.id limit $2`,
);
