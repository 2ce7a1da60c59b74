/** Sequences in a whole program: order, ends, what is refused. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { startTestApp } from "../../../test/support/app.ts";
import { createSequenceRig, type SequenceRig, sequencesPath } from "../../../test/support/sequences.ts";
import { uuidv7 } from "../../foundation/ids.ts";

let rig: SequenceRig;

beforeAll(async () => {
  rig = createSequenceRig(await startTestApp());
});
afterAll(() => rig?.program.stop());
beforeEach(() => rig.queue("resume"));

describe("a sequence", () => {
  test("publishes its events one after the other, and is completed when the last is processed", async () => {
    const events = [1, 2, 3].map((n) => ({ pattern: "plain.series", payload: { n } }));
    const { id, status } = await rig.made({ events, metadata: { correlationId: "c-1", tags: ["a"] } });
    expect(status).toBe("in_progress");
    const ended = await rig.until(id, "completed");
    expect(rig.statuses(ended)).toEqual(["processed", "processed", "processed"]);
    expect(ended).toMatchObject({ startedAt: expect.any(String), completedAt: expect.any(String) });
    const seen = await rig.events("plain.series");
    expect(seen.map(({ payload }) => payload)).toEqual([{ n: 1 }, { n: 2 }, { n: 3 }]);
    expect(seen[0]).toMatchObject({
      eventId: `seq:${id}:1:0`,
      sourceKey: `event-sequences/${id}`,
      source: { type: "service", id, name: "a series" },
      metadata: { correlationId: "c-1", tags: ["a"], sequenceId: id, sequenceOrder: 1 },
    });
    expect(ended.events.map(({ eventId }) => eventId)).toEqual(seen.map(({ id: row }) => row));
  });

  test("publishes nothing of an order before all of the order before it is processed", async () => {
    await rig.queue("pause");
    const events = [
      { pattern: "held.series", payload: 0 },
      { pattern: "held.series", payload: 1, order: 2 },
      { pattern: "held.series", payload: 2, order: 2 },
      { pattern: "held.series", payload: 3, order: 7 },
    ];
    const { id } = await rig.made({ events });
    const held = await rig.untilMembers(id, ["published", "pending", "pending", "pending"]);
    expect(held.events[0]).toMatchObject({ waitingFor: "routing", publishedAt: expect.any(String) });
    await rig.program.app.sequenceWorker.tick();
    expect((await rig.events("held.series")).length).toBe(1);
    await rig.queue("resume");
    await rig.until(id, "completed");
    const payloads = (await rig.events("held.series")).map(({ payload }) => payload);
    expect([payloads[0], new Set(payloads.slice(1, 3)), payloads[3]]).toEqual([0, new Set([1, 2]), 3]);
  });

  test("may be made of events that were published before", async () => {
    const input = { namespace: "default", pattern: "given.one", payload: { n: 1 } };
    const published = await rig.program.app.engine.publish([{ ...input, eventId: "given-1" }, input]);
    const events = [{ eventId: "given-1" }, { eventId: published[1]!.id.toUpperCase() }, { pattern: "given.last" }];
    const { id } = await rig.made({ events });
    const ended = await rig.until(id, "completed");
    expect(ended.events.map(({ eventId, given }) => [eventId, given]).slice(0, 2)).toEqual(
      published.map((one) => [one.id, true]),
    );
    expect((await rig.events("given.one")).length).toBe(2);
  });

  test("that is not started waits for it, and is started once", async () => {
    const made = await rig.made({ sequenceId: "later", start: false, events: [{ pattern: "later.one" }] });
    expect(made.status).toBe("created");
    expect((await rig.post("later", "start")).body).toMatchObject({ id: made.id, status: "in_progress" });
    await rig.until("later", "completed");
    const { status, body } = await rig.post("later", "start");
    expect([status, body.code]).toEqual([409, "event_sequences.not_possible"]);
  });

  test("with the same sequenceId and content again is the first one, and with another is refused", async () => {
    const body = { name: "twice", sequenceId: "twice", events: [{ pattern: "twice.one" }] };
    const first = await rig.create(body);
    const again = await rig.create(body);
    expect([first.status, again.status, again.body.id]).toEqual([201, 200, first.body.id]);
    const other = await rig.create({ ...body, name: "other" });
    expect([other.status, other.body.code]).toEqual([409, "event_sequences.exists"]);
    await rig.until("twice", "completed");
    expect((await rig.events("twice.one")).length).toBe(1);
  });

  test("that is cancelled publishes nothing more", async () => {
    await rig.queue("pause");
    const { id } = await rig.made({ events: [{ pattern: "cancelled.one" }, { pattern: "cancelled.two" }] });
    await rig.untilMembers(id, ["published", "pending"]);
    const { body } = await rig.post(id, "cancel");
    expect(body).toMatchObject({ status: "cancelled", completedAt: expect.any(String) });
    await rig.queue("resume");
    await rig.program.app.sequenceWorker.tick();
    expect(rig.statuses(await rig.get(id))).toEqual(["published", "pending"]);
    expect((await rig.post(id, "resume")).status).toBe(409);
    expect((await rig.post(id, "cancel")).status).toBe(200);
  });

  test("waits while the queue takes no events", async () => {
    await rig.queue("drain");
    const { id } = await rig.made({ events: [{ pattern: "drained.one" }] });
    await rig.program.app.sequenceWorker.tick();
    expect(rig.statuses(await rig.get(id))).toEqual(["pending"]);
    await rig.queue("resume");
    await rig.until(id, "completed");
  });

  test("passes over a member that somebody skips, before or after it is published", async () => {
    await rig.queue("pause");
    const { id } = await rig.made({ events: ["skip.a", "skip.b", "skip.c"].map((pattern) => ({ pattern })) });
    await rig.untilMembers(id, ["published", "pending", "pending"]);
    await rig.post(id, "skip", { position: 1 });
    await rig.post(id, "skip", { position: 0 });
    await rig.untilMembers(id, ["skipped", "skipped", "published"]);
    const { status, body } = await rig.post(id, "skip", { position: 0 });
    expect([status, body.code]).toEqual([409, "event_sequences.not_possible"]);
    await rig.queue("resume");
    await rig.until(id, "completed");
    expect(await rig.events("skip.b")).toEqual([]);
  });
});

describe("sequences", () => {
  test("are listed newest first, by status, correlation and cause, page by page", async () => {
    const metadata = { correlationId: "listed", causationId: "cause" };
    const ids: string[] = [];
    for (const start of [true, false, false]) {
      ids.unshift((await rig.made({ start, metadata, events: [{ pattern: "listed.one" }] })).id);
    }
    const list = async (query: string) => (await rig.program.call("GET", `${sequencesPath}?${query}`)).body;
    const first = await list("correlationId=listed&limit=2");
    expect(first.items.map(({ id }) => id)).toEqual(ids.slice(0, 2));
    expect(first.items[0]).not.toHaveProperty("events");
    const next = await list(`correlationId=listed&limit=2&cursor=${first.nextCursor}`);
    expect([next.items.map(({ id }) => id), next.nextCursor]).toEqual([ids.slice(2), null]);
    expect((await list("causationId=cause&status=created")).items.map(({ id }) => id)).toEqual(ids.slice(0, 2));
    expect((await list("correlationId=listed&status=cancelled")).items).toEqual([]);
  });

  test("of other namespaces, and such as there are none, answer 404", async () => {
    const { id } = await rig.made({ start: false, events: [{ pattern: "hidden.one" }] });
    for (const [name, namespace] of [
      [id, "elsewhere"],
      [uuidv7(Date.now()), undefined],
      ["nobody", undefined],
    ] as const) {
      for (const [method, rest] of [
        ["GET", ""],
        ...["start", "cancel", "resume", "retry", "skip", "fail"].map((verb) => ["POST", `/${verb}`] as const),
      ] as const) {
        const { status, body } = await rig.program.call(method, `${sequencesPath}/${name}${rest}`, { namespace });
        expect([status, body.code]).toEqual([404, "event_sequences.not_found"]);
      }
    }
  });

  const one = { pattern: "a.b" };
  test.each([
    [{ events: [] }, "/events"],
    [{ events: [{}] }, "/events/0"],
    [{ events: [{ eventId: "a", pattern: "a.b" }] }, "/events/0"],
    [{ events: [one, { eventId: "a", payload: 1 }] }, "/events/1/payload"],
    [{ events: [{ eventId: "nobody" }] }, "/events/0/eventId"],
    [{ events: [{ pattern: "a.*" }] }, "/events/0/pattern"],
    [{ events: [{ pattern: "a..b" }] }, "/events/0/pattern"],
    [{ events: [{ ...one, order: 0 }] }, "/events/0/order"],
    [{ events: [one], rollbackStrategy: { type: "manual", maxRetries: 1 } }, "/rollbackStrategy/maxRetries"],
    [{ events: [one], rollbackStrategy: { type: "compensating_events" } }, "/rollbackStrategy"],
    [
      {
        events: [one],
        rollbackStrategy: { type: "compensating_events", compensatingEvents: [{ payloadTemplate: 1 }] },
      },
      "/rollbackStrategy/compensatingEvents/0",
    ],
    [
      {
        events: [one],
        rollbackStrategy: {
          type: "compensating_events",
          compensatingEvents: [{ pattern: "a.undo", payloadTemplate: { x: "${input.x}" } }],
        },
      },
      "/rollbackStrategy/compensatingEvents/0/payloadTemplate",
    ],
    [
      {
        events: [one],
        rollbackStrategy: {
          type: "compensating_events",
          compensatingEvents: [{ pattern: "a.undo", payloadTemplate: { x: "${events[}" } }],
        },
      },
      "/rollbackStrategy/compensatingEvents/0/payloadTemplate/x",
    ],
  ])("as %j are refused at %s", async (body, pointer) => {
    const answer = await rig.create({ name: "wrong", ...body });
    expect([answer.status, answer.body.errors[0]?.pointer], JSON.stringify(answer.body)).toEqual([400, pointer]);
  });
});
