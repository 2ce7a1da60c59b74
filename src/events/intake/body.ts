/** Reads what was sent: one event or many, in our shape or as CloudEvents; every fault with its place. */
import type { IncomingHttpHeaders } from "node:http";
import { maxPayloadBytes } from "../../engine/index.ts";
import type { InputError } from "../../foundation/errors.ts";
import { eventErrors } from "../errors.ts";
import { isInHeaders, readBinaryCloudEvent, readCloudEvent } from "./cloud_events.ts";
import { readOwnShape } from "./own_shape.ts";
import type { Read, Submitted } from "./submitted.ts";

export const maxBatch = 1_000;
/** Faults of one answer. */
const maxErrors = 100;

export interface Submission {
  events: Submitted[];
  /** Whether the answer is a list. */
  isBatch: boolean;
}

interface Sent {
  body: unknown;
  headers: IncomingHttpHeaders;
}

/**
 * Which form a body has is said by its content type, else by what it is: a list, or an object with the list `events`, is a
 * batch; what has `specversion` is a CloudEvent. Throws `event_invalid` for faults of any member, `batch_too_large` and
 * `payload_too_large`.
 */
export function readSubmission({ body, headers }: Sent): Submission {
  const { isBatch, reads } = readAll({ body, headers });
  const errors: InputError[] = [];
  const events: Submitted[] = [];
  for (const read of reads) {
    if (read.submitted !== undefined) events.push(read.submitted);
    else errors.push(...read.errors);
    if (errors.length >= maxErrors) break;
  }
  refuse(errors, isBatch);
  // What is no larger as a whole has no payload that is.
  const length = Number(headers["content-length"]);
  if (!(length <= maxPayloadBytes)) refuseLarge(events);
  return { events, isBatch };
}

function readAll({ body, headers }: Sent): { isBatch: boolean; reads: Iterable<Read> } {
  const type = /^\s*([^;\s]*)/.exec(headers["content-type"] ?? "")?.[1]?.toLowerCase();
  if (type === "application/cloudevents-batch+json") {
    if (Array.isArray(body)) return many(body, "", readMemberOfCloudEvents);
    throw noEvent("", "is no list", "a list of CloudEvents");
  }
  if (type === "application/cloudevents+json") {
    const expected = "one CloudEvent; a list has the type application/cloudevents-batch+json";
    if (isRecord(body)) return { isBatch: false, reads: [readCloudEvent(body, "")] };
    throw noEvent("", `is ${Array.isArray(body) ? "a list" : "no object"}`, expected);
  }
  if (isInHeaders(headers)) return { isBatch: false, reads: [readBinaryCloudEvent(headers, body)] };
  if (Array.isArray(body)) return many(body, "", readEither);
  if (!isRecord(body)) throw noEvent("", body === undefined ? "is missing" : "is no object", "an event, or a list");
  if (!Object.hasOwn(body, "events")) return { isBatch: false, reads: [readEither(body, "")] };
  const { events, ...rest } = body;
  if (!Array.isArray(events)) throw noEvent("/events", "is no list", "a list of events");
  const [stray] = Object.keys(rest);
  if (stray !== undefined) throw noEvent(`/${stray}`, "stands beside the list of events", "events alone");
  return many(events, "/events", readEither);
}

function many(
  members: readonly unknown[],
  pointer: string,
  read: (value: unknown, pointer: string) => Read,
): { isBatch: true; reads: Iterable<Read> } {
  if (members.length > maxBatch) {
    const message = `has ${members.length} events`;
    const expected = `at most ${maxBatch} at once`;
    throw eventErrors.batch_too_large(`The batch ${message}; ${expected} are taken.`, {
      errors: [{ pointer, message, expected }],
    });
  }
  return { isBatch: true, reads: each(members, (member, index) => read(member, `${pointer}/${index}`)) };
}

/** Reads on only as long as it is asked. */
function* each<T, R>(values: readonly T[], read: (value: T, index: number) => R): Iterable<R> {
  for (const [index, value] of values.entries()) yield read(value, index);
}

function readEither(value: unknown, pointer: string): Read {
  return isRecord(value) && Object.hasOwn(value, "specversion")
    ? readCloudEvent(value, pointer)
    : readOwnShape(value, pointer);
}

function readMemberOfCloudEvents(value: unknown, pointer: string): Read {
  if (isRecord(value)) return readCloudEvent(value, pointer);
  return { errors: [{ pointer, message: "is no object", expected: "a CloudEvent" }] };
}

function refuse(errors: readonly InputError[], isBatch: boolean): void {
  const [first] = errors;
  if (first === undefined) return;
  const place = first.pointer === "" ? "The body" : first.pointer;
  const detail = errors.length === 1 ? `${place} ${first.message}.` : `There are ${errors.length} faults; see errors.`;
  throw eventErrors.event_invalid(isBatch ? `Nothing of the batch was taken. ${detail}` : detail, {
    errors: errors.slice(0, maxErrors),
  });
}

function refuseLarge(events: readonly Submitted[]): void {
  const errors: InputError[] = [];
  for (const { event, at } of events) {
    const bytes = Buffer.byteLength(JSON.stringify(event.payload));
    if (bytes <= maxPayloadBytes) continue;
    errors.push({ pointer: at.payload, message: `has ${bytes} bytes as JSON`, expected: `at most ${maxPayloadBytes}` });
  }
  const [first] = errors;
  if (first === undefined) return;
  throw eventErrors.payload_too_large(`${first.pointer || "The body"} ${first.message}; ${first.expected} are taken.`, {
    errors: errors.slice(0, maxErrors),
  });
}

function noEvent(pointer: string, message: string, expected: string): Error {
  return eventErrors.event_invalid(`${pointer || "The body"} ${message}.`, {
    errors: [{ pointer, message, expected }],
  });
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
