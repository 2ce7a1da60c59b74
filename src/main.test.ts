/** `millrace start` as a user meets it: a process of its own with an embedded PostgreSQL. */
import { once } from "node:events";
import { readFile, stat } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { type RunningCommand, runCommand, startCommand } from "../test/support/command.ts";
import { createTestDatabase } from "../test/support/database.ts";
import { makeTemporaryDirectory, type TemporaryDirectory } from "../test/support/temporary.ts";

// Whole programs, several of them in a test, on a machine that may be busy.
vi.setConfig({ testTimeout: 120_000 });

let directory: TemporaryDirectory;
const running: RunningCommand[] = [];

beforeAll(async () => {
  directory = await makeTemporaryDirectory("millrace-start-");
});
afterEach(async () => {
  for (const command of running.splice(0)) {
    if (command.child.exitCode === null && command.child.signalCode === null) command.child.kill("SIGTERM");
    await command.ended;
  }
});
afterAll(() => directory.remove());

function start(env: Record<string, string>): RunningCommand {
  const command = startCommand(["start"], { env: { MILLRACE_PORT: "0", ...env } });
  running.push(command);
  return command;
}

/** Waits until the program says that all is ready, and gives where its API is. */
async function ready(command: RunningCommand): Promise<string> {
  const out = await command.until(/Ctrl\+C/);
  return /API +(http:\/\/\S+)\/api\/v1/.exec(out)![1]!;
}

