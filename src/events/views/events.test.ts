/** Lists of events, against a filter written from the documents; and that what no index answers is bounded. */
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Body, startTestApp, type TestApp } from "../../../test/support/app.ts";

const path = "/api/v1/events";
const namespace = "listing";

interface Sent {
  eventId: string;
  pattern: string;
  payload: { n: number; even: boolean; inside: { list: number[] } };
  source?: { type: string; id: string };
  metadata: { correlationId?: string; causationId?: string };
  acceptedAt: string;
}

let program: TestApp;
/** Newest first. */
let sent: Sent[];

beforeAll(async () => {
  program = await startTestApp();
  const names = ["orders.paid", "orders.eu.paid", "orders.us.paid", "orders.eu.lost", "other", "orders"];
  const events = Array.from({ length: 120 }, (_, n) => ({
    eventId: `event-${n}`,
    pattern: names[n % names.length]!,
    payload: { n, even: n % 2 === 0, inside: { list: [n % 3, n % 5] } },
    ...(n % 4 !== 0 && { source: { type: n % 3 === 0 ? "service" : "external", id: `s${n % 2}` } }),
    metadata: {
      ...(n % 5 !== 0 && { correlationId: `c${n % 3}` }),
      ...(n % 7 === 0 && { causationId: `event-${n - 1}` }),
    },
  }));
  sent = [];
  for (let from = 0; from < events.length; from += 30) {
    const batch = events.slice(from, from + 30);
    const { body } = await program.call("POST", path, { body: batch, namespace });
    sent.push(...batch.map((event, index) => ({ ...event, acceptedAt: String(body.items[index]!.timestamp) })));
  }
  sent.reverse();
  await program.call("POST", path, { body: { pattern: "orders.paid", eventId: "event-1" }, namespace: "neighbour" });
});
afterAll(() => program?.stop());

async function page(query: Record<string, string | number>, within = namespace): Promise<Body> {
  const { status, body } = await program.call(
    "GET",
    `${path}?${new URLSearchParams(query as Record<string, string>)}`,
    {
      namespace: within,
    },
  );
  expect(status, JSON.stringify(body)).toBe(200);
  return body;
}

async function all(query: Record<string, string | number>, within = namespace): Promise<Body[]> {
  const items: Body[] = [];
  for (let cursor: string | null | undefined; cursor !== null; ) {
    const { items: more, nextCursor } = await page({ ...query, ...(cursor && { cursor }) }, within);
    expect(more.length).toBeLessThanOrEqual(Number(query.limit ?? 50));
    items.push(...more);
    cursor = nextCursor;
  }
  return items;
}

const sourceOf = ({ source }: Sent) =>
  source === undefined ? undefined : source.type === "external" ? source.id : `${source.type}:${source.id}`;

/** By the parameter, what it asks of an event. */
const filters: Record<string, { values: string[]; fits(event: Sent, value: string): boolean }> = {
  pattern: {
    values: ["orders.paid", "orders.*", "orders.*.paid", "*.eu.*", "orders.>", "*", ">", "nothing", "*.paid"],
    fits: ({ pattern }, value) => {
      const parts = pattern.split(".");
      const tokens = value.split(".");
      if (tokens.at(-1) === ">") {
        if (parts.length < tokens.length) return false;
        tokens.pop();
      } else if (parts.length !== tokens.length) return false;
      return tokens.every((token, index) => token === "*" || token === parts[index]);
    },
  },
  eventId: { values: ["event-7", "event-119", "event-999"], fits: ({ eventId }, value) => eventId === value },
  correlationId: { values: ["c0", "c1", "c9"], fits: ({ metadata }, value) => metadata.correlationId === value },
  causationId: { values: ["event-6", "event-83"], fits: ({ metadata }, value) => metadata.causationId === value },
  source: { values: ["s0", "s1", "service:s1"], fits: (event, value) => sourceOf(event) === value },
  payload: {
    values: ['{"even":true}', '{"inside":{"list":[2]}}', '{"n":17}', "{}", "[]"],
    fits: ({ payload }, value) => {
      const asked = JSON.parse(value);
      if (Array.isArray(asked)) return false;
      if (asked.even !== undefined) return payload.even;
      if (asked.n !== undefined) return payload.n === asked.n;
      return asked.inside === undefined || payload.inside.list.includes(2);
    },
  },
};

