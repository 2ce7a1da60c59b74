/** Who publishes events in the storm, besides the callers: in batches, by whatever node, until there is an answer. */

import { setTimeout as sleep } from "node:timers/promises";
import type { EventInput } from "../../src/engine/index.ts";
import { fires } from "../node/routing.ts";
import type { PlannedEvents } from "../plan.ts";
import type { Crew } from "./crew.ts";

export interface Publishers {
  /** Rows of the events that were answered. */
  published: Set<string>;
  /** Answers that no publisher should get. */
  faults: string[];
  play(batches: readonly PlannedEvents[]): Promise<void>;
}

const betweenTriesMs = 250;

export function createPublishers(crew: Crew): Publishers {
  const published = new Set<string>();
  const faults: string[] = [];

  async function send(events: EventInput[]): Promise<void> {
    for (;;) {
      const answer = await (await crew.anyone()).ask({ ask: "publish", events });
      if (answer.outcome === "accepted") {
        for (const { id } of answer.value as { id: string }[]) published.add(id);
        return;
      }
      if (answer.outcome === "refused" && answer.kind === "internal" && answer.code !== "engine.interrupted")
        faults.push(`publish: ${answer.code}: ${answer.message}`);
      await sleep(betweenTriesMs);
    }
  }

  async function play(batches: readonly PlannedEvents[]): Promise<void> {
    const beganMs = performance.now();
    const under: Promise<void>[] = [];
    for (const { atMs, first, count, fire } of batches) {
      await sleep(Math.max(0, atMs - (performance.now() - beganMs)));
      const events = Array.from({ length: count }, (_, at): EventInput => {
        const n = first + at;
        const key = n % 3 === 0 ? { partitionKey: `key ${n % 40}` } : {};
        const pattern = fire && at === 0 ? fires : `storm.noise.${n % 7}`;
        return { namespace: "default", eventId: `event ${n}`, pattern, payload: { n }, ...key };
      });
      under.push(send(events));
    }
    await Promise.all(under);
  }

  return { published, faults, play };
}
