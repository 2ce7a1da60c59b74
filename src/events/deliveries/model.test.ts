import { describe, expect, test } from "vitest";
import { usualRetryPolicy } from "../subscriptions/model.ts";
import { cloudEvent, isPermanent, type Reply, verdictOf } from "./model.ts";

const failed: Reply = { delivered: false, durationMs: 1, status: 500 };

describe("after an attempt", () => {
  test("that succeeded, all is done", () => {
    const reply: Reply = { delivered: true, durationMs: 1 };
    expect(verdictOf(reply, { attempt: 3, policy: usualRetryPolicy, chance: 0 })).toEqual({
      status: "delivered",
      delayMs: 0,
    });
  });

  test("that failed, the usual pauses grow, and nine attempts take about a day", () => {
    const verdicts = Array.from({ length: 9 }, (_, n) =>
      verdictOf(failed, { attempt: n + 1, policy: usualRetryPolicy, chance: 0.5 }),
    );
    expect(verdicts.map(({ delayMs }) => delayMs / 1_000)).toEqual([5, 20, 80, 320, 1280, 5120, 20480, 64800, 0]);
    expect(verdicts.map(({ status }) => status)).toEqual([...Array(8).fill("pending"), "failed"]);
    const total = verdicts.reduce((sum, { delayMs }) => sum + delayMs, 0) / 3_600_000;
    expect(total).toBeGreaterThan(24);
    expect(total).toBeLessThan(27);
  });

  test.each([
    [0, 4_000],
    [1, 6_000],
  ])("with chance %d the first pause is %d ms", (chance, delayMs) => {
    expect(verdictOf(failed, { attempt: 1, policy: usualRetryPolicy, chance }).delayMs).toBe(delayMs);
  });

  test("a server's wish to wait longer is respected, and not one to wait shorter", () => {
    const of = (retryAfterMs: number) =>
      verdictOf({ ...failed, retryAfterMs }, { attempt: 1, policy: usualRetryPolicy, chance: 0.5 }).delayMs;
    expect([of(60_000), of(1)]).toEqual([60_000, 5_000]);
  });

  test("that failed for good, there is no other", () => {
    const reply = { ...failed, permanent: true };
    expect(verdictOf(reply, { attempt: 1, policy: usualRetryPolicy, chance: 0 }).status).toBe("failed");
  });
});

test.each([
  [301, false],
  [400, true],
  [401, true],
  [404, true],
  [408, false],
  [410, true],
  [425, false],
  [429, false],
  [500, false],
  [503, false],
])("status %d is for good: %s", (status, permanent) => {
  expect(isPermanent(status)).toBe(permanent);
});

describe("a CloudEvent", () => {
  const event = {
    id: "0",
    eventId: "order-1",
    type: "orders.paid",
    pattern: "orders.paid",
    payload: { total: 5 },
    metadata: { correlationId: "c", causationId: "", userId: "u" },
    source: null,
    sourceKey: null,
    timestamp: "2026-01-01T00:00:00.000Z",
    acceptedAt: "2026-01-01T00:00:01.000Z",
    partitionKey: "p",
  };

  test("has the required attributes, and extensions for what there is", () => {
    expect(cloudEvent({ deliveryId: "d", namespace: "a b", event, replayId: null })).toEqual({
      specversion: "1.0",
      id: "order-1",
      source: "/namespaces/a%20b",
      type: "orders.paid",
      time: "2026-01-01T00:00:00.000Z",
      datacontenttype: "application/json",
      partitionkey: "p",
      correlationid: "c",
      data: { total: 5 },
    });
  });

  test("names its publisher, escaped where that is no URI reference, and says that it is a replay", () => {
    const given = (sourceKey: string) =>
      cloudEvent({ deliveryId: "d", namespace: "n", event: { ...event, sourceKey }, replayId: "r" });
    expect(given("https://shop.example/orders")).toMatchObject({
      source: "https://shop.example/orders",
      replay: true,
      replayid: "r",
    });
    expect(given("my shop")).toMatchObject({ source: "my%20shop" });
  });
});
