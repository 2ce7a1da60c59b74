import type { Core } from "./core.ts";

/** The part of an id that leads to a shard; any of the slots that do. */
export function slotOf(core: Core, shard: number): number {
  return shard + core.shardCount * Math.floor(core.random() * Math.floor(1024 / core.shardCount));
}
