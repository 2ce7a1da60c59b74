import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openTestDatabase } from "../../../test/support/database.ts";
import { rigNamespace as namespace, rigStep, startRig } from "../../../test/support/engine_rig.ts";
import { AppError } from "../../foundation/errors.ts";
import type { Engine } from "../index.ts";

let database: Awaited<ReturnType<typeof openTestDatabase>>;
let engine: Engine;
const gates = new Map<string, () => void>();

beforeAll(async () => {
  database = await openTestDatabase();
  engine = await startRig({
    db: database.db,
    definitions: [{ workflowId: "w", name: "w", version: "1.0.0", steps: [rigStep("a")] }],
    tasks: { a: (_, { instanceId }) => new Promise<void>((resolve) => gates.set(instanceId, resolve)) },
  });
});
afterAll(async () => {
  await engine.stop();
  await database.drop();
});

test("whoever comes while the end of an instance is being written hears that it has ended, not that nobody knows", async () => {
  const heard = new Map<string, number>();
  const note = (what: string) => heard.set(what, (heard.get(what) ?? 0) + 1);
  async function one(): Promise<void> {
    const { instanceId } = await engine.startInstance({ namespace, definitionId: "w", input: {} });
    while (!gates.has(instanceId)) await sleep(1);
    gates.get(instanceId)!();
    const asked = Array.from({ length: 12 }, async (_, n) => {
      await new Promise<void>((resolve) => setTimeout(resolve, n / 4));
      await engine.signal({ namespace, instanceId, type: "go", payload: n });
    });
    for (const answer of await Promise.allSettled(asked))
      if (answer.status === "fulfilled") note("taken");
      else note(answer.reason instanceof AppError ? answer.reason.code : String(answer.reason));
  }
  for (let round = 0; round < 8; round++) await Promise.all(Array.from({ length: 12 }, one));
  expect([...heard.keys()].filter((what) => what !== "taken")).toEqual(["engine.instance_final"]);
});
