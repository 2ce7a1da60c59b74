/** A signal or an event as waits and cancellation triggers see it. */

import type { Json } from "./definition.ts";
import type { ArrivedEvent } from "./facts.ts";
import type { Mail, Outcome } from "./state.ts";

export interface Arrival {
  type: string;
  payload: Json;
  /** What expressions see as `event`. */
  seen: { [key: string]: Json };
  /** What the row of the wait that takes it says. */
  consumed: Pick<Outcome, "signalId" | "eventId" | "eventAt">;
}

export function ofSignal({ signalId, type, payload, receivedAt }: Mail): Arrival {
  const timestamp = new Date(receivedAt).toISOString();
  const seen = { id: signalId, type, pattern: type, payload, metadata: {}, timestamp };
  return { type, payload, seen, consumed: { signalId } };
}

export function ofEvent(event: ArrivedEvent): Arrival {
  const { id, type, payload, acceptedAt } = event;
  const seen = { ...event, pattern: type, acceptedAt: new Date(acceptedAt).toISOString() };
  return { type, payload, seen, consumed: { eventId: id, eventAt: acceptedAt } };
}
