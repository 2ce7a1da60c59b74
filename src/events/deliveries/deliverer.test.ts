import { Webhook } from "standardwebhooks";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  createSubscribersRig,
  openReceiver,
  type Receiver,
  type SubscribersRig,
} from "../../../test/support/subscribers.ts";
import { uuidv7 } from "../../foundation/ids.ts";

const base = "/api/v1/subscriptions";

let rig: SubscribersRig;
let receiver: Receiver;

beforeAll(async () => {
  rig = await createSubscribersRig();
  receiver = await openReceiver();
});
afterAll(async () => {
  await rig.stop();
  await receiver.close();
});

let made = 0;

/** A subscription with an address of its own, and a delivery to it. */
async function sent(more: Record<string, unknown> = {}, event: Parameters<SubscribersRig["event"]>[0] = {}) {
  const path = `/hook-${++made}`;
  const { subscriber, ...rest } = more;
  const subscription = await rig.subscribe({
    eventPattern: "orders.*",
    subscriber: { type: "webhook", endpoint: receiver.url + path, ...(subscriber as object) },
    ...rest,
  });
  const eventId = await rig.event(event);
  const deliveryId = await rig.delivery({ eventId, subscriptionId: subscription.id });
  return { path, subscription, eventId, deliveryId };
}

const deliveryOf = async (id: string) => (await rig.call("GET", `${base}/deliveries/${id}`)).body;
const subscriptionOf = async (id: string) => (await rig.call("GET", `${base}/${id}`)).body;
const lettersOf = async (id: string) =>
  (await rig.call("GET", `/api/v1/dead-letters?subscriberId=subscription:${id}`)).body.items;

