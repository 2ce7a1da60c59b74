/** The input of `http.request`, checked and brought to the form that is sent. */

import { parseDuration } from "../../foundation/duration.ts";
import { inputError, nameOf, readObject, readText } from "../input.ts";

export interface HttpCall {
  method: string;
  url: URL;
  /** By lower-case name. */
  headers: Map<string, string>;
  body: string | undefined;
  timeoutMs: number;
}

const task = "http.request";
const methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
const defaultTimeoutMs = 30_000;
const maxTimeoutMs = 24 * 3_600_000;

/** Headers that say how a message travels; they belong to the connection, and setting them by hand breaks framing or routing. */
const connectionHeaders = new Set([
  "connection",
  "content-length",
  "expect",
  "host",
  "keep-alive",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

/** Reads `{ method = "GET", url, headers?, body?, timeout = 30 s }`. Throws TaskError INPUT_INVALID at the first fault. */
export function readHttpCall(input: unknown): HttpCall {
  const fields = readObject(task, input, ["method", "url", "headers", "body", "timeout"]);
  const method = readMethod(fields.method);
  const headers = readHeaders(fields.headers);
  return {
    method,
    url: readUrl(readText(task, fields, "url")),
    headers,
    body: readBody({ body: fields.body, method, headers }),
    timeoutMs: readTimeout(fields.timeout),
  };
}

function readMethod(value: unknown): string {
  if (value === undefined) return "GET";
  const method = typeof value === "string" ? value.toUpperCase() : "";
  if (!methods.includes(method)) {
    const given = typeof value === "string" ? `"${value.slice(0, 50)}"` : nameOf(value);
    throw inputError(task, `"method" is ${given}; one of ${methods.join(", ")} is expected`);
  }
  return method;
}

function readUrl(text: string): URL {
  const shown = text.length > 200 ? `${text.slice(0, 199)}…` : text;
  const url = URL.parse(text);
  if (url === null)
    throw inputError(task, `"url" is "${shown}", which is no absolute URL; https://example.com/path would be`);
  if (url.protocol !== "http:" && url.protocol !== "https:") {
    throw inputError(task, `"url" begins with ${url.protocol}; http: or https: is expected`);
  }
  if (url.username !== "" || url.password !== "") {
    throw inputError(task, '"url" holds a user name or password; send them in the header Authorization');
  }
  return url;
}

function readHeaders(value: unknown): Map<string, string> {
  const headers = new Map<string, string>();
  if (value === undefined || value === null) return headers;
  if (typeof value !== "object" || Array.isArray(value)) {
    throw inputError(task, `"headers" is ${nameOf(value)}; an object of names and values is expected`);
  }
  for (const [given, content] of Object.entries(value)) {
    const name = given.toLowerCase();
    if (!/^[!#$%&'*+.^_`|~0-9a-z-]{1,200}$/.test(name)) {
      throw inputError(task, `"headers" has the name "${given.slice(0, 100)}", which is no header's name`);
    }
    if (connectionHeaders.has(name)) throw inputError(task, `the header ${given} is set by the program; leave it out`);
    if (headers.has(name)) throw inputError(task, `the header ${given} is there twice, in different spellings`);
    if (content === null) continue;
    if (typeof content !== "string" && typeof content !== "number" && typeof content !== "boolean") {
      throw inputError(task, `the header ${given} is ${nameOf(content)}; text is expected`);
    }
    const text = String(content).trim();
    // Visible ASCII, spaces, tabs and Latin-1, as RFC 9110 field values; a line break would begin another header.
    if (!/^[\t\x20-\x7e\x80-\xff]*$/.test(text)) {
      throw inputError(task, `the header ${given} holds a character that headers cannot carry`);
    }
    headers.set(name, text);
  }
  return headers;
}

/** Text is sent as it is, anything else as JSON; the content type is filled in unless `headers` has one. */
function readBody(given: { body: unknown; method: string; headers: Map<string, string> }): string | undefined {
  const { body, method, headers } = given;
  if (body === undefined || body === null) return undefined;
  if (method === "GET" || method === "HEAD") {
    throw inputError(task, `"body" is given, but ${method} carries none; use POST, PUT or PATCH`);
  }
  const isText = typeof body === "string";
  if (!headers.has("content-type")) {
    headers.set("content-type", isText ? "text/plain;charset=utf-8" : "application/json");
  }
  return isText ? body : JSON.stringify(body);
}

function readTimeout(value: unknown): number {
  if (value === undefined || value === null) return defaultTimeoutMs;
  if (typeof value !== "number" && typeof value !== "string") {
    throw inputError(task, `"timeout" is ${nameOf(value)}; milliseconds or an ISO 8601 duration is expected`);
  }
  let timeoutMs: number;
  try {
    timeoutMs = parseDuration(value);
  } catch (error) {
    throw inputError(task, `"timeout": ${error instanceof Error ? error.message : "not a duration"}`);
  }
  if (timeoutMs < 1 || timeoutMs > maxTimeoutMs) throw inputError(task, '"timeout" is not between 1 ms and 24 hours');
  return timeoutMs;
}
