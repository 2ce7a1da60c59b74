/**
 * Results that could not be recorded, because the memory of their instance was void: kept by the key of their step, for
 * when the instance is in memory again and asks for the step.
 */

import type { Delivery } from "./resident.ts";

/** Past so many they are given up, and their steps run again. */
const mostResults = 10_000;

export interface Unrecorded {
  keep(key: string, result: { attempt: number; delivery: Delivery }): void;
  /** Takes the result of this attempt. One of another attempt is of no use any more. */
  take(key: string, attempt: number): Delivery | undefined;
  clear(): void;
}

export function createUnrecorded(): Unrecorded {
  const results = new Map<string, { attempt: number; delivery: Delivery }>();
  return {
    keep(key, result) {
      if (results.size >= mostResults) results.clear();
      results.set(key, result);
    },
    take(key, attempt) {
      const result = results.size === 0 ? undefined : results.get(key);
      if (result !== undefined) results.delete(key);
      return result?.attempt === attempt ? result.delivery : undefined;
    },
    clear: () => results.clear(),
  };
}
