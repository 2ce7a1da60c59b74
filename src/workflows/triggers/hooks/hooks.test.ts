import { createHmac } from "node:crypto";
import { Webhook } from "standardwebhooks";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Client, openTriggerDesk, type TriggerDesk } from "../../../../test/support/triggers.ts";

type Fields = Record<string, unknown>;

let desk: TriggerDesk;
beforeAll(async () => {
  desk = await openTriggerDesk();
});
afterAll(() => desk.stop());

interface Hook extends Client {
  id: string;
  path: string;
  secret: string;
  published(): Fields[];
}

/** A webhook in a namespace of its own. */
async function hookOf(webhook: Fields, changes: Fields = {}): Promise<Hook> {
  const client = await desk.client();
  const body = { name: "hook", kind: "webhook", webhook, ...changes };
  const { status, json } = await client.call("POST", "", body);
  expect(status, JSON.stringify(json)).toBe(201);
  const { id, secret } = json as { id: string; secret: string };
  const published = () =>
    desk.published.filter(({ namespace }) => namespace === client.namespace) as unknown[] as Fields[];
  return { ...client, id, secret, path: `/api/v1/hooks/${id}`, published };
}

const json = { "content-type": "application/json" };
const form = { "content-type": "application/x-www-form-urlencoded" };
const hmac = (secret: string, text: string) => createHmac("sha256", secret).update(text).digest("hex");

function github(hook: Hook, payload: unknown, headers: Record<string, string> = {}) {
  const body = typeof payload === "string" ? payload : JSON.stringify(payload);
  const signature = `sha256=${hmac(hook.secret, body)}`;
  return hook.send(hook.path, body, { ...json, "x-hub-signature-256": signature, ...headers });
}

describe("a call of GitHub", () => {
  const delivery = { "x-github-event": "issues", "x-github-delivery": "72d3162e-cc78-11e3-81ab-4c9367dc0958" };

  test("is published under its event and action, once per delivery", async () => {
    const hook = await hookOf({ verification: "github", headers: ["X-GitHub-Event"] });
    const payload = { action: "opened", issue: { number: 7 } };
    const first = await github(hook, payload, delivery);
    expect([first.status, first.json.status]).toEqual([202, "accepted"]);
    const again = await github(hook, payload, delivery);
    expect([again.status, again.json]).toEqual([200, { ...first.json, status: "duplicate" }]);
    expect(hook.published()).toEqual([
      {
        namespace: hook.namespace,
        pattern: "github.issues.opened",
        eventId: delivery["x-github-delivery"],
        source: { type: "external", id: hook.id, name: "hook" },
        sourceKey: `webhook:${hook.id}`,
        payload,
        metadata: { triggerId: hook.id, headers: { "x-github-event": "issues" } },
      },
    ]);
  });

  test("without an action has the event's name alone, and may be a form with the JSON in a field", async () => {
    const hook = await hookOf({ verification: "github" });
    const body = `payload=${encodeURIComponent('{"ref":"refs/heads/main"}')}`;
    expect((await github(hook, body, { ...form, "x-github-event": "push" })).status).toBe(202);
    expect(hook.published()).toMatchObject([{ pattern: "github.push", payload: { ref: "refs/heads/main" } }]);
  });

  test("is verified by its bytes, not by what they say", async () => {
    const hook = await hookOf({ verification: "github" });
    const signature = `sha256=${hmac(hook.secret, '{"a":1}')}`;
    const changed = await hook.send(hook.path, '{"a": 1}', { ...json, "x-hub-signature-256": signature });
    expect([changed.status, changed.json.code]).toEqual([401, "triggers.signature_invalid"]);
    expect(hook.published()).toEqual([]);
  });
});

test("a call of Stripe is published under its type, once per event", async () => {
  const hook = await hookOf({ verification: "stripe", secret: "whsec_given_by_stripe" });
  const body = JSON.stringify({ id: "evt_1", type: "invoice.payment_succeeded", data: {} });
  const call = (ageSeconds: number) => {
    const at = Math.floor(Date.now() / 1_000) - ageSeconds;
    const signature = `t=${at},v1=${hmac(hook.secret, `${at}.${body}`)}`;
    return hook.send(hook.path, body, { ...json, "stripe-signature": signature });
  };
  expect([(await call(0)).status, (await call(10)).json.status]).toEqual([202, "duplicate"]);
  expect((await call(400)).json.code).toBe("triggers.timestamp_refused");
  expect(hook.published()).toMatchObject([{ pattern: "stripe.invoice.payment_succeeded", eventId: "evt_1" }]);
});

