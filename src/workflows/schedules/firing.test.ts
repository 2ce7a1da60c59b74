// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the templates under test are written so.
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { startTestApp, type TestApp } from "../../../test/support/app.ts";
import { type InstanceCalls, instanceCalls } from "../../../test/support/instances.ts";
import { type ScheduleCalls, scheduleCalls, schedulesPath } from "../../../test/support/schedules.ts";
import { ensureSchedule } from "./ensure.ts";

let program: TestApp;
let instances: InstanceCalls;
let schedules: ScheduleCalls;

beforeAll(async () => {
  program = await startTestApp({ tasks: { echo: (input) => input } });
  instances = instanceCalls(program);
  schedules = scheduleCalls(program);
  await instances.define({
    workflowId: "quick",
    name: "Quick",
    inputSchema: { type: "object", properties: { n: { type: "integer" } } },
    steps: [{ stepId: "echo", type: "TASK", taskId: "echo", input: { all: "${input}" } }],
  });
  await instances.define({
    workflowId: "waits",
    name: "Waits",
    steps: [{ stepId: "wait", type: "EVENT_WAIT", eventPattern: "go" }],
  });
});
afterAll(() => program?.stop());

const soon = (ms: number) => new Date(Date.now() + ms).toISOString();

/** A schedule of which no time comes while the test runs. */
const yearly = { cronExpression: "0 0 1 1 *", startDate: "2200-01-01T00:00:00Z" };

test("a single time is fired once, with its input filled in, and the schedule is completed", async () => {
  const executeAt = soon(2_000);
  const id = await schedules.create({
    name: "single",
    targetId: "quick",
    executeAt,
    timezone: "Asia/Kathmandu",
    input: { at: "${schedule.plannedAt}", day: "${schedule.localDate}", name: "${schedule.name}" },
    correlationId: "single-${schedule.plannedAt}",
    priority: "HIGH",
  });
  expect(await schedules.get(id)).toMatchObject({ status: "active", type: "one-time", nextExecution: executeAt });
  const [occurrence] = await schedules.untilTheyAre(id, ["fired"]);
  expect(occurrence).toMatchObject({ plannedAt: executeAt, cause: "schedule" });
  await instances.untilItIs("COMPLETED", occurrence!.instanceId!);
  const local = new Date(Date.parse(executeAt) + 345 * 60_000).toISOString().slice(0, 10);
  expect(await instances.get(occurrence!.instanceId!)).toMatchObject({
    input: { at: executeAt, day: local, name: "single" },
    correlationId: `single-${executeAt}`,
    priority: 8,
    startedBy: `schedule:${id}`,
  });
  const view = await schedules.get(id);
  expect(view).toMatchObject({ status: "completed", fired: 1 });
  expect(view).not.toHaveProperty("nextExecution");
  expect(Date.parse(view.lastExecuted as string)).toBeGreaterThanOrEqual(Date.parse(executeAt));
});

test("an interval is fired at its multiples, each once", async () => {
  const startDate = new Date(Math.ceil(Date.now() / 1000) * 1000).toISOString();
  const endDate = new Date(Date.parse(startDate) + 2_000).toISOString();
  const id = await schedules.create({
    name: "ticks",
    targetId: "quick",
    interval: "PT1S",
    startDate,
    endDate,
    overlapPolicy: "allow",
  });
  const found = await schedules.untilTheyAre(id, ["fired", "fired", "fired"]);
  expect(found.map(({ plannedAt }) => Date.parse(plannedAt) - Date.parse(startDate))).toEqual([0, 1_000, 2_000]);
  expect(new Set(found.map(({ instanceId }) => instanceId)).size).toBe(3);
  expect(await schedules.get(id)).toMatchObject({ status: "completed", fired: 3 });
});

test("a schedule that is triggered by hand fires at once, paused or not", async () => {
  const id = await schedules.create({ name: "by-hand", targetId: "quick", ...yearly, paused: true });
  const { status, body } = await schedules.post(id, "trigger");
  expect(status).toBe(202);
  const [occurrence] = await schedules.untilTheyAre(id, ["fired"]);
  expect(occurrence).toMatchObject({
    plannedAt: body.plannedAt,
    cause: "manual",
    reason: "triggered by admin-setting",
  });
});

test("what cannot be started is recorded as failed, and the next time is tried again", async () => {
  const id = await schedules.create({ name: "fails", targetId: "quick", ...yearly, input: { n: "${schedule.name}" } });
  await schedules.post(id, "trigger");
  const [failed] = await schedules.untilTheyAre(id, ["failed"]);
  expect(failed!.reason).toContain("input");
  expect(failed).not.toHaveProperty("instanceId");
  expect(await schedules.get(id)).toMatchObject({ status: "error", error: failed!.reason });
  expect((await schedules.get(id, "/why")).items[0]).toMatchObject({ rule: "LAST_FAILED" });
  await program.call("PATCH", `${schedulesPath}/${id}`, { body: { input: { n: 1 } } });
  await schedules.post(id, "trigger");
  await schedules.untilTheyAre(id, ["failed", "fired"]);
  expect(await schedules.get(id)).toMatchObject({ status: "active", fired: 1 });
});

