/** What requests say in texts: waits, statuses, instants, keys. Each fault is told with what would be right. */
import type { IncomingHttpHeaders } from "node:http";
import { type InstanceStatus, instanceStatuses } from "../../engine/index.ts";
import { parseDuration } from "../../foundation/duration.ts";
import { instanceErrors } from "./errors.ts";

export const longestWaitMs = 60_000;

/** Milliseconds that a start may wait for its end; undefined when it is not to wait. */
export function waitMsOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  let waitMs: number;
  try {
    waitMs = parseDuration(text);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw invalid({ pointer: "/query/wait", message, expected: "a duration such as PT5S" });
  }
  return Math.min(waitMs, longestWaitMs);
}

export function statusesOf(text: string | undefined): InstanceStatus[] | undefined {
  if (text === undefined) return undefined;
  const names = text.split(",").map((name) => name.trim());
  const known = names.map((name) => instanceStatuses.find((status) => status === name));
  const unknown = names.filter((_, index) => known[index] === undefined);
  if (unknown.length > 0) {
    const message = `has ${unknown.map((name) => JSON.stringify(name)).join(", ")}`;
    throw invalid({ pointer: "/query/status", message, expected: `a comma list of ${instanceStatuses.join(", ")}` });
  }
  return known.filter((status) => status !== undefined);
}

/** UUIDv7 ids, by which lists are read, know the times from 1970 on; the database those up to the year 9999. */
const latestMs = Date.UTC(9999, 11, 31);

export function instantOf(text: string | undefined, name: string): string | undefined {
  if (text === undefined) return undefined;
  const ms = Date.parse(text);
  if (Number.isNaN(ms)) {
    throw invalid({
      pointer: `/query/${name}`,
      message: "is not an instant",
      expected: "such as 2030-01-31T09:00:00Z",
    });
  }
  return new Date(Math.min(Math.max(ms, 0), latestMs)).toISOString();
}

/** The key of the body or of the header `Idempotency-Key`; both may be given when they agree. */
export function idempotencyKeyOf(body: { idempotencyKey?: string }, headers: IncomingHttpHeaders): string | undefined {
  const header = headers["idempotency-key"];
  if (header === undefined) return body.idempotencyKey;
  const pointer = "/headers/idempotency-key";
  if (typeof header !== "string" || header === "" || header.length > 255) {
    throw invalid({ pointer, message: "is not a key", expected: "1 to 255 characters" });
  }
  if (body.idempotencyKey !== undefined && body.idempotencyKey !== header) {
    throw invalid({
      pointer,
      message: "differs from idempotencyKey in the body",
      expected: "one key, or the same twice",
    });
  }
  return header;
}

function invalid(error: { pointer: string; message: string; expected: string }): Error {
  return instanceErrors.request_invalid(`${error.pointer} ${error.message}.`, { errors: [error] });
}
