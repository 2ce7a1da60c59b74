import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type BulkRig, bulkPath, bulkTable, createBulkRig } from "../../../../test/support/bulk.ts";
import { instancesPath } from "../../../../test/support/instances.ts";
import type { Engine } from "../../../engine/index.ts";
import { uuidv7 } from "../../../foundation/ids.ts";
import { silentLogger } from "../../../foundation/log.ts";
import { type BulkWorker, createBulkWorker } from "../loops.ts";
import { createBulk } from "./operations.ts";
import { bulkWishOf } from "./request.ts";

let rig: BulkRig;

beforeAll(async () => {
  rig = await createBulkRig();
  // The tests' own workers do the work.
  await rig.program.app.bulkWorker.stop();
});
afterAll(() => rig.program.stop());

/** A worker beside the program's own, as one of another node. */
function anotherWorker(more: Partial<Engine> = {}): BulkWorker {
  const { db, engine, instances } = rig.program.app;
  const own = { ...engine, nodeId: uuidv7(Date.now()), ...more };
  return createBulkWorker({ db, engine: own, log: silentLogger, load: instances.load }, { keepMs: 86_400_000 });
}

/** An operation in the hands of a node that never comes back. No worker sees it before it is. */
async function abandoned(body: {
  action: "cancel" | "restart" | "skip";
  stepId?: string;
  filter: { correlationId: string };
}): Promise<string> {
  const { db, engine } = rig.program.app;
  const wish = { ...bulkWishOf(body), namespace: "default", requestedBy: "test" };
  return await db.transaction(async (tx) => {
    const { operationId } = await createBulk({ db: tx, engine }, wish);
    const text = `update ${bulkTable} set claimed_by = $2, claimed_until = now() + interval '1 hour' where id = $1`;
    await tx.unnamed(text, [operationId, uuidv7(Date.now())]);
    return operationId;
  });
}

/** What the node that went away had recorded; its claim has run out unless it is to hold. */
function leave(id: string, recorded: string, { held = false } = {}): Promise<unknown> {
  const claim = held ? "claimed_until" : "now() - interval '1 second'";
  return rig.program.app.db.unnamed(`update ${bulkTable} set claimed_until = ${claim}, ${recorded} where id = $1`, [
    id,
  ]);
}

const nothing = "cursor = null";

describe("after a node has gone away", () => {
  test("leaves instances alone that are started after it", async () => {
    await rig.startSome(1, "before");
    const worker = anotherWorker();
    const id = await abandoned({ action: "cancel", filter: { correlationId: "before" } });
    await rig.startSome(1, "other");
    const late = await rig.calls.start("waiting", {}, { correlationId: "before" });
    await leave(id, nothing);
    await worker.tick();
    await rig.completed(id);
    expect((await rig.calls.get(late)).status).not.toBe("CANCELLED");
    await rig.statusesBecome("before", { CANCELLED: 1, WAITING_FOR_EVENT: 1 });
  });

  test("its claim holds until it runs out; then another node goes on after the cursor", async () => {
    const ids = await rig.startSome(10, "resumed");
    const id = await abandoned({ action: "cancel", filter: { correlationId: "resumed" } });
    const worker = anotherWorker();
    await worker.tick();
    expect(await rig.progress(id)).toMatchObject({ status: "running", matched: 10, done: 0 });

    // It had recorded a page of four.
    await leave(id, `cursor = '${ids[3]}', done = 4, succeeded = 4`);
    await worker.tick();
    expect(await rig.completed(id)).toMatchObject({ done: 10, succeeded: 10, failed: 0 });
    await rig.statusesBecome("resumed", { WAITING_FOR_EVENT: 4, CANCELLED: 6 });
  });

  test("what it did and could not record is asked for again, and counts as done", async () => {
    const ids = await rig.startSome(5, "again");
    const id = await abandoned({ action: "cancel", filter: { correlationId: "again" } });
    for (const one of ids.slice(0, 2)) await rig.calls.post(one, "cancel", { reason: `Bulk operation ${id}` });
    for (const one of ids.slice(0, 2)) await rig.calls.untilItIs("CANCELLED", one);
    await leave(id, nothing);
    await anotherWorker().tick();
    expect(await rig.completed(id)).toMatchObject({ done: 5, succeeded: 5, failed: 0 });
    await rig.statusesBecome("again", { CANCELLED: 5 });
  });

  test("no instance is skipped twice: those that it had in hand are told as unknown", async () => {
    const ids = await rig.startSome(6, "skipped");
    const id = await abandoned({ action: "skip", stepId: "wait", filter: { correlationId: "skipped" } });
    await leave(id, `in_hand = array['${ids[0]}', '${ids[1]}']::uuid[]`);
    await anotherWorker().tick();
    const body = await rig.completed(id);
    expect(body).toMatchObject({ matched: 6, done: 6, succeeded: 4, failed: 2 });
    expect(body.failures).toMatchObject(
      ids.slice(0, 2).map((instanceId) => ({ instanceId, problem: { code: "instances.outcome_unknown" } })),
    );
  });

  test("each instance is restarted once, though its page is repeated", async () => {
    const ids = await rig.startSome(6, "once");
    const id = await abandoned({ action: "restart", filter: { correlationId: "once" } });
    for (const instanceId of ids.slice(0, 2)) {
      const what = { namespace: "default", instanceId, requestedBy: "before", fromStepId: "wait" };
      await rig.program.app.engine.restart({ ...what, idempotencyKey: `bulk ${id} ${instanceId}` });
    }
    await leave(id, nothing);
    await anotherWorker().tick();
    expect(await rig.completed(id)).toMatchObject({ matched: 6, done: 6, succeeded: 6, failed: 0 });
    const { body: list } = await rig.program.call("GET", `${instancesPath}?definitionId=waiting&limit=20`);
    const origins = await Promise.all(list.items.map(async (item) => (await rig.calls.get(item.id)).originInstanceId));
    expect(origins.filter((origin) => ids.includes(String(origin))).sort()).toEqual([...ids].sort());
  });

  test("two nodes never work on one operation at a time", async () => {
    await rig.startSome(300, "shared");
    const filter = { correlationId: "shared" };
    const id = await abandoned({ action: "restart", filter });
    await leave(id, nothing);
    const workers = [anotherWorker(), anotherWorker(), anotherWorker()];
    await Promise.all(workers.map((worker) => worker.tick()));
    expect(await rig.completed(id)).toMatchObject({ done: 300, succeeded: 300, failed: 0 });
  });
});

