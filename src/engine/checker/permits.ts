/** Concurrency limits: never more under way than may be, and nothing held when all have ended. */

import { type CheckedRows, type CheckOptions, isFinal } from "./rows.ts";

/** An instance counts from the transition that begins it to the one that ends it, in the order in which they were written. */
export function checkPermits(rows: CheckedRows, { settled, limitsOf }: CheckOptions, faults: string[]): void {
  if (settled) {
    for (const { instanceId, state } of rows.permits)
      faults.push(`instance ${instanceId} has a permit (${state}) left`);
  }
  if (limitsOf === undefined) return;
  const holders = new Map<string, Set<string>>();
  const under = new Set<string>();
  for (const { entityId, entityType, to, event } of rows.transitions) {
    if (entityType !== "workflow") continue;
    const ends = isFinal(to);
    if (ends ? !under.delete(entityId) : event !== "workflow_started" || under.has(entityId)) continue;
    if (!ends) under.add(entityId);
    for (const { key, limit } of limitsOf(entityId)) {
      const own = holders.get(key) ?? new Set();
      holders.set(key, own);
      if (ends) own.delete(entityId);
      else own.add(entityId);
      if (own.size > limit)
        faults.push(
          `${own.size} instances of the limit "${key}" are under way, and ${limit} may be: ${[...own].join(", ")}`,
        );
    }
  }
}
