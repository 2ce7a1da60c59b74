import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startTestApp, type TestApp } from "../../../test/support/app.ts";
import { createDefinitionSource } from "../definitions/source.ts";
import { readSubmission } from "./body.ts";
import { publishEvents } from "./operations.ts";

const path = "/api/v1/events";
const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$/;

let program: TestApp;

beforeAll(async () => {
  program = await startTestApp();
});
afterAll(() => program?.stop());

const post = (body: unknown, namespace: string, headers: Record<string, string> = {}) =>
  program.call("POST", path, { body, namespace, headers });
const get = (ref: string, namespace: string) => program.call("GET", `${path}/${ref}`, { namespace });

async function count(namespace: string): Promise<number> {
  const { body } = await program.call("GET", `${path}?limit=500`, { namespace });
  return body.items.length;
}

describe("an event", () => {
  test("is there with all that it says when the answer comes", async () => {
    const namespace = "whole";
    const event = {
      eventId: "payment-1",
      pattern: "orders.paid",
      payload: { order: "A-1", lines: [1, 2] },
      source: { type: "service", id: "bank", name: "The bank" },
      timestamp: "2026-01-31T10:15:00.5+01:00",
      partitionKey: "A-1",
      metadata: { correlationId: "c", causationId: "d", userId: "u", tags: { a: 1 }, own: [true] },
    };
    const { status, body } = await post(event, namespace);
    expect(status).toBe(202);
    expect(body).toMatchObject({ eventId: "payment-1", status: "accepted", id: expect.stringMatching(uuid) });
    const { body: stored } = await get("payment-1", namespace);
    const { eventId, timestamp: _, ...rest } = event;
    expect(stored).toEqual({
      ...rest,
      id: body.id,
      eventId,
      namespace,
      timestamp: "2026-01-31T09:15:00.500Z",
      acceptedAt: body.timestamp,
    });
    expect((await get(body.id, namespace)).body).toEqual(stored);
    expect((await get(body.id, "elsewhere")).body.code).toBe("events.event_not_found");
  });

  test("needs a name only", async () => {
    const { body } = await post({ pattern: "a" }, "bare");
    expect(body.eventId).toBe(body.id);
    const { body: stored } = await get(body.id, "bare");
    expect(stored).toMatchObject({ pattern: "a", payload: null, metadata: {}, timestamp: body.timestamp });
  });

  test("that is sent again has the first answer and is there once", async () => {
    const namespace = "twice";
    const event = { eventId: "e", pattern: "a.b", source: { type: "external", id: "s" } };
    const { body: first } = await post(event, namespace);
    const { status, body } = await post({ ...event, payload: "other" }, namespace);
    expect([status, body]).toEqual([202, { ...first, status: "duplicate" }]);
    const cloudEvent = { specversion: "1.0", id: "e", source: "s", type: "a.b" };
    expect((await post(cloudEvent, namespace)).body).toEqual(body);
    expect((await post({ ...event, source: { type: "service", id: "s" } }, namespace)).body.status).toBe("accepted");
    expect((await post(event, "other-namespace")).body.status).toBe("accepted");
    expect(await count(namespace)).toBe(2);
  });

  test.each<[string, unknown, string[]]>([
    ["no name", { payload: 1 }, ["/pattern"]],
    ["a wildcard in its name", { pattern: "orders.*" }, ["/pattern"]],
    ["a > in its name", { pattern: "orders.>" }, ["/pattern"]],
    ["an empty token in its name", { pattern: "orders." }, ["/pattern"]],
    ["a blank in its name", { pattern: "orders paid" }, ["/pattern"]],
    ["a name of 256 characters", { pattern: "a".repeat(256) }, ["/pattern"]],
    ["a time without a zone", { pattern: "a", timestamp: "2026-01-31T10:15:00" }, ["/timestamp"]],
    ["a day that is none", { pattern: "a", timestamp: "2026-02-31T10:15:00Z" }, ["/timestamp"]],
    ["an unknown type of source", { pattern: "a", source: { type: "oracle" } }, ["/source/type"]],
    ["a source of too many bytes", { pattern: "a", source: { type: "task", id: "é".repeat(600) } }, ["/source/id"]],
    ["metadata that is too large", { pattern: "a", metadata: { own: "x".repeat(70_000) } }, ["/metadata"]],
    ["a field that nobody knows", { pattern: "a", colour: "red" }, ["/colour"]],
    ["no object", "text", [""]],
    ["no list of events", { events: {} }, ["/events"]],
    ["something beside its list", { events: [], pattern: "a" }, ["/pattern"]],
    ["many faults", { pattern: "a.*", timestamp: "x" }, ["/pattern", "/timestamp"]],
  ])("with %s is refused, and where is told", async (_, body, pointers) => {
    const refused = await post(JSON.stringify(body), "refused");
    expect([refused.status, refused.body.code]).toEqual([400, "events.event_invalid"]);
    expect(refused.body.errors.map(({ pointer }) => pointer)).toEqual(pointers);
    expect(await count("refused")).toBe(0);
  });

  test("says of a wildcard that it is one", async () => {
    const { body } = await post({ pattern: "orders.*" }, "refused");
    expect(body.detail).toBe("/pattern is no name of an event: * is a wildcard of patterns.");
  });

  test("may have a payload of 1 MiB and no larger", async () => {
    const payload = "x".repeat(1024 * 1024 - 2);
    expect((await post({ pattern: "large", payload }, "large")).status).toBe(202);
    const refused = await post({ pattern: "large", payload: `${payload}x` }, "large");
    expect([refused.status, refused.body.code]).toEqual([413, "events.payload_too_large"]);
    const batch = await post([{ pattern: "a" }, { pattern: "large", payload: `${payload}x` }], "large");
    expect(batch.body.errors).toMatchObject([{ pointer: "/1/payload" }]);
    expect(await count("large")).toBe(1);
  });

  test("is refused with a body that is too large as a whole", async () => {
    const refused = await post(JSON.stringify({ pattern: "a", payload: "x".repeat(18 * 1024 * 1024) }), "huge");
    expect(refused.status).toBe(413);
  });
});

