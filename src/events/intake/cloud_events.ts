/**
 * CloudEvents 1.0 (github.com/cloudevents/spec, cloudevents/spec.md and formats/json-format.md) as our events.
 *
 * | CloudEvent | event |
 * | --- | --- |
 * | type | pattern |
 * | id | eventId |
 * | source | source `{ type: "external", id }`, and the key of deduplication |
 * | time | timestamp |
 * | data, data_base64 | payload |
 * | partitionkey | partitionKey |
 * | subject, datacontenttype, dataschema | metadata of the same name |
 * | correlationid, causationid | metadata.correlationId, metadata.causationId |
 * | every extension attribute | metadata.extensions |
 *
 * An attribute that is null is as good as absent.
 */
import type { EventMetadata, Json } from "../../engine/index.ts";
import type { InputError } from "../../foundation/errors.ts";
import { escapePointer, formats } from "../../foundation/json_schema/index.ts";
import { maxNameLength, nameFault } from "../names.ts";
import { type Data, dataOfBase64 } from "./cloud_event_data.ts";
import { instantOf } from "./instant.ts";
import { metadataFault, type Read, sourceKeyFault } from "./submitted.ts";

type Members = Readonly<Record<string, unknown>>;
type AttributeValue = string | number | boolean;

const maxTextLength = 255;

/** By their names, what is wrong with a value, or undefined; all of them are text. */
const known: Readonly<Record<string, (text: string) => Omit<InputError, "pointer"> | undefined>> = {
  specversion: (text) =>
    text === "1.0" ? undefined : { message: `is ${JSON.stringify(text)}`, expected: '"1.0", the version that is read' },
  id: (text) => atMost(text, maxTextLength),
  source: (text) =>
    formats["uri-reference"]!(text) ? undefined : { message: "is no URI reference", expected: "such as /sensors/17" },
  type: (text) => atMost(text, maxNameLength) ?? nameFault(text),
  time: (text) =>
    instantOf(text) === undefined
      ? { message: "is no timestamp of RFC 3339", expected: 'such as "2026-01-31T09:15:00Z"' }
      : undefined,
  subject: () => undefined,
  datacontenttype: (text) =>
    mediaType.test(text) ? undefined : { message: "is no media type", expected: 'such as "application/json"' },
  dataschema: (text) =>
    formats.uri!(text) ? undefined : { message: "is no absolute URI", expected: "such as https://example.com/schema" },
  // Extensions that mean something here.
  partitionkey: (text) => atMost(text, maxTextLength),
  correlationid: (text) => atMost(text, maxTextLength),
  causationid: (text) => atMost(text, maxTextLength),
};

const required = ["specversion", "id", "source", "type"] as const;
const context = new Set(["specversion", "id", "source", "type", "time", "subject", "datacontenttype", "dataschema"]);
const mediaType = /^[\w!#$&^.+-]+\/[\w!#$&^.+-]+(\s*;\s*[\w!#$&^.+-]+=("[^"]*"|[^\s";]+))*\s*$/;

/** Where the parts of a CloudEvent stand in what was sent. */
interface Places {
  /** Of an attribute. */
  of(name: string): string;
  data: string;
  whole: string;
}

/** Reads a CloudEvent in JSON format that stands at `pointer` of what was sent. */
export function readCloudEvent(value: Members, pointer: string): Read {
  const { data = null, data_base64: base64 = null, ...attributes } = value;
  const of = (name: string) => `${pointer}/${escapePointer(name)}`;
  if (base64 === null) {
    return readParts(attributes, { payload: data as Json }, { of, data: of("data"), whole: pointer });
  }
  const place = of("data_base64");
  const contentType = typeof attributes.datacontenttype === "string" ? attributes.datacontenttype : undefined;
  const both: InputError = { pointer: place, message: "stands beside data", expected: "one of the two" };
  const read: Data = Object.hasOwn(value, "data")
    ? { errors: [both] }
    : dataOfBase64(base64, { contentType, pointer: place });
  return readParts(attributes, read, { of, data: place, whole: pointer });
}

/** Whether headers carry attributes of a CloudEvent: then the body is its data (HTTP protocol binding, binary mode). */
export function isInHeaders(headers: Headers): boolean {
  return Object.keys(headers).some((name) => name.startsWith("ce-"));
}

type Headers = Readonly<Record<string, string | string[] | undefined>>;

/** Reads a CloudEvent whose attributes are headers, percent-encoded, and whose data is a body of JSON or none. */
export function readBinaryCloudEvent(headers: Headers, body: unknown): Read {
  const of = (name: string) => (name === "datacontenttype" ? "/headers/content-type" : `/headers/ce-${name}`);
  const found: [string, string][] = [];
  for (const [name, value] of Object.entries(headers)) {
    if (!name.startsWith("ce-") || typeof value !== "string") continue;
    const decoded = percentDecoded(value);
    if (decoded === undefined) {
      const message = "is not percent-encoded UTF-8";
      return { errors: [{ pointer: `/headers/${name}`, message, expected: "%25 for a percent sign" }] };
    }
    found.push([name.slice("ce-".length), decoded]);
  }
  const attributes: Record<string, unknown> = Object.fromEntries(found);
  if (attributes.datacontenttype !== undefined) {
    const message = "must not be sent";
    return { errors: [{ pointer: "/headers/ce-datacontenttype", message, expected: "the type in Content-Type" }] };
  }
  const contentType = headers["content-type"];
  if (body !== undefined && contentType !== undefined) attributes.datacontenttype = contentType;
  return readParts(attributes, { payload: (body ?? null) as Json }, { of, data: "", whole: "" });
}

function percentDecoded(value: string): string | undefined {
  try {
    return decodeURIComponent(value);
  } catch {
    return undefined;
  }
}

function readParts(given: Members, data: Data, places: Places): Read {
  const attributes = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== null));
  const errors = [...missing(attributes, places), ...(data.errors ?? [])];
  for (const [name, value] of Object.entries(attributes)) {
    const fault = attributeFault(name, value);
    if (fault !== undefined) errors.push({ pointer: places.of(name), ...fault });
  }
  if (errors.length > 0 || data.errors !== undefined) return { errors };
  // The required ones are there, and those with a name are texts.
  const { id, source, type, time, partitionkey } = attributes as Record<(typeof required)[number], string> &
    Record<string, string | undefined>;
  const metadata = metadataOf(attributes as Record<string, AttributeValue>, data.encoding);
  errors.push(...sourceKeyFault(source, places.of("source")), ...metadataFault(metadata, places.whole));
  if (errors.length > 0) return { errors };
  const timestamp = time === undefined ? undefined : instantOf(time);
  return {
    submitted: {
      event: {
        eventId: id,
        pattern: type,
        payload: data.payload,
        source: { type: "external", id: source },
        sourceKey: source,
        metadata,
        ...(timestamp !== undefined && { timestamp }),
        ...(partitionkey !== undefined && { partitionKey: partitionkey }),
      },
      at: { name: places.of("type"), payload: places.data, source: places.of("source") },
    },
  };
}

