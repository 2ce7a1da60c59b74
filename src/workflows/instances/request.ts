/** What requests say in texts: waits, statuses, instants, keys, priorities. Each fault is told with what would be right. */
import type { IncomingHttpHeaders } from "node:http";
import type { z } from "zod";
import { type InstanceStatus, instanceStatuses, type Json, type StartRequest } from "../../engine/index.ts";
import { parseDuration } from "../../foundation/duration.ts";
import { priorities, type priority, type startRequest } from "./contract.ts";
import { instanceErrors } from "./errors.ts";

export type StartBody = z.output<typeof startRequest>;

/** The body came as JSON or YAML, so its values are JSON. */
export function startRequestOf({
  input = {},
  variables,
  priority,
  ...rest
}: StartBody): Omit<StartRequest, "namespace"> {
  return {
    ...rest,
    input: input as Json,
    priority: priorityOf(priority),
    ...(variables !== undefined && { variables: variables as Record<string, Json> }),
  };
}

export function priorityOf(given: z.output<typeof priority>): number;
export function priorityOf(given: z.output<typeof priority> | undefined): number | undefined;
export function priorityOf(given: z.output<typeof priority> | undefined): number | undefined {
  return typeof given === "string" ? priorities[given] : given;
}

/** For callers whose numbers no schema has checked. */
export function checkedPriority(priority: number): number {
  if (Number.isInteger(priority) && priority >= 1 && priority <= 10) return priority;
  const message = `is ${priority}, which is no priority`;
  throw invalid({ pointer: "/priority", message, expected: "a whole number from 1 to 10" });
}

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

/** Of a list, or of a text with commas between. */
export function statusesOf(
  given: string | readonly string[] | undefined,
  pointer = "/query/status",
): InstanceStatus[] | undefined {
  if (given === undefined) return undefined;
  const names = typeof given === "string" ? given.split(",").map((name) => name.trim()) : given;
  const known = names.map((name) => instanceStatuses.find((status) => status === name));
  const unknown = names.filter((_, index) => known[index] === undefined);
  if (unknown.length > 0) {
    const message = `has ${unknown.map((name) => JSON.stringify(name)).join(", ")}`;
    throw invalid({ pointer, message, expected: `a comma list of ${instanceStatuses.join(", ")}` });
  }
  return [...new Set(known.filter((status) => status !== undefined))];
}

/** UUIDv7 ids, by which lists are read, know the times from 1970 on; the database those up to the year 9999. */
const latestMs = Date.UTC(9999, 11, 31);

export function instantOf(text: string | undefined, pointer: string): string | undefined {
  if (text === undefined) return undefined;
  const ms = Date.parse(text);
  if (Number.isNaN(ms)) {
    throw invalid({
      pointer,
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