describe("a batch", () => {
  test.each([
    ["a list", (events: unknown[]) => events],
    ["an object with events", (events: unknown[]) => ({ events })],
  ])("as %s is answered in order", async (_, bodyOf) => {
    const namespace = `batch-${_.length}`;
    const events = [
      { eventId: "one", pattern: "a.b" },
      { specversion: "1.0", id: "two", source: "/s", type: "a.c" },
      { eventId: "one", pattern: "a.b" },
    ];
    const { status, body } = await post(bodyOf(events), namespace);
    expect(status).toBe(202);
    expect(body.items.map(({ eventId, status: what }) => [eventId, what])).toEqual([
      ["one", "accepted"],
      ["two", "accepted"],
      ["one", "duplicate"],
    ]);
    expect(await count(namespace)).toBe(2);
  });

  test("of 1,000 is taken, and one of 1,001 is not", async () => {
    const events = Array.from({ length: 1_001 }, (_, n) => ({ eventId: String(n), pattern: "many" }));
    const refused = await post(events, "thousand");
    expect([refused.status, refused.body.code]).toEqual([400, "events.batch_too_large"]);
    const { body } = await post(events.slice(1), "thousand");
    expect(body.items).toHaveLength(1_000);
    expect(body.items.at(-1)).toMatchObject({ eventId: "1000", status: "accepted" });
  });

  test("with one bad member is refused, that one is named, and nothing is taken", async () => {
    const namespace = "one-bad";
    const events = [{ pattern: "a" }, { pattern: "b" }, { pattern: "c" }, { pattern: "d", timestamp: "soon" }];
    const asList = await post(events, namespace);
    expect([asList.status, asList.body.errors.map(({ pointer }) => pointer)]).toEqual([400, ["/3/timestamp"]]);
    const asObject = await post({ events }, namespace);
    expect(asObject.body.errors.map(({ pointer }) => pointer)).toEqual(["/events/3/timestamp"]);
    expect(asObject.body.detail).toMatch(/^Nothing of the batch was taken\. \/events\/3\/timestamp /);
    expect(await count(namespace)).toBe(0);
  });

  test("may be empty", async () => {
    expect(await post([], "empty")).toMatchObject({ status: 202, body: { items: [] } });
  });
});

test("CloudEvents come over HTTP in all three modes", async () => {
  const namespace = "modes";
  const event = { specversion: "1.0", id: "structured", source: "/s", type: "a.b", data: { n: 1 } };
  const one = await post(event, namespace, { "content-type": "application/cloudevents+json; charset=utf-8" });
  expect(one).toMatchObject({ status: 202, body: { eventId: "structured" } });
  const many = await post([{ ...event, id: "batched" }], namespace, {
    "content-type": "application/cloudevents-batch+json",
  });
  expect(many.body.items).toMatchObject([{ eventId: "batched", status: "accepted" }]);
  const headers = { "ce-specversion": "1.0", "ce-id": "binary", "ce-source": "/s", "ce-type": "a.b", "ce-own": "x" };
  expect((await post({ n: 1 }, namespace, headers)).body).toMatchObject({ eventId: "binary", status: "accepted" });
  expect((await get("binary", namespace)).body).toMatchObject({
    payload: { n: 1 },
    source: { type: "external", id: "/s" },
    metadata: { extensions: { own: "x" }, datacontenttype: "application/json" },
  });
  const text = await post("hello", namespace, { ...headers, "content-type": "text/plain" });
  expect(text.status).toBe(415);
});

test("who may not come in is refused before anything is looked at", async () => {
  const { intake } = program.app;
  const seen: [string, number][] = [];
  const admit = async (namespace: string, many: number) => {
    seen.push([namespace, many]);
    throw new Error("full");
  };
  const { events } = readSubmission({ body: [{ pattern: "a" }, { pattern: "b" }], headers: {} });
  await expect(publishEvents({ ...intake, admit }, { namespace: "full", events })).rejects.toThrow("full");
  expect([seen, await count("full")]).toEqual([[["full", 2]], 0]);
});

test("an event that was published after its definition was stored is checked by it, 50 times over", async () => {
  const namespace = "at-once";
  const { intake } = program.app;
  const other = { ...intake, definitions: createDefinitionSource(intake.db) };
  for (let n = 0; n < 50; n++) {
    const definition = { eventId: `e${n}`, pattern: `p.n${n}`, payloadSchema: { const: n } };
    await program.call("POST", "/api/v1/event-definitions", { body: definition, namespace });
    const wrong = { pattern: `p.n${n}`, payload: "wrong" };
    const { events } = readSubmission({ body: wrong, headers: {} });
    const outcomes = await Promise.all([
      post(wrong, namespace).then(({ status }) => status),
      publishEvents(other, { namespace, events }).catch(({ status }) => status),
    ]);
    expect(outcomes, String(n)).toEqual([400, 400]);
  }
}, 60_000);
