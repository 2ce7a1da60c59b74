/** The built-in `event.publish`: an event that is written in the flush of the step that publishes it. */

import type { ErrorCategory } from "../task.ts";
import type { Json } from "./definition.ts";
import type { PublishedEvent } from "./facts.ts";
import type { ProgramStep } from "./program.ts";
import { complete, fail } from "./settle.ts";
import type { LiveStep } from "./state.ts";
import { failure, type Turn } from "./turn.ts";

/** An event that an event has led to, by the instance that it started, and so on: longer chains are taken for loops. */
export const hopLimit = 64;

/** Of an event, as JSON. */
export const maxPayloadBytes = 1024 * 1024;
const maxTextLength = 255;
/** A concrete name, whose tokens are not patterns'. */
export const eventName = /^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$/;
export const sourceTypes = ["workflow", "task", "integration", "external", "system", "service"] as const;
/** Of the input of `event.publish`. */
export const publishMembers = ["pattern", "payload", "metadata", "partitionKey", "eventId", "source"];

/** In JSON text: what PostgreSQL's jsonb takes not at all, U+0000 and halves of surrogate pairs; `JSON.stringify` writes both as escapes. */
export const unstorable = /(?<!\\)(?:\\\\)*\\u(?:0000|d[89ab][0-9a-f]{2}(?!\\ud[c-f])|d[c-f])/i;

/** Ends the step: with the event's ids as its output, or as failed where its input is no event. */
export function publish(turn: Turn, live: LiveStep, step: ProgramStep): void {
  const startedAt = turn.context.now;
  const refuse = (code: string, category: ErrorCategory, message: string) =>
    fail(turn, live, step, { error: failure(turn, code, category, message), startedAt });
  const { input = null } = live;
  const read = readInput(input);
  if (typeof read === "string") {
    refuse("INPUT_INVALID", "VALIDATION", `event.publish: ${read}`);
    return;
  }
  const hops = (turn.state.hops ?? 0) + 1;
  if (hops > hopLimit) {
    const message = `event.publish: ${hopLimit} events led to each other before this one, which is taken for a loop`;
    refuse("CASCADE_LIMIT", "PERMANENT", message);
    return;
  }
  const event = eventOf(turn, read, hops);
  complete(turn, live, step, { output: { id: event.id, eventId: event.eventId ?? event.id }, startedAt });
  // A mapping may have failed the step.
  const row = turn.decision.entries.findLast(({ path }) => path === live.path);
  if (row?.status === "COMPLETED") turn.decision.published.push(event);
}

/** A null is absent. */
interface Input {
  pattern: string;
  payload: Json;
  metadata?: { [name: string]: Json } | null;
  partitionKey?: string | null;
  eventId?: string | null;
  source?: { [name: string]: Json } | null;
}

function eventOf(turn: Turn, given: Input, hops: number): PublishedEvent {
  const { instance, eventId: newId } = turn.context;
  if (newId === undefined) throw new Error("whoever runs the machine gives no ids for events");
  const { pattern, payload, metadata, partitionKey, eventId, source } = given;
  const instanceId = instance.id ?? null;
  const correlationId = metadata?.correlationId ?? instance.correlationId ?? null;
  return {
    id: newId(partitionKey ?? undefined),
    ...(eventId == null ? {} : { eventId }),
    pattern,
    payload,
    metadata: {
      ...metadata,
      ...(correlationId === null ? {} : { correlationId }),
      causationId: instanceId,
      hops,
    },
    ...(partitionKey == null ? {} : { partitionKey }),
    source: source ?? { type: "workflow", id: instanceId, name: turn.program.workflowId },
  };
}

/** The input, or why it is none. */
function readInput(input: Json): Input | string {
  if (!isObject(input)) return `the input is ${kindOf(input)}; an object with ${publishMembers.join(", ")} is expected`;
  const unknown = Object.keys(input).find((name) => !publishMembers.includes(name));
  if (unknown !== undefined) return `/${unknown} is not known; known are ${publishMembers.join(", ")}`;
  const { pattern, payload, metadata = null, source = null } = input;
  if (typeof pattern !== "string" || pattern.length > maxTextLength || !eventName.test(pattern)) {
    const found = typeof pattern === "string" ? JSON.stringify(pattern.slice(0, 300)) : kindOf(pattern);
    return `/pattern is ${found}; an event's name is expected: tokens of letters, digits, "_" and "-" with dots between, at most ${maxTextLength} characters`;
  }
  if (payload === undefined) return "/payload is missing; any JSON value is expected, null too";
  if (unstorable.test(JSON.stringify(input)))
    return "it holds U+0000 or half of a surrogate pair, which no database stores; other text is expected";
  const bytes = Buffer.byteLength(JSON.stringify(payload));
  if (bytes > maxPayloadBytes) return `/payload has ${bytes} bytes as JSON; at most ${maxPayloadBytes} are expected`;
  if (metadata !== null && !isObject(metadata)) return `/metadata is ${kindOf(metadata)}; an object is expected`;
  for (const name of ["partitionKey", "eventId"]) {
    const text = input[name] ?? null;
    if (text === null || (typeof text === "string" && text !== "" && text.length <= maxTextLength)) continue;
    return `/${name} is ${kindOf(text)}; text of 1 to ${maxTextLength} characters is expected`;
  }
  if (source !== null && !isObject(source))
    return `/source is ${kindOf(source)}; an object with type, id and name is expected`;
  if (source !== null && !sourceTypes.some((type) => type === source.type))
    return `/source/type is ${kindOf(source.type)}; one of ${sourceTypes.join(", ")} is expected`;
  return input as object as Input;
}

function isObject(value: Json | undefined): value is { [name: string]: Json } {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function kindOf(value: Json | undefined): string {
  if (value === undefined) return "missing";
  if (value === null) return "null";
  if (Array.isArray(value)) return "a list";
  if (typeof value === "string")
    return value.length > 60 ? `text of ${value.length} characters` : JSON.stringify(value);
  return typeof value === "object" ? "an object" : `the ${typeof value} ${value}`;
}
