import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startTestApp, type TestApp, testKey } from "../../test/support/app.ts";
import { type CommandResult, runCommand, startCommand } from "../../test/support/command.ts";
import { createTestDatabase } from "../../test/support/database.ts";

let program: TestApp;
let files: string;

beforeAll(async () => {
  program = await startTestApp({ tasks: { echo: (input) => input } });
  files = join(program.dataDir, "definitions");
  await mkdir(join(files, "more"), { recursive: true });
  await writeFile(
    join(files, "echo.yaml"),
    [
      "workflowId: echo",
      "name: Echo",
      "version: 1.2.0",
      "inputSchema: { type: object, required: [text] }",
      "steps:",
      "  - { stepId: say, type: TASK, taskId: echo }",
      "",
    ].join("\n"),
  );
  const wait = { stepId: "wait", type: "EVENT_WAIT", eventPattern: "go", transitions: { default: "say" } };
  const say = { stepId: "say", type: "TASK", taskId: "echo", input: { got: "${steps.wait.output}" } };
  const waiting = { workflowId: "waiting", name: "Waiting", steps: [wait, say] };
  await writeFile(join(files, "more", "waiting.json"), JSON.stringify(waiting, null, 2));
  const applied = await millrace("apply", files);
  expect(applied).toMatchObject({ code: 0, err: "" });
});
afterAll(() => program.stop());

function millrace(...args: string[]): Promise<CommandResult> {
  return runCommand(args, { env: { MILLRACE_URL: program.url, MILLRACE_ADMIN_API_KEY: testKey } });
}

/** The answer of a command in JSON. */
async function json<T = { items: Record<string, unknown>[] }>(...args: string[]): Promise<T> {
  const { code, out, err } = await millrace("--json", ...args);
  expect(code, err).toBe(0);
  return JSON.parse(out) as T;
}

async function startWaiting(): Promise<string> {
  return (await json<{ instanceId: string }>("instances", "start", "waiting")).instanceId;
}

describe("apply", () => {
  test("stores every file of a directory; what is there already stays unchanged", async () => {
    const { items } = await json("apply", files);
    expect(items).toMatchObject([
      { file: join(files, "echo.yaml"), workflowId: "echo", version: "1.2.0", result: "unchanged" },
      { file: join(files, "more", "waiting.json"), workflowId: "waiting", version: "1.0.0", result: "unchanged" },
    ]);
  });

  test("goes on after a file that fails, and says where in the file each fault is", async () => {
    const bad = join(program.dataDir, "bad.yaml");
    await writeFile(
      bad,
      [
        "workflowId: bad",
        "name: Bad",
        "steps:",
        "  - stepId: a",
        "    type: TASK",
        "    taskId: echo",
        "    transitions: { default: nowhere }",
      ].join("\n"),
    );
    const { code, out, err } = await millrace("apply", bad, join(files, "echo.yaml"));
    expect(code).toBe(3);
    expect(out).toMatch(/bad\.yaml +failed/);
    expect(out).toMatch(/echo\.yaml +echo +1\.2\.0 +unchanged/);
    expect(err).toContain(`${bad}:7:20  /steps/0/transitions/default`);
    expect(err).toContain("workflows.definition_invalid");
  });

  test("says by line and column what is no JSON or YAML", async () => {
    const broken = join(program.dataDir, "broken.json");
    await writeFile(broken, '{\n  "workflowId": oops\n}');
    const { code, err } = await millrace("apply", broken);
    expect(code).toBe(3);
    expect(err).toMatch(/line 2, column \d+/);
  });

  test("reads standard input", async () => {
    const definition = "workflowId: piped\nname: Piped\nsteps: [{ stepId: a, type: TASK, taskId: echo }]\n";
    const env = { MILLRACE_URL: program.url, MILLRACE_ADMIN_API_KEY: testKey };
    const { code, out } = await runCommand(["apply", "-"], { env, stdin: definition });
    expect(code).toBe(0);
    expect(out).toMatch(/\(standard input\) +piped +1\.0\.0 +created/);
  });

  test("of a file that does not exist is a usage error", async () => {
    expect(await millrace("apply", "no-such-file.yaml")).toMatchObject({ code: 2, out: "" });
  });
});

