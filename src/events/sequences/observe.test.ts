import { describe, expect, test } from "vitest";
import { type EventFacts, observe, startedBy, zeroId } from "./observe.ts";

const replay = "01890000-0000-7000-8000-000000000001";
const plain = { waitForInstances: false, replayId: null };
const trigger = (id: string) => ({ kind: "trigger", id });
const subscription = (id: string) => ({ kind: "subscription", id });

function facts(some: Partial<EventFacts>): EventFacts {
  return { routings: [], deliveries: [], deadLetters: [], ...some };
}

const routed = (...decisions: EventFacts["routings"][number]["decisions"]) => [{ replayId: zeroId, decisions }];
const letter = (status: string, subscriberId = "trigger:t") => {
  return { id: replay, subscriberId, status, message: "does not fit", code: "X" };
};
const none = new Map();

describe("an event", () => {
  test("is under way until its routing is recorded", () => {
    expect(observe(facts({}), plain, none)).toEqual({ kind: "under_way", waitsFor: "routing" });
  });

  test("is processed when it was routed to nobody", () => {
    expect(observe(facts({ routings: routed() }), plain, none)).toEqual({ kind: "processed" });
  });

  test("is under way while a delivery is", () => {
    const some = facts({
      routings: routed({ target: subscription("s"), outcome: "queued" }),
      deliveries: [{ subscriptionId: "s", status: "pending" }],
    });
    expect(observe(some, plain, none)).toEqual({ kind: "under_way", waitsFor: "deliveries" });
  });

  test("fails with a target that failed, and names it", () => {
    const some = facts({
      routings: routed(
        { target: trigger("t"), outcome: "failed", reason: "no such field" },
        { target: trigger("u"), outcome: "started", instanceId: "i" },
      ),
    });
    expect(observe(some, plain, none)).toEqual({
      kind: "failed",
      error: { code: "TARGET_FAILED", message: "trigger t: no such field", targets: ["t"] },
    });
  });

  test("fails with a delivery that failed for good, and says by what", () => {
    const some = facts({
      routings: routed({ target: subscription("s"), outcome: "queued" }),
      deliveries: [{ subscriptionId: "s", status: "failed", error: { error: "410 Gone" } }],
      deadLetters: [letter("pending", "subscription:s")],
    });
    expect(observe(some, plain, none)).toMatchObject({
      kind: "failed",
      error: { code: "DELIVERY_FAILED", message: "subscription s: 410 Gone", targets: ["s"] },
    });
  });

  test.each(["resolved", "discarded"])("is excused for a failure whose dead letter is %s", (status) => {
    const some = facts({
      routings: routed({ target: trigger("t"), outcome: "failed", reason: "no" }),
      deadLetters: [letter(status)],
    });
    expect(observe(some, plain, none)).toEqual({ kind: "processed" });
  });

  test("is under way again while its dead letter is processed anew", () => {
    const some = facts({
      routings: routed({ target: trigger("t"), outcome: "failed" }),
      deadLetters: [letter("reprocessing")],
    });
    expect(observe(some, plain, none)).toEqual({ kind: "under_way", waitsFor: "routing" });
  });

  test("that was routed again counts when that is recorded; of each target the last decision does", () => {
    const first = routed({ target: trigger("t"), outcome: "failed", reason: "no" });
    const again = { waitForInstances: false, replayId: replay };
    expect(observe(facts({ routings: first }), again, none)).toEqual({ kind: "under_way", waitsFor: "routing" });
    const second = [
      ...first,
      { replayId: replay, decisions: [{ target: trigger("t"), outcome: "started", instanceId: "i" }] },
    ];
    expect(observe(facts({ routings: second }), again, none)).toEqual({ kind: "processed" });
  });

  test("of several deliveries to one subscriber the last counts", () => {
    const some = facts({
      routings: routed({ target: subscription("s"), outcome: "queued" }),
      deliveries: [
        { subscriptionId: "s", status: "failed" },
        { subscriptionId: "s", status: "delivered" },
      ],
    });
    expect(observe(some, plain, none)).toEqual({ kind: "processed" });
  });

  test("waits for the instances that it started only where that is asked for", () => {
    const some = facts({ routings: routed({ target: trigger("t"), outcome: "started", instanceId: "i" }) });
    const waits = { waitForInstances: true, replayId: null };
    expect(startedBy(some)).toEqual(["i"]);
    expect(observe(some, plain, none)).toEqual({ kind: "processed" });
    expect(observe(some, waits, new Map([["i", "RUNNING" as const]]))).toEqual({
      kind: "under_way",
      waitsFor: "instances",
    });
    expect(observe(some, waits, new Map([["i", "COMPLETED" as const]]))).toEqual({ kind: "processed" });
    expect(observe(some, waits, new Map([["i", "CANCELLED" as const]]))).toMatchObject({
      error: { code: "INSTANCE_FAILED", message: "the instance i is CANCELLED", targets: ["t"] },
    });
  });

  test("with several failures names all their targets", () => {
    const some = facts({
      routings: routed({ target: trigger("t"), outcome: "failed" }, { target: trigger("u"), outcome: "failed" }),
    });
    expect(observe(some, plain, none)).toMatchObject({
      error: { message: "trigger t: it failed (and 1 more)", targets: ["t", "u"] },
    });
  });
});
