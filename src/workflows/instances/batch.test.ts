import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startTestApp, type TestApp } from "../../../test/support/app.ts";
import { type InstanceCalls, instanceCalls, instancesPath as path } from "../../../test/support/instances.ts";

let program: TestApp;
let calls: InstanceCalls;

beforeAll(async () => {
  program = await startTestApp({ tasks: { echo: (input) => input } });
  calls = instanceCalls(program);
  await calls.define({
    workflowId: "counted",
    name: "Counted",
    inputSchema: { type: "object", required: ["n"], properties: { n: { type: "integer" } } },
    variables: { note: { type: "string" } },
    steps: [{ stepId: "only", type: "TASK", taskId: "echo" }],
  });
});
afterAll(() => program.stop());

const startOf = (n: unknown, more: object = {}) => ({ definitionId: "counted", input: { n }, ...more });

interface Item {
  instanceId?: string;
  problem?: { status: number; code: string; errors?: { pointer: string }[] };
}

async function batch(starts: unknown, namespace?: string): Promise<Item[]> {
  const { status, body } = await program.call("POST", `${path}/batch`, { body: starts, namespace });
  expect(status, JSON.stringify(body)).toBe(200);
  return body.items;
}

describe("a batch of starts", () => {
  test("answers each in its place; those with a fault stop no other", async () => {
    const starts = [
      startOf(0),
      startOf("one"),
      { definitionId: "nothing-like-it", input: {} },
      startOf(3, { inputs: {} }),
      "what",
      startOf(5, { variables: { note: 5 } }),
      startOf(6, { priority: "HIGH", correlationId: "sixth" }),
      {},
      null,
    ];
    const items = await batch(starts);
    expect(items).toHaveLength(starts.length);
    const shown = items.map(({ instanceId, problem }) =>
      instanceId !== undefined ? "started" : [problem!.status, problem!.code, problem!.errors?.[0]?.pointer],
    );
    expect(shown).toEqual([
      "started",
      [400, "instances.input_invalid", "/input/n"],
      [404, "workflows.definition_not_found", undefined],
      [400, "instances.request_invalid", "/inputs"],
      [400, "instances.request_invalid", ""],
      [400, "instances.variables_invalid", "/variables/note"],
      "started",
      [400, "instances.request_invalid", "/definitionId"],
      [400, "instances.request_invalid", ""],
    ]);
    const first = items[0]!;
    expect(Object.keys(first).sort()).toEqual(["definitionId", "instanceId", "startedAt", "status"]);
    await calls.untilItIs("COMPLETED", first.instanceId!);
    expect(await calls.get(first.instanceId!)).toMatchObject({ output: { n: 0 }, startedBy: "admin-setting" });
    expect(await calls.get(items[6]!.instanceId!)).toMatchObject({ priority: 8, correlationId: "sixth" });
  });

  test("with keys is the same batch again", async () => {
    const starts = [startOf(1, { idempotencyKey: "b-1" }), startOf(2, { idempotencyKey: "b-2" })];
    const ids = (items: Item[]) => items.map(({ instanceId }) => instanceId);
    const first = ids(await batch(starts));
    expect(new Set(first).size).toBe(2);
    expect(ids(await batch(starts))).toEqual(first);
    const [changed] = await batch([startOf(9, { idempotencyKey: "b-1" })]);
    expect(changed!.problem).toMatchObject({ status: 422, code: "engine.key_reused" });
  });

  test("of 2,000 starts them all, each once and in order", { timeout: 60_000 }, async () => {
    const starts = Array.from({ length: 2_000 }, (_, n) => startOf(n, { correlationId: "many" }));
    const items = await batch(starts);
    expect(items.filter(({ problem }) => problem !== undefined)).toEqual([]);
    const ids = items.map(({ instanceId }) => instanceId!);
    expect(new Set(ids).size).toBe(2_000);
    await calls.untilItIs("COMPLETED", ids[1_234]!);
    expect((await calls.get(ids[1_234]!)).input).toEqual({ n: 1_234 });
    const count = async () => {
      const seen = await program.app.engine.countInstances({ namespace: "default", correlationId: "many" }, 5_000);
      return seen;
    };
    expect(await count()).toBe(2_000);
  });

  test("is in the namespace of the request", async () => {
    const [item] = await batch([startOf(1)], "elsewhere");
    expect(item!.problem).toMatchObject({ code: "workflows.definition_not_found" });
  });

  test.each([
    ["an empty list", [], ""],
    ["what is no list", startOf(1), ""],
    ["too many", Array.from({ length: 10_001 }, () => 0), ""],
  ])("of %s is refused as a whole", async (_, body, pointer) => {
    const answer = await program.call("POST", `${path}/batch`, { body });
    expect([answer.status, answer.body.errors[0]?.pointer]).toEqual([400, pointer]);
  });

  test("may be larger than other bodies are", { timeout: 60_000 }, async () => {
    const text = "x".repeat(1024 * 1024);
    const starts = Array.from({ length: 20 }, (_, n) => ({ ...startOf(n), input: { n, text } }));
    const items = await batch(starts);
    expect(items.filter(({ problem }) => problem !== undefined)).toEqual([]);
  });

  test("has no start in it that is larger than one may be", { timeout: 60_000 }, async () => {
    const large = { ...startOf(1), input: { n: 1, text: "x".repeat(18 * 1024 * 1024) } };
    const [first, second] = await batch([large, startOf(2)]);
    expect(first!.problem).toMatchObject({ status: 413, code: "instances.start_too_large" });
    expect(second!.instanceId).toBeTypeOf("string");
  });
});