describe("the list of events", () => {
  test("has what every filter lets through, newest first, whatever the size of its pages", async () => {
    const choice = fc.record(
      Object.fromEntries(Object.entries(filters).map(([name, { values }]) => [name, fc.constantFrom(...values)])),
      { requiredKeys: [] },
    );
    const property = fc.asyncProperty(choice, fc.integer({ min: 1, max: 60 }), async (chosen, limit) => {
      const query = chosen as Record<string, string>;
      const found = await all({ ...query, limit });
      const wanted = sent.filter((event) =>
        Object.entries(query).every(([name, value]) => filters[name]!.fits(event, value)),
      );
      expect(found.map(({ eventId }) => eventId)).toEqual(wanted.map(({ eventId }) => eventId));
    });
    await fc.assert(property, { numRuns: 150 });
  });

  test("is narrowed by the time of acceptance: from it, and before it", async () => {
    const times = [...new Set(sent.map(({ acceptedAt }) => acceptedAt))].sort();
    const middle = new Date(Date.parse(times.at(-1)!) + 1).toISOString();
    expect(await all({ from: middle })).toEqual([]);
    expect(await all({ to: middle })).toHaveLength(120);
    expect(await all({ from: "2020-01-01T00:00:00+02:00", to: middle, pattern: "other" })).toHaveLength(20);
    expect(await all({ to: "2020-01-01T00:00:00Z" })).toEqual([]);
  });

  test("finds an event by the id of its row, and by an eventId that is a UUID", async () => {
    const within = "uuids";
    const given = "0190a0b0-c0d0-7000-8000-00000000abcd";
    const body = [{ pattern: "a" }, { pattern: "b", eventId: given }];
    const { body: made } = await program.call("POST", path, { body, namespace: within });
    const [first, second] = made.items;
    expect(await all({ eventId: first!.id }, within)).toMatchObject([{ pattern: "a" }]);
    expect(await all({ eventId: given }, within)).toMatchObject([{ pattern: "b" }]);
    expect(await all({ eventId: second!.id }, within)).toMatchObject([{ pattern: "b" }]);
    expect(await all({ eventId: given, pattern: "a" }, within)).toEqual([]);
  });

  test.each([
    ["pattern=a..b", "/query/pattern"],
    ["pattern=%3E.a", "/query/pattern"],
    ["pattern=a.b*", "/query/pattern"],
    ["payload=%7B", "/query/payload"],
    ["from=yesterday", "/query/from"],
    ["limit=501", "/query/limit"],
    ["cursor=bm9wZQ", "/query/cursor"],
    ["colour=red", "/query/colour"],
  ])("with %s is refused at %s", async (query, pointer) => {
    const { status, body } = await program.call("GET", `${path}?${query}`, { namespace });
    expect(status).toBe(400);
    expect(body.errors[0]?.pointer).toBe(pointer);
  });

  test("ends a page with large payloads early, and goes on after them", async () => {
    const within = "large";
    const payload = "x".repeat(1_000_000);
    for (let n = 0; n < 24; n++) {
      await program.call("POST", path, { body: { eventId: String(n), pattern: "large", payload }, namespace: within });
    }
    const first = await page({ limit: 500 }, within);
    expect(first.items).toHaveLength(9);
    const found = await all({ limit: 500 }, within);
    expect(found.map(({ eventId }) => eventId)).toEqual(Array.from({ length: 24 }, (_, n) => String(23 - n)));
  });

  test("looks at 2,000 events for a page, and says where it stopped", async () => {
    const within = "bounded";
    const publish = (body: unknown) => program.call("POST", path, { body, namespace: within });
    await publish({ pattern: "rare.event", payload: { rare: true }, eventId: "rare" });
    for (let batch = 0; batch < 5; batch++) {
      await publish(Array.from({ length: 1_000 }, (_, n) => ({ pattern: `common.e${n % 10}`, payload: { n } })));
    }
    const queries: Record<string, string>[] = [{ pattern: "rare.*" }, { payload: '{"rare":true}' }];
    for (const query of queries) {
      const sizes: number[] = [];
      for (let cursor: string | null | undefined; cursor !== null; ) {
        const { items, nextCursor } = await page({ ...query, ...(cursor && { cursor }) }, within);
        sizes.push(items.length);
        cursor = nextCursor;
      }
      expect(sizes).toEqual([0, 0, 1]);
    }
    expect((await page({ pattern: "rare.event" }, within)).items).toHaveLength(1);
  });
});
