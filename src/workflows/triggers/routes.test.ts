import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openTriggerDesk, type TriggerDesk } from "../../../test/support/triggers.ts";

type Fields = Record<string, unknown>;

let desk: TriggerDesk;
beforeAll(async () => {
  desk = await openTriggerDesk();
});
afterAll(() => desk.stop());

const onOrder = (changes: Fields = {}): Fields => ({
  name: "on-order",
  definitionId: "order",
  eventPattern: "orders.*.paid",
  eventCondition: "payload.total > 0",
  inputMapping: { orderId: "payload.id", note: "order ${payload.id}", fixed: 5 },
  correlationKey: "payload.id",
  ...changes,
});

const pointers = ({ json }: { json: Fields }) => (json.errors as { pointer: string }[]).map(({ pointer }) => pointer);

describe("a trigger", () => {
  test("is created with its defaults, found by id and by name, and listed", async () => {
    const { call } = await desk.client();
    const wakes = desk.wakes();
    const made = await call("POST", "", onOrder());
    expect(made.status, JSON.stringify(made.json)).toBe(201);
    expect(made.headers.get("location")).toBe(`/api/v1/workflow-triggers/${made.json.id}`);
    expect(desk.wakes()).toBe(wakes + 1);
    expect(made.json).toMatchObject({
      ...onOrder(),
      ...{ kind: "event", triggerType: "START", priority: 100, enabled: true, triggeredCount: 0, createdBy: "ann" },
      warnings: [],
    });
    const { warnings: _, ...view } = made.json;
    expect((await call("GET", `/${made.json.id}`)).json).toEqual(view);
    expect((await call("GET", "/on-order")).json).toEqual(view);
    expect((await call("GET")).json).toEqual({ items: [view], nextCursor: null });
  });

  test("has a name that no other has, until it is deleted", async () => {
    const { call } = await desk.client();
    const { json } = await call("POST", "", onOrder());
    const again = await call("POST", "", onOrder({ eventPattern: "x" }));
    expect([again.status, again.json.code]).toEqual([409, "triggers.name_taken"]);
    expect(again.json.details).toEqual({ id: json.id, name: "on-order" });
    expect((await call("DELETE", "/on-order")).status).toBe(204);
    expect((await call("GET", `/${json.id}`)).json.code).toBe("triggers.trigger_not_found");
    expect((await call("POST", "", onOrder())).status).toBe(201);
  });

  test("two creations of one name at the same time make one", async () => {
    const { call } = await desk.client();
    const answers = await Promise.all(Array.from({ length: 5 }, () => call("POST", "", onOrder())));
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 409, 409, 409, 409]);
  });

  test("of an id of a version stays with that version", async () => {
    const { call } = await desk.client();
    const pinned = await call("POST", "", onOrder({ version: "1.0.0" }));
    expect(pinned.json).toMatchObject({ definitionId: "order", version: "1.0.0" });
  });

  test("is changed in part, or written anew; null gives the default", async () => {
    const { call } = await desk.client();
    const { json } = await call("POST", "", onOrder({ priority: 5, instancePriority: "HIGH", description: "d" }));
    expect(json).toMatchObject({ priority: 5, instancePriority: 8 });
    const patched = await call("PATCH", "/on-order", { priority: null, eventPattern: "orders.>", description: null });
    expect(patched.json).toMatchObject({ priority: 100, eventPattern: "orders.>", instancePriority: 8 });
    expect(patched.json).not.toHaveProperty("description");
    const put = await call("PUT", "/on-order", { name: "renamed", definitionId: "order", eventPattern: "x.y" });
    expect(put.json).toMatchObject({ id: json.id, name: "renamed", eventPattern: "x.y", priority: 100 });
    expect(put.json).not.toHaveProperty("eventCondition");
    expect((await call("GET", "/on-order")).status).toBe(404);
  });

  test("is disabled and enabled, again without effect", async () => {
    const { call } = await desk.client();
    await call("POST", "", onOrder());
    for (const [verb, enabled] of [
      ["disable", false],
      ["disable", false],
      ["enable", true],
    ] as const) {
      expect((await call("POST", `/on-order/${verb}`)).json.enabled).toBe(enabled);
    }
  });

  test("is listed by workflow, kind, type, state, pattern and part of its name, in pages", async () => {
    const { call } = await desk.client();
    await call("POST", "", onOrder({ name: "a1" }));
    await call("POST", "", onOrder({ name: "a2", eventPattern: "x", triggerType: "CANCEL", inputMapping: undefined }));
    await call("POST", "", { name: "b1", kind: "manual", definitionId: "order", enabled: false });
    const names = async (query: string) => {
      const { json } = await call("GET", `?${query}`);
      return (json.items as Fields[]).map(({ name }) => name);
    };
    expect(await names("definitionId=order")).toEqual(["b1", "a2", "a1"]);
    expect(await names("workflowId=other")).toEqual([]);
    expect(await names("kind=manual")).toEqual(["b1"]);
    expect(await names("triggerType=CANCEL")).toEqual(["a2"]);
    expect(await names("enabled=false")).toEqual(["b1"]);
    expect(await names("pattern=orders.*.paid")).toEqual(["a1"]);
    expect(await names("name=A")).toEqual(["a2", "a1"]);
    const first = await call("GET", "?limit=2");
    expect(await names(`limit=2&cursor=${first.json.nextCursor}`)).toEqual(["a1"]);
  });

  test("of another namespace is not found", async () => {
    const { json } = await (await desk.client()).call("POST", "", onOrder());
    const { call } = await desk.client();
    expect((await call("GET", `/${json.id}`)).status).toBe(404);
    expect((await call("PATCH", `/${json.id}`, { priority: 1 })).status).toBe(404);
    expect((await call("DELETE", `/${json.id}`)).status).toBe(404);
  });
});

