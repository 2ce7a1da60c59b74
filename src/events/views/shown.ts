/** Events as clients see them. */
import type { Json } from "../../engine/index.ts";
import type { DeadLetterRow, DeliveryRow, EventRow, RoutingRow } from "./queries.ts";

/** Of a routing that is no replay. */
const noReplay = "00000000-0000-0000-0000-000000000000";

export interface ShownEvent {
  id: string;
  eventId: string;
  namespace: string;
  pattern: string;
  version?: string;
  source?: { [name: string]: Json };
  timestamp: string;
  acceptedAt: string;
  payload: Json;
  metadata: { [name: string]: Json };
  partitionKey?: string;
}

export function shownEvent(row: EventRow): ShownEvent {
  return {
    id: row.id,
    eventId: row.eventId,
    namespace: row.namespace,
    pattern: row.pattern,
    version: row.version ?? undefined,
    source: row.source ?? undefined,
    timestamp: row.timestamp,
    acceptedAt: row.acceptedAt,
    payload: row.payload,
    metadata: row.metadata,
    partitionKey: row.partitionKey ?? undefined,
  };
}

export function shownRouting({ replayId, decisions, routedAt }: RoutingRow) {
  return { replayId: replayId === noReplay ? undefined : replayId, routedAt, decisions };
}

export function shownDelivery(row: DeliveryRow) {
  return {
    id: row.id,
    subscriptionId: row.subscriptionId,
    replayId: row.replayId ?? undefined,
    status: row.status,
    attempts: row.attempts,
    nextAttemptAt: row.status === "pending" ? row.nextAttemptAt : undefined,
    history: row.history,
    createdAt: row.createdAt,
    completedAt: row.completedAt ?? undefined,
  };
}

export function shownDeadLetter({ deliveryId, ...row }: DeadLetterRow) {
  return { ...row, deliveryId: deliveryId ?? undefined };
}
