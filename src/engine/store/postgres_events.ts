/** Events on PostgreSQL: intake, routing, look-back. */

import type { Database } from "../../foundation/database/index.ts";
import { patternExpression } from "../machine/pattern.ts";
import * as sql from "../queries/events.ts";
import {
  type EventAnswer,
  type EventRow,
  type EventsAnswer,
  type OpenWait,
  type Store,
  type StoredEvent,
  StoreError,
  type WaitShapeRow,
} from "./contract.ts";
import { encodeEvent } from "./rows.ts";

type Events = Pick<
  Store,
  | "publish"
  | "events"
  | "waitsFor"
  | "lookBack"
  | "openWaits"
  | "registerShapes"
  | "shapes"
  | "openInstances"
  | "routingRevision"
>;

/** `guard` names what went wrong in the words of the store's contract. */
export function eventsOf(database: Database, guard: <T>(call: () => Promise<T>) => Promise<T>): Events {
  return {
    async publish(events, routingRevision) {
      try {
        return await guard(() => acceptAll(database, events, routingRevision));
      } catch (error) {
        if (error instanceof StoreError && error.locked) return { outcome: "busy" };
        throw error;
      }
    },

    async events(ids) {
      if (ids.length === 0) return [];
      const values = [ids.map(({ shard }) => shard), ids.map(({ id }) => id)];
      const rows = await guard(() => database.query<StoredEvent>(sql.readEvents, values));
      return rows.map(toEvent);
    },

    async waitsFor(keys) {
      const values = [JSON.stringify(keys.map(({ namespace, pattern, key }) => [namespace, pattern, key]))];
      const [row] = await guard(() =>
        database.query<{ revision: string; waits: [number, number, string, string][] }>(sql.readWaitsFor, values),
      );
      const waits = row!.waits.map(([of, shard, instanceId, path]) => ({ of, shard, instanceId, path }));
      return { revision: Number(row!.revision), waits };
    },

    async lookBack(waits, limit) {
      const values = [
        waits.map(({ namespace }) => namespace),
        waits.map(({ pattern }) => pattern),
        waits.map(({ key }) => key),
        waits.map(({ since }) => since),
        waits.map(({ after }) => after),
        limit,
        waits.map(({ pattern }) => patternExpression(pattern)),
      ];
      const rows = await guard(() => database.query<StoredEvent & { n: number }>(sql.lookBack, values));
      const found: StoredEvent[][] = waits.map(() => []);
      for (const { n, ...event } of rows) {
        const page = found[n - 1]!;
        if (page.at(-1)?.id !== event.id && page.length < limit) page.push(toEvent(event));
      }
      return found;
    },

    async openWaits(shards) {
      if (shards.length === 0) return [];
      const rows = await guard(() => database.query<OpenWait>(sql.readOpenWaits, [shards]));
      return rows.map((row) => ({ ...row, since: Math.floor(row.since), openedAt: Math.floor(row.openedAt) }));
    },

    async registerShapes(shapes) {
      if (shapes.length === 0) return;
      const rows = shapes.map(({ namespace, pattern, paths }) => [namespace, pattern, paths]);
      await guard(() => database.query(sql.registerShapes, [JSON.stringify(rows)]));
    },

    async shapes() {
      const [row] = await guard(() => database.query<{ revision: string; shapes: WaitShapeRow[] }>(sql.readShapes));
      return { revision: Number(row!.revision), shapes: row!.shapes };
    },

    async openInstances({ namespace, workflowId, correlationId, limit }) {
      const values = [namespace, correlationId, workflowId, limit];
      return guard(() => database.query<{ shard: number; id: string }>(sql.readOpenInstances, values));
    },

    async routingRevision() {
      const [row] = await guard(() => database.query<{ revision: string }>(sql.readRoutingRevision));
      return Number(row!.revision);
    },
  };
}

async function acceptAll(database: Database, events: EventRow[], routingRevision: number): Promise<EventsAnswer> {
  const rows = await database.query<{ id: string; stale: boolean; shard: number; inboxId: number; at: number }>(
    sql.acceptEvents,
    [`[${events.map(encodeEvent).join(",")}]`, routingRevision],
  );
  if (rows[0]?.stale === true) return { outcome: "stale" };
  const created = new Map(rows.map((row) => [row.id, row]));
  const taken = events.filter(({ id }) => !created.has(id));
  const firsts = taken.length === 0 ? [] : await readFirsts(database, taken);
  // The transaction that held a key may have rolled back between our two statements.
  if (firsts.length < taken.length) return { outcome: "busy" };
  const first = new Map(firsts.map(({ n, ...answer }) => [taken[n - 1]!.id, answer]));
  const answers = events.map(({ id }): EventAnswer => {
    const row = created.get(id);
    if (row !== undefined) return { outcome: "created", shard: row.shard, inboxId: row.inboxId, at: row.at };
    return { outcome: "exists", ...first.get(id)! };
  });
  return { outcome: "done", answers };
}

async function readFirsts(
  database: Database,
  taken: EventRow[],
): Promise<{ n: number; id: string; eventId: string; at: number }[]> {
  return database.query(sql.firstEvents, [
    taken.map(({ keyShard }) => keyShard),
    taken.map(({ namespace }) => namespace),
    taken.map(({ sourceKey }) => sourceKey ?? ""),
    taken.map(({ eventId }) => eventId),
  ]);
}

function toEvent(row: StoredEvent): StoredEvent {
  return { ...row, timestamp: Math.floor(row.timestamp), acceptedAt: Math.floor(row.acceptedAt) };
}
