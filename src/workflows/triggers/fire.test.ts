import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openTriggerDesk, type TriggerDesk } from "../../../test/support/triggers.ts";

type Fields = Record<string, unknown>;

const scheduled: Fields[] = [];
let desk: TriggerDesk;
beforeAll(async () => {
  const note = (verb: string) => async (_: unknown, what: object) => void scheduled.push({ verb, ...what });
  desk = await openTriggerDesk({
    schedules: {
      async create(_, what) {
        scheduled.push({ verb: "create", ...what });
        return "01890000-0000-7000-8000-00000000000a";
      },
      setEnabled: note("setEnabled"),
      remove: note("remove"),
    },
  });
});
afterAll(() => desk.stop());

const onOrder = (changes: Fields = {}): Fields => ({
  name: "on-order",
  definitionId: "order",
  eventPattern: "orders.*.paid",
  eventCondition: "payload.total > 0",
  inputMapping: { orderId: "payload.id", note: "order ${payload.id}", fixed: 5 },
  correlationKey: "payload.id",
  instancePriority: 8,
  ...changes,
});
const byHand = (changes: Fields = {}): Fields => ({
  name: "by-hand",
  kind: "manual",
  definitionId: "order",
  ...changes,
});

describe("fire", () => {
  test("starts what the mapping gives, whatever the condition says, and is counted", async () => {
    const { call, namespace } = await desk.client();
    const { json: trigger } = await call("POST", "", onOrder());
    const fired = await call("POST", "/on-order/fire", { input: { id: "A-1", total: 0 } });
    expect(fired.status, JSON.stringify(fired.json)).toBe(201);
    expect(fired.headers.get("location")).toBe(`/api/v1/workflows/instances/${fired.json.instanceId}`);
    expect(desk.started.at(-1)).toMatchObject({
      namespace,
      definitionId: "order",
      input: { orderId: "A-1", note: "order A-1", fixed: 5 },
      correlationId: "A-1",
      priority: 8,
      startedBy: "ann",
    });
    const { json: view } = await call("GET", "/on-order");
    expect(view).toMatchObject({ id: trigger.id, triggeredCount: 1, lastTriggeredAt: expect.any(String) });
  });

  test("without a mapping gives the input as it is, and an empty object when there is none", async () => {
    const { call } = await desk.client();
    await call("POST", "", byHand());
    await call("POST", "/by-hand/fire", { input: { orderId: "x" } });
    expect(desk.started.at(-1)?.input).toEqual({ orderId: "x" });
    const none = await call("POST", "/by-hand/fire");
    expect([none.status, none.json.code]).toEqual([400, "instances.input_invalid"]);
  });

  test("with the same key is the same firing, counted once; the keys of two triggers differ", async () => {
    const { call } = await desk.client();
    await call("POST", "", byHand());
    await call("POST", "", byHand({ name: "other" }));
    const body = { input: { orderId: "x" } };
    const key = { "idempotency-key": "k".repeat(255) };
    expect((await call("POST", "/by-hand/fire", body, key)).status).toBe(201);
    expect((await call("POST", "/by-hand/fire", body, key)).status).toBe(200);
    expect((await call("POST", "/other/fire", body, key)).status).toBe(201);
    expect((await call("GET", "/by-hand")).json.triggeredCount).toBe(1);
  });

  test.each<[string, Fields, Fields | undefined, number, string]>([
    [
      "that cancels",
      { triggerType: "CANCEL", inputMapping: undefined, instancePriority: undefined },
      {},
      409,
      "triggers.not_fireable",
    ],
    ["that is disabled", { enabled: false }, {}, 409, "triggers.trigger_disabled"],
    ["whose mapping fails", {}, { input: { total: 1 } }, 400, "triggers.input_mapping_failed"],
    [
      "whose key gives no text",
      { correlationKey: "payload" },
      { input: { id: "x" } },
      400,
      "triggers.input_mapping_failed",
    ],
    [
      "whose workflow takes no such input",
      { inputMapping: { orderId: "5" } },
      { input: { id: "x" } },
      400,
      "instances.input_invalid",
    ],
  ])("of a trigger %s is refused", async (_, changes, body, status, code) => {
    const { call } = await desk.client();
    expect((await call("POST", "", onOrder(changes))).status).toBe(201);
    const answer = await call("POST", "/on-order/fire", body);
    expect([answer.status, answer.json.code]).toEqual([status, code]);
  });
});

