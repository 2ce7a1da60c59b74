import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createIdSource, isUuid, SLOTS, shardOf, slotOf, slotOfKey, uuidTimeMs, uuidv7 } from "./ids.ts";

const time = fc.integer({ min: 0, max: 2 ** 48 - 1 });
const slot = fc.integer({ min: 0, max: SLOTS - 1 });

describe("uuidv7", () => {
  test("an id is a UUID of version 7 and variant 10 that carries its time and its slot", () => {
    fc.assert(
      fc.property(time, slot, (nowMs, given) => {
        const id = uuidv7(nowMs, given);
        expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
        expect(isUuid(id)).toBe(true);
        expect(uuidTimeMs(id)).toBe(nowMs);
        expect(slotOf(id)).toBe(given);
        expect(slotOf(id.toUpperCase())).toBe(given);
        expect(shardOf(id, 64)).toBe(given % 64);
      }),
    );
  });

  test("ids made in one millisecond sort in the order of their creation, whatever their slots", () => {
    fc.assert(
      fc.property(time, fc.array(fc.option(slot, { nil: undefined }), { maxLength: 300 }), (nowMs, slots) => {
        const ids = slots.map((given) => uuidv7(nowMs, given));
        expect([...ids].sort()).toEqual(ids);
      }),
    );
  });

  test("an id of a later millisecond sorts after every earlier one", () => {
    fc.assert(
      fc.property(fc.uniqueArray(time, { minLength: 2 }), (times) => {
        const ordered = times.sort((a, b) => a - b).map((nowMs) => uuidv7(nowMs));
        expect([...ordered].sort()).toEqual(ordered);
      }),
    );
  });

  test("300,000 ids are all different, also when the clock steps back to the same millisecond", () => {
    const ids = new Set<string>();
    for (let index = 0; index < 300_000; index += 1) ids.add(uuidv7(1_700_000_000_000 + (index % 3), 7));
    expect(ids.size).toBe(300_000);
  });

  test("absent slots are spread over all slots", () => {
    const seen = new Set<number>();
    for (let index = 0; index < 50_000; index += 1) seen.add(slotOf(uuidv7(1_700_000_000_000)));
    expect(seen.size).toBe(SLOTS);
  });

  test("a source with a deterministic fill repeats its ids", () => {
    const make = () => {
      let state = 42;
      const source = createIdSource((words) => {
        for (let index = 0; index < words.length; index += 1) {
          state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
          words[index] = state >>> 16;
        }
      });
      return Array.from({ length: 5000 }, (_, index) => source(1000 + Math.floor(index / 10)));
    };
    expect(make()).toEqual(make());
  });

  test("times and slots out of range are refused", () => {
    for (const bad of [-1, 0.5, Number.NaN, 2 ** 48, Number.POSITIVE_INFINITY])
      expect(() => uuidv7(bad)).toThrow(RangeError);
    for (const bad of [-1, 0.5, Number.NaN, SLOTS]) expect(() => uuidv7(0, bad)).toThrow(RangeError);
  });
});

test("isUuid accepts both cases and nothing but a whole UUID", () => {
  fc.assert(fc.property(fc.uuid(), (id) => isUuid(id) && isUuid(id.toUpperCase())));
  for (const text of ["", "x", "0190b5a0-0000-7000-8000-00000000000", "0190b5a0-0000-7000-8000-0000000000000"]) {
    expect(isUuid(text)).toBe(false);
  }
  expect(isUuid("0190b5a0-0000-7000-8000-00000000000g")).toBe(false);
  expect(isUuid("0190b5a0-0000-7000-8000-000000000000\n")).toBe(false);
});

describe("slotOfKey", () => {
  test("the slot of a key never changes: it comes from the first two bytes of the SHA-256", () => {
    expect(slotOfKey("default", "order-fulfilment", "key-1")).toBe(0xd5fa & 1023);
    expect(slotOfKey("")).toBe(0xe3b0 & 1023);
  });

  test("parts are kept apart and slots are in range", () => {
    expect(slotOfKey("a", "bc")).not.toBe(slotOfKey("ab", "c"));
    fc.assert(
      fc.property(fc.array(fc.string()), (parts) => {
        const found = slotOfKey(...parts);
        return Number.isInteger(found) && found >= 0 && found < SLOTS;
      }),
    );
  });
});
