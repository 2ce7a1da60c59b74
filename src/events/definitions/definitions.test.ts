import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startTestApp, type TestApp } from "../../../test/support/app.ts";

const base = "/api/v1/event-definitions";
const paid = {
  eventId: "OrderEvents.paid",
  name: "Order paid",
  pattern: "orders.paid",
  version: "1.0.0",
  sourceTypes: ["external", "service"],
  payloadSchema: { type: "object", required: ["order"], properties: { order: { type: "string" } } },
  examples: [{ order: "A-1" }],
  uiMetadata: { icon: "coin", priority: "high", column: 3 },
};

let program: TestApp;

beforeAll(async () => {
  program = await startTestApp();
});
afterAll(() => program?.stop());

const post = (body: unknown, namespace: string) => program.call("POST", base, { body, namespace });
const get = (path: string, namespace: string) => program.call("GET", `${base}${path}`, { namespace });

describe("an event definition", () => {
  test("is stored with all that it says, and found by its id and its eventId", async () => {
    const namespace = "stored";
    const created = await post(paid, namespace);
    expect(created).toMatchObject({ status: 201, body: { ...paid, status: "active", namespace } });
    expect(created.headers.get("location")).toBe(`${base}/${created.body.id}`);
    for (const ref of [created.body.id, "OrderEvents.paid", "OrderEvents.paid?version=1.0.0"]) {
      expect((await get(`/${ref}`, namespace)).body).toEqual(created.body);
    }
    expect((await get(`/${created.body.id}`, "elsewhere")).status).toBe(404);
    expect((await get("/OrderEvents.paid?version=2.0.0", namespace)).body.code).toBe(
      "event_definitions.definition_not_found",
    );
  });

  test("with the same content again changes nothing but what is given of the rest", async () => {
    const namespace = "again";
    const { body: first } = await post(paid, namespace);
    const { eventId, pattern, version } = paid;
    const payloadSchema = { properties: { order: { type: "string" } }, type: "object", required: ["order"] };
    const content = { eventId, pattern, version, payloadSchema, sourceTypes: ["service", "external"] };
    const again = await post({ ...content, description: "Of orders" }, namespace);
    expect(again).toMatchObject({ status: 200, body: { id: first.id, name: "Order paid", description: "Of orders" } });
    expect(again.body.examples).toEqual(paid.examples);
  });

  test.each([
    ["schema", { payloadSchema: { type: "object" }, examples: [] }],
    ["pattern", { pattern: "orders.paid.well" }],
    ["source types", { sourceTypes: ["external"] }],
    ["schema that is not there", { payloadSchema: undefined }],
  ])("with another %s under a version is refused", async (what, other) => {
    const namespace = `other-${what.replaceAll(" ", "-")}`;
    await post(paid, namespace);
    const refused = await post({ ...paid, ...other }, namespace);
    expect([refused.status, refused.body.code]).toEqual([409, "event_definitions.version_exists"]);
  });

  test("without a version is the next minor one, or the highest where that says the same", async () => {
    const namespace = "unversioned";
    const send = async (more: object) => (await post({ ...paid, version: undefined, ...more }, namespace)).body.version;
    expect(await send({})).toBe("1.0.0");
    expect(await send({})).toBe("1.0.0");
    expect(await send({ sourceTypes: ["external"] })).toBe("1.1.0");
    expect(await send({ version: "2.0.0-rc.1", sourceTypes: ["task"] })).toBe("2.0.0-rc.1");
    expect(await send({})).toBe("2.0.0");
  });

  test.each<[string, object, string[]]>([
    ["a wildcard in its pattern", { pattern: "orders.*" }, ["/pattern"]],
    ["an empty token in its pattern", { pattern: "orders..paid" }, ["/pattern"]],
    ["a version that is none", { version: "1.0" }, ["/version"]],
    ["a schema that is none", { payloadSchema: { type: "thing" } }, ["/payloadSchema/type"]],
    [
      "examples that do not fit",
      { examples: [{ order: "A" }, { order: 1 }, {}] },
      ["/examples/1/order", "/examples/2/order"],
    ],
    ["a source type that is none", { sourceTypes: ["nobody"] }, ["/sourceTypes/0"]],
    ["an eventId with a blank", { eventId: "a b" }, ["/eventId"]],
    ["a field that nobody knows", { colour: "red" }, ["/colour"]],
    ["many faults", { pattern: "a.>", version: "one" }, ["/pattern", "/version"]],
  ])("with %s is refused with the place", async (_, change, pointers) => {
    const refused = await post({ ...paid, ...change }, "refused");
    expect(refused.status).toBe(400);
    expect(refused.body.errors.map(({ pointer }) => pointer)).toEqual(pointers);
  });

  test("is changed in name, description, display and examples, which must fit", async () => {
    const namespace = "changed";
    await post({ ...paid, description: "Old" }, namespace);
    const change = (body: unknown) => program.call("PATCH", `${base}/OrderEvents.paid`, { body, namespace });
    const { body } = await change({ name: "New", description: null, uiMetadata: null });
    expect(body).toMatchObject({ name: "New", examples: paid.examples });
    expect([body.description, body.uiMetadata]).toEqual([undefined, undefined]);
    expect((await change({ examples: [{ order: 5 }] })).body.errors).toMatchObject([{ pointer: "/examples/0/order" }]);
    expect((await change({ pattern: "a.b" })).status).toBe(400);
  });
});