describe("refused with the place of every fault:", () => {
  test.each<[string, Fields, string[]]>([
    ["a pattern with a wildcard inside a token", { eventPattern: "a.b*" }, ["/eventPattern"]],
    ["a pattern with > before its end", { eventPattern: "a.>.b" }, ["/eventPattern"]],
    ["no pattern", { eventPattern: undefined }, ["/eventPattern"]],
    ["a workflow that there is not", { definitionId: "nobody" }, ["/definitionId"]],
    ["a version that there is not", { version: "7.0.0" }, ["/definitionId"]],
    ["no workflow", { definitionId: undefined }, ["/definitionId"]],
    ["a condition that is no expression", { eventCondition: "payload. >" }, ["/eventCondition"]],
    ["a name that events do not have", { eventCondition: "input.a == 1" }, ["/eventCondition"]],
    [
      "a mapping that is no expression",
      { inputMapping: { a: "1 +", b: "steps.x" } },
      ["/inputMapping/a", "/inputMapping/b"],
    ],
    ["a mapping's text that is no template", { inputMapping: { a: "x ${1 +}" } }, ["/inputMapping/a"]],
    ["a key that is no expression", { correlationKey: "(" }, ["/correlationKey"]],
    ["CANCEL without a key", { triggerType: "CANCEL", correlationKey: undefined }, ["/correlationKey"]],
    ["a webhook of an event trigger", { webhook: { verification: "github" } }, ["/webhook"]],
    [
      "a schedule without who makes one",
      { kind: "schedule", eventPattern: undefined, eventCondition: undefined },
      ["/kind"],
    ],
    ["a schedule of an event trigger", { schedule: {} }, ["/schedule"]],
    ["a pattern of a manual one", { kind: "manual", eventCondition: undefined }, ["/eventPattern"]],
    [
      "CANCEL of a manual one",
      { kind: "manual", eventPattern: undefined, eventCondition: undefined, triggerType: "CANCEL" },
      ["/triggerType"],
    ],
    ["a webhook without saying how", { kind: "webhook" }, ["/webhook", "/eventPattern"]],
    [
      "a webhook's name with a wildcard",
      { kind: "webhook", webhook: { verification: "github" }, eventPattern: "a.*" },
      ["/eventPattern"],
    ],
    [
      "a webhook's name over what calls do not have",
      { kind: "webhook", webhook: { verification: "github" }, eventPattern: "a.${event.x}" },
      ["/eventPattern"],
    ],
    [
      "a secret that is none of Standard Webhooks",
      webhookOf({ verification: "standard", secret: "not base64!" }),
      ["/webhook/secret"],
    ],
    ["a stripe webhook without its secret", webhookOf({ verification: "stripe" }), ["/webhook/secret"]],
    [
      "a webhook's id that is no expression",
      webhookOf({ verification: "secret", eventId: "payload.", partitionKey: "event.x" }),
      ["/webhook/eventId", "/webhook/partitionKey"],
    ],
  ])("%s", async (_, changes, expected) => {
    const { call } = await desk.client();
    const answer = await call("POST", "", onOrder(changes));
    expect([answer.status, answer.json.code], JSON.stringify(answer.json)).toEqual([400, "triggers.trigger_invalid"]);
    const found = pointers(answer);
    expect(found.filter((pointer) => expected.includes(pointer)).length).toBeGreaterThan(0);
    if (!expected.includes("/kind") && expected[0] !== "/webhook") expect(new Set(found)).toEqual(new Set(expected));
  });

  function webhookOf(webhook: Fields): Fields {
    return { kind: "webhook", eventPattern: undefined, webhook };
  }

  test("a change of what stays for good", async () => {
    const { call } = await desk.client();
    await call("POST", "", onOrder());
    const put = await call("PUT", "/on-order", { ...onOrder(), kind: "manual" });
    expect([put.status, pointers(put).includes("/kind")]).toEqual([400, true]);
    const webhook = { name: "hook", kind: "webhook", webhook: { verification: "github" } };
    await call("POST", "", webhook);
    const other = await call("PUT", "/hook", { ...webhook, webhook: { verification: "standard" } });
    expect(pointers(other)).toEqual(["/webhook/verification"]);
    const secret = await call("PUT", "/hook", {
      ...webhook,
      webhook: { ...webhook.webhook, secret: "another secret" },
    });
    expect([secret.status, pointers(secret)]).toEqual([400, ["/webhook/secret"]]);
  });
});

test("a doubt forbids nothing: what nobody reads, and a workflow that cannot be started yet", async () => {
  const { call } = await desk.client();
  const cancel = await call("POST", "", onOrder({ triggerType: "CANCEL", instancePriority: 3 }));
  expect(cancel.status).toBe(201);
  expect((cancel.json.warnings as Fields[]).map(({ pointer }) => pointer)).toEqual([
    "/inputMapping",
    "/instancePriority",
  ]);
});
