import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createSubscribersRig, type SubscribersRig } from "../../../test/support/subscribers.ts";
import { type EventView, TaskError } from "../../engine/index.ts";
import type { SubscriberContext } from "./handler.ts";

const base = "/api/v1/subscriptions";

let rig: SubscribersRig;
const calls: { event: EventView; ctx: SubscriberContext }[] = [];
let fails: (nth: number) => unknown = () => undefined;

beforeAll(async () => {
  rig = await createSubscribersRig({
    handlers: {
      async note(event, ctx) {
        calls.push({ event, ctx });
        const error = fails(calls.length);
        if (error !== undefined) throw error;
      },
      stuck: () => new Promise(() => {}),
    },
  });
});
afterAll(() => rig.stop());

async function given(handler: string, more: Record<string, unknown> = {}) {
  calls.length = 0;
  const subscription = await rig.subscribe({
    eventPattern: "orders.>",
    subscriber: { type: "handler", handler },
    ...more,
  });
  const eventId = await rig.event();
  const deliveryId = await rig.delivery({ eventId, subscriptionId: subscription.id });
  return { subscription, eventId, deliveryId };
}

const deliveryOf = async (id: string) => (await rig.call("GET", `${base}/deliveries/${id}`)).body;

describe("a handler of a program", () => {
  test("is given the event and what it needs to act once", async () => {
    fails = () => undefined;
    const { subscription, eventId, deliveryId } = await given("note");
    expect(subscription).not.toHaveProperty("secret");
    await rig.subscribers.deliverer.tick();
    expect(await deliveryOf(deliveryId)).toMatchObject({ status: "delivered", attempts: 1 });
    expect(calls).toMatchObject([
      {
        event: { id: eventId, eventId, type: "orders.paid", payload: { total: 5 }, metadata: {} },
        ctx: { deliveryId, attempt: 1, subscriptionId: subscription.id, namespace: "default", replayId: undefined },
      },
    ]);
    expect(calls[0]!.event.timestamp).toMatch(/^\d{4}-.*Z$/);
  });

  test("that throws is called again, unless its category says that this would not help", async () => {
    fails = (nth) => (nth === 1 ? new Error("not yet") : undefined);
    const passing = await given("note");
    await rig.subscribers.deliverer.tick();
    expect(await deliveryOf(passing.deliveryId)).toMatchObject({
      status: "pending",
      history: [{ error: { message: "not yet" } }],
    });
    await rig.later();
    expect(await deliveryOf(passing.deliveryId)).toMatchObject({ status: "delivered", attempts: 2 });

    fails = () => new TaskError({ code: "NO_STOCK", category: "BUSINESS", message: "There is none" });
    const final = await given("note");
    await rig.subscribers.deliverer.tick();
    expect(await deliveryOf(final.deliveryId)).toMatchObject({ status: "failed", attempts: 1 });
    const { body } = await rig.call("GET", `/api/v1/dead-letters?errorCode=NO_STOCK`);
    expect(body.items).toMatchObject([{ errorType: "BUSINESS", deliveryId: final.deliveryId }]);
  });

  test("that takes too long has failed", async () => {
    const { deliveryId } = await given("stuck", { timeout: 30 });
    await rig.subscribers.deliverer.tick();
    expect(await deliveryOf(deliveryId)).toMatchObject({
      status: "pending",
      history: [{ error: { code: "TIMEOUT" } }],
    });
  });

  test("is waited for by what nodes without it leave alone", async () => {
    fails = () => undefined;
    const { deliveryId } = await given("elsewhere");
    await rig.subscribers.deliverer.tick();
    expect(await deliveryOf(deliveryId)).toMatchObject({ status: "pending", attempts: 0 });
    let taken = 0;
    const other = rig.another({ elsewhere: () => void taken++ });
    await other.deliverer.tick();
    expect(taken).toBe(1);
    expect(await deliveryOf(deliveryId)).toMatchObject({ status: "delivered" });
    await other.stop();
  });

  test("is tested where it is", async () => {
    fails = () => undefined;
    const { subscription } = await given("note");
    const there = await rig.call("POST", `${base}/${subscription.id}/test`);
    expect(there.body).toMatchObject({ delivered: true, event: { type: "orders.test" } });
    const { id } = await rig.subscribe({ eventPattern: "a", subscriber: { type: "handler", handler: "nowhere" } });
    const { status, body } = await rig.call("POST", `${base}/${id}/test`);
    expect([status, body.code]).toEqual([409, "subscriptions.handler_missing"]);
  });
});
