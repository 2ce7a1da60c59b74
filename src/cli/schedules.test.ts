import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startTestApp, type TestApp, testKey } from "../../test/support/app.ts";
import { type CommandResult, runCommand } from "../../test/support/command.ts";
import { instanceCalls } from "../../test/support/instances.ts";

let program: TestApp;

beforeAll(async () => {
  program = await startTestApp({ tasks: { echo: (input) => input } });
  const steps = [{ stepId: "echo", type: "TASK", taskId: "echo" }];
  await instanceCalls(program).define({ workflowId: "report", name: "Report", steps });
});
afterAll(() => program?.stop());

function millrace(...args: string[]): Promise<CommandResult> {
  return runCommand(args, { env: { MILLRACE_URL: program.url, MILLRACE_ADMIN_API_KEY: testKey } });
}

const times = ["--cron", "30 2 1 1 *", "--zone", "Europe/Berlin"];

test("a schedule is stored, shown, fired, paused, explained and deleted", async () => {
  const made = await millrace("schedules", "create", "yearly", "-w", "report", ...times, "--overlap", "queue_one");
  expect(made).toMatchObject({ code: 0, err: "" });
  expect(made.out).toMatch(/times +30 2 1 1 \* \(Europe\/Berlin\)/);
  expect((await millrace("schedules", "next", "yearly", "--count", "2")).out).toMatch(
    /^\d{4}-01-01T01:30:00\.000Z\n\d{4}-/,
  );
  expect((await millrace("schedules", "trigger", "yearly")).out).toContain("yearly is fired");
  await expect
    .poll(async () => (await millrace("schedules", "occurrences", "yearly")).out, { timeout: 20_000 })
    .toMatch(/fired +manual +[0-9a-f-]{36} +triggered by/);
  expect((await millrace("schedules", "pause", "yearly")).out).toMatch(/status +paused/);
  expect((await millrace("schedules", "why", "yearly")).out).toMatch(/^PAUSED /);
  expect((await millrace("schedules", "list")).out).toMatch(/yearly +report +30 2 1 1 \* \(Europe\/Berlin\) +paused/);
  const { code } = await millrace("schedules", "delete", "yearly");
  expect(code).toBe(0);
  expect((await millrace("schedules", "list")).out).toContain("No such schedules.");
}, 60_000);

test("schedules are stored from files, and what is wrong in one is told", async () => {
  const file = join(program.dataDir, "schedule.yaml");
  await writeFile(file, 'name: filed\ntargetId: report\ncronExpression: "0 0 31 2 *"\n');
  const { code, err } = await millrace("schedules", "apply", file);
  expect(code).toBe(3);
  expect(err).toContain("never fires");
}, 60_000);
