/** What a request for a new sequence means: defaults, and the faults that its shape does not show. No I/O. */
import { createHash } from "node:crypto";
import type { z } from "zod";
import type { Json } from "../../engine/index.ts";
import type { InputError } from "../../foundation/errors.ts";
import { compileTemplate, ExpressionError } from "../../foundation/expressions/index.ts";
import type { createRequest } from "./contract.ts";
import { sequenceErrors } from "./errors.ts";
import { type RollbackStrategy, usualRetries } from "./model.ts";

type Request = z.output<typeof createRequest>;

export interface MemberBody {
  pattern: string;
  payload: Json;
  version?: string;
  metadata?: { [name: string]: Json };
  partitionKey?: string;
}

export interface NewMember {
  position: number;
  order: number;
  required: boolean;
  waitForInstances: boolean;
  /** An event that was published already, as it was named. */
  ref?: string;
  body?: MemberBody;
}

export interface NewSequence {
  sequenceId?: string;
  name: string;
  description?: string;
  version?: string;
  metadata: { [name: string]: Json };
  strategy?: RollbackStrategy;
  members: NewMember[];
  starts: boolean;
  /** The same for the same request, but for when it is started. */
  hash: string;
}

/** Throws `event_sequences.invalid` with every fault. */
export function newSequenceOf(request: Request): NewSequence {
  const { start = true, events, rollbackStrategy, metadata = {}, ...rest } = request;
  const errors: InputError[] = [];
  const members = membersOf(events, errors);
  const strategy = rollbackStrategy && strategyOf(rollbackStrategy, errors);
  const [first] = errors;
  if (first !== undefined) {
    const what = errors.length === 1 ? `${first.pointer} ${first.message}` : `there are ${errors.length} faults`;
    throw sequenceErrors.invalid(`The sequence cannot be made: ${what}.`, { errors: errors.slice(0, 100) });
  }
  const hash = createHash("sha256")
    .update(JSON.stringify({ ...request, start: undefined }))
    .digest("hex");
  return { ...rest, metadata: metadata as { [name: string]: Json }, strategy, members, starts: start, hash };
}

function membersOf(events: Request["events"], errors: InputError[]): NewMember[] {
  let before = 0;
  return events.map((event, position) => {
    const { eventId, order = before + 1, required = true, waitForInstances = false } = event;
    before = order;
    const facts = { position, order, required, waitForInstances };
    const { pattern, payload, version, metadata, partitionKey } = event;
    if ((eventId === undefined) === (pattern === undefined)) {
      errors.push({
        pointer: `/events/${position}`,
        message: eventId === undefined ? "names no event and has no pattern" : "has both an eventId and a pattern",
        expected: "`eventId` of an event that was published, or `pattern` and `payload` of one that is to be",
      });
      return facts;
    }
    if (pattern === undefined) {
      for (const [name, value] of Object.entries({ payload, version, metadata, partitionKey })) {
        if (value === undefined) continue;
        errors.push({
          pointer: `/events/${position}/${name}`,
          message: "belongs to an event that the sequence publishes, and this one was published already",
          expected: "`eventId` alone, or `pattern` in its place",
        });
      }
      return { ...facts, ref: eventId! };
    }
    const body: MemberBody = {
      pattern,
      payload: (payload ?? null) as Json,
      ...(version !== undefined && { version }),
      ...(metadata !== undefined && { metadata: metadata as { [name: string]: Json } }),
      ...(partitionKey !== undefined && { partitionKey }),
    };
    return { ...facts, body };
  });
}

function strategyOf(
  { type, maxRetries, compensatingEvents }: NonNullable<Request["rollbackStrategy"]>,
  errors: InputError[],
): RollbackStrategy {
  const at = "/rollbackStrategy";
  if (maxRetries !== undefined && type !== "retry") {
    errors.push({ pointer: `${at}/maxRetries`, message: `is for the type retry, not ${type}` });
  }
  if (type === "compensating_events" && compensatingEvents === undefined) {
    errors.push({ pointer: at, message: "has no compensatingEvents", expected: "at least one" });
  }
  if (type !== "compensating_events" && compensatingEvents !== undefined) {
    errors.push({ pointer: `${at}/compensatingEvents`, message: `is for the type compensating_events, not ${type}` });
  }
  if (type === "retry") return { type, maxRetries: maxRetries ?? usualRetries };
  if (type === "manual" || compensatingEvents === undefined) return { type };
  return {
    type,
    compensatingEvents: compensatingEvents.map(({ pattern, eventId, payloadTemplate = null }, n) => {
      const place = `${at}/compensatingEvents/${n}`;
      if ((pattern === undefined) === (eventId === undefined)) {
        errors.push({
          pointer: place,
          message: "needs a pattern (or document 004's eventId)",
          expected: "one of both",
        });
      }
      checkTemplate(payloadTemplate as Json, `${place}/payloadTemplate`, errors);
      return { pattern: pattern ?? eventId ?? "", payloadTemplate: payloadTemplate as Json };
    }),
  };
}

const known = ["events", "error", "sequence"];

function checkTemplate(template: Json, at: string, errors: InputError[]): void {
  try {
    const { references } = compileTemplate(template);
    for (const name of references.roots) {
      if (known.includes(name)) continue;
      errors.push({ pointer: at, message: `reads ${name}, which is not there`, expected: "events, error or sequence" });
    }
  } catch (error) {
    if (!(error instanceof ExpressionError)) throw error;
    errors.push({ pointer: `${at}${error.pointer ?? ""}`, message: error.message, expected: error.expected });
  }
}
