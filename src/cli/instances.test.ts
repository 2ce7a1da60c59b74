import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { startTestApp, type TestApp, testKey } from "../../test/support/app.ts";
import { type CommandResult, runCommand, startCommand } from "../../test/support/command.ts";
import { TaskError } from "../tasks/index.ts";

let program: TestApp;
let refuses = true;

beforeAll(async () => {
  program = await startTestApp({
    tasks: {
      tell(input, { log }) {
        log.info("Telling", { input });
        log.warn("Told late");
        return input;
      },
      refuse() {
        if (refuses) throw new TaskError({ code: "NOT_YET", category: "BUSINESS", message: "Not yet" });
        return "at last";
      },
    },
  });
  const files = join(program.dataDir, "definitions");
  await mkdir(files, { recursive: true });
  const wait = { stepId: "wait", type: "EVENT_WAIT", eventPattern: "go", transitions: { default: "say" } };
  const say = { stepId: "say", type: "TASK", taskId: "tell", input: "variables.greeting" };
  const variables = { greeting: { type: "string", default: "Hello" } };
  const waiting = { workflowId: "waiting", name: "Waiting", version: "1.0.0", variables, steps: [wait, say] };
  const elsewhere = { ...wait, eventPattern: "elsewhere" };
  const documents = {
    "waiting.json": waiting,
    "next.json": { ...waiting, version: "1.1.0", steps: [wait, { ...say, input: "'Good day'" }] },
    "other.json": { ...waiting, version: "2.0.0", steps: [elsewhere, say] },
    "refused.json": { workflowId: "refused", name: "R", steps: [{ stepId: "only", type: "TASK", taskId: "refuse" }] },
  };
  for (const [name, document] of Object.entries(documents)) {
    await writeFile(join(files, name), JSON.stringify(document));
  }
  expect(await millrace("apply", files)).toMatchObject({ code: 0, err: "" });
});
afterAll(() => program.stop());

const env = () => ({ MILLRACE_URL: program.url, MILLRACE_ADMIN_API_KEY: testKey });

function millrace(...args: string[]): Promise<CommandResult> {
  return runCommand(args, { env: env() });
}

async function json<T = Record<string, unknown>>(...args: string[]): Promise<T> {
  const { code, out, err } = await millrace("--json", ...args);
  expect(code, err).toBe(0);
  return JSON.parse(out) as T;
}

async function start(...args: string[]): Promise<string> {
  const { instanceId } = await json<{ instanceId: string }>("instances", "start", ...args);
  return instanceId;
}

function statusBecomes(id: string, status: string): Promise<void> {
  const look = async () => (await program.call("GET", `/api/v1/workflows/instances/${id}`)).body;
  return vi.waitFor(async () => expect((await look()).status).toBe(status), { timeout: 10_000, interval: 20 });
}

async function startWaiting(...args: string[]): Promise<string> {
  const id = await start("waiting", "--version", "1.0.0", ...args);
  await statusBecomes(id, "WAITING_FOR_EVENT");
  return id;
}

describe("an instance", () => {
  test("says why it waits, is paused and resumed, and gets another priority", async () => {
    const id = await startWaiting();
    expect((await millrace("instances", "why", id)).out).toMatch(/wait +EVENT +\d{4}-/);
    expect((await millrace("instances", "pause", id)).code).toBe(0);
    await statusBecomes(id, "PAUSED");
    const again = await millrace("instances", "pause", id);
    expect([again.code, again.out]).toEqual([3, ""]);
    expect((await millrace("instances", "resume", id)).out).toContain(id);
    expect((await millrace("instances", "priority", id, "critical")).code).toBe(0);
    await vi.waitFor(async () => expect(await json("instances", "get", id)).toMatchObject({ priority: 10 }), 20_000);
    expect((await millrace("instances", "priority", id, "odd")).err).toContain("/priority");
  });

  test("is started with variables, passes over a step, and is restarted from one", async () => {
    const id = await startWaiting("--variables", '{"greeting":"Good morning"}');
    expect((await millrace("instances", "skip", id, "wait")).code).toBe(0);
    await statusBecomes(id, "COMPLETED");
    expect((await millrace("instances", "get", id)).out).toMatch(/output +"Good morning"/);
    const refused = await millrace("instances", "start", "waiting", "--variables", '{"greting":"x"}');
    expect(refused.code).toBe(3);
    expect(refused.err).toContain("/variables/greting");

    const restarted = await millrace("instances", "restart", id, "--from", "say", "-i", '{"by":"Ada"}');
    expect(restarted.out).toMatch(new RegExp(`restarted +from say of ${id}`));
    const made = /instance +(\S+)/.exec(restarted.out)![1]!;
    await statusBecomes(made, "COMPLETED");
    expect((await millrace("instances", "get", made)).out).toMatch(new RegExp(`restarted +from say of ${id}`));
    const outputs = ["--outputs", '{"nothing":1}'];
    const edited = await millrace("instances", "restart", id, "--from", "say", ...outputs);
    expect([edited.code, edited.err.includes("/outputs/nothing")]).toEqual([3, true]);
    expect((await millrace("instances", "restart", id)).code).toBe(2);
    expect((await millrace("instances", "why", id)).out).toContain("It has ended");
  });

  test("that failed is tried again", async () => {
    const id = await start("refused");
    await statusBecomes(id, "FAILED");
    refuses = false;
    expect((await millrace("instances", "retry", id)).code).toBe(0);
    await statusBecomes(id, "COMPLETED");
    expect((await millrace("instances", "retry", id)).code).toBe(3);
    refuses = true;
  });

  test("goes on with another version, or is told what is in the way", async () => {
    const id = await startWaiting();
    const dry = await millrace("instances", "migrate", id, "--to", "1.1.0", "--dry-run");
    expect([dry.code, dry.out.trim()]).toEqual([0, `${id} can go on with version 1.1.0`]);
    const lost = await millrace("instances", "migrate", id, "--to", "2.0.0", "--dry-run");
    expect(lost.code).toBe(3);
    expect(lost.out).toMatch(/cannot go on with version 2\.0\.0[\s\S]*\nwait +/);
    expect((await millrace("instances", "migrate", id, "--to", "9.9.9")).code).toBe(4);
    expect((await millrace("instances", "migrate", id, "--to", "1.1.0")).out).toContain("goes on with version 1.1.0");
  });

  test("shows its log, and follows it to the end", async () => {
    const id = await startWaiting();
    const following = startCommand(["instances", "logs", id, "--follow", "--level", "warn"], { env: env() });
    await millrace("instances", "signal", id, "go");
    const { code, out } = await following.ended;
    expect(code).toBe(0);
    expect(out).toMatch(/warn +say +Told late/);
    expect(out).not.toContain("Telling");
    const all = await millrace("instances", "logs", id, "--step", "say");
    expect(all.out).toMatch(/info +say +Telling .*"Hello"[\s\S]*warn +say +Told late/);
    expect((await millrace("instances", "logs", id, "--search", "nothing like it")).out).toContain(
      "Nothing was logged",
    );
    expect((await millrace("instances", "children", id)).out).toContain("No instances");
  });

  test("that does not exist ends with exit code 4", async () => {
    for (const args of [["why"], ["logs"], ["logs", "--follow"], ["pause"], ["retry"]]) {
      const [verb, ...more] = args;
      expect((await millrace("instances", verb!, "no-such-id", ...more)).code).toBe(4);
    }
  });
});

