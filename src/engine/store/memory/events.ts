/** Events on memory tables: intake, routing, look-back, and the rows that a flush writes of them. */

import { uuidTimeMs } from "../../../foundation/ids.ts";
import type { Json } from "../../machine/definition.ts";
import { compilePattern } from "../../machine/pattern.ts";
import { isFinal } from "../../machine/state.ts";
import {
  acceptedWithinMs,
  type EventAnswer,
  type EventRow,
  type EventsAnswer,
  type LookBackWait,
  type OpenWait,
  type StoredEvent,
  type WaitRow,
  type WaitShapeRow,
} from "../contract_events.ts";
import { encodeEvent } from "../rows.ts";
import * as check from "./refusals.ts";
import { type EventTableRow, eventKeyKey, requirePartition, rowKey, type Tables } from "./tables.ts";

/** All or none, as one transaction. */
export function publish(tables: Tables, events: EventRow[], routingRevision: number): EventsAnswer {
  if (routingRevision !== tables.routingRevision) return { outcome: "stale" };
  const held = events.some(
    (event) => event.keyShard !== null && tables.heldKeys.has(eventKeyKey({ ...event, keyShard: event.keyShard })),
  );
  if (held) return { outcome: "busy" };
  const rows = events.map((event) => toEventRow(tables, check.parseJson(encodeEvent(event)) as Json[]));
  const at = tables.now();
  return { outcome: "done", answers: rows.map((row) => insertEvent(tables, row, at)) };
}

type FreshEvent = Omit<EventTableRow, "timestamp" | "acceptedAt" | "keysRevision"> & {
  timestamp: number | null;
  keyShard: number | null;
};

/** Checks a row as the columns do. */
export function toEventRow(tables: Tables, row: Json[]): FreshEvent {
  const id = check.uuid(row[1]);
  requirePartition(tables, id, "event_instances");
  if (row[12] !== null) check.smallint(row[12]);
  return {
    shard: check.smallint(row[0]),
    id,
    namespace: check.text(row[2]),
    eventId: check.varchar(check.text(row[3]), 255),
    pattern: check.varchar(check.text(row[4]), 255),
    version: check.varchar(check.optionalText(row[5]), 50),
    source: JSON.stringify(row[6] ?? null),
    sourceKey: check.varchar(check.optionalText(row[7]), 1024),
    timestamp: check.optionalInstant(row[8]),
    payload: JSON.stringify(row[9]),
    metadata: JSON.stringify(row[10]),
    partitionKey: check.varchar(check.optionalText(row[11]), 255),
    keyShard: row[12] as number | null,
    matchKeys: row[13] as string[],
  };
}

export function insertEvent(tables: Tables, { keyShard, ...row }: FreshEvent, now: number): EventAnswer {
  const at = Math.min(now, uuidTimeMs(row.id) + acceptedWithinMs);
  if (keyShard !== null) {
    const key = eventKeyKey({ ...row, keyShard });
    const first = tables.eventKeys.get(key);
    if (first !== undefined) return { outcome: "exists", ...first };
    tables.eventKeys.set(key, { id: row.id, eventId: row.eventId, at });
  }
  tables.events.set(rowKey(row.shard, row.id), {
    ...row,
    timestamp: row.timestamp ?? at,
    acceptedAt: at,
    keysRevision: tables.routingRevision,
  });
  const inboxId = tables.nextInboxId++;
  tables.inbox.set(inboxId, { shard: row.shard, id: inboxId, kind: "EVENT", instanceId: row.id, fact: "{}" });
  return { outcome: "created", shard: row.shard, inboxId, at };
}

function toStored({ payload, source, metadata, matchKeys: _m, keysRevision: _k, ...row }: EventTableRow): StoredEvent {
  return {
    ...row,
    payload: JSON.parse(payload) as Json,
    source: JSON.parse(source) as Json,
    metadata: JSON.parse(metadata) as StoredEvent["metadata"],
  };
}

export function events(tables: Tables, ids: { shard: number; id: string }[]): StoredEvent[] {
  return ids
    .map(({ shard, id }) => tables.events.get(rowKey(shard, id)))
    .filter((row) => row !== undefined)
    .map(toStored);
}

