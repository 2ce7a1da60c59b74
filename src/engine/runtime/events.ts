/** The parts of a node that have to do with events, wired: intake, router, look-back. */

import type { EventInput, PublishAnswer } from "../contract_events.ts";
import type { InboxRow } from "../store/contract.ts";
import type { Core, Delivery } from "./core.ts";
import { createLookBack, type LookBack } from "./look_back.ts";
import { createPublishing } from "./publishing.ts";
import { createRouter } from "./router.ts";
import { createSettling, type EventDelivery } from "./settling.ts";
import type { Starting } from "./starting.ts";
import type { Turns } from "./turns.ts";

export interface EventsParts {
  starting: Starting;
  turns: Turns;
  deliver(what: { shard: number; instanceId: string }, delivery: Delivery): void;
  /** Facts were written for these shards. */
  posted(shards: number[]): void;
  takeInbox(row: InboxRow): void;
  /** Deliveries to subscribers are in the store. */
  delivering(): void;
  /** Rows of events stay in the inbox, or are read again. */
  hold(held: boolean): void;
}

export interface Events {
  readonly lookBack: LookBack;
  publish(events: EventInput[]): Promise<PublishAnswer[]>;
  /** A row of the inbox that an event brought. */
  take(delivery: EventDelivery): void;
  /** What decides where events go may have changed. */
  wake(): void;
  dropShard(shard: number): void;
  clear(): void;
}

export function createEvents(core: Core, parts: EventsParts): Events {
  const lookBack = createLookBack(core, parts);
  const { publish, seen } = createPublishing(core, parts);
  const router = createRouter(core, {
    lookBack,
    settle: createSettling(core, parts),
    publish: (fact) => publish([fact as EventInput]),
    hold: parts.hold,
  });
  return {
    lookBack,
    publish,
    take(delivery) {
      seen(delivery.row.instanceId);
      router.take(delivery);
    },
    wake: router.wake,
    dropShard(shard) {
      lookBack.dropShard(shard);
      router.dropShard(shard);
    },
    clear() {
      lookBack.clear();
      router.clear();
    },
  };
}
