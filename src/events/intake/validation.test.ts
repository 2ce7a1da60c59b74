/** How namespaces check their events: open, strict, lenient. */
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { startTestApp, type TestApp } from "../../../test/support/app.ts";

const path = "/api/v1/events";

let program: TestApp;

beforeAll(async () => {
  program = await startTestApp();
});
afterAll(() => program?.stop());

const post = (body: unknown, namespace: string) => program.call("POST", path, { body, namespace });

async function count(namespace: string): Promise<number> {
  const { body } = await program.call("GET", `${path}?limit=500`, { namespace });
  return body.items.length;
}

/** A namespace with a definition of `orders.paid`, in a mode. */
async function prepare(namespace: string, validation: string): Promise<void> {
  const definition = {
    eventId: "Paid",
    pattern: "orders.paid",
    version: "1.2.0",
    sourceTypes: ["external", "task"],
    payloadSchema: { type: "object", required: ["order"], properties: { order: { type: "string" } } },
  };
  await program.call("POST", "/api/v1/event-definitions", { body: definition, namespace });
  const set = await program.call("PUT", `${path}/settings`, { body: { validation }, namespace });
  expect(set).toMatchObject({ status: 200, body: { validation, updatedBy: "admin-setting" } });
  expect((await program.call("GET", `${path}/settings`, { namespace })).body).toEqual(set.body);
}

const good = { pattern: "orders.paid", payload: { order: "A-1" } };
const unknown = { pattern: "orders.lost" };
const misfit = { pattern: "orders.paid", payload: { order: 5 } };
const stranger = { ...good, source: { type: "system" } };

interface Letter {
  id: string;
  event_id: string;
  event_instance_id: string | null;
  subscriber_id: string;
  original_event: unknown;
  error_message: string;
  error_type: string;
  error_code: string;
  error_context: unknown;
  status: string;
}

const letters = (namespace: string) =>
  program.app.db.unnamed<Letter>(
    "select * from event_processing_service.dead_letter_queue where namespace = $1 order by id",
    [namespace],
  );

test("a namespace is open until it is set otherwise", async () => {
  const { body } = await program.call("GET", `${path}/settings`, { namespace: "new" });
  expect(body).toEqual({ validation: "open" });
  const refused = await program.call("PUT", `${path}/settings`, { body: { validation: "loose" }, namespace: "new" });
  expect(refused.status).toBe(400);
});

describe.each(["open", "strict"])("in a namespace that is %s", (mode) => {
  beforeAll(() => prepare(mode, mode));

  test("what fits its definition is taken, and knows by which version", async () => {
    const { status, body } = await post(good, mode);
    expect(status).toBe(202);
    expect((await program.call("GET", `${path}/${body.id}`, { namespace: mode })).body.version).toBe("1.2.0");
  });

  test("what does not fit is refused with the place", async () => {
    const { status, body } = await post(misfit, mode);
    expect([status, body.code]).toEqual([400, "events.event_refused"]);
    expect(body.errors).toMatchObject([{ pointer: "/payload/order" }]);
    expect(body.detail).toBe("The payload does not fit version 1.2.0 of the definition of orders.paid.");
    const cloudEvent = { specversion: "1.0", id: "1", source: "/s", type: "orders.paid", data: {} };
    expect((await post(cloudEvent, mode)).body.errors).toMatchObject([{ pointer: "/data/order" }]);
  });

  test("a source of a type that is not allowed is refused", async () => {
    expect((await post(stranger, mode)).body.errors).toMatchObject([
      { pointer: "/source", expected: "one of external, task" },
    ]);
    expect((await post({ ...good, source: { type: "task" } }, mode)).status).toBe(202);
  });

  test("of a batch with one that does not fit nothing is taken", async () => {
    const before = await count(mode);
    const { body } = await post({ events: [good, misfit, good, stranger] }, mode);
    expect(body.errors.map(({ pointer }) => pointer)).toEqual(["/events/1/payload/order", "/events/3/source"]);
    expect(body.detail).toMatch(/^Nothing of the batch was taken: .* \(and 1 more of the batch\)\.$/);
    expect(await count(mode)).toBe(before);
    expect(await letters(mode)).toEqual([]);
  });
});

