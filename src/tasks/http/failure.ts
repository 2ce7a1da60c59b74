/** What the failures of a request mean to a retry policy: codes and categories. */

import { type ErrorCategory, TaskError } from "../contract.ts";
import type { Headers, ResponseBody } from "./response.ts";

const bodyChars = 16_384;

/** Whether a status is a failure, and of which kind; undefined below 400. */
export function statusCategory(status: number): ErrorCategory | undefined {
  if (status < 400) return undefined;
  return status >= 500 || status === 408 || status === 429 ? "TRANSIENT" : "PERMANENT";
}

/**
 * The failure of an answered request: `HTTP_<status>` with `details { status, headers, body }`, the body cut at 16 Ki
 * characters, and `retryAfterMs` when the server says when to come back.
 */
export function statusFailure(given: {
  status: number;
  category: ErrorCategory;
  headers: Headers;
  body: ResponseBody;
  target: string;
  nowMs: number;
}): TaskError {
  const { status, category, headers, body, target, nowMs } = given;
  const retryAfterMs = readRetryAfter(headers["retry-after"], nowMs);
  return new TaskError({
    code: `HTTP_${status}`,
    category,
    message: `${target} answered ${status}`,
    details: { status, headers, ...cutBody(body), ...(retryAfterMs === undefined ? {} : { retryAfterMs }) },
  });
}

function cutBody({ body, bodyEncoding }: ResponseBody): ResponseBody & { bodyTruncated?: true } {
  const kept = bodyEncoding === undefined ? {} : { bodyEncoding };
  const text = typeof body === "string" ? body : JSON.stringify(body);
  if (text.length <= bodyChars) return { body, ...kept };
  return { body: text.slice(0, bodyChars), ...kept, bodyTruncated: true };
}

/** No server is waited for longer than a day. */
const maxRetryAfterMs = 86_400_000;

/** Retry-After of RFC 9110 10.2.3, seconds or a date, as milliseconds from now; undefined when absent or unreadable. */
export function readRetryAfter(value: string | string[] | undefined, nowMs: number): number | undefined {
  const text = (Array.isArray(value) ? value[0] : value)?.trim() ?? "";
  if (/^\d{1,10}$/.test(text)) return Math.min(Number(text) * 1_000, maxRetryAfterMs);
  // An HTTP date begins with its day's name; `Date.parse` alone would read "-1" as a year.
  const atMs = /^[A-Z][a-z]{2,8},? /.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(atMs) ? undefined : Math.min(Math.max(0, atMs - nowMs), maxRetryAfterMs);
}

interface Meaning {
  code: string;
  category: ErrorCategory;
  text: string;
}

const meanings: [RegExp, Meaning][] = [
  [/^ADDRESS_REFUSED$/, { code: "ADDRESS_REFUSED", category: "SECURITY", text: "its address is not allowed" }],
  [/^(ENOTFOUND|ENODATA|EAI_)/, { code: "DNS_FAILED", category: "TRANSIENT", text: "its name could not be resolved" }],
  [/^ECONNREFUSED$/, { code: "CONNECTION_REFUSED", category: "TRANSIENT", text: "nobody accepts connections there" }],
  [
    /^(UND_ERR_CONNECT_TIMEOUT|ETIMEDOUT)$/,
    { code: "CONNECT_TIMEOUT", category: "TIMEOUT", text: "no connection in time" },
  ],
  [
    /^(EHOSTUNREACH|ENETUNREACH|EADDRNOTAVAIL|ENETDOWN)$/,
    { code: "HOST_UNREACHABLE", category: "TRANSIENT", text: "there is no route to it" },
  ],
  [
    /^(ERR_TLS_|ERR_SSL_|CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_|HOSTNAME_MISMATCH|INVALID_CA|INVALID_PURPOSE|EPROTO)/,
    { code: "TLS_ERROR", category: "PERMANENT", text: "no trusted TLS connection" },
  ],
  [
    /^(HTTPParserError$|HPE_|UND_ERR_HEADERS_OVERFLOW|UND_ERR_RES_CONTENT_LENGTH_MISMATCH)/,
    { code: "INVALID_RESPONSE", category: "TRANSIENT", text: "the answer is not HTTP" },
  ],
  [
    /^(ECONNRESET|EPIPE|ECONNABORTED|UND_ERR_SOCKET)$/,
    { code: "CONNECTION_LOST", category: "TRANSIENT", text: "the connection broke" },
  ],
];

/** The failure of a request that got no whole answer. A `TaskError` stays what it is. */
export function connectionFailure(error: unknown, target: string): TaskError {
  if (error instanceof TaskError) return error;
  for (let at = error; at instanceof Error; at = at.cause) {
    const code = "code" in at && at.code !== undefined ? String(at.code) : at.name;
    for (const [pattern, meaning] of meanings) {
      if (pattern.test(code)) return failure(meaning, target, error);
    }
  }
  return failure({ code: "REQUEST_FAILED", category: "TRANSIENT", text: "the request failed" }, target, error);
}

function failure({ code, category, text }: Meaning, target: string, cause: unknown): TaskError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new TaskError({ code, category, message: `${target}: ${text}${reason === "" ? "" : ` (${reason})`}` });
}
