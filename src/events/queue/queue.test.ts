/** The queue of a whole program: what is accepted, routed, counted and refused. */
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type Answer, startTestApp, type TestApp } from "../../../test/support/app.ts";
import { AppError } from "../../foundation/errors.ts";
import { silentLogger } from "../../foundation/log.ts";
import { createGate } from "./gate.ts";
import { createQueueKeeper } from "./loops.ts";
import { lookAtQueue } from "./operations.ts";

let program: TestApp;

beforeAll(async () => {
  program = await startTestApp();
});
afterAll(() => program?.stop());

const path = "/api/v1/events/queue";
const usual = {
  maxQueueDepth: 10_000,
  highWatermark: 8_000,
  batchSize: 100,
  processingInterval: 1_000,
  persistenceThreshold: 500,
};

/** The gate remembers for 100 ms what it let in: what the test before published would count in this one. */
const rememberedMs = 150;

beforeEach(async () => {
  await sleep(rememberedMs);
  await program.call("PATCH", path, { body: usual });
  await program.call("POST", `${path}/resume`);
});

interface Queue {
  status: string;
  depth: number;
  metrics: { totalProcessed: number; totalErrors: number; avgProcessingTimeMs: number };
}

async function queue(): Promise<Queue & Answer["body"]> {
  const { status, body } = await program.call("GET", path);
  expect(status).toBe(200);
  return body as Queue & Answer["body"];
}

/** As a producer does. Gives the ids of the events. */
async function publish(count: number): Promise<string[]> {
  await program.app.gate.admit("default", count);
  const events = Array.from({ length: count }, (_, n) => ({
    namespace: "default",
    pattern: "queue.test",
    payload: { n },
  }));
  return (await program.app.engine.publish(events)).map(({ id }) => id);
}

async function refusalOf(work: Promise<unknown>): Promise<AppError> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(AppError);
  return error as AppError;
}

const untilRouted = () => expect.poll(async () => (await queue()).depth, { timeout: 10_000 }).toBe(0);

describe("the queue", () => {
  test("counts what was routed, exactly, and tells the last event", async () => {
    const before = (await queue()).metrics.totalProcessed;
    const ids = await publish(25);
    await untilRouted();
    const after = await queue();
    expect(after.metrics.totalProcessed - before).toBe(25);
    expect(after.metrics.avgProcessingTimeMs).toBeGreaterThanOrEqual(0);
    expect(ids).toContain(after.checkpointId);
    expect(after).toMatchObject({ id: "main-queue", status: "active", depth: 0, config: usual });
  });

  test("that is paused routes nothing and accepts events; resumed, it routes them", async () => {
    const { body: paused } = await program.call("POST", `${path}/pause`);
    expect(paused).toMatchObject({ status: "paused", changedBy: "admin-setting" });
    const before = (await queue()).metrics.totalProcessed;
    await publish(7);
    expect(await queue()).toMatchObject({
      status: "paused",
      depth: 7,
      metrics: { totalProcessed: before },
      oldestAcceptedAt: expect.any(String),
      oldestWaitingMs: expect.any(Number),
    });
    await program.call("POST", `${path}/resume`);
    await untilRouted();
    expect(await queue()).toMatchObject({ status: "active", metrics: { totalProcessed: before + 7 } });
  });

  test("that is drained refuses events, routes those that wait, and says when it is done", async () => {
    await program.call("POST", `${path}/pause`);
    await publish(5);
    const { body } = await program.call("POST", `${path}/drain`);
    expect(["draining", "drained"]).toContain(body.status);
    const refusal = await refusalOf(publish(1));
    expect([refusal.code, refusal.status, refusal.retryAfterMs]).toEqual(["event_queue.draining", 429, 5_000]);
    await expect.poll(async () => (await queue()).status, { timeout: 10_000 }).toBe("drained");
    await program.call("POST", `${path}/resume`);
    await publish(1);
  });

  test("at its maximum refuses with the time to wait, and takes events again below the watermark", async () => {
    await program.call("POST", `${path}/pause`);
    await program.call("PATCH", path, { body: { maxQueueDepth: 20, highWatermark: 10 } });
    await publish(9);
    const slowedFrom = performance.now();
    await publish(11);
    await publish(1).catch(() => undefined);
    expect(performance.now() - slowedFrom).toBeLessThan(1_000);
    const refusal = await refusalOf(publish(1));
    expect([refusal.code, refusal.status, refusal.retryAfterMs]).toEqual(["event_queue.full", 429, 1_000]);
    const { depth } = await queue();
    expect(depth).toBe(20);
    await program.call("POST", `${path}/resume`);
    await untilRouted();
    await expect
      .poll(
        () =>
          publish(1).then(
            () => "accepted",
            () => "refused",
          ),
        { timeout: 5_000 },
      )
      .toBe("accepted");
  });

  test("tells producers over HTTP when to come back, whether it is full or drained", async () => {
    const post = () => program.call("POST", "/api/v1/events", { body: { pattern: "queue.http", payload: 1 } });
    await program.call("POST", `${path}/pause`);
    await program.call("PATCH", path, { body: { maxQueueDepth: 1, highWatermark: 1 } });
    expect((await post()).status).toBe(202);
    const full = await post();
    expect([full.status, full.body.code, full.headers.get("retry-after")]).toEqual([429, "event_queue.full", "1"]);
    await program.call("POST", `${path}/drain`);
    const drained = await post();
    expect([drained.status, drained.body.code, drained.headers.get("retry-after")]).toEqual([
      ...[429, "event_queue.draining", "5"],
    ]);
  });

  test("above its watermark slows producers by 50 to 100 ms", async () => {
    await program.call("POST", `${path}/pause`);
    await program.call("PATCH", path, { body: { maxQueueDepth: 20, highWatermark: 2 } });
    await publish(2);
    const fromMs = performance.now();
    await program.app.gate.admit("default", 1);
    expect(performance.now() - fromMs).toBeGreaterThanOrEqual(45);
  });

  test("never passes its maximum by more than a batch, however fast one node's producers are", async () => {
    await program.call("POST", `${path}/pause`);
    await program.call("PATCH", path, { body: { maxQueueDepth: 100, highWatermark: 50 } });
    await Promise.all(Array.from({ length: 60 }, () => publish(7).catch(() => undefined)));
    const { depth } = await queue();
    expect(depth).toBeGreaterThanOrEqual(100);
    expect(depth).toBeLessThan(107);
  });

  test.each([
    [{ maxQueueDepth: 5 }, "/highWatermark"],
    [{ highWatermark: 10_001 }, "/highWatermark"],
    [{ maxQueueDepth: 0 }, "/maxQueueDepth"],
    [{ colour: "red" }, "/colour"],
  ])("with the settings %j is refused at %s", async (body, pointer) => {
    const answer = await program.call("PATCH", path, { body });
    expect([answer.status, answer.body.errors[0]?.pointer]).toEqual([400, pointer]);
    expect((await queue()).config).toEqual(usual);
  });
});

