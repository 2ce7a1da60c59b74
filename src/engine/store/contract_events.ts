/** Events as the store takes and gives them. Instants are milliseconds by the store's clock. */

import type { Json } from "../machine/definition.ts";

/** An event as its row has it. */
export interface StoredEvent {
  shard: number;
  id: string;
  namespace: string;
  eventId: string;
  pattern: string;
  version: string | null;
  source: Json | null;
  sourceKey: string | null;
  timestamp: number;
  payload: Json;
  metadata: { [name: string]: Json };
  partitionKey: string | null;
  acceptedAt: number;
}

/** An event counts as accepted when it is, and at most so long after its id was made, however long it was on its way. */
export const acceptedWithinMs = 5_000;

/** An event that is to be taken in. */
export interface EventRow extends Omit<StoredEvent, "timestamp" | "acceptedAt"> {
  /** Absent: when it is accepted. */
  timestamp: number | null;
  /** Where its deduplication key lives; null where nothing is deduplicated. */
  keyShard: number | null;
  matchKeys: string[];
}

export type EventAnswer =
  | { outcome: "created"; shard: number; inboxId: number; at: number }
  | { outcome: "exists"; id: string; eventId: string; at: number };

/** `stale`: the match keys were computed from another revision. `busy`: an open transaction holds a key. */
export type EventsAnswer = { outcome: "done"; answers: EventAnswer[] } | { outcome: "stale" } | { outcome: "busy" };

/** An open wait. */
export interface WaitRow {
  shard: number;
  instanceId: string;
  path: string;
}

export interface LookBackWait {
  namespace: string;
  /** The wait's. Without wildcards where there is no key. */
  pattern: string;
  /** The match key; null: events of the pattern's name. Events from before its shape was known are found by the pattern. */
  key: string | null;
  /** Events accepted from here on. */
  since: number;
  /** The event after which to go on; null at first. */
  after: string | null;
}

/** How programs of a namespace wait; paths as `pathText` writes them. */
export interface WaitShapeRow {
  namespace: string;
  pattern: string;
  paths: string[];
}

export interface OpenWait extends WaitRow {
  namespace: string;
  pattern: string;
  key: string;
  since: number;
  openedAt: number;
}