/** An outside service that takes its time, and counts who asks it. */
async function slowServer({ answerAfterMs }: { answerAfterMs: number }) {
  let asked = 0;
  const server = createServer((_request, response) => {
    asked++;
    setTimeout(() => response.end("well"), answerAfterMs);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}/`, asked: () => asked, close: () => server.close() };
}

const readyIn = (out: string) => {
  const [, amount, unit] = /is ready after ([\d.]+) (ms|s)\./.exec(out)!;
  return Number(amount) * (unit === "s" ? 1_000 : 1);
};

describe("the first start on an empty data directory", () => {
  const dataDir = () => join(directory.path, "first");

  test("runs the examples, tells how they ended, and serves the API with the key that it made", async () => {
    const command = start({ MILLRACE_DATA_DIR: dataDir() });
    const url = await ready(command);
    const { out, err } = command.output();
    expect(out).toMatch(/github-triage +329 instances: 329 COMPLETED/);
    expect(out).toMatch(/order-fulfilment +12 instances: .*7 COMPLETED/);
    expect(out.split("\n").length).toBeLessThan(20);
    expect(err).toBe("");
    expect(readyIn(out)).toBeLessThan(20_000);

    const key = (await readFile(join(dataDir(), "admin_api_key"), "utf8")).trim();
    expect(out).toContain(key);
    expect((await stat(join(dataDir(), "admin_api_key"))).mode & 0o777).toBe(0o600);
    expect(await (await fetch(`${url}/health`)).json()).toEqual({ status: "ok" });
    const list = `${url}/api/v1/workflows/instances?limit=500`;
    expect((await fetch(list)).status).toBe(401);
    const answer = await fetch(list, { headers: { authorization: `Bearer ${key}` } });
    const { items } = (await answer.json()) as { items: { parentInstanceId?: string }[] };
    // Seven orders are shipped, or would be, by a child.
    expect(items.filter(({ parentInstanceId }) => parentInstanceId === undefined)).toHaveLength(341);
    expect(items).toHaveLength(348);

    const env = { MILLRACE_DATA_DIR: dataDir(), MILLRACE_URL: url };
    expect((await runCommand(["nodes"], { env })).out).toContain("HEALTHY");
    expect((await runCommand(["db", "url"], { env })).out).toMatch(/^postgres:\/\//);

    const second = await start({ MILLRACE_DATA_DIR: dataDir() }).ended;
    expect(second.code).not.toBe(0);
    expect(second.err).toContain(`The data directory ${dataDir()} is in use`);

    command.child.kill("SIGTERM");
    expect((await command.ended).code).toBe(0);
  });

  test("leaves a later start with nothing to do but to say so", async () => {
    const command = start({ MILLRACE_DATA_DIR: dataDir() });
    await ready(command);
    const { out } = command.output();
    expect(out).toContain("The examples were run at an earlier start: 341 instances.");
    expect(out).not.toContain("mrk_");
    expect(readyIn(out)).toBeLessThan(10_000);
    command.child.kill("SIGINT");
    expect((await command.ended).code).toBe(0);
  });

  test("does not keep a killed program's shards waiting for its lease", async () => {
    const command = start({ MILLRACE_DATA_DIR: dataDir(), MILLRACE_LEASE_MS: "60000" });
    await ready(command);
    command.child.kill("SIGKILL");
    await command.ended;
    const url = await ready(start({ MILLRACE_DATA_DIR: dataDir(), MILLRACE_LEASE_MS: "60000" }));
    const env = { MILLRACE_DATA_DIR: dataDir(), MILLRACE_URL: url };
    const input = '{"kind":"ping","payload":{}}';
    const started = await runCommand(["instances", "start", "github-triage", "-i", input, "--wait", "PT20S"], { env });
    expect(started.out).toMatch(/status +COMPLETED/);
  });
});

describe("a start", () => {
  test("without examples runs none", async () => {
    const { url, drop } = await createTestDatabase();
    const command = start({
      DATABASE_URL: url,
      MILLRACE_EXAMPLES: "false",
      MILLRACE_DATA_DIR: join(directory.path, "none"),
    });
    await ready(command);
    expect(command.output().out).not.toContain("xamples");
    command.child.kill("SIGTERM");
    await command.ended;
    await drop();
  });

  test("on a given database leaves it without examples unless they are asked for", async () => {
    const { url, drop } = await createTestDatabase();
    const command = start({ DATABASE_URL: url, MILLRACE_DATA_DIR: join(directory.path, "given") });
    await ready(command);
    expect(command.output().out).not.toContain("xamples");
    command.child.kill("SIGTERM");
    await command.ended;
    await drop();
  });

  test("that is told to stop lets a running step end: it is recorded and not run again", async () => {
    const { url, drop } = await createTestDatabase();
    const bank = await slowServer({ answerAfterMs: 1_000 });
    const env = {
      DATABASE_URL: url,
      MILLRACE_ADMIN_API_KEY: "a-key-for-the-drain-test",
      MILLRACE_ALLOW_PRIVATE_ADDRESSES: "true",
      MILLRACE_DATA_DIR: join(directory.path, "drain"),
    };
    const first = start(env);
    const api = { MILLRACE_URL: await ready(first), MILLRACE_ADMIN_API_KEY: env.MILLRACE_ADMIN_API_KEY };
    const steps = [
      {
        stepId: "ask",
        type: "TASK",
        taskId: "http.request",
        input: { url: bank.url },
        transitions: { default: "say" },
      },
      { stepId: "say", type: "TASK", taskId: "transform", input: { expression: "steps.ask.output.body" } },
    ];
    const definition = JSON.stringify({ workflowId: "slow", name: "Slow", steps });
    expect((await runCommand(["apply", "-"], { env: api, stdin: definition })).code).toBe(0);
    const started = await runCommand(["--json", "instances", "start", "slow"], { env: api });
    const { instanceId } = JSON.parse(started.out) as { instanceId: string };
    await expect.poll(() => bank.asked()).toBe(1);
    first.child.kill("SIGTERM");
    expect((await first.ended).code).toBe(0);

    const second = start(env);
    const later = { ...api, MILLRACE_URL: await ready(second) };
    const watched = await runCommand(["instances", "watch", instanceId], { env: later });
    expect(watched.out).toContain("COMPLETED after");
    expect(bank.asked()).toBe(1);
    second.child.kill("SIGTERM");
    await second.ended;
    bank.close();
    await drop();
  });

  test("ends at once with a second signal", async () => {
    const { url, drop } = await createTestDatabase();
    const command = start({
      DATABASE_URL: url,
      MILLRACE_DRAIN_MS: "600000",
      MILLRACE_DATA_DIR: join(directory.path, "twice"),
    });
    await ready(command);
    command.child.kill("SIGINT");
    while (!command.output().err.includes("Stopping") && command.child.exitCode === null) await sleep(1);
    command.child.kill("SIGINT");
    expect([0, 130]).toContain((await command.ended).code);
    await drop();
  });

  test("without the role api serves no HTTP and still runs what others accept", async () => {
    const { url, drop } = await createTestDatabase();
    const key = "a-key-for-the-roles-test";
    const engine = start({ DATABASE_URL: url, MILLRACE_ADMIN_API_KEY: key, MILLRACE_ROLES: "engine" });
    await engine.until(/Ctrl\+C/);
    expect(engine.output().out).toMatch(/API +none here; roles: engine/);
    const api = start({ DATABASE_URL: url, MILLRACE_ADMIN_API_KEY: key, MILLRACE_ROLES: "api" });
    const env = { MILLRACE_URL: await ready(api), MILLRACE_ADMIN_API_KEY: key };
    const apply = await runCommand(["apply", join(import.meta.dirname, "..", "examples", "github_triage")], { env });
    expect(apply.code).toBe(0);
    const input = '{"kind":"ping","payload":{}}';
    const started = await runCommand(["instances", "start", "github-triage", "-i", input, "--wait", "PT20S"], { env });
    expect(started.out).toMatch(/status +COMPLETED/);
    const nodes = JSON.parse((await runCommand(["--json", "nodes"], { env })).out).items as { shards: number[] }[];
    expect(nodes.map(({ shards }) => shards.length).sort()).toEqual([0, 64]);
    for (const command of [api, engine]) command.child.kill("SIGTERM");
    await Promise.all([api.ended, engine.ended]);
    await drop();
  });

  test("with settings that cannot be used names every fault and ends with 2", async () => {
    const { code, err, out } = await start({ MILLRACE_PORT: "many", MILLRACE_LEASE_MS: "1", MILLRACE_PROT: "1" }).ended;
    expect({ code, out }).toEqual({ code: 2, out: "" });
    expect(err).toMatch(/MILLRACE_PORT must be[\s\S]*MILLRACE_LEASE_MS must be/);
    expect(err).toContain("did you mean MILLRACE_PORT?");
  });

  test("on a port that is taken says so and leaves nothing running", async () => {
    const { url, drop } = await createTestDatabase();
    const first = start({ DATABASE_URL: url, MILLRACE_DATA_DIR: join(directory.path, "port") });
    const port = new URL(await ready(first)).port;
    const second = await start({
      DATABASE_URL: url,
      MILLRACE_DATA_DIR: join(directory.path, "port"),
      MILLRACE_PORT: port,
    }).ended;
    expect(second.code).not.toBe(0);
    expect(second.err).toContain("EADDRINUSE");
    first.child.kill("SIGTERM");
    await first.ended;
    await drop();
  });
});