async function thrice(name: string, overlapPolicy: string): Promise<string> {
  const id = await schedules.create({ name, targetId: "waits", ...yearly, overlapPolicy });
  for (let n = 1; n <= 3; n++) {
    await schedules.post(id, "trigger");
    await vi.waitFor(async () => expect(await schedules.occurrences(id)).toHaveLength(n), {
      timeout: 20_000,
      interval: 10,
    });
  }
  return id;
}

const goOn = (instanceId: string | undefined) => instances.post(instanceId!, "signal", { type: "go" });

test("allow: instances run beside each other", async () => {
  const id = await thrice("allow", "allow");
  await schedules.untilTheyAre(id, ["fired", "fired", "fired"]);
});

test("skip: a time that comes while an instance runs is skipped, with the instance's name", async () => {
  const id = await thrice("skip", "skip");
  const [first, second] = await schedules.untilTheyAre(id, ["fired", "skipped", "skipped"]);
  expect(second!.reason).toBe(`instance ${first!.instanceId} had not ended`);
});

test("queue_one: one waits for the end of the instance, and others are skipped", async () => {
  const id = await thrice("queue-one", "queue_one");
  const [first, second] = await schedules.untilTheyAre(id, ["fired", "queued", "skipped"]);
  expect(second!.reason).toBe(`waits for the end of instance ${first!.instanceId}`);
  expect((await schedules.get(id, "/why")).items[0]).toMatchObject({ rule: "QUEUED", instanceId: first!.instanceId });
  await goOn(first!.instanceId);
  const [, then] = await schedules.untilTheyAre(id, ["fired", "late", "skipped"]);
  expect(then).toMatchObject({ cause: "manual", instanceId: expect.not.stringContaining(first!.instanceId!) });
});

test("queue_all: all wait, and start one after the other", async () => {
  const id = await thrice("queue-all", "queue_all");
  const [first] = await schedules.untilTheyAre(id, ["fired", "queued", "queued"]);
  await goOn(first!.instanceId);
  const [, second] = await schedules.untilTheyAre(id, ["fired", "late", "queued"]);
  await goOn(second!.instanceId);
  await schedules.untilTheyAre(id, ["fired", "late", "late"]);
});

test("cancel_running: the instance is cancelled, and the newest time starts after its end", async () => {
  const id = await schedules.create({ name: "cancel", targetId: "waits", ...yearly, overlapPolicy: "cancel_running" });
  await schedules.post(id, "trigger");
  const [first] = await schedules.untilTheyAre(id, ["fired"]);
  await schedules.post(id, "trigger");
  await schedules.untilTheyAre(id, ["fired", "late"]);
  expect(await instances.get(first!.instanceId!)).toMatchObject({
    status: "CANCELLED",
    cancelation: { source: "SYSTEM", requestedBy: `schedule:${id}` },
  });
});

test("a deleted schedule starts nothing that waits", async () => {
  const id = await thrice("deleted", "queue_all");
  const [first] = await schedules.untilTheyAre(id, ["fired", "queued", "queued"]);
  expect((await program.call("DELETE", `${schedulesPath}/${id}`)).status).toBe(204);
  await goOn(first!.instanceId);
  await instances.untilItIs("COMPLETED", first!.instanceId!);
  expect((await program.call("GET", `${schedulesPath}/${id}`)).status).toBe(404);
  const started = await program.call("GET", "/api/v1/workflows/instances?definitionId=waits&limit=500");
  expect(started.body.items.filter((item) => item.startedBy === `schedule:${id}`).length).toBeLessThanOrEqual(1);
});

test("a trigger of kind schedule has a schedule of its own, which is paused and removed with it", async () => {
  const triggers = "/api/v1/workflow-triggers";
  const body = { name: "timed", kind: "schedule", definitionId: "quick", input: { n: 7 } };
  const wrong = await program.call("POST", triggers, { body: { ...body, schedule: { cronExpression: "0 0 31 2 *" } } });
  expect(wrong).toMatchObject({ status: 400, body: { errors: [{ pointer: "/schedule/cronExpression" }] } });
  const made = await program.call("POST", triggers, { body: { ...body, schedule: { executeAt: soon(2_000) } } });
  expect(made.status, JSON.stringify(made.body)).toBe(201);
  const scheduleId = made.body.scheduleId as string;
  const [occurrence] = await schedules.untilTheyAre(scheduleId, ["fired"]);
  await instances.untilItIs("COMPLETED", occurrence!.instanceId!);
  expect((await instances.get(occurrence!.instanceId!)).input).toEqual({ n: 7 });
  await program.call("POST", `${triggers}/${made.body.id}/disable`);
  expect(await schedules.get(scheduleId)).toMatchObject({ status: "paused", name: "timed" });
  await program.call("DELETE", `${triggers}/${made.body.id}`);
  expect((await program.call("GET", `${schedulesPath}/${scheduleId}`)).status).toBe(404);
});

test("a program that embeds the engine stores its schedules at every start: the same again changes nothing", async () => {
  const document = { name: "embedded", targetId: "quick", ...yearly };
  const ensure = (what: object) =>
    ensureSchedule(program.app, { namespace: "default", document: what, createdBy: "program" });
  const first = await ensure(document);
  expect(await ensure(document)).toEqual(first);
  expect(await ensure({ ...document, priority: 9 })).toMatchObject({ id: first.id, version: 2, priority: 9 });
  await expect(ensure({ ...document, cronExpression: 5 })).rejects.toMatchObject({
    code: "schedules.schedule_invalid",
  });
});
