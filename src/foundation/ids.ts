/**
 * Identifiers: UUID version 7 (RFC 9562) whose last ten bits are the *slot*, the part that leads to a shard
 * without a look-up.
 *
 *     tttttttt-tttt-7ccc-vccc-rrrrrrrrrsss
 *     48 bits   t  milliseconds since 1970
 *     26 bits   c  a counter: random at each new millisecond, then plus one per id (v carries the variant)
 *     38 bits   r  random
 *     10 bits   s  the slot
 *
 * Two processes make the same id only if they draw the same 25 + 38 random bits in the same millisecond.
 */
import { hash, randomFillSync } from "node:crypto";

/** How many slots there are; a shard is a slot modulo the number of shards. */
export const SLOTS = 1024;

const COUNTER_SEED_MASK = 0x1ffffff;
const COUNTER_MAX = 0x3ffffff;
const POOL_WORDS = 4096;
const MAX_MS = 2 ** 48 - 1;

const hexByte = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

/** Makes ids at `nowMs`, whole milliseconds since 1970; `slot` is 0..1023, random when absent. */
export type IdSource = (nowMs: number, slot?: number) => string;

/**
 * Makes a source of ids that draws its randomness from `fill`, which fills the array it is given.
 *
 * The source promises that ids made one after the other for the same `nowMs` sort, as text and as bytes, in the
 * order of their creation. When `nowMs` changes, in either direction, the id carries the new time and the counter
 * starts afresh, so order across milliseconds is the clock's. A deterministic `fill` gives deterministic ids.
 * Throws RangeError for a time or slot out of range. Randomness is drawn in pools: no system call per id.
 */
export function createIdSource(fill: (words: Uint16Array<ArrayBuffer>) => void): IdSource {
  const pool = new Uint16Array(POOL_WORDS);
  let position = POOL_WORDS;
  let lastMs = -1;
  let counter = 0;
  let timeText = "";

  return (nowMs, slot) => {
    if (position + 5 > POOL_WORDS) {
      fill(pool);
      position = 0;
    }
    if (nowMs !== lastMs) {
      timeText = timePrefix(nowMs);
      lastMs = nowMs;
      counter = ((pool[position]! << 16) | pool[position + 1]!) & COUNTER_SEED_MASK;
      position += 2;
    } else if (counter < COUNTER_MAX) {
      // At least 2^25 ids fit into one millisecond; past that, ids stay unique and only their order is lost.
      counter += 1;
    } else {
      counter = 0;
    }
    const last = pool[position + 2]!;
    let low = last;
    if (slot !== undefined) {
      if (!Number.isInteger(slot) || slot < 0 || slot >= SLOTS) throw new RangeError(`slot ${slot} is not in 0..1023`);
      low = (last & 0xfc00) | slot;
    }
    const high = pool[position]!;
    const middle = pool[position + 1]!;
    position += 3;
    return (
      timeText +
      hexByte[0x70 | (counter >>> 22)] +
      hexByte[(counter >>> 14) & 0xff] +
      "-" +
      hexByte[0x80 | ((counter >>> 8) & 0x3f)] +
      hexByte[counter & 0xff] +
      "-" +
      hexByte[high >>> 8] +
      hexByte[high & 0xff] +
      hexByte[middle >>> 8] +
      hexByte[middle & 0xff] +
      hexByte[low >>> 8] +
      hexByte[low & 0xff]
    );
  };
}

/** The first 14 characters of an id: its time and both dashes. */
function timePrefix(ms: number): string {
  if (!Number.isInteger(ms) || ms < 0 || ms > MAX_MS) throw new RangeError(`${ms} is not a time in whole milliseconds`);
  const hex = ms.toString(16).padStart(12, "0");
  return `${hex.slice(0, 8)}-${hex.slice(8)}-`;
}

/** The id source of this process; see `createIdSource` for what it promises. */
export const uuidv7: IdSource = createIdSource((words) => {
  randomFillSync(words);
});

const uuidShape = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** Whether `text` is a UUID of any version in the usual form; letters may be of either case. */
export function isUuid(text: string): boolean {
  return text.length === 36 && uuidShape.test(text);
}

/** The slot of an id: its last ten bits. The id must be a UUID (`isUuid`). */
export function slotOf(id: string): number {
  return ((hexDigit(id, 33) << 8) | (hexDigit(id, 34) << 4) | hexDigit(id, 35)) & (SLOTS - 1);
}

/** The shard of an id among `shards`, which is fixed when the database is made. */
export function shardOf(id: string, shards: number): number {
  return slotOf(id) % shards;
}

/** The time in an id, in milliseconds since 1970. The id must be a UUID of version 7. */
export function uuidTimeMs(id: string): number {
  return Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16);
}

/**
 * The slot of a key: the lowest ten bits of the first two bytes of the SHA-256 of the parts, joined by a NUL.
 *
 * Stable for ever: idempotency keys find their shard by it, and SQL computes the same with
 * `(get_byte(h, 0) * 256 + get_byte(h, 1)) & 1023` where `h = sha256(convert_to(a, 'UTF8') || '\x00' || …)`.
 */
export function slotOfKey(...parts: string[]): number {
  const digest = hash("sha256", parts.join("\0"), "buffer");
  return digest.readUInt16BE(0) & (SLOTS - 1);
}

/** The value of one hexadecimal character; both cases of a letter agree in their low bits. */
function hexDigit(text: string, index: number): number {
  const code = text.charCodeAt(index);
  return code < 58 ? code - 48 : (code & 0x0f) + 9;
}
