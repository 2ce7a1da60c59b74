/** The part of a flush that has to do with events and schedules, on memory tables. */

import type { Json } from "../../machine/definition.ts";
import { insertEvent, toEventRow } from "./events.ts";
import * as check from "./refusals.ts";
import { rowKey, type Tables, type WaitRow, waitKey } from "./tables.ts";

type Own = (shard: Json | undefined) => number;

const waitStatuses: WaitRow["status"][] = ["active", "fulfilled", "expired", "cancelled"];
const occurrenceStatuses = ["fired", "late", "skipped", "missed", "queued", "failed"];

const optionalUuid = (value: Json | undefined): string | null =>
  value === null || value === undefined ? null : check.uuid(value);

/** Everything is checked now, and written when the answer is called. */
export function applyEvents(
  tables: Tables,
  rows: Record<string, Json[][]>,
  { own, at }: { own: Own; at: number },
): (() => void)[] {
  const of = (kind: string) => rows[kind] ?? [];
  return [
    ...openWaits(tables, of("waitsOpened"), { own, at }),
    ...of("waitsEnded").map((row) => {
      const key = waitKey(own(row[0]), check.uuid(row[1]), check.text(row[2]));
      const status = check.oneOf(check.text(row[3]), waitStatuses);
      const eventId = optionalUuid(row[4]);
      return () => {
        const wait = tables.waits.get(key);
        if (wait !== undefined) Object.assign(wait, { status, eventId });
      };
    }),
    ...of("waitsAbandoned").map((row) => {
      const shard = own(row[0]);
      const instanceId = check.uuid(row[1]);
      return () => {
        for (const wait of tables.waits.values()) {
          const open = wait.shard === shard && wait.instanceId === instanceId && wait.status === "active";
          if (open) wait.status = "cancelled";
        }
      };
    }),
    ...of("lookBackFloors").map((row) => {
      const [shard, floor] = [own(row[0]), check.instant(row[1])];
      return () => tables.lookBackFloors.set(shard, floor);
    }),
    // Events go to whatever shard.
    ...of("eventsPublished").map((row) => {
      const event = toEventRow(tables, row);
      return () => insertEvent(tables, event, at);
    }),
    ...of("routed").map((row) => {
      const [shard, eventId, replayId] = [own(row[0]), check.uuid(row[1]), optionalUuid(row[2])];
      const decisions = row[4] as Json[];
      check.text(row[3]);
      return () => {
        const key = `${rowKey(shard, eventId)} ${replayId}`;
        const { decisions: before, times } = tables.routings.get(key) ?? { decisions: [], times: 0 };
        tables.routings.set(key, { shard, eventId, replayId, decisions: [...before, ...decisions], times: times + 1 });
      };
    }),
    ...of("deliveries").map((row) => {
      const delivery = {
        id: check.uuid(row[0]),
        shard: own(row[1]),
        eventId: check.uuid(row[3]),
        subscriptionId: check.uuid(row[4]),
        replayId: optionalUuid(row[5]),
      };
      return () => tables.deliveries.push(delivery);
    }),
    ...of("deadLettered").map((row) => {
      const letter = {
        id: check.uuid(row[0]),
        eventId: optionalUuid(row[3]),
        subscriberId: check.varchar(check.text(row[4]), 255),
        message: check.text(row[6]),
      };
      return () => tables.deadLetters.push(letter);
    }),
    ...of("deadLettersSettled").map((row) => {
      const id = check.uuid(row[0]);
      return () => {
        const at = tables.deadLetters.findIndex((letter) => letter.id === id);
        if (at >= 0 && row[1] === null) tables.deadLetters.splice(at, 1);
      };
    }),
    ...putOccurrences(tables, of("occurrencesPut"), own),
    ...of("firings").map((row) => {
      own(row[0]);
      const [id, n, lastAt] = [check.uuid(row[1]), check.int4(row[2]), check.instant(row[3])];
      return () => {
        const before = tables.firings.get(id) ?? { fired: 0, lastAt: 0 };
        tables.firings.set(id, { fired: before.fired + n, lastAt: Math.max(before.lastAt, lastAt) });
      };
    }),
  ];
}

function openWaits(tables: Tables, rows: Json[][], { own, at }: { own: Own; at: number }): (() => void)[] {
  const fresh = new Set<string>();
  return rows.map((row) => {
    const wait: WaitRow = {
      shard: own(row[0]),
      instanceId: check.uuid(row[1]),
      path: check.text(row[2]),
      namespace: check.text(row[3]),
      pattern: check.varchar(check.text(row[4]), 255),
      status: "active",
      timeoutAt: check.optionalInstant(row[6]),
      key: check.text(row[9]),
      since: check.optionalInstant(row[10]),
      openedAt: at,
      eventId: null,
    };
    check.varchar(check.text(row[7]), 255);
    check.varchar(check.optionalText(row[8]), 255);
    const key = waitKey(wait.shard, wait.instanceId, wait.path);
    if (tables.waits.has(key) || fresh.has(key))
      check.refuse("duplicate key value: workflow_event_subscriptions (23505)");
    fresh.add(key);
    return () => tables.waits.set(key, wait);
  });
}

function putOccurrences(tables: Tables, rows: Json[][], own: Own): (() => void)[] {
  return rows.map((row) => {
    const occurrence = {
      shard: own(row[0]),
      scheduleId: check.uuid(row[1]),
      plannedAt: check.instant(row[2]),
      status: check.oneOf(check.text(row[3]), occurrenceStatuses),
      reason: check.optionalText(row[4]),
      instanceId: optionalUuid(row[5]),
      backfillId: optionalUuid(row[6]),
    };
    const key = `${occurrence.shard} ${occurrence.scheduleId} ${occurrence.plannedAt}`;
    return () => {
      const backfillId = occurrence.backfillId ?? tables.occurrences.get(key)?.backfillId ?? null;
      tables.occurrences.set(key, { ...occurrence, backfillId });
    };
  });
}