describe("test", () => {
  const trial = async (event: Fields, changes: Fields = {}) => {
    const { call } = await desk.client();
    await call("POST", "", onOrder(changes));
    const { status, json } = await call("POST", "/on-order/test", { event });
    expect(status, JSON.stringify(json)).toBe(200);
    const failed = (json.checks as Fields[]).filter(({ ok }) => ok === false);
    return { ...json, failed: failed.map(({ check }) => check), reasons: failed.map(({ reason }) => reason).join(" ") };
  };

  test("tells the input that a fitting event would give, and starts nothing", async () => {
    const before = desk.started.length;
    const answer = await trial({ pattern: "orders.eu.paid", payload: { id: "A-1", total: 2 } });
    expect(answer).toMatchObject({
      ...{ matches: true, failed: [], correlationId: "A-1", priority: 8 },
      input: { orderId: "A-1", note: "order A-1", fixed: 5 },
    });
    expect(desk.started.length).toBe(before);
  });

  test.each<[string, Fields, Fields, string[], RegExp]>([
    ["another name", { pattern: "orders.paid" }, {}, ["pattern"], /"orders.paid" does not fit "orders.\*.paid"/],
    ["a condition that is false", { payload: { id: "a", total: 0 } }, {}, ["eventCondition"], /is false/],
    ["a condition that fails", { payload: { id: "a" } }, {}, ["eventCondition"], /counts as false: .*total/],
    [
      "a mapping that fails",
      { payload: { total: 1 } },
      { correlationKey: undefined },
      ["inputMapping"],
      /\/inputMapping\/\w+ failed/,
    ],
    ["an input that the workflow refuses", {}, { inputMapping: { orderId: "7" } }, ["input"], /\/input\/orderId/],
    ["a disabled trigger", {}, { enabled: false }, ["enabled"], /disabled/],
    [
      "a key that gives null",
      {},
      { triggerType: "CANCEL", correlationKey: "payload.none" },
      ["correlationKey"],
      /gives null/,
    ],
  ])("tells why not: %s", async (_, event, changes, failed, reason) => {
    const payload = { id: "a", total: 1, none: null };
    const answer = await trial({ payload, ...event }, changes);
    expect(answer).toMatchObject({ matches: false, failed });
    expect(answer.reasons).toMatch(reason);
  });

  test("of a webhook takes the sample as if it had come in by it", async () => {
    const { call } = await desk.client();
    const webhook = { name: "hook", kind: "webhook", webhook: { verification: "github" }, definitionId: "order" };
    await call("POST", "", webhook);
    const { json } = await call("POST", "/hook/test", { event: { payload: { orderId: "x" } } });
    expect(json).toMatchObject({ matches: true, input: { orderId: "x" } });
  });
});

test("a trigger of kind schedule makes a schedule with it, and enables, disables and deletes it too", async () => {
  const { call, namespace } = await desk.client();
  const made = await call("POST", "", {
    ...{ name: "nightly", kind: "schedule", definitionId: "order", instancePriority: 3 },
    ...{ schedule: { cron: "0 3 * * *" }, input: { orderId: "x" } },
  });
  expect(made.status, JSON.stringify(made.json)).toBe(201);
  const scheduleId = "01890000-0000-7000-8000-00000000000a";
  expect(made.json).toMatchObject({ kind: "schedule", scheduleId });
  await call("POST", "/nightly/disable");
  await call("DELETE", "/nightly");
  expect(scheduled).toMatchObject([
    { verb: "create", namespace, triggerId: made.json.id, schedule: { cron: "0 3 * * *" }, input: { orderId: "x" } },
    { verb: "setEnabled", namespace, scheduleId, enabled: false },
    { verb: "remove", namespace, scheduleId },
  ]);
});
