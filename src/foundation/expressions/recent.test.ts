import { expect, test } from "vitest";
import { recentlyUsed } from "./recent.ts";

test("what is used stays, what is not is dropped, and never more than the limit is kept", () => {
  const cache = recentlyUsed<number>(10);
  for (let index = 0; index < 100; index++) {
    cache.set(`k${index}`, index);
    expect(cache.get("k0")).toBe(0);
  }
  const kept = Array.from({ length: 100 }, (_, index) => index).filter((index) => cache.get(`k${index}`) !== undefined);
  expect(kept).toContain(0);
  expect(kept).toContain(99);
  expect(kept).not.toContain(1);
  expect(kept.length).toBeLessThanOrEqual(10);
});
