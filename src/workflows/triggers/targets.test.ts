import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openTriggerDesk, type TriggerDesk } from "../../../test/support/triggers.ts";
import type { EventView, Json } from "../../engine/index.ts";
import type { TriggerRow } from "./queries.ts";
import { loadTriggerTargets, targetOf } from "./targets.ts";

let desk: TriggerDesk;
beforeAll(async () => {
  desk = await openTriggerDesk();
});
afterAll(() => desk.stop());

async function revision(): Promise<number> {
  const [row] = await desk.db.unnamed<{ revision: number }>(
    "select revision from event_processing_service.routing_revision",
  );
  return row!.revision;
}

const loaded = async (since: number) => {
  const { targets, goneIds } = await loadTriggerTargets(desk.db, since);
  return { names: targets.map(({ target }) => target.name).sort(), goneIds };
};

test("what takes events is loaded, and after a revision only what changed since, with what takes none any more", async () => {
  const { call } = await desk.client();
  const trigger = { definitionId: "order", eventPattern: "a.b" };
  await call("POST", "", { name: "one", ...trigger });
  const { json: two } = await call("POST", "", { name: "two", ...trigger });
  await call("POST", "", { name: "off", ...trigger, enabled: false });
  await call("POST", "", { name: "by-hand", kind: "manual", definitionId: "order" });
  await call("POST", "", { name: "relay", kind: "webhook", webhook: { verification: "github" } });
  await call("POST", "", { name: "hook", kind: "webhook", webhook: { verification: "github" }, definitionId: "order" });
  expect(await loaded(0)).toEqual({ names: ["hook", "one", "two"], goneIds: [] });
  const before = await revision();
  expect(await loaded(before)).toEqual({ names: [], goneIds: [] });
  await call("PATCH", "/one", { priority: 1 });
  await call("POST", "/off/enable");
  await call("DELETE", "/two");
  expect(await loaded(before)).toEqual({ names: ["off", "one"], goneIds: [two.id] });
  const { json: disabled } = await call("POST", "/one/disable");
  expect(await loaded((await revision()) - 1)).toEqual({ names: [], goneIds: [disabled.id] });
});

test("a change that is rolled back, and one that changes nothing, leave the revision", async () => {
  const { call } = await desk.client();
  await call("POST", "", { name: "one", definitionId: "order", eventPattern: "a.b" });
  const before = await revision();
  expect((await call("POST", "", { name: "one", definitionId: "order", eventPattern: "a.b" })).status).toBe(409);
  await call("POST", "/one/enable");
  expect(await revision()).toBe(before);
});

test("a webhook's target is looked up by what its names have in common", async () => {
  const { call } = await desk.client();
  const before = await revision();
  const hook = { kind: "webhook", webhook: { verification: "secret" }, definitionId: "order" };
  await call("POST", "", { ...hook, name: "a" });
  await call("POST", "", { ...hook, name: "b", eventPattern: "shop.${payload.kind}" });
  await call("POST", "", { ...hook, name: "c", eventPattern: "${payload.kind}" });
  await call("POST", "", { ...hook, name: "d", eventPattern: "shop.x${payload.kind}.y" });
  const { targets } = await loadTriggerTargets(desk.db, before);
  expect(targets.map(({ pattern, target }) => [target.name, pattern]).sort()).toEqual([
    ["a", "webhooks.a"],
    ["b", "shop.>"],
    ["c", ">"],
    ["d", "shop.>"],
  ]);
});

