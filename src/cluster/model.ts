/** What a node's silence means. The limits are those of document 001's registry. */

export const freshForMs = 60_000;
export const deadAfterMs = 120_000;

/** How long the registration of a node that is OFFLINE is kept. */
export const keepOfflineMs = 24 * 60 * 60 * 1_000;

/** `offline`: it said goodbye, or another node found its lease expired. */
export type Freshness = "fresh" | "stale" | "dead" | "offline";

/** Judges by the database's clock; a node that never beat is dead. */
export function freshnessOf(node: { healthStatus: string; silentMs: number | null }): Freshness {
  if (node.healthStatus === "OFFLINE") return "offline";
  if (node.silentMs === null || node.silentMs > deadAfterMs) return "dead";
  return node.silentMs <= freshForMs ? "fresh" : "stale";
}
