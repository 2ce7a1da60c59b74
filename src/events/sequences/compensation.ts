/** The events that undo a sequence: templates filled in, and what is published. */
import type { EventInput, Json } from "../../engine/index.ts";
import { compileTemplate } from "../../foundation/expressions/index.ts";
import { compensationEventId, type Failure, sourceKeyOf } from "./model.ts";
import type { EventRow, MemberRow, SequenceRow } from "./queries.ts";

/** The source of everything that a sequence publishes. */
function sourceOf({ id, name }: SequenceRow): Pick<EventInput, "source" | "sourceKey"> {
  return { source: { type: "service", id, name }, sourceKey: sourceKeyOf(id) };
}

function metadataOf(sequence: SequenceRow): EventInput["metadata"] {
  const { correlationId, causationId, tags } = sequence.metadata;
  return {
    ...(typeof correlationId === "string" && { correlationId }),
    ...(typeof causationId === "string" && { causationId }),
    ...(tags !== undefined && { tags }),
    sequenceId: sequence.sequenceId,
  };
}

/** A member's event as it is published; the member has a body. Its own metadata go before those of the sequence. */
export function eventOf(sequence: SequenceRow, member: MemberRow, eventId: string): EventInput {
  const { pattern, payload, version, metadata, partitionKey } = member.body!;
  return {
    namespace: sequence.namespace,
    eventId,
    pattern,
    payload,
    ...(version !== undefined && { version }),
    ...(partitionKey !== undefined && { partitionKey }),
    ...sourceOf(sequence),
    metadata: { ...metadataOf(sequence), sequenceOrder: member.order, ...metadata },
  };
}

interface Failed {
  sequence: SequenceRow;
  members: readonly MemberRow[];
  /** Those of the members' events that are there. */
  events: readonly EventRow[];
  error: Failure & { order: number; position: number };
}

/**
 * The compensating events in their order; one partition key keeps it when they are routed. The same for the same sequence,
 * however often they are made. Throws `ExpressionError` where a template cannot be filled in.
 */
export function compensatingEvents({ sequence, members, events, error }: Failed): EventInput[] {
  const scope = {
    events: members.toSorted((a, b) => a.position - b.position).map((member) => memberScope(member, events)),
    error: {
      message: error.message,
      code: error.code,
      order: error.order,
      position: error.position,
      targets: error.targets,
    },
    sequence: {
      id: sequence.id,
      sequenceId: sequence.sequenceId,
      name: sequence.name,
      metadata: sequence.metadata,
    },
  };
  return (sequence.strategy?.compensatingEvents ?? []).map(({ pattern, payloadTemplate }, n) => ({
    namespace: sequence.namespace,
    eventId: compensationEventId(sequence.id, n),
    pattern,
    payload: compileTemplate(payloadTemplate).evaluate(scope) as Json,
    partitionKey: sourceKeyOf(sequence.id),
    ...sourceOf(sequence),
    metadata: { ...metadataOf(sequence), compensates: sequence.id },
  }));
}

function memberScope({ body, eventId, order, position, required, status }: MemberRow, events: readonly EventRow[]) {
  const event = events.find(({ id }) => id === eventId);
  const pattern = event?.pattern ?? body?.pattern ?? null;
  return {
    ...{ order, position, required, status, pattern },
    type: pattern,
    id: eventId,
    eventId: event?.eventId ?? null,
    payload: event?.payload ?? body?.payload ?? null,
    metadata: event?.metadata ?? body?.metadata ?? {},
    timestamp: event?.timestamp ?? null,
  };
}
