/** What a run will do, and when: drawn from the seed before it begins, so that the same seed repeats it. */

import type { Random } from "../src/engine/simulation/random.ts";
import { drawShape } from "./shapes/index.ts";
import type { Case } from "./shapes/shape.ts";

export interface PlannedStart {
  atMs: number;
  name: string;
  workflowId: string;
  drawn: Case;
}

/** Events that are published together. */
export interface PlannedEvents {
  atMs: number;
  /** They are numbered from here. */
  first: number;
  count: number;
  /** The first of them starts an instance. */
  fire: boolean;
}

/**
 * One blow. `pick` chooses among the nodes that live when it falls. `afterSentUs` is how long after a flush was sent
 * the aimed kill strikes: before the server has it, while it writes, or after its commit and before its answer.
 */
export type Blow =
  | {
      atMs: number;
      kind: "kill";
      target: Target;
      aimed: boolean;
      afterSentUs: number;
      pick: number;
      backAfterMs: number;
    }
  | { atMs: number; kind: "drain"; pick: number; backAfterMs: number }
  | { atMs: number; kind: "add" }
  | { atMs: number; kind: "stop"; pick: number; stoppedMs: number };

/** `both`: PostgreSQL and one node; `all`: PostgreSQL and every node. */
export type Target = "node" | "postgres" | "both" | "all";

export interface Plan {
  starts: PlannedStart[];
  events: PlannedEvents[];
  blows: Blow[];
  lastsMs: number;
}

export interface Sizes {
  instances: number;
  /** Events that are published beside those of the callers. */
  events: number;
  kills: number;
  /** Between two blows, on average. */
  betweenMs: number;
  leaseMs: number;
}

export function drawPlan(random: Random, { instances, events, kills, betweenMs, leaseMs }: Sizes): Plan {
  const blows = spread(random, drawBlows(random, { kills, leaseMs }), betweenMs);
  const lastsMs = (blows.at(-1)?.atMs ?? 0) + betweenMs;
  const starts = Array.from({ length: instances }, (_, index): PlannedStart => {
    const shape = drawShape(random);
    const atMs = Math.floor(random.next() * lastsMs);
    return { atMs, name: `start ${index}`, workflowId: shape.definition.workflowId, drawn: shape.draw(random) };
  });
  starts.sort((a, b) => a.atMs - b.atMs);
  return { starts, events: drawEvents(random, events, lastsMs), blows, lastsMs };
}

/** In batches of one to twenty, one in five of which starts an instance. */
function drawEvents(random: Random, events: number, lastsMs: number): PlannedEvents[] {
  const batches: PlannedEvents[] = [];
  for (let first = 0; first < events; ) {
    const count = Math.min(random.between(1, 20), events - first);
    batches.push({ atMs: Math.floor(random.next() * lastsMs), first, count, fire: random.chance(0.2) });
    first += count;
  }
  return batches.sort((a, b) => a.atMs - b.atMs);
}

/** The kills in the given number, and for every five of them a drain, for every ten a node more and a zombie. */
function drawBlows(random: Random, { kills, leaseMs }: { kills: number; leaseMs: number }): Blow[] {
  // The first ones are of each kind, so that a short run has them too.
  const first: Target[] = ["node", "postgres", "both", "node", "postgres", "all"];
  const blows: Blow[] = [];
  for (let index = 0; index < kills; index++) {
    const target =
      first[index] ??
      random.pick<Target>(["node", "node", "node", "postgres", "postgres", "postgres", "both", "both", "all"]);
    const afterSentUs = random.pick([0, 0, random.between(0, 600), random.between(0, 8_000)]);
    const backAfterMs = random.between(0, 1_500);
    blows.push({
      atMs: 0,
      kind: "kill",
      target,
      aimed: index % 4 !== 3,
      afterSentUs,
      pick: random.between(0, 99),
      backAfterMs,
    });
  }
  for (let index = 0; index < Math.max(1, kills / 5); index++) {
    blows.push({ atMs: 0, kind: "drain", pick: random.between(0, 99), backAfterMs: random.between(0, 1_000) });
  }
  for (let index = 0; index < Math.max(1, kills / 10); index++) {
    blows.push({ atMs: 0, kind: "add" });
    blows.push({
      atMs: 0,
      kind: "stop",
      pick: random.between(0, 99),
      stoppedMs: Math.round(leaseMs * (2.2 + random.next())),
    });
  }
  return shuffled(random, blows);
}

function shuffled<T>(random: Random, list: T[]): T[] {
  for (let last = list.length - 1; last > 0; last--) {
    const other = random.between(0, last);
    [list[last], list[other]] = [list[other]!, list[last]!];
  }
  return list;
}

/** The first comes when there is something to hit. */
function spread(random: Random, blows: Blow[], betweenMs: number): Blow[] {
  let atMs = betweenMs;
  return blows.map((blow) => {
    atMs += Math.round(betweenMs * (0.4 + random.next() * 1.2));
    return { ...blow, atMs };
  });
}
