import { afterAll, beforeAll, expect, test } from "vitest";
import { openTestDatabase } from "../../test/support/database.ts";
import { ended, rigNamespace, rigStep, rigWorkflow, startRig, until } from "../../test/support/engine_rig.ts";
import { type Database, statement } from "../foundation/database/index.ts";
import type { Engine, Step } from "./index.ts";

const wait = (stepId: string, more: object): Step => ({ stepId, type: "EVENT_WAIT", ...more }) as Step;
const publishing = (stepId: string, input: object, next?: string): Step =>
  rigStep(stepId, {
    taskId: "event.publish",
    input,
    ...(next === undefined ? {} : { transitions: { default: next } }),
  });
const paid = (more: object = {}) =>
  wait("paid", { eventPattern: "orders.paid", eventCondition: "event.payload.order == input.order", ...more });

const readWait = statement(
  "test.wait_of",
  `select status, fulfilled_by_event_id as event from workflow_orchestrator_service.workflow_event_subscriptions
   where workflow_instance_id = $1`,
);

const readNamed = statement(
  "test.events_named",
  "select event_id from event_processing_service.event_instances where pattern = $1",
);

let db: Database;
let drop: () => Promise<void>;
let engine: Engine;

beforeAll(async () => {
  ({ db, drop } = await openTestDatabase());
  engine = await startRig({
    db,
    definitions: [
      rigWorkflow("order", [paid()]),
      rigWorkflow("any", [wait("any", { eventPattern: "things.>" })]),
      rigWorkflow("hearing", [wait("w", { eventPattern: "told.*", eventCondition: "event.payload.n == input.n" })]),
      rigWorkflow("twice", [
        wait("first", { eventPattern: "ticks.*", transitions: { default: "second" } }),
        wait("second", { eventPattern: "ticks.*" }),
      ]),
      rigWorkflow("telling", [
        publishing("tell", { pattern: "told.${input.n}", payload: { n: "${input.n}" }, partitionKey: "k" }, "again"),
        publishing("again", { pattern: "told.once", payload: {}, eventId: "once" }),
      ]),
      rigWorkflow("recent", [paid({ lookBack: "PT0S" })]),
      rigWorkflow("stoppable", [wait("never", { eventPattern: "never" })], {
        cancellationTriggers: [
          { eventPattern: "orders.dropped", eventCondition: "event.payload.order == input.order" },
        ],
      }),
    ],
  });
});
afterAll(async () => {
  await engine?.stop();
  await drop?.();
});

const start = async (workflowId: string, input: object = {}) =>
  (await engine.startInstance({ namespace: rigNamespace, definitionId: workflowId, input: input as never })).instanceId;
const publish = async (pattern: string, payload: object, more: object = {}) =>
  (await engine.publish([{ namespace: rigNamespace, pattern, payload: payload as never, ...more }]))[0]!;
const waiting = (instanceId: string) =>
  until(
    () => engine.getInstance({ namespace: rigNamespace, instanceId }),
    (view) => view?.status === "WAITING_FOR_EVENT",
  );

test("an event that comes while a wait is open ends it, with its payload as the output", async () => {
  const instanceId = await start("order", { order: "a" });
  await waiting(instanceId);
  await publish("orders.paid", { order: "another" });
  const event = await publish("orders.paid", { order: "a", amount: 7 });
  expect((await ended(engine, instanceId)).output).toEqual({ order: "a", amount: 7 });
  const rows = await db.query(readWait, [instanceId]);
  expect(rows).toEqual([{ status: "fulfilled", event: event.id }]);
});

test("an event that came between the start and the wait is found by looking back", async () => {
  const instanceId = await start("twice");
  await publish("ticks.one", { n: 1 });
  await publish("ticks.two", { n: 2 });
  const view = await ended(engine, instanceId);
  expect([view.state.steps.first?.output, view.output]).toEqual([{ n: 1 }, { n: 2 }]);
});

test("an event from before the start is not for the instance", async () => {
  await publish("orders.paid", { order: "b", amount: 1 });
  // The look back is exact to the millisecond, and this takes longer.
  for (let n = 0; n < 5; n++) await publish("orders.noted", {});
  const instanceId = await start("order", { order: "b" });
  await waiting(instanceId);
  await publish("orders.paid", { order: "b", amount: 2 });
  expect((await ended(engine, instanceId)).output).toEqual({ order: "b", amount: 2 });
});

test("a pattern with wildcards takes whatever fits it", async () => {
  const instanceId = await start("any");
  await waiting(instanceId);
  await publish("other.made", {});
  await publish("things.red.made", { n: 3 });
  expect((await ended(engine, instanceId)).output).toEqual({ n: 3 });
});

test("an event cancels the instance whose cancellation trigger it fits", async () => {
  const [one, other] = [await start("stoppable", { order: "c" }), await start("stoppable", { order: "d" })];
  await publish("orders.dropped", { order: "c" });
  expect((await ended(engine, one)).status).toBe("CANCELLED");
  expect((await waiting(other))?.status).toBe("WAITING_FOR_EVENT");
});

test("the same event id of the same source is accepted once", async () => {
  const first = await publish("orders.noted", {}, { eventId: "e-1", sourceKey: "shop" });
  const again = await publish("orders.noted", {}, { eventId: "e-1", sourceKey: "shop" });
  const other = await publish("orders.noted", {}, { eventId: "e-1", sourceKey: "another" });
  expect([first.status, again.status, other.status]).toEqual(["accepted", "duplicate", "accepted"]);
  expect(again.id).toBe(first.id);
  expect(again.timestamp).toBe(first.timestamp);
});

test("a step's event reaches a wait, and one with an id of its own is accepted once", async () => {
  const hearing = await start("hearing", { n: 5 });
  await waiting(hearing);
  const tellers = await Promise.all([start("telling", { n: 5 }), start("telling", { n: 6 })]);
  const heard = await ended(engine, hearing);
  expect(heard.output).toEqual({ n: 5 });
  for (const id of tellers) expect((await ended(engine, id)).status).toBe("COMPLETED");
  const once = await until(
    () => db.query<{ event_id: string }>(readNamed, ["told.once"]),
    (rows) => rows.length > 0,
  );
  expect(once).toEqual([{ event_id: "once" }]);
});

test("waits and events that race from other connections find each other, each once", async () => {
  const orders = Array.from({ length: 300 }, (_, n) => `race-${n}`);
  const ids = await Promise.all(
    orders.map(async (order, n) => {
      const begun = start("order", { order });
      if (n % 3 === 1) await new Promise((resolve) => setImmediate(resolve));
      const instanceId = await begun;
      if (n % 3 === 2) await waiting(instanceId);
      await publish("orders.paid", { order });
      return instanceId;
    }),
  );
  const views = await Promise.all(ids.map((id) => ended(engine, id)));
  expect(views.map(({ output }) => (output as { order: string }).order)).toEqual(orders);
});