describe("checkpoints", () => {
  test("say how far routing was, newest first, page by page", async () => {
    const ids = await publish(3);
    await untilRouted();
    const made = await program.call("POST", `${path}/checkpoint`);
    expect(made.status).toBe(201);
    expect(made.body).toMatchObject({ queueId: "main-queue", reason: "asked", eventCount: expect.any(Number) });
    expect(ids).toContain(made.body.checkpointId);
    await program.call("POST", `${path}/pause`);
    const first = await program.call("GET", `${path}/checkpoints?limit=1`);
    expect(first.body.items).toMatchObject([{ reason: "paused" }]);
    const next = await program.call("GET", `${path}/checkpoints?limit=1&cursor=${first.body.nextCursor}`);
    expect(next.body.items).toEqual([made.body]);
  });

  test("are made when a node stops that let events in, and by no other", async () => {
    const { db, engine } = program.app;
    const gate = createGate({ look: () => lookAtQueue({ db, engine }), log: silentLogger });
    const count = async () => (await program.call("GET", `${path}/checkpoints?limit=500`)).body.items.length;
    const before = await count();
    await createQueueKeeper({ db, engine, gate, log: silentLogger }).stop();
    expect(await count()).toBe(before);
    await gate.admit("default", 1);
    await createQueueKeeper({ db, engine, gate, log: silentLogger }).stop();
    const { body } = await program.call("GET", `${path}/checkpoints?limit=1`);
    expect([await count(), body.items[0]]).toEqual([before + 1, expect.objectContaining({ reason: "stopped" })]);
  });
});

describe("the counting", () => {
  const table = "event_processing_service.event_queue_state";
  const idOf = (ago: string) => `workflow_orchestrator_service.uuid_floor(now() - interval '${ago}')`;

  /** The queue as it was some time ago, with nothing counted. */
  async function forgetSince(ago: string): Promise<void> {
    const text = `update ${table} set counted_until = ${idOf(ago)}, sampled_at = now() - interval '10 seconds',
      queue_metrics = '{"totalProcessed": 0, "totalErrors": 0, "avgProcessingTimeMs": 0}'`;
    await program.app.db.unnamed(text);
  }

  test("counts what is long routed once and for good, and the rest each time", async () => {
    const { db } = program.app;
    await publish(4);
    await untilRouted();
    await forgetSince("10 minutes");
    const { metrics: before } = await queue();
    const columns = 'shard, id, namespace, event_id, pattern, payload, accepted_at, "timestamp"';
    const old =
      "from generate_series(1, 5) n cross join lateral (select (left(uuid::text, 35) || n)::uuid id from (select";
    await db.unnamed(`with made as (
        insert into event_processing_service.event_instances (${columns})
        select n, id, 'default', id::text, 'old.one', '{}', now() - interval '5 minutes', now()
        ${old} ${idOf("5 minutes")} uuid) u) i
        returning shard, id, accepted_at)
      insert into event_processing_service.event_routings (shard, event_id, namespace, decisions, routed_at)
      select shard, id, 'default', '[]', accepted_at + interval '40 milliseconds' from made`);
    await forgetSince("10 minutes");
    const first = await queue();
    expect(first.metrics.totalProcessed).toBe(before.totalProcessed + 5);
    const [state] = await db.unnamed<{ counted: number; moved: boolean }>(
      `select (queue_metrics->>'totalProcessed')::integer counted, counted_until > ${idOf("5 minutes")} moved from ${table}`,
    );
    expect(state).toEqual({ counted: 5, moved: true });
    expect((await queue()).metrics.totalProcessed).toBe(first.metrics.totalProcessed);
  });

  test("counts dead letters as errors", async () => {
    const { metrics } = await queue();
    const text = `insert into event_processing_service.dead_letter_queue
        (id, namespace, subscriber_id, original_event, error_message, error_type, error_code)
      values (${idOf("0 seconds")}, 'default', 'intake', '{}', 'm', 't', 'c')`;
    await program.app.db.unnamed(text);
    expect((await queue()).metrics.totalErrors).toBe(metrics.totalErrors + 1);
  });
});
