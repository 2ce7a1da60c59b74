// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the templates under test are written so.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startTestApp, type TestApp } from "../../../test/support/app.ts";
import { instanceCalls } from "../../../test/support/instances.ts";
import { type ScheduleCalls, scheduleCalls, schedulesPath } from "../../../test/support/schedules.ts";

let program: TestApp;
let schedules: ScheduleCalls;

beforeAll(async () => {
  program = await startTestApp({ tasks: { echo: (input) => input } });
  schedules = scheduleCalls(program);
  const steps = [{ stepId: "echo", type: "TASK", taskId: "echo" }];
  await instanceCalls(program).define({ workflowId: "report", name: "Report", steps });
});
afterAll(() => program?.stop());

const target = { targetId: "report" };
const daily = { ...target, cronExpression: "30 2 * * *", timezone: "Europe/Berlin", startDate: "2199-12-31T00:00:00Z" };

describe("a schedule", () => {
  test("is created, read by its id and by its name, and says what is planned", async () => {
    const { status, headers, body } = await program.call("POST", schedulesPath, {
      body: {
        ...daily,
        name: "nightly",
        jitter: "PT1M",
        catchUpWindow: "PT2H",
        input: { day: "${schedule.localDate}" },
      },
    });
    expect(status).toBe(201);
    expect(headers.get("location")).toBe(`${schedulesPath}/${body.id}`);
    expect(body).toMatchObject({
      ...daily,
      startDate: "2199-12-31T00:00:00.000Z",
      type: "recurring",
      kind: "cron",
      status: "active",
      version: 1,
      jitter: 60_000,
      catchUpWindow: 7_200_000,
      overlapPolicy: "skip",
      nextPlannedAt: "2199-12-31T01:30:00.000Z",
      fired: 0,
    });
    expect(await schedules.get("nightly")).toEqual(body);
    const { items } = await schedules.get("nightly", "/next?count=2");
    expect(items.map(({ plannedAt }) => plannedAt)).toEqual(["2199-12-31T01:30:00.000Z", "2200-01-01T01:30:00.000Z"]);
    expect(items[0]!.dueAt).toBe(body.nextExecution);
    const [why] = (await schedules.get("nightly", "/why")).items;
    expect(why).toMatchObject({ rule: "NOT_STARTED", until: body.nextExecution });
  });

  test("is known in its namespace only, and its name is taken there once", async () => {
    await schedules.create({ ...daily, name: "mine" });
    const again = await program.call("POST", schedulesPath, { body: { ...daily, name: "mine" } });
    expect(again).toMatchObject({ status: 409, body: { code: "schedules.name_taken" } });
    const elsewhere = await program.call("GET", `${schedulesPath}/mine`, { namespace: "other" });
    expect(elsewhere).toMatchObject({ status: 404, body: { code: "schedules.schedule_not_found" } });
  });

  test("is changed in part, and refuses a change of what it was before", async () => {
    const id = await schedules.create({ ...daily, name: "changing", description: "Old" });
    const patch = (body: object) => program.call("PATCH", `${schedulesPath}/${id}`, { body });
    const { body } = await patch({ interval: "PT2H", description: null, startDate: null, ifVersion: 1 });
    expect(body).toMatchObject({ kind: "interval", interval: 7_200_000, version: 2, timezone: "Europe/Berlin" });
    expect(body).not.toHaveProperty("cronExpression");
    expect(body).not.toHaveProperty("description");
    expect(Date.parse(body.nextPlannedAt as string)).toBeGreaterThan(Date.now() + 7_100_000);
    expect(await patch({ description: "New", ifVersion: 1 })).toMatchObject({
      status: 409,
      body: { code: "schedules.version_changed" },
    });
    const put = await program.call("PUT", `${schedulesPath}/${id}`, { body: { ...daily, name: "changed" } });
    expect(put.body).toMatchObject({ name: "changed", kind: "cron", version: 3, overlapPolicy: "skip" });
    expect(put.body).not.toHaveProperty("interval");
  });

  test("lists by status, workflow and name, a page at a time", async () => {
    const call = (path: string) => program.call("GET", `${schedulesPath}?${path}`, { namespace: "lists" });
    const steps = [{ stepId: "echo", type: "TASK", taskId: "echo" }];
    await program.call("POST", "/api/v1/workflows/definitions", {
      namespace: "lists",
      body: { workflowId: "report", name: "Report", steps },
    });
    for (const name of ["a-1", "a-2", "b-1"])
      await program.call("POST", schedulesPath, {
        namespace: "lists",
        body: { ...daily, name, paused: name === "a-2" },
      });
    const names = async (path: string) => (await call(path)).body.items.map(({ name }) => name);
    expect(await names("targetId=report")).toEqual(["b-1", "a-2", "a-1"]);
    expect(await names("status=paused")).toEqual(["a-2"]);
    expect(await names("name=a-&status=active")).toEqual(["a-1"]);
    const first = await call("limit=2");
    expect(await names(`limit=2&cursor=${first.body.nextCursor}`)).toEqual(["a-1"]);
  });
});

