/** Sequences over crashes, and between nodes. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { startTestApp } from "../../../test/support/app.ts";
import { createSequenceRig, type SequenceRig } from "../../../test/support/sequences.ts";
import type { EventInput } from "../../engine/index.ts";
import type { Database } from "../../foundation/database/index.ts";
import { AppError } from "../../foundation/errors.ts";
import { uuidv7 } from "../../foundation/ids.ts";
import { silentLogger } from "../../foundation/log.ts";
import { queueErrors } from "../queue/errors.ts";
import { createSequenceWorker, type SequenceWorker, type SequenceWorkerOptions } from "./loops.ts";

let rig: SequenceRig;
const table = "event_processing_service.event_sequences";

beforeAll(async () => {
  rig = createSequenceRig(await startTestApp());
  // The tests' own workers do the work.
  await rig.program.app.sequenceWorker.stop();
});
afterAll(() => rig?.program.stop());
beforeEach(() => rig.queue("resume"));

/** A worker as one of another node. */
function anotherWorker(more: Partial<SequenceWorkerOptions> = {}): SequenceWorker {
  const { db, engine } = rig.program.app;
  const own = { ...engine, nodeId: uuidv7(Date.now()) };
  const publish = (events: EventInput[]) => engine.publish(events);
  return createSequenceWorker({ db, engine: own, log: silentLogger, publish, keepMs: 86_400_000, ...more });
}

/** Makes everything due, now. */
function due(): Promise<unknown> {
  return rig.program.app.db.unnamed(`update ${table} set next_look_at = now() where status = 'in_progress'`);
}

async function untilEnded(worker: SequenceWorker, id: string): Promise<void> {
  await expect
    .poll(
      async () => {
        await due();
        await worker.tick();
        return (await rig.get(id)).status;
      },
      { timeout: 10_000 },
    )
    .not.toBe("in_progress");
}

describe("a node that dies", () => {
  test("after it published and before it recorded that, is followed by one that publishes nothing twice", async () => {
    const { id } = await rig.made({ events: [{ pattern: "twice.a" }, { pattern: "twice.b" }] });
    const { engine } = rig.program.app;
    const dying = anotherWorker({
      async publish(events) {
        await engine.publish(events);
        throw new Error("the node dies");
      },
    });
    await dying.tick();
    expect(rig.statuses(await rig.get(id))).toEqual(["pending", "pending"]);
    expect((await rig.events("twice.a")).length).toBe(1);
    await untilEnded(anotherWorker(), id);
    expect((await rig.get(id)).status).toBe("completed");
    expect([(await rig.events("twice.a")).length, (await rig.events("twice.b")).length]).toEqual([1, 1]);
  });

  test("leaves a claim that holds until it runs out", async () => {
    const { id } = await rig.made({ events: [{ pattern: "claimed.a" }] });
    const claim = (until: string) =>
      rig.program.app.db.unnamed(`update ${table} set claimed_by = $2, claimed_until = ${until} where id = $1`, [
        ...[id, uuidv7(Date.now())],
      ]);
    await claim("now() + interval '1 minute'");
    const worker = anotherWorker();
    await worker.tick();
    expect(rig.statuses(await rig.get(id))).toEqual(["pending"]);
    await claim("now() - interval '1 second'");
    await untilEnded(worker, id);
  });
});

test("nodes side by side publish each event once", async () => {
  const ids: string[] = [];
  for (let n = 0; n < 60; n++) {
    const events = [{ pattern: "shared.a" }, { pattern: "shared.b", order: 2 }, { pattern: "shared.c", order: 2 }];
    ids.push((await rig.made({ events })).id);
  }
  const workers = [anotherWorker(), anotherWorker(), anotherWorker()];
  await expect
    .poll(
      async () => {
        await due();
        await Promise.all(workers.map((worker) => worker.tick()));
        return (await Promise.all(ids.map((id) => rig.get(id)))).filter(({ status }) => status === "completed").length;
      },
      { timeout: 30_000 },
    )
    .toBe(60);
  for (const pattern of ["shared.a", "shared.b", "shared.c"]) expect((await rig.events(pattern)).length).toBe(60);
}, 60_000);

test("what a person decides while a node publishes stands, and what was published is noted", async () => {
  const { id } = await rig.made({ events: [{ pattern: "raced.a" }, { pattern: "raced.b" }] });
  const { engine } = rig.program.app;
  const worker = anotherWorker({
    async publish(events) {
      expect((await rig.post(id, "cancel")).status).toBe(200);
      return await engine.publish(events);
    },
  });
  await worker.tick();
  const cancelled = await rig.get(id);
  expect(cancelled.status).toBe("cancelled");
  expect(rig.statuses(cancelled)).toEqual(["published", "pending"]);
  expect(cancelled.events[0]!.eventId).toBe((await rig.events("raced.a"))[0]!.id);
});

test("a refusal that passes is no failure, and one that does not fails the member that it is about", async () => {
  const { id } = await rig.made({
    events: [
      { pattern: "refused.a", required: false },
      { pattern: "refused.b", order: 1 },
    ],
  });
  const { engine } = rig.program.app;
  await anotherWorker({ publish: () => Promise.reject(queueErrors.full("full")) }).tick();
  expect(rig.statuses(await rig.get(id))).toEqual(["pending", "pending"]);
  const choosy = anotherWorker({
    async publish(events) {
      if (events.some(({ pattern }) => pattern === "refused.a")) {
        throw new AppError({ code: "events.unknown", kind: "invalid", status: 400, summary: "" }, "nobody knows it");
      }
      return await engine.publish(events);
    },
  });
  await untilEnded(choosy, id);
  const ended = await rig.get(id);
  expect([ended.status, ...rig.statuses(ended)]).toEqual(["completed", "failed", "processed"]);
  expect(ended.events[0]!.error).toMatchObject({ code: "PUBLISH_FAILED", message: "nobody knows it" });
  const setAside = await rig.made({ events: [{ pattern: "aside.a" }] });
  await untilEnded(anotherWorker({ publish: async (events) => events.map(() => ({})) }), setAside.id);
  expect((await rig.get(setAside.id)).error).toMatchObject({ message: expect.stringContaining("dead letter") });
});

test("a node without open sequences sends one statement for each look, and removes old ones once an hour", async () => {
  await rig.program.app.db.unnamed(
    `update ${table} set status = 'cancelled', completed_at = now() where status = 'in_progress'`,
  );
  const { db } = rig.program.app;
  const sent: string[] = [];
  const counting = new Proxy(db, {
    get(target, name: keyof Database) {
      const member = target[name];
      if (typeof member !== "function") return member;
      return (...values: [{ name: string }]) => {
        sent.push(values[0].name);
        return Reflect.apply(member, target, values);
      };
    },
  });
  const worker = anotherWorker({ db: counting });
  await worker.tick();
  await worker.tick();
  expect(sent).toEqual(["events.claim_sequences", "events.remove_old_sequences", "events.claim_sequences"]);
});

test("sequences that ended long ago are removed with their members", async () => {
  const { id } = await rig.made({ start: false, events: [{ pattern: "old.a" }] });
  await rig.post(id, "cancel");
  const { db } = rig.program.app;
  await db.unnamed(`update ${table} set completed_at = now() - interval '2 days' where id = $1`, [id]);
  await anotherWorker().tick();
  expect((await rig.post(id, "start")).status).toBe(404);
});