describe("workflows", () => {
  test("are listed, shown, validated, deprecated and activated", async () => {
    const list = await millrace("workflows", "list");
    expect(list.out).toMatch(/^WORKFLOW +VERSION +STATUS/);
    expect(list.out).toMatch(/echo +1\.2\.0 +active +yes/);
    expect((await millrace("workflows", "get", "waiting")).out).toMatch(/wait +EVENT_WAIT +go +say/);
    expect((await millrace("workflows", "validate", files)).out).toMatch(/waiting\.json +waiting .*valid/);
    expect((await millrace("workflows", "deprecate", "echo", "--version", "1.2.0")).out).toContain("deprecated");
    expect((await millrace("instances", "start", "echo", "-i", '{"text":"x"}')).code).toBe(3);
    expect((await millrace("workflows", "activate", "echo", "--version", "1.2.0")).out).toContain("active");
    const { items } = await json("workflows", "versions", "echo");
    expect(items).toMatchObject([{ version: "1.2.0", status: "active" }]);
  });

  test("with steps inside steps are shown with all of them", async () => {
    const nested = join(program.dataDir, "nested.yaml");
    await writeFile(
      nested,
      [
        "workflowId: nested",
        "name: Nested",
        "steps:",
        "  - stepId: fan",
        "    type: PARALLEL",
        "    join: any",
        "    branches:",
        "      - { branchId: left, steps: [{ stepId: a, type: TASK, taskId: echo }] }",
        "      - branchId: right",
        "        steps:",
        "          - { stepId: each, type: MAP, items: input.lines, steps: [{ stepId: b, type: TASK, taskId: echo }] }",
        "    transitions: { default: ship }",
        "    onFailure: { default: sorry }",
        "  - { stepId: ship, type: WORKFLOW, workflowId: shipping, version: 1.0.0 }",
        "  - { stepId: sorry, type: TERMINATE, status: FAILED }",
      ].join("\n"),
    );
    expect(await millrace("apply", nested)).toMatchObject({ code: 0, err: "" });
    const { out } = await millrace("workflows", "get", "nested");
    expect(out.split("\n").map((line) => line.trim().split(/ {2,}/))).toEqual(
      expect.arrayContaining([
        ["fan", "PARALLEL", "any of 2", "ship", "sorry"],
        ["fan/left/a", "TASK", "echo", "(end)"],
        ["fan/right/each", "MAP", "input.lines", "(end)"],
        ["fan/right/each/*/b", "TASK", "echo", "(end)"],
        ["ship", "WORKFLOW", "shipping 1.0.0", "(end)"],
        ["sorry", "TERMINATE", "FAILED"],
      ]),
    );
  });

  test("are validated with every fault and doubt at its line, steps inside steps too", async () => {
    const faulty = join(program.dataDir, "faulty.yaml");
    await writeFile(
      faulty,
      [
        "workflowId: faulty",
        "name: Faulty",
        "steps:",
        "  - stepId: fan",
        "    join: 2",
        "    parallelBranches:",
        "      - branchId: left",
        "        steps:",
        "          - stepId: a",
        "            type: TASK",
        "            taskId: echo",
        "            timeout: soon",
        "          - stepId: again",
        "            type: WORKFLOW",
        "            workflowId: faulty",
        "            detach: true",
        "            timeout: PT1S",
      ].join("\n"),
    );
    const { code, err } = await millrace("workflows", "validate", faulty);
    expect(code).toBe(3);
    expect(err).toContain(`${faulty}:5:5  /steps/0/join  The join can never be met`);
    expect(err).toContain(`${faulty}:12:13  /steps/0/parallelBranches/0/steps/0/timeout`);
    expect(err).toContain(`${faulty}:13:13  /steps/0/parallelBranches/0/steps/1  The step "again" is unreachable`);
    expect(err).toMatch(/warning +.*faulty\.yaml:17:13 {2}\/steps\/0\/parallelBranches\/0\/steps\/1\/timeout/);
  });
});