export function waitsFor(
  tables: Tables,
  keys: { namespace: string; pattern: string; key: string }[],
): { revision: number; waits: (WaitRow & { of: number })[] } {
  const waits = keys.flatMap(({ namespace, pattern, key }, of) =>
    [...tables.waits.values()]
      .filter(
        (wait) =>
          wait.status === "active" && wait.namespace === namespace && wait.pattern === pattern && wait.key === key,
      )
      .sort((a, b) => a.openedAt - b.openedAt || (order(a) < order(b) ? -1 : 1))
      .map(({ shard, instanceId, path }) => ({ of, shard, instanceId, path })),
  );
  return { revision: tables.routingRevision, waits };
}

const order = ({ instanceId, path }: { instanceId: string; path: string }) => `${instanceId} ${path}`;

/** How much earlier than its acceptance an event's id may be made, and how far clocks may differ. */
const slackMs = 10_000;
/** How long after a shape was registered events may be accepted whose keys were computed before. */
const registrationMs = 3_000;

export function lookBack(tables: Tables, waits: LookBackWait[], limit: number): StoredEvent[][] {
  return waits.map(({ namespace, pattern, key, since, after }) => {
    const matches = compilePattern(pattern);
    const registered = [...tables.shapes.values()].filter(
      (row) => row.namespace === namespace && row.pattern === pattern,
    );
    const isYoung = registered.some((row) => row.registeredAt + registrationMs > since);
    const revision = Math.max(0, ...registered.map((row) => row.revision));
    const isFound = (row: EventTableRow) =>
      (key !== null && row.matchKeys.includes(key)) ||
      (matches(row.pattern) && (key === null || (isYoung && row.keysRevision < revision)));
    return [...tables.events.values()]
      .filter((row) => row.namespace === namespace && row.acceptedAt >= since && isFound(row))
      .filter((row) => (after === null ? uuidTimeMs(row.id) > since - slackMs : row.id > after))
      .sort((a, b) => (a.id < b.id ? -1 : 1))
      .slice(0, limit)
      .map(toStored);
  });
}

export function openWaits(tables: Tables, shards: number[]): OpenWait[] {
  return [...tables.waits.values()]
    .filter(({ status, shard }) => status === "active" && shards.includes(shard))
    .filter(
      ({ shard, openedAt }) => openedAt >= (tables.lookBackFloors.get(shard) ?? Number.NEGATIVE_INFINITY) - slackMs,
    )
    .map(({ shard, instanceId, path, namespace, pattern, key, since, openedAt }) => ({
      ...{ shard, instanceId, path, namespace, pattern, key, openedAt: Math.floor(openedAt) },
      since: Math.floor(since ?? openedAt),
    }));
}

export function registerShapes(tables: Tables, shapes: WaitShapeRow[]): void {
  let fresh = false;
  const revision = tables.routingRevision + 1;
  for (const shape of shapes) {
    const key = JSON.stringify([shape.namespace, shape.pattern, shape.paths]);
    if (tables.shapes.has(key)) continue;
    check.varchar(shape.pattern, 255);
    tables.shapes.set(key, { ...structuredClone(shape), registeredAt: tables.now(), revision });
    fresh = true;
  }
  if (fresh) tables.routingRevision = revision;
}

export function shapes(tables: Tables): { revision: number; shapes: WaitShapeRow[] } {
  const shapes = [...tables.shapes.values()].map(({ registeredAt: _a, revision: _r, ...shape }) =>
    structuredClone(shape),
  );
  return { revision: tables.routingRevision, shapes };
}

export function openInstances(
  tables: Tables,
  what: { namespace: string; workflowId: string; correlationId: string; limit: number },
): { shard: number; id: string }[] {
  return [...tables.instances.values()]
    .filter((row) => row.namespace === what.namespace && row.workflowId === what.workflowId)
    .filter((row) => row.correlationId === what.correlationId && !isFinal(row.status))
    .sort((a, b) => (a.id < b.id ? -1 : 1))
    .slice(0, what.limit)
    .map(({ shard, id }) => ({ shard, id }));
}