describe("what is wrong is told with its place and with what would be right", () => {
  const cases: [what: object, pointer: string, message: RegExp, expected: RegExp][] = [
    [{ cronExpression: "0 0 31 2 *" }, "/cronExpression", /never fires/, /days that their months have/],
    [{ cronExpression: "0 0 * *" }, "/cronExpression", /not a cron expression/, /five fields/],
    [{ cronExpression: "61 * * * *" }, "/cronExpression", /not a cron expression/, /five fields/],
    [{ cronExpression: "0 0 1 1 * * 2030" }, "/cronExpression", /not a cron expression/, /five fields/],
    [
      { cronExpression: "0 0 * * *", timezone: "Europe/Berlim" },
      "/timezone",
      /not a time zone/,
      /did you mean Europe\/Berlin/,
    ],
    [{ cronExpression: "0 0 * * *", timezone: "+02:00" }, "/timezone", /not a time zone/, /tz database/],
    [{ interval: 500 }, "/interval", /too short/, /at least a second/],
    [{ interval: "often" }, "/interval", /not a duration/, /PT1H/],
    [{ executeAt: "2001-01-01T00:00:00Z" }, "/executeAt", /passed/, /in the future/],
    [{ interval: "P1D", endDate: "2001-01-01T00:00:00Z" }, "/endDate", /no time/, /a later end/],
    [
      { interval: "P1D", startDate: "2190-01-02T00:00:00Z", endDate: "2190-01-01T00:00:00Z" },
      "/endDate",
      /before the start/,
      /later/,
    ],
    [{ interval: "PT1M", jitter: "PT1M" }, "/jitter", /not less than/, /a shorter one/],
    [{ interval: "PT1M", targetId: "nobody" }, "/targetId", /no definition/, /active version/],
    [{ interval: "PT1M", input: { a: ["${schedule.plannedAt +}"] } }, "/input/a/0", /./, /./],
    [{ interval: "PT1M", input: { a: "${workflow.id}" } }, "/input", /reads "workflow"/, /schedule.plannedAt/],
    [{}, "", /no times/, /one of/],
    [{ interval: "PT1M", cronExpression: "* * * * *" }, "/interval", /and/, /one of/],
  ];
  test.each(cases)("%j", async (what, pointer, message, expected) => {
    const { status, body } = await program.call("POST", schedulesPath, { body: { ...target, name: "wrong", ...what } });
    expect(status, JSON.stringify(body)).toBe(400);
    const fault = body.errors.find((error) => error.pointer === pointer) as { message: string; expected?: string };
    expect(fault, JSON.stringify(body.errors)).toBeDefined();
    expect(fault.message).toMatch(message);
    expect(fault.expected ?? "-").toMatch(expected);
  });

  test("a preview shows times that are not stored, and the same faults", async () => {
    const preview = (body: object) => program.call("POST", `${schedulesPath}/preview`, { body });
    const good = await preview({ cronExpression: "0 0 29 2 *", startDate: "2190-01-01T00:00:00Z", count: 2 });
    expect(good.body.items.map(({ plannedAt }) => plannedAt)).toEqual([
      "2192-02-29T00:00:00.000Z",
      "2196-02-29T00:00:00.000Z",
    ]);
    expect((await preview({ cronExpression: "0 0 31 2 *" })).body.errors[0]!.pointer).toBe("/cronExpression");
  });
});