test("names without a definition pass where the namespace is open, and not where it is strict", async () => {
  await prepare("free", "open");
  await prepare("closed", "strict");
  expect((await post(unknown, "free")).status).toBe(202);
  const { status, body } = await post(unknown, "closed");
  expect([status, body.code, body.errors]).toEqual([
    400,
    "events.event_refused",
    [
      {
        pointer: "/pattern",
        message: "orders.lost has no active definition, and this namespace wants one",
        expected: "the pattern of an active event definition",
      },
    ],
  ]);
});

describe("in a namespace that is lenient", () => {
  const namespace = "lenient";

  beforeAll(() => prepare(namespace, "lenient"));

  test("what would be refused is a dead letter, and the rest of its batch is taken", async () => {
    const source = { type: "external", id: "bank" };
    const events = [good, { ...misfit, eventId: "m", source }, unknown, stranger];
    const { status, body } = await post(events, namespace);
    expect(status).toBe(202);
    expect(body.items.map((item) => item.status)).toEqual([
      "accepted",
      "dead_lettered",
      "dead_lettered",
      "dead_lettered",
    ]);
    expect(await count(namespace)).toBe(1);
    const kept = await letters(namespace);
    expect(kept.map(({ id }) => id)).toEqual(body.items.slice(1).map(({ deadLetterId }) => deadLetterId));
    expect(kept.map(({ error_code }) => error_code)).toEqual([
      "PAYLOAD_INVALID",
      "UNKNOWN_EVENT",
      "SOURCE_TYPE_NOT_ALLOWED",
    ]);
    expect(kept[0]).toMatchObject({
      event_id: "m",
      event_instance_id: null,
      subscriber_id: "intake",
      status: "pending",
      original_event: { ...misfit, eventId: "m", source, sourceKey: "bank" },
      error_message: "The payload does not fit version 1.2.0 of the definition of orders.paid.",
      error_type: "VALIDATION",
      error_context: { errors: [{ pointer: "/1/payload/order" }] },
    });
    expect(kept[1]!.event_id).toBe(body.items[2]!.eventId);
  });

  test("one that is sent again, or twice in a batch, is one dead letter", async () => {
    const event = { ...unknown, eventId: "again" };
    const before = (await letters(namespace)).length;
    const { body: first } = await post(event, namespace);
    const { body: second } = await post(event, namespace);
    expect(second).toEqual(first);
    const { body } = await post([event, { ...event, source: { type: "task", id: "t" } }, event], namespace);
    expect(body.items.map(({ deadLetterId }) => deadLetterId === first.deadLetterId)).toEqual([true, false, true]);
    expect(await letters(namespace)).toHaveLength(before + 2);
  });

  test("what is no event at all is refused", async () => {
    expect((await post({ ...unknown, pattern: "a.*" }, namespace)).status).toBe(400);
  });
});

test.each([
  ["strict", false],
  ["lenient", true],
])("what a sequence publishes is checked too where a namespace is %s", async (mode, isKept) => {
  const namespace = `series-${mode}`;
  await prepare(namespace, mode);
  const body = { sequenceId: "series", name: "Series", events: [unknown] };
  await program.call("POST", "/api/v1/event-sequences", { body, namespace });
  await vi.waitFor(
    async () => {
      const { body: sequence } = await program.call("GET", "/api/v1/event-sequences/series", { namespace });
      expect(sequence.status).toBe("failed");
    },
    { timeout: 20_000, interval: 20 },
  );
  expect(await count(namespace)).toBe(0);
  expect(await letters(namespace)).toHaveLength(isKept ? 1 : 0);
});
