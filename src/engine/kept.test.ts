/** What an instance knows of its retention, and what people cannot ask of one that is about to go. */

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openTestDatabase } from "../../test/support/database.ts";
import {
  ended,
  rigNamespace as namespace,
  rigDefinition,
  runToEnd,
  startRig,
  rigStep as step,
  rigWorkflow as workflow,
} from "../../test/support/engine_rig.ts";
import { dayMs } from "../../test/support/old_rows.ts";
import type { Database } from "../foundation/database/index.ts";
import { TaskError } from "../tasks/index.ts";
import type { Engine } from "./contract.ts";
import type { Step } from "./machine/definition.ts";

const schema = "workflow_orchestrator_service";
const instances = "workflow_instances";
const journal = "workflow_instance_steps";

let db: Database;
let drop: () => Promise<void>;

beforeAll(async () => {
  ({ db, drop } = await openTestDatabase());
});
afterAll(() => drop());

describe("an instance knows its definition's retention", () => {
  let engine: Engine;
  let ill = true;
  const wait: Step = { stepId: "wait", type: "EVENT_WAIT", eventPattern: "go" };
  const definitions = [
    workflow("kept", [step("works")], { retention: "P2D" }),
    workflow("parent", [{ stepId: "child", type: "WORKFLOW", workflowId: "kept", input: {} }]),
    workflow("moves", [wait]),
    workflow("moves", [wait], { version: "2.0.0", retention: 600_000 }),
    workflow("heals", [step("heals")], { retention: "PT100H" }),
    workflow("plain-heals", [step("heals")]),
  ];

  beforeAll(async () => {
    engine = await startRig({
      db,
      definitions,
      retentionMs: 40 * dayMs,
      tasks: {
        works: () => 1,
        heals: () => {
          if (ill) throw new TaskError({ code: "ILL", category: "BUSINESS", message: "not yet" });
        },
      },
    });
  });
  afterAll(() => engine.stop());

  async function retentionOf(id: string): Promise<{ keptMs: number | null; expiresAfterMs: number | null }> {
    const [row] = await db.unnamed<{ keptMs: number | null; expiresAfterMs: number | null }>(
      `select retention_ms as "keptMs", (extract(epoch from expires_at - completed_at) * 1000)::float8 as "expiresAfterMs"
       from ${schema}.${instances} where id = $1`,
      [id],
    );
    return row!;
  }

  const twoDays = { keptMs: 2 * dayMs, expiresAfterMs: 2 * dayMs };
  const none = { keptMs: null, expiresAfterMs: null };

  test("however it began: by itself, with a key, as a child, as a restart", async () => {
    const plain = await runToEnd(engine, "kept");
    expect(await retentionOf(plain.id)).toEqual(twoDays);

    const keyed = { namespace, definitionId: "kept", input: {}, idempotencyKey: "once" };
    const { instanceId } = await engine.startInstance(keyed);
    await ended(engine, instanceId);
    expect(await retentionOf(instanceId)).toEqual(twoDays);

    const parent = await runToEnd(engine, "parent");
    expect(await retentionOf(parent.id)).toEqual(none);
    const [child] = await engine.listInstances({ namespace, parentInstanceId: parent.id, limit: 1 });
    expect(await retentionOf(child!.id)).toEqual(twoDays);

    const restarted = await engine.restart({
      namespace,
      instanceId: plain.id,
      fromStepId: "works",
      requestedBy: "ann",
    });
    await ended(engine, restarted.instanceId);
    expect(await retentionOf(restarted.instanceId)).toEqual(twoDays);
  });

  test("when it goes on with another version", async () => {
    const { instanceId } = await engine.startInstance({
      namespace,
      definitionId: "moves",
      version: "1.0.0",
      input: {},
    });
    expect(await retentionOf(instanceId)).toEqual(none);
    await engine.migrate({ namespace, instanceId, definitionId: rigDefinition(3), requestedBy: "ann" });
    expect(await retentionOf(instanceId)).toEqual({ keptMs: 600_000, expiresAfterMs: null });
    await engine.signal({ namespace, instanceId, type: "go", payload: {} });
    await ended(engine, instanceId);
    expect(await retentionOf(instanceId)).toEqual({ keptMs: 600_000, expiresAfterMs: 600_000 });
  });

  test("and has no end of it while it is tried again", async () => {
    ill = true;
    const { id: instanceId } = await runToEnd(engine, "heals");
    const hundredHours = { keptMs: 360_000_000, expiresAfterMs: 360_000_000 };
    expect(await retentionOf(instanceId)).toEqual(hundredHours);
    ill = false;
    await engine.retry({ namespace, instanceId, requestedBy: "ann" });
    await ended(engine, instanceId);
    expect(await retentionOf(instanceId)).toEqual(hundredHours);
    expect((await engine.getInstance({ namespace, instanceId }))!.status).toBe("COMPLETED");
  });

  /** As if it had ended so long ago. */
  async function age(id: string, byMs: number): Promise<void> {
    const by = `$2::float8 * interval '1 millisecond'`;
    await db.unnamed(
      `update ${schema}.${instances} set completed_at = completed_at - ${by}, expires_at = expires_at - ${by} where id = $1`,
      [id, byMs],
    );
  }

  // A tenth of a hundred hours is less than a day; a day is less than a tenth of forty.
  test.each([
    ["heals", 100 * 3_600_000, 10 * 3_600_000],
    ["plain-heals", 40 * dayMs, dayMs],
  ])("%s cannot be tried again when it is about to be removed", async (definitionId, keptMs, marginMs) => {
    ill = true;
    const { id: instanceId } = await runToEnd(engine, definitionId);
    const retry = () => engine.retry({ namespace, instanceId, requestedBy: "ann" });
    await age(instanceId, keptMs - marginMs + 60_000);
    await expect(retry()).rejects.toMatchObject({
      code: "engine.cannot_retry",
      message: expect.stringContaining("restart it instead"),
    });
    ill = false;
    // A restart is another instance, which only reads this one.
    const restarted = await engine.restart({ namespace, instanceId, fromStepId: "heals", requestedBy: "ann" });
    expect((await ended(engine, restarted.instanceId)).status).toBe("COMPLETED");
    await age(instanceId, -120_000);
    await retry();
    expect((await ended(engine, instanceId)).status).toBe("COMPLETED");
  });
});

describe("a restart from an instance that goes", () => {
  let engine: Engine;
  beforeAll(async () => {
    const two = workflow("two", [
      step("works", { transitions: { default: "more" } }),
      { ...step("more"), taskId: "works" } as Step,
    ]);
    engine = await startRig({ db, definitions: [two], tasks: { works: () => 1 } });
  });
  afterAll(() => engine.stop());
  const from = (instanceId: string) => ({ namespace, instanceId, fromStepId: "more", requestedBy: "ann" });

  test("is refused when the instance went while it was read", async () => {
    const { id } = await runToEnd(engine, "two");
    const check = async () => {
      await db.unnamed(`delete from ${schema}.${instances} where id = $1`, [id]);
    };
    await expect(engine.restart({ ...from(id), check })).rejects.toMatchObject({ code: "engine.instance_not_found" });
  });

  test("is refused when the beginning of its history is gone", async () => {
    const { id } = await runToEnd(engine, "two");
    await db.unnamed(`delete from ${schema}.${journal} where instance_id = $1 and seq = 1`, [id]);
    await expect(engine.restart(from(id))).rejects.toMatchObject({
      code: "engine.cannot_restart",
      message: expect.stringContaining("older than the retention"),
    });
  });
});