describe("a delivery", () => {
  test("is a signed CloudEvent, and is done when the answer is 2xx", async () => {
    const { path, subscription, eventId, deliveryId } = await sent(
      {
        subscriber: {
          headers: { "X-Team": "blue" },
          authentication: { type: "basic", username: "ada", password: "s:cret" },
        },
      },
      { payload: { total: 7, text: "ünïcode" }, metadata: { correlationId: "c-1" }, partitionKey: "k" },
    );
    receiver.answer(path, () => ({ status: 202, body: "thanks" }));
    await rig.subscribers.deliverer.tick();
    const [request, ...others] = receiver.at(path);
    expect(others).toEqual([]);
    expect(request!.headers).toMatchObject({
      "content-type": "application/cloudevents+json; charset=utf-8",
      "webhook-id": deliveryId,
      authorization: `Basic ${Buffer.from("ada:s:cret").toString("base64")}`,
      "x-team": "blue",
    });
    const verified = new Webhook(subscription.secret).verify(request!.text, request!.headers as Record<string, string>);
    expect(verified).toMatchObject({
      specversion: "1.0",
      id: eventId,
      type: "orders.paid",
      correlationid: "c-1",
      partitionkey: "k",
      data: { total: 7, text: "ünïcode" },
    });
    expect(await deliveryOf(deliveryId)).toMatchObject({
      status: "delivered",
      attempts: 1,
      underWay: false,
      history: [{ attempt: 1, status: 202, body: "thanks" }],
    });
    expect(await subscriptionOf(subscription.id)).toHaveProperty("lastDeliveredAt");
  });

  test("that fails is tried again later under the same webhook-id, and says what happened", async () => {
    const { path, subscription, deliveryId } = await sent();
    receiver.answer(path, (nth) => (nth === 1 ? { status: 503, body: "busy" } : { status: 200 }));
    await rig.subscribers.deliverer.tick();
    const waiting = await deliveryOf(deliveryId);
    expect(waiting).toMatchObject({ status: "pending", attempts: 1, history: [{ status: 503, body: "busy" }] });
    const inMs = Date.parse(String(waiting.nextAttemptAt)) - Date.now();
    expect(inMs).toBeGreaterThan(2_000);
    expect(inMs).toBeLessThan(6_100);
    expect(await subscriptionOf(subscription.id)).toHaveProperty("failingSince");
    await rig.later();
    expect(await deliveryOf(deliveryId)).toMatchObject({ status: "delivered", attempts: 2 });
    expect(receiver.at(path).map(({ headers }) => headers["webhook-id"])).toEqual([deliveryId, deliveryId]);
    expect(await subscriptionOf(subscription.id)).not.toHaveProperty("failingSince");
  });

  test.each([
    ["seconds", () => "120", 120_000],
    ["a date", () => new Date(Date.now() + 300_000).toUTCString(), 300_000],
    ["more than a day, which is cut", () => "9999999", 86_400_000],
  ])("waits as long as Retry-After asks for: %s", async (_, value, expectedMs) => {
    const { path, deliveryId } = await sent();
    receiver.answer(path, () => ({ status: 429, headers: { "retry-after": value() } }));
    await rig.subscribers.deliverer.tick();
    const { nextAttemptAt } = await deliveryOf(deliveryId);
    const inMs = Date.parse(String(nextAttemptAt)) - Date.now();
    expect(Math.abs(inMs - expectedMs)).toBeLessThan(3_000);
  });

  test("that is refused for good becomes a dead letter at once", async () => {
    const { path, subscription, eventId, deliveryId } = await sent();
    receiver.answer(path, () => ({ status: 422, body: "no such order" }));
    await rig.subscribers.deliverer.tick();
    expect(await deliveryOf(deliveryId)).toMatchObject({ status: "failed", attempts: 1 });
    const letters = await lettersOf(subscription.id);
    expect(letters).toMatchObject([
      {
        eventId,
        eventInstanceId: eventId,
        deliveryId,
        pattern: "orders.paid",
        errorType: "PERMANENT",
        errorCode: "HTTP_422",
        retryCount: 1,
        status: "pending",
      },
    ]);
    const { body: letter } = await rig.call("GET", `/api/v1/dead-letters/${letters[0]!.id}`);
    expect(letter).toMatchObject({
      originalEvent: { eventId, pattern: "orders.paid", payload: { total: 5 } },
      retryHistory: [{ attempt: 1, status: 422, body: "no such order" }],
    });
  });

  test("that fails too often becomes a dead letter with all its attempts", async () => {
    const { path, subscription, deliveryId } = await sent({ retryPolicy: { maxAttempts: 3, initialDelay: "PT1H" } });
    receiver.answer(path, (nth) => ({ status: 500 + nth }));
    await rig.subscribers.deliverer.tick();
    await rig.later();
    expect(await lettersOf(subscription.id)).toEqual([]);
    await rig.later();
    const { status, history } = await deliveryOf(deliveryId);
    expect([status, history.map((one) => one.status)]).toEqual(["failed", [501, 502, 503]]);
    expect(await lettersOf(subscription.id)).toMatchObject([{ errorCode: "HTTP_503", retryCount: 3 }]);
    await rig.later();
    expect(receiver.at(path)).toHaveLength(3);
  });

  test("is given up when there is no answer in time, and when nobody listens; both are tried again", async () => {
    const slow = await sent({ timeout: 50 });
    receiver.answer(slow.path, () => ({ status: 200, after: new Promise(() => {}) }));
    const deaf = await sent({ subscriber: { endpoint: "http://127.0.0.1:9/x" } });
    await rig.subscribers.deliverer.tick();
    expect(await deliveryOf(slow.deliveryId)).toMatchObject({
      status: "pending",
      history: [{ error: { code: "TIMEOUT" } }],
    });
    expect(await deliveryOf(deaf.deliveryId)).toMatchObject({
      status: "pending",
      history: [{ error: { code: "CONNECTION_REFUSED" } }],
    });
  });

  test("does not follow redirects", async () => {
    const { path, deliveryId } = await sent();
    receiver.answer(path, () => ({ status: 302, headers: { location: `${receiver.url}/elsewhere` } }));
    await rig.subscribers.deliverer.tick();
    expect(receiver.at("/elsewhere")).toEqual([]);
    expect(await deliveryOf(deliveryId)).toMatchObject({
      status: "pending",
      history: [{ error: { code: "HTTP_302" } }],
    });
  });

  test("whose answer was lost with its node is sent again under the same webhook-id", async () => {
    const { path, deliveryId } = await sent();
    await rig.db.unnamed(
      `update event_processing_service.event_deliveries set claimed_by = 'somebody', claimed_until = now() - interval '1 s',
         next_attempt_at = now() - interval '1 s' where id = $1`,
      [deliveryId],
    );
    await rig.subscribers.deliverer.tick();
    expect(receiver.at(path).map(({ headers }) => headers["webhook-id"])).toEqual([deliveryId]);
    expect(await deliveryOf(deliveryId)).toMatchObject({ status: "delivered" });
  });

  test("can be sent again by hand, whatever became of it", async () => {
    const { path, deliveryId } = await sent();
    await rig.subscribers.deliverer.tick();
    const { status, body } = await rig.call("POST", `${base}/deliveries/${deliveryId}/retry`);
    expect([status, body.status]).toEqual([202, "pending"]);
    await rig.subscribers.deliverer.tick();
    expect(receiver.at(path)).toHaveLength(2);
    expect((await rig.call("POST", `${base}/deliveries/${uuidv7(0)}/retry`)).status).toBe(404);
  });

  test("of a replay says so", async () => {
    const { path, subscription, eventId } = await sent();
    const replayId = uuidv7(Date.now());
    await rig.delivery({ eventId, subscriptionId: subscription.id, replayId });
    await rig.subscribers.deliverer.tick();
    expect(receiver.at(path).map(({ body }) => [body.replay, body.replayid])).toEqual(
      expect.arrayContaining([
        [undefined, undefined],
        [true, replayId],
      ]),
    );
  });

  test("whose event is gone becomes a dead letter", async () => {
    const { subscription, deliveryId, eventId } = await sent();
    await rig.db.unnamed("delete from event_processing_service.event_instances where id = $1", [eventId]);
    await rig.subscribers.deliverer.tick();
    expect(await deliveryOf(deliveryId)).toMatchObject({
      status: "failed",
      history: [{ error: { code: "EVENT_GONE" } }],
    });
    expect(await lettersOf(subscription.id)).toMatchObject([{ errorCode: "EVENT_GONE" }]);
  });
});
