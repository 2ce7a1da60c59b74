/**
 * A bounded cache that keeps what was used lately.
 *
 * Two generations: a hit in the old one moves the entry to the young one, and a full young one becomes the old one. A
 * hit costs one lookup, where a least-recently-used list would write on each; up to `limit` entries are kept.
 */
export interface Recent<Kept> {
  get(key: string): Kept | undefined;
  set(key: string, value: Kept): void;
}

export function recentlyUsed<Kept>(limit: number): Recent<Kept> {
  const generation = Math.max(1, Math.floor(limit / 2));
  let young = new Map<string, Kept>();
  let old = new Map<string, Kept>();

  function set(key: string, value: Kept): void {
    if (young.size >= generation) {
      old = young;
      young = new Map();
    }
    young.set(key, value);
  }

  return {
    get(key) {
      const found = young.get(key);
      if (found !== undefined) return found;
      const kept = old.get(key);
      if (kept !== undefined) set(key, kept);
      return kept;
    },
    set,
  };
}
