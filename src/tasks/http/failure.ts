/** What the failures of a request mean to a retry policy: codes and categories. */

import { readRetryAfter, troubleOf, troubleText } from "../../foundation/outbound/index.ts";
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

/** The failure of a request that got no whole answer. A `TaskError` stays what it is. */
export function connectionFailure(error: unknown, target: string): TaskError {
  if (error instanceof TaskError) return error;
  const trouble = troubleOf(error);
  const { code, category } = trouble;
  return new TaskError({ code, category, message: `${target}: ${troubleText(trouble, error)}` });
}