describe("many instances", () => {
  test("are counted, paused and cancelled by filters and ids", async () => {
    const ids = [await startWaiting("--correlation-id", "many"), await startWaiting("--correlation-id", "many")];
    const many = ["--correlation-id", "many"];
    const dry = await millrace("instances", "bulk", "pause", ...many, "--dry-run");
    expect(dry.out.split("\n").slice(0, 3)).toEqual([
      "pause would act on 2 instances",
      ...ids.toReversed().map((id) => `  ${id}`),
    ]);
    const done = await millrace("instances", "bulk", "pause", ...many);
    expect(done.code, done.err).toBe(0);
    expect(done.out).toMatch(/status +pause completed\ndone +2: 2 succeeded, 0 failed/);
    for (const id of ids) await statusBecomes(id, "PAUSED");

    const accepted = await json("instances", "bulk", "resume", ...many, "--no-wait");
    expect(accepted).toEqual({ operationId: expect.any(String), matched: 2 });
    for (const id of ids) await statusBecomes(id, "WAITING_FOR_EVENT");
    const some = await runCommand(["--json", "instances", "bulk", "cancel", "--ids", "-", "-r", "enough"], {
      env: env(),
      stdin: `${ids[0]}\n`,
    });
    expect(JSON.parse(some.out)).toMatchObject({ status: "completed", succeeded: 1, parameters: { reason: "enough" } });
    await statusBecomes(ids[0]!, "CANCELLED");
  });

  test("of which one cannot be acted on end with exit code 3, and it is named", async () => {
    const id = await startWaiting();
    const failed = await millrace("instances", "bulk", "retry", "--ids", id);
    expect(failed.code).toBe(3);
    expect(failed.out).toMatch(/done +1: 0 succeeded, 1 failed/);
    expect(failed.out).toMatch(new RegExp(`${id} +engine\\.`));
  });

  test("are not acted on without a filter, nor by what is no action", async () => {
    const all = await millrace("instances", "bulk", "cancel");
    expect([all.code, all.err.includes("/filter")]).toEqual([3, true]);
    const both = await millrace("instances", "bulk", "cancel", "--status", "FAILED", "--ids", "x");
    expect(both.code).toBe(3);
    expect((await millrace("instances", "bulk", "explode", "--status", "FAILED")).code).toBe(2);
  });
});

test("workflows tell how their instances did", async () => {
  const id = await start("refused");
  await statusBecomes(id, "FAILED");
  await vi.waitFor(async () => {
    const { code, out } = await millrace("workflows", "stats", "refused");
    expect(code).toBe(0);
    expect(out).toMatch(/workflow +refused \(all versions\)/);
    expect(out).toMatch(/failed +[1-9]/);
    expect(out).toMatch(/only +NOT_YET +[1-9]/);
  }, 20_000);
  expect(await json("workflows", "stats", "waiting", "--version", "2.0.0")).toMatchObject({
    version: "2.0.0",
    started: 0,
  });
  expect((await millrace("workflows", "stats", "nothing-like-it")).code).toBe(4);
});
