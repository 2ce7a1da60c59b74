/** The router and the look-back of one instance: they find events for waits by their keys, and leave the rest to the machine. */

import type { Json } from "../../src/engine/index.ts";
import { eventMatchKey } from "../../src/engine/machine/correlation.ts";
import type { WaitOpened } from "../../src/engine/machine/facts.ts";
import type { Single } from "../../src/engine/simulation/single.ts";

interface Event {
  id: string;
  type: string;
  payload: Json;
  acceptedAt: number;
}

export function createMail(single: Single) {
  const events: Event[] = [];
  /** Paths of waits that have not looked back, in the order in which they opened. */
  const fresh: string[] = [];
  const seen = new Set<WaitOpened>();

  /** Waits that are open, the oldest first. */
  function open(): WaitOpened[] {
    const all = [...single.waits.values()];
    for (const wait of all) {
      if (!seen.has(wait) && events.length > 0) fresh.push(wait.path);
      seen.add(wait);
    }
    return all;
  }

  function give(event: Event, { path }: WaitOpened): boolean {
    const { payload, ...about } = event;
    return single.event(path, payload, about).ignored === undefined;
  }

  /** Whether a look-up by keys finds the one for the other. */
  function meets({ type, payload, id, acceptedAt }: Event, { pattern, key, since }: WaitOpened): boolean {
    const at = new Date(acceptedAt).toISOString();
    const plain = { id, eventId: id, metadata: {}, source: null, timestamp: at, acceptedAt: at, partitionKey: null };
    const event = { ...plain, type, pattern: type, payload };
    const isNamed = (shape: string) => shape === type || /[*>]/.test(shape);
    return (
      acceptedAt >= since &&
      single.program.shapes.some(
        (shape) => shape.pattern === pattern && isNamed(pattern) && eventMatchKey(shape, event) === key,
      )
    );
  }

  return {
    /** Offers a new event to every wait that it may be for. One of them takes it at most. */
    route(event: Event): void {
      const waits = open();
      events.push(event);
      const takers = waits.filter((wait) => meets(event, wait) && give(event, wait));
      if (takers.length > 1) throw new Error(`${takers.map(({ path }) => path)} took the event ${event.id}`);
    },
    isLookingBack(): boolean {
      open();
      return fresh.length > 0;
    },
    /** Offers the wait that has not looked back for the longest time what came before it. */
    lookBack(): void {
      const wait = single.waits.get(fresh.shift()!);
      if (wait !== undefined) events.find((event) => meets(event, wait) && give(event, wait));
    },
  };
}