describe("Standard Webhooks", () => {
  const signed = (hook: Hook, secret: string, id: string, body = '{"n":1}') => {
    const at = new Date();
    return hook.send(hook.path, body, {
      ...json,
      "webhook-id": id,
      "webhook-timestamp": String(Math.floor(at.getTime() / 1_000)),
      "webhook-signature": new Webhook(secret).sign(id, at, body),
    });
  };

  test("a call is published under the webhook's own name, once per webhook-id", async () => {
    const hook = await hookOf({ verification: "standard" }, { eventPattern: "partner.${type}", name: "partner" });
    expect(hook.secret).toMatch(/^whsec_/);
    const body = '{"type":"user.created","data":{}}';
    expect((await signed(hook, hook.secret, "msg_1", body)).status).toBe(202);
    expect((await signed(hook, hook.secret, "msg_1", body)).status).toBe(200);
    expect(hook.published()).toMatchObject([{ pattern: "partner.user.created", eventId: "msg_1" }]);
  });

  test("while a rotation overlaps the old secret and the new one are good, and without overlap only the new one", async () => {
    const hook = await hookOf({ verification: "standard" });
    const first = await hook.call("POST", "/hook/rotate-secret");
    expect(first.status).toBe(200);
    const second = first.json.secret as string;
    expect(second).not.toBe(hook.secret);
    expect((await signed(hook, hook.secret, "a")).status).toBe(202);
    expect((await signed(hook, second, "b")).status).toBe(202);
    const { json: view } = await hook.call("GET", "/hook");
    const { secrets } = view.webhook as { secrets: { expiresAt?: string }[] };
    expect(secrets.map(({ expiresAt }) => expiresAt !== undefined)).toEqual([true, false]);
    const third = (await hook.call("POST", "/hook/rotate-secret", { overlap: 0 })).json.secret as string;
    expect((await signed(hook, hook.secret, "c")).json.code).toBe("triggers.signature_invalid");
    expect((await signed(hook, second, "d")).json.code).toBe("triggers.signature_invalid");
    expect((await signed(hook, third, "e")).status).toBe(202);
  });

  test("of many rotations no more than five secrets are good", async () => {
    const hook = await hookOf({ verification: "standard" });
    for (let n = 0; n < 6; n++) await hook.call("POST", "/hook/rotate-secret");
    expect((await signed(hook, hook.secret, "a")).status).toBe(401);
    const { json: view } = await hook.call("GET", "/hook");
    expect((view.webhook as { secrets: unknown[] }).secrets.length).toBe(5);
  });

  test.each([
    ["a secret that is none", { secret: "no base64!" }, 400, "triggers.trigger_invalid"],
    ["an overlap of more than 30 days", { overlap: "P31D" }, 400, "triggers.trigger_invalid"],
    ["an overlap that is no duration", { overlap: "soon" }, 400, "triggers.trigger_invalid"],
  ])("a rotation with %s is refused", async (_, body, status, code) => {
    const hook = await hookOf({ verification: "standard" });
    const answer = await hook.call("POST", "/hook/rotate-secret", body);
    expect([answer.status, answer.json.code]).toEqual([status, code]);
  });

  test("a trigger that is no webhook has no secret", async () => {
    const { call } = await desk.client();
    await call("POST", "", { name: "by-hand", kind: "manual", definitionId: "order" });
    expect((await call("POST", "/by-hand/rotate-secret")).json.code).toBe("triggers.no_secret");
  });
});

