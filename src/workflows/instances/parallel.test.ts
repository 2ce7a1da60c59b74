import { describe, expect, test } from "vitest";
import { engineErrors } from "../../engine/index.ts";
import { eachInParallel, isOverload, patiently } from "./parallel.ts";

const always = () => true;

describe("many side by side", () => {
  test("are begun in their order, never more than the limit at once, and all are done", async () => {
    const begun: number[] = [];
    let now = 0;
    let most = 0;
    const items = Array.from({ length: 50 }, (_, n) => n);
    const count = await eachInParallel(items, { limit: 7, goesOn: always }, async (item, index) => {
      expect(item).toBe(index);
      begun.push(item);
      now++;
      most = Math.max(most, now);
      for (let turn = 0; turn < 1 + (item % 3); turn++) await Promise.resolve();
      now--;
    });
    expect(begun).toEqual(items);
    expect([count, most]).toEqual([50, 7]);
  });

  test("end with the first so many when it does not go on", async () => {
    const done: number[] = [];
    const goesOn = () => done.length < 5;
    const count = await eachInParallel([...Array(100).keys()], { limit: 4, goesOn }, async (item) => {
      await Promise.resolve();
      done.push(item);
    });
    expect(count).toBeLessThan(12);
    expect(done.toSorted((a, b) => a - b)).toEqual([...Array(count).keys()]);
  });

  test("reject with the first error once those under way have ended, and begin no more", async () => {
    let ended = 0;
    const work = async (item: number) => {
      if (item === 3) throw new Error("three");
      for (let turn = 0; turn < 10; turn++) await Promise.resolve();
      ended++;
    };
    const all = eachInParallel([...Array(100).keys()], { limit: 5, goesOn: always }, work);
    await expect(all).rejects.toThrow("three");
    expect(ended).toBeLessThan(10);
  });
});

describe("patience", () => {
  const overloaded = () => engineErrors.overloaded("too much", { retryAfterMs: 1 });
  const later = () => performance.now() + 60_000;
  const { signal } = new AbortController();

  test("asks again until the engine has room", async () => {
    let asked = 0;
    const ask = async () => {
      if (++asked < 4) throw overloaded();
      return "started";
    };
    expect(await patiently(ask, { passes: isOverload, untilMs: later(), signal })).toBe("started");
    expect(asked).toBe(4);
  });

  test.each([
    ["a refusal that does not pass", () => engineErrors.instance_not_found("none"), later],
    ["what is no refusal", () => new Error("broken"), later],
    ["one that passes, when the time is up", overloaded, () => performance.now()],
  ])("does not ask again after %s", async (_, refusal, untilMs) => {
    let asked = 0;
    const ask = async () => {
      asked++;
      throw refusal();
    };
    await expect(patiently(ask, { passes: isOverload, untilMs: untilMs(), signal })).rejects.toThrow(refusal().message);
    expect(asked).toBe(1);
  });

  test("ends at once when nobody waits any more", async () => {
    const gone = new AbortController();
    const ask = async () => {
      setTimeout(() => gone.abort());
      throw engineErrors.overloaded("too much", { retryAfterMs: 50_000 });
    };
    const answer = patiently(ask, { passes: isOverload, untilMs: later() + 60_000, signal: gone.signal });
    await expect(answer).rejects.toThrow("too much");
  });
});
