import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createTestDatabase, type TestDatabase } from "../test/support/database.ts";
import { Database } from "./foundation/database/index.ts";
import { silentLogger } from "./foundation/log.ts";
import { AppError, createMillrace, type EmbeddedMillrace, TaskError, type TaskHandler } from "./index.ts";

const greeting = {
  workflowId: "greeting",
  name: "Greeting",
  version: "1.0.0",
  inputSchema: { type: "object", required: ["name"], properties: { name: { type: "string" } } },
  steps: [{ stepId: "greet", type: "TASK", taskId: "greet" }],
};
const approval = {
  workflowId: "approval",
  name: "Approval",
  steps: [
    { stepId: "ask", type: "EVENT_WAIT", eventPattern: "decision", transitions: { default: "tell" } },
    { stepId: "tell", type: "TASK", taskId: "greet", input: { name: "${steps.ask.output.by}" } },
  ],
};

const greet: TaskHandler = (input: { name: string }) => `Hello ${input.name}`;

let database: TestDatabase;
let running: EmbeddedMillrace[];

beforeEach(async () => {
  database = await createTestDatabase();
  running = [];
});
afterEach(async () => {
  for (const millrace of running) await millrace.stop();
  await database.drop();
});

async function started(options: Parameters<typeof createMillrace>[0] = {}): Promise<EmbeddedMillrace> {
  const millrace = createMillrace({
    databaseUrl: database.url,
    tasks: { greet },
    workflows: [greeting, approval],
    ...options,
  });
  running.push(millrace);
  await millrace.start();
  return millrace;
}

