/** Events, webhooks and hands start and cancel workflows, through the whole program. */
import { createHmac } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Json } from "../../src/engine/index.ts";
import { type Body, startTestApp, type TestApp } from "../support/app.ts";

const triggers = "/api/v1/workflow-triggers";
const instances = "/api/v1/workflows/instances";

let program: TestApp;
beforeAll(async () => {
  program = await startTestApp();
});
afterAll(() => program.stop());

let namespaces = 0;

/** A namespace of its own with two workflows: one that waits for ever, one that ends at once. */
async function place() {
  const namespace = `n${++namespaces}`;
  const call = async (method: string, path: string, body?: unknown) => {
    const answer = await program.call(method, path, { body, namespace });
    expect(answer.status, JSON.stringify(answer.body)).toBeLessThan(300);
    return answer.body;
  };
  const wait = { stepId: "wait", type: "EVENT_WAIT", eventPattern: "never" };
  const echo = { stepId: "echo", type: "TASK", taskId: "transform", input: { expression: "input" } };
  await call("POST", "/api/v1/workflows/definitions", { workflowId: "waits", name: "Waits", steps: [wait] });
  await call("POST", "/api/v1/workflows/definitions", { workflowId: "echo", name: "Echo", steps: [echo] });
  const publish = (pattern: string, payload: Json, more: object = {}) =>
    program.app.engine.publish([{ namespace, pattern, payload, ...more }]);
  const all = async (query = "") => (await call("GET", `${instances}?${query}`)).items;
  const ended = async (count: number): Promise<Body[]> => {
    await expect.poll(async () => (await all("status=COMPLETED")).length, { timeout: 20_000 }).toBe(count);
    const items = await all("status=COMPLETED");
    return await Promise.all(items.map(({ id }) => call("GET", `${instances}/${id}`)));
  };
  return { namespace, call, publish, all, ended };
}

test("an event starts what triggers say, as soon as they are there and as long as they are enabled", async () => {
  const { call, publish, ended, all } = await place();
  await call("POST", triggers, {
    ...{ name: "paid", definitionId: "echo", eventPattern: "orders.*.paid", eventCondition: "payload.total > 0" },
    ...{ inputMapping: { order: "payload.id" }, correlationKey: "payload.id", instancePriority: "HIGH" },
  });
  await publish("orders.eu.paid", { id: "A-1", total: 1 });
  await publish("orders.eu.paid", { id: "A-2", total: 0 });
  await publish("orders.eu.refunded", { id: "A-3", total: 1 });
  const [first] = await ended(1);
  expect(first).toMatchObject({ output: { order: "A-1" }, correlationId: "A-1", priority: 8 });
  await call("POST", triggers, { name: "marked", definitionId: "echo", eventPattern: "mark" });
  await call("POST", `${triggers}/paid/disable`);
  await publish("orders.eu.paid", { id: "A-4", total: 1 }, { partitionKey: "p" });
  await publish("mark", "marked", { partitionKey: "p" });
  await ended(2);
  await call("POST", `${triggers}/paid/enable`);
  await publish("orders.eu.paid", { id: "A-5", total: 1 });
  const outputs = (await ended(3)).map(({ output }) => output);
  expect(outputs).toEqual([{ order: "A-5" }, "marked", { order: "A-1" }]);
  expect((await all()).length).toBe(3);
  const { triggeredCount, lastTriggeredAt } = await call("GET", `${triggers}/paid`);
  expect([triggeredCount, typeof lastTriggeredAt]).toEqual([2, "string"]);
});

test("an event cancels the open instances that have its correlation, and no others", async () => {
  const { call, publish, all } = await place();
  for (const correlationId of ["a", "a", "b"]) {
    await call("POST", instances, { definitionId: "waits", correlationId });
  }
  await call("POST", triggers, {
    ...{ name: "stop", triggerType: "CANCEL", definitionId: "waits", eventPattern: "orders.cancelled" },
    ...{ correlationKey: "payload.order", reason: "The customer said so" },
  });
  await publish("orders.cancelled", { order: "a" });
  await expect.poll(async () => (await all("status=CANCELLED")).length, { timeout: 20_000 }).toBe(2);
  const rest = await all("status=WAITING_FOR_EVENT");
  expect(rest.map(({ correlationId }) => correlationId)).toEqual(["b"]);
});

test("a webhook's call that is delivered three times starts its workflow once, and nobody else's", async () => {
  const { call, ended, all } = await place();
  const secret = "It's a Secret to Everybody";
  const hook = (name: string) => ({
    name,
    kind: "webhook",
    definitionId: "echo",
    webhook: { verification: "github", secret },
  });
  const { id } = await call("POST", triggers, hook("mine"));
  await call("POST", triggers, hook("other"));
  await call("POST", triggers, {
    ...{ name: "by-name", definitionId: "echo", eventPattern: "github.issues.*", inputMapping: { by: "'name'" } },
  });
  const body = JSON.stringify({ action: "opened", issue: 7 });
  const deliver = async () => {
    const response = await fetch(`${program.url}/api/v1/hooks/${id}`, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        "x-github-event": "issues",
        "x-github-delivery": "d-1",
        "x-hub-signature-256": `sha256=${createHmac("sha256", secret).update(body).digest("hex")}`,
      },
      body,
    });
    return (await response.json()) as { status: string };
  };
  const answers = [await deliver(), ...(await Promise.all([deliver(), deliver()]))];
  expect(answers.map(({ status }) => status)).toEqual(["accepted", "duplicate", "duplicate"]);
  const outputs = (await ended(2)).map(({ output }) => output);
  expect(outputs).toEqual(expect.arrayContaining([{ action: "opened", issue: 7 }, { by: "name" }]));
  expect((await all()).length).toBe(2);
});

test("a webhook's call that fits no definition is refused where a namespace is strict, and kept where it is lenient", async () => {
  const { call, all } = await place();
  const webhook = { verification: "secret", secret: "a-token-of-some-length", eventId: "payload.id" };
  const { id } = await call("POST", triggers, { name: "in", kind: "webhook", definitionId: "echo", webhook });
  const headers = { "content-type": "application/json", "x-webhook-token": webhook.secret };
  const send = async () => {
    const response = await fetch(`${program.url}/api/v1/hooks/${id}`, {
      method: "POST",
      headers,
      body: '{"id":"d-1"}',
    });
    const { status, code } = (await response.json()) as { status: unknown; code?: string };
    return [response.status, code ?? status];
  };
  await call("PUT", "/api/v1/events/settings", { validation: "strict" });
  await expect.poll(send, { timeout: 20_000 }).toEqual([400, "events.event_refused"]);
  await call("PUT", "/api/v1/events/settings", { validation: "lenient" });
  await expect.poll(send, { timeout: 20_000 }).toEqual([202, "dead_lettered"]);
  expect(await all()).toEqual([]);
});

test("a trigger fired by hand starts its workflow", async () => {
  const { call, ended } = await place();
  await call("POST", triggers, {
    name: "by-hand",
    kind: "manual",
    definitionId: "echo",
    inputMapping: { n: "payload.n" },
  });
  const { instanceId } = await call("POST", `${triggers}/by-hand/fire`, { input: { n: 5 } });
  expect(await ended(1)).toMatchObject([{ id: instanceId, output: { n: 5 } }]);
});
