/**
 * Words and laws of dead letters; no I/O.
 *
 *     pending ──reprocess──▶ reprocessing ──taken──▶ resolved
 *        ▲                        └──refused again──▶ pending
 *     pending, reprocessing ──resolve──▶ resolved
 *     pending, reprocessing ──discard──▶ discarded
 */
import type { EventInput, EventMetadata, EventSource, Json } from "../../engine/index.ts";

export const letterStatuses = ["pending", "reprocessing", "resolved", "discarded"] as const;
export type LetterStatus = (typeof letterStatuses)[number];

/** Types of errors that may pass by themselves: network, time, limits, a database that does not answer. */
export const transientTypes = ["TRANSIENT", "TIMEOUT", "SYSTEM"];

export interface LetterFilter {
  status?: LetterStatus;
  errorTypes?: string[];
  errorCode?: string;
  subscriberId?: string;
  /** The name of the event, or the beginning of it before a `*` or `>`. */
  pattern?: string;
  eventId?: string;
  createdAfter?: string;
  createdBefore?: string;
  minRetryCount?: number;
  maxRetryCount?: number;
}

export type Subscriber = { kind: "intake" } | { kind: "trigger" | "subscription"; id: string } | { kind: "other" };

/** Whom a letter was meant for. */
export function subscriberOf(subscriberId: string): Subscriber {
  if (subscriberId === "intake") return { kind: "intake" };
  const [, kind, id] = /^(trigger|subscription):(.+)$/.exec(subscriberId) ?? [];
  return kind === undefined || id === undefined ? { kind: "other" } : { kind: kind as "trigger" | "subscription", id };
}

type Fields = { readonly [name: string]: Json | undefined };

const isFields = (value: Json | undefined): value is { [name: string]: Json } =>
  typeof value === "object" && value !== null && !Array.isArray(value);

function sourceOf(source: Json | undefined): { source?: EventSource } {
  if (!isFields(source) || typeof source.type !== "string") return {};
  const { type, id, name } = source;
  return {
    source: { type, ...(typeof id === "string" && { id }), ...(typeof name === "string" && { name }) },
  };
}

/** The event of a letter of the intake, ready to be published; undefined when it has no name. */
export function eventOfLetter(
  original: Json,
  { namespace, eventId, payload }: { namespace: string; eventId: string; payload: Json | undefined },
): EventInput | undefined {
  if (!isFields(original)) return undefined;
  const fields: Fields = original;
  const text = (name: string) => {
    const value = fields[name];
    return typeof value === "string" && value !== "" ? { [name]: value } : {};
  };
  const pattern = fields.pattern ?? fields.type;
  if (typeof pattern !== "string" || pattern === "") return undefined;
  const { source, metadata } = fields;
  return {
    namespace,
    eventId,
    pattern,
    payload: payload ?? fields.payload ?? fields.data ?? null,
    ...text("version"),
    ...text("sourceKey"),
    ...text("timestamp"),
    ...text("partitionKey"),
    ...sourceOf(source),
    ...(isFields(metadata) && { metadata: metadata as EventMetadata }),
  };
}