describe("instances", () => {
  test("are started, waited for and shown", async () => {
    const { code, out } = await millrace(
      "instances",
      "start",
      "echo",
      "-i",
      '{"text":"hi"}',
      "--wait",
      "--correlation-id",
      "c-9",
    );
    expect(code).toBe(0);
    expect(out).toMatch(/status +COMPLETED/);
    expect(out).toMatch(/output +\{"text":"hi"\}/);
    const id = /instance +(\S+)/.exec(out)![1]!;
    expect((await millrace("instances", "get", id)).out).toMatch(/say +COMPLETED +1/);
    expect((await millrace("instances", "history", id)).out).toMatch(/1 +say +TASK +COMPLETED/);
    expect((await json("instances", "list", "--correlation-id", "c-9")).items).toMatchObject([{ id }]);
    expect((await millrace("instances", "list", "--status", "completed")).out).toContain(id);
  });

  test("take input from files and standard input", async () => {
    const input = join(program.dataDir, "input.yaml");
    await writeFile(input, "text: from a file\n");
    const byFile = await json<{ output: unknown }>("instances", "start", "echo", "-i", `@${input}`, "-w");
    expect(byFile.output).toEqual({ text: "from a file" });
    const env = { MILLRACE_URL: program.url, MILLRACE_ADMIN_API_KEY: testKey };
    const piped = await runCommand(["--json", "instances", "start", "echo", "-i", "-", "-w"], {
      env,
      stdin: '{"text":"piped"}',
    });
    expect(JSON.parse(piped.out).output).toEqual({ text: "piped" });
    const broken = await millrace("instances", "start", "echo", "-i", "{text");
    expect(broken.code).toBe(2);
    expect(broken.err).toContain("--input cannot be read");
  });

  test("are watched to their end while signals come", async () => {
    const id = await startWaiting();
    const env = { MILLRACE_URL: program.url, MILLRACE_ADMIN_API_KEY: testKey };
    const watching = startCommand(["instances", "watch", id], { env });
    await watching.until(/wait +RUNNING/);
    const signalled = await millrace("instances", "signal", id, "go", "-p", '{"n":1}');
    expect(signalled).toMatchObject({ code: 0 });
    const { code, out } = await watching.ended;
    expect(code).toBe(0);
    expect(out).toMatch(/wait +COMPLETED.*\n.*say +COMPLETED/);
    expect(out).toMatch(/COMPLETED after .*\{"got":\{"n":1\}\}/);
  });

  test("that are cancelled end a watch with exit code 7", async () => {
    const id = await startWaiting();
    expect((await millrace("instances", "cancel", id, "--reason", "enough")).code).toBe(0);
    const { code, out } = await millrace("instances", "watch", id);
    expect(code).toBe(7);
    expect(out).toContain("CANCELLED");
    const again = await millrace("instances", "cancel", id, "--reason", "enough");
    expect(again.code).toBe(3);
    expect(again.err).toContain("engine.instance_final");
  });

  test("whose input does not fit are refused with each fault and its place", async () => {
    const { code, err } = await millrace("instances", "start", "echo", "-i", "{}");
    expect(code).toBe(3);
    expect(err).toMatch(/\/input\/text: is required/);
  });
});