describe("a version", () => {
  const draft = { ...paid, status: "draft" };
  const verb = (ref: string, what: string, namespace: string) =>
    program.call("POST", `${base}/${ref}/${what}`, { namespace });

  test("goes from draft to active to deprecated and back, and never to draft", async () => {
    const namespace = "life";
    const { body } = await post(draft, namespace);
    expect(body.status).toBe("draft");
    expect((await verb(body.id, "deprecate", namespace)).body.code).toBe("event_definitions.status_change_refused");
    expect((await verb(body.id, "activate", namespace)).body.status).toBe("active");
    expect((await verb(body.id, "activate", namespace)).body.status).toBe("active");
    expect((await verb(body.id, "deprecate", namespace)).body.status).toBe("deprecated");
    expect((await verb(body.id, "activate", namespace)).body.status).toBe("active");
    expect((await post(draft, namespace)).body.code).toBe("event_definitions.status_change_refused");
  });

  test("keeps its status when it is sent again without one", async () => {
    const namespace = "kept";
    await post(draft, namespace);
    expect((await post(paid, namespace)).body.status).toBe("draft");
    expect((await post({ ...paid, status: "active" }, namespace)).body.status).toBe("active");
  });

  test("is deleted as long as it is a draft", async () => {
    const namespace = "deleted";
    const remove = () => program.call("DELETE", `${base}/OrderEvents.paid`, { namespace });
    await post(draft, namespace);
    expect((await remove()).status).toBe(204);
    expect((await remove()).status).toBe(404);
    await post(paid, namespace);
    expect((await remove()).body.code).toBe("event_definitions.not_a_draft");
  });

  test("by an eventId is the highest active one, or the highest of all", async () => {
    const namespace = "highest";
    for (const version of ["1.9.0", "1.10.0", "2.0.0"]) {
      await post({ ...paid, version, status: version === "2.0.0" ? "draft" : "active" }, namespace);
    }
    const named = async () => (await get("/OrderEvents.paid", namespace)).body.version;
    expect(await named()).toBe("1.10.0");
    await verb("OrderEvents.paid", "deprecate?version=1.10.0", namespace);
    expect(await named()).toBe("1.9.0");
    await verb("OrderEvents.paid", "deprecate?version=1.9.0", namespace);
    expect(await named()).toBe("2.0.0");
  });

  test("is alone with its pattern among the active ones of other eventIds", async () => {
    const namespace = "alone";
    await post(paid, namespace);
    const other = { ...paid, eventId: "Other" };
    expect((await post(other, namespace)).body).toMatchObject({
      code: "event_definitions.pattern_taken",
      details: { eventId: "OrderEvents.paid" },
    });
    expect((await post({ ...other, status: "draft" }, namespace)).status).toBe(201);
    expect((await verb("Other", "activate", namespace)).status).toBe(409);
    await verb("OrderEvents.paid", "deprecate", namespace);
    expect((await verb("Other", "activate", namespace)).status).toBe(200);
  });

  test("that many send at once is stored once", async () => {
    const answers = await Promise.all(Array.from({ length: 8 }, () => post({ ...paid, version: undefined }, "crowd")));
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 200, 200, 200, 200, 200, 200, 201]);
  });
});

describe("the list", () => {
  const namespace = "listing";

  beforeAll(async () => {
    await post(paid, namespace);
    await post({ ...paid, version: "1.1.0", sourceTypes: ["task"] }, namespace);
    await post({ eventId: "Any", pattern: "any.thing" }, namespace);
    await post({ eventId: "Draft", pattern: "any.draft", status: "draft" }, namespace);
  });

  const listed = async (query: string) =>
    (await get(`?${query}`, namespace)).body.items.map(({ eventId, version }) => `${eventId} ${version}`);

  test.each([
    ["", ["Draft 1.0.0", "Any 1.0.0", "OrderEvents.paid 1.1.0", "OrderEvents.paid 1.0.0"]],
    ["eventId=OrderEvents.paid", ["OrderEvents.paid 1.1.0", "OrderEvents.paid 1.0.0"]],
    ["pattern=any.thing", ["Any 1.0.0"]],
    ["status=draft", ["Draft 1.0.0"]],
    ["sourceType=task", ["Draft 1.0.0", "Any 1.0.0", "OrderEvents.paid 1.1.0"]],
    ["sourceType=task&status=active&eventId=Any", ["Any 1.0.0"]],
  ])("by %j", async (query, expected) => {
    expect(await listed(query)).toEqual(expected);
  });

  test("comes page by page", async () => {
    const seen: unknown[] = [];
    for (let cursor: string | null = ""; cursor !== null; ) {
      const { body } = await get(`?limit=3${cursor === "" ? "" : `&cursor=${cursor}`}`, namespace);
      seen.push(...body.items.map(({ version }) => version));
      cursor = body.nextCursor;
    }
    expect(seen).toEqual(["1.0.0", "1.0.0", "1.1.0", "1.0.0"]);
  });
});
