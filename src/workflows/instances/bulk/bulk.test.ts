import { createHash } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type BulkRig, bulkPath, createBulkRig } from "../../../../test/support/bulk.ts";
import { instancesPath } from "../../../../test/support/instances.ts";
import { uuidv7 } from "../../../foundation/ids.ts";

let rig: BulkRig;
let refuses = true;

beforeAll(async () => {
  rig = await createBulkRig({ refuses: () => refuses });
});
afterAll(() => rig.program.stop());

describe("a bulk operation", () => {
  test("is previewed: how many there are, and the first ten; nothing happens", async () => {
    const ids = await rig.startSome(12, "preview");
    const { status, body } = await rig.bulk({ action: "cancel", filter: { correlationId: "preview" }, dryRun: true });
    expect(status).toBe(200);
    expect(body).toEqual({ matched: 12, sample: ids.slice(0, 10) });
    const none = await rig.bulk({
      action: "cancel",
      filter: { correlationId: "preview", status: "FAILED" },
      dryRun: true,
    });
    expect(none.body).toEqual({ matched: 0, sample: [] });
    const named = await rig.bulk({ action: "cancel", ids: [ids[0], ids[1], ids[0]], dryRun: true });
    expect(named.body).toEqual({ matched: 2, sample: ids.slice(0, 2) });
    expect(await rig.statusesOf("preview")).toEqual({ WAITING_FOR_EVENT: 12 });
  });

  test("cancels all that a filter finds, over several pages, and tells its progress", async () => {
    const ids = await rig.startSome(450, "cancel");
    const answer = await rig.bulk({
      action: "cancel",
      filter: { correlationId: "cancel", status: "RUNNING,WAITING_FOR_EVENT" },
      reason: "all over",
    });
    expect(answer.status).toBe(202);
    expect(answer.body).toEqual({ operationId: expect.any(String), matched: 450 });
    const id = String(answer.body.operationId);
    expect(answer.headers.get("location")).toBe(`${bulkPath}/${id}`);
    expect(await rig.completed(id)).toEqual({
      id,
      action: "cancel",
      status: "completed",
      filter: {
        correlationId: "cancel",
        status: ["RUNNING", "WAITING_FOR_EVENT"],
        startedBefore: expect.any(String),
      },
      parameters: { reason: "all over" },
      requestedBy: "admin-setting",
      matched: 450,
      done: 450,
      succeeded: 450,
      failed: 0,
      failures: [],
      createdAt: expect.any(String),
      completedAt: expect.any(String),
    });
    await rig.statusesBecome("cancel", { CANCELLED: 450 });
    const cancelled = await rig.calls.get(ids[7]!);
    expect(cancelled.cancelation).toMatchObject({ reason: "all over", requestedBy: "admin-setting" });
  });

  test("acts on ids, and says what became of those that it could not act on", async () => {
    const [first, second] = await rig.startSome(2, "ids");
    await rig.calls.post(second!, "signal", { type: "go" });
    await rig.calls.untilItIs("COMPLETED", second!);
    const nobody = uuidv7(Date.now());
    const id = await rig.accepted({ action: "cancel", ids: [first, second!.toUpperCase(), nobody] });
    const body = await rig.completed(id);
    expect(body).toMatchObject({ matched: 3, done: 3, succeeded: 1, failed: 2 });
    const failures = body.failures as { instanceId: string; problem: { status: number; code: string } }[];
    const codes = Object.fromEntries(failures.map(({ instanceId, problem }) => [instanceId, problem.code]));
    expect(codes).toEqual({ [nobody]: "engine.instance_not_found", [second!]: "engine.instance_final" });
    expect((await rig.calls.get(first!)).cancelation).toMatchObject({ reason: `Bulk operation ${id}` });
  });

  test("pauses and resumes; what is already as it is to be counts as done", async () => {
    const [first] = await rig.startSome(3, "pause");
    await rig.calls.post(first!, "pause");
    await rig.calls.untilItIs("PAUSED", first!);
    const filter = { correlationId: "pause" };
    expect(await rig.completed(await rig.accepted({ action: "pause", filter }))).toMatchObject({
      succeeded: 3,
      failed: 0,
    });
    await rig.statusesBecome("pause", { PAUSED: 3 });
    const some = { ...filter, status: ["PAUSED"] };
    expect(await rig.completed(await rig.accepted({ action: "resume", filter: some }))).toMatchObject({
      matched: 3,
      succeeded: 3,
    });
    await rig.statusesBecome("pause", { WAITING_FOR_EVENT: 3 });
  });

  test("changes priorities, and passes over steps", async () => {
    const [first] = await rig.startSome(2, "skip");
    const filter = { correlationId: "skip" };
    await rig.completed(await rig.accepted({ action: "priority", priority: "CRITICAL", filter }));
    await expect.poll(async () => (await rig.calls.get(first!)).priority).toBe(10);
    const skip = await rig.completed(await rig.accepted({ action: "skip", stepId: "wait", filter }));
    expect(skip).toMatchObject({ succeeded: 2, parameters: { stepId: "wait" } });
    await rig.statusesBecome("skip", { COMPLETED: 2 });
  });

  test("retries those that failed", async () => {
    for (let n = 0; n < 3; n++) await rig.calls.start("refused", {}, { correlationId: "retry" });
    await rig.statusesBecome("retry", { FAILED: 3 });
    refuses = false;
    const filter = { correlationId: "retry", status: "FAILED" };
    expect(await rig.completed(await rig.accepted({ action: "retry", filter }))).toMatchObject({
      succeeded: 3,
      failed: 0,
    });
    await rig.statusesBecome("retry", { COMPLETED: 3 });
    refuses = true;
  });

  test("restarts from the first step unless another one is named, each instance once", async () => {
    const ids = await rig.startSome(120, "restart");
    const id = await rig.accepted({ action: "restart", filter: { correlationId: "restart" } });
    expect(await rig.completed(id)).toMatchObject({ matched: 120, succeeded: 120, failed: 0 });
    const made = await restartsOf(ids);
    expect([...made.values()].filter((count) => count !== 1)).toEqual([]);
    expect(made.size).toBe(120);

    const wrong = await rig.accepted({ action: "restart", fromStepId: "nowhere", ids: ids.slice(0, 1) });
    expect(await rig.completed(wrong)).toMatchObject({ succeeded: 0, failed: 1 });
  });

  /** How many instances name each of these as their origin. */
  async function restartsOf(ids: readonly string[]): Promise<Map<string, number>> {
    const counts = new Map<string, number>();
    let cursor: string | null = null;
    do {
      const more: string = cursor === null ? "" : `&cursor=${cursor}`;
      const { body } = await rig.program.call("GET", `${instancesPath}?definitionId=waiting&limit=500${more}`);
      for (const item of body.items) {
        const { originInstanceId } = await rig.calls.get(item.id);
        const origin = String(originInstanceId);
        if (ids.includes(origin)) counts.set(origin, (counts.get(origin) ?? 0) + 1);
      }
      cursor = body.nextCursor;
    } while (cursor !== null);
    return counts;
  }

  test("that finds nothing is completed at once", async () => {
    const answer = await rig.bulk({ action: "cancel", filter: { correlationId: "nobody has this" } });
    expect(answer.body.matched).toBe(0);
    expect(await rig.progress(String(answer.body.operationId))).toMatchObject({ status: "completed", done: 0 });
  });

  test("that does not exist, or is in another namespace, answers 404", async () => {
    const id = await rig.accepted({ action: "cancel", filter: { correlationId: "nobody has this" } });
    for (const [name, namespace] of [
      ["nope", undefined],
      [uuidv7(Date.now()), undefined],
      [id, "elsewhere"],
    ] as const) {
      for (const [method, rest] of [
        ["GET", ""],
        ["POST", "/cancel"],
      ] as const) {
        const { status, body } = await rig.program.call(method, `${bulkPath}/${name}${rest}`, { namespace });
        expect([status, body.code]).toEqual([404, "instances.bulk_not_found"]);
      }
    }
  });

  test("is listed, the newest first, page by page", async () => {
    const namespace = "listed";
    for (const action of ["pause", "resume", "cancel"]) {
      expect((await rig.bulk({ action, filter: { definitionId: "none" } }, { namespace })).status).toBe(202);
    }
    const first = await rig.program.call("GET", `${bulkPath}?limit=2`, { namespace });
    expect(first.body.items.map(({ action }) => action)).toEqual(["cancel", "resume"]);
    expect(first.body.items[0]).not.toHaveProperty("failures");
    const next = await rig.program.call("GET", `${bulkPath}?cursor=${first.body.nextCursor}`, { namespace });
    expect(next.body.items.map(({ action }) => action)).toEqual(["pause"]);
    expect(next.body.nextCursor).toBeNull();
  });

  test.each([
    [{ action: "explode", filter: { status: "FAILED" } }, "/action"],
    [{ action: "cancel" }, ""],
    [{ action: "cancel", filter: {} }, "/filter"],
    [{ action: "cancel", filter: { colour: "red" } }, "/filter/colour"],
    [{ action: "cancel", filter: { status: "ODD" } }, "/filter/status"],
    [{ action: "cancel", filter: { status: ["RUNNING"] }, ids: [uuidv7(0)] }, "/ids"],
    [{ action: "cancel", filter: { startedAfter: "soon" } }, "/filter/startedAfter"],
    [{ action: "cancel", ids: [] }, "/ids"],
    [{ action: "cancel", ids: ["me"] }, "/ids/0"],
    [{ action: "pause", filter: { status: "RUNNING" }, reason: "why not" }, "/reason"],
    [{ action: "skip", filter: { status: "RUNNING" } }, "/stepId"],
    [{ action: "priority", filter: { status: "RUNNING" } }, "/priority"],
    [{ action: "priority", filter: { status: "RUNNING" }, priority: 11 }, "/priority"],
    [{ action: "retry", filter: { status: "FAILED" }, fromStepId: "a" }, "/fromStepId"],
  ])("as %j is refused at %s", async (body, pointer) => {
    const answer = await rig.bulk(body);
    expect([answer.status, answer.body.errors[0]?.pointer]).toEqual([400, pointer]);
  });
});