describe("the surroundings", () => {
  test("nodes and their shards are shown", async () => {
    expect((await millrace("nodes")).out).toMatch(new RegExp(`${program.app.engine.nodeId} +engine .* HEALTHY +fresh`));
  });

  test("db url and migrate work on the database in use", async () => {
    const { url, drop } = await createTestDatabase({ empty: true });
    const env = { DATABASE_URL: url };
    try {
      expect((await runCommand(["db", "url"], { env })).out.trim()).toBe(url);
      expect((await runCommand(["migrate", "status"], { env })).out).toMatch(/0001 +pending/);
      expect((await runCommand(["migrate"], { env })).out).toMatch(/applied 0001_engine\n.*applied 0002/s);
      expect((await runCommand(["migrate", "up"], { env })).out).toContain("Everything is applied already.");
      expect((await runCommand(["migrate", "down", "--to", "0"], { env })).code).toBe(2);
      const down = await runCommand(["--json", "migrate", "down", "--to", "0000", "--yes"], { env });
      expect(down).toMatchObject({ code: 0 });
      expect(JSON.parse(down.out).reverted.at(-1)).toBe("0001_engine");
    } finally {
      await drop();
    }
  });
});

describe("what goes wrong", () => {
  test.each([
    [["instances", "get", "no-such-id"], 4, /engine\.instance_not_found/],
    [["instances", "start", "no-such-workflow"], 4, /workflows\.definition_not_found/],
    [["instances", "cancel", "x"], 2, /required option '-r, --reason <text>'/],
    [["instances", "list", "--limit", "many"], 2, /whole number/],
    [["instances", "list", "--status", "odd"], 3, /\/query\/status/],
    [["no-such-command"], 2, /unknown command/],
  ])("%j ends with exit code %i and says why", async (args, code, message) => {
    const result = await millrace(...args);
    expect(result.code).toBe(code);
    expect(result.err).toMatch(message);
    expect(result.out).toBe("");
  });

  test("a wrong key ends with 5, no key says where one would be", async () => {
    const env = { MILLRACE_URL: program.url, MILLRACE_ADMIN_API_KEY: "wrong-key-of-16-characters" };
    expect((await runCommand(["nodes"], { env })).code).toBe(5);
    const none = await runCommand(["nodes"], { env: { MILLRACE_URL: program.url, MILLRACE_DATA_DIR: files } });
    expect(none.code).toBe(5);
    expect(none.err).toContain("MILLRACE_DATA_DIR");
  });

  test("no server ends with 6, no database too", async () => {
    const env = { MILLRACE_URL: "http://127.0.0.1:1", MILLRACE_ADMIN_API_KEY: testKey };
    expect(await runCommand(["nodes"], { env })).toMatchObject({ code: 6, out: "" });
    const gone = await runCommand(["migrate"], { env: { DATABASE_URL: "postgres://nobody@127.0.0.1:1/none" } });
    expect(gone.code).toBe(6);
    expect((await runCommand(["db", "url"], { env: { MILLRACE_DATA_DIR: files } })).code).toBe(6);
  });

  test("a setting that is misspelt ends with 2 and its right name", async () => {
    const { code, err } = await runCommand(["nodes"], { env: { MILLRACE_ADRESS: "x", MILLRACE_URI: "y" } });
    expect(code).toBe(2);
    expect(err).toContain("did you mean MILLRACE_URL?");
  });

  test("with --json is told as JSON on standard error", async () => {
    const { code, out, err } = await millrace("--json", "instances", "get", "no-such-id");
    expect(code).toBe(4);
    expect(out).toBe("");
    expect(JSON.parse(err)).toMatchObject({ status: 404, code: "engine.instance_not_found" });
  });

  test("nothing is coloured in a pipe, all is where it is asked for, and what users wrote steers no terminal", async () => {
    const env = { MILLRACE_URL: program.url, MILLRACE_ADMIN_API_KEY: testKey };
    const args = [
      "instances",
      "start",
      "echo",
      "-w",
      "-i",
      '{"text":"\\u001b[2Jgone"}',
      "--correlation-id",
      "\u001b]0;title\u0007",
    ];
    await runCommand(args, { env });
    const plain = await runCommand(["instances", "list"], { env });
    expect(plain.out).not.toContain("\u001b");
    const coloured = await runCommand(["instances", "list"], { env: { ...env, FORCE_COLOR: "1" } });
    expect(coloured.out).toContain("\u001b[32mCOMPLETED");
    expect(coloured.out).not.toContain("\u001b]");
  });
});