function missing(attributes: Members, places: Places): InputError[] {
  return required
    .filter((name) => attributes[name] === undefined)
    .map((name) => ({ pointer: places.of(name), message: "is missing", expected: "a text that is not empty" }));
}

function attributeFault(name: string, value: unknown): Omit<InputError, "pointer"> | undefined {
  if (!/^[a-z0-9]+$/.test(name)) {
    return { message: "is no name of an attribute", expected: "lower-case letters a to z and digits" };
  }
  const check = Object.hasOwn(known, name) ? known[name] : undefined;
  if (check === undefined && typeof value !== "string") return plainFault(value);
  if (typeof value !== "string") return { message: "is no text", expected: "a text" };
  if (value === "" && check !== undefined) return { message: "is empty", expected: "a text that is not empty" };
  const character = forbidden.exec(value)?.[0];
  if (character !== undefined) {
    const code = character.codePointAt(0)!.toString(16).toUpperCase().padStart(4, "0");
    return { message: `has the character U+${code}`, expected: "text without control characters" };
  }
  return check?.(value);
}

/** Control characters, halves of pairs and the code points that are no characters: CloudEvents, type String. */
const forbidden = /[\p{Cc}\p{Cs}\p{Noncharacter_Code_Point}]/u;

/** An extension that is no text is a Boolean or an Integer of 32 bits. */
function plainFault(value: unknown): Omit<InputError, "pointer"> | undefined {
  if (typeof value === "boolean") return undefined;
  const expected = "a text, a boolean, or a whole number of 32 bits";
  if (typeof value !== "number") return { message: `is ${Array.isArray(value) ? "a list" : "an object"}`, expected };
  return Number.isInteger(value) && value >= -(2 ** 31) && value < 2 ** 31
    ? undefined
    : { message: `is ${value}`, expected };
}

function metadataOf(attributes: Readonly<Record<string, AttributeValue>>, encoding: "base64" | undefined) {
  const metadata: EventMetadata = {};
  for (const name of ["subject", "datacontenttype", "dataschema"]) {
    if (attributes[name] !== undefined) metadata[name] = attributes[name];
  }
  if (encoding !== undefined) metadata.dataEncoding = encoding;
  const { correlationid, causationid, traceparent } = attributes as Record<string, string | undefined>;
  if (correlationid !== undefined) metadata.correlationId = correlationid;
  if (causationid !== undefined) metadata.causationId = causationid;
  const traceId = traceIdOf(traceparent);
  if (traceId !== undefined) metadata.traceId = traceId;
  const extensions = Object.entries(attributes).filter(([name]) => !context.has(name));
  if (extensions.length > 0) metadata.extensions = Object.fromEntries(extensions);
  return metadata;
}

/** The trace of a `traceparent` (W3C Trace Context), where it is one. */
function traceIdOf(traceparent: unknown): string | undefined {
  return /^[\da-f]{2}-([\da-f]{32})-[\da-f]{16}-[\da-f]{2}/.exec(String(traceparent))?.[1];
}

function atMost(text: string, length: number): Omit<InputError, "pointer"> | undefined {
  if (text.length <= length) return undefined;
  return { message: `has ${text.length} characters`, expected: `at most ${length}` };
}
