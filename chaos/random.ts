/** Chance that repeats: one seed gives one row of numbers (mulberry32, a 32-bit generator that passes gjrand's small tests). */

export interface Random {
  /** In [0, 1). */
  next(): number;
  /** A whole number of `from`..`to`, both included. */
  whole(from: number, to: number): number;
  pick<T>(list: readonly T[]): T;
  chance(probability: number): boolean;
}

export function createRandom(seed: number): Random {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const whole = (from: number, to: number): number => from + Math.floor(next() * (to - from + 1));
  return { next, whole, pick: (list) => list[whole(0, list.length - 1)]!, chance: (probability) => next() < probability };
}

/** The seed in `MILLRACE_SEED`, or a new one. Throws for anything but a whole number of 32 bits. */
export function seedOf(env: Readonly<Record<string, string | undefined>>): number {
  const given = env.MILLRACE_SEED;
  if (given === undefined || given === "") return Math.floor(Math.random() * 2 ** 31);
  const seed = Number(given);
  if (!Number.isInteger(seed) || seed < 0 || seed >= 2 ** 32) {
    throw new RangeError(`MILLRACE_SEED must be a whole number from 0 to ${2 ** 32 - 1}, not "${given}"`);
  }
  return seed;
}