describe("a caller", () => {
  async function may(secret: string, permissions: string[]): Promise<Record<string, string>> {
    const text = "insert into auth_service.api_keys (id, name, key_hash, permissions) values ($1, $2, $3, $4)";
    const keyHash = createHash("sha256").update(secret).digest();
    await rig.program.app.db.unnamed(text, [uuidv7(Date.now()), secret, keyHash, permissions]);
    return { authorization: `Bearer ${secret}` };
  }

  test("may do to many what it may do to one, and nothing else", async () => {
    const headers = await may("key-that-may-control", ["workflows:read", "workflows:control"]);
    const filter = { correlationId: "nobody has this" };
    const ask = async (action: string, more: object = {}) =>
      (await rig.bulk({ action, filter, dryRun: true, ...more }, { headers })).status;
    expect(await ask("pause")).toBe(200);
    expect(await ask("priority", { priority: 1 })).toBe(200);
    expect([await ask("cancel"), await ask("restart")]).toEqual([403, 403]);
    const [id] = await rig.startSome(1, "permissions");
    expect((await rig.calls.post(id!, "pause", undefined, { headers })).status).toBe(202);
    expect((await rig.calls.post(id!, "restart", { fromStepId: "wait" }, { headers })).status).toBe(403);
    const reader = await may("key-that-may-read", ["workflows:read"]);
    expect((await rig.bulk({ action: "pause", filter, dryRun: true }, { headers: reader })).status).toBe(403);
    expect((await rig.calls.post(id!, "resume", undefined, { headers: reader })).status).toBe(403);
  });
});
