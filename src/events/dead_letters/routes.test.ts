import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import {
  createSubscribersRig,
  openReceiver,
  type Receiver,
  type SubscribersRig,
} from "../../../test/support/subscribers.ts";
import { uuidv7 } from "../../foundation/ids.ts";

const base = "/api/v1/dead-letters";

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
beforeEach(() => {
  rig.asked.published.length = 0;
  rig.asked.routedAgain.length = 0;
});

interface Letter {
  namespace?: string;
  subscriberId?: string;
  eventId?: string | null;
  eventInstanceId?: string | null;
  originalEvent?: unknown;
  errorType?: string;
  errorCode?: string;
  retryCount?: number;
  status?: string;
  ageMs?: number;
}

/** As the engine's flush or the intake writes them. */
async function letter(what: Letter = {}): Promise<string> {
  const id = uuidv7(Date.now() - (what.ageMs ?? 0));
  await rig.db.unnamed(
    `insert into event_processing_service.dead_letter_queue
       (id, namespace, event_id, event_instance_id, subscriber_id, original_event, error_message, error_type, error_code,
        retry_count, status, created_at, updated_at)
     values ($1, $2, $3, $4, $5, $6, 'It is wrong', $7, $8, $9, $10, now() - $11 * interval '1 ms', now() - $11 * interval '1 ms')`,
    [
      id,
      what.namespace ?? "default",
      what.eventId === undefined ? id : what.eventId,
      what.eventInstanceId ?? null,
      what.subscriberId ?? "intake",
      JSON.stringify(what.originalEvent ?? { pattern: "orders.paid", payload: { total: "five" }, sourceKey: "shop" }),
      what.errorType ?? "VALIDATION",
      what.errorCode ?? "PAYLOAD_INVALID",
      what.retryCount ?? 0,
      what.status ?? "pending",
      what.ageMs ?? 0,
    ],
  );
  return id;
}

const get = async (id: string, namespace?: string) => (await rig.call("GET", `${base}/${id}`, { namespace })).body;
const post = (path: string, body?: unknown, namespace?: string) =>
  rig.call("POST", `${base}/${path}`, { body, namespace });

