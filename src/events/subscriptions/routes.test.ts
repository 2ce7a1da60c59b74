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

const webhook = { type: "webhook", endpoint: "https://example.com/hooks" };
const revision = async () => {
  const [row] = await rig.db.unnamed<{ revision: number }>(
    "select revision from event_processing_service.routing_revision",
  );
  return row!.revision;
};

describe("a subscription", () => {
  test("is created with sensible defaults; its secret is shown this once", async () => {
    const before = await revision();
    const answer = await rig.call("POST", base, { body: { eventPattern: "orders.>", subscriber: webhook } });
    expect(answer.status).toBe(201);
    const { secret, ...rest } = answer.body;
    expect(answer.headers.get("location")).toBe(`${base}/${rest.id}`);
    expect(secret).toMatch(/^whsec_[A-Za-z0-9+/]{32}$/);
    expect(rest).toMatchObject({
      namespace: "default",
      eventPattern: "orders.>",
      subscriber: { type: "webhook", endpoint: "https://example.com/hooks", headers: {} },
      retryPolicy: { maxAttempts: 9, initialDelay: 5_000, backoffFactor: 4, maxDelay: 64_800_000, jitter: 0.2 },
      timeout: 15_000,
      maxConcurrency: 10,
      disableAfter: 432_000_000,
      status: "active",
      secrets: [{ createdAt: expect.any(String) }],
    });
    expect(await revision()).toBe(before + 1);
    const got = await rig.call("GET", `${base}/${rest.id}`);
    expect(got.body).toEqual(rest);
  });

  test("never shows what is secret", async () => {
    const authentication = { type: "api-key", header: "X-Their-Key", value: "very-secret-value" };
    const headers = { "X-Team": "blue", "X-Auth-Thing": "very-secret-value" };
    const { id, secret } = await rig.subscribe({
      eventPattern: "a",
      subscriber: { ...webhook, headers, authentication },
      secret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    });
    expect(secret).toBe("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
    const { body } = await rig.call("GET", `${base}/${id}`);
    expect(body.subscriber).toEqual({
      ...webhook,
      headers: { "X-Team": "blue", "X-Auth-Thing": "[hidden]" },
      authentication: { type: "api-key", header: "X-Their-Key" },
    });
    const { body: listed } = await rig.call("GET", base);
    const { body: changed } = await rig.call("PATCH", `${base}/${id}`, { body: { description: "Other" } });
    expect(changed.description).toBe("Other");
    for (const shown of [body, listed, changed]) {
      expect(JSON.stringify(shown)).not.toContain("very-secret-value");
      expect(JSON.stringify(shown)).not.toContain("whsec_");
    }
  });

  test("is changed where something is given, and stays as it is otherwise", async () => {
    const authentication = { type: "bearer", token: "t" };
    const { id } = await rig.subscribe({
      eventPattern: "a",
      subscriber: { ...webhook, authentication },
      filter: "true",
    });
    const before = await revision();
    const { status, body } = await rig.call("PATCH", `${base}/${id}`, {
      body: {
        eventPattern: "b.*",
        filter: null,
        retryPolicy: { maxAttempts: 2, maxDelay: "PT1M" },
        disableAfter: null,
        subscriber: { type: "webhook", endpoint: "https://example.com/other" },
      },
    });
    expect(status).toBe(200);
    expect(body).toMatchObject({
      eventPattern: "b.*",
      retryPolicy: { maxAttempts: 2, initialDelay: 5_000, maxDelay: 60_000 },
      disableAfter: null,
      subscriber: { endpoint: "https://example.com/other", authentication: { type: "bearer" } },
    });
    expect(body).not.toHaveProperty("filter");
    expect(await revision()).toBe(before + 1);
    const handled = await rig.call("PATCH", `${base}/${id}`, {
      body: { subscriber: { type: "handler", handler: "h" } },
    });
    expect(handled.body.subscriber).toEqual({ type: "handler", handler: "h", headers: {} });
    expect((await rig.call("POST", `${base}/${id}/rotate-secret`)).body.code).toBe("subscriptions.unsigned");
  });

  test("has a name of its own, which is free again when it is deleted", async () => {
    const body = { eventPattern: "a", subscriber: webhook, name: "mine" };
    const { id } = await rig.subscribe(body);
    const again = await rig.call("POST", base, { body });
    expect([again.status, again.body.code]).toEqual([409, "subscriptions.name_exists"]);
    expect((await rig.call("POST", base, { body, namespace: "other" })).status).toBe(201);
    expect((await rig.call("DELETE", `${base}/${id}`)).status).toBe(204);
    expect((await rig.call("POST", base, { body })).status).toBe(201);
  });

  test("is listed page by page, by status, pattern and name, in its namespace only", async () => {
    const namespace = "listed";
    for (const eventPattern of ["a", "b", "b"]) await rig.subscribe({ eventPattern, subscriber: webhook }, namespace);
    const first = await rig.call("GET", `${base}?limit=2`, { namespace });
    expect(first.body.items.map(({ eventPattern }) => eventPattern)).toEqual(["b", "b"]);
    const next = await rig.call("GET", `${base}?cursor=${first.body.nextCursor}`, { namespace });
    expect(next.body.items.map(({ eventPattern }) => eventPattern)).toEqual(["a"]);
    expect(next.body.nextCursor).toBeNull();
    const found = await rig.call("GET", `${base}?pattern=b&status=active`, { namespace });
    expect(found.body.items).toHaveLength(2);
    expect((await rig.call("GET", `${base}?name=nobody`, { namespace })).body.items).toEqual([]);
  });

  test("that does not exist, or is in another namespace, is not found by any verb", async () => {
    const { id } = await rig.subscribe({ eventPattern: "a", subscriber: webhook });
    for (const [ref, namespace] of [
      [uuidv7(0), undefined],
      ["nope", undefined],
      [id, "elsewhere"],
    ] as const) {
      const asks = [
        ["GET", ""],
        ["PATCH", ""],
        ["DELETE", ""],
        ["GET", "/deliveries"],
        ...["suspend", "resume", "enable", "rotate-secret", "test"].map((verb) => ["POST", `/${verb}`]),
      ];
      for (const [method, rest] of asks) {
        const options = { namespace, ...(method === "PATCH" && { body: {} }) };
        const { status, body } = await rig.call(method!, `${base}/${ref}${rest}`, options);
        expect([method, rest, status, body.code]).toEqual([method, rest, 404, "subscriptions.subscription_not_found"]);
      }
    }
  });

  test.each([
    [{ eventPattern: "a..b" }, "/eventPattern"],
    [{ eventPattern: "a.>.b" }, "/eventPattern"],
    [{ filter: "event.payload." }, "/filter"],
    [{ filter: "input.total > 1" }, "/filter"],
    [{ subscriber: { type: "queue" } }, "/subscriber/type"],
    [{ subscriber: { type: "webhook" } }, "/subscriber/endpoint"],
    [{ subscriber: { type: "handler" } }, "/subscriber/handler"],
    [{ subscriber: { type: "handler", handler: "h", endpoint: "https://a.example" } }, "/subscriber/endpoint"],
    [{ subscriber: { type: "webhook", endpoint: "hooks" } }, "/subscriber/endpoint"],
    [{ subscriber: { type: "webhook", endpoint: "ftp://a.example" } }, "/subscriber/endpoint"],
    [{ subscriber: { type: "webhook", endpoint: "https://u:p@a.example" } }, "/subscriber/endpoint"],
    [{ subscriber: { ...webhook, headers: { "Webhook-Id": "x" } } }, "/subscriber/headers/Webhook-Id"],
    [{ subscriber: { ...webhook, headers: { "a b": "x" } } }, "/subscriber/headers/a b"],
    [{ subscriber: { ...webhook, headers: { A: "x\ny" } } }, "/subscriber/headers/A"],
    [{ subscriber: { ...webhook, headers: { "X-Key": "[hidden]" } } }, "/subscriber/headers/X-Key"],
    [{ timeout: "PT10M" }, "/timeout"],
    [{ timeout: "soon" }, "/timeout"],
    [{ retryPolicy: { initialDelay: "P1Y" } }, "/retryPolicy/initialDelay"],
    [{ retryPolicy: { maxAttempts: 0 } }, "/retryPolicy/maxAttempts"],
    [{ disableAfter: 0 }, "/disableAfter"],
    [{ secret: "whsec_short" }, "/secret"],
  ])("as %j is refused at %s", async (given, pointer) => {
    const { status, body } = await rig.call("POST", base, {
      body: { eventPattern: "a", subscriber: webhook, ...given },
    });
    expect([status, body.errors[0]?.pointer]).toEqual([400, pointer]);
  });
});

describe("a secret", () => {
  test("is rotated: both sign until the overlap is over", async () => {
    const subscriber = { type: "webhook", endpoint: `${receiver.url}/rotated` };
    const { id, secret: older } = await rig.subscribe({ eventPattern: "a.*", subscriber });
    const { body } = await rig.call("POST", `${base}/${id}/rotate-secret`, { body: { overlap: "PT1H" } });
    expect(body.secrets).toHaveLength(2);
    expect(body.secret).not.toBe(older);
    await rig.call("POST", `${base}/${id}/test`);
    const request = receiver.at("/rotated")[0]!;
    for (const secret of [older, body.secret]) {
      new Webhook(secret).verify(request.text, request.headers as Record<string, string>);
    }
    await rig.call("POST", `${base}/${id}/rotate-secret`, { body: { overlap: 0 } });
    await rig.call("POST", `${base}/${id}/test`);
    expect(String(receiver.at("/rotated")[1]!.headers["webhook-signature"]).split(" ")).toHaveLength(1);
    const wrong = await rig.call("POST", `${base}/${id}/rotate-secret`, { body: { overlap: "x" } });
    expect([wrong.status, wrong.body.errors[0]!.pointer]).toEqual([400, "/overlap"]);
  });
});

describe("a test of a subscription", () => {
  test("sends an event now and says what came back; nothing is recorded", async () => {
    const subscriber = { type: "webhook", endpoint: `${receiver.url}/tested` };
    const { id } = await rig.subscribe({ eventPattern: "a.*.c.>", subscriber });
    receiver.answer("/tested", (nth) => ({ status: nth === 1 ? 200 : 500, body: "hello" }));
    const good = await rig.call("POST", `${base}/${id}/test`);
    expect(good.body).toMatchObject({
      delivered: true,
      status: 200,
      body: "hello",
      event: { type: "a.test.c.test", data: { test: true } },
    });
    const bad = await rig.call("POST", `${base}/${id}/test`);
    expect(bad.body).toMatchObject({ delivered: false, status: 500, error: { code: "HTTP_500" } });
    expect((await rig.call("GET", `${base}/${id}/deliveries`)).body.items).toEqual([]);
    expect((await rig.call("GET", `${base}/${id}`)).body.status).toBe("active");
  });
});
