/**
 * Intake of events (PROTOCOLS 4 and 8): what is published together is taken in together or not at all, and all that wait
 * are taken in by one transaction (deduplication key, event, its look-up keys, a row of its shard's inbox). Routing begins
 * after its commit.
 */

import { shardOf, slotOfKey } from "../../foundation/ids.ts";
import type { EventInput, PublishAnswer } from "../contract_events.ts";
import { engineErrors, storeRefusal } from "../errors.ts";
import { type EventAnswer, type EventRow, type EventsAnswer, type InboxRow, StoreError } from "../store/contract.ts";
import type { Core, OwnedShard } from "./core.ts";
import { slotOf } from "./slots.ts";

export interface Publishing {
  publish(events: EventInput[]): Promise<PublishAnswer[]>;
  /** The row of an event was read from an inbox. */
  seen(id: string): void;
}

interface Batch {
  rows: EventRow[];
  bytes: number;
  resolve(answers: EventAnswer[]): void;
  reject(error: Error): void;
}

/** How many events one transaction takes, and how large they may be together. */
const rowLimit = 1_000;
const byteLimit = 4 * 1024 * 1024;

export function createPublishing(
  core: Core,
  reactions: { takeInbox(row: InboxRow): void; posted(shards: number[]): void },
): Publishing {
  let waiting: Batch[] = [];
  /** Events for shards of this node that are being taken in, and of which no row has been read. */
  const unseen = new Map<string, OwnedShard>();
  let waitingBytes = 0;
  let writing = false;
  let nextShard = 0;

  async function publish(events: EventInput[]): Promise<PublishAnswer[]> {
    if (events.length === 0) return [];
    const rows = events.map(rowOf);
    const bytes = rows.reduce((sum, row) => sum + JSON.stringify(row.payload).length + 500, 0);
    if (waitingBytes > 0 && waitingBytes + bytes > core.limits.queuedBytes) {
      throw engineErrors.overloaded("More events wait than can be written in time; publish fewer at once", {
        retryAfterMs: 1_000,
        details: { queuedBytes: waitingBytes },
      });
    }
    waitingBytes += bytes;
    const answers = await new Promise<EventAnswer[]>((resolve, reject: (error: Error) => void) => {
      waiting.push({ rows, bytes, resolve, reject });
      if (writing) return;
      writing = true;
      core.clock.soon(() => void writeAll());
    }).catch((error: unknown) => {
      for (const { id } of rows) unseen.delete(id);
      throw error;
    });
    return answers.map((answer, i) => tell(rows[i]!, answer));
  }

  /** Whether a row is at hand that nobody has read, from its being written on. Those of a key go by the order of the inbox. */
  function expect({ id, shard, partitionKey }: EventRow): void {
    const owned = core.shards.get(shard);
    if (owned !== undefined && partitionKey === null) unseen.set(id, owned);
  }

  /** An event lives on the shard of its partition key, else on one of this node's, else on any. */
  function rowOf(event: EventInput): EventRow {
    const { namespace, partitionKey, sourceKey, payload } = event;
    const now = core.time.now();
    const id = core.newId(now, partitionKey === undefined ? ownSlot() : slotOfKey(namespace, partitionKey));
    const keyed = event.eventId !== undefined;
    return {
      shard: shardOf(id, core.shardCount),
      id,
      namespace,
      eventId: event.eventId ?? id,
      pattern: event.pattern,
      version: event.version ?? null,
      source: event.source === undefined ? null : { ...event.source },
      sourceKey: sourceKey ?? null,
      timestamp: event.timestamp === undefined ? null : Date.parse(event.timestamp),
      payload,
      metadata: JSON.parse(JSON.stringify(event.metadata ?? {})) as EventRow["metadata"],
      partitionKey: partitionKey ?? null,
      keyShard: keyed ? slotOfKey(namespace, sourceKey ?? "", event.eventId!) % core.shardCount : null,
      matchKeys: [],
    };
  }

  function ownSlot(): number | undefined {
    const open: number[] = [];
    for (const { phase, shard } of core.shards.values()) if (phase === "open") open.push(shard);
    return open.length === 0 ? undefined : slotOf(core, open[nextShard++ % open.length]!);
  }

  async function writeAll(): Promise<void> {
    while (waiting.length > 0) {
      let rows = 0;
      let bytes = 0;
      let taken = 0;
      while (taken < waiting.length) {
        const batch = waiting[taken]!;
        if (taken > 0 && (rows + batch.rows.length > rowLimit || bytes + batch.bytes > byteLimit)) break;
        rows += batch.rows.length;
        bytes += batch.bytes;
        taken++;
      }
      const batches = waiting.slice(0, taken);
      waiting = waiting.slice(taken);
      await write(batches);
      waitingBytes -= bytes;
    }
    writing = false;
  }

  /** Batches that fail together are written one by one, if it is one of them that may be at fault. */
  async function write(batches: readonly Batch[]): Promise<void> {
    try {
      const answer = await send(batches.flatMap((batch) => batch.rows));
      if (answer.outcome === "done") {
        let from = 0;
        for (const batch of batches) {
          batch.resolve(answer.answers.slice(from, from + batch.rows.length));
          from += batch.rows.length;
        }
        return;
      }
      if (batches.length === 1) {
        batches[0]!.reject(
          engineErrors.key_busy("A transaction that is still open publishes an event with this id; try again", {
            retryAfterMs: 1_000,
          }),
        );
        return;
      }
    } catch (error) {
      const oneIsAtFault = error instanceof StoreError && error.fault === "data" && batches.length > 1;
      if (!oneIsAtFault) {
        for (const batch of batches) batch.reject(storeRefusal(error));
        return;
      }
    }
    for (const batch of batches) await write([batch]);
  }

  /** With keys of the revision that is in force when they are written. */
  async function send(rows: readonly EventRow[]): Promise<Exclude<EventsAnswer, { outcome: "stale" }>> {
    for (;;) {
      const { routing } = core;
      const { revision } = routing;
      for (const row of rows) {
        row.matchKeys = routing.of(row);
        expect(row);
      }
      const answer = await core.store.publish([...rows], revision);
      if (answer.outcome !== "stale") return answer;
      await routing.renew();
    }
  }

  function tell(row: EventRow, answer: EventAnswer): PublishAnswer {
    // An instance that starts after this event was accepted must not look as if it had started before.
    core.time.learn(answer.at);
    const timestamp = new Date(answer.at).toISOString();
    if (answer.outcome === "exists") {
      unseen.delete(row.id);
      return { id: answer.id, eventId: answer.eventId, status: "duplicate", timestamp };
    }
    const { shard, inboxId, at } = answer;
    const owned = core.shards.get(shard);
    const isUnseen = owned !== undefined && unseen.get(row.id) === owned;
    unseen.delete(row.id);
    const { matchKeys: _m, keyShard: _k, ...event } = row;
    const stored = { ...event, timestamp: event.timestamp ?? Math.floor(at), acceptedAt: Math.floor(at) };
    if (isUnseen)
      reactions.takeInbox({ shard, id: inboxId, kind: "EVENT", instanceId: row.id, fact: { event: stored } });
    else reactions.posted([shard]);
    return { id: row.id, eventId: row.eventId, status: "accepted", timestamp };
  }

  return { publish, seen: (id) => void unseen.delete(id) };
}
