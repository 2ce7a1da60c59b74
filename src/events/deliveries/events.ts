/** Events as rows have them, and as subscribers get them. */
import type { EventView, Json } from "../../engine/index.ts";
import type { EventColumns } from "./queries.ts";

/** PostgreSQL's JSON has its own way to write instants. */
export function eventOf(columns: EventColumns): EventView & { sourceKey: string | null } {
  const { pattern, timestamp, acceptedAt, ...same } = columns;
  return {
    ...same,
    type: pattern,
    pattern,
    timestamp: new Date(timestamp).toISOString(),
    acceptedAt: new Date(acceptedAt).toISOString(),
  };
}

/** An event that nobody published, for tests of subscriptions. */
export function testEvent(name: string, { id, nowIso }: { id: string; nowIso: string }) {
  const payload: Json = { test: true, message: "This is a test of a subscription." };
  return {
    id,
    eventId: id,
    type: name,
    pattern: name,
    payload,
    metadata: { test: true },
    source: { type: "system", name: "millrace" },
    sourceKey: null,
    timestamp: nowIso,
    acceptedAt: nowIso,
    partitionKey: null,
  };
}
