/** The seed in `MILLRACE_SEED`, or a new one. Throws for anything but a whole number of 32 bits. */
export function seedOf(env: Readonly<Record<string, string | undefined>>): number {
  const given = env.MILLRACE_SEED;
  if (given === undefined || given === "") return Math.floor(Math.random() * 2 ** 32);
  const seed = Number(given);
  if (!Number.isInteger(seed) || seed < 0 || seed >= 2 ** 32) {
    throw new RangeError(`MILLRACE_SEED must be a whole number from 0 to ${2 ** 32 - 1}, not "${given}"`);
  }
  return seed;
}
