import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  createSubscribersRig,
  openReceiver,
  type Receiver,
  type SubscribersRig,
} from "../../../test/support/subscribers.ts";

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

async function subscribed(more: Record<string, unknown> = {}) {
  const path = `/hook-${++made}`;
  const subscriber = { type: "webhook", endpoint: receiver.url + path };
  const { id } = await rig.subscribe({ eventPattern: "orders.*", subscriber, ...more });
  const send = async (count = 1) => {
    const ids: string[] = [];
    for (let n = 0; n < count; n++) ids.push(await rig.delivery({ eventId: await rig.event(), subscriptionId: id }));
    return ids;
  };
  return { id, path, send };
}

const verb = (id: string, name: string, body?: unknown) => rig.call("POST", `${base}/${id}/${name}`, { body });
const subscriptionOf = async (id: string) => (await rig.call("GET", `${base}/${id}`)).body;
const statusesOf = async (id: string) => {
  const { body } = await rig.call("GET", `${base}/${id}/deliveries`);
  return body.items.map(({ status }) => status).sort();
};

describe("a subscription", () => {
  test("that answers 410 is disabled, and what is pending is cancelled", async () => {
    const { id, path, send } = await subscribed({ maxConcurrency: 1 });
    receiver.answer(path, () => ({ status: 410 }));
    await send(3);
    const before = rig.asked.woken;
    await rig.subscribers.deliverer.tick();
    expect(await subscriptionOf(id)).toMatchObject({
      status: "disabled",
      statusReason: "The endpoint answered 410 Gone",
    });
    expect(rig.asked.woken).toBeGreaterThan(before);
    await rig.subscribers.deliverer.tick();
    expect(await statusesOf(id)).toEqual(expect.arrayContaining(["cancelled", "failed"]));
    expect(await statusesOf(id)).not.toContain("pending");
    const [failed] = (await rig.call("GET", `${base}/${id}/deliveries?status=failed`)).body.items;
    const { status, body } = await rig.call("POST", `${base}/deliveries/${failed!.id}/retry`);
    expect([status, body.code]).toEqual([409, "subscriptions.status_change_refused"]);
  });

  test("that has only failed for longer than it may is disabled; one success begins anew", async () => {
    const { id, path, send } = await subscribed({ disableAfter: "PT1H" });
    receiver.answer(path, (nth) => ({ status: nth === 2 ? 200 : 500 }));
    const fails = async () => {
      await send();
      await rig.subscribers.deliverer.tick();
    };
    const age = () =>
      rig.db.unnamed(
        "update event_processing_service.event_subscriptions set failing_since = failing_since - interval '2 hours' where id = $1",
        [id],
      );
    await fails();
    await age();
    await fails();
    expect(await subscriptionOf(id)).not.toHaveProperty("failingSince");
    await fails();
    expect(await subscriptionOf(id)).toMatchObject({ status: "active", failingSince: expect.any(String) });
    await age();
    await fails();
    expect(await subscriptionOf(id)).toMatchObject({
      status: "disabled",
      statusReason: expect.stringContaining("only failed since"),
    });
  });

  test("that is enabled again gets what it has missed, and nothing twice", async () => {
    const { id, path, send } = await subscribed({ eventPattern: "orders.paid" });
    receiver.answer(path, (nth) => ({ status: nth === 2 ? 410 : 200 }));
    await send();
    await rig.subscribers.deliverer.tick();
    const [gone] = await send();
    await rig.subscribers.deliverer.tick();
    expect((await subscriptionOf(id)).status).toBe("disabled");
    const { eventId: missed } = (await rig.call("GET", `${base}/deliveries/${gone}`)).body;
    const meanwhile = await rig.event();
    await rig.event({ pattern: "orders.lost" });
    const since = new Date(Date.parse(String((await subscriptionOf(id)).disabledAt)) - 60_000).toISOString();
    const { status, body } = await verb(id, "enable", { replayMissing: true, since });
    expect([status, body.status]).toEqual([200, "active"]);
    rig.asked.routedAgain.length = 0;
    await rig.subscribers.replays.tick();
    const asked = rig.asked.routedAgain.filter(({ replayId }) => replayId === body.replayId);
    expect(asked).toEqual(
      expect.arrayContaining([missed, meanwhile].map((one) => expect.objectContaining({ id: one, targets: [id] }))),
    );
    const [delivered] = (await rig.call("GET", `${base}/${id}/deliveries?status=delivered`)).body.items;
    expect(asked.map((one) => one.id)).not.toContain(delivered!.eventId);
    expect((await verb(id, "enable")).status).toBe(409);
  });

  test("that is suspended gets nothing, and all of it after the resume", async () => {
    const { id, path, send } = await subscribed();
    expect((await verb(id, "suspend", { reason: "maintenance" })).body).toMatchObject({
      status: "suspended",
      statusReason: "maintenance",
    });
    await send(2);
    await rig.subscribers.deliverer.tick();
    expect(await statusesOf(id)).toEqual(["pending", "pending"]);
    expect((await verb(id, "suspend")).status).toBe(409);
    expect((await verb(id, "resume")).body.status).toBe("active");
    await rig.subscribers.deliverer.tick();
    expect(await statusesOf(id)).toEqual(["delivered", "delivered"]);
    expect(receiver.at(path)).toHaveLength(2);
    expect((await verb(id, "resume")).status).toBe(409);
  });

  test("that is deleted gets nothing any more, and what was pending is cancelled", async () => {
    const { id, path, send } = await subscribed();
    await verb(id, "suspend");
    const [delivery] = await send();
    expect((await rig.call("DELETE", `${base}/${id}`)).status).toBe(204);
    await rig.subscribers.deliverer.tick();
    expect((await rig.call("GET", `${base}/deliveries/${delivery}`)).body.status).toBe("cancelled");
    expect(receiver.at(path)).toEqual([]);
    expect((await rig.call("GET", `${base}/${id}`)).status).toBe(404);
  });
});

