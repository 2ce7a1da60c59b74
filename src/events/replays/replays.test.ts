import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { createSubscribersRig, type SubscribersRig } from "../../../test/support/subscribers.ts";
import { uuidv7 } from "../../foundation/ids.ts";

const base = "/api/v1/replays";

let rig: SubscribersRig;

beforeAll(async () => {
  rig = await createSubscribersRig();
});
afterAll(() => rig.stop());
beforeEach(() => {
  rig.asked.routedAgain.length = 0;
});

const day = (n: number) => `2026-01-0${n}T00:00:00.000Z`;
const post = (body: unknown, namespace: string) => rig.call("POST", base, { body, namespace });
const get = async (id: string, namespace: string) => (await rig.call("GET", `${base}/${id}`, { namespace })).body;

describe("a replay", () => {
  test("routes the events of a pattern, a time and a filter again, and says how far it is", async () => {
    const namespace = "some";
    const put = (pattern: string, total: number, n: number) =>
      rig.event({ namespace, pattern, payload: { total }, acceptedAt: day(n) });
    const wanted = [await put("orders.a.paid", 200, 2), await put("orders.b.paid", 300, 3)];
    await put("orders.a.paid", 200, 1);
    await put("orders.a.paid", 200, 5);
    await put("orders.a.paid", 5, 3);
    await put("orders.paid", 500, 3);
    await rig.event({ namespace: "other", pattern: "orders.a.paid", payload: { total: 500 }, acceptedAt: day(3) });
    const body = { eventPattern: "orders.*.paid", from: day(2), to: day(5), filter: "event.payload.total > 100" };
    expect((await post({ ...body, dryRun: true }, namespace)).body).toEqual({ found: 2, complete: true });
    expect(rig.asked.routedAgain).toEqual([]);
    const targets = [uuidv7(0)];
    const answer = await post({ ...body, targets }, namespace);
    expect([answer.status, answer.body.status]).toEqual([202, "running"]);
    const { id } = answer.body;
    expect(answer.headers.get("location")).toBe(`${base}/${id}`);
    await rig.subscribers.replays.tick();
    expect(rig.asked.routedAgain).toEqual(wanted.map((one) => ({ namespace, id: one, replayId: id, targets })));
    expect(await get(id, namespace)).toMatchObject({
      status: "completed",
      found: 3,
      replayed: 2,
      requestedBy: "tester",
      completedAt: expect.any(String),
    });
  });

  test("of one name goes page by page to all that it fits, and takes nothing that is accepted later", async () => {
    const namespace = "pages";
    const values: string[] = [];
    for (let n = 0; n < 1_200; n++) values.push(uuidv7(Date.parse(day(2)) + n));
    await rig.db.unnamed(
      `insert into event_processing_service.event_instances
         (shard, id, namespace, event_id, pattern, "timestamp", payload, accepted_at)
       select 1, id, $1, id::text, 'a.b', now(), '{}', '2026-01-02T00:00:00Z' from unnest($2::uuid[]) id`,
      [namespace, values],
    );
    const { id } = (await post({ eventPattern: "a.b", from: day(1) }, namespace)).body;
    await rig.event({ namespace, pattern: "a.b" });
    await rig.subscribers.replays.tick();
    expect(rig.asked.routedAgain.map((one) => one.id)).toEqual(values);
    expect(rig.asked.routedAgain[0]).not.toHaveProperty("targets");
    expect(await get(id, namespace)).toMatchObject({ found: 1_200, replayed: 1_200 });
  });

  test("that was interrupted goes on after the last page that was recorded, on one node only", async () => {
    const namespace = "crash";
    const ids: string[] = [];
    for (let n = 0; n < 10; n++) ids.push(await rig.event({ namespace, pattern: "a", acceptedAt: day(2) }));
    ids.sort();
    const { id } = (await post({ eventPattern: ">", from: day(1) }, namespace)).body;
    await rig.db.unnamed(
      `update event_processing_service.event_replays set cursor = $2, found = 4, replayed = 4, claimed_by = $1,
         claimed_until = now() + interval '1 hour' where id = $1`,
      [id, ids[3]],
    );
    await rig.subscribers.replays.tick();
    expect(rig.asked.routedAgain).toEqual([]);
    await rig.db.unnamed("update event_processing_service.event_replays set claimed_until = now() where id = $1", [id]);
    const other = rig.another();
    await Promise.all([rig.subscribers.replays.tick(), other.replays.tick()]);
    expect(rig.asked.routedAgain.map((one) => one.id)).toEqual(ids.slice(4));
    expect(await get(id, namespace)).toMatchObject({ status: "completed", found: 10, replayed: 10 });
    await other.stop();
  });

  test("is cancelled where it stands", async () => {
    const namespace = "cancel";
    await rig.event({ namespace, acceptedAt: day(2) });
    const { id } = (await post({ eventPattern: ">", from: day(1) }, namespace)).body;
    const cancel = () => rig.call("POST", `${base}/${id}/cancel`, { namespace });
    expect((await cancel()).body.status).toBe("cancelled");
    await rig.subscribers.replays.tick();
    expect(rig.asked.routedAgain).toEqual([]);
    const again = await cancel();
    expect([again.status, again.body.code]).toEqual([409, "replays.replay_ended"]);
  });

  test("is listed, the newest first, and found in its namespace only", async () => {
    const namespace = "listed";
    const ids: string[] = [];
    for (let n = 0; n < 3; n++) ids.push((await post({ eventPattern: "a", from: day(1) }, namespace)).body.id);
    const first = await rig.call("GET", `${base}?limit=2`, { namespace });
    expect(first.body.items.map(({ id }) => id)).toEqual([ids[2], ids[1]]);
    const next = await rig.call("GET", `${base}?cursor=${first.body.nextCursor}`, { namespace });
    expect(next.body.items.map(({ id }) => id)).toEqual([ids[0]]);
    for (const [ref, where] of [
      [ids[0], "elsewhere"],
      ["nope", namespace],
      [uuidv7(0), namespace],
    ] as const) {
      expect((await rig.call("GET", `${base}/${ref}`, { namespace: where })).status).toBe(404);
      expect((await rig.call("POST", `${base}/${ref}/cancel`, { namespace: where })).status).toBe(404);
    }
  });

  test.each([
    [{ eventPattern: "a..b" }, "/eventPattern"],
    [{ filter: "steps.a" }, "/filter"],
    [{ from: "2126-01-01T00:00:00Z" }, "/from"],
    [{ to: "2020-01-01T00:00:00Z" }, "/from"],
    [{ from: "0000-01-01T00:00:00Z" }, "/from"],
    [{ from: "yesterday" }, "/from"],
    [{ targets: ["x"] }, "/targets/0"],
  ])("as %j is refused at %s", async (given, pointer) => {
    const { status, body } = await post({ eventPattern: "a", from: day(1), ...given }, "wrong");
    expect([status, body.errors[0]?.pointer]).toEqual([400, pointer]);
  });
});
