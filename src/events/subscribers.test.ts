import { Webhook } from "standardwebhooks";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { startTestApp, type TestApp } from "../../test/support/app.ts";
import { startCommand } from "../../test/support/command.ts";
import { createSubscribersRig, openReceiver, type Receiver } from "../../test/support/subscribers.ts";
import { makeTemporaryDirectory } from "../../test/support/temporary.ts";
import type { EventInput, EventView, Json } from "../engine/index.ts";

const base = "/api/v1/subscriptions";

let program: TestApp;
let receiver: Receiver;
const noted: EventView[] = [];

beforeAll(async () => {
  receiver = await openReceiver();
  program = await startTestApp({
    settings: { allowPrivateAddresses: true },
    subscribers: { note: (event) => void noted.push(event) },
  });
});
afterAll(async () => {
  await program.stop();
  await receiver.close();
});

const publish = (pattern: string, payload: Json, more: Partial<EventInput> = {}) =>
  program.app.engine.publish([{ namespace: "default", pattern, payload, ...more }]);

async function subscribed(path: string, more: object) {
  const subscriber = { type: "webhook", endpoint: receiver.url + path };
  const { status, body } = await program.call("POST", base, { body: { subscriber, ...more } });
  expect(status, JSON.stringify(body)).toBe(201);
  return body;
}

const bodiesAt = (path: string) => receiver.at(path).map(({ body }) => body);
const soon = (check: () => void | Promise<void>) => vi.waitFor(check, { timeout: 10_000, interval: 20 });

describe("an event that is published", () => {
  test("reaches the subscribers whose pattern fits and whose filter holds, signed, within a moment", async () => {
    const { secret } = await subscribed("/big", { eventPattern: "orders.*", filter: "payload.total > 10" });
    await subscribed("/other", { eventPattern: "users.>" });
    await publish("orders.paid", { total: 5 });
    const beganMs = performance.now();
    const [answer] = await publish("orders.paid", { total: 50 }, { sourceKey: "https://shop.example", eventId: "o-1" });
    await soon(() => expect(bodiesAt("/big")).toHaveLength(1));
    expect(performance.now() - beganMs).toBeLessThan(5_000);
    const [request] = receiver.at("/big");
    new Webhook(String(secret)).verify(request!.text, request!.headers as Record<string, string>);
    expect(request!.body).toMatchObject({
      id: answer!.eventId,
      source: "https://shop.example",
      type: "orders.paid",
      data: { total: 50 },
    });
    expect(bodiesAt("/other")).toEqual([]);
  });

  test("reaches handlers of the program", async () => {
    await program.app.subscribers.ensure({
      namespace: "default",
      given: { name: "notes", eventPattern: "notes.>", subscriber: { type: "handler", handler: "note" } },
      createdBy: "test",
    });
    await publish("notes.a.b", { n: 1 }, { metadata: { correlationId: "c" } });
    await soon(() => expect(noted).toHaveLength(1));
    expect(noted[0]).toMatchObject({ type: "notes.a.b", payload: { n: 1 }, metadata: { correlationId: "c" } });
  });

  test("is sent again by a replay, to one of them, and says so", async () => {
    const { id } = await subscribed("/replayed", { eventPattern: "replayed.*" });
    await subscribed("/bystander", { eventPattern: "replayed.*" });
    for (const n of [1, 2, 3]) await publish("replayed.x", { n });
    await soon(() => expect([bodiesAt("/replayed").length, bodiesAt("/bystander").length]).toEqual([3, 3]));
    const body = { eventPattern: "replayed.*", from: "2026-01-01T00:00:00Z", filter: "payload.n > 1", targets: [id] };
    const replay = await program.call("POST", "/api/v1/replays", { body });
    expect(replay.status, JSON.stringify(replay.body)).toBe(202);
    await soon(() => expect(bodiesAt("/replayed")).toHaveLength(5));
    const again = bodiesAt("/replayed").slice(3);
    expect(again.map(({ replay: marked, replayid }) => [marked, replayid])).toEqual([
      [true, replay.body.id],
      [true, replay.body.id],
    ]);
    expect(again.map(({ data }) => data)).toEqual(expect.arrayContaining([{ n: 2 }, { n: 3 }]));
    expect(bodiesAt("/bystander")).toHaveLength(3);
    await soon(async () => {
      const { body: done } = await program.call("GET", `/api/v1/replays/${replay.body.id}`);
      expect(done).toMatchObject({ status: "completed", found: 3, replayed: 2 });
    });
  });

  test("is not sent to a subscription that is disabled, and is when that is enabled with what it missed", async () => {
    const { id } = await subscribed("/gone", { eventPattern: "gone.*" });
    receiver.answer("/gone", (nth) => ({ status: nth === 1 ? 410 : 200 }));
    await publish("gone.a", 1);
    await soon(async () => expect((await program.call("GET", `${base}/${id}`)).body.status).toBe("disabled"));
    await publish("gone.b", 2);
    await publish("gone.c", 3);
    const { body } = await program.call("POST", `${base}/${id}/enable`, { body: { replayMissing: true } });
    expect(body).toMatchObject({ status: "active", replayId: expect.any(String) });
    await soon(() => expect(bodiesAt("/gone").map(({ data }) => data)).toEqual(expect.arrayContaining([1, 2, 3])));
    await publish("gone.d", 4);
    await soon(() => expect(bodiesAt("/gone")).toHaveLength(4));
    expect(new Set(receiver.at("/gone").map(({ headers }) => headers["webhook-id"])).size).toBe(4);
  });
});