describe("subscribers side by side", () => {
  test("one that does not answer holds no other one up, and has no more under way than it may", async () => {
    const slow = await subscribed({ maxConcurrency: 3 });
    const quick = await subscribed();
    const { promise: answered, resolve: answer } = Promise.withResolvers<void>();
    receiver.answer(slow.path, () => ({ status: 200, after: answered }));
    await slow.send(150);
    await quick.send(20);
    const ticking = rig.subscribers.deliverer.tick();
    await expect.poll(() => receiver.at(quick.path).length, { timeout: 10_000 }).toBe(20);
    await expect.poll(() => receiver.at(slow.path).length).toBe(3);
    const other = rig.another();
    await other.deadLetters.tick();
    expect(receiver.at(slow.path)).toHaveLength(3);
    answer();
    await ticking;
    await other.stop();
    expect(receiver.at(slow.path)).toHaveLength(150);
    expect(new Set(await statusesOf(slow.id))).toEqual(new Set(["delivered"]));
  });

  test("nodes share the work, and each delivery is sent once", async () => {
    const { path, send } = await subscribed({ maxConcurrency: 50 });
    const ids = await send(120);
    const others = [rig.another(), rig.another()];
    await Promise.all([rig.subscribers, ...others].map(({ deliverer }) => deliverer.tick()));
    expect(
      receiver
        .at(path)
        .map(({ headers }) => headers["webhook-id"])
        .sort(),
    ).toEqual([...ids].sort());
    for (const other of others) await other.stop();
  });

  test("a node that stops lets what is under way end, and hands the rest back at once", async () => {
    const { id, path, send } = await subscribed({ timeout: "PT1M" });
    receiver.answer(path, () => ({ status: 200, after: new Promise(() => {}) }));
    const [delivery] = await send();
    const leaving = rig.another();
    void leaving.deliverer.tick();
    await expect.poll(() => receiver.at(path).length).toBe(1);
    await leaving.stop();
    expect((await rig.call("GET", `${base}/deliveries/${delivery}`)).body).toMatchObject({
      status: "pending",
      attempts: 0,
      underWay: false,
    });
    receiver.answer(path, () => ({ status: 200 }));
    await rig.subscribers.deliverer.tick();
    expect(await statusesOf(id)).toEqual(["delivered"]);
  });

  test("a node that was started sends what is due by itself: after a bell, and at the time of a retry", async () => {
    const { id, path, send } = await subscribed({ retryPolicy: { initialDelay: 100, jitter: 0 } });
    receiver.answer(path, (nth) => ({ status: nth === 1 ? 500 : 200 }));
    const living = rig.another();
    living.start();
    await sleep(300);
    await send();
    living.wake();
    await expect.poll(() => statusesOf(id), { timeout: 5_000 }).toEqual(["delivered"]);
    await living.stop();
  });
});

test("nothing is sent to private addresses unless that is allowed, whatever their name is", async () => {
  const strict = await createSubscribersRig({ allowPrivateAddresses: false });
  const refused = await strict.call("POST", base, {
    body: { eventPattern: "a", subscriber: { type: "webhook", endpoint: receiver.url } },
  });
  expect([refused.status, refused.body.errors[0]!.pointer]).toEqual([400, "/subscriber/endpoint"]);
  const endpoint = receiver.url.replace("127.0.0.1", "localhost");
  const { id } = await strict.subscribe({ eventPattern: "a", subscriber: { type: "webhook", endpoint } });
  const deliveryId = await strict.delivery({ eventId: await strict.event(), subscriptionId: id });
  const before = receiver.received.length;
  await strict.subscribers.deliverer.tick();
  const { body } = await strict.call("GET", `${base}/deliveries/${deliveryId}`);
  expect(body).toMatchObject({ status: "failed", history: [{ error: { code: "ADDRESS_REFUSED" } }] });
  expect(receiver.received.length).toBe(before);
  await strict.stop();
});
