import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { startTestApp, type TestApp } from "../../../test/support/app.ts";
import { uuidv7 } from "../../foundation/ids.ts";

const path = "/api/v1/events";

let program: TestApp;

beforeAll(async () => {
  program = await startTestApp();
  const body = {
    workflowId: "waits",
    name: "Waits",
    inputSchema: { type: "object", properties: { order: { type: "string" } } },
    steps: [
      {
        stepId: "payment",
        type: "EVENT_WAIT",
        eventPattern: "orders.*",
        eventCondition: "event.payload.order == input.order",
      },
    ],
  };
  expect(await program.call("POST", "/api/v1/workflows/definitions", { body })).toMatchObject({ status: 201 });
});
afterAll(() => program?.stop());

const ledgerOf = (ref: string) => program.call("GET", `${path}/${ref}/ledger`);

/** The ledger once the event has been routed. */
async function routed(ref: string) {
  return await vi.waitFor(
    async () => {
      const { body } = await ledgerOf(ref);
      expect(body.routed).toBe(true);
      return body;
    },
    { timeout: 20_000, interval: 20 },
  );
}

async function start(order: string): Promise<string> {
  const request = { body: { definitionId: "waits", input: { order } } };
  return (await program.call("POST", "/api/v1/workflows/instances", request)).body.instanceId;
}

test("the ledger says which waits an event resumed", async () => {
  const instanceId = await start("A-1");
  await start("A-2");
  await program.call("POST", path, { body: { eventId: "e1", pattern: "orders.paid", payload: { order: "A-1" } } });
  const ended = await program.app.engine.waitForEnd({ namespace: "default", instanceId, timeoutMs: 20_000 });
  expect(ended?.status).toBe("COMPLETED");
  const ledger = await routed("e1");
  expect(ledger.waits).toMatchObject([
    { instanceId, stepId: "payment", pattern: "orders.*", condition: "event.payload.order == input.order" },
  ]);
  expect(ledger).toMatchObject({
    eventId: "e1",
    routed: true,
    routings: [{ decisions: [{ target: { kind: "wait", id: instanceId }, outcome: "delivered" }] }],
    deliveries: [],
    deadLetters: [],
    truncated: false,
  });
});

test("the ledger says which wait took an event by looking back", async () => {
  const body = {
    workflowId: "looks-back",
    name: "Looks back",
    steps: [
      {
        stepId: "payment",
        type: "EVENT_WAIT",
        eventPattern: "orders.late",
        eventCondition: "event.payload.order == input.order",
        lookBack: "PT1H",
      },
    ],
  };
  await program.call("POST", "/api/v1/workflows/definitions", { body });
  const startOf = (order: string, wait: string) =>
    program.call("POST", `/api/v1/workflows/instances${wait}`, {
      body: { definitionId: "looks-back", input: { order } },
    });
  await startOf("other", "");
  await program.call("POST", path, { body: { eventId: "early", pattern: "orders.late", payload: { order: "B-1" } } });
  await routed("early");
  const started = await startOf("B-1", "?wait=PT20S");
  expect(started.body.status).toBe("COMPLETED");
  expect((await ledgerOf("early")).body.waits).toMatchObject([{ instanceId: started.body.id, stepId: "payment" }]);
});

test("the ledger of an event that nobody wants is one of no decisions", async () => {
  const { body } = await program.call("POST", path, { body: { pattern: "nobody.cares" } });
  expect(await routed(body.id)).toMatchObject({ routings: [{ decisions: [] }], waits: [], deliveries: [] });
});

test("an event that has not been routed says so", async () => {
  const { db } = program.app;
  const id = uuidv7(Date.now());
  await db.unnamed(
    `insert into event_processing_service.event_instances (shard, id, namespace, event_id, pattern, "timestamp", payload)
     values (0, $1, 'default', $2, 'a', now(), '1')`,
    [id, id],
  );
  const { body } = await ledgerOf(id);
  expect(body).toMatchObject({ id, routed: false, routings: [], waits: [], deliveries: [], deadLetters: [] });
});

test("the ledger has decisions, replays, deliveries and dead letters as they are recorded", async () => {
  const { db } = program.app;
  const { body: event } = await program.call("POST", path, { body: { eventId: "full", pattern: "nobody.cares" } });
  await routed("full");
  const replayId = uuidv7(Date.now());
  const [subscription, delivery, letter] = [uuidv7(Date.now()), uuidv7(Date.now()), uuidv7(Date.now())];
  const [{ shard }] = (await db.unnamed<{ shard: number }>(
    "select shard from event_processing_service.event_instances where id = $1",
    [event.id],
  )) as [{ shard: number }];
  const decisions = [
    { target: { kind: "subscription", id: subscription, name: "hook" }, outcome: "queued", deliveryId: delivery },
    { target: { kind: "trigger", id: uuidv7(Date.now()), name: "start" }, outcome: "skipped", reason: "condition" },
  ];
  await db.unnamed(
    `insert into event_processing_service.event_routings (shard, event_id, replay_id, namespace, decisions)
     values ($1, $2, $3, 'default', $4)`,
    [shard, event.id, replayId, JSON.stringify(decisions)],
  );
  await db.unnamed(
    `insert into event_processing_service.event_deliveries
       (id, shard, namespace, event_id, subscription_id, replay_id, status, attempts, history, completed_at)
     values ($1, $2, 'default', $3, $4, $5, 'failed', 2, '[{"status":500}]', now())`,
    [delivery, shard, event.id, subscription, replayId],
  );
  await db.unnamed(
    `insert into event_processing_service.dead_letter_queue
       (id, namespace, event_id, event_instance_id, subscriber_id, delivery_id, original_event, error_message, error_type, error_code)
     values ($1, 'default', 'full', $2, $3, $4, '{}', 'It answered 500', 'TRANSIENT', 'HTTP_500')`,
    [letter, event.id, `subscription:${subscription}`, delivery],
  );
  const { body } = await ledgerOf("full");
  expect(body).toMatchObject({
    routed: true,
    routings: [{ decisions: [] }, { replayId, decisions }],
    deliveries: [{ id: delivery, subscriptionId: subscription, replayId, status: "failed", attempts: 2 }],
    deadLetters: [{ id: letter, subscriberId: `subscription:${subscription}`, errorCode: "HTTP_500" }],
    truncated: false,
  });
  expect((body.routings as object[])[0]).not.toHaveProperty("replayId");
  expect((body.deliveries as object[])[0]).not.toHaveProperty("nextAttemptAt");
});

test("there is no ledger of an event of another namespace, or of none", async () => {
  const { body } = await program.call("POST", path, { body: { pattern: "a" }, namespace: "elsewhere" });
  expect((await ledgerOf(body.id)).body.code).toBe("events.event_not_found");
  expect((await ledgerOf("nothing")).status).toBe(404);
});
