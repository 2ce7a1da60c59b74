/** Sequences whose events start workflows. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startTestApp } from "../../../test/support/app.ts";
import { instanceCalls } from "../../../test/support/instances.ts";
import { createSequenceRig, type SequenceRig } from "../../../test/support/sequences.ts";

let rig: SequenceRig;
const definitions = "/api/v1/workflows/definitions";

/** A workflow that waits for a signal and then ends as the signal says; its input has a customer. */
const steps = [
  {
    stepId: "wait",
    type: "EVENT_WAIT",
    eventPattern: "go",
    transitions: { conditions: [{ condition: "steps.wait.output == 'bad'", nextStep: "bad" }], default: "end" },
  },
  { stepId: "bad", type: "TASK", taskId: "fail", input: { code: "BAD", message: "it was bad" } },
  { stepId: "end", type: "TASK", taskId: "transform", input: { expression: "true" } },
];
const inputSchema = { type: "object", required: ["customer"] };

async function define(version: string, schema: object): Promise<void> {
  const body = { workflowId: "served", name: "Served", version, steps, inputSchema: schema };
  const answer = await rig.program.call("POST", definitions, { body });
  expect(answer.status, JSON.stringify(answer.body)).toBe(201);
}

beforeAll(async () => {
  rig = createSequenceRig(await startTestApp());
  await define("1.0.0", inputSchema);
  const body = { name: "serve", definitionId: "served", eventPattern: "serve.*" };
  const answer = await rig.program.call("POST", "/api/v1/workflow-triggers", { body });
  expect(answer.status, JSON.stringify(answer.body)).toBe(201);
});
afterAll(() => rig?.program.stop());

async function started(sequenceEvent: string): Promise<string> {
  const text =
    "select id from workflow_orchestrator_service.workflow_instances where trigger_event_id = $1 order by id desc";
  const find = async () => (await rig.program.app.db.unnamed<{ id: string }>(text, [sequenceEvent]))[0]?.id;
  await expect.poll(find).toBeDefined();
  return (await find())!;
}

const signal = (id: string, payload: unknown) => instanceCalls(rig.program).post(id, "signal", { type: "go", payload });

describe("an event that starts a workflow", () => {
  const customer = { customer: "ada" };

  test("is processed when the workflow has started, unless its end is waited for", async () => {
    const { id } = await rig.made({ events: [{ pattern: "serve.a", payload: customer }, { pattern: "plain.b" }] });
    await rig.until(id, "completed");

    const events = [{ pattern: "serve.b", payload: customer, waitForInstances: true }, { pattern: "plain.b" }];
    const waiting = await rig.made({ events });
    const held = await rig.untilMembers(waiting.id, ["published", "pending"]);
    await expect.poll(async () => (await rig.get(waiting.id)).events[0]!.waitingFor).toBe("instances");
    const instance = await started(held.events[0]!.eventId!);
    await signal(instance, "good");
    await rig.until(waiting.id, "completed");
  });

  test("whose workflow fails has failed, where its end is waited for; routed again it starts another one", async () => {
    const { id } = await rig.made({
      events: [{ pattern: "serve.c", payload: customer, waitForInstances: true }],
      rollbackStrategy: { type: "retry", maxRetries: 1 },
    });
    const held = await rig.untilMembers(id, ["published"]);
    const event = held.events[0]!.eventId!;
    const first = await started(event);
    await signal(first, "bad");
    await expect.poll(() => started(event), { timeout: 10_000 }).not.toBe(first);
    await signal(await started(event), "good");
    const ended = await rig.until(id, "completed");
    expect(ended.events[0]).toMatchObject({ status: "processed", retries: 1 });
  });

  test("that the workflow does not take has failed; retried after the repair, it resolves its dead letter", async () => {
    const { id } = await rig.made({
      events: [{ pattern: "serve.d", payload: { nobody: true } }, { pattern: "plain.d" }],
      rollbackStrategy: { type: "manual" },
    });
    const failed = await rig.until(id, "failed");
    expect(failed.events[0]!.error).toMatchObject({ code: "TARGET_FAILED", targets: [expect.any(String)] });
    expect(failed).not.toHaveProperty("completedAt");
    await define("1.1.0", { type: "object" });
    expect((await rig.post(id, "retry")).body).toMatchObject({ status: "in_progress" });
    await rig.until(id, "completed");
    const [letter] = await rig.program.app.db.unnamed(
      `select status, resolution_strategy as strategy, resolved_by as by
       from event_processing_service.dead_letter_queue where event_instance_id = $1`,
      [failed.events[0]!.eventId],
    );
    expect(letter).toEqual({ status: "resolved", strategy: "manual_retry", by: "admin-setting" });
    expect((await rig.events("plain.d")).length).toBe(1);
  });
});
