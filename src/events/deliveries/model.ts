/**
 * Words and laws of deliveries; no I/O.
 *
 *     pending ──2xx, or the handler returns──▶ delivered
 *        │ └──failure that may pass──▶ pending, later
 *        ├──failure that stays, or one too many──▶ failed, and a dead letter
 *        └──the subscription is disabled or deleted──▶ cancelled
 *     failed, cancelled, delivered ──retry by hand──▶ pending
 */
import type { EventView, Json } from "../../engine/index.ts";
import { type RetryPolicy, retryDelayMs } from "../subscriptions/model.ts";

export const deliveryStatuses = ["pending", "delivered", "failed", "cancelled"] as const;
export type DeliveryStatus = (typeof deliveryStatuses)[number];

/** What came of one attempt. */
export interface Reply {
  delivered: boolean;
  durationMs: number;
  /** Of an HTTP answer. */
  status?: number;
  /** Its beginning. */
  body?: string;
  retryAfterMs?: number;
  failure?: { code: string; type: string; message: string; stackTrace?: string };
  /** Another attempt would give the same. */
  permanent?: boolean;
  /** The subscriber wants nothing more: 410. */
  gone?: boolean;
}

/** An attempt in a delivery's history. */
export interface HistoryEntry {
  at: string;
  attempt: number;
  durationMs: number;
  status?: number;
  body?: string;
  error?: { code: string; type: string; message: string };
  retryAfterMs?: number;
}

export interface Verdict {
  status: "pending" | "delivered" | "failed";
  /** Until the next attempt. */
  delayMs: number;
}

/** What becomes of a delivery after its attempt `attempt`, counted from 1. A server's own wish to wait comes first. */
export function verdictOf(
  reply: Reply,
  { attempt, policy, chance }: { attempt: number; policy: RetryPolicy; chance: number },
): Verdict {
  if (reply.delivered) return { status: "delivered", delayMs: 0 };
  if (reply.permanent === true || attempt >= policy.maxAttempts) return { status: "failed", delayMs: 0 };
  return { status: "pending", delayMs: Math.max(reply.retryAfterMs ?? 0, retryDelayMs(policy, attempt, chance)) };
}

export function entryOf(reply: Reply, { at, attempt }: { at: string; attempt: number }): HistoryEntry {
  const { durationMs, status, body, failure, retryAfterMs } = reply;
  return {
    at,
    attempt,
    durationMs,
    ...(status !== undefined && { status }),
    ...(body !== undefined && { body }),
    ...(failure !== undefined && { error: { code: failure.code, type: failure.type, message: failure.message } }),
    ...(retryAfterMs !== undefined && { retryAfterMs }),
  };
}

/** Statuses below 500 that may pass: request timeout, too early, too many requests. Redirects are not followed, but mended. */
const passing = new Set([408, 425, 429]);

export function isPermanent(status: number): boolean {
  return status >= 400 && status < 500 && !passing.has(status);
}

/** An event on its way to a subscriber. */
export interface Parcel {
  deliveryId: string;
  namespace: string;
  event: EventView & { sourceKey: string | null };
  replayId: string | null;
}

/**
 * CloudEvents 1.0, structured. Extensions have lower-case names: `partitionkey`, `correlationid`, `causationid`,
 * `traceid`; a replayed event has `replayid` and `replay`.
 */
export function cloudEvent({ namespace, event, replayId }: Parcel): Record<string, Json> {
  const { metadata } = event;
  const extension = (name: string, value: Json | undefined) =>
    typeof value === "string" && value !== "" ? { [name]: value } : {};
  return {
    specversion: "1.0",
    id: event.eventId,
    source: sourceOf(event.sourceKey, namespace),
    type: event.type,
    time: event.timestamp,
    datacontenttype: "application/json",
    ...extension("partitionkey", event.partitionKey),
    ...extension("correlationid", metadata.correlationId),
    ...extension("causationid", metadata.causationId),
    ...extension("traceid", metadata.traceId),
    ...(replayId !== null && { replay: true, replayid: replayId }),
    data: event.payload,
  };
}

/** A URI reference that is not empty; what a publisher gave, with what URIs cannot hold escaped. */
function sourceOf(sourceKey: string | null, namespace: string): string {
  if (sourceKey === null || sourceKey === "") return `/namespaces/${encodeURIComponent(namespace)}`;
  return /^[\w\-.~:/?#[\]@!$&'()*+,;=%]+$/.test(sourceKey) ? sourceKey : encodeURI(sourceKey.toWellFormed());
}