describe("a token", () => {
  test("opens by header or by the query that the webhook names, and is stored as its hash only", async () => {
    const hook = await hookOf({ verification: "secret", queryParameter: "token" });
    expect((await hook.send(hook.path, "{}", { ...json, "x-webhook-token": hook.secret })).status).toBe(202);
    expect((await hook.send(`${hook.path}?token=${hook.secret}`, "{}", json)).status).toBe(202);
    expect((await hook.send(`${hook.path}?token=wrong`, "{}", json)).json.code).toBe("triggers.signature_invalid");
    expect((await hook.send(hook.path, "{}", json)).json.code).toBe("triggers.signature_missing");
    const rows = await desk.db.unnamed<{ secret: string }>(
      "select secret from workflow_orchestrator_service.trigger_secrets where trigger_id = $1",
      [hook.id],
    );
    expect(rows.length).toBe(1);
    expect(JSON.stringify(rows)).not.toContain(hook.secret);
  });

  test("forms are read field by field, what is empty is null, and other types are refused", async () => {
    const hook = await hookOf({ verification: "secret" });
    const auth = { "x-webhook-token": hook.secret };
    await hook.send(hook.path, "From=%2B1&Body=Hi+there&Media=a&Media=b", { ...form, ...auth });
    await hook.send(hook.path, undefined, auth);
    expect(hook.published().map(({ payload }) => payload)).toEqual([
      { From: "+1", Body: "Hi there", Media: ["a", "b"] },
      null,
    ]);
    const other = await hook.send(hook.path, "x", { ...auth, "content-type": "text/plain" });
    expect([other.status, other.json.details]).toEqual([
      415,
      { accepted: ["application/json", "application/x-www-form-urlencoded"] },
    ]);
  });

  test("the webhook's expressions give the event's id, partition key and name", async () => {
    const hook = await hookOf(
      { verification: "secret", eventId: 'headers["x-request-id"]', partitionKey: "payload.customer" },
      { eventPattern: "shop.${payload.kind}.${query.area}" },
    );
    const send = (id: string, payload: object) =>
      hook.send(`${hook.path}?area=eu`, JSON.stringify(payload), {
        ...json,
        "x-webhook-token": hook.secret,
        "x-request-id": id,
      });
    expect((await send("r1", { kind: "or der*", customer: 7 })).status).toBe(202);
    expect((await send("r1", { kind: "other", customer: 7 })).status).toBe(200);
    expect((await send("r".repeat(300), { kind: "", customer: "c" })).status).toBe(202);
    expect(hook.published()).toMatchObject([
      { pattern: "shop.or_der_.eu", eventId: "r1", partitionKey: "7" },
      { pattern: "shop._.eu", eventId: expect.stringMatching(/^sha256:[0-9a-f]{64}$/), partitionKey: "c" },
    ]);
    const failed = await send("r3", { customer: "c" });
    expect([failed.status, failed.json.code]).toEqual([400, "triggers.call_invalid"]);
    const noKey = await send("r4", { kind: "a", customer: null });
    expect([noKey.status, noKey.json.code]).toEqual([400, "triggers.call_invalid"]);
  });
});

describe("nobody who does not sign learns", () => {
  test("whether a webhook is disabled, or what is wrong with the body", async () => {
    const hook = await hookOf({ verification: "github" });
    await hook.call("POST", "/hook/disable");
    expect((await hook.send(hook.path, "{", json)).json.code).toBe("triggers.signature_missing");
    expect((await github(hook, {})).json.code).toBe("triggers.webhook_disabled");
    await hook.call("POST", "/hook/enable");
    expect((await github(hook, "{")).json.code).toBe("http.malformed_body");
  });

  test.each(["no-uuid", "01890000-0000-7000-8000-000000000000"])(
    "more of %s than that it is no webhook",
    async (id) => {
      const { send } = await desk.client();
      const answer = await send(`/api/v1/hooks/${id}`, "{}", json);
      expect([answer.status, answer.json.code]).toEqual([404, "triggers.webhook_not_found"]);
    },
  );

  test("more of a trigger of another kind, or of a deleted webhook", async () => {
    const hook = await hookOf({ verification: "github" });
    const { json: other } = await hook.call("POST", "", { name: "by-hand", kind: "manual", definitionId: "order" });
    expect((await hook.send(`/api/v1/hooks/${other.id}`, "{}", json)).status).toBe(404);
    await hook.call("DELETE", "/hook");
    expect((await github(hook, {})).status).toBe(404);
  });
});

test("no answer but that of its creation has a secret", async () => {
  const secret = "a secret that nobody shall see";
  const hook = await hookOf({ verification: "github", secret });
  expect(hook.secret).toBe(secret);
  const answers = [
    await hook.call("GET", "/hook"),
    await hook.call("GET"),
    await hook.call("PATCH", "/hook", { description: "d" }),
    await hook.call("PUT", "/hook", { name: "hook", webhook: { verification: "github" } }),
    await hook.call("POST", "/hook/disable"),
    await hook.send(hook.path, "{}", json),
  ];
  for (const { json: answer } of answers) expect(JSON.stringify(answer)).not.toContain(secret);
});