describe("a pause", () => {
  test("keeps times from being fired; what passed is skipped, or caught up with", async () => {
    const startDate = new Date(Math.floor(Date.now() / 1000) * 1000 - 3_600_000).toISOString();
    const id = await schedules.create({
      ...target,
      name: "pausing",
      interval: "PT1S",
      startDate,
      overlapPolicy: "allow",
      paused: true,
    });
    expect(await schedules.get(id)).toMatchObject({ status: "paused" });
    expect((await schedules.get(id, "/why")).items[0]).toMatchObject({ rule: "PAUSED" });
    const { items } = await schedules.get(id, "/next?count=1");
    const passed = items[0]!.plannedAt as string;
    await expect.poll(() => Date.now()).toBeGreaterThan(Date.parse(passed));
    expect(await schedules.occurrences(id)).toEqual([]);
    await schedules.post(id, "resume");
    await expect
      .poll(async () => (await schedules.occurrences(id)).find((o) => o.plannedAt === passed))
      .toMatchObject({
        status: "skipped",
        reason: "the schedule was paused",
      });
    await schedules.post(id, "pause");
    const pausedAt = (await schedules.get(id)).pausedAt as string;
    const next = new Date(Math.ceil(Date.parse(pausedAt) / 1000) * 1000).toISOString();
    await expect.poll(() => Date.now()).toBeGreaterThan(Date.parse(next) + 20);
    await schedules.post(id, "resume", { catchUp: true });
    await expect
      .poll(async () => (await schedules.occurrences(id)).find((o) => o.plannedAt === next))
      .toMatchObject({ status: "fired" });
    await schedules.post(id, "pause");
  });
});

describe("a backfill", () => {
  const hours = (n: number) => new Date(Date.UTC(2026, 0, 1, n)).toISOString();
  const hourly = { ...target, cronExpression: "0 * * * *" };

  test("fires past times that have not run, in order, with progress", async () => {
    const id = await schedules.create({ ...hourly, name: "filled", input: { at: "${schedule.plannedAt}" } });
    const { status, body } = await schedules.post(id, "backfill", { from: hours(0), until: hours(2) });
    expect(status).toBe(202);
    expect(body).toMatchObject({ status: "running", total: 3 });
    const progress = () => schedules.get(id, `/backfills/${body.id}`);
    await expect
      .poll(progress, { timeout: 10_000 })
      .toMatchObject({ status: "completed", done: 3, counts: { fired: 1, late: 2 } });
    const found = (await schedules.occurrences(id, `&backfillId=${body.id}`)).reverse();
    expect(found.map(({ plannedAt }) => plannedAt)).toEqual([hours(0), hours(1), hours(2)]);
    const started = found.map(({ instanceId }) => instanceId!);
    expect(started).toEqual([...started].sort());
    const more = await schedules.post(id, "backfill", { from: hours(0), until: hours(3), overlapPolicy: "allow" });
    expect(more.body).toMatchObject({ total: 1 });
    expect((await schedules.get(id, "/backfills")).items.map((item) => item.id)).toEqual([more.body.id, body.id]);
  });

  test("of a range without a time that is left, or with too many, is refused", async () => {
    const id = await schedules.create({ ...hourly, name: "unfilled" });
    const refused = async (from: string, until: string) => (await schedules.post(id, "backfill", { from, until })).body;
    expect(await refused("2026-01-01T00:10:00Z", "2026-01-01T00:20:00Z")).toMatchObject({
      code: "schedules.range_invalid",
    });
    expect(await refused("2001-01-01T00:00:00Z", hours(0))).toMatchObject({ errors: [{ pointer: "/until" }] });
    expect(await refused("2190-01-01T00:00:00Z", "2190-01-02T00:00:00Z")).toMatchObject({
      code: "schedules.range_invalid",
    });
  });
});