test("what a killed program was sending is sent again under the same webhook-id, and nothing is lost", async () => {
  const rig = await createSubscribersRig();
  const directory = await makeTemporaryDirectory("millrace-killed-");
  const { id } = await rig.subscribe({
    eventPattern: "orders.*",
    subscriber: { type: "webhook", endpoint: `${receiver.url}/killed` },
    timeout: "PT1M",
    maxConcurrency: 20,
  });
  const wanted: string[] = [];
  for (let n = 0; n < 100; n++) wanted.push(await rig.delivery({ eventId: await rig.event(), subscriptionId: id }));
  // Those after the thirtieth get no answer while the first program lives.
  receiver.answer("/killed", (nth) => ({ status: 200, ...(nth > 30 && { after: new Promise(() => {}) }) }));
  const killed = startCommand(["start"], {
    env: {
      DATABASE_URL: rig.databaseUrl,
      MILLRACE_DATA_DIR: directory.path,
      MILLRACE_ROLES: "engine",
      MILLRACE_ALLOW_PRIVATE_ADDRESSES: "true",
    },
  });
  await vi.waitFor(() => expect(receiver.at("/killed").length).toBeGreaterThanOrEqual(45), {
    timeout: 25_000,
    interval: 20,
  });
  killed.child.kill("SIGKILL");
  await killed.ended;
  receiver.answer("/killed", () => ({ status: 200 }));
  // Time passes: the claims of the dead run out.
  await rig.db.unnamed(
    `update event_processing_service.event_deliveries set claimed_until = now() - interval '1 s', next_attempt_at = now()
     where status = 'pending' and claimed_until is not null`,
  );
  await rig.subscribers.deliverer.tick();
  const counts = new Map<unknown, number>();
  for (const { headers } of receiver.at("/killed")) {
    counts.set(headers["webhook-id"], (counts.get(headers["webhook-id"]) ?? 0) + 1);
  }
  expect([...counts.keys()].sort()).toEqual([...wanted].sort());
  expect([...counts.values()].filter((count) => count > 1).length).toBeGreaterThan(0);
  const { body } = await rig.call("GET", `${base}/${id}/deliveries?status=delivered&limit=500`);
  expect(body.items).toHaveLength(100);
  await rig.stop();
  await directory.remove();
}, 60_000);