describe("dead letters", () => {
  test("are found by status, error, subscriber, pattern, age, retries and event, page by page", async () => {
    const namespace = "found";
    const eventInstanceId = uuidv7(Date.now());
    const old = await letter({ namespace, ageMs: 7_200_000, errorType: "TIMEOUT", retryCount: 3 });
    const named = await letter({
      namespace,
      subscriberId: "trigger:t",
      eventId: "e-9",
      eventInstanceId,
      errorCode: "X",
    });
    const gone = await letter({ namespace, status: "discarded", originalEvent: { type: "users.a.left" } });
    const ids = async (query: string) => {
      const { status, body } = await rig.call("GET", `${base}?${query}`, { namespace });
      expect(status, JSON.stringify(body)).toBe(200);
      return body.items.map(({ id }) => id);
    };
    expect(await ids("")).toEqual([gone, named, old]);
    expect(await ids("status=discarded")).toEqual([gone]);
    expect(await ids("errorType=TIMEOUT")).toEqual([old]);
    expect(await ids("errorCode=X")).toEqual([named]);
    expect(await ids("subscriberId=trigger:t")).toEqual([named]);
    expect(await ids("pattern=users.*.left")).toEqual([gone]);
    expect(await ids("pattern=users.>")).toEqual([gone]);
    expect(await ids("pattern=orders.paid")).toEqual([named, old]);
    expect(await ids("maxAge=PT1H")).toEqual([gone, named]);
    expect(await ids(`createdBefore=${new Date(Date.now() - 3_600_000).toISOString()}`)).toEqual([old]);
    expect(await ids("minRetryCount=1&maxRetryCount=3")).toEqual([old]);
    expect(await ids("eventId=e-9")).toEqual([named]);
    expect(await ids(`eventId=${eventInstanceId}`)).toEqual([named]);
    const first = await rig.call("GET", `${base}?limit=2`, { namespace });
    expect(await ids(`cursor=${first.body.nextCursor}`)).toEqual([old]);
  });

  test.each(["maxAge=soon", "pattern=a..b", "createdAfter=0001-01-01T00:00:00Z", "status=odd", "cursor=x"])(
    "are not listed by %s",
    async (query) => {
      expect((await rig.call("GET", `${base}?${query}`)).status).toBe(400);
    },
  );

  test("of the intake are published anew, edited or not, under the event's own id", async () => {
    const id = await letter({ eventId: "order-1" });
    const { status, body } = await post(`${id}/reprocess`, { payload: { total: 5 } });
    expect([status, body.status, body.resolutionStrategy, body.resolvedBy]).toEqual([
      202,
      "resolved",
      "manual_retry",
      "tester",
    ]);
    expect(rig.asked.published).toEqual([
      { namespace: "default", eventId: "order-1", pattern: "orders.paid", payload: { total: 5 }, sourceKey: "shop" },
    ]);
    const again = await post(`${id}/reprocess`);
    expect([again.status, again.body.code]).toEqual([409, "dead_letters.letter_closed"]);

    const unnamed = await letter({
      eventId: null,
      originalEvent: { type: "a.b", data: 1, source: { type: "system" } },
    });
    await post(`${unnamed}/reprocess`);
    expect(rig.asked.published.at(-1)).toEqual({
      namespace: "default",
      eventId: unnamed,
      pattern: "a.b",
      payload: 1,
      source: { type: "system" },
    });
    const shapeless = await letter({ originalEvent: "what?" });
    expect((await post(`${shapeless}/reprocess`)).body.code).toBe("dead_letters.not_reprocessable");
    expect((await get(shapeless)).status).toBe("pending");
  });

  test("of a trigger are routed to it again, and resolved when it takes them", async () => {
    const [triggerId, eventInstanceId] = [uuidv7(Date.now()), uuidv7(Date.now())];
    const id = await letter({ subscriberId: `trigger:${triggerId}`, eventInstanceId });
    const { status, body } = await post(`${id}/reprocess`, { payload: { n: 1 } });
    expect([status, body.status]).toEqual([202, "reprocessing"]);
    expect(rig.asked.routedAgain).toEqual([
      {
        namespace: "default",
        id: eventInstanceId,
        targets: [triggerId],
        deadLetterId: id,
        resolution: { strategy: "manual_retry", by: "tester" },
        payload: { n: 1 },
      },
    ]);
    expect((await post(`${id}/reprocess`)).status).toBe(409);
    const without = await letter({ subscriberId: `trigger:${triggerId}` });
    expect((await post(`${without}/reprocess`)).body.code).toBe("dead_letters.not_reprocessable");
    expect((await get(without)).status).toBe("pending");
  });

  test("of others are not handed on from here", async () => {
    const id = await letter({ subscriberId: `sequence:${uuidv7(0)}` });
    expect((await post(`${id}/reprocess`)).body.code).toBe("dead_letters.not_reprocessable");
  });

  test("are resolved or discarded with notes, once", async () => {
    const [first, second] = [await letter(), await letter({ status: "reprocessing" })];
    expect((await post(`${first}/resolve`, { notes: "By phone" })).body).toMatchObject({
      status: "resolved",
      resolutionStrategy: "manual_resolution",
      resolutionNotes: "By phone",
      resolvedBy: "tester",
      resolutionTimestamp: expect.any(String),
    });
    expect((await post(`${second}/discard`)).body).toMatchObject({
      status: "discarded",
      resolutionStrategy: "discard",
    });
    for (const verb of ["resolve", "discard", "reprocess"]) expect((await post(`${first}/${verb}`)).status).toBe(409);
  });

  test("that do not exist, or are in another namespace, are not found", async () => {
    const id = await letter();
    for (const [ref, namespace] of [
      ["nope", undefined],
      [uuidv7(0), undefined],
      [id, "elsewhere"],
    ] as const) {
      expect((await rig.call("GET", `${base}/${ref}`, { namespace })).status).toBe(404);
      for (const verb of ["reprocess", "resolve", "discard"]) {
        expect((await post(`${ref}/${verb}`, undefined, namespace)).status).toBe(404);
      }
    }
  });

  test("are purged by a filter, but for those that are being reprocessed", async () => {
    const namespace = "purged";
    await letter({ namespace, errorCode: "A" });
    await letter({ namespace, errorCode: "A", status: "resolved" });
    const busy = await letter({ namespace, errorCode: "A", status: "reprocessing" });
    const other = await letter({ namespace, errorCode: "B" });
    expect((await post("purge", { filter: { errorCode: "A" } }, namespace)).body).toEqual({ purged: 2 });
    const { body } = await rig.call("GET", base, { namespace });
    expect(body.items.map(({ id }) => id)).toEqual([other, busy]);
    expect((await post("purge", { filter: {} }, namespace)).status).toBe(400);
  });
});

