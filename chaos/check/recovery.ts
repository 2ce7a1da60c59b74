/** How long work stood still after a kill. */

import type { Kill } from "../storm/blows.ts";
import type { Rows } from "./rows.ts";

export interface Spread {
  count: number;
  p50Ms: number;
  maxMs: number;
}

export interface Recovery {
  /** From the death of a node until the last shard that it held was held by another. */
  node: Spread;
  /** From the death of PostgreSQL until the next row was recorded, by whomever. */
  postgres: Spread;
}

export function measureRecovery(rows: Rows, kills: readonly Kill[]): Recovery {
  const recorded = [...rows.instances.values()]
    .flatMap(({ steps }) => steps.map(({ recordedAt }) => recordedAt))
    .sort((a, b) => a - b);
  const ofNodes: number[] = [];
  const ofPostgres: number[] = [];
  for (const { at, target, nodeIds } of kills) {
    if (target !== "node") {
      const next = recorded.find((time) => time > at);
      if (next !== undefined) ofPostgres.push(next - at);
    }
    for (const nodeId of nodeIds) {
      const last = lastTakeover(rows, nodeId, at);
      if (last !== undefined) ofNodes.push(last - at);
    }
  }
  return { node: spreadOf(ofNodes), postgres: spreadOf(ofPostgres) };
}

/** When the last of the shards that a node held at a time was taken by another; undefined when it held none. */
function lastTakeover(rows: Rows, nodeId: string, at: number): number | undefined {
  const held = new Map<number, string | undefined>();
  const taken = new Map<number, number>();
  for (const { entityType, shard, to, data, at: time } of rows.transitions) {
    if (entityType !== "shard") continue;
    if (time <= at) held.set(shard, to === "HELD" ? (data as { node: string }).node : undefined);
    else if (held.get(shard) === nodeId && to === "HELD" && !taken.has(shard)) taken.set(shard, time);
  }
  return taken.size === 0 ? undefined : Math.max(...taken.values());
}

export function spreadOf(samples: readonly number[]): Spread {
  const sorted = [...samples].sort((a, b) => a - b);
  return {
    count: sorted.length,
    p50Ms: Math.round(sorted[sorted.length >> 1] ?? 0),
    maxMs: Math.round(sorted.at(-1) ?? 0),
  };
}
