/** Sequences whose events go to subscribers over HTTP. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { startTestApp } from "../../../test/support/app.ts";
import { createSequenceRig, type SequenceRig } from "../../../test/support/sequences.ts";
import { openReceiver, type Receiver } from "../../../test/support/subscribers.ts";

let rig: SequenceRig;
let receiver: Receiver;

beforeAll(async () => {
  receiver = await openReceiver();
  rig = createSequenceRig(await startTestApp({ settings: { allowPrivateAddresses: true } }));
  for (const name of ["slow", "choosy"]) {
    const subscriber = { type: "webhook", endpoint: `${receiver.url}/${name}` };
    const body = { subscriber, eventPattern: `${name}.*` };
    const answer = await rig.program.call("POST", "/api/v1/subscriptions", { body });
    expect(answer.status, JSON.stringify(answer.body)).toBe(201);
  }
});
afterAll(async () => {
  await rig?.program.stop();
  await receiver?.close();
});

test("the next event is published when the subscribers of the one before have taken it", async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  receiver.answer("/slow", () => ({ status: 200, after: promise }));
  const { id } = await rig.made({ events: [{ pattern: "slow.a" }, { pattern: "plain.b" }] });
  await expect.poll(async () => (await rig.get(id)).events[0]!.waitingFor, { timeout: 10_000 }).toBe("deliveries");
  expect(rig.statuses(await rig.get(id))).toEqual(["published", "pending"]);
  resolve();
  await rig.until(id, "completed");
});

test("what a subscriber refuses for good fails its member; routed again it is delivered, and its dead letter resolved", async () => {
  receiver.answer("/choosy", (nth) => ({ status: nth === 1 ? 400 : 200 }));
  const { id } = await rig.made({
    events: [{ pattern: "choosy.a", payload: { n: 1 } }, { pattern: "plain.c" }],
    rollbackStrategy: { type: "retry", maxRetries: 1 },
  });
  const ended = await rig.until(id, "completed");
  expect(ended.events[0]).toMatchObject({ status: "processed", retries: 1 });
  expect(receiver.at("/choosy").length).toBe(2);
  const letters = await rig.program.app.db.unnamed(
    "select status, resolved_by as by from event_processing_service.dead_letter_queue where event_instance_id = $1",
    [ended.events[0]!.eventId],
  );
  expect(letters).toEqual([{ status: "resolved", by: `event sequence ${id}` }]);
});

test("an event that a strict namespace does not know fails its member with the reason", async () => {
  const { program } = rig;
  const namespace = "strict";
  const set = await program.call("PUT", "/api/v1/events/settings", { namespace, body: { validation: "strict" } });
  expect(set.status, JSON.stringify(set.body)).toBe(200);
  const made = await rig.create({ name: "unknown", events: [{ pattern: "nobody.knows" }] }, { namespace });
  expect(made.status).toBe(201);
  const find = async () => (await program.call("GET", `/api/v1/event-sequences/${made.body.id}`, { namespace })).body;
  await expect.poll(async () => (await find()).status, { timeout: 10_000 }).toBe("failed");
  expect((await find()).error).toMatchObject({ code: "PUBLISH_FAILED" });
});