describe("letters of a delivery", () => {
  async function failed(path: string, more: Record<string, unknown> = {}) {
    const subscriber = { type: "webhook", endpoint: receiver.url + path };
    const { id: subscriptionId } = await rig.subscribe({ eventPattern: "orders.*", subscriber, ...more });
    const deliveryId = await rig.delivery({ eventId: await rig.event(), subscriptionId });
    receiver.answer(path, () => ({ status: 400 }));
    await rig.subscribers.deliverer.tick();
    const { body } = await rig.call("GET", `${base}?subscriberId=subscription:${subscriptionId}`);
    return { subscriptionId, deliveryId, letterId: body.items[0]!.id };
  }

  test("have it sent again: resolved when it arrives, pending again with what happened when not", async () => {
    const { deliveryId, letterId } = await failed("/again");
    expect((await post(`${letterId}/reprocess`)).body.status).toBe("reprocessing");
    await rig.subscribers.deliverer.tick();
    const still = await get(letterId);
    expect(still).toMatchObject({ status: "pending", retryCount: 2 });
    expect(still.retryHistory).toHaveLength(2);
    receiver.answer("/again", () => ({ status: 200 }));
    await post(`${letterId}/reprocess`);
    await rig.subscribers.deliverer.tick();
    expect(await get(letterId)).toMatchObject({
      status: "resolved",
      resolutionStrategy: "manual_retry",
      resolvedBy: "tester",
    });
    expect(new Set(receiver.at("/again").map(({ headers }) => headers["webhook-id"]))).toEqual(new Set([deliveryId]));
  });

  test("with another payload are sent as another delivery", async () => {
    const { deliveryId, letterId } = await failed("/edited");
    receiver.answer("/edited", () => ({ status: 200 }));
    await post(`${letterId}/reprocess`, { payload: { total: 99 } });
    await rig.subscribers.deliverer.tick();
    const [, edited] = receiver.at("/edited");
    expect(edited!.body.data).toEqual({ total: 99 });
    expect(edited!.headers["webhook-id"]).not.toBe(deliveryId);
    expect((await get(letterId)).status).toBe("resolved");
  });

  test("stay where the subscription cannot take them, and come back when it is deleted meanwhile", async () => {
    const { subscriptionId, letterId } = await failed("/deleted");
    await rig.call("POST", `/api/v1/subscriptions/${subscriptionId}/suspend`);
    await post(`${letterId}/reprocess`);
    await rig.call("DELETE", `/api/v1/subscriptions/${subscriptionId}`);
    await rig.subscribers.deliverer.tick();
    expect((await get(letterId)).status).toBe("pending");
    const { status, body } = await post(`${letterId}/reprocess`);
    expect([status, body.code]).toEqual([409, "dead_letters.not_reprocessable"]);
  });
});

describe("many dead letters", () => {
  test("are handed on by a filter, with progress; what cannot be is told, and later ones are left", async () => {
    const namespace = "many";
    for (let n = 0; n < 30; n++) await letter({ namespace, eventId: `order-${n}`, ageMs: 1_000 });
    const bad = await letter({ namespace, originalEvent: {}, ageMs: 1_000 });
    await letter({ namespace, errorType: "TIMEOUT", ageMs: 1_000 });
    const what = { filter: { errorTypes: ["VALIDATION"] }, batchSize: 7, concurrency: 3 };
    expect((await post("reprocess", { ...what, dryRun: true }, namespace)).body).toEqual({ matched: 31 });
    const { status, headers, body } = await post("reprocess", what, namespace);
    expect([status, body.status, body.matched]).toEqual([202, "running", 31]);
    expect(headers.get("location")).toBe(`${base}/reprocessings/${body.id}`);
    const later = await letter({ namespace });
    await rig.subscribers.deadLetters.tick();
    const done = await rig.call("GET", `${base}/reprocessings/${body.id}`, { namespace });
    expect(done.body).toMatchObject({
      status: "completed",
      done: 31,
      succeeded: 30,
      failed: 1,
      failures: [{ id: bad, problem: { code: "dead_letters.not_reprocessable" } }],
    });
    expect(rig.asked.published).toHaveLength(30);
    expect((await get(later, namespace)).status).toBe("pending");
    const listed = await rig.call("GET", `${base}/reprocessings`, { namespace });
    expect(listed.body.items.map(({ id }) => id)).toEqual([body.id]);
    expect((await post(`reprocessings/${body.id}/cancel`, undefined, namespace)).status).toBe(409);
    expect((await post(`reprocessings/${uuidv7(0)}/cancel`, undefined, namespace)).status).toBe(404);
  });

  test("are not handed on when that was cancelled before", async () => {
    const namespace = "cancelled";
    const id = await letter({ namespace, ageMs: 1_000 });
    const { body } = await post("reprocess", { filter: { status: "pending" } }, namespace);
    expect((await post(`reprocessings/${body.id}/cancel`, undefined, namespace)).body.status).toBe("cancelled");
    await rig.subscribers.deadLetters.tick();
    expect((await get(id, namespace)).status).toBe("pending");
    expect((await post("reprocess", { filter: {} }, namespace)).status).toBe(400);
    expect((await post("reprocess", { filter: { status: "resolved" } }, namespace)).status).toBe(400);
  });
});

describe("letters of triggers whose errors may pass", () => {
  test("are tried again by themselves, later each time, five times at the most; others stay", async () => {
    const of = (ageMs: number, more: Letter = {}) =>
      letter({
        namespace: "auto",
        subscriberId: `trigger:${uuidv7(0)}`,
        eventInstanceId: uuidv7(Date.now()),
        errorType: "TRANSIENT",
        ageMs,
        ...more,
      });
    const due = [await of(1_500), await of(17_000, { retryCount: 4 }), await of(1_500, { errorType: "TIMEOUT" })];
    await of(500);
    await of(15_000, { retryCount: 4 });
    await of(900_000, { retryCount: 5 });
    await of(900_000, { errorType: "VALIDATION" });
    await Promise.all([rig.subscribers.deadLetters.tick(), rig.another().deadLetters.tick()]);
    const asked = rig.asked.routedAgain.map(({ deadLetterId }) => deadLetterId);
    expect(asked.sort()).toEqual(due.sort());
    expect(rig.asked.routedAgain[0]!.resolution).toEqual({ strategy: "automatic_retry", by: "system" });
    for (const id of due) expect((await get(id, "auto")).status).toBe("reprocessing");
  });
});