describe("an embedded Millrace", () => {
  test("gives events to the program's subscribers; to subscribe again is the same subscription", async () => {
    const { promise: taken, resolve: take } = Promise.withResolvers<unknown>();
    const millrace = await started({ subscribers: { mirror: (event) => take(event.payload) } });
    const wish = { eventPattern: "orders.*", handler: "mirror" };
    const first = await millrace.subscribe(wish);
    expect(first).toMatchObject({
      name: "mirror",
      status: "active",
      subscriber: { type: "handler", handler: "mirror" },
    });
    const again = await millrace.subscribe({ ...wish, filter: "payload.n > 1" });
    expect([again.id, again.filter]).toEqual([first.id, "payload.n > 1"]);
    await millrace.publish({ pattern: "orders.paid", payload: { n: 1 } });
    await millrace.publish({ pattern: "orders.paid", payload: { n: 2 } });
    expect(await taken).toEqual({ n: 2 });
  });

  test("runs workflows with the program's handlers, without serving HTTP", async () => {
    const millrace = await started();
    const { instanceId, created } = await millrace.startInstance({ definitionId: "greeting", input: { name: "Ada" } });
    expect(created).toBe(true);
    const ended = await millrace.waitForEnd(instanceId, { timeoutMs: 20_000 });
    expect(ended).toMatchObject({ status: "COMPLETED", output: "Hello Ada", startedBy: "program" });
    expect(await millrace.get(instanceId)).toEqual(ended);
    expect(await millrace.list({ status: ["COMPLETED"] })).toMatchObject([{ id: instanceId }]);
    expect(millrace.url).toBeUndefined();
  });

  test("runs a step on the node that has its handler, whoever owns the shard", { timeout: 60_000 }, async () => {
    const shout: TaskHandler = (input: { text: string }) => input.text.toUpperCase();
    const definition = {
      workflowId: "relay",
      name: "Relay",
      steps: [
        { stepId: "greet", type: "TASK", taskId: "greet", transitions: { default: "shout" } },
        { stepId: "shout", type: "TASK", taskId: "shout", input: { text: "${steps.greet.output}" } },
      ],
    };
    const greeter = await started({ workflows: [definition] });
    const shouter = await started({ tasks: { shout }, workflows: [] });
    const ids: string[] = [];
    // Keys spread the instances over the shards of both nodes.
    for (let i = 0; i < 20; i++) {
      const by = i % 2 === 0 ? greeter : shouter;
      const input = { name: `n${i}` };
      ids.push((await by.startInstance({ definitionId: "relay", input, idempotencyKey: `relay-${i}` })).instanceId);
    }
    for (const [i, id] of ids.entries()) {
      const ended = await greeter.waitForEnd(id, { timeoutMs: 30_000 });
      expect(ended).toMatchObject({ status: "COMPLETED", output: `HELLO N${i}` });
    }
  });

  test("publishes events to whoever waits, each once, and checks them as over HTTP", async () => {
    const millrace = await started();
    const { instanceId } = await millrace.startInstance({ definitionId: "approval" });
    const event = { eventId: "e", pattern: "decision", payload: { by: "Ada", at: new Date(0), none: undefined } };
    const first = await millrace.publish(event);
    expect(first).toMatchObject({ eventId: "e", status: "accepted" });
    expect(await millrace.publish(event)).toEqual({ ...first, status: "duplicate" });
    const ended = await millrace.waitForEnd(instanceId, { timeoutMs: 20_000 });
    expect(ended).toMatchObject({ status: "COMPLETED", output: "Hello Ada" });
    const refused = millrace.publish({ pattern: "decision.*", timestamp: "soon" });
    await expect(refused).rejects.toMatchObject({
      code: "events.event_invalid",
      errors: [{ pointer: "/pattern" }, { pointer: "/timestamp" }],
    });
  });

  test("takes signals and cancels", async () => {
    const millrace = await started();
    const asked = await millrace.startInstance({ definitionId: "approval" });
    await millrace.signal(asked.instanceId, { type: "decision", payload: { by: "Grace" } });
    const answered = await millrace.waitForEnd(asked.instanceId, { timeoutMs: 20_000 });
    expect(answered).toMatchObject({ status: "COMPLETED", output: "Hello Grace" });
    const dropped = await millrace.startInstance({ definitionId: "approval" });
    await millrace.cancel(dropped.instanceId, { reason: "no longer needed" });
    const cancelled = await millrace.waitForEnd(dropped.instanceId, { timeoutMs: 20_000 });
    expect(cancelled).toMatchObject({ status: "CANCELLED", cancelation: { reason: "no longer needed" } });
  });

  test("pauses, resumes, skips, explains, changes priorities and restarts", async () => {
    const millrace = await started();
    const { instanceId } = await millrace.startInstance({ definitionId: "approval" });
    const statusOf = async () => (await millrace.get(instanceId))?.status;
    await expect.poll(statusOf).toBe("WAITING_FOR_EVENT");
    expect(await millrace.why(instanceId)).toMatchObject([{ stepId: "ask", rule: "EVENT" }]);
    await millrace.setPriority(instanceId, 8);
    await expect.poll(async () => (await millrace.get(instanceId))?.priority).toBe(8);
    await millrace.pause(instanceId);
    await expect.poll(statusOf).toBe("PAUSED");
    await millrace.resume(instanceId);
    await millrace.signal(instanceId, { type: "decision", payload: { by: "Grace" } });
    expect(await millrace.waitForEnd(instanceId, { timeoutMs: 20_000 })).toMatchObject({ output: "Hello Grace" });
    expect(await millrace.why(instanceId)).toEqual([]);
    expect(await millrace.why("not-an-id")).toBeUndefined();

    const outputs = { ask: { by: "Barbara" } };
    const again = await millrace.restart(instanceId, { fromStepId: "tell", outputs });
    const ended = await millrace.waitForEnd(again.instanceId, { timeoutMs: 20_000 });
    expect(ended).toMatchObject({ output: "Hello Barbara", originInstanceId: instanceId, originStepId: "tell" });
    const skipped = await millrace.startInstance({ definitionId: "approval" });
    await millrace.skip(skipped.instanceId, "ask");
    expect(await millrace.waitForEnd(skipped.instanceId, { timeoutMs: 20_000 })).toMatchObject({
      state: { steps: { ask: { status: "SKIPPED" } } },
    });
    await expect(millrace.setPriority(instanceId, 11)).rejects.toMatchObject({ errors: [{ pointer: "/priority" }] });
  });

  test("lets a failed instance go on, and another one with a new version", async () => {
    let ready = false;
    const moody: TaskHandler = (input: { name: string }, { log }) => {
      log.info(`Greeting ${input.name}`);
      if (!ready) throw new TaskError({ code: "NOT_TODAY", category: "BUSINESS", message: "Not today" });
      return `Hello ${input.name}`;
    };
    const millrace = await started({ tasks: { greet: moody } });
    const { instanceId } = await millrace.startInstance({ definitionId: "greeting", input: { name: "Ada" } });
    expect(await millrace.waitForEnd(instanceId, { timeoutMs: 20_000 })).toMatchObject({ status: "FAILED" });
    ready = true;
    await millrace.retry(instanceId);
    await expect.poll(async () => (await millrace.get(instanceId))?.output, { timeout: 10_000 }).toBe("Hello Ada");
    await expect.poll(async () => (await millrace.logs(instanceId, { search: "greeting ada" })).length).toBe(2);
    await expect(millrace.logs("not-an-id")).rejects.toMatchObject({ code: "engine.instance_not_found" });

    const asked = await millrace.startInstance({ definitionId: "approval", version: "1.0.0" });
    const [ask, tell] = approval.steps;
    const next = { ...approval, version: "1.1.0", steps: [ask, { ...tell, input: { name: "the new version" } }] };
    await millrace.define(next);
    await expect.poll(async () => (await millrace.get(asked.instanceId))?.status).toBe("WAITING_FOR_EVENT");
    const migration = { version: "1.1.0" };
    const dry = await millrace.migrate(asked.instanceId, { ...migration, dryRun: true });
    expect(dry).toMatchObject({ problems: [] });
    await millrace.migrate(asked.instanceId, migration);
    await millrace.signal(asked.instanceId, { type: "decision", payload: {} });
    expect(await millrace.waitForEnd(asked.instanceId, { timeoutMs: 20_000 })).toMatchObject({
      output: "Hello the new version",
    });
    await expect(millrace.migrate(asked.instanceId, { version: "9.9.9" })).rejects.toMatchObject({
      code: "workflows.definition_not_found",
    });
  });

  test("an instance that the engine set aside can be cancelled, and leaves no wait open", async () => {
    const millrace = await started();
    const { instanceId } = await millrace.startInstance({ definitionId: "approval", input: {} });
    const db = new Database({ url: database.url, log: silentLogger });
    try {
      const schema = "workflow_orchestrator_service";
      const parked = JSON.stringify({ message: "it broke", fact: "fold", at: new Date().toISOString() });
      await db.unnamed(`update ${schema}.workflow_instances set parked = $2 where id = $1`, [instanceId, parked]);
      expect(await millrace.get(instanceId)).toMatchObject({ status: "WAITING_FOR_EVENT", error: { code: "PARKED" } });
      await millrace.cancel(instanceId, { reason: "given up" });
      expect(await millrace.get(instanceId)).toMatchObject({ status: "CANCELLED" });
      const waits = `select status from ${schema}.workflow_event_subscriptions where workflow_instance_id = $1`;
      expect(await db.unnamed(waits, [instanceId])).toEqual([{ status: "cancelled" }]);
    } finally {
      await db.close();
    }
  });

  test("treats a thrown TaskError as it says", async () => {
    let calls = 0;
    const refuse: TaskHandler = () => {
      calls++;
      throw new TaskError({
        code: "NOT_TODAY",
        category: "BUSINESS",
        message: "Not today",
        details: { until: "Monday" },
      });
    };
    const millrace = await started({ tasks: { greet: refuse } });
    const { instanceId } = await millrace.startInstance({ definitionId: "greeting", input: { name: "Ada" } });
    const ended = await millrace.waitForEnd(instanceId, { timeoutMs: 20_000 });
    expect(ended).toMatchObject({ status: "FAILED", error: { code: "NOT_TODAY", details: { until: "Monday" } } });
    expect(calls).toBe(1);
  });

  test("refuses what does not fit with an AppError that names the place", async () => {
    const millrace = await started();
    const refusal = await millrace
      .startInstance({ definitionId: "greeting", input: {} })
      .catch((error: unknown) => error);
    expect(refusal).toBeInstanceOf(AppError);
    expect(refusal).toMatchObject({ code: "instances.input_invalid", errors: [{ pointer: "/input/name" }] });
    await expect(millrace.define({ workflowId: "x", name: "x", steps: [] })).rejects.toMatchObject({
      code: "workflows.definition_invalid",
    });
    await expect(millrace.cancel("not-an-id", { reason: "x" })).rejects.toMatchObject({
      code: "engine.instance_not_found",
    });
    expect(await millrace.get("not-an-id")).toBeUndefined();
  });

  test("goes on with what another program left waiting", async () => {
    const first = await started();
    const { instanceId } = await first.startInstance({ definitionId: "approval" });
    await first.stop();
    const second = await started();
    await second.signal(instanceId, { type: "decision", payload: { by: "Edsger" } });
    const ended = await second.waitForEnd(instanceId, { timeoutMs: 20_000 });
    expect(ended).toMatchObject({ status: "COMPLETED", output: "Hello Edsger" });
  });

  test("can be started again after a stop, and refuses calls in between", async () => {
    const millrace = await started();
    await millrace.stop();
    await millrace.stop();
    const early = millrace.startInstance({ definitionId: "greeting", input: { name: "Ada" } });
    await expect(early).rejects.toThrow("call start() first");
    await millrace.start();
    await millrace.startInstance({ definitionId: "greeting", input: { name: "Ada" } });
  });

  test("serves HTTP where it is asked to", async () => {
    const millrace = await started({ http: { port: 0 } });
    const answer = await fetch(`${millrace.url}/health`);
    expect(await answer.json()).toEqual({ status: "ok" });
  });

  test("says what is wrong when the database does not answer, and can be started later", async () => {
    const millrace = createMillrace({ databaseUrl: "postgres://nobody@127.0.0.1:1/none", tasks: { greet } });
    await expect(millrace.start()).rejects.toThrow(/ECONNREFUSED|connect/);
    await millrace.stop();
  });
});