describe("a target decides", () => {
  const row: TriggerRow = {
    ...{
      id: "t1",
      namespace: "n",
      name: "on-order",
      kind: "event",
      triggerType: "START",
      workflowId: "order",
      version: null,
    },
    ...{ eventPattern: ">", routingPattern: ">", eventCondition: null, inputMapping: null, correlationKey: null },
    ...{ priority: 100, instancePriority: null, reason: null, compensate: true, enabled: true, description: null },
    ...{ scheduleId: null, webhook: null },
  };
  const event = (payload: Json, metadata: { [name: string]: Json } = {}): EventView => ({
    ...{ id: "e", eventId: "e", type: "orders.paid", pattern: "orders.paid", payload, metadata, source: {} },
    ...{ timestamp: "2026-01-02T03:04:05.000Z", acceptedAt: "2026-01-02T03:04:05.000Z", partitionKey: null },
  });
  const decide = (changes: Partial<TriggerRow>, payload: Json = { id: "A", n: 2 }, metadata = {}) =>
    targetOf({ ...row, ...changes }, "order").decide(event(payload, metadata));

  test.each<[string, Partial<TriggerRow>, unknown]>([
    ["that the payload is the input", {}, { input: { id: "A", n: 2 } }],
    ["by an expression", { inputMapping: "{'got': payload.n + 1}" }, { input: { got: 3 } }],
    ["by a path into the payload", { inputMapping: { a: "$.id" } }, { input: { a: "A" } }],
    [
      "by fields and texts",
      { inputMapping: { a: "event.type", b: "<${payload.id}>", c: { d: ["${payload.n}"] }, e: null } },
      { input: { a: "orders.paid", b: "<A>", c: { d: [2] }, e: null } },
    ],
    ["with a correlation", { correlationKey: "payload.n" }, { correlationId: "2" }],
    ["with a priority", { instancePriority: 9 }, { priority: 9 }],
    ["where the condition holds", { eventCondition: "event.payload.n == 2 && payload.id == 'A'" }, {}],
  ])("to start: %s", (_, changes, expected) => {
    expect(decide(changes)).toMatchObject({ outcome: "matched", ...(expected as object) });
  });

  test("that the event's own correlation goes on when there is no key", () => {
    expect(decide({}, 1, { correlationId: "c-1" })).toEqual({ outcome: "matched", input: 1, correlationId: "c-1" });
    expect(decide({ correlationKey: "null" }, 1, { correlationId: "c-1" })).toEqual({ outcome: "matched", input: 1 });
  });

  test.each<[string, Partial<TriggerRow>, string, RegExp]>([
    ["a condition is false", { eventCondition: "payload.n > 2" }, "skipped", /is false/],
    ["a condition fails", { eventCondition: "payload.none.x" }, "skipped", /counts as false.*none/],
    ["a condition gives no bool", { eventCondition: "payload.n" }, "skipped", /counts as false.*bool/],
    ["a mapping fails", { inputMapping: { a: "payload.id", b: "payload.none" } }, "failed", /\/inputMapping\/b failed/],
    ["a mapping that is one expression fails", { inputMapping: "payload.none" }, "failed", /\/inputMapping failed/],
    ["a key fails", { correlationKey: "payload.none" }, "failed", /correlationKey failed/],
    ["a key gives an object", { correlationKey: "payload" }, "failed", /no plain value/],
    ["a key gives nothing", { correlationKey: "''" }, "failed", /0 characters/],
    ["a key is too long", { correlationKey: `'${"x".repeat(256)}'` }, "failed", /256 characters/],
    ["a row cannot be read", { eventCondition: "(" }, "failed", /cannot be read/],
    ["it came by no webhook", { kind: "webhook" }, "skipped", /did not come in by this trigger's webhook/],
  ])("not to act when %s", (_, changes, outcome, reason) => {
    expect(decide(changes)).toEqual({ outcome, reason: expect.stringMatching(reason) });
  });

  test("by the webhook that the event came in by", () => {
    expect(decide({ kind: "webhook" }, 1, { triggerId: "t1" })).toMatchObject({ outcome: "matched" });
    expect(decide({ kind: "webhook" }, 1, { triggerId: "t2" })).toMatchObject({ outcome: "skipped" });
  });

  test("to cancel what has the correlation", () => {
    const cancel = { triggerType: "CANCEL", correlationKey: "payload.id" } as const;
    expect(decide(cancel)).toEqual({
      ...{ outcome: "matched", correlationId: "A", reason: 'Event "orders.paid"', compensate: true },
    });
    expect(decide({ ...cancel, reason: "r", compensate: false })).toMatchObject({ reason: "r", compensate: false });
    expect(decide({ ...cancel, correlationKey: "null" })).toMatchObject({ outcome: "skipped" });
  });
});
