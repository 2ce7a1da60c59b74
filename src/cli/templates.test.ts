import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startTestApp, type TestApp, testKey } from "../../test/support/app.ts";
import { type CommandResult, runCommand } from "../../test/support/command.ts";

let program: TestApp;
let file: string;

const template = [
  "name: greeting",
  "version: 1.0.0",
  "category: examples",
  "description: Greets",
  "parameters:",
  "  required: [greeting]",
  "  properties:",
  "    greeting: { type: string, description: How to greet, examples: [Hello] }",
  "    times: { type: integer, default: 1, description: How often }",
  "    more: { description: Anything }",
  "templateData:",
  "  name: Greeting",
  "  steps:",
  "    - stepId: greet",
  "      type: TASK",
  "      taskId: echo",
  '      input: { said: "{{greeting}}", times: "{{times}}", more: "{{more}}" }',
  "",
].join("\n");

beforeAll(async () => {
  program = await startTestApp({ tasks: { echo: (input) => input } });
  file = join(program.dataDir, "greeting.yaml");
  await writeFile(file, template);
  expect(await millrace("templates", "create", file)).toMatchObject({ code: 0, err: "" });
});
afterAll(() => program?.stop());

function millrace(...args: string[]): Promise<CommandResult> {
  return runCommand(args, { env: { MILLRACE_URL: program.url, MILLRACE_ADMIN_API_KEY: testKey } });
}

describe("templates", () => {
  test("are stored from files; what is there already stays unchanged", async () => {
    const again = await millrace("templates", "create", file);
    expect(again.out).toMatch(/^FILE +TEMPLATE +VERSION +RESULT\n.*greeting\.yaml +greeting +1\.0\.0 +unchanged/);
  });

  test("that are wrong are told by line and column", async () => {
    const wrong = join(program.dataDir, "wrong.yaml");
    await writeFile(wrong, template.replace("{{greeting}}", "{{greting}}").replace("name: greeting", "name: wrong"));
    const { code, out, err } = await millrace("templates", "create", wrong);
    expect(code).toBe(3);
    expect(out).toMatch(/wrong\.yaml +failed/);
    expect(err).toContain(`${wrong}:17:16  /templateData/steps/0/input/said`);
    expect(err).toContain('"greeting" (one of');
  });

  test("are listed, the built-in ones too", async () => {
    const { out } = await millrace("templates", "list");
    expect(out).toMatch(/^TEMPLATE +VERSION +CATEGORY/);
    expect(out).toMatch(/greeting +1\.0\.0 +examples +active +Greets/);
    expect(out).toMatch(/saga +1\.0\.0 +transaction +active +Runs actions.*built in/);
    expect((await millrace("templates", "list", "--category", "batch", "--name", "child")).out).not.toContain(
      "greeting",
    );
  });

  test("are shown with their parameters", async () => {
    const { out } = await millrace("templates", "get", "greeting");
    expect(out).toMatch(/template +greeting 1\.0\.0/);
    expect(out).toMatch(/greeting +string +\(required\) +How to greet/);
    expect(out).toMatch(/times +integer +1 +How often/);
  });

  test("are made into definitions; texts stay texts, anything else is JSON", async () => {
    const { code, out } = await millrace(
      ...["templates", "instantiate", "greeting", "--workflow-id", "made", "--version", "2.0.0"],
      ...["--param", "greeting=5", "-p", "times=3", "--param", 'more={"a":"b=c"}'],
    );
    expect([code, out]).toEqual([0, "made 2.0.0 created from greeting (active)\n"]);
    const run = await millrace("--json", "instances", "start", "made", "--wait");
    expect(JSON.parse(run.out).output).toEqual({ said: "5", times: 3, more: { a: "b=c" } });
  });

  test("take their parameters from a file, and single ones over those", async () => {
    const parameters = join(program.dataDir, "parameters.yaml");
    await writeFile(parameters, "greeting: Hi\ntimes: 2\n");
    const { code, out } = await millrace(
      ...["templates", "instantiate", "greeting", "--workflow-id", "seen", "--name", "Seen", "--status", "draft"],
      ...["--parameters", `@${parameters}`, "--param", "times=4", "--dry-run"],
    );
    expect(code).toBe(0);
    const definition = JSON.parse(out);
    expect(definition).toMatchObject({ workflowId: "seen", name: "Seen", status: "draft" });
    expect(definition.steps[0].input).toEqual({ said: "Hi", times: 4 });
    expect((await millrace("workflows", "get", "seen")).code).toBe(4);
  });

  test.each([
    [["instantiate", "greeting", "--workflow-id", "w"], 3, /\/parameters\/greeting: is required/],
    [["instantiate", "greeting"], 2, /--workflow-id/],
    [["instantiate", "greeting", "--workflow-id", "w", "--param", "greeting"], 2, /not name=value/],
    [["instantiate", "greeting", "--workflow-id", "w", "--parameters", "{"], 2, /--parameters cannot be read/],
    [["instantiate", "nobody", "--workflow-id", "w"], 4, /templates\.template_not_found/],
    [["delete", "saga"], 3, /templates\.builtin_fixed/],
    [["get", "nobody"], 4, /templates\.template_not_found/],
  ])("that cannot be done: %j ends with %i and says why", async (args, code, message) => {
    const result = await millrace("templates", ...args);
    expect(result.code).toBe(code);
    expect(result.err).toMatch(message);
  });

  test("are deleted", async () => {
    await writeFile(file, template.replace("name: greeting", "name: going"));
    await millrace("templates", "create", file);
    await writeFile(file, template);
    expect(await millrace("templates", "delete", "going")).toMatchObject({ code: 0, out: "going 1.0.0 is deleted\n" });
    expect((await millrace("templates", "get", "going")).code).toBe(4);
  });
});