describe("a cancelled operation", () => {
  test("acts on nothing more, keeps its counts, and cannot be cancelled again", async () => {
    const ids = await rig.startSome(8, "stopped");
    const id = await abandoned({ action: "cancel", filter: { correlationId: "stopped" } });
    await leave(id, `cursor = '${ids[2]}', done = 3, succeeded = 3`, { held: true });
    const { status, body } = await rig.program.call("POST", `${bulkPath}/${id}/cancel`);
    expect(status).toBe(200);
    expect(body).toMatchObject({ id, status: "cancelled", done: 3, completedAt: expect.any(String) });
    const again = await rig.program.call("POST", `${bulkPath}/${id}/cancel`);
    expect([again.status, again.body.code]).toEqual([409, "instances.bulk_ended"]);
    await leave(id, "status = status");
    await anotherWorker().tick();
    expect(await rig.progress(id)).toEqual(body);
    expect(await rig.statusesOf("stopped")).toEqual({ WAITING_FOR_EVENT: 8 });
  });

  test("is left by its worker after what that had in hand", async () => {
    await rig.startSome(350, "midway");
    const id = await abandoned({ action: "cancel", filter: { correlationId: "midway" } });
    await leave(id, nothing);
    const { engine } = rig.program.app;
    let acted = 0;
    const worker = anotherWorker({
      async cancel(request) {
        if (acted++ === 0) await rig.program.call("POST", `${bulkPath}/${id}/cancel`);
        return await engine.cancel(request);
      },
    });
    await worker.tick();
    expect(await rig.progress(id)).toMatchObject({ status: "cancelled", matched: 350, done: 200, succeeded: 200 });
    expect(acted).toBe(200);
    await rig.statusesBecome("midway", { CANCELLED: 200, WAITING_FOR_EVENT: 150 });
  });
});

describe("a worker", () => {
  test("begins a small operation while a large one is under way", async () => {
    await rig.startSome(30, "large");
    await rig.startSome(1, "small");
    const large = await abandoned({ action: "cancel", filter: { correlationId: "large" } });
    const small = await abandoned({ action: "cancel", filter: { correlationId: "small" } });
    await leave(large, nothing);
    const { engine } = rig.program.app;
    const { promise: gate, resolve: open } = Promise.withResolvers<void>();
    const { promise: begun, resolve: begin } = Promise.withResolvers<void>();
    const worker = anotherWorker({
      async cancel(request) {
        begin();
        if (request.reason.endsWith(large)) await gate;
        return await engine.cancel(request);
      },
    });
    worker.start();
    await begun;
    await leave(small, nothing);
    worker.wake();
    expect(await rig.completed(small)).toMatchObject({ succeeded: 1 });
    expect(await rig.progress(large)).toMatchObject({ status: "running", done: 0 });
    open();
    expect(await rig.completed(large)).toMatchObject({ succeeded: 30 });
    await worker.stop();
  });

  test("forgets operations that have ended long ago", async () => {
    const id = await rig.accepted({ action: "cancel", filter: { correlationId: "nobody has this" } });
    const recent = await rig.accepted({ action: "cancel", filter: { correlationId: "nobody has this" } });
    const text = `update ${bulkTable} set completed_at = now() - interval '25 hours' where id = $1`;
    await rig.program.app.db.unnamed(text, [id]);
    await anotherWorker().tick();
    expect((await rig.program.call("GET", `${bulkPath}/${id}`)).status).toBe(404);
    expect((await rig.program.call("GET", `${bulkPath}/${recent}`)).status).toBe(200);
  });
});

describe("a worker that stops", () => {
  test("records what it has begun, and leaves the rest to others at once", async () => {
    await rig.startSome(100, "stopping");
    const id = await abandoned({ action: "restart", filter: { correlationId: "stopping" } });
    await leave(id, nothing);
    const { engine } = rig.program.app;
    let stopped: Promise<void> | undefined;
    let acted = 0;
    const worker = anotherWorker({
      async restart(request) {
        if (++acted === 5) stopped = worker.stop();
        return await engine.restart(request);
      },
    });
    await worker.tick();
    await stopped;
    expect(acted).toBeLessThan(50);
    const left = await rig.progress(id);
    expect(left).toMatchObject({ done: acted, succeeded: acted, failed: 0 });
    await anotherWorker().tick();
    expect(await rig.completed(id)).toMatchObject({ done: 100, succeeded: 100, failed: 0 });
  });
});
